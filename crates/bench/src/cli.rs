//! The command line: what can be typed, and what it means.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
Exit codes: 0 done; 1 done, but some trials are not ok; 2 bad input or an unusable file;
130 interrupted, the same command goes on where it was.";

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
    /// List model kinds with their parameters and defaults
    Models(ModelsArgs),
    /// List datasets with shapes, class counts and hashes
    Datasets,
    /// Print the table of a results folder
    Summary(ResultsArgs),
    /// Draw the figures of a results folder again, from its CSV files alone
    Figures(ResultsArgs),
}

/// Which trials of which experiment.
#[derive(Clone, Debug, Args)]
pub struct Selection {
    /// An experiment file, or the name of one in experiments/ [default: mnist-0v1]
    #[arg(value_name = "EXPERIMENT")]
    pub experiment: Option<PathBuf>,
    /// Only these models, by their labels
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    pub models: Option<Vec<String>>,
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
    /// Where nets are trained: cpu, candle-cpu, cuda:N, metal
    #[arg(long, default_value = "cpu")]
    pub device: nn::Device,
    /// No progress and no table, only errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// `bench plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Which trials.
    #[command(flatten)]
    pub selection: Selection,
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
