//! The command line `bench`: parses and dispatches.

use std::process::ExitCode;

use bench::cli::{Cli, Verb};
use bench::cmd;
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match &cli.verb {
        Verb::Sweep(arguments) => cmd::sweep::run(&cli.common, arguments),
        Verb::Plan(arguments) => cmd::plan::run(&cli.common, arguments),
        Verb::Models(arguments) => cmd::models::run(arguments),
        Verb::Datasets => cmd::datasets::run(&cli.common),
        Verb::Summary(arguments) => cmd::summary::run(arguments),
        Verb::Figures(arguments) => cmd::figures::run(arguments),
    };
    match ended {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
