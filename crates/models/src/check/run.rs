//! One fit and its predictions, with everything that every check asks of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;

use super::data::Sample;
use super::rules::Subject;
use crate::classifier::{Classifier, Features, FitContext, FitError, Predictions, TrainingSet};

impl Subject<'_> {
    /// Fits a new classifier on `train` and predicts `test`.
    pub(super) fn predict(&self, train: &Sample, test: &Sample) -> Result<Predictions, String> {
        self.predict_with((self.build)().as_ref(), train, &test.features())
    }

    /// Fits `classifier` on `train` and predicts `rows`.
    pub(super) fn predict_with(
        &self,
        classifier: &dyn Classifier,
        train: &Sample,
        rows: &Features<'_>,
    ) -> Result<Predictions, String> {
        match self.attempt(classifier, train, rows, false)? {
            Ok(predictions) => Ok(predictions),
            Err(e) => Err(format!("{} rows could not be fitted or predicted: {e}", train.rows())),
        }
    }

    /// Fits and predicts; the outer error is a breach of the contract, the inner one the model's own word.
    pub(super) fn attempt(
        &self,
        classifier: &dyn Classifier,
        train: &Sample,
        rows: &Features<'_>,
        stopped: bool,
    ) -> Result<Result<Predictions, FitError>, String> {
        let stop = AtomicBool::new(stopped);
        let context =
            FitContext { seed: self.options.seed, device: self.options.device, stop: &stop };
        let run = || {
            let set = TrainingSet::new(train.features(), &train.labels, train.classes)?;
            classifier.fit(&set, &context)?.model.predict(rows)
        };
        let outcome = catch_unwind(AssertUnwindSafe(run)).map_err(|cause| {
            let text = cause.downcast_ref::<String>().map(String::as_str);
            let text = text.or(cause.downcast_ref::<&str>().copied()).unwrap_or("of unknown cause");
            format!("panicked: {text}")
        })?;
        if let Ok(predictions) = &outcome {
            let strict = self.options.label_is_most_probable;
            sound(predictions, rows.rows(), train.classes, strict)?;
        }
        Ok(outcome)
    }
}

/// Whether predictions are one known label per row, with probabilities that deserve the name.
fn sound(
    predictions: &Predictions,
    rows: usize,
    classes: usize,
    label_is_most_probable: bool,
) -> Result<(), String> {
    let labels = &predictions.labels;
    if labels.len() != rows {
        return Err(format!("{} labels for {rows} rows", labels.len()));
    }
    if let Some(label) = labels.iter().find(|&&l| l as usize >= classes) {
        return Err(format!("label {label} among {classes} classes"));
    }
    let Some(probabilities) = &predictions.probabilities else { return Ok(()) };
    if probabilities.len() != rows * classes {
        return Err(format!("{} probabilities for {rows} × {classes}", probabilities.len()));
    }
    for (i, (row, &label)) in probabilities.chunks_exact(classes).zip(labels).enumerate() {
        if let Some(p) = row.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            return Err(format!("row {i} has probability {p}"));
        }
        let sum: f32 = row.iter().sum();
        if (sum - 1.0).abs() > 1e-4 {
            return Err(format!("the probabilities of row {i} sum to {sum}"));
        }
        let top = row.iter().fold(0.0f32, |m, &p| m.max(p));
        if label_is_most_probable && row[label as usize] < top {
            return Err(format!("row {i} is labelled {label}, against its probabilities {row:?}"));
        }
    }
    Ok(())
}

/// The share of rows predicted as labelled.
pub(super) fn accuracy(predictions: &Predictions, test: &Sample) -> f64 {
    let right = predictions.labels.iter().zip(&test.labels).filter(|(a, b)| a == b).count();
    right as f64 / test.rows() as f64
}
