//! Several models over several data sets: Friedman's test and the comparisons after it.
//!
//! As laid out by Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006. N data sets
//! (blocks) must be independent of one another; sizes n of one learning curve are not.

use std::f64::consts::SQRT_2;

use crate::dist::{chi2_sf, f_sf, t_two_sided};
use crate::error::{Error, Result, check_count, check_finite, check_lengths};
use crate::rank::{midranks, tie_term};
use crate::studentized_range;

/// Ranks of k models on N data sets and Friedman's test of "all models equal".
#[derive(Debug, Clone, PartialEq)]
pub struct Friedman {
    /// N, the number of data sets.
    pub blocks: usize,
    /// Mean rank of each model; 1 is best.
    pub average_ranks: Vec<f64>,
    /// 12N/(k(k+1)) (Σ R̄² - k(k+1)²/4), without regard to ties (Demšar 2006, §3.2.2).
    pub chi2_uncorrected: f64,
    /// The same divided by 1 - Σ(t³-t)/(Nk(k²-1)), in [0, N(k-1)]; k - 1 degrees of freedom.
    pub chi2: f64,
    /// Its p-value.
    pub p: f64,
    /// Σ of squared ranks, which Conover's test needs.
    sum_of_squares: f64,
}

/// Iman & Davenport's F.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImanDavenport {
    /// (N-1) χ² / (N(k-1) - χ²).
    pub f: f64,
    /// k-1 and (k-1)(N-1).
    pub df: (f64, f64),
    /// Its p-value.
    pub p: f64,
}

impl Friedman {
    /// Ranks `scores[data set][model]`, the best of each row first, ties sharing mid-ranks.
    ///
    /// # Errors
    /// With fewer than two data sets or models, rows of unlike length, values that are not finite, or all models tied
    /// on every data set (there is then no rank to test).
    pub fn of<Row: AsRef<[f64]>>(scores: &[Row], higher_is_better: bool) -> Result<Self> {
        check_count("data sets", scores.len(), 2)?;
        let (blocks, k) = (scores.len(), scores[0].as_ref().len());
        check_count("models", k, 2)?;
        let (mut sums, mut ties, mut sum_of_squares) = (vec![0.0; k], 0.0, 0.0);
        for row in scores.iter().map(AsRef::as_ref) {
            check_lengths("models of a data set", k, row.len())?;
            check_finite("a data set's scores", row)?;
            let sign = if higher_is_better { -1.0 } else { 1.0 };
            let row: Vec<f64> = row.iter().map(|s| sign * s).collect();
            ties += tie_term(&row);
            for (sum, rank) in sums.iter_mut().zip(midranks(&row)) {
                *sum += rank;
                sum_of_squares += rank * rank;
            }
        }
        let (n, k) = (blocks as f64, k as f64);
        let untied = 1.0 - ties / (n * k * (k * k - 1.0));
        if untied <= 0.0 {
            return Err(Error::Invalid("all models tie on every data set".to_owned()));
        }
        let average_ranks: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
        let middle = (k + 1.0) / 2.0;
        let spread: f64 = average_ranks.iter().map(|r| (r - middle) * (r - middle)).sum();
        let chi2_uncorrected = 12.0 * n / (k * (k + 1.0)) * spread;
        let chi2 = chi2_uncorrected / untied;
        let p = chi2_sf(chi2, k - 1.0);
        Ok(Friedman { blocks, average_ranks, chi2_uncorrected, chi2, p, sum_of_squares })
    }

    /// Iman & Davenport's less conservative version (Communications in Statistics A9, 1980), from the tie-corrected
    /// χ². `None` where all data sets rank the models alike: F is then unbounded.
    pub fn iman_davenport(&self) -> Option<ImanDavenport> {
        let (n, k) = (self.blocks as f64, self.average_ranks.len() as f64);
        let left = n * (k - 1.0) - self.chi2;
        if left <= 1e-9 * n * (k - 1.0) {
            return None;
        }
        let f = (n - 1.0) * self.chi2 / left;
        let df = (k - 1.0, (k - 1.0) * (n - 1.0));
        Some(ImanDavenport { f, df, p: f_sf(f, df.0, df.1) })
    }

    /// Nemenyi's critical difference of average ranks at level `alpha`: q_α √(k(k+1)/(6N)) (Demšar 2006, §3.2.2).
    ///
    /// # Errors
    /// If `alpha` is not in (0, 1).
    pub fn critical_difference(&self, alpha: f64) -> Result<f64> {
        Ok(nemenyi_q(self.average_ranks.len(), alpha)? * self.rank_error())
    }

    /// Nemenyi's p-value of every pair of models, k × k with 1 on the diagonal.
    ///
    /// # Errors
    /// None for a test that exists; the type is that of the distribution it calls.
    pub fn nemenyi_p(&self) -> Result<Vec<Vec<f64>>> {
        let k = self.average_ranks.len();
        self.pairwise(|gap| {
            studentized_range::sf(gap / self.rank_error() * SQRT_2, k, f64::INFINITY)
        })
    }

    /// Conover's p-value of every pair (*Practical Nonparametric Statistics*, 3rd ed. 1999, §5.8):
    /// t = |R_i - R_j| / √(2(NA - ΣR²)/((N-1)(k-1))) on rank sums R and A = Σ of squared ranks, (N-1)(k-1) degrees of
    /// freedom. `None` where all data sets rank the models alike: nothing is left to judge the gaps by.
    ///
    /// # Errors
    /// None for a test that exists; the type is that of the other tests.
    pub fn conover_p(&self) -> Result<Option<Vec<Vec<f64>>>> {
        let (n, k) = (self.blocks as f64, self.average_ranks.len() as f64);
        let sums: f64 = self.average_ranks.iter().map(|r| (n * r) * (n * r)).sum();
        let df = (n - 1.0) * (k - 1.0);
        let left = n * self.sum_of_squares - sums;
        if left <= 1e-9 * sums {
            return Ok(None);
        }
        let error = (2.0 * left / df).sqrt();
        self.pairwise(|gap| Ok(t_two_sided(n * gap / error, df))).map(Some)
    }

    fn rank_error(&self) -> f64 {
        let k = self.average_ranks.len() as f64;
        (k * (k + 1.0) / (6.0 * self.blocks as f64)).sqrt()
    }

    /// A symmetric matrix of p-values from the gaps of average ranks.
    fn pairwise(&self, p: impl Fn(f64) -> Result<f64>) -> Result<Vec<Vec<f64>>> {
        let ranks = &self.average_ranks;
        let entry = |(i, j): (usize, usize)| {
            if i == j { Ok(1.0) } else { p((ranks[i] - ranks[j]).abs()) }
        };
        (0..ranks.len()).map(|i| (0..ranks.len()).map(|j| entry((i, j))).collect()).collect()
    }
}

/// Nemenyi's q_α for `k` models: the studentized range's upper `alpha` quantile with infinite degrees of freedom,
/// over √2 (Demšar 2006, Table 5).
///
/// # Errors
/// If `k` is below 2 or `alpha` not in (0, 1).
pub fn nemenyi_q(k: usize, alpha: f64) -> Result<f64> {
    Ok(studentized_range::quantile(1.0 - alpha, k, f64::INFINITY)? / SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfect_agreement_has_no_error_to_judge_by() {
        let f = Friedman::of(&[[0.9, 0.8, 0.7]; 6], true).expect("valid");
        assert_eq!(f.average_ranks, [1.0, 2.0, 3.0]);
        assert_eq!((f.chi2, f.iman_davenport(), f.conover_p()), (12.0, None, Ok(None)));
    }

    #[test]
    fn ties_everywhere_and_ragged_rows_are_refused() {
        assert!(Friedman::of(&[[0.5, 0.5]; 4], true).is_err());
        assert!(Friedman::of(&[vec![0.1, 0.2], vec![0.1]], true).is_err());
        assert!(Friedman::of(&[[0.1, 0.2]], true).is_err());
    }
}
