//! Dropout masks, drawn on the host so that every executor sees the same.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use crate::network::{Layer, Network};
use crate::random::{Purpose, stream};

/// The masks of a training run, batch after batch.
pub(crate) struct Masks {
    rng: ChaCha8Rng,
    /// Values per row and rate of each dropout layer with a rate above 0.
    layers: Vec<(usize, f32)>,
    masks: Vec<Vec<f32>>,
    bytes: Vec<u8>,
}

impl Masks {
    /// For `network`, from the seed's stream for `purpose`.
    pub(crate) fn new(network: &Network, seed: u64, purpose: Purpose) -> Self {
        let layers: Vec<(usize, f32)> = (network.layers().iter().enumerate())
            .filter_map(|(i, layer)| match *layer {
                Layer::Dropout { rate } if rate > 0.0 => Some((network.dims(i).len(), rate)),
                _ => None,
            })
            .collect();
        let masks = vec![Vec::new(); layers.len()];
        Masks { rng: stream(seed, purpose), layers, masks, bytes: Vec::new() }
    }

    /// The masks of the next batch, which has `rows` rows.
    ///
    /// Each value takes one 16-bit draw, so a rate is met to within 2⁻¹⁷; the scale 1 / (1 - rate) is the
    /// rate's as given.
    pub(crate) fn next(&mut self, rows: usize) -> &[Vec<f32>] {
        for (mask, &(values, rate)) in self.masks.iter_mut().zip(&self.layers) {
            self.bytes.resize(2 * rows * values, 0);
            self.rng.fill_bytes(&mut self.bytes);
            let threshold = (rate * 65_536.0).round() as u32;
            let scale = 1.0 / (1.0 - rate);
            mask.clear();
            mask.extend(self.bytes.chunks_exact(2).map(|pair| {
                let draw = u32::from(u16::from_le_bytes([pair[0], pair[1]]));
                if draw < threshold { 0.0 } else { scale }
            }));
        }
        &self.masks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dims;

    fn network(rate: f32) -> Network {
        let dropout = Layer::Dropout { rate };
        let none = Layer::Dropout { rate: 0.0 };
        let layers = vec![dropout, none, Layer::Dense { units: 3 }, dropout];
        Network::new(Dims::flat(100), layers).unwrap()
    }

    #[test]
    fn masks_drop_the_stated_share_and_keep_the_mean() {
        for rate in [0.2_f32, 0.5, 0.9] {
            let mut masks = Masks::new(&network(rate), 1, Purpose::Dropout);
            let masks = masks.next(1_000);
            assert_eq!(masks.iter().map(Vec::len).collect::<Vec<_>>(), [100_000, 3_000]);
            let scale = 1.0 / (1.0 - rate);
            assert!(masks.iter().flatten().all(|&m| m == 0.0 || m == scale));
            let dropped = masks[0].iter().filter(|&&m| m == 0.0).count() as f64 / 1e5;
            // Standard error at most .0016: the bound is five of them.
            assert!((dropped - f64::from(rate)).abs() < 0.008, "{rate}: {dropped}");
            let mean = masks[0].iter().map(|&m| f64::from(m)).sum::<f64>() / 1e5;
            assert!((mean - 1.0).abs() < 0.05, "{rate}: {mean}");
        }
    }

    #[test]
    fn masks_follow_the_seed_and_change_from_batch_to_batch() {
        let draw = |seed| {
            let mut masks = Masks::new(&network(0.5), seed, Purpose::Dropout);
            [masks.next(4).to_vec(), masks.next(4).to_vec()]
        };
        let [first, second] = draw(1);
        assert_eq!([first.clone(), second.clone()], draw(1));
        assert_ne!(first, second);
        assert_ne!(first, draw(2)[0]);
    }

    #[test]
    fn a_net_without_dropout_has_no_masks() {
        let net = Network::new(Dims::flat(4), vec![Layer::Dense { units: 2 }]).unwrap();
        assert!(Masks::new(&net, 1, Purpose::Dropout).next(8).is_empty());
    }
}
