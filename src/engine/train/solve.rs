//! The linear head in one go: a logistic regression on cached features.

use super::cache::{FrozenCache, Wanted};
use super::context::Context;
use super::files::MetricsFile;
use super::judge::{validation_probabilities, validation_result};
use super::plan::{Input, Phase};
use super::trainer::Trained;
use crate::backbones::Network;
use crate::config::HeadOutput;
use crate::engine::EpochRecord;
use crate::engine::TrainEvent;
use crate::engine::forward::{argmax, negative_log, probabilities};
use crate::engine::logistic::{Fit, Labelled, fit};
use crate::error::{Error, Result};
use crate::nn::layers::Forward;
use crate::nn::params::ParamKind;
use candle_core::Tensor;
use std::time::Instant;

/// A fit whose gradient is larger than this is not at its optimum.
const LOOSE_FIT: f64 = 1e-3;

/// Fits the head and judges it. There are no epochs; one record tells the numbers.
///
/// # Errors
/// If a picture cannot be decoded, features are not finite, or the job is cancelled.
pub(crate) fn solve(ctx: &Context<'_>, network: Network) -> Result<Trained> {
    let mut network = network;
    network.store.set_trainable(|_, _| false);
    let wanted = Wanted { views: 0, train_eval: true, features: true, maps: None };
    ctx.note(FrozenCache::note(wanted, ctx.pictures(), false));
    let cache = ctx.with_reporter(|reporter| {
        FrozenCache::compute(&network, &ctx.maker, ctx.pictures(), wanted, ctx.room(), reporter)
    })?;
    let table = cache.features().ok_or_else(|| Error::internal("the frozen part was not computed"))?;
    let rows: Vec<usize> = (0..ctx.train.len()).map(|i| cache.train_eval_row(i)).collect();
    let features = table.rows(&rows)?;
    let labels: Vec<usize> = ctx.train.iter().map(|(picture, _)| ctx.class(*picture)).collect();
    let pictures: Vec<usize> = (0..ctx.train.len()).collect();
    let data = Labelled {
        features: &features,
        width: table.width(),
        labels: &labels,
        pictures: &pictures,
        classes: ctx.dataset.classes.len(),
        class_weights: ctx.class_weights.as_deref(),
    };
    let began = Instant::now();
    let fitted = ctx.with_reporter(|r| fit(&data, ctx.config.train.seed, r.keep_going))?;
    ctx.note(format!(
        "Logistic regression fitted to {} pictures in {:.2} s ({} iterations, L2 strength {} chosen on held-out training pictures)",
        ctx.train.len(),
        began.elapsed().as_secs_f64(),
        fitted.iterations,
        fitted.strength
    ));
    if fitted.gradient_max > LOOSE_FIT {
        ctx.note(format!(
            "The fit stopped before its optimum (gradient {:.1e}); the head may gain from train.solver = \"gradient\"",
            fitted.gradient_max
        ));
    }
    put_into_head(&network, &fitted, ctx.output())?;
    let phase = Phase {
        name: "head".to_owned(),
        first_epoch: 0,
        epochs: 1,
        first_stage: network.stage_count(),
        learning_rate: 0.0,
        schedule: ctx.resolved.schedule,
        input: Input::Features,
    };
    let val = validation_probabilities(ctx, &network, &phase, Some(&cache))?;
    let evaluation = validation_result(ctx, &val);
    let device = network.store.device();
    let train = ctx.rows(rows.len(), device, |part| {
        let logits =
            network.forward_head(&Forward::eval(&network.store), &table.gather(&rows[part], device)?)?;
        probabilities(&logits, ctx.output())
    })?;
    let correct = train.iter().zip(&labels).filter(|(p, l)| argmax(p) == **l).count();
    let loss: f64 = train.iter().zip(&labels).map(|(p, &l)| negative_log(p[l])).sum();
    let record = EpochRecord {
        epoch: 1,
        epochs: 1,
        phase: "head (logistic regression)".to_owned(),
        train_loss: loss / labels.len() as f64,
        train_accuracy: correct as f64 / labels.len() as f64,
        val_loss: evaluation.loss,
        val_accuracy: evaluation.confusion.accuracy(),
        val_macro_f1: evaluation.confusion.macro_f1(),
        learning_rate: 0.0,
        images_per_s: labels.len() as f64 / began.elapsed().as_secs_f64().max(1e-9),
        elapsed_s: ctx.started.elapsed().as_secs_f64(),
        eta_s: 0.0,
        best: true,
        batch_size: None,
    };
    let mut metrics = MetricsFile::create(&ctx.run_dir, Vec::new())?;
    metrics.append(&record)?;
    metrics.sync()?;
    (ctx.on_event)(TrainEvent::Epoch(record.clone()));
    Ok(Trained {
        network,
        evaluation,
        images_per_s: record.images_per_s,
        records: vec![record],
        best_epoch: 0,
        elapsed_before_s: 0.0,
        batch_changes: Vec::new(),
    })
}

/// Puts the fitted head into the network's only linear layer without a stage.
fn put_into_head(network: &Network, fit: &Fit, output: HeadOutput) -> Result<()> {
    let (mut weight, mut bias) = (fit.weight.clone(), fit.bias.clone());
    if output == HeadOutput::Sigmoid {
        // The second class's odds against the first: the difference of their logits.
        weight = weight.chunks_exact(2).map(|w| w[1] - w[0]).collect();
        bias = vec![bias[1] - bias[0]];
    }
    let outputs = bias.len();
    let inputs = weight.len() / outputs.max(1);
    let device = network.store.device();
    for (id, p) in network.store.iter().filter(|(id, _)| network.stage_of(*id).is_none()) {
        let values = match p.kind {
            ParamKind::LinearWeight => Tensor::from_vec(weight.clone(), (inputs, outputs), device)?,
            ParamKind::Bias => Tensor::from_vec(bias.clone(), outputs, device)?,
            other => {
                return Err(Error::internal(format!("a linear head with a parameter of kind {other:?}")));
            }
        };
        network.store.set(id, &values)?;
    }
    Ok(())
}
