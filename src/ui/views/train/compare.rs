//! Several runs beside each other: one number of each over the epochs, and the settings in which they differ.

use super::words::{self, backbone_title};
use super::{Lines, Memory};
use crate::config::TrainConfig;
use crate::engine::EpochRecord;
use crate::session::RunInfo;
use crate::ui::AppState;
use crate::ui::state::division::judged_otherwise;
use crate::ui::state::{setting_name, setting_value};
use crate::ui::theme::{Palette, class_colour, space};
use crate::ui::widgets::curves::{self, Measure};
use crate::ui::widgets::{caption, drop_down, link_button};
use egui::{Align, Color32, ComboBox, Label, Layout, RichText, Role, Ui, WidgetInfo};
use egui_extras::{Column, TableBuilder};
use std::collections::BTreeMap;

/// Curves are not made lower than this for the settings under them, in points.
const LEAST_CURVES: f32 = 80.0;
/// Height of a row of settings, in points.
const ROW: f32 = 24.0;
/// Runs that fit beside each other.
pub(super) const MOST: usize = 6;

/// The runs that were chosen and are still there, oldest first.
pub(super) fn chosen<'a>(state: &'a AppState, memory: &Memory) -> Vec<&'a RunInfo> {
    state.runs.iter().rev().filter(|r| memory.compared.contains(&r.dir)).collect()
}

/// Draws them in `height` points.
pub(super) fn show(ui: &mut Ui, state: &AppState, runs: &[&RunInfo], memory: &mut Memory, height: f32) {
    ui.horizontal(|ui| {
        let combo = ComboBox::from_id_salt("measure").selected_text(memory.lines.measure.name());
        let combo = drop_down(ui, combo, |lines| {
            for (measure, name) in Measure::ALL {
                lines.value(&mut memory.lines.measure, measure, name);
            }
        });
        combo.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Compared by"));
        caption(ui, format!("{} of {MOST} runs at most", runs.len()));
        let differ =
            |pair: &[&RunInfo]| judged_otherwise(&pair[0].config.data, &pair[1].config.data).is_some();
        if runs.windows(2).any(differ) {
            let text = "Judged on different pictures or labels: these numbers cannot be compared";
            let warn = Palette::of(ui).warn;
            ui.add(Label::new(RichText::new(text).small().color(warn)).truncate());
        }
        if link_button(ui, "Compare none").clicked() {
            memory.compared.clear();
        }
    });
    ui.add_space(space::S);
    let height = height - 28.0 - space::S;
    let configs: Vec<&TrainConfig> = runs.iter().map(|r| &r.config).collect();
    let different = differences(&configs);
    let rows = (different.len() + 2) as f32 * ROW;
    let table_height = rows.min(height * 0.45).max(2.0 * ROW);
    let Lines { measure, look, .. } = memory.lines;
    let named: Vec<(String, &[EpochRecord], Color32)> = runs
        .iter()
        .enumerate()
        .map(|(i, r)| (format!("Run {}", r.id), r.epochs.as_slice(), class_colour(i)))
        .collect();
    curves::show_overlay(ui, &named, (measure, look), (height - table_height - space::S).max(LEAST_CURVES));
    ui.add_space(space::S);
    ui.push_id("differences", |ui| table(ui, state, runs, (&different, table_height)));
}

/// A row of results, and one for each setting that differs; more than have room in `height` scroll.
fn table(ui: &mut Ui, state: &AppState, runs: &[&RunInfo], (different, height): (&[Setting], f32)) {
    let p = Palette::of(ui);
    ui.spacing_mut().item_spacing = egui::vec2(space::M, 2.0);
    let table = TableBuilder::new(ui)
        .striped(false)
        .auto_shrink([false, true])
        .min_scrolled_height(ROW)
        .max_scroll_height(height - ROW)
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Column::exact(190.0))
        .columns(Column::remainder().at_least(80.0).clip(true), runs.len());
    let table = table.header(ROW, |mut header| {
        header.col(|ui| {
            ui.label(RichText::new("What differs").small().color(p.muted));
        });
        for (i, run) in runs.iter().enumerate() {
            header.col(|ui| {
                let text = RichText::new(format!("Run {}", run.id)).small().strong();
                let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(10.0), egui::Sense::hover());
                ui.painter().circle_filled(rect.center(), 4.5, class_colour(i));
                ui.add(Label::new(text).truncate()).on_hover_text(backbone_title(&run.config.backbone.name));
            });
        }
    });
    table.body(|body| {
        body.rows(ROW, different.len() + 1, |mut row| {
            let difference = row.index().checked_sub(1).and_then(|i| different.get(i));
            let (name, values) = match difference {
                Some((key, values)) => (setting_name(key).to_owned(), values.clone()),
                None => ("Validation accuracy".to_owned(), accuracies(state, runs)),
            };
            row.col(|ui| {
                ui.add(Label::new(RichText::new(name).color(p.muted)).truncate());
            });
            for value in values {
                row.col(|ui| {
                    let shown = difference.map_or(value.clone(), |(key, _)| setting_value(key, &value));
                    ui.add(Label::new(shown).truncate()).on_hover_text(value);
                });
            }
        });
    });
    if different.is_empty() {
        caption(ui, "These runs have the same settings");
    }
}

/// A setting's key, and its value in each run.
type Setting = (String, Vec<String>);

/// The settings in which runs differ, by key.
fn differences(configs: &[&TrainConfig]) -> Vec<Setting> {
    let Some((first, others)) = configs.split_first() else { return Vec::new() };
    let value = |key: &str, v: Option<String>| match v {
        Some(v) => v.trim_matches('"').to_owned(),
        None if key == "data.labels" => "none: the folders".to_owned(),
        None if key == "backbone.weights" => "none".to_owned(),
        None => "automatic".to_owned(),
    };
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (i, other) in others.iter().enumerate() {
        // Settings are written to files all the time: what cannot be written was told there.
        for d in first.differences(other).unwrap_or_default() {
            let (before, after) = (value(&d.key, d.before), value(&d.key, d.after));
            let values = found.entry(d.key).or_insert_with(|| vec![before; configs.len()]);
            values[i + 1] = after;
        }
    }
    found.into_iter().collect()
}

fn accuracies(state: &AppState, runs: &[&RunInfo]) -> Vec<String> {
    let of = |run: &&RunInfo| {
        let pictures = words::judged_by(state, run, &run.config);
        match (&run.summary, curves::best(&run.epochs)) {
            (Some(s), _) => words::share(s.val.accuracy, pictures),
            (None, Some(e)) => format!("{} · so far", words::share(e.val_accuracy, pictures)),
            (None, None) => "none yet".to_owned(),
        }
    };
    runs.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told_with_the_value_of_each_run() {
        let one = TrainConfig::default();
        let mut two = one.clone();
        two.set("train.epochs", "30").unwrap();
        let mut three = two.clone();
        three.set("backbone.name", "resnet18").unwrap();
        assert_eq!(differences(&[&one, &one.clone()]), []);
        let told = differences(&[&one, &two, &three]);
        let row = |key: &str, values: [&str; 3]| (key.to_owned(), values.map(str::to_owned).to_vec());
        assert_eq!(
            told,
            [
                row("backbone.name", ["small_cnn", "small_cnn", "resnet18"]),
                row("train.epochs", ["automatic", "30", "30"]),
            ]
        );
    }
}
