//! What is frozen and what learns: a bar with a piece for each stage, whose boundary can be moved.

use super::columns::millions;
use crate::backbones::BackboneSpec;
use crate::config::{Learns, OptimConfig, TrainConfig, TrainMode};
use crate::ui::Action;
use crate::ui::icons::{self, Icon};
use crate::ui::theme::{Palette, space, type_size};
use crate::ui::widgets::basic::focus_ring;
use crate::ui::widgets::caption;
use egui::{Align2, CursorIcon, EventFilter, FontId, Key, Rect, Response, Sense, Ui, WidgetInfo, pos2, vec2};

const HEIGHT: f32 = 26.0;
const HEAD: f32 = 64.0;
const GAP: f32 = 2.0;
/// Size of the words in it, in points.
const LABEL: f32 = 11.0;
/// Narrowest piece, in points, where there is room for all.
const LEAST: f32 = 16.0;

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

/// How many stages are used, and which is the first to learn (as many as are used where only the head does).
pub(super) fn boundary(spec: &BackboneSpec, config: &TrainConfig) -> (usize, usize) {
    let cut = config.backbone.cut_stage.as_deref();
    let kept =
        cut.and_then(|c| spec.stages.iter().position(|s| *s == c)).map_or(spec.stages.len(), |i| i + 1);
    let plan = config.train.plan(config.backbone.weights.is_some());
    (kept, plan.iter().map(|p| p.first_stage(kept)).min().unwrap_or(kept))
}

/// The fate of each stage of `spec` under `config`.
pub(super) fn fates(spec: &BackboneSpec, config: &TrainConfig) -> Vec<Fate> {
    let (kept, first) = boundary(spec, config);
    let fate = |i| match i {
        _ if i >= kept => Fate::Cut,
        _ if i >= first => Fate::Learns,
        _ => Fate::Frozen,
    };
    (0..spec.stages.len()).map(fate).collect()
}

/// The settings with which stage `first` is the first to learn; as many as are used for the head alone.
fn with_boundary(spec: &BackboneSpec, config: &TrainConfig, first: usize) -> TrainConfig {
    let (kept, _) = boundary(spec, config);
    let mut config = config.clone();
    if !config.train.phases.is_empty() {
        move_phases(&mut config.train, kept, first);
        return config;
    }
    config.train.mode = match first {
        0 => TrainMode::Full,
        _ if first >= kept => TrainMode::Frozen,
        _ => TrainMode::LastStages,
    };
    if config.train.mode == TrainMode::LastStages {
        config.train.last_stages = kept - first;
    }
    config
}

/// Makes stage `first` of `kept` the first to learn in the user's own phases: those in which most learns follow, and those in which
/// less does stay as they are. Where only the head learns, the last phase follows.
fn move_phases(train: &mut OptimConfig, kept: usize, first: usize) {
    let firsts: Vec<usize> = train.plan(true).iter().map(|p| p.first_stage(kept)).collect();
    let lowest = firsts.iter().copied().min().unwrap_or(kept);
    let last = firsts.len().saturating_sub(1);
    for (i, (phase, at)) in train.phases.iter_mut().zip(&firsts).enumerate() {
        let follows = *at < first || (*at == lowest && (lowest < kept || i == last));
        if follows {
            (phase.learns, phase.last_stages) = match first {
                0 => (Learns::Everything, None),
                _ if first >= kept => (Learns::Head, None),
                _ => (Learns::LastStages, Some(kept - first)),
            };
        }
    }
    // The boundary is of pretrained weights.
    train.mode = TrainMode::Auto;
}

/// Draws the bar with a piece for each stage, as wide as its share of the parameters, and one for the head.
pub(super) fn bar(ui: &mut Ui, spec: &BackboneSpec, config: &TrainConfig, actions: &mut Vec<Action>) {
    let fates = fates(spec, config);
    let counts = spec.stage_param_counts();
    let (kept, first) = boundary(spec, config);
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click_and_drag());
    let room = rect.width() - HEAD - GAP;
    let pieces = pieces(Rect::from_min_size(rect.min, vec2(room, HEIGHT)), &counts);
    let wide = |word: &str| {
        let font = FontId::proportional(LABEL);
        ui.painter().layout_no_wrap(word.to_owned(), font, Palette::of(ui).text).size().x
    };
    let words =
        labels(spec.stages, |i, word| pieces.get(i).is_some_and(|p| wide(word) + space::XS < p.width()));
    for (i, piece) in pieces.iter().enumerate() {
        let word = words.as_ref().and_then(|words| words.get(i).copied());
        let fate = fates.get(i).copied().unwrap_or(Fate::Cut);
        stage(ui, &response, (spec, &counts), (i, *piece, word), fate);
    }
    head(ui, &response, Rect::from_min_max(pos2(rect.right() - HEAD, rect.top()), rect.max));

    // Without pretrained weights there is nothing worth keeping.
    let movable = config.backbone.weights.is_some();
    response.widget_info(|| {
        let name = format!("First stage that learns. {}", sentence(&fates));
        WidgetInfo::slider(movable, first as f64, name)
    });
    if movable {
        let edges: Vec<f32> = pieces.iter().take(kept).map(|p| p.left()).collect();
        let end = pieces.get(kept.saturating_sub(1)).map_or(rect.left(), |p| p.right() + GAP);
        let edges: Vec<f32> = edges.into_iter().chain([end]).collect();
        if let Some(wanted) = moved(ui, &response, &edges, first).filter(|wanted| *wanted != first) {
            actions.push(Action::SetConfig(Box::new(with_boundary(spec, config, wanted))));
        }
        handle(ui, &response, edges.get(first).copied().unwrap_or(end) - GAP / 2.0);
        focus_ring(ui, &response);
    }
    caption(ui, meaning(&fates, movable));
}

/// Places of the stages, as wide as their shares of the parameters, none too narrow to be pointed at.
fn pieces(rect: Rect, counts: &[usize]) -> Vec<Rect> {
    let all: f32 = counts.iter().sum::<usize>().max(1) as f32;
    let least = LEAST.min(rect.width() / counts.len().max(1) as f32);
    let free = rect.width() - least * counts.len() as f32;
    let mut left = rect.left();
    let piece = |count: &usize| {
        let width = least + free * *count as f32 / all;
        let piece = Rect::from_min_size(pos2(left, rect.top()), vec2((width - GAP).max(1.0), rect.height()));
        left += width;
        piece
    };
    counts.iter().map(piece).collect()
}

/// What stands in the pieces: all names, or all without what stands before their last dot; nothing where one does not fit, because a
/// name among pieces without looks like another sort of stage.
fn labels<'a>(stages: &[&'a str], fits: impl Fn(usize, &str) -> bool) -> Option<Vec<&'a str>> {
    let whole = stages.to_vec();
    let short = stages.iter().map(|name| name.rsplit('.').next().unwrap_or(name)).collect();
    [whole, short]
        .into_iter()
        .find(|words: &Vec<&str>| words.iter().enumerate().all(|(i, word)| fits(i, word)))
}

fn stage(
    ui: &Ui,
    bar: &Response,
    (spec, counts): (&BackboneSpec, &[usize]),
    (i, piece, word): (usize, Rect, Option<&str>),
    fate: Fate,
) {
    let p = Palette::of(ui);
    let (fill, ink, means) = match fate {
        Fate::Frozen => (p.raised, p.muted, "frozen: keeps its pretrained weights"),
        Fate::Learns => (Palette::mix(p.surface, p.accent, 0.30), p.text, "learns from your pictures"),
        Fate::Cut => (p.background, p.stroke, "cut off: not used"),
    };
    let name = spec.stages.get(i).copied().unwrap_or_default();
    ui.painter().rect_filled(piece, 4.0, fill);
    label(ui, piece, word, fate, ink);
    let parameters = millions(counts.get(i).copied().unwrap_or(0));
    ui.interact(piece, bar.id.with(i), Sense::hover())
        .on_hover_text(format!("Stage {name} · {parameters} parameters · {means}"));
}

fn head(ui: &Ui, bar: &Response, rect: Rect) {
    let p = Palette::of(ui);
    ui.painter().rect_filled(rect, 4.0, p.accent);
    let font = FontId::proportional(type_size::CAPTION);
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, "head", font, p.on_accent);
    ui.interact(rect, bar.id.with("head"), Sense::hover())
        .on_hover_text("The new part that tells your classes apart · always learns");
}

/// The stage's word where the pieces have words, a snowflake where they have not and the stage is frozen.
fn label(ui: &Ui, piece: Rect, word: Option<&str>, fate: Fate, ink: egui::Color32) {
    let painter = ui.painter().with_clip_rect(piece);
    let (text, font) = match word {
        Some(word) => (word.to_owned(), FontId::proportional(LABEL)),
        None if fate == Fate::Frozen && piece.width() > 12.0 => {
            (Icon::Snowflake.unicode().to_string(), icons::font(LABEL))
        }
        None => return,
    };
    painter.text(piece.center(), Align2::CENTER_CENTER, text, font, ink);
}

/// The grip at the boundary.
fn handle(ui: &Ui, bar: &Response, x: f32) {
    let p = Palette::of(ui);
    let lit = bar.hovered() || bar.dragged() || bar.has_focus();
    let grip = Rect::from_center_size(pos2(x, bar.rect.center().y), vec2(4.0, HEIGHT + 6.0));
    ui.painter().rect_filled(grip, 2.0, if lit { p.accent } else { p.edge });
}

/// The boundary that is asked for by dragging, pressing or the arrow keys; `edges` are the places that it can have.
fn moved(ui: &Ui, bar: &Response, edges: &[f32], first: usize) -> Option<usize> {
    let last = edges.len().saturating_sub(1);
    if bar.hovered() || bar.dragged() {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
    // From where the mouse put it the keys go on.
    if bar.drag_started() || bar.clicked() {
        bar.request_focus();
    }
    if (bar.dragged() || bar.clicked())
        && let Some(at) = bar.interact_pointer_pos()
    {
        let distance = |i: &usize| edges.get(*i).map_or(f32::INFINITY, |x| (x - at.x).abs());
        return (0..edges.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
    }
    if !bar.has_focus() {
        return None;
    }
    let arrows = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|m| m.set_focus_lock_filter(bar.id, arrows));
    ui.input(|i| {
        let keys = [
            (Key::ArrowLeft, first.saturating_sub(1)),
            (Key::ArrowRight, (first + 1).min(last)),
            (Key::Home, 0),
            (Key::End, last),
        ];
        keys.into_iter().find(|(key, _)| i.key_pressed(*key)).map(|(_, to)| to)
    })
}

/// What the boundary means, and how it is moved.
fn meaning(fates: &[Fate], movable: bool) -> String {
    let how = match movable {
        true => "Drag the boundary, or use the arrow keys.",
        false => "There are no pretrained weights that could be kept.",
    };
    format!("{} {how}", sentence(fates))
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
    use crate::config::{BackboneConfig, PhaseConfig};

    fn spec() -> BackboneSpec {
        BackboneSpec { stages: &["a", "b", "c", "d"], ..find("resnet18").unwrap().clone() }
    }

    fn with_weights() -> TrainConfig {
        let mut c = TrainConfig::default();
        c.backbone = BackboneConfig { weights: Some("w".into()), ..c.backbone };
        c
    }

    #[test]
    fn the_bar_tells_what_the_settings_mean() {
        use Fate::{Cut, Frozen, Learns};
        assert_eq!(fates(&spec(), &TrainConfig::default()), [Learns; 4], "no weights: everything learns");
        let mut c = with_weights();
        assert_eq!(fates(&spec(), &c), [Frozen; 4]);
        c.train.mode = TrainMode::LastStages;
        c.backbone.cut_stage = Some("c".to_owned());
        assert_eq!(fates(&spec(), &c), [Frozen, Learns, Learns, Cut]);
        assert_eq!(
            sentence(&fates(&spec(), &c)),
            "1 stage is frozen; the last 2 and the head learn. 1 stage is cut off."
        );
    }

    #[test]
    fn a_moved_boundary_moves_in_phases_of_the_users_own() {
        let phase = |learns, last_stages, epochs| PhaseConfig {
            learns,
            last_stages,
            epochs,
            learning_rate: Some(0.1),
            schedule: None,
        };
        let mut c = with_weights();
        c.train.set_phases(vec![
            phase(Learns::Head, None, 3),
            phase(Learns::LastStages, Some(1), 4),
            phase(Learns::LastStages, Some(3), 5),
        ]);
        let told =
            |c: &TrainConfig| c.train.phases.iter().map(|p| (p.learns, p.last_stages)).collect::<Vec<_>>();
        let head = (Learns::Head, None);
        let last = |n| (Learns::LastStages, Some(n));
        assert_eq!(told(&with_boundary(&spec(), &c, 2)), [head, last(1), last(2)]);
        assert_eq!(told(&with_boundary(&spec(), &c, 0)), [head, last(1), (Learns::Everything, None)]);
        let frozen = with_boundary(&spec(), &c, 4);
        assert_eq!(told(&frozen), [head; 3]);
        assert_eq!(told(&with_boundary(&spec(), &frozen, 3)), [head, head, last(1)]);
        let kept: Vec<_> = frozen.train.phases.iter().map(|p| (p.epochs, p.learning_rate)).collect();
        assert_eq!(kept, [(3, Some(0.1)), (4, Some(0.1)), (5, Some(0.1))]);
    }

    #[test]
    fn a_moved_boundary_is_the_one_that_the_settings_then_have() {
        let mut c = with_weights();
        for cut in [None, Some("c".to_owned())] {
            c.backbone.cut_stage = cut;
            let (kept, _) = boundary(&spec(), &c);
            for first in 0..=kept {
                assert_eq!(boundary(&spec(), &with_boundary(&spec(), &c, first)), (kept, first));
            }
        }
        assert_eq!(with_boundary(&spec(), &c, 0).train.mode, TrainMode::Full);
        assert_eq!(with_boundary(&spec(), &c, 3).train.mode, TrainMode::Frozen);
    }

    #[test]
    fn all_stages_are_named_in_the_same_way_or_none() {
        let stages = ["features.0", "features.14", "classifier"];
        let within = |most: [usize; 3]| labels(&stages, move |i, word| word.len() <= most[i]);
        assert_eq!(within([10, 11, 10]), Some(stages.to_vec()));
        assert_eq!(within([4, 30, 10]), Some(vec!["0", "14", "classifier"]));
        assert_eq!(within([4, 30, 9]), None);
    }

    #[test]
    fn pieces_fill_the_bar_by_their_parameters_and_none_vanishes() {
        let rect = Rect::from_min_size(pos2(10.0, 0.0), vec2(400.0, 26.0));
        let places = pieces(rect, &[1, 999, 1000]);
        assert!(places.iter().all(|p| p.width() >= LEAST - GAP), "{places:?}");
        assert!((places[2].right() + GAP - rect.right()).abs() < 0.1);
        assert!(places[2].width() > places[1].width() && places[1].width() > places[0].width());
        let narrow = pieces(Rect::from_min_size(pos2(0.0, 0.0), vec2(40.0, 26.0)), &[1; 19]);
        assert!(narrow[18].right() <= 41.0, "{narrow:?}");
    }
}
