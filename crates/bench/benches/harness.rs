//! What it costs to run a trial elsewhere: a worker process beside a thread, and the way to a runner and back.
//!
//! ```text
//! cargo bench -p bench --profile dev --bench harness
//! ```

#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use bench::data::{Dataset, data_folder};
use bench::experiment::{
    DatasetSpec, Experiment, Limits, ModelSpec, Protocol, ProtocolKind, Scale,
};
use bench::isolate::Isolation;
use bench::plan::plan;
use bench::store::Lock;
use bench::trial::Bench;
use models::{Features, FitContext, Settings, Shape, TrainingSet, Value};
use nn::Device;

/// Rows and columns of what goes to the runner.
const ROWS: usize = 5000;
const SHAPE: Shape = Shape { height: 28, width: 28, channels: 1 };

/// Round trips, of which the median counts.
const ROUNDS: usize = 15;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        // Worker processes are this program, too.
        Some("worker") => return bench::app::run(&[]),
        Some("runner") => answer(),
        _ => {
            round_trips();
            isolation();
        }
    }
    ExitCode::SUCCESS
}

/// The fastest runner there can be: it reads everything, and says 0.
fn answer() {
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut lengths = [0; 12];
    while input.read_exact(&mut lengths).is_ok() {
        let length =
            |bytes: &[u8]| bytes.iter().rev().fold(0usize, |sum, &b| sum << 8 | usize::from(b));
        let (mut header, mut payload) =
            (vec![0; length(&lengths[..4])], vec![0; length(&lengths[4..])]);
        input.read_exact(&mut header).expect("a header");
        input.read_exact(&mut payload).expect("a payload");
        let header = String::from_utf8(header).expect("JSON");
        let (reply, size) = if header.contains("\"hello\"") {
            (r#"{"protocol": 1, "name": "bench", "version": "1"}"#, 0)
        } else if header.contains("\"predict\"") {
            ("{}", payload.len() / SHAPE.len())
        } else {
            ("{}", 0)
        };
        let mut frame = (reply.len() as u32).to_le_bytes().to_vec();
        frame.extend((size as u64).to_le_bytes());
        frame.extend(reply.as_bytes());
        frame.resize(frame.len() + size, 0);
        output.write_all(&frame).and_then(|()| output.flush()).expect("a reader");
    }
}

fn round_trips() {
    let kind = &bench::runner::KINDS[0];
    let own = std::env::current_exe().expect("this program");
    let text = |text: &str| Value::Text(text.to_owned());
    let list = |items: &[&str]| Value::List(items.iter().map(|item| text(item)).collect());
    let command = list(&[own.to_str().expect("a path"), "runner"]);
    let given = [("command".to_owned(), command), ("version".to_owned(), list(&["x"]))];
    let settings = Settings::resolve(kind.params, &given.into()).expect("sound");
    let runner = (kind.build)(&settings).expect("sound");
    let values: Vec<f32> = (0..ROWS * SHAPE.len()).map(|i| (i % 251) as f32 / 251.0).collect();
    let labels: Vec<u32> = (0..ROWS as u32).map(|i| i % 2).collect();
    let features = Features::new(&values, SHAPE);
    let train = TrainingSet::new(features, &labels, 2).expect("sound");
    let stop = AtomicBool::new(false);
    let context = FitContext { seed: 1, device: Device::Cpu, stop: &stop };
    runner.check(SHAPE, 2).expect("it starts");
    let (mut fits, mut predictions) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let fit = runner.fit(&train, &context).expect("a fit");
        fits.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        fit.model.predict(&features).expect("predictions");
        predictions.push(started.elapsed().as_secs_f64());
    }
    for (what, mut seconds) in [("fit", fits), ("predict", predictions)] {
        seconds.sort_by(f64::total_cmp);
        let (least, median) = (seconds[0] * 1e3, seconds[ROUNDS / 2] * 1e3);
        println!("runner: {what} of {ROWS} × {}: {median:.1} ms (least {least:.1})", SHAPE.len());
    }
}

fn isolation() {
    let kind = models::find_kind("majority").expect("a kind");
    let experiment = Experiment {
        name: "isolation".into(),
        seed: 1,
        dataset: DatasetSpec {
            name: "mnist".into(),
            classes: Some(vec!["0".into(), "1".into()]),
            table: None,
        },
        protocol: Protocol {
            kind: ProtocolKind::RepeatedCv,
            sizes: vec![10, 20, 40, 80],
            repeats: 100,
            folds: 5,
            cv_repeats: None,
            test_size: Some(200),
            draws: Default::default(),
        },
        models: vec![ModelSpec {
            name: "floor".into(),
            kind,
            settings: Settings::resolve(kind.params, &Default::default()).expect("defaults"),
            scale: Scale::Unit,
            tune: None,
        }],
        limits: Limits::default(),
    };
    let data = data_folder(None).expect("the repository's data");
    let dataset = Dataset::load(&experiment.dataset, &data).expect("MNIST");
    let lock = Lock::new(&experiment, &dataset, Device::Cpu);
    let isolation = isolated(&lock, &data);
    let bench = Bench::new(experiment, dataset, Device::Cpu).expect("sound");
    let trials = plan(bench.experiment());
    let stop = AtomicBool::new(false);
    let mut keep = |_| Ok(());
    let started = Instant::now();
    bench::sweep::run(&bench, &trials, 1, &stop, &mut keep).expect("a sweep");
    let threads = started.elapsed().as_secs_f64() / trials.len() as f64;
    // What starting costs is told apart: it is paid once for every worker.
    let times = [1, trials.len()].map(|count| {
        let started = Instant::now();
        let some = &trials[..count];
        let begins = &bench::sweep::unnoticed;
        let isolation = Some(&isolation);
        let crew = bench::sweep::Crew { bench: &bench, jobs: 1, stop: &stop, isolation, begins };
        crew.run(some, &mut keep).expect("a sweep");
        started.elapsed().as_secs_f64()
    });
    let isolated = (times[1] - times[0]) / (trials.len() - 1) as f64;
    println!(
        "isolation: {:.0} µs a trial in a thread, {:.0} in a process (majority, 200 items); {:.2} s to start one",
        threads * 1e6,
        isolated * 1e6,
        times[0]
    );
}

fn isolated(lock: &Lock, data: &Path) -> Isolation {
    Isolation::new(lock, data, None, Device::Cpu, Limits::default()).expect("this program")
}
