//! Softmax cross-entropy and its gradient.

use candle_core::{Result, Tensor};

/// The mean over rows of -log softmax(scores)[target], and its gradient by the scores.
///
/// `scores` and the indicators `targets` are rows × classes; so is the gradient,
/// (softmax(scores) - targets) / rows.
pub(super) fn cross_entropy(scores: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
    let rows = scores.dim(0)? as f64;
    let log_probabilities = candle_nn::ops::log_softmax(scores, 1)?;
    let loss = log_probabilities.mul(targets)?.sum_all()?.affine(-1.0 / rows, 0.0)?;
    let gradient = log_probabilities.exp()?.sub(targets)?.affine(1.0 / rows, 0.0)?;
    Ok((loss, gradient))
}
