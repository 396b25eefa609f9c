//! One model in the lock file: all of its settings as TOML, and back.

use std::collections::BTreeMap;

use models::Registry;
use serde::{Deserialize, Serialize};

use super::LOCK_FILE;
use crate::error::{Error, Result};
use crate::experiment::{ModelSpec, Scale, Tune};
use crate::runner;

/// The key under which a locked model has its grid.
pub(crate) const TUNE: &str = "tune";

/// The key under which a tuned model has the names of the parameters that were set outright.
pub(crate) const SET: &str = "set";

/// One model with all its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockedModel {
    /// Its label.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// How pixels reach it.
    pub scale: String,
    /// Its parameters, defaults filled in; under `tune`, the values tried for those that are tuned.
    #[serde(flatten)]
    pub settings: BTreeMap<String, toml::Value>,
}

impl LockedModel {
    pub(super) fn new(spec: &ModelSpec) -> Self {
        LockedModel {
            name: spec.name.clone(),
            kind: spec.kind.name.to_owned(),
            scale: spec.scale.name().to_owned(),
            settings: Self::settings(spec),
        }
    }

    /// The contender, as an experiment has it.
    pub(super) fn spec(&self, registry: &Registry) -> Result<ModelSpec> {
        let wrong =
            |what: String| Error::input(format!("{LOCK_FILE}: model {:?}: {what}", self.name));
        let kind = registry
            .find(&self.kind)
            .ok_or_else(|| wrong(format!("this program has no kind {:?}", self.kind)))?;
        let scale = Scale::ALL.into_iter().find(|scale| scale.name() == self.scale);
        let scale = scale.ok_or_else(|| wrong(format!("unknown scale {:?}", self.scale)))?;
        let value = |key: &str, value: &toml::Value| {
            from_toml(value).ok_or_else(|| wrong(format!("{key} is {value}")))
        };
        let set = self.settings.get(SET).and_then(toml::Value::as_array);
        let was_set = |key: &str| set.is_none_or(|set| set.iter().any(|s| s.as_str() == Some(key)));
        let given: BTreeMap<String, models::Value> = self
            .settings
            .iter()
            .filter(|(key, _)| *key != TUNE && *key != SET && was_set(key))
            .map(|(key, v)| Ok((key.clone(), value(key, v)?)))
            .collect::<Result<_>>()?;
        let settings = models::Settings::resolve(kind.params, &given)
            .map_err(|error| wrong(error.to_string()))?;
        if kind.name == runner::NAME {
            let then = settings.text(runner::FOUND_VERSION).unwrap_or("unknown");
            let now = runner::ask_version(&runner::texts(&settings, "version")).map_err(wrong)?;
            if then != now {
                return Err(wrong(format!("its version was {then:?}, and is {now:?} here")));
            }
        }
        let mut tune = None;
        if let Some(wanted) = self.settings.get(TUNE).and_then(toml::Value::as_table) {
            let mut lists = BTreeMap::new();
            for (key, v) in wanted {
                let models::Value::List(values) = value(key, v)? else {
                    return Err(wrong(format!("{TUNE}.{key} is no list")));
                };
                lists.insert(key.clone(), values);
            }
            let grid = models::Grid::new(kind, &given, &lists);
            let grid = grid.map_err(|error| wrong(error.to_string()))?;
            tune = Some(Tune { grid, given });
        }
        Ok(ModelSpec { name: self.name.clone(), kind, settings, scale, tune })
    }

    /// Every parameter as set or by default, and what is tuned instead of them.
    fn settings(spec: &ModelSpec) -> BTreeMap<String, toml::Value> {
        let mut settings: BTreeMap<String, toml::Value> =
            spec.settings.iter().map(|(k, v)| (k.to_owned(), to_toml(v))).collect();
        if let Some(tune) = &spec.tune {
            let axes = tune.grid.axes().iter();
            let grid: toml::Table = axes
                .map(|axis| {
                    (
                        axis.name.to_owned(),
                        toml::Value::Array(axis.values.iter().map(to_toml).collect()),
                    )
                })
                .collect();
            settings.insert(TUNE.into(), grid.into());
            // The candidates' other parameters follow from these and from what is tuned.
            let set = tune.given.keys().map(|key| toml::Value::from(key.as_str()));
            settings.insert(SET.into(), toml::Value::Array(set.collect()));
        }
        settings
    }

    /// The first difference between two models of one name: `self` there, `here` here.
    pub(super) fn difference(&self, here: &LockedModel) -> String {
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

/// What [`to_toml`] was given; `None` if that can't be.
fn from_toml(value: &toml::Value) -> Option<models::Value> {
    Some(match value {
        toml::Value::Boolean(v) => models::Value::Bool(*v),
        toml::Value::Integer(v) => models::Value::Int(*v),
        toml::Value::Float(v) => models::Value::Float(*v),
        toml::Value::String(v) => models::Value::Text(v.clone()),
        toml::Value::Array(items) => {
            models::Value::List(items.iter().map(from_toml).collect::<Option<_>>()?)
        }
        toml::Value::Table(_) | toml::Value::Datetime(_) => return None,
    })
}
