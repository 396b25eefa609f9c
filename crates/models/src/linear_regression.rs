//! Least squares as a classifier: linear regression on ±1 or indicator targets.
//!
//! Two classes: targets -1 and +1, class 1 where the fitted value is above 0. More: one indicator target per class,
//! the largest fitted value wins, the first of equals. With an intercept, and of all solutions the one of least
//! norm, as in scikit-learn's `LinearRegression`. With `top_k = 10` it is the linear "Leekasso": the ten features
//! of largest F, then least squares (Leek 2014 and 2017, simplystatistics.org).
//!
//! With `l2 = λ` it is ridge regression (Hoerl and Kennard 1970): ‖X W - Y‖² + λ ‖W‖² is minimised, the intercept free,
//! as in scikit-learn's `Ridge(alpha = λ)`. W = (XᵀX + λI)⁻¹ XᵀY, which with fewer rows than columns is
//! Xᵀ (X Xᵀ + λI)⁻¹ Y: a system of the size of the smaller side.

use ndarray::{Array2, Axis};

use crate::cholesky::{Cholesky, gram};
use crate::classifier::{
    Classifier, Coefficients, Features, Fit, FitContext, FitError, FittedClassifier, Predictions,
    Shape, TrainingSet, argmax,
};
use crate::linear::{
    Centred, LinearModel, PivotedCholesky, RowSpan, solve_lower, solve_lower_transposed,
    solve_positive_definite,
};
use crate::registry::Kind;
use crate::select::{self, SELECTION, TOP_K, TOP_KS, selected};
use crate::settings::{Default, Domain, Param, Settings};
use crate::tuning::{AutoAxis, Simpler, Try, Tuning};

/// `kind = "linear-regression"`.
pub(crate) const KIND: Kind = Kind {
    name: "linear-regression",
    summary: "least squares on ±1 or indicator targets; with top_k = 10 the linear Leekasso, with l2 ridge regression",
    caveat: None,
    params: &[
        Param {
            name: "l2",
            domain: Domain::POSITIVE,
            default: Default::Unset,
            doc: "λ in Σ error² + λ ‖w‖², ridge regression; unset: none, and of all solutions the one of least norm",
        },
        TOP_K,
        SELECTION,
    ],
    tuning: Tuning {
        auto: &[
            AutoAxis {
                name: "l2",
                values: Try::These(&[
                    Default::Float(0.1),
                    Default::Float(1.0),
                    Default::Float(10.0),
                    Default::Float(100.0),
                    Default::Float(1000.0),
                ]),
            },
            AutoAxis { name: "top_k", values: TOP_KS },
        ],
        simpler: &[("top_k", Simpler::Smaller), ("l2", Simpler::Larger)],
        shared: None,
    },
    build: |settings| Ok(Box::new(LinearRegression { settings: settings.clone() })),
};

#[derive(Debug)]
struct LinearRegression {
    settings: Settings,
}

impl Classifier for LinearRegression {
    fn check(&self, _: Shape, classes: usize) -> Result<(), FitError> {
        select::check(&self.settings, classes)
    }

    fn fit(&self, train: &TrainingSet<'_>, _: &FitContext<'_>) -> Result<Fit, FitError> {
        let chosen = selected(&self.settings, train);
        let centred = Centred::new(&train.features(), chosen.as_deref());
        let mut targets = targets(train);
        let Some(means) = targets.mean_axis(Axis(0)) else {
            return Err(FitError::Refused("no rows to fit".to_owned()));
        };
        targets -= &means;
        let weights = match self.settings.float("l2") {
            None => least_squares(&centred.x, &targets),
            Some(penalty) => ridge(&centred.x, &targets, penalty)?,
        };
        if weights.iter().any(|w| !w.is_finite()) {
            return Err(FitError::Diverged("the least-squares weights are not finite".to_owned()));
        }
        Ok(Fit::new(FittedLinear { model: centred.model(weights, &means) }))
    }
}

/// Rows × 1 of ±1 for two classes, rows × classes of indicators for more.
fn targets(train: &TrainingSet<'_>) -> Array2<f64> {
    if train.classes() == 2 {
        let signs = train.labels().iter().map(|&l| if l == 1 { 1.0 } else { -1.0 });
        return Array2::from_shape_vec((train.rows(), 1), signs.collect())
            .unwrap_or_else(|_| unreachable!("one sign per row"));
    }
    indicators(train)
}

/// Rows × classes: 1 in the column of the row's class.
pub(crate) fn indicators(train: &TrainingSet<'_>) -> Array2<f64> {
    let mut y = Array2::zeros((train.rows(), train.classes()));
    for (i, &label) in train.labels().iter().enumerate() {
        y[[i, label as usize]] = 1.0;
    }
    y
}

/// The weights of least norm among those that minimise ‖X W - Y‖², for columns of X and Y that sum to 0.
///
/// One step of iterative refinement restores what squaring the condition number in the Gram matrix costs.
fn least_squares(x: &Array2<f64>, y: &Array2<f64>) -> Array2<f64> {
    let equations = if x.nrows() <= x.ncols() { Normal::by_rows(x) } else { Normal::by_columns(x) };
    let weights = equations.solve(x, y);
    let residual = y - &x.dot(&weights);
    weights + equations.solve(x, &residual)
}

/// The weights that minimise ‖X W - Y‖² + λ ‖W‖², for columns of X and Y that sum to 0.
fn ridge(x: &Array2<f64>, y: &Array2<f64>, penalty: f64) -> Result<Array2<f64>, FitError> {
    let factored = |mut square: Array2<f64>| {
        square.diag_mut().mapv_inplace(|v| v + penalty);
        Cholesky::new(square).ok_or_else(|| {
            FitError::Failed(format!(
                "`l2` is {penalty:?}, lost in the rounding of features of this size: raise it, or leave it out"
            ))
        })
    };
    if x.nrows() <= x.ncols() {
        let mut shares = y.clone();
        factored(gram(&x.view()))?.solve(&mut shares);
        return Ok(x.t().dot(&shares));
    }
    let mut weights = x.t().dot(y);
    factored(gram(&x.t()))?.solve(&mut weights);
    Ok(weights)
}

/// The normal equations, factored on the smaller side of X.
enum Normal {
    /// All rows but one are independent, and that one, minus the sum of the others, agrees with them: W is the solution
    /// of X_p W = Y_p of least norm, X_pᵀ (L Lᵀ)⁻¹ Y_p with X_p X_pᵀ = L Lᵀ. Holds p and L.
    Interpolation { rows: Vec<usize>, lower: Array2<f64> },
    /// X = C Bᵀ in coordinates C of the span of its rows: W = B (CᵀC)⁻¹ CᵀY. Holds CᵀC.
    Rows { span: RowSpan, square: Array2<f64> },
    /// All columns are independent: W = (L Lᵀ)⁻¹ XᵀY with XᵀX = L Lᵀ, rows and columns in the order of the pivots.
    Independent { pivots: Vec<usize>, lower: Array2<f64> },
    /// XᵀX = L Lᵀ, so X = Q Lᵀ with orthonormal Q: W = L (LᵀL)⁻¹ QᵀY, where QᵀY solves L_p u = (XᵀY)_p for the pivot
    /// rows L_p. Holds LᵀL.
    Columns { factor: PivotedCholesky, pivot_rows: Array2<f64>, square: Array2<f64> },
}

impl Normal {
    fn by_rows(x: &Array2<f64>) -> Self {
        let span = RowSpan::new(x);
        let (pivots, lower) = span.spanning();
        if pivots.len() + 1 == x.nrows() {
            return Normal::Interpolation { rows: pivots.to_vec(), lower };
        }
        let square = gram(&span.coordinates().t());
        Normal::Rows { span, square }
    }

    fn by_columns(x: &Array2<f64>) -> Self {
        let factor = PivotedCholesky::new(&gram(&x.t()));
        let lower = factor.pivot_rows();
        if factor.pivots.len() == x.ncols() {
            return Normal::Independent { pivots: factor.pivots, lower };
        }
        let square = gram(&factor.factor.t());
        Normal::Columns { pivot_rows: lower, factor, square }
    }

    fn solve(&self, x: &Array2<f64>, y: &Array2<f64>) -> Array2<f64> {
        match self {
            Normal::Interpolation { rows, lower } => {
                let mut shares = y.select(Axis(0), rows);
                solve_lower(lower, &mut shares);
                solve_lower_transposed(lower, &mut shares);
                x.select(Axis(0), rows).t().dot(&shares)
            }
            Normal::Rows { span, square } => {
                let mut v = span.coordinates().t().dot(y);
                solve_positive_definite(square, &mut v);
                span.weights(x, &v)
            }
            Normal::Independent { pivots, lower } => {
                let mut u = x.t().dot(y).select(Axis(0), pivots);
                solve_lower(lower, &mut u);
                solve_lower_transposed(lower, &mut u);
                let mut weights = Array2::zeros(u.raw_dim());
                for (&p, row) in pivots.iter().zip(u.outer_iter()) {
                    weights.row_mut(p).assign(&row);
                }
                weights
            }
            Normal::Columns { factor, pivot_rows, square } => {
                let mut u = x.t().dot(y).select(Axis(0), &factor.pivots);
                solve_lower(pivot_rows, &mut u);
                solve_positive_definite(square, &mut u);
                factor.factor.dot(&u)
            }
        }
    }
}

struct FittedLinear {
    /// One output for two classes, one per class for more.
    model: LinearModel,
}

impl FittedClassifier for FittedLinear {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let scores = self.model.scores(features);
        let label = |row: ndarray::ArrayView1<'_, f64>| match row.len() {
            1 => u32::from(row[0] > 0.0),
            _ => argmax(&row.to_vec()),
        };
        Ok(Predictions::labels(scores.outer_iter().map(label).collect()))
    }

    fn coefficients(&self) -> Option<Coefficients> {
        Some(self.model.coefficients())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn minimum_norm_with_fewer_rows_than_columns() {
        // numpy.linalg.lstsq(x, y): [0, 1/3, 2/3, 1/3], rank 2.
        let x = array![[1.0, 0.0, 2.0, -1.0], [-1.0, 1.0, 0.0, 2.0], [0.0, -1.0, -2.0, -1.0]];
        let w = least_squares(&x, &array![[1.0], [1.0], [-2.0]]);
        let expected = array![[0.0], [1.0 / 3.0], [2.0 / 3.0], [1.0 / 3.0]];
        assert!((&w - &expected).iter().all(|e| e.abs() < 1e-13), "{w}");
    }

    #[test]
    fn minimum_norm_with_more_rows_than_independent_columns() {
        // numpy.linalg.lstsq(x, y): [0.2, 0.4, 0], rank 2.
        let x = array![[1.0, 2.0, 0.0], [-1.0, -2.0, 1.0], [2.0, 4.0, -1.0], [-2.0, -4.0, 0.0]];
        let w = least_squares(&x, &array![[1.0], [-1.0], [2.0], [-2.0]]);
        let expected = array![[0.2], [0.4], [0.0]];
        assert!((&w - &expected).iter().all(|e| e.abs() < 1e-13), "{w}");
    }

    #[test]
    fn ridge_solves_its_equations_with_few_rows_and_with_many() {
        let wide = array![[1.0, 0.0, 2.0, -1.0], [-1.0, 1.0, 0.0, 2.0], [0.0, -1.0, -2.0, -1.0]];
        let tall = array![[1.0, 2.0, 0.0], [-1.0, -2.0, 1.0], [2.0, 4.0, -1.0], [-2.0, -4.0, 0.0]];
        for x in [wide, tall] {
            let y = Array2::from_shape_fn((x.nrows(), 2), |(i, j)| i as f64 - 1.5 * j as f64);
            let w = ridge(&x, &y, 0.7).unwrap();
            // The gradient of the objective: Xᵀ (X W - Y) + λ W.
            let gradient = x.t().dot(&(x.dot(&w) - &y)) + 0.7 * &w;
            assert!(gradient.iter().all(|e| e.abs() < 1e-12), "{gradient}");
        }
    }

    #[test]
    fn a_penalty_below_rounding_is_refused_with_the_remedy() {
        let x = array![[1e8, 1e8], [1e8, 1e8], [-2e8, -2e8]];
        let error = ridge(&x, &array![[1.0], [1.0], [-2.0]], 1e-300).unwrap_err();
        assert!(error.to_string().contains("raise it, or leave it out"), "{error}");
    }
}
