//! Fonts: egui's own for text, Lucide for icons.

use egui::{FontData, FontDefinitions, FontFamily};
use std::sync::Arc;

const ICONS: &str = "lucide";

/// The family that holds only icons.
pub fn icon_family() -> FontFamily {
    FontFamily::Name(ICONS.into())
}

/// Installs the fonts. Icons are also a fallback of the text families, so that they may stand inside a sentence.
pub fn install(ctx: &egui::Context) {
    let mut fonts = FontDefinitions::default();
    fonts
        .font_data
        .insert(ICONS.to_owned(), Arc::new(FontData::from_static(lucide_icons::LUCIDE_FONT_BYTES)));
    for family in [FontFamily::Proportional, FontFamily::Monospace] {
        fonts.families.entry(family).or_default().push(ICONS.to_owned());
    }
    fonts.families.insert(icon_family(), vec![ICONS.to_owned()]);
    ctx.set_fonts(fonts);
}
