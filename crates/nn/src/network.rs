//! The network description: layers, their shapes, and where each parameter lies in the flat parameter vector.
//!
//! Activations are NHWC. The parameters of a network are one flat `f32` vector, layer after layer, weights before
//! bias: a convolution's weights are `[kernel row][kernel column][in channel][out channel]`, a dense layer's
//! `[in][out]`, a normalisation's scale before its shift. Executors and initialisers share this layout.

use std::fmt;

use crate::NnError;

/// Height, width and channels of one example at some point of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels; all values of a flat vector.
    pub channels: usize,
}

impl Dims {
    /// A flat vector of `units` values.
    pub fn flat(units: usize) -> Self {
        Dims { height: 1, width: 1, channels: units }
    }

    /// Values per example.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// True if there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.height, self.width, self.channels)
    }
}

/// One layer. The loss after the last one is always softmax cross-entropy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layer {
    /// A convolution with a square kernel, and its bias.
    Conv {
        /// Channels out.
        channels: usize,
        /// Side of the kernel.
        kernel: usize,
        /// Step between outputs.
        stride: usize,
        /// Rows and columns of zeros on every side.
        padding: usize,
    },
    /// max(x, 0).
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// The maximum of each `size × size` window, windows side by side, a rest at the edge dropped.
    /// The gradient goes to the first maximum of the window, row by row.
    MaxPool {
        /// Side of the window, and its step.
        size: usize,
    },
    /// The mean of each `size × size` window, a rest at the edge dropped.
    AvgPool {
        /// Side of the window, and its step.
        size: usize,
    },
    /// All values as one vector, in NHWC order.
    Flatten,
    /// A fully connected layer with bias; needs a flat input.
    Dense {
        /// Values out.
        units: usize,
    },
    /// In training, each value is zeroed with probability `rate`, the others scaled by 1 / (1 - rate)
    /// (Srivastava et al. 2014, "inverted"); nothing at prediction.
    Dropout {
        /// In [0, 1).
        rate: f32,
    },
    /// Batch normalisation (Ioffe & Szegedy 2015): (x - mean) / √(variance + epsilon) · scale + shift for each channel,
    /// or each value of a flat vector. In training, mean and (biased) variance are the batch's, over its rows and
    /// pixels; at prediction they are the running ones, which start at 0 and 1 and move by `momentum` of the way to the
    /// batch's mean and unbiased variance at each step: `torch.nn.BatchNorm1d` and `BatchNorm2d`. A batch with one value
    /// per channel has no variance and is refused, as PyTorch does.
    BatchNorm {
        /// In (0, 1].
        momentum: f32,
        /// Above 0.
        epsilon: f32,
    },
    /// Layer normalisation (Ba, Kiros & Hinton 2016): (x - mean) / √(variance + epsilon) · scale + shift with the mean and
    /// (biased) variance of all values of the example, and a scale and shift for each channel: `torch.nn.LayerNorm` of a
    /// flat vector, `torch.nn.GroupNorm(1, channels)` of an image. The same in training and at prediction.
    LayerNorm {
        /// Above 0.
        epsilon: f32,
    },
}

impl Layer {
    /// Batch normalisation with PyTorch's defaults: momentum .1, epsilon 1e-5.
    pub const BATCH_NORM: Layer = Layer::BatchNorm { momentum: 0.1, epsilon: 1e-5 };
    /// Layer normalisation with PyTorch's default: epsilon 1e-5.
    pub const LAYER_NORM: Layer = Layer::LayerNorm { epsilon: 1e-5 };
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Layer::Conv { channels, kernel, .. } => {
                write!(f, "a {kernel}×{kernel} convolution to {channels} channels")
            }
            Layer::Relu => write!(f, "relu"),
            Layer::Tanh => write!(f, "tanh"),
            Layer::MaxPool { size } => write!(f, "a {size}×{size} max-pool"),
            Layer::AvgPool { size } => write!(f, "a {size}×{size} average pool"),
            Layer::Flatten => write!(f, "flatten"),
            Layer::Dense { units } => write!(f, "a dense layer of {units} units"),
            Layer::Dropout { rate } => write!(f, "dropout of {rate}"),
            Layer::BatchNorm { .. } => write!(f, "batch normalisation"),
            Layer::LayerNorm { .. } => write!(f, "layer normalisation"),
        }
    }
}

/// A network: the dimensions of its input and its layers, checked to fit together.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    input: Dims,
    layers: Vec<Layer>,
    /// Dimensions before each layer, and after the last: `layers.len() + 1`.
    dims: Vec<Dims>,
}

impl Network {
    /// Chains `layers` on an input of `input`; the last must leave a flat vector, one value per class.
    ///
    /// # Errors
    /// [`NnError::Shape`], naming the layer that does not fit.
    pub fn new(input: Dims, layers: Vec<Layer>) -> Result<Self, NnError> {
        let mut dims = vec![input];
        for (i, layer) in layers.iter().enumerate() {
            let before = dims[i];
            let after = output_dims(layer, before)
                .map_err(|why| NnError::Shape(format!("layer {i}, {layer} of {before}: {why}")))?;
            dims.push(after);
        }
        let last = dims[layers.len()];
        if last.height != 1 || last.width != 1 || last.channels < 2 {
            return Err(NnError::Shape(format!(
                "the last layer leaves {last}, not a vector of two or more classes"
            )));
        }
        Ok(Network { input, layers, dims })
    }

    /// The dimensions of one example.
    pub fn input(&self) -> Dims {
        self.input
    }

    /// The layers in order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The dimensions before layer `i`; `dims(layers().len())` are the output's.
    pub fn dims(&self, i: usize) -> Dims {
        self.dims[i]
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.dims[self.layers.len()].channels
    }

    /// The number of weights and of biases of layer `i`; of a normalisation, of scales and of shifts.
    pub fn layer_parameters(&self, i: usize) -> (usize, usize) {
        match self.layers[i] {
            Layer::Conv { channels, kernel, .. } => {
                (kernel * kernel * self.dims[i].channels * channels, channels)
            }
            Layer::Dense { units } => (self.dims[i].len() * units, units),
            Layer::BatchNorm { .. } | Layer::LayerNorm { .. } => {
                (self.dims[i].channels, self.dims[i].channels)
            }
            _ => (0, 0),
        }
    }

    /// The length of the flat vector of running statistics: for each batch normalisation in turn, the mean of each
    /// channel, then the variance of each.
    pub fn statistics_count(&self) -> usize {
        self.batch_norms().map(|dims| 2 * dims.channels).sum()
    }

    /// The running statistics before the first step: means of 0 and variances of 1.
    pub fn initial_statistics(&self) -> Vec<f32> {
        let fresh = |dims: Dims| [vec![0.0; dims.channels], vec![1.0; dims.channels]].concat();
        self.batch_norms().flat_map(fresh).collect()
    }

    /// The fewest rows that a batch may have: 2 if a batch normalisation sees one value per row and channel, else 1.
    pub fn least_batch(&self) -> usize {
        let single = self.batch_norms().any(|dims| dims.height * dims.width == 1);
        if single { 2 } else { 1 }
    }

    /// The dimensions at each batch normalisation.
    fn batch_norms(&self) -> impl Iterator<Item = Dims> {
        let layers = self.layers.iter().zip(&self.dims);
        layers.filter(|(layer, _)| matches!(layer, Layer::BatchNorm { .. })).map(|(_, dims)| *dims)
    }

    /// The length of the flat parameter vector.
    pub fn parameter_count(&self) -> usize {
        (0..self.layers.len()).map(|i| self.layer_parameters(i)).map(|(w, b)| w + b).sum()
    }
}

/// The dimensions after `layer`, or why it does not fit.
fn output_dims(layer: &Layer, before: Dims) -> Result<Dims, String> {
    match *layer {
        Layer::Conv { channels, kernel, stride, padding } => {
            if channels == 0 || kernel == 0 || stride == 0 {
                return Err("channels, kernel and stride must be at least 1".into());
            }
            let side = |size: usize| {
                (size + 2 * padding).checked_sub(kernel).map(|room| room / stride + 1).ok_or_else(
                    || format!("a kernel of {kernel} is larger than {size} + 2 × {padding}"),
                )
            };
            Ok(Dims { height: side(before.height)?, width: side(before.width)?, channels })
        }
        Layer::MaxPool { size } | Layer::AvgPool { size } => {
            if size == 0 || before.height < size || before.width < size {
                return Err(format!("windows of {size} × {size} don't fit"));
            }
            Ok(Dims { height: before.height / size, width: before.width / size, ..before })
        }
        Layer::Flatten => Ok(Dims::flat(before.len())),
        Layer::Dense { units } => {
            if before.height != 1 || before.width != 1 {
                return Err("a dense layer needs a flat input: put Flatten before it".into());
            }
            if units == 0 { Err("units must be at least 1".into()) } else { Ok(Dims::flat(units)) }
        }
        Layer::Dropout { rate } if !(0.0..1.0).contains(&rate) => {
            Err(format!("a dropout rate of {rate} is not in [0, 1)"))
        }
        Layer::BatchNorm { momentum, .. } if !(momentum > 0.0 && momentum <= 1.0) => {
            Err(format!("a momentum of {momentum} is not in (0, 1]"))
        }
        Layer::BatchNorm { epsilon, .. } | Layer::LayerNorm { epsilon }
            if !(epsilon > 0.0 && epsilon.is_finite()) =>
        {
            Err(format!("an epsilon of {epsilon} is not a number above 0"))
        }
        Layer::Relu
        | Layer::Tanh
        | Layer::Dropout { .. }
        | Layer::BatchNorm { .. }
        | Layer::LayerNorm { .. } => Ok(before),
    }
}
