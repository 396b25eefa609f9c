//! Choosing features by a univariate test on the training rows.
//!
//! The statistic is the one-way analysis of variance's F: with k classes, n rows, class sizes n_c, class means m_c
//! and overall mean m, F = [Σ n_c (m_c - m)² / (k - 1)] / [Σ (x - m_c)² / (n - k)].
//! With two classes this is the square of the pooled t, so that the ten largest F are the ten smallest p-values
//! of the "Leekasso" (Leek 2014, simplystatistics.org; Leek 2017).

use std::cmp::Ordering;

use crate::classifier::TrainingSet;
use crate::settings::{Default, Domain, Param, Settings};

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
    domain: Domain::OneOf(&["f-test"]),
    default: Default::Text("f-test"),
    doc: "what `top_k` goes by: the largest F of a one-way analysis of variance",
};

/// The features to use by `settings`: the `top_k` best, ascending, or `None` for all of them.
pub(crate) fn selected(settings: &Settings, train: &TrainingSet<'_>) -> Option<Vec<usize>> {
    settings.count(TOP_K.name).map(|k| top_k(train, k))
}

/// The columns of the `k` largest F, ascending; all if there are no more than `k`.
///
/// Equal F go to the lowest index, and columns that are constant in the training rows come last.
/// F is compared in single precision, so that rounding in the double-precision sums cannot part true equals.
pub(crate) fn top_k(train: &TrainingSet<'_>, k: usize) -> Vec<usize> {
    let scores = f_statistics(train);
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

/// F per column, infinite if no row differs from its class's mean, `None` if the column is constant.
pub(crate) fn f_statistics(train: &TrainingSet<'_>) -> Vec<Option<f32>> {
    let features = train.features();
    let (rows, columns, classes) = (train.rows(), features.columns(), train.classes());
    let counts = train.class_counts();
    let means = class_means(train, &counts);
    let mut within = vec![0.0f64; columns];
    for (i, &label) in train.labels().iter().enumerate() {
        let mean = &means[label as usize * columns..][..columns];
        for ((sum, &value), mean) in within.iter_mut().zip(features.row(i)).zip(mean) {
            let deviation = f64::from(value) - mean;
            *sum += deviation * deviation;
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
        let f = f_statistics(&train());
        assert_eq!(f[0], Some(f32::INFINITY));
        assert_eq!(f[1], None);
        assert!((f[2].unwrap() - 19.6).abs() < 1e-4, "{f:?}");
        assert!((f[3].unwrap() - 1.0 / 14.0).abs() < 1e-6, "{f:?}");
        assert_eq!(f[2], f[4], "F does not depend on scale");
    }

    #[test]
    fn ties_go_to_the_lowest_index_and_constants_come_last() {
        assert_eq!(top_k(&train(), 2), [0, 2]);
        assert_eq!(top_k(&train(), 3), [0, 2, 4]);
        assert_eq!(top_k(&train(), 4), [0, 2, 3, 4]);
        assert_eq!(top_k(&train(), 99), [0, 1, 2, 3, 4]);
    }
}
