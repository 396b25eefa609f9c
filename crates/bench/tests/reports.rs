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
    let output = bench(&["compare", text(&folder), "--other", text(&other), "--baseline", "cnn"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("cnn@mnist-4v9 and cnn are equivalent"), "{said}");
    // Twice 26 models are too many to tell apart; the tables are there all the same.
    let left_out =
        "figure difference-vs-n is left out: 51 models in it, at most 36 can be told apart";
    assert!(stderr(&output).contains(left_out), "{}", stderr(&output));
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
fn options_that_would_do_nothing_are_refused() {
    let many = ["mnist-0v1", "mnist-3v5", "mnist-4v9"];
    for (option, value) in
        [("--baseline", "cnn"), ("--other", "mnist-0v1"), ("--rope", "0.01"), ("--target", "0.9")]
    {
        let refused = bench(&[&["compare"], &many[..], &[option, value]].concat());
        assert_eq!(code(&refused), 2, "{option}");
        let expected = format!("{option} has no use here: it is about the models of one");
        assert!(stderr(&refused).contains(&expected), "{}", stderr(&refused));
    }
    let refused = bench(&["compare", "mnist-4v9", "--out", "/tmp/nowhere"]);
    assert_eq!(code(&refused), 2);
    assert!(stderr(&refused).contains("--out has no use here"), "{}", stderr(&refused));
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
        "aria-label=\"Accuracy of every model over the number of training examples. At n = 10 the most accurate is cnn (",
        "Against it the 25 other models are worse in",
        "<caption>Errors per thousand</caption>",
        "Var = A Σ M_i² / N² + T (Σ N_g² / N² + ρ/(1−ρ)) + E / N",
        "rustc 1.",
        "cargo run -p bench -- sweep mnist-4v9 --sizes 10,20,40,80,160,320,640,1280 --repeats 5 --out",
        "Do the nets fit?",
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
    // The folder as it was typed, and the commit only where it made these results.
    assert!(page.contains(&format!("cargo run -p bench -- compare {}", folder.display())));
    let environment = read(&folder.join("environment.toml"));
    assert_eq!(page.contains("git checkout "), environment.contains("dirty = false"));
    let readme = read(&folder.join("README.md"));
    for part in [
        "**Asked:**",
        "## Verdict",
        "![Number of training examples that every model takes to reach an accuracy. To reach 0.95, cnn takes the \
             fewest examples: about",
        "**Errors per thousand**",
        "**Do the nets fit? Accuracy on the training examples, loss on them, gradient steps**",
        "| cnn | 100.0 %, ",
        "may leave out 0 where the other does not; the verdict is the band's",
        "verdicts.svg",
        "## Again\n\nIn this folder:",
        "cargo run -p bench -- compare .\n",
    ] {
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
    frame_pages(&folder);
    let open = |page: &str, arguments: &[String]| {
        let output = Command::new(&browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args(["--disable-background-networking", "--hide-scrollbars"])
            .args(["--virtual-time-budget=20000"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .args(arguments)
            .arg(format!("file://{}", folder.join(page).display()))
            .output()
            .expect("the browser runs");
        (stdout(&output), stderr(&output))
    };
    for (name, width, height) in [("phone", 390, 844), ("desk", 1280, 900)] {
        let picture = folder.join(format!("{name}.png"));
        let size = format!("--window-size={width},{height}");
        let shot = format!("--screenshot={}", picture.display());
        let (_, said) = open(&format!("{name}.html"), &[size.clone(), shot]);
        let bytes = fs::read(&picture).unwrap_or_else(|error| panic!("{name}: {error}: {said}"));
        // A page without text and figures compresses to next to nothing.
        assert!(
            bytes.starts_with(b"\x89PNG") && bytes.len() > 30_000,
            "{name}: {} bytes",
            bytes.len()
        );
        // Nothing sticks out: tables and figures scroll inside the page, which does not.
        let (dom, said) = open(&format!("{name}.html"), &[size, "--dump-dom".to_owned()]);
        let widths = dom.split("data-widths=\"").nth(1).and_then(|rest| rest.split('"').next());
        let widths = widths.unwrap_or_else(|| panic!("{name}: no widths in {dom}: {said}"));
        let numbers: Vec<u32> =
            widths.split(' ').map(|number| number.parse().expect("a width")).collect();
        let [scroll, inner] = numbers[..] else { panic!("{name}: {widths}") };
        assert_eq!(inner, width, "{name}: the frame is as wide as that");
        assert!(scroll <= inner, "{name}: the page is {scroll} px wide in a window of {inner}");
    }
    if let Some(keep) = std::env::var_os("REPORT_SCREENSHOTS") {
        for name in ["phone.png", "desk.png"] {
            fs::copy(folder.join(name), Path::new(&keep).join(name)).expect("copied");
        }
    }
}

/// Pages that show the report in a frame of the width of a phone and of a desk, and note how wide it came out. A browser's
/// own window may not go below 500 px, and the report has no scripts that could tell.
fn frame_pages(folder: &Path) {
    let report = read(&folder.join("report.html"));
    let tells = "<script>addEventListener('load', () => parent.postMessage(\
                 `${document.documentElement.scrollWidth} ${innerWidth}`, '*'))</script>";
    let told = report.replace("</body>", &format!("{tells}</body>"));
    fs::write(folder.join("told.html"), told).expect("written");
    for (name, width, height) in [("phone", 390, 844), ("desk", 1280, 900)] {
        let page = format!(
            "<!DOCTYPE html><body style=\"margin:0\"><script>addEventListener('message', event => \
             document.body.setAttribute('data-widths', event.data))</script>\
             <iframe src=\"told.html\" width=\"{width}\" height=\"{height}\" style=\"border:0\"></iframe>"
        );
        fs::write(folder.join(format!("{name}.html")), page).expect("written");
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
    assert!(pairs.starts_with(
        "a,b,n,samples,wrong,significant,significant_wrong,regret,wrong_low,wrong_high\n"
    ));
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
