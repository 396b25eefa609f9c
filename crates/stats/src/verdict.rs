//! What a comparison of two models comes to, in one of four words.

use crate::error::{Error, Result};
use crate::estimate::Interval;

/// The outcome of comparing a with b.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The interval of a - b lies above 0.
    ABetter,
    /// The interval of a - b lies below 0.
    BBetter,
    /// The interval lies within the region of practical equivalence.
    Equivalent,
    /// Neither: more data or more repeats are needed.
    Undecided,
}

/// Reads the verdict off the interval of a difference a - b, with ±`rope` the region of practical equivalence (0 to do
/// without one).
///
/// An interval that lies both inside the region and on one side of 0 is `Equivalent`: the difference is real and too
/// small to matter. At confidence level 1 - 2α the equivalence is that of two one-sided tests at level α
/// ([`crate::paired::tost`]), so a 95 % interval tests it at 2.5 %. A point (no variation observed) is `Equivalent`
/// inside the region and else `Undecided`, since no variation is no evidence.
///
/// # Errors
/// If `rope` is negative or not finite, or a limit is NaN.
pub fn verdict(interval: Interval, rope: f64) -> Result<Verdict> {
    if !(rope >= 0.0 && rope.is_finite()) {
        return Err(Error::OutOfRange {
            what: "the region of practical equivalence",
            range: "0 or more",
            found: rope,
        });
    }
    let Interval { lo, hi } = interval;
    if lo.is_nan() || hi.is_nan() {
        return Err(Error::NotFinite {
            what: "the interval's limits",
            at: usize::from(!lo.is_nan()),
        });
    }
    Ok(if -rope <= lo && hi <= rope {
        Verdict::Equivalent
    } else if lo == hi {
        Verdict::Undecided
    } else if lo > 0.0 {
        Verdict::ABetter
    } else if hi < 0.0 {
        Verdict::BBetter
    } else {
        Verdict::Undecided
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_verdicts() {
        let read = |lo, hi| verdict(Interval { lo, hi }, 0.01).expect("valid");
        assert_eq!(read(0.002, 0.03), Verdict::ABetter);
        assert_eq!(read(-0.03, -0.002), Verdict::BBetter);
        assert_eq!(read(-0.004, 0.009), Verdict::Equivalent);
        assert_eq!(read(-0.004, 0.03), Verdict::Undecided);
        // Real, and too small to matter.
        assert_eq!(read(0.001, 0.009), Verdict::Equivalent);
        // No variation observed.
        assert_eq!(read(0.02, 0.02), Verdict::Undecided);
        assert_eq!(read(0.0, 0.0), Verdict::Equivalent);
        assert!(verdict(Interval { lo: 0.0, hi: f64::NAN }, 0.01).is_err());
    }
}
