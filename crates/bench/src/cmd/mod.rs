//! The verbs of the command line, one file each.

mod added;
pub mod compare;
pub mod datasets;
pub mod figures;
pub mod launch;
pub mod merge;
pub mod models;
pub mod plan;
pub mod report;
mod shard;
pub mod status;
pub mod summary;
pub mod sweep;
pub mod verify;
pub mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::models::Registry;

use crate::cli::Selection;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::process::INTERRUPTED;
use crate::store::Lock;
use crate::{experiment_file, workspace};

/// How a verb ended, if not in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Done, but some trials are not ok.
    NotAllOk,
    /// Done with what is there, but some planned trials are not.
    Incomplete,
    /// Interrupted; the same command goes on.
    Interrupted,
}

impl Exit {
    /// The process's exit code. Errors have 2.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::NotAllOk => 1,
            Exit::Incomplete => 3,
            Exit::Interrupted => 130,
        }
    }
}

/// Reads the experiment and narrows it to what was selected.
fn experiment(selection: &Selection, registry: &Registry) -> Result<Experiment> {
    let path = workspace::experiment_file(selection.experiment.as_deref())?;
    let mut experiment = match path.to_string_lossy().ends_with(LOCK_ENDING) {
        true => locked_experiment(&path, registry)?,
        false => experiment_file::read(&path, registry)?,
    };
    if let (Some(table), Some(folder)) = (&mut experiment.dataset.table, &selection.beside) {
        table.beside.clone_from(folder);
    }
    if let Some(names) = &selection.models {
        choose_models(&mut experiment, names)?;
    }
    added::add(&mut experiment, selection, registry)?;
    if let Some(sizes) = &selection.sizes {
        let mut sizes = sizes.clone();
        sizes.sort_unstable();
        sizes.dedup();
        experiment.protocol.sizes = sizes;
    }
    if let Some(repeats) = selection.repeats {
        experiment.protocol.repeats = repeats;
    }
    Ok(experiment)
}

/// How the names of lock files end.
const LOCK_ENDING: &str = ".lock.toml";

/// The experiment of the lock file at `path`: what results were made of, or what a launch has frozen.
fn locked_experiment(path: &Path, registry: &Registry) -> Result<Experiment> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let mut experiment = Lock::parse(path, &text)?.experiment(registry)?;
    if let Some(table) = &mut experiment.dataset.table {
        path.parent().unwrap_or(Path::new("")).clone_into(&mut table.beside);
    }
    Ok(experiment)
}

fn choose_models(experiment: &mut Experiment, names: &[String]) -> Result<()> {
    let known: Vec<String> = experiment.models.iter().map(|model| model.name.clone()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let hint = match ::models::settings::nearest(unknown, known.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => format!("there are: {}", known.join(", ")),
        };
        return Err(Error::input(format!(
            "--models: experiment {:?} has no model {unknown:?}, {hint}",
            experiment.name
        )));
    }
    experiment.models.retain(|model| names.contains(&model.name));
    Ok(())
}

/// The results folder that was meant: a path, or the name of one in `results/`.
fn results_folder(given: Option<&PathBuf>) -> PathBuf {
    match given {
        Some(path) => results_path(path),
        None => workspace::results_folder(None, workspace::DEFAULT_EXPERIMENT),
    }
}

/// The results folder that `given` means.
fn results_path(given: &Path) -> PathBuf {
    if given.is_dir() {
        return given.to_owned();
    }
    let there = workspace::results_folder(None, &given.to_string_lossy());
    if there.is_dir() { there } else { given.to_owned() }
}

/// Trials at a time: as asked for, or the number of cores.
fn jobs(asked: Option<u32>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or_else(cores, |jobs| jobs as usize)
}

/// A flag that the first SIGINT or SIGTERM sets; the second ends the process at once. Finished trials are in the
/// journal either way.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        INTERRUPTED.store(true, Ordering::Relaxed);
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        crate::say!("\nstopping (once more to leave at once)");
    })
    .map_err(|error| Error::input(format!("can't listen for interrupts: {error}")))?;
    Ok(stop)
}
