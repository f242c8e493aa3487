//! Every screen by keyboard and by name: what is pressed, moved or typed into has a name, and the Tab key reaches it.
#![cfg(feature = "gui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ui_states;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{AccessKitNode, NodeT as _, Queryable as _};
use headstart::engine::Unlike;
use headstart::error::Error;
use headstart::session::JobId;
use headstart::ui::state::{EvaluateTab, JobKind, RunningJob, Selection, Tone, TrainingEnd, WeightsState};
use headstart::ui::{Action, AppState, Screen};
use std::collections::BTreeSet;
use ui_states::{SIZE, World, epochs, judged, run, training, window, with_pictures};

/// Every screen, empty, busy, full and after a failure, with what can lie over it.
fn states() -> Vec<(String, AppState)> {
    let mut all = Vec::new();
    let mut add = |name: &str, state: AppState| all.push((name.to_owned(), state));
    add("start", AppState::default());
    let mut recent = AppState::default();
    recent.settings.recent_projects = vec!["/home/ada/leaves".into(), "/home/ada/ants".into()];
    recent.path_error = Some("There is nothing at /x.".to_owned());
    add("start with projects", recent);
    for screen in Screen::RAIL {
        add(&format!("{screen:?} empty"), AppState { screen, ..AppState::default() });
        add(&format!("{screen:?} with pictures"), AppState { screen, ..with_pictures() });
        add(&format!("{screen:?} trained"), AppState { screen, ..judged(2, 20, None) });
        let live = training(|live, _| live.epochs = epochs(5, 25));
        add(&format!("{screen:?} training"), AppState { screen, ..live });
    }
    for tab in EvaluateTab::ALL {
        let mut state = judged(3, 20, None);
        state.evaluate_tab = tab;
        add(&format!("Evaluate {tab:?}"), state.clone());
        state.selection = Some(Selection::Class(1));
        add(&format!("Evaluate {tab:?} with pictures"), state);
    }
    let mut failed = AppState { screen: Screen::Data, ..AppState::default() };
    failed.data_error = Some(Error::input("no class folder with pictures was found"));
    add("Data failed", failed);
    let mut failed = ui_states::ended(TrainingEnd::Failed(Error::input("the disk is full")));
    failed.screen = Screen::Train;
    add("Train failed", failed);
    let mut predicted = AppState { screen: Screen::Predict, ..judged(2, 20, None) };
    predicted.predictions.wait_for("/new/later.png".into());
    for i in 0..6 {
        let path: std::path::PathBuf = format!("/new/{i}.png").into();
        let unlike = Unlike { similarity: 0.1 * i as f32, familiar: 0.2 };
        predicted.predictions.compare(path.clone(), unlike);
        predicted.predictions.put(path, Ok(vec![("ants".to_owned(), 0.9), ("bees".to_owned(), 0.1)]));
    }
    predicted.predictions.put("/new/broken.png".into(), Err(Error::input("not a picture")));
    add("Predict full", predicted);
    let mut exported = AppState { screen: Screen::Export, ..judged(2, 20, None) };
    exported.exported = Some("/models/ants".into());
    exported.export_error = Some(Error::input("the folder is not empty"));
    add("Export done", exported);
    for (screen, kind) in [
        (Screen::Data, JobKind::OpenData),
        (Screen::Model, JobKind::CheckWeights),
        (Screen::Model, JobKind::MeasureSpeed),
        (Screen::Train, JobKind::FindRate),
        (Screen::Evaluate, JobKind::Analyse),
        (Screen::Predict, JobKind::Predict),
        (Screen::Export, JobKind::Export),
    ] {
        let mut busy = AppState { screen, ..judged(2, 20, None) };
        let name = format!("{kind:?}");
        if kind == JobKind::CheckWeights {
            busy.weights = WeightsState::Checking;
        }
        let (id, progress) = (JobId(1), (kind == JobKind::Predict).then_some((3, 9)));
        busy.jobs.push(RunningJob {
            id,
            kind,
            started_s: Some(0.0),
            progress,
            paused: false,
            stopping: false,
        });
        add(&name, busy);
    }
    let mut palette = with_pictures();
    palette.palette_open = true;
    add("list of commands", palette);
    let mut notices = with_pictures();
    notices.notices.push(Tone::Bad, "The disk is full");
    notices.notices.push_with(Tone::Good, "Saved", "Show the folder", Action::Reveal("/x".into()));
    notices.notices.open = true;
    add("notices", notices);
    for close in [false, true] {
        let mut asked = training(|live, _| live.epochs = epochs(5, 25));
        (asked.close_asked, asked.cancel_asked) = (close, !close);
        add("question", asked);
    }
    all
}

fn nodes<'h>(h: &'h Harness<'_, World>) -> impl Iterator<Item = AccessKitNode<'h>> {
    h.root().children_recursive().map(|node| node.accesskit_node())
}

fn has_name(node: &AccessKitNode<'_>) -> bool {
    let named = |text: Option<String>| text.is_some_and(|text| !text.trim().is_empty());
    // A choice says its name, and besides it what is chosen.
    named(node.label()) || matches!(node.role(), Role::Label) && named(node.value())
}

/// Roles of what can be pressed, moved or typed into, and of what stands for a picture.
fn needs_a_name(role: Role) -> bool {
    use Role::{
        Button, CheckBox, ColorWell, ComboBox, GraphicsObject, Image, Link, MultilineTextInput,
        ProgressIndicator, RadioButton, Slider, SpinButton, Switch, Tab, TextInput,
    };
    [
        Button,
        CheckBox,
        ColorWell,
        ComboBox,
        GraphicsObject,
        Image,
        Link,
        MultilineTextInput,
        ProgressIndicator,
        RadioButton,
        Slider,
        SpinButton,
        Tab,
        TextInput,
        Switch,
    ]
    .contains(&role)
}

/// Icons are letters of a font of their own, in the block for private use: nobody can read them out.
fn has_private_letters(text: &str) -> bool {
    text.chars().any(|c| ('\u{e000}'..='\u{f8ff}').contains(&c))
}

#[test]
fn no_icon_is_read_out_as_a_letter() {
    let mut found = BTreeSet::new();
    for (name, state) in states() {
        let mut h = window(state, SIZE, true);
        h.run_steps(4);
        for node in nodes(&h) {
            for text in [node.label(), node.value(), node.description()].into_iter().flatten() {
                if has_private_letters(&text) {
                    found.insert(format!("{name}: {:?} {}", node.role(), text.escape_unicode()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn everything_that_can_be_used_has_a_name() {
    let mut unnamed = BTreeSet::new();
    for (name, state) in states() {
        let mut h = window(state, SIZE, true);
        h.run_steps(4);
        for node in nodes(&h) {
            if needs_a_name(node.role()) && !has_name(&node) {
                let at = node.raw_bounds().map(|b| [b.x0 as i32, b.y0 as i32, b.x1 as i32, b.y1 as i32]);
                unnamed.insert(format!("{name}: {:?} at {at:?}, value {:?}", node.role(), node.value()));
            }
        }
    }
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

/// What is on show and can be pressed, moved or typed into.
fn usable(h: &Harness<'_, World>) -> BTreeSet<String> {
    let on_screen = |node: &AccessKitNode<'_>| {
        node.raw_bounds()
            .is_some_and(|b| b.x1 > b.x0 && b.y1 <= f64::from(SIZE[1]) && b.x1 <= f64::from(SIZE[0]))
    };
    let focusable = |node: &AccessKitNode<'_>| {
        node.data().supports_action(egui::accesskit::Action::Focus) && !node.is_disabled()
    };
    let words = |node: AccessKitNode<'_>| format!("{:?} {}", node.role(), node.label().unwrap_or_default());
    nodes(h)
        .filter(|node| needs_a_name(node.role()) && focusable(node) && on_screen(node))
        .map(words)
        .collect()
}

/// The buttons of the question, and the field of the list of commands; arrow keys lead through its lines.
fn in_front(h: &Harness<'_, World>) -> BTreeSet<String> {
    let front = ["Keep training", "Button Close", "Button Cancel training", "Find a command"];
    usable(h).into_iter().filter(|name| front.iter().any(|front| name.contains(front))).collect()
}

#[test]
fn the_tab_key_reaches_all_of_it() {
    let mut missed = BTreeSet::new();
    for (name, state) in states() {
        // What has to be answered first keeps the focus to itself.
        let behind = state.palette_open || state.question_asked();
        let mut h = window(state, SIZE, true);
        h.run_steps(4);
        let wanted = if behind { in_front(&h) } else { usable(&h) };
        let mut reached = BTreeSet::new();
        for _ in 0..wanted.len() + 40 {
            h.key_press_modifiers(Modifiers::NONE, Key::Tab);
            h.run_steps(2);
            let focused = nodes(&h).find(|node| node.is_focused());
            if let Some(node) = focused {
                reached.insert(format!("{:?} {}", node.role(), node.label().unwrap_or_default()));
            }
        }
        missed.extend(wanted.difference(&reached).map(|what| format!("{name}: {what}")));
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn a_choice_by_keyboard_closes_its_list_and_keeps_the_focus() {
    for (screen, list, first) in
        [(Screen::Train, "What is drawn beside the loss", "Quality"), (Screen::Data, "All classes", "bees")]
    {
        let state = AppState { screen, ..training(|live, _| live.epochs = epochs(5, 25)) };
        let mut h = window(state, SIZE, true);
        h.run_steps(4);
        let names =
            |node: &AccessKitNode<'_>| [node.label(), node.value()].into_iter().flatten().collect::<Vec<_>>();
        let is_list = |node: &AccessKitNode<'_>| {
            node.role() == Role::ComboBox && names(node).iter().any(|name| name == list)
        };
        while !nodes(&h).any(|node| node.is_focused() && is_list(&node)) {
            h.key_press(Key::Tab);
            h.run_steps(2);
        }
        let lines =
            |h: &Harness<'_, World>| nodes(h).filter(|node| node.label().as_deref() == Some(first)).count();
        let closed = lines(&h);
        h.key_press(Key::Enter);
        h.run_steps(4);
        assert!(lines(&h) > closed, "{screen:?}: the list is open");
        // To the last line.
        h.key_press(Key::Tab);
        h.run_steps(2);
        h.key_press(Key::Tab);
        h.run_steps(2);
        h.key_press(Key::Enter);
        h.run_steps(4);
        assert_eq!(lines(&h), closed, "{screen:?}: the list is closed");
        assert!(nodes(&h).any(|node| node.is_focused() && node.role() == Role::ComboBox), "{screen:?}");
    }
}

/// Where the focus is, in the window's points.
fn focus_x(h: &Harness<'_, World>) -> f64 {
    let node = nodes(h).find(|node| node.is_focused()).expect("something has the focus");
    let at = node.raw_bounds().unwrap();
    (at.x0 + at.x1) / 2.0
}

#[test]
fn the_subject_comes_before_the_settings_beside_it() {
    let mut h = window(training(|live, _| live.epochs = epochs(5, 25)), SIZE, true);
    h.run_steps(4);
    let mut order = Vec::new();
    for _ in 0..40 {
        h.key_press(Key::Tab);
        h.run_steps(2);
        order.extend(nodes(&h).find(|node| node.is_focused()).and_then(|node| node.label()));
    }
    let at = |name: &str| {
        order.iter().position(|label| label.contains(name)).unwrap_or_else(|| panic!("{name}: {order:#?}"))
    };
    assert!(at("Data") < at("Stop and keep the best") && at("Stop and keep the best") < at("Curves"));
    assert!(at("Curves") < at("Find a setting"), "{order:#?}");
}

#[test]
fn the_keyboard_goes_from_one_part_of_the_window_to_the_next() {
    for screen in Screen::RAIL.into_iter().filter(|s| *s != Screen::Evaluate) {
        let mut h = window(AppState { screen, ..with_pictures() }, SIZE, true);
        h.run_steps(4);
        let mut parts = Vec::new();
        for forward in [true, true, true, false, false] {
            h.state_mut().cx.panes.step(forward);
            h.run_steps(3);
            parts.push(match focus_x(&h) {
                x if x < 72.0 => "places",
                x if x < f64::from(SIZE[0]) - 340.0 => "subject",
                _ => "beside",
            });
        }
        // Beside the Export screen without a model stand only words.
        let beside = if screen == Screen::Export { "places" } else { "beside" };
        assert_eq!(parts, ["subject", beside, "places", beside, "subject"], "{screen:?}");
    }
}

#[test]
fn the_list_of_commands_leads_to_a_part_of_the_window_once_it_is_gone() {
    let mut h = window(AppState { palette_open: true, ..with_pictures() }, SIZE, true);
    h.run_steps(4);
    h.get_by_label("Find a command").type_text("next part");
    h.run_steps(2);
    h.key_press(Key::Enter);
    h.step();
    let asked = [Action::TogglePalette, Action::MovePane(true)];
    assert_eq!(h.state().actions, asked);
    h.state_mut().state.palette_open = false;
    h.run_steps(4);
    assert!(focus_x(&h) > 72.0 && focus_x(&h) < f64::from(SIZE[0]) - 340.0);
}

#[test]
fn the_settings_can_be_made_wider_by_their_edge() {
    let mut h = window(with_pictures(), SIZE, true);
    h.run_steps(4);
    let edge = |h: &Harness<'_, World>| h.get_by_label("Resize panel").rect().center();
    for grabbed in [-3.0, 3.0] {
        let before = edge(&h);
        let from = before + egui::vec2(grabbed, 0.0);
        h.hover_at(from);
        h.run_steps(2);
        h.drag_at(from);
        h.run_steps(2);
        h.hover_at(from - egui::vec2(12.0, 0.0));
        h.run_steps(2);
        h.drop_at(from - egui::vec2(12.0, 0.0));
        h.run_steps(2);
        assert!(before.x - edge(&h).x > 5.0, "{grabbed} beside the edge: {} to {}", before.x, edge(&h).x);
    }
}

/// What lies over a screen: its name, how it comes, and what Escape asks for.
type Overlay = (&'static str, fn(&mut AppState), Action);

#[test]
fn escape_closes_what_lies_over_a_screen() {
    let over: [Overlay; 3] = [
        ("list of commands", |s| s.palette_open = true, Action::TogglePalette),
        ("question", |s| s.cancel_asked = true, Action::KeepTraining),
        ("question", |s| s.close_asked = true, Action::KeepOpen),
    ];
    for (name, open, closes) in over {
        let mut state = training(|live, _| live.epochs = epochs(5, 25));
        state.runs.push(run("0000", headstart::session::RunState::Finished));
        state.training.as_mut().unwrap().end = None;
        open(&mut state);
        let mut h = window(state, SIZE, true);
        h.run_steps(3);
        h.key_press(Key::Escape);
        h.run_steps(3);
        assert!(h.state().actions.contains(&closes), "{name}: {:?}", h.state().actions);
    }
}
