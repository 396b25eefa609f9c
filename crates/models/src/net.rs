//! What `mlp` and `cnn` share: how they are fitted, and prediction; their settings for training are in [`training`].
//!
//! A net's probabilities are the softmax of its class scores, its label the most probable class.

pub(crate) mod training;

use nn::{Network, NnError, TrainData, TrainOptions, TrainedNet, train};

use crate::classifier::{
    Features, Fit, FitContext, FitError, FittedClassifier, Predictions, Shape, TrainingSet,
};

/// Trains `network` on `train`.
pub(crate) fn fit(
    network: &Network,
    options: &TrainOptions,
    train_on: &TrainingSet<'_>,
    context: &FitContext<'_>,
) -> Result<Fit, FitError> {
    let features = train_on.features();
    let data = TrainData { inputs: features.values(), labels: train_on.labels() };
    let net = train(network, options, data, context.seed, context.device, context.stop)?;
    let steps = Some(net.steps());
    Ok(Fit { model: Box::new(FittedNet { net, shape: features.shape() }), steps })
}

/// A trained net. It holds parameters alone: each prediction builds an executor for them, which takes a copy of the
/// parameters, so that predicting needs no lock and no state between calls.
struct FittedNet {
    net: TrainedNet,
    /// Of one example.
    shape: Shape,
}

impl FittedClassifier for FittedNet {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        if features.shape() != self.shape {
            return Err(FitError::Refused(format!(
                "the net was trained on examples of {}, not of {}",
                self.shape,
                features.shape()
            )));
        }
        let scores = self.net.logits(features.values())?;
        if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
            let row = at / self.net.network().classes();
            return Err(FitError::Diverged(format!("a class score of row {row} is not finite")));
        }
        let classes = self.net.network().classes();
        let probabilities = scores.chunks_exact(classes).flat_map(softmax).collect();
        Ok(Predictions::from_probabilities(probabilities, classes))
    }
}

/// exp(zᵢ) / Σ exp(zⱼ), in double precision and with libm's exponential, the same bits on every platform.
fn softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> =
        scores.iter().map(|&z| libm::exp(f64::from(z) - f64::from(largest))).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| (power / sum) as f32).collect()
}

impl From<NnError> for FitError {
    fn from(error: NnError) -> Self {
        match error {
            NnError::Diverged(why) => FitError::Diverged(why),
            NnError::Stopped => FitError::Stopped,
            NnError::Shape(why) => FitError::Refused(why),
            NnError::Invalid(why) | NnError::Device(why) => FitError::Failed(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_of_known_scores() {
        assert_eq!(softmax(&[0.0, 0.0]), [0.5, 0.5]);
        assert_eq!(softmax(&[1e30, -1e30]), [1.0, 0.0]);
        // ln 3 and ln 1: three quarters and one quarter.
        let p = softmax(&[3.0_f32.ln(), 0.0]);
        assert!((p[0] - 0.75).abs() < 1e-7 && (p[1] - 0.25).abs() < 1e-7, "{p:?}");
    }
}
