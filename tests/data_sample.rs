//! The sample data set as a user gets it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::config::DataConfig;
use headstart::data::sample::write_sample;
use headstart::data::{Layout, Split, preflight, scan};

#[test]
fn it_is_a_clean_data_set_of_five_classes() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("new/leaves");
    write_sample(&at, &|done, total| {
        assert!(done <= total && total == 500);
        Ok(())
    })
    .unwrap();
    let config = DataConfig::default();
    let d = scan(&at, &config, None, &|_, _| Ok(())).unwrap();
    let p = preflight(d, &config, &|_, _| Ok(())).unwrap();
    assert_eq!(p.findings, []);
    assert_eq!(p.dataset.layout, Layout::ClassFolders);
    assert_eq!(p.dataset.classes, ["fern", "ginkgo", "maple", "oak", "willow"]);
    let (train, val) = (p.dataset.class_counts(Split::Train), p.dataset.class_counts(Split::Val));
    for c in 0..5 {
        assert_eq!(train[c] + val[c], 100);
        assert!((10..=30).contains(&val[c]), "{val:?}");
    }
    let e = write_sample(&at, &|_, _| Ok(())).unwrap_err().to_string();
    assert!(e.contains("is not empty"), "{e}");
}

#[test]
fn a_stopped_one_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let stop = |done, _| if done > 3 { Err(headstart::Error::cancelled()) } else { Ok(()) };
    assert!(write_sample(dir.path(), &stop).unwrap_err().is_cancelled());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
