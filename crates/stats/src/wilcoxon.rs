//! Wilcoxon's signed-rank test of paired differences (Biometrics Bulletin 1, 1945).
//!
//! For two models over several data sets (Demšar, JMLR 7, 2006). Folds of one cross-validation are not independent
//! pairs: see [`crate::paired`].

use crate::dist::normal_sf;
use crate::error::{Result, check_count, check_finite};
use crate::rank::{midranks, tie_term};

/// Rank sums of the differences, zeros left out, and what the tests need of them.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedRank {
    /// Sum of the mid-ranks of positive differences.
    pub w_plus: f64,
    /// Sum of the mid-ranks of negative differences.
    pub w_minus: f64,
    /// Differences that are not 0.
    pub nonzero: usize,
    /// All differences.
    pub count: usize,
    /// Absolute differences without the zeros, and their signs.
    magnitudes: Vec<f64>,
    signs: Vec<f64>,
}

impl SignedRank {
    /// Ranks the differences by size. Scores such as .95 - .90 carry rounding errors that break ties: round the
    /// differences first to the digits they have.
    ///
    /// # Errors
    /// If there are no differences or one is not finite.
    pub fn of(differences: &[f64]) -> Result<Self> {
        check_count("differences", differences.len(), 1)?;
        check_finite("the differences", differences)?;
        let left: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
        let magnitudes: Vec<f64> = left.iter().map(|d| d.abs()).collect();
        let signs: Vec<f64> = left.iter().map(|d| d.signum()).collect();
        let (w_plus, w_minus) = rank_sums(&midranks(&magnitudes), &signs);
        let (nonzero, count) = (left.len(), differences.len());
        Ok(SignedRank { w_plus, w_minus, nonzero, count, magnitudes, signs })
    }

    /// The two-sided p-value by the normal approximation with the tie correction; 1 if all differences are 0.
    pub fn p_normal(&self) -> f64 {
        self.normal(0.0, 0.0)
    }

    /// The same with a continuity correction of 1/2 towards the mean.
    pub fn p_normal_corrected(&self) -> f64 {
        self.normal(0.5, 0.0)
    }

    /// The same with zeros ranked and then left out (Pratt, JASA 54, 1959), without continuity correction.
    pub fn p_normal_pratt(&self) -> f64 {
        self.normal(0.0, (self.count - self.nonzero) as f64)
    }

    /// The exact two-sided p-value: over all 2^n signs of the ranks at hand, ties included, the share whose rank sum
    /// is at least as far from its mean. By convolution, in O(n · sum of ranks); 1 if all differences are 0.
    pub fn p_exact(&self) -> f64 {
        // Twice the mid-ranks are whole numbers.
        let twice: Vec<usize> =
            midranks(&self.magnitudes).iter().map(|r| (2.0 * r).round() as usize).collect();
        let total: usize = twice.iter().sum();
        let mut shares = vec![0.0; total + 1];
        shares[0] = 1.0;
        for rank in twice {
            for at in (0..=total).rev() {
                let from = if at >= rank { shares[at - rank] } else { 0.0 };
                shares[at] = 0.5 * (shares[at] + from);
            }
        }
        let most = (2.0 * self.w_plus.max(self.w_minus)).round() as usize;
        (2.0 * shares[most..].iter().sum::<f64>()).min(1.0)
    }

    /// z = (W⁺ - μ)/σ with n(n+1)/4 and √((n(n+1)(2n+1) - Σ(t³-t)/2)/24), both less the share of `zeros` that were
    /// ranked, and |W⁺ - μ| less `correction`.
    fn normal(&self, correction: f64, zeros: f64) -> f64 {
        if self.nonzero == 0 {
            return 1.0;
        }
        // Ranked zeros take the lowest ranks and lift all others.
        let w_plus = self.w_plus + zeros * self.signs.iter().filter(|&&s| s > 0.0).count() as f64;
        let n = self.nonzero as f64 + zeros;
        let mean = (n * (n + 1.0) - zeros * (zeros + 1.0)) / 4.0;
        let squares = n * (n + 1.0) * (2.0 * n + 1.0) - zeros * (zeros + 1.0) * (2.0 * zeros + 1.0);
        let sd = ((squares - tie_term(&self.magnitudes) / 2.0) / 24.0).sqrt();
        let gap = ((w_plus - mean).abs() - correction).max(0.0);
        (2.0 * normal_sf(gap / sd)).min(1.0)
    }
}

fn rank_sums(ranks: &[f64], signs: &[f64]) -> (f64, f64) {
    ranks.iter().zip(signs).fold((0.0, 0.0), |(plus, minus), (rank, &sign)| {
        if sign > 0.0 { (plus + rank, minus) } else { (plus, minus + rank) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_zero_is_no_evidence() {
        let w = SignedRank::of(&[0.0; 4]).expect("valid");
        assert_eq!((w.p_normal(), w.p_exact(), w.p_normal_pratt()), (1.0, 1.0, 1.0));
        assert!(SignedRank::of(&[]).is_err() && SignedRank::of(&[f64::NAN]).is_err());
    }

    #[test]
    fn six_of_six_is_the_least_the_exact_test_can_say() {
        let w = SignedRank::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("valid");
        assert_eq!(w.p_exact(), 2.0 / 64.0);
    }
}
