//! A convolution or dense layer computed directly, with its bias and the ReLU behind it.
//!
//! A dense layer is a 1 × 1 convolution of one image whose columns are the examples.
//! The gradient by the input is [`Transposed`]'s for the common kernels; else it is again a convolution: of the
//! output's gradient, spread by the stride and framed by zeros, with the weights turned by 180° and transposed.

use super::Isa;
use super::correlate::Correlate;
use super::elementwise::{ReluGradient, RowSum};
use super::op::{Backward, Forward, Op};
use super::outer::Outer;
use super::transposed::Transposed;
use crate::Dims;
use std::ops::Range;

/// The shapes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) input: Dims,
    pub(super) output: Dims,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Geometry {
    /// Width of the input with its padding.
    fn padded_width(&self) -> usize {
        self.input.width + 2 * self.padding
    }

    /// Values of an input image with its padding.
    fn padded_len(&self) -> usize {
        (self.input.height + 2 * self.padding) * self.padded_width() * self.input.channels
    }

    /// Height and width of an output gradient, spread and framed so that each input pixel sees a full window.
    fn spread(&self) -> (usize, usize) {
        (self.input.height + self.kernel - 1, self.input.width + self.kernel - 1)
    }

    /// Where output row or column `i` lies in the spread gradient of that `size`, if it touches the input at all.
    fn spread_at(&self, i: usize, size: usize) -> Option<usize> {
        (i * self.stride + self.kernel - 1).checked_sub(self.padding).filter(|&at| at < size)
    }

    /// True if the output gradient is its own spread form.
    fn spreads_to_itself(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }
}

/// A convolution with bias, then ReLU if `floor` is 0.
#[derive(Debug)]
pub(super) struct Linear {
    geometry: Geometry,
    weights: Range<usize>,
    bias: Range<usize>,
    floor: f32,
    /// Whether examples are the columns of one image.
    dense: bool,
    /// One padded input image; its frame stays zero.
    padded: Vec<f32>,
    /// One spread output gradient; what lies between and around stays zero. Of a dense layer: the gradient transposed.
    spread: Vec<f32>,
    /// `[kernel row][kernel column][out channel][in channel]`, turned by 180° for the general way. Of a dense layer: the
    /// input's gradient transposed, when that is computed.
    turned: Vec<f32>,
    /// One zero per input channel: the bias of the gradient's convolution.
    zeros: Vec<f32>,
}

impl Linear {
    /// A convolution whose weights and bias lie at these places of the parameter vector.
    pub(super) fn convolution(
        geometry: Geometry,
        weights: Range<usize>,
        bias: Range<usize>,
        relu: bool,
    ) -> Self {
        let padded = if geometry.padding > 0 { geometry.padded_len() } else { 0 };
        Linear {
            geometry,
            floor: if relu { 0.0 } else { f32::NEG_INFINITY },
            dense: false,
            padded: vec![0.0; padded],
            spread: Vec::new(),
            turned: Vec::new(),
            zeros: vec![0.0; geometry.input.channels],
            weights,
            bias,
        }
    }

    /// A dense layer of `inputs × outputs` weights.
    pub(super) fn dense(
        inputs: usize,
        outputs: usize,
        weights: Range<usize>,
        bias: Range<usize>,
        relu: bool,
    ) -> Self {
        let (input, output) = (Dims::flat(inputs), Dims::flat(outputs));
        let geometry = Geometry { input, output, kernel: 1, stride: 1, padding: 0 };
        Linear { dense: true, ..Linear::convolution(geometry, weights, bias, relu) }
    }

    /// The geometry for `values` input values, and the lengths of one input and one output image.
    fn images(&self, values: usize) -> (Geometry, usize, usize) {
        let mut g = self.geometry;
        if self.dense {
            let rows = values / g.input.channels;
            g.input.width = rows;
            g.output.width = rows;
        }
        (g, g.input.len(), g.output.len())
    }

    /// Writes the transposed weights, turned for the general way.
    fn turn(&mut self, weights: &[f32]) {
        let (from, to) = (self.geometry.input.channels, self.geometry.output.channels);
        let last = weights.len() / (from * to) - 1;
        self.turned.resize(weights.len(), 0.0);
        for (i, tap) in weights.chunks_exact(from * to).enumerate() {
            let i = if Transposed::suits(&self.geometry) { i } else { last - i };
            transpose(tap, from, to, &mut self.turned[i * from * to..][..from * to]);
        }
    }

    /// Adds the weights' gradient of one image.
    fn add_weight_gradient(
        &mut self,
        pass: &mut Backward<'_>,
        g: &Geometry,
        image: Range<usize>,
        gradient: Range<usize>,
    ) {
        let input = padded(&mut self.padded, g, &pass.input[image]);
        pass.isa.run(Outer {
            input,
            gradient: &pass.upstream[gradient],
            sums: &mut pass.gradients[self.weights.clone()],
            channels: g.output.channels,
            rows: g.output.height,
            columns: g.output.width,
            column_step: g.stride * g.input.channels,
            row_stride: g.stride,
            row_length: g.padded_width() * g.input.channels,
            window_rows: g.kernel,
            window_run: g.kernel * g.input.channels,
        });
    }

    /// Writes the input's gradient of a dense layer.
    ///
    /// Computed transposed, weights · gradientᵀ: the weights are then read as they lie, and what must be transposed
    /// are the gradients, which are smaller.
    fn write_dense_input_gradient(&mut self, pass: &mut Backward<'_>) {
        let (from, to) = (self.geometry.input.channels, self.geometry.output.channels);
        let rows = pass.upstream.len() / to;
        self.spread.resize(pass.upstream.len(), 0.0);
        self.turned.resize(pass.downstream.len(), 0.0);
        transpose(pass.upstream, rows, to, &mut self.spread);
        pass.isa.run(Correlate {
            input: &pass.parameters[self.weights.clone()],
            weights: &self.spread,
            // Fewer rows than inputs, since the weights are more than both gradients.
            bias: &self.zeros[..rows],
            output: &mut self.turned,
            rows: 1,
            columns: from,
            column_step: to,
            row_stride: 1,
            row_length: to,
            window_rows: 1,
            window_run: to,
            live: (0, 1),
            floor: f32::NEG_INFINITY,
        });
        transpose(&self.turned, from, rows, pass.downstream);
    }

    /// Writes the input's gradient of one image.
    fn write_input_gradient(
        &mut self,
        pass: &mut Backward<'_>,
        g: &Geometry,
        image: Range<usize>,
        gradient: Range<usize>,
    ) {
        if Transposed::suits(g) {
            return pass.isa.run(Transposed {
                geometry: *g,
                gradient: &pass.upstream[gradient],
                weights: &self.turned,
                output: &mut pass.downstream[image],
            });
        }
        let (height, width) = g.spread();
        let gradient = spread(&mut self.spread, g, &pass.upstream[gradient]);
        // The first and the last row that hold a gradient.
        let live = (0..g.output.height).filter_map(|y| g.spread_at(y, height));
        let live = (live.clone().min().unwrap_or(0), live.max().map_or(0, |last| last + 1));
        pass.isa.run(Correlate {
            input: gradient,
            weights: &self.turned,
            bias: &self.zeros,
            output: &mut pass.downstream[image],
            rows: g.input.height,
            columns: g.input.width,
            column_step: g.output.channels,
            row_stride: 1,
            row_length: width * g.output.channels,
            window_rows: g.kernel,
            window_run: g.kernel * g.output.channels,
            live,
            floor: f32::NEG_INFINITY,
        });
    }
}

impl Op for Linear {
    fn forward(&mut self, pass: Forward<'_>) {
        let (g, from, to) = self.images(pass.input.len());
        let weights = &pass.parameters[self.weights.clone()];
        let bias = &pass.parameters[self.bias.clone()];
        for (image, output) in pass.input.chunks_exact(from).zip(pass.output.chunks_exact_mut(to)) {
            pass.isa.run(Correlate {
                input: padded(&mut self.padded, &g, image),
                weights,
                bias,
                output,
                rows: g.output.height,
                columns: g.output.width,
                column_step: g.stride * g.input.channels,
                row_stride: g.stride,
                row_length: g.padded_width() * g.input.channels,
                window_rows: g.kernel,
                window_run: g.kernel * g.input.channels,
                live: (g.padding, g.padding + g.input.height),
                floor: self.floor,
            });
        }
    }

    fn prepare_backward(&mut self, _: Isa, parameters: &[f32], input: bool) {
        if input && !self.dense {
            self.turn(&parameters[self.weights.clone()]);
        }
    }

    fn backward(&mut self, mut pass: Backward<'_>) {
        let (g, from, to) = self.images(pass.input.len());
        let wanted = !pass.downstream.is_empty();
        let swapped =
            self.dense && self.weights.len() > pass.upstream.len() + pass.downstream.len();
        if wanted && self.dense && !swapped {
            self.turn(&pass.parameters[self.weights.clone()]);
        }
        // Image by image, so that a gradient is still in cache when it is read again.
        for i in 0..pass.input.len() / from {
            let (image, gradient) = (i * from..(i + 1) * from, i * to..(i + 1) * to);
            let upstream = &mut pass.upstream[gradient.clone()];
            if self.floor == 0.0 {
                let output = &pass.output[gradient.clone()];
                pass.isa.run(ReluGradient { output, gradient: upstream });
            }
            let sums = &mut pass.gradients[self.bias.clone()];
            pass.isa.run(RowSum { rows: upstream, sums });
            self.add_weight_gradient(&mut pass, &g, image.clone(), gradient.clone());
            if wanted && swapped {
                self.write_dense_input_gradient(&mut pass);
            } else if wanted {
                self.write_input_gradient(&mut pass, &g, image, gradient);
            }
        }
    }
}

/// `image` in its frame of zeros: itself if there is none.
fn padded<'a>(frame: &'a mut [f32], g: &Geometry, image: &'a [f32]) -> &'a [f32] {
    if g.padding == 0 {
        return image;
    }
    let (row, left) = (g.input.width * g.input.channels, g.padding * g.input.channels);
    let rows = frame.chunks_exact_mut(g.padded_width() * g.input.channels).skip(g.padding);
    for (framed, from) in rows.zip(image.chunks_exact(row)) {
        framed[left..left + row].copy_from_slice(from);
    }
    frame
}

/// `gradient` spread by the stride in a frame of zeros: itself if that changes nothing.
fn spread<'a>(frame: &'a mut Vec<f32>, g: &Geometry, gradient: &'a [f32]) -> &'a [f32] {
    if g.spreads_to_itself() {
        return gradient;
    }
    let (height, width) = g.spread();
    let channels = g.output.channels;
    frame.resize(height * width * channels, 0.0);
    for (y, row) in gradient.chunks_exact(g.output.width * channels).enumerate() {
        let Some(top) = g.spread_at(y, height) else { continue };
        for (x, pixel) in row.chunks_exact(channels).enumerate() {
            let Some(left) = g.spread_at(x, width) else { continue };
            let at = (top * width + left) * channels;
            frame[at..at + channels].copy_from_slice(pixel);
        }
    }
    frame
}

/// `to[c][r] = from[r][c]` for `rows × columns` values, in stripes of a few rows to stay in cache.
pub(super) fn transpose(from: &[f32], rows: usize, columns: usize, to: &mut [f32]) {
    const STRIPE: usize = 16;
    for (i, stripe) in from.chunks(STRIPE * columns).enumerate() {
        for (c, to) in to.chunks_exact_mut(rows).enumerate() {
            for (to, row) in to[i * STRIPE..].iter_mut().zip(stripe.chunks_exact(columns)) {
                *to = row[c];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::transpose;

    #[test]
    fn transposes_whole_and_part_stripes() {
        for (rows, columns) in [(1, 1), (1, 5), (5, 1), (16, 3), (35, 20)] {
            let from: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let mut to = vec![0.0; from.len()];
            transpose(&from, rows, columns, &mut to);
            for (i, &value) in to.iter().enumerate() {
                assert_eq!(value, from[i % rows * columns + i / rows]);
            }
        }
    }
}
