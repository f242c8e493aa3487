//! What settings are called in the window, by the keys that files and the command line call them.

use super::file_name;
use crate::backbones::title;
use std::path::Path;

/// Keys with their names, in the order of the keys.
const NAMES: [(&str, &str); 70] = [
    ("augment.brightness", "Brightness"),
    ("augment.contrast", "Contrast"),
    ("augment.crop_ratio", "Random cut, shape"),
    ("augment.crop_scale", "Random cut, share"),
    ("augment.cutmix", "Paste a part of another"),
    ("augment.enabled", "Vary training pictures"),
    ("augment.erasing", "Blank a rectangle"),
    ("augment.hflip", "Mirror left and right"),
    ("augment.hue", "Hue"),
    ("augment.mixup", "Blend two pictures"),
    ("augment.policy", "Strong variation"),
    ("augment.rand_magnitude", "How strong"),
    ("augment.rand_operations", "Things at once"),
    ("augment.rotation_degrees", "Rotate, degrees"),
    ("augment.saturation", "Saturation"),
    ("augment.vflip", "Turn upside down"),
    ("augment.views", "Views of each picture"),
    ("backbone.cut_stage", "Cut after"),
    ("backbone.name", "Backbone"),
    ("backbone.weights", "Weights"),
    ("data.allow_many_unreadable", "Go on without unreadable pictures"),
    ("data.csv_file", "Table"),
    ("data.csv_group", "Column of groups"),
    ("data.csv_label", "Column of labels"),
    ("data.csv_split", "Column of parts"),
    ("data.fold", "Fold that is held out"),
    ("data.folds", "Number of folds"),
    ("data.group_by", "What belongs together"),
    ("data.group_pattern", "Pattern of the path"),
    ("data.labels", "Label file"),
    ("data.split", "Divided"),
    ("data.split_seed", "Seed of the division"),
    ("data.test_fraction", "Share for testing"),
    ("data.val_fraction", "Share for validation"),
    ("head.activation", "Activation"),
    ("head.dropout", "Dropout"),
    ("head.hidden", "Hidden widths"),
    ("head.kind", "Kind of head"),
    ("head.output", "Outputs"),
    ("head.pooling", "Pooling"),
    ("train.balance_classes", "Balance classes"),
    ("train.batch_norm", "Batch normalisation"),
    ("train.batch_size", "Pictures a step"),
    ("train.carry_over", "What each phase takes from the one before"),
    ("train.clip_norm", "Largest gradient"),
    ("train.device", "Device"),
    ("train.epochs", "Epochs"),
    ("train.head_epochs", "Head alone, epochs"),
    ("train.head_learning_rate", "Head alone, rate"),
    ("train.keep_best_by", "Keep the best by"),
    ("train.l2_sp", "Pull to pretrained"),
    ("train.label_smoothing", "Label smoothing"),
    ("train.last_stages", "Stages that learn"),
    ("train.learning_rate", "Learning rate"),
    ("train.mode", "What learns"),
    ("train.momentum", "Momentum"),
    ("train.nesterov", "Nesterov momentum"),
    ("train.optimizer", "Optimizer"),
    ("train.patience", "Stop without progress, epochs"),
    ("train.phases", "Phases"),
    ("train.precision", "Precision"),
    ("train.schedule", "Rate over time"),
    ("train.seed", "Seed"),
    ("train.solver", "Fitting the head"),
    ("train.stage_decay", "Rate of earlier stages"),
    ("train.step_epochs", "Epochs between drops"),
    ("train.step_gamma", "Factor of each drop"),
    ("train.threads", "Threads"),
    ("train.warmup_epochs", "Warm-up epochs"),
    ("train.weight_decay", "Weight decay"),
];

/// Name for people of the setting with this key, such as `train.epochs`; the key itself where the window does not show it.
pub fn setting_name(key: &str) -> &str {
    NAMES.iter().find(|(k, _)| *k == key).map_or(key, |(_, name)| name)
}

/// A setting's value in the window's words, from what files call it: `scratch` of `train.mode` is "from scratch". Of a weight file
/// it is the name.
pub fn setting_value(key: &str, value: &str) -> String {
    let plain = value.trim_matches('"');
    match (key, plain) {
        ("train.mode", "auto") => "automatic".to_owned(),
        ("train.mode", "frozen") => "only the head".to_owned(),
        ("train.mode", "last-stages") => "last stages".to_owned(),
        ("train.mode", "full") => "everything".to_owned(),
        ("train.mode", "scratch") => "everything, from scratch".to_owned(),
        ("backbone.name", name) => title(name).to_owned(),
        ("backbone.weights", path) => file_name(Path::new(path)),
        (_, "true") => "yes".to_owned(),
        (_, "false") => "no".to_owned(),
        _ => plain.to_owned(),
    }
}

/// A sentence of the engine's with the window's names of settings, in quotes, in place of their keys.
pub fn with_setting_names(text: &str) -> String {
    let of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.find(of_key) {
        let (before, from) = rest.split_at(first);
        let (token, after) = from.split_at(from.find(|c| !of_key(c)).unwrap_or(from.len()));
        let key = token.trim_end_matches('.');
        out.push_str(before);
        match setting_name(key) {
            name if name == key => out.push_str(key),
            name => out.push_str(&format!("“{name}”")),
        }
        out.push_str(&token[key.len()..]);
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_a_sentence_become_names() {
        let text = "Raise data.val_fraction. See data.cache_mib, data.fold and a.png, or train.epochs";
        let told = "Raise “Share for validation”. See data.cache_mib, “Fold that is held out” and a.png, or “Epochs”";
        assert_eq!(with_setting_names(text), told);
    }

    #[test]
    fn values_are_told_in_the_windows_words() {
        let told = [
            ("train.mode", "\"scratch\""),
            ("train.mode", "frozen"),
            ("backbone.name", "resnet18"),
            ("backbone.weights", "\"/work/weights/resnet18.pth\""),
            ("train.nesterov", "false"),
            ("train.epochs", "9"),
        ]
        .map(|(key, value)| setting_value(key, value));
        let want = ["everything, from scratch", "only the head", "ResNet-18", "resnet18.pth", "no", "9"];
        assert_eq!(told, want);
    }

    #[test]
    fn names_are_those_of_the_settings_panel() {
        let panel = concat!(
            include_str!("../views/train/settings/optimizer.rs"),
            include_str!("../views/train/settings/augment.rs")
        );
        let mut seen = 0;
        for about in panel.split("about(").skip(1) {
            let mut literals = about.split('"').skip(1).step_by(2);
            if let (Some(name), Some(key)) = (literals.next(), literals.next()) {
                assert_eq!(setting_name(key), name);
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
    }

    #[test]
    fn a_setting_that_the_window_does_not_show_keeps_its_key() {
        assert_eq!(setting_name("data.cache_mib"), "data.cache_mib");
    }
}
