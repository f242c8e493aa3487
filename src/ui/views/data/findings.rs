//! Beside the pictures: what was found in them, and what was left out.

use super::ViewContext;
use crate::config::{DataConfig, GroupBy, SplitKind};
use crate::data::{Dataset, Decided, Decision, Finding, Offer, Severity, SkipReason};
use crate::ui::Action;
use crate::ui::icons::{self, Icon};
use crate::ui::state::gallery::Filter;
use crate::ui::state::with_setting_names;
use crate::ui::theme::Palette;
use crate::ui::views::decide;
use crate::ui::views::train::words::{count, sentence};
use crate::ui::widgets::{caption, icon_beside, link_button};
use egui::{CollapsingHeader, Label, RichText, Ui};

/// Files named under a finding; the rest is counted.
const FILES_SHOWN: usize = 60;

/// The settings that an offer is about; none where they are in force already.
fn grouped(offer: Offer, data: &DataConfig) -> Option<DataConfig> {
    let by = match offer {
        Offer::KeepGroups => GroupBy::Sequence,
        Offer::KeepLabelGroups => GroupBy::Csv,
    };
    let kept = data.split == SplitKind::Grouped && data.group_by == by;
    (!kept).then(|| DataConfig { split: SplitKind::Grouped, group_by: by, ..data.clone() })
}

/// Draws a finding with its files and what can be done about it.
pub(super) fn show_finding(
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
        icon_beside(ui, icon, icons::SIZE, ink);
        ui.vertical(|ui| {
            ui.add(Label::new(sentence(&with_setting_names(&finding.title))).wrap());
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
/// Draws what was left out by decision.
pub(super) fn excluded(ui: &mut Ui, data: &Dataset, actions: &mut Vec<Action>) {
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
/// Draws what could not be used.
pub(super) fn skipped(ui: &mut Ui, data: &Dataset) {
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
