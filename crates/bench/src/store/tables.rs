//! The CSV files of a results folder: scores, timings and per-item correctness, by model.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, Write};
use std::iter::Peekable;
use std::path::Path;

use csv::{Reader, Writer};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};
use crate::files::{self, Unfinished};
use crate::plan::{ModelName, TrialKey};
use crate::record::{Correctness, Outcome, Record, Status, Timing};
use crate::seed::trial_seed;

/// Larger tables than this are refused when unpacked, so that a foreign file can't fill the memory.
const UNPACK_LIMIT: u64 = 4 << 30;

/// A row of `scores/<model>.csv`. New columns go behind the last.
#[derive(Debug, Serialize, Deserialize)]
struct ScoreRow {
    model: String,
    n: u32,
    repeat: u32,
    fold: u32,
    seed: u64,
    status: String,
    n_train: u32,
    n_test: u32,
    n_correct: Option<u32>,
    accuracy: Option<f64>,
    log_loss: Option<f64>,
    brier: Option<f64>,
    train_accuracy: Option<f64>,
    train_loss: Option<f64>,
    steps: Option<u64>,
    reason: String,
    #[serde(default)]
    tuned: String,
    #[serde(default)]
    inner_fits: Option<u64>,
}

/// A row of `timings/<model>.csv`, in seconds.
#[derive(Debug, Serialize, Deserialize)]
struct TimingRow {
    model: String,
    n: u32,
    repeat: u32,
    fold: u32,
    fit_seconds: f64,
    fit_cpu_seconds: f64,
    predict_seconds: f64,
    predict_cpu_seconds: f64,
    #[serde(default)]
    tune_seconds: Option<f64>,
    #[serde(default)]
    tune_cpu_seconds: Option<f64>,
}

/// A row of `predictions/<model>.csv.gz`.
#[derive(Debug, Serialize, Deserialize)]
struct PredictionRow {
    n: u32,
    repeat: u32,
    fold: u32,
    /// One bit per item of the split, in the order of `items.csv.gz`, first item in the lowest bit of the first byte.
    correct: String,
}

/// A row of `predictions/items.csv.gz`.
#[derive(Debug, Serialize, Deserialize)]
struct ItemsRow {
    repeat: u32,
    fold: u32,
    /// Positions in the dataset, training set first, with spaces between.
    items: String,
}

/// The held-out items of every `(repeat, fold)`.
pub type Items = BTreeMap<(u32, u32), Vec<u32>>;

/// Writes the three files of one model; `records` are in plan order.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn write_model(folder: &Path, model: &str, records: &[&Record]) -> Result<()> {
    let [scores, timings, predictions] = paths(folder, model);
    files::write_whole(&scores, &table(&scores, records.iter().map(|r| score_row(r)))?)?;
    let timed = records.iter().filter_map(|r| timing_row(r));
    files::write_whole(&timings, &table(&timings, timed)?)?;
    let bits = records.iter().filter_map(|r| prediction_row(r));
    files::write_whole(&predictions, &gzip(&predictions, &table(&predictions, bits)?)?)
}

/// Writes the three files of one model as its records come, the same bytes as [`write_model`].
#[derive(Debug)]
pub(super) struct ModelWriter {
    scores: Writer<Unfinished>,
    timings: Writer<Unfinished>,
    predictions: Writer<Packed>,
}

impl ModelWriter {
    /// Three empty files beside those of the model.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn create(folder: &Path, model: &str) -> Result<ModelWriter> {
        let [scores, timings, predictions] = paths(folder, model);
        Ok(ModelWriter {
            scores: Writer::from_writer(Unfinished::create(&scores)?),
            timings: Writer::from_writer(Unfinished::create(&timings)?),
            predictions: Writer::from_writer(Packed::new(Unfinished::create(&predictions)?)),
        })
    }

    /// Adds records of the model, which must come in plan order.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn push(&mut self, records: &[Record]) -> Result<()> {
        let ModelWriter { scores, timings, predictions } = self;
        let (scored, (timed, predicted)) = rayon::join(
            || add_rows(scores, records.iter().map(score_row)),
            || {
                rayon::join(
                    || add_rows(timings, records.iter().filter_map(timing_row)),
                    || add_rows(predictions, records.iter().filter_map(prediction_row)),
                )
            },
        );
        scored.and(timed).and(predicted).map_err(|error| Error::io(self.path(), error))
    }

    fn path(&self) -> &Path {
        self.scores.get_ref().path()
    }

    /// The files, whole and on the disk, yet to be put in their places.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn close(self) -> Result<[Unfinished; 3]> {
        let path = self.path().to_owned();
        let failed = |error: &dyn std::fmt::Display| Error::io(&path, error);
        let mut files = [
            self.scores.into_inner().map_err(|error| failed(&error))?,
            self.timings.into_inner().map_err(|error| failed(&error))?,
            finished(self.predictions, &path)?,
        ];
        files.iter_mut().try_for_each(Unfinished::close)?;
        Ok(files)
    }
}

/// Writes the held-out items split by split, the same bytes as [`write_items`].
#[derive(Debug)]
pub(super) struct ItemsWriter(Writer<Packed>);

impl ItemsWriter {
    /// An empty file beside that of the items.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn create(folder: &Path) -> Result<ItemsWriter> {
        let file = Unfinished::create(&items_path(folder))?;
        Ok(ItemsWriter(Writer::from_writer(Packed::new(file))))
    }

    /// Adds the next split.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn push(&mut self, split: (u32, u32), items: &[u32]) -> Result<()> {
        let written = self.0.serialize(items_row(split, items));
        written.map_err(|error| Error::io(self.0.get_ref().path(), error))
    }

    /// The file, whole and on the disk, yet to be put in its place.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn close(self) -> Result<Unfinished> {
        let path = self.0.get_ref().path().to_owned();
        let mut file = finished(self.0, &path)?;
        file.close()?;
        Ok(file)
    }
}

fn add_rows<R: Serialize>(
    writer: &mut Writer<impl Write>,
    mut rows: impl Iterator<Item = R>,
) -> csv::Result<()> {
    rows.try_for_each(|row| writer.serialize(row))
}

/// A file that is packed while it is written: the same bytes, in whatever pieces it comes.
#[derive(Debug)]
struct Packed(GzEncoder<Unfinished>);

impl Packed {
    fn new(file: Unfinished) -> Packed {
        Packed(gzip_header().write(file, Compression::best()))
    }

    fn path(&self) -> &Path {
        self.0.get_ref().path()
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    /// Nothing: a flush would end a block, and so leave other bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The file under a table that was written and packed to its end.
fn finished(table: Writer<Packed>, path: &Path) -> Result<Unfinished> {
    let packed = table.into_inner().map_err(|error| Error::io(path, error))?;
    packed.0.finish().map_err(|error| Error::io(path, error))
}

/// Writes the held-out items of the splits.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn write_items(folder: &Path, items: &Items) -> Result<()> {
    let path = items_path(folder);
    let rows = items.iter().map(|(&split, items)| items_row(split, items));
    files::write_whole(&path, &gzip(&path, &table(&path, rows)?)?)
}

/// Reads back what [`write_items`] wrote; empty if it isn't there.
///
/// # Errors
/// [`Error::Io`] naming the file.
pub(super) fn read_items(folder: &Path) -> Result<Items> {
    let path = items_path(folder);
    let mut items = Items::new();
    for row in read_gzip::<ItemsRow>(&path)? {
        let row = row?;
        let list: Option<Vec<u32>> = row.items.split_whitespace().map(|i| i.parse().ok()).collect();
        let list = list.ok_or_else(|| Error::io(&path, "items must be whole numbers"))?;
        items.insert((row.repeat, row.fold), list);
    }
    Ok(items)
}

/// Reads those records of one model from its files that are `wanted`, checking them against each other and against the
/// experiment's `seed`; empty if it has none.
///
/// # Errors
/// [`Error::Io`] naming the file and what is wrong in it.
pub(super) fn read_model(
    folder: &Path,
    model: &str,
    seed: u64,
    wanted: impl Fn(&TrialKey) -> bool,
) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    each_of_model(folder, model, seed, wanted, |record| {
        records.push(record);
        Ok(())
    })?;
    Ok(records)
}

/// As [`read_model`], handing the records to `keep` one by one, in the order of the files.
///
/// # Errors
/// As [`read_model`], and what `keep` returns.
pub(super) fn each_of_model(
    folder: &Path,
    model: &str,
    seed: u64,
    wanted: impl Fn(&TrialKey) -> bool,
    mut keep: impl FnMut(Record) -> Result<()>,
) -> Result<()> {
    let [scores, timings, predictions] = paths(folder, model);
    let model = ModelName::from(model);
    let key = |n, repeat, fold| TrialKey { model: model.clone(), n, repeat, fold };
    // All three are in plan order, and the other two have rows for some of the scores: they are walked together.
    let mut timed = read_plain::<TimingRow>(&timings)?
        .filter(|t| t.as_ref().map_or(true, |t| wanted(&key(t.n, t.repeat, t.fold))))
        .peekable();
    let mut bits = read_gzip::<PredictionRow>(&predictions)?
        .filter(|b| b.as_ref().map_or(true, |b| wanted(&key(b.n, b.repeat, b.fold))))
        .peekable();
    for row in read_scores(&scores)? {
        let row = row?;
        let key = key(row.n, row.repeat, row.fold);
        if !wanted(&key) {
            continue;
        }
        let place = (row.n, row.repeat, row.fold);
        let timing = next_if(&mut timed, |t| (t.n, t.repeat, t.fold) == place)?;
        let timing = timing.map(|t| timing_of(&t));
        if bits.peek().is_some_and(|b| b.as_ref().is_ok_and(|b| (b.n, b.repeat, b.fold) < place)) {
            break;
        }
        let correct = next_if(&mut bits, |b| (b.n, b.repeat, b.fold) == place)?;
        let correct = correct.map(|b| b.correct);
        let outcome = check_row(&row, &key, seed)
            .and_then(|()| outcome(&row, correct.as_deref()))
            .map_err(|why| damaged(&scores, format!("{key}: {why}")))?;
        keep(Record { timing, key, outcome })?;
    }
    // What is left may be damaged, too.
    timed.try_for_each(|row| row.map(drop))?;
    match bits.next().transpose()? {
        Some(PredictionRow { n, repeat, fold, .. }) => {
            let key = key(n, repeat, fold);
            Err(damaged(&scores, format!("{key} has predictions, but no score")))
        }
        None => Ok(()),
    }
}

/// The next row if it is the one; an error in its place comes out, too.
fn next_if<R>(
    rows: &mut Peekable<impl Iterator<Item = Result<R>>>,
    is: impl Fn(&R) -> bool,
) -> Result<Option<R>> {
    rows.next_if(|row| row.as_ref().map_or(true, &is)).transpose()
}

/// The rows of a scores file, whose columns must be the known ones.
fn read_scores(path: &Path) -> Result<Rows<ScoreRow>> {
    let Some(mut file) = open(path)? else { return Ok(Box::new(std::iter::empty())) };
    let mut header = Vec::new();
    let line = file.read_until(b'\n', &mut header).and_then(|_| file.rewind());
    line.map_err(|error| Error::io(path, error))?;
    let header = String::from_utf8_lossy(&header);
    let header = header.trim_end_matches(['\r', '\n']);
    if !header.starts_with(SCORE_COLUMNS) {
        return Err(damaged(path, format!("columns are {header:?}, expected {SCORE_COLUMNS:?}")));
    }
    Ok(rows(path, file))
}

/// The columns of `scores/<model>.csv`; later versions add theirs behind.
const SCORE_COLUMNS: &str = "model,n,repeat,fold,seed,status,n_train,n_test,n_correct,accuracy,\
                             log_loss,brier,train_accuracy,train_loss,steps,reason";

/// What a row says of itself must hold together.
fn check_row(row: &ScoreRow, key: &TrialKey, seed: u64) -> std::result::Result<(), String> {
    if key.model != row.model {
        return Err(format!("the row is of model {:?}", row.model));
    }
    if row.seed != trial_seed(seed, &key.model, key.n, key.repeat, key.fold) {
        return Err(format!("seed {} does not come from the experiment's seed {seed}", row.seed));
    }
    let accuracy = row.n_correct.map(|right| f64::from(right) / f64::from(row.n_test));
    if row.accuracy != accuracy {
        return Err("accuracy is not n_correct / n_test".into());
    }
    Ok(())
}

fn damaged(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::io(
        path,
        format!("{what}; bring the file back, or remove the results and run `bench sweep` again"),
    )
}

fn paths(folder: &Path, model: &str) -> [std::path::PathBuf; 3] {
    [
        folder.join("scores").join(format!("{model}.csv")),
        folder.join("timings").join(format!("{model}.csv")),
        folder.join("predictions").join(format!("{model}.csv.gz")),
    ]
}

fn items_path(folder: &Path) -> std::path::PathBuf {
    // The leading underscore keeps it apart from every model: their names begin with a letter or digit.
    folder.join("predictions").join("_items.csv.gz")
}

fn items_row((repeat, fold): (u32, u32), items: &[u32]) -> ItemsRow {
    let items = items.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    ItemsRow { repeat, fold, items }
}

fn score_row(record: &Record) -> ScoreRow {
    let Record { key, outcome, .. } = record;
    ScoreRow {
        model: key.model.to_string(),
        n: key.n,
        repeat: key.repeat,
        fold: key.fold,
        seed: outcome.seed,
        status: outcome.status.name().to_owned(),
        n_train: outcome.n_train,
        n_test: outcome.n_test,
        n_correct: outcome.correct.as_ref().map(|c| c.count() as u32),
        accuracy: outcome.accuracy(),
        log_loss: outcome.log_loss,
        brier: outcome.brier,
        train_accuracy: outcome.train_accuracy,
        train_loss: outcome.train_loss,
        steps: outcome.steps,
        reason: outcome.reason.clone(),
        tuned: outcome.tuned.clone(),
        inner_fits: outcome.inner_fits,
    }
}

fn timing_row(record: &Record) -> Option<TimingRow> {
    let (key, timing) = (&record.key, record.timing?);
    // Microseconds are finer than any clock that could repeat them.
    let round = |seconds: f64| (seconds * 1e6).round() / 1e6;
    Some(TimingRow {
        model: key.model.to_string(),
        n: key.n,
        repeat: key.repeat,
        fold: key.fold,
        fit_seconds: round(timing.fit),
        fit_cpu_seconds: round(timing.fit_cpu),
        predict_seconds: round(timing.predict),
        predict_cpu_seconds: round(timing.predict_cpu),
        tune_seconds: record.outcome.inner_fits.map(|_| round(timing.tune)),
        tune_cpu_seconds: record.outcome.inner_fits.map(|_| round(timing.tune_cpu)),
    })
}

/// The record's cost as the tables have it.
pub(crate) fn tabled_timing(record: &Record) -> Option<Timing> {
    timing_row(record).map(|row| timing_of(&row))
}

fn timing_of(row: &TimingRow) -> Timing {
    Timing {
        fit: row.fit_seconds,
        fit_cpu: row.fit_cpu_seconds,
        predict: row.predict_seconds,
        predict_cpu: row.predict_cpu_seconds,
        tune: row.tune_seconds.unwrap_or_default(),
        tune_cpu: row.tune_cpu_seconds.unwrap_or_default(),
    }
}

fn prediction_row(record: &Record) -> Option<PredictionRow> {
    let TrialKey { n, repeat, fold, .. } = record.key;
    let correct = record.outcome.correct.as_ref()?.to_hex();
    Some(PredictionRow { n, repeat, fold, correct })
}

fn outcome(row: &ScoreRow, correct: Option<&str>) -> std::result::Result<Outcome, String> {
    let status =
        Status::from_name(&row.status).ok_or_else(|| format!("unknown status {:?}", row.status))?;
    let correct = match (status, correct) {
        (Status::Ok, Some(hex)) => Some(
            Correctness::from_hex(hex, row.n_test as usize)
                .filter(|c| Some(c.count() as u32) == row.n_correct)
                .ok_or("its predictions contradict its score")?,
        ),
        (Status::Ok, None) => return Err("its predictions are missing".into()),
        _ => None,
    };
    Ok(Outcome {
        seed: row.seed,
        status,
        n_train: row.n_train,
        n_test: row.n_test,
        correct,
        log_loss: row.log_loss,
        brier: row.brier,
        train_accuracy: row.train_accuracy,
        train_loss: row.train_loss,
        steps: row.steps,
        reason: row.reason.clone(),
        tuned: row.tuned.clone(),
        inner_fits: row.inner_fits,
    })
}

/// Rows as CSV with a header.
pub(crate) fn table<R: Serialize>(path: &Path, rows: impl Iterator<Item = R>) -> Result<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|error| Error::io(path, error))?;
    }
    writer.into_inner().map_err(|error| Error::io(path, error))
}

/// The same bytes for the same input: no name, no time, no system in the header.
fn gzip_header() -> GzBuilder {
    GzBuilder::new().mtime(0).operating_system(255)
}

fn gzip(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = gzip_header().write(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(|error| Error::io(path, error))
}

/// The rows of a table, read as they are asked for.
type Rows<R> = Box<dyn Iterator<Item = Result<R>>>;

/// The file, if there is one.
fn open(path: &Path) -> Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
    }
}

fn read_plain<R: DeserializeOwned + 'static>(path: &Path) -> Result<Rows<R>> {
    Ok(open(path)?.map_or_else(|| Box::new(std::iter::empty()) as _, |file| rows(path, file)))
}

fn read_gzip<R: DeserializeOwned + 'static>(path: &Path) -> Result<Rows<R>> {
    let unpacked = |file| rows(path, GzDecoder::new(file).take(UNPACK_LIMIT));
    Ok(open(path)?.map_or_else(|| Box::new(std::iter::empty()) as _, unpacked))
}

fn rows<R: DeserializeOwned + 'static>(path: &Path, file: impl Read + 'static) -> Rows<R> {
    let path = path.to_owned();
    let rows = Reader::from_reader(file).into_deserialize();
    Box::new(rows.map(move |row| row.map_err(|error| damaged(&path, error))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A sound table of one model, as bytes: scores, timings, predictions.
    fn sound(folder: &Path) -> [Vec<u8>; 3] {
        let records: Vec<Record> = (0..3)
            .map(|fold| {
                let key = TrialKey { model: "net".into(), n: 10, repeat: 0, fold };
                let outcome = Outcome {
                    correct: Some(Correctness::pack(&[true, false, true])),
                    log_loss: Some(0.5),
                    ..Outcome::empty(trial_seed(7, "net", 10, 0, fold), 10, 3)
                };
                Record { key, outcome, timing: Some(Timing::default()) }
            })
            .collect();
        write_model(folder, "net", &records.iter().collect::<Vec<_>>()).expect("written");
        assert_eq!(read_model(folder, "net", 7, |_| true).expect("sound"), records);
        paths(folder, "net").map(|path| std::fs::read(path).expect("a table"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn tables_are_the_same_bytes_in_one_piece_and_in_many(
            seed in any::<u64>(),
            count in 1usize..4000,
            piece in 1usize..5000,
            items in 0usize..300,
        ) {
            let mut state = seed | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let records: Vec<Record> = (0..count as u32)
                .map(|repeat| {
                    // Some are the same over and over, some nothing like each other.
                    let bits: Vec<bool> =
                        (0..items).map(|_| repeat % 3 == 0 || next() % 2 == 0).collect();
                    let key = TrialKey { model: "net".into(), n: 10, repeat, fold: 0 };
                    let correct = (repeat % 7 != 0).then(|| Correctness::pack(&bits));
                    let outcome = Outcome { correct, ..Outcome::empty(next() >> 11, 10, items as u32) };
                    let timing = (repeat % 5 != 0).then(Timing::default);
                    Record { key, outcome, timing }
                })
                .collect();
            let (whole, pieces) = (tempfile::tempdir()?, tempfile::tempdir()?);
            write_model(whole.path(), "net", &records.iter().collect::<Vec<_>>()).expect("written");
            let mut writer = ModelWriter::create(pieces.path(), "net").expect("files");
            for some in records.chunks(piece) {
                writer.push(some).expect("written");
            }
            for file in writer.close().expect("whole") {
                file.place().expect("placed");
            }
            let list: Vec<u32> = (0..items as u32).map(|_| (next() % 70_000) as u32).collect();
            let splits: Items =
                (0..(count % 90) as u32).map(|repeat| ((repeat, 1), list.clone())).collect();
            write_items(whole.path(), &splits).expect("written");
            let mut writer = ItemsWriter::create(pieces.path()).expect("a file");
            splits.iter().for_each(|(split, list)| writer.push(*split, list).expect("written"));
            writer.close().expect("whole").place().expect("placed");
            let all = |folder: &Path| {
                let tables = paths(folder, "net").into_iter().chain([items_path(folder)]);
                tables.map(|path| std::fs::read(path).expect("a table")).collect::<Vec<_>>()
            };
            prop_assert!(all(whole.path()) == all(pieces.path()), "{count} by {piece}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn damage_never_panics_and_is_never_read_as_other_numbers(
            table in 0usize..3,
            at in any::<prop::sample::Index>(),
            with in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let before = sound(folder.path());
            let whole = read_model(folder.path(), "net", 7, |_| true).expect("sound");
            let mut damaged = before[table].clone();
            let at = at.index(damaged.len());
            damaged.splice(at..(at + with.len().max(1)).min(damaged.len()), with);
            std::fs::write(&paths(folder.path(), "net")[table], &damaged).expect("damaged");
            // What the scores' row itself bears out (a loss, steps) can't be found here: `bench verify` runs trials again.
            if let Ok(read) = read_model(folder.path(), "net", 7, |_| true) {
                for record in read {
                    let twin = whole.iter().find(|r| r.key == record.key);
                    prop_assert!(twin.is_some_and(|t| t.outcome.correct == record.outcome.correct
                        || record.outcome.correct.is_none()));
                }
            }
        }
    }
}
