//! Optimiser updates against values computed by hand from the published formulas.
//!
//! The net is one dense layer of a single input 1 to two classes, so that its gradient is known:
//! by the weights and by the biases alike, softmax(z) - target.

use nn::{Batch, Device, Dims, Layer, Network, Optimizer, executor};

/// Every executor that this machine can run.
const DEVICES: &[Device] = &[
    Device::Cpu,
    Device::CandleCpu,
    #[cfg(feature = "cuda")]
    Device::Cuda(0),
    #[cfg(feature = "metal")]
    Device::Metal(0),
];

/// Parameters after some steps, as a plain loop over the formula computes them in f64.
///
/// `update(state, gradient, t)` gives what is subtracted from one parameter at step t = 1, 2, …
fn by_hand(
    rates: &[f64],
    keep: impl Fn(f64) -> f64,
    update: impl Fn(&mut [f64; 2], f64, i32, f64) -> f64,
) -> Vec<f64> {
    let mut parameters: [f64; 4] = [0.3, -0.2, 0.1, 0.05];
    let mut states = [[0.0; 2]; 4];
    for (step, &rate) in rates.iter().enumerate() {
        let scores = [parameters[0] + parameters[2], parameters[1] + parameters[3]];
        let first = 1.0 / (1.0 + (scores[1] - scores[0]).exp());
        let gradient = [first - 1.0, 1.0 - first];
        for i in 0..4 {
            let change = update(&mut states[i], gradient[i % 2], step as i32 + 1, rate);
            parameters[i] = keep(rate) * parameters[i] - change;
        }
    }
    parameters.to_vec()
}

/// The same by an executor.
fn by_executor(optimizer: Optimizer, rates: &[f64], device: Device) -> Vec<f32> {
    let network = Network::new(Dims::flat(1), vec![Layer::Dense { units: 2 }]).unwrap();
    let mut executor = executor(&network, &[0.3, -0.2, 0.1, 0.05], optimizer, device).unwrap();
    for &rate in rates {
        let batch = Batch { inputs: &[1.0], labels: &[0], masks: &[] };
        executor.step(&batch, rate as f32).unwrap();
    }
    executor.parameters().unwrap()
}

fn check(optimizer: Optimizer, rates: &[f64], expected: &[f64]) {
    for &device in DEVICES {
        let got = by_executor(optimizer, rates, device);
        for (got, want) in got.iter().zip(expected) {
            let off = (f64::from(*got) - want).abs();
            assert!(off < 2e-6, "{device}, {optimizer:?}: {got} for {want}");
        }
    }
}

const RATES: [f64; 5] = [0.5, 0.5, 0.25, 1.0, 0.1];

#[test]
fn plain_gradient_descent() {
    let expected = by_hand(&RATES, |_| 1.0, |_, g, _, rate| rate * g);
    check(Optimizer::Sgd { momentum: 0.0, nesterov: false }, &RATES, &expected);
    // One step more explicitly: softmax of (.4, -.15) is .634136; the gradient of the first class -.365864.
    let one = by_hand(&[0.5], |_| 1.0, |_, g, _, rate| rate * g);
    assert!((one[0] - (0.3 + 0.5 * 0.365_864)).abs() < 1e-6, "{one:?}");
    assert!((one[3] - (0.05 - 0.5 * 0.365_864)).abs() < 1e-6, "{one:?}");
}

#[test]
fn momentum_and_nesterov() {
    let momentum = by_hand(
        &RATES,
        |_| 1.0,
        |s, g, _, rate| {
            s[0] = 0.9 * s[0] + g;
            rate * s[0]
        },
    );
    check(Optimizer::Sgd { momentum: 0.9, nesterov: false }, &RATES, &momentum);
    let nesterov = by_hand(
        &RATES,
        |_| 1.0,
        |s, g, _, rate| {
            s[0] = 0.9 * s[0] + g;
            rate * (g + 0.9 * s[0])
        },
    );
    check(Optimizer::Sgd { momentum: 0.9, nesterov: true }, &RATES, &nesterov);
    assert!((momentum[0] - nesterov[0]).abs() > 1e-3);
}

/// Adam's numbers: with `weight_decay` 0 plain, else AdamW.
fn adam(rates: &[f64], weight_decay: f64) -> Vec<f64> {
    let keep = |rate: f64| 1.0 - rate * weight_decay;
    by_hand(rates, keep, |s, g, t, rate| {
        s[0] = 0.9 * s[0] + 0.1 * g;
        s[1] = 0.999 * s[1] + 0.001 * g * g;
        let (mean, square) = (s[0] / (1.0 - 0.9_f64.powi(t)), s[1] / (1.0 - 0.999_f64.powi(t)));
        rate * mean / (square.sqrt() + 1e-8)
    })
}

#[test]
fn adam_and_decoupled_weight_decay() {
    let options =
        |weight_decay| Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay };
    let rates = RATES.map(|rate| rate / 10.0);
    check(options(0.0), &rates, &adam(&rates, 0.0));
    check(options(0.5), &rates, &adam(&rates, 0.5));
    // The first step of Adam is the learning rate, whatever the gradient.
    let first = adam(&[0.01], 0.0);
    assert!((first[0] - 0.31).abs() < 1e-8 && (first[3] - 0.04).abs() < 1e-8, "{first:?}");
}

#[test]
fn adadelta() {
    let expected = by_hand(
        &RATES,
        |_| 1.0,
        |s, g, _, rate| {
            s[0] = 0.95 * s[0] + 0.05 * g * g;
            let update = ((s[1] + 1e-6).sqrt() / (s[0] + 1e-6).sqrt()) * g;
            s[1] = 0.95 * s[1] + 0.05 * update * update;
            rate * update
        },
    );
    check(Optimizer::Adadelta { rho: 0.95, epsilon: 1e-6 }, &RATES, &expected);
}
