//! Deviations within items: the trials' and the residual variance without the items' own.

use std::cell::RefCell;

use super::{Item, Sums, Trial};

/// Sums of squares of r = score - mean of its item, and what they are expected to be.
pub(super) struct Within {
    /// Σ r².
    by_score: f64,
    /// Σ_g (Σ_i r)².
    by_trial: f64,
    /// Σ_gh c_gh².
    shared: f64,
}

impl Within {
    /// From the trials in order and the table of their items.
    pub(super) fn of<T: Copy + Into<f64>>(sorted: &[&Trial<'_, T>], table: &[Item]) -> Self {
        let (mut by_score, mut by_trial) = (0.0, 0.0);
        for trial in sorted {
            let mut total = 0.0;
            for (&item, &value) in trial.items.iter().zip(trial.values) {
                let Item { times, sum, .. } = table[item as usize];
                let deviation = value.into() - sum * (1.0 / f64::from(times));
                total += deviation;
                by_score += deviation * deviation;
            }
            by_trial += total * total;
        }
        let design: Vec<&[u32]> = sorted.iter().map(|trial| trial.items).collect();
        Within { by_score, by_trial, shared: kept_shared(&design, table) }
    }

    /// (A, T, E), none negative; `None` if the design does not tell T from E.
    pub(super) fn solve(&self, s: &Sums) -> Option<(f64, f64, f64)> {
        let spare = s.n - s.items as f64;
        let telling = self.shared - spare;
        if telling <= 1e-9 * self.shared {
            return None;
        }
        let both = self.by_score / spare;
        let trial = ((self.by_trial - self.by_score) / telling).clamp(0.0, both);
        let residual = both - trial;
        let rest = trial * (s.n - s.g2 / s.n) + residual * (s.n - 1.0);
        let item = ((s.squares[2] - rest) / (s.n - s.s2 / s.n)).max(0.0);
        (item.is_finite() && trial.is_finite()).then_some((item, trial, residual))
    }
}

/// Designs of fewer scores than this are summed anew each time.
const LARGE: usize = 50_000;

thread_local! {
    /// The last large design and its sum: all models and sizes of a study share their splits, and the sum takes far longer
    /// than all else where there are thousands of trials.
    static LAST: RefCell<Option<(Vec<Vec<u32>>, f64)>> = const { RefCell::new(None) };
}

/// [`shared`], kept for the next call with the same design.
fn kept_shared(design: &[&[u32]], table: &[Item]) -> f64 {
    if design.iter().map(|items| items.len()).sum::<usize>() < LARGE {
        return shared(design, table);
    }
    LAST.with_borrow_mut(|last| {
        if let Some((_, sum)) = last.as_ref().filter(|(kept, _)| kept == design) {
            return *sum;
        }
        let sum = shared(design, table);
        *last = Some((design.iter().map(|items| items.to_vec()).collect(), sum));
        sum
    })
}

/// Σ_gh c_gh² with c_gh = δ_gh n_g - Σ 1/M_i over the items that g and h share: by pairs of trials, or by pairs of items
/// where these are fewer.
fn shared(design: &[&[u32]], table: &[Item]) -> f64 {
    if design.len() > table.len() { by_items(design, table) } else { by_trials(design, table) }
}

/// Row by row of the matrix c.
fn by_trials(design: &[&[u32]], table: &[Item]) -> f64 {
    // Which trials scored each item, one after the other.
    let mut ends = vec![0u32; table.len() + 1];
    for (at, item) in table.iter().enumerate() {
        ends[at + 1] = ends[at] + item.times;
    }
    let mut next = ends.clone();
    let mut scorers = vec![0u32; ends[table.len()] as usize];
    for (g, items) in design.iter().enumerate() {
        for &item in *items {
            scorers[next[item as usize] as usize] = g as u32;
            next[item as usize] += 1;
        }
    }
    let mut shared = 0.0;
    let mut row = vec![0.0; design.len()];
    for (g, items) in design.iter().enumerate() {
        row.fill(0.0);
        for &item in *items {
            let share = 1.0 / f64::from(table[item as usize].times);
            row[g] += 1.0;
            for &h in &scorers[ends[item as usize] as usize..ends[item as usize + 1] as usize] {
                row[h as usize] -= share;
            }
        }
        shared += row.iter().map(|c| c * c).sum::<f64>();
    }
    shared
}

/// With s_gh = Σ 1/M_i over shared items and W_ij the trials that score both i and j:
/// Σ c² = Σ_g n_g² - 2 Σ_g n_g s_gg + Σ_gh s_gh², and Σ_gh s_gh² = Σ_ij W_ij²/(M_i M_j).
fn by_items(design: &[&[u32]], table: &[Item]) -> f64 {
    let count = table.len();
    let mut both = vec![0u32; count * count];
    let mut shared = 0.0;
    for items in design {
        let n = items.len() as f64;
        let own: f64 = items.iter().map(|&i| 1.0 / f64::from(table[i as usize].times)).sum();
        shared += n * (n - 2.0 * own);
        for &i in *items {
            let row = &mut both[i as usize * count..][..count];
            items.iter().for_each(|&j| row[j as usize] += 1);
        }
    }
    for (i, row) in both.chunks_exact(count).enumerate() {
        let share = 1.0 / f64::from(table[i].times);
        let of = |(j, &w): (usize, &u32)| f64::from(w) * f64::from(w) / f64::from(table[j].times);
        shared += share * row.iter().enumerate().map(of).sum::<f64>();
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three folds of twelve items, dealt anew in each of five repeats, one item left out of the last.
    fn design() -> Vec<Vec<u32>> {
        let fold = |repeat: u32, fold: u32| {
            (0..12).filter(move |i| (i * (2 * repeat + 1) / 4) % 3 == fold)
        };
        let mut design: Vec<Vec<u32>> = (0..15)
            .map(|at| fold(at / 3, at % 3).collect::<Vec<_>>())
            .filter(|f| !f.is_empty())
            .collect();
        design.last_mut().unwrap().pop();
        design
    }

    #[test]
    fn pairs_of_items_and_pairs_of_trials_come_to_the_same() {
        let owned = design();
        let design: Vec<&[u32]> = owned.iter().map(Vec::as_slice).collect();
        let times = |i: u32| owned.iter().flatten().filter(|&&item| item == i).count() as u32;
        let table: Vec<Item> =
            (0..12).map(|i| Item { times: times(i), repeat: 0, sum: 0.0 }).collect();
        let (a, b) = (by_trials(&design, &table), by_items(&design, &table));
        assert!(a > 0.0 && (a - b).abs() < 1e-9 * a, "{a} {b}");
        assert_eq!(kept_shared(&design, &table), shared(&design, &table));
    }
}
