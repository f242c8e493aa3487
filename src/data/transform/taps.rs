//! What the antialiased filters of [`resize`](super::resize) sum: the same whole numbers, for devices that sum them themselves.

use super::{Axis, EvalCut, span};
use crate::config::{Interpolation, Preprocess};
use crate::error::Result;
use crate::nn::ops::card::Taps;
use std::iter::repeat_n;

/// Bits of a sum of levels times taps, which has room for values below 0 and above 255.
const SUM_BITS: u32 = 32 - 8 - 2;
/// Largest tap, exclusive.
const LARGEST: f64 = (1 << 15) as f64;

/// The taps that resize an axis of `size` pixels to `results`, as Pillow computes them: shares in double precision, brought to whole
/// numbers with as many bits behind the point as 16 bits have room for.
pub(in crate::data) fn taps(size: usize, results: usize, filter: Interpolation) -> Taps {
    taps_of_part(size, (0.0, size as f64), results, filter)
}

/// What [`eval_picture`](super::eval_picture) needs of a picture of these dimensions (the first row and column, rows and columns), and
/// the taps from those rows and from those columns to its square. Black is what has no taps.
///
/// # Errors
/// If the picture is empty.
pub(in crate::data) fn eval_taps(dimensions: (u32, u32), p: &Preprocess) -> Result<([usize; 4], [Taps; 2])> {
    let EvalCut { source, x, y } = EvalCut::of(dimensions, p)?;
    let (top, height, down) = axis_taps(dimensions.1, (source.top, source.height), &y, p);
    let (left, width, across) = axis_taps(dimensions.0, (source.left, source.width), &x, p);
    Ok(([top, left, height, width], [down, across]))
}

/// The first position of an axis of `size` pixels that counts for a part of it, how many do, and their taps.
fn axis_taps(size: u32, (start, len): (f64, f64), axis: &Axis, p: &Preprocess) -> (usize, usize, Taps) {
    let Taps { bits, rows } = taps_of_part(size as usize, span(start, len, size), axis.len, p.interpolation);
    let first = rows.iter().map(|(first, _)| *first).min().unwrap_or(0);
    let end = rows.iter().map(|(first, taps)| first + taps.len()).max().unwrap_or(0);
    let black = |count| repeat_n((0, Vec::new()), count);
    let seen = rows.into_iter().map(|(at, taps)| (at - first, taps));
    let rows = black(axis.pad).chain(seen).chain(black(p.crop_px - axis.pad - axis.len)).collect();
    (first, end - first, Taps { bits, rows })
}

/// The taps of a part of the axis, given by its first edge and its length; what lies on the axis outside of it counts where the filter
/// reaches it.
fn taps_of_part(size: usize, (start, len): (f64, f64), results: usize, filter: Interpolation) -> Taps {
    if len == results as f64 && start == start.round() {
        // Nothing is to be done, which a single tap does exactly.
        let first = start as usize;
        return Taps { bits: 1, rows: (first..first + results).map(|at| (at, vec![2])).collect() };
    }
    let (share, radius): (fn(f64) -> f64, f64) = match filter {
        Interpolation::Bilinear => (bilinear, 1.0),
        Interpolation::Bicubic => (catmull_rom, 2.0),
    };
    // The end is rounded before the length is taken again.
    let end = start + len;
    let scale = (end - start) / results as f64;
    let stretch = scale.max(1.0);
    let (radius, shrink) = (radius * stretch, 1.0 / stretch);
    let row = |i: usize| {
        let center = start + (i as f64 + 0.5) * scale;
        let first = (center - radius).floor().max(0.0) as usize;
        let end = (center + radius).ceil().min(size as f64) as usize;
        let mut shares: Vec<f64> =
            (first..end).map(|x| share((x as f64 - (center - 0.5)) * shrink)).collect();
        let total: f64 = shares.iter().sum();
        if total != 0.0 {
            shares.iter_mut().for_each(|share| *share /= total);
        }
        (first, shares)
    };
    let rows: Vec<(usize, Vec<f64>)> = (0..results).map(row).collect();
    let most = rows.iter().flat_map(|(_, shares)| shares).fold(f64::NEG_INFINITY, |m, &s| m.max(s));
    let fits = |bits: &u32| (most * f64::from(1u32 << (bits + 1))).round() < LARGEST;
    let bits = (0..SUM_BITS).find(|bits| !fits(bits)).unwrap_or(SUM_BITS - 1);
    let point = f64::from(1u32 << bits);
    let whole = |(first, shares): (usize, Vec<f64>)| {
        (first, shares.into_iter().map(|share| (share * point).round() as i32).collect())
    };
    Taps { bits, rows: rows.into_iter().map(whole).collect() }
}

fn bilinear(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// Keys (1981), with a = -0.5.
fn catmull_rom(x: f64) -> f64 {
    let x = x.abs();
    match x {
        ..1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        1.0..2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5,
        _ => 0.0,
    }
}
