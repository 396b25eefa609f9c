//! The sum of outer products of input windows and output gradients: the inner loop of every weight gradient.
//!
//! For window row i, position k in that row and output channel c,
//!
//! ```text
//! sums[i · window_run + k][c] += Σ_y Σ_x input[(y · row_stride + i) · row_length + x · column_step + k]
//!                                        · gradient[y · columns + x][c]
//! ```
//!
//! Each sum is one chain of fused multiply-adds, y outside, x inside, continued from call to call; lanes are output
//! channels, so that the width of the vectors cannot change a bit.

#![expect(
    clippy::needless_range_loop,
    reason = "register tiles are matrices: indices say which, and unroll surely"
)]

use super::simd::{Kernel, Simd};

/// The operands of one sum; see the module's equation.
pub(super) struct Outer<'a> {
    pub(super) input: &'a [f32],
    /// `rows × columns × channels`.
    pub(super) gradient: &'a [f32],
    /// `window_rows · window_run × channels`.
    pub(super) sums: &'a mut [f32],
    pub(super) channels: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) column_step: usize,
    pub(super) row_stride: usize,
    pub(super) row_length: usize,
    pub(super) window_rows: usize,
    pub(super) window_run: usize,
}

impl Kernel for Outer<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        self.check();
        let mut first = 0;
        while first < self.channels {
            let left = self.channels - first;
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

impl Outer<'_> {
    /// Every index of the equation lies in its slice; checked once, so that the loops need not.
    fn check(&self) {
        assert!(self.rows > 0 && self.columns > 0 && self.window_rows > 0 && self.window_run > 0);
        assert_eq!(self.gradient.len(), self.rows * self.columns * self.channels);
        assert_eq!(self.sums.len(), self.window_rows * self.window_run * self.channels);
        let last_row = (self.rows - 1) * self.row_stride + self.window_rows - 1;
        let last = last_row * self.row_length + (self.columns - 1) * self.column_step;
        assert!(last + self.window_run <= self.input.len());
    }
}

/// `V` vectors of channels from `first` on, for every weight; returns the number of channels done.
///
/// # Safety
/// `job.check()` passed, and `first` plus the panel's channels are at most `job.channels`.
#[inline(always)]
unsafe fn panel<S: Simd, const V: usize, const PART: bool>(
    simd: S,
    job: &mut Outer<'_>,
    first: usize,
) -> usize {
    let count = if PART { job.channels - first } else { V * S::LANES };
    let run = job.window_run;
    let room = S::ACCUMULATORS / V;
    let tiles = run.div_ceil(room.min(14));
    let mut i = 0;
    while i < job.window_rows {
        // Short rows (few input channels) go several at a time, so that enough chains are under way.
        let rows = [5, 3, 2, 1]
            .into_iter()
            .find(|&r| {
                r == 1 || (run == 3 || run == 5) && r * run <= room && i + r <= job.window_rows
            })
            .unwrap_or(1);
        for tile in 0..tiles {
            let k = tile * run / tiles;
            let width = (tile + 1) * run / tiles - k;
            macro_rules! by_shape {
                ($(($r:literal $k:literal))*) => {
                    match (rows, width) {
                        $(($r, $k) if $r * $k * V <= S::ACCUMULATORS => {
                            // SAFETY: the caller's promise covers every weight and channel of the tile.
                            unsafe { tile_sums::<S, $r, $k, V, PART>(simd, job, i, k, first, count) }
                        })*
                        _ => unreachable!("tiles hold at most ACCUMULATORS / V weights"),
                    }
                };
            }
            by_shape!(
                (1 1) (1 2) (1 3) (1 4) (1 5) (1 6) (1 7) (1 8) (1 9) (1 10) (1 11) (1 12) (1 13) (1 14)
                (2 3) (3 3) (2 5) (3 5) (5 5) (5 3)
            );
        }
        i += rows;
    }
    count
}

/// `R` window rows × `K` positions × `V` vectors of channels, from row `i`, position `k` and channel `first` on.
///
/// # Safety
/// `job.check()` passed, and the tile lies within the window and the channels.
#[inline(always)]
unsafe fn tile_sums<S: Simd, const R: usize, const K: usize, const V: usize, const PART: bool>(
    simd: S,
    job: &mut Outer<'_>,
    i: usize,
    k: usize,
    first: usize,
    count: usize,
) {
    let (channels, row_length, step) = (job.channels, job.row_length, job.column_step);
    let to = job.sums.as_mut_ptr().wrapping_add((i * job.window_run + k) * channels + first);
    let row_sums = job.window_run * channels;
    let mut sums = [[[simd.splat(0.0); V]; K]; R];
    for r in 0..R {
        for j in 0..K {
            for v in 0..V {
                let from = to.wrapping_add(r * row_sums + j * channels + v * S::LANES);
                // SAFETY: the caller's promise.
                sums[r][j][v] = unsafe { simd.load_if::<PART>(from, count) };
            }
        }
    }
    let mut gradient = job.gradient.as_ptr().wrapping_add(first);
    for y in 0..job.rows {
        let mut input = job.input.as_ptr().wrapping_add((y * job.row_stride + i) * row_length + k);
        for _ in 0..job.columns {
            let mut g = [simd.splat(0.0); V];
            for v in 0..V {
                // SAFETY: the caller's promise.
                g[v] = unsafe { simd.load_if::<PART>(gradient.wrapping_add(v * S::LANES), count) };
            }
            for r in 0..R {
                let row = input.wrapping_add(r * row_length);
                for j in 0..K {
                    // SAFETY: the caller's promise.
                    let x = unsafe { simd.splat_from(row.wrapping_add(j)) };
                    for v in 0..V {
                        sums[r][j][v] = simd.fma(x, g[v], sums[r][j][v]);
                    }
                }
            }
            input = input.wrapping_add(step);
            gradient = gradient.wrapping_add(channels);
        }
    }
    for r in 0..R {
        for j in 0..K {
            for v in 0..V {
                let at = to.wrapping_add(r * row_sums + j * channels + v * S::LANES);
                // SAFETY: the caller's promise.
                unsafe { simd.store_if::<PART>(at, sums[r][j][v], count) };
            }
        }
    }
}
