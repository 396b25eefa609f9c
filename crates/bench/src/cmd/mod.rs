//! The verbs of the command line, one file each.

pub mod datasets;
pub mod figures;
pub mod models;
pub mod plan;
pub mod summary;
pub mod sweep;

use std::path::PathBuf;

use crate::cli::{ResultsArgs, Selection};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::{experiment_file, workspace};

/// How a verb ended, if not in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Done, but some trials are not ok.
    NotAllOk,
    /// Interrupted; the same command goes on.
    Interrupted,
}

impl Exit {
    /// The process's exit code. Errors have 2.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::NotAllOk => 1,
            Exit::Interrupted => 130,
        }
    }
}

/// Reads the experiment and narrows it to what was selected.
fn experiment(selection: &Selection) -> Result<Experiment> {
    let path = workspace::experiment_file(selection.experiment.as_deref())?;
    let mut experiment = experiment_file::read(&path)?;
    if let Some(names) = &selection.models {
        choose_models(&mut experiment, names)?;
    }
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
fn results_folder(arguments: &ResultsArgs) -> PathBuf {
    let default = PathBuf::from(workspace::DEFAULT_EXPERIMENT);
    match &arguments.results {
        Some(path) if path.is_dir() => path.clone(),
        Some(name) => {
            let there = workspace::results_folder(None, &name.to_string_lossy());
            if there.is_dir() { there } else { name.clone() }
        }
        None => workspace::results_folder(None, &default.to_string_lossy()),
    }
}
