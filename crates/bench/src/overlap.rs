//! How much training draws have in common: the share of their examples, which the variance of their mean depends on
//! (`stats::unbalanced`).

use crate::store::LockedProtocol;

/// The number of examples that training sets are drawn from, as far as the held-out items show it.
///
/// Items are positions in the dataset, the official training set first. Under `repeated-cv` every example of the pool
/// is held out once a repeat, or, where a cap chooses among them, so many that the largest position all but shows the
/// pool; otherwise the held-out items are of the official test set, which begins where the pool ends.
pub(crate) fn pool<'a>(
    protocol: &LockedProtocol,
    held_out: impl Iterator<Item = &'a [u32]>,
) -> f64 {
    let items = held_out.flatten().map(|&item| f64::from(item));
    let pool = match (protocol.kind.as_str(), protocol.draws.held_out) {
        ("repeated-cv", _) => items.reduce(f64::max).map(|largest| largest + 1.0),
        // Set aside from the training set itself, where the largest position all but shows its size.
        (_, Some(share)) => items.reduce(f64::max).map(|largest| (largest + 1.0) * (1.0 - share)),
        _ => items.reduce(f64::min),
    };
    pool.unwrap_or(0.0).max(1.0)
}

/// The expected share of examples that two training draws of size `n` have in common, over all pairs of trials.
///
/// Draws of different repeats are independent choices from the pool of P: n/P. Under `repeated-cv`, two folds of one
/// repeat choose from parts of P(k-1)/k that have P(k-2)/k in common: (n/P) k(k-2)/(k-1)².
pub(crate) fn share(protocol: &LockedProtocol, pool: f64, n: u32) -> f64 {
    let between = (f64::from(n) / pool).min(LARGEST_OVERLAP);
    if protocol.kind != "repeated-cv" {
        return between;
    }
    let (k, repeats) = (f64::from(protocol.folds), f64::from(protocol.repeats));
    let within = between * k * (k - 2.0) / ((k - 1.0) * (k - 1.0));
    let others = (repeats * k - 1.0).max(1.0);
    ((k - 1.0) * within + (repeats - 1.0) * k * between) / others
}

/// Draws that take nearly the whole pool show next to nothing of other pools; the correction stops growing here.
const LARGEST_OVERLAP: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Draws;

    fn protocol(kind: &str, repeats: u32, folds: u32) -> LockedProtocol {
        let kind = kind.to_owned();
        LockedProtocol {
            kind,
            sizes: vec![],
            repeats,
            folds,
            cv_repeats: None,
            test_size: None,
            draws: Draws::default(),
        }
    }

    #[test]
    fn overlap_is_the_share_of_the_pool() {
        assert_eq!(share(&protocol("holdout", 20, 1), 1000.0, 100), 0.1);
        // One repeat of two folds: the training parts have nothing in common.
        assert_eq!(share(&protocol("repeated-cv", 1, 2), 1000.0, 100), 0.0);
        // One repeat of five folds: 100 of 800 each, 600 in common: 100 * 100/800 * 600/800 / 100.
        let five = share(&protocol("repeated-cv", 1, 5), 1000.0, 100);
        assert!((five - 0.09375).abs() < 1e-12, "{five}");
        let many = share(&protocol("repeated-cv", 1000, 5), 1000.0, 100);
        assert!((many - 0.1).abs() < 1e-4, "{many}");
        assert!(share(&protocol("holdout", 20, 1), 100.0, 100) < 1.0);
    }

    #[test]
    fn the_pool_is_read_off_the_held_out_items() {
        assert_eq!(
            pool(&protocol("repeated-cv", 1, 2), [[0, 5], [2, 9]].iter().map(|i| &i[..])),
            10.0
        );
        assert_eq!(
            pool(&protocol("holdout", 1, 1), [[60, 61], [60, 61]].iter().map(|i| &i[..])),
            60.0
        );
    }
}
