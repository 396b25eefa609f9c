//! Kernels of the support vector machine, evaluated for many pairs at once by one matrix product.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, s};

use crate::classifier::Features;
use crate::linear::{matrix, mirror, pick, varying};
use crate::wide;

/// k(a, b) of two examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kernel {
    /// a·b
    Linear,
    /// exp(-γ ‖a - b‖²)
    Rbf { gamma: f64 },
    /// (γ a·b + r)^degree
    Polynomial { gamma: f64, offset: f64, degree: u32 },
    /// Σ min(a_j, b_j); for features from 0 up, such as histograms and pixels
    /// (Barla, Odone and Verri, "Histogram intersection kernel for image classification", 2003).
    Intersection,
}

/// What a kernel is a function of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Products of rows less their mean. Kernels of differences only, or, with multipliers that sum to 0, those that
    /// may be taken as such: the shift changes nothing but the rounding.
    Centred,
    /// Products of the rows as they are.
    Plain,
    /// Σ min of the rows as they are.
    Intersection,
}

impl Kernel {
    /// What the kernel is a function of.
    pub(crate) fn family(self) -> Family {
        match self {
            Kernel::Linear | Kernel::Rbf { .. } => Family::Centred,
            Kernel::Polynomial { .. } => Family::Plain,
            Kernel::Intersection => Family::Intersection,
        }
    }

    /// Turns a row of products of an example of squared norm `square` with others of `squares` into kernel values.
    fn apply(self, products: &mut [f32], square: f32, squares: &[f32]) {
        match self {
            Kernel::Linear | Kernel::Intersection => {}
            Kernel::Rbf { gamma } => {
                let gamma = gamma as f32;
                for (k, &other) in products.iter_mut().zip(squares) {
                    *k = -gamma * (square + other - 2.0 * *k).max(0.0);
                }
                wide::exp(products);
            }
            Kernel::Polynomial { gamma, offset, degree } => {
                let (gamma, offset) = (gamma as f32, offset as f32);
                products.iter_mut().for_each(|k| *k = gamma * *k + offset);
                wide::power(products, degree);
            }
        }
    }
}

/// Columns of the Gram matrix that are computed at once, out of so many: narrow blocks waste less above the diagonal,
/// wide ones copy the rows less often.
fn gram_block(n: usize) -> usize {
    (n / 4).clamp(64, 512)
}

/// Examples as a family of kernels wants them, with their squared norms.
pub(crate) struct Examples {
    family: Family,
    /// Taken off every row.
    shift: Vec<f32>,
    /// The columns in which the training rows are not all 0 after the shift.
    columns: Vec<usize>,
    /// Rows × columns, or rows × all columns for intersections.
    x: Array2<f32>,
    squares: Vec<f32>,
}

impl Examples {
    /// The training examples.
    pub(crate) fn new(family: Family, features: &Features<'_>) -> Self {
        let count = features.columns();
        let mut shift = vec![0.0; count];
        if family == Family::Centred {
            let mut sums = vec![0.0; count];
            features.values().chunks_exact(count).for_each(|row| wide::add(row, &mut sums));
            let rows = features.rows().max(1) as f64;
            shift = sums.iter().map(|sum| (sum / rows) as f32).collect();
        }
        let varies = varying(features);
        // Columns that are 0 throughout add nothing to a product; to an intersection, negative values of new rows do.
        let counts = |&j: &usize| match family {
            Family::Centred => varies[j],
            Family::Plain => varies[j] || features.values().get(j).is_some_and(|&v| v != 0.0),
            Family::Intersection => true,
        };
        let columns: Vec<usize> = (0..count).filter(counts).collect();
        let mut examples =
            Examples { family, shift, columns, x: Array2::zeros((0, 0)), squares: vec![] };
        (examples.x, examples.squares) = examples.prepared(features);
        examples
    }

    /// What a linear kernel's weights need: the columns that count, and each row's values in them, less the shift.
    pub(crate) fn rows(&self) -> (&[usize], &[f32], &Array2<f32>) {
        (&self.columns, &self.shift, &self.x)
    }

    /// Other examples, as the training examples are kept.
    pub(crate) fn alike(&self, features: &Features<'_>) -> Self {
        let (x, squares) = self.prepared(features);
        let (shift, columns) = (self.shift.clone(), self.columns.clone());
        Examples { family: self.family, shift, columns, x, squares }
    }

    /// Some of these examples.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Examples {
            family: self.family,
            shift: self.shift.clone(),
            columns: self.columns.clone(),
            x: self.x.select(ndarray::Axis(0), rows),
            squares: rows.iter().map(|&i| self.squares[i]).collect(),
        }
    }

    /// The rows in the columns that count, less the shift, with their squared norms.
    fn prepared(&self, features: &Features<'_>) -> (Array2<f32>, Vec<f32>) {
        let mut x = if self.columns.len() == features.columns() {
            matrix(features)
        } else {
            let shape = (features.rows(), self.columns.len());
            Array2::from_shape_vec(shape, pick(features, &self.columns))
                .unwrap_or_else(|_| unreachable!("one value per row and column"))
        };
        let shift: Vec<f32> = self.columns.iter().map(|&j| self.shift[j]).collect();
        let squares = x
            .outer_iter_mut()
            .map(|mut row| match row.as_slice_mut() {
                Some(row) => wide::shifted_square(row, &shift),
                None => 0.0, // no column at all
            })
            .collect();
        (x, squares)
    }

    /// What the family's kernels are functions of, for each of these examples with each other.
    ///
    /// Only blocks on and below the diagonal are computed.
    pub(crate) fn products(&self) -> Products {
        let n = self.x.nrows();
        let mut values = Array2::zeros((n, n));
        for start in (0..n).step_by(gram_block(n)) {
            let end = n.min(start + gram_block(n));
            let (below, block) = (self.x.slice(s![start.., ..]), self.x.slice(s![start..end, ..]));
            if self.family == Family::Intersection {
                values.slice_mut(s![start.., start..end]).assign(&intersections(&below, &block));
            } else {
                let mut out = values.slice_mut(s![start.., start..end]);
                general_mat_mul(1.0, &below, &block.t(), 0.0, &mut out);
            }
            mirror(&mut values, start..end);
        }
        Products { values, squares: self.squares.clone() }
    }

    /// k of each of these examples with each of `others`: rows × others.
    pub(crate) fn kernel_with(&self, kernel: Kernel, others: &Examples) -> Array2<f32> {
        let mut products = match self.family {
            Family::Intersection => intersections(&self.x.view(), &others.x.view()),
            _ => self.x.dot(&others.x.t()),
        };
        apply(kernel, &mut products, &self.squares, &others.squares);
        products
    }
}

/// What the kernels of a family are functions of, for all pairs of some examples.
pub(crate) struct Products {
    values: Array2<f32>,
    squares: Vec<f32>,
}

impl Products {
    /// The Gram matrix of `kernel`, a kernel of this family.
    pub(crate) fn gram(self, kernel: Kernel) -> Array2<f32> {
        let Products { mut values, squares } = self;
        apply(kernel, &mut values, &squares, &squares);
        values
    }

    /// k of each of `rows` with each of `columns`.
    pub(crate) fn part(&self, kernel: Kernel, rows: &[usize], columns: &[usize]) -> Array2<f32> {
        let squares = |of: &[usize]| of.iter().map(|&i| self.squares[i]).collect::<Vec<f32>>();
        let mut values = part(&self.values, rows, columns);
        apply(kernel, &mut values, &squares(rows), &squares(columns));
        values
    }
}

/// The values of `rows` and `columns`.
pub(crate) fn part(values: &Array2<f32>, rows: &[usize], columns: &[usize]) -> Array2<f32> {
    let picked = rows.iter().flat_map(|&i| {
        let row = values.row(i);
        columns.iter().map(move |&j| row[j])
    });
    Array2::from_shape_vec((rows.len(), columns.len()), picked.collect())
        .unwrap_or_else(|_| unreachable!("one value per row and column"))
}

/// Turns products of examples of these squared norms into kernel values.
fn apply(kernel: Kernel, products: &mut Array2<f32>, rows: &[f32], columns: &[f32]) {
    for (mut row, &square) in products.outer_iter_mut().zip(rows) {
        if let Some(row) = row.as_slice_mut() {
            kernel.apply(row, square, columns);
        }
    }
}

/// Σ_j min(a_j, b_j) for each pair of rows.
fn intersections(a: &ArrayView2<'_, f32>, b: &ArrayView2<'_, f32>) -> Array2<f32> {
    Array2::from_shape_fn((a.nrows(), b.nrows()), |(i, j)| {
        // Rows of a matrix in standard layout lie side by side.
        let (a, b) = (a.row(i), b.row(j));
        let (Some(a), Some(b)) = (a.to_slice(), b.to_slice()) else { return f32::NAN };
        intersection(a, b)
    })
}

wide::wide! {
    /// Σ_j min(a_j, b_j), in sixteen running sums, so that the additions need not wait for each other.
    fn intersection(a: &[f32], b: &[f32]) -> f32 {
        let mut sums = [0.0f32; 16];
        let (mut ca, mut cb) = (a.chunks_exact(16), b.chunks_exact(16));
        for (a, b) in ca.by_ref().zip(cb.by_ref()) {
            for lane in 0..16 {
                sums[lane] += if a[lane] < b[lane] { a[lane] } else { b[lane] };
            }
        }
        let rest: f32 = ca.remainder().iter().zip(cb.remainder()).map(|(a, b)| a.min(*b)).sum();
        sums.iter().sum::<f32>() + rest
    }
}

/// scikit-learn's `gamma = "scale"`: 1 / (columns × variance of all values), 1 if nothing varies.
pub(crate) fn scale_gamma(features: &Features<'_>) -> f64 {
    let values = features.values();
    let count = values.len() as f64;
    let mean = sum_of_squares(values, 0.0).0 / count;
    let variance = sum_of_squares(values, mean).1 / count;
    if variance > 0.0 { 1.0 / (features.columns() as f64 * variance) } else { 1.0 }
}

wide::wide! {
    /// Σ (v - centre) and Σ (v - centre)², in eight running sums.
    fn sum_of_squares(values: &[f32], centre: f64) -> (f64, f64) {
        let (mut sums, mut squares) = ([0.0f64; 8], [0.0f64; 8]);
        let mut chunks = values.chunks_exact(8);
        for chunk in chunks.by_ref() {
            for lane in 0..8 {
                let value = f64::from(chunk[lane]) - centre;
                sums[lane] += value;
                squares[lane] += value * value;
            }
        }
        for (lane, value) in chunks.remainder().iter().enumerate() {
            let value = f64::from(*value) - centre;
            sums[lane] += value;
            squares[lane] += value * value;
        }
        (sums.iter().sum(), squares.iter().sum())
    }
}
