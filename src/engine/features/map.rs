//! Pictures on a plane: their features' principal components (Pearson 1901), by subspace iteration (Halko, Martinsson and Tropp 2011).

use super::Features;
use crate::engine::keys;
use crate::error::Result;
use crate::nn::rng::Rng;
use rayon::prelude::*;

/// Directions that are searched together; more than are wanted, so that the wanted ones stand out sooner.
const DIRECTIONS: usize = 8;
/// Relative change of the variances at which the search has ended.
const TOLERANCE: f64 = 1e-10;
const MAX_ITERATIONS: usize = 300;
/// Rows of one partial sum: fixed, so that results do not depend on the number of threads.
const ROWS: usize = 1024;

/// Where pictures lie on a plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// One a picture: along the direction of the largest variance, and of the largest that is left.
    pub points: Vec<[f32; 2]>,
    /// Share of the whole variance along each.
    pub shares: [f64; 2],
}

/// The first two principal components of the features. The largest part of each direction is positive.
///
/// # Errors
/// If `keep_going`, asked before every pass, stops the work.
pub fn principal_plane(
    features: &Features,
    seed: u64,
    keep_going: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Plane> {
    let rows = Centred::new(features);
    let count = DIRECTIONS.min(rows.width).min(features.len());
    if count == 0 || rows.variance <= 0.0 {
        return Ok(Plane { points: vec![[0.0; 2]; features.len()], shares: [0.0; 2] });
    }
    let mut basis: Vec<Vec<f64>> = (0..count)
        .map(|i| {
            let mut rng = Rng::for_key(seed, &[keys::DIRECTIONS, i as u64]);
            (0..rows.width).map(|_| rng.normal()).collect()
        })
        .collect();
    orthonormalise(&mut basis);
    let mut variances = vec![0.0; count];
    for _ in 0..MAX_ITERATIONS {
        keep_going()?;
        let images = rows.covariance_times(&basis);
        let (values, turned) = aligned(&basis, &images);
        let change = values.iter().zip(&variances).take(2).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        (variances, basis) = (values, turned);
        if change <= TOLERANCE * variances[0] {
            break;
        }
        basis = images;
        orthonormalise(&mut basis);
    }
    let (values, mut basis) = aligned(&basis, &rows.covariance_times(&basis));
    basis.iter_mut().for_each(|direction| point_up(direction));
    let share = |i: usize| values.get(i).map_or(0.0, |v| (v / rows.variance).clamp(0.0, 1.0));
    Ok(Plane { points: rows.points(&basis), shares: [share(0), share(1)] })
}

/// Rows less their mean.
struct Centred<'a> {
    values: &'a [f32],
    width: usize,
    mean: Vec<f64>,
    /// Sum over the features of their variance.
    variance: f64,
}

impl<'a> Centred<'a> {
    fn new(features: &'a Features) -> Self {
        let (values, width) = (features.values(), features.width().max(1));
        let count = features.len().max(1) as f64;
        let mut mean = vec![0f64; width];
        for row in values.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(m, &v)| *m += f64::from(v));
        }
        mean.iter_mut().for_each(|m| *m /= count);
        let off = |row: &[f32]| row.iter().zip(&mean).map(|(&v, m)| (f64::from(v) - m).powi(2)).sum::<f64>();
        let variance = values.chunks_exact(width).map(off).sum::<f64>() / count;
        Self { values, width, mean, variance }
    }

    /// Coordinates of a row along the directions.
    fn along(&self, row: &[f32], basis: &[Vec<f64>]) -> Vec<f64> {
        let along = |direction: &Vec<f64>| {
            row.iter().zip(&self.mean).zip(direction).map(|((&v, m), d)| (f64::from(v) - m) * d).sum()
        };
        basis.iter().map(along).collect()
    }

    /// The covariance matrix times each direction.
    fn covariance_times(&self, basis: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let part = |rows: &[f32]| {
            let mut sums = vec![vec![0f64; self.width]; basis.len()];
            for row in rows.chunks_exact(self.width) {
                for (sum, at) in sums.iter_mut().zip(self.along(row, basis)) {
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

    fn points(&self, basis: &[Vec<f64>]) -> Vec<[f32; 2]> {
        let two = &basis[..basis.len().min(2)];
        let point = |row: &[f32]| {
            let at = self.along(row, two);
            [0, 1].map(|i| at.get(i).copied().unwrap_or_default() as f32)
        };
        self.values.par_chunks_exact(self.width).map(point).collect()
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
