//! The harness around models whose results are known exactly.

mod common;

use std::sync::atomic::AtomicBool;

use bench::experiment::{Experiment, ProtocolKind};
use bench::plan::{TrialKey, plan, running_order};
use bench::record::{Record, Status};
use bench::store::{Lock, Results, Store};
use bench::summary::Summary;
use bench::sweep;
use bench::trial::Bench;
use common::{
    CONSTANT, DEEP, DIVERGES, INVENTS, MISCOUNTS, ORACLE, PANICS, STOPS, experiment, protocol,
    stable_files, tiny,
};
use nn::Device;

fn two_folds(kinds: &[&'static models::Kind]) -> Experiment {
    experiment(protocol(ProtocolKind::RepeatedCv, &[2, 4], 3, 2), kinds)
}

fn bench(experiment: Experiment) -> Bench {
    Bench::new(experiment, tiny(&[20, 30], 5), Device::Cpu).expect("a sound experiment")
}

fn sweep_all(bench: &Bench, jobs: usize) -> Vec<Record> {
    let trials = plan(bench.experiment());
    let mut records = Vec::new();
    sweep::run(bench, &trials, jobs, &AtomicBool::new(false), &mut |record| {
        records.push(record);
        Ok(())
    })
    .expect("a sweep");
    records.sort_by(|a, b| a.key.cmp(&b.key));
    records.iter_mut().for_each(|record| record.timing = None);
    records
}

#[test]
fn scores_are_exact() {
    let bench = bench(two_folds(&[&ORACLE, &CONSTANT]));
    for record in sweep_all(&bench, 2) {
        let outcome = &record.outcome;
        assert_eq!(outcome.status, Status::Ok, "{}: {}", record.key, outcome.reason);
        assert_eq!((outcome.n_train, outcome.n_test), (record.key.n, 25));
        let expected = if record.key.model == "oracle" { 1.0 } else { 10.0 / 25.0 };
        assert_eq!(outcome.accuracy(), Some(expected), "{}", record.key);
        // Class 0 is .4 of the training part: 1 of 2, and 1 or 2 of 4, is within one of its share.
        let on_train = outcome.train_accuracy.expect("an accuracy");
        match (&*record.key.model, record.key.n) {
            ("oracle", _) => assert_eq!(on_train, 1.0),
            (_, 2) => assert_eq!(on_train, 0.5),
            _ => assert!(on_train == 0.25 || on_train == 0.5, "{on_train}"),
        }
        assert_eq!((outcome.log_loss, outcome.steps), (None, None));
    }
}

#[test]
fn every_model_meets_the_same_items_in_the_same_order() {
    let alone = sweep_all(&bench(two_folds(&[&CONSTANT])), 1);
    let among = sweep_all(&bench(two_folds(&[&ORACLE, &CONSTANT, &DIVERGES])), 3);
    let among: Vec<Record> = among.into_iter().filter(|r| r.key.model == "constant").collect();
    assert_eq!(alone, among, "neither the other models nor the number of workers matter");
}

#[test]
fn failures_are_outcomes_and_siblings_go_on() {
    let bench = bench(two_folds(&[&PANICS, &DIVERGES, &MISCOUNTS, &INVENTS, &ORACLE]));
    let records = sweep_all(&bench, 2);
    assert_eq!(records.len(), 5 * 2 * 6);
    let of = |model: &str, n: u32| {
        let found: Vec<&Record> =
            records.iter().filter(|r| r.key.model == model && r.key.n == n).collect();
        assert_eq!(found.len(), 6);
        let first = found[0].outcome.clone();
        assert!(
            found
                .iter()
                .all(|r| r.outcome.status == first.status && r.outcome.reason == first.reason)
        );
        (first.status, first.reason)
    };
    assert_eq!(of("oracle", 4).0, Status::Ok);
    assert_eq!(of("panics", 2).0, Status::Ok);
    let (status, reason) = of("panics", 4);
    assert_eq!(status, Status::Failed);
    assert!(reason.starts_with("panicked: four is too many (mod.rs:"), "{reason}");
    assert_eq!(of("diverges", 2), (Status::Diverged, "diverged: loss is inf at step 3".into()));
    assert_eq!(of("miscounts", 2), (Status::Failed, "24 predictions for 25 rows".into()));
    assert_eq!(of("invents", 2), (Status::Failed, "predicted label 99 of 2 classes".into()));
}

#[test]
fn a_training_set_without_every_class_is_refused_with_the_reason() {
    let one = experiment(protocol(ProtocolKind::Holdout, &[1], 1, 1), &[&ORACLE]);
    let records = sweep_all(&bench(one), 1);
    assert_eq!(records[0].outcome.status, Status::Failed);
    assert!(
        records[0].outcome.reason.starts_with("no example of class"),
        "{}",
        records[0].outcome.reason
    );
}

#[test]
fn workers_have_room_for_deep_recursion() {
    let records = sweep_all(&bench(two_folds(&[&DEEP])), 2);
    assert!(records.iter().all(|record| record.outcome.status == Status::Ok));
}

#[test]
fn a_stop_drops_the_trial_under_way() {
    let bench = bench(two_folds(&[&STOPS]));
    let trials = plan(bench.experiment());
    let mut kept = 0;
    let stop = AtomicBool::new(false);
    sweep::run(&bench, &trials, 1, &stop, &mut |_| {
        kept += 1;
        Ok(())
    })
    .expect("stopping is no error");
    assert_eq!(kept, 0);
}

#[test]
fn sizes_beyond_the_pool_are_refused_before_anything_runs() {
    let cases = [
        (
            protocol(ProtocolKind::RepeatedCv, &[26], 1, 2),
            "26, but a training part of \"tiny\" under repeated-cv holds 25",
        ),
        (
            protocol(ProtocolKind::Holdout, &[51], 1, 1),
            "51, but a training part of \"tiny\" under holdout holds 50",
        ),
        (
            protocol(ProtocolKind::RepeatedCv, &[2], 1, 21),
            "has 20 training examples, fewer than the 21 folds",
        ),
    ];
    for (protocol, expected) in cases {
        let refused = Bench::new(experiment(protocol, &[&ORACLE]), tiny(&[20, 30], 5), Device::Cpu);
        let message = refused.expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}");
    }
}

/// Runs what `store` lacks, at most `limit` trials, in running order, and publishes.
fn fill(bench: &Bench, store: &mut Store, limit: usize) {
    let mut missing: Vec<TrialKey> =
        plan(bench.experiment()).into_iter().filter(|key| !store.has(key)).collect();
    running_order(&mut missing);
    missing.truncate(limit);
    sweep::run(bench, &missing, 2, &AtomicBool::new(false), store).expect("a sweep");
    store.sync().expect("synced");
}

fn publish(bench: &Bench, store: &mut Store) -> bench::store::Published {
    let protocol = &bench.experiment().protocol;
    let splits = (0..protocol.repeats).flat_map(|r| (0..protocol.folds).map(move |f| (r, f)));
    let items = splits.map(|(r, f)| ((r, f), bench.split(r, f).test.clone())).collect();
    store.publish(items).expect("published")
}

fn open(bench: &Bench, folder: &std::path::Path) -> Store {
    let lock = Lock::new(bench.experiment(), bench.dataset(), Device::Cpu);
    Store::open(folder, &lock).expect("a sound folder")
}

#[test]
fn tables_are_the_same_however_often_the_sweep_was_cut() {
    let bench = bench(two_folds(&[&CONSTANT, &ORACLE, &PANICS]));
    let (whole, cut) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let mut store = open(&bench, whole.path());
    fill(&bench, &mut store, usize::MAX);
    publish(&bench, &mut store);
    for limit in [1, 5, 7, usize::MAX] {
        let mut store = open(&bench, cut.path());
        fill(&bench, &mut store, limit);
        if limit == usize::MAX {
            publish(&bench, &mut store);
        }
    }
    assert_eq!(common::journals(cut.path()), 4, "a file per process");
    assert_eq!(stable_files(whole.path()), stable_files(cut.path()));
}

#[test]
fn a_journal_cut_anywhere_in_its_last_record_loses_that_record_alone() {
    let bench = bench(two_folds(&[&ORACLE]));
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(&bench, folder.path());
    fill(&bench, &mut store, 3);
    drop(store);
    let path = folder.path().join("journal").join("00000.log");
    let bytes = std::fs::read(&path).expect("a journal");
    let last = bytes[..bytes.len() - 1].iter().rposition(|&b| b == b'\n').expect("lines") + 1;
    for end in last..bytes.len() {
        std::fs::write(&path, &bytes[..end]).expect("cut");
        let store = open(&bench, folder.path());
        let kept = plan(bench.experiment()).iter().filter(|key| store.has(key)).count();
        assert_eq!(kept, 2, "cut at byte {end} of {}", bytes.len());
    }
}

#[test]
fn a_flipped_bit_is_named_never_passed_over() {
    let bench = bench(two_folds(&[&ORACLE]));
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(&bench, folder.path());
    fill(&bench, &mut store, 3);
    drop(store);
    let path = folder.path().join("journal").join("00000.log");
    let bytes = std::fs::read(&path).expect("a journal");
    let lock = Lock::new(bench.experiment(), bench.dataset(), Device::Cpu);
    for at in (0..bytes.len() - 1).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).expect("damage");
        let message = Store::open(folder.path(), &lock).expect_err("damage").to_string();
        assert!(message.contains("00000.log: byte "), "byte {at}: {message}");
    }
}

#[test]
fn duplicates_merge_if_identical_and_are_refused_if_not() {
    let bench = bench(two_folds(&[&ORACLE]));
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(&bench, folder.path());
    fill(&bench, &mut store, 2);
    drop(store);
    let journal = folder.path().join("journal");
    std::fs::copy(journal.join("00000.log"), journal.join("00001.log")).expect("a twin");
    assert_eq!(
        plan(bench.experiment()).iter().filter(|k| open(&bench, folder.path()).has(k)).count(),
        2
    );

    // The same trial with another outcome: written by the store itself, into a folder of its own.
    let other = tempfile::tempdir().expect("a folder");
    let mut store = open(&bench, other.path());
    let key = plan(bench.experiment())
        .into_iter()
        .find(|key| key.n == 4 && key.repeat == 0)
        .expect("a trial");
    let mut record = bench.run(&key, &AtomicBool::new(false)).expect("a record");
    record.outcome.seed += 1;
    store.append(record).expect("kept");
    drop(store);
    std::fs::copy(other.path().join("journal").join("00000.log"), journal.join("00002.log"))
        .expect("a rival");
    let lock = Lock::new(bench.experiment(), bench.dataset(), Device::Cpu);
    let mut store = Store::open(folder.path(), &lock);
    if store.is_ok() {
        // The first two trials happened not to be this one: run it here, then meet the rival.
        fill(&bench, store.as_mut().expect("open"), usize::MAX);
        store = Store::open(folder.path(), &lock);
    }
    let message = store.expect_err("a conflict").to_string();
    assert!(message.contains("there twice with different outcomes"), "{message}");
}

#[test]
fn other_settings_are_refused_by_name_and_more_of_the_same_is_welcome() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = bench(two_folds(&[&ORACLE]));
    let mut store = open(&first, folder.path());
    fill(&first, &mut store, usize::MAX);
    publish(&first, &mut store);
    drop(store);

    let mut other = two_folds(&[&ORACLE]);
    other.seed = 8;
    let other = bench(other);
    let lock = Lock::new(other.experiment(), other.dataset(), Device::Cpu);
    let message = Store::open(folder.path(), &lock).expect_err("another seed").to_string();
    assert!(message.contains("seed is 7 there and 8 here"), "{message}");

    let mut more = two_folds(&[&CONSTANT]);
    more.protocol.sizes = vec![8];
    more.protocol.repeats = 1;
    let more = bench(more);
    let mut store = open(&more, folder.path());
    fill(&more, &mut store, usize::MAX);
    publish(&more, &mut store);
    drop(store);
    let results = Results::read(folder.path()).expect("results");
    assert_eq!(results.lock.protocol.sizes, [2, 4, 8]);
    assert_eq!(results.records.len(), 12 + 2, "what was there stays, what is new joins it");
    let summary = Summary::new(&results).expect("a summary");
    assert_eq!(summary.models(), ["constant", "oracle"]);
    assert_eq!(summary.cell("constant", 8).map(|cell| cell.trials), Some(2));
}

#[test]
fn what_identifies_a_trial_is_the_same_for_ever() {
    // Journals are found again by it: if this test fails, format or model-code version must be raised.
    let text = "format = 1\nmodel_code = 2\ndevice = \"cpu\"\nname = \"study\"\nseed = 3\n\
        [dataset]\nname = \"csv\"\nclasses = [\"no\", \"yes\"]\nsha256 = \"00ff\"\npath = \"t.csv\"\ntarget = \"kind\"\n\
        [protocol]\nkind = \"repeated-cv\"\nsizes = [10]\nrepeats = 2\nfolds = 5\ntest_size = 100\n\
        [[model]]\nname = \"net\"\nkind = \"mlp\"\nscale = \"unit\"\nhidden = [128, 64]\nlearning_rate = 0.001\n\
        activation = \"relu\"\nnesterov = false\nset = [\"hidden\"]\n[model.tune]\nepochs = [10, 20]\n";
    let lock = Lock::parse(std::path::Path::new("lock"), text).expect("sound");
    let key = |n, repeat, fold| TrialKey { model: "net".into(), n, repeat, fold };
    let ids = lock.trial_ids();
    assert_eq!(ids.id(&key(10, 1, 4)).as_deref(), Some("8105a6fc057a49d77cb2b845859266fc"));
    assert_ne!(ids.id(&key(10, 1, 3)), ids.id(&key(10, 1, 4)));
    assert_eq!(ids.id(&TrialKey { model: "other".into(), ..key(10, 1, 4) }), None);
}

#[test]
fn tables_without_a_journal_are_run_again_and_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(two_folds(&[&ORACLE]));
    let mut store = open(&bench, folder.path());
    fill(&bench, &mut store, usize::MAX);
    publish(&bench, &mut store);
    drop(store);
    std::fs::remove_dir_all(folder.path().join("journal")).expect("gone");
    let before = stable_files(folder.path());

    let mut store = open(&bench, folder.path());
    assert!(plan(bench.experiment()).iter().all(|key| !store.has(key)));
    fill(&bench, &mut store, usize::MAX);
    let published = publish(&bench, &mut store);
    assert_eq!((published.reproduced, published.changed.len()), (12, 0));
    assert_eq!(before, stable_files(folder.path()));
}
