//! Plain slices under contiguous CPU tensors, and fixed partitions of work over them.

use candle_core::{CpuStorage, Error, Layout, Result, Storage, Tensor};

/// Values in one parcel of elementwise work. Partitions depend on shapes alone, so results do not depend on the number of
/// threads.
pub(crate) const PARCEL: usize = 1 << 15;

/// The values of a contiguous argument of a custom op.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout, op: &'static str) -> Result<&'a [f32]> {
    let (start, end) = layout.contiguous_offsets().ok_or(Error::RequiresContiguous { op })?;
    storage.as_slice::<f32>()?.get(start..end).ok_or_else(|| Error::Msg(format!("{op}: storage too short")))
}

/// Calls `f` with the values of a contiguous f32 tensor on the CPU.
pub(crate) fn with_slice<R>(
    tensor: &Tensor,
    op: &'static str,
    f: impl FnOnce(&[f32]) -> Result<R>,
) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(slice(storage, layout, op)?),
        _ => Err(Error::Msg(format!("{op}: only implemented on the processor"))),
    }
}
