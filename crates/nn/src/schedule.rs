//! Learning rates over the steps of a training run.

use std::f64::consts::PI;

/// The learning rate at each step, from the base rate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Schedule {
    /// The base rate throughout.
    #[default]
    Constant,
    /// base / (1 + decay · t): the `decay` of Keras 2's optimisers, applied at every update. Beside momentum it is not
    /// Keras's bit for bit: Keras multiplies each gradient by its own rate before it enters the mean (v ← momentum · v -
    /// lr_t · g), PyTorch's form, which is ours ([`crate::Optimizer::Sgd`]), the whole mean by the present rate.
    PerUpdateDecay {
        /// At least 0.
        decay: f64,
    },
    /// base · ½ (1 + cos(π t / steps)), which is 0 after the last step (Loshchilov & Hutter 2017, eq. 5, one period): the
    /// last step itself, t = steps - 1, still has a rate of about base · (π / 2 steps)².
    Cosine,
    /// base · factor^⌊t / every⌋.
    Step {
        /// Steps between the changes, at least 1.
        every: u64,
        /// What each change multiplies the rate with, in (0, 1].
        factor: f64,
    },
}

impl Schedule {
    /// The rate at step `t` (the first is 0) of `steps`, given the base rate.
    pub fn rate(&self, base: f64, t: u64, steps: u64) -> f64 {
        match *self {
            Schedule::Constant => base,
            Schedule::PerUpdateDecay { decay } => base / (1.0 + decay * t as f64),
            Schedule::Cosine => base * 0.5 * (1.0 + libm::cos(PI * t as f64 / steps as f64)),
            Schedule::Step { every, factor } => base * libm::pow(factor, (t / every) as f64),
        }
    }

    /// What is wrong with the schedule's numbers, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        match *self {
            Schedule::PerUpdateDecay { decay } if !(decay >= 0.0 && decay.is_finite()) => {
                Some(format!("a decay of {decay} is not a number from 0 up"))
            }
            Schedule::Step { every: 0, .. } => {
                Some("a schedule that changes every 0 steps never starts: use 1 or more".into())
            }
            Schedule::Step { factor, .. } if !(factor > 0.0 && factor <= 1.0) => {
                Some(format!("a schedule's factor of {factor} is not in (0, 1]"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_the_formulas() {
        assert_eq!(Schedule::Constant.rate(0.1, 99, 100), 0.1);
        let decay = Schedule::PerUpdateDecay { decay: 0.99 };
        assert_eq!(decay.rate(0.005, 0, 10), 0.005);
        assert_eq!(decay.rate(0.005, 100, 10), 0.005 / 100.0);
        assert_eq!(Schedule::Cosine.rate(2.0, 0, 8), 2.0);
        assert!((Schedule::Cosine.rate(2.0, 4, 8) - 1.0).abs() < 1e-15);
        assert!((Schedule::Cosine.rate(2.0, 6, 8) - (1.0 - 0.5_f64.sqrt())).abs() < 1e-15);
        let step = Schedule::Step { every: 3, factor: 0.5 };
        let rates: Vec<f64> = (0..7).map(|t| step.rate(8.0, t, 7)).collect();
        assert_eq!(rates, [8.0, 8.0, 8.0, 4.0, 4.0, 4.0, 2.0]);
    }

    /// Beam's "MLP (Leek)" of 2017: 1,600 updates from .005 with decay .99 sum to .04 where a constant rate gives 8.
    #[test]
    fn a_large_decay_per_update_leaves_a_net_untrained() {
        let decay = Schedule::PerUpdateDecay { decay: 0.99 };
        let sum: f64 = (0..1_600).map(|t| decay.rate(0.005, t, 1_600)).sum();
        assert!((sum - 0.04).abs() < 0.001, "{sum}");
    }

    #[test]
    fn impossible_numbers_are_named() {
        for schedule in [
            Schedule::PerUpdateDecay { decay: -1.0 },
            Schedule::PerUpdateDecay { decay: f64::NAN },
            Schedule::Step { every: 0, factor: 0.5 },
            Schedule::Step { every: 1, factor: 0.0 },
        ] {
            assert!(schedule.fault().is_some(), "{schedule:?}");
        }
        assert_eq!(Schedule::Cosine.fault(), None);
    }
}
