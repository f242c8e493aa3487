//! Whether NVIDIA's driver is there, by its files.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where the driver's library lies on Linux besides where the linker is told to look: Debian, Fedora, others, WSL, NixOS.
const FOLDERS: [&str; 6] = [
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
    "usr/lib/wsl/lib",
    "run/opengl-driver/lib",
];

/// Where a kernel module says which version it is.
const VERSION: &str = "proc/driver/nvidia/version";

/// What tells one driver from another, where one is found below `root`, the root of the file system: text that changes with its version.
/// `library_path` is `LD_LIBRARY_PATH`.
pub(super) fn found(root: &Path, library_path: Option<&OsStr>) -> Option<String> {
    if cfg!(windows) {
        let system = std::env::var_os("SystemRoot").map_or_else(|| root.join("Windows"), PathBuf::from);
        return stamp(&system.join("System32").join("nvcuda.dll"));
    }
    if !cfg!(target_os = "linux") {
        return None;
    }
    if let Ok(version) = std::fs::read_to_string(root.join(VERSION)) {
        return Some(version);
    }
    let told = library_path.map(std::env::split_paths).into_iter().flatten().filter(|p| p.is_absolute());
    let folders = told.chain(FOLDERS.iter().map(|folder| root.join(folder)));
    folders.into_iter().find_map(|folder| stamp(&folder.join("libcuda.so.1")))
}

/// A file's path, length and time, where it is there.
pub(super) fn stamp(file: &Path) -> Option<String> {
    let data = std::fs::metadata(file).ok()?;
    let changed = data.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(format!("{} {} {}", file.display(), data.len(), changed.as_nanos()))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_found_by_its_module_or_by_its_library() {
        let root = tempfile::tempdir().unwrap();
        let library = root.path().join("elsewhere/libcuda.so.1");
        let found = |path: Option<&Path>| found(root.path(), path.map(Path::as_os_str));
        assert_eq!(found(library.parent()), None);
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        std::fs::write(&library, "one").unwrap();
        assert_eq!(found(None), None);
        let first = found(library.parent()).unwrap();
        std::fs::write(&library, "another").unwrap();
        assert_ne!(found(library.parent()).unwrap(), first, "another version is another driver");
        let wsl = root.path().join("usr/lib/wsl/lib");
        std::fs::create_dir_all(&wsl).unwrap();
        std::fs::write(wsl.join("libcuda.so.1"), "").unwrap();
        assert!(found(None).is_some());
        let module = root.path().join(VERSION);
        std::fs::create_dir_all(module.parent().unwrap()).unwrap();
        std::fs::write(&module, "NVRM version: 580").unwrap();
        assert_eq!(found(None).as_deref(), Some("NVRM version: 580"));
    }
}
