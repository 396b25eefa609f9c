//! Several nets of one architecture, trained as one batched computation.

use candle_core::Tensor;

use super::device;
use super::graph::Graph;
use super::loss::cross_entropy;
use super::optimizer::State;
use crate::{Batch, Device, Dims, Layer, Network, NnError, Optimizer};

/// Rows that a prediction computes at once; the last rows are padded to as many, so that a row's scores don't
/// depend on how many rows are asked for (a matrix product's order of summation may depend on its size).
const PREDICTION_ROWS: usize = 64;

/// Nets that differ in their parameters, statistics and batches alone.
pub(super) struct Replicas {
    device: candle_core::Device,
    input: Dims,
    classes: usize,
    least_rows: usize,
    /// Lengths of one example's masks, by dropout layer.
    masks: Vec<usize>,
    graph: Graph,
    /// Replicas × parameters.
    parameters: Tensor,
    /// Running means and variances, replicas × statistics.
    statistics: Tensor,
    state: State,
}

impl Replicas {
    /// One net for each of `initial`, which must be as long as the network's parameters.
    ///
    /// # Errors
    /// [`NnError::Device`] if the device is not compiled in, absent, or fails.
    pub(super) fn new(
        network: &Network,
        initial: &[&[f32]],
        optimizer: Optimizer,
        device: Device,
    ) -> Result<Self, NnError> {
        let device = device::open(device)?;
        let shape = (initial.len(), network.parameter_count());
        let masked = |(i, layer): (usize, &Layer)| match *layer {
            Layer::Dropout { rate } if rate > 0.0 => Some(network.dims(i).len()),
            _ => None,
        };
        Ok(Replicas {
            input: network.input(),
            classes: network.classes(),
            least_rows: network.least_batch(),
            masks: network.layers().iter().enumerate().filter_map(masked).collect(),
            graph: Graph::new(network, &device)?,
            parameters: Tensor::from_vec(initial.concat(), shape, &device)?,
            statistics: Tensor::from_vec(
                network.initial_statistics().repeat(initial.len()),
                (initial.len(), network.statistics_count()),
                &device,
            )?,
            state: State::new(optimizer, shape, &device)?,
            device,
        })
    }

    /// One gradient step of every net, each on its batch; their losses before the update.
    ///
    /// # Errors
    /// [`NnError::Shape`] unless there is one batch for each net, all of as many rows; [`NnError::Device`].
    pub(super) fn step(
        &mut self,
        batches: &[Batch<'_>],
        learning_rate: f32,
    ) -> Result<Vec<f32>, NnError> {
        let rows = self.check(batches)?;
        let inputs: Vec<&[f32]> = batches.iter().map(|batch| batch.inputs).collect();
        let inputs = self.upload(inputs.concat(), rows)?;
        let targets = self.indicators(batches, rows)?;
        let masks: Vec<Vec<f32>> = (0..self.masks.len())
            .map(|i| batches.iter().flat_map(|batch| &batch.masks[i]).copied().collect())
            .collect();
        let (scores, tape) =
            self.graph.forward(&self.parameters, &mut self.statistics, inputs, &masks)?;
        let (losses, gradient) = cross_entropy(&scores, &targets)?;
        let gradient = self.graph.backward(&self.parameters, tape, gradient)?;
        self.parameters =
            self.state.update(&self.parameters, &gradient, f64::from(learning_rate))?;
        Ok(losses.to_vec1()?)
    }

    /// Class scores, rows × classes, of as many rows for each net, the first net's first. With one row's `masks` for each
    /// net, those of thinned nets.
    ///
    /// # Errors
    /// [`NnError::Shape`] unless inputs and masks are whole ones for each net; [`NnError::Device`].
    pub(super) fn logits(
        &self,
        inputs: &[f32],
        masks: Option<&[Vec<f32>]>,
    ) -> Result<Vec<f32>, NnError> {
        let (replicas, columns) = (self.replicas()?, self.input.len());
        let rows = inputs.len() / replicas / columns;
        if rows * replicas * columns != inputs.len() {
            return Err(NnError::Shape(format!(
                "{} values are no whole number of inputs of {:?}",
                inputs.len(),
                self.input
            )));
        }
        if let Some(masks) = masks {
            self.check_masks(masks, replicas)?;
        }
        let mut logits = vec![Vec::with_capacity(rows * self.classes); replicas];
        for first in (0..rows).step_by(PREDICTION_ROWS) {
            let count = PREDICTION_ROWS.min(rows - first);
            let mut padded = Vec::with_capacity(replicas * PREDICTION_ROWS * columns);
            for inputs in inputs.chunks_exact(rows * columns) {
                padded.extend_from_slice(&inputs[first * columns..(first + count) * columns]);
                padded.resize(padded.len() + (PREDICTION_ROWS - count) * columns, 0.0);
            }
            let padded = self.upload(padded, PREDICTION_ROWS)?;
            let scores = self.graph.predict(&self.parameters, &self.statistics, padded, masks)?;
            for (logits, scores) in logits.iter_mut().zip(scores.to_vec3::<f32>()?) {
                scores[..count].iter().for_each(|row| logits.extend_from_slice(row));
            }
        }
        Ok(logits.concat())
    }

    /// The parameters, one net's after the other's.
    ///
    /// # Errors
    /// [`NnError::Device`] if the device fails.
    pub(super) fn parameters(&self) -> Result<Vec<f32>, NnError> {
        Ok(self.parameters.flatten_all()?.to_vec1()?)
    }

    /// The running statistics, one net's after the other's.
    ///
    /// # Errors
    /// [`NnError::Device`] if the device fails.
    pub(super) fn statistics(&self) -> Result<Vec<f32>, NnError> {
        Ok(self.statistics.flatten_all()?.to_vec1()?)
    }

    /// Replaces the running statistics.
    ///
    /// # Errors
    /// [`NnError::Shape`] if there are not as many; [`NnError::Device`] if the device fails.
    pub(super) fn set_statistics(&mut self, statistics: &[f32]) -> Result<(), NnError> {
        let expected = self.statistics.elem_count();
        if statistics.len() != expected {
            let got = statistics.len();
            return Err(NnError::Shape(format!(
                "{got} running statistics where the network needs {expected}"
            )));
        }
        self.statistics = Tensor::from_slice(statistics, self.statistics.shape(), &self.device)?;
        Ok(())
    }

    fn replicas(&self) -> Result<usize, NnError> {
        Ok(self.parameters.dim(0)?)
    }

    /// The rows of each batch; refuses what would not fit.
    fn check(&self, batches: &[Batch<'_>]) -> Result<usize, NnError> {
        let rows = batches.first().map_or(0, |batch| batch.labels.len());
        if batches.len() != self.replicas()? {
            let (got, nets) = (batches.len(), self.replicas()?);
            return Err(NnError::Shape(format!("{got} batches for {nets} nets")));
        }
        if rows < self.least_rows && rows > 0 {
            return Err(NnError::Shape("batch normalisation needs two rows or more".into()));
        }
        for batch in batches {
            let (labels, values) = (batch.labels.len(), batch.inputs.len());
            if rows == 0 || labels != rows || values != rows * self.input.len() {
                return Err(NnError::Shape(format!(
                    "{values} values for {labels} labels and inputs of {:?}",
                    self.input
                )));
            }
            self.check_masks(batch.masks, rows)?;
            if let Some(label) = batch.labels.iter().find(|&&label| label as usize >= self.classes)
            {
                return Err(NnError::Shape(format!("label {label} of {} classes", self.classes)));
            }
        }
        Ok(rows)
    }

    /// Whether these are the masks of `rows` rows.
    fn check_masks(&self, masks: &[Vec<f32>], rows: usize) -> Result<(), NnError> {
        let fits = masks.len() == self.masks.len()
            && masks.iter().zip(&self.masks).all(|(mask, len)| mask.len() == rows * len);
        if fits {
            return Ok(());
        }
        Err(NnError::Shape(format!("dropout masks that are not those of {rows} rows")))
    }

    /// `values` as replicas × rows × pixels × channels on the device.
    fn upload(&self, values: Vec<f32>, rows: usize) -> candle_core::Result<Tensor> {
        let Dims { height, width, channels } = self.input;
        let replicas = values.len() / rows / self.input.len();
        Tensor::from_vec(values, (replicas, rows, height * width, channels), &self.device)
    }

    /// The labels as indicators, replicas × rows × classes.
    fn indicators(&self, batches: &[Batch<'_>], rows: usize) -> candle_core::Result<Tensor> {
        let mut values = vec![0.0_f32; batches.len() * rows * self.classes];
        let labels = batches.iter().flat_map(|batch| batch.labels);
        for (row, &label) in values.chunks_exact_mut(self.classes).zip(labels) {
            row[label as usize] = 1.0;
        }
        Tensor::from_vec(values, (batches.len(), rows, self.classes), &self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, initial_parameters};

    /// A value in [-1, 1] that jumps about with `i`.
    fn value(i: usize) -> f32 {
        ((i * 7919) % 65_537) as f32 / 32_768.0 - 1.0
    }

    /// Every kind of layer, three nets with batches and masks of their own: together as one by one.
    #[test]
    fn nets_trained_together_are_those_trained_alone() {
        let conv = |channels, padding| Layer::Conv { channels, kernel: 3, stride: 1, padding };
        let layers = vec![
            conv(4, 1),
            Layer::BATCH_NORM,
            Layer::Relu,
            Layer::MaxPool { size: 2 },
            conv(3, 0),
            Layer::LAYER_NORM,
            Layer::Tanh,
            Layer::AvgPool { size: 2 },
            Layer::Flatten,
            Layer::Dropout { rate: 0.5 },
            Layer::Dense { units: 5 },
            Layer::BATCH_NORM,
            Layer::Relu,
            Layer::Dense { units: 3 },
        ];
        let network = Network::new(Dims { height: 9, width: 8, channels: 2 }, layers).unwrap();
        let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-3, weight_decay: 0.1 };
        let initial: Vec<Vec<f32>> =
            (1..=3).map(|seed| initial_parameters(&network, Init::PyTorch, seed)).collect();
        let initial: Vec<&[f32]> = initial.iter().map(Vec::as_slice).collect();
        let start =
            |initial: &[&[f32]]| Replicas::new(&network, initial, adam, Device::CandleCpu).unwrap();
        let mut together = start(&initial);
        let mut alone: Vec<Replicas> = initial.iter().map(|&one| start(&[one])).collect();
        let (rows, pixels) = (6, network.input().len());
        let units = network.dims(9).len();
        for step in 0..5 {
            let at = |net: usize, i: usize| value(1 + i + 100_003 * (3 * step + net));
            let inputs: Vec<Vec<f32>> =
                (0..3).map(|net| (0..rows * pixels).map(|i| at(net, i)).collect()).collect();
            let mask = |net, i| if at(net, 7 * i) > 0.0 { 2.0 } else { 0.0 };
            let masks: Vec<[Vec<f32>; 1]> =
                (0..3).map(|net| [(0..rows * units).map(|i| mask(net, i)).collect()]).collect();
            let labels = [[0, 1, 2, 0, 1, 2], [0, 0, 1, 1, 2, 2], [2, 1, 0, 0, 1, 2]];
            let batches: Vec<Batch<'_>> = (0..3)
                .map(|i| Batch { inputs: &inputs[i], labels: &labels[i], masks: &masks[i] })
                .collect();
            let losses = together.step(&batches, 0.01).unwrap();
            for (net, one) in alone.iter_mut().enumerate() {
                let loss = one.step(&batches[net..=net], 0.01).unwrap()[0];
                assert!((loss - losses[net]).abs() < 1e-5, "step {step}, net {net}");
            }
            assert!(losses[0] != losses[1] && losses[1] != losses[2], "{losses:?}");
        }
        let inputs: Vec<f32> = (0..3 * 70 * pixels).map(value).collect();
        let logits = together.logits(&inputs, None).unwrap();
        for (net, one) in alone.iter().enumerate() {
            let inputs = &inputs[net * 70 * pixels..][..70 * pixels];
            let expected = one.logits(inputs, None).unwrap();
            for (got, want) in logits[net * 210..].iter().zip(expected) {
                assert!((got - want).abs() < 1e-4, "net {net}: {got} for {want}");
            }
        }
        assert!(matches!(together.step(&[], 0.1), Err(NnError::Shape(_))));
    }
}
