//! What a comparison of two models comes to, in one of four words.

use crate::error::{Error, Result, check_level};
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
/// ([`crate::paired::tost`]), so a 95 % interval tests it at 2.5 %. A point (no variation observed) is `Undecided`,
/// since no variation is no evidence; where no difference was seen at all, hand in ±[`unseen`].
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
    Ok(if lo == hi {
        Verdict::Undecided
    } else if -rope <= lo && hi <= rope {
        Verdict::Equivalent
    } else if lo > 0.0 {
        Verdict::ABetter
    } else if hi < 0.0 {
        Verdict::BBetter
    } else {
        Verdict::Undecided
    })
}

/// How large the share of items on which two models differ may be if they differed on none of `items`: the upper
/// Clopper–Pearson limit of 0 of `items`, 1 - (α/2)^(1/items) with α = 1 - `level` (Biometrika 26, 1934). No difference
/// of accuracies is larger. 1 without items.
///
/// # Errors
/// If `level` is not in (0, 1).
pub fn unseen(items: usize, level: f64) -> Result<f64> {
    check_level(level)?;
    if items == 0 {
        return Ok(1.0);
    }
    Ok(-libm::expm1(libm::log(0.5 * (1.0 - level)) / items as f64))
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
        assert_eq!(read(0.0, 0.0), Verdict::Undecided);
        assert!(verdict(Interval { lo: 0.0, hi: f64::NAN }, 0.01).is_err());
    }

    #[test]
    fn what_was_never_seen_may_be_rare() {
        let limit = |items| unseen(items, 0.95).expect("a level");
        let clopper = crate::binomial::clopper_pearson(0, 400, 0.95).expect("valid");
        assert!((limit(400) - clopper.hi).abs() < 1e-12, "{} {clopper:?}", limit(400));
        assert!(limit(15) > 0.2 && limit(2115) < 0.002);
        assert!((limit(1) - 0.975).abs() < 1e-12 && limit(0) == 1.0);
        assert!(unseen(10, 1.0).is_err());
    }
}
