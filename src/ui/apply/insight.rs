//! Looking into the model whose evaluation is on show, or that classifies new pictures.

use super::super::app::App;
use super::super::state::{JobKind, MapLayout};
use crate::session::jobs::{JobRequest, ModelRef};
use std::path::PathBuf;

impl App {
    pub(super) fn explain(&mut self, model: Option<ModelRef>, picture: PathBuf, class: Option<usize>) {
        // One at a time: who looks through pictures wants the one on show.
        let busy = self.state.job_of(&JobKind::Explain).is_some();
        if let (Some(model), false) = (model, busy) {
            self.state.insight.ask(model.clone(), picture.clone());
            self.submit(JobKind::Explain, JobRequest::Explain { model, picture, class });
        }
    }

    pub(super) fn analyse(&mut self) {
        if self.state.job_of(&JobKind::Analyse).is_some() {
            return;
        }
        if let (Some(ModelRef::Saved(run_dir)), Some(dataset)) =
            (self.state.judged_model(), self.state.judged_dataset())
        {
            let dataset = Some(Box::new(dataset.clone()));
            self.state.insight.analysis_error = None;
            self.state.insight.stopped = false;
            self.submit(JobKind::Analyse, JobRequest::Analyse { run_dir, dataset });
        }
    }

    pub(super) fn lay_out(&mut self, layout: MapLayout) {
        self.state.insight.layout = layout;
        match layout {
            MapLayout::Neighbourhood => self.arrange(),
            MapLayout::Directions => {
                let arranging = self.state.job_of(&JobKind::Arrange).map(|job| job.id);
                if let Some(control) = arranging.and_then(|id| self.controls.get(&id)) {
                    control.cancel();
                }
            }
        }
    }

    pub(in crate::ui) fn arrange(&mut self) {
        let idle = self.state.job_of(&JobKind::Arrange).is_none() && self.state.neighbourhood().is_none();
        if let Some(analysis) = self.state.analysis().cloned().filter(|_| idle) {
            self.submit(JobKind::Arrange, JobRequest::Arrange { analysis });
        }
    }
}
