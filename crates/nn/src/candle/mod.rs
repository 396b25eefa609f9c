//! The candle executor: CUDA and Metal devices, and the processor as a cross-check of the native one.
//!
//! Of candle it takes tensors and their arithmetic alone. Gradients and optimiser updates are written here, since
//! candle 0.11's own are not those of the literature in places that matter on small nets: the gradient of
//! `max_pool2d` is scaled wrongly (a quarter at the unique maximum of a 2 × 2 window), that of `relu` is 1 at 0
//! (where zero pixels meet a zero bias), and its SGD knows no momentum. Nor are its random numbers used: on the
//! processor they can't be seeded.

mod device;
mod graph;
mod layers;
mod loss;
mod optimizer;
mod pool;
mod tables;
mod weighted;

use candle_core::Tensor;

use crate::{Batch, Device, Dims, Executor, Network, NnError, Optimizer};
use graph::Graph;
use optimizer::State;

/// Rows that a prediction computes at once; the last rows are padded to as many, so that a row's scores don't
/// depend on how many rows are asked for (a matrix product's order of summation may depend on its size).
const PREDICTION_ROWS: usize = 64;

/// One net on a candle device.
pub(crate) struct CandleExecutor {
    device: candle_core::Device,
    input: Dims,
    classes: usize,
    graph: Graph,
    /// All parameters, flat.
    parameters: Tensor,
    state: State,
}

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
        let device = device::open(device)?;
        Ok(CandleExecutor {
            input: network.input(),
            classes: network.classes(),
            graph: Graph::new(network, &device)?,
            parameters: Tensor::from_slice(initial, initial.len(), &device)?,
            state: State::new(optimizer, initial.len(), &device)?,
            device,
        })
    }

    /// Refuses what would not fit.
    fn check(&self, batch: &Batch<'_>) -> Result<(), NnError> {
        let (rows, values) = (batch.labels.len(), batch.inputs.len());
        if rows == 0 || values != rows * self.input.len() {
            return Err(NnError::Shape(format!(
                "{values} values for {rows} labels and inputs of {:?}",
                self.input
            )));
        }
        match batch.labels.iter().find(|&&label| label as usize >= self.classes) {
            Some(label) => {
                Err(NnError::Shape(format!("label {label} of {} classes", self.classes)))
            }
            None => Ok(()),
        }
    }

    /// `values` as rows × pixels × channels on the device.
    fn upload(&self, values: &[f32]) -> candle_core::Result<Tensor> {
        let Dims { height, width, channels } = self.input;
        let rows = values.len() / self.input.len();
        Tensor::from_slice(values, (rows, height * width, channels), &self.device)
    }

    /// The labels as indicators, rows × classes.
    fn indicators(&self, labels: &[u32]) -> candle_core::Result<Tensor> {
        let mut values = vec![0.0_f32; labels.len() * self.classes];
        for (row, &label) in values.chunks_exact_mut(self.classes).zip(labels) {
            row[label as usize] = 1.0;
        }
        Tensor::from_vec(values, (labels.len(), self.classes), &self.device)
    }
}

impl Executor for CandleExecutor {
    fn step(&mut self, batch: &Batch<'_>, learning_rate: f32) -> Result<f32, NnError> {
        self.check(batch)?;
        let inputs = self.upload(batch.inputs)?;
        let targets = self.indicators(batch.labels)?;
        let (scores, tape) = self.graph.forward(&self.parameters, inputs, batch.masks)?;
        let (loss, gradient) = loss::cross_entropy(&scores, &targets)?;
        let gradient = self.graph.backward(&self.parameters, tape, gradient)?;
        self.parameters =
            self.state.update(&self.parameters, &gradient, f64::from(learning_rate))?;
        Ok(loss.to_scalar()?)
    }

    fn logits(&mut self, inputs: &[f32]) -> Result<Vec<f32>, NnError> {
        let rows = inputs.len() / self.input.len();
        if rows * self.input.len() != inputs.len() {
            return Err(NnError::Shape(format!(
                "{} values are no whole number of inputs of {:?}",
                inputs.len(),
                self.input
            )));
        }
        let mut logits = Vec::with_capacity(rows * self.classes);
        let mut padded = Vec::new();
        for chunk in inputs.chunks(PREDICTION_ROWS * self.input.len()) {
            padded.clear();
            padded.extend_from_slice(chunk);
            padded.resize(PREDICTION_ROWS * self.input.len(), 0.0);
            let scores = self.graph.predict(&self.parameters, self.upload(&padded)?)?;
            let scores = scores.flatten_all()?.to_vec1::<f32>()?;
            logits.extend_from_slice(&scores[..chunk.len() / self.input.len() * self.classes]);
        }
        Ok(logits)
    }

    fn parameters(&self) -> Result<Vec<f32>, NnError> {
        Ok(self.parameters.to_vec1()?)
    }
}

impl From<candle_core::Error> for NnError {
    fn from(error: candle_core::Error) -> Self {
        NnError::Device(format!("candle: {error}"))
    }
}
