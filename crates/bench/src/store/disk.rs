//! What the journal writes to: the file system, or a stand-in that misbehaves as tests need it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Makes the files that are appended to.
pub trait Disk: fmt::Debug + Send {
    /// A new, empty file at `path`.
    ///
    /// # Errors
    /// `AlreadyExists` if there is one; whatever the system says.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn Log>>;
}

/// A file that is only ever appended to.
pub trait Log: Write + fmt::Debug + Send {
    /// Returns once everything written is on the disk.
    ///
    /// # Errors
    /// Whatever the system says; what was written since the last success may then be lost, and asking again proves
    /// nothing (the system may have dropped the pages).
    fn sync(&mut self) -> io::Result<()>;
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn Log>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        if let Some(folder) = path.parent() {
            sync_folder(folder)?;
        }
        Ok(Box::new(file))
    }
}

impl Log for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Puts a folder's list of files on the disk, where the system knows such a thing.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        fs::File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}
