//! The linear maps around the products, and their adjoints; lanes are channels.
//!
//! ```text
//!      ⎡1  0 -1  0⎤        ⎡ 1   0   0⎤
//! Bᵀ = ⎢0  1  1  0⎥    G = ⎢ ½   ½   ½⎥    Aᵀ = ⎡1  1  1  0⎤
//!      ⎢0 -1  1  0⎥        ⎢ ½  -½   ½⎥         ⎣0  1 -1 -1⎦
//!      ⎣0  1  0 -1⎦        ⎣ 0   0   1⎦
//! ```

#![expect(
    clippy::needless_range_loop,
    reason = "register tiles are matrices: indices say which, and unroll surely"
)]

use super::super::elementwise::each_vector;
use super::super::simd::{Kernel, Simd};
use crate::Dims;
use std::ops::Range;

/// Where the tiles of 2 × 2 outputs lie in a map of values: tile (y, x) begins at (2y - offset, 2x - offset).
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// The map: the layer's input or output.
    pub(super) map: Dims,
    /// The layer's output, which the tiles cover.
    pub(super) output: Dims,
    pub(super) offset: usize,
}

impl Grid {
    /// Tiles per image.
    pub(super) fn tiles(&self) -> usize {
        self.output.height.div_ceil(2) * self.output.width.div_ceil(2)
    }

    /// The patch of `side × side` values that belongs to tile `tile`, counted over all images.
    fn patch(&self, tile: usize, side: usize) -> Patch {
        let (image, tile) = (tile / self.tiles(), tile % self.tiles());
        let across = self.output.width.div_ceil(2);
        let axis = |at: usize, size: usize| {
            // Counted with the frame of `offset` zeros around the map, which keeps it unsigned.
            let begin = 2 * at;
            let live_from = self.offset.saturating_sub(begin).min(side);
            let live_to = (size + self.offset).saturating_sub(begin).clamp(live_from, side);
            (begin, live_from..live_to)
        };
        let (y, rows) = axis(tile / across, self.map.height);
        let (x, columns) = axis(tile % across, self.map.width);
        let row_step = self.map.width * self.map.channels;
        let start = (image * self.map.len() + y * row_step + x * self.map.channels)
            .wrapping_sub(self.offset * (row_step + self.map.channels));
        Patch { start, row_step, step: self.map.channels, rows, columns, side }
    }

    /// The values of all images that have one of `tiles`.
    fn reach(&self, tiles: &Range<usize>) -> usize {
        tiles.end.div_ceil(self.tiles()) * self.map.len()
    }
}

/// The values of a map that one tile reads or writes.
struct Patch {
    /// Offset of its first value, which may lie outside the map (and wrap).
    start: usize,
    row_step: usize,
    step: usize,
    /// Those of its rows and columns that lie in the map.
    rows: Range<usize>,
    columns: Range<usize>,
    side: usize,
}

impl Patch {
    fn is_whole(&self) -> bool {
        self.rows.len() == self.side && self.columns.len() == self.side
    }

    /// The offset of value (i, j), if it lies in the map; `EDGE` promises that not all do.
    #[inline(always)]
    fn at<const EDGE: bool>(&self, i: usize, j: usize) -> Option<usize> {
        (!EDGE || self.rows.contains(&i) && self.columns.contains(&j))
            .then(|| self.start.wrapping_add(i * self.row_step + j * self.step))
    }
}

/// Loads `N × N` vectors of a patch, zeros outside the map.
///
/// # Safety
/// `map` points to a map that holds the patch's inner values for `count` channels.
#[inline(always)]
unsafe fn gather<S: Simd, const N: usize, const EDGE: bool, const PART: bool>(
    simd: S,
    map: *const f32,
    patch: &Patch,
    count: usize,
) -> [[S::V; N]; N] {
    let mut values = [[simd.splat(0.0); N]; N];
    for (i, row) in values.iter_mut().enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            if let Some(at) = patch.at::<EDGE>(i, j) {
                // SAFETY: the caller's promise.
                *value = unsafe { simd.load_if::<PART>(map.wrapping_add(at), count) };
            }
        }
    }
    values
}

/// patches\[ξ\] ← Bᵀ d B for each tile: V.
pub(super) struct InputTransform<'a> {
    pub(super) grid: Grid,
    pub(super) tiles: Range<usize>,
    pub(super) map: &'a [f32],
    /// `16 × tiles × channels`.
    pub(super) patches: &'a mut [f32],
}

impl Kernel for InputTransform<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.grid.map.channels;
        let plane = self.tiles.len() * channels;
        assert!(self.map.len() >= self.grid.reach(&self.tiles));
        assert_eq!(self.patches.len(), 16 * plane);
        for (n, tile) in self.tiles.clone().enumerate() {
            let patch = self.grid.patch(tile, 4);
            let whole = patch.is_whole();
            each_vector!(simd: S, channels, |c, count, PART| {
                let map = self.map.as_ptr().wrapping_add(c);
                // SAFETY: inner values of a patch lie in the map; `c + count` is at most the channels.
                let d = unsafe {
                    if whole {
                        gather::<S, 4, false, PART>(simd, map, &patch, count)
                    } else {
                        gather::<S, 4, true, PART>(simd, map, &patch, count)
                    }
                };
                let v = transposed(simd, input_rows(simd, transposed(simd, input_rows(simd, d))));
                let to = self.patches.as_mut_ptr().wrapping_add(n * channels + c);
                // SAFETY: 16 planes of `tiles × channels` values.
                unsafe { store_planes::<S, PART>(simd, v, to, plane, count) };
            });
        }
    }
}

/// map += B v Bᵀ for each tile: the adjoint of [`InputTransform`].
pub(super) struct InputAdjoint<'a> {
    pub(super) grid: Grid,
    pub(super) tiles: Range<usize>,
    /// `16 × tiles × channels`.
    pub(super) patches: &'a [f32],
    pub(super) map: &'a mut [f32],
}

impl Kernel for InputAdjoint<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.grid.map.channels;
        let plane = self.tiles.len() * channels;
        assert!(self.map.len() >= self.grid.reach(&self.tiles));
        assert_eq!(self.patches.len(), 16 * plane);
        for (n, tile) in self.tiles.clone().enumerate() {
            let patch = self.grid.patch(tile, 4);
            let whole = patch.is_whole();
            each_vector!(simd: S, channels, |c, count, PART| {
                let from = self.patches.as_ptr().wrapping_add(n * channels + c);
                // SAFETY: 16 planes of `tiles × channels` values.
                let v = unsafe { load_planes::<S, PART>(simd, from, plane, count) };
                let rows = input_adjoint_rows(simd, v);
                let d = transposed(simd, input_adjoint_rows(simd, transposed(simd, rows)));
                let map = self.map.as_mut_ptr().wrapping_add(c);
                // SAFETY: inner values of a patch lie in the map; `c + count` is at most the channels.
                unsafe {
                    if whole {
                        scatter_add::<S, false, PART>(simd, d, map, &patch, count);
                    } else {
                        scatter_add::<S, true, PART>(simd, d, map, &patch, count);
                    }
                }
            });
        }
    }
}

/// Adds the vectors of a patch to the map, those outside dropped.
///
/// # Safety
/// As [`gather`], and the map is writable.
#[inline(always)]
unsafe fn scatter_add<S: Simd, const EDGE: bool, const PART: bool>(
    simd: S,
    d: [[S::V; 4]; 4],
    map: *mut f32,
    patch: &Patch,
    count: usize,
) {
    for (i, row) in d.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            if let Some(at) = patch.at::<EDGE>(i, j) {
                let to = map.wrapping_add(at);
                // SAFETY: the caller's promise.
                unsafe {
                    let sum = simd.add(simd.load_if::<PART>(to, count), value);
                    simd.store_if::<PART>(to, sum, count);
                }
            }
        }
    }
}

/// map ← max(floor, Aᵀ m A + bias) for each tile: Y.
pub(super) struct OutputTransform<'a> {
    pub(super) grid: Grid,
    pub(super) tiles: Range<usize>,
    /// `16 × tiles × channels`.
    pub(super) products: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) floor: f32,
    pub(super) map: &'a mut [f32],
}

impl Kernel for OutputTransform<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.grid.map.channels;
        let plane = self.tiles.len() * channels;
        assert!(self.map.len() >= self.grid.reach(&self.tiles));
        assert_eq!(self.products.len(), 16 * plane);
        assert_eq!(self.bias.len(), channels);
        let floor = simd.splat(self.floor);
        for (n, tile) in self.tiles.clone().enumerate() {
            let patch = self.grid.patch(tile, 2);
            each_vector!(simd: S, channels, |c, count, PART| {
                let from = self.products.as_ptr().wrapping_add(n * channels + c);
                // SAFETY: 16 planes of `tiles × channels` values.
                let m = unsafe { load_planes::<S, PART>(simd, from, plane, count) };
                // SAFETY: `c + count` is at most the channels.
                let bias = unsafe { simd.load_if::<PART>(self.bias.as_ptr().wrapping_add(c), count) };
                let across = [
                    output_pair(simd, m[0]),
                    output_pair(simd, m[1]),
                    output_pair(simd, m[2]),
                    output_pair(simd, m[3]),
                ];
                for j in 0..2 {
                    let column = [across[0][j], across[1][j], across[2][j], across[3][j]];
                    for (i, y) in output_pair(simd, column).into_iter().enumerate() {
                        let y = simd.add(y, bias);
                        let y = simd.if_greater(floor, y, floor, y);
                        if let Some(at) = patch.at::<true>(i, j) {
                            let to = self.map.as_mut_ptr().wrapping_add(at + c);
                            // SAFETY: `at` gives values of the map only.
                            unsafe { simd.store_if::<PART>(to, y, count) };
                        }
                    }
                }
            });
        }
    }
}

/// products\[ξ\] ← A y Aᵀ for each tile: dM, the adjoint of [`OutputTransform`] without its floor.
pub(super) struct OutputAdjoint<'a> {
    pub(super) grid: Grid,
    pub(super) tiles: Range<usize>,
    pub(super) map: &'a [f32],
    /// `16 × tiles × channels`.
    pub(super) products: &'a mut [f32],
}

impl Kernel for OutputAdjoint<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.grid.map.channels;
        let plane = self.tiles.len() * channels;
        assert!(self.map.len() >= self.grid.reach(&self.tiles));
        assert_eq!(self.products.len(), 16 * plane);
        for (n, tile) in self.tiles.clone().enumerate() {
            let patch = self.grid.patch(tile, 2);
            let whole = patch.is_whole();
            each_vector!(simd: S, channels, |c, count, PART| {
                let map = self.map.as_ptr().wrapping_add(c);
                // SAFETY: inner values of a patch lie in the map; `c + count` is at most the channels.
                let y = unsafe {
                    if whole {
                        gather::<S, 2, false, PART>(simd, map, &patch, count)
                    } else {
                        gather::<S, 2, true, PART>(simd, map, &patch, count)
                    }
                };
                let (top, bottom) = (output_four(simd, y[0]), output_four(simd, y[1]));
                let mut columns = [[simd.splat(0.0); 4]; 4];
                for j in 0..4 {
                    columns[j] = output_four(simd, [top[j], bottom[j]]);
                }
                let to = self.products.as_mut_ptr().wrapping_add(n * channels + c);
                let m = transposed(simd, columns);
                // SAFETY: 16 planes of `tiles × channels` values.
                unsafe { store_planes::<S, PART>(simd, m, to, plane, count) };
            });
        }
    }
}

/// filters\[ξ\] ← G w Gᵀ: U.
pub(super) struct WeightTransform<'a> {
    /// `9 × pairs of channels`.
    pub(super) weights: &'a [f32],
    /// `16 × pairs of channels`.
    pub(super) filters: &'a mut [f32],
}

impl Kernel for WeightTransform<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let pairs = self.weights.len() / 9;
        assert!(self.weights.len() == 9 * pairs && self.filters.len() == 16 * pairs);
        let half = simd.splat(0.5);
        each_vector!(simd: S, pairs, |at, count, PART| {
            let mut rows = [[simd.splat(0.0); 3]; 4];
            for j in 0..3 {
                let mut w = [simd.splat(0.0); 3];
                for (i, w) in w.iter_mut().enumerate() {
                    let from = self.weights.as_ptr().wrapping_add((3 * i + j) * pairs + at);
                    // SAFETY: 9 planes of `pairs` values.
                    *w = unsafe { simd.load_if::<PART>(from, count) };
                }
                let column = filter_four(simd, half, w);
                for i in 0..4 {
                    rows[i][j] = column[i];
                }
            }
            let mut u = [[simd.splat(0.0); 4]; 4];
            for i in 0..4 {
                u[i] = filter_four(simd, half, rows[i]);
            }
            let to = self.filters.as_mut_ptr().wrapping_add(at);
            // SAFETY: 16 planes of `pairs` values.
            unsafe { store_planes::<S, PART>(simd, u, to, pairs, count) };
        });
    }
}

/// weights ← Gᵀ u G: the adjoint of [`WeightTransform`].
pub(super) struct WeightAdjoint<'a> {
    /// `16 × pairs of channels`.
    pub(super) filters: &'a [f32],
    /// `9 × pairs of channels`.
    pub(super) weights: &'a mut [f32],
}

impl Kernel for WeightAdjoint<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let pairs = self.weights.len() / 9;
        assert!(self.weights.len() == 9 * pairs && self.filters.len() == 16 * pairs);
        let half = simd.splat(0.5);
        each_vector!(simd: S, pairs, |at, count, PART| {
            let from = self.filters.as_ptr().wrapping_add(at);
            // SAFETY: 16 planes of `pairs` values.
            let u = unsafe { load_planes::<S, PART>(simd, from, pairs, count) };
            let mut rows = [[simd.splat(0.0); 3]; 4];
            for i in 0..4 {
                rows[i] = filter_three(simd, half, u[i]);
            }
            for j in 0..3 {
                let column = [rows[0][j], rows[1][j], rows[2][j], rows[3][j]];
                for (i, w) in filter_three(simd, half, column).into_iter().enumerate() {
                    let to = self.weights.as_mut_ptr().wrapping_add((3 * i + j) * pairs + at);
                    // SAFETY: 9 planes of `pairs` values.
                    unsafe { simd.store_if::<PART>(to, w, count) };
                }
            }
        });
    }
}

/// Loads one vector from each of 16 planes.
///
/// # Safety
/// `from` points into the first of 16 planes, `plane` values apart, with `count` values left in each.
#[inline(always)]
unsafe fn load_planes<S: Simd, const PART: bool>(
    simd: S,
    from: *const f32,
    plane: usize,
    count: usize,
) -> [[S::V; 4]; 4] {
    let mut values = [[simd.splat(0.0); 4]; 4];
    for i in 0..4 {
        for j in 0..4 {
            let from = from.wrapping_add((4 * i + j) * plane);
            // SAFETY: the caller's promise.
            values[i][j] = unsafe { simd.load_if::<PART>(from, count) };
        }
    }
    values
}

/// Stores one vector to each of 16 planes.
///
/// # Safety
/// As [`load_planes`], and the planes are writable.
#[inline(always)]
unsafe fn store_planes<S: Simd, const PART: bool>(
    simd: S,
    values: [[S::V; 4]; 4],
    to: *mut f32,
    plane: usize,
    count: usize,
) {
    for i in 0..4 {
        for j in 0..4 {
            // SAFETY: the caller's promise.
            unsafe {
                simd.store_if::<PART>(to.wrapping_add((4 * i + j) * plane), values[i][j], count);
            }
        }
    }
}

/// The transposed 4 × 4 matrix.
#[inline(always)]
fn transposed<S: Simd>(simd: S, m: [[S::V; 4]; 4]) -> [[S::V; 4]; 4] {
    let mut t = [[simd.splat(0.0); 4]; 4];
    for i in 0..4 {
        for j in 0..4 {
            t[j][i] = m[i][j];
        }
    }
    t
}

/// Bᵀ applied to each row of `d`.
#[inline(always)]
fn input_rows<S: Simd>(simd: S, mut d: [[S::V; 4]; 4]) -> [[S::V; 4]; 4] {
    for row in &mut d {
        let [a, b, c, d] = *row;
        *row = [simd.sub(a, c), simd.add(b, c), simd.sub(c, b), simd.sub(b, d)];
    }
    d
}

/// B applied to each row of `v`.
#[inline(always)]
fn input_adjoint_rows<S: Simd>(simd: S, mut v: [[S::V; 4]; 4]) -> [[S::V; 4]; 4] {
    for row in &mut v {
        let [a, b, c, d] = *row;
        let second = simd.add(simd.sub(b, c), d);
        let third = simd.sub(simd.add(b, c), a);
        *row = [a, second, third, simd.sub(simd.splat(0.0), d)];
    }
    v
}

/// Aᵀ m.
#[inline(always)]
fn output_pair<S: Simd>(simd: S, [a, b, c, d]: [S::V; 4]) -> [S::V; 2] {
    [simd.add(simd.add(a, b), c), simd.sub(simd.sub(b, c), d)]
}

/// A y.
#[inline(always)]
fn output_four<S: Simd>(simd: S, [a, b]: [S::V; 2]) -> [S::V; 4] {
    [a, simd.add(a, b), simd.sub(a, b), simd.sub(simd.splat(0.0), b)]
}

/// G w.
#[inline(always)]
fn filter_four<S: Simd>(simd: S, half: S::V, [a, b, c]: [S::V; 3]) -> [S::V; 4] {
    let outer = simd.add(a, c);
    [a, simd.mul(half, simd.add(outer, b)), simd.mul(half, simd.sub(outer, b)), c]
}

/// Gᵀ u.
#[inline(always)]
fn filter_three<S: Simd>(simd: S, half: S::V, [a, b, c, d]: [S::V; 4]) -> [S::V; 3] {
    let even = simd.mul(half, simd.add(b, c));
    [simd.add(a, even), simd.mul(half, simd.sub(b, c)), simd.add(even, d)]
}
