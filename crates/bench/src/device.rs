//! Devices: whether one is there, and which results may be mixed.

use nn::{Device, Dims, Layer, Network, Optimizer};

use crate::error::{Error, Result};

/// The class of a device: results of two classes differ in their last bits and are never mixed in one folder.
pub fn class(device: Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::CandleCpu => "candle-cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "metal",
    }
}

/// Makes sure that `device` is there, by building the smallest net on it.
///
/// # Errors
/// [`Error::Input`] saying which devices this binary and machine have; never a silent fall to the processor.
pub fn check(device: Device) -> Result<()> {
    let refused = |error| Error::input(format!("--device {device}: {error}"));
    let network = Network::new(Dims::flat(1), vec![Layer::Dense { units: 2 }]).map_err(refused)?;
    let optimizer = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    let parameters = vec![0.0; network.parameter_count()];
    nn::executor(&network, &parameters, optimizer, device).map(drop).map_err(refused)
}
