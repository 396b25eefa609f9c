//! The results folder: the only module that reads or writes it.
//!
//! The journal is what a sweep resumes from; the tables are derived from it, whole, when a sweep has run through.
//! A folder may hold tables without a journal (a committed study, freshly cloned): a sweep then runs its trials again
//! and says whether the numbers came out the same; tables of trials that were not asked for stay as they are.

mod disk;
mod guard;
mod journal;
mod lock;
mod locked_model;
mod merge;
mod shard;
mod survey;
mod tables;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::files;
use crate::plan::{ModelName, TrialKey};
use crate::record::{Outcome, Record};
use crate::sweep::Sink;

pub(crate) use disk::sync_folder;
pub use disk::{Disk, FileSystem, Log};
pub use guard::Guard;
pub use journal::{ATTEMPT_VARIABLE, AttemptName};
pub(crate) use journal::{LONGEST_LINE, decode, encode};
pub use lock::{FORMAT, LOCK_FILE, Lock, LockedDataset, LockedProtocol, TrialIds};
pub use locked_model::LockedModel;
pub(crate) use locked_model::{SET, TUNE};
pub use merge::{Merge, Merged, Missing, Watch};
pub use shard::{ShardStore, standing};
pub use survey::{Attempt, ShardSurvey, Survey, survey};
pub use tables::Items;
pub(crate) use tables::{table, tabled_timing};

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
    /// The journal's files and their lengths as they were read.
    seen: Vec<(PathBuf, u64)>,
}

/// What a publication found when it wrote trials that it ran over older tables.
#[derive(Debug)]
pub struct Published {
    /// Trials whose outcome was in the tables before, and is the same now.
    pub reproduced: usize,
    /// Trials whose outcome was another before.
    pub changed: Vec<TrialKey>,
    /// While it lives, no other process opens or writes the folder: for what is derived from the tables.
    pub guard: Guard,
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
        let _guard = Guard::take(folder)?;
        let lock = join_lock(folder, lock)?;
        let journal = folder.join("journal");
        let mut store = Store {
            folder: folder.to_owned(),
            ids: lock.trial_ids(),
            records: BTreeMap::new(),
            tables: BTreeMap::new(),
            fresh: BTreeSet::new(),
            writer: journal::Writer::new(journal, disk),
            seen: Vec::new(),
            lock,
        };
        store.read()?;
        // Written before the first trial, so that whatever the journal comes to hold, its settings are beside it.
        write_lock(folder, &store.lock)?;
        Ok(store)
    }

    /// Reads journal and tables; only while guarded.
    fn read(&mut self) -> Result<()> {
        self.seen = journal::files(&self.folder.join("journal"))?;
        self.records = read_journal(&self.folder, &self.lock, &self.ids)?;
        // The journal has the last word; what else the tables hold is compared with, and written again.
        self.tables = if self.records.len() < self.lock.planned() {
            read_tables(&self.folder, &self.lock, |key| !self.records.contains_key(key))?
        } else {
            BTreeMap::new()
        };
        Ok(())
    }

    /// Reads again if another process has written since; only while guarded.
    fn catch_up(&mut self) -> Result<()> {
        let own = self.writer.path();
        let others = |files: &[(PathBuf, u64)]| -> Vec<(PathBuf, u64)> {
            files.iter().filter(|(path, _)| Some(&**path) != own).cloned().collect()
        };
        let there = journal::files(&self.folder.join("journal"))?;
        if others(&there) != others(&self.seen) {
            self.lock = require_lock(&self.folder)?;
            self.ids = self.lock.trial_ids();
            self.read()?;
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

    /// What this process runs on, as text in TOML: kept beside the journal that it writes, once it writes one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn set_machine(&mut self, text: String) -> Result<()> {
        self.writer.set_machine(text)
    }

    /// True if this process has computed anything.
    pub fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// True if every record of the tables-to-be comes from a journal file with a machine beside it.
    pub fn is_known_where(&self) -> bool {
        self.tables.keys().all(|key| self.records.contains_key(key))
            && self.seen.iter().all(|(log, _)| log.with_extension("toml").is_file())
    }

    /// Waits until no other process opens or writes the folder.
    ///
    /// # Errors
    /// If the user interrupts the wait.
    pub fn guard(&self) -> Result<Guard> {
        Guard::take(&self.folder)
    }

    /// Writes the tables: everything in the journal, what others have added to it meanwhile too, and what older tables
    /// hold besides, in plan order. `items` are the held-out items of the splits that ran.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn publish(&mut self, items: Items) -> Result<Published> {
        self.sync()?;
        let guard = self.guard()?;
        files::remove_unfinished(&self.folder);
        let mut published = Published { reproduced: 0, changed: Vec::new(), guard };
        for key in &self.fresh {
            match (self.tables.get(key), self.records.get(key)) {
                (Some(old), Some(new)) if new.outcome == old.outcome => published.reproduced += 1,
                (Some(_), Some(_)) => published.changed.push(key.clone()),
                _ => {}
            }
        }
        self.catch_up()?;
        // Splits that only older tables know stay known.
        let mut all_items = tables::read_items(&self.folder)?;
        all_items.extend(items);
        // What another process has computed on splits that only it knows waits for that one to publish.
        let known = |key: &TrialKey| all_items.contains_key(&(key.repeat, key.fold));
        let mut all: BTreeMap<&TrialKey, &Record> = self.tables.iter().collect();
        all.extend(self.records.iter());
        all.retain(|key, _| known(key));
        for model in &self.lock.models {
            let of_model: Vec<&Record> =
                all.iter().filter(|(key, _)| key.model == model.name).map(|(_, r)| *r).collect();
            if !of_model.is_empty() {
                tables::write_model(&self.folder, &model.name, &of_model)?;
            }
        }
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
    /// What to tell whoever reads results of a study that has not run through: means are then over fewer trials at some
    /// sizes than at others. `None` if nothing is missing.
    pub fn unfinished(&self) -> Option<String> {
        let missing = self.lock.planned().saturating_sub(self.records.len());
        (missing > 0).then(|| unfinished(missing as u64, self.lock.planned() as u64))
    }

    /// Reads `folder`.
    ///
    /// # Errors
    /// [`Error::Input`] if it is no results folder, [`Error::Io`] naming a damaged file.
    pub fn read(folder: &Path) -> Result<Results> {
        let (results, lost) = Results::read_so_far(folder)?;
        match lost.first() {
            Some(model) => Err(Error::input(format!(
                "{} has no scores of {model:?}, which {LOCK_FILE} lists: \
                 run `bench sweep` again, or bring the files back",
                folder.display()
            ))),
            None => Ok(results),
        }
    }

    /// As [`Results::read`], without the models that have no scores, which another process may be computing; their names
    /// come back, too.
    ///
    /// # Errors
    /// As [`Results::read`].
    pub fn read_so_far(folder: &Path) -> Result<(Results, Vec<String>)> {
        let mut lock = require_lock(folder)?;
        let records = read_tables(folder, &lock, |_| true)?;
        if records.is_empty() {
            return Err(Error::input(format!(
                "{} holds no finished sweep: run `bench sweep` to its end first",
                folder.display()
            )));
        }
        let scored = |model: &LockedModel| {
            let first = TrialKey { model: (&*model.name).into(), n: 0, repeat: 0, fold: 0 };
            records.range(first..).next().is_some_and(|(key, _)| key.model == model.name)
        };
        let (there, lost): (Vec<_>, Vec<_>) = lock.models.into_iter().partition(scored);
        lock.models = there;
        let lost = lost.into_iter().map(|model| model.name).collect();
        Ok((Results { records, items: tables::read_items(folder)?, lock }, lost))
    }
}

/// What to tell whoever reads results of a study that has not run through.
pub(crate) fn unfinished(missing: u64, planned: u64) -> String {
    format!(
        "{missing} of {planned} planned trials are missing: means and verdicts stand on those that are there; \
         `bench sweep` goes on with the rest"
    )
}

/// The journal's files in a results folder, in the order of their names.
///
/// # Errors
/// [`Error::Io`] if the folder can't be read.
pub(crate) fn journal_files(folder: &Path) -> Result<Vec<PathBuf>> {
    journal::paths(&folder.join("journal"))
}

/// The lock of what `folder` holds and `lock` asks for.
///
/// # Errors
/// [`Error::Input`] if it holds results of other settings.
pub(crate) fn join_lock(folder: &Path, lock: &Lock) -> Result<Lock> {
    let Some(there) = Lock::read(folder)? else { return Ok(lock.clone()) };
    there.join(lock).map_err(|difference| {
        Error::input(format!(
            "{} holds results of other settings: {difference}; choose another folder by --out, or remove it",
            folder.display()
        ))
    })
}

/// Writes the lock, but where nothing changes: many processes may open one folder.
fn write_lock(folder: &Path, lock: &Lock) -> Result<()> {
    let (path, text) = (folder.join(LOCK_FILE), lock.to_text()?);
    match files::read_if_there(&path)? {
        Some(there) if there == text => Ok(()),
        _ => files::write_whole(&path, text.as_bytes()),
    }
}

/// The lock of `folder`, which covers `lock` from now on. Where it does already there is nothing to write and nothing
/// to wait for; where there is none, all who come write the same.
///
/// # Errors
/// [`Error::Input`] if the folder holds results of other settings; [`Error::Io`].
pub(crate) fn settle_lock(folder: &Path, lock: &Lock) -> Result<Lock> {
    match Lock::read(folder)? {
        Some(there) if there.covers(lock) => return Ok(there),
        Some(_) => {}
        None => {
            write_lock(folder, lock)?;
            return Ok(lock.clone());
        }
    }
    let _guard = Guard::take(folder)?;
    let joined = join_lock(folder, lock)?;
    write_lock(folder, &joined)?;
    Ok(joined)
}

fn require_lock(folder: &Path) -> Result<Lock> {
    Lock::read(folder)?.ok_or_else(|| {
        Error::input(format!(
            "{} is no results folder: it has no {LOCK_FILE}; `bench sweep` makes one",
            folder.display()
        ))
    })
}

/// The tables' records of the trials that `wanted` says. Only these are checked: a kill while tables are written leaves
/// some of them older than others, but only in trials that the journal has.
fn read_tables(
    folder: &Path,
    lock: &Lock,
    wanted: impl Fn(&TrialKey) -> bool + Sync,
) -> Result<BTreeMap<TrialKey, Record>> {
    let by_model: Vec<Vec<Record>> = lock
        .models
        .par_iter()
        .map(|model| tables::read_model(folder, &model.name, lock.seed, &wanted))
        .collect::<Result<_>>()?;
    Ok(by_model.into_iter().flatten().map(|record| (record.key.clone(), record)).collect())
}

/// The journal's records by trial. The same trial twice is the same record twice, or an error.
fn read_journal(folder: &Path, lock: &Lock, ids: &TrialIds) -> Result<BTreeMap<TrialKey, Record>> {
    let mut records = BTreeMap::new();
    journal::read(&folder.join("journal"), |path, id, mut record| {
        let known = ids.shared(&record.key.model);
        if known.is_none() || !ids.matches(&record.key, id) {
            return Err(foreign(path, &record.key));
        }
        record.key.model = known.cloned().unwrap_or(record.key.model);
        add(&mut records, record, |name| lock.is_reproducible(name))
            .map_err(|key| twice(path, &key))
    })?;
    Ok(records)
}

/// The refusal of a journal's record that was computed under other settings.
fn foreign(path: &Path, key: &TrialKey) -> Error {
    Error::io(
        path,
        format!(
            "the trial {key} is of other settings than {LOCK_FILE}; remove the journal or choose another folder by --out"
        ),
    )
}

/// The refusal of a journal's record that contradicts another.
fn twice(path: &Path, key: &TrialKey) -> Error {
    Error::io(
        path,
        format!(
            "the trial {key} is there twice with different outcomes; remove the journal to run it again"
        ),
    )
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
    match Twin::of(&twin.outcome, &record.outcome, || reproducible(&record.key.model)) {
        Twin::Stays => {}
        Twin::GivesWay => *twin = record,
        Twin::Contradicts => return Err(record.key),
    }
    Ok(())
}

/// What becomes of the record of a trial when another one turns up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twin {
    Stays,
    GivesWay,
    Contradicts,
}

impl Twin {
    fn of(first: &Outcome, next: &Outcome, reproducible: impl FnOnce() -> bool) -> Twin {
        match (first.is_circumstance(), next.is_circumstance()) {
            _ if first == next => Twin::Stays,
            (true, _) => Twin::GivesWay,
            (false, false) if reproducible() => Twin::Contradicts,
            _ => Twin::Stays,
        }
    }
}
