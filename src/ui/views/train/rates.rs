//! Finding a learning rate: the loss over rising rates, with the suggestion marked.

use crate::engine::train::RateSearch;
use crate::ui::state::JobKind;
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::basic::words_in;
use crate::ui::widgets::{caption, primary_button, progress_bar, secondary_button};
use crate::ui::{Action, AppState};
use egui::{RichText, Role, Sense, Ui, WidgetInfo, vec2};
use egui_plot::{GridInput, GridMark, Line, LineStyle, Plot, PlotPoints, VLine};

/// Draws it in `height` points.
pub(super) fn show(ui: &mut Ui, state: &AppState, height: f32, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    let job = state.job_of(&JobKind::FindRate);
    let block = state.rates_block();
    ui.horizontal_wrapped(|ui| {
        let search = state.rate_search.as_ref();
        if let Some(rate) = search.and_then(|s| s.suggestion).filter(|_| job.is_none()) {
            let mut config = state.config.clone();
            config.train.set_last_rate(rounded(rate));
            let set = config == state.config;
            let button =
                ui.add_enabled_ui(!set, |ui| primary_button(ui, format!("Use {:.1e}", rounded(rate)))).inner;
            if button.on_disabled_hover_text("The next run uses it").clicked() {
                actions.push(Action::SetConfig(Box::new(config)));
            }
        }
        let label = if search.is_some() { "Try rates again" } else { "Try rates" };
        let button = ui.add_enabled_ui(block.is_none(), |ui| secondary_button(ui, label)).inner;
        let button = match &block {
            Some(why) => button.on_disabled_hover_text(why),
            None => button,
        };
        if button.clicked() {
            actions.push(Action::FindRate);
        }
        let now = job.and_then(|j| j.progress).map(|(done, total)| state.rate_part.words(done, total));
        caption(ui, now.unwrap_or_else(|| words(search)));
    });
    ui.add_space(space::S);
    let height = height - 28.0 - space::S;
    if let Some(job) = job {
        let frac = job.progress.map_or(0.0, |(done, total)| done as f32 / total.max(1) as f32);
        let bar = progress_bar(ui, frac, vec2(ui.available_width(), 6.0));
        bar.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, "Trying rates"));
    } else if let Some(search) = state.rate_search.as_ref().filter(|s| !s.steps.is_empty()) {
        plot(ui, search, height);
    } else {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
        ui.painter().rect_filled(rect, crate::ui::theme::RADIUS_CARD, p.surface);
        let text = "A hundred steps with a rising rate show at which rates the loss falls. The weights are put back after";
        words_in(ui, rect, RichText::new(text).color(p.muted));
    }
}

/// Two digits: more would say no more.
fn rounded(rate: f64) -> f64 {
    format!("{rate:.1e}").parse().unwrap_or(rate)
}

fn words(search: Option<&RateSearch>) -> String {
    match search {
        None => String::new(),
        Some(RateSearch { suggestion: Some(rate), .. }) => {
            format!("The loss falls most steeply at {:.1e}", rounded(*rate))
        }
        Some(_) => {
            "The loss did not fall at any rate: more pictures a step, or other settings, may help".to_owned()
        }
    }
}

fn plot(ui: &mut Ui, search: &RateSearch, height: f32) {
    let p = Palette::of(ui);
    let points: Vec<[f64; 2]> = search.steps.iter().map(|s| [s.rate.log10(), s.loss]).collect();
    let first = search.steps.iter().take(20).map(|s| s.loss).fold(0.0, f64::max);
    let powers = |input: GridInput| -> Vec<GridMark> {
        let all = (input.bounds.0.ceil() as i32)..=(input.bounds.1.floor() as i32);
        all.map(|power| GridMark { value: f64::from(power), step_size: 1.0 }).collect()
    };
    let shown = Plot::new("loss by rate")
        .height(height)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .show_background(false)
        .show_crosshair(false)
        .grid_color(p.stroke)
        .x_grid_spacer(powers)
        .x_axis_formatter(|mark, _| format!("{:.0e}", 10f64.powf(mark.value)))
        .x_axis_label(RichText::new("Learning rate").small().color(p.muted))
        .y_axis_label(RichText::new("Training loss, smoothed").small().color(p.muted))
        .label_formatter(|_| None)
        .show(ui, |plot| {
            plot.set_plot_bounds_x(-6.1..=0.1);
            plot.set_plot_bounds_y(0.0..=(first * 1.6).max(1e-3));
            if let Some(rate) = search.suggestion {
                let line = VLine::new("suggestion", rate.log10()).color(p.good).width(2.0);
                plot.vline(line.style(LineStyle::dashed_dense()).allow_hover(false));
            }
            plot.line(
                Line::new("loss", PlotPoints::new(points)).color(p.accent).width(2.2).allow_hover(false),
            );
        });
    let described =
        format!("Training loss by learning rate, {} steps. {}", search.steps.len(), words(Some(search)));
    shown.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &described));
    if let Some(at) = shown.response.hover_pos() {
        let x = shown.transform.value_from_position(at).x;
        let distance = |s: &crate::engine::train::RateStep| (s.rate.log10() - x).abs();
        if let Some(step) = search.steps.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))) {
            shown.response.clone().on_hover_ui_at_pointer(|ui| {
                ui.label(format!("Rate {:.1e}: loss {:.3}", step.rate, step.loss));
            });
        }
    }
}
