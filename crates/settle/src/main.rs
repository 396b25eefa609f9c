//! `settle`: the founding study's tables, figures and sentences, from the results of its experiments.
//!
//! ```text
//! cargo run -p settle                # everything but the maps, which take a few minutes more
//! cargo run -p settle -- --maps      # with them
//! cargo run -p settle -- --text      # sentences and figures again, from the study's tables alone
//! cargo run -p settle -- --results DIR   # of results elsewhere; the repository's README stays as it is
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench::data::{Dataset, data_folder};
use bench::error::{Error, Result};
use bench::{app, experiment_file, workspace};
use settle::answer::{TASKS, study};
use settle::study::Studies;
use settle::tables::Tables;
use settle::{figures, maps, table, text};

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

const USAGE: &str = "\
The founding study's tables, figures and sentences, from the results of its experiments.

Usage: settle [--maps] [--text] [--results DIR]

  --maps          measure and draw what models look at, too (about a minute)
  --text          figures and sentences alone, from the study's tables
  --results DIR   of the results folders in DIR; the repository's README stays as it is
";

/// What was asked for.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    help: bool,
    maps: bool,
    text: bool,
    results: Option<PathBuf>,
}

fn asked(arguments: &[String]) -> Result<Asked> {
    let mut asked = Asked::default();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--maps" => asked.maps = true,
            "--text" => asked.text = true,
            "--results" => {
                let folder =
                    words.next().ok_or_else(|| Error::input("--results needs a folder"))?;
                asked.results = Some(folder.into());
            }
            "--help" | "-h" => asked.help = true,
            _ => {
                return Err(Error::input(format!(
                    "unknown option {word:?}; there are --maps, --text and --results DIR"
                )));
            }
        }
    }
    Ok(asked)
}

fn run(arguments: &[String]) -> Result<()> {
    let asked = asked(arguments)?;
    if asked.help {
        bench::output::print(USAGE);
        return Ok(());
    }
    let root = repository()?;
    let studies = Studies::new(asked.results.as_deref().unwrap_or(&root.join("results")));
    let out = studies.out();
    if !asked.text {
        Tables::measure(&studies)?.write(&out)?;
    }
    let tables = Tables::read(&out)?;
    figures::draw(&out, &tables)?;
    if asked.maps {
        for (task, _) in TASKS {
            draw_maps(&root, &out, task)?;
        }
    }
    text::write(&out, &tables)?;
    match asked.results {
        Some(_) => Ok(()),
        None => text::renew(&root.join("README.md"), &tables),
    }
}

/// The folder that holds `experiments` and `results`.
fn repository() -> Result<PathBuf> {
    let experiments = workspace::find_upwards("experiments");
    let root = experiments.as_deref().and_then(Path::parent).map(Path::to_owned);
    root.ok_or_else(|| Error::input("no folder `experiments` here or above"))
}

fn draw_maps(root: &Path, out: &Path, task: &str) -> Result<()> {
    let file = root.join("experiments").join(format!("{}.toml", study(task)));
    let experiment = experiment_file::read(&file, &app::registry())?;
    let dataset = Dataset::load(&experiment.dataset, &data_folder(None)?)?;
    let path = out.join(format!("maps-{task}.csv"));
    table::write(&path, &maps::measure(&experiment, &dataset)?)?;
    figures::draw_maps(out, task, &table::read::<maps::Pixel>(&path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<Asked> {
        asked(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_and_slips_named() {
        let all = of(&["--maps", "--results", "x"]).expect("sound");
        assert_eq!(all, Asked { help: false, maps: true, text: false, results: Some("x".into()) });
        assert!(of(&["--map"]).unwrap_err().to_string().contains("unknown option \"--map\""));
        assert!(of(&["--results"]).is_err());
    }
}
