//! Whether the changed settings are on disk, and what is said where they are not.

use super::{AppState, Tone};
use crate::error::{Error, ErrorKind};
use crate::session::READ_ONLY;
use std::path::PathBuf;

impl AppState {
    /// An attempt to save the settings ended. Said once, however often it fails.
    pub fn save_ended(&mut self, failed: Option<&Error>) {
        if failed.is_some_and(|e| e.kind() == ErrorKind::ReadOnly) {
            return self.tell_read_only(true);
        }
        match failed {
            Some(error) if !self.unsaved => {
                let why = error.to_string();
                let why = why.trim_end_matches('.');
                let text = format!("The changed settings are not saved yet, which is tried again: {why}");
                self.notices.push(Tone::Bad, text);
            }
            None if self.unsaved => self.notices.push(Tone::Good, "The changed settings are saved now"),
            _ => {}
        }
        self.unsaved = failed.is_some();
    }

    /// An attempt to put a new project on disk ended. A failure is said once.
    pub fn keeping_ended(&mut self, project: PathBuf, failed: Option<&Error>) {
        let now = failed.map(|e| (project, e.to_string()));
        if let Some((_, why)) = now.as_ref().filter(|_| self.unkept != now) {
            self.notices.push(Tone::Bad, format!("This project could not be put on disk: {why}"));
        }
        self.unkept = now;
    }

    /// Why the open project is not on disk, where it is not.
    pub fn not_kept(&self) -> Option<&str> {
        let open = &self.project.as_ref()?.dir;
        self.unkept.as_ref().filter(|(dir, _)| dir == open).map(|(_, why)| why.as_str())
    }

    /// Says once of a project that it can only be looked at.
    pub(super) fn tell_read_only(&mut self, is: bool) {
        if is && !self.read_only {
            let text = READ_ONLY.replacen("this", "This", 1);
            self.notices.push(Tone::Warn, text);
        }
        self.read_only = is;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_read_only_is_told_once_and_not_tried_again() {
        let mut state = AppState::default();
        let error = Error::io("write", "/p", &std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem));
        state.save_ended(Some(&error));
        state.tell_read_only(true);
        state.save_ended(Some(&error));
        assert_eq!((state.notices.all().len(), state.unsaved), (1, false));
        assert!(state.notices.all()[0].text.starts_with("This project is on a disk that is read-only"));
    }

    #[test]
    fn a_project_that_is_not_on_disk_is_told_once_and_not_trained_in() {
        let mut state = AppState::default();
        let project = crate::session::Project { dir: "/home/cats".into(), config: Default::default() };
        state.project = Some(project);
        let error =
            Error::io("create", "/home", &std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem));
        for _ in 0..2 {
            state.keeping_ended("/home/cats".into(), Some(&error));
        }
        assert_eq!(state.notices.all().len(), 1);
        assert!(state.train_block().is_some_and(|why| why.contains("could not be put on disk")));
        state.keeping_ended("/home/cats".into(), None);
        assert_eq!((state.not_kept(), state.notices.all().len()), (None, 1));
    }

    #[test]
    fn a_failure_is_told_once_and_its_end_too() {
        let mut state = AppState::default();
        let full = Error::io("write", "/p", &std::io::Error::from(std::io::ErrorKind::StorageFull));
        state.save_ended(None);
        assert!(state.notices.all().is_empty());
        state.save_ended(Some(&full));
        state.save_ended(Some(&full));
        let said = state.notices.all();
        assert_eq!(said.len(), 1);
        assert!(said[0].text.contains("not saved yet") && said[0].text.contains("/p"), "{}", said[0].text);
        state.save_ended(None);
        state.save_ended(None);
        assert_eq!((state.notices.all().len(), state.unsaved), (2, false));
    }
}
