//! The Model screen's inspector: what learns, and the head.

use super::super::ViewContext;
use super::Memory;
use super::columns::millions;
use super::memory;
use super::stages;
use crate::backbones::{BackboneSpec, Network, find};
use crate::config::{
    HeadActivation, HeadConfig, HeadKind, HeadOutput, OptimConfig, Pooling, TrainConfig, TrainMode,
};
use crate::error::thousands;
use crate::ui::views::train::phases;
use crate::ui::widgets::setting::fold;
use crate::ui::widgets::{caption, choice, drop_down, link_button, section, setting, setting_reset};
use crate::ui::{Action, AppState};
use egui::{DragValue, Response, TextEdit, Ui};

const MODES: [(TrainMode, &str, &str); 5] = [
    (
        TrainMode::Auto,
        "Automatic",
        "Only the head where there are pretrained weights, everything where there are none",
    ),
    (
        TrainMode::Frozen,
        "Only the head",
        "The backbone stays as it is. Fast, and the safe choice for a few hundred pictures",
    ),
    (TrainMode::LastStages, "Head, then last stages", "The head first, then also the stages nearest to it"),
    (
        TrainMode::Full,
        "Head, then everything",
        "The head first, then the whole network at a low rate. Slower, often better",
    ),
    (
        TrainMode::Scratch,
        "Everything from scratch",
        "From random weights: the honest baseline. Needs many pictures",
    ),
];
const KINDS: [(HeadKind, &str, &str); 2] = [
    (HeadKind::Linear, "Linear", "One layer from features to classes: few numbers to learn, hard to spoil"),
    (
        HeadKind::Hidden,
        "Hidden layers",
        "More layers in between: can separate harder classes, and overfits sooner",
    ),
];
/// The last one is for networks with a class token.
const POOLINGS: [(Option<Pooling>, &str, &str); 6] = [
    (None, "As published", "What the network was trained with"),
    (Some(Pooling::Avg), "Average", "The mean over the picture"),
    (Some(Pooling::Max), "Maximum", "The strongest answer anywhere in the picture: good for small details"),
    (Some(Pooling::AvgMax), "Average and maximum", "Both, one behind the other"),
    (Some(Pooling::Flatten), "Flatten", "Every position by itself: many more numbers to learn"),
    (Some(Pooling::Token), "Class token", "What the transformer itself gathered from the picture"),
];
const ACTIVATIONS: [(HeadActivation, &str, &str); 4] = [
    (HeadActivation::Relu, "ReLU", ""),
    (HeadActivation::Gelu, "GELU", ""),
    (HeadActivation::Silu, "SiLU", ""),
    (HeadActivation::Hardswish, "Hardswish", ""),
];
const OUTPUTS: [(HeadOutput, &str, &str); 2] = [
    (HeadOutput::Softmax, "One for each class", "Softmax: the probabilities of all classes sum to 1"),
    (HeadOutput::Sigmoid, "One for the pair", "Sigmoid: a single output for exactly two classes"),
];

pub(super) fn show(ui: &mut Ui, state: &AppState, cx: &mut ViewContext, actions: &mut Vec<Action>) {
    let mut config = state.config.clone();
    let spec = find(&config.backbone.name).ok();
    section(ui, "What learns");
    what_learns(ui, &mut config, spec, state.history.before_phases());
    if let Some(spec) = spec {
        sizes(ui, &config, spec, state.dataset().map(|d| d.classes.len()));
        memory::show(ui, &config, state, &mut cx.model.estimated);
    }
    ui.add_space(crate::ui::theme::space::M);
    section(ui, "Head");
    let poolings = if spec.is_some_and(|s| s.has_class_token()) { &POOLINGS } else { &POOLINGS[..5] };
    head(ui, &mut config.head, &mut cx.model, poolings, state.dataset().map(|d| d.classes.len()));
    if let Some(spec) = spec {
        ui.add_space(crate::ui::theme::space::M);
        fold(ui, "Advanced", |ui| cut(ui, &mut config, spec));
    }
    if config != state.config {
        actions.push(Action::SetConfig(Box::new(config)));
    }
}

/// `before` the user's own phases training was set like this.
fn what_learns(
    ui: &mut Ui,
    config: &mut TrainConfig,
    spec: Option<&'static BackboneSpec>,
    before: Option<&OptimConfig>,
) {
    let (default, mode) = (OptimConfig::default(), config.train.mode);
    let why = "Which weights training may change. Hover the stages in the list to see what each does.";
    setting_reset(ui, ("Training", why), &mut config.train.mode, &default.mode, |ui, v| {
        choice(ui, "mode", v, &MODES)
    });
    let resolved = config.train.resolve(config.backbone.weights.is_some()).mode;
    if config.train.mode != mode {
        // The plan follows from what was chosen just now.
        config.train.phases.clear();
    }
    if !config.train.phases.is_empty() {
        caption(ui, format!("Now your own phases: {}", phases::in_short(config)));
        if link_button(ui, "Back to the automatic plan").clicked() {
            config.train.forget_phases(before);
        }
        return;
    }
    if config.train.mode == TrainMode::Auto {
        let words = MODES.iter().find(|(m, ..)| *m == resolved).map_or("", |(_, w, _)| w);
        caption(ui, format!("Now: {}", words.to_lowercase()));
    }
    if resolved == TrainMode::LastStages {
        let most = spec.map_or(8, |s| s.stages.len());
        let why = "How many stages, counted from the head, learn after the head has";
        setting_reset(
            ui,
            ("Last stages", why),
            &mut config.train.last_stages,
            &default.last_stages,
            |ui, v| ui.add(DragValue::new(v).range(1..=most).speed(0.05)),
        );
    }
}

/// How many numbers learn under these settings and how many stay.
fn sizes(ui: &mut Ui, config: &TrainConfig, spec: &'static BackboneSpec, classes: Option<usize>) {
    let cut = config.backbone.cut_stage.as_deref();
    // Settings that do not fit together are told where training is started.
    let Ok(counts) = Network::param_counts(spec, cut, &config.head, classes.unwrap_or(2)) else { return };
    let (frozen, learn) = counts.split(stages::boundary(spec, config).1);
    let of = match classes {
        Some(n) => format!("a head for your {n} classes"),
        None => "a head for two classes, until a folder is open".to_owned(),
    };
    for (name, why, value) in [
        ("Parameters that learn", format!("With {of} of {}", parameters(counts.head)), learn),
        ("Frozen parameters", "They keep their pretrained values".to_owned(), frozen),
    ] {
        setting(ui, name, &why, |ui| ui.label(parameters(value)));
    }
}

/// `2562`, `48 thousand`, `11.2 M`.
fn parameters(count: usize) -> String {
    match count {
        0..10_000 => thousands(count),
        10_000..1_000_000 => format!("{:.0} thousand", count as f64 / 1e3),
        _ => millions(count),
    }
}

fn head(
    ui: &mut Ui,
    head: &mut HeadConfig,
    memory: &mut Memory,
    poolings: &[(Option<Pooling>, &str, &str)],
    classes: Option<usize>,
) {
    let default = HeadConfig::default();
    setting_reset(
        ui,
        ("Kind", "What stands between features and classes"),
        &mut head.kind,
        &default.kind,
        |ui, v| choice(ui, "kind", v, &KINDS),
    );
    if head.kind == HeadKind::Hidden {
        let why = "Widths of the hidden layers, from the backbone to the classes, for example 256, 128";
        setting(ui, "Hidden widths", why, |ui| hidden_widths(ui, &mut head.hidden, memory));
        let names = ("Activation", "What bends the numbers between the layers");
        setting_reset(ui, names, &mut head.activation, &default.activation, |ui, v| {
            choice(ui, "activation", v, &ACTIVATIONS)
        });
    }
    let names = ("Pooling", "How what the network sees at each place becomes one list of features");
    setting_reset(ui, names, &mut head.pooling, &default.pooling, |ui, v| choice(ui, "pooling", v, poolings));
    let names =
        ("Dropout", "Share of features left out at random in training, against learning by heart; 0 is off");
    setting_reset(ui, names, &mut head.dropout, &default.dropout, |ui, v| {
        ui.add(DragValue::new(v).range(0.0..=0.9).speed(0.01).max_decimals(2))
    });
    if classes == Some(2) || head.output == HeadOutput::Sigmoid {
        let names = ("Outputs", "With two classes, a single output can stand for the second");
        setting_reset(ui, names, &mut head.output, &default.output, |ui, v| {
            choice(ui, "output", v, &OUTPUTS)
        });
    }
}

/// A text field for `256, 128`; takes effect once every part is a width.
fn hidden_widths(ui: &mut Ui, widths: &mut Vec<usize>, memory: &mut Memory) -> Response {
    let shown = widths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut text = memory.hidden.clone().unwrap_or(shown);
    let field = ui.add(TextEdit::singleline(&mut text).desired_width(110.0));
    if field.changed() {
        if let Some(parsed) = parse_widths(&text) {
            *widths = parsed;
        }
        memory.hidden = Some(text);
    }
    if field.lost_focus() {
        memory.hidden = None;
    }
    field
}

fn parse_widths(text: &str) -> Option<Vec<usize>> {
    let widths: Option<Vec<usize>> = text
        .split([',', ' ', ';'])
        .filter(|t| !t.is_empty())
        .map(|t| t.parse().ok().filter(|w| (1..=65_536).contains(w)))
        .collect();
    widths.filter(|w| !w.is_empty())
}

fn cut(ui: &mut Ui, config: &mut TrainConfig, spec: &BackboneSpec) {
    let why = "Use the network only up to this stage. Earlier stages see simpler things, and are faster.";
    let names = ("Cut after", why);
    let mut stage = config.backbone.cut_stage.clone();
    setting_reset(ui, names, &mut stage, &None, |ui, v| {
        let shown = v.as_deref().unwrap_or("nothing is cut").to_owned();
        drop_down(ui, egui::ComboBox::from_id_salt("cut").selected_text(shown), |lines| {
            lines.value(v, None, "nothing is cut");
            for name in spec.stages {
                lines.value(v, Some((*name).to_owned()), *name);
            }
        })
    });
    if config.backbone.cut_stage != stage {
        let used = spec.stages.iter().position(|s| Some(*s) == stage.as_deref());
        config.train.fit_stages(used.map_or(spec.stages.len(), |at| at + 1));
        config.backbone.cut_stage = stage;
    }
}

#[cfg(test)]
mod tests {
    use super::{parameters, parse_widths};

    #[test]
    fn small_counts_are_told_exactly() {
        assert_eq!([2562, 48_234, 11_181_642].map(parameters), ["2,562", "48 thousand", "11.2 M"]);
    }

    #[test]
    fn widths_are_numbers_between_commas() {
        assert_eq!(parse_widths("256, 128"), Some(vec![256, 128]));
        assert_eq!([parse_widths(""), parse_widths("a"), parse_widths("0")], [None, None, None]);
    }
}
