//! What can be taken back: settings changed since the project was opened, and decisions about its pictures, whenever they were made.

use super::{AppState, JobKind, Tone, setting_name, split_name};
use crate::config::{OptimConfig, TrainConfig};
use crate::data::{Decided, Decision, Step};
use crate::error::thousands;
use crate::session::{Redivided, SavedDivision};
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
        /// How the pictures were divided before it and after it, where that changed with it.
        division: Option<Redivided>,
    },
    /// What is written about a run.
    Notes { run: PathBuf, before: String, after: String },
    /// A run was deleted: where it was, and where it lies now.
    Deleted { run: PathBuf, trashed: PathBuf },
}

/// A change, and when it was made.
#[derive(Debug, Clone, PartialEq)]
struct Change {
    kind: Kind,
    /// How many decisions held then: tells which of the two came last.
    decisions: usize,
    at_s: f64,
}

/// Changed settings, notes and deleted runs in their order, with those that were taken back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    done: Vec<Change>,
    undone: Vec<Change>,
    /// Undone decisions that are not brought back, from the oldest on: something else was changed since.
    closed: usize,
    /// Runs that are being deleted once more.
    redeleting: Vec<PathBuf>,
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
    /// The settings are others now; the pictures are divided as they were with them, where they changed that.
    Settings(Option<SavedDivision>),
    /// This is to be written about the run.
    Notes(PathBuf, String),
    /// The deleted run that lies here is to be restored.
    Deletion(PathBuf),
    /// The run is to be deleted once more.
    Delete(PathBuf),
}

impl Change {
    /// Whether the pictures are read otherwise, or divided otherwise.
    fn is_of_pictures(&self) -> bool {
        match &self.kind {
            Kind::Settings { before, after, division, .. } => {
                division.is_some() || before.data.reads_otherwise(&after.data)
            }
            Kind::Notes { .. } | Kind::Deleted { .. } => false,
        }
    }

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
        let (after, decisions, now) = (&self.config, self.decisions.holding().len(), self.now_s);
        match self.history.done.last_mut() {
            Some(Change {
                kind: Kind::Settings { before, after: last, words, division: None },
                decisions: held,
                at_s,
            }) if *held == decisions && now - *at_s < ONE_CHANGE_S && **last != *after => {
                *words = settings_words(before, after);
                (**last, *at_s) = (after.clone(), now);
                self.end_redo();
            }
            _ => self.record_division(before, None),
        }
    }

    /// Keeps what the settings were before a change that had the pictures divided otherwise, and both divisions; the settings may be
    /// the same where chance, or files that came since, divide otherwise.
    pub fn record_division(&mut self, before: TrainConfig, division: Option<Redivided>) {
        let after = self.config.clone();
        let words = match (before == after, &division) {
            (false, _) => settings_words(&before, &after),
            (true, Some(_)) => "how the pictures are divided".to_owned(),
            (true, None) => return,
        };
        let decisions = self.decisions.holding().len();
        self.end_redo();
        let kind = Kind::Settings { before: Box::new(before), after: Box::new(after), words, division };
        self.history.done.push(Change { kind, decisions, at_s: self.now_s });
    }

    /// Keeps what was written about a run before and after it was changed.
    pub fn record_notes(&mut self, run: PathBuf, before: String, after: String) {
        let (kind, decisions) = (Kind::Notes { run, before, after }, self.decisions.holding().len());
        self.end_redo();
        self.history.done.push(Change { kind, decisions, at_s: self.now_s });
    }

    /// Keeps that a run was deleted.
    pub fn record_deletion(&mut self, run: PathBuf, trashed: PathBuf) {
        match self.history.redeleting.iter().position(|again| *again == run) {
            Some(again) => drop(self.history.redeleting.remove(again)),
            None => self.end_redo(),
        }
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
            _ => {
                let open = self.decisions.undone().get(self.history.closed..).unwrap_or_default();
                open.last().map(Undoable::Decision)
            }
        }
    }

    /// Why nothing can be undone now, if nothing can.
    pub fn undo_block(&self) -> Option<&'static str> {
        match self.to_undo() {
            None => Some("There is nothing to undo"),
            Some(change) => self.step_block(change, self.history.done.last()),
        }
    }

    /// Why nothing can be brought back now, if nothing can.
    pub fn redo_block(&self) -> Option<&'static str> {
        match self.to_redo() {
            None => Some("There is nothing to redo"),
            Some(change) => self.step_block(change, self.history.undone.last()),
        }
    }

    /// Pictures are looked through after what trains, and by then much else may have been changed; another folder that is being looked
    /// through takes the place of the one that a step is about.
    fn step_block(&self, step: Undoable<'_>, newest: Option<&Change>) -> Option<&'static str> {
        let settings = matches!(step, Undoable::Settings(_));
        if !settings || !newest.is_some_and(Change::is_of_pictures) {
            None
        } else if self.training_job().is_some() || self.folds_left.is_some() {
            Some("It changes how the pictures are read or divided, and training is running")
        } else if self.opening.is_some() || self.trying.is_some() || self.sample_wanted {
            Some("It changes how the pictures are read or divided, and a folder is being looked through")
        } else {
            None
        }
    }

    /// What was before a step that has the pictures looked through again: where that comes to nothing, it is so again.
    pub fn remember_before_look(&mut self) {
        if self.before_look.is_none() {
            self.before_look = Some(Box::new((self.history.clone(), self.config.clone())));
        }
    }

    /// Looking through the pictures came to nothing: settings and what can be undone are as before the steps that asked for it. Whether
    /// there were any.
    pub(super) fn as_before_look(&mut self) -> bool {
        if self.job_of(&JobKind::OpenData).is_some() {
            return false;
        }
        let Some(before) = self.before_look.take() else { return false };
        (self.history, self.config) = *before;
        if let Some(project) = &mut self.project {
            project.config = self.config.clone();
        }
        self.withdraw_steps();
        self.notices.push(Tone::Info, "The pictures stay as they were read and divided before");
        true
    }

    /// The pictures were divided otherwise than the project had it, and not because that was tried: by settings that were changed before,
    /// or because the project's file was not theirs. Both divisions are kept.
    pub(super) fn divided(&mut self, redivided: Redivided) {
        let config = self.config.clone();
        match self.history.done.last_mut() {
            Some(Change {
                kind: Kind::Settings { before, after, division: division @ None, .. }, ..
            }) if **after == config && before.data.reads_otherwise(&after.data) => {
                *division = Some(redivided);
            }
            _ if self.history.undone.is_empty() => self.record_division(config, Some(redivided)),
            _ => {}
        }
    }

    /// Takes the last change back, as far as the state goes. Returns what must follow.
    pub fn undo(&mut self) -> Option<TakenBack> {
        if let Undoable::Decision(_) = self.to_undo()? {
            return Some(TakenBack::Decision(Step::Undone));
        }
        if self.history.done.last().is_some_and(Change::is_of_pictures) {
            self.remember_before_look();
        }
        let change = self.history.done.pop()?;
        match &change.kind {
            Kind::Settings { before, division, .. } => {
                self.config = TrainConfig::clone(before);
                let taken = TakenBack::Settings(division.as_ref().map(|d| d.before.clone()));
                self.history.undone.push(change);
                Some(taken)
            }
            Kind::Notes { run, before, .. } => {
                let taken = TakenBack::Notes(run.clone(), before.clone());
                self.history.undone.push(change);
                Some(taken)
            }
            Kind::Deleted { trashed, .. } => {
                let taken = TakenBack::Deletion(trashed.clone());
                self.history.undone.push(change);
                Some(taken)
            }
        }
    }

    /// Brings back what was taken back last, as [`Self::undo`]. That a run is deleted once more is recorded when it is done.
    pub fn redo(&mut self) -> Option<TakenBack> {
        if let Undoable::Decision(_) = self.to_redo()? {
            return Some(TakenBack::Decision(Step::Redone));
        }
        if self.history.undone.last().is_some_and(Change::is_of_pictures) {
            self.remember_before_look();
        }
        let change = self.history.undone.pop()?;
        let taken = match &change.kind {
            Kind::Settings { after, division, .. } => {
                self.config = TrainConfig::clone(after);
                TakenBack::Settings(division.as_ref().map(|d| d.after.clone()))
            }
            Kind::Notes { run, after, .. } => TakenBack::Notes(run.clone(), after.clone()),
            Kind::Deleted { run, .. } => {
                self.history.redeleting.push(run.clone());
                return Some(TakenBack::Delete(run.clone()));
            }
        };
        self.history.done.push(Change { at_s: f64::NEG_INFINITY, ..change });
        Some(taken)
    }

    /// Something was decided about pictures: told where it is about many, of which most may be out of sight.
    pub fn decided(&mut self, new: &Decided) {
        self.history.closed = 0;
        self.withdraw_steps();
        if new.pictures.len() > 1 {
            self.notices.push_with(Tone::Info, decision_words(new), "Undo", Action::Undo);
        }
    }

    /// Something new was done, which ends what could be brought back.
    pub fn end_redo(&mut self) {
        self.history.undone.clear();
        self.history.closed = self.decisions.undone().len();
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
mod tests;
