//! Pictures whose label is doubtful, to be decided one by one with the keyboard.

use super::judge::BACK;
use super::{beside, tile};
use crate::data::{Dataset, Decision, DecisionChanges};
use crate::engine::features::suspects::Suspect;
use crate::error::{part_of, thousands};
use crate::session::Analysis;
use crate::ui::icons::Icon;
use crate::ui::shell::comparison_words;
use crate::ui::state::{JobKind, file_name};
use crate::ui::theme::{Palette, section_style, space};
use crate::ui::views::train::words::{count, sentence};
use crate::ui::views::{ViewContext, decide};
use crate::ui::widgets::picture_grid::{self, Tile, staged_picture};
use crate::ui::widgets::{
    caption, class_dot, empty_state, is_behind_question, link_button, primary_button, progress_bar,
    secondary_button,
};
use crate::ui::{Action, AppState};
use egui::{Event, Key, Label, Modifiers, Rect, RichText, Ui, UiBuilder, pos2, vec2};
use std::collections::VecDeque;

/// Draws the tab into the space left.
pub(super) fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let (Some(analysis), Some(data)) = (state.analysis(), state.judged_dataset()) else {
        return not_compared(ui, state, "Labels that may be wrong", actions);
    };
    one_key_a_frame(ui, &mut cx.evaluate.keys);
    let open = undecided(analysis, data, &state.deciding);
    headline(ui, state, (analysis, data), open.len(), actions);
    if open.is_empty() {
        let body = "No picture's label is left in doubt. Decisions count from the next run on";
        return empty_state(ui, Icon::CircleCheck, "Nothing to decide", body, |_| {});
    }
    let at = cx.evaluate.suspect.min(open.len() - 1);
    cx.evaluate.suspect = at;
    let all = ui.available_rect_before_wrap();
    let middle = all.right() - beside(all.width());
    let left = Rect::from_min_max(all.min, pos2(middle, all.max.y));
    let right = Rect::from_min_max(pos2((middle + space::XL).min(all.max.x), all.min.y), all.max);
    ui.scope_builder(UiBuilder::new().max_rect(left), |ui| grid(ui, analysis, &open, cx));
    ui.scope_builder(UiBuilder::new().max_rect(right), |ui| {
        one(ui, (analysis, data), open[at], cx, actions);
    });
    ui.advance_cursor_after_rect(all);
    if cx.evaluate.enlarged.is_none() && cx.evaluate.visiting.is_none() {
        arrows(ui, open.len(), left.width(), cx);
    }
}

/// Doubtful pictures about which nothing was decided since. What is decided leaves the list at once, before that is `written`: the
/// next key is about the next picture.
fn undecided<'a>(
    analysis: &'a Analysis,
    data: &Dataset,
    written: &VecDeque<Vec<String>>,
) -> Vec<&'a Suspect> {
    let decided = |s: &&Suspect| {
        let rel = analysis.pictures.get(s.picture).map(|p| p.rel.as_str());
        let verdict = rel.and_then(|rel| data.verdicts.of(rel));
        let coming = || rel.is_some_and(|rel| written.iter().flatten().any(|picture| picture == rel));
        verdict.is_some_and(|v| v.excluded || v.label.is_some()) || coming()
    };
    analysis.suspects.iter().filter(|s| !decided(s)).collect()
}

/// Leaves the first of the keys that were pressed, and holds those after it for the next frames: each is about the picture that is on
/// show once those before it have done what they do, also where a slow frame brings several.
fn one_key_a_frame(ui: &Ui, held: &mut VecDeque<Event>) {
    let elsewhere = is_behind_question(ui) || ui.memory(|m| m.focused().is_some());
    ui.input_mut(|i| {
        if elsewhere {
            return held.clear();
        }
        let plain = |e: &Event| matches!(e, Event::Key { pressed: true, modifiers: Modifiers::NONE, .. });
        held.extend(i.events.iter().filter(|e| plain(e)).cloned());
        i.events.retain(|e| !plain(e));
        i.events.extend(held.pop_front());
    });
    if !held.is_empty() {
        ui.ctx().request_repaint();
    }
}

/// What stands where the pictures were not compared yet.
pub(super) fn not_compared(ui: &mut Ui, state: &AppState, title: &str, actions: &mut Vec<Action>) {
    if let Some(job) = state.job_of(&JobKind::Analyse) {
        let body = match job.started_s {
            None => "Comes after what runs now".to_owned(),
            Some(_) => sentence(&comparison_words(state, job)),
        };
        let done = job.progress.map_or(0.0, |(done, total)| done as f32 / total.max(1) as f32);
        return empty_state(ui, Icon::ScanSearch, "Comparing the pictures", &body, |ui| {
            progress_bar(ui, done, vec2(240.0, 6.0));
        });
    }
    let Some(data) = state.judged_dataset().filter(|_| state.judged_model().is_some()) else {
        if let Some(run) = state.run_behind() {
            let body = "What is on show is of other pictures than those that the run was trained on";
            return empty_state(ui, Icon::ScanSearch, title, body, |ui| {
                if primary_button(ui, BACK).clicked() {
                    actions.push(Action::ShowRun(run.to_path_buf()));
                }
            });
        }
        let body = "Open the pictures that this run was trained on to compare them";
        return empty_state(ui, Icon::ScanSearch, title, body, |_| {});
    };
    if state.comparison_is_kept() {
        actions.push(Action::Analyse);
        return empty_state(
            ui,
            Icon::ScanSearch,
            title,
            "Reading what comparing the pictures has shown",
            |_| {},
        );
    }
    let body = format!(
        "Runs all {} through this run's model once. Shows which labels are doubtful, where each picture lies among the others, \
         and, under Predict, which new pictures are unlike anything in training",
        count(data.samples.len(), "picture", "pictures")
    );
    empty_state(ui, Icon::ScanSearch, title, &body, |ui| {
        if primary_button(ui, "Compare the pictures").clicked() {
            actions.push(Action::Analyse);
        }
        if let Some(why) = &state.insight.analysis_error {
            let bad = Palette::of(ui).bad;
            ui.add(Label::new(RichText::new(sentence(&why.to_string())).color(bad)).wrap());
        }
    });
}

fn headline(
    ui: &mut Ui,
    state: &AppState,
    (analysis, data): (&Analysis, &Dataset),
    open: usize,
    actions: &mut Vec<Action>,
) {
    let (all, found) = (analysis.looked_at, analysis.suspects.len());
    ui.horizontal(|ui| {
        let words = format!("{} of {} pictures", count(found, "doubtful label", "doubtful labels"), thousands(all));
        ui.label(RichText::new(words).text_style(section_style())).on_hover_text(
            "Confident learning: models that have not seen a picture are surer of another class than they usually are where that \
             class is right",
        );
        if open < found {
            caption(ui, format!("{} decided", found - open));
        }
        let again = link_button(ui, "Compare again");
        let idle = state.job_of(&JobKind::Analyse).is_none();
        if again.on_hover_text("Look again, with what you have decided since").clicked() && idle {
            actions.push(Action::Analyse);
        }
    });
    caveat(ui, analysis);
    caption(ui, labels_words(data.verdicts.changes_since(&analysis.verdicts)));
    caption(
        ui,
        "The most doubtful first. Keys: 1 to 9 for the class, Delete to leave it out, Enter if the label is right",
    );
    ui.add_space(space::S);
}

/// Which labels were compared: those of now, or those before `since`.
fn labels_words(since: DecisionChanges) -> String {
    // A label is doubted by what the other pictures are labelled, and which of them there are.
    match since.labelled + since.left_out + since.taken_back {
        0 => "Compared by the labels as they are now".to_owned(),
        n => format!("Compared by the labels before {} since", count(n, "decision", "decisions")),
    }
}

/// How good the classifiers behind the doubts are; a warning where they are not good enough.
fn caveat(ui: &mut Ui, analysis: &Analysis) {
    let (right, all) = (analysis.right, analysis.looked_at);
    let share = analysis.out_of_fold_accuracy();
    let tested = match analysis.pictures.len() - all {
        0 => String::new(),
        n => format!(" · {} not looked at", count(n, "test picture", "test pictures")),
    };
    let words = format!(
        "Classifiers that had not seen the picture named its class: {share:.3} · {}{tested}",
        part_of(right, all)
    );
    if analysis.doubts_too_much() {
        let text = format!("{words}. So few that many of these labels may be right");
        let warn = Palette::of(ui).warn;
        ui.add(Label::new(RichText::new(text).small().color(warn)).wrap());
    } else {
        caption(ui, words);
    }
}

fn class_of(analysis: &Analysis, class: usize) -> &str {
    analysis.classes.get(class).map_or("?", String::as_str)
}

fn grid(ui: &mut Ui, analysis: &Analysis, open: &[&Suspect], cx: &mut ViewContext) {
    let selected = cx.evaluate.suspect;
    let wanted = tile(ui.available_width());
    let clicked = picture_grid::show(ui, &mut cx.thumbnails, (open.len(), wanted), |i| {
        let s = open[i];
        let rel = analysis.pictures.get(s.picture).map_or("", |p| p.rel.as_str());
        let (given, suggested) = (class_of(analysis, s.given), class_of(analysis, s.suggested));
        Tile {
            path: analysis.root.join(rel),
            name: format!("{rel}: labelled {given}, probably {suggested}, {:.3} sure", s.probability),
            title: format!("{suggested} {:.3}?", s.probability),
            detail: format!("labelled {given}"),
            selected: i == selected,
        }
    });
    if let Some(i) = clicked {
        cx.evaluate.suspect = i;
    }
}

/// The selected one, with what can be decided.
fn one(
    ui: &mut Ui,
    (analysis, data): (&Analysis, &Dataset),
    suspect: &Suspect,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let Some(picture) = analysis.pictures.get(suspect.picture) else { return };
    let path = analysis.root.join(&picture.rel);
    let side = ui.available_width();
    let height = (side * 0.8).min((ui.available_height() - 260.0).max(96.0));
    let name = format!("Doubtful picture {}", picture.rel);
    staged_picture(ui, &mut cx.thumbnails, &path, vec2(side, height), &name);
    ui.add(Label::new(RichText::new(file_name(&path)).small()).truncate());
    ui.add_space(space::S);
    for (what, class, words) in [
        ("Labelled", suspect.given, String::new()),
        ("Probably", suspect.suggested, format!(" · probability {:.3}", suspect.probability)),
    ] {
        ui.horizontal(|ui| {
            caption(ui, what);
            class_dot(ui, class);
            ui.label(format!("{}{words}", class_of(analysis, class)));
        });
    }
    ui.add_space(space::S);
    let (given, suggested) = (class_of(analysis, suspect.given), class_of(analysis, suspect.suggested));
    ui.horizontal_wrapped(|ui| {
        let change = primary_button(ui, format!("It is {suggested}"));
        if change.on_hover_text("Give it this class. The file stays in its folder").clicked() {
            actions.push(decide::about(Decision::Label(suggested.to_owned()), &picture.rel));
        }
        let right = secondary_button(ui, format!("{given} is right"));
        let enter = cx.evaluate.visiting.is_none() && pressed(ui, Key::Enter);
        if right.on_hover_text("Keep the label, and do not ask again · Enter").clicked() || enter {
            actions.push(decide::about(Decision::Label(given.to_owned()), &picture.rel));
        }
        if link_button(ui, "Open").on_hover_text("Large, with what the network looks at").clicked() {
            cx.evaluate.visiting = Some(picture.rel.clone());
        }
    });
    ui.add_space(space::S);
    if cx.evaluate.visiting.is_none() {
        decide::controls(ui, data, &picture.rel, actions);
    }
}

fn pressed(ui: &Ui, key: Key) -> bool {
    // A button that has the keyboard's focus is pressed by Enter.
    let free = ui.memory(|m| m.focused().is_none());
    free && ui.input_mut(|i| i.consume_key(Modifiers::NONE, key))
}

/// Arrow keys go through the grid.
fn arrows(ui: &Ui, count: usize, width: f32, cx: &mut ViewContext) {
    if ui.memory(|m| m.focused().is_some()) {
        return;
    }
    let (columns, _) = picture_grid::columns(width - space::S, tile(width));
    let at = &mut cx.evaluate.suspect;
    ui.input_mut(|i| {
        if i.consume_key(Modifiers::NONE, Key::ArrowLeft) {
            *at = at.saturating_sub(1);
        }
        if i.consume_key(Modifiers::NONE, Key::ArrowRight) {
            *at = (*at + 1).min(count - 1);
        }
        if i.consume_key(Modifiers::NONE, Key::ArrowUp) && *at >= columns {
            *at -= columns;
        }
        if i.consume_key(Modifiers::NONE, Key::ArrowDown) && *at + columns < count {
            *at += columns;
        }
    });
}
