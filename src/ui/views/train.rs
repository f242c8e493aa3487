//! The Train screen: live curves, what is going on, and the project's runs.

mod runs;
mod search;
mod settings;
mod status;
mod varied;
pub mod words;

use super::ViewContext;
use crate::engine::EpochRecord;
use crate::session::RunInfo;
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::{caption, curves, lasting_height, link_button};
use crate::ui::{Action, AppState};
use egui::{Button, Id, RichText, Ui};
use std::path::PathBuf;

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    /// The run whose curves are on show in place of the live ones.
    pub shown_run: Option<PathBuf>,
    /// What is searched for among the settings.
    pub search: String,
    /// What of the screen's subject was chosen; before that, curves where there are some.
    pub tab: Option<Tab>,
    /// What is on show.
    on_show: Option<Tab>,
    /// Which of the varied pictures are on show.
    pub looked: varied::Looked,
}

/// What the screen's subject can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Learning curves.
    Curves,
    /// Training pictures as the network would see them.
    Varied,
}

impl Tab {
    const ALL: [(Self, &'static str, &'static str); 2] = [
        (Self::Curves, "Curves", "How loss and quality moved over the epochs"),
        (
            Self::Varied,
            "Varied pictures",
            "Training pictures as the network sees them with the present settings",
        ),
    ];
}

/// Height of the runs' part, in points.
const RUNS: f32 = 150.0;
/// What messages over the status bar leave of it at least.
const LEAST_RUNS: f32 = 72.0;

/// Draws the screen's subject.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let memory = &mut cx.train;
    status::show(ui, state, memory, actions);
    ui.add_space(space::S);
    let tab = tabs(ui, state, memory);
    memory.on_show = Some(tab);
    ui.add_space(space::S);
    let runs_height = if state.runs.is_empty() { 0.0 } else { RUNS.min(lasting_height(ui) * 0.3) };
    let shown = Shown::of(state, memory);
    // As high as without a message over the status bar: the list of runs stays where it is when one goes.
    let room = lasting_height(ui) - runs_height - space::M;
    let most = ui.available_height() - LEAST_RUNS.min(runs_height) - space::M;
    let height = room.min(most).max(160.0);
    match tab {
        Tab::Curves => shown.show(ui, memory, height),
        Tab::Varied => {
            // As high as curves would be: the list of runs stays where it is.
            let size = egui::vec2(ui.available_width(), height);
            let sources = (&mut cx.previews, &mut cx.thumbnails);
            ui.allocate_ui(size, |ui| {
                ui.set_min_size(size);
                varied::show(ui, state, memory, sources, height);
            });
        }
    }
    if !state.runs.is_empty() {
        ui.add_space(space::M);
        runs::show(ui, state, memory, actions);
    }
}

/// Draws the settings and details beside it.
pub fn inspector(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    settings::show(ui, state, &mut cx.train, actions);
}

/// Draws the choice of what is on show, and returns what is.
fn tabs(ui: &mut Ui, state: &AppState, memory: &mut Memory) -> Tab {
    let nothing = state.dataset().is_none();
    let curves =
        state.training_job().is_some() || !state.runs.is_empty() || state.training.is_some() || nothing;
    let shown = memory.tab.filter(|_| !nothing).unwrap_or(if curves { Tab::Curves } else { Tab::Varied });
    if !nothing {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::XS;
            for (tab, word, why) in Tab::ALL {
                if ui.add(Button::selectable(tab == shown, word)).on_hover_text(why).clicked() {
                    memory.tab = Some(tab);
                }
            }
        });
    }
    shown
}

/// Whose curves are drawn.
struct Shown<'a> {
    epochs: &'a [EpochRecord],
    run: Option<&'a RunInfo>,
    fitted_at_once: bool,
}

impl<'a> Shown<'a> {
    fn of(state: &'a AppState, memory: &Memory) -> Self {
        let chosen = memory.shown_run.as_ref().and_then(|dir| state.runs.iter().find(|r| r.dir == *dir));
        let newest = state.runs.first();
        match (chosen, &state.training) {
            (Some(run), _) => Self::run(run),
            (None, Some(live)) => Self {
                epochs: &live.epochs,
                run: None,
                fitted_at_once: live.config.train.solver == crate::config::Solver::Logistic,
            },
            (None, None) => newest.map_or(Self { epochs: &[], run: None, fitted_at_once: false }, Self::run),
        }
    }

    fn run(run: &'a RunInfo) -> Self {
        let fitted_at_once = run.config.train.solver == crate::config::Solver::Logistic;
        Self { epochs: &run.epochs, run: Some(run), fitted_at_once }
    }

    fn show(&self, ui: &mut Ui, memory: &mut Memory, height: f32) {
        let mut height = height;
        if let Some(run) = self.run {
            ui.horizontal(|ui| {
                caption(ui, format!("Curves of run {}", run.id));
                if memory.shown_run.is_some() && link_button(ui, "Show the latest").clicked() {
                    memory.shown_run = None;
                }
            });
            height -= 26.0;
        }
        if self.epochs.is_empty() {
            self.nothing(ui, height);
            return;
        }
        let link = Id::unique("epoch under the pointer");
        let wide = ui.available_width() > 1200.0;
        if wide {
            ui.spacing_mut().item_spacing.x = space::XXL;
            ui.columns_const(|[left, right]: &mut [Ui; 2]| {
                curves::show(left, self.epochs, curves::Quantity::Loss, link, height);
                curves::show(right, self.epochs, curves::Quantity::Quality, link, height);
            });
        } else {
            let half = (height - space::S) / 2.0;
            curves::show(ui, self.epochs, curves::Quantity::Loss, link, half);
            curves::show(ui, self.epochs, curves::Quantity::Quality, link, half);
        }
    }

    fn nothing(&self, ui: &mut Ui, height: f32) {
        let p = Palette::of(ui);
        let text = if self.fitted_at_once {
            "This head is fitted at once, without epochs, so there are no curves"
        } else {
            "Loss and accuracy appear here with the first epoch"
        };
        let (rect, response) =
            ui.allocate_exact_size(egui::vec2(ui.available_width(), height), egui::Sense::hover());
        ui.painter().rect_filled(rect, crate::ui::theme::RADIUS_CARD, p.surface);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, text));
        ui.put(rect.shrink(space::L), egui::Label::new(RichText::new(text).color(p.muted)));
    }
}
