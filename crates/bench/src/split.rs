//! Who trains and who is held out: the splits of an experiment, the same for every model.
//!
//! Pure: labels and a seed in, indices out. A split of `(repeat, fold)` depends on nothing else, so that models, sizes
//! and repeats can be added to an experiment without moving what is there.

use std::borrow::Cow;
use std::ops::Range;

use rand_chacha::ChaCha8Rng;

use crate::experiment::{Draws, Protocol, ProtocolKind, REFIT_FOLD, Validation};
use crate::seed::{below, shuffle, stream};
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
    /// The training set at n is the first n of these: nested, and stratified at every n. Where sizes are drawn anew, the
    /// draws of all sizes one after another.
    pub train: Vec<u32>,
    /// Set if every size is drawn anew: the sizes and where the draw of each begins in `train`.
    pub draws: Option<Vec<(u32, usize)>>,
    /// The items to be scored, ascending; where they lie inside the n examples, in the order of `train`.
    pub test: Vec<u32>,
    /// Set if the scored items are themselves among the n examples: the places of `test` in `train`, ascending.
    pub inside: Option<Vec<u32>>,
}

impl Split {
    /// The training set at `n`. Of a fold inside the n examples these are the others.
    pub fn train_at(&self, n: u32) -> Cow<'_, [u32]> {
        let first = &self.train[self.place_of(n)];
        let Some(places) = &self.inside else { return Cow::Borrowed(first) };
        let mut scored = places.iter().peekable();
        let others = first
            .iter()
            .enumerate()
            .filter(|(place, _)| scored.next_if(|&&next| next as usize == *place).is_none());
        Cow::Owned(others.map(|(_, &item)| item).collect())
    }

    /// Where the training set at `n` lies in `train`.
    ///
    /// # Panics
    /// If sizes are drawn anew and `n` is none of them: a defect of the caller.
    pub fn place_of(&self, n: u32) -> Range<usize> {
        let start = self.draws.as_ref().map_or(0, |draws| {
            let draw = draws.iter().find(|(size, _)| *size == n);
            draw.expect("a size of the protocol").1
        });
        start..start + n as usize
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
        ProtocolKind::Holdout | ProtocolKind::SmallSampleCv => {
            pool.train_len - set_aside(pool, &protocol.draws)
        }
    }
}

/// How many examples of the training pool are held out in place of the official test set.
fn set_aside(pool: &Pool<'_>, draws: &Draws) -> usize {
    draws.held_out.map_or(0, |share| (share * pool.train_len as f64).round() as usize)
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
            let (train, held_out) = frozen(pool, &protocol.draws, seed);
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
    let (train, draws) = training(pool, protocol, &train, seed, indices);
    Split { train, draws, test, inside: None }
}

/// The training pool and the items to be scored, the same in every repeat.
fn frozen(pool: &Pool<'_>, draws: &Draws, seed: u64) -> (Vec<u32>, Vec<u32>) {
    let mut train: Vec<u32> = (0..pool.train_len as u32).collect();
    let mut held_out: Vec<u32> = (pool.train_len as u32..pool.labels.len() as u32).collect();
    if draws.held_out.is_some() {
        let mut generator = stream(seed, "held out", &[]);
        if draws.stratified {
            train = interleave(&train, pool.labels, pool.classes, &mut generator);
        } else {
            shuffle(&mut train, &mut generator);
        }
        held_out = train.drain(..set_aside(pool, draws)).collect();
        train.sort_unstable();
        held_out.sort_unstable();
    }
    if draws.validation == Some(Validation::TestHalf) {
        held_out.drain(..held_out.len() / 2);
    }
    (train, held_out)
}

/// The training examples of `(repeat, fold)`, and where each size begins if sizes are drawn anew.
fn training(
    pool: &Pool<'_>,
    protocol: &Protocol,
    from: &[u32],
    seed: u64,
    [repeat, fold]: [u64; 2],
) -> (Vec<u32>, Option<Vec<(u32, usize)>>) {
    let purpose = "training order";
    if protocol.draws.nested {
        let generator = stream(seed, purpose, &[repeat, fold]);
        return (training_order(pool, protocol, from, generator), None);
    }
    let (mut train, mut draws) = (Vec::new(), Vec::new());
    for &n in &protocol.sizes {
        draws.push((n, train.len()));
        let mut generator = stream(seed, purpose, &[repeat, fold, n.into()]);
        train.extend(draw(pool, &protocol.draws, from, n as usize, &mut generator));
    }
    (train, Some(draws))
}

/// The order in which examples are taken, cut at the largest size.
fn training_order(
    pool: &Pool<'_>,
    protocol: &Protocol,
    from: &[u32],
    mut generator: ChaCha8Rng,
) -> Vec<u32> {
    let largest = protocol.sizes.iter().copied().max().unwrap_or(0) as usize;
    draw(pool, &protocol.draws, from, largest, &mut generator)
}

/// Draws `n` examples of `from`, or as many as there are.
fn draw(
    pool: &Pool<'_>,
    draws: &Draws,
    from: &[u32],
    n: usize,
    generator: &mut ChaCha8Rng,
) -> Vec<u32> {
    let mut order = if draws.stratified {
        interleave(from, pool.labels, pool.classes, generator)
    } else {
        let mut order = from.to_vec();
        shuffle(&mut order, generator);
        order
    };
    order.truncate(n);
    if draws.with_replacement {
        // Each place is drawn anew: from its own class if the classes' shares are to stay, else from all.
        let class = |item: u32| pool.labels[item as usize];
        for place in &mut order {
            let alike = |item: &&u32| !draws.stratified || class(**item) == class(*place);
            let choice: Vec<u32> = from.iter().filter(alike).copied().collect();
            *place = choice[below(choice.len() as u64, generator) as usize];
        }
    }
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
    Split { train, draws: None, test, inside: Some(places) }
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
