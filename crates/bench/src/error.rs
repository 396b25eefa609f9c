//! What can go wrong, sorted by whom it concerns: the one who typed, or the machine.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// An error of the harness.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bad input: a file, key or option that the user can put right. Exit code 2.
    #[error("{0}")]
    Input(String),
    /// A file could not be read or written. Exit code 2: nothing was lost, and nothing can go on.
    #[error("{path}: {what}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said, and the remedy where one is known.
        what: String,
    },
}

impl Error {
    /// Bad input, in words that name the file, key or cell and the remedy.
    pub fn input(message: impl Into<String>) -> Self {
        Error::Input(message.into())
    }

    /// A failure at `path`.
    pub fn io(path: &Path, what: impl Display) -> Self {
        Error::Io { path: path.to_owned(), what: what.to_string() }
    }
}

/// The result of anything that can fail in the harness.
pub type Result<T> = std::result::Result<T, Error>;
