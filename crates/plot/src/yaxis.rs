//! Vertical axes: linear, linear with a break for curves far below the others, logarithmic with a
//! row for zero.

use crate::canvas::{Canvas, Font, Stroke, rectangle};
use crate::frame::Frame;
use crate::range::{break_at, break_below_curves, rounded, strip_step, tail};
use crate::series::{Series, marks};
use crate::style::{GRID, INK, WHITE};
use crate::{PlotError, ticks, xaxis::TICK_FONT};
use plotters::style::text_anchor::HPos;

/// Height of the white band that breaks an axis, px.
const GAP: f64 = 10.0;
/// Room above the largest value, so that markers at 1.0 are whole, px.
const HEADROOM: f64 = 7.0;
/// Distance of the zero row from the bottom of the panel, px.
const ZERO_ROW: f64 = 9.0;
/// The factor by which intervals may stretch a logarithmic axis downwards.
const LOG_STRETCH: f64 = 4.0;
/// Font size of exponents, px; the font has no raised minus.
const EXPONENT_FONT: f64 = 8.5;
/// Share of the height that the strip under a break takes.
const STRIP: f64 = 0.14;

/// A labelled value.
#[derive(Clone, Debug)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

/// From values to heights.
#[derive(Clone, Debug)]
enum Map {
    /// Straight between knots (value, px); the values grow.
    Linear(Vec<(f64, f64)>),
    /// Logarithmic between two knots; values at or below 0 stand at `zero`, those too small for the
    /// axis just above.
    Log { low: (f64, f64), high: (f64, f64), zero: Option<f64> },
}

/// One vertical axis of one panel.
#[derive(Clone, Debug)]
pub(crate) struct YAxis {
    map: Map,
    ticks: Vec<Tick>,
    /// Top and bottom of the break, px.
    gap: Option<(f64, f64)>,
    /// What the break leaves out: from, to.
    pub(crate) left_out: Option<(f64, f64)>,
    /// The values at the bottom and the top.
    pub(crate) range: (f64, f64),
}

impl YAxis {
    /// A linear axis over exactly [low, high], with round ticks.
    pub(crate) fn linear(low: f64, high: f64, most_ticks: usize, frame: &Frame) -> Self {
        let step = ticks::nice_step(high - low, most_ticks);
        let ticks = linear_ticks(low, high, step, ticks::decimals(step));
        let map = Map::Linear(vec![(low, frame.bottom), (high, frame.top + HEADROOM)]);
        Self { map, ticks, gap: None, left_out: None, range: (low, high) }
    }

    /// An axis of accuracies in [0, 1] that shows every estimate.
    ///
    /// When up to half of the points lie far below the others, so that the others would share less
    /// than half of the height, or when curves lie wholly below all others and cost these much of it,
    /// the axis is broken: those below get a strip with a scale of its own.
    pub(crate) fn accuracy(series: &[Series], chance: Option<f64>, frame: &Frame) -> Self {
        let mut estimates: Vec<f64> = marks(series).map(|m| m.y).collect();
        estimates.sort_by(f64::total_cmp);
        let high = marks(series).map(|m| m.y.max(m.high)).fold(0.0, f64::max);
        match break_at(&estimates).or_else(|| break_below_curves(series)) {
            None => {
                let floor = tail(series, estimates[0], high, 0.0);
                let (low, high, _) = rounded(floor, high);
                Self::linear(low, high, 8, frame)
            }
            Some((below, above)) => Self::broken(series, chance, (below, above), high, frame),
        }
    }

    /// The broken axis: a strip up to about `below`, the main scale from about `above`.
    fn broken(
        series: &[Series],
        chance: Option<f64>,
        (below, above): (f64, f64),
        high: f64,
        frame: &Frame,
    ) -> Self {
        let margin = ((above - below) / 4.0).min(0.02);
        let floor = tail(series, above, high, (below + above) / 2.0);
        let (low, high, step) = rounded(floor, high);
        let low = low.max(below + 2.0 * margin);

        let lowest = marks(series).map(|m| m.y).fold(below, f64::min);
        let lowest =
            chance.filter(|c| *c > lowest - 2.0 * margin).map_or(lowest, |c| c.min(lowest));
        let strip_low = (lowest - margin).max(0.0);
        let strip_high = below + margin;

        let strip_top = frame.bottom - STRIP * frame.height();
        let knots = vec![
            (strip_low, frame.bottom),
            (strip_high, strip_top),
            (low, strip_top - GAP),
            (high, frame.top + HEADROOM),
        ];
        let strip_step = strip_step(strip_low, strip_high);
        let decimals = ticks::decimals(step).max(ticks::decimals(strip_step));
        let mut ticks = linear_ticks(strip_low, strip_high, strip_step, decimals);
        ticks.extend(linear_ticks(low, high, step, decimals));
        Self {
            map: Map::Linear(knots),
            ticks,
            gap: Some((strip_top - GAP, strip_top)),
            left_out: Some((strip_high, low)),
            range: (strip_low, high),
        }
    }

    /// A logarithmic axis over the positive values of `series`, up to `top` when that is less than
    /// the largest.
    ///
    /// When a value is 0, the axis is broken at its foot and 0 gets a row of its own: on the
    /// logarithmic scale it would be infinitely far down. Intervals may end below the axis; they
    /// are cut in the break.
    pub(crate) fn log(series: &[Series], top: f64, frame: &Frame) -> Self {
        let positive = |v: &f64| *v > 0.0;
        let smallest = |values: &mut dyn Iterator<Item = f64>| {
            values.filter(positive).fold(f64::INFINITY, f64::min)
        };
        let high = marks(series).map(|m| m.y.max(m.high)).fold(0.0, f64::max).min(top);
        let high = if high > 0.0 { high } else { 10.0 };
        let points = smallest(&mut marks(series).map(|m| m.y)).min(high);
        let low = smallest(&mut marks(series).map(|m| m.low)).max(points / LOG_STRETCH).min(points);
        let low = smallest(&mut marks(series).flat_map(|m| m.trials.iter().copied()))
            .max(low / 1.5)
            .min(low);
        let (low, high) =
            if low < high { (low / 1.12, high * 1.04) } else { (high / 12.0, high * 1.5) };

        let has_zero =
            marks(series).any(|m| m.y <= 0.0 || m.low < low || m.trials.iter().any(|t| *t <= 0.0));
        let zero = has_zero.then_some(frame.bottom - ZERO_ROW);
        let foot = zero.map_or(frame.bottom, |zero| zero - ZERO_ROW - GAP);
        let all = ticks::brief(ticks::log_ticks(low, high));
        let powers = ticks::are_powers(&all);
        let tick = |value: f64| Tick {
            value,
            label: if powers && value > 0.0 { ticks::power(value) } else { ticks::plain(value) },
        };
        let mut ticks: Vec<Tick> = all.into_iter().map(tick).collect();
        if has_zero {
            ticks.insert(0, tick(0.0));
        }
        Self {
            map: Map::Log { low: (low, foot), high: (high, frame.top + HEADROOM), zero },
            ticks,
            gap: zero.map(|_| (foot, foot + GAP)),
            left_out: zero.map(|_| (0.0, low)),
            range: (if has_zero { 0.0 } else { low }, high),
        }
    }

    /// The height of `value`, px; values out of range lie out of the frame.
    pub(crate) fn px(&self, value: f64) -> f64 {
        match &self.map {
            Map::Linear(knots) => {
                let above = knots.partition_point(|(v, _)| *v < value).clamp(1, knots.len() - 1);
                let ((v0, y0), (v1, y1)) = (knots[above - 1], knots[above]);
                y0 + (value - v0) / (v1 - v0) * (y1 - y0)
            }
            Map::Log { low, high, zero } => match zero {
                Some(zero) if value <= 0.0 => *zero,
                Some(_) if value < low.0 => low.1 + GAP / 2.0,
                _ => {
                    low.1 + libm::log(value / low.0) / libm::log(high.0 / low.0) * (high.1 - low.1)
                }
            },
        }
    }

    /// Whether `value` has a place on the axis: within its range and not in its break.
    pub(crate) fn shows(&self, value: f64) -> bool {
        let tolerance = 1e-9 * self.range.1.abs();
        let inside = value >= self.range.0 - tolerance && value <= self.range.1 + tolerance;
        inside && !self.left_out.is_some_and(|(from, to)| value > from && value < to)
    }

    /// The grid: a light line at every tick.
    pub(crate) fn draw_grid(&self, canvas: &Canvas<'_>, frame: &Frame) -> Result<(), PlotError> {
        for tick in &self.ticks {
            let y = self.px(tick.value);
            canvas.path(&[(frame.left, y), (frame.right, y)], Stroke::new(GRID, 1.0))?;
        }
        Ok(())
    }

    /// The white band across the panel where the axis is broken; curves are drawn over it.
    pub(crate) fn draw_break(&self, canvas: &Canvas<'_>, frame: &Frame) -> Result<(), PlotError> {
        let Some((top, bottom)) = self.gap else { return Ok(()) };
        let (left, right) = (frame.left - 5.0, frame.right);
        canvas.polygon(&rectangle((left, top), (right, bottom)), WHITE, 1.0)?;
        for y in [top, bottom] {
            canvas.dashed(&[(frame.left, y), (right, y)], &[2.0, 2.0], Stroke::new(INK, 0.6))?;
            canvas.path(
                &[(frame.left - 5.0, y + 3.0), (frame.left + 5.0, y - 3.0)],
                Stroke::new(INK, 0.9),
            )?;
        }
        Ok(())
    }

    /// The tick labels, left of the frame, from the top down; one that has no room is left out, as
    /// may happen at a break.
    pub(crate) fn draw_labels(&self, canvas: &Canvas<'_>, frame: &Frame) -> Result<(), PlotError> {
        let font = Font::new(TICK_FONT, INK).align(HPos::Right);
        let mut above = f64::NEG_INFINITY;
        for tick in self.ticks.iter().rev() {
            let baseline = self.px(tick.value) + 0.36 * TICK_FONT;
            if baseline - above < 1.1 * TICK_FONT {
                continue;
            }
            match tick.label.split_once('^') {
                None => canvas.text(&tick.label, (frame.left - 9.0, baseline), font)?,
                Some((base, exponent)) => {
                    let right = frame.left - 9.0;
                    let raised = Font::new(EXPONENT_FONT, INK).align(HPos::Right);
                    canvas.text(exponent, (right, baseline - 0.4 * TICK_FONT), raised)?;
                    let width = 0.68 * EXPONENT_FONT * exponent.chars().count() as f64;
                    canvas.text(base, (right - width, baseline), font)?;
                }
            }
            above = baseline;
        }
        Ok(())
    }

    /// The labels from the bottom up.
    #[cfg(test)]
    pub(crate) fn labels(&self) -> Vec<&str> {
        self.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }
}

fn linear_ticks(low: f64, high: f64, step: f64, decimals: usize) -> Vec<Tick> {
    let tick = |value: f64| {
        let value = if value.abs() < step / 1e6 { 0.0 } else { value }; // no "-0"
        Tick { value, label: format!("{value:.decimals$}").replace('-', "\u{2212}") }
    };
    ticks::multiples(low, high, step).into_iter().map(tick).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Mark;
    use crate::style::Look;

    const FRAME: Frame = Frame { left: 50.0, top: 0.0, right: 450.0, bottom: 400.0 };

    fn curve(values: &[f64]) -> Series {
        let mark = |(i, &y): (usize, &f64)| Mark { n: 10 << i, y, low: y, high: y, trials: vec![] };
        Series {
            label: String::new(),
            look: Look::new(0),
            marks: values.iter().enumerate().map(mark).collect(),
        }
    }

    fn assert_shows_all(axis: &YAxis, series: &[Series]) {
        for mark in marks(series) {
            assert!(
                axis.shows(mark.y),
                "{} not in {:?} without {:?}",
                mark.y,
                axis.range,
                axis.left_out
            );
            assert!((FRAME.top..=FRAME.bottom).contains(&axis.px(mark.y)), "{}", mark.y);
        }
    }

    #[test]
    fn a_curve_far_below_gets_a_strip_and_leaves_the_height_to_the_others() {
        let series = [curve(&[0.53; 5]), curve(&[0.89, 0.95, 0.99, 0.995, 0.999])];
        let axis = YAxis::accuracy(&series, Some(0.53), &FRAME);
        assert_shows_all(&axis, &series);
        let (from, to) = axis.left_out.expect("a break");
        assert!(from > 0.53 && to <= 0.89, "{from} to {to}");
        assert!(axis.px(0.89) - axis.px(0.999) > 0.6 * FRAME.height());
        assert!(!axis.shows(0.7));
        assert_eq!(axis.labels().last(), Some(&"1.00"));
    }

    #[test]
    fn a_spread_without_a_hole_is_not_broken() {
        let series = [curve(&[0.55, 0.7, 0.82, 0.9, 0.97]), curve(&[0.6, 0.72, 0.8, 0.88, 0.93])];
        let axis = YAxis::accuracy(&series, Some(0.11), &FRAME);
        assert_shows_all(&axis, &series);
        assert!(axis.left_out.is_none());
        assert!(axis.range.0 >= 0.5, "a chance line never stretches the axis");
    }

    #[test]
    fn every_accuracy_axis_has_labels() {
        for values in [
            vec![1.0],
            vec![0.0],
            vec![0.5],
            vec![0.9971, 0.9972],
            vec![0.0, 1.0],
            vec![0.999, 1.0],
        ] {
            let series = [curve(&values)];
            let axis = YAxis::accuracy(&series, None, &FRAME);
            assert_shows_all(&axis, &series);
            assert!(axis.labels().len() >= 2, "{values:?}: {:?}", axis.labels());
        }
    }

    #[test]
    fn zero_has_a_row_of_its_own_under_a_log_axis() {
        let series = [curve(&[50.0, 5.0, 0.5, 0.0])];
        let axis = YAxis::log(&series, 1000.0, &FRAME);
        assert_shows_all(&axis, &series);
        assert_eq!(axis.labels()[0], "0");
        assert!(axis.px(0.0) > axis.px(0.5) + GAP, "the break lies between");
        assert!(YAxis::log(&[curve(&[50.0, 5.0])], 1000.0, &FRAME).labels()[0] != "0");
    }

    #[test]
    fn a_log_axis_of_zeros_alone_is_still_an_axis() {
        let series = [curve(&[0.0, 0.0])];
        let axis = YAxis::log(&series, 1000.0, &FRAME);
        assert_shows_all(&axis, &series);
        assert!(axis.labels().len() >= 2);
    }
}
