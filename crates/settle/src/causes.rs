//! The table of causes: from Leek's net to Beam's, one change at a time.

use bench::error::Result;
use bench::summary::Summary;
use serde::{Deserialize, Serialize};

use crate::study::{Studies, beside, differences, errors};
use crate::table::rounded;

/// One change at one n: `causes.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// `chain`, `side step` or `whole`.
    pub part: String,
    /// What was changed.
    pub change: String,
    /// The model before.
    pub from: String,
    /// The model after.
    pub to: String,
    /// Training-set size.
    pub n: u32,
    /// Errors per thousand before.
    pub errors_from: f64,
    /// Errors per thousand after.
    pub errors_to: f64,
    /// The difference: below 0, the change helps.
    pub effect: f64,
    /// Lower end of the 95 % band, simultaneous over n.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Pairs of trials.
    pub pairs: usize,
}

/// The study that the chain is of.
pub const STUDY: &str = "settle-causes-0v1";
/// The same on draws with replacement.
pub const REPLACEMENT: &str = "settle-replacement-0v1";
/// What a model of [`REPLACEMENT`] is called beside those of [`STUDY`].
const REPLACED: &str = "@with-replacement";

/// A change: the part, what it is, the models before and after.
type Change = (&'static str, &'static str, &'static str, &'static str);

/// In the order of the table.
const CHANGES: [Change; 23] = [
    ("chain", "convergence: a constant rate, no decay", "leek-as-posted", "leek-constant-rate"),
    ("chain", "scaling: pixels in 0-1, not 0-255", "leek-constant-rate", "leek-unit-scale"),
    ("chain", "activation: ReLU for tanh", "leek-unit-scale", "leek-relu"),
    ("chain", "optimiser: Adam for SGD", "leek-relu", "leek-adam"),
    ("chain", "batches of 32, so fewer steps", "leek-adam", "leek-batch-32"),
    ("chain", "steps: 200 epochs for 20", "leek-batch-32", "leek-200-epochs"),
    ("chain", "shape: 2 x 128 units for 5 x 160", "leek-200-epochs", "mlp-no-dropout"),
    ("chain", "dropout in the MLP", "mlp-no-dropout", "mlp-beam"),
    ("chain", "convolution, without dropout", "mlp-no-dropout", "cnn-no-dropout"),
    ("chain", "dropout in the CNN", "cnn-no-dropout", "cnn-beam"),
    ("chain", "draws with replacement, CNN", "cnn-beam", "cnn-beam@with-replacement"),
    ("whole", "all: Leek's net as posted to Beam's CNN", "leek-as-posted", "cnn-beam"),
    ("side step", "ADADELTA, standardised (h2o's defaults)", "leek-as-posted", "leek-h2o"),
    ("side step", "ADADELTA for SGD, pixels in 0-1", "leek-unit-scale", "leek-h2o-unit-scale"),
    ("side step", "ADADELTA: standardised pixels for 0-1", "leek-h2o-unit-scale", "leek-h2o"),
    (
        "side step",
        "scaling alone, the rate still decays",
        "leek-as-posted",
        "leek-posted-unit-scale",
    ),
    ("side step", "initial weights: PyTorch's, Leek's net", "leek-relu", "leek-pytorch-init"),
    ("side step", "initial weights: PyTorch's, MLP", "mlp-beam", "mlp-beam-pytorch-init"),
    ("side step", "initial weights: PyTorch's, CNN", "cnn-beam", "cnn-beam-pytorch-init"),
    ("side step", "scaling: 0-255 for 0-1, MLP", "mlp-beam", "mlp-beam-raw"),
    ("side step", "draws with replacement, MLP", "mlp-beam", "mlp-beam@with-replacement"),
    ("side step", "draws with replacement, Leekasso", "leekasso", "leekasso@with-replacement"),
    (
        "side step",
        "draws with replacement, Leek's net",
        "leek-as-posted",
        "leek-as-posted@with-replacement",
    ),
];

/// Measures all changes.
///
/// # Errors
/// If results are missing or damaged.
pub fn measure(studies: &Studies) -> Result<Vec<Cause>> {
    let mut results = studies.read(STUDY)?;
    let other = studies.read(REPLACEMENT)?;
    for (.., to) in CHANGES {
        if let Some(model) = to.strip_suffix(REPLACED) {
            results = beside(&results, &other, model, to)?;
        }
    }
    let summary = Summary::new(&results)?;
    let mut causes = Vec::new();
    for (part, change, from, to) in CHANGES {
        for difference in differences(&results, to, from)? {
            let Some(n) = difference.n else { continue };
            causes.push(Cause {
                part: part.to_owned(),
                change: change.to_owned(),
                from: from.to_owned(),
                to: to.to_owned(),
                n,
                errors_from: rounded(errors(&summary, from, n)?, 2),
                errors_to: rounded(errors(&summary, to, n)?, 2),
                effect: rounded(difference.estimate, 2),
                low: rounded(difference.low, 2),
                high: rounded(difference.high, 2),
                pairs: difference.pairs,
            });
        }
    }
    Ok(causes)
}
