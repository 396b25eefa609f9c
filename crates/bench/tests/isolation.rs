//! Models that take their process with them cost one trial each, on the real command line.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{code, example, root, stable_files, stderr};
use tempfile::TempDir;

fn study(models: &[&str], more: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let mut text = String::from(
        "name = \"study\"\nseed = 3\n[dataset]\nname = \"mnist\"\nclasses = [4, 9]\n\
         [protocol]\nsizes = [10, 20]\nrepeats = 1\nfolds = 2\ntest_size = 100\n",
    );
    text += more;
    for kind in models {
        text += &format!("[[model]]\nname = \"{kind}\"\nkind = \"{kind}\"\n");
    }
    std::fs::write(folder.path().join("study.toml"), text).expect("written");
    folder
}

fn command(folder: &Path, out: &str, options: &[&str]) -> Command {
    let mut command = Command::new(example("misbehaving"));
    command.arg("sweep").arg(folder.join("study.toml")).arg("--out").arg(folder.join(out));
    command.args(options).current_dir(root()).env_remove("BENCH_DATA");
    // Inherited by the workers, so that they can be told from those of other tests.
    command.env("ISOLATION_TEST", folder);
    command
}

fn sweep(folder: &Path, out: &str, options: &[&str]) -> Output {
    command(folder, out, options).output().expect("it runs")
}

/// The rows of a model: n, status, reason.
fn rows(folder: &Path, model: &str) -> Vec<(u32, String, String)> {
    let path = folder.join("scores").join(format!("{model}.csv"));
    let mut reader = csv::Reader::from_path(&path).expect("scores");
    let rows = reader.records().map(|row| row.expect("a row"));
    rows.map(|row| (row[1].parse().expect("n"), row[5].to_owned(), row[15].to_owned())).collect()
}

fn expect(folder: &Path, model: &str, status: &str, reason: &str) {
    for (n, found, why) in rows(folder, model) {
        let (status, reason) = if n == 20 { (status, reason) } else { ("ok", "") };
        assert_eq!(found, status, "{model}, n = {n}: {why}");
        assert!(
            why.starts_with(reason),
            "{model}, n = {n}: {why:?} does not start with {reason:?}"
        );
    }
}

#[test]
#[cfg(unix)]
fn aborts_exits_and_overflows_are_failures_and_siblings_go_on() {
    let folder = study(&["aborts", "overflows", "exits", "panics", "majority"], "");
    let ended = sweep(folder.path(), "out", &["--isolate"]);
    assert_eq!(code(&ended), 1, "{}", stderr(&ended));
    let out = folder.path().join("out");
    expect(&out, "aborts", "failed", "process died 2 times: signal 6");
    expect(
        &out,
        "overflows",
        "failed",
        "process died 2 times: signal 6: thread 'main' has overflowed its stack",
    );
    expect(&out, "exits", "failed", "process died 2 times: exit status: 7");
    expect(&out, "panics", "failed", "panicked: as asked (misbehaving.rs:");
    assert!(rows(&out, "majority").iter().all(|(_, status, _)| status == "ok"));

    let again = sweep(folder.path(), "again", &["--isolate", "--jobs", "1", "--quiet"]);
    assert_eq!(code(&again), 1);
    assert_eq!(stable_files(&out), stable_files(&folder.path().join("again")), "deaths repeat too");
}

#[test]
#[cfg(target_os = "linux")]
fn a_memory_limit_ends_the_trial_that_exceeds_it() {
    let folder = study(&["hoards", "majority"], "");
    let ended = sweep(folder.path(), "out", &["--memory-limit", "600"]);
    assert_eq!(code(&ended), 1, "{}", stderr(&ended));
    let out = folder.path().join("out");
    expect(
        &out,
        "hoards",
        "failed",
        "process died 2 times: signal 6: memory allocation of 16777216 bytes failed",
    );
    assert!(rows(&out, "majority").iter().all(|(_, status, _)| status == "ok"));
}

#[test]
fn an_endless_fit_times_out_and_its_process_is_gone() {
    let folder = study(&["endless", "majority"], "[limits]\nseconds = 1\n");
    let ended = sweep(folder.path(), "out", &[]);
    assert_eq!(code(&ended), 1, "{}", stderr(&ended));
    assert!(stderr(&ended).contains("2 of 8 trials are not ok: 2 timeout"), "{}", stderr(&ended));
    let out = folder.path().join("out");
    expect(&out, "endless", "timeout", "no result within 1 s");
    assert_eq!(processes_of(folder.path()), 0, "no worker outlives the sweep");

    // Without --retry what is recorded stays; with it, only the two are tried again.
    let same = sweep(folder.path(), "out", &[]);
    assert!(stderr(&same).contains("8 of them done before"), "{}", stderr(&same));
    let retried = sweep(folder.path(), "out", &["--retry", "--time-limit", "0.5"]);
    assert!(stderr(&retried).contains("6 of them done before"), "{}", stderr(&retried));
}

#[test]
fn what_a_time_limit_ended_gives_way_to_a_result() {
    let folder = study(&["sleeps"], "");
    let edit = |milliseconds: u32| {
        let path = folder.path().join("study.toml");
        let text = std::fs::read_to_string(&path).expect("a study");
        let text = text.split("milliseconds").next().expect("text").to_owned();
        std::fs::write(&path, format!("{text}milliseconds = {milliseconds}\n")).expect("written");
    };
    edit(1500);
    let slow = sweep(folder.path(), "out", &["--time-limit", "0.3"]);
    assert_eq!(code(&slow), 1, "{}", stderr(&slow));
    let patient = sweep(folder.path(), "out", &["--retry", "--time-limit", "60"]);
    assert_eq!(code(&patient), 0, "{}", stderr(&patient));
    let out = folder.path().join("out");
    assert!(rows(&out, "sleeps").iter().all(|(_, status, _)| status == "ok"));
    assert_eq!(code(&sweep(folder.path(), "out", &[])), 0, "the journal reads back");
}

#[test]
fn processes_and_threads_give_the_same_bytes() {
    let folder = study(&["majority", "logistic-regression", "random-forest", "mlp"], "");
    assert_eq!(code(&sweep(folder.path(), "threads", &["--quiet"])), 0);
    assert_eq!(code(&sweep(folder.path(), "processes", &["--quiet", "--isolate"])), 0);
    assert_eq!(
        stable_files(&folder.path().join("threads")),
        stable_files(&folder.path().join("processes"))
    );
}

#[test]
#[cfg(target_os = "linux")]
fn workers_end_with_their_sweep_even_if_it_is_killed() {
    let folder = study(&["endless"], "");
    let started = command(folder.path(), "out", &["--isolate"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut sweep = started.expect("it runs");
    wait_until("two workers hang", || processes_of(folder.path()) == 3);
    std::thread::sleep(Duration::from_millis(500));
    sweep.kill().expect("killed");
    sweep.wait().expect("reaped");
    wait_until("they are gone", || processes_of(folder.path()) == 0);
}

#[test]
fn a_table_beside_a_bare_file_name_is_found_by_workers_too() {
    let folder = TempDir::new().expect("a folder");
    let rows: String = (0..20).map(|i| format!("{i},{}\n", ["no", "yes"][i % 2])).collect();
    std::fs::write(folder.path().join("mine.csv"), format!("a,kind\n{rows}")).expect("written");
    let study = "name = \"mine\"\nseed = 3\n[dataset]\nname = \"csv\"\npath = \"mine.csv\"\ntarget = \"kind\"\n\
        [protocol]\nsizes = [4]\nrepeats = 1\nfolds = 2\n[[model]]\nname = \"floor\"\nkind = \"majority\"\n";
    std::fs::write(folder.path().join("s.toml"), study).expect("written");
    let data = root().join("data");
    let data = data.to_str().expect("a path");
    for (out, options) in [
        ("isolated", &["--isolate"][..]),
        ("limited", &["--time-limit", "60"]),
        ("small", &["--memory-limit", "2000"]),
    ] {
        if cfg!(not(unix)) && out == "small" {
            continue;
        }
        let mut arguments = vec!["sweep", "s.toml", "--quiet", "--out", out, "--data", data];
        arguments.extend(options);
        let ended = common::command(folder.path(), &arguments).output().expect("it runs");
        assert_eq!(code(&ended), 0, "{options:?}: {}", stderr(&ended));
    }
}

/// Running sweeps for `folder`, and their workers.
fn processes_of(folder: &Path) -> usize {
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let of =
        |path: PathBuf, what: &str| std::fs::read_to_string(path.join(what)).unwrap_or_default();
    let mark = folder.to_string_lossy().into_owned();
    let mut count = 0;
    for path in processes.flatten().map(|entry| entry.path()) {
        let ours = of(path.clone(), "cmdline").contains("misbehaving");
        count += usize::from(ours && of(path, "environ").contains(&mark));
    }
    count
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(120), "still waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
