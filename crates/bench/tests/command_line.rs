//! The real binary, end to end, on the real data: what a user types, and what comes of it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{bench, code, command, root, stable_files, stderr, stdout};
use tempfile::TempDir;

const EXPERIMENT: &str = r#"
name = "study"
seed = 3

[dataset]
name = "mnist"
classes = [4, 9]

[protocol]
kind = "repeated-cv"
sizes = [10, 20]
repeats = 2
folds = 2
test_size = 200

[[model]]
name = "floor"
kind = "majority"

[[model]]
name = "leekasso"
kind = "linear-regression"
top_k = 10

[[model]]
name = "logistic"
kind = "logistic-regression"

[[model]]
name = "net"
kind = "mlp"
hidden = [16]
epochs = 3
"#;

/// A folder with the experiment, changed by `edit`, and an empty place for results.
struct Study {
    folder: TempDir,
}

impl Study {
    fn new(edit: impl Fn(&str) -> String) -> Self {
        let folder = TempDir::new().expect("a folder");
        let edited = edit(EXPERIMENT);
        fs::write(folder.path().join("study.toml"), edited).expect("written");
        Study { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sweep(&self, out: &str, more: &[&str]) -> std::process::Output {
        let (file, out) = (self.path("study.toml"), self.path(out));
        let mut arguments =
            vec!["sweep", file.to_str().expect("a path"), "--out", out.to_str().expect("a path")];
        arguments.extend(more);
        bench(&arguments)
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

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
        "experiment.lock.toml",
        "figures/accuracy-vs-n.png",
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
            .replace("epochs = 3", "epochs = 40")
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
    for attempt in 0..60 {
        let child =
            command(&root(), &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the binary runs");
        // Later and later, until a run gets through.
        std::thread::sleep(std::time::Duration::from_millis(300 + 50 * attempt));
        let kill =
            std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        kill.expect("kill runs");
        match child.wait().expect("an end").code() {
            Some(130) => interrupted += 1,
            Some(0) => break,
            other => panic!("exit {other:?}"),
        }
    }
    assert!(interrupted > 0, "no run was interrupted: the test proves nothing");
    assert_eq!(stable_files(&study.path("whole")), stable_files(&out));
}

#[test]
fn bad_input_is_refused_before_anything_runs_naming_file_key_and_remedy() {
    let replace = |from: &'static str, to: &'static str| {
        move |text: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        }
    };
    let cases: [(&'static str, &'static str, &[&str]); 22] = [
        (
            "folds = 2",
            "fold = 2",
            &["study.toml:13: unknown key `fold` in [protocol], did you mean `folds`?"],
        ),
        ("seed = 3", "sed = 3", &["study.toml:3: unknown key `sed`, did you mean `seed`?"]),
        (
            "top_k = 10",
            "topk = 10",
            &[
                "unknown key `topk` for kind \"linear-regression\", did you mean `top_k`?",
                "leekasso",
            ],
        ),
        (
            "kind = \"mlp\"",
            "kind = \"mpl\"",
            &["unknown model kind \"mpl\", did you mean \"mlp\"?"],
        ),
        (
            "name = \"mnist\"",
            "name = \"minst\"",
            &["study.toml:6", "unknown dataset \"minst\", did you mean \"mnist\"?"],
        ),
        ("[10, 20]", "[10, 99999]", &["protocol.sizes has 99999", "holds"]),
        (
            "[10, 20]",
            "[10, 10]",
            &["study.toml:11: `sizes` is [10, 10]", "different whole numbers"],
        ),
        ("[10, 20]", "[]", &["`sizes` is []"]),
        (
            "folds = 2",
            "folds = 1",
            &["study.toml:13: `folds` is 1 in [protocol], expected a whole number in 2.."],
        ),
        ("repeats = 2", "repeats = 0", &["study.toml:12: `repeats` is 0"]),
        (
            "name = \"leekasso\"",
            "name = \"Floor\"",
            &["\"floor\" and \"Floor\" differ in case alone"],
        ),
        ("name = \"net\"", "name = \"a/b\"", &["name \"a/b\" can't name a file"]),
        ("name = \"net\"", "name = \"_items\"", &["beginning with a letter or digit"]),
        ("name = \"net\"", "name = \"Con.1\"", &["names a device on Windows"]),
        (
            "kind = \"mlp\"\nhidden = [16]",
            "kind = \"cnn\"\nkernel = 13",
            &["model \"net\"", "too small for this cnn", "a 13×13 convolution"],
        ),
        (
            "kind = \"repeated-cv\"",
            "kind = \"holdout\"",
            &["`folds` has no meaning with kind \"holdout\""],
        ),
        ("kind = \"repeated-cv\"", "kind = \"repeated\"", &["`kind` is \"repeated\""]),
        ("classes = [4, 9]", "classes = [4]", &["needs two or more classes"]),
        ("classes = [4, 9]", "classes = [4, 12]", &["no class 12"]),
        ("epochs = 3", "epochs = 3\nsteps = 4", &["steps", "epochs", "net"]),
        ("seed = 3", "seed = ", &["study.toml:3:"]),
        ("top_k = 10", "top_k = \"ten\"", &["`top_k` is \"ten\"", "expected"]),
    ];
    for (from, to, expected) in cases {
        let study = Study::new(replace(from, to));
        let refused = study.sweep("out", &[]);
        let message = stderr(&refused);
        assert_eq!(code(&refused), 2, "{to}: {message}");
        for part in expected {
            assert!(message.contains(part), "{to}: {part:?} is not in {message:?}");
        }
        assert!(!study.path("out").exists(), "{to}: nothing is written");
    }
}

#[test]
fn options_are_checked_like_keys() {
    let study = Study::new(str::to_owned);
    let cases: [(&[&str], &str); 6] = [
        (&["--models", "logistik"], "no model \"logistik\", did you mean \"logistic\"?"),
        (&["--sizes", "0"], "0 is not in 1.."),
        (&["--repeats", "0"], "0 is not in 1.."),
        (&["--jobs", "0"], "0 is not in 1.."),
        (&["--device", "gpu"], "gpu"),
        (&["--device", "cuda:0"], "cuda"),
    ];
    for (options, expected) in cases {
        let refused = study.sweep("out", options);
        assert_eq!(code(&refused), 2, "{options:?}");
        assert!(stderr(&refused).contains(expected), "{options:?}: {}", stderr(&refused));
    }
    let unknown = bench(&["sweep", "mnist-0v2"]);
    assert_eq!(code(&unknown), 2);
    assert!(stderr(&unknown).contains("did you mean \"mnist-0v1\"?"), "{}", stderr(&unknown));
}

#[test]
fn results_of_other_settings_are_refused() {
    let study = Study::new(str::to_owned);
    assert_eq!(code(&study.sweep("out", &["--models", "floor,net"])), 0);
    let changed = EXPERIMENT.replace("hidden = [16]", "hidden = [17]");
    fs::write(study.path("study.toml"), changed).expect("written");
    let refused = study.sweep("out", &[]);
    assert_eq!(code(&refused), 2);
    let expected =
        "holds results of other settings: model \"net\" has hidden = [16] there and [17] here";
    assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
}

#[test]
fn an_unwritable_results_folder_is_refused() {
    let study = Study::new(str::to_owned);
    fs::write(study.path("out"), "a file, not a folder").expect("written");
    let refused = study.sweep("out", &[]);
    assert_eq!(code(&refused), 2);
    assert!(stderr(&refused).contains("can't write results here"), "{}", stderr(&refused));
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
fn damaged_tables_are_named_never_summed_up() {
    let study = Study::new(str::to_owned);
    assert_eq!(code(&study.sweep("out", &["--models", "floor,leekasso"])), 0);
    let out = study.path("out");
    let scores = out.join("scores/leekasso.csv");
    let whole = read(&scores);
    let second = whole.lines().nth(1).expect("a row").to_owned();
    let accuracy = second.split(',').nth(9).expect("a column");
    let cases = [
        (whole.replacen(&format!("{second}\n"), "", 1), "has predictions, but no score"),
        (
            whole.replacen(&format!(",{accuracy},"), ",0.125,", 1),
            "accuracy is not n_correct / n_test",
        ),
        (whole.replacen("log_loss", "logloss", 1), "columns are"),
        (whole.replacen("\nleekasso", "\nfloor", 1), "the row is of model \"floor\""),
        (String::new(), "columns are"),
    ];
    for (damaged, expected) in cases {
        assert_ne!(damaged, whole, "{expected}");
        fs::write(&scores, damaged).expect("written");
        for verb in ["summary", "figures"] {
            let refused = bench(&[verb, out.to_str().expect("a path")]);
            assert_eq!(code(&refused), 2, "{expected}: {}", stderr(&refused));
            assert!(stderr(&refused).contains(expected), "{expected}: {}", stderr(&refused));
        }
    }
    fs::remove_file(&scores).expect("removed");
    let refused = bench(&["summary", out.to_str().expect("a path")]);
    assert!(stderr(&refused).contains("predictions, but no score"), "{}", stderr(&refused));
    fs::write(&scores, whole).expect("written");
    let lock = out.join("experiment.lock.toml");
    fs::write(&lock, read(&lock).replace("seed = 3", "seed = 4")).expect("written");
    let refused = bench(&["summary", out.to_str().expect("a path")]);
    assert!(
        stderr(&refused).contains("does not come from the experiment's seed 4"),
        "{}",
        stderr(&refused)
    );
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
fn damaged_data_is_named() {
    let data = TempDir::new().expect("a folder");
    let folder = data.path().join("mnist");
    let files = [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ];
    let source = |name: &str| {
        fs::read(root().join("data/mnist").join(name)).expect("MNIST is in the repository")
    };
    let restore = || {
        fs::create_dir_all(&folder).expect("a folder");
        for name in files {
            fs::write(folder.join(name), source(name)).expect("written");
        }
    };
    let plain = |name: &str| name.trim_end_matches(".gz").to_owned();
    let expect = |what: &str, parts: &[&str]| {
        let refused = bench(&["datasets", "--data", data.path().to_str().expect("a path")]);
        assert_eq!(code(&refused), 2, "{what}: {}", stderr(&refused));
        for part in parts {
            assert!(
                stderr(&refused).contains(part),
                "{what}: {part:?} is not in {:?}",
                stderr(&refused)
            );
        }
    };

    restore();
    let cut = source(files[2]);
    fs::write(folder.join(files[2]), &cut[..cut.len() / 2]).expect("written");
    expect("truncated gzip", &[files[2], "damaged or truncated gzip"]);

    restore();
    fs::remove_file(folder.join(files[3])).expect("removed");
    expect("missing file", &[&plain(files[3]), "is missing", "ossci-datasets"]);
    fs::write(folder.join(plain(files[3])), [0, 0, 8, 3, 0, 0, 0, 0]).expect("written");
    expect("wrong magic", &[&plain(files[3]), "magic number 0x00000803, expected 0x00000801"]);
    fs::write(folder.join(plain(files[3])), [0, 0, 8, 1, 0, 0, 0, 2, 1, 1]).expect("written");
    expect("counts that don't match", &["2 labels for the 10000 images"]);
    let mut labels = vec![0, 0, 8, 1, 0, 0, 0x27, 0x10];
    labels.extend([1; 10_000]);
    fs::write(folder.join(plain(files[3])), labels).expect("written");
    expect(
        "wrong checksum",
        &["sha256", "expected ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"],
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
    assert_eq!(lines[0], "model,n,repeat,fold,seed");
    let keys: Vec<String> =
        lines[1..].iter().map(|l| l.rsplit_once(',').expect("five columns").0.to_owned()).collect();
    assert_eq!(keys, ["knn,10,0,0", "knn,10,0,1", "knn,40,0,0", "knn,40,0,1"]);
}

#[test]
fn every_experiment_in_the_repository_can_be_planned() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("experiments")).expect("experiments").flatten() {
        let path = entry.path();
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
