//! Joining the results of several folders, of a size that no memory holds.
//!
//! All folders are read first and their records dealt into bucket files by their place in the plan (`sources`,
//! `buckets`); then bucket by bucket they are held against each other and written in plan order (`settle`), beside the
//! places of the tables. Only when all of it is there and agrees is anything renamed into its place. Memory is bounded by
//! the largest bucket.

mod buckets;
mod settle;
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::tables::ItemsWriter;
use super::{Guard, Lock, journal, write_lock};
use crate::error::{Error, Result};
use crate::files::{self, Unfinished};
use crate::plan::{Plan, TrialKey};
use crate::record::Record;

use buckets::Buckets;
use settle::Settling;

/// So many missing trials are named.
const NAMED: usize = 10;

/// So many splits are made at a time.
const SPLITS: u64 = 1024;

/// Results of several folders of the same settings, on their way into one.
#[derive(Debug)]
pub struct Merge {
    target: PathBuf,
    folders: Vec<PathBuf>,
    lock: Lock,
    bucket: u64,
}

/// What a merge found.
#[derive(Debug)]
pub struct Merged {
    /// While it lives, no other process opens or writes the folder: for what is derived from the tables.
    pub guard: Guard,
    /// Trials that the joined settings plan.
    pub planned: u64,
    /// Trials that the tables hold.
    pub there: u64,
    /// Those of them that are not ok.
    pub not_ok: u64,
    /// Records that were of a trial which another record is of, too.
    pub duplicates: u64,
    /// Records of trials that the settings do not plan; they are in no table.
    pub unplanned: u64,
    /// What is planned and not there.
    pub missing: Missing,
}

/// Planned trials without a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// How many.
    pub count: u64,
    /// How many of each model that lacks any.
    pub by_model: BTreeMap<String, u64>,
    /// The first of them, at most ten, in plan order.
    pub first: Vec<TrialKey>,
}

impl Missing {
    /// Adds the trials from position `from` up to, and without, `to`.
    fn add(&mut self, plan: &Plan, mut from: u64, to: u64) {
        self.count += to.saturating_sub(from);
        while from < to {
            let Some(key) = plan.key_at(from) else { return };
            let end = to.min((from / plan.per_model() + 1) * plan.per_model());
            *self.by_model.entry(key.model.to_string()).or_default() += end - from;
            let room = NAMED.saturating_sub(self.first.len()) as u64;
            self.first.extend((from..end.min(from + room)).filter_map(|at| plan.key_at(at)));
            from = end;
        }
    }
}

/// Whoever looks on while a merge goes through everything: all splits first, then all records in plan order.
pub trait Watch {
    /// The held-out items of a split.
    fn split(&mut self, split: (u32, u32), items: &[u32]);
    /// A record as the tables have it, but for the digits of its timing.
    fn record(&mut self, record: &Record);
}

impl Watch for () {
    fn split(&mut self, _: (u32, u32), _: &[u32]) {}
    fn record(&mut self, _: &Record) {}
}

impl Merge {
    /// Holds the settings of `folders`, and of `target` if there are results already, against each other; it may be one of
    /// them.
    ///
    /// # Errors
    /// [`Error::Input`] if two folders are of different settings, naming the first.
    pub fn of(target: &Path, folders: &[PathBuf]) -> Result<Merge> {
        let (_, lock) = sources::read(target, folders)?;
        let (target, folders) = (target.to_owned(), folders.to_vec());
        Ok(Merge { target, folders, lock, bucket: buckets::LEAST })
    }

    /// With at least so many trials of the plan to a bucket, for tests: results are the same whatever it is.
    #[must_use]
    pub fn with_bucket(mut self, trials: u64) -> Merge {
        self.bucket = trials.max(1);
        self
    }

    /// Everything that decides the joined results.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Reads all of it, and writes into the target the lock, a journal file with what its own lacks, and all tables.
    /// `held_out` says the held-out items of a split. The second of what comes back are the folders that were read: the
    /// target, if it had results, and the others.
    ///
    /// # Errors
    /// [`Error::Io`] naming a damaged file, or one that can't be written; a trial with two outcomes, by name. Nothing is
    /// changed then, unless it was the last step that failed, in which whole files are renamed one by one.
    pub fn write(
        &self,
        held_out: impl Fn(u32, u32) -> Vec<u32> + Sync,
        watch: &mut dyn Watch,
    ) -> Result<(Merged, Vec<PathBuf>)> {
        let mut place = Place::take(&self.target)?;
        let (sources, lock) = sources::read(&self.target, &self.folders)?;
        if lock != self.lock {
            return Err(Error::input(format!(
                "{} was given other settings meanwhile; run the same command again",
                self.target.display()
            )));
        }
        let plan = lock.plan();
        let mut buckets = Buckets::new(&self.target, plan.len(), self.bucket);
        let (origins, unplanned) = sources::deal(&sources, &plan, &mut buckets)?;
        let items = write_items(&self.target, &plan, held_out, watch)?;
        let mut settling = Settling::new(&self.target, &lock, &plan, &origins);
        for number in 0..buckets.len() {
            settling.bucket(&buckets.take(number)?, watch)?;
        }
        let settled = settling.end()?;

        place.is_kept = true;
        write_lock(&self.target, &lock)?;
        if let Some(records) = settled.journal {
            journal::place(records, &self.target.join("journal"))?;
        }
        settled.tables.into_iter().try_for_each(Unfinished::place)?;
        items.place()?;
        let folders = sources.into_iter().map(|source| source.folder).collect();
        let merged = Merged {
            guard: place.guard(),
            planned: plan.len(),
            there: plan.len() - settled.missing.count,
            not_ok: settled.not_ok,
            duplicates: settled.duplicates,
            unplanned,
            missing: settled.missing,
        };
        Ok((merged, folders))
    }
}

/// The held-out items of all planned splits.
fn write_items(
    target: &Path,
    plan: &Plan,
    held_out: impl Fn(u32, u32) -> Vec<u32> + Sync,
    watch: &mut dyn Watch,
) -> Result<Unfinished> {
    let mut writer = ItemsWriter::create(target)?;
    let splits: Vec<(u32, u32)> =
        (0..plan.splits()).filter_map(|place| plan.split_at(place)).collect();
    for some in splits.chunks(SPLITS as usize) {
        let made: Vec<Vec<u32>> = some.par_iter().map(|&(r, f)| held_out(r, f)).collect();
        for (&split, items) in some.iter().zip(&made) {
            writer.push(split, items)?;
            watch.split(split, items);
        }
    }
    writer.close()
}

/// The target while it is written to: guarded, and as it was before if nothing comes of it.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    guard: Option<Guard>,
    was_there: bool,
    is_kept: bool,
}

impl Place {
    fn take(folder: &Path) -> Result<Place> {
        let was_there = folder.is_dir();
        let mut place = Place { folder: folder.to_owned(), guard: None, was_there, is_kept: false };
        files::check_writable(folder)?;
        place.guard = Some(Guard::take(folder)?);
        files::remove_unfinished(folder);
        Ok(place)
    }

    fn guard(mut self) -> Guard {
        self.guard.take().unwrap_or_else(Guard::none)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        drop(self.guard.take());
        if !self.was_there {
            let _ = std::fs::remove_file(self.folder.join("journal").join(super::guard::FILE));
        }
        // Only what is empty goes; what can't be removed does no harm.
        for name in ["journal", "scores", "timings", "predictions"] {
            let _ = std::fs::remove_dir(self.folder.join(name));
        }
        if !self.was_there {
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}
