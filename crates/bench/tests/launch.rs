//! `bench launch` on the real binary: what it prints, and what it hands to a queue (stand-ins on the path that write down
//! what they are told). `scripts/slurm-test.sh` does the same on a real Slurm.
#![cfg(unix)]

mod cluster;
mod common;

use std::fs;
use std::process::{Command, Output};

use cluster::{Cluster, OUT, fine, launch_command, study};
use common::{Study, code, stderr, stdout};

fn dry(study: &Study, options: &[&str]) -> Output {
    let mut launch = launch_command(study, &["slurm"], options);
    // Without Slurm, and without anything else.
    launch.arg("--dry-run").env("PATH", "").output().expect("it runs")
}

#[test]
fn a_dry_run_prints_the_scripts_and_the_commands_and_writes_nothing() {
    let study = study();
    let options = [
        "--shards",
        "3",
        "--partition",
        "gpu",
        "--time",
        "4:00:00",
        "--gpus",
        "a100:1",
        "--account",
        "a b",
        "--cpus",
        "4",
        "--max-parallel",
        "2",
        "--sbatch",
        "--mem=4G",
        "--sbatch",
        "#SBATCH --qos=low",
        "--requeues",
        "7",
        "--warning",
        "90",
        "--time-limit",
        "30",
        "--retry",
        "--program",
        "apptainer exec 'my bench.sif' bench",
    ];
    let printed = dry(&study, &options);
    assert_eq!(code(&printed), 0, "{}", stderr(&printed));
    let text = stdout(&printed);
    for line in [
        "#SBATCH --requeue",
        "#SBATCH --partition=gpu",
        "#SBATCH --time=4:00:00",
        "#SBATCH --gpus=a100:1",
        "#SBATCH --account=\"a b\"",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=4G",
        "#SBATCH --qos=low",
        "#SBATCH --signal=B:USR1@90",
        "SHARDS=3",
        "REQUEUES=7",
        "PROGRAM=(apptainer exec 'my bench.sif' bench)",
        "RETRY=(--retry)",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line:?} in {text}");
    }
    let sweep = text.lines().find(|line| line.starts_with("SWEEP=(")).expect("a sweep");
    for part in ["--isolate", "--time-limit 30", "--crash-limit 2", "--device cpu", ".lock.toml"] {
        assert!(sweep.contains(part), "no {part} in {sweep}");
    }
    assert!(!sweep.contains("--data"), "a container has data of its own: {sweep}");
    assert!(text.contains(" --array=0-2%2 "), "{text}");
    assert!(text.contains("sbatch --parsable --dependency=afterany:$array_0 "), "{text}");
    assert!(!study.path(OUT).exists(), "nothing is written");

    let own = stdout(&dry(&study, &["--shards", "4", "--no-isolate"]));
    let sweep = own.lines().find(|line| line.starts_with("SWEEP=(")).expect("a sweep");
    assert!(sweep.contains(" --data ") && !sweep.contains("--isolate"), "{sweep}");
    assert!(
        own.lines().any(|l| l.starts_with("PROGRAM=(") && l.contains("launch/bench-")),
        "{own}"
    );
}

#[test]
fn what_a_sweep_would_refuse_is_refused_before_anything_is_written() {
    let study = study();
    for (options, why) in [
        (&["--shards", "5"][..], "at most --shards 4"),
        (
            &["--shards", "2", "--models", "flour"],
            "has no model \"flour\", did you mean \"floor\"?",
        ),
        (&["--shards", "2", "--sbatch", "--mem=4G\n#SBATCH --qos=high"], "must be one line"),
        (&["--shards", "2", "--partition", "a\nb"], "must be one line"),
        (
            &["--shards", "2", "--program", "bench 'half"],
            "--program: \"bench 'half\": the quote ' is not closed",
        ),
        (&["--shards", "2", "--device", "cuda:0"], "build it with --features cuda"),
    ] {
        let refused = dry(&study, options);
        assert_eq!(code(&refused), 2, "{options:?}");
        assert!(stderr(&refused).contains(why), "{options:?}: {}", stderr(&refused));
    }
    let no_slurm = launch_command(&study, &["slurm"], &["--shards", "2"]).env("PATH", "").output();
    let no_slurm = no_slurm.expect("it runs");
    assert_eq!(code(&no_slurm), 2);
    let said = stderr(&no_slurm);
    assert!(said.contains("no sbatch on the path") && said.contains("--shard I/N"), "{said}");
    let cuda = dry(&study, &["--shards", "2", "--device", "cuda:0", "--program", "bench-cuda"]);
    assert_eq!(code(&cuda), 0, "another program may have it: {}", stderr(&cuda));
    assert!(!study.path(OUT).exists(), "nothing is written");
}

#[test]
fn the_cluster_is_a_word_or_an_option_which_wins() {
    let study = study();
    let is = |words: &[&str], options: &[&str], sign: &str| {
        let mut launch = launch_command(&study, words, options);
        let said = launch.args(["--shards", "2", "--dry-run"]).output().expect("it runs");
        assert_eq!(code(&said), 0, "{}", stderr(&said));
        assert!(stdout(&said).contains(sign), "{words:?}, {options:?}: {}", stdout(&said));
    };
    is(&["slurm"], &[], "\nsbatch --parsable");
    is(&["hq"], &[], "\nhq --output-mode=quiet submit --array=0-1");
    is(&["slurm"], &["--on", "hq"], "\nhq --output-mode=quiet submit");
    is(&[], &["--on", "hq"], "\nhq --output-mode=quiet submit");
    for (words, options, why) in [
        (&["slrum"][..], &[][..], "\"slrum\" is neither slurm nor hq"),
        (&[], &[], "is neither slurm nor hq"),
        (&["hq"], &["--partition", "gpu"], "--partition is Slurm's"),
    ] {
        let mut launch = launch_command(&study, words, options);
        let said = launch.args(["--shards", "2", "--dry-run"]).output().expect("it runs");
        assert_eq!(code(&said), 2);
        assert!(stderr(&said).contains(why), "{words:?}: {}", stderr(&said));
    }
}

#[test]
fn one_array_and_a_merge_behind_it_and_later_only_what_is_missing() {
    let cluster = Cluster::new();
    let said = fine(&cluster.launch("slurm", &["--shards", "4", "--max-parallel", "2"]));
    assert!(said.contains("array 1: shards 0-3\n"), "{said}");
    let (job, merge) = (cluster.in_launch("job.sh"), cluster.in_launch("merge.sh"));
    let handed_in = cluster.calls("sbatch");
    let name = handed_in[0].split(' ').nth(1).expect("a name").to_owned();
    assert!(name.starts_with("--job-name=bench-study-"), "{name}");
    assert_eq!(
        handed_in,
        [
            format!("--parsable {name} --array=0-3%2 {} 0", job.display()),
            format!("--parsable --dependency=afterany:1 {}", merge.display())
        ]
    );
    let manifest = bench::launch::Manifest::read(&cluster.study.path(OUT)).expect("readable");
    let manifest = manifest.expect("a manifest");
    assert_eq!((&*manifest.engine, manifest.shards), ("slurm", 4));
    assert_eq!(format!("--job-name={}", manifest.job_name), name);
    let submitted: Vec<_> =
        manifest.submitted.iter().map(|s| (s.id.as_str(), s.shards.as_str())).collect();
    assert_eq!(submitted, [("1", "0-3"), ("2", "merge")]);

    // All are in the queue: no array, and a new merge takes the place of the one that waits.
    cluster.forget_calls();
    let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
    assert!(said.contains("left out: shards 0-3, which are in the queue already"), "{said}");
    assert_eq!(
        cluster.calls("sbatch"),
        [format!("--parsable --dependency=afterany:1 {}", merge.display())]
    );
    assert_eq!(cluster.calls("scancel"), ["2"]);

    // A shard is through, another is still in the queue, the rest got lost.
    let ran = cluster.job(1, "0").output().expect("bash");
    assert!(fine(&ran).contains("shard 1, slurm-7_1-r0 on "), "{}", stdout(&ran));
    let queue: Vec<String> = cluster
        .state("queue")
        .lines()
        .filter(|l| l.starts_with("1|2|"))
        .map(str::to_owned)
        .collect();
    cluster.set("queue", &format!("{}\n", queue.join("\n")));
    cluster.forget_calls();
    let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
    assert!(said.contains("left out: shards 1, which are through"), "{said}");
    assert!(said.contains("left out: shards 2, which are in the queue already"), "{said}");
    let handed_in = cluster.calls("sbatch");
    assert!(handed_in[0].contains(" --array=0,3 "), "{handed_in:?}");
    assert!(handed_in[1].contains(" --dependency=afterany:1:4 "), "{handed_in:?}");

    // Other settings under jobs that wait are refused; so is another number of shards.
    for options in [&["--shards", "3"][..], &["--shards", "4", "--sizes", "10"]] {
        let refused = cluster.launch("slurm", options);
        assert_eq!(code(&refused), 2);
        assert!(stderr(&refused).contains("scancel 1 4"), "{}", stderr(&refused));
    }

    // When all is through, the merge alone, and then nothing.
    cluster.set("queue", "");
    for shard in [0, 2, 3] {
        fine(&cluster.job(shard, "0").output().expect("bash"));
    }
    cluster.forget_calls();
    let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
    assert!(said.contains("left out: shards 0-3, which are through"), "{said}");
    assert_eq!(cluster.calls("sbatch"), [format!("--parsable {}", merge.display())]);
    cluster.set("queue", "");
    fine(&Command::new("bash").arg(&merge).output().expect("bash"));
    cluster.forget_calls();
    let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
    assert!(said.contains("nothing to do"), "{said}");
    assert!(cluster.calls("sbatch").is_empty());

    let whole = cluster.study.sweep("whole", &[]);
    assert_eq!(code(&whole), 0, "{}", stderr(&whole));
    let mut launched = common::stable_files(&cluster.study.path(OUT));
    launched.retain(|(name, _)| !name.starts_with("launch/"));
    assert_eq!(launched, common::stable_files(&cluster.study.path("whole")));
}

#[test]
fn arrays_are_parted_where_their_numbers_would_be_too_large() {
    let cluster = Cluster::new();
    cluster.set("max", "3");
    let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
    assert!(said.contains("array 1: shards 0-2\narray 2: shards 3\n"), "{said}");
    let handed_in = cluster.calls("sbatch");
    assert!(
        handed_in[1].contains("+3 --array=0 ") && handed_in[1].ends_with("job.sh 3"),
        "{handed_in:?}"
    );
    assert!(handed_in[2].contains(" --dependency=afterany:1:2 "), "{handed_in:?}");
    cluster.forget_calls();
    let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
    assert!(said.contains("left out: shards 0-3, which are in the queue"), "{said}");
    assert!(fine(&cluster.job(0, "3").output().expect("bash")).contains("shard 3, "));
    let logs = common::journals(&cluster.study.path(OUT));
    assert_eq!(logs, 1);
    assert!(
        fs::read_dir(cluster.study.path(OUT).join("journal")).expect("a journal").flatten().any(
            |entry| entry
                .file_name()
                .to_string_lossy()
                .starts_with("shard-00003-of-00004.slurm-7_0-r0.")
        )
    );
}

#[test]
fn what_the_controller_has_lost_is_handed_in_again() {
    let cluster = Cluster::new();
    cluster.set("lose", "1");
    let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
    assert!(
        said.contains("Slurm has accepted and lost 1: once more\narray 3: shards 0-3\n"),
        "{said}"
    );
    assert_eq!(cluster.calls("scancel"), ["2"], "the merge behind the lost array");
    assert!(cluster.state("queue").starts_with("3|0|"), "{}", cluster.state("queue"));

    // The number of what was lost may be another's by now.
    let cluster = Cluster::new();
    cluster.set("lose", "1");
    cluster.set("reuse", "");
    let said = fine(&cluster.launch("slurm", &["--shards", "4"]));
    assert!(said.contains("accepted and lost 1: once more"), "{said}");

    let cluster = Cluster::new();
    cluster.set("lose", "1000");
    let given_up = cluster.launch("slurm", &["--shards", "4"]);
    assert_eq!(code(&given_up), 2);
    assert!(
        stderr(&given_up).contains("did not keep what it was given, 4 times"),
        "{}",
        stderr(&given_up)
    );
}

#[test]
fn refusals_of_slurm_are_passed_on_with_a_remedy() {
    for (said, expected) in [
        ("sbatch: error: invalid partition specified: gpu", "invalid partition specified: gpu"),
        ("fatal: Could not establish a configuration source", "set SLURM_CONF"),
    ] {
        let cluster = Cluster::new();
        cluster.set("refuse", said);
        let refused = cluster.launch("slurm", &["--shards", "4"]);
        assert_eq!(code(&refused), 2);
        assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
    }
    let cluster = Cluster::new();
    cluster.set("max", "0");
    let refused = cluster.launch("slurm", &["--shards", "4"]);
    assert!(stderr(&refused).contains("takes no job arrays"), "{}", stderr(&refused));
}

#[test]
fn a_contender_beside_finished_results_gives_what_a_sweep_would() {
    let cluster = Cluster::new();
    let study = &cluster.study;
    let path = |name: &str| study.path(name).to_str().expect("a path").to_owned();
    let (file, out, alone) = (path("study.toml"), path(OUT), path("alone"));
    let near = |k: u32| format!("name=near,kind=knn,k={k}");
    let sweep = |out: &str, options: &[&str]| {
        let mut arguments = vec!["sweep", &file, "--quiet", "--out", out];
        arguments.extend(options);
        let ended = common::bench(&arguments);
        assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    };
    sweep(&alone, &["--model", &near(3)]);
    sweep(&out, &[]);
    // As it is in a clone: tables, and their journal elsewhere.
    fs::remove_dir_all(study.path(OUT).join("journal")).expect("removed");

    fine(&cluster.launch("slurm", &["--shards", "4", "--model", &near(3)]));
    for index in 0..4 {
        fine(&cluster.job(index, "0").output().expect("bash"));
    }
    let records = |folder: &str| common::journal_records(&study.path(folder).join("journal"));
    assert_eq!(records(OUT), 8, "what the tables have is not computed again");
    cluster.set("queue", "");
    let status = common::bench(&["status", &out]);
    assert!(stdout(&status).contains("16 of 16 trials are done"), "{}", stdout(&status));
    let merge = cluster.in_launch("merge.sh");
    fine(&Command::new("bash").arg(merge).output().expect("bash"));
    let stable = |folder: &str| {
        let mut files = common::stable_files(&study.path(folder));
        files.retain(|(name, _)| !name.starts_with("launch"));
        files
    };
    assert_eq!(stable(OUT), stable("alone"));

    let frozen = common::read(&cluster.in_launch("experiment.lock.toml"));
    let again = fine(&cluster.launch("slurm", &["--shards", "4", "--model", &near(3)]));
    assert!(again.contains("nothing to do"), "{again}");
    let changed = cluster.launch("slurm", &["--shards", "4", "--model", &near(5)]);
    assert_eq!(code(&changed), 2, "{}", stdout(&changed));
    assert!(
        stderr(&changed).contains("\"near\" has k = 3 there and 5 here"),
        "{}",
        stderr(&changed)
    );
    assert_eq!(common::read(&cluster.in_launch("experiment.lock.toml")), frozen);
}

#[test]
fn two_launches_at_the_same_moment_hand_a_shard_in_once() {
    let cluster = Cluster::new();
    let both: Vec<_> = std::thread::scope(|scope| {
        let launch = || cluster.launch("slurm", &["--shards", "4"]);
        let both = [scope.spawn(launch), scope.spawn(launch)];
        both.into_iter().map(|one| fine(&one.join().expect("no panic"))).collect()
    });
    let arrays = cluster.calls("sbatch").into_iter().filter(|call| call.contains("--array="));
    assert_eq!(arrays.count(), 1, "{both:?}");
    let left_out = |said: &&String| said.contains("shards 0-3, which are in the queue already");
    assert_eq!(both.iter().filter(left_out).count(), 1, "{both:?}");
}

#[test]
fn a_damaged_manifest_names_the_remedy_and_status_goes_on_without() {
    let cluster = Cluster::new();
    fine(&cluster.launch("slurm", &["--shards", "4"]));
    fs::write(cluster.in_launch("launch.toml"), "format = 1\nengine = \"sl").expect("written");
    let refused = cluster.launch("slurm", &["--shards", "4"]);
    assert_eq!(code(&refused), 2);
    let said = stderr(&refused);
    assert!(said.contains("launch.toml: ") && said.contains("remove the file"), "{said}");
    let out = cluster.study.path(OUT);
    let status = common::bench(&["status", out.to_str().expect("a path")]);
    assert_eq!(code(&status), 3, "{}", stderr(&status));
    assert!(stderr(&status).contains("launch.toml") && stdout(&status).contains("0 of 8 trials"));
    fs::remove_file(cluster.in_launch("launch.toml")).expect("removed");
    let refused = cluster.launch("slurm", &["--shards", "4"]);
    assert!(
        stderr(&refused).contains("what they were told is gone from launch/"),
        "{}",
        stderr(&refused)
    );
}
