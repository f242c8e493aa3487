//! Classifying new pictures, and what is made of the result.

use crate::session::jobs::JobRequest;
use crate::ui::actions::Action;
use crate::ui::app::App;
use crate::ui::disk::DiskRequest;
use crate::ui::state::{JobKind, Tone, predictions_csv};
use std::path::PathBuf;

impl App {
    pub(super) fn prediction(&mut self, action: Action) {
        match action {
            Action::SetPredictModel(model) => {
                self.state.predictions.model = Some(model);
                let paths: Vec<PathBuf> =
                    self.state.predictions.pictures().iter().map(|p| p.path.clone()).collect();
                self.predict(paths);
            }
            Action::Predict(paths) => self.predict(paths),
            Action::CheckPictures => self.check_pictures(),
            Action::DecideFrom(probability) => {
                self.state.predictions.decide_from = probability.clamp(0.0, 1.0)
            }
            Action::CopyByClass(out) => {
                let pictures = self.state.predictions.decisions();
                let data = self.state.dataset().map(|d| d.root.clone());
                self.submit(JobKind::Copy, JobRequest::CopyByClass { pictures, out, data });
            }
            Action::ClearPredictions => self.state.predictions.clear(),
            Action::SavePredictions(path) => match predictions_csv(&self.state.predictions) {
                Ok(table) => {
                    let pictures = self.state.dataset().map(|d| d.root.clone());
                    self.disk.ask(DiskRequest::Write(path, table, pictures));
                }
                Err(error) => self.fail(&error),
            },
            _ => {}
        }
    }

    /// Classifies once more what was classified before the training pictures were compared. Until then the answers stay.
    pub(in crate::ui) fn check_pictures(&mut self) {
        let (paths, model) = (self.state.checkable(), self.state.predict_model());
        let idle = self.state.job_of(&JobKind::Predict).is_none();
        if let Some(model) = model.filter(|_| idle && !paths.is_empty()) {
            self.submit(JobKind::Predict, JobRequest::Predict { model, paths });
        }
    }

    pub(super) fn predict(&mut self, paths: Vec<PathBuf>) {
        if paths.is_empty() {
            return;
        }
        let Some(model) = self.state.predict_model() else {
            let text = "There is no model yet. Train one, or choose complete weights under Model.";
            return self.state.notices.push(Tone::Warn, text);
        };
        for path in &paths {
            self.state.predictions.wait_for(path.clone());
        }
        self.submit(JobKind::Predict, JobRequest::Predict { model, paths });
    }
}
