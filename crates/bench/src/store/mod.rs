//! The results folder: the only module that reads or writes it.
//!
//! The journal is what a sweep resumes from; the tables are derived from it, whole, when a sweep has run through.
//! A folder may hold tables without a journal (a committed study, freshly cloned): a sweep then runs its trials again
//! and says whether the numbers came out the same; tables of trials that were not asked for stay as they are.

mod disk;
mod journal;
mod lock;
mod locked_model;
mod tables;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::files;
use crate::plan::{ModelName, TrialKey};
use crate::record::Record;
use crate::sweep::Sink;

pub(crate) use disk::sync_folder;
pub use disk::{Disk, FileSystem, Log};
pub(crate) use journal::{decode, encode};
pub use lock::{FORMAT, LOCK_FILE, Lock, LockedDataset, LockedProtocol, TrialIds};
pub use locked_model::LockedModel;
pub(crate) use locked_model::{SET, TUNE};
pub use tables::Items;
pub(crate) use tables::table;

/// A results folder, open for appending.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    lock: Lock,
    ids: TrialIds,
    /// From the journal, and appended since.
    records: BTreeMap<TrialKey, Record>,
    /// From the tables that were there: what the journal did not have.
    tables: BTreeMap<TrialKey, Record>,
    /// What was appended since the folder was opened.
    fresh: BTreeSet<TrialKey>,
    writer: journal::Writer,
}

/// What a publication found when it wrote trials that it ran over older tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Trials whose outcome was in the tables before, and is the same now.
    pub reproduced: usize,
    /// Trials whose outcome was another before.
    pub changed: Vec<TrialKey>,
}

impl Store {
    /// Opens `folder` for results under `lock`, reading what is there.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder can't be written or holds damage; [`Error::Input`] if it holds results of other
    /// settings, naming the first difference.
    pub fn open(folder: &Path, lock: &Lock) -> Result<Store> {
        Store::open_on(folder, lock, Box::new(FileSystem))
    }

    /// As [`Store::open`], with the journal written to `disk`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(folder: &Path, lock: &Lock, disk: Box<dyn Disk>) -> Result<Store> {
        files::check_writable(folder)?;
        let lock = match Lock::read(folder)? {
            Some(there) => there.join(lock).map_err(|difference| {
                Error::input(format!(
                    "{} holds results of other settings: {difference}; choose another folder by --out, or remove it",
                    folder.display()
                ))
            })?,
            None => lock.clone(),
        };
        let ids = lock.trial_ids();
        let records = read_journal(folder, &lock, &ids)?;
        // The journal has the last word; what else the tables hold is compared with, and written again.
        let tables = if records.len() < lock.planned() {
            read_tables(folder, &lock, |key| !records.contains_key(key))?
        } else {
            BTreeMap::new()
        };
        let store = Store {
            folder: folder.to_owned(),
            records,
            ids,
            tables,
            fresh: BTreeSet::new(),
            writer: journal::Writer::new(folder.join("journal"), disk),
            lock,
        };
        // Written before the first trial, so that whatever the journal comes to hold, its settings are beside it.
        store.write_lock()?;
        Ok(store)
    }

    /// Joins the results of `folders` in `target`, which may be one of them: what `target`'s journal lacks is added
    /// to it.
    ///
    /// # Errors
    /// [`Error::Input`] if two folders are of different settings, or hold different outcomes of one trial.
    pub fn join(target: &Path, folders: &[PathBuf]) -> Result<Store> {
        let mut joined: Option<Lock> = None;
        let mut others: BTreeMap<TrialKey, Record> = BTreeMap::new();
        for folder in folders {
            let lock = require_lock(folder)?;
            let ids = lock.trial_ids();
            let records = read_journal(folder, &lock, &ids)?;
            let tables = read_tables(folder, &lock, |key| !records.contains_key(key))?;
            let lock = match &joined {
                Some(there) => there.join(&lock).map_err(|difference| {
                    Error::input(format!(
                        "{} is of other settings than the folders before it: {difference}",
                        folder.display()
                    ))
                })?,
                None => lock,
            };
            for record in tables.into_values().chain(records.into_values()) {
                add(&mut others, record, |name| lock.is_reproducible(name)).map_err(|key| {
                    Error::input(format!(
                        "{}: the trial {key} has another outcome there than in a folder before it",
                        folder.display()
                    ))
                })?;
            }
            joined = Some(lock);
        }
        let Some(lock) = joined else { return Err(Error::input("no results to join")) };
        let mut store = Store::open(target, &lock)?;
        for record in others.into_values() {
            if store.get(&record.key).is_none_or(|own| own.outcome != record.outcome) {
                store.append(record)?;
            }
        }
        store.sync()?;
        Ok(store)
    }

    fn write_lock(&self) -> Result<()> {
        let (path, text) = (self.folder.join(LOCK_FILE), self.lock.to_text()?);
        // Many processes may open one folder: where nothing changes, nothing is written.
        if files::read_if_there(&path)?.is_none_or(|there| there != text) {
            files::write_whole(&path, text.as_bytes())?;
        }
        Ok(())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Everything that decides the results here.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// True if the journal holds the trial.
    pub fn has(&self, key: &TrialKey) -> bool {
        self.records.contains_key(key)
    }

    /// True if the tables hold the trial: an earlier sweep computed it, whose journal is elsewhere.
    pub fn has_in_tables(&self, key: &TrialKey) -> bool {
        self.tables.contains_key(key)
    }

    /// The record of a trial that this run or an interrupted one computed.
    pub fn get(&self, key: &TrialKey) -> Option<&Record> {
        self.records.get(key)
    }

    /// Keeps a finished trial.
    ///
    /// # Errors
    /// [`Error::Io`]; the sweep must end then.
    pub fn append(&mut self, record: Record) -> Result<()> {
        let id = self.ids.id(&record.key).ok_or_else(|| {
            Error::input(format!("{}: its model is not in {LOCK_FILE}", record.key))
        })?;
        self.writer.append(&id, &record)?;
        self.fresh.insert(record.key.clone());
        self.records.insert(record.key.clone(), record);
        Ok(())
    }

    /// Makes sure that all that was kept is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`]; the sweep must end then.
    pub fn sync(&mut self) -> Result<()> {
        self.writer.sync()
    }

    /// Writes the tables: everything in the journal, and what older tables hold besides, in plan order. `items` are
    /// the held-out items of the splits that ran.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn publish(&mut self, items: Items) -> Result<Published> {
        self.sync()?;
        files::remove_unfinished(&self.folder);
        let mut published = Published::default();
        for key in &self.fresh {
            match (self.tables.get(key), self.records.get(key)) {
                (Some(old), Some(new)) if new.outcome == old.outcome => published.reproduced += 1,
                (Some(_), Some(_)) => published.changed.push(key.clone()),
                _ => {}
            }
        }
        let mut all: BTreeMap<&TrialKey, &Record> = self.tables.iter().collect();
        all.extend(self.records.iter());
        for model in &self.lock.models {
            let of_model: Vec<&Record> =
                all.iter().filter(|(key, _)| key.model == model.name).map(|(_, r)| *r).collect();
            if !of_model.is_empty() {
                tables::write_model(&self.folder, &model.name, &of_model)?;
            }
        }
        // Splits that only older tables know stay known.
        let mut all_items = tables::read_items(&self.folder)?;
        all_items.extend(items);
        tables::write_items(&self.folder, &all_items)?;
        Ok(published)
    }
}

impl Sink for Store {
    fn keep(&mut self, record: Record) -> Result<()> {
        self.append(record)
    }

    fn idle(&mut self) -> Result<()> {
        self.writer.sync_if_due()
    }
}

/// The scores and predictions of `results` as a sweep would write them, into `folder`: to compare bytes with.
///
/// # Errors
/// [`Error::Io`].
pub fn write_tables(folder: &Path, results: &Results) -> Result<()> {
    for model in &results.lock.models {
        let of_model: Vec<&Record> =
            results.records.values().filter(|r| r.key.model == model.name).collect();
        tables::write_model(folder, &model.name, &of_model)?;
    }
    tables::write_items(folder, &results.items)
}

/// What the tables of a results folder hold: for everything that comes after a sweep.
#[derive(Clone, Debug)]
pub struct Results {
    /// Everything that decides the results.
    pub lock: Lock,
    /// The trials, in plan order within each model.
    pub records: BTreeMap<TrialKey, Record>,
    /// The held-out items of each split.
    pub items: Items,
}

impl Results {
    /// Reads `folder`.
    ///
    /// # Errors
    /// [`Error::Input`] if it is no results folder, [`Error::Io`] naming a damaged file.
    pub fn read(folder: &Path) -> Result<Results> {
        let lock = require_lock(folder)?;
        let records = read_tables(folder, &lock, |_| true)?;
        let scored = |name: &str| records.keys().any(|key| key.model == name);
        let lost = lock.models.iter().find(|model| !scored(&model.name));
        if let Some(model) = lost.filter(|_| !records.is_empty()) {
            return Err(Error::input(format!(
                "{} has no scores of {:?}, which {LOCK_FILE} lists: \
                 run `bench sweep` again, or bring the files back",
                folder.display(),
                model.name
            )));
        }
        if records.is_empty() {
            return Err(Error::input(format!(
                "{} holds no finished sweep: run `bench sweep` to its end first",
                folder.display()
            )));
        }
        Ok(Results { records, items: tables::read_items(folder)?, lock })
    }
}

fn require_lock(folder: &Path) -> Result<Lock> {
    Lock::read(folder)?.ok_or_else(|| {
        Error::input(format!(
            "{} is no results folder: it has no {LOCK_FILE}; `bench sweep` makes one",
            folder.display()
        ))
    })
}

/// The tables' records, of the trials that `wanted` says; all are checked.
fn read_tables(
    folder: &Path,
    lock: &Lock,
    wanted: impl Fn(&TrialKey) -> bool + Sync,
) -> Result<BTreeMap<TrialKey, Record>> {
    let by_model: Vec<Vec<Record>> = lock
        .models
        .par_iter()
        .map(|model| {
            let mut records = tables::read_model(folder, &model.name, lock.seed)?;
            records.retain(|record| wanted(&record.key));
            Ok(records)
        })
        .collect::<Result<_>>()?;
    Ok(by_model.into_iter().flatten().map(|record| (record.key.clone(), record)).collect())
}

/// The journal's records by trial. The same trial twice is the same record twice, or an error.
fn read_journal(folder: &Path, lock: &Lock, ids: &TrialIds) -> Result<BTreeMap<TrialKey, Record>> {
    let mut records = BTreeMap::new();
    journal::read(&folder.join("journal"), |path, id, mut record| {
        let known = ids.shared(&record.key.model);
        if known.is_none() || !ids.matches(&record.key, id) {
            return Err(Error::io(
                path,
                format!(
                    "the trial {} is of other settings than {LOCK_FILE}; remove the journal or choose another folder by --out",
                    record.key
                ),
            ));
        }
        record.key.model = known.cloned().unwrap_or(record.key.model);
        add(&mut records, record, |name| lock.is_reproducible(name)).map_err(|key| {
            Error::io(
                path,
                format!(
                    "the trial {key} is there twice with different outcomes; remove the journal to run it again"
                ),
            )
        })
    })?;
    Ok(records)
}

/// Adds `record` to `records`: a twin merges with it, what a machine's circumstances decided gives way to what the model
/// did, and of a model that can't repeat itself the first record stays.
///
/// # Errors
/// The trial, if both claim another outcome.
fn add(
    records: &mut BTreeMap<TrialKey, Record>,
    record: Record,
    reproducible: impl Fn(&ModelName) -> bool,
) -> std::result::Result<(), TrialKey> {
    let twin = match records.entry(record.key.clone()) {
        Entry::Vacant(place) => {
            place.insert(record);
            return Ok(());
        }
        Entry::Occupied(twin) => twin.into_mut(),
    };
    let same = twin.outcome == record.outcome;
    match (twin.outcome.is_circumstance(), record.outcome.is_circumstance()) {
        (true, _) if !same => *twin = record,
        (false, false) if !same && reproducible(&record.key.model) => return Err(record.key),
        _ => {}
    }
    Ok(())
}
