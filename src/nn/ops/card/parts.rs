//! Sums that blocks have taken, joined: the host's side of `kernels/parts.cu`.

use super::launch::{Fresh, Grid, Launch, MAX_THREADS};
use candle_core::{Result, Tensor};

/// Columns that a block joins.
const SIDE: u32 = 32;

/// The sums of the columns of `parts: [parts, columns]`, f32, in the given shape.
pub(crate) fn join_parts(parts: &Tensor, shape: impl Into<candle_core::Shape>) -> Result<Tensor> {
    let (count, columns) = parts.dims2()?;
    if count == 1 {
        return parts.reshape(shape.into());
    }
    let columns = u32::try_from(columns)?;
    let mut sums = Fresh::floats(parts, columns as usize)?;
    let launch = Launch::of("parts", "join", parts.dtype())?.read(parts).write(&mut sums);
    let launch = launch.count(columns).count(u32::try_from(count)?);
    let grid = Grid { blocks: [columns.div_ceil(SIDE), 1], threads: [SIDE, MAX_THREADS / SIDE] };
    // SAFETY: the kernel reads all parts of its columns, and writes one value a column.
    unsafe { launch.run(grid)? };
    sums.into_tensor().reshape(shape.into())
}
