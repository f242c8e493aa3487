//! The Evaluate screen, drawn from hand-made states and worked by accessible names.
#![cfg(feature = "gui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ui_states;

use egui::Key;
use egui_kittest::kittest::Queryable;
use headstart::data::{Decided, Decision, Decisions, Step};
use headstart::engine::Analysis;
use headstart::ui::state::{EvaluateTab, Selection};
use headstart::ui::views::evaluate::curves::CurveOf;
use headstart::ui::{Action, AppState, Screen};
use std::sync::Arc;
use ui_states::{SIZE, judged, settle, window};

#[test]
fn without_an_evaluation_it_says_how_to_get_one() {
    let mut h = window(AppState { screen: Screen::Evaluate, ..AppState::default() }, SIZE, true);
    h.get_by_label("Nothing to judge yet");
    h.get_by_label("Go to Train").click();
    h.run();
    assert_eq!(h.state().actions, [Action::Go(Screen::Train)]);
}

#[test]
fn numbers_come_with_what_they_are_of() {
    let state = judged(2, 76, None);
    let e = &state.evaluation.as_ref().unwrap().evaluation;
    let (right, all) = (e.confusion.correct(), e.confusion.total());
    let (low, high) = headstart::engine::metrics::wilson_interval(right, all);
    assert!(low < e.confusion.accuracy() && e.confusion.accuracy() < high);
    let h = window(state, SIZE, true);
    h.get_by_label(&format!("accuracy ({low:.3} to {high:.3}) · {right} of {all} · run 0003 · validation"));
    h.get_by_label(&format!("{} mistakes", all - right));
}

#[test]
fn a_click_on_a_cell_shows_its_pictures() {
    let state = judged(2, 76, None);
    let n = state.evaluation.as_ref().unwrap().evaluation.confusion.count(0, 1);
    let mut h = window(state, SIZE, true);
    h.get_by_label(&format!("true ants, predicted bees: {n} pictures")).click();
    h.run();
    assert_eq!(h.state().actions, [Action::Select(Some(Selection::Cell { truth: 0, predicted: 1 }))]);
    h.get_by_label(&format!("{n} pictures of ants taken for bees"));
    h.get_by_label("Show all mistakes").click();
    h.run();
    assert_eq!(h.state().state.selection, None);
}

#[test]
fn arrow_keys_move_the_selected_cell() {
    let mut state = judged(10, 20, None);
    state.selection = Some(Selection::Cell { truth: 3, predicted: 4 });
    let mut h = window(state, SIZE, true);
    h.get_by_label_contains("Confusion matrix of 10 classes").focus();
    h.run();
    for key in [Key::ArrowDown, Key::ArrowRight, Key::ArrowRight, Key::ArrowUp, Key::ArrowLeft] {
        h.key_press(key);
        h.run();
    }
    assert_eq!(h.state().state.selection, Some(Selection::Cell { truth: 3, predicted: 5 }));
}

#[test]
fn a_hundred_classes_are_named_where_there_are_pictures_and_can_be_clicked() {
    let state = judged(100, 8, None);
    let confusion = state.evaluation.as_ref().unwrap().evaluation.confusion.clone();
    let classes = ui_states::class_names(100);
    let (t, p) = (0..100)
        .flat_map(|t| (0..100).map(move |p| (t, p)))
        .find(|&(t, p)| t > 40 && t != p && confusion.count(t, p) > 0)
        .unwrap();
    let mut h = window(state, SIZE, true);
    let name = format!("true {}, predicted {}:", classes[t], classes[p]);
    h.get_by_label_contains(&name).click_accesskit();
    h.run();
    assert_eq!(h.state().state.selection, Some(Selection::Cell { truth: t, predicted: p }));
}

#[test]
fn a_hundred_classes_zoom_in_and_out() {
    let mut h = window(judged(100, 8, None), SIZE, true);
    let width = |h: &egui_kittest::Harness<'_, ui_states::World>| {
        h.get_by_label_contains("Confusion matrix of 100 classes").rect().width()
    };
    let whole = width(&h);
    for _ in 0..4 {
        h.get_by_label("Zoom in").click();
        h.run();
    }
    assert!(h.state().cx.evaluate.zoom != Default::default());
    h.get_by_label("Show the whole matrix").click();
    h.run();
    assert!((width(&h) - whole).abs() < 0.5);
}

#[test]
fn the_table_orders_by_a_heading_and_a_class_shows_its_pictures() {
    let mut h = window(judged(10, 20, None), SIZE, true);
    h.get_by_label("Sort by recall").click();
    h.run();
    let lowest = {
        let state = &h.state().state;
        let e = &state.evaluation.as_ref().unwrap().evaluation;
        let recall: Vec<f64> = e.confusion.per_class().iter().map(|m| m.recall).collect();
        let low = (0..10).min_by(|a, b| recall[*a].total_cmp(&recall[*b])).unwrap();
        e.classes[low].clone()
    };
    let top = |h: &egui_kittest::Harness<'_, ui_states::World>, name: &str| {
        h.get_by_role_and_label(egui::Role::Button, name).rect().top()
    };
    for other in ui_states::class_names(10) {
        assert!(top(&h, &lowest) <= top(&h, &other), "{lowest} {other}");
    }
    h.get_by_role_and_label(egui::Role::Button, &lowest).click();
    h.run();
    assert!(matches!(h.state().state.selection, Some(Selection::Class(_))));
}

#[test]
fn the_bars_of_a_class_tell_their_interval_and_show_their_pictures() {
    let mut h = window(judged(10, 20, None), SIZE, true);
    h.get_by_label("Parts of the evaluation");
    h.get_by_role_and_label(egui::Role::Tab, "Classes").click();
    h.run();
    assert_eq!(h.state().state.evaluate_tab, EvaluateTab::Classes);
    let e = h.state().state.evaluation.as_ref().unwrap().evaluation.clone();
    let (hit, all) = (e.confusion.count(3, 3), e.confusion.row_total(3));
    let (low, high) = headstart::engine::metrics::wilson_interval(hit, all);
    let recall = e.confusion.per_class()[3].recall;
    let words = format!(
        "recall of daisy: {recall:.3} · {hit} of {all} · between {low:.3} and {high:.3} with 95 % confidence"
    );
    h.get_by_label(&words).click();
    h.run();
    assert_eq!(h.state().state.selection, Some(Selection::Class(3)));
    h.get_by_label(&format!("{all} pictures of daisy"));
    h.get_by_label_contains("precision of daisy: ").click();
    h.run();
    assert_eq!(h.state().state.selection, Some(Selection::PredictedAs(3)));
    h.get_by_label("Sort by f1").click();
    h.run();
    let top = |h: &egui_kittest::Harness<'_, ui_states::World>, class: usize| {
        h.get_by_label_contains(&format!("F1 of {}: ", e.classes[class])).rect().top()
    };
    let f1: Vec<f64> = e.confusion.per_class().iter().map(|m| m.f1).collect();
    let worst = (0..10).min_by(|a, b| f1[*a].total_cmp(&f1[*b])).unwrap();
    assert!((0..10).all(|class| top(&h, worst) <= top(&h, class)), "{worst}");
}

/// A window on a tab.
fn on_tab(tab: EvaluateTab, classes: usize) -> egui_kittest::Harness<'static, ui_states::World> {
    let mut state = judged(classes, 30, None);
    state.evaluate_tab = tab;
    window(state, SIZE, true)
}

#[test]
fn a_point_of_a_curve_shows_the_pictures_that_its_threshold_adds_and_all_above_it() {
    let mut h = on_tab(EvaluateTab::Curves, 10);
    let e = h.state().state.evaluation.as_ref().unwrap().evaluation.clone();
    let analysis = Analysis::of(&e);
    let mean = analysis.macro_mean.average_precision.unwrap();
    h.get_by_label_contains(&format!(
        "Precision and recall: mean average precision (AP) {mean:.3}, 10 classes"
    ));
    h.get_by_role_and_label(egui::Role::Button, "daisy").click();
    h.run();
    assert_eq!(h.state().cx.evaluate.curve, Some(CurveOf::Class(3)));
    h.get_by_label_contains("ROC: mean area under the curve").focus();
    h.run();
    for key in [Key::ArrowRight, Key::ArrowRight, Key::ArrowRight, Key::ArrowLeft, Key::Enter] {
        h.key_press(key);
        h.run();
    }
    let (low, high) = (analysis.classes[3].points[1].threshold, analysis.classes[3].points[0].threshold);
    let wanted = Selection::Scored { class: Some(3), low, high };
    assert_eq!(h.state().state.selection, Some(wanted));
    let within = e.predictions.iter().filter(|p| (low..high).contains(&p.probabilities[3])).count();
    h.get_by_label_contains(&format!("{within} picture"));
    h.get_by_label(&format!("All from {low:.3} on")).click();
    h.run();
    let at_least = e.predictions.iter().filter(|p| p.probabilities[3] >= low).count();
    h.get_by_label(&format!("{at_least} pictures with at least {low:.3} for daisy"));
    // The pointer finds the nearest point.
    let ground = h.get_by_label_contains("ROC: mean area under the curve").rect();
    h.hover_at(ground.left_top() + egui::vec2(3.0, 3.0));
    h.run();
    h.get_by_label_contains("daisy, from a probability of");
}

#[test]
fn the_bars_of_the_confidence_show_their_pictures() {
    let mut h = on_tab(EvaluateTab::Confidence, 2);
    let e = h.state().state.evaluation.as_ref().unwrap().evaluation.clone();
    let calibration = Analysis::of(&e).calibration;
    h.get_by_label(&format!("Reliability: expected calibration error {:.3}", calibration.error));
    let at = calibration.bins.iter().position(|b| b.wrong > 1 && b.right > 1).unwrap();
    let bin = calibration.bins[at];
    let ends = format!("{:.2} to {:.2} sure: ", bin.low, bin.high);
    h.get_by_label(&format!("{ends}{} pictures are wrong", bin.wrong)).click();
    h.run();
    assert_eq!(h.state().state.selection, Some(Selection::Confidence { bin: at, right: Some(false) }));
    h.get_by_label(&format!("{} pictures {:.2} to {:.2} sure, wrong", bin.wrong, bin.low, bin.high));
    let (right, all) = (bin.right, bin.count());
    h.get_by_label_contains(&format!("{ends}{:.3} right · {right} of {all}", right as f64 / all as f64))
        .click();
    h.run();
    h.get_by_label(&format!("{all} pictures {:.2} to {:.2} sure", bin.low, bin.high));
}

#[test]
fn confused_pairs_and_losses_show_their_pictures() {
    let mut h = on_tab(EvaluateTab::Worst, 10);
    let e = h.state().state.evaluation.as_ref().unwrap().evaluation.clone();
    let analysis = Analysis::of(&e);
    let pair = analysis.pairs[0];
    let (a, b) = (&e.classes[pair.a], &e.classes[pair.b]);
    h.get_by_label_contains(&format!("{a} and {b}: {} mistakes (", pair.mistakes())).click();
    h.run();
    assert_eq!(h.state().state.selection, Some(Selection::Pair { a: pair.a, b: pair.b }));
    h.get_by_label(&format!("{} pictures: {a} and {b} mixed up", pair.mistakes()));
    let worst = &e.predictions[analysis.by_loss[1]];
    h.get_by_label_contains(&format!("Loss {:.3}: {}", worst.loss(), worst.rel)).click();
    h.run();
    h.run();
    assert_eq!(h.state().state.selection, Some(Selection::Losses));
    h.get_by_label(&format!("Enlarged picture {}", worst.rel));
}

#[test]
fn a_picture_is_enlarged_with_all_probabilities_and_escape_closes_it() {
    let mut h = window(judged(2, 76, None), SIZE, true);
    h.get_all_by_label_contains("true ants, predicted bees, ").next().unwrap().click();
    h.run();
    h.get_by_label_contains("Enlarged picture val/");
    h.get_by_label_contains("ants: probability ");
    h.get_by_label_contains("bees: probability ");
    h.key_press(Key::Escape);
    h.run();
    assert!(h.query_by_label_contains("Enlarged picture").is_none());
}

#[test]
fn what_a_picture_shows_and_whether_it_counts_is_decided_where_it_is_enlarged() {
    let mut state = judged(2, 76, None);
    let rel = "Val/0.jpg";
    let evaluation = Arc::make_mut(&mut state.evaluation.as_mut().unwrap().evaluation);
    let at = evaluation.predictions.iter().position(|p| (p.truth, p.predicted) == (0, 1)).unwrap();
    rel.clone_into(&mut evaluation.predictions[at].rel);
    assert_eq!(state.dataset().unwrap().position(rel), Some(244));
    let mut h = window(state, SIZE, true);
    h.get_by_label_contains(&format!("{rel}: true ants, predicted bees")).click();
    h.run();
    // Without what the enlarged picture asks of the model.
    let asked = |h: &egui_kittest::Harness<'_, ui_states::World>| -> Vec<Action> {
        let other = |a: &&Action| !matches!(a, Action::Explain { .. });
        h.state().actions.iter().filter(other).cloned().collect()
    };
    let about = |decision| Action::Decide(Decided { decision, pictures: vec![rel.to_owned()] });
    h.get_by_label("Leave out").click_accesskit();
    h.run();
    assert_eq!(asked(&h), [about(Decision::Exclude)]);
    for (key, decision) in [(Key::Num2, Decision::Label("bees".to_owned())), (Key::Delete, Decision::Exclude)]
    {
        h.state_mut().actions.clear();
        h.key_press(key);
        h.run();
        assert_eq!(asked(&h), [about(decision)], "{key:?}");
    }
    // What was decided shows, and can be taken back.
    let decisions: Decisions = match about(Decision::Exclude) {
        Action::Decide(decided) => [Step::Decided(decided)].into_iter().collect(),
        _ => unreachable!(),
    };
    let state = &mut h.state_mut().state;
    state.preflight = Some(state.preflight.take().unwrap().decided(&decisions.verdicts()).unwrap());
    state.decisions = decisions;
    h.run();
    h.state_mut().actions.clear();
    h.get_by_label("Put it back").click_accesskit();
    h.run();
    assert_eq!(asked(&h), [about(Decision::Include)]);
    h.key_press(Key::Escape);
    h.run();
    h.state_mut().actions.clear();
    h.get_by_label_contains("Undo: leave out 0.jpg").click();
    h.run();
    assert_eq!(asked(&h), [Action::Undo]);
}

#[test]
#[ignore = "needs a Vulkan adapter (lavapipe)"]
fn snapshots() {
    let dir = tempfile::tempdir().unwrap();
    let mut results = egui_kittest::SnapshotResults::new();
    for (classes, per_class) in [(2, 76), (10, 30), (100, 12)] {
        let root = dir.path().join(classes.to_string());
        for (dark, word) in [(true, "dark"), (false, "light")] {
            let mut h = window(judged(classes, per_class, Some(&root)), SIZE, dark);
            settle(&mut h);
            results.add(h.try_snapshot(format!("evaluate_{classes}_{word}")));
        }
    }
    let root = dir.path().join("10");
    let mut state = judged(10, 30, Some(&root));
    state.selection = Some(Selection::Cell { truth: 3, predicted: 4 });
    let mut h = window(state, [1920.0, 1080.0], true);
    settle(&mut h);
    results.add(h.try_snapshot("evaluate_10_cell_wide_dark"));
    for tab in EvaluateTab::ALL.into_iter().filter(|t| *t != EvaluateTab::Matrix) {
        let word = tab.name().to_lowercase().replace(' ', "_");
        for (classes, per_class, size, dark) in
            [(2, 76, SIZE, false), (10, 30, SIZE, true), (100, 12, [1920.0, 1080.0], true)]
        {
            let mut state = judged(classes, per_class, Some(&dir.path().join(classes.to_string())));
            state.evaluate_tab = tab;
            let mut h = window(state, size, dark);
            settle(&mut h);
            results.add(
                h.try_snapshot(format!("evaluate_{word}_{classes}_{}", if dark { "dark" } else { "light" })),
            );
        }
    }
    let root = dir.path().join("2");
    let mut h = window(judged(2, 76, Some(&root)), SIZE, false);
    h.get_all_by_label_contains("true ants, predicted bees, ").next().unwrap().click();
    settle(&mut h);
    results.add(h.try_snapshot("evaluate_enlarged_light"));
}
