//! A fixed number of epochs against a fixed number of gradient steps.

use bench::error::Result;
use bench::summary::Summary;
use serde::{Deserialize, Serialize};

use crate::study::{Studies, differences, errors};
use crate::table::rounded;

/// One net at one n under two budgets: `equal-steps.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// The task: `0v1` or `10`.
    pub task: String,
    /// The net with a fixed number of epochs.
    pub by_epochs: String,
    /// The same with a fixed number of steps.
    pub by_steps: String,
    /// Training-set size.
    pub n: u32,
    /// Steps that the epochs came to.
    pub steps: u64,
    /// Accuracy on the training examples by epochs.
    pub train_accuracy: f64,
    /// Errors per thousand by epochs.
    pub errors_by_epochs: f64,
    /// Errors per thousand by steps.
    pub errors_by_steps: f64,
    /// Errors that the fixed number of epochs costs: the difference of the two.
    pub cost: f64,
    /// Lower end of the 95 % band, simultaneous over n.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What is compared: the net by epochs, and by steps.
const PAIRS: [(&str, &str); 3] = [
    ("cnn-20-epochs", "cnn-600-steps"),
    ("mlp-20-epochs", "mlp-600-steps"),
    ("cnn-30-epochs-64", "cnn-600-steps"),
];

/// Measures what a fixed number of epochs costs.
///
/// # Errors
/// If results are missing or damaged.
pub fn measure(studies: &Studies) -> Result<Vec<Budget>> {
    let mut rows = Vec::new();
    for task in ["0v1", "10"] {
        let results = studies.read(&format!("settle-steps-{task}"))?;
        let summary = Summary::new(&results)?;
        for (by_epochs, by_steps) in PAIRS {
            for difference in differences(&results, by_epochs, by_steps)? {
                let Some(n) = difference.n else { continue };
                let cell = summary.cell(by_epochs, n);
                rows.push(Budget {
                    task: task.to_owned(),
                    by_epochs: by_epochs.to_owned(),
                    by_steps: by_steps.to_owned(),
                    n,
                    steps: cell.and_then(|c| c.steps).unwrap_or_default() as u64,
                    train_accuracy: rounded(
                        cell.and_then(|c| c.train_accuracy).unwrap_or_default(),
                        4,
                    ),
                    errors_by_epochs: rounded(errors(&summary, by_epochs, n)?, 2),
                    errors_by_steps: rounded(errors(&summary, by_steps, n)?, 2),
                    cost: rounded(difference.estimate, 2),
                    low: rounded(difference.low, 2),
                    high: rounded(difference.high, 2),
                });
            }
        }
    }
    Ok(rows)
}
