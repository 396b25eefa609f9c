//! What is derived from a summary: `summary.csv`, the figures, and the README of a results folder.

use std::path::Path;

use crate::error::Result;
use crate::store::{Lock, table};
use crate::summary::{Summary, SummaryRow};
use crate::{figures, files, show};

/// Writes all of it into `folder`.
///
/// # Errors
/// If a file can't be written or a figure drawn.
pub fn derived(folder: &Path, summary: &Summary, lock: &Lock) -> Result<()> {
    let path = folder.join("summary.csv");
    files::write_whole(&path, &table(&path, summary.cells.iter().map(SummaryRow::from))?)?;
    figures::draw(folder, summary, lock)?;
    files::write_whole(&folder.join("README.md"), show::readme(summary, lock).as_bytes())
}
