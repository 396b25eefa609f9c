//! Deviations within items: the trials' and the residual variance without the items' own.

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
        let trials = sorted.len();
        // Which trials scored each item, one after the other.
        let mut ends = vec![0u32; table.len() + 1];
        for (at, item) in table.iter().enumerate() {
            ends[at + 1] = ends[at] + item.times;
        }
        let mut next = ends.clone();
        let mut scorers = vec![0u32; ends[table.len()] as usize];
        for (g, trial) in sorted.iter().enumerate() {
            for &item in trial.items {
                scorers[next[item as usize] as usize] = g as u32;
                next[item as usize] += 1;
            }
        }
        let (mut by_score, mut by_trial, mut shared) = (0.0, 0.0, 0.0);
        let mut row = vec![0.0; trials];
        for (g, trial) in sorted.iter().enumerate() {
            row.fill(0.0);
            let mut total = 0.0;
            for (&item, &value) in trial.items.iter().zip(trial.values) {
                let Item { times, sum, .. } = table[item as usize];
                let share = 1.0 / f64::from(times);
                let deviation = value.into() - sum * share;
                total += deviation;
                by_score += deviation * deviation;
                row[g] += 1.0;
                for &h in &scorers[ends[item as usize] as usize..ends[item as usize + 1] as usize] {
                    row[h as usize] -= share;
                }
            }
            by_trial += total * total;
            shared += row.iter().map(|c| c * c).sum::<f64>();
        }
        Within { by_score, by_trial, shared }
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
