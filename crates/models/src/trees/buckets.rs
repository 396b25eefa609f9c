//! A node's rows in ascending order of their ranks, without sorting: one list per rank, and a bit per rank that is there.

/// Ranks that the lists can tell apart; nodes of wider columns are sorted.
const WIDEST: u32 = 4096;
/// Ends a list.
const END: u32 = u32::MAX;

/// Scratch for ordering the rows of one node after another.
#[derive(Default)]
pub(super) struct Buckets {
    /// Which ranks are there, 64 a word.
    present: Vec<u64>,
    /// Per rank that is there, a row's place among the node's; per place, the next of its rank.
    heads: Vec<u32>,
    next: Vec<u32>,
    /// Rank and place, for wide columns.
    keys: Vec<u64>,
}

impl Buckets {
    /// Visits the places of `ranks`, all in `low..=high`, in ascending order of rank: `visit(rank, place)`. Places of
    /// one rank come next to each other, in no particular order.
    pub(super) fn ascend(
        &mut self,
        ranks: &[u32],
        low: u32,
        high: u32,
        visit: impl FnMut(u32, usize),
    ) {
        if high - low < WIDEST {
            self.fill(ranks, low, high);
            self.walk(low, visit);
        } else {
            self.sort(ranks, visit);
        }
    }

    fn fill(&mut self, ranks: &[u32], low: u32, high: u32) {
        let width = (high - low) as usize + 1;
        self.present.clear();
        self.present.resize(width.div_ceil(64), 0);
        if self.heads.len() < width {
            self.heads.resize(width, END);
        }
        self.next.clear();
        for (place, rank) in ranks.iter().enumerate() {
            let at = (rank - low) as usize;
            let (word, bit) = (&mut self.present[at / 64], 1u64 << (at % 64));
            let head = &mut self.heads[at];
            self.next.push(if *word & bit == 0 { END } else { *head });
            *head = place as u32;
            *word |= bit;
        }
    }

    fn walk(&self, low: u32, mut visit: impl FnMut(u32, usize)) {
        for (word, &bits) in self.present.iter().enumerate() {
            let mut bits = bits;
            while bits != 0 {
                let at = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let mut place = self.heads[at];
                while place != END {
                    visit(low + at as u32, place as usize);
                    place = self.next[place as usize];
                }
            }
        }
    }

    fn sort(&mut self, ranks: &[u32], mut visit: impl FnMut(u32, usize)) {
        self.keys.clear();
        let key = |(place, &rank): (usize, &u32)| (u64::from(rank) << 32) | place as u64;
        self.keys.extend(ranks.iter().enumerate().map(key));
        self.keys.sort_unstable();
        for key in &self.keys {
            visit((key >> 32) as u32, (key & 0xffff_ffff) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(buckets: &mut Buckets, ranks: &[u32]) -> Vec<(u32, usize)> {
        let (low, high) = (*ranks.iter().min().unwrap(), *ranks.iter().max().unwrap());
        let mut seen = Vec::new();
        buckets.ascend(ranks, low, high, |rank, place| seen.push((rank, place)));
        assert!(seen.is_sorted_by_key(|(rank, _)| *rank), "{seen:?}");
        seen.sort_unstable();
        seen
    }

    #[test]
    fn narrow_and_wide_nodes_are_visited_in_order_one_after_another() {
        let mut buckets = Buckets::default();
        for ranks in [vec![7, 3, 7, 130, 3, 3], vec![5, 9000, 5, 7], vec![2, 1], vec![200, 70, 3]] {
            let mut expected: Vec<(u32, usize)> =
                ranks.iter().enumerate().map(|(place, &rank)| (rank, place)).collect();
            expected.sort_unstable();
            assert_eq!(order(&mut buckets, &ranks), expected);
        }
    }
}
