//! A plain forward pass in f64, loop by loop, and its gradient by central differences: what executors are
//! checked against.

use nn::{Batch, Dims, Layer, Network};

/// The mean cross-entropy of `batch`.
pub(crate) fn loss(network: &Network, parameters: &[f64], batch: &Batch<'_>) -> f64 {
    let rows = batch.labels.len();
    let all = scores(network, parameters, batch.inputs, batch.masks, None);
    let of_row = |(scores, &label): (&Vec<f64>, &u32)| {
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|z| (z - largest).exp()).sum();
        largest + sum.ln() - scores[label as usize]
    };
    all.iter().zip(batch.labels).map(of_row).sum::<f64>() / rows as f64
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

/// The class scores of each row; empty `masks` switch dropout off. Batch normalisations take the rows' own statistics, or
/// the running `statistics`.
pub(crate) fn scores(
    network: &Network,
    parameters: &[f64],
    inputs: &[f32],
    masks: &[Vec<f32>],
    statistics: Option<&[f64]>,
) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = inputs
        .chunks(network.input().len())
        .map(|row| row.iter().map(|&v| f64::from(v)).collect())
        .collect();
    let (mut offset, mut mask, mut statistic) = (0, 0, 0);
    for (i, layer) in network.layers().iter().enumerate() {
        let (before, after) = (network.dims(i), network.dims(i + 1));
        let (weights, biases) = network.layer_parameters(i);
        let w = &parameters[offset..offset + weights];
        let b = &parameters[offset + weights..offset + weights + biases];
        offset += weights + biases;
        let row_by_row = |values: &Vec<f64>, at: usize| match *layer {
            Layer::Conv { kernel, stride, padding, .. } => {
                convolve(values, before, after, w, b, [kernel, stride, padding])
            }
            Layer::Dense { units } => (0..units)
                .map(|o| {
                    b[o] + values.iter().enumerate().map(|(i, v)| v * w[i * units + o]).sum::<f64>()
                })
                .collect(),
            Layer::Relu => values.iter().map(|v| v.max(0.0)).collect(),
            Layer::Tanh => values.iter().map(|v| v.tanh()).collect(),
            Layer::MaxPool { size } => pool(values, before, after, size, |window| {
                window.iter().copied().fold(f64::NEG_INFINITY, f64::max)
            }),
            Layer::AvgPool { size } => pool(values, before, after, size, |window| {
                window.iter().sum::<f64>() / window.len() as f64
            }),
            Layer::Dropout { rate } if rate > 0.0 && !masks.is_empty() => {
                let mask = &masks[mask][at * values.len()..];
                values.iter().zip(mask).map(|(v, &m)| v * f64::from(m)).collect()
            }
            Layer::Flatten | Layer::Dropout { .. } => values.clone(),
            Layer::LayerNorm { epsilon } => {
                let (mean, variance) = moments(values.iter().copied());
                normalised(values, w, b, |_| (mean, variance + f64::from(epsilon)))
            }
            Layer::BatchNorm { epsilon, .. } => normalised(values, w, b, |c| {
                let (mean, variance) = match statistics {
                    Some(running) => (running[statistic + c], running[statistic + weights + c]),
                    None => moments(channel(&rows, c, before.channels)),
                };
                (mean, variance + f64::from(epsilon))
            }),
        };
        rows = rows.iter().enumerate().map(|(at, values)| row_by_row(values, at)).collect();
        match *layer {
            Layer::Dropout { rate } if rate > 0.0 => mask += 1,
            Layer::BatchNorm { .. } => statistic += 2 * weights,
            _ => {}
        }
    }
    rows
}

/// The values of channel `c` of all rows.
fn channel(rows: &[Vec<f64>], c: usize, channels: usize) -> impl Iterator<Item = f64> + Clone {
    rows.iter().flat_map(move |row| row.iter().skip(c).step_by(channels).copied())
}

/// Mean and biased variance.
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (mean, values.map(|v| (v - mean).powi(2)).sum::<f64>() / count)
}

/// (x - mean) / √square · scale + shift, each by channel.
fn normalised(
    values: &[f64],
    scale: &[f64],
    shift: &[f64],
    by_channel: impl Fn(usize) -> (f64, f64),
) -> Vec<f64> {
    let moments: Vec<(f64, f64)> = (0..scale.len()).map(by_channel).collect();
    let one = |(at, x): (usize, &f64)| {
        let c = at % scale.len();
        (x - moments[c].0) / moments[c].1.sqrt() * scale[c] + shift[c]
    };
    values.iter().enumerate().map(one).collect()
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
