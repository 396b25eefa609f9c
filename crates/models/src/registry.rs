//! Every model kind by name: its parameters, and how to build a classifier from checked settings.

use crate::classifier::Classifier;
use crate::settings::{Param, SettingError, Settings};
use crate::tuning::Tuning;

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
    /// What is tuned by default, what makes a simpler model, and what candidates share.
    pub tuning: Tuning,
    /// Builds the classifier; fails only on settings that contradict each other.
    pub build: fn(&Settings) -> Result<Box<dyn Classifier>, SettingError>,
}

impl Kind {
    /// A reproducible kind with nothing to tune by itself.
    pub const fn new(
        name: &'static str,
        summary: &'static str,
        params: &'static [Param],
        build: fn(&Settings) -> Result<Box<dyn Classifier>, SettingError>,
    ) -> Kind {
        Kind { name, summary, caveat: None, params, tuning: Tuning::NONE, build }
    }

    /// True if a fit with these settings gives the same bits on every processor and operating system: its sums have one
    /// order whatever the vector width, and it takes logarithms and the like from `libm`. Of nets, this holds for the
    /// native engine.
    pub fn is_portable(&self, settings: &Settings) -> bool {
        PORTABLE.contains(&self.name) && settings.text("solver") != Some("linfa")
    }
}

/// Kinds that are portable with their own solver.
const PORTABLE: [&str; 9] = [
    "majority",
    "naive-bayes",
    "decision-tree",
    "random-forest",
    "extra-trees",
    "gradient-boosting",
    "adaboost",
    "mlp",
    "cnn",
];

/// All kinds, in the order in which `bench models` lists them.
pub fn kinds() -> &'static [Kind] {
    const KINDS: &[Kind] = &[
        crate::majority::KIND,
        crate::linear_regression::KIND,
        crate::logistic_regression::KIND,
        crate::lda::KIND,
        crate::svm::KIND,
        crate::gaussian_process::KIND,
        crate::knn::KIND,
        crate::naive_bayes::KIND,
        crate::trees::decision_tree::KIND,
        crate::trees::random_forest::RANDOM_FOREST,
        crate::trees::random_forest::EXTRA_TREES,
        crate::trees::gradient_boosting::KIND,
        crate::trees::adaboost::KIND,
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

/// The kinds that an experiment may name: all of [`kinds`], and others behind them.
#[derive(Clone, Default)]
pub struct Registry {
    more: Vec<&'static Kind>,
}

impl Registry {
    /// These kinds and `more`, which take precedence over earlier ones of the same name.
    #[must_use]
    pub fn with(mut self, more: &'static [Kind]) -> Self {
        self.more.extend(more);
        self
    }

    /// The kind called `name`.
    pub fn find(&self, name: &str) -> Option<&'static Kind> {
        let own = self.more.iter().rev().copied().find(|kind| kind.name == name);
        own.or_else(|| find_kind(name))
    }

    /// All kinds, the built-in ones first.
    pub fn kinds(&self) -> impl Iterator<Item = &'static Kind> {
        kinds().iter().chain(self.more.iter().copied())
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.kinds().map(|kind| kind.name)).finish()
    }
}
