//! Figure 6: how far cross-validation inside n examples can be trusted.

use plot::{TrustCurve, TrustCurves, TrustPoint, WrongShare};

use super::looks::Looks;
use super::title;
use crate::compare::trust::{Choice, ModelTrust, Trust};
use crate::store::Lock;
use crate::summary::Summary;

/// `None` without a model that has two complete samples.
pub(super) fn trust_curves(trust: &Trust, summary: &Summary, lock: &Lock) -> Option<TrustCurves> {
    let looks = Looks::of(summary, lock);
    let point = |cell: &ModelTrust| TrustPoint {
        n: cell.n,
        bias: cell.bias,
        interval: (cell.bias_interval.lo.max(-2.0), cell.bias_interval.hi.min(2.0)),
        spread: cell.spread,
        samples: cell.differences.clone(),
    };
    let curve = |(model, label): (usize, &String)| TrustCurve {
        label: label.clone(),
        look: looks.look(label),
        points: trust.cells.iter().filter(|cell| cell.model == model).map(point).collect(),
    };
    let protocol = &lock.protocol;
    (!trust.cells.is_empty()).then(|| TrustCurves {
        title: title(lock, "how far to trust cross-validation inside n examples"),
        caption: vec![format!(
            "Accuracy by {} × {}-fold cross-validation inside n examples, minus the accuracy of the model fitted on all \
             n on the official test set; {} samples of n examples. Wrong winner: the model with the best \
             cross-validated accuracy is beaten on the test set by another, fitted on the same examples. Intervals: 95 %, \
             over new samples; Student's t of the mean difference, Wilson's of the share.",
            protocol.cv_repeats.unwrap_or(1),
            protocol.folds,
            trust.planned
        )],
        curves: trust.models.iter().enumerate().map(curve).collect(),
        wrong: trust.choices.iter().map(wrong).collect(),
    })
}

fn wrong(choice: &Choice) -> WrongShare {
    let Choice { n, wrong: share, wrong_interval, .. } = *choice;
    WrongShare { n, share, low: wrong_interval.lo, high: wrong_interval.hi }
}
