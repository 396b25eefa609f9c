//! The same bits on every instruction set, for any number of rows asked at once, in every build profile.

use crate::gradients::{any_network, for_networks};
use crate::nets::{self, batch, rng};
use nn::native::{Isa, NativeExecutor};
use nn::{Executor, Layer, Network, Optimizer};
use rand::Rng;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicUsize, Ordering};

const ADAM: Optimizer =
    Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };

/// The first 16 hexadecimal digits of the SHA-256 of the values' bytes, little-endian.
pub(crate) fn hash(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    Sha256::digest(bytes)[..8].iter().map(|b| format!("{b:02x}")).collect()
}

/// Uniform parameters of the order of 1 / √fan-in, from integer draws.
fn parameters(network: &Network, seed: u64) -> Vec<f32> {
    let mut rng = rng(seed);
    let mut all = Vec::new();
    for i in 0..network.layers().len() {
        let (weights, biases) = network.layer_parameters(i);
        let bound = 1.0 / (weights.checked_div(biases).unwrap_or(1).max(1) as f32).sqrt();
        let mut draw = || rng.random_range(-(1i32 << 20)..=1 << 20) as f32 / (1 << 20) as f32;
        all.extend((0..weights + biases).map(|_| draw() * bound));
    }
    all
}

/// The hash of the parameters and running statistics after `steps` steps on batches of 32, the last one of 10.
fn train(network: &Network, optimizer: Optimizer, steps: usize, isa: Isa) -> String {
    let mut native = NativeExecutor::new(network, parameters(network, 1), optimizer, isa).unwrap();
    let mut rng = rng(2);
    let mut losses = Vec::new();
    for step in 1..=steps {
        let rows = if step == steps { 10 } else { 32 };
        let batch = batch(network, rows, 0, &mut rng);
        losses.push(native.step(&batch.borrow(), 1e-3).unwrap());
    }
    assert!(losses.iter().all(|loss| loss.is_finite()));
    hash(&[native.parameters().unwrap(), native.statistics().unwrap()].concat())
}

/// Asserts that all instruction sets end at `golden`, which the scalar path made; the slow one only if `scalar`.
fn assert_golden(
    network: &Network,
    optimizer: Optimizer,
    steps: usize,
    scalar: bool,
    golden: &str,
) {
    for isa in Isa::available() {
        if scalar || isa.name() != "scalar" {
            assert_eq!(train(network, optimizer, steps, isa), golden, "{}", isa.name());
        }
    }
}

#[test]
fn mlp_with_dropout_trains_to_the_same_bits() {
    assert_golden(&nets::mlp(), ADAM, 50, true, "20c5e06d982f549a");
}

#[test]
fn small_cnn_trains_to_the_same_bits() {
    assert_golden(&nets::small_cnn(), ADAM, 50, true, "9a5dd0366803b28a");
}

#[test]
fn beam_cnn_trains_to_the_same_bits() {
    assert_golden(&nets::beam_cnn(), ADAM, 50, false, "2bb6f55a378bd3d0");
    assert_golden(&nets::beam_cnn(), ADAM, 3, true, "a27b758aba0fa632");
}

#[test]
fn normalised_nets_train_to_the_same_bits() {
    assert_golden(&nets::normalised(Layer::BATCH_NORM), ADAM, 20, true, "5517b455562b311c");
    assert_golden(&nets::normalised(Layer::LAYER_NORM), ADAM, 20, true, "2a622100cfb6ebfe");
}

/// Trials run side by side, in any number and order: fits share nothing.
#[test]
fn one_two_and_eight_threads_at_once_train_to_the_same_bits() {
    let fits = [
        (nets::mlp(), 50, "20c5e06d982f549a"),
        (nets::small_cnn(), 50, "9a5dd0366803b28a"),
        (nets::beam_cnn(), 3, "a27b758aba0fa632"),
        (nets::normalised(Layer::BATCH_NORM), 20, "5517b455562b311c"),
    ];
    let isa = *Isa::available().last().unwrap();
    // Twice each, the second time in reverse.
    let queue: Vec<_> = fits.iter().chain(fits.iter().rev()).collect();
    for threads in [1, 2, 8] {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((network, steps, golden)) =
                queue.get(next.fetch_add(1, Ordering::Relaxed))
            {
                assert_eq!(train(network, ADAM, *steps, isa), *golden, "{threads} threads");
            }
        };
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    }
}

#[test]
fn every_optimizer_trains_to_the_same_bits() {
    let rules = [
        (Optimizer::Sgd { momentum: 0.0, nesterov: false }, "800355cb43b8acfb"),
        (Optimizer::Sgd { momentum: 0.9, nesterov: false }, "5fed596dcda8f3fb"),
        (Optimizer::Sgd { momentum: 0.9, nesterov: true }, "3fb87b1815f78fb1"),
        (
            Optimizer::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-7, weight_decay: 0.01 },
            "2167614f430faead",
        ),
        (Optimizer::Adadelta { rho: 0.95, epsilon: 1e-6 }, "ee0669ed2bd109a7"),
    ];
    for (rule, golden) in rules {
        assert_golden(&nets::small_cnn(), rule, 10, true, golden);
    }
}

/// Sizes, kernels, strides, paddings and channels that no golden hash covers, also fewer channels than a vector holds.
#[test]
fn any_network_trains_to_the_same_bits_on_every_instruction_set() {
    for_networks(40, any_network(), |network, rows, seed| {
        let trained = |isa: Isa| {
            let mut rng = rng(seed);
            let parameters = parameters(network, seed);
            let mut native = NativeExecutor::new(network, parameters, ADAM, isa).unwrap();
            for _ in 0..2 {
                let batch = batch(network, rows, 0, &mut rng);
                native.step(&batch.borrow(), 1e-2).unwrap();
            }
            let scores = native.logits(&batch(network, 3, 0, &mut rng).inputs).unwrap();
            hash(&[native.parameters().unwrap(), scores].concat())
        };
        let hashes: Vec<(&str, String)> =
            Isa::available().into_iter().map(|isa| (isa.name(), trained(isa))).collect();
        assert!(hashes.iter().all(|(_, hash)| *hash == hashes[0].1), "{hashes:?}: {network:?}");
    });
}

#[test]
fn scores_do_not_depend_on_the_rows_asked_for() {
    let normalised = [Layer::BATCH_NORM, Layer::LAYER_NORM].map(nets::normalised);
    let plain = [nets::mlp(), nets::small_cnn(), nets::beam_cnn()];
    for network in plain.into_iter().chain(normalised) {
        let inputs = batch(&network, 150, 0, &mut rng(5)).inputs;
        for isa in Isa::available().into_iter().filter(|isa| isa.name() != "scalar") {
            let mut native =
                NativeExecutor::new(&network, parameters(&network, 1), ADAM, isa).unwrap();
            let all = native.logits(&inputs).unwrap();
            for rows in [1, 3, 64, 97] {
                let parts = inputs.chunks(rows * network.input().len());
                let parts: Vec<f32> = parts.flat_map(|part| native.logits(part).unwrap()).collect();
                assert_eq!(hash(&parts), hash(&all), "{rows} rows at once");
            }
        }
    }
}
