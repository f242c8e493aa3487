//! The gallery: selecting many pictures by mouse and keyboard, deciding about all of them at once, order and zoom.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![cfg(feature = "gui")]

mod ui_fixture;

use egui::{Key, Modifiers, Pos2, Theme, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use headstart::config::{DataConfig, GroupBy, SplitKind};
use headstart::data::{Decided, Decision, LabelFile, Layout, Offer, PictureSize, Split};
use headstart::error::Error;
use headstart::ui::actions::Pick;
use headstart::ui::{Action, AppState, Screen};
use std::sync::Arc;
use ui_fixture::{Desk, build, open};

fn window(state: AppState) -> Harness<'static, Desk> {
    let mut h = build(Harness::builder(), state, Theme::Dark);
    h.run_steps(4);
    h
}

fn click(h: &mut Harness<'_, Desk>, label: &str, modifiers: Modifiers) {
    h.get_by_label(label).click_modifiers(modifiers);
    h.run_steps(3);
}

fn press(h: &mut Harness<'_, Desk>, modifiers: Modifiers, key: Key) {
    h.key_press_modifiers(modifiers, key);
    h.run_steps(3);
}

/// Labels of the pictures that are selected.
fn selected(h: &Harness<'_, Desk>) -> Vec<String> {
    let chosen = h.root().children_recursive().filter(|n| {
        let node = n.accesskit_node();
        node.toggled() == Some(egui::accesskit::Toggled::True)
            && node.label().is_some_and(|l| l.contains(".png"))
    });
    chosen.filter_map(|n| n.accesskit_node().label()).collect()
}

fn decided(h: &mut Harness<'_, Desk>) -> Decided {
    match std::mem::take(&mut h.state_mut().actions).pop() {
        Some(Action::Decide(decided)) => decided,
        other => panic!("nothing was decided, but {other:?}"),
    }
}

fn label(class: &str, n: u32) -> String {
    format!("{class}/{n}.png · {}", if n < 6 { "training" } else { "validation" })
}

#[test]
fn clicks_with_control_and_shift_select_many_and_one_decision_is_about_all() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state);
    click(&mut h, &label("ash", 1), Modifiers::NONE);
    click(&mut h, &label("ash", 3), Modifiers::SHIFT);
    click(&mut h, &label("birch", 0), Modifiers::COMMAND);
    assert_eq!(selected(&h), [label("ash", 1), label("ash", 2), label("ash", 3), label("birch", 0)]);
    h.get_by_label("4 pictures");
    h.get_by_label("3 ash · 1 birch");
    press(&mut h, Modifiers::NONE, Key::Num2);
    let want = ["ash/1.png", "ash/2.png", "ash/3.png"].map(str::to_owned).to_vec();
    assert_eq!(decided(&mut h), Decided { decision: Decision::Label("birch".to_owned()), pictures: want });
    press(&mut h, Modifiers::NONE, Key::V);
    assert_eq!(decided(&mut h).decision, Decision::Split(Split::Val));
    press(&mut h, Modifiers::NONE, Key::Delete);
    let all = decided(&mut h);
    assert_eq!((all.decision, all.pictures.len()), (Decision::Exclude, 4));
}

#[test]
fn the_keyboard_alone_moves_selects_and_clears() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state);
    press(&mut h, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(selected(&h), [label("ash", 0)], "the first on the screen");
    press(&mut h, Modifiers::NONE, Key::ArrowRight);
    press(&mut h, Modifiers::SHIFT, Key::ArrowRight);
    assert_eq!(selected(&h), [label("ash", 1), label("ash", 2)]);
    press(&mut h, Modifiers::NONE, Key::End);
    assert_eq!(selected(&h), [label("cedar", 7)]);
    press(&mut h, Modifiers::COMMAND, Key::A);
    h.get_by_label("24 pictures");
    press(&mut h, Modifiers::NONE, Key::Escape);
    assert_eq!(selected(&h), [""; 0]);
    // Typing is not deciding.
    h.get_by_role(egui::Role::TextInput).focus();
    h.run_steps(2);
    h.get_by_role(egui::Role::TextInput).type_text("birch/1");
    h.run_steps(3);
    h.get_by_label("1 of 24 shown");
    assert!(h.query_by_label(&label("ash", 0)).is_none());
    assert!(!h.state().actions.iter().any(|a| matches!(a, Action::Decide(_))));
}

/// Presses at one place, goes to another in steps, and lets go.
fn drag(h: &mut Harness<'_, Desk>, from: Pos2, to: Pos2) {
    h.drag_at(from);
    h.run_steps(2);
    for t in [0.2, 0.6, 1.0] {
        h.hover_at(from.lerp(to, t));
        h.run_steps(2);
    }
    h.drop_at(to);
    h.run_steps(3);
}

#[test]
fn a_selection_is_dragged_onto_a_class_and_onto_the_bar() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state);
    click(&mut h, &label("ash", 0), Modifiers::NONE);
    click(&mut h, &label("ash", 1), Modifiers::COMMAND);
    let from = h.get_by_label(&label("ash", 1)).rect().center();
    let class = h.get_by_label("Class cedar: 6 training, 2 validation").rect().center();
    drag(&mut h, from, class);
    let want = ["ash/0.png", "ash/1.png"].map(str::to_owned).to_vec();
    assert_eq!(decided(&mut h), Decided { decision: Decision::Label("cedar".to_owned()), pictures: want });
    // One that is not selected is carried alone.
    let from = h.get_by_label(&label("birch", 2)).rect().center();
    h.drag_at(from);
    h.run_steps(2);
    h.hover_at(from + vec2(20.0, 20.0));
    h.run_steps(3);
    let bar = h.get_by_label("Drop on validation").rect().center();
    h.hover_at(bar);
    h.run_steps(2);
    h.drop_at(bar);
    h.run_steps(3);
    let want = vec!["birch/2.png".to_owned()];
    assert_eq!(decided(&mut h), Decided { decision: Decision::Split(Split::Val), pictures: want });
    assert!(h.query_by_label("Drop on validation").is_none());
}

#[test]
fn a_class_stays_where_it_is_while_a_picture_is_dragged_to_it() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state);
    let from = h.get_by_label(&label("ash", 1)).rect().center();
    let class = h.get_by_label("Class cedar: 6 training, 2 validation").rect();
    drag(&mut h, from, class.center());
    let want =
        Decided { decision: Decision::Label("cedar".to_owned()), pictures: vec!["ash/1.png".to_owned()] };
    assert_eq!(decided(&mut h), want);
    h.run_steps(3);
    let moved = h.get_by_label("Class cedar: 6 training, 2 validation").rect();
    assert!(moved.top() > class.top() + 100.0, "its panel opens once it is let go");
}

#[test]
fn findings_come_before_a_long_list_of_classes() {
    let above = |more: usize| {
        let (_dir, mut state) = open(Screen::Data);
        let mut found = (*state.preflight.take().unwrap()).clone();
        found.dataset.classes.extend((0..more).map(|n| format!("other {n}")));
        state.preflight = Some(Arc::new(found));
        let h = window(state);
        h.get_by_label("Worth a look").rect().top()
            < h.get_by_label("Class ash: 6 training, 2 validation").rect().top()
    };
    assert_eq!([above(0), above(60)], [false, true]);
}

#[test]
fn a_band_drawn_on_the_ground_selects_what_it_touches() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state);
    let first = h.get_by_label(&label("ash", 0)).rect();
    let fourth = h.get_by_label(&label("ash", 3)).rect();
    drag(&mut h, first.left_top() + vec2(4.0, -12.0), fourth.center());
    assert_eq!(selected(&h), (0..4).map(|n| label("ash", n)).collect::<Vec<_>>());
    let below = first.left_top() + vec2(200.0, -12.0);
    h.hover_at(below);
    h.drag_at(below);
    h.drop_at(below);
    h.run_steps(3);
    assert_eq!(selected(&h), [""; 0], "a click on the ground");
}

#[test]
fn order_and_zoom_change_what_lies_where() {
    let (_dir, mut state) = open(Screen::Data);
    let preflight = Arc::make_mut(state.preflight.as_mut().unwrap());
    let size = |i: u32| PictureSize { width: 300 - i, height: 240, bytes: 1 };
    preflight.sizes = (0..24).map(size).collect();
    let mut h = window(state);
    let before = h.get_by_label(&label("ash", 0)).rect();
    press(&mut h, Modifiers::NONE, Key::Plus);
    assert!(h.get_by_label(&label("ash", 0)).rect().width() > before.width());
    // A size that has come to rest is remembered.
    h.run_steps(60);
    assert!(h.state().actions.contains(&Action::RememberThumbnailSize(130)), "{:?}", h.state().actions);
    h.get_by_label("The order of the pictures").click();
    h.run_steps(3);
    h.get_by_label("By pixels").click();
    h.run_steps(3);
    let (first, last) =
        (h.get_by_label(&label("cedar", 7)).rect(), h.get_by_label(&label("cedar", 6)).rect());
    assert!(first.left() < last.left() && first.top() == last.top());
    click(&mut h, "Smallest first", Modifiers::NONE);
    assert!(h.get_by_label(&label("ash", 0)).rect().left() < h.get_by_label(&label("ash", 1)).rect().left());
}

#[test]
fn a_divided_sequence_can_be_kept_together_with_one_click() {
    let (_dir, mut state) = open(Screen::Data);
    let preflight = Arc::make_mut(state.preflight.as_mut().unwrap());
    preflight.findings[1].offer = Some(Offer::KeepGroups);
    let mut kept = state.clone();
    let mut h = window(state);
    h.get_by_label("Keep groups together").click();
    h.run_steps(3);
    let want = DataConfig { split: SplitKind::Grouped, ..h.state().state.config.data.clone() };
    assert_eq!(h.state().actions, [Action::DivideAnew(Box::new(want.clone()))]);
    kept.config.data = want;
    let h = window(kept);
    assert!(h.query_by_label("Keep groups together").is_none(), "they are kept together already");
}

fn with_labels(state: &mut AppState) {
    let preflight = Arc::make_mut(state.preflight.as_mut().unwrap());
    preflight.dataset.layout = Layout::LabelFile;
    preflight.dataset.labels = Some(LabelFile {
        path: "/home/ada/leaves/trees.csv".into(),
        label_column: "species".to_owned(),
        group_column: Some("tree".to_owned()),
        groups: Arc::default(),
        parts: Arc::default(),
        findings: Vec::new(),
    });
}

#[test]
fn a_label_file_is_named_chosen_and_let_go() {
    let (_dir, mut state) = open(Screen::Data);
    let mut h = window(state.clone());
    assert!(h.query_by_label_contains("Labels from").is_none());
    click(&mut h, "Choose a label file…", Modifiers::NONE);
    assert_eq!(h.state().actions, [Action::Pick(Pick::LabelFile)]);

    with_labels(&mut state);
    let h = window(state.clone());
    h.get_by_label("Labels from trees.csv, column \"species\"");
    assert!(h.query_by_label("Without this file").is_none(), "it was found, not chosen");
    state.config.data.labels = Some("/home/ada/leaves/trees.csv".into());
    let preflight = Arc::make_mut(state.preflight.as_mut().unwrap());
    preflight.findings[1].offer = Some(Offer::KeepLabelGroups);
    let mut h = window(state);
    click(&mut h, "Without this file", Modifiers::NONE);
    click(&mut h, "Keep groups together", Modifiers::NONE);
    let [Action::UseLabels(None), Action::DivideAnew(config)] = h.state().actions.as_slice() else {
        panic!("{:?}", h.state().actions);
    };
    assert_eq!((config.split, config.group_by), (SplitKind::Grouped, GroupBy::Csv));
}

#[test]
fn the_path_of_a_label_file_can_be_typed() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state);
    assert!(h.query_by_label("Path of a label file").is_none());
    click(&mut h, "Type its path", Modifiers::NONE);
    h.get_by_label("Path of a label file").focus();
    h.run_steps(2);
    h.get_by_label("Path of a label file").type_text("/home/ada/trees.csv");
    h.run_steps(2);
    press(&mut h, Modifiers::NONE, Key::Enter);
    assert_eq!(h.state().actions, [Action::UseLabels(Some("/home/ada/trees.csv".into()))]);
    assert!(h.query_by_label("Path of a label file").is_none(), "it is done");
}

#[test]
fn a_folder_without_classes_can_be_given_a_label_file() {
    let (_dir, open) = open(Screen::Data);
    let error = Error::input("no class folder with pictures was found");
    let mut state = AppState { screen: Screen::Data, data_error: Some(error), ..AppState::default() };
    let h = window(state.clone());
    assert!(h.query_by_label("Choose a label file…").is_none(), "nobody knows of which folder");
    state.refused = open.project.map(Box::new);
    let mut h = window(state);
    click(&mut h, "Choose a label file…", Modifiers::NONE);
    assert_eq!(h.state().actions, [Action::Pick(Pick::LabelFile)]);
}

/// What has the keyboard's focus, as a screen reader is told: what is active within it goes before it.
fn told(h: &Harness<'_, Desk>) -> (String, String) {
    let focused = h.root().children_recursive().find(|n| n.accesskit_node().is_focused()).expect("a focus");
    let node = focused.accesskit_node();
    (node.label().unwrap_or_default(), node.description().unwrap_or_default())
}

#[test]
fn the_picture_that_the_arrows_reach_is_told_and_so_is_an_enlarged_one() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state);
    press(&mut h, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(told(&h), (label("ash", 0), "ash".to_owned()));
    press(&mut h, Modifiers::NONE, Key::End);
    assert_eq!(told(&h), (label("cedar", 7), "cedar".to_owned()));
    let gallery = h.get_by_label_contains("Gallery: ");
    assert_eq!(gallery.accesskit_node().value().as_deref(), Some("cedar/7.png, cedar, validation"));
    press(&mut h, Modifiers::NONE, Key::Enter);
    assert_eq!(told(&h).0, "Enlarged picture cedar/7.png");
    press(&mut h, Modifiers::NONE, Key::Escape);
    press(&mut h, Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(told(&h), (label("cedar", 6), "cedar".to_owned()), "the focus is back in the gallery");
}

#[test]
fn keys_decide_about_the_picture_that_is_enlarged() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state);
    click(&mut h, &label("ash", 0), Modifiers::NONE);
    click(&mut h, &label("ash", 3), Modifiers::SHIFT);
    press(&mut h, Modifiers::NONE, Key::Enter);
    press(&mut h, Modifiers::NONE, Key::ArrowLeft);
    for (key, decision) in [
        (Key::Num2, Decision::Label("birch".to_owned())),
        (Key::V, Decision::Split(Split::Val)),
        (Key::Delete, Decision::Exclude),
    ] {
        press(&mut h, Modifiers::NONE, key);
        let one = Decided { decision, pictures: vec!["ash/2.png".to_owned()] };
        assert_eq!(decided(&mut h), one, "of those selected only the one on show");
        assert!(h.state().actions.is_empty());
    }
}

#[test]
fn enter_shows_a_picture_alone_and_arrows_lead_on() {
    let (_dir, state) = open(Screen::Data);
    let mut h = window(state);
    click(&mut h, &label("ash", 0), Modifiers::NONE);
    press(&mut h, Modifiers::NONE, Key::Enter);
    h.get_by_label("Enlarged picture ash/0.png");
    press(&mut h, Modifiers::NONE, Key::ArrowRight);
    h.get_by_label("Enlarged picture ash/1.png");
    press(&mut h, Modifiers::NONE, Key::Escape);
    assert!(h.query_by_label_contains("Enlarged picture").is_none());
    assert_eq!(selected(&h), [label("ash", 1)]);
    press(&mut h, Modifiers::NONE, Key::Enter);
    h.get_by_label("Enlarged picture ash/1.png");
}
