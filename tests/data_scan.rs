//! What is found in a folder, and what is left out and why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::Result;
use headstart::config::{DataConfig, GroupBy, SplitKind};
use headstart::data::{Dataset, Layout, Sample, SavedSplits, SkipReason, Split, scan};
use std::fs;
use std::path::Path;

/// Creates files; a name that ends in `/` is an empty folder. No content is a picture: scanning must not look.
fn make(root: &Path, files: &[&str]) {
    for f in files {
        let path = root.join(f);
        if f.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
    }
}

fn read(root: &Path) -> Result<Dataset> {
    scan(root, &DataConfig::default(), None, &|_, _| Ok(()))
}

fn folder(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path(), files);
    dir
}

fn reason<'a>(d: &'a Dataset, rel: &str) -> &'a SkipReason {
    &d.skipped.iter().find(|s| s.rel == rel).unwrap_or_else(|| panic!("{rel} not in {:?}", d.skipped)).reason
}

fn refusal(root: &Path) -> String {
    read(root).unwrap_err().to_string()
}

#[test]
fn split_folders_in_any_case_and_with_aliases() {
    for val in ["val", "Valid", "VALIDATION"] {
        let dir = folder(&["Train/b10/1.jpg", "Train/b2/2.PNG", "TEST/b2/3.webp"]);
        make(dir.path(), &[&format!("{val}/b2/4.tiff"), "notes/readme.txt", "loose.jpg"]);
        let d = read(dir.path()).unwrap();
        assert_eq!(d.layout, Layout::SplitFolders);
        assert_eq!(d.classes, ["b2", "b10"]);
        assert_eq!(d.class_counts(Split::Train), [1, 1]);
        assert_eq!(d.class_counts(Split::Val), [1, 0]);
        assert_eq!(d.class_counts(Split::Test), [1, 0]);
        assert_eq!(*reason(&d, "notes"), SkipReason::Misplaced);
        assert_eq!(*reason(&d, "loose.jpg"), SkipReason::Misplaced);
        for i in 0..d.samples.len() {
            assert!(d.path(i).is_file(), "{:?}", d.samples[i]);
        }
    }
}

#[test]
fn training_pictures_without_a_val_folder_are_split() {
    let files: Vec<String> = (0..20).map(|i| format!("train/a/{i}.jpg")).collect();
    let dir = folder(&files.iter().map(String::as_str).collect::<Vec<_>>());
    make(dir.path(), &["train/b/1.jpg", "train/b/2.jpg", "test/a/x.jpg", "test/unlabelled/y.jpg"]);
    let d = read(dir.path()).unwrap();
    assert_eq!(d.layout, Layout::SplitFolders);
    assert_eq!(d.classes, ["a", "b"]);
    assert_eq!(d.class_counts(Split::Test), [1, 0]);
    let val = d.class_counts(Split::Val);
    assert!((2..=6).contains(&val[0]) && val[1] == 1, "{val:?}");
    assert_eq!(*reason(&d, "test/unlabelled/y.jpg"), SkipReason::NotLearned("unlabelled".to_owned()));
}

#[test]
fn class_folders_with_nested_pictures_in_natural_order() {
    let dir = folder(&["img10/a.jpg", "img2/x/y/b10.jpg", "img2/x/b9.jpg", "img2/c.jpg", "empty/"]);
    let d = read(dir.path()).unwrap();
    assert_eq!(d.layout, Layout::ClassFolders);
    assert_eq!(d.classes, ["img2", "img10"]);
    let rels: Vec<&str> = d.samples.iter().map(|s| s.rel.as_str()).collect();
    assert_eq!(rels, ["img2/c.jpg", "img2/x/b9.jpg", "img2/x/y/b10.jpg", "img10/a.jpg"]);
    assert_eq!(*reason(&d, "empty"), SkipReason::Unreadable("it holds no pictures".into()));
}

#[test]
fn a_class_named_train_among_others_is_a_class() {
    let dir = folder(&["train/1.jpg", "car/2.jpg", "plane/3.jpg"]);
    assert_eq!(read(dir.path()).unwrap().classes, ["car", "plane", "train"]);
}

#[test]
fn a_class_only_in_validation_is_an_error_that_names_it() {
    let dir = folder(&["train/cat/1.jpg", "val/cat/2.jpg", "val/Fox/3.jpg", "val/Fox/4.jpg"]);
    let e = refusal(dir.path());
    assert!(e.contains("\"Fox\" is present only in validation (2 pictures)"), "{e}");
}

#[test]
fn what_is_not_a_picture_is_left_out_with_a_reason() {
    let dir = folder(&[
        "a/1.jpg",
        "a/.DS_Store",
        "a/Thumbs.db",
        "a/notes.txt",
        "a/.cache/2.jpg",
        ".git/3.jpg",
        "__MACOSX/a/4.jpg",
    ]);
    fs::write(dir.path().join("a/picture_without_extension"), b"\x89PNG\r\n\x1a\n and more").unwrap();
    let d = read(dir.path()).unwrap();
    assert_eq!(d.samples.len(), 2);
    for hidden in ["a/.DS_Store", "a/Thumbs.db", "a/.cache", ".git", "__MACOSX"] {
        assert_eq!(*reason(&d, hidden), SkipReason::Hidden, "{hidden}");
    }
    assert_eq!(*reason(&d, "a/notes.txt"), SkipReason::NotAnImage);
    assert_eq!(d.skipped.len(), 6);
}

#[test]
fn folders_that_cannot_be_used_say_what_is_expected() {
    let empty = folder(&[]);
    let cases = [
        (folder(&["loose1.jpg", "loose2.jpg"]), "2 pictures lie outside of class folders"),
        (folder(&["a/", "b/"]), "no pictures were found in 2 folders"),
        (folder(&["a/readme.txt"]), "no pictures were found in 1 folder; 1 other file was left out"),
        (folder(&["train/1.jpg", "val/a/2.jpg"]), "train/ holds no class folders (1 picture"),
    ];
    for (dir, text) in &cases {
        let e = refusal(dir.path());
        assert!(e.contains(text) && e.contains("one sub-folder of pictures for each class"), "{e}");
    }
    assert!(refusal(empty.path()).contains("the data folder is empty"));
    let file = empty.path().join("file.jpg");
    fs::write(&file, "x").unwrap();
    assert!(refusal(&file).contains("is a file, not a folder"));
    assert!(refusal(&empty.path().join("nowhere")).contains("Check that it exists"));
}

#[test]
fn a_saved_split_holds_when_files_are_added_and_the_seed_changes() {
    let dir = folder(&[]);
    let names = |r: std::ops::Range<usize>| r.map(|i| format!("a/{i}.jpg")).collect::<Vec<_>>();
    let write = |names: &[String]| make(dir.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    write(&names(0..40));
    let before = read(dir.path()).unwrap();
    let saved = SavedSplits::from_json(&SavedSplits::from_dataset(&before).to_json().unwrap()).unwrap();
    write(&names(40..60));
    let config = DataConfig { split_seed: 99, val_fraction: 0.4, ..DataConfig::default() };
    let after = scan(dir.path(), &config, Some(&saved), &|_, _| Ok(())).unwrap();
    let mut kept = 0;
    for s in &after.samples {
        if let Some(old) = before.samples.iter().find(|o| o.rel == s.rel) {
            assert_eq!(old.split, s.split, "{}", s.rel);
            kept += 1;
        }
    }
    assert_eq!((kept, after.samples.len()), (40, 60));
}

#[test]
fn folds_need_a_folder_that_is_not_divided() {
    let config = DataConfig { folds: 3, fold: 2, ..DataConfig::default() };
    let scanned = |files: &[&str]| scan(folder(files).path(), &config, None, &|_, _| Ok(()));
    let e = scanned(&["train/a/1.jpg", "val/a/2.jpg"]).unwrap_err().to_string();
    assert!(e.contains("no folds can be made") && e.contains("data.folds"), "{e}");
    let d = scanned(&["a/1.jpg", "a/2.jpg", "a/3.jpg", "b/4.jpg", "b/5.jpg", "b/6.jpg"]).unwrap();
    assert_eq!((d.class_counts(Split::Train), d.class_counts(Split::Val)), (vec![2, 2], vec![1, 1]));
}

#[test]
fn folders_within_a_class_stay_together_in_a_grouped_split() {
    let files: Vec<String> =
        (0..60).map(|i| format!("{}/walk{}/{i}.jpg", ["a", "b"][i % 2], i / 10)).collect();
    let dir = folder(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let config = DataConfig { split: SplitKind::Grouped, group_by: GroupBy::Folder, ..DataConfig::default() };
    let d = scan(dir.path(), &config, None, &|_, _| Ok(())).unwrap();
    for walk in 0..6 {
        let of = |s: &&Sample| s.rel.contains(&format!("/walk{walk}/"));
        let mut splits: Vec<Split> = d.samples.iter().filter(of).map(|s| s.split).collect();
        assert_eq!(splits.len(), 10);
        splits.dedup();
        assert_eq!(splits.len(), 1, "walk {walk} of both classes is divided");
    }
    assert_eq!(d.class_counts(Split::Val), [5, 5], "one walk of six");
}

#[test]
fn stopping_stops_the_scan() {
    let dir = folder(&["a/1.jpg"]);
    let e = scan(dir.path(), &DataConfig::default(), None, &|_, _| Err(headstart::Error::cancelled()));
    assert!(e.unwrap_err().is_cancelled());
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_once_and_never_round_in_circles() {
        let dir = folder(&["a/1.jpg", "b/2.jpg", "b/deep/3.jpg"]);
        let pool = folder(&["4.jpg", "sub/5.jpg"]);
        let at = |p: &str| dir.path().join(p);
        symlink(at("a/1.jpg"), at("b/linked.jpg")).unwrap();
        symlink(at("missing.jpg"), at("a/broken.jpg")).unwrap();
        symlink(dir.path(), at("a/root")).unwrap();
        symlink(at("a"), at("a/itself")).unwrap();
        symlink(at("a/ring"), at("a/ring")).unwrap();
        symlink(at("b"), at("a/sibling")).unwrap();
        symlink(pool.path(), at("c")).unwrap();
        symlink(pool.path(), at("d")).unwrap();
        let d = read(dir.path()).unwrap();
        let rels: Vec<&str> = d.samples.iter().map(|s| s.rel.as_str()).collect();
        assert_eq!(rels, ["a/1.jpg", "b/2.jpg", "b/deep/3.jpg", "b/linked.jpg", "c/4.jpg", "c/sub/5.jpg"]);
        for link in ["a/broken.jpg", "a/root", "a/itself", "a/ring"] {
            assert_eq!(*reason(&d, link), SkipReason::BrokenLink, "{link}");
        }
        for link in ["a/sibling", "d"] {
            assert!(matches!(reason(&d, link), SkipReason::Unreadable(why) if why.contains("read already")));
        }
    }

    #[test]
    fn names_that_are_not_unicode_are_left_out() {
        let dir = folder(&["a/1.jpg"]);
        fs::write(dir.path().join("a").join(std::ffi::OsStr::from_bytes(b"b\xff.jpg")), "x").unwrap();
        fs::create_dir(dir.path().join(std::ffi::OsStr::from_bytes(b"\xfe"))).unwrap();
        let d = read(dir.path()).unwrap();
        assert_eq!(d.samples.len(), 1);
        assert_eq!(d.skipped.len(), 2);
        for s in &d.skipped {
            assert!(matches!(&s.reason, SkipReason::Unreadable(why) if why.contains("Unicode")), "{s:?}");
        }
    }
}
