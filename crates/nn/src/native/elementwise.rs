//! What is computed value by value: ReLU, the hyperbolic tangent, masks, sums of rows.

use super::simd::{Kernel, Simd};

/// Visits `0..len` in whole vectors, then the rest: `$body` is compiled for both.
macro_rules! each_vector {
    ($simd:ident: $s:ident, $len:expr, |$at:ident, $count:ident, $part:ident| $body:block) => {{
        let len: usize = $len;
        let whole = len - len % $s::LANES;
        let mut $at = 0;
        while $at < whole {
            const $part: bool = false;
            let $count = $s::LANES;
            $body
            $at += $s::LANES;
        }
        if whole < len {
            const $part: bool = true;
            let $count = len - whole;
            $body
        }
    }};
}
pub(super) use each_vector;

/// values ← max(values, 0); NaN stays.
pub(super) struct Relu<'a> {
    pub(super) input: &'a [f32],
    pub(super) output: &'a mut [f32],
}

impl Kernel for Relu<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        assert_eq!(self.input.len(), self.output.len());
        let zero = simd.splat(0.0);
        let (from, to) = (self.input.as_ptr(), self.output.as_mut_ptr());
        each_vector!(simd: S, self.output.len(), |at, count, PART| {
            // SAFETY: `at + count` is at most the common length.
            unsafe {
                let x = simd.load_if::<PART>(from.wrapping_add(at), count);
                let y = simd.if_greater(zero, x, zero, x);
                simd.store_if::<PART>(to.wrapping_add(at), y, count);
            }
        });
    }
}

/// gradient ← gradient where output > 0, else 0: ReLU's derivative, 0 at 0.
pub(super) struct ReluGradient<'a> {
    pub(super) output: &'a [f32],
    pub(super) gradient: &'a mut [f32],
}

impl Kernel for ReluGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        assert_eq!(self.output.len(), self.gradient.len());
        let zero = simd.splat(0.0);
        let (from, to) = (self.output.as_ptr(), self.gradient.as_mut_ptr());
        each_vector!(simd: S, self.gradient.len(), |at, count, PART| {
            // SAFETY: `at + count` is at most the common length.
            unsafe {
                let y = simd.load_if::<PART>(from.wrapping_add(at), count);
                let g = simd.load_if::<PART>(to.wrapping_add(at), count);
                let g = simd.if_greater(y, zero, g, zero);
                simd.store_if::<PART>(to.wrapping_add(at), g, count);
            }
        });
    }
}

/// output ← tanh(input), by [`tanh`].
pub(super) struct Tanh<'a> {
    pub(super) input: &'a [f32],
    pub(super) output: &'a mut [f32],
}

impl Kernel for Tanh<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        assert_eq!(self.input.len(), self.output.len());
        let (from, to) = (self.input.as_ptr(), self.output.as_mut_ptr());
        each_vector!(simd: S, self.output.len(), |at, count, PART| {
            // SAFETY: `at + count` is at most the common length.
            unsafe {
                let x = simd.load_if::<PART>(from.wrapping_add(at), count);
                simd.store_if::<PART>(to.wrapping_add(at), tanh(simd, x), count);
            }
        });
    }
}

/// gradient ← gradient · (1 - output²): the derivative of the hyperbolic tangent.
pub(super) struct TanhGradient<'a> {
    pub(super) output: &'a [f32],
    pub(super) gradient: &'a mut [f32],
}

impl Kernel for TanhGradient<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        assert_eq!(self.output.len(), self.gradient.len());
        let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
        let (from, to) = (self.output.as_ptr(), self.gradient.as_mut_ptr());
        each_vector!(simd: S, self.gradient.len(), |at, count, PART| {
            // SAFETY: `at + count` is at most the common length.
            unsafe {
                let y = simd.load_if::<PART>(from.wrapping_add(at), count);
                let g = simd.load_if::<PART>(to.wrapping_add(at), count);
                let slope = simd.fma(simd.sub(zero, y), y, one);
                simd.store_if::<PART>(to.wrapping_add(at), simd.mul(g, slope), count);
            }
        });
    }
}

/// output ← input · mask.
pub(super) struct Masked<'a> {
    pub(super) input: &'a [f32],
    pub(super) mask: &'a [f32],
    pub(super) output: &'a mut [f32],
}

impl Kernel for Masked<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        assert_eq!(self.input.len(), self.output.len());
        assert_eq!(self.mask.len(), self.output.len());
        let (from, mask, to) = (self.input.as_ptr(), self.mask.as_ptr(), self.output.as_mut_ptr());
        each_vector!(simd: S, self.output.len(), |at, count, PART| {
            // SAFETY: `at + count` is at most the common length.
            unsafe {
                let x = simd.load_if::<PART>(from.wrapping_add(at), count);
                let m = simd.load_if::<PART>(mask.wrapping_add(at), count);
                simd.store_if::<PART>(to.wrapping_add(at), simd.mul(x, m), count);
            }
        });
    }
}

/// sums\[c\] += Σ_n rows\[n\]\[c\], the gradient of a bias: four interleaved chains, added pairwise at the end.
pub(super) struct RowSum<'a> {
    pub(super) rows: &'a [f32],
    pub(super) sums: &'a mut [f32],
}

impl Kernel for RowSum<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.sums.len();
        assert_eq!(self.rows.len() % channels, 0);
        let (n, to) = (self.rows.len() / channels, self.sums.as_mut_ptr());
        each_vector!(simd: S, channels, |at, count, PART| {
            let mut from = self.rows.as_ptr().wrapping_add(at);
            let mut chains = [simd.splat(0.0); 4];
            for row in 0..n {
                let chain = &mut chains[row % 4];
                // SAFETY: `from` stands at channels `at..at + count` of this row.
                *chain = simd.add(*chain, unsafe { simd.load_if::<PART>(from, count) });
                from = from.wrapping_add(channels);
            }
            let [a, b, c, d] = chains;
            let sum = simd.add(simd.add(a, b), simd.add(c, d));
            let to = to.wrapping_add(at);
            // SAFETY: `at + count` is at most the number of channels.
            unsafe { simd.store_if::<PART>(to, simd.add(simd.load_if::<PART>(to, count), sum), count) };
        });
    }
}

/// tanh by the odd rational function of degrees 13 and 6 of Eigen (`ptanh_float` in
/// Eigen/src/Core/MathFunctionsImpl.h): relative error below 1e-6 everywhere; NaN stays.
#[inline(always)]
fn tanh<S: Simd>(simd: S, x: S::V) -> S::V {
    /// tanh rounds to 1 from here on.
    const LIMIT: f32 = 7.905_311;
    const NUMERATOR: [f32; 7] = [
        -2.760_768_5e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297e-8,
        1.485_722_4e-5,
        6.372_619e-4,
        4.893_524_6e-3,
    ];
    const DENOMINATOR: [f32; 4] = [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3];
    let (high, low) = (simd.splat(LIMIT), simd.splat(-LIMIT));
    let x = simd.if_greater(x, high, high, x);
    let x = simd.if_greater(low, x, low, x);
    let square = simd.mul(x, x);
    let mut p = simd.splat(NUMERATOR[0]);
    for c in &NUMERATOR[1..] {
        p = simd.fma(p, square, simd.splat(*c));
    }
    let mut q = simd.splat(DENOMINATOR[0]);
    for c in &DENOMINATOR[1..] {
        q = simd.fma(q, square, simd.splat(*c));
    }
    simd.div(simd.mul(x, p), q)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::Isa;

    #[test]
    fn tanh_is_within_a_millionth_of_libm() {
        let inputs: Vec<f32> = (-100_003..100_003).map(|i| i as f32 * 1e-4).collect();
        let mut output = vec![0.0; inputs.len()];
        for isa in Isa::available() {
            isa.run(Tanh { input: &inputs, output: &mut output });
            for (&x, &y) in inputs.iter().zip(&output) {
                let exact = libm::tanh(f64::from(x));
                assert!((f64::from(y) - exact).abs() <= 1e-6 * exact.abs(), "tanh({x}) = {y}");
            }
        }
    }

    #[test]
    fn nan_passes_relu_and_tanh() {
        let mut output = [0.0; 17];
        for isa in Isa::available() {
            isa.run(Relu { input: &[f32::NAN; 17], output: &mut output });
            assert!(output.iter().all(|y| y.is_nan()));
            isa.run(Tanh { input: &[f32::NAN; 17], output: &mut output });
            assert!(output.iter().all(|y| y.is_nan()));
        }
    }

    #[test]
    fn row_sums_of_every_remainder() {
        for isa in Isa::available() {
            for n in 1..10usize {
                for channels in [1, 2, 8, 19, 35] {
                    let rows: Vec<f32> = (0..n * channels).map(|i| i as f32).collect();
                    let mut sums = vec![0.0; channels];
                    isa.run(RowSum { rows: &rows, sums: &mut sums });
                    for (c, &sum) in sums.iter().enumerate() {
                        let expected: usize = (0..n).map(|r| r * channels + c).sum();
                        assert_eq!(sum, expected as f32);
                    }
                }
            }
        }
    }
}
