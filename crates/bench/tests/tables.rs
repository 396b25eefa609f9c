//! Tables of one's own, on the real command line.

mod common;

use std::fs;
use std::path::Path;

use common::{bench, code, stderr};
use tempfile::TempDir;

const STUDY: &str = "name = \"mine\"\nseed = 3\n[dataset]\nname = \"csv\"\npath = \"mine.csv\"\ntarget = \"kind\"\n\
    [protocol]\nsizes = [4, 8]\nrepeats = 2\nfolds = 2\n[[model]]\nname = \"knn\"\nkind = \"knn\"\n";

fn study(table: &[u8], edit: impl Fn(&str) -> String) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("mine.csv"), table).expect("written");
    fs::write(folder.path().join("study.toml"), edit(STUDY)).expect("written");
    folder
}

fn sweep(folder: &Path, options: &[&str]) -> std::process::Output {
    let path = |name: &str| folder.join(name).to_str().expect("a path").to_owned();
    let (file, out) = (path("study.toml"), path("out"));
    let mut arguments = vec!["sweep", &file, "--out", &out];
    arguments.extend(options);
    bench(&arguments)
}

/// A change to the study.
type Edit = Box<dyn Fn(&str) -> String>;

/// Twenty rows; the second column tells the class, on a scale that drowns in the first's without standardisation.
fn table() -> String {
    let mut text = String::from("a,\"b, scaled\",kind\n");
    for i in 0..20 {
        let (name, b) = if i % 2 == 0 { ("yes", 0.001) } else { ("no", 0.002) };
        text += &format!("{},{},{name}\n", (i * 7919) % 1000, b);
    }
    text
}

#[test]
fn labels_stay_and_standardisation_is_fitted_on_the_training_rows() {
    let folder = study(table().as_bytes(), str::to_owned);
    let ended = sweep(folder.path(), &[]);
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    let out = folder.path().join("out");
    let lock = fs::read_to_string(out.join("experiment.lock.toml")).expect("a lock");
    assert!(lock.contains("classes = [\"no\", \"yes\"]"), "{lock}");
    assert!(
        lock.contains("path = \"mine.csv\"")
            && !lock.contains(folder.path().to_str().expect("a path"))
    );
    let right = |out: &Path| -> u32 {
        let mut reader = csv::Reader::from_path(out.join("scores/knn.csv")).expect("scores");
        reader.records().map(|row| row.expect("a row")[8].parse::<u32>().expect("a count")).sum()
    };
    let standard = right(&out);
    let isolated = sweep(folder.path(), &["--isolate", "--quiet"]);
    assert_eq!(code(&isolated), 0, "a worker finds the table too: {}", stderr(&isolated));

    let raw = study(table().as_bytes(), |text| format!("{text}scale = \"raw\"\n"));
    assert_eq!(code(&sweep(raw.path(), &[])), 0);
    let raw = right(&raw.path().join("out"));
    assert!(standard > raw, "of 80: {standard} standardised, {raw} raw");
    assert!(standard >= 70, "the class is in the second column: {standard} of 80");
}

/// `bench` in a folder that knows of no data.
fn elsewhere(folder: &Path, arguments: &[&str]) -> std::process::Output {
    common::command(folder, arguments).output().expect("it runs")
}

#[test]
fn a_table_needs_no_data_folder_and_its_results_are_verified_from_anywhere() {
    let folder = study(table().as_bytes(), str::to_owned);
    let ended =
        elsewhere(folder.path(), &["sweep", "study.toml", "--quiet", "--out", "results/mine"]);
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    let isolated = elsewhere(
        folder.path(),
        &["sweep", "study.toml", "--quiet", "--isolate", "--out", "isolated"],
    );
    assert_eq!(code(&isolated), 0, "{}", stderr(&isolated));
    let planned = elsewhere(folder.path(), &["plan", "study.toml"]);
    assert_eq!(code(&planned), 0, "{}", stderr(&planned));
    let missing = elsewhere(folder.path(), &["sweep", "study.toml", "--data", "nowhere"]);
    assert_eq!(code(&missing), 2, "a folder that is named must be there");

    let away = TempDir::new().expect("a folder");
    let results = folder.path().join("results/mine");
    let results = results.to_str().expect("a path");
    let verified = elsewhere(away.path(), &["verify", results, "--all"]);
    assert_eq!(code(&verified), 0, "{}{}", common::stdout(&verified), stderr(&verified));
    let merged = elsewhere(away.path(), &["merge", results, "--quiet", "--out", "merged"]);
    assert_eq!(code(&merged), 0, "{}", stderr(&merged));

    let moved = elsewhere(away.path(), &["verify", "merged"]);
    assert_eq!(code(&moved), 2);
    assert!(
        stderr(&moved).contains("no file \"mine.csv\" beside the results"),
        "{}",
        stderr(&moved)
    );
    assert!(stderr(&moved).contains("--beside DIR"), "{}", stderr(&moved));
    let beside = folder.path().to_str().expect("a path");
    let found = elsewhere(away.path(), &["verify", "merged", "--beside", beside]);
    assert_eq!(code(&found), 0, "{}{}", common::stdout(&found), stderr(&found));
}

#[test]
fn rows_that_are_there_twice_are_warned_of() {
    let folder = study(table().as_bytes(), str::to_owned);
    assert!(!stderr(&sweep(folder.path(), &[])).contains("may be scored equal"));
    let twice = format!("{}919,0.002,no\n", table());
    assert_eq!(twice.matches("\n919,0.002,no\n").count(), 2, "row 1 of table()");
    let folder = study(twice.as_bytes(), str::to_owned);
    let warned = sweep(folder.path(), &[]);
    assert_eq!(code(&warned), 0, "{}", stderr(&warned));
    let expected = "1 items that may be scored equal one that may be learnt from (first: 20 and 1,";
    assert!(stderr(&warned).contains(expected), "{}", stderr(&warned));
}

#[test]
fn classes_are_chosen_by_name() {
    let mut text = table();
    text += &"5,9,other\n".repeat(9);
    let folder = study(text.as_bytes(), |text| {
        text.replace("[protocol]", "classes = [\"yes\", \"no\"]\n[protocol]")
    });
    let ended = sweep(folder.path(), &[]);
    assert_eq!(code(&ended), 0, "{}", stderr(&ended));
    let wrong = study(text.as_bytes(), |text| {
        text.replace("[protocol]", "classes = [\"yes\", \"nope\"]\n[protocol]")
    });
    let refused = sweep(wrong.path(), &[]);
    assert!(
        stderr(&refused)
            .contains("dataset \"mine.csv\" has no class nope, its classes are no, other, yes"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn a_bad_table_is_refused_naming_file_line_and_column() {
    let same = |text: &str| text.to_owned();
    let cases: Vec<(Vec<u8>, Edit, &str)> = vec![
        (Vec::new(), Box::new(same), "mine.csv:1: the table is empty"),
        (
            table().replace("no\n", "yes\n").into(),
            Box::new(same),
            "column \"kind\" holds a single class, \"yes\"",
        ),
        (
            table().replacen("0.002", "much", 1).into(),
            Box::new(same),
            "mine.csv:3: column \"b, scaled\" holds \"much\"",
        ),
        (
            table().replacen(",no", ",no,no", 1).into(),
            Box::new(same),
            "mine.csv:3: 4 cells, but the header has 3",
        ),
        (
            table().replacen("0.001", "nan", 1).into(),
            Box::new(same),
            "mine.csv:2: column \"b, scaled\" holds \"nan\"",
        ),
        (
            [table().as_bytes(), b"1,\xff,no\n"].concat(),
            Box::new(same),
            "mine.csv:22: not UTF-8 text",
        ),
        (
            table().into(),
            Box::new(|text: &str| text.replace("target = \"kind\"", "target = \"kin\"")),
            "no column \"kin\" (dataset.target), did you mean \"kind\"?",
        ),
        (
            table().into(),
            Box::new(|text: &str| text.replace("mine.csv", "yours.csv")),
            "dataset.path: no file \"yours.csv\" beside the experiment file",
        ),
        (
            table().into(),
            Box::new(|text: &str| text.replace("folds = 2", "folds = 11")),
            "class \"no\" of \"mine.csv\" has 10 training examples, fewer than the 11 folds",
        ),
        (
            table().into(),
            Box::new(|text: &str| text.replace("path = \"mine.csv\"\n", "")),
            "`path` is missing",
        ),
        (
            table().into(),
            Box::new(|text: &str| text.replace("\"csv\"", "\"mnist\"")),
            "`path` has no meaning with dataset \"mnist\"",
        ),
        (
            table().into(),
            Box::new(|text: &str| format!("{text}scale = \"unit\"\n")),
            "`scale` is \"unit\"",
        ),
        (
            table().into(),
            Box::new(|text: &str| text.replace("folds = 2", "kind = \"holdout\"")),
            "has no test set",
        ),
    ];
    for (table, edit, expected) in cases {
        let folder = study(&table, edit);
        let refused = sweep(folder.path(), &[]);
        assert_eq!(code(&refused), 2, "{expected}: {}", stderr(&refused));
        assert!(stderr(&refused).contains(expected), "{expected}: {}", stderr(&refused));
        assert!(!folder.path().join("out").exists(), "{expected}: nothing half-written");
    }
}
