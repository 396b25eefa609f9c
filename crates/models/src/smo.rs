//! Sequential minimal optimisation: the dual of the two-class soft-margin support vector machine.
//!
//! Maximises Σ β_i y_i - ½ Σ β_i β_j K_ij with Σ β_i = 0 and 0 ≤ y_i β_i ≤ C, two multipliers at a time, chosen by
//! second-order information: Fan, Chen and Lin, "Working set selection using second order information for training
//! support vector machines", JMLR 6 (2005), WSS 2, as in libsvm. In these signed multipliers β = y α the decision
//! is Σ β_i K(x_i, x) + bias. There is no shrinking: at the sizes of this harness it saves nothing.

use ndarray::ArrayView2;

use crate::classifier::{FitContext, FitError};

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
    fn worst_pair(&self) -> Option<(usize, usize)> {
        let n = self.signed.len();
        let (mut i, mut top) = (usize::MAX, f64::NEG_INFINITY);
        let mut bottom = f64::INFINITY;
        for t in 0..n {
            let error = self.errors[t];
            if self.signed[t] < self.high[t] && error > top {
                (i, top) = (t, error);
            }
            if self.signed[t] > self.low[t] && error < bottom {
                bottom = error;
            }
        }
        if top - bottom < TOLERANCE || i == usize::MAX {
            return None;
        }
        let row = self.kernel.row(i);
        let own = f64::from(row[i]);
        let (mut j, mut best) = (None, 0.0);
        for t in 0..n {
            let gap = top - self.errors[t];
            if self.signed[t] > self.low[t] && gap > 0.0 {
                let gain = gap * gap / curvature(own, self.diagonal(t), f64::from(row[t]));
                if gain > best {
                    (j, best) = (Some(t), gain);
                }
            }
        }
        j.map(|j| (i, j))
    }

    fn diagonal(&self, t: usize) -> f64 {
        f64::from(self.kernel[[t, t]])
    }

    /// Moves multiplier `i` up and `j` down by the same amount, to the optimum or to a bound.
    fn optimise(&mut self, i: usize, j: usize) {
        let shared = f64::from(self.kernel[[i, j]]);
        let curvature = curvature(self.diagonal(i), self.diagonal(j), shared);
        let wanted = (self.errors[i] - self.errors[j]) / curvature;
        let (room_i, room_j) = (self.high[i] - self.signed[i], self.signed[j] - self.low[j]);
        let step = wanted.min(room_i).min(room_j);
        // At a bound the multiplier is set to it exactly, so that the comparisons above see it there.
        self.signed[i] = if step == room_i { self.high[i] } else { self.signed[i] + step };
        self.signed[j] = if step == room_j { self.low[j] } else { self.signed[j] - step };
        let (row_i, row_j) = (self.kernel.row(i), self.kernel.row(j));
        for ((error, &ki), &kj) in self.errors.iter_mut().zip(row_i).zip(row_j) {
            *error -= step * (f64::from(ki) - f64::from(kj));
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

/// ‖φ(a) - φ(b)‖² from the three kernel values, never 0.
fn curvature(a: f64, b: f64, shared: f64) -> f64 {
    let curvature = a + b - 2.0 * shared;
    if curvature > 0.0 { curvature } else { FLAT }
}
