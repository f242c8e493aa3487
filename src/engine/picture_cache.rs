//! Decoded pictures kept in memory up to a budget, so that no epoch but the first has to decode them.

use image::RgbImage;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Memory that a job may still fill with what it need not compute twice. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<AtomicU64>);

impl Budget {
    /// A budget of so many mebibytes.
    pub(crate) fn mib(mib: usize) -> Self {
        Self(Arc::new(AtomicU64::new((mib as u64) << 20)))
    }

    /// Whether so many bytes are left.
    fn has(&self, bytes: u64) -> bool {
        self.0.load(Ordering::Relaxed) >= bytes
    }

    /// Takes `bytes` out of it; false, and nothing taken, where they are not there.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// What is kept of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kept {
    /// The square of the evaluation view.
    Square,
    /// What random views are cut from.
    Source,
}

/// Decoded pictures, by number in the data set. Those that do not fit are made again each time, with the same result.
#[derive(Debug)]
pub(crate) struct PictureCache {
    budget: Budget,
    pictures: RwLock<HashMap<(usize, Kept), Arc<RgbImage>>>,
}

impl PictureCache {
    /// An empty cache that fills `budget`.
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, pictures: RwLock::default() }
    }

    /// The picture, where it is kept.
    pub(crate) fn get(&self, picture: usize, kept: Kept) -> Option<Arc<RgbImage>> {
        self.pictures.read().unwrap_or_else(PoisonError::into_inner).get(&(picture, kept)).cloned()
    }

    /// Whether a square of `side` pixels would be kept.
    pub(crate) fn has_room(&self, side: usize) -> bool {
        self.budget.has((side * side * 3) as u64)
    }

    /// Keeps the picture if there is room.
    pub(crate) fn put(&self, picture: usize, kept: Kept, image: &Arc<RgbImage>) {
        if self.budget.take(image.as_raw().len() as u64) {
            let mut pictures = self.pictures.write().unwrap_or_else(PoisonError::into_inner);
            pictures.insert((picture, kept), Arc::clone(image));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_kept_as_long_as_they_fit() {
        let cache = PictureCache::new(Budget::mib(1));
        let large = Arc::new(RgbImage::new(512, 512));
        cache.put(3, Kept::Source, &large);
        cache.put(4, Kept::Source, &large);
        cache.put(4, Kept::Square, &Arc::new(RgbImage::new(224, 224)));
        assert_eq!(cache.get(3, Kept::Source).as_ref(), Some(&large));
        assert!(cache.get(3, Kept::Square).is_none(), "the other kind of the same picture");
        assert!(cache.get(4, Kept::Source).is_none(), "786432 of 1048576 bytes are taken");
        assert!(cache.get(4, Kept::Square).is_some(), "smaller ones still fit");
        assert!(cache.has_room(190) && !cache.has_room(200), "111616 bytes are left");
    }
}
