//! Every command of the window with its words and keys: one table for the keyboard and for the list of commands.

mod subjects;

use super::state::{AppState, EvaluateTab, NOTHING_TO_KEEP, Screen, file_name};
use crate::backbones::{registry, title};
use crate::ui::Action;
use crate::ui::actions::Pick;
use egui::{Key, KeyboardShortcut, Modifiers};

/// Something that can be asked for by name or by keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// What it does, in words.
    pub name: String,
    /// Its keys, if it has any.
    pub keys: Option<KeyboardShortcut>,
    /// What it asks for.
    pub action: Action,
    /// Asked for before it: the place where it is seen.
    pub lead: Option<Action>,
    /// Why it cannot be done now.
    pub blocked: Option<String>,
}

const fn ctrl(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn ctrl_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

/// Keys that open the list of commands.
pub const PALETTE_KEYS: KeyboardShortcut = ctrl(Key::K);

impl AppState {
    /// All commands, those that can be done now and those that cannot. Commands without keys come last.
    pub fn commands(&self) -> Vec<Command> {
        let mut list = Vec::new();
        self.places(&mut list);
        self.work(&mut list);
        self.looking_commands(&mut list);
        self.setting_commands(&mut list);
        self.opening_commands(&mut list);
        self.named_things(&mut list);
        self.run_commands(&mut list);
        list
    }

    fn places(&self, list: &mut Vec<Command>) {
        const KEYS: [Key; 6] = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6];
        for (screen, key) in Screen::RAIL.into_iter().zip(KEYS) {
            list.push(command(format!("Go to {}", screen.name()), Some(ctrl(key)), Action::Go(screen), None));
        }
        list.push(command("Go to Start", None, Action::Go(Screen::Start), None));
        // The longer keys first, as below.
        for (name, modifiers, forward) in [
            ("Go to the previous part of the window", Modifiers::SHIFT, false),
            ("Go to the next part of the window", Modifiers::NONE, true),
        ] {
            let keys = KeyboardShortcut::new(modifiers, Key::F6);
            list.push(command(name, Some(keys), Action::MovePane(forward), None));
        }
    }

    fn work(&self, list: &mut Vec<Command>) {
        let next = self.next_step();
        list.push(command(
            format!("Next step: {}", next.label),
            Some(ctrl(Key::Enter)),
            Action::NextStep,
            next.blocked,
        ));
        // The longer keys first: the shorter ones match them too.
        let (undo, redo) = (self.undo_block().map(str::to_owned), self.redo_block().map(str::to_owned));
        list.push(command("Redo", Some(ctrl_shift(Key::Z)), Action::Redo, redo));
        list.push(command("Undo", Some(ctrl(Key::Z)), Action::Undo, undo));
        list.push(command("Train", Some(ctrl(Key::T)), Action::Train, self.train_block()));
        list.push(command("Train all folds", None, Action::TrainFolds, self.folds_block()));
        let training = self.training_job();
        let idle = || training.is_none().then(|| "Nothing is being trained".to_owned());
        let (word, action) = match training {
            Some(job) if job.paused => ("Resume training", Action::Resume),
            _ => ("Pause training", Action::Pause),
        };
        list.push(command(word, Some(ctrl(Key::P)), action, idle()));
        let keep = self.has_finished_epoch().then(idle).unwrap_or_else(|| Some(NOTHING_TO_KEEP.to_owned()));
        let last = self.training.as_ref().is_some_and(|t| t.last_epoch).then(|| "It does already".to_owned());
        list.push(command("Stop training after this epoch", None, Action::StopAfterEpoch, idle().or(last)));
        list.push(command("Stop training and keep the best", None, Action::StopAndKeepBest, keep));
        let mut downloads =
            self.running_downloads().filter(|(_, d)| !d.stopping).map(|(name, _)| name).peekable();
        let (cancel, nothing) = match (self.job(), downloads.peek()) {
            (None, Some(backbone)) => (Action::CancelDownload(backbone), None),
            (job, _) => (Action::CancelJob, job.is_none().then(|| "Nothing is running".to_owned())),
        };
        list.push(command("Cancel what is running", None, cancel, nothing));
        for backbone in downloads {
            let name = format!("Cancel the download of {}", title(backbone));
            list.push(command(name, None, Action::CancelDownload(backbone), None));
        }
        let no_model = || self.predict_model().is_none().then(|| "There is no model yet".to_owned());
        list.push(command("Classify pictures…", None, Action::Pick(Pick::Pictures), no_model()));
        list.push(command(
            "Classify a folder of pictures…",
            None,
            Action::Pick(Pick::PictureFolder),
            no_model(),
        ));
        let none = self.predictions.pictures().is_empty().then(|| "Nothing is classified yet".to_owned());
        list.push(command(
            "Save predictions as CSV…",
            None,
            Action::Pick(Pick::PredictionsCsv),
            none.clone(),
        ));
        list.push(command("Copy classified pictures into folders…", None, Action::Pick(Pick::CopyTo), none));
        if let Some(run) = self.evaluation.as_ref().and_then(|e| e.run_dir.clone()) {
            let name = "Train again and compare with the run on show";
            list.push(command(name, None, Action::TrainAgain(run), self.train_block()));
        }
        for tab in EvaluateTab::ALL.into_iter().filter(|_| self.evaluation.is_some()) {
            list.push(command(format!("Evaluate: {}", tab.name()), None, Action::ShowEvaluateTab(tab), None));
        }
        if let Some(run) = self.finished_run() {
            let pick = Pick::ExportTo { run_dir: run.dir.clone() };
            list.push(command(
                format!("Export the model of run {}…", run.id),
                None,
                Action::Pick(pick),
                None,
            ));
        }
    }

    fn opening_commands(&self, list: &mut Vec<Command>) {
        let busy = || self.training_job().map(|_| "Training is running".to_owned());
        let project = || busy().or_else(|| self.project.is_none().then(|| "No folder is open".to_owned()));
        list.push(command("Open a project…", Some(ctrl_shift(Key::O)), Action::Pick(Pick::Project), busy()));
        list.push(command(
            "Open a folder of pictures…",
            Some(ctrl(Key::O)),
            Action::Pick(Pick::DataFolder),
            busy(),
        ));
        let again = Some(KeyboardShortcut::new(Modifiers::NONE, Key::F5));
        list.push(command("Look through the pictures again", again, Action::Rescan, project()));
        let divided = || project().or_else(|| self.division_block().map(str::to_owned));
        list.push(command("Divide the pictures…", None, Action::AskDivision(true), divided()));
        list.push(command("Choose a label file…", None, Action::Pick(Pick::LabelFile), project()));
        list.push(command("Choose a weight file…", None, Action::Pick(Pick::Weights), None));
        list.push(command("Open a saved model…", None, Action::Pick(Pick::Model), None));
        list.push(command("Try the sample", None, Action::TrySample, busy()));
        list.push(command("Change the theme: system, light, dark", None, Action::CycleTheme, None));
        let empty = self.notices.all().is_empty().then(|| "There are no notices".to_owned());
        list.push(command("Show notices", Some(ctrl_shift(Key::N)), Action::ToggleNotices, empty));
    }

    fn named_things(&self, list: &mut Vec<Command>) {
        for run in self.runs.iter().filter(|r| r.state == crate::session::RunState::Finished) {
            list.push(command(format!("Show run {}", run.id), None, Action::ShowRun(run.dir.clone()), None));
        }
        for project in &self.settings.recent_projects {
            let name = format!("Open the project {}", file_name(project));
            let busy = self.training_job().map(|_| "Training is running".to_owned());
            list.push(command(name, None, Action::OpenProject(project.clone()), busy));
        }
        for spec in registry() {
            let name = format!("Use the backbone {}", spec.title);
            list.push(command(name, None, Action::ChooseBackbone(spec.name), None));
        }
    }
}

fn command(
    name: impl Into<String>,
    keys: Option<KeyboardShortcut>,
    action: Action,
    blocked: Option<String>,
) -> Command {
    Command { name: name.into(), keys, action, lead: None, blocked }
}

impl Command {
    /// All keys that do it: beside those that are shown, those that other programs have for it.
    pub fn all_keys(&self) -> impl Iterator<Item = KeyboardShortcut> {
        let elsewhere = (self.action == Action::Redo).then_some(ctrl(Key::Y));
        self.keys.into_iter().chain(elsewhere)
    }

    /// The same, once `lead` is done.
    fn after(self, lead: Action) -> Self {
        Self { lead: Some(lead), ..self }
    }

    /// All that it asks for, in order; where it cannot be done now, to be told why.
    pub fn actions(&self) -> Vec<Action> {
        match &self.blocked {
            Some(why) => vec![Action::Refused(refusal(&self.name, why))],
            None => self.lead.iter().chain([&self.action]).cloned().collect(),
        }
    }
}

/// Why what `name` asks for is not done.
pub fn refusal(name: &str, why: &str) -> String {
    format!("{name} is not possible now. {why}")
}

/// The commands whose names hold every word of `query`: what can be done now before what cannot, then the name itself, names and words
/// that begin with it, and the others.
pub fn matching<'a>(commands: &'a [Command], query: &str) -> Vec<&'a Command> {
    let query = query.trim().to_lowercase();
    let distance = |name: &str| match () {
        () if name == query => 0,
        () if name.starts_with(&query) => 1,
        () if name.split_whitespace().any(|word| word.starts_with(&query)) => 2,
        () => 3,
    };
    let mut found: Vec<(bool, u8, &Command)> = commands
        .iter()
        .filter_map(|c| {
            let name = c.name.to_lowercase();
            let there = query.split_whitespace().all(|word| name.contains(word));
            there.then(|| (c.blocked.is_some(), distance(&name), c))
        })
        .collect();
    found.sort_by_key(|(blocked, distance, _)| (*blocked, *distance));
    found.into_iter().map(|(_, _, c)| c).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::state::Download;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_commands_share_keys_or_a_name() {
        let commands = AppState::default().commands();
        let names: BTreeSet<&str> = commands.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names.len(), commands.len());
        let with_keys: Vec<_> = commands.iter().filter_map(|c| c.keys).collect();
        for (i, keys) in with_keys.iter().enumerate() {
            assert!(!with_keys[..i].contains(keys) && *keys != PALETTE_KEYS, "{keys:?}");
        }
    }

    #[test]
    fn shorter_keys_never_hide_longer_ones() {
        // Keys with Shift match those without unless they are asked first.
        let commands = AppState::default().commands();
        let with_keys: Vec<_> = commands.iter().filter_map(|c| c.keys).collect();
        for (i, keys) in with_keys.iter().enumerate().filter(|(_, k)| k.modifiers.shift) {
            let hidden =
                with_keys[..i].iter().any(|k| k.logical_key == keys.logical_key && !k.modifiers.shift);
            assert!(!hidden, "{keys:?}");
        }
    }

    #[test]
    fn words_in_any_order_find_a_command_and_what_cannot_be_done_comes_last() {
        let commands = AppState::default().commands();
        let names = |query: &str| -> Vec<&str> {
            matching(&commands, query).into_iter().map(|c| c.name.as_str()).collect()
        };
        assert_eq!(names("theme change"), ["Change the theme: system, light, dark"]);
        assert_eq!(names("undo"), ["Undo"]);
        assert_eq!(names("go")[0], "Go to Data");
        assert_eq!(names("zebra"), [""; 0]);
        assert_eq!(names("").len(), commands.len());
        assert_eq!(names("open")[0], "Open a project…");
        assert_eq!(names("START")[0], "Go to Start");
        let train = matching(&commands, "train");
        let blocked: Vec<&str> =
            train.iter().filter(|c| c.blocked.is_some()).map(|c| c.name.as_str()).collect();
        assert_eq!(blocked[0], "Train", "the name itself comes before others that begin with it");
        let first_blocked = train.iter().position(|c| c.blocked.is_some()).unwrap();
        assert!(train[first_blocked..].iter().all(|c| c.blocked.is_some()));
    }

    #[test]
    fn a_download_that_runs_can_be_cancelled() {
        let mut state = AppState::default();
        let cancel = |state: &AppState, name: &str| {
            let commands = state.commands();
            commands.iter().find(|c| c.name == name).map(|c| (c.action.clone(), c.blocked.clone()))
        };
        let nothing = Some((Action::CancelJob, Some("Nothing is running".to_owned())));
        assert_eq!(cancel(&state, "Cancel what is running"), nothing);
        state.downloads.insert("resnet18", Download::default());
        let this = Some((Action::CancelDownload("resnet18"), None));
        assert_eq!(cancel(&state, "Cancel what is running"), this);
        assert_eq!(cancel(&state, "Cancel the download of ResNet-18"), this);
        state.downloads.get_mut("resnet18").unwrap().stopping = true;
        assert_eq!(cancel(&state, "Cancel what is running"), nothing);
        assert_eq!(cancel(&state, "Cancel the download of ResNet-18"), None);
    }

    #[test]
    fn a_command_says_why_it_cannot_be_done() {
        let commands = AppState::default().commands();
        let why = |name: &str| commands.iter().find(|c| c.name == name).unwrap().blocked.clone();
        assert_eq!(why("Train").as_deref(), Some("Open a folder of pictures first"));
        assert_eq!(why("Pause training").as_deref(), Some("Nothing is being trained"));
        assert_eq!(why("Open a folder of pictures…"), None);
    }
}
