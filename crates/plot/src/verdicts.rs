//! The figure of verdicts: models by sizes, better, equivalent, worse or undecided in every cell.

use crate::canvas::{Canvas, Font, Stroke, rectangle};
use crate::notes::{MARGIN, Prose};
use crate::style::{GRID, INK, SOFT_INK, WHITE};
use crate::text::Metrics;
use crate::{PlotError, Svg, check};
use plotters::prelude::RGBColor;
use plotters::style::text_anchor::HPos;

/// What a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The row's model is better than the baseline.
    Better,
    /// They are practically equivalent.
    Equivalent,
    /// The row's model is worse.
    Worse,
    /// It can't be told.
    Undecided,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub struct VerdictCell {
    /// What it came to.
    pub outcome: Outcome,
    /// What is written in it, such as the difference; short.
    pub text: String,
}

/// One model against the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct VerdictRow {
    /// The model's name, not empty and unique in the figure.
    pub label: String,
    /// One cell for each column; `None` where nothing was compared.
    pub cells: Vec<Option<VerdictCell>>,
}

/// Everything that the figure of verdicts says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdicts {
    /// Set in bold at the top; may be empty.
    pub title: String,
    /// Paragraphs below.
    pub caption: Vec<String>,
    /// Headings of the columns, such as sizes; at least one.
    pub columns: Vec<String>,
    /// At least one and at most 36 rows.
    pub rows: Vec<VerdictRow>,
}

/// Size of a cell, px.
const CELL: (f64, f64) = (84.0, 34.0);
/// Between cells, px.
const GUTTER: f64 = 3.0;
/// Height of the row of headings, px.
const HEADINGS: f64 = 30.0;
const LABEL_FONT: f64 = 13.0;
const CELL_FONT: f64 = 12.0;
/// Height of the legend with the space above it, px.
const LEGEND: f64 = 34.0;

impl Outcome {
    const ALL: [Outcome; 4] =
        [Outcome::Better, Outcome::Equivalent, Outcome::Worse, Outcome::Undecided];

    fn name(self) -> &'static str {
        match self {
            Outcome::Better => "better",
            Outcome::Equivalent => "equivalent",
            Outcome::Worse => "worse",
            Outcome::Undecided => "undecided",
        }
    }

    /// A sign that tells the outcomes apart without colour, in every cell.
    fn sign(self) -> &'static str {
        match self {
            Outcome::Better => "\u{25b2}",
            Outcome::Equivalent => "=",
            Outcome::Worse => "\u{25bc}",
            Outcome::Undecided => "?",
        }
    }

    /// Blue and vermillion of Okabe and Ito's palette, light enough for black letters and of unlike lightness, so that
    /// they differ in grey, too; grey; paper.
    fn fill(self) -> RGBColor {
        match self {
            Outcome::Better => RGBColor(0x74, 0xb4, 0xde),
            Outcome::Equivalent => RGBColor(0xe4, 0xe4, 0xe4),
            Outcome::Worse => RGBColor(0xf5, 0xc0, 0x94),
            Outcome::Undecided => WHITE,
        }
    }
}

/// Draws a table of verdicts: a row for each model, a column for each size, told apart by colour and
/// by sign.
///
/// # Errors
/// Without rows or columns; with more than 36 rows; with labels that are empty or not unique; with a
/// row that has another number of cells than there are columns.
pub fn verdict_map(figure: &Verdicts) -> Result<Svg, PlotError> {
    check::labels(figure.rows.iter().map(|row| row.label.as_str()))?;
    if figure.columns.is_empty() {
        return Err(PlotError::Empty);
    }
    if let Some(row) = figure.rows.iter().find(|row| row.cells.len() != figure.columns.len()) {
        return Err(PlotError::Ragged {
            label: row.label.clone(),
            cells: row.cells.len(),
            columns: figure.columns.len(),
        });
    }
    let metrics = Metrics::new()?;
    let widest =
        |width: f64, row: &VerdictRow| width.max(metrics.width(&row.label, LABEL_FONT, false));
    let left = MARGIN + figure.rows.iter().fold(60.0, widest) + 12.0;
    let width = (left + figure.columns.len() as f64 * CELL.0 + MARGIN).max(640.0);
    let prose = Prose::new(&figure.title, &figure.caption, &metrics, width);
    let top = prose.above() + HEADINGS;
    let legend = top + figure.rows.len() as f64 * CELL.1;
    let caption_top = legend + LEGEND;
    let description = description(figure);
    let size = (width, caption_top + prose.below());
    Canvas::figure(size, (&figure.title, &description), |canvas| {
        for (at, column) in figure.columns.iter().enumerate() {
            let middle = left + (at as f64 + 0.5) * CELL.0;
            let font = Font::new(CELL_FONT, INK).align(HPos::Center).bold();
            canvas.text(column, (middle, top - 10.0), font)?;
        }
        for (at, row) in figure.rows.iter().enumerate() {
            draw_row(canvas, row, (left, top + at as f64 * CELL.1))?;
        }
        draw_legend(canvas, &metrics, (left, legend + 12.0))?;
        prose.draw(canvas, caption_top)
    })
}

fn draw_row(
    canvas: &Canvas<'_>,
    row: &VerdictRow,
    (left, top): (f64, f64),
) -> Result<(), PlotError> {
    let baseline = top + CELL.1 / 2.0 + 0.36 * CELL_FONT;
    let font = Font::new(LABEL_FONT, INK).align(HPos::Right);
    canvas.text(&row.label, (left - 10.0, baseline), font)?;
    for (at, cell) in row.cells.iter().enumerate() {
        let from = (left + at as f64 * CELL.0 + GUTTER / 2.0, top + GUTTER / 2.0);
        let to = (from.0 + CELL.0 - GUTTER, from.1 + CELL.1 - GUTTER);
        let middle = ((from.0 + to.0) / 2.0, baseline);
        let Some(cell) = cell else {
            let font = Font::new(CELL_FONT, SOFT_INK).align(HPos::Center);
            canvas.text("\u{2013}", middle, font)?;
            continue;
        };
        draw_tile(canvas, from, to, cell.outcome)?;
        let text = format!("{} {}", cell.text, cell.outcome.sign());
        canvas.text(text.trim(), middle, Font::new(CELL_FONT, INK).align(HPos::Center))?;
    }
    Ok(())
}

fn draw_tile(
    canvas: &Canvas<'_>,
    from: (f64, f64),
    to: (f64, f64),
    outcome: Outcome,
) -> Result<(), PlotError> {
    let corners = rectangle(from, to);
    canvas.polygon(&corners, outcome.fill(), 1.0)?;
    if outcome == Outcome::Undecided {
        let outline: Vec<_> = corners.into_iter().chain([corners[0]]).collect();
        canvas.path(&outline, Stroke::new(GRID, 1.0))?;
    }
    Ok(())
}

fn draw_legend(
    canvas: &Canvas<'_>,
    metrics: &Metrics,
    (left, top): (f64, f64),
) -> Result<(), PlotError> {
    let mut x = left;
    for outcome in Outcome::ALL {
        draw_tile(canvas, (x, top), (x + 22.0, top + 14.0), outcome)?;
        let font = Font::new(11.0, INK).align(HPos::Center);
        canvas.text(outcome.sign(), (x + 11.0, top + 11.0), font)?;
        canvas.text(outcome.name(), (x + 28.0, top + 11.0), Font::new(CELL_FONT, INK))?;
        x += 28.0 + metrics.width(outcome.name(), CELL_FONT, false) + 20.0;
    }
    Ok(())
}

/// The table in words, for those who can't see it.
fn description(figure: &Verdicts) -> String {
    let mut text = figure.caption.join(" ");
    for row in &figure.rows {
        let cells: Vec<String> = figure
            .columns
            .iter()
            .zip(&row.cells)
            .filter_map(|(column, cell)| {
                cell.as_ref().map(|cell| format!("{column} {}", cell.outcome.name()))
            })
            .collect();
        text.push_str(&format!(" {}: {}.", row.label, cells.join(", ")));
    }
    text
}
