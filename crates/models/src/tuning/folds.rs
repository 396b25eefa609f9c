//! The inner folds: stratified, dealt from the trial's seed.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::classifier::TrainingSet;

/// Inner folds; fewer where the smallest class has fewer examples.
pub const MAX_FOLDS: usize = 5;

/// What is drawn for tuning: ChaCha's stream number, beside the streams 1 to 3 of `nn::random`. Part of the results'
/// format.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// The order in which rows are dealt into folds.
    Deal = 16,
    /// The seeds of the inner fits.
    Seeds = 17,
}

/// The stream of a trial's seed for a purpose.
pub(super) fn stream(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(purpose as u64);
    rng
}

/// One inner fold: row numbers of the training set, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The rows to learn from: every class is among them.
    pub train: Vec<usize>,
    /// The rows left out.
    pub test: Vec<usize>,
}

/// The inner folds of a trial with this seed: each row is left out once, fold sizes are within one overall and per
/// class. `None` if a class has fewer than two examples, since a fold would then have nothing to learn it from.
///
/// The rows are shuffled without regard to their labels, and the classes dealt in the order in which they come up, so
/// that the folds do not depend on how classes are numbered.
pub fn inner_folds(train: &TrainingSet<'_>, seed: u64) -> Option<Vec<Fold>> {
    let smallest = train.class_counts().into_iter().min().unwrap_or(0);
    if smallest < 2 {
        return None;
    }
    let count = smallest.min(MAX_FOLDS);
    let mut order: Vec<usize> = (0..train.rows()).collect();
    shuffle(&mut order, &mut stream(seed, Purpose::Deal));
    let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); train.classes()];
    let mut met: Vec<u32> = Vec::new();
    for &row in &order {
        let label = train.labels()[row];
        by_class[label as usize].push(row);
        if !met.contains(&label) {
            met.push(label);
        }
    }
    let mut fold_of = vec![0; train.rows()];
    let dealt = met.iter().flat_map(|&label| &by_class[label as usize]);
    for (place, &row) in dealt.enumerate() {
        fold_of[row] = place % count;
    }
    let rows = |keep: &dyn Fn(usize) -> bool| {
        (0..train.rows()).filter(|&row| keep(fold_of[row])).collect::<Vec<usize>>()
    };
    Some(
        (0..count)
            .map(|fold| Fold { train: rows(&|f| f != fold), test: rows(&|f| f == fold) })
            .collect(),
    )
}

/// Shuffles in place: Fisher and Yates, from the end, written out so that no library's update moves a fold.
fn shuffle(items: &mut [usize], rng: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(i as u64 + 1, rng) as usize);
    }
}

/// A uniform draw from `0..bound`, without bias: draws in the incomplete last stretch are thrown away.
fn below(bound: u64, rng: &mut ChaCha8Rng) -> u64 {
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let draw = rng.next_u64();
        if draw < limit {
            return draw % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::{Features, Shape};

    fn folds(labels: &[u32], seed: u64) -> Option<Vec<Fold>> {
        let values = vec![0.0; labels.len()];
        let classes = labels.iter().max().map_or(0, |&l| l as usize + 1);
        let set = TrainingSet::new(Features::new(&values, Shape::table(1)), labels, classes);
        inner_folds(&set.unwrap(), seed)
    }

    #[test]
    fn each_row_is_left_out_once_and_every_class_stays_to_learn_from() {
        for (counts, expected) in [(vec![5, 5], 5), (vec![2, 9], 2), (vec![13, 7, 20], 5)] {
            let labels: Vec<u32> =
                counts.iter().enumerate().flat_map(|(c, &n)| vec![c as u32; n]).collect();
            let folds = folds(&labels, 3).unwrap();
            assert_eq!(folds.len(), expected, "{counts:?}");
            let mut left_out: Vec<usize> = folds.iter().flat_map(|f| f.test.clone()).collect();
            left_out.sort_unstable();
            assert_eq!(left_out, (0..labels.len()).collect::<Vec<_>>());
            for fold in &folds {
                assert!(fold.train.iter().all(|row| !fold.test.contains(row)));
                assert_eq!(fold.train.len() + fold.test.len(), labels.len());
                assert!(fold.test.len().abs_diff(labels.len() / expected) <= 1);
                for (class, &count) in counts.iter().enumerate() {
                    let of_class =
                        fold.test.iter().filter(|&&row| labels[row] == class as u32).count();
                    assert!(of_class.abs_diff(count / expected) <= 1, "{counts:?}: {of_class}");
                    assert!(of_class < count, "class {class} has nothing left to learn from");
                }
            }
        }
    }

    #[test]
    fn folds_depend_on_the_seed_and_not_on_the_numbers_of_the_classes() {
        let labels: Vec<u32> = (0..30).map(|i| i % 3).collect();
        let renamed: Vec<u32> = labels.iter().map(|l| (l + 1) % 3).collect();
        assert_eq!(folds(&labels, 1), folds(&renamed, 1));
        assert_ne!(folds(&labels, 1), folds(&labels, 2));
    }

    #[test]
    fn a_class_with_one_example_has_no_folds() {
        assert_eq!(folds(&[0, 0, 0, 1], 1), None);
    }

    #[test]
    fn the_deal_is_fixed_for_ever() {
        // Made by this code at its first version: a change here moves the choice of every tuned model.
        let folds = folds(&[0, 1, 0, 1, 0, 1, 0, 1], 20170604).unwrap();
        let left_out: Vec<&[usize]> = folds.iter().map(|fold| &fold.test[..]).collect();
        assert_eq!(left_out, [[3, 6], [0, 5], [1, 4], [2, 7]]);
    }
}
