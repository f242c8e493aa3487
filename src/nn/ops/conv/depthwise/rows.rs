//! One row of positions of a depthwise convolution.

use super::Run;
use crate::nn::ops::simd::{Isa, Kernel, Vector, dispatch};
use std::ops::Range;

/// Vectors of channels that a position at the border computes together: as many independent sums hide the latency of an addition.
const VECTORS: usize = 4;

/// A row of positions and what it sees.
pub(super) struct Row<'a> {
    pub(super) src: &'a [f32],
    /// Columns of the source.
    pub(super) width: usize,
    pub(super) channels: usize,
    /// Source pixels from one position to the next.
    pub(super) step: usize,
    /// Taps in a run.
    pub(super) length: usize,
    /// Those that lie in the source.
    pub(super) runs: &'a [Run],
    pub(super) weights: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) clamp: (f32, f32),
    /// Positions of which all taps lie in the row.
    pub(super) inside: Range<usize>,
    pub(super) positions: usize,
    /// Distance between results of neighbouring positions.
    pub(super) pixel: usize,
    pub(super) out: &'a mut [f32],
}

impl Row<'_> {
    /// Computes the row. A copy of the code for each common kernel: with all of them in one function the compiler stops inlining.
    pub(super) fn compute(mut self) {
        match (self.length, self.step) {
            (1, 1) => dispatch(Positions::<1, 1>(&mut self)),
            (2, 1) => dispatch(Positions::<2, 1>(&mut self)),
            (3, 1) => dispatch(Positions::<3, 1>(&mut self)),
            (3, 2) => dispatch(Positions::<3, 2>(&mut self)),
            (5, 1) => dispatch(Positions::<5, 1>(&mut self)),
            (5, 2) => dispatch(Positions::<5, 2>(&mut self)),
            (7, 1) => dispatch(Positions::<7, 1>(&mut self)),
            _ => {
                self.inside = 0..0;
                dispatch(Positions::<1, 1>(&mut self));
            }
        }
    }
}

/// All positions of a row, for runs of `K` taps and a step of `S`; for any others if no position is in `inside`.
struct Positions<'r, 'a, const K: usize, const S: usize>(&'r mut Row<'a>);

impl<const K: usize, const S: usize> Kernel for Positions<'_, '_, K, S> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let row = self.0;
        if row.channels < I::V::LANES {
            (0..row.positions).for_each(|x| row.scalar(isa, x));
            return;
        }
        let (begin, end) = (row.inside.start, row.inside.end);
        let mut x = 0;
        // SAFETY: called by `dispatch` with its vector type and at least as many channels as it has lanes; positions in `inside`
        // have all their taps in the row.
        unsafe {
            while x < row.positions {
                if x < begin || x >= end || end - begin < 4 {
                    row.anywhere::<I::V>(x);
                    x += 1;
                } else if x + 8 <= end {
                    row.together::<I::V, K, S, 8>(x);
                    x += 8;
                } else {
                    // The last four may overlap with those before: they are computed again, to the same values.
                    row.together::<I::V, K, S, 4>(x.min(end - 4));
                    x = (x + 4).min(end);
                }
            }
        }
    }
}

impl Row<'_> {
    /// `P` positions from `x` on, whose taps all lie in the row, so that a weight read once serves all of them.
    ///
    /// # Safety
    /// In a dispatched kernel with vector type `V` only, with at least `V::LANES` channels, and the positions are in `inside`.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "closures and iterators are not certainly inlined")]
    unsafe fn together<V: Vector, const K: usize, const S: usize, const P: usize>(&mut self, x: usize) {
        let channels = self.channels;
        let mut first = 0;
        while first < channels {
            // The last vector may overlap with the one before; it computes the same values again.
            let channel = first.min(channels - V::LANES);
            debug_assert!((x + P - 1) * self.pixel + channel + V::LANES <= self.out.len());
            // SAFETY: the caller's promises; `channel + LANES <= channels`, and `weights` and `bias` have whole rows of them.
            unsafe {
                let mut acc = [self.start::<V>(channel); P];
                for run in self.runs {
                    let column = ((x * S) as isize + run.dx) as usize;
                    let from = self.src.as_ptr().add(run.line + column * channels + channel);
                    let weights = self.weights.as_ptr().add(run.index * channels + channel);
                    for tap in 0..K {
                        let weight = V::load(weights.add(tap * channels));
                        for p in 0..P {
                            acc[p] = V::load(from.add((p * S + tap) * channels)).mul_add(weight, acc[p]);
                        }
                    }
                }
                for p in 0..P {
                    self.finish(acc[p], (x + p) * self.pixel + channel);
                }
            }
            first += V::LANES;
        }
    }

    /// One position, of which some taps may lie outside of the row.
    ///
    /// # Safety
    /// In a dispatched kernel with vector type `V` only, with at least `V::LANES` channels.
    #[inline(always)]
    unsafe fn anywhere<V: Vector>(&mut self, x: usize) {
        let (channels, mut channel) = (self.channels, 0);
        // SAFETY: the caller's promise.
        unsafe {
            while channel + VECTORS * V::LANES <= channels {
                self.vectors::<V, VECTORS>(x, channel);
                channel += VECTORS * V::LANES;
            }
            while channel < channels {
                self.vectors::<V, 1>(x, channel.min(channels - V::LANES));
                channel += V::LANES;
            }
        }
    }

    /// `Q` vectors of channels of a position, of which some taps may lie outside of the row.
    ///
    /// # Safety
    /// As for `anywhere`, and there are as many channels from `channel` on.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "closures and iterators are not certainly inlined")]
    unsafe fn vectors<V: Vector, const Q: usize>(&mut self, x: usize, channel: usize) {
        let channels = self.channels;
        // SAFETY: `taps_inside` gives columns of the row; the channels exist by the caller's promise.
        unsafe {
            let mut acc = [V::splat(0.0); Q];
            for q in 0..Q {
                acc[q] = self.start(channel + q * V::LANES);
            }
            for run in self.runs {
                for tap in self.taps_inside(x, run) {
                    let column = (x * self.step) as isize + run.dx + tap as isize;
                    let from = self.src.as_ptr().add(run.line + column as usize * channels + channel);
                    let weights = self.weights.as_ptr().add((run.index + tap) * channels + channel);
                    for q in 0..Q {
                        let weight = V::load(weights.add(q * V::LANES));
                        acc[q] = V::load(from.add(q * V::LANES)).mul_add(weight, acc[q]);
                    }
                }
            }
            for q in 0..Q {
                self.finish(acc[q], x * self.pixel + channel + q * V::LANES);
            }
        }
    }

    /// The taps of a run whose columns exist.
    #[inline(always)]
    fn taps_inside(&self, x: usize, run: &Run) -> Range<usize> {
        let column = (x * self.step) as isize + run.dx;
        let end = (self.width as isize - column).clamp(0, self.length as isize);
        ((-column).clamp(0, end)) as usize..end as usize
    }

    /// The bias of some channels.
    ///
    /// # Safety
    /// As for `anywhere`, and there are as many channels from `channel` on.
    #[inline(always)]
    unsafe fn start<V: Vector>(&self, channel: usize) -> V {
        // SAFETY: the bias is empty or has a value for each channel.
        unsafe { if self.bias.is_empty() { V::splat(0.0) } else { V::load(self.bias.as_ptr().add(channel)) } }
    }

    /// Writes clamped sums.
    ///
    /// # Safety
    /// As for `anywhere`, and `to` is a place in `out` for as many values.
    #[inline(always)]
    unsafe fn finish<V: Vector>(&mut self, sum: V, to: usize) {
        debug_assert!(to + V::LANES <= self.out.len());
        // SAFETY: the caller's promise.
        unsafe {
            let (low, high) = (V::splat(self.clamp.0), V::splat(self.clamp.1));
            sum.clamp(low, high).store(self.out.as_mut_ptr().add(to));
        }
    }

    /// One position, for fewer channels than a vector has.
    #[inline(always)]
    fn scalar<I: Isa>(&mut self, isa: I, x: usize) {
        for channel in 0..self.channels {
            let mut acc = self.bias.get(channel).copied().unwrap_or(0.0);
            for run in self.runs {
                for tap in self.taps_inside(x, run) {
                    let column = (x * self.step) as isize + run.dx + tap as isize;
                    let value = self.src[run.line + column as usize * self.channels + channel];
                    acc = isa.mul_add(value, self.weights[(run.index + tap) * self.channels + channel], acc);
                }
            }
            let clamped = if acc.is_nan() { acc } else { acc.max(self.clamp.0).min(self.clamp.1) };
            self.out[x * self.pixel + channel] = clamped;
        }
    }
}
