//! Judging the network on the validation pictures, from wherever its inputs come.

use super::cache::FrozenCache;
use super::context::Context;
use super::plan::{Input, Phase};
use crate::backbones::Network;
use crate::engine::evaluate::{Evaluation, evaluation};
use crate::engine::forward;
use crate::engine::views::{EVAL_BATCH, Request, View, pipelined};
use crate::error::Result;
use crate::nn::layers::Forward;
use candle_core::{Device, Tensor};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Class probabilities of every validation picture, in order. The network must be frozen, so that no graph is kept.
///
/// # Errors
/// If a picture cannot be decoded, an output is not finite, or the job is cancelled.
pub(crate) fn validation_probabilities(
    ctx: &Context<'_>,
    network: &Network,
    phase: &Phase,
    cache: Option<&FrozenCache>,
) -> Result<Vec<Vec<f32>>> {
    // A card's are read once all are in its queue, so that it is never idle between them.
    let mut all: Vec<Tensor> = Vec::new();
    let read = |all: Vec<Tensor>| {
        let rows = all.iter().map(|logits| forward::probabilities(logits, ctx.output()));
        Ok(rows.collect::<Result<Vec<_>>>()?.concat())
    };
    let cached = match (phase.input, cache) {
        (Input::Features, Some(c)) => c.features().map(|t| (c, t)),
        (Input::Maps, Some(c)) => c.maps().map(|t| (c, t)),
        _ => None,
    };
    let device = network.store.device();
    let Some((cache, table)) = cached else {
        from_pictures(ctx, device, |views| {
            all.extend(ctx.rows(views.dim(0)?, device, |part| {
                let x = ctx.maker.part(&views, part, device)?;
                Ok(vec![logits(network, &x, Input::Pictures, 0)?])
            })?);
            Ok(())
        })?;
        return read(all);
    };
    // Rows of the head are tiny: one product for all of them.
    let batch = if phase.input == Input::Features { 4096 } else { EVAL_BATCH };
    let rows: Vec<usize> = (0..ctx.val.len()).map(|i| cache.val_row(i)).collect();
    for rows in rows.chunks(batch) {
        ctx.control.checkpoint()?;
        all.extend(ctx.rows(rows.len(), device, |part| {
            let x = table.gather(&rows[part], device)?;
            Ok(vec![logits(network, &x, phase.input, phase.first_stage)?])
        })?);
    }
    read(all)
}

fn logits(network: &Network, x: &Tensor, input: Input, from: usize) -> Result<Tensor> {
    let f = Forward::eval(&network.store);
    match input {
        Input::Features => network.forward_head(&f, x),
        Input::Maps | Input::Pictures => {
            let x = network.forward_stages(&f, x, from, network.stage_count())?;
            network.forward_head(&f, &network.pool(&f, &x)?)
        }
    }
}

fn from_pictures(
    ctx: &Context<'_>,
    device: &Device,
    mut judge: impl FnMut(Tensor) -> Result<()> + Send,
) -> Result<()> {
    let batches: Vec<_> = ctx.val.chunks(EVAL_BATCH).collect();
    let request = |(picture, path): &(usize, PathBuf)| Request {
        path: path.clone(),
        picture: *picture,
        views: vec![View::Eval],
    };
    pipelined(
        &batches,
        |batch| ctx.maker.all_ahead(&batch.iter().map(request).collect::<Vec<_>>(), device),
        |_, views| {
            ctx.control.checkpoint()?;
            judge(views)?;
            Ok(ControlFlow::Continue(()))
        },
    )
}

/// Validation probabilities with their truths, counted and averaged.
pub(crate) fn validation_result(ctx: &Context<'_>, probabilities: &[Vec<f32>]) -> Evaluation {
    let rows = ctx.val.iter().zip(probabilities).map(|((picture, _), p)| {
        let sample = &ctx.dataset.samples[*picture];
        (sample.rel.clone(), sample.class, p.clone())
    });
    evaluation(ctx.dataset.classes.clone(), rows)
}
