//! Fonts of this computer with letters that the window's own lack, from Arabic to Chinese: too large to come along, and almost
//! always there.

use std::path::{Path, PathBuf};

/// Where systems keep them: of each group the first that is there.
const GROUPS: [&[&str]; 10] = [
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
    // Arabic, Hebrew and much else in one.
    &[
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
        "/usr/share/fonts/TTF/DejaVuSans.ttf",
        "/usr/share/fonts/dejavu/DejaVuSans.ttf",
        "/System/Library/Fonts/Supplemental/Arial.ttf",
        "C:\\Windows\\Fonts\\segoeui.ttf",
    ],
    // Arabic.
    &[
        "/usr/share/fonts/truetype/noto/NotoSansArabic-Regular.ttf",
        "/usr/share/fonts/noto/NotoSansArabic-Regular.ttf",
        "/usr/share/fonts/google-noto/NotoSansArabic-Regular.ttf",
    ],
    // Hebrew.
    &[
        "/usr/share/fonts/truetype/noto/NotoSansHebrew-Regular.ttf",
        "/usr/share/fonts/noto/NotoSansHebrew-Regular.ttf",
        "/usr/share/fonts/google-noto/NotoSansHebrew-Regular.ttf",
    ],
    // Devanagari.
    &[
        "/usr/share/fonts/truetype/noto/NotoSansDevanagari-Regular.ttf",
        "/usr/share/fonts/noto/NotoSansDevanagari-Regular.ttf",
        "/usr/share/fonts/google-noto/NotoSansDevanagari-Regular.ttf",
        "/System/Library/Fonts/Supplemental/DevanagariMT.ttc",
        "C:\\Windows\\Fonts\\Nirmala.ttf",
    ],
    // Thai.
    &[
        "/usr/share/fonts/truetype/noto/NotoSansThai-Regular.ttf",
        "/usr/share/fonts/noto/NotoSansThai-Regular.ttf",
        "/usr/share/fonts/google-noto/NotoSansThai-Regular.ttf",
        "/System/Library/Fonts/Supplemental/Ayuthaya.ttf",
        "C:\\Windows\\Fonts\\LeelawUI.ttf",
    ],
    // Pictographs without colours.
    &[
        "/usr/share/fonts/truetype/noto/NotoEmoji-Regular.ttf",
        "/usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf",
        "C:\\Windows\\Fonts\\seguiemj.ttf",
    ],
];

/// What font files begin with: TrueType, OpenType, a collection.
const BEGINNINGS: [&[u8]; 4] = [b"\x00\x01\x00\x00", b"OTTO", b"ttcf", b"true"];

/// Those that are there, whole.
pub fn of_this_computer() -> Vec<Vec<u8>> {
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
