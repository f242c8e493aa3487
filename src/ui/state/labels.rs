//! Where the labels of the pictures come from.

use super::{AppState, file_name};
use crate::config::DataConfig;
use crate::data::{Dataset, SkipReason};
use crate::error::{part_of, thousands};
use crate::session::Project;
use crate::ui::Action;
use crate::ui::state::Tone;
use std::path::{Path, PathBuf};

impl AppState {
    /// Takes the labels from a file, or with none from where the folder says them. Gives the project that is to be opened with it
    /// where none is open: the one whose folder could not be used as it is. Of an open one, the pictures are to be looked through
    /// first.
    pub fn with_labels(&mut self, labels: Option<PathBuf>) -> Option<Project> {
        if self.project.is_none()
            && let Some(mut project) = self.refused.take()
        {
            project.config.data.labels = labels;
            return Some(*project);
        }
        self.trying = Some(Box::new(DataConfig { labels, ..self.config.data.clone() }));
        None
    }

    /// The file that was chosen for the labels of the open folder, or of the one that could not be used.
    pub fn chosen_labels(&self) -> Option<&Path> {
        let of = match (&self.project, &self.refused) {
            (None, Some(refused)) => &refused.config,
            _ => &self.config,
        };
        of.data.labels.as_deref()
    }

    /// Says it where a label file that was just taken leaves most pictures out, and offers to do without.
    pub(super) fn tell_few_labelled(&mut self, data: &Dataset) {
        let Some(file) = &data.labels else { return };
        let without = data.skipped.iter().filter(|s| s.reason == SkipReason::Unlabelled).count();
        let labelled = data.samples.len();
        if without > labelled {
            let text = format!(
                "{} labels only {} pictures: the other {} left out",
                file.name(),
                part_of(labelled, labelled + without),
                if without == 1 { "one is".to_owned() } else { format!("{} are", thousands(without)) }
            );
            self.notices.push_with(Tone::Warn, text, "Without this file", Action::UseLabels(None));
        }
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
    use crate::data::{LabelFile, Layout, Sample, Skipped, Split};
    use crate::error::Error;

    fn project(dir: &str) -> Project {
        Project { dir: dir.into(), config: TrainConfig::default() }
    }

    fn words(state: &AppState) -> Vec<&str> {
        state.notices.all().iter().map(|n| n.text.as_str()).collect()
    }

    #[test]
    fn a_folder_that_was_refused_is_opened_with_the_file() {
        let mut refused = project("/new");
        refused.config.data.labels = Some("/bad.csv".into());
        let mut state = AppState { refused: Some(Box::new(refused)), ..AppState::default() };
        assert_eq!(state.chosen_labels(), Some(Path::new("/bad.csv")));
        let opened = state.with_labels(Some("/l.csv".into())).unwrap();
        assert_eq!((opened.dir, opened.config.data.labels), ("/new".into(), Some("/l.csv".into())));
        assert!(state.refused.is_none() && state.chosen_labels().is_none() && state.trying.is_none());
    }

    #[test]
    fn a_file_that_labels_few_pictures_is_told_with_a_way_back() {
        let told = |labelled: usize, without: usize| {
            let mut state = AppState::default();
            let file = LabelFile {
                path: "/l.csv".into(),
                label_column: "label".to_owned(),
                group_column: None,
                groups: Default::default(),
                parts: Default::default(),
                findings: Vec::new(),
            };
            let sample = |n| Sample { rel: format!("{n}.jpg"), class: 0, split: Split::Train };
            let skip = |n| Skipped { rel: format!("{n}.png"), reason: SkipReason::Unlabelled };
            let data = Dataset {
                root: "/pictures".into(),
                layout: Layout::LabelFile,
                labels: Some(file),
                classes: vec!["ant".to_owned()],
                samples: (0..labelled).map(sample).collect(),
                skipped: (0..without).map(skip).collect(),
                excluded: Vec::new(),
                verdicts: Default::default(),
                checks: Default::default(),
            };
            state.tell_few_labelled(&data);
            state.notices.all().iter().map(|n| (n.text.clone(), n.next.clone())).collect::<Vec<_>>()
        };
        assert_eq!(told(4, 4), []);
        let way_back = Some(("Without this file", Action::UseLabels(None)));
        let text = "l.csv labels only 1 of 72 pictures: the other 71 are left out".to_owned();
        assert_eq!(told(1, 71), [(text, way_back)]);
    }

    #[test]
    fn an_open_folder_keeps_its_labels_until_the_file_has_turned_out_usable() {
        let mut state = AppState { project: Some(project("/open")), ..AppState::default() };
        assert!(state.with_labels(Some("/bad.csv".into())).is_none());
        assert_eq!(state.config.data.labels, None, "not before the pictures were looked through");
        assert!(state.refuse_tried(&Error::input("no row names a picture")));
        assert_eq!(words(&state), ["The labels stay as they are: no row names a picture"]);
        assert_eq!(
            (state.chosen_labels(), &state.project.as_ref().unwrap().config.data.labels),
            (None, &None)
        );
        assert!(state.to_undo().is_none() && !state.keep_tried(None), "nothing changed");

        state.with_labels(Some("/l.csv".into()));
        state.config.data.cache_mib += 1;
        let cache_mib = state.config.data.cache_mib;
        assert!(state.keep_tried(None));
        assert_eq!(words(&state)[1], "The labels are taken from l.csv");
        let kept = &state.project.as_ref().unwrap().config;
        assert_eq!((&kept.data.labels, kept.data.cache_mib), (&Some("/l.csv".into()), cache_mib));
        assert_eq!(&state.config, kept);
        assert!(state.undo().is_some() && state.config.data.labels.is_none());

        state.with_labels(None);
        assert!(state.keep_tried(None) && state.labels_words().contains("where the folder says"));
    }

    #[test]
    fn a_division_that_cannot_be_made_leaves_the_old_one() {
        let mut state = AppState { project: Some(project("/open")), ..AppState::default() };
        let before = state.config.clone();
        state.trying = Some(Box::new(DataConfig { folds: 7, ..before.data.clone() }));
        assert!(state.refuse_tried(&Error::input("too few groups")));
        assert_eq!(words(&state), ["The pictures stay divided as they are: too few groups"]);
        assert_eq!(state.config, before);
        state.trying = Some(Box::new(DataConfig { folds: 4, ..before.data }));
        assert!(state.keep_tried(None));
        assert_eq!((state.config.data.folds, words(&state).len()), (4, 1));
    }
}
