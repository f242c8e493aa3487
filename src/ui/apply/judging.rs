//! Which evaluation is shown, and judging a model on other pictures.

use crate::engine::Evaluation;
use crate::session::jobs::JobRequest;
use crate::session::{RunInfo, RunState, copies_words};
use crate::ui::app::App;
use crate::ui::disk::DiskRequest;
use crate::ui::state::{JobKind, Screen, Tone};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl App {
    pub(in crate::ui) fn show_run(&mut self, dir: &Path) {
        if let Some(run) = self.state.runs.iter().find(|r| r.dir == dir && r.state == RunState::Finished) {
            self.disk.ask(DiskRequest::Evaluation(Box::new(run.clone())));
            self.state.screen = Screen::Evaluate;
            // Who asks is told once more what hinders it.
            self.state.unreadable_evaluation = None;
        }
    }

    pub(in crate::ui) fn judge_run(&mut self, dir: &Path) {
        let run = self.state.runs.iter().find(|r| r.dir == dir);
        if let Some(data) = run.and_then(|r| r.config.data.path.clone()) {
            let request = JobRequest::Evaluate { model: dir.to_path_buf(), data, labels: None, test: false };
            self.submit(JobKind::Evaluate, request);
            self.state.screen = Screen::Evaluate;
        }
    }

    pub(in crate::ui) fn judge_test(&mut self) {
        let test = self.state.test_pictures().map(|(run, _)| run.to_path_buf());
        if let (Some(model), Some(data)) = (test, self.state.dataset().map(|d| d.root.clone())) {
            self.submit(JobKind::Evaluate, JobRequest::Evaluate { model, data, labels: None, test: true });
        }
    }

    pub(in crate::ui) fn judge_folder(&mut self, data: PathBuf) {
        match self.state.model_to_judge() {
            Some(model) => {
                self.submit(
                    JobKind::Evaluate,
                    JobRequest::Evaluate { model, data, labels: None, test: false },
                );
            }
            None => {
                let text = "There is no model yet. Train one, or choose a saved model to judge.";
                self.state.notices.push(Tone::Warn, text);
            }
        }
    }

    pub(in crate::ui) fn evaluation_read(
        &mut self,
        run: &RunInfo,
        evaluation: Evaluation,
        test_judged: usize,
    ) {
        let root = run.config.data.path.clone().unwrap_or_default();
        let title = format!("run {} · validation", run.id);
        let copies = run.summary.as_ref().map_or(0, |s| s.val.copies_in_training);
        let cautions = copies_words(copies).into_iter().collect();
        self.state.show_evaluation(evaluation, root, Some(run.dir.clone()), &title, cautions);
        if let Some(shown) = &mut self.state.evaluation {
            shown.test_judged = test_judged;
        }
        self.compare();
    }

    /// Asks how often the test pictures of the run on show were judged: other runs may have been, too.
    pub(in crate::ui) fn ask_test_judged(&self) {
        if let Some(run) = self.state.evaluation.as_ref().and_then(|shown| shown.run_dir.clone()) {
            self.disk.ask(DiskRequest::TestJudged(run));
        }
    }

    /// Asks what changed from the run to compare with to the one on show, on the validation pictures.
    pub(in crate::ui) fn compare(&mut self) {
        let own = self.state.evaluation.as_ref().is_some_and(|shown| self.state.shows_validation(shown));
        let Some(shown) = self.state.evaluation.as_mut().filter(|_| own) else { return };
        shown.compared = None;
        if let (Some(before), Some(run_dir)) = (&self.state.compare_with, &shown.run_dir)
            && before != run_dir
        {
            let (before, after) = (before.clone(), (run_dir.clone(), Arc::clone(&shown.evaluation)));
            self.disk.ask(DiskRequest::Compare(before, after));
        }
    }
}
