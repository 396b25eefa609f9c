//! Talking to HyperQueue: what is in its queue, and handing a task array in.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::{Answer, ask, is_there};
use super::quote;
use super::ranges::{numbers, ranges};
use super::script::Work;
use crate::error::{Error, Result};

/// What HyperQueue is asked for.
#[derive(Clone, Debug, Default)]
pub struct HqOptions {
    /// Time that a worker must have left, in HyperQueue's words.
    pub time: Option<String>,
    /// GPUs.
    pub gpus: Option<String>,
}

/// Makes sure that HyperQueue is here.
///
/// # Errors
/// [`Error::Input`] with what to do instead.
pub fn check() -> Result<()> {
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
pub fn submit_arguments(work: &Work, options: &HqOptions, shards: &[u32]) -> Result<Vec<String>> {
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
pub fn queued(work: &Work) -> Result<BTreeSet<u32>> {
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
pub fn submit(arguments: &[String]) -> Result<String> {
    Ok(well(ask("hq", arguments)?)?.out)
}

fn well(answer: Answer) -> Result<Answer> {
    if answer.ok {
        return Ok(answer);
    }
    let said = [&*answer.error, &answer.out].join(" ");
    Err(Error::input(format!("hq: {}; is its server running (`hq server info`)?", said.trim())))
}
