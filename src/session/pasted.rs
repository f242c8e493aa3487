//! Pictures from the clipboard, kept as files as long as the program runs.

use crate::error::{Error, Result};
use image::{ExtendedColorType, ImageFormat};
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder for them, removed in the end.
#[derive(Debug)]
pub struct Pasted {
    dir: TempDir,
    count: usize,
}

impl Pasted {
    /// A new folder in the system's place for temporary files.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new() -> Result<Self> {
        let place = std::env::temp_dir();
        let dir = tempfile::Builder::new().prefix("headstart-pasted-").tempdir();
        Ok(Self { dir: dir.map_err(|e| Error::io("create a folder in", &place, &e))?, count: 0 })
    }

    /// Keeps a picture of `width * height` pixels of red, green, blue and opacity: its file.
    ///
    /// # Errors
    /// If the pixels are not as many as that, or the file cannot be written.
    pub fn keep(&mut self, [width, height]: [usize; 2], rgba: &[u8]) -> Result<PathBuf> {
        self.count += 1;
        let path = self.dir.path().join(format!("Pasted {}.png", self.count));
        let side = |n: usize| u32::try_from(n).ok().filter(|&n| n > 0);
        let (Some(w), Some(h)) = (side(width), side(height)) else {
            return Err(Error::input(format!("the clipboard holds a picture of {width} x {height} pixels")));
        };
        if rgba.len() != width.saturating_mul(height).saturating_mul(4) {
            return Err(Error::input("the clipboard holds a damaged picture"));
        }
        image::save_buffer_with_format(&path, rgba, w, h, ExtendedColorType::Rgba8, ImageFormat::Png)
            .map_err(|e| {
                Error::input(format!("the pasted picture could not be kept ({e})")).with_path(&path)
            })?;
        Ok(path)
    }
}

/// The files that copied text names, a line each, as paths or `file://` addresses; nothing if any line is something else.
pub fn paths_in(text: &str) -> Vec<PathBuf> {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#') && *l != "copy");
    let paths: Option<Vec<PathBuf>> = lines.map(path_in).collect();
    paths.unwrap_or_default()
}

fn path_in(line: &str) -> Option<PathBuf> {
    let path = match line.strip_prefix("file://") {
        Some(address) => PathBuf::from(unescaped(address)?),
        None => PathBuf::from(line.trim_matches('"')),
    };
    path.is_absolute().then_some(path)
}

/// `%20` and the like as what they stand for.
fn unescaped(address: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(address.len());
    let mut rest = address.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_picture_is_a_file_with_the_same_pixels_until_the_end() {
        let mut pasted = Pasted::new().unwrap();
        let rgba = [255, 0, 0, 255, 0, 255, 0, 255];
        let path = pasted.keep([2, 1], &rgba).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgba8().into_raw(), rgba);
        assert_ne!(pasted.keep([2, 1], &rgba).unwrap(), path);
        for size in [[0, 1], [3, 1], [usize::MAX, 2]] {
            assert!(pasted.keep(size, &rgba).is_err(), "{size:?}");
        }
        drop(pasted);
        assert!(!path.exists());
    }

    #[cfg(unix)]
    #[test]
    fn copied_files_are_told_from_other_text() {
        let paths = |text: &str| paths_in(text).iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
        assert_eq!(paths("copy\nfile:///a/my%20cat.jpg\r\n/b/c.png\n"), ["/a/my cat.jpg", "/b/c.png"]);
        assert_eq!(paths("\"/b/c d.png\""), ["/b/c d.png"]);
        for other in ["hello", "/a.png\nand more", "file:///a%2", "file:///a%zz", ""] {
            assert_eq!(paths(other), [""; 0], "{other}");
        }
    }
}
