//! Files that are either the old or the new, never half: temporary file, sync, rename.

use crate::error::{Error, Result};
use std::io::Write as _;
use std::path::Path;

/// Writes `bytes` to `path` through a temporary file in the same folder, synced, then renamed.
///
/// On Unix a new file gets the permissions that any program's would (0666 less the umask), a replaced one keeps its own.
///
/// # Errors
/// If the folder cannot be written or the disk is full; `path` then still holds what it held.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    // By the time that this is told, the temporary file has given its room back.
    replace(path, bytes).map_err(|e| Error::io("write", path, &without_place(e)))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = create_beside(dir)?;
    file.write_all(bytes)?;
    keep_permissions(path, file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// What the system said, without the name of the temporary file that `tempfile` adds: it would say nothing to anybody.
pub fn without_place(e: std::io::Error) -> std::io::Error {
    match e.to_string().split_once(" at path ") {
        Some((said, _)) if e.raw_os_error().is_none() => std::io::Error::new(e.kind(), said),
        _ => e,
    }
}

/// A temporary file in `dir`.
fn create_beside(dir: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp-");
    // Temporary files are private to the user by default, and a rename would keep that: runs could not be shared.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir)
}

/// Gives `fresh` the permissions of the file at `path`, if there is one.
#[cfg(unix)]
fn keep_permissions(path: &Path, fresh: &std::fs::File) -> std::io::Result<()> {
    match std::fs::metadata(path) {
        Ok(old) => fresh.set_permissions(old.permissions()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Elsewhere permissions are the folder's, and a file that is replaced can be written anyway.
#[cfg(not(unix))]
fn keep_permissions(_path: &Path, _fresh: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn what_went_wrong_is_told_of_the_file_that_was_to_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let said = write(&dir.path().join("none/run.json"), b"1").unwrap_err().to_string();
        assert!(said.contains("none/run.json") && !said.contains(".tmp-"), "{said}");
        let said = "No space left on device (os error 28)";
        let full = std::io::Error::new(
            std::io::ErrorKind::StorageFull,
            format!("{said} at path \"/runs/.tmp-m2MMPH\""),
        );
        let told = Error::io("write", dir.path().join("none/run.json"), &without_place(full)).to_string();
        assert!(told.contains(said) && !told.contains(".tmp-"), "{told}");
        assert!(told.contains("This disk has ") && told.contains(" MB left"), "{told}");
    }

    #[test]
    fn a_new_file_has_the_permissions_of_any_other() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
        write(&ours, b"1").unwrap();
        std::fs::write(&plain, b"1").unwrap();
        assert_eq!(mode(&ours), mode(&plain), "{:o}", mode(&ours));
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for wanted in [0o640, 0o600, 0o664, 0o444] {
            std::fs::write(&path, b"old").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(wanted)).unwrap();
            write(&path, b"new").unwrap();
            assert_eq!(mode(&path), wanted);
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
            std::fs::remove_file(&path).unwrap();
        }
    }
}
