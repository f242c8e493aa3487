//! Looking into the model whose evaluation is on show, or that classifies new pictures.

use super::super::app::App;
use super::super::state::JobKind;
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
            self.submit(JobKind::Analyse, JobRequest::Analyse { run_dir, dataset });
        }
    }
}
