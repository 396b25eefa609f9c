//! The study in words: every number is read from the tables, so that `settle --text` and a test can write it again.

use std::fmt::Write as _;
use std::path::Path;

use bench::error::{Error, Result};
use bench::files;

use crate::answer::{Answer, TASKS};
use crate::causes::Cause;
use crate::fit::{FitRow, GAP, LEARNT};
use crate::tables::Tables;

/// Where the study's lines stand in the repository's README.
const BEGIN: &str = "<!-- settle: written by `cargo run -p settle` from results/settle-2017 -->";
const END: &str = "<!-- settle: end -->";

/// Writes the study's page into `out`.
///
/// # Errors
/// If a number that the text needs is not in the tables, or the file can't be written.
pub fn write(out: &Path, tables: &Tables) -> Result<()> {
    files::write_whole(&out.join("README.md"), study(tables)?.as_bytes())
}

/// Writes the study's lines in the repository's README at `path` anew.
///
/// # Errors
/// If it has no place for them, a number is not in the tables, or the file can't be written.
pub fn renew(path: &Path, tables: &Tables) -> Result<()> {
    let readme = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let renewed = renewed(&readme, tables)?;
    if renewed == readme { Ok(()) } else { files::write_whole(path, renewed.as_bytes()) }
}

/// The repository's README with the study's lines written anew.
///
/// # Errors
/// If it has no place for them, or a number is not in the tables.
pub fn renewed(readme: &str, tables: &Tables) -> Result<String> {
    let split =
        readme.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = split.ok_or_else(|| {
        Error::input(format!("README.md has no lines `{BEGIN}` and `{END}` for the study's words"))
    })?;
    let quotes = quotes(tables)?.iter().map(|quote| format!("- {quote}\n")).collect::<String>();
    Ok(format!("{before}{BEGIN}\n{quotes}{END}{after}"))
}

/// What a journalist could quote: three sentences, each with its interval.
///
/// # Errors
/// If a number is not in the tables.
pub fn quotes(tables: &Tables) -> Result<Vec<String>> {
    let ten = answer(tables, ("0v1", "cnn", "leekasso"), Some(10))?;
    let eighty = answer(tables, ("0v1", "cnn", "leekasso"), Some(80))?;
    let first = format!(
        "On MNIST 0 against 1, a small convolutional net makes {} than the ten-pixel linear fit (\"Leekasso\") after ten \
         labelled examples and {} after eighty.",
        errors_than(ten),
        errors_than(eighty),
    );
    let standardised = cause(tables, "leek-h2o-unit-scale", "leek-h2o", 10)?;
    let rate = cause(tables, "leek-as-posted", "leek-constant-rate", 10)?;
    let second = format!(
        "The deep net that lost in 2017 lost by how it was fed and trained, not by its size: after ten examples, its five \
         layers of 160 units make {} per thousand on pixels in 0-1 instead of standardised ones, and the copy of it in the \
         reply makes {} without the decay that all but stopped its learning.",
        change(-standardised.effect, -standardised.high, -standardised.low),
        change(rate.effect, rate.low, rate.high),
    );
    let easy = answer(tables, ("0v1", "cnn", "svm-rbf"), None)?;
    let hard = answer(tables, ("4v9", "cnn", "svm-rbf"), None)?;
    let digits = answer(tables, ("10", "cnn", "svm-rbf"), None)?;
    let third = format!(
        "Against a support vector machine at its defaults, averaged over n up to 1,280 on a log scale, that small \
         convolutional net makes {} per thousand on 0 against 1 ({}), {} on 4 against 9 ({}) and {} on all ten digits ({}).",
        change(easy.difference, easy.low, easy.high),
        easy.verdict,
        change(hard.difference, hard.low, hard.high),
        hard.verdict,
        change(digits.difference, digits.low, digits.high),
        digits.verdict,
    );
    Ok(vec![first, second, third])
}

/// `12.3 fewer errors per thousand [95 % interval 10.1, 14.5]`.
fn errors_than(row: &Answer) -> String {
    let word = if row.difference < 0.0 { "fewer" } else { "more" };
    let (low, high) = sizes(row.difference, row.low, row.high);
    format!(
        "{:.1} {word} errors per thousand [95 % interval {low:.1}, {high:.1}]",
        row.difference.abs()
    )
}

/// `12.3 fewer errors [10.1, 14.5]`.
fn change(value: f64, low: f64, high: f64) -> String {
    let word = if value < 0.0 { "fewer" } else { "more" };
    let (low, high) = sizes(value, low, high);
    format!("{:.1} {word} errors [{low:.1}, {high:.1}]", value.abs())
}

/// An interval in the direction of its estimate: of "fewer", how many fewer.
fn sizes(value: f64, low: f64, high: f64) -> (f64, f64) {
    let none = |end: f64| if end.abs() < 0.05 { 0.0 } else { end };
    if value < 0.0 { (none(-high), none(-low)) } else { (none(low), none(high)) }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn answer<'a>(
    tables: &'a Tables,
    (task, net, rival): (&str, &str, &str),
    n: Option<u32>,
) -> Result<&'a Answer> {
    let found = tables
        .answers
        .iter()
        .find(|row| row.task == task && row.net == net && row.rival == rival && row.n == n);
    found.ok_or_else(|| {
        Error::input(format!("answer.csv has no {net} against {rival} on {task} at {n:?}"))
    })
}

fn cause<'a>(tables: &'a Tables, from: &str, to: &str, n: u32) -> Result<&'a Cause> {
    let found = tables.causes.iter().find(|row| row.from == from && row.to == to && row.n == n);
    found.ok_or_else(|| Error::input(format!("causes.csv has no step from {from} to {to} at {n}")))
}

/// The study's own page.
///
/// # Errors
/// If a number is not in the tables.
pub fn study(tables: &Tables) -> Result<String> {
    let mut page = String::from(HEAD);
    for quote in quotes(tables)? {
        let _ = writeln!(page, "- {quote}");
    }
    page.push_str("\n![0 against 1](figures/answer.png)\n");
    let parts = [
        answers(tables),
        causes(tables),
        reading(tables)?,
        fits(tables),
        readings(tables),
        budgets(tables),
        published(tables),
    ];
    for part in parts {
        page.push('\n');
        page.push_str(&part);
    }
    page.push_str(TAIL);
    Ok(page)
}

const HEAD: &str = "# Settle 2017

Written by `cargo run -p settle` from the results of `leek-2017`, `beam-2017` and `settle-*`; every number is in a CSV file
beside this page. Differences are paired, draw by draw and item by item; intervals are 95 %, for new training draws and new
items, simultaneous over n where a line names an n. METHODOLOGY.md says how, BIAS.md what in our choices favours whom.

";

/// Nets against simpler models, task by task.
fn answers(tables: &Tables) -> String {
    let mut text = String::from(
        "## Nets against simpler models\n\nErrors per thousand of the net less those of its rival, averaged over n on a \
         log scale, with the verdict on the net (half a point counts as equivalent); `answer.csv` has every n, \
         `errors.csv` every model.\n\n",
    );
    let mut pairs: Vec<(&str, &str)> =
        tables.answers.iter().map(|row| (&*row.net, &*row.rival)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let _ = writeln!(text, "| net against rival | {} |", TASKS.map(|(_, name)| name).join(" | "));
    text.push_str("|---|---|---|---|---|---|\n");
    for (net, rival) in pairs {
        let cells = TASKS.map(|(task, _)| match answer(tables, (task, net, rival), None) {
            Ok(row) => {
                format!(
                    "{:+.1} [{:+.1}, {:+.1}] {}",
                    row.difference, row.low, row.high, row.verdict
                )
            }
            Err(_) => "not run".into(),
        });
        let _ = writeln!(text, "| {net} against {rival} | {} |", cells.join(" | "));
    }
    text.push_str("\nThe most accurate model at each n (of those within its interval, more may be as good):\n\n");
    text.push_str(&best(tables));
    text
}

/// The model with the fewest errors on each task at each n.
fn best(tables: &Tables) -> String {
    let sizes = [5, 10, 20, 40, 80, 160, 320, 640, 1280];
    let heads: Vec<String> = sizes.iter().map(|n| format!("n = {n}")).collect();
    let mut text =
        format!("| task | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(sizes.len()));
    for (task, name) in TASKS {
        let cells = sizes.map(|n| {
            let rows = tables.errors.iter().filter(|row| row.task == task && row.n == n);
            let best = rows.min_by(|a, b| a.errors.total_cmp(&b.errors));
            best.map_or(String::new(), |row| format!("{} {:.1}", row.model, row.errors))
        });
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

/// What the table of causes says, in words.
fn reading(tables: &Tables) -> Result<String> {
    let rate = cause(tables, "leek-as-posted", "leek-constant-rate", 10)?;
    let h2o = cause(tables, "leek-h2o-unit-scale", "leek-h2o", 10)?;
    let init = cause(tables, "leek-relu", "leek-pytorch-init", 10)?;
    let later = cause(tables, "leek-relu", "leek-pytorch-init", 80)?;
    let dropout = cause(tables, "cnn-no-dropout", "cnn-beam", 10)?;
    let (net, most) = most_lost(&tables.training);
    Ok(format!(
        "In words, at n = 10: the net as Beam posted it all but stops learning after its first steps, since its rate decays; \
         without the decay it makes {}. The original's net, h2o's defaults, does learn its examples; it loses by \
         standardising each pixel on ten of them, which costs {} against pixels in 0-1. Initial weights decide whether a net \
         of five layers trains at all by plain gradient descent: PyTorch's cost {} (at n = 80 {}). Dropout helps the \
         convolutional net: with it, it makes {}. Training longer never cost much: of all courses below, the largest loss \
         from the best number of steps to the last is {:.1} points ({net}).\n",
        change(rate.effect, rate.low, rate.high),
        change(h2o.effect, h2o.low, h2o.high),
        change(init.effect, init.low, init.high),
        change(later.effect, later.low, later.high),
        change(dropout.effect, dropout.low, dropout.high),
        100.0 * most,
    ))
}

/// The course over steps that loses most from its best test accuracy to its last, and how much.
fn most_lost(rows: &[FitRow]) -> (String, f64) {
    let mut most = (String::new(), f64::NEG_INFINITY);
    for last in rows {
        let course = || rows.iter().filter(|row| row.net == last.net && row.n == last.n);
        if course().any(|row| row.steps > last.steps) {
            continue;
        }
        let best = course().map(|row| row.test_accuracy).fold(0.0, f64::max);
        if best - last.test_accuracy > most.1 {
            most = (format!("{}, n = {}", last.net, last.n), best - last.test_accuracy);
        }
    }
    most
}

fn causes(tables: &Tables) -> String {
    let sizes = [10, 20, 40, 80];
    let mut text = String::from(
        "## Why the net of 2017 lost\n\n![Effects of single changes](figures/causes.png)\n\nChange in errors per thousand, \
         one change at a time; below 0 the change helps (`causes.csv`).\n\n\
         | part | change | n = 10 | n = 20 | n = 40 | n = 80 |\n|---|---|--:|--:|--:|--:|\n",
    );
    let mut seen: Vec<&str> = Vec::new();
    for row in &tables.causes {
        if seen.contains(&&*row.change) {
            continue;
        }
        seen.push(&row.change);
        let cells = sizes.map(|n| {
            let of = |cause: &&Cause| cause.change == row.change && cause.n == n;
            tables.causes.iter().find(of).map_or(String::new(), |c| {
                format!("{:+.1} [{:+.1}, {:+.1}]", c.effect, c.low, c.high)
            })
        });
        let _ = writeln!(text, "| {} | {} | {} |", row.part, row.change, cells.join(" | "));
    }
    text
}

fn fits(tables: &Tables) -> String {
    let mut text = format!(
        "## Overfitted or underfitted?\n\n![Accuracy over gradient steps](figures/training.png)\n\nA net is called \
         underfitted here if it gets less than {} of its own training examples right, overfitted if it has learnt them and \
         falls behind by more than {} points on the test set (`fit.csv`; `training.csv` has the course over steps).\n\n\
         | net | n | steps | training | test | |\n|---|--:|--:|--:|--:|---|\n",
        percent(LEARNT),
        100.0 * GAP,
    );
    for row in tables.fits.iter().filter(|row| [10, 40, 80].contains(&row.n)) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} [{}, {}] | {} |",
            row.net,
            row.n,
            row.steps,
            percent(row.train_accuracy),
            percent(row.test_accuracy),
            percent(row.low),
            percent(row.high),
            row.reading
        );
    }
    text
}

/// What the two limits say of the nets that lost, and what does settle it.
fn readings(tables: &Tables) -> String {
    let of = |net: &str| {
        let rows = tables.fits.iter().filter(|row| row.net == net);
        rows.map(|row| format!("{} at {}", row.reading, row.n)).collect::<Vec<_>>().join(", ")
    };
    format!(
        "By these limits the net as posted is {}, the original's {}: two accuracies alone do not settle it. What does is the \
         table of causes. The same layers, given a constant rate, learn all of their examples and make far fewer errors on \
         new ones; so the posted net suffered from too little training. The original's learnt all of its examples, too, and \
         did worse on new ones for the scale of its pixels.\n",
        of("leek-as-posted"),
        of("leek-h2o"),
    )
}

fn budgets(tables: &Tables) -> String {
    let mut text = String::from(
        "## Equal epochs or equal steps\n\n![Cost of a fixed number of epochs](figures/equal-steps.png)\n\nWhat a fixed \
         number of epochs costs, in errors per thousand against 600 steps (`equal-steps.csv`): with few examples it is \
         few updates.\n\n| task | net | n | steps | training accuracy | errors | errors at 600 steps | cost |\n\
         |---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in tables.budgets.iter().filter(|row| [10, 80, 1280].contains(&row.n)) {
        let task = TASKS.iter().find(|(task, _)| *task == row.task).map_or("", |(_, name)| name);
        let _ = writeln!(
            text,
            "| {task} | {} | {} | {} | {} | {:.1} | {:.1} | {:+.1} [{:+.1}, {:+.1}] |",
            row.by_epochs,
            row.n,
            row.steps,
            percent(row.train_accuracy),
            row.errors_by_epochs,
            row.errors_by_steps,
            row.cost,
            row.low,
            row.high
        );
    }
    text
}

fn published(tables: &Tables) -> String {
    let mut text = String::from(
        "## The published figures\n\n![Leek's figure and ours](figures/published-leek-2017.png)\n\n\
         | model | published points | inside our 10-90 % bar | mean distance, points |\n|---|--:|--:|--:|\n",
    );
    let points = || tables.published.iter().filter(|point| point.published.is_some());
    let mut models: Vec<&str> = points().map(|point| &*point.model).collect();
    models.dedup();
    for model in models {
        let of: Vec<_> = points().filter(|point| point.model == model).collect();
        let inside = of.iter().filter(|point| point.inside == Some(true)).count();
        let distance: f64 =
            of.iter().filter_map(|point| Some(point.ours - point.published?)).sum::<f64>()
                / of.len() as f64;
        let _ = writeln!(text, "| {model} | {} | {inside} | {:+.1} |", of.len(), 100.0 * distance);
    }
    text.push_str(PUBLISHED);
    let beam = tables.published.iter().filter(|point| point.study == "beam-2017");
    for point in beam.filter(|point| [10, 80].contains(&point.n)) {
        let _ = writeln!(text, "| {} | {} | {} |", point.model, point.n, percent(point.ours));
    }
    text
}

const PUBLISHED: &str = "
\"Distance\" is ours less the published. Bars are from five draws, as in the original, so a published mean falls outside
now and then by chance alone. Where the published net lies below ours, what we did not repeat are h2o's own ways: updates
from several threads at once, its choice of the label threshold, its own sampling of passes.

![Beam's study, run as meant](figures/published-beam-2017.png)

Beam claimed \"essentially perfect accuracy for all sample sizes\" for his nets. Run as he meant it (pixels from 0 to 255,
five draws with replacement), they come to:

| model | n | accuracy |
|---|--:|--:|
";

const TAIL: &str = "
## What models look at

One picture a task: weights of linear models, importance, permutation and occlusion (`maps-*.csv`).

![0 against 1](figures/maps-0v1.png)
![3 against 5](figures/maps-3v5.png)
![4 against 9](figures/maps-4v9.png)
![7 against 9](figures/maps-7v9.png)
![Ten digits](figures/maps-10.png)

## Again

```
bash scripts/reproduce.sh          # everything, from nothing: a good hour on two cores
bash scripts/reproduce.sh --quick  # fewer draws, in about ten minutes, into another folder
cargo run -p bench -- verify settle-causes-0v1
```
";
