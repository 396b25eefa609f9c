//! What linfa 0.8.1 gets wrong, one test each: that our models and our wrappers of linfa get it right.
//!
//! Where it costs a few lines, linfa itself is asked as well, so that a test tells when a guard is no longer needed.
//! Traps of trees that behaviour.rs tests on `decision-tree` are tested here on what is made of trees.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use linfa::Dataset;
use linfa::traits::{Fit as _, Predict as _};
use linfa_bayes::NaiveBayes as _;
use models::{
    Features, Fit, FitContext, FitError, Predictions, Settings, Shape, TrainingSet, Value,
    find_kind, kinds,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn text(word: &str) -> Value {
    Value::Text(word.to_owned())
}

/// Rows of some columns, and their labels.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    labels: &'a [u32],
    columns: usize,
}

fn fit(kind: &str, given: &[(&str, Value)], rows: Rows<'_>, seed: u64) -> Result<Fit, FitError> {
    let kind = find_kind(kind).unwrap();
    let given: BTreeMap<String, Value> =
        given.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    let settings = Settings::resolve(kind.params, &given).unwrap();
    let classes = rows.labels.iter().max().map_or(0, |&l| l as usize + 1);
    let features = Features::new(rows.values, Shape::table(rows.columns));
    let train = TrainingSet::new(features, rows.labels, classes)?;
    let stop = AtomicBool::new(false);
    let context = FitContext { seed, device: Default::default(), stop: &stop };
    (kind.build)(&settings).unwrap().fit(&train, &context)
}

fn predict(
    kind: &str,
    given: &[(&str, Value)],
    rows: Rows<'_>,
    test: &[f32],
    seed: u64,
) -> Predictions {
    let test = Features::new(test, Shape::table(rows.columns));
    fit(kind, given, rows, seed).unwrap().model.predict(&test).unwrap()
}

/// `count` rows of `columns` values around 0 for class 0 and around `shift` for class 1, the classes in turn.
fn clouds(count: usize, columns: usize, shift: f32, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let labels: Vec<u32> = (0..count as u32).map(|i| i % 2).collect();
    let centre = |label: u32| shift * label as f32;
    let values = labels
        .iter()
        .flat_map(|&label| {
            let row: Vec<f32> =
                (0..columns).map(|_| centre(label) + rng.random_range(-1.0..1.0)).collect();
            row
        })
        .collect();
    (values, labels)
}

#[test]
fn trap_1_equal_splits_are_not_left_to_the_lowest_feature() {
    // Four features separate the training rows equally; the test rows each contradict one of them.
    let rows =
        Rows { values: &[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0], labels: &[0, 1], columns: 4 };
    let mut test = vec![0.0; 16];
    (0..4).for_each(|j| test[j * 4 + j] = 1.0);
    for kind in ["random-forest", "extra-trees", "gradient-boosting", "adaboost"] {
        let mut followed = [0u32; 4];
        for seed in 0..80 {
            // One stump a fit, on both rows.
            let given = [("trees", Value::Int(1))];
            let labels = predict(kind, &given, rows, &test, seed).labels;
            followed.iter_mut().zip(labels).for_each(|(count, label)| *count += label);
        }
        // Bootstrap samples of one class split on nothing; else each feature is chosen a quarter of the time.
        assert!(followed.iter().all(|&count| (4..=45).contains(&count)), "{kind}: {followed:?}");
    }
}

#[test]
fn traps_2_and_3_no_split_is_missed_at_any_scale() {
    // Once the first column has parted the last three rows, only the second parts the first two, between 1 and 2; there
    // linfa-trees meets the 1 of a row that is gone, takes it for a tie, and predicts [1, 1, 0, 0, 0]. And it takes
    // values near 1e-6 for equal.
    let values = [0.0, 1.0, 0.0, 2.0, 5.0, 1.0, 5.0, 1.0, 5.0, 1.0];
    let labels = [1, 2, 0, 0, 0];
    for scale in [1.0, 1e-6] {
        let scaled: Vec<f32> = values.iter().map(|v| v * scale).collect();
        let rows = Rows { values: &scaled, labels: &labels, columns: 2 };
        for (kind, given) in [
            ("decision-tree", vec![]),
            ("gradient-boosting", vec![("max_features", text("all"))]),
            ("adaboost", vec![("max_depth", Value::Int(3))]),
        ] {
            for seed in 0..5 {
                assert_eq!(predict(kind, &given, rows, &scaled, seed).labels, labels, "{kind}");
            }
        }
    }
    let found = linfa_tree(&values, &labels);
    assert_ne!(found, [1, 2, 0, 0, 0], "linfa-trees finds the split now");
}

fn linfa_tree(values: &[f32], labels: &[u32]) -> Vec<usize> {
    let x = ndarray::Array2::from_shape_vec((labels.len(), 2), values.to_vec()).unwrap();
    let y: ndarray::Array1<usize> = labels.iter().map(|&l| l as usize).collect();
    let tree = linfa_trees::DecisionTree::params()
        .min_weight_split(2.0)
        .min_weight_leaf(1.0)
        .fit(&Dataset::new(x.clone(), y))
        .unwrap();
    tree.predict(&x).to_vec()
}

#[test]
fn trap_4_what_follows_hash_order_says_so_and_nothing_else_does() {
    for kind in kinds() {
        assert_eq!(kind.caveat.is_some(), kind.name.starts_with("linfa-"), "{}", kind.name);
    }
    // Each leaf is tied: two classes, one row of each, nothing to split. Twenty fits, one answer.
    let rows = Rows { values: &[1.0, 1.0, 1.0, 1.0], labels: &[0, 1, 2, 3], columns: 1 };
    for kind in ["decision-tree", "extra-trees", "gradient-boosting", "adaboost"] {
        let first = predict(kind, &[], rows, &[1.0], 7);
        assert!((0..20).all(|_| predict(kind, &[], rows, &[1.0], 7) == first), "{kind}");
        assert_eq!(first.labels, [0], "{kind}: ties go to the lowest class");
    }
}

#[test]
fn trap_5_forests_draw_features_at_every_node_and_have_probabilities() {
    // Exclusive or: a tree that has one of the two features can't learn it, one that draws anew at each node can.
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        values.extend([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
        labels.extend([0, 1, 1, 0]);
    }
    let rows = Rows { values: &values, labels: &labels, columns: 2 };
    for kind in ["random-forest", "extra-trees"] {
        let given = [("max_features", Value::Float(1.0))];
        let found = predict(kind, &given, rows, &values[..8], 3);
        assert_eq!(found.labels, [0, 1, 1, 0], "{kind}");
        let probabilities = found.probabilities.unwrap();
        assert!(probabilities.chunks(2).all(|p| (p[0] + p[1] - 1.0).abs() < 1e-6), "{kind}");
    }
}

#[test]
fn trap_6_shrinking_is_off() {
    // With `shrinking(true)` linfa-svm answers otherwise, or panics, on classes that overlap.
    let (values, labels) = clouds(200, 4, 0.5, 1);
    let rows = Rows { values: &values, labels: &labels, columns: 4 };
    for kernel in ["linear", "rbf"] {
        let ours = predict("svm", &[("kernel", text(kernel))], rows, &values, 1).labels;
        let given = [("kernel", text(kernel)), ("solver", text("linfa"))];
        let linfas = predict("svm", &given, rows, &values, 1).labels;
        let different = ours.iter().zip(&linfas).filter(|(a, b)| a != b).count();
        assert!(different <= 2, "{kernel}: {different} of 200 differ");
    }
}

#[test]
fn trap_7_kernels_that_linfa_lacks_are_there() {
    let (values, labels) = clouds(60, 6, 1.0, 2);
    let shifted: Vec<f32> = values.iter().map(|v| v + 1.0).collect();
    let rows = Rows { values: &shifted, labels: &labels, columns: 6 };
    for kernel in ["histogram-intersection", "polynomial"] {
        let found = predict("svm", &[("kernel", text(kernel))], rows, &shifted, 1).labels;
        let right = found.iter().zip(&labels).filter(|(a, b)| a == b).count();
        assert!(right >= 57, "{kernel}: {right} of 60");
    }
}

#[test]
fn trap_8_the_sign_decides() {
    // Nine to one: Platt's scaling of so few rows moves the decision, often to one class for all.
    let (mut values, mut labels) = clouds(40, 3, 1.2, 3);
    let keep: Vec<usize> = (0..40).filter(|i| labels[*i] == 0 || *i < 5).collect();
    values = keep.iter().flat_map(|&i| values[i * 3..i * 3 + 3].to_vec()).collect();
    labels = keep.iter().map(|&i| labels[i]).collect();
    let rows = Rows { values: &values, labels: &labels, columns: 3 };
    for solver in ["smo", "linfa"] {
        let given = [("kernel", text("linear")), ("solver", text(solver))];
        let fitted = fit("svm", &given, rows, 1).unwrap();
        let found = fitted.model.predict(&Features::new(&values, Shape::table(3))).unwrap();
        let plane = fitted.model.coefficients().unwrap();
        let score = |row: &[f32]| -> f64 {
            let terms = row.iter().zip(plane.output(0)).map(|(&x, w)| f64::from(x) * w);
            plane.intercepts[0] + terms.sum::<f64>()
        };
        let signs: Vec<u32> = values.chunks(3).map(|row| u32::from(score(row) > 0.0)).collect();
        assert_eq!(found.labels, signs, "{solver}");
        assert!(signs.contains(&1), "{solver}: the rare class is found");
    }
}

#[test]
fn trap_9_the_positive_class_is_class_1_whichever_is_frequent() {
    let (values, labels) = clouds(60, 2, 0.8, 4);
    for rare in [0, 1] {
        let keep: Vec<usize> = (0..60).filter(|&i| labels[i] != rare || i < 20).collect();
        let kept: Vec<f32> = keep.iter().flat_map(|&i| values[i * 2..i * 2 + 2].to_vec()).collect();
        let own: Vec<u32> = keep.iter().map(|&i| labels[i]).collect();
        let rows = Rows { values: &kept, labels: &own, columns: 2 };
        let ours = predict("logistic-regression", &[], rows, &values, 1).probabilities.unwrap();
        let given = [("solver", text("linfa"))];
        let linfas =
            predict("logistic-regression", &given, rows, &values, 1).probabilities.unwrap();
        let gap = ours.iter().zip(&linfas).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(gap < 1e-3, "class {rare} rare: probabilities differ by {gap}");
    }
}

#[test]
fn trap_10_values_that_are_no_numbers_are_refused_by_row_and_column() {
    for bad in [f32::NAN, f32::INFINITY] {
        let rows = Rows { values: &[0.0, 1.0, 1.0, bad], labels: &[0, 1], columns: 2 };
        for kind in kinds().iter().filter(|kind| !["mlp", "cnn"].contains(&kind.name)) {
            let error = fit(kind.name, &[], rows, 1).err().map(|e| e.to_string());
            assert_eq!(error.as_deref(), Some("row 1, column 1 is not finite"), "{}", kind.name);
        }
    }
}

#[test]
fn trap_10_a_single_class_is_refused() {
    let features = Features::new(&[0.0, 1.0], Shape::table(1));
    let error = TrainingSet::new(features, &[0, 0], 1).unwrap_err().to_string();
    assert_eq!(error, "1 class: a classifier needs two or more");
    let error = TrainingSet::new(features, &[1, 1], 2).unwrap_err().to_string();
    assert_eq!(error, "no example of class 0 among 2 rows");
}

#[test]
fn trap_10_nothing_varies_and_every_kind_still_answers() {
    // linfa: GaussianNB panics, least squares is "non-invertible", logistic regression and SVM have no direction.
    let rows = Rows { values: &[0.5; 18], labels: &[0, 1, 0, 1, 0, 0], columns: 3 };
    let all = kinds().iter().filter(|kind| !["mlp", "cnn"].contains(&kind.name));
    for kind in all {
        let found = predict(kind.name, &[], rows, &[0.5, 0.5, 0.5], 1);
        // One neighbour is whichever comes first; all others go by the four rows of class 0.
        assert_eq!(found.labels, [0], "{}", kind.name);
    }
    for distribution in ["gaussian", "bernoulli", "multinomial"] {
        let given = [("solver", text("linfa")), ("distribution", text(distribution))];
        let found = predict("naive-bayes", &given, rows, &[0.5, 0.5, 0.5], 1);
        assert_eq!(found.labels, [0], "{distribution}");
    }
}

#[test]
fn trap_10_naive_bayes_has_probabilities_where_densities_underflow() {
    // 1200 features: the densities of every row are about e^-1000 and less.
    let (values, labels) = clouds(20, 1200, 30.0, 5);
    let rows = Rows { values: &values, labels: &labels, columns: 1200 };
    for solver in ["closed-form", "linfa"] {
        let given = [("solver", text(solver)), ("var_smoothing", Value::Float(1e-9))];
        let found = predict("naive-bayes", &given, rows, &values, 1);
        assert_eq!(found.labels, labels, "{solver}");
        assert!(found.probabilities.unwrap().iter().all(|p| p.is_finite()), "{solver}");
    }
    let x = ndarray::Array2::from_shape_vec((20, 1200), values.clone()).unwrap().mapv(f64::from);
    let y: ndarray::Array1<usize> = labels.iter().map(|&l| l as usize).collect();
    let model =
        linfa_bayes::GaussianNb::params().var_smoothing(1e-9).fit(&Dataset::new(x.clone(), y));
    let (shares, _) = model.unwrap().predict_proba(x.view());
    assert!(shares.iter().any(|p| !p.is_finite()), "linfa-bayes normalises in logarithms now");
}

#[test]
fn trap_10_bernoulli_cuts_at_the_threshold_for_probabilities_too() {
    let values = [0.7, 0.2, 0.9, 0.4, 0.1, 0.6, 0.3, 0.8];
    let rows = Rows { values: &values, labels: &[0, 0, 1, 1], columns: 2 };
    let shares = |solver: &str, test: &[f32]| {
        let given = [("solver", text(solver)), ("distribution", text("bernoulli"))];
        predict("naive-bayes", &given, rows, test, 1).probabilities.unwrap()
    };
    for solver in ["closed-form", "linfa"] {
        // .7 and .9 are both above the threshold of .5.
        assert_eq!(shares(solver, &[0.7, 0.2]), shares(solver, &[0.9, 0.4]), "{solver}");
    }
    let gap = |(a, b): (&f32, &f32)| (a - b).abs();
    let (ours, linfas) = (shares("closed-form", &values), shares("linfa", &values));
    assert!(ours.iter().zip(&linfas).map(gap).all(|gap| gap < 1e-6), "{ours:?} {linfas:?}");
}
