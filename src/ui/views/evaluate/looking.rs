//! What the network looks at in the picture that is enlarged: a heat map over it, and the training pictures that are most like it.

use crate::data::Dataset;
use crate::engine::HeatMethod;
use crate::error::{part_of, thousands};
use crate::session::{AlikePicture, Explained};
use crate::ui::state::{JobKind, file_name};
use crate::ui::theme::{Palette, space};
use crate::ui::views::ViewContext;
use crate::ui::views::predict::rows::unlike_badge;
use crate::ui::views::train::words::sentence;
use crate::ui::widgets::heat_overlay::{self, HeatOverlay};
use crate::ui::widgets::{caption, check_box, drop_down, link_button, picture_button};
use crate::ui::{Action, AppState};
use egui::{Checkbox, ComboBox, Label, Rect, RichText, Slider, Ui};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What this part remembers between frames.
#[derive(Debug)]
pub struct Memory {
    /// The heat map lies over the picture.
    pub on: bool,
    /// How much of it covers the picture where it counts most, in `[0, 1]`.
    pub strength: f32,
    /// Class whose map is shown; the most probable one without.
    pub class: Option<usize>,
    overlay: HeatOverlay,
}

impl Default for Memory {
    fn default() -> Self {
        Self { on: true, strength: heat_overlay::STRENGTH, class: None, overlay: HeatOverlay::default() }
    }
}

/// Side of a training picture in points, at most.
const TILE: f32 = 72.0;
/// Training pictures side by side.
const SHOWN: usize = 5;

/// What is known of the picture; asks for it where nothing is.
pub(super) fn explained<'a>(
    state: &'a AppState,
    path: &Path,
    memory: &Memory,
    actions: &mut Vec<Action>,
) -> Option<&'a Arc<Explained>> {
    let model = state.judged_model()?;
    let found = state.insight.explained(&model, path, memory.class);
    let free = state.job_of(&JobKind::Explain).is_none();
    if found.is_none() && free && state.insight.why_not(&model, path).is_none() {
        actions.push(Action::Explain { picture: path.to_path_buf(), class: memory.class });
    }
    found
}

/// Lays the heat map over the picture, which is drawn at `place`.
pub(super) fn overlay(ui: &Ui, place: Rect, explained: &Arc<Explained>, cx: &mut ViewContext) {
    let memory = &mut cx.evaluate.looking;
    if memory.on {
        memory.overlay.paint(ui, (place, place), explained, memory.strength);
    }
}

/// Switches of the heat map, and what its colours mean.
pub(super) fn controls(
    ui: &mut Ui,
    state: &AppState,
    path: &Path,
    explained: Option<&Arc<Explained>>,
    memory: &mut Memory,
) {
    let Some(explained) = explained else {
        return waiting(ui, state, path);
    };
    let classes = state.evaluation.as_ref().map_or(&[][..], |e| e.evaluation.classes.as_slice());
    let name = |class: usize| classes.get(class).map_or("?", String::as_str);
    let explanation = &explained.explanation;
    let heat = match &explanation.heat {
        Ok(heat) => heat,
        Err(why) => {
            caption(ui, format!("No heat map: {}", why.what()));
            return;
        }
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        check_box(ui, Checkbox::new(&mut memory.on, "Heat map"))
            .on_hover_text(heat_overlay::method(heat.method));
        ui.add_enabled_ui(memory.on, |ui| {
            ui.spacing_mut().slider_width = 72.0;
            let strength = Slider::new(&mut memory.strength, 0.2..=1.0).show_value(false);
            let words = "Strength of the heat map";
            ui.add(strength)
                .on_hover_text(words)
                .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Slider, true, words));
            if heat.method == HeatMethod::GradCam {
                let combo = ComboBox::from_id_salt("class of the heat map").width(120.0);
                let combo = combo.selected_text(format!("for {}", name(explanation.class)));
                let combo = drop_down(ui, combo, |lines| {
                    for (class, name) in classes.iter().enumerate() {
                        if lines.line(class == explanation.class, name) {
                            memory.class = Some(class);
                        }
                    }
                });
                combo.on_hover_text("What in the picture speaks for this class");
            }
        });
    });
    caption(ui, heat_overlay::meaning(heat, name(explanation.class)));
}

fn waiting(ui: &mut Ui, state: &AppState, path: &Path) {
    let words = match state.judged_model().map(|model| state.insight.why_not(&model, path)) {
        None => "This evaluation is of no run, so what the network looks at cannot be shown".to_owned(),
        Some(Some(why)) => sentence(&format!("what the network looks at cannot be shown: {why}")),
        Some(None) => "Working out what the network looks at…".to_owned(),
    };
    ui.add(Label::new(RichText::new(words).small().color(Palette::of(ui).muted)).wrap());
}

/// The training pictures that are most like this one. Returns the path, relative to the data folder, of one that was clicked.
pub(super) fn alike(
    ui: &mut Ui,
    state: &AppState,
    root: &Path,
    explained: Option<&Arc<Explained>>,
    (cx, actions): (&mut ViewContext, &mut Vec<Action>),
) -> Option<String> {
    let explained = explained?;
    if let Some(unlike) = explained.unlike.as_ref().filter(|u| u.is_unlike()) {
        unlike_badge(ui, unlike);
    }
    let Some(alike) = &explained.alike else {
        compare(ui, state, state.judged_dataset(), actions);
        return None;
    };
    caption(ui, "Most alike in training").on_hover_text(
        "The training pictures whose features, what the network makes of a picture before it names a class, point most in the same \
         direction; 1 is the same",
    );
    let mut clicked = None;
    let side = ((ui.available_width() + space::S) / SHOWN as f32 - space::S).clamp(1.0, TILE).floor();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        for picture in alike.iter().take(SHOWN) {
            if neighbour(ui, state, root, (picture, side), cx) {
                clicked = Some(picture.rel.clone());
            }
        }
    });
    clicked
}

fn neighbour(
    ui: &mut Ui,
    state: &AppState,
    root: &Path,
    (picture, side): (&AlikePicture, f32),
    cx: &mut ViewContext,
) -> bool {
    let classes = state.evaluation.as_ref().map(|e| &e.evaluation.classes);
    let class = classes.and_then(|c| c.get(picture.class)).map_or("?", String::as_str);
    let path: PathBuf = root.join(&picture.rel);
    let name = format!("{}: {class}, {:.3} alike", file_name(&path), picture.similarity);
    ui.vertical(|ui| {
        ui.set_width(side);
        ui.spacing_mut().item_spacing.y = 1.0;
        let clicked =
            picture_button(ui, &mut cx.thumbnails, &path, side, &name).on_hover_text(&name).clicked();
        ui.add(Label::new(RichText::new(class).small()).truncate());
        caption(ui, format!("{:.3}", picture.similarity));
        clicked
    })
    .inner
}

/// Offers to compare all pictures, or says how far that is.
pub(super) fn compare(ui: &mut Ui, state: &AppState, data: Option<&Dataset>, actions: &mut Vec<Action>) {
    if let Some(job) = state.job_of(&JobKind::Analyse) {
        let words = match job.progress {
            Some((done, total)) if done < total => {
                format!("Comparing the pictures · {}", part_of(done, total))
            }
            _ if job.started_s.is_none() => "Comparing the pictures comes after what runs now".to_owned(),
            _ => "Comparing the pictures".to_owned(),
        };
        caption(ui, words);
        return;
    }
    let Some(data) = data else {
        caption(ui, "Open the pictures of this run to see which are alike");
        return;
    };
    let why = format!(
        "Runs all {} pictures through this run's model once and keeps what it makes of them in the run's folder",
        thousands(data.samples.len())
    );
    if link_button(ui, "Show training pictures like this one").on_hover_text(why).clicked() {
        actions.push(Action::Analyse);
    }
}
