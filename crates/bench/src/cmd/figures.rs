//! `bench figures`: draw the figures of a results folder again, from its CSV files alone.

use crate::cli::ResultsArgs;
use crate::cmd::{Exit, results_folder};
use crate::error::Result;
use crate::publish::Derived;
use crate::store::Results;
use crate::{figures, output};

/// Runs the verb.
///
/// # Errors
/// If there are no results, or a file is damaged or can't be written.
pub fn run(arguments: &ResultsArgs) -> Result<Exit> {
    let folder = results_folder(arguments.results.as_ref());
    let results = Results::read(&folder)?;
    let derived = Derived::of(&results)?;
    let drawn = figures::draw(&folder, &derived.sources(&results.lock))?;
    if !drawn.is_empty() {
        let line = |f: &figures::Figure| {
            format!(
                "{}\n",
                folder.join("figures").join(f.name).with_added_extension("svg").display()
            )
        };
        output::print(&drawn.iter().map(line).collect::<String>());
        return Ok(Exit::Done);
    }
    crate::say!("nothing to draw: no trial is ok, the reasons are in scores/");
    Ok(Exit::NotAllOk)
}
