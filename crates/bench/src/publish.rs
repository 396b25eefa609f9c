//! What is derived from results: `summary.csv`, the tables of the comparison, the figures, and the README of a results
//! folder.

use std::path::Path;

use crate::compare::trust::{self, Trust};
use crate::compare::{Comparison, Options, rows};
use crate::error::Result;
use crate::figures::{self, Figure, Sources};
use crate::store::{Items, Lock, Results, table};
use crate::summary::{Summary, SummaryRow};
use crate::trial::Bench;
use crate::{files, report};

/// Everything that is computed from results with the usual options.
#[derive(Clone, Debug)]
pub struct Derived {
    /// One row per model and n.
    pub summary: Summary,
    /// All pairs of models; `None` with a single model or without a trial that is ok.
    pub comparison: Option<Comparison>,
    /// What cross-validation said against the truth; `None` but for `small-sample-cv`.
    pub trust: Option<Trust>,
    /// What a reader has to be told first, in sentences.
    pub notes: Vec<String>,
}

impl Derived {
    /// Computes it.
    ///
    /// # Errors
    /// [`crate::error::Error::Input`] if predictions and held-out items don't belong together.
    pub fn of(results: &Results) -> Result<Derived> {
        let summary = Summary::new(results)?;
        let scored = summary.cells.iter().any(|cell| cell.accuracy.is_some());
        let comparable = results.lock.models.len() > 1 && scored;
        let comparison =
            comparable.then(|| Comparison::new(results, &Options::default())).transpose()?;
        let notes = results.unfinished().into_iter().collect();
        Ok(Derived { summary, comparison, trust: Trust::of(results)?, notes })
    }

    /// What a summary alone gives, with what a reader has to be told of it.
    pub fn of_summary(summary: Summary, notes: Vec<String>) -> Derived {
        Derived { summary, comparison: None, trust: None, notes }
    }

    /// What figures are drawn from.
    pub fn sources<'a>(&'a self, lock: &'a Lock) -> Sources<'a> {
        Sources {
            lock,
            notes: &self.notes,
            summary: &self.summary,
            comparison: self.comparison.as_ref(),
            trust: self.trust.as_ref(),
        }
    }
}

/// Writes all of it into `folder`; also gives the figures.
///
/// # Errors
/// If a file can't be written or a figure drawn.
pub fn derived(folder: &Path, results: &Results) -> Result<(Derived, Vec<Figure>)> {
    let derived = Derived::of(results)?;
    let figures = write(folder, &results.lock, &derived)?;
    Ok((derived, figures))
}

/// Writes what was derived into `folder`, and gives the figures.
///
/// # Errors
/// As [`derived`].
pub fn write(folder: &Path, lock: &Lock, derived: &Derived) -> Result<Vec<Figure>> {
    let path = folder.join("summary.csv");
    let cells = derived.summary.cells.iter().map(SummaryRow::from);
    files::write_whole(&path, &table(&path, cells)?)?;
    if let Some(comparison) = &derived.comparison {
        rows::write(folder, comparison)?;
    }
    if let Some(found) = &derived.trust {
        trust::write(folder, found)?;
    }
    let sources = derived.sources(lock);
    let figures = figures::draw(folder, &sources)?;
    let readme = report::markdown(&sources, &figures);
    files::write_whole(&folder.join("README.md"), readme.as_bytes())?;
    Ok(figures)
}

/// Writes all of it into `folder` from the tables that are there.
///
/// # Errors
/// If a table is damaged, a file can't be written or a figure drawn.
pub fn folder(folder: &Path) -> Result<Derived> {
    Ok(derived(folder, &Results::read(folder)?)?.0)
}

/// The held-out items of the experiment's splits.
pub fn items(bench: &Bench) -> Items {
    let protocol = &bench.experiment().protocol;
    (0..protocol.repeats)
        .flat_map(|repeat| (0..protocol.splits_per_repeat()).map(move |fold| (repeat, fold)))
        .map(|(repeat, fold)| ((repeat, fold), bench.split(repeat, fold).test.clone()))
        .collect()
}
