//! The soft-margin support vector machine (Cortes and Vapnik, "Support-vector networks", 1995).
//!
//! More than two classes are decided one-vs-one by voting, the lowest label of equals, as in libsvm and
//! scikit-learn's `SVC`. By default it gives no probabilities; `calibrate = true` adds Platt's, fitted on inner
//! cross-validation of the training rows, coupled over the pairs, and without a say in the labels. Each pair's problem is oriented by its first row, so that
//! nothing depends on how classes are numbered. Features that are constant in the training rows are left out, as in the
//! linear models; scikit-learn's `SVC` counts them in the distances of an rbf kernel, where a row to predict that differs
//! in them has all its kernel values multiplied by one factor below 1. `solver = "linfa"` fits the same machines by linfa-svm, kept as an
//! independent check.

mod by_linfa;

use ndarray::{Array1, Array2, ArrayView1, Axis};

use crate::calibration::{Sigmoid, couple};
use crate::classifier::{
    Classifier, Coefficients, Features, Fit, FitContext, FitError, FittedClassifier, Predictions,
    TrainingSet, argmax,
};
use crate::kernel::{Examples, Family, Kernel, part, scale_gamma};
use crate::linear::LinearModel;
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, SettingError, Settings, Value};
use crate::smo::{self, Multipliers};
use crate::tuning::{AutoAxis, OutOfFold, SharedTask, Simpler, Try, Tuning, gather, inner_folds};
use crate::wide;

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
            domain: Domain::OneOfOrAbove { words: &["scale/4", "scale", "scale*4"], above: 0.0 },
            default: Default::When {
                key: "kernel",
                words: &["rbf", "polynomial"],
                then: &Default::Text("scale"),
            },
            doc: "γ of the kernel; scale: 1 / (features × variance of all training values)",
        },
        Param {
            name: "degree",
            domain: Domain::Int { min: 1, max: 20 },
            default: Default::When {
                key: "kernel",
                words: &["polynomial"],
                then: &Default::Int(3),
            },
            doc: "of the polynomial kernel",
        },
        Param {
            name: "offset",
            domain: Domain::NON_NEGATIVE,
            default: Default::When {
                key: "kernel",
                words: &["polynomial"],
                then: &Default::Float(0.0),
            },
            doc: "of the polynomial kernel",
        },
        Param {
            name: "solver",
            domain: Domain::OneOf(&["smo", "linfa"]),
            default: Default::Text("smo"),
            doc: "what optimises: our SMO on a matrix-product kernel, or linfa-svm (linear and rbf)",
        },
        Param {
            name: "calibrate",
            domain: Domain::Bool,
            default: Default::Unset,
            doc: "probabilities by Platt's sigmoid on inner folds; none with a single example of a class; unset: false",
        },
    ],
    tuning: Tuning {
        auto: &[
            AutoAxis {
                name: "c",
                values: Try::These(&[
                    Default::Float(0.01),
                    Default::Float(0.1),
                    Default::Float(1.0),
                    Default::Float(10.0),
                    Default::Float(100.0),
                ]),
            },
            AutoAxis {
                name: "gamma",
                values: Try::These(&[
                    Default::Text("scale/4"),
                    Default::Text("scale"),
                    Default::Text("scale*4"),
                ]),
            },
        ],
        simpler: &[
            ("c", Simpler::Smaller),
            ("gamma", Simpler::Smaller),
            ("degree", Simpler::Smaller),
        ],
        shared: Some(shared),
    },
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
    /// The kernel that is meant for these training rows.
    fn kernel(&self, features: &Features<'_>) -> Kernel {
        let gamma = || match self.settings.get("gamma") {
            Some(Value::Float(gamma)) => *gamma,
            Some(Value::Text(word)) if word == "scale/4" => scale_gamma(features) / 4.0,
            Some(Value::Text(word)) if word == "scale*4" => scale_gamma(features) * 4.0,
            _ => scale_gamma(features),
        };
        match self.settings.text("kernel") {
            Some("linear") => Kernel::Linear,
            Some("polynomial") => Kernel::Polynomial {
                gamma: gamma(),
                offset: self.settings.float("offset").unwrap_or(0.0),
                degree: self.settings.int("degree").unwrap_or(3) as u32,
            },
            Some("histogram-intersection") => Kernel::Intersection,
            _ => Kernel::Rbf { gamma: gamma() },
        }
    }

    fn c(&self) -> f64 {
        self.settings.float("c").unwrap_or(1.0)
    }

    /// The machines of all pairs, and what each pair's decision votes for.
    fn decide(
        &self,
        train: &TrainingSet<'_>,
        context: &FitContext<'_>,
    ) -> Result<(Decisions, Vec<[u32; 2]>), FitError> {
        let features = train.features();
        let kernel = self.kernel(&features);
        let examples = Examples::new(kernel.family(), &features);
        let pairs = pairs(train.labels(), train.classes());
        let machines = if self.by_linfa {
            let x = examples.rows().2.mapv(f64::from);
            Machines::collect(train.rows(), &pairs, |pair| {
                by_linfa::solve(&x, pair, kernel, self.c())
            })?
        } else {
            Machines::solve(&examples.products().gram(kernel), &pairs, self.c(), context)?
        };
        let decisions = match kernel {
            Kernel::Linear => Decisions::linear(&examples, &machines),
            _ => Decisions::kernel(kernel, &examples, machines),
        };
        Ok((decisions, votes(&pairs)))
    }

    /// One sigmoid per pair, fitted on the decision values of rows left out of inner folds; `None` where a class has
    /// fewer than two examples. `votes` say which class of each pair is the positive one.
    fn sigmoids(
        &self,
        train: &TrainingSet<'_>,
        votes: &[[u32; 2]],
        context: &FitContext<'_>,
    ) -> Result<Option<Vec<Sigmoid>>, FitError> {
        let Some(folds) = inner_folds(train, context.seed) else { return Ok(None) };
        let shape = train.features().shape();
        let mut points: Vec<(Vec<f64>, Vec<bool>)> = vec![(vec![], vec![]); votes.len()];
        for fold in &folds {
            context.check()?;
            let (values, labels) = gather(train, &fold.train);
            let part = TrainingSet::new(Features::new(&values, shape), &labels, train.classes())?;
            let (decisions, fold_votes) = self.decide(&part, context)?;
            let (left_out, labels) = gather(train, &fold.test);
            let values = decisions.values(&Features::new(&left_out, shape));
            for (values, label) in values.outer_iter().zip(labels) {
                for (p, points) in points.iter_mut().enumerate() {
                    if votes[p].contains(&label) {
                        // The fold may have met the pair's other class first.
                        let turned = votes[p] != fold_votes[p];
                        points.0.push(if turned { -values[p] } else { values[p] });
                        points.1.push(label == votes[p][0]);
                    }
                }
            }
        }
        Ok(Some(points.iter().map(|(values, positive)| Sigmoid::fit(values, positive)).collect()))
    }
}

impl Classifier for Svm {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let (decisions, votes) = self.decide(train, context)?;
        let sigmoids = match self.settings.flag("calibrate") {
            true => self.sigmoids(train, &votes, context)?,
            false => None,
        };
        Ok(Fit::new(FittedSvm { decisions, votes, classes: train.classes(), sigmoids }))
    }
}

/// Predicts the rows left out for every candidate from one Gram matrix a family of kernels: each fold takes its part,
/// each γ is applied to that once, and every C solves on it. `None` with linfa, which takes no Gram matrix.
fn shared(task: &SharedTask<'_>) -> Result<Option<Vec<OutOfFold>>, FitError> {
    let svm = |settings: &&Settings| Svm {
        by_linfa: settings.text("solver") == Some("linfa"),
        settings: (*settings).clone(),
    };
    let svms: Vec<Svm> = task.candidates.iter().map(svm).collect();
    if svms.iter().any(|svm| svm.by_linfa) {
        return Ok(None);
    }
    let features = task.train.features();
    let mut predicted: Vec<OutOfFold> = vec![Some(vec![0; task.train.rows()]); svms.len()];
    for family in [Family::Centred, Family::Plain, Family::Intersection] {
        let of_family = |svm: &Svm| svm.kernel(&features).family() == family;
        let members: Vec<usize> = (0..svms.len()).filter(|&i| of_family(&svms[i])).collect();
        if members.is_empty() {
            continue;
        }
        let products = Examples::new(family, &features).products();
        for fold in task.folds {
            let (values, labels) = gather(task.train, &fold.train);
            let part = Features::new(&values, features.shape());
            let kernels: Vec<Kernel> = members.iter().map(|&i| svms[i].kernel(&part)).collect();
            let pairs = pairs(&labels, task.train.classes());
            let votes = votes(&pairs);
            for (first, &kernel) in kernels.iter().enumerate() {
                if kernels[..first].contains(&kernel) {
                    continue;
                }
                let gram = products.part(kernel, &fold.train, &fold.train);
                let across = products.part(kernel, &fold.test, &fold.train);
                let alike = members.iter().zip(&kernels).filter(|(_, other)| **other == kernel);
                for (&i, _) in alike {
                    let machines = match Machines::solve(&gram, &pairs, svms[i].c(), task.context) {
                        Ok(machines) => machines,
                        Err(FitError::Stopped) => return Err(FitError::Stopped),
                        Err(_) => {
                            predicted[i] = None;
                            continue;
                        }
                    };
                    let Some(out) = &mut predicted[i] else { continue };
                    let values = across.dot(&machines.coefficients.mapv(|v| v as f32));
                    let values = values.mapv(f64::from) + &machines.biases;
                    for (&row, values) in fold.test.iter().zip(values.outer_iter()) {
                        out[row] = vote(values, &votes, task.train.classes());
                    }
                }
            }
        }
    }
    Ok(Some(predicted))
}

/// The rows of two classes.
struct Pair {
    /// The class of a positive decision and that of any other.
    classes: [u32; 2],
    rows: Vec<usize>,
    /// Whether each row is of the first class.
    positive: Vec<bool>,
}

/// Every pair of classes; the class of the pair's first row is the positive one.
fn pairs(labels: &[u32], classes: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for a in 0..classes as u32 {
        for b in a + 1..classes as u32 {
            let rows: Vec<usize> =
                (0..labels.len()).filter(|&i| labels[i] == a || labels[i] == b).collect();
            let first = rows.first().map_or(a, |&i| labels[i]);
            let positive = rows.iter().map(|&i| labels[i] == first).collect();
            pairs.push(Pair { classes: [first, a + b - first], rows, positive });
        }
    }
    pairs
}

/// Per pair, the class of a positive decision and that of any other.
fn votes(pairs: &[Pair]) -> Vec<[u32; 2]> {
    pairs.iter().map(|pair| pair.classes).collect()
}

/// The class that most pairs decide for, the lowest of equals.
fn vote(values: ArrayView1<'_, f64>, votes: &[[u32; 2]], classes: usize) -> u32 {
    let mut counts = vec![0u32; classes];
    for (value, [positive, other]) in values.iter().zip(votes) {
        counts[*if *value > 0.0 { positive } else { other } as usize] += 1;
    }
    argmax(&counts)
}

/// The two-class machines of all pairs.
struct Machines {
    /// Rows × pairs.
    coefficients: Array2<f64>,
    /// One per pair.
    biases: Array1<f64>,
}

impl Machines {
    /// Solves every pair on its part of the Gram matrix.
    fn solve(
        gram: &Array2<f32>,
        pairs: &[Pair],
        c: f64,
        context: &FitContext<'_>,
    ) -> Result<Self, FitError> {
        Self::collect(gram.nrows(), pairs, |pair| {
            if pair.rows.len() == gram.nrows() {
                return smo::solve(gram.view(), &pair.positive, c, context);
            }
            smo::solve(part(gram, &pair.rows, &pair.rows).view(), &pair.positive, c, context)
        })
    }

    fn collect(
        rows: usize,
        pairs: &[Pair],
        mut solve: impl FnMut(&Pair) -> Result<Multipliers, FitError>,
    ) -> Result<Self, FitError> {
        let mut coefficients = Array2::<f64>::zeros((rows, pairs.len()));
        let mut biases = Array1::<f64>::zeros(pairs.len());
        for (p, pair) in pairs.iter().enumerate() {
            let Multipliers { signed, bias } = solve(pair)?;
            biases[p] = bias;
            for (&row, value) in pair.rows.iter().zip(signed) {
                coefficients[[row, p]] = value;
            }
        }
        Ok(Machines { coefficients, biases })
    }

    /// The rows with a multiplier in any pair.
    fn support(&self) -> Vec<usize> {
        let rows = self.coefficients.outer_iter().enumerate();
        rows.filter(|(_, row)| row.iter().any(|&v| v != 0.0)).map(|(i, _)| i).collect()
    }
}

/// How the pairs' decision values are computed.
enum Decisions {
    Linear(LinearModel),
    Kernel {
        kernel: Kernel,
        vectors: Examples,
        /// Support vectors × pairs.
        coefficients: Array2<f32>,
        biases: Array1<f32>,
    },
}

/// Rows scored at once: enough for the matrix product, few enough for the cache.
const BLOCK: usize = 512;

impl Decisions {
    /// The support vectors drawn together into one weight a column.
    fn linear(examples: &Examples, machines: &Machines) -> Self {
        let (columns, shift, x) = examples.rows();
        let total = shift.len();
        let support = machines.support();
        let row = |i: usize| {
            let at = support[i.min(support.len() - 1)] * x.ncols();
            &x.as_slice().unwrap_or_default()[at..at + x.ncols()]
        };
        let mut weights = Array2::<f64>::zeros((columns.len(), machines.biases.len()));
        let mut intercepts = machines.biases.clone();
        for p in 0..machines.biases.len() {
            let mut sums = vec![0.0; columns.len()];
            for start in (0..support.len()).step_by(4) {
                let scale =
                    |i: usize| support.get(i).map_or(0.0, |&i| machines.coefficients[[i, p]]);
                let four = [start, start + 1, start + 2, start + 3];
                wide::add_scaled(four.map(scale), four.map(row), &mut sums);
            }
            for ((&j, sum), weight) in columns.iter().zip(sums).zip(weights.column_mut(p)) {
                *weight = sum;
                intercepts[p] -= f64::from(shift[j]) * sum;
            }
        }
        Decisions::Linear(LinearModel::new(columns.to_vec(), weights, intercepts, total))
    }

    /// Keeps the support vectors only.
    fn kernel(kernel: Kernel, examples: &Examples, machines: Machines) -> Self {
        let support = machines.support();
        Decisions::Kernel {
            kernel,
            vectors: examples.select(&support),
            coefficients: machines.coefficients.select(Axis(0), &support).mapv(|v| v as f32),
            biases: machines.biases.mapv(|b| b as f32),
        }
    }

    /// Rows × pairs.
    fn values(&self, features: &Features<'_>) -> Array2<f64> {
        match self {
            Decisions::Linear(model) => model.scores(features),
            Decisions::Kernel { kernel, vectors, coefficients, biases } => {
                let mut values = Array2::zeros((0, biases.len()));
                for block in features.values().chunks(BLOCK * features.columns()) {
                    let rows = vectors.alike(&Features::new(block, features.shape()));
                    let scores = rows.kernel_with(*kernel, vectors).dot(coefficients) + biases;
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
    /// One per pair, if calibrated.
    sigmoids: Option<Vec<Sigmoid>>,
}

impl FittedSvm {
    /// The probabilities of the classes at the pairs' decision values.
    fn probabilities(&self, values: ArrayView1<'_, f64>, sigmoids: &[Sigmoid]) -> Vec<f64> {
        let mut wins = vec![0.0; self.classes * self.classes];
        for ((&value, sigmoid), [positive, other]) in values.iter().zip(sigmoids).zip(&self.votes) {
            let (positive, other) = (*positive as usize, *other as usize);
            let p = sigmoid.probability(value);
            wins[positive * self.classes + other] = p;
            wins[other * self.classes + positive] = 1.0 - p;
        }
        match self.classes {
            2 => vec![wins[1], wins[2]],
            classes => couple(&wins, classes),
        }
    }
}

impl FittedClassifier for FittedSvm {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let values = self.decisions.values(features);
        let label = |row| vote(row, &self.votes, self.classes);
        let labels = values.outer_iter().map(label).collect();
        let probabilities = self.sigmoids.as_ref().map(|sigmoids| {
            let rows = values.outer_iter().flat_map(|row| self.probabilities(row, sigmoids));
            rows.map(|p| p as f32).collect()
        });
        Ok(Predictions { labels, probabilities })
    }

    /// Of a linear kernel and two classes; more are decided by voting.
    fn coefficients(&self) -> Option<Coefficients> {
        let (Decisions::Linear(model), [[positive, _]]) = (&self.decisions, &self.votes[..]) else {
            return None;
        };
        let mut found = model.coefficients();
        if *positive == 0 {
            found.weights.iter_mut().chain(&mut found.intercepts).for_each(|w| *w = -*w);
        }
        Some(found)
    }
}
