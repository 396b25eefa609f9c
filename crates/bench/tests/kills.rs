//! What can happen to a running sweep, on the real binary: kills, signals, a full disk, a rival, a loss that is no number.

mod common;

use std::fs;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bench::seed::stream;
use common::{bench, code, command, journals, root, stable_files, stderr};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use tempfile::TempDir;

const STUDY: &str = r#"
name = "study"
seed = 3
[dataset]
name = "mnist"
classes = [4, 9]
[protocol]
sizes = [10, 20, 40]
repeats = 4
folds = 5
test_size = 100
[[model]]
name = "floor"
kind = "majority"
[[model]]
name = "forest"
kind = "random-forest"
trees = 10
[[model]]
name = "net"
kind = "mlp"
hidden = [16]
epochs = 40
"#;

fn study() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("study.toml"), STUDY).expect("written");
    folder
}

fn journal(folder: &Path, number: usize) -> PathBuf {
    folder.join("journal").join(format!("{number:05}.log"))
}

fn arguments(folder: &Path, out: &str) -> Vec<String> {
    let path = |name: &str| folder.join(name).to_str().expect("a path").to_owned();
    vec!["sweep".into(), path("study.toml"), "--out".into(), path(out)]
}

fn spawn(arguments: &[String]) -> std::process::Child {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    command(&root(), &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs")
}

fn finish(folder: &Path, out: &str) {
    run(&arguments(folder, out));
}

fn run(arguments: &[String]) {
    let ended = bench(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
}

/// Kills in all: `BENCH_KILLS`, as `scripts/torture.sh` sets it.
fn kills() -> usize {
    std::env::var("BENCH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(6)
}

#[test]
fn kills_at_random_moments_change_no_byte() {
    torture("kills", |_| Vec::new(), finish);
}

#[test]
fn kills_of_shards_at_random_moments_change_no_byte() {
    let shard = |index: u32| vec!["--shard".to_owned(), format!("{index}/2")];
    let merge = |folder: &Path, out: &str| {
        for index in 0..2 {
            let mut arguments = arguments(folder, out);
            arguments.extend(shard(index));
            run(&arguments);
        }
        run(&["merge".into(), path(folder, out), "--quiet".into()]);
    };
    torture("shards", |generator| shard(generator.next_u32() % 2), merge);
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("a path").to_owned()
}

/// Kills sweeps with `options` at random moments, ten in a folder, and `finish`es it each time.
fn torture(
    what: &str,
    options: impl Fn(&mut ChaCha8Rng) -> Vec<String>,
    end: impl Fn(&Path, &str),
) {
    let folder = study();
    let started = Instant::now();
    finish(folder.path(), "whole");
    let whole = started.elapsed();
    let expected = stable_files(&folder.path().join("whole"));

    let mut generator = stream(20170604, what, &[kills() as u64]);
    let (mut killed, mut rounds) = (0, 0);
    while killed < kills() {
        let out = format!("killed-{rounds}");
        rounds += 1;
        // From the start to somewhat beyond the end: loading, training, publishing.
        for _ in 0..10 {
            let moment = whole.mul_f64(1.1 * f64::from(generator.next_u32()) / f64::from(u32::MAX));
            let mut arguments = arguments(folder.path(), &out);
            arguments.extend(options(&mut generator));
            let mut child = spawn(&arguments);
            std::thread::sleep(moment);
            child.kill().expect("killed");
            killed += usize::from(!child.wait().expect("reaped").success());
        }
        end(folder.path(), &out);
        assert_eq!(stable_files(&folder.path().join(&out)), expected, "round {rounds}");
        fs::remove_dir_all(folder.path().join(&out)).expect("removed");
    }
    // Not by a macro, so that `scripts/torture.sh` shows it whatever the test harness hides.
    let _ = writeln!(std::io::stderr(), "{what}: {killed} kills in {rounds} rounds");
}

/// True if the process has `guard` open; where that can't be seen, after a while.
fn waits_for(guard: &Path, child: &std::process::Child) -> bool {
    if cfg!(not(target_os = "linux")) {
        std::thread::sleep(Duration::from_secs(5));
        return true;
    }
    let Ok(open) = fs::read_dir(format!("/proc/{}/fd", child.id())) else { return false };
    let guard = guard.canonicalize().expect("it is there");
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|file| file == guard))
}

#[test]
fn two_sweeps_in_one_folder_write_journals_of_their_own() {
    let folder = study();
    finish(folder.path(), "alone");
    let arguments = arguments(folder.path(), "shared");
    let shared = folder.path().join("shared");
    // Nobody opens the folder until both are there to do so; whoever held it before a kill is no obstacle.
    fs::create_dir_all(shared.join("journal")).expect("a folder");
    let guard = fs::File::create(shared.join("journal/guard")).expect("a guard");
    guard.lock().expect("free");
    let mut both = [spawn(&arguments), spawn(&arguments)];
    let started = Instant::now();
    while !both.iter().all(|child| waits_for(&shared.join("journal/guard"), child)) {
        assert!(started.elapsed() < Duration::from_secs(120), "they don't ask for the guard");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(guard);
    for child in &mut both {
        assert!(child.wait().expect("reaped").success());
    }
    assert_eq!(journals(&shared), 2);
    finish(folder.path(), "shared");
    assert_eq!(
        stable_files(&folder.path().join("alone")),
        stable_files(&folder.path().join("shared"))
    );
}

#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// Waits until the journal at `path` holds at least so many bytes.
#[cfg(unix)]
fn wait_for(path: &Path, bytes: u64) {
    let started = Instant::now();
    while fs::metadata(path).map_or(0, |m| m.len()) < bytes {
        assert!(started.elapsed() < Duration::from_secs(120), "no trial has ended");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
#[cfg(unix)]
fn a_terminated_sweep_resumes_and_every_machine_is_named() {
    let folder = study();
    finish(folder.path(), "whole");
    let out = folder.path().join("term");
    let mut child = spawn(&arguments(folder.path(), "term"));
    wait_for(&journal(&out, 0), 2000);
    signal(&child, "-TERM");
    assert_eq!(child.wait().expect("reaped").code(), Some(130));
    assert!(!out.join("environment.toml").exists(), "there are no results yet");
    finish(folder.path(), "term");
    assert_eq!(stable_files(&folder.path().join("whole")), stable_files(&out));

    let machine = || fs::read_to_string(out.join("environment.toml")).expect("an environment");
    let first = machine();
    assert!(!first.contains("[[machine]]"), "one machine: {first}");
    let started = |text: &str| text.lines().find(|l| l.starts_with("started")).map(str::to_owned);
    let beginning = fs::read_to_string(out.join("journal/00000.toml")).expect("beside the journal");
    assert_eq!(started(&first), started(&beginning), "from the first start");
    finish(folder.path(), "term");
    assert_eq!(machine(), first, "where nothing ran, nothing is told");

    // Had the first part been computed elsewhere, both would be named.
    let elsewhere: Vec<&str> = beginning.lines().filter(|line| !line.starts_with("cpu ")).collect();
    let elsewhere = format!("cpu = \"Abacus\"\n{}", elsewhere.join("\n"));
    fs::write(out.join("journal/00000.toml"), elsewhere).expect("written");
    finish(folder.path(), "term");
    let both = machine();
    assert_eq!(both.matches("[[machine]]").count(), 2, "{both}");
    assert!(both.contains("cpu = \"Abacus\""), "{both}");
}

#[test]
#[cfg(unix)]
fn a_second_signal_leaves_at_once_and_resumably() {
    let folder = TempDir::new().expect("a folder");
    // An endless fit in this very process heeds no flag.
    let model = |kind: &str| format!("[[model]]\nname = \"{kind}\"\nkind = \"{kind}\"\n");
    let head = STUDY.split("[[model]]").next().expect("a head").replace("[10, 20, 40]", "[20]");
    fs::write(folder.path().join("study.toml"), head + &model("majority") + &model("endless"))
        .expect("written");
    let arguments = arguments(folder.path(), "out");
    let mut command = std::process::Command::new(common::example("misbehaving"));
    command.args(&arguments).args(["--jobs", "2"]).current_dir(root()).env_remove("BENCH_DATA");
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it runs");
    let mut told = std::io::BufReader::new(child.stderr.take().expect("a stream")).lines();
    wait_for(&journal(&folder.path().join("out"), 0), 100);
    signal(&child, "-TERM");
    assert!(told.any(|line| line.expect("text").contains("once more to leave at once")));
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().expect("a child").is_none(), "it waits for a fit that never ends");
    signal(&child, "-TERM");
    assert_eq!(child.wait().expect("reaped").code(), Some(130));
    let kept = fs::read_to_string(journal(&folder.path().join("out"), 0)).expect("a journal");
    assert!(kept.lines().nth(1).is_some_and(|line| line.contains("\"status\":\"ok\"")), "{kept}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_binary_on_a_full_disk_says_so_and_resumes_with_room() {
    let folder = study();
    finish(folder.path(), "whole");
    // A limit on the size of files is a full disk that needs no permission: 16 blocks of 512 or 1024 bytes.
    let arguments = arguments(folder.path(), "full");
    let quoted: Vec<String> = arguments.iter().map(|a| format!("'{a}'")).collect();
    let script = format!(
        "trap '' XFSZ; ulimit -f 16; exec '{}' {}",
        env!("CARGO_BIN_EXE_bench"),
        quoted.join(" ")
    );
    let ended = std::process::Command::new("sh").args(["-c", &script]).current_dir(root()).output();
    let ended = ended.expect("sh runs");
    assert_eq!(code(&ended), 2, "{}", stderr(&ended));
    assert!(stderr(&ended).contains("00000.log: "), "{}", stderr(&ended));
    let written = fs::metadata(journal(&folder.path().join("full"), 0)).expect("a journal").len();
    assert!(written >= 8192, "{written} bytes were kept");
    finish(folder.path(), "full");
    assert_eq!(
        stable_files(&folder.path().join("whole")),
        stable_files(&folder.path().join("full"))
    );
}

#[test]
#[cfg(target_os = "linux")]
fn the_binary_on_a_small_file_system_says_so_and_resumes_with_room() {
    let folder = study();
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    // In namespaces of its own a user may mount; what is mounted is gone with them.
    let script = "mount -t tmpfs -o size=64k none \"$1\" || exit 77\n\
        \"$2\" sweep \"$3\" --quiet --out \"$1/out\"; ended=$?\n\
        cp -r \"$1/out\" \"$4\" || exit 78\nexit $ended";
    fs::create_dir(folder.path().join("small")).expect("a folder");
    let mut unshare = std::process::Command::new("unshare");
    unshare.args(["-rm", "sh", "-c", script, "sh", &path("small"), env!("CARGO_BIN_EXE_bench")]);
    let ended = unshare.args([&path("study.toml"), &path("full")]).current_dir(root()).output();
    let permitted = |ended: &std::process::Output| {
        ended.status.code() != Some(77) && !stderr(ended).contains("unshare")
    };
    let Some(ended) = ended.ok().filter(permitted) else {
        common::skipped(
            "no file system of one's own can be mounted here: the full disk is not tested",
        );
        return;
    };
    assert_eq!(code(&ended), 2, "{}", stderr(&ended));
    assert!(stderr(&ended).contains("No space left"), "{}", stderr(&ended));
    let written = fs::metadata(journal(&folder.path().join("full"), 0)).expect("a journal").len();
    assert!(written >= 8192, "{written} bytes were kept");
    finish(folder.path(), "whole");
    finish(folder.path(), "full");
    assert_eq!(
        stable_files(&folder.path().join("whole")),
        stable_files(&folder.path().join("full"))
    );
}

#[test]
fn a_loss_that_is_not_finite_is_counted_as_diverged() {
    let folder = TempDir::new().expect("a folder");
    let text = STUDY
        .replace("epochs = 40", "epochs = 40\noptimizer = \"sgd\"\nlearning_rate = 1e20")
        .replace("[10, 20, 40]", "[10]");
    fs::write(folder.path().join("study.toml"), text).expect("written");
    let arguments = arguments(folder.path(), "out");
    let ended = bench(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(code(&ended), 1, "{}", stderr(&ended));
    assert!(
        stderr(&ended).contains("20 of 60 trials are not ok: 20 diverged"),
        "{}",
        stderr(&ended)
    );
    let scores = fs::read_to_string(folder.path().join("out/scores/net.csv")).expect("scores");
    assert_eq!(scores.lines().filter(|line| line.contains(",diverged,")).count(), 20, "{scores}");
}
