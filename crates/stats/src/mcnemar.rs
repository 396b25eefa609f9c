//! McNemar's test: two classifiers, one training draw each, the same test items.
//!
//! Only the items on which they disagree tell anything. Over several training draws this is the wrong test (see
//! [`crate::crossed`]). Sources: McNemar, Psychometrika 12, 1947; the variants as in Fagerland, Lydersen & Laake, BMC
//! Medical Research Methodology 13:91, 2013, who recommend the mid-p version.

use crate::dist;
use crate::error::{Result, check_count, check_lengths, check_level};
use crate::estimate::Interval;

/// How often each of two classifiers was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// Items that both got right.
    pub both_right: u64,
    /// Items that only a got right.
    pub a_only: u64,
    /// Items that only b got right.
    pub b_only: u64,
    /// Items that neither got right.
    pub both_wrong: u64,
}

/// A chi-squared statistic with one degree of freedom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquared {
    /// The statistic, >= 0.
    pub statistic: f64,
    /// Its p-value.
    pub p: f64,
}

impl Agreement {
    /// Counts from the correctness of both on the same items.
    ///
    /// # Errors
    /// If the lengths differ or there are no items.
    pub fn count(a: &[bool], b: &[bool]) -> Result<Self> {
        check_count("scored items", a.len(), 1)?;
        check_lengths("items scored by both", a.len(), b.len())?;
        let mut counts = [0; 4];
        for (&a, &b) in a.iter().zip(b) {
            counts[2 * usize::from(a) + usize::from(b)] += 1;
        }
        let [both_wrong, b_only, a_only, both_right] = counts;
        Ok(Agreement { both_right, a_only, b_only, both_wrong })
    }

    /// All items.
    pub fn items(&self) -> u64 {
        self.both_right + self.a_only + self.b_only + self.both_wrong
    }

    /// The exact conditional p-value: 2 P(K <= min(b, c)), K binomial(b + c, 1/2), at most 1; 1 without disagreement.
    pub fn exact_p(&self) -> f64 {
        let (few, all) = self.discordant();
        (2.0 * dist::binomial_cdf(few, all, 0.5)).min(1.0)
    }

    /// The mid-p value: the exact one less P(K = min(b, c)), or less half of that where b = c. 1 without disagreement.
    pub fn mid_p(&self) -> f64 {
        let (few, all) = self.discordant();
        if all == 0 {
            return 1.0;
        }
        let at = dist::binomial_pmf(few, all, 0.5);
        if self.a_only == self.b_only { 1.0 - 0.5 * at } else { self.exact_p() - at }
    }

    /// (b - c)² / (b + c); `None` without disagreement.
    pub fn chi_squared(&self) -> Option<ChiSquared> {
        self.chi_squared_less(0.0)
    }

    /// Edwards' continuity correction, (max(|b - c| - 1, 0))² / (b + c); `None` without disagreement.
    pub fn chi_squared_corrected(&self) -> Option<ChiSquared> {
        self.chi_squared_less(1.0)
    }

    /// Accuracy of a less that of b, (b - c)/n, in [-1, 1]; `None` without items.
    pub fn difference(&self) -> Option<f64> {
        let n = self.items() as f64;
        (n > 0.0).then(|| (self.a_only as f64 - self.b_only as f64) / n)
    }

    /// Wald's standard error of the difference, √(b + c - (b - c)²/n) / n; `None` without items. 0 without
    /// disagreement, which is why the interval below is another one.
    pub fn wald_standard_error(&self) -> Option<f64> {
        let (n, b, c) = (self.items() as f64, self.a_only as f64, self.b_only as f64);
        (n > 0.0).then(|| (b + c - (b - c) * (b - c) / n).max(0.0).sqrt() / n)
    }

    /// Bonett & Price's adjusted Wald interval of the difference (Journal of Educational and Behavioral Statistics
    /// 37, 2012): p̃₁ = (b + 1)/(n + 2), p̃₂ = (c + 1)/(n + 2), p̃₁ - p̃₂ ± z √((p̃₁ + p̃₂ - (p̃₁ - p̃₂)²)/(n + 2)),
    /// cut to [-1, 1]. It has width without any disagreement, too.
    ///
    /// # Errors
    /// If there are no items or `level` is not in (0, 1).
    pub fn difference_interval(&self, level: f64) -> Result<Interval> {
        check_level(level)?;
        check_count("scored items", self.items() as usize, 1)?;
        let n = self.items() as f64 + 2.0;
        let (p, q) = ((self.a_only as f64 + 1.0) / n, (self.b_only as f64 + 1.0) / n);
        let z = dist::normal_quantile(0.5 + level / 2.0);
        let half = z * ((p + q - (p - q) * (p - q)) / n).sqrt();
        let Interval { lo, hi } = Interval::around(p - q, half);
        Ok(Interval { lo: lo.max(-1.0), hi: hi.min(1.0) })
    }

    fn discordant(&self) -> (u64, u64) {
        (self.a_only.min(self.b_only), self.a_only + self.b_only)
    }

    fn chi_squared_less(&self, correction: f64) -> Option<ChiSquared> {
        let (_, all) = self.discordant();
        (all > 0).then(|| {
            let gap = (self.a_only.abs_diff(self.b_only) as f64 - correction).max(0.0);
            let statistic = gap * gap / all as f64;
            ChiSquared { statistic, p: dist::chi2_sf(statistic, 1.0) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_agreement_is_no_evidence_and_still_has_an_interval() {
        let a = Agreement::count(&[true; 50], &[true; 50]).expect("valid");
        assert_eq!((a.exact_p(), a.mid_p(), a.chi_squared()), (1.0, 1.0, None));
        let interval = a.difference_interval(0.95).expect("valid");
        assert!(interval.lo < -0.03 && interval.hi > 0.03, "{interval:?}");
    }

    #[test]
    fn counts_by_hand() {
        let a = Agreement::count(&[true, true, false, false], &[true, false, true, false]);
        let one = Agreement { both_right: 1, a_only: 1, b_only: 1, both_wrong: 1 };
        assert_eq!(a, Ok(one));
        assert!(Agreement::count(&[true], &[]).is_err() && Agreement::count(&[], &[]).is_err());
    }
}
