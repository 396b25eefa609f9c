//! `bench launch`: a study's missing trials as jobs of a cluster's queue, in shards, and a merge behind them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use models::Registry;

use crate::cli::{Cluster, Common, LaunchArgs, Selection, SweepArgs};
use crate::cmd::Exit;
use crate::cmd::sweep::{Prepared, keeps_tables};
use crate::data::data_folder_for;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::launch::hq::{HqOptions, OnHq};
use crate::launch::quote;
use crate::launch::script::{self, SlurmOptions, Work};
use crate::launch::slurm::OnSlurm;
use crate::launch::{Order, absolute, job_name, program_copy};
use crate::plan::plan;
use crate::shard::{Shards, splits};
use crate::store;

/// A trial that was under way in so many deaths of its task is given up: one may be the machine's fault.
const CRASH_LIMIT: u32 = 2;

/// Runs the verb: everything that a sweep would refuse is refused before anything is written or handed in.
///
/// # Errors
/// Bad input, a file that can't be used, or a queue that refuses.
pub fn run(common: &Common, arguments: &LaunchArgs, registry: &Registry) -> Result<Exit> {
    let (cluster, selection) = chosen(arguments)?;
    let order = order(common, arguments, selection, registry)?;
    match cluster {
        Cluster::Slurm => {
            let slurm = OnSlurm { order: &order, options: slurm_options(arguments) };
            if arguments.dry_run { slurm.print()? } else { slurm.run()? }
        }
        Cluster::Hq => {
            let options = HqOptions { time: arguments.time.clone(), gpus: arguments.gpus.clone() };
            let hq = OnHq { order: &order, options };
            if arguments.dry_run { hq.print()? } else { hq.run()? }
        }
    }
    Ok(Exit::Done)
}

/// The cluster that was meant, and the selection: where `--on` names the cluster, the first word may be the experiment.
fn chosen(arguments: &LaunchArgs) -> Result<(Cluster, Selection)> {
    let mut selection = arguments.selection.clone();
    let word = arguments.cluster.as_deref();
    let named = word.and_then(|word| Cluster::from_str(word, false).ok());
    let cluster = match (arguments.on, named, word) {
        (Some(on), None, Some(word)) if selection.experiment.is_none() => {
            selection.experiment = Some(word.into());
            on
        }
        (_, None, Some(word)) => {
            return Err(Error::input(format!(
                "launch where? {word:?} is neither slurm nor hq: `bench launch slurm {word} --shards …`"
            )));
        }
        (Some(on), ..) => on,
        (None, Some(named), _) => named,
        (None, None, None) => {
            return Err(Error::input(
                "launch where? `bench launch slurm EXPERIMENT --shards …`, or hq",
            ));
        }
    };
    if cluster == Cluster::Hq {
        let of_slurm = [
            ("--partition", arguments.partition.is_some()),
            ("--account", arguments.account.is_some()),
            ("--max-parallel", arguments.max_parallel.is_some()),
            ("--sbatch", !arguments.sbatch.is_empty()),
        ];
        if let Some((option, _)) = of_slurm.iter().find(|(_, given)| *given) {
            return Err(Error::input(format!(
                "{option} is Slurm's and would do nothing on hq, leave it out"
            )));
        }
    }
    Ok((cluster, selection))
}

/// Refuses what a sweep would refuse, and more shards than there are splits.
fn order(
    common: &Common,
    arguments: &LaunchArgs,
    selection: Selection,
    registry: &Registry,
) -> Result<Order> {
    let sweep = as_sweep(arguments, selection);
    let keeps_tables = keeps_tables(&sweep);
    let Prepared { bench, lock, device, folder, .. } =
        Prepared::elsewhere(common, &sweep, registry)?;
    let experiment = bench.experiment().clone();
    check_device(arguments, device)?;
    let most = splits(&experiment);
    if u64::from(arguments.shards) > most {
        return Err(Error::input(format!(
            "--shards {}: the study has {most} splits, and a shard is one at least: at most --shards {most}",
            arguments.shards
        )));
    }
    let folder = absolute(&folder)?;
    store::join_lock(&folder, &lock)?;
    let standing = match keeps_tables {
        true => store::standing(&folder, &lock, &plan(&experiment))?,
        false => BTreeSet::new(),
    };
    let copy = match arguments.program {
        Some(_) => None,
        None => Some(program_copy(&folder)?),
    };
    let mut work = work(common, arguments, &experiment, device, folder, copy.as_deref())?;
    if keeps_tables {
        work.sweep.push("--keep-tables".to_owned());
    }
    let shards = Shards::new(&experiment, arguments.shards);
    Ok(Order { experiment, lock, shards, standing, keeps_tables, work, copy })
}

/// What a sweep would be told.
fn as_sweep(arguments: &LaunchArgs, selection: Selection) -> SweepArgs {
    SweepArgs {
        selection,
        out: arguments.out.clone(),
        jobs: Some(arguments.cpus),
        device: arguments.device,
        engine: arguments.engine,
        shard: None,
        crash_limit: Some(CRASH_LIMIT),
        isolate: !arguments.no_isolate,
        time_limit: arguments.time_limit,
        memory_limit: arguments.memory_limit,
        retry: arguments.retry,
        keep_tables: arguments.keep_tables,
        quiet: true,
    }
}

/// A GPU need not be here, but the program that the jobs run must be built for it.
fn check_device(arguments: &LaunchArgs, device: nn::Device) -> Result<()> {
    let class = crate::device::class(device);
    match arguments.program {
        None if !nn::Device::supported().contains(class) => Err(Error::input(format!(
            "--device {device}: this binary has {} (features: {}); build it with --features {class}, or name one that \
             has it by --program",
            nn::Device::supported(),
            nn::Device::features()
        ))),
        _ => Ok(()),
    }
}

fn work(
    common: &Common,
    arguments: &LaunchArgs,
    experiment: &Experiment,
    device: nn::Device,
    folder: PathBuf,
    copy: Option<&Path>,
) -> Result<Work> {
    let here = std::env::current_dir().map_err(|error| Error::io(Path::new("."), error))?;
    let program = match (&arguments.program, copy) {
        (Some(command), _) => script::program(command)?,
        (None, Some(copy)) => vec![quote::path(copy)?.to_owned()],
        (None, None) => vec!["bench".to_owned()],
    };
    let places = places(common, arguments, experiment)?;
    let mut merge =
        vec!["merge".to_owned(), quote::path(&folder)?.to_owned(), "--quiet".to_owned()];
    merge.extend(places.clone());
    let mut work = Work {
        name: job_name(&experiment.name, &folder),
        folder,
        here,
        program,
        sweep: Vec::new(),
        retry: arguments.retry,
        merge,
        shards: arguments.shards,
        requeues: arguments.requeues,
        cpus: arguments.cpus,
    };
    let (lock, out) = (work.lock_file(), quote::path(&work.folder)?.to_owned());
    let mut sweep = vec!["sweep".to_owned(), quote::path(&lock)?.to_owned()];
    sweep.extend(["--out".to_owned(), out, "--quiet".to_owned()]);
    sweep.extend(["--device".to_owned(), device.to_string()]);
    sweep.extend(["--crash-limit".to_owned(), CRASH_LIMIT.to_string()]);
    if !arguments.no_isolate {
        sweep.push("--isolate".to_owned());
    }
    // Limits are no part of what identifies results, so that the frozen settings have none.
    if let Some(seconds) = experiment.limits.seconds {
        sweep.extend(["--time-limit".to_owned(), seconds.to_string()]);
    }
    if let Some(mib) = experiment.limits.memory_mib {
        sweep.extend(["--memory-limit".to_owned(), mib.to_string()]);
    }
    sweep.extend(places);
    work.sweep = sweep;
    Ok(work)
}

/// Where the data is, from the root: jobs may start elsewhere. A container has its own, unless it is told.
fn places(common: &Common, arguments: &LaunchArgs, experiment: &Experiment) -> Result<Vec<String>> {
    let mut places = Vec::new();
    if arguments.program.is_none() || common.data.is_some() {
        let data = absolute(&data_folder_for(&experiment.dataset, common.data.as_deref())?)?;
        places.extend(["--data".to_owned(), quote::path(&data)?.to_owned()]);
    }
    if let Some(table) = &experiment.dataset.table {
        let beside =
            if table.beside.as_os_str().is_empty() { Path::new(".") } else { &table.beside };
        let beside = absolute(beside)?;
        places.extend(["--beside".to_owned(), quote::path(&beside)?.to_owned()]);
    }
    Ok(places)
}

fn slurm_options(arguments: &LaunchArgs) -> SlurmOptions {
    let LaunchArgs { partition, time, gpus, account, sbatch, max_parallel, .. } = arguments;
    SlurmOptions {
        partition: partition.clone(),
        time: time.clone(),
        gpus: gpus.clone(),
        account: account.clone(),
        lines: sbatch.clone(),
        warning: arguments.warning,
        max_parallel: *max_parallel,
        watch: Duration::from_secs(u64::from(arguments.watch)),
        settle: arguments.settle,
    }
}
