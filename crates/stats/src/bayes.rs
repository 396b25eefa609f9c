//! The Bayesian correlated t test with a region of practical equivalence.
//!
//! Corani & Benavoli, Machine Learning 100, 2015; Benavoli, Corani, Demšar & Zaffalon, JMLR 18(77), 2017. The
//! posterior of the mean difference is Student's t around d̄ with J - 1 degrees of freedom and squared scale
//! s²(1/J + ρ/(1-ρ)), where ρ = n_test / (n_train + n_test) = 1/k: the numbers of [`crate::paired`], read as
//! probabilities of statements people ask about.

use crate::dist;
use crate::error::{Error, Result, check_count, check_level};
use crate::estimate::{Estimate, Interval, LEAST_DF};
use crate::paired::difference_mean_and_variance;

/// The posterior of the mean difference a - b.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    estimate: Estimate,
}

/// Posterior probabilities of the three verdicts; they sum to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regions {
    /// P(difference < -rope): b is better by more than the region.
    pub left: f64,
    /// P(-rope <= difference <= rope): practically equivalent.
    pub rope: f64,
    /// P(difference > rope): a is better by more than the region.
    pub right: f64,
}

impl Posterior {
    /// Of `a - b`, scores of two models on the same (repeat, fold) pairs of a `folds`-fold cross-validation.
    ///
    /// # Errors
    /// With fewer than two folds or pairs, unlike lengths, or values that are not finite.
    pub fn of(a: &[f64], b: &[f64], folds: usize) -> Result<Self> {
        check_count("folds", folds, 2)?;
        let (value, variance) = difference_mean_and_variance(a, b)?;
        let count = a.len() as f64;
        let rho = 1.0 / folds as f64;
        let variance = variance * (1.0 / count + rho / (1.0 - rho));
        Ok(Posterior { estimate: Estimate { value, variance, df: count - 1.0 } })
    }

    /// Of any mean difference with a variance and degrees of freedom, under a prior without preference: Student's t
    /// around the estimate. Degrees of freedom below [`LEAST_DF`] count as that.
    pub fn of_estimate(estimate: Estimate) -> Self {
        Posterior { estimate: Estimate { df: estimate.df.max(LEAST_DF), ..estimate } }
    }

    /// Its mean, the observed mean difference.
    pub fn mean(&self) -> f64 {
        self.estimate.value
    }

    /// Its scale: the corrected standard error.
    pub fn scale(&self) -> f64 {
        self.estimate.standard_error()
    }

    /// Its degrees of freedom, J - 1.
    pub fn df(&self) -> f64 {
        self.estimate.df
    }

    /// The probabilities left of, inside and right of ±`rope` (>= 0). `None` where no variation was observed, which
    /// is no ground for certainty.
    ///
    /// # Errors
    /// If `rope` is negative or not finite.
    pub fn regions(&self, rope: f64) -> Result<Option<Regions>> {
        if !(rope >= 0.0 && rope.is_finite()) {
            return Err(Error::OutOfRange {
                what: "the region of practical equivalence",
                range: "0 or more",
                found: rope,
            });
        }
        let df = self.estimate.df;
        Ok(self.estimate.t(-rope).zip(self.estimate.t(rope)).map(|(to_lower, to_upper)| {
            // With D = mean + scale·T: P(D < -rope) = P(T > (mean + rope)/scale), and the mirror image.
            let left = dist::t_sf(to_lower, df);
            let right = dist::t_cdf(to_upper, df);
            Regions { left, rope: (1.0 - left - right).max(0.0), right }
        }))
    }

    /// The highest-density interval of posterior probability `level`: symmetric, as the posterior is.
    ///
    /// # Errors
    /// If `level` is not in (0, 1).
    pub fn highest_density(&self, level: f64) -> Result<Interval> {
        check_level(level)?;
        self.estimate.interval(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_variation_is_no_certainty() {
        let p = Posterior::of(&[0.75; 10], &[0.5; 10], 5).expect("valid");
        assert_eq!(p.regions(0.01), Ok(None));
    }

    #[test]
    fn an_estimate_is_read_as_its_student_t() {
        let scores = [0.1, -0.1, 0.3, -0.2];
        let p = Posterior::of(&scores, &[0.0; 4], 2).expect("valid");
        let estimate = Estimate { value: p.mean(), variance: p.scale().powi(2), df: p.df() };
        let same = Posterior::of_estimate(estimate).regions(0.05).expect("valid").expect("varies");
        let r = p.regions(0.05).expect("valid").expect("varies");
        assert!((r.left - same.left).abs() < 1e-12 && (r.right - same.right).abs() < 1e-12);
    }

    #[test]
    fn a_symmetric_case_splits_evenly() {
        let p = Posterior::of(&[0.1, -0.1, 0.2, -0.2], &[0.0; 4], 2).expect("valid");
        let r = p.regions(0.0).expect("valid").expect("variation");
        assert!((r.left - 0.5).abs() < 1e-12 && (r.right - 0.5).abs() < 1e-12 && r.rope < 1e-12);
    }
}
