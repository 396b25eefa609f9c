//! Figure 6: how far cross-validation inside n examples can be trusted.

use plot::{TrustCurve, TrustCurves, TrustPoint};

use super::{looks, title};
use crate::compare::trust::{ModelTrust, Trust};
use crate::store::Lock;
use crate::summary::Summary;

/// `None` without a model that has two complete samples.
pub(super) fn trust_curves(trust: &Trust, summary: &Summary, lock: &Lock) -> Option<TrustCurves> {
    let looks = looks(summary);
    let point = |cell: &ModelTrust| TrustPoint {
        n: cell.n,
        bias: cell.bias,
        spread: cell.spread,
        samples: cell.differences.clone(),
    };
    let curve = |(model, label): (usize, &String)| TrustCurve {
        label: label.clone(),
        look: looks.iter().position(|name| name == label).unwrap_or(looks.len()),
        points: trust.cells.iter().filter(|cell| cell.model == model).map(point).collect(),
    };
    let protocol = &lock.protocol;
    (!trust.cells.is_empty()).then(|| TrustCurves {
        title: title(lock, "how far to trust cross-validation inside n examples"),
        caption: vec![format!(
            "Accuracy by {} × {}-fold cross-validation inside n examples, minus the accuracy of the model fitted on all \
             n on the official test set; {} samples of n examples. Wrong winner: the model with the best \
             cross-validated accuracy is beaten on the test set by another, fitted on the same examples.",
            protocol.cv_repeats.unwrap_or(1),
            protocol.folds,
            trust.planned
        )],
        curves: trust.models.iter().enumerate().map(curve).collect(),
        wrong: trust.choices.iter().map(|choice| (choice.n, choice.wrong)).collect(),
    })
}
