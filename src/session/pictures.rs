//! Files and folders that a person dropped or named, as a list of pictures.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Endings of the picture formats that are read; in a folder, only these count.
const ENDINGS: [&str; 8] = ["bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp"];

/// Folders inside folders deeper than this are links in a circle.
const DEEPEST: usize = 32;

/// Files as they are, and of folders all pictures in them, in natural order. Hidden files in folders are left out.
///
/// # Errors
/// If a folder cannot be read, or `go_on` says stop.
pub(super) fn expand(paths: &[PathBuf], go_on: &dyn Fn() -> Result<()>) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, 0, go_on, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn walk(dir: &Path, depth: usize, go_on: &dyn Fn() -> Result<()>, found: &mut Vec<PathBuf>) -> Result<()> {
    go_on()?;
    if depth > DEEPEST {
        return Ok(());
    }
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io("read the folder", dir, &e))?;
    let mut names: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| !is_hidden(p)).collect();
    names.sort_by(|a, b| natord::compare(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b)));
    for path in names {
        if path.is_dir() {
            walk(&path, depth + 1, go_on, found)?;
        } else if is_picture_name(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'))
}

fn is_picture_name(path: &Path) -> bool {
    path.extension().is_some_and(|e| ENDINGS.contains(&e.to_string_lossy().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_their_pictures_in_natural_order_and_files_stay_as_they_are() {
        let t = tempfile::tempdir().unwrap();
        for name in ["b/10.png", "b/9.JPG", "a.txt", ".hidden.png", "c.webp", "b/deep/1.tif", ".git/x.png"] {
            let path = t.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let asked = [t.path().join("a.txt"), t.path().to_path_buf(), t.path().join("gone.png")];
        let found = expand(&asked, &|| Ok(())).unwrap();
        let names: Vec<String> = found
            .iter()
            .map(|p| p.strip_prefix(t.path()).unwrap().to_string_lossy().replace('\\', "/"))
            .collect();
        assert_eq!(names, ["a.txt", "b/9.JPG", "b/10.png", "b/deep/1.tif", "c.webp", "gone.png"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_folder_above_ends() {
        let t = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(t.path(), t.path().join("up")).unwrap();
        assert!(expand(&[t.path().to_path_buf()], &|| Ok(())).unwrap().is_empty());
        let stop = || Err(Error::cancelled());
        assert!(expand(&[t.path().to_path_buf()], &stop).unwrap_err().is_cancelled());
    }
}
