//! Simultaneous bands over the sizes of a learning curve: the max-t method.
//!
//! A 95 % interval at each of eight sizes holds at all eight far less than 95 % of the time. The max-t band widens
//! them by a common factor, the quantile over bootstrap replicates of the largest |t| among the sizes, and so uses
//! that neighbouring sizes go together (Montiel Olea & Plagborg-Møller, Journal of Applied Econometrics 34, 2019,
//! the plug-in sup-t band; Westfall & Young 1993 for the adjusted p-values).

use crate::dist::{normal_quantile, normal_sf, t_sf, t_upper};
use crate::error::{Error, Result, check_count, check_finite, check_lengths, check_level};
use crate::estimate::{Estimate, Interval, LEAST_DF};
use crate::quantile::mean_and_variance;

/// The bootstrap distribution of the largest |t| over the sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct MaxT {
    /// The replicates' standard deviation at each size (divisor B - 1); 0 where no variation was observed.
    pub standard_errors: Vec<f64>,
    /// max over sizes of |replicate - estimate| / standard error, one per replicate, ascending.
    maxima: Vec<f64>,
}

impl MaxT {
    /// From the `estimates` at T sizes and B replicates of all T jointly, `replicates[b][size]`.
    ///
    /// Sizes without variation are left out of the maximum.
    ///
    /// # Errors
    /// With no sizes, fewer than two replicates, rows of unlike length or values that are not finite.
    pub fn of<Row: AsRef<[f64]>>(estimates: &[f64], replicates: &[Row]) -> Result<Self> {
        check_count("sizes", estimates.len(), 1)?;
        check_finite("the estimates", estimates)?;
        check_count("bootstrap replicates", replicates.len(), 2)?;
        for row in replicates {
            check_lengths("sizes of a replicate", estimates.len(), row.as_ref().len())?;
        }
        let column =
            |at: usize| -> Vec<f64> { replicates.iter().map(|r| r.as_ref()[at]).collect() };
        let standard_errors = (0..estimates.len())
            .map(|at| Ok(mean_and_variance(&column(at))?.1.sqrt()))
            .collect::<Result<Vec<f64>>>()?;
        let largest = |row: &[f64]| {
            let deviations = row.iter().zip(estimates).zip(&standard_errors);
            deviations
                .filter(|&(_, &se)| se > 0.0)
                .map(|((replicate, estimate), se)| (replicate - estimate).abs() / se)
                .fold(0.0, f64::max)
        };
        let mut maxima: Vec<f64> = replicates.iter().map(|row| largest(row.as_ref())).collect();
        maxima.sort_by(f64::total_cmp);
        Ok(MaxT { standard_errors, maxima })
    }

    /// The critical value: the ⌈level (B + 1)⌉-th smallest maximum, and at least the normal quantile of a single size,
    /// below which replicates fall by chance, or where no size varies.
    ///
    /// # Errors
    /// If the level is not in (0, 1), or beyond what B replicates can show (B >= 19 for 0.95).
    pub fn critical(&self, level: f64) -> Result<f64> {
        check_level(level)?;
        let count = self.maxima.len();
        // Less an ulp or two, so that .95 · 40 is the 38th and not, by rounding, the 39th.
        let rank = (level * (count as f64 + 1.0) * (1.0 - 1e-12)).ceil() as usize;
        if rank > count {
            return Err(Error::Invalid(format!(
                "{count} bootstrap replicates cannot show level {level}: draw more"
            )));
        }
        Ok(self.maxima[rank.max(1) - 1].max(normal_quantile(0.5 + level / 2.0)))
    }

    /// The plug-in band: estimate ± critical value · standard error at each size.
    ///
    /// # Errors
    /// As [`MaxT::critical`], or if the lengths differ.
    pub fn band(
        &self,
        estimates: &[f64],
        standard_errors: &[f64],
        level: f64,
    ) -> Result<Vec<Interval>> {
        check_lengths("estimates", self.standard_errors.len(), estimates.len())?;
        check_lengths("standard errors", self.standard_errors.len(), standard_errors.len())?;
        let critical = self.critical(level)?;
        let pairs = estimates.iter().zip(standard_errors);
        Ok(pairs.map(|(&estimate, se)| Interval::around(estimate, critical * se)).collect())
    }

    /// The band for estimates whose variances have few degrees of freedom, as those of [`crate::crossed`] and
    /// [`crate::unbalanced`] have: estimate ± t · standard error, where t is as far out in Student's distribution with
    /// the estimate's degrees of freedom (at least [`LEAST_DF`]) as the critical value is in the normal's.
    ///
    /// The replicates say how the sizes go together, but not how poorly ten training draws determine a variance: with
    /// the critical value itself, a nominal 95 % band held in 92 % of simulated studies (`tests/simulation/band.rs`).
    ///
    /// # Errors
    /// As [`MaxT::critical`], or if the lengths differ.
    pub fn band_of(&self, estimates: &[Estimate], level: f64) -> Result<Vec<Interval>> {
        check_lengths("estimates", self.standard_errors.len(), estimates.len())?;
        let tail = normal_sf(self.critical(level)?);
        let interval = |e: &Estimate| {
            let half = t_upper(tail, e.df.max(LEAST_DF)) * e.standard_error();
            Interval::around(e.value, half)
        };
        Ok(estimates.iter().map(interval).collect())
    }

    /// [`MaxT::adjusted_p`] for such estimates: each t is first taken to the normal value that is as far out.
    ///
    /// # Errors
    /// If the lengths differ.
    pub fn adjusted_p_of(&self, estimates: &[Estimate]) -> Result<Vec<Option<f64>>> {
        let equivalent = |e: &Estimate| match e.t(0.0) {
            Some(t) => (-normal_quantile(t_sf(t.abs(), e.df.max(LEAST_DF))), 1.0),
            None => (e.value, 0.0),
        };
        let (values, errors): (Vec<f64>, Vec<f64>) = estimates.iter().map(equivalent).unzip();
        self.adjusted_p(&values, &errors)
    }

    /// The adjusted two-sided p-value of "0 at this size" for each: (1 + #{maxima >= |estimate|/se}) / (B + 1).
    /// Without variation (se 0) it is 1 for an estimate of 0, else `None`: no variation is no evidence.
    ///
    /// # Errors
    /// If the lengths differ.
    pub fn adjusted_p(
        &self,
        estimates: &[f64],
        standard_errors: &[f64],
    ) -> Result<Vec<Option<f64>>> {
        check_lengths("estimates", self.standard_errors.len(), estimates.len())?;
        check_lengths("standard errors", self.standard_errors.len(), standard_errors.len())?;
        let p = |(&estimate, &se): (&f64, &f64)| {
            if se == 0.0 {
                return (estimate == 0.0).then_some(1.0);
            }
            let t = estimate.abs() / se;
            let reaching = self.maxima.len() - self.maxima.partition_point(|&max| max < t);
            Some((1 + reaching) as f64 / (self.maxima.len() + 1) as f64)
        };
        Ok(estimates.iter().zip(standard_errors).map(p).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_without_variation_stays_a_point_and_spoils_nothing() {
        let replicates: Vec<[f64; 2]> = (0..39).map(|b| [f64::from(b) / 10.0, 0.5]).collect();
        let m = MaxT::of(&[1.9, 0.5], &replicates).expect("valid");
        let band = m.band(&[1.9, 0.5], &m.standard_errors, 0.95).expect("valid");
        assert_eq!(band[1], Interval { lo: 0.5, hi: 0.5 });
        let p = m.adjusted_p(&[1.9, 0.5], &m.standard_errors).expect("valid");
        assert!(p[0].is_some() && p[1].is_none());
    }

    #[test]
    fn few_degrees_of_freedom_widen_the_band_and_raise_p() {
        let replicates: Vec<[f64; 1]> = (0..199).map(|b| [f64::from(b - 99) / 50.0]).collect();
        let m = MaxT::of(&[0.0], &replicates).expect("valid");
        let at = |df| Estimate { value: 1.9, variance: 1.0, df };
        let width = |df| m.band_of(&[at(df)], 0.9).expect("enough")[0].width();
        let p = |df| m.adjusted_p_of(&[at(df)]).expect("one")[0].expect("variation");
        assert!(width(5.0) > width(50.0) && p(5.0) > p(50.0));
        // Without limit to the degrees of freedom it is the plug-in band.
        let plug_in = m.band(&[1.9], &[1.0], 0.9).expect("enough")[0].width();
        assert!((width(f64::INFINITY) - plug_in).abs() < 1e-9);
        assert_eq!(Ok(vec![Some(p(f64::INFINITY))]), m.adjusted_p(&[1.9], &[1.0]));
        let still = Estimate { value: 0.1, variance: 0.0, df: 5.0 };
        assert_eq!(m.adjusted_p_of(&[still]), Ok(vec![None]));
    }

    #[test]
    fn a_band_is_no_narrower_than_an_interval() {
        let replicates: Vec<[f64; 1]> = (0..39).map(|_| [0.5]).collect();
        let still = MaxT::of(&[0.5], &replicates).expect("valid");
        assert!((still.critical(0.95).expect("enough") - 1.959_963_984_540_054).abs() < 1e-9);
    }

    #[test]
    fn too_few_replicates_are_refused() {
        let m = MaxT::of(&[0.0], &[[1.0], [2.0], [3.0]]).expect("valid");
        assert!(m.critical(0.95).is_err() && m.critical(0.7).is_ok());
        assert!(MaxT::of(&[0.0], &[[1.0]]).is_err());
        assert!(MaxT::of(&[0.0, 1.0], &[vec![1.0], vec![2.0, 3.0]]).is_err());
    }
}
