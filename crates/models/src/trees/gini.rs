//! Gini impurity, for trees that tell classes apart.
//!
//! A node with n_c rows of class c, n in all, has impurity 1 - Σ (n_c/n)². The least impurity of two sides weighted by
//! their rows is the largest Σ l_c² / l + Σ r_c² / r, which is a split's score. The sums of squares are whole numbers,
//! so that the score is the same whatever the order of rows and the numbering of classes.

use super::buckets::Buckets;
use super::cart::{Candidate, Criterion, Look, Sweep};
use super::columns::Member;

/// A row: which, of which class, and how often it is there.
#[derive(Clone, Copy)]
pub(crate) struct Labelled {
    pub(crate) row: u32,
    pub(crate) label: u32,
    pub(crate) weight: u32,
}

impl Member for Labelled {
    fn row(&self) -> usize {
        self.row as usize
    }
}

/// Class counts of a node.
pub(crate) struct Counts {
    per_class: Vec<u64>,
    total: u64,
    squares: u64,
}

/// Gini impurity over some classes. The weights of all rows together must stay below 2³², so that squares fit.
pub(crate) struct Gini {
    classes: usize,
    /// Scratch: rows per rank and class.
    bins: Vec<u32>,
    /// Scratch: rows per class left of the split.
    left: Vec<u64>,
    /// Scratch: the node's rows in order.
    buckets: Buckets,
}

impl Gini {
    pub(crate) fn new(classes: usize) -> Self {
        Gini { classes, bins: Vec::new(), left: vec![0; classes], buckets: Buckets::default() }
    }

    /// The best split by counting rows per rank.
    fn best_by_histogram(
        &mut self,
        look: &Look<'_, Labelled>,
        node: &Counts,
        beat: f64,
    ) -> Option<Candidate> {
        let classes = self.classes;
        self.bins.clear();
        self.bins.resize((look.high - look.low + 1) as usize * classes, 0);
        for (member, rank) in look.members.iter().zip(look.ranks) {
            let bin = (rank - look.low) as usize * classes + member.label as usize;
            self.bins[bin] += member.weight;
        }
        let mut sides = Sides::new(&mut self.left, node, look.min_leaf);
        let mut sweep = Sweep::new(look.column, beat);
        for (rank, bin) in (look.low..).zip(self.bins.chunks_exact(classes)) {
            if bin.iter().all(|&count| count == 0) {
                continue;
            }
            sweep.arrive(rank, || sides.score());
            for (class, &count) in bin.iter().enumerate() {
                if count > 0 {
                    sides.pass(class, u64::from(count));
                }
            }
        }
        sweep.best()
    }

    /// The best split by putting the node's rows in order, for nodes of few rows.
    fn best_in_order(
        &mut self,
        look: &Look<'_, Labelled>,
        node: &Counts,
        beat: f64,
    ) -> Option<Candidate> {
        let mut sides = Sides::new(&mut self.left, node, look.min_leaf);
        let mut sweep = Sweep::new(look.column, beat);
        let mut last = None;
        self.buckets.ascend(look.ranks, look.low, look.high, |rank, place| {
            if last != Some(rank) {
                sweep.arrive(rank, || sides.score());
                last = Some(rank);
            }
            let member = look.members[place];
            sides.pass(member.label as usize, u64::from(member.weight));
        });
        sweep.best()
    }
}

impl Criterion for Gini {
    type Member = Labelled;
    type Node = Counts;

    fn width(&self) -> usize {
        self.classes
    }

    fn node(&self, members: &[Labelled]) -> Counts {
        let mut per_class = vec![0u64; self.classes];
        for member in members {
            per_class[member.label as usize] += u64::from(member.weight);
        }
        let total = per_class.iter().sum();
        let squares = per_class.iter().map(|c| c * c).sum();
        Counts { per_class, total, squares }
    }

    fn is_pure(&self, node: &Counts) -> bool {
        node.squares == node.total * node.total
    }

    fn weight(&self, node: &Counts) -> u64 {
        node.total
    }

    fn score(&self, node: &Counts) -> f64 {
        node.squares as f64 / node.total as f64
    }

    fn best(&mut self, look: &Look<'_, Labelled>, node: &Counts, beat: f64) -> Option<Candidate> {
        let bins = (look.high - look.low + 1) as usize * self.classes;
        if bins <= 3 * look.members.len() {
            self.best_by_histogram(look, node, beat)
        } else {
            self.best_in_order(look, node, beat)
        }
    }

    fn score_at(&mut self, look: &Look<'_, Labelled>, node: &Counts, rank: u32) -> Option<f64> {
        // Without a branch on the rank, which can't be predicted.
        let weight = |m: &Labelled, r: u32| u64::from(m.weight) * u64::from(r <= rank);
        self.left.fill(0);
        if let [zeros, ones] = &mut self.left[..] {
            let mut total = 0;
            for (member, &r) in look.members.iter().zip(look.ranks) {
                let passes = weight(member, r);
                total += passes;
                *ones += passes * u64::from(member.label);
            }
            *zeros = total - *ones;
        } else {
            for (member, &r) in look.members.iter().zip(look.ranks) {
                self.left[member.label as usize] += weight(member, r);
            }
        }
        let (mut total, mut left_squares, mut right_squares) = (0, 0, 0);
        for (&left, &all) in self.left.iter().zip(&node.per_class) {
            total += left;
            left_squares += left * left;
            right_squares += (all - left) * (all - left);
        }
        score(total, left_squares, node.total - total, right_squares, look.min_leaf)
    }

    fn leaf(&self, node: &Counts) -> Vec<f64> {
        node.per_class.iter().map(|&count| count as f64 / node.total as f64).collect()
    }
}

/// The score of two sides with these rows and sums of squared class counts; `None` if one has too few rows.
fn score(left: u64, left_squares: u64, right: u64, right_squares: u64, min: u64) -> Option<f64> {
    if left < min || right < min {
        return None;
    }
    Some(left_squares as f64 / left as f64 + right_squares as f64 / right as f64)
}

/// Both sides of a split, while rows pass from the right to the left.
struct Sides<'a> {
    left: &'a mut [u64],
    node: &'a Counts,
    left_total: u64,
    left_squares: u64,
    right_squares: u64,
    min_leaf: u64,
}

impl<'a> Sides<'a> {
    fn new(left: &'a mut [u64], node: &'a Counts, min_leaf: u64) -> Self {
        left.fill(0);
        Sides { left, node, left_total: 0, left_squares: 0, right_squares: node.squares, min_leaf }
    }

    /// `count` rows of `class` pass to the left.
    fn pass(&mut self, class: usize, count: u64) {
        let left = self.left[class];
        let right = self.node.per_class[class] - left;
        self.left_squares += count * (2 * left + count);
        self.right_squares -= count * (2 * right - count);
        self.left[class] = left + count;
        self.left_total += count;
    }

    fn score(&self) -> Option<f64> {
        let right = self.node.total - self.left_total;
        score(self.left_total, self.left_squares, right, self.right_squares, self.min_leaf)
    }
}
