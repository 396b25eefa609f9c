//! Forests: the mean of many randomised trees' leaf shares.
//!
//! `random-forest`: each tree on a bootstrap sample of the rows, the best of `max_features` random features at every
//! node (Breiman, "Random forests", 2001; probabilities averaged instead of votes counted, as in scikit-learn).
//! `extra-trees`: each tree on all rows, one random threshold per drawn feature (Geurts, Ernst and Wehenkel,
//! "Extremely randomized trees", 2006). Each tree draws from its own stream of the seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cart::{Grower, Growth};
use super::columns::Columns;
use super::decision_tree::{FittedTrees, MAX_DEPTH, MIN_SAMPLES_LEAF, TUNING};
use super::gini::{Gini, Labelled};
use crate::classifier::{Classifier, Fit, FitContext, FitError, TrainingSet};
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, SettingError, Settings, Value};
use crate::tuning::{AutoAxis, Try, Tuning};

/// `trees`: the size of a forest.
pub(super) const TREES: Param = Param {
    name: "trees",
    domain: Domain::Int { min: 1, max: 100_000 },
    default: Default::Int(100),
    doc: "how many trees",
};

/// `max_features`: how many features a node has to choose from.
pub(super) const MAX_FEATURES: Param = Param {
    name: "max_features",
    domain: Domain::OneOfOrAbove { words: &["sqrt", "all"], above: 0.0 },
    default: Default::Text("sqrt"),
    doc: "features drawn at each node; below 1: a share of all, from 1 up: that many, rounded down",
};

const PARAMS: &[Param] = &[TREES, MAX_FEATURES, MAX_DEPTH, MIN_SAMPLES_LEAF];

/// How forests are tuned: by default, how many features a node sees and how small a leaf may be.
const FOREST_TUNING: Tuning = Tuning {
    auto: &[
        AutoAxis {
            name: "max_features",
            values: Try::These(&[Default::Text("sqrt"), Default::Float(0.1), Default::Float(0.3)]),
        },
        AutoAxis {
            name: "min_samples_leaf",
            values: Try::These(&[Default::Int(1), Default::Int(3)]),
        },
    ],
    ..TUNING
};

/// `kind = "random-forest"`.
pub(crate) const RANDOM_FOREST: Kind = Kind {
    name: "random-forest",
    summary: "trees on bootstrap samples, random features at every node",
    caveat: None,
    params: PARAMS,
    tuning: FOREST_TUNING,
    build: |settings| build(settings, false),
};

/// `kind = "extra-trees"`.
pub(crate) const EXTRA_TREES: Kind = Kind {
    name: "extra-trees",
    summary: "trees on all rows, random features and thresholds at every node",
    caveat: None,
    params: PARAMS,
    tuning: FOREST_TUNING,
    build: |settings| build(settings, true),
};

fn build(settings: &Settings, extra: bool) -> Result<Box<dyn Classifier>, SettingError> {
    Ok(Box::new(Forest { settings: settings.clone(), extra }))
}

#[derive(Debug)]
struct Forest {
    settings: Settings,
    /// Extra-trees: no bootstrap, random thresholds.
    extra: bool,
}

/// How many of `columns` features are drawn at a node, by `max_features`.
pub(super) fn max_features(settings: &Settings, columns: usize) -> usize {
    let wanted = match settings.get(MAX_FEATURES.name) {
        Some(Value::Float(share)) if *share < 1.0 => share * columns as f64,
        Some(Value::Float(count)) => *count,
        Some(Value::Text(word)) if word == "all" => columns as f64,
        _ => (columns as f64).sqrt(),
    };
    (wanted as usize).clamp(1, columns)
}

impl Classifier for Forest {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let columns = Columns::new(&train.features());
        let growth = Growth {
            max_depth: self.settings.count(MAX_DEPTH.name).unwrap_or(usize::MAX),
            min_samples_leaf: self.settings.count(MIN_SAMPLES_LEAF.name).unwrap_or(1),
            max_features: max_features(&self.settings, columns.len()),
            random_thresholds: self.extra,
        };
        let (classes, rows) = (train.classes(), train.rows());
        let mut grower = Grower::new(&columns, growth, Gini::new(classes));
        let mut trees = Vec::new();
        for tree in 0..self.settings.count(TREES.name).unwrap_or(100) {
            context.check()?;
            let mut rng = ChaCha8Rng::seed_from_u64(context.seed);
            rng.set_stream(tree as u64);
            let mut weights = vec![u32::from(self.extra); rows];
            if !self.extra {
                for _ in 0..rows {
                    weights[rng.random_range(0..rows)] += 1;
                }
            }
            let members = (0u32..).zip(train.labels().iter().zip(weights));
            let drawn = members.filter(|(_, (_, weight))| *weight > 0);
            let drawn = drawn.map(|(row, (&label, weight))| Labelled { row, label, weight });
            trees.push(grower.grow(drawn, &mut rng));
        }
        Ok(Fit::new(FittedTrees { trees, classes, columns: columns.len() }))
    }
}
