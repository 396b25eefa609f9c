//! Running trials on several workers: whatever their number and order, the same records come out.
//!
//! A worker is a thread, or a thread that hands its trials to a process of its own ([`crate::isolate`]).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::isolate::Isolation;
use crate::plan::TrialKey;
use crate::record::Record;
use crate::trial::Bench;

/// Where records go.
pub trait Sink {
    /// Takes a record.
    ///
    /// # Errors
    /// Ends the sweep.
    fn keep(&mut self, record: Record) -> Result<()>;

    /// Called now and then while no record comes in.
    ///
    /// # Errors
    /// Ends the sweep.
    fn idle(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<F: FnMut(Record) -> Result<()>> Sink for F {
    fn keep(&mut self, record: Record) -> Result<()> {
        self(record)
    }
}

/// Between two calls of [`Sink::idle`].
pub(crate) const IDLE_EVERY: Duration = Duration::from_millis(200);

/// The system's own default for a main thread; a model may recurse as deeply as it could alone.
const STACK: usize = 8 << 20;

/// Runs `trials` on `jobs` threads and hands each record to `sink`, on the calling thread, as it comes in.
///
/// Returns early, dropping the trials under way, once `stop` is set. If `sink` fails, the trials under way are dropped
/// and the error is returned.
///
/// # Errors
/// What `sink` returned, or [`Error::Input`] if the workers can't be started.
pub fn run(
    bench: &Bench,
    trials: &[TrialKey],
    jobs: usize,
    stop: &AtomicBool,
    sink: &mut impl Sink,
) -> Result<()> {
    let queue = Queue { trials, next: AtomicUsize::new(0), stop };
    drive(jobs, stop, sink, |sender| {
        while let Some(key) = queue.take() {
            let Some(record) = bench.run(key, stop) else { return };
            if sender.send(Ok(record)).is_err() {
                return; // the receiver gave up: an error is on its way to the user
            }
        }
    })
}

/// As [`run`], with every trial in one of `jobs` processes, whose death or delay costs that trial alone.
///
/// # Errors
/// As [`run`], and if a worker process can't be started.
pub fn run_isolated(
    bench: &Bench,
    trials: &[TrialKey],
    jobs: usize,
    stop: &AtomicBool,
    isolation: &Isolation,
    sink: &mut impl Sink,
) -> Result<()> {
    let queue = Queue { trials, next: AtomicUsize::new(0), stop };
    drive(jobs, stop, sink, |sender| {
        let mut worker = isolation.worker(bench, stop);
        while let Some(key) = queue.take() {
            // What runs in a process of its own needs no second one around it.
            let ran =
                if bench.is_outside(key) { Ok(bench.run(key, stop)) } else { worker.run(key) };
            let ended = match ran {
                Ok(None) => return,
                Ok(Some(record)) => Ok(record),
                Err(error) => Err(error),
            };
            let failed = ended.is_err();
            if sender.send(ended).is_err() || failed {
                return;
            }
        }
    })
}

/// The trials that no worker has taken yet.
struct Queue<'a> {
    trials: &'a [TrialKey],
    next: AtomicUsize,
    stop: &'a AtomicBool,
}

impl Queue<'_> {
    fn take(&self) -> Option<&TrialKey> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        self.trials.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a worker has to say: a record, or why it can't go on.
type Message = Result<Record>;

/// Runs `work` on `jobs` threads and hands over what they send.
fn drive(
    jobs: usize,
    stop: &AtomicBool,
    sink: &mut impl Sink,
    work: impl Fn(&mpsc::Sender<Message>) + Sync,
) -> Result<()> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .thread_name(|i| format!("worker-{i}"))
        .stack_size(STACK)
        .build()
        .map_err(|error| Error::input(format!("can't start {jobs} workers: {error}")))?;
    let (sender, receiver) = mpsc::channel();
    pool.in_place_scope(|scope| {
        for _ in 0..jobs {
            let (sender, work) = (sender.clone(), &work);
            scope.spawn(move |_| work(&sender));
        }
        drop(sender);
        let kept = drain(&receiver, sink);
        if kept.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        kept
    })
}

/// Hands over records until all workers are gone.
fn drain(receiver: &mpsc::Receiver<Message>, sink: &mut impl Sink) -> Result<()> {
    loop {
        match receiver.recv_timeout(IDLE_EVERY) {
            Ok(message) => sink.keep(message?)?,
            Err(RecvTimeoutError::Timeout) => sink.idle()?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}
