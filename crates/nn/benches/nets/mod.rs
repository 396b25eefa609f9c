//! The nets that speed and parity are measured on, for 28 × 28 grey images and two classes.

use nn::{Dims, Layer, Network};

/// A. Beam's perceptron of 2017: 784-128-128-2, dropout .5.
pub(crate) fn mlp() -> Network {
    let hidden = [Layer::Dense { units: 128 }, Layer::Relu, Layer::Dropout { rate: 0.5 }];
    let layers = [&hidden[..], &hidden, &[Layer::Dense { units: 2 }]].concat();
    Network::new(Dims::flat(784), layers).unwrap()
}

fn conv(channels: usize, kernel: usize) -> [Layer; 2] {
    [Layer::Conv { channels, kernel, stride: 1, padding: 0 }, Layer::Relu]
}

/// The harness's default: conv5×5×8, conv5×5×16, dense.
pub(crate) fn small_cnn() -> Network {
    let pool = [Layer::MaxPool { size: 2 }];
    let head = [Layer::Flatten, Layer::Dense { units: 2 }];
    let layers = [&conv(8, 5)[..], &pool, &conv(16, 5), &pool, &head].concat();
    Network::new(Dims { height: 28, width: 28, channels: 1 }, layers).unwrap()
}

/// A. Beam's convolutional net of 2017.
pub(crate) fn beam_cnn() -> Network {
    let pool = [Layer::MaxPool { size: 2 }];
    let head = [
        Layer::Flatten,
        Layer::Dropout { rate: 0.2 },
        Layer::Dense { units: 128 },
        Layer::Relu,
        Layer::Dropout { rate: 0.5 },
        Layer::Dense { units: 2 },
    ];
    let convs = [conv(32, 3), conv(32, 3)].concat();
    let layers = [&convs[..], &pool, &conv(64, 3), &conv(64, 3), &pool, &head].concat();
    Network::new(Dims { height: 28, width: 28, channels: 1 }, layers).unwrap()
}
