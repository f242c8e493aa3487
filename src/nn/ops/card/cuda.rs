//! Launches on a card, through candle's device.

use super::launch::{Grid, Launch, Word};
use super::lend::with_updates;
use candle_core::backend::BackendDevice;
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DevicePtrMut, LaunchConfig, PushKernelArg, SyncOnDrop,
};
use candle_core::cuda_backend::{CudaStorageSlice, WrapErr};
use candle_core::{CudaDevice, CudaStorage, DType, Error, Result, Shape, Storage, bail};
use std::any::Any;

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
    let Launch { module, kernel, words, args } = launch;
    let ptx = modules::MODULES.iter().find(|(name, _)| *name == module).map(|(_, ptx)| *ptx);
    let ptx = ptx.ok_or_else(|| Error::Msg(format!("there are no kernels {module}")))?;
    let function = device.get_or_load_custom_func(kernel, &module, ptx)?;
    let stream = device.cuda_stream();
    let elsewhere = || Error::Msg(format!("the kernel {kernel} got values that are not on the card"));
    let locked: Vec<_> = words
        .iter()
        .map(|word| match word {
            Word::Read(tensor) => Some(tensor.storage_and_layout()),
            _ => None,
        })
        .collect();
    let mut values = Vec::with_capacity(words.len());
    // Dropped when the kernel is in the queue: they tell other queues what to wait for.
    let mut in_use = Vec::new();
    let (mut written, mut updated) = (Vec::new(), Vec::new());
    for (at, (word, locked)) in words.into_iter().zip(&locked).enumerate() {
        // Smaller values are in the lower bytes: cards' hosts are little-endian.
        values.push(match (word, locked) {
            (Word::Read(tensor), Some((storage, layout))) => {
                let Storage::Cuda(storage) = &**storage else { return Err(elsewhere()) };
                let (pointer, until) = address(storage, &stream)?;
                in_use.push(until);
                pointer + (layout.start_offset() * tensor.dtype().size_in_bytes()) as u64
            }
            (Word::Update(tensor), _) => {
                updated.push((at, tensor));
                0
            }
            (Word::Write(Storage::Cuda(storage)), _) => {
                written.push((at, storage));
                0
            }
            (Word::Read(_) | Word::Write(_), _) => return Err(elsewhere()),
            (Word::Absent, _) => 0,
            (Word::Count(value), _) => u64::from(value),
            (Word::Number(value), _) => u64::from(value.to_bits()),
            (Word::Pair([low, high]), _) => u64::from(low) | u64::from(high) << 32,
        });
    }
    for (at, storage) in written {
        let (pointer, until) = address_to_write(storage, &stream)?;
        in_use.push(until);
        values[at] = pointer;
    }
    let config = LaunchConfig {
        grid_dim: (grid.blocks[0], grid.blocks[1], 1),
        block_dim: (grid.threads[0], grid.threads[1], 1),
        shared_mem_bytes: 0,
    };
    let with_address = |storage: &mut dyn Any, with: &mut dyn FnMut(u64) -> Result<()>| {
        let Some(storage) = storage.downcast_mut::<CudaStorage>() else { return Err(elsewhere()) };
        let (pointer, _until) = address_to_write(storage, &stream)?;
        with(pointer)
    };
    with_updates(&updated, &mut values, &with_address, &mut |values| {
        let mut builder = function.builder();
        for arg in &args {
            builder.arg(&values[arg.start]);
        }
        // SAFETY: the kernel takes arguments of these types and sizes in this order, which tests under emulation hold; the caller
        // promised that it stays inside of them. They are neither moved nor freed before the kernel is in the queue, and what frees
        // them waits for it.
        unsafe { builder.launch(config) }.w().map(drop)
    })?;
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
        CudaStorageSlice::F64(slice) => of(slice, stream),
        CudaStorageSlice::U32(slice) => of(slice, stream),
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
        CudaStorageSlice::F64(slice) => of(slice, stream),
        CudaStorageSlice::U32(slice) => of(slice, stream),
        _ => bail!("no kernel writes values of this type"),
    })
}
