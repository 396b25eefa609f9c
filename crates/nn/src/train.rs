//! The training loop: everything random, the schedule, and when to stop; the arithmetic is an executor's.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::batches::Batches;
use crate::dropout::Masks;
use crate::engine::executor;
use crate::init::{Init, initial_parameters};
use crate::random::Purpose;
use crate::{Augmentation, Batch, Device, Executor, Network, NnError, Optimizer, Schedule};

/// How long to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Passes over all examples.
    Epochs(u64),
    /// Gradient steps, whatever the number of examples; the last pass may be a partial one.
    Steps(u64),
}

/// Stops training once the loss no longer falls: when `patience` epochs in a row did not bring the epoch's mean
/// training loss more than `tolerance` below the best so far. scikit-learn's `MLPClassifier` counts alike, and stops at
/// the epoch after the last of its `n_iter_no_change`: one later than here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStop {
    /// In nats.
    pub tolerance: f64,
    /// At least 1.
    pub patience: u64,
}

/// How to train a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainOptions {
    /// How the parameters start.
    pub init: Init,
    /// The update rule.
    pub optimizer: Optimizer,
    /// The base rate of the schedule, above 0.
    pub learning_rate: f64,
    /// The rate at each step.
    pub schedule: Schedule,
    /// Rows per gradient step, at least 1; an epoch's last batch holds what is left, and if there are fewer rows
    /// than this, every batch holds all of them.
    pub batch_size: usize,
    /// Epochs or steps, at least 1.
    pub length: Length,
    /// A budget: training ends after that many steps (at least 1) if `length` is longer. Schedules run over the steps
    /// that it leaves.
    pub max_steps: Option<u64>,
    /// Off if `None`.
    pub early_stop: Option<EarlyStop>,
    /// Distortions of the training inputs, which must be images then.
    pub augmentation: Augmentation,
}

impl Default for TrainOptions {
    /// Adam as published (Kingma & Ba 2015), rate .001, batches of 32, 60 epochs.
    fn default() -> Self {
        TrainOptions {
            init: Init::PyTorch,
            optimizer: Optimizer::Adam {
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                weight_decay: 0.0,
            },
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            batch_size: 32,
            length: Length::Epochs(60),
            max_steps: None,
            early_stop: None,
            augmentation: Augmentation::default(),
        }
    }
}

/// Labelled examples.
#[derive(Clone, Copy, Debug)]
pub struct TrainData<'a> {
    /// `rows × height × width × channels`.
    pub inputs: &'a [f32],
    /// One class per row, below the network's number of classes.
    pub labels: &'a [u32],
}

/// One gradient step, as an observer sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Counted from 0.
    pub number: u64,
    /// The batch's mean cross-entropy before the update, with dropout.
    pub loss: f32,
    /// The learning rate of the update.
    pub learning_rate: f32,
}

/// A trained network.
#[derive(Clone, Debug)]
pub struct TrainedNet {
    network: Network,
    parameters: Vec<f32>,
    statistics: Vec<f32>,
    device: Device,
    steps: u64,
    loss: f64,
}

impl TrainedNet {
    /// What was trained.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// In the layout of [`Network`].
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The running statistics of batch normalisations, in the layout of [`Network::statistics_count`].
    pub fn statistics(&self) -> &[f32] {
        &self.statistics
    }

    /// Gradient steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The mean cross-entropy over the rows of the last pass (the last, partial one included), each row seen with
    /// dropout and before its own update: what the optimiser minimised, not the final net's training loss.
    pub fn last_loss(&self) -> f64 {
        self.loss
    }

    /// Class scores before softmax, `rows × classes`, on the device it was trained on. A row's scores do not depend
    /// on the other rows.
    ///
    /// # Errors
    /// [`NnError::Device`] if the device fails, [`NnError::Invalid`] if `inputs` are not whole rows.
    pub fn logits(&self, inputs: &[f32]) -> Result<Vec<f32>, NnError> {
        self.executor(inputs)?.logits(inputs)
    }

    /// The class scores of `passes` thinned nets, each `rows × classes`: Monte Carlo dropout (Gal & Ghahramani 2016). Each
    /// pass draws one set of masks from the seed's [`Purpose::Thinning`] stream and keeps it for all rows, so a row's
    /// scores still do not depend on the other rows. Without dropout all passes are alike.
    ///
    /// # Errors
    /// Those of [`TrainedNet::logits`].
    pub fn thinned_logits(
        &self,
        inputs: &[f32],
        passes: usize,
        seed: u64,
    ) -> Result<Vec<Vec<f32>>, NnError> {
        let mut executor = self.executor(inputs)?;
        let mut masks = Masks::new(&self.network, seed, Purpose::Thinning);
        (0..passes).map(|_| executor.thinned_logits(inputs, masks.next(1))).collect()
    }

    /// The net on its device, if `inputs` are whole rows.
    fn executor(&self, inputs: &[f32]) -> Result<Box<dyn Executor>, NnError> {
        if !inputs.len().is_multiple_of(self.network.input().len()) {
            return Err(NnError::Invalid(format!(
                "{} values are no whole number of inputs of {:?}",
                inputs.len(),
                self.network.input()
            )));
        }
        // The optimiser's state is never used: plain gradient descent has none.
        let optimizer = Optimizer::Sgd { momentum: 0.0, nesterov: false };
        let mut executor = executor(&self.network, &self.parameters, optimizer, self.device)?;
        executor.set_statistics(&self.statistics)?;
        Ok(executor)
    }
}

/// Trains `network` on `data`. The same arguments give the same net, bit for bit, on the same kind of device.
///
/// Everything random derives from `seed`, each purpose from a stream of its own (see [`crate::stream`]). `stop` is looked
/// at before each step.
///
/// # Errors
/// [`NnError::Invalid`] for options or data out of range; [`NnError::Diverged`], naming the step, once the loss is
/// not finite, or a parameter is not at the end; [`NnError::Stopped`]; [`NnError::Device`].
pub fn train(
    network: &Network,
    options: &TrainOptions,
    data: TrainData<'_>,
    seed: u64,
    device: Device,
    stop: &AtomicBool,
) -> Result<TrainedNet, NnError> {
    train_observed(network, options, data, seed, device, stop, &mut |_| ())
}

/// [`train`], telling `observer` of each step.
///
/// # Errors
/// Those of [`train`].
pub fn train_observed(
    network: &Network,
    options: &TrainOptions,
    data: TrainData<'_>,
    seed: u64,
    device: Device,
    stop: &AtomicBool,
    observer: &mut dyn FnMut(Step),
) -> Result<TrainedNet, NnError> {
    check(network, options, data)?;
    let initial = initial_parameters(network, options.init, seed);
    let mut executor = executor(network, &initial, options.optimizer, device)?;
    let mut run = Run {
        executor: executor.as_mut(),
        options,
        data,
        batches: Batches::new(network, options, data, seed),
        masks: Masks::new(network, seed, Purpose::Dropout),
        stop,
        observer,
        steps: 0,
    };
    let loss = run.all_epochs()?;
    let steps = run.steps;
    let (parameters, statistics) = (executor.parameters()?, executor.statistics()?);
    let last = steps - 1;
    if parameters.iter().any(|p| !p.is_finite()) {
        return Err(NnError::Diverged(format!("a parameter is not finite after step {last}")));
    }
    if statistics.iter().any(|s| !s.is_finite()) {
        let what = "a running mean or variance";
        return Err(NnError::Diverged(format!("{what} is not finite after step {last}")));
    }
    Ok(TrainedNet { network: network.clone(), parameters, statistics, device, steps, loss })
}

/// What is wrong with the arguments, if anything.
fn check(network: &Network, options: &TrainOptions, data: TrainData<'_>) -> Result<(), NnError> {
    let rows = data.labels.len();
    let classes = network.classes();
    let rate = options.learning_rate;
    let fault = if rows == 0 {
        Some("no examples to train on".into())
    } else if data.inputs.len() != rows * network.input().len() {
        let (values, input) = (data.inputs.len(), network.input());
        Some(format!("{values} values for {rows} labels and inputs of {input:?}"))
    } else if let Some(label) = data.labels.iter().find(|&&label| label as usize >= classes) {
        Some(format!("label {label} for a network of {classes} classes"))
    } else if options.batch_size == 0 {
        Some("a batch of 0 rows teaches nothing: use 1 or more".into())
    } else if matches!(options.length, Length::Epochs(0) | Length::Steps(0)) {
        Some("training for 0 epochs or steps is none: use 1 or more".into())
    } else if !(rate > 0.0 && rate.is_finite()) {
        Some(format!("a learning rate of {rate} is not a number above 0"))
    } else if options.early_stop.is_some_and(|early| early.patience == 0) {
        Some("an early stop with a patience of 0 epochs never trains: use 1 or more".into())
    } else if options.max_steps == Some(0) {
        Some("a budget of 0 steps trains nothing: use 1 or more".into())
    } else if network.least_batch() > 1 && smallest_batch(rows, options.batch_size) == 1 {
        Some(format!(
            "batch normalisation needs two rows or more in every batch, but {rows} rows in batches of {} leave a \
             batch of one: use another batch size, or layer normalisation",
            options.batch_size
        ))
    } else {
        options.augmentation.fault(network.input()).or_else(|| options.schedule.fault())
    };
    fault.map_or(Ok(()), |fault| Err(NnError::Invalid(fault)))
}

/// The fewest rows of an epoch's batches.
fn smallest_batch(rows: usize, batch_size: usize) -> usize {
    match rows % batch_size {
        0 => batch_size,
        rest => rest,
    }
}

/// A training run under way.
struct Run<'a> {
    executor: &'a mut dyn Executor,
    options: &'a TrainOptions,
    data: TrainData<'a>,
    batches: Batches<'a>,
    masks: Masks,
    stop: &'a AtomicBool,
    observer: &'a mut dyn FnMut(Step),
    steps: u64,
}

impl Run<'_> {
    /// Trains to the end; the mean loss of the last epoch.
    fn all_epochs(&mut self) -> Result<f64, NnError> {
        let rows = self.data.labels.len();
        let total = match self.options.length {
            Length::Epochs(epochs) => {
                epochs.saturating_mul(rows.div_ceil(self.options.batch_size) as u64)
            }
            Length::Steps(steps) => steps,
        };
        let total = self.options.max_steps.map_or(total, |budget| total.min(budget));
        let (mut best, mut stale) = (f64::INFINITY, 0);
        loop {
            let loss = self.epoch(total)?;
            if let Some(early) = self.options.early_stop {
                stale = if loss > best - early.tolerance { stale + 1 } else { 0 };
                best = best.min(loss);
                if stale >= early.patience {
                    return Ok(loss);
                }
            }
            if self.steps == total {
                return Ok(loss);
            }
        }
    }

    /// One pass over the examples, cut off at `total` steps; the mean loss over its rows.
    fn epoch(&mut self, total: u64) -> Result<f64, NnError> {
        self.batches.shuffle();
        let (mut sum, mut rows) = (0.0, 0);
        while self.steps < total && self.batches.advance() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(NnError::Stopped);
            }
            let labels = self.batches.labels();
            let masks = self.masks.next(labels.len());
            let batch = Batch { inputs: self.batches.inputs(), labels, masks };
            let rate = self.options.schedule.rate(self.options.learning_rate, self.steps, total);
            let loss = self.executor.step(&batch, rate as f32)?;
            if !loss.is_finite() {
                return Err(NnError::Diverged(format!(
                    "the loss is {loss} at step {}",
                    self.steps
                )));
            }
            let learning_rate = rate as f32;
            (self.observer)(Step { number: self.steps, loss, learning_rate });
            sum += f64::from(loss) * labels.len() as f64;
            rows += labels.len();
            self.steps += 1;
        }
        Ok(sum / rows as f64)
    }
}
