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
    let summary = Summary::new(&Results::read(&results_folder(arguments))?)?;
    output::print(&show::summary(&summary));
    let (ok, trials) =
        summary.cells.iter().fold((0, 0), |(ok, all), cell| (ok + cell.ok, all + cell.trials));
    if ok == trials {
        return Ok(Exit::Done);
    }
    eprintln!("{} of {trials} trials are not ok, the reasons are in scores/", trials - ok);
    Ok(Exit::NotAllOk)
}
