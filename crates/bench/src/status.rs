//! How far a sweep is, shard by shard: `bench status`.
//!
//! Pure: what the journals and the queue say and what time it is come in, rows come out. Reading is in `cmd/status.rs`.

pub mod queue;
mod words;

use std::time::{Duration, SystemTime};

use crate::status::queue::Queue;
use crate::store::{Attempt, ShardSurvey, Survey};

/// Without a sign of life for so long, a process counts as gone. A running one gives a sign every 30 seconds, and a
/// shared file system may show it a minute late.
pub const SILENT_AFTER: Duration = Duration::from_secs(120);

/// What a shard is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All of its trials are there.
    Done,
    /// A process works on it.
    Running,
    /// It waits in a queue.
    Queued,
    /// Its process ended by itself before all was there: it was asked to.
    Stopped,
    /// Its process is known to have been killed.
    Died,
    /// No clean end, and no sign of life for a while: a lost node, or a killed process.
    Silent,
    /// It was never begun.
    Waiting,
}

impl State {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            State::Done => "done",
            State::Running => "running",
            State::Queued => "queued",
            State::Stopped => "stopped",
            State::Died => "died",
            State::Silent => "silent",
            State::Waiting => "waiting",
        }
    }

    /// True if it lacks trials and nobody works on them or will.
    fn is_idle(self) -> bool {
        matches!(self, State::Stopped | State::Died | State::Silent | State::Waiting)
    }
}

/// How far one shard is.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which it is; `None` for a sweep without shards.
    pub shard: Option<u32>,
    /// What it is doing.
    pub state: State,
    /// Trials that it has in all.
    pub planned: u64,
    /// Trials that are there.
    pub done: u64,
    /// Trials that are there and not ok.
    pub not_ok: u64,
    /// Of these, trials that a time limit or a death decided.
    pub circumstances: u64,
    /// Trials per second of the processes that work on it; `None` until one has ended a trial.
    pub per_second: Option<f64>,
    /// Expected seconds until it is through; `None` where that can't be told.
    pub seconds_left: Option<f64>,
    /// Processes that have worked on it so far.
    pub attempts: usize,
    /// When and where a process of it last gave a sign of life.
    pub last_sign: Option<Sign>,
}

impl Row {
    /// The row of a sweep that is known by its tables alone.
    pub fn of_tables(planned: u64, done: u64, not_ok: u64) -> Row {
        Row {
            shard: None,
            state: if done < planned { State::Stopped } else { State::Done },
            planned,
            done,
            not_ok,
            circumstances: 0,
            per_second: None,
            seconds_left: None,
            attempts: 0,
            last_sign: None,
        }
    }
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq)]
pub struct Sign {
    /// How long ago.
    pub age: Duration,
    /// The machine; empty where that isn't known.
    pub host: String,
    /// The process there.
    pub pid: u32,
}

/// How far a sweep is.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// A row per shard, or the only one of a sweep without shards.
    pub rows: Vec<Row>,
}

impl Status {
    /// What `survey` found and `queue` says, seen at `now`.
    pub fn new(survey: &Survey, queue: &Queue, now: SystemTime) -> Status {
        let row = |(index, shard)| row(index, shard, queue, now);
        let mut rows: Vec<Row> = (0..).zip(&survey.shards).map(row).collect();
        if let [only] = &mut rows[..] {
            only.shard = None;
        }
        Status { rows }
    }

    /// Trials in all.
    pub fn planned(&self) -> u64 {
        self.rows.iter().map(|row| row.planned).sum()
    }

    /// Trials that are there.
    pub fn done(&self) -> u64 {
        self.rows.iter().map(|row| row.done).sum()
    }

    /// Trials that are there and not ok.
    pub fn not_ok(&self) -> u64 {
        self.rows.iter().map(|row| row.not_ok).sum()
    }

    /// Trials per second of all that run.
    pub fn per_second(&self) -> Option<f64> {
        self.rows.iter().filter_map(|row| row.per_second).reduce(|a, b| a + b)
    }

    /// Expected seconds until the last of those that run is through.
    pub fn seconds_left(&self) -> Option<f64> {
        self.rows.iter().filter_map(|row| row.seconds_left).reduce(f64::max)
    }

    /// Rows in this state.
    pub fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }
}

fn row(index: u32, shard: &ShardSurvey, queue: &Queue, now: SystemTime) -> Row {
    let age = |attempt: &Attempt| Some(age(attempt.last_sign?, now));
    let alive = |attempt: &&Attempt| {
        !attempt.ended && !attempt.died && age(attempt).is_some_and(|age| age <= SILENT_AFTER)
    };
    let alive: Vec<&Attempt> = shard.attempts.iter().filter(alive).collect();
    let latest = shard.attempts.iter().max_by_key(|attempt| (attempt.last_sign, attempt.started));
    let state = match latest {
        _ if shard.done >= shard.planned => State::Done,
        // The queue's word counts: it knows before the files do that a node is lost.
        _ if queue.running.contains(&index) => State::Running,
        _ if queue.pending.contains(&index) => State::Queued,
        _ if !alive.is_empty() => State::Running,
        None => State::Waiting,
        Some(latest) if latest.died => State::Died,
        Some(latest) if latest.ended => State::Stopped,
        Some(_) => State::Silent,
    };
    // Of what the queue alone knows to run, nothing is known to make progress.
    let working = if state == State::Running { &alive[..] } else { &[] };
    let per_second = working.iter().filter_map(|a| rate(a)).reduce(|a, b| a + b);
    Row {
        shard: Some(index),
        state,
        planned: shard.planned,
        done: shard.done,
        not_ok: shard.not_ok,
        circumstances: shard.circumstances,
        per_second,
        seconds_left: seconds_left(shard, working),
        attempts: shard.attempts.len(),
        last_sign: latest.and_then(|attempt| {
            Some(Sign { age: age(attempt)?, host: attempt.host.clone(), pid: attempt.pid })
        }),
    }
}

/// How long before `now`; nothing for what the clock of another machine puts into the future.
fn age(at: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(at).unwrap_or_default()
}

/// Seconds from a process's start to its last sign, if it has ended any trial in them.
fn seconds(attempt: &Attempt) -> Option<f64> {
    let seconds = attempt.last_sign?.duration_since(attempt.started?).ok()?.as_secs_f64();
    (attempt.records > 0 && seconds > 0.0).then_some(seconds)
}

/// Trials per second of a process.
fn rate(attempt: &Attempt) -> Option<f64> {
    Some(attempt.records as f64 / seconds(attempt)?)
}

/// The time that `working` need for what is missing, by what it is expected to cost and how fast they were so far: large
/// n run first, so that trials to come are shorter than those that are done.
fn seconds_left(shard: &ShardSurvey, working: &[&Attempt]) -> Option<f64> {
    let speed = |a: &&Attempt| Some(a.cost as f64 / seconds(a)?);
    let speed = working.iter().filter_map(speed).reduce(|a, b| a + b)?;
    Some(shard.cost_left as f64 / speed).filter(|seconds| seconds.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn at(seconds_ago: u64) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + NOW - Duration::from_secs(seconds_ago))
    }

    /// A process that began so long ago, and gave its last sign so long ago.
    fn attempt(began: u64, sign: u64, records: u64) -> Attempt {
        Attempt {
            name: "a0".into(),
            host: "node7".into(),
            pid: 4711,
            records,
            cost: 10 * records,
            started: at(began),
            last_sign: at(sign),
            ended: false,
            died: false,
        }
    }

    fn shard(done: u64, attempts: Vec<Attempt>) -> ShardSurvey {
        let cost_left = 10 * (100 - done);
        ShardSurvey { planned: 100, done, not_ok: 0, circumstances: 0, cost_left, attempts }
    }

    fn status(shards: Vec<ShardSurvey>, queue: &Queue) -> Status {
        Status::new(&Survey { shards, elsewhere: 0 }, queue, SystemTime::UNIX_EPOCH + NOW)
    }

    fn states(status: &Status) -> Vec<State> {
        status.rows.iter().map(|row| row.state).collect()
    }

    #[test]
    fn each_state_has_its_reason() {
        let ended = Attempt { ended: true, ..attempt(100, 50, 10) };
        let died = Attempt { died: true, ..attempt(100, 1, 10) };
        let unseen = Attempt { started: None, last_sign: None, ..attempt(0, 0, 0) };
        let shards = vec![
            shard(100, vec![attempt(500, 400, 100)]),
            shard(10, vec![attempt(100, 120, 10)]),
            shard(10, vec![ended.clone()]),
            shard(10, vec![died.clone()]),
            shard(10, vec![attempt(500, 121, 10)]),
            shard(0, vec![]),
            // The latest decides, in whatever order they are found.
            shard(10, vec![died.clone(), Attempt { ended: true, ..attempt(100, 0, 10) }]),
            shard(10, vec![died.clone(), attempt(500, 300, 10)]),
            // A later process has taken over.
            shard(10, vec![attempt(10, 0, 0), died, ended]),
            shard(0, vec![unseen]),
        ];
        let found = states(&status(shards, &Queue::default()));
        use State::{Died, Done, Running, Silent, Stopped, Waiting};
        let expected =
            [Done, Running, Stopped, Died, Silent, Waiting, Stopped, Died, Running, Silent];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_queue_knows_more_than_the_files() {
        let queue = Queue { running: [0, 1, 3].into(), pending: [2, 4].into() };
        let shards = vec![
            shard(0, vec![]),
            shard(10, vec![attempt(500, 400, 10)]),
            shard(10, vec![Attempt { died: true, ..attempt(500, 400, 10) }]),
            shard(100, vec![]),
            // Its node has just been lost.
            shard(10, vec![attempt(500, 1, 10)]),
        ];
        use State::{Done, Queued, Running};
        let status = status(shards, &queue);
        assert_eq!(states(&status), [Running, Running, Queued, Done, Queued]);
        assert_eq!(status.rows[1].per_second, None, "nobody is known to make progress");
    }

    #[test]
    fn time_left_goes_by_cost_and_a_clock_ahead_is_no_trouble() {
        // Ten trials in ten seconds; they were half of the whole cost, so the other ninety take as long again.
        let first = Attempt { cost: 500, ..attempt(20, 10, 10) };
        let first = ShardSurvey { cost_left: 500, ..shard(10, vec![first]) };
        // Twenty in forty seconds, of equal cost; ten of an earlier process don't count as this one's speed.
        let dead = Attempt { died: true, ..attempt(900, 800, 10) };
        let second = shard(30, vec![dead, attempt(40, 0, 20)]);
        let status = status(vec![first, second], &Queue::default());
        let close = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1e-9);
        assert!(close(status.rows[0].per_second, 1.0), "{status:?}");
        assert!(close(status.rows[0].seconds_left, 10.0), "{status:?}");
        assert!(close(status.rows[1].per_second, 0.5), "{status:?}");
        assert!(close(status.rows[1].seconds_left, 140.0), "{status:?}");
        assert!(close(status.per_second(), 1.5) && close(status.seconds_left(), 140.0));

        let ahead = Attempt {
            last_sign: Some(SystemTime::UNIX_EPOCH + NOW + Duration::from_secs(30)),
            ..attempt(10, 0, 0)
        };
        let row = row(0, &shard(0, vec![ahead]), &Queue::default(), at(0).expect("a time"));
        assert_eq!((row.state, row.per_second, row.seconds_left), (State::Running, None, None));
        assert_eq!(row.last_sign.map(|sign| sign.age), Some(Duration::ZERO));
    }

    #[test]
    fn a_sweep_without_shards_is_one_row() {
        let status = status(vec![shard(100, vec![])], &Queue::default());
        assert_eq!(status.rows[0].shard, None);
    }
}
