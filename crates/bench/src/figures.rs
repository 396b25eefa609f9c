//! From results to the figures of a results folder.

mod alt;
pub(crate) mod compared;
mod learning;
mod looks;
mod trusted;
pub mod tuning;

use std::path::Path;

use plot::{PlotError, Svg};

use looks::Looks;

use crate::compare::Comparison;
use crate::compare::across::Across;
use crate::compare::trust::Trust;
use crate::error::{Error, Result};
use crate::files;
use crate::store::{Lock, Results};
use crate::summary::Summary;

/// Pixels of the PNG per unit of the SVG: sharp in print at a column's width.
const PNG_SCALE: f32 = 2.0;

/// A figure with its file's name, without ending, and what it shows in one sentence.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The file's name without its ending.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// The first thing to be seen in it, in a sentence, for those who can't; may be empty.
    pub finding: String,
    /// The figure.
    pub svg: Svg,
}

impl Figure {
    /// What it shows and what there is to be seen, as an alternative text.
    pub fn alt(&self) -> String {
        format!("{} {}", self.about, self.finding).trim_end().to_owned()
    }
}

/// What figures are drawn from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// Everything that decides the results.
    pub lock: &'a Lock,
    /// What a reader of the results has to be told first, in sentences.
    pub notes: &'a [String],
    /// Their summary.
    pub summary: &'a Summary,
    /// The comparison of the models, if there are two.
    pub comparison: Option<&'a Comparison>,
    /// What cross-validation said against the truth, under `small-sample-cv`.
    pub trust: Option<&'a Trust>,
}

/// All figures that the results allow, in the order of a report: none if no trial is ok.
///
/// # Errors
/// [`Error::Input`] if a figure can't be drawn.
pub fn all(sources: &Sources<'_>) -> Result<Vec<Figure>> {
    let Sources { lock, summary, comparison, trust, .. } = *sources;
    if Looks::of(summary, lock).is_empty() {
        return Ok(Vec::new());
    }
    let mut figures = of_accuracy(summary, lock)?;
    if let Some(comparison) = comparison {
        figures.extend(of_comparison(comparison, summary, lock)?);
        if let Some(differences) = tuning::differences(comparison, summary, lock) {
            let about = "Accuracy of every tuned model minus that of the same model by default.";
            let finding = alt::tuning(&differences);
            figures.extend(figure(
                "tuning",
                (about, finding),
                plot::difference_vs_n(&differences),
            )?);
        }
    }
    if let Some(fits) = learning::fits(summary, lock) {
        let about =
            "Accuracy of the nets on training and test examples, training loss and gradient steps.";
        figures.extend(figure("fit", (about, alt::fit(&fits)), plot::fit_vs_n(&fits))?);
    }
    if let Some(curves) = trust.and_then(|trust| trusted::trust_curves(trust, summary, lock)) {
        let about = "Cross-validated minus true accuracy of every model, and how often the wrong one is chosen.";
        let finding = trust.map(alt::trust).unwrap_or_default();
        figures.extend(figure("cross-validation", (about, finding), plot::cv_trust(&curves))?);
    }
    Ok(figures)
}

/// Accuracy over n: of all models, or, where some stand there by default and tuned, of the ones and of the others.
fn of_accuracy(summary: &Summary, lock: &Lock) -> Result<Vec<Figure>> {
    let looks = Looks::of(summary, lock);
    let twins = looks.has_twins();
    let what = "accuracy by number of training examples";
    let curves = learning::learning_curves(summary, lock, what, |model| looks.by_default(model));
    let about = match twins {
        true => "Accuracy of every model by default over the number of training examples.",
        false => "Accuracy of every model over the number of training examples.",
    };
    let finding = alt::accuracy(&curves);
    let mut figures = Vec::new();
    figures.extend(figure("accuracy-vs-n", (about, finding), plot::accuracy_vs_n(&curves))?);
    if twins {
        let what = "accuracy by number of training examples, tuned";
        let curves =
            learning::learning_curves(summary, lock, what, |model| looks.when_tuned(model));
        let about = "Accuracy of the tuned models, and of those that nothing is tuned of, over the number of training \
                     examples.";
        let finding = alt::accuracy(&curves);
        let svg = plot::accuracy_vs_n(&curves);
        figures.extend(figure("accuracy-vs-n-tuned", (about, finding), svg)?);
    }
    Ok(figures)
}

/// The figures that compare with a baseline.
fn of_comparison(comparison: &Comparison, summary: &Summary, lock: &Lock) -> Result<Vec<Figure>> {
    let looks = Looks::of(summary, lock);
    let mut figures = Vec::new();
    if let Some(differences) = compared::differences(comparison, &looks, lock) {
        let about =
            "Paired difference in accuracy between every model and the baseline, with its band.";
        let finding = alt::verdicts(comparison);
        let svg = plot::difference_vs_n(&differences);
        figures.extend(figure("difference-vs-n", (about, finding.clone()), svg)?);
        let about = "Verdict on every model against the baseline at every n.";
        let map = compared::verdicts(comparison, lock);
        figures.extend(figure("verdicts", (about, finding), plot::verdict_map(&map))?);
    }
    if let Some(needed) = compared::needed(comparison, &looks, lock) {
        let about = "Number of training examples that every model takes to reach an accuracy.";
        let finding = alt::needed(&needed);
        let svg = plot::needed_examples(&needed);
        figures.extend(figure("examples-needed", (about, finding), svg)?);
    }
    Ok(figures)
}

/// Draws all figures into `figures/` of `folder`, and returns them.
///
/// # Errors
/// As [`all`], and [`Error::Io`] if a file can't be written.
pub fn draw(folder: &Path, sources: &Sources<'_>) -> Result<Vec<Figure>> {
    let figures = all(sources)?;
    figures.iter().try_for_each(|figure| write(folder, figure))?;
    Ok(figures)
}

/// Draws the figures of a comparison alone, such as one with another baseline, into `figures/` of `folder`.
///
/// # Errors
/// As [`draw`].
pub fn compared(folder: &Path, results: &Results, comparison: &Comparison) -> Result<()> {
    let figures = of_comparison(comparison, &Summary::new(results)?, &results.lock)?;
    figures.iter().try_for_each(|figure| write(folder, figure))
}

/// Draws the critical-difference diagram into `folder`.
///
/// # Errors
/// As [`draw`].
pub fn critical_difference(folder: &Path, across: &Across) -> Result<()> {
    let ranks = compared::ranks(across);
    let about = "Mean ranks of the models over experiments.";
    let finding = String::new();
    let drawn = figure("critical-difference", (about, finding), plot::rank_diagram(&ranks))?;
    drawn.map_or(Ok(()), |figure| write(folder, &figure))
}

/// A figure; `None`, said to the user, if it has more curves than can be told apart: tables stand without it.
fn figure(
    name: &'static str,
    (about, finding): (&'static str, String),
    svg: std::result::Result<Svg, PlotError>,
) -> Result<Option<Figure>> {
    match svg {
        Ok(svg) => Ok(Some(Figure { name, about, finding, svg })),
        Err(PlotError::TooManyCurves { given, most }) => {
            crate::say!(
                "figure {name} is left out: {given} models in it, at most {most} can be told apart"
            );
            Ok(None)
        }
        Err(error) => Err(plot_error(name, error)),
    }
}

fn write(folder: &Path, figure: &Figure) -> Result<()> {
    let Figure { name, svg, .. } = figure;
    let path = |ending: &str| folder.join("figures").join(format!("{name}.{ending}"));
    let failed = |error| plot_error(name, error);
    files::write_whole(&path("svg"), svg.as_str().as_bytes())?;
    files::write_whole(&path("png"), &svg.to_png_at_most(PNG_SCALE).map_err(failed)?)?;
    files::write_whole(&path("pdf"), &svg.to_pdf().map_err(failed)?)
}

fn plot_error(name: &str, error: PlotError) -> Error {
    Error::input(format!("figure {name}: {error}"))
}

/// The task, the study's name, which tells studies of one task apart, and what is shown.
fn title(lock: &Lock, what: &str) -> String {
    format!("{} ({}): {what}", task(lock), lock.name)
}

/// A level in percent, with a decimal where it needs one.
fn percent(level: f64) -> f64 {
    (1000.0 * level).round() / 10.0
}

/// The dataset and its classes in words.
pub fn task(lock: &Lock) -> String {
    let classes = &lock.dataset.classes;
    let task = match classes.len() {
        2 => format!("{} against {}", classes[0], classes[1]),
        count => format!("{count} classes"),
    };
    let title = lock.dataset.title();
    let name = match title.as_str() {
        "mnist" => "MNIST",
        "fashion-mnist" => "Fashion-MNIST",
        other => other,
    };
    format!("{name}, {task}")
}
