//! From a summary to the figures of a results folder.

use std::path::Path;

use plot::{Curve, LearningCurves, Point, Svg};

use crate::error::{Error, Result};
use crate::files;
use crate::store::Lock;
use crate::summary::{Cell, LEVEL, Summary, coverage};

/// Pixels of the PNG per unit of the SVG: sharp in print at a column's width.
const PNG_SCALE: f32 = 2.0;

/// Draws all figures that the results allow into `figures/` of `folder`: none if no trial is ok. Says whether it drew.
///
/// # Errors
/// [`Error::Input`] if a figure can't be drawn, [`Error::Io`] if a file can't be written.
pub fn draw(folder: &Path, summary: &Summary, lock: &Lock) -> Result<bool> {
    if summary.cells.iter().all(|cell| cell.accuracy.is_none()) {
        return Ok(false);
    }
    let figure = plot::accuracy_vs_n(&learning_curves(summary, lock)).map_err(plot_error)?;
    write(folder, "accuracy-vs-n", &figure)?;
    Ok(true)
}

fn write(folder: &Path, name: &str, figure: &Svg) -> Result<()> {
    let path = |ending: &str| folder.join("figures").join(format!("{name}.{ending}"));
    files::write_whole(&path("svg"), figure.as_str().as_bytes())?;
    files::write_whole(&path("png"), &figure.to_png(PNG_SCALE).map_err(plot_error)?)?;
    files::write_whole(&path("pdf"), &figure.to_pdf().map_err(plot_error)?)
}

fn plot_error(error: plot::PlotError) -> Error {
    Error::input(format!("figure: {error}"))
}

/// The learning curves of all models that have a score.
fn learning_curves(summary: &Summary, lock: &Lock) -> LearningCurves {
    let curves = summary
        .models()
        .into_iter()
        .map(|model| Curve {
            label: model.to_owned(),
            points: summary.cells.iter().filter(|c| c.model == model).filter_map(point).collect(),
        })
        .filter(|curve: &Curve| !curve.points.is_empty())
        .collect();
    LearningCurves { title: title(lock), caption: caption(summary, lock), curves, chance: None }
}

fn point(cell: &Cell) -> Option<Point> {
    let accuracy = cell.accuracy.as_ref()?;
    Some(Point {
        n: cell.n,
        estimate: accuracy.mean,
        low: accuracy.interval.lo,
        high: accuracy.interval.hi,
        trials: cell.by_trial.clone(),
    })
}

fn title(lock: &Lock) -> String {
    let classes = &lock.dataset.classes;
    let task = match classes.len() {
        2 => format!("{} against {}", classes[0], classes[1]),
        count => format!("{count} classes"),
    };
    format!(
        "{}, {task}: accuracy by number of training examples",
        dataset_title(&lock.dataset.name)
    )
}

fn dataset_title(name: &str) -> String {
    match name {
        "mnist" => "MNIST".into(),
        "fashion-mnist" => "Fashion-MNIST".into(),
        other => other.into(),
    }
}

fn caption(summary: &Summary, lock: &Lock) -> Vec<String> {
    let protocol = &lock.protocol;
    let trials = summary.cells.iter().map(|cell| cell.ok).max().unwrap_or(0);
    let design = match protocol.kind.as_str() {
        "holdout" => format!("{trials} training draws, scored on the official test set"),
        _ => format!(
            "{trials} trials a point ({} × {}-fold cross-validation, training parts cut to n)",
            protocol.repeats, protocol.folds
        ),
    };
    let covers = match summary.cells.iter().find_map(|cell| cell.accuracy.as_ref()) {
        Some(a) if coverage(a.covers) == "items" => "new test items",
        _ => "new training draws and new test items",
    };
    let mut lines = vec![
        format!("Mean over {design}. Points of one n stand side by side."),
        format!(
            "Bars: {:.0} % Wilson intervals at the effective sample size, covering {covers}. \
             They are marginal: models share their splits, so compare models by paired differences, not by overlap.",
            LEVEL * 100.0
        ),
    ];
    let (not_ok, all) = summary.not_ok();
    if not_ok > 0 {
        lines.push(format!(
            "{not_ok} of {all} trials are not ok and not in the means; see scores/."
        ));
    }
    lines
}
