//! Tables for people: on the terminal and in a results folder's README.

use std::fmt::Write;

use crate::store::LockedProtocol;
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

/// The protocol in a few words.
pub fn design(protocol: &LockedProtocol) -> String {
    let LockedProtocol { repeats, folds, .. } = protocol;
    match protocol.kind.as_str() {
        "holdout" if protocol.draws.held_out.is_some() => format!("{repeats} training draws"),
        "holdout" => format!("{repeats} training draws, scored on the official test set"),
        "small-sample-cv" => format!(
            "{repeats} samples of n examples, each with {} × {folds}-fold cross-validation inside it, and fitted on \
             all n scored on the official test set",
            protocol.cv_repeats.unwrap_or(1)
        ),
        _ => format!("{repeats} × {folds}-fold cross-validation"),
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
