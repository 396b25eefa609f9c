//! The native engine: one net on one thread of the processor, with the same bits on every instruction set.
//!
//! - No graph: [`plan`] compiles the network once into steps whose buffers are reused from batch to batch.
//! - Every number is one chain of exactly rounded operations in an order that depends on the network alone, never
//!   on the width of the vectors, the rows asked for at once, threads, or the build profile. Lanes are never added
//!   up. So a run on AVX-512 equals one on AVX2, NEON or the scalar path bit for bit.
//! - Trials run in parallel outside; nothing here starts a thread.

mod correlate;
mod elementwise;
mod linear;
mod loss;
mod op;
mod optimizer;
mod outer;
mod peak;
mod plan;
mod pool;
mod simd;
mod transposed;
mod winograd;

pub use peak::measured_peak;
pub use simd::Isa;

use crate::{Batch, Executor, Network, NnError, Optimizer};
use loss::softmax_cross_entropy;
use op::{Backward, Forward};
use optimizer::OptimizerState;
use plan::{Step, plan};
use std::ops::Range;

/// Rows that prediction takes at a time; without influence on the result.
const PREDICTION_ROWS: usize = 64;

/// A part of a gradient step, for [`NativeExecutor::step_observed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The forward pass of these layers.
    Forward(Range<usize>),
    /// Loss and its gradient.
    Loss,
    /// The backward pass of these layers.
    Backward(Range<usize>),
    /// The update of the parameters.
    Update,
}

/// A network on the native engine.
#[derive(Debug)]
pub struct NativeExecutor {
    isa: Isa,
    input_len: usize,
    classes: usize,
    steps: Vec<Step>,
    /// Lengths of one example's masks, by dropout layer.
    masks: Vec<usize>,
    parameters: Vec<f32>,
    gradients: Vec<f32>,
    optimizer: OptimizerState,
    /// The values behind each step.
    values: Vec<Vec<f32>>,
    /// The loss's gradient behind and before the step at work.
    upstream: Vec<f32>,
    downstream: Vec<f32>,
}

impl NativeExecutor {
    /// `network` with the parameters `initial`, in the network's layout, and `optimizer` with fresh state.
    ///
    /// # Errors
    /// [`NnError::Shape`] if `initial` is not as long as the network's parameters.
    pub fn new(
        network: &Network,
        initial: Vec<f32>,
        optimizer: Optimizer,
        isa: Isa,
    ) -> Result<Self, NnError> {
        expect_len("initial parameters", initial.len(), network.parameter_count())?;
        let (steps, masks) = plan(network);
        Ok(NativeExecutor {
            isa,
            input_len: network.input().len(),
            classes: network.classes(),
            gradients: vec![0.0; initial.len()],
            optimizer: OptimizerState::new(optimizer, initial.len()),
            parameters: initial,
            values: vec![Vec::new(); steps.len()],
            upstream: Vec::new(),
            downstream: Vec::new(),
            steps,
            masks,
        })
    }

    /// The instruction set at work.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The loss's gradient by the parameters, from the last step.
    pub fn gradients(&self) -> &[f32] {
        &self.gradients
    }

    /// [`Executor::step`] that calls `observe` after each phase, for measurements.
    ///
    /// # Errors
    /// [`NnError::Shape`] if the batch doesn't fit the network.
    pub fn step_observed(
        &mut self,
        batch: &Batch<'_>,
        learning_rate: f32,
        mut observe: impl FnMut(Phase),
    ) -> Result<f32, NnError> {
        let rows = self.check(batch)?;
        self.reserve(rows);
        self.forward(batch.inputs, rows, Some(batch.masks), &mut observe);
        let scores = scores(&self.values, batch.inputs, rows * self.classes);
        let gradient = &mut self.upstream[..scores.len()];
        let loss = softmax_cross_entropy(scores, batch.labels, gradient);
        observe(Phase::Loss);
        self.backward(batch, rows, &mut observe);
        self.optimizer.step(self.isa, &mut self.parameters, &self.gradients, learning_rate);
        observe(Phase::Update);
        Ok(loss)
    }

    /// The batch's number of rows, if all of it fits.
    fn check(&self, batch: &Batch<'_>) -> Result<usize, NnError> {
        let rows = batch.labels.len();
        if rows == 0 {
            return Err(NnError::Shape("an empty batch has no mean loss".into()));
        }
        expect_len("inputs", batch.inputs.len(), rows * self.input_len)?;
        expect_len("dropout masks", batch.masks.len(), self.masks.len())?;
        for (mask, len) in batch.masks.iter().zip(&self.masks) {
            expect_len("values of a dropout mask", mask.len(), rows * len)?;
        }
        match batch.labels.iter().find(|&&label| label as usize >= self.classes) {
            Some(label) => {
                Err(NnError::Shape(format!("label {label} of {} classes", self.classes)))
            }
            None => Ok(rows),
        }
    }

    /// Makes room for `rows` examples.
    fn reserve(&mut self, rows: usize) {
        let mut widest = self.input_len.max(self.classes);
        for (step, values) in self.steps.iter().zip(&mut self.values) {
            widest = widest.max(step.output_len);
            grow(values, rows * step.output_len);
        }
        grow(&mut self.upstream, rows * widest);
        grow(&mut self.downstream, rows * widest);
    }

    /// Computes the values behind every step.
    fn forward(
        &mut self,
        inputs: &[f32],
        rows: usize,
        masks: Option<&[Vec<f32>]>,
        observe: &mut impl FnMut(Phase),
    ) {
        let mut input_len = self.input_len;
        for (i, step) in self.steps.iter_mut().enumerate() {
            let (before, after) = self.values.split_at_mut(i);
            let input = before.last().map_or(inputs, Vec::as_slice);
            step.op.forward(Forward {
                isa: self.isa,
                parameters: &self.parameters,
                masks,
                input: &input[..rows * input_len],
                output: &mut after[0][..rows * step.output_len],
            });
            input_len = step.output_len;
            observe(Phase::Forward(step.layers.clone()));
        }
    }

    /// Computes the gradients by the parameters from the loss's gradient by the scores in `upstream`.
    fn backward(&mut self, batch: &Batch<'_>, rows: usize, observe: &mut impl FnMut(Phase)) {
        // Nothing before the first step with parameters needs a gradient.
        let first = self.steps.iter().position(|step| step.has_parameters);
        for i in (first.unwrap_or(self.steps.len())..self.steps.len()).rev() {
            let (input, input_len) = match i.checked_sub(1) {
                Some(before) => (&self.values[before][..], self.steps[before].output_len),
                None => (batch.inputs, self.input_len),
            };
            let wanted = if Some(i) == first { 0 } else { rows * input_len };
            let output_len = rows * self.steps[i].output_len;
            self.steps[i].op.backward(Backward {
                isa: self.isa,
                parameters: &self.parameters,
                gradients: &mut self.gradients,
                masks: batch.masks,
                input: &input[..rows * input_len],
                output: &self.values[i][..output_len],
                upstream: &mut self.upstream[..output_len],
                downstream: &mut self.downstream[..wanted],
            });
            std::mem::swap(&mut self.upstream, &mut self.downstream);
            observe(Phase::Backward(self.steps[i].layers.clone()));
        }
    }
}

impl Executor for NativeExecutor {
    fn step(&mut self, batch: &Batch<'_>, learning_rate: f32) -> Result<f32, NnError> {
        self.step_observed(batch, learning_rate, |_| ())
    }

    fn logits(&mut self, inputs: &[f32]) -> Result<Vec<f32>, NnError> {
        let rows = inputs.len() / self.input_len;
        expect_len("inputs", inputs.len(), rows * self.input_len)?;
        let mut all = Vec::with_capacity(rows * self.classes);
        for inputs in inputs.chunks(PREDICTION_ROWS * self.input_len) {
            let rows = inputs.len() / self.input_len;
            self.reserve(rows);
            self.forward(inputs, rows, None, &mut |_| ());
            all.extend_from_slice(scores(&self.values, inputs, rows * self.classes));
        }
        Ok(all)
    }

    fn parameters(&self) -> Result<Vec<f32>, NnError> {
        Ok(self.parameters.clone())
    }
}

/// The first `len` of the last step's values: of the inputs if there is no step.
fn scores<'a>(values: &'a [Vec<f32>], inputs: &'a [f32], len: usize) -> &'a [f32] {
    &values.last().map_or(inputs, Vec::as_slice)[..len]
}

/// Lengthens `values` to at least `len`.
fn grow(values: &mut Vec<f32>, len: usize) {
    if values.len() < len {
        values.resize(len, 0.0);
    }
}

/// An error that says what has which length instead of the one expected.
fn expect_len(what: &str, len: usize, expected: usize) -> Result<(), NnError> {
    if len == expected {
        return Ok(());
    }
    Err(NnError::Shape(format!("{len} {what} where the network needs {expected}")))
}
