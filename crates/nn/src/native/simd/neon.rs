//! NEON (4 lanes, 32 registers), part of every 64-bit Arm processor.

use super::{Kernel, Simd};
use core::arch::aarch64::*;

/// 4 lanes; exists only where NEON was detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neon(());

impl Neon {
    /// The token, if this processor has the instructions.
    pub(super) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }

    /// Runs `kernel`; NEON is in the target's baseline, so no function needs it enabled.
    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) {
        kernel.run(self);
    }
}

impl Simd for Neon {
    const LANES: usize = 4;
    const ACCUMULATORS: usize = 24;
    type Half = Neon;
    type V = float32x4_t;

    #[inline(always)]
    fn half(self) -> Neon {
        self
    }
    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn splat_from(self, from: *const f32) -> float32x4_t {
        // SAFETY: the token proves the feature, the caller the memory.
        unsafe { vld1q_dup_f32(from) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: the token proves the feature, the caller the memory.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, count: usize) -> float32x4_t {
        let mut lanes = [0.0f32; 4];
        // SAFETY: the caller promises `count` readable values, fewer than 4; the token proves the feature.
        unsafe {
            core::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count.min(4));
            vld1q_f32(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: float32x4_t) {
        // SAFETY: the token proves the feature, the caller the memory.
        unsafe { vst1q_f32(to, v) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: float32x4_t, count: usize) {
        let mut lanes = [0.0f32; 4];
        // SAFETY: the caller promises `count` writable values, fewer than 4; the token proves the feature.
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), v);
            core::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count.min(4));
        }
    }
    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vsqrtq_f32(a) }
    }
    #[inline(always)]
    fn if_greater(
        self,
        a: float32x4_t,
        b: float32x4_t,
        yes: float32x4_t,
        no: float32x4_t,
    ) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vbslq_f32(vcgtq_f32(a, b), yes, no) }
    }
    #[inline(always)]
    fn if_equal(
        self,
        a: float32x4_t,
        b: float32x4_t,
        yes: float32x4_t,
        no: float32x4_t,
    ) -> float32x4_t {
        // SAFETY: the token proves the feature.
        unsafe { vbslq_f32(vceqq_f32(a, b), yes, no) }
    }
}
