//! The command line's contract that needs no training: exit status, errors, output that may be closed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails should panic")]

mod common;

use common::{cli, command, done, failed, tiny_pictures, told};
use std::io::Read as _;
use std::process::Stdio;

#[test]
fn a_wrong_command_line_is_status_2_and_help_is_0() {
    let t = tempfile::tempdir().unwrap();
    for args in [
        &["frobnicate"][..],
        &[],
        &["train"],
        &["predict", "x.png"],
        &["predict", "--model", "m"],
        &["predict", "--backbone", "resnet18", "x.png"],
        &["export", "--run", "r", "--format", "pickle", "--out", "o"],
        &["train", "--out", "r", "--progress", "loud"],
    ] {
        let (code, _, stderr) = told(&cli(t.path(), args));
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(!stderr.is_empty());
    }
    let help = done(&cli(t.path(), ["--help"]));
    for command in ["inspect", "train", "evaluate", "predict", "export", "backbones", "devices", "sample"] {
        assert!(help.contains(command), "{help}");
    }
    assert!(done(&cli(t.path(), ["--version"])).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn devices_are_told_with_what_is_missing() {
    let t = tempfile::tempdir().unwrap();
    let text = done(&cli(t.path(), ["devices"]));
    assert!(text.starts_with("cpu ") && text.contains("\ncuda ") && text.contains("\nmetal "), "{text}");
    let all: serde_json::Value = serde_json::from_str(&done(&cli(t.path(), ["devices", "--json"]))).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert!(all[0]["threads"].as_u64().unwrap() > 0 && all[0]["missing"].is_null(), "{all}");
    for device in &all.as_array().unwrap()[1..] {
        // Either it is there, or what is not there is said and what to do about it.
        let missing = &device["missing"];
        assert!(missing.is_null() || (missing["why"].is_string() && missing["advice"].is_string()), "{all}");
    }
}

#[test]
fn failures_are_status_1_and_one_line() {
    let t = tempfile::tempdir().unwrap();
    let data = t.path().join("pictures");
    tiny_pictures(&data);
    let d = data.to_str().unwrap();
    let out = t.path().join("run");
    let o = out.to_str().unwrap();
    for (args, word) in [
        (&["inspect", "/no/such/folder"][..], "/no/such/folder"),
        (&["train", "--out", o], "--data"),
        (&["train", "--data", d, "--out", o, "--set", "train.epocs=1"], "epocs"),
        (&["train", "--data", d, "--out", o, "--set", "data.val_fraction=1.5"], "data.val_fraction"),
        (&["train", "--data", d, "--out", o, "--weights", "no_such"], "no_such.safetensors"),
        (&["train", "--data", d, "--out", o, "--config", "/no/c.toml"], "/no/c.toml"),
        (&["train", "--data", d, "--out", o, "--resume"], "config.toml"),
        (&["export", "--run", o, "--format", "onnx", "--out", "m"], "bundle"),
        (&["predict", "--model", o, d], o),
        (&["evaluate", "--model", o, "--data", d, "--out", d], "folder of pictures"),
    ] {
        let line = failed(&cli(t.path(), args));
        assert!(line.contains(word), "{args:?}: {line}");
    }
    assert!(!out.exists(), "nothing was written");
}

#[test]
fn a_run_among_the_pictures_is_refused() {
    let t = tempfile::tempdir().unwrap();
    let data = t.path().join("pictures");
    tiny_pictures(&data);
    let inside = data.join("run");
    let args = ["train", "--data", data.to_str().unwrap(), "--out", inside.to_str().unwrap()];
    let line = failed(&cli(t.path(), args));
    assert!(line.contains("folder of pictures") && line.contains("outside"), "{line}");
    assert!(!inside.exists());
}

#[test]
fn a_refused_run_leaves_nothing_behind() {
    let t = tempfile::tempdir().unwrap();
    let (data, out, weights) =
        (t.path().join("pictures"), t.path().join("run"), t.path().join("w.safetensors"));
    tiny_pictures(&data);
    std::fs::write(&weights, "no weights").unwrap();
    let [d, o, w] = [&data, &out, &weights].map(|p| p.to_str().unwrap());
    let refused = || {
        let line = failed(&cli(t.path(), ["train", "--data", d, "--out", o, "--weights", w]));
        assert!(line.contains("w.safetensors"), "{line}");
    };
    refused();
    assert!(!out.exists());
    std::fs::create_dir(&out).unwrap();
    refused();
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
    std::fs::write(out.join("notes.txt"), "mine").unwrap();
    refused();
    assert_eq!(std::fs::read_to_string(out.join("notes.txt")).unwrap(), "mine");
}

#[test]
fn inspect_tells_classes_counts_and_what_was_left_out() {
    let t = tempfile::tempdir().unwrap();
    let data = t.path().join("pictures");
    tiny_pictures(&data);
    std::fs::write(data.join("dark/notes.txt"), "not a picture").unwrap();
    std::fs::write(data.join("dark/empty.png"), "").unwrap();
    let text = done(&cli(t.path(), ["inspect", data.to_str().unwrap()]));
    for word in ["12 pictures in 2 classes", "dark", "light", "train", "val", "notes.txt", "empty.png"] {
        assert!(text.contains(word), "no {word} in:\n{text}");
    }
    let json = done(&cli(t.path(), ["inspect", data.to_str().unwrap(), "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["pictures"], 12);
    assert_eq!(json["layout"], "class-folders");
    let of = |class: usize, split: &str| json["classes"][class][split].as_u64().unwrap();
    assert_eq!((json["classes"][0]["name"].as_str(), of(0, "train") + of(0, "val")), (Some("dark"), 6));
    let skipped: Vec<_> = json["skipped"].as_array().unwrap().iter().map(|s| s["reason"].clone()).collect();
    assert_eq!(skipped.len(), 2, "{json}");
    assert!(skipped.contains(&"not-an-image".into()), "{json}");
}

#[test]
fn inspect_names_what_a_table_speaks_of_and_is_not_there() {
    let t = tempfile::tempdir().unwrap();
    let data = t.path().join("pictures");
    tiny_pictures(&data);
    let rows: Vec<String> = std::fs::read_dir(data.join("dark"))
        .unwrap()
        .enumerate()
        .map(|(i, e)| format!("dark/{},c{},x\n", e.unwrap().file_name().to_string_lossy(), i % 2))
        .collect();
    let table = t.path().join("labels.csv");
    std::fs::write(&table, format!("file,label,label\n{}gone.png,c0,x\n", rows.concat())).unwrap();
    let args = ["inspect", data.to_str().unwrap(), "--labels", table.to_str().unwrap()];
    let text = done(&cli(t.path(), args));
    assert!(text.contains("names a file that is not among the pictures\n    gone.png\n"), "{text}");
    assert!(text.contains("more than one column \"label\": only the first of them counts"), "{text}");
}

#[test]
fn inspect_reports_and_fails_where_training_would() {
    let t = tempfile::tempdir().unwrap();
    let data = t.path().join("pictures");
    tiny_pictures(&data);
    std::fs::remove_dir_all(data.join("light")).unwrap();
    let d = data.to_str().unwrap();
    let told_as_text = cli(t.path(), ["inspect", d]);
    assert!(failed(&told_as_text).contains("only one class (dark)"));
    assert!(told(&told_as_text).1.contains("6 pictures in 1 classes"));
    let told_as_json = cli(t.path(), ["inspect", d, "--json"]);
    assert!(failed(&told_as_json).contains("only one class (dark)"));
    let report: serde_json::Value = serde_json::from_str(&told(&told_as_json).1).unwrap();
    assert_eq!(report["findings"][0]["severity"], "error");
}

#[test]
fn backbones_are_listed_for_people_and_programs() {
    let t = tempfile::tempdir().unwrap();
    let text = done(&cli(t.path(), ["backbones"]));
    let json: serde_json::Value =
        serde_json::from_str(&done(&cli(t.path(), ["backbones", "--json"]))).unwrap();
    let names: Vec<&str> = json.as_array().unwrap().iter().map(|b| b["name"].as_str().unwrap()).collect();
    for name in ["resnet18", "mobilenet_v2", "efficientnet_b0", "densenet121", "vgg16", "small_cnn"] {
        assert!(names.contains(&name) && text.contains(name), "{name}");
    }
    let resnet = json.as_array().unwrap().iter().find(|b| b["name"] == "resnet18").unwrap();
    assert_eq!(resnet["param_count"], 11_689_512);
    assert!(resnet["sources"][0]["licence"].is_string());
}

#[test]
fn closed_output_is_no_error_and_no_panic() {
    let t = tempfile::tempdir().unwrap();
    let mut child = command(t.path())
        .args(["backbones", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_sample_never_goes_into_a_folder_with_files() {
    let t = tempfile::tempdir().unwrap();
    let dir = t.path().join("mine");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("letter.txt"), "dear").unwrap();
    let line = failed(&cli(t.path(), ["sample", dir.to_str().unwrap()]));
    assert!(line.contains("new or empty"), "{line}");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
}
