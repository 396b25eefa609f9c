//! The lock file: every setting that decides the results of a folder, resolved.
//!
//! Two runs may share a folder if they differ only in which sizes, repeats and models they ask for: then no trial of
//! one contradicts a trial of the other, and the lock lists what either asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use models::Registry;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::LockedModel;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::{
    DatasetSpec, Draws, Experiment, Limits, Protocol, ProtocolKind, TableSpec,
};
use crate::files;
use crate::plan::{ModelName, Plan, TrialKey};

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
    /// The file of a table of the user's own, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its column that names the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl LockedDataset {
    /// What the dataset is called in titles: its name, or its file's.
    pub fn title(&self) -> String {
        let stem = self.path.as_ref().and_then(|path| Path::new(path).file_stem());
        stem.map_or_else(|| self.name.clone(), |stem| stem.to_string_lossy().into_owned())
    }

    fn table(&self) -> Option<TableSpec> {
        let (path, target) = (self.path.clone()?, self.target.clone()?);
        Some(TableSpec { path, target, beside: PathBuf::new() })
    }
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
    /// Of `small-sample-cv`, how often the folds are dealt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cv_repeats: Option<u32>,
    /// Cap on scored items per fold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_size: Option<u32>,
    /// Switches that are on.
    #[serde(default, skip_serializing_if = "Draws::is_default")]
    pub draws: Draws,
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
                path: dataset.table.as_ref().map(|table| table.path.clone()),
                target: dataset.table.as_ref().map(|table| table.target.clone()),
            },
            protocol: LockedProtocol {
                kind: protocol.kind.name().to_owned(),
                sizes: protocol.sizes.clone(),
                repeats: protocol.repeats,
                folds: protocol.folds,
                cv_repeats: protocol.cv_repeats,
                test_size: protocol.test_size,
                draws: protocol.draws,
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
        files::read_if_there(&path)?.map(|text| Lock::parse(&path, &text)).transpose()
    }

    /// Parses a lock file's `text`; `path` is for messages alone.
    ///
    /// # Errors
    /// As [`Lock::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Lock> {
        let damaged = |error: toml::de::Error| {
            let what = error.message();
            Error::io(
                path,
                format!(
                    "{what}; bring the file back, or remove it: the next sweep or shard writes it anew"
                ),
            )
        };
        let format: FormatOnly = toml::from_str(text).map_err(damaged)?;
        if format.format != FORMAT {
            return Err(Error::io(
                path,
                format!(
                    "format {} is not {FORMAT}, which this version reads and writes",
                    format.format
                ),
            ));
        }
        toml::from_str(text).map_err(damaged)
    }

    /// The experiment that these settings are of.
    ///
    /// # Errors
    /// [`Error::Input`] if this program doesn't know a dataset, protocol, model kind or parameter in it.
    pub fn experiment(&self, registry: &Registry) -> Result<Experiment> {
        let protocol = &self.protocol;
        let kind = ProtocolKind::ALL.into_iter().find(|kind| kind.name() == protocol.kind);
        let kind = kind.ok_or_else(|| {
            Error::input(format!("{LOCK_FILE}: unknown protocol {:?}", protocol.kind))
        })?;
        Ok(Experiment {
            name: self.name.clone(),
            seed: self.seed,
            dataset: DatasetSpec {
                name: self.dataset.name.clone(),
                classes: Some(self.dataset.classes.clone()),
                table: self.dataset.table(),
            },
            protocol: Protocol {
                kind,
                sizes: protocol.sizes.clone(),
                repeats: protocol.repeats,
                folds: protocol.folds,
                cv_repeats: protocol.cv_repeats,
                test_size: protocol.test_size,
                draws: protocol.draws,
            },
            models: self.models.iter().map(|m| m.spec(registry)).collect::<Result<_>>()?,
            limits: Limits::default(),
        })
    }

    /// A device of the class that made these results.
    ///
    /// # Errors
    /// [`Error::Input`] if this program doesn't know the class.
    pub fn device(&self) -> Result<nn::Device> {
        let unknown = |error| Error::input(format!("{LOCK_FILE}: {error}"));
        self.device.parse().map_err(unknown)
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
        joined.protocol.cv_repeats = joined.protocol.cv_repeats.max(self.protocol.cv_repeats);
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

    /// True if a folder with this lock has a place for all that `other` asks for.
    pub fn covers(&self, other: &Lock) -> bool {
        let (own, asked) = (&self.protocol, &other.protocol);
        other.check_same(self).is_ok()
            && asked.sizes.iter().all(|n| own.sizes.contains(n))
            && asked.repeats <= own.repeats
            && asked.cv_repeats <= own.cv_repeats
            && other.models.iter().all(|model| self.models.contains(model))
    }

    /// Refuses settings that decide the results and differ, naming the first.
    fn check_same(&self, there: &Lock) -> std::result::Result<(), String> {
        let pairs = [
            ("name", there.name.clone(), self.name.clone()),
            ("seed", there.seed.to_string(), self.seed.to_string()),
            ("device", there.device.clone(), self.device.clone()),
            ("model code version", there.model_code.to_string(), self.model_code.to_string()),
            ("dataset.name", there.dataset.name.clone(), self.dataset.name.clone()),
            ("dataset.classes", there.dataset.classes.join(", "), self.dataset.classes.join(", ")),
            ("dataset.sha256", there.dataset.sha256.clone(), self.dataset.sha256.clone()),
            (
                "dataset.target",
                format!("{:?}", there.dataset.target),
                format!("{:?}", self.dataset.target),
            ),
            ("protocol.kind", there.protocol.kind.clone(), self.protocol.kind.clone()),
            ("protocol.folds", there.protocol.folds.to_string(), self.protocol.folds.to_string()),
            (
                "protocol.test_size",
                format!("{:?}", there.protocol.test_size),
                format!("{:?}", self.protocol.test_size),
            ),
            ("protocol", there.protocol.draws.to_string(), self.protocol.draws.to_string()),
        ];
        match pairs.into_iter().find(|(_, there, here)| there != here) {
            Some((key, there, here)) => Err(format!("{key} is {there} there and {here} here")),
            None => Ok(()),
        }
    }

    /// How many trials the settings plan.
    pub fn planned(&self) -> usize {
        let protocol = &self.protocol;
        let inside = crate::experiment::splits_per_repeat(protocol.folds, protocol.cv_repeats);
        let splits = protocol.repeats as usize * inside as usize;
        self.models.len() * protocol.sizes.len() * splits
    }

    /// The planned trials in the order of the tables: models as they stand here, n ascending.
    pub fn plan(&self) -> Plan {
        let protocol = &self.protocol;
        let mut sizes = protocol.sizes.clone();
        sizes.sort_unstable();
        let splits = crate::experiment::splits_per_repeat(protocol.folds, protocol.cv_repeats);
        let models = self.models.iter().map(|model| (&model.name).into()).collect();
        Plan::new(models, sizes, protocol.repeats, splits)
    }

    /// True unless the model's kind says that two runs of it may differ.
    pub fn is_reproducible(&self, model: &str) -> bool {
        let kind = self.models.iter().find(|m| m.name == model).map(|m| &*m.kind);
        kind.and_then(|kind| crate::app::registry().find(kind))
            .is_none_or(|kind| kind.caveat.is_none())
    }

    /// What identifies this lock's trials, made once for all of them.
    pub fn trial_ids(&self) -> TrialIds {
        let protocol = &self.protocol;
        let ids = self.models.iter().map(|model| {
            let mut parts = format!(
                "trial {FORMAT}\n{}\n{}\n{}\n{:?}\n{}\n{} {} {:?}\n{model:?}\n",
                self.model_code,
                self.device,
                self.seed,
                self.dataset.classes,
                self.dataset.sha256,
                protocol.kind,
                protocol.folds,
                protocol.test_size,
            );
            if !protocol.draws.is_default() {
                parts.push_str(&format!("{}\n", protocol.draws));
            }
            (ModelName::from(&model.name), Sha256::new_with_prefix(parts))
        });
        TrialIds(ids.collect())
    }
}

/// What identifies a trial: a hash of everything that decides its outcome.
#[derive(Clone, Debug)]
pub struct TrialIds(BTreeMap<ModelName, Sha256>);

impl TrialIds {
    /// The id of a trial, 32 hexadecimal digits; `None` if its model is not in the lock.
    pub fn id(&self, key: &TrialKey) -> Option<String> {
        Some(self.bytes(key)?.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// True if `id` is the trial's.
    pub(super) fn matches(&self, key: &TrialKey, id: &str) -> bool {
        let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        let Some(bytes) = self.bytes(key) else { return false };
        id.len() == 2 * bytes.len()
            && id.as_bytes().chunks_exact(2).zip(bytes).all(|(digits, byte)| {
                nibble(digits[0]) == Some(byte >> 4) && nibble(digits[1]) == Some(byte & 15)
            })
    }

    fn bytes(&self, key: &TrialKey) -> Option<[u8; 16]> {
        let TrialKey { model, n, repeat, fold } = key;
        let mut hash = self.0.get(model)?.clone();
        hash.update(format!("{n} {repeat} {fold}"));
        let mut first = [0; 16];
        first.copy_from_slice(&hash.finalize()[..16]);
        Some(first)
    }

    /// The label that equals `name`, to be shared.
    pub(super) fn shared(&self, name: &ModelName) -> Option<&ModelName> {
        self.0.get_key_value(name).map(|(name, _)| name)
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOUND: &str = "format = 1\nmodel_code = 1\ndevice = \"cpu\"\nname = \"a\"\nseed = 1\n\
        [dataset]\nname = \"mnist\"\nclasses = [\"0\", \"1\"]\nsha256 = \"00\"\n\
        [protocol]\nkind = \"holdout\"\nsizes = [10]\nrepeats = 2\nfolds = 1\n\
        [[model]]\nname = \"floor\"\nkind = \"majority\"\nscale = \"unit\"\n";

    fn read(text: &str) -> Result<Experiment> {
        Lock::parse(Path::new("lock"), text)?.experiment(&Registry::default())
    }

    #[test]
    fn a_lock_is_an_experiment() {
        let experiment = read(SOUND).expect("sound");
        assert_eq!((experiment.seed, experiment.protocol.sizes.as_slice()), (1, &[10][..]));
        assert_eq!(experiment.models[0].kind.name, "majority");
        for (from, to, expected) in [
            ("majority", "majesty", "this program has no kind \"majesty\""),
            ("holdout", "holdin", "unknown protocol \"holdin\""),
            ("unit", "units", "unknown scale \"units\""),
            ("format = 1", "format = 3", "format 3 is not 1"),
        ] {
            let message = read(&SOUND.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_on_a_damaged_lock(
            at in 0..SOUND.len(),
            length in 0usize..12,
            insert in "[\\[\\]\"=#0-9a-z\\n.-]{0,6}",
        ) {
            let end = (at + length).min(SOUND.len());
            let _ = read(&format!("{}{insert}{}", &SOUND[..at], &SOUND[end..]));
        }
    }
}
