//! Softmax cross-entropy and its gradient.

use candle_core::{Result, Tensor};

/// The mean over rows of -log softmax(scores)[target], and its gradient by the scores.
///
/// `scores` and the indicators `targets` are rows × classes; so is the gradient,
/// (softmax(scores) - targets) / rows.
pub(super) fn cross_entropy(scores: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
    let rows = scores.dim(0)? as f64;
    let shifted = scores.broadcast_sub(&scores.max_keepdim(1)?)?;
    let exponentials = shifted.exp()?;
    let sums = exponentials.sum_keepdim(1)?;
    let of_target = shifted.mul(targets)?.sum_keepdim(1)?;
    let loss = sums.log()?.sub(&of_target)?.sum_all()?.affine(1.0 / rows, 0.0)?;
    let gradient = exponentials.broadcast_div(&sums)?.sub(targets)?.affine(1.0 / rows, 0.0)?;
    Ok((loss, gradient))
}
