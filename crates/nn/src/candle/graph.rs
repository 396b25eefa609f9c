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
        let mut offset = 0;
        for (i, layer) in network.layers().iter().enumerate() {
            let (before, after) = (network.dims(i), network.dims(i + 1));
            if !matches!(layer, Layer::Dropout { rate: 0.0 }) {
                operations.push((Operation::new(layer, before, after, offset, device)?, after));
            }
            let (weights, biases) = network.layer_parameters(i);
            offset += weights + biases;
        }
        let weighted = |(operation, _): &(Operation, Dims)| operation.is_weighted();
        let first_weighted = operations.iter().position(weighted).unwrap_or(operations.len());
        Ok(Graph { operations, first_weighted })
    }

    /// The class scores of `inputs` (rows × pixels × channels) as rows × classes, and what the way back needs.
    pub(super) fn forward(
        &self,
        parameters: &Tensor,
        inputs: Tensor,
        masks: &[Vec<f32>],
    ) -> Result<(Tensor, Vec<Kept>)> {
        let mut masks = masks.iter();
        let mut tape = Vec::with_capacity(self.operations.len());
        let mut values = inputs;
        for (operation, _) in &self.operations {
            let (next, kept) = operation.forward(parameters, &values, &mut masks)?;
            values = next;
            tape.push(kept);
        }
        Ok((values.flatten_from(1)?, tape))
    }

    /// The class scores alone, dropout off.
    pub(super) fn predict(&self, parameters: &Tensor, inputs: Tensor) -> Result<Tensor> {
        let mut values = inputs;
        for (operation, _) in &self.operations {
            values = operation.predict(parameters, &values)?;
        }
        values.flatten_from(1)
    }

    /// The gradient by all parameters, flat, from the gradient by the scores.
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
            let rows = gradient.dim(0)?;
            gradient = gradient.reshape((rows, after.height * after.width, after.channels))?;
            if let Operation::Weighted(weighted) = operation {
                by_layer.push(weighted.parameter_gradient(&kept, &gradient)?);
            }
            if i > self.first_weighted {
                gradient = operation.input_gradient(parameters, kept, &gradient)?;
            }
        }
        by_layer.reverse();
        Tensor::cat(&by_layer, 0)
    }
}
