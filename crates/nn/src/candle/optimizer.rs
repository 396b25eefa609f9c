//! The optimisers' updates on tensors, over the flat parameters of all replicas at once.

use candle_core::{DType, Device, Result, Tensor};

use crate::Optimizer;

/// An optimiser and what it remembers from step to step.
pub(super) struct State {
    optimizer: Optimizer,
    /// SGD: the velocity. Adam: the mean gradient. ADADELTA: the mean squared gradient.
    first: Tensor,
    /// Adam: the mean squared gradient. ADADELTA: the mean squared update.
    second: Tensor,
    /// β₁ᵗ and β₂ᵗ after t steps, multiplied up, since `powi` may round differently from machine to machine.
    powers: (f64, f64),
}

impl State {
    /// Before the first step; `parameters` is replicas × parameters of each.
    pub(super) fn new(
        optimizer: Optimizer,
        parameters: (usize, usize),
        device: &Device,
    ) -> Result<Self> {
        let zeros = Tensor::zeros(parameters, DType::F32, device)?;
        Ok(State { optimizer, first: zeros.clone(), second: zeros, powers: (1.0, 1.0) })
    }

    /// The parameters after one step; all tensors are replicas × parameters. Formulas: see [`Optimizer`].
    pub(super) fn update(
        &mut self,
        parameters: &Tensor,
        gradient: &Tensor,
        learning_rate: f64,
    ) -> Result<Tensor> {
        match self.optimizer {
            Optimizer::Sgd { momentum, nesterov } => {
                let momentum = f64::from(momentum);
                if momentum == 0.0 {
                    return parameters.sub(&gradient.affine(learning_rate, 0.0)?);
                }
                self.first = self.first.affine(momentum, 0.0)?.add(gradient)?;
                let update = if nesterov {
                    gradient.add(&self.first.affine(momentum, 0.0)?)?
                } else {
                    self.first.clone()
                };
                parameters.sub(&update.affine(learning_rate, 0.0)?)
            }
            Optimizer::Adam { beta1, beta2, epsilon, weight_decay } => {
                self.first = mean(&self.first, gradient, f64::from(beta1))?;
                self.second = mean(&self.second, &gradient.sqr()?, f64::from(beta2))?;
                self.powers.0 *= f64::from(beta1);
                self.powers.1 *= f64::from(beta2);
                let scale = 1.0 / (1.0 - self.powers.1).sqrt();
                let spread = self.second.sqrt()?.affine(scale, f64::from(epsilon))?;
                let rate = learning_rate / (1.0 - self.powers.0);
                let kept = match f64::from(weight_decay) {
                    0.0 => parameters.clone(),
                    decay => parameters.affine(1.0 - learning_rate * decay, 0.0)?,
                };
                kept.sub(&self.first.div(&spread)?.affine(rate, 0.0)?)
            }
            Optimizer::Adadelta { rho, epsilon } => {
                let (rho, epsilon) = (f64::from(rho), f64::from(epsilon));
                self.first = mean(&self.first, &gradient.sqr()?, rho)?;
                let root = |squares: &Tensor| squares.affine(1.0, epsilon)?.sqrt();
                let update = root(&self.second)?.div(&root(&self.first)?)?.mul(gradient)?;
                self.second = mean(&self.second, &update.sqr()?, rho)?;
                parameters.sub(&update.affine(learning_rate, 0.0)?)
            }
        }
    }
}

/// The running mean: keep · old + (1 - keep) · new.
fn mean(old: &Tensor, new: &Tensor, keep: f64) -> Result<Tensor> {
    old.affine(keep, 0.0)?.add(&new.affine(1.0 - keep, 0.0)?)
}
