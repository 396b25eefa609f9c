//! Speed of the native engine: `cargo bench -p nn --bench native [-- ISA...]`.
//!
//! Per layer of Beam's CNN and the small CNN, GFLOP/s forward and backward as a share of the FMA peak measured in
//! the same run; per net, milliseconds a training step on batches of 32. Each figure is the best of several
//! repetitions, because other work on the machine can only slow it down. FLOPs are those of the direct algorithm
//! (two a multiply-add, no gradient by the first layer's input), so Winograd layers can pass 100 %.

#![expect(clippy::print_stdout, reason = "a benchmark's output is what it prints")]

mod nets;

use nets::{beam_cnn, mlp, small_cnn};
use nn::native::{Isa, NativeExecutor, Phase, measured_peak};
use nn::{Batch, Executor, Layer, Network, Optimizer};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Instant;

const ROWS: usize = 32;
const ADAM: Optimizer =
    Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };

fn main() {
    // Cargo passes `--bench`; what else comes names instruction sets.
    let names: Vec<_> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    for isa in Isa::available() {
        if names.is_empty() && isa.name() == "scalar"
            || !names.is_empty() && !names.iter().any(|n| n == isa.name())
        {
            continue;
        }
        let peak = measured_peak(isa);
        println!("{}: FMA peak {:.1} GFLOP/s", isa.name(), peak / 1e9);
        for (name, network, repeats) in [
            ("mlp 784-128-128-2", mlp(), 400),
            ("cnn 8-16 conv5", small_cnn(), 200),
            ("beam cnn", beam_cnn(), 150),
        ] {
            report(name, &network, isa, peak, repeats);
        }
    }
}

/// Prints the phases and the whole step of one net.
fn report(name: &str, network: &Network, isa: Isa, peak: f64, repeats: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut uniform = |len: usize, low: f32| -> Vec<f32> {
        (0..len).map(|_| rng.random_range(low..1.0f32)).collect()
    };
    let initial = uniform(network.parameter_count(), -1.0).iter().map(|p| p * 0.05).collect();
    // A centred disc of ink on black, about as much of it as in a digit.
    let mut inputs = uniform(ROWS * network.input().len(), 0.0);
    for (i, x) in inputs.iter_mut().enumerate() {
        let (y, z) = ((i % 784) as f32 / 28.0 - 14.0, (i % 28) as f32 - 14.0);
        *x = if y * y + z * z < 81.0 { *x } else { 0.0 };
    }
    let labels: Vec<u32> = (0..ROWS as u32).map(|i| i % 2).collect();
    let dropout = |(i, layer): (usize, &Layer)| match *layer {
        Layer::Dropout { rate } if rate > 0.0 => {
            Some((0..ROWS * network.dims(i).len()).map(|i| (i % 2) as f32 * 2.0).collect())
        }
        _ => None,
    };
    let masks: Vec<Vec<f32>> = network.layers().iter().enumerate().filter_map(dropout).collect();
    let batch = Batch { inputs: &inputs, labels: &labels, masks: &masks };
    let mut native = NativeExecutor::new(network, initial, ADAM, isa).unwrap();

    // Best and current seconds of each phase.
    let mut phases: Vec<(Phase, f64, f64)> = Vec::new();
    let mut best_step = f64::INFINITY;
    for repeat in 0..repeats {
        let (begin, mut last) = (Instant::now(), Instant::now());
        let observe = |phase| {
            let now = Instant::now();
            let seconds = (now - last).as_secs_f64();
            match phases.iter_mut().find(|(known, ..)| *known == phase) {
                Some((.., current)) => *current += seconds,
                None => phases.push((phase, f64::INFINITY, seconds)),
            }
            last = now;
        };
        native.step_observed(&batch, 1e-4, observe).unwrap();
        for (_, best, current) in &mut phases {
            (*best, *current) = (best.min(*current), 0.0);
        }
        if repeat > 0 {
            best_step = best_step.min(begin.elapsed().as_secs_f64());
        }
    }
    let mut predict = f64::INFINITY;
    for _ in 0..repeats {
        let begin = Instant::now();
        std::hint::black_box(native.logits(&inputs).unwrap());
        predict = predict.min(begin.elapsed().as_secs_f64());
    }

    let mut total = 0.0;
    println!("\n{name}");
    for (phase, seconds, _) in &phases {
        let flops = flops(network, phase);
        total += flops;
        let speed = match flops {
            0.0 => String::new(),
            f => format!(
                "{:8.1} GFLOP/s {:5.1} % of peak",
                f / seconds / 1e9,
                100.0 * f / seconds / peak
            ),
        };
        println!("  {:28} {:9.1} µs {speed}", label(network, phase), seconds * 1e6);
    }
    println!(
        "  step {:.4} ms ({:.0} a second), {:.1} GFLOP/s, {:.1} % of peak; forward only {:.4} ms",
        best_step * 1e3,
        1.0 / best_step,
        total / best_step / 1e9,
        100.0 * total / best_step / peak,
        predict * 1e3
    );
}

/// The phase and its first layer's kind.
fn label(network: &Network, phase: &Phase) -> String {
    let describe = |direction: &str, layers: &std::ops::Range<usize>| {
        let kind = match network.layers()[layers.start] {
            Layer::Conv { channels, kernel, .. } => format!("conv{kernel}x{kernel}x{channels}"),
            Layer::Dense { units } => format!("dense {units}"),
            other => format!("{other:?}").split([' ', '{']).next().unwrap_or("").to_lowercase(),
        };
        format!("{direction} {} {kind}", layers.start)
    };
    match phase {
        Phase::Forward(layers) => describe("forward ", layers),
        Phase::Backward(layers) => describe("backward", layers),
        Phase::Loss => "loss".into(),
        Phase::Update => "update".into(),
    }
}

/// The phase's FLOPs in linear layers.
fn flops(network: &Network, phase: &Phase) -> f64 {
    let (layers, passes) = match phase {
        Phase::Forward(layers) => (layers, 1),
        Phase::Backward(layers) => (layers, if layers.start == 0 { 1 } else { 2 }),
        Phase::Loss | Phase::Update => return 0.0,
    };
    let macs = layers.clone().map(|i| {
        let after = network.dims(i + 1);
        network.layer_parameters(i).0 * after.height * after.width
    });
    (2 * ROWS * passes * macs.sum::<usize>()) as f64
}
