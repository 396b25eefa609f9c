//! The figure of trust: what cross-validation inside n examples says against the truth.

use crate::canvas::{Canvas, Place, Stroke};
use crate::check::{self, At};
use crate::frame::Frame;
use crate::multiples::{Grid, RIGHT, draw_level, draw_surroundings};
use crate::notes;
use crate::style::{INK, Look};
use crate::text::Metrics;
use crate::xaxis::XAxis;
use crate::yaxis::YAxis;
use crate::{PlotError, Svg};

/// Cross-validated minus true accuracy at one size.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustPoint {
    /// Number of examples, at least 1.
    pub n: u32,
    /// Mean difference, in [-1, 1]: the bias.
    pub bias: f64,
    /// Lower and upper end of the bias's interval, holding it.
    pub interval: (f64, f64),
    /// Standard deviation of the difference between samples, in [0, 1].
    pub spread: f64,
    /// The difference in each sample, in [-1, 1]; drawn as faint dots.
    pub samples: Vec<f64>,
}

/// One model.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustCurve {
    /// The model's name, not empty and unique in the figure.
    pub label: String,
    /// Which colour and marker, as in [`Curve::look`](crate::Curve::look).
    pub look: usize,
    /// At most one point per size, in any order.
    pub points: Vec<TrustPoint>,
}

/// Everything that the figure of trust says.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustCurves {
    /// Set in bold at the top; may be empty.
    pub title: String,
    /// Paragraphs below the panels.
    pub caption: Vec<String>,
    /// At least one and at most 35 models: one panel each, in this order.
    pub curves: Vec<TrustCurve>,
    /// How often choosing by cross-validation picks a model that another beats: a last panel; may be
    /// empty.
    pub wrong: Vec<WrongShare>,
}

/// The share of samples in which choosing by cross-validation picks a model that another beats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WrongShare {
    /// Number of examples, at least 1.
    pub n: u32,
    /// The share, in [0, 1].
    pub share: f64,
    /// Lower end of its interval, in [0, 1].
    pub low: f64,
    /// Upper end of its interval, in [0, 1].
    pub high: f64,
}

/// Differences are shown in points: hundredths of accuracy.
const POINTS: f64 = 100.0;

/// Draws cross-validated minus true accuracy over n, a panel per model: mean (line and markers) with
/// its interval (thick bars), one standard deviation to either side (thin bars), each sample (faint
/// dots). A last panel shows how often cross-validation picks the wrong winner, with an interval.
///
/// # Errors
/// As [`accuracy_vs_n`](crate::accuracy_vs_n), with differences in [-1, 1].
pub fn cv_trust(figure: &TrustCurves) -> Result<Svg, PlotError> {
    checked(figure)?;
    let drawn: Vec<&TrustCurve> = figure.curves.iter().filter(|c| !c.points.is_empty()).collect();
    if drawn.is_empty() {
        return Err(PlotError::Empty);
    }
    let metrics = Metrics::new()?;
    let mut sizes: Vec<u32> = drawn.iter().flat_map(|c| &c.points).map(|p| p.n).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let empty = figure.curves.iter().filter(|c| c.points.is_empty()).map(|c| c.label.as_str());
    let mut caption = figure.caption.clone();
    caption.push(
        "Above 0: cross-validation promises too much. 1 point is 0.01 of accuracy. Thin bars: one standard deviation \
         between samples to either side. Thick bars: the mean's interval. Faint dots: single samples."
            .to_owned(),
    );
    caption.extend(notes::on_missing(empty));
    let (low, high) = range(&drawn);
    let samples = || drawn.iter().flat_map(|c| &c.points).flat_map(|p| &p.samples);
    let hidden = samples().filter(|&&s| POINTS * s < low || POINTS * s > high).count();
    if hidden > 0 {
        caption.push(format!("{hidden} of {} samples lie outside the axis.", samples().count()));
    }
    let count = drawn.len() + usize::from(!figure.wrong.is_empty());
    let grid = Grid::new(count, RIGHT, (&figure.title, &caption), &metrics);
    Canvas::figure(grid.size, (&figure.title, &caption.join(" ")), |canvas| {
        for (curve, frame) in drawn.iter().zip(&grid.frames) {
            let y = YAxis::linear(low, high, 7, frame);
            let x = XAxis::new(sizes.clone(), 1, frame);
            let names = (curve.label.as_str(), "CV minus truth, points");
            draw_surroundings(canvas, &metrics, frame, names, (&x, &y))?;
            draw_level(canvas, frame, &y, 0.0, &[])?;
            draw_curve(canvas, curve, frame, (&x, &y))?;
        }
        if let Some(frame) = grid.frames.get(drawn.len()) {
            draw_wrong(canvas, &metrics, (&figure.wrong, &sizes), frame)?;
        }
        grid.draw_prose(canvas)
    })
}

/// In points: every bar, and the middle 98 % of the dots.
fn range(curves: &[&TrustCurve]) -> (f64, f64) {
    let points = || curves.iter().flat_map(|c| &c.points);
    let low = points().map(|p| p.bias - p.spread).fold(0.0, f64::min);
    let high = points().map(|p| p.bias + p.spread).fold(0.0, f64::max);
    let mut samples: Vec<f64> = points().flat_map(|p| p.samples.iter().copied()).collect();
    samples.sort_by(f64::total_cmp);
    let at = |share: f64| {
        samples.get((share * samples.len().saturating_sub(1) as f64).round() as usize).copied()
    };
    let (low, high) = (low.min(at(0.01).unwrap_or(low)), high.max(at(0.99).unwrap_or(high)));
    let margin = (0.04 * (high - low)).max(0.001);
    (POINTS * (low - margin), POINTS * (high + margin))
}

fn draw_curve(
    canvas: &Canvas<'_>,
    curve: &TrustCurve,
    frame: &Frame,
    (x, y): (&XAxis, &YAxis),
) -> Result<(), PlotError> {
    let look = Look::new(curve.look);
    let mut points: Vec<&TrustPoint> = curve.points.iter().collect();
    points.sort_by_key(|point| point.n);
    for point in &points {
        for &sample in &point.samples {
            let at = (x.px(point.n, 0) + 6.0, y.px(POINTS * sample));
            if at.1 >= frame.top && at.1 <= frame.bottom {
                canvas.disc(at, 1.3, look.colour(), 0.3)?;
            }
        }
    }
    for point in &points {
        let end = |sign: f64| {
            let height = y.px(POINTS * (point.bias + sign * point.spread));
            (x.px(point.n, 0), height.clamp(frame.top, frame.bottom))
        };
        let bar = Stroke { colour: look.outline(), alpha: 0.8, width: 1.0 };
        canvas.path(&[end(-1.0), end(1.0)], bar)?;
        let at = |value: f64| y.px(POINTS * value).clamp(frame.top, frame.bottom);
        let x = x.px(point.n, 0);
        let interval = Stroke { colour: look.outline(), alpha: 0.8, width: 3.4 };
        canvas.path(&[(x, at(point.interval.0)), (x, at(point.interval.1))], interval)?;
    }
    let places: Vec<Place> = points.iter().map(|p| (x.px(p.n, 0), y.px(POINTS * p.bias))).collect();
    canvas.path(&places, Stroke::new(look.colour(), 1.5))?;
    places.iter().try_for_each(|&place| look.marker(canvas, place, 3.2, false))
}

fn draw_wrong(
    canvas: &Canvas<'_>,
    metrics: &Metrics,
    (wrong, sizes): (&[WrongShare], &[u32]),
    frame: &Frame,
) -> Result<(), PlotError> {
    let y = YAxis::linear(0.0, 100.0, 5, frame);
    let x = XAxis::new(sizes.to_vec(), 1, frame);
    let names = ("wrong winner", "% of samples");
    draw_surroundings(canvas, metrics, frame, names, (&x, &y))?;
    let mut wrong = wrong.to_vec();
    wrong.sort_by_key(|share| share.n);
    for &WrongShare { n, low, high, .. } in &wrong {
        let bar = [low, high].map(|end| (x.px(n, 0), y.px(100.0 * end)));
        canvas.path(&bar, Stroke { colour: INK, alpha: 0.8, width: 1.1 })?;
    }
    let places: Vec<Place> =
        wrong.iter().map(|of| (x.px(of.n, 0), y.px(100.0 * of.share))).collect();
    canvas.path(&places, Stroke::new(INK, 1.5))?;
    places.iter().try_for_each(|&place| canvas.disc(place, 3.4, INK, 1.0))
}

fn checked(figure: &TrustCurves) -> Result<(), PlotError> {
    check::labels(figure.curves.iter().map(|c| c.label.as_str()))?;
    for curve in &figure.curves {
        let mut sizes: Vec<u32> = curve.points.iter().map(|p| p.n).collect();
        sizes.sort_unstable();
        check::sizes(&curve.label, sizes.into_iter())?;
        for point in &curve.points {
            let at = At { label: &curve.label, n: point.n };
            at.within("the bias", point.bias, (-1.0, 1.0))?;
            at.interval(point.interval, (-2.0, 2.0))?;
            at.within("the spread", point.spread, (0.0, 2.0))?;
            for &sample in &point.samples {
                at.within("a sample's difference", sample, (-1.0, 1.0))?;
            }
        }
    }
    for &WrongShare { n, share, low, high } in &figure.wrong {
        let at = At { label: "wrong winner", n };
        at.within("the share", share, (0.0, 1.0))?;
        at.interval((low, high), (0.0, 1.0))?;
    }
    Ok(())
}
