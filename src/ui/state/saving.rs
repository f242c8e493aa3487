//! Whether the changed settings are on disk, and what is said where they are not.

use super::{AppState, Tone};
use crate::error::Error;

impl AppState {
    /// An attempt to save the settings ended. Said once, however often it fails.
    pub fn save_ended(&mut self, failed: Option<&Error>) {
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
