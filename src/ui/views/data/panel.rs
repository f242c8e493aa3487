//! The Data screen's inspector: the selected picture, the classes with their counts, what was found, what was left out.

use super::{ViewContext, division, drop_bar, split_colour};
use crate::config::{DataConfig, GroupBy, SplitKind};
use crate::data::{Dataset, Decided, Decision, Finding, Offer, Preflight, Severity, SkipReason, Split};
use crate::error::thousands;
use crate::ui::actions::Pick;
use crate::ui::icons::{self, Icon};
use crate::ui::state::gallery::Filter;
use crate::ui::state::split_name;
use crate::ui::theme::{self, Palette, space};
use crate::ui::thumbnails::{LARGE_PX, Thumb};
use crate::ui::views::decide;
use crate::ui::views::train::words::{count, sentence};
use crate::ui::widgets::basic::focus_ring;
use crate::ui::widgets::setting::PathChoice;
use crate::ui::widgets::{PathField, caption, class_dot, icon_button, link_button, picture, section};
use crate::ui::{Action, AppState};
use egui::{
    Align, CollapsingHeader, Label, Layout, Response, RichText, Role, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, vec2,
};

/// Files named under a finding; the rest is counted.
const FILES_SHOWN: usize = 60;
/// Pictures shown of a selection.
const STRIP: usize = 4;

pub(super) fn show(
    ui: &mut Ui,
    (state, preflight): (&AppState, &Preflight),
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let data = &preflight.dataset;
    let first = cx.data.picked.iter().next();
    match (cx.data.picked.len(), first) {
        (1, Some(index)) => selected(ui, data, index, cx, actions),
        (2.., _) => several(ui, data, cx, actions),
        _ => {}
    }
    section(ui, "Classes");
    labels(ui, data, &state.config.data, &mut cx.data.labels, actions);
    division::line(ui, cx.data.shown.overview.own, &state.config.data, actions);
    classes(ui, data, cx, actions);
    if !preflight.findings.is_empty() {
        ui.add_space(space::S);
        section(ui, "Worth a look");
        for (i, finding) in preflight.findings.iter().enumerate() {
            show_finding(ui, (i, finding), &state.config.data, cx, actions);
        }
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
                ui.painter().rect_filled(rect, 2.0, split_colour(&p, *split));
                caption(ui, format!("{} {}", counts.iter().sum::<usize>(), split_name(*split)));
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
        ui.painter().rect_filled(bar, 2.0, split_colour(&p, *split));
        left += w + 1.0;
    }
    focus_ring(ui, &response);
    response.on_hover_text(format!("{}. Click to show only this class.", words.join(", ")))
}

/// The settings that an offer is about; none where they are in force already.
fn grouped(offer: Offer, data: &DataConfig) -> Option<DataConfig> {
    let by = match offer {
        Offer::KeepGroups => GroupBy::Sequence,
        Offer::KeepLabelGroups => GroupBy::Csv,
    };
    let kept = data.split == SplitKind::Grouped && data.group_by == by;
    (!kept).then(|| DataConfig { split: SplitKind::Grouped, group_by: by, ..data.clone() })
}

fn show_finding(
    ui: &mut Ui,
    (index, finding): (usize, &Finding),
    config: &DataConfig,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let p = Palette::of(ui);
    let (icon, ink) = match finding.severity {
        Severity::Error => (Icon::CircleAlert, p.bad),
        Severity::Warning => (Icon::TriangleAlert, p.warn),
        Severity::Info => (Icon::Info, p.muted),
    };
    ui.horizontal_top(|ui| {
        ui.label(icons::coloured(icon, icons::SIZE, ink));
        ui.vertical(|ui| {
            ui.add(Label::new(sentence(&finding.title)).wrap());
            if finding.files.is_empty() {
                return;
            }
            let shown = cx.data.filter.finding == Some(index);
            if let Some(keep) = finding.offer.and_then(|offer| grouped(offer, config)) {
                let button = link_button(ui, "Keep groups together");
                let why = "Divides the pictures anew: all of one group are learned from, or all are held out";
                if button.on_hover_text(why).clicked() {
                    actions.push(Action::DivideAnew(Box::new(keep)));
                }
            }
            let showable = cx.data.shown.overview.showable.get(index) == Some(&true);
            if showable
                && link_button(ui, if shown { "Show all pictures" } else { "Show these pictures" }).clicked()
            {
                cx.data.filter = Filter { finding: (!shown).then_some(index), ..Filter::default() };
            }
            let head = count(finding.files.len(), "file", "files");
            CollapsingHeader::new(RichText::new(head).small()).id_salt(("finding", index)).show(ui, |ui| {
                file_list(ui, finding.files.iter().map(|f| (f.as_str(), None)), finding.files.len());
            });
        });
    });
}

fn file_list<'a>(ui: &mut Ui, files: impl Iterator<Item = (&'a str, Option<&'a str>)>, total: usize) {
    for (file, why) in files.take(FILES_SHOWN) {
        ui.add(Label::new(RichText::new(file).small()).wrap().selectable(true));
        if let Some(why) = why {
            caption(ui, why);
        }
    }
    if total > FILES_SHOWN {
        caption(ui, format!("and {} more", total - FILES_SHOWN));
    }
}

/// Pictures that the person left out, each with a way back.
fn excluded(ui: &mut Ui, data: &Dataset, actions: &mut Vec<Action>) {
    let head = count(data.excluded.len(), "picture", "pictures");
    if data.excluded.len() > 1 && link_button(ui, "Put all back").clicked() {
        let pictures = data.excluded.iter().map(|s| s.rel.clone()).collect();
        actions.push(Action::Decide(Decided { decision: Decision::Include, pictures }));
    }
    CollapsingHeader::new(head).id_salt("excluded").show(ui, |ui| {
        for sample in data.excluded.iter().take(FILES_SHOWN) {
            ui.horizontal_wrapped(|ui| {
                ui.add(Label::new(RichText::new(&sample.rel).small()).wrap().selectable(true));
                if link_button(ui, "Put back").clicked() {
                    actions.push(decide::about(Decision::Include, &sample.rel));
                }
            });
        }
        if data.excluded.len() > FILES_SHOWN {
            caption(ui, format!("and {} more", data.excluded.len() - FILES_SHOWN));
        }
    });
}

/// Files left out, under their reasons.
fn skipped(ui: &mut Ui, data: &Dataset) {
    type Is = fn(&SkipReason) -> bool;
    let groups: [(&str, &str, Is); 9] = [
        ("class folder cannot be opened", "class folders cannot be opened", |r| {
            matches!(r, SkipReason::ClassUnreadable(..))
        }),
        ("file cannot be decoded", "files cannot be decoded", |r| matches!(r, SkipReason::Undecodable(_))),
        ("item cannot be opened", "items cannot be opened", |r| matches!(r, SkipReason::Unreadable(_))),
        ("broken link", "broken links", |r| matches!(r, SkipReason::BrokenLink)),
        ("file outside the class folders", "files outside the class folders", |r| {
            matches!(r, SkipReason::Misplaced)
        }),
        ("test picture of an unknown class", "test pictures of unknown classes", |r| {
            matches!(r, SkipReason::NotLearned(_))
        }),
        ("picture without a label", "pictures without a label", |r| matches!(r, SkipReason::Unlabelled)),
        ("file that is no picture", "files that are no pictures", |r| matches!(r, SkipReason::NotAnImage)),
        ("hidden file", "hidden files", |r| matches!(r, SkipReason::Hidden)),
    ];
    for (one, many, is) in groups {
        let files: Vec<_> = data.skipped.iter().filter(|s| is(&s.reason)).collect();
        if files.is_empty() {
            continue;
        }
        let head = count(files.len(), one, many);
        CollapsingHeader::new(head).id_salt(("skipped", many)).show(ui, |ui| {
            let list = files.iter().map(|s| (s.rel.as_str(), detail(&s.reason)));
            file_list(ui, list, files.len());
        });
    }
}

fn detail(reason: &SkipReason) -> Option<&str> {
    match reason {
        SkipReason::Unreadable(why)
        | SkipReason::ClassUnreadable(_, why)
        | SkipReason::Undecodable(why)
        | SkipReason::NotLearned(why) => Some(why),
        _ => None,
    }
}
