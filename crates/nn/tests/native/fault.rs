//! What must not fit is refused, and what is not a number passes through without harm.

use crate::nets::{self, batch, rng};
use nn::native::{Isa, NativeExecutor};
use nn::{Batch, Dims, Executor, Layer, Network, NnError, Optimizer};

const PLAIN: Optimizer = Optimizer::Sgd { momentum: 0.0, nesterov: false };

fn native(network: &Network) -> NativeExecutor {
    let initial = vec![0.1; network.parameter_count()];
    NativeExecutor::new(network, initial, PLAIN, *Isa::available().last().unwrap()).unwrap()
}

#[test]
fn nan_inputs_make_the_loss_nan_on_every_instruction_set() {
    for network in [nets::mlp(), nets::small_cnn(), nets::beam_cnn()] {
        for isa in Isa::available() {
            let mut batch = batch(&network, 2, 0, &mut rng(1));
            batch.inputs[400] = f32::NAN;
            let initial = vec![0.1; network.parameter_count()];
            let mut native = NativeExecutor::new(&network, initial, PLAIN, isa).unwrap();
            assert!(native.step(&batch.borrow(), 0.1).unwrap().is_nan(), "{}", isa.name());
            assert!(native.logits(&batch.inputs).unwrap()[0].is_nan());
        }
    }
}

#[test]
fn infinite_parameters_make_the_loss_not_finite() {
    let network = nets::small_cnn();
    let initial = vec![f32::INFINITY; network.parameter_count()];
    let isa = *Isa::available().last().unwrap();
    let mut native = NativeExecutor::new(&network, initial, PLAIN, isa).unwrap();
    let batch = batch(&network, 2, 0, &mut rng(1));
    assert!(!native.step(&batch.borrow(), 0.1).unwrap().is_finite());
}

#[test]
fn what_does_not_fit_is_refused() {
    let network = nets::mlp();
    let good = batch(&network, 4, 0, &mut rng(1));
    let refused = |batch: Batch<'_>| {
        let NnError::Shape(why) = native(&network).step(&batch, 0.1).unwrap_err() else { panic!() };
        why
    };
    let b = good.borrow();
    assert_eq!(
        refused(Batch { inputs: &b.inputs[1..], ..b }),
        "3135 inputs where the network needs 3136"
    );
    assert_eq!(refused(Batch { masks: &[], ..b }), "0 dropout masks where the network needs 2");
    let short = [good.masks[0].clone(), vec![1.0]];
    assert_eq!(
        refused(Batch { masks: &short, ..b }),
        "1 values of a dropout mask where the network needs 512"
    );
    assert_eq!(refused(Batch { labels: &[0, 1, 2, 0], ..b }), "label 2 of 2 classes");
    assert!(refused(Batch { labels: &[], inputs: &[], ..b }).contains("empty"));
    assert!(native(&network).logits(&[0.0; 785]).is_err());
    assert!(NativeExecutor::new(&network, vec![0.0; 3], PLAIN, native(&network).isa()).is_err());
    assert!(native(&network).logits(&[]).unwrap().is_empty());
}

#[test]
fn batch_normalisation_of_one_value_per_channel_is_refused() {
    let layers = vec![Layer::Dense { units: 3 }, Layer::BATCH_NORM, Layer::Dense { units: 2 }];
    let network = Network::new(Dims::flat(2), layers).unwrap();
    let one = Batch { inputs: &[0.5, 1.0], labels: &[1], masks: &[] };
    let NnError::Shape(why) = native(&network).step(&one, 0.1).unwrap_err() else { panic!() };
    assert!(why.contains("two rows or more"), "{why}");
    let two = Batch { inputs: &[0.5, 1.0, 0.0, 2.0], labels: &[1, 0], masks: &[] };
    assert!(native(&network).step(&two, 0.1).unwrap().is_finite());
    // An image has many values per channel.
    let layers = vec![Layer::BATCH_NORM, Layer::Flatten, Layer::Dense { units: 2 }];
    let network = Network::new(Dims { height: 1, width: 2, channels: 1 }, layers).unwrap();
    assert!(native(&network).step(&one, 0.1).unwrap().is_finite());
}

#[test]
fn statistics_that_are_not_the_network_s_are_refused() {
    let mut native = native(&nets::normalised(Layer::BATCH_NORM));
    let fresh = native.statistics().unwrap();
    // 19, 32 and 37 channels: means of 0, then variances of 1, layer by layer.
    assert_eq!(fresh.len(), 2 * (19 + 32 + 37));
    assert_eq!((fresh[18], fresh[19], fresh[38]), (0.0, 1.0, 0.0));
    assert!(native.set_statistics(&fresh).is_ok());
    let NnError::Shape(why) = native.set_statistics(&fresh[1..]).unwrap_err() else { panic!() };
    assert!(why.contains("175 running statistics where the network needs 176"), "{why}");
}

#[test]
fn a_tie_sends_the_gradient_to_the_first_maximum() {
    // One value per pixel passes through a 1 × 1 convolution of weight 1 and a 2 × 2 maximum; the weight's gradient
    // is the chosen input's sum, so equal maxima are told apart by a second channel that the maximum ignores.
    let layers = vec![
        Layer::Conv { channels: 2, kernel: 1, stride: 1, padding: 0 },
        Layer::MaxPool { size: 2 },
        Layer::Flatten,
    ];
    let network = Network::new(Dims { height: 2, width: 2, channels: 2 }, layers).unwrap();
    // Weights [in][out]: output channel 0 copies input channel 0; channel 1 is constant 0.
    let initial = vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let inputs = [[1.0, 0.1], [3.0, 0.2], [3.0, 0.4], [3.0, 0.8]].concat();
    for isa in Isa::available() {
        let mut native = NativeExecutor::new(&network, initial.clone(), PLAIN, isa).unwrap();
        native.step(&Batch { inputs: &inputs, labels: &[1], masks: &[] }, 0.0).unwrap();
        let gradient = native.gradients();
        // d loss / d score 0 = softmax(3, 0)[0]; the first maximum is pixel 1, whose second channel is .2.
        let slope = (3f32.exp() / (3f32.exp() + 1.0)) as f64;
        assert!((f64::from(gradient[2]) - slope * 0.2).abs() < 1e-6);
        // Channel 1 ties at 0 everywhere: pixel 0 gets it all.
        assert!((f64::from(gradient[3]) + slope * 0.1).abs() < 1e-6);
    }
}

#[test]
fn a_network_without_parameters_has_scores() {
    let network = Network::new(Dims::flat(3), vec![Layer::Relu]).unwrap();
    let mut native = native(&network);
    assert_eq!(native.logits(&[-1.0, 2.0, 0.0]).unwrap(), [0.0, 2.0, 0.0]);
    let batch = Batch { inputs: &[0.0; 3], labels: &[1], masks: &[] };
    assert_eq!(native.step(&batch, 0.1).unwrap(), 3f32.ln());
}
