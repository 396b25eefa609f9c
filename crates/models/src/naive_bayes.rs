//! Naive Bayes: features taken as independent given the class, class shares of the training rows as priors.
//!
//! `gaussian`: x_j ~ N(μ_cj, σ²_cj + s · max_j σ²_j), where the last term, with s = `var_smoothing`, keeps pixels that
//! are constant in a class from deciding alone. `bernoulli`: x_j > `threshold` with probability
//! (N_cj + α) / (N_c + 2 α). `multinomial`: shares θ_cj = (N_cj + α) / (N_c + α d) of a total, for counts and other
//! values from 0 up. As in scikit-learn's `GaussianNB`, `BernoulliNB` and `MultinomialNB`; see Manning, Raghavan and
//! Schütze, "Introduction to information retrieval" (2008), chapter 13. `solver = "linfa"` takes the log densities from
//! linfa-bayes, kept as an independent check; probabilities are computed from them here, since linfa's overflow.

use ndarray::Array2;

use crate::cholesky::dot;
use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
};
use crate::newton::probabilities;
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, Settings};
use crate::tuning::{AutoAxis, Simpler, Try, Tuning};

mod linfa;

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
            default: Default::When {
                key: "distribution",
                words: &["gaussian"],
                then: &Default::Float(0.1),
            },
            doc: "this share of the largest feature variance is added to all (scikit-learn's 1e-9 fails on pixels)",
        },
        Param {
            name: "alpha",
            domain: Domain::POSITIVE,
            default: Default::When {
                key: "distribution",
                words: &["bernoulli", "multinomial"],
                then: &Default::Float(1.0),
            },
            doc: "added to every count",
        },
        Param {
            name: "threshold",
            domain: Domain::Float { min: f64::MIN, max: f64::MAX, open_min: false },
            default: Default::When {
                key: "distribution",
                words: &["bernoulli"],
                then: &Default::Float(0.5),
            },
            doc: "values above it count as 1",
        },
        Param {
            name: "solver",
            domain: Domain::OneOf(&["closed-form", "linfa"]),
            default: Default::Text("closed-form"),
            doc: "whose sums: ours, or linfa-bayes'",
        },
    ],
    tuning: Tuning {
        auto: &[
            AutoAxis {
                name: "var_smoothing",
                values: Try::These(&[
                    Default::Float(0.001),
                    Default::Float(0.01),
                    Default::Float(0.1),
                    Default::Float(1.0),
                ]),
            },
            AutoAxis {
                name: "alpha",
                values: Try::These(&[
                    Default::Float(0.01),
                    Default::Float(0.1),
                    Default::Float(1.0),
                    Default::Float(10.0),
                ]),
            },
        ],
        simpler: &[("var_smoothing", Simpler::Larger), ("alpha", Simpler::Larger)],
        shared: None,
    },
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
        let distribution = self.settings.text("distribution").unwrap_or("gaussian");
        if distribution == "multinomial" {
            refuse_negative(&train.features())?;
        }
        if self.settings.text("solver") == Some("linfa") && linfa::can_fit(train) {
            return match distribution {
                "bernoulli" => linfa::bernoulli(train, alpha, number("threshold", 0.5)),
                "multinomial" => linfa::multinomial(train, alpha),
                _ => linfa::gaussian(train, number("var_smoothing", 0.1)),
            };
        }
        Ok(Fit::new(match distribution {
            "bernoulli" => bernoulli(train, alpha, number("threshold", 0.5)),
            "multinomial" => multinomial(train, alpha),
            _ => gaussian(train, number("var_smoothing", 0.1)),
        }))
    }
}

fn refuse_negative(features: &Features<'_>) -> Result<(), FitError> {
    let columns = features.columns();
    match features.values().iter().position(|&x| x < 0.0) {
        None => Ok(()),
        Some(at) => Err(FitError::Refused(format!(
            "row {}, column {} is negative: multinomial naive Bayes needs values from 0 up, use \"gaussian\"",
            at / columns,
            at % columns
        ))),
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
        let (classes, columns) = (self.offsets.len(), features.columns());
        let mut scores = Array2::zeros((features.rows(), classes));
        let mut wide = vec![0.0; columns];
        for (i, mut row) in scores.outer_iter_mut().enumerate() {
            self.features.widen(features.row(i), &mut wide);
            for (c, score) in row.iter_mut().enumerate() {
                *score = self.offsets[c] + self.features.log_density(&wide, c);
            }
        }
        Ok(from_log_densities(&scores))
    }
}

/// Predictions from log joint densities, rows × classes, whatever their size.
fn from_log_densities(scores: &Array2<f64>) -> Predictions {
    let shares = probabilities(scores).iter().map(|&p| p as f32).collect();
    Predictions::from_probabilities(shares, scores.ncols())
}

impl Likelihood {
    /// The row as the densities take it: in double precision, 0 or 1 if there is a threshold.
    fn widen(&self, row: &[f32], wide: &mut [f64]) {
        for (wide, &x) in wide.iter_mut().zip(row) {
            *wide = match self {
                Likelihood::Linear { threshold: Some(threshold), .. } => {
                    f64::from(u8::from(f64::from(x) > *threshold))
                }
                _ => f64::from(x),
            };
        }
    }

    /// The part of the log density that depends on the row.
    fn log_density(&self, row: &[f64], class: usize) -> f64 {
        let own = class * row.len()..(class + 1) * row.len();
        match self {
            Likelihood::Gaussian { means, precisions } => {
                -0.5 * weighted_squares(row, &means[own.clone()], &precisions[own])
            }
            Likelihood::Linear { weights, .. } => dot(row, &weights[own]),
        }
    }
}

/// Σ (x_j - m_j)² p_j in four running sums, so that the additions need not wait for each other.
fn weighted_squares(x: &[f64], means: &[f64], precisions: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let whole = x.len() / 4 * 4;
    let groups = x.chunks_exact(4).zip(means.chunks_exact(4)).zip(precisions.chunks_exact(4));
    for ((x, m), p) in groups {
        for lane in 0..4 {
            let deviation = x[lane] - m[lane];
            sums[lane] += deviation * deviation * p[lane];
        }
    }
    let rest = (whole..x.len()).map(|j| (x[j] - means[j]).powi(2) * precisions[j]);
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

/// The log of each class's share.
fn log_priors(train: &TrainingSet<'_>) -> Vec<f64> {
    let rows = train.rows() as f64;
    train.class_counts().iter().map(|&count| libm::log(count as f64 / rows)).collect()
}

/// Adds up `value(x, m)` over the rows of each class, m being the class's value in `others`: classes × columns.
fn class_sums(
    train: &TrainingSet<'_>,
    others: &[f64],
    value: impl Fn(f64, f64) -> f64,
) -> Vec<f64> {
    let columns = train.features().columns();
    let mut sums = vec![0.0; train.classes() * columns];
    for (i, &label) in train.labels().iter().enumerate() {
        let own = label as usize * columns..(label as usize + 1) * columns;
        let terms = train.features().row(i).iter().zip(&others[own.clone()]);
        for (sum, (&x, &other)) in sums[own].iter_mut().zip(terms) {
            *sum += value(f64::from(x), other);
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
    let zeros = vec![0.0; counts.len() * columns];
    let means = per_row(class_sums(train, &zeros, |x, _| x), &counts);
    let variances = per_row(class_sums(train, &means, |x, m| (x - m).powi(2)), &counts);
    let largest = largest_variance(&means, &variances, &counts);
    let floor = smoothing * if largest > 0.0 { largest } else { 1.0 };
    let precisions: Vec<f64> = variances.iter().map(|v| 1.0 / (v + floor)).collect();
    let mut offsets = log_priors(train);
    for (offset, precisions) in offsets.iter_mut().zip(precisions.chunks_exact(columns)) {
        *offset +=
            0.5 * precisions.iter().map(|p| libm::log(p / std::f64::consts::TAU)).sum::<f64>();
    }
    FittedBayes { offsets, features: Likelihood::Gaussian { means, precisions } }
}

/// The largest variance of a feature over all rows: the mean variance within classes and that of the class means.
fn largest_variance(means: &[f64], variances: &[f64], counts: &[usize]) -> f64 {
    let (rows, columns) = (counts.iter().sum::<usize>() as f64, means.len() / counts.len());
    let variance = |j: usize| {
        let classes = || counts.iter().enumerate().map(|(c, &n)| (n as f64, c * columns + j));
        let mean = classes().map(|(n, at)| n * means[at]).sum::<f64>() / rows;
        classes().map(|(n, at)| n * (variances[at] + (means[at] - mean).powi(2))).sum::<f64>()
            / rows
    };
    (0..columns).map(variance).fold(0.0, f64::max)
}

fn bernoulli(train: &TrainingSet<'_>, alpha: f64, threshold: f64) -> FittedBayes {
    let (counts, columns) = (train.class_counts(), train.features().columns());
    let zeros = vec![0.0; counts.len() * columns];
    let ones = class_sums(train, &zeros, |x, _| f64::from(u8::from(x > threshold)));
    let mut offsets = log_priors(train);
    let mut weights = Vec::with_capacity(ones.len());
    for (c, ones) in ones.chunks_exact(columns).enumerate() {
        for count in ones {
            let (one, zero) = shares(*count, counts[c] as f64, alpha);
            offsets[c] += libm::log(zero);
            weights.push(libm::log(one) - libm::log(zero));
        }
    }
    FittedBayes { offsets, features: Likelihood::Linear { weights, threshold: Some(threshold) } }
}

/// The smoothed shares of ones and zeros among `rows` values of which `count` are ones; neither is 0.
fn shares(count: f64, rows: f64, alpha: f64) -> (f64, f64) {
    let total = rows + 2.0 * alpha;
    let one = (count + alpha) / total;
    let rest = 1.0 - one;
    // Of a smaller difference rounding leaves too little, and of an α below 1e-16 nothing.
    let zero = if rest < 1e-10 { (rows - count + alpha) / total } else { rest };
    (one.max(f64::MIN_POSITIVE), zero.max(f64::MIN_POSITIVE))
}

fn multinomial(train: &TrainingSet<'_>, alpha: f64) -> FittedBayes {
    let columns = train.features().columns();
    let zeros = vec![0.0; train.classes() * columns];
    let mut weights = class_sums(train, &zeros, |x, _| x);
    for class in weights.chunks_exact_mut(columns) {
        let total = class.iter().sum::<f64>() + alpha * columns as f64;
        let share = |sum: f64| ((sum + alpha) / total).max(f64::MIN_POSITIVE);
        class.iter_mut().for_each(|sum| *sum = libm::log(share(*sum)));
    }
    let features = Likelihood::Linear { weights, threshold: None };
    FittedBayes { offsets: log_priors(train), features }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::Shape;

    #[test]
    fn shares_are_above_zero_however_small_alpha_is() {
        // As written in the module's text; 1 - one is exactly 0 in double precision for the second and third.
        for alpha in [1.0, 1e-17, 1e-200, f64::MIN_POSITIVE] {
            let (one, zero) = shares(5.0, 5.0, alpha);
            assert!(
                (zero / (alpha / (5.0 + 2.0 * alpha)) - 1.0).abs() < 1e-9
                    || zero == f64::MIN_POSITIVE
            );
            assert!(one <= 1.0 && zero > 0.0);
            assert!(shares(0.0, 5.0, alpha).0 > 0.0);
        }
        let (one, zero) = shares(3.0, 5.0, 1.0);
        assert_eq!((one, zero), (4.0 / 7.0, 1.0 - 4.0 / 7.0), "the same bits as ever");
    }

    #[test]
    fn a_tiny_alpha_gives_probabilities() {
        let values = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0];
        let features = Features::new(&values, Shape::table(2));
        let train = TrainingSet::new(features, &[0, 0, 1, 1], 2).unwrap();
        for alpha in [1e-17, 5e-324] {
            for fitted in [bernoulli(&train, alpha, 0.5), multinomial(&train, alpha)] {
                let rows = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0];
                let found = fitted.predict(&Features::new(&rows, Shape::table(2))).unwrap();
                let shares = found.probabilities.unwrap();
                assert!(shares.iter().all(|p| p.is_finite()), "{alpha:e}: {shares:?}");
                assert_eq!(found.labels[..2], [0, 1]);
            }
        }
    }
}
