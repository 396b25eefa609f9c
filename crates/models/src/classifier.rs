//! What a model is to the harness: `fit` on a training set gives a fitted model, which predicts.
//!
//! A fitted model is another type than its classifier, so that predicting before fitting does not compile.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::tuning::Choice;

/// The shape of one example: `height × width × channels`, stored in that order (NHWC without the N).
/// A table's row is `1 × columns × 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of pixels; 1 for tables.
    pub height: usize,
    /// Columns of pixels; the number of features for tables.
    pub width: usize,
    /// Values per pixel; 1 for tables and grey images.
    pub channels: usize,
}

impl Shape {
    /// The shape of a table's row with `columns` features.
    pub fn table(columns: usize) -> Self {
        Shape { height: 1, width: columns, channels: 1 }
    }

    /// Values per example.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// True if an example holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if examples are images, more than one pixel high and wide.
    pub fn is_image(&self) -> bool {
        self.height > 1 && self.width > 1
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.height, self.width, self.channels)
    }
}

/// Examples as a dense row-major matrix, one row per example.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    values: &'a [f32],
    rows: usize,
    shape: Shape,
}

impl<'a> Features<'a> {
    /// Views `values` as examples of `shape`.
    ///
    /// # Panics
    /// If `values` is not a whole number of examples, or the shape is empty: a defect of the caller.
    pub fn new(values: &'a [f32], shape: Shape) -> Self {
        assert!(!shape.is_empty(), "an example must hold at least one value");
        assert_eq!(values.len() % shape.len(), 0, "values must be whole examples of {shape}");
        Features { values, rows: values.len() / shape.len(), shape }
    }

    /// The number of examples.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of values per example.
    pub fn columns(&self) -> usize {
        self.shape.len()
    }

    /// The shape of one example.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// All values, row after row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Example `i`.
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.columns()..(i + 1) * self.columns()]
    }
}

/// What a model learns from: examples, their labels in `0..classes`, and the number of classes of the task.
#[derive(Clone, Copy, Debug)]
pub struct TrainingSet<'a> {
    features: Features<'a>,
    labels: &'a [u32],
    classes: usize,
}

impl<'a> TrainingSet<'a> {
    /// Checks once, for all models, what every fit needs.
    ///
    /// # Errors
    /// [`FitError::Refused`] if there are no rows, fewer than two classes, a class without an example,
    /// or a value that is not finite; the message says which.
    ///
    /// # Panics
    /// If there are not as many labels as rows, or a label is not below `classes`: a defect of the caller.
    pub fn new(
        features: Features<'a>,
        labels: &'a [u32],
        classes: usize,
    ) -> Result<Self, FitError> {
        assert_eq!(features.rows(), labels.len(), "one label per row");
        assert!(labels.iter().all(|&l| (l as usize) < classes), "labels must be below {classes}");
        if classes < 2 {
            return Err(FitError::Refused(format!(
                "{classes} class: a classifier needs two or more"
            )));
        }
        let set = TrainingSet { features, labels, classes };
        if let Some(class) = set.class_counts().iter().position(|&count| count == 0) {
            return Err(FitError::Refused(format!(
                "no example of class {class} among {} rows",
                features.rows()
            )));
        }
        if let Some(at) = first_not_finite(features.values()) {
            let (row, column) = (at / features.columns(), at % features.columns());
            return Err(FitError::Refused(format!("row {row}, column {column} is not finite")));
        }
        Ok(set)
    }

    /// The examples.
    pub fn features(&self) -> Features<'a> {
        self.features
    }

    /// One label per example.
    pub fn labels(&self) -> &'a [u32] {
        self.labels
    }

    /// The number of classes of the task; each has at least one example.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The number of examples.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Examples per class, indexed by label.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &label in self.labels {
            counts[label as usize] += 1;
        }
        counts
    }
}

/// Where the first value that is not finite is. Whole stretches are judged without a branch per value.
pub(crate) fn first_not_finite(values: &[f32]) -> Option<usize> {
    const STRETCH: usize = 256;
    let sound = |stretch: &[f32]| stretch.iter().fold(true, |sound, v| sound & v.is_finite());
    let bad = values.chunks(STRETCH).position(|stretch| !sound(stretch))? * STRETCH;
    values[bad..].iter().position(|v| !v.is_finite()).map(|at| bad + at)
}

/// What surrounds one fit: its seed, the device to run on, and the flag that asks it to stop.
#[derive(Clone, Copy, Debug)]
pub struct FitContext<'a> {
    /// Decides everything random in the fit; the same seed and data give the same model.
    pub seed: u64,
    /// Where nets are trained; models that know one device only ignore it.
    pub device: nn::Device,
    /// Set when the fit is to be given up (an interrupt, a time limit).
    pub stop: &'a AtomicBool,
}

impl FitContext<'_> {
    /// To be called now and then in long fits.
    ///
    /// # Errors
    /// [`FitError::Stopped`] once the fit is to be given up.
    pub fn check(&self) -> Result<(), FitError> {
        if self.stop.load(Ordering::Relaxed) { Err(FitError::Stopped) } else { Ok(()) }
    }
}

/// Why a fit or a prediction gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// The data can't be learnt by this model; says why and what would be needed.
    #[error("{0}")]
    Refused(String),
    /// The loss or the parameters stopped being finite.
    #[error("diverged: {0}")]
    Diverged(String),
    /// The model or the library under it failed.
    #[error("{0}")]
    Failed(String),
    /// There was no result in the time that a trial may take.
    #[error("{0}")]
    TimedOut(String),
    /// The fit was asked to stop.
    #[error("stopped")]
    Stopped,
}

/// A model with its settings, ready to be fitted.
pub trait Classifier: Send + Sync + fmt::Debug {
    /// Whether examples of this shape and this many classes can be learnt at all, known before any data is: so that
    /// settings that can't work are refused once, not trial by trial.
    ///
    /// # Errors
    /// [`FitError::Refused`] with the reason and the remedy.
    fn check(&self, shape: Shape, classes: usize) -> Result<(), FitError> {
        let _ = (shape, classes);
        Ok(())
    }

    /// Chooses parameters for `train`, for classifiers that do ([`crate::tuning::Tuner`]); `None` for the others. What
    /// is chosen is then fitted by itself, so that its cost can be told from the choice's.
    ///
    /// # Errors
    /// See [`FitError`].
    fn tune<'a>(
        &'a self,
        train: &TrainingSet<'_>,
        context: &FitContext<'_>,
    ) -> Result<Option<Choice<'a>>, FitError> {
        let _ = (train, context);
        Ok(None)
    }

    /// Tells a model that runs outside of this process how long a trial, a fit and its predictions, may take; all others
    /// are ended from outside.
    fn set_time_limit(&self, limit: std::time::Duration) {
        let _ = limit;
    }

    /// Tells a model that runs outside of this process how much address space it may use there, in MiB; told before
    /// [`Classifier::check`]. All others are limited from outside.
    fn set_memory_limit(&self, mib: u64) {
        let _ = mib;
    }

    /// Learns from `train`. The same training set and context give the same fitted model, bit for bit.
    ///
    /// # Errors
    /// See [`FitError`].
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError>;
}

/// What a fit gives back.
pub struct Fit {
    /// The model, to predict with.
    pub model: Box<dyn FittedClassifier>,
    /// Gradient steps taken, for models that take any.
    pub steps: Option<u64>,
}

impl Fit {
    /// A fit without gradient steps.
    pub fn new(model: impl FittedClassifier + 'static) -> Self {
        Fit { model: Box::new(model), steps: None }
    }
}

/// A model that has learnt.
pub trait FittedClassifier: Send {
    /// Predicts each row of `features`, which has the shape of the training examples.
    ///
    /// # Errors
    /// See [`FitError`].
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError>;

    /// What the fit and the last prediction cost, for models that run outside of this process; `None` for all others,
    /// whose cost is measured around them.
    fn cost(&self) -> Option<Cost> {
        None
    }

    /// The weights of a model whose scores are linear in the features; `None` for all others.
    fn coefficients(&self) -> Option<Coefficients> {
        None
    }

    /// How much each feature contributed to the fit, from 0 up and of sum 1 (all 0 if nothing was learnt from any):
    /// the mean decrease in impurity of trees; `None` for models without such a measure. It is computed on the
    /// training rows, and favours features of many values over those of few.
    fn importance(&self) -> Option<Vec<f64>> {
        None
    }
}

/// Seconds that a model outside of this process says it took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Wall time of the fit.
    pub fit: f64,
    /// CPU time of the fit.
    pub fit_cpu: f64,
    /// Wall time of the last prediction.
    pub predict: f64,
    /// CPU time of the last prediction.
    pub predict_cpu: f64,
}

/// The scores of a linear model in units of the features it was given: score_k(x) = intercept_k + Σ_j weight_kj x_j.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficients {
    /// Outputs × features, row-major. Two classes have one output, whose positive scores speak for class 1; more have
    /// one per class, of which the largest wins. A feature that the model left out has weight 0.
    pub weights: Vec<f64>,
    /// One per output.
    pub intercepts: Vec<f64>,
}

impl Coefficients {
    /// The weights of output `k`, one per feature.
    ///
    /// # Panics
    /// If there is no such output: a defect of the caller.
    pub fn output(&self, k: usize) -> &[f64] {
        let columns = self.weights.len() / self.intercepts.len();
        &self.weights[k * columns..][..columns]
    }
}

/// Predictions for some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// One label per row.
    pub labels: Vec<u32>,
    /// Row-major `rows × classes`, each row summing to 1; `None` if the model has no probabilities.
    pub probabilities: Option<Vec<f32>>,
}

impl Predictions {
    /// Labels alone.
    pub fn labels(labels: Vec<u32>) -> Self {
        Predictions { labels, probabilities: None }
    }

    /// Labels by the largest probability of each row; the first of equals.
    pub fn from_probabilities(probabilities: Vec<f32>, classes: usize) -> Self {
        let labels = probabilities.chunks_exact(classes).map(argmax::<f32>).collect();
        Predictions { labels, probabilities: Some(probabilities) }
    }
}

/// The index of the largest score, the first of equals; a score that can't be compared (NaN) never wins.
pub fn argmax<T: PartialOrd>(scores: &[T]) -> u32 {
    let mut best = 0;
    for (i, score) in scores.iter().enumerate() {
        let incomparable = scores[best].partial_cmp(&scores[best]).is_none();
        if *score > scores[best] || incomparable {
            best = i;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_that_is_not_finite_is_found_wherever_it_is() {
        for at in [0, 1, 255, 256, 700, 999] {
            let mut values = vec![1.0; 1000];
            values[at] = f32::NAN;
            values[999] = f32::INFINITY;
            assert_eq!(first_not_finite(&values), Some(at));
        }
        assert_eq!(first_not_finite(&[0.0; 1000]), None);
        assert_eq!(first_not_finite(&[]), None);
    }
}
