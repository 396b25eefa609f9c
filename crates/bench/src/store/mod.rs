//! The results folder: the only module that reads or writes it.
//!
//! The journal is what a sweep resumes from; the tables are derived from it, whole, when a sweep has run through.
//! A folder may hold tables without a journal (a committed study, freshly cloned): a sweep then runs its trials again
//! and says whether the numbers came out the same; tables of trials that were not asked for stay as they are.

mod journal;
mod lock;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;
use crate::plan::TrialKey;
use crate::record::Record;

pub use lock::{FORMAT, LOCK_FILE, Lock, LockedDataset, LockedModel, LockedProtocol};
pub use tables::Items;
pub(crate) use tables::table;

/// A results folder, open for appending.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    lock: Lock,
    /// From the journal, and appended since.
    records: BTreeMap<TrialKey, Record>,
    /// From the tables that were there.
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
        let store = Store {
            folder: folder.to_owned(),
            records: read_journal(folder, &lock)?,
            tables: read_tables(folder, &lock)?,
            fresh: BTreeSet::new(),
            writer: journal::Writer::new(folder.join("journal")),
            lock,
        };
        // Written before the first trial, so that whatever the journal comes to hold, its settings are beside it.
        files::write_whole(&folder.join(LOCK_FILE), store.lock.to_text()?.as_bytes())?;
        Ok(store)
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

    /// The record of a trial that this run or an interrupted one computed.
    pub fn get(&self, key: &TrialKey) -> Option<&Record> {
        self.records.get(key)
    }

    /// Keeps a finished trial.
    ///
    /// # Errors
    /// [`Error::Io`]; the sweep must end then.
    pub fn append(&mut self, record: Record) -> Result<()> {
        self.writer.append(&self.lock.trial_id(&record.key), &record)?;
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

/// What the tables of a results folder hold: for everything that comes after a sweep.
#[derive(Debug)]
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
        let lock = Lock::read(folder)?.ok_or_else(|| {
            Error::input(format!(
                "{} is no results folder: it has no {LOCK_FILE}; `bench sweep` makes one",
                folder.display()
            ))
        })?;
        let records = read_tables(folder, &lock)?;
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

fn read_tables(folder: &Path, lock: &Lock) -> Result<BTreeMap<TrialKey, Record>> {
    let mut records = BTreeMap::new();
    for model in &lock.models {
        for record in tables::read_model(folder, &model.name, lock.seed)? {
            records.insert(record.key.clone(), record);
        }
    }
    Ok(records)
}

/// The journal's records by trial. The same trial twice is the same record twice, or an error.
fn read_journal(folder: &Path, lock: &Lock) -> Result<BTreeMap<TrialKey, Record>> {
    let folder = folder.join("journal");
    let mut records: BTreeMap<TrialKey, Record> = BTreeMap::new();
    for (id, record) in journal::read(&folder)? {
        let known = lock.models.iter().any(|model| model.name == record.key.model);
        if !known || id != lock.trial_id(&record.key) {
            return Err(Error::io(
                &folder,
                format!(
                    "the trial {} is of other settings than {LOCK_FILE}; remove the journal or choose another folder by --out",
                    record.key
                ),
            ));
        }
        match records.get(&record.key) {
            Some(twin) if twin.outcome != record.outcome => {
                return Err(Error::io(
                    &folder,
                    format!(
                        "the trial {} is there twice with different outcomes; remove the journal to run it again",
                        record.key
                    ),
                ));
            }
            _ => records.insert(record.key.clone(), record),
        };
    }
    Ok(records)
}
