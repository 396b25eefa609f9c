//! The figure that tells underfit from overfit: accuracy on the training set beside accuracy on the
//! test set, and how far the loss was brought down in how many steps.

use crate::canvas::{Canvas, Font, Place, Stroke};
use crate::check::{self, At};
use crate::frame::Frame;
use crate::learning::{Point, UNIT, accuracy_series};
use crate::multiples::{Grid, SIZES, draw_level, draw_surroundings};
use crate::series::{self, Mark, Series};
use crate::style::{Look, SOFT_INK};
use crate::text::Metrics;
use crate::xaxis::XAxis;
use crate::yaxis::YAxis;
use crate::{PlotError, Svg, clip, labels, notes};

/// Training and test accuracy of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct FitCurve {
    /// The model's name, not empty and unique in the figure.
    pub label: String,
    /// Which colour and marker, as in [`Curve::look`](crate::Curve::look), so that it looks the same
    /// in every figure.
    pub look: usize,
    /// Accuracy on the training examples themselves; single trials aren't drawn.
    pub train: Vec<Point>,
    /// Accuracy on the test examples; single trials aren't drawn.
    pub test: Vec<Point>,
    /// Loss on the training examples by size, 0 or more; empty for models without one.
    pub train_loss: Vec<(u32, f64)>,
    /// Gradient steps by size, 0 or more; empty for models that take none.
    pub steps: Vec<(u32, f64)>,
}

/// Everything that the figure of fit says.
#[derive(Clone, Debug, PartialEq)]
pub struct Fits {
    /// Set in bold at the top; may be empty.
    pub title: String,
    /// Paragraphs below the panels: kind and level of the intervals, trials, data set.
    pub caption: Vec<String>,
    /// At least one and at most 32 models: one panel each, in this order.
    pub curves: Vec<FitCurve>,
    /// Accuracy of always answering the commonest class, in [0, 1]: a dotted line.
    pub chance: Option<f64>,
}

/// Room for "train" and "test" right of each panel, px.
const NAMES: f64 = 48.0;

/// Height of the panels of loss and of steps, px.
const SMALL: f64 = 84.0;

/// Draws training accuracy (open markers, dashed) and test accuracy (filled, solid) over n, one
/// panel per model; below it training loss and gradient steps on logarithmic axes, if any model has
/// them.
///
/// A net that is undertrained is low on both; one that overfits is high on the first alone.
///
/// # Errors
/// As [`accuracy_vs_n`](crate::accuracy_vs_n).
pub fn fit_vs_n(figure: &Fits) -> Result<Svg, PlotError> {
    draw(figure, SIZES)
}

/// Draws the same two accuracies over the gradient steps taken, which stand in the places of n.
///
/// # Errors
/// As [`fit_vs_n`].
pub fn fit_vs_steps(figure: &Fits) -> Result<Svg, PlotError> {
    draw(figure, "gradient steps (log scale)")
}

fn draw(figure: &Fits, axis: &str) -> Result<Svg, PlotError> {
    let (pairs, empty): (Vec<_>, Vec<_>) = checked(figure)?.into_iter().partition(Pair::has_marks);
    if pairs.is_empty() {
        return Err(PlotError::Empty);
    }
    let metrics = Metrics::new()?;
    let both: Vec<Series> =
        pairs.iter().flat_map(|pair| [pair.train.clone(), pair.test.clone()]).collect();
    let sizes = series::sizes(&both);
    let origin = Frame { left: 0.0, top: 0.0, right: 1.0, bottom: 100.0 };
    let remarks =
        notes::on_accuracy(&both, &YAxis::accuracy(&both, figure.chance, &origin), figure.chance);
    let missing = notes::on_missing(empty.iter().map(|pair| pair.test.label.as_str()));
    let remarks = std::iter::once(
        "Open, dashed: on the training examples. Filled: on the test examples.".to_owned(),
    )
    .chain(remarks)
    .chain(missing);
    let mut caption = figure.caption.clone();
    caption.push(remarks.collect::<Vec<_>>().join(" "));

    let rows = small_rows(&pairs);
    let heights = vec![SMALL; rows.len()];
    let grid = Grid::stacked(pairs.len(), NAMES, &heights, (&figure.title, &caption), &metrics);
    Canvas::figure(grid.size, (&figure.title, &caption.join(" ")), |canvas| {
        for ((pair, frame), below) in pairs.iter().zip(&grid.frames).zip(&grid.below) {
            let y = YAxis::accuracy(&both, figure.chance, frame);
            let x = XAxis::new(sizes.clone(), 2, frame);
            draw_surroundings(canvas, &metrics, frame, (&pair.test.label, "accuracy"), (&x, &y))?;
            if let Some(chance) = figure.chance {
                draw_level(canvas, frame, &y, chance, &[1.0, 3.0])?;
            }
            draw_pair(canvas, frame, pair, (&x, &y))?;
            for ((name, all, of), frame) in rows.iter().zip(below) {
                let x = XAxis::new(sizes.clone(), 1, frame);
                let y = YAxis::log(all, f64::INFINITY, frame);
                draw_surroundings(canvas, &metrics, frame, ("", name), (&x, &y))?;
                draw_small(canvas, of(pair), (&x, &y))?;
            }
        }
        grid.draw_prose_under(canvas, axis)
    })
}

/// One model's curves.
struct Pair {
    train: Series,
    test: Series,
    loss: Series,
    steps: Series,
}

/// One of a model's series.
type Own = fn(&Pair) -> &Series;

/// What a row of small panels shows: its name, the series of all models, and how to find one's own.
type SmallRow = (&'static str, Vec<Series>, Own);

/// The rows that any model has numbers for.
fn small_rows(pairs: &[Pair]) -> Vec<SmallRow> {
    let kinds: [(&'static str, Own); 2] = [
        ("loss on the training examples (log)", |pair| &pair.loss),
        ("gradient steps (log)", |pair| &pair.steps),
    ];
    let row = |(name, of): (&'static str, Own)| {
        let all: Vec<Series> = pairs.iter().map(|pair| of(pair).clone()).collect();
        all.iter().any(|s| !s.marks.is_empty()).then_some((name, all, of))
    };
    kinds.into_iter().filter_map(row).collect()
}

fn draw_small(
    canvas: &Canvas<'_>,
    series: &Series,
    (x, y): (&XAxis, &YAxis),
) -> Result<(), PlotError> {
    let places: Vec<Place> = series.marks.iter().map(|m| (x.px(m.n, 0), y.px(m.y))).collect();
    canvas.path(&places, Stroke::new(series.look.colour(), 1.4))?;
    places.iter().try_for_each(|&place| series.look.marker(canvas, place, 2.6, false))
}

impl Pair {
    fn has_marks(&self) -> bool {
        !(self.train.marks.is_empty() && self.test.marks.is_empty())
    }
}

fn draw_pair(
    canvas: &Canvas<'_>,
    frame: &Frame,
    pair: &Pair,
    (x, y): (&XAxis, &YAxis),
) -> Result<(), PlotError> {
    let look = pair.test.look;
    let curves: [(&str, &Series, &[f64]); 2] =
        [("train", &pair.train, &[4.0, 3.0]), ("test", &pair.test, &[])];
    for (i, (_, series, dash)) in curves.iter().enumerate() {
        let at = |mark: &Mark| (x.px(mark.n, i), y.px(mark.y));
        let places: Vec<Place> = series.marks.iter().map(at).collect();
        canvas.dashed(&places, dash, Stroke::new(look.colour(), 1.4))?;
        for mark in &series.marks {
            let bar = [(at(mark).0, y.px(mark.low)), (at(mark).0, y.px(mark.high))];
            for part in clip::between(&bar, frame.top, frame.bottom) {
                canvas.path(&part, Stroke { colour: look.outline(), alpha: 0.8, width: 1.1 })?;
            }
        }
        places.iter().try_for_each(|&place| look.marker(canvas, place, 3.0, i == 0))?;
    }
    let ends: Vec<(&str, Place)> = curves
        .iter()
        .enumerate()
        .filter_map(|(i, (name, series, _))| {
            series.marks.last().map(|m| (*name, (x.px(m.n, i), y.px(m.y))))
        })
        .collect();
    let wished: Vec<f64> = ends.iter().map(|(_, (_, height))| *height).collect();
    let placed = labels::spread(&wished, 14.0, frame.top - 4.0, frame.bottom);
    for ((name, end), height) in ends.iter().zip(placed) {
        let leader = Stroke { colour: look.colour(), alpha: 0.6, width: 0.7 };
        canvas.path(&[*end, (frame.right + 8.0, height)], leader)?;
        canvas.text(name, (frame.right + 11.0, height + 4.0), Font::new(11.5, SOFT_INK))?;
    }
    Ok(())
}

/// The curves in order of n and without trials, once every number has been found fit to draw.
fn checked(figure: &Fits) -> Result<Vec<Pair>, PlotError> {
    check::labels(figure.curves.iter().map(|c| c.label.as_str()))?;
    if let Some(chance) = figure.chance {
        check::setting("the accuracy of the commonest class", chance, UNIT)?;
    }
    let series = |c: &FitCurve, points: &[Point]| {
        let mut series = accuracy_series(&c.label, c.look, points)?;
        series.marks.iter_mut().for_each(|mark| mark.trials.clear());
        Ok(series)
    };
    let pair = |c: &FitCurve| {
        Ok(Pair {
            train: series(c, &c.train)?,
            test: series(c, &c.test)?,
            loss: numbers(c, "the loss", &c.train_loss)?,
            steps: numbers(c, "the number of steps", &c.steps)?,
        })
    };
    figure.curves.iter().map(pair).collect()
}

/// Numbers of 0 or more as a curve without intervals, in order of n.
fn numbers(
    curve: &FitCurve,
    what: &'static str,
    points: &[(u32, f64)],
) -> Result<Series, PlotError> {
    let mut marks = Vec::with_capacity(points.len());
    for &(n, y) in points {
        At { label: &curve.label, n }.within(what, y, (0.0, f64::MAX))?;
        marks.push(Mark { n, y, low: y, high: y, trials: vec![] });
    }
    marks.sort_by_key(|mark| mark.n);
    check::sizes(&curve.label, marks.iter().map(|mark| mark.n))?;
    Ok(Series { label: curve.label.clone(), look: Look::new(curve.look), marks })
}
