//! Depthwise convolution: each channel on its own, vectorised over channels.

use super::direct::{Gather, Place};
use crate::nn::ops::parallel::{Shared, add_parts, task_size};
use crate::nn::ops::simd::{Isa, Kernel, Vector, dispatch};
use rayon::prelude::*;
use std::ops::Range;

/// Pixels computed together, so that a weight read once serves all of them.
const PIXELS: usize = 4;
/// Tasks that an operation is split into, where it is large enough.
const TASKS: usize = 32;

/// A tap in a row of the source: distance of its first value from that of the position, column offset, index of weights.
#[derive(Debug, Clone, Copy)]
struct Tap {
    line: usize,
    dx: isize,
    index: usize,
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

/// The taps of position row `y` of a picture that lie in the source.
fn taps_of_row(gather: &Gather<'_>, picture: usize, y: usize) -> Vec<Tap> {
    let [height, width, channels] = gather.size;
    let inside = |(index, tap): (usize, &[isize; 2])| {
        let source = (y * gather.step) as isize + tap[0];
        (source >= 0 && source < height as isize).then(|| Tap {
            line: (picture * height + source as usize) * width * channels,
            dx: tap[1],
            index,
        })
    };
    gather.taps.iter().enumerate().filter_map(inside).collect()
}

/// Writes `clamp(sum over taps of source * weight + bias)` to its place in `out`. `weights: [taps, channels]`, `bias` empty or
/// `[channels]`.
pub(super) fn convolve(
    gather: &Gather<'_>,
    weights: &[f32],
    bias: &[f32],
    clamp: (f32, f32),
    place: Place,
    out: &mut [f32],
) {
    let [pos_h, pos_w] = gather.positions;
    let (channels, lines) = (gather.size[2], gather.n * pos_h);
    assert!(weights.len() == gather.taps.len() * channels && (bias.is_empty() || bias.len() == channels));
    let shared = Shared::new(out);
    let inside = interior(gather);
    let per_task = task_size(lines, 4 * TASKS, 1, lines);
    (0..lines.div_ceil(per_task)).into_par_iter().for_each(|task| {
        for line in task * per_task..((task + 1) * per_task).min(lines) {
            let (picture, y) = (line / pos_h, line % pos_h);
            let taps = taps_of_row(gather, picture, y);
            let length = (pos_w - 1) * place.step * channels + channels;
            // SAFETY: each row of positions has a row of the target of its own.
            let out = unsafe { shared.part(place.index(picture, y, 0), length) };
            let (step, pixel) = (gather.step, place.step * channels);
            dispatch(Row {
                src: gather.src,
                width: gather.size[1],
                channels,
                step,
                taps: &taps,
                weights,
                bias,
                clamp,
                inside: inside.clone(),
                positions: pos_w,
                pixel,
                out,
            });
        }
    });
}

/// One row of positions.
struct Row<'a> {
    src: &'a [f32],
    width: usize,
    channels: usize,
    step: usize,
    taps: &'a [Tap],
    weights: &'a [f32],
    bias: &'a [f32],
    clamp: (f32, f32),
    inside: Range<usize>,
    positions: usize,
    /// Distance between results of neighbouring positions.
    pixel: usize,
    out: &'a mut [f32],
}

impl Kernel for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(mut self, isa: I) {
        if self.channels < I::V::LANES {
            (0..self.positions).for_each(|x| self.scalar(isa, x));
            return;
        }
        let (begin, end) = (self.inside.start, self.inside.end);
        // SAFETY: called by `dispatch` with its vector type; positions in `inside` have all their taps in the row.
        unsafe {
            for x in (0..begin).chain(end..self.positions) {
                let taps: Vec<Tap> =
                    self.taps.iter().copied().filter(|t| self.column(x, t.dx).is_some()).collect();
                self.pixels::<I::V, 1>(x, &taps);
            }
            let taps = self.taps;
            let mut x = begin;
            while x + PIXELS <= end {
                self.pixels::<I::V, PIXELS>(x, taps);
                x += PIXELS;
            }
            (x..end).for_each(|x| self.pixels::<I::V, 1>(x, taps));
        }
    }
}

impl Row<'_> {
    /// Column of the source under a tap, if there is one.
    #[inline(always)]
    fn column(&self, x: usize, dx: isize) -> Option<usize> {
        let column = (x * self.step) as isize + dx;
        (column >= 0 && column < self.width as isize).then_some(column as usize)
    }

    /// Computes `P` positions from `x` on with `taps`.
    ///
    /// # Safety
    /// In a dispatched kernel with vector type `V` only, at least `V::LANES` channels, and each of `taps` inside of the source
    /// for each of the positions.
    #[inline(always)]
    unsafe fn pixels<V: Vector, const P: usize>(&mut self, x: usize, taps: &[Tap]) {
        let (channels, move_src) = (self.channels, self.step * self.channels);
        let mut first = 0;
        while first < channels {
            // The last vector may overlap with the one before; it computes the same values again.
            let channel = first.min(channels - V::LANES);
            debug_assert!((x + P - 1) * self.pixel + channel + V::LANES <= self.out.len());
            // SAFETY: the caller's promises; `channel + LANES <= channels`, and `weights` and `bias` have whole rows of them.
            unsafe {
                let start = if self.bias.is_empty() {
                    V::splat(0.0)
                } else {
                    V::load(self.bias.as_ptr().add(channel))
                };
                let mut acc = [start; P];
                for tap in taps {
                    let weight = V::load(self.weights.as_ptr().add(tap.index * channels + channel));
                    let column = ((x * self.step) as isize + tap.dx) as usize;
                    let from = self.src.as_ptr().add(tap.line + column * channels + channel);
                    for (i, acc) in acc.iter_mut().enumerate() {
                        *acc = V::load(from.add(i * move_src)).mul_add(weight, *acc);
                    }
                }
                let (low, high) = (V::splat(self.clamp.0), V::splat(self.clamp.1));
                let to = self.out.as_mut_ptr().add(x * self.pixel + channel);
                for (i, acc) in acc.iter().enumerate() {
                    acc.clamp(low, high).store(to.add(i * self.pixel));
                }
            }
            first += V::LANES;
        }
    }

    /// One position, for fewer channels than a vector has.
    #[inline(always)]
    fn scalar<I: Isa>(&mut self, isa: I, x: usize) {
        for channel in 0..self.channels {
            let mut acc = self.bias.get(channel).copied().unwrap_or(0.0);
            for tap in self.taps {
                if let Some(column) = self.column(x, tap.dx) {
                    let value = self.src[tap.line + column * self.channels + channel];
                    acc = isa.mul_add(value, self.weights[tap.index * self.channels + channel], acc);
                }
            }
            let clamped = if acc.is_nan() { acc } else { acc.max(self.clamp.0).min(self.clamp.1) };
            self.out[x * self.pixel + channel] = clamped;
        }
    }
}

/// The weight gradient `[taps, channels]`; `grad` has one row of `channels` values per position.
pub(super) fn weight_gradient(gather: &Gather<'_>, grad: &[f32]) -> Vec<f32> {
    let (channels, lines) = (gather.size[2], gather.n * gather.positions[0]);
    let len = gather.taps.len() * channels;
    assert!(grad.len() == lines * gather.positions[1] * channels);
    let per_task = task_size(lines, TASKS, 1, lines);
    let mut sums = vec![0.0f32; lines.div_ceil(per_task) * len];
    sums.par_chunks_mut(len).enumerate().for_each(|(task, sum)| {
        let lines = task * per_task..((task + 1) * per_task).min(lines);
        dispatch(WeightRows { gather, grad, lines, sum });
    });
    add_parts(sums, len)
}

/// Sums of some rows of positions.
struct WeightRows<'a> {
    gather: &'a Gather<'a>,
    grad: &'a [f32],
    lines: Range<usize>,
    sum: &'a mut [f32],
}

impl Kernel for WeightRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let gather = self.gather;
        let ([pos_h, pos_w], [_, width, channels]) = (gather.positions, gather.size);
        for line in self.lines {
            let taps = taps_of_row(gather, line / pos_h, line % pos_h);
            let grad = &self.grad[line * pos_w * channels..(line + 1) * pos_w * channels];
            for tap in &taps {
                // The positions for which this tap lies in the row.
                let step = gather.step as isize;
                let begin = ((-tap.dx).max(0) + step - 1) / step;
                let end = ((width as isize - 1 - tap.dx).div_euclid(step) + 1).clamp(0, pos_w as isize);
                if begin >= end {
                    continue;
                }
                let from = tap.line + (begin * step + tap.dx) as usize * channels;
                let src =
                    &gather.src[from..from + (end - begin - 1) as usize * gather.step * channels + channels];
                let grad = &grad[begin as usize * channels..end as usize * channels];
                let sum = &mut self.sum[tap.index * channels..(tap.index + 1) * channels];
                add_products(isa, src, gather.step * channels, grad, sum);
            }
        }
    }
}

/// `sum[c] += sum over pixels of src[pixel * src_step + c] * grad[pixel * channels + c]`.
#[inline(always)]
fn add_products<I: Isa>(isa: I, src: &[f32], src_step: usize, grad: &[f32], sum: &mut [f32]) {
    let (channels, lanes) = (sum.len(), I::V::LANES);
    let pixels = grad.len() / channels;
    debug_assert!((pixels - 1) * src_step + channels <= src.len());
    let whole = channels / lanes * lanes;
    for channel in (0..whole).step_by(lanes) {
        // SAFETY: called in a dispatched kernel with its vector type; each access is inside of `channels` values of a pixel.
        unsafe {
            // Independent sums hide the latency of the additions.
            let mut acc = [I::V::splat(0.0); PIXELS];
            let (mut s, mut g) = (src.as_ptr().add(channel), grad.as_ptr().add(channel));
            for i in 0..pixels {
                acc[i % PIXELS] = I::V::load(s).mul_add(I::V::load(g), acc[i % PIXELS]);
                s = s.wrapping_add(src_step);
                g = g.wrapping_add(channels);
            }
            let one = I::V::splat(1.0);
            let total = acc[0].mul_add(one, acc[1]).mul_add(one, acc[2].mul_add(one, acc[3]));
            let to = sum.as_mut_ptr().add(channel);
            total.mul_add(one, I::V::load(to)).store(to);
        }
    }
    for channel in whole..channels {
        for pixel in 0..pixels {
            sum[channel] =
                isa.mul_add(src[pixel * src_step + channel], grad[pixel * channels + channel], sum[channel]);
        }
    }
}
