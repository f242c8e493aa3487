//! What the Evaluate screen shows: which evaluation, which part of it, and the pictures behind which number.

use super::{AppState, Tone, file_name, split_name};
use crate::data::{DecisionChanges, Split};
use crate::engine::Evaluation;
use crate::engine::analysis::Comparison;
use crate::error::{Error, part_of};
use crate::session::jobs::Judged;
use crate::session::times_judged;
use crate::ui::actions::Action;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A part of the Evaluate screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum EvaluateTab {
    /// The confusion matrix.
    #[default]
    Matrix,
    /// Recall, precision and F1 of each class as bars.
    Classes,
    /// Precision-recall and ROC curves.
    Curves,
    /// Reliability diagram and histogram of the confidence.
    Confidence,
    /// The most confused pairs of classes, and the pictures with the highest loss.
    Worst,
    /// Pictures whose label is doubtful.
    Suspects,
    /// All pictures on a plane.
    Map,
}

impl EvaluateTab {
    /// All, from left to right.
    pub const ALL: [Self; 7] =
        [Self::Matrix, Self::Classes, Self::Curves, Self::Confidence, Self::Worst, Self::Suspects, Self::Map];

    /// Whether details stand beside it, rather than within it.
    pub fn has_inspector(self) -> bool {
        !matches!(self, Self::Suspects | Self::Map)
    }

    /// The word on its button.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matrix => "Matrix",
            Self::Classes => "Classes",
            Self::Curves => "Curves",
            Self::Confidence => "Confidence",
            Self::Worst => "Pairs and losses",
            Self::Suspects => "Suspects",
            Self::Map => "Map",
        }
    }

    /// What it shows, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Matrix => "Which class was taken for which",
            Self::Classes => "How well each class is found, with how sure that number is",
            Self::Curves => "What a stricter or a looser threshold would find, and what it would cost",
            Self::Confidence => "Whether the model is right as often as it says",
            Self::Worst => {
                "Which two classes are taken for each other, and which pictures surprise the model most"
            }
            Self::Suspects => "Pictures whose label is probably wrong",
            Self::Map => "All pictures on a plane, alike ones near each other",
        }
    }
}

/// An evaluation, and where its pictures lie.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownEvaluation {
    /// Predictions and counts; what is computed from them is remembered by the identity of this one.
    pub evaluation: Arc<Evaluation>,
    /// The folder that [`crate::engine::Prediction::rel`] is relative to.
    pub data_root: PathBuf,
    /// The run it is of, if it is of one.
    pub run_dir: Option<PathBuf>,
    /// The part of the pictures that was judged; all of them where there is none.
    pub split: Option<Split>,
    /// How often the run was judged on its test pictures.
    pub test_judged: usize,
    /// How often other runs of the project were judged on some of the same test pictures.
    pub test_judged_by_others: usize,
    /// What it is of, for example `run 0001 · validation`.
    pub title: String,
    /// What to know before trusting the numbers, a sentence each.
    pub cautions: Vec<String>,
    /// What changed since another run.
    pub compared: Option<Compared>,
}

/// An evaluation beside an earlier one.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The earlier run's folder.
    pub run_dir: PathBuf,
    /// What changed.
    pub comparison: Arc<Comparison>,
    /// What was decided about pictures between the two runs.
    pub decisions: DecisionChanges,
}

impl AppState {
    /// Puts what changed since another run beside the evaluation that it was asked for.
    pub fn show_comparison(&mut self, compared: Compared, after: &Arc<Evaluation>) {
        if let Some(shown) = self.evaluation.as_mut().filter(|s| Arc::ptr_eq(&s.evaluation, after)) {
            shown.compared = Some(compared);
        }
    }
}

/// The pictures behind a number of the evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Selection {
    /// A cell of the matrix.
    Cell {
        /// True class.
        truth: usize,
        /// Predicted class.
        predicted: usize,
    },
    /// All pictures of a class.
    Class(usize),
    /// All pictures predicted as a class.
    PredictedAs(usize),
    /// All pictures of a class and all that were taken for it.
    ClassOrPredictedAs(usize),
    /// Pictures whose probability for a class (for any, where none is named) is at least `low` and below `high`.
    Scored {
        /// The class; none for a point of the micro average.
        class: Option<usize>,
        /// Lowest probability that belongs to it.
        low: f32,
        /// Lowest that does not any more; infinite for everything from `low` on.
        high: f32,
    },
    /// Pictures of one bin of the confidence.
    Confidence {
        /// Index of the bin.
        bin: usize,
        /// Only those classified rightly, only the others, or all.
        right: Option<bool>,
    },
    /// Pictures of either class that were taken for the other.
    Pair {
        /// One class.
        a: usize,
        /// The other.
        b: usize,
    },
    /// All pictures, the highest cross-entropy first.
    Losses,
    /// All mistakes, the most confident first.
    Mistakes,
    /// What the run that it is compared with had wrong, and this one has right.
    PutRight,
    /// What the run that it is compared with had right, and this one has wrong.
    NewlyWrong,
}

impl AppState {
    /// Whether it is of the validation pictures of the run's own training.
    pub fn shows_validation(&self, shown: &ShownEvaluation) -> bool {
        let run = self.runs.iter().find(|r| Some(&r.dir) == shown.run_dir.as_ref());
        let own = run.is_none_or(|r| r.config.data.path.as_ref().is_none_or(|path| *path == shown.data_root));
        shown.run_dir.is_some() && shown.split == Some(Split::Val) && own
    }

    /// The run whose validation pictures could be shown in place of what is: of other pictures, or of another model.
    pub fn run_behind(&self) -> Option<&Path> {
        let shown = self.evaluation.as_ref().filter(|shown| !self.shows_validation(shown))?;
        shown.run_dir.as_deref().or(self.finished_run().map(|r| r.dir.as_path()))
    }

    /// What is judged on other pictures: what was chosen, the run on show, or the newest finished one.
    pub fn model_to_judge(&self) -> Option<PathBuf> {
        let on_show = || self.evaluation.as_ref().and_then(|e| e.run_dir.clone());
        let newest = || self.finished_run().map(|r| r.dir.clone());
        self.judged_model.clone().or_else(on_show).or_else(newest)
    }

    /// The run on show with the number of its test pictures, where it has any.
    pub fn test_pictures(&self) -> Option<(&Path, usize)> {
        let run = self.evaluation.as_ref()?.run_dir.as_deref()?;
        let data = self.dataset()?;
        let config = &self.runs.iter().find(|r| r.dir == run)?.config;
        let count = data.samples.iter().filter(|s| s.split == Split::Test).count();
        (count > 0 && config.data.path.as_ref() == Some(&data.root)).then_some((run, count))
    }

    /// A run's own evaluation cannot be read, which is told once.
    pub fn evaluation_unreadable(&mut self, run: PathBuf, why: Error) {
        let new = Some((run.clone(), why.clone()));
        if self.unreadable_evaluation == new {
            return;
        }
        self.unreadable_evaluation = new;
        let text = format!("What run {} got right and wrong cannot be read: {why}", file_name(&run));
        self.notices.push_with(Tone::Warn, text, "Judge it anew", Action::JudgeRun(run));
    }

    /// How often the test pictures of the run on show were judged, by it and by others.
    pub fn test_judged(&mut self, run: &Path, own: usize, others: usize) {
        if let Some(shown) = self.evaluation.as_mut().filter(|s| s.run_dir.as_deref() == Some(run)) {
            (shown.test_judged, shown.test_judged_by_others) = (own, others);
        }
    }

    /// A model was judged on other pictures than the validation pictures of its training.
    pub(super) fn judged(&mut self, judged: Judged) {
        let run = self.runs.iter().find(|r| r.dir == judged.model);
        let model = run.map_or_else(|| file_name(&judged.model), |r| format!("run {}", r.id));
        let folder = file_name(&judged.data);
        let title = match judged.split {
            Some(Split::Test) => {
                let times = times_judged(judged.test_judged, judged.test_judged_by_others);
                format!("{model} · test pictures, {times}")
            }
            Some(split) => format!("{model} · {} pictures of {folder}", split_name(split)),
            None => format!("{model} · all pictures of {folder}"),
        };
        let run_dir = run.map(|r| r.dir.clone());
        let m = &judged.evaluation.confusion;
        let text = format!("{:.3} accuracy · {} · {title}", m.accuracy(), part_of(m.correct(), m.total()));
        self.notices.push(Tone::Good, text);
        self.show_evaluation(judged.evaluation, judged.data, run_dir, &title, judged.cautions);
        if let Some(shown) = &mut self.evaluation {
            (shown.split, shown.test_judged) = (judged.split, judged.test_judged);
            shown.test_judged_by_others = judged.test_judged_by_others;
        }
    }

    /// Puts the evaluation of validation pictures on show.
    pub fn show_evaluation(
        &mut self,
        evaluation: Evaluation,
        data_root: PathBuf,
        run_dir: Option<PathBuf>,
        title: &str,
        cautions: Vec<String>,
    ) {
        self.selection = None;
        let evaluation = Arc::new(evaluation);
        let (split, test_judged, title) = (Some(Split::Val), 0, title.to_owned());
        self.evaluation = Some(ShownEvaluation {
            evaluation,
            data_root,
            run_dir,
            split,
            test_judged,
            test_judged_by_others: 0,
            title,
            cautions,
            compared: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ConfusionMatrix;

    #[test]
    fn what_was_judged_says_on_which_pictures_and_how_often() {
        for (split, words) in [
            (Some(Split::Test), "run-7 · test pictures, judged twice by this run, once by others"),
            (Some(Split::Val), "run-7 · validation pictures of elsewhere"),
            (None, "run-7 · all pictures of elsewhere"),
        ] {
            let mut state = AppState::default();
            let mut confusion = ConfusionMatrix::new(2);
            [(0, 0), (1, 0)].into_iter().for_each(|(truth, predicted)| confusion.add(truth, predicted));
            let classes = vec!["a".to_owned(), "b".to_owned()];
            let evaluation = Evaluation { classes, predictions: Vec::new(), confusion, loss: 1.0 };
            let (model, data) = ("/models/run-7".into(), "/pictures/elsewhere".into());
            let cautions = vec!["1 file cannot be used".to_owned()];
            let (test_judged, test_judged_by_others) = (2, 1);
            let judged =
                Judged { evaluation, model, data, split, test_judged, test_judged_by_others, cautions };
            state.judged(judged);
            let shown = state.evaluation.as_ref().unwrap();
            assert_eq!((shown.title.as_str(), shown.split, shown.test_judged), (words, split, 2));
            assert_eq!(shown.data_root, PathBuf::from("/pictures/elsewhere"));
            assert_eq!(shown.cautions, ["1 file cannot be used"]);
            assert_eq!(state.notices.all()[0].text, format!("0.500 accuracy · 1 of 2 · {words}"));
        }
    }

    #[test]
    fn what_cannot_be_read_of_a_run_is_told_once_with_what_to_do() {
        let mut state = AppState::default();
        for _ in 0..2 {
            state.evaluation_unreadable("/runs/0002".into(), Error::input("the predictions are damaged"));
        }
        let [told] = state.notices.all() else { panic!("{:?}", state.notices.all()) };
        assert!(told.text.starts_with("What run 0002 got right and wrong cannot be read"), "{}", told.text);
        assert_eq!(told.next, Some(("Judge it anew", Action::JudgeRun("/runs/0002".into()))));
    }
}
