//! Naive Bayes: features taken as independent given the class, class shares of the training rows as priors.
//!
//! `gaussian`: x_j ~ N(μ_cj, σ²_cj + s · max_j σ²_j), where the last term, with s = `var_smoothing`, keeps pixels that
//! are constant in a class from deciding alone. `bernoulli`: x_j > `threshold` with probability
//! (N_cj + α) / (N_c + 2 α). `multinomial`: shares θ_cj = (N_cj + α) / (N_c + α d) of a total, for counts and other
//! values from 0 up. As in scikit-learn's `GaussianNB`, `BernoulliNB` and `MultinomialNB`; see Manning, Raghavan and
//! Schütze, "Introduction to information retrieval" (2008), chapter 13.

use ndarray::Array2;

use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
};
use crate::newton::probabilities;
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, Settings};

/// `kind = "naive-bayes"`.
pub(crate) const KIND: Kind = Kind {
    name: "naive-bayes",
    summary: "naive Bayes with Gaussian, Bernoulli or multinomial features",
    caveat: None,
    params: &[
        Param {
            name: "distribution",
            domain: Domain::OneOf(&["gaussian", "bernoulli", "multinomial"]),
            default: Default::Text("gaussian"),
            doc: "of a feature within a class",
        },
        Param {
            name: "var_smoothing",
            domain: Domain::POSITIVE,
            default: Default::Float(0.1),
            doc: "gaussian: this share of the largest feature variance is added to all (scikit-learn's 1e-9 fails on pixels)",
        },
        Param {
            name: "alpha",
            domain: Domain::POSITIVE,
            default: Default::Float(1.0),
            doc: "bernoulli and multinomial: added to every count",
        },
        Param {
            name: "threshold",
            domain: Domain::Float { min: f64::MIN, max: f64::MAX, open_min: false },
            default: Default::Float(0.5),
            doc: "bernoulli: values above it count as 1",
        },
    ],
    build: |settings| Ok(Box::new(NaiveBayes { settings: settings.clone() })),
};

#[derive(Debug)]
struct NaiveBayes {
    settings: Settings,
}

impl Classifier for NaiveBayes {
    fn fit(&self, train: &TrainingSet<'_>, _: &FitContext<'_>) -> Result<Fit, FitError> {
        let number = |name: &str, otherwise| self.settings.float(name).unwrap_or(otherwise);
        let alpha = number("alpha", 1.0);
        Ok(Fit::new(match self.settings.text("distribution") {
            Some("bernoulli") => bernoulli(train, alpha, number("threshold", 0.5)),
            Some("multinomial") => multinomial(train, alpha)?,
            _ => gaussian(train, number("var_smoothing", 0.1)),
        }))
    }
}

/// The log joint density of a row and class c: offset_c + Σ_j t(x_j) w_cj - ½ Σ_j (x_j - m_cj)² p_cj, one of the sums.
struct FittedBayes {
    /// One per class.
    offsets: Vec<f64>,
    features: Likelihood,
}

/// What a class says of a row; all vectors are classes × columns.
enum Likelihood {
    Gaussian { means: Vec<f64>, precisions: Vec<f64> },
    Linear { weights: Vec<f64>, threshold: Option<f64> },
}

impl FittedClassifier for FittedBayes {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let classes = self.offsets.len();
        let mut scores = Array2::zeros((features.rows(), classes));
        for (i, mut row) in scores.outer_iter_mut().enumerate() {
            for (c, score) in row.iter_mut().enumerate() {
                *score = self.offsets[c] + self.features.log_density(features.row(i), c);
            }
        }
        let shares = probabilities(&scores).iter().map(|&p| p as f32).collect();
        Ok(Predictions::from_probabilities(shares, classes))
    }
}

impl Likelihood {
    /// The part of the log density that depends on the row.
    fn log_density(&self, row: &[f32], class: usize) -> f64 {
        let own = class * row.len()..(class + 1) * row.len();
        match self {
            Likelihood::Gaussian { means, precisions } => {
                let (means, precisions) = (&means[own.clone()], &precisions[own]);
                let terms = row.iter().zip(means).zip(precisions);
                -0.5 * terms.map(|((&x, m), p)| (f64::from(x) - m).powi(2) * p).sum::<f64>()
            }
            Likelihood::Linear { weights, threshold } => {
                let terms = row.iter().zip(&weights[own]);
                match threshold {
                    Some(threshold) => {
                        terms.map(|(&x, w)| if f64::from(x) > *threshold { *w } else { 0.0 }).sum()
                    }
                    None => terms.map(|(&x, w)| f64::from(x) * w).sum(),
                }
            }
        }
    }
}

/// The log of each class's share.
fn log_priors(train: &TrainingSet<'_>) -> Vec<f64> {
    let rows = train.rows() as f64;
    train.class_counts().iter().map(|&count| (count as f64 / rows).ln()).collect()
}

/// Sums `value(x)` over the rows of each class: classes × columns.
fn class_sums(train: &TrainingSet<'_>, value: impl Fn(usize, usize, f64) -> f64) -> Vec<f64> {
    let columns = train.features().columns();
    let mut sums = vec![0.0; train.classes() * columns];
    for (i, &label) in train.labels().iter().enumerate() {
        let class = label as usize;
        for (j, &x) in train.features().row(i).iter().enumerate() {
            sums[class * columns + j] += value(class, j, f64::from(x));
        }
    }
    sums
}

/// Divides the sums of each class by its number of rows.
fn per_row(mut sums: Vec<f64>, counts: &[usize]) -> Vec<f64> {
    let columns = sums.len() / counts.len();
    for (class, &count) in sums.chunks_exact_mut(columns).zip(counts) {
        class.iter_mut().for_each(|sum| *sum /= count as f64);
    }
    sums
}

fn gaussian(train: &TrainingSet<'_>, smoothing: f64) -> FittedBayes {
    let (counts, columns) = (train.class_counts(), train.features().columns());
    let means = per_row(class_sums(train, |_, _, x| x), &counts);
    let deviations = |c: usize, j: usize, x: f64| (x - means[c * columns + j]).powi(2);
    let variances = per_row(class_sums(train, deviations), &counts);
    let largest = largest_variance(train);
    let floor = smoothing * if largest > 0.0 { largest } else { 1.0 };
    let precisions: Vec<f64> = variances.iter().map(|v| 1.0 / (v + floor)).collect();
    let mut offsets = log_priors(train);
    for (offset, precisions) in offsets.iter_mut().zip(precisions.chunks_exact(columns)) {
        *offset += 0.5 * precisions.iter().map(|p| (p / std::f64::consts::TAU).ln()).sum::<f64>();
    }
    FittedBayes { offsets, features: Likelihood::Gaussian { means, precisions } }
}

/// The largest variance of a feature over all rows.
fn largest_variance(train: &TrainingSet<'_>) -> f64 {
    let (features, rows) = (train.features(), train.rows() as f64);
    let variance = |j: usize| {
        let column = || (0..train.rows()).map(|i| f64::from(features.row(i)[j]));
        let mean = column().sum::<f64>() / rows;
        column().map(|x| (x - mean).powi(2)).sum::<f64>() / rows
    };
    (0..features.columns()).map(variance).fold(0.0, f64::max)
}

fn bernoulli(train: &TrainingSet<'_>, alpha: f64, threshold: f64) -> FittedBayes {
    let (counts, columns) = (train.class_counts(), train.features().columns());
    let ones = class_sums(train, |_, _, x| f64::from(u8::from(x > threshold)));
    let mut offsets = log_priors(train);
    let mut weights = Vec::with_capacity(ones.len());
    for (c, ones) in ones.chunks_exact(columns).enumerate() {
        for count in ones {
            let one = (count + alpha) / (counts[c] as f64 + 2.0 * alpha);
            offsets[c] += (1.0 - one).ln();
            weights.push(one.ln() - (1.0 - one).ln());
        }
    }
    FittedBayes { offsets, features: Likelihood::Linear { weights, threshold: Some(threshold) } }
}

fn multinomial(train: &TrainingSet<'_>, alpha: f64) -> Result<FittedBayes, FitError> {
    let columns = train.features().columns();
    if let Some(at) = train.features().values().iter().position(|&x| x < 0.0) {
        return Err(FitError::Refused(format!(
            "row {}, column {} is negative: multinomial naive Bayes needs values from 0 up, use \"gaussian\"",
            at / columns,
            at % columns
        )));
    }
    let mut weights = class_sums(train, |_, _, x| x);
    for class in weights.chunks_exact_mut(columns) {
        let total = class.iter().sum::<f64>() + alpha * columns as f64;
        class.iter_mut().for_each(|sum| *sum = ((*sum + alpha) / total).ln());
    }
    let features = Likelihood::Linear { weights, threshold: None };
    Ok(FittedBayes { offsets: log_priors(train), features })
}
