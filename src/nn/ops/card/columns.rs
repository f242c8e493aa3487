//! Rows of channels spread over blocks: the host's side of `kernels/columns.cuh` and `kernels/columns.cu`.

use super::launch::{Fresh, Grid, Launch, MAX_THREADS, vector_width};
use super::parts::join_parts;
use crate::nn::ops::Activation;
use candle_core::{DType, Result, Tensor};

const FILE: &str = "columns";

/// Most threads of a block side by side: a warp's read and write one stretch of memory.
const SIDE: usize = 32;
/// Threads of a block side by side, where they join what blocks have summed: 32 bytes, the least that a card reads.
const JOINING: usize = 8;

/// What a pass makes of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pass {
    /// Other rows.
    Map,
    /// Sums, a row of them for each row of blocks.
    Sums,
}

impl Pass {
    /// Rows that a thread takes at least, and blocks that are enough to fill the largest cards a few times over: sums are read
    /// again, and so are in fewer parts.
    fn sizes(self) -> (usize, usize) {
        match self {
            Self::Map => (8, 8192),
            Self::Sums => (16, 2048),
        }
    }
}

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
    /// The partition of `tensors`, of one shape `[.., channels]` and one type; `per_channel`, in f32, are read in the same width.
    pub(crate) fn of(pass: Pass, tensors: &[&Tensor], per_channel: &[&Tensor]) -> Result<Self> {
        let first =
            tensors.first().ok_or_else(|| candle_core::Error::Msg("columns of nothing".to_owned()))?;
        // A kernel would read past the end of narrower values than it expects.
        if let Some(other) = tensors.iter().find(|t| t.dtype() != first.dtype() || t.dims() != first.dims()) {
            candle_core::bail!(
                "columns of {:?} {:?} beside {:?} {:?}",
                first.dtype(),
                first.dims(),
                other.dtype(),
                other.dims()
            );
        }
        if let Some(other) = per_channel.iter().find(|t| t.dtype() != DType::F32) {
            candle_core::bail!("values a channel in {:?}", other.dtype());
        }
        let channels = first.dim(candle_core::D::Minus1)?;
        let rows = first.elem_count() / channels;
        let all: Vec<&Tensor> = tensors.iter().chain(per_channel).copied().collect();
        let width = vector_width(channels, &all);
        let across = channels.div_ceil(width as usize);
        let side = across.next_power_of_two().min(SIDE);
        let down = MAX_THREADS as usize / side;
        let blocks_across = across.div_ceil(side);
        let (least_rows, blocks) = pass.sizes();
        let blocks_down = rows.div_ceil(down * least_rows).min(blocks.div_ceil(blocks_across)).max(1);
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

/// Sums of the columns of rows of `columns` values, or of the products of two tensors, `[columns]` in f32.
pub(crate) fn column_sums(a: &Tensor, b: Option<&Tensor>, columns: usize) -> Result<Tensor> {
    let rows = |t: &Tensor| t.contiguous()?.reshape(((), columns));
    let (a, b) = (rows(a)?, b.map(rows).transpose()?);
    let maps: Vec<&Tensor> = [&a].into_iter().chain(&b).collect();
    let columns = Columns::of(Pass::Sums, &maps, &[])?;
    let mut parts = Fresh::floats(&a, columns.shape_of_parts())?;
    let launch = Launch::of(FILE, "column_sums", a.dtype())?.read(&a).read_if(b.as_ref()).write(&mut parts);
    // SAFETY: the kernel reads the rows and columns of both, and writes one row of sums for each row of blocks.
    unsafe { columns.counts(launch).count(columns.width()).run(columns.grid())? };
    join_parts(&parts.into_tensor(), columns.channels as usize)
}

/// What is done to `x` by [`channelwise`]: `act((x + bias) * scale + addend)`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Channelwise<'a> {
    /// `[C]`.
    pub(crate) bias: Option<&'a Tensor>,
    /// `[C]`.
    pub(crate) scale: Option<&'a Tensor>,
    /// In the shape of `x`.
    pub(crate) addend: Option<&'a Tensor>,
    pub(crate) act: Activation,
}

impl Channelwise<'_> {
    /// Whether it leaves everything as it is.
    pub(crate) fn is_nothing(&self) -> bool {
        self.bias.or(self.scale).or(self.addend).is_none() && self.act == Activation::Identity
    }
}

/// A pass over `x: [.., C]`.
pub(crate) fn channelwise(
    x: &Tensor,
    Channelwise { bias, scale, addend, act }: Channelwise<'_>,
) -> Result<Tensor> {
    // Products round their parameters with their operands; values a channel are read in f32.
    let floats = |t: Option<&Tensor>| t.map(|t| t.to_dtype(DType::F32)?.contiguous()).transpose();
    let (bias, scale) = (floats(bias)?, floats(scale)?);
    let (x, addend) = (x.contiguous()?, addend.map(Tensor::contiguous).transpose()?);
    let maps: Vec<&Tensor> = [&x].into_iter().chain(&addend).collect();
    let per_channel: Vec<&Tensor> = bias.iter().chain(&scale).collect();
    let columns = Columns::of(Pass::Map, &maps, &per_channel)?;
    let channels = columns.channels as usize;
    if per_channel.iter().any(|t| t.elem_count() != channels) {
        candle_core::bail!("values a channel that do not fit {:?}: {per_channel:?}, {addend:?}", x.dims());
    }
    let mut y = Fresh::like(&x, x.shape().clone())?;
    let launch = Launch::of(FILE, "channelwise", x.dtype())?
        .read(&x)
        .read_if(bias.as_ref())
        .read_if(scale.as_ref())
        .read_if(addend.as_ref())
        .write(&mut y);
    // SAFETY: the kernel reads and writes the rows and columns of maps of one shape, and reads values of each channel.
    unsafe { columns.counts(launch).count(act as u32).count(columns.width()).run(columns.grid())? };
    Ok(y.into_tensor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::testing::wave;

    #[test]
    fn columns_cover_all_rows() {
        for shape in [[1, 1], [3, 5], [1000, 3], [70_000, 64], [513, 2048], [4, 10_000]] {
            let x = wave(&shape, 0.7);
            for pass in [Pass::Map, Pass::Sums] {
                covers(Columns::of(pass, &[&x], &[]).unwrap(), shape);
            }
        }
    }

    fn covers(columns: Columns, shape: [usize; 2]) {
        let grid = columns.grid;
        assert_eq!(grid.threads[0] * grid.threads[1], MAX_THREADS, "{shape:?}");
        assert!(grid.threads[1].is_power_of_two(), "{shape:?}");
        assert!((grid.blocks[0] * grid.threads[0] * columns.width) as usize >= shape[1]);
        let (rows, each) = (shape[0], columns.rows_per_block as usize);
        assert_eq!(rows.div_ceil(each), columns.parts() as usize, "{shape:?}");
        assert!(grid.blocks[1] < 0x1_0000);
    }
}
