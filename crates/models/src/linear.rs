//! What the linear models share: centred columns, a rank-revealing factor, and scores of fitted weights.
//!
//! Columns that are constant in the training rows get weight 0 in every model here: least squares of minimum norm,
//! L2-penalised logistic regression and a linear SVM all leave them to the intercept. So they are dropped first,
//! which halves the work on centred digits and takes nothing away.

use ndarray::{Array1, Array2, Axis, s};

use crate::classifier::Features;

/// The columns that vary in the training rows, each with its mean taken off.
pub(crate) struct Centred {
    /// Which columns of the examples these are, ascending.
    pub(crate) columns: Vec<usize>,
    /// The mean of each kept column.
    pub(crate) means: Array1<f64>,
    /// Rows × kept columns; every column sums to 0.
    pub(crate) x: Array2<f64>,
}

impl Centred {
    /// Centres the varying columns among `candidates` (ascending; all if `None`).
    pub(crate) fn new(features: &Features<'_>, candidates: Option<&[usize]>) -> Self {
        let varies = varying(features);
        let columns: Vec<usize> = match candidates {
            Some(chosen) => chosen.iter().copied().filter(|&j| varies[j]).collect(),
            None => (0..features.columns()).filter(|&j| varies[j]).collect(),
        };
        let mut x = gather(features, &columns);
        let means = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(columns.len()));
        x -= &means;
        Centred { columns, means, x }
    }

    /// The model with `weights` (kept columns × outputs) on the centred columns and `offsets` at their mean.
    pub(crate) fn model(&self, weights: Array2<f64>, offsets: &Array1<f64>) -> LinearModel {
        let intercepts = offsets - &self.means.dot(&weights);
        LinearModel { columns: self.columns.clone(), weights, intercepts }
    }
}

/// All values as a matrix.
pub(crate) fn matrix(features: &Features<'_>) -> Array2<f32> {
    Array2::from_shape_vec((features.rows(), features.columns()), features.values().to_vec())
        .unwrap_or_else(|_| unreachable!("features are rows × columns"))
}

/// Which columns hold more than one value.
fn varying(features: &Features<'_>) -> Vec<bool> {
    let mut varies = vec![false; features.columns()];
    if features.rows() == 0 {
        return varies;
    }
    let first = features.row(0);
    for i in 1..features.rows() {
        for ((flag, value), start) in varies.iter_mut().zip(features.row(i)).zip(first) {
            *flag |= value != start;
        }
    }
    varies
}

/// The given columns of all rows in double precision.
fn gather(features: &Features<'_>, columns: &[usize]) -> Array2<f64> {
    let mut x = Array2::zeros((features.rows(), columns.len()));
    for (i, mut row) in x.outer_iter_mut().enumerate() {
        let source = features.row(i);
        for (target, &j) in row.iter_mut().zip(columns) {
            *target = f64::from(source[j]);
        }
    }
    x
}

/// Linear scores: one output per column of the weights.
pub(crate) struct LinearModel {
    /// The columns of an example that have a weight.
    columns: Vec<usize>,
    /// Columns × outputs.
    weights: Array2<f64>,
    /// One per output.
    intercepts: Array1<f64>,
}

impl LinearModel {
    /// The scores of each row: rows × outputs.
    pub(crate) fn scores(&self, features: &Features<'_>) -> Array2<f64> {
        gather(features, &self.columns).dot(&self.weights) + &self.intercepts
    }
}

/// A symmetric positive semi-definite matrix A as L Lᵀ, with as many columns in L as A has rank.
///
/// Cholesky's factorisation with diagonal pivoting: Higham, "Analysis of the Cholesky decomposition of a
/// semi-definite matrix" (1990). The pivot is the row whose remaining diagonal is the largest share of its own
/// original diagonal, which makes the rank independent of the scale of single rows or columns.
pub(crate) struct PivotedCholesky {
    /// The rows that were chosen as pivots, in order.
    pub(crate) pivots: Vec<usize>,
    /// Rows of A × rank; the pivot rows, in order, form a lower triangle.
    pub(crate) factor: Array2<f64>,
}

/// A pivot whose remaining diagonal is a smaller share than this of its original diagonal is rounding noise.
const RANK_TOLERANCE: f64 = 1e-10;

impl PivotedCholesky {
    /// Factors `a`, of which only the values on and beside the diagonal of pivot rows are read.
    pub(crate) fn new(a: &Array2<f64>) -> Self {
        let n = a.nrows();
        let mut remaining = a.diag().to_owned();
        let mut used = vec![false; n];
        let mut pivots = Vec::new();
        // Columns of the factor are stored as rows of `columns` while they are made.
        let mut factor = Array2::<f64>::zeros((n, n));
        for k in 0..n {
            let Some(p) = best_pivot(a, &remaining, &used) else { break };
            used[p] = true;
            pivots.push(p);
            let root = remaining[p].sqrt();
            let pivot_row = factor.slice(s![p, ..k]).to_owned();
            for i in (0..n).filter(|&i| !used[i]) {
                let value = (a[[i, p]] - factor.slice(s![i, ..k]).dot(&pivot_row)) / root;
                factor[[i, k]] = value;
                remaining[i] -= value * value;
            }
            factor[[p, k]] = root;
        }
        let factor = factor.slice_move(s![.., ..pivots.len()]);
        PivotedCholesky { pivots, factor: factor.as_standard_layout().into_owned() }
    }

    /// The lower triangle of the pivot rows, rank × rank.
    pub(crate) fn pivot_rows(&self) -> Array2<f64> {
        self.factor.select(Axis(0), &self.pivots)
    }
}

/// The unused row with the largest share of its diagonal left, the first of equals; `None` if nothing is left.
fn best_pivot(a: &Array2<f64>, remaining: &Array1<f64>, used: &[bool]) -> Option<usize> {
    let mut best = None;
    let mut best_share = RANK_TOLERANCE;
    for i in (0..used.len()).filter(|&i| !used[i] && a[[i, i]] > 0.0) {
        let share = remaining[i] / a[[i, i]];
        if share > best_share {
            (best, best_share) = (Some(i), share);
        }
    }
    best
}

/// Solves L X = B in place for a lower triangle L.
pub(crate) fn solve_lower(l: &Array2<f64>, b: &mut Array2<f64>) {
    for i in 0..l.nrows() {
        let (done, mut rest) = b.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        for (j, solved) in done.outer_iter().enumerate() {
            row.scaled_add(-l[[i, j]], &solved);
        }
        row /= l[[i, i]];
    }
}

/// Solves Lᵀ X = B in place for a lower triangle L.
pub(crate) fn solve_lower_transposed(l: &Array2<f64>, b: &mut Array2<f64>) {
    for i in (0..l.nrows()).rev() {
        let (mut head, tail) = b.view_mut().split_at(Axis(0), i + 1);
        let mut row = head.row_mut(i);
        for (j, solved) in tail.outer_iter().enumerate() {
            row.scaled_add(-l[[i + 1 + j, i]], &solved);
        }
        row /= l[[i, i]];
    }
}

/// Solves A X = B in place for a positive definite A.
pub(crate) fn solve_positive_definite(a: &Array2<f64>, b: &mut Array2<f64>) {
    let factored = PivotedCholesky::new(a);
    let l = factored.pivot_rows();
    let mut permuted = b.select(Axis(0), &factored.pivots);
    solve_lower(&l, &mut permuted);
    solve_lower_transposed(&l, &mut permuted);
    b.fill(0.0);
    for (&p, row) in factored.pivots.iter().zip(permuted.outer_iter()) {
        b.row_mut(p).assign(&row);
    }
}

/// The rows of X in coordinates of their own span: X = C Bᵀ with orthonormal B, through the Gram matrix X Xᵀ.
///
/// A model that is penalised by ‖w‖² has its weights in the span of the rows (the representer theorem), and
/// ‖w‖ is the norm of its coordinates, so that it can be fitted on `coordinates`, rows × rank, instead of on X:
/// exact, and much cheaper when there are fewer rows than columns.
pub(crate) struct RowSpan {
    factor: PivotedCholesky,
}

impl RowSpan {
    /// The span of the rows of `x`.
    pub(crate) fn new(x: &Array2<f64>) -> Self {
        RowSpan { factor: PivotedCholesky::new(&x.dot(&x.t())) }
    }

    /// The rows in coordinates of their span: rows × rank.
    pub(crate) fn coordinates(&self) -> &Array2<f64> {
        &self.factor.factor
    }

    /// The weights on the columns of `x` that have these `coordinates` (rank × outputs).
    pub(crate) fn weights(&self, x: &Array2<f64>, coordinates: &Array2<f64>) -> Array2<f64> {
        let mut shares = coordinates.clone();
        solve_lower_transposed(&self.factor.pivot_rows(), &mut shares);
        x.select(Axis(0), &self.factor.pivots).t().dot(&shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::Shape;
    use ndarray::array;

    #[test]
    fn factor_reproduces_a_deficient_matrix_and_its_rank() {
        let rows = array![[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 1.0, 1e-3], [1.0, 3.0, 1e-3]];
        let gram = rows.dot(&rows.t());
        let factored = PivotedCholesky::new(&gram);
        assert_eq!(factored.pivots.len(), 2, "two of the four rows are combinations of the others");
        let back = factored.factor.dot(&factored.factor.t());
        assert!((&back - &gram).iter().all(|e| e.abs() < 1e-12), "{back} for {gram}");
    }

    #[test]
    fn rank_does_not_depend_on_scale() {
        let a = array![[1e8, 0.0], [0.0, 1e-8]];
        assert_eq!(PivotedCholesky::new(&a).pivots.len(), 2);
    }

    #[test]
    fn positive_definite_system_is_solved() {
        let a = array![[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 9.0]];
        let x = array![[1.0, -2.0], [0.5, 3.0], [-1.0, 0.25]];
        let mut b = a.dot(&x);
        solve_positive_definite(&a, &mut b);
        assert!((&b - &x).iter().all(|e| e.abs() < 1e-13), "{b}");
    }

    #[test]
    fn span_keeps_products_and_norms() {
        let x = array![[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 1.0, 3.0], [1.0, 3.0, 1.0, 4.0]];
        let span = RowSpan::new(&x);
        let v = array![[0.3], [-0.7]];
        let w = span.weights(&x, &v);
        let same = &x.dot(&w) - &span.coordinates().dot(&v);
        assert!(same.iter().all(|e| e.abs() < 1e-13), "{same}");
        let norms = w.iter().map(|e| e * e).sum::<f64>() - v.iter().map(|e| e * e).sum::<f64>();
        assert!(norms.abs() < 1e-13, "{norms}");
    }

    #[test]
    fn constant_columns_are_dropped_and_the_rest_centred() {
        let values = [1.0, 5.0, 2.0, 3.0, 5.0, 4.0];
        let centred = Centred::new(&Features::new(&values, Shape::table(3)), None);
        assert_eq!(centred.columns, [0, 2]);
        assert_eq!(centred.x, array![[-1.0, -1.0], [1.0, 1.0]]);
        assert_eq!(centred.means, array![2.0, 3.0]);
    }
}
