//! Where a net is trained.

use std::fmt;
use std::str::FromStr;

use crate::NnError;

/// An executor and its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The processor through candle: slower, to check the other executors against. Where several nets train at
    /// once, `CANDLE_NUM_THREADS=1` in the environment keeps candle's own threads from slowing them down.
    CandleCpu,
    /// The CUDA device of that index.
    Cuda(usize),
    /// The Metal device of that index.
    Metal(usize),
}

impl Device {
    /// The devices that this binary was built for, as one writes them on a command line.
    pub fn supported() -> &'static str {
        match (cfg!(feature = "cuda"), cfg!(feature = "metal")) {
            (false, false) => "cpu, candle-cpu",
            (true, false) => "cpu, candle-cpu, cuda:N",
            (false, true) => "cpu, candle-cpu, metal:N",
            (true, true) => "cpu, candle-cpu, cuda:N, metal:N",
        }
    }

    /// The device features that this binary was built with.
    pub fn features() -> &'static str {
        match (cfg!(feature = "cuda"), cfg!(feature = "metal")) {
            (false, false) => "none",
            (true, false) => "cuda",
            (false, true) => "metal",
            (true, true) => "cuda, metal",
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => write!(f, "cpu"),
            Device::CandleCpu => write!(f, "candle-cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
            Device::Metal(index) => write!(f, "metal:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = NnError;

    /// Reads `cpu`, `candle-cpu`, `cuda`, `cuda:1`, `metal` or `metal:1`; without an index, 0 is meant.
    fn from_str(text: &str) -> Result<Self, NnError> {
        let (kind, index) = text.split_once(':').unwrap_or((text, "0"));
        let whole = !text.contains(':');
        match (kind, index.parse()) {
            ("cpu", _) if whole => Ok(Device::Cpu),
            ("candle-cpu", _) if whole => Ok(Device::CandleCpu),
            ("cuda", Ok(index)) => Ok(Device::Cuda(index)),
            ("metal", Ok(index)) => Ok(Device::Metal(index)),
            _ => Err(NnError::Device(format!(
                "no device is called `{text}`, expected one of cpu, candle-cpu, cuda:N, metal:N"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        for device in [Device::Cpu, Device::CandleCpu, Device::Cuda(0), Device::Metal(3)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for text in ["", "gpu", "cpu:0", "cuda:", "cuda:x", "cuda:-1"] {
            let refused = text.parse::<Device>().unwrap_err().to_string();
            assert!(refused.contains(&format!("`{text}`")), "{refused}");
        }
    }
}
