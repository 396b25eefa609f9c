//! The habits of earlier studies that an experiment file can switch on: each does what it says, by itself, and results
//! under one switch are never mixed with results under another.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use bench::experiment::{Draws, Experiment, Protocol, ProtocolKind, Validation};
use bench::experiment_file::parse;
use bench::split::{Pool, Split, split, training_capacity};
use common::{Study, code, protocol, stderr};
use models::Registry;

/// 300 training examples of two classes, two to one, and 41 held-out items.
fn labels() -> Vec<u32> {
    let two_to_one = |count: u32| (0..count).map(|i| u32::from(i % 3 == 0)).collect::<Vec<_>>();
    [two_to_one(300), two_to_one(41)].concat()
}

fn drawn(labels: &[u32], draws: Draws, sizes: &[u32], repeat: u32) -> Split {
    let protocol = Protocol { draws, ..protocol(ProtocolKind::Holdout, sizes, 3, 1) };
    let pool = Pool { labels, classes: 2, train_len: 300 };
    split(&pool, &protocol, 1, repeat, 0)
}

fn ones(labels: &[u32], items: &[u32]) -> usize {
    items.iter().filter(|&&item| labels[item as usize] == 1).count()
}

fn distinct(items: &[u32]) -> usize {
    items.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn with_replacement_an_example_may_be_drawn_twice() {
    let labels = labels();
    let draws = Draws { with_replacement: true, ..Draws::default() };
    let train = drawn(&labels, draws, &[240], 0).train;
    // 240 draws from 300: about 300 (1 - e^-.8) = 165 are distinct.
    assert_eq!(train.len(), 240);
    assert!((140..190).contains(&distinct(&train)), "{}", distinct(&train));
    assert_eq!(ones(&labels, &train), 80, "the strata stay");
    let plain = drawn(&labels, Draws::default(), &[240], 0).train;
    assert_eq!(distinct(&plain), 240);
}

#[test]
fn unstratified_draws_let_the_classes_fall_as_they_may() {
    let labels = labels();
    let draws = Draws { stratified: false, ..Draws::default() };
    let count = |draws| {
        let shares =
            (0..3).map(|repeat| ones(&labels, &drawn(&labels, draws, &[60], repeat).train));
        shares.collect::<BTreeSet<_>>()
    };
    assert_eq!(count(Draws::default()), BTreeSet::from([20]));
    assert!(count(draws).len() > 1, "{:?}", count(draws));
    assert_eq!(distinct(&drawn(&labels, draws, &[60], 0).train), 60);
}

#[test]
fn sizes_that_are_not_nested_are_drawn_anew_and_apart_from_each_other() {
    let labels = labels();
    let draws = Draws { nested: false, ..Draws::default() };
    let both = drawn(&labels, draws, &[10, 40], 0);
    let (small, large) = (both.train_at(10).into_owned(), both.train_at(40).into_owned());
    assert_eq!((small.len(), large.len()), (10, 40));
    assert_ne!(small, large[..10]);
    assert_eq!(ones(&labels, &small), 3);
    // A size more or less moves no other.
    let alone = drawn(&labels, draws, &[40], 0);
    assert_eq!(alone.train_at(40).into_owned(), large);
    let nested = drawn(&labels, Draws::default(), &[10, 40], 0);
    assert_eq!(nested.train_at(10)[..], nested.train_at(40)[..10]);
}

#[test]
fn a_validation_half_is_not_scored() {
    let labels = labels();
    let draws = Draws { validation: Some(Validation::TestHalf), ..Draws::default() };
    let half = drawn(&labels, draws, &[10], 0);
    assert_eq!(half.test, (320..341).collect::<Vec<_>>(), "the later 21 of 41");
    assert_eq!(half.train, drawn(&labels, Draws::default(), &[10], 0).train);
}

#[test]
fn a_share_of_the_training_set_can_stand_for_the_test_set() {
    let labels = labels();
    let draws = Draws { held_out: Some(0.2), ..Draws::default() };
    let splits: Vec<Split> = (0..3).map(|r| drawn(&labels, draws, &[240], r)).collect();
    for split in &splits {
        assert_eq!(split.test, splits[0].test, "set aside once");
        assert_eq!((split.test.len(), ones(&labels, &split.test)), (60, 20));
        assert!(split.test.iter().all(|&item| item < 300));
        assert!(split.train.iter().all(|item| split.test.binary_search(item).is_err()));
    }
    let protocol = Protocol { draws, ..protocol(ProtocolKind::Holdout, &[240], 3, 1) };
    let pool = Pool { labels: &labels, classes: 2, train_len: 300 };
    assert_eq!(training_capacity(&pool, &protocol), 240);
}

const STUDY: &str = "name = \"study\"\nseed = 3\n[dataset]\nname = \"mnist\"\n[protocol]\nkind = \"holdout\"\n\
                     sizes = [10]\n[[model]]\nname = \"floor\"\nkind = \"majority\"\n";

fn parsed(with: &str) -> Result<Experiment, String> {
    let text = STUDY.replace("sizes = [10]\n", &format!("sizes = [10]\n{with}\n"));
    parse(Path::new("study.toml"), &text, &Registry::default()).map_err(|error| error.to_string())
}

#[test]
fn each_switch_is_one_line_of_an_experiment_file() {
    assert_eq!(parsed("").unwrap().protocol.draws, Draws::default());
    let draws = |with: &str| parsed(with).unwrap().protocol.draws;
    assert!(draws("with_replacement = true").with_replacement);
    assert!(!draws("stratified = false").stratified);
    assert!(!draws("nested = false").nested);
    assert_eq!(draws("validation = \"test-half\"").validation, Some(Validation::TestHalf));
    assert_eq!(draws("held_out = 0.2").held_out, Some(0.2));
    for (with, why) in [
        ("nested = 1", "study.toml:8: `nested` is 1 in [protocol], expected true | false"),
        ("validation = \"half\"", "expected \"test-half\""),
        ("held_out = 1", "expected a number in 0.001..0.999"),
        ("stratifed = false", "did you mean `stratified`?"),
    ] {
        let message = parsed(with).unwrap_err();
        assert!(message.contains(why), "{message}");
    }
    let cv = STUDY.replace("holdout", "small-sample-cv").replace("[10]", "[10]\nnested = false");
    let message = parse(Path::new("s.toml"), &cv, &Registry::default()).unwrap_err().to_string();
    assert!(message.contains("`nested` has no meaning with kind \"small-sample-cv\""), "{message}");
}

#[test]
fn results_under_different_switches_are_never_mixed() {
    let with = |switches: &'static str| {
        move |text: &str| {
            let text = text.replace("folds = 2\n", "");
            text.replace("\"repeated-cv\"", &format!("\"holdout\"\n{switches}"))
        }
    };
    let plain = Study::new(with(""));
    assert_eq!(code(&plain.sweep("out", &["--models", "logistic"])), 0);
    let switched = Study::new(with("with_replacement = true\nnested = false\nstratified = false"));
    let out = plain.path("out");
    let refused = switched.sweep(out.to_str().expect("a path"), &["--models", "logistic"]);
    assert_eq!(code(&refused), 2, "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("drawn anew for each n, not stratified, with replacement here")
    );
    // And where they stand alone, they run, are verified, and say so.
    assert_eq!(code(&switched.sweep("out", &["--models", "logistic"])), 0);
    let out = switched.path("out");
    let lock = common::read(&out.join("experiment.lock.toml"));
    assert!(
        lock.contains(
            "[protocol.draws]\nwith_replacement = true\nstratified = false\nnested = false"
        ),
        "{lock}"
    );
    assert_eq!(code(&common::bench(&["verify", out.to_str().expect("a path"), "--all"])), 0);
    assert!(common::read(&out.join("README.md")).contains("not stratified, with replacement"));
}
