//! One network description, one training loop, and executors for it.
//!
//! A [`Network`] is a chain of [`Layer`]s; [`train()`] draws everything random (initial parameters, orders, dropout masks,
//! distortions of images), each from a stream of its own, and has an [`Executor`] take the gradient steps: the [`native`]
//! engine, whose bits are the same on every processor, or candle's tensors on a GPU. A [`TrainedNet`] predicts by its
//! running statistics with dropout off, or by nets thinned by dropout.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//! use nn::{Device, Dims, Layer, Length, Network, TrainData, TrainOptions, train};
//!
//! # fn main() -> Result<(), nn::NnError> {
//! // Exclusive or, with 16 hidden units.
//! let layers = vec![Layer::Dense { units: 16 }, Layer::Tanh, Layer::Dense { units: 2 }];
//! let network = Network::new(Dims::flat(2), layers)?;
//! let data = TrainData { inputs: &[0., 0., 0., 1., 1., 0., 1., 1.], labels: &[0, 1, 1, 0] };
//! let options =
//!     TrainOptions { learning_rate: 0.05, length: Length::Epochs(200), ..TrainOptions::default() };
//! let never = AtomicBool::new(false);
//! let net = train(&network, &options, data, 7, Device::Cpu, &never)?;
//! let says_one: Vec<bool> = net.logits(data.inputs)?.chunks(2).map(|z| z[1] > z[0]).collect();
//! assert_eq!(says_one, [false, true, true, false]);
//! # Ok(())
//! # }
//! ```

mod augment;
mod batches;
mod candle;
mod device;
mod dropout;
mod engine;
mod executor;
mod init;
pub mod native;
mod network;
mod random;
mod schedule;
mod train;

pub use augment::{Augmentation, Elastic};
pub use device::Device;
pub use engine::executor;
pub use executor::{Batch, Executor, Optimizer};
pub use init::{Init, initial_parameters};
pub use network::{Dims, Layer, Network};
pub use random::{Purpose, stream};
pub use schedule::Schedule;
pub use train::{
    EarlyStop, Length, Step, TrainData, TrainOptions, TrainedNet, train, train_observed,
};

/// Why a net could not be built or trained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NnError {
    /// Layers that do not fit together.
    #[error("{0}")]
    Shape(String),
    /// Options or data that cannot be trained with.
    #[error("{0}")]
    Invalid(String),
    /// The loss or a parameter stopped being finite.
    #[error("diverged: {0}")]
    Diverged(String),
    /// The device is absent or failed.
    #[error("{0}")]
    Device(String),
    /// The training was asked to stop.
    #[error("stopped")]
    Stopped,
}
