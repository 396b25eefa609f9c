//! From an experiment file to an [`Experiment`]: every key known, every value checked.

use std::collections::BTreeMap;
use std::path::Path;

use models::{Domain, Grid, Registry, SettingError, Settings, Value};

use crate::error::{Error, Result};
use crate::experiment::{
    DatasetSpec, Draws, Experiment, Limits, ModelSpec, Protocol, ProtocolKind, Scale, TableSpec,
    Tune, Validation,
};
use crate::runner;
use crate::toml_section::{Section, Source, parameter, table_as_json};

/// Longest label of a model: it names files and stands in figures.
const MAX_NAME: usize = 48;

/// Reads the experiment file at `path`, whose models are of the kinds in `registry`.
///
/// # Errors
/// [`Error::Io`] if it can't be read, [`Error::Input`] naming file, line and key for anything wrong in it.
pub fn read(path: &Path, registry: &Registry) -> Result<Experiment> {
    parse(path, &text(path)?, registry)
}

/// Reads the contenders in the file at `path`, see [`parse_models`].
///
/// # Errors
/// As [`read`].
pub fn read_models(path: &Path, registry: &Registry, table: bool) -> Result<Vec<ModelSpec>> {
    parse_models(path, &text(path)?, registry, table)
}

fn text(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        Error::io(path, format!("not UTF-8 text, at byte {}", error.utf8_error().valid_up_to()))
    })
}

/// Parses `text`; `path` is for messages alone.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, text: &str, registry: &Registry) -> Result<Experiment> {
    let source = Source { path, text };
    let table = source.parse()?;
    let top = Section::top(source, &table, &TOP_KEYS)?;
    let name = top.text("name", "a name such as \"mnist-0v1\"")?;
    check_name(name).map_err(|why| top.error_at_key("name", why))?;
    let seed = top
        .whole("seed", 0, i64::MAX as u64)?
        .ok_or_else(|| top.error_at_key("seed", "`seed` is missing, expected a whole number"))?;
    let dataset = dataset(&top, path)?;
    Ok(Experiment {
        name: name.to_owned(),
        seed,
        models: models(&top, registry, dataset.table.is_some())?,
        dataset,
        protocol: protocol(&top)?,
        limits: limits(&top)?,
    })
}

const TOP_KEYS: [&str; 6] = ["name", "seed", "dataset", "protocol", "model", "limits"];

fn limits(top: &Section<'_>) -> Result<Limits> {
    if !top.has("limits") {
        return Ok(Limits::default());
    }
    let section = top.section("limits", &["seconds", "memory_mib"])?;
    Ok(Limits {
        seconds: section.number("seconds", 0.001, 1e9)?,
        memory_mib: section.whole("memory_mib", MIN_MEMORY_MIB, 1 << 40)?,
    })
}

/// Less address space than this holds no worker process with a dataset.
pub const MIN_MEMORY_MIB: u64 = 512;

fn dataset(top: &Section<'_>, path: &Path) -> Result<DatasetSpec> {
    let section = top.section("dataset", &["name", "classes", "path", "target"])?;
    let names = crate::data::names();
    let name = section.text("name", &names.join(" | "))?;
    if !names.contains(&name) {
        let hint = match models::settings::nearest(name, names.iter().copied()) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => format!("known: {}", names.join(", ")),
        };
        return Err(section.error_at_key("name", format!("unknown dataset {name:?}, {hint}")));
    }
    let classes = section.labels("classes")?;
    if classes.as_ref().is_some_and(|classes| classes.len() < 2) {
        return Err(section.error_at_key("classes", "`classes` needs two or more classes"));
    }
    let table = if name == crate::data::CSV {
        Some(TableSpec {
            path: section.text("path", "the table's file, such as \"mine.csv\"")?.to_owned(),
            target: section.text("target", "the column that names the class")?.to_owned(),
            beside: path.parent().unwrap_or(Path::new("")).to_owned(),
        })
    } else {
        None
    };
    if let Some(key) =
        ["path", "target"].into_iter().find(|key| table.is_none() && section.has(key))
    {
        let what = format!("`{key}` has no meaning with dataset {name:?}, leave it out");
        return Err(section.error_at_key(key, what));
    }
    Ok(DatasetSpec { name: name.to_owned(), classes, table })
}

fn protocol(top: &Section<'_>) -> Result<Protocol> {
    let section = top.section("protocol", &PROTOCOL_KEYS)?;
    let kind = section.word("kind", &ProtocolKind::ALL.map(|kind| (kind.name(), kind)))?;
    let mut sizes = section.wholes("sizes", 1, u64::from(u32::MAX))?.ok_or_else(|| {
        section.error_at_key("sizes", "`sizes` is missing, expected a list such as [10, 20, 40]")
    })?;
    sizes.sort_unstable();
    let repeats = section.whole("repeats", 1, 1_000_000)?.unwrap_or(5) as u32;
    let folds = match kind {
        ProtocolKind::RepeatedCv | ProtocolKind::SmallSampleCv => {
            section.whole("folds", 2, 1000)?.unwrap_or(5) as u32
        }
        ProtocolKind::Holdout if section.has("folds") => {
            return Err(section.error_at_key(
                "folds",
                "`folds` has no meaning with kind \"holdout\", leave it out",
            ));
        }
        ProtocolKind::Holdout => 1,
    };
    let cv_repeats = match kind {
        ProtocolKind::SmallSampleCv => {
            Some(section.whole("cv_repeats", 1, 1000)?.unwrap_or(1) as u32)
        }
        _ if section.has("cv_repeats") => {
            return Err(section.error_at_key(
                "cv_repeats",
                format!("`cv_repeats` has no meaning with kind \"{kind}\", leave it out"),
            ));
        }
        _ => None,
    };
    let test_size = section.whole("test_size", 1, u64::from(u32::MAX))?.map(|size| size as u32);
    Ok(Protocol {
        kind,
        sizes,
        repeats,
        folds,
        cv_repeats,
        test_size,
        draws: draws(&section, kind)?,
    })
}

const PROTOCOL_KEYS: [&str; 11] = [
    "kind",
    "sizes",
    "repeats",
    "folds",
    "cv_repeats",
    "test_size",
    "with_replacement",
    "stratified",
    "nested",
    "validation",
    "held_out",
];

/// The switches of a protocol, where they have a meaning.
fn draws(section: &Section<'_>, kind: ProtocolKind) -> Result<Draws> {
    let (anywhere, holdout): (&[&str], &[&str]) =
        (&["with_replacement", "stratified", "nested"], &["validation", "held_out"]);
    let idle = |key: &&&str| match kind {
        ProtocolKind::Holdout => false,
        ProtocolKind::RepeatedCv => holdout.contains(key),
        ProtocolKind::SmallSampleCv => true,
    };
    let set = anywhere.iter().chain(holdout).filter(|key| section.has(key));
    if let Some(key) = set.clone().find(idle) {
        let what = format!("`{key}` has no meaning with kind \"{kind}\", leave it out");
        return Err(section.error_at_key(key, what));
    }
    let usual = Draws::default();
    let validation = match section.has("validation") {
        true => Some(section.word("validation", &[("test-half", Validation::TestHalf)])?),
        false => None,
    };
    Ok(Draws {
        with_replacement: section.flag("with_replacement")?.unwrap_or(usual.with_replacement),
        stratified: section.flag("stratified")?.unwrap_or(usual.stratified),
        nested: section.flag("nested")?.unwrap_or(usual.nested),
        validation,
        held_out: section.number("held_out", 0.001, 0.999)?,
    })
}

/// Contenders to add to an experiment: `[[model]]` tables alone, for data that is a table of the user's own or not.
///
/// # Errors
/// As [`parse`].
pub fn parse_models(
    path: &Path,
    text: &str,
    registry: &Registry,
    table: bool,
) -> Result<Vec<ModelSpec>> {
    let source = Source { path, text };
    let parsed = source.parse()?;
    models(&Section::top(source, &parsed, &["model"])?, registry, table)
}

fn models(top: &Section<'_>, registry: &Registry, table: bool) -> Result<Vec<ModelSpec>> {
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
        specs.push(model(section.named(name), name, registry, table)?);
    }
    Ok(specs)
}

fn model(section: Section<'_>, name: &str, registry: &Registry, table: bool) -> Result<ModelSpec> {
    let kind = section.text("kind", "a model kind, see `bench models`")?;
    let Some(kind) = registry.find(kind) else {
        let names = registry.kinds().map(|kind| kind.name);
        let hint = match models::settings::nearest(kind, names) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None => "see `bench models`".to_owned(),
        };
        return Err(section.error_at_key("kind", format!("unknown model kind {kind:?}, {hint}")));
    };
    // The first is the default.
    let scales = if table {
        vec![Scale::Standard, Scale::Raw]
    } else {
        vec![Scale::Unit, Scale::Raw, Scale::Standard]
    };
    let scales: Vec<_> = scales.into_iter().map(|scale| (scale.name(), scale)).collect();
    let scale = section.word("scale", &scales)?;
    let mut given: BTreeMap<String, Value> = BTreeMap::new();
    for (key, value) in section.entries().filter(|(key, _)| !HARNESS_KEYS.contains(key)) {
        let json = kind.params.iter().any(|p| p.name == key && matches!(p.domain, Domain::Json));
        let value = if json { table_as_json(value) } else { parameter(value.get_ref()) };
        let value = value.ok_or_else(|| {
            section.error_at_key(
                key,
                format!("`{key}` is no word, switch, list, or number within 64 bits"),
            )
        })?;
        given.insert(key.to_owned(), value);
    }
    if kind.name == runner::NAME {
        find_version(&section, &mut given)?;
    }
    let settings = Settings::resolve(kind.params, &given)
        .and_then(|settings| (kind.build)(&settings).map(|_| settings))
        .map_err(|error| setting_error(&section, kind, &error))?;
    let tune = match section.has("tune") {
        true => Some(Tune { grid: grid(&section, kind, &given)?, given }),
        false => None,
    };
    let spec = ModelSpec { name: name.to_owned(), kind, settings, scale, tune };
    if let (Some(_), Err(error)) = (&spec.tune, spec.classifier()) {
        return Err(tune_error(&section, kind, &error));
    }
    Ok(spec)
}

/// Asks a runner's version, which is part of what identifies its results.
fn find_version(section: &Section<'_>, given: &mut BTreeMap<String, Value>) -> Result<()> {
    if given.contains_key(runner::FOUND_VERSION) {
        let what = format!("`{}` is filled in by the harness, leave it out", runner::FOUND_VERSION);
        return Err(section.error_at_key(runner::FOUND_VERSION, what));
    }
    let Some(Value::List(words)) = given.get("version") else { return Ok(()) };
    let words: Vec<String> = words
        .iter()
        .filter_map(|word| match word {
            Value::Text(word) => Some(word.clone()),
            _ => None,
        })
        .collect();
    if words.first().is_some_and(|word| !word.is_empty()) {
        let version =
            runner::ask_version(&words).map_err(|why| section.error_at_key("version", why))?;
        given.insert(runner::FOUND_VERSION.to_owned(), Value::Text(version));
    }
    Ok(())
}

/// Keys of a `[[model]]` that the harness reads itself.
const HARNESS_KEYS: [&str; 4] = ["name", "kind", "scale", "tune"];

/// What `tune` asks for: `"auto"`, or lists of values by parameter.
fn grid(
    section: &Section<'_>,
    kind: &'static models::Kind,
    given: &BTreeMap<String, Value>,
) -> Result<Grid> {
    let grid = match section.table("tune") {
        Some(table) => {
            let mut wanted: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for (key, value) in table.entries() {
                let Some(Value::List(values)) = parameter(value.get_ref()) else {
                    let what = format!("`{key}` must be a list of the values to try");
                    return Err(table.error_at_key(key, what));
                };
                wanted.insert(key.to_owned(), values);
            }
            Grid::new(kind, given, &wanted)
        }
        None => match section.text("tune", TUNE) {
            Ok("auto") => Grid::auto(kind, given),
            _ => {
                return Err(section.error_at_key("tune", format!("`tune` must be {TUNE}")));
            }
        },
    };
    grid.map_err(|error| tune_error(section, kind, &error))
}

/// What `tune` may be.
const TUNE: &str = "\"auto\", or lists of values such as { c = [0.1, 1, 10] }";

/// An error in `tune`, at the line of the key at fault.
fn tune_error(section: &Section<'_>, kind: &models::Kind, error: &SettingError) -> Error {
    match section.table("tune") {
        Some(table) => setting_error(&table, kind, error),
        None => section.error_at_key("tune", error),
    }
}

fn setting_error(section: &Section<'_>, kind: &models::Kind, error: &SettingError) -> Error {
    use SettingError::{Conflict, Idle, Invalid, Unknown};
    match error {
        Unknown { key, nearest } => {
            let own: &[&str] = if section.has("kind") { &HARNESS_KEYS } else { &[] };
            let known = kind.params.iter().map(|p| p.name).chain(own.iter().copied());
            // The harness's own keys can be the nearest as well.
            let own = || models::settings::nearest(key, own.iter().copied());
            let hint = match nearest.clone().or_else(own) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("valid keys: {}", known.collect::<Vec<_>>().join(", ")),
            };
            let what = format!("unknown key `{key}` for kind {:?}, {hint}", kind.name);
            section.error_at_key(key, what)
        }
        Invalid { key, .. } => section.error_at_key(key, error),
        Idle { key, .. } => section.error_at_key(key, error),
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
        parse(Path::new("study.toml"), text, &Registry::default())
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
