//! The lock file: every setting that decides the results of a folder, resolved.
//!
//! Two runs may share a folder if they differ only in which sizes, repeats and models they ask for: then no trial of
//! one contradicts a trial of the other, and the lock lists what either asked.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, ModelSpec};
use crate::files;
use crate::plan::TrialKey;

/// The version of the results format (FORMAT.md).
pub const FORMAT: u32 = 1;

/// The lock file's name in a results folder.
pub const LOCK_FILE: &str = "experiment.lock.toml";

/// What the lock file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of the results format.
    pub format: u32,
    /// Version of the models' code: raised when a fit gives other numbers.
    pub model_code: u32,
    /// The class of device that fitted.
    pub device: String,
    /// The experiment's name.
    pub name: String,
    /// The experiment's seed.
    pub seed: u64,
    /// The dataset.
    pub dataset: LockedDataset,
    /// The protocol.
    pub protocol: LockedProtocol,
    /// The models, in the order of files and figures.
    #[serde(rename = "model")]
    pub models: Vec<LockedModel>,
}

/// The dataset, by content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedDataset {
    /// Its name.
    pub name: String,
    /// The classes by their names.
    pub classes: Vec<String>,
    /// SHA-256 of the whole dataset.
    pub sha256: String,
}

/// The protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedProtocol {
    /// The design.
    pub kind: String,
    /// Training-set sizes, ascending.
    pub sizes: Vec<u32>,
    /// Repeats.
    pub repeats: u32,
    /// Folds.
    pub folds: u32,
    /// Cap on scored items per fold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_size: Option<u32>,
}

/// One model with all its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockedModel {
    /// Its label.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// How pixels reach it.
    pub scale: String,
    /// Its parameters, defaults filled in.
    #[serde(flatten)]
    pub settings: BTreeMap<String, toml::Value>,
}

impl Lock {
    /// The lock of an experiment on this data and device.
    pub fn new(experiment: &Experiment, dataset: &Dataset, device: nn::Device) -> Self {
        let protocol = &experiment.protocol;
        Lock {
            format: FORMAT,
            model_code: models::CODE_VERSION,
            device: crate::device::class(device).to_owned(),
            name: experiment.name.clone(),
            seed: experiment.seed,
            dataset: LockedDataset {
                name: dataset.name.clone(),
                classes: dataset.class_names.clone(),
                sha256: dataset.sha256.clone(),
            },
            protocol: LockedProtocol {
                kind: protocol.kind.name().to_owned(),
                sizes: protocol.sizes.clone(),
                repeats: protocol.repeats,
                folds: protocol.folds,
                test_size: protocol.test_size,
            },
            models: experiment.models.iter().map(LockedModel::new).collect(),
        }
    }

    /// Reads the lock of a results folder; `None` if it has none.
    ///
    /// # Errors
    /// If it can't be read, or is of a format that this version doesn't know.
    pub fn read(folder: &Path) -> Result<Option<Lock>> {
        let path = folder.join(LOCK_FILE);
        let Some(text) = files::read_if_there(&path)? else { return Ok(None) };
        let format: FormatOnly =
            toml::from_str(&text).map_err(|e| Error::io(&path, e.message()))?;
        if format.format != FORMAT {
            return Err(Error::io(
                &path,
                format!(
                    "format {} is not {FORMAT}, which this version reads and writes",
                    format.format
                ),
            ));
        }
        toml::from_str(&text).map(Some).map_err(|error| Error::io(&path, error.message()))
    }

    /// The file's text: the same bytes for the same lock.
    ///
    /// # Errors
    /// If a setting can't be written as TOML.
    pub fn to_text(&self) -> Result<String> {
        let body = toml::to_string(self).map_err(|error| Error::input(error.to_string()))?;
        Ok(format!(
            "# Every setting behind these results, defaults filled in. Written by `bench sweep`.\n{body}"
        ))
    }

    /// The lock of a folder that holds what `self` and `other` asked for.
    ///
    /// # Errors
    /// The first setting in which they contradict each other, in words.
    pub fn join(&self, other: &Lock) -> std::result::Result<Lock, String> {
        let mut joined = other.clone();
        joined.check_same(self)?;
        let sizes = &mut joined.protocol.sizes;
        sizes.extend(&self.protocol.sizes);
        sizes.sort_unstable();
        sizes.dedup();
        joined.protocol.repeats = joined.protocol.repeats.max(self.protocol.repeats);
        // The order of the experiment at hand; what only the folder knows comes behind.
        for model in &self.models {
            match joined.models.iter().find(|m| m.name == model.name) {
                Some(same) if same == model => {}
                Some(changed) => return Err(model.difference(changed)),
                None => joined.models.push(model.clone()),
            }
        }
        Ok(joined)
    }

    fn check_same(&self, there: &Lock) -> std::result::Result<(), String> {
        let pairs = [
            ("name", there.name.clone(), self.name.clone()),
            ("seed", there.seed.to_string(), self.seed.to_string()),
            ("device", there.device.clone(), self.device.clone()),
            ("model code version", there.model_code.to_string(), self.model_code.to_string()),
            ("dataset.name", there.dataset.name.clone(), self.dataset.name.clone()),
            ("dataset.classes", there.dataset.classes.join(", "), self.dataset.classes.join(", ")),
            ("dataset.sha256", there.dataset.sha256.clone(), self.dataset.sha256.clone()),
            ("protocol.kind", there.protocol.kind.clone(), self.protocol.kind.clone()),
            ("protocol.folds", there.protocol.folds.to_string(), self.protocol.folds.to_string()),
            (
                "protocol.test_size",
                format!("{:?}", there.protocol.test_size),
                format!("{:?}", self.protocol.test_size),
            ),
        ];
        match pairs.into_iter().find(|(_, there, here)| there != here) {
            Some((key, there, here)) => Err(format!("{key} is {there} there and {here} here")),
            None => Ok(()),
        }
    }

    /// What identifies a trial: a hash of everything that decides its outcome.
    ///
    /// # Panics
    /// If the model is not in the lock: a defect of the caller.
    pub fn trial_id(&self, key: &TrialKey) -> String {
        let model = self.models.iter().find(|m| m.name == key.model).expect("a model of this lock");
        let protocol = &self.protocol;
        let parts = format!(
            "trial {FORMAT}\n{}\n{}\n{}\n{:?}\n{}\n{} {} {:?}\n{:?}\n{} {} {}",
            self.model_code,
            self.device,
            self.seed,
            self.dataset.classes,
            self.dataset.sha256,
            protocol.kind,
            protocol.folds,
            protocol.test_size,
            model,
            key.n,
            key.repeat,
            key.fold,
        );
        Sha256::digest(parts).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl LockedModel {
    fn new(spec: &ModelSpec) -> Self {
        LockedModel {
            name: spec.name.clone(),
            kind: spec.kind.name.to_owned(),
            scale: spec.scale.name().to_owned(),
            settings: spec.settings.iter().map(|(k, v)| (k.to_owned(), to_toml(v))).collect(),
        }
    }

    /// The first difference between two models of one name: `self` there, `here` here.
    fn difference(&self, here: &LockedModel) -> String {
        let all = |model: &LockedModel| {
            let mut all = model.settings.clone();
            all.insert("kind".into(), model.kind.clone().into());
            all.insert("scale".into(), model.scale.clone().into());
            all
        };
        let (there, here_all) = (all(self), all(here));
        let show =
            |value: Option<&toml::Value>| value.map_or("unset".to_owned(), toml::Value::to_string);
        let key = there
            .keys()
            .chain(here_all.keys())
            .find(|key| there.get(*key) != here_all.get(*key))
            .cloned()
            .unwrap_or_default();
        format!(
            "model {:?} has {key} = {} there and {} here",
            self.name,
            show(there.get(&key)),
            show(here_all.get(&key))
        )
    }
}

fn to_toml(value: &models::Value) -> toml::Value {
    match value {
        models::Value::Bool(v) => (*v).into(),
        models::Value::Int(v) => (*v).into(),
        models::Value::Float(v) => (*v).into(),
        models::Value::Text(v) => v.as_str().into(),
        models::Value::List(items) => toml::Value::Array(items.iter().map(to_toml).collect()),
    }
}
