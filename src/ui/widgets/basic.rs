//! Buttons, cards, heads, numbers.

use crate::ui::icons::{self, Icon};
use crate::ui::theme::{self, Palette, RADIUS_CARD, space};
use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{
    Align, Button, Checkbox, Color32, Frame, Label, Layout, Margin, Rect, Response, RichText, Role, Sense,
    Spinner, Stroke, TextStyle, TextWrapMode, Ui, UiBuilder, Vec2, WidgetInfo, WidgetText, vec2,
};

/// The one button of a screen that leads on: filled with the accent.
pub fn primary_button(ui: &mut Ui, label: impl Into<String>) -> Response {
    let p = Palette::of(ui);
    let enabled = ui.is_enabled();
    let fill = if enabled { p.accent } else { p.raised };
    let ink = if enabled { p.on_accent } else { p.muted };
    ui.add(
        Button::new(RichText::new(label).color(ink).strong())
            .fill(fill)
            .stroke(Stroke::NONE)
            .min_size(vec2(0.0, 30.0)),
    )
}

/// A button beside the main one.
pub fn secondary_button(ui: &mut Ui, label: impl Into<WidgetText>) -> Response {
    ui.add(Button::new(label.into()).min_size(vec2(0.0, 28.0)))
}

/// A small button for the status bar.
pub fn button_small(ui: &mut Ui, label: &str) -> Response {
    ui.add(Button::new(RichText::new(label).small()).small().min_size(vec2(0.0, 18.0)))
}

/// A box to tick, with a frame that can be seen while it is not.
pub fn check_box(ui: &mut Ui, checkbox: Checkbox<'_>) -> Response {
    let p = Palette::of(ui);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        widgets.inactive.bg_fill = p.raised;
        for state in [&mut widgets.noninteractive, &mut widgets.inactive, &mut widgets.hovered] {
            state.bg_stroke.color = p.edge;
        }
        ui.add(checkbox)
    })
    .inner
}

/// A button without a frame, in the accent's colour.
pub fn link_button(ui: &mut Ui, label: impl Into<String>) -> Response {
    let accent = Palette::of(ui).accent;
    let response = ui.add(Button::new(RichText::new(label).color(accent)).frame(false));
    focus_ring(ui, &response);
    response
}

/// A square button with an icon; `name` is its accessible name and tooltip.
pub fn icon_button(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    sized_icon_button(ui, icon, name, Vec2::splat(28.0))
}

/// The same, narrower, beside other controls.
pub fn slim_icon_button(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    sized_icon_button(ui, icon, name, vec2(20.0, 28.0))
}

fn sized_icon_button(ui: &mut Ui, icon: Icon, name: &str, size: Vec2) -> Response {
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), name));
    if ui.is_rect_visible(rect) {
        let p = Palette::of(ui);
        let lit = response.hovered() || response.has_focus();
        if lit {
            ui.painter().rect_filled(rect, theme::RADIUS, p.raised);
        }
        paint_icon(ui, rect.center(), icon, icons::SIZE, if lit { p.text } else { p.muted });
        focus_ring(ui, &response);
    }
    response.on_hover_text(name)
}

/// Draws an icon centred at a point.
pub fn paint_icon(ui: &Ui, at: egui::Pos2, icon: Icon, size: f32, colour: Color32) {
    ui.painter().text(at, egui::Align2::CENTER_CENTER, icon.unicode(), icons::font(size), colour);
}

/// An icon beside words that say the same: drawn, and no label of its own for those who listen.
pub fn icon_beside(ui: &mut Ui, icon: Icon, size: f32, colour: Color32) {
    let glyph = ui.painter().layout_no_wrap(icon.unicode().to_string(), icons::font(size), colour);
    let (rect, _) = ui.allocate_exact_size(glyph.size(), Sense::hover());
    ui.painter().galley(rect.min, glyph, colour);
}

/// Whether a question stands over `ui`, so that keys are not for it.
pub fn is_behind_question(ui: &Ui) -> bool {
    ui.memory(|m| m.top_modal_layer()).is_some_and(|top| top != ui.layer_id())
}

/// A ring around what has the keyboard's focus.
pub fn focus_ring(ui: &Ui, response: &Response) {
    focus_ring_at(ui, response, response.rect.expand(1.0));
}

/// The same around `rect`, where what is pressed reaches to the edge of its panel.
pub fn focus_ring_at(ui: &Ui, response: &Response, rect: Rect) {
    if response.has_focus() {
        let stroke = Stroke::new(1.5, Palette::of(ui).accent);
        ui.painter().rect_stroke(rect, theme::RADIUS, stroke, egui::StrokeKind::Outside);
    }
}

/// Height that a screen's content has left below the cursor once no message stands over the status bar.
pub fn lasting_height(ui: &Ui) -> f32 {
    let bottom = ui.ctx().content_rect().bottom() - theme::frame::STATUS - space::XL;
    (bottom - ui.cursor().top()).max(ui.available_height())
}

/// A card: a surface with room inside.
pub fn card<R>(ui: &mut Ui, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let p = Palette::of(ui);
    Frame::new()
        .fill(p.surface)
        .stroke(Stroke::new(1.0, p.stroke))
        .corner_radius(RADIUS_CARD)
        .shadow(egui::Shadow { offset: [0, 2], blur: 8, spread: 0, color: p.shadow })
        .inner_margin(Margin::same(space::L as i8))
        .show(ui, contents)
        .inner
}

/// Text in the middle of a place that is taken already; what comes after the place stands as if it was not there.
pub fn words_in(ui: &mut Ui, place: Rect, text: RichText) {
    let middle = Layout::centered_and_justified(egui::Direction::TopDown);
    let inside = UiBuilder::new().max_rect(place.shrink(space::L)).layout(middle);
    let mut ui = ui.new_child(inside);
    ui.shrink_clip_rect(place);
    ui.add(Label::new(text).wrap());
}

/// The head of a section.
pub fn section(ui: &mut Ui, title: &str) {
    ui.add_space(space::XS);
    ui.label(RichText::new(title).text_style(theme::section_style()));
}

/// Small, muted text.
pub fn caption(ui: &mut Ui, text: impl Into<String>) -> Response {
    let muted = Palette::of(ui).muted;
    ui.label(RichText::new(text).small().color(muted))
}

/// A number with what it is of: the number large, the rest as a caption under it, cut where it is wider than `most` points.
pub fn stat(ui: &mut Ui, number: &str, of: &str, most: f32) -> Response {
    let whole = ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        let [number, of] = stat_texts(ui, number, of);
        ui.add(Label::new(number).extend());
        if most.is_finite() {
            ui.set_max_width(most);
            ui.add(Label::new(of).truncate());
        } else {
            ui.add(Label::new(of).extend());
        }
    });
    whole.response
}

/// How wide [`stat`] is where nothing is cut, in points.
pub fn stat_width(ui: &Ui, number: &str, of: &str) -> f32 {
    let width = |text: RichText| {
        let text = WidgetText::from(text);
        text.into_galley(ui, Some(TextWrapMode::Extend), f32::INFINITY, TextStyle::Body).size().x
    };
    stat_texts(ui, number, of).map(width).into_iter().fold(0.0, f32::max).ceil()
}

fn stat_texts(ui: &Ui, number: &str, of: &str) -> [RichText; 2] {
    let number = RichText::new(number).text_style(TextStyle::Heading).strong();
    [number, RichText::new(of).small().color(Palette::of(ui).muted)]
}

/// Widest text of a badge, in points; longer ones are cut and shown whole on hovering.
const BADGE_TEXT: f32 = 168.0;

/// A word on a tinted ground, in one line.
pub fn badge(ui: &mut Ui, text: &str, colour: Color32) -> Response {
    let ground = Palette::mix(Palette::of(ui).surface, colour, 0.16);
    let format = TextFormat::simple(TextStyle::Small.resolve(ui.style()), colour);
    let mut job = LayoutJob::single_section(text.to_owned(), format);
    job.wrap = TextWrapping::truncate_at_width(BADGE_TEXT);
    let galley = ui.painter().layout_job(job);
    let margin = vec2(6.0, 2.0);
    let (rect, response) = ui.allocate_exact_size(galley.size() + 2.0 * margin, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    ui.painter().rect_filled(rect, theme::RADIUS, ground);
    let cut = galley.elided;
    ui.painter().galley(rect.min + margin, galley, colour);
    if cut { response.on_hover_text(text) } else { response }
}

/// The dot in a class's colour that stands before its name.
pub fn class_dot(ui: &mut Ui, class: usize) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(10.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.5, theme::class_colour(class));
}

/// A wheel that turns while something is done that nobody can count; `name` says what.
pub fn wheel(ui: &mut Ui, size: f32, name: &str) -> Response {
    let muted = Palette::of(ui).muted;
    let response = ui.add(Spinner::new().size(size).color(muted));
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, name));
    response
}

/// How far something has come, in `[0, 1]`: a bar whose whole length can be seen.
pub fn progress_bar(ui: &mut Ui, frac: f32, size: Vec2) -> Response {
    let p = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let edge = Stroke::new(1.0, p.edge);
    ui.painter().rect(rect, bar_radius(rect), p.raised, edge, egui::StrokeKind::Inside);
    fill_bar(ui, rect, frac, p.accent);
    response
}

/// Draws a bar filled to `frac`, in `[0, 1]`, for a number that stands beside it.
pub fn paint_bar(ui: &Ui, rect: Rect, frac: f32, colour: Color32) {
    let p = Palette::of(ui);
    // The raised ground of the light theme is hardly darker than what is around it.
    ui.painter().rect_filled(rect, bar_radius(rect), Palette::mix(p.surface, p.text, 0.10));
    fill_bar(ui, rect, frac, colour);
}

fn fill_bar(ui: &Ui, mut rect: Rect, frac: f32, colour: Color32) {
    let radius = bar_radius(rect);
    rect.set_width(rect.width() * frac.clamp(0.0, 1.0));
    if rect.width() > 0.5 {
        ui.painter().rect_filled(rect, radius, colour);
    }
}

fn bar_radius(rect: Rect) -> f32 {
    (rect.height() / 2.0).min(3.0)
}

/// What stands where there is nothing yet: an icon, a sentence, what to do; `more` adds buttons under it.
pub fn empty_state<R>(
    ui: &mut Ui,
    icon: Icon,
    title: &str,
    body: &str,
    more: impl FnOnce(&mut Ui) -> R,
) -> R {
    let p = Palette::of(ui);
    ui.add_space((ui.available_height() * 0.28).max(space::XL));
    ui.with_layout(Layout::top_down(Align::Center), |ui| {
        icon_beside(ui, icon, 40.0, p.muted);
        ui.add_space(space::XS);
        ui.label(RichText::new(title).text_style(theme::section_style()));
        ui.scope(|ui| {
            ui.set_max_width(460.0);
            ui.label(RichText::new(body).color(p.muted));
        });
        ui.add_space(space::S);
        more(ui)
    })
    .inner
}
