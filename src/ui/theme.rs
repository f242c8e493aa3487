//! Design tokens: spacing, radii, type and colours. The only place where raw colours are written.

mod classes;

pub use classes::class_colour;
pub(crate) use classes::oklab;

use crate::session::ThemeChoice;
use egui::epaint::Shadow;
use egui::style::WidgetVisuals;
use egui::{
    Color32, Context, CornerRadius, FontFamily, FontId, Margin, Stroke, Style, TextStyle, Theme, Visuals,
};

/// Distances in points.
pub mod space {
    /// Between an icon and its word.
    pub const XS: f32 = 4.0;
    /// Between parts of one thing.
    pub const S: f32 = 8.0;
    /// Between things.
    pub const M: f32 = 12.0;
    /// Inside cards.
    pub const L: f32 = 16.0;
    /// Around a screen's content.
    pub const XL: f32 = 24.0;
    /// Between groups of cards.
    pub const XXL: f32 = 32.0;
}

/// Corner radius of buttons, fields and thumbnails, in points.
pub const RADIUS: u8 = 6;
/// Corner radius of cards, in points.
pub const RADIUS_CARD: u8 = 10;

/// Heights of type in points.
pub mod type_size {
    /// Captions and table heads.
    pub const CAPTION: f32 = 12.0;
    /// Everything else.
    pub const BODY: f32 = 13.5;
    /// Heads of sections.
    pub const SECTION: f32 = 16.0;
    /// A screen's title.
    pub const TITLE: f32 = 22.0;

    /// Numbers along the axes of a diagram `height` points high: those of one that fills a large screen are read from farther away.
    pub fn in_diagram(height: f32) -> f32 {
        CAPTION * (height / 600.0).clamp(1.0, 1.6)
    }
}

/// Sizes of the window's frame in points.
pub mod frame {
    /// Width of the left rail.
    pub const RAIL: f32 = 72.0;
    /// Height of the header.
    pub const HEADER: f32 = 48.0;
    /// Height of the status bar.
    pub const STATUS: f32 = 28.0;
    /// Width of the inspector to begin with.
    pub const INSPECTOR: f32 = 300.0;
}

/// Style of a section's head.
pub fn section_style() -> TextStyle {
    TextStyle::Name("section".into())
}

/// egui's word for the user's choice.
pub fn preference(choice: ThemeChoice) -> egui::ThemePreference {
    match choice {
        ThemeChoice::System => egui::ThemePreference::System,
        ThemeChoice::Light => egui::ThemePreference::Light,
        ThemeChoice::Dark => egui::ThemePreference::Dark,
    }
}

/// The colours of one theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// Behind everything.
    pub background: Color32,
    /// Rail, header, inspector, cards.
    pub surface: Color32,
    /// Controls and what lies on a card.
    pub raised: Color32,
    /// Lines.
    pub stroke: Color32,
    /// Edges that tell something, such as how long a progress bar is: at least 3 : 1 on every ground (WCAG 2.2, 1.4.11).
    pub edge: Color32,
    /// Text.
    pub text: Color32,
    /// Secondary text, at least 4.5 : 1 on `surface`.
    pub muted: Color32,
    /// The one accent: the main action, the selection.
    pub accent: Color32,
    /// Text on `accent`.
    pub on_accent: Color32,
    /// Selected, hovered: the accent, faint, on `surface`.
    pub accent_faint: Color32,
    /// Success.
    pub good: Color32,
    /// Worth a look.
    pub warn: Color32,
    /// Failure.
    pub bad: Color32,
    /// Soft shadow of cards in the light theme; nothing in the dark.
    pub shadow: Color32,
}

const DARK: Palette = Palette {
    background: Color32::from_rgb(0x11, 0x13, 0x18),
    surface: Color32::from_rgb(0x18, 0x1B, 0x22),
    raised: Color32::from_rgb(0x20, 0x24, 0x2D),
    stroke: Color32::from_rgb(0x2B, 0x30, 0x3B),
    edge: Color32::from_rgb(0x6F, 0x78, 0x86),
    text: Color32::from_rgb(0xE6, 0xE9, 0xEF),
    muted: Color32::from_rgb(0x9A, 0xA3, 0xB2),
    accent: Color32::from_rgb(0x4C, 0x9A, 0xFF),
    on_accent: Color32::from_rgb(0x08, 0x14, 0x26),
    accent_faint: Color32::from_rgb(0x1C, 0x2D, 0x47),
    good: Color32::from_rgb(0x3F, 0xB6, 0x8B),
    warn: Color32::from_rgb(0xE0, 0xA9, 0x3B),
    bad: Color32::from_rgb(0xEA, 0x75, 0x7C),
    shadow: Color32::TRANSPARENT,
};

const LIGHT: Palette = Palette {
    background: Color32::from_rgb(0xF6, 0xF7, 0xF9),
    surface: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    raised: Color32::from_rgb(0xF1, 0xF3, 0xF6),
    stroke: Color32::from_rgb(0xDE, 0xE2, 0xE9),
    edge: Color32::from_rgb(0x7D, 0x86, 0x94),
    text: Color32::from_rgb(0x1B, 0x1F, 0x27),
    muted: Color32::from_rgb(0x5A, 0x64, 0x72),
    accent: Color32::from_rgb(0x15, 0x5E, 0xCE),
    on_accent: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    accent_faint: Color32::from_rgb(0xE3, 0xED, 0xFD),
    good: Color32::from_rgb(0x13, 0x6B, 0x4C),
    warn: Color32::from_rgb(0x85, 0x59, 0x00),
    bad: Color32::from_rgb(0xB9, 0x2E, 0x37),
    shadow: Color32::from_rgba_premultiplied(0, 0, 0, 18),
};

impl Palette {
    /// The colours of the theme that `ui` is drawn in.
    pub fn of(ui: &egui::Ui) -> Self {
        Self::for_mode(ui.visuals().dark_mode)
    }

    /// The dark colours, or the light ones.
    pub fn for_mode(dark: bool) -> Self {
        if dark { DARK } else { LIGHT }
    }

    /// A blend of two colours; `t` in `[0, 1]`.
    pub fn mix(from: Color32, to: Color32, t: f32) -> Color32 {
        from.lerp_to_gamma(to, t.clamp(0.0, 1.0))
    }

    /// Text that can be read on `fill`.
    pub fn text_on(fill: Color32) -> Color32 {
        // Of black and white one always reaches 4.5 : 1.
        if contrast(Color32::BLACK, fill) > contrast(Color32::WHITE, fill) {
            Color32::BLACK
        } else {
            Color32::WHITE
        }
    }
}

/// Contrast ratio of two colours, from 1 to 21 (WCAG 2.2).
fn contrast(a: Color32, b: Color32) -> f32 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance of a colour, in `[0, 1]` (WCAG 2.2).
fn luminance(c: Color32) -> f32 {
    let linear = |v: u8| egui::ecolor::linear_f32_from_gamma_u8(v);
    0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b())
}

/// Ends of the ramp of a heat map over a picture: from what counts little to what counts most. Lightness rises, so that the order
/// does not rest on hue alone, from dark enough to be seen on a bright picture.
pub const HEAT: [Color32; 2] = [Color32::from_rgb(0x3A, 0x12, 0x66), Color32::from_rgb(0xFF, 0xC8, 0x4A)];

/// Installs type, spacing and both themes' colours.
pub fn install(ctx: &Context) {
    for theme in [Theme::Dark, Theme::Light] {
        ctx.style_mut_of(theme, |style| {
            type_and_spacing(style);
            style.visuals = visuals(theme == Theme::Dark);
        });
    }
}

fn type_and_spacing(style: &mut Style) {
    let text = |size| FontId::new(size, FontFamily::Proportional);
    style.text_styles = [
        (TextStyle::Small, text(type_size::CAPTION)),
        (TextStyle::Body, text(type_size::BODY)),
        (TextStyle::Button, text(type_size::BODY)),
        (section_style(), text(type_size::SECTION)),
        (TextStyle::Heading, text(type_size::TITLE)),
        (TextStyle::Monospace, FontId::new(type_size::CAPTION, FontFamily::Monospace)),
    ]
    .into();
    let s = &mut style.spacing;
    s.item_spacing = egui::vec2(space::S, space::S);
    s.button_padding = egui::vec2(space::M, 6.0);
    s.interact_size = egui::vec2(40.0, 28.0);
    s.menu_margin = Margin::same(space::S as i8);
    s.window_margin = Margin::same(space::L as i8);
    s.tooltip_width = 320.0;
    s.combo_width = 120.0;
    s.slider_rail_height = 4.0;
    s.icon_width = 16.0;
    s.icon_width_inner = 9.0;
    s.scroll = egui::style::ScrollStyle::thin();
    style.interaction.tooltip_delay = 0.35;
    style.interaction.selectable_labels = false;
    style.animation_time = 0.12;
}

fn visuals(dark: bool) -> Visuals {
    let p = Palette::for_mode(dark);
    let mut v = if dark { Visuals::dark() } else { Visuals::light() };
    v.panel_fill = p.background;
    v.window_fill = p.surface;
    v.window_stroke = Stroke::new(1.0, p.stroke);
    v.window_corner_radius = CornerRadius::same(RADIUS_CARD);
    v.menu_corner_radius = CornerRadius::same(RADIUS);
    v.extreme_bg_color = if dark { p.background } else { p.surface };
    v.text_edit_bg_color = Some(if dark { p.background } else { p.surface });
    v.faint_bg_color = p.raised;
    v.code_bg_color = p.raised;
    v.hyperlink_color = p.accent;
    v.warn_fg_color = p.warn;
    v.error_fg_color = p.bad;
    v.weak_text_color = Some(p.muted);
    v.selection.bg_fill = Palette::mix(p.surface, p.accent, 0.35);
    // Of the words on what is selected, and of the frame of a field that has the focus.
    v.selection.stroke = Stroke::new(1.0, Palette::mix(p.accent, p.text, 0.6));
    // Its colour is that of a selection, too faint beside a rail that can be seen.
    v.slider_trailing_fill = false;
    v.indent_has_left_vline = false;
    let popup = Shadow {
        offset: [0, 6],
        blur: 20,
        spread: 0,
        color: Color32::from_black_alpha(if dark { 110 } else { 40 }),
    };
    v.window_shadow = popup;
    v.popup_shadow = popup;
    let widget = |fill: Color32, stroke: Color32, text: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, stroke),
        corner_radius: CornerRadius::same(RADIUS),
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let hover = Palette::mix(p.raised, p.text, 0.08);
    v.widgets.noninteractive = widget(p.surface, p.stroke, p.text);
    v.widgets.inactive = widget(p.raised, p.stroke, p.text);
    // Of rails and their handles; buttons have the weak fill.
    v.widgets.inactive.bg_fill = p.edge;
    v.widgets.hovered = widget(hover, Palette::mix(p.stroke, p.text, 0.25), p.text);
    v.widgets.active = widget(Palette::mix(p.raised, p.accent, 0.3), p.accent, p.text);
    v.widgets.open = widget(hover, p.stroke, p.text);
    v
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::Checkbox;

    #[test]
    fn text_can_be_read_in_both_themes() {
        let read = |ink: Color32, fill: Color32, least: f32| {
            assert!(contrast(ink, fill) >= least, "{ink:?} on {fill:?}: {}", contrast(ink, fill));
        };
        for dark in [true, false] {
            let (p, v) = (Palette::for_mode(dark), visuals(dark));
            for ink in [p.text, p.muted, p.accent, p.good, p.warn, p.bad] {
                for fill in [p.background, p.surface, p.raised] {
                    read(ink, fill, if ink == p.text { 7.0 } else { 4.5 });
                }
                // What is selected or at the cursor in a list.
                read(ink, p.accent_faint, 4.5);
                // A badge.
                read(ink, Palette::mix(p.surface, ink, 0.16), 4.5);
            }
            read(p.on_accent, p.accent, 4.5);
            let w = &v.widgets;
            for state in [&w.noninteractive, &w.inactive, &w.hovered, &w.active, &w.open] {
                read(state.fg_stroke.color, state.weak_bg_fill, 4.5);
            }
            read(p.muted, w.hovered.bg_fill, 4.5);
            read(v.selection.stroke.color, v.selection.bg_fill, 4.5);
        }
    }

    #[test]
    fn what_has_the_focus_can_be_told_in_both_themes() {
        for p in [DARK, LIGHT] {
            for ground in [p.background, p.surface, p.raised] {
                assert!(contrast(p.accent, ground) >= 3.0);
                let field = visuals(p == DARK).selection.stroke.color;
                assert!(contrast(field, ground) >= 3.0);
            }
        }
    }

    #[test]
    fn progress_can_be_seen_in_both_themes() {
        for p in [DARK, LIGHT] {
            for ground in [p.background, p.surface, p.raised] {
                assert!(contrast(p.edge, ground) >= 3.0, "{}", contrast(p.edge, ground));
            }
            // The filled part against the rest of the bar.
            assert!(contrast(p.accent, p.raised) >= 3.0);
        }
    }

    #[test]
    fn boxes_and_rails_can_be_seen_in_both_themes() {
        for theme in [Theme::Dark, Theme::Light] {
            let ctx = Context::default();
            install(&ctx);
            ctx.set_theme(theme);
            let p = Palette::for_mode(theme == Theme::Dark);
            let mut drawn = Vec::new();
            // The first pass measures.
            for _ in 0..2 {
                let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
                    crate::ui::widgets::check_box(ui, Checkbox::without_text(&mut false));
                    ui.add(egui::Slider::new(&mut 0.0, 0.0..=1.0).show_value(false));
                });
                output.textures_delta.clear();
                drawn = output.shapes.into_iter().map(|s| s.shape).collect();
            }
            let rects = drawn.iter().filter_map(|shape| match shape {
                egui::Shape::Rect(rect) => Some(rect),
                _ => None,
            });
            let seen = |colour: Color32| {
                [p.background, p.surface].into_iter().all(|ground| contrast(colour, ground) >= 3.0)
            };
            let (mut boxes, mut rails) = (0, 0);
            for rect in rects {
                if rect.rect.size() == egui::vec2(16.0, 16.0) {
                    boxes += 1;
                    assert!(rect.stroke.width >= 1.0 && seen(rect.stroke.color), "{theme:?}: {rect:?}");
                } else if rect.rect.height() == 4.0 {
                    rails += 1;
                    assert!(seen(rect.fill), "{theme:?}: {rect:?}");
                }
            }
            assert_eq!((boxes, rails), (1, 1), "{theme:?}: {drawn:?}");
        }
    }

    #[test]
    fn text_on_any_ground_can_be_read() {
        let steps = || (0..=255).step_by(15);
        for (r, g, b) in steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| (r, g, b)))) {
            let fill = Color32::from_rgb(r, g, b);
            assert!(contrast(Palette::text_on(fill), fill) >= 4.5, "{fill:?}");
        }
    }
}
