//! Intervals for a proportion: k successes among n independent items.
//!
//! Wilson's is the one the harness reports; the others are here to compare with. Brown, Cai & DasGupta,
//! "Interval Estimation for a Binomial Proportion", Statistical Science 16(2), 2001, recommend Wilson for small n
//! and show how far [`wald`] falls short: at 100 % it is the single point 1.
//!
//! All take `k` successes among `n` > 0 items and a confidence `level` in (0, 1), and lie inside [0, 1].

use crate::dist::{beta_quantile, normal_quantile};
use crate::error::{Error, Result, check_count, check_level};
use crate::estimate::Interval;

/// Wilson's score interval (Wilson 1927; Brown, Cai & DasGupta 2001, eq. 4). It never degenerates: at k = n its
/// lower limit is n / (n + z²).
///
/// # Errors
/// If n = 0, k > n or the level is not in (0, 1).
pub fn wilson(k: u64, n: u64, level: f64) -> Result<Interval> {
    let (p, z) = checked(k, n, level)?;
    Ok(wilson_from(p, n as f64, z))
}

/// Wilson's interval for a proportion `p` in [0, 1] seen in a sample of (effective) size `n` > 0, with the quantile
/// `z` > 0 of whichever distribution applies:
/// (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n).
pub fn wilson_from(p: f64, n: f64, z: f64) -> Interval {
    let z2n = z * z / n;
    let centre = (p + z2n / 2.0) / (1.0 + z2n);
    let half = z * (p * (1.0 - p) / n + z2n / (4.0 * n)).sqrt() / (1.0 + z2n);
    // Exact at the ends, where subtraction would leave a rounding error.
    let lo = if p <= 0.0 { 0.0 } else { centre - half };
    let hi = if p >= 1.0 { 1.0 } else { centre + half };
    Interval { lo, hi }.clamped_to_unit()
}

/// Wilson's interval with continuity correction (Newcombe, Statistics in Medicine 17, 1998, method 4).
///
/// # Errors
/// If n = 0, k > n or the level is not in (0, 1).
pub fn wilson_continuity(k: u64, n: u64, level: f64) -> Result<Interval> {
    let (p, z) = checked(k, n, level)?;
    let n = n as f64;
    let (q, z2) = (1.0 - p, z * z);
    let limit = |sign: f64| {
        let inside = z2 - sign * 2.0 - 1.0 / n + 4.0 * p * (n * q + sign);
        (2.0 * n * p + z2 - sign * (1.0 + z * inside.max(0.0).sqrt())) / (2.0 * (n + z2))
    };
    let lo = if p == 0.0 { 0.0 } else { limit(1.0) };
    let hi = if p == 1.0 { 1.0 } else { limit(-1.0) };
    Ok(Interval { lo, hi }.clamped_to_unit())
}

/// The Clopper–Pearson interval (Biometrika 26, 1934): exact coverage at least `level`, at the price of width.
/// Limits are the quantiles α/2 of Beta(k, n-k+1) and 1-α/2 of Beta(k+1, n-k).
///
/// # Errors
/// If n = 0, k > n or the level is not in (0, 1).
pub fn clopper_pearson(k: u64, n: u64, level: f64) -> Result<Interval> {
    checked(k, n, level)?;
    let tail = (1.0 - level) / 2.0;
    let (right, wrong) = (k as f64, (n - k) as f64);
    let lo = if k == 0 { 0.0 } else { beta_quantile(tail, right, wrong + 1.0) };
    let hi = if k == n { 1.0 } else { beta_quantile(1.0 - tail, right + 1.0, wrong) };
    Ok(Interval { lo, hi })
}

/// The equal-tailed credible interval under Jeffreys' prior: quantiles of Beta(k + ½, n - k + ½)
/// (Brown, Cai & DasGupta 2001, §4.3, without the modification at k = 0 and n, as in statsmodels).
///
/// # Errors
/// If n = 0, k > n or the level is not in (0, 1).
pub fn jeffreys(k: u64, n: u64, level: f64) -> Result<Interval> {
    checked(k, n, level)?;
    let tail = (1.0 - level) / 2.0;
    let (a, b) = (k as f64 + 0.5, (n - k) as f64 + 0.5);
    Ok(Interval { lo: beta_quantile(tail, a, b), hi: beta_quantile(1.0 - tail, a, b) })
}

/// The Agresti–Coull interval (The American Statistician 52, 1998): Wald's formula at p̃ = (k + z²/2)/(n + z²) and
/// ñ = n + z², cut to [0, 1].
///
/// # Errors
/// If n = 0, k > n or the level is not in (0, 1).
pub fn agresti_coull(k: u64, n: u64, level: f64) -> Result<Interval> {
    let (_, z) = checked(k, n, level)?;
    let n = n as f64 + z * z;
    let p = (k as f64 + z * z / 2.0) / n;
    Ok(Interval::around(p, z * (p * (1.0 - p) / n).sqrt()).clamped_to_unit())
}

/// Wald's interval p ± z √(p(1-p)/n), cut to [0, 1]. **Not for reporting**: at 0 and 100 % it has no width at all,
/// and near them it covers far less than it says. It is here so that the tests can show that.
///
/// # Errors
/// If n = 0, k > n or the level is not in (0, 1).
pub fn wald(k: u64, n: u64, level: f64) -> Result<Interval> {
    let (p, z) = checked(k, n, level)?;
    Ok(Interval::around(p, z * (p * (1.0 - p) / n as f64).sqrt()).clamped_to_unit())
}

/// The proportion and the two-sided normal quantile, once the input makes sense.
fn checked(k: u64, n: u64, level: f64) -> Result<(f64, f64)> {
    check_level(level)?;
    check_count("scored items", usize::try_from(n).unwrap_or(usize::MAX), 1)?;
    if k > n {
        return Err(Error::Invalid(format!("{k} successes among {n} items")));
    }
    Ok((k as f64 / n as f64, normal_quantile(0.5 + level / 2.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exact coverage of a nominal 95 % interval: the sum of binomial probabilities of the k whose interval covers p.
    fn coverage(interval: fn(u64, u64, f64) -> Result<Interval>, n: u64, p: f64) -> f64 {
        (0..=n)
            .filter(|&k| interval(k, n, 0.95).expect("valid").contains(p))
            .map(|k| crate::dist::binomial_pmf(k, n, p))
            .sum()
    }

    #[test]
    fn wald_is_banned_because_it_does_not_cover() {
        // An accuracy of .99 on 100 items, where small-sample studies live.
        assert!(coverage(wald, 100, 0.99) < 0.65);
        assert!(coverage(wilson, 100, 0.99) > 0.91);
        assert!(coverage(clopper_pearson, 100, 0.99) >= 0.95);
        let all_right = wald(100, 100, 0.95).expect("valid");
        assert_eq!(all_right, Interval { lo: 1.0, hi: 1.0 });
    }

    #[test]
    fn impossible_counts_are_refused() {
        assert!(wilson(0, 0, 0.95).is_err());
        assert!(wilson(3, 2, 0.95).is_err());
        assert!(wilson(1, 2, 95.0).is_err());
    }
}
