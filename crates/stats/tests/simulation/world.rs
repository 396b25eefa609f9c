//! Made-up studies with known truth: what a classifier gets right depends on the item, the training draw and chance.

use rand::Rng;
use rand::seq::SliceRandom;

/// P(right) = logistic(`level` + `item`·a_i + `draw`·t_g) with standard normal a and t.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) level: f64,
    pub(crate) item: f64,
    pub(crate) draw: f64,
}

impl World {
    /// Difficulties of `count` new items.
    pub(crate) fn items(&self, count: usize, rng: &mut impl Rng) -> Vec<f64> {
        (0..count).map(|_| self.item * normal(rng)).collect()
    }

    /// What a new training draw gets right among `items`.
    pub(crate) fn score(&self, items: impl Iterator<Item = f64>, rng: &mut impl Rng) -> Vec<bool> {
        let base = self.level + self.draw * normal(rng);
        items.map(|a| rng.random::<f64>() < logistic(base + a)).collect()
    }
}

/// Folds of a shuffled pool, each cut to `cap` items.
pub(crate) fn folds(pool: usize, k: usize, cap: usize, rng: &mut impl Rng) -> Vec<Vec<u32>> {
    let mut ids: Vec<u32> = (0..pool as u32).collect();
    ids.shuffle(rng);
    ids.chunks(pool.div_ceil(k)).map(|fold| fold[..cap.min(fold.len())].to_vec()).collect()
}

/// A standard normal draw (Box & Muller 1958, the cosine half).
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}

/// 1 / (1 + e^-x).
pub(crate) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
