//! The multi-layer perceptron: hidden layers of h = φ(W h + b), each followed by dropout, and a softmax.
//!
//! Images are taken as flat vectors. With its defaults it is the net that A. Beam set against linear models in 2017
//! (`beamandrew/deep_learning_works`): two hidden layers of 128 rectified units, dropout ½, Adam at .001.

use nn::{Dims, Layer, Network, TrainOptions};

use crate::classifier::{Classifier, Fit, FitContext, FitError, TrainingSet};
use crate::net::{
    self,
    training::{self, RATE},
};
use crate::registry::Kind;
use crate::settings::{Default, Domain, Param, SettingError, Settings};

/// `kind = "mlp"`.
pub(crate) const KIND: Kind = Kind {
    name: "mlp",
    summary: "a multi-layer perceptron, trained by gradient steps",
    caveat: None,
    params: &PARAMS,
    build: |settings| Ok(Box::new(Mlp::new(settings)?)),
};

const PARAMS: [Param; 20] = training::with_training([
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
}

impl Mlp {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        let activation =
            if settings.text("activation") == Some("tanh") { Layer::Tanh } else { Layer::Relu };
        let mut hidden = Vec::new();
        for units in settings.counts("hidden") {
            hidden.extend([Layer::Dense { units }, activation]);
            hidden.extend(training::dropout(settings, "dropout"));
        }
        Ok(Mlp { hidden, options: training::options(settings)? })
    }

    fn network(&self, columns: usize, classes: usize) -> Result<Network, FitError> {
        let output = Layer::Dense { units: classes };
        let layers = self.hidden.iter().copied().chain([output]).collect();
        Ok(Network::new(Dims::flat(columns), layers)?)
    }
}

impl Classifier for Mlp {
    fn fit(&self, train: &TrainingSet<'_>, context: &FitContext<'_>) -> Result<Fit, FitError> {
        let network = self.network(train.features().columns(), train.classes())?;
        net::fit(&network, &self.options, train, context)
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
        let network = mlp(&[]).network(784, 2).unwrap();
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
        let network = leek.network(784, 2).unwrap();
        assert_eq!(network.layers().len(), 11);
        assert_eq!(network.layers()[1], Layer::Tanh);
        // 784·160 + 160, four times 160·160 + 160, 160·2 + 2.
        assert_eq!(network.parameter_count(), 125_600 + 4 * 25_760 + 322);
    }

    #[test]
    fn no_hidden_layer_is_a_linear_model() {
        let network = mlp(&[("hidden", Value::List(vec![]))]).network(30, 3).unwrap();
        assert_eq!(network.layers(), [Layer::Dense { units: 3 }]);
    }
}
