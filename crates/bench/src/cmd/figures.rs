//! `bench figures`: draw the figures of a results folder again, from its CSV files alone.

use crate::cli::ResultsArgs;
use crate::cmd::{Exit, results_folder};
use crate::error::Result;
use crate::store::Results;
use crate::summary::Summary;
use crate::{figures, output};

/// Runs the verb.
///
/// # Errors
/// If there are no results, or a file is damaged or can't be written.
pub fn run(arguments: &ResultsArgs) -> Result<Exit> {
    let folder = results_folder(arguments);
    let results = Results::read(&folder)?;
    if figures::draw(&folder, &Summary::new(&results)?, &results.lock)? {
        output::print(&format!("{}\n", folder.join("figures").display()));
        return Ok(Exit::Done);
    }
    eprintln!("nothing to draw: no trial is ok, the reasons are in scores/");
    Ok(Exit::NotAllOk)
}
