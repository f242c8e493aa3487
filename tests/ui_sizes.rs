//! All screens with full data in small windows: nothing panics, and nothing that can be pressed lies outside.
#![cfg(feature = "gui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ui_states;

use egui::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use headstart::engine::StepProgress;
use headstart::error::Error;
use headstart::session::RunState;
use headstart::ui::state::Tone;
use headstart::ui::{AppState, Screen};
use std::sync::Arc;
use ui_states::{World, epochs, judged, run, training, window, with_pictures};

/// The smallest window that the system lets a person make.
const SMALLEST: [f32; 2] = [960.0, 620.0];
/// What is left of it in points as Ctrl and + make everything larger, and sizes that no person chooses.
const SMALLER: [[f32; 2]; 5] =
    [[800.0, 516.0], [640.0, 413.0], [480.0, 310.0], [320.0, 206.0], [192.0, 124.0]];

fn long_name(n: usize) -> String {
    format!("class-{n:02}-with-a-name-that-somebody-wrote-out-in-full-length")
}

/// Everything a screen can show at once.
fn full(screen: Screen, classes: usize) -> AppState {
    let mut state = judged(classes, 8, None);
    if classes > 30 {
        let names: Vec<String> = (0..classes).map(long_name).collect();
        let shown = state.evaluation.as_mut().unwrap();
        Arc::make_mut(&mut shown.evaluation).classes.clone_from(&names);
        let data = &mut Arc::make_mut(state.preflight.as_mut().unwrap()).dataset;
        data.classes = names;
        data.samples.iter_mut().enumerate().for_each(|(i, s)| s.class = i % classes);
    }
    state.runs.extend((4..20).map(|n| run(&format!("{n:04}"), RunState::Finished)));
    state.exported = Some("/projects/Ants and bees/exports/mobilenet_v2-run-0003".into());
    state.export_error = Some(Error::input("the folder is not empty").with_path("/a/folder/far/away"));
    for i in 0..30 {
        let ranked = (0..5).map(|c| (long_name(c), 0.2)).collect();
        let path = format!("/new pictures/{}/{}.png", "deep/".repeat(8), long_name(i)).into();
        state.predictions.put(path, Ok(ranked));
    }
    state.settings.recent_projects =
        (0..10).map(|n| format!("/home/ada/Headstart/{}", long_name(n)).into()).collect();
    state.screen = screen;
    state
}

fn live() -> AppState {
    training(|live, _| {
        live.epochs = epochs(7, 25);
        let (images_per_s, eta_s) = (640.0, Some(42.0));
        live.step =
            Some(StepProgress { epoch: 8, epochs: 25, step: 6, steps: 16, loss: 0.241, images_per_s, eta_s });
    })
}

fn screens() -> impl Iterator<Item = Screen> {
    [Screen::Start].into_iter().chain(Screen::RAIL)
}

#[test]
fn no_window_is_too_small_to_be_drawn() {
    for size in [SMALLEST].into_iter().chain(SMALLER) {
        for classes in [2, 60] {
            for screen in screens() {
                let mut state = full(screen, classes);
                state.notices.push(Tone::Bad, "the folder could not be read. ".repeat(9));
                window(state, size, true).run_steps(3);
                window(AppState { screen, ..AppState::default() }, size, true).run_steps(2);
            }
        }
        window(live(), size, false).run_steps(3);
        let mut enlarged = window(full(Screen::Evaluate, 60), size, true);
        enlarged.state_mut().cx.evaluate.enlarged = Some(0);
        enlarged.run_steps(3);
    }
}

/// What can be pressed or typed into, and lies partly outside of the window or under its inspector.
fn out_of_reach(h: &Harness<'_, World>, inspector: Option<f32>) -> Vec<String> {
    let width = SMALLEST[0];
    let roles =
        [Role::Button, Role::TextInput, Role::CheckBox, Role::ComboBox, Role::SpinButton, Role::RadioButton];
    let nodes = roles.into_iter().flat_map(|role| h.query_all_by_role(role).collect::<Vec<_>>());
    nodes
        .filter(|n| {
            let rect = n.rect();
            let across = inspector.is_some_and(|x| rect.left() < x - 1.0 && rect.right() > x + 1.0);
            // The header and the status bar run across the whole window.
            let across = across && rect.top() > 50.0 && rect.bottom() < SMALLEST[1] - 28.0;
            rect.left() < -0.5 || rect.right() > width + 0.5 || across
        })
        .map(|n| format!("{:?} {:?}", n.accesskit_node().label(), n.rect()))
        .collect()
}

#[test]
fn in_the_smallest_window_everything_can_be_pressed() {
    for classes in [2, 60] {
        for state in screens().map(|s| full(s, classes)).chain([live(), with_pictures()]) {
            let screen = state.screen;
            let inspector = (screen != Screen::Start).then_some(SMALLEST[0] - 300.0);
            let mut h = window(state, SMALLEST, true);
            h.run_steps(4);
            let lost = out_of_reach(&h, inspector);
            assert!(lost.is_empty(), "{screen:?} with {classes} classes:\n{}", lost.join("\n"));
        }
    }
}

#[test]
fn every_column_of_the_networks_can_be_reached() {
    for width in [SMALLEST[0], 1100.0, 1280.0] {
        let mut h = window(full(Screen::Model, 2), [width, 700.0], true);
        h.run_steps(3);
        let heads = ["parameters", "file", "top-1", "speed here", "licence", "weights"];
        let places = heads.map(|name| h.get_by_label(&format!("Sort by {name}")).rect());
        for pair in places.windows(2) {
            assert!(pair[0].right() <= pair[1].left(), "{pair:?} at {width}");
        }
    }
}

#[test]
fn buttons_leave_the_heading_of_predictions_alone() {
    for width in [SMALLEST[0], 1100.0, 1280.0, 1920.0] {
        let mut h = window(full(Screen::Predict, 2), [width, 700.0], true);
        h.run_steps(3);
        let heading = h.get_by_label("30 pictures").rect();
        for name in ["Add pictures…", "Add a folder…", "Copy into folders…", "Save all as CSV…", "Clear"]
        {
            let button = h.get_by_label(name).rect();
            assert!(!button.intersects(heading), "{name} at {button:?} covers {heading:?} at {width}");
        }
    }
}
