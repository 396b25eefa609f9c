//! How far the shards of a study are, from the journal alone: one byte for each planned trial, whatever the journal holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::journal::{self, AttemptName, History};
use super::{Lock, foreign};
use crate::cost;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::plan::{Plan, TrialKey};
use crate::record::{Record, Status};
use crate::shard::Shards;

/// How far a study is.
#[derive(Clone, Debug)]
pub struct Survey {
    /// By shard.
    pub shards: Vec<ShardSurvey>,
    /// Records by processes of no shard, or of a division into another number of them.
    pub elsewhere: u64,
}

/// How far a shard is.
#[derive(Clone, Debug)]
pub struct ShardSurvey {
    /// Trials that it holds.
    pub planned: u64,
    /// Trials whose record is there, wherever it was computed.
    pub done: u64,
    /// Of these, trials that are not ok.
    pub not_ok: u64,
    /// Of the trials that are not ok, those that a time limit or a death decided: `--retry` runs them again.
    pub circumstances: u64,
    /// What the missing trials are expected to cost, in nanoseconds ([`crate::cost`]).
    pub cost_left: u64,
    /// The attempts at it, in the order of their beginning.
    pub attempts: Vec<Attempt>,
}

/// One process that worked on a shard.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What whoever started it calls it.
    pub name: String,
    /// Its machine.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// Records in its file.
    pub records: u64,
    /// What these were expected to cost, in nanoseconds.
    pub cost: u64,
    /// When it began.
    pub started: Option<SystemTime>,
    /// When it last gave a sign of life.
    pub last_sign: Option<SystemTime>,
    /// True if it ended by itself.
    pub ended: bool,
    /// True if a job script has seen it die.
    pub died: bool,
}

/// What is known of a trial; of two records the later of these counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Nothing,
    Circumstance,
    NotOk,
    Ok,
}

impl Known {
    fn of(record: &Record) -> Known {
        match record.outcome.status {
            Status::Ok => Known::Ok,
            _ if record.outcome.is_circumstance() => Known::Circumstance,
            _ => Known::NotOk,
        }
    }
}

/// Surveys the trials of `asked`, which `experiment` is of, in the journal of `folder`; those of `standing` are done in any
/// case.
///
/// # Errors
/// [`crate::error::Error::Io`] if a file can't be read or is damaged, or holds a trial of other settings.
pub fn survey(
    folder: &Path,
    asked: &Lock,
    experiment: &Experiment,
    shards: &Shards,
    standing: &BTreeSet<TrialKey>,
) -> Result<Survey> {
    let journal = folder.join("journal");
    let (ids, plan) = (asked.trial_ids(), Plan::of(experiment));
    let mut known = vec![Known::Nothing; plan.len() as usize];
    let mut files: BTreeMap<AttemptName, (u64, u64)> = BTreeMap::new();
    let mut elsewhere = 0;
    journal::read(&journal, |path, id, record| {
        let Some(place) = plan.position(&record.key) else { return Ok(()) };
        let place = place as usize;
        if !ids.matches(&record.key, id) {
            return Err(foreign(path, &record.key));
        }
        known[place] = known[place].max(Known::of(&record));
        match AttemptName::parse(path).filter(|name| name.shard.parts == shards.parts()) {
            Some(name) => {
                let (records, cost) = files.entry(name).or_default();
                *records += 1;
                *cost += cost::of_trial(experiment, &record.key);
            }
            None => elsewhere += 1,
        }
        Ok(())
    })?;
    for place in standing.iter().filter_map(|key| plan.position(key)) {
        let known = &mut known[place as usize];
        *known = if *known == Known::Nothing { Known::Ok } else { *known };
    }
    let mut found: Vec<ShardSurvey> = (0..shards.parts()).map(|_| ShardSurvey::empty()).collect();
    for (key, known) in plan.iter().zip(known) {
        found[shards.of(&key) as usize].count(known, || cost::of_trial(experiment, &key));
    }
    for attempt in History::read_outlines(&journal, |name| name.shard.parts == shards.parts())? {
        let (records, cost) = files.get(&attempt.name).copied().unwrap_or_default();
        let index = attempt.name.shard.index as usize;
        found[index].attempts.push(Attempt::new(attempt, records, cost));
    }
    Ok(Survey { shards: found, elsewhere })
}

impl ShardSurvey {
    fn empty() -> ShardSurvey {
        ShardSurvey {
            planned: 0,
            done: 0,
            not_ok: 0,
            circumstances: 0,
            cost_left: 0,
            attempts: Vec::new(),
        }
    }

    fn count(&mut self, known: Known, cost: impl FnOnce() -> u64) {
        self.planned += 1;
        match known {
            Known::Nothing => {
                self.cost_left += cost();
                return;
            }
            Known::Circumstance => self.circumstances += 1,
            Known::NotOk | Known::Ok => {}
        }
        self.done += 1;
        self.not_ok += u64::from(known != Known::Ok);
    }
}

impl Attempt {
    fn new(history: History, records: u64, cost: u64) -> Attempt {
        let History { name, started, ended, died, last_sign, .. } = history;
        Attempt {
            name: name.attempt,
            host: name.host,
            pid: name.pid,
            records,
            cost,
            started: started.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
            last_sign,
            ended,
            died,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use models::Registry;

    use super::*;
    use crate::experiment_file;
    use crate::record::Outcome;
    use crate::shard::Shard;
    use crate::store::{LockedDataset, LockedModel, LockedProtocol, ShardStore};

    fn study() -> (Experiment, Lock) {
        let text = "name = \"a\"\nseed = 1\n[dataset]\nname = \"mnist\"\n[protocol]\nsizes = [10, 40]\n\
            repeats = 2\nfolds = 3\n[[model]]\nname = \"floor\"\nkind = \"majority\"\n\
            [[model]]\nname = \"near\"\nkind = \"knn\"\n";
        let experiment = experiment_file::parse(Path::new("a.toml"), text, &Registry::default());
        let experiment = experiment.expect("sound");
        let protocol = &experiment.protocol;
        let lock = Lock {
            format: crate::store::FORMAT,
            model_code: models::CODE_VERSION,
            device: "cpu".into(),
            name: "a".into(),
            seed: 1,
            dataset: LockedDataset {
                name: "mnist".into(),
                classes: vec!["0".into(), "1".into()],
                sha256: "00".into(),
                path: None,
                target: None,
            },
            protocol: LockedProtocol {
                kind: protocol.kind.name().into(),
                sizes: protocol.sizes.clone(),
                repeats: protocol.repeats,
                folds: protocol.folds,
                cv_repeats: None,
                test_size: None,
                draws: protocol.draws,
            },
            models: experiment.models.iter().map(LockedModel::new).collect(),
        };
        (experiment, lock)
    }

    fn record(key: &TrialKey, status: Status, reason: &str) -> Record {
        let outcome = Outcome::without_score(1, 10, 10, status, reason);
        Record { key: key.clone(), outcome, timing: None }
    }

    #[test]
    fn a_survey_tells_what_each_shard_has() {
        let (experiment, lock) = study();
        let folder = tempfile::tempdir().expect("a folder");
        let shards = Shards::new(&experiment, 4);
        let open = |index, parts, attempt: &str| {
            let trials = Shards::new(&experiment, parts).trials(&experiment, index);
            let shard = Shard { index, parts };
            let store = ShardStore::open(folder.path(), &lock, shard, &trials, Some(attempt), None);
            (trials, store.expect("sound"))
        };
        // The first of four: two splits of four trials. A time limit ended one; the model failed at another.
        let (trials, mut store) = open(0, 4, "one");
        assert_eq!(trials.len(), 8);
        store.append(record(&trials[0], Status::Timeout, "too slow")).expect("kept");
        store.append(record(&trials[1], Status::Failed, "no")).expect("kept");
        store.sync().expect("on the disk");
        store.end().expect("noted");
        let (_, mut store) = open(0, 4, "two");
        store.append(record(&trials[0], Status::Diverged, "at last")).expect("kept");
        store.sync().expect("on the disk");
        // The same study, divided otherwise: its trials count where they belong.
        let (others, mut store) = open(1, 2, "three");
        store.append(record(&others[0], Status::Timeout, "too slow")).expect("kept");
        store.sync().expect("on the disk");

        let found =
            survey(folder.path(), &lock, &experiment, &shards, &BTreeSet::new()).expect("a survey");
        assert_eq!(found.elsewhere, 1);
        let first = &found.shards[0];
        assert_eq!((first.planned, first.done, first.not_ok, first.circumstances), (8, 2, 2, 0));
        let names: Vec<(&str, u64, bool)> =
            first.attempts.iter().map(|a| (&*a.name, a.records, a.ended)).collect();
        assert_eq!(names, [("one", 2, true), ("two", 1, false)]);
        assert!(first.attempts.iter().all(|a| a.started.is_some() && a.last_sign.is_some()));
        let at = shards.of(&others[0]) as usize;
        assert_eq!((found.shards[at].done, found.shards[at].circumstances), (1, 1));
        let left: u64 = trials[2..].iter().map(|key| cost::of_trial(&experiment, key)).sum();
        assert_eq!(first.cost_left, left);
        let planned: u64 = found.shards.iter().map(|shard| shard.planned).sum();
        assert_eq!(planned, 24);
    }
}
