//! What can be taken back: settings changed since the project was opened, and decisions about its pictures, whenever they were made.

use super::{AppState, Tone, setting_name, split_name};
use crate::config::{OptimConfig, TrainConfig};
use crate::data::{Decided, Decision, Step};
use crate::error::thousands;
use crate::ui::Action;
use std::path::{Path, PathBuf};

/// Changes that follow each other within this time are one, in seconds: a slider that is dragged.
const ONE_CHANGE_S: f64 = 1.0;

/// What changed.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Settings {
        before: Box<TrainConfig>,
        after: Box<TrainConfig>,
        words: String,
    },
    /// What is written about a run.
    Notes {
        run: PathBuf,
        before: String,
        after: String,
    },
    /// A run was deleted: where it was, and where it lies now.
    Deleted {
        run: PathBuf,
        trashed: PathBuf,
    },
}

/// A change, and when it was made.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    kind: Kind,
    /// How many decisions held then: tells which of the two came last.
    decisions: usize,
    at_s: f64,
}

/// Changed settings and deleted runs in their order, with the settings that were taken back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    done: Vec<Change>,
    undone: Vec<Change>,
}

/// What undoing takes back, or redoing brings back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Undoable<'a> {
    /// Settings; in a few words, which.
    Settings(&'a str),
    /// A decision about pictures.
    Decision(&'a Decided),
    /// What was written about this run.
    Notes(&'a Path),
    /// That this run was deleted.
    Deleted(&'a Path),
}

/// What has to follow when something is taken or brought back.
#[derive(Debug, Clone, PartialEq)]
pub enum TakenBack {
    /// The step is to be kept in the journal.
    Decision(Step),
    /// The settings are others now.
    Settings,
    /// This is to be written about the run.
    Notes(PathBuf, String),
    /// The deleted run that lies here is to be restored.
    Deletion(PathBuf),
}

impl Change {
    fn undoable(&self) -> Undoable<'_> {
        match &self.kind {
            Kind::Settings { words, .. } => Undoable::Settings(words),
            Kind::Notes { run, .. } => Undoable::Notes(run),
            Kind::Deleted { run, .. } => Undoable::Deleted(run),
        }
    }
}

impl History {
    /// How training was set before it got the user's own phases, where that was since the project was opened.
    pub fn before_phases(&self) -> Option<&OptimConfig> {
        self.done.iter().rev().find_map(|change| match &change.kind {
            Kind::Settings { before, after, .. } => {
                (before.train.phases.is_empty() && !after.train.phases.is_empty()).then_some(&before.train)
            }
            Kind::Notes { .. } | Kind::Deleted { .. } => None,
        })
    }
}

impl AppState {
    /// Keeps what the settings were before the change that they just had.
    pub fn record_settings(&mut self, before: TrainConfig) {
        let (after, decisions) = (self.config.clone(), self.decisions.holding().len());
        if before == after {
            return;
        }
        self.end_redo();
        let done = &mut self.history.done;
        if let Some(Change { kind: Kind::Settings { before, after: last, words }, decisions: held, at_s }) =
            done.last_mut()
            && *held == decisions
            && self.now_s - *at_s < ONE_CHANGE_S
        {
            *words = settings_words(before, &after);
            (**last, *at_s) = (after, self.now_s);
        } else {
            let words = settings_words(&before, &after);
            let kind = Kind::Settings { before: Box::new(before), after: Box::new(after), words };
            done.push(Change { kind, decisions, at_s: self.now_s });
        }
    }

    /// Keeps what was written about a run before and after it was changed.
    pub fn record_notes(&mut self, run: PathBuf, before: String, after: String) {
        let (kind, decisions) = (Kind::Notes { run, before, after }, self.decisions.holding().len());
        self.end_redo();
        self.history.done.push(Change { kind, decisions, at_s: self.now_s });
    }

    /// Keeps that a run was deleted.
    pub fn record_deletion(&mut self, run: PathBuf, trashed: PathBuf) {
        let (kind, decisions) = (Kind::Deleted { run, trashed }, self.decisions.holding().len());
        self.withdraw_steps();
        self.history.done.push(Change { kind, decisions, at_s: self.now_s });
    }

    /// A deleted run was restored by other means.
    pub fn forget_deletion(&mut self, restored: &Path) {
        let is = |c: &Change| matches!(&c.kind, Kind::Deleted { trashed, .. } if trashed == restored);
        self.history.done.retain(|c| !is(c));
        self.notices.withdraw(|a| matches!(a, Action::RestoreRun(trashed) if trashed == restored));
    }

    /// What was changed last.
    pub fn to_undo(&self) -> Option<Undoable<'_>> {
        let holding = self.decisions.holding();
        match self.history.done.last() {
            Some(c) if c.decisions >= holding.len() => Some(c.undoable()),
            _ => holding.last().map(Undoable::Decision),
        }
    }

    /// What was taken back last.
    pub fn to_redo(&self) -> Option<Undoable<'_>> {
        let held = self.decisions.holding().len();
        match self.history.undone.last() {
            Some(c) if c.decisions <= held => Some(c.undoable()),
            _ => self.decisions.to_redo().map(Undoable::Decision),
        }
    }

    /// Takes the last change back, as far as the state goes. Returns what must follow.
    pub fn undo(&mut self) -> Option<TakenBack> {
        if let Undoable::Decision(_) = self.to_undo()? {
            return Some(TakenBack::Decision(Step::Undone));
        }
        let change = self.history.done.pop()?;
        match &change.kind {
            Kind::Settings { before, .. } => {
                self.config = TrainConfig::clone(before);
                self.history.undone.push(change);
                Some(TakenBack::Settings)
            }
            Kind::Notes { run, before, .. } => {
                let taken = TakenBack::Notes(run.clone(), before.clone());
                self.history.undone.push(change);
                Some(taken)
            }
            Kind::Deleted { trashed, .. } => Some(TakenBack::Deletion(trashed.clone())),
        }
    }

    /// Brings back what was taken back last, as [`Self::undo`]. A restored run stays.
    pub fn redo(&mut self) -> Option<TakenBack> {
        if let Undoable::Decision(_) = self.to_redo()? {
            return Some(TakenBack::Decision(Step::Redone));
        }
        let change = self.history.undone.pop()?;
        let taken = match &change.kind {
            Kind::Settings { after, .. } => {
                self.config = TrainConfig::clone(after);
                TakenBack::Settings
            }
            Kind::Notes { run, after, .. } => TakenBack::Notes(run.clone(), after.clone()),
            Kind::Deleted { trashed, .. } => TakenBack::Deletion(trashed.clone()),
        };
        self.history.done.push(Change { at_s: f64::NEG_INFINITY, ..change });
        Some(taken)
    }

    /// Something was decided about pictures: told where it is about many, of which most may be out of sight.
    pub fn decided(&mut self, new: &Decided) {
        self.withdraw_steps();
        if new.pictures.len() > 1 {
            self.notices.push_with(Tone::Info, decision_words(new), "Undo", Action::Undo);
        }
    }

    /// Something new was done, which ends what could be brought back.
    pub fn end_redo(&mut self) {
        self.history.undone.clear();
        self.withdraw_steps();
    }

    /// Another step is the newest now: undoing and redoing mean it, and not what older notices tell of.
    pub fn withdraw_steps(&mut self) {
        self.notices.withdraw(|a| matches!(a, Action::Undo | Action::Redo));
    }
}

/// A decision in a few words.
pub fn decision_words(decided: &Decided) -> String {
    let (pictures, are) = match decided.pictures.as_slice() {
        [one] => (one.rsplit('/').next().unwrap_or(one).to_owned(), "is"),
        all => (format!("{} pictures", thousands(all.len())), "are"),
    };
    match &decided.decision {
        Decision::Label(class) => format!("{pictures} {are} {class}"),
        Decision::Split(split) => format!("{pictures} {are} for {}", split_name(*split)),
        Decision::Exclude => format!("leave out {pictures}"),
        Decision::Include => format!("put back {pictures}"),
    }
}

/// Which settings differ, in a few words. Made once: what can be undone is drawn in every frame.
fn settings_words(before: &TrainConfig, after: &TrainConfig) -> String {
    let keys = before.differences(after).unwrap_or_default();
    match keys.as_slice() {
        [one] => format!("the setting \u{201c}{}\u{201d}", setting_name(&one.key)),
        [one, rest @ ..] => {
            format!("the setting \u{201c}{}\u{201d} and {} more", setting_name(&one.key), rest.len())
        }
        [] => "settings".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainMode;
    use crate::data::Split;

    fn change(state: &mut AppState, epochs: usize, at_s: f64) {
        let before = state.config.clone();
        state.now_s = at_s;
        state.config.train.epochs = Some(epochs);
        state.record_settings(before);
    }

    fn exclude(state: &mut AppState, rel: &str) {
        let decided = Decided { decision: Decision::Exclude, pictures: vec![rel.to_owned()] };
        state.decisions.take(Step::Decided(decided));
        state.end_redo();
    }

    fn epochs(state: &AppState) -> Option<usize> {
        state.config.train.epochs
    }

    #[test]
    fn what_was_before_own_phases_comes_back_with_the_automatic_plan() {
        let mut state = AppState::default();
        assert_eq!(state.history.before_phases(), None);
        for (mode, epochs) in [(TrainMode::Auto, None), (TrainMode::Full, Some(9))] {
            (state.config.train.mode, state.config.train.epochs) = (mode, epochs);
            let chosen = state.config.clone();
            for _ in 0..2 {
                let before = state.config.clone();
                state.config.train.add_phase(before.train.own_phases(true)[0].clone(), true);
                state.now_s += 10.0;
                state.record_settings(before);
            }
            state.config.train.forget_phases(state.history.before_phases());
            assert_eq!(state.config, chosen);
        }
    }

    #[test]
    fn settings_and_decisions_are_taken_back_in_the_order_in_which_they_were_made() {
        let mut state = AppState::default();
        let first = epochs(&state);
        change(&mut state, 7, 10.0);
        exclude(&mut state, "a.png");
        change(&mut state, 9, 20.0);
        assert_eq!((state.undo(), epochs(&state)), (Some(TakenBack::Settings), Some(7)));
        assert_eq!(state.undo(), Some(TakenBack::Decision(Step::Undone)));
        state.decisions.take(Step::Undone);
        assert_eq!((state.undo(), epochs(&state)), (Some(TakenBack::Settings), first));
        assert!(state.to_undo().is_none() && state.undo().is_none());
        assert_eq!((state.redo(), epochs(&state)), (Some(TakenBack::Settings), Some(7)));
        assert_eq!(state.redo(), Some(TakenBack::Decision(Step::Redone)));
        state.decisions.take(Step::Redone);
        assert_eq!((state.redo(), epochs(&state)), (Some(TakenBack::Settings), Some(9)));
        assert!(state.to_redo().is_none());
    }

    #[test]
    fn a_dragged_slider_is_one_change() {
        let mut state = AppState::default();
        let first = epochs(&state);
        for (i, n) in (5..15).enumerate() {
            change(&mut state, n, 10.0 + 0.1 * i as f64);
        }
        change(&mut state, 40, 30.0);
        state.undo();
        assert_eq!(epochs(&state), Some(14));
        state.undo();
        assert_eq!(epochs(&state), first);
        change(&mut state, 3, 31.0);
        assert!(state.to_redo().is_none(), "a new change ends what could be brought back");
    }

    #[test]
    fn what_was_written_about_a_run_is_taken_back_and_brought_back() {
        let mut state = AppState::default();
        change(&mut state, 7, 10.0);
        state.record_notes("/runs/1".into(), String::new(), "dim".to_owned());
        state.record_notes("/runs/1".into(), "dim".to_owned(), "bright".to_owned());
        let notes = |text: &str| Some(TakenBack::Notes("/runs/1".into(), text.to_owned()));
        assert_eq!(state.to_undo(), Some(Undoable::Notes(Path::new("/runs/1"))));
        assert_eq!((state.undo(), state.undo()), (notes("dim"), notes("")));
        assert_eq!((state.redo(), state.redo()), (notes("dim"), notes("bright")));
        assert_eq!((state.undo(), state.undo()), (notes("dim"), notes("")));
        assert_eq!((state.undo(), epochs(&state)), (Some(TakenBack::Settings), None));
    }

    #[test]
    fn a_note_on_any_run_is_taken_back_before_the_decision_made_earlier() {
        let mut state = AppState::default();
        exclude(&mut state, "a.png");
        state.record_notes("/runs/3".into(), String::new(), "dim".to_owned());
        state.record_notes("/runs/1".into(), String::new(), "bright".to_owned());
        let notes = |run: &str| Some(TakenBack::Notes(run.into(), String::new()));
        assert_eq!((state.undo(), state.undo()), (notes("/runs/1"), notes("/runs/3")));
        assert_eq!(state.undo(), Some(TakenBack::Decision(Step::Undone)));
    }

    #[test]
    fn a_notice_offers_undo_only_while_its_step_is_the_newest() {
        let offered = |state: &AppState| state.notices.all().iter().any(|n| n.next.is_some());
        let told = |state: &mut AppState| {
            state.notices.push_step("Brought back: leave out a.png".to_owned(), "Undo", Action::Undo);
        };
        let newer: [fn(&mut AppState); 4] = [
            |s| exclude(s, "b.png"),
            |s| change(s, 7, 10.0),
            |s| s.record_notes("/runs/1".into(), String::new(), "dim".to_owned()),
            |s| s.record_deletion("/runs/1".into(), "/trash/1".into()),
        ];
        for step in newer {
            let mut state = AppState::default();
            told(&mut state);
            assert!(offered(&state));
            step(&mut state);
            assert!(!offered(&state) && state.notices.all().len() == 1);
        }
        let mut state = AppState::default();
        let restore = Action::RestoreRun("/trash/1".into());
        state.notices.push_with(Tone::Info, "Run 1 is deleted", "Undo", restore);
        state.forget_deletion(Path::new("/trash/2"));
        assert!(offered(&state));
        state.forget_deletion(Path::new("/trash/1"));
        assert!(!offered(&state), "the run is back");
    }

    #[test]
    fn settings_are_called_as_their_panel_calls_them() {
        let mut state = AppState::default();
        change(&mut state, 7, 10.0);
        assert_eq!(state.to_undo(), Some(Undoable::Settings("the setting \u{201c}Epochs\u{201d}")));
    }

    #[test]
    fn a_deleted_run_is_what_comes_back_first_unless_it_is_back_already() {
        let mut state = AppState::default();
        exclude(&mut state, "a.png");
        for n in [1, 2] {
            state.record_deletion(format!("/runs/{n}").into(), format!("/trash/{n}").into());
        }
        assert_eq!(state.to_undo(), Some(Undoable::Deleted(Path::new("/runs/2"))));
        assert_eq!(state.undo(), Some(TakenBack::Deletion("/trash/2".into())));
        state.forget_deletion(Path::new("/trash/1"));
        assert_eq!(state.undo(), Some(TakenBack::Decision(Step::Undone)));
    }
    #[test]
    fn a_decision_about_many_pictures_is_told_with_its_way_back() {
        let mut state = AppState::default();
        let about = |n: usize| Decided {
            decision: Decision::Split(Split::Train),
            pictures: (0..n).map(|i| format!("ants/{i}.png")).collect(),
        };
        state.decided(&about(1));
        assert!(state.notices.all().is_empty(), "one picture shows it itself");
        state.decided(&about(26));
        let [said] = state.notices.all() else { panic!("{:?}", state.notices.all()) };
        assert_eq!(
            (said.text.as_str(), &said.next),
            ("26 pictures are for training", &Some(("Undo", Action::Undo)))
        );
        assert_eq!(decision_words(&about(1)), "0.png is for training");
    }
}
