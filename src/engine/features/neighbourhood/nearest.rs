//! Nearest rows by Euclidean distance, exactly.

use super::WIDE;
use crate::data::Progress;
use crate::error::Result;
use crate::nn::ops::simd::vectorised;
use rayon::prelude::*;

/// Independent sums within a row, which vectorise.
const LANES: usize = 16;
/// Rows between two looks at whether to go on.
const AT_ONCE: usize = 512;

/// A row, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    pub(super) row: u32,
    /// Squared distance.
    pub(super) distance: f32,
}

/// For each row the `count` nearest others, the nearest first; of equally near ones the first.
///
/// # Errors
/// If `told`, which hears how many rows are done, stops the work.
pub(super) fn others(rows: &[[f32; WIDE]], count: usize, told: Progress<'_>) -> Result<Vec<Vec<Near>>> {
    let mut found = Vec::with_capacity(rows.len());
    for first in (0..rows.len()).step_by(AT_ONCE) {
        told(first, rows.len())?;
        let last = (first + AT_ONCE).min(rows.len());
        let near = |i: usize| of(rows, &rows[i], count, Some(i));
        found.extend((first..last).into_par_iter().map(near).collect::<Vec<_>>());
    }
    Ok(found)
}

/// The `count` rows nearest to one, without row `own`.
pub(super) fn of(rows: &[[f32; WIDE]], query: &[f32; WIDE], count: usize, own: Option<usize>) -> Vec<Near> {
    let mut distances = vec![0f32; rows.len()];
    vectorised(
        #[inline(always)]
        || rows.iter().zip(&mut distances).for_each(|(row, out)| *out = squared_distance(row, query)),
    );
    let near = |(row, distance): (usize, f32)| Near { row: row as u32, distance };
    let mut all: Vec<Near> =
        distances.into_iter().enumerate().map(near).filter(|n| Some(n.row as usize) != own).collect();
    let order = |a: &Near, b: &Near| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row));
    if count > 0 && all.len() > count {
        all.select_nth_unstable_by(count - 1, order);
    }
    all.truncate(count);
    all.sort_unstable_by(order);
    all
}

#[inline(always)]
fn squared_distance(a: &[f32; WIDE], b: &[f32; WIDE]) -> f32 {
    let mut lanes = [0f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            let off = a[lane] - b[lane];
            lanes[lane] += off * off;
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}
