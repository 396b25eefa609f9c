//! What the tests share: a tiny dataset made in memory, models whose results are known exactly, and the real binary.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use bench::data::Dataset;
use bench::experiment::{
    DatasetSpec, Experiment, Limits, ModelSpec, Protocol, ProtocolKind, Scale,
};
use models::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Kind, Predictions, Settings,
    Shape, TrainingSet, Tuning,
};
use tempfile::TempDir;

/// Items of 2×2 pixels whose first pixel is their class, the second their position modulo 200.
pub fn tiny(per_class: &[usize], test_per_class: usize) -> Dataset {
    let mut labels = Vec::new();
    for (class, &count) in per_class.iter().enumerate() {
        labels.extend(vec![class as u32; count]);
    }
    let train_len = labels.len();
    for class in 0..per_class.len() {
        labels.extend(vec![class as u32; test_per_class]);
    }
    let pixels = labels
        .iter()
        .enumerate()
        .flat_map(|(i, &label)| [label as u8, (i % 200) as u8, 0, 0])
        .collect();
    let shape = Shape { height: 2, width: 2, channels: 1 };
    Dataset::from_parts("tiny", shape, pixels, labels, train_len)
}

pub fn protocol(kind: ProtocolKind, sizes: &[u32], repeats: u32, folds: u32) -> Protocol {
    let cv_repeats = (kind == ProtocolKind::SmallSampleCv).then_some(1);
    Protocol {
        kind,
        sizes: sizes.to_vec(),
        repeats,
        folds,
        cv_repeats,
        test_size: None,
        draws: Default::default(),
    }
}

pub fn experiment(protocol: Protocol, kinds: &[&'static Kind]) -> Experiment {
    let model = |kind: &&'static Kind| ModelSpec {
        name: kind.name.to_owned(),
        kind,
        settings: Settings::resolve(kind.params, &Default::default()).expect("defaults"),
        scale: Scale::Raw,
        tune: None,
    };
    Experiment {
        name: "tiny".into(),
        seed: 7,
        dataset: DatasetSpec { name: "tiny".into(), classes: None, table: None },
        protocol,
        models: kinds.iter().map(model).collect(),
        limits: Limits::default(),
    }
}

/// A mock: what it does on `fit`, by name.
macro_rules! mock {
    ($constant:ident, $name:literal, $does:expr) => {
        pub static $constant: Kind = Kind {
            name: $name,
            summary: "a mock",
            caveat: None,
            params: &[],
            tuning: Tuning::NONE,
            build: |_| Ok(Box::new(Mock($does))),
        };
    };
}

mock!(ORACLE, "oracle", Behaviour::ReadsTheLabel);
mock!(CONSTANT, "constant", Behaviour::SaysZero);
mock!(PANICS, "panics", Behaviour::Panics);
mock!(DIVERGES, "diverges", Behaviour::Diverges);
mock!(MISCOUNTS, "miscounts", Behaviour::Miscounts);
mock!(INVENTS, "invents", Behaviour::InventsLabels);
mock!(STOPS, "stops", Behaviour::AsksToStop);
mock!(DEEP, "deep", Behaviour::RecursesDeeply);

#[derive(Clone, Copy, Debug)]
pub enum Behaviour {
    /// The first pixel is the class: right on everything.
    ReadsTheLabel,
    SaysZero,
    /// Panics at n = 4 only.
    Panics,
    Diverges,
    Miscounts,
    InventsLabels,
    /// Sets the stop flag, as an interrupt would while it runs, and honours it.
    AsksToStop,
    /// Needs 5 MiB of stack.
    RecursesDeeply,
}

fn recurse(left: usize) -> u8 {
    let frame = std::hint::black_box([left as u8; 1024]);
    if left == 0 { frame[7] } else { recurse(left - 1).wrapping_add(frame[9]) }
}

#[derive(Debug)]
struct Mock(Behaviour);

impl Classifier for Mock {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        match self.0 {
            Behaviour::Panics if train.rows() == 4 => panic!("four is too many"),
            Behaviour::Diverges => return Err(FitError::Diverged("loss is inf at step 3".into())),
            Behaviour::RecursesDeeply => drop(std::hint::black_box(recurse(5 << 10))),
            Behaviour::AsksToStop => context.stop.store(true, Ordering::Relaxed),
            _ => {}
        }
        context.check()?;
        Ok(Fit::new(Mock(self.0)))
    }
}

impl FittedClassifier for Mock {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let labels = (0..features.rows()).map(|i| match self.0 {
            Behaviour::ReadsTheLabel => features.row(i)[0] as u32,
            Behaviour::InventsLabels => 99,
            _ => 0,
        });
        let mut labels: Vec<u32> = labels.collect();
        if matches!(self.0, Behaviour::Miscounts) {
            labels.pop();
        }
        Ok(Predictions::labels(labels))
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// The real binary with `arguments`, run in `folder`.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(arguments).current_dir(folder).env_remove("BENCH_DATA");
    command
}

pub fn bench(arguments: &[&str]) -> Output {
    command(&root(), arguments).output().expect("the binary runs")
}

pub fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file below `folder` that must be the same on every run, by path, with its bytes.
pub fn stable_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort();
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).expect("below").to_string_lossy().replace('\\', "/");
        let volatile = ["journal", "timings", "environment.toml"];
        if volatile.iter().any(|v| name.starts_with(v)) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            found.push((name, std::fs::read(&path).expect("a file")));
        }
    }
}

/// A small study on real data.
pub const EXPERIMENT: &str = r#"
name = "study"
seed = 3

[dataset]
name = "mnist"
classes = [4, 9]

[protocol]
kind = "repeated-cv"
sizes = [10, 20]
repeats = 2
folds = 2
test_size = 200

[[model]]
name = "floor"
kind = "majority"

[[model]]
name = "leekasso"
kind = "linear-regression"
top_k = 10

[[model]]
name = "logistic"
kind = "logistic-regression"

[[model]]
name = "net"
kind = "mlp"
hidden = [16]
epochs = 3
"#;

/// A folder with the experiment, changed by `edit`, and an empty place for results.
pub struct Study {
    folder: TempDir,
}

impl Study {
    pub fn new(edit: impl Fn(&str) -> String) -> Self {
        let folder = TempDir::new().expect("a folder");
        let edited = edit(EXPERIMENT);
        fs::write(folder.path().join("study.toml"), edited).expect("written");
        Study { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn sweep(&self, out: &str, more: &[&str]) -> std::process::Output {
        let (file, out) = (self.path("study.toml"), self.path(out));
        let mut arguments =
            vec!["sweep", file.to_str().expect("a path"), "--out", out.to_str().expect("a path")];
        arguments.extend(more);
        bench(&arguments)
    }
}

/// The number of journal files in a results folder.
pub fn journals(results: &Path) -> usize {
    let entries = fs::read_dir(results.join("journal")).expect("a journal").flatten();
    entries.filter(|entry| entry.path().extension().is_some_and(|e| e == "log")).count()
}

/// Complete records in a journal.
pub fn journal_records(journal: &Path) -> usize {
    let Ok(listed) = fs::read_dir(journal) else { return 0 };
    let paths = listed.flatten().map(|entry| entry.path());
    let logs = paths.filter(|path| path.extension().is_some_and(|e| e == "log"));
    logs.map(|path| fs::read_to_string(path).unwrap_or_default().matches('\n').count().max(1) - 1)
        .sum()
}

/// A text file that must be there.
pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A program of `examples/`, built if it is missing or older than the binary: `cargo test --test NAME` alone builds none.
pub fn example(name: &str) -> PathBuf {
    // One build at a time; cargo's own lock would do, but says so.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let binary = Path::new(env!("CARGO_BIN_EXE_bench"));
    let folder = binary.parent().expect("a folder");
    let program = folder.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let built = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    if built(&program) < built(binary) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "-p", "bench", "--example", name]);
        cargo.arg("--target-dir").arg(folder.parent().expect("a target folder"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        let ended = cargo.current_dir(root()).status().expect("cargo runs");
        assert!(ended.success(), "the example {name} does not build");
    }
    program
}

/// Says that a test, or a part of it, was not done, whatever the test harness hides.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
