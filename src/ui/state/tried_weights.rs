//! Weight files that are kept only once they could be read: one that cannot be used leaves the network and its weights as they were.

use super::{AppState, JobKind, Tone, WeightsState, file_name};
use crate::backbones::{LoadReport, find, title};
use crate::config::Pooling;
use crate::error::Error;
use crate::ui::Action;
use std::path::PathBuf;

/// A weight file that is being read for a network.
#[derive(Debug, Clone, PartialEq)]
pub struct TriedWeights {
    /// The network, by its registered name.
    pub backbone: String,
    /// The file.
    pub file: PathBuf,
    /// The network that was chosen when it was tried.
    chosen: String,
}

impl AppState {
    /// Chooses a network, without weights yet; what no longer fits it is let go.
    pub fn choose_backbone(&mut self, name: &str) {
        let backbone = &mut self.config.backbone;
        name.clone_into(&mut backbone.name);
        (backbone.cut_stage, backbone.weights) = (None, None);
        // Not every network has a class token; those that have one read it as published.
        let pooling = &mut self.config.head.pooling;
        *pooling = pooling.filter(|p| *p != Pooling::Token);
        if let Ok(spec) = find(name) {
            self.config.train.fit_stages(spec.stages.len());
        }
    }

    /// Whether a file for this network is tried first, because there is something to lose: the weights in use, or the network that is
    /// chosen. While another file is being read it is not.
    pub fn tries_weights(&mut self, backbone: &str, file: &PathBuf) -> bool {
        let other = backbone != self.config.backbone.name;
        let in_use = matches!(self.weights, WeightsState::Ready(_));
        let again = !other && self.config.backbone.weights.as_ref() == Some(file);
        if self.job_of(&JobKind::CheckWeights).is_some() || again || !(other || in_use) {
            return false;
        }
        let (backbone, chosen) = (backbone.to_owned(), self.config.backbone.name.clone());
        self.tried_weights = Some(TriedWeights { backbone, file: file.clone(), chosen });
        true
    }

    /// The weights could be read: keeps the file that was tried, with its network. Nothing where another one was chosen meanwhile.
    pub(super) fn keep_weights(&mut self, report: LoadReport) {
        if let Some(tried) = self.tried_weights.take() {
            if tried.chosen != self.config.backbone.name {
                return;
            }
            let before = self.config.clone();
            if tried.backbone != tried.chosen {
                self.choose_backbone(&tried.backbone);
            }
            self.config.backbone.weights = Some(tried.file.clone());
            self.record_settings(before);
            if let Some(project) = &mut self.project {
                project.config = self.config.clone();
            }
            if tried.backbone != tried.chosen {
                let (file, title) = (file_name(&tried.file), title(&tried.backbone));
                let text = format!("{title} is chosen now, because by its name {file} holds its weights");
                self.notices.push_with(Tone::Info, text, "Undo", Action::Undo);
            }
        }
        self.weights = WeightsState::Ready(report);
    }

    /// The weights cannot be used: a file that was tried is told of and nothing else changes, one that was chosen shows why.
    pub(super) fn refuse_weights(&mut self, error: Error) {
        let Some(tried) = self.tried_weights.take() else {
            // The Model screen shows it where the file was chosen.
            self.weights = WeightsState::Failed(error);
            return;
        };
        let stays = match (&self.config.backbone.weights, tried.backbone == tried.chosen) {
            (Some(file), true) => format!("The file {} stays in use", file_name(file)),
            _ => format!("{} stays chosen", title(&tried.chosen)),
        };
        self.notices.push(Tone::Bad, format!("{stays}: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_use() -> AppState {
        let mut state = AppState::default();
        state.choose_backbone("mobilenet_v2");
        state.config.backbone.weights = Some("/w/good.safetensors".into());
        state.weights = WeightsState::Ready(LoadReport::default());
        state
    }

    #[test]
    fn a_file_that_cannot_be_used_leaves_the_one_in_use() {
        for backbone in ["mobilenet_v2", "squeezenet1_1"] {
            let mut state = in_use();
            let before = (state.config.clone(), state.weights.clone());
            assert!(state.tries_weights(backbone, &"/w/cut.safetensors".into()));
            assert_eq!((&state.config, &state.weights), (&before.0, &before.1), "nothing yet");
            state.refuse_weights(Error::input("the file is cut off"));
            assert_eq!((&state.config, &state.weights), (&before.0, &before.1));
            let told = &state.notices.all()[0].text;
            assert!(told.contains("stays") && told.contains("the file is cut off"), "{told}");
        }
    }

    #[test]
    fn a_file_of_another_network_brings_it_along_and_says_so_and_can_be_taken_back() {
        let mut state = in_use();
        let before = state.config.clone();
        let file = PathBuf::from("/w/squeezenet1_1-b8a52dc0.pth");
        assert!(state.tries_weights("squeezenet1_1", &file));
        state.keep_weights(LoadReport::default());
        assert_eq!(
            (state.config.backbone.name.as_str(), &state.config.backbone.weights),
            ("squeezenet1_1", &Some(file))
        );
        let told = &state.notices.all()[0];
        assert!(told.text.contains("SqueezeNet") && told.next.is_some(), "{}", told.text);
        state.undo();
        assert_eq!(state.config, before);
    }

    #[test]
    fn the_first_file_shows_where_it_was_chosen_why_it_cannot_be_used() {
        let mut state = AppState::default();
        state.choose_backbone("mobilenet_v2");
        assert!(!state.tries_weights("mobilenet_v2", &"/w/cut.safetensors".into()));
        state.refuse_weights(Error::input("no"));
        assert!(matches!(state.weights, WeightsState::Failed(_)) && state.notices.all().is_empty());
    }

    #[test]
    fn a_network_chosen_meanwhile_keeps_what_it_has() {
        let mut state = in_use();
        assert!(state.tries_weights("mobilenet_v2", &"/w/other.safetensors".into()));
        state.choose_backbone("resnet18");
        state.weights = WeightsState::None;
        state.keep_weights(LoadReport::default());
        assert_eq!((state.config.backbone.weights, state.weights), (None, WeightsState::None));
    }
}
