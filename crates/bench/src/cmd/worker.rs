//! `bench worker`: the other side of [`crate::isolate`], not to be typed.
//!
//! Standard input brings the lock file's text as one JSON string, then a line `n repeat fold model` per trial; standard
//! output answers `ready`, or what is wrong, then a journal line per trial. The end of standard input ends the process,
//! whatever it is doing: nobody is left who would want the result.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};

use models::Registry;

use crate::cli::{Common, WorkerArgs};
use crate::cmd::Exit;
use crate::data::{Dataset, data_folder_for};
use crate::error::{Error, Result};
use crate::isolate::READY;
use crate::plan::TrialKey;
use crate::store::{Lock, encode};
use crate::trial::Bench;

/// Runs the verb.
///
/// # Errors
/// If the experiment can't be run here; standard output says so too.
pub fn run(common: &Common, arguments: &WorkerArgs, registry: &Registry) -> Result<Exit> {
    // An interrupt from the terminal reaches the whole process group: the sweep decides what becomes of its workers.
    let _ = ctrlc::set_handler(|| {});
    if let Some(mib) = arguments.memory_limit {
        limit_memory(mib)?;
    }
    let lines = lines_of_standard_input();
    let Ok(greeting) = lines.recv() else { return Ok(Exit::Done) };
    let (bench, lock) = match prepare(&greeting, common, arguments, registry) {
        Ok(prepared) => prepared,
        Err(error) => {
            answer(&error.to_string().replace('\n', " "))?;
            return Err(error);
        }
    };
    answer(READY)?;
    let (ids, stop) = (lock.trial_ids(), AtomicBool::new(false));
    for line in lines {
        let key = parse(&line).ok_or_else(|| Error::input(format!("no trial: {line:?}")))?;
        let id = ids.id(&key).ok_or_else(|| Error::input(format!("no such model: {line:?}")))?;
        let Some(record) = bench.run(&key, &stop) else { break };
        answer(encode(&id, &record)?.trim_end())?;
    }
    Ok(Exit::Done)
}

/// The experiment of the lock, which must mean the same here.
fn prepare(
    greeting: &str,
    common: &Common,
    arguments: &WorkerArgs,
    registry: &Registry,
) -> Result<(Bench, Lock)> {
    let text: String =
        serde_json::from_str(greeting).map_err(|error| Error::input(error.to_string()))?;
    let lock = Lock::parse(Path::new("standard input"), &text)?;
    let mut experiment = lock.experiment(registry)?;
    if let (Some(table), Some(folder)) = (&mut experiment.dataset.table, &arguments.beside) {
        table.beside.clone_from(folder);
    }
    let dataset = Dataset::load(
        &experiment.dataset,
        &data_folder_for(&experiment.dataset, common.data.as_deref())?,
    )?;
    let own = Lock::new(&experiment, &dataset, arguments.device);
    if own != lock {
        return Err(Error::input("the worker's program or data differ from the sweep's"));
    }
    Ok((Bench::new(experiment, dataset, arguments.device)?, lock))
}

fn parse(line: &str) -> Option<TrialKey> {
    let mut parts = line.splitn(4, ' ');
    let mut number = || parts.next()?.parse().ok();
    let (n, repeat, fold) = (number()?, number()?, number()?);
    Some(TrialKey { model: parts.next()?.into(), n, repeat, fold })
}

fn answer(line: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")
        .and_then(|()| output.flush())
        .map_err(|error| Error::io(Path::new("standard output"), error))
}

/// Lines as they come in, read by a thread of their own, which ends the process with the last.
fn lines_of_standard_input() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            match line.map(|line| sender.send(line)) {
                Ok(Ok(())) => {}
                _ => break,
            }
        }
        std::process::exit(0);
    });
    receiver
}

#[cfg(unix)]
fn limit_memory(mib: u64) -> Result<()> {
    let bytes = mib << 20;
    rlimit::setrlimit(rlimit::Resource::AS, bytes, bytes)
        .map_err(|error| Error::input(format!("--memory-limit {mib}: {error}")))
}

#[cfg(not(unix))]
fn limit_memory(mib: u64) -> Result<()> {
    Err(Error::input(format!("--memory-limit {mib}: this system has no such limit, leave it out")))
}
