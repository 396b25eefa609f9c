//! Every reproducible model kind gives the same bytes whatever the jobs, the order and the shards; and none of them sees
//! the labels that it is scored on.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bench::data::Dataset;
use bench::experiment::{
    DatasetSpec, Experiment, Limits, ModelSpec, Protocol, ProtocolKind, Scale,
};
use bench::plan::plan;
use bench::record::{Outcome, Record, Status};
use bench::seed::{shuffle, stream};
use bench::store::{Lock, Store};
use bench::sweep;
use bench::trial::Bench;
use common::{bench, code, root, stable_files, stderr};
use models::{Kind, Settings, Value};
use nn::Device;
use tempfile::TempDir;

/// Kinds that promise to repeat themselves.
fn reproducible() -> impl Iterator<Item = &'static Kind> {
    models::kinds().iter().filter(|kind| kind.caveat.is_none())
}

/// What keeps a kind's fits short here.
fn short(kind: &Kind) -> Vec<(&'static str, Value)> {
    let has = |name: &str| kind.params.iter().any(|param| param.name == name);
    let short = [("epochs", Value::Int(2)), ("trees", Value::Int(10))];
    short.into_iter().filter(|(name, _)| has(name)).collect()
}

fn study() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let mut text = String::from(
        "name = \"study\"\nseed = 3\n[dataset]\nname = \"mnist\"\nclasses = [3, 5, 8]\n\
         [protocol]\nsizes = [12, 24]\nrepeats = 1\nfolds = 2\ntest_size = 60\n",
    );
    for kind in reproducible() {
        text += &format!("[[model]]\nname = \"{0}\"\nkind = \"{0}\"\n", kind.name);
        short(kind).iter().for_each(|(key, value)| text += &format!("{key} = {value}\n"));
    }
    fs::write(folder.path().join("study.toml"), text).expect("written");
    folder
}

fn run(arguments: &[&str]) {
    let ended = bench(arguments);
    assert_eq!(code(&ended), 0, "{arguments:?}: {}", stderr(&ended));
}

#[test]
fn jobs_and_shards_change_no_byte() {
    let folder = study();
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let file = path("study.toml");
    for jobs in ["1", "2", "8"] {
        run(&["sweep", &file, "--quiet", "--out", &path(jobs), "--jobs", jobs]);
    }
    let one = stable_files(&folder.path().join("1"));
    let scores = one.iter().filter(|(name, _)| name.starts_with("scores/")).count();
    assert_eq!(scores, reproducible().count(), "every kind ran");
    for other in ["2", "8"] {
        assert_eq!(one, stable_files(&folder.path().join(other)), "{other} jobs");
    }
    run(&["sweep", &file, "--quiet", "--out", &path("a"), "--shard", "0/2"]);
    run(&["sweep", &file, "--quiet", "--out", &path("b"), "--shard", "1/2"]);
    let early = bench(&["merge", &path("a"), "--out", &path("early"), "--quiet"]);
    assert_eq!(code(&early), 3, "{}", stderr(&early));
    let half = reproducible().count() * 2;
    let expected = format!("{half} of {} trials are missing", 2 * half);
    assert!(stderr(&early).contains(&expected), "{}", stderr(&early));
    run(&["merge", &path("a"), &path("b"), &path("a"), "--out", &path("merged"), "--quiet"]);
    assert_eq!(one, stable_files(&folder.path().join("merged")), "two shards, one of them twice");

    // Shards may share a folder, too: then merging is joining it with itself.
    run(&["sweep", &file, "--quiet", "--out", &path("shared"), "--shard", "1/2"]);
    run(&["sweep", &file, "--quiet", "--out", &path("shared"), "--shard", "0/2"]);
    run(&["merge", &path("shared"), "--quiet"]);
    assert_eq!(one, stable_files(&folder.path().join("shared")), "a shared folder");

    // In an order of its own, kept and published by the library.
    shuffled(&folder.path().join("study.toml"), &folder.path().join("shuffled"));
    assert_eq!(one, stable_files(&folder.path().join("shuffled")), "shuffled");

    #[cfg(unix)]
    {
        interrupted(&file, &folder.path().join("cut"));
        assert_eq!(one, stable_files(&folder.path().join("cut")), "interrupted and resumed");
    }

    run(&["verify", &path("merged"), "--all"]);
    verify_finds_what_was_changed(&folder.path().join("merged"));
}

fn shuffled(file: &Path, out: &Path) {
    let experiment = bench::experiment_file::read(file, &bench::app::registry()).expect("sound");
    let dataset = Dataset::load(&experiment.dataset, &root().join("data")).expect("MNIST");
    let bench = Bench::new(experiment, dataset, Device::Cpu).expect("sound");
    let lock = Lock::new(bench.experiment(), bench.dataset(), Device::Cpu);
    let mut store = Store::open(out, &lock).expect("a folder");
    let mut trials = plan(bench.experiment());
    shuffle(&mut trials, &mut stream(23, "shuffled", &[]));
    sweep::run(&bench, &trials, 2, &AtomicBool::new(false), &mut store).expect("a sweep");
    let _published = store.publish(bench::publish::items(&bench)).expect("tables");
    bench::publish::folder(out).expect("figures");
}

/// Interrupts a sweep again and again, whenever it has kept something, until it has run through.
#[cfg(unix)]
fn interrupted(file: &str, out: &Path) {
    let arguments =
        ["sweep", file, "--quiet", "--out", out.to_str().expect("a path"), "--jobs", "2"];
    let (mut interrupts, mut missed) = (0, 0);
    loop {
        let mut child = common::command(&root(), &arguments)
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it runs");
        let kept = || {
            fs::metadata(out.join(format!("journal/{interrupts:05}.log"))).map_or(0, |m| m.len())
        };
        let ended = loop {
            if let Some(ended) = child.try_wait().expect("a child") {
                break ended;
            }
            if kept() > 2000 {
                let id = child.id().to_string();
                let sent = std::process::Command::new("kill").args(["-INT", &id]).status();
                assert!(sent.expect("kill runs").success());
                break child.wait().expect("reaped");
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        };
        match ended.code() {
            Some(0) if interrupts > 0 => break,
            // On a busy machine the signal may come after the end.
            Some(0) if missed < 20 => {
                missed += 1;
                fs::remove_dir_all(out).expect("removed");
            }
            Some(130) => interrupts += 1,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_bytes() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let text = "name = \"study\"\nseed = 3\n[dataset]\nname = \"mnist\"\nclasses = [3, 5]\n\
        [protocol]\nsizes = [12]\nrepeats = 1\nfolds = 2\ntest_size = 60\n\
        [[model]]\nname = \"mlp\"\nkind = \"mlp\"\nepochs = 3\n\
        [[model]]\nname = \"cnn\"\nkind = \"cnn\"\nconv = [8]\nepochs = 3\n";
    fs::write(folder.path().join("study.toml"), text).expect("written");
    let sweep = |out: &str, isa: Option<&str>| {
        let arguments = ["sweep", &path("study.toml"), "--quiet", "--out", &path(out)];
        let mut command = common::command(&root(), &arguments);
        match isa {
            Some(name) => command.env("NN_SIMD", name),
            None => command.env_remove("NN_SIMD"),
        };
        command.output().expect("it runs")
    };
    let unset = sweep("unset", None);
    assert_eq!(code(&unset), 0, "{}", stderr(&unset));
    let unset = stable_files(&folder.path().join("unset"));
    let mut tried = 0;
    for isa in nn::native::Isa::available() {
        let ended = sweep(isa.name(), Some(isa.name()));
        assert_eq!(code(&ended), 0, "{}: {}", isa.name(), stderr(&ended));
        assert_eq!(unset, stable_files(&folder.path().join(isa.name())), "{}", isa.name());
        tried += 1;
    }
    assert!(tried > 0);
    let unknown = sweep("unknown", Some("sse9"));
    assert_eq!(code(&unknown), 2, "{}", stderr(&unknown));
    assert!(stderr(&unknown).contains("no instruction set \"sse9\""), "{}", stderr(&unknown));
    assert!(!folder.path().join("unknown").exists());
}

/// Each change is found, named, and undone.
fn verify_finds_what_was_changed(results: &Path) {
    let file = |name: &str| results.join(name);
    let cases: [(PathBuf, &str, &str, &str); 4] = [
        (file("scores/knn.csv"), "\n", "\r\n", "scores/knn.csv is not what the tables give"),
        (file("summary.csv"), "0.", "1.", "summary.csv is not what the tables give"),
        (file("README.md"), "study", "studio", "README.md is not what the tables give"),
        (file("figures/accuracy-vs-n.svg"), "<svg", "<SVG", "accuracy-vs-n.svg is not what"),
    ];
    for (path, from, to, expected) in cases {
        let before = fs::read_to_string(&path).expect("a file");
        assert!(before.contains(from), "{}", path.display());
        fs::write(&path, before.replacen(from, to, 1)).expect("changed");
        let found = bench(&["verify", results.to_str().expect("a path"), "--fraction", "0"]);
        assert_eq!(code(&found), 1, "{}", stderr(&found));
        let said = common::stdout(&found);
        assert!(said.contains(expected), "{expected}: {said}");
        fs::write(&path, before).expect("undone");
    }
    fs::write(file("scores/ghost.csv"), "extra").expect("written");
    let found = bench(&["verify", results.to_str().expect("a path"), "--fraction", "0"]);
    assert_eq!(code(&found), 1);
    let said = common::stdout(&found);
    assert!(said.contains("scores/ghost.csv belongs to no model"), "{said}");
    fs::remove_file(file("scores/ghost.csv")).expect("undone");
    // A score that its predictions bear out, but that no run gives.
    let path = file("scores/naive-bayes.csv");
    let before = fs::read_to_string(&path).expect("scores");
    let row = before.lines().nth(1).expect("a row");
    let cells: Vec<&str> = row.split(',').collect();
    let changed = row.replacen(&format!(",{},", cells[12]), ",0.125,", 1);
    assert_ne!(changed, row, "train_accuracy stands there");
    fs::write(&path, before.replacen(row, &changed, 1)).expect("changed");
    let found = bench(&["verify", results.to_str().expect("a path"), "--all"]);
    assert_eq!(code(&found), 1, "{}", stderr(&found));
    let said = common::stdout(&found);
    assert!(said.contains("naive-bayes, n = 12, repeat 0, fold 0: train_accuracy was"), "{said}");
    fs::write(&path, before).expect("undone");
    verify_allows_last_bits_elsewhere(results);
}

/// On another machine, or by another binary, last bits of what rests on matrix products may differ, and nothing else may.
fn verify_allows_last_bits_elsewhere(results: &Path) {
    let change = |name: &str, from: &str, to: &str| {
        let path = results.join(name);
        let before = fs::read_to_string(&path).expect("a file");
        assert!(before.contains(from), "{from} in {before}");
        fs::write(&path, before.replacen(from, to, 1)).expect("changed");
    };
    for model in ["naive-bayes", "logistic-regression"] {
        let scores =
            fs::read_to_string(results.join(format!("scores/{model}.csv"))).expect("scores");
        let loss = scores.lines().nth(1).expect("a row").split(',').nth(10).expect("a loss");
        let moved = loss.parse::<f64>().expect("a number") * (1.0 + 1e-9);
        change(&format!("scores/{model}.csv"), &format!(",{loss},"), &format!(",{moved},"));
    }
    let verify = || {
        let found = bench(&["verify", results.to_str().expect("a path"), "--all"]);
        assert_eq!(code(&found), 1, "{}", stderr(&found));
        common::stdout(&found)
    };
    let here = verify();
    assert!(here.contains("naive-bayes, n = 12, repeat 0, fold 0: log_loss was"), "{here}");
    assert!(here.contains("logistic-regression, n = 12, repeat 0, fold 0: log_loss was"), "{here}");
    assert!(!here.contains("made elsewhere"), "{here}");
    change("environment.toml", "cargo_lock = \"", "cargo_lock = \"f");
    let elsewhere = verify();
    assert!(
        elsewhere.contains("naive-bayes, n = 12, repeat 0, fold 0: log_loss was"),
        "{elsewhere}"
    );
    assert!(
        !elsewhere.contains("logistic-regression, n = 12"),
        "within the tolerance: {elsewhere}"
    );
    assert!(
        elsewhere.contains("made elsewhere") && elsewhere.contains("cargo_lock was"),
        "{elsewhere}"
    );
}

fn spec(kind: &'static Kind) -> ModelSpec {
    let given = short(kind).into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let settings = Settings::resolve(kind.params, &given).expect("sound");
    ModelSpec { name: kind.name.to_owned(), kind, settings, scale: Scale::Unit, tune: None }
}

fn mnist(classes: &[u32]) -> Dataset {
    let classes = classes.iter().map(u32::to_string).collect();
    let spec = DatasetSpec { name: "mnist".into(), classes: Some(classes), table: None };
    Dataset::load(&spec, &root().join("data")).expect("MNIST is in the repository")
}

fn outcomes(bench: &Bench, order: u64) -> Vec<(String, Outcome)> {
    let mut trials = plan(bench.experiment());
    shuffle(&mut trials, &mut stream(order, "order", &[]));
    let mut found = Vec::new();
    sweep::run(bench, &trials, 2, &AtomicBool::new(false), &mut |record: Record| {
        found.push((record.key.to_string(), record.outcome));
        Ok(())
    })
    .expect("a sweep");
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn experiment(sizes: &[u32], repeats: u32, test_size: u32) -> Experiment {
    Experiment {
        name: "study".into(),
        seed: 11,
        dataset: DatasetSpec { name: "mnist".into(), classes: None, table: None },
        protocol: Protocol {
            kind: ProtocolKind::RepeatedCv,
            sizes: sizes.to_vec(),
            repeats,
            folds: 2,
            cv_repeats: None,
            test_size: Some(test_size),
            draws: Default::default(),
        },
        models: reproducible().map(spec).collect(),
        limits: Limits::default(),
    }
}

#[test]
fn the_order_of_trials_changes_no_outcome() {
    let bench =
        Bench::new(experiment(&[10, 20], 1, 50), mnist(&[4, 9]), Device::Cpu).expect("sound");
    let first = outcomes(&bench, 1);
    assert_eq!(first.len(), 4 * reproducible().count());
    assert!(first.iter().all(|(_, outcome)| outcome.status == Status::Ok));
    for order in [2, 3] {
        assert_eq!(first, outcomes(&bench, order));
    }
}

#[test]
fn on_permuted_labels_every_model_is_near_chance() {
    // Labels that have nothing to do with the pixels can't be learnt: whoever is right is told.
    let mut data = mnist(&[0, 1]);
    shuffle(&mut data.labels, &mut stream(5, "permuted labels", &[]));
    let bench = Bench::new(experiment(&[40], 4, 500), data, Device::Cpu).expect("sound");
    let mut right = std::collections::BTreeMap::<String, (usize, usize)>::new();
    for (key, outcome) in outcomes(&bench, 1) {
        let model = key.split(',').next().expect("a model").to_owned();
        let correct = outcome.correct.expect("a score");
        let sum = right.entry(model).or_default();
        *sum = (sum.0 + correct.count(), sum.1 + correct.len());
    }
    for (model, (right, scored)) in right {
        // 4,000 scores: five standard deviations of a fair coin are .04; the two classes are not quite even (.53).
        let accuracy = right as f64 / scored as f64;
        assert!((accuracy - 0.5).abs() < 0.08, "{model}: {accuracy}");
    }
}

#[test]
fn held_out_items_that_equal_training_items_are_found_by_content() {
    assert_eq!(mnist(&[0, 1]).duplicates_across_sets(), [], "MNIST 0 and 1 has none");
    let pixels = vec![1, 2, 3, 4, 9, 9, 9, 9, 5, 6, 7, 8, 1, 2, 3, 4];
    let shape = models::Shape { height: 2, width: 2, channels: 1 };
    let data = Dataset::from_parts("planted", shape, pixels, vec![0, 1, 0, 1], 2);
    assert_eq!(data.duplicates_across_sets(), [(0, 3)]);
    assert_eq!(data.duplicates_in_pool(), [], "the twins are in two sets");
}

#[test]
fn duplicates_are_found_wherever_they_are_put() {
    // Forty different items, five of them once more, among the held-out ones; all shuffled.
    let mut generator = stream(9, "twins", &[]);
    for round in 0..20u8 {
        let mut train: Vec<u8> = (0..40).collect();
        let mut test: Vec<u8> = (0..5).chain(100..110).collect();
        shuffle(&mut train, &mut generator);
        shuffle(&mut test, &mut generator);
        let expected: Vec<(u32, u32)> = test
            .iter()
            .zip(40..)
            .filter_map(|(item, at)| Some((train.iter().position(|t| t == item)? as u32, at)))
            .collect();
        assert_eq!(expected.len(), 5);
        let all: Vec<u8> = [&train[..], &test].concat();
        let pixels = all.iter().flat_map(|&i| [i, 255 - i, round, 7]).collect();
        let shape = models::Shape { height: 2, width: 2, channels: 1 };
        let labels = (0..all.len() as u32).map(|i| i % 2).collect();
        let data = Dataset::from_parts("planted", shape, pixels, labels, 40);
        assert_eq!(data.duplicates_across_sets(), expected);
    }
}
