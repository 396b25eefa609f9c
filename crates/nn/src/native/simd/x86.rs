//! AVX2 with FMA (8 lanes, 16 registers) and AVX-512 (16 lanes, or 8 for narrow layers, 32 registers).
//!
//! Whole vectors are loaded and stored under a mask of ones, which compiles to a plain move: the unmasked intrinsics
//! are checked pointer reads in a development build, whose panic paths spill every register tile (measured:
//! three times slower).

use super::{Kernel, Simd};
use core::arch::x86_64::*;

/// 8 lanes; exists only where AVX2 and FMA were detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx2(());

/// 16 lanes; exists only where AVX-512 F, VL, DQ and BW were detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx512(());

/// 8 lanes with AVX-512's masks and 32 registers; made from an [`Avx512`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Avx512Half(());

impl Avx2 {
    /// The token, if this processor has the instructions.
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        has.then_some(Avx2(()))
    }

    /// Runs `kernel` compiled for AVX2 and FMA.
    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx2,fma")]
        fn inner<K: Kernel>(kernel: K, token: Avx2) {
            kernel.run(token);
        }
        // SAFETY: the token exists only where these features were detected.
        unsafe { inner(kernel, self) }
    }
}

impl Avx512 {
    /// The token, if this processor has the instructions.
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && Avx2::detect().is_some();
        has.then_some(Avx512(()))
    }

    /// Runs `kernel` compiled for AVX-512.
    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
        fn inner<K: Kernel>(kernel: K, token: Avx512) {
            kernel.run(token);
        }
        // SAFETY: the token exists only where these features were detected.
        unsafe { inner(kernel, self) }
    }
}

/// The arithmetic, which differs between the widths by the intrinsics' prefix only.
macro_rules! arithmetic {
    ($vector:ty, $splat:ident, $broadcast:ident, $fma:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:ident) => {
        type V = $vector;
        #[inline(always)]
        fn splat(self, x: f32) -> $vector {
            // SAFETY: the token proves the feature.
            unsafe { $splat(x) }
        }
        #[inline(always)]
        unsafe fn splat_from(self, from: *const f32) -> $vector {
            // SAFETY: the token proves the feature, the caller the memory.
            unsafe { $broadcast(_mm_load_ss(from)) }
        }
        #[inline(always)]
        fn fma(self, a: $vector, b: $vector, c: $vector) -> $vector {
            // SAFETY: the token proves the feature.
            unsafe { $fma(a, b, c) }
        }
        #[inline(always)]
        fn add(self, a: $vector, b: $vector) -> $vector {
            // SAFETY: the token proves the feature.
            unsafe { $add(a, b) }
        }
        #[inline(always)]
        fn sub(self, a: $vector, b: $vector) -> $vector {
            // SAFETY: the token proves the feature.
            unsafe { $sub(a, b) }
        }
        #[inline(always)]
        fn mul(self, a: $vector, b: $vector) -> $vector {
            // SAFETY: the token proves the feature.
            unsafe { $mul(a, b) }
        }
        #[inline(always)]
        fn div(self, a: $vector, b: $vector) -> $vector {
            // SAFETY: the token proves the feature.
            unsafe { $div(a, b) }
        }
        #[inline(always)]
        fn sqrt(self, a: $vector) -> $vector {
            // SAFETY: the token proves the feature.
            unsafe { $sqrt(a) }
        }
    };
}

/// `count` ones, then zeros, as an AVX2 lane mask.
#[inline(always)]
fn lane_mask(count: usize) -> __m256i {
    const ONES_THEN_ZEROS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    let from = ONES_THEN_ZEROS[8 - count.min(8)..].as_ptr();
    // SAFETY: 8 values are left in the array from index 8 - min(count, 8); called under an AVX2 token only.
    unsafe { _mm256_loadu_si256(from.cast()) }
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    const ACCUMULATORS: usize = 12;
    type Half = Avx2;
    arithmetic!(
        __m256,
        _mm256_set1_ps,
        _mm256_broadcastss_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_sqrt_ps
    );

    #[inline(always)]
    fn half(self) -> Avx2 {
        self
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: the token proves the feature, the caller the memory.
        unsafe { _mm256_maskload_ps(from, _mm256_set1_epi32(-1)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m256) {
        // SAFETY: the token proves the feature, the caller the memory.
        unsafe { _mm256_maskstore_ps(to, _mm256_set1_epi32(-1), v) }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, count: usize) -> __m256 {
        // SAFETY: masked lanes are not touched; the caller promises the others; the token proves the feature.
        unsafe { _mm256_maskload_ps(from, lane_mask(count)) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: __m256, count: usize) {
        // SAFETY: masked lanes are not touched; the caller promises the others; the token proves the feature.
        unsafe { _mm256_maskstore_ps(to, lane_mask(count), v) }
    }
    #[inline(always)]
    fn if_greater(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        // SAFETY: the token proves the feature.
        unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) }
    }
    #[inline(always)]
    fn if_equal(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        // SAFETY: the token proves the feature.
        unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)) }
    }
}

impl Simd for Avx512 {
    const LANES: usize = 16;
    const ACCUMULATORS: usize = 28;
    type Half = Avx512Half;
    arithmetic!(
        __m512,
        _mm512_set1_ps,
        _mm512_broadcastss_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_div_ps,
        _mm512_sqrt_ps
    );

    #[inline(always)]
    fn half(self) -> Avx512Half {
        Avx512Half(())
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the token proves the feature, the caller the memory.
        unsafe { _mm512_maskz_loadu_ps(u16::MAX, from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m512) {
        // SAFETY: the token proves the feature, the caller the memory.
        unsafe { _mm512_mask_storeu_ps(to, u16::MAX, v) }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, count: usize) -> __m512 {
        let mask = (1u32 << count.min(16)) - 1;
        // SAFETY: masked lanes are not touched; the caller promises the others; the token proves the feature.
        unsafe { _mm512_maskz_loadu_ps(mask as __mmask16, from) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: __m512, count: usize) {
        let mask = (1u32 << count.min(16)) - 1;
        // SAFETY: masked lanes are not touched; the caller promises the others; the token proves the feature.
        unsafe { _mm512_mask_storeu_ps(to, mask as __mmask16, v) }
    }
    #[inline(always)]
    fn if_greater(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes) }
    }
    #[inline(always)]
    fn if_equal(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: the token proves the feature.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), no, yes) }
    }
}

impl Simd for Avx512Half {
    const LANES: usize = 8;
    const ACCUMULATORS: usize = 28;
    type Half = Avx512Half;
    arithmetic!(
        __m256,
        _mm256_set1_ps,
        _mm256_broadcastss_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_sqrt_ps
    );

    #[inline(always)]
    fn half(self) -> Avx512Half {
        self
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: the token proves the feature, the caller the memory.
        unsafe { _mm256_maskz_loadu_ps(u8::MAX, from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m256) {
        // SAFETY: the token proves the feature, the caller the memory.
        unsafe { _mm256_mask_storeu_ps(to, u8::MAX, v) }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, count: usize) -> __m256 {
        let mask = (1u32 << count.min(8)) - 1;
        // SAFETY: masked lanes are not touched; the caller promises the others; the token proves the feature.
        unsafe { _mm256_maskz_loadu_ps(mask as __mmask8, from) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: __m256, count: usize) {
        let mask = (1u32 << count.min(8)) - 1;
        // SAFETY: masked lanes are not touched; the caller promises the others; the token proves the feature.
        unsafe { _mm256_mask_storeu_ps(to, mask as __mmask8, v) }
    }
    #[inline(always)]
    fn if_greater(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        // SAFETY: the token proves the feature.
        unsafe { _mm256_mask_blend_ps(_mm256_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes) }
    }
    #[inline(always)]
    fn if_equal(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        // SAFETY: the token proves the feature.
        unsafe { _mm256_mask_blend_ps(_mm256_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), no, yes) }
    }
}
