//! The journal: one append-only file per writing process, one line per finished trial (FORMAT.md).
//!
//! A line is written by one call and ends with a newline, so that a kill leaves at most a last line without one,
//! which readers pass over: that trial runs again. Nobody ever writes to another process's file, so a torn line can't
//! swallow the one behind it. A complete line whose checksum is wrong is damage, and is never passed over.

mod line;
mod name;
mod read;
mod starts;
#[cfg(test)]
mod tests;
mod write;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

pub(crate) use line::{decode, encode};
pub use name::{ATTEMPT_VARIABLE, AttemptName};
pub(super) use read::{read, read_some, read_up_to};
pub(super) use starts::{History, Starts};
pub(super) use write::{Writer, place};

/// The first line of every journal file.
pub(in crate::store) const HEADER: &str = "bench-journal 1\n";

/// No record is longer: a million items are a quarter of it.
pub(crate) const LONGEST_LINE: usize = 1 << 20;

/// The files of the journal at `folder` with their lengths, in the order of their names.
///
/// # Errors
/// [`Error::Io`] if the folder can't be read.
pub(in crate::store) fn files(folder: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let with_length = |path: PathBuf| {
        let length = fs::metadata(&path).map_err(|error| Error::io(&path, error))?.len();
        Ok((path, length))
    };
    paths(folder)?.into_iter().map(with_length).collect()
}

/// The files of the journal at `folder`, in the order of their names; none of them is asked for anything, of which a
/// folder may hold very many.
///
/// # Errors
/// [`Error::Io`] if the folder can't be read.
pub(in crate::store) fn paths(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = || {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            let is_log = path.extension().is_some_and(|ending| ending == "log");
            if is_log && !entry.file_type()?.is_dir() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    };
    listed().or_else(|error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Ok(Vec::new()),
        _ => Err(Error::io(folder, error)),
    })
}
