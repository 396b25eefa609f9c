//! Cholesky's factorisation of positive definite matrices in blocks, so that nearly all work is matrix products.
//!
//! A = L Lᵀ with a lower triangle L: Golub and Van Loan, "Matrix computations" (4th edition), section 4.2.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, s};

use crate::linear::mirror;

/// Rows factored together.
const BLOCK: usize = 48;

/// The factor L of a positive definite matrix; above its diagonal is nothing of meaning.
pub(crate) struct Cholesky {
    l: Array2<f64>,
}

impl Cholesky {
    /// Factors `a`, of which only the lower triangle is read; `None` if a pivot is not above 0.
    pub(crate) fn new(mut a: Array2<f64>) -> Option<Self> {
        let n = a.nrows();
        for start in (0..n).step_by(BLOCK) {
            let end = n.min(start + BLOCK);
            let (done, mut rest) = a.slice_mut(s![start.., ..]).split_at(Axis(1), start);
            let mut panel = rest.slice_mut(s![.., ..end - start]);
            let pivots = done.slice(s![..end - start, ..]);
            general_mat_mul(-1.0, &done, &pivots.t(), 1.0, &mut panel);
            factor_panel(a.slice_mut(s![start.., start..end]))?;
        }
        Some(Cholesky { l: a })
    }

    /// The sum of the logarithms of L's diagonal: half the logarithm of the determinant.
    pub(crate) fn half_log_determinant(&self) -> f64 {
        self.l.diag().iter().map(|&pivot| libm::log(pivot)).sum()
    }

    /// Solves L X = B in place.
    pub(crate) fn solve_lower(&self, b: &mut Array2<f64>) {
        let n = self.l.nrows();
        for start in (0..n).step_by(BLOCK) {
            let end = n.min(start + BLOCK);
            let (done, mut rest) = b.view_mut().split_at(Axis(0), start);
            let mut block = rest.slice_mut(s![..end - start, ..]);
            let left = self.l.slice(s![start..end, ..start]);
            general_mat_mul(-1.0, &left, &done, 1.0, &mut block);
            for i in 0..end - start {
                let (above, mut below) = block.view_mut().split_at(Axis(0), i);
                let mut row = below.row_mut(0);
                for (j, solved) in above.outer_iter().enumerate() {
                    row.scaled_add(-self.l[[start + i, start + j]], &solved);
                }
                row /= self.l[[start + i, start + i]];
            }
        }
    }

    /// Solves Lᵀ X = B in place.
    fn solve_upper(&self, b: &mut Array2<f64>) {
        let n = self.l.nrows();
        for start in (0..n).step_by(BLOCK).rev() {
            let end = n.min(start + BLOCK);
            let (mut head, done) = b.view_mut().split_at(Axis(0), end);
            let mut block = head.slice_mut(s![start.., ..]);
            let below = self.l.slice(s![end.., start..end]);
            general_mat_mul(-1.0, &below.t(), &done, 1.0, &mut block);
            for i in (0..end - start).rev() {
                let (mut above, below) = block.view_mut().split_at(Axis(0), i + 1);
                let mut row = above.row_mut(i);
                for (j, solved) in below.outer_iter().enumerate() {
                    row.scaled_add(-self.l[[start + i + 1 + j, start + i]], &solved);
                }
                row /= self.l[[start + i, start + i]];
            }
        }
    }

    /// Solves A X = B in place.
    pub(crate) fn solve(&self, b: &mut Array2<f64>) {
        self.solve_lower(b);
        self.solve_upper(b);
    }

    /// A⁻¹, from L⁻¹ as its transpose times itself.
    pub(crate) fn inverse(&self) -> Array2<f64> {
        let x = self.inverse_lower();
        let n = x.nrows();
        let mut inverse = Array2::zeros((n, n));
        for start in (0..n).step_by(BLOCK) {
            let end = n.min(start + BLOCK);
            let rows = x.slice(s![start.., start..end]);
            let product = rows.t().dot(&x.slice(s![start.., ..end]));
            inverse.slice_mut(s![start..end, ..end]).assign(&product);
            inverse.slice_mut(s![..end, start..end]).assign(&product.t());
        }
        inverse
    }

    /// L⁻¹, a lower triangle.
    fn inverse_lower(&self) -> Array2<f64> {
        let n = self.l.nrows();
        let mut x = Array2::<f64>::zeros((n, n));
        for start in (0..n).step_by(BLOCK) {
            let end = n.min(start + BLOCK);
            let (done, mut rest) = x.view_mut().split_at(Axis(0), start);
            let mut left = rest.slice_mut(s![..end - start, ..start]);
            let l = self.l.slice(s![start..end, ..start]);
            general_mat_mul(-1.0, &l, &done.slice(s![.., ..start]), 0.0, &mut left);
            for i in 0..end - start {
                let (above, mut below) = rest.view_mut().split_at(Axis(0), i);
                let mut row = below.slice_mut(s![0, ..start + i + 1]);
                row[start + i] = 1.0;
                for (j, solved) in above.outer_iter().enumerate() {
                    let solved = solved.slice(s![..start + i + 1]);
                    row.scaled_add(-self.l[[start + i, start + j]], &solved);
                }
                row /= self.l[[start + i, start + i]];
            }
        }
        x
    }
}

/// Factors the first rows of `panel` (as many as it has columns) and solves the others for them.
fn factor_panel(mut panel: ndarray::ArrayViewMut2<'_, f64>) -> Option<()> {
    let width = panel.ncols();
    for i in 0..panel.nrows() {
        let (pivots, mut rest) = panel.view_mut().split_at(Axis(0), i.min(width));
        let mut row = rest.row_mut(i - i.min(width));
        let row = row.as_slice_mut()?;
        for j in 0..i.min(width) {
            let pivot = pivots.row(j);
            let pivot = &pivot.to_slice()?[..=j];
            row[j] = (row[j] - dot(&row[..j], &pivot[..j])) / pivot[j];
        }
        if i < width {
            let square = row[i] - dot(&row[..i], &row[..i]);
            if square <= 0.0 || !square.is_finite() {
                return None;
            }
            row[i] = square.sqrt();
        }
    }
    Some(())
}

/// Σ a_i b_i in four running sums, so that the additions need not wait for each other.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (mut ca, mut cb) = (a.chunks_exact(4), b.chunks_exact(4));
    for (a, b) in ca.by_ref().zip(cb.by_ref()) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = ca.remainder().iter().zip(cb.remainder()).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// X Xᵀ; only blocks on and below the diagonal are computed.
pub(crate) fn gram(x: &ArrayView2<'_, f64>) -> Array2<f64> {
    let n = x.nrows();
    // Narrow blocks waste less above the diagonal, wide ones copy the rows less often.
    let width = (n / 4).clamp(64, 512);
    let mut gram = Array2::zeros((n, n));
    for start in (0..n).step_by(width) {
        let end = n.min(start + width);
        let (below, block) = (x.slice(s![start.., ..]), x.slice(s![start..end, ..]));
        let mut out = gram.slice_mut(s![start.., start..end]);
        general_mat_mul(1.0, &below, &block.t(), 0.0, &mut out);
        mirror(&mut gram, start..end);
    }
    gram
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A positive definite matrix of three blocks' size, and not a whole number of blocks.
    fn matrix() -> Array2<f64> {
        let n = 2 * BLOCK + 17;
        let x = Array2::from_shape_fn((n, n + 3), |(i, j)| {
            ((i * 37 + j * 101) % 53) as f64 / 26.0 - 1.0
        });
        let mut a = gram(&x.view());
        a.diag_mut().mapv_inplace(|v| v + 0.5);
        a
    }

    fn largest(a: &Array2<f64>) -> f64 {
        a.iter().fold(0.0, |m, v| v.abs().max(m))
    }

    #[test]
    fn gram_is_the_product_with_the_transpose() {
        let x = Array2::from_shape_fn((131, 7), |(i, j)| ((i * 7 + j * 5) % 11) as f64);
        assert_eq!(gram(&x.view()), x.dot(&x.t()));
    }

    #[test]
    fn solutions_and_inverse_give_the_matrix_back() {
        let a = matrix();
        let n = a.nrows();
        let factored = Cholesky::new(a.clone()).unwrap();
        let x = Array2::from_shape_fn((n, 5), |(i, j)| (i as f64 - 40.0) / (j as f64 + 3.0));
        let mut b = a.dot(&x);
        factored.solve(&mut b);
        assert!(largest(&(&b - &x)) < 1e-9, "{:e}", largest(&(&b - &x)));
        let identity = factored.inverse().dot(&a) - Array2::<f64>::eye(n);
        assert!(largest(&identity) < 1e-9, "{:e}", largest(&identity));
    }

    #[test]
    fn determinant_of_a_small_matrix() {
        // det [[4, 2], [2, 5]] = 16.
        let a = ndarray::array![[4.0, 2.0], [2.0, 5.0]];
        let half = Cholesky::new(a).unwrap().half_log_determinant();
        assert!((half - 4f64.ln()).abs() < 1e-15);
    }

    #[test]
    fn what_is_not_positive_definite_is_refused() {
        assert!(Cholesky::new(ndarray::array![[1.0, 2.0], [2.0, 1.0]]).is_none());
        assert!(Cholesky::new(ndarray::array![[f64::NAN]]).is_none());
    }
}
