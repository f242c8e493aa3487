//! Convolution with 3x3 kernels and stride 1 in a quarter of the multiplications: Winograd's F(4x4, 3x3).
//!
//! After Winograd (1980) and Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks". The map is cut into tiles of
//! 4x4 results, each seen as 36 points after a transform; at each point all tiles together are one matrix product over
//! channels. Tiles are worked off in blocks that stay in the second-level cache from the pixels read to the results written.

mod gradient;
mod transform;

use super::Geometry;
use crate::nn::ops::gemm::{Epilogue, Mat, Out, PackedSet, SetPart, product};
use crate::nn::ops::parallel::{Shared, with_scratch};
use rayon::prelude::*;
use std::ops::Range;
use transform::{OUT, POINTS, SIDE, Tile, ToPoints, ToResults, WeightPoints};

/// Fewest channels on both sides: with fewer, the transforms cost more than the products save.
const FEWEST_CHANNELS: usize = 32;
/// Values of a block's points: half of a usual second-level cache.
const BLOCK_VALUES: usize = 160 * 1024;
/// Fewest tiles of a block: with fewer, the weights would be read too often.
const FEWEST_TILES: usize = 16;
/// Values at the points of a round, where tasks share the points.
const ROUND_VALUES: usize = 4 << 20;
/// Columns of one task's product in a round, about.
const ROUND_COLUMNS: usize = 256;
/// Rows of weights that are transformed at a time.
const WEIGHT_ROWS: usize = 64;
/// Values behind each plane of points, so that planes do not fall on the same lines of a cache.
const PLANE_GAP: usize = 16;

/// A convolution that can be computed so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Winograd {
    n: usize,
    /// Height, width and channels.
    input: [usize; 3],
    output: [usize; 3],
    padding: usize,
}

/// Weights at the points.
#[derive(Debug)]
pub(super) struct Weights(PackedSet);

impl Winograd {
    /// The forward pass of `geometry`, which must have 3x3 kernels, stride 1, no dilation, one group, and no more padding than
    /// 2.
    pub(super) fn new(geometry: &Geometry) -> Self {
        let (n, input, output, padding) =
            (geometry.n, geometry.input, geometry.output, geometry.spec.padding);
        Self { n, input, output, padding }
    }

    /// Whether it is possible, and pays.
    pub(super) fn suits(geometry: &Geometry) -> bool {
        let spec = geometry.spec;
        let fits = geometry.kernel == [3, 3] && spec.stride == 1 && spec.dilation == 1 && spec.groups == 1;
        let ([h, w, cin], [oh, ow, cout]) = (geometry.input, geometry.output);
        fits && spec.padding <= 2 && cin.min(cout) >= FEWEST_CHANNELS && h.min(w).min(oh).min(ow) >= OUT
    }

    /// The gradient of the input, which is a convolution of the result's gradient with the weights turned round.
    pub(super) fn turned(self) -> Self {
        Self { input: self.output, output: self.input, padding: 2 - self.padding, ..self }
    }

    /// Transforms weights `[3, 3, Cin, Cout]`.
    pub(super) fn weights(&self, weight: &[f32]) -> Weights {
        let (cin, cout) = (self.input[2], self.output[2]);
        self.weights_from(weight, |tap, part, to| {
            for (row, to) in part.rows.clone().zip(to.chunks_exact_mut(part.width)) {
                let from = (tap * cin + row) * cout;
                to[..part.cols.len()].copy_from_slice(&weight[from + part.cols.start..from + part.cols.end]);
            }
        })
    }

    /// Transforms weights `[3, 3, Cout, Cin]` of the convolution whose gradient this computes ([`Self::turned`]).
    pub(super) fn turned_weights(&self, weight: &[f32]) -> Weights {
        let (cin, cout) = (self.input[2], self.output[2]);
        self.weights_from(weight, |tap, part, to| {
            for (j, col) in part.cols.clone().enumerate() {
                let from = ((8 - tap) * cout + col) * cin;
                let values = &weight[from + part.rows.start..from + part.rows.end];
                to[j..].iter_mut().step_by(part.width).zip(values).for_each(|(to, v)| *to = *v);
            }
        })
    }

    /// Transforms weights of which `gather(tap, part, values)` writes some rows and columns, row after row.
    fn weights_from(
        &self,
        weight: &[f32],
        gather: impl Fn(usize, &SetPart<'_>, &mut [f32]) + Sync,
    ) -> Weights {
        let (cin, cout) = (self.input[2], self.output[2]);
        assert!(weight.len() == 9 * cin * cout, "{} weights for {cin} and {cout} channels", weight.len());
        let fill = |part: SetPart<'_>| {
            let tap = part.rows.len() * part.width;
            with_scratch(9 * tap, |taps| {
                if part.cols.len() < part.width {
                    taps.fill(0.0);
                }
                taps.chunks_exact_mut(tap).enumerate().for_each(|(i, to)| gather(i, &part, to));
                let (points, plane, first) = (part.values, part.plane, part.first);
                // SAFETY: the part's places are this task's own.
                unsafe { WeightPoints { weights: taps, tap, points, plane, first }.write() };
            });
        };
        // SAFETY: `WeightPoints` writes as many values at each point as the part has.
        Weights(unsafe { PackedSet::new(POINTS, [cin, cout], WEIGHT_ROWS, fill) })
    }

    /// Tiles down, across, and of all pictures.
    fn tiles(&self) -> [usize; 3] {
        let (down, across) = (self.output[0].div_ceil(OUT), self.output[1].div_ceil(OUT));
        [down, across, self.n * down * across]
    }

    /// Picture, row and column of tile `index`.
    fn place(&self, index: usize) -> (usize, usize, usize) {
        let [down, across, _] = self.tiles();
        (index / (down * across), index / across % down, index % across)
    }

    /// What a tile sees of the input.
    fn seen(&self, index: usize) -> Tile {
        let (picture, y, x) = self.place(index);
        let [h, w, _] = self.input;
        let (top, left) =
            ((y * OUT) as isize - self.padding as isize, (x * OUT) as isize - self.padding as isize);
        let exists = |start: isize, size: usize| {
            let clip = |v: isize| v.clamp(0, SIDE as isize) as usize;
            (clip(-start), clip(size as isize - start))
        };
        Tile {
            origin: (picture * h * w) as isize + top * w as isize + left,
            rows: exists(top, h),
            columns: exists(left, w),
        }
    }

    /// The results of a tile.
    fn results(&self, index: usize) -> Tile {
        let (picture, y, x) = self.place(index);
        let [h, w, _] = self.output;
        Tile {
            origin: ((picture * h + y * OUT) * w + x * OUT) as isize,
            rows: (0, OUT.min(h - y * OUT)),
            columns: (0, OUT.min(w - x * OUT)),
        }
    }

    /// Writes `clamp(x * weights + bias + addend)` to `out`; `bias` and `addend` may be empty.
    pub(super) fn convolve(
        &self,
        x: &[f32],
        weights: &Weights,
        bias: &[f32],
        addend: &[f32],
        clamp: (f32, f32),
        out: &mut [f32],
    ) {
        let ([h, w, cin], [oh, ow, cout]) = (self.input, self.output);
        assert!(x.len() == self.n * h * w * cin && out.len() == self.n * oh * ow * cout, "sizes of maps");
        let job = Job { winograd: self, x, weights, bias, addend, clamp, zeros: vec![0.0; cin] };
        let out = Shared::new(out);
        match BLOCK_VALUES / (POINTS * (cin + cout)) {
            tiles @ FEWEST_TILES.. => job.in_blocks(tiles, &out),
            _ => job.in_rounds(&out),
        }
    }
}

/// A convolution's operands.
struct Job<'a> {
    winograd: &'a Winograd,
    x: &'a [f32],
    weights: &'a Weights,
    bias: &'a [f32],
    addend: &'a [f32],
    clamp: (f32, f32),
    zeros: Vec<f32>,
}

impl Job<'_> {
    fn channels(&self) -> [usize; 2] {
        [self.winograd.input[2], self.winograd.output[2]]
    }

    /// Each task works off a block of tiles on its own, in its own cache.
    fn in_blocks(&self, most: usize, out: &Shared<'_>) {
        let ([cin, cout], all) = (self.channels(), self.winograd.tiles()[2]);
        let tasks = all.div_ceil(most);
        let block = all.div_ceil(tasks);
        let (plane_in, plane_out) = (block * cin + PLANE_GAP, block * cout + PLANE_GAP);
        (0..tasks).into_par_iter().for_each(|task| {
            let tiles = task * block..((task + 1) * block).min(all);
            with_scratch(POINTS * (plane_in + plane_out), |scratch| {
                let (points, products) = scratch.split_at_mut(POINTS * plane_in);
                // SAFETY: the points are this task's own.
                unsafe { self.to_points(tiles.clone(), 0, &Shared::new(points), plane_in) };
                for point in 0..POINTS {
                    let a = Mat::rows(&points[point * plane_in..], tiles.len(), cin, cin);
                    let to = Out::rows(&mut products[point * plane_out..][..tiles.len() * cout], cout);
                    product(a, self.weights.0.get(point), &Epilogue::none(), to);
                }
                // SAFETY: tasks have separate tiles.
                unsafe { self.to_results(tiles, 0, products, plane_out, out) };
            });
        });
    }

    /// Many channels: rounds in which all tasks transform some tiles, then each multiplies at some of the points, so that
    /// all weights are read once a round.
    fn in_rounds(&self, out: &Shared<'_>) {
        let ([cin, cout], all) = (self.channels(), self.winograd.tiles()[2]);
        let rounds = all.div_ceil((ROUND_VALUES / (POINTS * (cin + cout))).max(FEWEST_TILES));
        let round = all.div_ceil(rounds);
        let (plane_in, plane_out) = (round * cin + PLANE_GAP, round * cout + PLANE_GAP);
        with_scratch(POINTS * (plane_in + plane_out), |scratch| {
            let (points, products) = scratch.split_at_mut(POINTS * plane_in);
            for first in (0..all).step_by(round) {
                let count = round.min(all - first);
                let to_points = Shared::new(points);
                (0..count).into_par_iter().for_each(|i| {
                    // SAFETY: tasks have separate tiles.
                    unsafe { self.to_points(first + i..first + i + 1, i, &to_points, plane_in) };
                });
                let (points, to_products) = (&*points, Shared::new(products));
                let columns = ROUND_COLUMNS.next_multiple_of(self.weights.0.get(0).unit());
                let groups = cout.div_ceil(columns);
                (0..POINTS * groups).into_par_iter().for_each(|task| {
                    let (point, first) = (task / groups, task % groups * columns);
                    let cols = first..cout.min(first + columns);
                    let a = Mat::rows(&points[point * plane_in..], count, cin, cin);
                    // SAFETY: tasks have separate points or columns.
                    let to = unsafe { Out::shared(&to_products, point * plane_out + first, cout) };
                    product(a, self.weights.0.get(point).columns(cols), &Epilogue::none(), to);
                });
                let products = &*products;
                (0..count).into_par_iter().for_each(|i| {
                    // SAFETY: tasks have separate tiles.
                    unsafe { self.to_results(first + i..first + i + 1, i, products, plane_out, out) };
                });
            }
        });
    }

    /// Transforms what tiles see; the first is tile `row` of the planes.
    ///
    /// # Safety
    /// Nobody else may use these tiles of the planes.
    unsafe fn to_points(&self, tiles: Range<usize>, row: usize, points: &Shared<'_>, plane: usize) {
        let [_, width, channels] = self.winograd.input;
        let tiles: Vec<Tile> = tiles.map(|i| self.winograd.seen(i)).collect();
        let (src, zeros, first) = (self.x, &self.zeros[..], row * channels);
        // SAFETY: the caller's promise.
        unsafe {
            ToPoints::<SIDE> { src, width, channels, tiles: &tiles, zeros, points, plane, first }.write()
        };
    }

    /// Transforms products to the results of tiles; the first is tile `row` of the planes.
    ///
    /// # Safety
    /// Nobody else may use these tiles of `out`.
    unsafe fn to_results(
        &self,
        tiles: Range<usize>,
        row: usize,
        products: &[f32],
        plane: usize,
        out: &Shared<'_>,
    ) {
        let [_, width, channels] = self.winograd.output;
        let tiles: Vec<Tile> = tiles.map(|i| self.winograd.results(i)).collect();
        let (bias, addend, clamp) = (self.bias, self.addend, self.clamp);
        let (points, tiles, first) = (products, &tiles[..], row * channels);
        // SAFETY: the caller's promise.
        unsafe {
            ToResults { points, plane, first, channels, tiles, width, bias, addend, clamp, out }.write()
        };
    }
}

#[cfg(test)]
mod tests;
