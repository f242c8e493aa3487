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
    install_with(ctx, Vec::new());
}

/// The same, with font files for letters that egui's own fonts lack.
pub fn install_with(ctx: &egui::Context, others: Vec<Vec<u8>>) {
    let mut fonts = FontDefinitions::default();
    fonts
        .font_data
        .insert(ICONS.to_owned(), Arc::new(FontData::from_static(lucide_icons::LUCIDE_FONT_BYTES)));
    for family in [FontFamily::Proportional, FontFamily::Monospace] {
        fonts.families.entry(family).or_default().push(ICONS.to_owned());
    }
    for (n, font) in others.into_iter().enumerate() {
        let name = format!("other letters {n}");
        fonts.font_data.insert(name.clone(), Arc::new(FontData::from_owned(font)));
        for family in [FontFamily::Proportional, FontFamily::Monospace] {
            fonts.families.entry(family).or_default().push(name.clone());
        }
    }
    fonts.families.insert(icon_family(), vec![ICONS.to_owned()]);
    ctx.set_fonts(fonts);
}
