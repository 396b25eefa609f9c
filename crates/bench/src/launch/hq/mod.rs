//! Shards as a task array of HyperQueue's.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::client::{Answer, ask, is_there};
use super::order::{Order, command, say, shown};
use super::quote;
use super::ranges::{numbers, ranges};
use super::script::Work;
use crate::error::{Error, Result};
use crate::output;

/// What HyperQueue is asked for.
#[derive(Clone, Debug, Default)]
pub struct HqOptions {
    /// Time that a worker must have left, in HyperQueue's words.
    pub time: Option<String>,
    /// GPUs.
    pub gpus: Option<String>,
}

/// A launch on HyperQueue.
#[derive(Debug)]
pub struct OnHq<'a> {
    /// What is handed in.
    pub order: &'a Order,
    /// How.
    pub options: HqOptions,
}

impl OnHq<'_> {
    fn scripts(&self) -> Result<Vec<(PathBuf, String)>> {
        Ok(vec![(self.order.work.job_script(), self.order.work.hq_job()?)])
    }

    /// Prints script and commands; asks nobody.
    ///
    /// # Errors
    /// If a value can't stand in a script, or the journal can't be read.
    pub fn print(&self) -> Result<()> {
        let arguments = submit_arguments(&self.order.work, &self.options, &self.order.due()?)?;
        let mut text = shown(&self.scripts()?);
        text.push_str(&format!("# handed in by\n{}\n", command("hq", &arguments)?));
        text.push_str(&format!("# and when all have ended\n{}\n", self.merge_command()?));
        output::print(&text);
        Ok(())
    }

    fn merge_command(&self) -> Result<String> {
        quote::words(
            self.order.work.program.iter().chain(&self.order.work.merge).map(String::as_str),
        )
    }

    /// Hands in what is missing and not in the queue.
    ///
    /// # Errors
    /// If a file can't be written, or HyperQueue refuses.
    pub fn run(&self) -> Result<()> {
        check()?;
        let scripts = self.scripts()?;
        let _guard = self.order.guard()?;
        let queued = queued(&self.order.work)?;
        if !queued.is_empty() {
            self.order.refuse_others("hq", "hq job cancel")?;
        }
        let mut manifest = self.order.write("hq", scripts, queued.is_empty())?;
        let due = self.order.due()?;
        self.order.say_left_out(&due, &queued);
        let new: Vec<u32> = due.iter().copied().filter(|shard| !queued.contains(shard)).collect();
        if !new.is_empty() {
            let id = submit(&submit_arguments(&self.order.work, &self.options, &new)?)?;
            self.order.note(&mut manifest, &id, ranges(&new))?;
            say(&format!("job {id}: shards {}", ranges(&new)));
            say(&format!("when it has ended (`hq job wait {id}`): {}", self.merge_command()?));
        } else if queued.is_empty() {
            say(&format!("all shards are through: {}", self.merge_command()?));
        }
        Ok(())
    }
}

/// Makes sure that HyperQueue is here.
///
/// # Errors
/// [`Error::Input`] with what to do instead.
fn check() -> Result<()> {
    if is_there("hq") {
        return Ok(());
    }
    Err(Error::input(
        "no hq on the path: put HyperQueue's program there and start its server (`hq server start`); --dry-run prints \
         what would be handed in",
    ))
}

/// Arguments of `hq` that hand `shards` in as one array.
///
/// # Errors
/// If a path is no text.
fn submit_arguments(work: &Work, options: &HqOptions, shards: &[u32]) -> Result<Vec<String>> {
    let log = work.log_folder().join("hq-%{JOB_ID}_%{TASK_ID}-%{INSTANCE_ID}.log");
    let log = quote::path(&log)?;
    let mut arguments = vec![
        "--output-mode=quiet".to_owned(),
        "submit".to_owned(),
        format!("--array={}", ranges(shards)),
        format!("--name={}", work.name),
        format!("--cwd={}", quote::path(&work.here)?),
        format!("--cpus={}", work.cpus),
        format!("--crash-limit={}", work.requeues),
        format!("--stdout={log}"),
        format!("--stderr={log}.err"),
        "--directives=off".to_owned(),
    ];
    if let Some(time) = &options.time {
        arguments.push(format!("--time-request={time}"));
    }
    if let Some(gpus) = &options.gpus {
        arguments.push(format!("--resource=gpus/nvidia={gpus}"));
    }
    arguments.extend(["--", "bash"].map(str::to_owned));
    arguments.push(quote::path(&work.job_script())?.to_owned());
    Ok(arguments)
}

/// The shards of `work` that wait or run.
///
/// # Errors
/// [`Error::Input`] if there is no server, with what `hq` said.
fn queued(work: &Work) -> Result<BTreeSet<u32>> {
    let listed = ["--output-mode=json", "job", "list", "--filter=waiting,running"];
    let listed = well(ask("hq", &listed.map(str::to_owned))?)?;
    let mut shards = BTreeSet::new();
    for id in jobs_called(&work.name, &listed.out)? {
        let asked = ["--output-mode=quiet", "job", "task-ids", &id, "--filter=waiting,running"];
        let answer = well(ask("hq", &asked.map(str::to_owned))?)?;
        let ids = numbers(&answer.out).ok_or_else(|| {
            Error::input(format!("hq gave no numbers of tasks but {:?}", answer.out))
        })?;
        shards.extend(ids);
    }
    Ok(shards)
}

fn jobs_called(name: &str, json: &str) -> Result<Vec<String>> {
    let jobs: Vec<Value> = serde_json::from_str(json)
        .map_err(|error| Error::input(format!("hq gave no list of jobs: {error}")))?;
    let own = jobs.iter().filter(|job| job.get("name").and_then(Value::as_str) == Some(name));
    Ok(own.filter_map(|job| job.get("id")?.as_u64()).map(|id| id.to_string()).collect())
}

/// Hands the job in and gives its number.
///
/// # Errors
/// [`Error::Input`] with what `hq` said if it refuses.
fn submit(arguments: &[String]) -> Result<String> {
    Ok(well(ask("hq", arguments)?)?.out)
}

fn well(answer: Answer) -> Result<Answer> {
    if answer.ok {
        return Ok(answer);
    }
    let said = [&*answer.error, &answer.out].join(" ");
    Err(Error::input(format!("hq: {}; is its server running (`hq server info`)?", said.trim())))
}
