//! The scripts that jobs run, with stand-ins for bench and the queue: what they do when a task is killed, cancelled or out
//! of time, when a merge lacks trials, and what HyperQueue is told.
#![cfg(unix)]

mod cluster;
mod common;

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cluster::{Cluster, OUT, fine, launch_command, study};
use common::{code, stderr, stdout};

/// A cluster whose jobs run a stand-in for bench: it leaves what an attempt leaves, and then does as `body` says.
fn with_program(body: &str, options: &[&str]) -> Cluster {
    let cluster = Cluster::new();
    let out = cluster.study.path(OUT).display().to_string().replace('\'', "'\\''");
    let leaves = format!(
        "out='{out}'\nstem=\"$out/journal/shard-00000-of-00004.$BENCH_ATTEMPT.host.$$.abc\"\n\
             mkdir -p \"$out/journal\"\n: > \"$stem.started\"\nwrite() {{ printf 'bench-journal 1\\nrecord\\n' > \"$stem.log\"; }}\n"
    );
    cluster.program("stand in", &format!("{leaves}{body}"));
    let program = format!("'{}'", cluster.study.path("bin").join("stand in").display());
    let mut all = vec!["--shards", "4", "--program", &program];
    all.extend(options);
    fine(&cluster.launch("slurm", &all));
    cluster.forget_calls();
    cluster
}

fn requeued(cluster: &Cluster) -> usize {
    let requeued: Vec<String> =
        cluster.calls("scontrol").into_iter().filter(|call| call.starts_with("requeue")).collect();
    assert!(requeued.iter().all(|call| call == "requeue 7_0"), "{requeued:?}");
    requeued.len()
}

fn died(cluster: &Cluster) -> Vec<String> {
    let journal = fs::read_dir(cluster.study.path(OUT).join("journal")).expect("a journal");
    let mut names: Vec<String> =
        journal.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".died"));
    names.sort();
    names
}

fn failures(cluster: &Cluster) -> usize {
    fs::read_to_string(cluster.in_launch("failures/7_0")).unwrap_or_default().lines().count()
}

/// Sends `signal` to the job once its program is at work, and waits for its end.
fn signalled(cluster: &Cluster, signal: &str) -> Output {
    let mut job = cluster.job(0, "0");
    let child: Child = job.spawn().expect("bash");
    wait_until_ready(cluster);
    send(signal, &child.id().to_string());
    child.wait_with_output().expect("reaped")
}

fn wait_until_ready(cluster: &Cluster) {
    let started = Instant::now();
    while !cluster.study.path("state/ready").exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "the program does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    fs::remove_file(cluster.study.path("state/ready")).expect("removed");
}

fn send(signal: &str, process: &str) {
    let sent = Command::new("kill").args([signal, process]).status();
    assert!(sent.expect("kill").success());
}

#[test]
fn a_merge_that_lacks_trials_looks_once_more() {
    let counts = "[ $1 = sweep ] || echo . >> \"$out/merges\"\n";
    let merges = |cluster: &Cluster| {
        let script = cluster.in_launch("merge.sh");
        let ended = Command::new("bash").arg(script).output().expect("bash");
        let counted = fs::read_to_string(cluster.study.path(OUT).join("merges"));
        (code(&ended), counted.unwrap_or_default().lines().count())
    };
    let late = format!("{counts}[ $(wc -l < \"$out/merges\") = 1 ] && exit 3; exit 0");
    assert_eq!(merges(&with_program(&late, &["--settle", "1"])), (0, 2));
    let never = format!("{counts}exit 3");
    assert_eq!(merges(&with_program(&never, &["--settle", "1"])), (3, 2));
    assert_eq!(merges(&with_program(&never, &["--settle", "0"])), (3, 1));
    let conflict = format!("{counts}exit 2");
    assert_eq!(merges(&with_program(&conflict, &["--settle", "1"])), (2, 1));
}

#[test]
fn a_death_by_signal_is_marked_and_requeued_so_often_and_no_more() {
    let cluster = with_program("kill -9 $$", &["--requeues", "2"]);
    for (restart, requeues) in [("0", 1), ("1", 2), ("2", 2)] {
        let mut job = cluster.job(0, "0");
        let ended = job.env("SLURM_RESTART_COUNT", restart).output().expect("bash");
        assert_eq!(code(&ended), 137, "{}", stdout(&ended));
        assert_eq!(requeued(&cluster), requeues, "{}", stdout(&ended));
    }
    assert_eq!(failures(&cluster), 3);
    let died = died(&cluster);
    assert_eq!(died.len(), 3, "{died:?}");
    assert!(died[2].starts_with("shard-00000-of-00004.slurm-7_0-r2.host."), "{died:?}");
}

#[test]
fn a_controller_that_does_not_answer_is_asked_again() {
    let cluster = with_program("kill -9 $$", &[]);
    cluster.set("deaf", "1");
    assert_eq!(code(&cluster.job(0, "0").output().expect("bash")), 137);
    assert_eq!(requeued(&cluster), 2);
}

#[test]
fn the_codes_of_bench_decide() {
    for (does, expected) in
        [("exit 0", 0), ("exit 1", 0), ("exit 2", 2), ("exit 130", 130), ("kill -15 $$", 143)]
    {
        let cluster = with_program(does, &[]);
        let ended = cluster.job(0, "0").output().expect("bash");
        assert_eq!(code(&ended), expected, "{does}: {}", stdout(&ended));
        assert_eq!(requeued(&cluster), 0, "{does}: {}", stdout(&ended));
        assert!(died(&cluster).is_empty(), "{does}");
    }
}

/// Runs until it is asked to stop, as bench does.
const UNTIL_TERM: &str = "trap 'kill $!; exit 130' TERM\nsleep 20 &\n: > \"$state/ready\"\nwait";

#[test]
fn a_cancelled_task_stays_cancelled() {
    let cluster = with_program(UNTIL_TERM, &[]);
    let ended = signalled(&cluster, "-TERM");
    assert_eq!(code(&ended), 130, "{}", stdout(&ended));
    assert!(stdout(&ended).contains("signal to stop (cancel)"), "{}", stdout(&ended));
    assert_eq!((requeued(&cluster), failures(&cluster)), (0, 0));
}

#[test]
fn a_bench_that_slurm_has_told_to_stop_is_not_told_again_at_once() {
    let counts = "echo $$ > \"$state/pid\"\nasked=0\ntrap 'asked=$((asked + 1))' TERM\n: > \"$state/ready\"\n\
            while [ $asked = 0 ]; do sleep 0.1; done\nsleep 1\necho \"asked $asked times\"\nexit 130";
    let cluster = with_program(counts, &[]);
    let mut job = cluster.job(0, "0");
    let script = common::read(&cluster.study.path("job.sh"));
    let patient = script.replace("\nPATIENCE=0\n", "\nPATIENCE=15\n");
    fs::write(cluster.study.path("job.sh"), patient).expect("written");
    let child = job.spawn().expect("bash");
    wait_until_ready(&cluster);
    // As scancel does: every process of the task.
    send("-TERM", &child.id().to_string());
    send("-TERM", cluster.state("pid").trim());
    let ended = child.wait_with_output().expect("reaped");
    assert_eq!(code(&ended), 130, "{}", stdout(&ended));
    assert!(stdout(&ended).contains("asked 1 times"), "{}", stdout(&ended));
    assert!(stdout(&ended).contains("signal to stop (cancel)"), "{}", stdout(&ended));
}

#[test]
fn at_its_time_limit_a_task_with_progress_goes_on_for_ever_and_one_without_does_not() {
    let cluster = with_program(&format!("write\n{UNTIL_TERM}"), &["--requeues", "1"]);
    for slot in 1..4 {
        let ended = signalled(&cluster, "-USR1");
        assert_eq!(code(&ended), 130, "{}", stdout(&ended));
        assert!(stdout(&ended).contains("signal to stop (limit)"), "{}", stdout(&ended));
        assert_eq!((requeued(&cluster), failures(&cluster)), (slot, 0), "{}", stdout(&ended));
    }
    let cluster = with_program(UNTIL_TERM, &["--requeues", "1"]);
    for (requeues, failed) in [(1, 1), (1, 2)] {
        let ended = signalled(&cluster, "-USR1");
        assert_eq!(
            (requeued(&cluster), failures(&cluster)),
            (requeues, failed),
            "{}",
            stdout(&ended)
        );
    }
    assert!(died(&cluster).is_empty());
    // What is through at the signal has nothing to go on with.
    let through = UNTIL_TERM.replace("exit 130", "exit 0");
    let cluster = with_program(&through, &[]);
    assert_eq!(code(&signalled(&cluster, "-USR1")), 0);
    assert_eq!(requeued(&cluster), 0);
}

#[test]
fn failed_trials_run_again_in_the_first_slot_alone() {
    let cluster = with_program("echo \"told: $*\"", &["--retry"]);
    let told = |restart| {
        let mut job = cluster.job(0, "0");
        fine(
            &job.env("SLURM_RESTART_COUNT", restart)
                .env("SLURM_CPUS_PER_TASK", "3")
                .output()
                .expect("bash"),
        )
    };
    let (first, second) = (told("0"), told("1"));
    assert!(first.contains(" --retry --jobs 3 --shard 0/4\n"), "{first}");
    assert!(!second.contains("--retry") && second.contains(" --jobs 3 --shard 0/4\n"), "{second}");
}

const HQ: &str = r#"
case "$*" in
  *"job list"*) cat "$state/jobs" ;;
  *"task-ids"*) echo 1-2 ;;
  *submit*) echo 12 ;;
esac
"#;

#[test]
fn hyperqueue_gets_an_array_of_what_is_missing() {
    let cluster = Cluster::new();
    cluster.program("hq", HQ);
    cluster.set("jobs", "[]");
    let said = fine(&cluster.launch("hq", &["--shards", "4", "--cpus", "2", "--time", "4h"]));
    assert!(said.contains("job 12: shards 0-3\nwhen it has ended (`hq job wait 12`): "), "{said}");
    let submitted = |cluster: &Cluster| {
        let calls = cluster.calls("hq").into_iter().filter(|call| call.contains(" submit "));
        calls.collect::<Vec<_>>()
    };
    let call = submitted(&cluster).remove(0);
    for part in
        [" --array=0-3 ", " --cpus=2 ", " --time-request=4h ", " --crash-limit=5 ", "_%{TASK_ID}-"]
    {
        assert!(call.contains(part), "no {part:?} in {call}");
    }
    assert!(call.ends_with("launch/job.sh"), "{call}");

    let manifest = bench::launch::Manifest::read(&cluster.study.path(OUT)).expect("readable");
    let name = manifest.expect("a manifest").job_name;
    cluster.set(
        "jobs",
        &format!("[{{\"id\": 12, \"name\": {name:?}}}, {{\"id\": 13, \"name\": \"other\"}}]"),
    );
    cluster.forget_calls();
    let said = fine(&cluster.launch("hq", &["--shards", "4", "--cpus", "2"]));
    assert!(said.contains("left out: shards 1-2, which are in the queue already"), "{said}");
    assert!(submitted(&cluster)[0].contains(" --array=0,3 "), "{:?}", submitted(&cluster));
}

/// The script of a task under HyperQueue, as its task 2.
fn hq_task(cluster: &Cluster) -> Output {
    let mut job = Command::new("bash");
    job.arg(cluster.in_launch("job.sh")).env_remove("BENCH_DATA");
    job.envs([("HQ_JOB_ID", "12"), ("HQ_TASK_ID", "2"), ("HQ_INSTANCE_ID", "1")])
        .output()
        .expect("bash")
}

#[test]
fn under_hyperqueue_the_script_itself_starts_a_killed_bench_again() {
    let cluster = Cluster::new();
    cluster.program("hq", HQ);
    cluster.set("jobs", "[]");
    fine(&cluster.launch("hq", &["--shards", "4"]));
    assert!(fine(&hq_task(&cluster)).contains("shard 2, hq-12_2-r1-0 on "));
    assert_eq!(common::journals(&cluster.study.path(OUT)), 1);

    cluster.program(
        "stand in",
        "[ \"$(grep -c '^stand' \"$state/calls\")\" -gt 2 ] || kill -9 $$\necho \"$BENCH_ATTEMPT\"",
    );
    let program = format!("'{}'", cluster.study.path("bin").join("stand in").display());
    for (requeues, expected) in [("1", 137), ("2", 0)] {
        cluster.forget_calls();
        fine(
            &cluster
                .launch("hq", &["--shards", "4", "--program", &program, "--requeues", requeues]),
        );
        let ended = hq_task(&cluster);
        assert_eq!(code(&ended), expected, "{}", stdout(&ended));
        assert_eq!(
            stdout(&ended).contains("\nhq-12_2-r1-2\n"),
            expected == 0,
            "{}",
            stdout(&ended)
        );
    }
}

#[test]
fn a_real_hyperqueue_runs_a_study() {
    if Command::new("hq").arg("--version").output().is_err() {
        common::skipped("no hq on the path: HyperQueue itself is not tested");
        return;
    }
    let study = study();
    let home = study.path("hq");
    let hq = |arguments: &[&str]| {
        let mut command = Command::new("hq");
        command.arg("--server-dir").arg(&home).args(arguments);
        command
    };
    let mut server = hq(&["server", "start"]).stdout(Stdio::null()).spawn().expect("a server");
    let started = Instant::now();
    while !hq(&["server", "info"]).output().expect("hq").status.success() {
        assert!(started.elapsed() < Duration::from_secs(20), "the server does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut worker = hq(&["worker", "start"]).stdout(Stdio::null()).spawn().expect("a worker");
    let mut launch = launch_command(&study, &["hq"], &["--shards", "4"]);
    let said = fine(&launch.env("HQ_SERVER_DIR", &home).output().expect("it runs"));
    let waited = hq(&["job", "wait", "all"]).status().expect("hq");
    let _ = hq(&["server", "stop"]).status();
    let _ = (worker.kill(), worker.wait(), server.kill(), server.wait());
    assert!(waited.success(), "{said}");
    let merged = common::bench(&["merge", study.path(OUT).to_str().expect("text"), "--quiet"]);
    assert_eq!(code(&merged), 0, "{}", stderr(&merged));
}
