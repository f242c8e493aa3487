//! Looking into a run's model: all pictures compared, kept in the run's folder, and what single pictures are like.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

use headstart::config::TrainConfig;
use headstart::data::{Dataset, Split};
use headstart::engine::{TrainEvent, Unlike};
use headstart::session::jobs::ModelRef;
use headstart::session::{Analysis, Divide, Explained, JobEvent, JobOutput, JobRequest, Outcome, Worker};
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

struct Place {
    dir: tempfile::TempDir,
    worker: Worker,
}

impl Place {
    /// Forty pictures of two colours, a tenth of them in the wrong folder, and a small network that has learned from them.
    fn trained() -> (Self, Dataset) {
        let place = Self { dir: tempfile::tempdir().unwrap(), worker: Worker::spawn(|| {}) };
        for (part, count) in [("train", 16), ("val", 4)] {
            for (class, colour) in [("blue", 2), ("red", 0)] {
                let folder = place.pictures().join(part).join(class);
                std::fs::create_dir_all(&folder).unwrap();
                for n in 0..count {
                    // One of each class is in the other's folder.
                    let colour = if n == 3 && part == "train" { 2 - colour } else { colour };
                    picture(&folder.join(format!("{n}.png")), colour, n);
                }
            }
        }
        let mut config = TrainConfig::for_sample();
        config.data.path = Some(place.pictures());
        config.train.epochs = Some(3);
        let open = JobRequest::OpenData {
            root: place.pictures(),
            config: Box::new(config.data.clone()),
            project: None,
            divide: Divide::AsSaved,
        };
        let (JobOutput::Data(found, _), _) = place.done(open) else { panic!("not opened") };
        let dataset = found.dataset.clone();
        place.done(JobRequest::Train {
            config: Box::new(config),
            dataset: Box::new(dataset.clone()),
            run_dir: place.run(),
            resume: false,
        });
        (place, dataset)
    }

    fn pictures(&self) -> PathBuf {
        self.dir.path().join("pictures")
    }

    fn run(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    fn done(&self, request: JobRequest) -> (JobOutput, Vec<JobEvent>) {
        self.worker.submit(request);
        let mut seen = Vec::new();
        loop {
            match self.worker.wait_event(Duration::from_secs(120)).expect("the job ends") {
                JobEvent::Finished(_, Outcome::Done(output)) => return (output, seen),
                JobEvent::Finished(_, end) => panic!("{end:?}"),
                other => seen.push(other),
            }
        }
    }

    /// The analysis, and how many pictures went through the network for it.
    fn analyse(&self, dataset: &Dataset) -> (Analysis, usize) {
        let request = JobRequest::Analyse { run_dir: self.run(), dataset: Some(Box::new(dataset.clone())) };
        let (JobOutput::Analysed(analysis), seen) = self.done(request) else { panic!("not analysed") };
        let begun = seen.iter().find_map(|e| match e {
            JobEvent::Progress(_, 0, total) => Some(*total),
            _ => None,
        });
        let second = seen.iter().position(|e| matches!(e, JobEvent::SecondPart(_))).expect("a second part");
        let advanced = |e: &JobEvent| matches!(e, JobEvent::Progress(_, done, total) if done < total);
        assert!(seen[second..].iter().any(advanced), "it tells how far it is, too: {seen:?}");
        (*analysis, begun.unwrap())
    }

    fn explain(&self, rel: &str, class: Option<usize>) -> Explained {
        let picture = self.pictures().join(rel);
        let request = JobRequest::Explain { model: ModelRef::Saved(self.run()), picture, class };
        let (JobOutput::Explained(explained), _) = self.done(request) else { panic!("not explained") };
        *explained
    }

    fn predict(&self, path: &Path) -> Vec<Unlike> {
        let request =
            JobRequest::Predict { model: ModelRef::Saved(self.run()), paths: vec![path.to_path_buf()] };
        let (_, seen) = self.done(request);
        assert_eq!(seen.iter().filter(|e| matches!(e, JobEvent::Predicted(_, _, Ok(_)))).count(), 1);
        let compared = |e: JobEvent| match e {
            JobEvent::Compared(_, _, unlike) => Some(unlike),
            _ => None,
        };
        seen.into_iter().filter_map(compared).collect()
    }
}

fn picture(path: &Path, colour: usize, n: usize) {
    RgbImage::from_fn(40, 40, |x, y| {
        let mut pixel = [30 + 4 * n as u8 + (x / 8) as u8, 30 + (y / 4) as u8, 40];
        pixel[colour] = 190 + 3 * n as u8;
        Rgb(pixel)
    })
    .save(path)
    .unwrap();
}

#[test]
fn pictures_are_compared_once_and_then_known() {
    let (place, dataset) = Place::trained();
    let before = place.explain("val/red/0.png", None);
    assert_eq!((before.alike, before.unlike), (None, None), "nothing was compared yet");
    assert!(place.predict(&place.pictures().join("val/red/0.png")).is_empty());

    let (analysis, through) = place.analyse(&dataset);
    assert_eq!((analysis.pictures.len(), through), (40, 40));
    assert_eq!(analysis.plane.points.len(), 40);
    assert!(place.run().join("features.safetensors").is_file());
    let swapped: Vec<&str> =
        analysis.suspects.iter().take(2).map(|s| analysis.pictures[s.picture].rel.as_str()).collect();
    assert!(
        swapped.contains(&"train/blue/3.png") && swapped.contains(&"train/red/3.png"),
        "{:?}",
        analysis.suspects
    );

    // The same without being told which pictures.
    let request = JobRequest::Analyse { run_dir: place.run(), dataset: None };
    let (JobOutput::Analysed(again), _) = place.done(request) else { panic!("not analysed") };
    assert_eq!(*again, analysis);

    // A picture that was changed goes through the network again; the others do not.
    picture(&place.pictures().join("train/red/5.png"), 0, 20);
    let (_, through) = place.analyse(&dataset);
    assert_eq!(through, 1);

    let red = place.explain("train/red/0.png", None);
    let alike = red.alike.unwrap();
    assert!(alike.iter().all(|a| a.rel.starts_with("train/") && a.rel != "train/red/0.png"), "{alike:?}");
    assert!(alike.windows(2).all(|w| w[0].similarity >= w[1].similarity));
    assert!(!red.unlike.unwrap().is_unlike());
    let heat = red.explanation.heat.unwrap();
    assert!(heat.values.len() == heat.rows * heat.columns && heat.rows > 1);

    assert!(!place.predict(&place.pictures().join("val/red/0.png"))[0].is_unlike());
    let strange = place.dir.path().join("strange.png");
    RgbImage::from_fn(40, 40, |x, y| Rgb([255 * ((x / 4 + y / 4) % 2) as u8; 3])).save(&strange).unwrap();
    assert!(place.predict(&strange)[0].is_unlike());
}

#[test]
fn test_pictures_are_placed_and_not_judged() {
    let (place, mut dataset) = Place::trained();
    let of_red = |rel: &str| rel.starts_with("train/red/");
    let mut tested: Vec<_> = dataset.samples.iter_mut().filter(|s| of_red(&s.rel)).take(4).collect();
    tested.iter_mut().for_each(|s| s.split = Split::Test);
    let (analysis, _) = place.analyse(&dataset);
    let (test, others): (Vec<_>, Vec<_>) = analysis.pictures.iter().partition(|p| p.split == Split::Test);
    assert_eq!((test.len(), others.len(), analysis.looked_at), (4, 36, 36));
    assert_eq!(analysis.plane.points.len(), 40);
    assert!(test.iter().all(|p| p.predicted.is_none() && !p.is_mistaken()));
    assert!(others.iter().all(|p| p.predicted.is_some()));
    // train/red/3.png is a blue one, and no longer looked at.
    let doubted = |rel: &str| analysis.suspects.iter().any(|s| analysis.pictures[s.picture].rel == rel);
    assert!(doubted("train/blue/3.png") && !doubted("train/red/3.png"), "{:?}", analysis.suspects);
    assert!((30..36).contains(&analysis.right), "{} of 36, one of which is labelled wrong", analysis.right);
}

#[test]
fn pictures_are_arranged_once_and_then_known() {
    let (place, dataset) = Place::trained();
    let (analysis, _) = place.analyse(&dataset);
    let analysis = Arc::new(analysis);
    let arrange = |of: &Arc<Analysis>| {
        let (output, seen) = place.done(JobRequest::Arrange { analysis: Arc::clone(of) });
        let JobOutput::Arranged(of_it, found) = output else { panic!("not arranged") };
        assert!(Arc::ptr_eq(of, &of_it));
        let steps = seen.iter().filter(|e| matches!(e, JobEvent::Progress(..))).count();
        (found, steps)
    };
    let (found, steps) = arrange(&analysis);
    assert_eq!((found.points.len(), found.arranged), (40, 40));
    assert!(steps > 1, "it says how far it is");
    assert!(place.run().join("map.json").is_file());
    assert_eq!(arrange(&analysis), (found.clone(), 0), "it is read");

    // A file that is damaged, and one of other features, are as good as none.
    std::fs::write(place.run().join("map.json"), "{").unwrap();
    let (again, steps) = arrange(&analysis);
    assert!(again == found && steps > 1);
    picture(&place.pictures().join("train/red/5.png"), 0, 20);
    let (changed, _) = place.analyse(&dataset);
    let (other, steps) = arrange(&Arc::new(changed));
    assert!(other != found && steps > 1);

    // Pictures in another order than those that were compared have no places.
    let mut turned = Analysis::clone(&analysis);
    turned.pictures.reverse();
    place.worker.submit(JobRequest::Arrange { analysis: Arc::new(turned) });
    let end = loop {
        if let JobEvent::Finished(_, end) = place.worker.wait_event(Duration::from_secs(60)).unwrap() {
            break end;
        }
    };
    let Outcome::Failed(why) = end else { panic!("{end:?}") };
    assert!(why.to_string().contains("compared anew"), "{why}");
}

#[test]
fn nothing_is_written_among_the_pictures() {
    let (place, dataset) = Place::trained();
    let within = place.pictures().join("train");
    std::fs::create_dir_all(within.join("model")).unwrap();
    for name in ["model.safetensors", "config.json"] {
        std::fs::copy(place.run().join("model").join(name), within.join("model").join(name)).unwrap();
    }
    place.worker.submit(JobRequest::Analyse { run_dir: within, dataset: Some(Box::new(dataset)) });
    let why = loop {
        match place.worker.wait_event(Duration::from_secs(120)).expect("the job ends") {
            JobEvent::Finished(_, Outcome::Failed(e)) => break e.to_string(),
            JobEvent::Finished(_, other) => panic!("{other:?}"),
            _ => {}
        }
    };
    assert!(why.contains("would be written into the folder of pictures"), "{why}");
}

#[test]
fn new_pictures_and_heat_maps_do_not_wait_for_training() {
    let (place, dataset) = Place::trained();
    let mut config = TrainConfig::for_sample();
    config.data.path = Some(place.pictures());
    config.train.epochs = Some(100_000);
    let (training, switches) = place.worker.submit(JobRequest::Train {
        config: Box::new(config),
        dataset: Box::new(dataset),
        run_dir: place.dir.path().join("long run"),
        resume: false,
    });
    let next = || place.worker.wait_event(Duration::from_secs(120)).expect("something happens");
    while !matches!(next(), JobEvent::Train(_, TrainEvent::Epoch(_))) {}

    let (model, picture) = (ModelRef::Saved(place.run()), place.pictures().join("val/red/0.png"));
    let paths = vec![place.pictures().join("val")];
    let (predict, _) = place.worker.submit(JobRequest::Predict { model: model.clone(), paths });
    let (explain, _) = place.worker.submit(JobRequest::Explain { model, picture, class: None });
    let (mut classified, mut ended) = (0, Vec::new());
    while ended.len() < 2 {
        match next() {
            JobEvent::Predicted(id, _, Ok(_)) if id == predict => classified += 1,
            JobEvent::Finished(id, Outcome::Done(_)) => ended.push(id),
            JobEvent::Finished(id, end) => panic!("{id:?}: {end:?}"),
            _ => {}
        }
    }
    ended.sort();
    assert_eq!((classified, ended), (8, vec![predict, explain]));
    // Training has gone on meanwhile, and goes on.
    while !matches!(next(), JobEvent::Train(id, TrainEvent::Epoch(_)) if id == training) {}
    switches.cancel();
    while !matches!(next(), JobEvent::Finished(id, Outcome::Cancelled) if id == training) {}
    assert!(place.worker.wait_event(Duration::from_millis(200)).is_none(), "each job ends once");
}
