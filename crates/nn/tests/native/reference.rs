//! The plainest possible network in `f64`: loops from the definitions, nothing shared with the engine.

use nn::{Batch, Dims, Layer, Network};

/// Scores, mean cross-entropy, its gradient by the parameters, and the running statistics after one step.
pub(crate) struct Outcome {
    pub(crate) scores: Vec<f64>,
    pub(crate) loss: f64,
    pub(crate) gradient: Vec<f64>,
    pub(crate) statistics: Vec<f64>,
}

/// Class scores by running statistics; dropout as `batch` says.
pub(crate) fn predict(
    network: &Network,
    parameters: &[f64],
    statistics: &[f64],
    batch: &Batch<'_>,
) -> Vec<f64> {
    let mut values: Vec<f64> = batch.inputs.iter().map(|&x| f64::from(x)).collect();
    let (mut offset, mut statistic) = (0, 0);
    for (i, layer) in network.layers().iter().enumerate() {
        let parameters = &parameters[offset..];
        let (weights, biases) = network.layer_parameters(i);
        offset += weights + biases;
        values = match *layer {
            Layer::BatchNorm { epsilon, .. } => {
                let (means, rest) = statistics[statistic..].split_at(weights);
                statistic += 2 * weights;
                let scaled = |(at, x): (usize, &f64)| {
                    let c = at % weights;
                    let normal = (x - means[c]) / (rest[c] + f64::from(epsilon)).sqrt();
                    normal * parameters[c] + parameters[weights + c]
                };
                values.iter().enumerate().map(scaled).collect()
            }
            _ => forward(network, i, parameters, batch, &values),
        };
    }
    values
}

/// Computes `batch` forward and back.
pub(crate) fn run(network: &Network, parameters: &[f64], batch: &Batch<'_>) -> Outcome {
    let rows = batch.labels.len();
    let mut statistics = Vec::new();
    let mut values = vec![batch.inputs.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()];
    let mut offsets = vec![0];
    for i in 0..network.layers().len() {
        let next = forward(network, i, &parameters[offsets[i]..], batch, &values[i]);
        if let Layer::BatchNorm { momentum, .. } = network.layers()[i] {
            let momentum = f64::from(momentum);
            let moments: Vec<[f64; 2]> = groups(network, i, rows)
                .iter()
                .map(|group| {
                    let (mean, variance) = moments(&values[i], group);
                    let count = group.len() as f64;
                    [mean, variance * count / (count - 1.0)]
                })
                .collect();
            statistics.extend(moments.iter().map(|m| momentum * m[0]));
            statistics.extend(moments.iter().map(|m| 1.0 - momentum + momentum * m[1]));
        }
        let (weights, biases) = network.layer_parameters(i);
        offsets.push(offsets[i] + weights + biases);
        values.push(next);
    }
    let scores = values[network.layers().len()].clone();
    let (loss, mut upstream) = cross_entropy(&scores, batch.labels);
    let mut gradient = vec![0.0; parameters.len()];
    for i in (0..network.layers().len()).rev() {
        let mut downstream = vec![0.0; values[i].len()];
        let at = offsets[i]..offsets[i + 1];
        let context = Context {
            network,
            i,
            rows,
            parameters: &parameters[at.clone()],
            batch,
            input: &values[i],
        };
        context.backward(&upstream, &mut gradient[at], &mut downstream);
        upstream = downstream;
    }
    Outcome { scores, loss, gradient, statistics }
}

/// The index of value (y, x, c) of image `n`.
fn at(dims: Dims, n: usize, y: usize, x: usize, c: usize) -> usize {
    ((n * dims.height + y) * dims.width + x) * dims.channels + c
}

/// Calls `visit(output, input, weight)` for each product of a convolution.
fn products(
    network: &Network,
    i: usize,
    rows: usize,
    (kernel, stride, padding): (usize, usize, usize),
    mut visit: impl FnMut(usize, usize, usize),
) {
    let (from, to) = (network.dims(i), network.dims(i + 1));
    for n in 0..rows {
        for y in 0..to.height {
            for x in 0..to.width {
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let (iy, ix) = (y * stride + ky, x * stride + kx);
                        let inside = |i: usize, size: usize| i >= padding && i < size + padding;
                        if !inside(iy, from.height) || !inside(ix, from.width) {
                            continue;
                        }
                        for ci in 0..from.channels {
                            let input = at(from, n, iy - padding, ix - padding, ci);
                            for co in 0..to.channels {
                                let weight =
                                    ((ky * kernel + kx) * from.channels + ci) * to.channels + co;
                                visit(at(to, n, y, x, co), input, weight);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The inputs of each pooled output, row by row: `(output, inputs)`.
fn windows(network: &Network, i: usize, rows: usize, size: usize) -> Vec<(usize, Vec<usize>)> {
    let (from, to) = (network.dims(i), network.dims(i + 1));
    let mut all = Vec::new();
    for n in 0..rows {
        for y in 0..to.height {
            for x in 0..to.width {
                for c in 0..to.channels {
                    let inputs = (0..size * size)
                        .map(|j| at(from, n, y * size + j / size, x * size + j % size, c))
                        .collect();
                    all.push((at(to, n, y, x, c), inputs));
                }
            }
        }
    }
    all
}

/// The values that share a mean: of a channel in batch normalisation, of a row in layer normalisation.
fn groups(network: &Network, i: usize, rows: usize) -> Vec<Vec<usize>> {
    let dims = network.dims(i);
    let all = 0..rows * dims.len();
    match network.layers()[i] {
        Layer::BatchNorm { .. } => (0..dims.channels)
            .map(|c| all.clone().skip(c).step_by(dims.channels).collect())
            .collect(),
        _ => (0..rows).map(|n| (n * dims.len()..(n + 1) * dims.len()).collect()).collect(),
    }
}

/// Mean and biased variance of the values of a group.
fn moments(values: &[f64], group: &[usize]) -> (f64, f64) {
    let mean = group.iter().map(|&at| values[at]).sum::<f64>() / group.len() as f64;
    let squares = group.iter().map(|&at| (values[at] - mean).powi(2)).sum::<f64>();
    (mean, squares / group.len() as f64)
}

/// Which dropout mask belongs to layer `i`.
fn mask_of(network: &Network, i: usize) -> usize {
    let before = &network.layers()[..i];
    before.iter().filter(|l| matches!(l, Layer::Dropout { rate } if *rate > 0.0)).count()
}

/// The first largest of `candidates` in `values`.
fn first_maximum(values: &[f64], candidates: &[usize]) -> usize {
    candidates.iter().copied().reduce(|a, b| if values[b] > values[a] { b } else { a }).unwrap()
}

fn forward(
    network: &Network,
    i: usize,
    parameters: &[f64],
    batch: &Batch<'_>,
    input: &[f64],
) -> Vec<f64> {
    let rows = batch.labels.len();
    let to = network.dims(i + 1);
    let mut output = vec![0.0; rows * to.len()];
    let (weights, _) = network.layer_parameters(i);
    match network.layers()[i] {
        Layer::Conv { kernel, stride, padding, .. } => {
            products(network, i, rows, (kernel, stride, padding), |o, x, w| {
                output[o] += input[x] * parameters[w];
            });
            output
                .iter_mut()
                .enumerate()
                .for_each(|(o, y)| *y += parameters[weights + o % to.channels]);
        }
        Layer::Dense { units } => {
            products(network, i, rows, (1, 1, 0), |o, x, w| output[o] += input[x] * parameters[w]);
            output.iter_mut().enumerate().for_each(|(o, y)| *y += parameters[weights + o % units]);
        }
        Layer::Relu => output.iter_mut().zip(input).for_each(|(y, &x)| *y = x.max(0.0)),
        Layer::Tanh => output.iter_mut().zip(input).for_each(|(y, &x)| *y = x.tanh()),
        Layer::MaxPool { size } => {
            for (o, inputs) in windows(network, i, rows, size) {
                output[o] = input[first_maximum(input, &inputs)];
            }
        }
        Layer::AvgPool { size } => {
            for (o, inputs) in windows(network, i, rows, size) {
                output[o] = inputs.iter().map(|&x| input[x]).sum::<f64>() / inputs.len() as f64;
            }
        }
        Layer::Dropout { rate } if rate > 0.0 => {
            let mask = &batch.masks[mask_of(network, i)];
            output.iter_mut().zip(input).zip(mask).for_each(|((y, x), &m)| *y = x * f64::from(m));
        }
        Layer::BatchNorm { epsilon, .. } | Layer::LayerNorm { epsilon } => {
            for group in groups(network, i, rows) {
                let (mean, variance) = moments(input, &group);
                for at in group {
                    let c = at % to.channels;
                    let normal = (input[at] - mean) / (variance + f64::from(epsilon)).sqrt();
                    output[at] = normal * parameters[c] + parameters[weights + c];
                }
            }
        }
        Layer::Flatten | Layer::Dropout { .. } => output.copy_from_slice(input),
    }
    output
}

/// One layer on the way back.
struct Context<'a> {
    network: &'a Network,
    i: usize,
    rows: usize,
    parameters: &'a [f64],
    batch: &'a Batch<'a>,
    input: &'a [f64],
}

impl Context<'_> {
    fn backward(&self, upstream: &[f64], gradient: &mut [f64], downstream: &mut [f64]) {
        let (input, network, i) = (self.input, self.network, self.i);
        let scaled = |downstream: &mut [f64], slope: &dyn Fn(usize) -> f64| {
            downstream
                .iter_mut()
                .zip(upstream)
                .enumerate()
                .for_each(|(n, (d, u))| *d = u * slope(n));
        };
        match network.layers()[i] {
            Layer::Conv { kernel, stride, padding, .. } => {
                self.linear((kernel, stride, padding), upstream, gradient, downstream);
            }
            Layer::Dense { .. } => self.linear((1, 1, 0), upstream, gradient, downstream),
            Layer::Relu => scaled(downstream, &|n| if input[n] > 0.0 { 1.0 } else { 0.0 }),
            Layer::Tanh => scaled(downstream, &|n| 1.0 - input[n].tanh().powi(2)),
            Layer::MaxPool { size } => {
                for (o, inputs) in windows(network, i, self.rows, size) {
                    downstream[first_maximum(input, &inputs)] += upstream[o];
                }
            }
            Layer::AvgPool { size } => {
                for (o, inputs) in windows(network, i, self.rows, size) {
                    inputs.iter().for_each(|&x| downstream[x] += upstream[o] / inputs.len() as f64);
                }
            }
            Layer::Dropout { rate } if rate > 0.0 => {
                let mask = &self.batch.masks[mask_of(network, i)];
                scaled(downstream, &|n| f64::from(mask[n]));
            }
            Layer::BatchNorm { epsilon, .. } | Layer::LayerNorm { epsilon } => {
                self.normalise(f64::from(epsilon), upstream, gradient, downstream);
            }
            Layer::Flatten | Layer::Dropout { .. } => downstream.copy_from_slice(upstream),
        }
    }

    /// Value by value: each output depends on its input directly, by the mean and by the variance.
    fn normalise(
        &self,
        epsilon: f64,
        upstream: &[f64],
        gradient: &mut [f64],
        downstream: &mut [f64],
    ) {
        let channels = self.network.dims(self.i).channels;
        for group in groups(self.network, self.i, self.rows) {
            let (mean, variance) = moments(self.input, &group);
            let (count, deviation) = (group.len() as f64, (variance + epsilon).sqrt());
            for &to in &group {
                let g = upstream[to] * self.parameters[to % channels];
                let centred = self.input[to] - mean;
                gradient[to % channels] += upstream[to] * centred / deviation;
                gradient[channels + to % channels] += upstream[to];
                for &from in &group {
                    let direct = f64::from(u8::from(from == to)) - 1.0 / count;
                    let by_variance =
                        centred * (self.input[from] - mean) / count / deviation.powi(3);
                    downstream[from] += g * (direct / deviation - by_variance);
                }
            }
        }
    }

    fn linear(
        &self,
        shape: (usize, usize, usize),
        upstream: &[f64],
        gradient: &mut [f64],
        downstream: &mut [f64],
    ) {
        let (weights, biases) = self.network.layer_parameters(self.i);
        products(self.network, self.i, self.rows, shape, |o, x, w| {
            gradient[w] += self.input[x] * upstream[o];
            downstream[x] += self.parameters[w] * upstream[o];
        });
        upstream.iter().enumerate().for_each(|(o, u)| gradient[weights + o % biases] += u);
    }
}

fn cross_entropy(scores: &[f64], labels: &[u32]) -> (f64, Vec<f64>) {
    let classes = scores.len() / labels.len();
    let (mut loss, mut gradient) = (0.0, Vec::new());
    for (row, &label) in scores.chunks_exact(classes).zip(labels) {
        let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|z| (z - highest).exp()).sum();
        loss += highest + sum.ln() - row[label as usize];
        gradient.extend(row.iter().enumerate().map(|(c, z)| {
            let one_hot = f64::from(u8::from(c == label as usize));
            ((z - highest).exp() / sum - one_hot) / labels.len() as f64
        }));
    }
    (loss / labels.len() as f64, gradient)
}
