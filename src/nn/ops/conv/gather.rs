//! Convolution as matrix products over gathered pixels.
//!
//! The forward pass, and the input gradient for each of the `stride * stride` interleaved grids of input pixels, have the
//! same form: at each position a list of taps, each a pixel of the source at a fixed offset, times a matrix. A tile of
//! positions is gathered into one row per position (im2col) and multiplied while it is in cache.

use crate::nn::ops::gemm::{Epilogue, Mat, Out, Packed, add_product_of_transposed, product, row_unit};
use crate::nn::ops::parallel::{Shared, task_size, with_scratch};
use rayon::prelude::*;

/// Values of a gathered tile: half of a usual second-level cache.
const TILE_VALUES: usize = 96 * 1024;
/// Enough tasks to keep a desktop processor's cores evenly busy.
const TASKS: usize = 32;

/// Which pixels are seen from which position.
#[derive(Debug)]
pub(super) struct Gather<'a> {
    /// Source values, `[n, src_h, src_w, src_c]`.
    pub(super) src: &'a [f32],
    /// Pictures.
    pub(super) n: usize,
    /// Height, width and channels of the source.
    pub(super) size: [usize; 3],
    /// First channel and number of channels that are read.
    pub(super) channels: (usize, usize),
    /// Rows and columns of positions.
    pub(super) positions: [usize; 2],
    /// Source pixels from one position to the next.
    pub(super) step: usize,
    /// Offsets of the taps from `step *` position; pixels outside of the source are zero.
    pub(super) taps: Vec<[isize; 2]>,
}

/// Where the result of a position belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Height, width and channels of the target.
    pub(super) size: [usize; 3],
    /// First channel that is written.
    pub(super) channel: usize,
    /// Target pixels from one position to the next.
    pub(super) step: usize,
    /// Target pixel of the first position.
    pub(super) first: [usize; 2],
}

impl Place {
    /// Positions are the pixels of the target.
    pub(super) fn dense(size: [usize; 3], channel: usize) -> Self {
        Self { size, channel, step: 1, first: [0, 0] }
    }

    /// Index of the target pixel's first written value.
    pub(super) fn index(&self, picture: usize, y: usize, x: usize) -> usize {
        let [h, w, c] = self.size;
        let (y, x) = (self.first[0] + y * self.step, self.first[1] + x * self.step);
        ((picture * h + y) * w + x) * c + self.channel
    }
}

impl Gather<'_> {
    /// All positions of all pictures.
    pub(super) fn rows(&self) -> usize {
        self.n * self.positions[0] * self.positions[1]
    }

    /// Length of a gathered row.
    fn k(&self) -> usize {
        self.taps.len() * self.channels.1
    }

    /// The source itself, if gathering would copy it as it is.
    fn as_matrix(&self) -> Option<Mat<'_>> {
        let same = self.taps == [[0, 0]] && self.step == 1 && self.positions == [self.size[0], self.size[1]];
        let (first, count) = self.channels;
        same.then(|| Mat::rows(&self.src[first..], self.rows(), count, self.size[2]))
    }

    /// Lengths of the runs of taps that follow each other in a row of the source without a gap.
    fn runs(&self) -> Vec<usize> {
        let whole = self.channels.1 == self.size[2];
        let mut runs: Vec<usize> = Vec::new();
        for (i, tap) in self.taps.iter().enumerate() {
            let follows = i > 0 && whole && *tap == [self.taps[i - 1][0], self.taps[i - 1][1] + 1];
            match runs.last_mut() {
                Some(last) if follows => *last += 1,
                _ => runs.push(1),
            }
        }
        runs
    }

    /// Gathers columns `cols` of the rows from `first` on, one after another into `out`.
    fn pack(&self, runs: &[usize], first: usize, cols: std::ops::Range<usize>, out: &mut [f32]) {
        let [pos_h, pos_w] = self.positions;
        for (i, row) in out.chunks_exact_mut(cols.len()).enumerate() {
            let position = first + i;
            let (picture, y, x) = (position / (pos_h * pos_w), position / pos_w % pos_h, position % pos_w);
            let origin = [(y * self.step) as isize, (x * self.step) as isize];
            let mut tap = 0;
            for &run in runs {
                self.pack_run(picture, origin, tap..tap + run, &cols, row);
                tap += run;
            }
        }
    }

    /// Gathers one run of taps: its columns that lie in `cols`.
    #[inline]
    fn pack_run(
        &self,
        picture: usize,
        origin: [isize; 2],
        taps: std::ops::Range<usize>,
        cols: &std::ops::Range<usize>,
        row: &mut [f32],
    ) {
        let [h, w, c] = self.size;
        let (first_channel, channels) = self.channels;
        let (begin, end) = ((taps.start * channels).max(cols.start), (taps.end * channels).min(cols.end));
        if begin >= end {
            return;
        }
        let [dy, dx] = self.taps[taps.start];
        let (y, x) = (origin[0] + dy, origin[1] + dx);
        if y < 0 || y >= h as isize {
            row[begin - cols.start..end - cols.start].fill(0.0);
            return;
        }
        let line = (picture * h + y as usize) * w;
        if x >= 0 && x as usize + taps.len() <= w {
            let from = (line + x as usize) * c + first_channel + (begin - taps.start * channels);
            row[begin - cols.start..end - cols.start].copy_from_slice(&self.src[from..from + (end - begin)]);
            return;
        }
        for (i, tap) in taps.enumerate() {
            let (from, to) = ((tap * channels).max(begin), ((tap + 1) * channels).min(end));
            if from >= to {
                continue;
            }
            let x = x + i as isize;
            let target = &mut row[from - cols.start..to - cols.start];
            if x < 0 || x >= w as isize {
                target.fill(0.0);
            } else {
                let at = (line + x as usize) * c + first_channel + (from - tap * channels);
                target.copy_from_slice(&self.src[at..at + (to - from)]);
            }
        }
    }
}

/// Writes `epilogue(gathered · b)` to its place in `out`.
pub(super) fn convolve(gather: &Gather<'_>, b: &Packed, epilogue: &Epilogue, place: Place, out: &mut [f32]) {
    let (rows, k, n) = (gather.rows(), b.k(), b.n());
    let direct = gather.as_matrix();
    let runs = gather.runs();
    let most = if direct.is_some() { 512 } else { TILE_VALUES / k.max(1) };
    let tile = task_size(rows, TASKS, row_unit(), most.max(row_unit()));
    let shared = Shared::new(out);
    let (pos_h, pos_w, c) = (gather.positions[0], gather.positions[1], place.size[2]);
    (0..rows.div_ceil(tile)).into_par_iter().for_each(|i| {
        let (first, count) = (i * tile, tile.min(rows - i * tile));
        let multiply = |a: Mat<'_>, scratch: &mut [f32]| {
            if place.step == 1 {
                // SAFETY: tasks have separate rows, and with one step between positions rows follow each other in `out`.
                let data = unsafe { shared.part(first * c + place.channel, (count - 1) * c + n) };
                product(a, b, epilogue, Out { data, row: c });
                return;
            }
            product(a, b, epilogue, Out { data: &mut *scratch, row: n });
            for (j, row) in scratch.chunks_exact(n).take(count).enumerate() {
                let position = first + j;
                let at = place.index(position / (pos_h * pos_w), position / pos_w % pos_h, position % pos_w);
                // SAFETY: no two positions have the same target pixel.
                unsafe { shared.part(at, n) }.copy_from_slice(row);
            }
        };
        let result = if place.step == 1 { 0 } else { count * n };
        match direct {
            Some(a) => with_scratch(result, |scratch| multiply(a.row_range(first, count), scratch)),
            None => with_scratch(count * k + result, |scratch| {
                let (gathered, scratch) = scratch.split_at_mut(count * k);
                gather.pack(&runs, first, 0..k, gathered);
                multiply(Mat::rows(gathered, count, k, k), scratch);
            }),
        }
    });
}

/// Positions that are gathered at a time for a weight gradient.
const GRADIENT_ROWS: usize = 256;
/// Gathered columns, that is rows of the weight gradient, of one task.
const GRADIENT_COLUMNS: usize = 192;

/// The weight gradient `gatheredᵀ · grad`, as `[k, n]` values, where `grad` has one row per position.
pub(super) fn weight_gradient(gather: &Gather<'_>, grad: Mat<'_>, n: usize) -> Vec<f32> {
    let (rows, k) = (gather.rows(), gather.k());
    let columns = GRADIENT_COLUMNS.min(k.next_multiple_of(row_unit()));
    // Few columns make few tasks: then the positions are split too, and the parts added up in order.
    let parts = TASKS.div_ceil(k.div_ceil(columns)).min(rows.div_ceil(4 * GRADIENT_ROWS)).max(1);
    let part_rows = rows.div_ceil(parts).next_multiple_of(GRADIENT_ROWS);
    let runs = gather.runs();
    let direct = gather.as_matrix();
    let mut sums = vec![0.0f32; parts * k * n];
    sums.par_chunks_mut(k * n).enumerate().for_each(|(part, sum)| {
        let (begin, end) = (part * part_rows, ((part + 1) * part_rows).min(rows));
        sum.par_chunks_mut(columns * n).enumerate().for_each(|(block, sum)| {
            let cols = block * columns..k.min((block + 1) * columns);
            for first in (begin..end).step_by(GRADIENT_ROWS) {
                let count = GRADIENT_ROWS.min(end - first);
                let g = grad.row_range(first, count);
                let out = Out { data: &mut *sum, row: n };
                match direct {
                    Some(a) => {
                        add_product_of_transposed(a.row_range(first, count).col_range(cols.clone()), g, out)
                    }
                    None => with_scratch(count * cols.len(), |gathered| {
                        gather.pack(&runs, first, cols.clone(), gathered);
                        add_product_of_transposed(Mat::rows(gathered, count, cols.len(), cols.len()), g, out);
                    }),
                }
            }
        });
    });
    crate::nn::ops::parallel::add_parts(sums, k * n)
}
