//! Softmax cross-entropy and its gradient.

use candle_core::{Result, Tensor};

/// The mean over rows of -log softmax(scores)[target] of each replica, and its gradient by the scores.
///
/// `scores` and the indicators `targets` are replicas × rows × classes; so is the gradient,
/// (softmax(scores) - targets) / rows.
pub(super) fn cross_entropy(scores: &Tensor, targets: &Tensor) -> Result<(Tensor, Tensor)> {
    let rows = scores.dim(1)? as f64;
    let log_probabilities = candle_nn::ops::log_softmax(scores, 2)?;
    let loss = log_probabilities.mul(targets)?.sum((1, 2))?.affine(-1.0 / rows, 0.0)?;
    let gradient = log_probabilities.exp()?.sub(targets)?.affine(1.0 / rows, 0.0)?;
    Ok((loss, gradient))
}
