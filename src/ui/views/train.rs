//! The Train screen: live curves, what is going on, and the project's runs.

mod compare;
mod folds;
mod hardest;
pub(in crate::ui) mod phases;
mod rates;
mod runs;
mod search;
mod settings;
mod status;
mod varied;
pub mod words;

use super::ViewContext;
use crate::data::Finding;
use crate::engine::EpochRecord;
use crate::session::RunInfo;
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::basic::words_in;
use crate::ui::widgets::curves::{self, Look, Measure, Quantity};
use crate::ui::widgets::segmented::{self, Segment};
use crate::ui::widgets::{caption, check_box, drop_down, lasting_height, link_button};
use crate::ui::{Action, AppState, Screen};
use egui::{Align, Checkbox, ComboBox, Id, Layout, RichText, Role, Slider, TextEdit, Ui, WidgetInfo};
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
    /// How curves are drawn.
    pub lines: Lines,
    /// The runs that are compared.
    pub compared: Vec<PathBuf>,
    /// What the list of runs is sorted by.
    pub order: runs::Order,
    /// What is being written about a run.
    notes: Option<(PathBuf, String)>,
    /// Which of the varied pictures are on show.
    pub looked: varied::Looked,
}

/// How curves are drawn.
#[derive(Debug, Default, Clone, Copy)]
pub struct Lines {
    /// Axis and smoothing.
    pub look: Look,
    /// What is drawn under the loss.
    pub second: Quantity,
    /// By which number runs are compared.
    pub measure: Measure,
}

/// What the screen's subject can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Learning curves.
    Curves,
    /// Several runs beside each other.
    Compare,
    /// The plan of training.
    Phases,
    /// Training pictures as the network would see them.
    Varied,
    /// The loss over rising learning rates.
    Rates,
}

impl Tab {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Curves, "Curves", "How loss and quality moved over the epochs"),
        (Self::Compare, "Compared runs", "The curves of the chosen runs, and where their settings differ"),
        (Self::Phases, "Phases", "What learns when, for how long, and at which rate"),
        (
            Self::Varied,
            "Varied pictures",
            "Training pictures as the network sees them with the present settings",
        ),
        (Self::Rates, "Find a rate", "Which learning rate suits these pictures and settings"),
    ];
}

/// Height of the runs' part, in points, without a row, and of a row; more rows than have room in a third of the screen scroll.
const RUNS: (f32, f32) = (80.0, 30.0);
/// Curves are not made lower than this for the hardest pictures, in points.
const LEAST_CURVES: f32 = 216.0;
/// What messages over the status bar leave of it at least.
const LEAST_RUNS: f32 = 72.0;

/// Draws the screen's subject.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let memory = &mut cx.train;
    status::show(ui, state, memory, actions);
    folds::show(ui, state, actions);
    ui.add_space(space::S);
    let tab = tabs(ui, state, memory);
    memory.on_show = Some(tab);
    ui.add_space(space::S);
    let runs_height = if state.runs.is_empty() {
        0.0
    } else {
        (RUNS.0 + RUNS.1 * state.runs.len() as f32).min(lasting_height(ui) * 0.34)
    };
    let shown = Shown::of(state, memory);
    // As high as without a message over the status bar: the list of runs stays where it is when one goes.
    let room = lasting_height(ui) - runs_height - space::M;
    let most = ui.available_height() - LEAST_RUNS.min(runs_height) - space::M;
    let height = room.min(most).max(160.0);
    match tab {
        Tab::Curves => {
            let hardest = shown.live.then_some(state.training.as_ref()).flatten();
            let hardest =
                hardest.filter(|t| !t.hardest.is_empty() && height > LEAST_CURVES + hardest::HEIGHT);
            let below = if hardest.is_some() { hardest::HEIGHT } else { 0.0 };
            shown.show(ui, memory, height - below, actions);
            if let Some(live) = hardest {
                hardest::show(ui, state, live, &mut cx.thumbnails);
            }
        }
        Tab::Compare => {
            let size = egui::vec2(ui.available_width(), height);
            let runs = compare::chosen(state, memory);
            ui.allocate_ui(size, |ui| {
                ui.set_min_size(size);
                compare::show(ui, state, &runs, memory, height);
            });
        }
        Tab::Phases => {
            let size = egui::vec2(ui.available_width(), height);
            ui.allocate_ui(size, |ui| {
                ui.set_min_size(size);
                phases::show(ui, state, height, actions);
            });
        }
        Tab::Rates => {
            let size = egui::vec2(ui.available_width(), height);
            ui.allocate_ui(size, |ui| {
                ui.set_min_size(size);
                rates::show(ui, state, height, actions);
            });
        }
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
    let mirrored =
        state.preflight.as_ref().and_then(|p| p.findings.iter().position(Finding::is_of_mirroring));
    let seen = settings::show(ui, state, &mut cx.train, mirrored, actions);
    if let Some(finding) = mirrored.filter(|_| seen) {
        cx.data.show_finding(finding);
        actions.push(Action::Go(Screen::Data));
    }
}

/// Draws the choice of what is on show, and returns what is.
fn tabs(ui: &mut Ui, state: &AppState, memory: &mut Memory) -> Tab {
    let nothing = state.dataset().is_none();
    let curves =
        state.training_job().is_some() || !state.runs.is_empty() || state.training.is_some() || nothing;
    let compared = compare::chosen(state, memory).len() >= 2;
    let possible = |tab: &Tab| match tab {
        Tab::Curves => true,
        Tab::Compare => compared,
        Tab::Phases | Tab::Varied | Tab::Rates => !nothing,
    };
    let shown = memory.tab.filter(possible).unwrap_or(if curves { Tab::Curves } else { Tab::Varied });
    if !nothing {
        ui.horizontal(|ui| {
            let offered = Tab::ALL.into_iter().filter(|(tab, ..)| possible(tab));
            let segments: Vec<Segment<'_, Tab>> =
                offered.map(|(value, word, why)| Segment { value, word, why }).collect();
            if let Some(tab) = segmented::tabs(ui, "Parts of the screen", shown, &segments) {
                memory.tab = Some(tab);
            }
            if matches!(shown, Tab::Curves | Tab::Compare) {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| look(ui, shown, &mut memory.lines));
            }
        });
    }
    shown
}

/// How curves are drawn: from right to left.
fn look(ui: &mut Ui, tab: Tab, lines: &mut Lines) {
    let muted = Palette::of(ui).muted;
    ui.spacing_mut().slider_width = 56.0;
    let slider = Slider::new(&mut lines.look.smoothing, 0.0..=0.95).show_value(false);
    let why = "How much of the mean so far is in each point. The numbers themselves are drawn faintly behind";
    let slider = ui.add(slider).on_hover_text(why);
    slider.widget_info(|| WidgetInfo::slider(true, lines.look.smoothing, "Smoothing"));
    ui.label(RichText::new("Smoothing").small().color(muted)).on_hover_text(why);
    let log =
        check_box(ui, Checkbox::new(&mut lines.look.log, RichText::new("Logarithmic").small().color(muted)));
    log.on_hover_text("Loss and learning rate by powers of ten, so that small changes late in training show");
    if tab == Tab::Curves {
        let second = [(Quantity::Quality, "Quality"), (Quantity::Rate, "Learning rate")];
        let word = second.iter().find(|q| q.0 == lines.second).map_or("", |q| q.1);
        let combo = ComboBox::from_id_salt("second plot").selected_text(word).width(96.0);
        let combo = drop_down(ui, combo, |list| {
            for (quantity, word) in second {
                list.value(&mut lines.second, quantity, word);
            }
        });
        let why = "What is drawn beside the loss";
        combo.on_hover_text(why).widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, why));
    }
}

/// Whose curves are drawn.
struct Shown<'a> {
    epochs: &'a [EpochRecord],
    run: Option<&'a RunInfo>,
    /// It is the training that runs, or ran last.
    live: bool,
    /// It was chosen from the list in place of the latest.
    older: bool,
    fitted_at_once: bool,
}

impl<'a> Shown<'a> {
    fn of(state: &'a AppState, memory: &Memory) -> Self {
        let run_of = |dir: &PathBuf| state.runs.iter().find(|r| r.dir == *dir);
        let live = state.training.as_ref();
        let latest = live.map(|t| &t.run_dir).or(state.runs.first().map(|r| &r.dir));
        let chosen = memory.shown_run.as_ref().filter(|dir| Some(*dir) != latest).and_then(run_of);
        let run = chosen.or(latest.and_then(run_of));
        let live = live.filter(|_| chosen.is_none());
        let config = live.map(|t| &t.config).or(run.map(|r| &r.config));
        Self {
            epochs: live.map(|t| &t.epochs).or(run.map(|r| &r.epochs)).map_or(&[], Vec::as_slice),
            run,
            live: live.is_some(),
            older: chosen.is_some(),
            fitted_at_once: config.is_some_and(|c| c.train.solver == crate::config::Solver::Logistic),
        }
    }

    fn show(&self, ui: &mut Ui, memory: &mut Memory, height: f32, actions: &mut Vec<Action>) {
        let mut height = height;
        if let Some(run) = self.run {
            ui.horizontal(|ui| {
                caption(ui, format!("Curves of run {}", run.id));
                if self.older && link_button(ui, "Show the latest").clicked() {
                    memory.shown_run = None;
                }
                notes(ui, run, &mut memory.notes, actions);
            });
            height -= 34.0;
        }
        if self.epochs.is_empty() {
            self.nothing(ui, height);
            return;
        }
        let link = Id::unique("epoch under the pointer");
        let Lines { look, second, .. } = memory.lines;
        let (first, second) = ((Quantity::Loss, look), (second, look));
        let wide = ui.available_width() > 1200.0;
        if wide {
            ui.spacing_mut().item_spacing.x = space::XXL;
            ui.columns_const(|[left, right]: &mut [Ui; 2]| {
                curves::show(left, self.epochs, first, link, height);
                curves::show(right, self.epochs, second, link, height);
            });
        } else {
            let half = (height - space::S) / 2.0;
            curves::show(ui, self.epochs, first, link, half);
            curves::show(ui, self.epochs, second, link, half);
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
        words_in(ui, rect, RichText::new(text).color(p.muted));
    }
}

/// A field for what the user writes about a run; kept once it is left.
fn notes(ui: &mut Ui, run: &RunInfo, draft: &mut Option<(PathBuf, String)>, actions: &mut Vec<Action>) {
    let text = match draft {
        Some((dir, text)) if *dir == run.dir => text,
        _ => &mut draft.insert((run.dir.clone(), run.notes.clone())).1,
    };
    let muted = Palette::of(ui).muted;
    let field = ui.add(
        TextEdit::singleline(text)
            // Its own for each run, so that what is written about one is not written about the next.
            .id(Id::unique(("notes", &run.dir)))
            .hint_text(RichText::new("Write a note about this run").color(muted))
            .desired_width((ui.available_width() - space::S).clamp(80.0, 420.0))
            .margin(egui::vec2(space::S, space::XS)),
    );
    let name = format!("Note about run {}", run.id);
    field.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, &name));
    if field.lost_focus() && text.trim() != run.notes {
        actions.push(Action::SaveNotes(run.dir.clone(), text.trim().to_owned()));
    }
    if !field.has_focus() {
        // What is written elsewhere, by taking it back, shows too.
        *draft = None;
    }
}
