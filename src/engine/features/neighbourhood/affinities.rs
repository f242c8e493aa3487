//! How much rows mind each other: t-SNE's joint probabilities, of the nearest rows alone (van der Maaten 2014).

use super::nearest::Near;
use rayon::prelude::*;

/// How near the entropy of a row has to come to what is wanted, and how often that is tried; scikit-learn's.
const TOLERANCE: f64 = 1e-5;
const TRIES: usize = 100;

/// A symmetric sparse matrix whose values sum up to 1.
#[derive(Debug)]
pub(super) struct Affinities {
    /// Where each row begins, and the end of the last.
    starts: Vec<usize>,
    /// Column and value, by column within a row.
    entries: Vec<(u32, f32)>,
}

impl Affinities {
    /// Gaussians around each row, of a width at which it minds about `perplexity` of its nearest ones.
    pub(super) fn of(near: &[Vec<Near>], perplexity: f64) -> Self {
        let given: Vec<Vec<f64>> = near.par_iter().map(|near| conditional(near, perplexity)).collect();
        let mut pairs: Vec<(u32, u32, f64)> =
            Vec::with_capacity(2 * near.iter().map(Vec::len).sum::<usize>());
        for (i, (near, given)) in near.iter().zip(&given).enumerate() {
            for (n, p) in near.iter().zip(given) {
                pairs.push((i as u32, n.row, *p));
                pairs.push((n.row, i as u32, *p));
            }
        }
        pairs.par_sort_by_key(|&(i, j, _)| (i, j));
        pairs.dedup_by(|later, kept| {
            let same = (later.0, later.1) == (kept.0, kept.1);
            kept.2 += if same { later.2 } else { 0.0 };
            same
        });
        let sum: f64 = pairs.iter().map(|p| p.2).sum();
        let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
        let starts = (0..=near.len()).map(|row| pairs.partition_point(|p| (p.0 as usize) < row)).collect();
        let entries = pairs.into_iter().map(|(_, j, p)| (j, (p * scale) as f32)).collect();
        Self { starts, entries }
    }

    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// What a row minds: columns and values.
    pub(super) fn row(&self, row: usize) -> &[(u32, f32)] {
        &self.entries[self.starts[row]..self.starts[row + 1]]
    }
}

/// Probabilities of the nearest rows, by bisection of the Gaussian's precision.
fn conditional(near: &[Near], perplexity: f64) -> Vec<f64> {
    // From the nearest on: it cancels out, and no exponential vanishes for all.
    let least = near.first().map_or(0.0, |n| f64::from(n.distance));
    let distances: Vec<f64> = near.iter().map(|n| f64::from(n.distance) - least).collect();
    let (mut low, mut high, mut precision) = (0.0, f64::INFINITY, 1.0);
    let mut p = vec![0f64; near.len()];
    for _ in 0..TRIES {
        p.iter_mut().zip(&distances).for_each(|(p, d)| *p = (-precision * d).exp());
        let sum: f64 = p.iter().sum();
        p.iter_mut().for_each(|p| *p /= sum);
        let mean: f64 = p.iter().zip(&distances).map(|(p, d)| p * d).sum();
        let over = sum.ln() + precision * mean - perplexity.ln();
        if over.abs() <= TOLERANCE {
            break;
        }
        if over > 0.0 {
            low = precision;
            precision = if high.is_finite() { (precision + high) / 2.0 } else { precision * 2.0 };
        } else {
            high = precision;
            precision = (precision + low) / 2.0;
        }
    }
    p
}
