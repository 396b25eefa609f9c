//! The journal: one append-only file per writing process, one line per finished trial (FORMAT.md).
//!
//! A line is written by one call and ends with a newline, so that a kill leaves at most a last line without one,
//! which readers pass over: that trial runs again. Nobody ever writes to another process's file, so a torn line can't
//! swallow the one behind it. A complete line whose checksum is wrong is damage, and is never passed over.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::plan::TrialKey;
use crate::record::{Correctness, Outcome, Record, Status, Timing};
use crate::store::disk::{Disk, Log, sync_folder};

/// The first line of every journal file.
const HEADER: &str = "bench-journal 1\n";

/// At most this much finished work waits for the disk, and as long as it takes until somebody looks: together less than
/// the second that FORMAT.md promises.
const SYNC_EVERY: Duration = Duration::from_millis(700);
const _: () = assert!(SYNC_EVERY.as_millis() + crate::sweep::IDLE_EVERY.as_millis() < 1000);

/// So much of a file is read and decoded at a time.
const BLOCK: usize = 16 << 20;

/// No record is longer: a million items are a quarter of it.
pub(crate) const LONGEST_LINE: usize = 1 << 20;

/// Writes this process's file of a journal folder; the file is made with the first record.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    disk: Box<dyn Disk>,
    open: Option<Open>,
    synced: Instant,
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
    pub(super) fn new(folder: PathBuf, disk: Box<dyn Disk>) -> Self {
        Writer { folder, disk, open: None, synced: Instant::now(), broken: false }
    }

    /// The file, once there is one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.open.as_ref().map(|open| &*open.path)
    }

    /// Appends one record.
    ///
    /// # Errors
    /// [`Error::Io`]: the record may not be there, all before it are. Nothing can be written after an error.
    pub(super) fn append(&mut self, id: &str, record: &Record) -> Result<()> {
        let line = encode(id, record)?;
        self.guarded(|writer| {
            if writer.open.is_none() {
                writer.open = Some(create(&writer.folder, &*writer.disk)?);
            }
            writer.open.as_mut().map_or(Ok(()), |open| open.write(line.as_bytes()))
        })?;
        self.sync_if_due()
    }

    /// Makes sure that no record waits longer than [`SYNC_EVERY`] for the disk; to be called now and then.
    ///
    /// # Errors
    /// As [`Writer::sync`].
    pub(super) fn sync_if_due(&mut self) -> Result<()> {
        if self.synced.elapsed() >= SYNC_EVERY { self.sync() } else { Ok(()) }
    }

    /// Makes sure that all records are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`]; then the file is not to be trusted beyond the last successful call, and writing has ended.
    pub(super) fn sync(&mut self) -> Result<()> {
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

/// A new file in `folder`, under the first free number.
fn create(folder: &Path, disk: &dyn Disk) -> Result<Open> {
    fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    // The folder's own entry, without which its files can't be found after a power cut.
    for above in folder.ancestors().skip(1).take(2) {
        sync_folder(above).map_err(|error| Error::io(above, error))?;
    }
    let mut number = 0;
    loop {
        let path = folder.join(format!("{number:05}.log"));
        match disk.create_new(&path) {
            Ok(log) => {
                let mut open = Open { path, log, length: 0, safe: 0 };
                open.write(HEADER.as_bytes())?;
                return Ok(open);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Error::io(&path, error)),
        }
    }
}

/// The files of the journal at `folder` with their lengths, in the order of their names.
///
/// # Errors
/// [`Error::Io`] if the folder can't be read.
pub(super) fn files(folder: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let listed = || {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "log") {
                let length = fs::metadata(&path)?.len();
                found.push((path, length));
            }
        }
        found.sort();
        Ok(found)
    };
    listed().or_else(|error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Ok(Vec::new()),
        _ => Err(Error::io(folder, error)),
    })
}

/// Reads all files of the journal at `folder`, in the order of their names, and hands each record with its id and the
/// file it stands in to `keep`.
///
/// # Errors
/// [`Error::Io`] naming file and byte for damage, or a file of another format; what `keep` returns.
pub(super) fn read(
    folder: &Path,
    mut keep: impl FnMut(&Path, &str, Record) -> Result<()>,
) -> Result<()> {
    for (path, _) in files(folder)? {
        let mut file = File::open(&path).map_err(|error| Error::io(&path, error))?;
        read_file(&mut file, BLOCK, |id, record| keep(&path, id, record)).map_err(
            |why| match why {
                Trouble::System(error) => Error::io(&path, error),
                Trouble::Damage(at, why) => Error::io(&path, format!("byte {at}: {why}")),
                Trouble::Refused(error) => error,
            },
        )?;
    }
    Ok(())
}

/// Why a file could not be read to its end.
#[derive(Debug)]
enum Trouble {
    System(std::io::Error),
    /// Where, and what.
    Damage(u64, String),
    Refused(Error),
}

/// Reads block by block, decoding the lines of a block side by side.
fn read_file(
    file: &mut impl Read,
    block: usize,
    mut keep: impl FnMut(&str, Record) -> Result<()>,
) -> std::result::Result<(), Trouble> {
    let mut header = Vec::new();
    file.by_ref().take(HEADER.len() as u64).read_to_end(&mut header).map_err(Trouble::System)?;
    if !HEADER.as_bytes().starts_with(&header) {
        return Err(Trouble::Damage(
            0,
            format!("no journal of this version, expected {:?}", HEADER.trim_end()),
        ));
    }
    let mut at = HEADER.len() as u64;
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let read =
            file.by_ref().take(block as u64).read_to_end(&mut pending).map_err(Trouble::System)?;
        let Some(end) = pending.iter().rposition(|&byte| byte == b'\n') else {
            if read == 0 {
                return Ok(()); // the rest, if any, is a line that a kill cut short
            }
            if pending.len() > LONGEST_LINE + block {
                return Err(Trouble::Damage(at, "no end of line where a record must end".into()));
            }
            continue;
        };
        let lines: Vec<&[u8]> = pending[..end].split(|&byte| byte == b'\n').collect();
        let decoded: Vec<_> = lines.par_iter().map(|line| decode(line)).collect();
        for (line, decoded) in lines.iter().zip(decoded) {
            let (id, record) = decoded.map_err(|why| Trouble::Damage(at, why))?;
            keep(id, record).map_err(Trouble::Refused)?;
            at += line.len() as u64 + 1;
        }
        pending.drain(..=end);
    }
}

/// A record as one line: `<crc32 of the rest, 8 digits> <trial id> <record as JSON>\n`
///
/// # Errors
/// If the record can't be written as JSON.
pub(crate) fn encode(id: &str, record: &Record) -> Result<String> {
    let json = serde_json::to_string(&Wire::from(record))
        .map_err(|error| Error::input(format!("{}: {error}", record.key)))?;
    let body = format!("{id} {json}");
    Ok(format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes())))
}

/// What [`encode`] wrote, without the newline: id and record.
///
/// # Errors
/// In words, if it is anything else.
pub(crate) fn decode(line: &[u8]) -> std::result::Result<(&str, Record), String> {
    let damaged =
        || "damaged record (wrong checksum); remove the file to run its trials again".to_owned();
    let text = std::str::from_utf8(line).map_err(|_| damaged())?;
    let (crc, body) = text.split_once(' ').ok_or_else(damaged)?;
    if crc != format!("{:08x}", crc32fast::hash(body.as_bytes())) {
        return Err(damaged());
    }
    let (id, json) = body.split_once(' ').ok_or_else(damaged)?;
    let wire: Wire<'_> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Ok((id, Record::try_from(wire)?))
}

/// A record as it stands in the file. Fields are only ever added, with a default.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    n: u32,
    repeat: u32,
    fold: u32,
    seed: u64,
    #[serde(borrow)]
    status: Cow<'a, str>,
    n_train: u32,
    n_test: u32,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    correct: Option<Cow<'a, str>>,
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
    #[serde(default, skip_serializing_if = "str::is_empty")]
    reason: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    tuned: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inner_fits: Option<u64>,
    /// Fit, fit CPU, predict, predict CPU.
    seconds: [f64; 4],
    /// Choosing parameters and its CPU, for tuned models.
    #[serde(default, skip_serializing_if = "is_zero")]
    tune_seconds: [f64; 2],
}

fn is_zero(seconds: &[f64; 2]) -> bool {
    *seconds == [0.0; 2]
}

impl<'a> From<&'a Record> for Wire<'a> {
    fn from(record: &'a Record) -> Self {
        let Record { key, outcome, timing } = record;
        let timing = timing.unwrap_or_default();
        Wire {
            model: Cow::Borrowed(&key.model),
            n: key.n,
            repeat: key.repeat,
            fold: key.fold,
            seed: outcome.seed,
            status: outcome.status.name().into(),
            n_train: outcome.n_train,
            n_test: outcome.n_test,
            correct: outcome.correct.as_ref().map(|c| c.to_hex().into()),
            log_loss: outcome.log_loss,
            brier: outcome.brier,
            train_accuracy: outcome.train_accuracy,
            train_loss: outcome.train_loss,
            steps: outcome.steps,
            reason: Cow::Borrowed(&outcome.reason),
            tuned: Cow::Borrowed(&outcome.tuned),
            inner_fits: outcome.inner_fits,
            tune_seconds: [timing.tune, timing.tune_cpu],
            seconds: [timing.fit, timing.fit_cpu, timing.predict, timing.predict_cpu],
        }
    }
}

impl TryFrom<Wire<'_>> for Record {
    type Error = String;

    fn try_from(wire: Wire<'_>) -> std::result::Result<Self, String> {
        let correct = match &wire.correct {
            Some(hex) => Some(
                Correctness::from_hex(hex, wire.n_test as usize)
                    .ok_or_else(|| format!("`correct` is not for {} items", wire.n_test))?,
            ),
            None => None,
        };
        let [fit, fit_cpu, predict, predict_cpu] = wire.seconds;
        let [tune, tune_cpu] = wire.tune_seconds;
        Ok(Record {
            key: TrialKey {
                model: (&*wire.model).into(),
                n: wire.n,
                repeat: wire.repeat,
                fold: wire.fold,
            },
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
                reason: wire.reason.into_owned(),
                tuned: wire.tuned.into_owned(),
                inner_fits: wire.inner_fits,
            },
            timing: Some(Timing { fit, fit_cpu, predict, predict_cpu, tune, tune_cpu }),
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
                tuned: "c=0.1; gamma=scale".into(),
                inner_fits: Some(30),
            },
            timing: Some(Timing {
                fit: 0.1,
                fit_cpu: 0.2,
                predict: 0.3,
                predict_cpu: 0.4,
                tune: 0.05,
                tune_cpu: 0.06,
            }),
        }
    }

    #[test]
    fn a_line_of_the_first_version_reads_for_ever() {
        // Written by version 0.1.0; a reader of any later version fills in what it lacks.
        let json = r#"{"model":"net","n":10,"repeat":1,"fold":2,"seed":5,"status":"ok","n_train":10,"n_test":3,"correct":"05","seconds":[0.1,0.2,0.3,0.4]}"#;
        let body = format!("00112233445566778899aabbccddeeff {json}");
        let line = format!("{:08x} {body}", crc32fast::hash(body.as_bytes()));
        assert_eq!(line.split(' ').next(), Some("35552e58"));
        let (id, record) = decode(line.as_bytes()).expect("readable");
        assert_eq!(id, "00112233445566778899aabbccddeeff");
        assert_eq!(record.outcome.accuracy(), Some(2.0 / 3.0));
        assert_eq!((record.outcome.log_loss, record.outcome.steps), (None, None));
        let failed = body
            .replace(r#""status":"ok""#, r#""status":"failed""#)
            .replace(r#""correct":"05","#, "");
        let line = format!("{:08x} {failed}", crc32fast::hash(failed.as_bytes()));
        let (_, record) = decode(line.as_bytes()).expect("readable");
        assert_eq!((record.outcome.status, record.outcome.correct), (Status::Failed, None));
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
            prop_assert_eq!(decoded, Ok(("0123", record)));
        }

        #[test]
        fn a_line_of_a_model_without_tuning_says_nothing_of_it(correct in any::<bool>()) {
            let mut record = record(&[correct], 0.5, "");
            (record.outcome.tuned, record.outcome.inner_fits) = (String::new(), None);
            record.timing = record.timing.map(|t| Timing { tune: 0.0, tune_cpu: 0.0, ..t });
            let line = encode("0123", &record).expect("encoded");
            prop_assert!(!line.contains("tune") && !line.contains("inner"), "as before: {}", line);
            prop_assert_eq!(decode(line.trim_end().as_bytes()), Ok(("0123", record)));
        }

        #[test]
        fn never_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut dressed = HEADER.as_bytes().to_vec();
            dressed.extend(&bytes);
            for bytes in [bytes, dressed] {
                let _ = read_file(&mut &bytes[..], 7, |_, _| Ok(()));
            }
        }

        #[test]
        fn never_panics_on_any_record_whose_checksum_is_right(
            cut in any::<prop::sample::Index>(),
            length in 0usize..20,
            insert in "[-{}\\[\\]\":,.0-9a-zE\\\\]{0,12}",
            number in any::<i64>(),
        ) {
            let line = encode("0123", &record(&[true, false, true], 0.5, "why")).expect("encoded");
            let json = line.trim_end().splitn(3, ' ').nth(2).expect("three parts");
            let at = cut.index(json.len());
            let end = (at + length).min(json.len());
            for with in [insert, number.to_string()] {
                let body = format!("0123 {}{with}{}", &json[..at], &json[end..]);
                let line = format!("{:08x} {body}", crc32fast::hash(body.as_bytes()));
                if let Ok((_, read)) = decode(line.as_bytes()) {
                    // What is read can be written: it is a record.
                    prop_assert!(encode("0123", &read).is_ok());
                    let _ = (read.outcome.accuracy(), read.outcome.is_circumstance());
                }
            }
        }

        #[test]
        fn blocks_of_any_size_hold_the_same_records(block in 1usize..3000, count in 0usize..9) {
            let records: Vec<Record> =
                (0..count).map(|i| record(&vec![true; i], i as f64, "")).collect();
            let mut bytes = HEADER.to_owned();
            records.iter().for_each(|r| bytes += &encode("0123", r).expect("encoded"));
            bytes += "torn";
            let mut read = Vec::new();
            read_file(&mut bytes.as_bytes(), block, |_, record| {
                read.push(record);
                Ok(())
            })
            .expect("sound");
            prop_assert_eq!(read, records);
        }
    }
}
