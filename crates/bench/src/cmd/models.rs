//! `bench models`: every model kind with its parameters and defaults.

use std::fmt::Write;

use ::models::{Kind, Param};

use crate::cli::ModelsArgs;
use crate::cmd::Exit;
use crate::error::{Error, Result};
use crate::experiment::Scale;
use crate::output;

/// Runs the verb.
///
/// # Errors
/// If the kind that was asked for is unknown.
pub fn run(arguments: &ModelsArgs) -> Result<Exit> {
    let mut text = String::new();
    match &arguments.kind {
        Some(name) => {
            let kind = ::models::find_kind(name).ok_or_else(|| unknown(name))?;
            text.push_str(&describe(kind));
        }
        None => ::models::kinds().iter().for_each(|kind| text.push_str(&describe(kind))),
    }
    let scales = Scale::ALL.map(|scale| format!("{:?}", scale.name())).join(" | ");
    let _ = writeln!(
        text,
        "every kind\n    scale = \"unit\"  pixels in [0, 1], or raw as stored: {scales}"
    );
    output::print(&text);
    Ok(Exit::Done)
}

fn unknown(name: &str) -> Error {
    let names: Vec<&str> = ::models::kinds().iter().map(|kind| kind.name).collect();
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
    text.push('\n');
    text
}
