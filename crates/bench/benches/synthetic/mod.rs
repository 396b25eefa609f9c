//! What the benches of the store share: records as if trials had run, and a clock with a table's row.
#![allow(clippy::print_stdout, reason = "a bench prints its table")]

use std::time::Instant;

use bench::plan::TrialKey;
use bench::record::{Correctness, Outcome, Record, Status, Timing};
use bench::seed::{stream, trial_seed};
use cpu_time::ProcessTime;
use rand_chacha::rand_core::RngCore;

/// Held-out items of a trial.
pub(crate) const ITEMS: usize = 200;

/// A record of a trial as if it had run: the same for the same key and seed.
pub(crate) fn record(key: &TrialKey, seed: u64) -> Record {
    let mut generator = stream(seed, "synthetic", &[u64::from(key.repeat), u64::from(key.fold)]);
    // The larger n, the rarer the errors.
    let bits: Vec<bool> =
        (0..ITEMS).map(|_| !generator.next_u32().is_multiple_of(key.n + 3)).collect();
    let outcome = Outcome {
        seed: trial_seed(seed, &key.model, key.n, key.repeat, key.fold),
        status: Status::Ok,
        n_train: key.n,
        n_test: ITEMS as u32,
        correct: Some(Correctness::pack(&bits)),
        log_loss: Some(f64::from(generator.next_u32()) / f64::from(u32::MAX)),
        brier: Some(f64::from(generator.next_u32()) / f64::from(u32::MAX)),
        train_accuracy: Some(1.0),
        train_loss: Some(f64::from(generator.next_u32()) / f64::from(u32::MAX)),
        steps: Some(600),
        reason: String::new(),
        tuned: String::new(),
        inner_fits: None,
    };
    let timing = Timing {
        fit: 0.01,
        fit_cpu: 0.01,
        predict: 0.002,
        predict_cpu: 0.002,
        ..Timing::default()
    };
    Record { key: key.clone(), outcome, timing: Some(timing) }
}

/// Wall and CPU time; on a busy machine only the latter tells.
pub(crate) struct Clock(pub(crate) Instant, pub(crate) ProcessTime);

impl Clock {
    pub(crate) fn start() -> Self {
        Clock(Instant::now(), ProcessTime::now())
    }
}

/// Prints what so many trials, splits or cells took.
pub(crate) fn row(what: &str, count: usize, clock: Clock) {
    let (wall, cpu) = (clock.0.elapsed().as_secs_f64(), clock.1.elapsed().as_secs_f64());
    println!("{what:12} {count:>9}  {wall:7.2} s  {cpu:7.2} CPU-s  peak {:>6} MiB", peak_mib());
}

/// The peak of this process's memory, in MiB; 0 where the system doesn't say.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}
