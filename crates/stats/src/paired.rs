//! Paired t tests for cross-validation inside one small sample, where the folds' training sets overlap.
//!
//! The plain t test takes J fold differences for independent and rejects far too often. Nadeau & Bengio, "Inference
//! for the Generalization Error", Machine Learning 52, 2003, add the correlation that overlapping training sets cause;
//! Bouckaert & Frank (PAKDD 2004) recommend the same for repeated k-fold, n_test/n_train = 1/(k-1). Its Bayesian
//! reading is [`crate::bayes`].

use crate::dist;
use crate::error::{Error, Result, check_count, check_lengths};
use crate::estimate::Estimate;
use crate::quantile::mean_and_variance;

/// Mean paired difference with the corrected and the plain variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedT {
    /// J, the number of differences.
    pub count: usize,
    /// s², the variance of the differences, divisor J - 1.
    pub variance: f64,
    /// The mean difference with variance s²(1/J + n_test/n_train) and J - 1 degrees of freedom.
    pub corrected: Estimate,
    /// The mean difference with variance s²/J, as if the folds were independent. Not for reporting.
    pub naive: Estimate,
}

/// The corrected resampled t of `a - b`, scores of two models on the same J (repeat, fold) pairs:
/// t = d̄ / √(s² (1/J + n_test/n_train)), J - 1 degrees of freedom (Nadeau & Bengio 2003).
///
/// All differences equal gives variance 0, which [`Estimate`] reads as "no variation observed".
///
/// # Errors
/// With fewer than two pairs, unlike lengths, values that are not finite, or an empty training or test part.
pub fn corrected_t(a: &[f64], b: &[f64], n_train: usize, n_test: usize) -> Result<PairedT> {
    check_count("training examples", n_train, 1)?;
    check_count("test examples", n_test, 1)?;
    let count = a.len();
    let (value, variance) = difference_mean_and_variance(a, b)?;
    let df = (count - 1) as f64;
    let independent = 1.0 / count as f64;
    let overlap = n_test as f64 / n_train as f64;
    Ok(PairedT {
        count,
        variance,
        corrected: Estimate { value, variance: variance * (independent + overlap), df },
        naive: Estimate { value, variance: variance * independent, df },
    })
}

/// `a - b`, pair by pair.
///
/// # Errors
/// If the lengths differ.
pub fn differences(a: &[f64], b: &[f64]) -> Result<Vec<f64>> {
    check_lengths("paired scores", a.len(), b.len())?;
    Ok(a.iter().zip(b).map(|(a, b)| a - b).collect())
}

/// Mean and variance of `a - b`. Differences that vary by rounding alone (.5 - .9 against .3 - .7) have variance 0:
/// taken for real, such a variance would make any constant advantage as significant as one likes.
pub(crate) fn difference_mean_and_variance(a: &[f64], b: &[f64]) -> Result<(f64, f64)> {
    let differences = differences(a, b)?;
    let (mean, variance) = mean_and_variance(&differences)?;
    let largest = a.iter().chain(b).fold(0.0, |most: f64, x| most.max(x.abs()));
    let rounding = 4.0 * f64::EPSILON * largest;
    let (lo, hi) = differences
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &d| (d.min(lo), d.max(hi)));
    Ok((mean, if hi - lo <= rounding { 0.0 } else { variance }))
}

/// Two one-sided tests of |difference| < rope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tost {
    /// p-value of difference <= -rope.
    pub p_lower: f64,
    /// p-value of difference >= rope.
    pub p_upper: f64,
}

impl Tost {
    /// The p-value of "not equivalent": the larger of the two.
    pub fn p(&self) -> f64 {
        self.p_lower.max(self.p_upper)
    }
}

/// Schuirmann's two one-sided tests (Journal of Pharmacokinetics and Biopharmaceutics 15, 1987): the estimate is
/// equivalent to 0 at level α if both p-values are below α. `None` where no variation was observed.
///
/// # Errors
/// If `rope`, half the width of the region of practical equivalence, is not a positive number.
pub fn tost(estimate: &Estimate, rope: f64) -> Result<Option<Tost>> {
    if !(rope > 0.0 && rope.is_finite()) {
        return Err(Error::OutOfRange {
            what: "the region of practical equivalence",
            range: "positive, as in 0.01 for one point of accuracy",
            found: rope,
        });
    }
    Ok(estimate.t(-rope).zip(estimate.t(rope)).map(|(above_lower, above_upper)| Tost {
        p_lower: dist::t_sf(above_lower, estimate.df),
        p_upper: dist::t_cdf(above_upper, estimate.df),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identical_models_show_no_variation() {
        let t = corrected_t(&[0.9; 10], &[0.9; 10], 80, 20).expect("valid");
        assert_eq!((t.corrected.t(0.0), t.corrected.p_two_sided(0.0)), (None, Some(1.0)));
        assert_eq!(tost(&t.corrected, 0.01), Ok(None));
        // A constant advantage is no evidence either: the folds share their training data. Rounding is no variation.
        for (a, b) in [([0.75, 0.75], [0.5, 0.5]), ([0.5, 0.3], [0.9, 0.7])] {
            let t = corrected_t(&a, &b, 80, 20).expect("valid");
            assert_eq!(t.corrected.p_two_sided(0.0), None);
        }
    }

    #[test]
    fn unusable_input_is_refused() {
        assert!(corrected_t(&[0.9], &[0.8], 80, 20).is_err());
        assert!(corrected_t(&[0.9, 0.8], &[0.8], 80, 20).is_err());
        assert!(corrected_t(&[0.9, 0.8], &[0.8, 0.8], 0, 20).is_err());
        assert!(tost(&Estimate { value: 0.0, variance: 1.0, df: 1.0 }, 0.0).is_err());
    }
}
