//! Talking to Slurm: what is in its queue, handing jobs in, and seeing to it that they are still there afterwards.
//!
//! Only `sbatch`, `squeue`, `scancel` and `scontrol`: accounting is not everywhere. What Slurm keeps is looked up by
//! the jobs' name, so that nothing depends on what an earlier launch could write down before it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::launch::client::{Answer, ask, is_there};
use crate::launch::names::{array_name, array_offset};
use crate::launch::quote;
use crate::launch::ranges::ranges;
use crate::launch::script::Work;

/// A controller that does not answer for so long is given up.
const PATIENCE: Duration = Duration::from_secs(90);

/// Between two questions.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The largest array where Slurm's settings say nothing.
pub(super) const USUAL_ARRAY: u32 = 1001;

/// What Slurm holds of a launch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    /// Tasks, each a shard.
    pub(super) tasks: Vec<Task>,
    /// Jobs that merge: number, and whether it waits still.
    pub(super) merges: Vec<(String, bool)>,
}

/// A task in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    /// Its array's number.
    pub(super) array: String,
    /// Its number there.
    pub(super) index: u32,
    /// Its shard.
    pub(super) shard: u32,
    /// `PENDING`, `RUNNING` and so on.
    pub(super) state: String,
    /// Why it waits.
    pub(super) reason: String,
}

impl Queue {
    /// The shards in it.
    pub(super) fn shards(&self) -> BTreeSet<u32> {
        self.tasks.iter().map(|task| task.shard).collect()
    }

    /// The arrays in it.
    pub(super) fn arrays(&self) -> BTreeSet<String> {
        self.tasks.iter().map(|task| task.array.clone()).collect()
    }
}

/// Shards that fit into one array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The shard of the array's number 0.
    pub(super) offset: u32,
    /// Shards, ascending.
    pub(super) shards: Vec<u32>,
}

/// Parts `shards` so that no array has a number of `limit` or more.
pub(super) fn chunks(shards: &[u32], limit: u32) -> Vec<Chunk> {
    let mut by_offset: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &shard in shards {
        by_offset.entry(shard - shard % limit.max(1)).or_default().push(shard);
    }
    by_offset.into_iter().map(|(offset, shards)| Chunk { offset, shards }).collect()
}

/// Arguments of `sbatch` for the arrays of `chunks`; together they run no more than `most` tasks at a time.
///
/// # Errors
/// If a path is no text.
pub(super) fn array_arguments(
    work: &Work,
    chunks: &[Chunk],
    most: Option<u32>,
) -> Result<Vec<Vec<String>>> {
    let script = quote::path(&work.job_script())?.to_owned();
    let each = most.map(|most| format!("%{}", (most as usize / chunks.len().max(1)).max(1)));
    let of_chunk = |chunk: &Chunk| {
        let numbers: Vec<u32> = chunk.shards.iter().map(|shard| shard - chunk.offset).collect();
        vec![
            "--parsable".to_owned(),
            format!("--job-name={}", array_name(&work.name, chunk.offset)),
            format!("--array={}{}", ranges(&numbers), each.as_deref().unwrap_or_default()),
            script.clone(),
            chunk.offset.to_string(),
        ]
    };
    Ok(chunks.iter().map(of_chunk).collect())
}

/// Arguments of `sbatch` for a merge when all of `arrays` have ended, however they end.
///
/// # Errors
/// If a path is no text.
pub(super) fn merge_arguments(work: &Work, arrays: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut arguments = vec!["--parsable".to_owned()];
    if !arrays.is_empty() {
        let ids: Vec<&str> = arrays.iter().map(String::as_str).collect();
        arguments.push(format!("--dependency=afterany:{}", ids.join(":")));
    }
    arguments.push(quote::path(&work.merge_script())?.to_owned());
    Ok(arguments)
}

/// What became of a job that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HandedIn {
    /// It has this number.
    As(String),
    /// The controller did not answer; it may have the job or not.
    Unheard(String),
}

/// Makes sure that Slurm's programs are here.
///
/// # Errors
/// [`Error::Input`] with what to do instead.
pub(super) fn check() -> Result<()> {
    match ["sbatch", "squeue", "scontrol", "scancel"].into_iter().find(|name| !is_there(name)) {
        None => Ok(()),
        Some(missing) => Err(Error::input(format!(
            "no {missing} on the path: this is no machine of a Slurm cluster. --dry-run prints the scripts to take \
             there; without Slurm, `bench sweep --shard I/N` runs a shard on any machine (docs/cluster.md)"
        ))),
    }
}

/// What the queue holds of `work`.
///
/// # Errors
/// [`Error::Input`] if Slurm does not answer, with what it said.
pub(super) fn queue(work: &Work) -> Result<Queue> {
    let arguments = ["--noheader", "--array", "--me", "--format=%F|%K|%T|%j|%r"];
    let answer = patiently("squeue", &arguments.map(str::to_owned))?;
    Ok(parse_queue(work, &answer.out))
}

fn parse_queue(work: &Work, text: &str) -> Queue {
    let mut queue = Queue::default();
    for line in text.lines() {
        let fields: Vec<&str> = line.trim().splitn(5, '|').collect();
        let &[array, index, state, name, reason] = &fields[..] else { continue };
        if name == work.merge_name() {
            queue.merges.push((array.to_owned(), state == "PENDING"));
        }
        let Some(offset) = offset(work, name) else { continue };
        let Ok(index) = index.parse::<u32>() else { continue };
        let (array, state) = (array.to_owned(), state.to_owned());
        queue.tasks.push(Task {
            array,
            index,
            shard: offset + index,
            state,
            reason: reason.to_owned(),
        });
    }
    queue
}

fn offset(work: &Work, name: &str) -> Option<u32> {
    array_offset(&work.name, name)
}

/// Numbers of an array are below this.
///
/// # Errors
/// [`Error::Input`] if Slurm does not answer, or takes no arrays.
pub(super) fn array_limit() -> Result<u32> {
    let answer = patiently("scontrol", &["show", "config"].map(str::to_owned))?;
    let value = answer.out.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "MaxArraySize").then(|| value.trim().parse::<u32>().ok())?
    });
    match value {
        Some(0) => Err(Error::input("this Slurm takes no job arrays (MaxArraySize is 0)")),
        Some(limit) => Ok(limit),
        None => Ok(USUAL_ARRAY),
    }
}

/// Hands a job in.
///
/// # Errors
/// [`Error::Input`] with Slurm's reason if it refuses.
pub(super) fn submit(arguments: &[String]) -> Result<HandedIn> {
    let answer = ask("sbatch", arguments)?;
    if answer.ok {
        let id = answer.out.lines().last().unwrap_or_default();
        let id = id.split(';').next().unwrap_or_default().trim();
        if !id.is_empty() && id.bytes().all(|digit| digit.is_ascii_digit()) {
            return Ok(HandedIn::As(id.to_owned()));
        }
        return Err(Error::input(format!("sbatch gave no number of a job but {:?}", answer.out)));
    }
    match is_silence(&answer) {
        true => Ok(HandedIn::Unheard(answer.error)),
        false => Err(refused("sbatch", &answer)),
    }
}

/// Takes a job back.
///
/// # Errors
/// [`Error::Input`] if Slurm does not answer.
pub(super) fn cancel(id: &str) -> Result<()> {
    // One that has ended meanwhile is no error.
    ask("scancel", &[id.to_owned()]).map(drop)
}

/// Looks for `time` whether Slurm still knows `ids`, and gives those that it has lost: a controller that dies soon after it
/// has accepted a job comes back without it. A job that has ended is known for some minutes.
///
/// # Errors
/// [`Error::Input`] if Slurm does not answer.
pub(super) fn lost(work: &Work, ids: &[String], time: Duration) -> Result<Vec<String>> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        std::thread::sleep(left.min(LOOK_EVERY));
        let mut lost = Vec::new();
        for id in ids {
            if !knows(work, id)? {
                lost.push(id.clone());
            }
        }
        if left.is_zero() {
            return Ok(lost);
        }
    }
}

/// Its number alone says little: a controller that has lost a job gives its number to the next, of whoever.
fn knows(work: &Work, id: &str) -> Result<bool> {
    let answer = heard("scontrol", &["show", "job", id].map(str::to_owned))?;
    let is_ours = |word: &str| {
        let name = word.strip_prefix("JobName=");
        name.is_some_and(|name| name == work.merge_name() || offset(work, name).is_some())
    };
    match answer.ok {
        true => Ok(answer.out.split_whitespace().any(is_ours)),
        false if answer.error.to_lowercase().contains("invalid job id") => Ok(false),
        false => Err(refused("scontrol", &answer)),
    }
}

/// Asks until Slurm answers well, as long as there is patience.
fn patiently(program: &str, arguments: &[String]) -> Result<Answer> {
    let answer = heard(program, arguments)?;
    if answer.ok { Ok(answer) } else { Err(refused(program, &answer)) }
}

/// Asks until Slurm answers anything, as long as there is patience.
fn heard(program: &str, arguments: &[String]) -> Result<Answer> {
    let started = Instant::now();
    loop {
        let answer = ask(program, arguments)?;
        if answer.ok || !is_silence(&answer) || started.elapsed() > PATIENCE {
            return Ok(answer);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// True if the controller was not reached, or not heard: it may be there again soon.
fn is_silence(answer: &Answer) -> bool {
    const SIGNS: [&str; 8] = [
        "unable to contact slurm controller",
        "socket timed out",
        "connection refused",
        "connection reset",
        "zero bytes were transmitted",
        "no answer within",
        "communication connection failure",
        "transport endpoint is not connected",
    ];
    let said = answer.error.to_lowercase();
    SIGNS.iter().any(|sign| said.contains(sign))
}

fn refused(program: &str, answer: &Answer) -> Error {
    let said = if answer.error.is_empty() { "it failed without a word" } else { &answer.error };
    let lost = ["configuration source", "configuration file", "resolve_ctls", "slurm.conf"];
    let remedy = if lost.iter().any(|sign| said.contains(sign)) {
        "; Slurm's clients don't find their settings here: work on a login node, or set SLURM_CONF"
    } else if is_silence(answer) {
        "; Slurm's controller does not answer: try again later, nothing is lost"
    } else {
        ""
    };
    Error::input(format!("{program}: {said}{remedy}"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn work() -> Work {
        Work {
            folder: PathBuf::from("/r"),
            here: PathBuf::from("/"),
            program: vec!["bench".into()],
            sweep: Vec::new(),
            retry: false,
            merge: Vec::new(),
            shards: 8,
            name: "bench-a-01234567".into(),
            requeues: 5,
            cpus: 1,
        }
    }

    #[test]
    fn arrays_stay_below_the_limit_and_share_what_may_run_at_a_time() {
        let shards = [0, 1, 2, 3, 5, 9, 10, 11, 25];
        let parts = chunks(&shards, 10);
        let offsets: Vec<(u32, usize)> = parts.iter().map(|c| (c.offset, c.shards.len())).collect();
        assert_eq!(offsets, [(0, 6), (10, 2), (20, 1)]);
        let arguments = array_arguments(&work(), &parts, Some(7)).expect("sound");
        let arrays: Vec<String> = arguments.iter().map(|a| a[1..].join(" ")).collect();
        assert_eq!(
            arrays,
            [
                "--job-name=bench-a-01234567 --array=0-3,5,9%2 /r/launch/job.sh 0",
                "--job-name=bench-a-01234567+10 --array=0-1%2 /r/launch/job.sh 10",
                "--job-name=bench-a-01234567+20 --array=5%2 /r/launch/job.sh 20",
            ]
        );
        assert_eq!(chunks(&shards, 1001).len(), 1);
    }

    #[test]
    fn the_queue_is_read_by_the_names_of_jobs() {
        let text = "7|0|RUNNING|bench-a-01234567|None\n7|3|PENDING|bench-a-01234567|JobHeldUser\n\
            8|2|COMPLETING|bench-a-01234567+10|None\n9|N/A|PENDING|bench-a-01234567-merge|Dependency\n\
            10|1|RUNNING|bench-ab-01234567|None\nnonsense\n11|0|RUNNING|bench-a-01234567x|None\n";
        let queue = parse_queue(&work(), text);
        assert_eq!(queue.shards(), BTreeSet::from([0, 3, 12]));
        assert_eq!(queue.arrays(), BTreeSet::from(["7".to_owned(), "8".to_owned()]));
        assert_eq!(queue.merges, [("9".to_owned(), true)]);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let said = |error: &str| {
            refused(
                "sbatch",
                &Answer { ok: false, how: None, out: String::new(), error: error.into() },
            )
            .to_string()
        };
        assert!(said("error: Unable to contact slurm controller").contains("try again later"));
        assert!(said("Could not establish a configuration source").contains("set SLURM_CONF"));
        assert_eq!(said("invalid partition"), "sbatch: invalid partition");
    }
}
