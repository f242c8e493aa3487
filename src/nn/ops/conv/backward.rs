//! Gradients of convolution.

use super::direct::{self, Gather, Place};
use super::{Geometry, depthwise};
use crate::nn::ops::Activation;
use crate::nn::ops::cpu::Clamp;
use crate::nn::ops::gemm::{Epilogue, Mat, Packed};
use crate::nn::ops::memory::filled;
use rayon::prelude::*;

impl Geometry {
    /// The gradient of the input. With a stride, the input pixels form `stride * stride` interleaved grids; in each, all pixels are reached by the same
    /// taps, from gradient pixels at fixed offsets. So each grid's gradient is a convolution of the output's gradient.
    pub(super) fn input_gradient(&self, weight: &[f32], grad: &[f32]) -> Vec<f32> {
        let [h, w, cin] = self.input;
        let len = self.n * h * w * cin;
        if let Some(winograd) = self.winograd() {
            let winograd = winograd.turned();
            let weights = winograd.turned_weights(weight);
            let fill = |out: &mut [f32]| {
                winograd.convolve(grad, &weights, &[], &[], Clamp::None.range(), out);
            };
            // SAFETY: each result is written.
            return unsafe { filled(len, fill) };
        }
        // With a stride longer than the kernel, there are pixels that no tap reaches.
        let reached = self.kernel.iter().all(|k| *k >= self.spec.stride) && self.spec.dilation == 1;
        if !reached {
            let mut out = vec![0.0f32; len];
            self.write_grids(weight, grad, &mut out);
            return out;
        }
        // SAFETY: the grids are all pixels, and each has taps.
        unsafe { filled(len, |out| self.write_grids(weight, grad, out)) }
    }

    /// Writes the gradients of all grids of input pixels that taps reach.
    fn write_grids(&self, weight: &[f32], grad: &[f32], out: &mut [f32]) {
        let [h, w, _] = self.input;
        let stride = self.spec.stride;
        for (first_y, first_x) in (0..stride.min(h)).flat_map(|y| (0..stride.min(w)).map(move |x| (y, x))) {
            let (rows, cols) =
                (self.taps_reaching(first_y, self.kernel[0]), self.taps_reaching(first_x, self.kernel[1]));
            if rows.is_empty() || cols.is_empty() {
                continue;
            }
            let pairs = || rows.iter().flat_map(|r| cols.iter().map(move |c| (r, c)));
            let taps: Vec<usize> = pairs().map(|(r, c)| r.0 * self.kernel[1] + c.0).collect();
            let positions = [(h - first_y).div_ceil(stride), (w - first_x).div_ceil(stride)];
            let offsets: Vec<[isize; 2]> = pairs().map(|(r, c)| [r.1, c.1]).collect();
            let grid = Gather {
                src: grad,
                n: self.n,
                size: self.output,
                channels: (0, self.output[2]),
                positions,
                step: 1,
                taps: offsets,
            };
            let place = Place { size: self.input, channel: 0, step: stride, first: [first_y, first_x] };
            self.grid_gradient(weight, grid, &taps, place, out);
        }
    }

    /// Taps along an axis through which input pixels `first`, `first + stride`, ... are reached, with the offset of the
    /// gradient pixel.
    fn taps_reaching(&self, first: usize, kernel: usize) -> Vec<(usize, isize)> {
        let stride = self.spec.stride as isize;
        // From the last, which reaches furthest back: in the order in which the gradient's pixels lie.
        (0..kernel)
            .rev()
            .map(|tap| (tap, first as isize - self.offset(tap)))
            .filter(|(_, distance)| distance.rem_euclid(stride) == 0)
            .map(|(tap, distance)| (tap, distance.div_euclid(stride)))
            .collect()
    }

    /// The gradient of one grid of input pixels, reached through `taps`.
    fn grid_gradient(
        &self,
        weight: &[f32],
        mut grid: Gather<'_>,
        taps: &[usize],
        place: Place,
        out: &mut [f32],
    ) {
        let total = self.output[2];
        let [cin, cout] = self.group();
        if self.depthwise() {
            let weights: Vec<f32> =
                taps.iter().flat_map(|&t| &weight[t * total..(t + 1) * total]).copied().collect();
            depthwise::convolve(
                &grid,
                &weights,
                &[],
                (Clamp::None.range(), Activation::Identity),
                place,
                out,
            );
            return;
        }
        for group in 0..self.spec.groups {
            grid.channels = (group * cout, cout);
            let fill = |first: usize, cols: usize, panel: &mut [f32], width: usize| {
                for (tap, panel) in taps.iter().zip(panel.chunks_exact_mut(cout * width)) {
                    for j in 0..cols {
                        let from = (tap * cin + first + j) * total + group * cout;
                        let row = &weight[from..from + cout];
                        row.iter().zip(panel[j..].iter_mut().step_by(width)).for_each(|(&w, p)| *p = w);
                    }
                }
            };
            // SAFETY: each tap's rows get each column.
            let packed = unsafe { Packed::from_fn(taps.len() * cout, cin, fill) };
            let place = Place { channel: group * cin, ..place };
            direct::convolve(&grid, &packed, &Epilogue::none(), None, place, out);
        }
    }

    /// The gradient of the weights.
    pub(super) fn weight_gradient(&self, x: &[f32], grad: &[f32]) -> Vec<f32> {
        let total = self.output[2];
        if self.depthwise() {
            return depthwise::weight_gradient(&self.gather(x, (0, self.input[2])), grad);
        }
        if let Some(winograd) = self.winograd() {
            return winograd.weight_gradient(x, grad);
        }
        let [cin, cout] = self.group();
        let positions = self.n * self.output[0] * self.output[1];
        let of_group = |group: usize| {
            let grad = Mat::rows(&grad[group * cout..], positions, cout, total);
            direct::weight_gradient(&self.gather(x, (group * cin, cin)), grad, cout)
        };
        if self.spec.groups == 1 {
            return of_group(0);
        }
        let groups: Vec<Vec<f32>> = (0..self.spec.groups).into_par_iter().map(of_group).collect();
        let mut out = vec![0.0f32; self.kernel[0] * self.kernel[1] * cin * total];
        for (group, values) in groups.iter().enumerate() {
            for (row, from) in out.chunks_exact_mut(total).zip(values.chunks_exact(cout)) {
                row[group * cout..(group + 1) * cout].copy_from_slice(from);
            }
        }
        out
    }
}
