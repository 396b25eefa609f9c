//! Items that are there twice, by content: one of a pair may be learnt from and the other scored.

use std::ops::Range;

use super::{Dataset, Values};

impl Dataset {
    /// Held-out items whose values equal those of a training item; `(training, test)` pairs, each test item with its first
    /// twin.
    pub fn duplicates_across_sets(&self) -> Vec<(u32, u32)> {
        let (train, test) = (0..self.train_len, self.train_len..self.labels.len());
        self.twins(0..self.labels.len(), |first, second| {
            train.contains(&first) && test.contains(&second)
        })
    }

    /// Items of the training pool that equal an earlier one, each with its first twin: folds may part them.
    pub fn duplicates_in_pool(&self) -> Vec<(u32, u32)> {
        self.twins(0..self.train_len, |_, _| true)
    }

    /// Every item of `items` with the first earlier one that equals it and `counts` with it, in the order of the items.
    fn twins(&self, items: Range<usize>, counts: impl Fn(usize, usize) -> bool) -> Vec<(u32, u32)> {
        // Equal checksums are rare enough for the values themselves to be compared then.
        let mut sums: Vec<(u32, usize)> = items.map(|item| (self.checksum(item), item)).collect();
        sums.sort_unstable();
        let mut twins = Vec::new();
        for group in sums.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            for (at, &(_, item)) in group.iter().enumerate() {
                let mut earlier = group[..at].iter().map(|&(_, other)| other);
                if let Some(twin) = earlier.find(|&o| counts(o, item) && self.are_equal(o, item)) {
                    twins.push((twin as u32, item as u32));
                }
            }
        }
        twins.sort_unstable_by_key(|&(_, item)| item);
        twins
    }

    fn checksum(&self, item: usize) -> u32 {
        let range = self.range(item);
        match &self.values {
            Values::Bytes(all) => crc32fast::hash(&all[range]),
            Values::Floats(all) => {
                let mut hash = crc32fast::Hasher::new();
                // -0 is 0.
                all[range].iter().for_each(|value| hash.update(&(value + 0.0).to_le_bytes()));
                hash.finalize()
            }
        }
    }

    fn are_equal(&self, a: usize, b: usize) -> bool {
        match &self.values {
            Values::Bytes(all) => all[self.range(a)] == all[self.range(b)],
            Values::Floats(all) => all[self.range(a)] == all[self.range(b)],
        }
    }

    fn range(&self, item: usize) -> Range<usize> {
        let size = self.shape.len();
        item * size..(item + 1) * size
    }
}
