//! The list: thumbnail, name, the five most probable classes. Only what is on the screen is drawn.

use super::bars;
use crate::engine::Unlike;
use crate::ui::AppState;
use crate::ui::state::{PredictedPicture, file_name};
use crate::ui::theme::{Palette, RADIUS, space};
use crate::ui::views::ViewContext;
use crate::ui::views::train::words::sentence;
use crate::ui::widgets::{badge, basic::focus_ring, caption, picture, probability_bars};
use egui::{
    Align, Label, Layout, Rect, RichText, Role, ScrollArea, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

/// Side of a thumbnail in points.
const THUMB: f32 = 96.0;
/// Classes shown of each picture.
const TOP: usize = 5;
const ROW: f32 = THUMB + 2.0 * space::S;

/// Draws the pictures of `listed`.
pub(super) fn show(ui: &mut Ui, state: &AppState, listed: &[usize], cx: &mut ViewContext) {
    ui.spacing_mut().item_spacing.y = space::XS;
    ScrollArea::vertical().auto_shrink([false, false]).show_rows(ui, ROW, listed.len(), |ui, rows| {
        for place in rows {
            let picture = listed.get(place).and_then(|&i| state.predictions.pictures.get(i));
            if let Some(picture) = picture {
                row(ui, state, picture, cx);
            }
        }
    });
}

/// What a row says, for those who do not see it.
fn name(picture: &PredictedPicture) -> String {
    let file = file_name(&picture.path);
    match &picture.result {
        Some(Ok(ranked)) => match ranked.first() {
            Some((label, p)) => format!("{file}: {label}, probability {p:.3}"),
            None => format!("{file}: no classes"),
        },
        Some(Err(error)) => format!("{file}: could not be read, {error}"),
        None => format!("{file}: waiting"),
    }
}

fn row(ui: &mut Ui, state: &AppState, shown: &PredictedPicture, cx: &mut ViewContext) {
    let p = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width() - space::S, ROW), Sense::click());
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
    picture(&mut thumb, &mut cx.thumbnails, &shown.path, THUMB, &file);
    let unlike = state.predictions.unlike(&shown.path);
    let open = state.predictions.is_undecided(shown);
    title(&mut ui.new_child(part(left, left + names).id_salt((&shown.path, "title"))), shown, (open, unlike));
    let bars = part(left + names + space::L, inner.right()).id_salt((&shown.path, "result"));
    result(&mut ui.new_child(bars), state, shown);
}

/// `open`: it is not decided.
fn title(ui: &mut Ui, shown: &PredictedPicture, (open, unlike): (bool, Option<&Unlike>)) {
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
    let under = if top.is_some() { file_name(&shown.path) } else { String::new() };
    caption(ui, under);
    if let Some(unlike) = unlike {
        unlike_badge(ui, unlike);
    }
    if let Some(folder) = shown.path.parent() {
        let folder = RichText::new(folder.display().to_string()).small().color(Palette::of(ui).muted);
        ui.add(Label::new(folder).truncate());
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
            ui.label(RichText::new("Could not be read").color(Palette::of(ui).bad));
            ui.add(Label::new(RichText::new(sentence(&error.to_string())).small()).wrap());
        }
        None => {
            ui.add_space(space::S);
            caption(ui, "Waiting for its turn");
        }
    }
}
