//! The command line `bench`: the built-in kinds.

use std::process::ExitCode;

fn main() -> ExitCode {
    bench::app::run(&[])
}
