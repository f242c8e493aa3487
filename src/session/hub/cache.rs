//! The hub's cache on disk, laid out as Python's `huggingface_hub` does it:
//!
//! ```text
//! models--timm--resnet18.tv_in1k/
//!   blobs/<digest>                       the bytes, once for all revisions; <digest>.incomplete until they are whole
//!   snapshots/<commit>/model.safetensors a link to the blob
//!   refs/main                            the commit that the branch was at
//! .locks/models--timm--resnet18.tv_in1k/<digest>.lock
//! ```

use crate::backbones::HubFile;
use crate::engine::Control;
use crate::error::{Error, Result};
use crate::export::atomic;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Sleep between two looks at whether another process has finished with a file.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// Folder of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// A cache in a given folder, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The user's: `$HF_HUB_CACHE`, `$HF_HOME/hub`, `$XDG_CACHE_HOME/huggingface/hub` or `~/.cache/huggingface/hub`; `None`
    /// without a home folder.
    pub fn from_env() -> Option<Self> {
        let home = directories::BaseDirs::new().map(|d| d.home_dir().to_path_buf());
        Self::place(&|name| std::env::var_os(name), home.as_deref()).map(Self::new)
    }

    fn place(var: &dyn Fn(&str) -> Option<OsString>, home: Option<&Path>) -> Option<PathBuf> {
        let set = |name| var(name).filter(|v| !v.is_empty()).map(|v| expand(PathBuf::from(v), home));
        let hub = |dir: PathBuf| dir.join("hub");
        set("HF_HUB_CACHE")
            .or_else(|| set("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| set("HF_HOME").map(hub))
            .or_else(|| set("XDG_CACHE_HOME").map(|dir| hub(dir.join("huggingface"))))
            .or_else(|| Some(hub(home?.join(".cache/huggingface"))))
    }

    fn repository(&self, file: &HubFile) -> PathBuf {
        self.root.join(folder(file))
    }

    /// The file, where it is here: at the revision as it was last seen, otherwise at any.
    pub fn find(&self, file: &HubFile) -> Option<PathBuf> {
        let repository = self.repository(file);
        let snapshots = repository.join("snapshots");
        let named = std::fs::read_to_string(repository.join("refs").join(file.revision)).ok();
        let named = named.map(|commit| snapshots.join(commit.trim()));
        let mut others: Vec<PathBuf> =
            std::fs::read_dir(&snapshots).into_iter().flatten().flatten().map(|e| e.path()).collect();
        others.sort();
        named.into_iter().chain(others).map(|dir| dir.join(file.file)).find(|p| is_version(p, file))
    }

    /// Where the bytes of a file with this digest lie once they are whole.
    pub(super) fn blob(&self, file: &HubFile, digest: &str) -> PathBuf {
        self.repository(file).join("blobs").join(digest)
    }

    /// Makes the blob the file at `commit`, and `commit` the one that the revision is at.
    pub(super) fn publish(&self, file: &HubFile, commit: &str, digest: &str) -> Result<PathBuf> {
        let repository = self.repository(file);
        let link = repository.join("snapshots").join(commit).join(file.file);
        if link.symlink_metadata().is_ok() && !link.is_file() {
            // Its blob was deleted by hand.
            std::fs::remove_file(&link).map_err(|e| Error::io("remove", &link, &e))?;
        }
        if !link.is_file() {
            create_parent(&link)?;
            let ups = "../".repeat(2 + file.file.matches('/').count());
            place(&self.blob(file, digest), Path::new(&format!("{ups}blobs/{digest}")), &link)
                .map_err(|e| Error::io("write to the cache", &link, &e))?;
        }
        if commit != file.revision {
            let reference = repository.join("refs").join(file.revision);
            create_parent(&reference)?;
            atomic::write(&reference, commit.as_bytes())?;
        }
        Ok(link)
    }

    /// Waits until no other process, of this program or of Python's, downloads the same file.
    pub(super) fn lock(&self, file: &HubFile, digest: &str, control: &Control) -> Result<Option<File>> {
        let path = self.root.join(".locks").join(folder(file)).join(format!("{digest}.lock"));
        create_parent(&path)?;
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|e| Error::io("write to the cache", &path, &e))?;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(TryLockError::WouldBlock) => control.checkpoint()?,
                // Some network drives know no locks.
                Err(TryLockError::Error(_)) => return Ok(None),
            }
            std::thread::sleep(LOCK_WAIT);
        }
    }
}

fn folder(file: &HubFile) -> String {
    format!("models--{}", file.repository.replace('/', "--"))
}

/// Whether the file is there, and not known to be another version of it.
fn is_version(path: &Path, file: &HubFile) -> bool {
    let blob = std::fs::canonicalize(path).ok();
    let digest = blob.as_deref().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
    match (file.sha256, digest.filter(|d| is_sha256(d))) {
        (Some(known), Some(digest)) => known == digest && path.is_file(),
        _ => path.is_file(),
    }
}

/// Whether a digest is a SHA-256, as those of large files are; the others are git's.
pub(super) fn is_sha256(digest: &str) -> bool {
    digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `~/x` with the home folder for `~`, as Python does it.
fn expand(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

pub(super) fn create_parent(path: &Path) -> Result<()> {
    let dir = path.parent().unwrap_or(path);
    std::fs::create_dir_all(dir).map_err(|e| Error::io("create the folder", dir, &e))
}

/// A link to the blob; a second name of it, or else a copy, where links are not to be had.
fn place(blob: &Path, relative: &Path, link: &Path) -> std::io::Result<()> {
    symlink(relative, link)
        .or_else(|_| std::fs::hard_link(blob, link))
        .or_else(|_| std::fs::copy(blob, link).map(|_| ()))
}

#[cfg(unix)]
fn symlink(to: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, link)
}

#[cfg(windows)]
fn symlink(to: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_file(to, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: HubFile =
        HubFile { repository: "timm/tiny.a", revision: "main", file: "model.safetensors", sha256: None };

    #[test]
    fn the_cache_is_where_python_looks() {
        let place = |vars: &[(&str, &str)]| {
            let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
            Cache::place(&var, Some(Path::new("/home/ada"))).unwrap()
        };
        assert_eq!(place(&[]), Path::new("/home/ada/.cache/huggingface/hub"));
        assert_eq!(place(&[("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(place(&[("HF_HOME", "~/hf"), ("XDG_CACHE_HOME", "/x")]), Path::new("/home/ada/hf/hub"));
        assert_eq!(place(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/hf")]), Path::new("/c"));
        assert_eq!(place(&[("HF_HUB_CACHE", "")]), Path::new("/home/ada/.cache/huggingface/hub"));
        assert_eq!(Cache::place(&|_| None, None), None);
    }

    #[test]
    fn a_published_file_is_found_at_its_branch_and_replaced_when_its_blob_is_gone() {
        let t = tempfile::tempdir().unwrap();
        let cache = Cache::new(t.path());
        assert_eq!(cache.find(&FILE), None);
        let put = |digest: &str| {
            let blob = cache.blob(&FILE, digest);
            create_parent(&blob).unwrap();
            std::fs::write(&blob, digest).unwrap();
            blob
        };
        let (old, new) = ("a".repeat(64), "b".repeat(64));
        put(&old);
        let first = cache.publish(&FILE, "c2", &old).unwrap();
        assert_eq!(cache.find(&FILE), Some(first));
        let blob = put(&new);
        let second = cache.publish(&FILE, "c1", &new).unwrap();
        assert_eq!(cache.find(&FILE), Some(second.clone()));
        assert_eq!(std::fs::read_to_string(&second).unwrap(), new);
        let pinned = HubFile { sha256: Some("c"), ..FILE };
        assert_eq!(cache.find(&pinned), None, "another version is not the one that is known");
        std::fs::remove_file(blob).unwrap();
        assert_ne!(cache.find(&FILE), Some(second), "a link to nothing is no file");
        put(&new);
        cache.publish(&FILE, "c1", &new).unwrap();
    }
}
