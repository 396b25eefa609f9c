//! Opening candle's devices.

use std::sync::{Mutex, Once, PoisonError};

use crate::{Device, NnError};

/// candle's device for `device`. A GPU is opened once per process and shared: its context and compiled kernels
/// cost far more than a small net.
///
/// # Errors
/// [`NnError::Device`] if the device is not compiled in or absent; the message says what this binary has.
pub(super) fn open(device: Device) -> Result<candle_core::Device, NnError> {
    static OPENED: Mutex<Vec<(Device, candle_core::Device)>> = Mutex::new(Vec::new());
    let compiled = match device {
        Device::Cpu | Device::CandleCpu => {
            multiply_on_one_thread();
            return Ok(candle_core::Device::Cpu);
        }
        Device::Cuda(_) => cfg!(feature = "cuda"),
        Device::Metal(_) => cfg!(feature = "metal"),
    };
    if !compiled {
        return Err(NnError::Device(format!(
            "device {device} is not compiled in: this binary has {} (features: {}); build it with --features {} \
             on a machine that has the device's toolkit",
            Device::supported(),
            Device::features(),
            if matches!(device, Device::Cuda(_)) { "cuda" } else { "metal" }
        )));
    }
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, open)) = opened.iter().find(|(known, _)| *known == device) {
        return Ok(open.clone());
    }
    let open = match device {
        Device::Cuda(index) => candle_core::Device::new_cuda(index),
        Device::Metal(index) => candle_core::Device::new_metal(index),
        Device::Cpu | Device::CandleCpu => Ok(candle_core::Device::Cpu),
    }
    .map_err(|error| {
        NnError::Device(format!(
            "device {device} could not be opened ({error}): this binary has {} (features: {}), and {device} must \
             be present with its driver",
            Device::supported(),
            Device::features()
        ))
    })?;
    opened.push((device, open.clone()));
    Ok(open)
}

/// Keeps every matrix product on the calling thread: trials already run side by side, one per core.
///
/// candle asks gemm for as many threads as `RAYON_NUM_THREADS` says, else as there are cores; gemm uses them for
/// products above a threshold of work. Raising the threshold needs no environment variable, so nothing has to be
/// set before the process starts. The threshold is the process's: it holds for other users of gemm too.
///
/// Beside that, candle spreads element-wise operations on 65,536 values and more over a pool of its own, whose
/// threads wait busily and serve one caller at a time. No function turns this off; `CANDLE_NUM_THREADS=1` in the
/// environment of the process does. Results are the same either way, but with several trials at once this
/// executor is several times slower without it.
fn multiply_on_one_thread() {
    static SET: Once = Once::new();
    SET.call_once(|| gemm::set_threading_threshold(usize::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_devices_say_what_there_is() {
        for (device, feature) in [(Device::Cuda(0), "cuda"), (Device::Metal(0), "metal")] {
            if cfg!(feature = "cuda") || cfg!(feature = "metal") {
                return; // Whether it opens depends on the machine.
            }
            let error = open(device).unwrap_err().to_string();
            assert!(error.contains("this binary has cpu, candle-cpu (features: none);"), "{error}");
            assert!(error.contains(&format!("--features {feature}")), "{error}");
        }
    }
}
