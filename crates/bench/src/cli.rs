//! The command line: what can be typed, and what it means.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::experiment_file::MIN_MEMORY_MIB;
use crate::shard::{self, Shard};

/// Compare deep nets with shallow models on tiny samples.
#[derive(Debug, Parser)]
#[command(name = "bench", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 done, but some trials (or checks of `verify`) are not ok; 2 bad input or an unusable file;
3 `merge`: planned trials are missing; 130 interrupted, the same command goes on where it was.";

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Common {
    /// The data folder [default: $BENCH_DATA, else `data` here or above]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run an experiment's missing trials, then write tables and figures
    Sweep(SweepArgs),
    /// Print an experiment's trials without running them
    Plan(PlanArgs),
    /// Hand an experiment's missing trials to a cluster's queue, in shards, and a merge behind them
    Launch(LaunchArgs),
    /// List model kinds with their parameters and defaults
    Models(ModelsArgs),
    /// List datasets with shapes, class counts and hashes
    Datasets,
    /// Say how far a sweep is, shard by shard
    Status(StatusArgs),
    /// Print the table of a results folder
    Summary(ResultsArgs),
    /// Judge models pair by pair: differences, bands, verdicts, crossings; or rank them over ten or more folders
    Compare(CompareArgs),
    /// Draw the figures of a results folder again, from its CSV files alone
    Figures(ResultsArgs),
    /// Write report.html, one self-contained file, and README.md into a results folder
    Report(ResultsArgs),
    /// Join the results of shards or machines, and write tables and figures
    Merge(MergeArgs),
    /// Check a results folder: its files against each other, and a sample of trials run again
    Verify(VerifyArgs),
    /// The other side of `sweep --isolate`
    #[command(hide = true)]
    Worker(WorkerArgs),
}

/// Which trials of which experiment.
#[derive(Clone, Debug, Args)]
pub struct Selection {
    /// An experiment file, the name of one in experiments/, or the lock file of results [default: mnist-0v1]
    #[arg(value_name = "EXPERIMENT")]
    pub experiment: Option<PathBuf>,
    /// The folder of a table of one's own [default: beside the experiment file]
    #[arg(long, value_name = "DIR")]
    pub beside: Option<PathBuf>,
    /// Only these of the experiment's models, by their labels
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub models: Option<Vec<String>>,
    /// Contenders to add, from a file of [[model]] tables; what the experiment's own have done before is not run again
    #[arg(long, value_name = "FILE")]
    pub with: Vec<PathBuf>,
    /// A contender to add, as `name=…,kind=…,…` with the keys of a [[model]]
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub model: Vec<String>,
    /// These training-set sizes instead of the experiment's
    #[arg(long, value_delimiter = ',', value_name = "N,N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sizes: Option<Vec<u32>>,
    /// This many repeats instead of the experiment's
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub repeats: Option<u32>,
}

/// `bench sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Which trials.
    #[command(flatten)]
    pub selection: Selection,
    /// The results folder [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Trials at a time [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Where nets are trained: cpu, cuda:N, metal
    #[arg(long, default_value = "cpu")]
    pub device: nn::Device,
    /// What trains them [default: native on the processor, candle elsewhere]
    #[arg(long, value_enum)]
    pub engine: Option<Engine>,
    /// Only this part of the trials, of N parts, I from 0 or `auto`: the number of this task in a job array (Kubernetes,
    /// HyperQueue, Slurm); `bench merge` joins them
    #[arg(long, value_name = "I/N", value_parser = shard_argument)]
    pub shard: Option<Shard>,
    /// With --shard: give a trial up as `failed` after so many attempts at the shard have died with it under way
    #[arg(long, value_name = "K", requires = "shard", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub crash_limit: Option<u32>,
    /// Run trials in processes of their own, so that an abort or exhausted memory costs one trial alone
    #[arg(long)]
    pub isolate: bool,
    /// End a trial after so many seconds and count it as `timeout`; implies --isolate
    #[arg(long, value_name = "SECONDS", value_parser = positive_seconds)]
    pub time_limit: Option<f64>,
    /// Address space of a trial's process; implies --isolate
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(MIN_MEMORY_MIB..1 << 40))]
    pub memory_limit: Option<u64>,
    /// Run trials again that a time limit ended or whose process died
    #[arg(long)]
    pub retry: bool,
    /// Results in tables stand, though their journal is elsewhere: only what they lack runs; implied by --with and --model
    #[arg(long)]
    pub keep_tables: bool,
    /// No progress and no table, only errors
    #[arg(long, short)]
    pub quiet: bool,
}

fn shard_argument(text: &str) -> Result<Shard, String> {
    shard::parse(text, |name| std::env::var(name).ok())
}

fn positive_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.001..=1e9).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number of seconds in 0.001..1e9".into()),
    }
}

/// What trains nets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// This project's own, on the processor
    Native,
    /// candle's tensors: on CUDA and Metal devices, and on the processor as a cross-check, several times slower
    Candle,
}

/// `bench plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Which trials.
    #[command(flatten)]
    pub selection: Selection,
    /// Only this part of the trials, of N parts
    #[arg(long, value_name = "I/N", value_parser = shard_argument)]
    pub shard: Option<Shard>,
    /// One row for each of N parts instead: its splits, trials and expected seconds of one core (rough)
    #[arg(long, value_name = "N", conflicts_with = "shard", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub shards: Option<u32>,
}

/// Who runs the jobs of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cluster {
    /// Slurm: an array of jobs, each a shard
    Slurm,
    /// HyperQueue: an array of tasks, each a shard
    Hq,
}

/// `bench launch`.
#[derive(Debug, Args)]
#[command(
    after_help = "--partition, --account, --max-parallel and --sbatch are Slurm's alone. Exit codes: 0 handed in, or \
        nothing to do; 2 bad input, or a queue that refuses or does not answer."
)]
pub struct LaunchArgs {
    /// Who runs the jobs: slurm or hq
    #[arg(value_name = "CLUSTER")]
    pub cluster: Option<String>,
    /// Which trials.
    #[command(flatten)]
    pub selection: Selection,
    /// Who runs the jobs, whatever CLUSTER says, which may then be left out
    #[arg(long, value_enum, value_name = "CLUSTER")]
    pub on: Option<Cluster>,
    /// Into how many parts the trials go, each a job; at most as many as there are splits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub shards: u32,
    /// The results folder, which all machines see [default: results/<name>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Where nets are trained: cpu, cuda:N, metal
    #[arg(long, default_value = "cpu")]
    pub device: nn::Device,
    /// What trains them [default: native on the processor, candle elsewhere]
    #[arg(long, value_enum)]
    pub engine: Option<Engine>,
    /// Run trials in processes of their own [the default]
    #[arg(long, overrides_with = "no_isolate")]
    pub isolate: bool,
    /// Run trials in the job's own process: an abort or exhausted memory then takes the job with it
    #[arg(long)]
    pub no_isolate: bool,
    /// End a trial after so many seconds and count it as `timeout`
    #[arg(long, value_name = "SECONDS", value_parser = positive_seconds)]
    pub time_limit: Option<f64>,
    /// Address space of a trial's process
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(MIN_MEMORY_MIB..1 << 40))]
    pub memory_limit: Option<u64>,
    /// Run trials again that a time limit ended or whose process died
    #[arg(long)]
    pub retry: bool,
    /// Results in tables stand, though their journal is elsewhere: only what they lack runs; implied by --with and --model
    #[arg(long)]
    pub keep_tables: bool,
    /// Slurm's partition [default: the cluster's]
    #[arg(long, value_name = "NAME")]
    pub partition: Option<String>,
    /// Time of a job, as Slurm writes it (`4:00:00`): a shard that needs more checkpoints and goes on in another slot.
    /// For hq, the time that a worker must have left (`4h`)
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,
    /// Cores of a job, and trials at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub cpus: u32,
    /// GPUs of a job, as the cluster writes them (`1`, `a100:1`)
    #[arg(long, value_name = "GPUS")]
    pub gpus: Option<String>,
    /// Who pays, where Slurm keeps accounts
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// At most so many jobs at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_parallel: Option<u32>,
    /// Another #SBATCH line, such as `--mem=4G` or `--qos=low`; may be given again
    #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
    pub sbatch: Vec<String>,
    /// Slots of a shard that may be killed, or see no trial ended, before it is given up
    #[arg(long, value_name = "K", default_value_t = 5)]
    pub requeues: u32,
    /// Seconds before the end of a job's time at which it checkpoints
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=65535))]
    pub warning: u32,
    /// Seconds in which Slurm must still know what it has accepted; what it has lost is handed in again
    #[arg(long, value_name = "SECONDS", default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub watch: u32,
    /// Seconds after which a merge that lacks trials looks again, since network file systems list files late; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 65, value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub settle: u32,
    /// What runs bench on the machines, such as `apptainer exec bench.sif bench` [default: a copy of this program]
    #[arg(long, value_name = "COMMAND")]
    pub program: Option<String>,
    /// Print the scripts and what would be handed in; write and hand in nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `bench merge`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 the plan is complete; 1 complete, but some trials are not ok; 2 bad input, an unusable \
        file, or a trial with two outcomes; 3 planned trials are missing."
)]
pub struct MergeArgs {
    /// Results folders, or names of some in results/; the first takes in the others
    #[arg(value_name = "RESULTS", required = true)]
    pub results: Vec<PathBuf>,
    /// Another folder for what is joined
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The folder of a table of one's own [default: beside the first results, or above them]
    #[arg(long, value_name = "DIR")]
    pub beside: Option<PathBuf>,
    /// Compare models if no more trials are planned: that takes about 1 GB of memory per million
    #[arg(long, default_value_t = COMPARED_UP_TO, value_name = "TRIALS")]
    pub compare_up_to: u64,
    /// No table
    #[arg(long, short)]
    pub quiet: bool,
}

/// What a machine of 4 GB can compare on the way: 2.1 GB, at 200 scored items a trial (docs/scale.md).
const COMPARED_UP_TO: u64 = 3_000_000;

/// `bench verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Which results.
    #[command(flatten)]
    pub results: ResultsArgs,
    /// The share of each model's trials to run again, at least one
    #[arg(long, default_value = "0.02", value_parser = share, conflicts_with = "all")]
    pub fraction: f64,
    /// Run all trials again
    #[arg(long)]
    pub all: bool,
    /// The folder of a table of one's own [default: beside the results, or above them]
    #[arg(long, value_name = "DIR")]
    pub beside: Option<PathBuf>,
    /// Chooses which trials are run again
    #[arg(long, default_value = "0")]
    pub seed: u64,
    /// Trials at a time [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a share from 0 to 1".into()),
    }
}

/// `bench worker`.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// As in `sweep`.
    #[arg(long, default_value = "cpu")]
    pub device: nn::Device,
    /// As in `sweep`.
    #[arg(long)]
    pub memory_limit: Option<u64>,
    /// The experiment file's folder, beside which a table may lie.
    #[arg(long)]
    pub beside: Option<PathBuf>,
}

/// `bench models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Only this kind
    pub kind: Option<String>,
}

/// Verbs on a results folder.
#[derive(Debug, Args)]
pub struct ResultsArgs {
    /// The results folder, or the name of one in results/ [default: results/mnist-0v1]
    #[arg(value_name = "RESULTS")]
    pub results: Option<PathBuf>,
}

/// `bench status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all trials are there; 1 all are there, but some are not ok; 2 bad input or an \
    unusable file; 3 trials are missing."
)]
pub struct StatusArgs {
    /// The results folder, or the name of one in results/ [default: results/mnist-0v1]
    #[arg(value_name = "RESULTS")]
    pub results: Option<PathBuf>,
    /// Every shard, however many there are
    #[arg(long)]
    pub all: bool,
    /// Rows for programs, and nothing else
    #[arg(long, conflicts_with = "all")]
    pub csv: bool,
}

/// `bench compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The results folder, or the name of one in results/ [default: results/mnist-0v1]; ten or more: ranks over them
    #[arg(value_name = "RESULTS")]
    pub results: Vec<PathBuf>,
    /// Compare every model with this one [default: the most accurate on average]
    #[arg(long, value_name = "MODEL")]
    pub baseline: Option<String>,
    /// The models of another results folder too, on the same data, protocol and seed
    #[arg(long, value_name = "RESULTS")]
    pub other: Option<PathBuf>,
    /// Half the width of the region of practical equivalence, in accuracy [default: 0.005, half a point]
    #[arg(long, value_name = "ACCURACY")]
    pub rope: Option<f64>,
    /// Level of bands and intervals
    #[arg(long, default_value_t = 0.95, value_name = "LEVEL")]
    pub level: f64,
    /// Accuracies to count the needed examples for [default: up to three round ones]
    #[arg(long, value_delimiter = ',', value_name = "ACCURACY,ACCURACY")]
    pub target: Option<Vec<f64>>,
    /// Where ranks over many folders go [default: results/across]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
