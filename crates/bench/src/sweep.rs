//! Running trials on several workers: whatever their number and order, the same records come out.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::error::{Error, Result};
use crate::plan::TrialKey;
use crate::record::Record;
use crate::trial::Bench;

/// Runs `trials` on `jobs` workers and hands each record to `keep`, on the calling thread, as it comes in.
///
/// Returns early, dropping the trials under way, once `stop` is set. If `keep` fails, the trials under way are dropped
/// and the error is returned.
///
/// # Errors
/// What `keep` returned, or [`Error::Input`] if the workers can't be started.
pub fn run(
    bench: &Bench,
    trials: &[TrialKey],
    jobs: usize,
    stop: &AtomicBool,
    mut keep: impl FnMut(Record) -> Result<()>,
) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .thread_name(|i| format!("worker-{i}"))
        .build()
        .map_err(|error| Error::input(format!("can't start {jobs} workers: {error}")))?;
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    pool.in_place_scope(|scope| {
        for _ in 0..jobs {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move |_| work(bench, trials, next, stop, &sender));
        }
        drop(sender);
        let kept = receiver.iter().try_for_each(&mut keep);
        if kept.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        kept
    })
}

/// One worker: takes the next trial until there is none.
fn work(
    bench: &Bench,
    trials: &[TrialKey],
    next: &AtomicUsize,
    stop: &AtomicBool,
    sender: &mpsc::Sender<Record>,
) {
    while !stop.load(Ordering::Relaxed) {
        let Some(key) = trials.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
        let Some(record) = bench.run(key, stop) else { return };
        if sender.send(record).is_err() {
            return; // the receiver gave up: an error is on its way to the user
        }
    }
}
