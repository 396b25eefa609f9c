//! Models of two results folders, compared as if they were of one.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::store::{Lock, Results};

/// Joins the models of `other`, a folder called `name`, to those of `results`. A label that both have gets `@name`.
///
/// # Errors
/// [`Error::Input`] naming the first difference that would make pairs of their trials no pairs: in data, protocol,
/// seed or held-out items.
pub fn join(mut results: Results, other: Results, name: &str) -> Result<Results> {
    if let Some(difference) = difference(&results.lock, &other.lock) {
        return Err(Error::input(format!(
            "--other {name}: its trials do not pair with these: {difference}"
        )));
    }
    for (split, items) in &other.items {
        if results.items.get(split).is_some_and(|here| here != items) {
            let (repeat, fold) = split;
            return Err(Error::input(format!(
                "--other {name}: its trials do not pair with these: \
                 the held-out items of repeat {repeat}, fold {fold} differ"
            )));
        }
    }
    let labels = labels(&results.lock, &other.lock, name);
    let label = |model: &str| labels.get(model).cloned().unwrap_or_else(|| model.to_owned());
    for (mut key, mut record) in other.records {
        key.model = (&label(&key.model)).into();
        record.key = key.clone();
        results.records.insert(key, record);
    }
    for mut model in other.lock.models {
        model.name = label(&model.name);
        results.lock.models.push(model);
    }
    results.items.extend(other.items);
    let protocol = &mut results.lock.protocol;
    protocol.sizes.extend(&other.lock.protocol.sizes);
    protocol.sizes.sort_unstable();
    protocol.sizes.dedup();
    protocol.repeats = protocol.repeats.max(other.lock.protocol.repeats);
    protocol.cv_repeats = protocol.cv_repeats.max(other.lock.protocol.cv_repeats);
    Ok(results)
}

/// The label of each model of `there`: its own, or, where `here` has it, with as many `@name` as make it one that no model
/// of either has.
fn labels(here: &Lock, there: &Lock, name: &str) -> BTreeMap<String, String> {
    let has = |lock: &Lock, label: &str| lock.models.iter().any(|m| m.name == label);
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    for model in &there.models {
        let mut label = model.name.clone();
        let taken = |label: &String| {
            let others = label != &model.name && has(there, label);
            has(here, label) || others || given.values().any(|other| other == label)
        };
        while taken(&label) {
            label = format!("{label}@{name}");
        }
        given.insert(model.name.clone(), label);
    }
    given
}

/// The first difference in what decides the splits.
fn difference(here: &Lock, there: &Lock) -> Option<String> {
    let of = |lock: &Lock| {
        let (dataset, protocol) = (&lock.dataset, &lock.protocol);
        [
            ("dataset.name", dataset.name.clone()),
            ("dataset.classes", dataset.classes.join(", ")),
            ("dataset.sha256", dataset.sha256.clone()),
            ("seed", lock.seed.to_string()),
            ("protocol.kind", protocol.kind.clone()),
            ("protocol.folds", protocol.folds.to_string()),
            ("protocol.test_size", protocol.test_size.map_or("unset".into(), |s| s.to_string())),
            ("protocol", protocol.draws.to_string()),
        ]
    };
    let pairs = of(here).into_iter().zip(of(there));
    pairs
        .into_iter()
        .find(|((_, here), (_, there))| here != there)
        .map(|((key, here), (_, there))| format!("{key} is {here} here and {there} there"))
}

/// What differs between two folders whose models pair all the same, for the reader to know: device and code.
pub fn remarks(here: &Lock, there: &Lock, name: &str) -> Vec<String> {
    let of = |lock: &Lock| {
        [("device", lock.device.clone()), ("model code version", lock.model_code.to_string())]
    };
    let pairs = of(here).into_iter().zip(of(there));
    pairs
        .filter(|((_, here), (_, there))| here != there)
        .map(|((key, here), (_, there))| format!("{key}: {here} here, {there} in {name}"))
        .collect()
}
