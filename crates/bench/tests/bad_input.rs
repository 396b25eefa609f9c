//! Input that is refused, by the real binary: nothing runs, nothing is written, and the message names file, key and remedy.

mod common;

use std::fs;

use common::{EXPERIMENT, Study, bench, code, read, root, stderr};
use tempfile::TempDir;

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
    let cases: [(&[&str], &str); 9] = [
        (&["--models", "logistik"], "no model \"logistik\", did you mean \"logistic\"?"),
        (&["--sizes", "0"], "0 is not in 1.."),
        (&["--repeats", "0"], "0 is not in 1.."),
        (&["--jobs", "0"], "0 is not in 1.."),
        (&["--device", "gpu"], "gpu"),
        (&["--device", "cuda:0"], "cuda"),
        (&["--engine", "numpy"], "possible values: native, candle"),
        (&["--engine", "native", "--device", "metal"], "this binary has cpu, candle-cpu"),
        (&["--engine", "candle", "--device", "cuda:0"], "cuda"),
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
