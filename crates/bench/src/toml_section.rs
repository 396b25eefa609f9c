//! Reading TOML with errors that name the file, the line, the key and the remedy.

use std::fmt::Display;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::error::{Error, Result};

/// A file's text, for turning positions into lines.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The file, as the user would name it.
    pub path: &'a Path,
    /// What it holds.
    pub text: &'a str,
}

impl Source<'_> {
    /// The text as a table.
    ///
    /// # Errors
    /// [`Error::Input`] with the line of the first syntax error.
    pub fn parse(&self) -> Result<DeTable<'_>> {
        DeTable::parse(self.text).map(Spanned::into_inner).map_err(|error| {
            self.error(error.span().map_or(0, |span| span.start), error.message().trim())
        })
    }

    /// An error at byte `at`.
    pub fn error(&self, at: usize, what: impl Display) -> Error {
        let line = self.text.bytes().take(at).filter(|&b| b == b'\n').count() + 1;
        Error::input(format!("{}:{line}: {what}", self.path.display()))
    }
}

/// One table of the file, such as `[protocol]`, whose keys are all known.
pub struct Section<'a> {
    source: Source<'a>,
    /// How messages call it, such as `[protocol]`; empty for the top level.
    label: String,
    table: &'a DeTable<'a>,
    /// Where the table stands, for what is missing in it.
    at: usize,
}

impl<'a> Section<'a> {
    /// The top level of the file, in which only `keys` may stand.
    ///
    /// # Errors
    /// The first unknown key, with the nearest valid one.
    pub fn top(source: Source<'a>, table: &'a DeTable<'a>, keys: &[&str]) -> Result<Self> {
        let section = Section { source, label: String::new(), table, at: 0 };
        section.check_keys(keys)?;
        Ok(section)
    }

    fn check_keys(&self, keys: &[&str]) -> Result<()> {
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if !keys.contains(&name) {
                let hint = match models::settings::nearest(name, keys.iter().copied()) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("valid keys: {}", keys.join(", ")),
                };
                return Err(self.error(
                    key.span().start,
                    format!("unknown key `{name}`{}, {hint}", self.inside()),
                ));
            }
        }
        Ok(())
    }

    fn inside(&self) -> String {
        if self.label.is_empty() { String::new() } else { format!(" in {}", self.label) }
    }

    /// An error at byte `at` of the file.
    pub fn error(&self, at: usize, what: impl Display) -> Error {
        self.source.error(at, what)
    }

    /// An error at `key`, or at the section if the key is missing.
    pub fn error_at_key(&self, key: &str, what: impl Display) -> Error {
        let at = self.table.get(key).map_or(self.at, |value| value.span().start);
        self.error(at, format!("{what}{}", self.inside()))
    }

    fn invalid(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: impl Display) -> Error {
        let written = self.source.text.get(value.span()).unwrap_or("?");
        self.error(
            value.span().start,
            format!("`{key}` is {written}{}, expected {expected}", self.inside()),
        )
    }

    fn missing(&self, key: &str, expected: impl Display) -> Error {
        self.error(self.at, format!("`{key}` is missing{}, expected {expected}", self.inside()))
    }

    /// True if `key` is given.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The table at `key`.
    ///
    /// # Errors
    /// If it is missing, no table, or holds an unknown key.
    pub fn section(&self, key: &str, keys: &[&str]) -> Result<Section<'a>> {
        let value =
            self.table.get(key).ok_or_else(|| self.missing(key, format!("a table `[{key}]`")))?;
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.invalid(key, value, format!("a table `[{key}]`")));
        };
        let label = format!("[{key}]");
        let section = Section { source: self.source, label, table, at: value.span().start };
        section.check_keys(keys)?;
        Ok(section)
    }

    /// The table at `key`, whose keys the caller checks; `None` if something else stands there, or nothing.
    pub fn table(&self, key: &str) -> Option<Section<'a>> {
        let value = self.table.get(key)?;
        let DeValue::Table(table) = value.get_ref() else { return None };
        let label = format!("`{key}`{}", self.inside());
        Some(Section { source: self.source, label, table, at: value.span().start })
    }

    /// The tables of the list `[[key]]`, whose keys the caller checks.
    ///
    /// # Errors
    /// If it is missing, empty, or no list of tables.
    pub fn sections(&self, key: &str) -> Result<Vec<Section<'a>>> {
        let wanted = format!("one or more tables `[[{key}]]`");
        let value = self.table.get(key).ok_or_else(|| self.missing(key, &wanted))?;
        let tables = match value.get_ref() {
            DeValue::Array(items) if !items.is_empty() => items,
            _ => return Err(self.invalid(key, value, wanted)),
        };
        tables
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::Table(table) => Ok(Section {
                    source: self.source,
                    label: format!("[[{key}]]"),
                    table,
                    at: item.span().start,
                }),
                _ => Err(self.invalid(key, item, &wanted)),
            })
            .collect()
    }

    /// Names the section after one of its values, so that messages say which of several it is.
    pub fn named(mut self, name: &str) -> Self {
        self.label = format!("{} {name:?}", self.label);
        self
    }

    /// Keys with their values.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Spanned<DeValue<'a>>)> {
        self.table.iter().map(|(key, value)| (key.get_ref().as_ref(), value))
    }

    /// A string.
    ///
    /// # Errors
    /// If it is missing or no string.
    pub fn text(&self, key: &str, expected: &str) -> Result<&'a str> {
        let value = self.table.get(key).ok_or_else(|| self.missing(key, expected))?;
        match value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref()),
            _ => Err(self.invalid(key, value, expected)),
        }
    }

    /// One of `words`, or the first of them if the key is missing.
    ///
    /// # Errors
    /// If it is none of them; names the nearest.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<T> {
        let Some(value) = self.table.get(key) else { return Ok(words[0].1) };
        let given = match value.get_ref() {
            DeValue::String(text) => text.as_ref(),
            _ => "",
        };
        words.iter().find(|(word, _)| *word == given).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.invalid(key, value, names.join(" | "))
        })
    }

    /// True or false, if given.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Boolean(flag) => Ok(Some(*flag)),
            _ => Err(self.invalid(key, value, "true | false")),
        }
    }

    /// A whole number in `min..=max`, if given.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn whole(&self, key: &str, min: u64, max: u64) -> Result<Option<u64>> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        match whole_number(value.get_ref()) {
            Some(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(self.invalid(key, value, format!("a whole number in {min}..{max}"))),
        }
    }

    /// A list of different words or whole numbers, as words, if given.
    ///
    /// # Errors
    /// If it is anything else, or empty.
    pub fn labels(&self, key: &str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let label = |item: &Spanned<DeValue<'_>>| match parameter(item.get_ref())? {
            models::Value::Text(text) => Some(text),
            models::Value::Int(number) => Some(number.to_string()),
            _ => None,
        };
        let labels: Option<Vec<String>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(label).collect(),
            _ => None,
        };
        let distinct = |labels: &Vec<String>| {
            !labels.is_empty() && (1..labels.len()).all(|i| !labels[..i].contains(&labels[i]))
        };
        match labels.filter(distinct) {
            Some(labels) => Ok(Some(labels)),
            None => Err(self.invalid(key, value, "a list of different classes")),
        }
    }

    /// A number in `min..=max`, if given.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn number(&self, key: &str, min: f64, max: f64) -> Result<Option<f64>> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let number = match parameter(value.get_ref()) {
            Some(models::Value::Int(number)) => Some(number as f64),
            Some(models::Value::Float(number)) => Some(number),
            _ => None,
        };
        match number.filter(|number| (min..=max).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.invalid(key, value, format!("a number in {min}..{max}"))),
        }
    }

    /// A list of different whole numbers in `min..=max`, if given.
    ///
    /// # Errors
    /// If it is anything else, or empty.
    pub fn wholes(&self, key: &str, min: u64, max: u64) -> Result<Option<Vec<u32>>> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let expected = format!("a list of different whole numbers in {min}..{max}");
        let DeValue::Array(items) = value.get_ref() else {
            return Err(self.invalid(key, value, expected));
        };
        let numbers =
            distinct_numbers(items, min, max).ok_or_else(|| self.invalid(key, value, &expected))?;
        if numbers.is_empty() { Err(self.invalid(key, value, expected)) } else { Ok(Some(numbers)) }
    }
}

fn distinct_numbers(items: &DeArray<'_>, min: u64, max: u64) -> Option<Vec<u32>> {
    let mut numbers: Vec<u32> = Vec::new();
    for item in items {
        let number = whole_number(item.get_ref()).filter(|n| (min..=max).contains(n))? as u32;
        if numbers.contains(&number) {
            return None;
        }
        numbers.push(number);
    }
    Some(numbers)
}

fn whole_number(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

/// A TOML value as a model parameter; `None` for dates and tables.
pub fn parameter(value: &DeValue<'_>) -> Option<models::Value> {
    Some(match value {
        DeValue::Boolean(v) => models::Value::Bool(*v),
        DeValue::Integer(v) => models::Value::Int(i64::from_str_radix(v.as_str(), v.radix()).ok()?),
        DeValue::Float(v) => models::Value::Float(v.as_str().parse().ok()?),
        DeValue::String(v) => models::Value::Text(v.to_string()),
        DeValue::Array(items) => models::Value::List(
            items.iter().map(|item| parameter(item.get_ref())).collect::<Option<_>>()?,
        ),
        DeValue::Table(_) | DeValue::Datetime(_) => return None,
    })
}

/// A table as JSON text, keys in order; `None` if it is no table, or holds a date or a number out of range.
pub fn table_as_json(value: &Spanned<DeValue<'_>>) -> Option<models::Value> {
    let json = json(value.get_ref())?;
    json.is_object().then(|| models::Value::Text(json.to_string()))
}

fn json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::Array(items) => {
            items.iter().map(|item| json(item.get_ref())).collect::<Option<Vec<_>>>()?.into()
        }
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)))
            .collect::<Option<serde_json::Map<_, _>>>()?
            .into(),
        other => match parameter(other)? {
            models::Value::Bool(v) => v.into(),
            models::Value::Int(v) => v.into(),
            models::Value::Float(v) => serde_json::Number::from_f64(v)?.into(),
            models::Value::Text(v) => v.into(),
            models::Value::List(_) => return None,
        },
    })
}
