//! Sample efficiency: how many examples a model takes to reach an accuracy, and how many times as many as another.

use stats::Interval;
use stats::curve::{self, Ratio, Reached};

use super::{World, statistics};
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

impl Reaches {
    pub(super) fn of(world: &World<'_>, target: f64) -> Reaches {
        let of = |model: usize| {
            let estimate = reach(world, model, target, None)?;
            let replicate = |row: &Vec<f64>| reach(world, model, target, Some(row));
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

/// Where the curve of `model`, or a replicate of it, first comes up to `target`.
fn reach(world: &World<'_>, model: usize, target: f64, row: Option<&[f64]>) -> Option<Reached> {
    let (at, mut scores) = world.curve(model);
    let sizes: Vec<f64> = at.iter().map(|&size| f64::from(world.scores.sizes[size])).collect();
    if let Some(row) = row {
        for (score, &size) in scores.iter_mut().zip(&at) {
            *score += row[world.at(model, size)];
        }
    }
    curve::size_to_reach(&sizes, &scores, target).ok()
}
