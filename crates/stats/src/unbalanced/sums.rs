//! One pass over the scores: counts, their power sums, and sums of squares around the mean.

use super::Trial;
use super::within::Within;
use crate::error::{Error, Result, check_count, check_lengths};

/// Item ids are positions in a data set; the table that counts them is as long as the largest.
const LARGEST_ITEM: u32 = 1 << 26;

/// What one pass over the scores leaves: counts, their power sums and sums of squares around the mean.
pub(super) struct Sums {
    /// N as a float: every use is in a quotient.
    pub(super) n: f64,
    pub(super) mean: f64,
    pub(super) items: usize,
    pub(super) s2: f64,
    pub(super) s3: f64,
    pub(super) g2: f64,
    pub(super) g3: f64,
    pub(super) q: f64,
    /// Σ_i U_i², Σ_g V_g², Σ u².
    pub(super) squares: [f64; 3],
    /// Deviations within items; `None` where items are scored less than twice on average, or nothing varied.
    pub(super) within: Option<Within>,
}

/// Per item: how often it was scored, the sum of its scores, and the last repeat seen.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) times: u32,
    pub(super) repeat: u32,
    pub(super) sum: f64,
}

impl Sums {
    pub(super) fn gather<T: Copy + Into<f64>>(trials: &[Trial<'_, T>]) -> Result<Self> {
        check_count("trials", trials.len(), 1)?;
        // Sorted by key, so that the sums (and their rounding) do not depend on the order handed in.
        let mut sorted: Vec<&Trial<'_, T>> = trials.iter().collect();
        sorted.sort_by_key(|t| (t.repeat, t.fold));
        let mut table = table_for(&sorted)?;
        let mut totals = Vec::with_capacity(sorted.len());
        for trial in &sorted {
            totals.push(add_trial(&mut table, trial)?);
        }
        let n: f64 = sorted.iter().map(|t| t.items.len() as f64).sum();
        let mean = totals.iter().sum::<f64>() / n;
        let (mut q, mut g2, mut g3, mut by_trial, mut by_score) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (trial, total) in sorted.iter().zip(&totals) {
            let size = trial.items.len() as f64;
            let times: u64 = trial.items.iter().map(|&i| u64::from(table[i as usize].times)).sum();
            q += size * times as f64;
            g2 += size * size;
            g3 += size * size * size;
            by_trial += (total - size * mean).powi(2);
            by_score += trial.values.iter().map(|&v| (v.into() - mean).powi(2)).sum::<f64>();
        }
        let (mut items, mut s2, mut s3, mut by_item) = (0, 0.0, 0.0, 0.0);
        for item in table.iter().filter(|item| item.times > 0) {
            let times = f64::from(item.times);
            items += 1;
            s2 += times * times;
            s3 += times * times * times;
            by_item += (item.sum - times * mean).powi(2);
        }
        let first: f64 = sorted[0].values[0].into();
        let constant = sorted.iter().all(|t| t.values.iter().all(|&v| v.into() == first));
        let squares = if constant { [0.0; 3] } else { [by_item, by_trial, by_score] };
        let crossed = sorted.len() > 1 && n >= 2.0 * items as f64 && !constant;
        let within = crossed.then(|| Within::of(&sorted, &table));
        Ok(Sums { n, mean, items, s2, s3, g2, g3, q, squares, within })
    }
}

impl Sums {
    /// The larger of the variances that the trials' totals alone and the items' totals alone give the mean: what it is
    /// at least, whichever component was set to 0.
    pub(super) fn one_way(&self, trials: usize) -> f64 {
        let [by_item, by_trial, _] = self.squares;
        let of = |squares: f64, count: usize| match count {
            0 | 1 => 0.0,
            _ => squares / (self.n * self.n) * count as f64 / (count as f64 - 1.0),
        };
        of(by_item, self.items).max(of(by_trial, trials))
    }
}

/// An empty table long enough for every item, after the checks that need no scores.
fn table_for<T>(sorted: &[&Trial<'_, T>]) -> Result<Vec<Item>> {
    if let Some(pair) =
        sorted.windows(2).find(|w| (w[0].repeat, w[0].fold) == (w[1].repeat, w[1].fold))
    {
        let Trial { repeat, fold, .. } = pair[0];
        return Err(Error::Invalid(format!("repeat {repeat}, fold {fold} comes twice")));
    }
    let mut largest = 0;
    for trial in sorted {
        check_count("items of a trial", trial.items.len(), 1)?;
        check_lengths("scores of a trial", trial.items.len(), trial.values.len())?;
        largest = trial.items.iter().fold(largest, |max, &item| max.max(item));
    }
    if largest >= LARGEST_ITEM {
        return Err(Error::Invalid(format!(
            "item {largest} is beyond {LARGEST_ITEM}: number items by their row in the data set"
        )));
    }
    Ok(vec![Item { times: 0, repeat: 0, sum: 0.0 }; largest as usize + 1])
}

/// Enters a trial's scores into the table and returns their sum.
fn add_trial<T: Copy + Into<f64>>(table: &mut [Item], trial: &Trial<'_, T>) -> Result<f64> {
    let mut total = 0.0;
    for (at, (&item, &value)) in trial.items.iter().zip(trial.values).enumerate() {
        let value: f64 = value.into();
        if !value.is_finite() {
            return Err(Error::NotFinite { what: "a trial's scores", at });
        }
        let entry = &mut table[item as usize];
        if entry.times > 0 && entry.repeat == trial.repeat {
            return Err(Error::Invalid(format!(
                "item {item} is scored twice in repeat {}: folds must not overlap",
                trial.repeat
            )));
        }
        *entry = Item { times: entry.times + 1, repeat: trial.repeat, sum: entry.sum + value };
        total += value;
    }
    Ok(total)
}
