//! Which values of which parameters are tried.

use std::collections::BTreeMap;
use std::fmt;

use super::{Simpler, Try};
use crate::registry::Kind;
use crate::settings::{SettingError, Settings, Value, nearest};

/// Some parameters of a kind, each with the values to try; a candidate takes one of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// In the order of the kind's parameters.
    pub(super) axes: Vec<Axis>,
}

/// One parameter and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The parameter.
    pub name: &'static str,
    /// What is tried, all different and admitted by the parameter's domain.
    pub values: Vec<Value>,
}

impl Grid {
    /// The grid that was written down: `wanted` maps parameters of `kind` to values; `given` are those set outright.
    ///
    /// # Errors
    /// For an unknown parameter, one that is also set outright, an empty list, a value outside the parameter's domain,
    /// or the same value twice.
    pub fn new(
        kind: &Kind,
        given: &BTreeMap<String, Value>,
        wanted: &BTreeMap<String, Vec<Value>>,
    ) -> Result<Grid, SettingError> {
        if let Some(key) = wanted.keys().find(|key| kind.params.iter().all(|p| p.name != **key)) {
            let nearest = nearest(key, kind.params.iter().map(|p| p.name));
            return Err(SettingError::Unknown { key: key.clone(), nearest });
        }
        let mut axes = Vec::new();
        for param in kind.params {
            let Some(values) = wanted.get(param.name) else { continue };
            if given.contains_key(param.name) {
                return Err(SettingError::Conflict(format!(
                    "`{}` is both set and tuned: keep one",
                    param.name
                )));
            }
            let invalid = |expected: String| SettingError::Invalid {
                key: param.name.to_owned(),
                value: Value::List(values.clone()).to_string(),
                expected,
            };
            let admitted: Vec<Value> =
                values.iter().map(|value| param.admit(value)).collect::<Result<_, _>>()?;
            let repeated = (0..admitted.len()).any(|i| admitted[..i].contains(&admitted[i]));
            if admitted.is_empty() || repeated {
                return Err(invalid(format!("a list of different values, each {}", param.domain)));
            }
            axes.push(Axis { name: param.name, values: admitted });
        }
        match axes.is_empty() {
            true => Err(SettingError::Conflict(
                "`tune` names no parameter: list values to try, or use \"auto\"".into(),
            )),
            false => Ok(Grid { axes }),
        }
    }

    /// The kind's own grid, without the parameters that are set outright or do nothing beside those.
    ///
    /// # Errors
    /// If nothing is left, or `given` is wrong.
    pub fn auto(kind: &Kind, given: &BTreeMap<String, Value>) -> Result<Grid, SettingError> {
        let base = Settings::resolve(kind.params, given)?;
        let mut axes = Vec::new();
        for param in kind.params.iter().filter(|param| !given.contains_key(param.name)) {
            let Some(axis) = kind.tuning.auto.iter().find(|axis| axis.name == param.name) else {
                continue;
            };
            let tried: Vec<Value> = match axis.values {
                Try::These(values) => values.iter().filter_map(|value| value.plain()).collect(),
                Try::Times(factors) => {
                    let Some(default) = base.float(param.name) else { continue };
                    factors.iter().map(|factor| Value::Float(default * factor)).collect()
                }
            };
            let values: Vec<Value> =
                tried.iter().map(|value| param.admit(value)).collect::<Result<_, _>>()?;
            if kind.takes(given, param.name, &values[0])? {
                axes.push(Axis { name: param.name, values });
            }
        }
        match axes.is_empty() {
            true => Err(SettingError::Conflict(format!(
                "`tune` is \"auto\", but kind {:?} has nothing to tune by itself{}: leave `tune` out, or list values",
                kind.name,
                if kind.tuning.auto.is_empty() { "" } else { " beside what is set" },
            ))),
            false => Ok(Grid { axes }),
        }
    }

    /// The parameters with their values, in the order of the kind's parameters.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Every combination as one value per axis, by place in its list, the last axis fastest.
    pub(super) fn combinations(&self) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new()];
        for axis in &self.axes {
            all = all
                .iter()
                .flat_map(|head: &Vec<usize>| {
                    (0..axis.values.len()).map(move |at| [&head[..], &[at]].concat())
                })
                .collect();
        }
        all
    }

    /// How many combinations there are; the largest number if too many to count.
    pub(super) fn size(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).fold(1, usize::saturating_mul)
    }
}

impl fmt::Display for Axis {
    /// In one line without commas or quotes, such as `gamma=[scale 0.01]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, plain(&Value::List(self.values.clone())))
    }
}

/// A value without commas and quotes.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Text(word) => word.clone(),
        Value::List(items) => {
            format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

impl Axis {
    /// The place of each value in the order of simplicity: by `order` if all are numbers, else as listed.
    pub(super) fn ranks(&self, order: Option<Simpler>) -> Vec<usize> {
        let numbers: Option<Vec<f64>> = self
            .values
            .iter()
            .map(|value| match value {
                Value::Int(v) => Some(*v as f64),
                Value::Float(v) => Some(*v),
                _ => None,
            })
            .collect();
        let (Some(numbers), Some(order)) = (numbers, order) else {
            return (0..self.values.len()).collect();
        };
        let simpler = |a: f64, b: f64| match order {
            Simpler::Smaller => a < b,
            Simpler::Larger => a > b,
        };
        numbers.iter().map(|&v| numbers.iter().filter(|&&w| simpler(w, v)).count()).collect()
    }
}

impl Kind {
    /// Whether `name` does anything beside `given`.
    fn takes(
        &self,
        given: &BTreeMap<String, Value>,
        name: &'static str,
        value: &Value,
    ) -> Result<bool, SettingError> {
        Settings::with(self.params, given, &[(name, value)]).map(|(_, taken)| !taken.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simpler_values_come_first_and_words_as_listed() {
        let axis = |values: &[f64]| Axis {
            name: "c",
            values: values.iter().map(|&v| Value::Float(v)).collect(),
        };
        assert_eq!(axis(&[1.0, 0.1, 10.0]).ranks(Some(Simpler::Smaller)), [1, 0, 2]);
        assert_eq!(axis(&[1.0, 0.1, 10.0]).ranks(Some(Simpler::Larger)), [1, 2, 0]);
        assert_eq!(axis(&[1.0, 0.1]).ranks(None), [0, 1]);
        let mixed = Axis {
            name: "gamma",
            values: vec![Value::Float(9.0), Value::Text("scale".into()), Value::Float(0.1)],
        };
        assert_eq!(mixed.ranks(Some(Simpler::Smaller)), [0, 1, 2], "words have no size");
    }
}
