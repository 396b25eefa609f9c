//! Adjusted p-values for several tests at once.
//!
//! All functions take m raw p-values in any order and return the adjusted ones in that order, in [0, 1]; an adjusted
//! value <= α rejects at level α over the whole family. Holm is the harness's default.

use crate::error::{Error, Result};

/// Bonferroni: m p.
///
/// # Errors
/// If a p-value is not in [0, 1].
pub fn bonferroni(p: &[f64]) -> Result<Vec<f64>> {
    let m = p.len() as f64;
    check(p)?;
    Ok(p.iter().map(|p| (m * p).min(1.0)).collect())
}

/// Holm's step-down (Scandinavian Journal of Statistics 6, 1979): the running maximum of (m - i + 1) p₍ᵢ₎.
/// Controls the family-wise error under any dependence.
///
/// # Errors
/// If a p-value is not in [0, 1].
pub fn holm(p: &[f64]) -> Result<Vec<f64>> {
    step_down(p, |p, left| left * p)
}

/// Holm's step-down with Šidák's bound: the running maximum of 1 - (1 - p₍ᵢ₎)^(m - i + 1). For independent tests.
///
/// # Errors
/// If a p-value is not in [0, 1].
pub fn holm_sidak(p: &[f64]) -> Result<Vec<f64>> {
    step_down(p, |p, left| -libm::expm1(left * libm::log1p(-p)))
}

/// Hochberg's step-up (Biometrika 75, 1988): the running minimum, from the largest, of (m - i + 1) p₍ᵢ₎.
/// For independent or positively dependent tests.
///
/// # Errors
/// If a p-value is not in [0, 1].
pub fn hochberg(p: &[f64]) -> Result<Vec<f64>> {
    let m = p.len();
    step_up(p, |rank| (m - rank + 1) as f64)
}

/// Benjamini & Hochberg (JRSS B 57, 1995): the running minimum of m p₍ᵢ₎ / i. Controls the false discovery rate for
/// independent or positively dependent tests.
///
/// # Errors
/// If a p-value is not in [0, 1].
pub fn benjamini_hochberg(p: &[f64]) -> Result<Vec<f64>> {
    let m = p.len() as f64;
    step_up(p, |rank| m / rank as f64)
}

/// Benjamini & Yekutieli (Annals of Statistics 29, 2001): as Benjamini & Hochberg times Σ 1/j. Under any dependence.
///
/// # Errors
/// If a p-value is not in [0, 1].
pub fn benjamini_yekutieli(p: &[f64]) -> Result<Vec<f64>> {
    let m = p.len() as f64;
    let harmonic: f64 = (1..=p.len()).map(|j| 1.0 / j as f64).sum();
    step_up(p, |rank| m * harmonic / rank as f64)
}

/// The running maximum from the smallest p on; `raise(p, left)` adjusts with `left` hypotheses left.
fn step_down(p: &[f64], raise: impl Fn(f64, f64) -> f64) -> Result<Vec<f64>> {
    let order = ascending(p)?;
    let mut adjusted = vec![0.0; p.len()];
    let mut highest: f64 = 0.0;
    for (done, &at) in order.iter().enumerate() {
        highest = highest.max(raise(p[at], (p.len() - done) as f64)).min(1.0);
        adjusted[at] = highest;
    }
    Ok(adjusted)
}

/// The running minimum from the largest p on; `factor(rank)` with rank 1 for the smallest.
fn step_up(p: &[f64], factor: impl Fn(usize) -> f64) -> Result<Vec<f64>> {
    let order = ascending(p)?;
    let mut adjusted = vec![0.0; p.len()];
    let mut lowest: f64 = 1.0;
    for (before, &at) in order.iter().enumerate().rev() {
        lowest = lowest.min(factor(before + 1) * p[at]);
        adjusted[at] = lowest;
    }
    Ok(adjusted)
}

fn ascending(p: &[f64]) -> Result<Vec<usize>> {
    check(p)?;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    Ok(order)
}

fn check(p: &[f64]) -> Result<()> {
    match p.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        Some(&found) => Err(Error::OutOfRange { what: "a p-value", range: "in [0, 1]", found }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_keeps_its_running_maximum() {
        // Without it the third would come out at .03, below the second.
        let adjusted = holm(&[0.01, 0.02, 0.03]).expect("valid");
        assert_eq!(adjusted, [0.03, 0.04, 0.04]);
    }

    #[test]
    fn none_and_nonsense() {
        assert_eq!(holm(&[]), Ok(vec![]));
        assert!(benjamini_hochberg(&[0.5, f64::NAN]).is_err());
    }
}
