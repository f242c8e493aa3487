//! The choice of how pictures are divided: what it shows before anything is done, and what it asks for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(feature = "gui")]

mod ui_fixture;

use egui::{Event, Key, Modifiers, PointerButton, Role, Theme};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use headstart::config::{DataConfig, GroupBy, SplitKind, TrainConfig};
use headstart::data::{Layout, Preflight, Split};
use headstart::engine::train::written_out;
use headstart::session::{RunInfo, RunState};
use headstart::ui::state::FoldsLeft;
use headstart::ui::{Action, AppState, Screen};
use std::sync::Arc;
use ui_fixture::{Desk, build, open};

fn window(state: AppState) -> Harness<'static, Desk> {
    let mut h = build(Harness::builder(), state, Theme::Dark);
    h.run_steps(4);
    h
}

fn asked() -> (tempfile::TempDir, AppState) {
    let (dir, mut state) = open(Screen::Data);
    state.division_asked = true;
    (dir, state)
}

/// The same, and the pictures lie as the settings divide them.
fn divided_as_chosen() -> (tempfile::TempDir, AppState) {
    let (dir, mut state) = asked();
    let pictures = state.preflight.as_ref().unwrap();
    state.preflight = Some(Arc::new(Preflight::unseen(pictures.divided(&state.config.data).unwrap())));
    (dir, state)
}

fn click(h: &mut Harness<'_, Desk>, label: &str) {
    h.get_by_label(label).click();
    h.run_steps(4);
}

/// The division that was asked for.
fn wanted(h: &mut Harness<'_, Desk>) -> DataConfig {
    click(h, "Divide");
    match std::mem::take(&mut h.state_mut().actions).pop() {
        Some(Action::DivideAnew(data)) => *data,
        other => panic!("no division was asked for, but {other:?}"),
    }
}

#[test]
fn the_panel_says_how_pictures_are_divided_and_leads_to_the_choice() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state);
    h.get_by_label("Divided picture by picture: 20\u{a0}% for validation");
    assert!(h.query_by_label("How the pictures are divided").is_none());
    click(&mut h, "Divide otherwise…");
    assert_eq!(h.state().actions, [Action::AskDivision(true)]);
}

#[test]
fn nothing_changes_until_another_division_is_chosen() {
    let (_dir, state) = divided_as_chosen();
    let now = state.dataset().unwrap().indices(Split::Val).len();
    let mut h = window(state);
    h.get_by_label_contains(&format!(" · {now} validation ("));
    click(&mut h, "Divide");
    assert!(h.state().actions.is_empty(), "nothing is different yet");
    // Keys are for the choice, not for pictures behind it.
    h.key_press(Key::Delete);
    h.run_steps(2);
    assert!(h.state().actions.is_empty());
    h.key_press(Key::Escape);
    h.run_steps(2);
    assert_eq!(h.state().actions, [Action::AskDivision(false)]);
}

#[test]
fn pictures_that_lie_otherwise_than_chosen_can_be_divided_as_chosen() {
    let (_dir, mut state) = asked();
    state.config.data.val_fraction = 0.4;
    let chosen = state.config.data.clone();
    let pictures = state.preflight.as_ref().unwrap();
    let [now, anew] = [pictures.dataset.clone(), pictures.divided(&chosen).unwrap()]
        .map(|data| [Split::Train, Split::Val].map(|part| data.indices(part).len()));
    assert_ne!(now, anew);
    let mut h = window(state);
    // What would come of it, and not what is there.
    h.get_by_label_contains(&format!("{} training (", anew[0]));
    h.get_by_label_contains(&format!(" · {} validation (", anew[1]));
    h.get_by_label_contains("would be in another part");
    assert_eq!(wanted(&mut h), chosen);
}

#[test]
fn folds_show_what_each_part_gets() {
    let (_dir, state) = asked();
    let mut h = window(state);
    click(&mut h, "Folds");
    // 24 pictures, five folds: one of them has four or five.
    let line = h.get_by_label_contains(" training (");
    let node = line.accesskit_node();
    let text = node.label().or_else(|| node.value()).unwrap();
    assert!(
        ["19 training (79.2 %) · 5 validation", "20 training (83.3 %) · 4 validation"]
            .iter()
            .any(|w| text.starts_with(w)),
        "{text}"
    );
    let data = wanted(&mut h);
    assert_eq!((data.folds, data.fold, data.split), (5, 1, SplitKind::Stratified));
}

#[test]
fn a_list_of_choices_is_closed_by_the_keyboard_too() {
    let (_dir, state) = asked();
    let mut h = window(state);
    click(&mut h, "In groups");
    click(&mut h, "What belongs together");
    h.get_by_label("Folder").focus();
    h.run_steps(2);
    h.key_press(Key::Enter);
    h.run_steps(4);
    assert!(h.query_by_label("Number in the name").is_none(), "the list is still open");
    click(&mut h, "What belongs together");
    h.get_by_label("Number in the name");
}

/// A click as fast as a touchpad's: pressed and let go within one frame.
fn fast_click(h: &mut Harness<'_, Desk>, label: &str) {
    let pos = h.get_by_label(label).rect().center();
    h.event(Event::PointerMoved(pos));
    h.run_steps(2);
    let (button, modifiers) = (PointerButton::Primary, Modifiers::NONE);
    let both = [true, false].map(|pressed| Event::PointerButton { pos, button, pressed, modifiers });
    h.input_mut().events.extend(both);
    h.run_steps(4);
}

#[test]
fn a_list_of_choices_is_in_front_each_time_that_the_dialog_opens() {
    let (_dir, state) = asked();
    let mut h = window(state);
    for way in ["Folder", "Number in the name"] {
        h.state_mut().state.division_asked = true;
        h.run_steps(4);
        click(&mut h, "In groups");
        fast_click(&mut h, "What belongs together");
        let at = h.get_by_label(way).rect().center();
        let dialog = h.get_by_label("How the pictures are divided").rect().center();
        assert_ne!(h.ctx.layer_id_at(at), h.ctx.layer_id_at(dialog), "{way} is behind the dialog");
        h.key_press(Key::Escape);
        h.run_steps(4);
        h.state_mut().state.division_asked = false;
        h.run_steps(4);
    }
}

#[test]
fn the_choice_keeps_its_place_while_it_grows() {
    let (_dir, state) = asked();
    let mut h = window(state);
    let top = |h: &Harness<'_, Desk>| h.get_by_label("How the pictures are divided").rect().top();
    let buttons = |h: &Harness<'_, Desk>| h.get_by_label("Leave as it is").rect().top();
    let before = (top(&h), buttons(&h));
    click(&mut h, "In groups");
    assert_eq!(top(&h), before.0);
    assert!(buttons(&h) > before.1 + 20.0);
    click(&mut h, "Picture by picture");
    assert_eq!((top(&h), buttons(&h)), before);
}

#[test]
fn a_pattern_that_holds_nothing_out_says_why() {
    let (_dir, state) = asked();
    let mut h = window(state);
    click(&mut h, "In groups");
    click(&mut h, "What belongs together");
    click(&mut h, "Pattern");
    let wide = |f: &egui_kittest::Node<'_>| f.rect().width() > 150.0;
    let field = h.query_all_by_role(Role::TextInput).rfind(wide).unwrap();
    field.focus();
    field.type_text("()");
    h.run_steps(4);
    h.get_by_label_contains("Nothing would be held out for validation");
    click(&mut h, "Divide");
    assert!(h.state().actions.is_empty());
}

#[test]
fn a_pattern_shows_its_groups_and_what_is_wrong_with_it() {
    let (_dir, state) = asked();
    let mut h = window(state);
    click(&mut h, "In groups");
    h.get_by_label_contains("No two pictures belong together");
    click(&mut h, "What belongs together");
    assert!(h.query_by_label("Column of the table").is_none(), "there is no table");
    click(&mut h, "Pattern");
    h.get_by_label_contains("Write what the names have in common");
    let type_pattern = |h: &mut Harness<'_, Desk>, text: &str| {
        let wide = |f: &egui_kittest::Node<'_>| f.rect().width() > 150.0;
        let field = h.query_all_by_role(Role::TextInput).rfind(wide).unwrap();
        field.focus();
        field.type_text(text);
        h.run_steps(4);
    };
    type_pattern(&mut h, "/(");
    h.get_by_label_contains("“Pattern of the path” = \"/(\" is no regular expression (unclosed group)");
    type_pattern(&mut h, r"[0-3])\.png");
    h.get_by_label("4 groups of 3 pictures · 12 pictures stand alone");
    let data = wanted(&mut h);
    let want = DataConfig {
        split: SplitKind::Grouped,
        group_by: GroupBy::Pattern,
        group_pattern: Some(r"/([0-3])\.png".to_owned()),
        ..DataConfig::default()
    };
    assert_eq!(DataConfig { path: None, ..data }, want);
}

/// A finished run with these settings and this accuracy, and half of it for macro F1.
fn finished(id: &str, config: TrainConfig, accuracy: f64) -> RunInfo {
    let summary = serde_json::json!({
        "version": 1, "backbone": "small_cnn", "mode": "scratch", "device": "cpu", "epochs_run": 1, "best_epoch": 1,
        "val": {"accuracy": accuracy, "macro_f1": accuracy / 2.0, "loss": 1.0}, "wall_s": 1.0, "images_per_s": 1.0,
        "peak_rss_mib": 1
    });
    RunInfo {
        id: id.to_owned(),
        dir: format!("/runs/{id}").into(),
        state: RunState::Finished,
        config,
        epochs: Vec::new(),
        summary: Some(serde_json::from_value(summary).unwrap()),
        model_bytes: Some(1),
        notes: String::new(),
        damage: None,
    }
}

#[test]
fn all_folds_are_trained_from_the_train_screen_which_tells_what_they_come_to() {
    let (_dir, mut state) = open(Screen::Train);
    let h = window(state.clone());
    assert!(h.query_by_label_contains("folds").is_none(), "there are none");
    state.config.data.folds = 3;
    let mut h = window(state.clone());
    click(&mut h, "Train all 3 folds");
    assert_eq!(h.state().actions, [Action::TrainFolds]);
    let of = |fold: usize| {
        let mut config = state.config.clone();
        config.data.fold = fold;
        // As a run writes it down, with nothing left open.
        written_out(&config, state.dataset().unwrap()).unwrap()
    };
    state.runs = vec![finished("0002", of(2), 0.8), finished("0001", of(1), 0.6)];
    state.folds_left = Some(FoldsLeft { config: state.config.clone(), next: 4 });
    let h = window(state);
    h.get_by_label("Fold 3 of 3 is held out");
    h.get_by_label(
        "Accuracy 0.700 ± 0.141 · macro F1 0.350 ± 0.071 · mean ± standard deviation over 2 of 3 folds with these settings",
    );
}

#[test]
fn runs_so_far_are_warned_of_only_by_a_change() {
    let (_dir, mut state) = divided_as_chosen();
    state.runs = vec![finished("0001", state.config.clone(), 0.5)];
    let mut h = window(state);
    assert!(h.query_by_label_contains("cannot be compared").is_none());
    click(&mut h, "Folds");
    h.get_by_label_contains("Runs so far were judged on other validation pictures");
}

#[test]
fn a_folder_with_parts_of_its_own_says_so() {
    let (_dir, mut state) = asked();
    let dataset = &mut Arc::make_mut(state.preflight.as_mut().unwrap()).dataset;
    dataset.layout = Layout::SplitFolders;
    for sample in &mut dataset.samples {
        let part = if sample.split == Split::Val { "val" } else { "train" };
        sample.rel = format!("{part}/{}", sample.rel);
    }
    let h = window(state);
    h.get_by_label("Divided by the folder itself");
    assert!(h.query_by_label("Divide otherwise…").is_none());
    assert!(h.query_by_label("How the pictures are divided").is_none(), "there is nothing to choose");
}
