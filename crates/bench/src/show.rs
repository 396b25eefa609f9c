//! Tables for people: on the terminal and in a results folder's README.

use std::fmt::Write;

use crate::store::Lock;
use crate::summary::{Cell, LEVEL, Summary, coverage};

/// The whole summary, a block for each n, best first within it; then the errors per thousand at a glance.
pub fn summary(summary: &Summary) -> String {
    let width = summary.models().iter().map(|m| m.chars().count()).max().unwrap_or(0).max(5);
    let mut text = String::new();
    for n in summary.sizes() {
        let mut cells: Vec<&Cell> = summary.cells.iter().filter(|cell| cell.n == n).collect();
        // Stable: equals stay in the order of the experiment.
        cells.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
        let _ = writeln!(
            text,
            "{:width$}  accuracy   {:.0} % interval     errors/1000   trials     fit",
            format!("n = {n}"),
            LEVEL * 100.0
        );
        for cell in cells {
            let _ = writeln!(text, "{:width$}  {}", cell.model, row(cell));
        }
        text.push('\n');
    }
    text.push_str(&glance(summary, width));
    text.push_str(&interval_note(summary));
    text
}

fn mean(cell: &Cell) -> f64 {
    cell.accuracy.as_ref().map_or(f64::NEG_INFINITY, |a| a.mean)
}

fn row(cell: &Cell) -> String {
    let fit = cell.fit_seconds.map_or("–".into(), seconds);
    let trials = format!("{}/{}", cell.ok, cell.trials);
    match &cell.accuracy {
        Some(a) => format!(
            "{:.4}   [{:.4}, {:.4}]   {:>11.1}   {trials:>6}   {fit:>7}",
            a.mean,
            a.interval.lo,
            a.interval.hi,
            1000.0 * (1.0 - a.mean),
        ),
        None => format!("{:<44}   {trials:>6}   {fit:>7}", "no trial is ok"),
    }
}

/// Errors per thousand, a row for each model and a column for each n.
fn glance(summary: &Summary, width: usize) -> String {
    let mut text = format!("{:width$}", "errors per thousand");
    text.truncate(width.max(19));
    let width = text.chars().count();
    let sizes = summary.sizes();
    for n in &sizes {
        let _ = write!(text, " {:>7}", format!("n={n}"));
    }
    text.push('\n');
    for model in summary.models() {
        let _ = write!(text, "{model:width$}");
        for &n in &sizes {
            let _ = write!(text, " {:>7}", errors(summary.cell(model, n)));
        }
        text.push('\n');
    }
    text
}

fn errors(cell: Option<&Cell>) -> String {
    match cell.and_then(|cell| cell.accuracy.as_ref()) {
        Some(a) => format!("{:.1}", 1000.0 * (1.0 - a.mean)),
        None => "–".into(),
    }
}

/// What the intervals are, in one sentence.
pub fn interval_note(summary: &Summary) -> String {
    let Some(a) = summary.cells.iter().find_map(|cell| cell.accuracy.as_ref()) else {
        return String::new();
    };
    format!(
        "Intervals: {:.0} %, Wilson's at the effective sample size, covering {}; \
         not for comparing models, which share their splits.\n",
        LEVEL * 100.0,
        match coverage(a.covers) {
            "items" => "new test items (a single training draw shows nothing of how draws vary)",
            _ => "new training draws and new test items",
        }
    )
}

/// The README.md of a results folder.
pub fn readme(summary: &Summary, lock: &Lock) -> String {
    let dataset = &lock.dataset;
    let protocol = &lock.protocol;
    let design = match protocol.kind.as_str() {
        "holdout" => {
            format!("{} training draws, scored on the official test set", protocol.repeats)
        }
        _ => format!("{} × {}-fold cross-validation", protocol.repeats, protocol.folds),
    };
    let cap = protocol
        .test_size
        .map_or(String::new(), |cap| format!(", at most {cap} items scored a fold"));
    let mut text = format!(
        "# {}\n\nWritten by `bench sweep`; every number comes from the CSV files beside it.\n\n\
         **Asked:** how many of a thousand held-out items does each model get wrong, after learning from n examples?\n\
         Dataset {}, classes {}; {design}, training sets nested and stratified{cap}; seed {}.\n\n\
         ![accuracy against n](figures/accuracy-vs-n.svg)\n\n**Errors per thousand**\n\n| model |",
        lock.name,
        dataset.name,
        dataset.classes.join(", "),
        lock.seed
    );
    let sizes = summary.sizes();
    for n in &sizes {
        let _ = write!(text, " n = {n} |");
    }
    let _ = write!(text, "\n|---|{}\n", "--:|".repeat(sizes.len()));
    for model in summary.models() {
        let _ = write!(text, "| {model} |");
        for &n in &sizes {
            let _ = write!(text, " {} |", interval_cell(summary.cell(model, n)));
        }
        text.push('\n');
    }
    let _ = write!(text, "\n{}", interval_note(summary));
    let (not_ok, trials) = summary.not_ok();
    let _ = writeln!(text, "\n{trials} trials, {not_ok} of them not ok.");
    text
}

fn interval_cell(cell: Option<&Cell>) -> String {
    match cell.and_then(|cell| cell.accuracy.as_ref()) {
        Some(a) => format!(
            "{:.1} [{:.1}, {:.1}]",
            1000.0 * (1.0 - a.mean),
            1000.0 * (1.0 - a.interval.hi),
            1000.0 * (1.0 - a.interval.lo)
        ),
        None => "–".into(),
    }
}

/// A duration in the unit that fits.
fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
