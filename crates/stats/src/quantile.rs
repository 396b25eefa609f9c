//! Median and quantiles of a sample.

use crate::error::{Error, Result, check_count, check_finite};

/// The quantile at `p` in [0, 1] by linear interpolation between order statistics: type 7 of Hyndman & Fan (1996),
/// the default of R and NumPy. With h = (n-1)p the result is x₍⌊h⌋₎ + (h-⌊h⌋)(x₍⌊h⌋+1₎ - x₍⌊h⌋₎), counted from 0.
///
/// # Errors
/// If `values` is empty or holds a value that is not finite, or `p` is outside [0, 1].
pub fn quantile(values: &[f64], p: f64) -> Result<f64> {
    quantile_sorted(&sorted(values)?, p)
}

/// [`quantile`] of values that are in ascending order already.
///
/// # Errors
/// If `sorted` is empty or `p` is outside [0, 1].
pub fn quantile_sorted(sorted: &[f64], p: f64) -> Result<f64> {
    check_count("values", sorted.len(), 1)?;
    if !(0.0..=1.0).contains(&p) {
        return Err(Error::OutOfRange { what: "the quantile's p", range: "in [0, 1]", found: p });
    }
    let h = (sorted.len() - 1) as f64 * p;
    let below = h.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    Ok(sorted[below] + (h - h.floor()) * (sorted[above] - sorted[below]))
}

/// The median: the middle value, or the mean of the two middle ones.
///
/// # Errors
/// If `values` is empty or holds a value that is not finite.
pub fn median(values: &[f64]) -> Result<f64> {
    let sorted = sorted(values)?;
    check_count("values", sorted.len(), 1)?;
    let half = sorted.len() / 2;
    Ok(if sorted.len() % 2 == 1 { sorted[half] } else { 0.5 * (sorted[half - 1] + sorted[half]) })
}

/// A copy in ascending order.
///
/// # Errors
/// If a value is not finite.
pub fn sorted(values: &[f64]) -> Result<Vec<f64>> {
    check_finite("the sample", values)?;
    let mut copy = values.to_vec();
    copy.sort_by(f64::total_cmp);
    Ok(copy)
}

/// The arithmetic mean, summed in the order given.
///
/// # Errors
/// If `values` is empty or holds a value that is not finite.
pub fn mean(values: &[f64]) -> Result<f64> {
    check_count("values", values.len(), 1)?;
    check_finite("the sample", values)?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

/// Mean and variance with divisor n - 1, computed from centred values.
///
/// # Errors
/// If there are fewer than two values or one is not finite.
pub fn mean_and_variance(values: &[f64]) -> Result<(f64, f64)> {
    check_count("values", values.len(), 2)?;
    let mean = mean(values)?;
    // Equal values must give exactly 0, which a rounded mean would miss by an ulp.
    if values.iter().all(|&v| v == values[0]) {
        return Ok((values[0], 0.0));
    }
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    Ok((mean, squares / (values.len() - 1) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_7_as_in_r() {
        // R: quantile(c(1, 2, 4, 8), c(0, .1, .5, .9, 1)) -> 1.0 1.3 3.0 6.8 8.0
        let x = [8.0, 1.0, 4.0, 2.0];
        for (p, expected) in [(0.0, 1.0), (0.1, 1.3), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            let q = quantile(&x, p).expect("four values");
            assert!((q - expected).abs() < 1e-12, "{p}: {q}");
        }
        assert_eq!(median(&x), Ok(3.0));
        assert_eq!(median(&[5.0]), Ok(5.0));
    }

    #[test]
    fn nothing_and_nan_are_refused() {
        assert!(quantile(&[], 0.5).is_err());
        assert!(median(&[1.0, f64::NAN]).is_err());
        assert!(quantile(&[1.0], 1.5).is_err());
        assert_eq!(mean_and_variance(&[0.1; 7]), Ok((0.1, 0.0)));
    }
}
