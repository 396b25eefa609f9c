//! What the store costs at scale: a million synthetic trials are written, then opened, resumed, summed up and drawn, with
//! seconds and peak memory; and what the harness itself adds to a trial.
//!
//! ```text
//! cargo bench -p bench --profile dev --bench store            # a million trials
//! cargo bench -p bench --profile dev --bench store -- 100000  # fewer
//! ```

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod synthetic;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bench::compare::{Comparison, Options};
use bench::data::Dataset;
use bench::experiment::{
    DatasetSpec, Experiment, Limits, ModelSpec, Protocol, ProtocolKind, Scale,
};
use bench::figures::{self, Sources};
use bench::plan::{TrialKey, plan, running_order};
use bench::store::{Items, Lock, Results, Store};
use bench::summary::Summary;
use bench::trial::Bench;
use models::{Settings, Shape};
use nn::Device;
use synthetic::{Clock, ITEMS, record, row};

const FOLDS: u32 = 5;
const MODELS: u32 = 10;
const SIZES: [u32; 10] = [10, 15, 20, 30, 40, 60, 80, 120, 160, 240];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("fill") => fill(Path::new(&arguments[1]), arguments[2].parse().expect("a number")),
        Some("use") => use_store(Path::new(&arguments[1]), arguments[2].parse().expect("a number")),
        trials => {
            overhead();
            let trials = trials.map_or(1_000_000, |n| n.parse().expect("a number of trials"));
            let folder = tempfile::tempdir().expect("a folder");
            // Processes of their own, so that each one's peak memory is its own.
            for step in ["fill", "use"] {
                let own = std::env::current_exe().expect("this program");
                let path = folder.path().to_str().expect("a path");
                let ended = std::process::Command::new(own)
                    .args([step, path, &trials.to_string()])
                    .status();
                assert!(ended.expect("it runs").success(), "{step}");
            }
        }
    }
}

/// Ten models at ten sizes, as many repeats of five folds as make up `trials`.
fn experiment(trials: u32) -> Experiment {
    let kind = models::find_kind("majority").expect("a kind");
    let model = |i: u32| ModelSpec {
        name: format!("model-{i}"),
        kind,
        settings: Settings::resolve(kind.params, &Default::default()).expect("defaults"),
        scale: Scale::Unit,
        tune: None,
    };
    Experiment {
        name: "scale".into(),
        seed: 1,
        dataset: DatasetSpec { name: "synthetic".into(), classes: None, table: None },
        protocol: Protocol {
            kind: ProtocolKind::RepeatedCv,
            sizes: SIZES.to_vec(),
            repeats: trials / (MODELS * SIZES.len() as u32 * FOLDS),
            folds: FOLDS,
            cv_repeats: None,
            test_size: None,
            draws: Default::default(),
        },
        models: (0..MODELS).map(model).collect(),
        limits: Limits::default(),
    }
}

/// Items of 4×4 pixels in two classes, `ITEMS` to a fold.
fn dataset() -> Dataset {
    let count = ITEMS * FOLDS as usize;
    let labels: Vec<u32> = (0..count as u32 + 2).map(|i| i % 2).collect();
    let shape = Shape { height: 4, width: 4, channels: 1 };
    let pixels = (0..labels.len() * shape.len()).map(|i| (i * 31 % 251) as u8).collect();
    Dataset::from_parts("synthetic", shape, pixels, labels, count)
}

fn bench_of(trials: u32) -> Bench {
    Bench::new(experiment(trials), dataset(), Device::Cpu).expect("a sound experiment")
}

fn fill(folder: &Path, trials: u32) {
    let bench = bench_of(trials);
    let lock = Lock::new(bench.experiment(), bench.dataset(), Device::Cpu);
    let mut store = Store::open(folder, &lock).expect("a folder");
    let keys = plan(bench.experiment());
    let clock = Clock::start();
    for key in &keys {
        store.append(record(key, 1)).expect("kept");
    }
    store.sync().expect("on the disk");
    row("append", keys.len(), clock);
    let clock = Clock::start();
    let protocol = &bench.experiment().protocol;
    let splits = (0..protocol.repeats).flat_map(|r| (0..FOLDS).map(move |f| (r, f)));
    let items: Items = splits.map(|(r, f)| ((r, f), bench.split(r, f).test.clone())).collect();
    row("split", items.len(), clock);
    let clock = Clock::start();
    store.publish(items).expect("tables");
    row("tables", keys.len(), clock);
}

fn use_store(folder: &Path, trials: u32) {
    let whole = Clock::start();
    let experiment = experiment(trials);
    let lock = Lock::new(&experiment, &dataset(), Device::Cpu);
    let clock = Clock::start();
    let store = Store::open(folder, &lock).expect("a folder");
    row("open", trials as usize, clock);
    let clock = Clock::start();
    let mut missing: Vec<TrialKey> =
        plan(&experiment).into_iter().filter(|key| !store.has(key)).collect();
    running_order(&mut missing);
    row("resume", missing.len(), clock);
    drop(store);
    let clock = Clock::start();
    let results = Results::read(folder).expect("tables");
    row("read tables", results.records.len(), clock);
    let clock = Clock::start();
    let summary = Summary::new(&results).expect("a summary");
    row("sum up", summary.cells.len(), clock);
    let clock = Clock::start();
    let comparison = Comparison::new(&results, &Options::default()).expect("a comparison");
    row("compare", comparison.pairs.len(), clock);
    let clock = Clock::start();
    let comparison = Some(&comparison);
    let (lock, summary) = (&results.lock, &summary);
    let sources = Sources { lock, notes: &[], summary, comparison, trust: None };
    figures::draw(folder, &sources).expect("figures");
    row("draw", summary.cells.len(), clock);
    row("all of it", trials as usize, whole);
}

/// One trial after another with a model that costs nothing: what is left is the harness.
fn overhead() {
    let trials = 100_000;
    let bench = Arc::new(bench_of(trials));
    let mut keys = plan(bench.experiment());
    running_order(&mut keys);
    let folder = tempfile::tempdir().expect("a folder");
    let lock = Lock::new(bench.experiment(), bench.dataset(), Device::Cpu);
    let mut store = Store::open(folder.path(), &lock).expect("a folder");
    let stop = AtomicBool::new(false);
    let clock = Clock::start();
    bench::sweep::run(&bench, &keys, 1, &stop, &mut store).expect("a sweep");
    store.sync().expect("on the disk");
    let seconds = clock.1.elapsed().as_secs_f64();
    println!(
        "harness: {:.1} µs a trial (majority, {ITEMS} items)",
        seconds / f64::from(trials) * 1e6
    );
}
