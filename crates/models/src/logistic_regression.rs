//! Logistic regression with an L2 penalty: multinomial for more than two classes.
//!
//! Minimises ½ λ ‖w‖² + Σ log loss with an unpenalised intercept, λ = `l2`: scikit-learn's
//! `LogisticRegression(C = 1 / λ)`. Two classes have one weight vector; K classes have K, and their softmax.
//! With few rows the problem is solved in the span of the rows, which is exact (see [`crate::linear::RowSpan`]).
//! `solver = "linfa"` fits the same objective by linfa-logistic's L-BFGS, kept as an independent check.

use linfa::DatasetBase;
use linfa::traits::Fit as _;
use ndarray::{Array1, Array2, s};

use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
};
use crate::linear::{Centred, LinearModel, RowSpan};
use crate::linear_regression::indicators;
use crate::newton::{self, Solution, probabilities};
use crate::registry::Kind;
use crate::select::{SELECTION, TOP_K, selected};
use crate::settings::{Default, Domain, Param, Settings};

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
    build: |settings| Ok(Box::new(LogisticRegression { settings: settings.clone() })),
};

/// Below this share of rows to columns, factoring the Gram matrix is cheaper than working on all columns.
const SPAN_SHARE: f64 = 0.35;

#[derive(Debug)]
struct LogisticRegression {
    settings: Settings,
}

impl Classifier for LogisticRegression {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let penalty = self.settings.float("l2").unwrap_or(1.0);
        let chosen = selected(&self.settings, train);
        let centred = Centred::new(&train.features(), chosen.as_deref());
        let solve = |x: &Array2<f64>| match self.settings.text("solver") {
            Some("linfa") => solve_by_linfa(x, train, penalty),
            _ => newton::minimise(x, &targets(train), penalty, context),
        };
        let few_rows = (centred.x.nrows() as f64) < SPAN_SHARE * centred.x.ncols() as f64;
        let solution = if few_rows {
            let span = RowSpan::new(&centred.x);
            let Solution { weights, intercepts } = solve(span.coordinates())?;
            Solution { weights: span.weights(&centred.x, &weights), intercepts }
        } else {
            solve(&centred.x)?
        };
        let model = centred.model(solution.weights, &solution.intercepts);
        Ok(Fit::new(FittedLogistic { model }))
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
}
