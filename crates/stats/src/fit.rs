//! Parametric learning curves fitted to a few sizes, by nonlinear least squares.
//!
//! Four of the families that LCDB compares (Mohr, Viering, Loog & van Rijn, ECML PKDD 2022), in its parametrisations, for
//! a score that rises with n:
//!
//! | family | f(n) | parameters, in order | limit for n → ∞ |
//! |---|---|---|---|
//! | pow3 | a - b n^-c | a, b, c | a |
//! | exp3 | a e^(-bn) + c | a, b, c | c |
//! | mmf4 | (ab + c n^d)/(b + n^d) | a, b, c, d | c |
//! | wbl4 | c - b e^(-a n^d) | a, b, c, d | c |
//!
//! A fit always comes out of [`fit()`]; whether it means anything is [`Fit::well_posed`]. With six noisy sizes it often
//! does not. What is reported goes through [`checked`]: several starts, weights, a limit of at most 1, and the largest
//! size hidden first to see whether the family would have foretold it.

use crate::error::{Error, Result, check_count, check_finite, check_lengths};
use crate::least_squares;

mod checked;

pub use checked::{CheckedFit, FARTHEST, NoFit, checked};

/// A family of learning curves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The power law with an asymptote.
    Pow3,
    /// The exponential with an asymptote.
    Exp3,
    /// Morgan, Mercer & Flodin's.
    Mmf4,
    /// Weibull's.
    Wbl4,
}

/// The largest standard error of the limit at which a fit counts as well-posed: one point of accuracy.
pub const LARGEST_LIMIT_ERROR: f64 = 0.01;

impl Family {
    /// A start from which the fit usually converges for accuracies.
    pub fn usual_start(self) -> &'static [f64] {
        match self {
            Family::Pow3 => &[1.0, 2.0, 0.7],
            Family::Exp3 => &[-0.3, 0.02, 0.95],
            Family::Mmf4 => &[0.5, 20.0, 1.0, 1.2],
            Family::Wbl4 => &[0.1, 1.0, 1.0, 0.5],
        }
    }

    /// f(n), with as many parameters as [`Family::usual_start`].
    ///
    /// # Panics
    /// If the number of parameters is another: a defect of the caller.
    pub fn value(self, n: f64, parameters: &[f64]) -> f64 {
        let power = |exponent: f64| libm::pow(n, exponent);
        match (self, parameters) {
            (Family::Pow3, &[a, b, c]) => a - b * power(-c),
            (Family::Exp3, &[a, b, c]) => a * libm::exp(-b * n) + c,
            (Family::Mmf4, &[a, b, c, d]) => (a * b + c * power(d)) / (b + power(d)),
            (Family::Wbl4, &[a, b, c, d]) => c - b * libm::exp(-a * power(d)),
            _ => panic!("{self:?} has {} parameters", self.usual_start().len()),
        }
    }

    /// The position of the limit for n → ∞ among the parameters.
    fn limit(self) -> usize {
        if self == Family::Pow3 { 0 } else { 2 }
    }
}

/// A fitted curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The family.
    pub family: Family,
    /// Its parameters, in the order of the module's table.
    pub parameters: Vec<f64>,
    /// Sum of squared residuals.
    pub sse: f64,
    /// Standard error of the limit, from s²(JᵀJ)⁻¹ with s² = sse/(sizes - parameters); `None` with as many
    /// parameters as sizes, or if the sizes do not determine the limit at all.
    pub limit_error: Option<f64>,
}

impl Fit {
    /// The fitted score at train size `n` > 0.
    pub fn predict(&self, n: f64) -> f64 {
        self.family.value(n, &self.parameters)
    }

    /// The limit for n → ∞ that the fit claims, if its exponent or rate is positive.
    pub fn limit(&self) -> f64 {
        self.parameters[self.family.limit()]
    }

    /// True if the sizes say where the curve is heading: the limit is in [0, 1] and its standard error at most
    /// [`LARGEST_LIMIT_ERROR`]. Extrapolations of other fits are not to be reported.
    pub fn well_posed(&self) -> bool {
        (0.0..=1.0).contains(&self.limit())
            && self.limit_error.is_some_and(|error| error <= LARGEST_LIMIT_ERROR)
    }
}

/// Fits `family` to `scores` at `sizes` by Levenberg–Marquardt (MINPACK's) from `start`.
///
/// Where the sum of squares has no minimum (a valley that runs to infinity, as for curves that do not bend), the
/// parameters are the point in the valley where the search came to rest; predictions among the sizes are still good,
/// and the fit is not [`Fit::well_posed`].
///
/// # Errors
/// With fewer sizes than parameters, sizes below 1, unlike lengths, or values that are not finite.
pub fn fit(family: Family, sizes: &[f64], scores: &[f64], start: &[f64]) -> Result<Fit> {
    check_lengths("start parameters", family.usual_start().len(), start.len())?;
    check_count("train sizes", sizes.len(), start.len())?;
    check_lengths("scores of a curve", sizes.len(), scores.len())?;
    check_finite("the train sizes", sizes)?;
    check_finite("the curve", scores)?;
    check_finite("the start", start)?;
    if let Some(&found) = sizes.iter().find(|&&n| n < 1.0) {
        return Err(Error::OutOfRange { what: "a train size", range: "1 or more", found });
    }
    let residuals = |parameters: &[f64]| -> Vec<f64> {
        let pairs = sizes.iter().zip(scores);
        pairs.map(|(&n, score)| family.value(n, parameters) - score).collect()
    };
    let solution = least_squares::minimise(residuals, start);
    let spare = sizes.len() - start.len();
    let limit_error = match (spare, solution.unit_variances) {
        (1.., Some(variances)) => {
            let variance = variances[family.limit()] * solution.sse / spare as f64;
            Some(variance.sqrt()).filter(|error| error.is_finite())
        }
        _ => None,
    };
    Ok(Fit { family, parameters: solution.parameters, sse: solution.sse, limit_error })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: [Family; 4] = [Family::Pow3, Family::Exp3, Family::Mmf4, Family::Wbl4];

    #[test]
    fn exact_curves_are_recovered() {
        let sizes = [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0];
        let truth = [0.97, 0.8, 0.6];
        let scores = sizes.map(|n| Family::Pow3.value(n, &truth));
        let f = fit(Family::Pow3, &sizes, &scores, Family::Pow3.usual_start()).expect("valid");
        for (found, expected) in f.parameters.iter().zip(truth) {
            assert!((found - expected).abs() < 1e-6, "{f:?}");
        }
        assert!(f.well_posed());
    }

    #[test]
    fn a_straight_line_in_log_n_has_no_limit() {
        let sizes = [10.0, 20.0, 40.0, 80.0, 160.0, 320.0];
        let scores = [0.70, 0.75, 0.80, 0.85, 0.90, 0.95];
        for family in FAMILIES {
            let f = fit(family, &sizes, &scores, family.usual_start()).expect("valid");
            assert!(f.sse.is_finite() && !f.well_posed(), "{f:?}");
        }
    }

    #[test]
    fn too_few_sizes_are_refused_and_a_flat_curve_is_not_nan() {
        assert!(fit(Family::Mmf4, &[1.0, 2.0, 4.0], &[0.5; 3], &[0.5, 20.0, 1.0, 1.2]).is_err());
        assert!(fit(Family::Pow3, &[0.0, 2.0, 4.0], &[0.5; 3], &[1.0, 2.0, 0.7]).is_err());
        let sizes = [10.0, 20.0, 40.0, 80.0, 160.0];
        for family in FAMILIES {
            let f = fit(family, &sizes, &[0.9; 5], family.usual_start()).expect("valid");
            assert!((f.predict(80.0) - 0.9).abs() < 1e-4, "{f:?}");
        }
    }
}
