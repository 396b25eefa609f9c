//! Training columns as ranks: each value replaced by its place among the column's distinct values.
//!
//! Made once per fit and shared by all trees. Splits are then found by counting small integers, exactly, and pixels,
//! with their 256 grey levels, by a histogram. Columns of at most 256 distinct values keep their ranks in one byte each,
//! so that a thousand images stay in the second cache.

use crate::classifier::Features;

/// All columns that vary in the training rows, as ranks.
pub(crate) struct Columns {
    rows: usize,
    /// Per column of the examples, where it is in `varying`; `None` if it is constant.
    index: Vec<Option<u32>>,
    varying: Vec<Column>,
}

/// One column that varies.
pub(crate) struct Column {
    ranks: Ranks,
    /// The distinct values, ascending; ranks index it.
    pub(crate) values: Vec<f32>,
}

/// Per row, the rank of its value.
enum Ranks {
    Narrow(Vec<u8>),
    Wide(Vec<u32>),
}

/// A training row as a tree holds it.
pub(crate) trait Member: Copy {
    /// Which row of the training set it is.
    fn row(&self) -> usize;
}

impl Column {
    /// Writes the rank of each of `members` to `ranks` (as many); returns the least and the largest.
    pub(crate) fn gather<M: Member>(&self, members: &[M], ranks: &mut [u32]) -> (u32, u32) {
        match &self.ranks {
            Ranks::Narrow(own) => gather(own, members, ranks),
            Ranks::Wide(own) => gather(own, members, ranks),
        }
    }

    /// The rank of one row.
    pub(crate) fn rank(&self, row: usize) -> u32 {
        match &self.ranks {
            Ranks::Narrow(own) => u32::from(own[row]),
            Ranks::Wide(own) => own[row],
        }
    }

    /// The value of rank `rank`.
    pub(crate) fn value(&self, rank: u32) -> f64 {
        f64::from(self.values[rank as usize])
    }
}

fn gather<R: Copy + Into<u32>, M: Member>(
    own: &[R],
    members: &[M],
    ranks: &mut [u32],
) -> (u32, u32) {
    let (mut low, mut high) = (u32::MAX, 0);
    for (member, out) in members.iter().zip(ranks) {
        let rank = own[member.row()].into();
        *out = rank;
        low = low.min(rank);
        high = high.max(rank);
    }
    (low, high)
}

/// Columns that are copied out of the rows together, so that each line of the cache is read once.
const STRIP: usize = 16;

impl Columns {
    /// Ranks every column of `features`.
    pub(crate) fn new(features: &Features<'_>) -> Self {
        let rows = features.rows();
        let varying = if rows < FEW_ROWS { None } else { Coded::new(features) };
        let ranked: Vec<Option<Column>> = match varying {
            Some(coded) => coded.columns(features.columns()),
            None => {
                let mut ranking = Ranking::new();
                let mut ranked = Vec::with_capacity(features.columns());
                strips(features.values(), features.columns(), |values: &[f32]| {
                    ranked.push(ranking.column(values));
                });
                ranked
            }
        };
        let (mut index, mut varying) = (Vec::with_capacity(ranked.len()), Vec::new());
        for column in ranked {
            index.push(column.is_some().then_some(varying.len() as u32));
            varying.extend(column);
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
        self.index[j].map(|at| &self.varying[at as usize])
    }
}

/// Gives each column of row-major `values` to `visit`, in order.
fn strips<T: Copy + Default>(values: &[T], columns: usize, mut visit: impl FnMut(&[T])) {
    let rows = values.len() / columns;
    let mut strip = vec![T::default(); STRIP * rows];
    for start in (0..columns).step_by(STRIP) {
        let width = STRIP.min(columns - start);
        for (i, row) in values.chunks_exact(columns).enumerate() {
            for (j, &value) in row[start..start + width].iter().enumerate() {
                strip[j * rows + i] = value;
            }
        }
        strip.chunks_exact(rows.max(1)).take(width).for_each(&mut visit);
    }
}

/// Distinct values that one byte can number.
const NARROW: usize = 256;
/// Below this many rows sorting each column is quicker than tables of values.
const FEW_ROWS: usize = 48;

/// Distinct values in the order in which they are met, found by hash.
struct Table {
    /// Value by slot, as bits, and its place among `met`.
    bits: Vec<u32>,
    codes: Vec<u16>,
    met: Vec<f32>,
}

/// Slots of the table: four times as many as values, so that most are found at once.
const SLOTS: usize = 1024;
/// No value of `codes`.
const FREE: u16 = u16::MAX;

impl Table {
    fn new() -> Self {
        Table { bits: vec![0; SLOTS], codes: vec![FREE; SLOTS], met: Vec::with_capacity(NARROW) }
    }

    fn clear(&mut self) {
        self.codes.fill(FREE);
        self.met.clear();
    }

    /// The number of `value`, a new one if it is met for the first time; `None` if there are more than [`NARROW`].
    #[inline]
    fn code(&mut self, value: f32) -> Option<u8> {
        let value = value + 0.0; // both zeros are one value
        let bits = value.to_bits();
        let mut slot = (bits.wrapping_mul(0x9e37_79b1) >> 22) as usize;
        while self.codes[slot] != FREE && self.bits[slot] != bits {
            slot = (slot + 1) % SLOTS;
        }
        if self.codes[slot] == FREE {
            if self.met.len() == NARROW {
                return None;
            }
            (self.bits[slot], self.codes[slot]) = (bits, self.met.len() as u16);
            self.met.push(value);
        }
        Some(self.codes[slot] as u8)
    }

    /// The codes in ascending order of their values.
    fn order(&self) -> Vec<u8> {
        let key = |(code, &value): (usize, &f32)| (u64::from(sortable(value)) << 8) | code as u64;
        let mut keys: Vec<u64> = self.met.iter().enumerate().map(key).collect();
        keys.sort_unstable();
        keys.iter().map(|key| *key as u8).collect()
    }
}

/// All values as bytes, where all columns together have at most [`NARROW`] distinct ones, as pixels do.
struct Coded {
    /// Row-major; by order of value.
    codes: Vec<u8>,
    /// The distinct values, ascending.
    values: Vec<f32>,
}

impl Coded {
    fn new(features: &Features<'_>) -> Option<Self> {
        let mut table = Table::new();
        let mut codes = Vec::with_capacity(features.values().len());
        for &value in features.values() {
            codes.push(table.code(value)?);
        }
        let order = table.order();
        let mut rank_of = [0u8; NARROW];
        order.iter().enumerate().for_each(|(rank, &code)| rank_of[usize::from(code)] = rank as u8);
        codes.iter_mut().for_each(|code| *code = rank_of[usize::from(*code)]);
        let values = order.iter().map(|&code| table.met[usize::from(code)]).collect();
        Some(Coded { codes, values })
    }

    /// The columns, each with the values that occur in it; `None` for constant ones.
    fn columns(&self, columns: usize) -> Vec<Option<Column>> {
        let mut ranked = Vec::with_capacity(columns);
        strips(&self.codes, columns, |codes: &[u8]| {
            let mut occurs = [false; NARROW];
            codes.iter().for_each(|&code| occurs[usize::from(code)] = true);
            let (mut rank_of, mut values) = ([0u8; NARROW], Vec::new());
            for (code, &value) in self.values.iter().enumerate().filter(|(code, _)| occurs[*code]) {
                rank_of[code] = values.len() as u8;
                values.push(value);
            }
            ranked.push((values.len() > 1).then(|| {
                let ranks = codes.iter().map(|&code| rank_of[usize::from(code)]).collect();
                Column { ranks: Ranks::Narrow(ranks), values }
            }));
        });
        ranked
    }
}

/// Scratch for ranking one column after another.
struct Ranking {
    table: Table,
    /// Sortable value and row.
    keys: Vec<u64>,
}

impl Ranking {
    fn new() -> Self {
        Ranking { table: Table::new(), keys: Vec::new() }
    }

    /// The column with these values, `None` if they are all the same.
    fn column(&mut self, values: &[f32]) -> Option<Column> {
        let first = values.first()?;
        if values.iter().all(|value| value == first) {
            return None;
        }
        let by_table = if values.len() < FEW_ROWS { None } else { self.by_table(values) };
        Some(by_table.unwrap_or_else(|| self.by_sorting(values)))
    }

    /// Numbers the distinct values by a hash table; `None` if there are more than [`NARROW`].
    fn by_table(&mut self, values: &[f32]) -> Option<Column> {
        self.table.clear();
        let codes: Option<Vec<u8>> = values.iter().map(|&value| self.table.code(value)).collect();
        let mut codes = codes?;
        let order = self.table.order();
        let mut rank_of = [0u8; NARROW];
        order.iter().enumerate().for_each(|(rank, &code)| rank_of[usize::from(code)] = rank as u8);
        codes.iter_mut().for_each(|code| *code = rank_of[usize::from(*code)]);
        let values = order.iter().map(|&code| self.table.met[usize::from(code)]).collect();
        Some(Column { ranks: Ranks::Narrow(codes), values })
    }

    fn by_sorting(&mut self, column: &[f32]) -> Column {
        let key = |(i, &value): (usize, &f32)| (u64::from(sortable(value + 0.0)) << 32) | i as u64;
        self.keys.clear();
        self.keys.extend(column.iter().enumerate().map(key));
        self.keys.sort_unstable();
        let mut ranks = vec![0u32; column.len()];
        let mut values: Vec<f32> = Vec::new();
        let mut last = None;
        for key in &self.keys {
            let row = (key & 0xffff_ffff) as usize;
            if last != Some(key >> 32) {
                values.push(column[row] + 0.0);
                last = Some(key >> 32);
            }
            ranks[row] = (values.len() - 1) as u32;
        }
        let ranks = if values.len() <= NARROW {
            Ranks::Narrow(ranks.iter().map(|&rank| rank as u8).collect())
        } else {
            Ranks::Wide(ranks)
        };
        Column { ranks, values }
    }
}

/// The bits of `value` as an integer of the same order.
fn sortable(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | (1 << 31) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::Shape;

    fn ranks(column: &Column, rows: usize) -> Vec<u32> {
        (0..rows).map(|row| column.rank(row)).collect()
    }

    #[test]
    fn values_become_ranks_and_constants_disappear() {
        let values = [0.5, -1.0, 3.0, -0.0, 2.0, 3.0, 0.0, -1.0, 3.0, -2.0, 9.0, 3.0];
        let columns = Columns::new(&Features::new(&values, Shape::table(3)));
        let first = columns.get(0).unwrap();
        assert_eq!(first.values, [-2.0, 0.0, 0.5]);
        assert_eq!(ranks(first, 4), [2, 1, 1, 0], "-0 and 0 are one value");
        assert_eq!(ranks(columns.get(1).unwrap(), 4), [0, 1, 0, 2]);
        assert!(columns.get(2).is_none());
        assert_eq!((columns.rows(), columns.len()), (4, 3));
    }

    #[test]
    fn few_values_in_all_are_coded_once_for_all_columns() {
        // 60 rows of 20 columns (more than a strip) of 30 values; column 7 is constant.
        let value = |i: u16, j: u16| if j == 7 { 2.5 } else { f32::from(i * j % 30) - 12.0 };
        let values: Vec<f32> = (0..60).flat_map(|i| (0..20).map(move |j| value(i, j))).collect();
        let features = Features::new(&values, Shape::table(20));
        let coded = Coded::new(&features).unwrap().columns(20);
        let mut ranking = Ranking::new();
        let mut at = 0;
        strips(&values, 20, |column| {
            match (&coded[at], ranking.column(column)) {
                (Some(ours), Some(sorted)) => {
                    assert_eq!(ours.values, sorted.values, "column {at}");
                    assert_eq!(ranks(ours, 60), ranks(&sorted, 60), "column {at}");
                }
                (None, None) => assert!(at == 0 || at == 7, "column {at}"),
                _ => panic!("column {at} varies for one and not for the other"),
            }
            at += 1;
        });
    }

    #[test]
    fn table_and_sorting_agree_and_many_values_are_wide() {
        // 300 rows: 97 distinct values, some negative, in a scrambled order.
        let few: Vec<f32> = (0..300u16).map(|i| f32::from(i * 53 % 97) / 7.0 - 5.0).collect();
        let mut ranking = Ranking::new();
        let table = ranking.by_table(&few).unwrap();
        let sorted = ranking.by_sorting(&few);
        assert_eq!((ranks(&table, 300), &table.values), (ranks(&sorted, 300), &sorted.values));
        assert_eq!(table.values.len(), 97);
        let many: Vec<f32> = (0..300u16).map(|i| f32::from(i * 53 % 299)).collect();
        assert!(ranking.by_table(&many).is_none(), "299 values don't fit a byte");
        assert!(matches!(ranking.column(&many).unwrap().ranks, Ranks::Wide(_)));
    }
}
