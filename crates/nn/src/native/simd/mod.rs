//! One vector type per instruction set, behind one trait, and the choice among them at run time.
//!
//! Kernels are written once against [`Simd`] and compiled once per instruction set. Only operations that IEEE 754
//! rounds exactly are offered (fused multiply-add, +, -, ×, ÷, √, comparison), and none that combines lanes, so a
//! kernel that computes each element on its own gives the same bits on every instruction set.

#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::NnError;

/// A vector of `f32` lanes, and a token that proves that this processor has its instructions.
///
/// Implementations inline everything into their caller, so that code generic over this trait becomes straight
/// vector code when it is itself inlined into [`Isa::run`].
pub(super) trait Simd: Copy {
    /// Lanes per vector.
    const LANES: usize;
    /// The accumulators that a register tile may use, other operands left aside.
    const ACCUMULATORS: usize;
    /// Half as many lanes for narrow layers, where the processor has them; else the type itself.
    type Half: Simd;
    /// The vector.
    type V: Copy;

    /// The token of the half-width vectors.
    fn half(self) -> Self::Half;
    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// All lanes the value at `from`.
    ///
    /// # Safety
    /// `from` points to a readable value.
    unsafe fn splat_from(self, from: *const f32) -> Self::V;
    /// `LANES` values from `from`.
    ///
    /// # Safety
    /// `from` points to `LANES` readable values.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// `count < LANES` values from `from`, zeros above.
    ///
    /// # Safety
    /// `from` points to `count` readable values.
    unsafe fn load_part(self, from: *const f32, count: usize) -> Self::V;
    /// `LANES` values to `to`.
    ///
    /// # Safety
    /// `to` points to `LANES` writable values.
    unsafe fn store(self, to: *mut f32, v: Self::V);
    /// The first `count < LANES` values to `to`.
    ///
    /// # Safety
    /// `to` points to `count` writable values.
    unsafe fn store_part(self, to: *mut f32, v: Self::V, count: usize);
    /// a · b + c, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a + b.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a - b.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// √a.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `if a > b { yes } else { no }`, lane by lane; a NaN on either side chooses `no`.
    fn if_greater(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// `if a == b { yes } else { no }`, lane by lane; a NaN on either side chooses `no`.
    fn if_equal(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;

    /// [`Simd::load`] or, if `PART`, [`Simd::load_part`].
    ///
    /// # Safety
    /// As those.
    #[inline(always)]
    unsafe fn load_if<const PART: bool>(self, from: *const f32, count: usize) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { if PART { self.load_part(from, count) } else { self.load(from) } }
    }

    /// [`Simd::store`] or, if `PART`, [`Simd::store_part`].
    ///
    /// # Safety
    /// As those.
    #[inline(always)]
    unsafe fn store_if<const PART: bool>(self, to: *mut f32, v: Self::V, count: usize) {
        // SAFETY: the caller's promise.
        unsafe { if PART { self.store_part(to, v, count) } else { self.store(to, v) } }
    }
}

/// A computation written once for every instruction set. `run` must be `#[inline(always)]`.
pub(super) trait Kernel {
    /// The computation.
    fn run<S: Simd>(self, simd: S);
}

/// The instruction set that the native engine computes with. All give the same bits; they differ in speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Level);

/// Private, so that an [`Isa`] is proof that its instructions are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

impl Isa {
    /// Every instruction set of this processor, slowest first.
    pub fn available() -> Vec<Isa> {
        let mut levels = vec![Level::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            levels.extend(x86::Avx2::detect().map(Level::Avx2));
            levels.extend(x86::Avx512::detect().map(Level::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        levels.extend(neon::Neon::detect().map(Level::Neon));
        levels.into_iter().map(Isa).collect()
    }

    /// The fastest of this processor, or the one that the environment variable `NN_SIMD` names.
    ///
    /// # Errors
    /// [`NnError::Device`] if `NN_SIMD` names none of this processor's.
    pub fn detect() -> Result<Isa, NnError> {
        match std::env::var("NN_SIMD") {
            Ok(name) => Isa::named(&name),
            Err(_) => Ok(Isa::available().pop().unwrap_or(Isa(Level::Scalar))),
        }
    }

    /// The instruction set of that [`Isa::name`].
    ///
    /// # Errors
    /// [`NnError::Device`] if this processor lacks it, or no such name exists.
    pub fn named(name: &str) -> Result<Isa, NnError> {
        let available = Isa::available();
        available.iter().copied().find(|isa| isa.name() == name).ok_or_else(|| {
            let names: Vec<_> = available.iter().map(Isa::name).collect();
            NnError::Device(format!(
                "no instruction set {name:?} on this processor: set NN_SIMD to one of {}, or unset it",
                names.join(", ")
            ))
        })
    }

    /// `scalar`, `avx2`, `avx512` or `neon`.
    pub fn name(&self) -> &'static str {
        match self.0 {
            Level::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) => "neon",
        }
    }

    /// Runs `kernel` compiled for this instruction set.
    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) {
        match self.0 {
            Level::Scalar => kernel.run(scalar::Scalar),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(token) => token.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(token) => token.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Level::Neon(token) => token.run(kernel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_is_everywhere_and_names_are_found() {
        for isa in Isa::available() {
            assert_eq!(Isa::named(isa.name()), Ok(isa));
        }
        assert_eq!(Isa::available()[0].name(), "scalar");
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let NnError::Device(message) = Isa::named("mmx").unwrap_err() else { panic!() };
        assert!(message.contains("\"mmx\"") && message.contains("scalar"), "{message}");
    }
}
