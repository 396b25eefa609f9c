//! A comparison in words: reasons, plain sentences, and the table on the terminal.

use std::fmt::Write;

use stats::Interval;
use stats::curve::Ratio;

use super::{Comparison, Crossing, Efficiency, Finding, Options, Pair, Scope, Verdict};

/// A verdict from the first model's side.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::ABetter => "better",
        Verdict::BBetter => "worse",
        Verdict::Equivalent => "equivalent",
        Verdict::Undecided => "undecided",
    }
}

/// Why the verdict is what it is.
pub fn reason(finding: &Finding, options: &Options) -> String {
    let Interval { lo, hi } = finding.band;
    let what = match finding.n {
        Some(_) => format!("{} % band", percent(options.level)),
        None => format!("{} % interval", percent(options.level)),
    };
    let ends = format!("the {what} {} to {} points", points(lo), points(hi));
    let rope = plain(100.0 * options.rope);
    let same = finding.estimate.variance == 0.0 && finding.estimate.value == 0.0;
    let text = match finding.verdict {
        _ if lo == hi => "no variation was observed, which is no evidence".to_owned(),
        Verdict::Equivalent if same => format!(
            "they agreed on all {} items, so that they differ on less than {} of 100 of such items",
            finding.items,
            plain((1e5 * hi).ceil() / 1e3)
        ),
        _ if same => format!(
            "they agreed on all {} items, which are too few to show that they are equivalent within ±{rope} points",
            finding.items
        ),
        Verdict::Equivalent if lo > 0.0 || hi < 0.0 => {
            format!("{ends} lies on one side of 0, but within ±{rope} points")
        }
        Verdict::Equivalent => format!("{ends} lies within ±{rope} points"),
        Verdict::ABetter => format!("{ends} lies above 0"),
        Verdict::BBetter => format!("{ends} lies below 0"),
        Verdict::Undecided => format!("{ends} holds 0 and reaches beyond ±{rope} points"),
    };
    match (finding.scope, finding.pairs) {
        (Scope::Population, 1) => format!("{text}; a single training draw, so for new items only"),
        _ => text,
    }
}

/// A difference in points (hundredths of accuracy), with its sign; below a tenth of a point to a thousandth.
pub fn points(difference: f64) -> String {
    let small = difference.abs() < 0.000_995 && difference != 0.0;
    points_to(difference, if small { 3 } else { 2 })
}

/// A difference in points with so many decimals.
pub fn points_to(difference: f64, decimals: usize) -> String {
    let value = 100.0 * difference;
    let text = format!("{value:+.decimals$}");
    // A minus as wide as the plus, and no sign on what rounds to nothing.
    if text[1..].chars().all(|c| c == '0' || c == '.') {
        text[1..].to_owned()
    } else {
        text.replace('-', "−")
    }
}

fn percent(level: f64) -> String {
    plain(100.0 * level)
}

/// A number with as many decimals as it needs, at most six.
pub(crate) fn plain(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    format!("{rounded}")
}

/// Sentences about every model against the baseline that can be quoted as they stand: a paragraph for each model.
pub fn sentences(comparison: &Comparison) -> Vec<String> {
    let pairs = comparison.against_baseline();
    pairs.iter().map(|pair| about_pair(comparison, pair).join(" ")).collect()
}

/// Sentences about one pair.
pub fn about_pair(comparison: &Comparison, pair: &Pair) -> Vec<String> {
    let names = [pair.a, pair.b].map(|model| comparison.models[model].as_str());
    let mut text: Vec<String> =
        runs(pair).into_iter().map(|run| about_run(names, &run, &comparison.options)).collect();
    text.extend(pair.whole(Scope::Population).map(|whole| about_curve(names, whole, comparison)));
    text.extend(pair.crossing.as_ref().map(|c| about_crossing(names, c, &comparison.options)));
    let told = pair.efficiency.iter().rev().find(|e| e.ratio != Ratio::Unknown);
    text.extend(told.and_then(|e| about_efficiency(names, e, &comparison.options)));
    text
}

/// Findings in the population at neighbouring sizes with one verdict.
fn runs(pair: &Pair) -> Vec<Vec<&Finding>> {
    let mut runs: Vec<Vec<&Finding>> = Vec::new();
    for finding in pair.in_scope(Scope::Population) {
        match runs.last_mut() {
            Some(run) if run[0].verdict == finding.verdict => run.push(finding),
            _ => runs.push(vec![finding]),
        }
    }
    runs
}

fn about_run([a, b]: [&str; 2], run: &[&Finding], options: &Options) -> String {
    let sizes: Vec<u32> = run.iter().filter_map(|finding| finding.n).collect();
    let with = match sizes.as_slice() {
        [n] => format!("With {n} training examples"),
        [first, .., last] => format!("With {first} to {last} training examples"),
        [] => "Over the whole curve".to_owned(),
    };
    match run[0].verdict {
        Verdict::ABetter | Verdict::BBetter => {
            let right = if run[0].verdict == Verdict::ABetter { "more" } else { "fewer" };
            format!("{with}, {a} gets {right} right than {b}: {}.", how_many(run, right, options))
        }
        Verdict::Equivalent => format!(
            "{with}, {a} and {b} are equivalent: they differ by less than {} of 1000 new items.",
            plain(1000.0 * options.rope)
        ),
        Verdict::Undecided => {
            let widest = run.iter().map(|f| f.band.lo.abs().max(f.band.hi.abs()));
            let widest = widest.fold(0.0, f64::max);
            format!(
                "{with}, it is undecided which of {a} and {b} is better: the difference may be 0, \
                 or up to {} of 1000 new items.",
                of_thousand(widest)
            )
        }
    }
}

fn how_many(run: &[&Finding], right: &str, options: &Options) -> String {
    let size = |f: &&Finding| f.estimate.value.abs();
    if let [only] = run {
        let ends = [only.band.lo.abs(), only.band.hi.abs()];
        return format!(
            "{} {right} of 1000 new items ({} % band {} to {})",
            of_thousand(size(only)),
            percent(options.level),
            of_thousand(ends[0].min(ends[1])),
            of_thousand(ends[0].max(ends[1]))
        );
    }
    let least = run.iter().map(size).fold(f64::INFINITY, f64::min);
    let most = run.iter().map(size).fold(0.0, f64::max);
    format!(
        "{} to {} {right} of 1000 new items, depending on the number",
        of_thousand(least),
        of_thousand(most)
    )
}

/// A difference as a count among 1000 items, with decimals where they matter.
fn of_thousand(difference: f64) -> String {
    let count = 1000.0 * difference.abs();
    if count < 9.95 { format!("{count:.1}") } else { format!("{count:.0}") }
}

fn about_curve([a, b]: [&str; 2], whole: &Finding, comparison: &Comparison) -> String {
    let options = &comparison.options;
    let (first, last) = (comparison.sizes.first(), comparison.sizes.last());
    let range = match (first, last) {
        (Some(first), Some(last)) => format!("n = {first} to {last}"),
        _ => "all n".to_owned(),
    };
    let ends = format!(
        "{} points on average over log n ({} % interval {} to {})",
        points(whole.estimate.value),
        percent(options.level),
        points(whole.band.lo),
        points(whole.band.hi)
    );
    let judged = match whole.verdict {
        Verdict::ABetter => format!("{a} is better than {b}"),
        Verdict::BBetter => format!("{a} is worse than {b}"),
        Verdict::Equivalent => format!("{a} and {b} are equivalent"),
        Verdict::Undecided => format!("it is undecided which of {a} and {b} is better"),
    };
    format!("Over the whole curve, {range}, {judged}: {ends}.")
}

fn about_crossing([a, b]: [&str; 2], crossing: &Crossing, options: &Options) -> String {
    let (later, earlier) = if crossing.a_overtakes { (a, b) } else { (b, a) };
    let share = percent_of_replicates(crossing.share);
    if !crossing.reliable {
        return format!(
            "No reliable crossing of {a} and {b}: near n = {:.0} their curves cross, but in only {share} of the \
             bootstrap replicates.",
            crossing.n
        );
    }
    format!(
        "{later} overtakes {earlier} at about n = {:.0} ({} % interval {:.0} to {:.0}; {share} of the bootstrap \
         replicates cross).",
        crossing.n,
        percent(options.level),
        crossing.interval.lo,
        crossing.interval.hi
    )
}

/// A share as people read it.
pub(crate) fn percent_of_replicates(share: f64) -> String {
    match 100.0 * share {
        all if all >= 99.95 => "all".to_owned(),
        p if p > 99.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

fn about_efficiency([a, b]: [&str; 2], e: &Efficiency, options: &Options) -> Option<String> {
    let times = |r: f64| if r < 10.0 { format!("{r:.2}") } else { format!("{r:.0}") };
    let Interval { lo, hi } = e.interval;
    let ratio = match e.ratio {
        Ratio::Exactly(r) => format!("about {} times", times(r)),
        Ratio::AtLeast(r) => format!("at least {} times", times(r)),
        Ratio::AtMost(r) => format!("at most {} times", times(r)),
        Ratio::Unknown => return None,
    };
    let interval = match (lo > 0.0, hi.is_finite()) {
        (true, true) => format!("{} to {}", times(lo), times(hi)),
        (true, false) => format!("at least {}", times(lo)),
        (false, true) => format!("at most {}", times(hi)),
        (false, false) => return None,
    };
    Some(format!(
        "For an accuracy of {}, {a} needs {ratio} the examples of {b} ({} % interval {interval}).",
        plain(e.target),
        percent(options.level)
    ))
}

/// The whole comparison for the terminal: verdicts at a glance, each with its numbers, and in words.
pub fn terminal(comparison: &Comparison) -> String {
    let pairs = comparison.against_baseline();
    let baseline = &comparison.models[comparison.baseline];
    let mut text = format!("differences to {baseline}, {}\n\n", chosen(comparison));
    text.push_str(&glance(comparison, &pairs));
    for pair in &pairs {
        text.push_str(&block(comparison, pair));
    }
    let _ = writeln!(text, "\n{}", legend(comparison));
    for sentence in sentences(comparison) {
        let _ = writeln!(text, "- {sentence}");
    }
    text
}

/// How the baseline came to be it.
pub fn chosen(comparison: &Comparison) -> &'static str {
    if comparison.baseline_named {
        "the baseline that was named"
    } else {
        "the most accurate on average here (--baseline names another; a choice made before looking is the fairer one)"
    }
}

/// What the numbers are, in a paragraph.
pub fn legend(comparison: &Comparison) -> String {
    let Options { level, rope, .. } = &comparison.options;
    format!(
        "Differences in points (0.01 of accuracy), by pairs of the same split and item. Bands: {} %, simultaneous over n \
         for one pair of models (not over pairs), for new training sets and new items; the last column is for new \
         training sets on these very items. p: two-sided, Holm over n. {BAND_AND_P} Probabilities: better, equivalent \
         within ±{} points, worse.",
        percent(*level),
        plain(100.0 * rope)
    )
}

/// Why a band and a p-value of one difference need not say the same.
pub(crate) const BAND_AND_P: &str = "Band and p correct for the sizes in two ways, so that close to the level one may \
                                     leave out 0 where the other does not; the verdict is the band's.";

/// One line per model, one column per n: sign and size of the difference and the verdict's initial.
fn glance(comparison: &Comparison, pairs: &[Pair]) -> String {
    let width = comparison.models.iter().map(|m| m.chars().count()).max().unwrap_or(0).max(5);
    let mut text = format!("{:width$}", "model");
    for n in &comparison.sizes {
        let _ = write!(text, " {:>9}", format!("n={n}"));
    }
    let _ = writeln!(text, " {:>9}", "all n");
    for pair in pairs {
        let _ = write!(text, "{:width$}", comparison.models[pair.a]);
        for &n in &comparison.sizes {
            let found = pair.in_scope(Scope::Population).find(|f| f.n == Some(n));
            let _ = write!(text, " {:>9}", found.map_or("–".to_owned(), short));
        }
        let whole = pair.whole(Scope::Population).map_or("–".to_owned(), short);
        let _ = writeln!(text, " {whole:>9}");
    }
    text.push_str("(+ better, − worse, = equivalent, ? undecided)\n");
    text
}

fn short(finding: &Finding) -> String {
    let mark = match finding.verdict {
        Verdict::ABetter => "+",
        Verdict::BBetter => "−",
        Verdict::Equivalent => "=",
        Verdict::Undecided => "?",
    };
    format!("{} {mark}", points(finding.estimate.value))
}

/// One model against the baseline: a row per n and one for the whole curve.
fn block(comparison: &Comparison, pair: &Pair) -> String {
    let [a, b] = [pair.a, pair.b].map(|model| comparison.models[model].as_str());
    let mut text = format!(
        "\n{a} - {b}\n{:>8} {:>7} {:>9}  {:>19} {:>8} {:>17}  {:<11} {}\n",
        "n", "pairs", "points", "band", "p", "better/equi/worse", "verdict", "on these items"
    );
    let rows = pair.in_scope(Scope::Population).chain(pair.whole(Scope::Population));
    for finding in rows {
        let here = pair
            .findings
            .iter()
            .chain(&pair.curve)
            .find(|f| f.n == finding.n && f.scope == Scope::TestSet)
            .map_or("–", |f| verdict(f.verdict));
        let _ = writeln!(
            text,
            "{:>8} {:>7} {:>9}  {:>19} {:>8} {:>17}  {:<11} {here}",
            finding.n.map_or("all".to_owned(), |n| n.to_string()),
            format!("{}/{}", finding.pairs, comparison.planned),
            points(finding.estimate.value),
            format!("[{}, {}]", points(finding.band.lo), points(finding.band.hi)),
            finding.p_holm.map_or("–".to_owned(), p_value),
            finding.regions.map_or("–".to_owned(), |r| {
                format!("{:.2}/{:.2}/{:.2}", r.right, r.rope, r.left)
            }),
            verdict(finding.verdict)
        );
    }
    text
}

/// A p-value as people read it.
pub fn p_value(p: f64) -> String {
    if p < 0.0001 { "<0.0001".to_owned() } else { format!("{p:.4}") }
}
