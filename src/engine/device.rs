//! Where the work is done, and how much memory it took.

use super::memory::CardMemory;
use crate::config::{DeviceChoice, Precision};
use crate::error::{Error, Result};
use crate::nn::ops::card;
use candle_core::{CudaDevice, Device, MetalDevice, utils};
use std::sync::OnceLock;
use std::time::Duration;

/// Numbers of a device other than the processor are read at most this often while it works, for reading waits until it is done.
pub(crate) const READ_EVERY: Duration = Duration::from_millis(250);

/// The device for a choice. `Auto` takes the graphics card where this build has one and it works, otherwise the processor. A card is
/// opened once: tensors of one opening do not meet those of another.
///
/// # Errors
/// If a graphics card is asked for by name and this build or this machine has none.
pub fn device(choice: DeviceChoice) -> Result<Device> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda => cuda(),
        DeviceChoice::Metal => metal(),
        DeviceChoice::Auto => Ok(cuda().or_else(|_| metal()).unwrap_or(Device::Cpu)),
    }
}

static CUDA: OnceLock<Device> = OnceLock::new();
static METAL: OnceLock<Device> = OnceLock::new();

fn cuda() -> Result<Device> {
    #[cfg(feature = "cuda")]
    let open = card::open;
    #[cfg(not(feature = "cuda"))]
    let open = Device::new_cuda;
    graphics("cuda", utils::cuda_is_available(), &CUDA, open)
}

fn metal() -> Result<Device> {
    graphics("metal", utils::metal_is_available(), &METAL, Device::new_metal)
}

/// Gives memory of a card that nothing holds any more back to the system, so that other programs can have it. Nothing happens where no
/// card was opened.
///
/// # Errors
/// If what the card was doing failed.
pub(crate) fn free_unused() -> Result<()> {
    CUDA.get().map_or(Ok(()), |card| Ok(card::free_unused(card)?))
}

fn graphics(
    name: &str,
    built_in: bool,
    opened: &OnceLock<Device>,
    open: fn(usize) -> candle_core::Result<Device>,
) -> Result<Device> {
    if let Some(device) = opened.get() {
        return Ok(device.clone());
    }
    let hint = "Set train.device to \"auto\" or \"cpu\"";
    if !built_in {
        return Err(Error::input(format!("train.device = \"{name}\", and this build has no {name} support"))
            .with_hint(hint));
    }
    let device = open(0).map_err(|e| {
        Error::input(format!("train.device = \"{name}\" did not start ({e})")).with_hint(hint)
    })?;
    Ok(opened.get_or_init(|| device).clone())
}

/// Whether this build can use a kind of device, were it there.
pub fn is_built_in(choice: DeviceChoice) -> bool {
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => true,
        DeviceChoice::Cuda => utils::cuda_is_available(),
        DeviceChoice::Metal => utils::metal_is_available(),
    }
}

/// The choice that names a device.
pub(crate) fn choice_of(device: &Device) -> DeviceChoice {
    match device {
        Device::Cpu => DeviceChoice::Cpu,
        Device::Cuda(_) => DeviceChoice::Cuda,
        Device::Metal(_) => DeviceChoice::Metal,
    }
}

/// Whether a network computes in bf16 there.
///
/// # Errors
/// If bf16 is asked for by name and the device has none.
pub(crate) fn computes_in_bf16(choice: Precision, device: &Device) -> Result<bool> {
    let capability = capability(device)?;
    let has = capability.is_some_and(|(major, _)| major >= 8);
    if choice == Precision::Bf16 && !has {
        let found = match capability {
            Some((major, minor)) => format!("this card has compute capability {major}.{minor}, not 8.0"),
            None => format!("the work is done on \"{}\"", device_name(device)),
        };
        return Err(Error::input(format!(
            "train.precision = \"bf16\" needs an NVIDIA card from Ampere on, and {found}"
        ))
        .with_hint("Set train.precision to \"auto\" or \"f32\""));
    }
    Ok(has && choice != Precision::F32)
}

/// An NVIDIA card's compute capability; `None` of anything else.
#[cfg(feature = "cuda")]
fn capability(device: &Device) -> Result<Option<(i32, i32)>> {
    use candle_core::cuda_backend::WrapErr;
    let Device::Cuda(card) = device else { return Ok(None) };
    Ok(Some(card.cuda_stream().context().compute_capability().w()?))
}

#[cfg(not(feature = "cuda"))]
fn capability(_: &Device) -> Result<Option<(i32, i32)>> {
    Ok(None)
}

/// `cpu`, `cuda` or `metal`.
pub(crate) fn device_name(device: &Device) -> &'static str {
    choice_of(device).name()
}

/// Memory of the card that computes; `None` for the processor, and where the card does not tell. Waits for nothing.
pub(crate) fn card_memory(device: &Device) -> Option<CardMemory> {
    match device {
        Device::Cpu => None,
        Device::Cuda(card) => cuda_memory(card),
        Device::Metal(card) => metal_memory(card),
    }
}

#[cfg(feature = "cuda")]
fn cuda_memory(card: &CudaDevice) -> Option<CardMemory> {
    let (free, total) = card.cuda_stream().context().mem_get_info().ok()?;
    Some(CardMemory { used: total.saturating_sub(free) as u64, total: total as u64 })
}

#[cfg(not(feature = "cuda"))]
fn cuda_memory(_: &CudaDevice) -> Option<CardMemory> {
    None
}

#[cfg(feature = "metal")]
fn metal_memory(card: &MetalDevice) -> Option<CardMemory> {
    let (used, total) = (card.current_allocated_size(), card.recommended_max_working_set_size());
    Some(CardMemory { used: used as u64, total: total as u64 })
}

#[cfg(not(feature = "metal"))]
fn metal_memory(_: &MetalDevice) -> Option<CardMemory> {
    None
}

/// Largest resident memory of this process so far, in MiB. Known on Linux (`VmHWM` in `/proc/self/status`); 0 elsewhere.
pub(crate) fn peak_rss_mib() -> u64 {
    super::memory::peak().unwrap_or(0) >> 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_this_build_lacks_is_refused_by_name() {
        if !utils::cuda_is_available() {
            let e = device(DeviceChoice::Cuda).unwrap_err().to_string();
            assert!(e.contains("cuda") && e.contains("train.device"), "{e}");
        }
        assert!(device(DeviceChoice::Auto).is_ok() && device(DeviceChoice::Cpu).unwrap().is_cpu());
    }

    #[test]
    fn bf16_is_refused_where_there_is_none() {
        let cpu = Device::Cpu;
        assert!(!computes_in_bf16(Precision::Auto, &cpu).unwrap());
        assert!(!computes_in_bf16(Precision::F32, &cpu).unwrap());
        let e = computes_in_bf16(Precision::Bf16, &cpu).unwrap_err().to_string();
        assert!(e.contains("train.precision") && e.contains("\"cpu\""), "{e}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_grows_with_what_is_touched() {
        let before = peak_rss_mib();
        let block = vec![1u8; 64 << 20];
        assert!(block.iter().step_by(4096).map(|&b| u64::from(b)).sum::<u64>() > 0);
        assert!(before > 0 && peak_rss_mib() >= before.max(64));
    }
}
