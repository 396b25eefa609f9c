//! Were results made on this kind of machine, by this kind of binary?

use std::path::Path;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::files;

/// What can move last bits: the machine (target, vector instructions, device) and the binary (compiler, version, the
/// libraries in it, how it was built).
const DECISIVE: [&str; 8] = [
    "target",
    "vector_features",
    "device",
    "rustc",
    "version",
    "cargo_lock",
    "profile",
    "features",
];

/// In which of these the environment of the results in `folder` is another than this one, in words; also if it is not
/// known.
///
/// # Errors
/// If the folder's environment can't be read.
pub(super) fn differences(folder: &Path, device: nn::Device) -> Result<Vec<String>> {
    let path = folder.join("environment.toml");
    let Some(text) = files::read_if_there(&path)? else {
        return Ok(vec!["environment.toml is missing".into()]);
    };
    let there: toml::Table = text.parse().map_err(|error| Error::io(&path, error))?;
    let here = Environment::new(device, 1, 0).to_text();
    let here: toml::Table = here.parse().map_err(|error| Error::io(&path, error))?;
    let machines = match there.get("machine").and_then(toml::Value::as_array) {
        Some(machines) => machines.iter().filter_map(toml::Value::as_table).cloned().collect(),
        None => vec![there],
    };
    let mut found = Vec::new();
    for machine in &machines {
        for key in DECISIVE {
            let show =
                |table: &toml::Table| table.get(key).map_or("unknown".into(), |v| v.to_string());
            let (there, here) = (show(machine), show(&here));
            if there != here {
                found.push(format!("{key} was {there}, is {here}"));
            }
        }
    }
    found.dedup();
    Ok(found)
}
