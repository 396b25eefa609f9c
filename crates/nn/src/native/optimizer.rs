//! The update rules of [`Optimizer`], fused into one pass over the flat parameter vector.

use super::Isa;
use super::elementwise::each_vector;
use super::simd::{Kernel, Simd};
use crate::Optimizer;

/// An update rule and its state for each parameter.
#[derive(Debug)]
pub(super) struct OptimizerState {
    rule: Optimizer,
    /// Velocity, mean gradient, or mean squared gradient; empty where the rule needs none.
    first: Vec<f32>,
    /// Mean squared gradient (Adam), or mean squared update (ADADELTA).
    second: Vec<f32>,
    /// β₁ᵗ and β₂ᵗ after t steps.
    powers: (f64, f64),
}

impl OptimizerState {
    /// Fresh state for `parameters` values.
    pub(super) fn new(rule: Optimizer, parameters: usize) -> Self {
        let (first, second) = match rule {
            Optimizer::Sgd { momentum: 0.0, .. } => (0, 0),
            Optimizer::Sgd { .. } => (parameters, 0),
            Optimizer::Adam { .. } | Optimizer::Adadelta { .. } => (parameters, parameters),
        };
        let (first, second) = (vec![0.0; first], vec![0.0; second]);
        OptimizerState { rule, first, second, powers: (1.0, 1.0) }
    }

    /// One update of `parameters` by `gradients`.
    pub(super) fn step(&mut self, isa: Isa, parameters: &mut [f32], gradients: &[f32], rate: f32) {
        match self.rule {
            Optimizer::Sgd { momentum: 0.0, .. } => {
                isa.run(Descent { parameters, gradients, rate });
            }
            Optimizer::Sgd { momentum, nesterov } => {
                let velocity = &mut self.first[..];
                isa.run(Momentum { parameters, gradients, velocity, rate, momentum, nesterov });
            }
            Optimizer::Adam { beta1, beta2, epsilon, weight_decay } => {
                self.powers.0 *= f64::from(beta1);
                self.powers.1 *= f64::from(beta2);
                isa.run(Adam {
                    parameters,
                    gradients,
                    mean: &mut self.first,
                    square: &mut self.second,
                    beta1,
                    beta2,
                    epsilon,
                    rate: (f64::from(rate) / (1.0 - self.powers.0)) as f32,
                    root_scale: (1.0 / (1.0 - self.powers.1).sqrt()) as f32,
                    shrink: (1.0 - f64::from(rate) * f64::from(weight_decay)) as f32,
                });
            }
            Optimizer::Adadelta { rho, epsilon } => {
                let (square, update) = (&mut self.first[..], &mut self.second[..]);
                isa.run(Adadelta { parameters, gradients, square, update, rate, rho, epsilon });
            }
        }
    }
}

/// θ ← θ - rate · g.
struct Descent<'a> {
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    rate: f32,
}

impl Kernel for Descent<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        assert_eq!(self.parameters.len(), self.gradients.len());
        let rate = simd.splat(-self.rate);
        let (theta, g) = (self.parameters.as_mut_ptr(), self.gradients.as_ptr());
        each_vector!(simd: S, self.parameters.len(), |at, count, PART| {
            // SAFETY: `at + count` is at most the common length.
            unsafe {
                let g = simd.load_if::<PART>(g.wrapping_add(at), count);
                let theta = theta.wrapping_add(at);
                let new = simd.fma(rate, g, simd.load_if::<PART>(theta, count));
                simd.store_if::<PART>(theta, new, count);
            }
        });
    }
}

/// v ← momentum · v + g; θ ← θ - rate · v, or with Nesterov's, θ - rate · (g + momentum · v).
struct Momentum<'a> {
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    velocity: &'a mut [f32],
    rate: f32,
    momentum: f32,
    nesterov: bool,
}

impl Kernel for Momentum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        assert_eq!(self.parameters.len(), self.gradients.len());
        assert_eq!(self.parameters.len(), self.velocity.len());
        let (rate, momentum) = (simd.splat(-self.rate), simd.splat(self.momentum));
        let (theta, g) = (self.parameters.as_mut_ptr(), self.gradients.as_ptr());
        let v = self.velocity.as_mut_ptr();
        each_vector!(simd: S, self.parameters.len(), |at, count, PART| {
            // SAFETY: `at + count` is at most the common length.
            unsafe {
                let g = simd.load_if::<PART>(g.wrapping_add(at), count);
                let (theta, v) = (theta.wrapping_add(at), v.wrapping_add(at));
                let velocity = simd.fma(momentum, simd.load_if::<PART>(v, count), g);
                simd.store_if::<PART>(v, velocity, count);
                let step = if self.nesterov { simd.fma(momentum, velocity, g) } else { velocity };
                let new = simd.fma(rate, step, simd.load_if::<PART>(theta, count));
                simd.store_if::<PART>(theta, new, count);
            }
        });
    }
}

/// Kingma & Ba 2015, algorithm 1: m ← β₁ m + (1-β₁) g; s ← β₂ s + (1-β₂) g²;
/// θ ← shrink · θ - rate · m / (root_scale · √s + ε), the corrections of bias folded into `rate` and `root_scale`.
struct Adam<'a> {
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    /// Learning rate / (1 - β₁ᵗ).
    rate: f32,
    /// 1 / √(1 - β₂ᵗ).
    root_scale: f32,
    /// 1 - learning rate · weight decay.
    shrink: f32,
}

impl Kernel for Adam<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        assert_eq!(self.parameters.len(), self.gradients.len());
        assert_eq!(self.parameters.len(), self.mean.len());
        assert_eq!(self.parameters.len(), self.square.len());
        let (beta1, rest1) = (simd.splat(self.beta1), simd.splat(1.0 - self.beta1));
        let (beta2, rest2) = (simd.splat(self.beta2), simd.splat(1.0 - self.beta2));
        let (rate, epsilon) = (simd.splat(-self.rate), simd.splat(self.epsilon));
        let (root_scale, shrink) = (simd.splat(self.root_scale), simd.splat(self.shrink));
        let (theta, g) = (self.parameters.as_mut_ptr(), self.gradients.as_ptr());
        let (mean, square) = (self.mean.as_mut_ptr(), self.square.as_mut_ptr());
        each_vector!(simd: S, self.parameters.len(), |at, count, PART| {
            // SAFETY: `at + count` is at most the common length.
            unsafe {
                let g = simd.load_if::<PART>(g.wrapping_add(at), count);
                let (theta, mean) = (theta.wrapping_add(at), mean.wrapping_add(at));
                let square = square.wrapping_add(at);
                let m = simd.mul(beta1, simd.load_if::<PART>(mean, count));
                let m = simd.fma(rest1, g, m);
                simd.store_if::<PART>(mean, m, count);
                let s = simd.mul(beta2, simd.load_if::<PART>(square, count));
                let s = simd.fma(simd.mul(rest2, g), g, s);
                simd.store_if::<PART>(square, s, count);
                let root = simd.fma(root_scale, simd.sqrt(s), epsilon);
                let kept = simd.mul(shrink, simd.load_if::<PART>(theta, count));
                let new = simd.add(kept, simd.div(simd.mul(rate, m), root));
                simd.store_if::<PART>(theta, new, count);
            }
        });
    }
}

/// Zeiler 2012, algorithm 1: s ← ρ s + (1-ρ) g²; d ← √(u + ε) / √(s + ε) · g; u ← ρ u + (1-ρ) d²; θ ← θ - rate · d.
struct Adadelta<'a> {
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    square: &'a mut [f32],
    update: &'a mut [f32],
    rate: f32,
    rho: f32,
    epsilon: f32,
}

impl Kernel for Adadelta<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        assert_eq!(self.parameters.len(), self.gradients.len());
        assert_eq!(self.parameters.len(), self.square.len());
        assert_eq!(self.parameters.len(), self.update.len());
        let (rho, rest) = (simd.splat(self.rho), simd.splat(1.0 - self.rho));
        let (rate, epsilon) = (simd.splat(-self.rate), simd.splat(self.epsilon));
        let (theta, g) = (self.parameters.as_mut_ptr(), self.gradients.as_ptr());
        let (square, update) = (self.square.as_mut_ptr(), self.update.as_mut_ptr());
        each_vector!(simd: S, self.parameters.len(), |at, count, PART| {
            // SAFETY: `at + count` is at most the common length.
            unsafe {
                let g = simd.load_if::<PART>(g.wrapping_add(at), count);
                let (theta, square) = (theta.wrapping_add(at), square.wrapping_add(at));
                let update = update.wrapping_add(at);
                let s = simd.mul(rho, simd.load_if::<PART>(square, count));
                let s = simd.fma(simd.mul(rest, g), g, s);
                simd.store_if::<PART>(square, s, count);
                let u = simd.load_if::<PART>(update, count);
                let top = simd.sqrt(simd.add(u, epsilon));
                let d = simd.mul(simd.div(top, simd.sqrt(simd.add(s, epsilon))), g);
                let u = simd.fma(simd.mul(rest, d), d, simd.mul(rho, u));
                simd.store_if::<PART>(update, u, count);
                let new = simd.fma(rate, d, simd.load_if::<PART>(theta, count));
                simd.store_if::<PART>(theta, new, count);
            }
        });
    }
}
