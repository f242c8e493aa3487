//! The chosen backbone's weights: where they come from, which file, and what became of it.

use super::super::ViewContext;
use super::download;
use crate::backbones::weights::label;
use crate::backbones::{BackboneSpec, LoadReport};
use crate::engine::Speed;
use crate::ui::actions::Pick;
use crate::ui::icons::{self, Icon};
use crate::ui::state::{JobKind, Screen, WeightsState, loaded_words};
use crate::ui::theme::Palette;
use crate::ui::views::train::words::{count, sentence};
use crate::ui::widgets::setting::PathChoice;
use crate::ui::widgets::{caption, icon_beside, link_button, secondary_button, wheel};
use crate::ui::{Action, AppState};
use egui::{Align, CollapsingHeader, Color32, Label, Layout, RichText, Ui, vec2};

/// Names of tensors shown in a list; the rest is counted.
const NAMES_SHOWN: usize = 40;

pub(super) fn show(
    ui: &mut Ui,
    state: &AppState,
    spec: &'static BackboneSpec,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    speed(ui, state, spec, actions);
    if spec.sources.is_empty() {
        return;
    }
    match (&state.weights, &state.config.backbone.weights) {
        (WeightsState::None, _) | (_, None) => {
            let p = Palette::of(ui);
            let text = "Without a weight file, training starts from random weights, far from the accuracy shown above.";
            line(ui, Icon::TriangleAlert, p.warn, text);
            choose(ui, state, spec, cx, actions);
        }
        (WeightsState::Checking, Some(file)) => {
            ui.horizontal(|ui| {
                wheel(ui, icons::SIZE, "Reading the weights");
                ui.label(format!("Reading {}", label(file)));
            });
            // The field keeps its place and the keyboard: the file may turn out not to fit.
            choose(ui, state, spec, cx, actions);
        }
        (WeightsState::Ready(report), Some(file)) => {
            let p = Palette::of(ui);
            line(ui, Icon::CircleCheck, p.good, &label(file)).on_hover_text(file.display().to_string());
            ui.add(Label::new(loaded_words(report)).wrap());
            details(ui, report);
            after(ui, state, actions);
        }
        (WeightsState::Failed(error), Some(_)) => {
            let p = Palette::of(ui);
            line(ui, Icon::CircleAlert, p.bad, &sentence(&error.to_string()));
            choose(ui, state, spec, cx, actions);
            if link_button(ui, "Go on without pretrained weights").clicked() {
                actions.push(Action::ForgetWeights);
            }
        }
    }
}

/// How fast it is here, and the way to know.
fn speed(ui: &mut Ui, state: &AppState, spec: &'static BackboneSpec, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        match state.speed(spec.name) {
            Some(Speed { device, images_per_s }) => {
                let on = state.speed_place(device);
                ui.label(format!("{images_per_s:.1} pictures a second, forward, {on}"))
            }
            None => {
                let on = state.speed_place(state.measured_device());
                caption(ui, format!("Its speed {on} has not been measured yet."))
            }
        };
        if state.job_of(&JobKind::MeasureSpeed).is_some() {
            wheel(ui, icons::SIZE, "Measuring speed");
            return;
        }
        let idle = state.jobs.is_empty();
        let button = ui.add_enabled_ui(idle, |ui| link_button(ui, "Measure speed")).inner;
        let why = "Runs the network on made-up pictures for about two seconds";
        let busy = "Something else is computing now, which would spoil the measurement";
        if button.on_hover_text(why).on_disabled_hover_text(busy).clicked() {
            actions.push(Action::MeasureSpeed(spec.name));
        }
    });
}

pub(super) fn line(ui: &mut Ui, icon: Icon, ink: Color32, text: &str) -> egui::Response {
    ui.horizontal_top(|ui| {
        icon_beside(ui, icon, icons::SIZE, ink);
        ui.add(Label::new(text).wrap().selectable(true))
    })
    .inner
}

fn choose(
    ui: &mut Ui,
    state: &AppState,
    spec: &'static BackboneSpec,
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let here = state.known_weights.get(spec.name).into_iter().flatten();
    if here.clone().next().is_none()
        && let Some(source) = spec.sources.first()
    {
        if source.hub.is_some() {
            download::show(ui, state, spec, source, actions);
            caption(ui, "Or download it with a browser, then choose it here:");
        } else {
            let text = format!("Download this file once (licence: {}), then choose it here:", source.licence);
            caption(ui, text);
        }
        address(ui, &source.url(), actions);
    }
    for file in here {
        ui.horizontal(|ui| {
            let label = format!("Use {}", label(file));
            if secondary_button(ui, label).on_hover_text(file.display().to_string()).clicked() {
                actions.push(Action::UseWeights(file.clone()));
            }
            caption(ui, "found on this computer");
        });
    }
    if cx.model.path_of != spec.name {
        cx.model.path_of = spec.name;
        cx.model.path.text.clear();
    }
    match cx.model.path.show(
        ui,
        "Path of a weight file",
        "A .safetensors or .pth file: type its path, or drop it here",
    ) {
        Some(PathChoice::Typed(path)) => actions.push(Action::UseWeights(path)),
        Some(PathChoice::Browse) => actions.push(Action::Pick(Pick::Weights)),
        None => {}
    }
}

/// Where the file is published: to be copied, nothing is opened.
fn address(ui: &mut Ui, url: &str, actions: &mut Vec<Action>) {
    let row = vec2(ui.available_width(), 20.0);
    ui.allocate_ui_with_layout(row, Layout::right_to_left(Align::Center), |ui| {
        if link_button(ui, "Copy address").clicked() {
            actions.push(Action::Copy(url.to_owned()));
        }
        ui.with_layout(Layout::left_to_right(Align::Center).with_main_wrap(false), |ui| {
            ui.add(Label::new(RichText::new(url).monospace()).wrap().selectable(true));
        });
    });
}

fn after(ui: &mut Ui, state: &AppState, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        if link_button(ui, "Choose another file…").clicked() {
            actions.push(Action::Pick(Pick::Weights));
        }
        if link_button(ui, "Without weights").on_hover_text("Start from random weights instead").clicked() {
            actions.push(Action::ForgetWeights);
        }
        if let Some(model) = state.imagenet_model() {
            let why = "These weights can already name ImageNet's 1000 things. Drop pictures and see, without any training.";
            if link_button(ui, "Use as is: classify with ImageNet's 1000 classes").on_hover_text(why).clicked() {
                actions.push(Action::SetPredictModel(model));
                actions.push(Action::Go(Screen::Predict));
            }
        }
    });
}

/// The load report's lists, each in a fold.
fn details(ui: &mut Ui, report: &LoadReport) {
    let lists: [(&str, &str, &[String]); 4] = [
        (
            "missing in the file",
            "The network has these and the file does not; they start from random values",
            &report.missing,
        ),
        ("not used", "The file has these and the network does not", &report.unexpected),
        ("reshaped", "These fitted after a change of shape", &report.reshaped),
        ("of the published head", "Left out on purpose: your classes get a new head", &report.dropped_head),
    ];
    for (words, why, names) in lists {
        if names.is_empty() {
            continue;
        }
        let head = RichText::new(format!("{} {words}", count(names.len(), "part", "parts"))).small();
        CollapsingHeader::new(head).id_salt(words).show(ui, |ui| {
            caption(ui, why);
            for name in names.iter().take(NAMES_SHOWN) {
                ui.add(Label::new(RichText::new(name).monospace()).selectable(true));
            }
            if names.len() > NAMES_SHOWN {
                caption(ui, format!("and {} more", names.len() - NAMES_SHOWN));
            }
        });
    }
}
