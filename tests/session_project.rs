//! Projects and runs on disk, also after a process was killed in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

use headstart::config::TrainConfig;
use headstart::engine::train::SplitScore;
use headstart::engine::{EpochRecord, Summary};
use headstart::session::{Project, RunState};
use std::path::{Path, PathBuf};

fn config(data: &Path) -> TrainConfig {
    let mut config = TrainConfig::default();
    config.data.path = Some(data.to_path_buf());
    config
}

fn folders(dir: &Path) -> (PathBuf, PathBuf) {
    let (data, project) = (dir.join("pictures"), dir.join("project"));
    std::fs::create_dir_all(&data).unwrap();
    (data, project)
}

fn epoch(epoch: usize) -> EpochRecord {
    EpochRecord {
        epoch,
        epochs: 3,
        phase: "head".to_owned(),
        train_loss: 0.5,
        train_accuracy: 0.75,
        val_loss: 0.4,
        val_accuracy: 0.8,
        val_macro_f1: 0.79,
        learning_rate: 0.01,
        images_per_s: 100.0,
        elapsed_s: 1.0,
        eta_s: 2.0,
        best: true,
        batch_size: None,
    }
}

fn metrics(epochs: usize) -> String {
    (1..=epochs).map(|e| serde_json::to_string(&epoch(e)).unwrap() + "\n").collect()
}

fn summary() -> Summary {
    Summary {
        version: 1,
        backbone: "small_cnn".to_owned(),
        mode: "scratch".to_owned(),
        device: "cpu".to_owned(),
        precision: "f32".to_owned(),
        epochs_run: 2,
        best_epoch: 1,
        val: SplitScore { accuracy: 0.8, macro_f1: 0.79, loss: 0.4, pictures: 10, copies_in_training: 0 },
        wall_s: 1.0,
        images_per_s: 100.0,
        peak_rss_mib: 1,
        batch_changes: Vec::new(),
    }
}

fn write(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_project_is_made_once_and_opens_again() {
    let t = tempfile::tempdir().unwrap();
    let (data, dir) = folders(t.path());
    let mut project = Project::create(&dir, config(&data)).unwrap();
    project.config.set("train.epochs", "7").unwrap();
    project.save().unwrap();
    let again = Project::open(&dir).unwrap();
    assert_eq!(again.config, project.config);
    assert_eq!(again.config.train.epochs, Some(7));
    let e = Project::create(&dir, config(&data)).unwrap_err().to_string();
    assert!(e.contains("already holds a project"), "{e}");
    let e = Project::open(&data).unwrap_err().to_string();
    assert!(e.contains("no project") && e.contains("pictures"), "{e}");
}

#[test]
fn a_project_never_lies_among_the_pictures() {
    let t = tempfile::tempdir().unwrap();
    let (data, dir) = folders(t.path());
    for inside in [data.clone(), data.join("deep/project")] {
        let e = Project::create(&inside, config(&data)).unwrap_err().to_string();
        assert!(e.contains("folder of pictures"), "{e}");
    }
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "nothing was written");

    let runs = dir.join("runs/0001");
    std::fs::create_dir_all(&runs).unwrap();
    assert!(Project::create(&dir, config(&runs)).is_err());

    let mut project = Project::create(&dir, config(&data)).unwrap();
    project.config.data.path = Some(t.path().to_path_buf());
    assert!(project.save().is_err());
    assert_eq!(Project::open(&dir).unwrap().config.data.path, Some(data));
}

#[test]
fn run_numbers_are_never_used_again() {
    let t = tempfile::tempdir().unwrap();
    let (data, dir) = folders(t.path());
    let project = Project::create(&dir, config(&data)).unwrap();
    assert_eq!(project.new_run_dir().unwrap(), dir.join("runs/0001"));
    assert_eq!(project.new_run_dir().unwrap(), dir.join("runs/0002"));
    std::fs::remove_dir(dir.join("runs/0002")).unwrap();
    assert_eq!(project.new_run_dir().unwrap(), dir.join("runs/0003"));
    std::fs::remove_file(dir.join("journal.jsonl")).unwrap();
    assert_eq!(project.new_run_dir().unwrap(), dir.join("runs/0004"));
}

#[test]
fn runs_are_listed_newest_first_with_how_far_they_came() {
    let t = tempfile::tempdir().unwrap();
    let (data, dir) = folders(t.path());
    let project = Project::create(&dir, config(&data)).unwrap();
    let runs: Vec<PathBuf> = (0..3).map(|_| project.new_run_dir().unwrap()).collect();

    let settings = config(&data).to_toml().unwrap();
    write(runs[0].join("config.toml"), &settings);
    write(runs[0].join("metrics.jsonl"), &metrics(2));
    write(runs[0].join("summary.json"), &serde_json::to_string(&summary()).unwrap());
    write(runs[0].join("model/model.safetensors"), "weights");
    // Killed while writing the third epoch's line.
    write(runs[1].join("config.toml"), &settings);
    write(runs[1].join("metrics.jsonl"), &(metrics(2) + &metrics(1)[..40]));
    write(runs[1].join("checkpoint/state.json"), "{}");
    // Killed before anything was written: runs[2].

    let (found, damaged) = project.runs().unwrap();
    assert!(damaged.is_empty(), "{damaged:?}");
    let states: Vec<_> = found.iter().map(|r| (r.id.as_str(), r.state, r.epochs.len())).collect();
    assert_eq!(
        states,
        [("0003", RunState::Empty, 0), ("0002", RunState::Interrupted, 2), ("0001", RunState::Finished, 2)]
    );
    assert_eq!(found[2].summary, Some(summary()));
    assert_eq!(found.iter().map(|r| r.model_bytes).collect::<Vec<_>>(), [None, None, Some(7)]);
    assert_eq!(found[1].epochs[1], epoch(2));
}

#[test]
fn a_damaged_run_is_named_and_hides_no_other() {
    let t = tempfile::tempdir().unwrap();
    let (data, dir) = folders(t.path());
    let project = Project::create(&dir, config(&data)).unwrap();
    for (file, text) in [("config.toml", "train = 3"), ("summary.json", "{"), ("metrics.jsonl", "{}\n")] {
        write(project.new_run_dir().unwrap().join(file), text);
    }
    project.new_run_dir().unwrap();
    let (found, damaged) = project.runs().unwrap();
    assert_eq!(damaged.len(), 2);
    assert!(damaged[0].starts_with("run 0003 is left out: line 1 of the run's metrics"), "{damaged:?}");
    assert!(
        damaged[1].starts_with("run 0001 is left out: ") && damaged[1].contains("config.toml"),
        "{damaged:?}"
    );
    // Without its numbers a run is still there, and its model of use.
    assert_eq!(found.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["0004", "0002"]);
    write(dir.join("runs/0002/model/model.safetensors"), "weights");
    let (found, damaged) = project.runs().unwrap();
    assert_eq!((found[1].state, &found[1].summary), (RunState::Finished, &None));
    assert!(damaged[1].starts_with("run 0002 can be used, but its numbers are lost: "), "{damaged:?}");
}

#[test]
fn damaged_settings_are_those_of_the_newest_run_and_are_kept_beside_once_others_are_saved() {
    for damaged in ["[train\nepochs = 3", "", "no = \"setting\""] {
        let t = tempfile::tempdir().unwrap();
        let (data, dir) = folders(t.path());
        let project = Project::create(&dir, config(&data)).unwrap();
        write(dir.join("project.toml"), damaged);
        let error = Project::open(&dir).unwrap_err().to_string();
        assert!(error.contains("project.toml") && error.contains("begins a new project"), "{error}");
        for epochs in [7, 9] {
            let mut of_run = config(&data);
            of_run.train.epochs = Some(epochs);
            write(project.new_run_dir().unwrap().join("config.toml"), &of_run.to_toml().unwrap());
        }
        let opened = Project::open(&dir).unwrap();
        assert_eq!((opened.config.train.epochs, opened.config.data.path.as_deref()), (Some(9), Some(&*data)));
        assert_eq!(
            std::fs::read_to_string(dir.join("project.toml")).unwrap(),
            damaged,
            "opening writes nothing"
        );
        opened.save().unwrap();
        assert_eq!(std::fs::read_to_string(dir.join("project.damaged.toml")).unwrap(), damaged);
        assert!(headstart::session::project::damage(&dir).is_none());
    }
}
