//! Launches on a card, through candle's device.

use super::launch::{Arg, Grid, Launch};
use candle_core::backend::BackendDevice;
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DevicePtrMut, LaunchConfig, PushKernelArg, SyncOnDrop,
};
use candle_core::cuda_backend::{CudaStorageSlice, WrapErr};
use candle_core::{CudaDevice, CudaStorage, DType, Error, Result, Shape, Storage, bail};

/// `MODULES`: the name and the PTX of every file of kernels for every type of values.
mod modules {
    include!(concat!(env!("OUT_DIR"), "/card_modules.rs"));
}

/// Memory of a card that nothing was written to.
pub(super) fn uninitialised(device: &CudaDevice, shape: &Shape, dtype: DType) -> Result<CudaStorage> {
    // SAFETY: any bits are a value of these types, and `Launch::run` demands that they are written before they are read.
    unsafe { device.alloc_uninit(shape, dtype) }
}

/// Puts a kernel into the device's queue.
///
/// # Safety
/// As [`Launch::run`].
pub(super) unsafe fn run(device: &CudaDevice, launch: Launch<'_>, grid: Grid) -> Result<()> {
    let Launch { module, kernel, mut args } = launch;
    let ptx = modules::MODULES.iter().find(|(name, _)| *name == module).map(|(_, ptx)| *ptx);
    let ptx = ptx.ok_or_else(|| Error::Msg(format!("there are no kernels {module}")))?;
    let stream = device.cuda_stream();
    let locked: Vec<_> = args
        .iter()
        .map(|arg| match arg {
            Arg::Read(tensor) => Some(tensor.storage_and_layout()),
            _ => None,
        })
        .collect();
    // Each argument in the lower bytes of a word: cards' hosts are little-endian.
    let mut words = Vec::with_capacity(args.len());
    // Dropped when the kernel is in the queue: they tell other queues what to wait for.
    let mut in_use = Vec::with_capacity(args.len());
    for (arg, locked) in args.iter_mut().zip(&locked) {
        let word = match (arg, locked) {
            (Arg::Read(tensor), Some((storage, layout))) => {
                let Storage::Cuda(storage) = &**storage else {
                    bail!("the kernel {kernel} got values that are not on the card");
                };
                let (pointer, until) = address(storage, &stream)?;
                in_use.push(until);
                pointer + (layout.start_offset() * tensor.dtype().size_in_bytes()) as u64
            }
            (Arg::Write(Storage::Cuda(storage)), _) => {
                let (pointer, until) = address_to_write(storage, &stream)?;
                in_use.push(until);
                pointer
            }
            (Arg::Read(_) | Arg::Write(_), _) => {
                bail!("the kernel {kernel} got values that are not on the card")
            }
            (Arg::Absent, _) => 0,
            (Arg::U32(value), _) => u64::from(*value),
            (Arg::F32(value), _) => u64::from(value.to_bits()),
        };
        words.push(word);
    }
    let function = device.get_or_load_custom_func(kernel, &module, ptx)?;
    let mut builder = function.builder();
    for word in &words {
        builder.arg(word);
    }
    let config = LaunchConfig {
        grid_dim: (grid.blocks[0], grid.blocks[1], 1),
        block_dim: (grid.threads[0], grid.threads[1], 1),
        shared_mem_bytes: 0,
    };
    // SAFETY: the kernel takes arguments of these types in this order, which tests under emulation hold; the caller promised that it
    // stays inside of them. They are neither moved nor freed before the kernel is in the queue, and what frees them waits for it.
    unsafe { builder.launch(config) }.w()?;
    drop(in_use);
    Ok(())
}

/// The address of values that a kernel reads.
fn address<'a>(storage: &'a CudaStorage, stream: &'a CudaStream) -> Result<(u64, SyncOnDrop<'a>)> {
    fn of<'a, T>(slice: &'a CudaSlice<T>, stream: &'a CudaStream) -> (u64, SyncOnDrop<'a>) {
        slice.device_ptr(stream)
    }
    Ok(match &storage.slice {
        CudaStorageSlice::F32(slice) => of(slice, stream),
        CudaStorageSlice::BF16(slice) => of(slice, stream),
        CudaStorageSlice::U32(slice) => of(slice, stream),
        CudaStorageSlice::U8(slice) => of(slice, stream),
        _ => bail!("no kernel reads values of this type"),
    })
}

/// The address of values that a kernel writes.
fn address_to_write<'a>(
    storage: &'a mut CudaStorage,
    stream: &'a CudaStream,
) -> Result<(u64, SyncOnDrop<'a>)> {
    fn of<'a, T>(slice: &'a mut CudaSlice<T>, stream: &'a CudaStream) -> (u64, SyncOnDrop<'a>) {
        slice.device_ptr_mut(stream)
    }
    Ok(match &mut storage.slice {
        CudaStorageSlice::F32(slice) => of(slice, stream),
        CudaStorageSlice::BF16(slice) => of(slice, stream),
        CudaStorageSlice::U32(slice) => of(slice, stream),
        CudaStorageSlice::U8(slice) => of(slice, stream),
        _ => bail!("no kernel writes values of this type"),
    })
}
