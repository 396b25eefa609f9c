//! A single classification tree, fully grown unless told otherwise.
//!
//! Which of equally good splits is taken is drawn from the seed (see [`super::cart`]); probabilities are the class
//! shares of the leaf.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::cart::{Grower, Growth};
use super::columns::Columns;
use super::gini::{Gini, Labelled};
use super::tree::{Tree, mean_importance, mean_values};
use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
};
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, Settings};
use crate::tuning::{AutoAxis, Simpler, Try, Tuning};

/// `max_depth`: how deep a tree may grow.
pub(super) const MAX_DEPTH: Param = Param {
    name: "max_depth",
    domain: Domain::COUNT,
    default: Default::Unset,
    doc: "splits on the way to a leaf at most; unset: until the leaves are pure",
};

/// `min_samples_leaf`: how small a leaf may be.
pub(super) const MIN_SAMPLES_LEAF: Param = Param {
    name: "min_samples_leaf",
    domain: Domain::COUNT,
    default: Default::Int(1),
    doc: "rows that each side of a split must keep",
};

/// How trees are tuned: the least size of their leaves by default.
pub(super) const TUNING: Tuning = Tuning {
    auto: &[AutoAxis {
        name: "min_samples_leaf",
        values: Try::These(&[Default::Int(1), Default::Int(2), Default::Int(4), Default::Int(8)]),
    }],
    simpler: &[
        ("trees", Simpler::Smaller),
        ("max_depth", Simpler::Smaller),
        ("min_samples_leaf", Simpler::Larger),
    ],
    shared: None,
};

/// `kind = "decision-tree"`.
pub(crate) const KIND: Kind = Kind {
    name: "decision-tree",
    summary: "a classification tree (CART, Gini), ties broken at random",
    caveat: None,
    params: &[MAX_DEPTH, MIN_SAMPLES_LEAF],
    tuning: TUNING,
    build: |settings| Ok(Box::new(DecisionTree { settings: settings.clone() })),
};

#[derive(Debug)]
struct DecisionTree {
    settings: Settings,
}

impl Classifier for DecisionTree {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let columns = Columns::new(&train.features());
        let growth = Growth {
            max_depth: self.settings.count(MAX_DEPTH.name).unwrap_or(usize::MAX),
            min_samples_leaf: self.settings.count(MIN_SAMPLES_LEAF.name).unwrap_or(1),
            max_features: columns.len(),
            random_thresholds: false,
        };
        let classes = train.classes();
        let mut grower = Grower::new(&columns, growth, Gini::new(classes));
        let rows = (0u32..).zip(train.labels());
        let rows = rows.map(|(row, &label)| Labelled { row, label, weight: 1 });
        let trees = vec![grower.grow(rows, &mut ChaCha8Rng::seed_from_u64(context.seed))];
        Ok(Fit::new(FittedTrees { trees, classes, columns: columns.len() }))
    }
}

/// One tree or many: the mean of their leaf shares.
pub(super) struct FittedTrees {
    pub(super) trees: Vec<Tree>,
    pub(super) classes: usize,
    /// Features of an example.
    pub(super) columns: usize,
}

impl FittedClassifier for FittedTrees {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let shares = mean_values(&self.trees, features, self.classes);
        Ok(Predictions::from_probabilities(shares, self.classes))
    }

    fn importance(&self) -> Option<Vec<f64>> {
        Some(mean_importance(self.trees.iter().map(|tree| (1.0, tree)), self.columns))
    }
}
