//! Choosing features by a univariate test on the training rows.
//!
//! The statistic is the one-way analysis of variance's F: with k classes, n rows, class sizes n_c, class means m_c
//! and overall mean m, F = [Σ n_c (m_c - m)² / (k - 1)] / [Σ (x - m_c)² / (n - k)].
//! With two classes this is the square of the pooled t, so that the ten largest F are the ten smallest p-values
//! of the "Leekasso" (Leek 2014, simplystatistics.org; Leek 2017). With `selection = "welch"` it is, for two classes,
//! the square of Welch's t, (m_1 - m_0)² / (s_0² / n_0 + s_1² / n_1), with the variance of a single example taken as 0:
//! ordered by t itself, not by its p-value, whose degrees of freedom differ from column to column.

use std::cmp::Ordering;

use crate::classifier::{FitError, TrainingSet};
use crate::settings::{Default, Domain, Param, Settings};
use crate::tuning::Try;

/// `top_k`: how many features are kept.
pub(crate) const TOP_K: Param = Param {
    name: "top_k",
    domain: Domain::COUNT,
    default: Default::Unset,
    doc: "keep only this many features, the best by `selection` on the training rows; unset: all",
};

/// `selection`: by what features are chosen.
pub(crate) const SELECTION: Param = Param {
    name: "selection",
    domain: Domain::OneOf(&["f-test", "welch"]),
    default: Default::With { key: "top_k", then: &Default::Text("f-test") },
    doc: "what `top_k` goes by: the largest F of a one-way analysis of variance, of equal or of any variances",
};

/// The `top_k` of linear regression's own grid; the last keeps all features of an image of MNIST's size.
pub(crate) const TOP_KS: Try = Try::These(&[
    Default::Int(10),
    Default::Int(30),
    Default::Int(100),
    Default::Int(300),
    Default::Int(1000),
]);

/// The features to use by `settings`: the `top_k` best, ascending, or `None` for all of them.
pub(crate) fn selected(settings: &Settings, train: &TrainingSet<'_>) -> Option<Vec<usize>> {
    let welch = settings.text(SELECTION.name) == Some("welch");
    settings.count(TOP_K.name).map(|k| top_k(train, k, welch))
}

/// Whether features can be chosen for so many classes.
///
/// # Errors
/// [`FitError::Refused`] for Welch's test of more than two.
pub(crate) fn check(settings: &Settings, classes: usize) -> Result<(), FitError> {
    if classes > 2 && settings.text(SELECTION.name) == Some("welch") {
        return Err(FitError::Refused(format!(
            "`selection = \"welch\"` compares two classes, and there are {classes}: use \"f-test\""
        )));
    }
    Ok(())
}

/// The columns of the `k` largest F (or squared Welch's t), ascending; all if there are no more than `k`.
///
/// Equal F go to the lowest index, and columns that are constant in the training rows come last.
/// F is compared in single precision, so that rounding in the double-precision sums cannot part true equals.
pub(crate) fn top_k(train: &TrainingSet<'_>, k: usize, welch: bool) -> Vec<usize> {
    let scores = statistics(train, welch);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| descending(scores[a], scores[b]).then(a.cmp(&b)));
    order.truncate(k);
    order.sort_unstable();
    order
}

/// Larger first, unless-known last.
fn descending(a: Option<f32>, b: Option<f32>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// F (or squared Welch's t) per column, infinite if no row differs from its class's mean, `None` if the column is
/// constant.
fn statistics(train: &TrainingSet<'_>, welch: bool) -> Vec<Option<f32>> {
    let features = train.features();
    let (rows, columns, classes) = (train.rows(), features.columns(), train.classes());
    let counts = train.class_counts();
    let means = class_means(train, &counts);
    let (mut within, mut error) = (vec![0.0f64; columns], vec![0.0f64; columns]);
    for (i, &label) in train.labels().iter().enumerate() {
        let mean = &means[label as usize * columns..][..columns];
        // What a row adds to the squared standard error of its class's mean, for Welch's test.
        let count = counts[label as usize] as f64;
        let share = if count > 1.0 { 1.0 / (count * (count - 1.0)) } else { 0.0 };
        let sums = within.iter_mut().zip(&mut error);
        for ((sums, &value), mean) in sums.zip(features.row(i)).zip(mean) {
            let deviation = f64::from(value) - mean;
            *sums.0 += deviation * deviation;
            *sums.1 += share * deviation * deviation;
        }
    }
    let statistic = |j: usize| {
        let mean_of = |c: usize| means[c * columns + j];
        let overall =
            (0..classes).map(|c| counts[c] as f64 * mean_of(c)).sum::<f64>() / rows as f64;
        let between: f64 =
            (0..classes).map(|c| counts[c] as f64 * (mean_of(c) - overall).powi(2)).sum();
        // Rounding leaves about 1e-16 of a square where the truth is 0.
        let noise = rows as f64 * (overall * 1e-12).powi(2);
        match (between > noise, within[j] > noise) {
            (false, false) => None,
            (_, false) => Some(f32::INFINITY),
            _ if welch => Some(((mean_of(1) - mean_of(0)).powi(2) / error[j]) as f32),
            _ => {
                let freedom = rows.saturating_sub(classes) as f64;
                Some((between / (classes - 1) as f64 * freedom / within[j]) as f32)
            }
        }
    };
    (0..columns).map(statistic).collect()
}

/// The mean of each column in each class: classes × columns, row-major.
fn class_means(train: &TrainingSet<'_>, counts: &[usize]) -> Vec<f64> {
    let columns = train.features().columns();
    let mut means = vec![0.0f64; counts.len() * columns];
    for (i, &label) in train.labels().iter().enumerate() {
        let sums = &mut means[label as usize * columns..][..columns];
        for (sum, &value) in sums.iter_mut().zip(train.features().row(i)) {
            *sum += f64::from(value);
        }
    }
    for (sums, &count) in means.chunks_exact_mut(columns).zip(counts) {
        for sum in sums {
            *sum /= count as f64;
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::{Features, Shape};

    /// Six rows: column 0 separates perfectly, 1 is constant, 2 and 4 are equal up to scale, 3 is the weakest.
    #[rustfmt::skip]
    const VALUES: [f32; 30] = [
        0.0, 7.0, 0.1, 1.0, 0.2,
        0.0, 7.0, 0.2, 2.0, 0.4,
        0.0, 7.0, 0.4, 4.0, 0.8,
        1.0, 7.0, 0.7, 3.0, 1.4,
        1.0, 7.0, 0.8, 1.0, 1.6,
        1.0, 7.0, 0.6, 4.0, 1.2,
    ];
    const LABELS: [u32; 6] = [0, 0, 0, 1, 1, 1];

    fn train() -> TrainingSet<'static> {
        TrainingSet::new(Features::new(&VALUES, Shape::table(5)), &LABELS, 2).unwrap()
    }

    #[test]
    fn statistic_is_that_of_scipy() {
        // scipy.stats.f_oneway([.1, .2, .4], [.7, .8, .6]) = 19.6 exactly; ([1, 2, 4], [3, 1, 4]) = 0.0714285…
        let f = statistics(&train(), false);
        assert_eq!(f[0], Some(f32::INFINITY));
        assert_eq!(f[1], None);
        assert!((f[2].unwrap() - 19.6).abs() < 1e-4, "{f:?}");
        assert!((f[3].unwrap() - 1.0 / 14.0).abs() < 1e-6, "{f:?}");
        assert_eq!(f[2], f[4], "F does not depend on scale");
    }

    #[test]
    fn ties_go_to_the_lowest_index_and_constants_come_last() {
        assert_eq!(top_k(&train(), 2, false), [0, 2]);
        assert_eq!(top_k(&train(), 3, false), [0, 2, 4]);
        assert_eq!(top_k(&train(), 4, false), [0, 2, 3, 4]);
        assert_eq!(top_k(&train(), 99, false), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn welch_s_statistic_is_that_of_scipy() {
        // scipy.stats.ttest_ind(a, b, equal_var=False).statistic ** 2 for ([1, 2, 4], [3, 1]) = 0.0625
        let values = [1.0, 2.0, 4.0, 3.0, 1.0];
        let set = TrainingSet::new(Features::new(&values, Shape::table(1)), &[0, 0, 0, 1, 1], 2);
        let squared = statistics(&set.unwrap(), true)[0].unwrap();
        assert!((squared - 0.062_5).abs() < 1e-6, "{squared}");
    }
}
