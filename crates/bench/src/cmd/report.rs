//! `bench report`: report.html, one self-contained file, and everything else that is derived, from the tables of a
//! results folder alone.

use crate::cli::ResultsArgs;
use crate::cmd::{Exit, results_folder};
use crate::error::Result;
use crate::store::Results;
use crate::{files, output, publish, report};

/// Runs the verb.
///
/// # Errors
/// If there are no results, or a file is damaged or can't be written.
pub fn run(arguments: &ResultsArgs) -> Result<Exit> {
    let folder = results_folder(arguments.results.as_ref());
    let results = Results::read(&folder)?;
    // The page, README.md, figures and tables say the same: all are written anew.
    let (derived, figures) = publish::derived(&folder, &results)?;
    let sources = derived.sources(&results.lock);
    let environment = files::read_if_there(&folder.join("environment.toml"))?;
    let page = report::page(&sources, &figures, environment.as_deref(), &folder);
    let path = folder.join("report.html");
    files::write_whole(&path, page.as_bytes())?;
    output::print(&format!("{}\n", path.display()));
    Ok(Exit::Done)
}
