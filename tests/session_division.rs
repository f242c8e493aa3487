//! A label file that divides the pictures itself, put aside again: they lie where they were before it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

use headstart::config::{DataConfig, TrainConfig};
use headstart::data::{Dataset, Layout, Split};
use headstart::session::{JobEvent, JobOutput, JobRequest, Outcome, Project, Worker};
use std::path::Path;
use std::time::Duration;

fn open(dir: &Path, config: &DataConfig, anew: bool) -> Dataset {
    let worker = Worker::spawn(|| {});
    let (root, project) = (dir.join("pictures"), Some(dir.join("project")));
    worker.submit(JobRequest::OpenData { root, config: config.clone(), project, anew });
    loop {
        match worker.wait_event(Duration::from_secs(120)).expect("the job ends") {
            JobEvent::Finished(_, Outcome::Done(JobOutput::Data(found))) => return found.dataset.clone(),
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

    let before = open(t.path(), &config.data, false);
    assert_eq!(parts(&before), [16, 4, 0]);
    let with_table = DataConfig { labels: Some(csv), ..config.data.clone() };
    let labelled = open(t.path(), &with_table, false);
    assert_eq!((labelled.layout, parts(&labelled)), (Layout::SplitLabelFile, [8, 6, 6]));
    assert_eq!(open(t.path(), &config.data, false).samples, before.samples);

    // What an earlier version left behind, or pictures that came later: divided anew, they lie as the settings say.
    let file = t.path().join("project/splits.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\"train\"", "\"test\"", 3)).unwrap();
    let damaged = open(t.path(), &config.data, false);
    assert_ne!(damaged.samples, before.samples);
    assert_eq!(open(t.path(), &config.data, true).samples, before.samples);
    assert_eq!(open(t.path(), &config.data, false).samples, before.samples);
}
