//! Jobs that were submitted and have not ended.

use super::AppState;
use crate::session::jobs::JobId;
use std::path::PathBuf;

/// What sort of work a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobKind {
    /// Looking through a folder.
    OpenData,
    /// Drawing the sample pictures.
    WriteSample,
    /// Reading a weight file.
    CheckWeights,
    /// Training into a run's folder.
    Train {
        /// The run's folder.
        run_dir: PathBuf,
    },
    /// Trying learning rates.
    FindRate,
    /// Judging a model.
    Evaluate,
    /// Classifying pictures.
    Predict,
    /// Looking at what a model sees in a picture.
    Explain,
    /// Comparing all pictures by a run's features.
    Analyse,
    /// Arranging all pictures by their neighbours.
    Arrange,
    /// Copying classified pictures.
    Copy,
    /// Saving a model.
    Export,
    /// Measuring how fast a backbone is.
    MeasureSpeed,
}

impl JobKind {
    /// What happens, in one word or two, for the status bar.
    pub fn words(&self) -> &'static str {
        match self {
            Self::OpenData => "Looking through the pictures",
            Self::WriteSample => "Drawing the sample pictures",
            Self::CheckWeights => "Reading the weights",
            Self::Train { .. } => "Training",
            Self::FindRate => "Trying learning rates",
            Self::Evaluate => "Evaluating",
            Self::Predict => "Classifying",
            Self::Explain => "Looking into the model",
            Self::Analyse => "Comparing the pictures",
            Self::Arrange => "Arranging the pictures",
            Self::Copy => "Copying the pictures",
            Self::Export => "Saving the model",
            Self::MeasureSpeed => "Measuring speed",
        }
    }
}

/// A job that was submitted and has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningJob {
    /// Its number.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Window time at which it, or the present part of it, began, in seconds; `None` while it waits for its turn.
    pub started_s: Option<f64>,
    /// `(done, total)`.
    pub progress: Option<(usize, usize)>,
    /// Held by the user.
    pub paused: bool,
    /// Asked to end (stop and keep the best, or cancel), and not yet there.
    pub stopping: bool,
}

impl RunningJob {
    /// One that waits for its turn.
    pub fn new(id: JobId, kind: JobKind) -> Self {
        Self { id, kind, started_s: None, progress: None, paused: false, stopping: false }
    }

    /// About how long it takes from now, in seconds; nothing where it has not run long enough to tell.
    pub fn seconds_left(&self, now_s: f64) -> Option<f64> {
        /// Of running, in seconds.
        const ENOUGH_S: f64 = 1.0;
        let ((done, total), ran) = (self.progress?, now_s - self.started_s?);
        (ran >= ENOUGH_S && done > 0).then(|| ran / done as f64 * total.saturating_sub(done) as f64)
    }

    /// Whether it trains.
    pub fn is_training(&self) -> bool {
        matches!(self.kind, JobKind::Train { .. })
    }
}

impl AppState {
    /// The job to tell of first: training where it runs, or else what was asked for first. A look at one picture is no job to
    /// tell of, because its place says how it stands.
    pub fn job(&self) -> Option<&RunningJob> {
        let (runs, told) = (
            |j: &&RunningJob| j.started_s.is_some(),
            || self.jobs.iter().filter(|j| j.kind != JobKind::Explain),
        );
        told().filter(runs).find(|j| j.is_training()).or_else(|| told().find(runs)).or_else(|| told().next())
    }

    /// What runs beside [`Self::job`].
    pub fn jobs_beside(&self) -> impl Iterator<Item = &RunningJob> {
        let first = self.job().map(|j| j.id);
        let told = self.jobs.iter().filter(|j| j.kind != JobKind::Explain && j.started_s.is_some());
        told.filter(move |j| Some(j.id) != first)
    }

    /// The job whose result would be lost if the window was closed now; of several, training first.
    pub fn lost_by_closing(&self) -> Option<&RunningJob> {
        let lost = |job: &&RunningJob| match job.kind {
            JobKind::FindRate
            | JobKind::Evaluate
            | JobKind::Predict
            | JobKind::Arrange
            | JobKind::Copy
            | JobKind::Export => true,
            // What was compared before is only read, unless the pictures are others since.
            JobKind::Analyse => {
                let runs = job.progress.is_some_and(|(done, total)| done < total);
                self.insight.kept.is_none() || (runs && !self.insight.second_part)
            }
            JobKind::Train { .. }
            | JobKind::OpenData
            | JobKind::WriteSample
            | JobKind::CheckWeights
            | JobKind::Explain
            | JobKind::MeasureSpeed => false,
        };
        self.training_job().or_else(|| self.jobs.iter().find(lost))
    }

    /// The training job, running or waiting.
    pub fn training_job(&self) -> Option<&RunningJob> {
        self.jobs.iter().find(|j| matches!(j.kind, JobKind::Train { .. }))
    }

    /// The job of one sort, running or waiting.
    pub fn job_of(&self, kind: &JobKind) -> Option<&RunningJob> {
        self.jobs.iter().find(|j| j.kind == *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_asks_about_what_would_be_lost_and_about_training_first() {
        let job = |n, kind| RunningJob::new(JobId(n), kind);
        let mut state = AppState { close_asked: true, ..AppState::default() };
        let lost = |state: &AppState| state.lost_by_closing().map(|job| job.id);
        state.jobs = vec![job(1, JobKind::Explain), job(2, JobKind::OpenData)];
        assert_eq!((lost(&state), state.question_asked()), (None, false));
        state.jobs.push(job(3, JobKind::Analyse));
        assert_eq!((lost(&state), state.question_asked()), (Some(JobId(3)), true));
        state.insight.kept = Some("/runs/0001".into());
        assert_eq!(lost(&state), None, "it is only read again");
        state.jobs[2].progress = Some((3, 398));
        assert_eq!(lost(&state), Some(JobId(3)), "its pictures are run again");
        state.insight.second_part = true;
        assert_eq!(lost(&state), None, "what they showed is kept by then");
        state.insight.second_part = false;
        state.jobs.extend([job(4, JobKind::Export), job(5, JobKind::Train { run_dir: "/runs/0002".into() })]);
        assert_eq!(lost(&state), Some(JobId(5)));
    }
}
