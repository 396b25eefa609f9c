//! The layers as tensor operations.
//!
//! Activations are rows × pixels × channels, the NHWC order of [`crate::Network`], and every sum over examples or
//! pixels is a matrix product; nothing refers to the number of nets. With a leading replica dimension the
//! products would be batched ones and the flat parameters a matrix.

use std::slice::Iter;

use candle_core::{DType, Device, Result, Tensor};

use super::pool::{Pool, first_equal, maximum};
use super::tables::Window;
use super::weighted::Weighted;
use crate::{Dims, Layer};

/// One layer on a device.
pub(super) enum Operation {
    Weighted(Weighted),
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
    /// The left side of the product: (rows · pixels) × (places · channels).
    Patches {
        rows: usize,
        patches: Tensor,
    },
    /// For each place of the windows: 1 where it holds the first maximum.
    Winners(Vec<Tensor>),
}

impl Operation {
    /// `layer` between `before` and `after`, its parameters from `offset` on.
    pub(super) fn new(
        layer: &Layer,
        before: Dims,
        after: Dims,
        offset: usize,
        device: &Device,
    ) -> Result<Self> {
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
        })
    }

    /// True if the layer has parameters.
    pub(super) fn is_weighted(&self) -> bool {
        matches!(self, Operation::Weighted(_))
    }

    /// The layer's values in training.
    pub(super) fn forward(
        &self,
        parameters: &Tensor,
        x: &Tensor,
        masks: &mut Iter<'_, Vec<f32>>,
    ) -> Result<(Tensor, Kept)> {
        let rows = x.dim(0)?;
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
                let mask = masks.next().ok_or_else(|| {
                    candle_core::Error::Msg("a dropout layer was given no mask".into())
                })?;
                let mask = Tensor::from_slice(mask, x.shape(), x.device())?;
                (x.mul(&mask)?, Kept::Mask(mask))
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
                (self.predict(parameters, x)?, Kept::Nothing)
            }
        })
    }

    /// The layer's values, dropout off.
    pub(super) fn predict(&self, parameters: &Tensor, x: &Tensor) -> Result<Tensor> {
        let rows = x.dim(0)?;
        match self {
            Operation::Weighted(weighted) => {
                weighted.product(parameters, rows, &weighted.patches(x)?)
            }
            // Not `relu`, which turns NaN into 0 and would hide a net that diverged.
            Operation::Relu => x.mul(&positive(x)?),
            Operation::Tanh => x.tanh(),
            Operation::MaxPool(pool) => maximum(&pool.places(x)?),
            Operation::AvgPool(pool) => pool.mean(x),
            Operation::Flatten => x.reshape((rows, 1, ())),
            Operation::Dropout => Ok(x.clone()),
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

/// 1 where `x` is above 0, else 0.
fn positive(x: &Tensor) -> Result<Tensor> {
    x.gt(0.0)?.to_dtype(DType::F32)
}
