//! One line of a journal file: a checksum, the trial's id, and the record as JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::plan::TrialKey;
use crate::record::{Correctness, Outcome, Record, Status, Timing};

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
