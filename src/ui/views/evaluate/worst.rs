//! The pictures with the highest loss, and the classes that are taken for each other.

use super::Memory;
use crate::engine::analysis::Pair;
use crate::engine::{Analysis, Evaluation};
use crate::error::thousands;
use crate::ui::Action;
use crate::ui::state::{Selection, ShownEvaluation, file_name};
use crate::ui::theme::{Palette, RADIUS, class_colour, space, type_size};
use crate::ui::views::train::words::count;
use crate::ui::widgets::basic::focus_ring;
use crate::ui::widgets::{caption, link_button, paint_bar, section};
use egui::{Align2, FontId, Rect, Response, Role, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};
use std::path::Path;

const ROW: f32 = 30.0;
/// Losses that are listed at least, and share of the height that more of them may take; the pictures beside show all.
const LISTED: usize = 6;
const SHARE: f32 = 0.5;
/// Room for a number with its bar.
const NUMBER: f32 = 132.0;

/// Draws both lists; each row shows its pictures.
pub(super) fn show(
    ui: &mut Ui,
    shown: &ShownEvaluation,
    selection: Option<Selection>,
    memory: &mut Memory,
    actions: &mut Vec<Action>,
) {
    let e = &shown.evaluation;
    let Some(analysis) = memory.analysed.show_or_wait(ui, e) else { return };
    losses(ui, (e, &analysis), selection, memory, actions);
    ui.add_space(space::L);
    pairs(ui, (e, &analysis), selection, memory, actions);
}

fn losses(
    ui: &mut Ui,
    (e, analysis): (&Evaluation, &Analysis),
    selection: Option<Selection>,
    memory: &mut Memory,
    actions: &mut Vec<Action>,
) {
    section(ui, "Highest losses");
    caption(
        ui,
        "Loss is the cross-entropy: how little probability the true class got. High ones are hard pictures, or wrong labels",
    );
    if link_button(ui, "Show all by loss").clicked() {
        memory.enlarged = None;
        actions.push(Action::Select(Some(Selection::Losses)));
    }
    let most = analysis.by_loss.first().and_then(|&i| e.predictions.get(i)).map_or(1.0, |p| p.loss());
    ui.spacing_mut().item_spacing.y = 0.0;
    let listed = ((ui.available_height() * SHARE / ROW) as usize).max(LISTED);
    for (place, p) in analysis.by_loss.iter().take(listed).filter_map(|&i| e.predictions.get(i)).enumerate() {
        let class = |c: usize| e.classes.get(c).map_or("?", String::as_str);
        let name = file_name(Path::new(&p.rel));
        let said = match p.truth == p.predicted {
            true => format!("{}, rightly found", class(p.truth)),
            false => format!("{} taken for {}", class(p.truth), class(p.predicted)),
        };
        let text = format!("Loss {:.3}: {}, {said}", p.loss(), p.rel);
        let on = selection == Some(Selection::Losses) && memory.enlarged == Some(place);
        let number = format!("{:.2}", p.loss());
        let row = Row { dots: &[p.truth, p.predicted], words: &format!("{name} · {said}"), number: &number };
        if row.show(ui, (p.loss() / most.max(f64::MIN_POSITIVE)) as f32, on, &text).clicked() {
            memory.enlarge_next = Some((Selection::Losses, place));
            actions.push(Action::Select(Some(Selection::Losses)));
        }
    }
}

fn pairs(
    ui: &mut Ui,
    (e, analysis): (&Evaluation, &Analysis),
    selection: Option<Selection>,
    memory: &mut Memory,
    actions: &mut Vec<Action>,
) {
    section(ui, "Most confused pairs");
    let found = analysis.pairs.len();
    if found == 0 {
        caption(ui, "No two classes are taken for each other");
        return;
    }
    let of = count(found, "pair of classes is", "pairs of classes are");
    caption(ui, format!("{of} mixed up, in either direction. Select one to see its pictures"));
    ui.add_space(space::XS);
    let most = analysis.pairs.first().map_or(1, Pair::mistakes);
    ui.spacing_mut().item_spacing.y = 0.0;
    let area = ScrollArea::vertical().id_salt("pairs").auto_shrink([false, false]);
    area.show_rows(ui, ROW, found, |ui, rows| {
        for pair in analysis.pairs.get(rows).unwrap_or_default() {
            let class = |c: usize| e.classes.get(c).map_or("?", String::as_str);
            let (a, b) = (class(pair.a), class(pair.b));
            let words = format!("{a} and {b}");
            let text = format!(
                "{a} and {b}: {} ({} of {a} taken for {b}, {} of {b} taken for {a})",
                count(pair.mistakes(), "mistake", "mistakes"),
                thousands(pair.a_as_b),
                thousands(pair.b_as_a)
            );
            let wanted = Selection::Pair { a: pair.a, b: pair.b };
            let on = selection == Some(wanted);
            let number = format!("{} + {}", pair.a_as_b, pair.b_as_a);
            let row = Row { dots: &[pair.a, pair.b], words: &words, number: &number };
            if row.show(ui, pair.mistakes() as f32 / most as f32, on, &text).clicked() {
                memory.enlarged = None;
                actions.push(Action::Select((!on).then_some(wanted)));
            }
        }
    });
}

/// Dots of classes, words, and a number with a bar under it.
struct Row<'a> {
    dots: &'a [usize],
    words: &'a str,
    number: &'a str,
}

impl Row<'_> {
    fn show(&self, ui: &mut Ui, frac: f32, on: bool, name: &str) -> Response {
        let p = Palette::of(ui);
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, name));
        if on || response.hovered() {
            let fill = if on { p.accent_faint } else { p.raised };
            ui.painter().rect_filled(rect.shrink2(vec2(0.0, 1.0)), RADIUS, fill);
        }
        let mut x = rect.left() + space::S + 4.0;
        for &class in self.dots {
            ui.painter().circle_filled(pos2(x, rect.center().y), 4.5, class_colour(class));
            x += 12.0;
        }
        let split = (rect.right() - NUMBER - space::S).max(x);
        let words = Rect::from_min_max(pos2(x, rect.top()), pos2(split, rect.bottom()));
        let font = FontId::proportional(type_size::CAPTION);
        let mut job = egui::text::LayoutJob::simple_singleline(self.words.to_owned(), font.clone(), p.text);
        job.wrap = egui::text::TextWrapping::truncate_at_width(words.width());
        let galley = ui.painter().layout_job(job);
        ui.painter().galley(pos2(x, rect.center().y - galley.size().y / 2.0), galley, p.text);
        let bar = Rect::from_min_max(
            pos2(split + space::S, rect.center().y - 3.0),
            pos2((rect.right() - 52.0).max(split + space::S), rect.center().y + 3.0),
        );
        paint_bar(ui, bar, frac, p.accent);
        let at = pos2(rect.right() - space::S, rect.center().y);
        ui.painter().text(at, Align2::RIGHT_CENTER, self.number, font, p.muted);
        focus_ring(ui, &response);
        response.on_hover_text(name)
    }
}
