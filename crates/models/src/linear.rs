//! What the linear models share: centred columns, a rank-revealing factor, and scores of fitted weights.
//!
//! Columns that are constant in the training rows get weight 0 in every model here: least squares of minimum norm,
//! L2-penalised logistic regression and a linear SVM all leave them to the intercept. So they are dropped first,
//! which halves the work on centred digits and takes nothing away.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, Axis, s};

use crate::cholesky::gram;
use crate::classifier::{Coefficients, Features};
use crate::wide;

/// The columns that vary in the training rows, each with its mean taken off.
pub(crate) struct Centred {
    /// Which columns of the examples these are, ascending.
    pub(crate) columns: Vec<usize>,
    /// The mean of each kept column.
    pub(crate) means: Array1<f64>,
    /// Rows × kept columns; every column sums to 0.
    pub(crate) x: Array2<f64>,
    /// Columns of an example.
    total: usize,
}

impl Centred {
    /// Centres the varying columns among `candidates` (ascending; all if `None`).
    pub(crate) fn new(features: &Features<'_>, candidates: Option<&[usize]>) -> Self {
        let columns = varying_among(features, candidates);
        let mut x = gather(features, &columns);
        let means = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(columns.len()));
        x -= &means;
        Centred { columns, means, x, total: features.columns() }
    }

    /// The model with `weights` (kept columns × outputs) on the centred columns and `offsets` at their mean.
    pub(crate) fn model(&self, weights: Array2<f64>, offsets: &Array1<f64>) -> LinearModel {
        let intercepts = offsets - &self.means.dot(&weights);
        LinearModel { columns: self.columns.clone(), weights, intercepts, total: self.total }
    }
}

/// All values as a matrix.
pub(crate) fn matrix(features: &Features<'_>) -> Array2<f32> {
    Array2::from_shape_vec((features.rows(), features.columns()), features.values().to_vec())
        .unwrap_or_else(|_| unreachable!("features are rows × columns"))
}

/// Which columns hold more than one value.
pub(crate) fn varying(features: &Features<'_>) -> Vec<bool> {
    let mut flags = vec![0u32; features.columns()];
    for i in 1..features.rows() {
        wide::mark_different(features.row(i), features.row(0), &mut flags);
    }
    flags.iter().map(|&flag| flag != 0).collect()
}

/// The columns that vary among `candidates` (ascending; all if `None`).
pub(crate) fn varying_among(features: &Features<'_>, candidates: Option<&[usize]>) -> Vec<usize> {
    let varies = varying(features);
    match candidates {
        Some(chosen) => chosen.iter().copied().filter(|&j| varies[j]).collect(),
        None => (0..features.columns()).filter(|&j| varies[j]).collect(),
    }
}

/// The given columns of all rows, row after row.
pub(crate) fn pick(features: &Features<'_>, columns: &[usize]) -> Vec<f32> {
    let mut values = Vec::with_capacity(features.rows() * columns.len());
    for i in 0..features.rows() {
        let row = features.row(i);
        values.extend(columns.iter().map(|&j| row[j]));
    }
    values
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
    /// Columns of an example.
    total: usize,
}

/// Rows scored at once: few enough for the cache.
const BLOCK: usize = 64;

impl LinearModel {
    /// Weights (columns × outputs) on some of an example's `total` columns, and intercepts.
    pub(crate) fn new(
        columns: Vec<usize>,
        weights: Array2<f64>,
        intercepts: Array1<f64>,
        total: usize,
    ) -> Self {
        LinearModel { columns, weights, intercepts, total }
    }

    /// The scores of each row: rows × outputs.
    pub(crate) fn scores(&self, features: &Features<'_>) -> Array2<f64> {
        let (outputs, all) = (self.weights.ncols(), features.columns());
        let intercepts = self.intercepts.to_vec();
        let mut scores = Vec::with_capacity(features.rows() * outputs);
        // Few columns are picked out of each row; of many, all are taken, those left out with weight 0.
        let few = 4 * self.columns.len() < all;
        let width = if few { self.columns.len() } else { all };
        let mut weights = vec![0.0; outputs * width];
        for (place, (&j, row)) in self.columns.iter().zip(self.weights.outer_iter()).enumerate() {
            let at = if few { place } else { j };
            row.iter().enumerate().for_each(|(o, &weight)| weights[o * width + at] = weight);
        }
        for block in features.values().chunks(BLOCK * all) {
            if width == 0 {
                (0..block.len() / all).for_each(|_| scores.extend(&intercepts));
            } else if few {
                let picked = pick(&Features::new(block, features.shape()), &self.columns);
                scores.extend(wide::products(&picked, width, &weights, &intercepts));
            } else {
                scores.extend(wide::products(block, width, &weights, &intercepts));
            }
        }
        Array2::from_shape_vec((features.rows(), outputs), scores)
            .unwrap_or_else(|_| unreachable!("one score per row and output"))
    }

    /// The weights on all columns of an example, 0 on those left out.
    pub(crate) fn coefficients(&self) -> Coefficients {
        let mut weights = vec![0.0; self.intercepts.len() * self.total];
        for (k, own) in self.weights.axis_iter(Axis(1)).enumerate() {
            for (&j, &weight) in self.columns.iter().zip(own) {
                weights[k * self.total + j] = weight;
            }
        }
        Coefficients { weights, intercepts: self.intercepts.to_vec() }
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

/// Columns of a factor that are made before the rest of the matrix is brought up to date.
const FACTOR_BLOCK: usize = 48;

/// Copies the values below the diagonal in these columns of a square matrix to the other side, in tiles that stay in
/// the cache.
pub(crate) fn mirror<T: Copy>(values: &mut Array2<T>, columns: Range<usize>) {
    const TILE: usize = 16;
    let n = values.nrows();
    let Some(values) = values.as_slice_mut() else { return };
    for first in (columns.end..n).step_by(TILE) {
        for column in columns.clone() {
            for row in first..n.min(first + TILE) {
                values[column * n + row] = values[row * n + column];
            }
        }
    }
}

/// A pivot whose remaining diagonal is a smaller share than this of its original diagonal is rounding noise.
const RANK_TOLERANCE: f64 = 1e-10;

impl PivotedCholesky {
    /// Factors `a`, a block of columns at a time: what a block takes off the rest of the matrix is one product.
    pub(crate) fn new(a: &Array2<f64>) -> Self {
        let n = a.nrows();
        let original = a.diag().to_owned();
        let mut factor = Array2::<f64>::zeros((n, n));
        let mut pivots = Vec::new();
        // The rows that are no pivots yet, and what is left of the matrix in these.
        let mut live: Vec<usize> = (0..n).collect();
        let mut rest = a.as_standard_layout().into_owned();
        while !live.is_empty() {
            let shares: Vec<f64> = live.iter().map(|&i| original[i]).collect();
            let (chosen, block) = factor_block(&rest, &shares);
            for (k, column) in block.outer_iter().enumerate() {
                let at = pivots.len() + k;
                live.iter().zip(column).for_each(|(&i, &value)| factor[[i, at]] = value);
            }
            pivots.extend(chosen.iter().map(|&p| live[p]));
            if chosen.len() < FACTOR_BLOCK {
                break; // nothing is left
            }
            let kept: Vec<usize> = (0..live.len()).filter(|i| !chosen.contains(i)).collect();
            let block = block.select(Axis(1), &kept);
            rest = rest.select(Axis(0), &kept).select(Axis(1), &kept);
            general_mat_mul(-1.0, &block.t(), &block, 1.0, &mut rest);
            live = kept.iter().map(|&i| live[i]).collect();
        }
        let factor = factor.slice_move(s![.., ..pivots.len()]);
        PivotedCholesky { pivots, factor: factor.as_standard_layout().into_owned() }
    }

    /// The lower triangle of the pivot rows, rank × rank.
    pub(crate) fn pivot_rows(&self) -> Array2<f64> {
        self.factor.select(Axis(0), &self.pivots)
    }
}

/// The next pivots of the matrix `rest`, at most [`FACTOR_BLOCK`], and their columns of the factor as rows. `original`
/// holds the diagonal that the rows had at first.
fn factor_block(rest: &Array2<f64>, original: &[f64]) -> (Vec<usize>, Array2<f64>) {
    let n = rest.nrows();
    let mut remaining = rest.diag().to_vec();
    let mut chosen: Vec<usize> = Vec::new();
    let mut block: Vec<f64> = Vec::new();
    while chosen.len() < FACTOR_BLOCK.min(n) {
        let Some(p) = best_pivot(&remaining, original, &chosen) else { break };
        let root = remaining[p].sqrt();
        // The matrix is symmetric: the pivot's row, which lies side by side, is its column.
        let mut column = rest.row(p).to_vec();
        let row = |k: usize| &block[k * n..(k + 1) * n];
        for k in (0..chosen.len()).step_by(4) {
            let four = [k, k + 1, k + 2, k + 3];
            let scale = |k: usize| if k < chosen.len() { -row(k)[p] } else { 0.0 };
            let rows = four.map(|k| row(k.min(chosen.len() - 1)));
            wide::add_scaled(four.map(scale), rows, &mut column);
        }
        column.iter_mut().for_each(|value| *value /= root);
        chosen.iter().for_each(|&done| column[done] = 0.0);
        column[p] = root;
        remaining.iter_mut().zip(&column).for_each(|(left, value)| *left -= value * value);
        chosen.push(p);
        block.extend(column);
    }
    let block = Array2::from_shape_vec((chosen.len(), n), block)
        .unwrap_or_else(|_| unreachable!("one row per pivot"));
    (chosen, block)
}

/// The row, none of those `chosen`, with the largest share of its diagonal left, the first of equals; `None` if nothing
/// is left.
fn best_pivot(remaining: &[f64], original: &[f64], chosen: &[usize]) -> Option<usize> {
    let mut best = None;
    let mut best_share = RANK_TOLERANCE;
    for (i, (left, of)) in remaining.iter().zip(original).enumerate() {
        // Cheaper than the share itself, and false where nothing was there.
        if *left > best_share * of && *of > 0.0 && !chosen.contains(&i) {
            (best, best_share) = (Some(i), left / of);
        }
    }
    best
}

/// Solves L X = B in place for a lower triangle L.
pub(crate) fn solve_lower(l: &Array2<f64>, b: &mut Array2<f64>) {
    let mut columns = columns_of(b);
    for four in columns.chunks_mut(4) {
        let last = four.len() - 1;
        for i in 0..l.nrows() {
            let Some(row) = l.row(i).to_slice() else { continue };
            let known = [0, 1, 2, 3].map(|k| &four[k.min(last)][..i]);
            let sums = wide::dots(known, &row[..i]);
            four.iter_mut().zip(sums).for_each(|(x, sum)| x[i] = (x[i] - sum) / row[i]);
        }
    }
    put_columns(&columns, b);
}

/// Solves Lᵀ X = B in place for a lower triangle L.
pub(crate) fn solve_lower_transposed(l: &Array2<f64>, b: &mut Array2<f64>) {
    let mut columns = columns_of(b);
    let row = |i: usize| l.row(i).to_slice().unwrap_or_default();
    for x in &mut columns {
        let mut end = l.nrows();
        while end > 0 {
            // Four unknowns at a time, and what they take off those before them.
            let start = end.saturating_sub(4);
            for i in (start..end).rev() {
                x[i] /= row(i)[i];
                for j in start..i {
                    x[j] -= row(i)[j] * x[i];
                }
            }
            let (before, found) = x.split_at_mut(start);
            let scale = |k: usize| found.get(k).filter(|_| start + k < end).map_or(0.0, |v| -v);
            let rows = [0, 1, 2, 3].map(|k| row((start + k).min(end - 1)));
            wide::add_scaled([0, 1, 2, 3].map(scale), rows, before);
            end = start;
        }
    }
    put_columns(&columns, b);
}

/// The columns of a matrix, each side by side.
fn columns_of(b: &Array2<f64>) -> Vec<Vec<f64>> {
    b.columns().into_iter().map(|column| column.to_vec()).collect()
}

fn put_columns(columns: &[Vec<f64>], b: &mut Array2<f64>) {
    for (mut column, values) in b.columns_mut().into_iter().zip(columns) {
        column.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
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
        RowSpan { factor: PivotedCholesky::new(&gram(&x.view())) }
    }

    /// The rows in coordinates of their span: rows × rank.
    pub(crate) fn coordinates(&self) -> &Array2<f64> {
        &self.factor.factor
    }

    /// The rows that span, and the lower triangle L of their factor: their Gram matrix is L Lᵀ.
    pub(crate) fn spanning(&self) -> (&[usize], Array2<f64>) {
        (&self.factor.pivots, self.factor.pivot_rows())
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
