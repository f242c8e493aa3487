//! Judging the network on the validation pictures, from wherever its inputs come.

use super::cache::FrozenCache;
use super::context::Context;
use super::plan::{Input, Phase};
use super::table::Table;
use crate::backbones::Network;
use crate::engine::evaluate::{Evaluation, evaluation};
use crate::engine::forward;
use crate::engine::views::{EVAL_BATCH, Request, View, pipelined};
use crate::error::Result;
use crate::nn::layers::Forward;
use candle_core::Tensor;
use std::ops::ControlFlow;

/// Validation views are kept in memory up to this size, so that each picture is decoded only once in a job.
const VIEWS_BUDGET_BYTES: u64 = 1 << 30;

/// Validation views that were made once, if they fit into memory.
#[derive(Debug, Default)]
pub(crate) struct ValViews(Option<Table>);

/// Class probabilities of every validation picture, in order. The network must be frozen, so that no graph is kept.
///
/// # Errors
/// If a picture cannot be decoded, an output is not finite, or the job is cancelled.
pub(crate) fn validation_probabilities(
    ctx: &Context<'_>,
    network: &Network,
    phase: &Phase,
    cache: Option<&FrozenCache>,
    kept: &mut ValViews,
) -> Result<Vec<Vec<f32>>> {
    let mut all = Vec::with_capacity(ctx.val.len());
    let cached = match (phase.input, cache) {
        (Input::Features, Some(c)) => c.features().map(|t| (c, t)),
        (Input::Maps, Some(c)) => c.maps().map(|t| (c, t)),
        _ => None,
    };
    let Some((cache, table)) = cached else {
        from_pictures(ctx, kept, |x| {
            all.extend(outputs(ctx, network, &x, Input::Pictures, 0)?);
            Ok(())
        })?;
        return Ok(all);
    };
    // Rows of the head are tiny: one product for all of them.
    let batch = if phase.input == Input::Features { 4096 } else { EVAL_BATCH };
    let rows: Vec<usize> = (0..ctx.val.len()).map(|i| cache.val_row(i)).collect();
    for rows in rows.chunks(batch) {
        ctx.control.checkpoint()?;
        let x = table.gather(rows, network.store.device())?;
        all.extend(outputs(ctx, network, &x, phase.input, phase.first_stage)?);
    }
    Ok(all)
}

fn outputs(
    ctx: &Context<'_>,
    network: &Network,
    x: &Tensor,
    input: Input,
    from: usize,
) -> Result<Vec<Vec<f32>>> {
    let f = Forward::eval(&network.store);
    let logits = match input {
        Input::Features => network.forward_head(&f, x)?,
        Input::Maps | Input::Pictures => {
            let x = network.forward_stages(&f, x, from, network.stage_count())?;
            network.forward_head(&f, &network.pool(&x)?)?
        }
    };
    forward::probabilities(&logits, ctx.output())
}

fn from_pictures(
    ctx: &Context<'_>,
    kept: &mut ValViews,
    mut judge: impl FnMut(Tensor) -> Result<()> + Send,
) -> Result<()> {
    let device = candle_core::Device::Cpu;
    let places: Vec<usize> = (0..ctx.val.len()).collect();
    let batches: Vec<&[usize]> = places.chunks(EVAL_BATCH).collect();
    if let Some(table) = &kept.0 {
        for rows in batches {
            ctx.control.checkpoint()?;
            judge(table.gather(rows, &device)?)?;
        }
        return Ok(());
    }
    let side = ctx.maker.preprocess.crop_px;
    let bytes = (ctx.maker.len() * size_of::<f32>() * ctx.val.len()) as u64;
    let mut table = match bytes <= VIEWS_BUDGET_BYTES {
        true => Some(Table::new(&[side, side, 3], ctx.val.len(), &mut bytes.clone(), &ctx.run_dir)?),
        false => None,
    };
    pipelined(
        &batches,
        |rows| {
            let requests: Vec<Request> = rows
                .iter()
                .map(|&i| Request {
                    path: ctx.val[i].1.clone(),
                    picture: ctx.val[i].0,
                    views: vec![View::Eval],
                })
                .collect();
            ctx.maker.make_all(&requests)
        },
        |i, values| {
            ctx.control.checkpoint()?;
            if let Some(t) = &mut table {
                t.put(batches[i], &values)?;
            }
            judge(ctx.maker.tensor(values, &device)?)?;
            Ok(ControlFlow::Continue(()))
        },
    )?;
    kept.0 = table;
    Ok(())
}

/// Validation probabilities with their truths, counted and averaged.
pub(crate) fn validation_result(ctx: &Context<'_>, probabilities: &[Vec<f32>]) -> Evaluation {
    let rows = ctx.val.iter().zip(probabilities).map(|((picture, _), p)| {
        let sample = &ctx.dataset.samples[*picture];
        (sample.rel.clone(), sample.class, p.clone())
    });
    evaluation(ctx.dataset.classes.clone(), rows)
}
