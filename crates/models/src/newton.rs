//! Newton's method for L2-penalised logistic and softmax regression.
//!
//! Minimises ½ λ ‖W‖² + Σ_i ℓ(y_i, X_i W + b) over weights W and unpenalised intercepts b. Each Newton step solves
//! its system by conjugate gradients on Hessian products (truncated Newton: Nocedal and Wright, "Numerical
//! Optimization", 2nd edition, algorithm 7.1), then halves it until the objective falls enough (Armijo).
//! With one output, ℓ is the binary log loss of the logistic function; with more, that of the softmax.

use ndarray::{Array1, Array2};

use crate::classifier::{FitContext, FitError};
use crate::wide;

/// Fitted parameters.
pub(crate) struct Solution {
    /// Columns × outputs.
    pub(crate) weights: Array2<f64>,
    /// One per output.
    pub(crate) intercepts: Array1<f64>,
}

/// Stop when no component of the gradient of the *mean* loss is larger; scikit-learn stops at 1e-4. Penalties below 1
/// leave the weights freer by as much, so it is multiplied by them, down to what rounding allows.
const GRADIENT_TOLERANCE: f64 = 2e-6;
const LEAST_TOLERANCE: f64 = 1e-10;
/// Larger penalties count as this: weights are then smaller than any score could show, and with more the intercepts
/// would drown in the rounding of the conjugate gradients.
const MOST_PENALTY: f64 = 1e100;
/// Newton steps; ten are usual, and the smallest penalties on separable classes take some dozens.
const MAX_STEPS: usize = 200;
/// Conjugate-gradient iterations in one Newton step.
const MAX_INNER: usize = 500;

/// The rows as a model sees them: `values` (rows × columns) less `shift`, which is never taken off them one by one.
#[derive(Clone, Copy)]
pub(crate) struct Design<'a, T> {
    pub(crate) values: &'a [T],
    pub(crate) rows: usize,
    /// Taken off every row; its length is the number of columns.
    pub(crate) shift: &'a [f64],
}

impl<T: Copy + Into<f64>> Design<'_, T> {
    /// The scores along `direction`, row after row.
    fn product(&self, direction: &Point) -> Vec<f64> {
        let columns = self.shift.len();
        if columns == 0 {
            return direction.intercepts.repeat(self.rows);
        }
        wide::products(self.values, columns, &direction.weights, &self.offsets(direction))
    }

    /// The scores along `direction`, changed row by row by `change`, drawn back to the parameters: a few rows at a time,
    /// while they are in the cache. `change` gets a row's number and its scores.
    fn there_and_back(
        &self,
        direction: &Point,
        outputs: usize,
        change: impl Fn(usize, &mut [f64]),
    ) -> Point {
        const ROWS: usize = 8;
        let columns = self.shift.len();
        if columns == 0 {
            let mut scores = self.product(direction);
            scores.chunks_exact_mut(outputs).enumerate().for_each(|(i, row)| change(i, row));
            return self.adjoint(&scores, outputs);
        }
        let mut out = Point::zero(columns, outputs);
        let offsets = self.offsets(direction);
        for (block, values) in self.values.chunks(ROWS * columns).enumerate() {
            let mut scores = wide::products(values, columns, &direction.weights, &offsets);
            for (i, row) in scores.chunks_exact_mut(outputs).enumerate() {
                change(block * ROWS + i, row);
                out.intercepts.iter_mut().zip(row).for_each(|(sum, r)| *sum += *r);
            }
            wide::add_transposed(values, columns, &scores, &mut out.weights);
        }
        self.take_shift_off(&mut out);
        out
    }

    /// What the shift and the intercepts of `direction` add to every row's scores.
    fn offsets(&self, direction: &Point) -> Vec<f64> {
        let weights = direction.weights.chunks_exact(self.shift.len());
        let pairs = weights.zip(&direction.intercepts);
        pairs.map(|(weights, intercept)| intercept - inner(weights, self.shift)).collect()
    }

    /// What the shift takes off sums of rows whose scales sum to the intercepts of `out`.
    fn take_shift_off(&self, out: &mut Point) {
        for (weights, sum) in out.weights.chunks_exact_mut(self.shift.len()).zip(&out.intercepts) {
            weights.iter_mut().zip(self.shift).for_each(|(weight, shift)| *weight -= shift * sum);
        }
    }

    /// Every row's `residual` (rows × outputs) drawn back to the parameters.
    fn adjoint(&self, residual: &[f64], outputs: usize) -> Point {
        let mut out = Point::zero(self.shift.len(), outputs);
        for row in residual.chunks_exact(outputs) {
            out.intercepts.iter_mut().zip(row).for_each(|(sum, r)| *sum += r);
        }
        if self.shift.is_empty() {
            return out;
        }
        wide::add_transposed(self.values, self.shift.len(), residual, &mut out.weights);
        self.take_shift_off(&mut out);
        out
    }
}

/// Σ a_j b_j.
fn inner(a: &[f64], b: &[f64]) -> f64 {
    wide::dots([a; 4], b)[0]
}

/// Minimises the objective for the rows of `x` and `targets` (rows × outputs: 0 or 1; one output for two classes).
///
/// # Errors
/// [`FitError::Diverged`] if the parameters stop being finite, [`FitError::Stopped`] when asked to.
pub(crate) fn minimise<T: Copy + Into<f64>>(
    x: Design<'_, T>,
    targets: &Array2<f64>,
    penalty: f64,
    context: &FitContext<'_>,
) -> Result<Solution, FitError> {
    let (columns, outputs) = (x.shift.len(), targets.ncols());
    let targets = targets.as_standard_layout();
    let Some(targets) = targets.as_slice() else { unreachable!("in standard layout") };
    let problem = Problem { x, targets, outputs, penalty: penalty.min(MOST_PENALTY) };
    let mut at = Point::zero(columns, outputs);
    let mut scores = vec![0.0; targets.len()];
    let mut objective = problem.objective(&at, &scores);
    let mean_tolerance = (GRADIENT_TOLERANCE * penalty.min(1.0)).max(LEAST_TOLERANCE);
    let tolerance = mean_tolerance * x.rows as f64;
    let mut first_norm = None;
    for _ in 0..MAX_STEPS {
        context.check()?;
        let shares = problem.shares(&scores);
        let gradient = problem.gradient(&at, &shares);
        if gradient.max_abs() <= tolerance {
            break;
        }
        let norm = gradient.dot(&gradient).sqrt();
        let forcing = (norm / *first_norm.get_or_insert(norm)).sqrt().min(0.1);
        // There is no use in solving for a step more exactly than the gradient is wanted.
        let enough = (forcing * norm).max(0.5 * tolerance);
        let step = problem.newton_step(&shares, &gradient, enough);
        let change = x.product(&step);
        let Some(length) = problem.line_search(&at, &step, &scores, &change, objective, &gradient)
        else {
            break; // rounding: the objective can't fall any further
        };
        at.add_scaled(length, &step);
        scores.iter_mut().zip(&change).for_each(|(score, change)| *score += length * change);
        objective = problem.objective(&at, &scores);
    }
    if !objective.is_finite() {
        return Err(FitError::Diverged("the logistic loss is not finite".to_owned()));
    }
    Ok(at.into_solution(columns))
}

/// A value for every parameter: a point, a direction or a gradient.
#[derive(Clone)]
struct Point {
    /// Outputs × columns.
    weights: Vec<f64>,
    intercepts: Vec<f64>,
}

impl Point {
    fn zero(columns: usize, outputs: usize) -> Self {
        Point { weights: vec![0.0; columns * outputs], intercepts: vec![0.0; outputs] }
    }

    fn dot(&self, other: &Point) -> f64 {
        inner(&self.weights, &other.weights) + inner(&self.intercepts, &other.intercepts)
    }

    fn add_scaled(&mut self, scale: f64, other: &Point) {
        let all = self.weights.iter_mut().chain(&mut self.intercepts);
        all.zip(other.weights.iter().chain(&other.intercepts)).for_each(|(a, b)| *a += scale * b);
    }

    fn max_abs(&self) -> f64 {
        self.weights.iter().chain(&self.intercepts).fold(0.0, |m, v| m.max(v.abs()))
    }

    fn into_solution(self, columns: usize) -> Solution {
        let outputs = self.intercepts.len();
        let weights = Array2::from_shape_vec((outputs, columns), self.weights)
            .unwrap_or_else(|_| unreachable!("outputs × columns"));
        let weights = weights.t().as_standard_layout().into_owned();
        Solution { weights, intercepts: Array1::from(self.intercepts) }
    }
}

struct Problem<'a, T> {
    x: Design<'a, T>,
    /// Rows × outputs.
    targets: &'a [f64],
    outputs: usize,
    penalty: f64,
}

impl<T: Copy + Into<f64>> Problem<'_, T> {
    /// The penalised loss of `at`, whose scores are given.
    fn objective(&self, at: &Point, scores: &[f64]) -> f64 {
        let rows = scores.chunks_exact(self.outputs).zip(self.targets.chunks_exact(self.outputs));
        let loss: f64 = rows.map(|(row, target)| row_loss(row, target)).sum();
        loss + 0.5 * self.penalty * inner(&at.weights, &at.weights)
    }

    /// Each row's class shares.
    fn shares(&self, scores: &[f64]) -> Vec<f64> {
        let mut shares = scores.to_vec();
        shares.chunks_exact_mut(self.outputs).for_each(to_shares);
        shares
    }

    /// The gradient at `at`, where the rows have class shares `shares`.
    fn gradient(&self, at: &Point, shares: &[f64]) -> Point {
        let residual: Vec<f64> = shares.iter().zip(self.targets).map(|(s, t)| s - t).collect();
        let mut gradient = self.x.adjoint(&residual, self.outputs);
        let pairs = gradient.weights.iter_mut().zip(&at.weights);
        pairs.for_each(|(gradient, weight)| *gradient += self.penalty * weight);
        gradient
    }

    /// The Hessian times `direction`.
    fn hessian_product(&self, shares: &[f64], direction: &Point) -> Point {
        let mut out = self.x.there_and_back(direction, self.outputs, |i, row| {
            let p = &shares[i * self.outputs..][..self.outputs];
            if let ([change], &[p]) = (&mut *row, p) {
                *change *= p * (1.0 - p);
                return;
            }
            let mean: f64 = row.iter().zip(p).map(|(c, p)| c * p).sum();
            row.iter_mut().zip(p).for_each(|(c, p)| *c = p * (*c - mean));
        });
        let pairs = out.weights.iter_mut().zip(&direction.weights);
        pairs.for_each(|(out, weight)| *out += self.penalty * weight);
        out
    }

    /// Conjugate gradients on H s = -g from s = 0, until the residual's norm is at most `tolerance`.
    fn newton_step(&self, shares: &[f64], gradient: &Point, tolerance: f64) -> Point {
        let mut step = Point::zero(self.x.shift.len(), self.outputs);
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
        scores: &[f64],
        change: &[f64],
        objective: f64,
        gradient: &Point,
    ) -> Option<f64> {
        let slope = gradient.dot(step);
        let mut length = 1.0;
        for _ in 0..40 {
            let mut trial = at.clone();
            trial.add_scaled(length, step);
            let along = scores.iter().zip(change).map(|(score, change)| score + length * change);
            let reached = self.objective(&trial, &along.collect::<Vec<f64>>());
            if reached <= objective + 1e-4 * length * slope {
                return Some(length);
            }
            length *= 0.5;
        }
        None
    }
}

/// The log loss of one row.
fn row_loss(scores: &[f64], target: &[f64]) -> f64 {
    if let (&[z], &[target]) = (scores, target) {
        return z.max(0.0) + libm::log1p(libm::exp(-z.abs())) - target * z;
    }
    let top = scores.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(v));
    let total: f64 = scores.iter().map(|z| libm::exp(z - top)).sum();
    top + libm::log(total) - scores.iter().zip(target).map(|(z, t)| z * t).sum::<f64>()
}

/// The logistic function of each score (one output) or each row's softmax (more).
pub(crate) fn probabilities(scores: &Array2<f64>) -> Array2<f64> {
    let mut shares = scores.as_standard_layout().into_owned();
    for mut row in shares.outer_iter_mut() {
        if let Some(row) = row.as_slice_mut() {
            to_shares(row);
        }
    }
    shares
}

/// Turns the scores of one row into class shares.
fn to_shares(row: &mut [f64]) {
    if let [z] = row {
        *z = 1.0 / (1.0 + libm::exp(-*z));
        return;
    }
    let top = row.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(v));
    row.iter_mut().for_each(|z| *z = libm::exp(*z - top));
    let total: f64 = row.iter().sum();
    row.iter_mut().for_each(|share| *share /= total);
}
