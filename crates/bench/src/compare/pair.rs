//! Two models: what differs at each n, over the whole curve, and where one overtakes the other.

use stats::band::MaxT;
use stats::bayes::{Posterior, Regions};
use stats::curve;
use stats::unbalanced::{self, Unbalanced};
use stats::{Estimate, Interval, multiplicity};

pub use stats::Verdict;

use super::crossing::{Crossing, crossing};
use super::efficiency::{Efficiency, Reaches};
use super::{Correct, Options, World, statistics};
use crate::error::Result;

/// For which new cases a finding claims to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// New training sets and new items: "in the population".
    Population,
    /// New training sets, scored on these very items: "on this test set".
    TestSet,
}

impl Scope {
    /// Both, the wider claim first.
    pub const ALL: [Scope; 2] = [Scope::Population, Scope::TestSet];

    /// The name in `comparison.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Population => "population",
            Scope::TestSet => "test set",
        }
    }
}

/// One difference, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Training-set size; `None` for the whole curve: the mean over log n.
    pub n: Option<u32>,
    /// For which new cases.
    pub scope: Scope,
    /// Complete pairs of trials.
    pub pairs: usize,
    /// Distinct items scored.
    pub items: usize,
    /// Accuracy of a minus accuracy of b.
    pub estimate: Estimate,
    /// At one n the simultaneous band over all n, for the whole curve the interval.
    pub band: Interval,
    /// Two-sided p of "no difference"; `None` where nothing varied.
    pub p: Option<f64>,
    /// The same adjusted over the sizes by Holm's method; for the whole curve as it is.
    pub p_holm: Option<f64>,
    /// Posterior probabilities left of, inside and right of the region of equivalence; `None` where nothing varied.
    pub regions: Option<Regions>,
    /// The band read against 0 and the region of equivalence.
    pub verdict: Verdict,
}

/// Everything about two models.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The first model: differences are its accuracy minus the other's.
    pub a: usize,
    /// The second model.
    pub b: usize,
    /// By size, ascending, for both scopes; sizes without a complete pair are left out.
    pub findings: Vec<Finding>,
    /// The whole curve, for both scopes; none with fewer than two sizes.
    pub curve: Vec<Finding>,
    /// Where one overtakes the other; `None` if the difference has one sign.
    pub crossing: Option<Crossing>,
    /// Examples that a takes for each one of b, by target.
    pub efficiency: Vec<Efficiency>,
}

impl Pair {
    /// Compares the models with the indices `(a, b)`.
    pub(super) fn of(
        world: &World<'_>,
        (a, b): (usize, usize),
        options: &Options,
        reaches: &[Reaches],
    ) -> Result<Pair> {
        let differences: Vec<Differences> = (0..world.scores.sizes.len())
            .map(|size| Differences::of(world, (a, b), size))
            .collect();
        let mut sizes = Vec::new();
        for (size, differences) in differences.iter().enumerate() {
            if let Some(analysis) = differences.analyse(world.scores.overlap[size])? {
                sizes.push((size, analysis));
            }
        }
        let findings = findings(world, (a, b), &sizes, options)?;
        let curve = whole_curve(world, &differences, &sizes, options)?;
        let efficiency =
            reaches.iter().map(|r| r.ratio((a, b), options.level)).collect::<Result<Vec<_>>>()?;
        Ok(Pair {
            crossing: crossing(world, (a, b), &sizes, options)?,
            efficiency: efficiency.into_iter().flatten().collect(),
            a,
            b,
            findings,
            curve,
        })
    }

    /// The same with a and b exchanged.
    pub fn flipped(&self) -> Pair {
        let flip = |findings: &[Finding]| findings.iter().map(Finding::flipped).collect();
        Pair {
            a: self.b,
            b: self.a,
            findings: flip(&self.findings),
            curve: flip(&self.curve),
            crossing: self.crossing.clone().map(|c| Crossing { a_overtakes: !c.a_overtakes, ..c }),
            efficiency: self.efficiency.iter().map(|e| e.flipped()).collect(),
        }
    }

    /// The findings of one scope, n ascending.
    pub fn in_scope(&self, scope: Scope) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.scope == scope)
    }

    /// The finding about the whole curve in one scope.
    pub fn whole(&self, scope: Scope) -> Option<&Finding> {
        self.curve.iter().find(|finding| finding.scope == scope)
    }
}

impl Finding {
    fn flipped(&self) -> Finding {
        Finding {
            estimate: Estimate { value: -self.estimate.value, ..self.estimate },
            band: Interval { lo: -self.band.hi, hi: -self.band.lo },
            regions: self.regions.map(|r| Regions { left: r.right, rope: r.rope, right: r.left }),
            verdict: match self.verdict {
                Verdict::ABetter => Verdict::BBetter,
                Verdict::BBetter => Verdict::ABetter,
                other => other,
            },
            ..self.clone()
        }
    }

    fn of(
        (n, scope): (Option<u32>, Scope),
        analysis: &Unbalanced,
        band: Interval,
        p_holm: Option<f64>,
        options: &Options,
    ) -> Result<Finding> {
        let estimate = estimate(analysis, scope);
        let band = seen_or_not(&estimate, band, analysis.items, options.level)?;
        let regions = Posterior::of_estimate(estimate).regions(options.rope).map_err(statistics)?;
        Ok(Finding {
            n,
            scope,
            pairs: analysis.trials,
            items: analysis.items,
            p: estimate.p_two_sided(0.0),
            p_holm,
            regions,
            verdict: stats::verdict(band, options.rope).map_err(statistics)?,
            estimate,
            band,
        })
    }
}

/// Where two models agreed on every item, the share of items on which they may differ all the same; else the band.
fn seen_or_not(estimate: &Estimate, band: Interval, items: usize, level: f64) -> Result<Interval> {
    if estimate.variance > 0.0 || estimate.value != 0.0 {
        return Ok(band);
    }
    Ok(Interval::around(0.0, stats::unseen(items, level).map_err(statistics)?))
}

pub(super) fn estimate(analysis: &Unbalanced, scope: Scope) -> Estimate {
    match scope {
        Scope::Population => analysis.in_population(),
        Scope::TestSet => analysis.on_these_items(),
    }
}

/// The scopes that a number of training draws can speak of: a single one says nothing of new ones.
fn scopes(analysis: &Unbalanced) -> &'static [Scope] {
    if analysis.trials > 1 { &Scope::ALL } else { &[Scope::Population] }
}

/// Differences of correctness at one size: (split, by item), complete pairs only.
struct Differences<'a> {
    world: &'a World<'a>,
    rows: Vec<(usize, Vec<i8>)>,
}

impl<'a> Differences<'a> {
    fn of(world: &'a World<'a>, (a, b): (usize, usize), size: usize) -> Self {
        let scores = world.scores;
        let cells = scores.cell(a, size).iter().zip(scores.cell(b, size)).enumerate();
        let row = |(split, (a, b)): (usize, (&Correct, &Correct))| {
            let (a, b) = (a.as_ref()?, b.as_ref()?);
            Some((split, a.iter().zip(b).map(|(a, b)| a - b).collect()))
        };
        Differences { world, rows: cells.filter_map(row).collect() }
    }

    fn analyse(&self, overlap: f64) -> Result<Option<Unbalanced>> {
        let analysis = analyse(self.world, &self.rows)?;
        let widened = |u: Unbalanced| {
            Ok(u.with_shared(u.shared(overlap).map_err(statistics)?, self.world.scores.same_pool))
        };
        analysis.map(widened).transpose()
    }
}

/// The accuracy of one model at one size, with its variance for new training sets and new items; `None` if there are too
/// few scores for one.
pub(super) fn accuracy(world: &World<'_>, model: usize, size: usize) -> Result<Option<Estimate>> {
    let cell = world.scores.cell(model, size).iter().enumerate();
    let rows: Vec<(usize, Vec<i8>)> =
        cell.filter_map(|(split, values)| Some((split, values.clone()?))).collect();
    let Some(u) = analyse(world, &rows)? else { return Ok(None) };
    let shared = u.shared(world.scores.overlap[size]).map_err(statistics)?;
    Ok(Some(u.with_shared(shared, world.scores.same_pool).in_population()))
}

/// The variance of the mean of some rows; `None` if there are too few scores for one.
fn analyse<T: Copy + Into<f64>>(
    world: &World<'_>,
    rows: &[(usize, Vec<T>)],
) -> Result<Option<Unbalanced>> {
    let scored: usize = rows.iter().map(|(_, values)| values.len()).sum();
    if scored < 2 {
        return Ok(None);
    }
    let trials: Vec<unbalanced::Trial<'_, T>> = rows
        .iter()
        .map(|(split, values)| {
            let split = &world.scores.splits[*split];
            unbalanced::Trial {
                repeat: split.repeat,
                fold: split.fold,
                items: &split.items,
                values,
            }
        })
        .collect();
    unbalanced::analyse(&trials).map(Some).map_err(statistics)
}

/// Replicates of the difference's deviation at each of `sizes`.
pub(super) fn deviations(
    world: &World<'_>,
    (a, b): (usize, usize),
    sizes: &[usize],
) -> Vec<Vec<f64>> {
    let at = |row: &[f64], size: usize| row[world.at(a, size)] - row[world.at(b, size)];
    world.deviations.iter().map(|row| sizes.iter().map(|&s| at(row, s)).collect()).collect()
}

fn findings(
    world: &World<'_>,
    pair: (usize, usize),
    sizes: &[(usize, Unbalanced)],
    options: &Options,
) -> Result<Vec<Finding>> {
    if sizes.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<usize> = sizes.iter().map(|(size, _)| *size).collect();
    let max_t = MaxT::of(&vec![0.0; sizes.len()], &deviations(world, pair, &places));
    let max_t = max_t.map_err(statistics)?;
    let mut by_scope = Vec::new();
    for scope in Scope::ALL {
        let estimates: Vec<Estimate> = sizes.iter().map(|(_, u)| estimate(u, scope)).collect();
        let bands = max_t.band_of(&estimates, options.level).map_err(statistics)?;
        by_scope.push((scope, bands, holm(&estimates)?));
    }
    let mut found = Vec::new();
    for (at, (size, analysis)) in sizes.iter().enumerate() {
        let n = Some(world.scores.sizes[*size]);
        for (scope, bands, p_holm) in &by_scope {
            if scopes(analysis).contains(scope) {
                let key = (n, *scope);
                found.push(Finding::of(key, analysis, bands[at], p_holm[at], options)?);
            }
        }
    }
    Ok(found)
}

/// Holm's adjustment over the sizes that have a p-value.
fn holm(estimates: &[Estimate]) -> Result<Vec<Option<f64>>> {
    let p: Vec<Option<f64>> = estimates.iter().map(|e| e.p_two_sided(0.0)).collect();
    let known: Vec<f64> = p.iter().flatten().copied().collect();
    let mut adjusted = multiplicity::holm(&known).map_err(statistics)?.into_iter();
    Ok(p.into_iter().map(|p| p.and_then(|_| adjusted.next())).collect())
}

/// The mean difference over log n: every score weighted by its size's share of the area under the curve.
///
/// Only splits with a complete pair at every size count. What overlapping draws share adds over the sizes at most as
/// standard deviations do, since the draws are nested: that bound is what is added.
fn whole_curve(
    world: &World<'_>,
    differences: &[Differences<'_>],
    sizes: &[(usize, Unbalanced)],
    options: &Options,
) -> Result<Vec<Finding>> {
    if sizes.len() < 2 {
        return Ok(Vec::new());
    }
    let n: Vec<f64> = sizes.iter().map(|(size, _)| f64::from(world.scores.sizes[*size])).collect();
    let shares = curve::area_shares(&n).map_err(statistics)?;
    let complete = |split: usize| {
        sizes.iter().map(move |(size, _)| differences[*size].rows.iter().find(|(s, _)| *s == split))
    };
    let mut rows: Vec<(usize, Vec<f64>)> = Vec::new();
    for (split, _) in &differences[sizes[0].0].rows {
        let Some(of_sizes) = complete(*split).collect::<Option<Vec<_>>>() else { continue };
        let mut values = vec![0.0; world.scores.splits[*split].items.len()];
        for (at, (_, row)) in of_sizes.into_iter().enumerate() {
            let share = shares[at];
            values.iter_mut().zip(row).for_each(|(v, &d)| *v += share * f64::from(d));
        }
        rows.push((*split, values));
    }
    let Some(analysis) = analyse(world, &rows)? else { return Ok(Vec::new()) };
    let shared = sizes
        .iter()
        .enumerate()
        .map(|(at, (size, u))| {
            let shared = u.shared(world.scores.overlap[*size]).map_err(statistics)?;
            Ok(shares[at] * shared.sqrt())
        })
        .sum::<Result<f64>>()?;
    let analysis = analysis.with_shared(shared * shared, world.scores.same_pool);
    scopes(&analysis)
        .iter()
        .map(|&scope| {
            let estimate = estimate(&analysis, scope);
            let interval = estimate.interval(options.level).map_err(statistics)?;
            let p = estimate.p_two_sided(0.0);
            Finding::of((None, scope), &analysis, interval, p, options)
        })
        .collect()
}
