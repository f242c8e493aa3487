//! A whole training job: preflight, weights, the frozen part once, phases, epochs, the best kept, everything on disk.

mod batches;
mod cache;
mod checkpoint;
mod context;
mod epoch;
mod extend;
mod files;
mod fingerprint;
mod judge;
mod measure;
mod pace;
pub(crate) mod plan;
mod rates;
mod running;
mod solve;
mod table;
mod trainer;
mod updates;

use super::device::{device_name, peak_rss_mib};
use super::{BatchChange, Control, EpochRecord, Evaluation, TrainEvent};
use crate::backbones::weights::label;
use crate::config::{Solver, TrainConfig, TrainMode};
use crate::data::{Dataset, Split, copies_in_training};
use crate::error::Result;
use crate::export::{Bundle, Card, atomic, write_bundle};
use context::Context;
pub use context::written_out;
pub use extend::extend;
pub use files::check_unfinished;
use files::names;
pub(crate) use fingerprint::sha256_of_file;
pub use rates::{RateSearch, RateStep, find_rate};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use trainer::{Trained, Trainer};

/// What to train on what, and where the run goes.
#[derive(Debug, Clone)]
pub struct TrainJob {
    /// All settings.
    pub config: TrainConfig,
    /// The scanned pictures.
    pub dataset: Dataset,
    /// The run's folder; created, must not hold another finished run unless `resume`.
    pub run_dir: PathBuf,
    /// Go on from the run's checkpoint.
    pub resume: bool,
}

/// Quality on the validation pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SplitScore {
    /// Share classified correctly.
    pub accuracy: f64,
    /// Unweighted mean of the classes' F1.
    pub macro_f1: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Pictures that were judged; 0 where an earlier version did not say.
    #[serde(default)]
    pub pictures: usize,
    /// Of them, those that are exact copies of pictures that were learned from: the more, the less the numbers say about others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub copies_in_training: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Schema version, 1.
    pub version: u32,
    /// Backbone's name.
    pub backbone: String,
    /// `frozen`, `last-stages`, `full`, `scratch`.
    pub mode: String,
    /// `cpu`, `cuda`, `metal`.
    pub device: String,
    /// What activations were while training and in `val`: `f32`, `bf16`; empty in runs of before there was a choice.
    #[serde(default)]
    pub precision: String,
    /// Epochs really run.
    pub epochs_run: usize,
    /// From 1; 0 where the solver has no epochs.
    pub best_epoch: usize,
    /// The kept model on the validation pictures.
    pub val: SplitScore,
    /// Wall time of the whole job in seconds, decoding included.
    pub wall_s: f64,
    /// Training pictures that the epochs went through, per second of the whole job.
    pub images_per_s: f64,
    /// Largest resident memory of the process, in MiB; 0 where the system does not tell (anywhere but Linux).
    pub peak_rss_mib: u64,
    /// When steps got another number of pictures than was chosen; left out where they never did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batch_changes: Vec<BatchChange>,
}

/// A finished training job.
#[derive(Debug, Clone)]
pub struct TrainOutcome {
    /// What `summary.json` holds.
    pub summary: Summary,
    /// Every epoch.
    pub epochs: Vec<EpochRecord>,
    /// The kept model on the validation pictures.
    pub evaluation: Evaluation,
    /// The run's folder.
    pub run_dir: PathBuf,
}

/// Runs a training job to its end. Writes `config.toml`, `metrics.jsonl`, `checkpoint/`, `predictions.csv`, `summary.json`
/// and `model/` into the run's folder, each atomically; `summary.json` comes last and marks a finished run.
///
/// The same seed gives the same result on the same machine, and a resumed run the same as an uninterrupted one. Asked to stop
/// and keep the best before there is a first epoch, it ends as cancelled: there is nothing to keep.
///
/// # Errors
/// If the data, the weights or the settings do not fit, the disk is full, the loss stops being finite, or it is cancelled.
/// More than a fifth of the pictures undecodable is [`ErrorKind::NeedsConfirmation`](crate::ErrorKind::NeedsConfirmation)
/// unless `data.allow_many_unreadable` is set.
pub fn train(
    job: &TrainJob,
    control: &Control,
    on_event: &(dyn Fn(TrainEvent) + Sync),
) -> Result<TrainOutcome> {
    let (mut ctx, mut network) = Context::prepare(job, control, on_event)?;
    measure::batch_size(&mut ctx, &mut network, job)?;
    atomic::write(&ctx.run_dir.join(names::CONFIG), ctx.config.to_toml()?.as_bytes())?;
    let trained = match ctx.config.train.solver {
        Solver::Logistic => solve::solve(&ctx, network)?,
        Solver::Gradient => Trainer::new(&ctx, network, job.resume)?.run()?,
    };
    finish(&ctx, trained)
}

/// Writes what a finished run leaves behind.
fn finish(ctx: &Context<'_>, t: Trained) -> Result<TrainOutcome> {
    let summary = Summary {
        version: 1,
        backbone: t.network.spec.name.to_owned(),
        mode: mode_name(ctx.resolved.mode).to_owned(),
        device: device_name(t.network.store.device()).to_owned(),
        precision: if t.network.computes_in_bf16() { "bf16" } else { "f32" }.to_owned(),
        epochs_run: t.records.len(),
        best_epoch: t.best_epoch,
        val: SplitScore {
            accuracy: t.evaluation.confusion.accuracy(),
            macro_f1: t.evaluation.confusion.macro_f1(),
            loss: t.evaluation.loss,
            pictures: t.evaluation.confusion.total(),
            copies_in_training: copies_in_training(&ctx.dataset, &ctx.contents, Split::Val),
        },
        wall_s: 0.0,
        images_per_s: t.images_per_s,
        peak_rss_mib: 0,
        batch_changes: t.batch_changes,
    };
    let bundle = Bundle {
        classes: ctx.dataset.classes.clone(),
        head: ctx.config.head.clone(),
        cut_stage: ctx.config.backbone.cut_stage.clone(),
        preprocess: ctx.maker.preprocess,
    };
    write_bundle(&ctx.run_dir.join(names::MODEL), &t.network, &bundle, &card(ctx, &summary, &t.evaluation)?)?;
    atomic::write(&ctx.run_dir.join(names::PREDICTIONS), &t.evaluation.to_csv()?)?;
    let summary = Summary {
        wall_s: t.elapsed_before_s + ctx.started.elapsed().as_secs_f64(),
        peak_rss_mib: peak_rss_mib(),
        ..summary
    };
    files::write_summary(&ctx.run_dir, &summary)?;
    Ok(TrainOutcome { summary, epochs: t.records, evaluation: t.evaluation, run_dir: ctx.run_dir.clone() })
}

fn card(ctx: &Context<'_>, summary: &Summary, e: &Evaluation) -> Result<Card> {
    let m = &e.confusion;
    let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
    // Folders of the user's machine are nobody else's business.
    let mut settings = ctx.config.clone();
    (settings.data.path, settings.data.labels) = (None, None);
    settings.backbone.weights = settings.backbone.weights.map(|p| label(&p).into());
    Ok(Card {
        data: name(&ctx.dataset.root).unwrap_or_else(|| "pictures".to_owned()),
        train_counts: ctx.dataset.class_counts(Split::Train),
        confusion: (0..m.classes()).map(|t| (0..m.classes()).map(|p| m.count(t, p)).collect()).collect(),
        accuracy: summary.val.accuracy,
        macro_f1: summary.val.macro_f1,
        loss: summary.val.loss,
        copies_in_training: summary.val.copies_in_training,
        mode: summary.mode.clone(),
        epochs: (summary.epochs_run, summary.best_epoch),
        weights: ctx.config.backbone.weights.as_deref().map(label),
        settings: settings.to_toml()?,
    })
}

fn mode_name(mode: TrainMode) -> &'static str {
    match mode {
        TrainMode::Auto | TrainMode::Frozen => "frozen",
        TrainMode::LastStages => "last-stages",
        TrainMode::Full => "full",
        TrainMode::Scratch => "scratch",
    }
}

#[cfg(test)]
mod full_memory;
#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod on_card;
