//! Squared deviation from the mean, for the regression trees of boosting.
//!
//! The least sum of squared deviations of two sides is the largest (Σ l)² / n_l + (Σ r)² / n_r, which is a split's
//! score. Values are whole numbers (of some small unit), so that sums don't depend on the order of rows.

use super::buckets::Buckets;
use super::cart::{Candidate, Criterion, Look, Sweep};
use super::columns::Member;

/// A row and its value.
#[derive(Clone, Copy)]
pub(crate) struct Valued {
    pub(crate) row: u32,
    pub(crate) value: i64,
}

impl Member for Valued {
    fn row(&self) -> usize {
        self.row as usize
    }
}

/// Rows and the sum of their values.
#[derive(Clone, Copy, Default)]
struct Sum {
    rows: u64,
    total: i64,
}

impl Sum {
    fn add(&mut self, rows: u64, total: i64) {
        self.rows += rows;
        self.total += total;
    }

    fn score(&self) -> f64 {
        self.total as f64 * self.total as f64 / self.rows as f64
    }

    /// The score of this on the left and the rest of `all` on the right; `None` if one has too few rows.
    fn split(&self, all: &Sum, min_leaf: u64) -> Option<f64> {
        let right = Sum { rows: all.rows - self.rows, total: all.total - self.total };
        let allowed = self.rows >= min_leaf && right.rows >= min_leaf;
        allowed.then(|| self.score() + right.score())
    }
}

/// A node's rows, and whether they all have the same value.
pub(crate) struct Node {
    sum: Sum,
    same: bool,
}

/// Squared deviations. Its leaves hold one 0 each, to be filled in by who knows the loss.
#[derive(Default)]
pub(crate) struct Squares {
    /// Scratch: sums per rank.
    bins: Vec<Sum>,
    /// Scratch: the node's rows in order.
    buckets: Buckets,
}

impl Squares {
    /// The best split by summing per rank.
    fn best_by_histogram(
        &mut self,
        look: &Look<'_, Valued>,
        node: &Node,
        beat: f64,
    ) -> Option<Candidate> {
        self.bins.clear();
        self.bins.resize((look.high - look.low + 1) as usize, Sum::default());
        for (member, rank) in look.members.iter().zip(look.ranks) {
            self.bins[(rank - look.low) as usize].add(1, member.value);
        }
        let mut left = Sum::default();
        let mut sweep = Sweep::new(look.column, beat);
        for (rank, bin) in (look.low..).zip(&self.bins) {
            if bin.rows > 0 {
                sweep.arrive(rank, || left.split(&node.sum, look.min_leaf));
                left.add(bin.rows, bin.total);
            }
        }
        sweep.best()
    }

    /// The best split by putting the node's rows in order, for nodes of few rows.
    fn best_in_order(
        &mut self,
        look: &Look<'_, Valued>,
        node: &Node,
        beat: f64,
    ) -> Option<Candidate> {
        let mut left = Sum::default();
        let mut sweep = Sweep::new(look.column, beat);
        let mut last = None;
        self.buckets.ascend(look.ranks, look.low, look.high, |rank, place| {
            if last != Some(rank) {
                sweep.arrive(rank, || left.split(&node.sum, look.min_leaf));
                last = Some(rank);
            }
            left.add(1, look.members[place].value);
        });
        sweep.best()
    }
}

impl Criterion for Squares {
    type Member = Valued;
    type Node = Node;

    fn width(&self) -> usize {
        1
    }

    fn node(&self, members: &[Valued]) -> Node {
        let mut sum = Sum::default();
        members.iter().for_each(|member| sum.add(1, member.value));
        let first = members.first().map(|member| member.value);
        Node { sum, same: members.iter().all(|member| Some(member.value) == first) }
    }

    fn is_pure(&self, node: &Node) -> bool {
        node.same
    }

    fn weight(&self, node: &Node) -> u64 {
        node.sum.rows
    }

    fn score(&self, node: &Node) -> f64 {
        node.sum.score()
    }

    fn best(&mut self, look: &Look<'_, Valued>, node: &Node, beat: f64) -> Option<Candidate> {
        if (look.high - look.low + 1) as usize <= look.members.len() {
            self.best_by_histogram(look, node, beat)
        } else {
            self.best_in_order(look, node, beat)
        }
    }

    fn score_at(&mut self, look: &Look<'_, Valued>, node: &Node, rank: u32) -> Option<f64> {
        let mut left = Sum::default();
        for (member, &r) in look.members.iter().zip(look.ranks) {
            let passes = r <= rank;
            left.add(u64::from(passes), member.value * i64::from(passes));
        }
        left.split(&node.sum, look.min_leaf)
    }

    fn leaf(&self, _: &Node) -> Vec<f64> {
        vec![0.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::{Features, Shape};
    use crate::trees::cart::{Grower, Growth};
    use crate::trees::columns::Columns;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Grows one tree of `max_depth` on one column; returns the leaf of each row.
    fn leaves(values: &[f32], targets: &[i64], max_depth: usize) -> Vec<usize> {
        let features = Features::new(values, Shape::table(1));
        let columns = Columns::new(&features);
        let growth =
            Growth { max_depth, min_samples_leaf: 1, max_features: 1, random_thresholds: false };
        let mut grower = Grower::new(&columns, growth, Squares::default());
        let members = (0u32..).zip(targets).map(|(row, &value)| Valued { row, value });
        let tree = grower.grow(members, &mut ChaCha8Rng::seed_from_u64(1));
        let mut found = vec![0; targets.len()];
        tree.descend(values, 1, |row, leaf| found[row] = leaf);
        found
    }

    #[test]
    fn a_stump_parts_where_squares_fall_most() {
        // Sums of squares after a split behind row i: 8.67, 6.5, 4.67 (least), 42.75, 60.8 (sklearn: 3.5 as well).
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let targets = [0, 1, 0, 6, 7, 8];
        assert_eq!(leaves(&values, &targets, 1), [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn a_stump_on_many_values_parts_best() {
        let scrambled: Vec<u16> = (0..64u16).map(|i| i * 29 % 64).collect();
        let dense: Vec<f32> = scrambled.iter().map(|&v| f32::from(v)).collect();
        let targets: Vec<i64> = scrambled.iter().map(|&v| i64::from(v * v % 17)).collect();
        let best = (1..64)
            .map(|cut| {
                let side = |left: bool| {
                    let of: Vec<f64> = scrambled
                        .iter()
                        .zip(&targets)
                        .filter(|(v, _)| (**v < cut) == left)
                        .map(|(_, &t)| t as f64)
                        .collect();
                    let mean = of.iter().sum::<f64>() / of.len() as f64;
                    of.iter().map(|t| (t - mean).powi(2)).sum::<f64>()
                };
                (side(true) + side(false), cut)
            })
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap()
            .1;
        let expected: Vec<usize> = scrambled.iter().map(|&v| usize::from(v >= best)).collect();
        assert_eq!(leaves(&dense, &targets, 1), expected);
    }
}
