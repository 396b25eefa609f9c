//! Linear discriminant analysis: classes as normal distributions of one covariance, shrunk so that it can be inverted.
//!
//! The score of class c at x is xᵀ Σ⁻¹ m_c - ½ m_cᵀ Σ⁻¹ m_c + ln π_c with class means m_c and priors π_c, and the
//! probabilities are the softmax of the scores. Σ = Σ_c π_c S_c, and S_c, the covariance of class c, is shrunk as in
//! scikit-learn's `LinearDiscriminantAnalysis(solver = "lsqr", shrinkage = …)`:
//!
//! - `"auto"`: the rows of the class are scaled to variance 1 per feature (features constant in the class are left as
//!   they are), their covariance C shrunk to (1 - δ) C + δ μ I, with μ the mean of its diagonal and δ of Ledoit and
//!   Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004), and scaled back.
//! - a number δ: S_c becomes (1 - δ) S_c + δ μ_c I, with μ_c the mean variance in the class. `"none"`: δ = 0.
//!
//! Either way Σ is a diagonal plus one outer product per row, D + UᵀU. With fewer rows than features it is inverted by
//! Woodbury's identity through an n × n matrix, else as it is. Where nothing is shrunk (classes of two rows or fewer
//! have δ = 0) and Σ has no inverse, its pseudo-inverse takes the place, which is scikit-learn's least-squares solution
//! of minimum norm; where no two rows share a class, so that Σ = 0, the class with the nearest mean wins, and
//! scikit-learn gives up.

use ndarray::{Array1, Array2, Axis};

use crate::cholesky::{Cholesky, gram};
use crate::classifier::{
    Classifier, Coefficients, Features, Fit, FitContext, FitError, FittedClassifier, Predictions,
    TrainingSet,
};
use crate::linear::{Centred, LinearModel, RowSpan, solve_positive_definite};
use crate::newton::probabilities;
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, SettingError, Settings, Value};
use crate::tuning::{AutoAxis, Simpler, Try, Tuning};

/// `kind = "lda"`.
pub(crate) const KIND: Kind = Kind {
    name: "lda",
    summary: "linear discriminant analysis with a shrunk covariance",
    caveat: None,
    params: &[
        Param {
            name: "shrinkage",
            domain: Domain::OneOfOrAbove { words: &["auto", "none"], above: 0.0 },
            default: Default::Text("auto"),
            doc: "of each class's covariance towards a diagonal: by Ledoit and Wolf, not at all, or a share up to 1",
        },
        Param {
            name: "priors",
            domain: Domain::OneOf(&["empirical", "uniform"]),
            default: Default::Text("empirical"),
            doc: "how likely a class is before its features are seen: as in the training rows, or all alike",
        },
    ],
    tuning: Tuning {
        auto: &[AutoAxis {
            name: "shrinkage",
            values: Try::These(&[
                // Beside a word values rank as listed: from the simplest on, after the default.
                Default::Text("auto"),
                Default::Float(0.9),
                Default::Float(0.6),
                Default::Float(0.3),
                Default::Float(0.1),
            ]),
        }],
        simpler: &[("shrinkage", Simpler::Larger)],
        shared: None,
    },
    build: |settings| {
        Ok(Box::new(Lda {
            shrinkage: Shrinkage::new(settings)?,
            uniform: settings.text("priors") == Some("uniform"),
        }))
    },
};

#[derive(Clone, Copy, Debug)]
enum Shrinkage {
    LedoitWolf,
    Share(f64),
}

impl Shrinkage {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        match settings.get("shrinkage") {
            Some(Value::Float(share)) if *share > 1.0 => Err(SettingError::Invalid {
                key: "shrinkage".to_owned(),
                value: format!("{share:?}"),
                expected: "\"auto\" | \"none\" | a number > 0 and ≤ 1".to_owned(),
            }),
            Some(Value::Float(share)) => Ok(Shrinkage::Share(*share)),
            Some(Value::Text(word)) if word == "none" => Ok(Shrinkage::Share(0.0)),
            _ => Ok(Shrinkage::LedoitWolf),
        }
    }
}

#[derive(Debug)]
struct Lda {
    shrinkage: Shrinkage,
    uniform: bool,
}

impl Classifier for Lda {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let classes = train.classes();
        let counts = train.class_counts();
        let prior = |class: usize| match self.uniform {
            true => 1.0 / classes as f64,
            false => counts[class] as f64 / train.rows() as f64,
        };
        let priors: Vec<f64> = (0..classes).map(prior).collect();
        let centred = Centred::new(&train.features(), None);
        let means = class_means(&centred.x, train.labels(), &counts);
        let mut covariance = Covariance::new(centred.x.clone(), train.features().columns());
        for (class, prior) in priors.iter().enumerate() {
            context.check()?;
            let rows: Vec<usize> =
                (0..train.rows()).filter(|&i| train.labels()[i] as usize == class).collect();
            covariance.add_class(&rows, &means.row(class).to_owned(), *prior, self.shrinkage);
        }
        // Two classes need the difference of their scores alone.
        let differences = if classes == 2 {
            (&means.row(1) - &means.row(0)).insert_axis(Axis(1))
        } else {
            means.t().as_standard_layout().into_owned()
        };
        let weights = covariance.solve(differences)?;
        let offset = |k: usize| {
            let weights = weights.column(k);
            match classes {
                2 => {
                    let middle = (&means.row(0) + &means.row(1)) / 2.0;
                    libm::log(priors[1] / priors[0]) - middle.dot(&weights)
                }
                _ => libm::log(priors[k]) - 0.5 * means.row(k).dot(&weights),
            }
        };
        let offsets: Array1<f64> = (0..weights.ncols()).map(offset).collect();
        let model = centred.model(weights, &offsets);
        Ok(Fit::new(FittedLda { model }))
    }
}

/// The mean row of each class: classes × columns.
fn class_means(x: &Array2<f64>, labels: &[u32], counts: &[usize]) -> Array2<f64> {
    let mut means = Array2::zeros((counts.len(), x.ncols()));
    for (row, &label) in x.outer_iter().zip(labels) {
        let mut sum = means.row_mut(label as usize);
        sum += &row;
    }
    for (mut mean, &count) in means.outer_iter_mut().zip(counts) {
        mean /= count as f64;
    }
    means
}

/// Σ = D + UᵀU, put together class by class.
struct Covariance {
    /// U: one row per training row.
    rows: Array2<f64>,
    /// D.
    diagonal: Array1<f64>,
    /// Features of an example, those that are constant in all rows included.
    columns: f64,
}

/// Less shrinkage than this is what rounding makes of none.
const NO_SHRINKAGE: f64 = 1e-12;

impl Covariance {
    /// Of the training rows `x`, centred columns that vary, when there are `columns` in all.
    fn new(x: Array2<f64>, columns: usize) -> Self {
        Covariance { diagonal: Array1::zeros(x.ncols()), rows: x, columns: columns as f64 }
    }

    /// Adds π_c S_c, where `rows` are the rows of the class, with this `mean`.
    fn add_class(&mut self, rows: &[usize], mean: &Array1<f64>, prior: f64, shrinkage: Shrinkage) {
        let n = rows.len() as f64;
        let mut variances = Array1::<f64>::zeros(mean.len());
        for &i in rows {
            let mut row = self.rows.row_mut(i);
            row -= mean;
            variances.zip_mut_with(&row, |v, d| *v += d * d);
        }
        variances /= n;
        // What rounding leaves of a column that is constant in the class.
        let constant = |j: usize| variances[j] <= n * (mean[j] * f64::EPSILON * n).powi(2);
        let varies: Vec<bool> = (0..mean.len()).map(|j| !constant(j)).collect();
        let (share, target) =
            match shrinkage {
                Shrinkage::Share(share) => {
                    let mean_variance = variances.sum() / self.columns;
                    (share, Array1::from_elem(mean.len(), mean_variance))
                }
                Shrinkage::LedoitWolf => {
                    let scales = Array1::from_shape_fn(mean.len(), |j| {
                        if varies[j] { variances[j] } else { 1.0 }
                    });
                    let varying = varies.iter().filter(|v| **v).count() as f64;
                    let share = self.ledoit_wolf(rows, &scales, varying);
                    (share, scales * (varying / self.columns))
                }
            };
        self.diagonal.scaled_add(prior * share, &target);
        let scale = (prior * (1.0 - share) / n).sqrt();
        for &i in rows {
            self.rows.row_mut(i).mapv_inplace(|d| scale * d);
        }
    }

    /// Ledoit and Wolf's δ for the deviations in `rows`, divided by the roots of `scales`; `varying` of them vary.
    fn ledoit_wolf(&self, rows: &[usize], scales: &Array1<f64>, varying: f64) -> f64 {
        let (n, d) = (rows.len() as f64, self.columns);
        if rows.len() < 2 || self.columns < 2.0 {
            return 0.0;
        }
        let z = self.rows.select(Axis(0), rows) / &scales.mapv(f64::sqrt);
        let squares: f64 = z.outer_iter().map(|row| row.dot(&row).powi(2)).sum();
        let small = if z.nrows() <= z.ncols() { gram(&z.view()) } else { gram(&z.t()) };
        // The sum of the squared entries of the covariance, which has the same eigenvalues as the Gram matrix.
        let norm = small.iter().map(|v| v * v).sum::<f64>() / (n * n);
        let mu = varying / d;
        let noise = (squares / n - norm) / (d * n);
        let spread = (norm - d * mu * mu) / d;
        let share = noise.min(spread) / spread;
        if share > NO_SHRINKAGE { share } else { 0.0 }
    }

    /// Σ⁻¹ B, or what takes its place (see the module's text).
    fn solve(&self, b: Array2<f64>) -> Result<Array2<f64>, FitError> {
        let failed = || FitError::Failed("the covariance is not positive definite".to_owned());
        let (n, d) = self.rows.dim();
        if d == 0 {
            return Ok(b);
        }
        if self.diagonal.iter().all(|&v| v == 0.0) {
            return Ok(self.solve_singular(b));
        }
        if n >= d {
            let mut sigma = gram(&self.rows.t());
            let mut diagonal = sigma.diag_mut();
            diagonal += &self.diagonal;
            let mut x = b;
            Cholesky::new(sigma).ok_or_else(failed)?.solve(&mut x);
            return Ok(x);
        }
        // Σ⁻¹ = D^-½ (I - Vᵀ (I + V Vᵀ)⁻¹ V) D^-½ with V = U D^-½.
        let roots = self.diagonal.mapv(f64::sqrt);
        let v = &self.rows / &roots;
        let column = roots.insert_axis(Axis(1));
        let scaled = b / &column;
        let mut inner = gram(&v.view());
        inner.diag_mut().mapv_inplace(|value| value + 1.0);
        let mut shares = v.dot(&scaled);
        Cholesky::new(inner).ok_or_else(failed)?.solve(&mut shares);
        Ok((scaled - v.t().dot(&shares)) / &column)
    }

    /// (UᵀU)⁺ B; B itself if U is 0.
    fn solve_singular(&self, b: Array2<f64>) -> Array2<f64> {
        if self.rows.iter().all(|&v| v == 0.0) {
            return b;
        }
        // U = C Qᵀ with orthonormal Q, so that (UᵀU)⁺ = Q (CᵀC)⁻¹ Qᵀ, and Qᵀ b = C⁺ U b.
        let span = RowSpan::new(&self.rows);
        let c = span.coordinates();
        let square = c.t().dot(c);
        let mut shares = c.t().dot(&self.rows.dot(&b));
        solve_positive_definite(&square, &mut shares);
        solve_positive_definite(&square, &mut shares);
        span.weights(&self.rows, &shares)
    }
}

struct FittedLda {
    /// One output for two classes, one per class for more.
    model: LinearModel,
}

impl FittedClassifier for FittedLda {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let shares = probabilities(&self.model.scores(features));
        if shares.ncols() == 1 {
            let both = shares.iter().flat_map(|&p| [(1.0 - p) as f32, p as f32]).collect();
            return Ok(Predictions::from_probabilities(both, 2));
        }
        let classes = shares.ncols();
        let all = shares.iter().map(|&p| p as f32).collect();
        Ok(Predictions::from_probabilities(all, classes))
    }

    fn coefficients(&self) -> Option<Coefficients> {
        Some(self.model.coefficients())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// Six rows of four columns, of which the third is constant in class 0.
    fn rows() -> Array2<f64> {
        let x = array![
            [0.0, 1.0, 2.0, 0.5],
            [1.0, 3.0, 2.0, 0.1],
            [0.5, 0.0, 2.0, 0.7],
            [2.0, 1.0, 3.0, 0.2],
            [4.0, 0.5, 1.0, 0.9],
            [3.0, 2.5, 2.5, 0.4]
        ];
        let mean = x.mean_axis(Axis(0)).unwrap();
        x - mean
    }

    fn covariance(shrinkage: Shrinkage) -> Covariance {
        let x = rows();
        let means = class_means(&x, &[0, 0, 0, 1, 1, 1], &[3, 3]);
        let mut covariance = Covariance::new(x, 4);
        for (class, rows) in [[0, 1, 2], [3, 4, 5]].iter().enumerate() {
            covariance.add_class(rows, &means.row(class).to_owned(), 0.5, shrinkage);
        }
        covariance
    }

    #[test]
    fn covariance_is_that_of_scikit_learn() {
        // sklearn 1.9.1: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=…).fit(x, y).covariance_ of the rows above.
        let dense = |c: &Covariance| c.rows.t().dot(&c.rows) + Array2::from_diag(&c.diagonal);
        let auto = dense(&covariance(Shrinkage::LedoitWolf));
        let expected = array![
            [0.40966666666666657, 0.06011862844948836, -0.20219215286871323, 0.0486339201707163],
            [0.06011862844948836, 1.0735555555555554, 0.10952074947055301, -0.13867251564091368],
            [-0.20219215286871323, 0.10952074947055301, 0.48711111111111105, -0.0758220573257675],
            [0.04863392017071631, -0.1386725156409137, -0.07582205732576748, 0.0718311111111111]
        ];
        assert!((&auto - &expected).iter().all(|e| e.abs() < 1e-12), "{auto}");
        let third = dense(&covariance(Shrinkage::Share(0.3)));
        let first_row =
            array![0.441, 0.05833333333333333, -0.2333333333333333, 0.05833333333333333];
        assert!((&third.row(0) - &first_row).iter().all(|e| e.abs() < 1e-12), "{third}");
    }

    #[test]
    fn solutions_solve_with_few_rows_and_with_many() {
        for shrinkage in [Shrinkage::LedoitWolf, Shrinkage::Share(0.3)] {
            let wide = covariance(shrinkage);
            // Columns repeated: more columns than rows, by Woodbury's identity.
            let repeated = Covariance {
                rows: ndarray::concatenate![Axis(1), wide.rows, wide.rows],
                diagonal: ndarray::concatenate![Axis(0), wide.diagonal, wide.diagonal],
                columns: 8.0,
            };
            for c in [wide, repeated] {
                let d = c.rows.ncols();
                let x = Array2::from_shape_fn((d, 2), |(i, j)| i as f64 - 2.0 * j as f64);
                let sigma = c.rows.t().dot(&c.rows) + Array2::from_diag(&c.diagonal);
                let solved = c.solve(sigma.dot(&x)).unwrap();
                assert!((&solved - &x).iter().all(|e| e.abs() < 1e-10), "{solved}");
            }
        }
    }

    #[test]
    fn without_shrinkage_the_solution_has_minimum_norm() {
        // numpy.linalg.pinv([[1, 2], [2, 4]]) @ [1, 1] = [.12, .24] · … = [3/25, 6/25].
        let c = Covariance { rows: array![[1.0, 2.0]], diagonal: Array1::zeros(2), columns: 2.0 };
        let x = c.solve(array![[1.0], [1.0]]).unwrap();
        assert!((&x - &array![[0.12], [0.24]]).iter().all(|e| e.abs() < 1e-14), "{x}");
    }
}
