//! Results of several experiments, and pairs of models from one or two of them.

use std::path::{Path, PathBuf};

use bench::compare::{Comparison, Options, Pair, Scope};
use bench::error::{Error, Result};
use bench::store::Results;
use bench::summary::Summary;

/// The folder that holds results folders.
#[derive(Clone, Debug)]
pub struct Studies {
    root: PathBuf,
}

impl Studies {
    /// Those in `root`.
    pub fn new(root: &Path) -> Studies {
        Studies { root: root.to_owned() }
    }

    /// The results of `experiment`.
    ///
    /// # Errors
    /// [`Error::Input`] or [`Error::Io`] if they are missing or damaged.
    pub fn read(&self, experiment: &str) -> Result<Results> {
        Results::read(&self.root.join(experiment))
    }

    /// Where this study's own tables and figures go.
    pub fn out(&self) -> PathBuf {
        self.root.join("settle-2017")
    }
}

/// One difference between two models at one n, in errors per thousand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Training-set size; `None` for the mean over log n.
    pub n: Option<u32>,
    /// Errors of the one less errors of the other: below 0 if the one makes fewer.
    pub estimate: f64,
    /// Lower end of the 95 % band, simultaneous over n (of the interval, for the mean over log n).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Pairs of trials.
    pub pairs: usize,
    /// The verdict on the one: better, worse, equivalent, undecided.
    pub verdict: &'static str,
}

/// How many more errors per thousand `one` makes than `other` at each n, in the population, and over the whole curve.
///
/// # Errors
/// [`Error::Input`] if a model is missing or no pair is complete.
pub fn differences(results: &Results, one: &str, other: &str) -> Result<Vec<Difference>> {
    let two = only(results, &[one, other])?;
    let comparison = Comparison::new(&two, &Options::default())?;
    let place = |name: &str| comparison.models.iter().position(|model| model == name);
    let pair = place(one).zip(place(other)).and_then(|(a, b)| comparison.against(a, b));
    let pair = pair.ok_or_else(|| Error::input(format!("no pair of {one} and {other}")))?;
    Ok(of_pair(&pair))
}

fn of_pair(pair: &Pair) -> Vec<Difference> {
    let sizes = pair.in_scope(Scope::Population);
    sizes
        .chain(pair.whole(Scope::Population))
        .map(|finding| Difference {
            n: finding.n,
            estimate: -1000.0 * finding.estimate.value,
            low: -1000.0 * finding.band.hi,
            high: -1000.0 * finding.band.lo,
            pairs: finding.pairs,
            verdict: match finding.verdict {
                stats::Verdict::ABetter => "better",
                stats::Verdict::BBetter => "worse",
                stats::Verdict::Equivalent => "equivalent",
                stats::Verdict::Undecided => "undecided",
            },
        })
        .collect()
}

/// The results of some models alone.
///
/// # Errors
/// [`Error::Input`] naming a model that isn't there.
pub fn only(results: &Results, names: &[&str]) -> Result<Results> {
    let known = |name: &&&str| results.lock.models.iter().any(|model| model.name == **name);
    if let Some(missing) = names.iter().find(|name| !known(name)) {
        return Err(Error::input(format!("{} has no model {missing:?}", results.lock.name)));
    }
    let mut lock = results.lock.clone();
    lock.models.retain(|model| names.contains(&&*model.name));
    // Copied after they are chosen: a study holds thousands of trials, each with a bit for every item.
    let chosen = results.records.iter().filter(|(key, _)| names.contains(&&*key.model));
    let records = chosen.map(|(key, record)| (key.clone(), record.clone())).collect();
    Ok(Results { lock, records, items: results.items.clone() })
}

/// `results` with a model of `other` beside its own, under `label`. Both must score the same items; training draws are
/// then paired by their number, which costs nothing where they are independent.
///
/// # Errors
/// [`Error::Input`] if the model is missing or other items were scored.
pub fn beside(results: &Results, other: &Results, model: &str, label: &str) -> Result<Results> {
    let other = only(other, &[model])?;
    let mut both = results.clone();
    for (mut key, mut record) in other.records {
        let at = (key.repeat, key.fold);
        if results.items.get(&at) != other.items.get(&at) {
            return Err(Error::input(format!(
                "{} and {label} score other items",
                results.lock.name
            )));
        }
        key.model = label.into();
        record.key = key.clone();
        both.records.insert(key, record);
    }
    for mut locked in other.lock.models {
        locked.name = label.to_owned();
        both.lock.models.push(locked);
    }
    Ok(both)
}

/// Errors per thousand of `model` at `n`.
///
/// # Errors
/// [`Error::Input`] if it was not scored there.
pub fn errors(summary: &Summary, model: &str, n: u32) -> Result<f64> {
    let accuracy = summary.cell(model, n).and_then(|cell| cell.accuracy.as_ref());
    let accuracy =
        accuracy.ok_or_else(|| Error::input(format!("no score of {model} at n = {n}")))?;
    Ok(1000.0 * (1.0 - accuracy.mean))
}
