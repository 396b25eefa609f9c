//! Devices: which one is meant, whether it is there, and which results may be mixed.

use nn::{Device, Dims, Layer, Network, Optimizer};

use crate::cli::Engine;
use crate::error::{Error, Result};

/// The device that `--device` and `--engine` mean together; `--device candle-cpu` is the processor with candle.
///
/// # Errors
/// [`Error::Input`] for an engine that does not run there, naming what this binary has.
pub fn chosen(device: Device, engine: Option<Engine>) -> Result<Device> {
    match (engine, device) {
        (Some(Engine::Candle), Device::Cpu) => Ok(Device::CandleCpu),
        (Some(Engine::Native), Device::CandleCpu | Device::Cuda(_) | Device::Metal(_)) => {
            Err(Error::input(format!(
                "--engine native runs on --device cpu, not on {device}: leave --engine out, or use candle; this binary \
                 has {} (features: {})",
                Device::supported(),
                Device::features()
            )))
        }
        _ => Ok(device),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_and_device_say_one_thing_or_are_refused() {
        let (native, candle) = (Some(Engine::Native), Some(Engine::Candle));
        for (device, engine, expected) in [
            (Device::Cpu, None, Device::Cpu),
            (Device::Cpu, native, Device::Cpu),
            (Device::Cpu, candle, Device::CandleCpu),
            (Device::CandleCpu, None, Device::CandleCpu),
            (Device::CandleCpu, candle, Device::CandleCpu),
            (Device::Cuda(1), None, Device::Cuda(1)),
            (Device::Metal(0), candle, Device::Metal(0)),
        ] {
            assert_eq!(chosen(device, engine).expect("they fit"), expected);
        }
        for device in [Device::CandleCpu, Device::Cuda(1), Device::Metal(0)] {
            let refused =
                chosen(device, native).expect_err("native runs on the processor").to_string();
            assert!(refused.contains(&format!("not on {device}")), "{refused}");
            assert!(refused.contains(Device::supported()), "{refused}");
            assert!(refused.contains("(features: "), "{refused}");
        }
    }
}
