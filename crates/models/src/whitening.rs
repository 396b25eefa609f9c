//! Coordinates in which the Euclidean distance is Mahalanobis' distance of a shrunk covariance within classes.
//!
//! Σ = (1 - δ) S + δ μ I, with S the pooled covariance of the rows about their class's mean (divided by n), μ the mean of
//! its diagonal, and the shrinkage δ of Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance
//! matrices", 2004, as scikit-learn's `LedoitWolf(assume_centered=True)` computes it. A row a becomes F a with
//! FᵀF = Σ⁻¹, so that ‖F a - F b‖² = (a - b)ᵀ Σ⁻¹ (a - b).
//!
//! With more rows than columns F is the inverse of Σ's Cholesky factor. With fewer, Σ is α = δ μ times the identity
//! beside the span of the centred rows, whose orthonormal basis is B: with (1 - δ) BᵀSB + α I = L Lᵀ,
//! F a = (L⁻¹ Bᵀa, (a - B Bᵀa) / √α), which needs nothing of the size columns × columns (Woodbury's identity, read as
//! coordinates).

use ndarray::{Array2, Axis, concatenate};

use crate::cholesky::gram;
use crate::classifier::{Features, TrainingSet};
use crate::linear::{PivotedCholesky, RowSpan, matrix, solve_lower};

/// The map a -> F a.
pub(crate) enum Whitening {
    /// The inverse of Σ's Cholesky factor L; its rows and columns are in the order of the pivots.
    Whole { pivots: Vec<usize>, lower: Array2<f64> },
    /// B (columns × rank), L (rank × rank, in the order of its pivots), and √α.
    Span { basis: Array2<f64>, pivots: Vec<usize>, lower: Array2<f64>, root: f64 },
}

/// Least share of μ that α may be, so that directions without any spread stay finite.
const LEAST_SHARE: f64 = 1e-12;

impl Whitening {
    /// The map of a training set; `None` if no row differs from its class's mean, where every direction is alike.
    pub(crate) fn new(train: &TrainingSet<'_>) -> Option<Self> {
        let z = within_classes(train);
        let (n, d) = (z.nrows() as f64, z.ncols() as f64);
        let squares = z.map_axis(Axis(1), |row| row.dot(&row));
        let total = squares.sum();
        if total <= 0.0 {
            return None;
        }
        let by_rows = z.nrows() < z.ncols();
        let products = if by_rows { gram(&z.view()) } else { gram(&z.t()) };
        let norm = products.iter().map(|p| p * p).sum::<f64>();
        let fourth = squares.iter().map(|square| square * square).sum::<f64>();
        let mu = total / n / d;
        let shrinkage = shrinkage(n, d, mu, norm, fourth);
        let alpha = mu * shrinkage.max(LEAST_SHARE);
        let shrunk = |mut square: Array2<f64>| {
            square *= (1.0 - shrinkage) / n;
            square.diag_mut().mapv_inplace(|v| v + alpha);
            let factored = PivotedCholesky::new(&square);
            (factored.pivot_rows(), factored.pivots)
        };
        if !by_rows {
            let (lower, pivots) = shrunk(products);
            return Some(Whitening::Whole { pivots, lower });
        }
        let span = RowSpan::new(&z);
        let coordinates = span.coordinates();
        let (lower, pivots) = shrunk(gram(&coordinates.t()));
        let basis = span.weights(&z, &Array2::eye(coordinates.ncols()));
        Some(Whitening::Span { basis, pivots, lower, root: alpha.sqrt() })
    }

    /// F a for each row: rows × (columns, or rank + columns).
    pub(crate) fn apply(&self, features: &Features<'_>) -> Array2<f64> {
        let x = matrix(features).mapv(f64::from);
        match self {
            Whitening::Whole { pivots, lower } => solved(lower, pivots, &x),
            Whitening::Span { basis, pivots, lower, root } => {
                let coordinates = x.dot(basis);
                let rest = (&x - &coordinates.dot(&basis.t())) / *root;
                let inside = solved(lower, pivots, &coordinates);
                let whole = concatenate(Axis(1), &[inside.view(), rest.view()])
                    .unwrap_or_else(|_| unreachable!("both have one row per example"));
                whole.as_standard_layout().into_owned()
            }
        }
    }
}

/// L⁻¹ of each row of `x`, whose columns are taken in the order of L's pivots.
fn solved(lower: &Array2<f64>, pivots: &[usize], x: &Array2<f64>) -> Array2<f64> {
    let mut columns = x.t().select(Axis(0), pivots);
    solve_lower(lower, &mut columns);
    columns.t().as_standard_layout().into_owned()
}

/// The rows less the mean of their class.
fn within_classes(train: &TrainingSet<'_>) -> Array2<f64> {
    let mut z = matrix(&train.features()).mapv(f64::from);
    let mut means = Array2::<f64>::zeros((train.classes(), z.ncols()));
    for (row, &label) in z.outer_iter().zip(train.labels()) {
        let mut sum = means.row_mut(label as usize);
        sum += &row;
    }
    for (mut mean, count) in means.outer_iter_mut().zip(train.class_counts()) {
        mean /= count as f64;
    }
    for (mut row, &label) in z.outer_iter_mut().zip(train.labels()) {
        row -= &means.row(label as usize);
    }
    z
}

/// δ for n rows and d columns, from μ, ‖ZᵀZ‖² (Frobenius) and Σ ‖z_i‖⁴.
fn shrinkage(n: f64, d: f64, mu: f64, norm: f64, fourth: f64) -> f64 {
    let norm = norm / (n * n);
    let spread = (fourth / n - norm) / (d * n);
    let distance = (norm - d * mu * mu) / d;
    let spread = spread.min(distance);
    if spread > 0.0 { spread / distance } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::Shape;

    /// Two classes of six rows each.
    #[rustfmt::skip]
    const VALUES: [f32; 36] = [
        1.0, 2.5, 0.0, 2.0, 4.0, -1.0, 3.0, 5.5, -2.0, 4.0, 9.0, -4.5, 5.0, 9.5, -4.0, 6.0, 12.5, -6.0,
        0.0, 5.0, 1.0, 1.0, 6.5, 0.5, 2.0, 9.5, -1.0, 3.0, 11.0, -2.5, 4.0, 13.0, -2.0, 5.0, 15.5, -5.0,
    ];
    const LABELS: [u32; 12] = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1];

    /// The squared distances of row 0 to rows 1, 5, 6 and 11.
    fn distances(values: &[f32]) -> Vec<f64> {
        let features = Features::new(values, Shape::table(values.len() / 12));
        let train = TrainingSet::new(features, &LABELS, 2).unwrap();
        let mapped = Whitening::new(&train).unwrap().apply(&features);
        [1, 5, 6, 11].map(|j| (&mapped.row(0) - &mapped.row(j)).mapv(|v| v * v).sum()).to_vec()
    }

    fn close(ours: &[f64], theirs: &[f64]) {
        assert!(
            ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-6 * b),
            "{ours:?} for {theirs:?}"
        );
    }

    // The numbers are (a - b) P (a - b) with P = LedoitWolf(assume_centered=True).fit(x - class means).precision_ of
    // scikit-learn 1.9.1; its shrinkage is 0.0963 and 0.1132.

    #[test]
    fn distances_are_those_of_scikit_learn_s_precision() {
        close(&distances(&VALUES), &[0.3355193989, 8.996132958, 10.19399658, 21.48971668]);
    }

    #[test]
    fn with_fewer_rows_than_columns_too() {
        let wide: Vec<f32> = VALUES
            .chunks(3)
            .flat_map(|r| {
                let (a, b, c) = (r[0], r[1], r[2]);
                let squares = [a * b, b * c, a * c, a * a, 0.0, b * b, c * c];
                [&[a, b, c][..], &squares, &[a * a * a / 8.0, b + c, 1.0, a - b]].concat()
            })
            .collect();
        close(&distances(&wide), &[0.1438539012, 12.60134867, 3.281295895, 22.4304162]);
    }

    #[test]
    fn one_row_a_class_has_no_spread() {
        let features = Features::new(&VALUES[..6], Shape::table(3));
        assert!(Whitening::new(&TrainingSet::new(features, &[0, 1], 2).unwrap()).is_none());
    }
}
