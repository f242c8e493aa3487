//! Files that are either the old or the new, never half: temporary file, sync, rename.

use crate::error::{Error, Result};
use std::io::Write as _;
use std::path::Path;

/// Writes `bytes` to `path` through a temporary file in the same folder, synced, then renamed.
///
/// # Errors
/// If the folder cannot be written or the disk is full; `path` then still holds what it held.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let io = |e: std::io::Error| Error::io("write", path, &e);
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(dir).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|e| Error::io("write", path, &e.error))?;
    Ok(())
}
