//! Which pixel meets which: index tables that turn convolution and pooling into gathers.
//!
//! Pixels are numbered row by row; channels move along with their pixel. Each table is for candle's `index_select`,
//! which gives zeros for [`ABSENT`].

use candle_core::{Device, Result, Tensor};

use crate::Dims;

/// The index for which `index_select` gives zeros.
pub(super) const ABSENT: u32 = u32::MAX;

/// Side, step and padding of a window that moves over an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) size: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Window {
    /// The window of a pooling layer.
    pub(super) fn pool(size: usize) -> Self {
        Window { size, stride: size, padding: 0 }
    }

    /// Places in the window.
    pub(super) fn taps(&self) -> usize {
        self.size * self.size
    }

    /// The input pixel under each place of the window (`ABSENT` in the padding): for each output pixel, for each
    /// place, row by row.
    pub(super) fn inputs(&self, before: Dims, after: Dims) -> Vec<u32> {
        let mut table = Vec::with_capacity(after.height * after.width * self.taps());
        for (y, x) in pixels(after.height, after.width) {
            for (ky, kx) in pixels(self.size, self.size) {
                let row = (y * self.stride + ky).checked_sub(self.padding);
                let column = (x * self.stride + kx).checked_sub(self.padding);
                table.push(match (row, column) {
                    (Some(r), Some(c)) if r < before.height && c < before.width => {
                        (r * before.width + c) as u32
                    }
                    _ => ABSENT,
                });
            }
        }
        table
    }

    /// The reverse of [`Window::inputs`]: for each input pixel, for each place of the window, the output pixel that
    /// sees the input pixel at that place, or `ABSENT`.
    pub(super) fn outputs(&self, before: Dims, after: Dims) -> Vec<u32> {
        let taps = self.taps();
        let mut table = vec![ABSENT; before.height * before.width * taps];
        for (i, &input) in self.inputs(before, after).iter().enumerate() {
            if input != ABSENT {
                table[input as usize * taps + i % taps] = (i / taps) as u32;
            }
        }
        table
    }
}

/// `table`, grouped by its outer index, regrouped by its inner one of `inner` values.
pub(super) fn transpose(table: &[u32], inner: usize) -> Vec<u32> {
    (0..inner).flat_map(|i| table.iter().skip(i).step_by(inner).copied()).collect()
}

/// Where each of `len` values stands in `table`, or `ABSENT`; each stands there once at most.
pub(super) fn inverse(table: &[u32], len: usize) -> Vec<u32> {
    let mut inverse = vec![ABSENT; len];
    for (i, &value) in table.iter().enumerate() {
        if value != ABSENT {
            inverse[value as usize] = i as u32;
        }
    }
    inverse
}

/// `table` on the device.
pub(super) fn upload(table: Vec<u32>, device: &Device) -> Result<Tensor> {
    let len = table.len();
    Tensor::from_vec(table, len, device)
}

/// Rows and columns, row by row.
fn pixels(height: usize, width: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dims(height: usize, width: usize) -> Dims {
        Dims { height, width, channels: 1 }
    }

    #[test]
    fn windows_see_their_pixels() {
        // 0 1 2
        // 3 4 5
        let window = Window { size: 2, stride: 1, padding: 0 };
        assert_eq!(window.inputs(dims(2, 3), dims(1, 2)), [0, 1, 3, 4, 1, 2, 4, 5]);
        let a = ABSENT;
        assert_eq!(
            window.outputs(dims(2, 3), dims(1, 2)),
            [[0, a, a, a], [1, 0, a, a], [a, 1, a, a], [a, a, 0, a], [a, a, 1, 0], [a, a, a, 1]]
                .concat()
        );
    }

    #[test]
    fn padding_is_absent_and_strides_skip() {
        let a = ABSENT;
        let window = Window { size: 3, stride: 2, padding: 1 };
        // A 2 × 3 image between zeros: outputs at columns -1..2 and 1..4.
        assert_eq!(
            window.inputs(dims(2, 3), dims(1, 2)),
            [a, a, a, a, 0, 1, a, 3, 4, a, a, a, 1, 2, a, 4, 5, a]
        );
    }

    #[test]
    fn pooling_drops_the_rest_at_the_edge() {
        let inputs = Window::pool(2).inputs(dims(3, 5), dims(1, 2));
        assert_eq!(inputs, [0, 1, 5, 6, 2, 3, 7, 8]);
        let by_place = transpose(&inputs, 4);
        assert_eq!(by_place, [0, 2, 1, 3, 5, 7, 6, 8]);
        let a = ABSENT;
        assert_eq!(inverse(&by_place, 15), [0, 2, 1, 3, a, 4, 6, 5, 7, a, a, a, a, a, a]);
    }
}
