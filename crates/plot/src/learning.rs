//! The main figure: accuracy over the number of training examples, and errors per thousand where
//! accuracy is high.

use crate::canvas::Canvas;
use crate::check::{self, At};
use crate::frame::Frame;
use crate::notes::{self, MARGIN, Prose};
use crate::panel::{LABEL_HEIGHT, Panel, label_column};
use crate::series::{self, Mark, Series};
use crate::style::Look;
use crate::text::Metrics;
use crate::xaxis::XAxis;
use crate::yaxis::YAxis;
use crate::{PlotError, Svg};

/// One estimate of accuracy with its interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Number of training examples, at least 1.
    pub n: u32,
    /// Estimated accuracy, in [0, 1].
    pub estimate: f64,
    /// Lower end of the interval, in [0, 1].
    pub low: f64,
    /// Upper end of the interval, in [0, 1] and not below `low`.
    pub high: f64,
    /// Accuracy of each single trial, in [0, 1]; drawn as faint dots; may be empty.
    pub trials: Vec<f64>,
}

/// The learning curve of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The model's name, not empty and unique in the figure.
    pub label: String,
    /// Which colour, marker and dash, below 36: the same number in every figure that shows the model.
    pub look: usize,
    /// At most one point per size, in any order; a curve without points is named in the caption.
    pub points: Vec<Point>,
}

/// Everything that the figure of learning curves says.
#[derive(Clone, Debug, PartialEq)]
pub struct LearningCurves {
    /// Set in bold at the top; may be empty.
    pub title: String,
    /// Paragraphs below the panels: kind and level of the intervals, trials, data set. Remarks that
    /// the drawing calls for (a broken axis, zero errors, trials out of range) are added to them.
    pub caption: Vec<String>,
    /// At least one and at most 36 curves; their order is that of points side by side.
    pub curves: Vec<Curve>,
    /// Accuracy of always answering the commonest class, in [0, 1]: a dotted line. It never
    /// stretches the axis.
    pub chance: Option<f64>,
}

/// Least width of a panel's data area, px: two such panels with their labels make a figure about
/// 1200 px wide.
const PANEL_WIDTH: f64 = 410.0;
/// What each curve after the tenth adds to that, px.
const WIDER: f64 = 12.0;
/// Left of a panel's data area: room for tick labels, px.
const AXIS_WIDTH: f64 = 40.0;
/// Least height of the data area, px.
const PANEL_HEIGHT: f64 = 420.0;
/// From the data area's bottom to the caption: tick labels and axis label, px.
const FOOT: f64 = 44.0;
/// Height of a panel's heading, px.
const HEADING: f64 = 32.0;
/// Between the first panel's labels and the second panel's tick labels, px.
const BETWEEN: f64 = 22.0;
/// Accuracy above which errors per thousand say more than accuracy does.
const HIGH_ACCURACY: f64 = 0.95;

/// Draws accuracy over n on a log2 axis whose ticks are the sizes themselves.
///
/// A second panel in errors per thousand (1000 (1 - accuracy), logarithmic) appears when any
/// estimate passes .95. Zero errors, which a logarithmic axis has no place for, are drawn as open
/// markers in a row of their own below a break of that axis, and intervals that reach zero end in
/// that row. When some points lie far below the others, the accuracy axis is broken rather than
/// squashed. Points of one size stand side by side in the curves' order; labels at the lines' ends
/// are moved apart. Whatever isn't drawn in place is said in the caption.
///
/// # Errors
/// Without any point; with more than 36 curves; with labels that are empty or not unique; with a
/// size that is 0 or occurs twice in a curve; with numbers that are NaN or outside [0, 1]; with an
/// interval whose ends are swapped.
pub fn accuracy_vs_n(figure: &LearningCurves) -> Result<Svg, PlotError> {
    let (series, empty): (Vec<_>, Vec<_>) =
        checked(figure)?.into_iter().partition(|s| !s.marks.is_empty());
    if series.is_empty() {
        return Err(PlotError::Empty);
    }
    let metrics = Metrics::new()?;
    let sizes = series::sizes(&series);
    let panel_width = PANEL_WIDTH + WIDER * series.len().saturating_sub(10) as f64;
    let panel_height = PANEL_HEIGHT.max(LABEL_HEIGHT * series.len() as f64);

    // What the axes show doesn't depend on where they stand, so they are first tried out at the
    // origin.
    let origin = Frame { left: 0.0, top: 0.0, right: panel_width, bottom: panel_height };
    let scenes = scenes(series, figure.chance, &origin);
    let axes: Vec<YAxis> = scenes.iter().map(|scene| scene.axis(&origin)).collect();
    let columns: Vec<f64> =
        scenes.iter().zip(&axes).map(|(s, y)| label_column(&s.series, y, &metrics)).collect();
    let (lefts, width) = side_by_side(&columns, panel_width);

    let mut caption = figure.caption.clone();
    caption.push(remarks(&scenes, &axes, &empty));
    let prose = Prose::new(&figure.title, &caption, &metrics, width);
    let top = prose.above() + HEADING;
    let caption_top = top + panel_height + FOOT;
    let description = caption.join(" ");
    Canvas::figure((width, caption_top + prose.below()), (&figure.title, &description), |canvas| {
        for (scene, &left) in scenes.iter().zip(&lefts) {
            let frame = Frame { left, top, right: left + panel_width, bottom: top + panel_height };
            scene.draw(canvas, &metrics, (&sizes, frame))?;
        }
        prose.draw(canvas, caption_top)
    })
}

/// The left edges of the panels' data areas, given the widths of their label columns, and the width
/// of the figure, px.
fn side_by_side(columns: &[f64], panel_width: f64) -> (Vec<f64>, f64) {
    let mut lefts = Vec::with_capacity(columns.len());
    let mut reached = MARGIN - BETWEEN;
    for column in columns {
        let left = reached + BETWEEN + AXIS_WIDTH;
        lefts.push(left);
        reached = left + panel_width + column;
    }
    (lefts, (reached + MARGIN).ceil())
}

/// One panel's data, before its place on the page is known.
struct Scene {
    kind: Kind,
    series: Vec<Series>,
    chance: Option<f64>,
}

/// What a panel measures.
enum Kind {
    Accuracy,
    /// Errors per thousand, at most so many on the axis.
    Errors(f64),
}

impl Scene {
    fn axis(&self, frame: &Frame) -> YAxis {
        match self.kind {
            Kind::Accuracy => YAxis::accuracy(&self.series, self.chance, frame),
            Kind::Errors(most) => YAxis::log(&self.series, most, frame),
        }
    }

    fn draw(
        &self,
        canvas: &Canvas<'_>,
        metrics: &Metrics,
        (sizes, frame): (&[u32], Frame),
    ) -> Result<(), PlotError> {
        let (heading, open): (_, fn(f64) -> bool) = match self.kind {
            Kind::Accuracy => (("Accuracy", "share of test examples answered correctly"), never),
            Kind::Errors(_) => {
                (("Errors per thousand", "test examples (log scale; lower is better)"), is_zero)
            }
        };
        let x = &XAxis::new(sizes.to_vec(), self.series.len(), &frame);
        let y = &self.axis(&frame);
        Panel { frame, heading, x, y, series: &self.series, chance: self.chance, open }
            .draw(canvas, metrics)
    }
}

/// The panel of accuracies, and that of errors where accuracy is high.
fn scenes(series: Vec<Series>, chance: Option<f64>, frame: &Frame) -> Vec<Scene> {
    let high = series.iter().any(|s| s.marks.iter().any(|mark| mark.y > HIGH_ACCURACY));
    let errors = high.then(|| {
        // curves that the break of the accuracy axis puts aside don't stretch the axis of errors
        // either
        let broken_at = YAxis::accuracy(&series, chance, frame).left_out.map_or(0.0, |(_, to)| to);
        let series: Vec<Series> = series.iter().map(|s| s.map(per_thousand)).collect();
        Scene {
            kind: Kind::Errors(highest(&series, per_thousand(broken_at))),
            series,
            chance: chance.map(per_thousand),
        }
    });
    let accuracy = Scene { kind: Kind::Accuracy, series, chance };
    std::iter::once(accuracy).chain(errors).collect()
}

/// Where the axis of errors ends: at `cap`, or above all curves where that makes it no more than a tenth longer.
fn highest(series: &[Series], cap: f64) -> f64 {
    let all = || series::marks(series).map(|m| m.y).filter(|&y| y > 0.0);
    let (least, most) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let under = all().filter(|&y| y <= cap).fold(0.0, f64::max);
    let longer = libm::log(most / under) <= 0.1 * libm::log(under / least);
    if under > least && longer { f64::INFINITY } else { cap }
}

/// What the figure adds to its caption by itself.
fn remarks(scenes: &[Scene], axes: &[YAxis], empty: &[Series]) -> String {
    let mut remarks = Vec::new();
    for (scene, axis) in scenes.iter().zip(axes) {
        remarks.extend(match scene.kind {
            Kind::Accuracy => notes::on_accuracy(&scene.series, axis, scene.chance),
            Kind::Errors(_) => notes::on_errors(&scene.series, axis),
        });
    }
    remarks.extend(notes::on_missing(empty.iter().map(|s| s.label.as_str())));
    remarks.join(" ")
}

fn never(_: f64) -> bool {
    false
}

fn is_zero(errors: f64) -> bool {
    errors <= 0.0
}

/// Errors per thousand; what is within rounding of a perfect score is one.
fn per_thousand(accuracy: f64) -> f64 {
    let errors = 1000.0 * (1.0 - accuracy);
    if errors < 1e-9 { 0.0 } else { errors }
}

/// The curves in order of n, once every number has been found fit to draw.
fn checked(figure: &LearningCurves) -> Result<Vec<Series>, PlotError> {
    check::labels(figure.curves.iter().map(|c| c.label.as_str()))?;
    if let Some(chance) = figure.chance {
        check::setting("the accuracy of the commonest class", chance, UNIT)?;
    }
    let series = |curve: &Curve| accuracy_series(&curve.label, curve.look, &curve.points);
    figure.curves.iter().map(series).collect()
}

/// Accuracies lie here.
pub(crate) const UNIT: (f64, f64) = (0.0, 1.0);

/// One curve of accuracies, checked and in order of n.
pub(crate) fn accuracy_series(
    label: &str,
    look: usize,
    points: &[Point],
) -> Result<Series, PlotError> {
    let mut marks = Vec::with_capacity(points.len());
    for point in points {
        let at = At { label, n: point.n };
        at.within("the estimate", point.estimate, UNIT)?;
        at.interval((point.low, point.high), UNIT)?;
        for &trial in &point.trials {
            at.within("a trial", trial, UNIT)?;
        }
        let Point { n, estimate: y, low, high, trials } = point.clone();
        marks.push(Mark { n, y, low, high, trials });
    }
    marks.sort_by_key(|mark| mark.n);
    check::sizes(label, marks.iter().map(|mark| mark.n))?;
    Ok(Series { label: label.to_owned(), look: Look::new(look), marks })
}
