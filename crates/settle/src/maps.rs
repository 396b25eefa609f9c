//! What a net captures that a regression does not: weights, importance, permutation and occlusion, pixel by pixel.
//!
//! - *Chosen*: the share of training draws in which a model kept the pixel.
//! - *Weights*: the coefficients of models whose scores are linear. With more than two classes, the root of the sum of
//!   squares over the classes.
//! - *Importance*: the mean decrease in impurity of trees.
//! - *Permutation* (Breiman 2001, section 10): how much accuracy is lost when a block of 4 x 4 pixels is exchanged
//!   between test images, jointly, since single pixels have neighbours that know the same.
//! - *Occlusion* (Zeiler and Fergus 2014, section 4.2): how much the probability of the true class falls when a square of
//!   6 x 6 pixels is painted over with background; at each pixel, the mean over the squares that cover it.
//!
//! All are means over ten training draws of the study of that task, fitted as its own trials were.

use std::sync::atomic::AtomicBool;

use bench::data::Dataset;
use bench::error::{Error, Result};
use bench::experiment::{Experiment, ModelSpec};
use bench::seed::{shuffle, stream, trial_seed};
use bench::split::split;
use models::{Coefficients, Features, FitContext, FittedClassifier, Shape, TrainingSet};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::table::rounded;

/// One pixel of one map: `maps-<task>.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pixel {
    /// The model.
    pub model: String,
    /// How it was asked: `chosen`, `weights`, `importance`, `permutation` or `occlusion`.
    pub method: String,
    /// Row from the top, from 0.
    pub row: u32,
    /// Column from the left, from 0.
    pub column: u32,
    /// The value.
    pub value: f64,
}

/// Training draws that maps are means over.
pub const DRAWS: u32 = 10;
/// Test images that permutation and occlusion look at.
const IMAGES: usize = 300;
/// Side of a permuted block, px.
const BLOCK: usize = 4;
/// Side of an occluding square, and how far it moves at a time, px.
const SQUARE: (usize, usize) = (6, 2);

/// How a model is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Chosen,
    Weights,
    Importance,
    Permutation,
    Occlusion,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Chosen => "chosen",
            Method::Weights => "weights",
            Method::Importance => "importance",
            Method::Permutation => "permutation",
            Method::Occlusion => "occlusion",
        }
    }
}

/// The maps of a task, in the order of the figure.
const MAPS: [(&str, Method); 10] = [
    ("leekasso", Method::Chosen),
    ("logistic", Method::Weights),
    ("svm-linear", Method::Weights),
    ("random-forest", Method::Importance),
    ("logistic", Method::Permutation),
    ("random-forest", Method::Permutation),
    ("svm-rbf", Method::Permutation),
    ("cnn", Method::Permutation),
    ("mlp", Method::Occlusion),
    ("cnn", Method::Occlusion),
];

/// Training-set size of the maps of a task with this many classes.
pub fn size(classes: usize) -> u32 {
    if classes == 2 { 80 } else { 160 }
}

/// The maps of a study's models.
///
/// # Errors
/// [`Error::Input`] if a model is missing, is refused, or can't be asked in that way.
pub fn measure(experiment: &Experiment, dataset: &Dataset) -> Result<Vec<Pixel>> {
    let draws: Vec<Draw> = (0..DRAWS).map(|repeat| Draw::of(experiment, dataset, repeat)).collect();
    let mut pixels = Vec::new();
    // A linear SVM of several classes is many of two, and has no weights of its own.
    let two = dataset.class_names.len() == 2;
    for (name, method) in
        MAPS.into_iter().filter(|map| two || *map != ("svm-linear", Method::Weights))
    {
        let spec = experiment.models.iter().find(|model| model.name == name);
        let spec = spec.ok_or_else(|| Error::input(format!("no model {name:?}")))?;
        let maps: Vec<Vec<f64>> = draws
            .par_iter()
            .map(|draw| draw.map(spec, method, experiment.seed))
            .collect::<Result<_>>()?;
        let width = dataset.shape.width;
        for at in 0..dataset.shape.len() {
            let mean = maps.iter().map(|map| map[at]).sum::<f64>() / f64::from(DRAWS);
            pixels.push(Pixel {
                model: name.to_owned(),
                method: method.name().to_owned(),
                row: (at / width) as u32,
                column: (at % width) as u32,
                value: rounded(mean, 6),
            });
        }
    }
    Ok(pixels)
}

/// One training draw and the test images that fitted models are asked about.
struct Draw<'a> {
    dataset: &'a Dataset,
    repeat: u32,
    train: Vec<u32>,
    test: Vec<u32>,
}

impl<'a> Draw<'a> {
    fn of(experiment: &Experiment, dataset: &'a Dataset, repeat: u32) -> Draw<'a> {
        let split = split(&dataset.pool(), &experiment.protocol, experiment.seed, repeat, 0);
        let n = size(dataset.class_names.len());
        // Evenly spaced, so that all parts of the test set have their share.
        let step = split.test.len().div_ceil(IMAGES);
        let test = split.test.iter().copied().step_by(step).collect();
        Draw { dataset, repeat, train: split.train_at(n).into_owned(), test }
    }

    fn map(&self, spec: &ModelSpec, method: Method, seed: u64) -> Result<Vec<f64>> {
        let refused =
            |why: String| Error::input(format!("{} by {}: {why}", spec.name, method.name()));
        let model = self.fit(spec, seed).map_err(|error| refused(error.to_string()))?;
        let lacks = || refused("the model has none".into());
        match method {
            Method::Weights => model.coefficients().as_ref().map(weights).ok_or_else(lacks),
            Method::Chosen => {
                let weights = model.coefficients().as_ref().map(weights).ok_or_else(lacks)?;
                Ok(weights.into_iter().map(|w| f64::from(u8::from(w != 0.0))).collect())
            }
            Method::Importance => model.importance().ok_or_else(lacks),
            Method::Permutation => {
                self.permuted(spec, &*model, seed).map_err(|error| refused(error.to_string()))
            }
            Method::Occlusion => {
                self.occluded(spec, &*model).map_err(|error| refused(error.to_string()))
            }
        }
    }

    /// The model of the study's own trial.
    fn fit(
        &self,
        spec: &ModelSpec,
        seed: u64,
    ) -> std::result::Result<Box<dyn FittedClassifier>, models::FitError> {
        let classifier =
            spec.classifier().map_err(|error| models::FitError::Refused(error.to_string()))?;
        let values = self.dataset.gather(&self.train, spec.scale);
        let labels = self.dataset.gather_labels(&self.train);
        let rows = Features::new(&values, self.dataset.shape);
        let train = TrainingSet::new(rows, &labels, self.dataset.class_names.len())?;
        let n = self.train.len() as u32;
        let stop = AtomicBool::new(false);
        let seed = trial_seed(seed, &spec.name, n, self.repeat, 0);
        let context = FitContext { seed, device: nn::Device::Cpu, stop: &stop };
        Ok(classifier.fit(&train, &context)?.model)
    }

    /// The accuracy lost by exchanging each block between images.
    fn permuted(
        &self,
        spec: &ModelSpec,
        model: &dyn FittedClassifier,
        seed: u64,
    ) -> std::result::Result<Vec<f64>, models::FitError> {
        let shape = self.dataset.shape;
        let values = self.dataset.gather(&self.test, spec.scale);
        let labels = self.dataset.gather_labels(&self.test);
        let right = |values: &[f32]| -> std::result::Result<f64, models::FitError> {
            let predicted = model.predict(&Features::new(values, shape))?.labels;
            let right = predicted.iter().zip(&labels).filter(|(a, b)| a == b).count();
            Ok(right as f64 / labels.len() as f64)
        };
        let whole = right(&values)?;
        let mut map = vec![0.0; shape.len()];
        for (index, block) in blocks(shape, BLOCK, BLOCK).into_iter().enumerate() {
            let mut order: Vec<usize> = (0..labels.len()).collect();
            let indices = [u64::from(self.repeat), index as u64];
            shuffle(&mut order, &mut stream(seed, "permutation importance", &indices));
            let mut exchanged = values.clone();
            for (image, &from) in order.iter().enumerate() {
                for &pixel in &block {
                    exchanged[image * shape.len() + pixel] = values[from * shape.len() + pixel];
                }
            }
            let lost = whole - right(&exchanged)?;
            block.iter().for_each(|&pixel| map[pixel] = lost);
        }
        Ok(map)
    }

    /// The probability of the true class lost by painting over each square.
    fn occluded(
        &self,
        spec: &ModelSpec,
        model: &dyn FittedClassifier,
    ) -> std::result::Result<Vec<f64>, models::FitError> {
        let (shape, classes) = (self.dataset.shape, self.dataset.class_names.len());
        let values = self.dataset.gather(&self.test, spec.scale);
        let labels = self.dataset.gather_labels(&self.test);
        let truth = |values: &[f32]| -> std::result::Result<f64, models::FitError> {
            let predicted = model.predict(&Features::new(values, shape))?.probabilities;
            let predicted = predicted.ok_or_else(|| {
                models::FitError::Refused("the model has no probabilities".into())
            })?;
            let of =
                |(row, &label): (usize, &u32)| f64::from(predicted[row * classes + label as usize]);
            Ok(labels.iter().enumerate().map(of).sum::<f64>() / labels.len() as f64)
        };
        let whole = truth(&values)?;
        let (mut lost, mut covered) = (vec![0.0; shape.len()], vec![0.0; shape.len()]);
        for square in blocks(shape, SQUARE.0, SQUARE.1) {
            let mut painted = values.clone();
            for image in painted.chunks_exact_mut(shape.len()) {
                square.iter().for_each(|&pixel| image[pixel] = 0.0);
            }
            let fall = whole - truth(&painted)?;
            for &pixel in &square {
                lost[pixel] += fall;
                covered[pixel] += 1.0;
            }
        }
        Ok(lost
            .iter()
            .zip(&covered)
            .map(|(lost, covered)| lost / f64::max(*covered, 1.0))
            .collect())
    }
}

/// The weights of one output, or their length over several.
fn weights(coefficients: &Coefficients) -> Vec<f64> {
    let outputs: Vec<&[f64]> =
        (0..coefficients.intercepts.len()).map(|k| coefficients.output(k)).collect();
    match outputs.as_slice() {
        [only] => only.to_vec(),
        _ => length(&outputs),
    }
}

/// The root of the sum of squares over outputs, feature by feature.
fn length(outputs: &[&[f64]]) -> Vec<f64> {
    let square = |at: usize| outputs.iter().map(|output| output[at] * output[at]).sum::<f64>();
    (0..outputs[0].len()).map(|at| square(at).sqrt()).collect()
}

/// The pixels of squares of `side` px, `step` px apart, cut off at the image's edge.
fn blocks(shape: Shape, side: usize, step: usize) -> Vec<Vec<usize>> {
    let mut blocks = Vec::new();
    for top in (0..shape.height).step_by(step) {
        for left in (0..shape.width).step_by(step) {
            let rows = top..(top + side).min(shape.height);
            let pixels = rows.flat_map(|row| {
                let columns = left..(left + side).min(shape.width);
                columns.map(move |column| row * shape.width + column)
            });
            blocks.push(pixels.collect());
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_pixel() {
        let shape = Shape { height: 6, width: 9, channels: 1 };
        let apart = blocks(shape, 4, 4);
        assert_eq!(apart.len(), 6);
        let mut all: Vec<usize> = apart.concat();
        all.sort_unstable();
        assert_eq!(all, (0..54).collect::<Vec<_>>(), "each once where they lie side by side");
        let overlapping = blocks(shape, 4, 2);
        assert!((0..54).all(|pixel| overlapping.iter().any(|block| block.contains(&pixel))));
    }

    #[test]
    fn several_outputs_are_summed_as_lengths() {
        assert_eq!(length(&[&[3.0, 0.0], &[4.0, -2.0]]), [5.0, 2.0]);
    }
}
