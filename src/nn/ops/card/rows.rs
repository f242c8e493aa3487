//! Rows of values, a warp for each: the host's side of `kernels/rows.cuh`.

use super::launch::{Grid, MAX_THREADS};
use candle_core::Result;

/// Threads of a warp.
const LANES: u32 = 32;

impl Grid {
    /// A warp for each of `rows` rows.
    pub(crate) fn of_rows(rows: usize) -> Result<Self> {
        let down = MAX_THREADS / LANES;
        let blocks = u32::try_from(rows.div_ceil(down as usize))?;
        Ok(Self { blocks: [blocks, 1], threads: [LANES, down] })
    }
}
