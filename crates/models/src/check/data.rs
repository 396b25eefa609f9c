//! Made-up examples for the contract's checks: each class lights up a band of its own.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::classifier::{Features, Shape};

/// Labelled examples.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) values: Vec<f32>,
    pub(super) labels: Vec<u32>,
    pub(super) shape: Shape,
    pub(super) classes: usize,
}

impl Sample {
    /// `rows` examples in [0, 1], the classes in turn: noise up to 0.4, and 0.3 to 0.6 more in the class's band.
    pub(super) fn banded(shape: Shape, classes: usize, rows: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Vec::with_capacity(rows * shape.len());
        let labels: Vec<u32> = (0..rows).map(|i| (i % classes) as u32).collect();
        for &label in &labels {
            let light: f32 = rng.random_range(0.3..0.6);
            for at in 0..shape.len() {
                let lit = band(shape, classes, at) == label as usize;
                values.push(rng.random_range(0.0..0.4) + if lit { light } else { 0.0 });
            }
        }
        Sample { values, labels, shape, classes }
    }

    pub(super) fn features(&self) -> Features<'_> {
        Features::new(&self.values, self.shape)
    }

    pub(super) fn rows(&self) -> usize {
        self.labels.len()
    }

    /// The same examples under other labels.
    pub(super) fn relabelled(&self, rename: impl Fn(u32) -> u32) -> Self {
        let labels = self.labels.iter().map(|&l| rename(l)).collect();
        Sample { labels, ..self.clone() }
    }

    /// Labels that say nothing of the class: in every true class, each label equally often, at random rows.
    pub(super) fn meaningless(&self, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut labels = self.labels.clone();
        for class in 0..self.classes as u32 {
            let mut rows: Vec<usize> =
                (0..self.rows()).filter(|&i| self.labels[i] == class).collect();
            rows.shuffle(&mut rng);
            for (turn, row) in rows.into_iter().enumerate() {
                labels[row] = (turn % self.classes) as u32;
            }
        }
        Sample { labels, ..self.clone() }
    }
}

/// The band, one per class, that value `at` of an example belongs to: rows of an image, columns of a table.
fn band(shape: Shape, classes: usize, at: usize) -> usize {
    let column = at / shape.channels % shape.width;
    let row = at / shape.channels / shape.width;
    if shape.is_image() { row * classes / shape.height } else { column * classes / shape.width }
}
