//! Running trials on several workers: whatever their number and order, the same records come out.
//!
//! A worker is a thread, or a thread that hands its trials to a process of its own ([`crate::isolate`]).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::isolate::{Isolation, Worker};
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

/// Who runs trials.
#[derive(Clone, Copy)]
pub struct Crew<'a> {
    /// The experiment.
    pub bench: &'a Bench,
    /// Workers.
    pub jobs: usize,
    /// Once it is set, workers stop, dropping the trials under way.
    pub stop: &'a AtomicBool,
    /// If every trial is to run in one of as many processes, whose death or delay costs that trial alone.
    pub isolation: Option<&'a Isolation>,
    /// Is told of every trial before it runs, on the worker's thread.
    pub begins: &'a (dyn Fn(&TrialKey) -> Result<()> + Sync),
}

/// Tells nobody.
pub fn unnoticed(_: &TrialKey) -> Result<()> {
    Ok(())
}

impl Crew<'_> {
    /// Runs `trials` and hands each record to `sink`, on the calling thread, as it comes in. If `sink` fails, the trials
    /// under way are dropped.
    ///
    /// # Errors
    /// What `sink` or `begins` returned; [`Error::Input`] if the workers, or their processes, can't be started.
    pub fn run(&self, trials: &[TrialKey], sink: &mut impl Sink) -> Result<()> {
        let queue = Queue { trials, next: AtomicUsize::new(0), stop: self.stop };
        drive(self.jobs, self.stop, sink, |sender| {
            let mut process = self.isolation.map(|own| own.worker(self.bench, self.stop));
            while let Some(key) = queue.take() {
                let ended = match self.attempt(key, process.as_mut()) {
                    Ok(None) => return,
                    Ok(Some(record)) => Ok(record),
                    Err(error) => Err(error),
                };
                let failed = ended.is_err();
                // If the receiver gave up, an error is on its way to the user.
                if sender.send(ended).is_err() || failed {
                    return;
                }
            }
        })
    }

    fn attempt(&self, key: &TrialKey, process: Option<&mut Worker<'_>>) -> Result<Option<Record>> {
        (self.begins)(key)?;
        match process {
            // What runs in a process of its own needs no second one around it.
            Some(process) if !self.bench.is_outside(key) => process.run(key),
            _ => Ok(self.bench.run(key, self.stop)),
        }
    }
}

/// Runs `trials` on `jobs` threads, see [`Crew::run`].
///
/// # Errors
/// As [`Crew::run`].
pub fn run(
    bench: &Bench,
    trials: &[TrialKey],
    jobs: usize,
    stop: &AtomicBool,
    sink: &mut impl Sink,
) -> Result<()> {
    Crew { bench, jobs, stop, isolation: None, begins: &unnoticed }.run(trials, sink)
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
