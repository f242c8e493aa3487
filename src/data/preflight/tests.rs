//! Each kind of finding, from a folder that has it and nothing else.

use super::*;
use crate::data::scan;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// A picture unlike that of any other `seed`.
fn png(seed: u32) -> Vec<u8> {
    let image = RgbImage::from_pixel(130, 120, Rgb([(seed % 256) as u8, (seed / 256) as u8, 90]));
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

fn gif(frames: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut out);
    for n in 0..frames {
        let frame = image::RgbaImage::from_pixel(120, 120, image::Rgba([80 * n, 90, 10, 255]));
        encoder.encode_frame(image::Frame::new(frame)).unwrap();
    }
    drop(encoder);
    out
}

struct Folder {
    dir: tempfile::TempDir,
    next: u32,
}

impl Folder {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), next: 0 }
    }

    fn put(&mut self, rel: &str, content: &[u8]) {
        let path = self.dir.path().join(rel);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// `count` pictures, all different, in `folder`.
    fn fill(&mut self, folder: &str, count: u32) {
        for _ in 0..count {
            self.next += 1;
            self.put(&format!("{folder}/{:04}.png", self.next), &png(self.next));
        }
    }

    /// As many pictures as a class needs so that there is nothing to say about it, in `train` and `val`.
    fn classes(names: &[&str]) -> Self {
        let mut f = Self::new();
        for name in names {
            f.fill(&format!("train/{name}"), 6);
            f.fill(&format!("val/{name}"), 2);
        }
        f
    }

    fn look(&self) -> Preflight {
        let config = DataConfig::default();
        let found = scan(self.dir.path(), &config, None, &|_, _| Ok(())).unwrap();
        preflight(found, &config, &|_, _| Ok(())).unwrap()
    }

    /// The only finding.
    fn finding(&self) -> Finding {
        let mut findings = self.look().findings;
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    }
}

fn finding(severity: Severity, title: &str, files: &[&str]) -> Finding {
    let files = files.iter().map(|&f| f.to_owned()).collect();
    Finding { severity, title: title.to_owned(), files, groups: Vec::new(), offer: None }
}

#[test]
fn a_sound_folder_has_no_findings() {
    let looked = Folder::classes(&["a", "b"]).look();
    assert_eq!((looked.findings, looked.undecodable_frac), (Vec::new(), 0.0));
}

#[test]
fn what_cannot_be_decoded_is_grouped_by_its_reason() {
    let mut f = Folder::classes(&["a", "b"]);
    for rel in ["train/a/x.jpg", "val/b/y.jpg"] {
        f.put(rel, b"");
    }
    f.put("train/a/z.png", b"no picture at all, only text");
    let looked = f.look();
    assert_eq!(
        looked.findings,
        [
            finding(
                Severity::Warning,
                "2 pictures cannot be used: each is empty",
                &["train/a/x.jpg", "val/b/y.jpg"]
            ),
            finding(
                Severity::Warning,
                "1 picture cannot be used: it is not a picture: its content is of no known format",
                &["train/a/z.png"]
            ),
        ]
    );
    assert!((looked.undecodable_frac - 3.0 / 19.0).abs() < 1e-12);
}

#[test]
fn a_reason_stands_without_its_decoders_words() {
    let reason = |says: &str| findings::plain(&format!("is damaged{says}"));
    for says in [
        "",
        " (Format error decoding Jpeg: I/O errors Not enough bytes, expected 162 but found 131)",
        " (a (b) c)",
    ] {
        assert_eq!(reason(says), "is damaged");
    }
    assert_eq!(reason(" (x). Copy it again"), "is damaged. Copy it again");
}

#[test]
fn more_than_a_fifth_that_cannot_be_decoded_stops_training() {
    let mut f = Folder::classes(&["a", "b"]);
    for n in 0..4 {
        f.put(&format!("train/a/{n}.jpg"), b"");
    }
    // 4 of 20 are a fifth exactly.
    assert!(f.look().findings.iter().all(|f| f.severity != Severity::Error));
    f.put("train/b/5.jpg", b"");
    let first = f.look().findings.remove(0);
    let title = "5 of 21 pictures cannot be decoded: is this the right folder?";
    assert_eq!((first.severity, first.title.as_str(), first.files.len()), (Severity::Error, title, 5));
}

#[test]
fn copies_of_training_pictures_in_another_part_are_counted() {
    let mut f = Folder::classes(&["ants", "bees"]);
    let seen = |f: &Folder, part| {
        let found = f.look();
        copies_in_training(&found.dataset, &found.contents, part)
    };
    assert_eq!((seen(&f, Split::Val), seen(&f, Split::Test)), (0, 0));
    for place in ["train/ants/x.png", "val/ants/y.png", "val/bees/z.png"] {
        f.put(place, &png(7777));
    }
    f.put("val/bees/v.png", &png(8888));
    f.put("val/bees/w.png", &png(8888));
    assert_eq!(seen(&f, Split::Val), 2, "copies of each other were not learned from");
}

#[test]
fn copies_are_worst_between_classes_and_between_splits() {
    let copies = |places: &[&str]| {
        let mut f = Folder::classes(&["a", "b"]);
        places.iter().for_each(|place| f.put(place, &png(9999)));
        f.finding()
    };
    let leak = copies(&["train/a/x.png", "val/a/y.png"]);
    assert_eq!((leak.severity, leak.files.len()), (Severity::Warning, 2));
    assert!(
        leak.title.starts_with("1 picture, in 2 files, is in training and in validation or test too"),
        "{leak:?}"
    );
    let mut f = Folder::classes(&["a", "b"]);
    f.fill("test/b", 1);
    ["train/a/x.png", "test/a/y.png"].iter().for_each(|place| f.put(place, &png(9999)));
    assert_eq!(f.finding().title, leak.title);
    let conflict = copies(&["train/b/y.png", "train/a/x.png", "val/a/x.png"]);
    assert_eq!(conflict.severity, Severity::Warning);
    assert!(conflict.title.starts_with("1 picture, in 3 files, is in more than one class"), "{conflict:?}");
    assert_eq!(conflict.files, ["train/a/x.png", "train/b/y.png", "val/a/x.png"]);
    let repeat = copies(&["train/a/x10.png", "train/a/x9.png"]);
    let title = "1 picture, in 2 files, is there more than once (exact copies)";
    let expected = finding(Severity::Info, title, &["train/a/x9.png", "train/a/x10.png"]);
    assert_eq!(repeat, Finding { groups: vec![2], ..expected });
}

#[test]
fn several_copied_pictures_are_counted_once_each() {
    let mut f = Folder::classes(&["a", "b"]);
    for n in 0..3 {
        f.put(&format!("train/a/x{n}.png"), &png(9999));
        f.put(&format!("train/b/y{n}.png"), &png(8888));
    }
    let found = f.finding();
    assert_eq!(found.title, "2 pictures, in 6 files, are there more than once (exact copies)");
    let pairs: Vec<&[String]> = found.together().collect();
    assert_eq!(
        pairs,
        [
            ["train/a/x0.png", "train/a/x1.png", "train/a/x2.png"],
            ["train/b/y0.png", "train/b/y1.png", "train/b/y2.png"]
        ]
    );
}

#[test]
fn animations_are_pictures_of_several_frames() {
    let mut f = Folder::classes(&["a", "b"]);
    f.put("train/a/still.gif", &gif(1));
    f.put("train/a/moving.gif", &gif(2));
    let title = "1 picture is animated: only the first frame is used";
    assert_eq!(f.finding(), finding(Severity::Info, title, &["train/a/moving.gif"]));
}

#[test]
fn what_the_scan_left_out_is_grouped_by_why() {
    let mut f = Folder::classes(&["a", "b"]);
    f.put("train/a/notes.txt", b"text");
    f.put("train/a/.hidden.png", &png(9999));
    f.put("train/b/Thumbs.db", b"x");
    f.put("loose.png", &png(8888));
    std::fs::create_dir(f.dir.path().join("val/c")).unwrap();
    let mut wanted = vec![
        finding(Severity::Warning, "1 item is left out: it holds no pictures", &["val/c"]),
        finding(Severity::Warning, "1 file is left out: no class folder holds it", &["loose.png"]),
        finding(Severity::Info, "1 file is left out: not a picture", &["train/a/notes.txt"]),
        finding(
            Severity::Info,
            "2 files are left out: hidden, or the system's own",
            &["train/a/.hidden.png", "train/b/Thumbs.db"],
        ),
    ];
    #[cfg(unix)]
    {
        let nowhere = f.dir.path().join("nowhere.png");
        std::os::unix::fs::symlink(nowhere, f.dir.path().join("train/a/link.png")).unwrap();
        let title = "1 link is broken, or leads back to a folder above it";
        wanted.insert(1, finding(Severity::Warning, title, &["train/a/link.png"]));
    }
    assert_eq!(f.look().findings, wanted);
}

#[test]
fn one_class_leaves_nothing_to_tell_apart() {
    let title = "there is only one class (a): nothing to tell apart";
    assert_eq!(Folder::classes(&["a"]).finding(), finding(Severity::Error, title, &[]));
}

#[test]
fn a_class_without_validation_pictures_is_named() {
    let mut f = Folder::classes(&["a", "b"]);
    f.fill("train/c", 6);
    let title = "no validation pictures of c: its score is not known";
    let found = f.finding();
    assert_eq!((found.severity, found.title.as_str(), found.files.len()), (Severity::Warning, title, 6));
    assert!(found.files.iter().all(|rel| rel.starts_with("train/c/")), "{found:?}");
}

#[test]
fn without_any_validation_pictures_training_stops() {
    let mut f = Folder::new();
    f.fill("train/a", 6);
    f.fill("train/b", 6);
    for class in ["a", "b"] {
        std::fs::create_dir_all(f.dir.path().join("val").join(class)).unwrap();
    }
    let first = f.look().findings.remove(0);
    let title = "there are no validation pictures: nothing says how good the model is";
    assert_eq!(first, finding(Severity::Error, title, &[]));
}

#[test]
fn a_class_of_one_picture_can_be_learned_but_not_judged() {
    let mut f = Folder::new();
    f.fill("a", 8);
    f.fill("b", 1);
    let titles: Vec<String> = f.look().findings.into_iter().map(|f| f.title).collect();
    assert_eq!(
        titles,
        [
            "no validation pictures of b: its score is not known",
            "only one picture of b: it can be learned but not judged"
        ]
    );
}

#[test]
fn small_classes_are_named_as_far_as_anyone_reads() {
    let mut f = Folder::classes(&["z"]);
    for class in ["a", "b", "c", "d", "e", "f"] {
        f.fill(&format!("train/{class}"), 4);
        f.fill(&format!("val/{class}"), 2);
    }
    let title = "fewer than 5 training pictures of a, b, c, d and 2 more: add more if you can";
    let found = f.finding();
    assert_eq!((found.severity, found.title.as_str(), found.files.len()), (Severity::Warning, title, 36));
}

#[test]
fn a_class_ten_times_another_is_still_no_finding_and_more_is() {
    let mut f = Folder::classes(&["a", "b"]);
    f.fill("train/b", 54);
    assert_eq!(f.look().findings, []);
    f.fill("train/b", 1);
    let title =
        "the classes are uneven: b has 61 training pictures and a has 6; consider train.balance_classes";
    let found = f.finding();
    assert_eq!((found.severity, found.title.as_str()), (Severity::Warning, title));
    assert!(!found.files.is_empty() && found.files.iter().all(|rel| rel.contains("/a/")), "{found:?}");
}

#[test]
fn classes_without_a_decodable_picture_disappear() {
    let mut f = Folder::classes(&["a", "b", "c"]);
    for part in ["train", "val"] {
        for file in std::fs::read_dir(f.dir.path().join(part).join("b")).unwrap() {
            std::fs::write(file.unwrap().path(), b"").unwrap();
        }
    }
    let looked = f.look();
    assert_eq!(looked.dataset.classes, ["a", "c"]);
    assert_eq!(looked.dataset.class_counts(Split::Train), [6, 6]);
    for s in &looked.dataset.samples {
        assert!(s.rel.contains(&format!("/{}/", looked.dataset.classes[s.class])), "{s:?}");
    }
    f.fill("val/b", 1);
    let config = DataConfig::default();
    let found = scan(f.dir.path(), &config, None, &|_, _| Ok(())).unwrap();
    let e = preflight(found, &config, &|_, _| Ok(())).unwrap_err().to_string();
    assert!(e.contains("\"b\" is present only in validation (1 picture)"), "{e}");
}

/// A picture of a size, unlike the others of `seed`s.
fn sized(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let image = RgbImage::from_pixel(width, height, Rgb([seed as u8, 200, 10]));
    image.write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

#[test]
fn small_pictures_and_extreme_shapes_are_told() {
    let mut f = Folder::classes(&["a", "b"]);
    f.put("train/a/small.png", &sized(400, 111, 1));
    let title = "1 picture is less than 112 pixels wide or high: networks look at 224 pixels and see such pictures enlarged";
    let first = &f.look().findings[0];
    assert_eq!(*first, finding(Severity::Info, title, &["train/a/small.png"]));
    let mut f = Folder::classes(&["a", "b"]);
    f.put("train/a/long.png", &sized(400, 130, 1));
    f.put("train/a/edge.png", &sized(390, 130, 2));
    let title =
        "1 picture is more than 3 times as long as wide or as wide as long: only the middle is looked at";
    assert_eq!(f.finding(), finding(Severity::Info, title, &["train/a/long.png"]));
}

#[test]
fn sizes_that_give_the_class_away_are_told() {
    let folder = |odd: u32| {
        let mut f = Folder::new();
        for n in 0..20 {
            let place = |class: &str| format!("{}/{class}/{n}.png", if n < 14 { "train" } else { "val" });
            f.put(&place("a"), &sized(200, 150, n));
            f.put(&place("b"), &if n < odd { sized(200, 150, 50 + n) } else { sized(150, 200, 50 + n) });
        }
        f
    };
    let title = "the size in pixels alone tells the class of 37 of 40 pictures: a network may learn that instead of what they show";
    let found = folder(3).finding();
    assert_eq!((found.severity, found.title.as_str(), found.files.len()), (Severity::Warning, title, 37));
    assert!(!found.files.contains(&"train/b/0.png".to_owned()), "its size speaks for the other class");
    assert_eq!(folder(5).look().findings, [], "35 of 40 are too few");
}

#[test]
fn a_divided_sequence_is_told_with_an_offer_and_a_whole_one_is_not() {
    let mut f = Folder::new();
    for class in ["a", "b"] {
        f.fill(class, 20);
        for n in 1..=30 {
            let file = sized(200, 150, if class == "a" { n } else { 100 + n });
            f.put(&format!("{class}/video_{n:03}.png"), &file);
        }
    }
    let found = f.finding();
    let title = "2 sequences of pictures are divided between training and validation or test, by their names (video…): the score \
                 may look better than it is";
    assert_eq!((found.title.as_str(), found.files.len(), found.offer), (title, 60, Some(Offer::KeepGroups)));
    let config = DataConfig { split: crate::config::SplitKind::Grouped, ..DataConfig::default() };
    let dataset = scan(f.dir.path(), &config, None, &|_, _| Ok(())).unwrap();
    assert_eq!(preflight(dataset, &config, &|_, _| Ok(())).unwrap().findings, []);

    // Where folders say what is for validation, nothing can be offered.
    let mut f = Folder::classes(&["a", "b"]);
    for n in 1..=4 {
        f.put(&format!("{}/a/video{n}.png", if n < 3 { "train" } else { "val" }), &sized(200, 150, n));
    }
    assert_eq!((f.finding().offer, f.finding().files.len()), (None, 4));
}

#[test]
fn a_class_without_test_pictures_is_named_where_others_have_some() {
    let mut f = Folder::classes(&["a", "b"]);
    f.fill("test/a", 2);
    let title = "no test pictures of b, though other classes have some";
    let found = f.finding();
    assert_eq!((found.severity, found.title.as_str()), (Severity::Info, title));
    assert!(!found.files.is_empty() && found.files.iter().all(|rel| rel.contains("/b/")), "{found:?}");
}

#[test]
fn a_class_that_only_the_test_part_has_is_told_with_its_pictures() {
    let mut f = Folder::classes(&["a", "b"]);
    ["a", "b"].iter().for_each(|class| f.fill(&format!("test/{class}"), 1));
    f.put("test/fox/1.png", &png(9998));
    f.put("test/fox/2.png", &png(9999));
    let title = "2 pictures are left out: only the test part has the class fox, so it cannot be learned";
    assert_eq!(f.finding(), finding(Severity::Warning, title, &["test/fox/1.png", "test/fox/2.png"]));
}

/// An arrow to the right or the left, each of a height and shade of its own.
fn arrow(n: u32, left: bool) -> Vec<u8> {
    let image = RgbImage::from_fn(200, 120, |x, y| {
        let x = if left { 199 - x } else { x };
        let inside = x > 30 && x < 170 && y.abs_diff(60) * 2 < 200 + n - x;
        let stripes = (y / 10 + x / 20) % 2 * 60;
        Rgb(if inside {
            [(x / 2 + stripes) as u8, 40, 90]
        } else {
            [200 + n as u8, 255 - (y / 4) as u8, (x / 2) as u8]
        })
    });
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

#[test]
fn mirror_images_in_another_class_are_found_and_only_there() {
    let mut f = Folder::new();
    for n in 0..4 {
        f.put(&format!("towards/{n}.png"), &arrow(n, false));
        f.put(&format!("away/{n}.png"), &arrow(n + 6, true));
    }
    f.fill("other", 4);
    let found = f.look();
    let of = |p: &Preflight| p.findings.iter().find(|f| f.is_of_mirroring()).cloned();
    let finding = of(&found).unwrap();
    assert_eq!((finding.files.len(), finding.severity), (8, Severity::Info), "{finding:?}");
    assert!(finding.files.iter().all(|f| !f.starts_with("other")));
    let mut same = Folder::new();
    for n in 0..4 {
        same.put(&format!("arrows/{n}.png"), &arrow(n, false));
        same.put(&format!("arrows/l{n}.png"), &arrow(n + 6, true));
    }
    same.fill("other", 4);
    assert_eq!(of(&same.look()), None);
}
