//! Where the data folder is.

use std::path::{Path, PathBuf};

use crate::data::SOURCES;
use crate::error::{Error, Result};
use crate::experiment::DatasetSpec;

/// The environment variable that names the data folder.
pub const DATA_VARIABLE: &str = "BENCH_DATA";

/// The data folder: `given` (by `--data`), else the one that `BENCH_DATA` names, else `data` in the current folder or
/// the nearest folder above that has one.
///
/// # Errors
/// [`Error::Input`] if there is none, or the named one is no folder.
pub fn data_folder(given: Option<&Path>) -> Result<PathBuf> {
    let named = match given {
        Some(path) => Some((path.to_owned(), "--data")),
        None => std::env::var_os(DATA_VARIABLE).map(|path| (PathBuf::from(path), DATA_VARIABLE)),
    };
    match named {
        Some((path, _)) if path.is_dir() => Ok(path),
        Some((path, from)) => {
            Err(Error::input(format!("{from} names {}, which is no folder", path.display())))
        }
        None => find_data_upwards().ok_or_else(|| {
            Error::input(format!(
                "no folder `data` with a dataset here or above: run inside the repository, \
                 or name the data folder by --data DIR or {DATA_VARIABLE}"
            ))
        }),
    }
}

/// The data folder for `spec`: as [`data_folder`], but a table of one's own needs none, and is then looked for here.
///
/// # Errors
/// As [`data_folder`].
pub fn data_folder_for(spec: &DatasetSpec, given: Option<&Path>) -> Result<PathBuf> {
    let named = given.is_some() || std::env::var_os(DATA_VARIABLE).is_some();
    match data_folder(given) {
        Err(_) if spec.table.is_some() && !named => Ok(PathBuf::from(".")),
        found => found,
    }
}

/// The nearest `data`, here or above, that holds a dataset: other folders may be called so too.
fn find_data_upwards() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors()
        .map(|folder| folder.join("data"))
        .find(|data| SOURCES.iter().any(|source| source.folder(data).is_some()))
}
