//! The input gradient of a convolution of stride 1 with a small kernel, without a product by a zero of the frame.
//!
//! With P the padding, for row y, column x and input channel c,
//!
//! ```text
//! output[y][x][c] = Σ_i Σ_o Σ_j gradient[y + P - i][x + P - j][o] · weights[i][j][o][c]
//! ```
//!
//! over kernel row i, output channel o and kernel column j. Each stretch of up to [`STRETCH`] gradient pixels of a row
//! is spread over its `STRETCH + kernel - 1` outputs in registers; outputs that two stretches share continue their
//! chain of fused multiply-adds from memory. Lanes are input channels, and stretches depend on the shapes alone, so
//! that the width of the vectors cannot change a bit.

#![expect(
    clippy::needless_range_loop,
    reason = "register tiles are matrices: indices say which, and unroll surely"
)]

use super::linear::Geometry;
use super::simd::{Kernel, Simd};

/// Gradient pixels per register tile.
const STRETCH: usize = 8;

/// The operands for one image; see the module's equation.
pub(super) struct Transposed<'a> {
    pub(super) geometry: Geometry,
    /// One image of the layer's output.
    pub(super) gradient: &'a [f32],
    /// `[kernel row][kernel column][out channel][in channel]`.
    pub(super) weights: &'a [f32],
    /// One image of the layer's input.
    pub(super) output: &'a mut [f32],
}

impl Transposed<'_> {
    /// Whether this kernel computes a convolution's input gradient.
    pub(super) fn suits(g: &Geometry) -> bool {
        g.stride == 1 && (g.kernel == 3 || g.kernel == 5) && g.padding < g.kernel
    }

    /// Every index of the equation lies in its slice; checked once, so that the loops need not.
    fn check(&self) {
        let g = &self.geometry;
        assert!(Transposed::suits(g));
        assert_eq!(g.input.height + 2 * g.padding, g.output.height + g.kernel - 1);
        assert_eq!(g.input.width + 2 * g.padding, g.output.width + g.kernel - 1);
        assert_eq!(self.gradient.len(), g.output.len());
        assert_eq!(self.output.len(), g.input.len());
        let pairs = g.input.channels * g.output.channels;
        assert_eq!(self.weights.len(), g.kernel * g.kernel * pairs);
    }
}

impl Kernel for Transposed<'_> {
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        self.check();
        let channels = self.geometry.input.channels;
        let mut first = 0;
        while first < channels {
            let left = channels - first;
            // SAFETY: `check` has compared every extent with the slices, and no panel passes the last channel.
            unsafe {
                first += if left >= S::LANES {
                    panel::<S, false>(simd, &mut self, first)
                } else if left > S::Half::LANES {
                    panel::<S, true>(simd, &mut self, first)
                } else if left == S::Half::LANES {
                    panel::<S::Half, false>(simd.half(), &mut self, first)
                } else {
                    panel::<S::Half, true>(simd.half(), &mut self, first)
                }
            }
        }
    }
}

/// One vector of channels from `first` on, for every pixel; returns the number of channels done.
///
/// # Safety
/// `job.check()` passed, and `first` plus the panel's channels are at most the input's.
#[inline(always)]
unsafe fn panel<S: Simd, const PART: bool>(
    simd: S,
    job: &mut Transposed<'_>,
    first: usize,
) -> usize {
    let Geometry { input, output, kernel, padding, .. } = job.geometry;
    let count = if PART { input.channels - first } else { S::LANES };
    let stretches = output.width.div_ceil(STRETCH);
    for y in 0..input.height {
        // Kernel rows i whose gradient row y + padding - i exists.
        let below = y + padding;
        let from = (below + 1).saturating_sub(output.height);
        let to = kernel.min(below + 1);
        for stretch in 0..stretches {
            let x = stretch * output.width / stretches;
            let width = (stretch + 1) * output.width / stretches - x;
            let gradient = ((below + 1 - to) * output.width + x) * output.channels;
            let work = Stretch {
                gradient: job.gradient.as_ptr().wrapping_add(gradient),
                row_step: output.width * output.channels,
                rows: to - from,
                out_channels: output.channels,
                weights: job
                    .weights
                    .as_ptr()
                    .wrapping_add((to - 1) * kernel * output.channels * input.channels + first),
                in_channels: input.channels,
                output: job
                    .output
                    .as_mut_ptr()
                    .wrapping_add(y * input.width * input.channels + first),
                columns: (padding.saturating_sub(x), (input.width + padding).saturating_sub(x)),
                // Offset of the first column from `output`, which may wrap left of the image.
                shift: x.wrapping_sub(padding).wrapping_mul(input.channels),
                shared: if stretch == 0 { 0 } else { kernel - 1 },
                count,
            };
            macro_rules! by_width {
                ($($p:literal)*) => {
                    match (width, kernel) {
                        $(
                            // SAFETY: the caller's promise covers every pixel and channel of the stretch.
                            ($p, 3) => unsafe { work.run::<S, $p, 3, { $p + 2 }, PART>(simd) },
                            // SAFETY: as above.
                            ($p, 5) => unsafe { work.run::<S, $p, 5, { $p + 4 }, PART>(simd) },
                        )*
                        _ => unreachable!("stretches are at most STRETCH long, kernels 3 or 5"),
                    }
                };
            }
            by_width!(1 2 3 4 5 6 7 8);
        }
    }
    count
}

/// The pointers and steps of one stretch.
struct Stretch {
    /// The first pixel, in the first of the gradient rows: that of the last kernel row.
    gradient: *const f32,
    row_step: usize,
    /// Kernel rows that count.
    rows: usize,
    out_channels: usize,
    /// The last of those kernel rows.
    weights: *const f32,
    in_channels: usize,
    output: *mut f32,
    /// Those outputs of the stretch that lie in the image.
    columns: (usize, usize),
    shift: usize,
    /// Outputs that an earlier stretch has begun.
    shared: usize,
    count: usize,
}

impl Stretch {
    /// `W` pixels onto `N = W + K - 1` outputs.
    ///
    /// # Safety
    /// The stretch's pixels lie in the gradient, the outputs within `columns` in the output, and the channels in both.
    #[inline(always)]
    unsafe fn run<S: Simd, const W: usize, const K: usize, const N: usize, const PART: bool>(
        &self,
        simd: S,
    ) {
        let mut sums = [simd.splat(0.0); N];
        let output = self.output.wrapping_add(self.shift);
        for n in 0..N.min(self.shared) {
            if n >= self.columns.0 && n < self.columns.1 {
                let from = output.wrapping_add(n * self.in_channels);
                // SAFETY: the caller's promise.
                sums[n] = unsafe { simd.load_if::<PART>(from, self.count) };
            }
        }
        let tap = self.out_channels * self.in_channels;
        let (mut gradient, mut weights) = (self.gradient, self.weights);
        for _ in 0..self.rows {
            for o in 0..self.out_channels {
                let weights = weights.wrapping_add(o * self.in_channels);
                let mut w = [simd.splat(0.0); K];
                for j in 0..K {
                    let from = weights.wrapping_add(j * tap);
                    // SAFETY: the caller's promise.
                    w[j] = unsafe { simd.load_if::<PART>(from, self.count) };
                }
                for x in 0..W {
                    let from = gradient.wrapping_add(x * self.out_channels + o);
                    // SAFETY: the caller's promise.
                    let g = unsafe { simd.splat_from(from) };
                    // From the left, so that each output's products come in the same order in every stretch.
                    for j in 0..K {
                        sums[x + j] = simd.fma(g, w[j], sums[x + j]);
                    }
                }
            }
            gradient = gradient.wrapping_add(self.row_step);
            weights = weights.wrapping_sub(K * tap);
        }
        for n in 0..N {
            if n >= self.columns.0 && n < self.columns.1 {
                let to = output.wrapping_add(n * self.in_channels);
                // SAFETY: the caller's promise.
                unsafe { simd.store_if::<PART>(to, sums[n], self.count) };
            }
        }
    }
}
