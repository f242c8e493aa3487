//! One process at a time works on a run, and one window on a project.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::Path;

/// Name of the locked file inside the folder. It stays there: who removed it could not know who waits for it.
const FILE: &str = ".lock";

/// Held while a run is worked on; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct RunLock {
    _held: Option<File>,
}

/// Held while a window shows a project: of two that save its settings and undo its decisions, each would undo the other's.
#[derive(Debug)]
pub struct ProjectLock {
    _held: Option<File>,
}

impl ProjectLock {
    /// Takes the project for this process. A folder that cannot be written needs no lock.
    ///
    /// # Errors
    /// If another process has it.
    pub fn take(project_dir: &Path) -> Result<Self> {
        let path = project_dir.join(FILE);
        match open(&path) {
            Ok(file) => match lock(file, &path) {
                Some(held) => Ok(Self { _held: held }),
                None => Err(Error::input("this project is open in another window")
                    .with_path(project_dir)
                    .with_hint("Go on there, or close that window first")),
            },
            Err(e) => {
                tracing::warn!("{} cannot be written: {e}", path.display());
                Ok(Self { _held: None })
            }
        }
    }
}

/// The file, made where it is not.
fn open(path: &Path) -> std::io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

/// The locked file; nothing inside where the drive knows no locks, and nothing at all where another process has it.
fn lock(file: File, path: &Path) -> Option<Option<File>> {
    match file.try_lock() {
        Ok(()) => Some(Some(file)),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(e)) => {
            // Some network drives know no locks; most people have one window.
            tracing::warn!("{} cannot be locked: {e}", path.display());
            Some(None)
        }
    }
}

impl RunLock {
    /// Takes the run for this process.
    ///
    /// # Errors
    /// If another one has it, or the folder cannot be written.
    pub(super) fn take(run_dir: &Path) -> Result<Self> {
        let path = run_dir.join(FILE);
        let file = open(&path).map_err(|e| Error::io("write to the run's folder", &path, &e))?;
        match lock(file, &path) {
            Some(held) => Ok(Self { _held: held }),
            None => Err(Error::input("this run is being trained already")
                .with_path(run_dir)
                .with_hint("Wait until it ends, or choose another folder")),
        }
    }

    /// Takes the locked file away from a folder that came to hold no run, and lets go of it.
    pub(super) fn remove(self, run_dir: &Path) -> std::io::Result<()> {
        std::fs::remove_file(run_dir.join(FILE))
    }
}

/// Whether a process works on the run.
pub(super) fn is_taken(run_dir: &Path) -> bool {
    File::open(run_dir.join(FILE)).is_ok_and(|f| matches!(f.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_once_and_free_again_afterwards() {
        let t = tempfile::tempdir().unwrap();
        assert!(!is_taken(t.path()));
        let lock = RunLock::take(t.path()).unwrap();
        assert!(is_taken(t.path()));
        let error = RunLock::take(t.path()).unwrap_err().to_string();
        assert!(error.contains("being trained") && error.contains("another folder"), "{error}");
        drop(lock);
        assert!(!is_taken(t.path()));
        RunLock::take(t.path()).unwrap();
        assert!(RunLock::take(&t.path().join("missing")).is_err());
    }

    #[test]
    fn a_project_is_open_in_one_window_and_one_that_cannot_be_written_in_any() {
        let t = tempfile::tempdir().unwrap();
        let lock = ProjectLock::take(t.path()).unwrap();
        let error = ProjectLock::take(t.path()).unwrap_err().to_string();
        assert!(error.contains("another window"), "{error}");
        drop(lock);
        ProjectLock::take(t.path()).unwrap();
        ProjectLock::take(&t.path().join("missing")).unwrap();
    }
}
