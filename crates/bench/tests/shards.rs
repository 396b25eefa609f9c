//! Shards through the real binary: what they write, what a crash and a double leave behind, and that a trial that takes
//! its process with it blocks nobody.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Study, code, command, example, journal_records, root, stable_files, stderr, stdout};

/// A study with a model that aborts its process at n = 20 and a slow one beside it.
const POISONED: &str = "name = \"study\"\nseed = 3\n[dataset]\nname = \"mnist\"\nclasses = [4, 9]\n\
    [protocol]\nsizes = [10, 20]\nrepeats = 1\nfolds = 2\ntest_size = 100\n\
    [[model]]\nname = \"aborts\"\nkind = \"aborts\"\n\
    [[model]]\nname = \"slow\"\nkind = \"sleeps\"\nmilliseconds = 300\n\
    [[model]]\nname = \"floor\"\nkind = \"majority\"\n";

/// One attempt at the first of two shards, with kinds that misbehave.
fn attempt(study: &Study, name: Option<&str>, options: &[&str]) -> Output {
    let mut command = Command::new(example("misbehaving"));
    command.arg("sweep").arg(study.path("study.toml")).arg("--out").arg(study.path("out"));
    command.args(["--shard", "0/2"]).args(options).current_dir(root());
    command.env_remove("BENCH_DATA").env_remove("BENCH_ATTEMPT");
    command.envs(name.map(|name| ("BENCH_ATTEMPT", name))).output().expect("it runs")
}

fn poisoned() -> Study {
    Study::new(|_| POISONED.to_owned())
}

/// Journal files of `study` with this ending, in the order of their names.
fn journal(study: &Study, ending: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(study.path("out/journal")).expect("a journal");
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == ending));
    paths.sort();
    paths
}

#[cfg(unix)]
fn signal(output: &Output) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&output.status)
}

#[test]
#[cfg(unix)]
fn a_trial_that_takes_its_process_with_it_twice_is_given_up() {
    let study = poisoned();
    let limit = &["--crash-limit", "2", "--jobs", "2"];
    // Both workers are at work when the first attempt dies: either trial may have done it.
    assert_eq!(signal(&attempt(&study, None, limit)), Some(6));
    assert_eq!(signal(&attempt(&study, None, limit)), Some(6), "the suspects run first, alone");
    let through = attempt(&study, None, limit);
    let said = stderr(&through);
    assert_eq!(code(&through), 1, "{said}");
    assert!(said.contains("aborts, n = 20, repeat 0, fold 0: process died 2 times"), "{said}");
    assert!(said.contains("1 of 6 trials are not ok: 1 failed"), "the slow one is cleared: {said}");
    assert_eq!(journal(&study, "started").len(), 3);
    // It stays so, until somebody insists.
    assert_eq!(code(&attempt(&study, None, limit)), 1);
    let insists = ["--crash-limit", "2", "--retry"];
    assert_eq!(signal(&attempt(&study, None, &insists)), Some(6), "it runs again");
}

#[test]
#[cfg(unix)]
fn without_a_limit_nothing_is_given_up_and_a_lost_machine_is_no_crash() {
    let study = poisoned();
    for _ in 0..3 {
        assert_eq!(signal(&attempt(&study, None, &[])), Some(6));
    }
    // Attempts that a job script watches count if it saw them die.
    let study = poisoned();
    let watched = |name| attempt(&study, Some(name), &["--crash-limit", "2"]);
    for name in ["slurm-7_0-r0", "slurm-7_0-r1", "slurm-7_0-r2"] {
        assert_eq!(signal(&watched(name)), Some(6), "{name}");
    }
    for started in journal(&study, "started").into_iter().take(2) {
        fs::write(started.with_extension("died"), "").expect("written");
    }
    assert_eq!(code(&watched("slurm-7_0-r3")), 1, "two of the three were seen to die");
}

#[test]
fn a_shard_writes_files_of_its_own_alone() {
    let study = Study::new(str::to_owned);
    let file = study.path("study.toml");
    let run = |options: &[&str]| {
        let mut arguments = vec!["sweep", file.to_str().expect("a path"), "--quiet"];
        arguments.extend(options);
        let out = study.path("out");
        arguments.extend(["--out", out.to_str().expect("a path")]);
        let ended = common::bench(&arguments);
        assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    };
    run(&["--shard", "1/2"]);
    let listed = |path: &str| -> Vec<String> {
        let entries = fs::read_dir(study.path(path)).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into()).collect();
        names.sort();
        names
    };
    assert_eq!(listed("out"), ["experiment.lock.toml", "journal"]);
    let names = listed("out/journal");
    assert!(
        names.len() == 3 && names.iter().all(|n| n.starts_with("shard-00001-of-00002.a0.")),
        "{names:?}"
    );
    let modified = || {
        let lock = fs::metadata(study.path("out/experiment.lock.toml")).expect("a lock");
        lock.modified().expect("a time")
    };
    let before = modified();
    run(&["--shard", "0/2"]);
    assert_eq!(modified(), before, "the lock says all of it already");
    // Another division reads what is there, and computes the rest alone.
    run(&["--shard", "0/3"]);
    let records = |path: &PathBuf| fs::read_to_string(path).expect("text").lines().count() - 1;
    assert_eq!(journal(&study, "log").iter().map(records).sum::<usize>(), 32, "none twice");
}

#[test]
fn doubles_that_write_at_the_same_time_do_no_harm() {
    let study = Study::new(|text| text.replace("epochs = 3", "epochs = 200"));
    let file = study.path("study.toml");
    let file = file.to_str().expect("a path");
    let out = |name: &str| study.path(name).to_str().expect("a path").to_owned();
    let start = || {
        let both = out("both");
        let mut command =
            command(&root(), &["sweep", file, "--quiet", "--out", &both, "--shard", "0/1"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs")
    };
    for double in [start(), start()] {
        let ended = double.wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{}", stderr(&ended));
    }
    let merged = common::bench(&["merge", &out("both"), "--quiet"]);
    assert_eq!(code(&merged), 0, "{}", stderr(&merged));
    let whole = common::bench(&["sweep", file, "--quiet", "--out", &out("whole")]);
    assert_eq!(code(&whole), 0, "{}", stderr(&whole));
    assert_eq!(stable_files(&study.path("both")), stable_files(&study.path("whole")));
}

#[test]
#[cfg(unix)]
fn a_shard_that_is_killed_again_and_again_comes_to_its_end() {
    let study = Study::new(|text| {
        text.replace("epochs = 3", "epochs = 400").replace("repeats = 2", "repeats = 4")
    });
    let file = study.path("study.toml");
    let file = file.to_str().expect("a path");
    let out = |name: &str| study.path(name).to_str().expect("a path").to_owned();
    let killed = out("killed");
    let arguments = ["sweep", file, "--quiet", "--out", &killed, "--shard", "0/1", "--jobs", "1"];
    for records in [1, 5, 20] {
        let mut child =
            command(&root(), &arguments).stderr(Stdio::null()).spawn().expect("it runs");
        wait_until(|| journal_records(&study.path("killed/journal")) >= records);
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }
    assert_eq!(code(&common::bench(&arguments)), 0);
    assert_eq!(code(&common::bench(&["merge", &killed, "--quiet"])), 0);
    assert_eq!(code(&common::bench(&["sweep", file, "--quiet", "--out", &out("whole")])), 0);
    assert_eq!(stable_files(&study.path("killed")), stable_files(&study.path("whole")));
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(120), "still waiting");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_lock_file_is_an_experiment() {
    let study = Study::new(str::to_owned);
    let path = |name: &str| study.path(name).to_str().expect("a path").to_owned();
    let (file, out) = (path("study.toml"), path("out"));
    assert_eq!(code(&common::bench(&["sweep", &file, "--quiet", "--out", &out])), 0);
    let lock = path("out/experiment.lock.toml");
    let plans = [&file, &lock].map(|from| stdout(&common::bench(&["plan", from])));
    assert!(plans[0].lines().count() == 33 && plans[0] == plans[1]);
    let again = common::bench(&["sweep", &lock, "--quiet", "--out", &path("again")]);
    assert_eq!(code(&again), 0, "{}", stderr(&again));
    assert_eq!(stable_files(&study.path("again")), stable_files(&study.path("out")));
    fs::write(&lock, "format = 1\n").expect("written");
    let damaged = common::bench(&["sweep", &lock, "--out", &path("never")]);
    assert!(code(&damaged) == 2 && stderr(&damaged).contains(&lock), "{}", stderr(&damaged));
}

#[test]
fn a_plan_tells_what_its_parts_hold() {
    let study = Study::new(str::to_owned);
    let file = study.path("study.toml");
    let file = file.to_str().expect("a path");
    let shares = stdout(&common::bench(&["plan", file, "--shards", "3"]));
    let rows: Vec<Vec<&str>> = shares.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["shard", "splits", "trials", "expected_seconds"]);
    for (index, row) in rows[1..].iter().enumerate() {
        let part = stdout(&common::bench(&["plan", file, "--shard", &format!("{index}/3")]));
        assert_eq!(row[2], (part.lines().count() - 1).to_string(), "{part}");
        assert!(row[0] == index.to_string() && row[3].parse::<f64>().is_ok_and(|s| s > 0.0));
    }
    assert_eq!(rows[1..].iter().map(|row| row[1].parse::<u32>().expect("splits")).sum::<u32>(), 4);
}
