//! What a person decides about pictures: it counts in the next run, can be undone, outlives the program, and a run that was
//! begun goes on with what held then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

use headstart::config::TrainConfig;
use headstart::data::{Decided, Decision, Preflight, Severity, Split, Step};
use headstart::session::decisions::{decide, decisions};
use headstart::session::{Divide, JobEvent, JobOutput, JobRequest, Outcome, Project, Worker};
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

struct Place {
    dir: tempfile::TempDir,
    config: TrainConfig,
    worker: Worker,
}

impl Place {
    /// Twelve red and twelve blue pictures with folders of their own, a third of each for validation, in a project.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (part, count) in [("train", 8), ("val", 4)] {
            for (class, colour) in [("blue", 2), ("red", 0)] {
                let folder = dir.path().join("pictures").join(part).join(class);
                std::fs::create_dir_all(&folder).unwrap();
                for n in 0..count {
                    let mut pixel = [40 + 3 * n as u8, 30 + count as u8, 40];
                    pixel[colour] = 200 + n as u8;
                    RgbImage::from_pixel(40, 40, Rgb(pixel))
                        .save(folder.join(format!("{part}{n}.png")))
                        .unwrap();
                }
            }
        }
        let mut config = TrainConfig::for_sample();
        config.data.path = Some(dir.path().join("pictures"));
        config.train.epochs = Some(2);
        let place = Self { dir, config, worker: Worker::spawn(|| {}) };
        Project::create(&place.project(), place.config.clone()).unwrap();
        place
    }

    fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    fn pictures(&self) -> PathBuf {
        self.dir.path().join("pictures")
    }

    fn run(&self, request: JobRequest) -> Result<JobOutput, String> {
        self.worker.submit(request);
        loop {
            match self.worker.wait_event(Duration::from_secs(120)).expect("the job ends") {
                JobEvent::Finished(_, Outcome::Done(output)) => return Ok(output),
                JobEvent::Finished(_, Outcome::Failed(e)) => return Err(e.to_string()),
                JobEvent::Finished(_, Outcome::Cancelled) => panic!("cancelled"),
                _ => {}
            }
        }
    }

    fn open(&self) -> Arc<Preflight> {
        let (root, config) = (self.pictures(), self.config.data.clone());
        match self.run(JobRequest::OpenData {
            root,
            config: Box::new(config),
            project: Some(self.project()),
            divide: Divide::AsSaved,
        }) {
            Ok(JobOutput::Data(found, _)) => found,
            other => panic!("{other:?}"),
        }
    }

    fn decide(&self, decision: Decision, pictures: &[&str]) -> Arc<Preflight> {
        let pictures = pictures.iter().map(|p| (*p).to_owned()).collect();
        self.step(Step::Decided(Decided { decision, pictures })).unwrap()
    }

    fn step(&self, step: Step) -> headstart::Result<Arc<Preflight>> {
        decide(&self.project(), &self.open().before_decisions(), step).map(|(_, preflight)| preflight)
    }

    fn train(&self, run: &str, preflight: &Preflight, resume: bool) -> Result<JobOutput, String> {
        self.run(JobRequest::Train {
            config: Box::new(self.config.clone()),
            dataset: Box::new(preflight.dataset.clone()),
            run_dir: self.project().join("runs").join(run),
            resume,
        })
    }
}

fn class_and_split(found: &Preflight, rel: &str) -> (String, Split) {
    let sample = &found.dataset.samples[found.dataset.position(rel).unwrap()];
    (found.dataset.classes[sample.class].clone(), sample.split)
}

#[test]
fn decisions_outlive_the_program_and_can_be_undone() {
    let place = Place::new();
    let before = place.open();
    place.decide(Decision::Label("red".to_owned()), &["train/blue/train3.png"]);
    place.decide(Decision::Split(Split::Train), &["val/blue/val0.png"]);
    let decided = place.decide(Decision::Exclude, &["train/red/train1.png", "train/red/train2.png"]);
    // As if the program had been started again.
    let opened = place.open();
    assert_eq!((&opened.dataset, &opened.contents), (&decided.dataset, &decided.contents));
    assert_eq!(class_and_split(&opened, "train/blue/train3.png"), ("red".to_owned(), Split::Train));
    assert_eq!(class_and_split(&opened, "val/blue/val0.png"), ("blue".to_owned(), Split::Train));
    assert_eq!(
        (opened.dataset.samples.len(), opened.dataset.excluded.len(), opened.contents.len()),
        (22, 2, 22)
    );
    for _ in 0..3 {
        place.step(Step::Undone).unwrap();
    }
    assert_eq!(place.open().dataset, before.dataset);
    assert_eq!(
        decisions(&place.project()).unwrap().undone().last().map(|d| &d.decision),
        Some(&Decision::Label("red".into()))
    );
    assert_eq!(
        place
            .step(Step::Redone)
            .unwrap()
            .dataset
            .verdicts
            .of("train/blue/train3.png")
            .unwrap()
            .label
            .as_deref(),
        Some("red")
    );
}

#[test]
fn a_copy_in_two_parts_is_found_and_leaving_one_out_mends_it() {
    let place = Place::new();
    let pictures = place.pictures();
    std::fs::copy(pictures.join("train/red/train5.png"), pictures.join("val/red/copy.png")).unwrap();
    let leaks =
        |found: &Preflight| found.findings.iter().filter(|f| f.title.contains("exact copies")).count();
    assert_eq!(leaks(&place.open()), 1);
    assert_eq!(leaks(&place.decide(Decision::Exclude, &["val/red/copy.png"])), 0);
    assert_eq!(leaks(&place.step(Step::Undone).unwrap()), 1);
}

#[test]
fn the_last_training_picture_of_a_class_stays() {
    let place = Place::new();
    let all: Vec<String> = (0..8).map(|n| format!("train/red/train{n}.png")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let pictures = all.iter().map(|p| (*p).to_owned()).collect();
    let refused = place.step(Step::Decided(Decided { decision: Decision::Exclude, pictures })).unwrap_err();
    assert!(refused.to_string().contains("\"red\""), "{refused}");
    assert!(decisions(&place.project()).unwrap().holding().is_empty(), "nothing is kept of it");
    // Where the folder changes afterwards, it opens all the same, and says why the decision does not hold.
    place.decide(Decision::Exclude, &all[..7]);
    std::fs::remove_file(place.pictures().join(all[7])).unwrap();
    let opened = place.open();
    assert_eq!((opened.dataset.samples.len(), opened.dataset.excluded.len()), (23, 0));
    let said = opened.findings.iter().any(|f| f.severity == Severity::Warning && f.title.contains("decided"));
    assert!(said, "{:?}", opened.findings);
}

#[test]
fn a_run_is_trained_and_judged_as_was_decided_and_goes_on_as_it_was_begun() {
    let place = Place::new();
    let found = place.decide(Decision::Exclude, &["val/red/val1.png"]);
    let trained = match place.train("0001", &found, false) {
        Ok(JobOutput::Trained(outcome)) => outcome,
        other => panic!("{other:?}"),
    };
    let judged = |rel: &str| trained.evaluation.predictions.iter().any(|p| p.rel == rel);
    assert!(judged("val/red/val0.png") && !judged("val/red/val1.png"));
    assert_eq!(trained.evaluation.predictions.len(), 7);
    let run = place.project().join("runs/0001");
    let again = place.run(JobRequest::Evaluate {
        model: run.clone(),
        data: place.pictures(),
        labels: None,
        test: false,
    });
    match again {
        Ok(JobOutput::Evaluated(again)) => {
            assert_eq!(again.evaluation.confusion, trained.evaluation.confusion)
        }
        other => panic!("{other:?}"),
    }
    // The run was cut off before its end, and the decision was taken back since.
    interrupt(&run);
    let found = place.step(Step::Undone).unwrap();
    let resumed = match place.train("0001", &found, true) {
        Ok(JobOutput::Trained(outcome)) => outcome,
        other => panic!("{other:?}"),
    };
    assert_eq!(resumed.evaluation.confusion, trained.evaluation.confusion);
    assert_eq!(resumed.evaluation.predictions.len(), 7);
}

/// Leaves of a finished run what a killed process would.
fn interrupt(run: &Path) {
    std::fs::remove_file(run.join("summary.json")).unwrap();
    std::fs::remove_dir_all(run.join("model")).unwrap();
}

#[test]
fn where_nothing_was_decided_a_preflight_is_its_own() {
    let place = Place::new();
    let found = place.open();
    assert!(Arc::ptr_eq(&found.decided(&found.dataset.verdicts).unwrap(), &found));
}
