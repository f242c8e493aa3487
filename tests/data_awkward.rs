//! Awkward files: a reason for each refusal, Pillow's pixels for each acceptance.
//!
//! `tests/fixtures/data_awkward.py` made the pictures that are read; the broken ones are made here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::config::DataConfig;
use headstart::data::decode::{decode_bytes, decode_file};
use headstart::data::{Severity, SkipReason, preflight, scan};
use image::{ImageFormat, Rgb, RgbImage};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

const LIMIT: f64 = 200.0;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data_awkward")
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap()
}

fn accepted() -> Vec<PathBuf> {
    let all = fs::read_dir(fixtures()).unwrap().map(|e| e.unwrap().path());
    all.filter(|p| !p.to_string_lossy().ends_with(".golden.png")).collect()
}

fn photo() -> RgbImage {
    RgbImage::from_fn(60, 44, |x, y| Rgb([(x * 4) as u8, (y * 5) as u8, ((x * 7 + y * 3) % 256) as u8]))
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    photo().write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn refusal(bytes: &[u8]) -> String {
    decode_bytes(bytes, LIMIT).unwrap_err().what().to_owned()
}

/// A PNG's beginning that announces `side` x `side` grey pixels.
fn bomb(side: u32) -> Vec<u8> {
    let crc = |data: &[u8]| {
        !data.iter().fold(!0u32, |crc, b| {
            (0..8).fold(crc ^ u32::from(*b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 })
        })
    };
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        out.extend((data.len() as u32).to_be_bytes());
        let body = [kind, data].concat();
        out.extend(&body);
        out.extend(crc(&body).to_be_bytes());
    };
    chunk(b"IHDR", &[&side.to_be_bytes()[..], &side.to_be_bytes()[..], &[8, 0, 0, 0, 0]].concat());
    chunk(b"IDAT", &[0x78, 0x9C, 0x63, 0, 0, 0, 1, 0, 1]);
    chunk(b"IEND", &[]);
    out
}

#[test]
fn accepted_pictures_have_pillows_pixels() {
    let all = accepted();
    assert!(all.len() >= 30, "{}", all.len());
    let mut wrong = Vec::new();
    for path in all {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let ours = decode_file(&path, LIMIT).unwrap_or_else(|e| panic!("{e}"));
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let golden = image::open(fixtures().join(format!("{stem}.golden.png"))).unwrap().into_rgb8();
        assert_eq!(ours.dimensions(), golden.dimensions(), "{name}");
        let diffs: Vec<f64> =
            ours.as_raw().iter().zip(golden.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b))).collect();
        let mean = diffs.iter().sum::<f64>() / diffs.len() as f64;
        let max = diffs.iter().copied().fold(0.0, f64::max);
        // JPEG decoders may round differently; so do the formulas for alpha and CMYK, by at most one level. All else is exact.
        let (mean_limit, max_limit) = match name.as_str() {
            n if n.ends_with(".jpg") => (0.8, 6.0),
            n if n.contains("alpha") || n.contains("cmyk") => (1.0, 1.0),
            _ => (0.0, 0.0),
        };
        if mean > mean_limit || max > max_limit {
            wrong.push(format!("{name}: mean {mean}, max {max}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    let wide = image::ImageBuffer::from_fn(16, 1, |x, _| Rgb([(x * 4369) as u16, 128, 129]));
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let mut out = Cursor::new(Vec::new());
        image::DynamicImage::ImageRgb16(wide.clone()).write_to(&mut out, format).unwrap();
        let image = decode_bytes(out.get_ref(), LIMIT).unwrap();
        for (x, p) in image.pixels().enumerate() {
            assert_eq!(p.0, [(x * 17) as u8, 0, 1], "{format:?}");
        }
    }
}

#[test]
fn refusals_say_why_in_plain_words() {
    assert_eq!(refusal(b""), "is empty (0 bytes)");
    assert!(refusal(b"Dear reader, this is no photograph at all.").starts_with("is not a picture"));
    assert!(refusal(b"\0\0\0\x20ftypheic\0\0\0\0mif1heic and so on").contains("HEIC"));
    let e = refusal(&bomb(20_000));
    assert!(e.contains("20000x20000 is 400 million, the limit is 200 million"), "{e}");
    assert!(
        decode_bytes(&encoded(ImageFormat::Png), 0.001)
            .unwrap_err()
            .hint()
            .unwrap()
            .contains("max_megapixels")
    );
}

#[test]
fn a_picture_cut_anywhere_is_refused_and_says_so() {
    let gif = bytes("animated.gif");
    let cases = [
        ("jpeg", encoded(ImageFormat::Jpeg)),
        ("progressive jpeg", bytes("progressive.jpg")),
        ("png", encoded(ImageFormat::Png)),
        ("bmp", encoded(ImageFormat::Bmp)),
        ("tiff", encoded(ImageFormat::Tiff)),
        ("webp", encoded(ImageFormat::WebP)),
        ("gif", gif[..gif.len() / 2 + 20].to_vec()),
    ];
    for (name, whole) in cases {
        assert!(decode_bytes(&whole, LIMIT).is_ok(), "{name}");
        for tenths in [2, 5, 8] {
            let e = refusal(&whole[..whole.len() * tenths / 10]);
            assert!(e.contains("is cut short") || e.contains("is damaged"), "{name} at {tenths}/10: {e}");
        }
    }
    let jpeg = encoded(ImageFormat::Jpeg);
    assert!(refusal(&jpeg[..jpeg.len() * 9 / 10]).contains("is cut short"));
}

#[test]
fn damage_anywhere_never_panics() {
    let mut files: Vec<Vec<u8>> = accepted().iter().map(|p| fs::read(p).unwrap()).collect();
    files.push(encoded(ImageFormat::Tiff));
    let mut state = 1u32;
    for file in &files {
        for _ in 0..12 {
            let mut damaged = file.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = state as usize % damaged.len();
                damaged[at] = (state >> 24) as u8;
            }
            // Either answer will do: what counts is that one comes.
            let _ = decode_bytes(&damaged, 1.0);
        }
    }
}

#[test]
fn a_folder_of_awkward_files_is_sorted_out() {
    let dir = tempfile::tempdir().unwrap();
    let at = |rel: &str| dir.path().join(rel);
    fs::create_dir_all(at("good")).unwrap();
    fs::create_dir_all(at("bad")).unwrap();
    for path in accepted() {
        fs::copy(&path, at("good").join(path.file_name().unwrap())).unwrap();
    }
    fs::write(at("good/png_named.jpg"), encoded(ImageFormat::Png)).unwrap();
    for i in 0..3 {
        fs::write(at(&format!("bad/same{i}.png")), encoded(ImageFormat::Png)).unwrap();
    }
    let (jpeg, png) = (encoded(ImageFormat::Jpeg), encoded(ImageFormat::Png));
    let refused: [(&str, Vec<u8>, &str); 5] = [
        ("bad/empty.jpg", Vec::new(), "is empty"),
        ("bad/text.jpg", b"just some text, nothing else".to_vec(), "is not a picture"),
        ("bad/cut.jpg", jpeg[..jpeg.len() / 2].to_vec(), "is cut short"),
        ("bad/cut.png", png[..png.len() / 2].to_vec(), "is cut short"),
        ("bad/bomb.png", bomb(20_000), "400 million"),
    ];
    for (rel, content, _) in &refused {
        fs::write(at(rel), content).unwrap();
    }
    fs::write(at("bad/notes.txt"), "text").unwrap();
    fs::write(at("bad/.hidden.png"), &png).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(at("nowhere.png"), at("bad/broken.png")).unwrap();

    let config = DataConfig::default();
    let found = scan(dir.path(), &config, None, &|_, _| Ok(())).unwrap();
    let looked = preflight(found, &config, &|_, _| Ok(())).unwrap();
    let reason = |rel: &str| {
        let found = looked.dataset.skipped.iter().find(|s| s.rel == rel);
        &found.unwrap_or_else(|| panic!("{rel} was not left out")).reason
    };
    for (rel, _, text) in &refused {
        let SkipReason::Undecodable(why) = reason(rel) else { panic!("{rel}: {:?}", reason(rel)) };
        assert!(why.contains(text), "{rel}: {why}");
    }
    assert_eq!(*reason("bad/notes.txt"), SkipReason::NotAnImage);
    assert_eq!(*reason("bad/.hidden.png"), SkipReason::Hidden);
    #[cfg(unix)]
    assert_eq!(*reason("bad/broken.png"), SkipReason::BrokenLink);
    assert_eq!(looked.dataset.samples.len(), accepted().len() + 1 + 3);
    let titles: Vec<&str> = looked.findings.iter().map(|f| f.title.as_str()).collect();
    assert!(titles.iter().any(|t| t.contains("more than one class (exact copies)")), "{titles:?}");
    assert!(titles.contains(&"2 pictures are animated: only the first frame is used"), "{titles:?}");
    assert!(looked.findings.is_sorted_by_key(|f| std::cmp::Reverse(f.severity)));
    let share = 5.0 / (accepted().len() + 9) as f64;
    assert!((looked.undecodable_frac - share).abs() < 1e-9);
    assert!(looked.findings.iter().all(|f| f.severity != Severity::Error), "{titles:?}");
}

#[test]
#[cfg(unix)]
fn what_may_not_be_opened_is_left_out_and_a_pipe_does_not_block() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let at = |rel: &str| dir.path().join(rel);
    for class in ["a", "b"] {
        fs::create_dir(at(class)).unwrap();
        fs::write(at(class).join("1.png"), encoded(ImageFormat::Png)).unwrap();
    }
    fs::write(at("a/locked.png"), encoded(ImageFormat::Png)).unwrap();
    fs::create_dir(at("b/locked")).unwrap();
    fs::create_dir(at("bees")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(at("a/pipe.png")).status();
    for rel in ["a/locked.png", "b/locked", "bees"] {
        fs::set_permissions(at(rel), fs::Permissions::from_mode(0o0)).unwrap();
    }
    let locked = fs::read(at("a/locked.png")).is_err();
    let config = DataConfig::default();
    let found = scan(dir.path(), &config, None, &|_, _| Ok(())).unwrap();
    let looked = preflight(found, &config, &|_, _| Ok(())).unwrap();
    for rel in ["b/locked", "bees"] {
        fs::set_permissions(at(rel), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let reason = |rel: &str| looked.dataset.skipped.iter().find(|s| s.rel == rel).map(|s| &s.reason);
    if made.is_ok_and(|s| s.success()) {
        assert_eq!(reason("a/pipe.png"), Some(&SkipReason::NotAnImage));
    }
    if !locked {
        eprintln!("permissions do not bind this user (root?): only the pipe was checked");
        return;
    }
    assert!(
        matches!(reason("a/locked.png"), Some(SkipReason::Undecodable(why)) if why.contains("could not read"))
    );
    assert!(matches!(reason("b/locked"), Some(SkipReason::Unreadable(_))));
    assert!(matches!(reason("bees"), Some(SkipReason::ClassUnreadable(class, _)) if class == "bees"));
    let title = "the folder bees of the class bees cannot be opened, so none of its pictures are used";
    assert!(looked.findings.iter().any(|f| f.title.starts_with(title)), "{:?}", looked.findings);
}
