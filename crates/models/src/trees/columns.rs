//! Training columns as ranks: each value replaced by its place among the column's distinct values.
//!
//! Made once per fit and shared by all trees. Splits are then found by counting small integers, exactly, and pixels,
//! with their 256 grey levels, by a histogram.

use crate::classifier::Features;

/// All columns that vary in the training rows, as ranks.
pub(crate) struct Columns {
    rows: usize,
    /// Per column of the examples, where it is in `varying`; `None` if it is constant.
    index: Vec<Option<usize>>,
    varying: Vec<Column>,
}

/// One column that varies.
pub(crate) struct Column {
    /// Per row, the rank of its value.
    pub(crate) ranks: Vec<u32>,
    /// The distinct values, ascending; ranks index it.
    pub(crate) values: Vec<f32>,
}

impl Columns {
    /// Ranks every column of `features`.
    pub(crate) fn new(features: &Features<'_>) -> Self {
        let rows = features.rows();
        let mut varying = Vec::new();
        let mut keys = vec![0u64; rows];
        let mut index = Vec::with_capacity(features.columns());
        for j in 0..features.columns() {
            for (i, key) in keys.iter_mut().enumerate() {
                *key = (u64::from(sortable(features.row(i)[j])) << 32) | i as u64;
            }
            let first = keys.first().map_or(0, |key| key >> 32);
            if keys.iter().all(|key| key >> 32 == first) {
                index.push(None);
                continue;
            }
            keys.sort_unstable();
            index.push(Some(varying.len()));
            varying.push(ranked(&keys, features, j));
        }
        Columns { rows, index, varying }
    }

    /// The number of training rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns, constant ones included.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Column `j` of the examples, if it varies.
    pub(crate) fn get(&self, j: usize) -> Option<&Column> {
        self.index[j].map(|at| &self.varying[at])
    }
}

/// The bits of `value` as an integer of the same order; both zeros are one value.
fn sortable(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | (1 << 31) }
}

/// The column of sorted `keys`, each a sortable value and its row.
fn ranked(keys: &[u64], features: &Features<'_>, j: usize) -> Column {
    let mut ranks = vec![0u32; keys.len()];
    let mut values: Vec<f32> = Vec::new();
    let mut last = None;
    for key in keys {
        let row = (key & 0xffff_ffff) as usize;
        if last != Some(key >> 32) {
            values.push(features.row(row)[j] + 0.0);
            last = Some(key >> 32);
        }
        ranks[row] = (values.len() - 1) as u32;
    }
    Column { ranks, values }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::Shape;

    #[test]
    fn values_become_ranks_and_constants_disappear() {
        let values = [0.5, -1.0, 3.0, -0.0, 2.0, 3.0, 0.0, -1.0, 3.0, -2.0, 9.0, 3.0];
        let columns = Columns::new(&Features::new(&values, Shape::table(3)));
        let first = columns.get(0).unwrap();
        assert_eq!(first.values, [-2.0, 0.0, 0.5]);
        assert_eq!(first.ranks, [2, 1, 1, 0], "-0 and 0 are one value");
        assert_eq!(columns.get(1).unwrap().ranks, [0, 1, 0, 2]);
        assert!(columns.get(2).is_none());
        assert_eq!((columns.rows(), columns.len()), (4, 3));
    }
}
