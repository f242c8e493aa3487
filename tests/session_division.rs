//! How the pictures of a project are divided: what a label file says itself is put aside again, and a division that was made anew is
//! taken back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

use headstart::config::{DataConfig, TrainConfig};
use headstart::data::{Dataset, Layout, Split};
use headstart::session::{Divide, JobEvent, JobOutput, JobRequest, Outcome, Project, Redivided, Worker};
use std::path::Path;
use std::time::Duration;

fn open(dir: &Path, config: &DataConfig, divide: Divide) -> Dataset {
    divided(dir, config, divide).0
}

fn divided(dir: &Path, config: &DataConfig, divide: Divide) -> (Dataset, Option<Redivided>) {
    let worker = Worker::spawn(|| {});
    let (root, project) = (dir.join("pictures"), Some(dir.join("project")));
    worker.submit(JobRequest::OpenData { root, config: Box::new(config.clone()), project, divide });
    loop {
        match worker.wait_event(Duration::from_secs(120)).expect("the job ends") {
            JobEvent::Finished(_, Outcome::Done(JobOutput::Data(found, looked))) => {
                return (found.dataset.clone(), looked.redivided);
            }
            JobEvent::Finished(_, other) => panic!("{other:?}"),
            _ => {}
        }
    }
}

#[test]
fn the_division_of_the_pictures_outlives_a_label_file_that_divides_them_itself() {
    let t = tempfile::tempdir().unwrap();
    let mut config = TrainConfig::for_sample();
    config.data.path = Some(t.path().join("pictures"));
    let mut table = "file,label,split\n".to_owned();
    for n in 0..20 {
        let (class, part) = (["ants", "bees"][n % 2], ["train", "val", "test"][n / 2 % 3]);
        let folder = t.path().join("pictures").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        image::RgbImage::from_pixel(8, 8, image::Rgb([n as u8, 90, 200]))
            .save(folder.join(format!("{n}.png")))
            .unwrap();
        table.push_str(&format!("{class}/{n}.png,{class},{part}\n"));
    }
    let csv = t.path().join("labels.csv");
    std::fs::write(&csv, table).unwrap();
    Project::create(&t.path().join("project"), config.clone()).unwrap();
    let parts = |d: &Dataset| [Split::Train, Split::Val, Split::Test].map(|part| d.indices(part).len());

    let before = open(t.path(), &config.data, Divide::AsSaved);
    assert_eq!(parts(&before), [16, 4, 0]);
    let with_table = DataConfig { labels: Some(csv), ..config.data.clone() };
    let labelled = open(t.path(), &with_table, Divide::AsSaved);
    assert_eq!((labelled.layout, parts(&labelled)), (Layout::SplitLabelFile, [8, 6, 6]));
    assert_eq!(open(t.path(), &config.data, Divide::AsSaved).samples, before.samples);

    // What an earlier version left behind, or pictures that came later: divided anew, they lie as the settings say.
    let file = t.path().join("project/splits.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"train\"", "\"test\"", 3)).unwrap();
    let damaged = open(t.path(), &config.data, Divide::AsSaved);
    assert_ne!(damaged.samples, before.samples);
    assert_eq!(open(t.path(), &config.data, Divide::Anew).samples, before.samples);
    assert_eq!(open(t.path(), &config.data, Divide::AsSaved).samples, before.samples);
}

#[test]
fn a_division_made_anew_is_taken_back_and_brought_back_as_it_was() {
    let t = tempfile::tempdir().unwrap();
    let mut config = TrainConfig::for_sample();
    config.data.path = Some(t.path().join("pictures"));
    let picture = |class: &str, n: u8| {
        let folder = t.path().join("pictures").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{n:02}.png"));
        image::RgbImage::from_pixel(8, 8, image::Rgb([n, 90, 200])).save(&path).unwrap();
        path
    };
    for n in 0..20 {
        picture(["ants", "bees"][usize::from(n) % 2], n);
    }
    Project::create(&t.path().join("project"), config.clone()).unwrap();
    let places = |data: &Dataset| data.samples.iter().map(|s| (s.rel.clone(), s.split)).collect::<Vec<_>>();

    // Some pictures are away while others come: a division made anew has room for no place of theirs.
    let first = places(&open(t.path(), &config.data, Divide::AsSaved));
    let (away, back) = (t.path().join("away.png"), t.path().join("pictures/ants/00.png"));
    std::fs::rename(&back, &away).unwrap();
    for n in 40..60 {
        picture("ants", n);
    }
    let grown = places(&open(t.path(), &config.data, Divide::AsSaved));
    let (anew, redivided) = divided(t.path(), &config.data, Divide::Anew);
    let redivided = redivided.expect("more pictures divide otherwise");
    assert_ne!(places(&anew), grown);

    std::fs::rename(&away, &back).unwrap();
    let taken_back = places(&open(t.path(), &config.data, Divide::As(redivided.before)));
    assert!(grown.iter().chain(&first).all(|place| taken_back.contains(place)), "{taken_back:?}");
    assert_eq!(places(&open(t.path(), &config.data, Divide::AsSaved)), taken_back);
    let brought_back = places(&open(t.path(), &config.data, Divide::As(redivided.after)));
    assert!(places(&anew).iter().all(|place| brought_back.contains(place)), "{brought_back:?}");
}
