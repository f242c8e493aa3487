//! What looking at a file showed, remembered for as long as the file stays the same.

use super::PictureSize;
use super::similar::{Appearance, PerceptualHash, Thumbnail};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::fs::Metadata;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file changed more recently than this may change once more within one tick of its file system's clock, without a trace.
const SETTLED: Duration = Duration::from_secs(2);

/// What looking at the pictures of a data set showed, by path relative to its folder. Only pictures that could be decoded are
/// remembered: a reason against a file can go away without the file changing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checks(Arc<HashMap<String, Check>>);

impl Serialize for Checks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_ref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Checks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        HashMap::deserialize(deserializer).map(|files| Self(Arc::new(files)))
    }
}

/// What looking at one decodable picture showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Check {
    stamp: Stamp,
    /// SHA-256 of the file.
    pub(super) sha256: [u8; 32],
    /// It has more than one frame.
    pub(super) animated: bool,
    /// Width and height in pixels, upright.
    pub(super) size: (u32, u32),
    /// What it looks like; none where an earlier version looked.
    #[serde(default)]
    pub(super) appearance: Option<PerceptualHash>,
    /// What its mirror image looks like; none where an earlier version looked.
    #[serde(default)]
    pub(super) mirrored: Option<PerceptualHash>,
    /// The picture in few shades; none where an earlier version looked.
    #[serde(default)]
    pub(super) thumbnail: Option<Thumbnail>,
}

/// How a change of a file is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    len: u64,
    /// Nanoseconds since 1970.
    modified_ns: u64,
}

impl Stamp {
    /// None where the system does not tell, or the file has only just been written.
    pub(super) fn of(meta: &Metadata) -> Option<Self> {
        let modified = meta.modified().ok()?;
        SystemTime::now().duration_since(modified).ok().filter(|age| *age > SETTLED)?;
        let modified_ns = u64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()?;
        Some(Self { len: meta.len(), modified_ns })
    }
}

impl Check {
    /// What was seen of the file that had `stamp` before it was read.
    pub(super) fn new(
        stamp: Stamp,
        sha256: [u8; 32],
        animated: bool,
        size: (u32, u32),
        Appearance { hash, mirrored, thumbnail }: Appearance,
    ) -> Self {
        let (appearance, mirrored, thumbnail) = (Some(hash), Some(mirrored), Some(thumbnail));
        Self { stamp, sha256, animated, size, appearance, mirrored, thumbnail }
    }

    /// What it looks like.
    pub(super) fn looks(&self) -> Option<Appearance> {
        Some(Appearance { hash: self.appearance?, mirrored: self.mirrored?, thumbnail: self.thumbnail? })
    }

    /// Of the picture and its file.
    pub(super) fn picture_size(&self) -> PictureSize {
        PictureSize { width: self.size.0, height: self.size.1, bytes: self.stamp.len }
    }
}

impl Checks {
    /// What is remembered of a file, if it is still the same and within the limit of pixels.
    pub(super) fn get(&self, rel: &str, stamp: Stamp, max_megapixels: f64) -> Option<&Check> {
        let within = |c: &&Check| f64::from(c.size.0) * f64::from(c.size.1) / 1e6 <= max_megapixels;
        self.0.get(rel).filter(|c| c.stamp == stamp && c.looks().is_some()).filter(within)
    }

    /// The files that are remembered.
    pub(super) fn files(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// With what `earlier` remembers of files that this does not know.
    #[must_use]
    pub fn and(mut self, earlier: &Self) -> Self {
        let files = Arc::make_mut(&mut self.0);
        for (rel, check) in earlier.0.iter() {
            files.entry(rel.clone()).or_insert_with(|| check.clone());
        }
        self
    }

    /// How many files are remembered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Check)> for Checks {
    fn from_iter<T: IntoIterator<Item = (String, Check)>>(files: T) -> Self {
        Self(Arc::new(files.into_iter().collect()))
    }
}
