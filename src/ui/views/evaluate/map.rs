//! All pictures on a plane, alike ones near each other; those that are encircled can be looked at and decided about together.

mod beside;

use super::suspects;
use crate::data::Split;
use crate::session::{AnalysedPicture, Analysis};
use crate::ui::icons::Icon;
use crate::ui::shell::clock;
use crate::ui::state::{JobKind, MapLayout, RunningJob, split_name};
use crate::ui::theme::{Palette, class_colour, space};
use crate::ui::views::ViewContext;
use crate::ui::views::train::words::count;
use crate::ui::widgets::point_cloud::{self, Drag, Points, bounds};
use crate::ui::widgets::segmented::{self, Segment};
use crate::ui::widgets::{caption, icon_button, link_button, progress_bar};
use crate::ui::{Action, AppState};
use egui::{Color32, Rect, Role, Sense, TextStyle, Ui, UiBuilder, WidgetInfo, pos2, vec2};
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
    pub selected: Arc<[usize]>,
    /// The points as they were drawn last, and what they were made of.
    drawn: Option<Drawn>,
}

#[derive(Debug)]
struct Drawn {
    analysis: Arc<Analysis>,
    layout: MapLayout,
    colour: ColourBy,
    selected: Arc<[usize]>,
    dark: bool,
    /// Whether any picture is for testing.
    tested: bool,
    /// Pictures to which the model gives another class.
    wrong: Arc<[usize]>,
    points: Points,
    bounds: Rect,
}

/// Classes that are named beside their colours.
const NAMED: usize = 12;
/// Room for a colour of the legend, in points.
const DOT: f32 = 10.0;
/// Height of the row of switches in points.
const TOOLBAR: f32 = 32.0;

/// Draws the tab into the space left.
pub(super) fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let Some(analysis) = state.analysis() else {
        return suspects::not_compared(ui, state, "All pictures on a map", actions);
    };
    draw(ui, state, analysis, &mut cx.evaluate.map);
    toolbar(ui, state, (&mut cx.evaluate.map, actions));
    ui.add_space(space::S);
    let all = ui.available_rect_before_wrap();
    let middle = all.right() - super::beside(all.width());
    let left = Rect::from_min_max(all.min, pos2(middle, all.max.y));
    let right = Rect::from_min_max(pos2((middle + space::XL).min(all.max.x), all.min.y), all.max);
    let hovered = ui
        .scope_builder(UiBuilder::new().max_rect(left), |ui| plane(ui, state, analysis, (cx, actions)))
        .inner;
    ui.scope_builder(UiBuilder::new().max_rect(right), |ui| {
        match hovered.and_then(|i| analysis.pictures.get(i)) {
            Some(picture) => beside::one(ui, analysis, picture, cx),
            None => beside::encircled(ui, state, analysis, cx, actions),
        }
    });
    ui.advance_cursor_after_rect(all);
}

fn toolbar(ui: &mut Ui, state: &AppState, (memory, actions): (&mut Memory, &mut Vec<Action>)) {
    ui.horizontal_wrapped(|ui| {
        ui.set_min_height(TOOLBAR);
        ui.spacing_mut().item_spacing.x = space::S;
        caption(ui, "Laid out");
        let segments = [
            Segment {
                value: MapLayout::Directions,
                word: "By main directions",
                why: "Along the two directions in which the pictures' features differ most (principal component analysis, PCA): far \
                      apart is unlike",
            },
            Segment {
                value: MapLayout::Neighbourhood,
                word: "By neighbourhood",
                why: "Each picture beside those that it is most like (t-SNE): groups stand out, how far apart they are says little",
            },
        ];
        if let Some(layout) = segmented::choice(ui, "How the pictures are laid out", state.insight.layout, &segments)
        {
            actions.push(Action::ArrangeMap(layout));
        }
        caption(ui, "Colour");
        let segments = [
            Segment { value: ColourBy::Class, word: "Class", why: "The picture's class" },
            Segment {
                value: ColourBy::Error,
                word: "Mistakes",
                why: "Whether the model gives it its own class; test pictures are judged only when you ask for it",
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
            memory.selected = memory.drawn.as_ref().map(|d| Arc::clone(&d.wrong)).unwrap_or_default();
        }
    });
}

/// The plane and its legend; the picture under the pointer.
fn plane(
    ui: &mut Ui,
    state: &AppState,
    analysis: &Arc<Analysis>,
    (cx, actions): (&mut ViewContext, &mut Vec<Action>),
) -> Option<usize> {
    let memory = &mut cx.evaluate.map;
    let drawn = memory.drawn.as_ref()?;
    legend(ui, analysis, (memory.colour, drawn.tested));
    match state.job_of(&JobKind::Arrange) {
        Some(job) => arranging(ui, state, job, actions),
        None => what_it_shows(ui, state, analysis),
    }
    ui.add_space(space::XS);
    let name = format!("Map of {}", count(analysis.pictures.len(), "picture", "pictures"));
    let outcome = point_cloud::show(ui, (&drawn.points, drawn.bounds), cx.surface, &mut memory.cloud, &name);
    if let Some(found) = outcome.encircled {
        memory.selected = found.into();
    }
    if let Some(i) = outcome.clicked {
        cx.evaluate.visiting = analysis.pictures.get(i).map(|p| p.rel.clone());
    }
    outcome.hovered
}

/// What the places mean, and of how many pictures.
fn what_it_shows(ui: &mut Ui, state: &AppState, analysis: &Analysis) {
    let pictures = count(analysis.pictures.len(), "picture", "pictures");
    let Some(found) = state.neighbourhood().filter(|_| state.insight.layout == MapLayout::Neighbourhood)
    else {
        let shares = analysis.plane.shares;
        let words = format!(
            "{pictures} · the two directions in which their features differ most hold {:.0} % of all differences",
            100.0 * (shares[0] + shares[1])
        );
        let why =
            "Principal components of what the network makes of each picture before it names a class (PCA)";
        caption(ui, words).on_hover_text(why);
        return;
    };
    let words = match analysis.pictures.len() > found.arranged {
        true => format!(
            "{pictures} · {} arranged, the others laid beside those that they are most like",
            found.arranged
        ),
        false => format!("{pictures} · alike ones side by side; how far apart groups are says little"),
    };
    caption(ui, words).on_hover_text(
        "t-SNE, perplexity 30, of the first 50 principal components of what the network makes of each picture before it names a class",
    );
}

/// How far arranging the pictures is; the map stays as it was meanwhile.
fn arranging(ui: &mut Ui, state: &AppState, job: &RunningJob, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        if job.started_s.is_none() {
            caption(ui, "Arranging the pictures comes after what runs now");
            return;
        }
        let (done, total) = job.progress.unwrap_or((0, 1));
        caption(ui, "Arranging the pictures by their neighbours");
        progress_bar(ui, done as f32 / total.max(1) as f32, vec2(120.0, 6.0));
        if let Some(left) = job.seconds_left(state.now_s) {
            caption(ui, format!("{} left", clock(left)));
        }
        if !job.stopping && link_button(ui, "Stop").clicked() {
            actions.push(Action::ArrangeMap(MapLayout::Directions));
        }
    });
}

/// Makes the points anew where something about them has changed.
fn draw(ui: &Ui, state: &AppState, analysis: &Arc<Analysis>, memory: &mut Memory) {
    let dark = ui.visuals().dark_mode;
    let found = state.neighbourhood().filter(|_| state.insight.layout == MapLayout::Neighbourhood);
    let layout = if found.is_some() { MapLayout::Neighbourhood } else { MapLayout::Directions };
    let same = |d: &Drawn| Arc::ptr_eq(&d.analysis, analysis) && d.layout == layout;
    let all_same = |d: &Drawn| {
        same(d) && (d.colour, d.dark) == (memory.colour, dark) && Arc::ptr_eq(&d.selected, &memory.selected)
    };
    if memory.drawn.as_ref().is_some_and(all_same) {
        return;
    }
    let of_another = memory.drawn.as_ref().is_some_and(|d| !Arc::ptr_eq(&d.analysis, analysis));
    if of_another || memory.selected.iter().any(|&i| i >= analysis.pictures.len()) {
        memory.selected = Arc::default();
    }
    let p = Palette::of(ui);
    let mut chosen = vec![memory.selected.is_empty(); analysis.pictures.len()];
    memory.selected.iter().for_each(|&i| chosen[i] = true);
    let of_class: Vec<Color32> = (0..analysis.classes.len()).map(class_colour).collect();
    let colour = |(picture, chosen): (&AnalysedPicture, &bool)| {
        let colour = match memory.colour {
            ColourBy::Class => of_class.get(picture.class).copied().unwrap_or(p.muted),
            by => colour_of(&p, by, picture),
        };
        if *chosen { colour } else { colour.gamma_multiply(0.18) }
    };
    let colours: Vec<Color32> = analysis.pictures.iter().zip(&chosen).map(colour).collect();
    let wrong = |i: &usize| analysis.pictures[*i].is_mistaken();
    let (points, bounds, wrong) = match memory.drawn.take().filter(same) {
        Some(d) => (d.points.coloured(colours), d.bounds, d.wrong),
        None => {
            let places = found.map_or(&analysis.plane.points, |found| &found.points);
            // Another layout has other places: what was looked at closely is elsewhere.
            memory.cloud.view = point_cloud::View::default();
            let wrong = (0..analysis.pictures.len()).filter(wrong).collect();
            (Points::new(places.clone(), colours), bounds(places), wrong)
        }
    };
    memory.drawn = Some(Drawn {
        analysis: Arc::clone(analysis),
        layout,
        colour: memory.colour,
        selected: Arc::clone(&memory.selected),
        dark,
        tested: analysis.pictures.iter().any(|p| p.split == Split::Test),
        wrong,
        points,
        bounds,
    });
}

fn colour_of(p: &Palette, by: ColourBy, picture: &AnalysedPicture) -> Color32 {
    match by {
        ColourBy::Class => class_colour(picture.class),
        ColourBy::Error if picture.is_mistaken() => p.bad,
        ColourBy::Error if picture.predicted.is_none() => p.warn.gamma_multiply(0.6),
        ColourBy::Error => p.muted.gamma_multiply(0.6),
        ColourBy::Split => match picture.split {
            Split::Train => p.muted.gamma_multiply(0.6),
            Split::Val => p.accent,
            Split::Test => p.warn,
        },
    }
}

fn legend(ui: &mut Ui, analysis: &Analysis, (by, tested): (ColourBy, bool)) {
    let p = Palette::of(ui);
    // In one piece, which is on one line.
    let entry = |ui: &mut Ui, colour: Color32, word: &str| {
        let font = TextStyle::Small.resolve(ui.style());
        let galley = ui.painter().layout_no_wrap(word.to_owned(), font, p.muted);
        let size = vec2(DOT + space::XS + galley.size().x, galley.size().y);
        let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, word));
        ui.painter().circle_filled(rect.left_center() + vec2(DOT / 2.0, 0.0), 4.5, colour);
        ui.painter().galley(rect.left_top() + vec2(DOT + space::XS, 0.0), galley, p.muted);
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
                    let rest = &analysis.classes[NAMED..];
                    caption(ui, format!("and {} more", rest.len())).on_hover_text(rest.join(", "));
                }
            }
            ColourBy::Error => {
                entry(ui, p.muted.gamma_multiply(0.6), "right");
                entry(ui, p.bad, "another class");
                if tested {
                    entry(ui, p.warn.gamma_multiply(0.6), "test, not judged here");
                }
            }
            ColourBy::Split => {
                entry(ui, p.muted.gamma_multiply(0.6), split_name(Split::Train));
                entry(ui, p.accent, split_name(Split::Val));
                if tested {
                    entry(ui, p.warn, split_name(Split::Test));
                }
            }
        }
    });
}
