//! `bench plan`: the trials of an experiment, one a line.

use std::fmt::Write;

use models::Registry;

use crate::cli::{Common, PlanArgs};
use crate::cmd::{Exit, experiment};
use crate::data::{Dataset, data_folder_for};
use crate::error::Result;
use crate::experiment::{Experiment, Tune};
use crate::output;
use crate::plan::{TrialKey, plan};
use crate::seed::trial_seed;
use crate::shard::Shards;
use crate::trial::Bench;

/// Runs the verb: `model,n,repeat,fold,seed,tune`, in plan order; `tune` holds the values that a model chooses among.
/// With `--shards`, what each part holds. Everything that a sweep would refuse is refused here.
///
/// # Errors
/// Bad input.
pub fn run(common: &Common, arguments: &PlanArgs, registry: &Registry) -> Result<Exit> {
    let experiment = experiment(&arguments.selection, registry)?;
    let dataset = Dataset::load(
        &experiment.dataset,
        &data_folder_for(&experiment.dataset, common.data.as_deref())?,
    )?;
    let bench = Bench::new(experiment, dataset, nn::Device::Cpu)?;
    let experiment = bench.experiment();
    if let Some(parts) = arguments.shards {
        output::print(&shares(experiment, parts));
        return Ok(Exit::Done);
    }
    let trials = match arguments.shard {
        Some(shard) => Shards::new(experiment, shard.parts).trials(experiment, shard.index),
        None => plan(experiment),
    };
    let mut text = String::from("model,n,repeat,fold,seed,tune\n");
    for key in trials {
        let TrialKey { model, n, repeat, fold } = &key;
        let seed = trial_seed(experiment.seed, model, *n, *repeat, *fold);
        let spec = experiment.models.iter().find(|spec| *model == spec.name);
        let tune = spec.and_then(|spec| spec.tune.as_ref()).map(Tune::text).unwrap_or_default();
        let _ = writeln!(text, "{model},{n},{repeat},{fold},{seed},{tune}");
    }
    output::print(&text);
    Ok(Exit::Done)
}

/// How evenly a plan is dealt out.
fn shares(experiment: &Experiment, parts: u32) -> String {
    let shards = Shards::new(experiment, parts);
    let cells = (experiment.models.len() * experiment.protocol.sizes.len()) as u64;
    let mut text = String::from("shard,splits,trials,expected_seconds\n");
    for index in 0..parts {
        let (splits, seconds) = (shards.splits_of(index), shards.cost(index) as f64 / 1e9);
        let _ = writeln!(text, "{index},{splits},{},{seconds:.6}", splits * cells);
    }
    text
}
