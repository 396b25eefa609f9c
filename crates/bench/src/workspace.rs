//! Finding the repository's folders from wherever the command is typed.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The experiment that runs when none is named.
pub const DEFAULT_EXPERIMENT: &str = "mnist-0v1";

/// `name` in the current folder or the nearest one above.
pub fn find_upwards(name: &str) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(name)).find(|path| path.exists())
}

/// The experiment file that `given` means: a path, or the name of a file in `experiments/`.
///
/// # Errors
/// [`Error::Input`] listing the experiments there are, with the nearest.
pub fn experiment_file(given: Option<&Path>) -> Result<PathBuf> {
    let named = given.unwrap_or(Path::new(DEFAULT_EXPERIMENT));
    if named.is_file() {
        return Ok(named.to_owned());
    }
    let Some(folder) = find_upwards("experiments").filter(|folder| folder.is_dir()) else {
        return Err(Error::input(format!(
            "no experiment file {}, and no folder `experiments` here or above",
            named.display()
        )));
    };
    let file = folder.join(named).with_added_extension("toml");
    if file.is_file() {
        return Ok(file);
    }
    let known = experiments_in(&folder);
    let name = named.to_string_lossy();
    let hint = match models::settings::nearest(&name, known.iter().map(String::as_str)) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => format!("there are: {}", known.join(", ")),
    };
    Err(Error::input(format!("no experiment {name:?} in {}, {hint}", folder.display())))
}

/// Where an experiment's results go: `given`, else `results/<name>` beside `experiments/`, else below the current
/// folder.
pub fn results_folder(given: Option<&Path>, experiment: &str) -> PathBuf {
    match given {
        Some(folder) => folder.to_owned(),
        None => find_upwards("experiments")
            .and_then(|folder| folder.parent().map(Path::to_owned))
            .unwrap_or_default()
            .join("results")
            .join(experiment),
    }
}

fn experiments_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}
