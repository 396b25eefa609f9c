//! Class-interleaved orders: every prefix of the order is a stratified sample.

use rand_chacha::ChaCha8Rng;

use crate::seed::shuffle;

/// Orders `items` so that each prefix of length t holds within one of t · N_c / N examples of every class c.
///
/// Items are shuffled within their class. Classes are then interleaved like tasks on one processor
/// (Baruah, Cohen, Plaxton & Varvel 1996, "Proportionate progress"): the j-th example of class c may be placed from
/// ⌊(j-1) N / N_c⌋ on, must be placed before ⌈j N / N_c⌉, and the earliest deadline goes first. Such a schedule
/// always exists and the earliest-deadline rule finds it. As deadlines of first examples come early, near-balanced
/// classes have one example each after as many places as there are classes. Ties go by a random order of classes.
pub fn interleave(
    items: &[u32],
    labels: &[u32],
    classes: usize,
    generator: &mut ChaCha8Rng,
) -> Vec<u32> {
    let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); classes];
    for &item in items {
        by_class[labels[item as usize] as usize].push(item);
    }
    for members in &mut by_class {
        shuffle(members, generator);
    }
    let mut order: Vec<usize> = (0..classes).collect();
    shuffle(&mut order, generator);

    let total = items.len();
    let mut placed = vec![0usize; classes];
    (0..total)
        .map(|place| {
            let class = next_class(place, total, &by_class, &placed, &order);
            placed[class] += 1;
            by_class[class][placed[class] - 1]
        })
        .collect()
}

/// The class with the earliest deadline among those whose next example may be placed.
fn next_class(
    place: usize,
    total: usize,
    by_class: &[Vec<u32>],
    placed: &[usize],
    order: &[usize],
) -> usize {
    let release = |c: usize| placed[c] * total / by_class[c].len();
    let deadline = |c: usize| ((placed[c] + 1) * total).div_ceil(by_class[c].len());
    order
        .iter()
        .copied()
        .filter(|&c| placed[c] < by_class[c].len() && release(c) <= place)
        .min_by_key(|&c| deadline(c))
        .expect("a proportionate schedule has work for every place")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::stream;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_prefix_is_stratified_within_one(
            counts in prop::collection::vec(1usize..40, 1..12),
            seed in any::<u64>(),
        ) {
            let labels: Vec<u32> = counts
                .iter()
                .enumerate()
                .flat_map(|(class, &count)| vec![class as u32; count])
                .collect();
            let items: Vec<u32> = (0..labels.len() as u32).collect();
            let order = interleave(&items, &labels, counts.len(), &mut stream(seed, "test", &[]));

            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, items, "an order of all items");
            let mut seen = vec![0i64; counts.len()];
            for (t, &item) in order.iter().enumerate() {
                seen[labels[item as usize] as usize] += 1;
                for (c, &count) in counts.iter().enumerate() {
                    // |seen - (t+1) N_c / N| < 1, in whole numbers
                    let gap = seen[c] * labels.len() as i64 - (t as i64 + 1) * count as i64;
                    prop_assert!(gap.abs() < labels.len() as i64, "class {} after {}", c, t + 1);
                }
            }
        }
    }

    #[test]
    fn ten_near_balanced_classes_have_one_example_each_at_ten() {
        // MNIST's training counts.
        let counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
        let labels: Vec<u32> =
            counts.iter().enumerate().flat_map(|(c, &count)| vec![c as u32; count]).collect();
        let items: Vec<u32> = (0..labels.len() as u32).collect();
        for seed in 0..5 {
            let order = interleave(&items, &labels, 10, &mut stream(seed, "test", &[]));
            let mut first: Vec<u32> = order[..10].iter().map(|&i| labels[i as usize]).collect();
            first.sort_unstable();
            assert_eq!(first, (0..10).collect::<Vec<u32>>());
        }
    }
}
