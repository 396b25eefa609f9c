//! The layers as tensor operations.
//!
//! Activations are replicas × rows × pixels × channels: the NHWC order of [`crate::Network`], for several nets of one
//! architecture side by side. Parameters are replicas × parameters of each. Every sum over examples or pixels is a batched
//! matrix product.

use std::slice::Iter;

use candle_core::{DType, Device, Result, Tensor};

use super::norm::{Norm, Normalised};
use super::pool::{Pool, first_equal, maximum};
use super::tables::Window;
use super::weighted::Weighted;
use crate::{Dims, Layer};

/// One layer on a device.
pub(super) enum Operation {
    Weighted(Weighted),
    Norm(Norm),
    Relu,
    Tanh,
    MaxPool(Pool),
    AvgPool(Pool),
    Flatten,
    Dropout,
}

/// What the way forward keeps for the way back.
pub(super) enum Kept {
    Nothing,
    /// What the input is multiplied with, value by value.
    Mask(Tensor),
    /// The layer's own output.
    Output(Tensor),
    /// The left side of the product: replicas × (rows · pixels) × (places · channels).
    Patches {
        rows: usize,
        patches: Tensor,
    },
    /// What a normalisation left before scaling.
    Normalised(Normalised),
    /// For each place of the windows: 1 where it holds the first maximum.
    Winners(Vec<Tensor>),
}

impl Operation {
    /// `layer` between `before` and `after`, its parameters and running statistics from `offsets` on.
    pub(super) fn new(
        layer: &Layer,
        before: Dims,
        after: Dims,
        offsets: (usize, usize),
        device: &Device,
    ) -> Result<Self> {
        let (offset, statistics) = offsets;
        Ok(match *layer {
            Layer::Conv { kernel, stride, padding, .. } => {
                let window = Window { size: kernel, stride, padding };
                Operation::Weighted(Weighted::conv(window, before, after, offset, device)?)
            }
            Layer::Dense { .. } => Operation::Weighted(Weighted::dense(before, after, offset)),
            Layer::Relu => Operation::Relu,
            Layer::Tanh => Operation::Tanh,
            Layer::MaxPool { size } => Operation::MaxPool(Pool::new(size, before, after, device)?),
            Layer::AvgPool { size } => Operation::AvgPool(Pool::new(size, before, after, device)?),
            Layer::Flatten => Operation::Flatten,
            Layer::Dropout { .. } => Operation::Dropout,
            Layer::BatchNorm { momentum, epsilon } => {
                Operation::Norm(Norm::batch(momentum, epsilon, before, offset, statistics))
            }
            Layer::LayerNorm { epsilon } => Operation::Norm(Norm::layer(epsilon, before, offset)),
        })
    }

    /// True if the layer has parameters.
    pub(super) fn is_weighted(&self) -> bool {
        matches!(self, Operation::Weighted(_) | Operation::Norm(_))
    }

    /// The layer's values in training. Running statistics move.
    pub(super) fn forward(
        &self,
        parameters: &Tensor,
        statistics: &mut Tensor,
        x: &Tensor,
        masks: &mut Iter<'_, Vec<f32>>,
    ) -> Result<(Tensor, Kept)> {
        let rows = x.dim(1)?;
        Ok(match self {
            Operation::Weighted(weighted) => {
                let patches = weighted.patches(x)?;
                let y = weighted.product(parameters, rows, &patches)?;
                (y, Kept::Patches { rows, patches })
            }
            Operation::Relu => {
                let mask = positive(x)?;
                (x.mul(&mask)?, Kept::Mask(mask))
            }
            Operation::Dropout => {
                let mask = Tensor::from_slice(next_mask(masks)?, x.shape(), x.device())?;
                (x.mul(&mask)?, Kept::Mask(mask))
            }
            Operation::Norm(norm) => {
                let (y, kept) = norm.forward(parameters, statistics, x)?;
                (y, Kept::Normalised(kept))
            }
            Operation::Tanh => {
                let y = x.tanh()?;
                (y.clone(), Kept::Output(y))
            }
            Operation::MaxPool(pool) => {
                let places = pool.places(x)?;
                let best = maximum(&places)?;
                let winners = first_equal(&places, &best)?;
                (best, Kept::Winners(winners))
            }
            Operation::AvgPool(_) | Operation::Flatten => {
                (self.predict(parameters, statistics, x, None)?, Kept::Nothing)
            }
        })
    }

    /// The layer's values by the running statistics, with one mask for all rows per dropout layer, or dropout off.
    pub(super) fn predict(
        &self,
        parameters: &Tensor,
        statistics: &Tensor,
        x: &Tensor,
        masks: Option<&mut Iter<'_, Vec<f32>>>,
    ) -> Result<Tensor> {
        let rows = x.dim(1)?;
        match self {
            Operation::Weighted(weighted) => {
                weighted.product(parameters, rows, &weighted.patches(x)?)
            }
            // Not `relu`, which turns NaN into 0 and would hide a net that diverged.
            Operation::Relu => x.mul(&positive(x)?),
            Operation::Tanh => x.tanh(),
            Operation::MaxPool(pool) => maximum(&pool.places(x)?),
            Operation::AvgPool(pool) => pool.mean(x),
            Operation::Flatten => x.flatten_from(2)?.unsqueeze(2),
            Operation::Norm(norm) => norm.predict(parameters, statistics, x),
            Operation::Dropout => match masks {
                None => Ok(x.clone()),
                Some(masks) => {
                    let (_, _, pixels, channels) = x.dims4()?;
                    let mask = next_mask(masks)?;
                    let mask = Tensor::from_slice(mask, mask.len(), x.device())?;
                    x.broadcast_mul(&mask.reshape(((), 1, pixels, channels))?)
                }
            },
        }
    }

    /// The gradient by the layer's parameters from that by its output, replicas × parameters; none without parameters.
    pub(super) fn parameter_gradient(
        &self,
        kept: &Kept,
        gradient: &Tensor,
    ) -> Result<Option<Tensor>> {
        match (self, kept) {
            (Operation::Weighted(weighted), Kept::Patches { patches, .. }) => {
                weighted.parameter_gradient(patches, gradient).map(Some)
            }
            (Operation::Norm(norm), Kept::Normalised(kept)) => {
                norm.parameter_gradient(kept, gradient).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The gradient by the layer's input from that by its output.
    pub(super) fn input_gradient(
        &self,
        parameters: &Tensor,
        kept: Kept,
        gradient: &Tensor,
    ) -> Result<Tensor> {
        match (self, kept) {
            (Operation::Weighted(weighted), Kept::Patches { rows, .. }) => {
                weighted.input_gradient(parameters, rows, gradient)
            }
            (Operation::Norm(norm), Kept::Normalised(kept)) => {
                norm.input_gradient(parameters, &kept, gradient)
            }
            (_, Kept::Mask(mask)) => gradient.mul(&mask),
            (_, Kept::Output(y)) => gradient.mul(&y.sqr()?.affine(-1.0, 1.0)?),
            (Operation::MaxPool(pool), Kept::Winners(winners)) => {
                pool.max_gradient(&winners, gradient)
            }
            (Operation::AvgPool(pool), _) => pool.mean_gradient(gradient),
            // Flattening only renames: the caller gives each gradient the shape of the values.
            (_, _) => Ok(gradient.clone()),
        }
    }
}

/// The mask of the next dropout layer.
fn next_mask<'a>(masks: &mut Iter<'a, Vec<f32>>) -> Result<&'a Vec<f32>> {
    masks.next().ok_or_else(|| candle_core::Error::Msg("a dropout layer was given no mask".into()))
}

/// 1 where `x` is above 0, else 0.
fn positive(x: &Tensor) -> Result<Tensor> {
    x.gt(0.0)?.to_dtype(DType::F32)
}
