//! One classification tree: CART with Gini impurity (Breiman, Friedman, Olshen and Stone, 1984).
//!
//! A node is split where the children's weighted impurity is least. Features are tried in random order, drawn anew at
//! each node without replacement, and only a strictly better split replaces the best so far: equal splits of different
//! features are chosen at random, equal splits of one feature at the lowest threshold. A threshold is the midpoint of
//! two neighbouring values in the node, or uniform between its extremes (extra-trees); rows with value ≤ threshold go
//! left, in growing and in predicting. Constant features count as drawn, but drawing goes on until one has varied.
//! All of this is as in scikit-learn's `DecisionTreeClassifier`.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::columns::{Column, Columns};
use crate::classifier::Features;

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

/// A grown tree.
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// Class shares of the leaves, `classes` each.
    shares: Vec<f64>,
    classes: usize,
}

/// An inner node, or a leaf if `feature` is [`LEAF`].
#[derive(Clone, Copy)]
struct Node {
    threshold: f64,
    feature: u32,
    /// The left child, whose sibling follows it; in a leaf, its place among the shares.
    next: u32,
}

/// Marks a leaf.
const LEAF: u32 = u32::MAX;

impl Tree {
    /// The class shares of the leaf that `row` falls into.
    pub(crate) fn shares(&self, row: &[f32]) -> &[f64] {
        let mut node = self.nodes[0];
        while node.feature != LEAF {
            let right = f64::from(row[node.feature as usize]) > node.threshold;
            node = self.nodes[node.next as usize + usize::from(right)];
        }
        &self.shares[node.next as usize * self.classes..][..self.classes]
    }
}

/// Rows that go through all trees together, so that they stay in the cache.
const BLOCK: usize = 64;

/// The mean of the trees' leaf shares for each row, rows × classes.
pub(crate) fn mean_shares(trees: &[Tree], features: &Features<'_>, classes: usize) -> Vec<f32> {
    let mut means = Vec::with_capacity(features.rows() * classes);
    for block in features.values().chunks(BLOCK * features.columns()) {
        let mut totals = vec![0.0; block.len() / features.columns() * classes];
        for tree in trees {
            let rows = block.chunks_exact(features.columns());
            for (row, total) in rows.zip(totals.chunks_exact_mut(classes)) {
                for (sum, share) in total.iter_mut().zip(tree.shares(row)) {
                    *sum += share;
                }
            }
        }
        means.extend(totals.iter().map(|total| (total / trees.len() as f64) as f32));
    }
    means
}

/// What all trees of one fit share.
pub(crate) struct Task<'a> {
    pub(crate) columns: &'a Columns,
    pub(crate) labels: &'a [u32],
    pub(crate) classes: usize,
    pub(crate) growth: Growth,
}

impl Task<'_> {
    /// Grows a tree on each row taken `weights[row]` times.
    pub(crate) fn grow(&self, weights: &[u32], rng: &mut ChaCha8Rng) -> Tree {
        let rows = (0..self.columns.rows() as u32).filter(|&i| weights[i as usize] > 0).collect();
        let mut grower = Grower {
            task: self,
            weights,
            rows,
            order: (0..self.columns.len() as u32).collect(),
            counts: Vec::new(),
            left: vec![0; self.classes],
            keys: Vec::new(),
            tree: Tree { nodes: Vec::new(), shares: Vec::new(), classes: self.classes },
        };
        grower.grow(rng);
        grower.tree
    }
}

/// A split: rows of at most this rank go left.
#[derive(Clone, Copy)]
struct Split {
    score: f64,
    feature: u32,
    rank: u32,
    threshold: f64,
}

/// A node that waits to be split: its rows are `rows[start..end]`.
struct Pending {
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
}

/// Class counts of a node.
struct Counts {
    per_class: Vec<u64>,
    total: u64,
    squares: u64,
}

struct Grower<'a> {
    task: &'a Task<'a>,
    weights: &'a [u32],
    /// The rows, those of one node next to each other.
    rows: Vec<u32>,
    /// The features, in the order drawn so far.
    order: Vec<u32>,
    /// Scratch: rows per rank and class.
    counts: Vec<u32>,
    /// Scratch: rows per class left of the split.
    left: Vec<u64>,
    /// Scratch: rank and row.
    keys: Vec<u64>,
    tree: Tree,
}

impl Grower<'_> {
    fn grow(&mut self, rng: &mut ChaCha8Rng) {
        self.tree.nodes.push(Node { threshold: 0.0, feature: LEAF, next: 0 });
        let mut stack = vec![Pending { node: 0, start: 0, end: self.rows.len(), depth: 0 }];
        while let Some(pending) = stack.pop() {
            let counts = self.count(pending.start..pending.end);
            match self.split(&pending, &counts, rng) {
                Some(split) => {
                    let middle = self.partition(&pending, &split);
                    let child = self.tree.nodes.len();
                    self.tree.nodes[pending.node] = Node {
                        threshold: split.threshold,
                        feature: split.feature,
                        next: child as u32,
                    };
                    let leaf = Node { threshold: 0.0, feature: LEAF, next: 0 };
                    self.tree.nodes.extend([leaf, leaf]);
                    let Pending { start, end, depth, .. } = pending;
                    stack.push(Pending { node: child + 1, start: middle, end, depth: depth + 1 });
                    stack.push(Pending { node: child, start, end: middle, depth: depth + 1 });
                }
                None => self.make_leaf(pending.node, &counts),
            }
        }
    }

    fn count(&self, range: std::ops::Range<usize>) -> Counts {
        let mut per_class = vec![0u64; self.task.classes];
        for &row in &self.rows[range] {
            per_class[self.task.labels[row as usize] as usize] +=
                u64::from(self.weights[row as usize]);
        }
        let total = per_class.iter().sum();
        let squares = per_class.iter().map(|c| c * c).sum();
        Counts { per_class, total, squares }
    }

    fn make_leaf(&mut self, node: usize, counts: &Counts) {
        let place = self.tree.shares.len() / self.task.classes;
        let shares = counts.per_class.iter().map(|&c| c as f64 / counts.total as f64);
        self.tree.shares.extend(shares);
        self.tree.nodes[node] = Node { threshold: 0.0, feature: LEAF, next: place as u32 };
    }

    /// The best split of the features drawn, if the node is to be split and can be.
    fn split(&mut self, node: &Pending, counts: &Counts, rng: &mut ChaCha8Rng) -> Option<Split> {
        let growth = self.task.growth;
        let pure = counts.squares == counts.total * counts.total;
        if pure
            || node.depth >= growth.max_depth
            || counts.total < 2 * growth.min_samples_leaf as u64
        {
            return None;
        }
        let mut best: Option<Split> = None;
        let mut any_varied = false;
        for drawn in 0..self.order.len() {
            if drawn >= growth.max_features && any_varied {
                break;
            }
            let pick = rng.random_range(drawn..self.order.len());
            self.order.swap(drawn, pick);
            let feature = self.order[drawn];
            let Some(column) = self.task.columns.get(feature as usize) else { continue };
            let beat = best.map_or(f64::NEG_INFINITY, |b| b.score);
            let range = node.start..node.end;
            let found = if growth.random_thresholds {
                self.random_split(column, range, counts, beat, rng)
            } else if column.values.len() * self.task.classes <= 8 * (node.end - node.start) {
                self.best_by_histogram(column, range, counts, beat)
            } else {
                self.best_by_sorting(column, range, counts, beat)
            };
            any_varied |= found.varied;
            if let Some((score, rank, threshold)) = found.best {
                best = Some(Split { score, feature, rank, threshold });
            }
        }
        best
    }

    /// Moves the rows that go left before the others; returns where the others start.
    fn partition(&mut self, node: &Pending, split: &Split) -> usize {
        let Some(column) = self.task.columns.get(split.feature as usize) else { return node.end };
        let mut middle = node.start;
        for at in node.start..node.end {
            if column.ranks[self.rows[at] as usize] <= split.rank {
                self.rows.swap(at, middle);
                middle += 1;
            }
        }
        middle
    }

    /// The best split by counting rows per rank.
    fn best_by_histogram(
        &mut self,
        column: &Column,
        range: std::ops::Range<usize>,
        counts: &Counts,
        beat: f64,
    ) -> Found {
        let classes = self.task.classes;
        self.counts.clear();
        self.counts.resize(column.values.len() * classes, 0);
        let (mut low, mut high) = (u32::MAX, 0);
        for &row in &self.rows[range] {
            let rank = column.ranks[row as usize];
            (low, high) = (low.min(rank), high.max(rank));
            let label = self.task.labels[row as usize] as usize;
            self.counts[rank as usize * classes + label] += self.weights[row as usize];
        }
        if low == high {
            return Found::constant();
        }
        let mut sweep = Sweep::new(&mut self.left, counts, beat, self.task.growth.min_samples_leaf);
        for rank in low..=high {
            let bin = &self.counts[rank as usize * classes..][..classes];
            if bin.iter().all(|&c| c == 0) {
                continue;
            }
            sweep.arrive(column, rank);
            for (class, &count) in bin.iter().enumerate().filter(|(_, c)| **c > 0) {
                sweep.pass(class, u64::from(count));
            }
        }
        sweep.found()
    }

    /// The best split by sorting the node's rows, for columns of many values.
    fn best_by_sorting(
        &mut self,
        column: &Column,
        range: std::ops::Range<usize>,
        counts: &Counts,
        beat: f64,
    ) -> Found {
        self.keys.clear();
        let key = |&row: &u32| (u64::from(column.ranks[row as usize]) << 32) | u64::from(row);
        self.keys.extend(self.rows[range].iter().map(key));
        self.keys.sort_unstable();
        let rank_of = |key: u64| (key >> 32) as u32;
        if self.keys.first().map(|k| rank_of(*k)) == self.keys.last().map(|k| rank_of(*k)) {
            return Found::constant();
        }
        let mut sweep = Sweep::new(&mut self.left, counts, beat, self.task.growth.min_samples_leaf);
        let mut last = None;
        for &key in &self.keys {
            let (rank, row) = (rank_of(key), (key & 0xffff_ffff) as usize);
            if last != Some(rank) {
                sweep.arrive(column, rank);
                last = Some(rank);
            }
            sweep.pass(self.task.labels[row] as usize, u64::from(self.weights[row]));
        }
        sweep.found()
    }

    /// One threshold, uniform between the column's extremes in the node.
    fn random_split(
        &mut self,
        column: &Column,
        range: std::ops::Range<usize>,
        counts: &Counts,
        beat: f64,
        rng: &mut ChaCha8Rng,
    ) -> Found {
        let ranks = self.rows[range.clone()].iter().map(|&row| column.ranks[row as usize]);
        let (low, high) = ranks.fold((u32::MAX, 0), |(l, h), rank| (l.min(rank), h.max(rank)));
        if low == high {
            return Found::constant();
        }
        let value = |rank: u32| f64::from(column.values[rank as usize]);
        let threshold = value(low) + rng.random::<f64>() * (value(high) - value(low));
        let threshold = if threshold < value(high) { threshold } else { value(low) };
        let rank = column.values.partition_point(|&v| f64::from(v) <= threshold) as u32 - 1;
        let mut sweep = Sweep::new(&mut self.left, counts, beat, self.task.growth.min_samples_leaf);
        for &row in &self.rows[range] {
            if column.ranks[row as usize] <= rank {
                let label = self.task.labels[row as usize] as usize;
                sweep.pass(label, u64::from(self.weights[row as usize]));
            }
        }
        sweep.consider(rank, threshold);
        sweep.found()
    }
}

/// What a look at one feature gave.
struct Found {
    /// Whether the feature has more than one value in the node.
    varied: bool,
    /// Score, rank and threshold of a split that beats the best so far.
    best: Option<(f64, u32, f64)>,
}

impl Found {
    fn constant() -> Self {
        Found { varied: false, best: None }
    }
}

/// Rows pass from right to left in ascending order; between two values, the split is judged.
///
/// Least weighted Gini impurity is largest Σ l_c² / n_l + Σ r_c² / n_r. The sums of squares are whole numbers, so the
/// score is the same whatever the order of rows and the numbering of classes.
struct Sweep<'a> {
    left: &'a mut [u64],
    counts: &'a Counts,
    left_total: u64,
    left_squares: u64,
    right_squares: u64,
    min_leaf: u64,
    last_rank: Option<u32>,
    beat: f64,
    best: Option<(f64, u32, f64)>,
}

impl<'a> Sweep<'a> {
    fn new(left: &'a mut [u64], counts: &'a Counts, beat: f64, min_leaf: usize) -> Self {
        left.fill(0);
        let right_squares = counts.squares;
        let min_leaf = min_leaf.max(1) as u64;
        Sweep {
            left,
            counts,
            left_total: 0,
            left_squares: 0,
            right_squares,
            min_leaf,
            last_rank: None,
            beat,
            best: None,
        }
    }

    /// The next rows have value `rank`: judges the split between the value before and this one.
    fn arrive(&mut self, column: &Column, rank: u32) {
        if let Some(last) = self.last_rank {
            let value = |rank: u32| f64::from(column.values[rank as usize]);
            self.consider(last, value(last) / 2.0 + value(rank) / 2.0);
        }
        self.last_rank = Some(rank);
    }

    /// `count` rows of `class` pass to the left.
    fn pass(&mut self, class: usize, count: u64) {
        let left = self.left[class];
        let right = self.counts.per_class[class] - left;
        self.left_squares += count * (2 * left + count);
        self.right_squares -= count * (2 * right - count);
        self.left[class] = left + count;
        self.left_total += count;
    }

    /// Judges the split that has the rows passed so far on its left.
    fn consider(&mut self, rank: u32, threshold: f64) {
        let right_total = self.counts.total - self.left_total;
        if self.left_total < self.min_leaf || right_total < self.min_leaf {
            return;
        }
        let score = self.left_squares as f64 / self.left_total as f64
            + self.right_squares as f64 / right_total as f64;
        if score > self.beat {
            self.beat = score;
            self.best = Some((score, rank, threshold));
        }
    }

    fn found(self) -> Found {
        Found { varied: true, best: self.best }
    }
}
