//! The majority class: predicts the most frequent label of the training set, the lowest of equals.
//!
//! The floor that any model has to clear; its probabilities are the class shares.

use crate::classifier::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Predictions, TrainingSet,
    argmax,
};
use crate::registry::Kind;
use crate::tuning::Tuning;

/// `kind = "majority"`.
pub(crate) const KIND: Kind = Kind {
    name: "majority",
    summary: "the most frequent class of the training set",
    caveat: None,
    params: &[],
    tuning: Tuning::NONE,
    build: |_| Ok(Box::new(Majority)),
};

#[derive(Debug)]
struct Majority;

impl Classifier for Majority {
    fn fit(&self, train: &TrainingSet<'_>, _: &FitContext<'_>) -> Result<Fit, FitError> {
        let rows = train.rows() as f32;
        let shares = train.class_counts().iter().map(|&count| count as f32 / rows).collect();
        Ok(Fit::new(FittedMajority { shares }))
    }
}

struct FittedMajority {
    /// The share of each class, indexed by label.
    shares: Vec<f32>,
}

impl FittedClassifier for FittedMajority {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        Ok(Predictions {
            labels: vec![argmax(&self.shares); features.rows()],
            probabilities: Some(self.shares.repeat(features.rows())),
        })
    }
}
