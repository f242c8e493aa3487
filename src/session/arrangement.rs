//! Where a run's pictures lie by their neighbours: `map.json`, kept beside the features that it was made from.

use super::insight::Analysis;
use super::versioned::FileKind;
use crate::data::Progress;
use crate::engine::Features;
use crate::engine::features::Neighbourhood;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

const KIND: FileKind = FileKind {
    name: "map.json",
    what: "the places of the pictures on the map",
    newest: 1,
    if_damaged: "Remove this file; the map is then arranged again",
};
/// Seed of where the pictures begin, and of which are drawn where there are very many.
const SEED: u64 = 0;

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// SHA-256 of what tells the pictures' features.
    features_sha256: String,
    arranged: usize,
    points: Vec<[f32; 2]>,
}

/// Arranges the compared pictures of a run by their neighbours, or reads how that was done before.
///
/// # Errors
/// If the pictures were compared anew since, or `progress` stops the work.
pub(super) fn arrange(
    analysis: &Analysis,
    features: Option<&Features>,
    progress: Progress<'_>,
) -> Result<Neighbourhood> {
    let same = |f: &&Features| f.pictures.iter().map(|p| &p.rel).eq(analysis.pictures.iter().map(|p| &p.rel));
    let features = features.filter(same).ok_or_else(|| {
        Error::input("the pictures were compared anew, or what the comparison kept is gone")
            .with_path(&analysis.run_dir)
            .with_hint("Press \"Compare again\" on the tab Suspects")
    })?;
    let digest = features.digest();
    let kept = KIND.read(&analysis.run_dir, |kept: &Kept| kept.version).unwrap_or_else(|why| {
        tracing::warn!("{why}");
        None
    });
    if let Some(kept) = kept.filter(|k| k.features_sha256 == digest && k.points.len() == features.len()) {
        return Ok(Neighbourhood { points: kept.points, arranged: kept.arranged });
    }
    let found = Neighbourhood::of(features, SEED, progress)?;
    let (points, arranged) = (found.points.clone(), found.arranged);
    let kept = Kept { version: KIND.newest, features_sha256: digest, arranged, points };
    // A map that cannot be kept can still be looked at.
    KIND.write(&analysis.run_dir, &kept).unwrap_or_else(|why| tracing::warn!("{why}"));
    Ok(found)
}
