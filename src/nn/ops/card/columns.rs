//! Rows of channels spread over blocks: the host's side of `kernels/columns.cuh`.

use super::launch::{Grid, Launch, MAX_THREADS, vector_width};
use candle_core::{Result, Tensor};

/// Blocks that a pass should have at least, to fill the largest cards a few times over.
const BLOCKS: usize = 1024;
/// Rows that a thread should take at least, where it sums them.
const ROWS: usize = 16;
/// Threads of a block side by side, where they join what blocks have summed.
const JOINING: usize = 32;

/// A partition of `[rows, channels]` that depends on the shape alone, so that sums do not depend on the card.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    rows: u32,
    channels: u32,
    rows_per_block: u32,
    width: u32,
    grid: Grid,
}

impl Columns {
    /// The partition of `tensors`, of one shape `[.., channels]` and one type; `per_channel` are read in the same width.
    pub(crate) fn of(tensors: &[&Tensor], per_channel: &[&Tensor]) -> Result<Self> {
        let first =
            tensors.first().ok_or_else(|| candle_core::Error::Msg("columns of nothing".to_owned()))?;
        let channels = first.dim(candle_core::D::Minus1)?;
        let rows = first.elem_count() / channels;
        let all: Vec<&Tensor> = tensors.iter().chain(per_channel).copied().collect();
        let width = vector_width(channels, &all);
        let across = channels.div_ceil(width as usize);
        let side = across.next_power_of_two().min(JOINING);
        let down = MAX_THREADS as usize / side;
        let blocks_across = across.div_ceil(side);
        let blocks_down = rows.div_ceil(down * ROWS).min(BLOCKS.div_ceil(blocks_across)).max(1);
        // Whole turns of the block's rows, so that its threads have the same to do.
        let rows_per_block = rows.div_ceil(blocks_down).next_multiple_of(down);
        let blocks_down = rows.div_ceil(rows_per_block);
        Ok(Self {
            rows: u32::try_from(rows)?,
            channels: u32::try_from(channels)?,
            rows_per_block: u32::try_from(rows_per_block)?,
            width,
            grid: Grid {
                blocks: [u32::try_from(blocks_across)?, u32::try_from(blocks_down)?],
                threads: [u32::try_from(side)?, u32::try_from(down)?],
            },
        })
    }

    pub(crate) fn grid(self) -> Grid {
        self.grid
    }

    pub(crate) fn rows(self) -> u32 {
        self.rows
    }

    pub(crate) fn width(self) -> u32 {
        self.width
    }

    /// How many sums of each channel the blocks give.
    pub(crate) fn parts(self) -> u32 {
        self.grid.blocks[1]
    }

    /// The shape of the blocks' sums, `[parts, channels]`.
    pub(crate) fn shape_of_parts(self) -> (usize, usize) {
        (self.parts() as usize, self.channels as usize)
    }

    /// The grid that joins the blocks' sums: one column of threads for each channel.
    pub(crate) fn joining(self) -> Grid {
        let side = JOINING as u32;
        Grid { blocks: [self.channels.div_ceil(side), 1], threads: [side, MAX_THREADS / side] }
    }

    /// The next arguments of a launch: rows, channels and rows a block.
    pub(crate) fn counts(self, launch: Launch<'_>) -> Launch<'_> {
        launch.count(self.rows).count(self.channels).count(self.rows_per_block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::testing::wave;

    #[test]
    fn columns_cover_all_rows() {
        for shape in [[1, 1], [3, 5], [1000, 3], [70_000, 64], [513, 2048], [4, 10_000]] {
            let x = wave(&shape, 0.7);
            let columns = Columns::of(&[&x], &[]).unwrap();
            let grid = columns.grid;
            assert_eq!(grid.threads[0] * grid.threads[1], 256, "{shape:?}");
            assert!(grid.threads[1].is_power_of_two(), "{shape:?}");
            assert!((grid.blocks[0] * grid.threads[0] * columns.width) as usize >= shape[1]);
            let (rows, each) = (shape[0], columns.rows_per_block as usize);
            assert_eq!(rows.div_ceil(each), columns.parts() as usize, "{shape:?}");
            assert!(grid.blocks[1] < 0x1_0000);
        }
    }
}
