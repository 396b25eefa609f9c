//! The convolutional net: blocks of convolution - φ - pooling, then dense layers and a softmax.
//!
//! With `normalization`, between each convolution or hidden dense layer and its φ. With its defaults a small one in the
//! manner of LeNet (LeCun et al. 1998): 5 × 5 kernels, 8 and 16 channels.
//! `conv = [32, 64]`, `kernel = 3`, `convs_per_block = 2`, `flatten_dropout = 0.2`, `dense = [128]`,
//! `dropout = 0.5` is A. Beam's of 2017 (`beamandrew/deep_learning_works`).

use nn::{Dims, Layer, Network, TrainOptions};

use crate::classifier::{Classifier, Fit, FitContext, FitError, Shape, TrainingSet};
use crate::net::{
    self, Averaging,
    params::{self, RATE},
    training,
};
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, SettingError, Settings};
use crate::tuning::{AutoAxis, Tuning};

/// `kind = "cnn"`.
pub(crate) const KIND: Kind = Kind {
    name: "cnn",
    summary: "a convolutional net for images, trained by gradient steps",
    caveat: None,
    params: &PARAMS,
    tuning: Tuning {
        auto: &[
            AutoAxis { name: "flatten_dropout", values: params::RATES },
            params::LEARNING_RATES,
        ],
        simpler: params::SIMPLER,
        shared: None,
    },
    build: |settings| Ok(Box::new(Cnn::new(settings)?)),
};

const PARAMS: [Param; 36] = params::with_training([
    Param {
        name: "conv",
        domain: Domain::Ints { min: 1, max: 4_096, max_len: 16 },
        default: Default::Ints(&[8, 16]),
        doc: "channels of each block; a block ends in pooling by 2",
    },
    Param {
        name: "convs_per_block",
        domain: Domain::Int { min: 1, max: 16 },
        default: Default::Int(1),
        doc: "convolutions, each with its activation, before a block's pooling",
    },
    Param {
        name: "kernel",
        domain: Domain::Int { min: 1, max: 64 },
        default: Default::Int(5),
        doc: "side of the kernels",
    },
    Param {
        name: "padding",
        domain: Domain::OneOf(&["valid", "same"]),
        default: Default::Text("valid"),
        doc: "none, or zeros around the image so that a convolution keeps its size (odd kernels)",
    },
    Param {
        name: "pool",
        domain: Domain::OneOf(&["max", "average"]),
        default: Default::Text("max"),
        doc: "of 2 by 2 windows, at the end of each block",
    },
    Param {
        name: "activation",
        domain: Domain::OneOf(&["relu", "tanh"]),
        default: Default::Text("relu"),
        doc: "after each convolution and each hidden dense layer",
    },
    Param {
        name: "flatten_dropout",
        domain: RATE,
        default: Default::Float(0.0),
        doc: "share of values dropped after the last block in training",
    },
    Param {
        name: "dense",
        domain: Domain::Ints { min: 1, max: 65_536, max_len: 32 },
        default: Default::Ints(&[]),
        doc: "units of each hidden dense layer after the blocks",
    },
    Param {
        name: "dropout",
        domain: RATE,
        default: Default::Float(0.0),
        doc: "share of values dropped after each hidden dense layer in training",
    },
]);

#[derive(Debug)]
struct Cnn {
    /// All layers but the last, which has one unit per class.
    hidden: Vec<Layer>,
    options: TrainOptions,
    averaging: Averaging,
}

impl Cnn {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        let dense = settings.counts("dense");
        let dropout = training::dropout(settings, "dropout");
        if dense.is_empty() && dropout.is_some() {
            return Err(SettingError::Conflict(
                "`dropout` does nothing without hidden layers in `dense`: use `flatten_dropout`"
                    .into(),
            ));
        }
        let activation =
            if settings.text("activation") == Some("tanh") { Layer::Tanh } else { Layer::Relu };
        let mut hidden = blocks(settings, activation)?;
        hidden.push(Layer::Flatten);
        hidden.extend(training::dropout(settings, "flatten_dropout"));
        for units in dense {
            hidden.push(Layer::Dense { units });
            hidden.extend(training::normalization(settings));
            hidden.push(activation);
            hidden.extend(dropout);
        }
        let averaging = training::averaging(settings, &hidden)?;
        Ok(Cnn { hidden, options: training::options(settings)?, averaging })
    }

    fn network(&self, shape: Shape, classes: usize) -> Result<Network, FitError> {
        if !shape.is_image() {
            return Err(FitError::Refused(format!(
                "a cnn needs images, but each example is {shape}: use an mlp, or give the dataset \
                 the height and width of its images"
            )));
        }
        training::check_augmentation(&self.options, shape)?;
        let Shape { height, width, channels } = shape;
        let output = Layer::Dense { units: classes };
        let layers = self.hidden.iter().copied().chain([output]).collect();
        Network::new(Dims { height, width, channels }, layers).map_err(|error| {
            FitError::Refused(format!(
                "images of {shape} are too small for this cnn: use fewer blocks, a smaller kernel, \
                 or `padding = \"same\"` ({error})"
            ))
        })
    }
}

/// The convolutions and pools.
fn blocks(settings: &Settings, activation: Layer) -> Result<Vec<Layer>, SettingError> {
    let kernel = settings.count("kernel").unwrap_or(5);
    let padding = match settings.text("padding") {
        Some("same") if kernel.is_multiple_of(2) => {
            return Err(SettingError::Conflict(format!(
                "`padding = \"same\"` needs an odd kernel, but `kernel` is {kernel}"
            )));
        }
        Some("same") => kernel / 2,
        _ => 0,
    };
    let pool = match settings.text("pool") {
        Some("average") => Layer::AvgPool { size: 2 },
        _ => Layer::MaxPool { size: 2 },
    };
    let mut layers = Vec::new();
    for channels in settings.counts("conv") {
        for _ in 0..settings.count("convs_per_block").unwrap_or(1) {
            layers.push(Layer::Conv { channels, kernel, stride: 1, padding });
            layers.extend(training::normalization(settings));
            layers.push(activation);
        }
        layers.push(pool);
    }
    Ok(layers)
}

impl Classifier for Cnn {
    fn check(&self, shape: Shape, classes: usize) -> Result<(), FitError> {
        self.network(shape, classes).map(drop)
    }

    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let network = self.network(train.features().shape(), train.classes())?;
        net::fit(&network, &self.options, self.averaging, train, context)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::settings::Value;

    const MNIST: Shape = Shape { height: 28, width: 28, channels: 1 };

    fn cnn(given: &[(&str, Value)]) -> Result<Cnn, SettingError> {
        let given: BTreeMap<String, Value> =
            given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Cnn::new(&Settings::resolve(&PARAMS, &given).unwrap())
    }

    fn ints(values: &[i64]) -> Value {
        Value::List(values.iter().map(|&v| Value::Int(v)).collect())
    }

    #[test]
    fn the_default_is_a_small_lenet() {
        let network = cnn(&[]).unwrap().network(MNIST, 2).unwrap();
        let conv = |channels| Layer::Conv { channels, kernel: 5, stride: 1, padding: 0 };
        let pool = Layer::MaxPool { size: 2 };
        let dense = Layer::Dense { units: 2 };
        assert_eq!(
            network.layers(),
            [conv(8), Layer::Relu, pool, conv(16), Layer::Relu, pool, Layer::Flatten, dense]
        );
        // 28 → 24 → 12 → 8 → 4: 25·8 + 8, 25·8·16 + 16, 4·4·16·2 + 2.
        assert_eq!(network.parameter_count(), 208 + 3_216 + 514);
    }

    #[test]
    fn beam_s_net_can_be_said() {
        let beam = cnn(&[
            ("conv", ints(&[32, 64])),
            ("kernel", Value::Int(3)),
            ("convs_per_block", Value::Int(2)),
            ("flatten_dropout", Value::Float(0.2)),
            ("dense", ints(&[128])),
            ("dropout", Value::Float(0.5)),
        ]);
        let network = beam.unwrap().network(MNIST, 2).unwrap();
        let dropouts: Vec<&Layer> =
            network.layers().iter().filter(|l| matches!(l, Layer::Dropout { .. })).collect();
        assert_eq!(dropouts, [&Layer::Dropout { rate: 0.2 }, &Layer::Dropout { rate: 0.5 }]);
        // 28 → 26 → 24 → 12 → 10 → 8 → 4; the convolutions, then 1024·128 + 128 and 128·2 + 2.
        let convolutions = 320 + 9_248 + 18_496 + 36_928;
        assert_eq!(network.parameter_count(), convolutions + 131_200 + 258);
    }

    #[test]
    fn normalised_layers_have_a_scale_and_a_shift_for_each_channel() {
        let given = [("normalization", Value::Text("batch".into())), ("dense", ints(&[10]))];
        let network = cnn(&given).unwrap().network(MNIST, 2).unwrap();
        assert_eq!(network.layers()[1..3], [Layer::BATCH_NORM, Layer::Relu]);
        // 25·8 + 8, 25·8·16 + 16, 4·4·16·10 + 10, 10·2 + 2, and of 8, 16 and 10 a scale and a shift.
        assert_eq!(network.parameter_count(), 208 + 3_216 + 2_570 + 22 + 2 * (8 + 16 + 10));
        assert_eq!(network.statistics_count(), 2 * (8 + 16 + 10));
    }

    #[test]
    fn distortions_larger_than_the_image_are_refused() {
        let refused = cnn(&[("shift", Value::Int(28))]).unwrap().network(MNIST, 2).unwrap_err();
        assert!(refused.to_string().contains("moves images of 28×28×1 out of sight"), "{refused}");
    }

    #[test]
    fn same_padding_keeps_the_size() {
        let given =
            [("padding", Value::Text("same".into())), ("pool", Value::Text("average".into()))];
        let network = cnn(&given).unwrap().network(MNIST, 2).unwrap();
        assert_eq!(network.dims(1).height, 28);
        assert_eq!(network.layers()[2], Layer::AvgPool { size: 2 });
        let even = [given[0].clone(), ("kernel", Value::Int(4))];
        assert!(cnn(&even).unwrap_err().to_string().contains("needs an odd kernel"));
    }

    #[test]
    fn dropout_without_hidden_layers_is_refused() {
        let error = cnn(&[("dropout", Value::Float(0.5))]).unwrap_err();
        assert!(error.to_string().contains("use `flatten_dropout`"), "{error}");
    }

    #[test]
    fn tables_and_small_images_are_refused_with_the_reason() {
        let cnn = cnn(&[]).unwrap();
        let table = cnn.network(Shape::table(30), 2).unwrap_err().to_string();
        assert!(table.contains("needs images") && table.contains("1×30×1"), "{table}");
        let small = Shape { height: 12, width: 12, channels: 1 };
        let small = cnn.network(small, 2).unwrap_err().to_string();
        assert!(small.contains("12×12×1 are too small"), "{small}");
        assert!(small.contains("a kernel of 5 is larger than 4"), "{small}");
    }
}
