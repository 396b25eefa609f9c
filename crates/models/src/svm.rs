//! The soft-margin support vector machine (Cortes and Vapnik, "Support-vector networks", 1995).
//!
//! More than two classes are decided one-vs-one by voting, the lowest label of equals, as in libsvm and
//! scikit-learn's `SVC`. It gives no probabilities: Platt's scaling, fitted on the training rows, would move the
//! decisions themselves at the sizes this harness is about. Each pair's problem is oriented by its first row, so that
//! nothing depends on how classes are numbered. `solver = "linfa"` fits the same machines by linfa-svm, kept as an
//! independent check.

use ndarray::{Array1, Array2, Axis};

use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
    argmax,
};
use crate::kernel::{Examples, Kernel, scale_gamma};
use crate::linear::{Centred, LinearModel};
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, SettingError, Settings, Value};
use crate::smo::{self, Multipliers};

/// `kind = "svm"`.
pub(crate) const KIND: Kind = Kind {
    name: "svm",
    summary: "support vector machine; one-vs-one voting for more than two classes",
    caveat: None,
    params: &[
        Param {
            name: "kernel",
            domain: Domain::OneOf(&["linear", "rbf", "polynomial", "histogram-intersection"]),
            default: Default::Text("rbf"),
            doc: "a·b, exp(-γ‖a - b‖²), (γ a·b + offset)^degree, or Σ min(a, b)",
        },
        Param {
            name: "c",
            domain: Domain::POSITIVE,
            default: Default::Float(1.0),
            doc: "the weight of margin violations against the margin's width",
        },
        Param {
            name: "gamma",
            domain: Domain::OneOfOrAbove { words: &["scale"], above: 0.0 },
            default: Default::Text("scale"),
            doc: "γ of the rbf and polynomial kernels; scale: 1 / (features × variance of all training values)",
        },
        Param {
            name: "degree",
            domain: Domain::Int { min: 1, max: 20 },
            default: Default::Int(3),
            doc: "of the polynomial kernel",
        },
        Param {
            name: "offset",
            domain: Domain::NON_NEGATIVE,
            default: Default::Float(0.0),
            doc: "of the polynomial kernel",
        },
        Param {
            name: "solver",
            domain: Domain::OneOf(&["smo", "linfa"]),
            default: Default::Text("smo"),
            doc: "what optimises: our SMO on a matrix-product kernel, or linfa-svm (linear and rbf)",
        },
    ],
    build,
};

fn build(settings: &Settings) -> Result<Box<dyn Classifier>, SettingError> {
    let kernel = settings.text("kernel").unwrap_or("rbf");
    let by_linfa = settings.text("solver") == Some("linfa");
    if by_linfa && !matches!(kernel, "linear" | "rbf") {
        return Err(SettingError::Conflict(format!(
            "`solver` is \"linfa\" with kernel {kernel:?}: linfa is wired for \"linear\" and \"rbf\" only, use \"smo\""
        )));
    }
    Ok(Box::new(Svm { settings: settings.clone(), by_linfa }))
}

#[derive(Debug)]
struct Svm {
    settings: Settings,
    by_linfa: bool,
}

impl Svm {
    fn kernel(&self, features: &Features<'_>) -> Kernel {
        let gamma = match self.settings.get("gamma") {
            Some(Value::Float(gamma)) => *gamma,
            _ => scale_gamma(features),
        };
        match self.settings.text("kernel") {
            Some("linear") => Kernel::Linear,
            Some("polynomial") => Kernel::Polynomial {
                gamma,
                offset: self.settings.float("offset").unwrap_or(0.0),
                degree: self.settings.int("degree").unwrap_or(3) as i32,
            },
            Some("histogram-intersection") => Kernel::Intersection,
            _ => Kernel::Rbf { gamma },
        }
    }
}

impl Classifier for Svm {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let features = train.features();
        let kernel = self.kernel(&features);
        let c = self.settings.float("c").unwrap_or(1.0);
        let examples = Examples::new(kernel, &features);
        let gram = (!self.by_linfa).then(|| examples.gram());
        let centred = Centred::new(&features, None);
        let pairs = pairs(train);
        let mut coefficients = Array2::<f64>::zeros((train.rows(), pairs.len()));
        let mut biases = Array1::<f64>::zeros(pairs.len());
        for (p, pair) in pairs.iter().enumerate() {
            let Multipliers { signed, bias } = match &gram {
                Some(gram) => smo::solve(pair.part_of(gram).view(), &pair.positive, c, context)?,
                None => by_linfa::solve(&centred.x, pair, kernel, c)?,
            };
            biases[p] = bias;
            for (&row, value) in pair.rows.iter().zip(signed) {
                coefficients[[row, p]] = value;
            }
        }
        let decisions = match kernel {
            Kernel::Linear => {
                let weights = centred.x.t().dot(&coefficients);
                Decisions::Linear(centred.model(weights, &biases))
            }
            _ => Decisions::kernel(&examples, &coefficients, biases),
        };
        let votes = pairs.iter().map(|pair| pair.classes).collect();
        Ok(Fit::new(FittedSvm { decisions, votes, classes: train.classes() }))
    }
}

/// The rows of two classes.
struct Pair {
    /// The class of a positive decision and that of any other.
    classes: [u32; 2],
    rows: Vec<usize>,
    /// Whether each row is of the first class.
    positive: Vec<bool>,
}

impl Pair {
    /// This pair's part of the kernel matrix.
    fn part_of(&self, gram: &Array2<f32>) -> Array2<f32> {
        if self.rows.len() == gram.nrows() {
            return gram.clone();
        }
        gram.select(Axis(0), &self.rows).select(Axis(1), &self.rows)
    }
}

/// Every pair of classes; the class of the pair's first row is the positive one.
fn pairs(train: &TrainingSet<'_>) -> Vec<Pair> {
    let labels = train.labels();
    let classes = train.classes() as u32;
    let mut pairs = Vec::new();
    for a in 0..classes {
        for b in a + 1..classes {
            let rows: Vec<usize> =
                (0..labels.len()).filter(|&i| labels[i] == a || labels[i] == b).collect();
            let first = rows.first().map_or(a, |&i| labels[i]);
            let positive = rows.iter().map(|&i| labels[i] == first).collect();
            pairs.push(Pair { classes: [first, a + b - first], rows, positive });
        }
    }
    pairs
}

/// How the pairs' decision values are computed.
enum Decisions {
    Linear(LinearModel),
    Kernel {
        vectors: Examples,
        /// Support vectors × pairs.
        coefficients: Array2<f32>,
        biases: Array1<f32>,
    },
}

/// Rows scored at once: enough for the matrix product, few enough for the cache.
const BLOCK: usize = 512;

impl Decisions {
    /// Keeps the support vectors only.
    fn kernel(examples: &Examples, coefficients: &Array2<f64>, biases: Array1<f64>) -> Self {
        let support: Vec<usize> = (0..coefficients.nrows())
            .filter(|&i| coefficients.row(i).iter().any(|&v| v != 0.0))
            .collect();
        Decisions::Kernel {
            vectors: examples.select(&support),
            coefficients: coefficients.select(Axis(0), &support).mapv(|v| v as f32),
            biases: biases.mapv(|b| b as f32),
        }
    }

    /// Rows × pairs.
    fn values(&self, features: &Features<'_>) -> Array2<f64> {
        match self {
            Decisions::Linear(model) => model.scores(features),
            Decisions::Kernel { vectors, coefficients, biases } => {
                let mut values = Array2::zeros((0, biases.len()));
                for block in features.values().chunks(BLOCK * features.columns()) {
                    let rows = vectors.alike(&Features::new(block, features.shape()));
                    let scores = rows.kernel_with(vectors).dot(coefficients) + biases;
                    values
                        .append(Axis(0), scores.mapv(f64::from).view())
                        .unwrap_or_else(|_| unreachable!("every block has one column per pair"));
                }
                values
            }
        }
    }
}

struct FittedSvm {
    decisions: Decisions,
    /// Per pair, the class of a positive decision and that of any other.
    votes: Vec<[u32; 2]>,
    classes: usize,
}

impl FittedClassifier for FittedSvm {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let label = |row: ndarray::ArrayView1<'_, f64>| {
            let mut counts = vec![0u32; self.classes];
            for (value, [positive, other]) in row.iter().zip(&self.votes) {
                counts[*if *value > 0.0 { positive } else { other } as usize] += 1;
            }
            argmax(&counts)
        };
        let values = self.decisions.values(features);
        Ok(Predictions::labels(values.outer_iter().map(label).collect()))
    }
}

/// The same two-class machines by linfa-svm.
mod by_linfa {
    use linfa::DatasetBase;
    use linfa::traits::Fit as _;
    use ndarray::{Array1, Array2, Axis};

    use super::Pair;
    use crate::classifier::FitError;
    use crate::kernel::Kernel;
    use crate::smo::Multipliers;

    /// Fits `pair` on its rows of `x`, with shrinking off: with it on, linfa's accuracy breaks down.
    pub(super) fn solve(
        x: &Array2<f64>,
        pair: &Pair,
        kernel: Kernel,
        c: f64,
    ) -> Result<Multipliers, FitError> {
        let rows = x.select(Axis(0), &pair.rows);
        let data = DatasetBase::new(rows, Array1::from(pair.positive.clone()));
        let params = linfa_svm::Svm::<f64, bool>::params().eps(1e-3).shrinking(false);
        let params = match kernel {
            // linfa's Gaussian kernel divides by its parameter.
            Kernel::Rbf { gamma } => params.gaussian_kernel(1.0 / gamma),
            _ => params.linear_kernel(),
        };
        let fitted = params
            .pos_neg_weights(c, c)
            .fit(&data)
            .map_err(|e| FitError::Failed(format!("linfa-svm: {e}")))?;
        Ok(Multipliers { signed: fitted.alpha.clone(), bias: -fitted.rho })
    }
}
