//! What tells files, pictures and their contents from others.

use crate::error::{Error, Result};
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::Path;

/// Digits for the contents of one picture: enough to miss one change in four billion, and little where there are many pictures.
pub(crate) const CONTENT_DIGITS: usize = 8;

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn sha256_of_file(path: &Path) -> Result<String> {
    let io = |e: std::io::Error| Error::io("read", path, &e);
    let mut file = std::fs::File::open(path).map_err(io)?;
    let mut hash = Sha256::new();
    let mut block = vec![0u8; 1 << 20];
    loop {
        match file.read(&mut block).map_err(io)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&block[..n]),
        }
    }
}

/// Fingerprint of pictures: classes, paths, labels and splits.
pub(crate) fn fingerprint(dataset: &crate::data::Dataset) -> String {
    let mut hash = Sha256::new();
    for class in &dataset.classes {
        hash.update(class.as_bytes());
        hash.update([0]);
    }
    for s in &dataset.samples {
        hash.update(s.rel.as_bytes());
        hash.update([0]);
        hash.update((s.class as u64).to_le_bytes());
        hash.update([s.split as u8]);
    }
    hex(&hash.finalize())
}

/// Fingerprints of the contents of pictures, from the SHA-256 of their files.
pub(crate) fn contents(sha256: &[[u8; 32]]) -> String {
    sha256.iter().map(|hash| hex(&hash[..CONTENT_DIGITS / 2])).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
