//! Sign-flip permutation test of paired differences (Fisher, *The Design of Experiments*, 1935, §21).
//!
//! Under the null that a pair's two scores could have been swapped, every pattern of signs is as likely as the one
//! seen. The pairs must be independent: folds of one cross-validation are not.

use rand::Rng;

use crate::error::{Error, Result, check_count, check_finite};

/// Sums within this of the observed one count as equal to it: scores are decimal fractions with rounding errors.
const TIE: f64 = 1e-12;

/// The largest number of pairs for all 2^n sign patterns: about a million.
pub const MOST_EXACT: usize = 20;

/// A permutation test of the mean difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignFlip {
    /// The observed mean difference.
    pub mean: f64,
    /// Two-sided p-value: the share of sign patterns whose |sum| reaches the observed one.
    pub p: f64,
    /// The number of sign patterns compared.
    pub patterns: u64,
}

/// Over all 2^n sign patterns. All differences 0 gives p = 1.
///
/// # Errors
/// With no or more than [`MOST_EXACT`] differences, or one that is not finite.
pub fn sign_flip_exact(differences: &[f64]) -> Result<SignFlip> {
    let observed = observed(differences)?;
    if differences.len() > MOST_EXACT {
        return Err(Error::Invalid(format!(
            "{} pairs have too many sign patterns to try them all: draw some instead",
            differences.len()
        )));
    }
    let patterns = 1u64 << differences.len();
    let reached = count_reaching(0.0, differences, observed.abs() - TIE);
    let mean = observed / differences.len() as f64;
    Ok(SignFlip { mean, p: reached as f64 / patterns as f64, patterns })
}

/// Over `draws` random sign patterns and the observed one, p = (1 + reached)/(1 + draws) (Phipson & Smyth,
/// Statistical Applications in Genetics and Molecular Biology 9, 2010), never 0.
///
/// # Errors
/// With no differences or draws, or a difference that is not finite.
pub fn sign_flip_sampled(differences: &[f64], draws: u64, rng: &mut impl Rng) -> Result<SignFlip> {
    let observed = observed(differences)?;
    check_count("random sign patterns", draws as usize, 1)?;
    let mut reached = 1;
    for _ in 0..draws {
        let sum: f64 = differences.iter().map(|&d| if rng.random() { d } else { -d }).sum();
        reached += u64::from(sum.abs() >= observed.abs() - TIE);
    }
    let mean = observed / differences.len() as f64;
    Ok(SignFlip { mean, p: reached as f64 / (1 + draws) as f64, patterns: 1 + draws })
}

fn observed(differences: &[f64]) -> Result<f64> {
    check_count("differences", differences.len(), 1)?;
    check_finite("the differences", differences)?;
    Ok(differences.iter().sum())
}

/// How many sign patterns of `left` bring `sum` to `bound` or beyond, on either side.
fn count_reaching(sum: f64, left: &[f64], bound: f64) -> u64 {
    match left {
        [] => u64::from(sum.abs() >= bound),
        [first, rest @ ..] => {
            count_reaching(sum + first, rest, bound) + count_reaching(sum - first, rest, bound)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_sampled_test_approaches_the_exact_one() {
        let d = [0.05, 0.04, -0.01, 0.07, 0.02, 0.03, -0.02, 0.06];
        let exact = sign_flip_exact(&d).expect("valid");
        let sampled =
            sign_flip_sampled(&d, 20_000, &mut ChaCha8Rng::seed_from_u64(1)).expect("valid");
        // Four standard errors of 20,000 draws.
        let error = 4.0 * (exact.p * (1.0 - exact.p) / 20_000.0).sqrt();
        assert!((sampled.p - exact.p).abs() < error, "{exact:?} {sampled:?}");
    }

    #[test]
    fn no_difference_is_no_evidence() {
        assert_eq!(sign_flip_exact(&[0.0; 5]).expect("valid").p, 1.0);
        assert!(sign_flip_exact(&[]).is_err() && sign_flip_exact(&[0.1; 21]).is_err());
    }
}
