//! The list: thumbnail, name, the five most probable classes. Only what is on the screen is drawn.

use super::bars;
use super::looking::{self, Look};
use crate::engine::Unlike;
use crate::ui::state::{PredictedPicture, file_name};
use crate::ui::theme::{Palette, RADIUS, space};
use crate::ui::views::ViewContext;
use crate::ui::views::train::words::sentence;
use crate::ui::widgets::picture::{picture, whole_picture};
use crate::ui::widgets::{badge, basic::focus_ring, caption, probability_bars};
use crate::ui::{Action, AppState};
use egui::{
    Align, Id, Label, Layout, Rect, Response, RichText, Role, ScrollArea, Sense, Ui, UiBuilder, WidgetInfo,
    pos2, vec2,
};
use std::path::PathBuf;

/// Side of a thumbnail in points.
const THUMB: f32 = 96.0;
/// Classes shown of each picture.
const TOP: usize = 5;
const ROW: f32 = THUMB + 2.0 * space::S;
/// Greatest width of the classes, so that a bar's name and number stay near each other.
const BARS: f32 = 640.0;

/// Draws the pictures that are listed.
pub(super) fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    ui.spacing_mut().item_spacing.y = space::XS;
    let (count, mut hovered, mut focused) = (cx.predict.listing.listed.len(), None, None);
    ScrollArea::vertical().auto_shrink([false, false]).show_rows(ui, ROW, count, |ui, rows| {
        for place in rows {
            let index = cx.predict.listing.listed.get(place);
            let Some(picture) = index.and_then(|&i| state.predictions.pictures().get(i)) else { continue };
            let response = row(ui, state, picture, cx, actions);
            if super::list::top(picture).is_some() {
                hovered = hovered.or(response.contains_pointer().then_some(&picture.path));
                focused = focused.or(response.has_focus().then_some(&picture.path));
            }
        }
    });
    cx.predict.looking.rest_on(ui.ctx(), hovered.or(focused).map(PathBuf::as_path));
}

/// What a row says, for those who do not see it.
fn name(picture: &PredictedPicture) -> String {
    let file = file_name(&picture.path);
    match &picture.result {
        Some(Ok(ranked)) => match ranked.first() {
            Some((label, p)) => format!("{file}: {label}, probability {p:.3}"),
            None => format!("{file}: no classes"),
        },
        Some(Err(error)) => format!("{file}: could not be classified, {error}"),
        None => format!("{file}: waiting"),
    }
}

fn row(
    ui: &mut Ui,
    state: &AppState,
    shown: &PredictedPicture,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) -> Response {
    let p = Palette::of(ui);
    let (_, rect) = ui.allocate_space(vec2(ui.available_width() - space::S, ROW));
    // Its own, so that it keeps the focus while the list scrolls to it.
    let response = ui.interact(rect, Id::unique(("classified", &shown.path)), Sense::click());
    let selected = cx.predict.selected.as_ref() == Some(&shown.path);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, name(shown)));
    let fill = if selected {
        p.accent_faint
    } else if response.hovered() {
        p.raised
    } else {
        p.surface
    };
    ui.painter().rect_filled(rect, RADIUS, fill);
    focus_ring(ui, &response);
    if response.gained_focus() {
        response.scroll_to_me(None);
    }
    if response.clicked() {
        cx.predict.selected = (!selected).then(|| shown.path.clone());
    }
    let inner = rect.shrink(space::S);
    let names = (inner.width() * 0.3).clamp(130.0, 320.0);
    let left = inner.left() + THUMB + space::L;
    let part = |from: f32, to: f32| {
        let rect = Rect::from_min_max(pos2(from, inner.top()), pos2(to, inner.bottom()));
        UiBuilder::new().max_rect(rect).layout(Layout::top_down(Align::Min))
    };
    let file = file_name(&shown.path);
    let mut thumb = ui.new_child(part(inner.left(), inner.left() + THUMB).id_salt((&shown.path, "thumb")));
    let square = picture(&mut thumb, &mut cx.thumbnails, &shown.path, THUMB, &file).rect;
    let mut note = None;
    if let Some((class, _)) =
        super::list::top(shown).filter(|_| cx.predict.looking.rests_on(ui.ctx(), &shown.path))
    {
        let look = looking::look(state, &shown.path, actions);
        note = look.as_ref().map(|look| look.words(class));
        if let Some(Look::Known(explained)) = look
            && let Some(place) = whole_picture(ui, &mut cx.thumbnails, &shown.path, square)
        {
            cx.predict.looking.overlay(ui, (place, square), explained);
        }
    }
    let open = state.predictions.is_undecided(shown);
    title(&mut ui.new_child(part(left, left + names).id_salt((&shown.path, "title"))), shown, open, note);
    let bars_left = left + names + space::L;
    let bars = part(bars_left, inner.right().min(bars_left + BARS)).id_salt((&shown.path, "result"));
    result(&mut ui.new_child(bars), state, shown);
    response
}

/// `open`: it is not decided. `note`: what there is to say of its heat map, in place of its folder.
fn title(ui: &mut Ui, shown: &PredictedPicture, open: bool, note: Option<String>) {
    ui.add_space(space::S);
    let top = super::list::top(shown);
    let head = match top {
        Some((label, p)) if open => format!("Undecided · {label} {p:.3}"),
        Some((label, p)) => format!("{label} {p:.3}"),
        None => file_name(&shown.path),
    };
    let muted = Palette::of(ui).muted;
    let head = RichText::new(head).strong();
    ui.add(Label::new(if open { head.color(muted) } else { head }).truncate());
    if top.is_some() {
        caption(ui, file_name(&shown.path));
    }
    if let Some(unlike) = shown.unlike() {
        unlike_badge(ui, unlike);
    }
    let folder = || shown.path.parent().map(|folder| folder.display().to_string());
    if let Some(last) = note.or_else(folder) {
        ui.add(Label::new(RichText::new(last).small().color(Palette::of(ui).muted)).truncate());
    }
}

/// Says that a picture is unlike anything in training, and what that rests on.
pub(in crate::ui::views) fn unlike_badge(ui: &mut Ui, unlike: &Unlike) {
    let warn = Palette::of(ui).warn;
    badge(ui, "Unlike anything in training", warn).on_hover_text(format!(
        "Its features are {:.3} alike to those of its 5th nearest training picture; 99 % of the training pictures reach {:.3}. \
         The classes say little about such a picture",
        unlike.similarity, unlike.familiar
    ));
}

fn result(ui: &mut Ui, state: &AppState, shown: &PredictedPicture) {
    let width = ui.available_width();
    match &shown.result {
        Some(Ok(ranked)) => {
            let few = ranked.len().min(TOP) as f32;
            ui.add_space(((THUMB - few * probability_bars::ROW) / 2.0).max(0.0));
            probability_bars::show(ui, &bars(state, ranked, TOP), width);
        }
        Some(Err(error)) => {
            ui.add_space(space::S);
            ui.label(RichText::new("Could not be classified").color(Palette::of(ui).bad));
            ui.add(Label::new(RichText::new(sentence(&error.to_string())).small()).wrap());
        }
        None => {
            ui.add_space(space::S);
            caption(ui, "Waiting for its turn");
        }
    }
}
