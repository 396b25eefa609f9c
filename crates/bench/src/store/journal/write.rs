//! Writing this process's file of a journal.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{HEADER, encode};
use crate::error::{Error, Result};
use crate::files::{self, Unfinished};
use crate::record::Record;
use crate::store::disk::{Disk, FileSystem, Log, sync_folder};

/// At most this much finished work waits for the disk, and as long as it takes until somebody looks: together less than
/// the second that FORMAT.md promises.
const SYNC_EVERY: Duration = Duration::from_millis(700);
const _: () = assert!(SYNC_EVERY.as_millis() + crate::sweep::IDLE_EVERY.as_millis() < 1000);

/// Writes this process's file of a journal folder; the file is made with the first record.
#[derive(Debug)]
pub(in crate::store) struct Writer {
    folder: PathBuf,
    /// What the file is called; the first free number if it has no name of its own.
    stem: Option<String>,
    disk: Box<dyn Disk>,
    open: Option<Open>,
    synced: Instant,
    /// What this process runs on, as text in TOML: kept beside the file, once there is one.
    machine: Option<String>,
    /// Set by the first failure: what follows it in the file can't be trusted, so nothing may.
    broken: bool,
}

/// This process's file.
#[derive(Debug)]
struct Open {
    path: PathBuf,
    log: Box<dyn Log>,
    /// Bytes that were written, and how many of them are on the disk for certain.
    length: u64,
    safe: u64,
}

impl Open {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.log.write_all(bytes).map_err(|error| Error::io(&self.path, error))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Puts what was written on the disk. If that fails, the rest is cut off: it may be in the system's memory alone, from
    /// where it reads back well until it is gone.
    fn sync(&mut self) -> Result<()> {
        let Err(error) = self.log.sync() else {
            self.safe = self.length;
            return Ok(());
        };
        let what = match self.log.cut(self.safe) {
            Ok(()) => {
                format!("{error}; what was not on the disk was cut off, its trials run again")
            }
            Err(_) if fs::rename(&self.path, self.path.with_extension("suspect")).is_ok() => {
                format!("{error}; the file was set aside as .suspect, its trials run again")
            }
            Err(_) => format!("{error}; remove the file, it can't be trusted"),
        };
        Err(Error::io(&self.path, what))
    }
}

impl Writer {
    /// A writer for the journal at `folder`.
    pub(in crate::store) fn new(folder: PathBuf, disk: Box<dyn Disk>) -> Self {
        Writer {
            folder,
            stem: None,
            disk,
            open: None,
            synced: Instant::now(),
            machine: None,
            broken: false,
        }
    }

    /// A writer whose file is called `stem`, which nobody else uses.
    pub(in crate::store) fn named(folder: PathBuf, stem: String, disk: Box<dyn Disk>) -> Self {
        Writer { stem: Some(stem), ..Writer::new(folder, disk) }
    }

    /// The file, once there is one.
    pub(in crate::store) fn path(&self) -> Option<&Path> {
        self.open.as_ref().map(|open| &*open.path)
    }

    /// Appends one record.
    ///
    /// # Errors
    /// [`Error::Io`]: the record may not be there, all before it are. Nothing can be written after an error.
    pub(in crate::store) fn append(&mut self, id: &str, record: &Record) -> Result<()> {
        let line = encode(id, record)?;
        let first = self.open.is_none();
        self.guarded(|writer| {
            if writer.open.is_none() {
                writer.open = Some(create(&writer.folder, writer.stem.as_deref(), &*writer.disk)?);
            }
            writer.open.as_mut().map_or(Ok(()), |open| open.write(line.as_bytes()))
        })?;
        self.sync_if_due()?;
        if first { self.write_machine() } else { Ok(()) }
    }

    /// Keeps what this process runs on, as text in TOML, beside the file, once there is one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(in crate::store) fn set_machine(&mut self, text: String) -> Result<()> {
        self.machine = Some(text);
        self.write_machine()
    }

    fn write_machine(&self) -> Result<()> {
        match (self.path(), &self.machine) {
            (Some(log), Some(text)) => {
                files::write_whole(&log.with_extension("toml"), text.as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// Makes sure that no record waits longer than [`SYNC_EVERY`] for the disk; to be called now and then.
    ///
    /// # Errors
    /// As [`Writer::sync`].
    pub(in crate::store) fn sync_if_due(&mut self) -> Result<()> {
        if self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    /// Makes sure that all records are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`]; then the file is not to be trusted beyond the last successful call, and writing has ended.
    pub(in crate::store) fn sync(&mut self) -> Result<()> {
        self.guarded(|writer| {
            if let Some(open) = writer.open.as_mut().filter(|open| open.safe < open.length) {
                open.sync()?;
            }
            writer.synced = Instant::now();
            Ok(())
        })
    }

    fn guarded(&mut self, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.broken {
            return Err(Error::io(&self.folder, "writing failed before: nothing can follow it"));
        }
        let written = write(self);
        self.broken = written.is_err();
        written
    }
}

/// A new file in `folder`, called `stem` or by the first free number.
fn create(folder: &Path, stem: Option<&str>, disk: &dyn Disk) -> Result<Open> {
    fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    // The folder's own entry, without which its files can't be found after a power cut.
    for above in folder.ancestors().skip(1).take(2) {
        sync_folder(above).map_err(|error| Error::io(above, error))?;
    }
    let mut number = 0;
    loop {
        let path = match stem {
            Some(stem) => folder.join(format!("{stem}.log")),
            None => folder.join(format!("{number:05}.log")),
        };
        match disk.create_new(&path) {
            Ok(log) => {
                let mut open = Open { path, log, length: 0, safe: 0 };
                open.write(HEADER.as_bytes())?;
                return Ok(open);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && stem.is_none() => number += 1,
            Err(error) => return Err(Error::io(&path, error)),
        }
    }
}

/// Puts a whole journal file that was written elsewhere into `folder`, under the first free number.
///
/// # Errors
/// [`Error::Io`].
pub(in crate::store) fn place(file: Unfinished, folder: &Path) -> Result<()> {
    // Nobody else can have the number then; what is renamed takes the place of an empty file of our own.
    let claimed = create(folder, None, &FileSystem)?.path;
    file.place_at(&claimed)
}
