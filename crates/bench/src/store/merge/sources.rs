//! The folders that are joined: their settings held against each other, and their records dealt into buckets.

use std::path::{Path, PathBuf};

use super::buckets::{Buckets, Entry};
use crate::error::{Error, Result};
use crate::plan::{Plan, TrialKey};
use crate::store::{Lock, TrialIds, encode, foreign, journal, require_lock, tables};

/// A folder with results, as it was when its journal was listed.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) folder: PathBuf,
    lock: Lock,
    /// The journal's files with their lengths; what is appended later is for another merge.
    journal: Vec<(PathBuf, u64)>,
    is_target: bool,
}

impl Source {
    fn read(folder: &Path, is_target: bool) -> Result<Source> {
        // In this order: whoever adds to the settings does so before the first record under them.
        let journal = journal::files(&folder.join("journal"))?;
        let lock = require_lock(folder)?;
        Ok(Source { folder: folder.to_owned(), lock, journal, is_target })
    }
}

/// Where a record was read.
#[derive(Debug)]
pub(super) struct Origin {
    /// The file.
    pub(super) path: PathBuf,
    /// The number of the folder: what comes earlier has the word over what comes later.
    pub(super) folder: usize,
    /// True if it is of the target's own journal.
    pub(super) is_own_journal: bool,
}

/// The folders to be read, each once, with the settings of all of them.
pub(super) fn read(target: &Path, folders: &[PathBuf]) -> Result<(Vec<Source>, Lock)> {
    let mut sources: Vec<Source> = Vec::new();
    // What the target has comes first: of a model that can't repeat itself, its own outcomes stay.
    if Lock::read(target)?.is_some() || folders.iter().any(|folder| same(folder, target)) {
        sources.push(Source::read(target, true)?);
    }
    for folder in folders.iter().filter(|folder| !same(folder, target)) {
        if !sources.iter().any(|source| same(&source.folder, folder)) {
            sources.push(Source::read(folder, false)?);
        }
    }
    let mut joined: Option<Lock> = None;
    for (at, source) in sources.iter().enumerate() {
        joined = Some(match joined {
            Some(there) => there.join(&source.lock).map_err(|difference| {
                Error::input(format!(
                    "{} is of other settings than {}: {difference}",
                    source.folder.display(),
                    names(&sources[..at])
                ))
            })?,
            None => source.lock.clone(),
        });
    }
    let lock = joined.ok_or_else(|| Error::input("no results to join"))?;
    Ok((sources, lock))
}

/// Deals what all folders hold. Also says which files there were, and how many records are of no planned trial.
pub(super) fn deal(
    sources: &[Source],
    plan: &Plan,
    buckets: &mut Buckets,
) -> Result<(Vec<Origin>, u64)> {
    let mut dealer = Dealer { plan, buckets, origins: Vec::new(), unplanned: 0 };
    for (number, source) in sources.iter().enumerate() {
        let ids = source.lock.trial_ids();
        let seen = dealer.journal(number, source, &ids)?;
        // The journal has the last word; what it has is not even looked at in the tables, of which some may be older than
        // others.
        if seen.count < source.lock.planned() as u64 {
            dealer.tables(number, source, &ids, &seen)?;
        }
    }
    Ok((dealer.origins, dealer.unplanned))
}

struct Dealer<'a> {
    plan: &'a Plan,
    buckets: &'a mut Buckets,
    origins: Vec<Origin>,
    unplanned: u64,
}

impl Dealer<'_> {
    /// Which trials the journal of a folder holds.
    fn journal(&mut self, number: usize, source: &Source, ids: &TrialIds) -> Result<Seen> {
        let mut seen = Seen::new(self.plan.len());
        for (path, length) in &source.journal {
            let origin = self.origin(path, number, source.is_target);
            journal::read_up_to(path, *length, |line, id, record| {
                if !ids.matches(&record.key, id) {
                    return Err(foreign(path, &record.key));
                }
                self.put(&record.key, origin, true, line, |position| seen.add(position))
            })?;
        }
        Ok(seen)
    }

    /// The tables' records of trials that the journal lacks.
    fn tables(
        &mut self,
        number: usize,
        source: &Source,
        ids: &TrialIds,
        seen: &Seen,
    ) -> Result<()> {
        let plan = self.plan;
        let wanted = |key: &TrialKey| plan.position(key).is_none_or(|at| !seen.has(at));
        for model in &source.lock.models {
            let scores = source.folder.join("scores").join(format!("{}.csv", model.name));
            let origin = self.origin(&scores, number, false);
            let seed = source.lock.seed;
            tables::each_of_model(&source.folder, &model.name, seed, wanted, |record| {
                let id = ids.id(&record.key).unwrap_or_default();
                let line = encode(&id, &record)?;
                let is_timed = record.timing.is_some();
                self.put(&record.key, origin, is_timed, line.trim_end().as_bytes(), |_| {})
            })?;
        }
        Ok(())
    }

    fn origin(&mut self, path: &Path, folder: usize, is_own_journal: bool) -> u32 {
        self.origins.push(Origin { path: path.to_owned(), folder, is_own_journal });
        self.origins.len() as u32 - 1
    }

    fn put(
        &mut self,
        key: &TrialKey,
        origin: u32,
        is_timed: bool,
        line: &[u8],
        then: impl FnOnce(u64),
    ) -> Result<()> {
        let Some(position) = self.plan.position(key) else {
            self.unplanned += 1;
            return Ok(());
        };
        self.buckets.put(Entry { position, origin, is_timed, line })?;
        then(position);
        Ok(())
    }
}

/// Trials by their places in the plan: a bit for each.
struct Seen {
    bits: Vec<u64>,
    count: u64,
}

impl Seen {
    fn new(planned: u64) -> Seen {
        Seen { bits: vec![0; planned.div_ceil(64) as usize], count: 0 }
    }

    fn has(&self, position: u64) -> bool {
        self.bits[(position / 64) as usize] >> (position % 64) & 1 == 1
    }

    fn add(&mut self, position: u64) {
        self.count += u64::from(!self.has(position));
        self.bits[(position / 64) as usize] |= 1 << (position % 64);
    }
}

fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// The folders of `sources`, in words.
fn names(sources: &[Source]) -> String {
    sources.iter().map(|s| s.folder.display().to_string()).collect::<Vec<_>>().join(" and ")
}
