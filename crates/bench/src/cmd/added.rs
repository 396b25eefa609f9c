//! Contenders added on the command line: `--with FILE` and `--model name=…,kind=…`.

use std::path::Path;

use models::Registry;

use crate::cli::Selection;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, ModelSpec};
use crate::experiment_file;

/// Adds what `selection` asks for behind the experiment's own models.
///
/// # Errors
/// If a contender is wrong, or has the name of another.
pub(super) fn add(
    experiment: &mut Experiment,
    selection: &Selection,
    registry: &Registry,
) -> Result<()> {
    let table = experiment.dataset.table.is_some();
    for file in &selection.with {
        let models = experiment_file::read_models(file, registry, table)
            .map_err(|error| Error::input(format!("--with: {error}")))?;
        join(experiment, models, &file.display().to_string())?;
    }
    for text in &selection.model {
        let place = format!("--model {text}");
        let text = as_toml(text).map_err(|why| Error::input(format!("{place}: {why}")))?;
        let models = experiment_file::parse_models(Path::new(&place), &text, registry, table)?;
        join(experiment, models, &place)?;
    }
    Ok(())
}

fn join(experiment: &mut Experiment, models: Vec<ModelSpec>, place: &str) -> Result<()> {
    for model in models {
        let taken = |other: &ModelSpec| other.name.eq_ignore_ascii_case(&model.name);
        if experiment.models.iter().any(taken) {
            return Err(Error::input(format!(
                "{place}: the experiment has a model {:?} already, choose another name",
                model.name
            )));
        }
        experiment.models.push(model);
    }
    Ok(())
}

/// `name=mine,kind=knn,k=3` as a `[[model]]`: values are TOML, or words.
fn as_toml(text: &str) -> std::result::Result<String, String> {
    let mut toml = String::from("[[model]]\n");
    for pair in split(text) {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| format!("{pair:?} is no `key=value`"))?;
        let (key, value) = (key.trim(), value.trim());
        let line = format!("{key} = {value}");
        // What is no TOML value is a word.
        let line =
            if line.parse::<toml::Table>().is_ok() { line } else { format!("{key} = {value:?}") };
        toml += &line;
        toml.push('\n');
    }
    Ok(toml)
}

/// At the commas that are in no list, table or string.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quoted) = (Vec::new(), 0, 0i32, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contender_in_one_line_is_a_model() {
        assert_eq!(
            as_toml("name=net 2, kind=mlp,hidden=[8, 8],dropout=0.1,tune={ epochs = [1, 2] }"),
            Ok("[[model]]\nname = \"net 2\"\nkind = \"mlp\"\nhidden = [8, 8]\ndropout = 0.1\n\
                tune = { epochs = [1, 2] }\n"
                .into())
        );
        assert!(as_toml("name").expect_err("no pair").contains("no `key=value`"));
    }
}
