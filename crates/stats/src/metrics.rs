//! Scores of one trial from predicted probabilities and true labels.
//!
//! What is written into results goes through `libm`, whose logarithm has the same bits on every platform, and sums
//! in f64 in row order. [`binary`] holds the measures that only two classes have.

pub mod binary;

use crate::error::{Error, Result, check_count, check_lengths};

/// Probabilities are clipped to [1e-15, 1 - 1e-15] before the logarithm, so that one confident mistake costs
/// 34.5 nats instead of infinity. The default of scikit-learn before 1.2, stated because papers differ.
pub const LOG_LOSS_CLIP: f64 = 1e-15;

/// The share of rows whose prediction equals the label.
///
/// # Errors
/// If there are no rows or the lengths differ.
pub fn accuracy(labels: &[u32], predicted: &[u32]) -> Result<f64> {
    check_count("scored rows", labels.len(), 1)?;
    check_lengths("predictions", labels.len(), predicted.len())?;
    let right = labels.iter().zip(predicted).filter(|(label, guess)| label == guess).count();
    Ok(right as f64 / labels.len() as f64)
}

/// Mean negative log-likelihood in nats: -(1/n) Σ ln p_{i, y_i}, with p clipped to [`LOG_LOSS_CLIP`].
///
/// `probabilities` is row-major, rows × `classes`; rows are taken as they are, not normalised.
///
/// # Errors
/// If there are no rows, the shapes differ, a label is not below `classes`, or a probability is not in [0, 1].
pub fn log_loss(probabilities: &[f32], classes: usize, labels: &[u32]) -> Result<f64> {
    let mut sum = 0.0;
    for (row, label) in rows(probabilities, classes, labels)? {
        let p = f64::from(row[label]).clamp(LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP);
        sum -= libm::log(p);
    }
    Ok(sum / labels.len() as f64)
}

/// The multi-class Brier score: the mean over rows of Σ_c (p_ic - [y_i = c])², in [0, 2].
///
/// This is Brier's own definition (Monthly Weather Review 78, 1950): for two classes it is twice the score that sums
/// over the positive class alone, as [`binary::brier`] and scikit-learn do.
///
/// # Errors
/// If there are no rows, the shapes differ, a label is not below `classes`, or a probability is not in [0, 1].
pub fn brier(probabilities: &[f32], classes: usize, labels: &[u32]) -> Result<f64> {
    let mut sum = 0.0;
    for (row, label) in rows(probabilities, classes, labels)? {
        for (class, &p) in row.iter().enumerate() {
            let miss = f64::from(p) - f64::from(u8::from(class == label));
            sum += miss * miss;
        }
    }
    Ok(sum / labels.len() as f64)
}

/// Expected calibration error of the most probable class over `bins` equal-width bins of confidence (Guo et al.,
/// ICML 2017): Σ_b (n_b / n) |accuracy_b - confidence_b|, with bins [i/B, (i+1)/B) and the last one closed.
/// Among equal probabilities the lowest class counts as predicted.
///
/// # Errors
/// If there are no rows or bins, the shapes differ, a label is not below `classes`, or a probability is not in
/// [0, 1].
pub fn calibration_error(
    probabilities: &[f32],
    classes: usize,
    labels: &[u32],
    bins: usize,
) -> Result<f64> {
    check_count("calibration bins", bins, 1)?;
    let mut table = CalibrationBins::new(bins);
    for (row, label) in rows(probabilities, classes, labels)? {
        let mut best = 0;
        for (class, &p) in row.iter().enumerate() {
            if p > row[best] {
                best = class;
            }
        }
        table.add(f64::from(row[best]), best == label);
    }
    Ok(table.error())
}

/// Bins of predicted probability with the number of hits in each.
struct CalibrationBins {
    /// (rows, sum of probabilities, hits) per bin.
    bins: Vec<(u64, f64, u64)>,
    rows: u64,
}

impl CalibrationBins {
    fn new(bins: usize) -> Self {
        CalibrationBins { bins: vec![(0, 0.0, 0); bins], rows: 0 }
    }

    fn add(&mut self, probability: f64, hit: bool) {
        let count = self.bins.len();
        // The edge i / B as a float decides, not p·B, which rounds .3·10 up to 3 and .7·10 down below 7.
        let mut at = ((probability * count as f64) as usize).min(count - 1);
        if at + 1 < count && probability >= (at + 1) as f64 / count as f64 {
            at += 1;
        } else if probability < at as f64 / count as f64 {
            at -= 1;
        }
        let bin = &mut self.bins[at];
        *bin = (bin.0 + 1, bin.1 + probability, bin.2 + u64::from(hit));
        self.rows += 1;
    }

    /// Σ_b |hits_b - Σp_b| / n.
    fn error(&self) -> f64 {
        let gaps: f64 = self.bins.iter().map(|&(_, p, hits)| (hits as f64 - p).abs()).sum();
        gaps / self.rows as f64
    }
}

/// Pairs each row of probabilities with its label, once the shapes and ranges are checked.
fn rows<'a>(
    probabilities: &'a [f32],
    classes: usize,
    labels: &'a [u32],
) -> Result<impl Iterator<Item = (&'a [f32], usize)>> {
    check_count("scored rows", labels.len(), 1)?;
    check_count("classes", classes, 1)?;
    check_lengths("probabilities", labels.len() * classes, probabilities.len())?;
    if let Some(&label) = labels.iter().find(|&&label| label as usize >= classes) {
        return Err(Error::Invalid(format!("label {label} among {classes} classes, 0 the first")));
    }
    if let Some(&p) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(Error::OutOfRange {
            what: "a predicted probability",
            range: "in [0, 1]",
            found: f64::from(p),
        });
    }
    Ok(probabilities.chunks_exact(classes).zip(labels.iter().map(|&label| label as usize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_by_hand() {
        let p = [0.5f32, 0.25, 0.25, 0.0, 1.0, 0.0];
        assert_eq!(accuracy(&[0, 1, 2], &[0, 1, 1]), Ok(2.0 / 3.0));
        // -(ln .5 + ln(1 - 1e-15)) / 2
        let loss = log_loss(&p, 3, &[0, 1]).expect("two rows");
        assert!((loss - 0.5 * std::f64::consts::LN_2).abs() < 1e-14, "{loss}");
        // ((.25 + .0625 + .0625) + 0) / 2
        assert_eq!(brier(&p, 3, &[0, 1]), Ok(0.1875));
        // A confident mistake costs -ln 1e-15 = 34.5388, not infinity; its Brier score is 2, the worst there is.
        let worst = log_loss(&p[3..], 3, &[0]).expect("one row");
        assert!((worst - 34.538_776_394_910_684).abs() < 1e-12, "{worst}");
        assert_eq!(brier(&p[3..], 3, &[0]), Ok(2.0));
    }

    #[test]
    fn calibration_by_hand() {
        // Confidences .5 (right) and 1 (wrong): (|1 - .5| + |0 - 1|) / 2.
        let p = [0.5f32, 0.25, 0.25, 0.0, 1.0, 0.0];
        assert_eq!(calibration_error(&p, 3, &[0, 2], 10), Ok(0.75));
        assert_eq!(calibration_error(&p, 3, &[0, 2], 1), Ok(0.25));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(log_loss(&[], 2, &[]).is_err());
        assert!(log_loss(&[0.5, 0.5], 2, &[2]).is_err());
        assert!(brier(&[f32::NAN, 0.5], 2, &[0]).is_err());
        assert!(brier(&[0.5; 3], 2, &[0]).is_err());
        assert!(accuracy(&[1], &[]).is_err());
    }
}
