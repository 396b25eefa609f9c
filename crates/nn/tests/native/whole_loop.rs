//! The whole training loop to the last bit: initial parameters, orders, dropout, distortions, schedule, updates.
//!
//! The hashes were made by this code at its first version: results that were published with it stay reproducible as long
//! as they hold. The loop takes the fastest instruction set; `NN_SIMD=scalar` in the environment takes another.

use std::sync::atomic::AtomicBool;

use nn::{
    Augmentation, Device, Dims, Elastic, Init, Layer, Length, Network, Optimizer, Schedule,
    TrainData, TrainOptions, TrainedNet, train,
};
use rand::Rng;

use crate::bits::hash;
use crate::nets::rng;

/// A net trained on `rows` rows of k/16ths of three classes.
fn trained(network: &Network, options: &TrainOptions, rows: usize) -> (TrainedNet, Vec<f32>) {
    let mut rng = rng(8);
    let values = rows * network.input().len();
    let inputs: Vec<f32> = (0..values).map(|_| rng.random_range(0..=16) as f32 / 16.0).collect();
    let labels: Vec<u32> = (0..rows as u32).map(|row| row % 3).collect();
    let data = TrainData { inputs: &inputs, labels: &labels };
    let never = AtomicBool::new(false);
    let net = train(network, options, data, 20_170_604, Device::Cpu, &never).unwrap();
    (net, inputs)
}

#[test]
fn a_convolutional_net_on_distorted_images_by_decaying_steps() {
    let conv = |channels, padding| Layer::Conv { channels, kernel: 3, stride: 1, padding };
    let layers = vec![
        conv(16, 1),
        Layer::Relu,
        conv(16, 0),
        Layer::Relu,
        Layer::MaxPool { size: 2 },
        Layer::Flatten,
        Layer::Dense { units: 3 },
    ];
    let network = Network::new(Dims { height: 12, width: 11, channels: 1 }, layers).unwrap();
    let elastic = Some(Elastic { alpha: 4.0, sigma: 2.0 });
    let options = TrainOptions {
        init: Init::Keras,
        optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: true },
        learning_rate: 0.05,
        schedule: Schedule::PerUpdateDecay { decay: 0.99 },
        batch_size: 4,
        length: Length::Steps(12),
        augmentation: Augmentation { shift: 1, rotation: 10.0, elastic },
        ..TrainOptions::default()
    };
    let (net, _) = trained(&network, &options, 10);
    assert_eq!(hash(net.parameters()), "79b5917c6ce0b093");
}

#[test]
fn a_perceptron_with_dropout_by_adam_and_its_thinned_nets() {
    let dropout = Layer::Dropout { rate: 0.5 };
    let dense = |units| Layer::Dense { units };
    let layers = vec![dense(20), Layer::Relu, dropout, dense(20), Layer::Tanh, dropout, dense(3)];
    let network = Network::new(Dims::flat(30), layers).unwrap();
    let options =
        TrainOptions { batch_size: 4, length: Length::Epochs(4), ..TrainOptions::default() };
    let (net, inputs) = trained(&network, &options, 10);
    assert_eq!(hash(net.parameters()), "1198ba29d7a4c46d");
    let passes = net.thinned_logits(&inputs, 3, 5).unwrap();
    assert_eq!(hash(&passes.concat()), "f9dc1b2f7b8fbbe1");
}
