//! Pictures unlike anything in training: the distance to the k-th nearest training picture (Sun et al. 2022, "Out-of-Distribution
//! Detection with Deep Nearest Neighbors").
//!
//! The distance of features of length 1, which has the order of their similarity: the less alike the k-th most alike picture is, the
//! further away it is. What is far is told by the training pictures themselves, each against all others.
//!
//! Where no feature is negative, as behind a ReLU, the fourth roots of the features are compared: few large ones would decide alone
//! otherwise, and which are there at all tells a strange picture better (the power law that Perronnin et al. 2010, "Improving the
//! Fisher Kernel for Large-Scale Image Classification", use for the same reason). Features of both signs are compared as they are.

use super::Features;
use super::alike::{dot, scale};
use crate::engine::keys;
use crate::error::Result;
use crate::nn::rng::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Which of the nearest training pictures counts.
const NEIGHBOUR: usize = 5;
/// Share of the training pictures that are at least as near to the others as one that counts as familiar.
const FAMILIAR_SHARE: f64 = 0.99;
/// Most training pictures that are compared with all others.
const COMPARED: usize = 2000;
/// Fewer training pictures do not tell what is far.
const FEWEST: usize = 20;
/// Rows that one task compares.
const ROWS: usize = 1024;

/// Where the line is between familiar and unlike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Familiar {
    /// Similarity to the k-th most alike training picture from which on a picture is familiar.
    pub similarity: f32,
    /// k.
    pub neighbour: usize,
    /// Fourth roots of the features are compared.
    #[serde(default)]
    pub roots: bool,
}

/// How a picture compares with those in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unlike {
    /// Similarity to the k-th most alike training picture, in `[-1, 1]`: the cosine of the angle between their features, or where
    /// none is negative between the fourth roots of these.
    pub similarity: f32,
    /// Below this it is less than that of 99 % of the training pictures.
    pub familiar: f32,
}

impl Unlike {
    /// Whether it is unlike anything in training.
    pub fn is_unlike(&self) -> bool {
        self.similarity < self.familiar
    }
}

/// The training pictures that new ones are compared with, and the line.
#[derive(Debug)]
pub struct Reference {
    line: Familiar,
    training: Training,
}

/// What is compared of the training pictures.
#[derive(Debug)]
struct Training {
    roots: bool,
    width: usize,
    /// `[training pictures, F]`, each row of length 1.
    rows: Vec<f32>,
}

impl Features {
    /// Draws the line, from training pictures each compared with all others; none where there are too few of them. Of very many
    /// a sample is compared, drawn from `seed`.
    ///
    /// # Errors
    /// If `keep_going` stops the work.
    pub fn draw_line(&mut self, seed: u64, keep_going: &(dyn Fn() -> Result<()> + Sync)) -> Result<()> {
        let numbers = self.training();
        if numbers.len() < FEWEST {
            self.familiar = None;
            return Ok(());
        }
        let roots = numbers.iter().all(|&i| self.row(i).iter().all(|v| *v >= 0.0));
        let training = self.compared(&numbers, roots);
        let mut places: Vec<usize> = (0..numbers.len()).collect();
        if places.len() > COMPARED {
            Rng::for_key(seed, &[keys::FAMILIAR]).shuffle(&mut places);
            places.truncate(COMPARED);
        }
        let similarity = |&own: &usize| {
            keep_going()?;
            Ok(training.nearest(training.row(own), Some(own), NEIGHBOUR))
        };
        let all: Vec<f32> =
            places.par_iter().map(similarity).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        let similarity = quantile(all, 1.0 - FAMILIAR_SHARE);
        self.familiar = Some(Familiar { similarity, neighbour: NEIGHBOUR, roots });
        Ok(())
    }

    /// What new pictures are compared with; nothing where no line was drawn.
    pub fn reference(&self) -> Option<Reference> {
        let line = self.familiar?;
        Some(Reference { line, training: self.compared(&self.training(), line.roots) })
    }

    fn compared(&self, numbers: &[usize], roots: bool) -> Training {
        let mut rows = Vec::with_capacity(numbers.len() * self.width());
        numbers.iter().for_each(|&i| rows.extend_from_slice(self.row(i)));
        rows.par_chunks_exact_mut(self.width().max(1)).for_each(|row| prepare(row, roots));
        Training { roots, width: self.width(), rows }
    }
}

impl Reference {
    /// How features compare with those of the training pictures; nothing where they are not of the same model.
    ///
    /// # Shapes
    /// `query: [F]`.
    pub fn unlike(&self, query: &[f32]) -> Option<Unlike> {
        let mut query = query.to_vec();
        prepare(&mut query, self.training.roots);
        let similarity = self.training.nearest(&query, None, self.line.neighbour)?;
        Some(Unlike { similarity, familiar: self.line.similarity })
    }
}

impl Training {
    fn row(&self, place: usize) -> &[f32] {
        &self.rows[place * self.width..(place + 1) * self.width]
    }

    /// Similarity of a prepared row to its k-th most alike one, without the one in the place `own`.
    fn nearest(&self, query: &[f32], own: Option<usize>, k: usize) -> Option<f32> {
        if query.len() != self.width || self.width == 0 {
            return None;
        }
        let best = |mut all: Vec<f32>| {
            all.sort_unstable_by(|a, b| b.total_cmp(a));
            all.truncate(k);
            all
        };
        let closest = |(task, rows): (usize, &[f32])| {
            let rows = rows.chunks_exact(self.width).enumerate();
            let others = rows.filter(|(i, _)| Some(task * ROWS + i) != own);
            best(others.map(|(_, row)| dot(row, query).clamp(-1.0, 1.0)).collect())
        };
        let parts: Vec<Vec<f32>> = self.rows.par_chunks(ROWS * self.width).enumerate().map(closest).collect();
        best(parts.concat()).get(k.checked_sub(1)?).copied()
    }
}

/// Brings features to what is compared: fourth roots, if so, and then length 1; zeros stay zeros.
fn prepare(row: &mut [f32], roots: bool) {
    if roots {
        // A new picture's may be a little below 0 where no training picture's is.
        row.iter_mut().for_each(|v| *v = v.max(0.0).sqrt().sqrt());
    }
    let scale = scale(row);
    row.iter_mut().for_each(|v| *v *= scale);
}

/// The value below which a share of all lies, between two values in proportion (numpy's `linear`); 0 of nothing.
fn quantile(mut all: Vec<f32>, share: f64) -> f32 {
    all.sort_unstable_by(f32::total_cmp);
    let at = share * all.len().saturating_sub(1) as f64;
    let (low, part) = (at.floor() as usize, at.fract() as f32);
    match (all.get(low), all.get(low + 1)) {
        (Some(a), Some(b)) => a + (b - a) * part,
        (Some(a), None) => *a,
        _ => 0.0,
    }
}
