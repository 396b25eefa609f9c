//! The tables of a comparison: `comparison.csv`, `crossings.csv`, `sample-efficiency.csv`.

use std::path::Path;

use serde::Serialize;
use stats::Interval;
use stats::curve::{Ratio, Reached};

use super::{Comparison, Finding, Needed, Pair, Scope, words};
use crate::error::Result;
use crate::files;
use crate::store::table;
use crate::summary::digits;

/// A row of `comparison.csv`. New columns go behind the last.
#[derive(Debug, Serialize)]
struct ComparisonRow<'a> {
    a: &'a str,
    b: &'a str,
    n: String,
    scope: &'static str,
    pairs: usize,
    planned: usize,
    items: usize,
    difference: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    level: f64,
    p: Option<f64>,
    p_holm: Option<f64>,
    p_better: Option<f64>,
    p_equivalent: Option<f64>,
    p_worse: Option<f64>,
    rope: f64,
    verdict: &'static str,
    reason: String,
    standard_error: Option<f64>,
    df: Option<f64>,
}

/// A row of `crossings.csv`.
#[derive(Debug, Serialize)]
struct CrossingRow<'a> {
    a: &'a str,
    b: &'a str,
    overtakes: &'a str,
    n: f64,
    low: f64,
    high: f64,
    level: f64,
    share: f64,
    reliable: bool,
}

/// A row of `sample-efficiency.csv`.
#[derive(Debug, Serialize)]
struct EfficiencyRow<'a> {
    a: &'a str,
    b: &'a str,
    accuracy: f64,
    n_a: Option<f64>,
    n_a_is: &'static str,
    n_b: Option<f64>,
    n_b_is: &'static str,
    ratio: Option<f64>,
    ratio_is: &'static str,
    low: Option<f64>,
    high: Option<f64>,
    level: f64,
}

/// Writes the three tables into `folder`.
///
/// # Errors
/// [`crate::error::Error::Io`].
pub fn write(folder: &Path, comparison: &Comparison) -> Result<()> {
    let path = folder.join("comparison.csv");
    files::write_whole(&path, &table(&path, comparison_rows(comparison).into_iter())?)?;
    let path = folder.join("crossings.csv");
    let rows = comparison.pairs.iter().filter_map(|pair| crossing_row(comparison, pair));
    files::write_whole(&path, &with_header(table(&path, rows)?, CROSSING_COLUMNS))?;
    let path = folder.join("sample-efficiency.csv");
    let rows = comparison.pairs.iter().flat_map(|pair| efficiency_rows(comparison, pair));
    files::write_whole(&path, &with_header(table(&path, rows)?, EFFICIENCY_COLUMNS))
}

const CROSSING_COLUMNS: &str = "a,b,overtakes,n,low,high,level,share,reliable\n";
const EFFICIENCY_COLUMNS: &str =
    "a,b,accuracy,n_a,n_a_is,n_b,n_b_is,ratio,ratio_is,low,high,level\n";

/// A table without rows still says what its columns would be.
fn with_header(table: Vec<u8>, columns: &str) -> Vec<u8> {
    if table.is_empty() { columns.as_bytes().to_vec() } else { table }
}

fn comparison_rows(comparison: &Comparison) -> Vec<ComparisonRow<'_>> {
    let mut rows = Vec::new();
    for pair in &comparison.pairs {
        for &n in &comparison.sizes {
            let found: Vec<&Finding> =
                pair.findings.iter().filter(|finding| finding.n == Some(n)).collect();
            if found.is_empty() {
                rows.push(missing_row(comparison, pair, n));
            }
            rows.extend(found.into_iter().map(|finding| row(comparison, pair, finding)));
        }
        rows.extend(pair.curve.iter().map(|finding| row(comparison, pair, finding)));
    }
    rows
}

fn row<'a>(comparison: &'a Comparison, pair: &Pair, finding: &Finding) -> ComparisonRow<'a> {
    let regions = finding.regions.as_ref();
    ComparisonRow {
        a: &comparison.models[pair.a],
        b: &comparison.models[pair.b],
        n: finding.n.map_or("all".to_owned(), |n| n.to_string()),
        scope: finding.scope.name(),
        pairs: finding.pairs,
        planned: comparison.planned,
        items: finding.items,
        difference: Some(digits(finding.estimate.value)),
        low: Some(digits(finding.band.lo)),
        high: Some(digits(finding.band.hi)),
        level: comparison.options.level,
        p: finding.p.map(digits),
        p_holm: finding.p_holm.map(digits),
        p_better: regions.map(|r| digits(r.right)),
        p_equivalent: regions.map(|r| digits(r.rope)),
        p_worse: regions.map(|r| digits(r.left)),
        rope: comparison.options.rope,
        verdict: words::verdict(finding.verdict),
        reason: words::reason(finding, &comparison.options),
        standard_error: Some(digits(finding.estimate.standard_error())),
        df: Some((finding.estimate.df * 100.0).round() / 100.0),
    }
}

/// No trial of the pair is ok at this n: said, not left out.
fn missing_row<'a>(comparison: &'a Comparison, pair: &Pair, n: u32) -> ComparisonRow<'a> {
    ComparisonRow {
        a: &comparison.models[pair.a],
        b: &comparison.models[pair.b],
        n: n.to_string(),
        scope: Scope::Population.name(),
        pairs: 0,
        planned: comparison.planned,
        items: 0,
        difference: None,
        low: None,
        high: None,
        level: comparison.options.level,
        p: None,
        p_holm: None,
        p_better: None,
        p_equivalent: None,
        p_worse: None,
        rope: comparison.options.rope,
        verdict: "undecided",
        reason: "no split has both models' trials ok".to_owned(),
        standard_error: None,
        df: None,
    }
}

fn crossing_row<'a>(comparison: &'a Comparison, pair: &Pair) -> Option<CrossingRow<'a>> {
    let crossing = pair.crossing.as_ref()?;
    let [a, b] = [pair.a, pair.b].map(|model| comparison.models[model].as_str());
    Some(CrossingRow {
        a,
        b,
        overtakes: if crossing.a_overtakes { a } else { b },
        n: tenths(crossing.n),
        low: tenths(crossing.interval.lo),
        high: tenths(crossing.interval.hi),
        level: comparison.options.level,
        share: crossing.share,
        reliable: crossing.reliable,
    })
}

fn efficiency_rows<'a>(comparison: &'a Comparison, pair: &Pair) -> Vec<EfficiencyRow<'a>> {
    let row = |(at, e): (usize, &super::Efficiency)| {
        let [(n_a, n_a_is), (n_b, n_b_is)] =
            [pair.a, pair.b].map(|model| censored(&comparison.needed[at][model]));
        let (ratio, ratio_is) = match e.ratio {
            Ratio::Exactly(r) => (Some(r), "exactly"),
            Ratio::AtLeast(r) => (Some(r), "at least"),
            Ratio::AtMost(r) => (Some(r), "at most"),
            Ratio::Unknown => (None, "unknown"),
        };
        let Interval { lo, hi } = e.interval;
        EfficiencyRow {
            a: &comparison.models[pair.a],
            b: &comparison.models[pair.b],
            accuracy: e.target,
            n_a,
            n_a_is,
            n_b,
            n_b_is,
            ratio: ratio.map(thousandths),
            ratio_is,
            low: (lo > 0.0).then(|| thousandths(lo)),
            high: hi.is_finite().then(|| thousandths(hi)),
            level: comparison.options.level,
        }
    };
    // A pair of which one model has no score at all has no ratios.
    pair.efficiency.iter().enumerate().map(row).collect()
}

fn censored(needed: &Needed) -> (Option<f64>, &'static str) {
    match needed.reached {
        Some(Reached::At(n)) => (Some(tenths(n)), "exactly"),
        Some(Reached::AtMost(n)) => (Some(n), "at most"),
        Some(Reached::MoreThan(n)) => (Some(n), "more than"),
        None => (None, "unknown"),
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
