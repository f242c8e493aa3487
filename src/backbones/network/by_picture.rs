//! Running frozen layers picture by picture.

use crate::backbones::block::Part;
use crate::error::Result;
use crate::nn::layers::Forward;
use crate::nn::ops::parallel::alone;
use crate::nn::ops::tensors;
use candle_core::Tensor;
use rayon::prelude::*;

/// Values of a layer's parameters up to which they stay in a second-level cache beside the picture.
const MOST_WEIGHTS: usize = 300_000;
/// Pictures for each thread from which on no layer has to be split to keep all of them busy.
const PICTURES_PER_THREAD: usize = 4;
/// Positions of a map from which on one picture is work enough for a matrix product.
const FEWEST_POSITIONS: usize = 14 * 14;

/// Runs as many of the first layers as suit it on each picture by itself, and gives how many those were.
///
/// What such a layer makes of one picture stays in the processor's caches until the next has read it; of a batch it would go to
/// memory and back. Other devices are kept busy by whole batches.
pub(super) fn by_picture(f: &Forward<'_>, layers: &[&Part], x: &Tensor) -> Result<(usize, Tensor)> {
    let suits = |part: &Part, x: &Tensor| {
        let positions: usize = x.dims()[1..].iter().rev().skip(1).product();
        part.weights <= MOST_WEIGHTS && positions >= FEWEST_POSITIONS
    };
    let (count, store) = (x.dim(0)?, f.store);
    if tensors::serve(x) || count < 2 || x.rank() != 4 || !layers.first().is_some_and(|part| suits(part, x)) {
        return Ok((0, x.clone()));
    }
    let run = |i: usize| -> Result<(usize, Tensor)> {
        let f = Forward::eval(store);
        let mut y = x.narrow(0, i, 1)?;
        for (done, part) in layers.iter().enumerate() {
            if !suits(part, &y) {
                return Ok((done, y));
            }
            y = part.layer.forward(&f, &y)?;
        }
        Ok((layers.len(), y))
    };
    let enough = count >= PICTURES_PER_THREAD * rayon::current_num_threads();
    let one = |i: usize| if enough { alone(|| run(i)) } else { run(i) };
    let results = (0..count).into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let done = results.first().map_or(0, |(done, _)| *done);
    let pictures: Vec<Tensor> = results.into_iter().map(|(_, y)| y).collect();
    Ok((done, Tensor::cat(&pictures, 0)?))
}
