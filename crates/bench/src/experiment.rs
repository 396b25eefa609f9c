//! An experiment: what is asked, with every setting resolved and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use models::{Classifier, Grid, Kind, SettingError, Settings, Tuner, Value};

/// A study: a dataset, a protocol and the contenders.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Also the name of its results folder.
    pub name: String,
    /// Decides every draw.
    pub seed: u64,
    /// What is learnt.
    pub dataset: DatasetSpec,
    /// How training sets and held-out items are drawn.
    pub protocol: Protocol,
    /// The contenders, in the order of the file.
    pub models: Vec<ModelSpec>,
    /// What a trial may use.
    pub limits: Limits,
}

/// What a single trial may use. Limits decide which trials end without a score, and nothing else, so that they are no
/// part of what identifies results.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Wall seconds; `None` for no limit.
    pub seconds: Option<f64>,
    /// MiB of a worker process's address space; `None` for no limit.
    pub memory_mib: Option<u64>,
}

impl Limits {
    /// True if there is any: then trials must run in processes of their own.
    pub fn any(self) -> bool {
        self.seconds.is_some() || self.memory_mib.is_some()
    }
}

/// Which dataset, and which of its classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetSpec {
    /// A name that `bench datasets` lists.
    pub name: String,
    /// The classes taken, by their names, in this order; `None` for all.
    pub classes: Option<Vec<String>>,
    /// The table, if the dataset is one of the user's own.
    pub table: Option<TableSpec>,
}

/// A table of the user's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The file, as written: from the experiment file's folder, the data folder, or here.
    pub path: String,
    /// The column that names the class.
    pub target: String,
    /// The experiment file's folder.
    pub beside: PathBuf,
}

/// How training sets and held-out items are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    /// The design.
    pub kind: ProtocolKind,
    /// Training-set sizes, ascending.
    pub sizes: Vec<u32>,
    /// Independent repeats.
    pub repeats: u32,
    /// Folds per repeat; 1 for designs without folds.
    pub folds: u32,
    /// How often the folds are dealt anew inside the n examples; `None` but for `small-sample-cv`.
    pub cv_repeats: Option<u32>,
    /// Cap on scored items per fold.
    pub test_size: Option<u32>,
    /// Habits of earlier studies, each of which can be switched on.
    pub draws: Draws,
}

/// How draws depart from a protocol's own. The default is what a fair comparison takes: nested, stratified, without
/// replacement, scored on all held-out items. Each switch repeats a habit of an earlier study, so that its effect can be
/// measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Draws {
    /// Training examples are drawn with replacement, so that one may be there twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub with_replacement: bool,
    /// Every training set holds its share of each class, within one; if not, classes fall as they may.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub stratified: bool,
    /// The training set at n holds those at smaller n; if not, each size is drawn anew.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub nested: bool,
    /// What is kept from scoring as validation data, which no model here looks at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// Of `holdout`, the share of the official training set that is set aside once and scored, in place of the official
    /// test set; in (0, 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<f64>,
}

/// Held-out items that are not scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validation {
    /// The first half of them, in the order of the dataset.
    TestHalf,
}

impl Default for Draws {
    fn default() -> Self {
        Draws {
            with_replacement: false,
            stratified: true,
            nested: true,
            validation: None,
            held_out: None,
        }
    }
}

impl fmt::Display for Draws {
    /// The switches that are on, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Draws { with_replacement, stratified, nested, validation, held_out } = *self;
        let order = if nested { "nested" } else { "drawn anew for each n" };
        let classes = if stratified { "stratified" } else { "not stratified" };
        write!(f, "{order}, {classes}")?;
        if with_replacement {
            f.write_str(", with replacement")?;
        }
        if let Some(share) = held_out {
            write!(f, ", scored on {} % of the training pool, set aside once", share * 100.0)?;
        }
        match validation {
            Some(Validation::TestHalf) => {
                f.write_str(", the first half of the held-out items not scored")
            }
            None => Ok(()),
        }
    }
}

impl Draws {
    /// True if no switch is on.
    pub fn is_default(&self) -> bool {
        *self == Draws::default()
    }
}

/// Of `small-sample-cv`, the fold that stands for the model fitted on all n examples and scored on the official test
/// set; the folds inside the n examples are numbered from 1.
pub const REFIT_FOLD: u32 = 0;

impl Protocol {
    /// Splits of one repeat: folds, or what stands for them. Their numbers begin at 0.
    pub fn splits_per_repeat(&self) -> u32 {
        splits_per_repeat(self.folds, self.cv_repeats)
    }
}

/// Splits of one repeat of `folds` folds, which are dealt `cv_repeats` times inside a sample if that is given.
pub(crate) fn splits_per_repeat(folds: u32, cv_repeats: Option<u32>) -> u32 {
    cv_repeats.map_or(folds, |deals| 1 + deals * folds)
}

/// The designs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolKind {
    /// Stratified k-fold over the training pool, each training part cut to n, all repeated.
    RepeatedCv,
    /// Training sets from the training pool, scored on the frozen official test set.
    Holdout,
    /// Only n examples exist: cross-validation inside them, beside the official test set.
    SmallSampleCv,
}

impl ProtocolKind {
    /// All designs.
    pub const ALL: [ProtocolKind; 3] =
        [ProtocolKind::RepeatedCv, ProtocolKind::Holdout, ProtocolKind::SmallSampleCv];

    /// The name in an experiment file.
    pub fn name(self) -> &'static str {
        match self {
            ProtocolKind::RepeatedCv => "repeated-cv",
            ProtocolKind::Holdout => "holdout",
            ProtocolKind::SmallSampleCv => "small-sample-cv",
        }
    }
}

impl fmt::Display for ProtocolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How values reach a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Pixels divided by 255: in [0, 1].
    Unit,
    /// As stored.
    Raw,
    /// Each feature with mean 0 and variance 1 over the n training rows; one that is constant there is 0.
    Standard,
}

impl Scale {
    /// All scalings.
    pub const ALL: [Scale; 3] = [Scale::Unit, Scale::Raw, Scale::Standard];

    /// The name in an experiment file.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Unit => "unit",
            Scale::Standard => "standard",
            Scale::Raw => "raw",
        }
    }
}

/// One contender.
#[derive(Clone)]
pub struct ModelSpec {
    /// Its label in results and figures; unique.
    pub name: String,
    /// What it is.
    pub kind: &'static Kind,
    /// Its parameters, defaults filled in.
    pub settings: Settings,
    /// How pixels reach it.
    pub scale: Scale,
    /// What is tuned on the training rows of each trial; its values take the place of those in `settings`.
    pub tune: Option<Tune>,
}

/// A model that chooses parameters for itself.
#[derive(Clone)]
pub struct Tune {
    /// The parameters that are set outright, as written.
    pub given: BTreeMap<String, Value>,
    /// What is tried.
    pub grid: Grid,
}

impl Tune {
    /// The grid in one line without commas or quotes, such as `c=[0.1 1.0]; gamma=[scale 0.01]`.
    pub fn text(&self) -> String {
        let axes: Vec<String> = self.grid.axes().iter().map(|axis| axis.to_string()).collect();
        axes.join("; ")
    }
}

impl ModelSpec {
    /// The classifier that these settings stand for.
    ///
    /// # Errors
    /// If settings contradict each other, or there are too many candidates.
    pub fn classifier(&self) -> Result<Box<dyn Classifier>, SettingError> {
        Ok(match &self.tune {
            Some(Tune { given, grid }) => Box::new(Tuner::new(self.kind, given, grid.clone())?),
            None => (self.kind.build)(&self.settings)?,
        })
    }

    /// Everything that decides what this model does, as `key = value` in a fixed order.
    pub fn resolved(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> =
            self.settings.iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect();
        all.insert("kind".into(), format!("{:?}", self.kind.name));
        all.insert("scale".into(), format!("{:?}", self.scale.name()));
        all.extend(self.tune.iter().map(|tune| ("tune".to_owned(), tune.text())));
        all
    }
}

impl fmt::Debug for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.resolved())
    }
}
