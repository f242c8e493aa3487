//! Files and folders that a person dropped or named, as a list of pictures.

use crate::data::decode::may_be_picture;
use crate::data::is_hidden;
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Files as they are, and of folders all that have a picture's name or content, in natural order. Hidden files in folders are left
/// out, and a folder is read once, however many links lead to it.
///
/// # Errors
/// If a folder cannot be read, or `go_on` says stop.
pub(super) fn expand(paths: &[PathBuf], go_on: &dyn Fn() -> Result<()>) -> Result<Vec<PathBuf>> {
    let mut walk = Walk { go_on, visited: HashSet::new(), found: Vec::new() };
    for path in paths {
        if path.is_dir() {
            walk.folder(path)?;
        } else {
            walk.found.push(path.clone());
        }
    }
    Ok(walk.found)
}

struct Walk<'a> {
    go_on: &'a dyn Fn() -> Result<()>,
    /// Real paths of the folders that were read.
    visited: HashSet<PathBuf>,
    found: Vec<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, dir: &Path) -> Result<()> {
        (self.go_on)()?;
        let unreadable = |e| Error::io("read the folder", dir, &e);
        if !self.visited.insert(dir.canonicalize().map_err(unreadable)?) {
            return Ok(());
        }
        let entries = std::fs::read_dir(dir).map_err(unreadable)?;
        let mut names: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| !hidden(p)).collect();
        names.sort_by(|a, b| {
            natord::compare(&a.to_string_lossy(), &b.to_string_lossy()).then_with(|| a.cmp(b))
        });
        for path in names {
            if path.is_dir() {
                self.folder(&path)?;
            } else if may_be_picture(&path) {
                self.found.push(path);
            }
        }
        Ok(())
    }
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| is_hidden(&name.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_their_pictures_in_natural_order_and_files_stay_as_they_are() {
        let t = tempfile::tempdir().unwrap();
        for name in [
            "b/10.png",
            "b/9.JPG",
            "a.txt",
            ".hidden.png",
            "c.webp",
            "b/deep/1.tif",
            ".git/x.png",
            "@eaDir/1.png",
        ] {
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

    #[test]
    fn a_picture_counts_by_its_content_too() {
        let t = tempfile::tempdir().unwrap();
        image::RgbImage::new(3, 2).save(t.path().join("a.png")).unwrap();
        std::fs::rename(t.path().join("a.png"), t.path().join("no-ending")).unwrap();
        std::fs::write(t.path().join("notes"), "words").unwrap();
        let found = expand(&[t.path().to_path_buf()], &|| Ok(())).unwrap();
        assert_eq!(found, [t.path().join("no-ending")]);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_folders_are_followed_once() {
        let t = tempfile::tempdir().unwrap();
        std::fs::create_dir(t.path().join("real")).unwrap();
        std::fs::write(t.path().join("real/1.png"), "").unwrap();
        std::os::unix::fs::symlink(t.path(), t.path().join("up")).unwrap();
        std::os::unix::fs::symlink(t.path().join("real"), t.path().join("again")).unwrap();
        let found = expand(&[t.path().to_path_buf(), t.path().join("real")], &|| Ok(())).unwrap();
        assert_eq!(found, [t.path().join("again/1.png")]);
        let stop = || Err(Error::cancelled());
        assert!(expand(&[t.path().to_path_buf()], &stop).unwrap_err().is_cancelled());
    }
}
