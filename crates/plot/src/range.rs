//! What an axis of accuracies has to show: where it should be broken, and how far it reaches.

use crate::series::{Series, marks};
use crate::ticks;

/// The ends of the largest gap that an axis should leave out, if there is one; `sorted` grows and
/// isn't empty.
pub(crate) fn break_at(sorted: &[f64]) -> Option<(f64, f64)> {
    let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
    let range = most - least;
    if range < 0.15 {
        return None;
    }
    let squashed = |above: f64| most - above <= 0.5 * range;
    let candidates = sorted.windows(2).take(sorted.len() / 2).map(|pair| (pair[0], pair[1]));
    candidates
        .filter(|&(below, above)| squashed(above) && above - below >= 0.35 * range)
        .max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)))
}

/// The ends of the gap between curves that lie wholly below all others and those others, if leaving it out makes these
/// at least [`GAIN`] times as tall; at most a third of the curves may lie below.
///
/// One model that always gives the same answer would otherwise take the height of all that learn.
pub(crate) fn break_below_curves(series: &[Series]) -> Option<(f64, f64)> {
    let ends = |s: &Series| {
        let of = || s.marks.iter().map(|m| m.y);
        (of().fold(f64::INFINITY, f64::min), of().fold(f64::NEG_INFINITY, f64::max))
    };
    let mut curves: Vec<(f64, f64)> =
        series.iter().filter(|s| !s.marks.is_empty()).map(ends).collect();
    curves.sort_by(|a, b| a.1.total_cmp(&b.1));
    let most = curves.last()?.1;
    let least = curves.iter().map(|c| c.0).fold(f64::INFINITY, f64::min);
    let gap = |below: usize| {
        let above = curves[below..].iter().map(|c| c.0).fold(f64::INFINITY, f64::min);
        let under = curves[below - 1].1;
        let gained = TALLER * (most - least) >= GAIN * (most - above);
        (above > under && most - least >= 0.15 && gained).then_some((under, above))
    };
    (1..=curves.len() / 3).filter_map(gap).max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)))
}

/// How much taller the other curves must get for an axis to be broken.
const GAIN: f64 = 1.15;
/// The share of the height that a break leaves to them.
const TALLER: f64 = 0.84;

/// How far down the scale of the points at or above `from` reaches: their intervals wholly, single
/// trials only as far as they stretch it by less than a fifth; nothing below `limit`.
pub(crate) fn tail(series: &[Series], from: f64, high: f64, limit: f64) -> f64 {
    let near = || marks(series).filter(|m| m.y >= from);
    let intervals = near().map(|m| m.low.min(m.y)).fold(from, f64::min).max(limit);
    let trials = near().flat_map(|m| m.trials.iter().copied()).fold(intervals, f64::min);
    trials.max(intervals - (high - intervals) / 5.0).max(limit)
}

/// The range of an accuracy axis rounded outwards, within [0, 1] and not shorter than 0.01, and its
/// tick step.
pub(crate) fn rounded(low: f64, high: f64) -> (f64, f64, f64) {
    let missing = (0.01 - (high - low)).max(0.0);
    let (low, high) = ((low - missing / 2.0).max(0.0), (high + missing / 2.0).min(1.0));
    let step = ticks::nice_step(high - low, 8);
    let half = step / 2.0;
    (ticks::floor_to(low, half).max(0.0), ticks::ceil_to(high, half).min(1.0), step)
}

/// A tick step of which at least two multiples fall into the strip under a break.
pub(crate) fn strip_step(low: f64, high: f64) -> f64 {
    let steps = [3, 4, 6, 8].map(|most| ticks::nice_step(high - low, most));
    steps.into_iter().find(|step| ticks::multiples(low, high, *step).len() >= 2).unwrap_or(steps[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_breaks_below_the_crowd_and_only_there() {
        let far = [0.53, 0.53, 0.89, 0.95, 0.97, 0.99];
        assert_eq!(break_at(&far), Some((0.53, 0.89)));
        // a hole with most of the points below it squashes nobody
        assert_eq!(break_at(&[0.53, 0.54, 0.55, 0.56, 0.99]), None);
        assert_eq!(break_at(&[0.55, 0.65, 0.75, 0.85, 0.95]), None, "no hole");
        assert_eq!(break_at(&[0.88, 0.98, 0.99, 0.99]), None, "too short to matter");
        assert_eq!(break_at(&[0.9]), None);
    }

    #[test]
    fn an_axis_breaks_above_curves_that_lie_below_all_others() {
        let curve = |from: f64, to: f64| {
            let mark = |(n, y)| crate::series::Mark { n, y, low: y, high: y, trials: vec![] };
            let marks = [(10, from), (1280, to)].map(mark).to_vec();
            Series { label: String::new(), look: crate::style::Look::new(0), marks }
        };
        let learn = [curve(0.64, 0.88), curve(0.7, 0.95), curve(0.79, 0.99)];
        let with = |flat: Series| break_below_curves(&[learn.as_slice(), &[flat]].concat());
        assert_eq!(with(curve(0.495, 0.505)), Some((0.505, 0.64)));
        assert_eq!(with(curve(0.495, 0.7)), None, "it reaches among the others");
        assert_eq!(with(curve(0.62, 0.63)), None, "too near to gain anything");
        assert_eq!(break_below_curves(&learn[..2]), None);
        assert_eq!(break_below_curves(&[]), None);
    }

    #[test]
    fn ranges_are_round_and_never_empty() {
        let close = |range: (f64, f64, f64), (low, high, step): (f64, f64, f64)| {
            (range.0 - low).abs() + (range.1 - high).abs() + (range.2 - step).abs() < 1e-9
        };
        assert!(close(rounded(0.871, 0.998), (0.87, 1.0, 0.02)), "{:?}", rounded(0.871, 0.998));
        assert!(close(rounded(1.0, 1.0), (0.995, 1.0, 0.001)), "{:?}", rounded(1.0, 1.0));
        assert!(close(rounded(0.0, 0.0), (0.0, 0.005, 0.001)), "{:?}", rounded(0.0, 0.0));
    }

    #[test]
    fn a_strip_has_two_ticks_wherever_it_lies() {
        for (low, high) in [(0.512, 0.552), (0.51, 0.67), (0.08, 0.31), (0.0, 0.02)] {
            let step = strip_step(low, high);
            assert!(ticks::multiples(low, high, step).len() >= 2, "{low} to {high} by {step}");
        }
    }
}
