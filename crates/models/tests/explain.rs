//! What fitted models say of themselves: coefficients of linear models, importance of features to trees.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use models::{Features, Fit, FitContext, Settings, Shape, TrainingSet, Value, find_kind, kinds};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const COLUMNS: usize = 6;
/// The column that says the class; the others are noise, and column 5 is constant.
const PLANTED: usize = 3;

/// `rows` rows whose planted column is the class plus a little noise.
fn planted(rows: usize, classes: usize) -> (Vec<f32>, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let labels: Vec<u32> = (0..rows).map(|i| (i % classes) as u32).collect();
    let mut values = Vec::new();
    for &label in &labels {
        for j in 0..COLUMNS {
            values.push(match j {
                PLANTED => label as f32 + rng.random_range(-0.3..0.3),
                5 => 2.5,
                _ => rng.random_range(0.0..1.0),
            });
        }
    }
    (values, labels)
}

fn fit(kind: &str, given: &[(&str, Value)], values: &[f32], labels: &[u32]) -> Fit {
    let kind = find_kind(kind).unwrap();
    let given: BTreeMap<String, Value> =
        given.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    let settings = Settings::resolve(kind.params, &given).unwrap();
    let classes = labels.iter().max().map_or(0, |&l| l as usize + 1);
    let features = Features::new(values, Shape::table(COLUMNS));
    let train = TrainingSet::new(features, labels, classes).unwrap();
    let stop = AtomicBool::new(false);
    let context = FitContext { seed: 1, device: Default::default(), stop: &stop };
    (kind.build)(&settings).unwrap().fit(&train, &context).unwrap()
}

#[test]
fn coefficients_give_the_predictions_back() {
    let linear = [("kernel", Value::Text("linear".to_owned()))];
    let top = [("top_k", Value::Int(2))];
    let cases: [(&str, &[(&str, Value)]); 6] = [
        ("logistic-regression", &[]),
        ("logistic-regression", &top),
        ("linear-regression", &[]),
        ("linear-regression", &top),
        ("lda", &[]),
        ("svm", &linear),
    ];
    for classes in [2, 3] {
        let (values, labels) = planted(60, classes);
        for (kind, given) in cases {
            let fitted = fit(kind, given, &values, &labels);
            let Some(found) = fitted.model.coefficients() else {
                assert_eq!((kind, classes), ("svm", 3), "decided by voting: no one plane a class");
                continue;
            };
            let outputs = if classes == 2 { 1 } else { classes };
            assert_eq!(found.intercepts.len(), outputs, "{kind}");
            assert_eq!(found.weights.len(), outputs * COLUMNS, "{kind}");
            let label = |row: &[f32]| {
                let scores: Vec<f64> = (0..outputs)
                    .map(|k| {
                        let terms = row.iter().zip(found.output(k));
                        found.intercepts[k] + terms.map(|(&x, w)| f64::from(x) * w).sum::<f64>()
                    })
                    .collect();
                match scores[..] {
                    [score] => u32::from(score > 0.0),
                    _ => (0..outputs).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap()
                        as u32,
                }
            };
            let by_hand: Vec<u32> = values.chunks(COLUMNS).map(label).collect();
            let features = Features::new(&values, Shape::table(COLUMNS));
            assert_eq!(fitted.model.predict(&features).unwrap().labels, by_hand, "{kind}");
            for k in 0..outputs {
                assert_eq!(found.output(k)[5], 0.0, "{kind}: a constant column has no weight");
            }
            let largest = |k: usize| {
                let weight = |j: &usize| found.output(k)[*j].abs();
                (0..COLUMNS).max_by(|a, b| weight(a).total_cmp(&weight(b))).unwrap()
            };
            assert_eq!(largest(0), PLANTED, "{kind}: {:?}", found.output(0));
        }
    }
}

#[test]
fn logistic_coefficients_are_those_of_scikit_learn() {
    // sklearn 1.9.1: LogisticRegression(C=1, tol=1e-10) on [[0, 0, …], [1, …], [2, …], [3, …]] in the first of six
    // columns, y = [0, 0, 1, 1]: coef_[0, 0] and intercept_.
    let mut values = vec![0.0; 4 * COLUMNS];
    (0..4u8).for_each(|i| values[usize::from(i) * COLUMNS] = f32::from(i));
    let found =
        fit("logistic-regression", &[], &values, &[0, 0, 1, 1]).model.coefficients().unwrap();
    assert!((found.weights[0] - 0.95828595).abs() < 1e-5, "{found:?}");
    assert!((found.intercepts[0] + 1.43742892).abs() < 1e-5, "{found:?}");
}

#[test]
fn the_planted_feature_is_the_important_one() {
    let trees = ["decision-tree", "random-forest", "extra-trees", "gradient-boosting", "adaboost"];
    for classes in [2, 3] {
        let (values, labels) = planted(60, classes);
        for kind in trees {
            let importance = fit(kind, &[], &values, &labels).model.importance().unwrap();
            assert_eq!(importance.len(), COLUMNS, "{kind}");
            assert!((importance.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{kind} {importance:?}");
            assert!(importance.iter().all(|&share| share >= 0.0), "{kind} {importance:?}");
            // Where two of six features are drawn at a node, noise is all that some nodes are offered.
            let least = if ["decision-tree", "adaboost"].contains(&kind) { 0.9 } else { 0.5 };
            assert!(importance[PLANTED] > least, "{kind}: {importance:?}");
            assert_eq!(importance[5], 0.0, "{kind}: a constant column parts nothing");
        }
    }
}

#[test]
fn nothing_learnt_is_nothing_important() {
    for kind in ["decision-tree", "random-forest", "gradient-boosting", "adaboost"] {
        let importance = fit(kind, &[], &[1.0; 4 * COLUMNS], &[0, 1, 0, 1]).model.importance();
        assert_eq!(importance, Some(vec![0.0; COLUMNS]), "{kind}");
    }
}

#[test]
fn every_kind_has_what_it_should_and_no_more() {
    let (values, labels) = planted(24, 2);
    for kind in kinds().iter().filter(|kind| !["mlp", "cnn"].contains(&kind.name)) {
        let fitted = fit(kind.name, &[], &values, &labels);
        let linear = ["linear-regression", "logistic-regression", "lda"].contains(&kind.name);
        assert_eq!(fitted.model.coefficients().is_some(), linear, "{}", kind.name);
        let trees =
            ["decision-tree", "random-forest", "extra-trees", "gradient-boosting", "adaboost"];
        assert_eq!(
            fitted.model.importance().is_some(),
            trees.contains(&kind.name),
            "{}",
            kind.name
        );
    }
}
