//! `bench status` through the real binary: every state that a shard can be in, made by what puts it there.
#![cfg(unix)]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bench::launch::Manifest;
use common::{Study, bench, code, example, root, stderr, stdout};

/// Eight trials for each of four shards, half of which take a while.
const SLOW: &str = "name = \"study\"\nseed = 3\n[dataset]\nname = \"mnist\"\nclasses = [4, 9]\n\
    [protocol]\nsizes = [10, 20]\nrepeats = 4\nfolds = 2\ntest_size = 100\n\
    [[model]]\nname = \"floor\"\nkind = \"majority\"\n\
    [[model]]\nname = \"slow\"\nkind = \"sleeps\"\nmilliseconds = 500\n";

/// A sweep of the slow study, all of it or a shard, that has begun.
fn start(study: &Study, options: &[&str]) -> Child {
    let mut command = Command::new(example("misbehaving"));
    command.arg("sweep").arg(study.path("study.toml")).arg("--out").arg(study.path("out"));
    command.args(["--quiet", "--jobs", "1"]).args(options).current_dir(root());
    command.env_remove("BENCH_DATA").env_remove("BENCH_ATTEMPT");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs")
}

/// The program that knows the slow kind, in the repository.
fn bench_with_kinds(arguments: &[&str]) -> Output {
    let mut command = Command::new(example("misbehaving"));
    command.args(arguments).current_dir(root()).env_remove("BENCH_DATA").output().expect("it runs")
}

/// Starts a shard and waits until it has ended a trial that takes a while.
fn start_shard(study: &Study, shard: &str) -> Child {
    let index: u32 = shard.split('/').next().and_then(|index| index.parse().ok()).expect("I/N");
    let child = start(study, &["--shard", shard]);
    wait_until(|| {
        let logs = journal(study, &format!("shard-{index:05}-"), "log");
        logs.last().is_some_and(|log| lines(log) >= 3)
    });
    child
}

fn finish(mut child: Child) -> Option<i32> {
    child.wait().expect("reaped").code()
}

fn kill(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

fn ask_to_stop(child: &Child) {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(120), "still waiting");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().matches('\n').count()
}

/// Journal files whose names begin and end so, in the order of their names.
fn journal(study: &Study, beginning: &str, ending: &str) -> Vec<PathBuf> {
    let listed = fs::read_dir(study.path("out/journal")).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.path()).collect();
    let named = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    paths.retain(|p| named(p).starts_with(beginning) && p.extension().is_some_and(|e| e == ending));
    paths.sort();
    paths
}

/// Puts the last sign of life of these files so far into the past.
fn age(files: &[PathBuf], seconds: u64) {
    for path in files {
        let modified = fs::metadata(path).and_then(|file| file.modified()).expect("a time");
        let file = File::options().append(true).open(path).expect("there");
        file.set_modified(modified - Duration::from_secs(seconds)).expect("set");
    }
}

/// `bench status` where the programs of `path` are the only ones there are: no Slurm of this machine's is asked.
fn status_with(study: &Study, path: Option<&Path>, options: &[&str]) -> Output {
    let mut command = Command::new(example("misbehaving"));
    command.arg("status").arg(study.path("out")).args(options).current_dir(root());
    command.env("PATH", path.unwrap_or(Path::new("/nowhere"))).output().expect("it runs")
}

/// The rows for programs, each cell by the name of its column, and the exit code.
fn rows(study: &Study) -> (Vec<Vec<(String, String)>>, i32) {
    let output = status_with(study, None, &["--csv"]);
    let text = stdout(&output);
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let head: Vec<String> = lines.next().expect("a head").collect();
    (lines.map(|line| head.iter().cloned().zip(line).collect()).collect(), code(&output))
}

fn cells(study: &Study, column: &str) -> Vec<String> {
    let cell = |row: Vec<(String, String)>| row.into_iter().find(|(head, _)| head == column);
    rows(study).0.into_iter().map(|row| cell(row).expect(column).1).collect()
}

fn states(study: &Study) -> Vec<String> {
    cells(study, "state")
}

#[test]
fn every_state_of_a_shard_shows() {
    let study = Study::new(|_| SLOW.to_owned());
    assert_eq!(finish(start(&study, &["--shard", "0/4"])), Some(0));
    assert_eq!(states(&study), ["done", "waiting", "waiting", "waiting"]);

    let child = start_shard(&study, "1/4");
    assert_eq!(states(&study)[1], "running");
    let rate: f64 = cells(&study, "per_second")[1].parse().expect("a rate");
    let left: f64 = cells(&study, "seconds_left")[1].parse().expect("seconds");
    assert!(rate > 0.1 && left < 60.0, "{rate} a second, {left} s");
    ask_to_stop(&child);
    assert_eq!(finish(child), Some(130));
    assert_eq!(states(&study)[1], "stopped");

    kill(start_shard(&study, "2/4"));
    assert_eq!(states(&study)[2], "running", "nobody can know yet");
    let ours =
        || [journal(&study, "shard-00002", "log"), journal(&study, "shard-00002", "started")];
    age(&ours().concat(), 100);
    assert_eq!(states(&study)[2], "running", "a shared file system may show a sign a minute late");
    age(&ours().concat(), 100);
    assert_eq!(states(&study)[2], "silent");
    File::create(ours()[1][0].with_extension("died")).expect("a file");
    assert_eq!(states(&study)[2], "died");
    assert_eq!(states(&study), ["done", "stopped", "died", "waiting"]);

    let table = status_with(&study, None, &[]);
    assert_eq!(code(&table), 3, "{}", stderr(&table));
    let said = stdout(&table);
    assert!(
        said.contains("nobody works on shards 1-3: the same `bench sweep … --shard I/4`"),
        "{said}"
    );
    assert!(
        said.lines().nth(1).is_some_and(|l| l.starts_with("0       done              8/8")),
        "{said}"
    );

    for shard in ["1/4", "2/4", "3/4"] {
        assert_eq!(finish(start(&study, &["--shard", shard])), Some(0));
    }
    let (all, ended) = rows(&study);
    assert_eq!((all.len(), ended), (4, 0));
    assert_eq!(cells(&study, "attempts"), ["1", "2", "2", "1"]);
    let said = stdout(&status_with(&study, None, &[]));
    assert!(
        said.contains("32 of 32 trials are done\nall trials are there: `bench merge`"),
        "{said}"
    );
    let merged =
        bench_with_kinds(&["merge", study.path("out").to_str().expect("a path"), "--quiet"]);
    assert_eq!(code(&merged), 0, "{}", stderr(&merged));
    let said = stdout(&status_with(&study, None, &[]));
    assert!(said.ends_with("all trials are there, and tables of them\n"), "{said}");
}

#[test]
fn records_count_wherever_they_stand() {
    let study = Study::new(|text| text.replace("epochs = 3", "epochs = 1"));
    for shard in ["0/2", "1/2"] {
        assert_eq!(code(&study.sweep("out", &["--quiet", "--shard", shard])), 0);
    }
    assert_eq!(states(&study), ["done", "done"]);
    // A launch of four shards finds all of it done, without a file of theirs.
    launched(&study, "a", 4);
    assert_eq!(states(&study), ["done"; 4]);
    assert_eq!(cells(&study, "planned"), ["8"; 4]);
    assert_eq!(cells(&study, "attempts"), ["0"; 4]);
}

#[test]
fn a_sweep_without_shards_is_one_row() {
    let study = Study::new(|_| SLOW.to_owned());
    let child = start(&study, &[]);
    wait_until(|| journal(&study, "00000", "log").first().is_some_and(|log| lines(log) >= 3));
    assert_eq!(states(&study), ["running"]);
    ask_to_stop(&child);
    assert_eq!(finish(child), Some(130));
    assert_eq!(states(&study), ["stopped"]);
    let said = stdout(&status_with(&study, None, &[]));
    assert!(said.contains("nobody works: the same `bench sweep` again"), "{said}");
    assert!(said.lines().nth(1).is_some_and(|l| l.starts_with("whole   stopped")), "{said}");

    let killed = start(&study, &[]);
    wait_until(|| journal(&study, "00001", "log").first().is_some_and(|log| lines(log) >= 3));
    kill(killed);
    age(&journal(&study, "", "log"), 1000);
    assert_eq!(states(&study), ["silent"]);
}

#[test]
fn tables_without_a_journal_are_said_to_be_there() {
    let study = Study::new(|text| text.replace("epochs = 3", "epochs = 1"));
    assert_eq!(code(&study.sweep("out", &["--quiet"])), 0);
    let there = status_with(&study, None, &[]);
    assert_eq!((code(&there), stderr(&there)), (0, String::new()));
    assert!(
        stdout(&there).ends_with("all trials are there, and tables of them\n"),
        "{}",
        stdout(&there)
    );
    fs::remove_dir_all(study.path("out/journal")).expect("removed");
    let gone = status_with(&study, None, &[]);
    assert_eq!(code(&gone), 0, "{}", stderr(&gone));
    assert!(stdout(&gone).contains("32 of 32 trials are done"), "{}", stdout(&gone));
    assert!(stdout(&gone).contains("tables alone, their journal is elsewhere"));
    // Tables of a part say so.
    let lock = study.path("out/experiment.lock.toml");
    let text = fs::read_to_string(&lock).expect("a lock");
    fs::write(&lock, text.replace("repeats = 2", "repeats = 3")).expect("written");
    let part = status_with(&study, None, &["--csv"]);
    assert_eq!(code(&part), 3, "{}", stderr(&part));
    assert!(stdout(&part).contains("whole,stopped,48,32,0"), "{}", stdout(&part));
}

#[test]
fn exit_codes_tell_what_is_missing_and_what_is_not_ok() {
    let failing = |text: &str| {
        text.replace("kind = \"mlp\"", "kind = \"mlp\"\noptimizer = \"sgd\"\nlearning_rate = 1e20")
            .replace("epochs = 3", "epochs = 40")
    };
    let study = Study::new(failing);
    assert_eq!(code(&study.sweep("out", &["--quiet", "--shard", "0/2"])), 1);
    let half = status_with(&study, None, &[]);
    assert_eq!(code(&half), 3, "{}", stderr(&half));
    assert!(
        stdout(&half).contains("16 of 32 trials are done, 4 of them not ok"),
        "{}",
        stdout(&half)
    );
    assert_eq!(code(&study.sweep("out", &["--quiet", "--shard", "1/2"])), 1);
    let all = status_with(&study, None, &[]);
    assert_eq!(code(&all), 1, "{}", stdout(&all));
    let none = bench(&["status", study.path("nowhere").to_str().expect("a path")]);
    assert_eq!(code(&none), 2);
    assert!(stderr(&none).contains("is no results folder"), "{}", stderr(&none));
}

/// Leaves in `out` what a launch of so many shards on Slurm does.
fn launched(study: &Study, job: &str, shards: u32) {
    let launch = study.path("out/launch");
    fs::create_dir_all(&launch).expect("a folder");
    fs::copy(study.path("out/experiment.lock.toml"), launch.join("experiment.lock.toml"))
        .expect("a lock");
    Manifest::new("slurm", shards, job).write(&study.path("out")).expect("written");
}

/// A folder with an `squeue` of these words.
fn squeue(study: &Study, script: &str) -> PathBuf {
    let folder = study.path("programs");
    fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join("squeue");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
    folder
}

#[test]
fn the_queue_has_its_say_where_there_is_one() {
    let study = Study::new(str::to_owned);
    assert_eq!(code(&study.sweep("out", &["--quiet", "--shard", "0/4"])), 0);
    launched(&study, "study", 4);
    let asked = study.path("asked");
    let answers = |lines: &str| {
        squeue(&study, &format!("echo \"$@\" > '{}'\nprintf '{lines}'", asked.display()))
    };
    let states = |folder: &Path| -> Vec<String> {
        let output = status_with(&study, Some(folder), &["--csv"]);
        let text = stdout(&output);
        text.lines().skip(1).filter_map(|l| l.split(',').nth(1).map(str::to_owned)).collect()
    };
    let folder = answers("1 RUNNING study\\n2 PENDING study\\n3 PENDING study-2\\n");
    assert_eq!(states(&folder), ["done", "running", "queued", "waiting"], "study-2 is another");
    let words = common::read(&asked);
    assert_eq!(words, "--noheader --array --me --format=%K %T %j\n");

    let said = stdout(&status_with(&study, Some(&folder), &[]));
    assert!(said.contains("nobody works on shard 3: the same `bench launch` again"), "{said}");
    let under_way = answers("1 RUNNING study\\n2 PENDING study\\n1 CONFIGURING study+2\\n");
    let said = stdout(&status_with(&study, Some(&under_way), &[]));
    assert!(said.contains("all that is missing is under way"), "{said}");

    let unwell = squeue(&study, "echo 'Unable to contact slurm controller' >&2; exit 1");
    let output = status_with(&study, Some(&unwell), &[]);
    assert_eq!(code(&output), 3, "the files still tell");
    assert!(
        stderr(&output).contains("note: squeue: exit status: 1: Unable to"),
        "{}",
        stderr(&output)
    );
    assert_eq!(states(&unwell), ["done", "waiting", "waiting", "waiting"]);
}

#[test]
fn a_launch_that_nothing_has_come_of_yet_shows_all_shards() {
    let study = Study::new(str::to_owned);
    assert_eq!(code(&study.sweep("out", &["--quiet", "--shard", "0/4"])), 0);
    launched(&study, "a", 50);
    fs::remove_file(study.path("out/experiment.lock.toml")).expect("removed");
    fs::remove_dir_all(study.path("out/journal")).expect("removed");
    let folder = squeue(&study, "true");
    let said = stdout(&status_with(&study, Some(&folder), &[]));
    // As many shards as were launched, most of which hold no split of a study as small as this.
    assert!(said.contains("0 of 32 trials are done"), "{said}");
    assert_eq!(said.matches("waiting").count(), 4, "{said}");
    assert!(said.contains("46 that are done (--all shows them)"), "{said}");
}

#[test]
fn a_merge_that_lacks_trials_is_nobody_at_work() {
    let study = Study::new(|text| text.replace("epochs = 3", "epochs = 1"));
    assert_eq!(code(&study.sweep("part", &["--quiet", "--shard", "0/2"])), 0);
    let path = |name: &str| study.path(name).to_str().expect("a path").to_owned();
    let merged = common::bench(&["merge", &path("part"), "--out", &path("out"), "--quiet"]);
    assert_eq!(code(&merged), 3, "{}", stderr(&merged));
    let status = status_with(&study, None, &["--csv"]);
    assert_eq!(code(&status), 3, "{}", stderr(&status));
    assert!(stdout(&status).contains("whole,stopped,32,16,0"), "{}", stdout(&status));
}
