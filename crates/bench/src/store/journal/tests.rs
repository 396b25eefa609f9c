//! Lines and files of a journal, whole and damaged.

use proptest::prelude::*;

use super::read::read_file;
use super::{HEADER, decode, encode};
use crate::plan::TrialKey;
use crate::record::{Correctness, Outcome, Record, Status, Timing};

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
    let failed =
        body.replace(r#""status":"ok""#, r#""status":"failed""#).replace(r#""correct":"05","#, "");
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
            let _ = read_file(&mut &bytes[..], 7, |_, _, _| Ok(()));
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
        read_file(&mut bytes.as_bytes(), block, |_, _, record| {
            read.push(record);
            Ok(())
        })
        .expect("sound");
        prop_assert_eq!(read, records);
    }
}
