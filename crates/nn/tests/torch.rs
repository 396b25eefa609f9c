//! Fifty training steps of three small nets under each optimiser, and of the normalised forms of two, against PyTorch's
//! losses, first gradients, running statistics and scores.
//!
//! `fixtures/torch.csv` is written by `scripts/fixtures/make_torch_fixtures.py` (PyTorch 2.15, in float64, from
//! the float32 starting values, data and masks that `uniform` below gives both sides).

use std::sync::atomic::AtomicBool;

use nn::{
    Batch, Device, Dims, Executor, Layer, Length, Network, Optimizer, Step, TrainData,
    TrainOptions, executor, train_observed,
};

const DEVICES: &[Device] = &[
    Device::Cpu,
    Device::CandleCpu,
    #[cfg(feature = "cuda")]
    Device::Cuda(0),
    #[cfg(feature = "metal")]
    Device::Metal(0),
];
const ROWS: usize = 40;
const BATCH: usize = 16;

/// The script's `uniform`: a hash of stream and index as a multiple of 2⁻²⁴ in [0, 1).
fn uniform(stream: u64, count: usize) -> Vec<f32> {
    let hash = |i: u64| {
        let mut x = (i * 2_654_435_761 + stream * 40_503) as u32;
        for _ in 0..2 {
            x ^= x >> 16;
            x = x.wrapping_mul(0x45D_9F3B);
        }
        x ^= x >> 16;
        (x >> 8) as f32 / 16_777_216.0
    };
    (0..count as u64).map(hash).collect()
}

fn signed(stream: u64, count: usize) -> Vec<f32> {
    uniform(stream, count).into_iter().map(|u| u * 2.0 - 1.0).collect()
}

/// The script's starting parameters.
fn initial(network: &Network) -> Vec<f32> {
    let mut parameters = Vec::new();
    let mut stream = 10;
    for i in 0..network.layers().len() {
        let (weights, biases) = network.layer_parameters(i);
        if let Layer::BatchNorm { .. } | Layer::LayerNorm { .. } = network.layers()[i] {
            parameters.extend(signed(stream, weights).iter().map(|v| 1.0 + 0.25 * v));
            parameters.extend(signed(stream + 1, biases).iter().map(|v| 0.25 * v));
            stream += 2;
        } else if weights > 0 {
            let bound = (1.0 / ((weights / biases) as f64).sqrt()) as f32;
            parameters.extend(signed(stream, weights).iter().map(|v| v * bound));
            parameters.extend(signed(stream + 1, biases).iter().map(|v| v * bound));
            stream += 2;
        }
    }
    parameters
}

/// The script's data: sparse rows whose class brightens every third column.
fn data(columns: usize) -> (Vec<f32>, Vec<u32>) {
    let labels: Vec<u32> = (0..ROWS as u32).map(|row| row % 3).collect();
    let noise = signed(1, ROWS * columns);
    let value = |(at, noise): (usize, &f32)| {
        let bright = (at % columns) % 3 == (at / columns) % 3;
        noise.max(0.0) + if bright { 0.25 } else { 0.0 }
    };
    (noise.iter().enumerate().map(value).collect(), labels)
}

/// The script's masks of a step.
fn masks(network: &Network, step: usize) -> Vec<Vec<f32>> {
    (network.layers().iter().enumerate())
        .filter(|(_, layer)| matches!(layer, Layer::Dropout { .. }))
        .enumerate()
        .map(|(i, (at, _))| {
            let draws = uniform((100 + 2 * step + i) as u64, BATCH * network.dims(at).len());
            draws.iter().map(|u| if *u >= 0.5 { 2.0 } else { 0.0 }).collect()
        })
        .collect()
}

fn mlp() -> Network {
    let dropout = Layer::Dropout { rate: 0.5 };
    let dense = |units| Layer::Dense { units };
    let layers = vec![dense(16), Layer::Relu, dropout, dense(16), Layer::Tanh, dropout, dense(3)];
    Network::new(Dims::flat(24), layers).unwrap()
}

fn cnn() -> Network {
    let conv = |channels| Layer::Conv { channels, kernel: 3, stride: 1, padding: 0 };
    let pool = Layer::MaxPool { size: 2 };
    let blocks = [conv(4), Layer::Relu, pool, conv(6), Layer::Relu, pool];
    let layers = [&blocks[..], &[Layer::Flatten, Layer::Dense { units: 3 }]].concat();
    Network::new(Dims { height: 14, width: 13, channels: 1 }, layers).unwrap()
}

/// A kernel of 5 with stride and padding, a convolution that the native engine does by Winograd's way, an average pool.
fn strided() -> Network {
    let conv = |kernel, stride| Layer::Conv { channels: 16, kernel, stride, padding: kernel / 2 };
    let layers = vec![
        conv(5, 2),
        Layer::Relu,
        conv(3, 1),
        Layer::Tanh,
        Layer::AvgPool { size: 2 },
        Layer::Flatten,
        Layer::Dense { units: 3 },
    ];
    Network::new(Dims { height: 14, width: 13, channels: 1 }, layers).unwrap()
}

/// `network` with `norm` behind each layer with weights but the last.
fn normalised(network: &Network, norm: Layer) -> Network {
    let mut layers = network.layers().to_vec();
    let last = layers.len() - 1;
    for i in (0..last).rev() {
        if network.layer_parameters(i).0 > 0 {
            layers.insert(i + 1, norm);
        }
    }
    Network::new(network.input(), layers).unwrap()
}

/// The four normalised nets with the script's names for them.
fn all_normalised() -> [(&'static str, Network); 4] {
    [
        ("mlp-batch", normalised(&mlp(), Layer::BATCH_NORM)),
        ("mlp-layer", normalised(&mlp(), Layer::LAYER_NORM)),
        ("cnn-batch", normalised(&cnn(), Layer::BATCH_NORM)),
        ("cnn-layer", normalised(&cnn(), Layer::LAYER_NORM)),
    ]
}

/// The script's optimisers with their learning rates.
fn optimizers() -> [(&'static str, Optimizer, f32); 6] {
    let sgd = |momentum, nesterov| Optimizer::Sgd { momentum, nesterov };
    let adam =
        |weight_decay| Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay };
    [
        ("sgd", sgd(0.0, false), 0.1),
        ("sgd-momentum", sgd(0.9, false), 0.05),
        ("sgd-nesterov", sgd(0.9, true), 0.05),
        ("adam", adam(0.0), 0.01),
        ("adamw", adam(0.1), 0.01),
        ("adadelta", Optimizer::Adadelta { rho: 0.95, epsilon: 1e-6 }, 1.0),
    ]
}

/// One step of training on the script's batch for it.
fn step(executor: &mut dyn Executor, network: &Network, number: usize, rate: f32) -> f32 {
    let columns = network.input().len();
    let (inputs, labels) = data(columns);
    let rows: Vec<usize> = (0..BATCH).map(|i| (number * BATCH + i) % ROWS).collect();
    let inputs: Vec<f32> =
        rows.iter().flat_map(|row| &inputs[row * columns..(row + 1) * columns]).copied().collect();
    let labels: Vec<u32> = rows.iter().map(|&row| labels[row]).collect();
    let masks = masks(network, number);
    let batch = Batch { inputs: &inputs, labels: &labels, masks: &masks };
    executor.step(&batch, rate).unwrap()
}

/// PyTorch's numbers: a series of the net called `name`.
fn fixture(name: &str, series: &str) -> Vec<f64> {
    let prefix = format!("{name},{series},");
    let lines = include_str!("fixtures/torch.csv").lines();
    let values: Vec<f64> = lines
        .filter_map(|line| line.strip_prefix(&prefix)?.split_once(','))
        .enumerate()
        .map(|(i, (index, value))| {
            assert_eq!(index.parse(), Ok(i), "{name}, {series}");
            value.parse().unwrap()
        })
        .collect();
    assert!(!values.is_empty(), "{name}, {series}");
    values
}

/// Losses within `tolerance` of PyTorch's: single precision from start to end, whose rounding grows over the steps.
fn check_losses(name: &str, network: &Network, tolerance: f64) {
    for (label, optimizer, rate) in optimizers() {
        for &device in DEVICES {
            trained(name, network, (label, optimizer, rate), device, tolerance);
        }
    }
}

/// An executor after the fifty steps, each loss within `tolerance` of PyTorch's.
fn trained(
    name: &str,
    network: &Network,
    (label, optimizer, rate): (&str, Optimizer, f32),
    device: Device,
    tolerance: f64,
) -> Box<dyn Executor> {
    let expected = fixture(name, label);
    assert_eq!(expected.len(), 50);
    let mut executor = executor(network, &initial(network), optimizer, device).unwrap();
    for (number, want) in expected.iter().enumerate() {
        let got = f64::from(step(executor.as_mut(), network, number, rate));
        assert!(
            (got - want).abs() <= tolerance * want,
            "{name} on {device}, {label}, step {number}: {got} for {want}"
        );
    }
    executor
}

/// The script's scores of all rows, and its running statistics, after the fifty steps.
fn check_prediction(name: &str, network: &Network, executor: &mut dyn Executor, device: Device) {
    let (inputs, _) = data(network.input().len());
    let statistics = executor.statistics().unwrap();
    if name.ends_with("layer") {
        assert!(statistics.is_empty());
    } else {
        close(&statistics, &fixture(name, "statistics"), &format!("{name} on {device}, statistic"));
    }
    let scores = executor.logits(&inputs).unwrap();
    close(&scores, &fixture(name, "scores"), &format!("{name} on {device}, score"));
}

fn close(got: &[f32], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (&got, want)) in got.iter().zip(expected).enumerate() {
        let off = (f64::from(got) - want).abs();
        assert!(off <= 1e-4 * (1.0 + want.abs()), "{what} {i}: {got} for {want}");
    }
}

fn check_gradient(name: &str, network: &Network) {
    let expected = fixture(name, "gradient");
    assert_eq!(expected.len(), network.parameter_count());
    let size = expected.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
    for &device in DEVICES {
        let before = initial(network);
        let plain = Optimizer::Sgd { momentum: 0.0, nesterov: false };
        let mut executor = executor(network, &before, plain, device).unwrap();
        step(executor.as_mut(), network, 0, 1.0);
        let after = executor.parameters().unwrap();
        for (i, want) in expected.iter().enumerate() {
            let got = f64::from(before[i]) - f64::from(after[i]);
            let allowed = 1e-5 * want.abs() + 1e-5 * size;
            assert!((got - want).abs() <= allowed, "{name} on {device}, {i}: {got} for {want}");
        }
    }
}

/// The whole loop: streams, initialisation, order of examples, the smaller last batch, dropout and Adam.
#[test]
fn the_training_loop_is_the_documented_one() {
    let expected = fixture("mlp", "loop");
    let mut layers = mlp().layers().to_vec();
    layers[5] = Layer::Dropout { rate: 0.2 };
    let network = Network::new(mlp().input(), layers).unwrap();
    let options = TrainOptions {
        learning_rate: 0.01,
        batch_size: BATCH,
        length: Length::Epochs(20),
        ..TrainOptions::default()
    };
    let (inputs, labels) = data(24);
    let data = TrainData { inputs: &inputs, labels: &labels };
    for &device in DEVICES {
        let mut losses = Vec::new();
        let mut observe = |step: Step| losses.push(f64::from(step.loss));
        let never = AtomicBool::new(false);
        train_observed(&network, &options, data, 2_017, device, &never, &mut observe).unwrap();
        assert_eq!(losses.len(), expected.len());
        for (number, (got, want)) in losses.iter().zip(&expected).enumerate() {
            assert!((got - want).abs() <= 2e-5 * want, "{device}, step {number}: {got} for {want}");
        }
    }
}

#[test]
fn perceptron_losses_are_pytorch_s() {
    check_losses("mlp", &mlp(), 2e-5);
}

#[test]
fn convolutional_losses_are_pytorch_s() {
    check_losses("cnn", &cnn(), 2e-5);
    check_losses("strided", &strided(), 1e-4);
}

#[test]
fn normalised_nets_are_pytorch_s_in_training_and_at_prediction() {
    let [_, momentum, _, adam, ..] = optimizers();
    for (name, network) in all_normalised() {
        for &device in DEVICES {
            // A normalisation divides by small deviations, which multiplies rounding.
            trained(name, &network, adam, device, 1e-3);
            let mut executor = trained(name, &network, momentum, device, 1e-4);
            check_prediction(name, &network, executor.as_mut(), device);
        }
    }
}

#[test]
fn first_gradients_are_pytorch_s() {
    check_gradient("mlp", &mlp());
    check_gradient("cnn", &cnn());
    check_gradient("strided", &strided());
    for (name, network) in all_normalised() {
        check_gradient(name, &network);
    }
}
