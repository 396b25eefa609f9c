//! Parts of a plan, each run on its own, perhaps on another machine: whole splits, dealt out by expected cost.
//!
//! Pure, and in whole numbers: every machine that takes part works out the parts for itself, and all must agree.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;

use crate::cost::cost;
use crate::experiment::Experiment;
use crate::plan::{ModelName, TrialKey};

/// One of several parts of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// Which part, from 0.
    pub index: u32,
    /// How many there are.
    pub parts: u32,
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
        let wrong = || {
            format!(
                "{text:?} is no shard: expected I/N with 0 <= I < N, such as 0/4, \
                 or auto/N in a job array"
            )
        };
        let (index, parts) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten().ok_or_else(wrong)
        };
        let (index, parts) = (number(index)?, number(parts)?);
        if index < parts { Ok(Shard { index, parts }) } else { Err(wrong()) }
    }
}

/// What job arrays call the number of a task: Kubernetes indexed jobs, HyperQueue, Slurm. The innermost comes first:
/// HyperQueue's workers may themselves be tasks of Slurm.
pub const INDEX_VARIABLES: [&str; 3] =
    ["JOB_COMPLETION_INDEX", "HQ_TASK_ID", "SLURM_ARRAY_TASK_ID"];

/// As [`Shard::from_str`], and `auto/N` for the number that a job array gave this process, which `variable` looks up.
///
/// # Errors
/// In words, if it is neither, or the number is missing or too large.
pub fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Shard, String> {
    let Some(parts) = text.strip_prefix("auto/") else { return text.parse() };
    let set = |name: &str| variable(name).filter(|index| !index.trim().is_empty());
    let found = INDEX_VARIABLES.iter().find_map(|name| Some((name, set(name)?)));
    let Some((name, index)) = found else {
        return Err(format!(
            "auto/{parts}: none of {} is set, give the index itself, such as 0/{parts}",
            INDEX_VARIABLES.join(", ")
        ));
    };
    let shard = format!("{}/{parts}", index.trim());
    shard.parse().map_err(|_| {
        format!(
            "auto/{parts}: {name} is {index:?}, expected a number below {parts}; an array must count from 0"
        )
    })
}

/// How many splits a plan has: at most as many parts of it hold any trial.
pub fn splits(experiment: &Experiment) -> u64 {
    u64::from(experiment.protocol.repeats) * u64::from(experiment.protocol.splits_per_repeat())
}

/// The parts of a plan: which split is in which.
///
/// Splits stay whole, so that all contenders of a split meet on one machine and what a split needs is made once; each
/// part has the same mixture of models and sizes.
#[derive(Clone, Debug)]
pub struct Shards {
    splits_per_repeat: u32,
    /// By split, repeat after repeat: the part that it is in.
    part: Vec<u32>,
    /// By part: expected nanoseconds.
    costs: Vec<u64>,
}

impl Shards {
    /// Deals the splits out into `parts`: the dearest first, each to the part that has least so far (longest processing
    /// time first: R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17, 1969, by which no
    /// part has more than 4/3 of the best there is). Equal splits go round in turn.
    pub fn new(experiment: &Experiment, parts: u32) -> Shards {
        let splits_per_repeat = experiment.protocol.splits_per_repeat();
        let by_fold: Vec<u64> =
            (0..splits_per_repeat).map(|fold| split_cost(experiment, fold)).collect();
        let cost = |split: &usize| by_fold[split % by_fold.len()];
        let mut order: Vec<usize> = (0..splits(experiment) as usize).collect();
        order.sort_by_key(|split| Reverse(cost(split)));
        let mut part = vec![0; order.len()];
        let mut costs = vec![0; parts as usize];
        let mut loads: BinaryHeap<Reverse<(u64, u32)>> =
            (0..parts).map(|index| Reverse((0, index))).collect();
        for split in order {
            let Some(Reverse((load, index))) = loads.pop() else { break };
            part[split] = index;
            let load = load.saturating_add(cost(&split));
            costs[index as usize] = load;
            loads.push(Reverse((load, index)));
        }
        Shards { splits_per_repeat, part, costs }
    }

    /// How many parts there are.
    pub fn parts(&self) -> u32 {
        self.costs.len() as u32
    }

    /// The part that holds the trial.
    ///
    /// # Panics
    /// If the trial is not of the experiment's plan: a defect of the caller.
    pub fn of(&self, key: &TrialKey) -> u32 {
        self.part[key.repeat as usize * self.splits_per_repeat as usize + key.fold as usize]
    }

    /// The trials of `index`, in plan order.
    pub fn trials(&self, experiment: &Experiment, index: u32) -> Vec<TrialKey> {
        let own: Vec<(u32, u32)> = (0u32..)
            .zip(&self.part)
            .filter(|(_, part)| **part == index)
            .map(|(split, _)| (split / self.splits_per_repeat, split % self.splits_per_repeat))
            .collect();
        let mut trials = Vec::new();
        for model in &experiment.models {
            let name = ModelName::from(&model.name);
            for &n in &experiment.protocol.sizes {
                let of_split =
                    |&(repeat, fold): &_| TrialKey { model: name.clone(), n, repeat, fold };
                trials.extend(own.iter().map(of_split));
            }
        }
        trials
    }

    /// Splits of `index`.
    pub fn splits_of(&self, index: u32) -> u64 {
        self.part.iter().filter(|part| **part == index).count() as u64
    }

    /// What `index` is expected to cost, in nanoseconds of one core such as the table in [`crate::cost`] was measured on.
    pub fn cost(&self, index: u32) -> u64 {
        self.costs[index as usize]
    }
}

/// What all trials of a split are expected to cost.
fn split_cost(experiment: &Experiment, fold: u32) -> u64 {
    let of_model = |model| {
        let sizes = experiment.protocol.sizes.iter();
        sizes.map(move |&n| cost(&experiment.protocol, model, n, fold))
    };
    experiment.models.iter().flat_map(of_model).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::experiment_file;
    use crate::plan::plan;

    fn experiment(protocol: &str) -> Experiment {
        let text = format!(
            "name = \"a\"\nseed = 1\n[dataset]\nname = \"mnist\"\n[protocol]\nsizes = [10, 40]\n{protocol}\n\
             [[model]]\nname = \"floor\"\nkind = \"majority\"\n\
             [[model]]\nname = \"net\"\nkind = \"mlp\"\nhidden = [64]\nepochs = 20\n"
        );
        experiment_file::parse(Path::new("a.toml"), &text, &models::Registry::default())
            .expect("sound")
    }

    proptest! {
        #[test]
        fn every_trial_is_in_one_part_and_a_split_in_one_alone(
            small in any::<bool>(), repeats in 1u32..9, folds in 2u32..5, parts in 1u32..12,
        ) {
            let kind = if small { "small-sample-cv" } else { "repeated-cv" };
            let experiment = experiment(&format!("kind = {kind:?}\nrepeats = {repeats}\nfolds = {folds}"));
            let shards = Shards::new(&experiment, parts);
            let mut joined = Vec::new();
            for index in 0..parts {
                let own = shards.trials(&experiment, index);
                prop_assert!(own.iter().all(|key| shards.of(key) == index));
                prop_assert_eq!(own.len() as u64, shards.splits_of(index) * 4);
                let sum: u64 = own.iter().map(|key| crate::cost::of_trial(&experiment, key)).sum();
                prop_assert_eq!(sum, shards.cost(index));
                joined.extend(own);
            }
            joined.sort();
            let mut all = plan(&experiment);
            all.sort();
            prop_assert_eq!(joined, all);
            // Graham's bound, with the mean for the optimum that is not known, which no optimum is below.
            let costs: Vec<u64> = (0..parts).map(|index| shards.cost(index)).collect();
            let dearest = (0..experiment.protocol.splits_per_repeat()).map(|f| split_cost(&experiment, f)).max();
            let mean = costs.iter().sum::<u64>() / u64::from(parts);
            let most = costs.iter().max().copied().unwrap_or_default();
            prop_assert!(most <= mean + dearest.unwrap_or_default(), "{:?}", costs);
        }
    }

    #[test]
    fn equal_splits_go_round_and_dear_ones_are_spread() {
        let equal = experiment("repeats = 2\nfolds = 5");
        let shards = Shards::new(&equal, 4);
        assert_eq!(shards.part, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]);
        // Of ten samples each has one dear split, the fit on all n that is scored on the large set, and five cheap ones.
        let unequal = experiment("kind = \"small-sample-cv\"\nrepeats = 10\nfolds = 5");
        let shards = Shards::new(&unequal, 4);
        let dear = |index: u32| shards.part.iter().step_by(6).filter(|p| **p == index).count();
        assert_eq!((0..4).map(dear).collect::<Vec<_>>(), [3, 3, 2, 2]);
        let costs: Vec<u64> = (0..4).map(|index| shards.cost(index)).collect();
        let (least, most) = (costs.iter().min().expect("four"), costs.iter().max().expect("four"));
        assert!(most * 100 < least * 105, "evened out by the cheap ones: {costs:?}");
    }

    #[test]
    fn shards_are_written_as_index_of_parts() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, parts: 3 }));
        for wrong in ["3/3", "1", "/", "a/2", "-1/2", "+1/2", "0/0", "1/2/3", ""] {
            let message = wrong.parse::<Shard>().expect_err(wrong);
            assert!(message.contains("expected I/N"), "{message}");
        }
    }

    #[test]
    fn a_job_array_says_the_index() {
        let set = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        for name in INDEX_VARIABLES {
            assert_eq!(parse("auto/8", set(name, "3")), Ok(Shard { index: 3, parts: 8 }));
        }
        let inner = |name: &str| Some(if name == "HQ_TASK_ID" { "1" } else { "5" }.to_owned());
        let inner = |name: &str| if name == "JOB_COMPLETION_INDEX" { None } else { inner(name) };
        assert_eq!(parse("auto/8", inner), Ok(Shard { index: 1, parts: 8 }));
        let none = parse("auto/8", |_| None).expect_err("no array");
        assert!(none.contains("SLURM_ARRAY_TASK_ID is set") && none.contains("0/8"), "{none}");
        let past = parse("auto/8", set("HQ_TASK_ID", "8")).expect_err("counted from 1");
        assert!(past.contains("must count from 0"), "{past}");
        assert_eq!(parse("3/8", |_| None), Ok(Shard { index: 3, parts: 8 }));
    }
}
