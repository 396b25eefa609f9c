//! The training loop: its randomness, its batches, its ends; on every executor that this machine can run.

use std::sync::atomic::{AtomicBool, Ordering};

use nn::{
    Device, Dims, EarlyStop, Layer, Length, Network, NnError, Optimizer, Schedule, Step, TrainData,
    TrainOptions, TrainedNet, train, train_observed,
};
use rand::RngCore;

const DEVICES: [Device; 2] = [Device::Cpu, Device::CandleCpu];

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
    for device in DEVICES {
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
    for device in DEVICES {
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
    for device in DEVICES {
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
    for (device, value) in DEVICES.into_iter().flat_map(|d| [(d, f32::NAN), (d, f32::INFINITY)]) {
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
    let schedule = Schedule::PerUpdateDecay { decay: -1.0 };
    assert!(with(TrainOptions { schedule, ..good }).contains("decay of -1"));
    assert!(refused(&good, &[], &[]).contains("no examples"));
    assert!(refused(&good, &inputs[1..], &labels).contains("15 values for 4 labels"));
    assert!(refused(&good, &inputs, &[0, 1, 2, 0]).contains("label 2"));
    let net = trained(&good, 4, 1, Device::Cpu).unwrap().0;
    assert!(matches!(net.logits(&[0.0; 5]), Err(NnError::Invalid(_))));
}
