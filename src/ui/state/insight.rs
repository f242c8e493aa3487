//! What is known beyond a model's answers: what it looks at in pictures that were opened, and how all pictures compare.

use super::{AppState, JobKind};
use crate::data::Dataset;
use crate::engine::features::Neighbourhood;
use crate::error::Error;
use crate::session::jobs::ModelRef;
use crate::session::{Analysis, Explained};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many explained pictures are remembered.
const KEPT: usize = 48;

/// How the map lays pictures out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MapLayout {
    /// Along the two directions in which their features differ most.
    #[default]
    Directions,
    /// So that neighbours among the features are neighbours on the map.
    Neighbourhood,
}

/// Answers of jobs that look into a model.
#[derive(Debug, Clone, Default)]
pub struct Insight {
    /// Pictures that were explained, the newest last.
    explained: Vec<Arc<Explained>>,
    /// The picture that was asked about last and could not be explained.
    failed: Option<((ModelRef, PathBuf), Error)>,
    /// The model and the picture that are being worked on.
    asked: Option<(ModelRef, PathBuf)>,
    /// All pictures compared, by the run whose evaluation is on show.
    pub analysis: Option<Arc<Analysis>>,
    /// Why the last comparison failed.
    pub analysis_error: Option<Error>,
    /// The run whose pictures were compared before the program was started, and whose features are kept.
    pub kept: Option<PathBuf>,
    /// Somebody has stopped the comparison: it does not begin by itself.
    pub stopped: bool,
    /// The comparison that runs is done with the pictures, and looks for doubtful labels.
    pub second_part: bool,
    /// How the map lays pictures out.
    pub layout: MapLayout,
    /// The comparison that was arranged last, and where its pictures lie.
    pub arranged: Option<(Arc<Analysis>, Arc<Neighbourhood>)>,
}

impl Insight {
    /// What is known of a picture, asked about one class or about the most probable.
    pub fn explained(
        &self,
        model: &ModelRef,
        picture: &Path,
        asked: Option<usize>,
    ) -> Option<&Arc<Explained>> {
        let wanted = |e: &&Arc<Explained>| e.picture == picture && e.asked == asked && e.model == *model;
        self.explained.iter().rev().find(wanted)
    }

    /// Why a picture could not be explained.
    pub fn why_not(&self, model: &ModelRef, picture: &Path) -> Option<&Error> {
        let same = |(of, failed): &(ModelRef, PathBuf)| of == model && failed == picture;
        self.failed.as_ref().filter(|(failed, _)| same(failed)).map(|(_, why)| why)
    }

    /// A picture is about to be worked on.
    pub fn ask(&mut self, model: ModelRef, picture: PathBuf) {
        self.failed = None;
        self.asked = Some((model, picture));
    }

    /// Enters an answer.
    pub fn put(&mut self, explained: Explained) {
        self.asked = None;
        let same = |e: &Explained| {
            (&e.picture, e.asked, &e.model) == (&explained.picture, explained.asked, &explained.model)
        };
        self.explained.retain(|e| !same(e));
        if self.explained.len() >= KEPT {
            self.explained.remove(0);
        }
        self.explained.push(Arc::new(explained));
    }

    /// The picture that was asked about last cannot be explained; nothing where the work was only stopped.
    pub(super) fn fail(&mut self, error: Option<Error>) {
        self.failed = self.asked.take().zip(error);
    }

    /// A run is shown whose pictures were compared, or not, before the program was started.
    pub fn found_on_disk(&mut self, run_dir: &Path, compared: bool) {
        self.kept = compared.then(|| run_dir.to_path_buf());
        self.stopped = false;
        self.look_again();
    }

    /// The pictures were looked through anew: what hindered a comparison may be mended.
    pub(super) fn look_again(&mut self) {
        self.analysis_error = None;
        self.failed = None;
    }

    /// Pictures may be in other parts by now, which decide what is told of them: the comparison is read again.
    pub(super) fn read_again(&mut self) {
        if let Some(analysis) = self.analysis.take() {
            self.kept = Some(analysis.run_dir.clone());
        }
    }

    /// Enters a comparison of all pictures: what is alike may be another now.
    pub fn compared(&mut self, analysis: Analysis) {
        self.explained.clear();
        self.analysis_error = None;
        self.analysis = Some(Arc::new(analysis));
    }
}

impl AppState {
    /// The model of the evaluation on show, where it is one of a run.
    pub fn judged_model(&self) -> Option<ModelRef> {
        self.evaluation.as_ref()?.run_dir.clone().map(ModelRef::Saved)
    }

    /// The comparison of all pictures, where it is of the evaluation on show.
    pub fn analysis(&self) -> Option<&Arc<Analysis>> {
        let run_dir = self.evaluation.as_ref()?.run_dir.as_ref()?;
        self.insight.analysis.as_ref().filter(|a| a.run_dir == *run_dir)
    }

    /// Where the compared pictures lie by their neighbours, where that is known.
    pub fn neighbourhood(&self) -> Option<&Arc<Neighbourhood>> {
        let analysis = self.analysis()?;
        let of_it = |(of, _): &&(Arc<Analysis>, Arc<Neighbourhood>)| Arc::ptr_eq(of, analysis);
        self.insight.arranged.as_ref().filter(of_it).map(|(_, found)| found)
    }

    /// Whether the run on show kept what its pictures were compared by, so that the comparison costs next to nothing.
    pub fn comparison_is_kept(&self) -> bool {
        let run_dir = self.evaluation.as_ref().and_then(|e| e.run_dir.as_ref());
        let insight = &self.insight;
        let hindered = insight.stopped || insight.analysis_error.is_some();
        let busy = self.training_job().is_some() || self.job_of(&JobKind::Analyse).is_some();
        run_dir.is_some() && insight.kept.as_ref() == run_dir && !hindered && !busy
    }

    /// The open pictures, where they are those of the evaluation on show.
    pub fn judged_dataset(&self) -> Option<&Dataset> {
        let root = &self.evaluation.as_ref()?.data_root;
        self.dataset().filter(|d| d.root == *root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Explanation;

    fn explained(picture: &str, asked: Option<usize>) -> Explained {
        let explanation = Explanation {
            class: asked.unwrap_or(1),
            probabilities: vec![0.25, 0.75],
            features: vec![1.0],
            seen: [0.0, 0.0, 1.0, 1.0],
            heat: Err(Error::input("none")),
        };
        let model = ModelRef::Saved("run".into());
        Explained { model, picture: picture.into(), asked, explanation, alike: None, unlike: None }
    }

    #[test]
    fn pictures_are_remembered_by_model_and_class_and_the_oldest_are_let_go() {
        let (mut insight, run) = (Insight::default(), ModelRef::Saved("run".into()));
        insight.put(explained("a.png", None));
        insight.put(explained("a.png", Some(0)));
        let class = |insight: &Insight, asked| {
            insight.explained(&run, Path::new("a.png"), asked).map(|e| e.explanation.class)
        };
        assert_eq!((class(&insight, None), class(&insight, Some(0))), (Some(1), Some(0)));
        assert_eq!(class(&insight, Some(1)), None);
        let other = ModelRef::Saved("other".into());
        assert!(insight.explained(&other, Path::new("a.png"), None).is_none());
        for i in 0..KEPT {
            insight.put(explained(&format!("{i}.png"), None));
        }
        assert_eq!(insight.explained.len(), KEPT);
        assert_eq!(class(&insight, None), None);
    }

    #[test]
    fn a_failure_is_told_of_its_picture_and_model_until_another_is_asked_about() {
        let (mut insight, run) = (Insight::default(), ModelRef::Saved("run".into()));
        let told = |insight: &Insight, model: &ModelRef, picture: &str| {
            insight.why_not(model, Path::new(picture)).is_some()
        };
        insight.ask(run.clone(), "a.png".into());
        insight.fail(Some(Error::input("gone")));
        assert!(told(&insight, &run, "a.png") && !told(&insight, &run, "b.png"));
        assert!(!told(&insight, &ModelRef::Saved("other".into()), "a.png"));
        insight.ask(run.clone(), "b.png".into());
        assert!(!told(&insight, &run, "a.png"));
        insight.fail(None);
        assert!(!told(&insight, &run, "b.png"), "it was only stopped");
    }
}
