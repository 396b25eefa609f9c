//! Max and average pooling of NHWC images; lanes are channels.

use super::elementwise::each_vector;
use super::simd::{Kernel, Simd};
use crate::Dims;

/// The windows of a pooling layer: `size × size`, side by side, a rest at the edge dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Windows {
    pub(super) input: Dims,
    pub(super) output: Dims,
    pub(super) size: usize,
}

impl Windows {
    /// Values of one row of the input.
    fn row(&self) -> usize {
        self.input.width * self.input.channels
    }

    /// The images in `input` values, which with `output` values must be whole images.
    fn images(&self, input: usize, output: usize) -> usize {
        let images = input / self.input.len();
        assert!(self.size * self.output.height <= self.input.height);
        assert!(self.size * self.output.width <= self.input.width);
        assert_eq!(self.output.channels, self.input.channels);
        assert_eq!(input, images * self.input.len());
        assert_eq!(output, images * self.output.len());
        images
    }

    /// Zeroes the values of the images of a gradient that lie in no window.
    fn clear_rest(&self, gradient: &mut [f32]) {
        let used = self.output.width * self.size * self.input.channels;
        let rows = self.output.height * self.size;
        for image in gradient.chunks_exact_mut(self.input.len()) {
            if used < self.row() {
                image.chunks_exact_mut(self.row()).for_each(|row| row[used..].fill(0.0));
            }
            image[rows * self.row()..].fill(0.0);
        }
    }
}

/// Visits every window: `$body` sees the offsets of its first value and of its output. A macro because a closure would
/// not be compiled for the instruction set.
macro_rules! each_window {
    ($windows:expr, $images:expr, |$corner:ident, $pixel:ident| $body:block) => {{
        let windows: &Windows = $windows;
        let mut $pixel = 0;
        for image in 0..$images {
            for y in 0..windows.output.height {
                let mut $corner = image * windows.input.len() + y * windows.size * windows.row();
                for _ in 0..windows.output.width {
                    $body
                    $corner += windows.size * windows.input.channels;
                    $pixel += windows.input.channels;
                }
            }
        }
    }};
}

/// Implements [`Kernel`] for a pooling job by its `windows` method, in vectors of half the width where the channels
/// fit into one, and with the common window side 2 known to the compiler (0 stands for any).
macro_rules! pooling_kernel {
    ($job:ident) => {
        impl Kernel for $job<'_> {
            #[inline(always)]
            fn run<S: Simd>(self, simd: S) {
                match (self.windows.input.channels <= S::Half::LANES, self.windows.size) {
                    (true, 2) => self.pool::<S::Half, 2>(simd.half()),
                    (true, _) => self.pool::<S::Half, 0>(simd.half()),
                    (false, 2) => self.pool::<S, 2>(simd),
                    (false, _) => self.pool::<S, 0>(simd),
                }
            }
        }
    };
}

/// output ← max(floor, maximum of the window); chosen ← the position of the first maximum. A NaN is a maximum.
pub(super) struct MaxPool<'a> {
    pub(super) windows: Windows,
    pub(super) input: &'a [f32],
    pub(super) output: &'a mut [f32],
    /// As long as `output`; positions, counted row by row, as numbers.
    pub(super) chosen: &'a mut [f32],
    /// 0 for a ReLU, which commutes with the maximum; -∞ for none.
    pub(super) floor: f32,
}

pooling_kernel!(MaxPool);

impl MaxPool<'_> {
    #[inline(always)]
    fn pool<S: Simd, const SIZE: usize>(self, simd: S) {
        let size = if SIZE > 0 { SIZE } else { self.windows.size };
        let images = self.windows.images(self.input.len(), self.output.len());
        assert_eq!(self.chosen.len(), self.output.len());
        let (channels, row) = (self.windows.input.channels, self.windows.row());
        let floor = simd.splat(self.floor);
        let (input, output) = (self.input.as_ptr(), self.output.as_mut_ptr());
        let chosen = self.chosen.as_mut_ptr();
        each_window!(&self.windows, images, |corner, pixel| {
            each_vector!(simd: S, channels, |at, count, PART| {
                let from = input.wrapping_add(corner + at);
                // SAFETY: `images` has found all windows in the input and all pixels in the others.
                unsafe {
                    let mut best = simd.load_if::<PART>(from, count);
                    let mut index = simd.splat(0.0);
                    for i in 0..size {
                        for j in 0..size {
                            if i + j > 0 {
                                let from = from.wrapping_add(i * row + j * channels);
                                let x = simd.load_if::<PART>(from, count);
                                let here = simd.splat((i * size + j) as f32);
                                let grown = simd.if_greater(x, best, here, index);
                                index = simd.if_equal(x, x, grown, here);
                                let grown = simd.if_greater(x, best, x, best);
                                best = simd.if_equal(x, x, grown, x);
                            }
                        }
                    }
                    let y = simd.if_greater(floor, best, floor, best);
                    simd.store_if::<PART>(output.wrapping_add(pixel + at), y, count);
                    simd.store_if::<PART>(chosen.wrapping_add(pixel + at), index, count);
                }
            });
        });
    }
}

/// downstream ← upstream at the chosen positions where the output passed the floor, 0 elsewhere.
pub(super) struct MaxPoolGradient<'a> {
    pub(super) windows: Windows,
    pub(super) chosen: &'a [f32],
    pub(super) output: &'a [f32],
    pub(super) upstream: &'a [f32],
    pub(super) downstream: &'a mut [f32],
    /// As in [`MaxPool`].
    pub(super) floor: f32,
}

pooling_kernel!(MaxPoolGradient);

impl MaxPoolGradient<'_> {
    #[inline(always)]
    fn pool<S: Simd, const SIZE: usize>(self, simd: S) {
        let size = if SIZE > 0 { SIZE } else { self.windows.size };
        let images = self.windows.images(self.downstream.len(), self.output.len());
        assert!(self.chosen.len() == self.output.len() && self.upstream.len() == self.output.len());
        let (channels, row) = (self.windows.input.channels, self.windows.row());
        let (zero, floor) = (simd.splat(0.0), simd.splat(self.floor));
        self.windows.clear_rest(self.downstream);
        let downstream = self.downstream.as_mut_ptr();
        let (output, upstream) = (self.output.as_ptr(), self.upstream.as_ptr());
        let chosen = self.chosen.as_ptr();
        each_window!(&self.windows, images, |corner, pixel| {
            each_vector!(simd: S, channels, |at, count, PART| {
                // SAFETY: `images` has found all windows in `downstream` and all pixels in the others.
                unsafe {
                    let index = simd.load_if::<PART>(chosen.wrapping_add(pixel + at), count);
                    let y = simd.load_if::<PART>(output.wrapping_add(pixel + at), count);
                    let g = simd.load_if::<PART>(upstream.wrapping_add(pixel + at), count);
                    let g = simd.if_greater(y, floor, g, zero);
                    for i in 0..size {
                        for j in 0..size {
                            let here = simd.splat((i * size + j) as f32);
                            let g = simd.if_equal(index, here, g, zero);
                            let to = corner + at + i * row + j * channels;
                            simd.store_if::<PART>(downstream.wrapping_add(to), g, count);
                        }
                    }
                }
            });
        });
    }
}

/// output ← mean of the window: the sum row by row, then times 1 / size².
pub(super) struct AvgPool<'a> {
    pub(super) windows: Windows,
    pub(super) input: &'a [f32],
    pub(super) output: &'a mut [f32],
}

pooling_kernel!(AvgPool);

impl AvgPool<'_> {
    #[inline(always)]
    fn pool<S: Simd, const SIZE: usize>(self, simd: S) {
        let size = if SIZE > 0 { SIZE } else { self.windows.size };
        let images = self.windows.images(self.input.len(), self.output.len());
        let (channels, row) = (self.windows.input.channels, self.windows.row());
        let scale = simd.splat(1.0 / (size * size) as f32);
        let (input, output) = (self.input.as_ptr(), self.output.as_mut_ptr());
        each_window!(&self.windows, images, |corner, pixel| {
            each_vector!(simd: S, channels, |at, count, PART| {
                // SAFETY: `images` has found all windows in the input and all pixels in the output.
                unsafe {
                    let mut sum = simd.splat(0.0);
                    for i in 0..size {
                        for j in 0..size {
                            let from = input.wrapping_add(corner + at + i * row + j * channels);
                            sum = simd.add(sum, simd.load_if::<PART>(from, count));
                        }
                    }
                    let mean = simd.mul(sum, scale);
                    simd.store_if::<PART>(output.wrapping_add(pixel + at), mean, count);
                }
            });
        });
    }
}

/// downstream ← upstream / size² at every position of the window.
pub(super) struct AvgPoolGradient<'a> {
    pub(super) windows: Windows,
    pub(super) upstream: &'a [f32],
    pub(super) downstream: &'a mut [f32],
}

pooling_kernel!(AvgPoolGradient);

impl AvgPoolGradient<'_> {
    #[inline(always)]
    fn pool<S: Simd, const SIZE: usize>(self, simd: S) {
        let size = if SIZE > 0 { SIZE } else { self.windows.size };
        let images = self.windows.images(self.downstream.len(), self.upstream.len());
        let (channels, row) = (self.windows.input.channels, self.windows.row());
        let scale = simd.splat(1.0 / (size * size) as f32);
        self.windows.clear_rest(self.downstream);
        let (downstream, upstream) = (self.downstream.as_mut_ptr(), self.upstream.as_ptr());
        each_window!(&self.windows, images, |corner, pixel| {
            each_vector!(simd: S, channels, |at, count, PART| {
                // SAFETY: `images` has found all windows in `downstream` and all pixels in `upstream`.
                unsafe {
                    let g = simd.load_if::<PART>(upstream.wrapping_add(pixel + at), count);
                    let g = simd.mul(g, scale);
                    for i in 0..size {
                        for j in 0..size {
                            let to = corner + at + i * row + j * channels;
                            simd.store_if::<PART>(downstream.wrapping_add(to), g, count);
                        }
                    }
                }
            });
        });
    }
}
