//! Engines that run shards: GNU parallel, plain jobs of a shell, job arrays that say their index in the environment, a
//! Kubernetes job; and the recipes for containers, held against what they are made of.
#![cfg(unix)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{Study, bench, code, command, read, root, skipped, stable_files, stderr, stdout};

/// How many shards; the study has as many splits.
const SHARDS: usize = 4;

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// Merges `out` and holds it against a sweep of the whole.
fn assert_merges_to_the_whole(study: &Study, out: &str) {
    let merged = bench(&["merge", text(&study.path(out)), "--quiet"]);
    assert_eq!(code(&merged), 0, "{}", stderr(&merged));
    if !study.path("whole").exists() {
        assert_eq!(code(&study.sweep("whole", &["--quiet"])), 0);
    }
    assert_eq!(stable_files(&study.path("whole")), stable_files(&study.path(out)), "{out}");
}

/// The shards that have files in a journal.
fn shards(results: &Path) -> BTreeSet<String> {
    let listed = fs::read_dir(results.join("journal")).expect("a journal").flatten();
    let name = |path: PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let names = listed.map(|entry| name(entry.path())).filter(|name| name.ends_with(".log"));
    names.map(|name| name.split('.').next().unwrap_or_default().to_owned()).collect()
}

fn all_shards() -> BTreeSet<String> {
    (0..SHARDS).map(|index| format!("shard-{index:05}-of-{SHARDS:05}")).collect()
}

/// A program for `sh` with the binary as `$0` and the study, its results and the number of shards as `$1`, `$2`, `$3`.
fn shell(study: &Study, out: &str, script: &str) -> Output {
    let mut sh = Command::new("sh");
    sh.args(["-c", script, env!("CARGO_BIN_EXE_bench"), text(&study.path("study.toml"))]);
    sh.args([text(&study.path(out)), &SHARDS.to_string()]).current_dir(root());
    sh.env_remove("BENCH_DATA").output().expect("sh runs")
}

#[test]
fn jobs_of_a_shell_side_by_side_give_the_same_bytes() {
    let study = Study::new(str::to_owned);
    let script = "for i in $(seq 0 $(($3 - 1))); do \
        \"$0\" sweep \"$1\" --out \"$2\" --shard $i/$3 --jobs 1 --quiet & done; wait";
    let ended = shell(&study, "shell", script);
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    assert_eq!(shards(&study.path("shell")), all_shards(), "{}", stderr(&ended));
    assert_merges_to_the_whole(&study, "shell");
}

#[test]
fn gnu_parallel_gives_the_same_bytes() {
    // There is another program of this name, in moreutils.
    let version = Command::new("parallel").arg("--version").stdin(Stdio::null()).output();
    if !version.is_ok_and(|version| stdout(&version).starts_with("GNU parallel")) {
        skipped("no GNU parallel here (apt-get install parallel): shards are not run through it");
        return;
    }
    let study = Study::new(str::to_owned);
    let script = "parallel --will-cite --halt never --joblog \"$2.joblog\" \
        \"$0\" sweep \"$1\" --out \"$2\" --shard {}/$3 --jobs 1 --quiet ::: $(seq 0 $(($3 - 1)))";
    let ended = shell(&study, "parallel", script);
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    assert_eq!(shards(&study.path("parallel")), all_shards(), "{}", stderr(&ended));
    let log = read(&study.path("parallel.joblog"));
    assert_eq!(log.lines().count(), 1 + SHARDS, "a line for each shard: {log}");
    assert_merges_to_the_whole(&study, "parallel");
}

/// The number of a task by the variable that an engine sets; no other engine's is set.
fn task(study: &Study, out: &str, variable: &str, index: &str) -> Output {
    let (file, out) = (study.path("study.toml"), study.path(out));
    let shard = format!("auto/{SHARDS}");
    let words = ["sweep", text(&file), "--out", text(&out), "--shard", &shard, "--quiet"];
    let mut command = command(&root(), &words);
    for other in ["JOB_COMPLETION_INDEX", "HQ_TASK_ID", "SLURM_ARRAY_TASK_ID", "BENCH_ATTEMPT"] {
        command.env_remove(other);
    }
    command.env(variable, index).output().expect("the binary runs")
}

#[test]
fn tasks_of_a_job_array_know_their_shard_and_give_the_same_bytes() {
    let study = Study::new(str::to_owned);
    for index in 0..SHARDS {
        let ended = task(&study, "indexed", "JOB_COMPLETION_INDEX", &index.to_string());
        assert_eq!(code(&ended), 0, "{}", stderr(&ended));
        assert_eq!(shards(&study.path("indexed")).len(), index + 1, "a shard of its own");
    }
    assert_merges_to_the_whole(&study, "indexed");
    // Whatever the engine.
    for (index, variable) in ["HQ_TASK_ID", "SLURM_ARRAY_TASK_ID"].into_iter().enumerate() {
        let ended = task(&study, variable, variable, &index.to_string());
        assert_eq!(code(&ended), 0, "{}", stderr(&ended));
        let only = format!("shard-{index:05}-of-{SHARDS:05}");
        assert_eq!(shards(&study.path(variable)), BTreeSet::from([only]));
    }
    let beyond = task(&study, "beyond", "JOB_COMPLETION_INDEX", &SHARDS.to_string());
    assert_eq!(code(&beyond), 2, "{}", stderr(&beyond));
    assert!(!study.path("beyond").exists());
}

/// A file of scripts/container/.
fn recipe(name: &str) -> String {
    read(&root().join("scripts/container").join(name))
}

/// The script that each pod of the Kubernetes job runs.
fn pod_script() -> String {
    let yaml = recipe("kubernetes-job.yaml");
    let (_, rest) = yaml.split_once("- |\n").expect("a script");
    let indent = rest.len() - rest.trim_start().len();
    let own = |line: &&str| line.len() - line.trim_start().len() >= indent;
    rest.lines().take_while(own).map(|line| format!("{}\n", &line[indent..])).collect()
}

/// A pod that runs `script` on the shard `index`, with `bench` in its PATH and the study and results of ours.
fn pod(study: &Study, script: &str, index: usize) -> Command {
    let theirs = "sweep mnist-0v1 --out /results/mnist-0v1 --shard auto/8 ";
    assert!(script.contains(theirs), "{script}");
    let script = script.replace(theirs, "sweep \"$STUDY\" --out \"$RESULTS\" --shard auto/4 ");
    let programs = Path::new(env!("CARGO_BIN_EXE_bench")).parent().expect("a folder");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut sh = Command::new("sh");
    sh.args(["-c", &script]).current_dir(root()).env("PATH", path).env_remove("BENCH_DATA");
    sh.env("STUDY", study.path("study.toml")).env("RESULTS", study.path("pods"));
    sh.env("BENCH_ATTEMPT", format!("bench-mnist-0v1-{index}-x7k2p"));
    sh.env("JOB_COMPLETION_INDEX", index.to_string());
    sh
}

#[test]
fn pods_of_the_kubernetes_job_give_the_same_bytes_and_stop_when_asked_to() {
    use std::time::{Duration, Instant};

    let study = Study::new(|text| text.replace("epochs = 3", "epochs = 8000"));
    let script = pod_script();
    let mut first = pod(&study, &script, 0).stderr(Stdio::null()).spawn().expect("sh runs");
    let begun = || {
        let listed = fs::read_dir(study.path("pods/journal")).into_iter().flatten().flatten();
        let mut started = listed.filter(|e| e.path().extension().is_some_and(|e| e == "started"));
        started.any(|file| read(&file.path()).lines().count() > 3)
    };
    let since = Instant::now();
    while !begun() {
        assert!(since.elapsed() < Duration::from_secs(120), "no trial has begun");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-TERM", &first.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    assert_eq!(first.wait().expect("reaped").code(), Some(130), "what is done is kept");

    for index in 0..SHARDS {
        let ended = pod(&study, &script, index).output().expect("sh runs");
        assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    }
    let listed = fs::read_dir(study.path("pods/journal")).expect("a journal").flatten();
    for name in listed.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        assert!(name.contains(".bench-mnist-0v1-"), "{name} is not named after its pod");
    }
    assert_merges_to_the_whole(&study, "pods");
}

#[test]
fn a_pod_fails_if_and_only_if_its_shard_is_not_through() {
    let failing = |text: &str| {
        text.replace("kind = \"mlp\"", "kind = \"mlp\"\noptimizer = \"sgd\"\nlearning_rate = 1e20")
            .replace("epochs = 3", "epochs = 40")
    };
    let study = Study::new(failing);
    let script = pod_script();
    let ended = pod(&study, &script, 0).output().expect("sh runs");
    assert!(stderr(&ended).contains("2 of 8 trials are not ok"), "{}", stderr(&ended));
    assert_eq!(code(&ended), 0, "it is through");
    let ended = pod(&study, &script, 9).output().expect("sh runs");
    assert_eq!(code(&ended), 2, "no such shard: the job's policy gives it up: {}", stderr(&ended));
}

#[test]
fn the_kubernetes_job_says_what_the_shards_rely_on() {
    let yaml = recipe("kubernetes-job.yaml");
    let count = |line: &str| yaml.lines().filter(|l| l.split(" #").next() == Some(line)).count();
    for (line, times) in [
        ("  completionMode: Indexed", 1),
        ("  completions: 8", 1),
        ("  backoffLimitPerIndex: 5", 1),
        // The limit for each index allows no other.
        ("      restartPolicy: Never", 2),
        ("          values: [2]", 1),
        ("  accessModes: [ReadWriteMany]", 1),
        ("            claimName: bench-results", 2),
        ("  suspend: true", 1),
        ("          command: [\"bench\", \"merge\", \"/results/mnist-0v1\", \"--quiet\"]", 1),
    ] {
        assert_eq!(count(line), times, "{line}");
    }
    let script = pod_script();
    assert!(script.contains("--shard auto/8") && script.contains("--crash-limit 2"), "{script}");
    assert!(root().join("experiments/mnist-0v1.toml").is_file(), "the image has the study");
    assert!(yaml.contains("fieldPath: metadata.name"), "attempts are named after pods");
}

/// What the recipes copy from the repository.
fn copied(recipe: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut section = "";
    for line in recipe.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["COPY", ref files @ .., _] if !files.iter().any(|f| f.starts_with("--from")) => {
                found.extend(files);
            }
            [name, ..] if name.starts_with('%') => section = line,
            [from, _] if section == "%files" => found.push(from),
            _ => {}
        }
    }
    found
}

#[test]
fn images_are_made_of_what_is_here() {
    let manifest = read(&root().join("Cargo.toml"));
    let rust = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let rust = rust.expect("a version of Rust").trim_matches('"');
    let ignore = recipe("Dockerfile.dockerignore");
    for name in ["Dockerfile", "bench.def"] {
        let recipe = recipe(name);
        let from = |line: &str| {
            let image = line.strip_prefix("FROM ").or_else(|| line.strip_prefix("From: "));
            image.map(|image| image.split(' ').next().unwrap_or_default().to_owned())
        };
        let images: Vec<String> = recipe.lines().filter_map(from).collect();
        // One Debian: the C library that the program is linked with is the one that it runs with.
        assert_eq!(images, [format!("rust:{rust}-slim-bookworm"), "debian:bookworm-slim".into()]);
        assert!(recipe.contains("cargo build --release -p bench --locked\n"), "{name}");
        assert!(recipe.contains("/src/target/release/bench /usr/local/bin/bench\n"), "{name}");
        assert!(recipe.contains("BENCH_DATA=/opt/bench/data\n"), "{name}");
        let copied = copied(&recipe);
        assert_eq!(copied, ["Cargo.toml", "Cargo.lock", "crates", "data", "experiments"], "{name}");
        for path in copied {
            assert!(root().join(path).exists(), "{name}: {path}");
            assert!(ignore.contains(&format!("\n!{path}\n")), "{path} is sent to the builder");
        }
    }
    let docker = recipe("Dockerfile");
    assert!(docker.contains("\nENTRYPOINT [\"/usr/local/bin/bench\"]\n"), "{docker}");
    let user = docker.lines().rev().find_map(|line| line.strip_prefix("USER "));
    assert_eq!(user, Some("10001"), "not root, by number: runAsNonRoot can check no name");
    assert!(recipe("bench.def").contains("%runscript\n    exec /usr/local/bin/bench \"$@\"\n"));
}

#[test]
#[cfg(target_os = "linux")]
fn the_program_needs_the_c_library_alone() {
    let Ok(listed) = Command::new("ldd").arg(env!("CARGO_BIN_EXE_bench")).output() else {
        skipped("no ldd here: what the program is linked with is not checked");
        return;
    };
    // All of Debian's libc6 and what that depends on, so of the smallest image.
    let known =
        ["linux-vdso", "libc.so", "libm.so", "libgcc_s.so", "ld-linux", "libpthread", "libdl"];
    let listed = stdout(&listed);
    for line in listed.lines().filter(|line| line.contains(".so")) {
        assert!(known.iter().any(|name| line.contains(name)), "{line} is in no recipe: {listed}");
    }
    assert!(listed.contains("libc.so"), "{listed}");
}
