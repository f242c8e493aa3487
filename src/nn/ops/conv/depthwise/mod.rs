//! Depthwise convolution: each channel on its own, vectorised over channels.

mod gradient;
mod rows;

pub(super) use gradient::weight_gradient;

use super::direct::{Gather, Place};
use crate::nn::ops::Activation;
use crate::nn::ops::parallel::{Shared, parts, task_size};
use rayon::prelude::*;
use rows::Row;
use std::ops::Range;

/// Tasks that an operation is split into, where it is large enough.
const TASKS: usize = 32;

/// Taps side by side in a row of the source.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// First value of the source's row.
    line: usize,
    /// Column of the first tap, from the position's.
    dx: isize,
    /// Index of the first tap's weights; those of the others follow.
    index: usize,
}

/// The runs of position row `y` of a picture that lie in the source.
fn runs_of_row(gather: &Gather<'_>, length: usize, picture: usize, y: usize) -> Vec<Run> {
    let [height, width, channels] = gather.size;
    let inside = |(run, tap): (usize, &[isize; 2])| {
        let source = (y * gather.step) as isize + tap[0];
        (source >= 0 && source < height as isize).then(|| Run {
            line: (picture * height + source as usize) * width * channels,
            dx: tap[1],
            index: run * length,
        })
    };
    gather.taps.iter().step_by(length).enumerate().filter_map(inside).collect()
}

/// Positions of a row whose taps all lie in the source; the same for each row.
fn interior(gather: &Gather<'_>) -> Range<usize> {
    let (width, step) = (gather.size[1] as isize, gather.step as isize);
    let low = gather.taps.iter().map(|t| -t[1]).max().unwrap_or(0).max(0);
    let high = gather.taps.iter().map(|t| width - 1 - t[1]).min().unwrap_or(0);
    let begin = ((low + step - 1) / step).min(gather.positions[1] as isize);
    let end = if high < 0 { 0 } else { (high / step + 1).min(gather.positions[1] as isize) };
    begin as usize..end.max(begin) as usize
}

/// Writes `act(clamp(sum over taps of source * weight + bias))` to its place in `out`. `weights: [taps, channels]`, `bias` empty
/// or `[channels]`. An activation needs positions that lie side by side in `out`.
pub(super) fn convolve(
    gather: &Gather<'_>,
    weights: &[f32],
    bias: &[f32],
    (clamp, act): ((f32, f32), Activation),
    place: Place,
    out: &mut [f32],
) {
    let [pos_h, pos_w] = gather.positions;
    let (channels, lines) = (gather.size[2], gather.n * pos_h);
    assert!(weights.len() == gather.taps.len() * channels && (bias.is_empty() || bias.len() == channels));
    assert!(act == Activation::Identity || place.step == 1, "activation of every {}th pixel", place.step);
    let shared = Shared::new(out);
    let (inside, length) = (interior(gather), gather.run_length());
    let per_task = task_size(lines, parts(4 * TASKS), 1, lines);
    (0..lines.div_ceil(per_task)).into_par_iter().for_each(|task| {
        for line in task * per_task..((task + 1) * per_task).min(lines) {
            let (picture, y) = (line / pos_h, line % pos_h);
            let extent = (pos_w - 1) * place.step * channels + channels;
            // SAFETY: each row of positions has a row of the target of its own.
            let out = unsafe { shared.part(place.index(picture, y, 0), extent) };
            let row = Row {
                src: gather.src,
                width: gather.size[1],
                channels,
                step: gather.step,
                length,
                runs: &runs_of_row(gather, length, picture, y),
                weights,
                bias,
                clamp,
                inside: inside.clone(),
                positions: pos_w,
                pixel: place.step * channels,
                out: &mut *out,
            };
            row.compute();
            act.rewrite(out);
        }
    });
}
