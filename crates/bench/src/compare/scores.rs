//! What models got right, laid out for pairing: by model, n and split.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::experiment::{ProtocolKind, REFIT_FOLD};
use crate::overlap;
use crate::record::Status;
use crate::store::{LockedProtocol, Results};

/// Correctness (1 or 0) of one trial on each item of its split; `None` if the trial is not ok.
pub type Correct = Option<Vec<i8>>;

/// Correctness of every model at every n on every split.
#[derive(Clone, Debug)]
pub struct Scores {
    /// The models, in the order of the lock.
    pub models: Vec<String>,
    /// The sizes, ascending.
    pub sizes: Vec<u32>,
    /// Trials that the protocol plans for each model and n.
    pub planned: usize,
    /// Share of examples that two training draws have in common on average, by size.
    pub overlap: Vec<f64>,
    /// True if the scored items are of the pool that training sets are drawn from.
    pub same_pool: bool,
    /// The splits: repeat, fold and the items they score.
    pub splits: Vec<Split>,
    /// By model, then size, then split; `None` where no trial is ok.
    cells: Vec<Vec<Correct>>,
}

/// One (repeat, fold) and its held-out items.
#[derive(Clone, Debug)]
pub struct Split {
    /// The repeat.
    pub repeat: u32,
    /// The fold.
    pub fold: u32,
    /// The items, in the order of the scores.
    pub items: Vec<u32>,
}

impl Scores {
    /// Lays out results. Of `small-sample-cv` these are the refitted models, scored on the large held-out set.
    ///
    /// # Errors
    /// [`Error::Input`] if a trial's items are missing or do not match its predictions.
    pub fn of(results: &Results) -> Result<Scores> {
        let protocol = &results.lock.protocol;
        let inside = protocol.kind == ProtocolKind::SmallSampleCv.name();
        let counted = |fold: u32| !inside || fold == REFIT_FOLD;
        let models: Vec<String> = results.lock.models.iter().map(|m| m.name.clone()).collect();
        let mut sizes: Vec<u32> = results.records.keys().map(|key| key.n).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let splits: Vec<Split> = results
            .items
            .iter()
            .filter(|((_, fold), _)| counted(*fold))
            .map(|(&(repeat, fold), items)| Split { repeat, fold, items: items.clone() })
            .collect();
        let at: BTreeMap<(u32, u32), usize> =
            splits.iter().enumerate().map(|(i, s)| ((s.repeat, s.fold), i)).collect();
        let mut cells = vec![vec![None; splits.len()]; models.len() * sizes.len()];
        for (key, record) in results.records.iter().filter(|(key, _)| counted(key.fold)) {
            let lost = || {
                Error::input(format!("predictions/_items.csv.gz does not hold the items of {key}"))
            };
            let Some(model) = models.iter().position(|m| key.model == *m) else { continue };
            let split = *at.get(&(key.repeat, key.fold)).ok_or_else(lost)?;
            let size = sizes.partition_point(|&n| n < key.n);
            let correct = match (&record.outcome.correct, record.outcome.status) {
                (Some(correct), Status::Ok) => correct,
                _ => continue,
            };
            if correct.len() != splits[split].items.len() {
                return Err(lost());
            }
            let values = correct.unpack().into_iter().map(i8::from).collect();
            cells[model * sizes.len() + size][split] = Some(values);
        }
        Ok(Scores::new(protocol, models, sizes, splits, cells))
    }

    /// Scores by model, then size, then split, under `protocol`; `None` where a trial is not ok.
    ///
    /// # Panics
    /// If the cells are not as many as models × sizes, or one has not as many entries as there are splits: a defect of
    /// the caller.
    pub fn new(
        protocol: &LockedProtocol,
        models: Vec<String>,
        sizes: Vec<u32>,
        splits: Vec<Split>,
        cells: Vec<Vec<Correct>>,
    ) -> Scores {
        assert_eq!(cells.len(), models.len() * sizes.len(), "a cell for every model and size");
        assert!(cells.iter().all(|cell| cell.len() == splits.len()), "an entry for every split");
        let same_pool = protocol.kind == ProtocolKind::RepeatedCv.name();
        let per_repeat = if same_pool { protocol.folds } else { 1 };
        let planned = (protocol.repeats * per_repeat) as usize;
        let pool = overlap::pool(protocol, splits.iter().map(|split| split.items.as_slice()));
        let overlap = sizes.iter().map(|&n| overlap::share(protocol, pool, n)).collect();
        Scores { models, sizes, planned, overlap, same_pool, splits, cells }
    }

    /// What `model` got right at the size with this index on each split.
    pub fn cell(&self, model: usize, size: usize) -> &[Correct] {
        &self.cells[model * self.sizes.len() + size]
    }
}
