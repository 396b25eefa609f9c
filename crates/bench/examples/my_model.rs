//! A model of your own beside all others, in Rust: write a `Classifier`, give it a name, and the whole command line is
//! yours.
//!
//! ```text
//! cargo run -p bench --example my_model -- sweep mnist-4v9 --model name=mine,kind=nearest-centroid --out /tmp/mine
//! cargo run -p bench --example my_model -- models nearest-centroid
//! ```

use std::process::ExitCode;

use models::{
    Classifier, Features, Fit, FitContext, FitError, FittedClassifier, Kind, Predictions,
    TrainingSet, argmax,
};

/// Predicts the class whose mean is nearest.
#[derive(Debug)]
struct NearestCentroid;

impl Classifier for NearestCentroid {
    fn fit(&self, train: &TrainingSet<'_>, _: &FitContext<'_>) -> Result<Fit, FitError> {
        let rows = train.features();
        let mut centroids = vec![vec![0.0; rows.columns()]; train.classes()];
        for (i, &label) in train.labels().iter().enumerate() {
            let centroid = &mut centroids[label as usize];
            centroid.iter_mut().zip(rows.row(i)).for_each(|(sum, value)| *sum += value);
        }
        for (centroid, count) in centroids.iter_mut().zip(train.class_counts()) {
            centroid.iter_mut().for_each(|sum| *sum /= count as f32);
        }
        Ok(Fit::new(Centroids(centroids)))
    }
}

struct Centroids(Vec<Vec<f32>>);

impl FittedClassifier for Centroids {
    fn predict(&self, rows: &Features<'_>) -> Result<Predictions, FitError> {
        let near = |row: &[f32], centroid: &Vec<f32>| {
            -row.iter().zip(centroid).map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
        };
        let label = |i| argmax(&self.0.iter().map(|c| near(rows.row(i), c)).collect::<Vec<_>>());
        Ok(Predictions::labels((0..rows.rows()).map(label).collect()))
    }
}

static KINDS: &[Kind] =
    &[Kind::new("nearest-centroid", "the class whose mean is nearest", &[], |_| {
        Ok(Box::new(NearestCentroid))
    })];

fn main() -> ExitCode {
    bench::app::run(KINDS)
}

#[cfg(test)]
mod tests {
    use models::check::{CheckOptions, check_classifier};

    use super::*;

    #[test]
    fn keeps_the_contract_of_all_models() {
        check_classifier(&|| Box::new(NearestCentroid), &CheckOptions::default())
            .expect("the contract");
    }
}
