//! How far cross-validation inside n examples can be trusted: `small-sample-cv`, where the models fitted on all n are
//! scored on a large held-out set beside it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use stats::binomial::wilson_from;
use stats::dist::normal_quantile;
use stats::{Interval, paired, quantile};

use super::statistics;
use crate::error::Result;
use crate::experiment::{ProtocolKind, REFIT_FOLD};
use crate::files;
use crate::record::Record;
use crate::store::{Results, table};
use crate::summary::{LEVEL, digits};

/// What cross-validation said against what was true.
#[derive(Clone, Debug, PartialEq)]
pub struct Trust {
    /// The models, in the order of the lock.
    pub models: Vec<String>,
    /// The sizes, ascending.
    pub sizes: Vec<u32>,
    /// Samples of n examples that were planned.
    pub planned: usize,
    /// By model, then n: cells with at least two complete samples.
    pub cells: Vec<ModelTrust>,
    /// By pair, then n.
    pub pairs: Vec<PairTrust>,
    /// By n: the model that cross-validation would have chosen among all.
    pub choices: Vec<Choice>,
}

/// One model at one n.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelTrust {
    /// The model.
    pub model: usize,
    /// Examples there are.
    pub n: u32,
    /// Samples in which every fold and the refitted model are ok.
    pub samples: usize,
    /// Mean cross-validated accuracy.
    pub cv: f64,
    /// Mean accuracy of the model fitted on all n, on the large held-out set.
    pub truth: f64,
    /// Mean of the former minus the latter.
    pub bias: f64,
    /// Student's interval of the bias over the samples.
    pub bias_interval: Interval,
    /// Standard deviation of the difference over the samples.
    pub spread: f64,
    /// The difference in each sample, in order.
    pub differences: Vec<f64>,
}

/// Two models at one n.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairTrust {
    /// The first model.
    pub a: usize,
    /// The second model.
    pub b: usize,
    /// Examples there are.
    pub n: u32,
    /// Samples complete for both.
    pub samples: usize,
    /// Share of samples in which cross-validation prefers the one that is worse on the held-out set. A tie in
    /// cross-validation counts half; a tie on the held-out set is never wrong.
    pub wrong: f64,
    /// Share in which the corrected repeated k-fold t test finds a difference at 5 %.
    pub significant: f64,
    /// Share in which it finds one, and the wrong way round.
    pub significant_wrong: f64,
}

/// What becomes of choosing the model with the best cross-validated accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Examples there are.
    pub n: u32,
    /// Samples complete for all models.
    pub samples: usize,
    /// Share of samples in which another model is better on the held-out set; ties in cross-validation share alike.
    pub wrong: f64,
    /// Wilson's interval of that share over new samples.
    pub wrong_interval: Interval,
    /// Mean accuracy that the choice costs against the best on the held-out set.
    pub regret: f64,
}

/// One sample of n examples with one model.
struct Sample {
    /// Accuracy of each fold, in order.
    folds: Vec<f64>,
    cv: f64,
    truth: f64,
}

impl Trust {
    /// Reads it off results; `None` for other protocols.
    ///
    /// # Errors
    /// [`crate::error::Error::Input`] if the statistics refuse, which only contradictory results bring about.
    pub fn of(results: &Results) -> Result<Option<Trust>> {
        let protocol = &results.lock.protocol;
        if protocol.kind != ProtocolKind::SmallSampleCv.name() {
            return Ok(None);
        }
        let models: Vec<String> = results.lock.models.iter().map(|m| m.name.clone()).collect();
        let samples = Samples::of(results, &models);
        let mut sizes: Vec<u32> = samples.0.keys().map(|&(_, n, _)| n).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let mut trust = Trust {
            planned: protocol.repeats as usize,
            cells: Vec::new(),
            pairs: Vec::new(),
            choices: Vec::new(),
            models,
            sizes,
        };
        let count = trust.models.len();
        for model in 0..count {
            for &n in &trust.sizes {
                trust.cells.extend(model_trust(&samples, model, n)?);
            }
        }
        for (a, b) in (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))) {
            for &n in &trust.sizes {
                trust.pairs.extend(pair_trust(&samples, (a, b), n, protocol.folds)?);
            }
        }
        trust.choices = trust.sizes.iter().filter_map(|&n| choice(&samples, count, n)).collect();
        Ok(Some(trust))
    }
}

/// Complete samples by model, n and repeat.
struct Samples(BTreeMap<(usize, u32, u32), Sample>);

impl Samples {
    fn of(results: &Results, models: &[String]) -> Samples {
        let protocol = &results.lock.protocol;
        let folds = protocol.cv_repeats.unwrap_or(1) * protocol.folds;
        let mut trials: BTreeMap<(usize, u32, u32), BTreeMap<u32, &Record>> = BTreeMap::new();
        for (key, record) in &results.records {
            let Some(model) = models.iter().position(|m| key.model == *m) else { continue };
            trials.entry((model, key.n, key.repeat)).or_default().insert(key.fold, record);
        }
        let sample = |of: &BTreeMap<u32, &Record>| {
            let truth = of.get(&REFIT_FOLD)?.outcome.accuracy()?;
            let (mut accuracies, mut right, mut scored) = (Vec::new(), 0, 0);
            for fold in 1..=folds {
                let correct = of.get(&fold)?.outcome.correct.as_ref()?;
                accuracies.push(correct.count() as f64 / correct.len() as f64);
                (right, scored) = (right + correct.count(), scored + correct.len());
            }
            Some(Sample { folds: accuracies, cv: right as f64 / scored as f64, truth })
        };
        let complete = trials.into_iter().filter_map(|(key, of)| Some((key, sample(&of)?)));
        Samples(complete.collect())
    }

    /// The samples of one model at one n, by repeat.
    fn cell(&self, model: usize, n: u32) -> impl Iterator<Item = (u32, &Sample)> {
        let range = (model, n, 0)..=(model, n, u32::MAX);
        self.0.range(range).map(|(&(_, _, repeat), sample)| (repeat, sample))
    }

    fn get(&self, model: usize, n: u32, repeat: u32) -> Option<&Sample> {
        self.0.get(&(model, n, repeat))
    }
}

fn model_trust(samples: &Samples, model: usize, n: u32) -> Result<Option<ModelTrust>> {
    let of: Vec<&Sample> = samples.cell(model, n).map(|(_, sample)| sample).collect();
    if of.len() < 2 {
        return Ok(None);
    }
    let mean =
        |value: fn(&Sample) -> f64| of.iter().map(|s| value(s)).sum::<f64>() / of.len() as f64;
    let differences: Vec<f64> = of.iter().map(|s| s.cv - s.truth).collect();
    let (bias, variance) = quantile::mean_and_variance(&differences).map_err(statistics)?;
    let df = (of.len() - 1) as f64;
    let estimate = stats::Estimate { value: bias, variance: variance / of.len() as f64, df };
    Ok(Some(ModelTrust {
        model,
        n,
        samples: of.len(),
        cv: mean(|s| s.cv),
        truth: mean(|s| s.truth),
        bias,
        bias_interval: estimate.interval(LEVEL).map_err(statistics)?,
        spread: variance.sqrt(),
        differences,
    }))
}

fn pair_trust(
    samples: &Samples,
    (a, b): (usize, usize),
    n: u32,
    k: u32,
) -> Result<Option<PairTrust>> {
    let both: Vec<(&Sample, &Sample)> = samples
        .cell(a, n)
        .filter_map(|(repeat, of_a)| Some((of_a, samples.get(b, n, repeat)?)))
        .collect();
    if both.is_empty() {
        return Ok(None);
    }
    let (mut wrong, mut significant, mut significant_wrong) = (0.0, 0.0, 0.0);
    for (a, b) in &both {
        let (said, is) = (a.cv - b.cv, a.truth - b.truth);
        let mistaken = said * is < 0.0;
        wrong += if said == 0.0 && is != 0.0 { 0.5 } else { f64::from(mistaken) };
        let found = differs(a, b, k)?;
        significant += f64::from(found);
        significant_wrong += f64::from(found && mistaken);
    }
    let count = both.len() as f64;
    Ok(Some(PairTrust {
        a,
        b,
        n,
        samples: both.len(),
        wrong: wrong / count,
        significant: significant / count,
        significant_wrong: significant_wrong / count,
    }))
}

/// Whether the corrected repeated k-fold t test (Nadeau & Bengio 2003; Bouckaert & Frank 2004) finds a difference at
/// 5 %: n_test/n_train = 1/(k-1). No variation is no finding.
fn differs(a: &Sample, b: &Sample, k: u32) -> Result<bool> {
    let t = paired::corrected_t(&a.folds, &b.folds, k as usize - 1, 1).map_err(statistics)?;
    Ok(t.corrected.p_two_sided(0.0).is_some_and(|p| p < 0.05))
}

fn choice(samples: &Samples, models: usize, n: u32) -> Option<Choice> {
    let (mut count, mut wrong, mut regret) = (0, 0.0, 0.0);
    for (repeat, _) in samples.cell(0, n) {
        let of: Option<Vec<&Sample>> =
            (0..models).map(|model| samples.get(model, n, repeat)).collect();
        let Some(of) = of else { continue };
        let best = |value: fn(&Sample) -> f64| {
            of.iter().map(|s| value(s)).fold(f64::NEG_INFINITY, f64::max)
        };
        let (said, is) = (best(|s| s.cv), best(|s| s.truth));
        let chosen: Vec<&&Sample> = of.iter().filter(|s| s.cv == said).collect();
        let share = 1.0 / chosen.len() as f64;
        count += 1;
        wrong += share * chosen.iter().filter(|s| s.truth < is).count() as f64;
        regret += share * chosen.iter().map(|s| is - s.truth).sum::<f64>();
    }
    let all = f64::from(count);
    (count > 0).then(|| Choice {
        n,
        samples: count as usize,
        wrong: wrong / all,
        wrong_interval: wilson_from(wrong / all, all, normal_quantile(0.5 + LEVEL / 2.0)),
        regret: regret / all,
    })
}

/// A row of `cross-validation.csv`.
#[derive(Debug, Serialize)]
struct ModelRow<'a> {
    model: &'a str,
    n: u32,
    samples: usize,
    planned: usize,
    cv_accuracy: f64,
    accuracy: f64,
    bias: f64,
    bias_low: f64,
    bias_high: f64,
    level: f64,
    spread: f64,
}

/// A row of `cross-validation-pairs.csv`, whose new columns go behind the last; the choice among all models has `a` = `b` = `all`.
#[derive(Debug, Serialize)]
struct PairRow<'a> {
    a: &'a str,
    b: &'a str,
    n: u32,
    samples: usize,
    wrong: f64,
    significant: Option<f64>,
    significant_wrong: Option<f64>,
    regret: Option<f64>,
    wrong_low: Option<f64>,
    wrong_high: Option<f64>,
}

/// Writes the two tables into `folder`.
///
/// # Errors
/// [`crate::error::Error::Io`].
pub fn write(folder: &Path, trust: &Trust) -> Result<()> {
    let models = trust.cells.iter().map(|cell| ModelRow {
        model: &trust.models[cell.model],
        n: cell.n,
        samples: cell.samples,
        planned: trust.planned,
        cv_accuracy: digits(cell.cv),
        accuracy: digits(cell.truth),
        bias: digits(cell.bias),
        bias_low: digits(cell.bias_interval.lo),
        bias_high: digits(cell.bias_interval.hi),
        level: LEVEL,
        spread: digits(cell.spread),
    });
    let path = folder.join("cross-validation.csv");
    files::write_whole(&path, &table(&path, models)?)?;
    let pairs = trust.pairs.iter().map(|pair| PairRow {
        a: &trust.models[pair.a],
        b: &trust.models[pair.b],
        n: pair.n,
        samples: pair.samples,
        wrong: digits(pair.wrong),
        significant: Some(digits(pair.significant)),
        significant_wrong: Some(digits(pair.significant_wrong)),
        regret: None,
        wrong_low: None,
        wrong_high: None,
    });
    let choices = trust.choices.iter().map(|choice| PairRow {
        a: "all",
        b: "all",
        n: choice.n,
        samples: choice.samples,
        wrong: digits(choice.wrong),
        significant: None,
        significant_wrong: None,
        regret: Some(digits(choice.regret)),
        wrong_low: Some(digits(choice.wrong_interval.lo)),
        wrong_high: Some(digits(choice.wrong_interval.hi)),
    });
    let path = folder.join("cross-validation-pairs.csv");
    files::write_whole(&path, &table(&path, pairs.chain(choices))?)
}

/// What the study says about cross-validation, in sentences.
pub fn sentences(trust: &Trust) -> Vec<String> {
    let mut text = Vec::new();
    for choice in &trust.choices {
        text.push(format!(
            "With {} examples, choosing the model by cross-validation picks one that another beats on the held-out \
             set in {:.0} % of {} samples (95 % interval {:.0} to {:.0} %), and costs {:.2} points of accuracy on average.",
            choice.n,
            100.0 * choice.wrong,
            choice.samples,
            100.0 * choice.wrong_interval.lo,
            100.0 * choice.wrong_interval.hi,
            100.0 * choice.regret
        ));
    }
    if let Some(worst) = trust.cells.iter().max_by(|x, y| x.spread.total_cmp(&y.spread)) {
        text.push(format!(
            "A single cross-validated accuracy misses the truth by up to {:.1} points (standard deviation; {} at n = {}).",
            100.0 * worst.spread, trust.models[worst.model], worst.n
        ));
    }
    text
}
