//! Where training stands, as a state and in words.

use crate::backbones;
use crate::config::{TrainConfig, TrainMode};
use crate::data::Split;
use crate::engine::memory::MemoryUse;
use crate::engine::{BatchChange, CacheProgress, EpochRecord, StepProgress, Summary};
pub use crate::error::count;
use crate::error::{Error, part_of, thousands};
use crate::session::{RunInfo, RunState};
use crate::ui::AppState;
use crate::ui::shell::clock;
use crate::ui::state::division::judged_otherwise;
use crate::ui::state::{
    LiveTraining, TrainingEnd, megabytes, setting_name, setting_value, with_setting_names,
};

/// Where training stands.
#[derive(Debug, Clone)]
pub enum Standing<'a> {
    /// No pictures are open.
    NoPictures,
    /// It could begin.
    Ready,
    /// It cannot begin; why.
    Blocked(String),
    /// The newest run was cut off.
    Interrupted(&'a RunInfo),
    /// It runs, or waits for its turn.
    Running(Running),
    /// It ended with a model.
    Finished(&'a Summary),
    /// It was stopped on request and left a model.
    Stopped(&'a Summary),
    /// It was cancelled.
    Cancelled,
    /// It failed.
    Failed(&'a Error),
}

/// A running training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Running {
    /// What it is at.
    pub at: At,
    /// Held by the user.
    pub paused: bool,
    /// Asked to end.
    pub stopping: bool,
    /// Asked to end with the present epoch.
    pub last_epoch: bool,
    /// How much of the epochs is done, by time, in `[0, 1]`.
    pub share: f32,
}

/// What a running training is at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum At {
    /// Another job is first.
    Waiting,
    /// Weights are read and everything is made ready.
    Starting,
    /// Pictures are looked through: `(done, total)`.
    Pictures(usize, usize),
    /// The frozen part is computed.
    Cache(CacheProgress),
    /// Epochs.
    Step(StepProgress),
}

/// Reads it off the state.
pub fn standing(state: &AppState) -> Standing<'_> {
    if let (Some(job), live) = (state.training_job(), &state.training) {
        let at = match live {
            _ if job.started_s.is_none() => At::Waiting,
            Some(LiveTraining { cache: Some(c), .. }) => At::Cache(*c),
            Some(LiveTraining { step: Some(s), .. }) => At::Step(*s),
            Some(LiveTraining { preflight: Some((done, total)), .. }) => At::Pictures(*done, *total),
            _ => At::Starting,
        };
        let last_epoch = live.as_ref().is_some_and(|t| t.last_epoch);
        let share = live.as_ref().map_or(0.0, |t| t.share.done());
        let (paused, stopping) = (job.paused, job.stopping);
        return Standing::Running(Running { at, paused, stopping, last_epoch, share });
    }
    match state.training.as_ref().and_then(|t| t.end.as_ref()) {
        Some(TrainingEnd::Finished(summary)) => return Standing::Finished(summary),
        Some(TrainingEnd::Stopped(summary)) => return Standing::Stopped(summary),
        Some(TrainingEnd::Failed(error)) => return Standing::Failed(error),
        Some(TrainingEnd::Cancelled) => return Standing::Cancelled,
        None => {}
    }
    match (state.interrupted_run(), state.train_block()) {
        (Some(run), _) => Standing::Interrupted(run),
        _ if state.preflight.is_none() => Standing::NoPictures,
        (None, Some(why)) => Standing::Blocked(why),
        (None, None) => Standing::Ready,
    }
}

impl Standing<'_> {
    /// One line on where things stand.
    pub fn title(&self) -> String {
        match self {
            Self::NoPictures => "No pictures yet".to_owned(),
            Self::Ready => "Ready to train".to_owned(),
            Self::Blocked(_) => "Not ready to train".to_owned(),
            Self::Interrupted(run) => format!("Run {} was interrupted", run.id),
            Self::Running(r) if r.stopping => "Ending at the next step".to_owned(),
            Self::Running(r) if r.paused => "Paused".to_owned(),
            Self::Running(Running { at: At::Step(s), last_epoch: true, .. }) => {
                format!("Last epoch, {} of {}", s.epoch, s.epochs)
            }
            Self::Running(Running { at, .. }) => match at {
                At::Waiting => "Waiting for its turn".to_owned(),
                At::Starting => "Getting ready".to_owned(),
                At::Pictures(..) => "Looking at pictures".to_owned(),
                At::Cache(_) => "Preparing pictures".to_owned(),
                At::Step(s) => format!("Epoch {} of {}", s.epoch, s.epochs),
            },
            Self::Finished(_) => "Training is finished".to_owned(),
            Self::Stopped(s) => format!("Training was stopped after epoch {}", s.epochs_run),
            Self::Cancelled => "Training was cancelled".to_owned(),
            Self::Failed(_) => "Training failed".to_owned(),
        }
    }

    /// One or two sentences under the title.
    pub fn detail(&self, state: &AppState) -> String {
        match self {
            Self::NoPictures => {
                "Open a folder of pictures, or try the sample, to have something to learn from".to_owned()
            }
            Self::Ready => plan(state),
            Self::Blocked(why) => why.clone(),
            Self::Interrupted(run) => format!(
                "{} of {} are on disk. Continuing gives the same result as if nothing had happened",
                run.epochs.len(),
                count(planned(&run.config, &run.epochs), "epoch", "epochs"),
            ),
            Self::Running(r) => running(r, state),
            Self::Finished(s) => finished(state, s),
            Self::Stopped(s) => stopped(state, s),
            Self::Cancelled => cancelled(state),
            Self::Failed(error) => sentence(&with_setting_names(&error.to_string())),
        }
    }

    /// Progress of what is going on, in `[0, 1]`, where there is some.
    pub fn progress(&self) -> Option<f32> {
        let frac = |done: usize, total: usize| (total > 0).then(|| done as f32 / total as f32);
        match self {
            Self::Running(Running { at, share, .. }) => match at {
                At::Pictures(done, total) => frac(*done, *total),
                At::Cache(c) => frac(c.done, c.total),
                At::Step(_) => Some(*share),
                At::Waiting | At::Starting => None,
            },
            _ => None,
        }
    }
}

fn running(r: &Running, state: &AppState) -> String {
    match r.at {
        At::Waiting => "It begins when the present job has ended".to_owned(),
        At::Starting => "Reading the weights and setting up the network".to_owned(),
        At::Pictures(done, total) => {
            format!("{} of {}", thousands(done), count(total, "picture", "pictures"))
        }
        At::Cache(c) => cache(&c),
        At::Step(s) => {
            let left = s.eta_s.map_or(String::new(), |left| format!(" · {} left", clock(left)));
            let memory = state.training.as_ref().and_then(|t| t.memory);
            let memory = memory.map_or(String::new(), |now| memory_in_use(&now));
            format!(
                "Step {} · loss {:.3} · {:.0} pictures a second{left}{memory}",
                part_of(s.step, s.steps),
                s.loss,
                s.images_per_s
            )
        }
    }
}

/// " · 1.2 GB of memory · 9.1 GB of 24.0 GB in use on the card", as far as it is known.
fn memory_in_use(now: &MemoryUse) -> String {
    let own = now.bytes.map_or(String::new(), |bytes| format!(" · {} of memory", megabytes(bytes)));
    let card = now.card.map_or(String::new(), |card| {
        format!(" · {} of {} in use on the card", megabytes(card.used), megabytes(card.total))
    });
    own + &card
}

/// When steps of the training that runs, or of the one that ended with a model, got another number of pictures than was chosen.
pub fn batch_changes<'a>(state: &'a AppState, standing: &Standing<'a>) -> &'a [BatchChange] {
    match standing {
        Standing::Finished(s) | Standing::Stopped(s) => &s.batch_changes,
        Standing::Running(_) => state.training.as_ref().map_or(&[], |t| &t.batch_changes),
        _ => &[],
    }
}

/// "640 of 1,373 looks at pictures, 95 a second, 0:08 left": the part of the network that does not learn sees each picture
/// only now, in a few varied views.
pub fn cache(c: &CacheProgress) -> String {
    let left = c.total.saturating_sub(c.done) as f64 / c.views_per_s;
    let rest = if left.is_finite() {
        format!(", {:.0} a second, {} left", c.views_per_s, clock(left))
    } else {
        String::new()
    };
    format!("{} looks at pictures{rest}", part_of(c.done, c.total))
}

/// What is about to happen: "244 pictures, 2 classes, MobileNetV2, only the head learns".
pub fn plan(state: &AppState) -> String {
    let Some(data) = state.dataset() else { return String::new() };
    let pictures = data.class_counts(Split::Train).iter().sum::<usize>();
    format!(
        "{} to learn from, {}, {}, {}",
        count(pictures, "picture", "pictures"),
        count(data.classes.len(), "class", "classes"),
        backbone_title(&state.config.backbone.name),
        what_learns(&state.config),
    )
}

/// Name for people of a registered backbone; its own name where it is not registered.
pub fn backbone_title(name: &str) -> String {
    backbones::find(name).map_or_else(|_| name.to_owned(), |s| s.title.to_owned())
}

/// What learns, in words.
pub fn what_learns(config: &TrainConfig) -> String {
    if !config.train.phases.is_empty() {
        return format!("in phases of your own: {}", super::phases::in_short(config));
    }
    let r = config.train.resolve(config.backbone.weights.is_some());
    match r.mode {
        TrainMode::Auto | TrainMode::Frozen => "only the head learns".to_owned(),
        TrainMode::LastStages => {
            format!("the head and the last {} learn", count(config.train.last_stages, "stage", "stages"))
        }
        TrainMode::Full => "everything learns, the head first".to_owned(),
        TrainMode::Scratch => "everything learns, from random weights".to_owned(),
    }
}

/// What learns, in a word or two.
pub fn learns_in_short(config: &TrainConfig) -> String {
    if !config.train.phases.is_empty() {
        return count(config.train.phases.len(), "own phase", "own phases");
    }
    match config.train.resolve(config.backbone.weights.is_some()).mode {
        TrainMode::Auto | TrainMode::Frozen => "only the head".to_owned(),
        TrainMode::LastStages => format!("last {}", count(config.train.last_stages, "stage", "stages")),
        TrainMode::Full => "everything".to_owned(),
        TrainMode::Scratch => "from scratch".to_owned(),
    }
}

/// "0.948 · 145 of 153 · validation · best of 25 epochs: 17 · 0:42".
fn finished(state: &AppState, s: &Summary) -> String {
    let total = judged_pictures(state, s);
    let epochs = if s.best_epoch == 0 {
        "fitted at once".to_owned()
    } else {
        format!("best epoch {} of {}", s.best_epoch, s.epochs_run)
    };
    format!("Accuracy {} · {epochs} · {} in all", score(s.val.accuracy, total), clock(s.wall_s))
}

/// "Epoch 12 is kept, of 80 that were planned · accuracy 0.948 · 145 of 153 · validation · 0:42 in all".
fn stopped(state: &AppState, s: &Summary) -> String {
    let planned = state.training.as_ref().map_or(0, LiveTraining::planned);
    format!(
        "Epoch {} is kept, of {planned} planned · accuracy {} · {} in all",
        s.best_epoch,
        score(s.val.accuracy, judged_pictures(state, s)),
        clock(s.wall_s)
    )
}

/// What is on disk of the run that was cancelled.
fn cancelled(state: &AppState) -> String {
    let dir = state.training.as_ref().map(|t| &t.run_dir);
    let run = state.runs.iter().find(|r| Some(&r.dir) == dir);
    if run.is_some_and(|r| r.state == RunState::Interrupted) {
        "What was saved before stays: the run can be continued from its last checkpoint".to_owned()
    } else {
        "No epoch was finished, so there is nothing to continue from".to_owned()
    }
}

/// In which settings training from scratch differs from a run's own: "Different: no weight file, “Epochs” 9 instead of 5".
pub fn from_scratch_words(config: &TrainConfig) -> String {
    let scratch = config.from_scratch();
    let plain = |key: &str, v: Option<String>| v.map_or("automatic".to_owned(), |v| setting_value(key, &v));
    let differences = config.differences(&scratch).unwrap_or_default();
    let told: Vec<String> = differences
        .into_iter()
        .map(|d| match d.key.as_str() {
            "backbone.weights" => "no weight file".to_owned(),
            key => {
                let (is, was) = (plain(key, d.after), plain(key, d.before));
                format!("\u{201c}{}\u{201d} {is} instead of {was}", setting_name(key))
            }
        })
        .collect();
    format!("Different: {}", told.join(", "))
}

/// Whether pretrained weights exist for the backbone and none are chosen, without anybody having asked for random ones.
pub fn misses_weights(config: &TrainConfig) -> bool {
    let published = backbones::find(&config.backbone.name).is_ok_and(|s| !s.sources.is_empty());
    published && config.backbone.weights.is_none() && config.train.mode != TrainMode::Scratch
}

/// Validation pictures of the open folder.
pub fn val_pictures(state: &AppState) -> usize {
    state.dataset().map_or(0, |d| d.class_counts(Split::Val).iter().sum())
}

/// Validation pictures that a finished run was judged on: as it says itself, whatever is open now.
pub fn judged_pictures(state: &AppState, summary: &Summary) -> usize {
    match summary.val.pictures {
        0 => val_pictures(state),
        own => own,
    }
}

/// Validation pictures that a run is judged on, whatever is open now; 0 where that is not known, because it has no summary and the
/// pictures are divided otherwise by now.
pub fn judged_by(state: &AppState, run: &RunInfo, config: &TrainConfig) -> usize {
    match &run.summary {
        Some(summary) => judged_pictures(state, summary),
        None if run.damage.is_some() || judged_otherwise(&config.data, &state.config.data).is_some() => 0,
        None => val_pictures(state),
    }
}

/// A share with what it is of: "0.948 · 145 of 153 · validation"; without the counts where they are not known.
pub fn score(accuracy: f64, total: usize) -> String {
    format!("{} · validation", share(accuracy, total))
}

/// The same where a heading says that it is of the validation pictures.
pub fn share(accuracy: f64, total: usize) -> String {
    match total {
        0 => format!("{accuracy:.3}"),
        _ => format!("{accuracy:.3} · {}", part_of((accuracy * total as f64).round() as usize, total)),
    }
}

/// Epochs that a run is to have.
pub fn planned(config: &TrainConfig, epochs: &[EpochRecord]) -> usize {
    epochs.last().map_or_else(|| config.train.resolve(config.backbone.weights.is_some()).epochs, |e| e.epochs)
}

/// The text with a capital first letter.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frozen_part_is_told_in_words() {
        let c = CacheProgress { done: 640, total: 1373, views_per_s: 95.0 };
        assert_eq!(cache(&c), "640 of 1,373 looks at pictures, 95 a second, 0:08 left");
        let c = CacheProgress { done: 0, total: 10, views_per_s: 0.0 };
        assert_eq!(cache(&c), "0 of 10 looks at pictures");
    }

    #[test]
    fn training_from_scratch_tells_what_differs_by_the_windows_names() {
        let mut c = TrainConfig::default();
        c.backbone.name = "mobilenet_v2".to_owned();
        c.backbone.weights = Some("/w/m.safetensors".into());
        (c.train.mode, c.train.head_epochs) = (TrainMode::Full, Some(2));
        let told = from_scratch_words(&c);
        assert!(told.starts_with("Different: no weight file, “Epochs” "), "{told}");
        for part in [
            "“Head alone, epochs” automatic instead of 2",
            "“What learns” everything, from scratch instead of everything",
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert!(!told.contains("train."), "{told}");
    }

    #[test]
    fn a_score_says_what_it_is_of() {
        assert_eq!(score(145.0 / 153.0, 153), "0.948 · 145 of 153 · validation");
        assert_eq!(score(0.5, 0), "0.500 · validation");
    }

    #[test]
    fn without_anything_open_there_are_no_pictures() {
        let state = AppState::default();
        assert!(matches!(standing(&state), Standing::NoPictures));
        assert!(standing(&state).progress().is_none());
    }
}
