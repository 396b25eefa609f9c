//! The plan: every trial of an experiment, known before the first one runs.

use crate::experiment::Experiment;

/// The name of a trial: what is fitted, on how many examples, in which split.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrialKey {
    /// The model's label.
    pub model: String,
    /// Training-set size.
    pub n: u32,
    /// Repeat, from 0.
    pub repeat: u32,
    /// Fold, from 0; always 0 where the protocol has no folds.
    pub fold: u32,
}

impl std::fmt::Display for TrialKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, n = {}, repeat {}, fold {}", self.model, self.n, self.repeat, self.fold)
    }
}

/// All trials in plan order: by model as in the file, then n, repeat, fold.
pub fn plan(experiment: &Experiment) -> Vec<TrialKey> {
    let protocol = &experiment.protocol;
    let mut trials = Vec::new();
    for model in &experiment.models {
        for &n in &protocol.sizes {
            for repeat in 0..protocol.repeats {
                for fold in 0..protocol.folds {
                    trials.push(TrialKey { model: model.name.clone(), n, repeat, fold });
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

/// The part `index` of `parts` of the trials: whole splits, dealt out in turn.
pub fn shard(trials: &mut Vec<TrialKey>, index: u32, parts: u32, folds: u32) {
    trials.retain(|t| (t.repeat * folds + t.fold) % parts == index);
}
