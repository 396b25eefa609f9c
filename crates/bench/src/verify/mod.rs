//! Checking a results folder against its own settings: the files against each other, and a sample of trials run again.
//!
//! On the kind of machine and binary that made the results, trials must come out bit for bit; those of kinds that are
//! portable (`Kind::is_portable`: nets, trees, naive Bayes) must everywhere. Elsewhere the others must agree within
//! [`Tolerance`]: the matrix products under them sum in an order that depends on the processor's vector width, which
//! moves last bits and, once in a while, an item that lay on the border.

mod origin;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use models::Registry;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::plan::{TrialKey, plan, running_order};
use crate::record::{Outcome, Record};
use crate::seed::{shuffle, stream};
use crate::store::{LOCK_FILE, Lock, Results, write_tables};
use crate::trial::Bench;
use crate::{device, publish, sweep};

/// So many differences are named in each check.
const NAMED: usize = 5;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it was.
    pub what: &'static str,
    /// What was found, in words.
    pub found: String,
    /// What differs, the first few by name; empty if all of it holds.
    pub differences: Vec<String>,
}

impl Check {
    /// True if nothing differs.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }

    fn new(what: &'static str, found: impl Into<String>, mut differences: Vec<String>) -> Check {
        let more = differences.len().saturating_sub(NAMED);
        differences.truncate(NAMED);
        if more > 0 {
            differences.push(format!("and {more} more"));
        }
        Check { what, found: found.into(), differences }
    }

    fn of(what: &'static str, found: impl Into<String>, result: Result<()>) -> Check {
        Check::new(what, found, result.err().map(|error| error.to_string()).into_iter().collect())
    }
}

/// How far apart two outcomes of a trial may be where the machine or the binary is another.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Share of the scored items whose correctness may differ, at least two items.
    pub items: f64,
    /// Relative difference of losses.
    pub loss: f64,
}

/// Wide enough for last bits, far too narrow for another model, seed or dataset.
pub const TOLERANCE: Tolerance = Tolerance { items: 0.005, loss: 0.01 };

/// A results folder, ready to be checked.
#[derive(Debug)]
pub struct Verifier {
    folder: PathBuf,
    results: Results,
    bench: Bench,
    /// The settings as this program understands them.
    own: Lock,
}

impl Verifier {
    /// Opens the results in `folder`, with the datasets in `data` and a table of one's own in `beside`, if they are given
    /// ([`Dataset::load_for`]). Scores that contradict predictions are found here.
    ///
    /// # Errors
    /// If there are no results, a table is damaged, or the data isn't there.
    pub fn new(
        folder: &Path,
        data: Option<&Path>,
        beside: Option<&Path>,
        registry: &Registry,
    ) -> Result<Verifier> {
        let results = Results::read(folder)?;
        let experiment = results.lock.experiment(registry)?;
        let dataset = Dataset::load_for(folder, &experiment.dataset, data, beside)?;
        let device = results.lock.device()?;
        device::check(device)?;
        let own = Lock::new(&experiment, &dataset, device);
        let bench = Bench::new(experiment, dataset, device)?;
        Ok(Verifier { folder: folder.to_owned(), results, bench, own })
    }

    /// Everything that needs no trial: settings, data, splits, completeness, and what is derived.
    pub fn files(&self) -> Vec<Check> {
        vec![self.settings(), self.tables(), self.splits(), self.completeness(), self.derived()]
    }

    fn settings(&self) -> Check {
        let difference = self.results.lock.join(&self.own).err();
        let text = std::fs::read_to_string(self.folder.join(LOCK_FILE)).unwrap_or_default();
        let rewritten = self.own.to_text().is_ok_and(|own| own == text);
        let differences = match difference {
            Some(difference) => vec![difference],
            None if !rewritten => vec![format!("{LOCK_FILE} is not as this program writes it")],
            None => Vec::new(),
        };
        let sha = &self.own.dataset.sha256;
        let found = format!(
            "{} models; data {} {}",
            self.own.models.len(),
            self.own.dataset.name,
            &sha[..16]
        );
        Check::new("settings, data", found, differences)
    }

    /// Scores agree with predictions, or there would be no results; here, that the files are written as a sweep writes
    /// them, and that no other stands among them.
    fn tables(&self) -> Check {
        let again = || -> Result<Vec<String>> {
            let place = tempfile::tempdir().map_err(|e| Error::io(&std::env::temp_dir(), e))?;
            write_tables(place.path(), &self.results)?;
            // Timings are another on every run.
            let timings = place.path().join("timings");
            std::fs::remove_dir_all(&timings).map_err(|error| Error::io(&timings, error))?;
            let mut found = different_files(place.path(), place.path(), &self.folder)?;
            for part in ["scores", "predictions"] {
                found.extend(strangers(&self.folder, &place.path().join(part), part)?);
            }
            Ok(found)
        };
        let count = self.results.records.len();
        match again() {
            Ok(found) => {
                Check::new("scores", format!("{count} agree with their predictions"), found)
            }
            Err(error) => Check::of("scores", "", Err(error)),
        }
    }

    fn splits(&self) -> Check {
        let protocol = &self.bench.experiment().protocol;
        let inside =
            |repeat, fold| repeat < protocol.repeats && fold < protocol.splits_per_repeat();
        let wrong = self.results.items.iter().filter(|((repeat, fold), items)| {
            !inside(*repeat, *fold) || self.bench.split(*repeat, *fold).test != **items
        });
        let differences =
            wrong.map(|((r, f), _)| format!("repeat {r}, fold {f}: other items")).collect();
        Check::new(
            "splits",
            format!("{} sets of held-out items", self.results.items.len()),
            differences,
        )
    }

    fn completeness(&self) -> Check {
        let planned = plan(self.bench.experiment());
        let missing: Vec<String> = planned
            .iter()
            .filter(|key| !self.results.records.contains_key(key))
            .map(|key| format!("missing: {key}"))
            .collect();
        Check::new("completeness", format!("{} trials planned", planned.len()), missing)
    }

    /// Summary, figures and README once more from the tables, byte by byte.
    fn derived(&self) -> Check {
        let again = || -> Result<Vec<String>> {
            let place =
                tempfile::tempdir().map_err(|error| Error::io(&std::env::temp_dir(), error))?;
            publish::derived(place.path(), &self.results)?;
            different_files(place.path(), place.path(), &self.folder)
        };
        match again() {
            Ok(differences) => Check::new("derived files", "summary, figures, README", differences),
            Err(error) => Check::of("derived files", "", Err(error)),
        }
    }

    /// Runs a share of each model's trials again, at least one, chosen by `seed`; `None` if it was asked to stop.
    ///
    /// # Errors
    /// If the workers can't be started.
    pub fn trials(
        &self,
        fraction: f64,
        seed: u64,
        jobs: usize,
        stop: &AtomicBool,
    ) -> Result<Option<Vec<Check>>> {
        let elsewhere = origin::differences(&self.folder, self.bench.device())?;
        let mut sample = self.sample(fraction, seed);
        let passed_over = self.results.records.len() - self.repeatable().count();
        running_order(&mut sample);
        let mut again: Vec<Record> = Vec::new();
        sweep::run(&self.bench, &sample, jobs, stop, &mut |record| {
            again.push(record);
            Ok(())
        })?;
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        again.sort_by(|a, b| a.key.cmp(&b.key));
        let tolerant = |model: &str| !elsewhere.is_empty() && !self.is_portable(model);
        let mut checks = vec![compare(&again, &self.results, tolerant)];
        if !elsewhere.is_empty() {
            checks.push(Check::new("made elsewhere", elsewhere.join("; "), Vec::new()));
        }
        if passed_over > 0 {
            let found = format!(
                "{passed_over} trials can't be repeated (time limits, irreproducible kinds)"
            );
            checks.push(Check::new("passed over", found, Vec::new()));
        }
        Ok(Some(checks))
    }

    /// Trials whose outcome is the model's alone.
    fn repeatable(&self) -> impl Iterator<Item = &TrialKey> {
        self.results
            .records
            .iter()
            .filter(|(key, record)| {
                !record.outcome.is_circumstance() && self.own.is_reproducible(&key.model)
            })
            .map(|(key, _)| key)
    }

    /// True if the model's bits are the same on every processor: its kind says so, and nets are trained by the native
    /// engine.
    fn is_portable(&self, model: &str) -> bool {
        let spec = self.bench.experiment().models.iter().find(|spec| spec.name == model);
        spec.is_some_and(|spec| spec.kind.is_portable(&spec.settings))
            && self.bench.device() == nn::Device::Cpu
    }

    fn sample(&self, fraction: f64, seed: u64) -> Vec<TrialKey> {
        let mut sample = Vec::new();
        for (at, model) in self.own.models.iter().enumerate() {
            let mut keys: Vec<TrialKey> =
                self.repeatable().filter(|key| key.model == model.name).cloned().collect();
            shuffle(&mut keys, &mut stream(seed, "verify", &[at as u64]));
            let count = (keys.len() as f64 * fraction).ceil() as usize;
            keys.truncate(count.max(1));
            sample.extend(keys);
        }
        sample
    }
}

/// The outcomes of `again` beside those in `results`, bit for bit but for models that `tolerant` says.
fn compare(again: &[Record], results: &Results, tolerant: impl Fn(&str) -> bool) -> Check {
    let mut same = 0;
    let mut differences = Vec::new();
    for record in again {
        let Some(before) = results.records.get(&record.key) else { continue };
        if before.outcome == record.outcome {
            same += 1;
        } else if let Some(why) =
            difference(&before.outcome, &record.outcome, tolerant(&record.key.model))
        {
            differences.push(format!("{}: {why}", record.key));
        }
    }
    let near = again.len() - same - differences.len();
    let mut found = format!("{} run again: {same} the same, bit for bit", again.len());
    if near > 0 {
        found += &format!(
            ", {near} within {} % of the items and {} % of the losses",
            TOLERANCE.items * 100.0,
            TOLERANCE.loss * 100.0
        );
    }
    Check::new("trials", found, differences)
}

/// What is too different about two outcomes of one trial; `None` if `tolerant` and they agree within [`TOLERANCE`].
fn difference(before: &Outcome, now: &Outcome, tolerant: bool) -> Option<String> {
    if before.status != now.status {
        return Some(format!("was {}, is {} {}", before.status, now.status, now.reason));
    }
    let pairs = [
        ("log_loss", before.log_loss, now.log_loss),
        ("brier", before.brier, now.brier),
        ("train_accuracy", before.train_accuracy, now.train_accuracy),
        ("train_loss", before.train_loss, now.train_loss),
    ];
    let far = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() > TOLERANCE.loss * a.abs().max(b.abs()).max(0.01),
        _ => a != b,
    };
    let moved = items_moved(before, now);
    let allowed = (f64::from(before.n_test) * TOLERANCE.items).max(2.0);
    let accuracy = |o: &Outcome| o.accuracy().map_or("none".into(), |a| format!("{a}"));
    if before.correct.is_none() && before.reason != now.reason {
        return (!tolerant).then(|| format!("reason was {:?}, is {:?}", before.reason, now.reason));
    }
    if moved as f64 > if tolerant { allowed } else { 0.0 } {
        let (was, is) = (accuracy(before), accuracy(now));
        return Some(format!(
            "{moved} of {} items differ, accuracy was {was}, is {is}",
            before.n_test
        ));
    }
    if let Some((name, was, is)) =
        pairs.into_iter().find(|(_, a, b)| if tolerant { far(*a, *b) } else { a != b })
    {
        return Some(format!("{name} was {was:?}, is {is:?}"));
    }
    (!tolerant || before.steps != now.steps || before.seed != now.seed)
        .then(|| "seed, steps or sizes differ".into())
}

fn items_moved(before: &Outcome, now: &Outcome) -> usize {
    match (&before.correct, &now.correct) {
        (Some(a), Some(b)) if a.len() == b.len() => {
            a.unpack().iter().zip(b.unpack()).filter(|(a, b)| **a != *b).count()
        }
        (None, None) => 0,
        _ => before.n_test as usize,
    }
}

/// Files in `part` of the results that belong to no model.
fn strangers(results: &Path, known: &Path, part: &str) -> Result<Vec<String>> {
    let folder = results.join(part);
    let entries = std::fs::read_dir(&folder).map_err(|error| Error::io(&folder, error))?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    let names: Vec<_> =
        names.collect::<std::io::Result<_>>().map_err(|error| Error::io(&folder, error))?;
    let mut strange: Vec<String> = names
        .into_iter()
        .filter(|name| !known.join(name).exists())
        .map(|name| format!("{part}/{} belongs to no model", name.to_string_lossy()))
        .collect();
    strange.sort();
    Ok(strange)
}

/// Files below `folder` that are not the same in `there`, by their paths below `root`.
fn different_files(root: &Path, folder: &Path, there: &Path) -> Result<Vec<String>> {
    let mut different = Vec::new();
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|error| Error::io(folder, error))?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            different.extend(different_files(root, &path, there)?);
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path);
        let here = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
        match std::fs::read(there.join(name)) {
            Ok(bytes) if bytes == here => {}
            Ok(_) => different.push(format!("{} is not what the tables give", name.display())),
            Err(_) => different.push(format!("{} is missing", name.display())),
        }
    }
    Ok(different)
}
