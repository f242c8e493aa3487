//! Decisions about pictures, and taking changes back.

use crate::config::{DataConfig, TrainConfig};
use crate::data::Step;
use crate::ui::actions::Action;
use crate::ui::app::App;
use crate::ui::disk::DiskRequest;
use crate::ui::shell::change_words;
use crate::ui::state::TakenBack;
use std::sync::Arc;

impl App {
    pub(in crate::ui) fn refresh_decisions(&self) {
        if let (Some(project), Some(shown)) = (&self.state.project, &self.state.preflight) {
            self.disk.ask(DiskRequest::Decisions(project.dir.clone(), Arc::clone(shown)));
        }
    }

    pub(super) fn decide(&mut self, step: Step) {
        if let (Some(project), Some(shown)) = (&self.state.project, &self.state.preflight) {
            if let Step::Decided(decided) = &step {
                self.state.deciding.push_back(decided.pictures.clone());
            }
            self.disk.ask(DiskRequest::Decide(project.dir.clone(), shown.before_decisions(), step));
        }
    }

    pub(super) fn undo(&mut self) {
        let words = self.state.to_undo().map(change_words);
        if let (Some(taken), Some(words)) = (self.state.undo(), words) {
            self.follow_taken(taken);
            self.state.withdraw_steps();
            self.state.notices.push_step(format!("Taken back: {words}"), "Redo", Action::Redo);
        }
    }

    pub(super) fn redo(&mut self) {
        let words = self.state.to_redo().map(change_words);
        if let (Some(taken), Some(words)) = (self.state.redo(), words) {
            self.follow_taken(taken);
            self.state.withdraw_steps();
            self.state.notices.push_step(format!("Brought back: {words}"), "Undo", Action::Undo);
        }
    }

    fn follow_taken(&mut self, taken: TakenBack) {
        match taken {
            TakenBack::Decision(step) => self.decide(step),
            TakenBack::Deletion(trashed) => self.restore_run(trashed),
            TakenBack::Notes(run, notes) => {
                self.write_notes(run, notes);
            }
            TakenBack::Settings => {
                let chosen = |c: &TrainConfig| (c.backbone.name.clone(), c.backbone.weights.clone());
                let divided = |c: &TrainConfig| DataConfig {
                    cache_mib: 0,
                    allow_many_unreadable: false,
                    ..c.data.clone()
                };
                let before = self.state.project.as_ref().map(|p| chosen(&p.config));
                let division = self.state.project.as_ref().map(|p| divided(&p.config));
                self.keep_settings();
                if division.is_some_and(|before| before != divided(&self.state.config)) {
                    self.scan();
                }
                if before.is_some_and(|before| before != chosen(&self.state.config)) {
                    self.check_weights();
                }
            }
        }
    }
}
