//! The backbone and its weights.

use crate::backbones::find;
use crate::config::OptimConfig;
use crate::session::jobs::JobRequest;
use crate::ui::actions::Action;
use crate::ui::app::App;
use crate::ui::disk::DiskRequest;
use crate::ui::state::{Download, JobKind, WeightsState};
use std::path::PathBuf;

impl App {
    pub(super) fn choose_backbone(&mut self, name: &str) {
        if self.state.config.backbone.name != name {
            self.state.choose_backbone(name);
            let found = self.state.known_weights.get(name).and_then(|files| files.first().cloned());
            self.use_weights(found);
        }
    }

    pub(super) fn about_backbone(&mut self, action: Action) {
        match action {
            Action::DownloadWeights(name) => {
                if let Ok(spec) = find(name) {
                    self.state.downloads.insert(name, Download::default());
                    self.downloads.start(spec);
                }
            }
            Action::CancelDownload(name) => {
                self.downloads.cancel(name);
                if let Some(download) = self.state.downloads.get_mut(name) {
                    download.stopping = true;
                }
            }
            Action::MeasureSpeed(name) => {
                let (backbone, threads) = (name.to_owned(), self.state.threads());
                let OptimConfig { device, precision, .. } = self.state.config.train;
                let request = JobRequest::MeasureSpeed { backbone, threads, device, precision };
                self.submit(JobKind::MeasureSpeed, request);
            }
            _ => {}
        }
    }

    /// Weights have come: they are used where their backbone is chosen and waits for some.
    pub(in crate::ui) fn downloaded(&mut self, backbone: &str, path: PathBuf) {
        self.disk.ask(DiskRequest::KnownWeights);
        let chosen = &self.state.config.backbone;
        if chosen.name == backbone && chosen.weights.is_none() {
            self.use_weights(Some(path));
        }
    }

    /// Uses a file with a network, which it may bring along.
    pub(super) fn try_weights(&mut self, backbone: &str, path: PathBuf) {
        if self.state.tries_weights(backbone, &path) {
            let request = JobRequest::CheckWeights { backbone: backbone.to_owned(), weights: path };
            return self.submit(JobKind::CheckWeights, request);
        }
        if self.state.config.backbone.name != backbone {
            self.state.choose_backbone(backbone);
        }
        self.use_weights(Some(path));
    }

    pub(super) fn use_weights(&mut self, path: Option<PathBuf>) {
        self.state.config.backbone.weights = path;
        self.settings_changed();
        self.check_weights();
    }

    pub(super) fn check_weights(&mut self) {
        self.state.tried_weights = None;
        let backbone = self.state.config.backbone.clone();
        let Some(weights) = backbone.weights else {
            self.state.weights = WeightsState::None;
            return;
        };
        self.state.weights = WeightsState::Checking;
        self.submit(JobKind::CheckWeights, JobRequest::CheckWeights { backbone: backbone.name, weights });
    }
}
