//! What a report says, whatever it is written in.

use stats::curve::Reached;
use stats::fit::NoFit;

use super::Table;
use crate::compare::words::BAND_AND_P;
use crate::compare::{Comparison, Crossing, Finding, Needed, Scope, Verdict, trust, words};
use crate::figures::compared::fewest_first;
use crate::figures::{Sources, task};
use crate::forecast::{self, Forecast};
use crate::show;
use crate::summary::Cell;

/// What was asked, of which data, by which protocol.
pub(super) fn question(sources: &Sources<'_>) -> String {
    let lock = sources.lock;
    let cap = lock.protocol.test_size;
    let cap = cap.map_or(String::new(), |cap| format!(", at most {cap} items scored a fold"));
    format!(
        "how many of a thousand held-out items does each model get wrong, after learning from n examples? \
         Data: {}; {}, training sets {}{cap}; seed {}.",
        task(lock),
        show::design(&lock.protocol),
        lock.protocol.draws,
        lock.seed
    )
}

/// The verdict in sentences, the shortest first.
pub(super) fn verdicts(sources: &Sources<'_>) -> Vec<String> {
    let mut text = Vec::new();
    if let Some(comparison) = sources.comparison {
        text.push(headline(comparison));
        text.extend(words::sentences(comparison));
    }
    text.extend(sources.trust.map(trust::sentences).unwrap_or_default());
    let (not_ok, trials) = sources.summary.not_ok();
    text.push(format!("{trials} trials, {not_ok} of them not ok."));
    text.extend(sources.notes.iter().cloned());
    text
}

/// One sentence on all verdicts against the baseline.
fn headline(comparison: &Comparison) -> String {
    let best = &comparison.models[comparison.baseline];
    format!("Most accurate on average over log n: {best}. Against it {}.", counts(comparison))
}

/// How many verdicts against the baseline are of which kind.
pub(crate) fn counts(comparison: &Comparison) -> String {
    let pairs = comparison.against_baseline();
    let all: Vec<Verdict> = pairs
        .iter()
        .flat_map(|pair| pair.in_scope(Scope::Population))
        .map(|finding| finding.verdict)
        .collect();
    let count = |verdict| all.iter().filter(|&&v| v == verdict).count();
    format!(
        "the {} other models are worse in {}, equivalent in {}, better in {} and undecided in {} of {} verdicts (one for \
         each model and n)",
        pairs.len(),
        count(Verdict::BBetter),
        count(Verdict::Equivalent),
        count(Verdict::ABetter),
        count(Verdict::Undecided),
        all.len()
    )
}

/// All tables that the results allow.
pub(super) fn tables(sources: &Sources<'_>) -> Vec<Table> {
    let mut tables = vec![errors(sources)];
    if let Some(comparison) = sources.comparison {
        tables.push(differences(comparison));
        tables.extend(needed(comparison));
        tables.extend(crossings(comparison));
    }
    tables.extend(fits(sources));
    tables.extend(sources.trust.and_then(cross_validation));
    tables.extend(forecasts(sources));
    tables
}

/// Under- or overfitted? Accuracy and loss on the training examples themselves, and steps, of the models that take any.
fn fits(sources: &Sources<'_>) -> Option<Table> {
    let summary = sources.summary;
    let sizes = summary.sizes();
    let cell = |cell: Option<&Cell>| {
        let told = cell.and_then(|cell| Some((cell.train_accuracy?, cell.train_loss, cell.steps?)));
        let Some((accuracy, loss, steps)) = told else { return "–".to_owned() };
        let loss = loss.map_or("–".to_owned(), small);
        format!("{:.1} %, {loss}, {steps:.0}", 100.0 * accuracy)
    };
    let row = |model: &str| -> Vec<String> {
        let cells = sizes.iter().map(|&n| cell(summary.cell(model, n)));
        std::iter::once(model.to_owned()).chain(cells).collect()
    };
    let stepping = |model: &&str| {
        summary.cells.iter().any(|cell| cell.model == **model && cell.steps.is_some())
    };
    let rows: Vec<Vec<String>> = summary.models().into_iter().filter(stepping).map(row).collect();
    (!rows.is_empty()).then(|| Table {
        caption: "Do the nets fit? Accuracy on the training examples, loss on them, gradient steps".to_owned(),
        header: by_size("model", &sizes),
        rows,
        note: "Means over trials, steps the median. Far below 100 %: underfitted, trained too little. Near 100 % with \
               many errors on new items: what is left is overfitting, or too few examples."
            .to_owned(),
    })
}

/// A loss with two digits that count.
fn small(loss: f64) -> String {
    match loss {
        loss if loss >= 0.1 => format!("{loss:.2}"),
        loss if loss >= 0.001 => format!("{loss:.4}"),
        loss => format!("{loss:.0e}"),
    }
}

/// What twice the data would bring; none if no model has as many sizes as a fit needs.
fn forecasts(sources: &Sources<'_>) -> Option<Table> {
    let all = forecast::forecasts(sources.summary);
    let n = all.first()?.n;
    let row = |f: &Forecast| {
        let last = sources.summary.cells.iter().rev().find(|cell| cell.model == f.model);
        let errors = |accuracy: f64| format!("{:.1}", 1000.0 * (1.0 - accuracy));
        let now = last
            .and_then(|cell| cell.accuracy.as_ref())
            .map_or("–".to_owned(), |a| errors(a.mean));
        let by = f.foretold.iter().map(|&(family, _)| forecast::name(family)).collect::<Vec<_>>();
        let accuracies = || f.foretold.iter().map(|&(_, accuracy)| accuracy);
        let (least, most) = (accuracies().fold(1.0, f64::min), accuracies().fold(0.0, f64::max));
        match (f.foretold.as_slice(), &f.failed) {
            ([], Some(why)) => vec![f.model.clone(), now, "–".to_owned(), why.to_string()],
            ([], None) => vec![f.model.clone(), now, "–".to_owned(), "no fit".to_owned()],
            (_, _) => {
                let (low, high) = (errors(most), errors(least));
                let range = if low == high { low } else { format!("{low} to {high}") };
                vec![f.model.clone(), now, range, by.join(", ")]
            }
        }
    };
    let few =
        |f: &Forecast| f.foretold.is_empty() && matches!(f.failed, Some(NoFit::TooFewSizes { .. }));
    (!all.iter().all(few)).then(|| Table {
        caption: format!("What twice the data would bring: errors per thousand at n = {n:.0}, foretold"),
        header: ["model", "now", "foretold", "by"].map(str::to_owned).to_vec(),
        rows: all.iter().map(row).collect(),
        note: "Learning curves fitted to all sizes, weighted, with a limit of at most 1. A family counts if the curve \
               rises and the family, fitted without the largest size, foretells it; the range is over those that do. \
               Nothing is read beyond twice the largest size."
            .to_owned(),
    })
}

fn by_size(first: &str, sizes: &[u32]) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(sizes.iter().map(|n| format!("n = {n}"))).collect()
}

fn errors(sources: &Sources<'_>) -> Table {
    let summary = sources.summary;
    let sizes = summary.sizes();
    let row = |model: &str| {
        let cells = sizes.iter().map(|&n| interval_cell(summary.cell(model, n)));
        std::iter::once(model.to_owned()).chain(cells).collect()
    };
    Table {
        caption: "Errors per thousand".to_owned(),
        header: by_size("model", &sizes),
        rows: summary.models().into_iter().map(row).collect(),
        note: show::interval_note(summary).trim().to_owned(),
    }
}

fn interval_cell(cell: Option<&Cell>) -> String {
    match cell.and_then(|cell| Some((cell, cell.accuracy.as_ref()?))) {
        Some((cell, a)) => {
            let missing = match cell.trials - cell.ok {
                0 => String::new(),
                _ => format!(" ({} of {} trials)", cell.ok, cell.trials),
            };
            format!(
                "{:.1} [{:.1}, {:.1}]{missing}",
                1000.0 * (1.0 - a.mean),
                1000.0 * (1.0 - a.interval.hi),
                1000.0 * (1.0 - a.interval.lo)
            )
        }
        None => "–".into(),
    }
}

fn differences(comparison: &Comparison) -> Table {
    let baseline = &comparison.models[comparison.baseline];
    let cell = |finding: Option<&Finding>| match finding {
        Some(f) => format!(
            "{} [{}, {}] {}",
            words::points(f.estimate.value),
            words::points(f.band.lo),
            words::points(f.band.hi),
            words::verdict(f.verdict)
        ),
        None => "–".to_owned(),
    };
    let rows = comparison.against_baseline().into_iter().map(|pair| {
        let at = |n: &u32| cell(pair.in_scope(Scope::Population).find(|f| f.n == Some(*n)));
        let mut row = vec![comparison.models[pair.a].clone()];
        row.extend(comparison.sizes.iter().map(at));
        row.push(cell(pair.whole(Scope::Population)));
        row
    });
    let mut header = by_size("model", &comparison.sizes);
    header.push("all n".to_owned());
    Table {
        caption: format!("Difference to {baseline}, with its band and the verdict"),
        header,
        rows: rows.collect(),
        note: format!(
            "Points: 0.01 of accuracy. Bands: {} %, simultaneous over n for one model, for new training sets and new \
             items; equivalent: within ±{} points. {BAND_AND_P} All pairs, p-values, probabilities, and the verdicts on these very \
             items: comparison.csv.",
            words::plain(100.0 * comparison.options.level),
            words::plain(100.0 * comparison.options.rope)
        ),
    }
}

fn needed(comparison: &Comparison) -> Option<Table> {
    if comparison.targets.is_empty() {
        return None;
    }
    let header = comparison.targets.iter().map(|target| format!("to reach {target}"));
    let row = |(model, name): (usize, &String)| {
        let cells = comparison.needed.iter().map(|of| examples(&of[model]));
        std::iter::once(name.clone()).chain(cells).collect()
    };
    Some(Table {
        caption: "Training examples needed".to_owned(),
        header: std::iter::once("model".to_owned()).chain(header).collect(),
        rows: fewest_first(comparison)
            .into_iter()
            .map(|model| row((model, &comparison.models[model])))
            .collect(),
        note: "Where the learning curve first reaches the accuracy, interpolated in log n; intervals by the bootstrap \
               over training sets and items. Ratios of all pairs: sample-efficiency.csv."
            .to_owned(),
    })
}

fn examples(needed: &Needed) -> String {
    let low = match needed.interval.lo {
        lo if lo > 0.0 => format!("{lo:.0}"),
        _ => "fewer".to_owned(),
    };
    let high = match needed.interval.hi {
        hi if hi.is_finite() => format!("{hi:.0}"),
        _ => "more".to_owned(),
    };
    match needed.reached {
        Some(Reached::At(n)) => format!("{n:.0} [{low}, {high}]"),
        // Replicates may reach it within the sizes all the same, which the interval says then.
        Some(Reached::AtMost(n)) if needed.interval.hi <= n => format!("at most {n:.0}"),
        Some(Reached::MoreThan(n)) if needed.interval.lo >= n => format!("more than {n:.0}"),
        Some(Reached::AtMost(n)) => format!("at most {n:.0} [{low}, {high}]"),
        Some(Reached::MoreThan(n)) => format!("more than {n:.0} [{low}, {high}]"),
        None => "–".to_owned(),
    }
}

fn crossings(comparison: &Comparison) -> Option<Table> {
    let row = |pair: &crate::compare::Pair| {
        let Crossing { n, interval, share, a_overtakes, reliable } = pair.crossing.clone()?;
        let [a, b] = [pair.a, pair.b].map(|model| comparison.models[model].clone());
        let (later, earlier) = if a_overtakes { (a, b) } else { (b, a) };
        reliable.then(|| {
            vec![
                format!("{later} overtakes {earlier}"),
                format!("{n:.0}"),
                format!("{:.0} to {:.0}", interval.lo, interval.hi),
                words::percent_of_replicates(share),
            ]
        })
    };
    let rows: Vec<Vec<String>> = comparison.pairs.iter().filter_map(row).collect();
    let header = ["overtaking", "at n", "interval", "replicates that cross"];
    (!rows.is_empty()).then(|| Table {
        caption: "Where one model overtakes another".to_owned(),
        header: header.map(str::to_owned).to_vec(),
        rows,
        note: "Only crossings that at least 95 % of the bootstrap replicates show; the others are in crossings.csv."
            .to_owned(),
    })
}

fn cross_validation(trust: &trust::Trust) -> Option<Table> {
    let cell = |model: usize, n: u32| {
        let found = trust.cells.iter().find(|cell| cell.model == model && cell.n == n);
        found.map_or("–".to_owned(), |c| {
            format!("{} ± {:.2}", words::points(c.bias), 100.0 * c.spread)
        })
    };
    let row = |(model, name): (usize, &String)| {
        let cells = trust.sizes.iter().map(|&n| cell(model, n));
        std::iter::once(name.clone()).chain(cells).collect::<Vec<_>>()
    };
    let mut rows: Vec<Vec<String>> = trust.models.iter().enumerate().map(row).collect();
    let choice = |n: &u32| {
        let found = trust.choices.iter().find(|choice| choice.n == *n);
        found.map_or("–".to_owned(), |c| {
            format!(
                "{:.0} % [{:.0}, {:.0}], −{:.2}",
                100.0 * c.wrong,
                100.0 * c.wrong_interval.lo,
                100.0 * c.wrong_interval.hi,
                100.0 * c.regret
            )
        })
    };
    rows.push(
        std::iter::once("wrong winner, cost".to_owned())
            .chain(trust.sizes.iter().map(choice))
            .collect(),
    );
    (!trust.cells.is_empty()).then(|| Table {
        caption: "Cross-validated minus true accuracy, in points".to_owned(),
        header: by_size("model", &trust.sizes),
        rows,
        note: "Mean difference ± standard deviation between samples. Last row: share of samples in which the model \
               with the best cross-validated accuracy is beaten on the test set by another, with Wilson's 95 % interval, \
               and what choosing it costs in points on average. By pairs of models: cross-validation-pairs.csv."
            .to_owned(),
    })
}
