//! Laplace's approximation for one class against the rest: mode, evidence, its gradient, and probabilities.
//!
//! Rasmussen and Williams (2006), algorithms 3.1 (mode), 5.1 (evidence) and 3.2 (prediction).

use ndarray::{Array1, Array2, Axis, Zip};

use super::Kernel;
use crate::cholesky::Cholesky;
use crate::classifier::FitError;

/// The training data of one class against the rest.
pub(super) struct Laplace<'a> {
    /// Squared distances between training rows.
    squares: &'a Array2<f64>,
    /// 1 for rows of the class, 0 for others.
    targets: Array1<f64>,
}

/// The evidence's logarithm and its derivatives by ln σ² and ln ℓ.
pub(super) struct Evidence {
    pub(super) value: f64,
    pub(super) gradient: [f64; 2],
}

/// The mode of the posterior, and what was computed on the way.
pub(super) struct Mode {
    /// K⁻¹ f.
    weights: Array1<f64>,
    /// P(class) at f.
    shares: Array1<f64>,
    /// √(π (1 - π)).
    roots: Array1<f64>,
    /// Of I + W^½ K W^½.
    factor: Cholesky,
    log_evidence: f64,
}

/// Newton steps at most; fewer than ten are usual.
const MAX_STEPS: usize = 100;
/// Stop when the log posterior rises by less.
const TOLERANCE: f64 = 1e-10;

impl<'a> Laplace<'a> {
    pub(super) fn new(squares: &'a Array2<f64>, targets: Array1<f64>) -> Self {
        Laplace { squares, targets }
    }

    /// The number of training rows.
    pub(super) fn rows(&self) -> usize {
        self.targets.len()
    }

    /// K: rows × rows.
    pub(super) fn kernel(&self, kernel: Kernel) -> Array2<f64> {
        let n = self.squares.nrows();
        let mut k = Array2::zeros((n, n));
        for i in 0..n {
            for j in 0..=i {
                let value = kernel.at(self.squares[[i, j]]);
                k[[i, j]] = value;
                k[[j, i]] = value;
            }
        }
        k
    }

    /// The mode under `k` by Newton's method, from the weights `start`.
    pub(super) fn mode(&self, k: &Array2<f64>, start: &Array1<f64>) -> Result<Mode, FitError> {
        let diverged = || FitError::Diverged("the posterior's mode was not found".to_owned());
        let mut weights = start.clone();
        let mut f = k.dot(&weights);
        let mut height = self.log_posterior(&weights, &f);
        let flat = Array1::zeros(weights.len());
        let at_zero = self.log_posterior(&flat, &flat);
        if !height.is_finite() || height < at_zero {
            (weights, f, height) = (flat.clone(), flat, at_zero);
        }
        for _ in 0..MAX_STEPS {
            let (shares, roots, factor) = self.curvature(k, &f).ok_or_else(diverged)?;
            // Lines 5 to 8 of algorithm 3.1.
            let b = &roots * &roots * &f + &self.targets - &shares;
            let mut inner = (&roots * &k.dot(&b)).insert_axis(Axis(1));
            factor.solve(&mut inner);
            let step = &b - &(&roots * &inner.index_axis(Axis(1), 0)) - &weights;
            let change = k.dot(&step);
            let Some((length, reached)) = self.climb(&weights, &f, &step, &change, height) else {
                return Ok(self.at_mode(weights, &f, shares, roots, factor));
            };
            weights.scaled_add(length, &step);
            f.scaled_add(length, &change);
            let risen = reached - height;
            height = reached;
            if risen < TOLERANCE {
                let (shares, roots, factor) = self.curvature(k, &f).ok_or_else(diverged)?;
                return Ok(self.at_mode(weights, &f, shares, roots, factor));
            }
        }
        Err(diverged())
    }

    fn at_mode(
        &self,
        weights: Array1<f64>,
        f: &Array1<f64>,
        shares: Array1<f64>,
        roots: Array1<f64>,
        factor: Cholesky,
    ) -> Mode {
        let log_evidence = self.log_posterior(&weights, f) - factor.half_log_determinant();
        Mode { weights, shares, roots, factor, log_evidence }
    }

    /// ln p(y | f) - ½ fᵀ K⁻¹ f, with K⁻¹ f = `weights`.
    fn log_posterior(&self, weights: &Array1<f64>, f: &Array1<f64>) -> f64 {
        let mut sum = -0.5 * weights.dot(f);
        for (&f, &target) in f.iter().zip(&self.targets) {
            let margin = if target > 0.5 { f } else { -f };
            // ln(1 / (1 + e^-margin)) without overflow.
            sum -= libm::log1p(libm::exp(-margin.abs())) + (-margin).max(0.0);
        }
        sum
    }

    /// π, √W and the factor of I + W^½ K W^½ at f.
    fn curvature(
        &self,
        k: &Array2<f64>,
        f: &Array1<f64>,
    ) -> Option<(Array1<f64>, Array1<f64>, Cholesky)> {
        let shares = f.mapv(|f| 1.0 / (1.0 + libm::exp(-f)));
        let roots = shares.mapv(|p| (p * (1.0 - p)).sqrt());
        let mut b = k.clone();
        for (i, mut row) in b.outer_iter_mut().enumerate() {
            let root = roots[i];
            Zip::from(&mut row).and(&roots).for_each(|b, other| *b *= root * other);
            row[i] += 1.0;
        }
        let factor = Cholesky::new(b)?;
        Some((shares, roots, factor))
    }

    /// The first of 1, ½, ¼, … that doesn't lower the log posterior, and what it reaches; `None` if rounding leaves none.
    fn climb(
        &self,
        weights: &Array1<f64>,
        f: &Array1<f64>,
        step: &Array1<f64>,
        change: &Array1<f64>,
        height: f64,
    ) -> Option<(f64, f64)> {
        let mut length = 1.0;
        for _ in 0..30 {
            let reached =
                self.log_posterior(&(weights + &(step * length)), &(f + &(change * length)));
            if reached >= height {
                return Some((length, reached));
            }
            length *= 0.5;
        }
        None
    }

    /// Algorithm 5.1 at the mode.
    pub(super) fn evidence(&self, kernel: Kernel, k: &Array2<f64>, mode: &Mode) -> Evidence {
        let inverse = mode.factor.inverse();
        // ½ (K⁻¹ + W)⁻¹_ii π (1 - π)(1 - 2π), where (K⁻¹ + W)⁻¹_ii W_ii = 1 - B⁻¹_ii.
        let mut thirds = Array1::zeros(k.nrows());
        for (i, third) in thirds.iter_mut().enumerate() {
            *third = -0.5 * (1.0 - inverse[[i, i]]) * (1.0 - 2.0 * mode.shares[i]);
        }
        let scale = 1.0 / (kernel.length * kernel.length);
        // Sums over all pairs for both derivatives, K and K ∘ squares / ℓ², at once.
        let n = k.nrows();
        let residual = &self.targets - &mode.shares;
        let (mut quadratic, mut trace) = ([0.0; 2], [0.0; 2]);
        let mut pulls = [Array1::<f64>::zeros(n), Array1::<f64>::zeros(n)];
        for i in 0..n {
            let (mut q, mut t, mut p) = ([0.0; 2], [0.0; 2], [0.0; 2]);
            for j in 0..n {
                let derivatives = [k[[i, j]], k[[i, j]] * self.squares[[i, j]] * scale];
                let r = mode.roots[j] * inverse[[i, j]];
                for (which, d) in derivatives.into_iter().enumerate() {
                    q[which] += d * mode.weights[j];
                    t[which] += d * r;
                    p[which] += d * residual[j];
                }
            }
            for which in 0..2 {
                quadratic[which] += q[which] * mode.weights[i];
                trace[which] += t[which] * mode.roots[i];
                pulls[which][i] = p[which];
            }
        }
        let mut gradient = [0.0; 2];
        for which in 0..2 {
            let pull = &pulls[which];
            let inner = &mode.roots * &inverse.dot(&(&mode.roots * pull));
            let moved = pull - &k.dot(&inner);
            gradient[which] = 0.5 * (quadratic[which] - trace[which]) + thirds.dot(&moved);
        }
        Evidence { value: mode.log_evidence, gradient }
    }
}

impl Mode {
    pub(super) fn log_evidence(&self) -> f64 {
        self.log_evidence
    }

    pub(super) fn weights(&self) -> &Array1<f64> {
        &self.weights
    }

    pub(super) fn posterior(self, kernel: Kernel) -> Posterior {
        Posterior { kernel, weights: self.weights, roots: self.roots, factor: self.factor }
    }
}

/// What predicts: the approximate posterior of the latent function.
pub(super) struct Posterior {
    kernel: Kernel,
    weights: Array1<f64>,
    roots: Array1<f64>,
    factor: Cholesky,
}

impl Posterior {
    /// The probability of the class for each column of `squares`, the squared distances to the training rows.
    pub(super) fn probabilities(&self, squares: &Array2<f64>) -> Array1<f64> {
        let mut k = squares.mapv(|square| self.kernel.at(square));
        let means = self.weights.dot(&k);
        for (mut row, root) in k.outer_iter_mut().zip(&self.roots) {
            row *= *root;
        }
        self.factor.solve_lower(&mut k);
        let mut variances = Array1::from_elem(means.len(), self.kernel.variance);
        for row in k.outer_iter() {
            Zip::from(&mut variances).and(&row).for_each(|v, x| *v -= x * x);
        }
        Zip::from(&means).and(&variances).map_collect(|&mean, &v| average(mean, v.max(0.0)))
    }
}

/// The logistic function as a sum of error functions: λ and coefficients, as in scikit-learn (Williams and Barber,
/// "Bayesian classification with Gaussian processes", 1998, appendix A).
const ERRORS: [(f64, f64); 5] = [
    (0.41, -1854.8214151),
    (0.4, 3516.89893646),
    (0.37, 221.29346712),
    (0.44, 128.12323805),
    (0.39, -2010.49422654),
];

/// The mean of 1 / (1 + e^-f) for f ~ N(mean, variance).
fn average(mean: f64, variance: f64) -> f64 {
    let term = |(scale, weight): (f64, f64)| {
        weight * libm::erf(scale * mean / (1.0 + 2.0 * variance * scale * scale).sqrt())
    };
    (0.5 + 0.5 * ERRORS.into_iter().map(term).sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Five rows on a line, at 0, 1, 3, 4 and 7.
    fn squares() -> Array2<f64> {
        let x = [0.0f64, 1.0, 3.0, 4.0, 7.0];
        Array2::from_shape_fn((5, 5), |(i, j)| (x[i] - x[j]).powi(2))
    }

    fn evidence(kernel: Kernel) -> (Evidence, f64) {
        let squares = squares();
        let laplace = Laplace::new(&squares, array![0.0, 0.0, 1.0, 1.0, 0.0]);
        let k = laplace.kernel(kernel);
        let mode = laplace.mode(&k, &Array1::zeros(5)).unwrap();
        let found = laplace.evidence(kernel, &k, &mode);
        let squares = Array2::from_shape_fn((5, 1), |(i, _)| squares[[i, 0]]);
        (found, mode.posterior(kernel).probabilities(&squares)[0])
    }

    #[test]
    fn evidence_and_probability_are_those_of_scikit_learn() {
        // sklearn 1.9.1: GaussianProcessClassifier(ConstantKernel(2) * RBF(1.5), optimizer=None) on the rows above;
        // log_marginal_likelihood(theta, eval_gradient=True) and predict_proba([[0]]).
        let (found, p) = evidence(Kernel { variance: 2.0, length: 1.5 });
        let [value, by_variance, by_length, probability] =
            [-3.310467823467239, 0.08115726, -0.3959336, 0.31494305];
        assert!((found.value - value).abs() < 1e-7, "{}", found.value);
        let gradient = found.gradient;
        assert!((gradient[0] - by_variance).abs() < 1e-5, "{gradient:?}");
        assert!((gradient[1] - by_length).abs() < 1e-5, "{gradient:?}");
        assert!((p - probability).abs() < 1e-6, "{p}");
    }

    #[test]
    fn gradient_is_the_slope_of_the_evidence() {
        let at = |v: f64, l: f64| evidence(Kernel { variance: v.exp(), length: l.exp() }).0;
        let (v, l, h) = (1.2, 0.3, 1e-4);
        let gradient = at(v, l).gradient;
        let by_variance = (at(v + h, l).value - at(v - h, l).value) / (2.0 * h);
        let by_length = (at(v, l + h).value - at(v, l - h).value) / (2.0 * h);
        assert!((gradient[0] - by_variance).abs() < 1e-6, "{gradient:?} {by_variance}");
        assert!((gradient[1] - by_length).abs() < 1e-6, "{gradient:?} {by_length}");
    }

    #[test]
    fn averages_are_symmetric_and_shrink_with_doubt() {
        assert_eq!(average(0.0, 3.0), 0.5);
        assert!((average(1.3, 0.0) - 1.0 / (1.0 + (-1.3f64).exp())).abs() < 3e-4);
        assert!((average(2.0, 5.0) + average(-2.0, 5.0) - 1.0).abs() < 1e-12);
        assert!(average(2.0, 5.0) < average(2.0, 1.0));
    }
}
