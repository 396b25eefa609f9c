//! How several mean scores vary together over training draws × items: the two-way multiplier bootstrap.
//!
//! A *column* is one mean: one model at one train size. Its scores deviate from their mean by u_gi (trial g, item i).
//! A replicate multiplies every trial's total V_g = Σ_i u_gi and every item's total U_i = Σ_g u_gi by independent
//! standard normal draws ε_g and η_i, the same for all columns, since the columns share trials and items:
//!
//! δ = (Σ_g ε_g V_g + Σ_i η_i U_i) / N.
//!
//! Given the data, the δ of all columns are normal with covariance (Σ_g V_g V_g' + Σ_i U_i U_i')/(N N'), so the
//! replicates are drawn from that, at a cost that does not grow with the items. The bootstrap for arrays of two
//! exchangeable dimensions is that of Davezies, D'Haultfœuille & Guyonvarch (Annals of Statistics 49, 2021), the
//! multipliers Menzel's (Econometrica 89, 2021); [`crate::pigeonhole`] resamples instead.
//!
//! The residual part is counted twice, so the spread of δ is a little too large. Take from here how columns go
//! together, and the width of each from [`crate::unbalanced`], as [`crate::band::MaxT::band_of`] does.

use rand::Rng;

use crate::error::{Error, Result, check_count, check_lengths};
use crate::unbalanced::Trial;

/// The joint distribution of the deviations of several means.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    columns: usize,
    /// Row by row.
    covariance: Vec<f64>,
    /// Its lower Cholesky factor, row by row.
    root: Vec<f64>,
}

/// A pivot below this share of its variance counts as zero: the column depends on those before it.
const DEPENDENT: f64 = 1e-10;

impl Joint {
    /// From the trials of each column; trials belong together by (repeat, fold), items by their id, and either may be
    /// missing in some columns. `overlap[c]` is the share of examples that two training draws of column c have in
    /// common ([`crate::unbalanced`]): it widens the trials' part.
    ///
    /// # Errors
    /// With no columns or one without trials, a trial without items or with unlike numbers of items and scores, an
    /// overlap outside [0, 1), or a score that is not finite.
    pub fn of<T: Copy + Into<f64>>(columns: &[Vec<Trial<'_, T>>], overlap: &[f64]) -> Result<Self> {
        check_count("columns", columns.len(), 1)?;
        check_lengths("overlaps", columns.len(), overlap.len())?;
        let totals = Totals::of(columns, overlap)?;
        let count = columns.len();
        let mut covariance = vec![0.0; count * count];
        for row in totals.by_item.chunks_exact(count).chain(totals.by_trial.chunks_exact(count)) {
            add_outer(&mut covariance, row);
        }
        for i in 0..count {
            for j in 0..i {
                covariance[j * count + i] = covariance[i * count + j];
            }
        }
        Ok(Joint { columns: count, root: cholesky(&covariance, count), covariance })
    }

    /// Cov(δ_a, δ_b).
    ///
    /// # Panics
    /// If there is no such column: a defect of the caller.
    pub fn covariance(&self, a: usize, b: usize) -> f64 {
        assert!(a < self.columns && b < self.columns, "no column {a} or {b} of {}", self.columns);
        self.covariance[a * self.columns + b]
    }

    /// The standard deviation of δ_a - δ_b.
    ///
    /// # Panics
    /// As [`Joint::covariance`].
    pub fn difference_error(&self, a: usize, b: usize) -> f64 {
        let variance = self.covariance(a, a) + self.covariance(b, b) - 2.0 * self.covariance(a, b);
        variance.max(0.0).sqrt()
    }

    /// `count` replicates of the deviations of all columns.
    pub fn replicates(&self, count: usize, rng: &mut impl Rng) -> Vec<Vec<f64>> {
        let mut normals = Normals { spare: None };
        let mut z = vec![0.0; self.columns];
        (0..count)
            .map(|_| {
                z.fill_with(|| normals.next(rng));
                self.root
                    .chunks_exact(self.columns)
                    .enumerate()
                    .map(|(i, row)| row[..=i].iter().zip(&z).map(|(l, z)| l * z).sum())
                    .collect()
            })
            .collect()
    }
}

/// Deviations summed by item and by trial, over N; a row for each item or trial, a column for each mean.
struct Totals {
    by_item: Vec<f64>,
    by_trial: Vec<f64>,
}

impl Totals {
    fn of<T: Copy + Into<f64>>(columns: &[Vec<Trial<'_, T>>], overlap: &[f64]) -> Result<Self> {
        let (mut keys, mut ids) = (Vec::new(), Vec::new());
        for trials in columns {
            check_count("trials of a column", trials.len(), 1)?;
            for trial in trials {
                check_count("items of a trial", trial.items.len(), 1)?;
                check_lengths("scores of a trial", trial.items.len(), trial.values.len())?;
                keys.push((trial.repeat, trial.fold));
                ids.extend_from_slice(trial.items);
            }
            // Once per column, so that the list does not grow with their number.
            ids.sort_unstable();
            ids.dedup();
        }
        keys.sort_unstable();
        keys.dedup();
        let count = columns.len();
        let mut totals = Totals {
            by_item: vec![0.0; ids.len() * count],
            by_trial: vec![0.0; keys.len() * count],
        };
        let largest = ids.last().map_or(0, |&id| id as usize);
        let mut rank = vec![0u32; largest + 1];
        for (at, &id) in ids.iter().enumerate() {
            rank[id as usize] = at as u32;
        }
        for (column, (trials, &overlap)) in columns.iter().zip(overlap).enumerate() {
            if !(0.0..1.0).contains(&overlap) {
                let range = "in [0, 1)";
                return Err(Error::OutOfRange { what: "an overlap", range, found: overlap });
            }
            let widen = (1.0 + trials.len() as f64 * overlap / (1.0 - overlap)).sqrt();
            totals.add(column, count, trials, (&keys, &rank), widen)?;
        }
        Ok(totals)
    }

    fn add<T: Copy + Into<f64>>(
        &mut self,
        column: usize,
        count: usize,
        trials: &[Trial<'_, T>],
        (keys, rank): (&[(u32, u32)], &[u32]),
        widen: f64,
    ) -> Result<()> {
        let (mut sum, mut scores) = (0.0, 0.0);
        for trial in trials {
            for (at, &value) in trial.values.iter().enumerate() {
                let value: f64 = value.into();
                if !value.is_finite() {
                    return Err(Error::NotFinite { what: "a trial's scores", at });
                }
                sum += value;
                scores += 1.0;
            }
        }
        let mean = sum / scores;
        for trial in trials {
            let mut total = 0.0;
            for (&item, &value) in trial.items.iter().zip(trial.values) {
                let deviation = (value.into() - mean) / scores;
                total += deviation;
                self.by_item[rank[item as usize] as usize * count + column] += deviation;
            }
            let row = keys.partition_point(|&key| key < (trial.repeat, trial.fold));
            self.by_trial[row * count + column] += widen * total;
        }
        Ok(())
    }
}

/// Adds row · rowᵀ to the lower triangle of a square matrix.
fn add_outer(matrix: &mut [f64], row: &[f64]) {
    for (i, &x) in row.iter().enumerate() {
        if x != 0.0 {
            let of_i = &mut matrix[i * row.len()..][..=i];
            of_i.iter_mut().zip(row).for_each(|(cell, y)| *cell += x * y);
        }
    }
}

/// The lower factor of a positive semidefinite matrix; dependent columns get a zero pivot.
fn cholesky(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut root = vec![0.0; n * n];
    for j in 0..n {
        let squares: f64 = root[j * n..][..j].iter().map(|l| l * l).sum();
        let pivot = matrix[j * n + j] - squares;
        if pivot <= DEPENDENT * matrix[j * n + j] {
            continue;
        }
        let pivot = pivot.sqrt();
        root[j * n + j] = pivot;
        for i in j + 1..n {
            let dot: f64 = (0..j).map(|k| root[i * n + k] * root[j * n + k]).sum();
            root[i * n + j] = (matrix[i * n + j] - dot) / pivot;
        }
    }
    root
}

/// Standard normal draws, two at a time (Box & Muller 1958).
struct Normals {
    spare: Option<f64>,
}

impl Normals {
    fn next(&mut self, rng: &mut impl Rng) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (u, v): (f64, f64) = (rng.random(), rng.random());
        let radius = (-2.0 * libm::log(1.0 - u)).sqrt();
        let angle = 2.0 * std::f64::consts::PI * v;
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crossed;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Twelve draws of forty items, some draws better, some items easier, in two columns and their difference.
    fn rows(shift: usize) -> Vec<Vec<i8>> {
        let cell = |r: usize, i: usize| {
            i8::from((7 * r + 13 * i + (r + shift) * i) % 11 < 3 + r % 4 + i % 3)
        };
        (0..12).map(|r| (0..40).map(|i| cell(r, i)).collect()).collect()
    }

    fn trials<'a>(rows: &'a [Vec<i8>], items: &'a [u32]) -> Vec<Trial<'a, i8>> {
        let trial = |(r, row): (usize, &'a Vec<i8>)| Trial {
            repeat: r as u32,
            fold: 0,
            items,
            values: row,
        };
        rows.iter().enumerate().map(trial).collect()
    }

    #[test]
    fn spread_is_that_of_the_crossed_analysis_with_the_residual_counted_twice() {
        let (a, items): (_, Vec<u32>) = (rows(0), (0..40).map(|i| 5 * i + 2).collect());
        let joint = Joint::of(&[trials(&a, &items)], &[0.0]).expect("valid");
        let c = crossed::analyse(&a).expect("valid");
        // Sums of squares by their degrees of freedom: 11/12 of the trials', 39/40 of the items'.
        let expected = c.variance_trial_only() * 11.0 / 12.0 + c.variance_item_only() * 39.0 / 40.0;
        assert!((joint.covariance(0, 0) / expected - 1.0).abs() < 1e-9);
        let wider = Joint::of(&[trials(&a, &items)], &[0.5]).expect("valid").covariance(0, 0);
        let trial_part = c.variance_trial_only() * 11.0 / 12.0;
        assert!(((wider - expected) / (12.0 * trial_part) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn replicates_have_the_covariance() {
        let (a, b, items): (_, _, Vec<u32>) = (rows(0), rows(1), (0..40).collect());
        let columns = [trials(&a, &items), trials(&b, &items), trials(&a, &items)];
        let joint = Joint::of(&columns, &[0.0; 3]).expect("valid");
        assert_eq!(joint.difference_error(0, 2), 0.0);
        let replicates = joint.replicates(20_000, &mut ChaCha8Rng::seed_from_u64(4));
        for (x, y) in [(0, 0), (0, 1), (1, 1), (0, 2)] {
            let product: f64 = replicates.iter().map(|r| r[x] * r[y]).sum::<f64>() / 20_000.0;
            let scale = (joint.covariance(x, x) * joint.covariance(y, y)).sqrt();
            assert!((product - joint.covariance(x, y)).abs() < 0.03 * scale, "{x} {y}");
        }
    }

    #[test]
    fn a_column_that_does_not_vary_stays_where_it_is() {
        let (a, items): (_, Vec<u32>) = (rows(0), (0..40).collect());
        let still = vec![vec![1i8; 40]; 12];
        let joint = Joint::of(&[trials(&still, &items), trials(&a, &items)], &[0.0; 2]);
        let joint = joint.expect("valid");
        let rows = joint.replicates(10, &mut ChaCha8Rng::seed_from_u64(4));
        assert!(rows.iter().all(|row| row[0] == 0.0 && row[1] != 0.0));
        assert!(Joint::of::<i8>(&[], &[]).is_err() && Joint::of::<i8>(&[vec![]], &[0.0]).is_err());
        assert!(Joint::of(&[trials(&a, &items)], &[1.0]).is_err());
    }
}
