//! linfa's tree and forest as they are, to compare with.
//!
//! `linfa-decision-tree` (linfa-trees) and `linfa-random-forest` (linfa-ensemble) 0.8.1 lose accuracy on small samples:
//! ties go to the lowest feature, a tie with a row outside the node skips a valid split, and the forest draws its
//! features once per tree, with replacement. They are also **not reproducible**: leaves whose classes tie, and impurity
//! sums over more than two classes, follow the order of a hash map that is seeded anew in each process. Use
//! `decision-tree` and `random-forest` wherever results are to be regenerated.

use linfa::DatasetBase;
use linfa::traits::{Fit as _, Predict as _};
use linfa_ensemble::{EnsembleLearnerParams, RandomForest};
use linfa_trees::DecisionTree;
use ndarray::{Array1, Array2, Axis};
use rand_08::SeedableRng;
use rand_08::rngs::StdRng;

use super::decision_tree::{MAX_DEPTH, MIN_SAMPLES_LEAF, TUNING};
use super::random_forest::TREES;
use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
};
use crate::linear::matrix;
use crate::registry::Kind;
use crate::settings::Settings;

/// What `bench` says when one of them runs.
const CAVEAT: &str = "linfa's trees follow hash order: another run gives other scores";

/// `kind = "linfa-decision-tree"`.
pub(crate) const DECISION_TREE: Kind = Kind {
    name: "linfa-decision-tree",
    summary: "linfa-trees as it is, to compare with; not reproducible (hash order)",
    caveat: Some(CAVEAT),
    params: &[MAX_DEPTH, MIN_SAMPLES_LEAF],
    tuning: TUNING,
    build: |settings| Ok(Box::new(LinfaTree { settings: settings.clone() })),
};

/// `kind = "linfa-random-forest"`.
pub(crate) const RANDOM_FOREST: Kind = Kind {
    name: "linfa-random-forest",
    summary: "linfa-ensemble's forest as it is, to compare with; not reproducible (hash order)",
    caveat: Some(CAVEAT),
    params: &[TREES, MAX_DEPTH, MIN_SAMPLES_LEAF],
    tuning: TUNING,
    build: |settings| Ok(Box::new(LinfaForest { settings: settings.clone() })),
};

type Dataset = DatasetBase<Array2<f32>, Array1<usize>>;

fn dataset(train: &TrainingSet<'_>) -> Dataset {
    let labels = train.labels().iter().map(|&l| l as usize).collect();
    DatasetBase::new(matrix(&train.features()), labels)
}

fn tree_params(settings: &Settings) -> linfa_trees::DecisionTreeParams<f32, usize> {
    let leaf = settings.count(MIN_SAMPLES_LEAF.name).unwrap_or(1);
    DecisionTree::params()
        .max_depth(settings.count(MAX_DEPTH.name))
        .min_weight_leaf(leaf as f32)
        .min_weight_split(2.0 * leaf as f32)
}

#[derive(Debug)]
struct LinfaTree {
    settings: Settings,
}

impl Classifier for LinfaTree {
    fn fit(&self, train: &TrainingSet<'_>, _: &FitContext<'_>) -> Result<Fit, FitError> {
        let tree = tree_params(&self.settings)
            .fit(&dataset(train))
            .map_err(|e| FitError::Failed(format!("linfa-trees: {e}")))?;
        Ok(Fit::new(FittedTree { tree }))
    }
}

struct FittedTree {
    tree: DecisionTree<f32, usize>,
}

impl FittedClassifier for FittedTree {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let labels: Array1<usize> = self.tree.predict(&matrix(features));
        Ok(Predictions::labels(labels.iter().map(|&l| l as u32).collect()))
    }
}

#[derive(Debug)]
struct LinfaForest {
    settings: Settings,
}

impl Classifier for LinfaForest {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        context.check()?;
        let columns = train.features().columns() as f64;
        let rng = StdRng::seed_from_u64(context.seed);
        let forest = EnsembleLearnerParams::new_fixed_rng(tree_params(&self.settings), rng)
            .ensemble_size(self.settings.count(TREES.name).unwrap_or(100))
            .feature_proportion(columns.sqrt() / columns)
            .fit(&dataset(train))
            .map_err(|e| FitError::Failed(format!("linfa-ensemble: {e}")))?;
        Ok(Fit::new(FittedForest { forest, classes: train.classes() }))
    }
}

struct FittedForest {
    forest: RandomForest<f32, usize>,
    classes: usize,
}

impl FittedClassifier for FittedForest {
    /// Counts the trees' votes itself: linfa's own count breaks ties by hash order.
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let x = matrix(features);
        let mut votes = vec![0u32; features.rows() * self.classes];
        for (tree, columns) in self.forest.models.iter().zip(&self.forest.model_features) {
            let labels: Array1<usize> = tree.predict(&x.select(Axis(1), columns));
            for (counts, &label) in votes.chunks_exact_mut(self.classes).zip(&labels) {
                counts[label] += 1;
            }
        }
        let trees = self.forest.models.len() as f32;
        let shares = votes.iter().map(|&count| count as f32 / trees).collect();
        Ok(Predictions::from_probabilities(shares, self.classes))
    }
}
