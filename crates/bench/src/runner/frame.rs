//! The runner protocol's frames: lengths, a JSON header, raw little-endian arrays.
//!
//! ```text
//! u32 header length | u64 payload length | header as JSON | payload
//! ```

use std::io::{self, Read};
use std::process::ChildStdout;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use models::{FitError, Predictions};
use serde_json::Value as Json;

/// No header is longer.
const LONGEST_HEADER: u32 = 1 << 20;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) header: Json,
    pub(super) payload: Vec<u8>,
}

/// What a process says: a frame, or something else, in words.
#[derive(Debug)]
pub(super) enum Reply {
    Frame(Frame),
    Rubbish(String),
}

/// Hands over frames until the stream ends or is none, with payloads of `most` bytes at most: what the request at hand
/// can be answered by.
pub(super) fn read_all(mut output: ChildStdout, replies: SyncSender<Reply>, most: &Arc<AtomicU64>) {
    loop {
        let reply = match Frame::read(&mut output, || most.load(Ordering::Relaxed)) {
            Ok(Some(frame)) => Reply::Frame(frame),
            Ok(None) => return,
            Err(why) => Reply::Rubbish(why),
        };
        let rubbish = matches!(reply, Reply::Rubbish(_));
        if replies.send(reply).is_err() || rubbish {
            return;
        }
    }
}

impl Frame {
    pub(super) fn new(header: Json, payload: Vec<u8>) -> Self {
        Frame { header, payload }
    }

    /// As sent: what comes before the payload, and the payload.
    pub(super) fn parts(self) -> [Vec<u8>; 2] {
        let header = self.header.to_string();
        let mut head = Vec::with_capacity(12 + header.len());
        head.extend((header.len() as u32).to_le_bytes());
        head.extend((self.payload.len() as u64).to_le_bytes());
        head.extend(header.as_bytes());
        [head, self.payload]
    }

    /// The next frame, whose payload may have `most` bytes (asked once a frame has begun); `None` at the end of the
    /// stream.
    pub(super) fn read(
        stream: &mut impl Read,
        most: impl FnOnce() -> u64,
    ) -> Result<Option<Frame>, String> {
        let mut lengths = Vec::new();
        take(stream, 4, &mut lengths).map_err(|error| error.to_string())?;
        if lengths.is_empty() {
            return Ok(None);
        }
        let header_length =
            lengths.first_chunk().map_or(u32::MAX, |word| u32::from_le_bytes(*word));
        if header_length <= LONGEST_HEADER {
            take(stream, 8, &mut lengths).map_err(|error| error.to_string())?;
        }
        // Text has given itself away by its first four letters: no header is that long.
        let payload_length = lengths.last_chunk().filter(|_| lengths.len() == 12);
        let Some(payload_length) = payload_length.map(|word| u64::from_le_bytes(*word)) else {
            return Err(format!("output that begins with {:?}", String::from_utf8_lossy(&lengths)));
        };
        let most = most();
        if payload_length > most {
            return Err(format!(
                "a reply that announces {payload_length} bytes of payload, expected {most} at most"
            ));
        }
        let (mut header, mut payload) = (Vec::new(), Vec::new());
        // Memory grows with what really comes, whatever was announced.
        take(stream, u64::from(header_length), &mut header).map_err(|error| error.to_string())?;
        take(stream, payload_length, &mut payload).map_err(|error| error.to_string())?;
        if header.len() as u64 != u64::from(header_length) || payload.len() as u64 != payload_length
        {
            return Err("a reply that ends in its middle".into());
        }
        match serde_json::from_slice::<Json>(&header) {
            Ok(header) if header.is_object() => Ok(Some(Frame { header, payload })),
            _ => Err(format!(
                "a header that is no JSON object: {:?}",
                String::from_utf8_lossy(&header)
            )),
        }
    }

    /// Wall and CPU seconds, where the reply says; wall for both where it says one.
    pub(super) fn seconds(&self) -> Option<(f64, f64)> {
        let number = |key: &str| {
            self.header.get(key).and_then(Json::as_f64).filter(|s| (0.0..1e9).contains(s))
        };
        let wall = number("seconds")?;
        Some((wall, number("cpu_seconds").unwrap_or(wall)))
    }

    /// True if the header says that there are probabilities.
    pub(super) fn has_probabilities(&self) -> bool {
        self.header.get("probabilities").and_then(Json::as_bool).unwrap_or(false)
    }

    /// The most that predictions of `rows` rows in `classes` classes take, in bytes.
    pub(super) fn longest(rows: usize, classes: usize) -> u64 {
        4 * rows as u64 * (1 + classes as u64)
    }

    /// The payload as labels of `rows` rows, and probabilities of `classes` if the header says so.
    ///
    /// # Errors
    /// [`FitError::Diverged`] if a probability is not finite, [`FitError::Failed`] if it is anything else than
    /// predictions for these rows and classes.
    pub(super) fn predictions(&self, rows: usize, classes: usize) -> Result<Predictions, FitError> {
        let with = self.has_probabilities();
        let expected = 4 * rows * if with { 1 + classes } else { 1 };
        if self.payload.len() != expected {
            return Err(FitError::Failed(format!(
                "runner: {} bytes of predictions for {rows} rows{}, expected {expected}",
                self.payload.len(),
                if with {
                    format!(" and probabilities of {classes} classes")
                } else {
                    String::new()
                }
            )));
        }
        let mut words = self.payload.as_chunks::<4>().0.iter();
        let labels: Vec<u32> =
            words.by_ref().take(rows).map(|word| u32::from_le_bytes(*word)).collect();
        if let Some(label) = labels.iter().find(|&&label| label as usize >= classes) {
            return Err(FitError::Failed(format!("predicted label {label} of {classes} classes")));
        }
        let probabilities: Option<Vec<f32>> =
            with.then(|| words.map(|word| f32::from_le_bytes(*word)).collect());
        if probabilities.iter().flatten().any(|p| !p.is_finite()) {
            return Err(FitError::Diverged("a predicted probability is not finite".into()));
        }
        let off = |row: &[f32]| {
            row.iter().any(|p| !(0.0..=1.0).contains(p))
                || (row.iter().sum::<f32>() - 1.0).abs() > 1e-3
        };
        let rows_of = |all: &[f32]| all.chunks_exact(classes.max(1)).position(off);
        if let Some(row) = probabilities.as_deref().and_then(rows_of) {
            return Err(FitError::Failed(format!(
                "runner: row {row} has no probabilities of sum 1"
            )));
        }
        Ok(Predictions { labels, probabilities })
    }
}

/// Up to `length` bytes.
fn take(stream: &mut impl Read, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
    stream.take(length).read_to_end(into).map(drop)
}

/// Values as little-endian bytes.
pub(super) fn floats(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; 4 * values.len()];
    let words = bytes.as_chunks_mut::<4>().0;
    words.iter_mut().zip(values).for_each(|(word, value)| *word = value.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn predictions_are_checked_against_the_rows() {
        let payload: Vec<u8> = [1u32, 0].iter().flat_map(|l| l.to_le_bytes()).collect();
        let labels = Frame::new(json!({}), payload.clone());
        assert_eq!(labels.predictions(2, 2).expect("sound").labels, [1, 0]);
        let error = labels.predictions(3, 2).expect_err("too few").to_string();
        assert!(error.contains("8 bytes of predictions for 3 rows, expected 12"), "{error}");
        let with = Frame::new(
            json!({"probabilities": true}),
            [payload, floats(&[0.25, 0.75, 1.0, 0.0])].concat(),
        );
        let both = with.predictions(2, 2).expect("sound");
        assert_eq!(both.probabilities, Some(vec![0.25, 0.75, 1.0, 0.0]));
        assert!(with.predictions(2, 3).is_err());
    }

    #[test]
    fn what_is_no_prediction_is_told_from_what_is_no_number() {
        let frame = |label: u32, p: &[f32]| {
            let payload = [&label.to_le_bytes()[..], &floats(p)].concat();
            Frame::new(json!({"probabilities": true}), payload).predictions(1, 2)
        };
        assert!(frame(1, &[0.5, 0.5]).is_ok());
        assert!(matches!(frame(2, &[0.5, 0.5]), Err(FitError::Failed(_))));
        assert!(matches!(frame(1, &[0.5, 0.6]), Err(FitError::Failed(_))));
        assert!(matches!(frame(1, &[f32::NAN, 0.5]), Err(FitError::Diverged(_))));
        assert!(matches!(frame(1, &[0.5, f32::INFINITY]), Err(FitError::Diverged(_))));
    }

    #[test]
    fn text_is_no_frame() {
        let refused =
            |bytes: &[u8], most: u64| Frame::read(&mut &bytes[..], || most).expect_err("refused");
        let why = refused(b"Traceback (most recent call last):", 99);
        assert!(why.contains("begins with \"Trac\""), "{why}");
        let long = [&2u32.to_le_bytes()[..], &9u64.to_le_bytes()[..], b"{}123456789"].concat();
        assert!(Frame::read(&mut &long[..], || 9).is_ok());
        let why = refused(&long, 8);
        assert!(why.contains("9 bytes of payload, expected 8 at most"), "{why}");
        assert!(refused(&long[..20], 9).contains("ends in its middle"));
    }

    proptest! {
        #[test]
        fn frames_read_back(key in "[a-z]{1,8}", number in any::<u32>(), payload in prop::collection::vec(any::<u8>(), 0..50)) {
            let frame = Frame::new(json!({key: number}), payload);
            let bytes = frame.clone().parts().concat();
            prop_assert_eq!(Frame::read(&mut &bytes[..], || 50), Ok(Some(frame)));
        }

        #[test]
        fn never_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80), rows in 0usize..9) {
            if let Ok(Some(frame)) = Frame::read(&mut &bytes[..], || 60) {
                let _ = frame.predictions(rows, 3);
            }
        }
    }
}
