//! The training loop: its randomness, its batches, its ends; on every executor that this machine can run.

use std::sync::atomic::{AtomicBool, Ordering};

use nn::{
    Augmentation, Device, Dims, EarlyStop, Elastic, Layer, Length, Network, NnError, Optimizer,
    Schedule, Step, TrainData, TrainOptions, TrainedNet, train, train_observed,
};
use rand::RngCore;

const DEVICES: &[Device] = &[
    Device::Cpu,
    Device::CandleCpu,
    #[cfg(feature = "cuda")]
    Device::Cuda(0),
    #[cfg(feature = "metal")]
    Device::Metal(0),
];

static NEVER: AtomicBool = AtomicBool::new(false);

/// Two overlapping clouds in four dimensions, classes alternating.
fn clouds(rows: usize) -> (Vec<f32>, Vec<u32>) {
    let mut rng = nn::stream(2_017, nn::Purpose::Shuffle);
    let labels: Vec<u32> = (0..rows as u32).map(|i| i % 2).collect();
    let noise = |label: u32, rng: &mut dyn RngCore| {
        rng.next_u32() as i32 as f32 / 2_147_483_648.0 + label as f32 - 0.5
    };
    let inputs = labels.iter().flat_map(|&l| [0; 4].map(|_| noise(l, &mut rng))).collect();
    (inputs, labels)
}

fn network(rate: f32) -> Network {
    let layers = vec![
        Layer::Dense { units: 16 },
        Layer::Relu,
        Layer::Dropout { rate },
        Layer::Dense { units: 2 },
    ];
    Network::new(Dims::flat(4), layers).unwrap()
}

fn options(length: Length) -> TrainOptions {
    TrainOptions { learning_rate: 0.01, batch_size: 8, length, ..TrainOptions::default() }
}

/// A net trained on `rows` rows, and each step's loss.
fn trained(
    options: &TrainOptions,
    rows: usize,
    seed: u64,
    device: Device,
) -> Result<(TrainedNet, Vec<f32>), NnError> {
    let (inputs, labels) = clouds(rows);
    let data = TrainData { inputs: &inputs, labels: &labels };
    let mut losses = Vec::new();
    let mut observe = |step: Step| losses.push(step.loss);
    let net = train_observed(&network(0.5), options, data, seed, device, &NEVER, &mut observe)?;
    Ok((net, losses))
}

#[test]
fn the_seed_decides_every_bit() {
    for &device in DEVICES {
        let options = options(Length::Epochs(3));
        let (net, losses) = trained(&options, 21, 5, device).unwrap();
        let (again, losses_again) = trained(&options, 21, 5, device).unwrap();
        assert_eq!(net.parameters(), again.parameters(), "{device}");
        assert_eq!(losses, losses_again, "{device}");
        let (other, _) = trained(&options, 21, 6, device).unwrap();
        assert_ne!(net.parameters(), other.parameters(), "{device}");
    }
}

#[test]
fn an_epoch_covers_all_rows_and_steps_are_exact() {
    for (rows, length, steps) in [
        (1, Length::Epochs(3), 3),
        (2, Length::Epochs(3), 3),
        (7, Length::Epochs(2), 2),
        (8, Length::Epochs(2), 2),
        (9, Length::Epochs(2), 4),
        (21, Length::Epochs(1), 3),
        (21, Length::Steps(1), 1),
        (21, Length::Steps(7), 7),
        (1, Length::Steps(5), 5),
    ] {
        let (net, losses) = trained(&options(length), rows, 1, Device::Cpu).unwrap();
        assert_eq!((net.steps(), losses.len()), (steps, steps as usize), "{rows} rows, {length:?}");
        assert!(net.last_loss() > 0.0);
    }
}

/// Were the last, smaller batch dropped, the odd row out would never be learnt.
#[test]
fn the_smaller_last_batch_counts() {
    // Nine rows in batches of eight and one: at a learning rate too small to matter, the epoch's mean loss is that
    // of all nine rows at once.
    let (inputs, labels) = clouds(9);
    let data = TrainData { inputs: &inputs, labels: &labels };
    let still = TrainOptions { learning_rate: 1e-30, ..options(Length::Epochs(1)) };
    let whole = TrainOptions { batch_size: 9, ..still };
    let loss =
        |options| train(&network(0.0), options, data, 3, Device::Cpu, &NEVER).unwrap().last_loss();
    assert!((loss(&still) - loss(&whole)).abs() < 1e-6);
}

#[test]
fn purposes_have_streams_of_their_own() {
    // With and without dropout, initial parameters and the order of examples are the same: at a learning rate too
    // small to matter the first batch's loss differs by dropout alone, and without it not at all.
    let (inputs, labels) = clouds(24);
    let data = TrainData { inputs: &inputs, labels: &labels };
    let losses = |rate: f32| {
        let mut losses = Vec::new();
        let still = TrainOptions { learning_rate: 1e-30, ..options(Length::Epochs(2)) };
        let mut observe = |step: Step| losses.push(step.loss);
        train_observed(&network(rate), &still, data, 3, Device::Cpu, &NEVER, &mut observe).unwrap();
        losses
    };
    let (plain, faint, strong) = (losses(0.0), losses(1e-6), losses(0.5));
    // A rate below 2⁻¹⁷ never drops; its scale is 1 in single precision up to one rounding.
    for (a, b) in plain.iter().zip(&faint) {
        assert!((a - b).abs() < 1e-5, "{plain:?} {faint:?}");
    }
    assert_ne!(plain, strong);
    // Two epochs, two orders: the batches differ, the rows do not.
    assert_ne!(plain[..3], plain[3..]);
    assert!((plain[..3].iter().sum::<f32>() - plain[3..].iter().sum::<f32>()).abs() < 1e-5);
}

#[test]
fn nets_learn() {
    for &device in DEVICES {
        let (inputs, labels) = clouds(200);
        let data = TrainData { inputs: &inputs, labels: &labels };
        let options = options(Length::Epochs(20));
        let net = train(&network(0.2), &options, data, 1, device, &NEVER).unwrap();
        let scores = net.logits(&inputs).unwrap();
        let right = scores.chunks(2).zip(&labels).filter(|(z, l)| u32::from(z[1] > z[0]) == **l);
        let accuracy = right.count() as f64 / 200.0;
        assert!(accuracy > 0.95, "{device}: {accuracy}");
    }
}

#[test]
fn a_wild_learning_rate_is_reported_as_diverged() {
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false };
    for &device in DEVICES {
        let wild =
            TrainOptions { optimizer: sgd, learning_rate: 1e30, ..options(Length::Epochs(50)) };
        let error = trained(&wild, 20, 1, device).unwrap_err();
        let NnError::Diverged(why) = error else { panic!("{device}: {error}") };
        assert!(why.contains("at step") || why.contains("after step"), "{device}: {why}");
        // One step that blows up leaves no later loss to tell; the parameters do.
        let once = TrainOptions { learning_rate: 1e39, length: Length::Steps(1), ..wild };
        let error = trained(&once, 20, 1, device).unwrap_err();
        assert_eq!(
            error,
            NnError::Diverged("a parameter is not finite after step 0".into()),
            "{device}"
        );
    }
}

#[test]
fn inputs_that_are_not_finite_diverge_at_once() {
    for (device, value) in DEVICES.iter().flat_map(|&d| [(d, f32::NAN), (d, f32::INFINITY)]) {
        let (mut inputs, labels) = clouds(8);
        inputs[5] = value;
        let data = TrainData { inputs: &inputs, labels: &labels };
        let error =
            train(&network(0.0), &options(Length::Epochs(2)), data, 1, device, &NEVER).unwrap_err();
        let NnError::Diverged(why) = error else { panic!("{device}: {error}") };
        assert!(why.contains("at step 0"), "{device}: {why}");
    }
}

#[test]
fn the_stop_flag_is_seen_between_steps() {
    let (inputs, labels) = clouds(24);
    let data = TrainData { inputs: &inputs, labels: &labels };
    let stop = AtomicBool::new(false);
    let mut steps = 0;
    let mut observe = |step: Step| {
        steps = step.number + 1;
        stop.store(step.number == 4, Ordering::Relaxed);
    };
    let options = options(Length::Epochs(100));
    let stopped =
        train_observed(&network(0.0), &options, data, 1, Device::Cpu, &stop, &mut observe);
    assert_eq!(stopped.unwrap_err(), NnError::Stopped);
    assert_eq!(steps, 5);
}

#[test]
fn an_early_stop_waits_for_its_patience() {
    // Nothing is learnt at this rate, so no epoch after the first improves on it by more than the tolerance.
    let early = Some(EarlyStop { tolerance: 0.5, patience: 3 });
    let still =
        TrainOptions { learning_rate: 1e-30, early_stop: early, ..options(Length::Epochs(100)) };
    let (net, _) = trained(&still, 16, 1, Device::Cpu).unwrap();
    assert_eq!(net.steps(), 2 * (1 + 3));
    let (net, _) =
        trained(&TrainOptions { early_stop: None, ..still }, 16, 1, Device::Cpu).unwrap();
    assert_eq!(net.steps(), 200);
}

#[test]
fn a_budget_ends_training_and_the_schedule_with_it() {
    let (inputs, labels) = clouds(16);
    let data = TrainData { inputs: &inputs, labels: &labels };
    let run = |length, budget| {
        let mut rates = Vec::new();
        let options = TrainOptions {
            learning_rate: 1.0,
            schedule: Schedule::Cosine,
            max_steps: budget,
            ..options(length)
        };
        let mut observe = |step: Step| rates.push(step.learning_rate);
        let net =
            train_observed(&network(0.0), &options, data, 1, Device::Cpu, &NEVER, &mut observe);
        assert_eq!(net.unwrap().steps(), rates.len() as u64);
        rates
    };
    // Ten epochs of two steps, cut off at three; as if three had been asked for.
    assert_eq!(run(Length::Epochs(10), Some(3)), run(Length::Steps(3), None));
    assert_eq!(run(Length::Epochs(1), Some(3)).len(), 2);
}

/// Images of 10 × 9 pixels, all alike but for noise, with a bright pixel where the class says.
fn images(rows: usize) -> (Vec<f32>, Vec<u32>) {
    let mut rng = nn::stream(7, nn::Purpose::Shuffle);
    let labels: Vec<u32> = (0..rows as u32).map(|i| i % 2).collect();
    let pixel = |(at, label): (usize, u32)| {
        let noise = (rng.next_u32() >> 8) as f32 / (1 << 24) as f32;
        if at == 33 + 5 * label as usize { 1.0 } else { 0.3 * noise }
    };
    let pixels = labels.iter().flat_map(|&label| (0..90).map(move |at| (at, label)));
    (pixels.map(pixel).collect(), labels)
}

/// Two convolutions of 16 channels, the second by Winograd's way on the native engine, each with `norm` behind it.
fn convolutional(norm: Option<Layer>) -> Network {
    let conv = |padding| Layer::Conv { channels: 16, kernel: 3, stride: 1, padding };
    let layers = [
        Some(conv(1)),
        norm,
        Some(Layer::Relu),
        Some(conv(0)),
        norm,
        Some(Layer::Tanh),
        Some(Layer::AvgPool { size: 2 }),
        Some(Layer::Flatten),
        Some(Layer::Dropout { rate: 0.3 }),
        Some(Layer::Dense { units: 2 }),
    ];
    let input = Dims { height: 10, width: 9, channels: 1 };
    Network::new(input, layers.into_iter().flatten().collect()).unwrap()
}

fn losses(network: &Network, options: &TrainOptions, seed: u64, device: Device) -> Vec<f32> {
    let (inputs, labels) = images(21);
    let data = TrainData { inputs: &inputs, labels: &labels };
    let mut losses = Vec::new();
    let mut observe = |step: Step| losses.push(step.loss);
    train_observed(network, options, data, seed, device, &NEVER, &mut observe).unwrap();
    losses
}

/// Fifty steps from the same parameters, with distorted images and dropout, on both executors: the losses agree to one
/// in a thousand.
#[test]
fn executors_follow_the_same_curve() {
    let elastic = Some(Elastic { alpha: 4.0, sigma: 2.0 });
    let augmentation = Augmentation { shift: 1, rotation: 10.0, elastic };
    let options = TrainOptions { learning_rate: 1e-3, augmentation, ..options(Length::Steps(50)) };
    for norm in [None, Some(Layer::BATCH_NORM), Some(Layer::LAYER_NORM)] {
        let network = convolutional(norm);
        let both = [Device::Cpu, Device::CandleCpu];
        let [native, candle] = both.map(|device| losses(&network, &options, 3, device));
        assert!(native[45..].iter().sum::<f32>() < native[..5].iter().sum::<f32>(), "{native:?}");
        for (step, (a, b)) in native.iter().zip(&candle).enumerate() {
            assert!((a - b).abs() <= 1e-3 * a, "{norm:?}, step {step}: {a} and {b}");
        }
    }
}

#[test]
fn distortions_draw_from_a_stream_of_their_own() {
    // At a rate too small to matter: the first losses differ by the images alone, and a shift that is off is none.
    let network = convolutional(None);
    let still = TrainOptions { learning_rate: 1e-30, ..options(Length::Epochs(2)) };
    let shift = |shift| {
        let augmentation = Augmentation { shift, ..Augmentation::default() };
        losses(&network, &TrainOptions { augmentation, ..still }, 3, Device::Cpu)
    };
    let plain = losses(&network, &still, 3, Device::Cpu);
    assert_eq!(shift(0), plain);
    assert_ne!(shift(2), plain);
    assert_eq!(shift(2), shift(2));
    // Images that all shifts leave alone: the rest of the draws are those of a run without.
    let (blank, labels) = (vec![0.0; 21 * 90], images(21).1);
    let data = TrainData { inputs: &blank, labels: &labels };
    let trained = |options: &TrainOptions| {
        let net = train(&network, options, data, 3, Device::Cpu, &NEVER).unwrap();
        net.parameters().to_vec()
    };
    let augmentation = Augmentation { shift: 2, rotation: 5.0, elastic: None };
    let options = options(Length::Epochs(2));
    assert_eq!(trained(&TrainOptions { augmentation, ..options }), trained(&options));
}

#[test]
fn thinned_nets_follow_the_seed_and_average_to_about_the_net() {
    let (inputs, labels) = clouds(40);
    let data = TrainData { inputs: &inputs, labels: &labels };
    for &device in DEVICES {
        let net =
            train(&network(0.5), &options(Length::Epochs(10)), data, 1, device, &NEVER).unwrap();
        let passes = net.thinned_logits(&inputs, 300, 9).unwrap();
        assert_eq!(passes.len(), 300);
        assert_eq!(passes[..3], net.thinned_logits(&inputs, 3, 9).unwrap());
        assert_ne!(passes[0], passes[1]);
        assert_ne!(passes[0], net.thinned_logits(&inputs, 1, 10).unwrap()[0]);
        // A row alone: the same thinned nets.
        let alone = net.thinned_logits(&inputs[4..8], 3, 9).unwrap();
        assert_eq!(alone[2], passes[2][2..4], "{device}");
        // The last layer is linear, so its inputs' mean, which dropout keeps, is seen in the scores' mean.
        let plain = net.logits(&inputs).unwrap();
        for (i, want) in plain.iter().enumerate() {
            let draws: Vec<f32> = passes.iter().map(|pass| pass[i]).collect();
            let mean = draws.iter().sum::<f32>() / 300.0;
            let spread = draws.iter().map(|d| (d - mean).powi(2)).sum::<f32>() / 300.0;
            // Five standard errors.
            let allowed = 5.0 * (spread / 300.0).sqrt() + 1e-5;
            assert!((mean - want).abs() < allowed, "{device}: score {i}: {mean} for {want}");
        }
        let certain = train(&network(0.0), &options(Length::Epochs(1)), data, 1, device, &NEVER);
        let certain = certain.unwrap();
        assert_eq!(
            certain.thinned_logits(&inputs, 2, 9).unwrap()[1],
            certain.logits(&inputs).unwrap()
        );
    }
}

/// Statistics travel with the net: prediction is by the running ones, also after training has ended.
#[test]
fn batch_normalised_nets_predict_by_running_statistics() {
    let layers =
        vec![Layer::Dense { units: 8 }, Layer::BATCH_NORM, Layer::Relu, Layer::Dense { units: 2 }];
    let network = Network::new(Dims::flat(4), layers).unwrap();
    let (inputs, labels) = clouds(60);
    let data = TrainData { inputs: &inputs, labels: &labels };
    for &device in DEVICES {
        let net = train(&network, &options(Length::Epochs(30)), data, 1, device, &NEVER).unwrap();
        assert_eq!(net.statistics().len(), 16);
        assert_ne!(net.statistics(), network.initial_statistics());
        let scores = net.logits(&inputs).unwrap();
        assert_eq!(net.logits(&inputs[..4]).unwrap(), scores[..2], "{device}");
        let right = scores.chunks(2).zip(&labels).filter(|(z, l)| u32::from(z[1] > z[0]) == **l);
        assert!(right.count() > 54, "{device}");
    }
    for (rows, batch_size) in [(1, 8), (9, 8), (17, 8), (5, 1)] {
        let (inputs, labels) = clouds(rows);
        let data = TrainData { inputs: &inputs, labels: &labels };
        let options = TrainOptions { batch_size, ..options(Length::Epochs(1)) };
        let refused = train(&network, &options, data, 1, Device::Cpu, &NEVER).unwrap_err();
        let NnError::Invalid(why) = refused else { panic!("{refused}") };
        assert!(why.contains(&format!("{rows} rows in batches of {batch_size}")), "{why}");
    }
}

#[test]
fn the_schedule_sets_each_step_s_rate() {
    let (inputs, labels) = clouds(16);
    let data = TrainData { inputs: &inputs, labels: &labels };
    let mut rates = Vec::new();
    let schedule = Schedule::Step { every: 2, factor: 0.5 };
    let options = TrainOptions { learning_rate: 0.5, schedule, ..options(Length::Steps(5)) };
    let mut observe = |step: Step| rates.push(step.learning_rate);
    train_observed(&network(0.0), &options, data, 1, Device::Cpu, &NEVER, &mut observe).unwrap();
    assert_eq!(rates, [0.5, 0.5, 0.25, 0.25, 0.125]);
}

#[test]
fn impossible_options_and_data_say_what_is_wrong() {
    let good = options(Length::Epochs(1));
    let (inputs, labels) = clouds(4);
    let refused = |options: &TrainOptions, inputs: &[f32], labels: &[u32]| {
        let data = TrainData { inputs, labels };
        match train(&network(0.0), options, data, 1, Device::Cpu, &NEVER) {
            Err(NnError::Invalid(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    let with = |options: TrainOptions| refused(&options, &inputs, &labels);
    assert!(with(TrainOptions { batch_size: 0, ..good }).contains("batch of 0"));
    assert!(with(TrainOptions { length: Length::Steps(0), ..good }).contains("0 epochs or steps"));
    assert!(with(TrainOptions { learning_rate: 0.0, ..good }).contains("learning rate of 0"));
    assert!(with(TrainOptions { learning_rate: f64::NAN, ..good }).contains("NaN"));
    let patience = Some(EarlyStop { tolerance: 0.0, patience: 0 });
    assert!(with(TrainOptions { early_stop: patience, ..good }).contains("patience of 0"));
    assert!(with(TrainOptions { max_steps: Some(0), ..good }).contains("budget of 0"));
    let augmentation = Augmentation { shift: 1, ..Augmentation::default() };
    assert!(with(TrainOptions { augmentation, ..good }).contains("no images"));
    let schedule = Schedule::PerUpdateDecay { decay: -1.0 };
    assert!(with(TrainOptions { schedule, ..good }).contains("decay of -1"));
    assert!(refused(&good, &[], &[]).contains("no examples"));
    assert!(refused(&good, &inputs[1..], &labels).contains("15 values for 4 labels"));
    assert!(refused(&good, &inputs, &[0, 1, 2, 0]).contains("label 2"));
    let net = trained(&good, 4, 1, Device::Cpu).unwrap().0;
    assert!(matches!(net.logits(&[0.0; 5]), Err(NnError::Invalid(_))));
}
