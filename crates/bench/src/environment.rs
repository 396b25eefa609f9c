//! What results were computed on: for the reader who gets other numbers. No user, host or path.

mod machines;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::data::hex;
use crate::error::Result;
use crate::experiment::ModelSpec;
use crate::runner;
use crate::source;
use machines::Machines;

/// The file's name in a results folder.
pub const FILE: &str = "environment.toml";

const HEADING: &str = "# What the results in this folder were computed on.\n";

/// The content of `environment.toml`.
#[derive(Debug, Serialize)]
pub struct Environment {
    version: &'static str,
    commit: String,
    dirty: Option<bool>,
    /// [`source::fingerprint`] of what this program was built from.
    source: &'static str,
    cargo_lock: String,
    rustc: &'static str,
    target: &'static str,
    profile: &'static str,
    features: Vec<&'static str>,
    os: String,
    cpu: String,
    vector_features: Vec<&'static str>,
    cores: usize,
    memory_mib: Option<u64>,
    device: String,
    driver: Option<String>,
    jobs: usize,
    started: String,
    /// Absent while it runs, and for ever if it was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    /// What the version commands of runners said, by model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    runners: BTreeMap<String, String>,
}

/// Seconds since 1970, for [`Environment::new`].
pub fn now() -> u64 {
    clock().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// Nanoseconds since 1970, for names that must differ from one process to the next.
pub fn nanoseconds() -> u128 {
    clock().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_nanos())
}

/// The clock on the wall.
#[expect(
    clippy::disallowed_methods,
    reason = "provenance: when a sweep ran and whether it lives; no result depends on it"
)]
pub fn clock() -> SystemTime {
    SystemTime::now()
}

/// What this machine is called: for names of files that are not committed.
pub fn host() -> String {
    #[cfg(unix)]
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").ok();
    name.unwrap_or_else(|| "host".into())
}

impl Environment {
    /// Asks the machine.
    pub fn new(device: nn::Device, jobs: usize, started: u64) -> Self {
        let commit = is_checked_out().then(|| git(&["rev-parse", "HEAD"])).flatten();
        Environment {
            version: env!("CARGO_PKG_VERSION"),
            dirty: commit.as_ref().and_then(|_| git(&STATUS)).map(|changes| !changes.is_empty()),
            commit: commit.unwrap_or_else(|| "unknown".into()),
            source: env!("BENCH_SOURCE"),
            cargo_lock: hex(&Sha256::digest(include_bytes!("../../../Cargo.lock"))),
            rustc: env!("BENCH_RUSTC"),
            target: env!("BENCH_TARGET"),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            features: [("cuda", cfg!(feature = "cuda")), ("metal", cfg!(feature = "metal"))]
                .into_iter()
                .filter_map(|(name, on)| on.then_some(name))
                .collect(),
            os: os(),
            cpu: cpu().unwrap_or_else(|| "unknown".into()),
            vector_features: vector_features(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: proc_value("/proc/meminfo", "MemTotal")
                .and_then(|v| v.trim_end_matches(" kB").parse::<u64>().ok())
                .map(|kib| kib / 1024),
            device: device.to_string(),
            driver: driver(device),
            jobs,
            started: utc(started),
            ended: None,
            runners: BTreeMap::new(),
        }
    }

    /// With the time of its end, in seconds since 1970.
    #[must_use]
    pub fn ended(mut self, at: u64) -> Self {
        self.ended = Some(utc(at));
        self
    }

    /// With the versions of the runners among `models`.
    #[must_use]
    pub fn with_runners(mut self, models: &[ModelSpec]) -> Self {
        let version = |model: &ModelSpec| {
            let version = model.settings.text(runner::FOUND_VERSION)?;
            Some((model.name.clone(), version.to_owned()))
        };
        self.runners = models.iter().filter_map(version).collect();
        self
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }
}

/// Writes what the results in `folder` were computed on: what each journal file says, after what was known before,
/// unless the journal is `all` that the results come from.
///
/// # Errors
/// If a description can't be read, or the file can't be written.
pub fn gather(folder: &Path, all: bool) -> Result<()> {
    let mut machines = Machines::default();
    if !all {
        machines.read(&folder.join(FILE))?;
    }
    machines.read_journal(folder)?;
    machines.write(folder)
}

/// Brings the environments of `folders` together in `target`.
///
/// # Errors
/// As [`gather`].
pub fn carry_over(target: &Path, folders: &[PathBuf]) -> Result<()> {
    let mut machines = Machines::default();
    for folder in folders {
        machines.read(&folder.join(FILE))?;
        machines.read_journal(folder)?;
    }
    machines.write(target)
}

/// Changes to anything but results, which the sweep itself is writing.
const STATUS: [&str; 5] = ["status", "--porcelain", "--", ":/", ":(top,exclude)results"];

/// True if the sources that are here now are those that this program was built from: only then does the commit that is
/// checked out tell anything of it.
fn is_checked_out() -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    source::fingerprint(&root).is_some_and(|now| now == env!("BENCH_SOURCE"))
}

/// Asks about the source that this binary was built from, wherever it runs.
fn git(arguments: &[&str]) -> Option<String> {
    let source = env!("CARGO_MANIFEST_DIR");
    let output = Command::new("git").arg("-C").arg(source).args(arguments).output().ok();
    let output = output.filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The system, with its kernel's release where it tells.
fn os() -> String {
    let name = std::env::consts::OS;
    match std::fs::read_to_string("/proc/sys/kernel/osrelease") {
        Ok(release) => format!("{name} {}", release.trim()),
        Err(_) => name.to_owned(),
    }
}

/// The graphics driver, where results come from such a device.
fn driver(device: nn::Device) -> Option<String> {
    match device {
        nn::Device::Cuda(_) => {
            let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
            text.lines().next().map(|line| line.trim().to_owned())
        }
        _ => None,
    }
}

fn cpu() -> Option<String> {
    proc_value("/proc/cpuinfo", "model name")
}

/// The value of `key: value` in one of Linux's description files; `None` elsewhere.
fn proc_value(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(target_arch = "x86_64")]
fn vector_features() -> Vec<&'static str> {
    [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn vector_features() -> Vec<&'static str> {
    if cfg!(target_feature = "neon") { vec!["neon"] } else { Vec::new() }
}

/// Seconds since 1970 (UTC), as `2017-06-04T12:00:00Z`.
pub fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days as i64);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Days since 1970 as a date (Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        // date -u -d @… +%FT%TZ
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(utc(1_496_534_400), "2017-06-04T00:00:00Z");
    }

    #[test]
    fn the_commit_is_of_the_sources_that_the_program_was_built_from() {
        // Tests run where they were built.
        assert!(is_checked_out());
        let root = tempfile::tempdir().expect("a folder");
        assert_eq!(source::fingerprint(root.path()), None);
        let file = root.path().join("crates/a/src/lib.rs");
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        let print = |text: &str| {
            std::fs::write(&file, text).expect("written");
            source::fingerprint(root.path()).expect("sources")
        };
        assert_eq!(print("one\n"), print("one\r\n"));
        assert_ne!(print("one\n"), print("two\n"));
    }

    #[test]
    fn names_no_user_host_or_path() {
        let text = Environment::new(nn::Device::Cpu, 2, 0).to_text();
        assert!(!text.contains('/') || text.lines().all(|l| !l.contains("= \"/")), "{text}");
        if let Ok(home) = std::env::var("HOME") {
            assert!(home.len() < 2 || !text.contains(&home), "{text}");
        }
    }
}
