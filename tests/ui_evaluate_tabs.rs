//! The tabs of the Evaluate screen: each mark opens the pictures behind it.
#![cfg(feature = "gui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod ui_states;

use egui::Key;
use egui_kittest::kittest::Queryable;
use headstart::data::Split;
use headstart::engine::Analysis;
use headstart::ui::Action;
use headstart::ui::actions::Pick;
use headstart::ui::state::{EvaluateTab, Selection};
use headstart::ui::views::evaluate::curves::CurveOf;
use headstart::ui::views::evaluate::matrix::MatrixOrder;
use headstart::ui::widgets::confusion_matrix::CellValue;
use std::sync::Arc;
use ui_states::{SIZE, judged, window};

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
    let roc = format!("mean area under the curve (AUC) {:.3}, 10 classes", analysis.macro_mean.auc.unwrap());
    h.get_by_label_contains(&roc).focus();
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
    let ground = h.get_by_label_contains(&roc).rect();
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
fn the_matrix_is_normalised_and_its_classes_are_moved_by_hand_and_by_keys() {
    let mut h = on_tab(EvaluateTab::Matrix, 10);
    h.get_by_role_and_label(egui::Role::RadioButton, "By column").click();
    h.get_by_role_and_label(egui::Role::RadioButton, "Similar together").click();
    h.run();
    assert_eq!(h.state().cx.evaluate.value, CellValue::ColumnShares);
    assert_eq!(h.state().cx.evaluate.order, MatrixOrder::Clustered);
    h.get_by_role_and_label(egui::Role::RadioButton, "As named").click();
    h.run();
    let row = |h: &egui_kittest::Harness<'_, ui_states::World>, class: &str| {
        h.get_by_label_contains(&format!("{class}, true class.")).rect()
    };
    let (from, to) = (row(&h, "daisy").center(), row(&h, "iguana").center());
    h.drag_at(from);
    h.run();
    h.hover_at(from + (to - from) * 0.5);
    h.run();
    h.hover_at(to);
    h.run();
    h.drop_at(to);
    h.run();
    assert_eq!(h.state().cx.evaluate.order, MatrixOrder::ByHand);
    assert_eq!(h.state().cx.evaluate.by_hand, [0, 1, 2, 4, 5, 6, 7, 8, 3, 9]);
    assert!((row(&h, "daisy").center().y - to.y).abs() < 1.0);
    // A click on a name shows its pictures; the keys move the selected cell's class.
    h.get_by_label_contains("canoe, predicted class.").click();
    h.run();
    assert_eq!(h.state().state.selection, Some(Selection::PredictedAs(2)));
    h.state_mut().state.selection = Some(Selection::Cell { truth: 3, predicted: 0 });
    h.get_by_label_contains("Confusion matrix of 10 classes").focus();
    h.run();
    h.key_press_modifiers(egui::Modifiers::ALT, Key::ArrowUp);
    h.run();
    assert_eq!(h.state().cx.evaluate.by_hand, [0, 1, 2, 4, 5, 6, 7, 3, 8, 9]);
    // The cursor goes along the order on show.
    h.key_press(Key::ArrowUp);
    h.run();
    assert_eq!(h.state().state.selection, Some(Selection::Cell { truth: 7, predicted: 0 }));
}

#[test]
fn enter_opens_the_pictures_of_the_selected_cell_and_plus_and_the_wheel_zoom() {
    let mut h = on_tab(EvaluateTab::Matrix, 100);
    let width = |h: &egui_kittest::Harness<'_, ui_states::World>| {
        h.get_by_label_contains("Confusion matrix of 100 classes").rect().width()
    };
    let whole = width(&h);
    h.state_mut().state.selection = Some(Selection::Cell { truth: 0, predicted: 0 });
    h.get_by_label_contains("Confusion matrix of 100 classes").focus();
    h.run();
    h.key_press(Key::Plus);
    h.run();
    let near = width(&h);
    assert!(near > whole * 1.2, "{whole} {near}");
    h.key_press(Key::Minus);
    h.run();
    assert!((width(&h) - whole).abs() < 0.5);
    h.key_press(Key::Enter);
    h.run();
    h.get_by_label_contains("Enlarged picture val/");
}

#[test]
fn test_pictures_are_judged_when_asked_and_it_says_how_often_they_were() {
    let mut state = judged(2, 76, None);
    assert!(state.test_pictures().is_none(), "there are none yet");
    let data = &mut Arc::make_mut(state.preflight.as_mut().unwrap()).dataset;
    data.samples.iter_mut().take(5).for_each(|s| s.split = Split::Test);
    let mut h = window(state, SIZE, true);
    h.get_by_label_contains("Test pictures, never judged yet");
    h.get_by_label("Judge on 5 test pictures").click();
    h.run();
    assert_eq!(h.state().actions, [Action::JudgeTest]);
    let shown = h.state_mut().state.evaluation.as_mut().unwrap();
    (shown.split, shown.test_judged) = (Some(Split::Test), 2);
    h.run();
    h.get_by_label_contains("Test pictures, judged twice");
    // As after another run on the same pictures.
    let shown = h.state_mut().state.evaluation.as_mut().unwrap();
    (shown.test_judged, shown.test_judged_by_others) = (0, 1);
    h.run();
    h.get_by_label_contains("Test pictures, never judged by this run, once by others. The more often");
    h.state_mut().actions.clear();
    h.get_by_label("Back to the validation pictures").click();
    h.run();
    assert!(matches!(h.state().actions.as_slice(), [Action::ShowRun(_)]));
}

#[test]
fn a_saved_model_is_judged_on_another_folder() {
    let mut h = window(judged(2, 76, None), SIZE, true);
    h.get_by_label("Another labelled folder").click();
    h.run();
    h.get_by_label("Judges run 0003");
    h.get_by_label("Another model…").click();
    h.get_by_label("Choose the folder…").click();
    h.run();
    assert_eq!(h.state().actions, [Action::Pick(Pick::JudgedModel), Action::Pick(Pick::JudgedFolder)]);
    h.state_mut().state.judged_model = Some("/models/leaves".into());
    h.run();
    h.get_by_label("Judges the saved model leaves");
}
