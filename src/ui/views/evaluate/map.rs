//! All pictures on a plane, alike ones near each other; those that are encircled can be looked at and decided about together.

use super::{TILE, suspects};
use crate::data::{Dataset, Decided, Decision, Split};
use crate::session::{AnalysedPicture, Analysis};
use crate::ui::icons::Icon;
use crate::ui::state::{file_name, split_name};
use crate::ui::theme::{Palette, class_colour, section_style, space};
use crate::ui::views::ViewContext;
use crate::ui::views::train::words::count;
use crate::ui::widgets::picture_grid::{self, Tile, large_picture};
use crate::ui::widgets::point_cloud::{self, Drag, Points, bounds};
use crate::ui::widgets::segmented::{self, Segment};
use crate::ui::widgets::{caption, icon_button, link_button, secondary_button};
use crate::ui::{Action, AppState};
use egui::{Color32, ComboBox, Rect, RichText, Sense, Ui, UiBuilder, pos2, vec2};
use std::sync::Arc;

/// What the colours mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ColourBy {
    /// Its class.
    #[default]
    Class,
    /// Whether the model is right.
    Error,
    /// The part it belongs to.
    Split,
}

/// What the view remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    /// What the colours mean.
    pub colour: ColourBy,
    /// Which part of the plane is on show, and what dragging does.
    pub cloud: point_cloud::Memory,
    /// Encircled pictures.
    pub selected: Vec<usize>,
    /// The points as they were drawn last, and what they were made of.
    drawn: Option<Drawn>,
}

#[derive(Debug)]
struct Drawn {
    analysis: Arc<Analysis>,
    colour: ColourBy,
    selected: Vec<usize>,
    dark: bool,
    points: Points,
    bounds: Rect,
}

/// Classes that are named beside their colours.
const NAMED: usize = 12;
/// Height of the row of switches in points.
const TOOLBAR: f32 = 32.0;

/// Draws the tab into the space left.
pub(super) fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let Some(analysis) = state.analysis() else {
        return suspects::not_compared(ui, state, "All pictures on a map", actions);
    };
    cx.evaluate.map.selected.retain(|&i| i < analysis.pictures.len());
    toolbar(ui, analysis, &mut cx.evaluate.map);
    ui.add_space(space::S);
    let all = ui.available_rect_before_wrap();
    let middle = all.left() + (all.width() - 380.0).max(all.width() * 0.5);
    let left = Rect::from_min_max(all.min, pos2(middle, all.max.y));
    let right = Rect::from_min_max(pos2((middle + space::XL).min(all.max.x), all.min.y), all.max);
    let hovered = ui.scope_builder(UiBuilder::new().max_rect(left), |ui| plane(ui, analysis, cx)).inner;
    ui.scope_builder(UiBuilder::new().max_rect(right), |ui| {
        match hovered.and_then(|i| analysis.pictures.get(i)) {
            Some(picture) => one(ui, analysis, picture, cx),
            None => encircled(ui, state, analysis, cx, actions),
        }
    });
    ui.advance_cursor_after_rect(all);
}

fn toolbar(ui: &mut Ui, analysis: &Analysis, memory: &mut Memory) {
    ui.horizontal(|ui| {
        ui.set_min_height(TOOLBAR);
        ui.spacing_mut().item_spacing.x = space::S;
        caption(ui, "Colour");
        let segments = [
            Segment { value: ColourBy::Class, word: "Class", why: "The picture's class" },
            Segment {
                value: ColourBy::Error,
                word: "Mistakes",
                why: "Whether the model gives it its own class",
            },
            Segment { value: ColourBy::Split, word: "Part", why: "Training, validation or test" },
        ];
        if let Some(colour) = segmented::choice(ui, "What the colours mean", memory.colour, &segments) {
            memory.colour = colour;
        }
        caption(ui, "Drag to");
        let segments = [
            Segment {
                value: Drag::Lasso,
                word: "Encircle",
                why: "Draw a line around pictures to select them",
            },
            Segment { value: Drag::Move, word: "Move", why: "Move the plane; the right button always does" },
        ];
        if let Some(drag) = segmented::choice(ui, "What dragging does", memory.cloud.drag, &segments) {
            memory.cloud.drag = drag;
        }
        if icon_button(ui, Icon::ZoomIn, "Zoom in").clicked() {
            memory.cloud.view.by(1.5);
        }
        ui.add_enabled_ui(!memory.cloud.view.is_whole(), |ui| {
            if icon_button(ui, Icon::ZoomOut, "Zoom out").clicked() {
                memory.cloud.view.by(1.0 / 1.5);
            }
            if icon_button(ui, Icon::Maximize, "Show all pictures").clicked() {
                memory.cloud.view = Default::default();
            }
        });
        let mistakes = link_button(ui, "Select mistakes");
        if mistakes.on_hover_text("Select all pictures to which the model gives another class").clicked() {
            let wrong = |i: &usize| analysis.pictures[*i].class != analysis.pictures[*i].predicted;
            memory.selected = (0..analysis.pictures.len()).filter(wrong).collect();
        }
    });
}

/// The plane and its legend; the picture under the pointer.
fn plane(ui: &mut Ui, analysis: &Arc<Analysis>, cx: &mut ViewContext) -> Option<usize> {
    legend(ui, analysis, cx.evaluate.map.colour);
    let shares = analysis.plane.shares;
    caption(
        ui,
        format!(
            "{} · the two directions in which their features differ most hold {:.0} % of all differences",
            count(analysis.pictures.len(), "picture", "pictures"),
            100.0 * (shares[0] + shares[1])
        ),
    )
    .on_hover_text(
        "Principal components of what the network makes of each picture before it names a class (PCA)",
    );
    ui.add_space(space::XS);
    let memory = &mut cx.evaluate.map;
    draw(ui, analysis, memory);
    let drawn = memory.drawn.as_ref()?;
    let name = format!("Map of {}", count(analysis.pictures.len(), "picture", "pictures"));
    let outcome = point_cloud::show(ui, (&drawn.points, drawn.bounds), cx.surface, &mut memory.cloud, &name);
    if let Some(found) = outcome.encircled {
        memory.selected = found;
    }
    if let Some(i) = outcome.clicked {
        cx.evaluate.visiting = analysis.pictures.get(i).map(|p| p.rel.clone());
    }
    outcome.hovered
}

/// Makes the points anew where something about them has changed.
fn draw(ui: &Ui, analysis: &Arc<Analysis>, memory: &mut Memory) {
    let dark = ui.visuals().dark_mode;
    let same = |d: &Drawn| {
        Arc::ptr_eq(&d.analysis, analysis)
            && (d.colour, d.dark) == (memory.colour, dark)
            && d.selected == memory.selected
    };
    if memory.drawn.as_ref().is_some_and(same) {
        return;
    }
    let p = Palette::of(ui);
    let mut chosen = vec![memory.selected.is_empty(); analysis.pictures.len()];
    memory.selected.iter().for_each(|&i| chosen[i] = true);
    let colour = |(picture, chosen): (&AnalysedPicture, &bool)| {
        let colour = colour_of(&p, memory.colour, picture);
        if *chosen { colour } else { colour.gamma_multiply(0.18) }
    };
    let colours: Vec<Color32> = analysis.pictures.iter().zip(&chosen).map(colour).collect();
    let before = memory.drawn.take().filter(|d| Arc::ptr_eq(&d.analysis, analysis));
    let places = before.map_or_else(|| Arc::new(analysis.plane.points.clone()), |d| d.points.places);
    memory.drawn = Some(Drawn {
        analysis: Arc::clone(analysis),
        colour: memory.colour,
        selected: memory.selected.clone(),
        dark,
        bounds: bounds(&places),
        points: Points { places, colours: Arc::new(colours) },
    });
}

fn colour_of(p: &Palette, by: ColourBy, picture: &AnalysedPicture) -> Color32 {
    match by {
        ColourBy::Class => class_colour(picture.class),
        ColourBy::Error if picture.class == picture.predicted => p.muted.gamma_multiply(0.6),
        ColourBy::Error => p.bad,
        ColourBy::Split => match picture.split {
            Split::Train => p.muted.gamma_multiply(0.6),
            Split::Val => p.accent,
            Split::Test => p.warn,
        },
    }
}

fn legend(ui: &mut Ui, analysis: &Analysis, by: ColourBy) {
    let p = Palette::of(ui);
    let entry = |ui: &mut Ui, colour: Color32, word: &str| {
        let (rect, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
        ui.painter().circle_filled(rect.center(), 4.5, colour);
        caption(ui, word);
        ui.add_space(space::XS);
    };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        match by {
            ColourBy::Class => {
                for (class, name) in analysis.classes.iter().enumerate().take(NAMED) {
                    entry(ui, class_colour(class), name);
                }
                if analysis.classes.len() > NAMED {
                    caption(ui, format!("and {} more", analysis.classes.len() - NAMED));
                }
            }
            ColourBy::Error => {
                entry(ui, p.muted.gamma_multiply(0.6), "right");
                entry(ui, p.bad, "another class");
            }
            ColourBy::Split => {
                entry(ui, p.muted.gamma_multiply(0.6), split_name(Split::Train));
                entry(ui, p.accent, split_name(Split::Val));
                if analysis.pictures.iter().any(|p| p.split == Split::Test) {
                    entry(ui, p.warn, split_name(Split::Test));
                }
            }
        }
    });
}

fn class_of(analysis: &Analysis, class: usize) -> &str {
    analysis.classes.get(class).map_or("?", String::as_str)
}

/// The picture under the pointer.
fn one(ui: &mut Ui, analysis: &Analysis, picture: &AnalysedPicture, cx: &mut ViewContext) {
    let path = analysis.root.join(&picture.rel);
    let side = ui.available_width();
    large_picture(ui, &mut cx.thumbnails, &path, vec2(side, side * 0.8), &format!("Picture {}", picture.rel));
    let (class, predicted) = (class_of(analysis, picture.class), class_of(analysis, picture.predicted));
    let words = match picture.class == picture.predicted {
        true => class.to_owned(),
        false => format!("{class}, taken for {predicted}"),
    };
    ui.label(RichText::new(words).strong());
    caption(ui, format!("{} · {} · click to open", file_name(&path), split_name(picture.split)));
}

/// The pictures that are encircled, and what can be decided about all of them.
fn encircled(
    ui: &mut Ui,
    state: &AppState,
    analysis: &Analysis,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let selected = cx.evaluate.map.selected.clone();
    if selected.is_empty() {
        caption(
            ui,
            "Pictures that the network finds alike lie near each other. Point at one to see it, click to open it, draw a line \
             around some to look at them together",
        );
        return;
    }
    ui.horizontal(|ui| {
        let words = count(selected.len(), "picture", "pictures");
        ui.label(RichText::new(words).text_style(section_style()));
        if link_button(ui, "Select none").clicked() {
            cx.evaluate.map.selected.clear();
        }
    });
    if let Some(data) = state.judged_dataset() {
        decide_together(ui, analysis, data, &selected, actions);
    }
    ui.add_space(space::S);
    let clicked = picture_grid::show(ui, &mut cx.thumbnails, (selected.len(), TILE), |i| {
        let picture = &analysis.pictures[selected[i]];
        let (class, predicted) = (class_of(analysis, picture.class), class_of(analysis, picture.predicted));
        Tile {
            path: analysis.root.join(&picture.rel),
            name: format!("{}: {class}, predicted {predicted}", picture.rel),
            title: class.to_owned(),
            detail: if class == predicted { "right".to_owned() } else { format!("taken for {predicted}") },
            selected: false,
        }
    });
    if let Some(i) = clicked {
        cx.evaluate.visiting = Some(analysis.pictures[selected[i]].rel.clone());
    }
}

fn decide_together(
    ui: &mut Ui,
    analysis: &Analysis,
    data: &Dataset,
    selected: &[usize],
    actions: &mut Vec<Action>,
) {
    let mut decision = None;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        let combo = ComboBox::from_id_salt("class of all").selected_text("All of them are…").width(150.0);
        let combo = combo.show_ui(ui, |ui| {
            for name in &data.classes {
                if ui.selectable_label(false, name).clicked() {
                    decision = Some(Decision::Label(name.clone()));
                }
            }
        });
        combo.response.on_hover_text("Give all of them this class. The files stay in their folders");
        let out = secondary_button(ui, "Leave all out");
        if out.on_hover_text("Neither learn from them nor judge by them").clicked() {
            decision = Some(Decision::Exclude);
        }
    });
    let pictures = || -> Vec<String> {
        let rels = selected.iter().map(|&i| &analysis.pictures[i].rel);
        rels.filter(|rel| data.position(rel).is_some()).cloned().collect()
    };
    if let Some(decision) = decision {
        actions.push(Action::Decide(Decided { decision, pictures: pictures() }));
    }
}
