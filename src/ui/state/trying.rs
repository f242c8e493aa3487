//! Settings of the pictures that are kept only once the pictures have been looked through with them: what makes a folder unusable
//! leaves everything as it was.

use super::{AppState, JobKind, Tone, reads_otherwise};
use crate::config::DataConfig;
use crate::error::Error;
use crate::session::Redivided;
use crate::ui::Action;

impl AppState {
    /// The pictures turned out usable with the settings that are being tried, and were divided otherwise if they were: keeps those
    /// settings. Whether there were any.
    pub fn keep_tried(&mut self, redivided: Option<Redivided>) -> bool {
        let Some(tried) = self.trying.take() else { return false };
        let before = self.config.clone();
        let relabelled = tried.labels != before.data.labels;
        // These two change no picture, and may have been set while the pictures were looked through.
        let DataConfig { cache_mib, allow_many_unreadable, .. } = before.data;
        self.config.data = DataConfig { cache_mib, allow_many_unreadable, ..*tried };
        self.record_division(before, redivided);
        if let Some(project) = &mut self.project {
            project.config = self.config.clone();
        }
        if relabelled {
            let text = self.labels_words();
            self.notices.push_with(Tone::Info, text, "Undo", Action::Undo);
        }
        true
    }

    /// Looking through the pictures was stopped after settings were taken or brought back that read or divide them otherwise: the settings
    /// are again those that they were read with. Whether they were others.
    pub(super) fn read_as_before(&mut self) -> bool {
        let Some(with) = self.read_with.clone() else { return false };
        if self.job_of(&JobKind::OpenData).is_some() || !reads_otherwise(&with, &self.config) {
            return false;
        }
        let before = self.config.clone();
        let DataConfig { cache_mib, allow_many_unreadable, .. } = before.data;
        self.config.data = DataConfig { cache_mib, allow_many_unreadable, ..with.data };
        self.record_settings(before);
        if let Some(project) = &mut self.project {
            project.config = self.config.clone();
        }
        let text = "Looking through the pictures was stopped: they stay as they were read and divided before";
        self.notices.push(Tone::Info, text);
        true
    }

    /// The pictures cannot be used with the settings that are being tried: says so, and keeps the old ones. Whether there were any.
    pub fn refuse_tried(&mut self, error: &Error) -> bool {
        let Some(tried) = self.trying.take() else { return false };
        let stays = match tried.labels == self.config.data.labels {
            true => "The pictures stay divided as they are",
            false => "The labels stay as they are",
        };
        self.notices.push(Tone::Bad, format!("{stays}: {error}"));
        true
    }
}
