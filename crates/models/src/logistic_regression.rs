//! Logistic regression with an L2 penalty: multinomial for more than two classes.
//!
//! Minimises ½ λ ‖w‖² + Σ log loss with an unpenalised intercept, λ = `l2`: scikit-learn's
//! `LogisticRegression(C = 1 / λ)`. Two classes have one weight vector; K classes have K, and their softmax.
//! There is no unpenalised fit: on separable classes it has no optimum. A tiny `l2`, such as 1e-6, stands for it.
//! With few rows the problem is solved in the span of the rows, which is exact (see [`crate::linear::RowSpan`]).
//! `solver = "linfa"` fits the same objective by linfa-logistic's L-BFGS, kept as an independent check.

use linfa::DatasetBase;
use linfa::traits::Fit as _;
use ndarray::{Array1, Array2, s};

use crate::classifier::{
    Classifier, Coefficients, Features, Fit, FitContext, FitError, FittedClassifier, Predictions,
    Shape, TrainingSet,
};
use crate::linear::{Centred, LinearModel, RowSpan, pick, varying_among};
use crate::linear_regression::indicators;
use crate::newton::{self, Design, Solution, probabilities};
use crate::registry::Kind;
use crate::select::{self, SELECTION, TOP_K, selected};
use crate::settings::{Default, Domain, Param, Settings};
use crate::tuning::{AutoAxis, OutOfFold, SharedTask, Simpler, Try, Tuning, gather};
use crate::wide;

/// `kind = "logistic-regression"`.
pub(crate) const KIND: Kind = Kind {
    name: "logistic-regression",
    summary: "logistic (softmax) regression with an L2 penalty",
    caveat: None,
    params: &[
        Param {
            name: "l2",
            domain: Domain::POSITIVE,
            default: Default::Float(1.0),
            doc: "λ in ½ λ ‖w‖² + Σ log loss; the inverse of scikit-learn's C",
        },
        TOP_K,
        SELECTION,
        Param {
            name: "solver",
            domain: Domain::OneOf(&["newton", "linfa"]),
            default: Default::Text("newton"),
            doc: "what minimises: our truncated Newton method, or linfa-logistic's L-BFGS",
        },
    ],
    tuning: Tuning {
        auto: &[AutoAxis {
            name: "l2",
            values: Try::These(&[
                Default::Float(0.001),
                Default::Float(0.01),
                Default::Float(0.1),
                Default::Float(1.0),
                Default::Float(10.0),
                Default::Float(100.0),
                Default::Float(1000.0),
            ]),
        }],
        simpler: &[("l2", Simpler::Larger), ("top_k", Simpler::Smaller)],
        shared: Some(shared),
    },
    build: |settings| Ok(Box::new(LogisticRegression { settings: settings.clone() })),
};

/// Below this share of rows to columns, factoring the Gram matrix is cheaper than working on all columns.
const SPAN_SHARE: f64 = 0.35;

#[derive(Debug)]
struct LogisticRegression {
    settings: Settings,
}

impl Classifier for LogisticRegression {
    fn check(&self, _: Shape, classes: usize) -> Result<(), FitError> {
        select::check(&self.settings, classes)
    }

    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let basis = Basis::new(&self.settings, train);
        Ok(Fit::new(basis.fit(&self.settings, train, context)?))
    }
}

/// Predicts the rows left out for every candidate, all penalties of a fold on one [`Basis`].
fn shared(task: &SharedTask<'_>) -> Result<Option<Vec<OutOfFold>>, FitError> {
    let mut predicted: Vec<OutOfFold> =
        vec![Some(vec![0; task.train.rows()]); task.candidates.len()];
    let shape = task.train.features().shape();
    for fold in task.folds {
        let (values, labels) = gather(task.train, &fold.train);
        let part = TrainingSet::new(Features::new(&values, shape), &labels, task.train.classes())?;
        let (left_out, _) = gather(task.train, &fold.test);
        let left_out = Features::new(&left_out, shape);
        let mut bases: Vec<(Option<Vec<usize>>, Basis)> = Vec::new();
        for (settings, out) in task.candidates.iter().zip(&mut predicted) {
            task.context.check()?;
            let chosen = selected(settings, &part);
            let known = bases.iter().position(|(columns, _)| *columns == chosen);
            let at = known.unwrap_or_else(|| {
                bases.push((chosen, Basis::new(settings, &part)));
                bases.len() - 1
            });
            let labels = bases[at]
                .1
                .fit(settings, &part, task.context)
                .and_then(|fitted| fitted.predict(&left_out));
            match (labels, out.as_mut()) {
                (Ok(predictions), Some(all)) => {
                    for (&row, label) in fold.test.iter().zip(predictions.labels) {
                        all[row] = label;
                    }
                }
                (Ok(_), None) => {}
                (Err(FitError::Stopped), _) => return Err(FitError::Stopped),
                (Err(_), _) => *out = None,
            }
        }
    }
    Ok(Some(predicted))
}

/// Training rows in the form in which they are fitted, whatever the penalty.
enum Basis {
    /// The rows in coordinates of their own span, for few of them and for linfa.
    Span { centred: Centred, span: Option<RowSpan> },
    /// The chosen columns as they are, and their means.
    Columns { columns: Vec<usize>, values: Vec<f32>, means: Vec<f64> },
}

impl Basis {
    fn new(settings: &Settings, train: &TrainingSet<'_>) -> Self {
        let chosen = selected(settings, train);
        let features = train.features();
        let columns = varying_among(&features, chosen.as_deref());
        let few_rows = (train.rows() as f64) < SPAN_SHARE * columns.len() as f64;
        if few_rows || settings.text("solver") == Some("linfa") {
            let centred = Centred::new(&features, Some(&columns));
            let span = few_rows.then(|| RowSpan::new(&centred.x));
            return Basis::Span { centred, span };
        }
        let values = pick(&features, &columns);
        let mut means = vec![0.0; columns.len()];
        if !columns.is_empty() {
            values.chunks_exact(columns.len()).for_each(|row| wide::add(row, &mut means));
        }
        means.iter_mut().for_each(|sum| *sum /= train.rows() as f64);
        Basis::Columns { columns, values, means }
    }

    /// The model with the penalty of `settings`.
    fn fit(
        &self,
        settings: &Settings,
        train: &TrainingSet<'_>,
        context: &FitContext<'_>,
    ) -> Result<FittedLogistic, FitError> {
        let penalty = settings.float("l2").unwrap_or(1.0);
        let solve = |x: &Array2<f64>| {
            if settings.text("solver") == Some("linfa") {
                return solve_by_linfa(x, train, penalty);
            }
            let (values, shift) = (x.as_slice().unwrap_or_default(), vec![0.0; x.ncols()]);
            let design = Design { values, rows: x.nrows(), shift: &shift };
            newton::minimise(design, &targets(train), penalty, context)
        };
        let model = match self {
            Basis::Span { centred, span: None } => {
                let Solution { weights, intercepts } = solve(&centred.x)?;
                centred.model(weights, &intercepts)
            }
            Basis::Span { centred, span: Some(span) } => {
                let Solution { weights, intercepts } = solve(span.coordinates())?;
                centred.model(span.weights(&centred.x, &weights), &intercepts)
            }
            Basis::Columns { columns, values, means } => {
                let design = Design { values, rows: train.rows(), shift: means };
                let Solution { weights, intercepts } =
                    newton::minimise(design, &targets(train), penalty, context)?;
                let intercepts = intercepts - Array1::from(means.clone()).dot(&weights);
                LinearModel::new(columns.clone(), weights, intercepts, train.features().columns())
            }
        };
        Ok(FittedLogistic { model })
    }
}

/// Rows × 1 (1 for class 1) for two classes, rows × classes of indicators for more.
fn targets(train: &TrainingSet<'_>) -> Array2<f64> {
    let indicators = indicators(train);
    if train.classes() == 2 { indicators.slice_move(s![.., 1..]) } else { indicators }
}

/// The same problem by linfa-logistic.
fn solve_by_linfa(
    x: &Array2<f64>,
    train: &TrainingSet<'_>,
    penalty: f64,
) -> Result<Solution, FitError> {
    let failed = |e: linfa_logistic::error::Error| FitError::Failed(format!("linfa-logistic: {e}"));
    let labels: Array1<usize> = train.labels().iter().map(|&l| l as usize).collect();
    let data = DatasetBase::new(x.view(), labels);
    if train.classes() > 2 {
        let fitted = linfa_logistic::MultiLogisticRegression::default()
            .alpha(penalty)
            .max_iterations(1000)
            .fit(&data)
            .map_err(failed)?;
        // linfa sorts the classes, and every class has an example: its columns are our labels.
        return Ok(Solution {
            weights: fitted.params().to_owned(),
            intercepts: fitted.intercept().to_owned(),
        });
    }
    let fitted = linfa_logistic::LogisticRegression::default()
        .alpha(penalty)
        .max_iterations(1000)
        .fit(&data)
        .map_err(failed)?;
    // linfa's positive class is the more frequent one, not the larger label.
    let sign = if fitted.labels().pos.class == 1 { 1.0 } else { -1.0 };
    let weights = fitted.params().mapv(|w| sign * w).insert_axis(ndarray::Axis(1));
    Ok(Solution { weights, intercepts: Array1::from_elem(1, sign * fitted.intercept()) })
}

struct FittedLogistic {
    /// One output for two classes, one per class for more.
    model: LinearModel,
}

impl FittedClassifier for FittedLogistic {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let shares = probabilities(&self.model.scores(features));
        if shares.ncols() == 1 {
            let both = shares.iter().flat_map(|&p| [(1.0 - p) as f32, p as f32]).collect();
            return Ok(Predictions::from_probabilities(both, 2));
        }
        let all = shares.iter().map(|&p| p as f32).collect();
        Ok(Predictions::from_probabilities(all, shares.ncols()))
    }

    fn coefficients(&self) -> Option<Coefficients> {
        Some(self.model.coefficients())
    }
}
