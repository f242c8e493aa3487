//! Decisions about pictures, and taking changes back.

use crate::config::{DataConfig, TrainConfig};
use crate::data::Step;
use crate::ui::app::App;
use crate::ui::disk::DiskRequest;
use std::sync::Arc;

impl App {
    pub(in crate::ui) fn refresh_decisions(&self) {
        if let (Some(project), Some(shown)) = (&self.state.project, &self.state.preflight) {
            self.disk.ask(DiskRequest::Decisions(project.dir.clone(), Arc::clone(shown)));
        }
    }

    pub(super) fn decide(&mut self, step: Step) {
        if let (Some(project), Some(shown)) = (&self.state.project, &self.state.preflight) {
            self.disk.ask(DiskRequest::Decide(project.dir.clone(), shown.before_decisions(), step));
        }
    }

    /// Settings were taken or brought back, or a decision is to be.
    pub(super) fn taken_back(&mut self, decision: Option<Step>) {
        match decision {
            Some(step) => self.decide(step),
            None => {
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
