//! Joining the results of several folders: all of them are read and held against each other before anything is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Lock, Store, add, read_journal, read_tables, require_lock};
use crate::error::{Error, Result};
use crate::plan::TrialKey;
use crate::record::Record;

/// Results of several folders that agree, on their way into one.
#[derive(Debug)]
pub struct Joined {
    target: PathBuf,
    folders: Vec<PathBuf>,
    lock: Lock,
    records: BTreeMap<TrialKey, Record>,
}

impl Joined {
    /// Reads `folders`, and `target` if there are results already; it may be one of them.
    ///
    /// # Errors
    /// [`Error::Input`] if two folders are of different settings, or hold different outcomes of one trial.
    pub fn read(target: &Path, folders: &[PathBuf]) -> Result<Joined> {
        // What the target has comes first: of a model that can't repeat itself, its own outcomes stay.
        let mut all: Vec<PathBuf> = Vec::new();
        if Lock::read(target)?.is_some() {
            all.push(target.to_owned());
        }
        all.extend(folders.iter().filter(|folder| !same(folder, target)).cloned());
        if folders.iter().any(|folder| same(folder, target)) {
            require_lock(target)?;
        }
        let mut joined: Option<Lock> = None;
        let mut records = BTreeMap::new();
        for folder in &all {
            let lock = require_lock(folder)?;
            joined = Some(match joined {
                Some(there) => there.join(&lock).map_err(|difference| {
                    Error::input(format!(
                        "{} is of other settings than {}: {difference}",
                        folder.display(),
                        names(&all, folder)
                    ))
                })?,
                None => lock.clone(),
            });
            add_all(&mut records, folder, &lock)?;
        }
        let lock = joined.ok_or_else(|| Error::input("no results to join"))?;
        Ok(Joined { target: target.to_owned(), folders: all, lock, records })
    }

    /// Everything that decides the joined results.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The folders that were read: the target, if it had results, and the others.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Adds to the target's journal what it lacks.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn write(self) -> Result<Store> {
        let mut store = Store::open(&self.target, &self.lock)?;
        for record in self.records.into_values() {
            let own = store.get(&record.key).map(|own| &own.outcome);
            let better =
                |own: &crate::record::Outcome| own.is_circumstance() && *own != record.outcome;
            if own.is_none_or(better) {
                store.append(record)?;
            }
        }
        store.sync()?;
        Ok(store)
    }
}

/// Adds what `folder` holds to what the folders before it do.
fn add_all(records: &mut BTreeMap<TrialKey, Record>, folder: &Path, lock: &Lock) -> Result<()> {
    let journal = read_journal(folder, lock, &lock.trial_ids())?;
    let tables = read_tables(folder, lock, |key| !journal.contains_key(key))?;
    for record in tables.into_values().chain(journal.into_values()) {
        add(records, record, |name| lock.is_reproducible(name)).map_err(|key| {
            Error::input(format!(
                "{}: the trial {key} has another outcome there than in a folder before it; \
                 `bench verify` tells which of them comes out again",
                folder.display()
            ))
        })?;
    }
    Ok(())
}

fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// The folders before `folder`, in words.
fn names(all: &[PathBuf], folder: &Path) -> String {
    let before = all.iter().take_while(|other| *other != folder);
    before.map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(" and ")
}
