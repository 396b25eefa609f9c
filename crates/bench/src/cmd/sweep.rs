//! `bench sweep`: run what is missing, then write tables and figures.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::{Common, SweepArgs};
use crate::cmd::{Exit, experiment};
use crate::data::{Dataset, data_folder};
use crate::environment::{self, Environment};
use crate::error::{Error, Result};
use crate::plan::{TrialKey, plan, running_order};
use crate::progress::{Progress, duration};
use crate::record::Status;
use crate::store::{Items, Lock, Published, Results, Store};
use crate::summary::Summary;
use crate::trial::Bench;
use crate::{device, files, output, publish, show, sweep, workspace};

/// Runs the verb.
///
/// # Errors
/// Bad input, or a file that can't be used.
pub fn run(common: &Common, arguments: &SweepArgs) -> Result<Exit> {
    let stop = stop_on_signal()?;
    let experiment = experiment(&arguments.selection)?;
    device::check(arguments.device)?;
    let folder = workspace::results_folder(arguments.out.as_deref(), &experiment.name);
    let dataset = Dataset::load(&experiment.dataset, &data_folder(common.data.as_deref())?)?;
    let lock = Lock::new(&experiment, &dataset, arguments.device);
    let bench = Bench::new(experiment, dataset, arguments.device)?;
    let mut store = Store::open(&folder, &lock)?;

    let started = environment::now();
    let asked = plan(bench.experiment());
    if run_missing(&bench, &mut store, &asked, arguments, &stop)? == Exit::Interrupted {
        return Ok(Exit::Interrupted);
    }
    let published = store.publish(items(&bench))?;
    let environment = Environment::new(arguments.device, jobs(arguments), started);
    files::write_whole(&folder.join("environment.toml"), environment.to_text().as_bytes())?;
    let results = Results::read(&folder)?;
    let summary = Summary::new(&results)?;
    publish::derived(&folder, &summary, &results.lock)?;
    if !arguments.quiet {
        output::print(&show::summary(&summary));
        report(&published, &folder);
    }
    Ok(count_not_ok(&store, &asked))
}

/// Runs the trials that the journal lacks.
fn run_missing(
    bench: &Bench,
    store: &mut Store,
    asked: &[TrialKey],
    arguments: &SweepArgs,
    stop: &AtomicBool,
) -> Result<Exit> {
    let mut missing: Vec<TrialKey> = asked.iter().filter(|key| !store.has(key)).cloned().collect();
    running_order(&mut missing);
    let jobs = jobs(arguments);
    if !arguments.quiet {
        announce(bench, store, asked.len(), missing.len(), jobs);
    }
    let mut progress = Progress::new(&missing, jobs, arguments.quiet);
    let clock = std::time::Instant::now();
    let mut done = 0;
    let ran = sweep::run(bench, &missing, jobs, stop, |record| {
        progress.finished(&record);
        done += 1;
        store.append(record)
    });
    progress.end();
    ran?;
    store.sync()?;
    if done < missing.len() {
        eprintln!(
            "interrupted: {} of {} trials are done and kept; the same command goes on from there",
            asked.len() - missing.len() + done,
            asked.len()
        );
        return Ok(Exit::Interrupted);
    }
    if !arguments.quiet && done > 0 {
        eprintln!("{done} trials in {}", duration(clock.elapsed().as_secs_f64()));
    }
    Ok(Exit::Done)
}

fn jobs(arguments: &SweepArgs) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    arguments.jobs.map_or_else(cores, |jobs| jobs as usize)
}

fn announce(bench: &Bench, store: &Store, asked: usize, missing: usize, jobs: usize) {
    let experiment = bench.experiment();
    let done = match asked - missing {
        0 => String::new(),
        done => format!(", {done} of them done before"),
    };
    eprintln!(
        "{}: {} models × {} sizes × {} splits = {asked} trials{done}; {jobs} at a time, into {}",
        experiment.name,
        experiment.models.len(),
        experiment.protocol.sizes.len(),
        experiment.protocol.repeats * experiment.protocol.folds,
        store.folder().display()
    );
    for model in &experiment.models {
        if let Some(caveat) = model.kind.caveat {
            eprintln!("warning: {} is not reproducible: {caveat}", model.name);
        }
    }
}

/// A flag that the first SIGINT or SIGTERM sets; the second ends the process at once. Finished trials are in the
/// journal either way.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        eprintln!("\nstopping (once more to leave at once)");
    })
    .map_err(|error| Error::input(format!("can't listen for interrupts: {error}")))?;
    Ok(stop)
}

/// The held-out items of the experiment's splits.
fn items(bench: &Bench) -> Items {
    let protocol = &bench.experiment().protocol;
    (0..protocol.repeats)
        .flat_map(|repeat| (0..protocol.folds).map(move |fold| (repeat, fold)))
        .map(|(repeat, fold)| ((repeat, fold), bench.split(repeat, fold).test.clone()))
        .collect()
}

fn report(published: &Published, folder: &Path) {
    let Published { reproduced, changed } = published;
    if reproduced + changed.len() > 0 {
        eprintln!(
            "{reproduced} of the {} results that were here came out the same, bit for bit",
            reproduced + changed.len()
        );
    }
    if let Some(first) = changed.first() {
        eprintln!("{} came out different (first: {first}) and were replaced", changed.len());
    }
    let figure = folder.join("figures").join("accuracy-vs-n.png");
    if figure.is_file() {
        eprintln!("figure: {}", figure.display());
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
    eprintln!(
        "{} of {} trials are not ok: {} (first: {}: {})",
        bad.len(),
        asked.len(),
        counts.join(", "),
        first.key,
        first.outcome.reason
    );
    Exit::NotAllOk
}
