//! Choosing a model's parameters inside a training set, by cross-validation on its rows alone.
//!
//! A [`Grid`] says which values are tried; a [`Tuner`] is the classifier that tries them: it deals the rows into inner
//! folds ([`folds`]), fits every candidate on the rest of each, and takes the one that predicts most of the rows left
//! out right. The test items never come near. Stone, "Cross-validatory choice and assessment of statistical
//! predictions", 1974; every trial tunes anew, so that what is scored is the whole procedure (Varma and Simon, "Bias in
//! error estimation when using cross-validation for model selection", 2006).
//!
//! Every contender has the same budget: [`MAX_FOLDS`] folds, at most [`MAX_CANDIDATES`] candidates, and the same
//! criterion, the share of the left-out rows predicted right. Ties go to the simpler candidate, by the order that the
//! kind declares ([`Tuning::simpler`]), then to the value listed first.

mod folds;
mod grid;
mod tuner;

pub use folds::{Fold, MAX_FOLDS, inner_folds};
pub use grid::{Axis, Grid};
pub(crate) use tuner::gather;
pub use tuner::{Choice, MAX_CANDIDATES, Tuner};

use crate::classifier::{FitContext, FitError, TrainingSet};
use crate::settings::{Default, Settings};

/// What a kind says of its own tuning.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// The grid of `tune = "auto"`; empty if there is nothing to tune.
    pub auto: &'static [AutoAxis],
    /// Which values make the simpler model, the parameter that tells most first. Values of other parameters, and words,
    /// are taken as listed from the simplest on.
    pub simpler: &'static [(&'static str, Simpler)],
    /// Evaluates many candidates at once on what they share; `None`: each is fitted by itself.
    pub shared: Option<Shared>,
}

impl Tuning {
    /// Nothing to tune by default, no order, nothing shared.
    pub const NONE: Tuning = Tuning { auto: &[], simpler: &[], shared: None };
}

/// One parameter of a kind's own grid.
#[derive(Clone, Copy, Debug)]
pub struct AutoAxis {
    /// The parameter.
    pub name: &'static str,
    /// What is tried.
    pub values: Try,
}

/// The values of an [`AutoAxis`].
#[derive(Clone, Copy, Debug)]
pub enum Try {
    /// These.
    These(&'static [Default]),
    /// The parameter's default times each of these.
    Times(&'static [f64]),
}

/// Which values of a numeric parameter make the simpler model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simpler {
    /// The smaller.
    Smaller,
    /// The larger.
    Larger,
}

/// Predicts the left-out rows for many candidates of one kind at once, sharing what they have in common, such as the
/// Gram matrix. `Ok(None)` if these candidates share nothing. Must predict what each candidate would by itself, so that
/// the same one is chosen; rounding alone may differ.
pub type Shared = fn(&SharedTask<'_>) -> Result<Option<Vec<OutOfFold>>, FitError>;

/// The label that each row is given by the fit that did not see it; `None` if the candidate can't be fitted in some fold.
pub type OutOfFold = Option<Vec<u32>>;

/// What a [`Shared`] evaluation works on.
#[derive(Clone, Copy, Debug)]
pub struct SharedTask<'a> {
    /// The candidates.
    pub candidates: &'a [&'a Settings],
    /// The training set.
    pub train: &'a TrainingSet<'a>,
    /// Which rows are left out, fold by fold.
    pub folds: &'a [Fold],
    /// Its stop flag; the seed is the trial's.
    pub context: &'a FitContext<'a>,
}
