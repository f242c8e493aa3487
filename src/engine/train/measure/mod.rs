//! How many pictures a step has on a card where the user left that open: measured on steps of the user's own pictures before training
//! begins.
//!
//! A processor is as busy with small steps as with large ones, and learns more from small ones; a card is not. Rates that were left open
//! grow with the size: linearly for SGD (Goyal et al. 2017, arXiv:1706.02677), by its root for the Adam family (Malladi et al. 2022,
//! arXiv:2205.10287).

mod search;

use super::TrainJob;
use super::batches::Batch;
use super::context::Context;
use super::epoch::{Epoch, Sums};
use super::plan::{Input, Phase};
use super::running::Running;
use super::updates::Updates;
use crate::backbones::Network;
use crate::config::{OptimizerKind, Solver};
use crate::engine::device::card_memory;
use crate::engine::views::{EVAL_BATCH, Request, View};
use crate::engine::{BatchChange, BatchReason, TrainEvent};
use crate::error::{Result, count};
use crate::nn::layers::Forward;
use crate::nn::ops::card::free_unused;
use candle_core::Tensor;
use search::{Found, Limit, Trial, search};
use std::time::Instant;

/// Steps that are timed of each size, behind one that is not: the median counts.
const TIMED: usize = 3;

/// How large steps may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Steps that an epoch has at least: with fewer, little is learned in the epochs that are planned.
    pub(super) steps: usize,
    /// Times the size that suits the mode: rates that grow with it are trusted no further.
    pub(super) growth: usize,
}

const BOUNDS: Bounds = Bounds { steps: 16, growth: 8 };

/// Measures and chooses where the work is done on a card, the size of steps was left open, and a step goes through the network. Weights are
/// afterwards what they were.
///
/// # Errors
/// If a picture cannot be decoded, a step fails for another reason than a full memory, or the job is cancelled.
pub(super) fn batch_size(ctx: &mut Context<'_>, network: &mut Network, job: &TrainJob) -> Result<()> {
    let open = job.config.train.batch_size.is_none() && !job.resume;
    if !open || ctx.config.train.solver != Solver::Gradient || network.store.device().is_cpu() {
        return Ok(());
    }
    choose(ctx, network, job, BOUNDS)
}

/// [`batch_size`] on any device.
pub(super) fn choose(
    ctx: &mut Context<'_>,
    network: &mut Network,
    job: &TrainJob,
    bounds: Bounds,
) -> Result<()> {
    let through = ctx.phases.iter().filter(|p| p.input != Input::Features);
    let Some(phase) = through.min_by_key(|p| p.first_stage).cloned() else { return Ok(()) };
    let first = ctx.resolved.batch_size;
    let most = (ctx.train.len() / bounds.steps.max(1)).min(first * bounds.growth);
    if most < 2 * first {
        return Ok(());
    }
    ctx.note("Measuring how many pictures a step should have on this card");
    network.freeze_below(phase.first_stage);
    let before = network.store.snapshot()?;
    let found = search((first, most), |size| trial(ctx, network, &phase, size));
    // What the last trial held is free only once the card is done with it.
    free_unused(network.store.device())?;
    network.store.restore(&before)?;
    let Some(found) = found? else { return Ok(()) };
    ctx.note(words(&found, first));
    if found.size != first {
        take(ctx, job, found.size);
        let change = BatchChange { epoch: 1, from: first, to: found.size, reason: BatchReason::Measured };
        ctx.batch_changes.push(change);
        (ctx.on_event)(TrainEvent::BatchSize(change));
    }
    Ok(())
}

/// Makes a few steps of the phase with so many pictures.
fn trial(ctx: &Context<'_>, network: &Network, phase: &Phase, size: usize) -> Result<Trial> {
    let epoch = Epoch {
        ctx,
        network,
        phase,
        cache: None,
        batch_size: size,
        epoch: phase.first_epoch,
        planned: phase.end(),
        eta_after_s: None,
        lately_images_per_s: None,
    };
    let batch = Batch { step: 0, steps: 1, pictures: (0..size).collect() };
    let x = match phase.input {
        Input::Maps => maps(ctx, network, phase.first_stage, &batch.pictures)?,
        Input::Pictures | Input::Features => epoch.inputs(&batch)?,
    };
    let settings = (&ctx.config.train, &ctx.resolved);
    let mut updates = Updates::new(settings, network, phase, &Default::default())?;
    let mut seconds = Vec::with_capacity(TIMED);
    for round in 0..=TIMED {
        ctx.control.checkpoint()?;
        let began = Instant::now();
        epoch.step(&batch, &x, &mut updates, (&mut Sums::default(), &mut Running::default()))?;
        network.store.device().synchronize()?;
        if round > 0 {
            seconds.push(began.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(TIMED / 2).copied().unwrap_or_default().max(1e-9);
    Ok(Trial { images_per_s: size as f64 / median, memory: card_memory(network.store.device()) })
}

/// What the frozen part makes of pictures, as a phase reads it that begins behind it.
fn maps(ctx: &Context<'_>, network: &Network, boundary: usize, pictures: &[usize]) -> Result<Tensor> {
    let f = Forward::eval(&network.store);
    let mut parts = Vec::with_capacity(pictures.len().div_ceil(EVAL_BATCH));
    for part in pictures.chunks(EVAL_BATCH) {
        let request = |&i: &usize| {
            let (picture, path) = &ctx.train[i];
            Request { path: path.clone(), picture: *picture, views: vec![View::Cached(0)] }
        };
        let x = ctx.maker.batch(&part.iter().map(request).collect::<Vec<_>>(), network.store.device())?;
        parts.push(network.forward_stages(&f, &x, 0, boundary)?);
    }
    Ok(Tensor::cat(&parts, 0)?)
}

/// Takes over a size, and the rates that suit it where they were left open.
fn take(ctx: &mut Context<'_>, job: &TrainJob, size: usize) {
    let times = size as f64 / ctx.resolved.batch_size as f64;
    let factor = match ctx.resolved.optimizer {
        OptimizerKind::Sgd => times,
        OptimizerKind::Adam | OptimizerKind::AdamW => times.sqrt(),
    };
    let (asked, written) = (&job.config.train, &mut ctx.config.train);
    ctx.resolved.batch_size = size;
    written.batch_size = Some(size);
    if !asked.phases.is_empty() {
        for ((phase, own), asked) in ctx.phases.iter_mut().zip(&mut written.phases).zip(&asked.phases) {
            if asked.learning_rate.is_none() {
                phase.learning_rate *= factor;
                own.learning_rate = Some(phase.learning_rate);
            }
        }
        return;
    }
    let rates = &mut ctx.resolved;
    let (open, head_open) = (asked.learning_rate.is_none(), asked.head_learning_rate.is_none());
    if open {
        rates.learning_rate *= factor;
        written.learning_rate = Some(rates.learning_rate);
    }
    if head_open {
        rates.head_learning_rate *= factor;
        written.head_learning_rate = Some(rates.head_learning_rate);
    }
    for phase in &mut ctx.phases {
        let grows = if phase.input == Input::Features { head_open } else { open };
        if grows {
            phase.learning_rate *= factor;
        }
    }
}

/// "64 pictures a step: 410 a second, with 16 it is 120. Larger steps are hardly faster. Learning rates …".
fn words(found: &Found, first: usize) -> String {
    let why = match found.limit {
        Limit::NoFaster => "Larger steps are hardly faster",
        Limit::Memory => "Larger steps would fill the card's memory",
        Limit::Size => "Larger steps were not tried",
    };
    let (before, now) = found.images_per_s;
    let pictures = count(found.size, "picture", "pictures");
    match found.size == first {
        true => format!("{pictures} a step: {now:.0} a second. {why}"),
        false => format!(
            "{pictures} a step: {now:.0} a second, with {first} it is {before:.0}. {why}. Learning rates that were left open grow with it"
        ),
    }
}

#[cfg(test)]
mod tests;
