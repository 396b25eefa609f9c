//! `bench models`: every model kind with its parameters and defaults.

use std::fmt::Write;

use ::models::tuning::{MAX_CANDIDATES, MAX_FOLDS, Try};
use ::models::{Kind, Param, Registry};

use crate::cli::ModelsArgs;
use crate::cmd::Exit;
use crate::error::{Error, Result};
use crate::output;

/// Runs the verb.
///
/// # Errors
/// If the kind that was asked for is unknown.
pub fn run(arguments: &ModelsArgs, registry: &Registry) -> Result<Exit> {
    let mut text = String::new();
    match &arguments.kind {
        Some(name) => {
            let kind = registry.find(name).ok_or_else(|| unknown(name, registry))?;
            text.push_str(&describe(kind));
        }
        None => registry.kinds().for_each(|kind| text.push_str(&describe(kind))),
    }
    text.push_str(
        "every kind\n    scale = \"unit\"      pixels in [0, 1]; the default for images\n    \
         scale = \"standard\"  mean 0 and variance 1 over the training rows; the default for tables\n    \
         scale = \"raw\"       as stored\n",
    );
    let _ = writeln!(
        text,
        "    tune = unset        choose parameters by inner cross-validation on the training rows: \"auto\", or lists \
         of values such as {{ c = [0.1, 1, 10] }}; at most {MAX_CANDIDATES} candidates, {MAX_FOLDS} folds"
    );
    output::print(&text);
    Ok(Exit::Done)
}

fn unknown(name: &str, registry: &Registry) -> Error {
    let names: Vec<&str> = registry.kinds().map(|kind| kind.name).collect();
    let hint = match ::models::settings::nearest(name, names.iter().copied()) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => format!("there are: {}", names.join(", ")),
    };
    Error::input(format!("no model kind {name:?}, {hint}"))
}

fn describe(kind: &Kind) -> String {
    let mut text = format!("{}\n    {}\n", kind.name, kind.summary);
    for param in kind.params {
        let Param { name, domain, default, doc } = param;
        let _ = writeln!(text, "    {name} = {default}\n        {doc} ({domain})");
    }
    let _ = writeln!(text, "    tune = {}", auto_grids(kind));
    text.push('\n');
    text
}

/// What `tune = "auto"` tries, by parameter.
fn auto_grids(kind: &Kind) -> String {
    let axes: Vec<String> = kind
        .tuning
        .auto
        .iter()
        .map(|axis| match axis.values {
            Try::These(values) => {
                let values: Vec<String> = values.iter().map(|value| value.to_string()).collect();
                format!("{} = [{}]", axis.name, values.join(", "))
            }
            Try::Times(factors) => format!("{} = default × {factors:?}", axis.name),
        })
        .collect();
    match axes.is_empty() {
        true => "unset\n        \"auto\" has nothing to tune here".into(),
        false => {
            format!("unset\n        \"auto\" tries {}, where they do anything", axes.join(", "))
        }
    }
}
