//! The figure of sample efficiency: how many examples each model takes to reach an accuracy.

use crate::canvas::{Canvas, Font, Stroke};
use crate::check::{self, At};
use crate::frame::Frame;
use crate::notes::{MARGIN, Prose};
use crate::style::{GRID, INK, Look, SOFT_INK};
use crate::text::Metrics;
use crate::xaxis::XAxis;
use crate::{PlotError, Svg, ticks};
use plotters::style::text_anchor::HPos;

/// How many examples one model takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Examples {
    /// So many.
    Exactly(f64),
    /// So many, the smallest size, or fewer.
    AtMost(f64),
    /// More than so many, the largest size.
    MoreThan(f64),
}

/// One model's dot.
#[derive(Clone, Debug, PartialEq)]
pub struct NeededRow {
    /// The model's name, not empty and unique in the figure.
    pub label: String,
    /// Which colour and marker, as in [`Curve::look`](crate::Curve::look).
    pub look: usize,
    /// The estimate; `None` without a score.
    pub examples: Option<Examples>,
    /// Lower end of the interval; 0 if it lies below the smallest size.
    pub low: f64,
    /// Upper end of the interval; infinite if it lies beyond the largest size.
    pub high: f64,
}

/// One accuracy and what it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct NeededPanel {
    /// The accuracy, in [0, 1].
    pub accuracy: f64,
    /// At least one and at most 36 rows.
    pub rows: Vec<NeededRow>,
}

/// Everything that the figure of sample efficiency says.
#[derive(Clone, Debug, PartialEq)]
pub struct NeededExamples {
    /// Set in bold at the top; may be empty.
    pub title: String,
    /// Paragraphs below.
    pub caption: Vec<String>,
    /// The sizes of the study, at least 1, growing: the ticks.
    pub sizes: Vec<u32>,
    /// One panel for each accuracy, side by side; the first one's labels serve all.
    pub panels: Vec<NeededPanel>,
}

/// Width of a panel's data area, px.
const WIDTH: f64 = 330.0;
/// Height of a row, px.
const ROW: f64 = 26.0;
/// Between panels, px.
const BETWEEN: f64 = 34.0;
const HEADING: f64 = 34.0;
const FOOT: f64 = 44.0;
const LABEL_FONT: f64 = 13.0;
/// Length of the arrow on what lies beyond the sizes, px.
const ARROW: f64 = 11.0;

/// Draws a dot with its interval for each model on a log2 axis of examples, a panel for each
/// accuracy. Open markers with an arrow lie beyond the sizes of the study.
///
/// # Errors
/// Without panels or sizes; as [`accuracy_vs_n`](crate::accuracy_vs_n) for labels; with numbers that
/// are NaN or negative.
pub fn needed_examples(figure: &NeededExamples) -> Result<Svg, PlotError> {
    checked(figure)?;
    let metrics = Metrics::new()?;
    let rows = figure.panels.iter().map(|panel| panel.rows.len()).max().unwrap_or(0);
    let label =
        |width: f64, row: &NeededRow| width.max(metrics.width(&row.label, LABEL_FONT, false));
    let labels = figure.panels[0].rows.iter().fold(60.0, label);
    let left = MARGIN + labels + 14.0;
    let panels = figure.panels.len() as f64;
    let width = left + panels * WIDTH + (panels - 1.0) * BETWEEN + MARGIN;
    let mut caption = figure.caption.clone();
    if figure.panels.iter().flat_map(|p| &p.rows).any(|row| row.is_censored()) {
        caption.push(
            "Arrows: beyond the sizes of the study. Open markers: the estimate itself lies beyond them."
                .to_owned(),
        );
    }
    let prose = Prose::new(&figure.title, &caption, &metrics, width);
    let top = prose.above() + HEADING;
    let bottom = top + rows as f64 * ROW;
    let caption_top = bottom + FOOT;
    let size = (width, caption_top + prose.below());
    Canvas::figure(size, (&figure.title, &caption.join(" ")), |canvas| {
        for (at, panel) in figure.panels.iter().enumerate() {
            let left = left + at as f64 * (WIDTH + BETWEEN);
            let frame = Frame { left, top, right: left + WIDTH, bottom };
            draw_panel(canvas, &metrics, (&figure.sizes, panel, at == 0), &frame)?;
            let middle = ((frame.left + frame.right) / 2.0, bottom + 34.0);
            let font = Font::new(11.0, INK).align(HPos::Center);
            canvas.text("training examples n (log scale)", middle, font)?;
        }
        prose.draw(canvas, caption_top)
    })
}

impl NeededRow {
    fn is_censored(&self) -> bool {
        let estimate = !matches!(self.examples, Some(Examples::Exactly(_)) | None);
        estimate || (self.examples.is_some() && (self.low <= 0.0 || !self.high.is_finite()))
    }
}

fn draw_panel(
    canvas: &Canvas<'_>,
    metrics: &Metrics,
    (sizes, panel, labelled): (&[u32], &NeededPanel, bool),
    frame: &Frame,
) -> Result<(), PlotError> {
    let x = XAxis::new(sizes.to_vec(), 1, frame);
    let heading = format!("to reach {}", ticks::plain(panel.accuracy));
    canvas.text(&heading, (frame.left, frame.top - 12.0), Font::new(12.5, INK).bold())?;
    for &n in sizes {
        let at = x.px(n, 0);
        canvas.path(&[(at, frame.top), (at, frame.bottom)], Stroke::new(GRID, 1.0))?;
    }
    x.draw(canvas, metrics, frame)?;
    for (at, row) in panel.rows.iter().enumerate() {
        let y = frame.top + (at as f64 + 0.5) * ROW;
        if labelled {
            let font = Font::new(LABEL_FONT, INK).align(HPos::Right);
            canvas.text(&row.label, (frame.left - 8.0, y + 0.36 * LABEL_FONT), font)?;
        }
        draw_dot(canvas, row, (&x, sizes), y)?;
    }
    Ok(())
}

fn draw_dot(
    canvas: &Canvas<'_>,
    row: &NeededRow,
    (x, sizes): (&XAxis, &[u32]),
    y: f64,
) -> Result<(), PlotError> {
    let look = Look::new(row.look);
    let (first, last) = (f64::from(sizes[0]), f64::from(sizes[sizes.len() - 1]));
    let Some(examples) = row.examples else {
        let at = (x.px(sizes[0], 0), y + 4.0);
        return canvas.text("no score", at, Font::new(11.0, SOFT_INK));
    };
    let place = |n: f64| at_log(x, sizes, n.clamp(first, last));
    let (n, open) = match examples {
        Examples::Exactly(n) => (n, false),
        Examples::AtMost(n) | Examples::MoreThan(n) => (n, true),
    };
    let bar = Stroke { colour: look.outline(), alpha: 0.8, width: 1.4 };
    let (low, high) = (place(row.low.min(n)), place(row.high.max(n)));
    canvas.path(&[(low, y), (high, y)], bar)?;
    let beyond_low = row.low < first || matches!(examples, Examples::AtMost(_));
    let beyond_high = row.high > last || matches!(examples, Examples::MoreThan(_));
    if beyond_low {
        arrow(canvas, (low, y), -1.0, bar)?;
    }
    if beyond_high {
        arrow(canvas, (high, y), 1.0, bar)?;
    }
    look.marker(canvas, (place(n), y), 4.0, open)
}

/// A line that ends in an arrow's head; `side` is -1 to the left and 1 to the right.
fn arrow(
    canvas: &Canvas<'_>,
    (x, y): (f64, f64),
    side: f64,
    stroke: Stroke,
) -> Result<(), PlotError> {
    let tip = x + side * (ARROW + 5.0);
    canvas.path(&[(x, y), (tip, y)], stroke)?;
    let back = tip - side * 4.5;
    canvas.path(&[(back, y - 3.0), (tip, y), (back, y + 3.0)], stroke)
}

/// Where `n` stands between the sizes, which the axis places in log2.
fn at_log(x: &XAxis, sizes: &[u32], n: f64) -> f64 {
    let after = sizes.partition_point(|&size| f64::from(size) < n).clamp(1, sizes.len().max(2) - 1);
    if sizes.len() == 1 {
        return x.px(sizes[0], 0);
    }
    let (a, b) = (sizes[after - 1], sizes[after]);
    let share = libm::log2(n / f64::from(a)) / libm::log2(f64::from(b) / f64::from(a));
    x.px(a, 0) + share * (x.px(b, 0) - x.px(a, 0))
}

fn checked(figure: &NeededExamples) -> Result<(), PlotError> {
    if figure.panels.is_empty() || figure.sizes.is_empty() {
        return Err(PlotError::Empty);
    }
    check::sizes("sizes", figure.sizes.iter().copied())?;
    for panel in &figure.panels {
        check::setting("the accuracy to reach", panel.accuracy, (0.0, 1.0))?;
        check::labels(panel.rows.iter().map(|row| row.label.as_str()))?;
        for row in &panel.rows {
            let at = At { label: &row.label, n: figure.sizes[0] };
            at.within("the lower end of the interval", row.low, (0.0, f64::MAX))?;
            at.within("the upper end of the interval", row.high, (0.0, f64::INFINITY))?;
            if let Some(Examples::Exactly(n) | Examples::AtMost(n) | Examples::MoreThan(n)) =
                row.examples
            {
                at.within("the number of examples", n, (0.0, f64::MAX))?;
            }
        }
    }
    Ok(())
}
