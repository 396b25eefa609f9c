//! What an executor does for the training loop: gradient steps and class scores of one net.
//!
//! The loop owns everything random (initial parameters, order of examples, dropout masks) and the schedule;
//! an executor owns arithmetic only, so that executors can be compared step by step.

use crate::NnError;

/// One mini-batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `rows × height × width × channels`.
    pub inputs: &'a [f32],
    /// One class per row.
    pub labels: &'a [u32],
    /// One mask per dropout layer with a rate above 0, in layer order: `rows × values`, each 0 or 1 / (1 - rate).
    pub masks: &'a [Vec<f32>],
}

/// The update rule. Learning rates come with each step, from the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// v ← momentum · v + g; θ ← θ - lr · v (or, with Nesterov's, θ - lr · (g + momentum · v)): PyTorch's form.
    Sgd {
        /// 0 for plain gradient descent.
        momentum: f32,
        /// Nesterov's look-ahead.
        nesterov: bool,
    },
    /// Kingma & Ba 2015, algorithm 1; with `weight_decay` > 0, Loshchilov & Hutter 2019 (decoupled, AdamW).
    Adam {
        /// Decay of the mean gradient.
        beta1: f32,
        /// Decay of the mean squared gradient.
        beta2: f32,
        /// Added to the root of the second moment.
        epsilon: f32,
        /// Decoupled weight decay; 0 for plain Adam.
        weight_decay: f32,
    },
    /// Zeiler 2012, algorithm 1; the learning rate multiplies the update (1 in the paper).
    Adadelta {
        /// Decay of the mean squares.
        rho: f32,
        /// Inside both roots.
        epsilon: f32,
    },
}

/// One net, its optimiser's state, and the device that holds them.
pub trait Executor {
    /// One gradient step on `batch` with dropout masks applied; returns the batch's mean cross-entropy
    /// before the update.
    ///
    /// # Errors
    /// [`NnError::Device`] if the device fails.
    fn step(&mut self, batch: &Batch<'_>, learning_rate: f32) -> Result<f32, NnError>;

    /// Class scores before softmax, `rows × classes`, dropout off, normalised by the running statistics.
    ///
    /// # Errors
    /// [`NnError::Device`] if the device fails.
    fn logits(&mut self, inputs: &[f32]) -> Result<Vec<f32>, NnError>;

    /// [`Executor::logits`] of a thinned net: `masks` are those of one example, one per dropout layer with a rate above
    /// 0, and apply to every row, so that a row's scores still do not depend on the rows beside it.
    ///
    /// # Errors
    /// [`NnError::Shape`] if the masks don't fit, [`NnError::Device`] if the device fails.
    fn thinned_logits(&mut self, inputs: &[f32], masks: &[Vec<f32>]) -> Result<Vec<f32>, NnError>;

    /// The parameters, in the layout of [`crate::Network`].
    ///
    /// # Errors
    /// [`NnError::Device`] if the device fails.
    fn parameters(&self) -> Result<Vec<f32>, NnError>;

    /// The running statistics of batch normalisations, in the layout of [`crate::Network::statistics_count`].
    ///
    /// # Errors
    /// [`NnError::Device`] if the device fails.
    fn statistics(&self) -> Result<Vec<f32>, NnError>;

    /// Replaces the running statistics.
    ///
    /// # Errors
    /// [`NnError::Shape`] if there are not as many as the network has, [`NnError::Device`] if the device fails.
    fn set_statistics(&mut self, statistics: &[f32]) -> Result<(), NnError>;
}
