//! One picture alone, with all its probabilities, what the network looks at in it, and what is like it in training.

use super::{looking, pictures};
use crate::data::Split;
use crate::error::part_of;
use crate::session::Explained;
use crate::ui::state::{Selection, ShownEvaluation, split_name};
use crate::ui::theme::{class_colour, space};
use crate::ui::thumbnails::HUGE_PX;
use crate::ui::views::{ViewContext, decide};
use crate::ui::widgets::picture_grid::enlarged_picture;
use crate::ui::widgets::probability_bars::{self, Bar};
use crate::ui::widgets::{caption, secondary_button};
use crate::ui::{Action, AppState};
use egui::{Id, Key, Label, Modal, RichText, ScrollArea, Ui, Vec2, vec2};

/// Room for what stands under the probabilities, in points: the heat map, what is alike, what can be decided, its keys.
const UNDER: f32 = 326.0;
/// Room around the picture, in points: the screen behind, and the buttons under it.
const AROUND: Vec2 = vec2(96.0, 136.0);
/// Largest side of the picture, in points: it is decoded no larger.
const LARGEST: f32 = HUGE_PX as f32;
/// Room for what stands beside the picture.
const BESIDE: f32 = 380.0;
const WIDEST: f32 = LARGEST + BESIDE;
const KEYS: &str = "Keys: 1 to 9 for the class, T, V and E for the part, Delete to leave it out";
/// Least height of the probabilities.
const LEAST: f32 = 60.0;

/// A picture that is open.
#[derive(Debug)]
struct Opened {
    rel: String,
    /// Its class, by the evaluation or by the open data set.
    class: Option<usize>,
    /// Where it stands among those behind the selection, and how many these are; nothing for one that was opened from elsewhere.
    place: Option<(usize, usize)>,
    /// By the evaluation.
    probabilities: Option<Vec<f32>>,
}

/// What stands in place of the model's answer about a test picture.
const HELD_BACK: &str = "A test picture: what the model makes of it is shown once it is judged on the test pictures, which is counted";

impl Opened {
    /// Whether it is a test picture that is not judged on this screen.
    fn is_held_back(&self, state: &AppState) -> bool {
        let sample = state.judged_dataset().and_then(|d| d.samples.get(d.position(&self.rel)?));
        self.probabilities.is_none() && sample.is_some_and(|s| s.split == Split::Test)
    }
}

/// Draws it over the screen, where one is chosen.
pub(super) fn show(
    ui: &Ui,
    state: &AppState,
    shown: &ShownEvaluation,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let Some(opened) = opened(state, shown, cx) else {
        take(Step::Close, cx);
        return;
    };
    let path = shown.data_root.join(&opened.rel);
    let held_back = opened.is_held_back(state);
    let explained = match held_back {
        true => None,
        false => looking::explained(state, &path, &cx.evaluate.looking, actions).cloned(),
    };
    let mut step = Step::Stay;
    let room = ui.ctx().content_rect().size() - AROUND;
    // Escape leads back the way that led here, one picture at a time; closing takes the key.
    let memory = &cx.evaluate;
    let leads_back = memory.visiting.is_some() && (memory.enlarged.is_some() || !memory.visited.is_empty());
    let back = leads_back && ui.input(|i| i.key_pressed(Key::Escape));
    let modal = Modal::new(Id::unique("enlarged picture")).show(ui.ctx(), |ui| {
        ui.set_width(room.x.clamp(0.0, WIDEST));
        ui.horizontal_top(|ui| {
            // The same for pictures of every shape, so that what leads to the next one stays where it is.
            let size = vec2(ui.available_width() - BESIDE, room.y.min(LARGEST)).max(Vec2::ZERO);
            let name = format!("Enlarged picture {}", opened.rel);
            let (_, place) = enlarged_picture(ui, &mut cx.thumbnails, &path, size, &name);
            if let (Some(place), Some(explained)) = (place, &explained) {
                looking::overlay(ui, place, explained, cx);
            }
            ui.add_space(space::M);
            ui.vertical(|ui| {
                let height = (size.y - UNDER).max(LEAST);
                details(ui, state, shown, &opened, (explained.as_deref(), height));
                ui.add_space(space::S);
                if held_back {
                    ui.add(Label::new(HELD_BACK).wrap());
                } else {
                    looking::controls(ui, state, &path, explained.as_ref(), &mut cx.evaluate.looking);
                    ui.add_space(space::S);
                    let root = &shown.data_root;
                    let clicked = looking::alike(ui, state, root, explained.as_ref(), (cx, actions));
                    if let Some(rel) = clicked {
                        step = Step::Visit(rel);
                    }
                }
                if let Some(data) = state.judged_dataset() {
                    ui.add_space(space::S);
                    decide::controls(ui, data, &opened.rel, actions);
                    if data.position(&opened.rel).is_some() {
                        caption(ui, KEYS);
                    }
                }
            });
        });
        ui.add_space(space::S);
        ui.horizontal(|ui| foot(ui, &opened, leads_back, &mut step));
    });
    if modal.should_close() {
        step = if back { Step::Back } else { Step::Close };
    }
    if let (Step::Stay, Some((place, _))) = (&step, opened.place) {
        cx.evaluate.enlarged = Some(place);
    }
    take(step, cx);
}

/// What leads away from a picture.
#[derive(Debug)]
enum Step {
    Stay,
    Close,
    Back,
    Go(usize),
    Visit(String),
}

fn take(step: Step, cx: &mut ViewContext) {
    let memory = &mut cx.evaluate;
    if !matches!(step, Step::Stay) {
        memory.looking.class = None;
    }
    match step {
        Step::Stay => {}
        Step::Close => {
            (memory.enlarged, memory.visiting) = (None, None);
            memory.visited.clear();
        }
        Step::Back => memory.visiting = memory.visited.pop(),
        Step::Go(place) => memory.enlarged = Some(place),
        Step::Visit(rel) => memory.visited.extend(memory.visiting.replace(rel)),
    }
}

fn opened(state: &AppState, shown: &ShownEvaluation, cx: &mut ViewContext) -> Option<Opened> {
    let predictions = &shown.evaluation.predictions;
    if let Some(rel) = cx.evaluate.visiting.clone() {
        let judged = predictions.iter().find(|p| p.rel == rel);
        let sample = state.judged_dataset().and_then(|d| d.samples.get(d.position(&rel)?));
        // Class names are the model's; the data set's are the same for the pictures that it was trained on.
        let class = judged.map(|p| p.truth).or(sample.map(|s| s.class));
        let probabilities = judged.map(|p| p.probabilities.clone());
        return Some(Opened { rel, class, place: None, probabilities });
    }
    let place = cx.evaluate.enlarged?;
    let found = cx.evaluate.found.of(shown, state.selection.unwrap_or(Selection::Mistakes));
    let prediction = found.get(place).and_then(|&i| predictions.get(i))?;
    Some(Opened {
        rel: prediction.rel.clone(),
        class: Some(prediction.truth),
        place: Some((place, found.len())),
        probabilities: Some(prediction.probabilities.clone()),
    })
}

fn foot(ui: &mut Ui, opened: &Opened, leads_back: bool, step: &mut Step) {
    if let Some((place, count)) = opened.place {
        let (left, right) = ui.input(|i| (i.key_pressed(Key::ArrowLeft), i.key_pressed(Key::ArrowRight)));
        ui.add_enabled_ui(place > 0, |ui| {
            if secondary_button(ui, "Previous").clicked() || left && place > 0 {
                *step = Step::Go(place - 1);
            }
        });
        ui.add_enabled_ui(place + 1 < count, |ui| {
            if secondary_button(ui, "Next").clicked() || right && place + 1 < count {
                *step = Step::Go(place + 1);
            }
        });
        caption(ui, part_of(place + 1, count));
    } else if leads_back && secondary_button(ui, "Back").clicked() {
        *step = Step::Back;
    }
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
        if secondary_button(ui, "Close").clicked() {
            *step = Step::Close;
        }
    });
}

fn details(
    ui: &mut Ui,
    state: &AppState,
    shown: &ShownEvaluation,
    opened: &Opened,
    (explained, height): (Option<&Explained>, f32),
) {
    let classes = &shown.evaluation.classes;
    let class = |c: usize| classes.get(c).map_or("?", String::as_str);
    let now = explained.map(|e| e.explanation.probabilities.clone());
    let ranked = opened.probabilities.clone().or(now).map(|p| pictures::ranked(&p));
    let heading = match (opened.class, ranked.as_ref().and_then(|r| r.first())) {
        (Some(truth), Some(&(predicted, _))) if truth == predicted => format!("Rightly {}", class(truth)),
        (Some(truth), Some(&(predicted, _))) => format!("{} taken for {}", class(truth), class(predicted)),
        (Some(truth), None) => class(truth).to_owned(),
        (None, _) => "Picture".to_owned(),
    };
    ui.label(RichText::new(heading).text_style(crate::ui::theme::section_style()));
    let sample = state.judged_dataset().and_then(|d| d.samples.get(d.position(&opened.rel)?));
    let part = sample.filter(|_| opened.place.is_none()).map(|s| format!(" · {}", split_name(s.split)));
    caption(ui, format!("{}{}", opened.rel, part.unwrap_or_default()));
    ui.add_space(space::S);
    let Some(ranked) = ranked else { return };
    ScrollArea::vertical().max_height(height).auto_shrink([false, true]).show(ui, |ui| {
        let bar = |(c, probability)| Bar { name: class(c).to_owned(), probability, colour: class_colour(c) };
        let bars: Vec<Bar> = ranked.into_iter().map(bar).collect();
        let width = ui.available_width() - space::S;
        probability_bars::show(ui, &bars, width);
    });
}
