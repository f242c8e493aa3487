//! How the pictures are divided: a line beside the gallery, and the choice of another way with what each part would get.

use super::{ViewContext, mark_split};
use crate::config::{DEFAULT_FOLDS, DataConfig, GroupBy, SplitKind};
use crate::data::{Dataset, Division, Preflight, Split};
use crate::error::{Error, Result, count, thousands};
use crate::ui::state::division::{OwnParts, divides_otherwise, division_words, groups_words};
use crate::ui::state::{split_name, with_setting_names};
use crate::ui::theme::{Palette, section_style, space};
use crate::ui::views::train::words::sentence;
use crate::ui::widgets::choice;
use crate::ui::widgets::segmented::{self, Segment};
use crate::ui::widgets::{caption, link_button, primary_button, secondary_button, setting};
use crate::ui::{Action, AppState};
use crossbeam_channel::Receiver;
use egui::{
    Align, Align2, Context, DragValue, Id, Label, Layout, Modal, Response, RichText, Role, Sense, TextEdit,
    Ui, WidgetInfo, vec2,
};
use std::sync::Arc;

/// Up to this many pictures are divided at once, which takes a few milliseconds; more on a thread of their own.
const AT_ONCE: usize = 4000;
/// Width of the choice, in points.
const WIDTH: f32 = 460.0;
/// Largest number of folds to choose.
const MOST_FOLDS: usize = 20;
/// What stands in the empty field of the pattern.
const PATTERN: &str = r"patient(\d+)";
/// How far below the window's upper edge the choice begins, as a share of the window's height. From there it grows downwards: what
/// is under the pointer stays there.
const TOP: f32 = 0.12;

const NONE_HELD_OUT: &str = "Nothing would be held out for validation: too many pictures belong together";

/// What is being chosen.
#[derive(Debug, Default)]
pub(super) struct Memory {
    draft: Option<DataConfig>,
    preview: Preview,
    /// Height of the choice when it was drawn last, in points.
    height: f32,
}

/// What the chosen division would come to, for the last settings that it was worked out for.
#[derive(Debug, Default)]
struct Preview {
    of: Option<(Arc<Preflight>, DataConfig)>,
    is: Option<Result<Division>>,
    coming: Option<Receiver<Result<Division>>>,
}

impl Preview {
    /// Pictures that the chosen division would put into another part; 0 where that is not known.
    fn moved(&self) -> usize {
        self.is.as_ref().and_then(|is| is.as_ref().ok()).map_or(0, |division| division.moved)
    }

    /// Brings it up to date, or sees to it that it will be.
    fn update(&mut self, ctx: &Context, pictures: &Arc<Preflight>, draft: &DataConfig) {
        if let Some(Ok(division)) = self.coming.as_ref().map(Receiver::try_recv) {
            (self.is, self.coming) = (Some(division), None);
        }
        let same =
            |(of, settings): &(Arc<Preflight>, DataConfig)| Arc::ptr_eq(of, pictures) && settings == draft;
        // One at a time: where more is changed meanwhile, the next one is of all of it.
        if self.coming.is_some() || self.of.as_ref().is_some_and(same) {
            return;
        }
        self.of = Some((Arc::clone(pictures), draft.clone()));
        if pictures.dataset.samples.len() <= AT_ONCE {
            self.is = Some(division(pictures, draft));
            return;
        }
        let (done, coming) = crossbeam_channel::bounded(1);
        let (ctx, pictures, draft) = (ctx.clone(), Arc::clone(pictures), draft.clone());
        let work = move || {
            // Nobody waits any more where the choice was left meanwhile.
            let _ = done.send(division(&pictures, &draft));
            ctx.request_repaint();
        };
        let thread = std::thread::Builder::new().name("division".to_owned()).spawn(work);
        self.coming = thread.is_ok().then_some(coming);
    }
}

/// Whether a pattern has to be written first.
fn lacks_pattern(draft: &DataConfig) -> bool {
    let wanted = draft.split == SplitKind::Grouped && draft.group_by == GroupBy::Pattern;
    wanted && draft.group_pattern.as_deref().is_none_or(|p| p.trim().is_empty())
}

fn division(pictures: &Preflight, draft: &DataConfig) -> Result<Division> {
    if lacks_pattern(draft) {
        let text = format!("write what the names have in common, with the group in brackets: {PATTERN}");
        return Err(Error::input(text));
    }
    if draft.folds == 0 && draft.val_fraction + draft.test_fraction >= 1.0 {
        return Err(Error::input("validation and testing together leave nothing to learn from"));
    }
    pictures.division(draft)
}

/// Draws how the pictures are divided, with a way to change it.
pub(super) fn line(ui: &mut Ui, own: OwnParts, config: &DataConfig, actions: &mut Vec<Action>) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        caption(ui, division_words(own, config));
        if own.val {
            return;
        }
        let change = link_button(ui, "Divide otherwise…");
        let why = "Groups that stay together, the shares for validation and testing, folds";
        if change.on_hover_text(why).clicked() {
            actions.push(Action::AskDivision(true));
        }
    });
}

/// Draws the choice over the screen while it is asked for.
pub(super) fn ask(
    ui: &Ui,
    (state, pictures): (&AppState, &Arc<Preflight>),
    cx: &mut ViewContext,
    actions: &mut Vec<Action>,
) {
    let super::Memory { division: memory, shown, .. } = &mut cx.data;
    let own = shown.overview.own;
    if !state.division_asked || own.val || state.training_job().is_some() {
        *memory = Memory::default();
        return;
    }
    let draft = memory.draft.get_or_insert_with(|| state.config.data.clone());
    memory.preview.update(ui.ctx(), pictures, draft);
    let (id, before) = (Id::unique("division"), draft.clone());
    let top = vec2(0.0, (TOP * ui.ctx().content_rect().height()).round());
    let area = Modal::default_area(id).anchor(Align2::CENTER_TOP, top);
    let modal = Modal::new(id).area(area).show(ui.ctx(), |ui| {
        ui.set_width(WIDTH);
        let title = "How the pictures are divided";
        ui.label(RichText::new(title).text_style(section_style()));
        caption(ui, "What is held out says how good a model is on pictures that it has not seen.");
        ui.add_space(space::S);
        together(ui, draft, &pictures.dataset, &memory.preview);
        ui.add_space(space::S);
        held_out(ui, draft, own.test);
        ui.add_space(space::M);
        // What is there may be older than a change of files: where that moves pictures, what would come of dividing anew is shown.
        let unchanged = !divides_otherwise(draft, &state.config.data);
        let moved = memory.preview.moved();
        let now = (unchanged && moved == 0).then(|| shown.overview.totals());
        outcome(ui, &memory.preview, now, lacks_pattern(draft));
        if unchanged && moved > 0 {
            let pictures = count(moved, "picture", "pictures");
            let words = format!("Divided anew, {pictures} would be in another part");
            ui.add(Label::new(RichText::new(words).small().color(Palette::of(ui).muted)).wrap());
        }
        if let Some(warning) = state.division_warning(!unchanged || moved > 0) {
            ui.add_space(space::XS);
            ui.add(Label::new(RichText::new(warning).color(Palette::of(ui).warn)).wrap());
        }
        ui.add_space(space::S);
        buttons(ui, draft, unchanged, &memory.preview, actions);
    });
    let height = modal.response.rect.height();
    // What was just chosen is counted, and what came or went is in its place, in the next frame.
    if *draft != before || (height - memory.height).abs() > 0.5 {
        ui.ctx().request_repaint();
    }
    memory.height = height;
    if modal.should_close() {
        actions.push(Action::AskDivision(false));
    }
}

/// Whether pictures are divided one by one, or what stays together.
fn together(ui: &mut Ui, draft: &mut DataConfig, data: &Dataset, preview: &Preview) {
    // A row's controls are laid out from its right end.
    let kinds = [
        Segment {
            value: SplitKind::Grouped,
            word: "In groups",
            why: "Pictures that belong together are all learned from, or all held out",
        },
        Segment {
            value: SplitKind::Stratified,
            word: "Picture by picture",
            why: "Chance decides about each picture, each class for itself",
        },
    ];
    setting(ui, "Divided", "", |ui| {
        let row = ui.horizontal(|ui| segmented::choice(ui, "What is divided", draft.split, &kinds));
        draft.split = row.inner.unwrap_or(draft.split);
        row.response
    });
    if draft.split != SplitKind::Grouped {
        return;
    }
    let mut ways = vec![
        (
            GroupBy::Sequence,
            "Number in the name",
            "Names of one class that differ only in a number at their end, such as frames of a video",
        ),
        (
            GroupBy::Folder,
            "Folder",
            "The folder below the class folder; the same name in two classes is one group",
        ),
        (GroupBy::Pattern, "Pattern", "What the bracket of a regular expression finds in the path"),
    ];
    if data.labels.as_ref().is_some_and(|file| file.group_column.is_some()) {
        ways.push((GroupBy::Csv, "Column of the table", "What the label file's column of groups says"));
    }
    setting(ui, "What belongs together", "", |ui| {
        let combo = choice(ui, "group by", &mut draft.group_by, &ways);
        combo.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "What belongs together"));
        combo
    });
    if draft.group_by == GroupBy::Pattern {
        let text = draft.group_pattern.get_or_insert_default();
        setting(ui, "Pattern of the path", "A regular expression; its first bracket is the group", |ui| {
            let muted = Palette::of(ui).muted;
            ui.add(
                TextEdit::singleline(text)
                    .hint_text(RichText::new(format!("for example {PATTERN}")).italics().color(muted))
                    .desired_width(220.0)
                    .margin(vec2(space::S, space::XS)),
            )
        });
    }
    if let Some(Ok(Division { groups: Some(groups), .. })) = &preview.is {
        ui.label(groups_words(groups));
        if !groups.example.is_empty() {
            let shown = groups.example.join(", ");
            let words = format!(
                "The largest: {shown}{}",
                if groups.sizes.1 > groups.example.len() { " …" } else { "" }
            );
            ui.add(Label::new(RichText::new(words).small().color(Palette::of(ui).muted)).truncate());
        }
    }
}

/// Shares and folds.
fn held_out(ui: &mut Ui, draft: &mut DataConfig, own_test: bool) {
    let mut folds = draft.folds > 0;
    let ways = [
        Segment {
            value: true,
            word: "Folds",
            why: "Cross-validation: the pictures are dealt out to parts of equal size, and each run holds out one of them",
        },
        Segment { value: false, word: "One share", why: "The same pictures judge every run" },
    ];
    setting(ui, "For validation", "", |ui| {
        let row = ui.horizontal(|ui| segmented::choice(ui, "What is held out", folds, &ways));
        folds = row.inner.unwrap_or(folds);
        row.response
    });
    if folds != (draft.folds > 0) {
        draft.folds = if folds { DEFAULT_FOLDS } else { 0 };
        draft.fold = 1;
    }
    if folds {
        setting(ui, "Number of folds", "More folds learn from more pictures, and need more runs", |ui| {
            let most = MOST_FOLDS.max(draft.folds);
            ui.add(DragValue::new(&mut draft.folds).range(2..=most).speed(0.05))
        });
        draft.fold = draft.fold.min(draft.folds);
        setting(ui, "Fold that is held out", "The next run is judged by this one", |ui| {
            ui.add(DragValue::new(&mut draft.fold).range(1..=draft.folds).speed(0.05))
        });
    } else {
        let why = match draft.test_fraction > 0.0 && !own_test {
            true => "Of what testing leaves. 20 % judges well enough and leaves enough to learn from",
            false => "20 % judges well enough and leaves enough to learn from",
        };
        setting(ui, "Share for validation", why, |ui| share(ui, &mut draft.val_fraction, 1.0..=90.0));
    }
    if own_test {
        caption(ui, "The folder has test pictures of its own");
    } else {
        let why = "Pictures that nothing is chosen by, judged only when you ask for it. They stay the same whatever else changes";
        setting(ui, "Share for testing", why, |ui| share(ui, &mut draft.test_fraction, 0.0..=90.0));
    }
}

/// A share, in percent.
fn share(ui: &mut Ui, value: &mut f64, range: std::ops::RangeInclusive<f64>) -> Response {
    let mut percent = (*value * 1000.0).round() / 10.0;
    let field = ui.add(DragValue::new(&mut percent).range(range).speed(0.2).max_decimals(1).suffix(" %"));
    if field.changed() {
        *value = (percent * 10.0).round() / 1000.0;
    }
    field
}

/// How many pictures each part gets, over a bar; or why nothing comes of it. `asks`: because something is still to be written.
fn outcome(ui: &mut Ui, preview: &Preview, now: Option<[usize; 3]>, asks: bool) {
    let p = Palette::of(ui);
    let counts = match (now, &preview.is) {
        (Some(counts), _) => counts,
        (None, None) => {
            caption(ui, "Counting…");
            return;
        }
        (None, Some(Err(why))) => {
            let ink = if asks { p.muted } else { p.bad };
            let why = with_setting_names(&why.to_string());
            ui.add(Label::new(RichText::new(sentence(&why)).color(ink)).wrap());
            return;
        }
        (None, Some(Ok(division))) => division.counts,
    };
    let parts = [Split::Train, Split::Val, Split::Test];
    let all = counts.iter().sum::<usize>().max(1);
    let (bar, _) = ui.allocate_exact_size(vec2(ui.available_width(), 6.0), Sense::hover());
    let mut left = bar.left();
    for (part, n) in parts.into_iter().zip(counts) {
        let width = bar.width() * n as f32 / all as f32;
        let rect = egui::Rect::from_min_size(egui::pos2(left, bar.top()), vec2(width, bar.height()));
        mark_split(ui.painter(), rect, &p, part);
        left += width;
    }
    let words = |(part, n): (Split, usize)| {
        format!("{} {} ({:.1} %)", thousands(n), split_name(part), 100.0 * n as f64 / all as f64)
    };
    let there = parts.into_iter().zip(counts).filter(|(_, n)| *n > 0);
    ui.label(there.map(words).collect::<Vec<_>>().join(" · "));
    if now.is_none() && counts[1] == 0 {
        ui.add(Label::new(RichText::new(NONE_HELD_OUT).color(p.warn)).wrap());
    }
}

/// Why the pictures cannot be divided as chosen, if they cannot.
fn block(draft: &DataConfig, unchanged: bool, preview: &Preview) -> Option<&'static str> {
    // Pictures may lie otherwise than these settings would divide them anew: some came later, say.
    if unchanged && preview.moved() == 0 {
        return Some("The pictures are divided like this already");
    }
    match &preview.is {
        None => Some("The pictures are being counted"),
        Some(Err(_)) if lacks_pattern(draft) => Some("Write a pattern first"),
        Some(Err(_)) => Some("The pictures cannot be divided like this: the reason stands above"),
        Some(Ok(division)) => (division.counts[1] == 0).then_some(NONE_HELD_OUT),
    }
}

fn buttons(ui: &mut Ui, draft: &DataConfig, unchanged: bool, preview: &Preview, actions: &mut Vec<Action>) {
    let block = block(draft, unchanged, preview);
    // No higher than its buttons: else it takes what the choice was once higher.
    let size = vec2(ui.available_width(), ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        let divide = ui.add_enabled_ui(block.is_none(), |ui| primary_button(ui, "Divide")).inner;
        if divide.on_disabled_hover_text(block.unwrap_or_default()).clicked() {
            let group_pattern = draft.group_pattern.clone().filter(|p| !p.trim().is_empty());
            actions.push(Action::DivideAnew(Box::new(DataConfig { group_pattern, ..draft.clone() })));
        }
        if secondary_button(ui, "Leave as it is").clicked() {
            actions.push(Action::AskDivision(false));
        }
    });
}
