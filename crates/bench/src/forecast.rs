//! What twice the data would bring: learning curves fitted to each model, and no further than they can be trusted.

use stats::fit::{CheckedFit, FARTHEST, Family, NoFit, checked};

use crate::summary::{Cell, Summary};

/// What is expected of one model at twice the largest size.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The model.
    pub model: String,
    /// The size that it is about.
    pub n: f64,
    /// The accuracies that the families foretell which passed the check, by family; empty if none did.
    pub foretold: Vec<(Family, f64)>,
    /// Why the first family that failed did.
    pub failed: Option<NoFit>,
}

/// The families, simplest first.
const FAMILIES: [Family; 4] = [Family::Pow3, Family::Exp3, Family::Mmf4, Family::Wbl4];

/// A forecast for every model that has scores. A family counts if the curve rises and the family, fitted to the other
/// sizes, foretells the largest.
pub fn forecasts(summary: &Summary) -> Vec<Forecast> {
    summary.models().into_iter().filter_map(|model| forecast(summary, model)).collect()
}

fn forecast(summary: &Summary, model: &str) -> Option<Forecast> {
    let cells: Vec<&Cell> = summary
        .cells
        .iter()
        .filter(|cell| cell.model == model && cell.accuracy.is_some())
        .collect();
    let n = FARTHEST * f64::from(cells.last()?.n);
    let sizes: Vec<f64> = cells.iter().map(|cell| f64::from(cell.n)).collect();
    let accuracies = || cells.iter().filter_map(|cell| cell.accuracy.as_ref());
    let scores: Vec<f64> = accuracies().map(|a| a.mean).collect();
    // Where nothing varied, one error among the items.
    let errors: Vec<f64> =
        accuracies().map(|a| a.variance.sqrt().max(1.0 / a.items.max(1) as f64)).collect();
    let (mut foretold, mut failed) = (Vec::new(), None);
    for family in FAMILIES {
        match checked(family, &sizes, &scores, &errors) {
            Ok(Ok(fit)) => foretold.extend(read(&fit, n).map(|accuracy| (family, accuracy))),
            Ok(Err(why)) => failed = failed.or(Some(why)),
            Err(_) => {} // sizes and scores of a summary are within the range of the fit
        }
    }
    Some(Forecast { model: model.to_owned(), n, foretold, failed })
}

fn read(fit: &CheckedFit, n: f64) -> Option<f64> {
    fit.predict(n).filter(|accuracy| accuracy.is_finite())
}

/// The name of a family in tables.
pub fn name(family: Family) -> &'static str {
    match family {
        Family::Pow3 => "pow3",
        Family::Exp3 => "exp3",
        Family::Mmf4 => "mmf4",
        Family::Wbl4 => "wbl4",
    }
}
