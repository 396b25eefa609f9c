//! Stratified bootstrap intervals of aggregates over runs × tasks.
//!
//! The tasks are those there are, so only runs are resampled, within each task by itself: with R runs of a task, R of
//! them with replacement. That keeps every task's weight, and says what the aggregate would be with other runs of the
//! same tasks, not with other tasks (Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical
//! Precipice", NeurIPS 2021, section 4.1; their package rliable, whose intervals are percentiles too). Score matrices
//! are `scores[run][task]`, as in [`crate::aggregate`].
//!
//! With a handful of runs a percentile interval is too narrow: theirs covers 95 % from about ten runs on (their
//! appendix A.4).

use rand::Rng;

use crate::aggregate::{
    interquartile_mean, paired_probability_of_outperforming, probability_of_improvement, task_count,
};
use crate::bootstrap::percentile;
use crate::error::{Result, check_count, check_lengths, check_level};
use crate::estimate::Interval;

/// An aggregate with its percentile interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aggregate {
    /// Of the scores as they are.
    pub value: f64,
    /// Of the replicates.
    pub interval: Interval,
}

/// How many replicates are drawn, at least 2, and the level of the interval, in (0, 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Replicates; rliable's default is 50,000, and 2,000 settle the second digit of the limits.
    pub replicates: usize,
    /// Confidence level.
    pub level: f64,
}

/// The [`interquartile_mean`] over all runs and tasks.
///
/// # Errors
/// If the matrix is empty or ragged or holds a value that is not finite, with fewer than two replicates, or if the level
/// is not in (0, 1).
pub fn interquartile_mean_of<Row: AsRef<[f64]>>(
    scores: &[Row],
    of: Bootstrap,
    rng: &mut impl Rng,
) -> Result<Aggregate> {
    let tasks = check(scores, of)?;
    let all = |rows: &Vec<Vec<f64>>| interquartile_mean(&rows.concat());
    summarised(&rows(scores), of, all, |scores| resampled(scores, tasks, rng))
}

/// The [`probability_of_improvement`] of x over y, whose runs are independent of each other and may differ in number:
/// both are resampled by themselves.
///
/// # Errors
/// As [`interquartile_mean_of`], or if the numbers of tasks differ.
pub fn probability_of_improvement_of<Row: AsRef<[f64]>>(
    x: &[Row],
    y: &[Row],
    of: Bootstrap,
    rng: &mut impl Rng,
) -> Result<Aggregate> {
    let tasks = check(x, of)?;
    check_lengths("tasks", tasks, check(y, of)?)?;
    let both = (rows(x), rows(y));
    let won = |(x, y): &(Vec<Vec<f64>>, Vec<Vec<f64>>)| probability_of_improvement(x, y);
    summarised(&both, of, won, |(x, y)| (resampled(x, tasks, rng), resampled(y, tasks, rng)))
}

/// The [`paired_probability_of_outperforming`] of a over b, whose runs belong together one by one, as trials on the same
/// split do: pairs are resampled, never torn apart.
///
/// # Errors
/// As [`interquartile_mean_of`], or if the numbers of runs or tasks differ.
pub fn probability_of_outperforming_of<Row: AsRef<[f64]>>(
    a: &[Row],
    b: &[Row],
    of: Bootstrap,
    rng: &mut impl Rng,
) -> Result<Aggregate> {
    let tasks = check(a, of)?;
    check_lengths("tasks", tasks, check(b, of)?)?;
    check_lengths("paired runs", a.len(), b.len())?;
    let both = (rows(a), rows(b));
    let won = |(a, b): &(Vec<Vec<f64>>, Vec<Vec<f64>>)| paired_probability_of_outperforming(a, b);
    summarised(&both, of, won, |(a, b)| {
        let chosen = choices(a.len(), tasks, rng);
        (taken(a, &chosen), taken(b, &chosen))
    })
}

/// The statistic of the scores and the percentiles of its replicates.
fn summarised<S>(
    scores: &S,
    of: Bootstrap,
    statistic: impl Fn(&S) -> Result<f64>,
    mut resample: impl FnMut(&S) -> S,
) -> Result<Aggregate> {
    let value = statistic(scores)?;
    let replicates =
        (0..of.replicates).map(|_| statistic(&resample(scores))).collect::<Result<Vec<_>>>()?;
    Ok(Aggregate { value, interval: percentile(&replicates, of.level)? })
}

fn check<Row: AsRef<[f64]>>(scores: &[Row], of: Bootstrap) -> Result<usize> {
    check_level(of.level)?;
    check_count("bootstrap replicates", of.replicates, 2)?;
    task_count(scores)
}

fn rows<Row: AsRef<[f64]>>(scores: &[Row]) -> Vec<Vec<f64>> {
    scores.iter().map(|row| row.as_ref().to_vec()).collect()
}

/// For every place of a run × tasks matrix the run that is put there, drawn within its task.
fn choices(runs: usize, tasks: usize, rng: &mut impl Rng) -> Vec<Vec<usize>> {
    (0..runs).map(|_| (0..tasks).map(|_| rng.random_range(0..runs)).collect()).collect()
}

fn taken(scores: &[Vec<f64>], chosen: &[Vec<usize>]) -> Vec<Vec<f64>> {
    let row = |runs: &Vec<usize>| runs.iter().enumerate().map(|(t, &run)| scores[run][t]).collect();
    chosen.iter().map(row).collect()
}

fn resampled(scores: &[Vec<f64>], tasks: usize, rng: &mut impl Rng) -> Vec<Vec<f64>> {
    taken(scores, &choices(scores.len(), tasks, rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const OF: Bootstrap = Bootstrap { replicates: 2000, level: 0.95 };

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(5)
    }

    /// Twelve runs of three tasks whose levels are far apart, run by run a little more.
    fn matrix(shift: f64) -> Vec<[f64; 3]> {
        let run =
            |r: usize| [0.1, 0.5, 0.9].map(|level| level + shift + 0.004 * (r * r % 12) as f64);
        (0..12).map(run).collect()
    }

    #[test]
    fn runs_are_resampled_within_their_task() {
        let scores: Vec<Vec<f64>> = matrix(0.0).iter().map(|row| row.to_vec()).collect();
        for _ in 0..50 {
            let drawn = resampled(&scores, 3, &mut rng());
            assert_eq!(drawn.len(), 12);
            for row in drawn {
                for (task, value) in row.into_iter().enumerate() {
                    assert!(scores.iter().any(|run| run[task] == value), "{value} in task {task}");
                }
            }
        }
        // Tasks that don't vary leave nothing to resample, however far apart they are.
        let still = interquartile_mean_of(&[[0.1, 0.9]; 4], OF, &mut rng()).expect("valid");
        assert_eq!(still.interval.width(), 0.0);
    }

    /// With one task and fewer runs than are cut it is the bootstrap of a mean: theory gives its spread.
    #[test]
    fn the_interval_is_as_wide_as_theory_says() {
        let a = interquartile_mean_of(&[[0.2], [0.4], [0.9]], OF, &mut rng()).expect("valid");
        assert!((a.value - 0.5).abs() < 1e-12);
        let runs: Vec<[f64; 1]> = (0..3).flat_map(|_| [[0.2], [0.8]]).collect();
        let zeros = vec![[0.5]; 6];
        let p = probability_of_outperforming_of(&runs, &zeros, OF, &mut rng()).expect("valid");
        // The share of six runs above: a binomial of 6 and 1/2, whose 2.5 % and 97.5 % quantiles are 1/6 and 5/6.
        assert_eq!((p.value, p.interval), (0.5, Interval { lo: 1.0 / 6.0, hi: 5.0 / 6.0 }));
    }

    #[test]
    fn pairs_stay_together() {
        let (a, b) = (matrix(0.001), matrix(0.0));
        let paired = probability_of_outperforming_of(&a, &b, OF, &mut rng()).expect("valid");
        assert_eq!((paired.value, paired.interval), (1.0, Interval { lo: 1.0, hi: 1.0 }));
        let apart = probability_of_improvement_of(&a, &b, OF, &mut rng()).expect("valid");
        assert!(apart.value < 0.7 && apart.interval.contains(0.5), "{apart:?}");
        assert!(apart.interval.contains(apart.value) && apart.interval.width() > 0.1);
    }

    #[test]
    fn the_same_generator_gives_the_same_interval_and_nonsense_is_refused() {
        let of = |of| interquartile_mean_of(&matrix(0.0), of, &mut rng());
        assert_eq!(of(OF), of(OF));
        assert!(of(Bootstrap { level: 1.0, ..OF }).is_err());
        assert!(of(Bootstrap { replicates: 1, ..OF }).is_err());
        assert!(interquartile_mean_of::<[f64; 1]>(&[], OF, &mut rng()).is_err());
        let (a, b) = (matrix(0.0), matrix(0.0));
        assert!(probability_of_outperforming_of(&a, &b[1..], OF, &mut rng()).is_err());
        assert!(probability_of_improvement_of(&a, &b[1..], OF, &mut rng()).is_ok());
    }
}
