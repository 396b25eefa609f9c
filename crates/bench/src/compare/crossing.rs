//! n*: where one model overtakes another.

use stats::curve::{self, Overtaking};
use stats::unbalanced::Unbalanced;
use stats::{Estimate, Interval};

use super::pair::{Scope, deviations, estimate};
use super::{Options, World, statistics};
use crate::error::Result;

/// n*: where one model overtakes the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// The estimate.
    pub n: f64,
    /// Its interval, from the replicates that cross.
    pub interval: Interval,
    /// The share of replicates that cross, in the same direction.
    pub share: f64,
    /// True if a is behind first and ahead later.
    pub a_overtakes: bool,
    /// True if the share is at least [`RELIABLE`]: else it is no reliable crossing.
    pub reliable: bool,
}

/// The share of replicates from which a crossing counts as one, whatever the level of bands and intervals.
pub const RELIABLE: f64 = 0.95;

/// Where the difference changes sides, from replicates as wide as the analysis says at each size.
pub(super) fn crossing(
    world: &World<'_>,
    pair: (usize, usize),
    sizes: &[(usize, Unbalanced)],
    options: &Options,
) -> Result<Option<Crossing>> {
    let places: Vec<usize> = sizes.iter().map(|(size, _)| *size).collect();
    let n: Vec<f64> = places.iter().map(|&size| f64::from(world.scores.sizes[size])).collect();
    let estimates: Vec<Estimate> =
        sizes.iter().map(|(_, u)| estimate(u, Scope::Population)).collect();
    let difference: Vec<f64> = estimates.iter().map(|e| e.value).collect();
    let errors: Vec<f64> = estimates.iter().map(Estimate::standard_error).collect();
    if sizes.len() < 2 {
        return Ok(None);
    }
    let deviations = deviations(world, pair, &places);
    let spread = spread(&deviations);
    // As far out as Student's t with the variance's degrees of freedom is, at the limits that are reported.
    let scale: Vec<f64> = estimates
        .iter()
        .zip(&spread)
        .map(|(e, &spread)| if spread > 0.0 { wide(e, options.level) / spread } else { 0.0 })
        .collect();
    let replicate = |row: &Vec<f64>| -> Vec<f64> {
        row.iter().zip(&scale).zip(&difference).map(|((d, s), mean)| mean + d * s).collect()
    };
    let replicates: Vec<Vec<f64>> = deviations.iter().map(replicate).collect();
    let found = curve::overtaking(&n, &difference, &errors, &replicates).map_err(statistics)?;
    let Some(Overtaking { n, upwards, share, crossings, between }) = found else {
        return Ok(None);
    };
    let points: Vec<Interval> = crossings.iter().map(|&n| Interval { lo: n, hi: n }).collect();
    let interval = if points.is_empty() {
        Interval { lo: between[0], hi: between[1] }
    } else {
        curve::censored_interval(&points, options.level).map_err(statistics)?
    };
    // With few replicates that cross, those that do may all lie to one side of the estimate.
    let interval = Interval { lo: interval.lo.min(n), hi: interval.hi.max(n) };
    let reliable = share >= RELIABLE;
    Ok(Some(Crossing { n, interval, share, a_overtakes: upwards, reliable }))
}

/// The standard error that a normal distribution needs to reach as far as the estimate's interval does.
pub(super) fn wide(estimate: &Estimate, level: f64) -> f64 {
    let upper = 0.5 + level / 2.0;
    let t = stats::dist::t_quantile(upper, estimate.df.max(stats::LEAST_DF));
    estimate.standard_error() * t / stats::dist::normal_quantile(upper)
}

/// The standard deviation of each column around 0.
pub(super) fn spread(rows: &[Vec<f64>]) -> Vec<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    let square = |at: usize| rows.iter().map(|row| row[at] * row[at]).sum::<f64>();
    (0..columns).map(|at| (square(at) / rows.len() as f64).sqrt()).collect()
}
