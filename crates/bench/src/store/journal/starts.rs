//! Which trials an attempt at a shard has begun: one line each, written before the trial runs, so that a trial that
//! takes its whole process with it is known by the next attempt.
//!
//! ```text
//! bench-starts 1 <seconds since 1970>
//! <CRC-32 of the rest, 8 hexadecimal digits> <trial id>
//! <CRC-32 of the rest> end
//! ```
//!
//! `end` says that the process ended by itself. A line that is torn or damaged counts as not there: at worst a trial is
//! begun once more.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::AttemptName;
use crate::environment;
use crate::error::{Error, Result};

/// How the file begins.
const HEADER: &str = "bench-starts 1";

/// The last line's word.
const END: &str = "end";

/// How often the file shows that its process lives.
pub(in crate::store) const SIGN_EVERY: Duration = Duration::from_secs(30);

/// The file of this process's attempt, open for appending.
#[derive(Debug)]
pub(in crate::store) struct Starts {
    path: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    signed: Instant,
}

impl Starts {
    /// Makes the file in the journal at `folder`, under the name that `name` gives and that nobody else has.
    ///
    /// # Errors
    /// [`Error::Io`] if it can't be made.
    pub(in crate::store) fn create(
        folder: &Path,
        name: impl Fn() -> AttemptName,
    ) -> Result<(AttemptName, Starts)> {
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        loop {
            let name = name();
            let path = folder.join(format!("{name}.started"));
            match File::options().append(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    writeln!(file, "{HEADER} {}", environment::now())
                        .map_err(|error| Error::io(&path, error))?;
                    let open = Mutex::new(Open { file, signed: Instant::now() });
                    return Ok((name, Starts { path, open }));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(&path, error)),
            }
        }
    }

    /// Notes that a trial begins.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(in crate::store) fn begin(&self, id: &str) -> Result<()> {
        self.write(id)
    }

    /// Notes that this process ends by itself.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(in crate::store) fn end(&self) -> Result<()> {
        self.write(END)
    }

    /// Shows now and then, by the file's time, that this process lives. A file system that keeps no such times is no
    /// error.
    pub(in crate::store) fn sign(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.signed.elapsed() >= SIGN_EVERY {
            open.signed = Instant::now();
            let _ = open.file.set_modified(environment::clock());
        }
    }

    fn write(&self, word: &str) -> Result<()> {
        let line = format!("{:08x} {word}\n", crc32fast::hash(word.as_bytes()));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.signed = Instant::now();
        // One call a line: it has left this process whole, whatever becomes of it.
        open.file.write_all(line.as_bytes()).map_err(|error| Error::io(&self.path, error))
    }
}

/// What an attempt at a shard has left.
#[derive(Clone, Debug)]
pub(in crate::store) struct History {
    /// Whose it is.
    pub(in crate::store) name: AttemptName,
    /// When it began, in seconds since 1970.
    pub(in crate::store) started: Option<u64>,
    /// The ids of the trials that it began, if they were asked for.
    pub(in crate::store) begun: BTreeSet<String>,
    /// True if it ended by itself, having run through or been asked to stop.
    pub(in crate::store) ended: bool,
    /// True if a job script has seen it die.
    pub(in crate::store) died: bool,
    /// When it last gave a sign of life.
    pub(in crate::store) last_sign: Option<SystemTime>,
}

impl History {
    /// The attempts that have files in the journal at `folder` and that `wanted` says, in the order of their beginning.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder or a file can't be read.
    pub(in crate::store) fn read(
        folder: &Path,
        wanted: impl Fn(&AttemptName) -> bool,
    ) -> Result<Vec<History>> {
        History::read_with(folder, wanted, true)
    }

    /// As [`History::read`], without the trials, which may be all of a study's.
    ///
    /// # Errors
    /// As [`History::read`].
    pub(in crate::store) fn read_outlines(
        folder: &Path,
        wanted: impl Fn(&AttemptName) -> bool,
    ) -> Result<Vec<History>> {
        History::read_with(folder, wanted, false)
    }

    fn read_with(
        folder: &Path,
        wanted: impl Fn(&AttemptName) -> bool,
        trials: bool,
    ) -> Result<Vec<History>> {
        let listed = match fs::read_dir(folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io(folder, error)),
        };
        let mut found = Vec::new();
        for entry in listed {
            let path = entry.map_err(|error| Error::io(folder, error))?.path();
            if path.extension().is_none_or(|ending| ending != "started") {
                continue;
            }
            if let Some(name) = AttemptName::parse(&path).filter(&wanted) {
                found.push(History::of(&path, name, trials)?);
            }
        }
        found.sort_by(|a, b| (a.started, &a.name).cmp(&(b.started, &b.name)));
        Ok(found)
    }

    fn of(path: &Path, name: AttemptName, trials: bool) -> Result<History> {
        let text = fs::read(path).map_err(|error| Error::io(path, error))?;
        let text = String::from_utf8_lossy(&text);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = whole.lines();
        let started = lines.next().and_then(|line| line.strip_prefix(HEADER)?.trim().parse().ok());
        let sound = |line: &str| {
            let (crc, word) = line.split_once(' ')?;
            (crc == format!("{:08x}", crc32fast::hash(word.as_bytes()))).then(|| word.to_owned())
        };
        let words: Vec<String> = lines.filter_map(sound).collect();
        let time = |ending: &str| fs::metadata(path.with_extension(ending)).ok()?.modified().ok();
        Ok(History {
            name,
            started,
            ended: words.last().is_some_and(|word| word == END),
            begun: words.into_iter().filter(|word| trials && word != END).collect(),
            died: path.with_extension("died").exists(),
            last_sign: time("log").max(time("started")),
        })
    }

    /// True if a trial may have taken this attempt's process with it. One that is watched and has left no word was lost
    /// with its machine, or lives on out of sight.
    pub(in crate::store) fn may_have_crashed(&self) -> bool {
        !self.ended && (self.died || !self.name.is_watched())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::Shard;

    fn create(folder: &Path, attempt: &str) -> (AttemptName, Starts) {
        let shard = Shard { index: 1, parts: 2 };
        Starts::create(folder, || AttemptName::of_this_process(shard, attempt)).expect("a file")
    }

    #[test]
    fn an_attempt_tells_what_it_began_and_whether_it_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let (name, starts) = create(folder.path(), "a0");
        starts.begin("1111").expect("written");
        starts.begin("2222").expect("written");
        let read = || History::read(folder.path(), |_| true).expect("readable");
        let first = read().remove(0);
        assert_eq!((first.name, first.ended), (name.clone(), false));
        assert_eq!(first.begun.into_iter().collect::<Vec<_>>(), ["1111", "2222"]);
        assert!(first.started.is_some() && first.last_sign.is_some());
        // A torn line and a damaged one are not there.
        let path = folder.path().join(format!("{name}.started"));
        let mut text = fs::read_to_string(&path).expect("text");
        text += "00000000 3333\n12345678 44";
        fs::write(&path, &text).expect("written");
        assert_eq!(read()[0].begun.len(), 2);
        let (_, starts) = create(folder.path(), "a1");
        starts.begin("1111").expect("written");
        starts.end().expect("written");
        assert!(read()[1].ended && read()[1].begun.len() == 1);
        assert!(
            History::read(folder.path(), |name| name.attempt == "a2").expect("none").is_empty()
        );
    }

    #[test]
    fn an_attempt_that_was_lost_with_its_machine_is_no_crash() {
        let folder = tempfile::tempdir().expect("a folder");
        let (name, _) = create(folder.path(), "slurm-7_1-r0");
        create(folder.path(), "by-hand");
        let crashed = |attempt: &str| {
            let found =
                History::read(folder.path(), |name| name.attempt == attempt).expect("readable");
            found[0].may_have_crashed()
        };
        assert!(!crashed("slurm-7_1-r0") && crashed("by-hand"));
        File::create(folder.path().join(format!("{name}.died"))).expect("a file");
        assert!(crashed("slurm-7_1-r0"), "its script has seen it die");
    }
}
