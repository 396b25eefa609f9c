//! Who trains and who is held out: the splits of an experiment, the same for every model.
//!
//! Pure: labels and a seed in, indices out. A split of `(repeat, fold)` depends on nothing else, so that models, sizes
//! and repeats can be added to an experiment without moving what is there.

use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;

use crate::experiment::{Protocol, ProtocolKind, REFIT_FOLD};
use crate::seed::{shuffle, stream};
use crate::stratify::interleave;

/// The labels of a dataset and where its official test set begins.
#[derive(Clone, Copy, Debug)]
pub struct Pool<'a> {
    /// Class of every item, in `0..classes`; the official training set first.
    pub labels: &'a [u32],
    /// Number of classes.
    pub classes: usize,
    /// Items before this are the training pool, from this on the official test set.
    pub train_len: usize,
}

/// One `(repeat, fold)`: the order in which training examples are taken, and the held-out items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The training set at n is the first n of these: nested, and stratified at every n.
    pub train: Vec<u32>,
    /// The items to be scored, ascending; where they lie inside the n examples, in the order of `train`.
    pub test: Vec<u32>,
    /// Set if the scored items are themselves among the n examples: the places of `test` in `train`, ascending.
    pub inside: Option<Vec<u32>>,
}

impl Split {
    /// The training set at `n`. Of a fold inside the n examples these are the others.
    pub fn train_at(&self, n: u32) -> Cow<'_, [u32]> {
        let first = &self.train[..n as usize];
        let Some(places) = &self.inside else { return Cow::Borrowed(first) };
        let mut scored = places.iter().peekable();
        let others = first
            .iter()
            .enumerate()
            .filter(|(place, _)| scored.next_if(|&&next| next as usize == *place).is_none());
        Cow::Owned(others.map(|(_, &item)| item).collect())
    }

    /// The items scored at `n`: all, or of a fold inside the n examples those among the first n.
    pub fn test_at(&self, n: u32) -> &[u32] {
        let count = match &self.inside {
            Some(places) => places.partition_point(|&place| place < n),
            None => self.test.len(),
        };
        &self.test[..count]
    }
}

/// How many examples a training part is sure to hold under `protocol`.
pub fn training_capacity(pool: &Pool<'_>, protocol: &Protocol) -> usize {
    match protocol.kind {
        ProtocolKind::RepeatedCv => {
            pool.train_len - pool.train_len.div_ceil(protocol.folds as usize)
        }
        ProtocolKind::Holdout | ProtocolKind::SmallSampleCv => pool.train_len,
    }
}

/// The split of `(repeat, fold)`; the training order is cut at the protocol's largest size.
pub fn split(pool: &Pool<'_>, protocol: &Protocol, seed: u64, repeat: u32, fold: u32) -> Split {
    let indices = [u64::from(repeat), u64::from(fold)];
    let (train, held_out, test_stream) = match protocol.kind {
        ProtocolKind::RepeatedCv => {
            let folds = folds(pool, protocol.folds, seed, repeat);
            let (held_out, train) =
                (0..pool.train_len as u32).partition(|&i| folds[i as usize] == fold);
            (train, held_out, stream(seed, "test items", &indices))
        }
        ProtocolKind::SmallSampleCv if fold != REFIT_FOLD => {
            return fold_inside(pool, protocol, seed, repeat, fold - 1);
        }
        ProtocolKind::Holdout | ProtocolKind::SmallSampleCv => {
            let train = (0..pool.train_len as u32).collect();
            let held_out = (pool.train_len as u32..pool.labels.len() as u32).collect();
            // The test set is frozen: the cap, too, picks the same items in every repeat.
            (train, held_out, stream(seed, "test items", &[]))
        }
    };
    let train: Vec<u32> = train;
    let mut test: Vec<u32> = held_out;
    if let Some(cap) = protocol.test_size.map(|cap| cap as usize).filter(|&cap| cap < test.len()) {
        let mut generator = test_stream;
        test = interleave(&test, pool.labels, pool.classes, &mut generator);
        test.truncate(cap);
        test.sort_unstable();
    }
    let train = training_order(pool, protocol, &train, stream(seed, "training order", &indices));
    Split { train, test, inside: None }
}

/// The order in which examples are taken, cut at the largest size.
fn training_order(
    pool: &Pool<'_>,
    protocol: &Protocol,
    from: &[u32],
    mut generator: ChaCha8Rng,
) -> Vec<u32> {
    let mut order = interleave(from, pool.labels, pool.classes, &mut generator);
    order.truncate(protocol.sizes.iter().copied().max().unwrap_or(0) as usize);
    order
}

/// A fold inside the n examples of `repeat`, those on which the refitted model learns; `index` counts the folds of all
/// deals. An example's fold is the same at every n: each class is dealt in its order, k examples at a time, to the
/// folds in a random order, so that at every n the folds are within one of each other in each class.
fn fold_inside(pool: &Pool<'_>, protocol: &Protocol, seed: u64, repeat: u32, index: u32) -> Split {
    let all: Vec<u32> = (0..pool.train_len as u32).collect();
    let order = stream(seed, "training order", &[u64::from(repeat), u64::from(REFIT_FOLD)]);
    let train = training_order(pool, protocol, &all, order);
    let (deal, fold) = (index / protocol.folds, index % protocol.folds);
    let mut generator =
        stream(seed, "folds inside the sample", &[u64::from(repeat), u64::from(deal)]);
    let mut rounds: Vec<Vec<u32>> = vec![Vec::new(); pool.classes];
    let mut places = Vec::new();
    for (place, &item) in train.iter().enumerate() {
        let round = &mut rounds[pool.labels[item as usize] as usize];
        if round.is_empty() {
            round.extend(0..protocol.folds);
            shuffle(round, &mut generator);
        }
        if round.pop() == Some(fold) {
            places.push(place as u32);
        }
    }
    let test = places.iter().map(|&place| train[place as usize]).collect();
    Split { train, test, inside: Some(places) }
}

/// The fold of every item of the training pool in `repeat`: stratified, sizes within one, overall and per class.
fn folds(pool: &Pool<'_>, folds: u32, seed: u64, repeat: u32) -> Vec<u32> {
    let mut generator = stream(seed, "folds", &[u64::from(repeat)]);
    let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); pool.classes];
    for item in 0..pool.train_len as u32 {
        by_class[pool.labels[item as usize] as usize].push(item);
    }
    let mut fold = vec![0; pool.train_len];
    // Dealing goes on where the class before stopped, so that the folds' totals stay within one too.
    let mut next = 0;
    for members in &mut by_class {
        shuffle(members, &mut generator);
        for &item in members.iter() {
            fold[item as usize] = next;
            next = (next + 1) % folds;
        }
    }
    fold
}
