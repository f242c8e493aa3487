//! Cross-validation on the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

mod common;

use common::{cli, done, failed, tiny_pictures};
use headstart::session::load_evaluation;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn all_folds_are_trained_once_and_told_together() {
    let t = tempfile::tempdir().unwrap();
    let (data, out) = (t.path().join("pictures"), t.path().join("folds"));
    tiny_pictures(&data);
    let [d, o] = [&data, &out].map(|p| p.to_str().unwrap());
    let args =
        ["train", "--data", d, "--out", o, "--all-folds", "--set", "data.folds=3", "--set", "train.epochs=1"];
    let text = done(&cli(t.path(), args));
    assert!(
        text.contains("fold 2 of 3: validation accuracy") && text.contains("mean over 3 folds"),
        "{text}"
    );

    // Every picture was held out once.
    let of = |n: usize| load_evaluation(&out.join(format!("fold-{n}"))).unwrap().predictions;
    let judged: Vec<String> = (1..=3).flat_map(of).map(|p| p.rel).collect();
    assert_eq!((judged.len(), judged.iter().collect::<BTreeSet<_>>().len()), (12, 12));

    let all = json(&out.join("folds.json"));
    let score =
        |n: usize, key: &str| json(&out.join(format!("fold-{n}/summary.json")))["val"][key].as_f64().unwrap();
    for (n, run) in (1..=3).zip(all["runs"].as_array().unwrap()) {
        assert_eq!((&run["fold"], run["run"].as_str()), (&n.into(), Some(format!("fold-{n}").as_str())));
        assert_eq!(run["accuracy"].as_f64(), Some(score(n, "accuracy")));
    }
    let mean = (1..=3).map(|n| score(n, "macro_f1")).sum::<f64>() / 3.0;
    assert!((all["macro_f1"]["mean"].as_f64().unwrap() - mean).abs() < 1e-12);

    let line = failed(&cli(t.path(), args));
    assert!(line.contains("fold-1"), "nothing is written over: {line}");
    // What is finished stays; a fold that is missing is trained.
    let kept = std::fs::metadata(out.join("fold-1/summary.json")).unwrap().modified().unwrap();
    std::fs::remove_dir_all(out.join("fold-3")).unwrap();
    std::fs::remove_file(out.join("folds.json")).unwrap();
    done(&cli(t.path(), ["train", "--out", o, "--all-folds", "--resume"]));
    assert_eq!(std::fs::metadata(out.join("fold-1/summary.json")).unwrap().modified().unwrap(), kept);
    assert_eq!(json(&out.join("folds.json")), all);
}

#[test]
fn a_folder_with_a_validation_part_says_why_there_are_no_folds() {
    let t = tempfile::tempdir().unwrap();
    let data = t.path().join("pictures");
    tiny_pictures(&data.join("train"));
    tiny_pictures(&data.join("val"));
    for fold in [&["--all-folds"][..], &["--fold", "2"]] {
        let args = ["train", "--data", data.to_str().unwrap(), "--out", "run"];
        let line = failed(&cli(t.path(), args.iter().chain(fold)));
        assert!(line.contains("no folds can be made") && line.contains("--fold"), "{line}");
    }
}
