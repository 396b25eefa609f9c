//! The native engine: one net on one thread of the processor, with the same bits on every instruction set.
//!
//! - No graph: `plan` compiles the network once into steps whose buffers are reused from batch to batch.
//! - Every number is one chain of exactly rounded operations in an order that depends on the network alone, never
//!   on the width of the vectors, the rows asked for at once, threads, or the build profile. Lanes are never added
//!   up. So a run on AVX-512 equals one on AVX2, NEON or the scalar path bit for bit.
//! - Trials run in parallel outside; nothing here starts a thread.

mod correlate;
mod elementwise;
mod linear;
mod loss;
mod moments;
mod norm;
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

/// Values of the widest step that some rows taken together through the leading steps may have: with their gradient and
/// a block of products they then stay in a second-level cache of 1 MiB (measured: 6 % of a step of a wide net). Without
/// influence on the result.
const NEAR_VALUES: usize = 96 * 1024;

/// A part of a gradient step, for [`NativeExecutor::step_observed`]; some come several times a step, for some rows each.
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

/// How a forward pass treats what differs between training and prediction.
#[derive(Clone, Copy)]
struct Mode<'a> {
    /// Whether batch normalisations take the batch's statistics.
    training: bool,
    /// Dropout masks for at least as many rows as there are; none: dropout off.
    masks: Option<&'a [Vec<f32>]>,
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
    /// The running statistics of batch normalisations.
    statistics: Vec<f32>,
    /// The fewest rows of a batch.
    least_rows: usize,
    optimizer: OptimizerState,
    /// The values behind each step.
    values: Vec<Vec<f32>>,
    /// The leading steps on images, whose passes take some rows after the other all the way, and how many rows at most.
    near: (usize, usize),
    /// The loss's gradient behind and before the step at work.
    gradient: [Vec<f32>; 2],
    /// The same for some rows, behind and before the leading steps.
    near_gradient: [Vec<f32>; 2],
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
            statistics: network.initial_statistics(),
            least_rows: network.least_batch(),
            optimizer: OptimizerState::new(optimizer, initial.len()),
            parameters: initial,
            values: vec![Vec::new(); steps.len()],
            near: near(&steps),
            gradient: Default::default(),
            near_gradient: Default::default(),
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
        let mode = Mode { training: true, masks: Some(batch.masks) };
        self.forward(batch.inputs, rows, mode, &mut observe);
        let scores = scores(&self.values, batch.inputs, rows * self.classes);
        let gradient = &mut self.gradient[0][..scores.len()];
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
        if rows < self.least_rows {
            return Err(NnError::Shape("batch normalisation needs two rows or more".into()));
        }
        expect_len("inputs", batch.inputs.len(), rows * self.input_len)?;
        self.check_masks(batch.masks, rows)?;
        match batch.labels.iter().find(|&&label| label as usize >= self.classes) {
            Some(label) => {
                Err(NnError::Shape(format!("label {label} of {} classes", self.classes)))
            }
            None => Ok(rows),
        }
    }

    /// Whether these are the masks of `rows` rows.
    fn check_masks(&self, masks: &[Vec<f32>], rows: usize) -> Result<(), NnError> {
        expect_len("dropout masks", masks.len(), self.masks.len())?;
        for (mask, len) in masks.iter().zip(&self.masks) {
            expect_len("values of a dropout mask", mask.len(), rows * len)?;
        }
        Ok(())
    }

    /// Class scores by the running statistics, with the masks of [`PREDICTION_ROWS`] rows or none.
    fn predict(&mut self, inputs: &[f32], masks: Option<&[Vec<f32>]>) -> Result<Vec<f32>, NnError> {
        let rows = inputs.len() / self.input_len;
        expect_len("inputs", inputs.len(), rows * self.input_len)?;
        let mut all = Vec::with_capacity(rows * self.classes);
        for inputs in inputs.chunks(PREDICTION_ROWS * self.input_len) {
            let rows = inputs.len() / self.input_len;
            self.reserve(rows);
            self.forward(inputs, rows, Mode { training: false, masks }, &mut |_| ());
            all.extend_from_slice(scores(&self.values, inputs, rows * self.classes));
        }
        Ok(all)
    }

    /// Makes room for `rows` examples.
    fn reserve(&mut self, rows: usize) {
        let mut widest = self.input_len.max(self.classes);
        for (step, values) in self.steps.iter().zip(&mut self.values) {
            widest = widest.max(step.output_len);
            grow(values, rows * step.output_len);
        }
        self.gradient.iter_mut().for_each(|g| grow(g, rows * widest));
        self.near_gradient.iter_mut().for_each(|g| grow(g, rows.min(self.near.1) * widest));
    }

    /// Computes the values behind every step.
    fn forward(
        &mut self,
        inputs: &[f32],
        rows: usize,
        mode: Mode<'_>,
        observe: &mut impl FnMut(Phase),
    ) {
        self.steps.iter_mut().for_each(|step| step.op.prepare(self.isa, &self.parameters));
        let near = self.near.0;
        for part in parts(rows, self.near) {
            (0..near).for_each(|i| self.forward_step(i, inputs, part.clone(), mode, observe));
        }
        (near..self.steps.len()).for_each(|i| self.forward_step(i, inputs, 0..rows, mode, observe));
    }

    /// Computes the values of `rows` behind step `i`.
    fn forward_step(
        &mut self,
        i: usize,
        inputs: &[f32],
        rows: Range<usize>,
        mode: Mode<'_>,
        observe: &mut impl FnMut(Phase),
    ) {
        let input_len = self.input_len_of(i);
        let (before, after) = self.values.split_at_mut(i);
        let input = before.last().map_or(inputs, Vec::as_slice);
        let step = &mut self.steps[i];
        step.op.forward(Forward {
            isa: self.isa,
            parameters: &self.parameters,
            masks: mode.masks,
            statistics: &mut self.statistics,
            training: mode.training,
            input: &input[rows.start * input_len..rows.end * input_len],
            output: &mut after[0][rows.start * step.output_len..rows.end * step.output_len],
            rows,
        });
        observe(Phase::Forward(step.layers.clone()));
    }

    /// Computes the gradients by the parameters from the loss's gradient by the scores in `gradient[0]`.
    fn backward(&mut self, batch: &Batch<'_>, rows: usize, observe: &mut impl FnMut(Phase)) {
        // Nothing before the first step with parameters needs a gradient.
        let Some(first) = self.steps.iter().position(|step| step.has_parameters) else { return };
        for (i, step) in self.steps.iter_mut().enumerate().skip(first) {
            step.op.prepare_backward(self.isa, &self.parameters, i > first);
        }
        self.gradients.fill(0.0);
        let near = self.near.0;
        let mut gradient = std::mem::take(&mut self.gradient);
        for i in (near.max(first)..self.steps.len()).rev() {
            self.backward_step(i, i > first, batch, 0..rows, &mut gradient, observe);
        }
        let mut near_gradient = std::mem::take(&mut self.near_gradient);
        for part in parts(rows, self.near) {
            let len = self.steps[near - 1].output_len;
            near_gradient[0][..part.len() * len]
                .copy_from_slice(&gradient[0][part.start * len..part.end * len]);
            for i in (first..near).rev() {
                let part = part.clone();
                self.backward_step(i, i > first, batch, part, &mut near_gradient, observe);
            }
        }
        (self.gradient, self.near_gradient) = (gradient, near_gradient);
        for step in &mut self.steps[first..] {
            step.op.finish_backward(self.isa, &mut self.gradients);
        }
    }

    /// Turns the loss's gradient behind step `i` for `rows`, in `gradient[0]`, into that before it if `wanted`.
    fn backward_step(
        &mut self,
        i: usize,
        wanted: bool,
        batch: &Batch<'_>,
        rows: Range<usize>,
        gradient: &mut [Vec<f32>; 2],
        observe: &mut impl FnMut(Phase),
    ) {
        let input_len = self.input_len_of(i);
        let input = i.checked_sub(1).map_or(batch.inputs, |before| &self.values[before]);
        let step = &mut self.steps[i];
        let [upstream, downstream] = gradient;
        let wanted = if wanted { rows.len() * input_len } else { 0 };
        step.op.backward(Backward {
            isa: self.isa,
            parameters: &self.parameters,
            gradients: &mut self.gradients,
            masks: batch.masks,
            input: &input[rows.start * input_len..rows.end * input_len],
            output: &self.values[i][rows.start * step.output_len..rows.end * step.output_len],
            upstream: &mut upstream[..rows.len() * step.output_len],
            downstream: &mut downstream[..wanted],
            rows,
        });
        gradient.swap(0, 1);
        observe(Phase::Backward(step.layers.clone()));
    }

    /// Values of one example before step `i`.
    fn input_len_of(&self, i: usize) -> usize {
        i.checked_sub(1).map_or(self.input_len, |before| self.steps[before].output_len)
    }
}

/// The number of steps before the first that takes whole batches, and how many rows go through them together; (0, 0) without images.
fn near(steps: &[Step]) -> (usize, usize) {
    let near = steps.iter().position(|step| step.takes_batches).unwrap_or(steps.len());
    let widest = steps[..near].iter().map(|step| step.output_len).max();
    widest.map_or((0, 0), |widest| (near, (NEAR_VALUES / widest).max(1)))
}

/// Parts of `rows` rows of about the same length for the leading steps; none if there are no such steps.
fn parts(rows: usize, (near, most): (usize, usize)) -> impl Iterator<Item = Range<usize>> {
    let parts = if near > 0 { rows.div_ceil(most) } else { 0 };
    (0..parts).map(move |i| i * rows / parts..(i + 1) * rows / parts)
}

impl Executor for NativeExecutor {
    fn step(&mut self, batch: &Batch<'_>, learning_rate: f32) -> Result<f32, NnError> {
        self.step_observed(batch, learning_rate, |_| ())
    }

    fn logits(&mut self, inputs: &[f32]) -> Result<Vec<f32>, NnError> {
        self.predict(inputs, None)
    }

    fn thinned_logits(&mut self, inputs: &[f32], masks: &[Vec<f32>]) -> Result<Vec<f32>, NnError> {
        self.check_masks(masks, 1)?;
        let masks: Vec<_> = masks.iter().map(|mask| mask.repeat(PREDICTION_ROWS)).collect();
        self.predict(inputs, Some(&masks))
    }

    fn parameters(&self) -> Result<Vec<f32>, NnError> {
        Ok(self.parameters.clone())
    }

    fn statistics(&self) -> Result<Vec<f32>, NnError> {
        Ok(self.statistics.clone())
    }

    fn set_statistics(&mut self, statistics: &[f32]) -> Result<(), NnError> {
        expect_len("running statistics", statistics.len(), self.statistics.len())?;
        self.statistics.copy_from_slice(statistics);
        Ok(())
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
