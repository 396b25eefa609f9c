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
