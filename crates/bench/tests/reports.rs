//! `bench compare`, `bench figures` and `bench report` through the real binary, on a committed study and on a small one
//! of `small-sample-cv`; and the report in a real browser, where one is installed.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{bench, code, root, stable_files, stderr, stdout};
use tempfile::TempDir;

/// A copy of the committed study of 4 against 9, without what is derived from its tables.
fn study() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let from = root().join("results/mnist-4v9");
    let to = folder.path().join("mnist-4v9");
    for part in ["scores", "predictions", "timings"] {
        fs::create_dir_all(to.join(part)).expect("a folder");
        for entry in fs::read_dir(from.join(part)).expect("a committed study").flatten() {
            fs::copy(entry.path(), to.join(part).join(entry.file_name())).expect("copied");
        }
    }
    for file in ["experiment.lock.toml", "environment.toml"] {
        fs::copy(from.join(file), to.join(file)).expect("copied");
    }
    (folder, to)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(arguments: &[&str]) -> String {
    let output = bench(arguments);
    assert_eq!(code(&output), 0, "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

#[test]
fn a_committed_study_is_compared_from_its_tables_alone() {
    let (_keep, folder) = study();
    let said = run(&["compare", text(&folder), "--baseline", "logistic", "--target", ".95"]);
    for part in [
        "differences to logistic, the baseline that was named",
        "cnn - logistic",
        "25/25",
        "training examples, cnn gets more right than logistic",
        "For an accuracy of 0.95, cnn needs about",
        "overtakes",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let place = folder.join("compared");
    let table = read(&place.join("comparison.csv"));
    assert!(table.starts_with(
        "a,b,n,scope,pairs,planned,items,difference,low,high,level,p,p_holm,p_better,p_equivalent,p_worse,rope,verdict,\
         reason,standard_error,df\n"
    ));
    // Every pair of models, eight sizes and the whole curve, two scopes.
    let models = fs::read_dir(folder.join("scores")).expect("scores").count();
    assert_eq!(table.lines().count(), 1 + models * (models - 1) / 2 * 9 * 2);
    let row =
        table.lines().find(|l| l.starts_with("cnn,logistic,10,population,25,25,")).expect("a row");
    assert!(row.contains(",better,"), "{row}");
    assert!(
        read(&place.join("crossings.csv"))
            .starts_with("a,b,overtakes,n,low,high,level,share,reliable\n")
    );
    assert!(read(&place.join("sample-efficiency.csv")).contains("\ncnn,logistic,0.95,"));
    for figure in ["difference-vs-n", "verdicts", "examples-needed"] {
        for ending in ["svg", "png", "pdf"] {
            assert!(
                place.join(format!("figures/{figure}.{ending}")).is_file(),
                "{figure}.{ending}"
            );
        }
    }

    let first = stable_files(&folder);
    run(&["compare", text(&folder), "--baseline", "logistic", "--target", ".95"]);
    assert_eq!(first, stable_files(&folder), "the same bytes again");
}

#[test]
fn a_study_is_compared_with_another_folder_of_the_same_splits() {
    let (_keep, folder) = study();
    let (_also, other) = study();
    let said = run(&["compare", text(&folder), "--other", text(&other), "--baseline", "cnn"]);
    assert!(said.contains("cnn@mnist-4v9 and cnn are equivalent"), "{said}");
    assert!(folder.join("compared-with-mnist-4v9/comparison.csv").is_file());
    assert!(!folder.join("comparison.csv").exists(), "models of two folders belong to neither");
    let refused = bench(&["compare", text(&folder), "--other", "mnist-3v5"]);
    assert_eq!(code(&refused), 2);
    let expected = "dataset.classes is 4, 9 here and 3, 5 there";
    assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
}

#[test]
fn ranks_below_ten_experiments_are_refused_with_the_reason() {
    let refused = bench(&["compare", "mnist-0v1", "mnist-3v5", "mnist-4v9"]);
    assert_eq!(code(&refused), 2);
    assert!(
        stderr(&refused).contains("at least 10 of them, and these are 3"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn ten_experiments_are_ranked() {
    let folder = TempDir::new().expect("a folder");
    let mut folders = Vec::new();
    for (number, classes) in
        ["0, 1", "0, 2", "0, 3", "1, 2", "1, 3", "2, 3", "4, 5", "4, 6", "5, 6", "7, 8"]
            .into_iter()
            .enumerate()
    {
        let experiment = SMALL_SAMPLE
            .replace("small-sample-cv\"", "holdout\"")
            .replace("folds = 5\ncv_repeats = 2\n", "")
            .replace("4, 9", classes);
        let (file, out) = (
            folder.path().join(format!("{number}.toml")),
            folder.path().join(format!("study-{number}")),
        );
        fs::write(&file, experiment).expect("written");
        run(&["sweep", text(&file), "--out", text(&out), "--quiet", "--sizes", "10"]);
        folders.push(out);
    }
    let out = folder.path().join("across");
    let mut arguments = vec!["compare", "--out", text(&out)];
    arguments.extend(folders.iter().map(|f| text(f)));
    let said = run(&arguments);
    assert!(said.contains("10 experiments; Friedman's test"), "{said}");
    assert!(said.contains("Nemenyi's critical difference at 95 %: 0.62 ranks"), "{said}");
    assert_eq!(read(&out.join("ranks.csv")).lines().count(), 1 + 10 * 2);
    assert!(out.join("figures/critical-difference.pdf").is_file());
}

#[test]
fn a_report_is_one_file_that_needs_nothing_else() {
    let (_keep, folder) = study();
    run(&["report", text(&folder)]);
    let page = read(&folder.join("report.html"));
    for part in [
        "<!DOCTYPE html>\n<html lang=\"en\">",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
        "<h1>MNIST, 4 against 9</h1>",
        "Most accurate on average over log n: cnn.",
        "aria-label=\"Accuracy of every model over the number of training examples.\"",
        "<caption>Errors per thousand</caption>",
        "Var = A Σ M_i² / N² + T (Σ N_g² / N² + ρ/(1−ρ)) + E / N",
        "rustc 1.",
        "cargo run -p bench -- sweep mnist-4v9",
        "@font-face",
    ] {
        assert!(page.contains(part), "{part:?} is not in the page");
    }
    assert_eq!(page.matches("<svg ").count(), 5, "every figure is in it");
    assert_eq!(page.matches("@font-face").count(), 2, "the two faces of the font once");
    for outside in ["<script", "<link", "src=", "@import", "url(http"] {
        assert!(!page.contains(outside), "{outside}");
    }
    // Inside the figures the only address is that of SVG's name space.
    assert!(page.split("http").skip(1).all(|rest| rest.starts_with("://www.w3.org/2000/svg")));
    assert_eq!(page.matches("<svg ").count(), page.matches("</svg>").count());
    let readme = read(&folder.join("README.md"));
    for part in
        ["**Asked:**", "## Verdict", "![", "**Errors per thousand**", "verdicts.svg", "## Again"]
    {
        assert!(readme.contains(part), "{part:?} is not in\n{readme}");
    }
    let first = stable_files(&folder);
    run(&["report", text(&folder)]);
    assert_eq!(first, stable_files(&folder), "the same bytes again");
}

#[test]
fn a_report_opens_in_a_browser_at_the_width_of_a_phone_and_of_a_desk() {
    let Some(browser) = browser() else {
        eprintln!(
            "SKIPPED: no chromium or chrome is installed, so the report was not opened in a browser"
        );
        return;
    };
    let (_keep, folder) = study();
    run(&["report", text(&folder)]);
    for (name, size) in [("phone", "390,844"), ("desk", "1280,900")] {
        let picture = folder.join(format!("{name}.png"));
        let output = Command::new(&browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .arg(format!("--window-size={size}"))
            .arg(format!("--screenshot={}", picture.display()))
            .arg(format!("file://{}", folder.join("report.html").display()))
            .output()
            .expect("the browser runs");
        let bytes = fs::read(&picture).unwrap_or_else(|error| {
            panic!("{name}: {error}: {}", String::from_utf8_lossy(&output.stderr))
        });
        // A page without text and figures compresses to next to nothing.
        assert!(
            bytes.starts_with(b"\x89PNG") && bytes.len() > 30_000,
            "{name}: {} bytes",
            bytes.len()
        );
    }
}

fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file())
}

const SMALL_SAMPLE: &str = r#"
name = "small-sample"
seed = 3

[dataset]
name = "mnist"
classes = [4, 9]

[protocol]
kind = "small-sample-cv"
sizes = [10, 40]
repeats = 4
folds = 5
cv_repeats = 2
test_size = 200

[[model]]
name = "leekasso"
kind = "linear-regression"
top_k = 10

[[model]]
name = "logistic"
kind = "logistic-regression"
"#;

#[test]
fn small_sample_cv_runs_from_the_experiment_file_to_the_figure() {
    let folder = TempDir::new().expect("a folder");
    let (file, out) = (folder.path().join("study.toml"), folder.path().join("out"));
    fs::write(&file, SMALL_SAMPLE).expect("written");
    let swept = bench(&["sweep", text(&file), "--out", text(&out)]);
    assert_eq!(code(&swept), 0, "{}", stderr(&swept));
    let said = stderr(&swept);
    assert!(said.contains("2 models × 2 sizes × 44 splits = 176 trials"), "{said}");
    let scores = read(&out.join("scores/logistic.csv"));
    let row = |start: &str| {
        let line = scores.lines().find(|line| line.starts_with(start)).expect("a row");
        line.split(',').skip(5).take(3).collect::<Vec<_>>().join(",")
    };
    assert_eq!(
        row("logistic,10,0,0,"),
        "ok,10,200",
        "fold 0: fitted on all n, scored on the test set"
    );
    assert_eq!(row("logistic,10,0,1,"), "ok,8,2", "fold 1: the first inside the n examples");
    assert_eq!(row("logistic,40,3,10,"), "ok,32,8");
    let table = read(&out.join("cross-validation.csv"));
    assert!(table.starts_with("model,n,samples,planned,cv_accuracy,accuracy,bias,"), "{table}");
    assert_eq!(table.lines().count(), 1 + 2 * 2);
    let pairs = read(&out.join("cross-validation-pairs.csv"));
    assert!(pairs.contains("\nall,all,10,4,"), "{pairs}");
    assert!(out.join("figures/cross-validation.svg").is_file());
    let summary = read(&out.join("summary.csv"));
    assert!(summary.lines().nth(1).is_some_and(|l| l.starts_with("leekasso,10,4,4,")), "{summary}");
    // The interval of a mean over four samples and 200 items: neither a point nor everything.
    for line in summary.lines().skip(1) {
        let cells: Vec<f64> =
            line.split(',').skip(4).take(3).map(|c| c.parse().expect("a number")).collect();
        assert!(cells[1] > cells[0] - 0.35 && cells[2] > cells[0] && cells[1] < cells[0], "{line}");
    }
    let before = stable_files(&out);
    let again = bench(&["sweep", text(&file), "--out", text(&out), "--jobs", "1"]);
    assert!(stderr(&again).contains("176 of them done before"), "{}", stderr(&again));
    assert_eq!(before, stable_files(&out));
    let readme = read(&out.join("README.md"));
    assert!(readme.contains("choosing the model by cross-validation"), "{readme}");

    let misplaced = SMALL_SAMPLE.replace("small-sample-cv\"", "repeated-cv\"");
    fs::write(&file, misplaced).expect("written");
    let refused = bench(&["plan", text(&file)]);
    assert_eq!(code(&refused), 2);
    let expected = "`cv_repeats` has no meaning with kind \"repeated-cv\"";
    assert!(stderr(&refused).contains(expected), "{}", stderr(&refused));
}
