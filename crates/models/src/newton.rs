//! Newton's method for L2-penalised logistic and softmax regression.
//!
//! Minimises ½ λ ‖W‖² + Σ_i ℓ(y_i, X_i W + b) over weights W and unpenalised intercepts b. Each Newton step solves
//! its system by conjugate gradients on Hessian products (truncated Newton: Nocedal and Wright, "Numerical
//! Optimization", 2nd edition, algorithm 7.1), then halves it until the objective falls enough (Armijo).
//! With one output, ℓ is the binary log loss of the logistic function; with more, that of the softmax.

use ndarray::{Array1, Array2, ArrayView1, Axis, Zip};

use crate::classifier::{FitContext, FitError};

/// Fitted parameters.
pub(crate) struct Solution {
    /// Columns × outputs.
    pub(crate) weights: Array2<f64>,
    /// One per output.
    pub(crate) intercepts: Array1<f64>,
}

/// Stop when no component of the gradient of the *mean* loss is larger; scikit-learn stops at 1e-4. Penalties below 1
/// leave the weights freer by as much, so it is multiplied by them, down to what rounding allows.
const GRADIENT_TOLERANCE: f64 = 1e-6;
const LEAST_TOLERANCE: f64 = 1e-10;
/// Newton steps; ten are usual, and the smallest penalties on separable classes take some dozens.
const MAX_STEPS: usize = 200;
/// Conjugate-gradient iterations in one Newton step.
const MAX_INNER: usize = 500;

/// Minimises the objective for rows `x` and `targets` (rows × outputs: 0 or 1; one output for two classes).
///
/// # Errors
/// [`FitError::Diverged`] if the parameters stop being finite, [`FitError::Stopped`] when asked to.
pub(crate) fn minimise(
    x: &Array2<f64>,
    targets: &Array2<f64>,
    penalty: f64,
    context: &FitContext<'_>,
) -> Result<Solution, FitError> {
    let problem = Problem { x, targets, penalty };
    let mut at = Point::zero(x.ncols(), targets.ncols());
    let mut scores = Array2::zeros(targets.raw_dim());
    let mut objective = problem.objective(&at, &scores);
    let mean_tolerance = (GRADIENT_TOLERANCE * penalty.min(1.0)).max(LEAST_TOLERANCE);
    let tolerance = mean_tolerance * x.nrows() as f64;
    let mut first_norm = None;
    for _ in 0..MAX_STEPS {
        context.check()?;
        let shares = probabilities(&scores);
        let gradient = problem.gradient(&at, &shares);
        if gradient.max_abs() <= tolerance {
            break;
        }
        let norm = gradient.dot(&gradient).sqrt();
        let forcing = (norm / *first_norm.get_or_insert(norm)).sqrt().min(0.1);
        let step = problem.newton_step(&shares, &gradient, forcing * norm);
        let change = problem.product(&step);
        let Some(length) = problem.line_search(&at, &step, &scores, &change, objective, &gradient)
        else {
            break; // rounding: the objective can't fall any further
        };
        at.add_scaled(length, &step);
        scores.scaled_add(length, &change);
        objective = problem.objective(&at, &scores);
    }
    if !objective.is_finite() {
        return Err(FitError::Diverged("the logistic loss is not finite".to_owned()));
    }
    Ok(Solution { weights: at.weights, intercepts: at.intercepts })
}

/// A value for every parameter: a point, a direction or a gradient.
#[derive(Clone)]
struct Point {
    weights: Array2<f64>,
    intercepts: Array1<f64>,
}

impl Point {
    fn zero(columns: usize, outputs: usize) -> Self {
        Point { weights: Array2::zeros((columns, outputs)), intercepts: Array1::zeros(outputs) }
    }

    fn dot(&self, other: &Point) -> f64 {
        let mut sum = self.intercepts.dot(&other.intercepts);
        for (a, b) in self.weights.outer_iter().zip(other.weights.outer_iter()) {
            sum += a.dot(&b);
        }
        sum
    }

    fn add_scaled(&mut self, scale: f64, other: &Point) {
        self.weights.scaled_add(scale, &other.weights);
        self.intercepts.scaled_add(scale, &other.intercepts);
    }

    fn max_abs(&self) -> f64 {
        self.weights.iter().chain(&self.intercepts).fold(0.0, |m, v| m.max(v.abs()))
    }
}

struct Problem<'a> {
    x: &'a Array2<f64>,
    targets: &'a Array2<f64>,
    penalty: f64,
}

impl Problem<'_> {
    /// The penalised loss of `at`, whose scores are given.
    fn objective(&self, at: &Point, scores: &Array2<f64>) -> f64 {
        let mut loss = 0.0;
        for (row, target) in scores.outer_iter().zip(self.targets.outer_iter()) {
            loss += row_loss(row, target);
        }
        loss + 0.5 * self.penalty * at.weights.iter().map(|w| w * w).sum::<f64>()
    }

    /// The gradient at `at`, where the rows have class shares `shares`.
    fn gradient(&self, at: &Point, shares: &Array2<f64>) -> Point {
        let mut gradient = self.adjoint(&(shares - self.targets));
        gradient.weights.scaled_add(self.penalty, &at.weights);
        gradient
    }

    /// The change of every row's scores along `direction`.
    fn product(&self, direction: &Point) -> Array2<f64> {
        let mut out = if direction.intercepts.len() == 1 {
            let w = direction.weights.column(0).to_owned();
            self.x.dot(&w).insert_axis(Axis(1))
        } else {
            self.x.dot(&direction.weights)
        };
        out += &direction.intercepts;
        out
    }

    /// Every row's `residual` (rows × outputs) drawn back to the parameters.
    fn adjoint(&self, residual: &Array2<f64>) -> Point {
        let weights = if residual.ncols() == 1 {
            // Row by row: contiguous, where the transposed product would stride.
            let mut sum = Array1::<f64>::zeros(self.x.ncols());
            for (row, &r) in self.x.outer_iter().zip(residual) {
                sum.scaled_add(r, &row);
            }
            sum.insert_axis(Axis(1))
        } else {
            self.x.t().dot(residual)
        };
        Point { weights, intercepts: residual.sum_axis(Axis(0)) }
    }

    /// The Hessian times `direction`.
    fn hessian_product(&self, shares: &Array2<f64>, direction: &Point) -> Point {
        let mut out = if shares.ncols() == 1 {
            self.binary_curvature(shares, direction)
        } else {
            let mut change = self.product(direction);
            for (mut row, p) in change.outer_iter_mut().zip(shares.outer_iter()) {
                let mean = row.dot(&p);
                Zip::from(&mut row).and(&p).for_each(|c, &p| *c = p * (*c - mean));
            }
            self.adjoint(&change)
        };
        out.weights.scaled_add(self.penalty, &direction.weights);
        out
    }

    /// Xᵀ D X times `direction` for one output, each row read once and used while it is in the cache.
    fn binary_curvature(&self, shares: &Array2<f64>, direction: &Point) -> Point {
        let w = direction.weights.column(0).to_owned();
        let mut weights = Array1::<f64>::zeros(w.len());
        let mut intercept = 0.0;
        for (row, &p) in self.x.outer_iter().zip(shares) {
            let change = (row.dot(&w) + direction.intercepts[0]) * p * (1.0 - p);
            weights.scaled_add(change, &row);
            intercept += change;
        }
        let weights = weights.insert_axis(Axis(1));
        Point { weights, intercepts: Array1::from_elem(1, intercept) }
    }

    /// Conjugate gradients on H s = -g from s = 0, until the residual's norm is at most `tolerance`.
    fn newton_step(&self, shares: &Array2<f64>, gradient: &Point, tolerance: f64) -> Point {
        let mut step = Point::zero(gradient.weights.nrows(), gradient.intercepts.len());
        let mut residual = step.clone();
        residual.add_scaled(-1.0, gradient);
        let mut direction = residual.clone();
        let mut square = residual.dot(&residual);
        for _ in 0..MAX_INNER {
            let curved = self.hessian_product(shares, &direction);
            let curvature = direction.dot(&curved);
            if curvature <= f64::EPSILON * direction.dot(&direction) {
                break; // flat within rounding: all rows are sure of their class
            }
            let length = square / curvature;
            step.add_scaled(length, &direction);
            residual.add_scaled(-length, &curved);
            let next = residual.dot(&residual);
            if next.sqrt() <= tolerance {
                break;
            }
            let mut turned = residual.clone();
            turned.add_scaled(next / square, &direction);
            direction = turned;
            square = next;
        }
        step
    }

    /// The first of 1, ½, ¼, … at which the objective falls by a ten-thousandth of what its slope promises.
    fn line_search(
        &self,
        at: &Point,
        step: &Point,
        scores: &Array2<f64>,
        change: &Array2<f64>,
        objective: f64,
        gradient: &Point,
    ) -> Option<f64> {
        let slope = gradient.dot(step);
        let mut length = 1.0;
        for _ in 0..40 {
            let mut trial = at.clone();
            trial.add_scaled(length, step);
            let reached = self.objective(&trial, &(scores + &(change * length)));
            if reached <= objective + 1e-4 * length * slope {
                return Some(length);
            }
            length *= 0.5;
        }
        None
    }
}

/// The log loss of one row.
fn row_loss(scores: ArrayView1<'_, f64>, target: ArrayView1<'_, f64>) -> f64 {
    if scores.len() == 1 {
        let z = scores[0];
        return z.max(0.0) + (-z.abs()).exp().ln_1p() - target[0] * z;
    }
    let top = scores.fold(f64::NEG_INFINITY, |m, &v| m.max(v));
    top + scores.mapv(|z| (z - top).exp()).sum().ln() - scores.dot(&target)
}

/// The logistic function of each score (one output) or each row's softmax (more).
pub(crate) fn probabilities(scores: &Array2<f64>) -> Array2<f64> {
    if scores.ncols() == 1 {
        return scores.mapv(|z| 1.0 / (1.0 + (-z).exp()));
    }
    let mut shares = scores.clone();
    for mut row in shares.outer_iter_mut() {
        let top = row.fold(f64::NEG_INFINITY, |m, &v| m.max(v));
        row.mapv_inplace(|z| (z - top).exp());
        let total = row.sum();
        row /= total;
    }
    shares
}
