//! Pictures unlike anything in training: the distance to the k-th nearest training picture (Sun et al. 2022, "Out-of-Distribution
//! Detection with Deep Nearest Neighbors").
//!
//! The distance of features of length 1, which has the order of their similarity: the less alike the k-th most alike picture is, the
//! further away it is. What is far is told by the training pictures themselves, each against all others.

use super::Features;
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

/// Where the line is between familiar and unlike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Familiar {
    /// Similarity to the k-th most alike training picture from which on a picture is familiar.
    pub similarity: f32,
    /// k.
    pub neighbour: usize,
}

/// How a picture compares with those in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unlike {
    /// Similarity to the k-th most alike training picture, in `[-1, 1]`.
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

impl Features {
    /// Draws the line, from training pictures each compared with all others; none where there are too few of them. Of very many
    /// a sample is compared, drawn from `seed`.
    ///
    /// # Errors
    /// If `keep_going` stops the work.
    pub fn draw_line(&mut self, seed: u64, keep_going: &(dyn Fn() -> Result<()> + Sync)) -> Result<()> {
        let mut training = self.training();
        if training.len() < FEWEST {
            self.familiar = None;
            return Ok(());
        }
        if training.len() > COMPARED {
            Rng::for_key(seed, &[keys::FAMILIAR]).shuffle(&mut training);
            training.truncate(COMPARED);
        }
        let similarity = |&own: &usize| {
            keep_going()?;
            Ok(self.to_training(self.row(own), Some(own), NEIGHBOUR))
        };
        let all: Vec<f32> =
            training.par_iter().map(similarity).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        let similarity = quantile(all, 1.0 - FAMILIAR_SHARE);
        self.familiar = Some(Familiar { similarity, neighbour: NEIGHBOUR });
        Ok(())
    }

    /// How features compare with those of the training pictures; nothing where no line was drawn.
    ///
    /// # Shapes
    /// `query: [F]`.
    pub fn unlike(&self, query: &[f32]) -> Option<Unlike> {
        let line = self.familiar?;
        let similarity = self.to_training(query, None, line.neighbour)?;
        Some(Unlike { similarity, familiar: line.similarity })
    }

    /// Similarity to the k-th most alike training picture but `own`.
    fn to_training(&self, query: &[f32], own: Option<usize>, k: usize) -> Option<f32> {
        let among = |i: usize| self.pictures[i].training && Some(i) != own;
        self.most_alike(query, k, among).get(k.checked_sub(1)?).map(|a| a.similarity)
    }
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
