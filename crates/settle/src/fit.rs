//! Under- or overfitted: accuracy on the training examples beside accuracy on the test set.

use bench::error::Result;
use bench::store::Results;
use bench::summary::Summary;
use serde::{Deserialize, Serialize};

use crate::causes::STUDY;
use crate::study::Studies;
use crate::table::rounded;

/// One net at one n: `fit.csv` and, by steps, `training.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitRow {
    /// The net.
    pub net: String,
    /// Training-set size.
    pub n: u32,
    /// Median gradient steps.
    pub steps: u64,
    /// Mean accuracy on the training examples.
    pub train_accuracy: f64,
    /// Mean accuracy on the test set.
    pub test_accuracy: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// `underfitted`, `overfitted` or `fitted`, see [`reading`].
    pub reading: String,
}

/// Below this accuracy on its own training examples a net is underfitted.
pub const LEARNT: f64 = 0.95;
/// A net that has learnt its training examples and falls behind them by more than this on the test set is overfitted.
pub const GAP: f64 = 0.05;

/// What the two accuracies say.
pub fn reading(train: f64, test: f64) -> &'static str {
    if train < LEARNT {
        "underfitted"
    } else if train - test > GAP {
        "overfitted"
    } else {
        "fitted"
    }
}

/// The nets of the table of causes.
///
/// # Errors
/// If results are missing or damaged.
pub fn measure(studies: &Studies) -> Result<Vec<FitRow>> {
    rows(&studies.read(STUDY)?, |name| Some((name.to_owned(), None)))
}

/// The nets of `settle-training-0v1`, whose names end in the number of steps.
///
/// # Errors
/// If results are missing or damaged.
pub fn training(studies: &Studies) -> Result<Vec<FitRow>> {
    let results = studies.read("settle-training-0v1")?;
    rows(&results, |name| {
        let (net, steps) = name.rsplit_once('.')?;
        Some((net.to_owned(), steps.parse().ok()))
    })
}

/// A row for each cell of a net; `named` says what it is called and, if its name does, how many steps it took.
fn rows(
    results: &Results,
    named: impl Fn(&str) -> Option<(String, Option<u64>)>,
) -> Result<Vec<FitRow>> {
    let summary = Summary::new(results)?;
    let row = |cell: &bench::summary::Cell| {
        let (net, steps) = named(&cell.model)?;
        let (test, train) = (cell.accuracy.as_ref()?, cell.train_accuracy?);
        Some(FitRow {
            net,
            n: cell.n,
            steps: steps.or(Some(cell.steps? as u64))?,
            train_accuracy: rounded(train, 4),
            test_accuracy: rounded(test.mean, 4),
            low: rounded(test.interval.lo, 4),
            high: rounded(test.interval.hi, 4),
            reading: reading(train, test.mean).to_owned(),
        })
    };
    Ok(summary.cells.iter().filter_map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_tells_over_from_underfitted() {
        assert_eq!(reading(0.6, 0.55), "underfitted");
        assert_eq!(reading(1.0, 0.9), "overfitted");
        assert_eq!(reading(1.0, 0.97), "fitted");
    }
}
