//! The checks themselves; each says what is wrong, or nothing.

use super::data::Sample;
use super::run::accuracy;
use super::{Check, CheckOptions};
use crate::classifier::{Classifier, Features, FitError, Predictions};

/// The classifier under examination.
pub(super) struct Subject<'a> {
    pub(super) build: &'a dyn Fn() -> Box<dyn Classifier>,
    pub(super) options: &'a CheckOptions,
}

type Rule = fn(&Subject<'_>) -> Result<(), String>;

/// Every check with its rule, in order.
pub(super) const RULES: &[(Check, Rule)] = &[
    (Check::TwoClasses, |subject| subject.learns(2)),
    (Check::ThreeClasses, |subject| subject.learns(3)),
    (Check::Reproducible, |subject| subject.reproducible()),
    (Check::RenamedClasses, |subject| subject.renamed_classes()),
    (Check::RowByRow, |subject| subject.row_by_row()),
    (Check::TwoRows, |subject| subject.two_rows()),
    (Check::ConstantFeatures, |subject| subject.constant_features()),
    (Check::RepeatedRows, |subject| subject.repeated_rows()),
    (Check::MeaninglessLabels, |subject| subject.meaningless_labels()),
    (Check::Stop, |subject| subject.stop()),
];

/// Training rows of most checks.
const TRAIN: usize = 36;
/// Held-out rows.
const TEST: usize = 90;

impl Subject<'_> {
    fn train(&self, classes: usize, rows: usize) -> Sample {
        Sample::banded(self.options.shape, classes, rows, self.options.seed)
    }

    fn test(&self, classes: usize) -> Sample {
        Sample::banded(self.options.shape, classes, TEST, self.options.seed ^ 1)
    }

    fn learns(&self, classes: usize) -> Result<(), String> {
        let test = self.test(classes);
        let accuracy = accuracy(&self.predict(&self.train(classes, TRAIN), &test)?, &test);
        let wanted = 0.6 + 0.4 / classes as f64;
        if self.options.learns && accuracy < wanted {
            return Err(format!("accuracy {accuracy:.3}, at least {wanted:.3} is easy"));
        }
        Ok(())
    }

    fn reproducible(&self) -> Result<(), String> {
        if !self.options.reproducible {
            return Ok(());
        }
        let (train, test) = (self.train(3, TRAIN), self.test(3));
        let first = self.predict(&train, &test)?;
        same_bits(&first, &self.predict(&train, &test)?, "another classifier")?;
        let used = (self.build)();
        self.predict_with(used.as_ref(), &self.train(2, 10), &test.features())?;
        let again = self.predict_with(used.as_ref(), &train, &test.features())?;
        same_bits(&first, &again, "a classifier that was fitted to other data before")
    }

    fn renamed_classes(&self) -> Result<(), String> {
        let rename = |label: u32| (label + 1) % 3;
        let (train, test) = (self.train(3, TRAIN), self.test(3));
        let plain = self.predict(&train, &test)?;
        let renamed = self.predict(&train.relabelled(rename), &test)?;
        let same = |i: &usize| renamed.labels[*i] == rename(plain.labels[*i]);
        let clear: Vec<usize> = (0..TEST).filter(|&i| self.is_clear(&plain, i, 3)).collect();
        let agreeing = clear.iter().filter(|i| same(i)).count();
        if (agreeing as f64) < self.options.renamed_agreement * clear.len() as f64 {
            return Err(format!(
                "only {agreeing} of {} clear rows keep their prediction when the classes are renamed",
                clear.len()
            ));
        }
        let (Some(before), Some(after)) = (&plain.probabilities, &renamed.probabilities) else {
            return Ok(());
        };
        let moved = |i: &usize| {
            let (row, class) = (i / 3, i % 3);
            (before[*i] - after[row * 3 + rename(class as u32) as usize]).abs()
                > self.options.tolerance
        };
        match (0..before.len()).find(moved) {
            Some(i) if self.options.renamed_agreement >= 1.0 => Err(format!(
                "row {} has another probability for class {} when the classes are renamed",
                i / 3,
                i % 3
            )),
            _ => Ok(()),
        }
    }

    /// Whether the two largest probabilities of row `i` differ by more than rounding; true if there are none.
    fn is_clear(&self, predictions: &Predictions, i: usize, classes: usize) -> bool {
        let Some(probabilities) = &predictions.probabilities else { return true };
        let mut row = probabilities[i * classes..][..classes].to_vec();
        row.sort_by(|a, b| b.total_cmp(a));
        row[0] - row[1] > 2.0 * self.options.tolerance
    }

    fn row_by_row(&self) -> Result<(), String> {
        let (train, test) = (self.train(3, TRAIN), self.test(3));
        if !self.options.reproducible {
            return Ok(()); // two fits may differ anyway
        }
        let whole = self.predict(&train, &test)?;
        let none = Features::new(&[], test.shape);
        self.predict_with((self.build)().as_ref(), &train, &none)?;
        for i in 0..3 {
            let row = Features::new(test.features().row(i), test.shape);
            let alone = self.predict_with((self.build)().as_ref(), &train, &row)?;
            if self.is_clear(&whole, i, 3) && alone.labels[0] != whole.labels[i] {
                return Err(format!("row {i} is predicted otherwise alone than among others"));
            }
            if let (Some(alone), Some(whole)) = (&alone.probabilities, &whole.probabilities) {
                let pairs = alone.iter().zip(&whole[i * 3..]);
                if pairs.into_iter().any(|(a, b)| (a - b).abs() > self.options.tolerance) {
                    return Err(format!("row {i} has other probabilities alone than among others"));
                }
            }
        }
        Ok(())
    }

    fn two_rows(&self) -> Result<(), String> {
        self.predict(&self.train(2, 2), &self.test(2)).map(drop)
    }

    fn constant_features(&self) -> Result<(), String> {
        let test = self.test(2);
        let mut constant = self.train(2, 12);
        constant.values.fill(0.25);
        self.predict(&constant, &test)?;
        // Every other value is constant in training; the test rows have others there.
        let mut partly = self.train(2, 12);
        let columns = partly.shape.len();
        for (at, value) in partly.values.iter_mut().enumerate() {
            if (at % columns).is_multiple_of(2) {
                *value = 0.0;
            }
        }
        self.predict(&partly, &test).map(drop)
    }

    fn repeated_rows(&self) -> Result<(), String> {
        let test = self.test(2);
        let once = self.train(2, 8);
        let mut twice = once.clone();
        twice.values.extend(&once.values);
        twice.labels.extend(&once.labels);
        self.predict(&twice, &test)?;
        twice.labels.truncate(once.labels.len());
        twice.labels.extend(once.relabelled(|label| 1 - label).labels);
        self.predict(&twice, &test).map(drop)
    }

    /// Each meaningless labelling is fitted as it is and with the classes swapped, by a classifier that has seen the
    /// true labels: the mean accuracy of the two is 0.5 for a model without preference, whatever noise it fits.
    fn meaningless_labels(&self) -> Result<(), String> {
        let (train, test) = (self.train(2, 40), self.test(2));
        let mut sum = 0.0;
        const DRAWS: u64 = 3;
        for draw in 0..DRAWS {
            let labelled = train.meaningless(self.options.seed ^ (draw + 7));
            for sample in [labelled.clone(), labelled.relabelled(|label| 1 - label)] {
                let classifier = (self.build)();
                self.predict_with(classifier.as_ref(), &train, &test.features())?;
                let predictions =
                    self.predict_with(classifier.as_ref(), &sample, &test.features())?;
                sum += accuracy(&predictions, &test);
            }
        }
        let mean = sum / (2 * DRAWS) as f64;
        if (mean - 0.5).abs() > 0.15 {
            return Err(format!("accuracy {mean:.3} from labels that mean nothing, 0.5 is due"));
        }
        Ok(())
    }

    fn stop(&self) -> Result<(), String> {
        let (train, test) = (self.train(2, TRAIN), self.test(2));
        match self.attempt((self.build)().as_ref(), &train, &test.features(), true)? {
            Ok(_) | Err(FitError::Stopped) => Ok(()),
            Err(other) => Err(format!("asked to stop, the fit says: {other}")),
        }
    }
}

/// Whether two predictions are the same bit for bit.
fn same_bits(a: &Predictions, b: &Predictions, by: &str) -> Result<(), String> {
    let bits = |p: &Predictions| {
        p.probabilities.as_ref().map(|p| p.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
    };
    if a.labels != b.labels {
        return Err(format!("{by} predicts other labels from the same seed and data"));
    }
    if bits(a) != bits(b) {
        return Err(format!("{by} gives other probabilities from the same seed and data"));
    }
    Ok(())
}
