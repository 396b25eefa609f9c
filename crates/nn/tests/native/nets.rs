//! Networks, parameters and batches that the tests share; every draw comes from a seeded ChaCha8 stream.

use nn::{Batch, Dims, Layer, Network};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// 784-128-128-2, ReLU, dropout .5 behind each hidden layer.
pub(crate) fn mlp() -> Network {
    let hidden = [Layer::Dense { units: 128 }, Layer::Relu, Layer::Dropout { rate: 0.5 }];
    let layers = [&hidden[..], &hidden, &[Layer::Dense { units: 2 }]].concat();
    Network::new(Dims::flat(784), layers).unwrap()
}

/// The harness's default: conv5×5×8, conv5×5×16, each with ReLU and a 2 × 2 maximum, then dense.
pub(crate) fn small_cnn() -> Network {
    let block = |channels| {
        [
            Layer::Conv { channels, kernel: 5, stride: 1, padding: 0 },
            Layer::Relu,
            Layer::MaxPool { size: 2 },
        ]
    };
    let head = [Layer::Flatten, Layer::Dense { units: 2 }];
    let layers = [&block(8)[..], &block(16), &head].concat();
    Network::new(Dims { height: 28, width: 28, channels: 1 }, layers).unwrap()
}

/// Convolutions and a dense layer, each normalised by `norm`, with odd widths and enough channels for Winograd.
pub(crate) fn normalised(norm: Layer) -> Network {
    let conv = |channels| Layer::Conv { channels, kernel: 3, stride: 1, padding: 1 };
    let layers = vec![
        conv(19),
        norm,
        Layer::Relu,
        Layer::MaxPool { size: 2 },
        conv(32),
        norm,
        Layer::Relu,
        Layer::AvgPool { size: 3 },
        Layer::Flatten,
        Layer::Dense { units: 37 },
        norm,
        Layer::Tanh,
        Layer::Dropout { rate: 0.5 },
        Layer::Dense { units: 3 },
    ];
    Network::new(Dims { height: 13, width: 12, channels: 1 }, layers).unwrap()
}

/// Beam's CNN of 2017: four 3 × 3 convolutions, two poolings, dense 128, dropout .2 and .5.
pub(crate) fn beam_cnn() -> Network {
    let conv = |channels| [Layer::Conv { channels, kernel: 3, stride: 1, padding: 0 }, Layer::Relu];
    let pool = [Layer::MaxPool { size: 2 }];
    let head = [
        Layer::Flatten,
        Layer::Dropout { rate: 0.2 },
        Layer::Dense { units: 128 },
        Layer::Relu,
        Layer::Dropout { rate: 0.5 },
        Layer::Dense { units: 2 },
    ];
    let body = [conv(32), conv(32)].concat();
    let end = [conv(64), conv(64)].concat();
    let layers = [&body[..], &pool, &end, &pool, &head].concat();
    Network::new(Dims { height: 28, width: 28, channels: 1 }, layers).unwrap()
}

/// A batch that owns its values.
pub(crate) struct OwnedBatch {
    pub(crate) inputs: Vec<f32>,
    pub(crate) labels: Vec<u32>,
    pub(crate) masks: Vec<Vec<f32>>,
}

impl OwnedBatch {
    pub(crate) fn borrow(&self) -> Batch<'_> {
        Batch { inputs: &self.inputs, labels: &self.labels, masks: &self.masks }
    }
}

/// Inputs k/16 for k in `low..=16`, labels and masks at random.
pub(crate) fn batch(network: &Network, rows: usize, low: i32, rng: &mut ChaCha8Rng) -> OwnedBatch {
    let inputs =
        (0..rows * network.input().len()).map(|_| rng.random_range(low..=16) as f32 / 16.0);
    let inputs = inputs.collect();
    let labels = (0..rows).map(|_| rng.random_range(0..network.classes() as u32)).collect();
    let mut masks = Vec::new();
    for (i, layer) in network.layers().iter().enumerate() {
        if let Layer::Dropout { rate } = *layer
            && rate > 0.0
        {
            let len = rows * network.dims(i).len();
            // In 1/1000ths, so that no bit depends on how floating-point draws are made.
            let bar = (rate * 1000.0) as u32;
            let draw = |rng: &mut ChaCha8Rng| rng.random_range(0..1000u32) >= bar;
            let kept = (0..len).map(|_| if draw(rng) { 1.0 / (1.0 - rate) } else { 0.0 });
            masks.push(kept.collect());
        }
    }
    OwnedBatch { inputs, labels, masks }
}

/// Parameters k/4 · 2^-s for k in -4..=4 with 4^s about a layer's fan-in.
///
/// With inputs in 1/16ths, what the first two linear layers compute is exact in `f32`, so that comparisons (ReLU,
/// maxima) decide as in `f64`, while ties are common.
pub(crate) fn dyadic_parameters(network: &Network, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut parameters = Vec::new();
    for i in 0..network.layers().len() {
        let (weights, biases) = network.layer_parameters(i);
        let fan_in = weights.checked_div(biases).unwrap_or(1).max(1);
        let scale = 0.25 * 0.5f32.powi((fan_in.ilog2() / 2) as i32);
        parameters.extend((0..weights).map(|_| rng.random_range(-4..=4) as f32 * scale));
        parameters.extend((0..biases).map(|_| rng.random_range(-4..=4) as f32 / 16.0));
    }
    parameters
}

/// The generator of a test.
pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}
