//! Cutting lines at the top and bottom of a panel: plotters' SVG has no clip paths.

use crate::canvas::Place;

/// The parts of a line between the heights `top` and `bottom` (px, y down), each with at least two
/// places.
pub(crate) fn between(places: &[Place], top: f64, bottom: f64) -> Vec<Vec<Place>> {
    let mut parts: Vec<Vec<Place>> = Vec::new();
    let mut part: Vec<Place> = Vec::new();
    for pair in places.windows(2) {
        let Some((from, to)) = segment(pair[0], pair[1], top, bottom) else {
            parts.push(std::mem::take(&mut part));
            continue;
        };
        if part.last() != Some(&from) {
            parts.push(std::mem::take(&mut part));
            part.push(from);
        }
        part.push(to);
    }
    parts.push(part);
    parts.retain(|part| part.len() > 1);
    parts
}

/// One segment cut to the heights, or none when it lies outside.
fn segment(from: Place, to: Place, top: f64, bottom: f64) -> Option<(Place, Place)> {
    let (low, high) = (from.1.min(to.1), from.1.max(to.1));
    if high < top || low > bottom {
        return None;
    }
    let cut = |(x, y): Place| {
        let target = y.clamp(top, bottom);
        if target == y {
            return (x, y);
        }
        let share = (target - from.1) / (to.1 - from.1);
        (from.0 + share * (to.0 - from.0), target)
    };
    Some((cut(from), cut(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_it_leaves_and_enters() {
        let line = [(0.0, 5.0), (10.0, 15.0), (20.0, 5.0), (30.0, 5.0)];
        assert_eq!(
            between(&line, 0.0, 10.0),
            vec![vec![(0.0, 5.0), (5.0, 10.0)], vec![(15.0, 10.0), (20.0, 5.0), (30.0, 5.0)]]
        );
        assert!(between(&line, 20.0, 30.0).is_empty());
        assert_eq!(between(&line, 0.0, 20.0), vec![line.to_vec()]);
    }
}
