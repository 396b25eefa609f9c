//! One trial: cut the training set, fit, predict, score.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use models::{Classifier, Features, FitContext, FitError, Predictions, TrainingSet};

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Limits, ModelSpec, Scale};
use crate::panics;
use crate::plan::TrialKey;
use crate::record::{Correctness, Outcome, Record, Status, Timing};
use crate::runner;
use crate::seed::trial_seed;
use crate::split::{Split, split, training_capacity};

/// An experiment with its data and its classifiers, ready to run any of its trials.
#[derive(Debug)]
pub struct Bench {
    experiment: Experiment,
    dataset: Dataset,
    device: nn::Device,
    /// In the order of the experiment's models.
    classifiers: Vec<Box<dyn Classifier>>,
    /// By repeat and fold; made when first asked for.
    splits: Vec<OnceLock<Split>>,
    rows: Mutex<RowCache>,
}

impl Bench {
    /// Brings together what the trials need.
    ///
    /// # Errors
    /// [`Error::Input`] if a training part can't be as large as the largest size, or a class is missing.
    pub fn new(experiment: Experiment, dataset: Dataset, device: nn::Device) -> Result<Self> {
        check_sizes(&experiment, &dataset)?;
        let classifiers = experiment
            .models
            .iter()
            .map(|model| classifier(model, &dataset, experiment.limits))
            .collect::<Result<Vec<_>>>()?;
        let count =
            experiment.protocol.repeats as usize * experiment.protocol.splits_per_repeat() as usize;
        let splits = std::iter::repeat_with(OnceLock::new).take(count).collect();
        Ok(Bench { experiment, dataset, device, classifiers, splits, rows: Mutex::default() })
    }

    /// The experiment.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The dataset.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The split of `(repeat, fold)`.
    pub fn split(&self, repeat: u32, fold: u32) -> &Split {
        let protocol = &self.experiment.protocol;
        let at = (repeat * protocol.splits_per_repeat() + fold) as usize;
        self.splits[at].get_or_init(|| {
            split(&self.dataset.pool(), protocol, self.experiment.seed, repeat, fold)
        })
    }

    /// The held-out items of `(repeat, fold)`, without keeping the split: for all splits of a large study in turn.
    pub fn held_out(&self, repeat: u32, fold: u32) -> Vec<u32> {
        let (pool, protocol) = (self.dataset.pool(), &self.experiment.protocol);
        split(&pool, protocol, self.experiment.seed, repeat, fold).test
    }

    /// True if the model runs in a process of its own already, with its own time limit.
    pub fn is_outside(&self, key: &TrialKey) -> bool {
        let spec = self.experiment.models.iter().find(|model| key.model == model.name);
        spec.is_some_and(|spec| spec.kind.name == runner::NAME)
    }

    /// Where nets are trained.
    pub fn device(&self) -> nn::Device {
        self.device
    }

    /// The record of a trial that gave no score, for a reason that lies outside of the model.
    pub fn without_score(&self, key: &TrialKey, status: Status, reason: &str) -> Record {
        let seed = trial_seed(self.experiment.seed, &key.model, key.n, key.repeat, key.fold);
        let split = self.split(key.repeat, key.fold);
        let (n_train, n_test) = (split.train_at(key.n).len(), split.test_at(key.n).len());
        let outcome = Outcome::without_score(seed, n_train as u32, n_test as u32, status, reason);
        Record { key: key.clone(), outcome, timing: None }
    }

    /// Runs one trial. A failure of the model, a panic included, is an outcome. `None` if it was asked to stop.
    ///
    /// # Panics
    /// If the trial is not of this experiment: a defect of the caller.
    pub fn run(&self, key: &TrialKey, stop: &AtomicBool) -> Option<Record> {
        let at = self.experiment.models.iter().position(|model| key.model == model.name);
        let at = at.expect("a trial of this experiment");
        let split = self.split(key.repeat, key.fold);
        let seed = trial_seed(self.experiment.seed, &key.model, key.n, key.repeat, key.fold);
        let context = FitContext { seed, device: self.device, stop };
        let scale = self.experiment.models[at].scale;

        let mut timing = Timing::default();
        let attempt =
            || self.fit_and_score(&*self.classifiers[at], key, split, scale, &context, &mut timing);
        let attempt = panics::quietly(|| catch_unwind(AssertUnwindSafe(attempt)));
        let scores = match attempt {
            Ok(Err(FitError::Stopped)) => return None,
            Ok(scores) => scores,
            Err(_) => Err(FitError::Failed(format!("panicked: {}", panics::last_message()))),
        };
        let (n_train, n_test) = (split.train_at(key.n).len(), split.test_at(key.n).len());
        let outcome = outcome(seed, n_train as u32, n_test as u32, scores);
        Some(Record { key: key.clone(), outcome, timing: Some(timing) })
    }

    fn fit_and_score(
        &self,
        classifier: &dyn Classifier,
        key: &TrialKey,
        split: &Split,
        scale: Scale,
        context: &FitContext<'_>,
        timing: &mut Timing,
    ) -> std::result::Result<Scores, FitError> {
        let (items, test_items) = (split.train_at(key.n), split.test_at(key.n));
        if test_items.is_empty() {
            let why = format!("no example of the {} is in this fold", key.n);
            return Err(FitError::Failed(why));
        }
        let (shape, classes) = (self.dataset.shape, self.dataset.class_names.len());
        let rows = self.rows(key.repeat, key.fold, scale);
        let train_labels = self.dataset.gather_labels(&items);
        // The training set at n is a stretch of the split's, unless scored items are taken out of it.
        let train_values = match &split.inside {
            None => {
                let place = split.place_of(key.n);
                Cow::Borrowed(&rows.train[place.start * shape.len()..place.end * shape.len()])
            }
            Some(_) => Cow::Owned(self.dataset.gather(&items, scale)),
        };
        let held_out = &rows.held_out[..test_items.len() * shape.len()];
        let standard =
            (scale == Scale::Standard).then(|| Standard::fit(&train_values, shape.len()));
        let scaled = |values| match &standard {
            Some(standard) => Cow::Owned(standard.apply(values)),
            None => Cow::Borrowed(values),
        };
        let (train_values, held_out) = (scaled(&train_values), scaled(held_out));
        let train_rows = Features::new(&train_values, shape);
        let train = TrainingSet::new(train_rows, &train_labels, classes)?;

        let clock = Clock::start();
        let choice = classifier.tune(&train, context)?;
        if choice.is_some() {
            (timing.tune, timing.tune_cpu) = clock.seconds();
        }
        let chosen = choice.as_ref().map_or(classifier, |choice| choice.classifier);
        let fit = chosen.fit(&train, context)?;
        (timing.fit, timing.fit_cpu) = clock.seconds();

        let clock = Clock::start();
        let predicted = fit.model.predict(&Features::new(&held_out, shape))?;
        (timing.predict, timing.predict_cpu) = clock.seconds();

        if let Some(cost) = fit.model.cost() {
            (timing.fit, timing.fit_cpu) = (cost.fit, cost.fit_cpu);
            (timing.predict, timing.predict_cpu) = (cost.predict, cost.predict_cpu);
        }
        let on_train = fit.model.predict(&train_rows)?;
        let test_labels = self.dataset.gather_labels(test_items);
        Ok(Scores {
            test: assess(&predicted, &test_labels, classes)?,
            train: assess(&on_train, &train_labels, classes)?,
            steps: fit.steps,
            tuned: choice.map(|choice| (choice.text(), choice.inner_fits)),
        })
    }

    /// The values of a split's items, shared by the trials that run at about the same time.
    fn rows(&self, repeat: u32, fold: u32, scale: Scale) -> Arc<Rows> {
        let mut cache = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (repeat, fold, scale);
        if let Some((_, rows)) = cache.0.iter().find(|(k, _)| *k == key) {
            return rows.clone();
        }
        let split = self.split(repeat, fold);
        let rows = Arc::new(Rows {
            train: self.dataset.gather(&split.train, scale),
            held_out: self.dataset.gather(&split.test, scale),
        });
        if cache.0.len() == RowCache::CAPACITY {
            cache.0.pop_front();
        }
        cache.0.push_back((key, rows.clone()));
        rows
    }
}

/// Means and deviations of the features of a training set.
struct Standard(Vec<(f64, f64)>);

impl Standard {
    /// From rows of `columns` values; the deviation is that of the rows themselves (divisor n).
    fn fit(rows: &[f32], columns: usize) -> Standard {
        let count = (rows.len() / columns) as f64;
        let of_column = |column: usize| {
            let values = || rows.iter().skip(column).step_by(columns).map(|&v| f64::from(v));
            let mean = values().sum::<f64>() / count;
            let variance = values().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
            (mean, variance.sqrt())
        };
        Standard((0..columns).map(of_column).collect())
    }

    /// Values less their mean, by their deviation; 0 for a feature that did not vary.
    fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let scaled = |(value, (mean, deviation)): (&f32, &(f64, f64))| {
            if *deviation > 0.0 { ((f64::from(*value) - mean) / deviation) as f32 } else { 0.0 }
        };
        let row = |row: &[f32]| row.iter().zip(&self.0).map(scaled).collect::<Vec<f32>>();
        rows.chunks_exact(self.0.len()).flat_map(row).collect()
    }
}

/// The values of one split's items, row after row.
#[derive(Debug)]
struct Rows {
    /// In training order, up to the largest n.
    train: Vec<f32>,
    held_out: Vec<f32>,
}

/// The last few splits in use, by repeat, fold and scale.
#[derive(Debug, Default)]
struct RowCache(VecDeque<((u32, u32, Scale), Arc<Rows>)>);

impl RowCache {
    /// Trials run split by split: the current one and its neighbour, in two scales.
    const CAPACITY: usize = 4;
}

/// The classifier of `model`, refused if it can't learn such data at all.
fn classifier(model: &ModelSpec, dataset: &Dataset, limits: Limits) -> Result<Box<dyn Classifier>> {
    let refused = |why: String| Error::input(format!("model {:?}: {why}", model.name));
    let classifier = model.classifier().map_err(|e| refused(e.to_string()))?;
    if let Some(seconds) = limits.seconds {
        classifier.set_time_limit(Duration::from_secs_f64(seconds));
    }
    if let Some(mib) = limits.memory_mib {
        classifier.set_memory_limit(mib);
    }
    classifier
        .check(dataset.shape, dataset.class_names.len())
        .map_err(|error| refused(error.to_string()))?;
    Ok(classifier)
}

/// Refuses sizes that no training part can have, before anything runs.
fn check_sizes(experiment: &Experiment, dataset: &Dataset) -> Result<()> {
    let pool = dataset.pool();
    let (train, test) = dataset.class_counts();
    let needed = experiment.protocol.folds as usize;
    if let Some(class) = train.iter().position(|&count| count < needed) {
        return Err(Error::input(format!(
            "class {:?} of {:?} has {} training examples, fewer than the {needed} folds",
            dataset.class_names[class],
            dataset.title(),
            train[class]
        )));
    }
    let scores_test_set = experiment.protocol.kind != crate::experiment::ProtocolKind::RepeatedCv;
    if test.contains(&0) && scores_test_set {
        return Err(Error::input(format!(
            "{:?} has no test set for every class, which protocol.kind = {:?} scores on; use \"repeated-cv\"",
            dataset.title(),
            experiment.protocol.kind.name()
        )));
    }
    let capacity = training_capacity(&pool, &experiment.protocol);
    match experiment.protocol.sizes.iter().find(|&&n| n as usize > capacity) {
        Some(n) => Err(Error::input(format!(
            "protocol.sizes has {n}, but a training part of {:?} under {} holds {capacity} examples",
            dataset.title(),
            experiment.protocol.kind
        ))),
        None => Ok(()),
    }
}

struct Scores {
    test: Assessment,
    train: Assessment,
    steps: Option<u64>,
    /// What a tuned model chose, and the fits that it took.
    tuned: Option<(String, u64)>,
}

struct Assessment {
    correct: Correctness,
    log_loss: Option<f64>,
    brier: Option<f64>,
}

/// Compares predictions with the truth.
fn assess(
    predicted: &Predictions,
    labels: &[u32],
    classes: usize,
) -> std::result::Result<Assessment, FitError> {
    check_predictions(predicted, labels.len(), classes)?;
    let bits: Vec<bool> = predicted.labels.iter().zip(labels).map(|(a, b)| a == b).collect();
    let probabilities = predicted.probabilities.as_deref();
    let metric = |score: fn(&[f32], usize, &[u32]) -> stats::Result<f64>| {
        probabilities
            .map(|p| score(p, classes, labels))
            .transpose()
            .map_err(|error| FitError::Failed(error.to_string()))
    };
    Ok(Assessment {
        correct: Correctness::pack(&bits),
        log_loss: metric(stats::metrics::log_loss)?,
        brier: metric(stats::metrics::brier)?,
    })
}

/// A model that answers with wrong counts, unknown labels or no numbers has failed.
fn check_predictions(
    predicted: &Predictions,
    rows: usize,
    classes: usize,
) -> std::result::Result<(), FitError> {
    if predicted.labels.len() != rows {
        let got = predicted.labels.len();
        return Err(FitError::Failed(format!("{got} predictions for {rows} rows")));
    }
    if let Some(label) = predicted.labels.iter().find(|&&label| label as usize >= classes) {
        return Err(FitError::Failed(format!("predicted label {label} of {classes} classes")));
    }
    match &predicted.probabilities {
        Some(p) if p.len() != rows * classes => {
            Err(FitError::Failed(format!("{} probabilities for {rows} × {classes}", p.len())))
        }
        Some(p) if p.iter().any(|p| !p.is_finite()) => {
            Err(FitError::Diverged("a predicted probability is not finite".into()))
        }
        _ => Ok(()),
    }
}

fn outcome(
    seed: u64,
    n_train: u32,
    n_test: u32,
    scores: std::result::Result<Scores, FitError>,
) -> Outcome {
    match scores {
        Ok(Scores { test, train, steps, tuned }) => {
            let (tuned, inner_fits) = tuned.unzip();
            Outcome {
                train_accuracy: Some(train.correct.count() as f64 / train.correct.len() as f64),
                train_loss: train.log_loss,
                correct: Some(test.correct),
                log_loss: test.log_loss,
                brier: test.brier,
                steps,
                tuned: tuned.unwrap_or_default(),
                inner_fits,
                ..Outcome::empty(seed, n_train, n_test)
            }
        }
        Err(error) => {
            let status = match error {
                FitError::Diverged(_) => Status::Diverged,
                FitError::TimedOut(_) => Status::Timeout,
                _ => Status::Failed,
            };
            Outcome::without_score(seed, n_train, n_test, status, &error.to_string())
        }
    }
}

/// Wall and CPU time of the current thread.
struct Clock {
    wall: Instant,
    cpu: ThreadTime,
}

impl Clock {
    fn start() -> Self {
        Clock { wall: Instant::now(), cpu: ThreadTime::now() }
    }

    fn seconds(&self) -> (f64, f64) {
        (self.wall.elapsed().as_secs_f64(), self.cpu.elapsed().as_secs_f64())
    }
}
