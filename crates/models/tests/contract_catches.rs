//! The contract of [`models::check`] catches a classifier that breaks it: a sound one passes, and each flaw put into it
//! fails the check that is there for it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use models::check::{Check, CheckFailure, CheckOptions, check_classifier};
use models::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
};

/// What is wrong with a classifier.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    Nothing,
    GuessesTheFirstClass,
    KnowsTwoClassesOnly,
    CountsItsPredictions,
    FavoursTheFirstClass,
    CentresOnTheTestRows,
    WantsFourRows,
    PanicsOnConstantFeatures,
    DividesByTheVariance,
    RefusesRepeatedRows,
    RemembersTheFirstFit,
    FailsWhenStopped,
    InventsALabel,
    SkipsARow,
    SumsToTwo,
    ContradictsItsProbabilities,
}

/// Nearest class mean, with shares that fall off with the squared distance.
#[derive(Debug)]
struct NearestMean {
    flaw: Flaw,
    memory: Mutex<Option<Vec<Vec<f32>>>>,
}

/// Shared by all, as a forgotten global would be.
static COUNT: AtomicU32 = AtomicU32::new(0);

impl Classifier for NearestMean {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let features = train.features();
        let rows: Vec<&[f32]> = (0..train.rows()).map(|i| features.row(i)).collect();
        let constant = rows.iter().all(|row| *row == rows[0]);
        match self.flaw {
            Flaw::WantsFourRows if train.rows() < 4 => {
                return Err(FitError::Refused("four rows are needed".to_owned()));
            }
            Flaw::PanicsOnConstantFeatures if constant => panic!("nothing to split"),
            Flaw::RefusesRepeatedRows
                if !constant && (1..rows.len()).any(|i| rows[..i].contains(&rows[i])) =>
            {
                return Err(FitError::Refused("a row is there twice".to_owned()));
            }
            Flaw::FailsWhenStopped if context.check().is_err() => {
                return Err(FitError::Failed("no result".to_owned()));
            }
            _ => {}
        }
        let mut means = vec![vec![0.0f32; features.columns()]; train.classes()];
        for (&label, row) in train.labels().iter().zip(&rows) {
            let count = train.class_counts()[label as usize] as f32;
            for (mean, value) in means[label as usize].iter_mut().zip(*row) {
                *mean += value / count;
            }
        }
        if self.flaw == Flaw::RemembersTheFirstFit {
            let mut memory = self.memory.lock().unwrap();
            let kept = memory.get_or_insert_with(|| means.clone()).clone();
            if kept.len() == means.len() {
                means = kept;
            }
        }
        let scale =
            if self.flaw == Flaw::DividesByTheVariance && constant { f32::NAN } else { 1.0 };
        Ok(Fit::new(FittedMeans { means, scale, flaw: self.flaw }))
    }
}

struct FittedMeans {
    means: Vec<Vec<f32>>,
    scale: f32,
    flaw: Flaw,
}

impl FittedMeans {
    fn shares(&self, row: &[f32], shift: f32) -> Vec<f32> {
        let mut scores: Vec<f32> = self
            .means
            .iter()
            .map(|mean| {
                let square: f32 = mean.iter().zip(row).map(|(m, v)| (m - v + shift).powi(2)).sum();
                (-0.2 * square).exp() * self.scale
            })
            .collect();
        match self.flaw {
            Flaw::GuessesTheFirstClass => scores[0] = 1e9,
            Flaw::KnowsTwoClassesOnly => scores[2..].fill(0.0),
            Flaw::FavoursTheFirstClass => scores[0] *= 2.5,
            Flaw::CountsItsPredictions => {
                scores[0] += COUNT.fetch_add(1, Ordering::Relaxed) as f32 * 1e-6
            }
            _ => {}
        }
        let total: f32 = scores.iter().sum();
        let wanted = if self.flaw == Flaw::SumsToTwo { 2.0 } else { 1.0 };
        scores.iter().map(|s| s / total * wanted).collect()
    }
}

impl FittedClassifier for FittedMeans {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let values = features.values();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let shift = if self.flaw == Flaw::CentresOnTheTestRows { mean } else { 0.0 };
        let shares =
            (0..features.rows()).flat_map(|i| self.shares(features.row(i), shift)).collect();
        let mut predictions = Predictions::from_probabilities(shares, self.means.len());
        match self.flaw {
            Flaw::InventsALabel => predictions.labels[0] = self.means.len() as u32,
            Flaw::SkipsARow => drop(predictions.labels.pop()),
            Flaw::ContradictsItsProbabilities => predictions.labels[0] ^= 1,
            _ => {}
        }
        Ok(predictions)
    }
}

fn outcome(flaw: Flaw) -> Result<(), CheckFailure> {
    let build = || Box::new(NearestMean { flaw, memory: Mutex::new(None) }) as Box<dyn Classifier>;
    check_classifier(&build, &CheckOptions::default())
}

#[test]
fn a_sound_classifier_passes() {
    assert_eq!(outcome(Flaw::Nothing), Ok(()));
}

#[test]
fn every_flaw_fails_the_check_that_is_there_for_it() {
    let expected = [
        (Flaw::GuessesTheFirstClass, Check::TwoClasses),
        (Flaw::KnowsTwoClassesOnly, Check::ThreeClasses),
        (Flaw::CountsItsPredictions, Check::Reproducible),
        (Flaw::FavoursTheFirstClass, Check::RenamedClasses),
        (Flaw::CentresOnTheTestRows, Check::RowByRow),
        (Flaw::WantsFourRows, Check::TwoRows),
        (Flaw::PanicsOnConstantFeatures, Check::ConstantFeatures),
        (Flaw::DividesByTheVariance, Check::ConstantFeatures),
        (Flaw::RefusesRepeatedRows, Check::RepeatedRows),
        (Flaw::RemembersTheFirstFit, Check::MeaninglessLabels),
        (Flaw::FailsWhenStopped, Check::Stop),
        (Flaw::InventsALabel, Check::TwoClasses),
        (Flaw::SkipsARow, Check::TwoClasses),
        (Flaw::SumsToTwo, Check::TwoClasses),
        (Flaw::ContradictsItsProbabilities, Check::TwoClasses),
    ];
    for (flaw, check) in expected {
        let failure = outcome(flaw).expect_err(&format!("{flaw:?} is not caught"));
        assert_eq!(failure.check, check, "{flaw:?} fails elsewhere: {failure}");
    }
}

/// The sound classifier with one line more: what a failure says names the check and the finding.
#[test]
fn a_failure_says_what_was_wrong() {
    let text = outcome(Flaw::SumsToTwo).unwrap_err().to_string();
    assert!(text.starts_with("check `two classes`: "), "{text}");
    let text = outcome(Flaw::PanicsOnConstantFeatures).unwrap_err().to_string();
    assert_eq!(text, "check `constant features`: panicked: nothing to split");
}

/// A task of one class never reaches a model.
#[test]
fn a_single_class_is_refused_before_any_fit() {
    let values = [0.0, 1.0, 2.0, 3.0];
    let features = Features::new(&values, models::Shape::table(2));
    let refused = |labels: &[u32], classes| {
        TrainingSet::new(features, labels, classes).expect_err("must be refused").to_string()
    };
    assert_eq!(refused(&[0, 0], 1), "1 class: a classifier needs two or more");
    assert_eq!(refused(&[1, 1], 2), "no example of class 0 among 2 rows");
    let infinite = [0.0, 1.0, f32::INFINITY, 3.0];
    let features = Features::new(&infinite, models::Shape::table(2));
    let error = TrainingSet::new(features, &[0, 1], 2).expect_err("must be refused").to_string();
    assert_eq!(error, "row 1, column 0 is not finite");
}
