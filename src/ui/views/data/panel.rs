//! The Data screen's inspector: the selected picture, the classes with their counts, what was found, what was left out.

use super::findings::{excluded, show_finding, skipped};
use super::{ViewContext, division, drop_bar, mark_split};
use crate::config::DataConfig;
use crate::data::{Dataset, Decision, Preflight, Split};
use crate::error::thousands;
use crate::ui::actions::Pick;
use crate::ui::icons::Icon;
use crate::ui::state::split_name;
use crate::ui::theme::{self, Palette, space};
use crate::ui::thumbnails::{LARGE_PX, Thumb};
use crate::ui::views::decide;
use crate::ui::views::train::words::count;
use crate::ui::widgets::basic::focus_ring;
use crate::ui::widgets::setting::PathChoice;
use crate::ui::widgets::{PathField, caption, class_dot, icon_button, link_button, picture, section};
use crate::ui::{Action, AppState};
use egui::{Align, Label, Layout, Response, RichText, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

/// Pictures shown of a selection.
const STRIP: usize = 4;
/// A list of more classes than this comes after what was found.
const MANY_CLASSES: usize = 10;

pub(super) fn show(
    ui: &mut Ui,
    (state, preflight): (&AppState, &Preflight),
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let data = &preflight.dataset;
    // What is pressed may be about to be dragged onto a class: the panel that would move that away waits for the release.
    if !ui.input(|i| i.pointer.any_down()) {
        cx.data.in_panel = (cx.data.picked.len(), cx.data.picked.iter().next());
    }
    match cx.data.in_panel {
        (1, Some(index)) => selected(ui, data, index, cx, actions),
        (2.., _) => several(ui, data, cx, actions),
        _ => {}
    }
    // Under a long list of classes nobody would see them.
    let findings_first = data.classes.len() > MANY_CLASSES;
    if findings_first {
        findings(ui, (state, preflight), cx, actions);
    }
    section(ui, "Classes");
    labels(ui, data, &state.config.data, &mut cx.data.labels, actions);
    division::line(ui, cx.data.shown.overview.own, &state.config.data, actions);
    classes(ui, data, cx, actions);
    if !findings_first {
        ui.add_space(space::S);
        findings(ui, (state, preflight), cx, actions);
    }
    if !data.excluded.is_empty() {
        ui.add_space(space::S);
        section(ui, "Left out by you");
        excluded(ui, data, actions);
    }
    if !data.skipped.is_empty() {
        ui.add_space(space::S);
        section(ui, "Left out");
        skipped(ui, data);
    }
}

fn findings(
    ui: &mut Ui,
    (state, preflight): (&AppState, &Preflight),
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    if preflight.findings.is_empty() {
        return;
    }
    section(ui, "Worth a look");
    for (i, finding) in preflight.findings.iter().enumerate() {
        show_finding(ui, (i, finding), &state.config.data, cx, actions);
    }
}

fn selected(ui: &mut Ui, data: &Dataset, index: usize, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let Some(sample) = data.samples.get(index) else { return };
    let path = data.path(index);
    ui.horizontal(|ui| {
        section(ui, "Picture");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon_button(ui, Icon::X, "Close picture").clicked() {
                cx.data.picked.clear();
            }
        });
    });
    let width = ui.available_width();
    match cx.thumbnails.get_sized(ui.ctx(), &path, LARGE_PX) {
        Thumb::Ready(texture) => {
            let image = egui::Image::new(&texture).max_width(width).max_height(260.0).corner_radius(6);
            ui.add(image.alt_text(&sample.rel));
        }
        Thumb::Loading => {
            ui.allocate_space(vec2(width, 200.0));
        }
        Thumb::Failed(reason) => {
            caption(ui, format!("It cannot be shown: {reason}"));
        }
    }
    decide::controls(ui, data, &sample.rel, actions);
    ui.add(Label::new(RichText::new(&sample.rel).small()).wrap().selectable(true));
    if link_button(ui, "Show in folder").clicked() {
        actions.push(Action::Reveal(path.parent().map(std::path::Path::to_path_buf).unwrap_or(path)));
    }
    ui.add_space(space::M);
}

/// Several pictures: what they are, the first few of them, and what can be decided about all.
fn several(ui: &mut Ui, data: &Dataset, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let n = cx.data.picked.len();
    ui.horizontal(|ui| {
        section(ui, &count(n, "picture", "pictures"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon_button(ui, Icon::X, "Select nothing").clicked() {
                cx.data.picked.clear();
            }
        });
    });
    let side = (ui.available_width() - 3.0 * space::XS) / 4.0;
    let first: Vec<usize> = cx.data.picked.iter().take(STRIP).collect();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        for index in first {
            let rel = data.samples.get(index).map_or("", |s| s.rel.as_str());
            picture(ui, &mut cx.thumbnails, &data.path(index), side, rel);
        }
    });
    caption(ui, of_classes(data, cx.data.picked.iter()));
    decide::for_all(ui, data, || cx.data.picked.iter(), actions);
    ui.add_space(space::M);
}

/// Where the labels come from.
fn labels(
    ui: &mut Ui,
    data: &Dataset,
    config: &DataConfig,
    typed: &mut Option<PathField>,
    actions: &mut Vec<Action>,
) {
    if let Some(file) = &data.labels {
        let words = format!("Labels from {}, column \"{}\"", file.name(), file.label_column);
        caption(ui, words).on_hover_text(file.path.display().to_string());
    }
    ui.horizontal_wrapped(|ui| {
        let choose = link_button(ui, "Choose a label file…");
        if choose
            .on_hover_text("A table (CSV) with a column for the files and one for their labels. It can also be dropped here")
            .clicked()
        {
            actions.push(Action::Pick(Pick::LabelFile));
        }
        if typed.is_none() && link_button(ui, "Type its path").clicked() {
            *typed = Some(PathField::default());
        }
        if config.labels.is_some() && without_labels(ui) {
            actions.push(Action::UseLabels(None));
        }
    });
    if let Some(field) = typed
        && let Some(PathChoice::Typed(path)) =
            field.show_plain(ui, "Path of a label file", "Path of a table (CSV)")
    {
        *typed = None;
        actions.push(Action::UseLabels(Some(path)));
    }
}

/// The way back from a chosen label file; whether it was taken.
pub(super) fn without_labels(ui: &mut Ui) -> bool {
    let back = link_button(ui, "Without this file");
    back.on_hover_text("Takes the labels from where the folder says them").clicked()
}

/// How many of each class, the largest first.
fn of_classes(data: &Dataset, pictures: impl Iterator<Item = usize>) -> String {
    let mut counts = vec![0; data.classes.len()];
    for sample in pictures.filter_map(|i| data.samples.get(i)) {
        counts[sample.class] += 1;
    }
    let mut classes: Vec<usize> = (0..counts.len()).filter(|&c| counts[c] > 0).collect();
    classes.sort_by_key(|&c| std::cmp::Reverse(counts[c]));
    let named = classes.iter().take(4).map(|&c| format!("{} {}", counts[c], data.classes[c]));
    let mut words = named.collect::<Vec<_>>().join(" · ");
    if classes.len() > 4 {
        words += &format!(" · {} more", count(classes.len() - 4, "class", "classes"));
    }
    words
}

fn classes(ui: &mut Ui, data: &Dataset, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let there = |(_, counts): &&(Split, Vec<usize>)| counts.iter().any(|n| *n > 0);
    let splits: Vec<(Split, Vec<usize>)> =
        cx.data.shown.overview.counts.iter().filter(there).cloned().collect();
    legend(ui, &splits, data, cx, actions);
    let total = |class: usize| splits.iter().map(|(_, counts)| counts[class]).sum::<usize>();
    let most = (0..data.classes.len()).map(total).max().unwrap_or(1).max(1);
    ui.spacing_mut().item_spacing.y = 2.0;
    for (class, name) in data.classes.iter().enumerate() {
        let counts: Vec<(Split, usize)> = splits.iter().map(|(s, c)| (*s, c[class])).collect();
        let chosen = cx.data.filter.class == Some(class);
        let row = class_row(ui, (class, name), &counts, most, chosen);
        if row.clicked() {
            cx.data.filter.class = if chosen { None } else { Some(class) };
        }
        if drop_bar::take(&row, Decision::Label(name.clone()), data, cx, actions) {
            dropping_on(ui, row.rect.expand2(vec2(6.0, 0.0)));
        }
    }
    ui.spacing_mut().item_spacing.y = space::S;
}

/// The splits' colours; pictures can be dropped on them.
fn legend(
    ui: &mut Ui,
    splits: &[(Split, Vec<usize>)],
    data: &Dataset,
    cx: &ViewContext,
    actions: &mut Vec<Action>,
) {
    let p = Palette::of(ui);
    ui.horizontal_wrapped(|ui| {
        for (split, counts) in splits {
            let whole = ui.horizontal(|ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
                mark_split(ui.painter(), rect, &p, *split);
                caption(ui, format!("{} {}", thousands(counts.iter().sum::<usize>()), split_name(*split)));
            });
            let target = ui.interact(whole.response.rect, ui.scope_id().with(split), Sense::hover());
            if drop_bar::take(&target, Decision::Split(*split), data, cx, actions) {
                dropping_on(ui, target.rect.expand(3.0));
            }
        }
    });
}

/// The edge of what dragged pictures are over.
fn dropping_on(ui: &Ui, rect: egui::Rect) {
    let edge = Stroke::new(2.0, Palette::of(ui).accent);
    ui.painter().rect_stroke(rect, theme::RADIUS, edge, StrokeKind::Inside);
}

/// A class's name with its count over a bar in the splits' colours, to be clicked.
fn class_row(
    ui: &mut Ui,
    (class, name): (usize, &str),
    counts: &[(Split, usize)],
    most: usize,
    chosen: bool,
) -> Response {
    let p = Palette::of(ui);
    let total: usize = counts.iter().map(|(_, n)| n).sum();
    let words: Vec<String> =
        counts.iter().map(|(s, n)| format!("{} {}", thousands(*n), split_name(*s))).collect();
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 34.0), Sense::click());
    response.widget_info(|| {
        WidgetInfo::selected(Role::Button, true, chosen, format!("Class {name}: {}", words.join(", ")))
    });
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let outer = rect.expand2(vec2(6.0, 0.0));
    if chosen {
        ui.painter().rect_filled(outer, 6.0, p.accent_faint);
    } else if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(outer, 6.0, p.raised);
    }
    let text_row = egui::Rect::from_min_size(rect.min, vec2(rect.width(), 22.0));
    let mut line =
        ui.new_child(egui::UiBuilder::new().max_rect(text_row).layout(Layout::left_to_right(Align::Center)));
    class_dot(&mut line, class);
    line.with_layout(Layout::right_to_left(Align::Center), |ui| {
        ui.label(RichText::new(thousands(total)).small().color(p.muted));
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.add(Label::new(name).truncate().selectable(false));
        });
    });
    let mut left = rect.left() + 18.0;
    let room = rect.width() - 18.0;
    for (split, n) in counts {
        let w = room * *n as f32 / most as f32;
        let bar = egui::Rect::from_min_size(egui::pos2(left, rect.top() + 24.0), vec2(w, 4.0));
        mark_split(ui.painter(), bar, &p, *split);
        left += w + 1.0;
    }
    focus_ring(ui, &response);
    response.on_hover_text(format!("{}. Click to show only this class.", words.join(", ")))
}
