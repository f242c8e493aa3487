//! Judging a run on its test pictures: only when asked, and counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

use headstart::config::TrainConfig;
use headstart::data::Split;
use headstart::session::{
    Divide, JobEvent, JobOutput, JobRequest, Judged, Outcome, Project, Worker, load_evaluation, test_judged,
};
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn pictures(root: &Path, parts: &[(&str, u8)]) {
    for &(part, count) in parts {
        for (class, colour) in [("blue", 2), ("red", 0)] {
            let folder = root.join(part).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for n in 0..count {
                let mut pixel = [40 + 3 * n, 30 + count, 40];
                pixel[colour] = 200 + n;
                RgbImage::from_pixel(40, 40, Rgb(pixel)).save(folder.join(format!("{part}{n}.png"))).unwrap();
            }
        }
    }
}

fn run(worker: &Worker, request: JobRequest) -> Result<JobOutput, headstart::error::Error> {
    worker.submit(request);
    loop {
        match worker.wait_event(Duration::from_secs(120)).expect("the worker answers") {
            JobEvent::Finished(_, Outcome::Done(output)) => return Ok(output),
            JobEvent::Finished(_, Outcome::Failed(error)) => return Err(error),
            JobEvent::Finished(_, Outcome::Cancelled) => panic!("cancelled"),
            _ => {}
        }
    }
}

fn judge(worker: &Worker, model: &Path, data: &Path, test: bool) -> Result<Judged, headstart::error::Error> {
    let (model, data) = (model.to_path_buf(), data.to_path_buf());
    match run(worker, JobRequest::Evaluate { model, data, labels: None, test })? {
        JobOutput::Evaluated(judged) => Ok(*judged),
        other => panic!("{other:?}"),
    }
}

#[test]
fn test_pictures_are_judged_only_when_asked_and_each_time_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let [data, other, run_dir] = ["pictures", "other", "run"].map(|name| dir.path().join(name));
    pictures(&data, &[("train", 8), ("val", 4), ("test", 3)]);
    pictures(&other, &[("train", 2), ("val", 2)]);
    let worker = Worker::spawn(|| {});
    let mut config = TrainConfig::for_sample();
    config.data.path = Some(data.clone());
    config.train.epochs = Some(1);
    let open = JobRequest::OpenData {
        root: data.clone(),
        config: Box::new(config.data.clone()),
        project: None,
        divide: Divide::AsSaved,
    };
    let JobOutput::Data(found, _) = run(&worker, open).unwrap() else { panic!("no pictures") };
    let request = JobRequest::Train {
        config: Box::new(config),
        dataset: Box::new(found.dataset.clone()),
        run_dir: run_dir.clone(),
        resume: false,
    };
    let JobOutput::Trained(trained) = run(&worker, request).unwrap() else { panic!("no run") };
    assert_eq!(trained.evaluation.predictions.len(), 8);
    assert_eq!(test_judged(&run_dir).unwrap(), 0, "training looks at no test picture");

    let by_itself = judge(&worker, &run_dir, &data, false).unwrap();
    assert_eq!((by_itself.split, by_itself.test_judged), (Some(Split::Val), 0));
    for times in 1..=2 {
        let judged = judge(&worker, &run_dir, &data, true).unwrap();
        assert_eq!((judged.split, judged.test_judged), (Some(Split::Test), times));
        assert!(judged.evaluation.predictions.iter().all(|p| p.rel.starts_with("test/")));
        assert_eq!(judged.evaluation.predictions.len(), 6);
        assert_eq!(test_judged(&run_dir).unwrap(), times);
    }
    let model: PathBuf = run_dir.join("model");
    assert_eq!(judge(&worker, &model, &data, true).unwrap().test_judged, 3, "the model belongs to the run");
    assert_eq!(judge(&worker, &run_dir, &data, false).unwrap().test_judged, 3);

    // What cannot be read of another folder, and what was learned from, is told.
    std::fs::write(other.join("val/red/cut.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let told = judge(&worker, &run_dir, &other, false).unwrap().cautions;
    assert_eq!(told, ["1 file cannot be used and is left out: val/red/cut.png"]);
    assert!(judge(&worker, &run_dir, &data, false).unwrap().cautions.is_empty());

    let none = judge(&worker, &run_dir, &other, true).unwrap_err().to_string();
    assert!(none.contains("no test part"), "{none}");
    let bundle = dir.path().join("bundle");
    run(&worker, JobRequest::ExportBundle { run_dir: run_dir.clone(), out: bundle.clone() }).unwrap();
    let refused = judge(&worker, &bundle, &data, true).unwrap_err().to_string();
    assert!(refused.contains("keeps count"), "{refused}");
    assert_eq!(test_judged(&run_dir).unwrap(), 3, "what failed is not counted");

    // A run that goes on from it was chosen by what they said, too.
    let project = Project {
        dir: dir.path().join("project"),
        config: TrainConfig::load(&run_dir.join("config.toml")).unwrap(),
    };
    let (on, _) = project.extend_run(&run_dir, 1).unwrap();
    assert_eq!(test_judged(&on).unwrap(), 3);

    // Damaged predictions are mended by the same pictures, and by no others.
    let file = run_dir.join("predictions.csv");
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    judge(&worker, &run_dir, &other, false).unwrap();
    judge(&worker, &run_dir, &data, true).unwrap();
    assert!(load_evaluation(&run_dir).is_err());
    let lines: Vec<&str> = whole.lines().collect();
    let damaged = |lines: &[&str]| {
        std::fs::write(&file, lines.join("\n")).unwrap();
        load_evaluation(&run_dir).unwrap_err().to_string()
    };
    assert!(damaged(&lines[..5]).contains("4 of 8 pictures are there"));
    let twice: Vec<&str> = lines[..8].iter().chain([&lines[2]]).copied().collect();
    assert!(damaged(&twice).contains("is there twice"));
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    judge(&worker, &run_dir, &data, false).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), whole);
    // Not by fewer of them, which is told.
    std::fs::write(&file, lines[..3].join("\n")).unwrap();
    std::fs::rename(data.join("val/red/val0.png"), dir.path().join("away.png")).unwrap();
    let told = judge(&worker, &run_dir, &data, false).unwrap().cautions;
    assert!(told[0].starts_with("1 of 8 pictures that the run was judged on is not there"), "{told:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), lines[..3].join("\n"));
    std::fs::rename(dir.path().join("away.png"), data.join("val/red/val0.png")).unwrap();
    judge(&worker, &run_dir, &data, false).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), whole);
    let aside = std::fs::read_to_string(run_dir.join("predictions.damaged.csv")).unwrap();
    assert_eq!(aside, lines[..3].join("\n"));

    std::fs::write(run_dir.join("test_judged.json"), "{").unwrap();
    let damaged = test_judged(&run_dir).unwrap_err().to_string();
    assert!(damaged.contains("test_judged.json"), "{damaged}");
}
