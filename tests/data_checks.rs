//! What a look at the pictures showed is remembered for as long as the files stay the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::config::DataConfig;
use headstart::data::{Checks, Preflight, Split, preflight, scan};
use headstart::session::{Divide, JobEvent, JobOutput, JobRequest, Outcome, Worker};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
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

/// What opening the pictures of a project tells.
fn open(worker: &Worker, root: &Path, project: &Path, divide: Divide) -> Arc<Preflight> {
    let (root, project) = (root.to_path_buf(), Some(project.to_path_buf()));
    worker.submit(JobRequest::OpenData { root, config: Box::default(), project, divide });
    loop {
        match worker.wait_event(Duration::from_secs(60)).expect("the worker answers") {
            JobEvent::Finished(_, Outcome::Done(JobOutput::Data(found, _))) => return found,
            JobEvent::Finished(_, end) => panic!("{end:?}"),
            _ => {}
        }
    }
}

#[test]
fn pictures_that_are_gone_are_told_and_a_whole_part_until_it_is_back() {
    let (dir, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = dir.path().join("pictures");
    for (part, count) in [("train", 8u8), ("val", 3)] {
        for (class, colour) in [("ant", 30), ("bee", 200)] {
            for n in 0..count {
                let path = root.join(part).join(class).join(format!("{n}.png"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let shade = image::Rgb([colour, 9 * n, count]);
                image::RgbImage::from_pixel(9, 7, shade).save(&path).unwrap();
                age(&path, 1000);
            }
        }
    }
    let worker = Worker::spawn(|| {});
    let told = |divide| {
        let found = open(&worker, &root, project.path(), divide);
        let held_out = found.dataset.indices(Split::Val).len();
        (found.findings.iter().map(|f| f.title.clone()).find(|t| t.contains("before and")), held_out)
    };
    assert_eq!(told(Divide::AsSaved), (None, 6));
    fs::remove_file(root.join("train/ant/0.png")).unwrap();
    assert_eq!(told(Divide::AsSaved).0.as_deref(), Some("1 picture was here before and is gone"));
    assert_eq!(told(Divide::AsSaved).0, None, "it was told");

    let away = dir.path().join("away");
    fs::rename(root.join("val"), &away).unwrap();
    for _ in 0..2 {
        let (words, held_out) = told(Divide::AsSaved);
        let words = words.unwrap();
        let start = format!(
            "6 pictures were here before and are gone, all of val among them: {held_out} of the others"
        );
        assert!(held_out > 0 && words.starts_with(&start), "{words}");
    }
    fs::rename(&away, root.join("val")).unwrap();
    assert_eq!(told(Divide::AsSaved), (None, 6));
    fs::rename(root.join("val"), &away).unwrap();
    assert!(told(Divide::AsSaved).0.is_some());
    assert_eq!((told(Divide::Anew).0, told(Divide::AsSaved).0), (None, None), "divided on purpose");
}
