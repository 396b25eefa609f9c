//! Aggregates over runs × tasks, and how often one model beats another.
//!
//! After Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021 (package
//! rliable), and Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks", MLSys 2021. A score
//! matrix is `scores[run][task]`, the same tasks in every run. Intervals: [`crate::stratified`].

use crate::dist::normal_quantile;
use crate::error::{Error, Result, check_count, check_finite, check_lengths};
use crate::quantile::{mean, median, sorted};

/// The mean over tasks of each task's mean over runs.
///
/// # Errors
/// If the matrix is empty or ragged or holds a value that is not finite.
pub fn mean_of_tasks<Row: AsRef<[f64]>>(scores: &[Row]) -> Result<f64> {
    mean(&task_means(scores)?)
}

/// The median over tasks of each task's mean over runs.
///
/// # Errors
/// If the matrix is empty or ragged or holds a value that is not finite.
pub fn median_of_tasks<Row: AsRef<[f64]>>(scores: &[Row]) -> Result<f64> {
    median(&task_means(scores)?)
}

/// The interquartile mean over all runs and tasks: the mean without the lowest and highest ⌊N/4⌋ of N values.
///
/// # Errors
/// If there are no values or one is not finite.
pub fn interquartile_mean(values: &[f64]) -> Result<f64> {
    check_count("values", values.len(), 1)?;
    let sorted = sorted(values)?;
    let cut = sorted.len() / 4;
    mean(&sorted[cut..sorted.len() - cut])
}

/// The optimality gap: `target` less the mean of scores cut off at `target`, over all runs and tasks; 0 is best.
///
/// # Errors
/// If there are no values or one is not finite.
pub fn optimality_gap(values: &[f64], target: f64) -> Result<f64> {
    let cut: Vec<f64> = values.iter().map(|v| v.min(target)).collect();
    check_finite("the scores", values)?;
    Ok(target - mean(&cut)?)
}

/// The share of values above `threshold`: over all runs and tasks it is rliable's score profile, over
/// [`task_means`] its average-score profile.
///
/// # Errors
/// If there are no values or one is not finite.
pub fn share_above(values: &[f64], threshold: f64) -> Result<f64> {
    check_count("values", values.len(), 1)?;
    check_finite("the scores", values)?;
    Ok(values.iter().filter(|&&v| v > threshold).count() as f64 / values.len() as f64)
}

/// Each task's mean over runs.
///
/// # Errors
/// If the matrix is empty or ragged or holds a value that is not finite.
pub fn task_means<Row: AsRef<[f64]>>(scores: &[Row]) -> Result<Vec<f64>> {
    let tasks = task_count(scores)?;
    let mut means = vec![0.0; tasks];
    for row in scores.iter().map(AsRef::as_ref) {
        for (sum, score) in means.iter_mut().zip(row) {
            *sum += score;
        }
    }
    means.iter_mut().for_each(|sum| *sum /= scores.len() as f64);
    Ok(means)
}

/// P(X > Y) + P(X = Y)/2 for runs drawn independently of both (Vargha & Delaney's A₁₂, Journal of Educational and
/// Behavioral Statistics 25, 2000), averaged over tasks; 1/2 is no difference. Runs may differ in number.
///
/// # Errors
/// If a matrix is empty or ragged, the numbers of tasks differ, or a value is not finite.
pub fn probability_of_improvement<Row: AsRef<[f64]>>(x: &[Row], y: &[Row]) -> Result<f64> {
    let tasks = task_count(x)?;
    check_lengths("tasks", tasks, task_count(y)?)?;
    let mut twice = 0u64;
    for x in x.iter().map(AsRef::as_ref) {
        for y in y.iter().map(AsRef::as_ref) {
            twice += x.iter().zip(y).map(|(x, y)| wins_twice(*x, *y)).sum::<u64>();
        }
    }
    Ok(twice as f64 / (2 * x.len() * y.len() * tasks) as f64)
}

/// The share of paired runs that a wins, ties counting half: Bouthillier et al.'s P(A > B).
///
/// # Errors
/// If there are no pairs, the lengths differ, or a value is not finite.
pub fn probability_of_outperforming(a: &[f64], b: &[f64]) -> Result<f64> {
    check_count("pairs", a.len(), 1)?;
    check_lengths("paired scores", a.len(), b.len())?;
    check_finite("the scores of a", a)?;
    check_finite("the scores of b", b)?;
    let twice: u64 = a.iter().zip(b).map(|(a, b)| wins_twice(*a, *b)).sum();
    Ok(twice as f64 / (2 * a.len()) as f64)
}

/// [`probability_of_outperforming`] with pairs of runs on several tasks, averaged over the tasks.
///
/// # Errors
/// If a matrix is empty or ragged, the numbers of runs or tasks differ, or a value is not finite.
pub fn paired_probability_of_outperforming<Row: AsRef<[f64]>>(a: &[Row], b: &[Row]) -> Result<f64> {
    let tasks = task_count(a)?;
    check_lengths("tasks", tasks, task_count(b)?)?;
    check_lengths("paired runs", a.len(), b.len())?;
    let pairs = a.iter().zip(b).map(|(a, b)| (a.as_ref(), b.as_ref()));
    let twice: u64 =
        pairs.flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| wins_twice(*a, *b)).sum();
    Ok(twice as f64 / (2 * a.len() * tasks) as f64)
}

/// The number of pairs needed to find P(A > B) > 1/2 at one-sided level `alpha` with power 1 - `beta` if it is
/// `gamma`: (z_{1-α} + z_{1-β})² / (6 (γ - 1/2)²) (Noether, JASA 82, 1987, as used by Bouthillier et al. 2021).
/// Round up.
///
/// # Errors
/// If `alpha` or `beta` is not in (0, 1), or `gamma` is 1/2 or not in (0, 1].
pub fn noether_pairs(gamma: f64, alpha: f64, beta: f64) -> Result<f64> {
    for (what, found) in [("the level alpha", alpha), ("the miss rate beta", beta)] {
        if !(found > 0.0 && found < 1.0) {
            return Err(Error::OutOfRange { what, range: "in (0, 1)", found });
        }
    }
    if !(gamma > 0.0 && gamma <= 1.0) || gamma == 0.5 {
        let range = "in (0, 1] and other than 1/2";
        return Err(Error::OutOfRange { what: "the probability gamma", range, found: gamma });
    }
    let z = normal_quantile(1.0 - alpha) + normal_quantile(1.0 - beta);
    Ok(z * z / (6.0 * (gamma - 0.5) * (gamma - 0.5)))
}

fn wins_twice(x: f64, y: f64) -> u64 {
    if x > y { 2 } else { u64::from(x == y) }
}

/// The number of tasks, once the matrix is checked.
pub(crate) fn task_count<Row: AsRef<[f64]>>(scores: &[Row]) -> Result<usize> {
    check_count("runs", scores.len(), 1)?;
    let tasks = scores[0].as_ref().len();
    check_count("tasks", tasks, 1)?;
    for row in scores.iter().map(AsRef::as_ref) {
        check_lengths("tasks of a run", tasks, row.len())?;
        check_finite("a run's scores", row)?;
    }
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Eight values: two are cut on each side, (3 + 4 + 5 + 6)/4.
        assert_eq!(interquartile_mean(&[8.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 70.0]), Ok(4.5));
        assert_eq!(probability_of_outperforming(&[1.0, 2.0], &[1.0, 1.0]), Ok(0.75));
        assert_eq!(probability_of_improvement(&[[1.0], [2.0]], &[[1.0], [3.0]]), Ok(0.375));
        let (a, b) = ([[1.0, 2.0], [2.0, 2.0]], [[1.0, 3.0], [1.0, 1.0]]);
        assert_eq!(paired_probability_of_outperforming(&a, &b), Ok(0.625));
    }

    #[test]
    fn nothing_is_refused() {
        assert!(mean_of_tasks::<Vec<f64>>(&[]).is_err() && interquartile_mean(&[]).is_err());
        assert!(noether_pairs(0.5, 0.05, 0.2).is_err());
        assert!(share_above(&[f64::NAN], 0.5).is_err());
    }
}
