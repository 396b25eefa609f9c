//! An experiment: what is asked, with every setting resolved and checked.

use std::collections::BTreeMap;
use std::fmt;

use models::{Kind, Settings};

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
}

/// Which dataset, and which of its classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetSpec {
    /// A name that `bench datasets` lists.
    pub name: String,
    /// The classes taken, in this order; `None` for all.
    pub classes: Option<Vec<u32>>,
}

/// How training sets and held-out items are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The design.
    pub kind: ProtocolKind,
    /// Training-set sizes, ascending.
    pub sizes: Vec<u32>,
    /// Independent repeats.
    pub repeats: u32,
    /// Folds per repeat; 1 for designs without folds.
    pub folds: u32,
    /// Cap on scored items per fold.
    pub test_size: Option<u32>,
}

/// The designs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolKind {
    /// Stratified k-fold over the training pool, each training part cut to n, all repeated.
    RepeatedCv,
    /// Training sets from the training pool, scored on the frozen official test set.
    Holdout,
}

impl ProtocolKind {
    /// All designs.
    pub const ALL: [ProtocolKind; 2] = [ProtocolKind::RepeatedCv, ProtocolKind::Holdout];

    /// The name in an experiment file.
    pub fn name(self) -> &'static str {
        match self {
            ProtocolKind::RepeatedCv => "repeated-cv",
            ProtocolKind::Holdout => "holdout",
        }
    }
}

impl fmt::Display for ProtocolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How pixel values reach a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Divided by 255: in [0, 1].
    Unit,
    /// As stored: 0 to 255.
    Raw,
}

impl Scale {
    /// All scalings.
    pub const ALL: [Scale; 2] = [Scale::Unit, Scale::Raw];

    /// The name in an experiment file.
    pub fn name(self) -> &'static str {
        match self {
            Scale::Unit => "unit",
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
}

impl ModelSpec {
    /// Everything that decides what this model does, as `key = value` in a fixed order.
    pub fn resolved(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> =
            self.settings.iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect();
        all.insert("kind".into(), format!("{:?}", self.kind.name));
        all.insert("scale".into(), format!("{:?}", self.scale.name()));
        all
    }
}

impl fmt::Debug for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.resolved())
    }
}
