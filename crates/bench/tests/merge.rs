//! Joining folders on the way through the disk: the same bytes as from memory, and nothing at all if they disagree.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bench::error::Result;
use bench::experiment::ProtocolKind;
use bench::plan::{TrialKey, plan};
use bench::publish::{self, Derived};
use bench::record::{Outcome, PROCESS_DIED, Record, Status};
use bench::store::{Lock, Merge, Merged, Results, Store};
use bench::summary::Gradual;
use bench::trial::Bench;
use common::{CONSTANT, DIVERGES, ORACLE, PANICS, code, experiment, protocol, read, stderr, tiny};
use nn::Device;
use proptest::prelude::*;
use tempfile::TempDir;

/// More trials than any of these studies has.
const ALL_IN_ONE: u64 = 1 << 15;

fn study(kind: ProtocolKind, kinds: &[&'static models::Kind]) -> Bench {
    let folds = if kind == ProtocolKind::Holdout { 1 } else { 2 };
    let experiment = experiment(protocol(kind, &[4, 6], 3, folds), kinds);
    Bench::new(experiment, tiny(&[20, 30], 5), Device::Cpu).expect("a sound experiment")
}

fn open(bench: &Bench, folder: &Path) -> Store {
    let lock = Lock::new(bench.experiment(), bench.dataset(), Device::Cpu);
    Store::open(folder, &lock).expect("a sound folder")
}

fn keep(bench: &Bench, folder: &Path, records: impl IntoIterator<Item = Record>) {
    let mut store = open(bench, folder);
    records.into_iter().for_each(|record| store.append(record).expect("kept"));
    store.sync().expect("on the disk");
}

fn all_records(bench: &Bench) -> Vec<Record> {
    let run = |key: &TrialKey| bench.run(key, &AtomicBool::new(false)).expect("a record");
    plan(bench.experiment()).iter().map(run).collect()
}

fn merge(bench: &Bench, into: &Path, from: &[&Path], bucket: u64) -> Result<Merged> {
    let from: Vec<PathBuf> = from.iter().map(|&folder| folder.to_owned()).collect();
    let merge = Merge::of(into, &from)?.with_bucket(bucket);
    Ok(merge.write(|repeat, fold| bench.held_out(repeat, fold), &mut ())?.0)
}

/// Every file below `folder` with its bytes, those of `journal/` too if they are `wanted`.
fn files(folder: &Path, journal: bool) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).expect("a folder").map(|entry| entry.expect("one").path()) {
            if path.is_dir() && (journal || !path.ends_with("journal")) {
                folders.push(path);
            } else if path.is_file() {
                let name = path.strip_prefix(folder).expect("below").to_owned();
                found.insert(name, fs::read(path).expect("a file"));
            }
        }
    }
    found
}

fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let tmp = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "tmp");
    files(folder, true).into_keys().filter(tmp).collect()
}

#[test]
fn however_records_are_dealt_the_files_are_those_of_one_store() {
    for kind in ProtocolKind::ALL {
        let bench = study(kind, &[&ORACLE, &CONSTANT, &DIVERGES, &PANICS]);
        let records = all_records(&bench);
        let place = TempDir::new().expect("a folder");
        let path = |name: &str| place.path().join(name);
        // As a sweep does it, which holds all of it in memory.
        keep(&bench, &path("whole"), records.clone());
        drop(open(&bench, &path("whole")).publish(publish::items(&bench)).expect("published"));
        publish::folder(&path("whole")).expect("derived");
        let expected = files(&path("whole"), false);
        assert!(expected.len() > 15, "{:?}", expected.keys());

        // Every record in one of three folders, every fifth in all of them.
        let parts = [0, 1, 2].map(|part| path(&part.to_string()));
        for (part, folder) in parts.iter().enumerate() {
            let some = records.iter().enumerate().filter(|(i, _)| i % 3 == part || i % 5 == 0);
            keep(&bench, folder, some.map(|(_, record)| record.clone()).rev());
        }
        let parts = [&*parts[0], &*parts[1], &*parts[2], &*parts[1]];
        for bucket in [1, 3, ALL_IN_ONE] {
            let target = path(&format!("merged-{bucket}"));
            let merged = merge(&bench, &target, &parts, bucket).expect("they agree");
            let there = records.len() as u64;
            assert_eq!((merged.planned, merged.there, merged.missing.count), (there, there, 0));
            assert_eq!(
                merged.duplicates,
                2 * there.div_ceil(5),
                "a folder named twice is read once"
            );
            let not_ok = records.iter().filter(|r| r.outcome.status != Status::Ok).count();
            assert_eq!(merged.not_ok, not_ok as u64);
            drop(merged);
            publish::folder(&target).expect("derived");
            assert!(files(&target, false) == expected, "{kind}, buckets of {bucket}");
            assert_eq!(unfinished(&target), [] as [PathBuf; 0]);
            let store = open(&bench, &target);
            assert!(records.iter().all(|r| store.get(&r.key) == Some(r)), "its journal has them");
        }

        // Into one of them, and once more: the journal is whole then, and stays as it is.
        merge(&bench, parts[0], &parts, 2).expect("they agree");
        let once = files(parts[0], true);
        merge(&bench, parts[0], &parts[..1], 2).expect("it agrees with itself");
        assert!(files(parts[0], true) == once, "{kind}: nothing to add");
    }
}

#[test]
fn a_summary_on_the_way_has_the_numbers_of_one_from_memory() {
    for kind in ProtocolKind::ALL {
        let bench = study(kind, &[&CONSTANT, &DIVERGES, &PANICS]);
        let place = TempDir::new().expect("a folder");
        let (whole, gradual) = (place.path().join("whole"), place.path().join("gradual"));
        keep(&bench, &whole, all_records(&bench).into_iter().skip(1));
        for target in [&whole, &gradual] {
            let merge = Merge::of(target, std::slice::from_ref(&whole)).expect("sound");
            let mut watch = Gradual::new(merge.lock());
            let merge = merge.with_bucket(3);
            drop(merge.write(|r, f| bench.held_out(r, f), &mut watch).expect("merged"));
            let summary = watch.end().expect("a summary");
            let results = Results::read(target).expect("results");
            let from_memory = Derived::of(&results).expect("derived");
            assert_eq!(format!("{summary:?}"), format!("{:?}", from_memory.summary), "{kind}");
            // What is drawn and written from either is the same, too.
            let [one, two] = [summary, from_memory.summary]
                .map(|summary| Derived::of_summary(summary, vec!["a note".to_owned()]));
            publish::write(&place.path().join("one"), &results.lock, &one).expect("written");
            publish::write(&place.path().join("two"), &results.lock, &two).expect("written");
            let [one, two] = ["one", "two"].map(|name| files(&place.path().join(name), true));
            assert!(one == two && one.contains_key(Path::new("summary.csv")), "{kind}");
        }
    }
}

#[test]
fn folders_that_contradict_each_other_leave_everything_as_it_was() {
    let bench = study(ProtocolKind::RepeatedCv, &[&ORACLE, &CONSTANT]);
    let place = TempDir::new().expect("a folder");
    let [target, other, new] = ["target", "other", "new"].map(|name| place.path().join(name));
    let records = all_records(&bench);
    keep(&bench, &target, records.clone());
    drop(merge(&bench, &target, &[&target], 2).expect("sound"));
    // The last trial of the plan, when all tables have been written but for their names.
    let mut rival = records.last().expect("a record").clone();
    rival.outcome.log_loss = Some(0.25);
    keep(&bench, &other, [rival.clone()]);
    let before = files(place.path(), true);
    for (into, from) in [(&target, &other), (&other, &target), (&new, &target)] {
        let message = merge(&bench, into, &[from, &other], 2).expect_err("a conflict").to_string();
        let expected = format!("the trial {} has another outcome there than in ", rival.key);
        assert!(message.contains(&expected), "{message}");
        for file in ["target/journal/00000.log", "other/journal/00000.log"] {
            assert!(message.contains(file), "{file}: {message}");
        }
        assert!(files(place.path(), true) == before, "{} is as it was", into.display());
    }
    assert!(!new.exists());

    // Within one folder, too.
    fs::copy(other.join("journal/00000.log"), target.join("journal/shard-00001.log"))
        .expect("copied");
    let message = merge(&bench, &new, &[&target], 1).expect_err("a conflict").to_string();
    assert!(message.contains("shard-00001.log: the trial ") && !new.exists(), "{message}");
}

#[test]
fn damage_is_named_with_file_and_byte_and_a_torn_tail_is_passed_over() {
    let bench = study(ProtocolKind::RepeatedCv, &[&ORACLE]);
    let place = TempDir::new().expect("a folder");
    let (source, target) = (place.path().join("source"), place.path().join("target"));
    let records = all_records(&bench);
    keep(&bench, &source, records.clone());
    let log = source.join("journal/00000.log");
    let sound = fs::read(&log).expect("a journal");

    fs::write(&log, &sound[..sound.len() - 1]).expect("torn");
    let merged = merge(&bench, &target, &[&source], 2).expect("what is whole counts");
    assert_eq!(merged.there, records.len() as u64 - 1);
    assert_eq!(merged.missing.first, [records.last().expect("one").key.clone()]);
    assert_eq!(merged.missing.by_model, BTreeMap::from([("oracle".to_owned(), 1)]));
    drop(merged);
    fs::remove_dir_all(&target).expect("removed");

    let mut damaged = sound.clone();
    let line = sound.iter().position(|&byte| byte == b'\n').expect("a line") + 1;
    damaged[line + 60] ^= 1;
    fs::write(&log, &damaged).expect("damaged");
    let message = merge(&bench, &target, &[&source], 2).expect_err("damage").to_string();
    let expected = format!("00000.log: byte {line}: damaged record");
    assert!(message.contains(&expected), "{expected}: {message}");
    assert!(!target.exists(), "nothing is written");
}

#[test]
fn tables_count_where_there_is_no_journal_and_the_journal_has_the_last_word() {
    let bench = study(ProtocolKind::RepeatedCv, &[&ORACLE, &CONSTANT]);
    let place = TempDir::new().expect("a folder");
    let [clone, torn, target] = ["clone", "torn", "target"].map(|name| place.path().join(name));
    let records = all_records(&bench);
    let (oracle, constant): (Vec<_>, Vec<_>) =
        records.iter().cloned().partition(|r| r.key.model == "oracle");
    // Tables alone, as a committed study has them; and of some trials nobody knows what they took.
    keep(&bench, &clone, oracle.clone());
    drop(merge(&bench, &clone, &[&clone], 3).expect("sound"));
    fs::remove_dir_all(clone.join("journal")).expect("removed");
    let timings = read(&clone.join("timings/oracle.csv"));
    let first_two: Vec<&str> = timings.lines().take(3).collect();
    fs::write(clone.join("timings/oracle.csv"), first_two.join("\n") + "\n").expect("cut");
    // A journal whose tables are not worth reading, as a kill between two renames leaves them.
    keep(&bench, &torn, constant.clone());
    drop(merge(&bench, &torn, &[&torn], 3).expect("sound"));
    let scores = read(&torn.join("scores/constant.csv"));
    fs::write(torn.join("scores/constant.csv"), scores.replace(",0.", ",0.9")).expect("damaged");

    let merged = merge(&bench, &target, &[&clone, &torn], 2).expect("they agree");
    assert_eq!((merged.missing.count, merged.duplicates), (0, 0));
    drop(merged);
    assert_eq!(read(&target.join("scores/constant.csv")), scores);
    assert_eq!(read(&target.join("scores/oracle.csv")), read(&clone.join("scores/oracle.csv")));
    assert_eq!(read(&target.join("timings/oracle.csv")), read(&clone.join("timings/oracle.csv")));
    let store = open(&bench, &target);
    assert!(records.iter().all(|r| store.get(&r.key).map(|r| &r.outcome) == Some(&r.outcome)));
}

#[test]
fn what_the_settings_do_not_plan_is_left_out_and_counted() {
    let bench = study(ProtocolKind::RepeatedCv, &[&ORACLE]);
    let place = TempDir::new().expect("a folder");
    let (source, target) = (place.path().join("source"), place.path().join("target"));
    keep(&bench, &source, all_records(&bench));
    let lock = source.join("experiment.lock.toml");
    let fewer = read(&lock).replace("repeats = 3", "repeats = 2");
    fs::write(&lock, fewer).expect("written");
    let merged = merge(&bench, &target, &[&source], 2).expect("sound");
    assert_eq!((merged.planned, merged.there, merged.unplanned), (8, 8, 4));
}

/// How a trial may end, for the order of several records of it.
fn outcome(sound: &Outcome, how: u8) -> Outcome {
    let without = |status, why: &str| {
        Outcome::without_score(sound.seed, sound.n_train, sound.n_test, status, why)
    };
    match how {
        0 => sound.clone(),
        1 => without(Status::Timeout, "no result within 1 s"),
        2 => without(Status::Failed, &format!("{PROCESS_DIED}: signal 9")),
        3 => without(Status::Failed, &format!("{PROCESS_DIED}: signal 11")),
        _ => without(Status::Diverged, "loss is inf"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// One store that has all journals in one folder holds them in memory: it is what a merge must come to.
    #[test]
    fn of_several_records_of_a_trial_the_same_stays_as_in_memory(
        folders in prop::collection::vec(prop::collection::vec((0usize..3, 0u8..5), 0..6), 1..4),
        bucket in 1u64..5,
        repeatable in any::<bool>(),
        into_first in any::<bool>(),
    ) {
        let unsteady = models::find_kind("linfa-decision-tree").expect("a kind");
        let bench = study(ProtocolKind::Holdout, &[if repeatable { &ORACLE } else { unsteady }]);
        let keys = plan(bench.experiment());
        let place = TempDir::new().expect("a folder");
        let path = |name: &str| place.path().join(name);
        drop(open(&bench, &path("memory")));
        let mut count = 0;
        for (number, records) in folders.iter().enumerate() {
            drop(open(&bench, &path(&number.to_string())));
            for &(trial, how) in records {
                let one = path(&format!("of-{count}"));
                let sound = Outcome::empty(trial as u64, 4, 2);
                let sound = Outcome { correct: Some(bench::record::Correctness::pack(&[true, false])), ..sound };
                let record = Record { key: keys[trial].clone(), outcome: outcome(&sound, how), timing: None };
                keep(&bench, &one, [record]);
                for folder in ["memory".to_owned(), number.to_string()] {
                    let log = path(&folder).join(format!("journal/{count:05}.log"));
                    fs::copy(one.join("journal/00000.log"), log).expect("copied");
                }
                count += 1;
            }
        }
        let from: Vec<PathBuf> = (0..folders.len()).map(|number| path(&number.to_string())).collect();
        let from: Vec<&Path> = from.iter().map(|folder| &**folder).collect();
        let target = if into_first { from[0].to_owned() } else { path("merged") };
        let lock = Lock::new(bench.experiment(), bench.dataset(), Device::Cpu);
        let merged = merge(&bench, &target, &from, bucket);
        match Store::open(&path("memory"), &lock) {
            Ok(memory) => {
                let merged = merged.expect("no conflict");
                let outcome = |store: &Store, key| store.get(key).map(|r| r.outcome.clone());
                prop_assert_eq!(merged.duplicates + merged.there, count as u64);
                drop(merged);
                let store = open(&bench, &target);
                for key in &keys {
                    prop_assert_eq!(outcome(&store, key), outcome(&memory, key), "{}", key);
                }
            }
            Err(_) => {
                prop_assert!(merged.is_err());
                prop_assert_eq!(unfinished(place.path()), [] as [PathBuf; 0]);
            }
        }
    }
}

/// A study on a table of ten rows, which its folder has.
fn table_study() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let rows: String =
        (0..20).map(|i| format!("{},{}\n", i * 7 % 20, ["no", "yes"][i % 2])).collect();
    fs::write(folder.path().join("mine.csv"), format!("a,kind\n{rows}")).expect("written");
    let text = "name = \"mine\"\nseed = 3\n[dataset]\nname = \"csv\"\npath = \"mine.csv\"\ntarget = \"kind\"\n\
        [protocol]\nsizes = [4, 8]\nrepeats = 3\nfolds = 2\n[[model]]\nname = \"knn\"\nkind = \"knn\"\n\
        [[model]]\nname = \"floor\"\nkind = \"majority\"\n";
    fs::write(folder.path().join("study.toml"), text).expect("written");
    folder
}

#[test]
fn an_incomplete_plan_has_an_exit_code_of_its_own() {
    let folder = table_study();
    let bench =
        |arguments: &[&str]| common::command(folder.path(), arguments).output().expect("it runs");
    for (shard, out) in [("0/2", "a"), ("1/2", "b")] {
        let swept = bench(&["sweep", "study.toml", "--quiet", "--shard", shard, "--out", out]);
        assert_eq!(code(&swept), 0, "{}", stderr(&swept));
    }
    let early = bench(&["merge", "a", "--out", "whole", "--quiet"]);
    assert_eq!(code(&early), 3, "{}", stderr(&early));
    for line in ["12 of 24 trials are missing:", "  floor: 6", "  knn: 6", "  and 2 more"] {
        assert!(stderr(&early).lines().any(|l| l == line), "{line}: {}", stderr(&early));
    }
    let first = "  knn, n = 4, repeat 0, fold 1\n  knn, n = 4, repeat 1, fold 1\n";
    assert!(stderr(&early).contains(first), "in plan order: {}", stderr(&early));
    assert!(read(&folder.path().join("whole/README.md")).contains("12 of 24 planned trials"));

    // What a killed merge left goes, what lies beside it does not.
    fs::write(folder.path().join("whole/bucket-00000.4711-0.tmp"), "x").expect("written");
    let late = bench(&["merge", "whole", "a", "b", "--quiet"]);
    assert_eq!(code(&late), 0, "{}", stderr(&late));
    assert!(stderr(&late).contains("12 records were of trials that were there already"));
    assert_eq!(unfinished(&folder.path().join("whole")), [] as [PathBuf; 0]);
}

#[test]
fn a_model_that_nothing_is_there_of_is_missing_and_no_error() {
    let folder = table_study();
    let bench =
        |arguments: &[&str]| common::command(folder.path(), arguments).output().expect("it runs");
    let sweep = ["sweep", "study.toml", "--quiet", "--shard", "0/1", "--out", "a"];
    assert_eq!(code(&bench(&[&sweep[..], &["--models", "knn"]].concat())), 0);
    let whole = read(&folder.path().join("a/experiment.lock.toml"));
    let both = format!(
        "{whole}\n[[model]]\nname = \"floor\"\nkind = \"majority\"\nscale = \"standard\"\n"
    );
    fs::write(folder.path().join("a/experiment.lock.toml"), both).expect("written");
    let merged = bench(&["merge", "a", "--quiet"]);
    assert_eq!(code(&merged), 3, "{}", stderr(&merged));
    assert!(stderr(&merged).contains("  floor: 12"), "{}", stderr(&merged));
    assert!(folder.path().join("a/summary.csv").is_file());
}

#[test]
fn what_is_too_large_to_compare_on_the_way_is_told_with_what_makes_it() {
    let folder = table_study();
    let bench =
        |arguments: &[&str]| common::command(folder.path(), arguments).output().expect("it runs");
    assert_eq!(code(&bench(&["sweep", "study.toml", "--quiet", "--out", "a"])), 0);
    assert_eq!(code(&bench(&["merge", "a", "--quiet", "--out", "b", "--compare-up-to", "24"])), 0);
    let large = bench(&["merge", "a", "--quiet", "--out", "c", "--compare-up-to", "23"]);
    assert_eq!(code(&large), 0, "{}", stderr(&large));
    assert!(stderr(&large).contains("`bench report` makes it"), "{}", stderr(&large));
    let (small, large) = (folder.path().join("b"), folder.path().join("c"));
    let readme = read(&large.join("README.md"));
    assert!(readme.contains("24 trials are planned, too many to compare"), "{readme}");
    let (small, large_files) = (files(&small, false), files(&large, false));
    let differ = |name: &&PathBuf| large_files.get(*name) != small.get(*name);
    let differing: Vec<_> =
        small.keys().filter(differ).map(|name| name.display().to_string()).collect();
    let of_comparison = |name: &String| {
        ["README.md", "comparison.csv", "crossings.csv", "sample-efficiency.csv"].contains(&&**name)
            || ["difference-vs-n", "verdicts", "examples-needed"].iter().any(|f| name.contains(f))
    };
    assert!(differing.iter().all(of_comparison), "{differing:?}");
    assert!(large_files.contains_key(Path::new("figures/accuracy-vs-n.svg")));
    assert_eq!(code(&bench(&["report", "c"])), 0);
    let mut made = files(&large, false);
    made.remove(Path::new("report.html"));
    assert!(made == small, "the report makes what was left out");
}

#[test]
fn merging_goes_with_a_sweep_that_is_still_writing() {
    let folder = table_study();
    let study = folder.path().join("study.toml");
    let longer = read(&study).replace("repeats = 3", "repeats = 400");
    fs::write(&study, longer).expect("written");
    let command = |arguments: &[&str]| common::command(folder.path(), arguments);
    let sweep = ["sweep", "study.toml", "--quiet", "--jobs", "1", "--shard", "0/1", "--out", "a"];
    let mut sweep = command(&sweep).stderr(std::process::Stdio::null()).spawn().expect("it runs");
    let lock = folder.path().join("a/experiment.lock.toml");
    while !lock.is_file() && sweep.try_wait().expect("a child").is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let mut codes = Vec::new();
    let mut is_through = false;
    while !is_through {
        is_through = sweep.try_wait().expect("a child").is_some();
        // Into its own folder and into another one, in turn.
        let into = ["a", "b"][codes.len() % 2];
        let merge = ["merge", "a", "--quiet", "--compare-up-to", "0", "--out", into];
        let merged = command(&merge).output().expect("it runs");
        assert!([0, 3].contains(&code(&merged)), "{}", stderr(&merged));
        codes.push(code(&merged));
    }
    assert!(codes.contains(&3), "it never met the sweep at work: {codes:?}");
    for into in ["a", "b"] {
        let merge = ["merge", "a", "--quiet", "--out", into];
        let merged = command(&merge).output().expect("it runs");
        assert_eq!(code(&merged), 0, "{}", stderr(&merged));
        assert_eq!(unfinished(&folder.path().join(into)), [] as [PathBuf; 0]);
    }
    let [a, b] = ["a", "b"].map(|into| files(&folder.path().join(into), false));
    assert!(a == b, "the same, wherever it was merged in the meantime");
}

/// What every earlier version wrote from memory.
#[test]
fn committed_results_come_out_as_they_went_in() {
    let place = TempDir::new().expect("a folder");
    for name in ["iris", "small-sample-cv-4v9", "tuned-4v9"] {
        let mut committed = files(&common::root().join("results").join(name), false);
        committed.retain(|path, _| !path.starts_with("compared") && !path.ends_with("report.html"));
        let [copy, joined] = ["copy", "joined"].map(|sort| place.path().join(sort).join(name));
        for (path, bytes) in &committed {
            let path = copy.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, bytes).expect("copied");
        }
        let [from, into] = [&copy, &joined].map(|path| path.to_str().expect("a path"));
        for arguments in
            [&["merge", from, "--quiet"][..], &["merge", from, "--quiet", "--out", into]]
        {
            let merged = common::bench(arguments);
            assert_eq!(code(&merged), 0, "{name}: {}", stderr(&merged));
        }
        for folder in [&copy, &joined] {
            let now = files(folder, false);
            let differing: Vec<_> =
                now.iter().filter(|(path, bytes)| committed.get(*path) != Some(bytes)).collect();
            let names: Vec<_> = differing.iter().map(|(path, _)| path).collect();
            assert!(names.is_empty() && now.len() == committed.len(), "{name}: {names:?}");
        }
    }
}
