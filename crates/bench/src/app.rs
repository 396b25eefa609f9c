//! The whole command line as one call, so that a program with models of its own has all of its verbs.

use std::process::ExitCode;

use clap::Parser;
use models::{Kind, Registry};

use crate::cli::{Cli, Verb};
use crate::{cmd, runner};

/// The built-in kinds: all of `models`, and those that the harness itself adds.
pub fn registry() -> Registry {
    Registry::default().with(runner::KINDS)
}

/// Parses the process's arguments, runs the verb on all built-in kinds and `own`, and gives back the exit code.
pub fn run(own: &'static [Kind]) -> ExitCode {
    let registry = registry().with(own);
    let cli = Cli::parse();
    let common = &cli.common;
    let ended = match &cli.verb {
        Verb::Sweep(arguments) => cmd::sweep::run(common, arguments, &registry),
        Verb::Merge(arguments) => cmd::merge::run(common, arguments, &registry),
        Verb::Plan(arguments) => cmd::plan::run(common, arguments, &registry),
        Verb::Launch(arguments) => cmd::launch::run(common, arguments, &registry),
        Verb::Models(arguments) => cmd::models::run(arguments, &registry),
        Verb::Datasets => cmd::datasets::run(common),
        Verb::Status(arguments) => cmd::status::run(arguments, &registry),
        Verb::Summary(arguments) => cmd::summary::run(arguments),
        Verb::Compare(arguments) => cmd::compare::run(arguments),
        Verb::Report(arguments) => cmd::report::run(arguments),
        Verb::Figures(arguments) => cmd::figures::run(arguments),
        Verb::Verify(arguments) => cmd::verify::run(common, arguments, &registry),
        Verb::Worker(arguments) => cmd::worker::run(common, arguments, &registry),
    };
    match ended {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            crate::say!("error: {error}");
            ExitCode::from(2)
        }
    }
}
