//! Gradient boosting: a sum of small regression trees, each grown on what the sum so far leaves unexplained.
//!
//! Friedman, "Greedy function approximation: a gradient boosting machine" (2001), algorithms 5 and 6, as in
//! scikit-learn's `GradientBoostingClassifier`. Two classes have one raw score f, from the log odds of the class shares
//! up, and p = 1 / (1 + e^-f); K classes have one each, and their softmax. In each round a tree per score is grown on
//! the residuals y - p by squared error, and a leaf adds `learning_rate` times one Newton step, Σ (y - p) / Σ p (1 - p)
//! over its rows, for more than two classes times (K - 1) / K. With `subsample` below 1 each round sees that share of
//! the rows, drawn without replacement. Nodes choose from `max_features` random features, the square root of all by
//! default (scikit-learn: all), and equal splits are chosen at random: both matter at small samples.
//!
//! Each tree draws from its own stream of the seed. Residuals are rounded to multiples of 2^-32 before they are added,
//! so that equal splits are equal to the last bit; classes are taken in order of their first row, so that their names
//! change nothing.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::appearance::Appearance;
use super::cart::{Grower, Growth};
use super::columns::Columns;
use super::decision_tree::MIN_SAMPLES_LEAF;
use super::random_forest::{MAX_FEATURES, TREES, max_features};
use super::squares::{Squares, Valued};
use super::tree::{BLOCK, Tree, normalise, warm};
use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
};
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, Settings};
use crate::tuning::{AutoAxis, Simpler, Try, Tuning};

/// `kind = "gradient-boosting"`.
pub(crate) const KIND: Kind = Kind {
    name: "gradient-boosting",
    summary: "gradient boosting of small trees by the log loss",
    caveat: None,
    params: &[
        Param { doc: "rounds; each grows one tree, or one per class for more than two", ..TREES },
        Param {
            name: "learning_rate",
            domain: Domain::Float { min: 0.0, max: 1e3, open_min: true },
            default: Default::Float(0.1),
            doc: "what the step of each tree is multiplied by",
        },
        Param {
            name: "max_depth",
            domain: Domain::COUNT,
            default: Default::Int(3),
            doc: "splits on the way to a leaf at most",
        },
        MIN_SAMPLES_LEAF,
        MAX_FEATURES,
        Param {
            name: "subsample",
            domain: Domain::Float { min: 0.0, max: 1.0, open_min: true },
            default: Default::Float(1.0),
            doc: "the share of the rows that each round sees, drawn without replacement",
        },
    ],
    tuning: Tuning {
        auto: &[
            AutoAxis {
                name: "learning_rate",
                values: Try::These(&[
                    Default::Float(0.03),
                    Default::Float(0.1),
                    Default::Float(0.3),
                ]),
            },
            AutoAxis { name: "max_depth", values: Try::These(&[Default::Int(1), Default::Int(3)]) },
        ],
        simpler: &[
            ("trees", Simpler::Smaller),
            ("max_depth", Simpler::Smaller),
            ("learning_rate", Simpler::Smaller),
        ],
        shared: None,
    },
    build: |settings| Ok(Box::new(GradientBoosting { settings: settings.clone() })),
};

#[derive(Debug)]
struct GradientBoosting {
    settings: Settings,
}

impl Classifier for GradientBoosting {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let features = train.features();
        let columns = Columns::new(&features);
        let growth = Growth {
            max_depth: self.settings.count("max_depth").unwrap_or(3),
            min_samples_leaf: self.settings.count(MIN_SAMPLES_LEAF.name).unwrap_or(1),
            max_features: max_features(&self.settings, columns.len()),
            random_thresholds: false,
        };
        let rate = self.settings.float("learning_rate").unwrap_or(0.1);
        let share = self.settings.float("subsample").unwrap_or(1.0);
        let drawn = ((share * train.rows() as f64) as usize).max(1);
        let mut grower = Grower::new(&columns, growth, Squares::default());
        let mut stage = Stage::new(train);
        let (initial, outputs) = (stage.initial(train), stage.outputs);
        let mut trees = Vec::new();
        for round in 0..self.settings.count(TREES.name).unwrap_or(100) {
            context.check()?;
            let stream = |which: usize| {
                let mut rng = ChaCha8Rng::seed_from_u64(context.seed);
                rng.set_stream((round * (outputs + 1) + which) as u64);
                rng
            };
            if drawn < train.rows() {
                stage.rows = draw(train.rows(), drawn, &mut stream(outputs));
            }
            stage.residuals();
            for output in 0..outputs {
                let mut tree = grower.grow(stage.members(output), &mut stream(output));
                stage.take(&mut tree, output, &features, rate);
                trees.push(tree);
            }
        }
        let order = stage.order;
        Ok(Fit::new(FittedBoosting { trees, initial, order, columns: columns.len() }))
    }
}

/// `count` of `rows` rows without replacement, ascending.
fn draw(rows: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut all: Vec<usize> = (0..rows).collect();
    for at in 0..count {
        all.swap(at, rng.random_range(at..rows));
    }
    all.truncate(count);
    all.sort_unstable();
    all
}

/// Units of a residual in 1.
const UNIT: f64 = (1u64 << 32) as f64;

/// Where boosting stands. Outputs are in order of appearance: one for the second class of two, one per class of more.
struct Stage {
    order: Appearance,
    outputs: usize,
    /// The place of each row's class.
    places: Vec<u32>,
    /// The rows that this round sees, ascending.
    rows: Vec<usize>,
    /// Raw scores, rows × outputs.
    scores: Vec<f64>,
    /// Probabilities and residuals under the scores at the start of the round, rows × outputs.
    shares: Vec<f64>,
    residuals: Vec<f64>,
}

impl Stage {
    fn new(train: &TrainingSet<'_>) -> Self {
        let order = Appearance::new(train.labels(), train.classes());
        let places: Vec<u32> = train.labels().iter().map(|&label| order.place(label)).collect();
        let outputs = if train.classes() == 2 { 1 } else { train.classes() };
        let rows = (0..train.rows()).collect();
        let empty = vec![0.0; train.rows() * outputs];
        Stage {
            order,
            outputs,
            places,
            rows,
            scores: empty.clone(),
            shares: empty.clone(),
            residuals: empty,
        }
    }

    /// Sets all scores to those of the class shares: the log odds of two classes, the centred logarithms of more.
    fn initial(&mut self, train: &TrainingSet<'_>) -> Vec<f64> {
        let mut counts = vec![0.0; train.classes()];
        for &place in &self.places {
            counts[place as usize] += 1.0;
        }
        let logs: Vec<f64> = counts.iter().map(|&count| libm::log(count)).collect();
        let initial = if self.outputs == 1 {
            vec![logs[1] - logs[0]]
        } else {
            let mean = logs.iter().sum::<f64>() / logs.len() as f64;
            logs.iter().map(|log| log - mean).collect()
        };
        self.scores.chunks_exact_mut(self.outputs).for_each(|row| row.copy_from_slice(&initial));
        initial
    }

    /// Computes shares and residuals from the scores.
    fn residuals(&mut self) {
        self.shares.copy_from_slice(&self.scores);
        self.shares.chunks_exact_mut(self.outputs).for_each(to_shares);
        let outputs = self.outputs;
        for (i, (residual, share)) in self.residuals.iter_mut().zip(&self.shares).enumerate() {
            let (place, output) = (self.places[i / outputs] as usize, i % outputs);
            let target = if outputs == 1 { place == 1 } else { place == output };
            *residual = f64::from(u8::from(target)) - share;
        }
    }

    /// This round's rows with their residuals of one output.
    fn members(&self, output: usize) -> impl Iterator<Item = Valued> {
        self.rows.iter().map(move |&row| {
            let residual = self.residuals[row * self.outputs + output];
            Valued { row: row as u32, value: (residual * UNIT).round() as i64 }
        })
    }

    /// Gives the leaves of `tree` their values and adds them to the scores of `output`.
    fn take(&mut self, tree: &mut Tree, output: usize, features: &Features<'_>, rate: f64) {
        let mut leaves = vec![0; self.places.len()];
        tree.descend(features.values(), features.columns(), |row, leaf| leaves[row] = leaf);
        let mut sums = vec![(0.0, 0.0); tree.leaves()];
        for &row in &self.rows {
            let at = row * self.outputs + output;
            let (residual, curvature) = &mut sums[leaves[row]];
            *residual += self.residuals[at];
            *curvature += self.shares[at] * (1.0 - self.shares[at]);
        }
        let classes = self.outputs as f64;
        let rate = if self.outputs == 1 { rate } else { rate * (classes - 1.0) / classes };
        for (leaf, (residual, curvature)) in sums.into_iter().enumerate() {
            // All sure of their class, within rounding: nothing is left to step towards.
            let step = if curvature < 1e-150 { 0.0 } else { residual / curvature };
            tree.leaf_mut(leaf)[0] = rate * step;
        }
        for (row, &leaf) in leaves.iter().enumerate() {
            self.scores[row * self.outputs + output] += tree.leaf(leaf)[0];
        }
    }
}

/// Raw scores of one row to probabilities: the logistic function of one, the softmax of more.
fn to_shares(row: &mut [f64]) {
    if let [score] = row {
        *score = 1.0 / (1.0 + libm::exp(-*score));
        return;
    }
    let top = row.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(v));
    row.iter_mut().for_each(|score| *score = libm::exp(*score - top));
    let total: f64 = row.iter().sum();
    row.iter_mut().for_each(|share| *share /= total);
}

struct FittedBoosting {
    /// Round after round, one per output.
    trees: Vec<Tree>,
    /// The scores before the first round.
    initial: Vec<f64>,
    order: Appearance,
    columns: usize,
}

impl FittedClassifier for FittedBoosting {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let outputs = self.initial.len();
        let mut by_place = Vec::with_capacity(features.rows() * outputs.max(2));
        for block in features.values().chunks(BLOCK * self.columns) {
            warm(block);
            let mut scores = self.initial.repeat(block.len() / self.columns);
            for (tree, output) in self.trees.iter().zip((0..outputs).cycle()) {
                tree.descend(block, self.columns, |row, leaf| {
                    scores[row * outputs + output] += tree.leaf(leaf)[0];
                });
            }
            scores.chunks_exact_mut(outputs).for_each(to_shares);
            if outputs == 1 {
                by_place.extend(scores.iter().flat_map(|&p| [(1.0 - p) as f32, p as f32]));
            } else {
                by_place.extend(scores.iter().map(|&p| p as f32));
            }
        }
        let classes = outputs.max(2);
        Ok(Predictions::from_probabilities(self.order.by_class(&by_place), classes))
    }

    /// All trees count by what they gained, as in scikit-learn: late trees, which gain little, count little.
    fn importance(&self) -> Option<Vec<f64>> {
        let mut totals = vec![0.0; self.columns];
        self.trees.iter().for_each(|tree| tree.add_gains(&mut totals));
        normalise(&mut totals);
        Some(totals)
    }
}
