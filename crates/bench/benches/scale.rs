//! What a study costs beyond what memory holds: planned, dealt to shards, every shard's journal written as if its trials
//! had run (200 scored items each), and merged; each step in a process of its own, with seconds, peak memory, bytes and
//! files.
//!
//! ```text
//! cargo bench -p bench --profile dev --bench scale               # 100,000 trials
//! cargo bench -p bench --profile dev --bench scale -- 10000000   # more: 1.1 GB of disk per million while it runs
//! cargo bench -p bench --profile dev --bench scale -- 1000000 100  # of 100 trials a shard, not 10,000: many small files
//! ```
//!
//! `TMPDIR` says where. Nothing stays.

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

mod synthetic;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bench::cli::{Common, MergeArgs, ResultsArgs, StatusArgs};
use bench::cmd;
use bench::data::Dataset;
use bench::environment::{self, Environment};
use bench::experiment::Experiment;
use bench::plan::Plan;
use bench::shard::{Shard, Shards};
use bench::store::{Lock, ShardStore};
use bench::trial::Bench;
use nn::Device;
use synthetic::{Clock, ITEMS, record, row};

const MODELS: u32 = 10;
const SIZES: [u32; 10] = [10, 15, 20, 30, 40, 60, 80, 120, 160, 240];
const FOLDS: u32 = 5;

/// Trials of one shard, if nothing else is said; it has as many splits as make them up.
const OF_A_SHARD: u64 = 10_000;

/// More trials are summed up, but not compared, as `bench merge` has it.
const COMPARED_UP_TO: u64 = 3_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match &arguments[..] {
        [step, folder, of_a_shard] => {
            run(step, Path::new(folder), of_a_shard.parse().expect("a number"))
        }
        _ => {
            let number = |at: usize| arguments.get(at).map(|n| n.parse().expect("a number"));
            let trials = number(0).unwrap_or(100_000);
            let of_a_shard: u64 = number(1).unwrap_or(OF_A_SHARD);
            let place = tempfile::tempdir().expect("a folder");
            write_study(place.path(), trials);
            let compared = ["report"].into_iter().filter(|_| trials <= COMPARED_UP_TO);
            for step in ["plan", "shards", "status", "merge", "again"].into_iter().chain(compared) {
                let own = std::env::current_exe().expect("this program");
                let ended = std::process::Command::new(own)
                    .arg(step)
                    .arg(place.path())
                    .arg(of_a_shard.to_string())
                    .status();
                assert!(ended.expect("it runs").success(), "{step}");
            }
        }
    }
}

fn run(step: &str, place: &Path, of_a_shard: u64) {
    let results = place.join("results");
    match step {
        "plan" => plan(place),
        "shards" => shards(place, &results, of_a_shard),
        "status" => status(place, &results),
        // Again: the same journals over the tables of the first time.
        "merge" | "again" => merge(step, place, &results),
        "report" => report(place, &results),
        other => panic!("no step {other:?}"),
    }
}

/// A table of `ITEMS` rows to a fold, and an experiment on it with as many repeats as make up `trials`.
fn write_study(place: &Path, trials: u64) {
    let rows = (0..ITEMS * FOLDS as usize).map(|i| format!("{},{}\n", i * 31 % 251, i % 2));
    fs::write(place.join("table.csv"), format!("a,kind\n{}", rows.collect::<String>()))
        .expect("written");
    let repeats = trials / u64::from(MODELS * SIZES.len() as u32 * FOLDS);
    let models =
        (0..MODELS).map(|i| format!("[[model]]\nname = \"model-{i}\"\nkind = \"majority\"\n"));
    let text = format!(
        "name = \"scale\"\nseed = 1\n[dataset]\nname = \"csv\"\npath = \"table.csv\"\ntarget = \"kind\"\n\
         [protocol]\nsizes = {SIZES:?}\nrepeats = {repeats}\nfolds = {FOLDS}\n{}",
        models.collect::<String>()
    );
    fs::write(place.join("study.toml"), text).expect("written");
}

fn experiment(place: &Path) -> Experiment {
    bench::experiment_file::read(&place.join("study.toml"), &bench::app::registry()).expect("sound")
}

fn plan(place: &Path) {
    let plan = Plan::of(&experiment(place));
    let clock = Clock::start();
    let found = plan.iter().filter(|key| plan.position(key).is_some()).count();
    assert_eq!(found as u64, plan.len());
    row("plan", found, clock);
}

/// Writes every shard's files, as if its trials had run.
fn shards(place: &Path, results: &Path, of_a_shard: u64) {
    let experiment = experiment(place);
    let dataset = Dataset::load(&experiment.dataset, place).expect("the table");
    let lock = Lock::new(&experiment, &dataset, Device::Cpu);
    let bench = Bench::new(experiment, dataset, Device::Cpu).expect("sound");
    assert_eq!(bench.held_out(0, 0).len(), ITEMS);
    let machine = Environment::new(Device::Cpu, 1, environment::now()).to_text();
    let (experiment, trials) = (bench.experiment(), Plan::of(bench.experiment()).len());
    let parts = trials.div_ceil(of_a_shard) as u32;
    let clock = Clock::start();
    let dealt = Shards::new(experiment, parts);
    row("deal", parts as usize, clock);
    let clock = Clock::start();
    for index in 0..parts {
        let (own, shard) = (dealt.trials(experiment, index), Shard { index, parts });
        let opened = ShardStore::open(results, &lock, shard, &own, None, Some(2));
        let mut store = opened.expect("a folder");
        store.set_machine(machine.clone()).expect("noted");
        let begins = store.notes();
        for key in &own {
            begins(key).expect("noted");
            store.append(record(key, 1)).expect("kept");
        }
        store.sync().expect("on the disk");
        store.end().expect("noted");
    }
    row("shards", trials as usize, clock);
    stock("journals", &results.join("journal"));
}

/// How far all shards are.
fn status(place: &Path, results: &Path) {
    let trials = Plan::of(&experiment(place)).len();
    let clock = Clock::start();
    let arguments = StatusArgs { results: Some(results.to_owned()), all: false, csv: false };
    let ended = cmd::status::run(&arguments, &bench::app::registry());
    assert_eq!(ended.expect("a status"), cmd::Exit::Done);
    row("status", trials as usize, clock);
}

fn merge(step: &str, place: &Path, results: &Path) {
    let trials = Plan::of(&experiment(place)).len();
    let arguments = MergeArgs {
        results: vec![results.to_owned()],
        out: None,
        beside: None,
        compare_up_to: 0,
        quiet: true,
    };
    let through = AtomicBool::new(false);
    let clock = Clock::start();
    let peak = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = 0;
            while !through.load(Ordering::Relaxed) {
                let bytes = files(results).into_iter().filter(|(path, _)| is_unfinished(path));
                peak = peak.max(bytes.map(|(_, bytes)| bytes).sum());
                std::thread::sleep(Duration::from_millis(200));
            }
            peak
        });
        let ended = cmd::merge::run(&Common { data: None }, &arguments, &bench::app::registry());
        through.store(true, Ordering::Relaxed);
        assert_eq!(ended.expect("merged"), cmd::Exit::Done);
        watch.join().expect("a peak")
    });
    row(step, trials as usize, clock);
    println!("{:12} {:>9.1} MB at most, while it ran", "  temporary", megabytes(peak));
    for folder in ["scores", "timings", "predictions"] {
        stock(folder, &results.join(folder));
    }
}

/// Everything that is derived from the tables, the comparison among it.
fn report(place: &Path, results: &Path) {
    let trials = Plan::of(&experiment(place)).len();
    let clock = Clock::start();
    cmd::report::run(&ResultsArgs { results: Some(results.to_owned()) }).expect("a report");
    row("report", trials as usize, clock);
}

fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "tmp")
}

/// The files in `folder` and the folders in it; what is gone meanwhile is not counted.
fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let inside = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for entry in inside(folder).flat_map(|entry| match entry.path().is_dir() {
        true => inside(&entry.path()).collect(),
        false => vec![entry],
    }) {
        found.extend(entry.metadata().ok().map(|data| (entry.path(), data.len())));
    }
    found
}

fn stock(what: &str, folder: &Path) {
    let files = files(folder);
    let bytes = files.iter().map(|(_, bytes)| bytes).sum();
    println!("{:12} {:>9.1} MB in {} files", format!("  {what}"), megabytes(bytes), files.len());
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
