//! A plain forward pass in f64, loop by loop, and its gradient by central differences: what executors are
//! checked against.

use nn::{Batch, Dims, Layer, Network};

/// The mean cross-entropy of `batch`.
pub(crate) fn loss(network: &Network, parameters: &[f64], batch: &Batch<'_>) -> f64 {
    let columns = network.input().len();
    let rows = batch.labels.len();
    let of_row = |row: usize| {
        let input = &batch.inputs[row * columns..(row + 1) * columns];
        let masks: Vec<&[f32]> = batch
            .masks
            .iter()
            .map(|mask| {
                let values = mask.len() / rows;
                &mask[row * values..(row + 1) * values]
            })
            .collect();
        let scores = scores(network, parameters, input, &masks);
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|z| (z - largest).exp()).sum();
        largest + sum.ln() - scores[batch.labels[row] as usize]
    };
    (0..rows).map(of_row).sum::<f64>() / rows as f64
}

/// The gradient of [`loss`] by each parameter: (f(θ + h) - f(θ - h)) / 2h.
pub(crate) fn gradient(
    network: &Network,
    parameters: &[f64],
    batch: &Batch<'_>,
    h: f64,
) -> Vec<f64> {
    let mut at = parameters.to_vec();
    (0..parameters.len())
        .map(|i| {
            let mut moved = |by: f64| {
                at[i] = parameters[i] + by;
                loss(network, &at, batch)
            };
            let slope = (moved(h) - moved(-h)) / (2.0 * h);
            at[i] = parameters[i];
            slope
        })
        .collect()
}

/// The class scores of one example; an empty `masks` switches dropout off.
pub(crate) fn scores(
    network: &Network,
    parameters: &[f64],
    input: &[f32],
    masks: &[&[f32]],
) -> Vec<f64> {
    let mut values: Vec<f64> = input.iter().map(|&v| f64::from(v)).collect();
    let (mut offset, mut mask) = (0, 0);
    for (i, layer) in network.layers().iter().enumerate() {
        let (before, after) = (network.dims(i), network.dims(i + 1));
        let (weights, biases) = network.layer_parameters(i);
        let w = &parameters[offset..offset + weights];
        let b = &parameters[offset + weights..offset + weights + biases];
        offset += weights + biases;
        values = match *layer {
            Layer::Conv { kernel, stride, padding, .. } => {
                convolve(&values, before, after, w, b, [kernel, stride, padding])
            }
            Layer::Dense { units } => (0..units)
                .map(|o| {
                    b[o] + values.iter().enumerate().map(|(i, v)| v * w[i * units + o]).sum::<f64>()
                })
                .collect(),
            Layer::Relu => values.iter().map(|v| v.max(0.0)).collect(),
            Layer::Tanh => values.iter().map(|v| v.tanh()).collect(),
            Layer::MaxPool { size } => pool(&values, before, after, size, |window| {
                window.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            }),
            Layer::AvgPool { size } => pool(&values, before, after, size, |window| {
                window.iter().sum::<f64>() / window.len() as f64
            }),
            Layer::Flatten => values,
            Layer::Dropout { rate } if rate > 0.0 && !masks.is_empty() => {
                mask += 1;
                values.iter().zip(masks[mask - 1]).map(|(v, &m)| v * f64::from(m)).collect()
            }
            Layer::Dropout { .. } => values,
        };
    }
    values
}

fn convolve(
    values: &[f64],
    before: Dims,
    after: Dims,
    w: &[f64],
    b: &[f64],
    [kernel, stride, padding]: [usize; 3],
) -> Vec<f64> {
    let mut output = Vec::with_capacity(after.len());
    for y in 0..after.height {
        for x in 0..after.width {
            for (o, bias) in b.iter().enumerate() {
                let mut sum = *bias;
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let (r, c) = (y * stride + ky, x * stride + kx);
                        let inside = (padding..before.height + padding).contains(&r)
                            && (padding..before.width + padding).contains(&c);
                        if inside {
                            let pixel = (r - padding) * before.width + c - padding;
                            for i in 0..before.channels {
                                let weight =
                                    ((ky * kernel + kx) * before.channels + i) * after.channels + o;
                                sum += values[pixel * before.channels + i] * w[weight];
                            }
                        }
                    }
                }
                output.push(sum);
            }
        }
    }
    output
}

fn pool(
    values: &[f64],
    before: Dims,
    after: Dims,
    size: usize,
    of_window: impl Fn(&[f64]) -> f64,
) -> Vec<f64> {
    let mut output = Vec::with_capacity(after.len());
    for y in 0..after.height {
        for x in 0..after.width {
            for channel in 0..after.channels {
                let mut window = Vec::new();
                for r in y * size..(y + 1) * size {
                    for c in x * size..(x + 1) * size {
                        window.push(values[(r * before.width + c) * before.channels + channel]);
                    }
                }
                output.push(of_window(&window));
            }
        }
    }
    output
}
