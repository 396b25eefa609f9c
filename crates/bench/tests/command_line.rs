//! The real binary, end to end, on the real data: what a user types, and what comes of it.

mod common;

use std::fs;

use common::{Study, bench, code, command, read, root, stable_files, stderr, stdout};
use tempfile::TempDir;

#[test]
fn a_sweep_writes_what_the_design_promises_and_the_same_bytes_again() {
    let study = Study::new(str::to_owned);
    let first = study.sweep("one", &["--jobs", "1"]);
    assert_eq!(code(&first), 0, "{}", stderr(&first));
    assert!(stdout(&first).contains("errors per thousand"), "{}", stdout(&first));
    assert!(
        stderr(&first).contains("4 models × 2 sizes × 4 splits = 32 trials"),
        "{}",
        stderr(&first)
    );

    let one = study.path("one");
    let scores = read(&one.join("scores/net.csv"));
    assert!(
        scores.starts_with(
            "model,n,repeat,fold,seed,status,n_train,n_test,n_correct,accuracy,log_loss,brier,\
             train_accuracy,train_loss,steps"
        ),
        "{scores}"
    );
    let places: Vec<String> = scores
        .lines()
        .skip(1)
        .map(|l| l.split(',').take(4).collect::<Vec<_>>().join(","))
        .collect();
    let expected = [10, 20].into_iter().flat_map(|n| {
        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(repeat, fold)| format!("net,{n},{repeat},{fold}"))
    });
    assert_eq!(places, expected.collect::<Vec<_>>(), "plan order");
    // Three epochs of one batch of 10 or 20.
    assert!(
        scores.lines().skip(1).all(|line| line.contains(",ok,") && line.contains(",3,")),
        "{scores}"
    );

    let names: Vec<String> = stable_files(&one).into_iter().map(|(name, _)| name).collect();
    for name in [
        "README.md",
        "comparison.csv",
        "crossings.csv",
        "experiment.lock.toml",
        "figures/accuracy-vs-n.png",
        "figures/difference-vs-n.pdf",
        "figures/fit.svg",
        "figures/verdicts.svg",
        "sample-efficiency.csv",
        "figures/accuracy-vs-n.svg",
        "predictions/net.csv.gz",
        "scores/floor.csv",
        "summary.csv",
    ] {
        assert!(names.iter().any(|n| n == name), "{name} is missing among {names:?}");
    }
    for name in ["timings/net.csv", "environment.toml"] {
        assert!(one.join(name).is_file(), "{name}");
    }

    let second = study.sweep("two", &["--jobs", "3", "--quiet"]);
    assert_eq!(
        (code(&second), stdout(&second), stderr(&second)),
        (0, String::new(), String::new())
    );
    assert_eq!(
        stable_files(&one),
        stable_files(&study.path("two")),
        "whatever the number of workers"
    );

    let again = study.sweep("one", &[]);
    assert!(stderr(&again).contains("32 of them done before"), "{}", stderr(&again));
}

#[test]
fn figures_and_summary_come_from_the_committed_files_alone() {
    let study = Study::new(str::to_owned);
    assert_eq!(code(&study.sweep("out", &["--models", "floor,logistic"])), 0);
    let out = study.path("out");
    let before = stable_files(&out);
    fs::remove_dir_all(out.join("figures")).expect("removed");
    fs::remove_dir_all(out.join("journal")).expect("removed");
    let drawn = bench(&["figures", out.to_str().expect("a path")]);
    assert_eq!(code(&drawn), 0, "{}", stderr(&drawn));
    assert_eq!(before, stable_files(&out));
    let summary = bench(&["summary", out.to_str().expect("a path")]);
    assert!(stdout(&summary).contains("logistic"), "{}", stdout(&summary));
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_is_done_and_the_sweep_goes_on() {
    use std::process::Stdio;
    let long = |text: &str| {
        text.replace("sizes = [10, 20]", "sizes = [10, 80, 320]")
            .replace("epochs = 3", "epochs = 200")
    };
    let study = Study::new(long);
    let whole = study.sweep("whole", &[]);
    assert_eq!(code(&whole), 0, "{}", stderr(&whole));

    let (file, out) = (study.path("study.toml"), study.path("cut"));
    let arguments = [
        "sweep",
        file.to_str().expect("a path"),
        "--out",
        out.to_str().expect("a path"),
        "--jobs",
        "1",
    ];
    let mut interrupted = 0;
    for _ in 0..3 {
        let before = journal_bytes(&out);
        let child =
            command(&root(), &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the binary runs");
        // A record is there, and many are still to come.
        while journal_bytes(&out) < before + 100 && child.try_wait().expect("a state").is_none() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let kill =
            std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        kill.expect("kill runs");
        match child.wait().expect("an end").code() {
            Some(130) => interrupted += 1,
            // The machine was busy elsewhere, and the run got through first.
            Some(0) => break,
            other => panic!("exit {other:?}"),
        }
    }
    assert!(interrupted > 0, "no run was interrupted: the test proves nothing");
    assert_eq!(code(&study.sweep("cut", &[])), 0);
    assert_eq!(stable_files(&study.path("whole")), stable_files(&out));
}

/// What the journal files of a results folder hold, in bytes.
#[cfg(unix)]
fn journal_bytes(out: &std::path::Path) -> u64 {
    let files = fs::read_dir(out.join("journal")).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

#[test]
fn candle_is_an_engine_on_the_processor_and_a_device_of_its_own() {
    let study = Study::new(str::to_owned);
    let net = ["--models", "net", "--sizes", "10", "--repeats", "1"];
    for (out, options) in
        [("engine", ["--engine", "candle"]), ("device", ["--device", "candle-cpu"])]
    {
        assert_eq!(code(&study.sweep(out, &[&net[..], &options].concat())), 0);
    }
    let scores = |out: &str| read(&study.path(out).join("scores/net.csv"));
    assert_eq!(scores("engine"), scores("device"));
    let lock = read(&study.path("engine").join("experiment.lock.toml"));
    assert!(lock.contains("device = \"candle-cpu\""), "{lock}");
    // Results of two engines are never mixed.
    let refused = study.sweep("engine", &net);
    assert_eq!(code(&refused), 2);
    assert!(stderr(&refused).contains("device is candle-cpu there and cpu here"));
}

#[test]
fn a_study_that_has_not_run_through_says_so() {
    let study = Study::new(str::to_owned);
    let two = ["--models", "floor,leekasso", "--sizes"];
    assert_eq!(code(&study.sweep("out", &[&two[..], &["10"]].concat())), 0);
    let out = study.path("out");
    let whole = bench(&["summary", out.to_str().expect("a path")]);
    assert!(!stderr(&whole).contains("missing"), "{}", stderr(&whole));
    // Another size for one of the two leaves the other's unrun: 4 of 16.
    let more = study.sweep("out", &["--models", "floor", "--sizes", "20"]);
    for said in [&more, &bench(&["summary", out.to_str().expect("a path")])] {
        assert!(stderr(said).contains("4 of 16 planned trials are missing"), "{}", stderr(said));
    }
    assert!(read(&out.join("README.md")).contains("4 of 16 planned trials are missing"));
}

#[test]
fn a_failing_model_is_counted_and_exits_one() {
    // Ten classes can't all be in a training set of five.
    let ten = |text: &str| {
        text.replace("classes = [4, 9]\n", "").replace("sizes = [10, 20]", "sizes = [5, 20]")
    };
    let study = Study::new(ten);
    let ended = study.sweep("out", &["--models", "floor"]);
    assert_eq!(code(&ended), 1, "{}", stderr(&ended));
    assert!(
        stderr(&ended).contains("4 of 8 trials are not ok: 4 failed (first: floor, n = 5"),
        "{}",
        stderr(&ended)
    );
    let scores = read(&study.path("out").join("scores/floor.csv"));
    assert_eq!(
        scores
            .lines()
            .filter(|line| line.contains(",failed,") && line.contains("no example of class"))
            .count(),
        4
    );
    assert_eq!(scores.lines().filter(|line| line.contains(",ok,")).count(), 4);
}

#[test]
fn a_study_without_a_single_score_is_still_counted_and_shown() {
    let study =
        Study::new(|text| text.replace("classes = [4, 9]\n", "").replace("[10, 20]", "[5]"));
    let ended = study.sweep("out", &["--models", "floor"]);
    assert_eq!(code(&ended), 1, "{}", stderr(&ended));
    assert!(stderr(&ended).contains("4 of 4 trials are not ok"), "{}", stderr(&ended));
    assert!(stdout(&ended).contains("no trial is ok"), "{}", stdout(&ended));
    let out = study.path("out");
    assert!(out.join("README.md").is_file());
    for verb in ["figures", "summary"] {
        assert_eq!(code(&bench(&[verb, out.to_str().expect("a path")])), 1, "{verb}");
    }
}

#[test]
fn only_what_ran_again_is_called_reproduced() {
    let study = Study::new(str::to_owned);
    assert_eq!(code(&study.sweep("out", &["--models", "floor"])), 0);
    let again = study.sweep("out", &["--models", "floor"]);
    assert!(!stderr(&again).contains("bit for bit"), "nothing ran: {}", stderr(&again));
    fs::remove_dir_all(study.path("out").join("journal")).expect("removed");
    let afresh = study.sweep("out", &["--models", "floor"]);
    assert!(
        stderr(&afresh).contains("8 of the 8 results that were here came out the same"),
        "{}",
        stderr(&afresh)
    );
}

#[test]
fn data_is_found_from_below_and_by_name() {
    let below = command(&root().join("crates/bench/src"), &["datasets"]).output().expect("runs");
    assert_eq!(code(&below), 0, "{}", stderr(&below));
    for part in [
        "60000 training, 10000 test, each 28×28×1",
        "0: 5923  1: 6742",
        "ba891046e6505d7a",
        "fashion-mnist",
    ] {
        assert!(stdout(&below).contains(part), "{part}: {}", stdout(&below));
    }
    let elsewhere = TempDir::new().expect("a folder");
    let lost = command(elsewhere.path(), &["datasets"]).output().expect("runs");
    assert_eq!(code(&lost), 2);
    assert!(stderr(&lost).contains("--data DIR or BENCH_DATA"), "{}", stderr(&lost));
    let named =
        command(elsewhere.path(), &["datasets"]).env("BENCH_DATA", root().join("data")).output();
    assert_eq!(code(&named.expect("runs")), 0);
}

#[test]
fn the_plan_can_be_read_before_it_runs() {
    let plan = bench(&["plan", "smoke", "--models", "knn", "--sizes", "40,10", "--repeats", "1"]);
    assert_eq!(code(&plan), 0, "{}", stderr(&plan));
    let text = stdout(&plan);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "model,n,repeat,fold,seed,tune");
    let keys: Vec<String> =
        lines[1..].iter().map(|l| l.split(',').take(4).collect::<Vec<_>>().join(",")).collect();
    assert_eq!(keys, ["knn,10,0,0", "knn,10,0,1", "knn,40,0,0", "knn,40,0,1"]);
}

#[test]
fn every_experiment_in_the_repository_can_be_planned() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("experiments")).expect("experiments").flatten() {
        let path = entry.path();
        if read(&path).contains("kind = \"runner\"") {
            continue; // its programs need not be here
        }
        let plan = bench(&["plan", path.to_str().expect("a path")]);
        assert_eq!(code(&plan), 0, "{}: {}", path.display(), stderr(&plan));
        count += 1;
    }
    assert!(count >= 5, "{count} experiments");
}

#[test]
fn models_lists_kinds_parameters_and_defaults() {
    let all = bench(&["models"]);
    assert_eq!(code(&all), 0);
    for kind in models::kinds() {
        assert!(stdout(&all).lines().any(|line| line == kind.name), "{}", kind.name);
    }
    let one = bench(&["models", "logistic-regression"]);
    assert!(stdout(&one).contains("l2 = 1.0"), "{}", stdout(&one));
    let unknown = bench(&["models", "knm"]);
    assert_eq!(code(&unknown), 2);
    assert!(stderr(&unknown).contains("did you mean \"knn\"?"), "{}", stderr(&unknown));
}
