//! Model parameters: what a kind accepts, and the checked values of one model.
//!
//! Each kind declares its parameters as data ([`Param`]), so that one piece of code finds unknown keys,
//! fills defaults, checks ranges, and prints `bench models` and the lock file.

use std::collections::BTreeMap;
use std::fmt;

/// A value as an experiment file can hold it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or exponent.
    Float(f64),
    /// A string.
    Text(String),
    /// A list of values.
    List(Vec<Value>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(v) => write!(f, "{v}"),
            Value::Int(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v:?}"),
            Value::Text(v) => write!(f, "{v:?}"),
            Value::List(values) => {
                let items: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

/// A parameter's default, in a form that constants can hold.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// Left unset: the model does without.
    Unset,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A string.
    Text(&'static str),
    /// A list of whole numbers.
    Ints(&'static [i64]),
    /// A number that depends on the word at `key`, a parameter listed before; unset for words not in `cases`.
    ByWord {
        /// The parameter whose word decides.
        key: &'static str,
        /// The words, with their numbers.
        cases: &'static [(&'static str, f64)],
    },
    /// A whole number, or unset if `key` is given.
    IntUnless {
        /// The parameter that takes this one's place.
        key: &'static str,
        /// The number.
        value: i64,
    },
    /// `then` where the word at `key`, a parameter listed before, is one of `words`; elsewhere the parameter does
    /// nothing: it is left unset, and refused if given.
    When {
        /// The parameter whose word decides.
        key: &'static str,
        /// The words that use this parameter.
        words: &'static [&'static str],
        /// The default there.
        then: &'static Default,
    },
    /// `then` if `key`, a parameter listed before, is set; else as in [`Default::When`].
    With {
        /// The parameter without which this one does nothing.
        key: &'static str,
        /// The default beside it.
        then: &'static Default,
    },
}

impl Default {
    /// The default as a value, `None` if unset. `given` are the parameters as written, `resolved` those before this one.
    fn value(
        &self,
        given: &BTreeMap<String, Value>,
        resolved: &BTreeMap<&'static str, Value>,
    ) -> Option<Value> {
        Some(match *self {
            Default::Unset => return None,
            Default::Bool(v) => Value::Bool(v),
            Default::Int(v) => Value::Int(v),
            Default::Float(v) => Value::Float(v),
            Default::Text(v) => Value::Text(v.to_owned()),
            Default::Ints(v) => Value::List(v.iter().map(|&i| Value::Int(i)).collect()),
            Default::ByWord { key, cases } => {
                let Some(Value::Text(word)) = resolved.get(key) else { return None };
                Value::Float(cases.iter().find(|(case, _)| case == word)?.1)
            }
            Default::IntUnless { key, .. } if given.contains_key(key) => return None,
            Default::IntUnless { value, .. } => Value::Int(value),
            Default::When { then, .. } | Default::With { then, .. } => {
                self.idle(resolved).is_none().then(|| then.value(given, resolved))??
            }
        })
    }

    /// The value of a default that depends on nothing else.
    pub(crate) fn plain(&self) -> Option<Value> {
        self.value(&BTreeMap::new(), &BTreeMap::new())
    }

    /// Why a parameter with this default does nothing beside those `resolved` before it, with the remedy; `None` if it
    /// does something.
    fn idle(&self, resolved: &BTreeMap<&'static str, Value>) -> Option<String> {
        match *self {
            Default::When { key, words, .. } => {
                let word = match resolved.get(key) {
                    Some(Value::Text(word)) if words.contains(&word.as_str()) => return None,
                    Some(value) => format!("with `{key} = {value}`"),
                    None => format!("without `{key}`"),
                };
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                Some(format!("{word}: remove it, or use {}", words.join(" or ")))
            }
            Default::With { key, .. } if !resolved.contains_key(key) => {
                Some(format!("without `{key}`: remove it, or set `{key}`"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Default {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Default::ByWord { cases, .. } => {
                let cases: Vec<String> =
                    cases.iter().map(|(word, number)| format!("{number:?} for {word}")).collect();
                write!(f, "{}", cases.join(", "))
            }
            Default::IntUnless { key, value } => write!(f, "{value} unless {key} is set"),
            Default::When { key, words, then } => {
                write!(f, "{then} with {key} {}", words.join(", "))
            }
            Default::With { key, then } => write!(f, "{then} with {key}"),
            _ => match self.plain() {
                Some(value) => write!(f, "{value}"),
                None => write!(f, "unset"),
            },
        }
    }
}

/// The values a parameter may take.
#[derive(Clone, Copy, Debug)]
pub enum Domain {
    /// `true` or `false`.
    Bool,
    /// A whole number in `min..=max`.
    Int {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A finite number in `min..=max`, or in `min<..=max` with `open_min`.
    Float {
        /// The least, or what it must be above.
        min: f64,
        /// The greatest.
        max: f64,
        /// Whether `min` itself is out.
        open_min: bool,
    },
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// One of some words, or a finite number above `above`.
    OneOfOrAbove {
        /// The words.
        words: &'static [&'static str],
        /// What a number must be above.
        above: f64,
    },
    /// A list of at most `max_len` whole numbers in `min..=max`.
    Ints {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
        /// How many at most.
        max_len: usize,
    },
    /// Any string.
    Text,
    /// A list of strings.
    Texts,
    /// A table of anything, kept as JSON text.
    Json,
}

impl Domain {
    /// A number above 0.
    pub const POSITIVE: Domain = Domain::Float { min: 0.0, max: f64::MAX, open_min: true };
    /// A number from 0 up.
    pub const NON_NEGATIVE: Domain = Domain::Float { min: 0.0, max: f64::MAX, open_min: false };
    /// A whole number from 1 up.
    pub const COUNT: Domain = Domain::Int { min: 1, max: u32::MAX as i64 };

    /// Checks `value`, turning whole numbers into floats where a float is wanted.
    fn admit(&self, value: &Value) -> Option<Value> {
        let number = match value {
            Value::Int(v) => Some(*v as f64),
            Value::Float(v) if v.is_finite() => Some(*v),
            _ => None,
        };
        let admitted = match (*self, value) {
            (Domain::Bool, Value::Bool(_)) => true,
            (Domain::Int { min, max }, Value::Int(v)) => (min..=max).contains(v),
            (Domain::Text | Domain::Json, Value::Text(_)) => true,
            (Domain::Texts, Value::List(values)) => {
                values.iter().all(|v| matches!(v, Value::Text(_)))
            }
            (Domain::OneOf(words), Value::Text(v)) => words.contains(&v.as_str()),
            (Domain::OneOfOrAbove { words, .. }, Value::Text(v)) => words.contains(&v.as_str()),
            (Domain::OneOfOrAbove { above, .. }, _) => {
                return number.filter(|v| *v > above).map(Value::Float);
            }
            (Domain::Float { min, max, open_min }, _) => {
                let inside = |v: &f64| (*v > min || (!open_min && *v == min)) && *v <= max;
                return number.filter(inside).map(Value::Float);
            }
            (Domain::Ints { min, max, max_len }, Value::List(values)) => {
                values.len() <= max_len
                    && values.iter().all(|v| matches!(v, Value::Int(v) if (min..=max).contains(v)))
            }
            _ => false,
        };
        admitted.then(|| value.clone())
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words =
            |words: &[&str]| words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(" | ");
        match *self {
            Domain::Bool => write!(f, "true | false"),
            Domain::Int { min, max } => write!(f, "a whole number in {min}..{max}"),
            Domain::Float { min: f64::MIN, max: f64::MAX, .. } => write!(f, "a number"),
            Domain::Float { min, max, open_min } => {
                write!(f, "a number {} {min}", if open_min { ">" } else { "≥" })?;
                if max < f64::MAX { write!(f, " and ≤ {max}") } else { Ok(()) }
            }
            Domain::Text => write!(f, "a string"),
            Domain::Texts => write!(f, "a list of strings"),
            Domain::Json => write!(f, "a table"),
            Domain::OneOf(list) => write!(f, "{}", words(list)),
            Domain::OneOfOrAbove { words: list, above } => {
                write!(f, "{} | a number > {above}", words(list))
            }
            Domain::Ints { min, max, max_len } => {
                write!(f, "a list of at most {max_len} whole numbers in {min}..{max}")
            }
        }
    }
}

/// One parameter of a model kind.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// The key in the experiment file.
    pub name: &'static str,
    /// What it may be.
    pub domain: Domain,
    /// What it is if not given.
    pub default: Default,
    /// What it does, in one line.
    pub doc: &'static str,
}

impl Param {
    /// The value as the model takes it.
    ///
    /// # Errors
    /// [`SettingError::Invalid`] if it is outside the domain.
    pub(crate) fn admit(&self, value: &Value) -> Result<Value, SettingError> {
        self.domain.admit(value).ok_or_else(|| SettingError::Invalid {
            key: self.name.to_owned(),
            value: value.to_string(),
            expected: self.domain.to_string(),
        })
    }
}

/// What is wrong with a model's parameters; the caller adds the file and the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// No such parameter.
    #[error("unknown key `{key}`{}", match nearest { Some(n) => format!(", did you mean `{n}`?"), None => String::new() })]
    Unknown {
        /// The key as written.
        key: String,
        /// The valid key that it resembles most, if any.
        nearest: Option<String>,
    },
    /// A value outside the parameter's domain.
    #[error("`{key}` is {value}, expected {expected}")]
    Invalid {
        /// The key.
        key: String,
        /// The value as written.
        value: String,
        /// The domain, in words.
        expected: String,
    },
    /// A parameter that does nothing beside the others.
    #[error("`{key}` does nothing {why}")]
    Idle {
        /// The key.
        key: &'static str,
        /// Beside what, and the remedy.
        why: String,
    },
    /// Parameters that don't go together.
    #[error("{0}")]
    Conflict(String),
}

/// Parameters of a grid with the values that were taken.
type Taken = Vec<(&'static str, Value)>;

/// The checked parameters of one model: every parameter of its kind, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings(BTreeMap<&'static str, Value>);

impl Settings {
    /// Checks `given` against `params` and fills in defaults.
    ///
    /// # Errors
    /// The first unknown key, inadmissible value, or parameter that does nothing beside the others.
    pub fn resolve(
        params: &[Param],
        given: &BTreeMap<String, Value>,
    ) -> Result<Self, SettingError> {
        Self::with(params, given, &[]).map(|(settings, _)| settings)
    }

    /// As [`Settings::resolve`] with `more` values beside those given, already admitted; those of `more` that would do
    /// nothing are passed over. Also says which of them were taken.
    pub(crate) fn with(
        params: &[Param],
        given: &BTreeMap<String, Value>,
        more: &[(&'static str, &Value)],
    ) -> Result<(Self, Taken), SettingError> {
        for key in given.keys() {
            if !params.iter().any(|p| p.name == key) {
                let nearest = nearest(key, params.iter().map(|p| p.name));
                return Err(SettingError::Unknown { key: key.clone(), nearest });
            }
        }
        let mut all = given.clone();
        all.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).clone())));
        let (mut values, mut taken) = (BTreeMap::new(), Vec::new());
        for param in params {
            let idle = param.default.idle(&values);
            let value = match (given.get(param.name), idle) {
                (Some(_), Some(why)) => return Err(SettingError::Idle { key: param.name, why }),
                (Some(value), None) => Some(param.admit(value)?),
                (None, Some(_)) => None,
                (None, None) => match more.iter().find(|(key, _)| *key == param.name) {
                    Some((key, value)) => {
                        taken.push((*key, (*value).clone()));
                        Some((*value).clone())
                    }
                    None => param.default.value(&all, &values),
                },
            };
            if let Some(value) = value {
                values.insert(param.name, value);
            }
        }
        Ok((Settings(values), taken))
    }

    /// Every parameter that is set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// The value of `name`, if set.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A whole number, if set. Domains are checked by [`Settings::resolve`].
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Int(v)) => Some(*v),
            _ => None,
        }
    }

    /// A count, if set.
    pub fn count(&self, name: &str) -> Option<usize> {
        self.int(name).and_then(|v| usize::try_from(v).ok())
    }

    /// A number, if set.
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Value::Float(v)) => Some(*v),
            Some(Value::Int(v)) => Some(*v as f64),
            _ => None,
        }
    }

    /// A word, if set.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(v)) => Some(v),
            _ => None,
        }
    }

    /// A switch; false if unset.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    /// A list of counts; empty if unset.
    pub fn counts(&self, name: &str) -> Vec<usize> {
        match self.get(name) {
            Some(Value::List(values)) => values
                .iter()
                .filter_map(|v| if let Value::Int(v) = v { usize::try_from(*v).ok() } else { None })
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// The candidate nearest to `word` by edit distance, if it is near enough to be a slip of the pen.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|c| (edit_distance(word, c), c))
        .filter(|(distance, c)| *distance <= 1 + c.chars().count().min(word.chars().count()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c.to_owned())
}

/// Levenshtein's distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
