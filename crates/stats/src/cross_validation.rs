//! Intervals for the expected loss from cross-validation inside one small sample.
//!
//! Losses are per item, usually 0 or 1; differences of two models' losses work as well, and then the interval is for
//! the difference. Fold means alone do not tell the variance: training sets overlap, and no unbiased estimate of the
//! variance of k-fold cross-validation exists (Bengio & Grandvalet, JMLR 5, 2004). The two methods here make what
//! they can of it, each under its own assumption.

use crate::dist::normal_quantile;
use crate::error::{Error, Result, check_count, check_finite, check_level};
use crate::estimate::Interval;
use crate::quantile::{mean, mean_and_variance};

/// Bayle et al.'s central-limit intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bayle {
    /// Mean loss over all items.
    pub mean: f64,
    /// σ_in: root of the mean over folds of the within-fold variance (divisor n_f - 1).
    pub sigma_within: f64,
    /// σ_out: root of the variance over all items (divisor n).
    pub sigma_all: f64,
    /// mean ± z σ_in / √n.
    pub within: Interval,
    /// mean ± z σ_out / √n.
    pub all: Interval,
}

/// The intervals of Bayle, Bayle, Janson & Mackey, "Cross-validation Confidence Intervals for Test Error", NeurIPS
/// 2020, from the losses of each fold's items. They hold for stable algorithms and a single
/// training size; they cover the error of the models *fitted*, not of new training draws.
///
/// # Errors
/// With fewer than two folds or two items in a fold, a loss that is not finite, or a level not in (0, 1).
pub fn bayle<Fold: AsRef<[f64]>>(folds: &[Fold], level: f64) -> Result<Bayle> {
    check_level(level)?;
    check_count("folds", folds.len(), 2)?;
    let mut variances = 0.0;
    let mut losses = Vec::new();
    for fold in folds.iter().map(AsRef::as_ref) {
        variances += mean_and_variance(fold)?.1;
        losses.extend_from_slice(fold);
    }
    let n = losses.len() as f64;
    let (mean, variance) = mean_and_variance(&losses)?;
    let sigma_within = (variances / folds.len() as f64).sqrt();
    let sigma_all = (variance * (n - 1.0) / n).sqrt();
    let z = normal_quantile(0.5 + level / 2.0);
    Ok(Bayle {
        mean,
        sigma_within,
        sigma_all,
        within: Interval::around(mean, z * sigma_within / n.sqrt()),
        all: Interval::around(mean, z * sigma_all / n.sqrt()),
    })
}

/// The losses of one repetition of nested cross-validation with k folds.
#[derive(Debug, Clone, PartialEq)]
pub struct Nested {
    /// `inner[i][j]`: losses of fold i's items with folds i and j both held out; `inner[i][i]` is not read.
    pub inner: Vec<Vec<Vec<f64>>>,
    /// `outer[i]`: losses of fold i's items with only fold i held out.
    pub outer: Vec<Vec<f64>>,
}

/// Bates, Hastie & Tibshirani's nested cross-validation estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bates {
    /// Mean of all inner losses (models fitted on k - 2 folds).
    pub raw_mean: f64,
    /// Mean of all outer losses (models fitted on k - 1 folds): ordinary cross-validation.
    pub cv_mean: f64,
    /// Estimated mean squared error of cross-validation; may come out negative.
    pub mse: f64,
    /// Standard deviation of all inner losses.
    pub sd: f64,
    /// √(max(mse, 0)) over the naive standard error sd/√(n(k-1)/k).
    pub inflation_unclipped: f64,
    /// The same, clipped to [1, √k].
    pub inflation: f64,
    /// (raw_mean - cv_mean)(1 + ((k-2)/k)^1.5): what the smaller training sets cost.
    pub bias: f64,
    /// raw_mean - bias: the estimate of the expected loss.
    pub estimate: f64,
    /// estimate ± z · inflation · sd / √n.
    pub interval: Interval,
}

/// The estimate and interval of Bates, Hastie & Tibshirani, "Cross-validation: What Does It Estimate and How Well Does
/// It Do It?", JASA 119, 2024, with the bias correction and clipping of the authors' R package
/// nestedcv (R/core.R): over repetitions and folds f, mse is the mean of
/// (mean of inner losses without f - mean of outer losses of f)² - var(outer losses of f)/n_f.
///
/// All inner losses equal: inflation 1 and an interval of no width, as nothing varied.
///
/// # Errors
/// With no repetitions, fewer than three folds, fewer than two items in a fold, repetitions of unlike shape, a loss
/// that is not finite, or a level not in (0, 1).
pub fn bates(repetitions: &[Nested], level: f64) -> Result<Bates> {
    check_level(level)?;
    check_count("repetitions", repetitions.len(), 1)?;
    let k = repetitions[0].outer.len();
    check_count("folds", k, 3)?;
    let n: usize = repetitions[0].outer.iter().map(Vec::len).sum();
    let (mut inner, mut outer, mut pivots) = (Vec::new(), Vec::new(), Vec::new());
    for repetition in repetitions {
        check_shape(repetition, k, n)?;
        pivots.extend(repetition_pivots(repetition, &mut inner)?);
        outer.push(mean(&repetition.outer.concat())?);
    }
    let (raw_mean, variance) = mean_and_variance(&inner)?;
    let (cv_mean, mse, sd) = (mean(&outer)?, mean(&pivots)?, variance.sqrt());
    let (k, n) = (k as f64, n as f64);
    let trained = (n * (k - 1.0) / k).floor();
    let inflation_unclipped =
        if sd > 0.0 { mse.max(0.0).sqrt() / (sd / trained.sqrt()) } else { 1.0 };
    let inflation = inflation_unclipped.min(k.sqrt()).max(1.0);
    let bias = (raw_mean - cv_mean) * (1.0 + libm::pow((k - 2.0) / k, 1.5));
    let estimate = raw_mean - bias;
    let half = normal_quantile(0.5 + level / 2.0) * sd / n.sqrt() * inflation;
    Ok(Bates {
        raw_mean,
        cv_mean,
        mse,
        sd,
        inflation_unclipped,
        inflation,
        bias,
        estimate,
        interval: Interval::around(estimate, half),
    })
}

/// a - b for each fold, and the inner losses gathered on the way.
fn repetition_pivots(repetition: &Nested, gathered: &mut Vec<f64>) -> Result<Vec<f64>> {
    let k = repetition.outer.len();
    let mut pivots = Vec::with_capacity(k);
    for held_out in 0..k {
        let mut without = Vec::new();
        for scored in (0..k).filter(|&scored| scored != held_out) {
            without.extend_from_slice(&repetition.inner[scored][held_out]);
        }
        let (outer_mean, outer_variance) = mean_and_variance(&repetition.outer[held_out])?;
        let gap = mean(&without)? - outer_mean;
        pivots.push(gap * gap - outer_variance / repetition.outer[held_out].len() as f64);
        gathered.append(&mut without);
    }
    Ok(pivots)
}

fn check_shape(repetition: &Nested, k: usize, n: usize) -> Result<()> {
    let Nested { inner, outer } = repetition;
    let ragged = outer.len() != k
        || outer.iter().map(Vec::len).sum::<usize>() != n
        || inner.len() != k
        || inner.iter().any(|row| row.len() != k)
        || (0..k).any(|i| (0..k).any(|j| i != j && inner[i][j].len() != outer[i].len()));
    if ragged {
        return Err(Error::Invalid(format!(
            "every repetition of nested cross-validation needs {k} folds of {n} items in all, each \
             scored once by the outer and {} times by the inner models",
            k - 1
        )));
    }
    check_finite("the outer losses", &outer.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_loss_has_no_width_and_no_nan() {
        let b = bayle(&[[0.0; 5]; 4], 0.95).expect("valid");
        assert_eq!((b.mean, b.within.width(), b.all.width()), (0.0, 0.0, 0.0));
        let none = Nested { inner: vec![vec![vec![0.0; 5]; 4]; 4], outer: vec![vec![0.0; 5]; 4] };
        let b = bates(&[none], 0.9).expect("valid");
        assert_eq!((b.estimate, b.inflation, b.interval.width()), (0.0, 1.0, 0.0));
    }

    #[test]
    fn misshapen_input_is_refused() {
        assert!(bayle(&[vec![0.0, 1.0]], 0.95).is_err());
        assert!(bayle(&[vec![0.0, 1.0], vec![1.0]], 0.95).is_err());
        let short = Nested { inner: vec![vec![vec![0.0; 2]; 3]; 3], outer: vec![vec![0.0; 3]; 3] };
        assert!(bates(&[short], 0.9).is_err());
        assert!(bates(&[], 0.9).is_err());
    }
}
