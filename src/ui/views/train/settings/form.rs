//! Rows of a form over the draft configuration: numbers, choices and switches, each with its reason and a way back.

use crate::config::{ResolvedTrain, TrainConfig};
use crate::ui::icons::{self, Icon};
use crate::ui::theme::{Palette, space};
use crate::ui::views::train::search::Search;
use crate::ui::widgets::{check_box, drop_down, icon_beside, section, setting_reset};
use egui::emath::Numeric;
use egui::{
    Checkbox, CollapsingHeader, ComboBox, DragValue, Id, Response, RichText, Slider, SliderClamping, Ui,
    WidgetInfo,
};
use std::cell::Cell;
use std::ops::RangeInclusive;

/// Why something cannot be chosen: in a few words, and in sentences.
type WhyNot<'a> = (&'a str, &'a str);

/// Name, key and reason of a setting. The key is what a configuration file and the command line call it.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// For people.
    pub name: &'static str,
    /// For files.
    pub key: &'static str,
    /// What it does, and why the default is what it is.
    pub why: &'static str,
}

/// Shorthand for [`About`].
pub(super) const fn about(name: &'static str, key: &'static str, why: &'static str) -> About {
    About { name, key, why }
}

/// Range and step of a number.
#[derive(Debug, Clone)]
pub(super) struct Scale<T> {
    range: RangeInclusive<T>,
    speed: f64,
    decimals: usize,
}

/// A number from `range` that moves by `speed` a point of dragging.
pub(super) fn scale<T>(range: RangeInclusive<T>, speed: f64, decimals: usize) -> Scale<T> {
    Scale { range, speed, decimals }
}

/// How often something happens, from never to always.
pub(super) fn how_often() -> Scale<f64> {
    scale(0.0..=1.0, 0.005, 2)
}

/// How far a factor may move from 1.
pub(super) fn strength() -> Scale<f64> {
    scale(0.0..=10.0, 0.005, 2)
}

/// Step size of the weights.
pub(super) fn rate() -> Scale<f64> {
    scale(1e-7..=10.0, 0.0002, 6)
}

/// A number of epochs, `least` or more.
pub(super) fn epochs(least: usize) -> Scale<usize> {
    scale(least..=100_000, 0.2, 0)
}

/// The form: a draft, the defaults, and what is searched for.
pub(super) struct Form<'a> {
    pub draft: &'a mut TrainConfig,
    pub defaults: TrainConfig,
    search: Search<'a>,
    shown: usize,
}

impl<'a> Form<'a> {
    pub(super) fn new(draft: &'a mut TrainConfig, search: Search<'a>) -> Self {
        Self { draft, defaults: TrainConfig::default(), search, shown: 0 }
    }

    /// What is left open, as it will be.
    pub(super) fn resolved(&self) -> ResolvedTrain {
        self.draft.train.resolve(self.draft.backbone.weights.is_some())
    }

    /// The head of a group; not among search results.
    pub(super) fn head(&self, ui: &mut Ui, title: &str) {
        if !self.search.is_active() {
            ui.add_space(space::S);
            section(ui, title);
        }
    }

    /// What is folded away; while something is searched for, all of it is looked through.
    pub(super) fn advanced(&mut self, ui: &mut Ui, contents: impl FnOnce(&mut Ui, &mut Self)) {
        if self.search.is_active() {
            contents(ui, self);
            return;
        }
        ui.add_space(space::S);
        let head = RichText::new("Advanced").text_style(crate::ui::theme::section_style());
        CollapsingHeader::new(head).id_salt("advanced settings").show_unindented(ui, |ui| contents(ui, self));
    }

    /// Whether something is searched for.
    pub(super) fn is_searched(&self) -> bool {
        self.search.is_active()
    }

    /// Whether a search left nothing.
    pub(super) fn found_nothing(&self) -> bool {
        self.search.is_active() && self.shown == 0
    }

    /// Whether it is among what is searched for.
    pub(super) fn wanted(&mut self, what: About) -> bool {
        let found = self.search.finds(&[what.name, what.key, what.why]);
        self.shown += usize::from(found);
        found
    }

    /// Whether it was drawn.
    fn row<T: PartialEq + Clone>(
        &mut self,
        ui: &mut Ui,
        what: About,
        get: impl Fn(&mut TrainConfig) -> &mut T,
        control: impl FnOnce(&mut Ui, &mut T) -> Response,
    ) -> bool {
        let wanted = self.wanted(what);
        if wanted {
            let why = format!("{}\n\nIn files: {}", what.why, what.key);
            let default = get(&mut self.defaults).clone();
            setting_reset(ui, (what.name, &why), get(self.draft), &default, control);
            refused(ui, what);
        }
        wanted
    }

    /// A number.
    pub(super) fn number<T: Numeric>(
        &mut self,
        ui: &mut Ui,
        what: About,
        scale: Scale<T>,
        get: impl Fn(&mut TrainConfig) -> &mut T,
    ) {
        self.row(ui, what, get, |ui, value| number(ui, what, value, (scale, Shown::Plain)));
    }

    /// A number with a slider under it; `sliding` is the part of its range that most values come from.
    pub(super) fn slider<T: Numeric>(
        &mut self,
        ui: &mut Ui,
        what: About,
        (scale, sliding): (Scale<T>, RangeInclusive<T>),
        get: impl Fn(&mut TrainConfig) -> &mut T,
    ) {
        if self.row(ui, what, &get, |ui, value| number(ui, what, value, (scale, Shown::Plain))) {
            slide(ui, what.name, get(self.draft), sliding);
        }
    }

    /// A number of which 0 switches something off, and says so.
    pub(super) fn off_at_zero<T: Numeric>(
        &mut self,
        ui: &mut Ui,
        what: About,
        scale: Scale<T>,
        get: impl Fn(&mut TrainConfig) -> &mut T,
    ) {
        self.row(ui, what, get, |ui, value| number(ui, what, value, (scale, Shown::OffAtZero)));
    }

    /// A number that is left to the program until it is set; `auto` is what it would be.
    pub(super) fn auto<T: Numeric>(
        &mut self,
        ui: &mut Ui,
        what: About,
        (scale, auto): (Scale<T>, T),
        get: impl Fn(&mut TrainConfig) -> &mut Option<T>,
    ) {
        self.row(ui, what, get, |ui, value| {
            let mut set = value.unwrap_or(auto);
            let shown = if value.is_none() { Shown::Automatic } else { Shown::Plain };
            let response = number(ui, what, &mut set, (scale, shown));
            if response.changed() {
                *value = Some(set);
            }
            response
        });
    }

    /// A switch.
    pub(super) fn switch(&mut self, ui: &mut Ui, what: About, get: impl Fn(&mut TrainConfig) -> &mut bool) {
        self.row(ui, what, get, |ui, on| check_box(ui, Checkbox::without_text(on)));
    }

    /// One of several, each with its word.
    pub(super) fn choice<T: PartialEq + Copy>(
        &mut self,
        ui: &mut Ui,
        what: About,
        options: &[(T, &str)],
        get: impl Fn(&mut TrainConfig) -> &mut T,
    ) {
        let options: Vec<_> = options.iter().map(|&(option, word)| (option, word, None)).collect();
        self.choice_of(ui, what, &options, get);
    }

    /// One of several, of which those cannot be chosen that come with a reason: in a few words, and all of it.
    pub(super) fn choice_of<T: PartialEq + Copy>(
        &mut self,
        ui: &mut Ui,
        what: About,
        options: &[(T, &str, Option<WhyNot<'_>>)],
        get: impl Fn(&mut TrainConfig) -> &mut T,
    ) {
        self.row(ui, what, get, |ui, value| {
            let word = options.iter().find(|o| o.0 == *value).map_or("", |o| o.1);
            let combo = ComboBox::from_id_salt(what.key).width(112.0).selected_text(word);
            drop_down(ui, combo, |lines| {
                for &(option, word, lacking) in options {
                    match lacking {
                        None => lines.value(value, option, word),
                        Some((short, why)) => lines.blocked(format!("{word}: {short}"), why),
                    }
                }
            })
        });
    }

    /// One of several that is left to the program until it is set; `auto` is what it would be.
    pub(super) fn auto_choice<T: PartialEq + Copy>(
        &mut self,
        ui: &mut Ui,
        what: About,
        (options, auto): (&[(T, &str)], T),
        get: impl Fn(&mut TrainConfig) -> &mut Option<T>,
    ) {
        let word = |v: T| options.iter().find(|o| o.0 == v).map_or("", |o| o.1);
        let automatic = format!("auto: {}", word(auto));
        let mut all = vec![(None, automatic.as_str())];
        all.extend(options.iter().map(|(v, word)| (Some(*v), *word)));
        self.choice(ui, what, &all, get);
    }

    /// The lower and upper end of a range.
    pub(super) fn pair(
        &mut self,
        ui: &mut Ui,
        what: About,
        range: RangeInclusive<f64>,
        get: impl Fn(&mut TrainConfig) -> &mut [f64; 2],
    ) -> bool {
        self.row(ui, what, get, |ui, [low, high]| {
            let p = Palette::of(ui);
            let (from, to) = (*range.start(), *range.end());
            let upper = ui.add(drag(high, scale(*low..=to, 0.005, 2)));
            ui.label(RichText::new("to").color(p.muted));
            let lower = ui.add(drag(low, scale(from..=*high, 0.005, 2)));
            upper.labelled_by(lower.id);
            lower
        })
    }

    /// The same with a slider for the lower end.
    pub(super) fn sliding_pair(
        &mut self,
        ui: &mut Ui,
        what: About,
        range: RangeInclusive<f64>,
        get: impl Fn(&mut TrainConfig) -> &mut [f64; 2],
    ) {
        if self.pair(ui, what, range.clone(), &get) {
            let [low, high] = get(self.draft);
            slide(ui, what.name, low, *range.start()..=*high);
        }
    }

    /// Something worth a look about the setting above; not among search results.
    pub(super) fn warning(&self, ui: &mut Ui, text: &str) {
        if self.search.is_active() {
            return;
        }
        let p = Palette::of(ui);
        ui.horizontal_top(|ui| {
            icon_beside(ui, Icon::TriangleAlert, icons::SIZE, p.warn);
            ui.add(egui::Label::new(RichText::new(text).small()).wrap());
        });
    }
}

/// A slider as wide as the form. A value outside of `range` stays until the slider is moved.
fn slide<T: Numeric>(ui: &mut Ui, name: &str, value: &mut T, range: RangeInclusive<T>) {
    ui.scope(|ui| {
        ui.spacing_mut().slider_width = ui.available_width();
        let slider = Slider::new(value, range).show_value(false).clamping(SliderClamping::Edits);
        let response = ui.add(slider);
        response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), value.to_f64(), name));
    });
}

/// How a number stands in its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Plain,
    /// It is what the program would take.
    Automatic,
    /// 0 is "off".
    OffAtZero,
}

/// A field for a number. What is typed and is none, or out of range, is not taken over in silence: [`refused`] says so.
fn number<T: Numeric>(
    ui: &mut Ui,
    what: About,
    value: &mut T,
    (scale, shown): (Scale<T>, Shown),
) -> Response {
    let (from, to, decimals) = (scale.range.start().to_f64(), scale.range.end().to_f64(), scale.decimals);
    let off = shown == Shown::OffAtZero;
    let typed = Cell::new(None);
    let parse = |text: &str| {
        let number = match text.trim() {
            "off" if off => Some(0.0),
            text => text.replace(',', ".").parse().ok().filter(|n: &f64| n.is_finite()),
        };
        typed.set(Some(number.is_some_and(|n| (from..=to).contains(&n))));
        number
    };
    let mut field = drag(value, scale).custom_parser(parse);
    if shown == Shown::Automatic {
        field = field.prefix("auto: ");
    }
    if off {
        field = field.custom_formatter(move |n, _| match n {
            0.0 => "off".to_owned(),
            n => format!("{n:.decimals$}").trim_end_matches(|c| decimals > 0 && c == '0').to_owned(),
        });
    }
    let response = ui.add(field);
    let id = refusal(what);
    let begun = response.dragged() || response.gained_focus();
    match typed.get() {
        Some(false) => {
            let text = format!("{} takes {from} to {to}", what.name);
            ui.data_mut(|d| d.insert_temp(id, text));
        }
        Some(true) => ui.data_mut(|d| d.remove::<String>(id)),
        None if begun => ui.data_mut(|d| d.remove::<String>(id)),
        None => {}
    }
    response
}

fn refusal(what: About) -> Id {
    Id::unique(("refused", what.key))
}

/// What the field above takes, where something else was typed.
fn refused(ui: &mut Ui, what: About) {
    if let Some(text) = ui.data(|d| d.get_temp::<String>(refusal(what))) {
        ui.label(RichText::new(text).small().color(Palette::of(ui).warn));
    }
}

fn drag<T: Numeric>(value: &mut T, scale: Scale<T>) -> DragValue<'_> {
    DragValue::new(value).range(scale.range).speed(scale.speed).min_decimals(0).max_decimals(scale.decimals)
}
