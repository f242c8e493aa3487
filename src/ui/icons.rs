//! The icons in use, drawn with the font that [`super::fonts`] installs.

pub use lucide_icons::Icon;

use super::fonts;
use egui::{FontId, RichText};

/// The icon's size beside body text, in points.
pub const SIZE: f32 = 16.0;
/// The icon's size in the rail, in points.
pub const SIZE_RAIL: f32 = 20.0;

/// An icon as text, `size` points high.
pub fn text(icon: Icon, size: f32) -> RichText {
    RichText::new(icon.unicode()).font(font(size))
}

/// The icon font at `size` points.
pub fn font(size: f32) -> FontId {
    FontId::new(size, fonts::icon_family())
}
