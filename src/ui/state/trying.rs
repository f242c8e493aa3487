//! Settings of the pictures that are kept only once the pictures have been looked through with them: what makes a folder unusable
//! leaves everything as it was.

use super::{AppState, Tone};
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
        // What changes no picture may have been set while the pictures were looked through.
        self.config.data = before.data.with_pictures_of(&tried);
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
