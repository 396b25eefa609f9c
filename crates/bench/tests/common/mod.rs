//! What the tests share: a tiny dataset made in memory, models whose results are known exactly, and the real binary.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::Ordering;

use bench::data::Dataset;
use bench::experiment::{DatasetSpec, Experiment, ModelSpec, Protocol, ProtocolKind, Scale};
use models::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Kind, Predictions, Settings,
    Shape, TrainingSet,
};

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
    Protocol { kind, sizes: sizes.to_vec(), repeats, folds, test_size: None }
}

pub fn experiment(protocol: Protocol, kinds: &[&'static Kind]) -> Experiment {
    let model = |kind: &&'static Kind| ModelSpec {
        name: kind.name.to_owned(),
        kind,
        settings: Settings::resolve(kind.params, &Default::default()).expect("defaults"),
        scale: Scale::Raw,
    };
    Experiment {
        name: "tiny".into(),
        seed: 7,
        dataset: DatasetSpec { name: "tiny".into(), classes: None },
        protocol,
        models: kinds.iter().map(model).collect(),
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
}

#[derive(Debug)]
struct Mock(Behaviour);

impl Classifier for Mock {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        match self.0 {
            Behaviour::Panics if train.rows() == 4 => panic!("four is too many"),
            Behaviour::Diverges => return Err(FitError::Diverged("loss is inf at step 3".into())),
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
