//! A network as a chain of tensor operations, forwards and backwards.

use candle_core::{Device, Result, Tensor};

use super::layers::{Kept, Operation};
use crate::{Dims, Layer, Network};

/// The operations of a network.
pub(super) struct Graph {
    /// Each with the dimensions after it; layers that do nothing (a dropout of rate 0) are left out.
    operations: Vec<(Operation, Dims)>,
    /// The first operation with parameters: gradients are not needed before it.
    first_weighted: usize,
}

impl Graph {
    /// Uploads the index tables of `network`'s layers.
    pub(super) fn new(network: &Network, device: &Device) -> Result<Self> {
        let mut operations = Vec::new();
        let (mut offset, mut statistics) = (0, 0);
        for (i, layer) in network.layers().iter().enumerate() {
            let (before, after) = (network.dims(i), network.dims(i + 1));
            if !matches!(layer, Layer::Dropout { rate: 0.0 }) {
                operations.push((
                    Operation::new(layer, before, after, (offset, statistics), device)?,
                    after,
                ));
            }
            let (weights, biases) = network.layer_parameters(i);
            offset += weights + biases;
            if let Layer::BatchNorm { .. } = layer {
                statistics += 2 * before.channels;
            }
        }
        let weighted = |(operation, _): &(Operation, Dims)| operation.is_weighted();
        let first_weighted = operations.iter().position(weighted).unwrap_or(operations.len());
        Ok(Graph { operations, first_weighted })
    }

    /// The class scores of `inputs` (replicas × rows × pixels × channels) as replicas × rows × classes, and what the way
    /// back needs. Running statistics move.
    pub(super) fn forward(
        &self,
        parameters: &Tensor,
        statistics: &mut Tensor,
        inputs: Tensor,
        masks: &[Vec<f32>],
    ) -> Result<(Tensor, Vec<Kept>)> {
        let mut masks = masks.iter();
        let mut tape = Vec::with_capacity(self.operations.len());
        let mut values = inputs;
        for (operation, _) in &self.operations {
            let (next, kept) = operation.forward(parameters, statistics, &values, &mut masks)?;
            values = next;
            tape.push(kept);
        }
        Ok((values.flatten_from(2)?, tape))
    }

    /// The class scores alone, by the running statistics; `masks` are one row's, for all rows; none: dropout off.
    pub(super) fn predict(
        &self,
        parameters: &Tensor,
        statistics: &Tensor,
        inputs: Tensor,
        masks: Option<&[Vec<f32>]>,
    ) -> Result<Tensor> {
        let mut masks = masks.map(<[_]>::iter);
        let mut values = inputs;
        for (operation, _) in &self.operations {
            values = operation.predict(parameters, statistics, &values, masks.as_mut())?;
        }
        values.flatten_from(2)
    }

    /// The gradient by all parameters, replicas × parameters, from the gradient by the scores.
    pub(super) fn backward(
        &self,
        parameters: &Tensor,
        tape: Vec<Kept>,
        gradient: Tensor,
    ) -> Result<Tensor> {
        let mut by_layer = Vec::new();
        let mut gradient = gradient;
        for (i, ((operation, after), kept)) in self.operations.iter().zip(tape).enumerate().rev() {
            if i < self.first_weighted {
                break;
            }
            let (replicas, rows) = (gradient.dim(0)?, gradient.dim(1)?);
            let pixels = after.height * after.width;
            gradient = gradient.reshape((replicas, rows, pixels, after.channels))?;
            by_layer.extend(operation.parameter_gradient(&kept, &gradient)?);
            if i > self.first_weighted {
                gradient = operation.input_gradient(parameters, kept, &gradient)?;
            }
        }
        by_layer.reverse();
        Tensor::cat(&by_layer, 1)
    }
}
