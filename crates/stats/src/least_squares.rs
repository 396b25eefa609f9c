//! Levenberg–Marquardt for a handful of parameters, as MINPACK's `lmdif` does it.
//!
//! Moré, "The Levenberg–Marquardt Algorithm: Implementation and Theory", LNM 630, 1978: steps of bounded length in the
//! norm of D, the largest column norms of the Jacobian so far; the damping that gives this length is found by Newton's
//! method on the secular equation. QR factors throughout, since normal equations would lose half the digits; derivatives
//! by forward differences. It is what SciPy's `curve_fit` and R's `nls.lm` do, so that a fit without a clear minimum
//! ends where theirs do.

use crate::qr::{back_substitute, inverse_diagonal, triangularise};

/// Where the minimisation ended.
pub(crate) struct Solution {
    pub(crate) parameters: Vec<f64>,
    pub(crate) sse: f64,
    /// The diagonal of (JᵀJ)⁻¹; `None` if J is rank-deficient to machine precision.
    pub(crate) unit_variances: Option<Vec<f64>>,
}

/// Steps tried at most.
const EVALUATIONS: usize = 5_000;
/// Relative change of the sum of squares or of the parameters, or cosine of the gradient, that ends the search.
const TOLERANCE: f64 = 1e-14;
/// The first step is at most this many times as long as the start.
const FIRST_RADIUS: f64 = 100.0;

/// Minimises the sum of squares of `residuals_at` from `start`. Steps that are worse or not finite are refused and tried shorter, so the
/// result is never worse than the start.
pub(crate) fn minimise(residuals_at: impl Fn(&[f64]) -> Vec<f64>, start: &[f64]) -> Solution {
    let mut at = start.to_vec();
    let mut residuals = residuals_at(&at);
    let mut scale = vec![0.0; start.len()];
    let mut region: Option<Region> = None;
    let mut evaluations = 0;
    while norm(&residuals) > 0.0 {
        let linear = Linear::of(forward_differences(&residuals_at, &at, &residuals), &residuals);
        widen(&mut scale, &linear.columns);
        if linear.gradient_cosine() <= TOLERANCE {
            break;
        }
        let (end, accepted) = loop {
            let (step, damping) = linear.step(&scale, &at, region);
            let next: Vec<f64> = at.iter().zip(&step).map(|(x, d)| x + d).collect();
            let next_residuals = residuals_at(&next);
            evaluations += 1;
            let length = scaled_norm(&scale, &step);
            let judged = linear.judge(&step, damping, length, norm(&next_residuals));
            let before = region.map_or(length, |r| r.radius);
            let after = judged.region(before, damping, length);
            let accepted = judged.ratio() >= 1e-4;
            if accepted {
                (at, residuals) = (next, next_residuals);
            }
            region = Some(after);
            let arrived = after.radius <= TOLERANCE * scaled_norm(&scale, &at);
            let end = judged.is_negligible() || arrived || evaluations == EVALUATIONS;
            if end || accepted {
                break (end, accepted);
            }
        };
        if end || !accepted {
            break;
        }
    }
    let sse = residuals.iter().map(|r| r * r).sum();
    Solution {
        unit_variances: inverse_diagonal(&forward_differences(&residuals_at, &at, &residuals)),
        parameters: at,
        sse,
    }
}

/// How far to step, and the damping that last gave that length.
#[derive(Clone, Copy)]
struct Region {
    radius: f64,
    damping: f64,
}

/// The largest column norms so far; 1 for a parameter that nothing has depended on.
fn widen(scale: &mut [f64], columns: &[f64]) {
    for (scale, &column) in scale.iter_mut().zip(columns) {
        let column = if *scale == 0.0 && column == 0.0 { 1.0 } else { column };
        *scale = scale.max(column);
    }
}

/// The problem linearised: J = QR and Qᵀr.
struct Linear {
    /// R, p × p.
    upper: Vec<Vec<f64>>,
    /// The first p components of Qᵀr.
    right: Vec<f64>,
    /// Column norms of J.
    columns: Vec<f64>,
    /// ‖r‖.
    norm: f64,
}

impl Linear {
    fn of(mut jacobian: Vec<Vec<f64>>, residuals: &[f64]) -> Self {
        let p = jacobian[0].len();
        let column = |j: usize| norm(&jacobian.iter().map(|row| row[j]).collect::<Vec<f64>>());
        let columns = (0..p).map(column).collect();
        let mut right = residuals.to_vec();
        triangularise(&mut jacobian, &mut right);
        jacobian.truncate(p);
        right.truncate(p);
        Linear { upper: jacobian, right, columns, norm: norm(residuals) }
    }

    /// The largest |cos| between r and a column of J: 0 at a stationary point.
    fn gradient_cosine(&self) -> f64 {
        let cosine = |(j, &column): (usize, &f64)| {
            let dot: f64 = (0..=j).map(|i| self.upper[i][j] * self.right[i]).sum();
            if column == 0.0 { 0.0 } else { (dot / (self.norm * column)).abs() }
        };
        self.columns.iter().enumerate().map(cosine).fold(0.0, f64::max)
    }

    /// The step that minimises ‖Jδ + r‖ within the region, and its damping (MINPACK's `lmpar`).
    fn step(&self, scale: &[f64], at: &[f64], region: Option<Region>) -> (Vec<f64>, f64) {
        let length = scaled_norm(scale, at);
        let first = if length > 0.0 { FIRST_RADIUS * length } else { FIRST_RADIUS };
        let Region { radius, damping } = region.unwrap_or(Region { radius: first, damping: 0.0 });
        let p = scale.len();
        let rank = (0..p).find(|&j| self.upper[j][j] == 0.0).unwrap_or(p);
        let mut newton = back_substitute(&self.upper, &self.right, rank);
        newton.resize(p, 0.0);
        let mut excess = scaled_norm(scale, &newton) - radius;
        if excess <= 0.1 * radius {
            return (negated(newton), 0.0);
        }
        let lower = if rank == p { self.secular_slope(&self.upper, scale, &newton) } else { None };
        let (mut least, lower_known) =
            (lower.map_or(0.0, |slope| excess / radius / slope), lower.is_some());
        let scaled_gradient: Vec<f64> = (0..p)
            .map(|j| (0..=j).map(|i| self.upper[i][j] * self.right[i]).sum::<f64>() / scale[j])
            .collect();
        let gradient = norm(&scaled_gradient);
        let mut most = gradient / radius;
        if most == 0.0 {
            most = f64::MIN_POSITIVE / radius.min(0.1);
        }
        let mut damping = damping.max(least).min(most);
        if damping == 0.0 {
            damping = gradient / scaled_norm(scale, &newton);
        }
        for iteration in 1.. {
            if damping == 0.0 {
                damping = f64::MIN_POSITIVE.max(0.001 * most);
            }
            let (step, upper) = self.damped(scale, damping);
            let before = excess;
            excess = scaled_norm(scale, &step) - radius;
            let hopeless = !lower_known && excess <= before && before < 0.0;
            if excess.abs() <= 0.1 * radius || hopeless || iteration == 10 {
                return (negated(step), damping);
            }
            let Some(slope) = self.secular_slope(&upper, scale, &step) else {
                return (negated(step), damping);
            };
            if excess > 0.0 {
                least = least.max(damping);
            } else {
                most = most.min(damping);
            }
            damping = least.max(damping + excess / radius / slope);
        }
        unreachable!("the tenth iteration returns")
    }

    /// The damped solution of Rδ = Qᵀr and the triangular factor of RᵀR + λD².
    fn damped(&self, scale: &[f64], damping: f64) -> (Vec<f64>, Vec<Vec<f64>>) {
        let p = scale.len();
        let (mut rows, mut right) = (self.upper.clone(), self.right.clone());
        for (j, scale) in scale.iter().enumerate() {
            let mut row = vec![0.0; p];
            row[j] = damping.sqrt() * scale;
            rows.push(row);
            right.push(0.0);
        }
        triangularise(&mut rows, &mut right);
        rows.truncate(p);
        (back_substitute(&rows, &right, p), rows)
    }

    /// ‖U⁻ᵀ D (Dδ/‖Dδ‖)‖²: minus the derivative of ‖Dδ‖ by the damping, over ‖Dδ‖, for U the triangular factor.
    fn secular_slope(&self, upper: &[Vec<f64>], scale: &[f64], step: &[f64]) -> Option<f64> {
        let length = scaled_norm(scale, step);
        let mut x: Vec<f64> = scale.iter().zip(step).map(|(d, s)| d * (d * s / length)).collect();
        for j in 0..x.len() {
            let known: f64 = (0..j).map(|i| upper[i][j] * x[i]).sum();
            x[j] = (x[j] - known) / upper[j][j];
        }
        let slope = x.iter().map(|v| v * v).sum::<f64>();
        (slope > 0.0 && slope.is_finite()).then_some(slope)
    }

    /// Compares what the step did with what the linear model promised.
    fn judge(&self, step: &[f64], damping: f64, length: f64, next: f64) -> Judged {
        let promised: Vec<f64> =
            self.upper.iter().map(|row| row.iter().zip(step).map(|(r, s)| r * s).sum()).collect();
        let linear = norm(&promised) / self.norm;
        let damped = damping.sqrt() * length / self.norm;
        let far_worse = !next.is_finite() || 0.1 * next >= self.norm;
        let actual = if far_worse { -1.0 } else { 1.0 - (next / self.norm).powi(2) };
        Judged {
            actual,
            predicted: linear * linear + 2.0 * damped * damped,
            slope: -(linear * linear + damped * damped),
            far_worse,
        }
    }
}

/// Relative reductions of the sum of squares by a step.
struct Judged {
    actual: f64,
    predicted: f64,
    slope: f64,
    far_worse: bool,
}

impl Judged {
    fn ratio(&self) -> f64 {
        if self.predicted == 0.0 { 0.0 } else { self.actual / self.predicted }
    }

    /// The region for the next step: smaller after a poor one, larger after a good one.
    fn region(&self, radius: f64, damping: f64, length: f64) -> Region {
        if self.ratio() <= 0.25 {
            let shrink = if self.far_worse {
                0.1
            } else if self.actual >= 0.0 {
                0.5
            } else {
                (0.5 * self.slope / (self.slope + 0.5 * self.actual)).max(0.1)
            };
            Region { radius: shrink * radius.min(length / 0.1), damping: damping / shrink }
        } else if damping == 0.0 || self.ratio() >= 0.75 {
            Region { radius: length / 0.5, damping: 0.5 * damping }
        } else {
            Region { radius, damping }
        }
    }

    fn is_negligible(&self) -> bool {
        self.actual.abs() <= TOLERANCE && self.predicted <= TOLERANCE && 0.5 * self.ratio() <= 1.0
    }
}

/// ∂r/∂x by steps of √ε |x|, as MINPACK's `fdjac2` takes them.
fn forward_differences(
    residuals_at: impl Fn(&[f64]) -> Vec<f64>,
    at: &[f64],
    residuals: &[f64],
) -> Vec<Vec<f64>> {
    let mut jacobian = vec![vec![0.0; at.len()]; residuals.len()];
    for j in 0..at.len() {
        let relative = f64::EPSILON.sqrt();
        let h = if at[j] == 0.0 { relative } else { relative * at[j].abs() };
        let mut shifted = at.to_vec();
        shifted[j] += h;
        for (row, (after, before)) in
            jacobian.iter_mut().zip(residuals_at(&shifted).iter().zip(residuals))
        {
            row[j] = (after - before) / h;
        }
    }
    jacobian
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum::<f64>().sqrt()
}

fn scaled_norm(scale: &[f64], values: &[f64]) -> f64 {
    scale.iter().zip(values).map(|(d, v)| (d * v) * (d * v)).sum::<f64>().sqrt()
}

fn negated(mut step: Vec<f64>) -> Vec<f64> {
    step.iter_mut().for_each(|v| *v = -*v);
    step
}
