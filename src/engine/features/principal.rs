//! The directions in which rows of numbers differ most: principal components (Pearson 1901), by subspace iteration (Halko,
//! Martinsson and Tropp 2011).

use crate::engine::keys;
use crate::error::Result;
use crate::nn::rng::Rng;
use rayon::prelude::*;

/// Rows of one partial sum: fixed, so that results do not depend on the number of threads.
const ROWS: usize = 1024;

/// How long directions are searched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Search {
    /// How many are wanted.
    pub(super) wanted: usize,
    /// How many are searched beside them, so that the wanted ones stand out sooner.
    pub(super) beside: usize,
    /// Relative change of the wanted ones' variances at which the search has ended.
    pub(super) tolerance: f64,
    /// Largest number of passes.
    pub(super) passes: usize,
}

/// Orthonormal directions through the rows' mean, that of the largest variance first. The largest part of each is positive.
#[derive(Debug)]
pub(super) struct Directions {
    mean: Vec<f64>,
    basis: Vec<Vec<f64>>,
    /// Share of the whole variance along each.
    pub(super) shares: Vec<f64>,
}

impl Directions {
    /// Finds the wanted ones, or as many as rows of this width can have; none where all rows are the same.
    ///
    /// # Shapes
    /// `values: [N, width]`, row by row.
    ///
    /// # Errors
    /// If `keep_going`, asked before every pass, stops the work.
    pub(super) fn find(
        (values, width): (&[f32], usize),
        search: Search,
        seed: u64,
        keep_going: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<Self> {
        let rows = Centred::new(values, width);
        let count = (search.wanted + search.beside).min(rows.width).min(values.len() / rows.width);
        if count == 0 || rows.variance <= 0.0 {
            return Ok(Self { mean: rows.mean, basis: Vec::new(), shares: Vec::new() });
        }
        let mut basis: Vec<Vec<f64>> = (0..count)
            .map(|i| {
                let mut rng = Rng::for_key(seed, &[keys::DIRECTIONS, i as u64]);
                (0..rows.width).map(|_| rng.normal()).collect()
            })
            .collect();
        orthonormalise(&mut basis);
        let mut variances = vec![0.0; count];
        for _ in 0..search.passes {
            keep_going()?;
            let images = rows.covariance_times(&basis);
            let (values, turned) = aligned(&basis, &images);
            let changes = values.iter().zip(&variances).take(search.wanted).map(|(a, b)| (a - b).abs());
            let change = changes.fold(0.0, f64::max);
            (variances, basis) = (values, turned);
            if change <= search.tolerance * variances[0] {
                break;
            }
            basis = images;
            orthonormalise(&mut basis);
        }
        let (values, mut basis) = aligned(&basis, &rows.covariance_times(&basis));
        basis.truncate(search.wanted);
        basis.iter_mut().for_each(|direction| point_up(direction));
        let share = |v: &f64| (v / rows.variance).clamp(0.0, 1.0);
        let shares = values.iter().take(search.wanted).map(share).collect();
        Ok(Self { mean: rows.mean, basis, shares })
    }

    /// Coordinates of each row along the directions; zeros past the last one.
    ///
    /// # Shapes
    /// `values: [N, width]`, of the width that they were found in; returns `[N, W]`.
    pub(super) fn coordinates<const W: usize>(&self, values: &[f32]) -> Vec<[f32; W]> {
        let row = |row: &[f32]| {
            let mut at = [0f32; W];
            let along = self.basis.iter().map(|direction| along(row, &self.mean, direction));
            at.iter_mut().zip(along).for_each(|(at, along)| *at = along as f32);
            at
        };
        values.par_chunks_exact(self.mean.len()).map(row).collect()
    }
}

/// Coordinate of a row along a direction.
fn along(row: &[f32], mean: &[f64], direction: &[f64]) -> f64 {
    row.iter().zip(mean).zip(direction).map(|((&v, m), d)| (f64::from(v) - m) * d).sum()
}

/// Rows less their mean.
struct Centred<'a> {
    values: &'a [f32],
    width: usize,
    mean: Vec<f64>,
    /// Sum over the columns of their variance.
    variance: f64,
}

impl<'a> Centred<'a> {
    fn new(values: &'a [f32], width: usize) -> Self {
        let width = width.max(1);
        let count = (values.len() / width).max(1) as f64;
        let mut mean = vec![0f64; width];
        for row in values.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(m, &v)| *m += f64::from(v));
        }
        mean.iter_mut().for_each(|m| *m /= count);
        let off = |row: &[f32]| row.iter().zip(&mean).map(|(&v, m)| (f64::from(v) - m).powi(2)).sum::<f64>();
        let variance = values.chunks_exact(width).map(off).sum::<f64>() / count;
        Self { values, width, mean, variance }
    }

    /// The covariance matrix times each direction.
    fn covariance_times(&self, basis: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let part = |rows: &[f32]| {
            let mut sums = vec![vec![0f64; self.width]; basis.len()];
            for row in rows.chunks_exact(self.width) {
                for (sum, direction) in sums.iter_mut().zip(basis) {
                    let at = along(row, &self.mean, direction);
                    for ((s, &v), m) in sum.iter_mut().zip(row).zip(&self.mean) {
                        *s += at * (f64::from(v) - m);
                    }
                }
            }
            sums
        };
        let parts: Vec<Vec<Vec<f64>>> = self.values.par_chunks(ROWS * self.width).map(part).collect();
        let share = 1.0 / (self.values.len() / self.width).max(1) as f64;
        let mut total = vec![vec![0f64; self.width]; basis.len()];
        for part in &parts {
            for (total, part) in total.iter_mut().zip(part) {
                total.iter_mut().zip(part).for_each(|(t, p)| *t += share * p);
            }
        }
        total
    }
}

/// Gram and Schmidt, twice, so that rounding leaves nothing.
fn orthonormalise(basis: &mut [Vec<f64>]) {
    for i in 0..basis.len() {
        let (before, rest) = basis.split_at_mut(i);
        let direction = &mut rest[0];
        for _ in 0..2 {
            for other in before.iter() {
                let along = inner(direction, other);
                direction.iter_mut().zip(other).for_each(|(d, o)| *d -= along * o);
            }
        }
        let length = inner(direction, direction).sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        direction.iter_mut().for_each(|d| *d *= scale);
    }
}

/// The basis turned so that its directions are the principal ones within it (Rayleigh and Ritz), with their variances, largest first.
fn aligned(basis: &[Vec<f64>], images: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = basis.len();
    let within: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| inner(&basis[i], &images[j])).collect()).collect();
    let (values, vectors) = eigen(within);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    let turned = |&k: &usize| {
        let mut direction = vec![0f64; basis[0].len()];
        for (part, of) in vectors.iter().map(|row| row[k]).zip(basis) {
            direction.iter_mut().zip(of).for_each(|(d, b)| *d += part * b);
        }
        direction
    };
    (order.iter().map(|&k| values[k]).collect(), order.iter().map(turned).collect())
}

/// Eigenvalues of a small symmetric matrix and its eigenvectors as columns (Jacobi 1846).
fn eigen(mut a: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    const SWEEPS: usize = 30;
    let n = a.len();
    let mut v: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for (p, q) in (0..SWEEPS).flat_map(|_| (0..n).flat_map(move |p| (p + 1..n).map(move |q| (p, q)))) {
        if a[p][q].abs() <= f64::MIN_POSITIVE {
            continue;
        }
        let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
        let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
        let c = 1.0 / t.hypot(1.0);
        let s = t * c;
        for row in a.iter_mut().chain(v.iter_mut()) {
            (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
        }
        let (before, rest) = a.split_at_mut(q);
        for (x, y) in before[p].iter_mut().zip(rest[0].iter_mut()) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    }
    ((0..n).map(|i| a[i][i]).collect(), v)
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn point_up(direction: &mut [f64]) {
    let largest = direction.iter().fold(0f64, |m, v| if v.abs() > m.abs() { *v } else { m });
    if largest < 0.0 {
        direction.iter_mut().for_each(|v| *v = -*v);
    }
}
