//! What `mlp` and `cnn` share: how they are fitted, and prediction; their shared settings are in
//! [`params`], and what those stand for in [`training`].
//!
//! A net's probabilities are the softmax of its class scores, its label the most probable class. Of several nets (an
//! ensemble), and of several passes with dropout on (Monte Carlo dropout, Gal & Ghahramani 2016), probabilities are
//! averaged, on the training set as on held-out rows.

pub(crate) mod params;
pub(crate) mod training;

use nn::{Network, NnError, Purpose, TrainData, TrainOptions, TrainedNet, stream, train};
use rand::RngCore;

use crate::classifier::{
    Features, Fit, FitContext, FitError, FittedClassifier, Predictions, Shape, TrainingSet,
};

/// What probabilities are averaged over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Averaging {
    /// Nets of an ensemble, at least 1.
    pub(crate) nets: usize,
    /// Passes of each net with dropout on; none: one with dropout off.
    pub(crate) passes: Option<usize>,
}

/// Trains `network` on `train`, as often as `averaging` says. Steps are those of all nets.
pub(crate) fn fit(
    network: &Network,
    options: &TrainOptions,
    averaging: Averaging,
    train_on: &TrainingSet<'_>,
    context: &FitContext<'_>,
) -> Result<Fit, FitError> {
    let features = train_on.features();
    let data = TrainData { inputs: features.values(), labels: train_on.labels() };
    let mut nets = Vec::with_capacity(averaging.nets);
    for seed in seeds(context.seed, averaging.nets) {
        let net = train(network, options, data, seed, context.device, context.stop)?;
        nets.push((net, seed));
    }
    let steps = Some(nets.iter().map(|(net, _)| net.steps()).sum());
    let model = FittedNets { nets, passes: averaging.passes, shape: features.shape() };
    Ok(Fit { model: Box::new(model), steps })
}

/// The seed of each net of an ensemble: the first net is the one that would be trained alone.
fn seeds(seed: u64, nets: usize) -> impl Iterator<Item = u64> {
    let mut others = stream(seed, Purpose::Ensemble);
    (0..nets).map(move |i| if i == 0 { seed } else { others.next_u64() })
}

/// Trained nets with their seeds. They hold parameters alone: each prediction builds an executor for them, which takes a
/// copy of the parameters, so that predicting needs no lock and no state between calls.
struct FittedNets {
    nets: Vec<(TrainedNet, u64)>,
    passes: Option<usize>,
    /// Of one example.
    shape: Shape,
}

impl FittedClassifier for FittedNets {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        if features.shape() != self.shape {
            return Err(FitError::Refused(format!(
                "the net was trained on examples of {}, not of {}",
                self.shape,
                features.shape()
            )));
        }
        let classes = self.nets[0].0.network().classes();
        let mut sums = vec![0.0; features.rows() * classes];
        for (net, seed) in &self.nets {
            let passes = match self.passes {
                None => vec![net.logits(features.values())?],
                Some(passes) => net.thinned_logits(features.values(), passes, *seed)?,
            };
            for scores in passes {
                add_probabilities(&scores, classes, &mut sums)?;
            }
        }
        let count = (self.nets.len() * self.passes.unwrap_or(1)) as f64;
        let probabilities = sums.iter().map(|sum| (sum / count) as f32).collect();
        Ok(Predictions::from_probabilities(probabilities, classes))
    }
}

/// Adds the softmax of each row of `scores` to `sums`.
fn add_probabilities(scores: &[f32], classes: usize, sums: &mut [f64]) -> Result<(), FitError> {
    if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
        let row = at / classes;
        return Err(FitError::Diverged(format!("a class score of row {row} is not finite")));
    }
    let probabilities = scores.chunks_exact(classes).flat_map(softmax);
    sums.iter_mut().zip(probabilities).for_each(|(sum, probability)| *sum += probability);
    Ok(())
}

/// exp(zᵢ) / Σ exp(zⱼ), in double precision and with libm's exponential, the same bits on every platform.
fn softmax(scores: &[f32]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> =
        scores.iter().map(|&z| libm::exp(f64::from(z) - f64::from(largest))).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

impl From<NnError> for FitError {
    fn from(error: NnError) -> Self {
        match error {
            NnError::Diverged(why) => FitError::Diverged(why),
            NnError::Stopped => FitError::Stopped,
            NnError::Shape(why) | NnError::Invalid(why) => FitError::Refused(why),
            NnError::Device(why) => FitError::Failed(why),
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

    #[test]
    fn the_first_net_of_an_ensemble_is_the_one_trained_alone() {
        let of = |nets| seeds(7, nets).collect::<Vec<_>>();
        assert_eq!(of(1), [7]);
        assert_eq!(of(3)[..2], of(2));
        assert!(of(3)[1] != 7 && of(3)[1] != of(3)[2]);
        assert_ne!(of(2)[1], seeds(8, 2).last().unwrap());
    }
}
