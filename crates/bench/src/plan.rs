//! The plan: every trial of an experiment, known before the first one runs.

use std::fmt;
use std::ops::Deref;
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
