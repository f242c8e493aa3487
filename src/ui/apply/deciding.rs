//! Decisions about pictures, and taking changes back.

use crate::config::TrainConfig;
use crate::data::Step;
use crate::session::{Divide, Project};
use crate::ui::actions::Action;
use crate::ui::app::App;
use crate::ui::commands::refusal;
use crate::ui::disk::DiskRequest;
use crate::ui::shell::change_words;
use crate::ui::state::{TakenBack, Tone};
use std::sync::Arc;

impl App {
    pub(in crate::ui) fn refresh_decisions(&self) {
        if let (Some(project), Some(shown)) = (&self.state.project, &self.state.preflight) {
            self.disk.ask(DiskRequest::Decisions(project.dir.clone(), Arc::clone(shown)));
        }
    }

    pub(super) fn decide(&mut self, step: Step) {
        if let (Some(project), Some(shown)) = (&self.state.project, &self.state.preflight) {
            match &step {
                Step::Decided(decided) => self.state.deciding.push_back(decided.pictures.clone()),
                // At once, so that the next step back is about what comes before it.
                Step::Undone | Step::Redone => self.state.decisions.take(step.clone()),
            }
            self.disk.ask(DiskRequest::Decide(project.dir.clone(), shown.before_decisions(), step));
        }
    }

    pub(super) fn undo(&mut self) {
        if let Some(why) = self.state.undo_block() {
            return self.state.notices.push(Tone::Warn, refusal("Undo", why));
        }
        let words = self.state.to_undo().map(change_words);
        if let (Some(taken), Some(words)) = (self.state.undo(), words) {
            self.follow_taken(taken);
            self.state.withdraw_steps();
            self.state.notices.push_step(format!("Taken back: {words}"), "Redo", Action::Redo);
        }
    }

    pub(super) fn redo(&mut self) {
        if let Some(why) = self.state.redo_block() {
            return self.state.notices.push(Tone::Warn, refusal("Redo", why));
        }
        let words = self.state.to_redo().map(change_words);
        if let (Some(taken), Some(words)) = (self.state.redo(), words) {
            let told_when_done = matches!(taken, TakenBack::Delete(_));
            self.follow_taken(taken);
            if told_when_done {
                return;
            }
            self.state.withdraw_steps();
            self.state.notices.push_step(format!("Brought back: {words}"), "Undo", Action::Undo);
        }
    }

    fn follow_taken(&mut self, taken: TakenBack) {
        match taken {
            TakenBack::Decision(step) => self.decide(step),
            TakenBack::Deletion(trashed) => self.restore_run(trashed),
            TakenBack::Delete(run) => self.with_run(Action::DeleteRun(run)),
            TakenBack::Notes(run, notes) => {
                self.write_notes(run, notes);
            }
            TakenBack::Settings(saved) => {
                let chosen = |c: &TrainConfig| (c.backbone.name.clone(), c.backbone.weights.clone());
                let before = self.state.project.as_ref().map(|p| chosen(&p.config));
                let otherwise = |p: &Project| p.config.data.reads_otherwise(&self.state.config.data);
                let reads_otherwise = self.state.project.as_ref().is_some_and(otherwise);
                self.keep_settings();
                if saved.is_some() || reads_otherwise {
                    self.scan(saved.map_or(Divide::AsSaved, Divide::As));
                }
                if before.is_some_and(|before| before != chosen(&self.state.config)) {
                    self.check_weights();
                }
            }
        }
    }
}
