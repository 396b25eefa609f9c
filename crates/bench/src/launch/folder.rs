//! What a launch writes into the results folder before anything is handed in.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::FOLDER;
use crate::data::hex;
use crate::error::{Error, Result};
use crate::files;

/// How many hexadecimal digits tell one folder, or one program, from another.
const DIGITS: usize = 8;

/// `path` from the root, without links where it exists.
///
/// # Errors
/// [`Error::Io`] if the folder that we are in is gone.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    let full = std::path::absolute(path).map_err(|error| Error::io(path, error))?;
    let mut missing = Vec::new();
    let mut there = full.as_path();
    loop {
        match (there.canonicalize(), there.file_name(), there.parent()) {
            (Ok(real), ..) => {
                return Ok(missing.iter().rev().fold(real, |path, part| path.join(part)));
            }
            (Err(_), Some(name), Some(parent)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            (Err(_), ..) => return Ok(full),
        }
    }
}

/// What the jobs of the results in `folder`, an absolute path, are called: no other folder's are called so.
pub fn job_name(experiment: &str, folder: &Path) -> String {
    let hash = hex(&Sha256::digest(folder.to_string_lossy().as_bytes()));
    format!("bench-{experiment}-{}", &hash[..DIGITS])
}

/// Where the copy of this program is for the jobs of `folder`. Its name has a part of its hash: another build is another
/// file, and jobs that wait have the one that they were handed in with.
///
/// # Errors
/// If this program can't be found or read.
pub fn program_copy(folder: &Path) -> Result<PathBuf> {
    let own = this_program()?;
    let bytes = fs::read(&own).map_err(|error| Error::io(&own, error))?;
    let hash = hex(&Sha256::digest(&bytes));
    let name = format!("{PROGRAM}{}{}", &hash[..DIGITS], std::env::consts::EXE_SUFFIX);
    Ok(folder.join(FOLDER).join(name))
}

/// How the names of copies begin.
const PROGRAM: &str = "bench-";

fn this_program() -> Result<PathBuf> {
    std::env::current_exe()
        .map_err(|error| Error::input(format!("can't find this program to copy it: {error}")))
}

/// Writes the frozen settings, the scripts and the folder of logs; with `copy` this program to that place, and removes
/// other copies if `nobody_waits` for them.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn freeze(
    folder: &Path,
    written: &[(PathBuf, String)],
    copy: Option<&Path>,
    nobody_waits: bool,
) -> Result<()> {
    let launch = folder.join(FOLDER);
    let log = launch.join("log");
    fs::create_dir_all(&log).map_err(|error| Error::io(&log, error))?;
    for (path, text) in written {
        files::write_whole(path, text.as_bytes())?;
    }
    if nobody_waits {
        remove_copies(&launch, copy);
    }
    match copy {
        Some(copy) if !copy.exists() => place_program(copy),
        _ => Ok(()),
    }
}

/// Copies beside its place and renames: a copy is whole, and one that runs is not written to.
fn place_program(copy: &Path) -> Result<()> {
    let own = this_program()?;
    let beside = copy.with_added_extension(format!("{}.tmp", std::process::id()));
    let place = || fs::copy(&own, &beside).and_then(|_| fs::rename(&beside, copy));
    let again = |error: io::Error| match error.kind() {
        // A merge has taken the file for one that a kill left behind.
        ErrorKind::NotFound => place(),
        _ => Err(error),
    };
    place().or_else(again).map_err(|error| {
        let _ = fs::remove_file(&beside);
        Error::io(copy, error)
    })
}

/// Removes copies of earlier builds. One that can't be removed does no harm.
fn remove_copies(launch: &Path, keep: Option<&Path>) {
    let entries = match fs::read_dir(launch) {
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        entries => entries.into_iter().flatten().flatten(),
    };
    for entry in entries {
        let path = entry.path();
        let is_copy = entry.file_name().to_string_lossy().starts_with(PROGRAM);
        if is_copy && Some(&*path) != keep {
            let _ = fs::remove_file(path);
        }
    }
}
