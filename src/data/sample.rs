//! The procedural sample data set: drawn leaves, so that the program can show itself without a download.
//!
//! Five kinds of leaves (fern, ginkgo, maple, oak, willow) that differ in shape; colours, grounds, light, clutter, sharpness
//! and noise vary for all alike, so that colour alone does not tell them apart.

mod canvas;
mod leaf;
mod scene;

use super::Progress;
use crate::error::{Error, Result};
use crate::nn::rng::Rng;
use image::ImageError;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use leaf::Kind;
use rayon::prelude::*;
use std::io::BufWriter;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pictures of each class.
const PER_CLASS: usize = 100;

/// Seed of the whole set: it is the same everywhere.
const SEED: u64 = 0x1EAF;

/// Writes the sample data set (class folders of PNG pictures) into `dir`, which must not exist or be empty. Where it fails or
/// is stopped, what it wrote is removed.
///
/// # Errors
/// If the folder is not empty or cannot be written.
pub fn write_sample(dir: &Path, progress: Progress<'_>) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, &e))?;
    let mut entries = std::fs::read_dir(dir).map_err(|e| Error::io("read", dir, &e))?;
    if entries.next().is_some() {
        return Err(Error::input("the folder for the sample pictures is not empty")
            .with_path(dir)
            .with_hint("Give a new or empty folder"));
    }
    let written = write_all(dir, progress);
    if written.is_err() {
        for kind in Kind::ALL {
            // The first failure is the one to tell; what cannot be removed stays.
            let _ = std::fs::remove_dir_all(dir.join(kind.name()));
        }
    }
    written
}

fn write_all(dir: &Path, progress: Progress<'_>) -> Result<()> {
    for kind in Kind::ALL {
        let folder = dir.join(kind.name());
        std::fs::create_dir(&folder).map_err(|e| Error::io("create", &folder, &e))?;
    }
    let total = Kind::ALL.len() * PER_CLASS;
    let done = AtomicUsize::new(0);
    (0..total).into_par_iter().try_for_each(|i| {
        let (class, number) = (i / PER_CLASS, i % PER_CLASS);
        let kind = Kind::ALL[class];
        let path = dir.join(kind.name()).join(format!("{}_{:02}.png", kind.name(), number + 1));
        let image = scene::draw(kind, &mut Rng::for_key(SEED, &[class as u64, number as u64]));
        let file = std::fs::File::create(&path).map_err(|e| Error::io("create", &path, &e))?;
        let encoder =
            PngEncoder::new_with_quality(BufWriter::new(file), CompressionType::Fast, FilterType::Adaptive);
        image.write_with_encoder(encoder).map_err(|e| match e {
            ImageError::IoError(e) => Error::io("write", &path, &e),
            e => Error::new(crate::ErrorKind::Io, format!("could not write ({e})")).with_path(&path),
        })?;
        progress(done.fetch_add(1, Ordering::Relaxed) + 1, total)
    })
}
