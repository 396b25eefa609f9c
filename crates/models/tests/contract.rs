//! Every model kind keeps the contract of [`models::check`], by default and in its variants; and the contract catches
//! a classifier that breaks any part of it.

use std::collections::BTreeMap;

use models::check::{CheckOptions, check_classifier};
use models::{Settings, Value, find_kind, kinds};

/// What a kind is excused from, with the reason.
fn options(kind: &str) -> CheckOptions {
    let all = CheckOptions::default();
    match kind {
        // It learns the shares of the classes and nothing else.
        "majority" => CheckOptions { learns: false, ..all },
        // The weights of the output layer are drawn class by class, so renaming the classes starts another net.
        "mlp" | "cnn" => CheckOptions { renamed_agreement: 0.9, ..all },
        // linfa's trees follow the order of a hash map where classes tie.
        "linfa-decision-tree" | "linfa-random-forest" => {
            CheckOptions { reproducible: false, renamed_agreement: 0.5, ..all }
        }
        _ => all,
    }
}

fn check(kind: &str, given: &[(&str, Value)]) {
    check_with(kind, given, &options(kind));
}

fn check_with(kind: &str, given: &[(&str, Value)], options: &CheckOptions) {
    let found = find_kind(kind).unwrap_or_else(|| panic!("no kind {kind}"));
    let given: BTreeMap<String, Value> =
        given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let settings =
        Settings::resolve(found.params, &given).unwrap_or_else(|e| panic!("{kind}: {e}"));
    let build = || (found.build)(&settings).unwrap_or_else(|e| panic!("{kind}: {e}"));
    if let Err(failure) = check_classifier(&build, options) {
        panic!("{kind} with {given:?}: {failure}");
    }
}

fn text(word: &str) -> Value {
    Value::Text(word.to_owned())
}

#[test]
fn every_kind_keeps_the_contract_by_default() {
    for kind in kinds() {
        check(kind.name, &[]);
    }
}

#[test]
fn linear_regression_variants() {
    check("linear-regression", &[("top_k", Value::Int(10))]);
    check("linear-regression", &[("top_k", Value::Int(100_000))]);
    check("linear-regression", &[("l2", Value::Float(10.0))]);
    check("linear-regression", &[("l2", Value::Float(1e-6)), ("top_k", Value::Int(300))]);
}

#[test]
fn logistic_variants() {
    check("logistic-regression", &[("top_k", Value::Int(10))]);
    check("logistic-regression", &[("l2", Value::Float(1e-6))]);
    check("logistic-regression", &[("solver", text("linfa"))]);
}

#[test]
fn svm_variants() {
    // The label stays the decision's, to which the probabilities are fitted afterwards.
    let calibrated = CheckOptions { label_is_most_probable: false, ..options("svm") };
    check_with("svm", &[("calibrate", Value::Bool(true))], &calibrated);
    check_with("svm", &[("calibrate", Value::Bool(true)), ("kernel", text("linear"))], &calibrated);
    for kernel in ["linear", "polynomial", "histogram-intersection"] {
        check("svm", &[("kernel", text(kernel))]);
    }
    check("svm", &[("c", Value::Float(1e4)), ("gamma", Value::Float(0.05))]);
    for kernel in ["linear", "rbf"] {
        check("svm", &[("kernel", text(kernel)), ("solver", text("linfa"))]);
    }
}

#[test]
fn tree_variants() {
    check("decision-tree", &[("max_depth", Value::Int(3)), ("min_samples_leaf", Value::Int(1))]);
    check("random-forest", &[("max_features", text("all")), ("trees", Value::Int(20))]);
    check("random-forest", &[("max_features", Value::Float(0.1))]);
    check("extra-trees", &[("max_features", Value::Float(5.0))]);
}

#[test]
fn boosting_variants() {
    check("gradient-boosting", &[("subsample", Value::Float(0.5)), ("trees", Value::Int(30))]);
    check("gradient-boosting", &[("max_features", text("all")), ("max_depth", Value::Int(1))]);
    check("adaboost", &[("max_depth", Value::Int(2)), ("learning_rate", Value::Float(0.5))]);
}

#[test]
fn lda_variants() {
    check("lda", &[("shrinkage", text("none"))]);
    check("lda", &[("shrinkage", Value::Float(1.0)), ("priors", text("uniform"))]);
}

#[test]
fn gaussian_process_variants() {
    check("gaussian-process", &[("length_scale", Value::Float(2.0))]);
    check(
        "gaussian-process",
        &[("length_scale", Value::Float(3.0)), ("variance", Value::Float(4.0))],
    );
}

#[test]
fn knn_variants() {
    check("knn", &[("k", Value::Int(2))]);
    check("knn", &[("k", Value::Int(2)), ("weights", text("distance"))]);
    check("knn", &[("metric", text("mahalanobis"))]);
}

#[test]
fn naive_bayes_variants() {
    check("naive-bayes", &[("distribution", text("bernoulli"))]);
    check("naive-bayes", &[("distribution", text("multinomial"))]);
    for distribution in ["gaussian", "bernoulli", "multinomial"] {
        check("naive-bayes", &[("distribution", text(distribution)), ("solver", text("linfa"))]);
    }
}

#[test]
fn net_variants() {
    let few = |name: &'static str, count: i64| (name, Value::Int(count));
    for kind in ["mlp", "cnn"] {
        for norm in ["batch", "layer"] {
            check(kind, &[("normalization", text(norm)), few("epochs", 40)]);
        }
        check(kind, &[few("shift", 1), ("rotation", Value::Float(5.0))]);
        check(kind, &[few("ensemble", 3), few("epochs", 40)]);
    }
    check("mlp", &[few("mc_dropout", 20)]);
    check("cnn", &[few("mc_dropout", 20), ("flatten_dropout", Value::Float(0.3))]);
}
