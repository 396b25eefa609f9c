//! `bench summary`: the table of a results folder.

use crate::cli::ResultsArgs;
use crate::cmd::{Exit, results_folder};
use crate::error::Result;
use crate::store::Results;
use crate::summary::Summary;
use crate::{output, show};

/// Runs the verb.
///
/// # Errors
/// If there are no results, or a file is damaged.
pub fn run(arguments: &ResultsArgs) -> Result<Exit> {
    let results = Results::read(&results_folder(arguments.results.as_ref()))?;
    let summary = Summary::new(&results)?;
    output::print(&show::summary(&summary));
    if let Some(warning) = results.unfinished() {
        crate::say!("{warning}");
    }
    let (not_ok, trials) = summary.not_ok();
    if not_ok == 0 {
        return Ok(Exit::Done);
    }
    crate::say!("{not_ok} of {trials} trials are not ok, the reasons are in scores/");
    Ok(Exit::NotAllOk)
}
