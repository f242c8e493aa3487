//! `compare` on the command line, and what `predict` says once a run's pictures were compared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

mod common;

use common::{cli, done, failed};
use image::{Rgb, RgbImage};
use std::path::Path;

/// Two classes of sixteen pictures that differ in colour; one of each lies in the other's folder.
fn pictures(dir: &Path) {
    for (class, own) in [("blue", 2), ("red", 0)] {
        std::fs::create_dir_all(dir.join(class)).unwrap();
        for n in 0..16u8 {
            let strongest = if n == 3 { 2 - own } else { own };
            let picture = RgbImage::from_fn(32, 32, |x, y| {
                let mut pixel = [30 + 4 * n + (x / 8) as u8, 30 + (y / 4) as u8, 40];
                pixel[strongest] = 190 + 3 * n;
                Rgb(pixel)
            });
            picture.save(dir.join(class).join(format!("{n}.png"))).unwrap();
        }
    }
}

#[test]
fn doubtful_labels_are_listed_and_new_pictures_are_told_from_those_in_training() {
    let t = tempfile::tempdir().unwrap();
    let (data, run) = (t.path().join("data"), t.path().join("run"));
    pictures(&data);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (data_arg, run_arg) = (text(&data), text(&run));
    let train = ["train", "--data", &data_arg, "--out", &run_arg, "--set", "train.epochs=3"];
    done(&cli(t.path(), train));

    let strange = t.path().join("strange.png");
    RgbImage::from_fn(32, 32, |x, y| Rgb([255 * ((x / 4 + y / 4) % 2) as u8; 3])).save(&strange).unwrap();
    let (known, strange) = (text(&data.join("red/5.png")), text(&strange));
    let predict = ["predict", "--model", &run_arg, &known, &strange, "--json"];
    let before: serde_json::Value = serde_json::from_str(&done(&cli(t.path(), predict))).unwrap();
    assert!(before[0].get("unlike_training").is_none(), "nothing was compared yet");

    let compared = done(&cli(t.path(), ["compare", "--run", &run_arg]));
    assert!(compared.contains("of 32 labels are doubtful"), "{compared}");
    let json = done(&cli(t.path(), ["compare", "--run", &run_arg, "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["pictures"], 32);
    let doubtful = json["doubtful"].as_array().unwrap();
    for (path, label, suggested) in [("blue/3.png", "blue", "red"), ("red/3.png", "red", "blue")] {
        let found = doubtful.iter().find(|d| d["path"] == path).unwrap_or_else(|| panic!("{json}"));
        assert_eq!((&found["label"], &found["suggested"]), (&label.into(), &suggested.into()));
    }

    let after: serde_json::Value = serde_json::from_str(&done(&cli(t.path(), predict))).unwrap();
    assert_eq!(after[0]["top"], before[0]["top"]);
    let unlike: Vec<bool> = (0..2).map(|i| after[i]["unlike_training"].as_bool().unwrap()).collect();
    assert_eq!(unlike, [false, true], "{after}");
    let plain = done(&cli(t.path(), ["predict", "--model", &run_arg, &known, &strange]));
    assert_eq!(plain.lines().filter(|l| l.ends_with("(unlike anything in training)")).count(), 1, "{plain}");
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let t = tempfile::tempdir().unwrap();
    let why = failed(&cli(t.path(), ["compare", "--run", t.path().to_str().unwrap()]));
    assert!(why.contains("config.toml"), "{why}");
}
