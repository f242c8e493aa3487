//! Training all folds one after the other.

use super::{AppState, FollowUp, Tone};
use crate::config::TrainConfig;

/// The folds that are still to be trained.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldsLeft {
    /// With these settings, but for the fold.
    pub config: TrainConfig,
    /// The next one, from 1; past the number of folds where the last one is being trained.
    pub next: usize,
}

impl FoldsLeft {
    /// The settings of the next fold.
    fn take(&mut self) -> Option<TrainConfig> {
        let mut config = self.config.clone();
        config.data.fold = self.next;
        self.next += 1;
        (config.data.fold <= config.data.folds).then_some(config)
    }

    /// The fold that is being trained, from 1.
    pub fn present(&self) -> usize {
        self.next.saturating_sub(1).max(1)
    }
}

impl AppState {
    /// Why all folds cannot be trained now, if they cannot.
    pub fn folds_block(&self) -> Option<String> {
        if self.config.data.folds == 0 {
            return Some("Choose folds on the Data screen first (Divide otherwise\u{2026})".to_owned());
        }
        self.train_block()
    }

    /// Settings of the next fold that is to be trained, if one is left.
    pub fn next_fold(&mut self) -> Option<TrainConfig> {
        let config = self.folds_left.as_mut()?.take();
        if config.is_none() {
            self.folds_left = None;
        }
        config
    }

    /// A fold is trained. An early end that somebody asked for is about all of them.
    pub(super) fn fold_trained(&mut self, stopped: bool) -> Option<FollowUp> {
        if stopped {
            self.end_folds();
        }
        self.folds_left.is_some().then_some(FollowUp::NextFold)
    }

    /// No more folds are trained.
    pub fn end_folds(&mut self) {
        let Some(left) = self.folds_left.take() else { return };
        let (folds, next) = (left.config.data.folds, left.next);
        if next <= folds {
            let text = format!("Folds {next} to {folds} of {folds} are not trained");
            self.notices.push(Tone::Info, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folds(n: usize) -> AppState {
        let mut config = TrainConfig::default();
        (config.data.folds, config.data.fold) = (n, 2);
        AppState { folds_left: Some(FoldsLeft { config, next: 1 }), ..AppState::default() }
    }

    #[test]
    fn each_fold_comes_once_and_then_it_is_over() {
        let mut state = folds(3);
        let mut seen = Vec::new();
        while let Some(config) = state.next_fold() {
            seen.push((config.data.fold, state.folds_left.as_ref().unwrap().present()));
            assert_eq!(state.fold_trained(false), Some(FollowUp::NextFold));
        }
        assert_eq!(seen, [(1, 1), (2, 2), (3, 3)]);
        assert!(state.folds_left.is_none() && state.notices.all().is_empty());
        assert_eq!(state.fold_trained(false), None, "other trainings lead to none");
    }

    #[test]
    fn stopping_one_ends_all_and_says_what_is_left() {
        let mut state = folds(4);
        state.next_fold();
        assert_eq!(state.train_block().as_deref(), Some("All folds are being trained"));
        assert_eq!(state.fold_trained(true), None);
        assert_eq!(state.notices.all()[0].text, "Folds 2 to 4 of 4 are not trained");
        assert!(state.next_fold().is_none());
    }
}
