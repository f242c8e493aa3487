//! The Predict screen: new pictures, each with its most probable classes.

pub mod list;
mod looking;
mod model_choice;
pub(super) mod rows;
mod undecided;

use super::ViewContext;
use crate::engine::Ranked;
use crate::error::thousands;
use crate::session::{ModelRef, UNDECIDED};
use crate::ui::actions::Pick;
use crate::ui::icons::Icon;
use crate::ui::shell::comparison_words;
use crate::ui::state::{CLASSES, EvaluateTab, JobKind, PredictedPicture, file_name};
use crate::ui::theme::{self, Palette, class_colour, space};
use crate::ui::views::train::words::{count, sentence};
use crate::ui::widgets::picture_grid::fitted_picture;
use crate::ui::widgets::probability_bars::{self, Bar};
use crate::ui::widgets::setting::{PathChoice, PathField};
use crate::ui::widgets::{
    caption, drop_down, empty_state, link_button, paint_bar, primary_button, secondary_button, section,
};
use crate::ui::{Action, AppState, Screen};
use egui::{Align, ComboBox, Label, Layout, RichText, Sense, TextEdit, Ui, WidgetInfo, vec2};
use std::path::{Path, PathBuf};

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    /// A path that is typed.
    pub path: PathField,
    /// The path of a saved model that is typed.
    pub model_path: PathField,
    /// What is looked for.
    pub filter: list::Filter,
    /// Order of the list.
    pub order: list::Order,
    /// What is on show of the list.
    listing: list::Listing,
    /// What the network looks at.
    looking: looking::Memory,
    /// What a threshold brings.
    pub undecided: undecided::Memory,
    /// The picture whose probabilities are all on show.
    pub selected: Option<PathBuf>,
}

/// Draws the screen's subject.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let pictures = state.predictions.pictures();
    if state.predict_model().is_none() {
        return no_model(ui, state, actions);
    }
    if pictures.is_empty() {
        return empty(ui, state, cx, actions);
    }
    let heading = RichText::new(count(pictures.len(), "picture", "pictures")).heading();
    // Beside the heading where there is room for both.
    if ui.available_width() < HEADING_AND_BUTTONS {
        ui.label(heading);
        ui.horizontal_wrapped(|ui| BUTTONS.iter().for_each(|b| b.show(ui, cx, actions)));
    } else {
        ui.horizontal(|ui| {
            ui.label(heading);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                BUTTONS.iter().rev().for_each(|b| b.show(ui, cx, actions));
            });
        });
    }
    update(state, cx);
    let tally = cx.predict.listing.tally;
    let job = state.job_of(&JobKind::Predict);
    let mut words = tally.while_classifying(job.and_then(|job| job.progress)).words();
    if job.is_some() {
        words.push_str(" · classifying");
    }
    caption(ui, words);
    ui.add_space(space::S);
    toolbar(ui, cx, tally);
    update(state, cx);
    ui.add_space(space::S);
    if cx.predict.listing.listed.is_empty() {
        caption(ui, "No picture matches the filter");
        return;
    }
    rows::show(ui, state, cx, actions);
}

/// What can be done with the list as a whole.
#[derive(Clone, Copy)]
enum Button {
    Add,
    AddFolder,
    Copy,
    Save,
    Clear,
}

/// In their order on the screen.
const BUTTONS: [Button; 5] = [Button::Add, Button::AddFolder, Button::Copy, Button::Save, Button::Clear];
/// Points that the buttons and a heading of some thousand pictures take side by side.
const HEADING_AND_BUTTONS: f32 = 768.0;

impl Button {
    fn show(self, ui: &mut Ui, cx: &mut ViewContext, actions: &mut Vec<Action>) {
        let (label, hover, action) = match self {
            Self::Add => ("Add pictures…", None, Action::Pick(Pick::Pictures)),
            Self::AddFolder => ("Add a folder…", None, Action::Pick(Pick::PictureFolder)),
            Self::Copy => (
                "Copy into folders…",
                Some("Copies each picture into a folder named after its class; the pictures stay"),
                Action::Pick(Pick::CopyTo),
            ),
            Self::Save => (
                "Save all as CSV…",
                Some("A table with the five most probable classes of each picture"),
                Action::Pick(Pick::PredictionsCsv),
            ),
            Self::Clear => ("Clear", Some("Empties this list; the pictures stay"), Action::ClearPredictions),
        };
        let button = match self {
            Self::Add => primary_button(ui, label),
            _ => secondary_button(ui, label),
        };
        let button = match hover {
            Some(words) => button.on_hover_text(words),
            None => button,
        };
        if button.clicked() {
            if let Self::Clear = self {
                cx.predict.selected = None;
            }
            actions.push(action);
        }
    }
}

fn update(state: &AppState, cx: &mut ViewContext) {
    let list::Listing { tally, .. } = &cx.predict.listing;
    // What cannot be seen cannot be taken back either.
    cx.predict.filter.unlike &= tally.unlike > 0;
    cx.predict.listing.update(&state.predictions, &cx.predict.filter, cx.predict.order);
}

/// Draws the settings and details beside it.
pub fn inspector(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    section(ui, "What classifies");
    model_choice::show(ui, state, &mut cx.predict.model_path, actions);
    if state.predict_model().is_some() && !state.predictions.pictures().is_empty() {
        ui.add_space(space::S);
        section(ui, "Add by path");
        // The dialogs' buttons stand over the list.
        let (name, hint) = ("Path of a picture or folder", "A picture or folder");
        let choice = cx.predict.path.show_plain(ui, name, hint);
        path_chosen(choice, cx, actions);
    }
    let pictures = state.predictions.pictures();
    let chosen = cx.predict.selected.as_ref().and_then(|path| state.predictions.picture(path));
    ui.add_space(space::S);
    match chosen {
        Some(picture) => details(ui, state, picture, (cx, actions)),
        None if !pictures.is_empty() => overview(ui, state, cx, actions),
        None => {}
    }
    if !pictures.is_empty() {
        ui.add_space(space::S);
        undecided::show(ui, state, &mut cx.predict.undecided, actions);
    }
}

fn no_model(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    let body = "Train a model first, open a saved one, or choose complete weights under Model to see ImageNet's classes";
    empty_state(ui, Icon::ScanSearch, "Nothing to classify with yet", body, |ui| {
        ui.horizontal(|ui| {
            // Two buttons, about as wide together as the text above.
            ui.add_space(((ui.available_width() - 260.0) / 2.0).max(0.0));
            if primary_button(ui, "Open a saved model…").clicked() {
                actions.push(Action::Pick(Pick::Model));
            }
            let (word, screen) = if state.preflight.is_some() {
                ("Go to Train", Screen::Train)
            } else {
                ("Go to Start", Screen::Start)
            };
            if secondary_button(ui, word).clicked() {
                actions.push(Action::Go(screen));
            }
        });
    });
}

fn empty(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let body = format!(
        "Pictures or whole folders, dropped or pasted, as many as you like. {} says what they show",
        model_choice::words(state, state.predict_model().as_ref())
    );
    empty_state(ui, Icon::ImagePlus, "Drop pictures here", &body, |ui| {
        if primary_button(ui, "Add pictures…").clicked() {
            actions.push(Action::Pick(Pick::Pictures));
        }
        ui.add_space(space::S);
        ui.allocate_ui_with_layout(vec2(460.0, 32.0), Layout::top_down(Align::Min), |ui| {
            path_field(ui, cx, actions)
        });
    });
}

fn path_field(ui: &mut Ui, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let choice = cx.predict.path.show(ui, "Path of a picture or folder", "Path of a picture or folder");
    path_chosen(choice, cx, actions);
}

fn path_chosen(choice: Option<PathChoice>, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    match choice {
        Some(PathChoice::Typed(path)) => {
            cx.predict.path.text.clear();
            actions.push(Action::Predict(vec![path]));
        }
        Some(PathChoice::Browse) => actions.push(Action::Pick(Pick::PictureFolder)),
        None => {}
    }
}

fn toolbar(ui: &mut Ui, cx: &mut ViewContext, tally: list::Tally) {
    let muted = Palette::of(ui).muted;
    ui.horizontal(|ui| {
        let field = ui.add(
            TextEdit::singleline(&mut cx.predict.filter.text)
                .hint_text(RichText::new("Filter by name or class").color(muted))
                .desired_width(240.0)
                .margin(vec2(space::S, 6.0)),
        );
        field.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, "Filter by name or class"));
        let word = list::Order::ALL.iter().find(|o| o.0 == cx.predict.order).map_or("", |o| o.1);
        let combo = ComboBox::new("order of predictions", "").width(150.0).selected_text(word);
        let list = drop_down(ui, combo, |lines| {
            for (order, word) in list::Order::ALL {
                lines.value(&mut cx.predict.order, order, word);
            }
        });
        list.accessible_name("Order of the list");
        if tally.unlike > 0 {
            let words = format!("Unlike training · {}", thousands(tally.unlike));
            let button = ui.add(egui::Button::new(words).selected(cx.predict.filter.unlike));
            if button.on_hover_text("Shows only the pictures that are unlike anything in training").clicked()
            {
                cx.predict.filter.unlike = !cx.predict.filter.unlike;
            }
        }
    });
}

fn details(
    ui: &mut Ui,
    state: &AppState,
    picture: &PredictedPicture,
    (cx, actions): (&mut ViewContext, &mut Vec<Action>),
) {
    ui.add_space(space::XS);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Picture").text_style(theme::section_style()));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if link_button(ui, "Show all").on_hover_text("Back to what was found in all pictures").clicked() {
                cx.predict.selected = None;
            }
        });
    });
    let side = ui.available_width();
    let name = format!("Enlarged picture {}", file_name(&picture.path));
    let (_, place) = fitted_picture(ui, &mut cx.thumbnails, &picture.path, vec2(side, side * 0.8), &name);
    if let Some((class, _)) = list::top(picture) {
        looking::enlarged(ui, (state, &mut cx.predict.looking), (&picture.path, class), place, actions);
    }
    ui.add(Label::new(RichText::new(picture.path.display().to_string()).small()).truncate());
    ui.add_space(space::S);
    match &picture.result {
        Some(Ok(ranked)) => probability_bars::show(ui, &bars(state, ranked, CLASSES), side),
        Some(Err(error)) => {
            ui.add(Label::new(RichText::new(sentence(&error.to_string())).color(Palette::of(ui).bad)).wrap());
        }
        None => {
            caption(ui, "Waiting for its turn");
        }
    }
}

fn overview(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    section(ui, "What was found");
    caption(ui, "Select a class to see only its pictures, a picture to see all its probabilities");
    ui.add_space(space::XS);
    update(state, cx);
    let found = &cx.predict.listing.classes;
    let filter = &mut cx.predict.filter.text;
    let most = found.first().map_or(1, |f| f.1) as f32;
    for (label, count) in found.iter().take(30) {
        ui.horizontal(|ui| {
            let selected = filter == label;
            ui.scope(|ui| {
                ui.set_width(120.0);
                let button = egui::Button::selectable(selected, label.as_str()).truncate();
                if ui.add(button).clicked() {
                    *filter = if selected { String::new() } else { label.clone() };
                }
            });
            let width = (ui.available_width() - 44.0).max(20.0);
            let (bar, _) = ui.allocate_exact_size(vec2(width, 7.0), Sense::hover());
            // What is undecided is of no class.
            let ink = if label == UNDECIDED { Palette::of(ui).muted } else { colour(state, label, 0) };
            paint_bar(ui, bar, *count as f32 / most, ink);
            ui.label(RichText::new(thousands(*count)).size(theme::type_size::CAPTION));
        });
    }
    let tally = cx.predict.listing.tally;
    let own_model = matches!(state.predict_model(), Some(ModelRef::Saved(_)));
    let answered = tally.classified + tally.undecided;
    let compared = state.checks_pictures();
    if own_model && compared && answered > tally.compared && state.job_of(&JobKind::Predict).is_none() {
        ui.add_space(space::S);
        let words = match answered - tally.compared {
            1 => "1 picture was not compared with those in training".to_owned(),
            n => format!("{} pictures were not compared with those in training", thousands(n)),
        };
        caption(ui, words);
        if link_button(ui, "Compare them now").on_hover_text("Classifies them once more").clicked() {
            actions.push(Action::CheckPictures);
        }
    } else if own_model && !compared && tally.compared == 0 && answered > 0 {
        ui.add_space(space::S);
        caption(
            ui,
            "Whether a picture is unlike anything in training is known once the run's own pictures were compared",
        );
        let of_project = |dir: &Path| state.runs.iter().any(|run| run.dir == *dir);
        match state.predict_model() {
            Some(ModelRef::Saved(dir)) if of_project(&dir) => {
                let shown = state.evaluation.as_ref().and_then(|shown| shown.run_dir.as_ref());
                match state.job_of(&JobKind::Analyse) {
                    Some(job) => drop(caption(ui, sentence(&comparison_words(state, job)))),
                    None if shown == Some(&dir) && link_button(ui, "Compare them").clicked() => {
                        // Where the pictures are not open, that tab says which to open.
                        let there = state.judged_dataset().is_some();
                        let suspects = Action::ShowEvaluateTab(EvaluateTab::Suspects);
                        actions.push(if there { Action::Analyse } else { suspects });
                    }
                    None => {}
                }
            }
            _ => {
                caption(ui, "Open the project that it was trained in, and compare them there on Evaluate");
            }
        }
    }
}

/// The first `n` classes as bars.
fn bars(state: &AppState, ranked: &Ranked, n: usize) -> Vec<Bar> {
    ranked
        .iter()
        .take(n)
        .enumerate()
        .map(|(rank, (name, probability))| Bar {
            name: name.clone(),
            probability: *probability,
            colour: colour(state, name, rank),
        })
        .collect()
}

/// The class's colour where it is one of the open pictures' or of the evaluation; of foreign classes, by their rank.
fn colour(state: &AppState, label: &str, rank: usize) -> egui::Color32 {
    let open = state.dataset().map(|d| &d.classes);
    let judged = state.evaluation.as_ref().map(|e| &e.evaluation.classes);
    let known = open.into_iter().chain(judged).find_map(|classes| classes.iter().position(|c| c == label));
    class_colour(known.unwrap_or(rank))
}
