//! `bench sweep --shard`: a part of the plan, perhaps on a machine of its own. It writes files of its own and nothing
//! else; `bench merge` does the rest.

use std::sync::atomic::AtomicBool;

use super::sweep::{Prepared, Run, announce, count_not_ok, is_due, keeps_tables};
use super::{Exit, jobs};
use crate::cli::SweepArgs;
use crate::environment::{self, Environment};
use crate::error::Result;
use crate::plan::{TrialKey, running_order};
use crate::record::{PROCESS_DIED, Status};
use crate::shard::{Shard, Shards};
use crate::store::{ATTEMPT_VARIABLE, ShardStore, standing};

/// Runs what `shard` lacks.
pub(super) fn run(
    prepared: &Prepared,
    shard: Shard,
    arguments: &SweepArgs,
    stop: &AtomicBool,
) -> Result<Exit> {
    let Prepared { bench, lock, device, folder, .. } = prepared;
    let experiment = bench.experiment();
    let shards = Shards::new(experiment, shard.parts);
    let mut asked = shards.trials(experiment, shard.index);
    if keeps_tables(arguments) {
        let standing = standing(folder, lock, &asked)?;
        asked.retain(|key| !standing.contains(key));
    }
    let (attempt, limit) = (std::env::var(ATTEMPT_VARIABLE).ok(), crash_limit(arguments));
    let mut store = ShardStore::open(folder, lock, shard, &asked, attempt.as_deref(), limit)?;
    let environment = Environment::new(*device, jobs(arguments.jobs), environment::now())
        .with_runners(&experiment.models);
    store.set_machine(environment.to_text())?;
    let splits = shards.splits_of(shard.index);
    let ended = run_missing(prepared, &mut store, &asked, splits, arguments, stop);
    store.end()?;
    let ended = ended?;
    store.set_machine(environment.ended(environment::now()).to_text())?;
    if ended == Exit::Interrupted {
        return Ok(Exit::Interrupted);
    }
    if !arguments.quiet {
        crate::say!("shard {shard} is through; `bench merge` writes the tables");
    }
    Ok(count_not_ok(|key| store.get(key), &asked))
}

fn crash_limit(arguments: &SweepArgs) -> Option<usize> {
    arguments.crash_limit.map(|limit| limit as usize)
}

/// Trials by what is known of them before they run.
struct Missing {
    /// Given up: so many attempts have died over them as may.
    given_up: Vec<TrialKey>,
    /// Under way when an attempt died: one of them did it. They run first, one by one, so that the next death tells.
    suspects: Vec<TrialKey>,
    others: Vec<TrialKey>,
}

impl Missing {
    fn of(store: &ShardStore, asked: &[TrialKey], arguments: &SweepArgs) -> Missing {
        let mut due: Vec<TrialKey> =
            asked.iter().filter(|key| is_due(store.get(key), arguments)).cloned().collect();
        running_order(&mut due);
        let limit = crash_limit(arguments).unwrap_or(usize::MAX);
        let (given_up, rest): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|key| store.deaths(key) >= limit);
        let (mut suspects, others): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|key| store.deaths(key) > 0);
        suspects.sort_by_key(|key| std::cmp::Reverse(store.deaths(key)));
        Missing { given_up, suspects, others }
    }
}

fn run_missing(
    prepared: &Prepared,
    store: &mut ShardStore,
    asked: &[TrialKey],
    splits: u64,
    arguments: &SweepArgs,
    stop: &AtomicBool,
) -> Result<Exit> {
    let Missing { given_up, suspects, others } = Missing::of(store, asked, arguments);
    for key in &given_up {
        let reason = format!("{PROCESS_DIED} {} times, with the whole task", store.deaths(key));
        crate::say!("{key}: {reason}; it is given up");
        store.append(prepared.bench.without_score(key, Status::Failed, &reason))?;
    }
    let missing: Vec<TrialKey> = suspects.iter().chain(&others).cloned().collect();
    let jobs = jobs(arguments.jobs);
    if !arguments.quiet {
        let counts = (asked.len(), missing.len());
        announce(&prepared.bench, store.folder(), splits, counts, jobs);
    }
    let begins = store.notes();
    let mut run = Run::new(prepared, arguments, stop, &missing);
    let ran = run
        .trials(&suspects, 1, store, &begins)
        .and_then(|()| run.trials(&others, jobs, store, &begins));
    run.end(ran, asked.len(), || store.sync())
}
