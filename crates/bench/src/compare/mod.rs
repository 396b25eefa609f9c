//! Comparing models: paired differences, bands, verdicts, crossings and sample efficiency. Pure: scores in, findings
//! out; METHODOLOGY.md says what each number means.

pub mod across;
mod crossing;
mod efficiency;
mod other;
mod pair;
pub mod rows;
mod scores;
pub mod trust;
pub mod words;

pub use crossing::{Crossing, RELIABLE};
pub use efficiency::{Efficiency, Needed};
pub use other::{join, remarks};
pub use pair::{Finding, Pair, Scope, Verdict};
pub use scores::{Correct, Scores, Split};

use efficiency::Reaches;
use stats::joint::Joint;
use stats::unbalanced;

use crate::error::{Error, Result};
use crate::seed::stream;
use crate::store::Results;

/// How to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Level of bands and intervals.
    pub level: f64,
    /// Half the width of the region of practical equivalence, in accuracy.
    pub rope: f64,
    /// Accuracies to count examples for; `None` chooses up to three by [`efficiency::usual_targets`].
    pub targets: Option<Vec<f64>>,
    /// The model that tables and figures compare with; `None` takes the best on average.
    pub baseline: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options { level: 0.95, rope: 0.005, targets: None, baseline: None }
    }
}

/// Bootstrap replicates: enough that the 95 % limits of a band move by less than 2 % between seeds.
const REPLICATES: usize = 2000;

/// All pairs of models of a study.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// How it was compared.
    pub options: Options,
    /// The models, in the order of the lock.
    pub models: Vec<String>,
    /// The sizes, ascending.
    pub sizes: Vec<u32>,
    /// Trials planned for each model and n.
    pub planned: usize,
    /// The pairs (a, b) with a before b, by a then b.
    pub pairs: Vec<Pair>,
    /// The accuracies that examples are counted for, ascending.
    pub targets: Vec<f64>,
    /// By target, then model: how many examples it takes.
    pub needed: Vec<Vec<Needed>>,
    /// The model that tables and figures compare with.
    pub baseline: usize,
    /// True if the baseline was named, false if the results chose it.
    pub baseline_named: bool,
}

impl Comparison {
    /// Compares all models of `results` with each other.
    ///
    /// # Errors
    /// [`Error::Input`] if there are fewer than two models, the baseline is none of them, an option is out of its
    /// range, or predictions and items don't belong together.
    pub fn new(results: &Results, options: &Options) -> Result<Comparison> {
        let scores = Scores::of(results)?;
        Comparison::of(&scores, results.lock.seed, options)
    }

    /// The same from scores that are laid out already.
    ///
    /// # Errors
    /// As [`Comparison::new`].
    pub fn of(scores: &Scores, seed: u64, options: &Options) -> Result<Comparison> {
        check(scores, options)?;
        let world = World::of(scores, seed)?;
        let targets = match &options.targets {
            Some(targets) => ascending(targets),
            None => efficiency::usual_targets(&world),
        };
        let scales = match targets.is_empty() {
            true => Vec::new(),
            false => efficiency::scales(&world, options.level)?,
        };
        let reaches: Vec<Reaches> =
            targets.iter().map(|&target| Reaches::of(&world, target, &scales)).collect();
        let needed = reaches.iter().map(|r| r.needed(options.level)).collect::<Result<Vec<_>>>()?;
        let mut pairs = Vec::new();
        for a in 0..scores.models.len() {
            for b in a + 1..scores.models.len() {
                pairs.push(Pair::of(&world, (a, b), options, &reaches)?);
            }
        }
        let named = options.baseline.as_ref();
        let chosen = named.and_then(|name| scores.models.iter().position(|m| m == name));
        Ok(Comparison {
            options: options.clone(),
            models: scores.models.clone(),
            sizes: scores.sizes.clone(),
            planned: scores.planned,
            baseline: chosen.unwrap_or_else(|| best_on_average(&world)),
            baseline_named: chosen.is_some(),
            pairs,
            targets,
            needed,
        })
    }

    /// `model` against `baseline`, as model minus baseline; `None` for a model with itself.
    pub fn against(&self, model: usize, baseline: usize) -> Option<Pair> {
        let (a, b) = (model.min(baseline), model.max(baseline));
        let pair = self.pairs.iter().find(|pair| (pair.a, pair.b) == (a, b))?;
        Some(if pair.a == model { pair.clone() } else { pair.flipped() })
    }

    /// Every model but the baseline against it, in order.
    pub fn against_baseline(&self) -> Vec<Pair> {
        (0..self.models.len()).filter_map(|model| self.against(model, self.baseline)).collect()
    }
}

/// Each target once, in order, however they were given.
fn ascending(targets: &[f64]) -> Vec<f64> {
    let mut targets = targets.to_vec();
    targets.sort_by(f64::total_cmp);
    targets.dedup();
    targets
}

fn check(scores: &Scores, options: &Options) -> Result<()> {
    if scores.models.len() < 2 {
        return Err(Error::input(format!(
            "a comparison needs two models, and these results have {}",
            scores.models.len()
        )));
    }
    if !(options.level >= 0.5 && options.level <= 0.999) {
        return Err(Error::input(format!(
            "--level is {}, expected 0.5 to 0.999, as in 0.95",
            options.level
        )));
    }
    if !(options.rope >= 0.0 && options.rope < 1.0) {
        return Err(Error::input(format!(
            "--rope is {}, expected 0 to 1 in accuracy, as in 0.005 for half a point",
            options.rope
        )));
    }
    let wrong = |target: &&f64| !(**target > 0.0 && **target <= 1.0);
    if let Some(target) = options.targets.iter().flatten().find(wrong) {
        return Err(Error::input(format!("--target is {target}, expected an accuracy in 0 to 1")));
    }
    let unknown = options.baseline.as_ref().filter(|name| !scores.models.contains(name));
    if let Some(name) = unknown {
        let known = scores.models.iter().map(String::as_str);
        let hint = match models::settings::nearest(name, known) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => format!("there are: {}", scores.models.join(", ")),
        };
        return Err(Error::input(format!(
            "--baseline: no model {name:?} in these results, {hint}"
        )));
    }
    Ok(())
}

/// The scores, and how the mean accuracies of all models and sizes vary together.
struct World<'a> {
    scores: &'a Scores,
    /// By model, then size; `None` where no trial is ok.
    means: Vec<Option<f64>>,
    /// Replicates of the deviations of those means; 0 where there is none.
    deviations: Vec<Vec<f64>>,
}

impl<'a> World<'a> {
    fn of(scores: &'a Scores, seed: u64) -> Result<World<'a>> {
        let sizes = scores.sizes.len();
        let count = scores.models.len() * sizes;
        let (mut columns, mut overlaps, mut place) = (Vec::new(), Vec::new(), vec![None; count]);
        for (at, place) in place.iter_mut().enumerate() {
            let trials = trials(scores, scores.cell(at / sizes, at % sizes));
            if !trials.is_empty() {
                *place = Some(columns.len());
                columns.push(trials);
                overlaps.push(scores.overlap[at % sizes]);
            }
        }
        let means = place.iter().map(|p| p.map(|column| mean(&columns[column]))).collect();
        if columns.is_empty() {
            return Err(Error::input(
                "no trial of these results is ok: there is nothing to compare",
            ));
        }
        let joint = Joint::of(&columns, &overlaps).map_err(statistics)?;
        let drawn = joint.replicates(REPLICATES, &mut stream(seed, "comparison", &[]));
        let spread = |row: Vec<f64>| place.iter().map(|p| p.map_or(0.0, |c| row[c])).collect();
        Ok(World { scores, means, deviations: drawn.into_iter().map(spread).collect() })
    }

    fn at(&self, model: usize, size: usize) -> usize {
        model * self.scores.sizes.len() + size
    }

    /// The learning curve of `model` where it has scores: positions of the sizes, and accuracies.
    fn curve(&self, model: usize) -> (Vec<usize>, Vec<f64>) {
        (0..self.scores.sizes.len())
            .filter_map(|size| Some((size, self.means[self.at(model, size)]?)))
            .unzip()
    }
}

/// The trials of a cell that are ok.
fn trials<'a>(scores: &'a Scores, cell: &'a [Correct]) -> Vec<unbalanced::Trial<'a, i8>> {
    let trial = |(split, values): (&'a Split, &'a Correct)| {
        let Split { repeat, fold, items } = split;
        let values = values.as_deref()?;
        Some(unbalanced::Trial { repeat: *repeat, fold: *fold, items, values })
    };
    scores.splits.iter().zip(cell).filter_map(trial).collect()
}

fn mean(trials: &[unbalanced::Trial<'_, i8>]) -> f64 {
    let right: i64 = trials.iter().flat_map(|t| t.values).map(|&v| i64::from(v)).sum();
    let scored: usize = trials.iter().map(|t| t.items.len()).sum();
    right as f64 / scored as f64
}

/// The model with the largest mean accuracy over log n; the first of equals.
fn best_on_average(world: &World<'_>) -> usize {
    let area = |model: usize| {
        let (sizes, scores) = world.curve(model);
        let sizes: Vec<f64> = sizes.iter().map(|&s| f64::from(world.scores.sizes[s])).collect();
        match scores.as_slice() {
            [] => f64::NEG_INFINITY,
            [only] => *only,
            _ => stats::curve::area(&sizes, &scores).unwrap_or(f64::NEG_INFINITY),
        }
    };
    let areas: Vec<f64> = (0..world.scores.models.len()).map(area).collect();
    (0..areas.len()).fold(0, |best, model| if areas[model] > areas[best] { model } else { best })
}

/// An error of the statistics, which only contradictory results bring about.
fn statistics(error: stats::Error) -> Error {
    Error::input(format!("comparison: {error}"))
}
