//! One process at a time: while the lock of a folder is read, joined and written again, and while its tables are.
//!
//! Everything else is safe without: each process writes a journal of its own. The kernel takes the guard from a process
//! that ends, however it ends, so that none is left behind.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::process::INTERRUPTED;

/// The guarded file, in the journal's folder.
pub(super) const FILE: &str = "guard";

/// Between two attempts.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Whoever waits longer is told why.
const PATIENCE: Duration = Duration::from_secs(10);

/// Held until it is dropped.
#[derive(Debug)]
pub struct Guard(Option<File>);

impl Guard {
    /// That of nobody, where files can't be guarded.
    pub(super) fn none() -> Guard {
        Guard(None)
    }

    /// Waits until no other process holds the guard of the results in `folder`. Where files can't be guarded at all (some
    /// network file systems) it goes on without.
    ///
    /// # Errors
    /// If the user interrupts the wait.
    pub(super) fn take(folder: &Path) -> Result<Guard> {
        Guard::in_folder(&folder.join("journal"), folder)
    }

    /// As [`Guard::take`], of whoever hands in jobs for the results in `folder`; `within` is the folder of what a launch
    /// keeps. Two launches from one machine come one after the other then.
    ///
    /// # Errors
    /// As [`Guard::take`].
    pub fn of_launch(within: &Path, folder: &Path) -> Result<Guard> {
        Guard::in_folder(within, folder)
    }

    fn in_folder(within: &Path, folder: &Path) -> Result<Guard> {
        let opened = fs::create_dir_all(within).and_then(|()| {
            File::options().write(true).create(true).truncate(false).open(within.join(FILE))
        });
        let Ok(file) = opened else { return Ok(Guard(None)) };
        let started = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Guard(Some(file))),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(_)) => return Ok(Guard(None)),
            }
            if INTERRUPTED.load(Ordering::Relaxed) {
                return Err(Error::io(
                    folder,
                    "interrupted while another process opens or writes it",
                ));
            }
            if !told && started.elapsed() > PATIENCE {
                told = true;
                crate::say!(
                    "waiting for another process that opens or writes {}",
                    folder.display()
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing would do, but for descriptors that a child has inherited.
        let _ = self.0.as_ref().map(File::unlock);
    }
}
