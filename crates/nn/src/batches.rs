//! Mini-batches: the order of the examples in each epoch, and the rows of each batch copied together, images distorted.

use rand_chacha::ChaCha8Rng;

use crate::augment::Augmenter;
use crate::random::{Purpose, shuffle, stream};
use crate::{Network, TrainData, TrainOptions};

/// The examples in a new order for each epoch, batch after batch.
pub(crate) struct Batches<'a> {
    rng: ChaCha8Rng,
    data: TrainData<'a>,
    columns: usize,
    batch_size: usize,
    /// None if images are taken as they are.
    augmenter: Option<Augmenter>,
    order: Vec<u32>,
    /// Where the next batch starts in `order`.
    next: usize,
    /// The current batch, copied together.
    inputs: Vec<f32>,
    labels: Vec<u32>,
}

impl<'a> Batches<'a> {
    /// Of `data` for `network`, in orders from the seed's shuffle stream, distorted from its augmentation stream.
    pub(crate) fn new(
        network: &Network,
        options: &TrainOptions,
        data: TrainData<'a>,
        seed: u64,
    ) -> Self {
        Batches {
            rng: stream(seed, Purpose::Shuffle),
            data,
            columns: network.input().len(),
            batch_size: options.batch_size,
            augmenter: (!options.augmentation.is_off())
                .then(|| Augmenter::new(options.augmentation, network.input(), seed)),
            order: (0..data.labels.len() as u32).collect(),
            next: 0,
            inputs: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Starts an epoch.
    pub(crate) fn shuffle(&mut self) {
        shuffle(&mut self.rng, &mut self.order);
        self.next = 0;
    }

    /// Makes the epoch's next batch the current one; false if there is none. An epoch's last batch holds what is left.
    pub(crate) fn advance(&mut self) -> bool {
        let end = (self.next + self.batch_size).min(self.order.len());
        let rows = &self.order[self.next..end];
        self.next = end;
        self.inputs.clear();
        self.labels.clear();
        for &row in rows {
            let at = row as usize * self.columns;
            let copied = self.inputs.len();
            self.inputs.extend_from_slice(&self.data.inputs[at..at + self.columns]);
            if let Some(augmenter) = &mut self.augmenter {
                augmenter.distort(&mut self.inputs[copied..]);
            }
            self.labels.push(self.data.labels[row as usize]);
        }
        !rows.is_empty()
    }

    /// The current batch's inputs, row after row.
    pub(crate) fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// The current batch's labels.
    pub(crate) fn labels(&self) -> &[u32] {
        &self.labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dims, Layer};

    #[test]
    fn each_epoch_holds_every_row_once_with_its_label_in_a_new_order() {
        let network = Network::new(Dims::flat(2), vec![Layer::Dense { units: 7 }]).unwrap();
        let inputs: Vec<f32> = (0..14).map(|i| i as f32).collect();
        let data = TrainData { inputs: &inputs, labels: &[0, 1, 2, 3, 4, 5, 6] };
        let options = TrainOptions { batch_size: 3, ..TrainOptions::default() };
        let mut batches = Batches::new(&network, &options, data, 1);
        let mut orders = Vec::new();
        for _ in 0..3 {
            batches.shuffle();
            let (mut order, mut sizes) = (Vec::new(), Vec::new());
            while batches.advance() {
                sizes.push(batches.labels().len());
                for (row, &label) in batches.inputs().chunks(2).zip(batches.labels()) {
                    assert_eq!(row, [2.0 * label as f32, 2.0 * label as f32 + 1.0]);
                    order.push(label);
                }
            }
            assert_eq!(sizes, [3, 3, 1]);
            orders.push(order.clone());
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4, 5, 6]);
        }
        assert!(orders[0] != orders[1] && orders[1] != orders[2], "{orders:?}");
    }
}
