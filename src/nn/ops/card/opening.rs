//! How an NVIDIA card is opened, and how its memory is kept.

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::{CudaDevice, Device, Error, Result};

/// The generation that the kernels are compiled for, as `build.rs` says: 80 is compute capability 8.0.
const GENERATION: &str = env!("HEADSTART_CARD_GENERATION");

/// Opens a card.
///
/// All threads put their work into one queue, so that it is done in the order in which it was asked for: candle's usual opening has a
/// queue for each thread, and rayon's threads take over steps from one another. With one queue nothing has to tell another one
/// when it is done, and no tensor needs events for that.
///
/// Memory that is let go stays with the program, for the next step, until [`free_unused`]: by itself CUDA would give it back
/// whenever the processor waits for the card. The last tenth of the card's is given back then all the same: cuBLAS, cuDNN and the
/// driver take what they need from elsewhere.
///
/// # Errors
/// If there is no such card, or it is older than what the kernels are compiled for.
pub fn open(ordinal: usize) -> Result<Device> {
    let device = Device::new_cuda_with_stream(ordinal)?;
    if let Device::Cuda(card) = &device {
        let (major, minor) = card.cuda_stream().context().compute_capability().w()?;
        if !serves(GENERATION, (major, minor)) {
            let why = format!(
                "it has compute capability {major}.{minor}, and this build is for {GENERATION} and newer"
            );
            return Err(Error::Msg(why));
        }
        // SAFETY: there is one queue, and what is asked for later is done later.
        unsafe { card.disable_event_tracking() };
        keep_freed_memory(card)?;
    }
    Ok(device)
}

/// Whether a card runs what is compiled for a generation (`80`, `90a`).
fn serves(generation: &str, (major, minor): (i32, i32)) -> bool {
    let digits = generation.trim_end_matches(|c: char| !c.is_ascii_digit());
    digits.parse::<i32>().is_ok_and(|wanted| 10 * major + minor >= wanted)
}

fn keep_freed_memory(card: &CudaDevice) -> Result<()> {
    let Some(pool) = pool(card)? else { return Ok(()) };
    let (_, total) = card.cuda_stream().context().mem_get_info().w()?;
    let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    let mut kept = (total - total / 10) as u64;
    // SAFETY: the pool is that of an open device, and this attribute's value is a u64.
    unsafe { result::mem_pool::set_attribute(pool, threshold, (&raw mut kept).cast()) }.w()
}

/// Waits until the card is done, and gives the memory that no tensor holds back to the system.
///
/// # Errors
/// If what the card was doing failed.
pub(super) fn free_unused(card: &CudaDevice) -> Result<()> {
    card.cuda_stream().synchronize().w()?;
    let Some(pool) = pool(card)? else { return Ok(()) };
    // SAFETY: the pool is that of an open device.
    unsafe { result::mem_pool::trim_to(pool, 0) }.w()
}

/// Where a card's memory comes from; `None` for a card that has no pools.
fn pool(card: &CudaDevice) -> Result<Option<sys::CUmemoryPool>> {
    let stream = card.cuda_stream();
    let context = stream.context();
    context.bind_to_thread().w()?;
    let supported = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED;
    if context.attribute(supported).w()? == 0 {
        return Ok(None);
    }
    // SAFETY: the context's device is open.
    unsafe { result::device::get_mem_pool(context.cu_device()) }.w().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_serve_their_generation_and_newer_ones() {
        assert!(serves("80", (8, 0)) && serves("80", (9, 0)) && serves("90a", (9, 0)));
        assert!(!serves("80", (7, 5)) && !serves("90", (8, 9)) && !serves("", (9, 0)));
    }
}
