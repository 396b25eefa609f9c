//! A single classification tree, fully grown unless told otherwise.
//!
//! Which of equally good splits is taken is drawn from the seed (see [`super::cart`]); probabilities are the class
//! shares of the leaf.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::cart::{Growth, Task, Tree, mean_shares};
use super::columns::Columns;
use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
};
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, Settings};

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

/// `kind = "decision-tree"`.
pub(crate) const KIND: Kind = Kind {
    name: "decision-tree",
    summary: "a classification tree (CART, Gini), ties broken at random",
    caveat: None,
    params: &[MAX_DEPTH, MIN_SAMPLES_LEAF],
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
        let (labels, classes) = (train.labels(), train.classes());
        let task = Task { columns: &columns, labels, classes, growth };
        let mut rng = ChaCha8Rng::seed_from_u64(context.seed);
        let trees = vec![task.grow(&vec![1; train.rows()], &mut rng)];
        Ok(Fit::new(FittedTrees { trees, classes }))
    }
}

/// One tree or many: the mean of their leaf shares.
pub(super) struct FittedTrees {
    pub(super) trees: Vec<Tree>,
    pub(super) classes: usize,
}

impl FittedClassifier for FittedTrees {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let shares = mean_shares(&self.trees, features, self.classes);
        Ok(Predictions::from_probabilities(shares, self.classes))
    }
}
