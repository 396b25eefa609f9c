//! What one trial leaves behind: its outcome, which is the same on every run, and its timing, which is not.

use std::fmt;

use crate::plan::TrialKey;

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Fitted and scored.
    Ok,
    /// The loss stopped being finite.
    Diverged,
    /// Refused, in error, or panicked; the reason says which.
    Failed,
    /// Ended by the time limit.
    Timeout,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 4] = [Status::Ok, Status::Diverged, Status::Failed, Status::Timeout];

    /// The word in files.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Diverged => "diverged",
            Status::Failed => "failed",
            Status::Timeout => "timeout",
        }
    }

    /// The status that `name` means.
    pub fn from_name(name: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.name() == name)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One bit per scored item: was the prediction right?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correctness {
    /// Eight items a byte, the first in the lowest bit; unused bits are 0.
    bytes: Vec<u8>,
    len: usize,
}

impl Correctness {
    /// Packs `bits`.
    pub fn pack(bits: &[bool]) -> Self {
        let mut bytes = vec![0; bits.len().div_ceil(8)];
        for (i, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            bytes[i / 8] |= 1 << (i % 8);
        }
        Correctness { bytes, len: bits.len() }
    }

    /// The bits.
    pub fn unpack(&self) -> Vec<bool> {
        (0..self.len).map(|i| self.bytes[i / 8] >> (i % 8) & 1 == 1).collect()
    }

    /// Items in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if nothing was scored.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Items predicted right.
    pub fn count(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// As hexadecimal digits, byte after byte.
    pub fn to_hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
        self.bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// From what [`Correctness::to_hex`] gave, for `len` items; `None` if it can't be that.
    pub fn from_hex(hex: &str, len: usize) -> Option<Self> {
        if hex.len() != 2 * len.div_ceil(8) {
            return None;
        }
        let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        let bytes: Vec<u8> = hex
            .as_bytes()
            .chunks_exact(2)
            .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
            .collect::<Option<_>>()?;
        let spare = bytes.len() * 8 - len;
        let clean = bytes.last().is_none_or(|&last| last.leading_zeros() as usize >= spare);
        clean.then_some(Correctness { bytes, len })
    }
}

/// How the reason begins when the process that ran a trial did not live to tell.
pub const PROCESS_DIED: &str = "process died";

/// The result of one trial; the same bytes on every run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The seed that the model was given.
    pub seed: u64,
    /// How it ended.
    pub status: Status,
    /// Examples learnt from.
    pub n_train: u32,
    /// Items held out for scoring.
    pub n_test: u32,
    /// Which items were predicted right; `None` unless the status is ok.
    pub correct: Option<Correctness>,
    /// Mean log loss on the held-out items, for models with probabilities.
    pub log_loss: Option<f64>,
    /// Mean Brier score on the held-out items, for models with probabilities.
    pub brier: Option<f64>,
    /// Accuracy on the training examples.
    pub train_accuracy: Option<f64>,
    /// Mean log loss on the training examples, for models with probabilities.
    pub train_loss: Option<f64>,
    /// Gradient steps, for models that take any.
    pub steps: Option<u64>,
    /// Why the status is not ok; empty if it is.
    pub reason: String,
    /// The parameters that a tuned model chose, such as `c=0.1; gamma=scale`; empty for models that are not tuned.
    pub tuned: String,
    /// Fits that the choice took, for tuned models.
    pub inner_fits: Option<u64>,
}

impl Outcome {
    /// What every outcome of the trial begins with.
    pub fn empty(seed: u64, n_train: u32, n_test: u32) -> Outcome {
        Outcome {
            seed,
            status: Status::Ok,
            n_train,
            n_test,
            correct: None,
            log_loss: None,
            brier: None,
            train_accuracy: None,
            train_loss: None,
            steps: None,
            reason: String::new(),
            tuned: String::new(),
            inner_fits: None,
        }
    }

    /// A trial that gave no score, for a reason that fits one cell of a table.
    pub fn without_score(
        seed: u64,
        n_train: u32,
        n_test: u32,
        status: Status,
        reason: &str,
    ) -> Outcome {
        // One line without control characters: it is shown on terminals.
        let reason = reason.replace(char::is_control, " ");
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let reason = reason.chars().take(300).collect();
        Outcome { status, reason, ..Outcome::empty(seed, n_train, n_test) }
    }

    /// True if the machine decided it, not the model: a time limit, or a process that died. Another attempt may
    /// end otherwise, and then takes its place.
    pub fn is_circumstance(&self) -> bool {
        self.status == Status::Timeout
            || (self.status == Status::Failed && self.reason.starts_with(PROCESS_DIED))
    }

    /// The share of held-out items predicted right.
    pub fn accuracy(&self) -> Option<f64> {
        let correct = self.correct.as_ref()?;
        Some(correct.count() as f64 / correct.len() as f64)
    }
}

/// How long one trial took, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timing {
    /// Wall time of the fit, tuning included.
    pub fit: f64,
    /// CPU time of the fit's thread.
    pub fit_cpu: f64,
    /// Wall time of predicting the held-out items.
    pub predict: f64,
    /// CPU time of the same.
    pub predict_cpu: f64,
    /// Wall time of choosing parameters, a part of the fit's; 0 for models that are not tuned.
    pub tune: f64,
    /// CPU time of the same.
    pub tune_cpu: f64,
}

/// A trial that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Which trial.
    pub key: TrialKey,
    /// Its result.
    pub outcome: Outcome,
    /// Its cost; `None` if it was read from files that don't have it.
    pub timing: Option<Timing>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn correctness_survives_packing(bits in prop::collection::vec(any::<bool>(), 0..70)) {
            let packed = Correctness::pack(&bits);
            prop_assert_eq!(packed.count(), bits.iter().filter(|b| **b).count());
            prop_assert_eq!(&packed.unpack(), &bits);
            prop_assert_eq!(Correctness::from_hex(&packed.to_hex(), bits.len()), Some(packed));
        }
    }

    #[test]
    fn foreign_hex_is_refused() {
        assert_eq!(Correctness::from_hex("ff", 7), None, "a bit behind the last item");
        assert_eq!(Correctness::from_hex("f", 4), None, "half a byte");
        assert_eq!(Correctness::from_hex("é", 8), None, "no hexadecimal digits");
        assert_eq!(Correctness::from_hex("zz", 8), None);
    }
}
