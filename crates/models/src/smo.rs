//! Sequential minimal optimisation: the dual of the two-class soft-margin support vector machine.
//!
//! Maximises Σ β_i y_i - ½ Σ β_i β_j K_ij with Σ β_i = 0 and 0 ≤ y_i β_i ≤ C, two multipliers at a time, chosen by
//! second-order information: Fan, Chen and Lin, "Working set selection using second order information for training
//! support vector machines", JMLR 6 (2005), WSS 2, as in libsvm. In these signed multipliers β = y α the decision
//! is Σ β_i K(x_i, x) + bias. There is no shrinking: at the sizes of this harness it saves nothing.

use ndarray::ArrayView2;

use crate::classifier::{FitContext, FitError};
use crate::wide;

/// Where to stop: no pair of multipliers violates optimality by more (libsvm's and scikit-learn's default).
const TOLERANCE: f64 = 1e-3;
/// Stands in for the curvature along pairs of equal examples, as in libsvm.
const FLAT: f64 = 1e-12;
/// Between two looks at whether to stop.
const STRIDE: usize = 1024;

/// The solution of one two-class problem.
#[derive(Debug)]
pub(crate) struct Multipliers {
    /// One per row, positive for the positive class.
    pub(crate) signed: Vec<f64>,
    /// What is added to the weighted kernel sum.
    pub(crate) bias: f64,
}

/// State of the optimisation.
struct Smo<'a> {
    kernel: ArrayView2<'a, f32>,
    /// Bounds of each multiplier.
    low: Vec<f64>,
    high: Vec<f64>,
    signed: Vec<f64>,
    /// y_i - Σ_j β_j K_ij: what the bias would have to be for row i to sit on its margin.
    errors: Vec<f64>,
    /// K_ii.
    diagonal: Vec<f64>,
    /// What each row would gain as the second of a pair; room for [`gains`].
    gains: Vec<f64>,
}

/// Solves the problem of `kernel` (rows × rows) with +1 for the rows where `positive`, and C = `c`.
///
/// # Errors
/// [`FitError::Diverged`] if the kernel is not finite or no optimum is reached, [`FitError::Stopped`] when asked to.
pub(crate) fn solve(
    kernel: ArrayView2<'_, f32>,
    positive: &[bool],
    c: f64,
    context: &FitContext<'_>,
) -> Result<Multipliers, FitError> {
    if kernel.iter().any(|k| !k.is_finite()) {
        return Err(FitError::Diverged("the kernel of two training rows is not finite".to_owned()));
    }
    let n = positive.len();
    let mut smo = Smo {
        kernel,
        low: positive.iter().map(|&p| if p { 0.0 } else { -c }).collect(),
        high: positive.iter().map(|&p| if p { c } else { 0.0 }).collect(),
        signed: vec![0.0; n],
        errors: positive.iter().map(|&p| if p { 1.0 } else { -1.0 }).collect(),
        diagonal: kernel.diag().iter().map(|&k| f64::from(k)).collect(),
        gains: vec![0.0; n],
    };
    let most = 10_000_000.max(100 * n); // libsvm's limit
    for iteration in 0..most {
        if iteration % STRIDE == 0 {
            context.check()?;
        }
        let Some((i, j)) = smo.worst_pair() else {
            return Ok(Multipliers { bias: smo.bias(), signed: smo.signed });
        };
        smo.optimise(i, j);
    }
    Err(FitError::Diverged(format!("no optimum after {most} steps; a smaller c would help")))
}

impl Smo<'_> {
    /// The row that most wants to rise, and the one to fall whose pair gains most; `None` at the optimum.
    fn worst_pair(&mut self) -> Option<(usize, usize)> {
        let (top, bottom) = extremes(&self.errors, &self.signed, &self.low, &self.high);
        if top - bottom < TOLERANCE {
            return None;
        }
        let n = self.signed.len();
        let i = (0..n).find(|&t| self.errors[t] == top && self.signed[t] < self.high[t])?;
        let row = self.kernel.row(i);
        let row = row.to_slice()?;
        let best = gains(
            &mut self.gains,
            (top, self.diagonal[i]),
            (&self.errors, &self.diagonal, row),
            (&self.signed, &self.low),
        );
        if best <= 0.0 {
            return None;
        }
        Some((i, self.gains.iter().position(|&gain| gain == best)?))
    }

    /// Moves multiplier `i` up and `j` down by the same amount, to the optimum or to a bound.
    fn optimise(&mut self, i: usize, j: usize) {
        let shared = f64::from(self.kernel[[i, j]]);
        let curvature = curvature(self.diagonal[i], self.diagonal[j], shared);
        let wanted = (self.errors[i] - self.errors[j]) / curvature;
        let (room_i, room_j) = (self.high[i] - self.signed[i], self.signed[j] - self.low[j]);
        let step = wanted.min(room_i).min(room_j);
        // At a bound the multiplier is set to it exactly, so that the comparisons above see it there.
        self.signed[i] = if step == room_i { self.high[i] } else { self.signed[i] + step };
        self.signed[j] = if step == room_j { self.low[j] } else { self.signed[j] - step };
        if let (Some(row_i), Some(row_j)) =
            (self.kernel.row(i).to_slice(), self.kernel.row(j).to_slice())
        {
            shift(&mut self.errors, step, row_i, row_j);
        }
    }

    /// The mean of the free rows' errors; without any, the middle of what the bounds allow (libsvm's rho).
    fn bias(&self) -> f64 {
        let (mut sum, mut free) = (0.0, 0usize);
        let (mut top, mut bottom) = (f64::NEG_INFINITY, f64::INFINITY);
        for t in 0..self.signed.len() {
            let (rises, falls) = (self.signed[t] < self.high[t], self.signed[t] > self.low[t]);
            match (rises, falls) {
                (true, true) => {
                    sum += self.errors[t];
                    free += 1;
                }
                (true, false) => top = top.max(self.errors[t]),
                (false, true) => bottom = bottom.min(self.errors[t]),
                (false, false) => {}
            }
        }
        if free > 0 { sum / free as f64 } else { (top + bottom) / 2.0 }
    }
}

wide::wide! {
    /// The largest error of a row that may rise, and the smallest of one that may fall.
    fn extremes(errors: &[f64], signed: &[f64], low: &[f64], high: &[f64]) -> (f64, f64) {
        let (errors, signed) = (errors.as_chunks::<8>(), signed.as_chunks::<8>());
        let (low, high) = (low.as_chunks::<8>(), high.as_chunks::<8>());
        let (mut tops, mut bottoms) = ([f64::NEG_INFINITY; 8], [f64::INFINITY; 8]);
        for (((errors, signed), low), high) in errors.0.iter().zip(signed.0).zip(low.0).zip(high.0) {
            for lane in 0..8 {
                let error = errors[lane];
                let rising = if signed[lane] < high[lane] { error } else { f64::NEG_INFINITY };
                let falling = if signed[lane] > low[lane] { error } else { f64::INFINITY };
                tops[lane] = if rising > tops[lane] { rising } else { tops[lane] };
                bottoms[lane] = if falling < bottoms[lane] { falling } else { bottoms[lane] };
            }
        }
        let (mut top, mut bottom) = (f64::NEG_INFINITY, f64::INFINITY);
        for (((&error, &signed), &low), &high) in errors.1.iter().zip(signed.1).zip(low.1).zip(high.1) {
            top = if signed < high && error > top { error } else { top };
            bottom = if signed > low && error < bottom { error } else { bottom };
        }
        top = tops.iter().fold(top, |m, &v| if v > m { v } else { m });
        (top, bottoms.iter().fold(bottom, |m, &v| if v < m { v } else { m }))
    }

    /// Sets each row's gain as the partner of one of error `top` and curvature `own`, and returns the largest:
    /// (top - error)² / curvature for those that may fall and have a smaller error, 0 for the others.
    fn gains(
        gains: &mut [f64],
        first: (f64, f64),
        rows: (&[f64], &[f64], &[f32]),
        bounds: (&[f64], &[f64]),
    ) -> f64 {
        let (top, own) = first;
        let others = rows.0.iter().zip(rows.1).zip(rows.2).zip(bounds.0).zip(bounds.1);
        for (gain, ((((error, diagonal), &k), signed), low)) in gains.iter_mut().zip(others) {
            let gap = top - error;
            let curvature = own + diagonal - 2.0 * f64::from(k);
            let curvature = if curvature > 0.0 { curvature } else { FLAT };
            let falls = (signed > low) & (gap > 0.0);
            *gain = if falls { gap * gap / curvature } else { 0.0 };
        }
        let (chunks, rest) = gains.as_chunks::<8>();
        let mut best = [0.0f64; 8];
        for chunk in chunks {
            for lane in 0..8 {
                best[lane] = if chunk[lane] > best[lane] { chunk[lane] } else { best[lane] };
            }
        }
        best.iter().chain(rest).fold(0.0, |m: f64, &v| if v > m { v } else { m })
    }

    /// Takes `step` (K_i - K_j) off the errors.
    fn shift(errors: &mut [f64], step: f64, row_i: &[f32], row_j: &[f32]) {
        for ((error, &ki), &kj) in errors.iter_mut().zip(row_i).zip(row_j) {
            *error -= step * (f64::from(ki) - f64::from(kj));
        }
    }
}

/// ‖φ(a) - φ(b)‖² from the three kernel values, never 0.
fn curvature(a: f64, b: f64, shared: f64) -> f64 {
    let curvature = a + b - 2.0 * shared;
    if curvature > 0.0 { curvature } else { FLAT }
}
