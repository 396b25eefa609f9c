//! `bench verify`: are these results what their settings give, here and now?

use std::fmt::Write;
use std::sync::atomic::Ordering;

use models::Registry;

use crate::cli::{Common, VerifyArgs};
use crate::cmd::{Exit, jobs, results_folder, stop_on_signal};
use crate::error::Result;
use crate::output;
use crate::verify::{Check, Verifier};

/// Runs the verb: exit code 1 if anything does not hold.
///
/// # Errors
/// If there are no results, or a file can't be read at all.
pub fn run(common: &Common, arguments: &VerifyArgs, registry: &Registry) -> Result<Exit> {
    let stop = stop_on_signal()?;
    let folder = results_folder(arguments.results.results.as_ref());
    let (data, beside) = (common.data.as_deref(), arguments.beside.as_deref());
    let verifier = match Verifier::new(&folder, data, beside, registry) {
        // Whoever waited for a program that introduces itself was told to stop.
        Err(_) if stop.load(Ordering::Relaxed) => return Ok(Exit::Interrupted),
        verifier => verifier?,
    };
    let mut checks = verifier.files();
    let fraction = if arguments.all { 1.0 } else { arguments.fraction };
    let trials = verifier.trials(fraction, arguments.seed, jobs(arguments.jobs), &stop)?;
    let Some(trials) = trials else { return Ok(Exit::Interrupted) };
    checks.extend(trials);
    output::print(&table(&checks));
    let failed = checks.iter().filter(|check| !check.holds()).count();
    if failed == 0 {
        return Ok(Exit::Done);
    }
    crate::say!("{failed} of {} checks do not hold in {}", checks.len(), folder.display());
    Ok(Exit::NotAllOk)
}

fn table(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let verdict = if check.holds() { "ok" } else { "DIFFERS" };
        let _ = writeln!(text, "{:8} {:14} {}", verdict, check.what, check.found);
        for example in &check.differences {
            let _ = writeln!(text, "{:23} {example}", "");
        }
    }
    text
}
