//! What is shown and in which order.

use super::{ViewContext, split_words, zoom};
use crate::data::{Preflight, Split};
use crate::error::{part_of, thousands};
use crate::ui::icons::Icon;
use crate::ui::state::gallery::{Filter, SizeFilter, SortBy};
use crate::ui::theme::space;
use crate::ui::widgets::{caption, drop_down, icon_button, link_button};
use egui::{ComboBox, TextEdit, Ui};

const SIZES: [(SizeFilter, &str, &str); 3] = [
    (SizeFilter::Any, "All sizes", "Pictures of every size"),
    (SizeFilter::Small, "Small", "The shorter side has fewer pixels than the network looks at"),
    (SizeFilter::OddShape, "Odd shape", "More than twice as long as wide, or as wide as long"),
];

const ORDERS: [(SortBy, &str); 5] = [
    (SortBy::Class, "By class"),
    (SortBy::Name, "By name"),
    (SortBy::Pixels, "By pixels"),
    (SortBy::Bytes, "By file size"),
    (SortBy::Aspect, "By shape"),
];

/// Draws both rows: the filters; the order, the zoom and how many pictures are on show.
pub(super) fn show(ui: &mut Ui, preflight: &Preflight, cx: &mut ViewContext) {
    ui.horizontal_wrapped(|ui| filters(ui, preflight, cx));
    ui.horizontal_wrapped(|ui| {
        order(ui, cx);
        ui.add_space(space::S);
        zoom::slider(ui, cx);
        ui.add_space(space::S);
        counts(ui, preflight, cx);
    });
}

fn filters(ui: &mut Ui, preflight: &Preflight, cx: &mut ViewContext) {
    let data = &preflight.dataset;
    let present = cx.data.shown.overview.splits();
    let filter = &mut cx.data.filter;
    let shown = filter.class.and_then(|c| data.classes.get(c)).map_or("All classes", String::as_str);
    let combo = ComboBox::from_id_salt("class filter").selected_text(shown).width(140.0).truncate();
    let combo = drop_down(ui, combo, |lines| {
        lines.value(&mut filter.class, None, "All classes");
        for (c, name) in data.classes.iter().enumerate() {
            lines.value(&mut filter.class, Some(c), name);
        }
    });
    combo.on_hover_text("Show one class");
    for split in std::iter::once(None).chain(present.map(Some)) {
        let (word, why) = split_words(split);
        if ui.selectable_label(filter.split == split, word).on_hover_text(why).clicked() {
            filter.split = split;
        }
    }
    let word = |size| SIZES.iter().find(|(s, ..)| *s == size).map_or("", |(_, word, _)| *word);
    let combo = ComboBox::from_id_salt("size filter").selected_text(word(filter.size)).width(92.0);
    let combo = drop_down(ui, combo, |lines| {
        for (size, word, why) in SIZES {
            if lines.explained(filter.size == size, word, why) {
                filter.size = size;
            }
        }
    });
    combo.on_hover_text("Show pictures of some sizes");
    let field = TextEdit::singleline(&mut filter.name).hint_text("Name contains").desired_width(120.0);
    ui.add(field).on_hover_text("Show pictures with this text in their name or folder");
}

fn order(ui: &mut Ui, cx: &mut ViewContext) {
    let sorting = &mut cx.data.sorting;
    let word = ORDERS.iter().find(|(by, _)| *by == sorting.by).map_or("", |(_, word)| *word);
    let combo = ComboBox::from_id_salt("order").selected_text(word).width(140.0);
    let combo = drop_down(ui, combo, |lines| {
        for (by, word) in ORDERS {
            lines.value(&mut sorting.by, by, word);
        }
    });
    combo.on_hover_text("The order of the pictures");
    let (icon, name) = match sorting.descending {
        false => (Icon::ArrowUpNarrowWide, "Smallest first"),
        true => (Icon::ArrowDownWideNarrow, "Largest first"),
    };
    if icon_button(ui, icon, name).clicked() {
        sorting.descending = !sorting.descending;
    }
}

fn counts(ui: &mut Ui, preflight: &Preflight, cx: &mut ViewContext) {
    let (shown, all) = (cx.data.shown.arrangement.order.len(), preflight.dataset.samples.len());
    if cx.data.filter != Filter::default() {
        caption(ui, format!("{} shown", part_of(shown, all)));
        if let Some(finding) = cx.data.filter.finding.and_then(|f| preflight.findings.get(f)) {
            caption(ui, format!("· {}", finding.title));
        }
        if link_button(ui, "Show all").clicked() {
            cx.data.filter = Filter::default();
        }
    }
    if cx.data.picked.len() > 1 {
        caption(ui, format!("{} selected", thousands(cx.data.picked.len())));
    }
}

impl super::Overview {
    /// The splits that have pictures.
    fn splits(&self) -> impl Iterator<Item = Split> + use<> {
        let there = self.counts.each_ref().map(|(split, counts)| (*split, counts.iter().any(|n| *n > 0)));
        there.into_iter().filter(|(_, there)| *there).map(|(split, _)| split)
    }
}
