//! AdaBoost for any number of classes: small trees, each grown with more weight on what those before got wrong.
//!
//! SAMME (Zhu, Zou, Rosset and Hastie, "Multi-class AdaBoost", 2009; for two classes Freund and Schapire's AdaBoost,
//! 1997), as in scikit-learn's `AdaBoostClassifier`: a tree of weighted error e votes with
//! α = `learning_rate` · (ln((1 - e) / e) + ln(K - 1)), and the rows it got wrong are multiplied by e^α. Boosting ends
//! early with a tree that is right everywhere, or no better than guessing. With v_c the share of the votes for class c,
//! the probabilities are the softmax of (K v_c - 1) / (K - 1)²: an ordering, hardly ever near 0 or 1.
//!
//! Each tree draws from its own stream of the seed: equal splits are chosen at random. Of equal classes, which
//! reweighting makes often, a leaf stands for the one that appears first in the training rows (scikit-learn: the lowest,
//! or what rounding makes of it). Weights are rounded to multiples of 2^-31 of their sum for growing, so that equal
//! splits are equal to the last bit.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::appearance::Appearance;
use super::cart::{Grower, Growth};
use super::columns::Columns;
use super::gini::{Gini, Labelled};
use super::random_forest::TREES;
use super::tree::{BLOCK, Tree, mean_importance};
use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
    argmax,
};
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, Settings};
use crate::tuning::{AutoAxis, Simpler, Try, Tuning};

/// `kind = "adaboost"`.
pub(crate) const KIND: Kind = Kind {
    name: "adaboost",
    summary: "AdaBoost (SAMME): a weighted vote of small trees, stumps by default",
    caveat: None,
    params: &[
        Param { default: Default::Int(50), doc: "how many trees at most", ..TREES },
        Param {
            name: "learning_rate",
            domain: Domain::Float { min: 0.0, max: 1e3, open_min: true },
            default: Default::Float(1.0),
            doc: "what each tree's vote is multiplied by",
        },
        Param {
            name: "max_depth",
            domain: Domain::COUNT,
            default: Default::Int(1),
            doc: "splits on the way to a leaf at most; 1: stumps",
        },
    ],
    tuning: Tuning {
        auto: &[
            AutoAxis {
                name: "learning_rate",
                values: Try::These(&[Default::Float(0.3), Default::Float(1.0)]),
            },
            AutoAxis { name: "max_depth", values: Try::These(&[Default::Int(1), Default::Int(2)]) },
        ],
        simpler: &[
            ("trees", Simpler::Smaller),
            ("max_depth", Simpler::Smaller),
            ("learning_rate", Simpler::Smaller),
        ],
        shared: None,
    },
    build: |settings| Ok(Box::new(AdaBoost { settings: settings.clone() })),
};

#[derive(Debug)]
struct AdaBoost {
    settings: Settings,
}

/// The sum of the whole-numbered weights that trees are grown with.
const WHOLE: f64 = (1u64 << 31) as f64;

impl Classifier for AdaBoost {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let (features, classes) = (train.features(), train.classes());
        let columns = Columns::new(&features);
        let growth = Growth {
            max_depth: self.settings.count("max_depth").unwrap_or(1),
            min_samples_leaf: 1,
            max_features: columns.len(),
            random_thresholds: false,
        };
        let rate = self.settings.float("learning_rate").unwrap_or(1.0);
        let order = Appearance::new(train.labels(), classes);
        let labels: Vec<u32> = train.labels().iter().map(|&label| order.place(label)).collect();
        let mut grower = Grower::new(&columns, growth, Gini::new(classes));
        let mut weights = vec![1.0 / train.rows() as f64; train.rows()];
        let mut voters: Vec<Voter> = Vec::new();
        for round in 0..self.settings.count(TREES.name).unwrap_or(50) {
            context.check()?;
            let mut rng = ChaCha8Rng::seed_from_u64(context.seed);
            rng.set_stream(round as u64);
            let voter = Voter::new(grower.grow(members(&labels, &weights), &mut rng));
            let wrong = voter.wrong(&features, &labels);
            let error =
                weights.iter().zip(&wrong).filter(|(_, w)| **w).map(|(w, _)| w).sum::<f64>()
                    / weights.iter().sum::<f64>();
            if error <= 0.0 {
                voters.push(voter);
                break;
            }
            if error >= 1.0 - 1.0 / classes as f64 {
                // As good as guessing. Alone, it is still the best there is: scikit-learn fails here.
                if voters.is_empty() {
                    voters.push(voter);
                }
                break;
            }
            let odds = libm::log((1.0 - error) / error) + libm::log(classes as f64 - 1.0);
            let vote = rate * odds;
            reweight(&mut weights, &wrong, vote);
            voters.push(Voter { vote, ..voter });
        }
        Ok(Fit::new(FittedAdaBoost { voters, order, classes, columns: columns.len() }))
    }
}

/// The rows that weigh anything, with whole-numbered weights.
fn members(labels: &[u32], weights: &[f64]) -> impl Iterator<Item = Labelled> {
    let total: f64 = weights.iter().sum();
    let rows = (0u32..).zip(labels.iter().zip(weights));
    rows.map(move |(row, (&label, weight))| {
        let weight = (weight / total * WHOLE).round() as u32;
        Labelled { row, label, weight }
    })
    .filter(|member| member.weight > 0)
}

/// Multiplies the rows that were wrong by e^vote; afterwards all sum to 1, and none is lost to rounding.
fn reweight(weights: &mut [f64], wrong: &[bool], vote: f64) {
    // Dividing the others instead can't overflow.
    let factor = libm::exp(-vote);
    for (weight, _) in weights.iter_mut().zip(wrong).filter(|(_, wrong)| !**wrong) {
        *weight *= factor;
    }
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight = (*weight / total).max(f64::EPSILON));
}

/// A tree, the class that each of its leaves stands for, and the weight of its vote.
struct Voter {
    tree: Tree,
    /// By order of appearance.
    classes: Vec<u32>,
    vote: f64,
}

impl Voter {
    /// Each leaf stands for its heaviest class, the first to appear of equals.
    fn new(tree: Tree) -> Self {
        let classes = (0..tree.leaves()).map(|leaf| argmax(tree.leaf(leaf))).collect();
        Voter { tree, classes, vote: 1.0 }
    }

    /// Which rows the tree gets wrong.
    fn wrong(&self, features: &Features<'_>, labels: &[u32]) -> Vec<bool> {
        let mut wrong = vec![false; labels.len()];
        self.tree.descend(features.values(), features.columns(), |row, leaf| {
            wrong[row] = self.classes[leaf] != labels[row];
        });
        wrong
    }
}

struct FittedAdaBoost {
    voters: Vec<Voter>,
    order: Appearance,
    classes: usize,
    columns: usize,
}

impl FittedClassifier for FittedAdaBoost {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let classes = self.classes;
        let all: f64 = self.voters.iter().map(|voter| voter.vote).sum();
        let mut by_place = Vec::with_capacity(features.rows() * classes);
        for block in features.values().chunks(BLOCK * self.columns) {
            let mut votes = vec![0.0; block.len() / self.columns * classes];
            for voter in &self.voters {
                voter.tree.descend(block, self.columns, |row, leaf| {
                    votes[row * classes + voter.classes[leaf] as usize] += voter.vote;
                });
            }
            for row in votes.chunks_exact_mut(classes) {
                to_shares(row, all);
                by_place.extend(row.iter().map(|&share| share as f32));
            }
        }
        Ok(Predictions::from_probabilities(self.order.by_class(&by_place), classes))
    }

    /// Each tree counts by its vote, as in scikit-learn.
    fn importance(&self) -> Option<Vec<f64>> {
        let trees = self.voters.iter().map(|voter| (voter.vote, &voter.tree));
        Some(mean_importance(trees, self.columns))
    }
}

/// Votes of one row, `all` together, to probabilities.
fn to_shares(votes: &mut [f64], all: f64) {
    let others = votes.len() as f64 - 1.0;
    for vote in votes.iter_mut() {
        *vote = libm::exp(((others + 1.0) * *vote / all - 1.0) / (others * others));
    }
    let total: f64 = votes.iter().sum();
    votes.iter_mut().for_each(|share| *share /= total);
}
