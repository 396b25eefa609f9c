//! Growing one tree: CART (Breiman, Friedman, Olshen and Stone, 1984).
//!
//! A node is split where the children's weighted impurity is least. Features are tried in random order, drawn anew at
//! each node without replacement, and only a strictly better split replaces the best so far: equal splits of different
//! features are chosen at random, equal splits of one feature at the lowest threshold. A threshold is the midpoint of
//! two neighbouring values in the node, or uniform between its extremes (extra-trees); rows with value ≤ threshold go
//! left, in growing and in predicting. Constant features count as drawn, but drawing goes on until one has varied.
//! All of this is as in scikit-learn's trees. What impurity is, the [`Criterion`] says: [`super::gini`] for classes,
//! [`super::squares`] for boosting. Both add whole numbers, so that equal splits are equal to the last bit, whatever
//! the order of the rows.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::columns::{Column, Columns, Member};
use super::tree::{Split, Tree};

/// How trees are grown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    /// Depth from which nodes are not split; the root has depth 0.
    pub(crate) max_depth: usize,
    /// Rows, counted as often as drawn, that each side of a split must keep.
    pub(crate) min_samples_leaf: usize,
    /// Features drawn at each node.
    pub(crate) max_features: usize,
    /// Draw one threshold per feature instead of trying all.
    pub(crate) random_thresholds: bool,
}

/// What a tree is grown for: how nodes are judged, and what a leaf holds.
pub(crate) trait Criterion {
    /// A training row with what is counted of it.
    type Member: Member;
    /// What is counted over the rows of a node.
    type Node;

    /// Values per leaf.
    fn width(&self) -> usize;
    /// Counts over the rows of a node.
    fn node(&self, members: &[Self::Member]) -> Self::Node;
    /// Whether nothing is left to part.
    fn is_pure(&self, node: &Self::Node) -> bool;
    /// The rows of the node, as often as drawn.
    fn weight(&self, node: &Self::Node) -> u64;
    /// What a split's score must be above to lower the impurity: the score of the rows left together.
    fn score(&self, node: &Self::Node) -> f64;
    /// The best split of a feature, the first of equals, if its score is above `beat`.
    fn best(
        &mut self,
        look: &Look<'_, Self::Member>,
        node: &Self::Node,
        beat: f64,
    ) -> Option<Candidate>;
    /// The score of sending ranks up to `rank` left; `None` if a side keeps too few rows.
    fn score_at(
        &mut self,
        look: &Look<'_, Self::Member>,
        node: &Self::Node,
        rank: u32,
    ) -> Option<f64>;
    /// The values of a leaf.
    fn leaf(&self, node: &Self::Node) -> Vec<f64>;
}

/// One feature as seen by the rows of a node; not all have the same rank.
pub(crate) struct Look<'a, M> {
    pub(crate) members: &'a [M],
    /// The members' ranks.
    pub(crate) ranks: &'a [u32],
    /// The least and the largest of them.
    pub(crate) low: u32,
    pub(crate) high: u32,
    pub(crate) column: &'a Column,
    /// Rows that each side of a split must keep.
    pub(crate) min_leaf: u64,
}

/// A split of one feature.
#[derive(Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) score: f64,
    pub(crate) rank: u32,
    pub(crate) threshold: f64,
}

/// Ranks pass to the left in ascending order; between two of them, the split is judged.
pub(crate) struct Sweep<'a> {
    column: &'a Column,
    last: Option<u32>,
    beat: f64,
    best: Option<Candidate>,
}

impl<'a> Sweep<'a> {
    pub(crate) fn new(column: &'a Column, beat: f64) -> Self {
        Sweep { column, last: None, beat, best: None }
    }

    /// The next rows have rank `rank`; `score` is that of a split before them, `None` if it is not allowed.
    pub(crate) fn arrive(&mut self, rank: u32, score: impl FnOnce() -> Option<f64>) {
        if let Some(last) = self.last
            && let Some(score) = score()
            && score > self.beat
        {
            self.beat = score;
            let threshold = self.column.value(last) / 2.0 + self.column.value(rank) / 2.0;
            self.best = Some(Candidate { score, rank: last, threshold });
        }
        self.last = Some(rank);
    }

    pub(crate) fn best(self) -> Option<Candidate> {
        self.best
    }
}

/// A node that waits to be split: its rows are `members[start..end]`.
struct Pending {
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
}

/// Grows trees on the rows of one training set, one after the other.
pub(crate) struct Grower<'a, C: Criterion> {
    columns: &'a Columns,
    growth: Growth,
    criterion: C,
    /// The rows, those of one node next to each other.
    members: Vec<C::Member>,
    /// The features, in the order drawn so far.
    order: Vec<u32>,
    /// Scratch: the ranks of a node's rows.
    ranks: Vec<u32>,
}

impl<'a, C: Criterion> Grower<'a, C> {
    pub(crate) fn new(columns: &'a Columns, growth: Growth, criterion: C) -> Self {
        let ranks = vec![0; columns.rows()];
        Grower { columns, growth, criterion, members: Vec::new(), order: Vec::new(), ranks }
    }

    /// Grows a tree on `members`, of which there is at least one.
    pub(crate) fn grow(
        &mut self,
        members: impl IntoIterator<Item = C::Member>,
        rng: &mut ChaCha8Rng,
    ) -> Tree {
        self.members.clear();
        self.members.extend(members);
        self.order.clear();
        self.order.extend(0..self.columns.len() as u32);
        let mut tree = Tree::sapling(self.criterion.width());
        let mut stack = vec![Pending { node: 0, start: 0, end: self.members.len(), depth: 0 }];
        while let Some(pending) = stack.pop() {
            let Pending { node, start, end, depth } = pending;
            let counts = self.criterion.node(&self.members[start..end]);
            match self.split(&pending, &counts, rng) {
                Some(split) => {
                    let middle = self.partition(&pending, &split);
                    let child = tree.split(node, depth, &split);
                    stack.push(Pending { node: child + 1, start: middle, end, depth: depth + 1 });
                    stack.push(Pending { node: child, start, end: middle, depth: depth + 1 });
                }
                None => tree.make_leaf(node, self.criterion.leaf(&counts)),
            }
        }
        tree
    }

    /// The best split of the features drawn, if the node is to be split and can be.
    fn split(&mut self, node: &Pending, counts: &C::Node, rng: &mut ChaCha8Rng) -> Option<Split> {
        let growth = self.growth;
        if node.depth >= growth.max_depth
            || self.criterion.is_pure(counts)
            || self.criterion.weight(counts) < 2 * growth.min_samples_leaf as u64
        {
            return None;
        }
        let mut best: Option<(u32, Candidate)> = None;
        let mut any_varied = false;
        for drawn in 0..self.order.len() {
            if drawn >= growth.max_features && any_varied {
                break;
            }
            let pick = rng.random_range(drawn..self.order.len());
            self.order.swap(drawn, pick);
            let feature = self.order[drawn];
            let Some(column) = self.columns.get(feature as usize) else { continue };
            let members = &self.members[node.start..node.end];
            let ranks = &mut self.ranks[..members.len()];
            let (low, high) = column.gather(members, ranks);
            if low == high {
                continue;
            }
            any_varied = true;
            let min_leaf = growth.min_samples_leaf.max(1) as u64;
            let look = Look { members, ranks, low, high, column, min_leaf };
            let beat = best.map_or(f64::NEG_INFINITY, |(_, best)| best.score);
            let found = if growth.random_thresholds {
                random_split(&mut self.criterion, &look, counts, beat, rng)
            } else {
                self.criterion.best(&look, counts, beat)
            };
            best = found.map(|candidate| (feature, candidate)).or(best);
        }
        let (feature, Candidate { score, rank, threshold }) = best?;
        Some(Split { feature, rank, threshold, gain: score - self.criterion.score(counts) })
    }

    /// Moves the rows that go left before the others; returns where the others start.
    fn partition(&mut self, node: &Pending, split: &Split) -> usize {
        let Some(column) = self.columns.get(split.feature as usize) else { return node.end };
        let mut middle = node.start;
        for at in node.start..node.end {
            if column.rank(self.members[at].row()) <= split.rank {
                self.members.swap(at, middle);
                middle += 1;
            }
        }
        middle
    }
}

/// One threshold, uniform between the column's extremes in the node, if it scores above `beat`.
fn random_split<C: Criterion>(
    criterion: &mut C,
    look: &Look<'_, C::Member>,
    node: &C::Node,
    beat: f64,
    rng: &mut ChaCha8Rng,
) -> Option<Candidate> {
    let (low, high) = (look.column.value(look.low), look.column.value(look.high));
    let threshold = low + rng.random::<f64>() * (high - low);
    let threshold = if threshold < high { threshold } else { low };
    let values = &look.column.values[look.low as usize..look.high as usize];
    let above = values.partition_point(|&v| f64::from(v) <= threshold) as u32;
    let rank = look.low + above - 1;
    let score = criterion.score_at(look, node, rank)?;
    (score > beat).then_some(Candidate { score, rank, threshold })
}
