//! What is to be seen first in a figure, in a sentence: its alternative text for those who can't see it.

use plot::{Curve, Differences, Examples, Fits, LearningCurves, NeededExamples, Point};

use crate::compare::trust::{self, Trust};
use crate::compare::{Comparison, words};
use crate::report::counts;

/// The most accurate models at both ends.
pub(super) fn accuracy(curves: &LearningCurves) -> String {
    let sizes = || curves.curves.iter().flat_map(|curve| &curve.points).map(|point| point.n);
    let (Some(first), Some(last)) = (sizes().min(), sizes().max()) else { return String::new() };
    let best = |n: u32| {
        let at = |curve: &Curve| Some((curve.label.clone(), find(&curve.points, n)?.estimate));
        // The first of equals.
        let all = curves.curves.iter().filter_map(at);
        all.reduce(|best, next| if next.1 > best.1 { next } else { best })
    };
    let said = |n: u32| {
        best(n).map(|(label, accuracy)| {
            format!("at n = {n} the most accurate is {label} ({:.1} %)", 100.0 * accuracy)
        })
    };
    let ends: Vec<String> = match first == last {
        true => said(first).into_iter().collect(),
        false => [first, last].into_iter().filter_map(said).collect(),
    };
    sentence(&ends.join(", "))
}

/// How many verdicts are of which kind.
pub(super) fn verdicts(comparison: &Comparison) -> String {
    sentence(&format!("against {}: {}", comparison.models[comparison.baseline], counts(comparison)))
}

/// The fewest examples to the highest target that any model reaches.
pub(super) fn needed(needed: &NeededExamples) -> String {
    let fewest = needed.panels.iter().rev().find_map(|panel| {
        let row = panel.rows.first()?;
        let n = match row.examples? {
            Examples::Exactly(n) => format!("about {n:.0}"),
            Examples::AtMost(n) => format!("at most {n:.0}"),
            Examples::MoreThan(_) => return None,
        };
        let accuracy = words::plain(panel.accuracy);
        Some(format!("to reach {accuracy}, {} takes the fewest examples: {n}", row.label))
    });
    fewest.map(|text| sentence(&text)).unwrap_or_default()
}

/// Where tuning gains and loses most.
pub(super) fn tuning(differences: &Differences) -> String {
    let all = || {
        let of = |curve: &plot::DifferenceCurve| {
            let label = curve.label.clone();
            curve.points.iter().map(|p| (label.clone(), p.n, p.estimate)).collect::<Vec<_>>()
        };
        differences.curves.iter().flat_map(of)
    };
    let most = all().reduce(|a, b| if b.2 > a.2 { b } else { a });
    let least = all().reduce(|a, b| if b.2 < a.2 { b } else { a });
    let (Some(most), Some(least)) = (most, least) else { return String::new() };
    let said = |(label, n, value): (String, u32, f64)| {
        format!("{} points ({label} at n = {n})", words::points(value))
    };
    sentence(&format!("the largest gain is {}, the largest loss {}", said(most), said(least)))
}

/// What the nets get right on their own training examples, at the largest n of each.
pub(super) fn fit(fits: &Fits) -> String {
    let end = |points: &[Point]| points.iter().max_by_key(|p| p.n).cloned();
    let of = |curve: &plot::FitCurve| {
        let train = end(&curve.train)?;
        let test = find(&curve.test, train.n)?;
        let [train_share, test_share] = [train.estimate, test.estimate].map(|share| 100.0 * share);
        Some(format!("{} {train_share:.1} and {test_share:.1} %", curve.label))
    };
    let all: Vec<String> = fits.curves.iter().filter_map(of).collect();
    let text = format!("right on training and test examples at the largest n: {}", all.join(", "));
    if all.is_empty() { String::new() } else { sentence(&text) }
}

/// What the study says of cross-validation, first.
pub(super) fn trust(trust: &Trust) -> String {
    trust::sentences(trust).into_iter().next().unwrap_or_default()
}

fn find(points: &[Point], n: u32) -> Option<&Point> {
    points.iter().find(|point| point.n == n)
}

/// With a capital and a full stop; empty stays empty.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => String::new(),
    }
}
