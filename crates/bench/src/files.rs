//! Files that are whole or absent: written beside their place, flushed to the disk, then renamed into it.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `bytes` to `path`, replacing what is there at once.
///
/// # Errors
/// [`Error::Io`]; what was at `path` before is still there then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_added_extension("tmp");
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        Error::io(path, error)
    })
}

/// The text at `path`; `None` if nothing is there.
///
/// # Errors
/// [`Error::Io`] if something is there and can't be read as text.
pub fn read_if_there(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
    }
}

/// Makes sure that `folder` exists and can be written to, before any work is done for it.
///
/// # Errors
/// [`Error::Io`] naming the folder.
pub fn check_writable(folder: &Path) -> Result<()> {
    let probe = folder.join(format!(".writable-{}.tmp", std::process::id()));
    fs::create_dir_all(folder)
        .and_then(|()| File::create(&probe))
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|error| {
            Error::io(
                folder,
                format!("can't write results here: {error}; choose another folder by --out"),
            )
        })
}
