//! Results of recorded operations, as candle sees them.

use super::ARRIVED;
use crate::nn::ops::card::placeholder;
use crate::nn::ops::graph::Made;
use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, DType, Device, Error, InplaceOp1, Layout, MetalStorage, Result,
    Shape, Storage, Tensor, Var,
};
use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

thread_local! {
    /// What candle takes for the only argument of every recorded operation, one for each device.
    static ORIGINS: RefCell<Vec<Tensor>> = RefCell::default();
}

/// The result of a recorded operation of `operands`: to candle the beginning of a graph. The storage that was made for it becomes
/// its own; one that an operand has as well is copied.
pub(super) fn recorded(made: Made, operands: &[&Tensor]) -> Result<Tensor> {
    let (device, made) = match made {
        Made::Values(..) => (Device::Cpu, made),
        Made::Tensor(tensor) => {
            let shared = operands.iter().any(|operand| storage_of(operand) == storage_of(&tensor));
            let part = tensor.layout().start_offset() != 0 || !tensor.is_contiguous();
            let own = if shared || part { tensor.force_contiguous()? } else { tensor };
            (own.device().clone(), Made::Tensor(own))
        }
    };
    origin(&device)?.apply_op1(Recorded(Mutex::new(Some(made))))
}

fn origin(device: &Device) -> Result<Tensor> {
    ORIGINS.with_borrow_mut(|origins| {
        if let Some(origin) = origins.iter().find(|origin| origin.device().same_device(device)) {
            return Ok(origin.clone());
        }
        let origin = Var::zeros((), DType::F32, device)?.into_inner();
        origins.push(origin.clone());
        Ok(origin)
    })
}

/// Equal for tensors that share their storage.
fn storage_of(tensor: &Tensor) -> *const Storage {
    std::ptr::from_ref(&*tensor.storage_and_layout().0)
}

/// Where candle's graph ends in a recorded result: holds the result until candle asks for it, and hands its gradient to the
/// tape that asks for gradients.
struct Recorded(Mutex<Option<Made>>);

impl Recorded {
    /// The result; `spare` stays where its storage was.
    fn take(&self, spare: impl FnOnce() -> Result<Storage>) -> Result<(Storage, Shape)> {
        let made = lock(&self.0).take();
        match made {
            Some(Made::Values(values, shape)) => Ok((Storage::Cpu(CpuStorage::F32(values)), shape)),
            Some(Made::Tensor(tensor)) => {
                let swap = Swap(Mutex::new(spare()?));
                tensor.inplace_op1(&swap)?;
                let storage = swap.0.into_inner().unwrap_or_else(PoisonError::into_inner);
                Ok((storage, tensor.shape().clone()))
            }
            None => Err(Error::Msg("a recorded result was asked for twice".to_owned())),
        }
    }
}

impl CustomOp1 for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn cpu_fwd(&self, origin: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        match self.take(|| Ok(Storage::Cpu(origin.try_clone(layout)?)))? {
            (Storage::Cpu(storage), shape) => Ok((storage, shape)),
            _ => Err(elsewhere()),
        }
    }

    fn cuda_fwd(&self, origin: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        match self.take(|| Ok(Storage::Cuda(placeholder(origin, layout)?)))? {
            (Storage::Cuda(storage), shape) => Ok((storage, shape)),
            _ => Err(elsewhere()),
        }
    }

    fn metal_fwd(&self, origin: &MetalStorage, layout: &Layout) -> Result<(MetalStorage, Shape)> {
        match self.take(|| Ok(Storage::Metal(origin.try_clone(layout)?)))? {
            (Storage::Metal(storage), shape) => Ok((storage, shape)),
            _ => Err(elsewhere()),
        }
    }

    fn bwd(&self, _: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        ARRIVED.with_borrow_mut(|list| match list {
            Some(list) => {
                list.push((result.id(), grad.clone()));
                Ok(None)
            }
            None => candle_core::bail!(
                "`backward` of what a tape recorded: its gradients come from `Tape::gradients`"
            ),
        })
    }
}

/// Exchanges a tensor's storage for another of its device.
struct Swap(Mutex<Storage>);

impl InplaceOp1 for Swap {
    fn name(&self) -> &'static str {
        "swap"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> Result<()> {
        match &mut *lock(&self.0) {
            Storage::Cpu(other) => exchange(other, storage),
            _ => Err(elsewhere()),
        }
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Layout) -> Result<()> {
        match &mut *lock(&self.0) {
            Storage::Cuda(other) => exchange(other, storage),
            _ => Err(elsewhere()),
        }
    }

    fn metal_fwd(&self, storage: &mut MetalStorage, _: &Layout) -> Result<()> {
        match &mut *lock(&self.0) {
            Storage::Metal(other) => exchange(other, storage),
            _ => Err(elsewhere()),
        }
    }
}

fn exchange<S>(a: &mut S, b: &mut S) -> Result<()> {
    std::mem::swap(a, b);
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn elsewhere() -> Error {
    Error::Msg("a recorded result lies on another device than its origin".to_owned())
}
