//! One trial: cut the training set, fit, predict, score.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use cpu_time::ThreadTime;
use models::{Classifier, Features, FitContext, FitError, Predictions, TrainingSet};

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, ModelSpec, Scale};
use crate::panics;
use crate::plan::TrialKey;
use crate::record::{Correctness, Outcome, Record, Status, Timing};
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
    held_out: Mutex<HeldOutCache>,
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
            .map(|model| classifier(model, &dataset))
            .collect::<Result<_>>()?;
        let count = experiment.protocol.repeats as usize * experiment.protocol.folds as usize;
        let splits = std::iter::repeat_with(OnceLock::new).take(count).collect();
        Ok(Bench { experiment, dataset, device, classifiers, splits, held_out: Mutex::default() })
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
        let at = (repeat * protocol.folds + fold) as usize;
        self.splits[at].get_or_init(|| {
            split(&self.dataset.pool(), protocol, self.experiment.seed, repeat, fold)
        })
    }

    /// Runs one trial. A failure of the model, a panic included, is an outcome. `None` if it was asked to stop.
    ///
    /// # Panics
    /// If the trial is not of this experiment: a defect of the caller.
    pub fn run(&self, key: &TrialKey, stop: &AtomicBool) -> Option<Record> {
        let at = self.experiment.models.iter().position(|model| model.name == key.model);
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
        let outcome = outcome(seed, key.n, split.test.len() as u32, scores);
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
        let items = &split.train[..key.n as usize];
        let (shape, classes) = (self.dataset.shape, self.dataset.class_names.len());
        let train_values = self.dataset.gather(items, scale);
        let train_labels = self.dataset.gather_labels(items);
        let train_rows = Features::new(&train_values, shape);
        let train = TrainingSet::new(train_rows, &train_labels, classes)?;

        let clock = Clock::start();
        let fit = classifier.fit(&train, context)?;
        (timing.fit, timing.fit_cpu) = clock.seconds();

        let held_out = self.held_out_values(key.repeat, key.fold, scale);
        let clock = Clock::start();
        let predicted = fit.model.predict(&Features::new(&held_out, shape))?;
        (timing.predict, timing.predict_cpu) = clock.seconds();

        let on_train = fit.model.predict(&train_rows)?;
        let test_labels = self.dataset.gather_labels(&split.test);
        Ok(Scores {
            test: assess(&predicted, &test_labels, classes)?,
            train: assess(&on_train, &train_labels, classes)?,
            steps: fit.steps,
        })
    }

    /// The values of a split's held-out items, shared by the trials that run at about the same time.
    fn held_out_values(&self, repeat: u32, fold: u32, scale: Scale) -> Arc<Vec<f32>> {
        let mut cache = self.held_out.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (repeat, fold, scale);
        if let Some((_, values)) = cache.0.iter().find(|(k, _)| *k == key) {
            return values.clone();
        }
        let values = Arc::new(self.dataset.gather(&self.split(repeat, fold).test, scale));
        if cache.0.len() == HeldOutCache::CAPACITY {
            cache.0.pop_front();
        }
        cache.0.push_back((key, values.clone()));
        values
    }
}

/// The last few held-out sets in use.
#[derive(Debug, Default)]
struct HeldOutCache(VecDeque<(HeldOutKey, Arc<Vec<f32>>)>);

/// Repeat, fold and scale.
type HeldOutKey = (u32, u32, Scale);

impl HeldOutCache {
    /// Trials run split by split: the current one and its neighbour, in two scales.
    const CAPACITY: usize = 4;
}

/// The classifier of `model`, refused if it can't learn such data at all.
fn classifier(model: &ModelSpec, dataset: &Dataset) -> Result<Box<dyn Classifier>> {
    let refused = |why: String| Error::input(format!("model {:?}: {why}", model.name));
    let classifier = (model.kind.build)(&model.settings).map_err(|e| refused(e.to_string()))?;
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
            dataset.class_names[class], dataset.name, train[class]
        )));
    }
    if test.contains(&0) && experiment.protocol.kind == crate::experiment::ProtocolKind::Holdout {
        return Err(Error::input(format!("{:?} has no test set for every class", dataset.name)));
    }
    let capacity = training_capacity(&pool, &experiment.protocol);
    match experiment.protocol.sizes.iter().find(|&&n| n as usize > capacity) {
        Some(n) => Err(Error::input(format!(
            "protocol.sizes has {n}, but a training part of {:?} under {} holds {capacity} examples",
            dataset.name, experiment.protocol.kind
        ))),
        None => Ok(()),
    }
}

struct Scores {
    test: Assessment,
    train: Assessment,
    steps: Option<u64>,
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
    let mut outcome = Outcome {
        seed,
        status: Status::Ok,
        n_train,
        n_test,
        correct: None,
        log_loss: None,
        brier: None,
        train_accuracy: None,
        train_loss: None,
        steps: None,
        reason: String::new(),
    };
    match scores {
        Ok(Scores { test, train, steps }) => {
            outcome.train_accuracy =
                Some(train.correct.count() as f64 / train.correct.len() as f64);
            outcome.train_loss = train.log_loss;
            outcome.correct = Some(test.correct);
            outcome.log_loss = test.log_loss;
            outcome.brier = test.brier;
            outcome.steps = steps;
        }
        Err(error) => {
            outcome.status = match error {
                FitError::Diverged(_) => Status::Diverged,
                _ => Status::Failed,
            };
            outcome.reason = one_line(&error.to_string());
        }
    }
    outcome
}

/// Reasons stand in one cell of a table.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
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
