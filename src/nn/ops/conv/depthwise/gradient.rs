//! The weight gradient of a depthwise convolution.

use super::{Run, TASKS, interior, runs_of_row};
use crate::nn::ops::conv::direct::Gather;
use crate::nn::ops::parallel::{add_parts, task_size};
use crate::nn::ops::simd::{Isa, Kernel, Vector, dispatch};
use rayon::prelude::*;
use std::ops::Range;

/// Positions summed up side by side: independent sums hide the latency of the additions.
const PIXELS: usize = 2;

/// The weight gradient `[taps, channels]`; `grad` has one row of `channels` values per position.
pub(in super::super) fn weight_gradient(gather: &Gather<'_>, grad: &[f32]) -> Vec<f32> {
    let (channels, lines) = (gather.size[2], gather.n * gather.positions[0]);
    let len = gather.taps.len() * channels;
    assert!(grad.len() == lines * gather.positions[1] * channels);
    let per_task = task_size(lines, TASKS, 1, lines);
    let (inside, length) = (interior(gather), gather.run_length());
    let mut sums = vec![0.0f32; lines.div_ceil(per_task) * len];
    sums.par_chunks_mut(len).enumerate().for_each(|(task, sum)| {
        for line in task * per_task..((task + 1) * per_task).min(lines) {
            let (picture, y) = (line / gather.positions[0], line % gather.positions[0]);
            let extent = gather.positions[1] * channels;
            let row = GradientRow {
                src: gather.src,
                width: gather.size[1],
                channels,
                step: gather.step,
                length,
                runs: &runs_of_row(gather, length, picture, y),
                grad: &grad[line * extent..(line + 1) * extent],
                inside: inside.clone(),
                sum: &mut *sum,
            };
            row.compute();
        }
    });
    add_parts(sums, len)
}

/// A row of positions, whose products are added to `sum`.
struct GradientRow<'a> {
    src: &'a [f32],
    /// Columns of the source.
    width: usize,
    channels: usize,
    /// Source pixels from one position to the next.
    step: usize,
    /// Taps in a run.
    length: usize,
    /// Those that lie in the source.
    runs: &'a [Run],
    grad: &'a [f32],
    /// Positions of which all taps lie in the row.
    inside: Range<usize>,
    sum: &'a mut [f32],
}

impl GradientRow<'_> {
    /// Adds the products. A copy of the code for each common length of runs, as for the convolution itself.
    fn compute(mut self) {
        for &run in self.runs {
            match self.length {
                3 => dispatch(Taps::<3>(&mut self, run)),
                5 => dispatch(Taps::<5>(&mut self, run)),
                7 => dispatch(Taps::<7>(&mut self, run)),
                _ => (0..self.length).for_each(|tap| {
                    let one = Run { dx: run.dx + tap as isize, index: run.index + tap, ..run };
                    dispatch(Taps::<1>(&mut self, one));
                }),
            }
        }
    }
}

/// The `K` taps of a run.
struct Taps<'r, 'a, const K: usize>(&'r mut GradientRow<'a>, Run);

impl<const K: usize> Kernel for Taps<'_, '_, K> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self(row, run) = self;
        let (channels, lanes) = (row.channels, I::V::LANES);
        let mut channel = 0;
        while channel + lanes <= channels {
            // SAFETY: called by `dispatch` with its vector type; there are `lanes` channels from `channel` on.
            unsafe { row.vector::<I::V, K>(&run, channel) };
            channel += lanes;
        }
        let positions = row.grad.len() / channels;
        for channel in channel..channels {
            for tap in 0..K {
                let sum = &mut row.sum[(run.index + tap) * channels + channel];
                for x in 0..positions {
                    let column = (x * row.step) as isize + run.dx + tap as isize;
                    if (0..row.width as isize).contains(&column) {
                        let value = row.src[run.line + column as usize * channels + channel];
                        *sum = isa.mul_add(value, row.grad[x * channels + channel], *sum);
                    }
                }
            }
        }
    }
}

impl GradientRow<'_> {
    /// The `K` taps of a run, for a vector of channels.
    ///
    /// # Safety
    /// In a dispatched kernel with vector type `V` only, and there are as many channels from `channel` on.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "closures and iterators are not certainly inlined")]
    unsafe fn vector<V: Vector, const K: usize>(&mut self, run: &Run, channel: usize) {
        let (channels, step) = (self.channels, self.step);
        let positions = self.grad.len() / channels;
        let Range { start: begin, end } = self.inside;
        debug_assert!((run.index + K) * channels <= self.sum.len());
        // SAFETY: columns are those of taps in `inside`, or were found to exist; the channels exist by the caller's promise, and
        // `sum` has a row of them for each tap.
        unsafe {
            let mut acc = [[V::splat(0.0); K]; PIXELS];
            let grad = self.grad.as_ptr().add(channel);
            let row = self.src.as_ptr().add(run.line + channel);
            let mut x = begin;
            while x + PIXELS <= end {
                let from = row.add((((x * step) as isize + run.dx) as usize) * channels);
                for p in 0..PIXELS {
                    let g = V::load(grad.add((x + p) * channels));
                    for tap in 0..K {
                        let value = V::load(from.add((p * step + tap) * channels));
                        acc[p][tap] = value.mul_add(g, acc[p][tap]);
                    }
                }
                x += PIXELS;
            }
            for x in (0..begin).chain(x..positions) {
                let g = V::load(grad.add(x * channels));
                for tap in 0..K {
                    let column = (x * step) as isize + run.dx + tap as isize;
                    if column >= 0 && column < self.width as isize {
                        let value = V::load(row.add(column as usize * channels));
                        acc[0][tap] = value.mul_add(g, acc[0][tap]);
                    }
                }
            }
            for tap in 0..K {
                let to = self.sum.as_mut_ptr().add((run.index + tap) * channels + channel);
                acc[0][tap].add(acc[1][tap]).add(V::load(to)).store(to);
            }
        }
    }
}
