//! The answer: nets against simpler models on every task, and how many errors each model makes.

use bench::error::Result;
use bench::summary::Summary;
use serde::{Deserialize, Serialize};

use crate::study::{Studies, differences};
use crate::table::rounded;

/// One net against one simpler model: `answer.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The task: `0v1`, …, `10`.
    pub task: String,
    /// The net.
    pub net: String,
    /// The simpler model.
    pub rival: String,
    /// Training-set size; empty for the mean over log n.
    pub n: Option<u32>,
    /// Errors per thousand of the net less those of the rival.
    pub difference: f64,
    /// Lower end of the 95 % band, simultaneous over n (of the interval, for the mean over log n).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The verdict on the net.
    pub verdict: String,
}

/// How one model does on one task at one n: `errors.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorRow {
    /// The task.
    pub task: String,
    /// The model.
    pub model: String,
    /// Training-set size.
    pub n: u32,
    /// Errors per thousand.
    pub errors: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The tasks, the argument's own first.
pub const TASKS: [(&str, &str); 5] = [
    ("0v1", "0 against 1"),
    ("3v5", "3 against 5"),
    ("4v9", "4 against 9"),
    ("7v9", "7 against 9"),
    ("10", "ten digits"),
];

/// What is compared on each task.
const PAIRS: [(&str, &str); 9] = [
    ("cnn", "leekasso"),
    ("cnn", "logistic"),
    ("cnn", "svm-rbf"),
    ("cnn", "extra-trees"),
    ("cnn-tuned", "svm-rbf-tuned"),
    ("mlp", "leekasso"),
    ("mlp", "logistic"),
    ("mlp", "svm-rbf"),
    ("mlp-tuned", "svm-rbf-tuned"),
];

/// The study of a task.
pub fn study(task: &str) -> String {
    format!("settle-{task}")
}

/// Compares on all tasks, and counts errors.
///
/// # Errors
/// If results are missing or damaged.
pub fn measure(studies: &Studies) -> Result<(Vec<Answer>, Vec<ErrorRow>)> {
    let (mut answers, mut errors) = (Vec::new(), Vec::new());
    for (task, _) in TASKS {
        let results = studies.read(&study(task))?;
        for (net, rival) in PAIRS {
            let found = differences(&results, net, rival)?;
            answers.extend(found.into_iter().map(|difference| Answer {
                task: task.to_owned(),
                net: net.to_owned(),
                rival: rival.to_owned(),
                n: difference.n,
                difference: rounded(difference.estimate, 2),
                low: rounded(difference.low, 2),
                high: rounded(difference.high, 2),
                verdict: difference.verdict.to_owned(),
            }));
        }
        errors
            .extend(Summary::new(&results)?.cells.iter().filter_map(|cell| error_row(task, cell)));
    }
    Ok((answers, errors))
}

fn error_row(task: &str, cell: &bench::summary::Cell) -> Option<ErrorRow> {
    let accuracy = cell.accuracy.as_ref()?;
    let errors = |accuracy: f64| rounded(1000.0 * (1.0 - accuracy), 2);
    Some(ErrorRow {
        task: task.to_owned(),
        model: cell.model.clone(),
        n: cell.n,
        errors: errors(accuracy.mean),
        low: errors(accuracy.interval.hi),
        high: errors(accuracy.interval.lo),
    })
}
