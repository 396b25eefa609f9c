//! From an experiment file to an [`Experiment`]: every key known, every value checked.

use std::collections::BTreeMap;
use std::path::Path;

use models::{Settings, Value};

use crate::error::{Error, Result};
use crate::experiment::{DatasetSpec, Experiment, ModelSpec, Protocol, ProtocolKind, Scale};
use crate::toml_section::{Section, Source, parameter};

/// Longest label of a model: it names files and stands in figures.
const MAX_NAME: usize = 48;

/// Reads the experiment file at `path`.
///
/// # Errors
/// [`Error::Io`] if it can't be read, [`Error::Input`] naming file, line and key for anything wrong in it.
pub fn read(path: &Path) -> Result<Experiment> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Error::io(path, format!("not UTF-8 text, at byte {}", error.utf8_error().valid_up_to()))
    })?;
    parse(path, &text)
}

/// Parses `text`; `path` is for messages alone.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, text: &str) -> Result<Experiment> {
    let source = Source { path, text };
    let table = source.parse()?;
    let top = Section::top(source, &table, &["name", "seed", "dataset", "protocol", "model"])?;
    let name = top.text("name", "a name such as \"mnist-0v1\"")?;
    check_name(name).map_err(|why| top.error_at_key("name", why))?;
    let seed = top
        .whole("seed", 0, i64::MAX as u64)?
        .ok_or_else(|| top.error_at_key("seed", "`seed` is missing, expected a whole number"))?;
    Ok(Experiment {
        name: name.to_owned(),
        seed,
        dataset: dataset(&top)?,
        protocol: protocol(&top)?,
        models: models(&top)?,
    })
}

fn dataset(top: &Section<'_>) -> Result<DatasetSpec> {
    let section = top.section("dataset", &["name", "classes"])?;
    let names = crate::data::names();
    let name = section.text("name", &names.join(" | "))?;
    if !names.contains(&name) {
        let hint = match models::settings::nearest(name, names.iter().copied()) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => format!("known: {}", names.join(", ")),
        };
        return Err(section.error_at_key("name", format!("unknown dataset {name:?}, {hint}")));
    }
    let classes = section.wholes("classes", 0, 255)?;
    if classes.as_ref().is_some_and(|classes| classes.len() < 2) {
        return Err(section.error_at_key("classes", "`classes` needs two or more classes"));
    }
    Ok(DatasetSpec { name: name.to_owned(), classes })
}

fn protocol(top: &Section<'_>) -> Result<Protocol> {
    let section = top.section("protocol", &["kind", "sizes", "repeats", "folds", "test_size"])?;
    let kind = section.word("kind", &ProtocolKind::ALL.map(|kind| (kind.name(), kind)))?;
    let mut sizes = section.wholes("sizes", 1, u64::from(u32::MAX))?.ok_or_else(|| {
        section.error_at_key("sizes", "`sizes` is missing, expected a list such as [10, 20, 40]")
    })?;
    sizes.sort_unstable();
    let repeats = section.whole("repeats", 1, 1_000_000)?.unwrap_or(5) as u32;
    let folds = match kind {
        ProtocolKind::RepeatedCv => section.whole("folds", 2, 1000)?.unwrap_or(5) as u32,
        ProtocolKind::Holdout if section.has("folds") => {
            return Err(section.error_at_key(
                "folds",
                "`folds` has no meaning with kind \"holdout\", leave it out",
            ));
        }
        ProtocolKind::Holdout => 1,
    };
    let test_size = section.whole("test_size", 1, u64::from(u32::MAX))?.map(|size| size as u32);
    Ok(Protocol { kind, sizes, repeats, folds, test_size })
}

fn models(top: &Section<'_>) -> Result<Vec<ModelSpec>> {
    let mut specs: Vec<ModelSpec> = Vec::new();
    for section in top.sections("model")? {
        let name = section.text("name", "a label such as \"logistic\"")?;
        check_name(name).map_err(|why| section.error_at_key("name", why))?;
        // Labels name files, and some file systems don't tell case.
        if let Some(twin) = specs.iter().find(|spec| spec.name.eq_ignore_ascii_case(name)) {
            let why = if twin.name == name {
                format!("two models are called {name:?}: give each a name of its own")
            } else {
                format!(
                    "{:?} and {name:?} differ in case alone: give each a name of its own",
                    twin.name
                )
            };
            return Err(section.error_at_key("name", why));
        }
        specs.push(model(section.named(name), name)?);
    }
    Ok(specs)
}

fn model(section: Section<'_>, name: &str) -> Result<ModelSpec> {
    let kind = section.text("kind", "a model kind, see `bench models`")?;
    let Some(kind) = models::find_kind(kind) else {
        let names = models::kinds().iter().map(|kind| kind.name);
        let hint = match models::settings::nearest(kind, names) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => "see `bench models`".to_owned(),
        };
        return Err(section.error_at_key("kind", format!("unknown model kind {kind:?}, {hint}")));
    };
    let scale = section.word("scale", &Scale::ALL.map(|scale| (scale.name(), scale)))?;
    let mut given: BTreeMap<String, Value> = BTreeMap::new();
    for (key, value) in section.entries().filter(|(key, _)| !HARNESS_KEYS.contains(key)) {
        let value = parameter(value.get_ref()).ok_or_else(|| {
            section.error_at_key(
                key,
                format!("`{key}` is no word, switch, list, or number within 64 bits"),
            )
        })?;
        given.insert(key.to_owned(), value);
    }
    let settings = Settings::resolve(kind.params, &given)
        .and_then(|settings| (kind.build)(&settings).map(|_| settings))
        .map_err(|error| setting_error(&section, kind, &error))?;
    Ok(ModelSpec { name: name.to_owned(), kind, settings, scale })
}

/// Keys of a `[[model]]` that the harness reads itself.
const HARNESS_KEYS: [&str; 3] = ["name", "kind", "scale"];

fn setting_error(
    section: &Section<'_>,
    kind: &models::Kind,
    error: &models::SettingError,
) -> Error {
    use models::SettingError::{Conflict, Invalid, Unknown};
    match error {
        Unknown { key, nearest } => {
            let known = kind.params.iter().map(|p| p.name).chain(HARNESS_KEYS);
            // The harness's own keys can be the nearest as well.
            let hint =
                match nearest.clone().or_else(|| models::settings::nearest(key, HARNESS_KEYS)) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("valid keys: {}", known.collect::<Vec<_>>().join(", ")),
                };
            let what = format!("unknown key `{key}` for kind {:?}, {hint}", kind.name);
            section.error_at_key(key, what)
        }
        Invalid { key, .. } => section.error_at_key(key, error),
        Conflict(_) => section.error_at_key("kind", error),
    }
}

/// Names become file names on every system.
fn check_name(name: &str) -> std::result::Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let sound = name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain);
    if !sound {
        return Err(format!(
            "name {name:?} can't name a file: use up to {MAX_NAME} of a-z A-Z 0-9 - _ . +, \
             beginning with a letter or digit"
        ));
    }
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let device = ["con", "prn", "aux", "nul"].contains(&stem.as_str())
        || (stem.len() == 4
            && (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.ends_with(|c: char| c.is_ascii_digit()));
    if device {
        return Err(format!("name {name:?} names a device on Windows: choose another"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOUND: &str = r#"
name = "study"
seed = 3
[dataset]
name = "mnist"
classes = [4, 9]
[protocol]
sizes = [20, 10]
[[model]]
name = "net"
kind = "mlp"
hidden = [16]
scale = "raw"
"#;

    fn parsed(text: &str) -> Result<Experiment> {
        parse(Path::new("study.toml"), text)
    }

    #[test]
    fn defaults_are_filled_in_and_sizes_sorted() {
        let experiment = parsed(SOUND).expect("sound");
        let protocol = &experiment.protocol;
        assert_eq!(protocol.kind, ProtocolKind::RepeatedCv);
        assert_eq!((protocol.repeats, protocol.folds, protocol.test_size), (5, 5, None));
        assert_eq!(protocol.sizes, [10, 20]);
        let model = &experiment.models[0];
        assert_eq!((model.scale, model.kind.name), (Scale::Raw, "mlp"));
        assert_eq!(model.settings.int("epochs"), Some(60));
        assert_eq!(model.settings.float("learning_rate"), Some(1e-3), "by the optimiser");
    }

    #[test]
    fn windows_line_ends_are_lines_too() {
        let broken = SOUND.replace("seed = 3", "sed = 3").replace('\n', "\r\n");
        let message = parsed(&broken).expect_err("a slip").to_string();
        assert!(message.starts_with("study.toml:3: unknown key `sed`"), "{message}");
    }

    proptest! {
        #[test]
        fn never_panics_on_any_text(text in ".{0,200}") {
            let _ = parsed(&text);
        }

        #[test]
        fn never_panics_on_a_damaged_file(
            at in 0..SOUND.len(),
            length in 0usize..12,
            insert in "[\\[\\]\"=#0-9a-z\\n.-]{0,6}",
        ) {
            let end = (at + length).min(SOUND.len());
            let damaged = format!("{}{insert}{}", &SOUND[..at], &SOUND[end..]);
            if let Err(error) = parsed(&damaged) {
                prop_assert!(error.to_string().starts_with("study.toml:"), "{}", error);
            }
        }
    }
}
