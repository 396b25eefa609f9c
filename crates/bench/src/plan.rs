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

/// The plan, as what it is made of: a trial is found by its position and a position by its trial, without a list of all.
///
/// The order: by model as in the file, then n, repeat, fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    models: Vec<ModelName>,
    sizes: Vec<u32>,
    repeats: u32,
    splits_per_repeat: u32,
}

impl Plan {
    /// The plan of an experiment.
    pub fn of(experiment: &Experiment) -> Plan {
        let protocol = &experiment.protocol;
        let models = experiment.models.iter().map(|model| (&model.name).into()).collect();
        let splits = protocol.splits_per_repeat();
        Plan::new(models, protocol.sizes.clone(), protocol.repeats, splits)
    }

    /// Every model at every size on every split; models and sizes are all different.
    pub fn new(
        models: Vec<ModelName>,
        sizes: Vec<u32>,
        repeats: u32,
        splits_per_repeat: u32,
    ) -> Plan {
        Plan { models, sizes, repeats, splits_per_repeat }
    }

    /// Trials in all.
    pub fn len(&self) -> u64 {
        self.models.len() as u64 * self.per_model()
    }

    /// True if nothing is planned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The models, in order.
    pub fn models(&self) -> &[ModelName] {
        &self.models
    }

    /// Trials of one model.
    pub fn per_model(&self) -> u64 {
        self.sizes.len() as u64 * self.splits()
    }

    /// Splits in all: trials of one model at one size.
    pub fn splits(&self) -> u64 {
        u64::from(self.repeats) * u64::from(self.splits_per_repeat)
    }

    /// The split at a place among the splits: repeat and fold.
    pub fn split_at(&self, place: u64) -> Option<(u32, u32)> {
        let per_repeat = u64::from(self.splits_per_repeat);
        (place < self.splits()).then(|| ((place / per_repeat) as u32, (place % per_repeat) as u32))
    }

    /// The trial at `position`; `None` behind the last.
    pub fn key_at(&self, position: u64) -> Option<TrialKey> {
        if position >= self.len() {
            return None;
        }
        let (in_all, split) = (position / self.splits(), position % self.splits());
        let (model, size) = (in_all / self.sizes.len() as u64, in_all % self.sizes.len() as u64);
        let (repeat, fold) = self.split_at(split)?;
        let model = self.models[model as usize].clone();
        Some(TrialKey { model, n: self.sizes[size as usize], repeat, fold })
    }

    /// Where the trial stands; `None` if it is not planned.
    pub fn position(&self, key: &TrialKey) -> Option<u64> {
        if key.repeat >= self.repeats || key.fold >= self.splits_per_repeat {
            return None;
        }
        let model = self.models.iter().position(|model| *model == key.model)? as u64;
        let size = self.sizes.iter().position(|size| *size == key.n)? as u64;
        let split = u64::from(key.repeat) * u64::from(self.splits_per_repeat) + u64::from(key.fold);
        Some((model * self.sizes.len() as u64 + size) * self.splits() + split)
    }

    /// The trials in order, made one by one.
    pub fn iter(&self) -> impl Iterator<Item = TrialKey> + '_ {
        (0..self.len()).map_while(|position| self.key_at(position))
    }
}

/// All trials in plan order: by model as in the file, then n, repeat, fold.
pub fn plan(experiment: &Experiment) -> Vec<TrialKey> {
    Plan::of(experiment).iter().collect()
}

/// The order in which trials run: split by split, so that what a split needs is made once and contenders meet
/// interleaved, on a machine in the same state; large n first, so that no long trial is left for the end.
pub fn running_order(trials: &mut [TrialKey]) {
    trials.sort_by_key(|t| (t.repeat, t.fold, std::cmp::Reverse(t.n)));
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_found_by_its_position_and_the_position_by_its_trial() {
        let plan = Plan::new(vec!["b".into(), "a".into()], vec![10, 40, 20], 3, 5);
        let listed: Vec<TrialKey> = plan.iter().collect();
        assert_eq!(listed.len() as u64, plan.len());
        let mut nested = Vec::new();
        for model in ["b", "a"] {
            for n in [10, 40, 20] {
                for (repeat, fold) in (0..3).flat_map(|r| (0..5).map(move |f| (r, f))) {
                    nested.push(TrialKey { model: model.into(), n, repeat, fold });
                }
            }
        }
        assert_eq!(listed, nested);
        for (position, key) in listed.iter().enumerate() {
            assert_eq!(plan.position(key), Some(position as u64), "{key}");
        }
        let key = |model: &str, n, repeat, fold| TrialKey { model: model.into(), n, repeat, fold };
        for strange in
            [key("c", 10, 0, 0), key("a", 11, 0, 0), key("a", 10, 3, 0), key("a", 10, 0, 5)]
        {
            assert_eq!(plan.position(&strange), None, "{strange}");
        }
        assert_eq!(plan.key_at(plan.len()), None);
        let none = Plan::new(vec!["a".into()], vec![], 1, 1);
        assert!(none.is_empty() && none.iter().next().is_none());
    }
}
