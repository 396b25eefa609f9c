//! The processor's own limit, to hold measurements against.

use super::Isa;
use super::simd::{Kernel, Simd};
use std::time::Instant;

/// Independent chains of fused multiply-adds, as many as a register tile has.
struct Chains<'a> {
    rounds: usize,
    /// Multiply-adds done.
    done: &'a mut usize,
    /// Keeps the compiler from dropping the work.
    sink: &'a mut f32,
}

impl Kernel for Chains<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (a, b) = (simd.splat(std::hint::black_box(0.999)), simd.splat(1e-3));
        let mut chains = [simd.splat(*self.sink); 12];
        for _ in 0..self.rounds {
            for chain in &mut chains {
                *chain = simd.fma(*chain, a, b);
            }
        }
        let mut total = simd.splat(0.0);
        for chain in chains {
            total = simd.add(total, chain);
        }
        let mut lanes = [0.0; 64];
        assert!(S::LANES <= lanes.len());
        // SAFETY: `lanes` holds at least one vector.
        unsafe { simd.store(lanes.as_mut_ptr(), total) };
        *self.sink = lanes[0];
        *self.done = self.rounds * chains.len() * S::LANES;
    }
}

/// The floating-point operations per second that this core reaches in fused multiply-adds (two each) on `isa`, without
/// touching memory: the best of ten measurements.
pub fn measured_peak(isa: Isa) -> f64 {
    let (mut best, mut sink, mut done) = (0.0f64, 1.0, 0);
    for _ in 0..10 {
        let begin = Instant::now();
        isa.run(Chains { rounds: 200_000, done: &mut done, sink: &mut sink });
        best = best.max(2.0 * done as f64 / begin.elapsed().as_secs_f64());
    }
    std::hint::black_box(sink);
    best
}
