//! The Export screen: a finished run's model as a folder that other tools open.

mod words;

use super::ViewContext;
use crate::session::{RunInfo, RunState};
use crate::ui::actions::Pick;
use crate::ui::icons::{self, Icon};
use crate::ui::state::JobKind;
use crate::ui::theme::{self, Palette, RADIUS, space};
use crate::ui::views::train::words::{backbone_title, count, judged_pictures, score, sentence, what_learns};
use crate::ui::widgets::{
    badge, caption, card, empty_state, icon_beside, link_button, primary_button, secondary_button, section,
    wheel,
};
use crate::ui::{Action, AppState, Screen};
use egui::{
    Align, Button, Frame, Label, Layout, Margin, Rect, RichText, ScrollArea, TextEdit, Ui, WidgetInfo, vec2,
};
use std::path::{Path, PathBuf};

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    /// The run to save; the newest finished one until another is chosen.
    pub run: Option<PathBuf>,
    /// The folder that is typed; empty is the suggested one.
    pub folder: String,
    /// The result that has been brought into view.
    shown: Option<PathBuf>,
}

/// Widest card, in points: lines stay readable on large screens.
const WIDTH: f32 = 760.0;
/// Height that class names may take before they scroll, in points.
const CLASSES: f32 = 104.0;

/// Draws the screen's subject.
pub fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let Some(run) = chosen(state, &cx.export) else {
        return nothing(ui, actions);
    };
    ui.label(RichText::new("Take the model away").heading());
    caption(ui, "A folder with everything that another program needs to classify with this model");
    ui.add_space(space::M);
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.set_max_width(WIDTH.min(ui.available_width()));
        card(ui, |ui| {
            ui.set_width(ui.available_width());
            contents(ui, state, run);
        });
        ui.add_space(space::M);
        card(ui, |ui| {
            ui.set_width(ui.available_width());
            destination(ui, state, run, &mut cx.export, actions);
        });
        if let Some(folder) = &state.exported {
            ui.add_space(space::M);
            let top = ui.cursor().min;
            card(ui, |ui| {
                ui.set_width(ui.available_width());
                result(ui, folder, actions);
            });
            if cx.export.shown.as_ref() != Some(folder) {
                cx.export.shown = Some(folder.clone());
                // The next export goes to the folder that is suggested then.
                cx.export.folder.clear();
                ui.scroll_to_rect(Rect::from_min_max(top, ui.min_rect().max), None);
            }
        }
    });
}

/// Draws the settings and details beside it.
pub fn inspector(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    section(ui, "Which run");
    let finished: Vec<&RunInfo> = state.runs.iter().filter(|r| r.state == RunState::Finished).collect();
    if finished.is_empty() {
        caption(ui, "No run is finished yet");
        return;
    }
    let now = chosen(state, &cx.export).map(|r| r.dir.clone());
    for run in finished {
        let Some(summary) = &run.summary else { continue };
        let selected = now.as_ref() == Some(&run.dir);
        let text = format!("Run {} · {}", run.id, backbone_title(&run.config.backbone.name));
        if ui.add(Button::selectable(selected, text).min_size(vec2(ui.available_width(), 0.0))).clicked() {
            (cx.export.run, cx.export.folder) = (Some(run.dir.clone()), String::new());
        }
        Frame::new().inner_margin(Margin { left: space::M as i8, ..Margin::ZERO }).show(ui, |ui| {
            caption(ui, score(summary.val.accuracy, judged_pictures(state, summary)));
        });
    }
    ui.add_space(space::S);
    if link_button(ui, "See what it gets wrong").clicked()
        && let Some(dir) = now
    {
        actions.push(Action::ShowRun(dir));
    }
}

fn chosen<'a>(state: &'a AppState, memory: &Memory) -> Option<&'a RunInfo> {
    let wanted = memory.run.as_ref();
    let by_choice = state.runs.iter().find(|r| r.state == RunState::Finished && Some(&r.dir) == wanted);
    by_choice.or_else(|| state.finished_run())
}

fn nothing(ui: &mut Ui, actions: &mut Vec<Action>) {
    let body = "A finished run has a model to take away. Train one first";
    empty_state(ui, Icon::PackageOpen, "No model yet", body, |ui| {
        if primary_button(ui, "Go to Train").clicked() {
            actions.push(Action::Go(Screen::Train));
        }
    });
}

/// What will be in the folder.
fn contents(ui: &mut Ui, state: &AppState, run: &RunInfo) {
    let p = Palette::of(ui);
    let classes = words::classes(state, run);
    ui.label(RichText::new("What will be in it").text_style(theme::section_style()));
    let mut line = format!(
        "Run {} · {} · {}",
        run.id,
        backbone_title(&run.config.backbone.name),
        what_learns(&run.config)
    );
    if let Some(s) = &run.summary {
        line.push_str(&format!(" · accuracy {}", score(s.val.accuracy, judged_pictures(state, s))));
    }
    caption(ui, line);
    ui.add_space(space::S);
    for file in words::files(run.model_bytes) {
        ui.horizontal(|ui| {
            icon_beside(ui, Icon::File, icons::SIZE, p.muted);
            let name = vec2(136.0, 20.0);
            ui.allocate_ui_with_layout(name, Layout::left_to_right(Align::Center), |ui| {
                ui.set_width(name.x);
                ui.label(file.name);
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                caption(ui, file.size);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(Label::new(RichText::new(file.what).small().color(p.muted)).truncate());
                });
            });
        });
    }
    if classes.is_empty() {
        return;
    }
    ui.add_space(space::S);
    ui.label(RichText::new(count(classes.len(), "class", "classes")).strong());
    let area = ScrollArea::vertical().id_salt("class names").max_height(CLASSES).auto_shrink([false, true]);
    area.show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().interact_size.y = 18.0;
            for class in classes {
                badge(ui, class, p.text);
            }
        });
    });
}

/// Where it goes, and the button.
fn destination(ui: &mut Ui, state: &AppState, run: &RunInfo, memory: &mut Memory, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    ui.label(RichText::new("Where it goes").text_style(theme::section_style()));
    caption(ui, "A new folder; nothing is written over");
    ui.add_space(space::XS);
    let suggested = words::suggested(state, run);
    let row = vec2(ui.available_width(), 30.0);
    ui.allocate_ui_with_layout(row, Layout::right_to_left(Align::Center), |ui| {
        if secondary_button(ui, "Choose…").clicked() {
            actions.push(Action::Pick(Pick::ExportTo { run_dir: run.dir.clone() }));
        }
        let field = ui.add(
            TextEdit::singleline(&mut memory.folder)
                .hint_text(RichText::new(suggested.display().to_string()).color(p.muted))
                .desired_width(ui.available_width())
                .margin(vec2(space::S, 6.0)),
        );
        field.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, "Folder for the model"));
    });
    ui.add_space(space::S);
    let typed = memory.folder.trim();
    let out = if typed.is_empty() { suggested } else { PathBuf::from(typed) };
    let busy = state.job_of(&JobKind::Export).is_some();
    ui.horizontal(|ui| {
        ui.add_enabled_ui(!busy, |ui| {
            if primary_button(ui, "Export the model").clicked() {
                actions.push(Action::Export { run_dir: run.dir.clone(), out });
            }
        });
        if busy {
            wheel(ui, icons::SIZE, "Saving the model");
            caption(ui, "Writing and checking the files");
        }
    });
    if let Some(error) = state.export_error.as_ref().filter(|_| !busy) {
        ui.add_space(space::S);
        ui.label(RichText::new("The model could not be saved").strong().color(p.bad));
        ui.add(Label::new(sentence(&error.to_string())).wrap().selectable(true));
    }
}

/// The folder, and how to go on with it.
fn result(ui: &mut Ui, folder: &Path, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    ui.horizontal(|ui| {
        icon_beside(ui, Icon::CircleCheck, icons::SIZE, p.good);
        ui.label(RichText::new("The model is saved").text_style(theme::section_style()));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if secondary_button(ui, "Show the folder").clicked() {
                actions.push(Action::Reveal(folder.to_path_buf()));
            }
        });
    });
    ui.add(Label::new(RichText::new(folder.display().to_string()).monospace()).wrap().selectable(true));
    ui.add_space(space::S);
    let snippet = words::snippet(folder);
    ui.horizontal(|ui| {
        caption(ui, "Opens in timm (Python) with");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if link_button(ui, "Copy").clicked() {
                actions.push(Action::Copy(snippet.clone()));
            }
        });
    });
    Frame::new().fill(p.raised).corner_radius(RADIUS).inner_margin(Margin::same(space::M as i8)).show(
        ui,
        |ui| {
            ui.set_width(ui.available_width());
            ui.add(Label::new(RichText::new(snippet).monospace()).wrap().selectable(true));
        },
    );
}
