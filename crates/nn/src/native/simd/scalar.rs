//! One lane: the reference that the vector types must equal bit for bit, and the path for other processors.

use super::Simd;

/// One `f32`; always available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scalar;

impl Simd for Scalar {
    const LANES: usize = 1;
    const ACCUMULATORS: usize = 12;
    type Half = Scalar;
    type V = f32;

    #[inline(always)]
    fn half(self) -> Scalar {
        self
    }
    #[inline(always)]
    fn splat(self, x: f32) -> f32 {
        x
    }
    #[inline(always)]
    unsafe fn splat_from(self, from: *const f32) -> f32 {
        // SAFETY: the caller promises one readable value.
        unsafe { *from }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> f32 {
        // SAFETY: the caller promises one readable value.
        unsafe { *from }
    }
    #[inline(always)]
    unsafe fn load_part(self, _: *const f32, _: usize) -> f32 {
        0.0 // fewer values than one lane are none
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: f32) {
        // SAFETY: the caller promises one writable value.
        unsafe { *to = v }
    }
    #[inline(always)]
    unsafe fn store_part(self, _: *mut f32, _: f32, _: usize) {}
    #[inline(always)]
    fn fma(self, a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn add(self, a: f32, b: f32) -> f32 {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: f32, b: f32) -> f32 {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: f32, b: f32) -> f32 {
        a * b
    }
    #[inline(always)]
    fn div(self, a: f32, b: f32) -> f32 {
        a / b
    }
    #[inline(always)]
    fn sqrt(self, a: f32) -> f32 {
        a.sqrt()
    }
    #[inline(always)]
    fn if_greater(self, a: f32, b: f32, yes: f32, no: f32) -> f32 {
        if a > b { yes } else { no }
    }
    #[inline(always)]
    fn if_equal(self, a: f32, b: f32, yes: f32, no: f32) -> f32 {
        if a == b { yes } else { no }
    }
}
