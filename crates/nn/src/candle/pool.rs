//! Pooling layers: windows side by side, their places gathered one after the other.

use candle_core::{DType, Device, Result, Tensor};

use super::tables::{ABSENT, Window, inverse, transpose, upload};
use crate::Dims;

/// The tables of a pooling layer.
pub(super) struct Pool {
    /// For each place of the window, for each output pixel, the input pixel.
    inputs: Tensor,
    /// For each input pixel, where `inputs` holds it.
    place_of_input: Tensor,
    /// For each input pixel, its output pixel.
    output_of_input: Tensor,
    taps: usize,
    outputs: usize,
}

impl Pool {
    /// Windows of `size` × `size`.
    pub(super) fn new(size: usize, before: Dims, after: Dims, device: &Device) -> Result<Self> {
        let window = Window::pool(size);
        let pixels = before.height * before.width;
        let by_output = window.inputs(before, after);
        let output_of_input: Vec<u32> = inverse(&by_output, pixels)
            .into_iter()
            .map(|at| if at == ABSENT { at } else { at / window.taps() as u32 })
            .collect();
        let inputs = transpose(&by_output, window.taps());
        Ok(Pool {
            place_of_input: upload(inverse(&inputs, pixels), device)?,
            output_of_input: upload(output_of_input, device)?,
            inputs: upload(inputs, device)?,
            taps: window.taps(),
            outputs: after.height * after.width,
        })
    }

    /// For each place of the window, its values: replicas × rows × output pixels × channels.
    pub(super) fn places(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let gathered = x.contiguous()?.index_select(&self.inputs, 2)?;
        (0..self.taps).map(|tap| gathered.narrow(2, tap * self.outputs, self.outputs)).collect()
    }

    /// The mean of each window.
    pub(super) fn mean(&self, x: &Tensor) -> Result<Tensor> {
        let places = self.places(x)?;
        let sum = places[1..].iter().try_fold(places[0].clone(), |sum, place| sum.add(place))?;
        sum.affine(1.0 / self.taps as f64, 0.0)
    }

    /// The gradient by the input of a maximum, from that by its output.
    pub(super) fn max_gradient(&self, winners: &[Tensor], gradient: &Tensor) -> Result<Tensor> {
        let places: Vec<Tensor> =
            winners.iter().map(|winner| winner.mul(gradient)).collect::<Result<_>>()?;
        Tensor::cat(&places, 2)?.index_select(&self.place_of_input, 2)
    }

    /// The gradient by the input of a mean, from that by its output.
    pub(super) fn mean_gradient(&self, gradient: &Tensor) -> Result<Tensor> {
        gradient.affine(1.0 / self.taps as f64, 0.0)?.index_select(&self.output_of_input, 2)
    }
}

/// The largest of the places, value by value.
pub(super) fn maximum(places: &[Tensor]) -> Result<Tensor> {
    places[1..].iter().try_fold(places[0].clone(), |best, place| best.maximum(place))
}

/// For each place, 1 where it is the first that equals `best`, else 0.
pub(super) fn first_equal(places: &[Tensor], best: &Tensor) -> Result<Vec<Tensor>> {
    let mut open = best.ones_like()?;
    let mut winners = Vec::with_capacity(places.len());
    for place in places {
        let winner = place.eq(best)?.to_dtype(DType::F32)?.mul(&open)?;
        open = open.sub(&winner)?;
        winners.push(winner);
    }
    Ok(winners)
}
