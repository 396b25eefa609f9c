//! Softmax cross-entropy, in `f64` through `libm`, whose bits don't depend on the platform.

/// The mean over rows of log Σ_c exp z_c - z_label, and its gradient by the scores, (softmax - one-hot) / rows,
/// written to `gradient`. `scores` and `gradient` are `labels.len() × classes`. A NaN or infinite score makes the
/// loss NaN or infinite.
pub(super) fn softmax_cross_entropy(scores: &[f32], labels: &[u32], gradient: &mut [f32]) -> f32 {
    let rows = labels.len();
    let classes = scores.len() / rows;
    let mut total = 0.0;
    for ((z, g), &label) in
        scores.chunks_exact(classes).zip(gradient.chunks_exact_mut(classes)).zip(labels)
    {
        let highest = f64::from(z.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum = z.iter().fold(0.0, |sum, &z| sum + libm::exp(f64::from(z) - highest));
        let log_sum = highest + libm::log(sum);
        total += log_sum - f64::from(z[label as usize]);
        for (c, (g, &z)) in g.iter_mut().zip(z).enumerate() {
            let one_hot = if c == label as usize { 1.0 } else { 0.0 };
            let probability = libm::exp(f64::from(z) - highest) / sum;
            *g = ((probability - one_hot) / rows as f64) as f32;
        }
    }
    (total / rows as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_cost_the_log_of_the_classes() {
        let mut gradient = [0.0; 8];
        let loss = softmax_cross_entropy(&[7.0; 8], &[1, 3], &mut gradient);
        assert_eq!(loss, 4f32.ln());
        assert_eq!(gradient, [0.125, -0.375, 0.125, 0.125, 0.125, 0.125, 0.125, -0.375]);
    }

    #[test]
    fn huge_scores_stay_finite_and_nan_does_not() {
        let mut gradient = [0.0; 2];
        assert_eq!(softmax_cross_entropy(&[3e38, -3e38], &[0], &mut gradient), 0.0);
        assert_eq!(gradient, [0.0, 0.0]);
        assert!(softmax_cross_entropy(&[f32::NAN, 0.0], &[1], &mut gradient).is_nan());
        assert!(!softmax_cross_entropy(&[f32::INFINITY, 0.0], &[0], &mut gradient).is_finite());
    }
}
