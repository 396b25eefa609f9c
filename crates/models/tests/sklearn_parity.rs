//! The shallow models against scikit-learn 1.9.1, on MNIST 3-vs-8 (14 × 14) and scikit-learn's ten digits (8 × 8).
//!
//! The fixtures were made by scripts/fixtures/make_sklearn_fixtures.py. Deterministic models are compared prediction
//! by prediction over three training draws of n = 10…320, random ones by their mean accuracy over seeds.

#![expect(clippy::print_stdout, reason = "what was compared is worth reading when a test fails")]

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use models::{Features, FitContext, Predictions, Settings, Shape, TrainingSet, Value, find_kind};

const POOL: usize = 400;

/// One data set of the fixtures: the first 400 rows are the pool, the rest is held out.
struct Data {
    values: Vec<f32>,
    labels: Vec<u32>,
    shape: Shape,
    classes: usize,
    /// The training draws; a training set of size n is the first n rows.
    draws: Vec<Vec<usize>>,
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The lines of a CSV fixture as fields, without its source and header lines.
fn table(name: &str) -> Vec<Vec<String>> {
    let text = String::from_utf8(fixture(name)).unwrap();
    text.lines().skip(2).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

impl Data {
    fn load(name: &str) -> Self {
        let (top, side, classes) = if name == "digits" { (16.0, 8, 10) } else { (255.0, 14, 2) };
        let draws = table("draws.csv")
            .into_iter()
            .filter(|fields| fields[0] == name)
            .map(|fields| fields[2].split(' ').map(|row| row.parse().unwrap()).collect())
            .collect();
        Data {
            values: fixture(&format!("{name}.pixels"))
                .iter()
                .map(|&p| f32::from(p) / top)
                .collect(),
            labels: fixture(&format!("{name}.labels")).iter().map(|&l| u32::from(l)).collect(),
            shape: Shape { height: side, width: side, channels: 1 },
            classes,
            draws,
        }
    }

    fn held_out(&self) -> (Features<'_>, &[u32]) {
        (Features::new(&self.values[POOL * self.shape.len()..], self.shape), &self.labels[POOL..])
    }

    /// Fits `kind` with `given` to the first `n` rows of a draw and predicts the held-out rows.
    fn predict(
        &self,
        kind: &str,
        given: &[(&str, Value)],
        n: usize,
        draw: usize,
        seed: u64,
    ) -> Predictions {
        let rows = &self.draws[draw][..n];
        let d = self.shape.len();
        let values: Vec<f32> =
            rows.iter().flat_map(|&i| &self.values[i * d..(i + 1) * d]).copied().collect();
        let labels: Vec<u32> = rows.iter().map(|&i| self.labels[i]).collect();
        let train =
            TrainingSet::new(Features::new(&values, self.shape), &labels, self.classes).unwrap();
        let kind = find_kind(kind).unwrap();
        let given: BTreeMap<String, Value> =
            given.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        let settings = Settings::resolve(kind.params, &given).unwrap();
        let stop = AtomicBool::new(false);
        let context = FitContext { seed, device: Default::default(), stop: &stop };
        let fit = (kind.build)(&settings).unwrap().fit(&train, &context).unwrap();
        fit.model.predict(&self.held_out().0).unwrap()
    }
}

fn text(word: &str) -> Value {
    Value::Text(word.to_owned())
}

/// Compares `kind` with the fixture's `model` in every cell; at most `permille` of all predictions may differ.
fn agrees(model: &str, kind: &str, given: &[(&str, Value)], permille: f64) {
    let table = table("predictions.csv");
    let (mut compared, mut different, mut worst_loss) = (0usize, 0usize, 0.0f64);
    for name in ["mnist-3v8", "digits"] {
        let data = Data::load(name);
        for fields in table.iter().filter(|f| f[0] == name && f[1] == model) {
            let (n, draw) = (fields[2].parse().unwrap(), fields[3].parse().unwrap());
            let ours = data.predict(kind, given, n, draw, 1);
            let theirs: Vec<u32> = fields[5].bytes().map(|b| u32::from(b - b'0')).collect();
            assert_eq!(ours.labels.len(), theirs.len());
            let off = ours.labels.iter().zip(&theirs).filter(|(a, b)| a != b).count();
            if off > 0 {
                println!("{name} n = {n} draw {draw}: {off} predictions differ");
                if kind != "knn" {
                    assert_undecided(&ours, &theirs, data.classes);
                }
            }
            compared += theirs.len();
            different += off;
            if !fields[4].is_empty() {
                let loss = log_loss(&ours, data.held_out().1, data.classes);
                let expected: f64 = fields[4].parse().unwrap();
                worst_loss = worst_loss.max((loss - expected).abs() / expected);
            }
        }
    }
    println!(
        "{model}: {different} of {compared} predictions differ, log loss by at most {worst_loss:.1e} of itself"
    );
    assert!(compared > 0, "the fixtures hold no {model}");
    assert!(
        different as f64 <= permille / 1000.0 * compared as f64,
        "{different} of {compared} differ"
    );
    assert!(worst_loss < 1e-4, "the log loss differs by {worst_loss:.1e} of itself");
}

/// Where a model with probabilities predicts otherwise, the two classes must be equal up to rounding.
fn assert_undecided(ours: &Predictions, theirs: &[u32], classes: usize) {
    let Some(probabilities) = &ours.probabilities else { return };
    for (i, (&a, &b)) in ours.labels.iter().zip(theirs).enumerate().filter(|(_, (a, b))| a != b) {
        let row = &probabilities[i * classes..][..classes];
        let gap = row[a as usize] - row[b as usize];
        assert!(gap < 1e-6, "row {i}: {a} instead of {b} by {gap}");
    }
}

/// The mean log loss, with probabilities kept from 0 as scikit-learn does.
fn log_loss(predictions: &Predictions, labels: &[u32], classes: usize) -> f64 {
    let probabilities = predictions.probabilities.as_ref().expect("a model with a log loss");
    let loss =
        |(row, &label): (&[f32], &u32)| -f64::from(row[label as usize]).max(f64::EPSILON).ln();
    probabilities.chunks_exact(classes).zip(labels).map(loss).sum::<f64>() / labels.len() as f64
}

#[test]
fn majority() {
    agrees("majority", "majority", &[], 0.0);
}

#[test]
fn linear_regression() {
    agrees("linear", "linear-regression", &[], 0.0);
}

#[test]
fn leekasso() {
    agrees("leekasso", "linear-regression", &[("top_k", Value::Int(10))], 0.0);
}

#[test]
fn logistic_regression() {
    agrees("logistic", "logistic-regression", &[], 0.0);
    agrees("logistic-l2-0.01", "logistic-regression", &[("l2", Value::Float(0.01))], 0.0);
}

#[test]
fn logistic_regression_by_linfa() {
    agrees("logistic", "logistic-regression", &[("solver", text("linfa"))], 0.2);
}

#[test]
fn leekasso_logistic() {
    agrees("leekasso-logistic", "logistic-regression", &[("top_k", Value::Int(10))], 0.0);
}

#[test]
fn svm_linear() {
    agrees("svm-linear", "svm", &[("kernel", text("linear"))], 2.0);
}

#[test]
fn svm_rbf() {
    agrees("svm-rbf", "svm", &[], 2.0);
}

#[test]
fn svm_polynomial() {
    let given = [("kernel", text("polynomial")), ("offset", Value::Float(1.0))];
    agrees("svm-polynomial", "svm", &given, 2.0);
}

#[test]
fn svm_histogram_intersection() {
    agrees("svm-intersection", "svm", &[("kernel", text("histogram-intersection"))], 2.0);
}

#[test]
fn svm_by_linfa() {
    let linfa = ("solver", text("linfa"));
    agrees("svm-linear", "svm", &[("kernel", text("linear")), linfa.clone()], 2.0);
    agrees("svm-rbf", "svm", &[linfa], 2.0);
}

#[test]
fn nearest_neighbours() {
    agrees("knn-1", "knn", &[], 0.0);
    // Where the fifth and sixth neighbour are equally far, as whole-numbered digits can be, scikit-learn takes either.
    agrees("knn-5", "knn", &[("k", Value::Int(5))], 1.0);
    let by_distance = [("k", Value::Int(5)), ("weights", text("distance"))];
    agrees("knn-5-distance", "knn", &by_distance, 1.0);
}

/// Compares mean accuracies over seeds, cell by cell and overall, in standard errors of the difference.
fn agrees_on_average(model: &str, seeds: usize) {
    let table = table("accuracies.csv");
    let (mut sum, mut variance, mut cells) = (0.0, 0.0, 0.0);
    let mut worst = 0.0f64;
    for name in ["mnist-3v8", "digits"] {
        let data = Data::load(name);
        let (_, held_out) = data.held_out();
        for fields in table.iter().filter(|f| f[0] == name && f[1] == model) {
            let (n, draw) = (fields[2].parse().unwrap(), fields[3].parse().unwrap());
            let number = |i: usize| fields[i].parse::<f64>().unwrap();
            let accuracies: Vec<f64> = (0..seeds as u64)
                .map(|seed| {
                    let labels = data.predict(model, &[], n, draw, seed).labels;
                    let right = labels.iter().zip(held_out).filter(|(a, b)| a == b).count();
                    right as f64 / held_out.len() as f64
                })
                .collect();
            let mean = accuracies.iter().sum::<f64>() / seeds as f64;
            let squares = accuracies.iter().map(|a| (a - mean).powi(2)).sum::<f64>();
            // A cell whose fits all agree still stands for one held-out row's worth of uncertainty.
            let own = (squares / (seeds - 1) as f64).max(1e-6) / seeds as f64;
            let theirs = (number(6) * number(6)).max(1e-6) / number(4);
            let z = (mean - number(5)) / (own + theirs).sqrt();
            println!(
                "{name} {model} n = {n} draw {draw}: {mean:.4} against {:.4}, z = {z:.2}",
                number(5)
            );
            worst = worst.max(z.abs());
            sum += mean - number(5);
            variance += own + theirs;
            cells += 1.0;
        }
    }
    let (mean, error) = (sum / cells, variance.sqrt() / cells);
    println!(
        "{model}: accuracy {:+.5} ± {:.5} against scikit-learn, worst cell z = {worst:.2}",
        mean, error
    );
    assert!(cells > 0.0, "the fixtures hold no {model}");
    // Of 36 normal deviates one exceeds 4 in .2 % of all cases; the overall mean is held to 3 standard errors.
    assert!(worst < 4.0, "a cell is {worst:.2} standard errors off");
    assert!(mean.abs() < 3.0 * error, "mean difference {mean:.5}, standard error {error:.5}");
}

#[test]
fn decision_tree() {
    agrees_on_average("decision-tree", 60);
}

#[test]
fn random_forest() {
    agrees_on_average("random-forest", 20);
}

#[test]
fn extra_trees() {
    agrees_on_average("extra-trees", 20);
}

#[test]
fn naive_bayes() {
    // With one example per class all variances are the smoothing's, and some digits lie exactly between two examples.
    agrees("naive-bayes-gaussian", "naive-bayes", &[], 0.2);
    // Few binary examples tie often; either library's rounding decides.
    agrees("naive-bayes-bernoulli", "naive-bayes", &[("distribution", text("bernoulli"))], 3.0);
    agrees("naive-bayes-multinomial", "naive-bayes", &[("distribution", text("multinomial"))], 0.0);
}
