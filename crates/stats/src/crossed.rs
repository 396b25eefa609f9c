//! Variance of a mean over training draws × test items: the hold-out design.
//!
//! Every draw (a training set, and all the model's own randomness) is scored on the same items, so neither rows nor
//! columns are independent: an easy item is easy for every draw, a lucky draw is lucky on every item. Treating the
//! draws alone as the sample (a t test over repeats) forgets that the items are a sample too, and pooling all cells
//! (McNemar over all draws) forgets both; on exact nulls they are wrong several times as often as they say
//! (`tests/simulation/type_one_error.rs`).
//!
//! The two-way random-effects decomposition without replication is classical: Searle, Casella & McCulloch,
//! *Variance Components* (1992); the degrees of freedom are Satterthwaite's (Biometrics Bulletin 2, 1946).
//! For cross-validation, where a draw scores its own fold only, see [`crate::unbalanced`].

use crate::error::{Error, Result, check_count, check_lengths};
use crate::estimate::Estimate;

/// The analysis of variance of a trials × items matrix d, and the variance of its mean.
///
/// With R trials (rows), m items (columns), and d̄, d̄_r, d̄_i the grand, row and column means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossed {
    /// R, the number of training draws.
    pub trials: usize,
    /// m, the number of test items.
    pub items: usize,
    /// The grand mean d̄.
    pub mean: f64,
    /// Between trials: m Σ(d̄_r - d̄)² / (R-1).
    pub ms_trial: f64,
    /// Between items: R Σ(d̄_i - d̄)² / (m-1).
    pub ms_item: f64,
    /// Residual: ΣΣ(d_ri - d̄_r - d̄_i + d̄)² / ((R-1)(m-1)).
    pub ms_residual: f64,
    /// Var(d̄) over new draws *and* new items: (MS_T + MS_I - MS_E) / (Rm); see `fell_back`.
    pub variance: f64,
    /// Satterthwaite's degrees of freedom of `variance`.
    pub df: f64,
    /// True if the difference above was not positive and max(MS_T, MS_I) / (Rm) stands in for it.
    pub fell_back: bool,
}

impl Crossed {
    /// The mean for new training draws and new items: "in the population".
    pub fn in_population(&self) -> Estimate {
        Estimate { value: self.mean, variance: self.variance, df: self.df }
    }

    /// The mean for new training draws on these very items: "on this test set". MS_T / (Rm) with R-1 degrees of
    /// freedom.
    pub fn on_these_items(&self) -> Estimate {
        Estimate {
            value: self.mean,
            variance: self.variance_trial_only(),
            df: (self.trials - 1) as f64,
        }
    }

    /// MS_T / (Rm): what the mean varies with new draws, items fixed.
    pub fn variance_trial_only(&self) -> f64 {
        self.ms_trial / self.cells()
    }

    /// MS_I / (Rm): what the mean varies with new items, draws fixed.
    pub fn variance_item_only(&self) -> f64 {
        self.ms_item / self.cells()
    }

    /// (MS_T + MS_I) / (Rm): counts the residual twice, so never too small in expectation.
    pub fn variance_conservative(&self) -> f64 {
        self.variance_trial_only() + self.variance_item_only()
    }

    fn cells(&self) -> f64 {
        self.trials as f64 * self.items as f64
    }
}

/// Analyses `rows[r][i]`: one row per training draw, one column per test item, the same items in the same order in
/// every row. Values are usually differences of correctness in {-1, 0, 1} (`i8`), or anything finite (`f64`).
///
/// The variance of the mean is (MS_T + MS_I - MS_E)/(Rm), unbiased under random draws and items. Where it is not
/// positive, max(MS_T, MS_I)/(Rm) takes its place with that mean square's degrees of freedom. All cells equal:
/// variance 0 with min(R, m) - 1 degrees of freedom, which [`Estimate`] reads as "no variation observed".
///
/// # Errors
/// With fewer than two rows or columns (one draw tells nothing about draws), rows of unlike length, or a value that
/// is not finite.
pub fn analyse<T, Row>(rows: &[Row]) -> Result<Crossed>
where
    T: Copy + Into<f64>,
    Row: AsRef<[T]>,
{
    check_count("training draws", rows.len(), 2)?;
    let (r, m) = (rows.len(), rows[0].as_ref().len());
    check_count("test items", m, 2)?;
    let mut item_means = vec![0.0; m];
    let mut trial_means = Vec::with_capacity(r);
    for row in rows.iter().map(AsRef::as_ref) {
        check_lengths("items of a training draw", m, row.len())?;
        let mut sum = 0.0;
        for (at, (&value, item)) in row.iter().zip(&mut item_means).enumerate() {
            let value: f64 = value.into();
            if !value.is_finite() {
                return Err(Error::NotFinite { what: "a training draw's row", at });
            }
            sum += value;
            *item += value;
        }
        trial_means.push(sum / m as f64);
    }
    item_means.iter_mut().for_each(|sum| *sum /= r as f64);
    let mean = trial_means.iter().sum::<f64>() / r as f64;

    let mut residual = 0.0;
    for (row, trial_mean) in rows.iter().map(AsRef::as_ref).zip(&trial_means) {
        for (&value, item_mean) in row.iter().zip(&item_means) {
            let value: f64 = value.into();
            let e = value - trial_mean - item_mean + mean;
            residual += e * e;
        }
    }
    let first: f64 = rows[0].as_ref()[0].into();
    let constant = rows.iter().flat_map(|row| row.as_ref()).all(|&value| value.into() == first);
    let squares = |means: &[f64]| means.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
    let (df_t, df_i) = ((r - 1) as f64, (m - 1) as f64);
    let (ms_trial, ms_item, ms_residual) = if constant {
        (0.0, 0.0, 0.0) // exactly, where rounded means would leave a trace
    } else {
        let ms_trial = m as f64 * squares(&trial_means) / df_t;
        let ms_item = r as f64 * squares(&item_means) / df_i;
        (ms_trial, ms_item, residual / (df_t * df_i))
    };
    let (combined, df, fell_back) = combine(ms_trial, ms_item, ms_residual, df_t, df_i);
    let variance = combined / (r as f64 * m as f64);
    Ok(Crossed {
        trials: r,
        items: m,
        mean,
        ms_trial,
        ms_item,
        ms_residual,
        variance,
        df,
        fell_back,
    })
}

/// MS_T + MS_I - MS_E with Satterthwaite's degrees of freedom, or the larger mean square where that is not positive.
fn combine(ms_t: f64, ms_i: f64, ms_e: f64, df_t: f64, df_i: f64) -> (f64, f64, bool) {
    let sum = ms_t + ms_i - ms_e;
    let scale = ms_t.max(ms_i).max(ms_e);
    if scale == 0.0 {
        return (0.0, df_t.min(df_i), false);
    }
    // A difference that is rounding error counts as not positive.
    if sum <= 1e-12 * scale {
        return if ms_t >= ms_i { (ms_t, df_t, true) } else { (ms_i, df_i, true) };
    }
    let spread = ms_t * ms_t / df_t + ms_i * ms_i / df_i + ms_e * ms_e / (df_t * df_i);
    (sum, sum * sum / spread, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_back_to_the_larger_mean_square() {
        // A checkerboard: row and column means agree, everything is residual.
        let rows = [[1i8, -1, 1, -1], [-1, 1, -1, 1]];
        let c = analyse(&rows).expect("2 x 4");
        assert!(c.fell_back && c.mean == 0.0 && c.ms_residual > 0.0);
        assert_eq!(c.variance, c.ms_trial.max(c.ms_item) / 8.0);
    }

    #[test]
    fn a_constant_matrix_has_no_variation() {
        let c = analyse(&[[1i8; 5]; 3]).expect("3 x 5");
        assert_eq!((c.mean, c.variance, c.df), (1.0, 0.0, 2.0));
        assert_eq!(c.in_population().t(0.0), None);
    }

    #[test]
    fn one_draw_or_one_item_is_refused() {
        assert!(analyse(&[[1i8, 0]]).is_err());
        assert!(analyse(&[[1i8], [0]]).is_err());
        assert!(analyse::<i8, Vec<i8>>(&[]).is_err());
        assert!(analyse(&[vec![1i8, 0], vec![1]]).is_err());
        assert!(analyse(&[[f64::NAN, 0.0], [0.0, 0.0]]).is_err());
    }
}
