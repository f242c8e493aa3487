//! What is frozen and what learns, stage by stage.

use crate::backbones::BackboneSpec;
use crate::config::{TrainConfig, TrainMode};
use crate::ui::icons::{self, Icon};
use crate::ui::theme::{Palette, space, type_size};
use crate::ui::widgets::caption;
use egui::{Align2, FontId, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

/// What happens to a stage in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It keeps its pretrained weights.
    Frozen,
    /// It learns.
    Learns,
    /// It is cut off.
    Cut,
}

/// The fate of each stage of `spec` under `config`.
pub(super) fn fates(spec: &BackboneSpec, config: &TrainConfig) -> Vec<Fate> {
    let count = spec.stages.len();
    let cut = config.backbone.cut_stage.as_deref();
    let kept = cut.and_then(|c| spec.stages.iter().position(|s| *s == c)).map_or(count, |i| i + 1);
    let first_learning = match config.train.resolve(config.backbone.weights.is_some()).mode {
        TrainMode::Full | TrainMode::Scratch => 0,
        TrainMode::LastStages => kept.saturating_sub(config.train.last_stages),
        TrainMode::Frozen | TrainMode::Auto => kept,
    };
    (0..count)
        .map(|i| match i {
            _ if i >= kept => Fate::Cut,
            _ if i >= first_learning => Fate::Learns,
            _ => Fate::Frozen,
        })
        .collect()
}

/// A bar with a piece for each stage, and one for the head.
pub(super) fn bar(ui: &mut Ui, spec: &BackboneSpec, config: &TrainConfig) {
    let p = Palette::of(ui);
    let fates = fates(spec, config);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 24.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, sentence(&fates)));
    let head_width = 64.0;
    let gap = 2.0;
    let room = rect.width() - head_width - gap;
    let each = room / fates.len().max(1) as f32;
    for (i, (fate, name)) in fates.iter().zip(spec.stages).enumerate() {
        let min = pos2(rect.left() + i as f32 * each, rect.top());
        let piece = Rect::from_min_size(min, vec2(each - gap, rect.height()));
        let (fill, ink, word) = match fate {
            Fate::Frozen => (p.raised, p.muted, "frozen: keeps its pretrained weights"),
            Fate::Learns => (Palette::mix(p.surface, p.accent, 0.30), p.text, "learns from your pictures"),
            Fate::Cut => (p.background, p.stroke, "cut off: not used"),
        };
        ui.painter().rect_filled(piece, 4.0, fill);
        label(ui, piece, name, *fate, ink);
        ui.interact(piece, response.id.with(i), Sense::hover())
            .on_hover_text(format!("Stage {name} · {word}"));
    }
    let head = Rect::from_min_max(pos2(rect.right() - head_width, rect.top()), rect.max);
    ui.painter().rect_filled(head, 4.0, p.accent);
    let font = FontId::proportional(type_size::CAPTION);
    ui.painter().text(head.center(), Align2::CENTER_CENTER, "head", font, p.on_accent);
    ui.interact(head, response.id.with("head"), Sense::hover())
        .on_hover_text("The new part that tells your classes apart · always learns");
    caption(ui, sentence(&fates));
}

/// The stage's name where it fits, a snowflake where it does not and the stage is frozen.
fn label(ui: &Ui, piece: Rect, name: &str, fate: Fate, ink: egui::Color32) {
    let painter = ui.painter().with_clip_rect(piece);
    let galley = painter.layout_no_wrap(name.to_owned(), FontId::proportional(11.0), ink);
    if galley.size().x + space::XS < piece.width() {
        painter.galley(piece.center() - galley.size() / 2.0, galley, ink);
    } else if fate == Fate::Frozen && piece.width() > 12.0 {
        let icon = Icon::Snowflake.unicode();
        painter.text(piece.center(), Align2::CENTER_CENTER, icon, icons::font(11.0), ink);
    }
}

fn sentence(fates: &[Fate]) -> String {
    let count = |f: Fate| fates.iter().filter(|x| **x == f).count();
    let (frozen, learns, cut) = (count(Fate::Frozen), count(Fate::Learns), count(Fate::Cut));
    let stages = |n: usize| if n == 1 { "1 stage is".to_owned() } else { format!("{n} stages are") };
    let mut text = match (frozen, learns) {
        (0, _) => "Everything learns.".to_owned(),
        (_, 0) => {
            "The backbone is frozen and only the head learns: fast, and hard to spoil with few pictures."
                .to_owned()
        }
        (f, 1) => format!("{} frozen; the last one and the head learn.", stages(f)),
        (f, l) => format!("{} frozen; the last {l} and the head learn.", stages(f)),
    };
    if cut > 0 {
        text.push_str(&format!(" {} cut off.", stages(cut)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::find;
    use crate::config::BackboneConfig;

    fn spec() -> BackboneSpec {
        BackboneSpec { stages: &["a", "b", "c", "d"], ..find("resnet18").unwrap().clone() }
    }

    #[test]
    fn the_bar_tells_what_the_settings_mean() {
        use Fate::{Cut, Frozen, Learns};
        let mut c = TrainConfig::default();
        assert_eq!(fates(&spec(), &c), [Learns; 4], "no weights: everything learns");
        c.backbone = BackboneConfig { weights: Some("w".into()), ..c.backbone };
        assert_eq!(fates(&spec(), &c), [Frozen; 4]);
        c.train.mode = TrainMode::LastStages;
        c.backbone.cut_stage = Some("c".to_owned());
        assert_eq!(fates(&spec(), &c), [Frozen, Learns, Learns, Cut]);
        assert_eq!(
            sentence(&fates(&spec(), &c)),
            "1 stage is frozen; the last 2 and the head learn. 1 stage is cut off."
        );
    }
}
