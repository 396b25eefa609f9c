//! The update rules against their equations in `f64`, over many steps.

use crate::nets::{self, batch, rng};
use nn::native::{Isa, NativeExecutor};
use nn::{Executor, Optimizer};

/// Two numbers of state per parameter, and the step count: one rule's equations as the papers print them.
fn update(rule: Optimizer, t: i32, rate: f64, g: f64, theta: f64, state: &mut [f64; 2]) -> f64 {
    let [a, b] = state;
    match rule {
        Optimizer::Sgd { momentum, nesterov } => {
            let momentum = f64::from(momentum);
            *a = momentum * *a + g;
            theta - rate * if nesterov { g + momentum * *a } else { *a }
        }
        Optimizer::Adam { beta1, beta2, epsilon, weight_decay } => {
            let (beta1, beta2) = (f64::from(beta1), f64::from(beta2));
            *a = beta1 * *a + (1.0 - beta1) * g;
            *b = beta2 * *b + (1.0 - beta2) * g * g;
            let mean = *a / (1.0 - beta1.powi(t));
            let square = *b / (1.0 - beta2.powi(t));
            let decayed = theta - rate * f64::from(weight_decay) * theta;
            decayed - rate * mean / (square.sqrt() + f64::from(epsilon))
        }
        Optimizer::Adadelta { rho, epsilon } => {
            let (rho, epsilon) = (f64::from(rho), f64::from(epsilon));
            *a = rho * *a + (1.0 - rho) * g * g;
            let d = (*b + epsilon).sqrt() / (*a + epsilon).sqrt() * g;
            *b = rho * *b + (1.0 - rho) * d * d;
            theta - rate * d
        }
    }
}

#[test]
fn forty_updates_follow_the_equations() {
    let rules = [
        Optimizer::Sgd { momentum: 0.0, nesterov: false },
        Optimizer::Sgd { momentum: 0.9, nesterov: false },
        Optimizer::Sgd { momentum: 0.9, nesterov: true },
        Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 },
        Optimizer::Adam { beta1: 0.8, beta2: 0.99, epsilon: 1e-3, weight_decay: 0.1 },
        Optimizer::Adadelta { rho: 0.9, epsilon: 1e-6 },
    ];
    let network = nets::small_cnn();
    for (rule, isa) in
        rules.into_iter().flat_map(|rule| Isa::available().into_iter().map(move |isa| (rule, isa)))
    {
        let mut rng = rng(4);
        let initial = nets::dyadic_parameters(&network, &mut rng);
        let mut expected: Vec<f64> = initial.iter().map(|&p| f64::from(p)).collect();
        let mut state = vec![[0.0; 2]; initial.len()];
        let mut native = NativeExecutor::new(&network, initial, rule, isa).unwrap();
        for t in 1..=40 {
            // A schedule: the rate changes from step to step.
            let rate = 1e-3 / t as f32;
            native.step(&batch(&network, 2, 0, &mut rng).borrow(), rate).unwrap();
            // The engine's own gradients: what is tested here is the update alone.
            for ((theta, &g), state) in expected.iter_mut().zip(native.gradients()).zip(&mut state)
            {
                *theta = update(rule, t, f64::from(rate), f64::from(g), *theta, state);
            }
        }
        for (&got, theta) in native.parameters().unwrap().iter().zip(&expected) {
            assert!((f64::from(got) - theta).abs() < 3e-7, "{rule:?}: {got} for {theta}");
        }
    }
}
