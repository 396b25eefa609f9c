//! From a [`Network`] to the steps that compute it, with ReLUs fused into their neighbours.

use super::linear::{Geometry, Linear};
use super::norm::{BatchNorm, LayerNorm, Places};
use super::op::{AvgPoolOp, DropoutOp, MaxPoolOp, Op, ReluOp, TanhOp};
use super::pool::Windows;
use super::winograd::Winograd;
use crate::{Layer, Network};

/// A compiled step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) op: Box<dyn Op>,
    /// The layers that it computes.
    pub(super) layers: std::ops::Range<usize>,
    /// Values of one example behind it.
    pub(super) output_len: usize,
    pub(super) has_parameters: bool,
    /// Whether it takes the rows of a batch together rather than image by image.
    pub(super) takes_batches: bool,
}

/// The steps of `network`, and the lengths of one example's dropout masks.
///
/// A ReLU behind a convolution or dense layer is computed with it; a ReLU between a convolution and a max pooling
/// is computed behind the pooling, on fewer values: max(0, max x) = max(max(0, x)), and of the gradient, either way,
/// the first maximum gets all if it is positive and nobody gets any if not.
pub(super) fn plan(network: &Network) -> (Vec<Step>, Vec<usize>) {
    let layers = network.layers();
    let mut steps: Vec<Step> = Vec::new();
    let mut masks = Vec::new();
    let (mut i, mut parameter, mut statistic) = (0, 0, 0);
    while i < layers.len() {
        let first = i;
        let (weights, biases) = network.layer_parameters(i);
        let next = |offset: usize| layers.get(i + offset);
        let relu_next = next(1) == Some(&Layer::Relu);
        let op: Option<Box<dyn Op>> = match layers[i] {
            Layer::Conv { .. } | Layer::Dense { .. } => {
                let pool_takes_it = matches!(next(2), Some(Layer::MaxPool { .. }));
                let fused = relu_next && !pool_takes_it;
                let op = linear(network, i, parameter, fused);
                i += usize::from(fused);
                Some(op)
            }
            Layer::Relu => match next(1) {
                Some(&Layer::MaxPool { size }) => {
                    i += 1;
                    Some(Box::new(MaxPoolOp::new(windows(network, i, size), true)))
                }
                _ => Some(Box::new(ReluOp)),
            },
            Layer::MaxPool { size } => {
                let op = MaxPoolOp::new(windows(network, i, size), relu_next);
                i += usize::from(relu_next);
                Some(Box::new(op))
            }
            Layer::AvgPool { size } => {
                Some(Box::new(AvgPoolOp { windows: windows(network, i, size) }))
            }
            Layer::Tanh => Some(Box::new(TanhOp)),
            Layer::BatchNorm { momentum, epsilon } => {
                let places = norm_places(parameter, weights);
                let op = BatchNorm::new(places, statistic, momentum, epsilon);
                statistic += 2 * weights;
                Some(Box::new(op))
            }
            Layer::LayerNorm { epsilon } => {
                Some(Box::new(LayerNorm::new(norm_places(parameter, weights), epsilon)))
            }
            Layer::Dropout { rate } if rate > 0.0 => {
                masks.push(network.dims(i).len());
                Some(Box::new(DropoutOp { mask: masks.len() - 1 }))
            }
            Layer::Dropout { .. } | Layer::Flatten => None,
        };
        i += 1;
        parameter += weights + biases;
        if let Some(op) = op {
            let output_len = network.dims(i).len();
            let takes_batches =
                matches!(layers[first], Layer::Dense { .. } | Layer::BatchNorm { .. });
            let has_parameters = weights > 0;
            steps.push(Step { op, layers: first..i, output_len, has_parameters, takes_batches });
        }
    }
    (steps, masks)
}

/// The scales and shifts of a normalisation of `channels`, from `parameter` on.
fn norm_places(parameter: usize, channels: usize) -> Places {
    let shift = parameter + channels;
    Places { scale: parameter..shift, shift: shift..shift + channels }
}

/// The windows of pooling layer `i`.
fn windows(network: &Network, i: usize, size: usize) -> Windows {
    Windows { input: network.dims(i), output: network.dims(i + 1), size }
}

/// The convolution or dense layer `i`, its parameters starting at `parameter`.
fn linear(network: &Network, i: usize, parameter: usize, relu: bool) -> Box<dyn Op> {
    let (weights, biases) = network.layer_parameters(i);
    let bias = parameter + weights..parameter + weights + biases;
    let weights = parameter..parameter + weights;
    let (input, output) = (network.dims(i), network.dims(i + 1));
    match network.layers()[i] {
        Layer::Conv { kernel, stride, padding, .. } => {
            let geometry = Geometry { input, output, kernel, stride, padding };
            if Winograd::suits(&geometry) {
                Box::new(Winograd::new(geometry, weights, bias, relu))
            } else {
                Box::new(Linear::convolution(geometry, weights, bias, relu))
            }
        }
        _ => Box::new(Linear::dense(input.len(), output.len(), weights, bias, relu)),
    }
}
