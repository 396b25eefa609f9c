//! What the journal writes to: the file system, or a stand-in that misbehaves as tests need it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
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

    /// Drops all but the first `length` bytes.
    ///
    /// # Errors
    /// Whatever the system says.
    fn cut(&mut self, length: u64) -> io::Result<()>;
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

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Puts a folder's list of files on the disk, where the system knows such a thing; some network file systems don't.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // A folder above may be closed to us, and is then not ours to sync.
    let opened = match fs::File::open(folder) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
        opened => opened?,
    };
    opened.sync_all().or_else(|error| match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::Unsupported => Ok(()),
        _ => Err(error),
    })
}
