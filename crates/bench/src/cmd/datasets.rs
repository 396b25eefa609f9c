//! `bench datasets`: what there is, loaded and checked, with shapes, class counts and hashes.

use std::fmt::Write;
use std::path::Path;

use crate::cli::Common;
use crate::cmd::Exit;
use crate::data::{SOURCES, Source, data_folder};
use crate::error::Result;
use crate::output;

/// Runs the verb.
///
/// # Errors
/// If there is no data folder, or a dataset that is there is damaged.
pub fn run(common: &Common) -> Result<Exit> {
    let folder = data_folder(common.data.as_deref())?;
    let mut text = format!("data folder: {}\n", folder.display());
    for source in SOURCES {
        text.push_str(&describe(source, &folder)?);
    }
    output::print(&text);
    Ok(Exit::Done)
}

fn describe(source: &Source, folder: &Path) -> Result<String> {
    let mut text = format!("\n{}: {}\n  {}\n", source.name, source.summary, source.attribution);
    if source.folder(folder).is_none() {
        let _ = writeln!(text, "  not here: {}", source.remedy);
        return Ok(text);
    }
    let dataset = source.load(folder)?;
    let test_len = dataset.labels.len() - dataset.train_len;
    let (train, test) = dataset.class_counts();
    let _ = writeln!(
        text,
        "  items    {} training, {test_len} test, each {}",
        dataset.train_len, dataset.shape
    );
    for (name, counts) in [("training", train), ("test", test)] {
        let cells: Vec<String> = dataset
            .class_names
            .iter()
            .zip(counts)
            .map(|(class, count)| format!("{class}: {count}"))
            .collect();
        let _ = writeln!(text, "  {name:8} {}", cells.join("  "));
    }
    for (file, sha256) in source.hashes() {
        let _ = writeln!(text, "  sha256   {sha256}  {file}");
    }
    let twins = dataset.duplicates_across_sets().len();
    let _ = writeln!(text, "  test items that are training items too, by content: {twins}");
    Ok(text)
}
