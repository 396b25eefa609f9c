//! k nearest neighbours (Cover and Hart, "Nearest neighbor pattern classification", 1967).
//!
//! All distances come from one matrix product, ‖a‖² + ‖b‖² - 2 a·b in single precision, on centred columns; those that
//! may be among the k smallest are then computed again, exactly. Equal distances go to the lower training row, equal
//! votes to the lowest label, as in scikit-learn. With `weights = "distance"` a vote counts 1/distance; where some
//! neighbour is at distance 0, only such neighbours vote.

use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
};
use crate::linear::matrix;
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param};

/// `kind = "knn"`.
pub(crate) const KIND: Kind = Kind {
    name: "knn",
    summary: "k nearest neighbours by Euclidean distance",
    caveat: None,
    params: &[
        Param {
            name: "k",
            domain: Domain::COUNT,
            default: Default::Int(1),
            doc: "how many neighbours vote; a fit on fewer rows is refused",
        },
        Param {
            name: "weights",
            domain: Domain::OneOf(&["uniform", "distance"]),
            default: Default::Text("uniform"),
            doc: "what a vote counts: 1, or 1/distance",
        },
        Param {
            name: "metric",
            domain: Domain::OneOf(&["euclidean"]),
            default: Default::Text("euclidean"),
            doc: "the distance",
        },
    ],
    build: |settings| {
        Ok(Box::new(Knn {
            k: settings.count("k").unwrap_or(1),
            by_distance: settings.text("weights") == Some("distance"),
        }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Knn {
    k: usize,
    by_distance: bool,
}

impl Classifier for Knn {
    fn fit(&self, train: &TrainingSet<'_>, _: &FitContext<'_>) -> Result<Fit, FitError> {
        if self.k > train.rows() {
            return Err(FitError::Refused(format!(
                "k is {} but there are only {} training rows: set k to at most the smallest train size",
                self.k,
                train.rows()
            )));
        }
        let originals = matrix(&train.features());
        let means = originals.mapv(f64::from).mean_axis(Axis(0)).map(|m| m.mapv(|v| v as f32));
        let shift = means.unwrap_or_else(|| Array1::zeros(originals.ncols()));
        let x = &originals - &shift;
        let squares: Array1<f32> = x.outer_iter().map(|row| row.dot(&row)).collect();
        Ok(Fit::new(FittedKnn {
            settings: *self,
            originals,
            x,
            largest_square: squares.fold(0.0, |m, &v| m.max(v)),
            squares,
            shift,
            labels: train.labels().to_vec(),
            classes: train.classes(),
        }))
    }
}

struct FittedKnn {
    settings: Knn,
    /// The training rows.
    originals: Array2<f32>,
    /// The training rows, less `shift`.
    x: Array2<f32>,
    /// Their squared norms.
    squares: Array1<f32>,
    /// The largest of these.
    largest_square: f32,
    /// The mean of the training rows.
    shift: Array1<f32>,
    labels: Vec<u32>,
    classes: usize,
}

/// ‖a - b‖² in double precision, always summed in the same order.
fn squared_distance(a: &[f32], b: ArrayView1<'_, f32>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// Rows whose distances are held at once.
const BLOCK: usize = 256;

impl FittedClassifier for FittedKnn {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let mut probabilities = Vec::with_capacity(features.rows() * self.classes);
        for block in features.values().chunks(BLOCK * features.columns()) {
            let rows = matrix(&Features::new(block, features.shape())) - &self.shift;
            let mut relative = rows.dot(&self.x.t()).mapv_into(|product| -2.0 * product);
            relative += &self.squares;
            let originals = block.chunks_exact(features.columns());
            for (row, relative) in originals.zip(relative.outer_iter()) {
                let nearest = self.nearest(row, &relative.to_vec());
                probabilities.extend(self.shares(&nearest));
            }
        }
        Ok(Predictions::from_probabilities(probabilities, self.classes))
    }
}

impl FittedKnn {
    /// The k nearest training rows to `row` with their squared distances.
    ///
    /// `relative` holds ‖b‖² - 2 a·b for every training row b: the squared distance less what is the same for all.
    fn nearest(&self, row: &[f32], relative: &[f32]) -> Vec<(f64, usize)> {
        let k = self.settings.k;
        let kth = if k == 1 {
            relative.iter().fold(f32::INFINITY, |m, &v| m.min(v))
        } else {
            let mut sorted = relative.to_vec();
            *sorted.select_nth_unstable_by(k - 1, f32::total_cmp).1
        };
        // What rounding can have moved, generously: the terms of a sum of d products, each half an ulp off.
        let slack = 1e-6 * (self.largest_square + kth.abs());
        let near = (0..relative.len()).filter(|&i| relative[i] <= kth + slack);
        let mut chosen: Vec<(f64, usize)> =
            near.map(|i| (squared_distance(row, self.originals.row(i)), i)).collect();
        chosen.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        chosen.truncate(k);
        chosen
    }

    /// The share of the votes that each class gets from the neighbours (squared distance, row).
    fn shares(&self, nearest: &[(f64, usize)]) -> Vec<f32> {
        let touching = nearest.iter().any(|&(square, _)| square == 0.0);
        let mut votes = vec![0.0f64; self.classes];
        for &(square, i) in nearest {
            let vote = match (self.settings.by_distance, touching) {
                (false, _) => 1.0,
                (true, true) => f64::from(u8::from(square == 0.0)),
                (true, false) => 1.0 / square.sqrt(),
            };
            votes[self.labels[i] as usize] += vote;
        }
        let total: f64 = votes.iter().sum();
        votes.iter().map(|vote| (vote / total) as f32).collect()
    }
}
