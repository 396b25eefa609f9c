//! Fits fit to be reported: rising curves with a limit in (0, 1), weighted, from several starts, and checked by hiding
//! the largest size.

use std::fmt;

use super::Family;
use crate::error::{Error, Result, check_count, check_finite, check_lengths};
use crate::least_squares;

/// How far beyond the largest size a fit may be read: learning curves promise little, and less with every doubling.
pub const FARTHEST: f64 = 2.0;
/// A hidden score may be missed by this share of its distance from 1, whatever its standard error.
const TOLERATED: f64 = 0.1;
/// Rises or misses beyond this many standard errors are not chance.
const ERRORS: f64 = 2.0;

/// A fit that foretold the score at the largest size from the others.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedFit {
    /// The family.
    pub family: Family,
    /// Its parameters, fitted to all sizes, in the order of the module's table.
    pub parameters: Vec<f64>,
    /// Weighted sum of squared residuals, in squared standard errors.
    pub chi2: f64,
    /// The score at the largest size as foretold from the others.
    pub foretold: f64,
    /// The smallest and the largest size.
    pub sizes: (f64, f64),
}

/// Why there is no fit to report.
#[derive(Debug, Clone, PartialEq)]
pub enum NoFit {
    /// Fewer sizes than parameters and two: one to hide, one to spare.
    TooFewSizes {
        /// The sizes that the family needs.
        needed: usize,
        /// The sizes there are.
        found: usize,
    },
    /// The scores fall from one size to the next.
    NotMonotone {
        /// The size at which they have fallen.
        at: f64,
    },
    /// Fitted to the others, the family misses the score at the largest size.
    Missed {
        /// What it foretold.
        foretold: f64,
        /// What was observed.
        observed: f64,
    },
    /// No search for parameters came to rest at finite ones.
    NotFitted,
    /// What is foretold beyond the largest size is below the score observed there: the curve has come to its end.
    Below {
        /// What is foretold.
        foretold: f64,
        /// The score at the largest size.
        observed: f64,
    },
    /// The scores rise by no more than two standard errors from the first size to the last.
    Flat,
}

impl fmt::Display for NoFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoFit::TooFewSizes { needed, found } => {
                write!(f, "{found} sizes where {needed} are needed")
            }
            NoFit::NotMonotone { at } => write!(f, "the curve falls at n = {at}"),
            NoFit::Missed { foretold, observed } => write!(
                f,
                "with the largest size hidden it foretells {foretold:.4} where {observed:.4} was observed"
            ),
            NoFit::NotFitted => f.write_str("no curve of the family could be fitted"),
            NoFit::Below { foretold, observed } => {
                write!(f, "it foretells {foretold:.4}, less than the {observed:.4} that are there")
            }
            NoFit::Flat => f.write_str("the curve is flat within its errors"),
        }
    }
}

impl CheckedFit {
    /// The fitted score at `n`; `None` below the smallest size and beyond twice the largest.
    pub fn predict(&self, n: f64) -> Option<f64> {
        let inside = n >= self.sizes.0 && n <= FARTHEST * self.sizes.1;
        inside.then(|| self.family.value(n, &self.parameters))
    }
}

/// Fits `family` to `scores` (in [0, 1]) with `errors`, their standard errors (> 0), at ascending `sizes`.
///
/// Parameters are searched on scales that keep the curve rising and its limit in (0, 1): logits of limits, logarithms of
/// amounts, rates and exponents. Of several starts the one that ends with the least weighted sum of squares counts. The
/// largest size is hidden first: what the others foretell must come within two standard errors of the score there, or
/// within a tenth of its distance from 1. Nothing is fitted where the scores fall anywhere, by however little, or do not
/// rise by more than two standard errors in all, and a fit that foretells less at twice the largest size than was
/// observed there is refused.
///
/// # Errors
/// With unlike lengths, sizes that do not ascend from 1 or more, scores outside [0, 1] or errors that are not positive.
pub fn checked(
    family: Family,
    sizes: &[f64],
    scores: &[f64],
    errors: &[f64],
) -> Result<std::result::Result<CheckedFit, NoFit>> {
    check(sizes, scores, errors)?;
    let needed = family.usual_start().len() + 2;
    let found = sizes.len();
    if found < needed {
        return Ok(Err(NoFit::TooFewSizes { needed, found }));
    }
    if let Some(why) = not_rising(sizes, scores, errors) {
        return Ok(Err(why));
    }
    let last = found - 1;
    let Some((shown, _)) = search(family, &sizes[..last], &scores[..last], &errors[..last]) else {
        return Ok(Err(NoFit::NotFitted));
    };
    let (foretold, observed) = (family.value(sizes[last], &shown), scores[last]);
    let allowed = (ERRORS * errors[last]).max(TOLERATED * (1.0 - observed));
    if !foretold.is_finite() || (foretold - observed).abs() > allowed {
        return Ok(Err(NoFit::Missed { foretold, observed }));
    }
    let Some((parameters, chi2)) = search(family, sizes, scores, errors) else {
        return Ok(Err(NoFit::NotFitted));
    };
    let farthest = family.value(FARTHEST * sizes[last], &parameters);
    if farthest.is_nan() || farthest < observed {
        return Ok(Err(NoFit::Below { foretold: farthest, observed }));
    }
    let sizes = (sizes[0], sizes[last]);
    Ok(Ok(CheckedFit { family, parameters, chi2, foretold, sizes }))
}

/// Why scores do not rise, if they don't.
fn not_rising(sizes: &[f64], scores: &[f64], errors: &[f64]) -> Option<NoFit> {
    if let Some(at) = (1..scores.len()).find(|&i| scores[i] < scores[i - 1]) {
        return Some(NoFit::NotMonotone { at: sizes[at] });
    }
    let last = scores.len() - 1;
    let rise = scores[last] - scores[0];
    (rise <= ERRORS * errors[last].hypot(errors[0])).then_some(NoFit::Flat)
}

fn check(sizes: &[f64], scores: &[f64], errors: &[f64]) -> Result<()> {
    check_count("train sizes", sizes.len(), 1)?;
    check_lengths("scores of a curve", sizes.len(), scores.len())?;
    check_lengths("standard errors", sizes.len(), errors.len())?;
    check_finite("the train sizes", sizes)?;
    check_finite("the standard errors", errors)?;
    if let Some(&found) = sizes.iter().find(|&&n| n < 1.0) {
        return Err(Error::OutOfRange { what: "a train size", range: "1 or more", found });
    }
    if sizes.windows(2).any(|pair| pair[1] <= pair[0]) {
        return Err(Error::Invalid("train sizes must ascend".to_owned()));
    }
    if let Some(&found) = scores.iter().find(|s| !(0.0..=1.0).contains(*s)) {
        return Err(Error::OutOfRange { what: "a score", range: "in [0, 1]", found });
    }
    match errors.iter().find(|&&e| e <= 0.0) {
        Some(&found) => {
            Err(Error::OutOfRange { what: "a standard error", range: "positive", found })
        }
        None => Ok(()),
    }
}

/// The parameters with the least weighted sum of squares over all starts, and that sum; `None` if no start ends.
fn search(
    family: Family,
    sizes: &[f64],
    scores: &[f64],
    errors: &[f64],
) -> Option<(Vec<f64>, f64)> {
    let residuals = |free: &[f64]| -> Vec<f64> {
        let parameters = bound(family, free);
        let of = |((&n, score), error): ((&f64, &f64), &f64)| {
            (family.value(n, &parameters) - score) / error
        };
        sizes.iter().zip(scores).zip(errors).map(of).collect()
    };
    let ended = starts(family, sizes, scores)
        .into_iter()
        .map(|start| least_squares::minimise(residuals, &start))
        .filter(|s| s.sse.is_finite());
    // The first of equals, so that nothing depends on rounding in the comparison.
    let best = ended.reduce(|best, next| if next.sse < best.sse { next } else { best })?;
    Some((bound(family, &best.parameters), best.sse))
}

/// Limits tried, and rates.
fn starts(family: Family, sizes: &[f64], scores: &[f64]) -> Vec<Vec<f64>> {
    let (first, last) = (scores[0], scores[scores.len() - 1]);
    let middle = sizes[sizes.len() / 2];
    let mut starts = Vec::new();
    for share in [0.1, 0.5, 0.9] {
        let limit = (last + share * (1.0 - last)).clamp(0.01, 0.999);
        let gap = (limit - first).max(0.01);
        for exponent in [0.3, 0.7, 1.3] {
            let free = match family {
                Family::Pow3 => {
                    vec![
                        logit(limit),
                        libm::log(gap * libm::pow(sizes[0], exponent)),
                        libm::log(exponent),
                    ]
                }
                Family::Exp3 => vec![libm::log(gap), libm::log(exponent / middle), logit(limit)],
                Family::Mmf4 => vec![
                    logit(0.5 * first.clamp(0.02, 0.98)),
                    libm::log(libm::pow(middle, exponent)),
                    logit(limit),
                    libm::log(exponent),
                ],
                Family::Wbl4 => vec![
                    libm::log(libm::pow(middle, -exponent)),
                    libm::log(2.0 * gap),
                    logit(limit),
                    libm::log(exponent),
                ],
            };
            starts.push(free);
        }
    }
    starts
}

/// From the scales of the search to the family's parameters.
fn bound(family: Family, free: &[f64]) -> Vec<f64> {
    let (unit, positive) = (|x: f64| 1.0 / (1.0 + libm::exp(-x)), libm::exp);
    match (family, free) {
        (Family::Pow3, &[a, b, c]) => vec![unit(a), positive(b), positive(c)],
        (Family::Exp3, &[a, b, c]) => vec![-positive(a), positive(b), unit(c)],
        // The start of the curve is a share of its limit, so that it rises.
        (Family::Mmf4, &[a, b, c, d]) => {
            vec![unit(a) * unit(c), positive(b), unit(c), positive(d)]
        }
        (Family::Wbl4, &[a, b, c, d]) => vec![positive(a), positive(b), unit(c), positive(d)],
        _ => family.usual_start().to_vec(),
    }
}

fn logit(p: f64) -> f64 {
    libm::log(p / (1.0 - p))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [f64; 8] = [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0];
    const FAMILIES: [Family; 4] = [Family::Pow3, Family::Exp3, Family::Mmf4, Family::Wbl4];

    #[test]
    fn exact_curves_are_foretold_and_read_to_twice_the_largest_size() {
        for (family, truth) in [
            (Family::Pow3, vec![0.97, 0.8, 0.6]),
            (Family::Exp3, vec![-0.3, 0.004, 0.95]),
            (Family::Mmf4, vec![0.3, 20.0, 0.98, 0.9]),
            (Family::Wbl4, vec![0.05, 0.4, 0.97, 0.6]),
        ] {
            let scores = SIZES.map(|n| family.value(n, &truth));
            let f = checked(family, &SIZES, &scores, &[0.002; 8]).expect("valid").expect("a fit");
            assert!((f.foretold - scores[7]).abs() < 1e-3, "{f:?}");
            let at = f.predict(2560.0).expect("within twice the largest");
            assert!((at - family.value(2560.0, &truth)).abs() < 1e-3, "{f:?}: {at}");
            assert_eq!((f.predict(2561.0), f.predict(9.0)), (None, None));
        }
    }

    #[test]
    fn limits_stay_below_one() {
        // Straight in log n, and heading above 1.
        let scores = [0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 1.0];
        for family in FAMILIES {
            if let Ok(f) = checked(family, &SIZES, &scores, &[0.01; 8]).expect("valid") {
                let far = family.value(1e12, &f.parameters);
                assert!(far <= 1.0 + 1e-9 && f.predict(2560.0).is_some_and(|s| s <= 1.0), "{f:?}");
            }
        }
    }

    #[test]
    fn falling_curves_missed_scores_and_few_sizes_have_no_fit() {
        let rising = [0.7, 0.8, 0.85, 0.88, 0.9, 0.91, 0.915, 0.917];
        let mut falls = rising;
        falls[3] = 0.75;
        let found = checked(Family::Pow3, &SIZES, &falls, &[0.01; 8]).expect("valid");
        assert_eq!(found, Err(NoFit::NotMonotone { at: 80.0 }));
        // So is a drop within the errors: nothing is foretold of a curve that does not rise throughout.
        falls[3] = 0.849_999;
        let found = checked(Family::Pow3, &SIZES, &falls, &[0.02; 8]).expect("valid");
        assert_eq!(found, Err(NoFit::NotMonotone { at: 80.0 }));
        let mut jumps = rising;
        jumps[7] = 0.99;
        let found = checked(Family::Pow3, &SIZES, &jumps, &[0.002; 8]).expect("valid");
        assert!(matches!(found, Err(NoFit::Missed { .. })), "{found:?}");
        let few = checked(Family::Mmf4, &SIZES[..5], &rising[..5], &[0.01; 5]).expect("valid");
        assert_eq!(few, Err(NoFit::TooFewSizes { needed: 6, found: 5 }));
        assert!(checked(Family::Pow3, &SIZES, &rising, &[0.0; 8]).is_err());
        assert!(checked(Family::Pow3, &SIZES, &[1.2; 8], &[0.1; 8]).is_err());
    }

    #[test]
    fn nothing_is_foretold_of_flat_curves_nor_below_what_is_there() {
        for family in FAMILIES {
            for level in [0.0, 0.5, 1.0] {
                let found = checked(family, &SIZES, &[level; 8], &[0.01; 8]).expect("valid");
                assert_eq!(found, Err(NoFit::Flat), "{family:?} at {level}");
            }
            let creeping = [0.9, 0.901, 0.902, 0.903, 0.904, 0.905, 0.906, 0.907];
            let found = checked(family, &SIZES, &creeping, &[0.01; 8]).expect("valid");
            assert_eq!(found, Err(NoFit::Flat), "{family:?}: within the errors");
        }
        // Flat from 80 on with a late jump inside the errors: the fitted limit is below the jump.
        let late = [0.5, 0.7, 0.8, 0.8, 0.8, 0.8, 0.8, 0.805];
        let found = checked(Family::Exp3, &SIZES, &late, &[0.005; 8]).expect("valid");
        assert!(matches!(found, Err(NoFit::Below { .. })), "{found:?}");
    }

    #[test]
    fn a_search_without_an_end_is_no_fit() {
        // Sizes so large that every curve of the family overflows on the way.
        let huge = [1e300, 2e300];
        assert_eq!(search(Family::Mmf4, &huge, &[f64::NAN, 0.9], &[0.01; 2]), None);
    }
}
