//! Where the labels of the pictures come from.

use super::{AppState, file_name};
use crate::session::Project;
use std::path::PathBuf;

impl AppState {
    /// Takes the labels from a file, or with none from where the folder says them. Gives the project that is to be opened with it
    /// where none is open: the one whose folder could not be used without.
    pub fn with_labels(&mut self, labels: Option<PathBuf>) -> Option<Project> {
        if self.project.is_none()
            && let Some(mut project) = self.refused.take()
        {
            project.config.data.labels = labels;
            return Some(*project);
        }
        self.config.data.labels = labels;
        None
    }

    /// Where the labels are taken from now, for a notice.
    pub fn labels_words(&self) -> String {
        match &self.config.data.labels {
            Some(file) => format!("The labels are taken from {}", file_name(file)),
            None => "The labels are taken from where the folder says them".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;

    #[test]
    fn a_folder_that_was_refused_is_opened_with_the_file_and_an_open_one_changes_its_settings() {
        let project = |dir: &str| Project { dir: dir.into(), config: TrainConfig::default() };
        let mut state = AppState { refused: Some(Box::new(project("/new"))), ..AppState::default() };
        let opened = state.with_labels(Some("/l.csv".into())).unwrap();
        assert_eq!((opened.dir, opened.config.data.labels), ("/new".into(), Some("/l.csv".into())));
        assert!(state.refused.is_none() && state.config.data.labels.is_none());
        state.refused = Some(Box::new(project("/new")));
        state.project = Some(project("/open"));
        assert!(state.with_labels(Some("/l.csv".into())).is_none());
        assert_eq!(state.config.data.labels, Some("/l.csv".into()));
        assert_eq!(state.labels_words(), "The labels are taken from l.csv");
        assert!(state.with_labels(None).is_none());
        assert_eq!(state.config.data.labels, None);
        assert!(state.labels_words().contains("where the folder says"));
    }
}
