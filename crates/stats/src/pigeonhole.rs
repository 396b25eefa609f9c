//! Bootstrap replicates of mean scores over draws × items, jointly for all sizes of a learning curve.
//!
//! Training draws and items are resampled independently, and a score counts as often as its draw times its item came
//! up: Owen's pigeonhole bootstrap (Annals of Applied Statistics 1, 2007). The same draws of trials and items apply at
//! every size, as the sizes share them, so that neighbouring sizes go together in the replicates as they do in truth.
//!
//! Its variance is never too small in expectation, but counts the residual part up to three times (ibid.).
//! So take how the sizes go together from the replicates, and the width at each size from [`crate::crossed`] or
//! [`crate::unbalanced`]: [`crate::band::MaxT::band_of`] joins the two.

use rand::Rng;

use crate::error::{Error, Result, check_count, check_finite, check_lengths};
use crate::unbalanced::Trial;

/// How often a replicate that leaves some size without any score is drawn again before giving up.
const RETRIES: usize = 1_000;

/// The scores of all sizes, with trials and items numbered from 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Pigeonhole {
    sizes: Vec<Vec<Row>>,
    trials: usize,
    items: usize,
}

/// A trial's scores at one size.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    trial: usize,
    /// (item, score).
    scores: Vec<(u32, f64)>,
}

impl Pigeonhole {
    /// From the trials at each size, in any order. Trials of different sizes belong together by (repeat, fold), items
    /// by their id; a trial may be missing at some sizes.
    ///
    /// # Errors
    /// With no sizes or a size without trials, a trial without items or with unlike numbers of items and values, a
    /// (repeat, fold) that comes twice at one size, or a value that is not finite.
    pub fn new<T: Copy + Into<f64>>(sizes: &[Vec<Trial<'_, T>>]) -> Result<Self> {
        check_count("train sizes", sizes.len(), 1)?;
        let (mut keys, mut ids) = (Vec::new(), Vec::new());
        for trials in sizes {
            check_count("trials of a size", trials.len(), 1)?;
            keys.extend(distinct_keys(trials)?);
            for trial in trials {
                check_trial(trial)?;
                ids.extend_from_slice(trial.items);
            }
        }
        sort_distinct(&mut keys);
        sort_distinct(&mut ids);
        let row = |trial: &Trial<'_, T>| Row {
            trial: keys.partition_point(|&key| key < (trial.repeat, trial.fold)),
            scores: trial
                .items
                .iter()
                .zip(trial.values)
                .map(|(id, &value)| (ids.partition_point(|other| other < id) as u32, value.into()))
                .collect(),
        };
        let numbered = sizes.iter().map(|trials| {
            let mut rows: Vec<Row> = trials.iter().map(row).collect();
            // The order handed in must not reach the rounding of sums.
            rows.sort_by_key(|row| row.trial);
            rows
        });
        Ok(Pigeonhole { sizes: numbered.collect(), trials: keys.len(), items: ids.len() })
    }

    /// The mean score at each size.
    pub fn means(&self) -> Vec<f64> {
        let (trials, items) = (vec![1.0; self.trials], vec![1.0; self.items]);
        // With every weight 1 no size is empty.
        self.sizes.iter().filter_map(|rows| weighted_mean(rows, &trials, &items)).collect()
    }

    /// `count` replicates of the mean score at each size: `[replicate][size]`.
    ///
    /// # Errors
    /// If the design is so small that resampling keeps leaving some size without any score.
    pub fn replicates(&self, count: usize, rng: &mut impl Rng) -> Result<Vec<Vec<f64>>> {
        let mut found = Vec::with_capacity(count);
        let mut retries = 0;
        while found.len() < count {
            let trials = multiplicities(self.trials, rng);
            let items = multiplicities(self.items, rng);
            let means: Option<Vec<f64>> =
                self.sizes.iter().map(|rows| weighted_mean(rows, &trials, &items)).collect();
            match means {
                Some(means) => found.push(means),
                None if retries < RETRIES => retries += 1,
                None => {
                    return Err(Error::Invalid(
                        "too few trials or items to resample: some size keeps coming out empty"
                            .to_owned(),
                    ));
                }
            }
        }
        Ok(found)
    }
}

/// The (repeat, fold) of each trial, once none comes twice.
fn distinct_keys<T>(trials: &[Trial<'_, T>]) -> Result<Vec<(u32, u32)>> {
    let mut keys: Vec<_> = trials.iter().map(|t| (t.repeat, t.fold)).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => {
            let (repeat, fold) = twice[0];
            Err(Error::Invalid(format!("repeat {repeat}, fold {fold} comes twice at one size")))
        }
        None => Ok(keys),
    }
}

fn check_trial<T: Copy + Into<f64>>(trial: &Trial<'_, T>) -> Result<()> {
    check_count("items of a trial", trial.items.len(), 1)?;
    check_lengths("scores of a trial", trial.items.len(), trial.values.len())?;
    let values: Vec<f64> = trial.values.iter().map(|&v| v.into()).collect();
    check_finite("a trial's scores", &values)
}

fn sort_distinct<K: Ord>(keys: &mut Vec<K>) {
    keys.sort_unstable();
    keys.dedup();
}

/// How often each of `n` comes up in `n` draws with replacement.
fn multiplicities(n: usize, rng: &mut impl Rng) -> Vec<f64> {
    let mut times = vec![0.0; n];
    for _ in 0..n {
        times[rng.random_range(0..n)] += 1.0;
    }
    times
}

/// Σ w_trial w_item score / Σ w_trial w_item; `None` if nothing has weight.
fn weighted_mean(rows: &[Row], trials: &[f64], items: &[f64]) -> Option<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    for row in rows.iter().filter(|row| trials[row.trial] > 0.0) {
        let (mut row_sum, mut row_weight) = (0.0, 0.0);
        for &(item, score) in &row.scores {
            row_sum += items[item as usize] * score;
            row_weight += items[item as usize];
        }
        sum += trials[row.trial] * row_sum;
        weight += trials[row.trial] * row_weight;
    }
    (weight > 0.0).then(|| sum / weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::standard_error;
    use crate::crossed;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn trials<'a>(rows: &'a [Vec<i8>], items: &'a [u32]) -> Vec<Trial<'a, i8>> {
        let trial = |(r, row): (usize, &'a Vec<i8>)| Trial {
            repeat: r as u32,
            fold: 0,
            items,
            values: row.as_slice(),
        };
        rows.iter().enumerate().map(trial).collect()
    }

    /// Twelve draws of forty items, some draws better, some items easier.
    fn rows() -> Vec<Vec<i8>> {
        let cell = |r: usize, i: usize| i8::from((7 * r + 13 * i + r * i) % 11 < 3 + r % 4 + i % 3);
        (0..12).map(|r| (0..40).map(|i| cell(r, i)).collect()).collect()
    }

    #[test]
    fn spread_is_that_of_the_crossed_analysis_or_a_little_more() {
        let (rows, items): (_, Vec<u32>) = (rows(), (0..40).collect());
        let p = Pigeonhole::new(&[trials(&rows, &items)]).expect("valid");
        let c = crossed::analyse(&rows).expect("valid");
        assert!((p.means()[0] - c.mean).abs() < 1e-12);
        let replicates = p.replicates(2_000, &mut ChaCha8Rng::seed_from_u64(5)).expect("valid");
        let ratio = standard_error(&replicates.concat()).expect("valid") / c.variance.sqrt();
        assert!((0.9..1.75).contains(&ratio), "{ratio}");
    }

    #[test]
    fn equal_sizes_have_equal_replicates_and_order_does_not_matter() {
        let (rows, items): (_, Vec<u32>) = (rows(), (0..40).map(|i| 3 * i).collect());
        let mut reversed = trials(&rows, &items);
        reversed.reverse();
        let p = Pigeonhole::new(&[trials(&rows, &items), reversed]).expect("valid");
        for row in p.replicates(20, &mut ChaCha8Rng::seed_from_u64(1)).expect("valid") {
            assert_eq!(row[0], row[1]);
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let (rows, items): (_, Vec<u32>) = (rows(), (0..40).collect());
        let one = trials(&rows, &items)[0];
        assert!(Pigeonhole::new(&[vec![one, one]]).is_err());
        assert!(Pigeonhole::new::<i8>(&[]).is_err());
        assert!(Pigeonhole::new::<i8>(&[vec![]]).is_err());
        // Two trials without a common size: one of the sizes is empty as often as not, but not always.
        let p = Pigeonhole::new(&[vec![one], vec![Trial { repeat: 1, ..one }]]).expect("valid");
        assert_eq!(p.replicates(5, &mut ChaCha8Rng::seed_from_u64(1)).expect("retries").len(), 5);
    }
}
