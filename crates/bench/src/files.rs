//! Files that are whole or absent: written beside their place, flushed to the disk, then renamed into it.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::store::sync_folder;

/// Writes `bytes` to `path`, replacing what is there at once.
///
/// # Errors
/// [`Error::Io`]; what was at `path` before is still there then.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let (beside, mut file) = create_beside(path)?;
        let moved = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&beside, path));
        if moved.is_err() {
            let _ = fs::remove_file(&beside);
        }
        moved.and_then(|()| path.parent().map_or(Ok(()), sync_folder))
    };
    let again = |error: io::Error| match error.kind() {
        // Another process took the file for one that a kill left behind.
        ErrorKind::NotFound => write(),
        _ => Err(error),
    };
    write().or_else(again).map_err(|error| Error::io(path, error))
}

/// A new file beside `path` that nobody else has: two processes, of two machines perhaps, may write the same file at the
/// same time; the last rename wins.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut count = 0;
    loop {
        let ending = format!("{}-{count}.{UNFINISHED}", std::process::id());
        let beside = path.with_added_extension(ending);
        match File::create_new(&beside) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => count += 1,
            made => return made.map(|file| (beside, file)),
        }
    }
}

/// So much of a file that is written piece by piece waits in memory.
const BUFFER: usize = 64 << 10;

/// A file on its way: written piece by piece beside its place, then renamed into it. If it is dropped before, nothing of
/// it stays.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    beside: PathBuf,
    /// `None` once it is written and on the disk.
    open: Option<BufWriter<File>>,
}

impl Unfinished {
    /// An empty file beside `path`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path) -> Result<Unfinished> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let made = fs::create_dir_all(folder).and_then(|()| create_beside(path));
        let (beside, file) = made.map_err(|error| Error::io(path, error))?;
        let open = Some(BufWriter::with_capacity(BUFFER, file));
        Ok(Unfinished { path: path.to_owned(), beside, open })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends writing, and returns once all of it is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn close(&mut self) -> Result<()> {
        let Some(mut file) = self.open.take() else { return Ok(()) };
        let flushed = file.flush().and_then(|()| file.get_ref().sync_all());
        flushed.map_err(|error| Error::io(&self.path, error))
    }

    /// Puts it in its place, in that of what is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn place(mut self) -> Result<()> {
        self.close()?;
        let moved = fs::rename(&self.beside, &self.path);
        moved.map_err(|error| Error::io(&self.path, error))?;
        // The name is anybody's now.
        self.beside = PathBuf::new();
        let synced = self.path.parent().map_or(Ok(()), sync_folder);
        synced.map_err(|error| Error::io(&self.path, error))
    }

    /// As [`Unfinished::place`], at another place than was meant first, in the same folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn place_at(mut self, path: &Path) -> Result<()> {
        self.path = path.to_owned();
        self.place()
    }

    /// What was written, for files that were only ever meant to be read back; nothing of it stays.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn into_bytes(mut self) -> Result<Vec<u8>> {
        let flushed = self.open.take().map_or(Ok(()), |mut file| file.flush());
        flushed
            .and_then(|()| fs::read(&self.beside))
            .map_err(|error| Error::io(&self.beside, error))
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let closed = || io::Error::other("it was closed");
        self.open.as_mut().ok_or_else(closed)?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Nothing of the kind once it is in its place. One that can't be removed does no harm.
        let _ = fs::remove_file(&self.beside);
    }
}

/// How files end that are not whole yet.
const UNFINISHED: &str = "tmp";

/// Removes what killed processes left unfinished in `folder` and the folders in it.
pub fn remove_unfinished(folder: &Path) {
    let inside = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in inside(folder) {
        let folder = entry.path();
        let files = inside(&folder).map(|entry| entry.path()).chain([folder.clone()]);
        files.filter(|file| file.extension().is_some_and(|e| e == UNFINISHED)).for_each(|file| {
            // One that can't be removed does no harm.
            let _ = fs::remove_file(file);
        });
    }
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
    let probe = || {
        fs::create_dir_all(folder)?;
        let (path, _) = create_beside(&folder.join(".writable"))?;
        match fs::remove_file(path) {
            // Another process has tidied it away.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    };
    probe().map_err(|error| {
        Error::io(
            folder,
            format!("can't write results here: {error}; choose another folder by --out"),
        )
    })
}
