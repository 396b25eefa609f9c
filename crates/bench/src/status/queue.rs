//! What Slurm's queue says of the shards of a launch.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process::Command;
use std::time::Duration;

use crate::launch::client;
use crate::launch::names::array_offset;

/// A controller that takes longer has other troubles than this question.
const LIMIT: Duration = Duration::from_secs(10);

/// Which shards have a task in the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Those that have a node.
    pub running: BTreeSet<u32>,
    /// Those that wait for one.
    pub pending: BTreeSet<u32>,
}

impl Queue {
    /// Asks `squeue` for this user's tasks of a launch, whose arrays are called `job_name`, or `job_name+10` if they count
    /// from shard 10 on. Where there is no `squeue`, nothing is queued.
    ///
    /// # Errors
    /// In words, if it can't be run, fails, or takes too long.
    pub fn ask(job_name: &str) -> Result<Queue, String> {
        // Not by number: one that the controller has forgotten is an error.
        let mut squeue = Command::new("squeue");
        squeue.args(["--noheader", "--array", "--me", "--format=%K %T %j"]);
        Ok(Queue::read(&answer(&mut squeue, LIMIT)?, job_name))
    }

    /// The answer: a line for each task, with its index in its array, its state, and the array's name.
    fn read(lines: &[String], job_name: &str) -> Queue {
        let mut queue = Queue::default();
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            let &[index, state, name] = &words[..] else { continue };
            let (Some(offset), Ok(index)) = (array_offset(job_name, name), index.parse::<u32>())
            else {
                continue;
            };
            let shard = offset.saturating_add(index);
            match state {
                // What is ending may be about to come back.
                "RUNNING" | "COMPLETING" | "CONFIGURING" | "RESIZING" | "SIGNALING"
                | "STAGE_OUT" => {
                    queue.running.insert(shard);
                }
                "PENDING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD" | "SPECIAL_EXIT"
                | "RESV_DEL_HOLD" | "SUSPENDED" | "STOPPED" => {
                    queue.pending.insert(shard);
                }
                _ => {}
            }
        }
        queue
    }
}

/// What `command` prints within `limit`, line by line; nothing if there is no such program.
fn answer(command: &mut Command, limit: Duration) -> Result<Vec<String>, String> {
    match client::run(command, limit) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
        Ok(answer) if answer.ok => Ok(answer.out.lines().map(str::to_owned).collect()),
        Ok(answer) => {
            let said = answer.error.lines().collect::<Vec<_>>().join(" ");
            Err(match answer.how {
                Some(how) => format!("{how}: {said}"),
                None => said,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_name_index_and_state() {
        let answer = "0 RUNNING a\n3 PENDING a\n4 COMPLETING a\n5 REQUEUE_HOLD a\n1 RUNNING a+10\n\
            2 RUNNING ab\n2 RUNNING a-merge\n2 RUNNING a+x\nN/A RUNNING a\n\nslurm is unwell today";
        let lines: Vec<String> = answer.lines().map(str::to_owned).collect();
        let queue = Queue::read(&lines, "a");
        assert_eq!(queue, Queue { running: [0, 4, 11].into(), pending: [3, 5].into() });
    }

    #[test]
    #[cfg(unix)]
    fn who_fails_or_does_not_answer_is_said_to() {
        let ask = |script: &str, milliseconds| {
            let limit = Duration::from_millis(milliseconds);
            answer(Command::new("sh").args(["-c", script]), limit)
        };
        assert_eq!(ask("echo 0 RUNNING a; echo why >&2", 60_000), Ok(vec!["0 RUNNING a".into()]));
        let failed = ask("echo 0 RUNNING a; echo no controller >&2; exit 1", 60_000);
        assert_eq!(failed, Err("exit status: 1: no controller".into()));
        assert_eq!(ask("sleep 100", 300), Err("no answer within 0.3 s".into()));
        assert_eq!(answer(&mut Command::new("no-such-program"), LIMIT), Ok(Vec::new()));
    }
}
