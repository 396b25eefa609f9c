//! Who trains and who is held out: the splits of an experiment, the same for every model.
//!
//! Pure: labels and a seed in, indices out. A split of `(repeat, fold)` depends on nothing else, so that models, sizes
//! and repeats can be added to an experiment without moving what is there.

use crate::experiment::{Protocol, ProtocolKind};
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
    /// The items to be scored, ascending.
    pub test: Vec<u32>,
}

/// How many examples a training part is sure to hold under `protocol`.
pub fn training_capacity(pool: &Pool<'_>, protocol: &Protocol) -> usize {
    match protocol.kind {
        ProtocolKind::RepeatedCv => {
            pool.train_len - pool.train_len.div_ceil(protocol.folds as usize)
        }
        ProtocolKind::Holdout => pool.train_len,
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
        ProtocolKind::Holdout => {
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
    let mut generator = stream(seed, "training order", &indices);
    let mut train = interleave(&train, pool.labels, pool.classes, &mut generator);
    train.truncate(protocol.sizes.iter().copied().max().unwrap_or(0) as usize);
    Split { train, test }
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
