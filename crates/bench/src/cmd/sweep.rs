//! `bench sweep`: run what is missing, then write tables and figures.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use models::Registry;

use crate::cli::{Common, Selection, SweepArgs};
use crate::cmd::{Exit, experiment, jobs, shard, stop_on_signal};
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
use crate::sweep::{Crew, Sink};
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
    if let Some(shard) = arguments.shard {
        return shard::run(&prepared, shard, arguments, &stop);
    }
    let Prepared { bench, lock, device, folder, .. } = &prepared;
    let mut store = match Store::open(folder, lock) {
        Err(_) if stop.load(Ordering::Relaxed) => return Ok(Exit::Interrupted),
        store => store?,
    };

    let environment = Environment::new(*device, jobs(arguments.jobs), environment::now())
        .with_runners(&bench.experiment().models);
    store.set_machine(environment.to_text())?;
    let mut asked = plan(bench.experiment());
    if keeps_tables(arguments) {
        asked.retain(|key| !store.has_in_tables(key));
    }
    let ended = run_missing(&prepared, &mut store, &asked, arguments, &stop);
    let noted = store.set_machine(environment.ended(environment::now()).to_text());
    let ended = ended?;
    noted?;
    if ended == Exit::Interrupted {
        return Ok(Exit::Interrupted);
    }
    publish(bench, &mut store, arguments)?;
    Ok(count_not_ok(|key| store.get(key), &asked))
}

/// What a sweep needs before it touches its folder.
pub(super) struct Prepared {
    pub(super) bench: Bench,
    pub(super) lock: Lock,
    pub(super) isolation: Option<Isolation>,
    pub(super) device: nn::Device,
    pub(super) folder: PathBuf,
}

impl Prepared {
    pub(super) fn new(
        common: &Common,
        arguments: &SweepArgs,
        registry: &Registry,
    ) -> Result<Prepared> {
        device::check(device::chosen(arguments.device, arguments.engine)?)?;
        Prepared::elsewhere(common, arguments, registry)
    }

    /// As [`Prepared::new`], for machines that may have a device which this one lacks.
    pub(super) fn elsewhere(
        common: &Common,
        arguments: &SweepArgs,
        registry: &Registry,
    ) -> Result<Prepared> {
        let mut experiment = experiment(&arguments.selection, registry)?;
        let limits = &mut experiment.limits;
        limits.seconds = arguments.time_limit.or(limits.seconds);
        limits.memory_mib = arguments.memory_limit.or(limits.memory_mib);
        let device = device::chosen(arguments.device, arguments.engine)?;
        let folder = workspace::results_folder(arguments.out.as_deref(), &experiment.name);
        let data = data_folder_for(&experiment.dataset, common.data.as_deref())?;
        let dataset = Dataset::load(&experiment.dataset, &data)?;
        let lock = Lock::new(&experiment, &dataset, device);
        let isolation = isolation(&experiment, arguments, device, &lock, &data)?;
        let bench = Bench::new(experiment, dataset, device)?;
        Ok(Prepared { bench, lock, isolation, device, folder })
    }
}

/// True if results stand that are in tables alone: new contenders beside old results, say.
pub(super) fn keeps_tables(arguments: &SweepArgs) -> bool {
    let Selection { with, model, .. } = &arguments.selection;
    arguments.keep_tables || !with.is_empty() || !model.is_empty()
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
    prepared: &Prepared,
    store: &mut Store,
    asked: &[TrialKey],
    arguments: &SweepArgs,
    stop: &AtomicBool,
) -> Result<Exit> {
    let mut missing: Vec<TrialKey> =
        asked.iter().filter(|key| is_due(store.get(key), arguments)).cloned().collect();
    running_order(&mut missing);
    if !arguments.quiet {
        let splits = crate::shard::splits(prepared.bench.experiment());
        let counts = (asked.len(), missing.len());
        announce(&prepared.bench, store.folder(), splits, counts, jobs(arguments.jobs));
    }
    let mut run = Run::new(prepared, arguments, stop, &missing);
    let ran = run.trials(&missing, jobs(arguments.jobs), store, &sweep::unnoticed);
    run.end(ran, asked.len(), || store.sync())
}

/// True if a trial with this record is to run.
pub(super) fn is_due(record: Option<&Record>, arguments: &SweepArgs) -> bool {
    record.is_none_or(|record| arguments.retry && record.outcome.is_circumstance())
}

/// Trials running, with progress shown.
pub(super) struct Run<'a> {
    prepared: &'a Prepared,
    stop: &'a AtomicBool,
    quiet: bool,
    progress: Progress,
    clock: Instant,
    missing: usize,
    done: usize,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        prepared: &'a Prepared,
        arguments: &SweepArgs,
        stop: &'a AtomicBool,
        missing: &[TrialKey],
    ) -> Run<'a> {
        let progress = Progress::new(missing, jobs(arguments.jobs), arguments.quiet);
        let (quiet, clock) = (arguments.quiet, Instant::now());
        Run { prepared, stop, quiet, progress, clock, missing: missing.len(), done: 0 }
    }

    /// Runs some of the trials on as many workers.
    pub(super) fn trials(
        &mut self,
        trials: &[TrialKey],
        jobs: usize,
        store: &mut impl Sink,
        begins: &(dyn Fn(&TrialKey) -> Result<()> + Sync),
    ) -> Result<()> {
        let Prepared { bench, isolation, .. } = self.prepared;
        let crew = Crew { bench, jobs, stop: self.stop, isolation: isolation.as_ref(), begins };
        crew.run(trials, &mut Watched { store, progress: &mut self.progress, done: &mut self.done })
    }

    /// Once all have `ran`: `settle`s what was kept and says how far it got of what was `asked`.
    pub(super) fn end(
        self,
        ran: Result<()>,
        asked: usize,
        settle: impl FnOnce() -> Result<()>,
    ) -> Result<Exit> {
        self.progress.end();
        ran?;
        let through = self.done == self.missing;
        settle()?;
        if !through {
            crate::say!(
                "interrupted: {} of {asked} trials are done and kept; the same command goes on from there",
                asked - self.missing + self.done,
            );
            return Ok(Exit::Interrupted);
        }
        if !self.quiet && self.done > 0 {
            crate::say!("{} trials in {}", self.done, duration(self.clock.elapsed().as_secs_f64()));
        }
        Ok(Exit::Done)
    }
}

/// The store, with progress shown as records come in.
struct Watched<'a, S> {
    store: &'a mut S,
    progress: &'a mut Progress,
    done: &'a mut usize,
}

impl<S: Sink> Sink for Watched<'_, S> {
    fn keep(&mut self, record: Record) -> Result<()> {
        self.progress.finished(&record);
        *self.done += 1;
        self.store.keep(record)
    }

    fn idle(&mut self) -> Result<()> {
        self.store.idle()
    }
}

pub(super) fn announce(
    bench: &Bench,
    folder: &Path,
    splits: u64,
    (asked, missing): (usize, usize),
    jobs: usize,
) {
    let experiment = bench.experiment();
    let done = match asked - missing {
        0 => String::new(),
        done => format!(", {done} of them done before"),
    };
    crate::say!(
        "{}: {} models × {} sizes × {splits} splits = {asked} trials{done}; {jobs} at a time, into {}",
        experiment.name,
        experiment.models.len(),
        experiment.protocol.sizes.len(),
        folder.display()
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
pub(super) fn count_not_ok<'a>(
    record: impl Fn(&TrialKey) -> Option<&'a Record>,
    asked: &[TrialKey],
) -> Exit {
    let bad: Vec<_> = asked
        .iter()
        .filter_map(record)
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
