//! What can go wrong with the disk under a store, and that nothing is lost or made up by it.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bench::experiment::{Experiment, ProtocolKind};
use bench::plan::{TrialKey, plan, running_order};
use bench::record::{Outcome, Status};
use bench::store::{Disk, FileSystem, Lock, Log, Merge, Store};
use bench::sweep;
use bench::trial::Bench;
use common::{CONSTANT, ORACLE, experiment, protocol, stable_files, tiny};
use nn::Device;
use tempfile::TempDir;

fn small() -> Bench {
    let experiment = experiment(protocol(ProtocolKind::RepeatedCv, &[2, 4], 3, 2), &[&ORACLE]);
    bench_of(experiment)
}

fn bench_of(experiment: Experiment) -> Bench {
    Bench::new(experiment, tiny(&[20, 30], 5), Device::Cpu).expect("a sound experiment")
}

fn open_on(bench: &Bench, folder: &Path, disk: impl Disk + 'static) -> Store {
    let lock = Lock::new(bench.experiment(), bench.dataset(), Device::Cpu);
    Store::open_on(folder, &lock, Box::new(disk)).expect("a sound folder")
}

fn open(bench: &Bench, folder: &Path) -> Store {
    open_on(bench, folder, FileSystem)
}

/// Runs what is missing on one worker until the store refuses.
fn fill(bench: &Bench, store: &mut Store) -> bench::error::Result<()> {
    let mut missing: Vec<TrialKey> =
        plan(bench.experiment()).into_iter().filter(|key| !store.has(key)).collect();
    running_order(&mut missing);
    sweep::run(bench, &missing, 1, &AtomicBool::new(false), store)?;
    store.sync()
}

fn kept(bench: &Bench, folder: &Path) -> BTreeSet<TrialKey> {
    let store = open(bench, folder);
    plan(bench.experiment()).into_iter().filter(|key| store.has(key)).collect()
}

fn journal(folder: &Path, number: usize) -> PathBuf {
    folder.join("journal").join(format!("{number:05}.log"))
}

/// A disk whose files do what `trouble` says, call by call.
#[derive(Debug)]
struct Misbehaving(fn(call: usize, bytes: usize) -> Trouble);

enum Trouble {
    None,
    /// Only so many bytes are taken.
    Short(usize),
    Fails(ErrorKind),
}

impl Disk for Misbehaving {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn Log>> {
        let inner = FileSystem.create_new(path)?;
        Ok(Box::new(MisbehavingLog { inner, trouble: self.0, calls: 0, broken: false }))
    }
}

#[derive(Debug)]
struct MisbehavingLog {
    inner: Box<dyn Log>,
    trouble: fn(usize, usize) -> Trouble,
    calls: usize,
    broken: bool,
}

impl Write for MisbehavingLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        match (self.trouble)(self.calls, bytes.len()) {
            Trouble::None => self.inner.write(bytes),
            Trouble::Short(most) => self.inner.write(&bytes[..most.min(bytes.len())]),
            Trouble::Fails(kind) => {
                self.broken = kind != ErrorKind::Interrupted;
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Log for MisbehavingLog {
    fn sync(&mut self) -> io::Result<()> {
        assert!(!self.broken, "nothing may be trusted after a failure");
        self.inner.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.inner.cut(length)
    }
}

#[test]
fn short_writes_and_interrupted_calls_change_nothing() {
    let bench = small();
    let (plain, odd) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    fill(&bench, &mut open(&bench, plain.path())).expect("filled");
    let trouble = |call: usize, _| match call % 3 {
        0 => Trouble::Fails(ErrorKind::Interrupted),
        1 => Trouble::Short(call % 7 + 1),
        _ => Trouble::None,
    };
    fill(&bench, &mut open_on(&bench, odd.path(), Misbehaving(trouble))).expect("filled");
    assert_eq!(kept(&bench, odd.path()).len(), 12);
    let records = |folder: &Path| {
        let text = fs::read_to_string(journal(folder, 0)).expect("a journal");
        // Seconds are never the same twice.
        text.lines()
            .map(|line| {
                line.get(9..).unwrap_or(line).split(",\"seconds\"").next().map(str::to_owned)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(records(plain.path()), records(odd.path()));
}

#[test]
fn a_full_disk_ends_the_sweep_keeps_what_was_written_and_resumes() {
    let bench = small();
    let folder = TempDir::new().expect("a folder");
    // The header and five records fit, and eleven bytes of the sixth.
    let trouble = |call, _| match call {
        7 => Trouble::Short(11),
        8.. => Trouble::Fails(ErrorKind::StorageFull),
        _ => Trouble::None,
    };
    let mut store = open_on(&bench, folder.path(), Misbehaving(trouble));
    let message = fill(&bench, &mut store).expect_err("a full disk").to_string();
    assert!(message.contains("00000.log: "), "{message}");
    let again = store.sync().expect_err("it stays so").to_string();
    assert!(again.contains("writing failed before"), "{again}");
    drop(store);
    assert_eq!(kept(&bench, folder.path()).len(), 5);
    fill(&bench, &mut open(&bench, folder.path())).expect("there is room again");
    assert_eq!(kept(&bench, folder.path()).len(), 12);
}

/// A disk that keeps in memory what was not synced, as a machine does that then loses power, and whose `fail`th sync
/// fails.
#[derive(Clone, Debug, Default)]
struct Volatile {
    syncs: Arc<AtomicUsize>,
    fail: usize,
}

#[derive(Debug)]
struct VolatileLog {
    inner: Box<dyn Log>,
    pending: Mutex<Vec<u8>>,
    disk: Volatile,
}

impl Disk for Volatile {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn Log>> {
        let inner = FileSystem.create_new(path)?;
        Ok(Box::new(VolatileLog { inner, pending: Mutex::default(), disk: self.clone() }))
    }
}

impl Write for VolatileLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.lock().expect("one thread").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log for VolatileLog {
    fn sync(&mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut *self.pending.lock().expect("one thread"));
        if self.disk.syncs.fetch_add(1, Ordering::Relaxed) + 1 == self.disk.fail {
            return Err(io::Error::other("the disk says no")); // and the pages are gone
        }
        self.inner.write_all(&pending)?;
        self.inner.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.inner.cut(length)
    }
}

/// A disk whose files read back well at once, as from a system's memory, but whose second sync fails; its files can or
/// can't be cut.
#[derive(Clone, Debug)]
struct Forgetful {
    can_cut: bool,
}

#[derive(Debug)]
struct ForgetfulLog(Box<dyn Log>, bool, usize);

impl Disk for Forgetful {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn Log>> {
        Ok(Box::new(ForgetfulLog(FileSystem.create_new(path)?, self.can_cut, 0)))
    }
}

impl Write for ForgetfulLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Log for ForgetfulLog {
    fn sync(&mut self) -> io::Result<()> {
        self.2 += 1;
        if self.2 == 2 { Err(io::Error::other("the disk says no")) } else { self.0.sync() }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        if self.1 { self.0.cut(length) } else { Err(ErrorKind::Unsupported.into()) }
    }
}

#[test]
fn after_a_failed_sync_a_resume_trusts_what_is_on_the_disk_alone() {
    let bench = small();
    let trials = plan(bench.experiment());
    for (can_cut, stays) in [(true, 2), (false, 0)] {
        let folder = TempDir::new().expect("a folder");
        let mut store = open_on(&bench, folder.path(), Forgetful { can_cut });
        for (i, key) in trials.iter().take(5).enumerate() {
            store.append(bench.run(key, &AtomicBool::new(false)).expect("a record")).expect("kept");
            if i == 1 {
                store.sync().expect("on the disk");
            }
        }
        let message = store.sync().expect_err("the disk says no").to_string();
        assert!(message.contains("the disk says no; "), "{message}");
        drop(store);
        assert_eq!(kept(&bench, folder.path()).len(), stays, "can be cut: {can_cut}");
        fill(&bench, &mut open(&bench, folder.path())).expect("resumed");
        assert_eq!(kept(&bench, folder.path()).len(), 12);
    }
}

#[test]
fn what_was_synced_outlives_a_power_cut() {
    let bench = small();
    let folder = TempDir::new().expect("a folder");
    let mut store = open_on(&bench, folder.path(), Volatile::default());
    let trials = plan(bench.experiment());
    let stop = AtomicBool::new(false);
    for (i, key) in trials.iter().take(6).enumerate() {
        store.append(bench.run(key, &stop).expect("a record")).expect("kept");
        if i == 3 {
            store.sync().expect("on the disk");
        }
    }
    drop(store); // two records were never synced
    assert_eq!(kept(&bench, folder.path()).into_iter().collect::<Vec<_>>(), {
        let mut first: Vec<TrialKey> = trials[..4].to_vec();
        first.sort();
        first
    });
    fill(&bench, &mut open(&bench, folder.path())).expect("resumed");
    assert_eq!(kept(&bench, folder.path()).len(), 12);
}

#[test]
fn a_failed_sync_is_not_tried_again_and_nothing_after_it_is_trusted() {
    let bench = small();
    let folder = TempDir::new().expect("a folder");
    let disk = Volatile { fail: 1, ..Volatile::default() };
    let syncs = disk.syncs.clone();
    let mut store = open_on(&bench, folder.path(), disk);
    let message = fill(&bench, &mut store).expect_err("the disk says no").to_string();
    assert!(message.contains("the disk says no"), "{message}");
    let key = &plan(bench.experiment())[0];
    let record = bench.run(key, &AtomicBool::new(false)).expect("a record");
    assert!(store.append(record).is_err(), "the file has a hole now");
    assert!(store.sync().is_err());
    assert_eq!(syncs.load(Ordering::Relaxed), 1, "asking again would prove nothing");
}

#[test]
fn work_waits_a_second_for_the_disk_at_most_even_if_no_record_follows() {
    let bench = small();
    let folder = TempDir::new().expect("a folder");
    let disk = Volatile::default();
    let syncs = disk.syncs.clone();
    let mut store = open_on(&bench, folder.path(), disk);
    let record = bench.run(&plan(bench.experiment())[0], &AtomicBool::new(false));
    store.append(record.expect("a record")).expect("kept");
    // Whoever looks only now must find it due; `sweep` looks often enough for a second not to pass.
    std::thread::sleep(Duration::from_millis(1000 - 200));
    sweep::Sink::idle(&mut store).expect("idle");
    assert_eq!(syncs.load(Ordering::Relaxed), 1, "a second is nearly over");
    assert_eq!(kept(&bench, folder.path()).len(), 1);
}

#[test]
fn a_torn_tail_swallows_nothing_that_comes_after_it() {
    let bench = small();
    let folder = TempDir::new().expect("a folder");
    fill(&bench, &mut open(&bench, folder.path())).expect("filled");
    let path = journal(folder.path(), 0);
    let bytes = fs::read(&path).expect("a journal");
    let last = bytes[..bytes.len() - 1].iter().rposition(|&b| b == b'\n').expect("lines") + 1;
    for end in [last + 1, last + 40, bytes.len() - 1] {
        for other in 1..4 {
            let _ = fs::remove_file(journal(folder.path(), other));
        }
        fs::write(&path, &bytes[..end]).expect("torn");
        assert_eq!(kept(&bench, folder.path()).len(), 11, "torn at {end}");
        fill(&bench, &mut open(&bench, folder.path())).expect("appended");
        for _ in 0..2 {
            assert_eq!(kept(&bench, folder.path()).len(), 12, "torn at {end}, then opened again");
        }
    }
}

#[test]
fn a_clock_that_was_moved_back_is_of_no_account() {
    let bench = small();
    let folder = TempDir::new().expect("a folder");
    fill(&bench, &mut open(&bench, folder.path())).expect("filled");
    let file = fs::File::options().append(true).open(journal(folder.path(), 0)).expect("a journal");
    let later = fs::metadata(journal(folder.path(), 0)).and_then(|m| m.modified()).expect("a time")
        + Duration::from_secs(400_000_000);
    file.set_modified(later).expect("a file of the future");
    assert_eq!(kept(&bench, folder.path()).len(), 12);
}

#[test]
fn results_on_other_data_or_of_another_format_are_refused() {
    let bench = small();
    let folder = TempDir::new().expect("a folder");
    fill(&bench, &mut open(&bench, folder.path())).expect("filled");
    let refused = |lock: &Lock| Store::open(folder.path(), lock).expect_err("refused").to_string();

    let other = Bench::new(bench.experiment().clone(), tiny(&[20, 31], 5), Device::Cpu);
    let other = other.expect("a sound experiment");
    let message = refused(&Lock::new(other.experiment(), other.dataset(), Device::Cpu));
    assert!(message.contains("dataset.sha256 is "), "{message}");

    let lock = Lock::new(bench.experiment(), bench.dataset(), Device::Cpu);
    let path = journal(folder.path(), 0);
    let text = fs::read_to_string(&path).expect("a journal");
    fs::write(&path, text.replacen("bench-journal 1", "bench-journal 2", 1)).expect("written");
    let message = refused(&lock);
    assert!(message.contains("00000.log: byte 0: no journal of this version"), "{message}");
    fs::write(&path, &text).expect("written");

    let path = folder.path().join("experiment.lock.toml");
    let text = fs::read_to_string(&path).expect("a lock");
    fs::write(&path, text.replacen("format = 1", "format = 2", 1)).expect("written");
    let message = refused(&lock);
    assert!(message.contains("format 2 is not 1"), "{message}");
}

#[test]
fn degenerate_studies_have_defined_summaries() {
    // One repeat, everything right, or everything of one class wrong; a single fold's worth of variation.
    let one = experiment(protocol(ProtocolKind::RepeatedCv, &[2], 1, 2), &[&ORACLE, &CONSTANT]);
    let single = experiment(protocol(ProtocolKind::Holdout, &[2], 1, 1), &[&ORACLE, &CONSTANT]);
    // Folds of one item inside four examples: a single class is held out.
    let inside =
        experiment(protocol(ProtocolKind::SmallSampleCv, &[4], 2, 4), &[&ORACLE, &CONSTANT]);
    for experiment in [one, single, inside] {
        let bench = bench_of(experiment);
        let folder = TempDir::new().expect("a folder");
        let mut store = open(&bench, folder.path());
        fill(&bench, &mut store).expect("filled");
        store.publish(bench::publish::items(&bench)).expect("published");
        let summary = bench::publish::folder(folder.path()).expect("a summary").summary;
        for cell in &summary.cells {
            let accuracy = cell.accuracy.as_ref().expect("an accuracy");
            let interval = accuracy.interval;
            assert!(0.0 <= interval.lo && interval.lo <= accuracy.mean, "{cell:?}");
            assert!(accuracy.mean <= interval.hi && interval.hi <= 1.0, "{cell:?}");
            assert!(
                interval.lo < interval.hi,
                "an interval of no width claims certainty: {cell:?}"
            );
        }
        for (name, bytes) in stable_files(folder.path()) {
            assert!(
                !name.ends_with(".svg") || !String::from_utf8_lossy(&bytes).contains("NaN"),
                "{name}"
            );
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            let text_file = name.ends_with(".csv") || name.ends_with(".md");
            assert!(!text_file || !(text.contains("nan") || text.contains("inf,")), "{name}");
        }
    }
}

/// Results of `small` in a fresh clone: tables, but no journal.
fn cloned(folder: &Path) {
    let bench = small();
    let mut store = open(&bench, folder);
    fill(&bench, &mut store).expect("filled");
    store.publish(bench::publish::items(&bench)).expect("published");
    fs::remove_dir_all(folder.join("journal")).expect("a clone has none");
}

#[test]
fn a_kill_between_two_tables_leaves_a_folder_that_opens_and_comes_out_the_same() {
    let mut larger = experiment(protocol(ProtocolKind::RepeatedCv, &[8], 3, 2), &[&ORACLE]);
    larger.protocol.sizes = vec![8];
    let larger = bench_of(larger);
    let (whole, cut) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    for folder in [&whole, &cut] {
        cloned(folder.path());
    }
    let run = |folder: &Path| {
        let mut store = open(&larger, folder);
        fill(&larger, &mut store).expect("filled");
        store.publish(bench::publish::items(&larger)).expect("published");
    };
    run(whole.path());
    let tables = ["scores/oracle.csv", "timings/oracle.csv", "predictions/oracle.csv.gz"];
    let before = tables.map(|name| fs::read(cut.path().join(name)).expect("a table"));
    run(cut.path());
    // Renamed into place so far: the first one, or two.
    for renamed in 1..tables.len() {
        for at in renamed..tables.len() {
            fs::write(cut.path().join(tables[at]), &before[at]).expect("as before");
        }
        assert!(bench::store::Results::read(cut.path()).is_err(), "{renamed} renamed: torn");
        run(cut.path());
        assert_eq!(stable_files(whole.path()), stable_files(cut.path()), "{renamed} renamed");
    }
}

/// Joins `from` into `into` as `bench merge` does.
fn merge(bench: &Bench, into: &Path, from: &[PathBuf]) -> bench::error::Result<()> {
    let held_out = |repeat, fold| bench.held_out(repeat, fold);
    Merge::of(into, from)?.write(held_out, &mut ()).map(drop)
}

/// The outcome of the first trial of `small` with another seed in it, in a folder of its own.
fn rival(bench: &Bench, folder: &Path, change: impl Fn(&mut bench::record::Outcome)) -> TrialKey {
    let key = plan(bench.experiment())[0].clone();
    let mut record = bench.run(&key, &AtomicBool::new(false)).expect("a record");
    change(&mut record.outcome);
    let mut store = open(bench, folder);
    store.append(record).expect("kept");
    store.sync().expect("on the disk");
    key
}

#[test]
fn merging_into_a_folder_holds_its_own_results_against_the_others_first() {
    let bench = small();
    let folder = || TempDir::new().expect("a folder");
    let (target, other) = (folder(), folder());
    fill(&bench, &mut open(&bench, target.path())).expect("filled");
    let key = rival(&bench, other.path(), |outcome| outcome.log_loss = Some(0.5));
    let journal = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder.join("journal")).expect("a journal");
        entries.flatten().map(|entry| entry.path()).collect()
    };
    let before = journal(target.path());
    let folders = [other.path().to_owned()];
    let message = merge(&bench, target.path(), &folders).expect_err("a conflict").to_string();
    assert!(message.contains(&format!("the trial {key} has another outcome")), "{message}");
    assert_eq!(journal(target.path()), before, "nothing is written");
    assert_eq!(kept(&bench, target.path()).len(), 12, "it still opens");

    // As one of the folders, and in tables without a journal, it is no different.
    let both = [target.path().to_owned(), other.path().to_owned()];
    assert!(merge(&bench, folder().path(), &both).is_err());
    let clone = folder();
    cloned(clone.path());
    assert!(merge(&bench, clone.path(), &folders).is_err());
}

#[test]
fn what_a_time_limit_ended_never_takes_the_place_of_a_result() {
    let bench = small();
    let folder = || TempDir::new().expect("a folder");
    let (target, slow) = (folder(), folder());
    fill(&bench, &mut open(&bench, target.path())).expect("filled");
    let key = rival(&bench, slow.path(), |outcome| {
        let Outcome { seed, n_train, n_test, .. } = *outcome;
        *outcome = Outcome::without_score(seed, n_train, n_test, Status::Timeout, "no result");
    });
    let merged = |into: &Path, from: &Path| {
        merge(&bench, into, &[from.to_owned()]).expect("no conflict");
        open(&bench, into).get(&key).map(|record| record.outcome.status)
    };
    assert_eq!(merged(target.path(), slow.path()), Some(Status::Ok));
    assert!(!journal(target.path(), 1).exists(), "nothing to add");
    assert_eq!(merged(slow.path(), target.path()), Some(Status::Ok), "the other way it does");
    assert_eq!(kept(&bench, slow.path()).len(), 12, "and reads back");
}

#[test]
fn folders_of_other_settings_are_not_merged() {
    let folder = || TempDir::new().expect("a folder");
    let (target, other) = (folder(), folder());
    fill(&small(), &mut open(&small(), target.path())).expect("filled");
    let mut reseeded = small().experiment().clone();
    reseeded.seed = 8;
    let reseeded = bench_of(reseeded);
    fill(&reseeded, &mut open(&reseeded, other.path())).expect("filled");
    let folders = [other.path().to_owned()];
    let message = Merge::of(target.path(), &folders).expect_err("another seed").to_string();
    assert!(
        message.contains("is of other settings than ") && message.contains("seed is "),
        "{message}"
    );
}

#[test]
fn sweeps_that_start_together_all_find_their_way_into_the_lock() {
    let folder = TempDir::new().expect("a folder");
    for round in 0..5 {
        let folder = folder.path().join(round.to_string());
        let sizes: Vec<u32> = (2..10).collect();
        std::thread::scope(|scope| {
            for &n in &sizes {
                let folder = &folder;
                scope.spawn(move || {
                    let one =
                        experiment(protocol(ProtocolKind::RepeatedCv, &[n], 1, 2), &[&ORACLE]);
                    fill(&bench_of(one.clone()), &mut open(&bench_of(one), folder))
                        .expect("filled");
                });
            }
        });
        let lock = Lock::read(&folder).expect("sound").expect("a lock");
        assert_eq!(lock.protocol.sizes, sizes, "round {round}");
    }
}

#[test]
fn whoever_publishes_last_publishes_what_all_have_computed() {
    let folder = TempDir::new().expect("a folder");
    let of = |kind: &'static models::Kind| {
        bench_of(experiment(protocol(ProtocolKind::RepeatedCv, &[2, 4], 3, 2), &[kind]))
    };
    let (first, second) = (of(&ORACLE), of(&CONSTANT));
    let (mut one, mut two) = (open(&first, folder.path()), open(&second, folder.path()));
    fill(&first, &mut one).expect("filled");
    fill(&second, &mut two).expect("filled");
    drop(one.publish(bench::publish::items(&first)).expect("published"));
    drop(two.publish(bench::publish::items(&second)).expect("published"));
    let results = bench::store::Results::read(folder.path()).expect("results");
    assert_eq!(results.records.len(), 24);
}
