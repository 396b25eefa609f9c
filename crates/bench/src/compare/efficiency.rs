//! Sample efficiency: how many examples a model takes to reach an accuracy, and how many times as many as another.

use stats::Interval;
use stats::curve::{self, Ratio, Reached};

use super::{World, crossing, pair, statistics};
use crate::error::Result;

/// How many examples a model takes to reach an accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Needed {
    /// The estimate; `None` without a single score.
    pub reached: Option<Reached>,
    /// Its interval: 0 or infinity where it lies beyond the sizes of the study.
    pub interval: Interval,
}

/// The examples that a takes for each one of b, at one accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Efficiency {
    /// The accuracy.
    pub target: f64,
    /// The estimate.
    pub ratio: Ratio,
    /// Its interval: 0 or infinity where open.
    pub interval: Interval,
}

impl Efficiency {
    /// The same with a and b exchanged.
    pub fn flipped(self) -> Self {
        let ratio = match self.ratio {
            Ratio::Exactly(r) => Ratio::Exactly(1.0 / r),
            Ratio::AtLeast(r) => Ratio::AtMost(1.0 / r),
            Ratio::AtMost(r) => Ratio::AtLeast(1.0 / r),
            Ratio::Unknown => Ratio::Unknown,
        };
        let Interval { lo, hi } = self.interval;
        Efficiency { ratio, interval: Interval { lo: 1.0 / hi, hi: 1.0 / lo }, ..self }
    }
}

/// Accuracies people ask for.
const ROUND: [f64; 15] =
    [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995];
/// The most accuracies chosen by default.
const MOST: usize = 3;

/// When each model reaches one accuracy: by model, the estimate and its replicates; `None` without a score.
pub(super) struct Reaches {
    target: f64,
    by_model: Vec<Option<(Reached, Vec<Reached>)>>,
}

/// By model and size, what the deviations of accuracies are to be multiplied by, so that they reach as far as the
/// analysis of each accuracy says: they are too wide for the residual that they count twice, and too narrow for the few
/// degrees of freedom.
pub(super) fn scales(world: &World<'_>, level: f64) -> Result<Vec<f64>> {
    let sizes = world.scores.sizes.len();
    let scale = |(at, spread): (usize, f64)| {
        let estimate = pair::accuracy(world, at / sizes, at % sizes)?;
        Ok(match estimate {
            Some(e) if spread > 0.0 => crossing::wide(&e, level) / spread,
            _ => 0.0,
        })
    };
    crossing::spread(&world.deviations).into_iter().enumerate().map(scale).collect()
}

impl Reaches {
    /// `scales` as of [`scales`].
    pub(super) fn of(world: &World<'_>, target: f64, scales: &[f64]) -> Reaches {
        let of = |model: usize| {
            let estimate = reach(world, model, target, None)?;
            let replicate = |row: &Vec<f64>| reach(world, model, target, Some((row, scales)));
            Some((estimate, world.deviations.iter().filter_map(replicate).collect()))
        };
        Reaches { target, by_model: (0..world.scores.models.len()).map(of).collect() }
    }

    /// How many examples each model takes.
    pub(super) fn needed(&self, level: f64) -> Result<Vec<Needed>> {
        let needed = |reached: &Option<(Reached, Vec<Reached>)>| {
            let Some((estimate, replicates)) = reached else {
                return Ok(Needed { reached: None, interval: Ratio::Unknown.bounds() });
            };
            let bounds: Vec<Interval> = replicates.iter().map(|r| r.bounds()).collect();
            let interval = curve::censored_interval(&bounds, level).map_err(statistics)?;
            Ok(Needed { reached: Some(*estimate), interval })
        };
        self.by_model.iter().map(needed).collect()
    }

    /// The ratio of the examples that `a` and `b` take; `None` if one has no scores.
    pub(super) fn ratio(&self, (a, b): (usize, usize), level: f64) -> Result<Option<Efficiency>> {
        let (Some((a, of_a)), Some((b, of_b))) = (&self.by_model[a], &self.by_model[b]) else {
            return Ok(None);
        };
        let bounds: Vec<Interval> =
            of_a.iter().zip(of_b).map(|(&a, &b)| curve::efficiency(a, b).bounds()).collect();
        let interval = curve::censored_interval(&bounds, level).map_err(statistics)?;
        Ok(Some(Efficiency { target: self.target, ratio: curve::efficiency(*a, *b), interval }))
    }
}

/// The three highest round accuracies that at least half of the models reach, not all of them at the smallest size.
pub(super) fn usual_targets(world: &World<'_>) -> Vec<f64> {
    let models = world.scores.models.len();
    let telling = |target: f64| {
        let reached: Vec<Reached> =
            (0..models).filter_map(|model| reach(world, model, target, None)).collect();
        let got_there = reached.iter().filter(|r| !matches!(r, Reached::MoreThan(_))).count();
        let later = reached.iter().filter(|r| matches!(r, Reached::At(_))).count();
        2 * got_there >= models && later > 0
    };
    let mut chosen: Vec<f64> =
        ROUND.iter().rev().copied().filter(|&target| telling(target)).take(MOST).collect();
    chosen.reverse();
    chosen
}

/// Where the curve of `model`, or a replicate of it (deviations and their scales), first comes up to `target`.
fn reach(
    world: &World<'_>,
    model: usize,
    target: f64,
    replicate: Option<(&Vec<f64>, &[f64])>,
) -> Option<Reached> {
    let (at, mut scores) = world.curve(model);
    let sizes: Vec<f64> = at.iter().map(|&size| f64::from(world.scores.sizes[size])).collect();
    if let Some((row, scales)) = replicate {
        for (score, &size) in scores.iter_mut().zip(&at) {
            let place = world.at(model, size);
            *score += row[place] * scales[place];
        }
    }
    curve::size_to_reach(&sizes, &scores, target).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Scores, Split};
    use crate::store::LockedProtocol;

    /// Right on nine of ten at random, without draws or items that are better than others: all is residual, which the
    /// deviations count twice.
    #[test]
    fn replicates_are_as_wide_as_the_analysis_says() {
        let protocol = LockedProtocol {
            kind: "holdout".into(),
            sizes: vec![10],
            repeats: 40,
            folds: 1,
            cv_repeats: None,
            test_size: None,
            draws: Default::default(),
        };
        let items: Vec<u32> = (1000..1200).collect();
        let right = |repeat: u32, item: u32| {
            let x = (repeat * 7919 + item * 104_729).wrapping_mul(2_654_435_761);
            i8::from(!(x ^ (x >> 13)).is_multiple_of(10))
        };
        let cell = (0..40).map(|r| Some(items.iter().map(|&item| right(r, item)).collect()));
        let splits =
            (0..40).map(|repeat| Split { repeat, fold: 0, items: items.clone() }).collect();
        let scores =
            Scores::new(&protocol, vec!["a".into()], vec![10], splits, vec![cell.collect()]);
        let world = World::of(&scores, 1).expect("scores");
        let scales = scales(&world, 0.95).expect("a scale");
        let estimate = pair::accuracy(&world, 0, 0).expect("valid").expect("scores");
        let spread = crossing::spread(&world.deviations)[0] * scales[0];
        let t = stats::dist::t_quantile(0.975, estimate.df) / 1.959_964;
        assert!((spread / (estimate.standard_error() * t) - 1.0).abs() < 1e-4, "{scales:?}");
        assert!(scales[0] < 0.85, "the residual counts once: {scales:?}");
    }
}
