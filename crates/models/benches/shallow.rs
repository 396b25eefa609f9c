//! Speed of the shallow models: `cargo bench -p models --bench shallow [-- KIND...]`.
//!
//! Milliseconds of fit and of predicting 500 rows, for training sets of 10 to 640 of the fixtures' images: MNIST
//! 3-vs-8 at 14 × 14 and scikit-learn's ten digits at 8 × 8. Each figure is the least of several repetitions, because
//! other work on the machine can only slow it down. scripts/peer/shallow.py compares with scikit-learn, on whole MNIST.

#![expect(clippy::print_stdout, reason = "a benchmark's output is what it prints")]

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use models::{Features, FitContext, Kind, Settings, Shape, TrainingSet, kinds};

const POOL: usize = 1000;
const SIZES: [usize; 4] = [10, 40, 160, 640];
/// Seconds for each kind, set and size.
const BUDGET: f64 = 0.5;

struct Data {
    name: &'static str,
    values: Vec<f32>,
    labels: Vec<u32>,
    shape: Shape,
    classes: usize,
}

fn load(name: &'static str, side: usize, top: f32, classes: usize) -> Data {
    let read = |end: &str| {
        let path = format!("{}/tests/fixtures/{name}.{end}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    Data {
        name,
        values: read("pixels").iter().map(|&p| f32::from(p) / top).collect(),
        labels: read("labels").iter().map(|&l| u32::from(l)).collect(),
        shape: Shape { height: side, width: side, channels: 1 },
        classes,
    }
}

fn main() {
    // Cargo passes `--bench`; what else comes names kinds.
    let names: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let sets = [load("mnist-3v8", 14, 255.0, 2), load("digits", 8, 16.0, 10)];
    let wanted = |kind: &&Kind| match names.is_empty() {
        true => !["mlp", "cnn"].contains(&kind.name),
        false => names.iter().any(|name| name == kind.name),
    };
    for kind in kinds().iter().filter(wanted) {
        for data in &sets {
            for n in SIZES {
                report(kind, data, n);
            }
        }
    }
}

/// Prints the least milliseconds of a fit of `kind` to n rows and of its prediction.
fn report(kind: &Kind, data: &Data, n: usize) {
    let columns = data.shape.len();
    // The first row of each class, then the others: every class is there.
    let mut order: Vec<usize> = (0..POOL).collect();
    let first = |i: usize| data.labels[..POOL].iter().position(|l| *l == data.labels[i]) == Some(i);
    order.sort_by_key(|&i| !first(i));
    let rows = &order[..n];
    let values: Vec<f32> =
        rows.iter().flat_map(|&i| &data.values[i * columns..][..columns]).copied().collect();
    let labels: Vec<u32> = rows.iter().map(|&i| data.labels[i]).collect();
    let stop = AtomicBool::new(false);
    let context = FitContext { seed: 1, device: Default::default(), stop: &stop };
    let settings = Settings::resolve(kind.params, &BTreeMap::new()).expect("defaults are admitted");
    let classifier = (kind.build)(&settings).expect("defaults agree");
    let test = Features::new(&data.values[POOL * columns..], data.shape);
    let (mut fit_best, mut predict_best) = (f64::INFINITY, f64::INFINITY);
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < BUDGET {
        let start = Instant::now();
        let train = TrainingSet::new(Features::new(&values, data.shape), &labels, data.classes)
            .expect("every class has an example");
        let fit = match classifier.fit(&train, &context) {
            Ok(fit) => fit,
            Err(e) => return println!("{:24} {:10} n = {n}: {e}", kind.name, data.name),
        };
        fit_best = fit_best.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        fit.model.predict(&test).expect("rows of the same shape");
        predict_best = predict_best.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{:24} {:10} n = {n:3}: fit {:9.3} ms, predict {:8.3} ms",
        kind.name,
        data.name,
        fit_best * 1e3,
        predict_best * 1e3
    );
}
