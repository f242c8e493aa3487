//! Fonts of this computer with Chinese, Japanese and Korean letters: too large to come along, and almost always there.

use std::path::{Path, PathBuf};

/// Where systems keep them: of each group the first that is there.
const GROUPS: [&[&str]; 4] = [
    // One font for all three.
    &[
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
        "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
        "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
        "/Library/Fonts/Arial Unicode.ttf",
    ],
    &["C:\\Windows\\Fonts\\msyh.ttc", "C:\\Windows\\Fonts\\simsun.ttc"],
    &["C:\\Windows\\Fonts\\YuGothM.ttc", "C:\\Windows\\Fonts\\msgothic.ttc"],
    &["C:\\Windows\\Fonts\\malgun.ttf"],
];

/// What font files begin with: TrueType, OpenType, a collection.
const BEGINNINGS: [&[u8]; 4] = [b"\x00\x01\x00\x00", b"OTTO", b"ttcf", b"true"];

/// Those that are there, whole.
pub fn east_asian() -> Vec<Vec<u8>> {
    let first = |group: &&[&str]| group.iter().map(PathBuf::from).find_map(|path| read(&path));
    GROUPS.iter().filter_map(first).collect()
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).ok()?;
    BEGINNINGS.iter().any(|b| bytes.starts_with(b)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_font_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.ttc");
        assert_eq!(read(&path), None);
        std::fs::write(&path, "<html>").unwrap();
        assert_eq!(read(&path), None);
        std::fs::write(&path, b"ttcf...").unwrap();
        assert_eq!(read(&path).as_deref(), Some(&b"ttcf..."[..]));
    }
}
