//! Moving labels apart.

/// Places labels of height `height` at or near the wished centres, in [top, bottom], without
/// overlap.
///
/// The order of the centres is kept (ties in the order given), and the sum of squared moves is the
/// least possible: neighbours that would overlap are pooled into a block that sits at its members'
/// mean, as in isotonic regression (pool adjacent violators). When they don't fit, they are
/// squeezed evenly into the space.
pub(crate) fn spread(wished: &[f64], height: f64, top: f64, bottom: f64) -> Vec<f64> {
    let count = wished.len();
    let room = bottom - top;
    let height = if count as f64 * height > room { room / count as f64 } else { height };
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| wished[a].total_cmp(&wished[b]));

    // In coordinates where label k would sit at 0 when all are stacked, "no overlap" is "not
    // decreasing".
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (k, &label) in order.iter().enumerate() {
        let mut block = (wished[label] - k as f64 * height, 1);
        while let Some(&(mean, size)) = blocks.last() {
            if mean <= block.0 {
                break;
            }
            blocks.pop();
            let total = size + block.1;
            block = ((mean * size as f64 + block.0 * block.1 as f64) / total as f64, total);
        }
        blocks.push(block);
    }

    let first = top + height / 2.0;
    let last = bottom - height / 2.0 - count.saturating_sub(1) as f64 * height;
    let mut placed = vec![0.0; count];
    let stacked = blocks.iter().flat_map(|&(mean, size)| std::iter::repeat_n(mean, size));
    for (k, (&label, offset)) in order.iter().zip(stacked).enumerate() {
        placed[label] = offset.min(last).max(first) + k as f64 * height;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaps(placed: &[f64], height: f64) -> bool {
        let mut sorted = placed.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.windows(2).any(|pair| pair[1] - pair[0] < height - 1e-9)
    }

    #[test]
    fn labels_with_room_stay() {
        assert_eq!(spread(&[50.0, 10.0, 90.0], 12.0, 0.0, 100.0), [50.0, 10.0, 90.0]);
    }

    #[test]
    fn a_crowd_spreads_around_its_mean() {
        assert_eq!(spread(&[50.0, 50.0, 50.0], 10.0, 0.0, 100.0), [40.0, 50.0, 60.0]);
    }

    #[test]
    fn order_and_borders_hold() {
        let wished = [1.0, 0.0, 2.0, 99.0, 99.5, 30.0];
        let placed = spread(&wished, 12.0, 0.0, 100.0);
        assert!(!overlaps(&placed, 12.0), "{placed:?}");
        assert!(placed.iter().all(|y| (6.0..=94.0).contains(y)), "{placed:?}");
        assert!(placed[1] < placed[0] && placed[0] < placed[2] && placed[3] < placed[4]);
    }

    #[test]
    fn too_many_are_squeezed_evenly() {
        let placed = spread(&[0.0; 5], 30.0, 0.0, 100.0);
        assert!(!overlaps(&placed, 20.0), "{placed:?}");
        assert!(spread(&[], 12.0, 0.0, 100.0).is_empty());
    }
}
