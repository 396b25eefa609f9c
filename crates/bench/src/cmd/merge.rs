//! `bench merge`: join what shards and machines left, and write tables and figures.

use std::collections::BTreeMap;

use models::Registry;

use crate::cli::{Common, MergeArgs};
use crate::cmd::{Exit, results_path};
use crate::data::Dataset;
use crate::error::Result;
use crate::plan::{TrialKey, plan};
use crate::publish::{self, items};
use crate::store::Joined;
use crate::trial::Bench;
use crate::{environment, output, show};

/// So many missing trials are named.
const NAMED: usize = 10;

/// Runs the verb: joins the journals of all folders into the first, or into `--out`.
///
/// # Errors
/// Folders of different settings, or a trial with two outcomes, by name.
pub fn run(common: &Common, arguments: &MergeArgs, registry: &Registry) -> Result<Exit> {
    let folders: Vec<_> = arguments.results.iter().map(|path| results_path(path)).collect();
    let target = arguments.out.clone().unwrap_or_else(|| folders[0].clone());
    // Nothing is written until all of it is known to fit together.
    let joined = Joined::read(&target, &folders)?;
    let experiment = joined.lock().experiment(registry)?;
    let (data, beside) = (common.data.as_deref(), arguments.beside.as_deref());
    let dataset = Dataset::load_for(&folders[0], &experiment.dataset, data, beside)?;
    let bench = Bench::new(experiment, dataset, joined.lock().device()?)?;
    let folders = joined.folders().to_vec();
    let mut store = joined.write()?;

    let mut missing = plan(bench.experiment());
    let all = missing.len();
    missing.retain(|key| !store.has(key));
    let _published = store.publish(items(&bench))?;
    environment::carry_over(&target, &folders)?;
    let summary = publish::folder(&target)?.summary;
    if !arguments.quiet {
        output::print(&show::summary(&summary));
    }
    if missing.is_empty() {
        let (not_ok, _) = summary.not_ok();
        crate::say!(
            "{all} trials from {} folders in {}",
            arguments.results.len(),
            target.display()
        );
        return Ok(if not_ok == 0 { Exit::Done } else { Exit::NotAllOk });
    }
    report(&missing, all);
    Ok(Exit::NotAllOk)
}

/// Says what the plan still lacks: how many trials of which model, and the first of them by name.
fn report(missing: &[TrialKey], all: usize) {
    crate::say!("{} of {all} trials are missing:", missing.len());
    let mut by_model: BTreeMap<&str, usize> = BTreeMap::new();
    missing.iter().for_each(|key| *by_model.entry(&key.model).or_default() += 1);
    for (model, count) in by_model {
        crate::say!("  {model}: {count}");
    }
    for key in missing.iter().take(NAMED) {
        crate::say!("  {key}");
    }
    if missing.len() > NAMED {
        crate::say!("  and {} more", missing.len() - NAMED);
    }
    crate::say!("run the shards that they belong to, then merge again");
}
