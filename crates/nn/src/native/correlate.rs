//! The product of input windows and a weight matrix: the inner loop of every forward pass and input gradient.
//!
//! For output row y, column x and channel c,
//!
//! ```text
//! output[y][x][c] = max(floor, bias[c] + Σ_i Σ_k input[(y · row_stride + i) · row_length + x · column_step + k]
//!                                                · weights[i · window_run + k][c])
//! ```
//!
//! with i over the rows of the window and k over its consecutive values in one row: a convolution of an NHWC image
//! (k runs over kernel column and input channel), or a dense layer (one row, a column per example).
//! Each output is one chain of fused multiply-adds, i outside, k inside, that starts at the bias; lanes are output
//! channels, so that the width of the vectors cannot change a bit.

#![expect(
    clippy::needless_range_loop,
    reason = "register tiles are matrices: indices say which, and unroll surely"
)]

use super::simd::{Kernel, Simd};

/// The operands of one product; see the module's equation.
pub(super) struct Correlate<'a> {
    pub(super) input: &'a [f32],
    /// `window_rows · window_run × bias.len()`.
    pub(super) weights: &'a [f32],
    pub(super) bias: &'a [f32],
    /// `rows × columns × bias.len()`.
    pub(super) output: &'a mut [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) column_step: usize,
    pub(super) row_stride: usize,
    pub(super) row_length: usize,
    pub(super) window_rows: usize,
    pub(super) window_run: usize,
    /// Input rows from `live.0` up to `live.1` may differ from zero; the others are not read.
    pub(super) live: (usize, usize),
    /// 0 for ReLU, -∞ for none.
    pub(super) floor: f32,
}

impl Kernel for Correlate<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        self.check();
        let channels = self.bias.len();
        let mut first = 0;
        while first < channels {
            let left = channels - first;
            // SAFETY: `check` has compared every extent with the slices, and no panel passes the last channel.
            unsafe {
                first += if left >= 2 * S::LANES {
                    panel::<S, 2, false>(simd, &mut self, first)
                } else if left >= S::LANES {
                    panel::<S, 1, false>(simd, &mut self, first)
                } else if left > S::Half::LANES {
                    panel::<S, 1, true>(simd, &mut self, first)
                } else if left == S::Half::LANES {
                    panel::<S::Half, 1, false>(simd.half(), &mut self, first)
                } else {
                    panel::<S::Half, 1, true>(simd.half(), &mut self, first)
                }
            }
        }
    }
}

impl Correlate<'_> {
    /// Every index of the equation lies in its slice; checked once, so that the loops need not.
    fn check(&self) {
        let channels = self.bias.len();
        assert!(self.rows > 0 && self.columns > 0 && self.window_rows > 0 && self.window_run > 0);
        assert_eq!(self.weights.len(), self.window_rows * self.window_run * channels);
        assert_eq!(self.output.len(), self.rows * self.columns * channels);
        let last_row = (self.rows - 1) * self.row_stride + self.window_rows - 1;
        let last = last_row * self.row_length + (self.columns - 1) * self.column_step;
        assert!(last + self.window_run <= self.input.len());
    }
}

/// `V` vectors of channels from `first` on, for every pixel; returns the number of channels done.
///
/// # Safety
/// `job.check()` passed, and `first` plus the panel's channels are at most `job.bias.len()`.
#[inline(always)]
unsafe fn panel<S: Simd, const V: usize, const PART: bool>(
    simd: S,
    job: &mut Correlate<'_>,
    first: usize,
) -> usize {
    let channels = job.bias.len();
    let count = if PART { channels - first } else { V * S::LANES };
    let floor = simd.splat(job.floor);
    let tiles = job.columns.div_ceil(S::ACCUMULATORS.min(14 * V) / V);
    for y in 0..job.rows {
        // The rows of this window that may hold anything.
        let top = y * job.row_stride;
        let from = job.live.0.saturating_sub(top).min(job.window_rows);
        let to = job.live.1.saturating_sub(top).clamp(from, job.window_rows);
        let row = job.input.as_ptr().wrapping_add((top + from) * job.row_length);
        let weights = job.weights.as_ptr().wrapping_add(from * job.window_run * channels + first);
        for tile in 0..tiles {
            // Tiles of a row differ by one column at most: no narrow rest.
            let x = tile * job.columns / tiles;
            let width = (tile + 1) * job.columns / tiles - x;
            let work = Tile {
                input: row.wrapping_add(x * job.column_step),
                weights,
                bias: job.bias.as_ptr().wrapping_add(first),
                output: job
                    .output
                    .as_mut_ptr()
                    .wrapping_add((y * job.columns + x) * channels + first),
                column_step: job.column_step,
                row_length: job.row_length,
                window_rows: to - from,
                window_run: job.window_run,
                channels,
                count,
            };
            macro_rules! by_width {
                ($($p:literal)*) => {
                    match width {
                        // SAFETY: the caller's promise covers every pixel and channel of the tile.
                        $($p if $p * V <= S::ACCUMULATORS => unsafe { work.run::<S, $p, V, PART>(simd, floor) },)*
                        _ => unreachable!("tiles are at most ACCUMULATORS / V wide"),
                    }
                };
            }
            by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        }
    }
    count
}

/// The pointers and steps of one register tile.
struct Tile {
    input: *const f32,
    weights: *const f32,
    bias: *const f32,
    output: *mut f32,
    column_step: usize,
    row_length: usize,
    window_rows: usize,
    window_run: usize,
    channels: usize,
    count: usize,
}

impl Tile {
    /// `P` pixels × `V` vectors of channels.
    ///
    /// Pointers advance by `wrapping_add`: the checks that a development build adds to `add` cost half the speed.
    ///
    /// # Safety
    /// All of the tile's window lies in the input, its channels in the weights, the bias and the output.
    #[inline(always)]
    unsafe fn run<S: Simd, const P: usize, const V: usize, const PART: bool>(
        &self,
        simd: S,
        floor: S::V,
    ) {
        let mut sums = [[simd.splat(0.0); V]; P];
        for v in 0..V {
            // SAFETY: the caller's promise.
            let start =
                unsafe { simd.load_if::<PART>(self.bias.wrapping_add(v * S::LANES), self.count) };
            for p in 0..P {
                sums[p][v] = start;
            }
        }
        let mut weights = self.weights;
        let mut row = self.input;
        for _ in 0..self.window_rows {
            let mut input = row;
            for _ in 0..self.window_run {
                let mut w = [simd.splat(0.0); V];
                for v in 0..V {
                    // SAFETY: the caller's promise.
                    w[v] = unsafe {
                        simd.load_if::<PART>(weights.wrapping_add(v * S::LANES), self.count)
                    };
                }
                for p in 0..P {
                    // SAFETY: the caller's promise.
                    let x = unsafe { simd.splat_from(input.wrapping_add(p * self.column_step)) };
                    for v in 0..V {
                        sums[p][v] = simd.fma(x, w[v], sums[p][v]);
                    }
                }
                weights = weights.wrapping_add(self.channels);
                input = input.wrapping_add(1);
            }
            row = row.wrapping_add(self.row_length);
        }
        for p in 0..P {
            for v in 0..V {
                let value = simd.if_greater(floor, sums[p][v], floor, sums[p][v]);
                let to = self.output.wrapping_add(p * self.channels + v * S::LANES);
                // SAFETY: the caller's promise.
                unsafe { simd.store_if::<PART>(to, value, self.count) };
            }
        }
    }
}
