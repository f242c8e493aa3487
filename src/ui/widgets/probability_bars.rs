//! Classes with their probabilities as bars.

use super::basic::paint_bar;
use crate::ui::theme::{Palette, space, type_size};
use egui::text::{LayoutJob, TextFormat};
use egui::{Align2, Color32, FontId, Rect, Role, Sense, Ui, Vec2, WidgetInfo, pos2, vec2};

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Class.
    pub name: String,
    /// In `[0, 1]`.
    pub probability: f32,
    /// The class's colour.
    pub colour: Color32,
}

/// Height of a row in points.
pub const ROW: f32 = 19.0;
/// Room for "0.948".
const NUMBER: f32 = 40.0;

/// Draws the bars one under another, `width` points wide: name, bar, number.
pub fn show(ui: &mut Ui, bars: &[Bar], width: f32) {
    let p = Palette::of(ui);
    for bar in bars {
        let (rect, response) =
            ui.allocate_exact_size(vec2(width, ROW - ui.spacing().item_spacing.y), Sense::hover());
        let text = format!("{}: probability {:.3}", bar.name, bar.probability);
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
        if ui.is_rect_visible(rect) {
            draw(ui, &p, bar, rect);
        }
        response.on_hover_ui(|ui| {
            ui.label(text);
        });
    }
}

fn draw(ui: &Ui, p: &Palette, bar: &Bar, rect: Rect) {
    let font = FontId::proportional(type_size::CAPTION);
    let name_width = (rect.width() * 0.38).clamp(60.0, 190.0);
    let mut job = LayoutJob::single_section(bar.name.clone(), TextFormat::simple(font.clone(), p.text));
    job.wrap.max_width = name_width - space::S;
    job.wrap.max_rows = 1;
    job.wrap.break_anywhere = true;
    let galley = ui.painter().layout_job(job);
    ui.painter().galley(pos2(rect.left(), rect.center().y - galley.size().y / 2.0), galley, p.text);
    let track = Rect::from_min_size(
        pos2(rect.left() + name_width, rect.center().y - 3.5),
        Vec2::new((rect.width() - name_width - NUMBER).max(0.0), 7.0),
    );
    paint_bar(ui, track, bar.probability, bar.colour);
    let number = format!("{:.3}", bar.probability);
    ui.painter().text(rect.right_center(), Align2::RIGHT_CENTER, number, font, p.text);
}
