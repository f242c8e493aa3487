//! Small JSON files of a project or run that carry a version.

use crate::error::{Error, Result, place_in_json};
use crate::export::atomic;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// A sort of file.
pub(super) struct FileKind {
    /// Its name in the folder.
    pub(super) name: &'static str,
    /// What is in it, in the plural.
    pub(super) what: &'static str,
    /// The version that is written, and the newest that is understood.
    pub(super) newest: u32,
    /// What to do where it is damaged.
    pub(super) if_damaged: &'static str,
}

impl FileKind {
    /// What is in the file in `dir`; none where there is no such file.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        dir: &Path,
        version: impl Fn(&T) -> u32,
    ) -> Result<Option<T>> {
        let path = dir.join(self.name);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("read", &path, &e)),
        };
        let file: T = serde_json::from_slice(&bytes).map_err(|e| {
            Error::input(format!("{} are damaged ({})", self.what, place_in_json(&e)))
                .with_path(&path)
                .with_hint(self.if_damaged)
        })?;
        match version(&file) {
            v if (1..=self.newest).contains(&v) => Ok(Some(file)),
            v => Err(Error::input(format!("{} have version {v}", self.what))
                .with_path(&path)
                .with_hint("A newer Headstart wrote them; use that one")),
        }
    }

    /// Writes the file in `dir`.
    pub(super) fn write(&self, dir: &Path, file: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec_pretty(file)
            .map_err(|e| Error::internal(format!("could not write {} ({e})", self.what)))?;
        atomic::write(&dir.join(self.name), &text)
    }

    /// Removes the file in `dir`, if there is one.
    pub(super) fn remove(&self, dir: &Path) -> std::io::Result<()> {
        match std::fs::remove_file(dir.join(self.name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }
}
