//! Channels of whole pictures: the host's side of `kernels/pictures.cu`.

use super::launch::{Fresh, Grid, Launch, MAX_THREADS, vector_width};
use candle_core::{Result, Tensor, bail};

const FILE: &str = "pictures";
/// Threads of a block side by side.
const SIDE: usize = 32;
/// Positions that a thread should take at least.
const POSITIONS: usize = 8;
/// Blocks that a pass should have at least, to fill the largest cards.
const BLOCKS: usize = 512;

/// Sums over the positions of each picture of `a: [N, positions, C]`, or of its products with `b`, times `scale`: `[N, C]` in f32.
pub(crate) fn picture_sums(a: &Tensor, b: Option<&Tensor>, scale: f32) -> Result<Tensor> {
    let (pictures, positions, channels) = a.dims3()?;
    let (a, b) = (a.contiguous()?, b.map(Tensor::contiguous).transpose()?);
    if b.as_ref().is_some_and(|b| b.elem_count() != a.elem_count() || b.dtype() != a.dtype()) {
        bail!("products of maps of {:?} with {b:?}", a.dims());
    }
    let width = vector_width(channels, &[&a].into_iter().chain(&b).collect::<Vec<_>>());
    let across = channels.div_ceil(width as usize);
    let side = across.next_power_of_two().min(SIDE);
    let down = MAX_THREADS as usize / side;
    let blocks_across = across.div_ceil(side);
    // As many parts of each picture as fill a card.
    let parts = positions.div_ceil(down * POSITIONS).min(BLOCKS.div_ceil(blocks_across * pictures)).max(1);
    let each = positions.div_ceil(parts).next_multiple_of(down);
    let parts = positions.div_ceil(each);
    let mut sums = Fresh::floats(&a, (pictures, parts, channels))?;
    let launch = Launch::of(FILE, "picture_sums", a.dtype())?.read(&a).read_if(b.as_ref()).write(&mut sums);
    let launch = [positions, channels, parts, each]
        .into_iter()
        .try_fold(launch, |launch, count| Ok::<_, candle_core::Error>(launch.count(u32::try_from(count)?)))?;
    let last = parts == 1;
    let grid = Grid {
        blocks: [u32::try_from(blocks_across)?, u32::try_from(pictures * parts)?],
        threads: [u32::try_from(side)?, u32::try_from(down)?],
    };
    // SAFETY: blocks read positions and channels of their picture, and each writes one row of sums.
    unsafe { launch.number(if last { scale } else { 1.0 }).count(width).run(grid)? };
    let sums = sums.into_tensor();
    if last { sums.reshape((pictures, channels)) } else { picture_sums(&sums, None, scale) }
}

/// `x * factors + offsets` of `x: [N, positions, C]`, with `[N, C]` factors and, if there are any, offsets in f32.
pub(crate) fn gate(x: &Tensor, factors: &Tensor, offsets: Option<&Tensor>) -> Result<Tensor> {
    let (pictures, positions, channels) = x.dims3()?;
    let (x, factors, offsets) =
        (x.contiguous()?, factors.contiguous()?, offsets.map(Tensor::contiguous).transpose()?);
    if [&factors].into_iter().chain(&offsets).any(|t| t.dims() != [pictures, channels]) {
        bail!("maps of {:?} with factors {:?} and offsets {offsets:?}", x.dims(), factors.dims());
    }
    let width = vector_width(channels, &[&x, &factors].into_iter().chain(&offsets).collect::<Vec<_>>());
    let items = x.elem_count() / width as usize;
    let mut y = Fresh::like(&x, x.shape().clone())?;
    let launch = Launch::of(FILE, "gate", x.dtype())?.read(&x).read(&factors).read_if(offsets.as_ref());
    let launch = launch.write(&mut y).count(u32::try_from(positions)?).count(u32::try_from(channels)?);
    // SAFETY: each thread reads and writes neighbouring channels of one position, and reads those of its picture's factors.
    unsafe { launch.count(u32::try_from(items)?).count(width).run(Grid::of_threads(items)?)? };
    Ok(y.into_tensor())
}

#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod tests {
    use super::super::emulated;
    use super::*;
    use crate::nn::ops::testing::{flat, wave};
    use candle_core::DType;

    #[test]
    fn sums_of_pictures_are_those_of_their_positions() {
        emulated(|| {
            // Of one part each, and of several, of both widths.
            for (n, positions, channels) in [(3, 5, 7), (2, 49, 64), (1, 3000, 3), (2, 2500, 24)] {
                let [a, b] = [0.7, 1.1].map(|pace| wave(&[n, positions, channels], pace));
                let short = |t: &Tensor| t.to_dtype(DType::BF16).unwrap();
                for (a, b) in [(a.clone(), b.clone()), (short(&a), short(&b))] {
                    let [wide_a, wide_b] = [&a, &b].map(|t| t.to_dtype(DType::F64).unwrap());
                    let close = |got: Tensor, want: Tensor| {
                        let want = flat(&(want.sum(1).unwrap() * 0.5).unwrap().to_dtype(DType::F32).unwrap());
                        for (got, want) in flat(&got).into_iter().zip(want) {
                            assert!((got - want).abs() < 2e-6 * positions as f32, "{got} {want}");
                        }
                    };
                    close(picture_sums(&a, None, 0.5).unwrap(), wide_a.clone());
                    close(picture_sums(&a, Some(&b), 0.5).unwrap(), (wide_a * wide_b).unwrap());
                }
            }
        });
    }
}
