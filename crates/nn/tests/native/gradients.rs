//! Scores, loss and gradients of every layer against the reference.

use crate::nets::{self, batch, dyadic_parameters, rng};
use crate::reference;
use nn::native::{Isa, NativeExecutor};
use nn::{Dims, Executor, Layer, Network, Optimizer};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::Rng;

const PLAIN: Optimizer = Optimizer::Sgd { momentum: 0.0, nesterov: false };

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0f64, |most, value| most.max(value.abs()))
}

/// The largest difference, over the largest expected magnitude.
fn error(got: &[f32], expected: &[f64]) -> f64 {
    error_over(got, expected, largest(expected))
}

/// The largest difference, over `largest`.
fn error_over(got: &[f32], expected: &[f64], largest: f64) -> f64 {
    assert_eq!(got.len(), expected.len());
    let worst = got.iter().zip(expected).fold(0.0f64, |m, (&g, e)| m.max((f64::from(g) - e).abs()));
    assert!(got.iter().all(|g| g.is_finite()));
    if worst == 0.0 { 0.0 } else { worst / largest }
}

/// Compares one step on `isa` with the reference; returns the largest errors of scores and gradients.
fn compare(network: &Network, rows: usize, seed: u64, isa: Isa) -> (f64, f64) {
    let mut rng = rng(seed);
    let parameters = dyadic_parameters(network, &mut rng);
    let mut batch = batch(network, rows, -16, &mut rng);
    let exact: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    let mut native = NativeExecutor::new(network, parameters.clone(), PLAIN, isa).unwrap();
    let expected = reference::run(network, &exact, &batch.borrow());
    let loss = native.step(&batch.borrow(), 0.0).unwrap();
    assert!((f64::from(loss) - expected.loss).abs() <= 1e-5 * expected.loss.abs().max(1.0));
    // Normalisations take some of what the layer before learns away again, its bias whole: what then remains is the
    // rounding of larger numbers, and is held against those.
    let is_norm = |l: &Layer| matches!(l, Layer::BatchNorm { .. } | Layer::LayerNorm { .. });
    let normalised = network.layers().iter().any(is_norm);
    let floor = if normalised { 0.01 * largest(&expected.gradient) } else { 0.0 };
    let mut worst = 0.0f64;
    let mut at = 0;
    for i in 0..network.layers().len() {
        let (weights, biases) = network.layer_parameters(i);
        for len in [weights, biases] {
            let block = at..at + len;
            let (got, want) = (&native.gradients()[block.clone()], &expected.gradient[block]);
            worst = worst.max(error_over(got, want, largest(want).max(floor)));
            at += len;
        }
    }
    assert_eq!(native.parameters().unwrap(), parameters, "a rate of 0 changes nothing");
    let statistics = native.statistics().unwrap();
    worst = worst.max(error(&statistics, &expected.statistics));
    // At prediction, dropout does nothing, as with masks of ones, and the statistics are the running ones.
    batch.masks.iter_mut().for_each(|mask| mask.fill(1.0));
    let expected = reference::predict(network, &exact, &expected.statistics, &batch.borrow());
    let scores = error(&native.logits(&batch.inputs).unwrap(), &expected);
    (scores, worst)
}

/// A first convolution, the layer under test, something behind it, and a dense head: the first layer's gradient
/// tests the input gradient of the others.
pub(crate) fn any_network() -> impl Strategy<Value = Network> {
    let size = (1usize..=13, 1usize..=13);
    let conv = || (prop_oneof![Just(1usize), Just(3), Just(5), Just(7)], 1usize..=2, 0usize..=3);
    let channels = || prop_oneof![1usize..=64, Just(8), Just(16), Just(32)];
    let tail = 0usize..6;
    (
        size,
        (1usize..=4, channels(), channels(), 2usize..=100),
        (conv(), conv()),
        (tail, any::<bool>()),
    )
        .prop_filter_map(
            "kernels fit",
            |((height, width), (c0, c1, c2, classes), (a, b), (tail, relu))| {
                let conv = |channels, (kernel, stride, padding)| Layer::Conv {
                    channels,
                    kernel,
                    stride,
                    padding,
                };
                let mut layers = vec![conv(c1, a)];
                layers.extend(relu.then_some(Layer::Relu));
                layers.push(conv(c2, b));
                layers.extend(match tail {
                    0 => vec![],
                    1 => vec![Layer::Relu],
                    2 => vec![Layer::Relu, Layer::MaxPool { size: 2 }],
                    3 => vec![Layer::MaxPool { size: 3 }, Layer::Relu, Layer::Tanh],
                    4 => {
                        vec![Layer::AvgPool { size: 2 }, Layer::Relu, Layer::Dropout { rate: 0.3 }]
                    }
                    _ => {
                        vec![Layer::MaxPool { size: 2 }, Layer::Dropout { rate: 0.5 }, Layer::Relu]
                    }
                });
                layers.extend([Layer::Flatten, Layer::Dense { units: classes }]);
                Network::new(Dims { height, width, channels: c0 }, layers).ok()
            },
        )
}

/// Runs `test` on `cases` networks and numbers of rows, the same ones every time.
pub(crate) fn for_networks(
    cases: u32,
    strategy: impl Strategy<Value = Network>,
    test: impl Fn(&Network, usize, u64),
) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let rows = prop_oneof![Just(1usize), 2usize..=7, 8usize..=40];
    runner
        .run(&(strategy, rows, any::<u64>()), |(network, rows, seed)| {
            test(&network, rows, seed);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_convolution_agrees_with_the_reference() {
    let isa = *Isa::available().last().unwrap();
    for_networks(250, any_network(), |network, rows, seed| {
        let (scores, gradients) = compare(network, rows, seed, isa);
        assert!(scores <= 1e-5 && gradients <= 1e-5, "errors {scores:e}, {gradients:e}");
    });
}

#[test]
fn every_dense_network_agrees_with_the_reference() {
    let isa = *Isa::available().last().unwrap();
    let sizes = (1usize..=300, 1usize..=200, 1usize..=64, 2usize..=100, any::<bool>());
    let networks = sizes.prop_map(|(inputs, a, b, classes, tanh)| {
        let second = if tanh { Layer::Tanh } else { Layer::Relu };
        let layers = vec![
            Layer::Dense { units: a },
            Layer::Relu,
            Layer::Dropout { rate: 0.5 },
            Layer::Dense { units: b },
            second,
            Layer::Dropout { rate: 0.0 },
            Layer::Dense { units: classes },
        ];
        Network::new(Dims::flat(inputs), layers).unwrap()
    });
    for_networks(100, networks, |network, rows, seed| {
        let (scores, gradients) = compare(network, rows, seed, isa);
        assert!(scores <= 1e-5 && gradients <= 1e-5, "errors {scores:e}, {gradients:e}");
    });
}

#[test]
fn every_normalisation_agrees_with_the_reference() {
    let isa = *Isa::available().last().unwrap();
    let size = (2usize..=9, 2usize..=9, 1usize..=3);
    let widths = (1usize..=40, 1usize..=40, 5usize..=40, 2usize..=10);
    let networks = (size, widths, 0usize..4, any::<bool>()).prop_filter_map(
        "kernels fit",
        |((height, width, input), (a, b, units, classes), kind, pool)| {
            let norm = |i: usize| {
                if (kind >> i) & 1 == 0 { Layer::BATCH_NORM } else { Layer::LAYER_NORM }
            };
            let conv = |channels, padding| Layer::Conv { channels, kernel: 3, stride: 1, padding };
            let mut layers = vec![conv(a, 1), norm(0), Layer::Tanh, conv(b, 1), norm(1)];
            layers.push(if pool { Layer::AvgPool { size: 2 } } else { Layer::Tanh });
            layers.extend([Layer::Flatten, Layer::Dropout { rate: 0.4 }]);
            layers.extend([Layer::Dense { units }, norm(0), Layer::Tanh]);
            layers.push(Layer::Dense { units: classes });
            Network::new(Dims { height, width, channels: input }, layers).ok()
        },
    );
    for_networks(60, networks, |network, rows, seed| {
        // Of two rows, batch normalisation leaves the sign of their difference: no gradient to speak of.
        // Three in a row multiply what rounding leaves: some cases come to 2e-5.
        let (scores, gradients) = compare(network, rows + 5, seed, isa);
        assert!(scores <= 1e-5 && gradients <= 5e-5, "errors {scores:e}, {gradients:e}");
    });
}

#[test]
fn winograd_convolutions_agree_with_the_reference() {
    let isa = *Isa::available().last().unwrap();
    let shape = (1usize..=9, 1usize..=9, 16usize..=40, 16usize..=64, 0usize..=2, any::<bool>());
    let networks = shape.prop_filter_map("kernels fit", |(height, width, a, b, padding, pool)| {
        let conv = |channels, padding| Layer::Conv { channels, kernel: 3, stride: 1, padding };
        let mut layers = vec![
            Layer::Conv { channels: 16, kernel: 1, stride: 1, padding: 0 },
            conv(a, padding),
            Layer::Relu,
            conv(b, 1),
        ];
        layers.extend(pool.then_some(Layer::MaxPool { size: 2 }));
        layers.extend([Layer::Flatten, Layer::Dense { units: 3 }]);
        Network::new(Dims { height, width, channels: 2 }, layers).ok()
    });
    for_networks(100, networks, |network, rows, seed| {
        let (scores, gradients) = compare(network, rows, seed, isa);
        assert!(scores <= 1e-5 && gradients <= 1e-5, "errors {scores:e}, {gradients:e}");
    });
}

#[test]
fn winograd_rounds_little_off_the_dyadic_grid() {
    let conv = |channels, kernel| Layer::Conv { channels, kernel, stride: 1, padding: 0 };
    // Tanh and means only: nothing that a rounding could decide otherwise.
    let layers = vec![
        conv(32, 1),
        Layer::Tanh,
        conv(48, 3),
        Layer::Tanh,
        conv(64, 3),
        Layer::AvgPool { size: 2 },
        Layer::Flatten,
        Layer::Dense { units: 5 },
    ];
    let network = Network::new(Dims { height: 13, width: 10, channels: 3 }, layers).unwrap();
    let mut rng = rng(6);
    let dyadic = dyadic_parameters(&network, &mut rng);
    let parameters: Vec<f32> = dyadic.iter().map(|p| p * rng.random_range(0.5f32..1.0)).collect();
    let mut batch = batch(&network, 5, -16, &mut rng);
    batch.inputs.iter_mut().for_each(|x| *x *= rng.random_range(0.5f32..1.0));
    let exact: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    let expected = reference::run(&network, &exact, &batch.borrow());
    let isa = *Isa::available().last().unwrap();
    let mut native = NativeExecutor::new(&network, parameters, PLAIN, isa).unwrap();
    let scores = error(&native.logits(&batch.inputs).unwrap(), &expected.scores);
    native.step(&batch.borrow(), 0.0).unwrap();
    let gradient = error(native.gradients(), &expected.gradient);
    // Not exact either: then the grid would have hidden the rounding.
    assert!(
        scores > 0.0 && scores <= 1e-5 && gradient > 0.0 && gradient <= 1e-5,
        "{scores:e}, {gradient:e}"
    );
}

#[test]
fn whole_nets_agree_with_the_reference_on_every_instruction_set() {
    let nets = [(nets::mlp(), 32), (nets::small_cnn(), 7), (nets::beam_cnn(), 2)];
    for isa in Isa::available() {
        for (network, rows) in &nets {
            let (scores, gradients) = compare(network, *rows, 3, isa);
            assert!(scores <= 1e-5 && gradients <= 1e-5, "errors {scores:e}, {gradients:e}");
        }
    }
}

/// A batch that goes through the leading layers in several parts, the dropout behind them with it.
#[test]
fn parts_of_a_batch_agree_with_the_reference() {
    let isa = *Isa::available().last().unwrap();
    let (scores, gradients) = compare(&nets::beam_cnn(), 11, 5, isa);
    assert!(scores <= 1e-5 && gradients <= 1e-5, "errors {scores:e}, {gradients:e}");
}

#[test]
fn the_reference_agrees_with_central_differences() {
    let conv =
        |channels, kernel, stride, padding| Layer::Conv { channels, kernel, stride, padding };
    let layers = vec![
        conv(3, 3, 2, 1),
        Layer::BATCH_NORM,
        Layer::Tanh,
        conv(4, 3, 1, 1),
        Layer::LAYER_NORM,
        Layer::MaxPool { size: 2 },
        Layer::Dropout { rate: 0.5 },
        conv(2, 1, 1, 0),
        Layer::AvgPool { size: 2 },
        Layer::Flatten,
        Layer::Dense { units: 5 },
        Layer::Relu,
        Layer::LAYER_NORM,
        Layer::Dense { units: 4 },
        Layer::BATCH_NORM,
        Layer::Dense { units: 3 },
    ];
    let network = Network::new(Dims { height: 9, width: 11, channels: 2 }, layers).unwrap();
    let mut rng = rng(11);
    let batch = batch(&network, 3, -16, &mut rng);
    // Away from the dyadic grid there are no ties, where the loss has kinks.
    let mut parameters: Vec<f64> = dyadic_parameters(&network, &mut rng)
        .iter()
        .map(|&p| f64::from(p) + rng.random_range(-1e-2..1e-2))
        .collect();
    let gradient = reference::run(&network, &parameters, &batch.borrow()).gradient;
    let largest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
    for i in 0..parameters.len() {
        let (p, h) = (parameters[i], 1e-6);
        let mut loss = |p| {
            parameters[i] = p;
            reference::run(&network, &parameters, &batch.borrow()).loss
        };
        let difference = (loss(p + h) - loss(p - h)) / (2.0 * h);
        loss(p);
        assert!((difference - gradient[i]).abs() <= 1e-7 * largest.max(1.0), "parameter {i}");
    }
}
