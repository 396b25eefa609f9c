//! The classifier that chooses its own parameters.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rand::RngCore;

use super::folds::{Fold, Purpose, inner_folds, stream};
use super::grid::plain;
use super::{Grid, OutOfFold, SharedTask};
use crate::classifier::{Classifier, Features, Fit, FitContext, FitError, Shape, TrainingSet};
use crate::registry::Kind;
use crate::settings::{SettingError, Settings, Value};

/// How many candidates a model may have: the same limit for every contender.
pub const MAX_CANDIDATES: usize = 64;

/// A kind with a grid: fits every candidate in inner folds of the training set, and the best of them on all of it.
pub struct Tuner {
    kind: &'static Kind,
    grid: Grid,
    /// What is fitted where nothing can be chosen: the parameters as set, the tuned ones by default.
    defaults: Candidate,
    /// The simplest first.
    candidates: Vec<Candidate>,
}

/// One way to set the parameters.
struct Candidate {
    settings: Settings,
    /// The tuned parameters among them.
    values: Vec<(&'static str, Value)>,
    classifier: Box<dyn Classifier>,
}

impl Candidate {
    fn choice(&self, inner_fits: u64, fallback: Option<&'static str>) -> Choice<'_> {
        Choice { classifier: &*self.classifier, values: &self.values, inner_fits, fallback }
    }
}

/// What was chosen for one training set.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    /// To be fitted on all of the training set.
    pub classifier: &'a dyn Classifier,
    /// The tuned parameters with the values chosen; empty where nothing could be chosen.
    pub values: &'a [(&'static str, Value)],
    /// Candidates times inner folds: the fits that the choice takes where each candidate is fitted by itself. A kind
    /// that shares work between candidates does less, and a candidate that fails in one fold is not fitted in the next.
    pub inner_fits: u64,
    /// Why the defaults were taken instead of a choice.
    pub fallback: Option<&'static str>,
}

impl Choice<'_> {
    /// The choice in one line without commas or quotes, such as `c=0.1; gamma=scale`, or `defaults: ` and the reason.
    pub fn text(&self) -> String {
        if let Some(why) = self.fallback {
            return format!("defaults: {why}");
        }
        let pairs: Vec<String> =
            self.values.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
        pairs.join("; ")
    }
}

impl Tuner {
    /// The classifier that tunes `kind` over `grid`, with `given` set outright.
    ///
    /// Where a parameter does nothing beside the others of a combination (γ of a linear kernel), it is left out of it,
    /// and combinations that are then the same count once.
    ///
    /// # Errors
    /// If `given` is wrong, a combination contradicts itself, a parameter of the grid never does anything, or there are
    /// more than [`MAX_CANDIDATES`].
    pub fn new(
        kind: &'static Kind,
        given: &BTreeMap<String, Value>,
        grid: Grid,
    ) -> Result<Tuner, SettingError> {
        let defaults = candidate(kind, given, &[])?;
        // A grid of lists can be astronomically large; what is left out can't shrink it below its longest list.
        if grid.size() > MAX_CANDIDATES * MAX_CANDIDATES {
            return Err(too_many(grid.size()));
        }
        let ranks: Vec<Vec<usize>> = grid
            .axes
            .iter()
            .map(|axis| {
                let order = kind.tuning.simpler.iter().find(|(name, _)| *name == axis.name);
                axis.ranks(order.map(|(_, order)| *order))
            })
            .collect();
        let order = telling_order(kind, &grid);
        let mut ranked: Vec<(Vec<Option<usize>>, Candidate)> = Vec::new();
        for places in grid.combinations() {
            let values: Vec<(&'static str, &Value)> =
                grid.axes.iter().zip(&places).map(|(a, &at)| (a.name, &a.values[at])).collect();
            let candidate = candidate(kind, given, &values)?;
            if ranked.iter().any(|(_, other)| other.settings == candidate.settings) {
                continue;
            }
            let rank = |&axis: &usize| {
                let name = grid.axes[axis].name;
                let taken = candidate.values.iter().any(|(taken, _)| *taken == name);
                taken.then(|| ranks[axis][places[axis]])
            };
            ranked.push((order.iter().map(rank).collect(), candidate));
        }
        if ranked.len() > MAX_CANDIDATES {
            return Err(too_many(ranked.len()));
        }
        ranked.sort_by(|a, b| a.0.cmp(&b.0)); // stable: equals stay as listed
        let candidates: Vec<Candidate> =
            ranked.into_iter().map(|(_, candidate)| candidate).collect();
        let taken = |name| candidates.iter().any(|c| c.values.iter().any(|(n, _)| *n == name));
        if let Some(axis) = grid.axes.iter().find(|axis| !taken(axis.name)) {
            return Err(SettingError::Idle {
                key: axis.name,
                why: "in any combination of `tune`: leave it out".into(),
            });
        }
        Ok(Tuner { kind, grid, defaults, candidates })
    }

    /// What is tried.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The parameters where nothing is chosen.
    pub fn defaults(&self) -> &Settings {
        &self.defaults.settings
    }

    /// How many candidates there are.
    pub fn candidates(&self) -> usize {
        self.candidates.len()
    }

    /// Chooses by inner cross-validation on `train`, sharing between candidates what their kind can share.
    ///
    /// # Errors
    /// [`FitError::Stopped`] when asked to; a candidate that can't be fitted is not chosen, which is no error.
    pub fn choose(
        &self,
        train: &TrainingSet<'_>,
        context: &FitContext<'_>,
    ) -> Result<Choice<'_>, FitError> {
        self.choose_by(train, context, |folds| {
            let settings: Vec<&Settings> = self.candidates.iter().map(|c| &c.settings).collect();
            let task = SharedTask { candidates: &settings, train, folds, context };
            let shared = self.kind.tuning.shared.map_or(Ok(None), |shared| shared(&task))?;
            shared.map_or_else(|| self.one_by_one(train, folds, context), Ok)
        })
    }

    /// Chooses as [`Tuner::choose`] does, but fits every candidate by itself: what the shared way is tested against.
    ///
    /// # Errors
    /// As [`Tuner::choose`].
    pub fn choose_unshared(
        &self,
        train: &TrainingSet<'_>,
        context: &FitContext<'_>,
    ) -> Result<Choice<'_>, FitError> {
        self.choose_by(train, context, |folds| self.one_by_one(train, folds, context))
    }

    fn choose_by(
        &self,
        train: &TrainingSet<'_>,
        context: &FitContext<'_>,
        evaluate: impl FnOnce(&[Fold]) -> Result<Vec<OutOfFold>, FitError>,
    ) -> Result<Choice<'_>, FitError> {
        if let [only] = &self.candidates[..] {
            return Ok(only.choice(0, None));
        }
        let Some(folds) = inner_folds(train, context.seed) else {
            return Ok(self.defaults.choice(0, Some("a class has a single example")));
        };
        let predicted = evaluate(&folds)?;
        let fits = (self.candidates.len() * folds.len()) as u64;
        let right =
            |labels: &Vec<u32>| labels.iter().zip(train.labels()).filter(|(a, b)| a == b).count();
        let mut best: Option<(usize, &Candidate)> = None;
        for (candidate, labels) in self.candidates.iter().zip(&predicted) {
            let Some(right) = labels.as_ref().map(right) else { continue };
            if best.is_none_or(|(most, _)| right > most) {
                best = Some((right, candidate));
            }
        }
        Ok(match best {
            Some((_, candidate)) => candidate.choice(fits, None),
            None => self.defaults.choice(fits, Some("no candidate could be fitted")),
        })
    }

    /// The labels that each candidate gives to the rows left out, each candidate and fold fitted by itself. All
    /// candidates have the same seed in a fold, one that depends on the trial's seed and the fold alone.
    fn one_by_one(
        &self,
        train: &TrainingSet<'_>,
        folds: &[Fold],
        context: &FitContext<'_>,
    ) -> Result<Vec<OutOfFold>, FitError> {
        let mut seeds = stream(context.seed, Purpose::Seeds);
        let mut predicted: Vec<OutOfFold> =
            vec![Some(vec![0; train.rows()]); self.candidates.len()];
        for fold in folds {
            let context = FitContext { seed: seeds.next_u64() >> 11, ..*context };
            let (values, labels) = gather(train, &fold.train);
            let shape = train.features().shape();
            let part = TrainingSet::new(Features::new(&values, shape), &labels, train.classes())?;
            let (left_out, _) = gather(train, &fold.test);
            let left_out = Features::new(&left_out, shape);
            for (candidate, out) in self.candidates.iter().zip(&mut predicted) {
                let Some(all) = out else { continue };
                context.check()?;
                let labels = candidate
                    .classifier
                    .fit(&part, &context)
                    .and_then(|fit| fit.model.predict(&left_out));
                match labels {
                    Ok(predictions) => {
                        for (&row, label) in fold.test.iter().zip(predictions.labels) {
                            all[row] = label;
                        }
                    }
                    Err(FitError::Stopped) => return Err(FitError::Stopped),
                    Err(_) => *out = None,
                }
            }
        }
        Ok(predicted)
    }
}

/// The rows of a training set, values and labels.
pub(crate) fn gather(train: &TrainingSet<'_>, rows: &[usize]) -> (Vec<f32>, Vec<u32>) {
    let values = rows.iter().flat_map(|&row| train.features().row(row)).copied().collect();
    (values, rows.iter().map(|&row| train.labels()[row]).collect())
}

/// The axes by how much they tell of simplicity: those that the kind declares, in its order, then the others.
fn telling_order(kind: &Kind, grid: &Grid) -> Vec<usize> {
    let place = |axis: &usize| {
        let name = grid.axes[*axis].name;
        let declared = kind.tuning.simpler.iter().position(|(declared, _)| *declared == name);
        declared.unwrap_or(usize::MAX)
    };
    let mut order: Vec<usize> = (0..grid.axes.len()).collect();
    order.sort_by_key(place);
    order
}

/// The candidate with `values` beside `given`, checked.
fn candidate(
    kind: &Kind,
    given: &BTreeMap<String, Value>,
    values: &[(&'static str, &Value)],
) -> Result<Candidate, SettingError> {
    let (settings, taken) = Settings::with(kind.params, given, values)?;
    let classifier = (kind.build)(&settings).map_err(|error| {
        let with: Vec<String> =
            taken.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        if with.is_empty() {
            return error;
        }
        SettingError::Conflict(format!("`tune` combines {}: {error}", with.join(", ")))
    })?;
    Ok(Candidate { settings, values: taken, classifier })
}

fn too_many(candidates: usize) -> SettingError {
    SettingError::Conflict(format!(
        "`tune` has {candidates} candidates, at most {MAX_CANDIDATES} are allowed, the same for every model: \
         list fewer values"
    ))
}

impl Classifier for Tuner {
    fn check(&self, shape: Shape, classes: usize) -> Result<(), FitError> {
        self.candidates
            .iter()
            .chain([&self.defaults])
            .try_for_each(|candidate| candidate.classifier.check(shape, classes))
    }

    fn set_time_limit(&self, limit: Duration) {
        let all = self.candidates.iter().chain([&self.defaults]);
        all.for_each(|candidate| candidate.classifier.set_time_limit(limit));
    }

    fn tune<'a>(
        &'a self,
        train: &TrainingSet<'_>,
        context: &FitContext<'_>,
    ) -> Result<Option<Choice<'a>>, FitError> {
        self.choose(train, context).map(Some)
    }

    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        self.choose(train, context)?.classifier.fit(train, context)
    }
}

impl fmt::Debug for Tuner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tuned over {:?}", self.kind.name, self.grid)
    }
}
