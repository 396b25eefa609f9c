//! Which executor runs on which device: the one place that decides.

use crate::candle::CandleExecutor;
use crate::native::{Isa, NativeExecutor};
use crate::{Device, Executor, Network, NnError, Optimizer};

/// An executor for `network` on `device`, starting from the parameters `initial` (in the layout of [`Network`])
/// a fresh optimiser and fresh running statistics.
///
/// # Errors
/// [`NnError::Device`] if this binary was not built for the device or the device is absent (there is no silent
/// fall to another one), and [`NnError::Shape`] if `initial` is not as long as the network's parameters.
pub fn executor(
    network: &Network,
    initial: &[f32],
    optimizer: Optimizer,
    device: Device,
) -> Result<Box<dyn Executor>, NnError> {
    if initial.len() != network.parameter_count() {
        return Err(NnError::Shape(format!(
            "{} initial parameters for a network of {}",
            initial.len(),
            network.parameter_count()
        )));
    }
    match device {
        Device::Cpu => {
            let isa = Isa::detect()?;
            Ok(Box::new(NativeExecutor::new(network, initial.to_vec(), optimizer, isa)?))
        }
        Device::CandleCpu | Device::Cuda(_) | Device::Metal(_) => {
            Ok(Box::new(CandleExecutor::new(network, initial, optimizer, device)?))
        }
    }
}
