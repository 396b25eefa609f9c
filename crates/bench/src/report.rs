//! The report on a results folder: the same content as README.md and as one self-contained HTML file.

mod content;
mod html;
mod methods;

use std::fmt::Write;

use crate::figures::{Figure, Sources};
use crate::store::Lock;

pub(crate) use content::counts;
pub use html::page;

/// A table of a report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    /// What it shows, in one line.
    caption: String,
    /// Headings; the first is of the rows' names.
    header: Vec<String>,
    /// Cells as they are to be read.
    rows: Vec<Vec<String>>,
    /// What has to be known to read it; may be empty.
    note: String,
}

/// README.md: the same bytes for the same results.
pub fn markdown(sources: &Sources<'_>, figures: &[Figure]) -> String {
    let lock = sources.lock;
    let mut text = format!(
        "# {}\n\nWritten by `bench sweep` and `bench report`; every number comes from the CSV files beside it.\n\n\
         **Asked:** {}\n",
        lock.name,
        content::question(sources)
    );
    let verdicts = content::verdicts(sources);
    if !verdicts.is_empty() {
        text.push_str("\n## Verdict\n\n");
        verdicts.iter().for_each(|sentence| {
            let _ = writeln!(text, "- {sentence}");
        });
    }
    for figure in figures {
        let alt = figure.alt().replace('[', "(").replace(']', ")");
        let _ = write!(text, "\n![{alt}](figures/{}.svg)\n", figure.name);
    }
    for table in content::tables(sources) {
        text.push_str(&markdown_table(&table));
    }
    let _ = write!(text, "\n## Again\n\nIn this folder:\n\n```\n{}```\n", commands(lock, "."));
    text.push_str(
        "\nWhat was measured and how: METHODOLOGY.md of the repository. What it ran on: environment.toml.\n",
    );
    text
}

fn markdown_table(table: &Table) -> String {
    let mut text = format!("\n**{}**\n\n| {} |\n|---|", table.caption, table.header.join(" | "));
    text.push_str(&"--:|".repeat(table.header.len() - 1));
    text.push('\n');
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    if !table.note.is_empty() {
        let _ = write!(text, "\n{}\n", table.note);
    }
    text
}

/// The commands that make these results again and look at them; `place` is the results folder as it is to be typed.
///
/// The sizes and repeats are those of the results, which need not be the experiment file's.
fn commands(lock: &Lock, place: &str) -> String {
    let name = &lock.name;
    let sizes: Vec<String> = lock.protocol.sizes.iter().map(u32::to_string).collect();
    format!(
        "# every trial again, with the models of experiments/{name}.toml; experiment.lock.toml has every setting\n\
         cargo run -p bench -- sweep {name} --sizes {} --repeats {} --out /tmp/{name}\n\
         # the verdicts\n\
         cargo run -p bench -- compare {place}\n\
         # this text, and report.html\n\
         cargo run -p bench -- report {place}\n",
        sizes.join(","),
        lock.protocol.repeats
    )
}
