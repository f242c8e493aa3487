//! Convolution as matrix products over the picture as it lies.
//!
//! The forward pass, and the input gradient for each of the `stride * stride` interleaved grids of input pixels, have the
//! same form: at each position a list of taps, each a pixel of the source at a fixed offset, times a matrix. In a row of
//! positions, what the taps see lies at equal distances, so that products read it in place; only where taps reach over the
//! border, the rows are first copied into a band with zeros around them.

use crate::nn::ops::gemm::{
    Epilogue, Lines, Mat, Out, Packed, Transposed, add_product_of_transposed, product, row_unit,
};
use crate::nn::ops::memory::filled;
use crate::nn::ops::parallel::{Shared, add_parts, parts, task_size, with_scratch};
use rayon::prelude::*;
use std::ops::Range;

/// Values of a band: half of a usual second-level cache.
const BAND_VALUES: usize = 96 * 1024;
/// Enough tasks to keep a desktop processor's cores evenly busy.
const TASKS: usize = 32;
/// Tasks of a weight gradient: each may have a sum of its own.
const GRADIENT_TASKS: usize = 16;

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
    /// Offsets of the taps from `step *` position, row by row; pixels outside of the source are zero.
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

/// How the taps are read: in place or from a band.
#[derive(Debug)]
struct Reading {
    /// Rows and columns of pixels from the first to behind the last that the taps of a position reach over.
    rows: Range<isize>,
    columns: Range<isize>,
    /// Pixels in a line of what is read, and channels of a pixel.
    width: usize,
    channels: usize,
    in_place: bool,
    /// Taps that follow each other in a line without a gap, the same number everywhere.
    run: usize,
}

impl Gather<'_> {
    fn reading(&self) -> Reading {
        let [h, w, c] = self.size;
        let (dys, dxs) = (self.taps.iter().map(|t| t[0]), self.taps.iter().map(|t| t[1]));
        let span = |low: Option<isize>, high: Option<isize>| low.unwrap_or(0)..high.unwrap_or(0) + 1;
        let rows = span(dys.clone().min(), dys.max());
        let columns = span(dxs.clone().min(), dxs.max());
        let inside = |span: &Range<isize>, positions: usize, size: usize| {
            span.start >= 0 && ((positions - 1) * self.step) as isize + span.end <= size as isize
        };
        let in_place = inside(&rows, self.positions[0], h) && inside(&columns, self.positions[1], w);
        let (width, channels) = if in_place {
            (w, c)
        } else {
            ((self.positions[1] - 1) * self.step + columns.len(), self.channels.1)
        };
        let run = if self.channels.1 == channels { self.run_length() } else { 1 };
        Reading { rows, columns, width, channels, in_place, run }
    }

    /// How many taps lie side by side, the same number everywhere, in the order of their columns; 1 where there is no such
    /// number.
    pub(super) fn run_length(&self) -> usize {
        let follows = |i: usize| self.taps[i] == [self.taps[i - 1][0], self.taps[i - 1][1] + 1];
        let first = 1 + (1..self.taps.len()).take_while(|&i| follows(i)).count();
        let even = self.taps.len().is_multiple_of(first)
            && (1..self.taps.len()).all(|i| i.is_multiple_of(first) || follows(i));
        if even { first } else { 1 }
    }

    /// The source itself, if each position sees its own pixel and nothing else.
    fn as_matrix(&self) -> Option<Mat<'_>> {
        let same = self.taps == [[0, 0]] && self.step == 1 && self.positions == [self.size[0], self.size[1]];
        let (first, count) = self.channels;
        let rows = self.n * self.positions[0] * self.positions[1];
        same.then(|| Mat::rows(&self.src[first..], rows, count, self.size[2]))
    }

    /// Index in the source of what position `(y, 0)` sees at offset `(0, 0)`.
    fn line_start(&self, picture: usize, y: usize) -> usize {
        let [h, w, c] = self.size;
        (picture * h + y * self.step) * w * c + self.channels.0
    }

    /// Copies source row `y` (which may lie outside) as a line of a band.
    fn copy_line(&self, reading: &Reading, picture: usize, y: isize, line: &mut [f32]) {
        let [h, w, c] = self.size;
        let (first, channels) = self.channels;
        if y < 0 || y >= h as isize {
            line.fill(0.0);
            return;
        }
        let start = reading.columns.start;
        let left = ((-start).max(0) as usize).min(reading.width);
        let right = ((w as isize - start).max(0) as usize).min(reading.width).max(left);
        line[..left * channels].fill(0.0);
        line[right * channels..].fill(0.0);
        let from = ((picture * h + y as usize) * w) as isize + start + left as isize;
        let from = from as usize * c;
        if channels == c {
            line[left * channels..right * channels]
                .copy_from_slice(&self.src[from..from + (right - left) * channels]);
            return;
        }
        for (pixel, to) in line[left * channels..right * channels].chunks_exact_mut(channels).enumerate() {
            let at = from + pixel * c + first;
            to.copy_from_slice(&self.src[at..at + channels]);
        }
    }
}

/// Writes `epilogue(taps · b + addend)` to its place in `out`; `addend` is laid out like `out`.
pub(super) fn convolve(
    gather: &Gather<'_>,
    b: &Packed,
    epilogue: &Epilogue,
    addend: Option<&[f32]>,
    place: Place,
    out: &mut [f32],
) {
    let (n, c) = (b.n(), place.size[2]);
    let shared = Shared::new(out);
    if let (Some(a), 1) = (gather.as_matrix(), place.step) {
        let rows = gather.n * gather.positions[0] * gather.positions[1];
        let tile = task_size(rows, parts(TASKS), row_unit(), 512);
        (0..rows.div_ceil(tile)).into_par_iter().for_each(|i| {
            let (first, count) = (i * tile, tile.min(rows - i * tile));
            let (at, len) = (first * c + place.channel, (count - 1) * c + n);
            // SAFETY: tasks have separate rows.
            let data = unsafe { shared.part(at, len) };
            let addend = addend.map(|a| &a[at..at + len]);
            product(a.row_range(first, count), b, epilogue, Out::rows(data, c).plus(addend));
        });
        return;
    }
    let reading = gather.reading();
    let [pos_h, pos_w] = gather.positions;
    let line = reading.width * reading.channels;
    let per_task =
        task_size(pos_h, parts(TASKS).div_ceil(gather.n), 1, (BAND_VALUES / (gather.step * line)).max(1));
    let (top, left) = if reading.in_place { (0, 0) } else { (reading.rows.start, reading.columns.start) };
    let segment = |tap: &[isize; 2]| {
        ((tap[0] - top) as usize * reading.width + (tap[1] - left) as usize) * reading.channels
    };
    let segments: Vec<usize> = gather.taps.iter().step_by(reading.run).map(segment).collect();
    let tasks = pos_h.div_ceil(per_task);
    (0..gather.n * tasks).into_par_iter().for_each(|task| {
        let (picture, first) = (task / tasks, task % tasks * per_task);
        let count = per_task.min(pos_h - first);
        let multiply = |data: &[f32]| {
            let a = Lines {
                data,
                lines: count,
                line: gather.step * line,
                rows: pos_w,
                row: gather.step * reading.channels,
                segments: &segments,
                k: reading.run * gather.channels.1,
            };
            let (line, row) = (place.step * place.size[1] * c, place.step * c);
            let (at, len) = (place.index(picture, first, 0), (count - 1) * line + (pos_w - 1) * row + n);
            // SAFETY: tasks have separate lines of positions, whose targets are separate rows of pixels.
            let data = unsafe { shared.part(at, len) };
            let addend = addend.map(|a| &a[at..at + len]);
            product(a, b, epilogue, Out::lines(data, line, row).plus(addend));
        };
        if reading.in_place {
            multiply(&gather.src[gather.line_start(picture, first)..]);
            return;
        }
        let lines = (count - 1) * gather.step + reading.rows.len();
        with_scratch(lines * line, |band| {
            let above = (first * gather.step) as isize + reading.rows.start;
            for (i, to) in band.chunks_exact_mut(line).enumerate() {
                gather.copy_line(&reading, picture, above + i as isize, to);
            }
            multiply(band);
        });
    });
}

/// Positions that are summed over at a time for a weight gradient.
const GRADIENT_ROWS: usize = 256;
/// Rows of the weight gradient of one task, about.
const GRADIENT_COLUMNS: usize = 196;

/// The weight gradient `tapsᵀ · grad`, as `[k, n]` values, where `grad` has one row per position.
pub(super) fn weight_gradient(gather: &Gather<'_>, grad: Mat<'_>, n: usize) -> Vec<f32> {
    let reading = gather.reading();
    let [pos_h, pos_w] = gather.positions;
    let lines = gather.n * pos_h;
    let (length, runs) = (reading.run * gather.channels.1, gather.taps.len() / reading.run);
    let k = length * runs;
    let columns = length.div_ceil(length.div_ceil(GRADIENT_COLUMNS));
    let blocks = length.div_ceil(columns);
    let at_a_time = GRADIENT_ROWS.div_ceil(pos_w);
    // Few blocks make few tasks: then the positions are split too, and the parts added up in order.
    let parts = GRADIENT_TASKS.div_ceil(runs * blocks).min(lines.div_ceil(4 * at_a_time)).max(1);
    let part_lines = lines.div_ceil(parts);
    let parts = lines.div_ceil(part_lines);
    let fill = |sums: &mut [f32]| {
        let tasks: Vec<(usize, usize, usize, &mut [f32])> = sums
            .chunks_mut(k * n)
            .enumerate()
            .flat_map(|(part, sum)| {
                sum.chunks_mut(length * n).enumerate().flat_map(move |(run, sum)| {
                    sum.chunks_mut(columns * n).enumerate().map(move |(block, sum)| (part, run, block, sum))
                })
            })
            .collect();
        tasks.into_par_iter().for_each(|(part, run, block, sum)| {
            let cols = sum.len() / n;
            let rows = RunRows { gather, reading: &reading, tap: gather.taps[run * reading.run] };
            let (begin, end) = (part * part_lines, ((part + 1) * part_lines).min(lines));
            for first in (begin..end).step_by(at_a_time) {
                let count = at_a_time.min(end - first);
                let grad = grad.row_range(first * pos_w, count * pos_w);
                rows.visit(first..first + count, block * columns, cols, |a| {
                    add_product_of_transposed(a, grad, first == begin, Out::rows(sum, n));
                });
            }
        });
    };
    // SAFETY: each part has lines, and the first of them writes all of its task's sums.
    add_parts(unsafe { filled(parts * k * n, fill) }, k * n)
}

/// What one run of taps sees.
struct RunRows<'a> {
    gather: &'a Gather<'a>,
    reading: &'a Reading,
    tap: [isize; 2],
}

impl RunRows<'_> {
    /// Calls `body` with the values from `first_column` on that the run sees from lines of positions.
    fn visit(
        &self,
        lines: Range<usize>,
        first_column: usize,
        cols: usize,
        body: impl FnOnce(Transposed<'_>),
    ) {
        let (gather, reading) = (self.gather, self.reading);
        let [pos_h, pos_w] = gather.positions;
        let step = gather.step * reading.channels;
        if reading.in_place {
            let offset = (self.tap[0] as usize * reading.width + self.tap[1] as usize) * reading.channels;
            let start = |l: usize| gather.line_start(l / pos_h, l % pos_h) + offset + first_column;
            if gather.as_matrix().is_some() {
                // Lines follow each other, as rows do: one segment instead of many short ones.
                let (segments, rows) = ([start(lines.start)], lines.len() * pos_w);
                body(Transposed { data: gather.src, segments: &segments, rows, step, cols });
                return;
            }
            let segments: Vec<usize> = lines.map(start).collect();
            body(Transposed { data: gather.src, segments: &segments, rows: pos_w, step, cols });
            return;
        }
        let line = reading.width * reading.channels;
        let offset = (self.tap[1] - reading.columns.start) as usize * reading.channels + first_column;
        with_scratch(lines.len() * line, |band| {
            for (to, l) in band.chunks_exact_mut(line).zip(lines.clone()) {
                let y = (l % pos_h * gather.step) as isize + self.tap[0];
                gather.copy_line(reading, l / pos_h, y, to);
            }
            let segments: Vec<usize> = (0..lines.len()).map(|i| i * line + offset).collect();
            body(Transposed { data: band, segments: &segments, rows: pos_w, step, cols });
        });
    }
}
