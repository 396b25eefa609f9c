//! Batch and layer normalisation on tensors; formulas: see [`crate::Layer`].

use candle_core::{DType, Result, Tensor};

use crate::Dims;

/// What the values are centred and scaled by.
#[derive(Clone, Copy)]
enum Group {
    /// Each channel, over rows and pixels, and the place of its running statistics.
    Batch { momentum: f64, statistics: usize },
    /// Each row.
    Layer,
}

/// A normalisation of values with `dims.channels` channels.
pub(super) struct Norm {
    group: Group,
    dims: Dims,
    /// Of the scales in the flat parameters; the shifts follow them.
    offset: usize,
    epsilon: f64,
}

/// What the way forward keeps: values of mean 0 and variance 1, and what they were multiplied with.
pub(super) struct Normalised {
    values: Tensor,
    inverse: Tensor,
}

impl Norm {
    /// Batch normalisation with running statistics from `statistics` on: means, then variances.
    pub(super) fn batch(
        momentum: f32,
        epsilon: f32,
        dims: Dims,
        offset: usize,
        statistics: usize,
    ) -> Self {
        let group = Group::Batch { momentum: f64::from(momentum), statistics };
        Norm { group, dims, offset, epsilon: f64::from(epsilon) }
    }

    /// Layer normalisation.
    pub(super) fn layer(epsilon: f32, dims: Dims, offset: usize) -> Self {
        Norm { group: Group::Layer, dims, offset, epsilon: f64::from(epsilon) }
    }

    /// The values in training. The running statistics move.
    pub(super) fn forward(
        &self,
        parameters: &Tensor,
        statistics: &mut Tensor,
        x: &Tensor,
    ) -> Result<(Tensor, Normalised)> {
        let grouped = self.grouped(x)?;
        let mean = self.mean(&grouped)?;
        let centred = grouped.broadcast_sub(&mean)?;
        let variance = self.mean(&centred.sqr()?)?;
        if let Group::Batch { momentum, .. } = self.group {
            let count = grouped.dim(1)? as f64;
            let unbiased = variance.affine(count / (count - 1.0), 0.0)?;
            self.move_running(statistics, &[mean, unbiased], momentum)?;
        }
        let inverse = variance.affine(1.0, self.epsilon)?.sqrt()?.recip()?;
        let values = centred.broadcast_mul(&inverse)?;
        let y = self.scaled(parameters, &values.reshape(x.shape())?)?;
        Ok((y, Normalised { values, inverse }))
    }

    /// The values at prediction.
    pub(super) fn predict(
        &self,
        parameters: &Tensor,
        statistics: &Tensor,
        x: &Tensor,
    ) -> Result<Tensor> {
        let grouped = self.grouped(x)?;
        let (mean, variance) = match self.group {
            Group::Batch { .. } => (self.running(statistics, 0)?, self.running(statistics, 1)?),
            Group::Layer => {
                let mean = self.mean(&grouped)?;
                let variance = self.mean(&grouped.broadcast_sub(&mean)?.sqr()?)?;
                (mean, variance)
            }
        };
        let inverse = variance.affine(1.0, self.epsilon)?.sqrt()?.recip()?;
        let values = grouped.broadcast_sub(&mean)?.broadcast_mul(&inverse)?;
        self.scaled(parameters, &values.reshape(x.shape())?)
    }

    /// The gradient by the scales, then the shifts: replicas × both.
    pub(super) fn parameter_gradient(
        &self,
        kept: &Normalised,
        gradient: &Tensor,
    ) -> Result<Tensor> {
        let values = kept.values.reshape(gradient.shape())?;
        let scales = self.by_channel(&gradient.mul(&values)?)?;
        let shifts = self.by_channel(gradient)?;
        Tensor::cat(&[column_sums(&scales)?, column_sums(&shifts)?], 2)?.flatten_from(1)
    }

    /// The gradient by the input.
    pub(super) fn input_gradient(
        &self,
        parameters: &Tensor,
        kept: &Normalised,
        gradient: &Tensor,
    ) -> Result<Tensor> {
        let scaled = self.grouped(&gradient.broadcast_mul(&self.parameter(parameters, 0)?)?)?;
        let along = self.mean(&scaled.mul(&kept.values)?)?;
        scaled
            .broadcast_sub(&self.mean(&scaled)?)?
            .sub(&kept.values.broadcast_mul(&along)?)?
            .broadcast_mul(&kept.inverse)?
            .reshape(gradient.shape())
    }

    /// `x` as replicas × values that share a mean × means, or the other way round for layers.
    fn grouped(&self, x: &Tensor) -> Result<Tensor> {
        match self.group {
            Group::Batch { .. } => self.by_channel(x),
            Group::Layer => x.flatten_from(2),
        }
    }

    /// `x` as replicas × (rows · pixels) × channels.
    fn by_channel(&self, x: &Tensor) -> Result<Tensor> {
        x.reshape((x.dim(0)?, (), self.dims.channels))
    }

    /// The mean of each group, of the same rank.
    fn mean(&self, grouped: &Tensor) -> Result<Tensor> {
        match self.group {
            Group::Batch { .. } => column_sums(grouped)?.affine(1.0 / grouped.dim(1)? as f64, 0.0),
            Group::Layer => grouped.sum_keepdim(2)?.affine(1.0 / grouped.dim(2)? as f64, 0.0),
        }
    }

    /// values · scale + shift; values are replicas × rows × pixels × channels.
    fn scaled(&self, parameters: &Tensor, values: &Tensor) -> Result<Tensor> {
        values
            .broadcast_mul(&self.parameter(parameters, 0)?)?
            .broadcast_add(&self.parameter(parameters, 1)?)
    }

    /// The scales (0) or shifts (1), replicas × 1 × 1 × channels.
    fn parameter(&self, parameters: &Tensor, which: usize) -> Result<Tensor> {
        let channels = self.dims.channels;
        parameters.narrow(1, self.offset + which * channels, channels)?.reshape((
            (),
            1,
            1,
            channels,
        ))
    }

    /// The running means (0) or variances (1), replicas × 1 × channels.
    fn running(&self, statistics: &Tensor, which: usize) -> Result<Tensor> {
        let Group::Batch { statistics: offset, .. } = self.group else {
            candle_core::bail!("only batch normalisations have running statistics");
        };
        let channels = self.dims.channels;
        statistics.narrow(1, offset + which * channels, channels)?.reshape(((), 1, channels))
    }

    /// Moves the running statistics by `momentum` of the way to the batch's.
    fn move_running(
        &self,
        statistics: &mut Tensor,
        batch: &[Tensor; 2],
        momentum: f64,
    ) -> Result<()> {
        let Group::Batch { statistics: offset, .. } = self.group else { return Ok(()) };
        let mut moved = Vec::with_capacity(4);
        moved.push(statistics.narrow(1, 0, offset)?);
        for (which, batch) in batch.iter().enumerate() {
            let kept = self.running(statistics, which)?.affine(1.0 - momentum, 0.0)?;
            moved.push(kept.add(&batch.affine(momentum, 0.0)?)?.flatten_from(1)?);
        }
        let end = offset + 2 * self.dims.channels;
        moved.push(statistics.narrow(1, end, statistics.dim(1)? - end)?);
        moved.retain(|part| part.elem_count() > 0);
        *statistics = Tensor::cat(&moved, 1)?;
        Ok(())
    }
}

/// The sum of each column, as a product with ones, whose order a device fixes: replicas × 1 × columns.
pub(super) fn column_sums(x: &Tensor) -> Result<Tensor> {
    let (replicas, rows, _) = x.dims3()?;
    Tensor::ones((replicas, 1, rows), DType::F32, x.device())?.matmul(x)
}
