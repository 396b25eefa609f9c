//! What can be told to be wrong with options for Slurm before anybody is asked.

use crate::error::{Error, Result};
use crate::launch::script::SlurmOptions;

/// Options of `sbatch` that a launch sets itself.
const OWN: [&str; 13] = [
    "--array",
    "-a",
    "--dependency",
    "-d",
    "--job-name",
    "-J",
    "--output",
    "-o",
    "--signal",
    "--requeue",
    "--no-requeue",
    "--open-mode",
    "--cpus-per-task",
];

/// Refuses options that Slurm would refuse, or that would undo what a launch is for.
///
/// # Errors
/// [`Error::Input`] naming the option.
pub(super) fn options(options: &SlurmOptions) -> Result<()> {
    let values = [
        ("--partition", &options.partition),
        ("--account", &options.account),
        ("--gpus", &options.gpus),
        ("--time", &options.time),
    ];
    for (option, value) in values {
        if value.as_ref().is_some_and(|value| value.trim().is_empty()) {
            return Err(Error::input(format!("{option} is empty: give a value, or leave it out")));
        }
    }
    if let Some(time) = &options.time {
        check_time(time, options.warning)?;
    }
    options.lines.iter().try_for_each(|line| check_line(line))
}

fn check_time(time: &str, warning: u32) -> Result<()> {
    match seconds(time) {
        None => Err(Error::input(format!(
            "--time {time:?}: Slurm takes minutes, minutes:seconds, hours:minutes:seconds, days-hours, \
             days-hours:minutes or days-hours:minutes:seconds, such as 4:00:00"
        ))),
        Some(limit) if limit <= u64::from(warning) => Err(Error::input(format!(
            "--time {time} is {limit} s, and --warning {warning} would end every job as it begins: give it more time, or \
             less warning"
        ))),
        Some(_) => Ok(()),
    }
}

fn check_line(line: &str) -> Result<()> {
    let option = line.trim().trim_start_matches("#SBATCH").trim();
    if !option.starts_with('-') {
        return Err(Error::input(format!(
            "--sbatch {line:?}: expected an option of sbatch's, such as --mem=4G"
        )));
    }
    let name = option.split(['=', ' ']).next().unwrap_or_default();
    match OWN.contains(&name) {
        true => Err(Error::input(format!(
            "--sbatch {line:?}: {name} is set by the launch itself, leave it out"
        ))),
        false => Ok(()),
    }
}

/// The seconds of a time as Slurm writes it; a time without end is longer than any. `None` if it is no time.
fn seconds(time: &str) -> Option<u64> {
    if ["infinite", "unlimited"].contains(&&*time.trim().to_ascii_lowercase()) {
        return Some(u64::MAX);
    }
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok())?
    };
    let (days, rest) = match time.trim().split_once('-') {
        Some((days, rest)) => (Some(number(days)?), rest),
        None => (None, time.trim()),
    };
    let parts: Vec<u64> = rest.split(':').map(number).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match (days, &parts[..]) {
        (Some(_), &[hours]) => (hours, 0, 0),
        (Some(_), &[hours, minutes]) => (hours, minutes, 0),
        (None, &[minutes]) => (0, minutes, 0),
        (None, &[minutes, seconds]) => (0, minutes, seconds),
        (_, &[hours, minutes, seconds]) => (hours, minutes, seconds),
        _ => return None,
    };
    let hours = days.unwrap_or(0).checked_mul(24)?.checked_add(hours)?;
    hours.checked_mul(60)?.checked_add(minutes)?.checked_mul(60)?.checked_add(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_slurm_reads_them() {
        // The forms and their meaning: `man sbatch`, --time.
        for (text, expected) in [
            ("90", Some(5400)),
            ("1:30", Some(90)),
            ("4:00:00", Some(14_400)),
            ("2-0", Some(172_800)),
            ("1-12:30", Some(131_400)),
            ("1-0:0:5", Some(86_405)),
            ("UNLIMITED", Some(u64::MAX)),
            ("4h", None),
            ("1 hour", None),
            ("1:00:00:00", None),
            ("-5", None),
            ("1-", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn what_slurm_would_refuse_or_undo_is_refused() {
        let with = |time: &str, warning, line: &str| {
            let lines = vec![line.to_owned()];
            options(&SlurmOptions { time: Some(time.into()), warning, lines, ..Default::default() })
        };
        with("5", 60, "--mem=4G").expect("sound");
        with("5", 60, "#SBATCH --qos=low").expect("sound");
        for (time, warning, line, why) in [
            ("4h", 60, "--mem=4G", "Slurm takes minutes"),
            ("1", 60, "--mem=4G", "--time 1 is 60 s"),
            ("5", 60, "mem=4G", "expected an option of sbatch's"),
            ("5", 60, "--array=0-3", "--array is set by the launch"),
            ("5", 60, "#SBATCH -J mine", "-J is set by the launch"),
            (" ", 60, "--mem=4G", "--time is empty"),
        ] {
            let refused = with(time, warning, line).expect_err(why).to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
