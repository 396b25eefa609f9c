//! What a process of a shard opens: it appends to files of its own, takes no lock, and writes nothing that another
//! process writes, too. So any number of machines work in one folder, and one that is taken for dead and goes on
//! writing does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::journal::{self, AttemptName, History, Starts};
use super::{FileSystem, Lock, TrialIds, add, foreign, read_tables, settle_lock, twice};
use crate::error::{Error, Result};
use crate::files;
use crate::plan::TrialKey;
use crate::record::{PROCESS_DIED, Record};
use crate::shard::Shard;
use crate::sweep::Sink;

/// The part of a results folder that one process of a shard works on.
#[derive(Debug)]
pub struct ShardStore {
    folder: PathBuf,
    ids: TrialIds,
    /// From the journal, and appended since; of this shard's trials alone.
    records: BTreeMap<TrialKey, Record>,
    /// Trials under way when an attempt died, and how many have died over each since it was last given up.
    deaths: BTreeMap<TrialKey, usize>,
    writer: journal::Writer,
    starts: Arc<Starts>,
}

impl ShardStore {
    /// Opens `folder` for the trials of `shard`, reading what there is of them; `attempt` names this attempt, or its
    /// number does. `limit` is the number of deaths after which a trial is given up; without one none are counted.
    ///
    /// # Errors
    /// As [`super::Store::open`].
    pub fn open(
        folder: &Path,
        lock: &Lock,
        shard: Shard,
        trials: &[TrialKey],
        attempt: Option<&str>,
        limit: Option<usize>,
    ) -> Result<ShardStore> {
        files::check_writable(folder)?;
        let lock = settle_lock(folder, lock)?;
        let (ids, journal) = (lock.trial_ids(), folder.join("journal"));
        let earlier = History::read(&journal, |name| name.shard == shard)?;
        let wanted: BTreeSet<&TrialKey> = trials.iter().collect();
        let Found { records, given_up } = read(&journal, &lock, &ids, shard, &wanted)?;
        let count = |limit| deaths(&earlier, &ids, &wanted, &records, &given_up, limit);
        let deaths = limit.map(count).unwrap_or_default();
        let number = format!("a{}", earlier.len());
        let name = || AttemptName::of_this_process(shard, attempt.unwrap_or(&number));
        let (name, starts) = Starts::create(&journal, name)?;
        let writer = journal::Writer::named(journal, name.to_string(), Box::new(FileSystem));
        Ok(ShardStore {
            folder: folder.to_owned(),
            ids,
            records,
            deaths,
            writer,
            starts: Arc::new(starts),
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The record of a trial that this attempt or an earlier one computed.
    pub fn get(&self, key: &TrialKey) -> Option<&Record> {
        self.records.get(key)
    }

    /// How many attempts have died with the trial under way, since it was last given up.
    pub fn deaths(&self, key: &TrialKey) -> usize {
        self.deaths.get(key).copied().unwrap_or(0)
    }

    /// What notes, from any thread, that a trial begins.
    pub fn notes(&self) -> impl Fn(&TrialKey) -> Result<()> + Sync + use<> {
        let (ids, starts) = (self.ids.clone(), self.starts.clone());
        move |key| ids.id(key).map_or(Ok(()), |id| starts.begin(&id))
    }

    /// Keeps a finished trial.
    ///
    /// # Errors
    /// [`Error::Io`]; the sweep must end then.
    pub fn append(&mut self, record: Record) -> Result<()> {
        let id = self
            .ids
            .id(&record.key)
            .ok_or_else(|| Error::input(format!("{}: its model is not in the lock", record.key)))?;
        self.writer.append(&id, &record)?;
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

    /// Notes that this attempt ends by itself, well or not: no trial took it down.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn end(&self) -> Result<()> {
        self.starts.end()
    }
}

impl Sink for ShardStore {
    fn keep(&mut self, record: Record) -> Result<()> {
        self.append(record)?;
        self.starts.sign();
        Ok(())
    }

    fn idle(&mut self) -> Result<()> {
        self.starts.sign();
        self.writer.sync_if_due()
    }
}

/// The trials of `wanted` that older tables hold.
///
/// # Errors
/// [`Error::Io`] naming a damaged file.
pub fn standing(folder: &Path, lock: &Lock, wanted: &[TrialKey]) -> Result<BTreeSet<TrialKey>> {
    let wanted: BTreeSet<&TrialKey> = wanted.iter().collect();
    Ok(read_tables(folder, lock, |key| wanted.contains(key))?.into_keys().collect())
}

struct Found {
    records: BTreeMap<TrialKey, Record>,
    /// How often a trial was given up because attempts died over it.
    given_up: BTreeMap<TrialKey, usize>,
}

/// What the journal holds of `wanted`. Files of other shards of as many parts can't hold any, and are not opened: what a
/// shard reads doesn't grow with the study.
fn read(
    journal: &Path,
    lock: &Lock,
    ids: &TrialIds,
    shard: Shard,
    wanted: &BTreeSet<&TrialKey>,
) -> Result<Found> {
    let mut found = Found { records: BTreeMap::new(), given_up: BTreeMap::new() };
    let other = |name: AttemptName| name.shard.parts == shard.parts && name.shard != shard;
    let may_hold = |path: &Path| !AttemptName::parse(path).is_some_and(other);
    journal::read_some(journal, may_hold, |path, id, record| {
        if !ids.matches(&record.key, id) {
            return Err(foreign(path, &record.key));
        }
        let Some(key) = wanted.get(&record.key) else { return Ok(()) };
        let record = Record { key: (*key).clone(), ..record };
        if record.outcome.reason.starts_with(PROCESS_DIED) {
            *found.given_up.entry(record.key.clone()).or_default() += 1;
        }
        add(&mut found.records, record, |name| lock.is_reproducible(name))
            .map_err(|key| twice(path, &key))
    })?;
    Ok(found)
}

/// How many attempts have died with each trial of `wanted` under way. A trial that was given up before has used up the
/// deaths that led to it: who asks for it again by `--retry` means it.
fn deaths(
    earlier: &[History],
    ids: &TrialIds,
    wanted: &BTreeSet<&TrialKey>,
    records: &BTreeMap<TrialKey, Record>,
    given_up: &BTreeMap<TrialKey, usize>,
    limit: usize,
) -> BTreeMap<TrialKey, usize> {
    let crashed: Vec<&History> =
        earlier.iter().filter(|attempt| attempt.may_have_crashed()).collect();
    if crashed.is_empty() {
        return BTreeMap::new();
    }
    let open =
        |key: &&&TrialKey| records.get(**key).is_none_or(|record| record.outcome.is_circumstance());
    let count = |key: &&TrialKey| {
        let id = ids.id(key)?;
        let all = crashed.iter().filter(|attempt| attempt.begun.contains(&id)).count();
        let used = given_up.get(*key).copied().unwrap_or(0) * limit;
        let left = all.saturating_sub(used);
        (left > 0).then(|| ((*key).clone(), left))
    };
    wanted.iter().filter(open).filter_map(count).collect()
}
