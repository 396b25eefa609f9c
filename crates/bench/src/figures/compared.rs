//! Figures 2 to 4, which compare: differences to a baseline, verdicts, examples needed; and ranks over experiments.

use plot::{
    Difference, DifferenceCurve, Differences, Examples, NeededExamples, NeededPanel, NeededRow,
    Outcome, Ranks, VerdictCell, VerdictRow, Verdicts,
};
use stats::curve::Reached;

use super::title;
use crate::compare::across::Across;
use crate::compare::{Comparison, Finding, Pair, Scope, Verdict, words};
use crate::store::Lock;

/// Paired differences to the baseline; `None` without a single pair.
pub(super) fn differences(
    comparison: &Comparison,
    looks: &[String],
    lock: &Lock,
) -> Option<Differences> {
    let point = |finding: &Finding| {
        Some(Difference {
            n: finding.n?,
            estimate: finding.estimate.value,
            low: finding.band.lo.max(-1.0),
            high: finding.band.hi.min(1.0),
        })
    };
    let curve = |pair: &Pair| {
        let label = comparison.models[pair.a].clone();
        DifferenceCurve {
            look: looks.iter().position(|name| *name == label).unwrap_or(looks.len()),
            points: pair.in_scope(Scope::Population).filter_map(point).collect(),
            label,
        }
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

fn about_bands(comparison: &Comparison) -> String {
    let chosen = if comparison.baseline_named { "" } else { ", the most accurate on average here" };
    format!(
        "Differences by pairs of the same split and item, to {}{chosen}. Bands: {} %, simultaneous over n for each \
         model (max-t), covering new training sets and new items.",
        comparison.models[comparison.baseline],
        (1000.0 * comparison.options.level).round() / 10.0
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
    looks: &[String],
    lock: &Lock,
) -> Option<NeededExamples> {
    if comparison.targets.is_empty() {
        return None;
    }
    let row = |(label, needed): (&String, &crate::compare::Needed)| NeededRow {
        label: label.clone(),
        look: looks.iter().position(|name| name == label).unwrap_or(looks.len()),
        examples: needed.reached.map(|reached| match reached {
            Reached::At(n) => Examples::Exactly(n),
            Reached::AtMost(n) => Examples::AtMost(n),
            Reached::MoreThan(n) => Examples::MoreThan(n),
        }),
        low: needed.interval.lo,
        high: needed.interval.hi,
    };
    let panel = |(&accuracy, needed): (&f64, &Vec<crate::compare::Needed>)| NeededPanel {
        accuracy,
        rows: comparison.models.iter().zip(needed).map(row).collect(),
    };
    Some(NeededExamples {
        title: title(lock, "training examples needed"),
        caption: vec![format!(
            "Where each learning curve first reaches the accuracy, interpolated in log n. Bars: {} % intervals by \
             the bootstrap over training sets and items.",
            (1000.0 * comparison.options.level).round() / 10.0
        )],
        sizes: comparison.sizes.clone(),
        panels: comparison.targets.iter().zip(&comparison.needed).map(panel).collect(),
    })
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
