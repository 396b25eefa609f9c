//! One panel: frame, axes, trials, bars, lines, markers, and labels at the lines' ends.

use crate::canvas::{Canvas, Font, Place, Stroke};
use crate::frame::Frame;
use crate::series::{Mark, Series};
use crate::style::{INK, SOFT_INK};
use crate::text::Metrics;
use crate::xaxis::XAxis;
use crate::yaxis::YAxis;
use crate::{PlotError, clip, labels};
use plotters::style::text_anchor::HPos;

/// Font size of the labels at the lines' ends, px.
pub(crate) const LABEL_FONT: f64 = 12.0;
/// Least distance between two labels' baselines, px.
pub(crate) const LABEL_HEIGHT: f64 = 15.0;
/// From the frame's right edge to a label's swatch, px: room for the leader.
const LEADER: f64 = 16.0;
/// Length of a label's swatch (a piece of line with the marker), px.
const SWATCH: f64 = 22.0;
/// From the swatch to the text, px.
const SWATCH_GAP: f64 = 5.0;

/// Everything that one panel shows.
pub(crate) struct Panel<'a> {
    pub(crate) frame: Frame,
    /// What the y-axis measures, in bold, and a remark on its scale.
    pub(crate) heading: (&'a str, &'a str),
    pub(crate) x: &'a XAxis,
    pub(crate) y: &'a YAxis,
    pub(crate) series: &'a [Series],
    /// A dotted horizontal line.
    pub(crate) chance: Option<f64>,
    /// Whether a value is drawn with an open marker.
    pub(crate) open: fn(f64) -> bool,
}

/// Width that the labels of `series` take beside a panel with this y-axis, px.
pub(crate) fn label_column(series: &[Series], axis: &YAxis, metrics: &Metrics) -> f64 {
    let width = |s: &Series| {
        s.marks
            .last()
            .map_or(0.0, |last| metrics.width(&end_label(s, last, axis), LABEL_FONT, false))
    };
    LEADER + SWATCH + SWATCH_GAP + series.iter().map(width).fold(0.0, f64::max)
}

/// A curve's name, and where it ends if that is above the axis.
fn end_label(series: &Series, last: &Mark, axis: &YAxis) -> String {
    if axis.shows(last.y) {
        series.label.clone()
    } else {
        format!("{} \u{25b2} {:.0}", series.label, last.y)
    }
}

impl Panel<'_> {
    /// Draws the panel from the back to the front.
    pub(crate) fn draw(&self, canvas: &Canvas<'_>, metrics: &Metrics) -> Result<(), PlotError> {
        self.x.draw_columns(canvas, &self.frame)?;
        self.y.draw_grid(canvas, &self.frame)?;
        self.y.draw_break(canvas, &self.frame)?;
        self.draw_chance(canvas)?;
        let curves = || self.series.iter().enumerate();
        for (i, series) in curves() {
            self.draw_trials(canvas, i, series)?;
        }
        for (i, series) in curves() {
            self.draw_line(canvas, i, series)?;
        }
        for (i, series) in curves() {
            self.draw_bars(canvas, i, series)?;
        }
        for (i, series) in curves() {
            self.draw_markers(canvas, i, series)?;
        }
        self.y.draw_labels(canvas, &self.frame)?;
        self.x.draw(canvas, metrics, &self.frame)?;
        self.draw_headings(canvas, metrics)?;
        self.draw_end_labels(canvas)
    }

    fn at(&self, curve: usize, mark: &Mark) -> Place {
        (self.x.px(mark.n, curve), self.y.px(mark.y))
    }

    fn draw_chance(&self, canvas: &Canvas<'_>) -> Result<(), PlotError> {
        let Some(chance) = self.chance.filter(|c| self.y.shows(*c)) else { return Ok(()) };
        let y = self.y.px(chance);
        let ends = [(self.frame.left, y), (self.frame.right, y)];
        canvas.dashed(&ends, &[1.0, 3.0], Stroke::new(SOFT_INK, 1.0))
    }

    /// Faint dots; equal trials lie on one another, which the dot's opacity shows: 1 - (1 -
    /// a)^count.
    fn draw_trials(
        &self,
        canvas: &Canvas<'_>,
        curve: usize,
        series: &Series,
    ) -> Result<(), PlotError> {
        const ONE: f64 = 0.2;
        let radius = (0.3 * self.narrowest(series)).clamp(0.7, 1.4);
        for mark in &series.marks {
            let x = self.x.px(mark.n, curve);
            let shown = mark.trials.iter().filter(|t| self.y.shows(**t));
            let mut heights: Vec<i64> =
                shown.map(|t| (10.0 * self.y.px(*t)).round() as i64).collect();
            heights.sort_unstable();
            for equal in heights.chunk_by(|a, b| a == b) {
                let alpha = 1.0 - (1.0 - ONE).powi(equal.len() as i32);
                let at = (x, equal[0] as f64 / 10.0);
                canvas.disc(at, radius, series.look.colour(), (alpha * 100.0).round() / 100.0)?;
            }
        }
        Ok(())
    }

    fn draw_line(
        &self,
        canvas: &Canvas<'_>,
        curve: usize,
        series: &Series,
    ) -> Result<(), PlotError> {
        let look = series.look;
        let places: Vec<Place> = series.marks.iter().map(|mark| self.at(curve, mark)).collect();
        for part in clip::between(&places, self.frame.top, self.frame.bottom) {
            canvas.dashed(
                &part,
                look.dash(),
                Stroke { colour: look.colour(), alpha: 0.85, width: 1.4 },
            )?;
        }
        Ok(())
    }

    fn draw_bars(
        &self,
        canvas: &Canvas<'_>,
        curve: usize,
        series: &Series,
    ) -> Result<(), PlotError> {
        let stroke = Stroke { colour: series.look.outline(), alpha: 0.8, width: 1.1 };
        for mark in &series.marks {
            let x = self.x.px(mark.n, curve);
            let bar = [(x, self.y.px(mark.low)), (x, self.y.px(mark.high))];
            for part in clip::between(&bar, self.frame.top, self.frame.bottom) {
                canvas.path(&part, stroke)?;
            }
        }
        Ok(())
    }

    fn draw_markers(
        &self,
        canvas: &Canvas<'_>,
        curve: usize,
        series: &Series,
    ) -> Result<(), PlotError> {
        let radius = (0.55 * self.narrowest(series)).clamp(2.0, 3.4);
        for mark in series.marks.iter().filter(|mark| self.y.shows(mark.y)) {
            series.look.marker(canvas, self.at(curve, mark), radius, (self.open)(mark.y))?;
        }
        Ok(())
    }

    /// The closest that this curve's points come to their neighbours, px.
    fn narrowest(&self, series: &Series) -> f64 {
        series.marks.iter().map(|mark| self.x.step(mark.n)).fold(f64::INFINITY, f64::min)
    }

    fn draw_headings(&self, canvas: &Canvas<'_>, metrics: &Metrics) -> Result<(), PlotError> {
        let (name, remark) = self.heading;
        let baseline = self.frame.top - 9.0;
        let bold = Font::new(13.0, INK).bold();
        let left = self.frame.left - 40.0;
        canvas.text(name, (left, baseline), bold)?;
        let after = left + metrics.width(name, bold.size, true) + 7.0;
        canvas.text(remark, (after, baseline), Font::new(LABEL_FONT, SOFT_INK))?;
        let middle = (self.frame.left + self.frame.right) / 2.0;
        let below = Font::new(LABEL_FONT, INK).align(HPos::Center);
        canvas.text("training examples n (log scale)", (middle, self.frame.bottom + 36.0), below)
    }

    /// Each curve's name beside its last point, moved apart; a curve that ends off the scale says
    /// where.
    fn draw_end_labels(&self, canvas: &Canvas<'_>) -> Result<(), PlotError> {
        let ends: Vec<(usize, &Series, &Mark)> = self
            .series
            .iter()
            .enumerate()
            .filter_map(|(i, series)| series.marks.last().map(|mark| (i, series, mark)))
            .collect();
        let (top, bottom) = (self.frame.top, self.frame.bottom);
        let wished: Vec<f64> =
            ends.iter().map(|(_, _, mark)| self.y.px(mark.y).clamp(top, bottom)).collect();
        let placed = labels::spread(&wished, LABEL_HEIGHT, top, bottom);
        for (&(i, series, mark), y) in ends.iter().zip(placed) {
            self.draw_end_label(canvas, i, (series, mark), y)?;
        }
        Ok(())
    }

    fn draw_end_label(
        &self,
        canvas: &Canvas<'_>,
        curve: usize,
        (series, last): (&Series, &Mark),
        y: f64,
    ) -> Result<(), PlotError> {
        let look = series.look;
        let left = self.frame.right + LEADER;
        let on_scale = self.y.shows(last.y);
        if on_scale {
            let leader = Stroke { colour: look.colour(), alpha: 0.6, width: 0.7 };
            // Level to the edge, then slanted: in the order of the ends, so that no two cross.
            let end = self.at(curve, last);
            canvas.path(&[end, (self.frame.right, end.1), (left, y)], leader)?;
        }
        let swatch = Stroke::new(look.colour(), 1.6);
        canvas.dashed(&[(left, y), (left + SWATCH, y)], look.dash(), swatch)?;
        look.marker(canvas, (left + SWATCH / 2.0, y), 3.3, false)?;
        let text = end_label(series, last, self.y);
        let at = (left + SWATCH + SWATCH_GAP, y + 0.36 * LABEL_FONT);
        canvas.text(&text, at, Font::new(LABEL_FONT, INK))
    }
}
