//! `bench status`: how far a sweep is, shard by shard, from its journals and the queue.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use models::Registry;

use crate::cli::StatusArgs;
use crate::cmd::{Exit, results_folder};
use crate::error::{Error, Result};
use crate::launch::{self, Manifest};
use crate::plan::plan;
use crate::record::{self, Record};
use crate::shard::Shards;
use crate::status::queue::Queue;
use crate::status::{Row, Status};
use crate::store::{self, Attempt, AttemptName, LOCK_FILE, Lock, Results, Survey, survey};
use crate::{environment, files, output};

/// Runs the verb.
///
/// # Errors
/// If there is no sweep, or a file is damaged.
pub fn run(arguments: &StatusArgs, registry: &Registry) -> Result<Exit> {
    let folder = results_folder(arguments.results.as_ref());
    let manifest = Manifest::read(&folder).unwrap_or_else(|error| {
        crate::say!("note: {error}");
        None
    });
    let asked = asked(&folder)?;
    if manifest.is_none()
        && store::journal_files(&folder)?.is_empty()
        && folder.join("scores").is_dir()
    {
        return of_tables(&folder, &asked, arguments.csv);
    }
    let experiment = asked.experiment(registry)?;
    let parts = match &manifest {
        Some(manifest) => manifest.shards.max(1),
        None => latest_parts(&folder).unwrap_or(1),
    };
    let shards = Shards::new(&experiment, parts);
    let standing = match &manifest {
        Some(manifest) if manifest.keep_tables => {
            store::standing(&folder, &asked, &plan(&experiment))?
        }
        _ => BTreeSet::new(),
    };
    let mut survey = survey(&folder, &asked, &experiment, &shards, &standing)?;
    if let [only] = &mut survey.shards[..] {
        only.attempts.extend(unsharded(&folder)?);
    }
    let queue = manifest.as_ref().map(queue).unwrap_or_default();
    let status = Status::new(&survey, &queue, environment::clock());
    if arguments.csv {
        output::print(&status.csv());
    } else {
        output::print(&status.table(arguments.all));
        output::print(&status.total());
        let merged = is_merged(&folder, &survey);
        output::print(&status.advice(&again(manifest.as_ref(), parts), merged));
    }
    Ok(exit(&status))
}

/// How far tables are whose journal is elsewhere: a study as it was committed, say.
fn of_tables(folder: &Path, asked: &Lock, csv: bool) -> Result<Exit> {
    let (results, _) = Results::read_so_far(folder)?;
    let not_ok = |record: &&Record| record.outcome.status != record::Status::Ok;
    let (planned, done) = (asked.planned(), results.records.len());
    let bad = results.records.values().filter(not_ok).count();
    let row = Row::of_tables(planned as u64, done as u64, bad as u64);
    let status = Status { rows: vec![row] };
    if csv {
        output::print(&status.csv());
    } else {
        output::print(&status.table(false));
        output::print(&status.total());
        output::print(
            "these are tables alone, their journal is elsewhere: `bench sweep` computes all of it again and compares\n",
        );
    }
    Ok(exit(&status))
}

fn exit(status: &Status) -> Exit {
    match (status.done() < status.planned(), status.not_ok()) {
        (true, _) => Exit::Incomplete,
        (false, 0) => Exit::Done,
        (false, _) => Exit::NotAllOk,
    }
}

/// What the sweep in `folder` is to compute: what was launched last, or all that its lock lists.
fn asked(folder: &Path) -> Result<Lock> {
    let launched = Lock::read(&folder.join(launch::FOLDER))?;
    let asked = launched.map_or_else(|| Lock::read(folder), |lock| Ok(Some(lock)))?;
    asked.ok_or_else(|| {
        Error::input(format!(
            "{} is no results folder: it has no {LOCK_FILE}; `bench sweep` and `bench launch` make one",
            folder.display()
        ))
    })
}

/// How many shards the newest file of a shard is one of; `None` if there is none.
fn latest_parts(folder: &Path) -> Option<u32> {
    let entries = std::fs::read_dir(folder.join("journal")).ok()?.flatten();
    let parts = entries.filter_map(|entry| {
        let name = AttemptName::parse(&entry.path())?;
        Some((entry.metadata().and_then(|file| file.modified()).ok()?, name.shard.parts))
    });
    parts.max().map(|(_, parts)| parts)
}

/// The processes that worked on the whole sweep, each with a journal file of its own.
fn unsharded(folder: &Path) -> Result<Vec<Attempt>> {
    let files = store::journal_files(folder)?;
    let of_none = |log: &&PathBuf| AttemptName::parse(log).is_none();
    files.iter().filter(of_none).map(|log| attempt(log)).collect()
}

/// The process that wrote `log`. Only its trials are signs of its life, and it tells neither its machine nor its number.
fn attempt(log: &Path) -> Result<Attempt> {
    let machine = files::read_if_there(&log.with_extension("toml"))?.unwrap_or_default();
    let file = std::fs::metadata(log).map_err(|error| Error::io(log, error))?;
    Ok(Attempt {
        name: log.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        host: String::new(),
        pid: 0,
        records: 0,
        cost: 0,
        started: file.created().ok(),
        last_sign: file.modified().ok(),
        // A merge leaves a file that no machine computed.
        ended: machine.is_empty() || machine.lines().any(|line| line.starts_with("ended = ")),
        died: false,
    })
}

/// True if the tables were written after the last sign of life of all that computed.
fn is_merged(folder: &Path, survey: &Survey) -> bool {
    let attempts = survey.shards.iter().flat_map(|shard| &shard.attempts);
    let written = std::fs::metadata(folder.join("summary.csv")).and_then(|file| file.modified());
    written.is_ok_and(|written| attempts.filter_map(|a| a.last_sign).max() <= Some(written))
}

/// What Slurm says of a launch; nothing where it isn't asked, or does not answer.
fn queue(manifest: &Manifest) -> Queue {
    if manifest.engine != "slurm" {
        return Queue::default();
    }
    Queue::ask(&manifest.job_name).unwrap_or_else(|why| {
        crate::say!("note: squeue: {why}; what follows is from the files alone");
        Queue::default()
    })
}

/// What sees to shards that nobody works on.
fn again(manifest: Option<&Manifest>, parts: u32) -> String {
    match manifest {
        Some(_) => "the same `bench launch` again submits what is missing".into(),
        None if parts > 1 => {
            format!("the same `bench sweep … --shard I/{parts}` again goes on with what is missing")
        }
        None => "the same `bench sweep` again goes on with what is missing".into(),
    }
}
