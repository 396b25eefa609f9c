//! Speed of the shallow models: `cargo bench -p models --bench shallow [-- LABEL...]`.
//!
//! Milliseconds of fit and of predicting 500 rows, for training sets of 10 to 640 of the fixtures' images (MNIST
//! 3-vs-8 at 14 × 14 and scikit-learn's ten digits at 8 × 8), and of 640 and 5,000 images of MNIST 3-vs-5 at 28 × 28.
//! Each figure is the least of several repetitions, because other work on the machine can only slow it down; where one
//! repetition is longer than the budget it is the only one. A label or a kind given as an argument picks what is run.
//! scripts/peer/shallow.py compares with scikit-learn, on whole MNIST.

#![expect(clippy::print_stdout, reason = "a benchmark's output is what it prints")]

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use models::{
    Classifier, Features, FitContext, Grid, Settings, Shape, TrainingSet, Tuner, Value, find_kind,
};

/// Seconds for each model, set and size.
const BUDGET: f64 = 0.5;
/// Rows to predict.
const TEST: usize = 500;

/// Label, kind and settings, and values of one parameter to tune over.
type Row = (&'static str, &'static str, &'static [(&'static str, Set)], &'static [f64]);

/// A parameter's value.
#[derive(Clone, Copy)]
enum Set {
    Int(i64),
    Float(f64),
    Word(&'static str),
}

/// What is measured. The two last choose C among two values and among nine, on the same Gram matrix.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("majority", "majority", &[], &[]),
    ("linear", "linear-regression", &[], &[]),
    ("ridge", "linear-regression", &[("l2", Set::Float(10.0))], &[]),
    ("leekasso", "linear-regression", &[("top_k", Set::Int(10))], &[]),
    ("logistic", "logistic-regression", &[], &[]),
    ("logistic-unpenalised", "logistic-regression", &[("l2", Set::Float(1e-6))], &[]),
    ("leekasso-logistic", "logistic-regression", &[("top_k", Set::Int(10))], &[]),
    ("lda", "lda", &[], &[]),
    ("svm-linear", "svm", &[("kernel", Set::Word("linear"))], &[]),
    ("svm-rbf", "svm", &[], &[]),
    ("svm-polynomial", "svm", &[("kernel", Set::Word("polynomial"))], &[]),
    ("svm-intersection", "svm", &[("kernel", Set::Word("histogram-intersection"))], &[]),
    ("knn-1", "knn", &[], &[]),
    ("knn-5-distance", "knn", &[("k", Set::Int(5)), ("weights", Set::Word("distance"))], &[]),
    ("knn-mahalanobis", "knn", &[("metric", Set::Word("mahalanobis"))], &[]),
    ("bayes-gaussian", "naive-bayes", &[], &[]),
    ("bayes-bernoulli", "naive-bayes", &[("distribution", Set::Word("bernoulli"))], &[]),
    ("bayes-multinomial", "naive-bayes", &[("distribution", Set::Word("multinomial"))], &[]),
    ("decision-tree", "decision-tree", &[], &[]),
    ("random-forest", "random-forest", &[], &[]),
    ("extra-trees", "extra-trees", &[], &[]),
    ("gradient-boosting", "gradient-boosting", &[], &[]),
    ("adaboost", "adaboost", &[], &[]),
    ("gaussian-process", "gaussian-process", &[], &[]),
    ("svm-rbf-tuned-2", "svm", &[], &[1.0, 3.0]),
    ("svm-rbf-tuned-9", "svm", &[], &[0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]),
];

/// Above this many rows it is left out: its time grows with their cube.
const MOST_CUBIC: usize = 640;

struct Data {
    name: &'static str,
    values: Vec<f32>,
    labels: Vec<u32>,
    shape: Shape,
    classes: usize,
    sizes: &'static [usize],
}

/// A fixture of the tests: 1,000 rows to learn from, then those to predict.
fn fixture(name: &'static str, side: usize, top: f32, classes: usize) -> Data {
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
        sizes: &[10, 40, 160, 640],
    }
}

/// Whole images of threes and fives: 5,000 to learn from, then those to predict.
fn mnist() -> Data {
    let read = |name: &str| {
        let path = format!("{}/../../data/mnist/{name}.gz", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("whole files");
        bytes
    };
    let (images, digits) = (read("train-images-idx3-ubyte"), read("train-labels-idx1-ubyte"));
    let wanted = |(_, digit): &(_, &u8)| [3, 5].contains(*digit);
    let rows = images[16..].chunks_exact(784).zip(&digits[8..]).filter(wanted).take(5000 + TEST);
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for (image, digit) in rows {
        values.extend(image.iter().map(|&p| f32::from(p) / 255.0));
        labels.push(u32::from(*digit == 5));
    }
    let shape = Shape { height: 28, width: 28, channels: 1 };
    Data { name: "mnist-3v5", values, labels, shape, classes: 2, sizes: &[640, 5000] }
}

fn main() {
    // Cargo passes `--bench`; what else comes names labels or kinds.
    let names: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let sets = [fixture("mnist-3v8", 14, 255.0, 2), fixture("digits", 8, 16.0, 10), mnist()];
    let wanted = |(label, kind, ..): &&Row| {
        names.is_empty() || names.iter().any(|name| name == label || name == kind)
    };
    for row in ROWS.iter().filter(wanted) {
        for data in &sets {
            let cubic = row.1 == "gaussian-process";
            for &n in data.sizes.iter().filter(|&&n| !cubic || n <= MOST_CUBIC) {
                report(row.0, &*classifier(row), data, n);
            }
        }
    }
}

/// The classifier of a row.
fn classifier((_, kind, given, c): &Row) -> Box<dyn Classifier> {
    let kind = find_kind(kind).expect("a kind of the registry");
    let value = |set: Set| match set {
        Set::Int(v) => Value::Int(v),
        Set::Float(v) => Value::Float(v),
        Set::Word(v) => Value::Text(v.to_owned()),
    };
    let given: BTreeMap<String, Value> =
        given.iter().map(|(name, set)| ((*name).to_owned(), value(*set))).collect();
    if c.is_empty() {
        let settings = Settings::resolve(kind.params, &given).expect("admitted settings");
        return (kind.build)(&settings).expect("settings that agree");
    }
    let wanted = BTreeMap::from([("c".to_owned(), c.iter().map(|&c| Value::Float(c)).collect())]);
    let grid = Grid::new(kind, &given, &wanted).expect("an admitted grid");
    Box::new(Tuner::new(kind, &given, grid).expect("a grid that agrees"))
}

/// Prints the least milliseconds of a fit to n rows and of its prediction.
fn report(label: &str, classifier: &dyn Classifier, data: &Data, n: usize) {
    let columns = data.shape.len();
    let pool = data.labels.len() - TEST;
    // The first row of each class, then the others: every class is there.
    let mut order: Vec<usize> = (0..pool).collect();
    let first = |i: usize| data.labels[..pool].iter().position(|l| *l == data.labels[i]) == Some(i);
    order.sort_by_key(|&i| !first(i));
    let rows = &order[..n];
    let values: Vec<f32> =
        rows.iter().flat_map(|&i| &data.values[i * columns..][..columns]).copied().collect();
    let labels: Vec<u32> = rows.iter().map(|&i| data.labels[i]).collect();
    let stop = AtomicBool::new(false);
    let context = FitContext { seed: 1, device: Default::default(), stop: &stop };
    let test = Features::new(&data.values[pool * columns..], data.shape);
    let (mut fit_best, mut predict_best) = (f64::INFINITY, f64::INFINITY);
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < BUDGET {
        let start = Instant::now();
        let train = TrainingSet::new(Features::new(&values, data.shape), &labels, data.classes)
            .expect("every class has an example");
        let fit = match classifier.fit(&train, &context) {
            Ok(fit) => fit,
            Err(e) => return println!("{label:22} {:10} n = {n}: {e}", data.name),
        };
        fit_best = fit_best.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        fit.model.predict(&test).expect("rows of the same shape");
        predict_best = predict_best.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{label:22} {:10} n = {n:4}: fit {:9.3} ms, predict {:8.3} ms",
        data.name,
        fit_best * 1e3,
        predict_best * 1e3
    );
}
