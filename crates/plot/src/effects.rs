//! A table of effects as a picture: what each change does, a dot with its interval, one panel for each condition.

use crate::canvas::{Canvas, Font, Stroke};
use crate::check::{self, At, setting};
use crate::frame::Frame;
use crate::notes::{MARGIN, Prose};
use crate::style::{GRID, INK, Look, SOFT_INK};
use crate::text::Metrics;
use crate::xaxis::TICK_FONT;
use crate::{PlotError, Svg};
use plotters::style::text_anchor::HPos;

/// One effect with its interval, in the figure's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// The estimate.
    pub estimate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval, not below `low`.
    pub high: f64,
}

/// What one change does under each condition.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectRow {
    /// The change, not empty and unique in the figure.
    pub label: String,
    /// One for each panel; `None` where it was not measured.
    pub effects: Vec<Option<Effect>>,
}

/// Everything that the figure of effects says.
#[derive(Clone, Debug, PartialEq)]
pub struct Effects {
    /// Set in bold at the top; may be empty.
    pub title: String,
    /// Paragraphs below.
    pub caption: Vec<String>,
    /// The conditions, at least one.
    pub panels: Vec<String>,
    /// What is measured, with its unit: the axis label.
    pub unit: String,
    /// At least one and at most 36 rows, from the top.
    pub rows: Vec<EffectRow>,
    /// After this many rows a line is drawn; 0 for none.
    pub divide_after: usize,
}

/// Width of a panel's data area, px.
const WIDTH: f64 = 235.0;
const ROW: f64 = 25.0;
const BETWEEN: f64 = 20.0;
const HEADING: f64 = 30.0;
const FOOT: f64 = 44.0;
const LABEL_FONT: f64 = 13.0;
/// Effects lie within this, in the figure's unit.
const MOST: f64 = 1e9;

/// Draws a dot with its interval for each change, on an axis that is linear within ±1 and logarithmic beyond, so that an
/// effect of 400 and one of 2 can stand in one figure. Open markers: the interval holds 0.
///
/// # Errors
/// Without panels or rows; with labels that are empty or not unique; with a row that has not one place for each panel;
/// with numbers that are NaN or whose interval is upside down.
pub fn effects(figure: &Effects) -> Result<Svg, PlotError> {
    checked(figure)?;
    let metrics = Metrics::new()?;
    let labels = figure.rows.iter().map(|row| metrics.width(&row.label, LABEL_FONT, false));
    let left = MARGIN + labels.fold(60.0, f64::max) + 14.0;
    let panels = figure.panels.len() as f64;
    let width = left + panels * WIDTH + (panels - 1.0) * BETWEEN + MARGIN;
    let mut caption = figure.caption.clone();
    caption.push(
        "The axis is linear from -1 to 1 and logarithmic beyond. Open markers: the interval holds 0."
            .to_owned(),
    );
    let prose = Prose::new(&figure.title, &caption, &metrics, width);
    let top = prose.above() + HEADING;
    let bottom = top + figure.rows.len() as f64 * ROW;
    let caption_top = bottom + FOOT;
    let axis = Axis::of(figure);
    let size = (width, caption_top + prose.below());
    Canvas::figure(size, (&figure.title, &caption.join(" ")), |canvas| {
        for (at, name) in figure.panels.iter().enumerate() {
            let left = left + at as f64 * (WIDTH + BETWEEN);
            let frame = Frame { left, top, right: left + WIDTH, bottom };
            axis.draw(canvas, &metrics, name, &frame)?;
            draw_rows(canvas, figure, at, (&axis, &frame))?;
        }
        canvas.text(&figure.unit, (left, bottom + 34.0), Font::new(12.0, INK))?;
        prose.draw(canvas, caption_top)
    })
}

fn draw_rows(
    canvas: &Canvas<'_>,
    figure: &Effects,
    panel: usize,
    (axis, frame): (&Axis, &Frame),
) -> Result<(), PlotError> {
    for (at, row) in figure.rows.iter().enumerate() {
        let y = frame.top + (at as f64 + 0.5) * ROW;
        if panel == 0 {
            let font = Font::new(LABEL_FONT, INK).align(HPos::Right);
            canvas.text(&row.label, (frame.left - 10.0, y + 0.36 * LABEL_FONT), font)?;
        }
        if at > 0 && at == figure.divide_after {
            let line = [(frame.left, y - ROW / 2.0), (frame.right, y - ROW / 2.0)];
            canvas.path(&line, Stroke::new(SOFT_INK, 0.8))?;
        }
        if let Some(effect) = row.effects[panel] {
            draw_effect(canvas, effect, (axis, frame), y)?;
        }
    }
    Ok(())
}

fn draw_effect(
    canvas: &Canvas<'_>,
    effect: Effect,
    (axis, frame): (&Axis, &Frame),
    y: f64,
) -> Result<(), PlotError> {
    // Blue for fewer, vermillion for more: the first two colours.
    let look = Look::new(usize::from(effect.estimate > 0.0));
    let (low, high) = (axis.px(effect.low, frame), axis.px(effect.high, frame));
    canvas.path(&[(low, y), (high, y)], Stroke::new(look.outline(), 1.5))?;
    let open = effect.low <= 0.0 && effect.high >= 0.0;
    look.marker(canvas, (axis.px(effect.estimate, frame), y), 4.0, open)
}

/// Linear within ±1, logarithmic beyond.
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

/// The scale of the axis: one unit to 1, one more for each factor of ten.
fn scaled(value: f64) -> f64 {
    let size = value.abs();
    let far = if size <= 1.0 { size } else { 1.0 + libm::log10(size) };
    far * value.signum()
}

impl Axis {
    fn of(figure: &Effects) -> Self {
        let all = || figure.rows.iter().flat_map(|row| row.effects.iter().flatten());
        let low = all().map(|e| e.low).fold(0.0, f64::min);
        let high = all().map(|e| e.high).fold(0.0, f64::max);
        let mut ticks: Vec<f64> = vec![0.0];
        for power in 0..9 {
            let tick = 10f64.powi(power);
            ticks.extend([-tick, tick].into_iter().filter(|t| (low..=high).contains(t)));
        }
        Self { low: scaled(low) - 0.3, high: scaled(high) + 0.3, ticks }
    }

    fn px(&self, value: f64, frame: &Frame) -> f64 {
        let share = (scaled(value) - self.low) / (self.high - self.low);
        frame.left + share * frame.width()
    }

    fn draw(
        &self,
        canvas: &Canvas<'_>,
        metrics: &Metrics,
        name: &str,
        frame: &Frame,
    ) -> Result<(), PlotError> {
        canvas.text(name, (frame.left, frame.top - 11.0), Font::new(12.5, INK).bold())?;
        let bottom = Stroke::new(INK, 1.0);
        canvas.path(&[(frame.left, frame.bottom), (frame.right, frame.bottom)], bottom)?;
        let mut taken: Vec<(f64, f64)> = Vec::new();
        for &tick in &self.ticks {
            let x = self.px(tick, frame);
            let stroke = if tick == 0.0 { Stroke::new(INK, 1.2) } else { Stroke::new(GRID, 1.0) };
            canvas.path(&[(x, frame.top), (x, frame.bottom)], stroke)?;
            let label = if tick > 0.0 { format!("+{tick}") } else { format!("{tick}") };
            let half = metrics.width(&label, TICK_FONT, false) / 2.0 + 1.5;
            if taken.iter().all(|(from, to)| x + half <= *from || x - half >= *to) {
                taken.push((x - half, x + half));
                let font = Font::new(TICK_FONT, INK).align(HPos::Center);
                canvas.text(&label, (x, frame.bottom + 16.0), font)?;
            }
        }
        Ok(())
    }
}

fn checked(figure: &Effects) -> Result<(), PlotError> {
    if figure.panels.is_empty() {
        return Err(PlotError::Empty);
    }
    check::labels(figure.rows.iter().map(|row| row.label.as_str()))?;
    for row in &figure.rows {
        let places = figure.panels.len() as f64;
        setting("the number of effects in a row", row.effects.len() as f64, (places, places))?;
        let at = At { label: &row.label, n: 0 };
        for effect in row.effects.iter().flatten() {
            at.within("the effect", effect.estimate, (-MOST, MOST))?;
            at.interval((effect.low, effect.high), (-MOST, MOST))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_even_and_meets_itself_at_one() {
        assert_eq!([0.0, 0.5, 1.0, 10.0, 100.0].map(scaled), [0.0, 0.5, 1.0, 2.0, 3.0]);
        assert_eq!(scaled(-100.0), -3.0);
    }

    #[test]
    fn zero_is_always_on_the_axis_and_order_is_kept() {
        let effect = Effect { estimate: -300.0, low: -400.0, high: -200.0 };
        let row = EffectRow { label: "a".into(), effects: vec![Some(effect)] };
        let figure = Effects {
            title: String::new(),
            caption: vec![],
            panels: vec!["n = 10".into()],
            unit: "errors".into(),
            rows: vec![row],
            divide_after: 0,
        };
        let axis = Axis::of(&figure);
        let frame = Frame { left: 0.0, top: 0.0, right: 100.0, bottom: 10.0 };
        let places = [-400.0, -300.0, -1.0, 0.0].map(|v| axis.px(v, &frame));
        assert!(places.windows(2).all(|p| p[0] < p[1]) && places[0] > 0.0 && places[3] < 100.0);
        let mut broken = figure.clone();
        broken.rows[0].effects.clear();
        assert!(effects(&figure).is_ok() && effects(&broken).is_err());
        let mut upside_down = figure;
        upside_down.rows[0].effects[0] = Some(Effect { low: 1.0, high: 0.0, estimate: 0.5 });
        assert!(effects(&upside_down).is_err());
    }
}
