//! Default against tuned: for every model that an experiment holds twice, the two differing in `tune` alone, the paired
//! difference in accuracy by n.

use plot::{Difference, DifferenceCurve, Differences};
use stats::{crossed, unbalanced};

use crate::error::{Error, Result};
use crate::plan::TrialKey;
use crate::record::Record;
use crate::store::{LockedModel, Results, SET, TUNE};
use crate::summary::LEVEL;

/// The figure's content; `None` if no model stands there by default and tuned, or none of both is ok often enough.
///
/// # Errors
/// [`Error::Input`] if predictions and held-out items don't belong together.
pub fn differences(results: &Results) -> Result<Option<Differences>> {
    let models = &results.lock.models;
    let mut curves = Vec::new();
    for (look, tuned) in models.iter().enumerate().filter(|(_, m)| m.settings.contains_key(TUNE)) {
        let Some(plain) = models.iter().find(|plain| twins(plain, tuned)) else { continue };
        let points = points(results, &plain.name, &tuned.name)?;
        if !points.is_empty() {
            curves.push(DifferenceCurve { label: tuned.name.clone(), look, points });
        }
    }
    Ok((!curves.is_empty()).then(|| Differences {
        title: format!("{}: what tuning changes, by number of training examples", results.lock.name),
        caption: vec![format!(
            "Accuracy of each tuned model minus that of the same model by default, on the same splits; parameters are \
             chosen inside each training set. Bands: {:.0} % intervals of the paired difference at each n by itself, \
             covering new training draws and new test items.",
            LEVEL * 100.0
        )],
        baseline: "the same model by default".into(),
        equivalence: 0.0,
        curves,
    }))
}

/// Whether `plain` is `tuned` without its grid.
fn twins(plain: &LockedModel, tuned: &LockedModel) -> bool {
    let mut bare = LockedModel { name: plain.name.clone(), ..tuned.clone() };
    bare.settings.retain(|key, _| ![TUNE, SET].contains(&key.as_str()));
    *plain == bare
}

/// The paired difference at each n of which there are two trials or more.
fn points(results: &Results, plain: &str, tuned: &str) -> Result<Vec<Difference>> {
    let mut points = Vec::new();
    for &n in &results.lock.protocol.sizes {
        let pairs: Vec<Pair<'_>> = results
            .records
            .values()
            .filter(|r| r.key.n == n)
            .filter_map(|r| pair(results, r, plain, tuned))
            .collect();
        if pairs.len() > 1 {
            let of = |error: stats::Error| Error::input(format!("{tuned}, n = {n}: {error}"));
            points.extend(point(&results.lock.protocol.kind, n, &pairs).map_err(of)?);
        }
    }
    Ok(points)
}

/// One trial of both models: which items it scored, and who got them right.
struct Pair<'a> {
    repeat: u32,
    fold: u32,
    items: &'a [u32],
    /// Per item: tuned right minus default right, in -1..=1.
    gained: Vec<i8>,
}

/// The pair of `record`, if it is of the tuned model and both trials are ok.
fn pair<'a>(results: &'a Results, record: &Record, plain: &str, tuned: &str) -> Option<Pair<'a>> {
    if record.key.model != tuned {
        return None;
    }
    let TrialKey { n, repeat, fold, .. } = record.key;
    let twin = results.records.get(&TrialKey { model: plain.into(), n, repeat, fold })?;
    let (after, before) = (record.outcome.correct.as_ref()?, twin.outcome.correct.as_ref()?);
    let items = results.items.get(&(repeat, fold)).filter(|items| items.len() == after.len())?;
    let pairs = after.unpack().into_iter().zip(before.unpack());
    let gained = pairs.map(|(after, before)| i8::from(after) - i8::from(before)).collect();
    Some(Pair { repeat, fold, items, gained })
}

/// The mean difference with its interval, by the design of the protocol; `None` for a design without one.
fn point(protocol: &str, n: u32, pairs: &[Pair<'_>]) -> stats::Result<Option<Difference>> {
    let estimate = match protocol {
        "holdout" => {
            let rows: Vec<&[i8]> = pairs.iter().map(|pair| &pair.gained[..]).collect();
            crossed::analyse(&rows)?.in_population()
        }
        "repeated-cv" => {
            let trials: Vec<unbalanced::Trial<'_, i8>> = pairs
                .iter()
                .map(|Pair { repeat, fold, items, gained }| unbalanced::Trial {
                    repeat: *repeat,
                    fold: *fold,
                    items,
                    values: gained,
                })
                .collect();
            unbalanced::analyse(&trials)?.in_population()
        }
        _ => return Ok(None),
    };
    let interval = estimate.interval(LEVEL)?;
    let (low, high) = (interval.lo.max(-1.0), interval.hi.min(1.0));
    Ok(Some(Difference { n, estimate: estimate.value, low, high }))
}
