//! An estimate with a standard error and degrees of freedom, and what follows from it: intervals and t tests.

use crate::dist;
use crate::error::{Result, check_level};

/// A two-sided interval with `lo <= hi`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower limit.
    pub lo: f64,
    /// Upper limit.
    pub hi: f64,
}

impl Interval {
    /// `centre ± half_width`.
    pub fn around(centre: f64, half_width: f64) -> Self {
        Interval { lo: centre - half_width, hi: centre + half_width }
    }

    /// True if `value` lies inside, limits included.
    pub fn contains(&self, value: f64) -> bool {
        self.lo <= value && value <= self.hi
    }

    /// `hi - lo`.
    pub fn width(&self) -> f64 {
        self.hi - self.lo
    }

    /// The part inside [0, 1], for intervals of a proportion.
    pub fn clamped_to_unit(self) -> Self {
        Interval { lo: self.lo.clamp(0.0, 1.0), hi: self.hi.clamp(0.0, 1.0) }
    }
}

/// Degrees of freedom below this count as this, here and wherever Student's t is read for an estimate: Satterthwaite's
/// formula has no lower bound, and at 1/2 a 95 % interval reaches 165 standard errors to either side already.
pub const LEAST_DF: f64 = 0.5;

/// A value with its variance and the degrees of freedom of that variance.
///
/// With no variation (`variance` 0) there is nothing to test with: [`Estimate::t`] is `None`, the interval is the
/// point itself, and no p-value of 0 is ever made up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimate itself.
    pub value: f64,
    /// Its sampling variance, >= 0.
    pub variance: f64,
    /// Degrees of freedom of `variance`, > 0; infinite means the normal distribution.
    pub df: f64,
}

impl Estimate {
    /// The square root of the variance.
    pub fn standard_error(&self) -> f64 {
        self.variance.sqrt()
    }

    /// t = (value - null) / standard error; `None` where no variation was observed.
    pub fn t(&self, null: f64) -> Option<f64> {
        (self.variance > 0.0).then(|| (self.value - null) / self.standard_error())
    }

    /// Two-sided p-value of value = null, from Student's t.
    ///
    /// Where no variation was observed it is 1 if the value equals the null, else `None` (not 0).
    pub fn p_two_sided(&self, null: f64) -> Option<f64> {
        match self.t(null) {
            Some(t) => Some(dist::t_two_sided(t, self.df.max(LEAST_DF))),
            None => (self.value == null).then_some(1.0),
        }
    }

    /// value ± t_{(1+level)/2, df} · standard error.
    ///
    /// # Errors
    /// If `level` is not in (0, 1).
    pub fn interval(&self, level: f64) -> Result<Interval> {
        check_level(level)?;
        if self.variance == 0.0 {
            return Ok(Interval { lo: self.value, hi: self.value });
        }
        let t = dist::t_quantile(0.5 + level / 2.0, self.df.max(LEAST_DF));
        Ok(Interval::around(self.value, t * self.standard_error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_variation_is_never_significant() {
        let same = Estimate { value: 0.02, variance: 0.0, df: 9.0 };
        assert_eq!(same.t(0.0), None);
        assert_eq!(same.p_two_sided(0.0), None);
        assert_eq!(same.p_two_sided(0.02), Some(1.0));
        assert_eq!(same.interval(0.95), Ok(Interval { lo: 0.02, hi: 0.02 }));
    }

    #[test]
    fn degrees_of_freedom_have_one_floor() {
        let at = |df| Estimate { value: 3.0, variance: 1.0, df };
        assert_eq!(at(0.3).p_two_sided(0.0), at(0.5).p_two_sided(0.0));
        assert_eq!(at(0.3).interval(0.95), at(0.5).interval(0.95));
        assert_ne!(at(0.6).p_two_sided(0.0), at(0.5).p_two_sided(0.0));
        let regions = |df| crate::bayes::Posterior::of_estimate(at(df)).regions(0.1);
        assert_eq!(regions(0.3), regions(0.5));
        let interval = at(0.3).interval(0.95).expect("a level");
        let single = crate::band::MaxT::of(&[0.0], &[[0.0]; 40]).expect("valid");
        let band = single.band_of(&[at(0.3)], 0.95).expect("enough")[0];
        assert!((band.lo / interval.lo - 1.0).abs() < 1e-6, "{band:?} {interval:?}");
    }

    #[test]
    fn infinite_degrees_of_freedom_are_the_normal_distribution() {
        let e = Estimate { value: 0.0, variance: 1.0, df: f64::INFINITY };
        let hi = e.interval(0.95).expect("a level").hi;
        assert!((hi - 1.959_963_984_540_054).abs() < 1e-12, "{hi}"); // Phi^-1(.975), scipy norm.ppf
        assert!(e.interval(1.0).is_err() && e.interval(f64::NAN).is_err());
    }
}
