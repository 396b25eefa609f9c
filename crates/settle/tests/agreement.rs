//! Every number in prose is in a committed table, and every table comes from committed results: both are made again and
//! compared.

use std::fs;
use std::path::{Path, PathBuf};

use settle::study::Studies;
use settle::tables::Tables;
use settle::text;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn committed() -> Tables {
    Tables::read(&root().join("results/settle-2017")).expect("the study's tables")
}

#[test]
fn the_words_are_those_of_the_tables() {
    let tables = committed();
    let page = fs::read_to_string(root().join("results/settle-2017/README.md")).expect("a page");
    assert!(
        page == text::study(&tables).expect("all numbers"),
        "run `cargo run -p settle -- --text`"
    );
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    assert!(
        readme == text::renewed(&readme, &tables).expect("all numbers"),
        "run `cargo run -p settle -- --text`"
    );
}

#[test]
fn a_number_that_changes_changes_the_words() {
    let mut tables = committed();
    let before = text::quotes(&tables).expect("all numbers");
    tables.answers.iter_mut().for_each(|row| row.difference -= 1.0);
    assert_ne!(before, text::quotes(&tables).expect("all numbers"));
    tables.answers.clear();
    let error = text::quotes(&tables).expect_err("a number is missing").to_string();
    assert!(error.contains("answer.csv has no cnn against leekasso on 0v1"), "{error}");
}

/// The slower arrow: the tables of causes, of fit and of the published figures from results/ again.
#[test]
fn the_tables_are_those_of_the_results() {
    let studies = Studies::new(&root().join("results"));
    let tables = committed();
    assert_eq!(settle::causes::measure(&studies).expect("results"), tables.causes);
    assert_eq!(settle::fit::measure(&studies).expect("results"), tables.fits);
    assert_eq!(settle::fit::training(&studies).expect("results"), tables.training);
    assert_eq!(settle::published::measure(&studies).expect("results"), tables.published);
    assert_eq!(settle::equal_steps::measure(&studies).expect("results"), tables.budgets);
    let (answers, errors) = settle::answer::measure(&studies).expect("results");
    assert_eq!(answers, tables.answers);
    assert_eq!(errors, tables.errors);
}
