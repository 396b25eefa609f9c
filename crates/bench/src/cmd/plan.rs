//! `bench plan`: the trials of an experiment, one a line.

use std::fmt::Write;

use crate::cli::{Common, PlanArgs};
use crate::cmd::{Exit, experiment};
use crate::data::{Dataset, data_folder};
use crate::error::Result;
use crate::output;
use crate::plan::plan;
use crate::seed::trial_seed;
use crate::trial::Bench;

/// Runs the verb: `model,n,repeat,fold,seed`, in plan order. Everything that a sweep would refuse is refused here.
///
/// # Errors
/// Bad input.
pub fn run(common: &Common, arguments: &PlanArgs) -> Result<Exit> {
    let experiment = experiment(&arguments.selection)?;
    let dataset = Dataset::load(&experiment.dataset, &data_folder(common.data.as_deref())?)?;
    let bench = Bench::new(experiment, dataset, nn::Device::Cpu)?;
    let experiment = bench.experiment();
    let mut text = String::from("model,n,repeat,fold,seed\n");
    for key in plan(experiment) {
        let seed = trial_seed(experiment.seed, &key.model, key.n, key.repeat, key.fold);
        let _ = writeln!(text, "{},{},{},{},{seed}", key.model, key.n, key.repeat, key.fold);
    }
    output::print(&text);
    Ok(Exit::Done)
}
