//! Ranks with ties.

/// Mid-ranks from 1 in ascending order: equal values share the mean of the ranks they take up.
pub(crate) fn midranks(values: &[f64]) -> Vec<f64> {
    let mut ranks = vec![0.0; values.len()];
    for (first, tied) in tied_groups(values) {
        for &at in &tied {
            ranks[at] = first as f64 + (tied.len() + 1) as f64 / 2.0;
        }
    }
    ranks
}

/// Σ (t³ - t) over groups of t equal values: what ties take from a rank statistic's variance.
pub(crate) fn tie_term(values: &[f64]) -> f64 {
    tied_groups(values)
        .iter()
        .map(|(_, tied)| {
            let t = tied.len() as f64;
            t * t * t - t
        })
        .sum()
}

/// Groups of equal values, ascending: how many values are smaller, and the positions of the group.
fn tied_groups(values: &[f64]) -> Vec<(usize, Vec<usize>)> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut smaller = 0;
    order
        .chunk_by(|&i, &j| values[i] == values[j])
        .map(|group| {
            let first = smaller;
            smaller += group.len();
            (first, group.to_vec())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(midranks(&[0.9, 0.5, 0.9, 0.7, 0.9]), [4.0, 1.0, 4.0, 2.0, 4.0]);
        assert_eq!(tie_term(&[0.9, 0.5, 0.9, 0.7, 0.9]), 24.0);
        assert_eq!(midranks(&[]), Vec::<f64>::new());
    }
}
