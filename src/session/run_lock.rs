//! One process at a time works on a run.

use crate::error::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::Path;

/// Name of the locked file inside a run's folder. It stays where a run is: who removed it could not know who waits for it.
const FILE: &str = ".lock";

/// Held while a run is worked on; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct RunLock {
    _held: Option<File>,
}

impl RunLock {
    /// Takes the run for this process.
    ///
    /// # Errors
    /// If another one has it, or the folder cannot be written.
    pub(super) fn take(run_dir: &Path) -> Result<Self> {
        let path = run_dir.join(FILE);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|e| Error::io("write to the run's folder", &path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _held: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(Error::input("this run is being trained already")
                .with_path(run_dir)
                .with_hint("Wait until it ends, or choose another folder")),
            Err(TryLockError::Error(e)) => {
                // Some network drives know no locks; most people have one window.
                tracing::warn!("{} cannot be locked: {e}", path.display());
                Ok(Self { _held: None })
            }
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
}
