//! Tuned models in the harness: no look at the held-out items, every choice recorded, every slip refused by name.

mod common;

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use bench::data::Dataset;
use bench::experiment_file;
use bench::plan::{TrialKey, plan};
use bench::record::Record;
use bench::sweep;
use bench::trial::Bench;
use common::{bench, code, stderr, stdout};
use models::Shape;
use nn::Device;
use tempfile::TempDir;

const STUDY: &str = r#"
name = "study"
seed = 3
[dataset]
name = "mnist"
classes = [4, 9]
[protocol]
sizes = [3, 20]
repeats = 2
folds = 2
test_size = 100
[[model]]
name = "plain"
kind = "knn"
[[model]]
name = "near"
kind = "knn"
weights = "distance"
tune = { k = [1, 3, 5] }
[[model]]
name = "curved"
kind = "svm"
[model.tune]
c = [1, 10]
gamma = ["scale", 0.01]
[[model]]
name = "auto"
kind = "naive-bayes"
tune = "auto"
"#;

/// Overlapping clouds of three features, so that accuracies lie between chance and 1; `flip` swaps the test labels.
fn clouds(flip: bool) -> Dataset {
    let (train, test) = (80, 60);
    let labels: Vec<u32> = (0..train + test)
        .map(|i| if i >= train && flip { 1 - i as u32 % 2 } else { i as u32 % 2 })
        .collect();
    let pixels = (0..train + test)
        .flat_map(|i| {
            let (class, noise) = (i as u32 % 2, (i as u32).wrapping_mul(2_654_435_761));
            [0, 8, 16].map(|shift| ((noise >> shift) % 160 + class * 60) as u8)
        })
        .collect();
    Dataset::from_parts("clouds", Shape::table(3), pixels, labels, train)
}

/// The tuned models of [`STUDY`] on `data`, trained on the official training set.
fn records(data: Dataset) -> Vec<Record> {
    let text = STUDY.replace("folds = 2\n", "").replace("test_size = 100", "kind = \"holdout\"");
    let text = text.replace("sizes = [3, 20]", "sizes = [20, 40]");
    let experiment =
        experiment_file::parse(Path::new("study.toml"), &text, &models::Registry::default())
            .expect("sound");
    let bench = Bench::new(experiment, data, Device::Cpu).expect("sound");
    let mut records = Vec::new();
    sweep::run(
        &bench,
        &plan(bench.experiment()),
        2,
        &AtomicBool::new(false),
        &mut |record: Record| {
            records.push(record);
            Ok(())
        },
    )
    .expect("a sweep");
    records.sort_by(|a, b| a.key.cmp(&b.key));
    records
}

#[test]
fn no_peeking_the_labels_of_the_test_items_move_no_choice() {
    let (honest, flipped) = (records(clouds(false)), records(clouds(true)));
    let choice = |r: &Record| (r.key.clone(), r.outcome.tuned.clone(), r.outcome.inner_fits);
    let choices: Vec<(TrialKey, String, Option<u64>)> = honest.iter().map(choice).collect();
    assert_eq!(choices, flipped.iter().map(choice).collect::<Vec<_>>());
    for (one, other) in honest.iter().zip(&flipped) {
        let right = |r: &Record| r.outcome.accuracy().expect("a score");
        assert!((right(one) + right(other) - 1.0).abs() < 1e-9, "two classes: right becomes wrong");
    }
    let tuned = choices.iter().filter(|(key, ..)| key.model != "plain");
    for (key, text, fits) in tuned {
        assert!(text.contains('=') && fits.is_some_and(|fits| fits > 0), "{key}: {text:?}");
    }
    let untuned = choices.iter().filter(|(key, ..)| key.model == "plain");
    for (key, text, fits) in untuned {
        assert_eq!((&**text, *fits), ("", None), "{key}");
    }
}

/// Writes the study, changed by `edit`, into a new folder.
fn study(edit: impl Fn(&str) -> String) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("study.toml"), edit(STUDY)).expect("written");
    folder
}

fn run(folder: &TempDir, verb: &str, more: &[&str]) -> std::process::Output {
    let file = folder.path().join("study.toml");
    let out = folder.path().join("out");
    let mut arguments = vec![verb, file.to_str().expect("a path")];
    if verb == "sweep" {
        arguments.extend(["--out", out.to_str().expect("a path")]);
    }
    arguments.extend(more);
    bench(&arguments)
}

/// The named cells of the rows of a table in `out`.
fn cells(folder: &TempDir, table: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let path = folder.path().join("out").join(table);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let place =
        |name: &&str| header.iter().position(|h| h == name).unwrap_or_else(|| panic!("{name}"));
    let places: Vec<usize> = columns.iter().map(place).collect();
    lines.map(|line| places.iter().map(|&at| line[at].to_owned()).collect()).collect()
}

#[test]
fn choices_are_recorded_and_come_out_the_same_again() {
    let folder = study(str::to_owned);
    let ended = run(&folder, "sweep", &["--jobs", "1"]);
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));

    let chosen = cells(&folder, "scores/curved.csv", &["n", "tuned", "inner_fits"]);
    assert_eq!(chosen.len(), 8);
    for row in &chosen {
        match &*row[0] {
            "3" => assert_eq!(row[1..], ["defaults: a class has a single example", "0"]),
            _ => {
                assert!(row[1].starts_with("c=1") && row[1].contains("; gamma="), "{row:?}");
                assert_eq!(row[2], "20", "four candidates, five folds");
            }
        }
    }
    let auto = cells(&folder, "scores/auto.csv", &["n", "tuned", "inner_fits"]);
    assert!(
        auto.iter().all(|row| row[0] == "3" || row[1].starts_with("var_smoothing=")),
        "{auto:?}"
    );
    let plain = cells(&folder, "scores/plain.csv", &["tuned", "inner_fits"]);
    assert!(plain.iter().flatten().all(String::is_empty), "{plain:?}");

    let seconds = |cell: &String| cell.parse::<f64>().expect("seconds");
    for row in cells(&folder, "timings/curved.csv", &["n", "fit_seconds", "tune_seconds"]) {
        let (fit, tune) = (seconds(&row[1]), seconds(&row[2]));
        assert!(tune <= fit && (tune > 0.0 || row[0] == "3"), "a part of the fit: {row:?}");
    }
    for row in cells(&folder, "timings/plain.csv", &["tune_seconds", "tune_cpu_seconds"]) {
        assert_eq!(row, ["", ""]);
    }

    let lock = fs::read_to_string(folder.path().join("out/experiment.lock.toml")).expect("a lock");
    assert!(lock.contains("[model.tune]\nc = [1.0, 10.0]\ngamma = [\"scale\", 0.01]\n"), "{lock}");
    assert!(lock.contains("[model.tune]\nvar_smoothing = [0.001, 0.01, 0.1, 1.0]\n"), "{lock}");

    let again = study(str::to_owned);
    assert_eq!(code(&run(&again, "sweep", &["--jobs", "3"])), 0);
    let stable = |folder: &TempDir| common::stable_files(&folder.path().join("out"));
    assert_eq!(stable(&folder), stable(&again), "whatever the number of workers");
}

#[test]
fn results_of_another_grid_are_refused() {
    let folder = study(str::to_owned);
    assert_eq!(code(&run(&folder, "sweep", &["--models", "near", "--sizes", "20"])), 0);
    let changed = STUDY.replace("k = [1, 3, 5]", "k = [1, 3]");
    fs::write(folder.path().join("study.toml"), changed).expect("written");
    let refused = run(&folder, "sweep", &["--models", "near", "--sizes", "20"]);
    assert_eq!(code(&refused), 2);
    let expected = "model \"near\" has tune = { k = [1, 3, 5] } there and { k = [1, 3] } here";
    assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
}

#[test]
fn the_plan_says_what_is_tuned() {
    let plan = run(&study(str::to_owned), "plan", &["--models", "curved,plain", "--sizes", "20"]);
    assert_eq!(code(&plan), 0, "{}", stderr(&plan));
    let text = stdout(&plan);
    let of = |model: &str| {
        let line = text.lines().find(|line| line.starts_with(model)).expect("a trial");
        line.rsplit(',').next().expect("a last cell").to_owned()
    };
    assert_eq!(of("plain,"), "");
    assert_eq!(of("curved,"), "c=[1.0 10.0]; gamma=[scale 0.01]");
}

#[test]
fn slips_in_a_grid_are_refused_naming_file_line_key_and_remedy() {
    let line = |text: &str| STUDY.lines().position(|l| l.starts_with(text)).expect("a line") + 1;
    let (near, curved) = (line("tune = {"), line("c = [1, 10]"));
    let cases: [(&str, &str, usize, &str); 11] = [
        (
            "{ k = [1, 3, 5] }",
            "{ kk = [1, 3, 5] }",
            near,
            "unknown key `kk` for kind \"knn\", did you mean `k`?",
        ),
        ("{ k = [1, 3, 5] }", "{ k = [0, 3] }", near, "`k` is 0, expected a whole number in 1.."),
        ("{ k = [1, 3, 5] }", "{ k = 3 }", near, "`k` must be a list of the values to try"),
        ("{ k = [1, 3, 5] }", "{ k = [] }", near, "`k` is [], expected a list of different values"),
        ("{ k = [1, 3, 5] }", "{}", near, "`tune` names no parameter"),
        ("{ k = [1, 3, 5] }", "\"automatic\"", near, "`tune` must be \"auto\", or lists of values"),
        ("{ k = [1, 3, 5] }", "[1, 3]", near, "`tune` must be \"auto\", or lists of values"),
        (
            "{ k = [1, 3, 5] }",
            "{ weights = [\"uniform\"] }",
            near,
            "`weights` is both set and tuned",
        ),
        (
            "c = [1, 10]",
            "c = [1, \"ten\"]",
            curved,
            "`c` is \"ten\", expected a number > 0 in `tune` in [[model]] \"curved\"",
        ),
        (
            "gamma = [\"scale\", 0.01]",
            "degree = [2, 3]",
            curved + 1,
            "`degree` does nothing in any combination",
        ),
        (
            "kind = \"naive-bayes\"",
            "kind = \"majority\"",
            line("tune = \"auto\""),
            "kind \"majority\" has nothing to tune",
        ),
    ];
    for (from, to, at, expected) in cases {
        let folder = study(|text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let refused = run(&folder, "sweep", &[]);
        let message = stderr(&refused);
        assert_eq!(code(&refused), 2, "{to}: {message}");
        for part in [&format!("study.toml:{at}: "), expected] {
            assert!(message.contains(part), "{to}: {part:?} is not in {message:?}");
        }
    }
}

#[test]
fn a_candidate_that_the_data_cannot_feed_is_refused_before_anything_runs() {
    let folder = study(|text| {
        let net = "kind = \"cnn\"\ntune = { kernel = [3, 13] }";
        text.replace("kind = \"naive-bayes\"\ntune = \"auto\"", net)
    });
    let refused = run(&folder, "sweep", &[]);
    assert_eq!(code(&refused), 2, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("a 13×13 convolution"), "{}", stderr(&refused));
}

#[test]
fn kinds_list_their_own_grid() {
    let one = bench(&["models", "knn"]);
    assert!(stdout(&one).contains("\"auto\" tries k = [1, 3, 5, 9, 15]"), "{}", stdout(&one));
    assert!(stdout(&one).contains("at most 64 candidates, 5 folds"), "{}", stdout(&one));
    let floor = bench(&["models", "majority"]);
    assert!(stdout(&floor).contains("\"auto\" has nothing to tune here"), "{}", stdout(&floor));
    let net = bench(&["models", "mlp"]);
    assert!(stdout(&net).contains("learning_rate = default × [0.3, 1.0, 3.0]"), "{}", stdout(&net));
}

#[test]
fn a_model_by_default_and_tuned_makes_a_figure_of_the_difference() {
    let twins = |text: &str| {
        let models = "[[model]]\nname = \"plain\"\nkind = \"knn\"\n\
                      [[model]]\nname = \"tuned\"\nkind = \"knn\"\ntune = { k = [1, 3] }\n\
                      [[model]]\nname = \"other\"\nkind = \"knn\"\nk = 2\n";
        let head = text.split("[[model]]").next().expect("a head").replace("[3, 20]", "[10, 20]");
        format!("{head}{models}")
    };
    let folder = study(twins);
    let ended = run(&folder, "sweep", &[]);
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    let figure = folder.path().join("out/figures/tuning.svg");
    let drawn = fs::read_to_string(&figure).expect("the figure");
    assert!(drawn.contains(">tuned<") && !drawn.contains(">other<"), "one panel: the tuned model");
    assert!(drawn.contains("the same model by default"), "{drawn}");

    let out = folder.path().join("out");
    let results = bench::store::Results::read(&out).expect("results");
    let derived = bench::publish::Derived::of(&results).expect("sound");
    let comparison = derived.comparison.as_ref().expect("several models");
    let figure = bench::figures::tuning::differences;
    let differences = figure(comparison, &derived.summary, &results.lock).expect("twins");
    assert_eq!(differences.curves.len(), 1);
    let mean = |model: &str, n: &str| {
        let rows = cells(&folder, &format!("scores/{model}.csv"), &["n", "n_correct", "n_test"]);
        let sum = |column: usize| {
            let of_n = rows.iter().filter(|row| row[0] == n);
            of_n.map(|row| row[column].parse::<f64>().expect("a count")).sum::<f64>()
        };
        sum(1) / sum(2)
    };
    for point in &differences.curves[0].points {
        let n = point.n.to_string();
        let expected = mean("tuned", &n) - mean("plain", &n);
        assert!((point.estimate - expected).abs() < 1e-12, "n = {n}: {}", point.estimate);
        assert!(point.low <= expected && expected <= point.high);
        // The same numbers as in comparison.csv.
        let pair = comparison.against(1, 0).expect("tuned against plain");
        let found = pair.findings.iter().find(|f| f.n == Some(point.n)).expect("a finding");
        assert_eq!((point.low, point.high), (found.band.lo.max(-1.0), found.band.hi.min(1.0)));
    }
    // The twins part the figure of accuracy in two; the tuned one keeps the colour of its twin.
    let drawn = |name: &str| {
        fs::read_to_string(out.join(format!("figures/{name}.svg"))).expect("the figure")
    };
    let (plain, tuned) = (drawn("accuracy-vs-n"), drawn("accuracy-vs-n-tuned"));
    assert!(plain.contains(">plain<") && plain.contains(">other<") && !plain.contains(">tuned<"));
    assert!(tuned.contains(">tuned<") && tuned.contains(">other<") && !tuned.contains(">plain<"));
    assert!(plain.contains("#0072B2") && tuned.contains("#0072B2"), "the first look");

    let single = study(|text| twins(text).replace("tune = { k = [1, 3] }", "k = 3"));
    assert_eq!(code(&run(&single, "sweep", &[])), 0);
    assert!(!single.path().join("out/figures/tuning.svg").exists(), "nothing is tuned");
}
