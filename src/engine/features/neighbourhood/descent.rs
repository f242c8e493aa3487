//! The descent that arranges points, with scikit-learn's choices (`sklearn.manifold.TSNE`, method `barnes_hut`).

use super::affinities::Affinities;
use super::quadtree::Quadtree;
use crate::error::Result;
use rayon::prelude::*;

/// Steps in all.
pub(super) const STEPS: usize = 1000;
/// Steps at the beginning in which points attract each other [`EXAGGERATION`] times as much, so that groups find together.
const EARLY: usize = 250;
const EXAGGERATION: f32 = 12.0;
/// Squares that look narrower than this stand together.
const ANGLE: f32 = 0.5;
const EARLY_MOMENTUM: f32 = 0.5;
const MOMENTUM: f32 = 0.8;
const LEAST_GAIN: f32 = 0.01;
const LEAST_RATE: f32 = 50.0;

/// Moves points from where they begin to where near ones are near each other.
///
/// # Errors
/// If `told`, which hears of each step, stops the work.
pub(super) fn descend(
    affinities: &Affinities,
    mut points: Vec<[f32; 2]>,
    told: &(dyn Fn(usize) -> Result<()> + Sync),
) -> Result<Vec<[f32; 2]>> {
    let rate = (points.len() as f32 / EXAGGERATION / 4.0).max(LEAST_RATE);
    let mut moved = vec![[0f32; 2]; points.len()];
    let mut gains = vec![[1f32; 2]; points.len()];
    for step in 0..STEPS {
        told(step)?;
        let early = step < EARLY;
        let exaggeration = if early { EXAGGERATION } else { 1.0 };
        let momentum = if early { EARLY_MOMENTUM } else { MOMENTUM };
        let slopes = gradient(affinities, &points, exaggeration, ANGLE);
        let each = points.iter_mut().zip(&mut moved).zip(&mut gains).zip(&slopes);
        for (((point, moved), gains), slope) in each {
            for axis in 0..2 {
                // Faster where it keeps its direction, slower where it swings.
                let swings = moved[axis] * slope[axis] >= 0.0;
                let gain = if swings { gains[axis] * 0.8 } else { gains[axis] + 0.2 };
                gains[axis] = gain.max(LEAST_GAIN);
                moved[axis] = momentum * moved[axis] - rate * gains[axis] * slope[axis];
                point[axis] += moved[axis];
            }
        }
        centre(&mut points);
    }
    Ok(points)
}

/// Gradient of the Kullback-Leibler divergence between the affinities, `exaggeration` times as large, and those on the plane.
pub(super) fn gradient(
    affinities: &Affinities,
    points: &[[f32; 2]],
    exaggeration: f32,
    angle: f32,
) -> Vec<[f32; 2]> {
    let pushes = Quadtree::new(points).pushes(points, angle);
    // In order, so that it is the same for any number of threads; each point's own share of 1 is no neighbour's.
    let total: f64 = pushes.iter().map(|push| f64::from(push.total) - 1.0).sum();
    let scale = if total > 0.0 { (1.0 / total) as f32 } else { 0.0 };
    let slope = |i: usize| {
        let mut pull = [0f32; 2];
        for &(j, p) in affinities.row(i) {
            let other = points[j as usize];
            let off = [points[i][0] - other[0], points[i][1] - other[1]];
            let strength = p / (1.0 + off[0] * off[0] + off[1] * off[1]);
            pull = [pull[0] + strength * off[0], pull[1] + strength * off[1]];
        }
        [0, 1].map(|axis| 4.0 * (exaggeration * pull[axis] - scale * pushes[i].force[axis]))
    };
    (0..affinities.len()).into_par_iter().map(slope).collect()
}

/// Moves the mean to the origin.
fn centre(points: &mut [[f32; 2]]) {
    for axis in 0..2 {
        let sum: f64 = points.iter().map(|p| f64::from(p[axis])).sum();
        let mean = (sum / points.len().max(1) as f64) as f32;
        points.iter_mut().for_each(|p| p[axis] -= mean);
    }
}
