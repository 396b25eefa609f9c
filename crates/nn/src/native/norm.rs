//! Batch and layer normalisation: (x - mean) · scale / √(variance + ε) + shift, for each channel.
//!
//! With x̂ the normalised values of one sum's m values, and g the gradient by the output times the scale, the gradient by
//! the input is (g - mean(g) - x̂ · mean(g · x̂)) / √(variance + ε) (Ioffe & Szegedy 2015, section 3).

use super::Isa;
use super::moments::{Moments, NormGradient, Scaled};
use super::op::{Backward, Forward, Op};
use std::ops::Range;

/// Where a normalisation's scales and shifts lie in the parameter vector.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) scale: Range<usize>,
    pub(super) shift: Range<usize>,
}

/// The coefficients of each channel's linear maps, forward or back.
#[derive(Debug)]
struct Coefficients {
    mean: Vec<f32>,
    a: Vec<f32>,
    b: Vec<f32>,
    d: Vec<f32>,
}

impl Coefficients {
    fn new(channels: usize) -> Self {
        let zeros = || vec![0.0; channels];
        Coefficients { mean: zeros(), a: zeros(), b: zeros(), d: zeros() }
    }
}

/// Batch normalisation. It sees all rows of a batch at once.
#[derive(Debug)]
pub(super) struct BatchNorm {
    places: Places,
    /// Running means and variances in the vector of statistics.
    means: Range<usize>,
    variances: Range<usize>,
    momentum: f64,
    epsilon: f64,
    moments: Moments,
    coefficients: Coefficients,
    /// 1 / √(variance + ε) of each channel in the last batch.
    inverse: Vec<f64>,
}

impl BatchNorm {
    /// With running means and variances from `statistics` on.
    pub(super) fn new(places: Places, statistics: usize, momentum: f32, epsilon: f32) -> Self {
        let channels = places.scale.len();
        BatchNorm {
            places,
            means: statistics..statistics + channels,
            variances: statistics + channels..statistics + 2 * channels,
            momentum: f64::from(momentum),
            epsilon: f64::from(epsilon),
            moments: Moments::new(channels),
            coefficients: Coefficients::new(channels),
            inverse: vec![0.0; channels],
        }
    }

    /// Takes the batch's mean and variance, and moves the running ones towards them.
    fn take_batch(&mut self, isa: Isa, input: &[f32], statistics: &mut [f32]) {
        let count = (input.len() / self.inverse.len()) as f64;
        let towards = |running: &mut f32, value: f64| {
            let kept = (1.0 - self.momentum) * f64::from(*running);
            *running = (kept + self.momentum * value) as f32;
        };
        self.moments.sum(isa, input);
        for (c, running) in statistics[self.means.clone()].iter_mut().enumerate() {
            let mean = self.moments.sums[c] / count;
            self.coefficients.mean[c] = mean as f32;
            towards(running, mean);
        }
        self.moments.squares(isa, input, &self.coefficients.mean);
        for (c, running) in statistics[self.variances.clone()].iter_mut().enumerate() {
            let squares = self.moments.sums[c];
            self.inverse[c] = 1.0 / (squares / count + self.epsilon).sqrt();
            towards(running, squares / (count - 1.0));
        }
    }

    /// Takes the running mean and variance.
    fn take_running(&mut self, statistics: &[f32]) {
        self.coefficients.mean.copy_from_slice(&statistics[self.means.clone()]);
        for (inverse, &variance) in self.inverse.iter_mut().zip(&statistics[self.variances.clone()])
        {
            *inverse = 1.0 / (f64::from(variance) + self.epsilon).sqrt();
        }
    }
}

impl Op for BatchNorm {
    fn forward(&mut self, pass: Forward<'_>) {
        if pass.training {
            self.take_batch(pass.isa, pass.input, pass.statistics);
        } else {
            self.take_running(pass.statistics);
        }
        let scales = &pass.parameters[self.places.scale.clone()];
        for ((a, &scale), inverse) in self.coefficients.a.iter_mut().zip(scales).zip(&self.inverse)
        {
            *a = (f64::from(scale) * inverse) as f32;
        }
        pass.isa.run(Scaled {
            x: pass.input,
            mean: &self.coefficients.mean,
            scale: &self.coefficients.a,
            shift: &pass.parameters[self.places.shift.clone()],
            output: pass.output,
        });
    }

    fn backward(&mut self, pass: Backward<'_>) {
        let count = (pass.input.len() / self.inverse.len()) as f64;
        self.moments.sum(pass.isa, pass.upstream);
        let scales = &pass.parameters[self.places.scale.clone()];
        for (c, shift) in pass.gradients[self.places.shift.clone()].iter_mut().enumerate() {
            let sum = self.moments.sums[c];
            *shift += sum as f32;
            let a = f64::from(scales[c]) * self.inverse[c];
            self.coefficients.a[c] = a as f32;
            self.coefficients.d[c] = (-a * sum / count) as f32;
        }
        self.moments.products(pass.isa, pass.upstream, pass.input, &self.coefficients.mean);
        for (c, scale) in pass.gradients[self.places.scale.clone()].iter_mut().enumerate() {
            let (sum, inverse) = (self.moments.sums[c], self.inverse[c]);
            *scale += (sum * inverse) as f32;
            let a = f64::from(scales[c]) * inverse;
            self.coefficients.b[c] = (-a * inverse * inverse * sum / count) as f32;
        }
        if !pass.downstream.is_empty() {
            write_gradient(
                &self.coefficients,
                pass.isa,
                pass.upstream,
                pass.input,
                pass.downstream,
            );
        }
    }
}

/// Layer normalisation: over all values of each example.
#[derive(Debug)]
pub(super) struct LayerNorm {
    places: Places,
    epsilon: f64,
    moments: Moments,
    coefficients: Coefficients,
    /// Mean and 1 / √(variance + ε) of each row in the last pass.
    rows: Vec<(f32, f64)>,
}

impl LayerNorm {
    /// With scales and shifts at these places.
    pub(super) fn new(places: Places, epsilon: f32) -> Self {
        let channels = places.scale.len();
        LayerNorm {
            places,
            epsilon: f64::from(epsilon),
            moments: Moments::new(channels),
            coefficients: Coefficients::new(channels),
            rows: Vec::new(),
        }
    }

    /// The mean and 1 / √(variance + ε) of a row; the mean stays in the coefficients.
    fn moments(&mut self, isa: Isa, row: &[f32]) -> (f32, f64) {
        self.moments.sum(isa, row);
        let mean = (self.moments.sums.iter().sum::<f64>() / row.len() as f64) as f32;
        self.coefficients.mean.fill(mean);
        self.moments.squares(isa, row, &self.coefficients.mean);
        let variance = self.moments.sums.iter().sum::<f64>() / row.len() as f64;
        (mean, 1.0 / (variance + self.epsilon).sqrt())
    }
}

impl Op for LayerNorm {
    fn forward(&mut self, pass: Forward<'_>) {
        self.rows.resize(self.rows.len().max(pass.rows.end), (0.0, 0.0));
        let scales = &pass.parameters[self.places.scale.clone()];
        let len = pass.input.len() / pass.rows.len();
        let rows = pass.input.chunks_exact(len).zip(pass.output.chunks_exact_mut(len));
        for (at, (x, output)) in pass.rows.zip(rows) {
            let (mean, inverse) = self.moments(pass.isa, x);
            self.rows[at] = (mean, inverse);
            for (a, &scale) in self.coefficients.a.iter_mut().zip(scales) {
                *a = (f64::from(scale) * inverse) as f32;
            }
            pass.isa.run(Scaled {
                x,
                mean: &self.coefficients.mean,
                scale: &self.coefficients.a,
                shift: &pass.parameters[self.places.shift.clone()],
                output,
            });
        }
    }

    fn backward(&mut self, pass: Backward<'_>) {
        let scales = &pass.parameters[self.places.scale.clone()];
        let len = pass.input.len() / pass.rows.len();
        for (i, at) in pass.rows.enumerate() {
            let row = i * len..(i + 1) * len;
            let (x, upstream) = (&pass.input[row.clone()], &pass.upstream[row.clone()]);
            let (mean, inverse) = self.rows[at];
            self.coefficients.mean.fill(mean);
            self.moments.sum(pass.isa, upstream);
            let mut sum = 0.0;
            for (c, shift) in pass.gradients[self.places.shift.clone()].iter_mut().enumerate() {
                *shift += self.moments.sums[c] as f32;
                sum += f64::from(scales[c]) * self.moments.sums[c];
                self.coefficients.a[c] = (f64::from(scales[c]) * inverse) as f32;
            }
            self.coefficients.d.fill((-inverse * sum / len as f64) as f32);
            self.moments.products(pass.isa, upstream, x, &self.coefficients.mean);
            let mut sum = 0.0;
            for (c, scale) in pass.gradients[self.places.scale.clone()].iter_mut().enumerate() {
                *scale += (self.moments.sums[c] * inverse) as f32;
                sum += f64::from(scales[c]) * self.moments.sums[c];
            }
            self.coefficients.b.fill((-inverse * inverse * inverse * sum / len as f64) as f32);
            if !pass.downstream.is_empty() {
                let downstream = &mut pass.downstream[row];
                write_gradient(&self.coefficients, pass.isa, upstream, x, downstream);
            }
        }
    }
}

/// The gradient by the input.
fn write_gradient(by: &Coefficients, isa: Isa, upstream: &[f32], x: &[f32], to: &mut [f32]) {
    let Coefficients { mean, a, b, d } = by;
    isa.run(NormGradient { upstream, x, mean, a, b, d, downstream: to });
}
