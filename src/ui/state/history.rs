//! What can be taken back: settings changed since the project was opened, and decisions about its pictures, whenever they were made.

use super::AppState;
use crate::config::TrainConfig;
use crate::data::{Decided, Step};

/// Changes that follow each other within this time are one, in seconds: a slider that is dragged.
const ONE_CHANGE_S: f64 = 1.0;

/// Changed settings.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    before: TrainConfig,
    after: TrainConfig,
    /// How many decisions held then: tells which of the two came last.
    decisions: usize,
    at_s: f64,
}

/// Changed settings in their order, with those that were taken back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingsHistory {
    done: Vec<Change>,
    undone: Vec<Change>,
}

/// What undoing takes back, or redoing brings back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Undoable<'a> {
    /// Settings, from the first to the second.
    Settings(&'a TrainConfig, &'a TrainConfig),
    /// A decision about pictures.
    Decision(&'a Decided),
}

impl AppState {
    /// Keeps what the settings were before the change that they just had.
    pub fn record_settings(&mut self, before: TrainConfig) {
        let (after, decisions) = (self.config.clone(), self.decisions.holding().len());
        if before == after {
            return;
        }
        let SettingsHistory { done, undone } = &mut self.settings_history;
        undone.clear();
        if let Some(last) = done.last_mut()
            && last.decisions == decisions
            && self.now_s - last.at_s < ONE_CHANGE_S
        {
            (last.after, last.at_s) = (after, self.now_s);
        } else {
            done.push(Change { before, after, decisions, at_s: self.now_s });
        }
    }

    /// What was changed last.
    pub fn to_undo(&self) -> Option<Undoable<'_>> {
        let holding = self.decisions.holding();
        match self.settings_history.done.last() {
            Some(c) if c.decisions >= holding.len() => Some(Undoable::Settings(&c.before, &c.after)),
            _ => holding.last().map(Undoable::Decision),
        }
    }

    /// What was taken back last.
    pub fn to_redo(&self) -> Option<Undoable<'_>> {
        let held = self.decisions.holding().len();
        match self.settings_history.undone.last() {
            Some(c) if c.decisions <= held => Some(Undoable::Settings(&c.before, &c.after)),
            _ => self.decisions.to_redo().map(Undoable::Decision),
        }
    }

    /// Takes the last change back, where it is one of settings; where it is a decision, the step to be kept in the journal.
    pub fn undo(&mut self) -> Option<Step> {
        match self.to_undo()? {
            Undoable::Decision(_) => Some(Step::Undone),
            Undoable::Settings(..) => {
                let change = self.settings_history.done.pop()?;
                self.config = change.before.clone();
                self.settings_history.undone.push(change);
                None
            }
        }
    }

    /// Brings back what was taken back last; as [`Self::undo`].
    pub fn redo(&mut self) -> Option<Step> {
        match self.to_redo()? {
            Undoable::Decision(_) => Some(Step::Redone),
            Undoable::Settings(..) => {
                let change = self.settings_history.undone.pop()?;
                self.config = change.after.clone();
                self.settings_history.done.push(Change { at_s: f64::NEG_INFINITY, ..change });
                None
            }
        }
    }

    /// A new decision ends what could be brought back.
    pub fn end_redo(&mut self) {
        self.settings_history.undone.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Decision;

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
    fn settings_and_decisions_are_taken_back_in_the_order_in_which_they_were_made() {
        let mut state = AppState::default();
        let first = epochs(&state);
        change(&mut state, 7, 10.0);
        exclude(&mut state, "a.png");
        change(&mut state, 9, 20.0);
        assert_eq!((state.undo(), epochs(&state)), (None, Some(7)));
        assert_eq!(state.undo(), Some(Step::Undone));
        state.decisions.take(Step::Undone);
        assert_eq!((state.undo(), epochs(&state)), (None, first));
        assert!(state.to_undo().is_none() && state.undo().is_none());
        assert_eq!((state.redo(), epochs(&state)), (None, Some(7)));
        assert_eq!(state.redo(), Some(Step::Redone));
        state.decisions.take(Step::Redone);
        assert_eq!((state.redo(), epochs(&state)), (None, Some(9)));
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
}
