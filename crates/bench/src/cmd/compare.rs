//! `bench compare`: verdicts on the models of a results folder, or ranks over many folders.

use std::path::{Path, PathBuf};

use crate::cli::CompareArgs;
use crate::cmd::{Exit, results_folder};
use crate::compare::across::Across;
use crate::compare::{self, Comparison, Options, rows, trust, words};
use crate::error::{Error, Result};
use crate::store::Results;
use crate::{figures, files, output, workspace};

/// Runs the verb.
///
/// # Errors
/// If there are no results, they can't be compared, or a file is damaged or can't be written.
pub fn run(arguments: &CompareArgs) -> Result<Exit> {
    unused(arguments)?;
    match arguments.results.as_slice() {
        [] => one(&results_folder(None), arguments),
        [only] => one(&results_folder(Some(only)), arguments),
        many => across(many, arguments),
    }
}

/// Refuses options that would do nothing: those of pairs of models where many folders are ranked, and the reverse.
fn unused(arguments: &CompareArgs) -> Result<()> {
    let CompareArgs { baseline, other, rope, target, out, results, .. } = arguments;
    let pairs = [
        ("--baseline", baseline.is_some()),
        ("--other", other.is_some()),
        ("--rope", rope.is_some()),
        ("--target", target.is_some()),
    ];
    let one = [("--out", out.is_some())];
    let (given, reason) = match results.len() {
        0 | 1 => (
            one.as_slice(),
            "it names the place of ranks over many folders; tables of one folder lie in it",
        ),
        _ => (
            pairs.as_slice(),
            "it is about the models of one results folder, and these are ranked over several",
        ),
    };
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => {
            Err(Error::input(format!("{option} has no use here: {reason}; leave it out")))
        }
        None => Ok(()),
    }
}

/// The models of one folder, and of another that pairs with it.
fn one(folder: &Path, arguments: &CompareArgs) -> Result<Exit> {
    let options = Options {
        level: arguments.level,
        rope: arguments.rope.unwrap_or(Options::default().rope),
        targets: arguments.target.clone(),
        baseline: arguments.baseline.clone(),
    };
    let results = Results::read(folder)?;
    if let Some(warning) = results.unfinished() {
        crate::say!("note: {warning}");
    }
    let Some(other) = &arguments.other else {
        let comparison = Comparison::new(&results, &options)?;
        // The folder's own tables and figures are those of the usual options, as `bench verify` expects them.
        let usual = options == Options::default();
        let place = if usual { folder.to_owned() } else { folder.join("compared") };
        present(&place, &results, &comparison)?;
        if let Some(trust) = trust::Trust::of(&results)? {
            let sentences = trust::sentences(&trust);
            output::print(&sentences.iter().map(|s| format!("- {s}\n")).collect::<String>());
        }
        crate::say!("tables: {} and beside it", place.join("comparison.csv").display());
        return Ok(Exit::Done);
    };
    let other = results_folder(Some(other));
    let name = name_of(&other);
    let there = Results::read(&other)?;
    for remark in compare::remarks(&results.lock, &there.lock, &name) {
        crate::say!("note: {remark}");
    }
    let joined = compare::join(results, there, &name)?;
    let comparison = Comparison::new(&joined, &options)?;
    // The models of two folders belong to neither: their table has a place of its own.
    let place = folder.join(format!("compared-with-{name}"));
    present(&place, &joined, &comparison)?;
    crate::say!("tables: {} and beside it", place.join("comparison.csv").display());
    Ok(Exit::Done)
}

/// Writes the tables and figures of a comparison into `place`, and prints it.
fn present(place: &Path, results: &Results, comparison: &Comparison) -> Result<()> {
    rows::write(place, comparison)?;
    figures::compared(place, results, comparison)?;
    output::print(&words::terminal(comparison));
    Ok(())
}

/// Ranks over experiments.
fn across(folders: &[PathBuf], arguments: &CompareArgs) -> Result<Exit> {
    let read = |folder: &PathBuf| {
        let folder = results_folder(Some(folder));
        Ok((name_of(&folder), Results::read(&folder)?))
    };
    let studies = folders.iter().map(read).collect::<Result<Vec<_>>>()?;
    let across = Across::of(&studies, arguments.level)?;
    let place = workspace::results_folder(arguments.out.as_deref(), "across");
    files::write_whole(&place.join("ranks.csv"), across.csv().as_bytes())?;
    figures::critical_difference(&place, &across)?;
    output::print(&across.terminal());
    crate::say!("table and figure: {}", place.display());
    Ok(Exit::Done)
}

fn name_of(folder: &Path) -> String {
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    resolved.file_name().map_or("other".into(), |name| name.to_string_lossy().into_owned())
}
