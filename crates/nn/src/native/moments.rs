//! Sums over the pixels of a channel, and per-channel linear maps: what normalisations are computed with. Lanes are channels.
//!
//! Sums run in single precision over [`BLOCK`] pixels, in four interleaved chains, and from block to block in double
//! precision: channels of ten thousands of values lose no digits, and the order depends on nothing but the values' number.

use super::Isa;
use super::elementwise::{RowSum, each_vector};
use super::simd::{Kernel, Simd};

/// Pixels summed up in single precision.
const BLOCK: usize = 64;

/// Sums per channel, with the block's room that they need.
#[derive(Debug)]
pub(super) struct Moments {
    block: Vec<f32>,
    /// The sums of the last call.
    pub(super) sums: Vec<f64>,
}

impl Moments {
    /// For that many channels.
    pub(super) fn new(channels: usize) -> Self {
        Moments { block: vec![0.0; channels], sums: vec![0.0; channels] }
    }

    /// Σ x of each channel.
    pub(super) fn sum(&mut self, isa: Isa, x: &[f32]) {
        self.by_block(x.len(), |block, sums| isa.run(RowSum { rows: &x[block], sums }));
    }

    /// Σ (x - mean)² of each channel.
    pub(super) fn squares(&mut self, isa: Isa, x: &[f32], mean: &[f32]) {
        self.by_block(x.len(), |block, sums| {
            let x = &x[block];
            isa.run(Centred::<true> { weights: x, x, mean, sums });
        });
    }

    /// Σ weight · (x - mean) of each channel.
    pub(super) fn products(&mut self, isa: Isa, weights: &[f32], x: &[f32], mean: &[f32]) {
        assert_eq!(weights.len(), x.len());
        self.by_block(x.len(), |block, sums| {
            isa.run(Centred::<false> {
                weights: &weights[block.clone()],
                x: &x[block],
                mean,
                sums,
            });
        });
    }

    /// Adds up what `sum_block` adds to zeros for each block of `len` values.
    fn by_block(&mut self, len: usize, sum_block: impl Fn(std::ops::Range<usize>, &mut [f32])) {
        let step = BLOCK * self.block.len();
        self.sums.fill(0.0);
        for start in (0..len).step_by(step) {
            self.block.fill(0.0);
            sum_block(start..(start + step).min(len), &mut self.block);
            for (sum, &part) in self.sums.iter_mut().zip(&self.block) {
                *sum += f64::from(part);
            }
        }
    }
}

/// sums\[c\] += Σ weights · (x - mean\[c\]) over the pixels, or with `SQUARE` Σ (x - mean\[c\])²: four chains, added pairwise.
struct Centred<'a, const SQUARE: bool> {
    weights: &'a [f32],
    x: &'a [f32],
    mean: &'a [f32],
    sums: &'a mut [f32],
}

impl<const SQUARE: bool> Kernel for Centred<'_, SQUARE> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.sums.len();
        assert_eq!(self.mean.len(), channels);
        assert_eq!(self.x.len() % channels, 0);
        assert_eq!(self.weights.len(), self.x.len());
        let (n, to) = (self.x.len() / channels, self.sums.as_mut_ptr());
        each_vector!(simd: S, channels, |at, count, PART| {
            let (mut weights, mut x) =
                (self.weights.as_ptr().wrapping_add(at), self.x.as_ptr().wrapping_add(at));
            // SAFETY: `at + count` is at most the number of channels, here and in the sums.
            let mean = unsafe { simd.load_if::<PART>(self.mean.as_ptr().wrapping_add(at), count) };
            let mut chains = [simd.splat(0.0); 4];
            for pixel in 0..n {
                let chain = &mut chains[pixel % 4];
                // SAFETY: both stand at channels `at..at + count` of this pixel.
                let (weight, value) = unsafe {
                    (simd.load_if::<PART>(weights, count), simd.load_if::<PART>(x, count))
                };
                let centred = simd.sub(value, mean);
                *chain = simd.fma(if SQUARE { centred } else { weight }, centred, *chain);
                (weights, x) = (weights.wrapping_add(channels), x.wrapping_add(channels));
            }
            let [a, b, c, d] = chains;
            let sum = simd.add(simd.add(a, b), simd.add(c, d));
            let to = to.wrapping_add(at);
            // SAFETY: as above.
            unsafe { simd.store_if::<PART>(to, simd.add(simd.load_if::<PART>(to, count), sum), count) };
        });
    }
}

/// output ← (x - mean\[c\]) · scale\[c\] + shift\[c\].
pub(super) struct Scaled<'a> {
    pub(super) x: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) shift: &'a [f32],
    pub(super) output: &'a mut [f32],
}

impl Kernel for Scaled<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.mean.len();
        assert_eq!(self.scale.len(), channels);
        assert_eq!(self.shift.len(), channels);
        assert_eq!(self.x.len() % channels, 0);
        assert_eq!(self.x.len(), self.output.len());
        let pixels = self.x.len() / channels;
        each_vector!(simd: S, channels, |at, count, PART| {
            let (mut from, mut to) =
                (self.x.as_ptr().wrapping_add(at), self.output.as_mut_ptr().wrapping_add(at));
            // SAFETY: `at + count` is at most the number of channels, in each of the three and in every pixel.
            unsafe {
                let mean = simd.load_if::<PART>(self.mean.as_ptr().wrapping_add(at), count);
                let scale = simd.load_if::<PART>(self.scale.as_ptr().wrapping_add(at), count);
                let shift = simd.load_if::<PART>(self.shift.as_ptr().wrapping_add(at), count);
                for _ in 0..pixels {
                    let centred = simd.sub(simd.load_if::<PART>(from, count), mean);
                    simd.store_if::<PART>(to, simd.fma(centred, scale, shift), count);
                    (from, to) = (from.wrapping_add(channels), to.wrapping_add(channels));
                }
            }
        });
    }
}

/// downstream ← a\[c\] · upstream + b\[c\] · (x - mean\[c\]) + d\[c\]: the gradient by the input of a normalisation.
pub(super) struct NormGradient<'a> {
    pub(super) upstream: &'a [f32],
    pub(super) x: &'a [f32],
    pub(super) mean: &'a [f32],
    pub(super) a: &'a [f32],
    pub(super) b: &'a [f32],
    pub(super) d: &'a [f32],
    pub(super) downstream: &'a mut [f32],
}

impl Kernel for NormGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.mean.len();
        for coefficients in [self.a, self.b, self.d] {
            assert_eq!(coefficients.len(), channels);
        }
        assert_eq!(self.x.len() % channels, 0);
        assert_eq!(self.x.len(), self.upstream.len());
        assert_eq!(self.x.len(), self.downstream.len());
        let pixels = self.x.len() / channels;
        each_vector!(simd: S, channels, |at, count, PART| {
            let mut x = self.x.as_ptr().wrapping_add(at);
            let mut from = self.upstream.as_ptr().wrapping_add(at);
            let mut to = self.downstream.as_mut_ptr().wrapping_add(at);
            // SAFETY: `at + count` is at most the number of channels, in each of the four and in every pixel.
            unsafe {
                let mean = simd.load_if::<PART>(self.mean.as_ptr().wrapping_add(at), count);
                let a = simd.load_if::<PART>(self.a.as_ptr().wrapping_add(at), count);
                let b = simd.load_if::<PART>(self.b.as_ptr().wrapping_add(at), count);
                let d = simd.load_if::<PART>(self.d.as_ptr().wrapping_add(at), count);
                for _ in 0..pixels {
                    let centred = simd.sub(simd.load_if::<PART>(x, count), mean);
                    let rest = simd.fma(b, centred, d);
                    let g = simd.fma(a, simd.load_if::<PART>(from, count), rest);
                    simd.store_if::<PART>(to, g, count);
                    (x, from) = (x.wrapping_add(channels), from.wrapping_add(channels));
                    to = to.wrapping_add(channels);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_every_remainder_are_exact_on_whole_numbers() {
        for isa in Isa::available() {
            for (pixels, channels) in [(1, 1), (3, 7), (63, 8), (64, 16), (65, 19), (200, 33)] {
                let x: Vec<f32> = (0..pixels * channels).map(|i| (i % 11) as f32).collect();
                let weights: Vec<f32> = (0..pixels * channels).map(|i| (i % 5) as f32).collect();
                let mean: Vec<f32> = (0..channels).map(|c| (c % 3) as f32).collect();
                let sum_of = |value: &dyn Fn(usize) -> f32, c: usize| -> f64 {
                    (0..pixels).map(|p| f64::from(value(p * channels + c))).sum()
                };
                let mut moments = Moments::new(channels);
                moments.sum(isa, &x);
                assert!((0..channels).all(|c| moments.sums[c] == sum_of(&|i| x[i], c)));
                moments.squares(isa, &x, &mean);
                let square = |i: usize| (x[i] - mean[i % channels]).powi(2);
                assert!((0..channels).all(|c| moments.sums[c] == sum_of(&square, c)));
                moments.products(isa, &weights, &x, &mean);
                let product = |i: usize| weights[i] * (x[i] - mean[i % channels]);
                assert!((0..channels).all(|c| moments.sums[c] == sum_of(&product, c)));
            }
        }
    }
}
