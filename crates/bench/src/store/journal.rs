//! The journal: one append-only file per writing process, one line per finished trial (FORMAT.md).
//!
//! A line is written by one call and ends with a newline, so that a kill leaves at most a last line without one,
//! which readers pass over: that trial runs again. Nobody ever writes to another process's file, so a torn line can't
//! swallow the one behind it. A complete line whose checksum is wrong is damage, and is never passed over.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::plan::TrialKey;
use crate::record::{Correctness, Outcome, Record, Status, Timing};

/// The first line of every journal file.
const HEADER: &str = "bench-journal 1\n";

/// At most this much finished work waits for the disk.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Writes this process's file of a journal folder; the file is made with the first record.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    open: Option<(PathBuf, File)>,
    synced: Instant,
    dirty: bool,
}

impl Writer {
    /// A writer for the journal at `folder`.
    pub(super) fn new(folder: PathBuf) -> Self {
        Writer { folder, open: None, synced: Instant::now(), dirty: false }
    }

    /// Appends one record.
    ///
    /// # Errors
    /// [`Error::Io`]: the record may not be there, all before it are.
    pub(super) fn append(&mut self, id: &str, record: &Record) -> Result<()> {
        let line = encode(id, record)?;
        if self.open.is_none() {
            self.open = Some(create(&self.folder)?);
        }
        let Some((path, file)) = &mut self.open else { return Ok(()) };
        file.write_all(line.as_bytes()).map_err(|error| Error::io(path, error))?;
        self.dirty = true;
        if self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    /// Makes sure that all records are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`]; then the file is not to be trusted beyond the last successful call, and writing must end.
    pub(super) fn sync(&mut self) -> Result<()> {
        if let (Some((path, file)), true) = (&self.open, self.dirty) {
            file.sync_data().map_err(|error| Error::io(path, error))?;
            self.dirty = false;
        }
        self.synced = Instant::now();
        Ok(())
    }
}

/// A new file in `folder`, under the first free number.
fn create(folder: &Path) -> Result<(PathBuf, File)> {
    fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    let mut number = 0;
    loop {
        let path = folder.join(format!("{number:05}.log"));
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(HEADER.as_bytes()).map_err(|error| Error::io(&path, error))?;
                return Ok((path, file));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Error::io(&path, error)),
        }
    }
}

/// Reads all files of the journal at `folder`, in the order of their names: ids and records.
///
/// # Errors
/// [`Error::Io`] naming file and byte for damage, or a file of another format.
pub(super) fn read(folder: &Path) -> Result<Vec<(String, Record)>> {
    let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(folder, error)),
    };
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "log"));
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).map_err(|error| Error::io(&path, error))?;
        read_file(&bytes, &mut records)
            .map_err(|(at, why)| Error::io(&path, format!("byte {at}: {why}")))?;
    }
    Ok(records)
}

fn read_file(
    bytes: &[u8],
    records: &mut Vec<(String, Record)>,
) -> std::result::Result<(), (usize, String)> {
    if bytes.len() < HEADER.len() && HEADER.as_bytes().starts_with(bytes) {
        return Ok(()); // killed while writing the header
    }
    if !bytes.starts_with(HEADER.as_bytes()) {
        return Err((0, format!("no journal of this version, expected {:?}", HEADER.trim_end())));
    }
    let mut at = HEADER.len();
    for line in bytes[at..].split_inclusive(|&byte| byte == b'\n') {
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        records.push(decode(whole).map_err(|why| (at, why))?);
        at += line.len();
    }
    Ok(())
}

/// `<crc32 of the rest, 8 digits> <trial id> <record as JSON>\n`
fn encode(id: &str, record: &Record) -> Result<String> {
    let json = serde_json::to_string(&Wire::from(record))
        .map_err(|error| Error::input(format!("{}: {error}", record.key)))?;
    let body = format!("{id} {json}");
    Ok(format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes())))
}

fn decode(line: &[u8]) -> std::result::Result<(String, Record), String> {
    let damaged =
        || "damaged record (wrong checksum); remove the file to run its trials again".to_owned();
    let text = std::str::from_utf8(line).map_err(|_| damaged())?;
    let (crc, body) = text.split_once(' ').ok_or_else(damaged)?;
    if crc != format!("{:08x}", crc32fast::hash(body.as_bytes())) {
        return Err(damaged());
    }
    let (id, json) = body.split_once(' ').ok_or_else(damaged)?;
    let wire: Wire = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Ok((id.to_owned(), Record::try_from(wire)?))
}

/// A record as it stands in the file. Fields are only ever added, with a default.
#[derive(Serialize, Deserialize)]
struct Wire {
    model: String,
    n: u32,
    repeat: u32,
    fold: u32,
    seed: u64,
    status: String,
    n_train: u32,
    n_test: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correct: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_loss: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    brier: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    train_accuracy: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    train_loss: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    steps: Option<u64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    /// Fit, fit CPU, predict, predict CPU.
    seconds: [f64; 4],
}

impl From<&Record> for Wire {
    fn from(record: &Record) -> Self {
        let Record { key, outcome, timing } = record;
        let timing = timing.unwrap_or_default();
        Wire {
            model: key.model.clone(),
            n: key.n,
            repeat: key.repeat,
            fold: key.fold,
            seed: outcome.seed,
            status: outcome.status.name().to_owned(),
            n_train: outcome.n_train,
            n_test: outcome.n_test,
            correct: outcome.correct.as_ref().map(Correctness::to_hex),
            log_loss: outcome.log_loss,
            brier: outcome.brier,
            train_accuracy: outcome.train_accuracy,
            train_loss: outcome.train_loss,
            steps: outcome.steps,
            reason: outcome.reason.clone(),
            seconds: [timing.fit, timing.fit_cpu, timing.predict, timing.predict_cpu],
        }
    }
}

impl TryFrom<Wire> for Record {
    type Error = String;

    fn try_from(wire: Wire) -> std::result::Result<Self, String> {
        let correct = match &wire.correct {
            Some(hex) => Some(
                Correctness::from_hex(hex, wire.n_test as usize)
                    .ok_or_else(|| format!("`correct` is not for {} items", wire.n_test))?,
            ),
            None => None,
        };
        let [fit, fit_cpu, predict, predict_cpu] = wire.seconds;
        Ok(Record {
            key: TrialKey { model: wire.model, n: wire.n, repeat: wire.repeat, fold: wire.fold },
            outcome: Outcome {
                seed: wire.seed,
                status: Status::from_name(&wire.status)
                    .ok_or_else(|| format!("unknown status {:?}", wire.status))?,
                n_train: wire.n_train,
                n_test: wire.n_test,
                correct,
                log_loss: wire.log_loss,
                brier: wire.brier,
                train_accuracy: wire.train_accuracy,
                train_loss: wire.train_loss,
                steps: wire.steps,
                reason: wire.reason,
            },
            timing: Some(Timing { fit, fit_cpu, predict, predict_cpu }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(correct: &[bool], log_loss: f64, reason: &str) -> Record {
        Record {
            key: TrialKey { model: "net".into(), n: 10, repeat: 1, fold: 2 },
            outcome: Outcome {
                seed: (1 << 53) - 1,
                status: Status::Ok,
                n_train: 10,
                n_test: correct.len() as u32,
                correct: Some(Correctness::pack(correct)),
                log_loss: Some(log_loss),
                brier: None,
                train_accuracy: Some(0.1 + 0.2),
                train_loss: None,
                steps: Some(60),
                reason: reason.into(),
            },
            timing: Some(Timing { fit: 0.1, fit_cpu: 0.2, predict: 0.3, predict_cpu: 0.4 }),
        }
    }

    proptest! {
        #[test]
        fn a_line_reads_back_bit_for_bit(
            correct in prop::collection::vec(any::<bool>(), 0..40),
            log_loss in 0.0f64..40.0,
            reason in "[^\\n]{0,20}",
        ) {
            let record = record(&correct, log_loss, &reason);
            let line = encode("0123", &record).expect("encoded");
            prop_assert_eq!(line.matches('\n').count(), 1, "one line");
            let decoded = decode(line.trim_end_matches('\n').as_bytes());
            prop_assert_eq!(decoded, Ok(("0123".to_owned(), record)));
        }

        #[test]
        fn never_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut dressed = HEADER.as_bytes().to_vec();
            dressed.extend(&bytes);
            for bytes in [bytes, dressed] {
                let _ = read_file(&bytes, &mut Vec::new());
            }
        }
    }
}
