//! The candle executor: CUDA and Metal devices, and the processor as a cross-check of the native one.
//!
//! Of candle it takes tensors and their arithmetic alone. Gradients and optimiser updates are written here, since
//! candle 0.11's own are not those of the literature in places that matter on small nets: the gradient of
//! `max_pool2d` is scaled wrongly (a quarter at the unique maximum of a 2 × 2 window), that of `relu` is 1 at 0
//! (where zero pixels meet a zero bias), and its SGD knows no momentum. Nor are its random numbers used: on the
//! processor they can't be seeded.
//!
//! Every tensor has a leading replica dimension: [`replicas`] trains several nets of one architecture as one batched
//! computation, each on its own batch, from its own parameters, with its own statistics and optimiser's state. The
//! executor here is one replica. What still stands between this and whole trials side by side on a GPU is the training
//! loop, which steps one net at a time: replicas must have the same number of rows in every batch and end together.

mod device;
mod graph;
mod layers;
mod loss;
mod norm;
mod optimizer;
mod pool;
mod replicas;
mod tables;
mod weighted;

use crate::{Batch, Device, Executor, Network, NnError, Optimizer};
use replicas::Replicas;

/// One net on a candle device.
pub(crate) struct CandleExecutor(Replicas);

impl CandleExecutor {
    /// Uploads `initial`, which must be as long as the network's parameters.
    ///
    /// # Errors
    /// [`NnError::Device`] if the device is not compiled in, absent, or fails.
    pub(crate) fn new(
        network: &Network,
        initial: &[f32],
        optimizer: Optimizer,
        device: Device,
    ) -> Result<Self, NnError> {
        Replicas::new(network, &[initial], optimizer, device).map(CandleExecutor)
    }
}

impl Executor for CandleExecutor {
    fn step(&mut self, batch: &Batch<'_>, learning_rate: f32) -> Result<f32, NnError> {
        Ok(self.0.step(std::slice::from_ref(batch), learning_rate)?[0])
    }

    fn logits(&mut self, inputs: &[f32]) -> Result<Vec<f32>, NnError> {
        self.0.logits(inputs, None)
    }

    fn thinned_logits(&mut self, inputs: &[f32], masks: &[Vec<f32>]) -> Result<Vec<f32>, NnError> {
        self.0.logits(inputs, Some(masks))
    }

    fn parameters(&self) -> Result<Vec<f32>, NnError> {
        self.0.parameters()
    }

    fn statistics(&self) -> Result<Vec<f32>, NnError> {
        self.0.statistics()
    }

    fn set_statistics(&mut self, statistics: &[f32]) -> Result<(), NnError> {
        self.0.set_statistics(statistics)
    }
}

impl From<candle_core::Error> for NnError {
    fn from(error: candle_core::Error) -> Self {
        NnError::Device(format!("candle: {error}"))
    }
}
