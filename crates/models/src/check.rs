//! The contract that every model kind keeps, as a function that any test can call.
//!
//! [`check_classifier`] fits a classifier on small synthetic data sets and examines what it predicts: same seed, same
//! bits; renamed classes, renamed predictions; two rows, constant features, repeated and contradictory rows; sound
//! labels and probabilities; no memory of earlier fits; and chance, no more, when the labels mean nothing.

use std::fmt;

use crate::classifier::{Classifier, Shape};

mod data;
mod rules;
mod run;

/// What to check with, and what a kind is excused from, each with its reason where it is set.
#[derive(Clone, Copy, Debug)]
pub struct CheckOptions {
    /// The shape of the examples that are made up: at least 6 values, so that three classes can differ.
    pub shape: Shape,
    /// Where nets are trained.
    pub device: nn::Device,
    /// Seeds the data and the fits.
    pub seed: u64,
    /// Whether the same seed and data must give the same bits.
    pub reproducible: bool,
    /// Whether the model is to learn at all; the majority class does not.
    pub learns: bool,
    /// The share of rows that must be predicted the same when the classes are renamed, in 0..=1. At 1, probabilities
    /// must agree too. Below 1 only for models whose draws depend on the numbering of the classes.
    pub renamed_agreement: f64,
    /// Whether a row's label must be its most probable class; not where the decision is made before the probabilities
    /// are fitted to it.
    pub label_is_most_probable: bool,
    /// By how much probabilities may differ where they are to agree up to rounding.
    pub tolerance: f32,
}

impl Default for CheckOptions {
    fn default() -> Self {
        CheckOptions {
            shape: Shape { height: 16, width: 16, channels: 1 },
            device: nn::Device::Cpu,
            seed: 20170531,
            reproducible: true,
            learns: true,
            renamed_agreement: 1.0,
            label_is_most_probable: true,
            tolerance: 1e-4,
        }
    }
}

/// A check that a classifier did not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("check `{check}`: {message}")]
pub struct CheckFailure {
    /// Which check.
    pub check: Check,
    /// What was wrong.
    pub message: String,
}

/// The checks, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Two classes that a glance tells apart are learnt.
    TwoClasses,
    /// So are three.
    ThreeClasses,
    /// The same seed and data give the same bits, from a new classifier and from one that was used before.
    Reproducible,
    /// Renaming the classes renames the predictions and changes nothing else.
    RenamedClasses,
    /// A row is predicted alike alone and among others, and no rows give no predictions.
    RowByRow,
    /// One example of each class is enough to fit.
    TwoRows,
    /// Features that are all constant, or constant in training only, are no obstacle.
    ConstantFeatures,
    /// Repeated rows, also with contradictory labels, are no obstacle.
    RepeatedRows,
    /// Labels that mean nothing give chance on held-out rows, also after a fit on true labels.
    MeaninglessLabels,
    /// A fit that is asked to stop either says that it stopped or gives a sound model.
    Stop,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Check::TwoClasses => "two classes",
            Check::ThreeClasses => "three classes",
            Check::Reproducible => "reproducible",
            Check::RenamedClasses => "renamed classes",
            Check::RowByRow => "row by row",
            Check::TwoRows => "two rows",
            Check::ConstantFeatures => "constant features",
            Check::RepeatedRows => "repeated rows",
            Check::MeaninglessLabels => "meaningless labels",
            Check::Stop => "stop",
        })
    }
}

/// Makes every check on classifiers that `build` returns, each new and with the same settings.
///
/// In every check a panic is a failure, and so are predictions that are not one known label per row or whose
/// probabilities are not finite, in 0..=1, of sum 1 and largest at the predicted label.
///
/// # Errors
/// The first check that is not passed, with what was wrong.
///
/// # Examples
/// ```
/// use std::collections::BTreeMap;
/// use models::check::{CheckOptions, check_classifier};
/// use models::{Settings, find_kind};
///
/// let kind = find_kind("knn").unwrap();
/// let settings = Settings::resolve(kind.params, &BTreeMap::new()).unwrap();
/// check_classifier(&|| (kind.build)(&settings).unwrap(), &CheckOptions::default()).unwrap();
/// ```
pub fn check_classifier(
    build: &dyn Fn() -> Box<dyn Classifier>,
    options: &CheckOptions,
) -> Result<(), CheckFailure> {
    for (check, rule) in rules::RULES {
        rule(&rules::Subject { build, options })
            .map_err(|message| CheckFailure { check: *check, message })?;
    }
    Ok(())
}
