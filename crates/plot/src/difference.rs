//! The figure that compares: each model's paired difference to a baseline, with its band and a
//! region of equivalence.

use crate::canvas::{Canvas, Place, Stroke, rectangle};
use crate::check::{self, At};
use crate::frame::Frame;
use crate::multiples::{Grid, RIGHT, draw_level, draw_surroundings};
use crate::series::{self, Mark, Series};
use crate::style::{EQUIVALENT, Look};
use crate::text::Metrics;
use crate::xaxis::XAxis;
use crate::yaxis::YAxis;
use crate::{PlotError, Svg, notes, ticks};

/// The paired difference in accuracy between a model and the baseline at one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Number of training examples, at least 1.
    pub n: u32,
    /// Accuracy of the model minus accuracy of the baseline, in [-1, 1].
    pub estimate: f64,
    /// Lower end of the band, in [-1, 1].
    pub low: f64,
    /// Upper end of the band, in [-1, 1] and not below `low`.
    pub high: f64,
}

/// The differences of one model to the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct DifferenceCurve {
    /// The model's name, not empty and unique in the figure.
    pub label: String,
    /// Which colour and marker, as in [`Curve::look`](crate::Curve::look), so that it looks the same
    /// in every figure.
    pub look: usize,
    /// At most one point per size, in any order; a curve without points is named in the caption.
    pub points: Vec<Difference>,
}

/// Everything that the figure of differences says.
#[derive(Clone, Debug, PartialEq)]
pub struct Differences {
    /// Set in bold at the top; may be empty.
    pub title: String,
    /// Paragraphs below the panels: kind and level of the band, whether it is simultaneous over n,
    /// and over what.
    pub caption: Vec<String>,
    /// Name of the model that the others are compared with.
    pub baseline: String,
    /// Half the width of the region of equivalence in accuracy, in [0, 1]; 0 draws none.
    pub equivalence: f64,
    /// At least one and at most 36 curves: one panel each, in this order.
    pub curves: Vec<DifferenceCurve>,
}

/// How many times the typical extent a panel may have before it gets a scale of its own.
const OWN_SCALE: f64 = 2.5;
/// Differences are shown in points: hundredths of accuracy.
const POINTS: f64 = 100.0;

/// Draws the differences over n as small multiples on one scale, in points (1 point = 0.01 of
/// accuracy).
///
/// A panel whose band reaches more than two and a half times as far as the typical (median) panel's
/// has a scale of its own and says so: otherwise a model that knows nothing would flatten all the
/// others, and the region of equivalence with them.
///
/// # Errors
/// As [`accuracy_vs_n`](crate::accuracy_vs_n), with numbers in [-1, 1]; also when `equivalence` is
/// outside [0, 1].
pub fn difference_vs_n(figure: &Differences) -> Result<Svg, PlotError> {
    let (series, empty): (Vec<_>, Vec<_>) =
        checked(figure)?.into_iter().partition(|s| !s.marks.is_empty());
    if series.is_empty() {
        return Err(PlotError::Empty);
    }
    let metrics = Metrics::new()?;
    let equivalence = figure.equivalence * POINTS;
    let mut remark = format!(
        "Above 0: better than {}, the baseline. 1 point is 0.01 of accuracy.",
        figure.baseline
    );
    if equivalence > 0.0 {
        remark.push_str(&format!(" Grey: equivalent within {} points.", ticks::plain(equivalence)));
    }
    let missing = notes::on_missing(empty.iter().map(|s| s.label.as_str()));
    let caption: Vec<String> =
        figure.caption.iter().cloned().chain([remark]).chain(missing).collect();

    let grid = Grid::new(series.len(), RIGHT, (&figure.title, &caption), &metrics);
    let ranges = ranges(&series, equivalence);
    let shared = ranges
        .iter()
        .filter(|r| !r.own)
        .fold((0.0, 0.0), |a: (f64, f64), r| (a.0.min(r.low), a.1.max(r.high)));
    let sizes = series::sizes(&series);
    Canvas::figure(grid.size, (&figure.title, &caption.join(" ")), |canvas| {
        for ((series, range), frame) in series.iter().zip(&ranges).zip(&grid.frames) {
            let (low, high) = if range.own { (range.low, range.high) } else { shared };
            let margin = 0.04 * (high - low);
            let y = YAxis::linear(low - margin, high + margin, 7, frame);
            let panel =
                Panel { frame, x: &XAxis::new(sizes.clone(), 1, frame), y: &y, look: series.look };
            let remark = if range.own { "points, own scale" } else { "points" };
            panel.draw(canvas, &metrics, series, (remark, equivalence))?;
        }
        grid.draw_prose(canvas)
    })
}

/// One model's panel.
struct Panel<'a> {
    frame: &'a Frame,
    x: &'a XAxis,
    y: &'a YAxis,
    look: Look,
}

impl Panel<'_> {
    fn draw(
        &self,
        canvas: &Canvas<'_>,
        metrics: &Metrics,
        series: &Series,
        (remark, equivalence): (&str, f64),
    ) -> Result<(), PlotError> {
        if equivalence > 0.0 {
            let height = |value: f64| self.y.px(value).clamp(self.frame.top, self.frame.bottom);
            let corners =
                ((self.frame.left, height(equivalence)), (self.frame.right, height(-equivalence)));
            canvas.polygon(&rectangle(corners.0, corners.1), EQUIVALENT, 1.0)?;
        }
        draw_surroundings(canvas, metrics, self.frame, (&series.label, remark), (self.x, self.y))?;
        draw_level(canvas, self.frame, self.y, 0.0, &[])?;
        let at = |value: fn(&Mark) -> f64| {
            move |mark: &Mark| (self.x.px(mark.n, 0), self.y.px(value(mark)))
        };
        let marks = || series.marks.iter();
        let outline: Vec<Place> =
            marks().map(at(|m| m.high)).chain(marks().rev().map(at(|m| m.low))).collect();
        canvas.polygon(&outline, self.look.colour(), 0.22)?;
        for mark in marks() {
            let bar = [at(|m| m.low)(mark), at(|m| m.high)(mark)];
            canvas.path(&bar, Stroke { colour: self.look.outline(), alpha: 0.8, width: 1.1 })?;
        }
        let places: Vec<Place> = marks().map(at(|m| m.y)).collect();
        canvas.path(&places, Stroke::new(self.look.colour(), 1.6))?;
        places.iter().try_for_each(|&place| self.look.marker(canvas, place, 3.2, false))
    }
}

/// What one panel has to show, in points, and whether on a scale of its own.
struct Extent {
    low: f64,
    high: f64,
    own: bool,
}

fn ranges(series: &[Series], equivalence: f64) -> Vec<Extent> {
    let ends = |s: &Series| {
        let low = s.marks.iter().map(|m| m.low.min(m.y)).fold(-equivalence, f64::min);
        let high = s.marks.iter().map(|m| m.high.max(m.y)).fold(equivalence, f64::max);
        // differences that are 0 throughout still need an axis
        if high - low > 1e-6 { (low, high) } else { (low - 0.1, high + 0.1) }
    };
    let ends: Vec<(f64, f64)> = series.iter().map(ends).collect();
    let mut reaches: Vec<f64> = ends.iter().map(|(low, high)| high.max(-low)).collect();
    reaches.sort_by(f64::total_cmp);
    let typical = reaches[(reaches.len() - 1) / 2];
    let extent =
        |&(low, high): &(f64, f64)| Extent { low, high, own: high.max(-low) > OWN_SCALE * typical };
    ends.iter().map(extent).collect()
}

/// The curves in points and in order of n, once every number has been found fit to draw.
fn checked(figure: &Differences) -> Result<Vec<Series>, PlotError> {
    check::labels(figure.curves.iter().map(|c| c.label.as_str()))?;
    check::setting("half the width of the region of equivalence", figure.equivalence, (0.0, 1.0))?;
    figure.curves.iter().map(checked_curve).collect()
}

fn checked_curve(curve: &DifferenceCurve) -> Result<Series, PlotError> {
    const RANGE: (f64, f64) = (-1.0, 1.0);
    let mut marks = Vec::with_capacity(curve.points.len());
    for &Difference { n, estimate, low, high } in &curve.points {
        let at = At { label: &curve.label, n };
        at.within("the difference", estimate, RANGE)?;
        at.interval((low, high), RANGE)?;
        marks.push(Mark {
            n,
            y: POINTS * estimate,
            low: POINTS * low,
            high: POINTS * high,
            trials: vec![],
        });
    }
    marks.sort_by_key(|mark| mark.n);
    check::sizes(&curve.label, marks.iter().map(|mark| mark.n))?;
    Ok(Series { label: curve.label.clone(), look: Look::new(curve.look), marks })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(reach: f64) -> Series {
        let mark = Mark { n: 10, y: 0.0, low: -reach, high: reach, trials: vec![] };
        Series { label: String::new(), look: Look::new(0), marks: vec![mark] }
    }

    #[test]
    fn only_a_panel_far_out_gets_its_own_scale() {
        let own = |reaches: &[f64]| {
            let series: Vec<Series> = reaches.iter().map(|r| flat(*r)).collect();
            ranges(&series, 0.5).iter().map(|r| r.own).collect::<Vec<_>>()
        };
        assert_eq!(own(&[45.0, 1.0, 2.0, 3.0]), [true, false, false, false]);
        // As on the study of 4 against 9: fourteen models within 22 points, and always the same answer at 50.
        let study =
            [10.0, 9.0, 9.0, 14.0, 14.0, 9.0, 17.0, 22.0, 12.0, 9.0, 10.0, 18.0, 20.0, 20.0, 50.0];
        assert_eq!(own(&study).iter().filter(|own| **own).count(), 1);
        assert!(own(&study)[14]);
        assert_eq!(own(&[45.0]), [false]);
        assert_eq!(own(&[0.0, 0.0]), [false, false], "the region of equivalence counts");
    }
}
