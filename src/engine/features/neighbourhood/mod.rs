//! Pictures on a plane so that those near each other among the features are near each other on it: t-SNE (van der Maaten and Hinton
//! 2008, "Visualizing Data using t-SNE") of the features' first principal components.
//!
//! It is our own because it has to be stopped at any step, to say how far it is, and to give the same plane for any number of threads.

mod affinities;
mod descent;
mod nearest;
mod quadtree;

use super::Features;
use super::principal::{Directions, Search};
use crate::data::Progress;
use crate::engine::keys;
use crate::error::Result;
use crate::nn::rng::Rng;
use affinities::Affinities;
use rayon::prelude::*;

/// Principal components that distances are taken from: what is past them is mostly noise, and costs time.
const COMPONENTS: usize = 50;
/// [`COMPONENTS`] with zeros after them, for whole vectors of arithmetic.
const WIDE: usize = 64;
/// They are a preparation, so they need no more passes than the method's authors advise.
const SEARCH: Search = Search { wanted: COMPONENTS, beside: 10, tolerance: 1e-4, passes: 7 };
/// Number of neighbours that each picture minds, roughly.
const PERPLEXITY: f64 = 30.0;
/// More pictures than this are not arranged by themselves: an hour would not do for a million.
const MOST: usize = 20_000;
/// Each of the others goes to the middle of so many arranged ones that it is most like.
const ANCHORS: usize = 5;
/// What looking for neighbours counts in steps of the descent.
const LOOKING: usize = 250;
/// Standard deviation of the first coordinates at the start, as in scikit-learn, and what tells the same pictures apart in it.
const START: f64 = 1e-4;
const APART: f64 = 1e-6;

/// Where pictures lie on a plane by their neighbours.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbourhood {
    /// One a picture.
    pub points: Vec<[f32; 2]>,
    /// How many were arranged by themselves; each of the others lies among those of them that it is most like.
    pub arranged: usize,
}

impl Neighbourhood {
    /// Arranges all pictures. Of very many a sample, drawn from each class in proportion, is arranged, and the others are laid
    /// among it.
    ///
    /// # Errors
    /// If `progress`, which is told of steps, stops the work.
    pub fn of(features: &Features, seed: u64, progress: Progress<'_>) -> Result<Self> {
        Self::with_most(features, MOST, seed, progress)
    }

    fn with_most(features: &Features, most: usize, seed: u64, progress: Progress<'_>) -> Result<Self> {
        let sample = sample(features, most, seed);
        let placing = if sample.len() < features.len() { LOOKING } else { 0 };
        let total = LOOKING + descent::STEPS + placing;
        let told = |done: usize| progress(done, total);
        told(0)?;
        let width = features.width();
        let chosen: Vec<f32> = sample.iter().flat_map(|&i| finite(features.row(i))).collect();
        let directions = Directions::find((&chosen, width), SEARCH, seed, &|| told(0))?;
        let rows = directions.coordinates::<WIDE>(&chosen);
        drop(chosen);
        if rows.is_empty() {
            return Ok(Self { points: vec![[0.0; 2]; features.len()], arranged: features.len() });
        }
        let perplexity = PERPLEXITY.min((rows.len() as f64 - 1.0) / 3.0).max(1.0);
        let count = (3.0 * perplexity + 1.0) as usize;
        let share = |done: usize, of: usize| LOOKING * done / of.max(1);
        let near = nearest::others(&rows, count, &|done, of| told(share(done, of)))?;
        let affinities = Affinities::of(&near, perplexity);
        drop(near);
        let placed = descent::descend(&affinities, start(&rows, seed), &|step| told(LOOKING + step))?;
        let mut points = vec![[0f32; 2]; features.len()];
        sample.iter().zip(&placed).for_each(|(&i, at)| points[i] = *at);
        if placing > 0 {
            let mut arranged = vec![false; features.len()];
            sample.iter().for_each(|&i| arranged[i] = true);
            let others: Vec<usize> = (0..features.len()).filter(|&i| !arranged[i]).collect();
            let before = LOOKING + descent::STEPS;
            let told = |done, of| told(before + share(done, of));
            let middles = middles(features, &others, &directions, (&rows, &placed), &told)?;
            others.iter().zip(middles).for_each(|(&i, at)| points[i] = at);
        }
        told(total)?;
        Ok(Self { points, arranged: sample.len() })
    }
}

/// Pictures to arrange, in order: all, or `most` of them with the same share of each class.
fn sample(features: &Features, most: usize, seed: u64) -> Vec<usize> {
    let all = features.len();
    if all <= most {
        return (0..all).collect();
    }
    let mut by_class: Vec<Vec<usize>> = vec![Vec::new(); features.classes.len()];
    features.pictures.iter().enumerate().for_each(|(i, p)| by_class[p.class].push(i));
    let mut chosen = Vec::with_capacity(most);
    let mut seen = 0;
    for (class, mut of_class) in by_class.into_iter().enumerate() {
        // Rounded so that all classes together make up exactly as many as are wanted.
        let before = seen * most / all;
        seen += of_class.len();
        Rng::for_key(seed, &[keys::ARRANGED, class as u64]).shuffle(&mut of_class);
        chosen.extend(of_class.into_iter().take(seen * most / all - before));
    }
    chosen.sort_unstable();
    chosen
}

/// A damaged model may make numbers that are none.
fn finite(row: &[f32]) -> impl Iterator<Item = f32> {
    row.iter().map(|v| if v.is_finite() { *v } else { 0.0 })
}

/// Where the descent begins: along the first two principal components, very close together. The same seed begins the same.
fn start(rows: &[[f32; WIDE]], seed: u64) -> Vec<[f32; 2]> {
    let variance = rows.iter().map(|r| f64::from(r[0]).powi(2)).sum::<f64>() / rows.len().max(1) as f64;
    let scale = if variance > 0.0 { START / variance.sqrt() } else { 0.0 };
    let mut rng = Rng::for_key(seed, &[keys::ARRANGED]);
    rows.iter()
        .map(|row| [row[0], row[1]].map(|v| (f64::from(v) * scale + APART * rng.normal()) as f32))
        .collect()
}

/// Each picture between those arranged ones that it is most like: the median of each coordinate, which no far one moves.
fn middles(
    features: &Features,
    pictures: &[usize],
    directions: &Directions,
    (rows, placed): (&[[f32; WIDE]], &[[f32; 2]]),
    told: Progress<'_>,
) -> Result<Vec<[f32; 2]>> {
    const AT_ONCE: usize = 4096;
    let mut found = Vec::with_capacity(pictures.len());
    for some in pictures.chunks(AT_ONCE) {
        told(found.len(), pictures.len())?;
        let values: Vec<f32> = some.iter().flat_map(|&i| finite(features.row(i))).collect();
        let queries = directions.coordinates::<WIDE>(&values);
        let middle = |query: &[f32; WIDE]| {
            let near = nearest::of(rows, query, ANCHORS, None);
            [0, 1].map(|axis| {
                let mut along: Vec<f32> = near.iter().map(|n| placed[n.row as usize][axis]).collect();
                along.sort_unstable_by(f32::total_cmp);
                along.get(along.len() / 2).copied().unwrap_or_default()
            })
        };
        found.extend(queries.par_iter().map(middle).collect::<Vec<_>>());
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
