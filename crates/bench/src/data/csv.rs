//! A table of one's own: numeric columns and one that names the class.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};
use models::Shape;
use sha2::{Digest, Sha256};

use super::{Dataset, Values, hex};
use crate::error::{Error, Result};
use crate::experiment::TableSpec;

/// Larger files are no tiny samples, and would fill the memory.
const LARGEST: u64 = 2 << 30;

/// Loads the table, whose classes are numbered in the order of their names (as numbers if all of them are).
///
/// # Errors
/// [`Error::Input`] naming the file, and the line and column of what is wrong in it.
pub(super) fn load(spec: &TableSpec, data: &Path) -> Result<Dataset> {
    let path = find(spec, data)?;
    let bytes = read(&path)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = line_of(&bytes, error.valid_up_to());
        Error::input(format!("{}:{line}: not UTF-8 text; save the table as UTF-8", path.display()))
    })?;
    let table = parse(&path, text.trim_start_matches('\u{feff}'), &spec.target)?;
    let class_names = in_order(&table.labels);
    if class_names.len() < 2 {
        return Err(Error::input(format!(
            "{}: column {:?} holds a single class, {:?}; a classifier needs two or more",
            path.display(),
            spec.target,
            class_names.first().map_or("", |name| name)
        )));
    }
    let value = |name: &String| name.parse::<f64>().ok();
    if let Some(pair) = class_names
        .windows(2)
        .find(|pair| value(&pair[0]).is_some() && value(&pair[0]) == value(&pair[1]))
    {
        return Err(Error::input(format!(
            "{}: column {:?} writes one number in two ways, {:?} and {:?}: write it in one",
            path.display(),
            spec.target,
            pair[0],
            pair[1]
        )));
    }
    let number: BTreeMap<&str, u32> =
        class_names.iter().zip(0..).map(|(name, class)| (&**name, class)).collect();
    let labels: Vec<u32> = table.labels.iter().map(|label| number[&**label]).collect();
    Ok(Dataset {
        name: super::CSV.to_owned(),
        table: Some(spec.clone()),
        shape: Shape::table(table.columns),
        train_len: labels.len(),
        labels,
        class_names,
        sha256: hex(&Sha256::digest(&bytes)),
        values: Values::Floats(table.values),
    })
}

/// Where the table is: as named from the experiment file's folder, the data folder, or here.
pub(super) fn find(spec: &TableSpec, data: &Path) -> Result<PathBuf> {
    let places = [spec.beside.join(&spec.path), data.join(&spec.path), PathBuf::from(&spec.path)];
    if let Some(path) = places.iter().find(|path| path.is_file()) {
        return Ok(path.clone());
    }
    Err(Error::input(format!(
        "dataset.path: no file {:?} beside the experiment file, in the data folder {}, or here",
        spec.path,
        data.display()
    )))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let length = std::fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    if length > LARGEST {
        return Err(Error::input(format!("{}: larger than {} MiB", path.display(), LARGEST >> 20)));
    }
    std::fs::read(path).map_err(|error| Error::io(path, error))
}

struct Table {
    columns: usize,
    values: Vec<f32>,
    labels: Vec<String>,
}

fn parse(path: &Path, text: &str, target: &str) -> Result<Table> {
    let at = |line: u64, what: String| Error::input(format!("{}:{line}: {what}", path.display()));
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(text.as_bytes());
    let line = |position: Option<&csv::Position>| {
        // Empty lines are passed over, and the position is the end of the row before them.
        let end = position.map_or(0, |position| position.byte() as usize).min(text.len());
        let empty =
            text.as_bytes()[end..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        line_of(text.as_bytes(), end + empty)
    };
    let header = reader.headers().map_err(|error| at(1, error.to_string()))?.clone();
    if header.is_empty() || (header.len() == 1 && header[0].is_empty()) {
        return Err(at(1, "the table is empty: expected a header row and rows below it".into()));
    }
    if let (1, Some(sign)) = (header.len(), header[0].chars().find(|c| ";\t|".contains(*c))) {
        return Err(at(
            1,
            format!("columns seem to be separated by {sign:?}: separate them by commas"),
        ));
    }
    let class = find_target(&header, target).map_err(|what| at(1, what))?;
    if header.len() < 2 {
        return Err(at(1, format!("no column beside {target:?} to learn from")));
    }
    let mut table = Table { columns: header.len() - 1, values: Vec::new(), labels: Vec::new() };
    for row in reader.records() {
        let row = row.map_err(|error| {
            let line = line(error.position());
            match error.kind() {
                csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                    at(line, format!("{len} cells, but the header has {expected_len}"))
                }
                _ => at(line, error.to_string()),
            }
        })?;
        let line = || line(row.position());
        for (column, cell) in row.iter().enumerate().filter(|(column, _)| *column != class) {
            let value = number(cell).ok_or_else(|| {
                at(
                    line(),
                    format!(
                        "column {:?} holds {cell:?}, expected a finite number",
                        &header[column]
                    ),
                )
            })?;
            table.values.push(value);
        }
        if row[class].is_empty() {
            return Err(at(
                line(),
                format!("column {target:?} is empty, expected the row's class"),
            ));
        }
        table.labels.push(row[class].to_owned());
    }
    if table.labels.is_empty() {
        return Err(at(1, "no rows below the header".into()));
    }
    Ok(table)
}

/// The line, counted from 1, in which the byte at `at` lies; lines end as editors have it: LF, CR LF, or CR.
fn line_of(bytes: &[u8], at: usize) -> u64 {
    let ends =
        |i: usize| bytes[i] == b'\n' || (bytes[i] == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
    1 + (0..at).filter(|&i| ends(i)).count() as u64
}

fn find_target(header: &StringRecord, target: &str) -> std::result::Result<usize, String> {
    let found: Vec<usize> =
        header.iter().enumerate().filter(|(_, name)| *name == target).map(|(at, _)| at).collect();
    match found[..] {
        [only] => Ok(only),
        [] => {
            let hint = match models::settings::nearest(target, header.iter()) {
                Some(nearest) => format!("did you mean {nearest:?}?"),
                None => format!("columns: {}", header.iter().collect::<Vec<_>>().join(", ")),
            };
            Err(format!("no column {target:?} (dataset.target), {hint}"))
        }
        _ => Err(format!("{} columns are called {target:?} (dataset.target)", found.len())),
    }
}

fn number(cell: &str) -> Option<f32> {
    cell.parse().ok().filter(|value: &f32| value.is_finite())
}

fn in_order(labels: &[String]) -> Vec<String> {
    let mut names: Vec<String> = labels.to_vec();
    names.sort();
    names.dedup();
    let numbers: Option<Vec<f64>> = names.iter().map(|name| name.parse().ok()).collect();
    if let Some(numbers) = numbers.filter(|numbers| numbers.iter().all(|n| n.is_finite())) {
        let mut both: Vec<(f64, String)> = numbers.into_iter().zip(names).collect();
        both.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        return both.into_iter().map(|(_, name)| name).collect();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        match parse(Path::new("t.csv"), text, "target") {
            Ok(_) => panic!("{text:?} was read"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        for (text, expected) in [
            ("", "t.csv:1: the table is empty"),
            ("a,target\n", "t.csv:1: no rows below the header"),
            ("a,b,target\n1,2,x\n1,x\n", "t.csv:3: 2 cells, but the header has 3"),
            (
                "a,b,target\n1,two,x\n",
                "t.csv:2: column \"b\" holds \"two\", expected a finite number",
            ),
            ("a,target\n1,x\nNaN,y\n", "t.csv:3: column \"a\" holds \"NaN\""),
            ("a,target\ninf,x\n", "t.csv:2: column \"a\" holds \"inf\""),
            ("a,target\n1e99,x\n", "t.csv:2: column \"a\" holds \"1e99\""),
            ("a,target\n,x\n", "t.csv:2: column \"a\" holds \"\""),
            ("a,target\n1,\n", "t.csv:2: column \"target\" is empty"),
            (
                "a,targt\n1,x\n",
                "t.csv:1: no column \"target\" (dataset.target), did you mean \"targt\"?",
            ),
            ("target\nx\n", "t.csv:1: no column beside \"target\""),
            ("target,target\n1,x\n", "t.csv:1: 2 columns are called \"target\""),
        ] {
            assert!(refused(text).starts_with(expected), "{text:?}: {}", refused(text));
        }
    }

    #[test]
    fn lines_are_counted_as_an_editor_does_whatever_ends_them() {
        let rows = ["a,target", "1,x", "", "", "2,y", "\"3", "4\",z"];
        for end in ["\n", "\r\n", "\r"] {
            let refused = refused(&rows.join(end));
            assert!(refused.starts_with("t.csv:6: column \"a\" holds"), "{end:?}: {refused}");
            let short = rows[..5].join(end).replace("2,y", "2");
            let refused = self::refused(&short);
            assert!(refused.starts_with("t.csv:5: 1 cells"), "{end:?}: {refused}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.csv");
        std::fs::write(&path, b"a,target\r1,x\r\xff,y\r").expect("written");
        let spec = TableSpec {
            path: "t.csv".into(),
            target: "target".into(),
            beside: folder.path().to_owned(),
        };
        let error = load(&spec, folder.path()).expect_err("not UTF-8").to_string();
        assert!(error.contains("t.csv:3: not UTF-8"), "{error}");
    }

    #[test]
    fn classes_are_in_the_order_of_their_names_or_numbers() {
        let names =
            |labels: &[&str]| in_order(&labels.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["b", "a", "b"]), ["a", "b"]);
        assert_eq!(names(&["10", "9", "10"]), ["9", "10"]);
        assert_eq!(names(&["10", "9", "x"]), ["10", "9", "x"]);
    }

    proptest! {
        #[test]
        fn never_panics_on_any_text(text in "[a-z0-9,.\"\\n\\r -]{0,80}") {
            let _ = parse(Path::new("t.csv"), &text, "a");
        }
    }
}
