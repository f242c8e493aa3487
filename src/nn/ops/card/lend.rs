//! Values that a kernel changes in place: their storage is lent for the launch.

use candle_core::{CpuStorage, CudaStorage, InplaceOp1, Layout, Result, Tensor, bail};
use std::any::Any;
use std::cell::RefCell;

/// Calls its second argument with the address of a storage's values, which is in use until that returns.
pub(super) type WithAddress<'a> = dyn Fn(&mut dyn Any, &mut dyn FnMut(u64) -> Result<()>) -> Result<()> + 'a;

/// Calls `launch` with the addresses of tensors that are changed in place among the `values`, each where it belongs, all of them locked.
///
/// # Errors
/// Of `launch`; if a tensor's storage is not one that `with_address` knows, or a tensor is given twice.
pub(super) fn with_updates(
    updated: &[(usize, &Tensor)],
    values: &mut [u64],
    with_address: &WithAddress<'_>,
    launch: &mut dyn FnMut(&mut [u64]) -> Result<()>,
) -> Result<()> {
    let Some(((at, tensor), others)) = updated.split_first() else { return launch(values) };
    let size = tensor.dtype().size_in_bytes();
    let body = |storage: &mut dyn Any, layout: &Layout| {
        with_address(storage, &mut |begin| {
            values[*at] = begin + (layout.start_offset() * size) as u64;
            with_updates(others, values, with_address, launch)
        })
    };
    tensor.inplace_op1(&Lend(RefCell::new(body)))
}

/// Calls its function with the storage of the tensor that it is applied to.
struct Lend<F>(RefCell<F>);

impl<F: FnMut(&mut dyn Any, &Layout) -> Result<()>> Lend<F> {
    fn lend(&self, storage: &mut dyn Any, layout: &Layout) -> Result<()> {
        match self.0.try_borrow_mut() {
            Ok(mut body) => body(storage, layout),
            Err(_) => bail!("values were lent twice"),
        }
    }
}

impl<F: FnMut(&mut dyn Any, &Layout) -> Result<()>> InplaceOp1 for Lend<F> {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        self.lend(storage, layout)
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, layout: &Layout) -> Result<()> {
        self.lend(storage, layout)
    }
}
