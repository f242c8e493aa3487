//! The screens, found by accessible label: what is on them and what pressing it asks for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(feature = "gui")]

mod ui_fixture;

use egui::Theme;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use headstart::backbones::LoadReport;
use headstart::config::{DeviceChoice, HeadKind, TrainMode};
use headstart::data::{SkipReason, Skipped};
use headstart::error::Error;
use headstart::session::JobId;
use headstart::session::hub::DownloadEvent;
use headstart::session::jobs::ModelRef;
use headstart::ui::actions::Pick;
use headstart::ui::state::{JobKind, RunningJob, Tone, WeightsState};
use headstart::ui::{Action, AppState, Screen};
use std::sync::Arc;
use ui_fixture::{Desk, build, open};

fn window(state: AppState, theme: Theme) -> Harness<'static, Desk> {
    build(Harness::builder(), state, theme)
}

fn clicked(harness: &mut Harness<'_, Desk>, label: &str) -> Vec<Action> {
    harness.get_by_label(label).click();
    harness.run();
    std::mem::take(&mut harness.state_mut().actions)
}

fn job(kind: JobKind, progress: Option<(usize, usize)>) -> RunningJob {
    RunningJob { id: JobId(1), kind, started_s: Some(0.0), progress, paused: false, stopping: false }
}

#[test]
fn the_start_screen_offers_three_ways_in() {
    let mut h = window(AppState::default(), Theme::Dark);
    h.run();
    assert_eq!(clicked(&mut h, "Open a folder…"), [Action::Pick(Pick::DataFolder)]);
    assert_eq!(clicked(&mut h, "Open a project…"), [Action::Pick(Pick::Project)]);
    assert_eq!(clicked(&mut h, "Try the sample"), [Action::TrySample]);
}

#[test]
fn a_path_can_be_typed_where_there_is_no_dialog() {
    let mut h = window(AppState::default(), Theme::Dark);
    h.run();
    h.get_by_label("Path of a folder or project").focus();
    h.get_by_label("Path of a folder or project").type_text("/home/ada/leaves");
    h.run();
    assert_eq!(clicked(&mut h, "Open"), [Action::OpenPaths(vec!["/home/ada/leaves".into()])]);
}

#[test]
fn recent_projects_open_with_one_click() {
    let mut state = AppState::default();
    state.settings.recent_projects = vec!["/home/ada/Headstart/ants".into()];
    let mut h = window(state, Theme::Light);
    h.run();
    let want = Action::OpenProject("/home/ada/Headstart/ants".into());
    assert_eq!(clicked(&mut h, "Open the project ants"), [want]);
}

#[test]
fn the_rail_leads_to_all_six_places_by_mouse_and_by_keyboard() {
    let mut h = window(AppState::default(), Theme::Dark);
    h.run();
    for screen in Screen::RAIL {
        assert_eq!(clicked(&mut h, screen.name()), [Action::Go(screen)]);
    }
    h.get_by_label("Train").focus();
    h.run();
    h.key_press(egui::Key::Enter);
    h.run();
    assert_eq!(h.state().actions, [Action::Go(Screen::Train)]);
}

#[test]
fn everything_on_the_start_screen_can_be_reached_by_tab() {
    let mut h = window(AppState::default(), Theme::Dark);
    h.run();
    let wanted = [
        "Open a folder…",
        "Open a project…",
        "Try the sample",
        "Path of a folder or project",
        "Data",
        "Export",
    ];
    let mut seen = Vec::new();
    for _ in 0..30 {
        h.key_press(egui::Key::Tab);
        h.run();
        seen.extend(wanted.iter().filter(|l| h.get_by_label(l).accesskit_node().is_focused()));
    }
    for label in wanted {
        assert!(seen.contains(&&label), "{label} was never focused");
    }
}

#[test]
fn the_data_screen_shows_classes_findings_and_what_was_left_out() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state, Theme::Dark);
    h.run_steps(4);
    h.get_by_label("24 pictures · 3 classes · 18 training, 6 validation");
    h.get_by_label("Class ash: 6 training, 2 validation");
    h.get_by_label("1 picture cannot be decoded and is left out");
    h.get_by_label("1 file cannot be decoded");
    h.get_by_label("1 file that is no picture");
    h.get_by_label("birch/0.png · training");
}

#[test]
fn a_class_or_a_finding_filters_the_pictures() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state, Theme::Dark);
    h.run_steps(4);
    h.get_by_label("Class birch: 6 training, 2 validation").click();
    h.run_steps(4);
    assert!(h.query_by_label("ash/0.png · training").is_none());
    h.get_by_label("birch/7.png · validation");
    h.get_by_label("Class birch: 6 training, 2 validation").click();
    h.run_steps(4);
    h.get_by_label("Show these pictures").click();
    h.run_steps(4);
    h.get_by_label("birch/1.png · training");
    assert!(h.query_by_label("birch/2.png · training").is_none());
}

#[test]
fn a_picture_opens_beside_the_others() {
    let (dir, state) = open(Screen::Data);
    let mut h = window(state, Theme::Dark);
    h.run_steps(4);
    h.get_by_label("ash/3.png · training").click();
    h.run_steps(4);
    // The picture moves what stands under it when it comes.
    while h.state().cx.thumbnails.waiting() > 0 {
        std::thread::sleep(std::time::Duration::from_millis(10));
        h.run_steps(1);
    }
    h.run_steps(2);
    h.get_by_label("Show in folder").click();
    h.run_steps(2);
    assert_eq!(h.state().actions, [Action::Reveal(dir.path().join("ash"))]);
}

#[test]
fn too_many_unreadable_pictures_are_a_question() {
    let (_dir, mut state) = open(Screen::Data);
    let preflight = Arc::make_mut(state.preflight.as_mut().unwrap());
    preflight.undecodable_frac = 5.0 / 17.0;
    preflight.dataset.samples.truncate(12);
    let lost =
        |n| Skipped { rel: format!("ash/{n}.jpg"), reason: SkipReason::Undecodable("cut off".to_owned()) };
    preflight.dataset.skipped = (0..5).map(lost).collect();
    let mut h = window(state, Theme::Dark);
    h.run_steps(4);
    h.get_by_label("5 of 17 pictures cannot be read. Training would go on without them.");
    h.get_by_label("Go on without them").click();
    h.run_steps(2);
    assert_eq!(h.state().actions, [Action::AllowUnreadable]);
}

#[test]
fn a_folder_that_cannot_be_used_says_why_and_offers_another() {
    let mut state = AppState { screen: Screen::Data, ..AppState::default() };
    state.data_error =
        Some(Error::input("no class has pictures").with_path("/x").with_hint("Choose another folder"));
    let mut h = window(state, Theme::Dark);
    h.run();
    h.get_by_label("No class has pictures: /x. Choose another folder.");
    assert!(h.query_all_by_label("Open a folder…").count() >= 1);
}

#[test]
fn a_project_whose_label_file_cannot_be_used_can_do_without_it() {
    let mut config = headstart::config::TrainConfig::default();
    config.data.labels = Some("/home/ada/trees.csv".into());
    let mut state = AppState { screen: Screen::Data, config: config.clone(), ..AppState::default() };
    state.project = Some(headstart::session::Project { dir: "/home/ada/leaves".into(), config });
    state.data_error = Some(Error::input("no row of the label file names a picture"));
    let mut h = window(state, Theme::Dark);
    h.run();
    assert_eq!(clicked(&mut h, "Without this file"), [Action::UseLabels(None)]);
}

#[test]
fn choosing_a_backbone_and_its_weights() {
    let (_dir, mut state) = open(Screen::Model);
    let mut h = window(state.clone(), Theme::Dark);
    h.run();
    let row =
        |h: &Harness<'_, Desk>, name: &str| h.get_by_role_and_label(egui::Role::RadioButton, name).rect();
    // The chosen one is in view although it is the last of the list.
    assert!(row(&h, "Small network").bottom() < 772.0, "{:?}", row(&h, "Small network"));
    assert!(row(&h, "MobileNetV2").bottom() < 100.0);
    h.get_by_role_and_label(egui::Role::RadioButton, "MobileNetV2").scroll_to_me();
    h.run();
    h.get_by_role_and_label(egui::Role::RadioButton, "MobileNetV2").click();
    h.run();
    assert_eq!(h.state().actions, [Action::ChooseBackbone("mobilenet_v2")]);

    state.config.backbone.name = "mobilenet_v2".to_owned();
    state.known_weights.insert("mobilenet_v2", vec!["/w/mobilenet_v2.safetensors".into()]);
    let mut h = window(state, Theme::Dark);
    h.run();
    let want = Action::UseWeights("/w/mobilenet_v2.safetensors".into());
    assert_eq!(clicked(&mut h, "Use mobilenet_v2.safetensors"), [want]);
}

#[test]
fn without_a_weight_file_it_says_where_one_is_and_what_happens_otherwise() {
    let (_dir, mut state) = open(Screen::Model);
    state.config.backbone.name = "mobilenet_v2".to_owned();
    let mut h = window(state, Theme::Dark);
    h.run();
    h.get_by_label_contains("training starts from random weights");
    let url = "https://huggingface.co/timm/mobilenetv2_100.ra_in1k/resolve/main/model.safetensors";
    h.get_by_label(url);
    assert_eq!(clicked(&mut h, "Copy address"), [Action::Copy(url.to_owned())]);
    assert_eq!(clicked(&mut h, "Download 14 MB"), [Action::DownloadWeights("mobilenet_v2")]);
    // Also in the row of one that is not chosen, which it does not choose.
    h.get_by_label("Download EfficientNet-B0, 21 MB").click_accesskit();
    h.run();
    assert_eq!(h.state().actions, [Action::DownloadWeights("efficientnet_b0")]);
}

#[test]
fn a_download_shows_how_far_it_is_and_how_it_ended() {
    let (_dir, mut state) = open(Screen::Model);
    state.config.backbone.name = "resnet18".to_owned();
    let told = |state: &mut AppState, event| state.absorb_download(event);
    let backbone = "resnet18";
    told(&mut state, DownloadEvent::Progress { backbone, done: 12_000_000, total: 47_000_000 });
    let mut h = window(state.clone(), Theme::Dark);
    h.run_steps(4);
    assert!(h.query_all_by_label("12 of 47 MB").count() == 2, "on the screen and in the status bar");
    h.get_by_label("Download of ResNet-18");
    assert!(h.query_by_label_contains("Download ResNet-18").is_none(), "it runs already");
    h.get_by_label("Cancel download").click();
    h.run_steps(4);
    assert_eq!(h.state().actions, [Action::CancelDownload("resnet18")]);
    // Of a network that is not chosen its row cancels it, and the status bar on every screen.
    let mut other = state.clone();
    other.config.backbone.name = "small_cnn".to_owned();
    let mut h = window(other.clone(), Theme::Dark);
    let both = h.get_all_by_label("Cancel the download of ResNet-18").map(|b| b.rect()).collect::<Vec<_>>();
    assert_eq!(both.len(), 2);
    h.get_all_by_label("Cancel the download of ResNet-18").next().unwrap().click_accesskit();
    h.run_steps(3);
    assert_eq!(h.state().actions, [Action::CancelDownload("resnet18")]);
    let mut h = window(AppState { screen: Screen::Data, ..other }, Theme::Dark);
    assert_eq!(clicked(&mut h, "Cancel the download of ResNet-18"), [Action::CancelDownload("resnet18")]);

    let why = Error::input("huggingface.co cannot be found").with_hint("Check the internet connection");
    told(&mut state, DownloadEvent::Finished { backbone, outcome: Err(why) });
    let mut h = window(state.clone(), Theme::Dark);
    h.run();
    h.get_by_label("Huggingface.co cannot be found. Check the internet connection.");
    assert_eq!(clicked(&mut h, "Try again"), [Action::DownloadWeights("resnet18")]);

    told(&mut state, DownloadEvent::Finished { backbone, outcome: Err(Error::cancelled()) });
    let mut h = window(state, Theme::Dark);
    h.run();
    h.get_by_label("The download was cancelled at 12 of 47 MB, which are kept.");
    assert_eq!(clicked(&mut h, "Go on downloading"), [Action::DownloadWeights("resnet18")]);
}

#[test]
fn the_backbones_are_sorted_by_a_press_on_a_column() {
    let (_dir, mut state) = open(Screen::Model);
    state.cores = 2;
    state.settings.remember_speed("vgg16", DeviceChoice::Cpu, 2, 1.0);
    state.settings.remember_speed("resnet18", DeviceChoice::Cpu, 2, 30.0);
    state.config.backbone.name = "vit_base".to_owned();
    let mut h = window(state, Theme::Dark);
    let top = |h: &Harness<'_, Desk>, name: &str| {
        h.get_by_role_and_label(egui::Role::RadioButton, name).rect().top()
    };
    h.run();
    assert!(top(&h, "MobileNetV2") < top(&h, "Vision transformer, base"));
    h.get_by_label("Sort by top-1").focus();
    h.key_press(egui::Key::Enter);
    h.run();
    assert!(top(&h, "Vision transformer, base") < top(&h, "MobileNetV2"));
    h.get_by_label("Sort by top-1").click();
    h.run();
    assert!(top(&h, "Vision transformer, base") > top(&h, "MobileNetV2"));
    h.get_by_label("Sort by speed here").click();
    h.run();
    assert!(top(&h, "ResNet-18") < top(&h, "VGG-16") && top(&h, "VGG-16") < top(&h, "ResNet-34"));
}

#[test]
fn the_boundary_of_what_learns_moves_by_keys_and_by_the_mouse() {
    let (_dir, state) = with_weights(WeightsState::Ready(complete()));
    let mut h = window(state.clone(), Theme::Dark);
    h.run();
    let slider = |h: &Harness<'_, Desk>| h.get_by_label_contains("First stage that learns").rect();
    h.get_by_label_contains("First stage that learns").focus();
    h.run();
    h.key_press(egui::Key::ArrowLeft);
    h.run();
    let asked = |h: &mut Harness<'_, Desk>| match h.state_mut().actions.pop() {
        Some(Action::SetConfig(config)) => (config.train.mode, config.train.last_stages),
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(&mut h), (TrainMode::LastStages, 1));
    h.key_press(egui::Key::Home);
    h.run();
    assert_eq!(asked(&mut h).0, TrainMode::Full);
    let rect = slider(&h);
    h.drag_at(rect.right_center() - egui::vec2(66.0, 0.0));
    h.run();
    h.hover_at(rect.left_center());
    h.run();
    h.drop_at(rect.left_center());
    h.run();
    assert_eq!(asked(&mut h).0, TrainMode::Full);

    let mut without = state;
    without.config.backbone.weights = None;
    without.weights = WeightsState::None;
    let mut h = window(without, Theme::Dark);
    h.run();
    h.get_by_label_contains("First stage that learns").focus();
    h.key_press(egui::Key::ArrowRight);
    h.run();
    assert!(h.state().actions.is_empty(), "there is nothing worth keeping");
    h.get_by_label_contains("There are no pretrained weights");
}

#[test]
fn a_speed_is_measured_on_request_and_never_while_something_runs() {
    let (_dir, mut state) = with_weights(WeightsState::Ready(complete()));
    state.cores = 2;
    let mut h = window(state.clone(), Theme::Dark);
    h.run();
    assert_eq!(clicked(&mut h, "Measure speed"), [Action::MeasureSpeed("mobilenet_v2")]);
    state.settings.remember_speed("mobilenet_v2", DeviceChoice::Cpu, 2, 41.26);
    state.jobs.push(job(JobKind::Predict, None));
    let mut h = window(state, Theme::Dark);
    h.run_steps(4);
    h.get_by_label("41.3 pictures a second, forward, on 2 threads");
    h.get_by_label("Measure speed").click();
    h.run_steps(4);
    assert!(h.state().actions.is_empty());
}

#[test]
fn the_header_leads_to_training_and_does_not_start_it() {
    for screen in [Screen::Data, Screen::Model] {
        let (_dir, mut state) = open(screen);
        state.config.backbone.name = "resnet18".to_owned();
        let mut h = window(state, Theme::Dark);
        h.run_steps(4);
        h.get_by_label("Go to Train").click();
        h.run_steps(4);
        assert_eq!(h.state().actions, [Action::Go(Screen::Train)]);
    }
}

#[test]
fn a_path_that_leads_nowhere_keeps_the_keyboard_and_gets_its_message() {
    let mut h = window(AppState::default(), Theme::Dark);
    h.run();
    h.get_by_label("Path of a folder or project").focus();
    h.get_by_label("Path of a folder or project").type_text("/nowhere");
    h.run();
    let before = h.get_by_label("Path of a folder or project").rect();
    h.key_press(egui::Key::Enter);
    h.run();
    assert_eq!(h.state().actions, [Action::OpenPaths(vec!["/nowhere".into()])]);
    h.state_mut().state.path_error = Some("there is nothing at /nowhere".to_owned());
    h.run();
    h.get_by_label("There is nothing at /nowhere");
    let field = h.get_by_label("Path of a folder or project");
    assert!(field.accesskit_node().is_focused());
    assert_eq!(field.rect().width(), before.width());
}

#[test]
fn all_recent_projects_are_there() {
    let mut state = AppState::default();
    state.settings.recent_projects = (0..10).map(|n| format!("/home/ada/Headstart/p{n}").into()).collect();
    let mut h = window(state, Theme::Light);
    h.run();
    for n in 0..10 {
        h.get_by_label(&format!("Open the project p{n}"));
    }
}

fn with_weights(weights: WeightsState) -> (tempfile::TempDir, AppState) {
    let (dir, mut state) = open(Screen::Model);
    state.config.backbone.name = "mobilenet_v2".to_owned();
    state.config.backbone.weights = Some("/w/mobilenet_v2.safetensors".into());
    state.weights = weights;
    (dir, state)
}

fn complete() -> LoadReport {
    LoadReport {
        path: "/w/mobilenet_v2.safetensors".into(),
        loaded: 312,
        dropped_head: vec!["classifier.1.weight".to_owned(), "classifier.1.bias".to_owned()],
        ..LoadReport::default()
    }
}

#[test]
fn complete_weights_can_be_used_as_they_are() {
    let (_dir, state) = with_weights(WeightsState::Ready(complete()));
    let mut h = window(state, Theme::Dark);
    h.run();
    h.get_by_label("2 parts of the published head");
    let model = ModelRef::Imagenet {
        backbone: "mobilenet_v2".to_owned(),
        weights: "/w/mobilenet_v2.safetensors".into(),
    };
    let want = [Action::SetPredictModel(model), Action::Go(Screen::Predict)];
    assert_eq!(clicked(&mut h, "Use as is: classify with ImageNet's 1000 classes"), want);
}

#[test]
fn weights_that_do_not_fit_block_training_and_say_why() {
    let (_dir, state) = with_weights(WeightsState::Failed(Error::input("the weights are resnet18's")));
    assert!(state.next_step().blocked.is_some());
    let mut h = window(state, Theme::Dark);
    h.run();
    h.get_by_label("The weights are resnet18's");
    assert_eq!(clicked(&mut h, "Go on without pretrained weights"), [Action::ForgetWeights]);
}

#[test]
fn settings_of_the_head_reach_the_draft_and_can_be_reset() {
    let (_dir, mut state) = with_weights(WeightsState::Ready(complete()));
    state.config.head.kind = HeadKind::Hidden;
    state.config.train.mode = TrainMode::LastStages;
    let mut h = window(state, Theme::Dark);
    h.run();
    let Some(Action::SetConfig(config)) = clicked(&mut h, "Reset kind").pop() else {
        panic!("nothing was set")
    };
    assert_eq!(config.head.kind, HeadKind::Linear);
    let Some(Action::SetConfig(config)) = clicked(&mut h, "Reset training").pop() else {
        panic!("nothing was set")
    };
    assert_eq!(config.train.mode, TrainMode::Auto);
}

#[test]
fn the_status_bar_shows_the_job_and_cancels_it() {
    let mut state = AppState { now_s: 10.0, cores: 2, ..AppState::default() };
    state.jobs = vec![job(JobKind::OpenData, Some((100, 400)))];
    let mut h = window(state, Theme::Dark);
    h.run_steps(3);
    h.get_by_label("CPU · 2 threads");
    h.get_by_label("100 of 400 · 0:30 left");
    h.get_by_label("Cancel").click();
    h.run_steps(2);
    assert_eq!(h.state().actions, [Action::CancelJob]);
}

#[test]
fn what_runs_beside_training_is_told_and_cancelled_by_itself() {
    let mut state = AppState { now_s: 10.0, ..AppState::default() };
    let mut predict = job(JobKind::Predict, Some((12, 40)));
    predict.id = JobId(7);
    let look = RunningJob { id: JobId(8), ..job(JobKind::Explain, None) };
    let training = RunningJob { id: JobId(9), ..job(JobKind::Train { run_dir: "/run".into() }, None) };
    let waits = RunningJob { id: JobId(10), started_s: None, ..job(JobKind::Copy, None) };
    state.jobs = vec![predict, look, training, waits];
    assert_eq!(state.job().map(|j| j.id), Some(JobId(9)), "training comes first");
    let mut h = window(state, Theme::Dark);
    h.run_steps(3);
    for words in ["Training", "Classifying", "12 of 40", "1 more waiting"] {
        h.get_by_label(words);
    }
    h.get_by_label("Cancel: classifying").click();
    h.run_steps(2);
    assert_eq!(h.state().actions, [Action::CancelBeside(JobId(7))]);
}

#[test]
fn a_notice_shows_as_a_toast_and_can_be_dismissed() {
    let mut state = AppState::default();
    state.notices.push(Tone::Bad, "could not write: /full. Free some disk space.");
    let id = state.notices.all()[0].id;
    let mut h = window(state, Theme::Dark);
    h.run();
    h.get_by_label("Could not write: /full. Free some disk space.");
    assert_eq!(clicked(&mut h, "Dismiss"), [Action::Dismiss(id)]);
    assert_eq!(clicked(&mut h, "1 notice"), [Action::ToggleNotices]);
}

#[test]
fn toasts_cover_nothing() {
    let (_dir, mut state) = open(Screen::Data);
    state.notices.push(Tone::Good, "Training is finished");
    state.notices.push(Tone::Bad, "the folder could not be read. ".repeat(12).trim().to_owned());
    let mut h = window(state, Theme::Light);
    h.run();
    let short = h.get_by_label("Training is finished").rect();
    let long = h.get_by_label_contains("folder could not be read").rect();
    assert!(short.bottom() <= long.top() && long.height() > 1.5 * short.height(), "{short:?} {long:?}");
    let status = h.get_by_label("CPU · 4 threads").rect();
    assert!(long.bottom() <= status.top() && long.right() < 1280.0);
    // Nothing floats over the panels, and panels share the window without lying on each other.
    for x in (0..1280).step_by(20) {
        for y in (0..800).step_by(20) {
            let layer = h.ctx.layer_id_at(egui::pos2(x as f32, y as f32));
            assert!(layer.is_none_or(|l| l.order == egui::Order::Background), "{x} {y}: {layer:?}");
        }
    }
}

#[test]
fn closing_while_pictures_are_compared_is_asked_too() {
    let (_dir, mut state) = open(Screen::Data);
    state.jobs = vec![job(JobKind::Analyse, Some((48, 398)))];
    state.close_asked = true;
    let mut h = window(state, Theme::Dark);
    h.run_steps(4);
    h.get_by_label("Comparing the pictures is not finished");
    h.get_by_label("Keep the window open").click();
    h.run_steps(2);
    assert_eq!(std::mem::take(&mut h.state_mut().actions), [Action::KeepOpen]);
    h.get_by_label("Close").click();
    h.run_steps(2);
    assert_eq!(h.state().actions, [Action::CloseAnyway]);
}

#[test]
fn closing_while_training_is_asked_once() {
    let (_dir, mut state) = open(Screen::Data);
    state.jobs = vec![job(JobKind::Train { run_dir: "/r".into() }, None)];
    state.close_asked = true;
    let mut h = window(state, Theme::Dark);
    h.run_steps(4);
    h.get_by_label("Keep training").click();
    h.run_steps(2);
    assert_eq!(std::mem::take(&mut h.state_mut().actions), [Action::KeepOpen]);
    h.get_by_label("Close").click();
    h.run_steps(2);
    assert_eq!(h.state().actions, [Action::CloseAnyway]);
}

#[test]
fn the_list_of_commands_does_what_its_words_say() {
    let mut state = AppState { palette_open: true, ..AppState::default() };
    state.settings.recent_projects = vec!["/home/ada/Headstart/ants".into()];
    let mut h = window(state, Theme::Dark);
    h.run();
    h.get_by_label("Find a command").type_text("ants open");
    h.run();
    h.key_press(egui::Key::Enter);
    h.run();
    let open = Action::OpenProject("/home/ada/Headstart/ants".into());
    assert_eq!(h.state().actions, [Action::TogglePalette, open]);
}

#[test]
fn a_search_without_hits_leaves_the_list_of_commands_as_high_as_it_was() {
    let mut h = window(AppState { palette_open: true, ..AppState::default() }, Theme::Dark);
    h.run();
    let first = |h: &Harness<'_, Desk>| h.get_all_by_label("Go to Data").next().unwrap().rect().top();
    let before = first(&h);
    h.get_by_label("Find a command").type_text("zzzz");
    h.run();
    h.get_by_label("No command has these words");
    h.state_mut().state.palette_open = false;
    h.run();
    h.state_mut().state.palette_open = true;
    h.run();
    // The sixth command is on the screen: the list does not move to show it.
    for _ in 0..5 {
        h.key_press(egui::Key::ArrowDown);
        h.run();
    }
    assert_eq!(first(&h), before);
}

#[test]
fn words_typed_before_the_list_of_commands_is_drawn_count() {
    let mut h = window(AppState::default(), Theme::Dark);
    h.run();
    h.state_mut().state.palette_open = true;
    h.event(egui::Event::Text("go to mod".to_owned()));
    h.key_press(egui::Key::Enter);
    h.run();
    assert_eq!(h.state().actions, [Action::TogglePalette, Action::Go(Screen::Model)]);
}

#[test]
fn arrows_move_in_the_list_of_commands_and_what_is_blocked_cannot_be_chosen() {
    let mut h = window(AppState { palette_open: true, ..AppState::default() }, Theme::Light);
    h.run();
    for key in [egui::Key::ArrowDown, egui::Key::ArrowDown, egui::Key::ArrowUp, egui::Key::Enter] {
        h.key_press(key);
        h.run();
    }
    let chosen = std::mem::take(&mut h.state_mut().actions);
    assert_eq!(chosen, [Action::TogglePalette, Action::Go(Screen::Model)]);
    h.get_by_label("Find a command").type_text("pause training");
    h.run();
    assert!(h.query_by_label("Nothing is being trained").is_some());
    h.key_press(egui::Key::Enter);
    h.run();
    assert_eq!(h.state().actions, []);
    h.key_press(egui::Key::Escape);
    h.run();
    assert_eq!(h.state().actions, [Action::TogglePalette]);
}

#[test]
fn changed_settings_can_be_taken_back_and_say_what_they_were() {
    let (_dir, mut state) = open(Screen::Data);
    let before = state.config.clone();
    state.config.train.epochs = Some(3);
    state.record_settings(before);
    let mut h = window(state, Theme::Dark);
    h.run();
    assert_eq!(clicked(&mut h, "Undo: the setting \u{201c}Epochs\u{201d} · Ctrl+Z"), [Action::Undo]);
    h.state_mut().state.undo();
    h.run();
    assert_eq!(clicked(&mut h, "Redo: the setting \u{201c}Epochs\u{201d} · Ctrl+Shift+Z"), [Action::Redo]);
}

#[test]
fn a_notice_offers_what_can_be_done_about_it() {
    let mut state = AppState::default();
    state.notices.push_with(Tone::Bad, "Training failed", "See Train", Action::Go(Screen::Train));
    let id = state.notices.all()[0].id;
    let mut h = window(state, Theme::Dark);
    h.run();
    assert_eq!(clicked(&mut h, "See Train"), [Action::Go(Screen::Train), Action::Dismiss(id)]);
}
