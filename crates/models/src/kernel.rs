//! Kernels of the support vector machine, evaluated for many pairs at once by one matrix product.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip, s};

use crate::classifier::Features;
use crate::linear::matrix;

/// k(a, b) of two examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kernel {
    /// a·b
    Linear,
    /// exp(-γ ‖a - b‖²)
    Rbf { gamma: f64 },
    /// (γ a·b + r)^degree
    Polynomial { gamma: f64, offset: f64, degree: i32 },
    /// Σ min(a_j, b_j); for features from 0 up, such as histograms and pixels
    /// (Barla, Odone and Verri, "Histogram intersection kernel for image classification", 2003).
    Intersection,
}

impl Kernel {
    /// Whether k depends on differences only, or, with multipliers that sum to 0, may be taken as if it did.
    fn ignores_shifts(self) -> bool {
        matches!(self, Kernel::Linear | Kernel::Rbf { .. })
    }
}

/// Columns of the kernel matrix that are computed at once.
const GRAM_BLOCK: usize = 256;

/// Examples as a kernel wants them: centred where that changes nothing but the rounding, with their squared norms.
pub(crate) struct Examples {
    kernel: Kernel,
    shift: Array1<f32>,
    x: Array2<f32>,
    squares: Array1<f32>,
}

impl Examples {
    /// The training examples, centred on their own mean where the kernel allows.
    pub(crate) fn new(kernel: Kernel, features: &Features<'_>) -> Self {
        let x = matrix(features);
        let shift = match x.mapv(f64::from).mean_axis(Axis(0)) {
            Some(means) if kernel.ignores_shifts() => means.mapv(|m| m as f32),
            _ => Array1::zeros(features.columns()),
        };
        Self::shifted(kernel, x, shift)
    }

    /// Other examples, centred alike.
    pub(crate) fn alike(&self, features: &Features<'_>) -> Self {
        Self::shifted(self.kernel, matrix(features), self.shift.clone())
    }

    /// Some of these examples.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Examples {
            kernel: self.kernel,
            shift: self.shift.clone(),
            x: self.x.select(Axis(0), rows),
            squares: self.squares.select(Axis(0), rows),
        }
    }

    fn shifted(kernel: Kernel, mut x: Array2<f32>, shift: Array1<f32>) -> Self {
        x -= &shift;
        let squares = x.outer_iter().map(|row| row.dot(&row)).collect();
        Examples { kernel, shift, x, squares }
    }

    /// k of each of these examples with each other: rows × rows.
    ///
    /// Columns that are 0 throughout add nothing and are left out, and only blocks on and below the diagonal are
    /// computed.
    pub(crate) fn gram(&self) -> Array2<f32> {
        let mut occurs = vec![false; self.x.ncols()];
        for row in self.x.outer_iter() {
            occurs.iter_mut().zip(&row).for_each(|(occurs, &value)| *occurs |= value != 0.0);
        }
        let used: Vec<usize> = (0..occurs.len()).filter(|&j| occurs[j]).collect();
        let mut all = self.select(&(0..self.x.nrows()).collect::<Vec<_>>());
        if !used.is_empty() {
            all.x = self.x.select(Axis(1), &used).as_standard_layout().into_owned();
        }
        let n = self.x.nrows();
        let mut gram = Array2::zeros((n, n));
        for start in (0..n).step_by(GRAM_BLOCK) {
            let end = n.min(start + GRAM_BLOCK);
            let block = all.select(&(start..end).collect::<Vec<_>>());
            let values = all.select(&(start..n).collect::<Vec<_>>()).kernel_with(&block);
            gram.slice_mut(s![start..n, start..end]).assign(&values);
            gram.slice_mut(s![start..end, end..n]).assign(&values.slice(s![end - start.., ..]).t());
        }
        gram
    }

    /// k of each of these examples with each of `others`: rows × others.
    pub(crate) fn kernel_with(&self, others: &Examples) -> Array2<f32> {
        if self.kernel == Kernel::Intersection {
            return intersections(&self.x.view(), &others.x.view());
        }
        let mut products = self.x.dot(&others.x.t());
        match self.kernel {
            Kernel::Linear | Kernel::Intersection => {}
            Kernel::Rbf { gamma } => {
                for (mut row, &square) in products.outer_iter_mut().zip(&self.squares) {
                    Zip::from(&mut row).and(&others.squares).for_each(|k, &other| {
                        let distance = (square + other - 2.0 * *k).max(0.0);
                        *k = (-gamma as f32 * distance).exp();
                    });
                }
            }
            Kernel::Polynomial { gamma, offset, degree } => {
                products.mapv_inplace(|k| (gamma as f32 * k + offset as f32).powi(degree));
            }
        }
        products
    }
}

/// Σ_j min(a_j, b_j) for each pair of rows.
fn intersections(a: &ArrayView2<'_, f32>, b: &ArrayView2<'_, f32>) -> Array2<f32> {
    Array2::from_shape_fn((a.nrows(), b.nrows()), |(i, j)| {
        // Eight running sums, so that the additions need not wait for each other.
        let (a, b) = (a.row(i), b.row(j));
        let (Some(a), Some(b)) = (a.as_slice(), b.as_slice()) else { return f32::NAN };
        let mut sums = [0.0f32; 8];
        let (mut ca, mut cb) = (a.chunks_exact(8), b.chunks_exact(8));
        for (a, b) in ca.by_ref().zip(cb.by_ref()) {
            for lane in 0..8 {
                sums[lane] += if a[lane] < b[lane] { a[lane] } else { b[lane] };
            }
        }
        let rest: f32 = ca.remainder().iter().zip(cb.remainder()).map(|(a, b)| a.min(*b)).sum();
        sums.iter().sum::<f32>() + rest
    })
}

/// scikit-learn's `gamma = "scale"`: 1 / (columns × variance of all values), 1 if nothing varies.
pub(crate) fn scale_gamma(features: &Features<'_>) -> f64 {
    let values = features.values();
    let count = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    if variance > 0.0 { 1.0 / (features.columns() as f64 * variance) } else { 1.0 }
}
