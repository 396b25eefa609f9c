//! One step of the compiled network, and the steps without parameters.

use super::Isa;
use super::elementwise::{Masked, Relu, ReluGradient, Tanh, TanhGradient};
use super::pool::{AvgPool, AvgPoolGradient, MaxPool, MaxPoolGradient, Windows};
use std::ops::Range;

/// What a step sees on the way forward. Values are `rows × values`, images NHWC.
pub(super) struct Forward<'a> {
    pub(super) isa: Isa,
    /// All of the network's.
    pub(super) parameters: &'a [f32],
    /// The dropout masks in training and of thinned nets; none at plain prediction.
    pub(super) masks: Option<&'a [Vec<f32>]>,
    /// All of the network's running statistics; moved in training.
    pub(super) statistics: &'a mut [f32],
    /// Whether statistics are the batch's, not the running ones.
    pub(super) training: bool,
    /// Which rows of the batch these are.
    pub(super) rows: Range<usize>,
    pub(super) input: &'a [f32],
    pub(super) output: &'a mut [f32],
}

/// What a step sees on the way back.
pub(super) struct Backward<'a> {
    pub(super) isa: Isa,
    /// All of the network's.
    pub(super) parameters: &'a [f32],
    /// All of the network's; a step adds to its own part.
    pub(super) gradients: &'a mut [f32],
    pub(super) masks: &'a [Vec<f32>],
    /// Which rows of the batch these are.
    pub(super) rows: Range<usize>,
    pub(super) input: &'a [f32],
    pub(super) output: &'a [f32],
    /// The loss's gradient by the output; may be overwritten.
    pub(super) upstream: &'a mut [f32],
    /// The loss's gradient by the input, to be written; empty if nobody needs it.
    pub(super) downstream: &'a mut [f32],
}

/// One step of the compiled network: some layers fused.
///
/// For a batch come `prepare`, then `forward` for all rows, some at a time and in order; in training, `prepare_backward`,
/// then `backward` for the same rows in any such parts, then `finish_backward`. A step that is planned to take whole
/// batches gets all rows at once.
pub(super) trait Op: std::fmt::Debug + Send {
    /// Does what depends on the parameters alone.
    fn prepare(&mut self, _isa: Isa, _parameters: &[f32]) {}
    /// Computes the output from the input.
    fn forward(&mut self, pass: Forward<'_>);
    /// Does what depends on the parameters alone; the gradients that follow include the input's if `input`.
    fn prepare_backward(&mut self, _isa: Isa, _parameters: &[f32], _input: bool) {}
    /// Computes the gradient by the input, and adds that by the parameters, from that by the output.
    fn backward(&mut self, pass: Backward<'_>);
    /// Completes the gradients by the parameters.
    fn finish_backward(&mut self, _isa: Isa, _gradients: &mut [f32]) {}
}

/// The part of a step's state, `values` per row, that belongs to `rows`.
fn part(rows: &Range<usize>, values: usize) -> Range<usize> {
    let each = values / rows.len();
    rows.start * each..rows.end * each
}

/// ReLU by itself; behind a linear or pooling step it is fused into that.
#[derive(Debug)]
pub(super) struct ReluOp;

impl Op for ReluOp {
    fn forward(&mut self, pass: Forward<'_>) {
        pass.isa.run(Relu { input: pass.input, output: pass.output });
    }

    fn backward(&mut self, pass: Backward<'_>) {
        pass.downstream.copy_from_slice(pass.upstream);
        pass.isa.run(ReluGradient { output: pass.output, gradient: pass.downstream });
    }
}

/// The hyperbolic tangent.
#[derive(Debug)]
pub(super) struct TanhOp;

impl Op for TanhOp {
    fn forward(&mut self, pass: Forward<'_>) {
        pass.isa.run(Tanh { input: pass.input, output: pass.output });
    }

    fn backward(&mut self, pass: Backward<'_>) {
        pass.downstream.copy_from_slice(pass.upstream);
        pass.isa.run(TanhGradient { output: pass.output, gradient: pass.downstream });
    }
}

/// Dropout by the mask of that index.
#[derive(Debug)]
pub(super) struct DropoutOp {
    pub(super) mask: usize,
}

impl Op for DropoutOp {
    fn forward(&mut self, pass: Forward<'_>) {
        match pass.masks {
            Some(masks) => {
                let mask = &masks[self.mask][part(&pass.rows, pass.input.len())];
                pass.isa.run(Masked { input: pass.input, mask, output: pass.output });
            }
            None => pass.output.copy_from_slice(pass.input),
        }
    }

    fn backward(&mut self, pass: Backward<'_>) {
        let mask = &pass.masks[self.mask][part(&pass.rows, pass.input.len())];
        pass.isa.run(Masked { input: pass.upstream, mask, output: pass.downstream });
    }
}

/// Max pooling, with a ReLU before or behind it fused in: the two commute, in value and in gradient.
#[derive(Debug)]
pub(super) struct MaxPoolOp {
    windows: Windows,
    floor: f32,
    /// The position of each output's maximum in its window, from the last forward pass.
    chosen: Vec<f32>,
}

impl MaxPoolOp {
    /// Pooling over `windows`, followed by a ReLU if `relu`.
    pub(super) fn new(windows: Windows, relu: bool) -> Self {
        MaxPoolOp { windows, floor: if relu { 0.0 } else { f32::NEG_INFINITY }, chosen: Vec::new() }
    }
}

impl Op for MaxPoolOp {
    fn forward(&mut self, pass: Forward<'_>) {
        let part = part(&pass.rows, pass.output.len());
        self.chosen.resize(self.chosen.len().max(part.end), 0.0);
        pass.isa.run(MaxPool {
            windows: self.windows,
            input: pass.input,
            chosen: &mut self.chosen[part],
            output: pass.output,
            floor: self.floor,
        });
    }

    fn backward(&mut self, pass: Backward<'_>) {
        pass.isa.run(MaxPoolGradient {
            windows: self.windows,
            chosen: &self.chosen[part(&pass.rows, pass.output.len())],
            output: pass.output,
            upstream: pass.upstream,
            downstream: pass.downstream,
            floor: self.floor,
        });
    }
}

/// Average pooling.
#[derive(Debug)]
pub(super) struct AvgPoolOp {
    pub(super) windows: Windows,
}

impl Op for AvgPoolOp {
    fn forward(&mut self, pass: Forward<'_>) {
        pass.isa.run(AvgPool { windows: self.windows, input: pass.input, output: pass.output });
    }

    fn backward(&mut self, pass: Backward<'_>) {
        pass.isa.run(AvgPoolGradient {
            windows: self.windows,
            upstream: pass.upstream,
            downstream: pass.downstream,
        });
    }
}
