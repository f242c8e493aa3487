//! Keeping what the program writes out of the folder of pictures.

use crate::error::{Error, Result};
use std::path::{Component, Path, PathBuf};

/// `path` without links and dots, as far as it exists; the rest is taken as written.
pub(super) fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut rest = Vec::new();
    let mut existing = absolute.as_path();
    loop {
        if let Ok(mut real) = existing.canonicalize() {
            real.extend(rest.iter().rev());
            return real;
        }
        match (existing.components().next_back(), existing.parent()) {
            (Some(last @ (Component::Normal(_) | Component::ParentDir)), Some(parent)) => {
                rest.push(last.as_os_str().to_owned());
                existing = parent;
            }
            _ => return absolute,
        }
    }
}

/// Whether the resolved `path` is `folder` or lies in it.
pub(super) fn is_within(path: &Path, folder: &Path) -> bool {
    resolved(path).starts_with(resolved(folder))
}

/// Refuses to write `what` to `out` where that would put files among the pictures in `data`.
///
/// # Errors
/// If `out` is `data` or lies in it, links seen through.
pub fn check_outside(what: &str, out: &Path, data: &Path) -> Result<()> {
    if is_within(out, data) {
        return Err(Error::input(format!("{what} would be written into the folder of pictures"))
            .with_path(out)
            .with_hint("Pictures are never written to: choose a folder outside of them"));
    }
    Ok(())
}

/// Whether `dir` is missing or holds nothing.
pub(super) fn is_new_or_empty(dir: &Path) -> Result<bool> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(Error::io("read the folder", dir, &e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_does_not_exist_yet_is_still_found_inside() {
        let t = tempfile::tempdir().unwrap();
        let data = t.path().join("pictures");
        std::fs::create_dir(&data).unwrap();
        for inside in ["pictures", "pictures/a/b", "x/../pictures/run", "pictures/."] {
            assert_eq!(is_within(&t.path().join(inside), &data), inside != "x/../pictures/run", "{inside}");
        }
        std::fs::create_dir(t.path().join("x")).unwrap();
        assert!(is_within(&t.path().join("x/../pictures/run"), &data));
        assert!(!is_within(&t.path().join("pictures2"), &data));
        assert!(check_outside("the run", &data.join("run"), &data).unwrap_err().what().contains("the run"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_into_the_pictures_is_seen_through() {
        let t = tempfile::tempdir().unwrap();
        let data = t.path().join("pictures");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, t.path().join("link")).unwrap();
        assert!(is_within(&t.path().join("link/run"), &data));
    }
}
