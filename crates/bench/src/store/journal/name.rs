//! What the files of a shard are called: shard, attempt, host, process and a nonce, so that no two processes of any
//! machine ever share one, and so that a reader knows whose they are without opening them.

use std::fmt;
use std::path::Path;

use crate::environment;
use crate::shard::Shard;

/// The environment variable by which a job script names an attempt.
pub const ATTEMPT_VARIABLE: &str = "BENCH_ATTEMPT";

/// Attempts that begin so are of a job script that leaves a `.died` behind when it sees the process die: one without
/// it, and without an end of its own, was lost with its machine.
const WATCHED: [&str; 2] = ["slurm-", "hq-"];

/// Longest attempt and host in a name.
const LONGEST: usize = 80;

/// The name of one attempt at a shard, `shard-00003-of-00008.a0.node7.4711.18c1f0e2a9b3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttemptName {
    /// Which part of the plan.
    pub shard: Shard,
    /// Which attempt at it, in the words of whoever started it.
    pub attempt: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Tells apart what else is the same.
    pub nonce: String,
}

impl AttemptName {
    /// This process's attempt at `shard`.
    pub fn of_this_process(shard: Shard, attempt: &str) -> AttemptName {
        AttemptName {
            shard,
            attempt: plain(attempt),
            host: plain(&environment::host()),
            pid: std::process::id(),
            nonce: format!("{:x}", environment::nanoseconds()),
        }
    }

    /// The attempt that a file is of, whatever its ending; `None` if it is of no shard.
    pub fn parse(path: &Path) -> Option<AttemptName> {
        let mut parts = path.file_name()?.to_str()?.split('.');
        let (index, count) = parts.next()?.strip_prefix("shard-")?.split_once("-of-")?;
        let shard = Shard { index: number(index)?, parts: number(count)? };
        if shard.index >= shard.parts {
            return None;
        }
        let mut next = || parts.next().map(str::to_owned);
        let (attempt, host) = (next()?, next()?);
        let pid = next()?.parse().ok()?;
        Some(AttemptName { shard, attempt, host, pid, nonce: next()? })
    }

    /// True if whoever started it leaves word when it sees the process die.
    pub fn is_watched(&self) -> bool {
        WATCHED.iter().any(|start| self.attempt.starts_with(start))
    }
}

impl fmt::Display for AttemptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AttemptName { shard, attempt, host, pid, nonce } = self;
        write!(f, "shard-{:05}-of-{:05}.{attempt}.{host}.{pid}.{nonce}", shard.index, shard.parts)
    }
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Letters, digits, `-` and `_` alone, and at least one.
fn plain(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let text: String = text.chars().take(LONGEST).map(|c| if fits(c) { c } else { '-' }).collect();
    if text.is_empty() { "x".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_whatever_it_is_made_of() {
        for attempt in ["slurm-4711_3-r2", "a0", "../../etc x.y", ""] {
            let name = AttemptName::of_this_process(Shard { index: 3, parts: 8 }, attempt);
            let stem = name.to_string();
            assert!(stem.starts_with("shard-00003-of-00008.") && !stem.contains('/'), "{stem}");
            for ending in ["log", "started", "died", "toml"] {
                let path = format!("/a/journal/{stem}.{ending}");
                assert_eq!(AttemptName::parse(Path::new(&path)), Some(name.clone()));
            }
        }
        let many = AttemptName::of_this_process(Shard { index: 123_456, parts: 200_000 }, "a0");
        assert_eq!(AttemptName::parse(Path::new(&format!("{many}.log"))), Some(many));
        for other in [
            "00001.log",
            "guard",
            "shard-1.log",
            "shard-8-of-8.a.b.1.c.log",
            "shard-+1-of-8.a.b.1.c.log",
        ] {
            assert_eq!(AttemptName::parse(Path::new(other)), None, "{other}");
        }
    }
}
