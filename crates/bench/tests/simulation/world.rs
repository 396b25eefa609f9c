//! Studies with known truth, through the harness's own splits and verdicts: made-up data, learners that really learn
//! from the training sets they are given, and every dependence that comes with that.
//!
//! Data: two classes, eight features of equal use, unit noise, one label in twenty wrong. Learner: the line between the
//! two class means, on a choice of the features. Two learners are
//! - the *same* under two names: each trial leaves out features at random, by the model's own seed;
//! - *mirrored*: one sees the first four features, the other the last four, so that they are equal in the population
//!   and differ on every single item and training set, as real models do;
//! - *unequal*: the first sees four features, the second three;
//! - *crossing*: the first knows the line already, on six features, and learns nothing; the second learns it on all
//!   eight, and overtakes the first.

use bench::compare::{Comparison, Options, Scope, Scores, Split};
use bench::experiment::{Protocol, ProtocolKind, REFIT_FOLD};
use bench::seed::stream;
use bench::split::{Pool, split};
use bench::store::LockedProtocol;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use stats::Interval;

#[path = "rates.rs"]
pub mod rates;

pub use rates::{power, rates};

/// Features of an item.
const FEATURES: usize = 8;
/// Distance of either class's mean from 0 in each feature, in standard deviations of the noise.
const SIGNAL: f64 = 0.55;

/// One kind of study.
#[derive(Clone)]
pub struct Setting {
    pub name: &'static str,
    pub protocol: Protocol,
    /// Training examples and test items that there are.
    pub pool: usize,
    pub test: usize,
}

/// Which two learners meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Learners {
    Same,
    Mirrored,
    Unequal,
    Crossing,
}

/// An accuracy that the unequal learners reach within the sizes, one later than the other.
const TARGET: f64 = 0.79;

/// What a study concluded.
pub struct Conclusion {
    /// By size: the difference's band; and the interval over the whole curve.
    pub bands: Vec<Interval>,
    pub curve_interval: Interval,
    /// By learner, then size: the accuracy in this study.
    pub accuracies: [Vec<f64>; 2],
    /// Where one overtakes the other: the interval, if the crossing is reliable.
    pub crossing: Option<Interval>,
    /// The interval of the ratio of examples that the two take to reach [`TARGET`].
    pub efficiency: Option<Interval>,
    /// By size: the estimate, whether p < 5 % in the population, and on the test set.
    pub by_size: Vec<(f64, bool, bool)>,
    /// By size: the variance that was stated for the population.
    pub stated: Vec<f64>,
    /// Whether the simultaneous band leaves 0 out at any n.
    pub any: bool,
    /// Whether one is said to overtake the other reliably.
    pub crosses: bool,
    /// Whether p < 5 % over the whole curve, and that estimate.
    pub curve: (f64, bool),
    /// By size: whether the plain t test over trials would call them different.
    pub naive: Vec<bool>,
    /// By size, for small-sample-cv: whether the corrected t inside the first sample calls them different.
    pub inside: Vec<bool>,
}

pub fn protocol(kind: ProtocolKind, sizes: &[u32], repeats: u32, folds: u32) -> Protocol {
    let cv_repeats = (kind == ProtocolKind::SmallSampleCv).then_some(2);
    Protocol {
        kind,
        sizes: sizes.to_vec(),
        repeats,
        folds,
        cv_repeats,
        test_size: None,
        draws: Default::default(),
    }
}

/// The settings that METHODOLOGY.md reports.
pub fn settings() -> Vec<Setting> {
    use ProtocolKind::{Holdout, RepeatedCv, SmallSampleCv};
    let capped =
        Protocol { test_size: Some(60), ..protocol(RepeatedCv, &[10, 40, 160, 640], 5, 5) };
    vec![
        Setting {
            name: "repeated-cv, 5 x 5, pool 600",
            protocol: protocol(RepeatedCv, &[10, 40, 160, 480], 5, 5),
            pool: 600,
            test: 4,
        },
        Setting {
            name: "repeated-cv, 5 x 5, pool 2400",
            protocol: protocol(RepeatedCv, &[10, 40, 160, 640], 5, 5),
            pool: 2400,
            test: 4,
        },
        Setting {
            name: "repeated-cv, 5 x 5 capped, pool 4000",
            protocol: capped,
            pool: 4000,
            test: 4,
        },
        Setting {
            name: "repeated-cv, 1 x 5, pool 600",
            protocol: protocol(RepeatedCv, &[10, 40, 160, 480], 1, 5),
            pool: 600,
            test: 4,
        },
        Setting {
            name: "repeated-cv, 10 x 5, pool 150",
            protocol: protocol(RepeatedCv, &[6, 15, 30, 60, 120], 10, 5),
            pool: 150,
            test: 4,
        },
        Setting {
            name: "holdout, 20 draws, 500 items",
            protocol: protocol(Holdout, &[10, 40, 160, 640], 20, 1),
            pool: 2000,
            test: 500,
        },
        Setting {
            name: "holdout, 5 draws, 2000 items",
            protocol: protocol(Holdout, &[10, 40, 160, 640], 5, 1),
            pool: 2000,
            test: 2000,
        },
        Setting {
            name: "small-sample-cv, 20 samples, 500 items",
            protocol: protocol(SmallSampleCv, &[10, 20, 40, 80], 20, 5),
            pool: 2000,
            test: 500,
        },
    ]
}

/// Items with their true and their written labels.
struct Data {
    values: Vec<[f64; FEATURES]>,
    labels: Vec<u32>,
}

impl Data {
    fn new(items: usize, rng: &mut ChaCha8Rng) -> Data {
        let mut data = Data { values: Vec::new(), labels: Vec::new() };
        for item in 0..items {
            let label = (item % 2) as u32;
            let side = if label == 1 { SIGNAL } else { -SIGNAL };
            data.values.push(std::array::from_fn(|_| side + normal(rng)));
            data.labels.push(if uniform(rng) < 0.05 { 1 - label } else { label });
        }
        data
    }
}

/// Which features a learner sees in one trial.
fn seen(learners: Learners, model: usize, rng: &mut ChaCha8Rng) -> [f64; FEATURES] {
    std::array::from_fn(|feature| {
        let sees = match (learners, model) {
            (Learners::Same, _) => uniform(rng) < 0.5,
            (Learners::Crossing, 0) => feature < 6,
            (Learners::Crossing, _) => true,
            (_, 0) => feature < 4,
            (Learners::Mirrored, _) => feature >= 4,
            (Learners::Unequal, _) => feature >= 5,
        };
        f64::from(u8::from(sees))
    })
}

/// What the first of the crossing learners gets right, which learns nothing: the sign of the sum of what it sees.
fn known(data: &Data, test: &[u32], seen: &[f64; FEATURES]) -> Vec<i8> {
    let right = |&item: &u32| {
        let x = &data.values[item as usize];
        let side: f64 = seen.iter().zip(x).map(|(w, x)| w * x).sum();
        i8::from(u32::from(side > 0.0) == data.labels[item as usize])
    };
    test.iter().map(right).collect()
}

/// What the learner gets right of `test` after `train`: the sign of (x - (m0+m1)/2) · (m1-m0).
fn score(data: &Data, train: &[u32], test: &[u32], seen: &[f64; FEATURES]) -> Vec<i8> {
    let (mut means, mut counts) = ([[0.0; FEATURES]; 2], [0.0; 2]);
    for &item in train {
        let class = data.labels[item as usize] as usize;
        counts[class] += 1.0;
        for (mean, value) in means[class].iter_mut().zip(&data.values[item as usize]) {
            *mean += value;
        }
    }
    let mean = |class: usize, j: usize| means[class][j] / f64::max(counts[class], 1.0);
    let weights: [f64; FEATURES] = std::array::from_fn(|j| seen[j] * (mean(1, j) - mean(0, j)));
    let middle: f64 = (0..FEATURES).map(|j| weights[j] * 0.5 * (mean(1, j) + mean(0, j))).sum();
    let right = |&item: &u32| {
        let x = &data.values[item as usize];
        let side: f64 = weights.iter().zip(x).map(|(w, x)| w * x).sum();
        i8::from(u32::from(side > middle) == data.labels[item as usize])
    };
    test.iter().map(right).collect()
}

/// Runs one study.
pub fn study(setting: &Setting, learners: Learners, seed: u64) -> Conclusion {
    let mut rng = stream(seed, "simulated study", &[]);
    let data = Data::new(setting.pool + setting.test, &mut rng);
    let pool = Pool { labels: &data.labels, classes: 2, train_len: setting.pool };
    let protocol = &setting.protocol;
    let sizes = &protocol.sizes;
    let (mut splits, mut cells) = (Vec::new(), vec![Vec::new(); 2 * sizes.len()]);
    let mut inside = vec![(Vec::new(), Vec::new()); sizes.len()];
    for repeat in 0..protocol.repeats {
        // Cross-validation inside a sample is judged in the first sample: there is but one in real life.
        let count = if repeat == 0 { protocol.splits_per_repeat() } else { protocol.folds };
        let within = protocol.kind == ProtocolKind::SmallSampleCv;
        let count = if within && repeat > 0 { 1 } else { count };
        for fold in 0..count {
            let split = split(&pool, protocol, seed, repeat, fold);
            let counted = !within || fold == REFIT_FOLD;
            for (at, &n) in sizes.iter().enumerate() {
                let (train, test) = (split.train_at(n), split.test_at(n));
                let of: [Vec<i8>; 2] = std::array::from_fn(|model| {
                    let seen = seen(learners, model, &mut rng);
                    match (learners, model) {
                        (Learners::Crossing, 0) => known(&data, test, &seen),
                        _ => score(&data, &train, test, &seen),
                    }
                });
                if counted {
                    let [a, b] = of;
                    cells[at].push(Some(a));
                    cells[sizes.len() + at].push(Some(b));
                } else {
                    let accuracy = |values: &[i8]| {
                        values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
                    };
                    inside[at].0.push(accuracy(&of[0]));
                    inside[at].1.push(accuracy(&of[1]));
                }
            }
            if counted {
                splits.push(Split { repeat, fold, items: split.test });
            }
        }
    }
    let naive = (0..sizes.len()).map(|at| naive(&cells[at], &cells[sizes.len() + at])).collect();
    let inside = inside.iter().map(|(a, b)| corrected(a, b, protocol.folds)).collect();
    let accuracies = std::array::from_fn(|model| {
        (0..sizes.len()).map(|at| mean(&cells[model * sizes.len() + at])).collect()
    });
    let names = vec!["a".to_owned(), "b".to_owned()];
    let scores = Scores::new(&locked(protocol), names, sizes.clone(), splits, cells);
    Conclusion { accuracies, naive, inside, ..conclude(&scores, seed) }
}

/// The mean over all scores of a cell.
fn mean(cell: &[Option<Vec<i8>>]) -> f64 {
    let scores = || cell.iter().flatten().flatten();
    scores().map(|&v| f64::from(v)).sum::<f64>() / scores().count() as f64
}

/// What `bench compare` concludes; the rest is left empty.
fn conclude(scores: &Scores, seed: u64) -> Conclusion {
    let options = Options { rope: 0.0, targets: Some(vec![TARGET]), ..Options::default() };
    let comparison = Comparison::of(scores, seed, &options).expect("two models with scores");
    let pair = &comparison.pairs[0];
    let found = |p: Option<f64>| p.is_some_and(|p| p < 0.05);
    let here: Vec<bool> = pair.in_scope(Scope::TestSet).map(|f| found(f.p)).collect();
    let population = pair.in_scope(Scope::Population);
    let by_size: Vec<(f64, bool, bool)> = population
        .enumerate()
        .map(|(at, f)| (f.estimate.value, found(f.p), here.get(at).copied().unwrap_or(false)))
        .collect();
    let stated = pair.in_scope(Scope::Population).map(|f| f.estimate.variance).collect();
    let any = pair.in_scope(Scope::Population).any(|f| !f.band.contains(0.0));
    let whole = pair.whole(Scope::Population).expect("several sizes");
    let crossing = pair.crossing.as_ref().filter(|crossing| crossing.reliable);
    Conclusion {
        bands: pair.in_scope(Scope::Population).map(|f| f.band).collect(),
        curve_interval: whole.band,
        accuracies: [Vec::new(), Vec::new()],
        crossing: crossing.map(|c| c.interval),
        efficiency: pair.efficiency.first().map(|e| e.interval),
        by_size,
        stated,
        any,
        crosses: crossing.is_some(),
        curve: (whole.estimate.value, found(whole.p)),
        naive: Vec::new(),
        inside: Vec::new(),
    }
}

fn locked(protocol: &Protocol) -> LockedProtocol {
    LockedProtocol {
        kind: protocol.kind.name().to_owned(),
        sizes: protocol.sizes.clone(),
        repeats: protocol.repeats,
        folds: protocol.folds,
        cv_repeats: protocol.cv_repeats,
        test_size: protocol.test_size,
        draws: protocol.draws,
    }
}

/// The plain t test over trials, as if they were independent.
fn naive(a: &[Option<Vec<i8>>], b: &[Option<Vec<i8>>]) -> bool {
    let accuracy = |cell: &Option<Vec<i8>>| {
        let values = cell.as_ref().expect("every trial is ok");
        values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
    };
    let (a, b): (Vec<f64>, Vec<f64>) =
        (a.iter().map(accuracy).collect(), b.iter().map(accuracy).collect());
    stats::paired::corrected_t(&a, &b, 1, 1)
        .is_ok_and(|t| t.naive.p_two_sided(0.0).is_some_and(|p| p < 0.05))
}

fn corrected(a: &[f64], b: &[f64], folds: u32) -> bool {
    stats::paired::corrected_t(a, b, folds as usize - 1, 1)
        .is_ok_and(|t| t.corrected.p_two_sided(0.0).is_some_and(|p| p < 0.05))
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Box and Muller's cosine half.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v) = (uniform(rng), uniform(rng));
    (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}
