//! Climbing to the largest evidence: a quasi-Newton method (BFGS) in ln σ² and ln ℓ, within bounds.
//!
//! Nocedal and Wright, "Numerical optimization" (2nd edition), algorithm 6.1, with backtracking; a parameter that is
//! held, or that lies on a bound and pushes against it, stays where it is.

use ndarray::{Array1, Array2};

use super::Kernel;
use super::laplace::{Evidence, Laplace, Mode, Posterior};
use crate::classifier::{FitContext, FitError};

/// As scikit-learn's L-BFGS-B: stop when no component of the gradient is larger,
const GRADIENT_TOLERANCE: f64 = 1e-5;
/// or when the evidence rises by less than this share of itself.
const RISE_TOLERANCE: f64 = 2.2e-9;
/// Steps at most; about ten are usual.
const MAX_STEPS: usize = 100;
/// No step is longer than this in ln σ² and ln ℓ: from far away the slope says little.
const LONGEST: f64 = 2.0;
/// σ² and ℓ stay within this factor of where they start, as far as scikit-learn lets its own go.
const RANGE: f64 = 1e5;

/// A point of the climb.
struct Point {
    at: [f64; 2],
    mode: Mode,
    evidence: Evidence,
}

/// Up to this many rows the climb can end on a plain, where nothing is learnt: then other starts are tried as well.
const FEW_ROWS: usize = 20;
/// The starts, relative to the first, in ln σ² and ln ℓ.
const STARTS: [[f64; 2]; 5] = [[0.0, 0.0], [-1.0, -1.0], [1.0, 0.0], [2.0, 1.0], [-1.0, 1.0]];

/// The posterior of the largest evidence, from `start`; parameters that are not `free` are held.
pub(super) fn fit(
    laplace: &Laplace<'_>,
    start: Kernel,
    free: [bool; 2],
    context: &FitContext<'_>,
) -> Result<Posterior, FitError> {
    let first = [libm::log(start.variance), libm::log(start.length)];
    let climb = Climb { laplace, context, first };
    if free == [false; 2] {
        return Ok(climb.look(first, &Array1::zeros(0))?.1.posterior(start));
    }
    let starts = if laplace.rows() <= FEW_ROWS { STARTS.len() } else { 1 };
    let mut best: Option<Point> = None;
    for [variance, length] in &STARTS[..starts] {
        let offset = |by: &f64, free: bool| if free { *by } else { 0.0 };
        let at = [first[0] + offset(variance, free[0]), first[1] + offset(length, free[1])];
        let end = climb.up(at, free)?;
        if best.as_ref().is_none_or(|best| end.evidence.value > best.evidence.value) {
            best = Some(end);
        }
    }
    let best = best.ok_or_else(|| FitError::Failed("no climb was begun".to_owned()))?;
    Ok(best.mode.posterior(kernel(best.at)))
}

fn kernel(at: [f64; 2]) -> Kernel {
    Kernel { variance: libm::exp(at[0]), length: libm::exp(at[1]) }
}

struct Climb<'a> {
    laplace: &'a Laplace<'a>,
    context: &'a FitContext<'a>,
    /// Where it started.
    first: [f64; 2],
}

impl Climb<'_> {
    /// Climbs from `at` until the slope or the rise is within the tolerances.
    fn up(&self, at: [f64; 2], free: [bool; 2]) -> Result<Point, FitError> {
        let mut point = self.arrive(at, self.look(at, &Array1::zeros(0))?);
        let mut inverse = [[1.0, 0.0], [0.0, 1.0]];
        for _ in 0..MAX_STEPS {
            let slope = self.slope(&point, free);
            if slope.iter().all(|g| g.abs() <= GRADIENT_TOLERANCE) {
                break;
            }
            let mut direction = apply(&inverse, slope);
            if dot(direction, slope) <= 0.0 {
                inverse = [[1.0, 0.0], [0.0, 1.0]];
                direction = slope;
            }
            for which in 0..2 {
                if slope[which] == 0.0 {
                    direction[which] = 0.0;
                }
            }
            let Some(next) = self.step(&point, direction, slope)? else { break };
            let moved = difference(next.at, point.at);
            let turned = difference(slope, self.slope(&next, free));
            update(&mut inverse, moved, turned);
            let rise = next.evidence.value - point.evidence.value;
            let size = next.evidence.value.abs().max(1.0);
            point = next;
            if rise <= RISE_TOLERANCE * size {
                break;
            }
        }
        Ok(point)
    }

    /// The mode at a point, sought from `weights` (from nothing if there are none), and its kernel matrix.
    fn look(&self, at: [f64; 2], weights: &Array1<f64>) -> Result<(Array2<f64>, Mode), FitError> {
        self.context.check()?;
        let k = self.laplace.kernel(kernel(at));
        let from = if weights.is_empty() { &Array1::zeros(k.nrows()) } else { weights };
        let mode = self.laplace.mode(&k, from)?;
        Ok((k, mode))
    }

    fn arrive(&self, at: [f64; 2], (k, mode): (Array2<f64>, Mode)) -> Point {
        let evidence = self.laplace.evidence(kernel(at), &k, &mode);
        Point { at, mode, evidence }
    }

    /// The gradient, 0 where it can't be followed.
    fn slope(&self, point: &Point, free: [bool; 2]) -> [f64; 2] {
        let mut slope = point.evidence.gradient;
        for which in 0..2 {
            let offset = point.at[which] - self.first[which];
            let outward =
                offset.abs() >= libm::log(RANGE) * (1.0 - 1e-12) && offset * slope[which] > 0.0;
            if !free[which] || outward {
                slope[which] = 0.0;
            }
        }
        slope
    }

    /// The first of 1, ½, ¼, … of `direction` that raises the evidence by a ten-thousandth of what the slope promises.
    fn step(
        &self,
        point: &Point,
        direction: [f64; 2],
        slope: [f64; 2],
    ) -> Result<Option<Point>, FitError> {
        let longest = direction[0].abs().max(direction[1].abs());
        let mut length = (LONGEST / longest).min(1.0);
        for _ in 0..20 {
            let mut at = point.at;
            for which in 0..2 {
                let low = self.first[which] - libm::log(RANGE);
                at[which] = (at[which] + length * direction[which])
                    .clamp(low, low + 2.0 * libm::log(RANGE));
            }
            let promised = dot(difference(at, point.at), slope);
            let found = self.look(at, point.mode.weights())?;
            let rise = found.1.log_evidence() - point.mode.log_evidence();
            if promised > 0.0 && rise >= 1e-4 * promised {
                return Ok(Some(self.arrive(at, found)));
            }
            length *= 0.5;
        }
        Ok(None)
    }
}

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

fn difference(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

fn apply(matrix: &[[f64; 2]; 2], v: [f64; 2]) -> [f64; 2] {
    [dot(matrix[0], v), dot(matrix[1], v)]
}

/// BFGS's update of the inverse Hessian of -ln Z: `moved` by which the gradient of -ln Z `turned`.
fn update(inverse: &mut [[f64; 2]; 2], moved: [f64; 2], turned: [f64; 2]) {
    let curvature = dot(moved, turned);
    if curvature <= 1e-12 * dot(moved, moved).sqrt() * dot(turned, turned).sqrt() {
        return; // not convex here
    }
    let drawn = apply(inverse, turned);
    let factor = (1.0 + dot(turned, drawn) / curvature) / curvature;
    for i in 0..2 {
        for j in 0..2 {
            inverse[i][j] += factor * moved[i] * moved[j]
                - (drawn[i] * moved[j] + moved[i] * drawn[j]) / curvature;
        }
    }
}
