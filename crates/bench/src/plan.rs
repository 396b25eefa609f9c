//! The plan: every trial of an experiment, known before the first one runs.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use crate::experiment::Experiment;

/// A model's label, shared by all of its trials: a million of them hold it once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(Arc<str>);

impl Deref for ModelName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ModelName {
    fn from(name: &str) -> Self {
        ModelName(name.into())
    }
}

impl From<&String> for ModelName {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl PartialEq<str> for ModelName {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for ModelName {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl PartialEq<String> for ModelName {
    fn eq(&self, other: &String) -> bool {
        *self.0 == **other
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// The name of a trial: what is fitted, on how many examples, in which split.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrialKey {
    /// The model's label.
    pub model: ModelName,
    /// Training-set size.
    pub n: u32,
    /// Repeat, from 0.
    pub repeat: u32,
    /// Fold, from 0; always 0 where the protocol has no folds.
    pub fold: u32,
}

impl fmt::Display for TrialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, n = {}, repeat {}, fold {}", self.model, self.n, self.repeat, self.fold)
    }
}

/// All trials in plan order: by model as in the file, then n, repeat, fold.
pub fn plan(experiment: &Experiment) -> Vec<TrialKey> {
    let protocol = &experiment.protocol;
    let mut trials = Vec::new();
    for model in &experiment.models {
        let name = ModelName::from(&model.name);
        for &n in &protocol.sizes {
            for repeat in 0..protocol.repeats {
                for fold in 0..protocol.splits_per_repeat() {
                    trials.push(TrialKey { model: name.clone(), n, repeat, fold });
                }
            }
        }
    }
    trials
}

/// The order in which trials run: split by split, so that what a split needs is made once and contenders meet
/// interleaved, on a machine in the same state; large n first, so that no long trial is left for the end.
pub fn running_order(trials: &mut [TrialKey]) {
    trials.sort_by_key(|t| (t.repeat, t.fold, std::cmp::Reverse(t.n)));
}

/// One of several parts of a plan, each run on its own, perhaps on a machine of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 0.
    pub index: u32,
    /// How many there are.
    pub parts: u32,
}

impl Shard {
    /// The trials of this part: whole splits, dealt out in turn, so that all contenders of a split stay together and
    /// every part has the same mixture of models and sizes.
    pub fn keep(self, trials: &mut Vec<TrialKey>, splits_per_repeat: u32) {
        let split =
            |t: &TrialKey| u64::from(t.repeat) * u64::from(splits_per_repeat) + u64::from(t.fold);
        trials.retain(|t| split(t) % u64::from(self.parts) == u64::from(self.index));
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.parts)
    }
}

impl FromStr for Shard {
    type Err = String;

    /// `I/N` with I from 0 to N - 1.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no shard: expected I/N with 0 <= I < N, such as 0/4");
        let (index, parts) = text.split_once('/').ok_or_else(wrong)?;
        let (index, parts) =
            (index.parse().map_err(|_| wrong())?, parts.parse().map_err(|_| wrong())?);
        if index < parts { Ok(Shard { index, parts }) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_part_the_plan_by_whole_splits() {
        let mut all = Vec::new();
        for model in ["a", "b"] {
            for (repeat, fold) in (0..3).flat_map(|r| (0..5).map(move |f| (r, f))) {
                all.push(TrialKey { model: model.into(), n: 10, repeat, fold });
            }
        }
        let mut joined = Vec::new();
        for index in 0..4 {
            let mut part = all.clone();
            Shard { index, parts: 4 }.keep(&mut part, 5);
            let both = |t: &TrialKey| {
                part.iter().filter(|o| (o.repeat, o.fold) == (t.repeat, t.fold)).count()
            };
            assert!(part.iter().all(|t| both(t) == 2), "a split's trials stay together");
            assert!((6..=8).contains(&part.len()), "{}", part.len());
            joined.extend(part);
        }
        joined.sort();
        all.sort();
        assert_eq!(joined, all, "every trial once");
    }

    #[test]
    fn shards_are_written_as_index_of_parts() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, parts: 3 }));
        for wrong in ["3/3", "1", "/", "a/2", "-1/2", "0/0", "1/2/3", ""] {
            let message = wrong.parse::<Shard>().expect_err(wrong);
            assert!(message.contains("expected I/N"), "{message}");
        }
    }
}
