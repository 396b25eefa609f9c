//! Small multiples: one little panel per curve, in rows, with shared axes.

use crate::PlotError;
use crate::canvas::{Canvas, Font, Stroke};
use crate::frame::Frame;
use crate::notes::{MARGIN, Prose};
use crate::style::{INK, SOFT_INK};
use crate::text::Metrics;
use crate::xaxis::XAxis;
use crate::yaxis::YAxis;
use plotters::style::text_anchor::HPos;

/// Height of a panel's data area, px.
const HEIGHT: f64 = 180.0;
/// Left of the data area: room for tick labels, px.
const LEFT: f64 = 46.0;
/// Right of the data area, px, where nothing stands there.
pub(crate) const RIGHT: f64 = 14.0;
/// Above the data area: room for the panel's name, px.
const ABOVE: f64 = 30.0;
/// Below the data area: room for tick labels, px.
const BELOW: f64 = 26.0;
/// Below the last row: the axis labels, px.
const AXIS_LABEL: f64 = 22.0;

/// The label of an axis of training sizes.
pub(crate) const SIZES: &str = "training examples n (log scale)";

/// Where the panels of a figure stand.
pub(crate) struct Grid {
    /// One data area per panel, row by row.
    pub(crate) frames: Vec<Frame>,
    /// Below each of them, smaller data areas on the same x-axis; as many for every panel.
    pub(crate) below: Vec<Vec<Frame>>,
    pub(crate) prose: Prose,
    /// Width and height of the figure, px.
    pub(crate) size: (f64, f64),
    columns: usize,
    caption_top: f64,
}

impl Grid {
    /// Places `count` panels (at least 1), with `right` px kept free right of each data area.
    pub(crate) fn new(
        count: usize,
        right: f64,
        prose: (&str, &[String]),
        metrics: &Metrics,
    ) -> Self {
        Self::stacked(count, right, &[], prose, metrics)
    }

    /// The same with smaller data areas of these heights (px) below each panel's.
    pub(crate) fn stacked(
        count: usize,
        right: f64,
        heights: &[f64],
        (title, caption): (&str, &[String]),
        metrics: &Metrics,
    ) -> Self {
        let columns = match count {
            1..=4 => count,
            5 | 6 | 9 => 3,
            _ => 4,
        };
        // What is kept free on the right comes on top, so that data areas are as wide in every figure.
        let cell = [600.0, 500.0, 387.0, 290.0][columns - 1] + (right - RIGHT).max(0.0);
        let width = 2.0 * MARGIN + columns as f64 * cell;
        let prose = Prose::new(title, caption, metrics, width);
        let small: f64 = heights.iter().map(|height| ABOVE + height + BELOW).sum();
        let row = ABOVE + HEIGHT + BELOW + small;
        let frame = |i: usize| {
            let left = MARGIN + (i % columns) as f64 * cell;
            let top = prose.above() + (i / columns) as f64 * row + ABOVE;
            Frame { left: left + LEFT, top, right: left + cell - right, bottom: top + HEIGHT }
        };
        let frames: Vec<Frame> = (0..count).map(frame).collect();
        let below = |main: &Frame| {
            let mut top = main.bottom + BELOW;
            let stacked = heights.iter().map(|height| {
                let frame = Frame { top: top + ABOVE, bottom: top + ABOVE + height, ..*main };
                top = frame.bottom + BELOW;
                frame
            });
            stacked.collect()
        };
        let below = frames.iter().map(below).collect();
        let caption_top = prose.above() + count.div_ceil(columns) as f64 * row + AXIS_LABEL;
        let size = (width, caption_top + prose.below());
        Self { frames, below, prose, size, columns, caption_top }
    }

    /// Title, caption, and the axis label under every panel that has none below it: the sizes.
    pub(crate) fn draw_prose(&self, canvas: &Canvas<'_>) -> Result<(), PlotError> {
        self.draw_prose_under(canvas, SIZES)
    }

    /// The same under another axis.
    pub(crate) fn draw_prose_under(
        &self,
        canvas: &Canvas<'_>,
        axis: &str,
    ) -> Result<(), PlotError> {
        let font = Font::new(11.0, INK).align(HPos::Center);
        for (frame, below) in self.frames.iter().zip(&self.below).rev().take(self.columns) {
            let lowest = below.last().unwrap_or(frame);
            let at = ((frame.left + frame.right) / 2.0, lowest.bottom + BELOW + 8.0);
            canvas.text(axis, at, font)?;
        }
        self.prose.draw(canvas, self.caption_top)
    }
}

/// What lies around the data of one small panel: its name, a remark beside it, grid and axes.
pub(crate) fn draw_surroundings(
    canvas: &Canvas<'_>,
    metrics: &Metrics,
    frame: &Frame,
    (name, remark): (&str, &str),
    (x, y): (&XAxis, &YAxis),
) -> Result<(), PlotError> {
    y.draw_grid(canvas, frame)?;
    y.draw_break(canvas, frame)?;
    y.draw_labels(canvas, frame)?;
    x.draw(canvas, metrics, frame)?;
    let font = Font::new(12.5, INK).bold();
    canvas.text(name, (frame.left, frame.top - 7.0), font)?;
    let remark_at = (frame.right, frame.top - 7.0);
    canvas.text(remark, remark_at, Font::new(11.0, SOFT_INK).align(HPos::Right))
}

/// A dotted horizontal line across a panel, where its axis shows `value`.
pub(crate) fn draw_level(
    canvas: &Canvas<'_>,
    frame: &Frame,
    y: &YAxis,
    value: f64,
    pattern: &[f64],
) -> Result<(), PlotError> {
    if !y.shows(value) {
        return Ok(());
    }
    let height = y.px(value);
    canvas.dashed(
        &[(frame.left, height), (frame.right, height)],
        pattern,
        Stroke::new(SOFT_INK, 1.0),
    )
}
