//! Whole training jobs on tiny drawn pictures: every mode, stop, cancel, resume, files, bundle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use headstart::config::{
    AugmentPolicy, CarryOver, DeviceChoice, HeadKind, HeadOutput, Learns, Metric, PhaseConfig, ScheduleKind,
    Solver, TrainConfig, TrainMode,
};
use headstart::data::{Checks, Dataset, Layout, Sample, Split, Verdicts};
use headstart::engine::train::find_rate;
use headstart::engine::{Classifier, Control, TrainEvent, TrainJob, TrainOutcome, evaluate, train};
use headstart::{Error, ErrorKind};
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Pictures of two (or more) classes: stripes that lie, stand, … over a random ground.
struct Fixture {
    dir: tempfile::TempDir,
    dataset: Dataset,
}

fn fixture(per_class: usize, val_per_class: usize) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("pictures");
    let classes = ["lying", "standing"];
    let mut samples = Vec::new();
    for (class, name) in classes.iter().enumerate() {
        for i in 0..per_class + val_per_class {
            let split = if i < per_class { Split::Train } else { Split::Val };
            let part = if i < per_class { "train" } else { "val" };
            let rel = format!("{part}/{name}/{i:03}.png");
            let path = root.join(&rel);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            draw(class, i).save(&path).unwrap();
            samples.push(Sample { rel, class, split });
        }
    }
    let dataset = Dataset {
        root,
        layout: Layout::SplitFolders,
        labels: None,
        classes: classes.map(str::to_owned).to_vec(),
        samples,
        skipped: Vec::new(),
        excluded: Vec::new(),
        verdicts: Verdicts::default(),
        checks: Checks::default(),
    };
    Fixture { dir, dataset }
}

fn draw(class: usize, i: usize) -> RgbImage {
    let (step, shift) = (6 + i % 5, i * 7 % 11);
    let ground = [(40 + i * 31 % 80) as u8, (60 + i * 17 % 80) as u8, (50 + i * 13 % 80) as u8];
    RgbImage::from_fn(48, 40, |x, y| {
        let along = if class == 0 { y } else { x } as usize;
        if (along + shift) % step < step / 2 { Rgb([220, 200, 190]) } else { Rgb(ground) }
    })
}

fn config(mode: TrainMode, epochs: usize) -> TrainConfig {
    let mut c = TrainConfig::default();
    c.train.mode = mode;
    c.train.epochs = Some(epochs);
    c.train.batch_size = Some(8);
    c.train.device = DeviceChoice::Cpu;
    c
}

impl Fixture {
    fn job(&self, run: &str, config: &TrainConfig) -> TrainJob {
        TrainJob {
            config: config.clone(),
            dataset: self.dataset.clone(),
            run_dir: self.run(run),
            resume: false,
        }
    }

    fn run(&self, name: &str) -> PathBuf {
        self.dir.path().join("runs").join(name)
    }
}

fn quiet(job: &TrainJob) -> Result<TrainOutcome, Error> {
    train(job, &Control::default(), &|_| {})
}

/// `metrics.jsonl` without what a clock decides.
fn numbers(run: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|l| {
            let mut v: serde_json::Value = serde_json::from_str(l).unwrap();
            for key in ["images_per_s", "elapsed_s", "eta_s"] {
                v.as_object_mut().unwrap().remove(key).unwrap();
            }
            v.to_string()
        })
        .collect()
}

#[test]
fn from_scratch_it_learns_and_leaves_everything_on_disk() {
    let f = fixture(12, 6);
    let job = f.job("a", &config(TrainMode::Scratch, 6));
    let events = Mutex::new(Vec::new());
    let out = train(&job, &Control::default(), &|e| events.lock().unwrap().push(e)).unwrap();
    assert!(out.summary.val.accuracy > 0.8, "{:?}", out.summary);
    assert_eq!((out.epochs.len(), out.summary.epochs_run), (6, 6));
    assert!(out.epochs.iter().all(|e| e.phase == "everything"));
    let best = &out.epochs[out.summary.best_epoch - 1];
    assert!(best.best && best.val_accuracy == out.summary.val.accuracy);
    assert!((best.val_loss - out.summary.val.loss).abs() < 1e-12);
    let run = &job.run_dir;
    for file in
        ["config.toml", "metrics.jsonl", "checkpoint/state.safetensors", "predictions.csv", "summary.json"]
            .into_iter()
            .chain(["model/model.safetensors", "model/config.json", "model/README.md"])
    {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    let left = std::fs::read_dir(run).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|n| n.starts_with('.')).count(), 0, "temporary files were left");
    assert_eq!(numbers(run).len(), 6);
    let back = TrainConfig::load(&run.join("config.toml")).unwrap();
    assert_eq!((back.train.mode, back.train.epochs), (TrainMode::Scratch, Some(6)));
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("summary.json")).unwrap()).unwrap();
    for key in [
        "backbone",
        "mode",
        "device",
        "epochs_run",
        "best_epoch",
        "val",
        "wall_s",
        "images_per_s",
        "peak_rss_mib",
    ] {
        assert!(summary.get(key).is_some(), "{key}");
    }
    assert_eq!(std::fs::read_to_string(run.join("predictions.csv")).unwrap().lines().count(), 13);
    let events = events.into_inner().unwrap();
    assert!(events.iter().any(|e| matches!(e, TrainEvent::Step(_))));
    assert_eq!(events.iter().filter(|e| matches!(e, TrainEvent::Epoch(_))).count(), 6);

    let hardest = |e: &TrainEvent| match e {
        TrainEvent::Hardest(pictures) => Some(pictures.clone()),
        _ => None,
    };
    let told: Vec<_> = events.iter().filter_map(hardest).collect();
    assert_eq!((told.len(), told[5].len()), (6, 12), "after each epoch, of twelve validation pictures");
    assert!(told[5].windows(2).all(|w| w[0].truth_probability <= w[1].truth_probability));
    // Wrong ones of two classes have less than a half.
    let wrong = told[5].iter().filter(|p| p.predicted != p.truth).count();
    assert_eq!(wrong, told[5].iter().filter(|p| p.truth_probability < 0.5).count());
    assert!((wrong as f64 / 12.0 - (1.0 - out.epochs[5].val_accuracy)).abs() < 1e-9);

    let e = quiet(&job).unwrap_err();
    assert!(e.to_string().contains("finished run"), "{e}");
}

#[test]
fn the_saved_model_gives_the_same_answers() {
    let f = fixture(8, 4);
    let mut c = config(TrainMode::Scratch, 2);
    c.head.output = HeadOutput::Sigmoid;
    let job = f.job("a", &c);
    let out = quiet(&job).unwrap();
    let classifier = Classifier::open(&job.run_dir).unwrap();
    assert_eq!(classifier.classes(), f.dataset.classes);
    let control = Control::default();
    let again = evaluate(&classifier, &f.dataset, Some(Split::Val), &control, &|_, _| Ok(())).unwrap();
    for (a, b) in again.predictions.iter().zip(&out.evaluation.predictions) {
        assert_eq!((&a.rel, a.predicted), (&b.rel, b.predicted));
        for (p, q) in a.probabilities.iter().zip(&b.probabilities) {
            assert!((p - q).abs() < 1e-6, "{p} {q}");
        }
    }
    let copy = f.dir.path().join("copy");
    headstart::export::export_bundle(&job.run_dir, &copy).unwrap();
    let missing = f.dataset.root.join("no.png");
    let paths = [f.dataset.path(0), missing.clone()];
    let mut seen = Vec::new();
    Classifier::open(&copy)
        .unwrap()
        .classify(&paths, &|_, _| Ok(()), &mut |p, r| seen.push((p.to_path_buf(), r)))
        .unwrap();
    let ranked = seen[0].1.as_ref().unwrap();
    assert!(ranked[0].1 >= ranked[1].1 && (ranked[0].1 + ranked[1].1 - 1.0).abs() < 1e-6);
    assert!(seen[1].0 == missing && seen[1].1.is_err());
}

#[test]
fn a_frozen_backbone_is_computed_once_and_does_not_change() {
    let f = fixture(10, 5);
    let mut c = config(TrainMode::Frozen, 8);
    c.augment.views = 3;
    let job = f.job("a", &c);
    let events = Mutex::new(Vec::new());
    let out = train(&job, &Control::default(), &|e| events.lock().unwrap().push(e)).unwrap();
    assert!(out.epochs.iter().all(|e| e.phase == "head"));
    let events = events.into_inner().unwrap();
    let note = |part: &str| events.iter().any(|e| matches!(e, TrainEvent::Note(n) if n.contains(part)));
    assert!(note("20 in 3 varied views each, 10 as they are"), "{events:?}");
    let last = events.iter().rev().find_map(|e| match e {
        TrainEvent::Cache(c) => Some((c.done, c.total)),
        _ => None,
    });
    assert_eq!(last, Some((70, 70)));
    let model = |run: &str| {
        let bytes = std::fs::read(f.run(run).join("model/model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut all: Vec<(String, Vec<u8>)> =
            file.iter().map(|(n, v)| (n.to_owned(), v.data().to_vec())).collect();
        all.sort();
        all
    };
    let mut other = config(TrainMode::Frozen, 1);
    other.train.learning_rate = Some(0.5);
    quiet(&f.job("b", &other)).unwrap();
    let changed: Vec<String> =
        model("a").into_iter().zip(model("b")).filter(|(a, b)| a != b).map(|(a, _)| a.0).collect();
    assert!(!changed.is_empty() && changed.iter().all(|n| n.starts_with("fc.")), "{changed:?}");
}

#[test]
fn each_mode_with_phases_runs_them_in_order() {
    let f = fixture(6, 3);
    for (mode, phases) in [
        (TrainMode::LastStages, ["head", "stages block3 to block4 and head"]),
        (TrainMode::Full, ["head", "everything"]),
    ] {
        let mut c = config(mode, 2);
        c.train.head_epochs = Some(1);
        c.train.l2_sp = 0.01;
        c.train.stage_decay = 0.5;
        c.train.clip_norm = 1.0;
        c.train.balance_classes = true;
        c.train.label_smoothing = 0.1;
        let out = quiet(&f.job(phases[1], &c)).unwrap();
        assert_eq!(out.epochs.iter().map(|e| e.phase.as_str()).collect::<Vec<_>>(), phases);
    }
}

#[test]
fn a_logistic_head_needs_no_epochs() {
    let f = fixture(12, 6);
    let mut c = config(TrainMode::Frozen, 1);
    c.train.solver = Solver::Logistic;
    for output in [HeadOutput::Softmax, HeadOutput::Sigmoid] {
        c.head.output = output;
        let job = f.job(&format!("{output:?}"), &c);
        let out = quiet(&job).unwrap();
        assert_eq!((out.summary.best_epoch, out.epochs.len()), (0, 1));
        assert!(out.epochs[0].train_accuracy > 0.9, "{:?}", out.epochs);
        let classifier = Classifier::open(&job.run_dir).unwrap();
        let control = Control::default();
        let again = evaluate(&classifier, &f.dataset, Some(Split::Val), &control, &|_, _| Ok(())).unwrap();
        assert!((again.loss - out.summary.val.loss).abs() < 1e-6);
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let f = fixture(8, 4);
    let mut c = config(TrainMode::Scratch, 2);
    c.head.kind = HeadKind::Hidden;
    c.head.hidden = vec![8];
    c.head.dropout = 0.3;
    for run in ["a", "b"] {
        quiet(&f.job(run, &c)).unwrap();
    }
    c.train.seed = 1;
    quiet(&f.job("c", &c)).unwrap();
    assert_eq!(numbers(&f.run("a")), numbers(&f.run("b")));
    assert_ne!(numbers(&f.run("a")), numbers(&f.run("c")));
    let model = |run: &str| std::fs::read(f.run(run).join("model/model.safetensors")).unwrap();
    assert!(model("a") == model("b"));
}

#[test]
fn what_fits_into_memory_does_not_change_the_result() {
    let f = fixture(8, 4);
    for mode in [TrainMode::Full, TrainMode::LastStages] {
        let mut c = config(mode, 3);
        c.train.head_epochs = Some(1);
        let run = |cache_mib: usize| format!("{mode:?}-{cache_mib}");
        for cache_mib in [0, 2048] {
            c.data.cache_mib = cache_mib;
            quiet(&f.job(&run(cache_mib), &c)).unwrap();
        }
        assert_eq!(numbers(&f.run(&run(0))), numbers(&f.run(&run(2048))));
        let predictions = |cache_mib| std::fs::read(f.run(&run(cache_mib)).join("predictions.csv")).unwrap();
        assert!(predictions(0) == predictions(2048));
    }
}

/// Trains with an interruption at the `at`-th event that `which` chooses, resumes, and compares with an uninterrupted run.
fn resumed_equals_uninterrupted(c: &TrainConfig, which: fn(&TrainEvent) -> bool, at: usize) {
    let f = fixture(9, 4);
    let whole = quiet(&f.job("whole", c)).unwrap();
    let mut job = f.job("cut", c);
    let control = Control::default();
    let seen = Mutex::new(0);
    let e = train(&job, &control, &|e| {
        if which(&e) {
            let mut n = seen.lock().unwrap();
            *n += 1;
            if *n == at {
                control.cancel();
            }
        }
    })
    .unwrap_err();
    assert!(e.is_cancelled(), "{e}");
    assert!(!job.run_dir.join("summary.json").exists());
    assert!(job.run_dir.join("checkpoint/state.safetensors").exists());
    job.resume = true;
    // A resumed run is given the settings that the run's folder holds.
    job.config = TrainConfig::load(&job.run_dir.join("config.toml")).unwrap();
    let out = quiet(&job).unwrap();
    assert_eq!(out.epochs.len(), whole.epochs.len());
    assert_eq!(numbers(&f.run("whole")), numbers(&f.run("cut")));
    for file in ["model/model.safetensors", "predictions.csv"] {
        let read = |run: &str| std::fs::read(f.run(run).join(file)).unwrap();
        assert!(read("whole") == read("cut"), "{file} differs");
    }
}

#[test]
fn the_time_left_is_told_once_an_epoch_has_shown_it() {
    let f = fixture(12, 4);
    let events = Mutex::new(Vec::new());
    let job = f.job("eta", &config(TrainMode::Scratch, 3));
    train(&job, &Control::default(), &|e| events.lock().unwrap().push(e)).unwrap();
    let events = events.into_inner().unwrap();
    let first = events.iter().find_map(|e| match e {
        TrainEvent::Epoch(r) => Some(r.eta_s),
        _ => None,
    });
    let one_epoch = first.unwrap() / 2.0;
    let mut told = 0;
    for event in &events {
        match event {
            TrainEvent::Step(s) if s.epoch == 1 => assert_eq!(s.eta_s, None),
            TrainEvent::Step(s) if s.epoch == 2 => {
                told += 1;
                assert!(s.eta_s.unwrap() >= one_epoch, "{:?} of {one_epoch}", s.eta_s);
            }
            TrainEvent::Step(s) => assert!(s.eta_s.is_some()),
            _ => {}
        }
    }
    assert!(told > 0);
}

#[test]
fn a_later_phase_tells_its_time_left_and_what_learns_from_the_start() {
    let f = fixture(8, 4);
    let mut c = config(TrainMode::Auto, 1);
    c.train.set_phases(vec![phase(Learns::Head, 1, 0.05), phase(Learns::Everything, 2, 0.01)]);
    let events = Mutex::new(Vec::new());
    train(&f.job("a", &c), &Control::default(), &|e| events.lock().unwrap().push(e)).unwrap();
    let mut said = String::new();
    let mut seen = 0;
    for event in events.into_inner().unwrap() {
        match event {
            TrainEvent::Note(text) => said = text,
            TrainEvent::Step(s) if s.epoch == 2 => {
                seen += 1;
                assert!(s.eta_s.unwrap() > 0.0);
                assert_eq!(said, "Phase 2 of 2 has begun. What learns: everything");
            }
            _ => {}
        }
    }
    assert!(seen > 0);
}

fn is_epoch(e: &TrainEvent) -> bool {
    matches!(e, TrainEvent::Epoch(_))
}

#[test]
fn mixed_pictures_train_and_resume_like_others_and_make_another_run() {
    let f = fixture(8, 4);
    for output in [HeadOutput::Softmax, HeadOutput::Sigmoid] {
        let mut c = config(TrainMode::Scratch, 2);
        c.head.output = output;
        let plain = quiet(&f.job(&format!("plain{output:?}"), &c)).unwrap();
        (c.augment.mixup, c.augment.cutmix) = (0.4, 1.0);
        c.augment.policy = AugmentPolicy::Trivial;
        let mixed = quiet(&f.job(&format!("mixed{output:?}"), &c)).unwrap();
        let losses = |out: &TrainOutcome| out.epochs.iter().map(|e| e.train_loss).collect::<Vec<_>>();
        assert_ne!(losses(&plain), losses(&mixed));
        assert!(losses(&mixed).iter().all(|l| l.is_finite()));
    }
    let mut c = config(TrainMode::Scratch, 3);
    (c.augment.mixup, c.augment.cutmix) = (0.4, 1.0);
    resumed_equals_uninterrupted(&c, is_epoch, 2);
}

#[test]
fn mixing_is_refused_where_the_backbone_is_frozen() {
    let f = fixture(4, 2);
    let mut c = config(TrainMode::Frozen, 1);
    c.augment.mixup = 0.2;
    let e = quiet(&f.job("a", &c)).unwrap_err().to_string();
    assert!(e.contains("augment.mixup") && e.contains("train.mode"), "{e}");
}

#[test]
fn classes_that_a_flip_may_exchange_are_told() {
    let mut f = fixture(4, 2);
    f.dataset.classes = vec!["left turn".to_owned(), "right turn".to_owned()];
    let warned = |run: &str, hflip: f64| {
        let mut c = config(TrainMode::Scratch, 1);
        c.augment.hflip = hflip;
        let told = Mutex::new(Vec::new());
        train(&f.job(run, &c), &Control::default(), &|e| {
            if let TrainEvent::Warning(text) = e {
                told.lock().unwrap().push(text);
            }
        })
        .unwrap();
        told.into_inner().unwrap()
    };
    let told = warned("a", 0.5);
    assert!(
        told.len() == 1 && told[0].contains("augment.hflip") && told[0].contains("left turn"),
        "{told:?}"
    );
    assert!(warned("b", 0.0).is_empty());
}

#[test]
fn a_run_resumed_from_scratch_mode_equals_an_uninterrupted_one() {
    let mut c = config(TrainMode::Scratch, 4);
    c.head.dropout = 0.2;
    resumed_equals_uninterrupted(&c, is_epoch, 2);
}

#[test]
fn a_run_cut_off_in_the_middle_of_an_epoch_resumes_from_its_start() {
    let mut c = config(TrainMode::Full, 4);
    c.train.head_epochs = Some(1);
    c.train.optimizer = Some(headstart::config::OptimizerKind::AdamW);
    // The first step after the second epoch.
    let step_of_third = |e: &TrainEvent| matches!(e, TrainEvent::Step(s) if s.epoch == 3);
    resumed_equals_uninterrupted(&c, step_of_third, 1);
}

#[test]
fn a_resumed_run_keeps_the_best_epoch_of_its_first_part() {
    let mut c = config(TrainMode::LastStages, 5);
    c.train.head_epochs = Some(2);
    c.train.keep_best_by = Metric::Loss;
    resumed_equals_uninterrupted(&c, is_epoch, 3);
}

#[test]
fn other_settings_cannot_continue_a_run() {
    let f = fixture(6, 3);
    let mut job = f.job("a", &config(TrainMode::Scratch, 3));
    let control = Control::default();
    let stop = |e: TrainEvent| {
        if is_epoch(&e) {
            control.cancel();
        }
    };
    assert!(train(&job, &control, &stop).unwrap_err().is_cancelled());
    job.resume = true;
    job.config.train.momentum = 0.5;
    let e = quiet(&job).unwrap_err();
    assert!(e.kind() == ErrorKind::Input && e.to_string().contains("momentum"), "{e}");
}

#[test]
fn a_resumed_run_tells_how_many_pictures_changed_under_their_names() {
    let f = fixture(6, 3);
    let mut job = f.job("a", &config(TrainMode::Scratch, 10));
    let one_epoch = |job: &TrainJob| {
        let control = Control::default();
        let warnings = Mutex::new(Vec::new());
        let told = train(job, &control, &|e| match e {
            TrainEvent::Epoch(_) => control.cancel(),
            TrainEvent::Warning(text) => warnings.lock().unwrap().push(text),
            _ => {}
        });
        assert!(told.unwrap_err().is_cancelled());
        warnings.into_inner().unwrap()
    };
    assert_eq!(one_epoch(&job), [""; 0]);
    job.resume = true;
    let picture = |i: usize| f.dataset.path(i);
    // Written anew, and the same.
    std::fs::write(picture(0), std::fs::read(picture(0)).unwrap()).unwrap();
    assert_eq!(one_epoch(&job), [""; 0]);
    for i in [1, 17] {
        draw(0, 90 + i).save(picture(i)).unwrap();
    }
    let told = one_epoch(&job);
    assert!(told.len() == 1 && told[0].contains("2 of 18 pictures"), "{told:?}");
}

#[test]
fn stopping_early_keeps_the_best_so_far() {
    let f = fixture(8, 4);
    let job = f.job("a", &config(TrainMode::Scratch, 50));
    let control = Control::default();
    let out = train(&job, &control, &|e| {
        if matches!(&e, TrainEvent::Epoch(r) if r.epoch == 2) {
            control.stop_and_keep_best();
        }
    })
    .unwrap();
    assert_eq!(out.summary.epochs_run, 2);
    assert!((1..=2).contains(&out.summary.best_epoch) && job.run_dir.join("model/config.json").exists());
}

#[test]
fn stopping_after_an_epoch_finishes_it_and_keeps_the_best() {
    let f = fixture(8, 4);
    let job = f.job("a", &config(TrainMode::Scratch, 50));
    let control = Control::default();
    let left = Mutex::new(None);
    let out = train(&job, &control, &|e| match &e {
        TrainEvent::Step(s) if (s.epoch, s.step) == (2, 1) => control.stop_after_epoch(),
        TrainEvent::Step(s) => *left.lock().unwrap() = s.eta_s,
        _ => {}
    })
    .unwrap();
    assert_eq!(
        left.into_inner().unwrap(),
        Some(0.0),
        "nothing is left after the last step of the last epoch"
    );
    let trained: Vec<usize> = out.epochs.iter().map(|e| e.epoch).collect();
    assert_eq!((trained, out.epochs[1].eta_s), (vec![1, 2], 0.0));
    // The second epoch saw all of its pictures: it equals that of a run of its own.
    let mut alone = config(TrainMode::Scratch, 50);
    alone.train.epochs = Some(50);
    let control = Control::default();
    let again = f.job("b", &alone);
    let _ = train(&again, &control, &|e| {
        if matches!(&e, TrainEvent::Epoch(r) if r.epoch == 3) {
            control.cancel();
        }
    });
    let loss = |run: &str| -> serde_json::Value {
        serde_json::from_str::<serde_json::Value>(&numbers(&f.run(run))[1]).unwrap()["train_loss"].clone()
    };
    assert_eq!(loss("a"), loss("b"));
}

#[test]
fn a_finished_run_goes_on_in_a_new_one_and_stays_as_it_is() {
    let f = fixture(8, 4);
    for (mode, epochs) in [(TrainMode::Scratch, 3), (TrainMode::Full, 3), (TrainMode::Frozen, 4)] {
        let name = format!("{mode:?}");
        let mut c = config(mode, epochs);
        c.train.head_epochs = Some(2);
        let old = f.job(&name, &c);
        let first = quiet(&old).unwrap();
        let file = |run: &Path, name: &str| std::fs::read(run.join(name)).unwrap();
        let before = file(&old.run_dir, "checkpoint/state.safetensors");
        let mut next = f.job(&format!("{name}-more"), &c);
        next.config = headstart::engine::train::extend(&old.run_dir, &next.run_dir, 2).unwrap();
        next.resume = true;
        let out = quiet(&next).unwrap();
        assert_eq!((out.epochs.len(), out.summary.epochs_run), (epochs + 2, epochs + 2), "{mode:?}");
        assert_eq!(numbers(&old.run_dir), numbers(&next.run_dir)[..epochs], "{mode:?}");
        let best = |out: &TrainOutcome| out.epochs[out.summary.best_epoch - 1].val_accuracy;
        assert!(best(&out) >= best(&first));
        assert!(before == file(&old.run_dir, "checkpoint/state.safetensors"));
        assert!(old.run_dir.join("summary.json").exists());
    }
}

#[test]
fn a_run_that_patience_ended_gets_all_the_epochs_that_are_asked_for() {
    let f = fixture(6, 3);
    let mut c = impatient(TrainMode::Full);
    c.augment.enabled = false;
    let old = f.job("a", &c);
    let done = quiet(&old).unwrap().summary.epochs_run;
    assert!(done < c.train.epochs.unwrap(), "patience ended it after {done}");
    let mut next = f.job("b", &c);
    next.config = headstart::engine::train::extend(&old.run_dir, &next.run_dir, 3).unwrap();
    next.resume = true;
    assert_eq!(quiet(&next).unwrap().summary.epochs_run, done + 3);
    let mut at_once = config(TrainMode::Frozen, 1);
    at_once.train.solver = Solver::Logistic;
    let fitted = f.job("c", &at_once);
    quiet(&fitted).unwrap();
    let e = headstart::engine::train::extend(&fitted.run_dir, &f.run("d"), 3).unwrap_err();
    assert!(e.to_string().contains("fitted at once") && !f.run("d").exists(), "{e}");
}

#[test]
fn trying_rates_finds_one_that_learns_and_leaves_no_run() {
    let f = fixture(12, 4);
    for mode in [TrainMode::Scratch, TrainMode::Frozen] {
        let job = f.job("rates", &config(mode, 5));
        let told = Mutex::new(Vec::new());
        let try_rates = || {
            find_rate(&job, &Control::default(), &|_| {}, &|d, t| told.lock().unwrap().push((d, t))).unwrap()
        };
        let found = try_rates();
        assert!(found.steps.len() >= 40, "{mode:?}: {}", found.steps.len());
        assert!((found.steps[0].rate / 1e-6 - 1.0).abs() < 1e-9);
        assert!(found.steps.windows(2).all(|w| w[0].rate < w[1].rate && w[1].rate <= 1.0 + 1e-9));
        let rate = found.suggestion.unwrap();
        assert!((1e-5..=1.0).contains(&rate), "{mode:?}: {rate}");
        assert_eq!(try_rates(), found, "the same seed gives the same");
        let told = told.into_inner().unwrap();
        assert!(told.contains(&(1, 100)) && told.iter().all(|t| t.1 == 100), "{mode:?}: {told:?}");
        for file in ["checkpoint", "summary.json", "metrics.jsonl", "model"] {
            assert!(!job.run_dir.join(file).exists(), "{file} was left");
        }
    }
    let control = Control::default();
    control.cancel();
    let e =
        find_rate(&f.job("c", &config(TrainMode::Scratch, 5)), &control, &|_| {}, &|_, _| {}).unwrap_err();
    assert!(e.is_cancelled());
}

#[test]
fn patience_ends_a_run_that_no_longer_gets_better() {
    let f = fixture(6, 3);
    let mut c = config(TrainMode::Frozen, 200);
    c.train.learning_rate = Some(1e-9);
    c.train.patience = 3;
    c.train.keep_best_by = Metric::MacroF1;
    c.train.schedule = Some(headstart::config::ScheduleKind::Constant);
    c.train.weight_decay = Some(0.0);
    c.augment.enabled = false;
    let out = quiet(&f.job("a", &c)).unwrap();
    assert!(out.summary.epochs_run < 200, "{}", out.summary.epochs_run);
    assert_eq!(out.summary.epochs_run, out.summary.best_epoch + 3);
}

/// A head that never gets better, so that patience ends its phase after three of six epochs; then two of what follows.
fn impatient(mode: TrainMode) -> TrainConfig {
    let mut c = config(mode, 8);
    c.train.head_epochs = Some(6);
    c.train.head_learning_rate = Some(1e-30);
    c.train.weight_decay = Some(0.0);
    c.train.patience = 2;
    c
}

#[test]
fn a_phase_that_patience_ends_leaves_no_gap_in_the_epochs() {
    let f = fixture(6, 3);
    let mut c = impatient(TrainMode::Full);
    // Else the head's loss is of other views in every epoch; the validation pictures are always the same.
    c.augment.enabled = false;
    let job = f.job("a", &c);
    let steps = Mutex::new(Vec::new());
    let out = train(&job, &Control::default(), &|e| {
        if let TrainEvent::Step(s) = e {
            steps.lock().unwrap().push((s.epoch, s.epochs));
        }
    })
    .unwrap();
    let told: Vec<_> = out.epochs.iter().map(|e| (e.epoch, e.epochs, e.phase.as_str())).collect();
    assert_eq!(
        told,
        [(1, 8, "head"), (2, 8, "head"), (3, 8, "head"), (4, 5, "everything"), (5, 5, "everything")]
    );
    assert_eq!(out.summary.epochs_run, 5);
    assert!(out.epochs[out.summary.best_epoch - 1].best);
    let mut steps = steps.into_inner().unwrap();
    steps.dedup();
    assert_eq!(steps, [(1, 8), (2, 8), (3, 8), (4, 5), (5, 5)]);
}

#[test]
fn a_run_with_a_phase_that_patience_ended_resumes_like_any_other() {
    // At the end of the shortened phase, and behind it.
    for at in [3, 4] {
        resumed_equals_uninterrupted(&impatient(TrainMode::LastStages), is_epoch, at);
    }
}

#[test]
fn a_loss_that_is_not_finite_says_where_and_what_to_do() {
    let f = fixture(6, 3);
    let mut c = config(TrainMode::Scratch, 5);
    // Each step turns every weight around and makes it a thousand million times as large: too large within an epoch.
    c.train.batch_size = Some(2);
    c.train.learning_rate = Some(10.0);
    c.train.weight_decay = Some(1e9);
    let e = quiet(&f.job("a", &c)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Numeric, "{e}");
    let text = e.to_string();
    assert!(
        text.contains("epoch") && text.contains("step") && text.contains("train.learning_rate"),
        "{text}"
    );
}

#[test]
fn many_unreadable_pictures_need_the_users_word() {
    let f = fixture(6, 3);
    for s in f.dataset.samples.iter().filter(|s| s.class == 0).take(4) {
        std::fs::write(f.dataset.root.join(&s.rel), b"no picture").unwrap();
    }
    let mut c = config(TrainMode::Frozen, 1);
    let e = quiet(&f.job("a", &c)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NeedsConfirmation, "{e}");
    assert!(e.to_string().contains("4 of 18") && e.to_string().contains("data.allow_many_unreadable"), "{e}");
    c.data.allow_many_unreadable = true;
    quiet(&f.job("b", &c)).unwrap();
}

fn phase(learns: Learns, epochs: usize, learning_rate: f64) -> PhaseConfig {
    let last_stages = (learns == Learns::LastStages).then_some(2);
    let schedule = Some(ScheduleKind::Constant);
    PhaseConfig { learns, last_stages, epochs, learning_rate: Some(learning_rate), schedule }
}

/// The last stages first, then the head alone on what they became, then everything at two rates.
fn own_plan(carry_over: CarryOver) -> TrainConfig {
    let mut c = config(TrainMode::Auto, 1);
    c.train.set_phases(vec![
        phase(Learns::LastStages, 2, 0.02),
        phase(Learns::Head, 2, 0.05),
        phase(Learns::Everything, 2, 0.01),
        phase(Learns::Everything, 2, 0.001),
    ]);
    c.train.carry_over = carry_over;
    c
}

#[test]
fn phases_of_the_users_own_are_trained_one_after_the_other() {
    let f = fixture(8, 4);
    let job = f.job("a", &own_plan(CarryOver::Last));
    let out = quiet(&job).unwrap();
    let told: Vec<_> = out.epochs.iter().map(|e| (e.phase.clone(), e.learning_rate)).collect();
    let rates: Vec<f64> = told.iter().map(|t| t.1).collect();
    assert_eq!(rates, [0.02, 0.02, 0.05, 0.05, 0.01, 0.01, 0.001, 0.001]);
    assert!(told[0].0.starts_with("stages") && told[2].0 == "head", "{told:?}");
    assert_eq!((told[4].0.as_str(), told[6].0.as_str()), ("everything", "everything (phase 4)"));
    // The kept model is that of the best epoch, whatever learned behind it.
    let kept = out.epochs[out.summary.best_epoch - 1].clone();
    let classifier = Classifier::open(&job.run_dir).unwrap();
    let control = Control::default();
    let judged = evaluate(&classifier, &f.dataset, Some(Split::Val), &control, &|_, _| Ok(())).unwrap();
    assert!((judged.loss - kept.val_loss).abs() < 1e-4, "{} and {}", judged.loss, kept.val_loss);
    assert_eq!(judged.confusion.accuracy(), kept.val_accuracy);
}

#[test]
fn a_head_learns_on_what_the_stages_have_become() {
    let f = fixture(8, 4);
    let mut c = own_plan(CarryOver::Last);
    c.augment.enabled = false;
    // At so small a rate nothing moves: each epoch judges the weights that the phase before ended with.
    c.train.phases[1] = phase(Learns::Head, 2, 1e-30);
    c.train.phases.truncate(2);
    c.train.weight_decay = Some(0.0);
    let out = quiet(&f.job("a", &c)).unwrap();
    let loss: Vec<f64> = out.epochs.iter().map(|e| e.val_loss).collect();
    assert!((loss[2] - loss[1]).abs() < 1e-4, "{loss:?}");
    assert!((loss[0] - loss[1]).abs() > 1e-3, "the stages learned: {loss:?}");
    // From the best weights instead of the last.
    c.train.phases[0] = phase(Learns::LastStages, 3, 0.3);
    c.train.carry_over = CarryOver::Best;
    c.train.keep_best_by = Metric::Loss;
    let out = quiet(&f.job("b", &c)).unwrap();
    let loss: Vec<f64> = out.epochs.iter().map(|e| e.val_loss).collect();
    let best = loss[..3].iter().copied().fold(f64::INFINITY, f64::min);
    assert!((loss[3] - best).abs() < 1e-4, "{loss:?}");
}

#[test]
fn phases_of_the_users_own_resume_like_any_others() {
    for (at, carry_over) in [(2, CarryOver::Best), (3, CarryOver::Last)] {
        resumed_equals_uninterrupted(&own_plan(carry_over), is_epoch, at);
    }
}

#[test]
fn a_finished_run_of_own_phases_gets_more_epochs_at_its_end() {
    let f = fixture(6, 3);
    let c = own_plan(CarryOver::Last);
    let old = f.job("a", &c);
    quiet(&old).unwrap();
    let mut next = f.job("b", &c);
    next.config = headstart::engine::train::extend(&old.run_dir, &next.run_dir, 3).unwrap();
    next.resume = true;
    assert_eq!(quiet(&next).unwrap().summary.epochs_run, 11);
    assert_eq!(next.config.train.phases[3].epochs, 5);
}
