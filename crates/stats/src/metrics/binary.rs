//! Scores of one trial with two classes, 0 and 1, from the probability of class 1.

use super::{CalibrationBins, LOG_LOSS_CLIP};
use crate::error::{Error, Result, check_count, check_lengths};

/// Counts of true class × predicted class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confusion {
    /// Class 0 taken for 0.
    pub true_negative: u64,
    /// Class 0 taken for 1.
    pub false_positive: u64,
    /// Class 1 taken for 0.
    pub false_negative: u64,
    /// Class 1 taken for 1.
    pub true_positive: u64,
}

impl Confusion {
    /// Counts predictions `p >= threshold` as class 1.
    ///
    /// # Errors
    /// If there are no rows, the lengths differ, a label is not 0 or 1, or a probability is not in [0, 1].
    pub fn at(threshold: f64, labels: &[u32], p: &[f64]) -> Result<Self> {
        check(labels, p)?;
        let mut counts = [[0; 2]; 2];
        for (&label, &p) in labels.iter().zip(p) {
            counts[label as usize][usize::from(p >= threshold)] += 1;
        }
        let [[true_negative, false_positive], [false_negative, true_positive]] = counts;
        Ok(Confusion { true_negative, false_positive, false_negative, true_positive })
    }

    /// (TP + TN) / n, in [0, 1].
    pub fn accuracy(&self) -> f64 {
        (self.true_positive + self.true_negative) as f64 / self.rows() as f64
    }

    /// The mean of the recalls of both classes, in [0, 1]; `None` if only one class occurs.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let positives = self.true_positive + self.false_negative;
        let negatives = self.true_negative + self.false_positive;
        (positives > 0 && negatives > 0).then(|| {
            let recall = self.true_positive as f64 / positives as f64;
            let specificity = self.true_negative as f64 / negatives as f64;
            0.5 * (recall + specificity)
        })
    }

    /// F1 of class 1: 2 TP / (2 TP + FP + FN), in [0, 1]; `None` if class 1 neither occurs nor is predicted.
    pub fn f1(&self) -> Option<f64> {
        let wrong = self.false_positive + self.false_negative;
        let denominator = 2 * self.true_positive + wrong;
        (denominator > 0).then(|| 2.0 * self.true_positive as f64 / denominator as f64)
    }

    /// Matthews' correlation (Biochimica et Biophysica Acta 405, 1975), in [-1, 1]:
    /// (TP·TN - FP·FN) / √((TP+FP)(TP+FN)(TN+FP)(TN+FN)); `None` if a margin is empty.
    pub fn mcc(&self) -> Option<f64> {
        let [tp, tn, fp, fn_] =
            [self.true_positive, self.true_negative, self.false_positive, self.false_negative]
                .map(|count| count as f64);
        let margins = (tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_);
        (margins > 0.0).then(|| (tp * tn - fp * fn_) / margins.sqrt())
    }

    fn rows(&self) -> u64 {
        self.true_negative + self.false_positive + self.false_negative + self.true_positive
    }
}

/// Area under the ROC curve, in [0, 1]: the probability that a random row of class 1 is given a higher p than a
/// random row of class 0, ties counting half (Hanley & McNeil, Radiology 143, 1982). `None` if only one class occurs.
///
/// # Errors
/// If there are no rows, the lengths differ, a label is not 0 or 1, or a probability is not in [0, 1].
pub fn auc(labels: &[u32], p: &[f64]) -> Result<Option<f64>> {
    check(labels, p)?;
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    // Twice the number of (negative, positive) pairs in the right order, in whole numbers.
    let (mut below, mut twice, mut positives) = (0u64, 0u64, 0u64);
    for tied in order.chunk_by(|&i, &j| p[i] == p[j]) {
        let ones = tied.iter().filter(|&&i| labels[i] == 1).count() as u64;
        let zeros = tied.len() as u64 - ones;
        twice += ones * (2 * below + zeros);
        below += zeros;
        positives += ones;
    }
    let pairs = positives * below;
    Ok((pairs > 0).then(|| twice as f64 / (2 * pairs) as f64))
}

/// Mean negative log-likelihood in nats, p clipped to [`LOG_LOSS_CLIP`].
///
/// # Errors
/// If there are no rows, the lengths differ, a label is not 0 or 1, or a probability is not in [0, 1].
pub fn log_loss(labels: &[u32], p: &[f64]) -> Result<f64> {
    check(labels, p)?;
    let loss = |(&label, &p): (&u32, &f64)| {
        let p = p.clamp(LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP);
        -if label == 1 { libm::log(p) } else { libm::log1p(-p) }
    };
    Ok(labels.iter().zip(p).map(loss).sum::<f64>() / p.len() as f64)
}

/// Mean of (p - y)², in [0, 1]: half of [`super::brier`] for two classes.
///
/// # Errors
/// If there are no rows, the lengths differ, a label is not 0 or 1, or a probability is not in [0, 1].
pub fn brier(labels: &[u32], p: &[f64]) -> Result<f64> {
    check(labels, p)?;
    let miss = |(&label, &p): (&u32, &f64)| (p - f64::from(label)) * (p - f64::from(label));
    Ok(labels.iter().zip(p).map(miss).sum::<f64>() / p.len() as f64)
}

/// Calibration error of the probability of class 1 over `bins` equal-width bins (Naeini, Cooper & Hauskrecht, AAAI
/// 2015): Σ_b (n_b / n) |share of class 1 in b - mean p in b|, bins [i/B, (i+1)/B), the last one closed.
///
/// Another quantity than [`super::calibration_error`], which bins the confidence of whichever class won.
///
/// # Errors
/// If there are no rows or bins, the lengths differ, a label is not 0 or 1, or a probability is not in [0, 1].
pub fn calibration_error(labels: &[u32], p: &[f64], bins: usize) -> Result<f64> {
    check(labels, p)?;
    check_count("calibration bins", bins, 1)?;
    let mut table = CalibrationBins::new(bins);
    for (&label, &p) in labels.iter().zip(p) {
        table.add(p, label == 1);
    }
    Ok(table.error())
}

fn check(labels: &[u32], p: &[f64]) -> Result<()> {
    check_count("scored rows", labels.len(), 1)?;
    check_lengths("probabilities", labels.len(), p.len())?;
    if let Some(&label) = labels.iter().find(|&&label| label > 1) {
        return Err(Error::Invalid(format!("label {label} where there are two classes, 0 and 1")));
    }
    match p.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        Some(&found) => {
            Err(Error::OutOfRange { what: "a predicted probability", range: "in [0, 1]", found })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_has_no_auc_and_no_correlation() {
        let (labels, p) = ([1, 1, 1], [0.2, 0.9, 0.4]);
        assert_eq!(auc(&labels, &p), Ok(None));
        let c = Confusion::at(0.5, &labels, &p).expect("valid");
        assert_eq!((c.balanced_accuracy(), c.mcc()), (None, None));
        assert_eq!(c.accuracy(), 1.0 / 3.0);
    }

    #[test]
    fn bin_edges_belong_to_the_upper_bin() {
        // .3 and .7 are bin edges that p * 10 rounds across; with both classes of each bin equal, every gap is known.
        for (p, edge) in [(0.3, 3), (0.7, 7), (0.6, 6), (1.0, 9), (0.0, 0)] {
            let mut bins = CalibrationBins::new(10);
            bins.add(p, true);
            assert_eq!(bins.bins.iter().position(|b| b.0 == 1), Some(edge), "{p}");
        }
    }
}
