//! Convolutions and dense layers, both as one matrix product per replica.

use candle_core::{Device, Result, Tensor};

use super::norm::column_sums;
use super::tables::{Window, upload};
use crate::Dims;

/// A convolution or a dense layer: a matrix product, behind a gather if a window moves.
pub(super) struct Weighted {
    gathers: Option<Gathers>,
    before: Dims,
    after: Dims,
    /// Of the weights in the flat parameters; the biases follow them.
    offset: usize,
}

/// The tables of a convolution.
struct Gathers {
    /// For each output pixel and place of the window, the input pixel.
    inputs: Tensor,
    /// For each input pixel and place of the window, the output pixel.
    outputs: Tensor,
    places: usize,
}

impl Weighted {
    /// A convolution whose kernel moves as `window` does.
    pub(super) fn conv(
        window: Window,
        before: Dims,
        after: Dims,
        offset: usize,
        device: &Device,
    ) -> Result<Self> {
        let inputs = upload(window.inputs(before, after), device)?;
        let outputs = upload(window.outputs(before, after), device)?;
        let gathers = Some(Gathers { inputs, outputs, places: window.taps() });
        Ok(Weighted { gathers, before, after, offset })
    }

    /// A dense layer.
    pub(super) fn dense(before: Dims, after: Dims, offset: usize) -> Self {
        Weighted { gathers: None, before, after, offset }
    }

    fn places(&self) -> usize {
        self.gathers.as_ref().map_or(1, |gathers| gathers.places)
    }

    fn output_pixels(&self) -> usize {
        self.after.height * self.after.width
    }

    /// Replicas × (places · channels in) × channels out.
    fn weights(&self, parameters: &Tensor) -> Result<Tensor> {
        let (rows, columns) = (self.places() * self.before.channels, self.after.channels);
        parameters.narrow(1, self.offset, rows * columns)?.reshape(((), rows, columns))
    }

    /// Replicas × 1 × channels out.
    fn biases(&self, parameters: &Tensor) -> Result<Tensor> {
        let weights = self.places() * self.before.channels * self.after.channels;
        let channels = self.after.channels;
        parameters.narrow(1, self.offset + weights, channels)?.reshape(((), 1, channels))
    }

    /// What each output pixel sees: replicas × (rows · output pixels) × (places · channels in).
    pub(super) fn patches(&self, x: &Tensor) -> Result<Tensor> {
        let gathered = match &self.gathers {
            Some(gathers) => x.contiguous()?.index_select(&gathers.inputs, 2)?,
            None => x.clone(),
        };
        let rows = x.dim(1)? * self.output_pixels();
        gathered.reshape((x.dim(0)?, rows, self.places() * self.before.channels))
    }

    /// The layer's values from its patches.
    pub(super) fn product(
        &self,
        parameters: &Tensor,
        rows: usize,
        patches: &Tensor,
    ) -> Result<Tensor> {
        patches
            .matmul(&self.weights(parameters)?)?
            .broadcast_add(&self.biases(parameters)?)?
            .reshape(((), rows, self.output_pixels(), self.after.channels))
    }

    /// The gradient by the weights, then the biases: replicas × both.
    pub(super) fn parameter_gradient(&self, patches: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let gradient = gradient.flatten(1, 2)?;
        let weights = patches.t()?.matmul(&gradient)?.flatten_from(1)?;
        let biases = column_sums(&gradient)?.flatten_from(1)?;
        Tensor::cat(&[weights, biases], 1)
    }

    /// A gather as on the way forward, with input and output exchanged: no sum is left to scattered writes, whose
    /// order a GPU does not fix.
    pub(super) fn input_gradient(
        &self,
        parameters: &Tensor,
        rows: usize,
        gradient: &Tensor,
    ) -> Result<Tensor> {
        let (inputs, outputs) = (self.before.channels, self.after.channels);
        let pixels = self.before.height * self.before.width;
        let weights = self.weights(parameters)?;
        let product = match &self.gathers {
            None => gradient.reshape(((), rows * pixels, outputs))?.matmul(&weights.t()?)?,
            Some(Gathers { outputs: table, places, .. }) => {
                let turned = weights
                    .reshape(((), *places, inputs, outputs))?
                    .transpose(2, 3)?
                    .reshape(((), places * outputs, inputs))?;
                gradient
                    .contiguous()?
                    .index_select(table, 2)?
                    .reshape(((), rows * pixels, places * outputs))?
                    .matmul(&turned)?
            }
        };
        product.reshape(((), rows, pixels, inputs))
    }
}
