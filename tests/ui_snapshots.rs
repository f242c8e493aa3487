//! Pictures of whole screens, drawn by Mesa's software renderer and compared with those in `tests/snapshots`.
//!
//! `cargo test --test ui_snapshots -- --ignored`; with `UPDATE_SNAPSHOTS=true` the pictures are renewed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(feature = "gui")]

mod ui_fixture;

use egui::Modifiers;
use egui::Theme;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use headstart::backbones::LoadReport;
use headstart::config::{DeviceChoice, GroupBy, SplitKind, TrainMode};
use headstart::data::{LabelFile, Layout};
use headstart::error::Error;
use headstart::session::hub::DownloadEvent;
use headstart::ui::state::{Tone, WeightsState};
use headstart::ui::{AppState, Screen};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ui_fixture::{Desk, build, open};

/// Draws `state` and compares it, once all of its thumbnails are there.
fn snapshot(name: &str, state: AppState, theme: Theme) {
    snapshot_after(name, state, theme, |_| {});
}

/// The same after something was done.
fn snapshot_after(name: &str, state: AppState, theme: Theme, act: impl FnOnce(&mut Harness<'_, Desk>)) {
    let mut harness = build(Harness::builder().wgpu(), state, theme);
    let patience = Instant::now() + Duration::from_secs(20);
    harness.run_steps(4);
    act(&mut harness);
    harness.run_steps(2);
    while harness.state().cx.thumbnails.waiting() > 0 {
        assert!(Instant::now() < patience, "the pictures did not come");
        std::thread::sleep(Duration::from_millis(10));
        harness.run_steps(1);
    }
    harness.run_steps(8);
    harness.snapshot(name);
}

/// Five pictures are selected.
fn select(harness: &mut Harness<'_, Desk>) {
    harness.get_by_label("ash/1.png · training").click();
    harness.run_steps(2);
    harness.get_by_label("ash/4.png · training").click_modifiers(Modifiers::SHIFT);
    harness.run_steps(2);
    harness.get_by_label("birch/0.png · training").click_modifiers(Modifiers::COMMAND);
}

fn start() -> AppState {
    let mut state = AppState { cores: 4, ..AppState::default() };
    state.settings.recent_projects =
        vec!["/home/ada/Headstart/leaves".into(), "/home/ada/Headstart/ants".into()];
    state
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn start_dark() {
    snapshot("start_dark", start(), Theme::Dark);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn start_light() {
    snapshot("start_light", start(), Theme::Light);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn data_dark() {
    let (_dir, state) = open(Screen::Data);
    snapshot("data_dark", state, Theme::Dark);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn data_light() {
    let (_dir, state) = open(Screen::Data);
    snapshot("data_light", state, Theme::Light);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn data_selection_dark() {
    let (_dir, state) = open(Screen::Data);
    snapshot_after("data_selection_dark", state, Theme::Dark, select);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn data_enlarged_dark() {
    let (_dir, state) = open(Screen::Data);
    snapshot_after("data_enlarged_dark", state, Theme::Dark, |harness| {
        select(harness);
        harness.run_steps(2);
        harness.key_press(egui::Key::Enter);
    });
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn data_dragging_light() {
    let (_dir, state) = open(Screen::Data);
    snapshot_after("data_dragging_light", state, Theme::Light, |harness| {
        select(harness);
        harness.run_steps(2);
        let from = harness.get_by_label("ash/2.png · training").rect().center();
        harness.drag_at(from);
        harness.run_steps(2);
        harness.hover_at(from + egui::vec2(40.0, 40.0));
        harness.run_steps(2);
        let bar = harness.get_by_label("Drop on validation").rect().center();
        harness.hover_at(bar);
    });
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn data_empty() {
    let state = AppState { screen: Screen::Data, cores: 4, ..AppState::default() };
    snapshot("data_empty", state, Theme::Light);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn data_labels_light() {
    let (_dir, mut state) = open(Screen::Data);
    let path = std::path::PathBuf::from("/home/ada/leaves/trees.csv");
    state.config.data.labels = Some(path.clone());
    let dataset = &mut Arc::make_mut(state.preflight.as_mut().unwrap()).dataset;
    dataset.layout = Layout::LabelFile;
    dataset.labels = Some(LabelFile {
        path,
        label_column: "species".to_owned(),
        group_column: None,
        groups: Arc::default(),
        parts: Arc::default(),
        findings: Vec::new(),
    });
    snapshot("data_labels_light", state, Theme::Light);
}

/// The choice of how pictures are divided, with groups and folds chosen.
fn dividing() -> (tempfile::TempDir, AppState) {
    let (dir, mut state) = open(Screen::Data);
    let data = &mut state.config.data;
    (data.split, data.group_by, data.group_pattern) =
        (SplitKind::Grouped, GroupBy::Pattern, Some(r"/([0-3])\.png".to_owned()));
    (data.folds, data.fold) = (4, 2);
    state.division_asked = true;
    (dir, state)
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn data_division_dark() {
    let (_dir, state) = dividing();
    snapshot("data_division_dark", state, Theme::Dark);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn data_division_light() {
    let (_dir, mut state) = open(Screen::Data);
    state.division_asked = true;
    snapshot("data_division_light", state, Theme::Light);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn train_folds_light() {
    let (_dir, mut state) = open(Screen::Train);
    state.config.data.folds = 5;
    snapshot("train_folds_light", state, Theme::Light);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn data_refused_dark() {
    let (_dir, opened) = open(Screen::Data);
    let why = "no class folder with pictures was found; 48 pictures lie outside of class folders";
    let error = Error::input(why).with_path("/home/ada/leaves").with_hint(
        "Give a folder with one sub-folder of pictures for each class, with train/ and val/ that each hold such class folders, or \
         with one table (CSV) of files and labels",
    );
    let refused = opened.project.map(Box::new);
    let state =
        AppState { screen: Screen::Data, cores: 4, data_error: Some(error), refused, ..AppState::default() };
    snapshot("data_refused_dark", state, Theme::Dark);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn toasts_light() {
    let (_dir, mut state) = open(Screen::Data);
    state.notices.push(Tone::Good, "Training is finished: 0.948 accuracy · 145 of 153 · validation");
    let why = "Saving the model failed: could not write (No space left on device (os error 28)): /media/ada/archive/models/\
               leaves/model.safetensors. Free some disk space, then try again; what was saved before is intact.";
    state.notices.push(Tone::Bad, why);
    snapshot("toasts_light", state, Theme::Light);
}

fn model() -> (tempfile::TempDir, AppState) {
    let (dir, mut state) = open(Screen::Model);
    state.config.backbone.name = "mobilenet_v2".to_owned();
    state.config.backbone.weights = Some("/home/ada/weights/mobilenet_v2.safetensors".into());
    state.weights = WeightsState::Ready(LoadReport {
        path: "/home/ada/weights/mobilenet_v2.safetensors".into(),
        loaded: 312,
        dropped_head: vec!["classifier.1.weight".to_owned(), "classifier.1.bias".to_owned()],
        ..LoadReport::default()
    });
    (dir, state)
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn model_dark() {
    let (_dir, state) = model();
    snapshot("model_dark", state, Theme::Dark);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn model_light() {
    let (_dir, state) = model();
    snapshot("model_light", state, Theme::Light);
}

/// A network without weights that are being downloaded, and speeds that were measured.
fn downloading() -> (tempfile::TempDir, AppState) {
    let (dir, mut state) = open(Screen::Model);
    state.cores = 4;
    state.now_s = 9.0;
    state.config.backbone.name = "resnet18".to_owned();
    state.known_weights.insert("mobilenet_v3_small", vec!["/w/mobilenet_v3_small.safetensors".into()]);
    for (name, speed) in [("mobilenet_v2", 61.2), ("resnet18", 43.9), ("mobilenet_v3_small", 214.0)] {
        state.settings.remember_speed(name, DeviceChoice::Cpu, 4, speed);
    }
    for (backbone, done, total) in [("resnet18", 17_000_000, 46_800_000), ("vgg16", 9_000_000, 553_000_000)] {
        state.absorb_download(DownloadEvent::Progress { backbone, done, total });
    }
    (dir, state)
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn model_download_dark() {
    let (_dir, state) = downloading();
    snapshot("model_download_dark", state, Theme::Dark);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn model_stages_light() {
    let (_dir, mut state) = model();
    state.config.train.mode = TrainMode::LastStages;
    state.config.train.last_stages = 4;
    snapshot("model_stages_light", state, Theme::Light);
}
