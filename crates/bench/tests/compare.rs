//! Comparisons of results whose verdicts are known exactly: made-up correctness in, findings out.

mod common;

use std::collections::BTreeMap;

use bench::compare::across::Across;
use bench::compare::trust::Trust;
use bench::compare::{Comparison, Finding, Options, Pair, Scope, Verdict, join, rows, words};
use bench::plan::TrialKey;
use bench::record::{Correctness, Outcome, Record, Status};
use bench::store::{Items, Lock, LockedDataset, LockedModel, LockedProtocol, Results};
use stats::curve::{Ratio, Reached};

/// Items of a pool of 400, in five folds, three repeats; item i is in fold (i + repeat · (i / 5)) % 5.
fn fold_of(item: u32, repeat: u32) -> u32 {
    (item + repeat * (item / 5)) % 5
}

const POOL: u32 = 400;

fn lock(models: &[&str], sizes: &[u32]) -> Lock {
    let model = |name: &&str| LockedModel {
        name: (*name).to_owned(),
        kind: "mock".into(),
        scale: "unit".into(),
        settings: BTreeMap::new(),
    };
    Lock {
        format: 1,
        model_code: 1,
        device: "cpu".into(),
        name: "made-up".into(),
        seed: 7,
        dataset: LockedDataset {
            name: "tiny".into(),
            classes: vec!["0".into(), "1".into()],
            sha256: "abc".into(),
            path: None,
            target: None,
        },
        protocol: LockedProtocol {
            kind: "repeated-cv".into(),
            sizes: sizes.to_vec(),
            repeats: 3,
            folds: 5,
            cv_repeats: None,
            test_size: None,
            draws: Default::default(),
        },
        models: models.iter().map(model).collect(),
    }
}

fn outcome(bits: Option<Vec<bool>>, n: u32, items: usize) -> Outcome {
    Outcome {
        status: if bits.is_some() { Status::Ok } else { Status::Diverged },
        correct: bits.map(|bits| Correctness::pack(&bits)),
        ..Outcome::empty(0, n, items as u32)
    }
}

/// What a model gets right: by n, trial (repeat · 5 + fold) and item; `None` if the trial is not ok.
type Rule = fn(u32, u32, u32) -> Option<bool>;

fn results(models: &[(&str, Rule)], sizes: &[u32]) -> Results {
    let names: Vec<&str> = models.iter().map(|(name, _)| *name).collect();
    let mut items = Items::new();
    let mut records = BTreeMap::new();
    for repeat in 0..3 {
        for fold in 0..5 {
            let held: Vec<u32> = (0..POOL).filter(|&i| fold_of(i, repeat) == fold).collect();
            for (name, rule) in models {
                for &n in sizes {
                    let key = TrialKey { model: (*name).into(), n, repeat, fold };
                    let of = |&item: &u32| rule(n, repeat * 5 + fold, item);
                    let bits: Option<Vec<bool>> = held.iter().map(of).collect();
                    let outcome = outcome(bits, n, held.len());
                    records.insert(key.clone(), Record { key, outcome, timing: None });
                }
            }
            items.insert((repeat, fold), held);
        }
    }
    Results { lock: lock(&names, sizes), records, items }
}

/// A number in 0..1000 that looks random and depends on its arguments alone.
fn noise(n: u32, trial: u32, item: u32, salt: u32) -> u32 {
    let mut x = n.wrapping_mul(0x9E37_79B9) ^ trial.wrapping_mul(0x85EB_CA6B);
    x ^= item.wrapping_mul(0xC2B2_AE35) ^ salt.wrapping_mul(0x27D4_EB2F);
    x = (x ^ (x >> 15)).wrapping_mul(0x2C1B_3C6D);
    x = (x ^ (x >> 12)).wrapping_mul(0x297A_2D39);
    (x ^ (x >> 15)) % 1000
}

/// Right on 900 of 1000.
fn good(n: u32, trial: u32, item: u32) -> Option<bool> {
    Some(noise(n, trial, item, 1) < 900)
}

/// Right on 700 of 1000.
fn poor(n: u32, trial: u32, item: u32) -> Option<bool> {
    Some(noise(n, trial, item, 2) < 700)
}

/// Exactly as `good`.
fn twin(n: u32, trial: u32, item: u32) -> Option<bool> {
    good(n, trial, item)
}

/// As `good`, but another one item in two hundred.
fn near_twin(n: u32, trial: u32, item: u32) -> Option<bool> {
    Some((noise(n, trial, item, 1) < 900) ^ (noise(n, trial, item, 9) < 5))
}

/// As good on average, on other items.
fn rival(n: u32, trial: u32, item: u32) -> Option<bool> {
    Some(noise(n, trial, item, 3) < 900)
}

/// 600 of 1000 at n = 10, and 100 more with each doubling.
fn climber(n: u32, trial: u32, item: u32) -> Option<bool> {
    let doublings = (n / 10).ilog2();
    Some(noise(n, trial, item, 4) < 600 + 100 * doublings)
}

/// 750 of 1000 throughout.
fn steady(n: u32, trial: u32, item: u32) -> Option<bool> {
    Some(noise(n, trial, item, 5) < 750)
}

fn compare(results: &Results) -> Comparison {
    Comparison::new(results, &Options::default()).expect("a comparison")
}

fn at(pair: &Pair, n: u32) -> &Finding {
    pair.in_scope(Scope::Population).find(|f| f.n == Some(n)).expect("a finding")
}

#[test]
fn the_four_verdicts() {
    let models: [(&str, Rule); 5] =
        [("good", good), ("poor", poor), ("twin", twin), ("near", near_twin), ("rival", rival)];
    let comparison = compare(&results(&models, &[10, 20]));
    let verdict = |a, b| at(&comparison.against(a, b).expect("a pair"), 10).verdict;
    assert_eq!(verdict(0, 1), Verdict::ABetter);
    assert_eq!(verdict(1, 0), Verdict::BBetter, "the same from the other side");
    assert_eq!(verdict(0, 2), Verdict::Undecided, "identical on 400 items, which are too few");
    assert_eq!(verdict(0, 4), Verdict::Undecided, "equal on average, on other items");
    let pair = comparison.against(0, 1).expect("a pair");
    let finding = at(&pair, 10);
    assert_eq!((finding.pairs, finding.items), (15, 400));
    assert!((finding.estimate.value - 0.2).abs() < 0.03, "{finding:?}");
    assert!(finding.p_holm >= finding.p && finding.p.is_some_and(|p| p < 1e-6), "{finding:?}");
    let regions = finding.regions.expect("variation");
    assert!(
        regions.right > 0.999 && (regions.left + regions.rope + regions.right - 1.0).abs() < 1e-9
    );
    let identical = comparison.against(0, 2).expect("a pair");
    assert_eq!((at(&identical, 10).p, at(&identical, 10).regions), (Some(1.0), None));
    // 1 - .025^(1/400): they may differ on .9 of 100 items, which is more than half a point and less than a point.
    let band = at(&identical, 10).band;
    assert!((band.hi - 0.009_18).abs() < 1e-5 && band.lo == -band.hi, "{band:?}");
    let reason = words::reason(at(&identical, 10), &comparison.options);
    assert!(reason.contains("agreed on all 400 items, which are too few"), "{reason}");
    assert_eq!(identical.whole(Scope::Population).map(|f| f.band), Some(band));
    let wide = Options { rope: 0.01, ..Options::default() };
    let wide = Comparison::new(&results(&models, &[10, 20]), &wide).expect("a comparison");
    let found = wide.against(0, 2).expect("a pair");
    assert_eq!(at(&found, 10).verdict, Verdict::Equivalent);
    let reason = words::reason(at(&found, 10), &wide.options);
    assert!(reason.contains("agreed on all 400 items, so that they differ on less"), "{reason}");
    // The whole curve, over both sizes.
    assert_eq!(pair.whole(Scope::Population).map(|f| f.verdict), Some(Verdict::ABetter));
    assert_eq!(pair.whole(Scope::TestSet).map(|f| f.verdict), Some(Verdict::ABetter));
}

#[test]
fn a_wide_region_makes_small_differences_equivalent() {
    let results = results(&[("good", good), ("near", near_twin)], &[10, 20]);
    let with = |rope| {
        let options = Options { rope, ..Options::default() };
        let comparison = Comparison::new(&results, &options).expect("a comparison");
        at(&comparison.pairs[0], 10).verdict
    };
    assert_eq!(with(0.05), Verdict::Equivalent);
    assert_ne!(with(0.0), Verdict::Equivalent);
}

#[test]
fn overtaking_has_an_interval_and_noise_has_none() {
    let comparison = compare(&results(
        &[("climber", climber), ("steady", steady), ("good", good), ("rival", rival)],
        &[10, 20, 40, 80],
    ));
    let crossing = comparison.against(0, 1).and_then(|pair| pair.crossing).expect("a crossing");
    // .6, .7, .8, .9 meet .75 half an octave after 20: at 28.3.
    assert!(crossing.reliable && crossing.a_overtakes && crossing.share > 0.99, "{crossing:?}");
    assert!(crossing.interval.contains(28.3), "{crossing:?}");
    assert!(crossing.interval.lo > 20.0 && crossing.interval.hi < 40.0, "{crossing:?}");
    let from_the_other_side =
        comparison.against(1, 0).and_then(|pair| pair.crossing).expect("a crossing");
    assert!(!from_the_other_side.a_overtakes);
    let noise = comparison.against(2, 3).expect("a pair");
    assert!(noise.crossing.is_none_or(|c| !c.reliable), "equal models don't cross reliably");
    for crossing in comparison.pairs.iter().filter_map(|pair| pair.crossing.as_ref()) {
        assert!(crossing.interval.contains(crossing.n), "n* outside its interval: {crossing:?}");
    }
    // What counts as reliable does not follow the level of bands and intervals.
    let loose = Options { level: 0.5, ..Options::default() };
    let models: [(&str, Rule); 2] = [("good", good), ("rival", rival)];
    let loose = Comparison::new(&results(&models, &[10, 20, 40, 80]), &loose).expect("compared");
    for crossing in loose.pairs.iter().filter_map(|pair| pair.crossing.as_ref()) {
        assert_eq!(crossing.reliable, crossing.share >= 0.95, "{crossing:?}");
        assert!(!crossing.reliable && crossing.interval.contains(crossing.n), "{crossing:?}");
    }
    let text = words::about_pair(&comparison, &comparison.against(0, 1).expect("a pair")).join(" ");
    assert!(text.contains("climber overtakes steady at about n = "), "{text}");
}

#[test]
fn examples_needed_are_counted_and_censored() {
    let results =
        results(&[("climber", climber), ("steady", steady), ("good", good)], &[10, 20, 40, 80]);
    // Each target counts once, in order, however they are given.
    let options = Options { targets: Some(vec![0.999, 0.85, 0.999]), ..Options::default() };
    let comparison = Comparison::new(&results, &options).expect("a comparison");
    assert_eq!((comparison.targets.as_slice(), comparison.needed.len()), (&[0.85, 0.999][..], 2));
    let reached = |model: usize| comparison.needed[0][model].reached.expect("scores");
    // .8 at 40 and .9 at 80: half an octave, 56.6.
    let Reached::At(n) = reached(0) else { panic!("{:?}", reached(0)) };
    assert!((n - 56.6).abs() < 8.0, "{n}");
    assert!(comparison.needed[0][0].interval.contains(56.6));
    assert_eq!((reached(1), reached(2)), (Reached::MoreThan(80.0), Reached::AtMost(10.0)));
    let ratio = |a, b| comparison.against(a, b).expect("a pair").efficiency[0].ratio;
    assert!(matches!(ratio(0, 2), Ratio::AtLeast(r) if (r - n / 10.0).abs() < 1e-9));
    assert!(matches!(ratio(2, 0), Ratio::AtMost(r) if (r - 10.0 / n).abs() < 1e-9));
    assert!(matches!(ratio(1, 2), Ratio::AtLeast(r) if (r - 8.0).abs() < 1e-9));
}

#[test]
fn only_complete_pairs_count_and_both_counts_are_shown() {
    let gaps: Rule =
        |n, trial, item| if trial == 3 || n == 20 { None } else { poor(n, trial, item) };
    let results = results(&[("good", good), ("gaps", gaps)], &[10, 20, 40]);
    let comparison = compare(&results);
    let pair = &comparison.pairs[0];
    assert_eq!((at(pair, 10).pairs, comparison.planned), (14, 15));
    assert!(pair.in_scope(Scope::Population).all(|f| f.n != Some(20)), "no pair, no finding");
    assert_eq!(pair.whole(Scope::Population).map(|f| f.pairs), Some(14));
    let folder = tempfile::tempdir().expect("a folder");
    rows::write(folder.path(), &comparison).expect("written");
    let table = std::fs::read_to_string(folder.path().join("comparison.csv")).expect("a table");
    assert!(table.contains("good,gaps,10,population,14,15,"), "{table}");
    assert!(table.contains("good,gaps,20,population,0,15,0,,,"), "a missing cell is said: {table}");
    assert!(words::terminal(&comparison).contains("14/15"));
}

#[test]
fn the_same_results_make_the_same_tables() {
    let results = results(&[("climber", climber), ("steady", steady)], &[10, 20, 40]);
    let write = || {
        let folder = tempfile::tempdir().expect("a folder");
        rows::write(folder.path(), &compare(&results)).expect("written");
        common::stable_files(folder.path())
    };
    assert_eq!(write(), write());
}

#[test]
fn models_of_another_folder_pair_if_the_splits_are_the_same() {
    let here = || results(&[("good", good), ("poor", poor)], &[10, 20]);
    let there = || results(&[("good", rival), ("steady", steady)], &[10, 20]);
    let joined = join(here(), there(), "second").expect("the same splits");
    let comparison = compare(&joined);
    assert_eq!(comparison.models, ["good", "poor", "good@second", "steady"]);
    assert_eq!(at(&comparison.against(1, 2).expect("a pair"), 10).verdict, Verdict::BBetter);
    // A label that the other folder has already is not given to a second model of it, nor one of here taken.
    let models: [(&str, Rule); 2] = [("good", rival), ("good@second", poor)];
    let twice = join(here(), results(&models, &[10, 20]), "second").expect("the same splits");
    assert_eq!(compare(&twice).models, ["good", "poor", "good@second@second", "good@second"]);
    let models: [(&str, Rule); 2] = [("good", rival), ("good@second", poor)];
    let both = join(results(&models, &[10, 20]), results(&models, &[10, 20]), "second");
    let names = compare(&both.expect("the same splits")).models;
    assert_eq!(names[2..], ["good@second@second", "good@second@second@second"]);

    type Change = fn(&mut Results);
    let refused = |change: Change| {
        let mut other = there();
        change(&mut other);
        join(here(), other, "second").expect_err("another study").to_string()
    };
    let cases: [(Change, &str); 4] = [
        (|r| r.lock.seed = 8, "seed is 7 here and 8 there"),
        (|r| r.lock.dataset.sha256 = "xyz".into(), "dataset.sha256 is abc here and xyz there"),
        (|r| r.lock.protocol.folds = 4, "protocol.folds is 5 here and 4 there"),
        (
            |r| {
                r.items.insert((1, 2), vec![1, 2, 3]);
            },
            "the held-out items of repeat 1, fold 2 differ",
        ),
    ];
    for (change, expected) in cases {
        let message = refused(change);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn options_out_of_range_are_refused() {
    let results = results(&[("good", good), ("poor", poor)], &[10, 20]);
    let refused =
        |options: Options| Comparison::new(&results, &options).expect_err("refused").to_string();
    let of = Options::default;
    assert!(refused(Options { level: 1.0, ..of() }).contains("--level is 1"));
    assert!(refused(Options { rope: -0.1, ..of() }).contains("--rope is -0.1"));
    assert!(refused(Options { targets: Some(vec![95.0]), ..of() }).contains("--target is 95"));
    let unknown = refused(Options { baseline: Some("goood".into()), ..of() });
    assert!(unknown.contains("no model \"goood\"") && unknown.contains("did you mean \"good\"?"));
    let named = Options { baseline: Some("poor".into()), ..of() };
    let comparison = Comparison::new(&results, &named).expect("a comparison");
    assert_eq!((comparison.baseline, comparison.baseline_named), (1, true));
    assert_eq!(compare(&results).baseline, 0, "the best on average");
}

#[test]
fn ranks_need_ten_independent_experiments() {
    let models: [(&str, Rule); 3] = [("good", good), ("steady", steady), ("poor", poor)];
    let study = |i: usize| {
        let mut results = results(&models, &[10, 20]);
        results.lock.dataset.sha256 = format!("{i}");
        (format!("study-{i}"), results)
    };
    let mut studies: Vec<(String, Results)> = (0..9).map(study).collect();
    let message = Across::of(&studies, 0.95).expect_err("too few").to_string();
    assert!(message.contains("at least 10 of them, and these are 9"), "{message}");
    studies.push(study(8));
    let message = Across::of(&studies, 0.95).expect_err("twice").to_string();
    assert!(message.contains("study-8 and study-8 are of the same data"), "{message}");
    studies[9] = study(9);
    let across = Across::of(&studies, 0.95).expect("ten");
    assert_eq!(across.models, ["good", "steady", "poor"]);
    assert_eq!(across.ranks, [1.0, 2.0, 3.0], "all experiments rank alike");
    assert_eq!(across.p, None);
    // q for three models at 5 % is 2.343 (Demšar 2006, table 5): 2.343 · √(3·4/(6·10)).
    assert!((across.critical_difference - 1.0478).abs() < 1e-3, "{}", across.critical_difference);
    assert_eq!(across.cliques, [(0, 1), (1, 2)], "one rank is within the critical difference");
    assert!(across.csv().starts_with("experiment,model,score,mean_rank\nstudy-0,good,"));
}

/// Results of `small-sample-cv`: four samples at n = 10, two folds of five items each, a test set of 100.
fn small_sample(fold_right: [[usize; 2]; 2], truth: [usize; 2]) -> Results {
    let mut results = results(&[], &[10]);
    results.lock = lock(&["a", "b"], &[10]);
    results.lock.protocol.kind = "small-sample-cv".into();
    (results.lock.protocol.repeats, results.lock.protocol.folds) = (4, 2);
    results.lock.protocol.cv_repeats = Some(1);
    results.items.clear();
    for repeat in 0..4 {
        for fold in 0..3 {
            let items: Vec<u32> = if fold == 0 { (900..1000).collect() } else { (0..5).collect() };
            for (model, name) in ["a", "b"].into_iter().enumerate() {
                let right = match fold {
                    0 => truth[model],
                    fold => fold_right[model][fold as usize - 1],
                };
                let bits = (0..items.len()).map(|i| i < right).collect();
                let key = TrialKey { model: name.into(), n: 10, repeat, fold };
                let outcome = outcome(Some(bits), 10, items.len());
                results.records.insert(key.clone(), Record { key, outcome, timing: None });
            }
            results.items.insert((repeat, fold), items);
        }
    }
    results
}

#[test]
fn cross_validation_is_held_against_the_truth() {
    // Cross-validation says .9 for a and .7 for b; the truth is .6 and .8.
    let results = small_sample([[5, 4], [3, 4]], [60, 80]);
    let trust = Trust::of(&results).expect("valid").expect("small-sample-cv");
    let cell = |model: usize| trust.cells.iter().find(|c| c.model == model).expect("a cell");
    assert!((cell(0).cv - 0.9).abs() < 1e-12 && (cell(0).truth - 0.6).abs() < 1e-12);
    assert!((cell(0).bias - 0.3).abs() < 1e-12 && (cell(1).bias + 0.1).abs() < 1e-12);
    assert_eq!((cell(0).spread, cell(0).samples), (0.0, 4));
    let pair = trust.pairs[0];
    assert_eq!((pair.wrong, pair.significant), (1.0, 0.0), "the wrong winner every time");
    assert!((trust.choices[0].regret - 0.2).abs() < 1e-12 && trust.choices[0].wrong == 1.0);
    // Wilson's interval of four of four: 4/(4 + 1.96²) to 1.
    let interval = trust.choices[0].wrong_interval;
    assert!((interval.lo - 0.5101).abs() < 1e-4 && interval.hi == 1.0, "{interval:?}");
    // The comparison is of the refitted models, on the test set.
    let comparison = compare(&results);
    let finding = at(&comparison.pairs[0], 10);
    assert!((finding.estimate.value + 0.2).abs() < 1e-12 && finding.items == 100, "{finding:?}");
    assert_eq!((finding.pairs, comparison.planned), (4, 4));
    let right = small_sample([[5, 4], [3, 4]], [80, 60]);
    let trust = Trust::of(&right).expect("valid").expect("small-sample-cv");
    assert_eq!((trust.pairs[0].wrong, trust.choices[0].wrong), (0.0, 0.0));
    let tie = small_sample([[4, 4], [4, 4]], [80, 60]);
    let trust = Trust::of(&tie).expect("valid").expect("small-sample-cv");
    assert_eq!((trust.pairs[0].wrong, trust.choices[0].wrong), (0.5, 0.5));
}

#[test]
fn a_single_training_draw_speaks_of_items_alone() {
    let mut one = results(&[("good", good), ("poor", poor)], &[10]);
    one.lock.protocol.kind = "holdout".into();
    one.records.retain(|key, _| key.repeat == 0 && key.fold == 0);
    one.items.retain(|&(repeat, fold), _| (repeat, fold) == (0, 0));
    let comparison = compare(&one);
    let pair = &comparison.pairs[0];
    assert_eq!(pair.in_scope(Scope::TestSet).count(), 0);
    let reason = words::reason(at(pair, 10), &comparison.options);
    assert!(reason.contains("a single training draw, so for new items only"), "{reason}");
    assert!(pair.curve.is_empty(), "one size is no curve");
}
