//! The Gaussian process classifier by Laplace's approximation, with a squared-exponential kernel.
//!
//! A latent function f ~ GP(0, k), k(a, b) = σ² exp(-‖a - b‖² / (2 ℓ²)), says by 1 / (1 + e^-f) how likely class 1 is
//! (Rasmussen and Williams, "Gaussian processes for machine learning", 2006, chapter 3). Its posterior is approximated
//! by a normal distribution at its mode, and σ² and ℓ are those of the largest evidence, found from σ² = 1 and ℓ = the
//! root mean square distance between training rows, within factors of 10^±5, unless they are set; up to 20 rows from
//! four other starts as well, because climbs can end where nothing is learnt. More than two classes
//! are fitted one against the rest, each with its own σ² and ℓ, and their probabilities divided by their sum.
//!
//! As in scikit-learn's `GaussianProcessClassifier`, which starts where its kernel says: on pixels from its default
//! ℓ = 1, where all examples are unrelated, it gets nowhere. The work grows with n³; the memory with n².

use ndarray::{Array1, Array2, Axis};

use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
};
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, Settings};
use crate::tuning::Tuning;

mod ascent;
mod laplace;

use laplace::Laplace;

/// `kind = "gaussian-process"`.
pub(crate) const KIND: Kind = Kind {
    name: "gaussian-process",
    summary: "Gaussian process (Laplace), length scale by evidence",
    caveat: None,
    params: &[
        Param {
            name: "length_scale",
            domain: Domain::OneOfOrAbove { words: &["evidence"], above: 0.0 },
            default: Default::Text("evidence"),
            doc: "ℓ in σ² exp(-‖a - b‖² / (2 ℓ²)): the one of largest evidence, or a number",
        },
        Param {
            name: "variance",
            domain: Domain::OneOfOrAbove { words: &["evidence"], above: 0.0 },
            default: Default::Text("evidence"),
            doc: "σ² of the latent function: the one of largest evidence, or a number",
        },
    ],
    // The evidence chooses length scale and variance inside every fit.
    tuning: Tuning::NONE,
    build: |settings| Ok(Box::new(GaussianProcess { settings: settings.clone() })),
};

#[derive(Debug)]
struct GaussianProcess {
    settings: Settings,
}

impl Classifier for GaussianProcess {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let rows = Rows::new(&train.features());
        let squares = rows.squared_distances();
        let start = Kernel {
            variance: self.settings.float("variance").unwrap_or(1.0),
            length: self.settings.float("length_scale").unwrap_or_else(|| typical(&squares)),
        };
        let free = [
            self.settings.float("variance").is_none(),
            self.settings.float("length_scale").is_none(),
        ];
        let positives = if train.classes() == 2 { 1..2 } else { 0..train.classes() as u32 };
        let fit = |positive: u32| {
            let targets =
                train.labels().iter().map(|&label| f64::from(u8::from(label == positive)));
            let laplace = Laplace::new(&squares, targets.collect());
            ascent::fit(&laplace, start, free, context)
        };
        let processes = positives.map(fit).collect::<Result<Vec<_>, _>>()?;
        Ok(Fit::new(FittedProcess { rows, processes }))
    }
}

/// σ² and ℓ.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kernel {
    variance: f64,
    length: f64,
}

impl Kernel {
    /// k at a squared distance.
    fn at(&self, square: f64) -> f64 {
        self.variance * libm::exp(-square / (2.0 * self.length * self.length))
    }
}

/// The root mean square distance between different rows; 1 if there is none.
fn typical(squares: &Array2<f64>) -> f64 {
    let n = squares.nrows() as f64;
    let mean = squares.sum() / (n * (n - 1.0));
    if mean > 0.0 { mean.sqrt() } else { 1.0 }
}

/// The training rows, less their mean.
struct Rows {
    x: Array2<f64>,
    means: Array1<f64>,
    /// Squared norms.
    norms: Array1<f64>,
}

impl Rows {
    fn new(features: &Features<'_>) -> Self {
        let values = features.values().iter().map(|&v| f64::from(v));
        let mut x = Array2::zeros((features.rows(), features.columns()));
        x.iter_mut().zip(values).for_each(|(x, value)| *x = value);
        let means = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(features.columns()));
        x -= &means;
        let norms = x.outer_iter().map(|row| row.dot(&row)).collect();
        Rows { x, means, norms }
    }

    fn squared_distances(&self) -> Array2<f64> {
        let mut squares = crate::cholesky::gram(&self.x.view());
        for (i, mut row) in squares.outer_iter_mut().enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                let square = (self.norms[i] + self.norms[j] - 2.0 * *value).max(0.0);
                *value = if i == j { 0.0 } else { square };
            }
        }
        squares
    }

    /// Training rows × rows of `block`.
    fn squared_distances_to(&self, block: &[f32]) -> Array2<f64> {
        let columns = self.means.len();
        let mut other = Array2::zeros((block.len() / columns, columns));
        for (mut row, values) in other.outer_iter_mut().zip(block.chunks_exact(columns)) {
            for ((x, &value), mean) in row.iter_mut().zip(values).zip(&self.means) {
                *x = f64::from(value) - mean;
            }
        }
        let norms: Array1<f64> = other.outer_iter().map(|row| row.dot(&row)).collect();
        let mut squares = self.x.dot(&other.t());
        for (mut row, own) in squares.outer_iter_mut().zip(&self.norms) {
            for (value, norm) in row.iter_mut().zip(&norms) {
                *value = (own + norm - 2.0 * *value).max(0.0);
            }
        }
        squares
    }
}

struct FittedProcess {
    rows: Rows,
    /// One for two classes (class 1), one per class for more.
    processes: Vec<laplace::Posterior>,
}

/// Rows that are predicted together.
const BLOCK: usize = 256;

impl FittedClassifier for FittedProcess {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let outputs = self.processes.len();
        let classes = outputs.max(2);
        let mut shares = Vec::with_capacity(features.rows() * classes);
        for block in features.values().chunks(BLOCK * features.columns()) {
            let squares = self.rows.squared_distances_to(block);
            let columns: Vec<Array1<f64>> =
                self.processes.iter().map(|process| process.probabilities(&squares)).collect();
            for i in 0..squares.ncols() {
                let row: Vec<f64> = columns.iter().map(|column| column[i]).collect();
                if let [p] = row[..] {
                    shares.extend([(1.0 - p) as f32, p as f32]);
                    continue;
                }
                let total: f64 = row.iter().sum();
                let share = |p: f64| if total > 0.0 { p / total } else { 1.0 / classes as f64 };
                shares.extend(row.into_iter().map(|p| share(p) as f32));
            }
        }
        Ok(Predictions::from_probabilities(shares, classes))
    }
}
