//! `bench merge`: join what shards and machines left, and write tables and figures.

use std::path::Path;

use models::Registry;

use crate::cli::{Common, MergeArgs};
use crate::cmd::{Exit, results_path};
use crate::data::Dataset;
use crate::error::Result;
use crate::publish::{self, Derived};
use crate::store::{Lock, Merge, Merged, Missing, Results, Watch};
use crate::summary::{Gradual, Summary};
use crate::trial::Bench;
use crate::{environment, output, show};

/// Runs the verb: joins the journals of all folders into the first, or into `--out`.
///
/// # Errors
/// Folders of different settings, or a trial with two outcomes, by name.
pub fn run(common: &Common, arguments: &MergeArgs, registry: &Registry) -> Result<Exit> {
    let folders: Vec<_> = arguments.results.iter().map(|path| results_path(path)).collect();
    let target = arguments.out.clone().unwrap_or_else(|| folders[0].clone());
    let merge = Merge::of(&target, &folders)?;
    let lock = merge.lock();
    let experiment = lock.experiment(registry)?;
    let (data, beside) = (common.data.as_deref(), arguments.beside.as_deref());
    let dataset = Dataset::load_for(&folders[0], &experiment.dataset, data, beside)?;
    let bench = Bench::new(experiment, dataset, lock.device()?)?;

    let whole = lock.planned() as u64 <= arguments.compare_up_to;
    let mut gradual = (!whole).then(|| Gradual::new(lock));
    let watch: &mut dyn Watch = match &mut gradual {
        Some(gradual) => gradual,
        None => &mut (),
    };
    let (merged, read) = merge.write(|repeat, fold| bench.held_out(repeat, fold), watch)?;
    environment::carry_over(&target, &read)?;
    if merged.there > 0 {
        let summary = match gradual {
            Some(gradual) => summed_up(&target, lock, &merged, gradual.end()?)?,
            None => compared(&target)?,
        };
        if !arguments.quiet {
            output::print(&show::summary(&summary));
        }
    }
    Ok(told(&merged, arguments.results.len(), &target))
}

/// Everything that is derived from results, of those that fit into memory.
fn compared(target: &Path) -> Result<Summary> {
    // A model of which nothing is there yet is among what is missing.
    let (results, _) = Results::read_so_far(target)?;
    Ok(publish::derived(target, &results)?.0.summary)
}

/// What is derived from a summary alone; says what is left out, and how it is made.
fn summed_up(target: &Path, lock: &Lock, merged: &Merged, summary: Summary) -> Result<Summary> {
    let Merged { planned, there, missing, .. } = merged;
    let left_out = format!(
        "{planned} trials are planned, too many to compare models on the way: what compares them is left out, tables, \
         verdicts and figures; `bench report` makes it, and takes some {} GB of memory",
        there.div_ceil(TRIALS_PER_GB)
    );
    crate::say!(
        "note: {left_out} (`bench compare` shows the verdicts, `bench figures` draws, in as much); until then, what \
         lies here of it is of older tables"
    );
    let mut notes = vec![format!("{left_out}.")];
    if missing.count > 0 {
        notes.push(crate::store::unfinished(missing.count, *planned));
    }
    let derived = Derived::of_summary(summary, notes);
    publish::write(target, lock, &derived)?;
    Ok(derived.summary)
}

/// So many trials are counted as a gigabyte in memory, read and compared: measured, .7 at 200 scored items (docs/scale.md);
/// more items take more.
const TRIALS_PER_GB: u64 = 1_000_000;

/// Says what was found.
fn told(merged: &Merged, folders: usize, target: &Path) -> Exit {
    let Merged { planned, there, not_ok, duplicates, unplanned, missing, .. } = merged;
    if *duplicates > 0 {
        crate::say!("{duplicates} records were of trials that were there already, and were merged");
    }
    if *unplanned > 0 {
        crate::say!(
            "{unplanned} records are of trials that the settings do not plan, and were left out"
        );
    }
    if missing.count > 0 {
        report(missing, *planned);
        return Exit::Incomplete;
    }
    let s = if folders == 1 { "" } else { "s" };
    crate::say!("{there} trials from {folders} folder{s} in {}", target.display());
    if *not_ok == 0 { Exit::Done } else { Exit::NotAllOk }
}

/// Says what the plan still lacks: how many trials of which model, and the first of them by name.
fn report(missing: &Missing, all: u64) {
    crate::say!("{} of {all} trials are missing:", missing.count);
    for (model, count) in &missing.by_model {
        crate::say!("  {model}: {count}");
    }
    for key in &missing.first {
        crate::say!("  {key}");
    }
    if missing.count > missing.first.len() as u64 {
        crate::say!("  and {} more", missing.count - missing.first.len() as u64);
    }
    crate::say!("run the shards that they belong to, then merge again");
}
