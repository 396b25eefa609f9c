//! Figures 2 to 4, which compare: differences to a baseline, verdicts, examples needed; and ranks over experiments.

use std::cmp::Ordering;

use plot::{
    Difference, DifferenceCurve, Differences, Examples, NeededExamples, NeededPanel, NeededRow,
    Outcome, Ranks, VerdictCell, VerdictRow, Verdicts,
};
use stats::curve::Reached;

use super::looks::Looks;
use super::{percent, title};
use crate::compare::across::Across;
use crate::compare::{Comparison, Finding, Needed, Pair, Scope, Verdict, words};
use crate::store::Lock;

/// Paired differences to the baseline; `None` without a single pair.
pub(super) fn differences(
    comparison: &Comparison,
    looks: &Looks,
    lock: &Lock,
) -> Option<Differences> {
    let curve = |pair: &Pair| {
        let label = comparison.models[pair.a].clone();
        DifferenceCurve { look: looks.look(&label), points: points(pair), label }
    };
    let curves: Vec<DifferenceCurve> = comparison.against_baseline().iter().map(curve).collect();
    if curves.iter().all(|curve| curve.points.is_empty()) {
        return None;
    }
    let baseline = &comparison.models[comparison.baseline];
    Some(Differences {
        title: title(lock, &format!("difference in accuracy to {baseline}")),
        caption: vec![about_bands(comparison)],
        baseline: baseline.clone(),
        equivalence: comparison.options.rope,
        curves,
    })
}

/// The differences of a pair in the population, with their band.
pub(super) fn points(pair: &Pair) -> Vec<Difference> {
    let point = |finding: &Finding| {
        Some(Difference {
            n: finding.n?,
            estimate: finding.estimate.value,
            low: finding.band.lo.max(-1.0),
            high: finding.band.hi.min(1.0),
        })
    };
    pair.in_scope(Scope::Population).filter_map(point).collect()
}

fn about_bands(comparison: &Comparison) -> String {
    let chosen = if comparison.baseline_named { "" } else { ", the most accurate on average here" };
    format!(
        "Differences by pairs of the same split and item, to {}{chosen}. Bands: {} %, simultaneous over n for each \
         model (max-t), covering new training sets and new items.",
        comparison.models[comparison.baseline],
        percent(comparison.options.level)
    )
}

/// Verdicts on every model against the baseline, by n and over the whole curve.
pub(super) fn verdicts(comparison: &Comparison, lock: &Lock) -> Verdicts {
    let mut columns: Vec<String> = comparison.sizes.iter().map(|n| format!("n = {n}")).collect();
    columns.push("all n".to_owned());
    let row = |pair: &Pair| {
        let at = |n: u32| pair.in_scope(Scope::Population).find(|f| f.n == Some(n)).map(cell);
        let mut cells: Vec<Option<VerdictCell>> = comparison.sizes.iter().map(|&n| at(n)).collect();
        cells.push(pair.whole(Scope::Population).map(cell));
        VerdictRow { label: comparison.models[pair.a].clone(), cells }
    };
    let baseline = &comparison.models[comparison.baseline];
    Verdicts {
        title: title(lock, &format!("is it better than {baseline}?")),
        caption: vec![
            format!(
                "Numbers: accuracy minus that of {baseline}, in points (0.01 of accuracy). Better or worse: the whole \
                 band lies on one side of 0. Equivalent: the whole band lies within ±{} points. Undecided: neither.",
                100.0 * comparison.options.rope
            ),
            about_bands(comparison),
        ],
        columns,
        rows: comparison.against_baseline().iter().map(row).collect(),
    }
}

fn cell(finding: &Finding) -> VerdictCell {
    let outcome = match finding.verdict {
        Verdict::ABetter => Outcome::Better,
        Verdict::BBetter => Outcome::Worse,
        Verdict::Equivalent => Outcome::Equivalent,
        Verdict::Undecided => Outcome::Undecided,
    };
    VerdictCell { outcome, text: words::points_to(finding.estimate.value, 2) }
}

/// Examples needed for each target; `None` without targets.
pub(super) fn needed(
    comparison: &Comparison,
    looks: &Looks,
    lock: &Lock,
) -> Option<NeededExamples> {
    if comparison.targets.is_empty() {
        return None;
    }
    let row = |(label, needed): (&String, &Needed)| NeededRow {
        label: label.clone(),
        look: looks.look(label),
        examples: needed.reached.map(|reached| match reached {
            Reached::At(n) => Examples::Exactly(n),
            Reached::AtMost(n) => Examples::AtMost(n),
            Reached::MoreThan(n) => Examples::MoreThan(n),
        }),
        low: needed.interval.lo,
        high: needed.interval.hi,
    };
    let order = fewest_first(comparison);
    let panel = |(&accuracy, needed): (&f64, &Vec<Needed>)| NeededPanel {
        accuracy,
        rows: order.iter().map(|&model| row((&comparison.models[model], &needed[model]))).collect(),
    };
    Some(NeededExamples {
        title: title(lock, "training examples needed"),
        caption: vec![format!(
            "Where each learning curve first reaches the accuracy, interpolated in log n. Bars: {} % intervals by \
             the bootstrap over training sets and items.",
            percent(comparison.options.level)
        )],
        sizes: comparison.sizes.clone(),
        panels: comparison.targets.iter().zip(&comparison.needed).map(panel).collect(),
    })
}

/// The models by the examples that they take to the highest target, those equal there by the next: fewest first, and
/// last those without a score.
pub(crate) fn fewest_first(comparison: &Comparison) -> Vec<usize> {
    let least = |needed: &Needed| match needed.reached {
        // Beyond the sizes on either side, and known to be.
        Some(Reached::AtMost(_)) => 0.0,
        Some(Reached::At(n)) => n,
        Some(Reached::MoreThan(n)) => 2.0 * n,
        None => f64::INFINITY,
    };
    let key = |model: usize| -> Vec<f64> {
        comparison.needed.iter().rev().map(|of| least(&of[model])).collect()
    };
    let mut order: Vec<usize> = (0..comparison.models.len()).collect();
    order.sort_by(|&a, &b| {
        let pairs = key(a).into_iter().zip(key(b)).map(|(a, b)| a.total_cmp(&b));
        pairs.fold(Ordering::Equal, Ordering::then)
    });
    order
}

/// The critical-difference diagram.
pub(super) fn ranks(across: &Across) -> Ranks {
    let p = across
        .p
        .map_or("all experiments rank alike".to_owned(), |p| format!("p = {}", words::p_value(p)));
    Ranks {
        title: format!("Mean ranks over {} experiments", across.studies.len()),
        caption: vec![
            format!(
                "Ranks of mean accuracy over log n, 1 is best. Friedman's test, Iman and Davenport's F: {p}. Bars join \
                 models that do not differ by Nemenyi's critical difference at {:.0} %.",
                100.0 * (1.0 - across.alpha)
            ),
            format!("Experiments: {}.", across.studies.join(", ")),
        ],
        models: across.models.iter().cloned().zip(across.ranks.iter().copied()).collect(),
        critical_difference: across.critical_difference,
        cliques: across.cliques.clone(),
    }
}
