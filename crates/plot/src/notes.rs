//! What the figure itself must say below its panels, and how the text around the panels is set.

use crate::PlotError;
use crate::canvas::{Canvas, Font};
use crate::series::{Mark, Series, marks};
use crate::style::{INK, SOFT_INK};
use crate::text::{LINE_HEIGHT, Metrics};
use crate::yaxis::YAxis;

const TITLE_FONT: f64 = 18.0;
const CAPTION_FONT: f64 = 12.0;
/// Left and right margin of the figure, px.
pub(crate) const MARGIN: f64 = 20.0;

/// Title above and caption below the panels, wrapped to the width.
pub(crate) struct Prose {
    title: Vec<String>,
    caption: Vec<String>,
}

impl Prose {
    /// Wraps a title and the paragraphs of a caption for a figure `width` px wide.
    pub(crate) fn new(title: &str, paragraphs: &[String], metrics: &Metrics, width: f64) -> Self {
        let room = width - 2.0 * MARGIN;
        let title = metrics.wrap(title, TITLE_FONT, true, room);
        let lines = |text: &String| metrics.wrap(text, CAPTION_FONT, false, room);
        Self { title, caption: paragraphs.iter().flat_map(lines).collect() }
    }

    /// Height above the panels' headings, px.
    pub(crate) fn above(&self) -> f64 {
        14.0 + self.title.len() as f64 * TITLE_FONT * LINE_HEIGHT
    }

    /// Height of the caption with its margins, px.
    pub(crate) fn below(&self) -> f64 {
        26.0 + self.caption.len() as f64 * CAPTION_FONT * LINE_HEIGHT
    }

    /// Draws the title from the top and the caption from `caption_top` (px).
    pub(crate) fn draw(&self, canvas: &Canvas<'_>, caption_top: f64) -> Result<(), PlotError> {
        for (i, line) in self.title.iter().enumerate() {
            let baseline = 14.0 + TITLE_FONT + i as f64 * TITLE_FONT * LINE_HEIGHT;
            canvas.text(line, (MARGIN, baseline), Font::new(TITLE_FONT, INK).bold())?;
        }
        for (i, line) in self.caption.iter().enumerate() {
            let baseline =
                caption_top + 10.0 + CAPTION_FONT + i as f64 * CAPTION_FONT * LINE_HEIGHT;
            canvas.text(line, (MARGIN, baseline), Font::new(CAPTION_FONT, SOFT_INK))?;
        }
        Ok(())
    }
}

/// What the accuracy panel leaves out or adds: its dots, its dotted line, its break, its undrawn
/// trials.
pub(crate) fn on_accuracy(series: &[Series], axis: &YAxis, chance: Option<f64>) -> Vec<String> {
    let mut notes = Vec::new();
    let trials: Vec<f64> = marks(series).flat_map(|m| m.trials.iter().copied()).collect();
    if !trials.is_empty() {
        notes.push("Faint dots: single trials.".to_owned());
    }
    if let Some(chance) = chance {
        let place = if axis.shows(chance) { "dotted line" } else { "not on the accuracy axis" };
        notes.push(format!("Always answering the commonest class: {chance:.3} ({place})."));
    }
    if let Some((from, to)) = axis.left_out {
        notes.push(format!(
            "The accuracy axis leaves out {from:.2} to {to:.2}; the strip below the break has a scale of its own."
        ));
    }
    let hidden = trials.iter().filter(|t| !axis.shows(**t)).count();
    if hidden > 0 {
        notes.push(format!("{hidden} of {} trials lie outside the accuracy axis.", trials.len()));
    }
    notes
}

/// What the panel of errors per thousand leaves out or adds.
pub(crate) fn on_errors(series: &[Series], axis: &YAxis) -> Vec<String> {
    let mut notes = Vec::new();
    if axis.left_out.is_some() {
        let zeros = marks(series).filter(|m| m.y <= 0.0).count();
        let open = if zeros > 0 { "; open markers: not one error" } else { "" };
        notes.push(format!(
            "Zero errors have a row of their own below the break of the error axis{open}."
        ));
    }
    let above: Vec<String> = series.iter().filter_map(|s| above(s, axis)).collect();
    if !above.is_empty() {
        notes.push(format!("Above the error axis: {}.", above.join("; ")));
    }
    // the trials of those points are above it, too: only the others are counted
    let near = || marks(series).filter(|m| axis.shows(m.y)).flat_map(|m| &m.trials);
    let hidden = near().filter(|t| !axis.shows(**t)).count();
    if hidden > 0 {
        let other = if above.is_empty() { "" } else { "other " };
        let all = near().count();
        notes.push(format!("{hidden} of {all} {other}trials lie outside the error axis."));
    }
    notes
}

/// Which points of a curve are higher than the axis, if any.
fn above(series: &Series, axis: &YAxis) -> Option<String> {
    let is_above = |m: &&Mark| m.y > axis.range.1 && !axis.shows(m.y);
    let sizes: Vec<String> =
        series.marks.iter().filter(is_above).map(|m| m.n.to_string()).collect();
    match sizes.len() {
        0 => None,
        all if all == series.marks.len() => Some(format!("{}, throughout", series.label)),
        _ => Some(format!("{} at n = {}", series.label, sizes.join(", "))),
    }
}

/// Names the curves that have nothing to draw, so that none is lost in silence.
pub(crate) fn on_missing<'a>(empty: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = empty.collect();
    (!names.is_empty()).then(|| format!("Without a single score: {}.", names.join(", ")))
}
