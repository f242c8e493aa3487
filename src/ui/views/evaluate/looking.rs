//! What the network looks at in the picture that is enlarged: a heat map over it, and the training pictures that are most like it.

use crate::data::Dataset;
use crate::engine::{Explanation, HeatMap, HeatMethod};
use crate::session::{AlikePicture, Explained};
use crate::ui::state::{JobKind, file_name};
use crate::ui::theme::{self, Palette, space};
use crate::ui::views::ViewContext;
use crate::ui::views::predict::rows::unlike_badge;
use crate::ui::views::train::words::sentence;
use crate::ui::widgets::confusion_matrix::Ramp;
use crate::ui::widgets::{caption, link_button, picture_button};
use crate::ui::{Action, AppState};
use egui::{
    Color32, ColorImage, ComboBox, Label, Rect, RichText, Slider, Stroke, StrokeKind, TextureHandle,
    TextureOptions, Ui, pos2, vec2,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What this part remembers between frames.
pub struct Memory {
    /// The heat map lies over the picture.
    pub on: bool,
    /// How much of it covers the picture where it counts most, in `[0, 1]`.
    pub strength: f32,
    /// Class whose map is shown; the most probable one without.
    pub class: Option<usize>,
    texture: Option<(Arc<Explained>, TextureHandle)>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { on, strength, class, .. } = self;
        f.debug_struct("Memory").field("on", on).field("strength", strength).field("class", class).finish()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { on: true, strength: 0.7, class: None, texture: None }
    }
}

/// Side of a training picture in points.
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
    let free = state.job_of(&JobKind::Explain).is_none() && state.training_job().is_none();
    if found.is_none() && free && state.insight.why_not(path).is_none() {
        actions.push(Action::Explain { picture: path.to_path_buf(), class: memory.class });
    }
    found
}

/// Lays the heat map over the picture, which is drawn at `place`.
pub(super) fn overlay(ui: &Ui, place: Rect, explained: &Arc<Explained>, cx: &mut ViewContext) {
    let memory = &mut cx.evaluate.looking;
    let Ok(heat) = &explained.explanation.heat else { return };
    if !memory.on {
        return;
    }
    if memory.texture.as_ref().is_none_or(|(of, _)| !Arc::ptr_eq(of, explained)) {
        let texture = ui.ctx().load_texture("heat map", image(heat), TextureOptions::LINEAR);
        memory.texture = Some((Arc::clone(explained), texture));
    }
    let Some((_, texture)) = &memory.texture else { return };
    let painter = ui.painter().with_clip_rect(place.intersect(ui.clip_rect()));
    let seen = seen(place, &explained.explanation);
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    painter.image(texture.id(), seen, whole, Color32::from_white_alpha((memory.strength * 255.0) as u8));
    let visible = seen.intersect(place);
    if visible.width() < place.width() - 1.0 || visible.height() < place.height() - 1.0 {
        let edge = Stroke::new(1.0, Color32::from_white_alpha(150));
        painter.rect_stroke(visible, 0, edge, StrokeKind::Inside);
    }
}

/// Where the square that the network sees lies on the screen.
fn seen(place: Rect, explanation: &Explanation) -> Rect {
    let [left, top, right, bottom] = explanation.seen;
    let at = |x: f32, y: f32| place.min + vec2(x * place.width(), y * place.height());
    Rect::from_min_max(at(left, top), at(right, bottom))
}

/// The map in the ramp's colours: what counts little covers little.
fn image(heat: &HeatMap) -> ColorImage {
    let ramp = Ramp::new(theme::HEAT[0], theme::HEAT[1]);
    let pixel = |v: f32| {
        let [r, g, b, _] = ramp.at(v).to_array();
        Color32::from_rgba_unmultiplied(r, g, b, ((0.12 + 0.88 * v) * 255.0) as u8)
    };
    let pixels: Vec<Color32> = heat.relative().into_iter().map(pixel).collect();
    ColorImage::new([heat.columns, heat.rows], pixels)
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
        ui.checkbox(&mut memory.on, "Heat map").on_hover_text(method(heat.method));
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
                let combo = combo.show_ui(ui, |ui| {
                    for (class, name) in classes.iter().enumerate() {
                        if ui.selectable_label(class == explanation.class, name).clicked() {
                            memory.class = Some(class);
                        }
                    }
                });
                combo.response.on_hover_text("What in the picture speaks for this class");
            }
        });
    });
    let words = match heat.method {
        HeatMethod::GradCam if heat.values.iter().all(|v| *v == 0.0) => {
            format!("Nothing in the picture speaks for {}", name(explanation.class))
        }
        HeatMethod::GradCam => format!("The brighter, the more it speaks for {}", name(explanation.class)),
        HeatMethod::AttentionRollout => {
            "The brighter, the more of it the network reads, for any class".to_owned()
        }
    };
    caption(ui, words);
}

fn method(method: HeatMethod) -> &'static str {
    match method {
        HeatMethod::GradCam => {
            "Which parts of the picture raise the class's score (Grad-CAM). It is as coarse as the network's last map"
        }
        HeatMethod::AttentionRollout => {
            "How much of each part reaches the network's answer through all of its attention (attention rollout)"
        }
    }
}

fn waiting(ui: &mut Ui, state: &AppState, path: &Path) {
    let words = if state.judged_model().is_none() {
        "This evaluation is of no run, so what the network looks at cannot be shown".to_owned()
    } else if let Some(why) = state.insight.why_not(path) {
        sentence(&format!("what the network looks at cannot be shown: {why}"))
    } else if state.training_job().is_some() {
        "Training is running: what the network looks at is worked out when it has ended".to_owned()
    } else {
        "Working out what the network looks at…".to_owned()
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
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        for picture in alike.iter().take(SHOWN) {
            if neighbour(ui, state, root, picture, cx) {
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
    picture: &AlikePicture,
    cx: &mut ViewContext,
) -> bool {
    let classes = state.evaluation.as_ref().map(|e| &e.evaluation.classes);
    let class = classes.and_then(|c| c.get(picture.class)).map_or("?", String::as_str);
    let path: PathBuf = root.join(&picture.rel);
    let name = format!("{}: {class}, {:.3} alike", file_name(&path), picture.similarity);
    ui.vertical(|ui| {
        ui.set_width(TILE);
        ui.spacing_mut().item_spacing.y = 1.0;
        let clicked =
            picture_button(ui, &mut cx.thumbnails, &path, TILE, &name).on_hover_text(&name).clicked();
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
            Some((done, total)) if done < total => format!("Comparing the pictures · {done} of {total}"),
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
        data.samples.len()
    );
    if link_button(ui, "Show training pictures like this one").on_hover_text(why).clicked() {
        actions.push(Action::Analyse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn the_square_that_is_seen_lies_in_the_middle_of_a_wide_picture() {
        let place = Rect::from_min_size(pos2(10.0, 20.0), vec2(200.0, 100.0));
        let explanation = Explanation {
            class: 0,
            probabilities: vec![1.0],
            features: Vec::new(),
            seen: [0.25, 0.0, 0.75, 1.0],
            heat: Err(Error::input("none")),
        };
        assert_eq!(seen(place, &explanation), Rect::from_min_size(pos2(60.0, 20.0), vec2(100.0, 100.0)));
    }

    #[test]
    fn what_counts_more_is_lighter_and_covers_more() {
        let values = vec![0.0, 0.5, 1.0];
        let heat = HeatMap { method: HeatMethod::GradCam, rows: 1, columns: 3, values };
        let image = image(&heat);
        let alphas: Vec<u8> = image.pixels.iter().map(|p| p.a()).collect();
        assert_eq!((image.size, alphas[2]), ([3, 1], 255));
        assert!(alphas.is_sorted() && alphas[0] < 40, "{alphas:?}");
    }
}
