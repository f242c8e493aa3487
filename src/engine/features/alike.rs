//! Nearest neighbours by cosine similarity, exactly.

use super::Features;
use crate::nn::ops::simd::vectorised;
use rayon::prelude::*;
use std::cmp::Ordering;

/// A picture that is like another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alike {
    /// Its number among the features.
    pub picture: usize,
    /// Cosine of the angle between both pictures' features, in `[-1, 1]`; 1 for the same direction.
    pub similarity: f32,
}

/// Rows that one task compares.
const ROWS: usize = 1024;
/// Independent sums within a row, which vectorise.
const LANES: usize = 32;

impl Features {
    /// The `count` most alike of the pictures that `among` allows, the most alike first; of equal ones the first.
    ///
    /// # Shapes
    /// `query: [F]`.
    pub fn most_alike(
        &self,
        query: &[f32],
        count: usize,
        among: impl Fn(usize) -> bool + Sync,
    ) -> Vec<Alike> {
        if query.len() != self.width || self.width == 0 {
            return Vec::new();
        }
        let scale_of_query = scale(query);
        let closest = |(task, rows): (usize, &[f32])| {
            let first = task * ROWS;
            let similarity = |(i, row): (usize, &[f32])| Alike {
                picture: first + i,
                similarity: (dot(row, query) * self.scales[first + i] * scale_of_query).clamp(-1.0, 1.0),
            };
            let rows = rows.chunks_exact(self.width).enumerate().filter(|(i, _)| among(first + i));
            shortest(rows.map(similarity).collect(), count)
        };
        let parts: Vec<Vec<Alike>> =
            self.values.par_chunks(ROWS * self.width).enumerate().map(closest).collect();
        shortest(parts.concat(), count)
    }
}

/// The best `count` in order.
fn shortest(mut all: Vec<Alike>, count: usize) -> Vec<Alike> {
    let order = |a: &Alike, b: &Alike| -> Ordering {
        b.similarity.total_cmp(&a.similarity).then(a.picture.cmp(&b.picture))
    };
    if all.len() > count && count > 0 {
        all.select_nth_unstable_by(count - 1, order);
    }
    all.truncate(count);
    all.sort_unstable_by(order);
    all
}

/// 1 / length; 0 for zeros.
pub(super) fn scale(row: &[f32]) -> f32 {
    let length = dot(row, row).sqrt();
    if length > 0.0 { 1.0 / length } else { 0.0 }
}

/// The inner product, in fixed lanes so that it is the same everywhere.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    vectorised(
        #[inline(always)]
        || {
            let mut lanes = [0f32; LANES];
            let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
            let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
            for (x, y) in a.zip(b) {
                for lane in 0..LANES {
                    lanes[lane] += x[lane] * y[lane];
                }
            }
            lanes.iter().sum::<f32>() + rest
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::of_rows;

    #[test]
    fn the_most_alike_come_first_and_of_equal_ones_the_first() {
        let rows = [[1.0, 0.0], [2.0, 2.0], [0.0, 3.0], [-1.0, 0.0], [5.0, 0.0], [0.0, 0.0]].map(Vec::from);
        let features = of_rows(&rows, &[0; 6], 1);
        let of = |query: [f32; 2], count| {
            let alike = features.most_alike(&query, count, |i| i != 1);
            alike.iter().map(|a| (a.picture, a.similarity)).collect::<Vec<_>>()
        };
        assert_eq!(of([3.0, 0.0], 3), [(0, 1.0), (4, 1.0), (2, 0.0)]);
        assert_eq!(of([3.0, 0.0], 9).last(), Some(&(3, -1.0)));
        assert!(features.most_alike(&[1.0; 3], 2, |_| true).is_empty(), "features of another width");
    }
}
