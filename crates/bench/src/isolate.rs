//! Trials in processes of their own: what aborts, overflows its stack, exhausts the memory or never ends costs one
//! trial, not the sweep.
//!
//! A worker process is this very program under the verb `worker`. It gets the experiment as a lock file's text, loads
//! the data once, and then answers each trial's name by its record, a line each way. It stays warm from trial to trial
//! and is replaced when it dies or is killed for taking too long.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::experiment::Limits;
use crate::plan::TrialKey;
use crate::process::{Process, Waited, each_line};
use crate::record::{PROCESS_DIED, Record, Status};
use crate::runner;
use crate::store::{LONGEST_LINE, Lock, TrialIds, decode};
use crate::trial::Bench;

/// A process that doesn't answer its first message in this time is not coming.
const START_LIMIT: Duration = Duration::from_secs(300);

/// A trial that took its process with it is tried once more: the machine may have been at fault.
const ATTEMPTS: usize = 2;

/// How worker processes are started, and what they may use.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// The program: this one.
    program: PathBuf,
    arguments: Vec<String>,
    lock: Lock,
    ids: TrialIds,
    limits: Limits,
}

impl Isolation {
    /// Workers for the trials of `lock` with the data in `data`; a table may lie `beside` the experiment file.
    ///
    /// # Errors
    /// If this program can't be found again.
    pub fn new(
        lock: &Lock,
        data: &std::path::Path,
        beside: Option<&std::path::Path>,
        device: nn::Device,
        limits: Limits,
    ) -> Result<Self> {
        let program = std::env::current_exe().map_err(|error| {
            Error::input(format!("can't find this program to run it again: {error}"))
        })?;
        let data = data.to_str().ok_or_else(|| {
            Error::input(format!("--data {}: its name is not UTF-8 text", data.display()))
        })?;
        let mut arguments: Vec<String> =
            ["worker", "--data", data, "--device", &device.to_string()].map(str::to_owned).into();
        // A bare file name has no folder: it lies here, where workers look too.
        if let Some(folder) = beside.filter(|folder| !folder.as_os_str().is_empty()) {
            let name = folder.to_str().ok_or_else(|| {
                Error::input(format!("{}: its name is not UTF-8 text", folder.display()))
            })?;
            arguments.extend(["--beside".to_owned(), name.to_owned()]);
        }
        if let Some(mib) = limits.memory_mib {
            arguments.extend(["--memory-limit".to_owned(), mib.to_string()]);
        }
        let mut lock = lock.clone();
        // Runners are processes already: workers neither ask nor start any.
        lock.models.retain(|model| model.kind != runner::NAME);
        Ok(Isolation { program, arguments, ids: lock.trial_ids(), lock, limits })
    }

    /// One worker, whose process starts with its first trial.
    pub fn worker<'a>(&'a self, bench: &'a Bench, stop: &'a AtomicBool) -> Worker<'a> {
        Worker { isolation: self, bench, stop, process: None }
    }
}

/// One worker: a warm process, or none yet.
#[derive(Debug)]
pub struct Worker<'a> {
    isolation: &'a Isolation,
    bench: &'a Bench,
    stop: &'a AtomicBool,
    process: Option<Process<String>>,
}

impl Worker<'_> {
    /// Runs one trial; `None` if it was asked to stop.
    ///
    /// # Errors
    /// If no process can be started, or one doesn't know the experiment: then no trial can run.
    pub fn run(&mut self, key: &TrialKey) -> Result<Option<Record>> {
        let mut last_words = String::new();
        for _ in 0..ATTEMPTS {
            match self.attempt(key)? {
                Ended::Answered(record) => return Ok(Some(*record)),
                Ended::Stopped => return Ok(None),
                Ended::TimedOut(limit) => {
                    let why = format!("no result within {limit} s");
                    return Ok(Some(self.bench.without_score(key, Status::Timeout, &why)));
                }
                Ended::Died(words) => last_words = words,
            }
        }
        let why = format!("{PROCESS_DIED} {ATTEMPTS} times: {last_words}");
        Ok(Some(self.bench.without_score(key, Status::Failed, &why)))
    }

    fn attempt(&mut self, key: &TrialKey) -> Result<Ended> {
        let mut process = match self.process.take() {
            Some(process) => process,
            None => match start(self.isolation, self.stop)? {
                Some(process) => process,
                None => return Ok(Ended::Stopped),
            },
        };
        let limit = self.isolation.limits.seconds;
        let request = format!("{} {} {} {}\n", key.n, key.repeat, key.fold, key.model);
        process.send(request.into());
        Ok(match process.wait(limit.map(Duration::from_secs_f64), self.stop) {
            Waited::Reply(line) => match self.read(key, &line) {
                Ok(record) => {
                    self.process = Some(process);
                    Ended::Answered(Box::new(record))
                }
                Err(why) => Ended::Died(why),
            },
            Waited::Stopped => Ended::Stopped,
            Waited::TimedOut => Ended::TimedOut(limit.unwrap_or_default()),
            Waited::Gone => Ended::Died(process.last_words()),
        })
    }

    /// A reply must be the record of the trial that was asked for.
    fn read(&self, key: &TrialKey, line: &str) -> std::result::Result<Record, String> {
        let (id, record) = decode(line.as_bytes()).map_err(|_| format!("it said {line:?}"))?;
        if record.key != *key || self.isolation.ids.id(key).is_none_or(|own| own != id) {
            return Err(format!("asked for {key}, it answered {}", record.key));
        }
        Ok(record)
    }
}

/// How an attempt at a trial ended.
enum Ended {
    Answered(Box<Record>),
    Stopped,
    /// After so many seconds.
    TimedOut(f64),
    /// With these last words.
    Died(String),
}

/// Starts a process and waits until it is ready; `None` if it was asked to stop meanwhile.
fn start(isolation: &Isolation, stop: &AtomicBool) -> Result<Option<Process<String>>> {
    let refused = |why: &str| {
        let hint = match isolation.limits.memory_mib {
            Some(mib) => format!(
                " (under the memory limit of {mib} MiB, which may be too small for the data)"
            ),
            None => String::new(),
        };
        Error::input(format!("worker process: {why}{hint}"))
    };
    let mut command = Command::new(&isolation.program);
    command.args(&isolation.arguments);
    let read = |output, lines: SyncSender<String>| {
        each_line(output, LONGEST_LINE, |line| drop(lines.send(line)));
    };
    let mut process = Process::start(&mut command, read).map_err(|e| refused(&e.to_string()))?;
    // As JSON it is one line, whatever is in it.
    let lock = serde_json::to_string(&isolation.lock.to_text()?);
    let lock = lock.map_err(|error| refused(&error.to_string()))?;
    process.send(format!("{lock}\n").into());
    match process.wait(Some(START_LIMIT), stop) {
        Waited::Reply(line) if line == READY => Ok(Some(process)),
        Waited::Reply(line) => Err(refused(&line)),
        Waited::Stopped => Ok(None),
        Waited::TimedOut => Err(refused("it did not start in time")),
        Waited::Gone => Err(refused(&process.last_words())),
    }
}

/// The answer to a greeting.
pub const READY: &str = "ready";
