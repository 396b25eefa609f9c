//! Summaries of a learning curve: the area under it, how many examples it takes, where two curves cross.
//!
//! A curve is a score at ascending train sizes n >= 1, straight between them in log₂ n: sizes double along the axis,
//! so each octave counts the same.

use crate::error::{Error, Result, check_count, check_finite, check_lengths, check_level};
use crate::estimate::Interval;

/// The area under the curve over log₂ n (trapezoids), divided by the span of log₂ n: a mean score, in the unit of
/// the score. Known as ALC; Guyon et al., JMLR W&CP 16, 2011, use the logarithmic axis.
///
/// # Errors
/// With fewer than two sizes, sizes that do not ascend from 1 or more, or scores that are not finite.
pub fn area(sizes: &[f64], scores: &[f64]) -> Result<f64> {
    check_count("train sizes", sizes.len(), 2)?;
    let at = logarithms(sizes, scores)?;
    let trapezoids = at.windows(2).zip(scores.windows(2));
    let sum: f64 = trapezoids.map(|(n, s)| (n[1] - n[0]) * 0.5 * (s[0] + s[1])).sum();
    Ok(sum / (at[at.len() - 1] - at[0]))
}

/// The share of each size in [`area`]: the area is Σ share · score. They sum to 1.
///
/// # Errors
/// With fewer than two sizes, or sizes that do not ascend from 1 or more.
pub fn area_shares(sizes: &[f64]) -> Result<Vec<f64>> {
    check_count("train sizes", sizes.len(), 2)?;
    let at = logarithms(sizes, sizes)?;
    let last = at.len() - 1;
    let share =
        |i: usize| 0.5 * (at[(i + 1).min(last)] - at[i.saturating_sub(1)]) / (at[last] - at[0]);
    Ok((0..at.len()).map(share).collect())
}

/// How many examples a curve takes to reach a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reached {
    /// At this n, interpolated in log₂ n.
    At(f64),
    /// At the smallest size or before: left-censored there.
    AtMost(f64),
    /// Beyond the largest size, if at all: right-censored there.
    MoreThan(f64),
}

impl Reached {
    /// The least and the largest n that it can be: 0 and infinity where censored.
    pub fn bounds(self) -> Interval {
        match self {
            Reached::At(n) => Interval { lo: n, hi: n },
            Reached::AtMost(n) => Interval { lo: 0.0, hi: n },
            Reached::MoreThan(n) => Interval { lo: n, hi: f64::INFINITY },
        }
    }
}

/// Where the curve first comes up to `target`.
///
/// A curve that reaches the target, falls below it again and comes back counts from its first time.
///
/// # Errors
/// With no sizes, sizes that do not ascend from 1 or more, or scores or a target that are not finite.
pub fn size_to_reach(sizes: &[f64], scores: &[f64], target: f64) -> Result<Reached> {
    check_count("train sizes", sizes.len(), 1)?;
    check_finite("the target", &[target])?;
    let at = logarithms(sizes, scores)?;
    if scores[0] >= target {
        return Ok(Reached::AtMost(sizes[0]));
    }
    let Some(after) = scores.iter().position(|&s| s >= target) else {
        return Ok(Reached::MoreThan(sizes[sizes.len() - 1]));
    };
    let (from, to) = (scores[after - 1], scores[after]);
    let share = (target - from) / (to - from);
    Ok(Reached::At(libm::exp2(at[after - 1] + share * (at[after] - at[after - 1]))))
}

/// A ratio of two sizes of which either may be censored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ratio {
    /// Both are known.
    Exactly(f64),
    /// The true ratio is this or more.
    AtLeast(f64),
    /// The true ratio is this or less.
    AtMost(f64),
    /// Censored the same way, or both unbounded: nothing is known.
    Unknown,
}

/// The examples that `a` takes for each one of `b`: above 1, b is the more sample-efficient.
pub fn efficiency(a: Reached, b: Reached) -> Ratio {
    use Reached::{At, AtMost, MoreThan};
    match (a, b) {
        (At(a), At(b)) => Ratio::Exactly(a / b),
        (At(a) | MoreThan(a), AtMost(b)) | (MoreThan(a), At(b)) => Ratio::AtLeast(a / b),
        (AtMost(a), At(b) | MoreThan(b)) | (At(a), MoreThan(b)) => Ratio::AtMost(a / b),
        (AtMost(_), AtMost(_)) | (MoreThan(_), MoreThan(_)) => Ratio::Unknown,
    }
}

impl Ratio {
    /// The least and the largest that it can be: 0 and infinity where nothing bounds it.
    pub fn bounds(self) -> Interval {
        match self {
            Ratio::Exactly(r) => Interval { lo: r, hi: r },
            Ratio::AtLeast(r) => Interval { lo: r, hi: f64::INFINITY },
            Ratio::AtMost(r) => Interval { lo: 0.0, hi: r },
            Ratio::Unknown => Interval { lo: 0.0, hi: f64::INFINITY },
        }
    }
}

/// The percentile interval of replicates that may be censored: the lower limit is that of their least values, the
/// upper that of their largest, so 0 or infinity where too many replicates are open to that side.
///
/// With B replicates the limits are the ⌈αB⌉-th smallest and largest, α = (1 - level)/2: wider by up to one replicate
/// than interpolated quantiles, which infinities do not allow.
///
/// # Errors
/// Without replicates, if a bound is NaN, or the level is not in (0, 1).
pub fn censored_interval(replicates: &[Interval], level: f64) -> Result<Interval> {
    check_level(level)?;
    check_count("bootstrap replicates", replicates.len(), 1)?;
    if let Some(at) = replicates.iter().position(|r| r.lo.is_nan() || r.hi.is_nan()) {
        return Err(Error::NotFinite { what: "the replicates' bounds", at });
    }
    let sorted = |of: fn(&Interval) -> f64| {
        let mut values: Vec<f64> = replicates.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let rank = ((0.5 - level / 2.0) * replicates.len() as f64).ceil().max(1.0) as usize;
    let (lows, highs) = (sorted(|r| r.lo), sorted(|r| r.hi));
    Ok(Interval { lo: lows[rank - 1], hi: highs[highs.len() - rank] })
}

/// All n where the curves `a` and `b` cross, ascending, interpolated in log₂ n.
///
/// Meeting in a size exactly counts as a crossing there, once, whether the curves go on to change sides or not; a run
/// of sizes at which they are equal counts at its first.
///
/// # Errors
/// With no sizes, sizes that do not ascend from 1 or more, or scores that are not finite.
pub fn crossings(sizes: &[f64], a: &[f64], b: &[f64]) -> Result<Vec<f64>> {
    check_lengths("scores of the second curve", a.len(), b.len())?;
    let gaps: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    crossings_of_difference(sizes, &gaps)
}

/// [`crossings`] of a difference of curves with zero.
///
/// # Errors
/// With no sizes, sizes that do not ascend from 1 or more, or differences that are not finite.
pub fn crossings_of_difference(sizes: &[f64], difference: &[f64]) -> Result<Vec<f64>> {
    check_count("train sizes", sizes.len(), 1)?;
    let at = logarithms(sizes, difference)?;
    let mut found = Vec::new();
    for (i, &gap) in difference.iter().enumerate() {
        let before = if i == 0 { None } else { Some(difference[i - 1]) };
        if gap == 0.0 {
            if before != Some(0.0) {
                found.push(sizes[i]);
            }
        } else if let Some(before) = before.filter(|&b| b != 0.0 && (b < 0.0) != (gap < 0.0)) {
            let share = before / (before - gap);
            found.push(libm::exp2(at[i - 1] + share * (at[i] - at[i - 1])));
        }
    }
    Ok(found)
}

/// Where bootstrap replicates of a difference of curves cross zero.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossingShare {
    /// The share of replicates that cross at all, in [0, 1]. Report it beside n*: a crossing that half of the
    /// replicates lack is not a finding.
    pub share: f64,
    /// The first crossing of each replicate that has one, ascending.
    pub first: Vec<f64>,
}

/// [`crossings_of_difference`] for each of the replicates.
///
/// # Errors
/// Without replicates, or as [`crossings_of_difference`].
pub fn crossing_share<Row: AsRef<[f64]>>(
    sizes: &[f64],
    replicates: &[Row],
) -> Result<CrossingShare> {
    check_count("bootstrap replicates", replicates.len(), 1)?;
    let mut first = Vec::new();
    for row in replicates {
        first.extend(crossings_of_difference(sizes, row.as_ref())?.first());
    }
    first.sort_by(f64::total_cmp);
    Ok(CrossingShare { share: first.len() as f64 / replicates.len() as f64, first })
}

/// One curve overtaking another.
#[derive(Debug, Clone, PartialEq)]
pub struct Overtaking {
    /// n*: the last crossing between the two sizes, interpolated in log₂ n.
    pub n: f64,
    /// The sizes at which the one and then the other is most clearly ahead.
    pub between: [f64; 2],
    /// True if the difference turns from negative to positive.
    pub upwards: bool,
    /// The share of replicates with the same one ahead at the first and the same one at the second size: those that
    /// cross between them, in the same direction.
    pub share: f64,
    /// Their last crossings between the two sizes, ascending.
    pub crossings: Vec<f64>,
}

/// Where a difference of curves changes sides, judged by replicates.
///
/// Two equal curves cross by chance in almost every replicate, so "the replicates cross somewhere" is no evidence. This
/// takes the two sizes at which the two models are most clearly ahead (the pair of opposite signs with the largest
/// smaller |difference|/error) and asks how many replicates agree on both. `None` if the difference has one sign.
///
/// # Errors
/// Without replicates, with sizes that do not ascend from 1 or more, unlike lengths, or values that are not finite.
pub fn overtaking<Row: AsRef<[f64]>>(
    sizes: &[f64],
    difference: &[f64],
    errors: &[f64],
    replicates: &[Row],
) -> Result<Option<Overtaking>> {
    check_count("bootstrap replicates", replicates.len(), 1)?;
    check_lengths("standard errors", difference.len(), errors.len())?;
    logarithms(sizes, difference)?;
    let clear = |i: usize| if errors[i] > 0.0 { difference[i].abs() / errors[i] } else { 0.0 };
    let mut best: Option<(f64, usize, usize)> = None;
    for i in 0..sizes.len() {
        for j in i + 1..sizes.len() {
            let clearer = clear(i).min(clear(j));
            let opposite = difference[i] * difference[j] < 0.0;
            if opposite && best.is_none_or(|(most, ..)| clearer > most) {
                best = Some((clearer, i, j));
            }
        }
    }
    let Some((_, i, j)) = best else { return Ok(None) };
    let last = |row: &[f64]| -> Result<Option<f64>> {
        Ok(crossings_of_difference(&sizes[i..=j], &row[i..=j])?.last().copied())
    };
    let mut crossings = Vec::new();
    for row in replicates.iter().map(AsRef::as_ref) {
        check_lengths("sizes of a replicate", sizes.len(), row.len())?;
        if row[i] * difference[i] > 0.0 && row[j] * difference[j] > 0.0 {
            crossings.extend(last(row)?);
        }
    }
    crossings.sort_by(f64::total_cmp);
    let n = last(difference)?.unwrap_or(sizes[j]);
    Ok(Some(Overtaking {
        n,
        between: [sizes[i], sizes[j]],
        upwards: difference[j] > 0.0,
        share: crossings.len() as f64 / replicates.len() as f64,
        crossings,
    }))
}

/// log₂ of the sizes, once sizes and scores are checked.
fn logarithms(sizes: &[f64], scores: &[f64]) -> Result<Vec<f64>> {
    check_lengths("scores of a curve", sizes.len(), scores.len())?;
    check_finite("the train sizes", sizes)?;
    check_finite("the curve", scores)?;
    if let Some(&found) = sizes.iter().find(|&&n| n < 1.0) {
        return Err(Error::OutOfRange { what: "a train size", range: "1 or more", found });
    }
    if let Some(pair) = sizes.windows(2).find(|pair| pair[1] <= pair[0]) {
        return Err(Error::Invalid(format!(
            "train sizes must ascend, but {} comes before {}",
            pair[0], pair[1]
        )));
    }
    Ok(sizes.iter().map(|&n| libm::log2(n)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_curves_cross_once() {
        assert_eq!(crossings(&[1.0, 2.0, 4.0], &[0.5; 3], &[0.5; 3]), Ok(vec![1.0]));
        // Down, up again: -1 -> 1 is half an octave after 2.
        let found = crossings_of_difference(&[1.0, 2.0, 4.0], &[1.0, -1.0, 1.0]).expect("valid");
        assert!((found[0] - 2f64.sqrt()).abs() < 1e-12 && (found[1] - 8f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn shares_make_up_the_area() {
        let (sizes, scores) = ([10.0, 20.0, 80.0, 100.0], [0.5, 0.7, 0.9, 0.6]);
        let shares = area_shares(&sizes).expect("valid");
        let sum: f64 = shares.iter().zip(scores).map(|(w, s)| w * s).sum();
        assert!((sum - area(&sizes, &scores).expect("valid")).abs() < 1e-12);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(area_shares(&[10.0]).is_err());
    }

    #[test]
    fn censoring_goes_through_the_ratio() {
        use Reached::{At, AtMost, MoreThan};
        assert_eq!(efficiency(At(80.0), At(20.0)), Ratio::Exactly(4.0));
        assert_eq!(efficiency(MoreThan(640.0), At(20.0)), Ratio::AtLeast(32.0));
        assert_eq!(efficiency(At(80.0), AtMost(10.0)), Ratio::AtLeast(8.0));
        assert_eq!(efficiency(At(20.0), MoreThan(640.0)), Ratio::AtMost(0.03125));
        assert_eq!(efficiency(MoreThan(640.0), MoreThan(640.0)), Ratio::Unknown);
    }

    #[test]
    fn shares_of_replicates() {
        let c = crossing_share(&[1.0, 4.0], &[[-1.0, 1.0], [1.0, 2.0], [1.0, -1.0], [1.0, 1.0]]);
        assert_eq!(c, Ok(CrossingShare { share: 0.5, first: vec![2.0, 2.0] }));
    }

    #[test]
    fn overtaking_is_judged_at_the_two_clearest_sizes() {
        let (sizes, difference, errors) =
            ([10.0, 20.0, 40.0, 80.0], [-2.0, -1.0, 1.0, 3.0], [1.0; 4]);
        let replicates = [
            [-2.0, 1.0, 1.0, 3.0],   // crosses, between 10 and 20
            [-1.0, -1.0, -1.0, 1.0], // crosses late
            [1.0, -1.0, 1.0, 3.0],   // ahead from the start
            [-2.0, -1.0, 1.0, -0.1], // never ahead at the end
        ];
        let o = overtaking(&sizes, &difference, &errors, &replicates).expect("valid").expect("one");
        assert_eq!((o.between, o.upwards, o.share), ([10.0, 80.0], true, 0.5));
        assert!((o.n - 20.0 * 2f64.sqrt()).abs() < 1e-9, "{o:?}");
        assert!((o.crossings[0] - 10.0 * 2f64.powf(2.0 / 3.0)).abs() < 1e-9, "{o:?}");
        assert!((o.crossings[1] - 40.0 * 2f64.sqrt()).abs() < 1e-9, "{o:?}");
        let one_sided = overtaking(&sizes, &[1.0, 0.5, 0.0, 2.0], &errors, &replicates);
        assert_eq!(one_sided, Ok(None));
        assert!(overtaking::<[f64; 4]>(&sizes, &difference, &errors, &[]).is_err());
    }

    #[test]
    fn censored_replicates_open_the_interval() {
        let known: Vec<Interval> =
            (1..=100).map(|r| Ratio::Exactly(f64::from(r)).bounds()).collect();
        assert_eq!(censored_interval(&known, 0.9), Ok(Interval { lo: 5.0, hi: 96.0 }));
        let mut open = known;
        open[40..48].fill(Ratio::AtLeast(30.0).bounds());
        assert_eq!(censored_interval(&open, 0.9), Ok(Interval { lo: 5.0, hi: f64::INFINITY }));
        open[40..48].fill(Ratio::Unknown.bounds());
        assert_eq!(censored_interval(&open, 0.9).map(|i| i.lo), Ok(0.0));
        assert!(censored_interval(&[], 0.9).is_err());
    }

    #[test]
    fn broken_curves_are_refused() {
        assert!(area(&[10.0], &[0.9]).is_err());
        assert!(area(&[10.0, 10.0], &[0.9, 0.9]).is_err());
        assert!(area(&[0.5, 10.0], &[0.9, 0.9]).is_err());
        assert!(size_to_reach(&[10.0, 20.0], &[0.9, f64::NAN], 0.95).is_err());
        assert!(crossings(&[10.0, 20.0], &[0.9, 0.9], &[0.9]).is_err());
    }
}
