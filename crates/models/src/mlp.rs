//! The multi-layer perceptron: hidden layers of h = φ(W h + b), each followed by dropout, and a softmax.
//!
//! With `normalization`, h = φ(norm(W h + b)). Images are taken as flat vectors, after any distortion. With its defaults
//! it is the net that A. Beam set against linear models in 2017 (`beamandrew/deep_learning_works`): two hidden layers of
//! 128 rectified units, dropout ½, Adam at .001.

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

/// `kind = "mlp"`.
pub(crate) const KIND: Kind = Kind {
    name: "mlp",
    summary: "a multi-layer perceptron, trained by gradient steps",
    caveat: None,
    params: &PARAMS,
    tuning: Tuning {
        auto: &[AutoAxis { name: "dropout", values: params::RATES }, params::LEARNING_RATES],
        simpler: params::SIMPLER,
        shared: None,
    },
    build: |settings| Ok(Box::new(Mlp::new(settings)?)),
};

const PARAMS: [Param; 30] = params::with_training([
    Param {
        name: "hidden",
        domain: Domain::Ints { min: 1, max: 65_536, max_len: 32 },
        default: Default::Ints(&[128, 128]),
        doc: "units of each hidden layer",
    },
    Param {
        name: "activation",
        domain: Domain::OneOf(&["relu", "tanh"]),
        default: Default::Text("relu"),
        doc: "after each hidden layer",
    },
    Param {
        name: "dropout",
        domain: RATE,
        default: Default::Float(0.5),
        doc: "share of values dropped after each hidden layer in training",
    },
]);

#[derive(Debug)]
struct Mlp {
    /// All layers but the last, which has one unit per class.
    hidden: Vec<Layer>,
    options: TrainOptions,
    averaging: Averaging,
}

impl Mlp {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        let activation =
            if settings.text("activation") == Some("tanh") { Layer::Tanh } else { Layer::Relu };
        let mut hidden = Vec::new();
        for units in settings.counts("hidden") {
            hidden.push(Layer::Dense { units });
            hidden.extend(training::normalization(settings));
            hidden.push(activation);
            hidden.extend(training::dropout(settings, "dropout"));
        }
        let averaging = training::averaging(settings, &hidden)?;
        Ok(Mlp { hidden, options: training::options(settings)?, averaging })
    }

    fn network(&self, shape: Shape, classes: usize) -> Result<Network, FitError> {
        training::check_augmentation(&self.options, shape)?;
        let Shape { height, width, channels } = shape;
        // What is not distorted needs no shape.
        let (input, flatten) = if self.options.augmentation.is_off() {
            (Dims::flat(shape.len()), None)
        } else {
            (Dims { height, width, channels }, Some(Layer::Flatten))
        };
        let output = Layer::Dense { units: classes };
        let layers = flatten.into_iter().chain(self.hidden.iter().copied()).chain([output]);
        Ok(Network::new(input, layers.collect())?)
    }
}

impl Classifier for Mlp {
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

    fn mlp(given: &[(&str, Value)]) -> Mlp {
        let given: BTreeMap<String, Value> =
            given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Mlp::new(&Settings::resolve(&PARAMS, &given).unwrap()).unwrap()
    }

    #[test]
    fn the_default_is_beam_s_perceptron() {
        let network = mlp(&[]).network(Shape::table(784), 2).unwrap();
        let (dense, dropout) = (Layer::Dense { units: 128 }, Layer::Dropout { rate: 0.5 });
        let hidden = [dense, Layer::Relu, dropout];
        let output = [Layer::Dense { units: 2 }];
        assert_eq!(network.layers(), [&hidden[..], &hidden, &output].concat());
        // 784·128 + 128, 128·128 + 128, 128·2 + 2.
        assert_eq!(network.parameter_count(), 100_480 + 16_512 + 258);
    }

    /// J. Leek's net of 2017 as Beam wrote it in Keras: five layers of 160 hyperbolic tangents.
    #[test]
    fn leek_s_net_can_be_said() {
        let hidden = Value::List(vec![Value::Int(160); 5]);
        let activation = Value::Text("tanh".into());
        let none = Value::Float(0.0);
        let leek = mlp(&[("hidden", hidden), ("activation", activation), ("dropout", none)]);
        let network = leek.network(Shape::table(784), 2).unwrap();
        assert_eq!(network.layers().len(), 11);
        assert_eq!(network.layers()[1], Layer::Tanh);
        // 784·160 + 160, four times 160·160 + 160, 160·2 + 2.
        assert_eq!(network.parameter_count(), 125_600 + 4 * 25_760 + 322);
    }

    #[test]
    fn normalised_layers_have_a_scale_and_a_shift_for_each_unit() {
        for (word, norm) in [("batch", Layer::BATCH_NORM), ("layer", Layer::LAYER_NORM)] {
            let net = mlp(&[("normalization", Value::Text(word.into()))]);
            let network = net.network(Shape::table(784), 2).unwrap();
            let hidden = [Layer::Dense { units: 128 }, norm, Layer::Relu];
            assert_eq!(network.layers()[..3], hidden);
            // As the default net, and 128 scales and shifts twice.
            assert_eq!(network.parameter_count(), 100_480 + 16_512 + 258 + 2 * 2 * 128);
        }
        let none = mlp(&[("normalization", Value::Text("none".into()))]);
        let network = none.network(Shape::table(784), 2).unwrap();
        assert_eq!(network, mlp(&[]).network(Shape::table(784), 2).unwrap());
    }

    #[test]
    fn distorted_images_keep_their_shape_and_tables_have_none() {
        let net = mlp(&[("shift", Value::Int(2))]);
        let network = net.network(Shape { height: 8, width: 9, channels: 1 }, 2).unwrap();
        assert_eq!(network.input(), Dims { height: 8, width: 9, channels: 1 });
        assert_eq!(network.layers()[0], Layer::Flatten);
        let refused = net.check(Shape::table(72), 2).unwrap_err().to_string();
        assert!(refused.contains("are for images"), "{refused}");
    }

    #[test]
    fn passes_with_dropout_need_dropout() {
        let build = |dropout: f64| {
            let given = [("mc_dropout", Value::Int(20)), ("dropout", Value::Float(dropout))];
            let given = given.map(|(key, value)| (key.to_owned(), value)).into();
            Mlp::new(&Settings::resolve(&PARAMS, &given).unwrap())
        };
        assert_eq!(build(0.5).unwrap().averaging, Averaging { nets: 1, passes: Some(20) });
        let refused = build(0.0).unwrap_err().to_string();
        assert!(refused.contains("`mc_dropout` needs dropout"), "{refused}");
    }

    #[test]
    fn no_hidden_layer_is_a_linear_model() {
        let network = mlp(&[("hidden", Value::List(vec![]))]).network(Shape::table(30), 3).unwrap();
        assert_eq!(network.layers(), [Layer::Dense { units: 3 }]);
    }
}
