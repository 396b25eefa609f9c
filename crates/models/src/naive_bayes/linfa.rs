//! The same models by linfa-bayes 0.8.1, with what it lacks put around it.
//!
//! Its probabilities overflow (no log-sum-exp) and for Bernoulli features skip the threshold, its predictions break
//! ties by hash order, and its Gaussian panics when nothing varies: only its log densities are used, class by class,
//! on rows that were cut at the threshold here.

use linfa::DatasetBase;
use linfa::traits::Fit as _;
use linfa_bayes::{BernoulliNb, GaussianNb, MultinomialNb, NaiveBayes};
use ndarray::{Array1, Array2, Axis};

use super::from_log_densities;
use crate::classifier::{Features, Fit, FitError, FittedClassifier, Predictions, TrainingSet};

/// Whether anything varies; if not, all classes are alike and linfa would divide by 0.
pub(super) fn can_fit(train: &TrainingSet<'_>) -> bool {
    let features = train.features();
    (1..train.rows()).any(|i| features.row(i) != features.row(0))
}

type Dataset = DatasetBase<Array2<f64>, Array1<usize>>;

/// All values in double precision, 0 or 1 if there is a threshold.
fn matrix(features: &Features<'_>, threshold: Option<f64>) -> Array2<f64> {
    let mut x = Array2::zeros((features.rows(), features.columns()));
    for (x, &value) in x.iter_mut().zip(features.values()) {
        let value = f64::from(value);
        *x = threshold.map_or(value, |threshold| f64::from(u8::from(value > threshold)));
    }
    x
}

fn dataset(train: &TrainingSet<'_>, threshold: Option<f64>) -> Dataset {
    let labels = train.labels().iter().map(|&label| label as usize).collect();
    DatasetBase::new(matrix(&train.features(), threshold), labels)
}

fn failed(error: linfa_bayes::NaiveBayesError) -> FitError {
    FitError::Failed(format!("linfa-bayes: {error}"))
}

pub(super) fn gaussian(train: &TrainingSet<'_>, smoothing: f64) -> Result<Fit, FitError> {
    let model = GaussianNb::params().var_smoothing(smoothing);
    let model = model.fit(&dataset(train, None)).map_err(failed)?;
    Ok(fitted(model, train, None))
}

pub(super) fn bernoulli(
    train: &TrainingSet<'_>,
    alpha: f64,
    threshold: f64,
) -> Result<Fit, FitError> {
    let model = BernoulliNb::params().alpha(alpha).binarize(None);
    let model = model.fit(&dataset(train, Some(threshold))).map_err(failed)?;
    Ok(fitted(model, train, Some(threshold)))
}

pub(super) fn multinomial(train: &TrainingSet<'_>, alpha: f64) -> Result<Fit, FitError> {
    let model = MultinomialNb::params().alpha(alpha);
    let model = model.fit(&dataset(train, None)).map_err(failed)?;
    Ok(fitted(model, train, None))
}

/// A model of any distribution.
struct Fitted<M> {
    model: M,
    classes: usize,
    threshold: Option<f64>,
}

fn fitted<M>(model: M, train: &TrainingSet<'_>, threshold: Option<f64>) -> Fit
where
    M: for<'a> NaiveBayes<'a, f64, usize> + Send + 'static,
{
    Fit::new(Fitted { model, classes: train.classes(), threshold })
}

impl<M: for<'a> NaiveBayes<'a, f64, usize> + Send> FittedClassifier for Fitted<M> {
    fn predict(&self, features: &Features<'_>) -> Result<Predictions, FitError> {
        let x = matrix(features, self.threshold);
        let densities = self.model.joint_log_likelihood(x.view());
        let mut scores = Array2::zeros((features.rows(), self.classes));
        for (class, mut column) in scores.axis_iter_mut(Axis(1)).enumerate() {
            let Some(density) = densities.get(&class) else {
                return Err(FitError::Failed(format!("linfa-bayes lost class {class}")));
            };
            column.assign(density);
        }
        Ok(from_log_densities(&scores))
    }
}
