//! What a trial is expected to cost, from its settings alone: to deal a plan out evenly before anything has run, and to
//! tell the time that is left.
//!
//! Rough on purpose: within a factor of four of what MNIST's 784 columns took (a test holds it against the committed
//! timings). All contenders of a study learn from the same data, so that only ratios matter. Whole numbers alone: shards
//! are worked out on several machines, which must agree to the last one.

use models::{Settings, Shape};

use crate::experiment::{Experiment, ModelSpec, Protocol, ProtocolKind, REFIT_FOLD};
use crate::plan::TrialKey;
use crate::runner;

/// What every trial costs besides fit and prediction, in nanoseconds.
const OVERHEAD: u64 = 20_000;

/// Items scored on an official test set whose size the plan doesn't know.
const SCORED: u64 = 2000;

/// Fits of a tuned model for each of its candidates: five inner folds of four fifths.
const INNER_FITS: u64 = 4;

/// The rows for which nets are reckoned.
const ROWS: Shape = Shape { height: 28, width: 28, channels: 1 };

/// What one trial of `experiment` is expected to cost, in nanoseconds of one core; 0 for a model that it doesn't have.
pub fn of_trial(experiment: &Experiment, key: &TrialKey) -> u64 {
    let model = experiment.models.iter().find(|model| key.model == model.name);
    model.map_or(0, |model| cost(&experiment.protocol, model, key.n, key.fold))
}

/// What a trial of `model` at `n` is expected to cost in splits of this number.
pub(crate) fn cost(protocol: &Protocol, model: &ModelSpec, n: u32, fold: u32) -> u64 {
    let (n, folds) = (u64::from(n), u64::from(protocol.folds.max(1)));
    let inside = protocol.kind == ProtocolKind::SmallSampleCv && fold != REFIT_FOLD;
    let (learnt, scored) = match inside {
        true => (n - n / folds, n / folds),
        false => (n, protocol.test_size.map_or(SCORED, u64::from)),
    };
    let candidates = model.tune.as_ref().map_or(0, |tune| {
        tune.grid.axes().iter().map(|axis| axis.values.len() as u64).product::<u64>()
    });
    let fits = fit(model, learnt).saturating_mul(1 + INNER_FITS * candidates);
    let predicted = scored.saturating_add(learnt).saturating_mul(predict(model, learnt));
    OVERHEAD.saturating_add(fits).saturating_add(predicted)
}

/// How a fit's time grows with n, and by how many nanoseconds.
enum Growth {
    /// n
    Linear(u64),
    /// n √n
    Steep(u64),
    /// n²
    Square(u64),
}

impl Growth {
    fn at(self, n: u64) -> u64 {
        match self {
            Growth::Linear(each) => each.saturating_mul(n),
            Growth::Steep(each) => each.saturating_mul(n).saturating_mul(n.isqrt()),
            Growth::Square(each) => each.saturating_mul(n).saturating_mul(n),
        }
    }
}

/// A fit on `n` rows, in nanoseconds: read off the medians of results/mnist-4v9/timings at n = 80 and 1,280.
fn fit(model: &ModelSpec, n: u64) -> u64 {
    let settings = &model.settings;
    let trees = settings.count("trees").unwrap_or(100) as u64;
    let unpenalised = settings.float("l2").is_some_and(|l2| l2 < 1e-3);
    let growth = match model.kind.name {
        "majority" => Growth::Linear(1),
        "linear-regression" if settings.count("top_k").is_some() => Growth::Linear(1000),
        "linear-regression" => Growth::Steep(300),
        "logistic-regression" if settings.count("top_k").is_some() => Growth::Linear(2000),
        "logistic-regression" if unpenalised => Growth::Steep(2200),
        "logistic-regression" => Growth::Steep(350),
        "svm" => Growth::Steep(if settings.text("kernel") == Some("rbf") { 210 } else { 400 }),
        "lda" => Growth::Steep(390),
        "gaussian-process" => Growth::Square(1000),
        "decision-tree" | "linfa-decision-tree" => Growth::Linear(16_000),
        "random-forest" | "extra-trees" | "linfa-random-forest" => Growth::Linear(440 * trees),
        "gradient-boosting" => Growth::Linear(27_000),
        "adaboost" => Growth::Linear(95_000),
        "knn" if settings.text("metric") == Some("mahalanobis") => Growth::Steep(1450),
        "knn" => Growth::Linear(260),
        "naive-bayes" => Growth::Linear(450),
        "mlp" | "cnn" => return train(settings, model.kind.name, n),
        // A program of which nothing is known, and kinds of one's own.
        _ => Growth::Linear(100_000),
    };
    growth.at(n)
}

/// The prediction of one row by a model fitted on `n`, in nanoseconds.
fn predict(model: &ModelSpec, n: u64) -> u64 {
    match model.kind.name {
        "majority" => 1,
        // Every row is whitened first.
        "knn" if model.settings.text("metric") == Some("mahalanobis") => 12 * n + 9000,
        "knn" | "gaussian-process" => 12 * n + 100,
        "svm" if model.settings.text("kernel") != Some("linear") => 8 * n + 100,
        "random-forest" | "extra-trees" | "linfa-random-forest" => 900,
        "mlp" | "cnn" => {
            let nets = model.settings.count("ensemble").unwrap_or(1).max(1) as u64;
            nets * products(&model.settings, model.kind.name) / 110
        }
        name if name == runner::NAME => 10_000,
        _ => 200,
    }
}

/// Training a net, in nanoseconds: multiplications forward, of all examples of all steps.
fn train(settings: &Settings, kind: &str, n: u64) -> u64 {
    let batch = (settings.count("batch_size").unwrap_or(32) as u64).clamp(1, n.max(1));
    let examples = match settings.count("steps") {
        Some(steps) => steps as u64 * batch,
        None => settings.count("epochs").unwrap_or(60) as u64 * n,
    };
    let nets = settings.count("ensemble").unwrap_or(1).max(1) as u64;
    examples.saturating_mul(nets).saturating_mul(products(settings, kind) / 40)
}

/// Multiplications of one example on its way through a net.
fn products(settings: &Settings, kind: &str) -> u64 {
    let mut sum = 0u64;
    let (mut side, mut channels) = (ROWS.height as u64, ROWS.channels as u64);
    if kind == "cnn" {
        let kernel = settings.count("kernel").unwrap_or(5) as u64;
        for out in settings.counts("conv") {
            let out = out as u64;
            sum += side * side * kernel * kernel * channels * out;
            (side, channels) = ((side / 2).max(1), out);
        }
    }
    let mut width = side * side * channels;
    for out in settings.counts(if kind == "cnn" { "dense" } else { "hidden" }) {
        sum += width * out as u64;
        width = out as u64;
    }
    sum + width
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use models::Registry;

    use super::*;
    use crate::store::Lock;

    #[test]
    fn expected_costs_are_within_a_factor_of_four_of_what_was_measured() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/mnist-4v9");
        let lock = Lock::read(&folder).expect("readable").expect("a lock");
        let experiment = lock.experiment(&Registry::default()).expect("known");
        for model in &experiment.models {
            let path = folder.join("timings").join(format!("{}.csv", model.name));
            let mut reader = csv::Reader::from_path(&path).expect("timings");
            let rows: Vec<csv::StringRecord> =
                reader.records().map(|r| r.expect("a row")).collect();
            for n in [80, 1280] {
                let number =
                    |row: &csv::StringRecord, at: usize| row[at].parse::<f64>().expect("seconds");
                let mut seconds: Vec<f64> = rows
                    .iter()
                    .filter(|row| row[1].parse() == Ok(n))
                    .map(|row| number(row, 5) + number(row, 7))
                    .collect();
                seconds.sort_by(f64::total_cmp);
                // Overhead is the harness's, and not in the timings.
                let measured = seconds[seconds.len() / 2] * 1e9 + OVERHEAD as f64;
                let ratio = cost(&experiment.protocol, model, n, 0) as f64 / measured;
                assert!((0.25..=4.0).contains(&ratio), "{}, n = {n}: {ratio:.2}", model.name);
            }
        }
    }
}
