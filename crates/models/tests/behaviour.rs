//! Single facts about the shallow models that the contract and the comparison with scikit-learn leave open.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use models::{
    Features, FitContext, FitError, Predictions, Settings, Shape, TrainingSet, Value, find_kind,
    kinds,
};

fn text(word: &str) -> Value {
    Value::Text(word.to_owned())
}

/// Fits `kind` to rows of `columns` values and predicts `test`.
fn predict(
    kind: &str,
    given: &[(&str, Value)],
    (values, labels, columns): (&[f32], &[u32], usize),
    test: &[f32],
    seed: u64,
) -> Result<Predictions, FitError> {
    let kind = find_kind(kind).unwrap();
    let given: BTreeMap<String, Value> =
        given.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    let settings = Settings::resolve(kind.params, &given).unwrap();
    let shape = Shape::table(columns);
    let classes = labels.iter().max().map_or(0, |&l| l as usize + 1);
    let train = TrainingSet::new(Features::new(values, shape), labels, classes)?;
    let stop = AtomicBool::new(false);
    let context = FitContext { seed, device: Default::default(), stop: &stop };
    let fit = (kind.build)(&settings).unwrap().fit(&train, &context)?;
    fit.model.predict(&Features::new(test, shape))
}

/// Training rows of which a fully grown tree must get every one right.
fn learnt_by_trees(values: &[f32], labels: &[u32], columns: usize) {
    for seed in 0..20 {
        let tree = predict("decision-tree", &[], (values, labels, columns), values, seed).unwrap();
        assert_eq!(tree.labels, labels, "seed {seed}");
        let given = [("max_features", text("all")), ("trees", Value::Int(5))];
        let extra =
            predict("extra-trees", &given, (values, labels, columns), values, seed).unwrap();
        assert_eq!(extra.labels, labels, "seed {seed}");
    }
}

#[test]
fn trees_split_where_no_single_split_helps() {
    // XOR: both first splits leave the impurity as it is.
    learnt_by_trees(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], &[0, 1, 1, 0], 2);
}

#[test]
fn trees_find_splits_beside_ties_and_at_any_scale() {
    // The middle rows share their value with rows of other nodes; linfa-trees skips such splits.
    let values = [1.0, 5.0, 2.0, 5.0, 2.0, 1.0, 3.0, 1.0, 3.0, 2.0];
    learnt_by_trees(&values, &[1, 2, 0, 0, 0], 2);
    let small: Vec<f32> = values.iter().map(|v| v * 1e-6).collect();
    learnt_by_trees(&small, &[1, 2, 0, 0, 0], 2);
}

#[test]
fn a_row_on_the_threshold_goes_left_as_in_growing() {
    // Thresholds are midpoints: between 0 and 1 it is 0.5, which belongs to the left.
    let train = (&[0.0f32, 1.0][..], &[0u32, 1][..], 1);
    let labels = predict("decision-tree", &[], train, &[0.5, 0.500001], 1).unwrap().labels;
    assert_eq!(labels, [0, 1]);
}

#[test]
fn tied_features_are_chosen_at_random() {
    // Two features separate the training rows equally; the test row follows one or the other.
    let train = (&[0.0f32, 0.0, 1.0, 1.0][..], &[0u32, 1][..], 2);
    let votes: u32 = (0..200)
        .map(|seed| predict("decision-tree", &[], train, &[0.0, 1.0], seed).unwrap().labels[0])
        .sum();
    // Binomial(200, 1/2): outside 60..=140 once in 10^8 draws of the seeds, and the seeds are fixed.
    assert!((60..=140).contains(&votes), "{votes} of 200");
}

#[test]
fn leaves_keep_their_least_size_and_depth() {
    let values: Vec<f32> = (0..8u8).map(f32::from).collect();
    let train = (&values[..], &[0u32, 1, 0, 1, 0, 1, 0, 1][..], 1);
    let given = [("min_samples_leaf", Value::Int(4))];
    let shares =
        predict("decision-tree", &given, train, &values, 1).unwrap().probabilities.unwrap();
    assert!(shares.iter().all(|&p| p == 0.5), "four alternating rows a leaf: {shares:?}");
    let given = [("max_depth", Value::Int(1))];
    let shares =
        predict("decision-tree", &given, train, &values, 1).unwrap().probabilities.unwrap();
    let distinct =
        shares.chunks(2).map(|p| p[0].to_bits()).collect::<std::collections::BTreeSet<_>>();
    assert!(distinct.len() <= 2, "one split, two leaves: {shares:?}");
}

#[test]
fn neighbours_tie_to_the_lower_row_and_the_lower_label() {
    // The test row lies exactly between rows 0 (class 1) and 1 (class 0).
    let train = (&[0.0f32, 2.0, 9.0][..], &[1u32, 0, 0][..], 1);
    assert_eq!(predict("knn", &[], train, &[1.0], 1).unwrap().labels, [1]);
    let given = [("k", Value::Int(2))];
    assert_eq!(predict("knn", &given, train, &[1.0], 1).unwrap().labels, [0]);
}

#[test]
fn at_distance_zero_only_the_row_itself_votes() {
    let train = (&[0.0f32, 0.1, 0.2, 5.0][..], &[1u32, 0, 0, 0][..], 1);
    let given = [("k", Value::Int(3)), ("weights", text("distance"))];
    let shares = predict("knn", &given, train, &[0.0], 1).unwrap().probabilities.unwrap();
    assert_eq!(shares, [0.0, 1.0]);
}

#[test]
fn refusals_say_what_to_do() {
    let train = (&[0.0f32, 1.0][..], &[0u32, 1][..], 1);
    let error = predict("knn", &[("k", Value::Int(3))], train, &[0.0], 1).unwrap_err().to_string();
    assert_eq!(
        error,
        "k is 3 but there are only 2 training rows: set k to at most the smallest train size"
    );
    let train = (&[0.0f32, -1.0][..], &[0u32, 1][..], 1);
    let given = [("distribution", text("multinomial"))];
    let error = predict("naive-bayes", &given, train, &[0.0], 1).unwrap_err().to_string();
    assert!(error.starts_with("row 1, column 0 is negative"), "{error}");
}

#[test]
fn a_kernel_that_linfa_lacks_is_a_conflict() {
    let kind = find_kind("svm").unwrap();
    let given = [("kernel", text("polynomial")), ("solver", text("linfa"))];
    let given = given.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let settings = Settings::resolve(kind.params, &given).unwrap();
    let error = (kind.build)(&settings).unwrap_err().to_string();
    assert!(error.contains("use \"smo\""), "{error}");
}

#[test]
fn parameters_that_would_do_nothing_are_refused() {
    let refused = |kind: &str, given: &[(&str, Value)]| {
        let kind = find_kind(kind).unwrap();
        let given = given.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        let built = Settings::resolve(kind.params, &given).and_then(|s| (kind.build)(&s));
        built.unwrap_err().to_string()
    };
    assert_eq!(
        refused("naive-bayes", &[("alpha", Value::Float(2.0))]),
        "`alpha` does nothing with `distribution = \"gaussian\"`: remove it, or use \"bernoulli\" or \"multinomial\""
    );
    let given = [("distribution", text("multinomial")), ("threshold", Value::Float(0.1))];
    assert!(refused("naive-bayes", &given).ends_with("or use \"bernoulli\""));
    let linear = [("kernel", text("linear")), ("gamma", Value::Float(0.1))];
    assert_eq!(
        refused("svm", &linear),
        "`gamma` does nothing with `kernel = \"linear\"`: remove it, or use \"rbf\" or \"polynomial\""
    );
    assert!(refused("svm", &[("degree", Value::Int(2))]).ends_with("or use \"polynomial\""));
    for kind in ["linear-regression", "logistic-regression"] {
        assert_eq!(
            refused(kind, &[("selection", text("welch"))]),
            "`selection` does nothing without `top_k`: remove it, or set `top_k`"
        );
    }
    assert_eq!(
        refused("lda", &[("shrinkage", Value::Float(1.5))]),
        "`shrinkage` is 1.5, expected \"auto\" | \"none\" | a number > 0 and ≤ 1"
    );
}

#[test]
fn every_default_is_admitted_by_its_own_domain() {
    for kind in kinds() {
        let defaults = Settings::resolve(kind.params, &BTreeMap::new()).unwrap();
        for (name, value) in defaults.iter() {
            let given = BTreeMap::from([(name.to_owned(), value.clone())]);
            let resolved = Settings::resolve(kind.params, &given);
            assert_eq!(resolved.as_ref(), Ok(&defaults), "{} {name}", kind.name);
        }
    }
}

#[test]
fn the_heaviest_penalty_leaves_the_intercept() {
    let train = (&[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0][..], &[0u32, 0, 1, 0, 0, 1][..], 1);
    for l2 in [1e12, 1e200, f64::MAX] {
        let given = [("l2", Value::Float(l2))];
        let shares = predict("logistic-regression", &given, train, &[0.0, 5.0], 1).unwrap();
        let shares = shares.probabilities.unwrap();
        // A third of the rows is of class 1, and the feature has no weight.
        let close = |(a, b): (&f32, f32)| (a - b).abs() < 1e-5;
        let expected = [2.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0, 1.0 / 3.0];
        assert!(shares.iter().zip(expected).all(close), "l2 = {l2:e}: {shares:?}");
    }
}

#[test]
fn calibration_gives_probabilities_and_leaves_the_labels() {
    // Overlapping classes on a line: class by a fixed scramble around each centre.
    for classes in [2u32, 3] {
        let sample = |start: u32, rows: u32| -> (Vec<f32>, Vec<u32>) {
            let spread = |i: u32| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32;
            let value = |i: u32| (i % classes) as f32 + 3.0 * (spread(i) - 0.5);
            (
                (start..start + rows).map(value).collect(),
                (start..start + rows).map(|i| i % classes).collect(),
            )
        };
        let ((x, y), (test, truth)) = (sample(0, 60), sample(600, 300));
        let plain = predict("svm", &[], (&x, &y, 1), &test, 4).unwrap();
        assert_eq!(plain.probabilities, None);
        let given = [("calibrate", Value::Bool(true))];
        let calibrated = predict("svm", &given, (&x, &y, 1), &test, 4).unwrap();
        assert_eq!(calibrated.labels, plain.labels);
        let shares = calibrated.probabilities.unwrap();
        let rows = || shares.chunks(classes as usize).zip(&truth);
        assert!(rows().all(|(row, _)| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
        let loss = -rows().map(|(row, &l)| f64::from(row[l as usize]).ln()).sum::<f64>() / 300.0;
        // The classes' shares are equal.
        assert!(loss < 0.95 * f64::from(classes).ln(), "{classes} classes: {loss}");
    }
}

#[test]
fn a_single_example_of_a_class_leaves_nothing_to_calibrate_on() {
    let given = [("calibrate", Value::Bool(true))];
    let train = (&[0.0f32, 0.2, 1.0][..], &[0u32, 0, 1][..], 1);
    let predicted = predict("svm", &given, train, &[0.1, 0.9], 1).unwrap();
    assert_eq!((predicted.labels, predicted.probabilities), (vec![0, 1], None));
    let train = (&[0.0f32, 0.2, 1.0, 1.2][..], &[0u32, 0, 1, 1][..], 1);
    let shares = predict("svm", &given, train, &[0.1, 1.1], 1).unwrap().probabilities.unwrap();
    assert!(shares.iter().all(|p| p.is_finite()), "{shares:?}");
}
