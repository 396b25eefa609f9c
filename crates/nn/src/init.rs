//! Initial parameters, as PyTorch's and Keras's layers set them by default.

use crate::network::{Layer, Network};
use crate::random::{Purpose, stream, symmetric};

/// How a network's parameters start. Both are uniform, for weights `w` of `fan_in` inputs and `fan_out` outputs
/// (for a convolution: kernel² × channels in, kernel² × channels out).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Init {
    /// `torch.nn.Linear` and `Conv2d`: `kaiming_uniform_(a = √5)`, that is w ~ U(±√(6 / ((1 + a²) · fan_in)))
    /// = U(±1/√fan_in) (He et al. 2015, eq. 10 with the leaky slope a), and bias ~ U(±1/√fan_in).
    #[default]
    PyTorch,
    /// `keras.layers.Dense` and `Conv2D`: Glorot's uniform w ~ U(±√(6 / (fan_in + fan_out)))
    /// (Glorot & Bengio 2010, eq. 16), and bias 0.
    Keras,
}

/// The initial parameters of `network` in its flat layout, drawn in that order from the seed's
/// [`Purpose::Init`] stream.
pub fn initial_parameters(network: &Network, init: Init, seed: u64) -> Vec<f32> {
    let mut rng = stream(seed, Purpose::Init);
    let mut parameters = Vec::with_capacity(network.parameter_count());
    for layer in 0..network.layers().len() {
        let (weights, biases) = network.layer_parameters(layer);
        match network.layers()[layer] {
            Layer::Conv { .. } | Layer::Dense { .. } => {}
            // A normalisation starts as one: scales of 1 and shifts of 0, in both libraries. Others have no parameters.
            _ => {
                parameters.extend(std::iter::repeat_n(1.0, weights));
                parameters.extend(std::iter::repeat_n(0.0, biases));
                continue;
            }
        }
        // A convolution's weights are kernel² × channels in × channels out, and so for a dense layer with kernel 1.
        let fan_in = weights / biases;
        let fan_out = weights / network.dims(layer).channels;
        let (weight_bound, bias_bound) = match init {
            Init::PyTorch => (root(1.0 / fan_in as f64), Some(root(1.0 / fan_in as f64))),
            Init::Keras => (root(6.0 / (fan_in + fan_out) as f64), None),
        };
        parameters.extend((0..weights).map(|_| symmetric(&mut rng, weight_bound)));
        parameters.extend((0..biases).map(|_| bias_bound.map_or(0.0, |b| symmetric(&mut rng, b))));
    }
    parameters
}

/// The square root, which IEEE 754 rounds exactly, to the nearest `f32`.
fn root(square: f64) -> f32 {
    square.sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dims;

    fn small() -> Network {
        let conv = Layer::Conv { channels: 8, kernel: 5, stride: 1, padding: 0 };
        let layers = vec![conv, Layer::Relu, Layer::Flatten, Layer::Dense { units: 3 }];
        Network::new(Dims { height: 9, width: 8, channels: 2 }, layers).unwrap()
    }

    fn largest(values: &[f32]) -> f32 {
        values.iter().fold(0.0, |most, v| most.max(v.abs()))
    }

    #[test]
    fn bounds_follow_the_formulas() {
        let network = small();
        // conv: 5·5·2·8 = 400 weights and 8 biases, fan_in 50, fan_out 200; dense: 5·4·8 = 160 in, 3 out.
        let (conv, dense) = (400, 408 + 480);
        let torch = initial_parameters(&network, Init::PyTorch, 1);
        assert_eq!(torch.len(), network.parameter_count());
        let bound = (1.0_f64 / 50.0).sqrt() as f32;
        let near = |got: f32, bound: f32| got <= bound && got > 0.95 * bound;
        assert!(near(largest(&torch[..conv]), bound));
        assert!(largest(&torch[conv..408]) <= bound && largest(&torch[conv..408]) > 0.0);
        assert!(near(largest(&torch[408..dense]), (1.0_f64 / 160.0).sqrt() as f32));
        let keras = initial_parameters(&network, Init::Keras, 1);
        assert!(near(largest(&keras[..conv]), (6.0_f64 / 250.0).sqrt() as f32));
        assert_eq!(largest(&keras[conv..408]), 0.0);
        assert!(near(largest(&keras[408..dense]), (6.0_f64 / 163.0).sqrt() as f32));
        assert_eq!(largest(&keras[dense..]), 0.0);
    }

    #[test]
    fn normalisations_start_at_one_and_zero_and_draw_nothing() {
        let dense = |units| Layer::Dense { units };
        let net = |norm: Option<Layer>| {
            let layers = [Some(dense(4)), norm, Some(dense(2))];
            Network::new(Dims::flat(3), layers.into_iter().flatten().collect()).unwrap()
        };
        let plain = initial_parameters(&net(None), Init::PyTorch, 1);
        for norm in [Layer::BATCH_NORM, Layer::LAYER_NORM] {
            let with = initial_parameters(&net(Some(norm)), Init::PyTorch, 1);
            assert_eq!(with[..16], plain[..16]);
            assert_eq!(with[16..24], [1., 1., 1., 1., 0., 0., 0., 0.]);
            assert_eq!(with[24..], plain[16..]);
        }
    }

    #[test]
    fn the_seed_decides_the_bits() {
        let network = small();
        let draw = |seed| initial_parameters(&network, Init::PyTorch, seed);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
