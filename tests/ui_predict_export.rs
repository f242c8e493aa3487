//! The Predict and Export screens, drawn from hand-made states and worked by accessible names.
#![cfg(feature = "gui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ui_states;

use egui_kittest::kittest::{NodeT as _, Queryable};
use headstart::engine::Unlike;
use headstart::engine::analysis::Coverage;
use headstart::error::Error;
use headstart::session::jobs::ModelRef;
use headstart::ui::actions::Pick;
use headstart::ui::state::{EvaluateTab, TrainingEnd};
use headstart::ui::{Action, AppState, Screen};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ui_states::{SIZE, class_names, draw_picture, ended, judged, settle, summary, window};

fn trained(screen: Screen) -> AppState {
    AppState { screen, ..ended(TrainingEnd::Finished(summary())) }
}

/// `n` classified pictures of two classes, one that cannot be read, one that waits. Draws them into `root`, where one is given.
fn predictions(n: usize, root: Option<&Path>) -> AppState {
    let mut state = trained(Screen::Predict);
    let folder = root.map_or_else(|| PathBuf::from("/new pictures/garden"), Path::to_path_buf);
    let classes = class_names(2);
    let broken = || {
        let path = folder.join("broken.jpg");
        let error = Error::input("the file ends too early to be a JPEG").with_path(&path);
        (path, Err(error))
    };
    for i in 0..n {
        if i == 3 {
            let (path, error) = broken();
            state.predictions.put(path, error);
        }
        let path = folder.join(format!("IMG_{i:04}.png"));
        if root.is_some() {
            draw_picture(&path, i % 2, i);
        }
        let p = 0.55 + 0.44 * ((i * 37 % 100) as f32 / 100.0);
        let ranked = vec![(classes[i % 2].clone(), p), (classes[1 - i % 2].clone(), 1.0 - p)];
        state.predictions.put(path, Ok(ranked));
    }
    let (path, error) = broken();
    state.predictions.put(path, error);
    state.predictions.wait_for(folder.join("later.png"));
    state
}

/// Pictures as ImageNet sees them: five of a thousand classes.
fn imagenet(root: &Path) -> AppState {
    let mut state = trained(Screen::Predict);
    state.predictions.model = Some(ModelRef::Imagenet {
        backbone: "mobilenet_v2".to_owned(),
        weights: "/weights/mobilenet_v2.safetensors".into(),
    });
    for i in 0..6 {
        let path = root.join(format!("holiday_{i}.png"));
        draw_picture(&path, i + 2, i);
        let ranked = [
            ("daisy", 0.61),
            ("bee", 0.14),
            ("vase, a rather long class name", 0.08),
            ("pot", 0.05),
            ("ant", 0.03),
        ];
        let ranked = ranked.map(|(l, p)| (l.to_owned(), p)).to_vec();
        state.predictions.put(path, Ok(ranked));
    }
    state
}

#[test]
fn without_a_model_it_says_how_to_get_one() {
    let mut h = window(AppState { screen: Screen::Predict, ..AppState::default() }, SIZE, true);
    h.get_by_label("Nothing to classify with yet");
    h.get_all_by_label("Open a saved model…").next().unwrap().click();
    h.run();
    assert_eq!(h.state().actions, [Action::Pick(Pick::Model)]);
}

#[test]
fn an_empty_list_asks_for_pictures_and_says_what_classifies() {
    let mut h = window(trained(Screen::Predict), SIZE, true);
    h.get_by_label("Drop pictures here");
    h.get_by_label_contains("Run 0003, ");
    h.get_by_label("Add pictures…").click();
    h.run();
    assert_eq!(h.state().actions, [Action::Pick(Pick::Pictures)]);
}

#[test]
fn a_typed_path_is_classified() {
    let mut h = window(trained(Screen::Predict), SIZE, true);
    h.get_by_label("Path of a picture or folder").click();
    h.run();
    h.get_by_label("Path of a picture or folder").type_text("/new pictures/garden");
    h.run();
    h.key_press(egui::Key::Enter);
    h.run();
    assert_eq!(h.state().actions, [Action::Predict(vec!["/new pictures/garden".into()])]);
    assert!(h.get_by_label("Path of a picture or folder").accesskit_node().is_focused());
    h.get_by_label("Path of a saved model").click();
    h.run();
    h.get_by_label("Path of a saved model").type_text("/models/ants");
    h.run();
    h.key_press(egui::Key::Enter);
    h.run();
    let model = Action::SetPredictModel(ModelRef::Saved("/models/ants".into()));
    assert_eq!(h.state().actions.last(), Some(&model));
}

#[test]
fn results_say_class_probability_and_reason() {
    let h = window(predictions(3, None), SIZE, true);
    h.get_by_label("3 classified · 1 waiting · 1 could not be classified");
    h.get_by_label("IMG_0000.png: ants, probability 0.550");
    h.get_by_label_contains("broken.jpg: could not be classified, the file ends too early");
    h.get_by_label("later.png: waiting");
}

#[test]
fn where_nothing_is_known_of_what_is_unlike_training_it_says_how_to_know() {
    let note =
        "Whether a picture is unlike anything in training is known once the run's own pictures were compared";
    let evaluation = judged(2, 30, None).evaluation;
    let mut h = window(AppState { evaluation, ..predictions(3, None) }, SIZE, true);
    h.get_by_label(note);
    h.get_by_label("Compare them").click();
    h.run();
    assert_eq!(h.state().actions, [Action::Analyse]);

    let evaluation = judged(2, 30, None).evaluation;
    let mut h = window(AppState { evaluation, preflight: None, ..predictions(3, None) }, SIZE, true);
    h.get_by_label("Compare them").click();
    h.run();
    let suspects = Action::ShowEvaluateTab(EvaluateTab::Suspects);
    assert_eq!(h.state().actions, [suspects], "it says which pictures to open");

    // A run that is not on show has to be shown first, which the threshold offers; a model of another project leads nowhere.
    let mut h = window(predictions(3, None), SIZE, true);
    h.get_by_label("Show this run on Evaluate");
    assert!(h.query_by_label("Compare them").is_none());
    h.state_mut().state.predictions.model = Some(ModelRef::Saved("/models/ants".into()));
    h.run();
    h.get_by_label("Open the project that it was trained in, and compare them there on Evaluate");

    let mut state = predictions(3, None);
    let path = state.predictions.pictures()[0].path.clone();
    state.predictions.compare(path, Unlike { similarity: 0.9, familiar: 0.5 });
    assert!(window(state, SIZE, true).query_by_label(note).is_none());
}

#[test]
fn the_filter_and_the_order_work_on_thousands() {
    let mut h = window(predictions(4000, None), SIZE, true);
    h.get_by_label("4,000 classified · 1 waiting · 1 could not be classified");
    // Only what is on the screen has widgets.
    assert!(h.query_all_by_label_contains("probability ").count() < 60);
    h.get_by_label("Filter by name or class").click();
    h.run();
    h.get_by_label("Filter by name or class").type_text("IMG_3999");
    h.run();
    h.get_by_label_contains("IMG_3999.png: bees, probability");
    assert!(h.query_by_label_contains("IMG_0000.png: ").is_none());
}

#[test]
fn a_picture_shows_all_its_probabilities_and_the_list_can_be_saved_and_cleared() {
    let mut h = window(predictions(3, None), SIZE, true);
    h.get_by_label("IMG_0001.png: bees, probability 0.713").click();
    h.run();
    h.get_by_label("Enlarged picture IMG_0001.png");
    h.get_by_label("Save all as CSV…").click();
    h.run();
    h.get_by_label("Clear").click();
    h.run();
    h.state_mut().actions.retain(|a| !matches!(a, Action::LookInto(_)));
    assert_eq!(h.state().actions, [Action::Pick(Pick::PredictionsCsv), Action::ClearPredictions]);
    h.get_by_label("Drop pictures here");
}

#[test]
fn without_a_run_there_is_nothing_to_export() {
    let h = window(AppState { screen: Screen::Export, ..AppState::default() }, SIZE, true);
    h.get_by_label("No model yet");
}

#[test]
fn export_says_what_will_be_there_and_writes_to_a_new_folder() {
    let mut h = window(trained(Screen::Export), SIZE, true);
    for file in ["model.safetensors", "9.1 MB", "config.json", "README.md", "ants", "bees"] {
        h.get_by_label(file);
    }
    h.get_by_label("Export the model").click();
    h.run();
    let run_dir = PathBuf::from("/projects/Ants and bees/runs/0003");
    let out = PathBuf::from("/projects/Ants and bees/exports/mobilenet_v2-run-0003");
    assert_eq!(h.state().actions, [Action::Export { run_dir, out }]);
}

#[test]
fn many_long_class_names_leave_the_button_within_reach() {
    let mut state = trained(Screen::Export);
    let name = |n: usize| format!("class-{n:02}-with-a-name-that-somebody-wrote-out-in-its-full-length");
    Arc::make_mut(state.preflight.as_mut().unwrap()).dataset.classes = (0..60).map(name).collect();
    let mut h = window(state, SIZE, true);
    h.run_steps(4);
    for n in 0..60 {
        let badge = h.get_by_label(&name(n)).rect();
        assert!(badge.height() < 30.0 && badge.width() < 200.0, "{badge:?}");
    }
    let button = h.get_by_label("Export the model").rect();
    assert!(button.bottom() < 740.0, "{button:?}");
}

#[test]
fn a_failure_says_why_and_a_result_how_to_go_on() {
    let mut state = trained(Screen::Export);
    state.export_error = Some(Error::input("the folder is not empty").with_hint("Choose a new folder"));
    let h = window(state.clone(), SIZE, true);
    h.get_by_label("The model could not be saved");
    h.get_by_label("The folder is not empty. Choose a new folder.");
    state.export_error = None;
    state.exported = Some("/models/ants".into());
    // The next one gets a folder of its own.
    state.exports = vec!["/projects/Ants and bees/exports/mobilenet_v2-run-0003".into()];
    let mut h = window(state, SIZE, true);
    h.run();
    h.get_by_label("The model is saved");
    h.get_by_label("Export the model").click();
    h.run();
    let Some(Action::Export { out, .. }) = h.state_mut().actions.pop() else {
        panic!("nothing was asked for")
    };
    assert!(out.ends_with("exports/mobilenet_v2-run-0003-2"), "{}", out.display());
    h.get_by_label("Copy").click();
    h.run();
    let Some(Action::Copy(text)) = h.state().actions.first() else { panic!("{:?}", h.state().actions) };
    assert!(text.contains("timm.create_model(\"local-dir:/models/ants\""), "{text}");
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn snapshots() {
    // The screens show paths, so the place has to be the same in every run.
    let dir = std::env::temp_dir().join("headstart snapshot pictures");
    let mut results = egui_kittest::SnapshotResults::new();
    let exported = || AppState { exported: Some("/models/ants and bees".into()), ..trained(Screen::Export) };
    let states = [
        ("predict_empty", trained(Screen::Predict)),
        ("predict_results", predictions(40, Some(&dir.join("garden")))),
        ("predict_imagenet", imagenet(&dir.join("holiday"))),
        ("export", trained(Screen::Export)),
        ("export_done", exported()),
    ];
    for (name, state) in states {
        for (dark, word) in [(true, "dark"), (false, "light")] {
            let mut h = window(state.clone(), SIZE, dark);
            settle(&mut h);
            results.add(h.try_snapshot(format!("{name}_{word}")));
        }
    }
    let mut h = window(predictions(40, Some(&dir.join("garden"))), [1920.0, 1080.0], true);
    h.get_by_label_contains("IMG_0002.png: ").click();
    settle(&mut h);
    results.add(h.try_snapshot("predict_selected_wide_dark"));
    for (name, size, dark) in [
        ("predict_undecided_dark", SIZE, true),
        ("predict_undecided_light", SIZE, false),
        ("predict_undecided_wide_light", [2560.0, 1440.0], false),
    ] {
        let mut state = with_evaluation();
        let model = state.predictions.model.take();
        state.predictions = predictions(20, Some(&dir.join("garden"))).predictions;
        (state.predictions.model, state.predictions.decide_from) = (model, 0.7);
        let mut h = window(state, size, dark);
        settle(&mut h);
        results.add(h.try_snapshot(name));
    }
}

/// Pictures classified by the run whose evaluation is on show.
fn with_evaluation() -> AppState {
    let mut state = predictions(20, None);
    state.evaluation = judged(2, 30, None).evaluation;
    state.predictions.model = state.evaluation.as_ref().and_then(|e| e.run_dir.clone()).map(ModelRef::Saved);
    state
}

#[test]
fn a_threshold_leaves_pictures_undecided_and_says_what_it_brings() {
    let mut state = with_evaluation();
    let coverage = Coverage::of(&state.evaluation.as_ref().unwrap().evaluation);
    state.predictions.decide_from = 0.8;
    let mut h = window(state, SIZE, true);
    let open = h
        .state()
        .state
        .predictions
        .pictures()
        .iter()
        .filter(|p| h.state().state.predictions.is_undecided(p))
        .count();
    assert!((1..20).contains(&open));
    h.get_by_label(&format!(
        "{} classified · {open} undecided · 1 waiting · 1 could not be classified",
        20 - open
    ));
    let at = coverage.at(0.8);
    h.get_by_label(&format!(
        "{} of {} validation pictures decided · {:.3} of those right ({})",
        at.decided,
        coverage.total,
        at.accuracy(),
        at.right
    ));
    h.get_by_label("0.95 right").click_accesskit();
    h.run();
    let wanted = coverage.threshold_for(0.95).unwrap();
    assert_eq!(h.state().actions, [Action::DecideFrom(wanted)]);
}

#[test]
fn without_the_models_evaluation_the_threshold_says_where_to_find_it() {
    let mut state = with_evaluation();
    state.predictions.model = Some(ModelRef::Saved("/models/other".into()));
    let h = window(state, SIZE, true);
    h.get_by_label_contains("What a threshold brings");
    assert!(h.query_by_label("0.95 right").is_none());
}

#[test]
fn classified_pictures_can_be_copied_into_folders() {
    let mut h = window(predictions(3, None), SIZE, true);
    h.get_by_label("Copy into folders…").click();
    h.run();
    assert_eq!(h.state().actions, [Action::Pick(Pick::CopyTo)]);
}
