//! Tests for five repeats of two-fold cross-validation.
//!
//! Superseded by [`crate::paired`] for the harness's designs, and kept to read older studies by.

use crate::dist;
use crate::error::{Result, check_finite};

/// A test statistic with its degrees of freedom and p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FiveByTwo {
    /// Dietterich's t = d₁₁ / √(Σ s_i² / 5), 5 degrees of freedom (Neural Computation 10, 1998).
    pub t: f64,
    /// Its two-sided p-value.
    pub t_p: f64,
    /// Alpaydın's F = ΣΣ d_ij² / (2 Σ s_i²), 10 and 5 degrees of freedom (Neural Computation 11, 1999).
    pub f: f64,
    /// Its p-value.
    pub f_p: f64,
}

/// Degrees of freedom of [`FiveByTwo::t`].
pub const T_DF: f64 = 5.0;
/// Degrees of freedom of [`FiveByTwo::f`].
pub const F_DF: (f64, f64) = (10.0, 5.0);

/// Both tests on `differences[repeat][fold]`, with s_i² = (d_i1 - d̄_i)² + (d_i2 - d̄_i)².
/// `None` where the folds of no repeat differ by more than rounding: no variation observed.
///
/// # Errors
/// If a difference is not finite.
pub fn test(differences: &[[f64; 2]; 5]) -> Result<Option<FiveByTwo>> {
    check_finite("the differences", differences.as_flattened())?;
    let spread: f64 = differences.iter().map(|[x, y]| 0.5 * (x - y) * (x - y)).sum();
    // Folds that differ by rounding alone (.5 - .9 against .3 - .7) do not differ; accuracies are at most 1.
    let largest = differences.as_flattened().iter().fold(1.0, |most: f64, d| most.max(d.abs()));
    let rounding = 4.0 * f64::EPSILON * largest;
    if differences.iter().all(|[x, y]| (x - y).abs() <= rounding) {
        return Ok(None);
    }
    let t = differences[0][0] / (spread / 5.0).sqrt();
    let squares: f64 = differences.as_flattened().iter().map(|d| d * d).sum();
    let f = squares / (2.0 * spread);
    Ok(Some(FiveByTwo {
        t,
        t_p: dist::t_two_sided(t, T_DF),
        f,
        f_p: dist::f_sf(f, F_DF.0, F_DF.1),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_folds_show_no_variation() {
        assert_eq!(test(&[[0.1, 0.1]; 5]), Ok(None));
        let rounded = [0.5 - 0.9, 0.3 - 0.7];
        assert!(rounded[0] != rounded[1], "they differ by rounding");
        assert_eq!(test(&[rounded; 5]), Ok(None));
        assert!(test(&[[0.1, f64::NAN]; 5]).is_err());
    }
}
