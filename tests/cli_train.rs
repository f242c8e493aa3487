//! The whole path on the command line: train, evaluate, predict, export, resume, and a process that is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

mod common;

use common::{cli, command, done, failed, tiny_pictures, told};
use headstart::session::{RunState, load_evaluation, read_run};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

/// Settings under which a run takes a moment.
const QUICK: [&str; 4] = ["--set", "train.epochs=2", "--set", "train.batch_size=4"];

struct Place {
    dir: tempfile::TempDir,
    data: PathBuf,
    run: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (data, run) = (dir.path().join("pictures"), dir.path().join("run"));
        tiny_pictures(&data);
        Self { dir, data, run }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn train(&self, more: &[&str]) -> Output {
        let data = self.data.to_str().unwrap();
        let run = self.run.to_str().unwrap();
        let args = ["train", "--data", data, "--out", run].into_iter().chain(QUICK);
        cli(self.dir.path(), args.chain(more.iter().copied()))
    }

    fn cli(&self, args: &[&str]) -> Output {
        cli(self.dir.path(), args)
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn listing(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(listing(&path));
        } else {
            found.push((path.clone(), std::fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_folder_becomes_a_model_that_judges_classifies_and_leaves() {
    let p = Place::new();
    let before = listing(&p.data);
    let text = done(&p.train(&["--progress", "none"]));
    assert!(text.contains("validation accuracy") && text.contains(" of "), "{text}");

    let summary = json(&p.run.join("summary.json"));
    assert_eq!(
        (summary["backbone"].as_str(), summary["mode"].as_str()),
        (Some("small_cnn"), Some("scratch"))
    );
    assert_eq!(summary["epochs_run"], 2);
    for key in ["device", "best_epoch", "wall_s", "images_per_s", "peak_rss_mib"] {
        assert!(!summary[key].is_null(), "{key} in {summary}");
    }
    for key in ["accuracy", "macro_f1", "loss"] {
        assert!(summary["val"][key].is_number(), "{key} in {summary}");
    }
    for file in ["config.toml", "splits.json", "metrics.jsonl", "predictions.csv", "model/config.json"] {
        assert!(p.run.join(file).is_file(), "{file}");
    }
    let evaluation = load_evaluation(&p.run).unwrap();
    assert_eq!(evaluation.classes, ["dark", "light"]);
    assert!((evaluation.confusion.accuracy() - summary["val"]["accuracy"].as_f64().unwrap()).abs() < 1e-9);

    judge(&p, evaluation.confusion.total());
    classify(&p);

    let model = p.path("taken away");
    let run = p.run.to_str().unwrap();
    done(&p.cli(&["export", "--run", run, "--format", "bundle", "--out", &model]));
    let picture = p.data.join("dark/0.png");
    let args = |model: &str| p.cli(&["predict", "--model", model, picture.to_str().unwrap(), "--json"]);
    assert_eq!(done(&args(run)), done(&args(&model)), "the bundle answers as the run does");
    assert_eq!(listing(&p.data), before, "the pictures are untouched");
}

fn judge(p: &Place, held_out: usize) {
    let run = p.run.to_str().unwrap();
    let judged = p.path("judged");
    let text =
        done(&p.cli(&["evaluate", "--model", run, "--data", p.data.to_str().unwrap(), "--out", &judged]));
    assert!(text.contains(&format!("of {held_out}")) && text.contains("Confusion matrix"), "{text}");
    let numbers = json(&Path::new(&judged).join("summary.json"));
    assert_eq!(numbers["pictures"], held_out);
    assert_eq!(load_evaluation(Path::new(&judged)).unwrap().predictions.len(), held_out);
    let line =
        failed(&p.cli(&["evaluate", "--model", run, "--data", p.data.to_str().unwrap(), "--out", run]));
    assert!(line.contains("Choose another folder"), "{line}");
    let again = ["evaluate", "--model", run, "--data", p.data.to_str().unwrap(), "--out", &judged];
    let line = failed(&p.cli(&again));
    assert!(line.contains("already holds an evaluation") && line.contains("--force"), "{line}");
    done(&p.cli(&[&again[..], &["--force"]].concat()));

    let curves = std::fs::read_to_string(Path::new(&judged).join("curves.csv")).unwrap();
    assert!(curves.starts_with("class,threshold,precision,recall,false_positive_rate"), "{curves}");
    assert!(numbers["calibration"]["expected_error"].is_number() && numbers["test_judged"].is_null());
    let line = failed(&p.cli(&[
        "evaluate",
        "--split",
        "test",
        "--model",
        run,
        "--data",
        p.data.to_str().unwrap(),
        "--out",
        &p.path("judged test"),
    ]));
    assert!(line.contains("no test part"), "{line}");

    let other = p.path("other");
    tiny_pictures(Path::new(&other));
    let text = done(&p.cli(&["evaluate", "--model", run, "--data", &other, "--out", &p.path("judged 2")]));
    assert!(text.contains("of 12"), "all pictures of a folder that was never seen: {text}");
}

fn classify(p: &Place) {
    let run = p.run.to_str().unwrap();
    let bad = p.path("bad.png");
    std::fs::write(&bad, "no picture").unwrap();
    let dark = p.data.join("dark");
    let text = done(&p.cli(&["predict", "--model", run, dark.to_str().unwrap(), &bad, "--json"]));
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(all.len(), 7);
    let sum: f64 = all[0]["top"].as_array().unwrap().iter().map(|t| t["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-4 && all[0]["error"].is_null(), "{text}");
    assert!(all[6]["error"].is_string() && all[6]["top"].as_array().unwrap().is_empty(), "{text}");

    let table = p.path("classes.csv");
    done(&p.cli(&["predict", "--model", run, dark.to_str().unwrap(), "--csv", &table]));
    let lines = std::fs::read_to_string(&table).unwrap();
    assert!(lines.starts_with("path,label_1,probability_1,") && lines.lines().count() == 7, "{lines}");
    assert!(failed(&p.cli(&["predict", "--model", run, &bad])).contains("none of the 1"));

    // Over an older table, but over nothing else and not among the pictures.
    let text = done(&p.cli(&["predict", "--model", run, dark.to_str().unwrap(), &bad, "--csv", &table]));
    assert!(text.contains("6 of 7") && text.contains("1 could not"), "{text}");
    let here = dark.join("new.csv");
    for (file, why) in [(bad.as_str(), "would be lost"), (here.to_str().unwrap(), "folder of pictures")] {
        let line = failed(&p.cli(&["predict", "--model", run, dark.to_str().unwrap(), "--csv", file]));
        assert!(line.contains(why), "{line}");
    }
    let picture = std::fs::read_dir(&dark).unwrap().next().unwrap().unwrap().path();
    let before = std::fs::read(&picture).unwrap();
    let name = picture.to_str().unwrap();
    failed(&p.cli(&["predict", "--model", run, name, "--csv", name]));
    assert!(std::fs::read(&picture).unwrap() == before && !here.exists());

    // Nor among those that the model learned from, whatever is classified; a model knows them as its run does.
    let (new, data) = (p.path("new.png"), p.data.to_str().unwrap());
    std::fs::copy(&picture, &new).unwrap();
    let (sorted, model) = (p.data.join("sorted"), p.run.join("model"));
    for model in [run, model.to_str().unwrap()] {
        let into = |flag, place: &str| failed(&p.cli(&["predict", "--model", model, &new, flag, place]));
        for line in [
            into("--copy-to", data),
            into("--copy-to", sorted.to_str().unwrap()),
            into("--csv", here.to_str().unwrap()),
        ] {
            assert!(line.contains("folder of pictures"), "{line}");
        }
    }
    assert!(!sorted.exists() && !here.exists());
}

#[test]
fn a_finished_run_is_not_written_over() {
    let p = Place::new();
    done(&p.train(&[]));
    let before = listing(&p.run);
    let line = failed(&p.train(&[]));
    assert!(line.contains("finished run") && line.contains("another folder"), "{line}");
    let line = failed(&p.train(&["--resume"]));
    assert!(line.contains("nothing to go on with"), "{line}");
    assert_eq!(listing(&p.run), before);
}

#[test]
fn a_lost_checkpoint_is_told_once_in_every_style() {
    let p = Place::new();
    done(&p.train(&[]));
    for style in ["none", "bar", "json"] {
        std::fs::remove_file(p.run.join("summary.json")).unwrap();
        std::fs::remove_dir_all(p.run.join("checkpoint")).unwrap();
        let resumed = p.cli(&["train", "--out", p.run.to_str().unwrap(), "--resume", "--progress", style]);
        let (code, stdout, stderr) = told(&resumed);
        let times = format!("{stdout}{stderr}").matches("has no checkpoint").count();
        assert_eq!((code, times), (0, 1), "{style}: {stdout}{stderr}");
    }
}

#[test]
fn json_progress_ends_with_the_summary() {
    let p = Place::new();
    let text = done(&p.train(&["--progress", "json", "--seed", "3"]));
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let events = |name: &str| lines.iter().filter(|l| l["event"] == name).count();
    assert_eq!((events("epoch"), events("finished")), (2, 1), "{text}");
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["epochs_run"]), (&"finished".into(), &2.into()));
    assert!(std::fs::read_to_string(p.run.join("config.toml")).unwrap().contains("seed = 3"));
}

#[test]
fn the_same_seed_gives_the_same_run_and_threads_do_not_matter() {
    let mut told = Vec::new();
    for threads in ["train.threads=1", "train.threads=1", "train.threads=3"] {
        let p = Place::new();
        done(&p.train(&["--set", threads]));
        told.push(std::fs::read_to_string(p.run.join("predictions.csv")).unwrap());
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
}

#[cfg(unix)]
#[test]
fn a_killed_run_opens_and_goes_on() {
    let p = Place::new();
    let args = ["--data", p.data.to_str().unwrap(), "--out", p.run.to_str().unwrap()];
    let mut child = command(p.dir.path())
        .args(["train", "--set", "train.epochs=60", "--set", "train.batch_size=4"])
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let epochs = || std::fs::read_to_string(p.run.join("metrics.jsonl")).map_or(0, |t| t.lines().count());
    while epochs() < 3 && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    for more in [&[][..], &["--resume"]] {
        let words = ["train"].into_iter().chain(args).chain(more.iter().copied());
        let line = failed(&cli(p.dir.path(), words));
        assert!(line.contains("being trained"), "{line}");
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let run = read_run(&p.run, &headstart::config::TrainConfig::default()).unwrap();
    assert_eq!(run.state, RunState::Interrupted);
    let reached = run.epochs.len();
    assert!((1..60).contains(&reached), "{reached} epochs");
    let line = failed(&cli(p.dir.path(), ["train"].into_iter().chain(args)));
    assert!(line.contains("interrupted run") && line.contains("--resume"), "{line}");

    let resumed = p.cli(&["train", "--out", p.run.to_str().unwrap(), "--resume"]);
    assert_eq!(told(&resumed).0, 0, "{}", told(&resumed).2);
    let run = read_run(&p.run, &headstart::config::TrainConfig::default()).unwrap();
    assert_eq!(run.state, RunState::Finished);
    let numbers: Vec<usize> = run.epochs.iter().map(|e| e.epoch).collect();
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>());
}

#[test]
fn labels_come_from_a_table_and_a_run_keeps_where_they_came_from() {
    let p = Place::new();
    let mut table = "image,kind,class\n".to_owned();
    for n in 0..6 {
        for (folder, label) in [("dark", "night"), ("light", "day")] {
            table += &format!("{folder}/{n}.png,{folder},{label}\n");
        }
    }
    std::fs::write(p.data.join("labels.csv"), table).unwrap();
    let before = listing(&p.data);
    let d = p.data.to_str().unwrap();
    // Class folders come first, unless the table is named; a bare name is looked for in the folder of pictures.
    let text = done(&p.cli(&["inspect", d]));
    assert!(text.contains("dark") && !text.contains("night"), "{text}");
    let found = done(&p.cli(&["inspect", d, "--labels", "labels.csv", "--json"]));
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!((&found["layout"], &found["pictures"]), (&"label-file".into(), &12.into()));
    assert_eq!([&found["classes"][0]["name"], &found["classes"][1]["name"]], ["day", "night"]);
    assert!(found["findings"].to_string().contains("not used: kind"), "{found}");

    let text = done(&p.train(&["--labels", "labels.csv", "--progress", "none"]));
    assert!(text.contains("labels.csv"), "{text}");
    let config = headstart::config::TrainConfig::load(&p.run.join("config.toml")).unwrap();
    assert_eq!(config.data.labels.as_deref(), Some(Path::new("labels.csv")));
    let judged = p.path("judged");
    let text = done(&p.cli(&["evaluate", "--model", p.run.to_str().unwrap(), "--data", d, "--out", &judged]));
    assert!(text.contains("night") && text.contains("validation"), "{text}");
    let summary = json(&p.run.join("summary.json"));
    assert_eq!(json(&Path::new(&judged).join("summary.json"))["accuracy"], summary["val"]["accuracy"]);
    // Other pictures have labels of their own, here in a table that lies elsewhere.
    let (other, elsewhere) = (p.path("other"), p.path("elsewhere.csv"));
    std::fs::create_dir(&other).unwrap();
    for n in ["1", "2"] {
        std::fs::copy(
            p.data.join("dark").join(n.to_owned() + ".png"),
            Path::new(&other).join(n.to_owned() + ".png"),
        )
        .unwrap();
    }
    std::fs::write(&elsewhere, "file,label\n1.png,night\n2.png,day\n").unwrap();
    let run = p.run.to_str().unwrap();
    let args =
        ["evaluate", "--model", run, "--data", &other, "--labels", &elsewhere, "--out", &p.path("judged2")];
    assert!(done(&p.cli(&args)).contains("all 2 pictures"));
    assert_eq!(listing(&p.data), before, "the folder of pictures is as it was");
}

#[test]
fn a_rate_is_found_and_nothing_is_left_but_the_curve_that_was_asked_for() {
    let p = Place::new();
    let data = p.data.to_str().unwrap();
    let before = listing(p.dir.path());
    let plain = done(&p.cli(&["train", "--data", data, "--find-rate", "--set", "train.batch_size=2"]));
    assert!(plain.contains("learning rate"), "{plain}");
    assert_eq!(listing(p.dir.path()), before);
    let file = p.path("curve.jsonl");
    let args = [
        "train",
        "--data",
        data,
        "--find-rate",
        "--set",
        "train.batch_size=2",
        "--progress",
        "json",
        "--out",
        &file,
    ];
    let text = done(&p.cli(&args));
    let events: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |name: &str| events.iter().filter(|e| e["event"] == name).cloned().collect::<Vec<_>>();
    let rates = of("rate");
    assert!((10..=100).contains(&rates.len()), "{}", rates.len());
    assert!(rates.windows(2).all(|w| w[0]["learning_rate"].as_f64() < w[1]["learning_rate"].as_f64()));
    assert_eq!(of("suggestion").len(), 1);
    let written = std::fs::read_to_string(&file).unwrap();
    let written: Vec<Value> = written.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(written, [rates, of("suggestion")].concat());
    assert_eq!(listing(p.dir.path()).len(), before.len() + 1);
    assert!(failed(&p.cli(&args)).contains("curve.jsonl"), "it is not written over");
}
