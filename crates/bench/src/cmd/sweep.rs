//! `bench sweep`: run what is missing, then write tables and figures.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use models::Registry;

use crate::cli::{Common, Selection, SweepArgs};
use crate::cmd::{Exit, experiment, jobs, stop_on_signal};
use crate::data::{Dataset, data_folder_for};
use crate::environment::{self, Environment};
use crate::error::Result;
use crate::experiment::{Experiment, ProtocolKind};
use crate::isolate::Isolation;
use crate::plan::{TrialKey, plan, running_order};
use crate::progress::{Progress, duration};
use crate::publish::items;
use crate::record::{Record, Status};
use crate::store::{Lock, Published, Results, Store};
use crate::sweep::Sink;
use crate::trial::Bench;
use crate::{device, output, publish, show, sweep, workspace};

/// Runs the verb.
///
/// # Errors
/// Bad input, or a file that can't be used.
pub fn run(common: &Common, arguments: &SweepArgs, registry: &Registry) -> Result<Exit> {
    let stop = stop_on_signal()?;
    let prepared = match Prepared::new(common, arguments, registry) {
        // Whoever waited for a program that introduces itself was told to stop.
        Err(_) if stop.load(Ordering::Relaxed) => return Ok(Exit::Interrupted),
        prepared => prepared?,
    };
    let Prepared { bench, lock, isolation, device, folder } = prepared;
    let mut store = match Store::open(&folder, &lock) {
        Err(_) if stop.load(Ordering::Relaxed) => return Ok(Exit::Interrupted),
        store => store?,
    };

    let environment = Environment::new(device, jobs(arguments.jobs), environment::now())
        .with_runners(&bench.experiment().models);
    store.set_machine(environment.to_text())?;
    let mut asked = plan(bench.experiment());
    if added_any(&arguments.selection) {
        // New contenders beside old results: these stand.
        asked.retain(|key| !store.has_in_tables(key));
    }
    if let Some(shard) = arguments.shard {
        shard.keep(&mut asked, bench.experiment().protocol.splits_per_repeat());
    }
    let ended = run_missing(&bench, &mut store, &asked, arguments, isolation.as_ref(), &stop)?;
    store.set_machine(environment.ended(environment::now()).to_text())?;
    if ended == Exit::Interrupted {
        return Ok(Exit::Interrupted);
    }
    match arguments.shard {
        // Several shards may share a folder, and none knows when the last is through.
        Some(shard) => {
            let _guard = store.guard()?;
            environment::gather(store.folder(), false)?;
            crate::say!("shard {shard} is through; `bench merge` writes the tables");
        }
        None => publish(&bench, &mut store, arguments)?,
    }
    Ok(count_not_ok(&store, &asked))
}

/// What a sweep needs before it touches its folder.
struct Prepared {
    bench: Bench,
    lock: Lock,
    isolation: Option<Isolation>,
    device: nn::Device,
    folder: PathBuf,
}

impl Prepared {
    fn new(common: &Common, arguments: &SweepArgs, registry: &Registry) -> Result<Prepared> {
        let mut experiment = experiment(&arguments.selection, registry)?;
        let limits = &mut experiment.limits;
        limits.seconds = arguments.time_limit.or(limits.seconds);
        limits.memory_mib = arguments.memory_limit.or(limits.memory_mib);
        let device = device::chosen(arguments.device, arguments.engine)?;
        device::check(device)?;
        let folder = workspace::results_folder(arguments.out.as_deref(), &experiment.name);
        let data = data_folder_for(&experiment.dataset, common.data.as_deref())?;
        let dataset = Dataset::load(&experiment.dataset, &data)?;
        let lock = Lock::new(&experiment, &dataset, device);
        let isolation = isolation(&experiment, arguments, device, &lock, &data)?;
        let bench = Bench::new(experiment, dataset, device)?;
        Ok(Prepared { bench, lock, isolation, device, folder })
    }
}

fn added_any(selection: &Selection) -> bool {
    !selection.with.is_empty() || !selection.model.is_empty()
}

/// Processes for the trials, where limits or the user ask for them.
fn isolation(
    experiment: &Experiment,
    arguments: &SweepArgs,
    device: nn::Device,
    lock: &Lock,
    data: &Path,
) -> Result<Option<Isolation>> {
    if !arguments.isolate && !experiment.limits.any() {
        return Ok(None);
    }
    let beside = experiment.dataset.table.as_ref().map(|table| &*table.beside);
    Isolation::new(lock, data, beside, device, experiment.limits).map(Some)
}

/// Writes tables, summary and figures, and shows them.
fn publish(bench: &Bench, store: &mut Store, arguments: &SweepArgs) -> Result<()> {
    let published = store.publish(items(bench))?;
    if store.is_known_where() || store.has_fresh() {
        environment::gather(store.folder(), store.is_known_where())?;
    }
    let (results, missing) = Results::read_so_far(store.folder())?;
    let (derived, _) = publish::derived(store.folder(), &results)?;
    for model in missing {
        crate::say!("no scores of {model} here yet: another sweep must be computing them");
    }
    if let Some(warning) = results.unfinished() {
        crate::say!("note: {warning}");
    }
    if !arguments.quiet {
        output::print(&show::summary(&derived.summary));
        report(&published, store.folder());
    }
    Ok(())
}

/// Runs the trials that the journal lacks.
fn run_missing(
    bench: &Bench,
    store: &mut Store,
    asked: &[TrialKey],
    arguments: &SweepArgs,
    isolation: Option<&Isolation>,
    stop: &AtomicBool,
) -> Result<Exit> {
    let due = |key: &&TrialKey| {
        store.get(key).is_none_or(|r| arguments.retry && r.outcome.is_circumstance())
    };
    let mut missing: Vec<TrialKey> = asked.iter().filter(due).cloned().collect();
    running_order(&mut missing);
    let jobs = jobs(arguments.jobs);
    if !arguments.quiet {
        announce(bench, store, asked.len(), missing.len(), jobs);
    }
    let mut progress = Progress::new(&missing, jobs, arguments.quiet);
    let clock = std::time::Instant::now();
    let mut done = 0;
    let mut sink = Watched { store, progress: &mut progress, done: &mut done };
    let ran = match isolation {
        Some(isolation) => sweep::run_isolated(bench, &missing, jobs, stop, isolation, &mut sink),
        None => sweep::run(bench, &missing, jobs, stop, &mut sink),
    };
    progress.end();
    ran?;
    store.sync()?;
    if done < missing.len() {
        crate::say!(
            "interrupted: {} of {} trials are done and kept; the same command goes on from there",
            asked.len() - missing.len() + done,
            asked.len()
        );
        return Ok(Exit::Interrupted);
    }
    if !arguments.quiet && done > 0 {
        crate::say!("{done} trials in {}", duration(clock.elapsed().as_secs_f64()));
    }
    Ok(Exit::Done)
}

/// The store, with progress shown as records come in.
struct Watched<'a> {
    store: &'a mut Store,
    progress: &'a mut Progress,
    done: &'a mut usize,
}

impl Sink for Watched<'_> {
    fn keep(&mut self, record: Record) -> Result<()> {
        self.progress.finished(&record);
        *self.done += 1;
        self.store.keep(record)
    }

    fn idle(&mut self) -> Result<()> {
        self.store.idle()
    }
}

fn announce(bench: &Bench, store: &Store, asked: usize, missing: usize, jobs: usize) {
    let experiment = bench.experiment();
    let done = match asked - missing {
        0 => String::new(),
        done => format!(", {done} of them done before"),
    };
    crate::say!(
        "{}: {} models × {} sizes × {} splits = {asked} trials{done}; {jobs} at a time, into {}",
        experiment.name,
        experiment.models.len(),
        experiment.protocol.sizes.len(),
        experiment.protocol.repeats * experiment.protocol.splits_per_repeat(),
        store.folder().display()
    );
    for model in &experiment.models {
        if let Some(caveat) = model.kind.caveat {
            crate::say!("warning: {} is not reproducible: {caveat}", model.name);
        }
    }
    warn_of_twins(bench);
}

/// Whoever has learnt an item by heart is right on its twin.
fn warn_of_twins(bench: &Bench) {
    let twins = match bench.experiment().protocol.kind {
        ProtocolKind::RepeatedCv => bench.dataset().duplicates_in_pool(),
        ProtocolKind::Holdout | ProtocolKind::SmallSampleCv => {
            bench.dataset().duplicates_across_sets()
        }
    };
    if let Some((first, second)) = twins.first() {
        crate::say!(
            "warning: {} items that may be scored equal one that may be learnt from (first: {second} and {first}, \
             counted from 0 in {}): take them out, or accuracy is too high",
            twins.len(),
            bench.dataset().title()
        );
    }
}

fn report(published: &Published, folder: &Path) {
    let Published { reproduced, changed, .. } = published;
    if reproduced + changed.len() > 0 {
        crate::say!(
            "{reproduced} of the {} results that were here came out the same, bit for bit",
            reproduced + changed.len()
        );
    }
    if let Some(first) = changed.first() {
        crate::say!("{} came out different (first: {first}) and were replaced", changed.len());
    }
    let figure = folder.join("figures").join("accuracy-vs-n.png");
    if figure.is_file() {
        crate::say!("figure: {}", figure.display());
    }
}

/// Says how many trials are not ok, and why the first is not.
fn count_not_ok(store: &Store, asked: &[TrialKey]) -> Exit {
    let bad: Vec<_> = asked
        .iter()
        .filter_map(|key| store.get(key))
        .filter(|record| record.outcome.status != Status::Ok)
        .collect();
    let Some(first) = bad.first() else { return Exit::Done };
    let counts: Vec<String> = Status::ALL
        .into_iter()
        .map(|status| (status, bad.iter().filter(|r| r.outcome.status == status).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    crate::say!(
        "{} of {} trials are not ok: {} (first: {}: {})",
        bad.len(),
        asked.len(),
        counts.join(", "),
        first.key,
        first.outcome.reason
    );
    Exit::NotAllOk
}
