//! A row of joined buttons of which one is on: parts of a screen, or ways to show something.

use super::basic::focus_ring;
use crate::ui::theme::{Palette, RADIUS, space, type_size};
use egui::{FontId, Frame, Galley, Margin, Rangef, Response, Role, Sense, Stroke, Ui, WidgetInfo, vec2};
use std::sync::Arc;

/// One button.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a, T> {
    /// What it stands for.
    pub value: T,
    /// The word on it.
    pub word: &'a str,
    /// What it shows, in one sentence.
    pub why: &'a str,
}

/// Height of a button in points.
const HEIGHT: f32 = 26.0;
/// Room beside a word where there is enough, and where there is not, in points.
const PADDING: Rangef = Rangef { min: space::XS, max: space::M };

/// Draws the tabs of a screen; `name` is the accessible name of the row. Returns the one that was chosen in this frame.
pub fn tabs<T: Copy + PartialEq>(ui: &mut Ui, name: &str, on: T, segments: &[Segment<'_, T>]) -> Option<T> {
    row(ui, (name, Role::TabList, Role::Tab), on, segments)
}

/// Draws a choice between ways to show something; `name` is the accessible name of the row.
pub fn choice<T: Copy + PartialEq>(ui: &mut Ui, name: &str, on: T, segments: &[Segment<'_, T>]) -> Option<T> {
    row(ui, (name, Role::RadioGroup, Role::RadioButton), on, segments)
}

fn row<T: Copy + PartialEq>(
    ui: &mut Ui,
    (name, group, each): (&str, Role, Role),
    on: T,
    segments: &[Segment<'_, T>],
) -> Option<T> {
    let p = Palette::of(ui);
    let mut chosen = None;
    let words: Vec<Arc<Galley>> = segments.iter().map(|s| word(ui, s.word, s.value == on)).collect();
    let taken: f32 = words.iter().map(|w| w.size().x).sum();
    let padding = PADDING.clamp((ui.available_width() - 4.0 - taken) / (2 * segments.len().max(1)) as f32);
    let frame = Frame::new().fill(p.raised).corner_radius(RADIUS).stroke(Stroke::new(1.0, p.stroke));
    let drawn = frame.inner_margin(Margin::same(1)).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            for (segment, word) in segments.iter().zip(words) {
                let response = button(ui, word, segment.value == on, padding);
                response.widget_info(|| WidgetInfo::selected(each, true, segment.value == on, segment.word));
                if response.on_hover_text(segment.why).clicked() && segment.value != on {
                    chosen = Some(segment.value);
                }
            }
        });
    });
    drawn.response.widget_info(|| WidgetInfo::labeled(group, true, name));
    chosen
}

fn word(ui: &Ui, word: &str, on: bool) -> Arc<Galley> {
    let p = Palette::of(ui);
    let font = FontId::proportional(type_size::BODY);
    ui.painter().layout_no_wrap(word.to_owned(), font, if on { p.text } else { p.muted })
}

fn button(ui: &mut Ui, word: Arc<Galley>, on: bool, padding: f32) -> Response {
    let p = Palette::of(ui);
    let size = vec2(word.size().x + 2.0 * padding, HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    if on {
        ui.painter().rect_filled(rect, RADIUS - 1, p.accent_faint);
    } else if response.hovered() {
        ui.painter().rect_filled(rect, RADIUS - 1, Palette::mix(p.raised, p.text, 0.08));
    }
    ui.painter().galley(rect.center() - word.size() / 2.0, word, p.text);
    focus_ring(ui, &response);
    response
}
