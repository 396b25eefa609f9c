//! A grown tree: where a row ends up in it, and what its splits gained.

use crate::classifier::Features;

/// A grown tree.
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// What the split of each node took off the impurity, summed over its rows; 0 in leaves.
    gains: Vec<f32>,
    /// The leaves' values, `width` each.
    values: Vec<f64>,
    width: usize,
    /// Splits on the way to the deepest leaf.
    depth: usize,
}

/// An inner node, or a leaf, which is its own child: so all rows can take the same number of steps.
#[derive(Clone, Copy)]
struct Node {
    /// Rows above it go right. The largest single not above the split's own threshold, which parts the same singles.
    threshold: f32,
    feature: u32,
    /// The left child, whose sibling follows it; in a leaf, the leaf itself.
    next: u32,
    /// In a leaf, its place among the values.
    leaf: u32,
}

/// Rows that descend a tree side by side, so that their loads overlap.
const LANES: usize = 8;

impl Tree {
    /// A tree of one node, yet to be split or made a leaf, whose leaves will hold `width` values each.
    pub(super) fn sapling(width: usize) -> Self {
        let mut tree =
            Tree { nodes: Vec::new(), gains: Vec::new(), values: Vec::new(), width, depth: 0 };
        tree.push();
        tree
    }

    fn push(&mut self) {
        let next = self.nodes.len() as u32;
        self.nodes.push(Node { threshold: f32::INFINITY, feature: 0, next, leaf: 0 });
        self.gains.push(0.0);
    }

    /// Splits `node`, which lies `depth` deep; returns its left child, whose sibling follows.
    pub(super) fn split(&mut self, node: usize, depth: usize, split: &Split) -> usize {
        let child = self.nodes.len();
        self.nodes[node] = Node {
            threshold: not_above(split.threshold),
            feature: split.feature,
            next: child as u32,
            leaf: 0,
        };
        self.gains[node] = split.gain as f32;
        self.depth = self.depth.max(depth + 1);
        self.push();
        self.push();
        child
    }

    /// Makes `node` a leaf with these values.
    pub(super) fn make_leaf(&mut self, node: usize, values: impl IntoIterator<Item = f64>) {
        self.nodes[node].leaf = (self.values.len() / self.width) as u32;
        self.values.extend(values);
    }

    /// The leaf that each of `rows` (of `columns` values) falls into is given to `visit` with the row's number.
    pub(crate) fn descend(
        &self,
        rows: &[f32],
        columns: usize,
        mut visit: impl FnMut(usize, usize),
    ) {
        let mut groups = rows.chunks_exact(LANES * columns);
        let mut first = 0;
        for group in groups.by_ref() {
            let rows: [&[f32]; LANES] =
                std::array::from_fn(|lane| &group[lane * columns..(lane + 1) * columns]);
            let mut at = [0u32; LANES];
            for _ in 0..self.depth {
                for lane in 0..LANES {
                    at[lane] = self.step(at[lane], rows[lane]);
                }
            }
            for (lane, at) in at.into_iter().enumerate() {
                visit(first + lane, self.nodes[at as usize].leaf as usize);
            }
            first += LANES;
        }
        for (row, number) in groups.remainder().chunks_exact(columns).zip(first..) {
            let at = (0..self.depth).fold(0, |at, _| self.step(at, row));
            visit(number, self.nodes[at as usize].leaf as usize);
        }
    }

    #[inline(always)]
    fn step(&self, at: u32, row: &[f32]) -> u32 {
        let node = self.nodes[at as usize];
        node.next + u32::from(row[node.feature as usize] > node.threshold)
    }

    /// The number of leaves.
    pub(crate) fn leaves(&self) -> usize {
        self.values.len() / self.width
    }

    /// The values of leaf `leaf`.
    pub(crate) fn leaf(&self, leaf: usize) -> &[f64] {
        &self.values[leaf * self.width..][..self.width]
    }

    /// The values of leaf `leaf`, to be changed.
    pub(crate) fn leaf_mut(&mut self, leaf: usize) -> &mut [f64] {
        &mut self.values[leaf * self.width..][..self.width]
    }

    /// Adds what the splits on each feature gained to `totals`, one per feature.
    pub(crate) fn add_gains(&self, totals: &mut [f64]) {
        for (node, gain) in self.nodes.iter().zip(&self.gains) {
            totals[node.feature as usize] += f64::from(*gain);
        }
    }
}

/// The largest single that is at most `threshold`.
fn not_above(threshold: f64) -> f32 {
    let single = threshold as f32;
    if f64::from(single) > threshold { single.next_down() } else { single }
}

/// How a node is split: rows of at most this rank, that is of at most this value, go left.
#[derive(Clone, Copy)]
pub(super) struct Split {
    pub(super) feature: u32,
    pub(super) rank: u32,
    pub(super) threshold: f64,
    /// By how much the impurity, summed over the node's rows, falls.
    pub(super) gain: f64,
}

/// Reads `rows` once from front to back, which the processor foresees: trees then read them here and there from the
/// cache, instead of waiting for the memory each time.
pub(super) fn warm(rows: &[f32]) {
    const LINE: usize = 16;
    std::hint::black_box(rows.iter().step_by(LINE).fold(0u32, |all, v| all ^ v.to_bits()));
}

/// Rows that go through all trees together, so that they stay in the cache.
pub(super) const BLOCK: usize = 64;

/// The mean of the trees' leaf values for each row, rows × width, in the order of the trees.
pub(crate) fn mean_values(trees: &[Tree], features: &Features<'_>, width: usize) -> Vec<f32> {
    let columns = features.columns();
    let mut means = Vec::with_capacity(features.rows() * width);
    let mut totals = vec![0.0; BLOCK * width];
    for block in features.values().chunks(BLOCK * columns) {
        let totals = &mut totals[..block.len() / columns * width];
        totals.fill(0.0);
        warm(block);
        for tree in trees {
            tree.descend(block, columns, |row, leaf| {
                let total = &mut totals[row * width..][..width];
                total.iter_mut().zip(tree.leaf(leaf)).for_each(|(sum, value)| *sum += value);
            });
        }
        means.extend(totals.iter().map(|total| (total / trees.len() as f64) as f32));
    }
    means
}

/// The mean over trees of each feature's share of the tree's gains (Breiman's mean decrease in impurity), of sum 1 unless
/// no tree has a split, as in scikit-learn's `feature_importances_`.
pub(crate) fn mean_importance(
    trees: impl IntoIterator<Item = (f64, impl std::borrow::Borrow<Tree>)>,
    columns: usize,
) -> Vec<f64> {
    let mut importance = vec![0.0; columns];
    for (weight, tree) in trees {
        let mut gains = vec![0.0; columns];
        tree.borrow().add_gains(&mut gains);
        let total: f64 = gains.iter().sum();
        if total > 0.0 {
            importance.iter_mut().zip(&gains).for_each(|(sum, gain)| *sum += weight * gain / total);
        }
    }
    normalise(&mut importance);
    importance
}

/// Divides by the sum, if it is not 0.
pub(crate) fn normalise(shares: &mut [f64]) {
    let total: f64 = shares.iter().sum();
    if total > 0.0 {
        shares.iter_mut().for_each(|share| *share /= total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_in_single_precision_parts_the_same_singles() {
        // The midpoint of two neighbouring singles is neither of them; the upper one must stay above it.
        let low = 0.1f32;
        let high = low.next_up();
        let middle = f64::from(low) / 2.0 + f64::from(high) / 2.0;
        let single = not_above(middle);
        assert!(low <= single && high > single);
        assert_eq!(not_above(0.5), 0.5);
        assert!(not_above(f64::from(low) - 1e-12) < low);
    }

    #[test]
    fn rows_find_their_leaves_in_groups_and_alone() {
        let mut tree = Tree::sapling(1);
        let split = |feature, threshold| Split { feature, rank: 0, threshold, gain: 1.0 };
        let child = tree.split(0, 0, &split(0, 0.5));
        tree.make_leaf(child, [10.0]);
        let inner = tree.split(child + 1, 1, &split(1, 2.0));
        tree.make_leaf(inner, [20.0]);
        tree.make_leaf(inner + 1, [30.0]);
        // Eleven rows: one full group and three more.
        let rows: Vec<f32> = (0..11u8).flat_map(|i| [f32::from(i % 3), f32::from(i)]).collect();
        let mut found = vec![0.0; 11];
        tree.descend(&rows, 2, |row, leaf| found[row] = tree.leaf(leaf)[0]);
        let expected: Vec<f64> = (0..11)
            .map(|i| match (i % 3, i) {
                (0, _) => 10.0,
                (_, 0..=2) => 20.0,
                _ => 30.0,
            })
            .collect();
        assert_eq!(found, expected);
        let mut gains = [0.0; 2];
        tree.add_gains(&mut gains);
        assert_eq!(gains, [1.0, 1.0]);
    }
}
