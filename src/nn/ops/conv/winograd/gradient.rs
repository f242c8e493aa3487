//! The gradient of the weights: the same bilinear form turned round, F(3x3, 4x4).

use super::transform::{POINTS, SIDE, Tile, ToPoints, ToWeights};
use super::{OUT, PLANE_GAP, ROUND_VALUES, Winograd};
use crate::nn::ops::gemm::{Mat, Out, Transposed, add_product_of_transposed};
use crate::nn::ops::memory::filled;
use crate::nn::ops::parallel::{Shared, add_parts, with_scratch};
use rayon::prelude::*;
use std::ops::Range;

/// Up to this many values at the points, each task sums for itself; with more, the tasks share the points among them.
const OWN_SUM: usize = 36 * 128 * 128;
/// Tasks with a sum of their own, at most.
const PARTS: usize = 8;
/// Tiles that are summed over at a time.
const AT_A_TIME: usize = 56;

impl Winograd {
    /// The gradient of the weights, `[3, 3, Cin, Cout]`, from the input and the result's gradient.
    pub(in super::super) fn weight_gradient(&self, x: &[f32], grad: &[f32]) -> Vec<f32> {
        self.weight_gradient_with(x, grad, OWN_SUM)
    }

    /// The same, with a sum for each task up to `own_sum` values at the points.
    pub(super) fn weight_gradient_with(&self, x: &[f32], grad: &[f32], own_sum: usize) -> Vec<f32> {
        let ([h, w, cin], [oh, ow, cout]) = (self.input, self.output);
        assert!(x.len() == self.n * h * w * cin && grad.len() == self.n * oh * ow * cout, "sizes of maps");
        let maps = Maps { winograd: self, x, grad, zeros: vec![0.0; cin.max(cout)] };
        let sums = if POINTS * cin * cout <= own_sum { maps.sums_in_parts() } else { maps.sums_in_rounds() };
        let plane = cin * cout;
        let fill = |weights: &mut [f32]| {
            let shared = Shared::new(weights);
            (0..cin).into_par_iter().for_each(|row| {
                let range = (row * cout, (row + 1) * cout);
                // SAFETY: tasks have separate ranges.
                unsafe { ToWeights { points: &sums, plane, weights: &shared, range }.write() };
            });
        };
        // SAFETY: the ranges are all weights.
        unsafe { filled(9 * plane, fill) }
    }
}

/// Values at the points.
struct Planes<'a> {
    values: Shared<'a>,
    /// Distance between points.
    plane: usize,
}

struct Maps<'a> {
    winograd: &'a Winograd,
    x: &'a [f32],
    grad: &'a [f32],
    zeros: Vec<f32>,
}

impl Maps<'_> {
    fn channels(&self) -> [usize; 2] {
        [self.winograd.input[2], self.winograd.output[2]]
    }

    /// Transforms the input and the result's gradient of some tiles, the first of which is tile `row` of the planes.
    ///
    /// # Safety
    /// Nobody else may use these tiles of the planes.
    unsafe fn transform(&self, tiles: Range<usize>, row: usize, input: &Planes<'_>, gradient: &Planes<'_>) {
        let zeros = &self.zeros[..];
        let [_, width, channels] = self.winograd.input;
        let seen: Vec<Tile> = tiles.clone().map(|i| self.winograd.seen(i)).collect();
        let (points, plane, first) = (&input.values, input.plane, row * channels);
        // SAFETY: the caller's promise.
        unsafe {
            ToPoints::<SIDE> { src: self.x, width, channels, tiles: &seen, zeros, points, plane, first }
                .write();
        }
        let [_, width, channels] = self.winograd.output;
        let results: Vec<Tile> = tiles.map(|i| self.winograd.results(i)).collect();
        let (points, plane, first) = (&gradient.values, gradient.plane, row * channels);
        // SAFETY: as above.
        unsafe {
            ToPoints::<OUT> { src: self.grad, width, channels, tiles: &results, zeros, points, plane, first }
                .write();
        }
    }

    /// Sums `[POINTS][cin][cout]`, each task adding up its own tiles.
    fn sums_in_parts(&self) -> Vec<f32> {
        let ([cin, cout], all) = (self.channels(), self.winograd.tiles()[2]);
        let parts = PARTS.min(all.div_ceil(AT_A_TIME));
        let per_part = all.div_ceil(parts);
        let parts = all.div_ceil(per_part);
        let (plane_in, plane_out) = (AT_A_TIME * cin + PLANE_GAP, AT_A_TIME * cout + PLANE_GAP);
        let len = POINTS * cin * cout;
        let fill = |sums: &mut [f32]| {
            sums.par_chunks_mut(len).enumerate().for_each(|(part, sum)| {
                let (begin, end) = (part * per_part, ((part + 1) * per_part).min(all));
                with_scratch(POINTS * (plane_in + plane_out), |scratch| {
                    let (input, gradient) = scratch.split_at_mut(POINTS * plane_in);
                    for first in (begin..end).step_by(AT_A_TIME) {
                        let tiles = first..(first + AT_A_TIME).min(end);
                        let to_input = Planes { values: Shared::new(input), plane: plane_in };
                        let to_gradient = Planes { values: Shared::new(gradient), plane: plane_out };
                        // SAFETY: the planes are this task's own.
                        unsafe { self.transform(tiles.clone(), 0, &to_input, &to_gradient) };
                        for (point, sum) in sum.chunks_exact_mut(cin * cout).enumerate() {
                            add_point(
                                &input[point * plane_in..],
                                &gradient[point * plane_out..],
                                tiles.len(),
                                [cin, cout],
                                first == begin,
                                sum,
                            );
                        }
                    }
                });
            })
        };
        // SAFETY: each part has tiles, the first of which write all of its sums.
        add_parts(unsafe { filled(parts * len, fill) }, len)
    }

    /// Sums `[POINTS][cin][cout]`: rounds in which all tasks transform some tiles, then each adds up some of the points.
    fn sums_in_rounds(&self) -> Vec<f32> {
        let ([cin, cout], all) = (self.channels(), self.winograd.tiles()[2]);
        let round = (ROUND_VALUES / (POINTS * (cin + cout))).max(AT_A_TIME).min(all);
        let (plane_in, plane_out) = (round * cin + PLANE_GAP, round * cout + PLANE_GAP);
        let fill = |sums: &mut [f32]| {
            with_scratch(POINTS * (plane_in + plane_out), |scratch| {
                let (input, gradient) = scratch.split_at_mut(POINTS * plane_in);
                for first in (0..all).step_by(round) {
                    let count = round.min(all - first);
                    let to_input = Planes { values: Shared::new(input), plane: plane_in };
                    let to_gradient = Planes { values: Shared::new(gradient), plane: plane_out };
                    (0..count).into_par_iter().for_each(|i| {
                        let tile = first + i..first + i + 1;
                        // SAFETY: tasks have separate tiles.
                        unsafe { self.transform(tile, i, &to_input, &to_gradient) };
                    });
                    let (input, gradient) = (&*input, &*gradient);
                    sums.par_chunks_exact_mut(cin * cout).enumerate().for_each(|(point, sum)| {
                        add_point(
                            &input[point * plane_in..],
                            &gradient[point * plane_out..],
                            count,
                            [cin, cout],
                            first == 0,
                            sum,
                        );
                    });
                }
            });
        };
        // SAFETY: the first round writes all sums.
        unsafe { filled(POINTS * cin * cout, fill) }
    }
}

/// Adds the products of `tiles` rows to the sum at one point, or begins it.
fn add_point(
    input: &[f32],
    gradient: &[f32],
    tiles: usize,
    [cin, cout]: [usize; 2],
    first: bool,
    sum: &mut [f32],
) {
    let left = Transposed { data: input, segments: &[0], rows: tiles, step: cin, cols: cin };
    add_product_of_transposed(left, Mat::rows(gradient, tiles, cout, cout), first, Out::rows(sum, cout));
}
