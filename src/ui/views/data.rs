//! The Data screen: the pictures in the middle, classes, splits and problems beside them.

mod gallery;
mod panel;

use super::ViewContext;
use crate::data::{Dataset, Layout as FolderLayout, Preflight, Split};
use crate::ui::actions::Pick;
use crate::ui::icons::{self, Icon};
use crate::ui::state::{JobKind, split_name};
use crate::ui::theme::{self, Palette, space};
use crate::ui::views::train::words::{count, sentence};
use crate::ui::widgets::setting::PathChoice;
use crate::ui::widgets::{
    PathField, caption, card, empty_state, primary_button, progress_bar, secondary_button,
};
use crate::ui::{Action, AppState};
use egui::{Align, Layout, RichText, Ui, vec2};

/// Which pictures are on show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// Only this class.
    class: Option<usize>,
    /// Only this split.
    split: Option<Split>,
    /// Only the files of this finding.
    finding: Option<usize>,
}

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    filter: Filter,
    /// The picture whose details are on show.
    selected: Option<usize>,
    rows: gallery::Rows,
    path: PathField,
}

/// How pictures are divided where the folder does not say.
const HELD_OUT: &str = "Chance holds out about a fifth of each class for validation, picture by picture, so the share varies, \
    most where pictures are few. A picture stays where it is when others are added";

/// Draws the pictures.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let Some(preflight) = &state.preflight else { return nothing_yet(ui, state, cx, actions) };
    cx.data.forget_what_is_gone(preflight);
    heading(ui, &preflight.dataset);
    if state.needs_unreadable_answer() {
        unreadable_question(ui, preflight, actions);
    }
    filters(ui, preflight, cx);
    ui.add_space(space::XS);
    gallery::show(ui, preflight, cx);
}

/// Draws classes, findings and the selected picture.
pub fn inspector(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    if let Some(preflight) = &state.preflight {
        panel::show(ui, preflight, cx, actions);
    }
}

impl Memory {
    /// Another scan may have fewer classes, findings or pictures.
    fn forget_what_is_gone(&mut self, preflight: &Preflight) {
        let data = &preflight.dataset;
        self.filter.class = self.filter.class.filter(|c| *c < data.classes.len());
        self.filter.finding = self.filter.finding.filter(|f| *f < preflight.findings.len());
        self.selected = self.selected.filter(|s| *s < data.samples.len());
    }
}

fn nothing_yet(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let job = state.jobs.iter().find(|j| matches!(j.kind, JobKind::OpenData | JobKind::WriteSample));
    if let Some(job) = job {
        let (done, total) = job.progress.unwrap_or((0, 0));
        let body = if total == 0 { "Finding the pictures".to_owned() } else { format!("{done} of {total}") };
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

fn heading(ui: &mut Ui, data: &Dataset) {
    let p = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Pictures").text_style(egui::TextStyle::Heading));
        ui.add_space(space::S);
        let splits: Vec<String> = [Split::Train, Split::Val, Split::Test]
            .into_iter()
            .map(|s| (s, data.samples.iter().filter(|x| x.split == s).count()))
            .filter(|(_, n)| *n > 0)
            .map(|(s, n)| format!("{n} {}", split_name(s)))
            .collect();
        let text = format!(
            "{} · {} · {}",
            count(data.samples.len(), "picture", "pictures"),
            count(data.classes.len(), "class", "classes"),
            splits.join(", ")
        );
        let line = ui.add(egui::Label::new(RichText::new(text).color(p.muted)).truncate());
        if data.layout == FolderLayout::ClassFolders {
            line.on_hover_text(HELD_OUT);
        }
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
                ui.label(icons::coloured(Icon::TriangleAlert, icons::SIZE, p.warn));
                let text =
                    format!("{bad} of {all} pictures cannot be read. Training would go on without them.");
                ui.add(egui::Label::new(text).wrap());
            });
        });
    });
    ui.add_space(space::XS);
}

fn filters(ui: &mut Ui, preflight: &Preflight, cx: &mut ViewContext) {
    let data = &preflight.dataset;
    let filter = &mut cx.data.filter;
    ui.horizontal(|ui| {
        let shown = filter.class.and_then(|c| data.classes.get(c)).map_or("All classes", String::as_str);
        let combo = egui::ComboBox::from_id_salt("class filter").selected_text(shown).width(180.0).show_ui(
            ui,
            |ui| {
                ui.selectable_value(&mut filter.class, None, "All classes");
                for (c, name) in data.classes.iter().enumerate() {
                    ui.selectable_value(&mut filter.class, Some(c), name);
                }
            },
        );
        combo.response.on_hover_text("Show one class");
        for split in [None, Some(Split::Train), Some(Split::Val), Some(Split::Test)] {
            let there = split.is_none_or(|s| data.samples.iter().any(|x| x.split == s));
            if there {
                let (word, why) = split_words(split);
                if ui.selectable_label(filter.split == split, word).on_hover_text(why).clicked() {
                    filter.split = split;
                }
            }
        }
        if let Some(finding) = filter.finding.and_then(|f| preflight.findings.get(f)) {
            ui.separator();
            caption(ui, &finding.title);
            if theme_link(ui, "Show all") {
                filter.finding = None;
            }
        }
    });
}

fn theme_link(ui: &mut Ui, text: &str) -> bool {
    crate::ui::widgets::link_button(ui, text).clicked()
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

/// The colour of a split's bars.
fn split_colour(p: &Palette, split: Split) -> egui::Color32 {
    match split {
        Split::Train => p.accent,
        Split::Val => theme::class_colour(1),
        Split::Test => theme::class_colour(3),
    }
}
