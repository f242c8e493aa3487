//! The project's runs.

use super::words::{self, backbone_title};
use super::{Memory, Tab, compare};
use crate::config::Solver;
use crate::session::{RunInfo, RunState};
use crate::ui::icons::{self, Icon};
use crate::ui::state::division::judged_otherwise;
use crate::ui::state::{LiveTraining, MORE_EPOCHS};
use crate::ui::theme::{Palette, space};
use crate::ui::widgets::{badge, check_box, drop_down, link_button};
use crate::ui::{Action, AppState};
use egui::{Align, Button, Checkbox, Color32, ComboBox, Label, Layout, RichText, Role, Ui, WidgetInfo};
use egui_extras::{Column, TableBuilder, TableRow};

const ROW: f32 = 28.0;
/// Narrower than this, what learns is left to hovering over the backbone, in points.
const NARROW: f32 = 740.0;

/// What the list is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The highest validation accuracy first.
    Accuracy,
    /// The highest validation macro F1 first.
    MacroF1,
    /// The lowest validation loss first.
    Loss,
    /// The shortest first.
    Time,
}

impl Order {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Newest, "Newest"),
        (Self::Accuracy, "Accuracy"),
        (Self::MacroF1, "Macro F1"),
        (Self::Loss, "Loss"),
        (Self::Time, "Time"),
    ];

    /// What the list's number is then.
    fn column(self) -> &'static str {
        match self {
            Self::Newest | Self::Accuracy => "Validation accuracy",
            Self::MacroF1 => "Validation macro F1",
            Self::Loss => "Validation loss",
            Self::Time => "Time in all",
        }
    }
}

/// A run's numbers: of its kept model, or of its best epoch so far.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    accuracy: f64,
    macro_f1: f64,
    loss: f64,
    seconds: f64,
    /// The epoch they are of, where the run has not ended.
    epoch: Option<usize>,
}

impl Numbers {
    fn of(run: &RunInfo, live: Option<&LiveTraining>) -> Option<Self> {
        if let (Some(s), None) = (&run.summary, live) {
            let (accuracy, macro_f1, loss) = (s.val.accuracy, s.val.macro_f1, s.val.loss);
            return Some(Self { accuracy, macro_f1, loss, seconds: s.wall_s, epoch: None });
        }
        let epochs = live.map_or(run.epochs.as_slice(), |t| &t.epochs);
        let (best, last) = (epochs.iter().rev().find(|e| e.best)?, epochs.last()?);
        Some(Self {
            accuracy: best.val_accuracy,
            macro_f1: best.val_macro_f1,
            loss: best.val_loss,
            seconds: last.elapsed_s,
            epoch: Some(best.epoch),
        })
    }

    /// The better, the larger.
    fn rank(self, order: Order) -> f64 {
        match order {
            Order::Newest => 0.0,
            Order::Accuracy => self.accuracy,
            Order::MacroF1 => self.macro_f1,
            Order::Loss => -self.loss,
            Order::Time => -self.seconds,
        }
    }

    fn words(self, order: Order, val_pictures: usize) -> String {
        let number = match order {
            Order::Newest | Order::Accuracy => words::share(self.accuracy, val_pictures),
            Order::MacroF1 => format!("{:.3}", self.macro_f1),
            Order::Loss => format!("{:.3}", self.loss),
            Order::Time => crate::ui::shell::clock(self.seconds),
        };
        self.epoch.map_or(number.clone(), |epoch| format!("{number} · epoch {epoch}"))
    }
}

/// The runs in the order of the list; those without numbers last, the newest first among equals.
fn sorted<'a>(state: &'a AppState, live: Option<&LiveTraining>, order: Order) -> Vec<&'a RunInfo> {
    let mut runs: Vec<&RunInfo> = state.runs.iter().collect();
    let rank = |run: &RunInfo| {
        let numbers = Numbers::of(run, live.filter(|t| t.run_dir == run.dir));
        numbers.map(|n| n.rank(order)).filter(|r| !r.is_nan()).unwrap_or(f64::NEG_INFINITY)
    };
    if order != Order::Newest {
        runs.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    }
    runs
}

/// Draws the list.
pub(super) fn show(ui: &mut Ui, state: &AppState, memory: &mut Memory, actions: &mut Vec<Action>) {
    let p = Palette::of(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Runs").strong());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| order(ui, &mut memory.order));
    });
    ui.spacing_mut().item_spacing = egui::vec2(space::M, 2.0);
    let live = state.training.as_ref().filter(|_| state.training_job().is_some());
    // The scroll bar lies over the right edge.
    ui.set_max_width(ui.available_width() - space::M);
    let wide = ui.available_width() > NARROW;
    let otherwise =
        state.runs.iter().any(|run| judged_otherwise(&run.config.data, &state.config.data).is_some());
    let score = match (otherwise, wide) {
        (true, _) => 244.0,
        (false, true) => 190.0,
        (false, false) => 168.0,
    };
    let mut titles = vec!["", "Run", "State", "Backbone", "What learns", memory.order.column(), "", ""];
    if !wide {
        titles.remove(4);
    }
    let runs = sorted(state, live, memory.order);
    let table = TableBuilder::new(ui)
        .id_salt("runs")
        .striped(false)
        .auto_shrink([false, false])
        // Where less than some rows have room, all can be scrolled to.
        .min_scrolled_height(ROW)
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Column::exact(22.0))
        .column(Column::exact(68.0))
        .column(Column::exact(82.0))
        .column(Column::remainder().at_least(90.0).clip(true));
    let table = if wide { table.column(Column::remainder().at_least(96.0).clip(true)) } else { table };
    table
        .column(Column::exact(score))
        .column(Column::exact(68.0))
        .column(Column::exact(24.0))
        .header(20.0, |mut header| {
            for title in titles {
                header.col(|ui| {
                    ui.label(RichText::new(title).small().color(p.muted));
                });
            }
        })
        .body(|body| {
            body.rows(ROW, runs.len(), |mut row| {
                let Some(run) = runs.get(row.index()) else { return };
                let live = live.filter(|t| t.run_dir == run.dir);
                cells(&mut row, state, (run, live), (memory, wide), actions);
            });
        });
}

fn order(ui: &mut Ui, order: &mut Order) {
    let word = Order::ALL.iter().find(|o| o.0 == *order).map_or("", |o| o.1);
    let combo = ComboBox::from_id_salt("order of the runs").selected_text(word).width(88.0);
    let response = drop_down(ui, combo, |lines| {
        for (option, word) in Order::ALL {
            lines.value(order, option, word);
        }
    });
    let label = ui.label(RichText::new("Sort by").small().color(Palette::of(ui).muted));
    response.labelled_by(label.id);
}

fn cells(
    row: &mut TableRow<'_, '_>,
    state: &AppState,
    (run, live): (&RunInfo, Option<&LiveTraining>),
    (memory, wide): (&mut Memory, bool),
    actions: &mut Vec<Action>,
) {
    let running = live.is_some();
    // Its own file may not be read yet.
    let config = live.map_or(&run.config, |l| &l.config);
    row.col(|ui| compared(ui, run, memory));
    row.col(|ui| {
        let selected = memory.shown_run.as_ref() == Some(&run.dir);
        ui.spacing_mut().button_padding.x = space::XS;
        let label = RichText::new(format!("Run {}", run.id));
        let button = Button::selectable(selected, label).truncate();
        if ui.add(button).on_hover_text("Show the curves of this run").clicked() {
            memory.shown_run = if selected { None } else { Some(run.dir.clone()) };
            memory.tab = Some(Tab::Curves);
        }
    });
    row.col(|ui| {
        let p = Palette::of(ui);
        let (word, colour) = state_word(&p, run.state, running);
        // Top down, so that the badge is as high as its word and not as the row.
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            ui.add_space(space::XS);
            badge(ui, word, colour);
        });
    });
    row.col(|ui| {
        let title = backbone_title(&config.backbone.name);
        let learns = words::what_learns(config);
        let (text, whole) = match run.notes.as_str() {
            "" => (title.clone(), format!("{title}: {learns}")),
            notes => (format!("{title} · {notes}"), format!("{title}: {learns}\n{notes}")),
        };
        ui.add(Label::new(text).truncate()).on_hover_text(whole);
    });
    if wide {
        row.col(|ui| {
            ui.add(Label::new(words::learns_in_short(config)).truncate())
                .on_hover_text(words::what_learns(config));
        });
    }
    row.col(|ui| {
        let numbers = Numbers::of(run, live);
        let pictures = words::judged_by(state, run, config);
        let mut text = numbers.map_or("none yet".to_owned(), |n| n.words(memory.order, pictures));
        if let Some(how) = numbers.and_then(|_| judged_otherwise(&config.data, &state.config.data)) {
            text.push_str(&format!(" · {how}"));
        }
        ui.add(Label::new(&text).truncate()).on_hover_text(text);
    });
    row.col(|ui| match run.state {
        RunState::Finished => {
            let response =
                link_button(ui, "Evaluate").on_hover_text("Show what this run gets right and wrong");
            if response.clicked() {
                actions.push(Action::ShowRun(run.dir.clone()));
            }
        }
        RunState::Interrupted if !running && state.training_job().is_none() => {
            if link_button(ui, "Continue").on_hover_text("Go on from the last checkpoint").clicked() {
                actions.push(Action::ContinueRun(run.dir.clone()));
            }
        }
        RunState::Interrupted | RunState::Empty | RunState::Training => {}
    });
    row.col(|ui| menu(ui, state, run, running, actions));
}

/// Whether the run is among those that are compared.
fn compared(ui: &mut Ui, run: &RunInfo, memory: &mut Memory) {
    let mut on = memory.compared.contains(&run.dir);
    let full = !on && memory.compared.len() >= compare::MOST;
    let name = format!("Compare run {}", run.id);
    let can = !full && !run.epochs.is_empty();
    let response = ui.add_enabled_ui(can, |ui| check_box(ui, Checkbox::without_text(&mut on))).inner;
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, ui.is_enabled(), on, &name));
    if response.changed() {
        match on {
            true => memory.compared.push(run.dir.clone()),
            false => memory.compared.retain(|dir| *dir != run.dir),
        }
        memory.tab = (memory.compared.len() >= 2).then_some(Tab::Compare);
    }
    response
        .on_hover_text(
            "Two or more runs show their curves over each other, and the settings in which they differ",
        )
        .on_disabled_hover_text("There is nothing to compare, or enough are compared already");
}

/// What else can be done with a run.
fn menu(ui: &mut Ui, state: &AppState, run: &RunInfo, running: bool, actions: &mut Vec<Action>) {
    let idle = state.training_job().is_none();
    let button = Button::new(icons::text(Icon::Ellipsis, icons::SIZE)).frame(false);
    let (response, _) = egui::containers::menu::MenuButton::from_button(button).ui(ui, |ui| {
        let mut item = |ui: &mut Ui, enabled: bool, label: String, why: &str, action: Action| {
            let response = ui.add_enabled(enabled, Button::new(label)).on_hover_text(why);
            if response.clicked() {
                actions.push(action);
            }
        };
        let mut config = run.config.clone();
        // The pictures may have been elsewhere then.
        config.data.path.clone_from(&state.config.data.path);
        let settings = Action::SetConfig(Box::new(config));
        item(ui, true, "Use these settings".to_owned(), "The next run begins with the settings of this one", settings);
        let ready = idle && state.train_block().is_none();
        let scratch = Action::TrainFromScratch(run.dir.clone());
        let why = format!(
            "Trains the same network on the same pictures from random weights: the difference is what the pretrained weights \
             gave. {}",
            words::from_scratch_words(&run.config)
        );
        item(ui, ready, "Same settings, from scratch".to_owned(), &why, scratch);
        if run.state == RunState::Finished && run.config.train.solver == Solver::Gradient {
            for more in MORE_EPOCHS {
                let why = "A new run that goes on where this one ended. This one stays as it is";
                let action = Action::ExtendRun(run.dir.clone(), more);
                item(ui, ready, format!("Go on for {more} more epochs"), why, action);
            }
        }
        ui.separator();
        let free = !running && run.state != RunState::Training;
        let why = "Moves it to the project\u{2019}s trash folder. It can be brought back";
        item(ui, free, "Delete".to_owned(), why, Action::DeleteRun(run.dir.clone()));
    });
    let name = format!("More for run {}", run.id);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    response.on_hover_text(name);
}

fn state_word(p: &Palette, state: RunState, running: bool) -> (&'static str, Color32) {
    match state {
        _ if running => ("running", p.accent),
        RunState::Finished => ("finished", p.good),
        RunState::Interrupted => ("interrupted", p.warn),
        RunState::Empty => ("nothing kept", p.muted),
        RunState::Training => ("training", p.accent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;
    use crate::engine::Summary;
    use crate::engine::train::SplitScore;

    fn run(id: &str, accuracy: Option<f64>, wall_s: f64) -> RunInfo {
        let summary = accuracy.map(|accuracy| Summary {
            version: 1,
            backbone: "small_cnn".into(),
            mode: "scratch".into(),
            device: "cpu".into(),
            precision: "f32".to_owned(),
            epochs_run: 1,
            best_epoch: 1,
            val: SplitScore {
                accuracy,
                macro_f1: 1.0 - accuracy,
                loss: 1.0 - accuracy,
                pictures: 0,
                copies_in_training: 0,
            },
            wall_s,
            images_per_s: 1.0,
            peak_rss_mib: 1,
            batch_changes: Vec::new(),
        });
        RunInfo {
            id: id.into(),
            dir: id.into(),
            state: RunState::Finished,
            config: TrainConfig::default(),
            epochs: Vec::new(),
            summary,
            model_bytes: None,
            notes: String::new(),
            damage: None,
        }
    }

    #[test]
    fn the_best_comes_first_and_what_has_no_number_last() {
        let runs = vec![
            run("4", None, 0.0),
            run("3", Some(0.7), 9.0),
            run("2", Some(0.9), 20.0),
            run("1", Some(0.7), 5.0),
        ];
        let state = AppState { runs, ..AppState::default() };
        let order = |by| sorted(&state, None, by).iter().map(|r| r.id.clone()).collect::<String>();
        assert_eq!(order(Order::Newest), "4321");
        assert_eq!((order(Order::Accuracy), order(Order::Loss)), ("2314".to_owned(), "2314".to_owned()));
        assert_eq!((order(Order::MacroF1), order(Order::Time)), ("3124".to_owned(), "1324".to_owned()));
    }
}
