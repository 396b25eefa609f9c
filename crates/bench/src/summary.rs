//! From records to one row per model and n: mean accuracy with an interval that says what it covers.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;
use stats::effective::{self, Accuracy, Covers, Draws};

use crate::error::{Error, Result};
use crate::experiment::{ProtocolKind, REFIT_FOLD};
use crate::overlap;
use crate::plan::TrialKey;
use crate::record::{Record, Status};
use crate::store::{Lock, Results, Watch, tabled_timing};

/// The level of all intervals in summaries and figures.
pub const LEVEL: f64 = 0.95;

/// One model at one n.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The model's label.
    pub model: String,
    /// Training-set size.
    pub n: u32,
    /// Trials there are.
    pub trials: usize,
    /// Trials that are ok; the rest of the cell is about these.
    pub ok: usize,
    /// Mean accuracy and interval; `None` if no trial is ok.
    pub accuracy: Option<Accuracy>,
    /// Accuracy of each ok trial, in plan order.
    pub by_trial: Vec<f64>,
    /// Mean accuracy on the training examples.
    pub train_accuracy: Option<f64>,
    /// Mean log loss on the training examples, for models with probabilities.
    pub train_loss: Option<f64>,
    /// Mean log loss on held-out items, for models with probabilities.
    pub log_loss: Option<f64>,
    /// Mean Brier score on held-out items, for models with probabilities.
    pub brier: Option<f64>,
    /// Median gradient steps, for models that take any.
    pub steps: Option<f64>,
    /// Median wall seconds of a fit; not part of `summary.csv`, since no two runs agree in it.
    pub fit_seconds: Option<f64>,
}

/// All cells, models in the order of the lock, n ascending.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The cells. Of `small-sample-cv` they hold the models fitted on all n, scored on the large held-out set; what
    /// cross-validation inside the n examples said is [`crate::compare::trust`]'s.
    pub cells: Vec<Cell>,
    /// Trials of folds inside the n examples that are not ok, and all of them.
    pub inside: (usize, usize),
}

impl Summary {
    /// Sums up results.
    ///
    /// # Errors
    /// [`Error::Input`] if predictions and held-out items don't belong together.
    pub fn new(results: &Results) -> Result<Summary> {
        let mut by_cell: BTreeMap<(&str, u32), Vec<&Record>> = BTreeMap::new();
        let mut summary = Summary { cells: Vec::new(), inside: (0, 0) };
        for (key, record) in &results.records {
            if is_inside(&results.lock, key) {
                summary.count_inside(record);
            } else {
                by_cell.entry((&key.model, key.n)).or_default().push(record);
            }
        }
        let mut in_order = Vec::new();
        for model in &results.lock.models {
            in_order.extend(by_cell.range((&*model.name, 0)..=(&*model.name, u32::MAX)));
        }
        let pool =
            pool(&results.lock, results.items.iter().map(|(split, items)| (split.1, &items[..])));
        let items = |split: &(u32, u32)| results.items.get(split).map(Vec::as_slice);
        let cells = in_order
            .par_iter()
            .map(|((model, n), records)| cell(&results.lock, items, pool, model, *n, records));
        summary.cells = cells.collect::<Result<_>>()?;
        Ok(summary)
    }

    fn count_inside(&mut self, record: &Record) {
        self.inside.0 += usize::from(record.outcome.status != Status::Ok);
        self.inside.1 += 1;
    }

    /// The sizes that occur, ascending.
    pub fn sizes(&self) -> Vec<u32> {
        let mut sizes: Vec<u32> = self.cells.iter().map(|cell| cell.n).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The models that occur, in order.
    pub fn models(&self) -> Vec<&str> {
        let mut models: Vec<&str> = self.cells.iter().map(|cell| &*cell.model).collect();
        models.dedup();
        models
    }

    /// Trials that are not ok, and trials in all.
    pub fn not_ok(&self) -> (usize, usize) {
        let count = |of: fn(&Cell) -> usize| self.cells.iter().map(of).sum::<usize>();
        let (not_ok, inside) = self.inside;
        (count(|cell| cell.trials - cell.ok) + not_ok, count(|cell| cell.trials) + inside)
    }

    /// The cell of `model` at `n`.
    pub fn cell(&self, model: &str, n: u32) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.model == model && cell.n == n)
    }
}

/// A summary of results that no memory holds: a merge hands it splits and then records, and it holds those of one model
/// at one n at a time.
///
/// It has the numbers of [`Summary::new`], but that no more of a cell's `by_trial` is kept than a figure shows.
#[derive(Debug)]
pub struct Gradual {
    lock: Lock,
    /// Splits of the same items, as all of a holdout are, share them.
    items: BTreeMap<(u32, u32), Arc<[u32]>>,
    pool: Option<f64>,
    current: Vec<Record>,
    summary: Result<Summary>,
}

impl Gradual {
    /// One of nothing yet.
    pub fn new(lock: &Lock) -> Gradual {
        let summary = Ok(Summary { cells: Vec::new(), inside: (0, 0) });
        let lock = lock.clone();
        Gradual { lock, items: BTreeMap::new(), pool: None, current: Vec::new(), summary }
    }

    /// The summary of all that went by.
    ///
    /// # Errors
    /// As [`Summary::new`].
    pub fn end(mut self) -> Result<Summary> {
        self.close();
        self.summary
    }

    /// Sums up the records at hand.
    fn close(&mut self) {
        let records = std::mem::take(&mut self.current);
        let Some(first) = records.first() else { return };
        let (lock, all) = (&self.lock, &self.items);
        let pool = *self.pool.get_or_insert_with(|| {
            pool(lock, all.iter().map(|(split, items)| (split.1, &items[..])))
        });
        let items = |split: &(u32, u32)| all.get(split).map(|items| &items[..]);
        let records: Vec<&Record> = records.iter().collect();
        let made = cell(lock, items, pool, &first.key.model, first.key.n, &records);
        match (&mut self.summary, made) {
            (Ok(summary), Ok(mut cell)) => {
                cell.by_trial = thinned(&cell.by_trial);
                summary.cells.push(cell);
            }
            (Ok(_), Err(error)) => self.summary = Err(error),
            (Err(_), _) => {}
        }
    }
}

impl Watch for Gradual {
    fn split(&mut self, split: (u32, u32), items: &[u32]) {
        // The one of the repeat before is the likeliest to be the same.
        let before = split.0.checked_sub(1).and_then(|repeat| self.items.get(&(repeat, split.1)));
        let shared = before.filter(|before| before[..] == *items).cloned();
        self.items.insert(split, shared.unwrap_or_else(|| items.into()));
    }

    fn record(&mut self, record: &Record) {
        if is_inside(&self.lock, &record.key) {
            if let Ok(summary) = &mut self.summary {
                summary.count_inside(record);
            }
            return;
        }
        let of = |key: &TrialKey| (key.model.clone(), key.n);
        if self.current.first().is_some_and(|first| of(&first.key) != of(&record.key)) {
            self.close();
        }
        self.current.push(Record { timing: tabled_timing(record), ..record.clone() });
    }
}

/// True for a fold inside the n examples, which is in no cell.
fn is_inside(lock: &Lock, key: &TrialKey) -> bool {
    lock.protocol.kind == ProtocolKind::SmallSampleCv.name() && key.fold != REFIT_FOLD
}

/// The number of examples that training sets are drawn from, as the held-out items of all folds show it.
fn pool<'a>(lock: &Lock, items: impl Iterator<Item = (u32, &'a [u32])>) -> f64 {
    // Of `small-sample-cv` the folds inside a sample are of the pool themselves, and show nothing of its end.
    let small_sample = lock.protocol.kind == ProtocolKind::SmallSampleCv.name();
    let held_out = items.filter(|(fold, _)| !small_sample || *fold == REFIT_FOLD);
    overlap::pool(&lock.protocol, held_out.map(|(_, items)| items))
}

/// So many single trials are drawn at a point; more would hide each other and swell the file.
pub(crate) const DOTS: usize = 200;

/// The values themselves, or evenly spaced quantiles of them where they are too many to draw.
pub(crate) fn thinned(values: &[f64]) -> Vec<f64> {
    if values.len() <= DOTS {
        return values.to_vec();
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (0..DOTS).map(|i| sorted[i * (sorted.len() - 1) / (DOTS - 1)]).collect()
}

fn cell<'a>(
    lock: &Lock,
    items: impl Fn(&(u32, u32)) -> Option<&'a [u32]>,
    pool: f64,
    model: &str,
    n: u32,
    records: &[&Record],
) -> Result<Cell> {
    let ok: Vec<&Record> =
        records.iter().copied().filter(|r| r.outcome.status == Status::Ok).collect();
    let median = |values: Vec<f64>| stats::quantile::median(&values).ok();
    Ok(Cell {
        model: model.to_owned(),
        n,
        trials: records.len(),
        ok: ok.len(),
        accuracy: accuracy(lock, items, pool, &ok)?,
        by_trial: ok.iter().filter_map(|r| r.outcome.accuracy()).collect(),
        train_accuracy: mean(ok.iter().filter_map(|r| r.outcome.train_accuracy)),
        train_loss: mean(ok.iter().filter_map(|r| r.outcome.train_loss)),
        log_loss: mean(ok.iter().filter_map(|r| r.outcome.log_loss)),
        brier: mean(ok.iter().filter_map(|r| r.outcome.brier)),
        steps: median(ok.iter().filter_map(|r| r.outcome.steps).map(|s| s as f64).collect()),
        fit_seconds: median(ok.iter().filter_map(|r| r.timing).map(|t| t.fit).collect()),
    })
}

/// The mean over all scored items, with the interval of the protocol's design.
fn accuracy<'a>(
    lock: &Lock,
    items: impl Fn(&(u32, u32)) -> Option<&'a [u32]>,
    pool: f64,
    ok: &[&Record],
) -> Result<Option<Accuracy>> {
    let Some(first) = ok.first() else { return Ok(None) };
    let bits: Vec<Vec<bool>> =
        ok.iter().filter_map(|r| Some(r.outcome.correct.as_ref()?.unpack())).collect();
    let trials: Vec<effective::Trial<'_>> = ok
        .iter()
        .zip(&bits)
        .map(|(record, correct)| {
            let TrialKey { repeat, fold, .. } = record.key;
            let items = items(&(repeat, fold)).ok_or_else(|| missing_items(&record.key))?;
            Ok(effective::Trial { repeat, fold, items, correct })
        })
        .collect::<Result<_>>()?;
    let draws = Draws {
        overlap: overlap::share(&lock.protocol, pool, first.key.n),
        same_pool: lock.protocol.kind == ProtocolKind::RepeatedCv.name(),
    };
    let accuracy = effective::of_design(&trials, draws, LEVEL);
    let of = &first.key;
    accuracy.map(Some).map_err(|error| Error::input(format!("{}, n = {}: {error}", of.model, of.n)))
}

fn missing_items(key: &TrialKey) -> Error {
    Error::input(format!("predictions/_items.csv.gz lacks the held-out items of {key}"))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// What an interval's level speaks of, as it stands in `summary.csv`.
pub fn coverage(covers: Covers) -> &'static str {
    match covers {
        Covers::DrawsAndItems => "draws and items",
        Covers::Items => "items",
    }
}

/// A row of `summary.csv`. New columns go behind the last.
#[derive(Debug, Serialize)]
pub struct SummaryRow {
    model: String,
    n: u32,
    trials: usize,
    ok: usize,
    accuracy: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    level: f64,
    interval: &'static str,
    covers: &'static str,
    items: Option<usize>,
    errors_per_thousand: Option<f64>,
    train_accuracy: Option<f64>,
    train_loss: Option<f64>,
    log_loss: Option<f64>,
    brier: Option<f64>,
    steps: Option<f64>,
}

impl From<&Cell> for SummaryRow {
    fn from(cell: &Cell) -> Self {
        let accuracy = cell.accuracy.as_ref();
        SummaryRow {
            model: cell.model.clone(),
            n: cell.n,
            trials: cell.trials,
            ok: cell.ok,
            accuracy: accuracy.map(|a| digits(a.mean)),
            low: accuracy.map(|a| digits(a.interval.lo)),
            high: accuracy.map(|a| digits(a.interval.hi)),
            level: LEVEL,
            interval: "wilson at effective n",
            covers: accuracy.map_or("", |a| coverage(a.covers)),
            items: accuracy.map(|a| a.items),
            errors_per_thousand: accuracy.map(|a| digits(1000.0 * (1.0 - a.mean))),
            train_accuracy: cell.train_accuracy.map(digits),
            train_loss: cell.train_loss.map(digits),
            log_loss: cell.log_loss.map(digits),
            brier: cell.brier.map(digits),
            steps: cell.steps,
        }
    }
}

/// Eight decimals: finer than any study resolves, and coarser than what the last bits of a platform's functions move.
pub(crate) fn digits(value: f64) -> f64 {
    (value * 1e8).round() / 1e8
}
