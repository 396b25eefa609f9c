//! The protocols' promises, on random pools: folds partition, prefixes nest, strata within one, nothing leaks, and a
//! split depends on nothing but its seed, repeat and fold.

mod common;

use std::collections::BTreeSet;

use bench::experiment::{Protocol, ProtocolKind};
use bench::split::{Pool, split, training_capacity};
use common::protocol;
use proptest::prelude::*;

/// A pool with the given class counts, training set first.
struct Owned {
    labels: Vec<u32>,
    classes: usize,
    train_len: usize,
}

impl Owned {
    fn new(train: &[usize], test: &[usize]) -> Self {
        let expand = |counts: &[usize]| -> Vec<u32> {
            counts.iter().enumerate().flat_map(|(c, &count)| vec![c as u32; count]).collect()
        };
        let train_labels = expand(train);
        let train_len = train_labels.len();
        Owned { labels: [train_labels, expand(test)].concat(), classes: train.len(), train_len }
    }

    fn pool(&self) -> Pool<'_> {
        Pool { labels: &self.labels, classes: self.classes, train_len: self.train_len }
    }

    fn counts(&self, items: &[u32]) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        items.iter().for_each(|&i| counts[self.labels[i as usize] as usize] += 1);
        counts
    }
}

/// Every prefix of `order` is within one of the shares that `whole` has.
fn stratified(pool: &Owned, order: &[u32], whole: &[usize]) -> bool {
    let total: usize = whole.iter().sum();
    (1..=order.len()).all(|n| {
        let counts = pool.counts(&order[..n]);
        counts.iter().zip(whole).all(|(&got, &of)| (got * total).abs_diff(n * of) < total)
    })
}

fn cv(sizes: &[u32], folds: u32) -> Protocol {
    protocol(ProtocolKind::RepeatedCv, sizes, 2, folds)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn repeated_cv_keeps_its_promises(
        train in prop::collection::vec(8usize..40, 2..6),
        folds in 2u32..6,
        seed in any::<u64>(),
    ) {
        let pool = Owned::new(&train, &vec![3; train.len()]);
        let whole = training_capacity(&pool.pool(), &cv(&[1], folds)) as u32;
        let protocol = cv(&[1, whole], folds);
        for repeat in 0..2 {
            let splits: Vec<_> =
                (0..folds).map(|fold| split(&pool.pool(), &protocol, seed, repeat, fold)).collect();
            let mut tested: Vec<u32> = splits.iter().flat_map(|s| s.test.clone()).collect();
            tested.sort_unstable();
            prop_assert_eq!(tested, (0..pool.train_len as u32).collect::<Vec<_>>(), "folds partition the pool");
            for s in &splits {
                let test: BTreeSet<u32> = s.test.iter().copied().collect();
                prop_assert!(s.train.iter().all(|i| !test.contains(i)), "nothing held out is trained on");
                prop_assert!(s.train.iter().all(|&i| (i as usize) < pool.train_len), "the test set is left alone");
                prop_assert_eq!(s.train.len(), whole as usize);
                let distinct: BTreeSet<u32> = s.train.iter().copied().collect();
                prop_assert_eq!(distinct.len(), s.train.len(), "no example twice");
                let held_out = pool.counts(&s.test);
                let rest: Vec<usize> = train.iter().zip(&held_out).map(|(a, b)| a - b).collect();
                prop_assert!(stratified(&pool, &s.train, &rest), "strata within one at every n");
                for (count, all) in held_out.iter().zip(&train) {
                    prop_assert!((count * folds as usize).abs_diff(*all) < folds as usize, "folds are stratified");
                }
            }
            let sizes: Vec<usize> = splits.iter().map(|s| s.test.len()).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{:?}", sizes);
        }
    }

    #[test]
    fn holdout_freezes_the_test_set(
        train in prop::collection::vec(5usize..40, 2..6),
        cap in prop::option::of(1u32..20),
        seed in any::<u64>(),
    ) {
        let pool = Owned::new(&train, &vec![7; train.len()]);
        let all = pool.train_len as u32;
        let mut protocol = protocol(ProtocolKind::Holdout, &[all], 3, 1);
        protocol.test_size = cap;
        let splits: Vec<_> = (0..3).map(|r| split(&pool.pool(), &protocol, seed, r, 0)).collect();
        for s in &splits {
            prop_assert_eq!(&s.test, &splits[0].test, "the same items in every repeat");
            prop_assert!(s.test.iter().all(|&i| i >= all), "the official test set alone");
            prop_assert_eq!(s.test.len(), cap.unwrap_or(u32::MAX).min(7 * train.len() as u32) as usize);
            prop_assert!(stratified(&pool, &s.train, &train));
        }
        prop_assert_ne!(&splits[0].train, &splits[1].train, "repeats draw anew");
    }

    #[test]
    fn a_split_depends_on_seed_repeat_and_fold_alone(seed in any::<u64>()) {
        let pool = Owned::new(&[30, 20, 25], &[5, 5, 5]);
        let narrow = split(&pool.pool(), &cv(&[4], 5), seed, 1, 2);
        let mut wide = cv(&[4, 8, 16], 5);
        wide.repeats = 50;
        let wide = split(&pool.pool(), &wide, seed, 1, 2);
        prop_assert_eq!(&wide.train[..4], &narrow.train[..], "sizes nest, and adding sizes or repeats moves nothing");
        prop_assert_eq!(&wide.test, &narrow.test);
        let mut capped = cv(&[4], 5);
        capped.test_size = Some(6);
        let capped = split(&pool.pool(), &capped, seed, 1, 2);
        prop_assert_eq!(capped.train, narrow.train, "a cap on scoring moves no training set");
        prop_assert_eq!(capped.test.len(), 6);
        prop_assert!(capped.test.iter().all(|i| narrow.test.contains(i)));
        let (got, of) = (pool.counts(&capped.test), pool.counts(&narrow.test));
        let fair = got.iter().zip(&of).all(|(&g, &o)| (g * narrow.test.len()).abs_diff(6 * o) < narrow.test.len());
        prop_assert!(fair, "the cap keeps the strata: {:?} of {:?}", got, of);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn small_sample_cv_stays_inside_the_sample(
        train in prop::collection::vec(12usize..40, 2..4),
        folds in 2u32..6,
        seed in any::<u64>(),
    ) {
        let pool = Owned::new(&train, &vec![4; train.len()]);
        let all = pool.train_len as u32;
        let mut protocol = protocol(ProtocolKind::SmallSampleCv, &[all / 3, all / 2], 2, folds);
        protocol.cv_repeats = Some(2);
        prop_assert_eq!(protocol.splits_per_repeat(), 1 + 2 * folds);
        for repeat in 0..2 {
            let refit = split(&pool.pool(), &protocol, seed, repeat, 0);
            prop_assert!(refit.test.iter().all(|&i| i >= all), "the official test set alone");
            let inside: Vec<_> = (1..=2 * folds)
                .map(|fold| split(&pool.pool(), &protocol, seed, repeat, fold))
                .collect();
            for &n in &protocol.sizes {
                let sample: BTreeSet<u32> = refit.train_at(n).iter().copied().collect();
                prop_assert_eq!(sample.len(), n as usize);
                for deal in inside.chunks(folds as usize) {
                    let mut tested: Vec<u32> =
                        deal.iter().flat_map(|s| s.test_at(n).to_vec()).collect();
                    tested.sort_unstable();
                    prop_assert_eq!(tested, sample.iter().copied().collect::<Vec<_>>(), "each once");
                    for class in 0..pool.classes {
                        let counts: Vec<usize> =
                            deal.iter().map(|s| pool.counts(s.test_at(n))[class]).collect();
                        let (most, least) = (counts.iter().max(), counts.iter().min());
                        prop_assert!(most.unwrap() - least.unwrap() <= 1, "{:?}", counts);
                    }
                }
                for s in &inside {
                    let (train, test) = (s.train_at(n), s.test_at(n));
                    prop_assert_eq!(train.len() + test.len(), n as usize);
                    let both: BTreeSet<u32> = train.iter().chain(test).copied().collect();
                    prop_assert_eq!(&both, &sample, "nothing but the n examples");
                }
            }
            let (small, large) = (protocol.sizes[0], protocol.sizes[1]);
            for s in &inside {
                prop_assert!(s.test_at(large).starts_with(s.test_at(small)), "folds nest in n");
            }
            prop_assert_ne!(&inside[0].test, &inside[folds as usize].test, "deals differ");
        }
    }
}

#[test]
fn splits_are_fixed_for_ever() {
    // Made by this code at its first version. A change here changes every published number.
    let pool = Owned::new(&[10, 12], &[3, 3]);
    let s = split(&pool.pool(), &cv(&[6], 3), 20_170_604, 0, 1);
    assert_eq!((s.train, s.test), (vec![11, 4, 21, 3, 15, 2], vec![1, 5, 6, 13, 16, 19, 20]));
}
