//! Every model kind by name: its parameters, and how to build a classifier from checked settings.

use crate::classifier::Classifier;
use crate::settings::{Param, SettingError, Settings};

/// A model kind.
pub struct Kind {
    /// The `kind` in an experiment file.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Why two runs of the same trial may differ, for kinds that can't be made reproducible.
    pub caveat: Option<&'static str>,
    /// What can be set.
    pub params: &'static [Param],
    /// Builds the classifier; fails only on settings that contradict each other.
    pub build: fn(&Settings) -> Result<Box<dyn Classifier>, SettingError>,
}

/// All kinds, in the order in which `bench models` lists them.
pub fn kinds() -> &'static [Kind] {
    const KINDS: &[Kind] = &[
        crate::majority::KIND,
        crate::linear_regression::KIND,
        crate::logistic_regression::KIND,
        crate::svm::KIND,
        crate::knn::KIND,
        crate::naive_bayes::KIND,
        crate::trees::decision_tree::KIND,
        crate::trees::random_forest::RANDOM_FOREST,
        crate::trees::random_forest::EXTRA_TREES,
        crate::trees::linfa::DECISION_TREE,
        crate::trees::linfa::RANDOM_FOREST,
        crate::mlp::KIND,
        crate::cnn::KIND,
    ];
    KINDS
}

/// The kind called `name`.
pub fn find_kind(name: &str) -> Option<&'static Kind> {
    kinds().iter().find(|kind| kind.name == name)
}
