//! The Data screen: the pictures in the middle, classes, splits and problems beside them.

mod division;
mod drop_bar;
mod enlarged;
mod findings;
mod gallery;
mod keys;
mod panel;
mod shown;
mod toolbar;
mod zoom;

use self::shown::{Overview, Shown};
use super::ViewContext;
use crate::backbones;
use crate::config::Preprocess;
use crate::data::{Dataset, Preflight, Split};
use crate::error::{part_of, thousands};
use crate::ui::actions::Pick;
use crate::ui::icons::{self, Icon};
use crate::ui::state::gallery::{Filter, Picked, Sorting};
use crate::ui::state::{JobKind, split_name};
use crate::ui::theme::{Palette, space};
use crate::ui::views::train::words::{count, sentence};
use crate::ui::widgets::setting::PathChoice;
use crate::ui::widgets::{
    PathField, card, empty_state, icon_beside, link_button, primary_button, progress_bar, secondary_button,
};
use crate::ui::{Action, AppState};
use egui::{Align, Layout, RichText, Ui, vec2};

/// What is carried while selected pictures are dragged.
#[derive(Debug, Clone, Copy)]
struct DraggedPictures;

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    filter: Filter,
    sorting: Sorting,
    picked: Picked,
    shown: Shown,
    /// Width of a picture in points; 0 until the remembered one is known.
    tile: f32,
    tile_before: f32,
    /// Window time of the last change, in seconds.
    tile_changed_s: f64,
    /// Pictures in a row, and the place of the first one on the screen.
    columns: usize,
    first_shown: usize,
    /// A place to scroll to.
    bring_into_view: Option<usize>,
    /// The picture on show alone.
    enlarged: Option<usize>,
    /// That picture, and its place when it was opened: what is decided about it may lead it elsewhere.
    stood: Option<(usize, usize)>,
    band: Option<gallery::Band>,
    path: PathField,
    /// For the path of a label file; none until somebody wants to type one.
    labels: Option<PathField>,
    division: division::Memory,
    /// How many pictures the panel beside the gallery is about, and the first of them.
    in_panel: (usize, Option<usize>),
}

impl Memory {
    /// Shows the pictures of a finding and no others.
    pub(super) fn show_finding(&mut self, finding: usize) {
        self.filter = Filter { finding: Some(finding), ..Filter::default() };
    }
}

const SPLITS: [Split; 3] = [Split::Train, Split::Val, Split::Test];

/// Draws the pictures.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let Some(preflight) = &state.preflight else { return nothing_yet(ui, state, cx, actions) };
    cx.data.update(ui.ctx(), preflight, input_px(state));
    zoom::update(ui, state, cx, actions);
    division::ask(ui, (state, preflight), cx, actions);
    heading(ui, &preflight.dataset, &cx.data.shown.overview);
    if state.needs_unreadable_answer() {
        unreadable_question(ui, preflight, actions);
    }
    toolbar::show(ui, preflight, cx);
    ui.add_space(space::XS);
    cx.data.update(ui.ctx(), preflight, input_px(state));
    gallery::show(ui, preflight, cx, actions);
}

/// Draws classes, findings and the selected picture.
pub fn inspector(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    if let Some(preflight) = &state.preflight {
        cx.data.update(ui.ctx(), preflight, input_px(state));
        panel::show(ui, (state, preflight), cx, actions);
    }
}

/// Side of the square that the chosen network looks at, in pixels.
fn input_px(state: &AppState) -> u32 {
    let spec = backbones::find(&state.config.backbone.name);
    spec.map_or(Preprocess::IMAGENET.crop_px, |s| s.preprocess.crop_px) as u32
}

fn nothing_yet(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let job = state.jobs.iter().find(|j| matches!(j.kind, JobKind::OpenData | JobKind::WriteSample));
    if let Some(job) = job {
        let (done, total) = job.progress.unwrap_or((0, 0));
        let body = if total == 0 { "Finding the pictures".to_owned() } else { part_of(done, total) };
        empty_state(ui, Icon::Images, job.kind.words(), &body, |ui| {
            progress_bar(ui, done as f32 / total.max(1) as f32, vec2(320.0, 6.0));
        });
        return;
    }
    let (title, body) = match &state.data_error {
        Some(error) => ("This folder cannot be used", sentence(&error.to_string())),
        None => (
            "No pictures yet",
            "Open a folder with one folder for each class, or with the folders train and val (for validation) that hold them. \
             You can also drop it on this window."
                .to_owned(),
        ),
    };
    empty_state(ui, Icon::Images, title, &body, |ui| {
        if primary_button(ui, "Open a folder…").clicked() {
            actions.push(Action::Pick(Pick::DataFolder));
        }
        let elsewhere = state.data_error.is_some() && (state.project.is_some() || state.refused.is_some());
        if elsewhere
            && link_button(ui, "Choose a label file…")
                .on_hover_text(
                    "For pictures that do not lie in class folders: a table (CSV) of files and labels",
                )
                .clicked()
        {
            actions.push(Action::Pick(Pick::LabelFile));
        }
        if elsewhere && state.chosen_labels().is_some() && panel::without_labels(ui) {
            actions.push(Action::UseLabels(None));
        }
        ui.scope(|ui| {
            ui.set_max_width(460.0);
            if let Some(PathChoice::Typed(path)) =
                cx.data.path.show_plain(ui, "Path of a folder", "Or type its path")
            {
                actions.push(Action::OpenPaths(vec![path]));
            }
        });
    });
}

fn heading(ui: &mut Ui, data: &Dataset, overview: &Overview) {
    let p = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Pictures").text_style(egui::TextStyle::Heading));
        ui.add_space(space::S);
        let splits: Vec<String> = overview
            .counts
            .iter()
            .map(|(split, counts)| (split, counts.iter().sum::<usize>()))
            .filter(|(_, n)| *n > 0)
            .map(|(split, n)| format!("{} {}", thousands(n), split_name(*split)))
            .collect();
        let text = format!(
            "{} · {} · {}",
            count(data.samples.len(), "picture", "pictures"),
            count(data.classes.len(), "class", "classes"),
            splits.join(", ")
        );
        ui.add(egui::Label::new(RichText::new(text).color(p.muted)).truncate());
    });
}

fn unreadable_question(ui: &mut Ui, preflight: &Preflight, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let (bad, all) = preflight.undecodable();
    card(ui, |ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if primary_button(ui, "Go on without them").clicked() {
                actions.push(Action::AllowUnreadable);
            }
            if secondary_button(ui, "Look again").on_hover_text("Scans the folder once more").clicked() {
                actions.push(Action::Rescan);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                icon_beside(ui, Icon::TriangleAlert, icons::SIZE, p.warn);
                let text = format!(
                    "{} pictures cannot be read. Training would go on without them.",
                    part_of(bad, all)
                );
                ui.add(egui::Label::new(text).wrap());
            });
        });
    });
    ui.add_space(space::XS);
}

fn split_words(split: Option<Split>) -> (&'static str, &'static str) {
    match split {
        None => ("All splits", "Pictures of every split"),
        Some(Split::Train) => ("Training", "Pictures that are learned from"),
        Some(Split::Val) => {
            ("Validation", "Held out: they tell how good the model is and which epoch is kept")
        }
        Some(Split::Test) => ("Test", "Held out until the very end"),
    }
}

/// Draws how a split is marked in bars and legends: in grey, because colours are the classes'. Training is a middle grey, validation
/// the colour of text, test only an outline.
fn mark_split(painter: &egui::Painter, rect: egui::Rect, p: &Palette, split: Split) {
    match split {
        Split::Train => painter.rect_filled(rect, 2.0, p.edge),
        Split::Val => painter.rect_filled(rect, 2.0, p.text),
        Split::Test => {
            let line = egui::Stroke::new(1.0, p.text);
            painter.rect_stroke(rect, 2.0, line, egui::StrokeKind::Inside)
        }
    };
}
