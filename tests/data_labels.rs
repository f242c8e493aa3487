//! Labels from a table instead of folders: what it says, and what is wrong with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::Result;
use headstart::config::{DataConfig, GroupBy, SplitKind};
use headstart::data::{Dataset, Layout, Offer, Severity, SkipReason, Split, preflight, scan};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A folder with small pictures, each of a colour of its own, and one table.
fn folder(pictures: &[&str], table: (&str, &str)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (i, rel) in pictures.iter().enumerate() {
        let path = dir.path().join(rel);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let at =
            |x: u32, y: u32| image::Rgb([(i * 9) as u8, (x * 31 * (i as u32 + 1)) as u8, (y * 17) as u8]);
        image::RgbImage::from_fn(9, 7, at).save(&path).unwrap();
    }
    fs::write(dir.path().join(table.0), table.1).unwrap();
    dir
}

fn read(root: &Path, config: &DataConfig) -> Result<Dataset> {
    scan(root, config, None, &|_, _| Ok(()))
}

fn with(labels: impl AsRef<Path>) -> DataConfig {
    DataConfig { labels: Some(labels.as_ref().to_path_buf()), ..DataConfig::default() }
}

fn labels(d: &Dataset) -> Vec<(&str, &str)> {
    d.samples.iter().map(|s| (s.rel.as_str(), d.classes[s.class].as_str())).collect()
}

#[test]
fn a_table_gives_labels_and_all_that_is_wrong_with_it_is_told() {
    let table = "File;Class;notes\nc.png;dog;x\na.png;cat;\nx/b.png;dog10;\nx/d.png;dog2;\ngone.png;cat;\na.png;cat;again\ne.png;;\n;cat;\n";
    let dir = folder(&["a.png", "x/b.png", "c.png", "x/d.png", "e.png", "f.png"], ("labels.csv", table));
    let d = read(dir.path(), &with("labels.csv")).unwrap();
    assert_eq!(
        (d.layout, d.classes.as_slice()),
        (Layout::LabelFile, &["cat", "dog", "dog2", "dog10"].map(str::to_owned)[..])
    );
    assert_eq!(labels(&d), [("a.png", "cat"), ("c.png", "dog"), ("x/b.png", "dog10"), ("x/d.png", "dog2")]);
    let skipped: Vec<_> = d.skipped.iter().map(|s| (s.rel.as_str(), &s.reason)).collect();
    assert_eq!(skipped, [("e.png", &SkipReason::Unlabelled), ("f.png", &SkipReason::Unlabelled)]);
    let found = preflight(d, &DataConfig::default(), &|_, _| Ok(())).unwrap().findings;
    for (severity, title, files) in [
        (
            Severity::Warning,
            "1 row of labels.csv names a file that is not among the pictures",
            &["gone.png"][..],
        ),
        (Severity::Warning, "1 row of labels.csv names no file", &["line 9"]),
        (Severity::Warning, "1 row of labels.csv has no label", &["e.png"]),
        (
            Severity::Warning,
            "2 pictures are left out: the label file gives them no label",
            &["e.png", "f.png"],
        ),
        (Severity::Info, "1 row of labels.csv repeats an earlier one: the picture is used once", &["a.png"]),
        (Severity::Info, "labels.csv has a column that is not used: notes", &[]),
    ] {
        let finding =
            found.iter().find(|f| f.title == title).unwrap_or_else(|| panic!("no \"{title}\" in {found:#?}"));
        assert_eq!(
            (finding.severity, finding.files.as_slice()),
            (severity, &files.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>()[..])
        );
    }
}

#[test]
fn what_contradicts_itself_is_an_error_that_names_both_sides() {
    for (table, words) in [
        (
            "file,label\na.png,cat\nb.png,dog\n./a.png,dog\n",
            &["a.png has two labels, \"cat\" and \"dog\"", "lines 2 and 4"][..],
        ),
        (
            "file,label,split\na.png,cat,train\nb.png,dog,train\na.png,cat,val\n",
            &["a.png", "different parts"],
        ),
        ("file,label,group\na.png,cat,1\nb.png,dog,2\na.png,cat,2\n", &["a.png", "different groups"]),
        (
            "file,label,split\na.png,cat,train\nb.png,dog,test\n",
            &["\"dog\" is present only in test (1 picture)"],
        ),
        (
            "file,label,split\na.png,cat,train\nb.png,dog,val\n",
            &["\"dog\" is present only in validation", "l.csv"],
        ),
        ("file,label\nz.png,cat\n", &["names a picture", "z.png"]),
        ("file,label\n", &["names no picture with a label"]),
    ] {
        let dir = folder(&["a.png", "b.png"], ("l.csv", table));
        let e = read(dir.path(), &with("l.csv")).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)), "{e}");
    }
    let e = read(tempfile::tempdir().unwrap().path(), &with("no.csv")).unwrap_err().to_string();
    assert!(e.contains("label file") && e.contains("no.csv"), "{e}");
}

#[test]
fn a_column_of_parts_divides_and_rows_without_one_are_for_training() {
    let table =
        "file,label,split\na.png,x,train\nb.png,x,Valid\nc.png,y,\nd.png,y,validation\ne.png,x,test\n";
    let dir = folder(&["a.png", "b.png", "c.png", "d.png", "e.png"], ("l.csv", table));
    let d = read(dir.path(), &with("l.csv")).unwrap();
    let splits: Vec<Split> = d.samples.iter().map(|s| s.split).collect();
    assert_eq!(splits, [Split::Train, Split::Val, Split::Train, Split::Val, Split::Test]);
    assert!(d.layout.has_parts());
    let told = preflight(d, &DataConfig::default(), &|_, _| Ok(())).unwrap().findings;
    assert!(told.iter().any(|f| f.title.contains("names no part") && f.files == ["c.png"]), "{told:#?}");
    let folds = DataConfig { folds: 3, ..with("l.csv") };
    assert!(read(dir.path(), &folds).unwrap_err().to_string().contains("data.folds"));
}

#[test]
fn files_are_named_from_the_table_s_folder_from_the_data_folder_or_in_full() {
    let dir = folder(&["pictures/a.png", "pictures/x/b.png", "pictures/c.png"], ("unused.txt", ""));
    let root = dir.path().join("pictures");
    let full = root.join("c.png");
    let table = format!("file,label\npictures\\a.png,p\nx/b.png,q\n{},p\n../other/d.png,q\n", full.display());
    let file = dir.path().join("l.csv");
    fs::write(&file, table).unwrap();
    let d = read(&root, &with(&file)).unwrap();
    assert_eq!(labels(&d), [("a.png", "p"), ("c.png", "p"), ("x/b.png", "q")]);
    let findings = d.labels.unwrap().findings;
    assert_eq!(findings[0].files, ["../other/d.png"], "{findings:?}");
}

#[test]
fn the_one_table_in_a_folder_without_classes_is_used_and_class_folders_come_first() {
    let table = "filename\tcategory\nall/a.png\tx\nall/b.png\ty\n";
    let dir = folder(&["all/a.png", "all/b.png"], ("classes.tsv", table));
    fs::write(dir.path().join("prices.csv"), "when,how much\n1,2\n").unwrap();
    let d = read(dir.path(), &DataConfig::default()).unwrap();
    assert_eq!(d.classes, ["x", "y"]);
    assert_eq!(d.labels.as_ref().unwrap().name(), "classes.tsv");
    assert!(d.skipped.iter().all(|s| s.rel == "prices.csv"), "{:?}", d.skipped);
    // A second one: nobody knows which is meant.
    fs::write(dir.path().join("more.csv"), "file,label\nall/a.png,z\n").unwrap();
    assert!(read(dir.path(), &DataConfig::default()).unwrap().labels.is_none());
    fs::remove_file(dir.path().join("more.csv")).unwrap();
    fs::create_dir(dir.path().join("other")).unwrap();
    fs::copy(dir.path().join("all/a.png"), dir.path().join("other/a.png")).unwrap();
    let d = read(dir.path(), &DataConfig::default()).unwrap();
    assert!(d.labels.is_none() && d.classes == ["all", "other"]);
}

#[test]
fn groups_of_the_table_are_never_divided() {
    let names: Vec<String> = (0..60).map(|i| format!("{i}.png")).collect();
    let row = |i: usize| format!("{i}.png,{},p{}\n", ["x", "y"][i % 2], i / 4);
    let table = "file,label,Patient\n".to_owned() + &(0..60).map(row).collect::<String>();
    let dir = folder(&names.iter().map(String::as_str).collect::<Vec<_>>(), ("l.csv", &table));
    let by_picture = read(dir.path(), &with("l.csv")).unwrap();
    let told = preflight(by_picture, &with("l.csv"), &|_, _| Ok(())).unwrap().findings;
    let offered = told.iter().find(|f| f.offer == Some(Offer::KeepLabelGroups)).expect("groups are divided");
    assert!(offered.title.contains("\"Patient\""), "{}", offered.title);
    for seed in 0..4 {
        for (test_fraction, folds) in [(0.0, 0), (0.2, 0), (0.2, 3)] {
            let (split, group_by) = (SplitKind::Grouped, GroupBy::Csv);
            let config =
                DataConfig { split, group_by, split_seed: seed, test_fraction, folds, ..with("l.csv") };
            let d = read(dir.path(), &config).unwrap();
            let mut parts: BTreeMap<usize, Vec<Split>> = BTreeMap::new();
            for s in &d.samples {
                let n: usize = s.rel.trim_end_matches(".png").parse().unwrap();
                parts.entry(n / 4).or_default().push(s.split);
            }
            assert_eq!(parts.len(), 15);
            assert!(parts.values().all(|p| p.iter().all(|s| *s == p[0])), "{parts:?}");
            assert!(d.class_counts(Split::Val).iter().all(|&n| n > 0));
            let told = preflight(d, &config, &|_, _| Ok(())).unwrap().findings;
            assert!(told.iter().all(|f| f.offer != Some(Offer::KeepLabelGroups)), "{told:#?}");
        }
    }
    fs::write(dir.path().join("l.csv"), table.replace("Patient", "who")).unwrap();
    let config = DataConfig { split: SplitKind::Grouped, group_by: GroupBy::Csv, ..with("l.csv") };
    let e = read(dir.path(), &config).unwrap_err().to_string();
    assert!(e.contains("data.group_by") && e.contains("data.csv_group"), "{e}");
    let chosen = DataConfig { csv_group: Some("who".to_owned()), ..config };
    assert_eq!(read(dir.path(), &chosen).unwrap().labels.unwrap().group_column.as_deref(), Some("who"));
}
