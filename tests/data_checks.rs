//! What a look at the pictures showed is remembered for as long as the files stay the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::config::DataConfig;
use headstart::data::{Checks, Preflight, preflight, scan};
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

fn age(file: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (i, rel) in ["ant/1.png", "ant/2.png", "bee/1.png", "bee/2.png"].iter().enumerate() {
        let path = dir.path().join(rel);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(9, 7, image::Rgb([40 * i as u8, 9, 9])).save(&path).unwrap();
        age(&path, 1000);
    }
    dir
}

fn look(root: &Path, checks: &Checks, config: &DataConfig) -> Preflight {
    let mut dataset = scan(root, config, None, &|_, _| Ok(())).unwrap();
    dataset.checks = checks.clone();
    preflight(dataset, config, &|_, _| Ok(())).unwrap()
}

/// The same length, and no picture any more.
fn spoil(file: &Path) {
    let len = fs::metadata(file).unwrap().len() as usize;
    fs::write(file, vec![7; len]).unwrap();
}

#[test]
fn an_unchanged_file_is_not_decoded_again_and_a_changed_one_is() {
    let dir = folder();
    let config = DataConfig::default();
    let first = look(dir.path(), &Checks::default(), &config);
    assert_eq!(first.dataset.checks.len(), 4);
    let file = dir.path().join("bee/1.png");
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    spoil(&file);
    File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    let same = look(dir.path(), &first.dataset.checks, &config);
    assert_eq!(same.undecodable_frac, 0.0, "length and time are the same: it was not read");
    assert_eq!(same.findings, first.findings);
    age(&file, 500);
    let changed = look(dir.path(), &first.dataset.checks, &config);
    assert_eq!(changed.undecodable_frac, 0.25);
    assert_eq!(changed.dataset.checks.len(), 3, "what cannot be decoded is not remembered");
}

#[test]
fn files_of_this_moment_and_pictures_above_the_limit_are_looked_at_again() {
    let dir = folder();
    let config = DataConfig::default();
    fs::write(dir.path().join("bee/1.png"), fs::read(dir.path().join("bee/2.png")).unwrap()).unwrap();
    let found = look(dir.path(), &Checks::default(), &config);
    assert_eq!(found.dataset.checks.len(), 3, "one more change in this moment would not show");
    age(&dir.path().join("bee/1.png"), 1000);
    let all = look(dir.path(), &found.dataset.checks, &config).dataset.checks;
    assert_eq!(all.len(), 4);
    // 63 pixels are 0.000063 million.
    let strict = DataConfig { max_megapixels: 62e-6, ..config };
    let mut dataset = scan(dir.path(), &strict, None, &|_, _| Ok(())).unwrap();
    dataset.checks = all;
    let e = preflight(dataset, &strict, &|_, _| Ok(())).unwrap_err().to_string();
    assert!(e.contains("too many pixels"), "{e}");
}
