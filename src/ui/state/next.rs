//! The next sensible step, and what stands in its way.

use super::{AppState, JobKind, Screen, WeightsState};
use crate::config::{BackboneConfig, DataConfig, Solver, TrainMode};
use crate::data::{Layout, Split};
use crate::ui::Action;
use crate::ui::actions::Pick;

/// The next sensible step, for the header's main action.
#[derive(Debug, Clone, PartialEq)]
pub struct NextStep {
    /// The button's words.
    pub label: &'static str,
    /// What it does.
    pub action: Action,
    /// Why it cannot be pressed now.
    pub blocked: Option<String>,
}

/// Why training cannot be stopped with a result yet.
pub const NOTHING_TO_KEEP: &str = "No epoch is finished yet, so there is nothing to keep";

impl AppState {
    pub(super) fn data_block(&self) -> Option<String> {
        let Some(data) = self.dataset() else {
            return Some("Open a folder of pictures first".to_owned());
        };
        if self.needs_unreadable_answer() {
            return Some("More than a fifth of the pictures cannot be read: see Data".to_owned());
        }
        if data.classes.len() < 2 {
            return Some("Training needs at least two classes".to_owned());
        }
        data.indices(Split::Val).is_empty().then(|| {
            match data.layout {
                Layout::SplitLabelFile => {
                    "No pictures are held out for validation: name some in the label table"
                }
                _ if data.can_hold_out() => {
                    "No pictures are held out for validation: raise the share for validation under \u{201c}Divide \
                     otherwise\u{2026}\u{201d} on Data"
                }
                _ => "Each class needs at least two pictures, one of them to judge by: add some",
            }
            .to_owned()
        })
    }

    pub(super) fn weights_block(&self) -> Option<String> {
        match &self.weights {
            WeightsState::Checking => Some("The weights are being read".to_owned()),
            WeightsState::Failed(_) => Some("The weight file does not fit: see Model".to_owned()),
            WeightsState::None | WeightsState::Ready(_) => None,
        }
    }

    /// Why training cannot begin now, in one sentence.
    pub fn train_block(&self) -> Option<String> {
        let other = |with: &DataConfig| with.reads_otherwise(&self.config.data);
        if self.preflight.is_some() && self.job_of(&JobKind::OpenData).is_some() {
            return Some("The pictures are being looked through".to_owned());
        }
        if self.read_with.as_ref().is_some_and(other) {
            let text = "The settings read the pictures otherwise than they are on show: look through them again (F5)";
            return Some(text.to_owned());
        }
        if self.training_job().is_some() {
            return Some("Training is running".to_owned());
        }
        if self.folds_left.is_some() {
            return Some("All folds are being trained".to_owned());
        }
        if self.opening.is_some() {
            return Some("Another folder is being looked through".to_owned());
        }
        if let Some(why) = self.not_kept() {
            return Some(format!("This project could not be put on disk: {why}"));
        }
        self.data_block().or_else(|| self.weights_block()).or_else(|| {
            self.config.validate().and_then(|()| self.config.check_mixing()).err().map(|e| e.to_string())
        })
    }

    /// Why rates cannot be tried, if they cannot.
    pub fn rates_block(&self) -> Option<String> {
        if self.job_of(&JobKind::FindRate).is_some() {
            return Some("Rates are being tried".to_owned());
        }
        match self.config.train.solver {
            Solver::Logistic => Some("A head that is fitted at once has no learning rate".to_owned()),
            Solver::Gradient => self.train_block(),
        }
    }

    /// Whether the training that runs, or ran last, has something to keep.
    pub fn has_finished_epoch(&self) -> bool {
        self.training.as_ref().is_some_and(|t| !t.epochs.is_empty())
    }

    /// Whether somebody chose a network or how it learns, or trained with what there was.
    fn backbone_is_chosen(&self) -> bool {
        let settings = &self.config;
        let untouched =
            settings.backbone == BackboneConfig::default() && settings.train.mode == TrainMode::Auto;
        !untouched || !self.runs.is_empty()
    }

    /// What a newcomer would press next.
    pub fn next_step(&self) -> NextStep {
        let step = |label, action| NextStep { label, action, blocked: None };
        if self.preflight.is_none() {
            return NextStep {
                blocked: (!self.jobs.is_empty()).then(|| "The pictures are being looked through".to_owned()),
                ..step("Open a folder…", Action::Pick(Pick::DataFolder))
            };
        }
        if let Some(job) = self.training_job() {
            let nothing_to_keep = (!self.has_finished_epoch()).then(|| NOTHING_TO_KEEP.to_owned());
            return NextStep {
                blocked: job
                    .stopping
                    .then(|| "Training ends at its next step".to_owned())
                    .or(nothing_to_keep),
                ..step("Stop and keep the best", Action::StopAndKeepBest)
            };
        }
        match self.screen {
            Screen::Data | Screen::Start if !self.backbone_is_chosen() => {
                step("Choose a backbone", Action::Go(Screen::Model))
            }
            Screen::Evaluate | Screen::Predict if self.finished_run().is_some() => {
                step("Export", Action::Go(Screen::Export))
            }
            Screen::Export if self.finished_run().is_some() => {
                step("Classify new pictures", Action::Go(Screen::Predict))
            }
            Screen::Train => NextStep { blocked: self.train_block(), ..step("Train", Action::Train) },
            // Other buttons of the header only lead somewhere: this one starts nothing either.
            _ => NextStep { blocked: self.train_block(), ..step("Go to Train", Action::Go(Screen::Train)) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Checks, Dataset, Preflight, Sample, Verdicts};
    use std::sync::Arc;

    #[test]
    fn what_can_be_done_about_missing_validation_pictures_is_said_in_the_windows_words() {
        let why = |layout, a_class: usize| {
            let sample = |i: usize| Sample { rel: format!("{i}.png"), class: i % 2, split: Split::Train };
            let dataset = Dataset {
                root: "/pictures".into(),
                layout,
                labels: None,
                classes: vec!["ants".to_owned(), "bees".to_owned()],
                samples: (0..2 * a_class).map(sample).collect(),
                skipped: Vec::new(),
                excluded: Vec::new(),
                verdicts: Verdicts::default(),
                checks: Checks::default(),
            };
            let preflight = Some(Arc::new(Preflight::unseen(dataset)));
            AppState { preflight, ..AppState::default() }.train_block().unwrap_or_default()
        };
        assert!(why(Layout::ClassFolders, 1).contains("at least two pictures"));
        assert!(why(Layout::ClassFolders, 4).contains("raise the share for validation"));
        assert!(why(Layout::SplitLabelFile, 4).contains("label table"));
    }
}
