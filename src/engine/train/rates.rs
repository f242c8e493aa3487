//! Finding a learning rate: the range test of Smith (2017, arXiv:1506.01186), with the steepest fall of the loss as the suggestion.

use super::TrainJob;
use super::cache::{FrozenCache, Wanted};
use super::context::Context;
use super::epoch::Epoch;
use super::plan::{Input, cached_views};
use super::updates::Updates;
use crate::config::Solver;
use crate::engine::{Control, TrainEvent, keys};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::ops::card::free_unused;
use crate::nn::rng::Rng;

/// Steps of the test.
const STEPS: usize = 100;
/// The rates it begins and ends with.
const RANGE: (f64, f64) = (1e-6, 1.0);
/// Pictures that it learns from, in steps: enough that few are seen twice.
const PICTURES: usize = 50;
/// Pictures in a step at the least, where the card has little memory.
const LEAST_BATCH: usize = 4;
/// Share of the mean so far in the smoothed loss.
const SMOOTHING: f64 = 0.9;
/// The test ends once the smoothed loss is so many times its least.
const LOST: f64 = 4.0;
/// Steps at the start in which the smoothed loss says little yet.
const UNSETTLED: usize = 10;

/// One step of the test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateStep {
    /// Its learning rate.
    pub rate: f64,
    /// Loss of its pictures before it, smoothed over the steps.
    pub loss: f64,
}

/// What the test showed.
#[derive(Debug, Clone, PartialEq)]
pub struct RateSearch {
    /// The steps, the lowest rate first.
    pub steps: Vec<RateStep>,
    /// Where the loss falls most steeply; none where it does not fall.
    pub suggestion: Option<f64>,
}

/// Trains for a hundred steps in which the rate rises from 1e-6 to 1, in what the last phase of the job trains, and judges by the
/// loss. Nothing is kept of it: neither weights nor files, `run_dir` being a folder that the caller takes away. What comes before
/// the steps is told as events; of the steps, how many are done and how many there are at most.
///
/// # Errors
/// If the job could not be trained either, has no steps, or is cancelled.
pub fn find_rate(
    job: &TrainJob,
    control: &Control,
    on_event: &(dyn Fn(TrainEvent) + Sync),
    on_step: &(dyn Fn(usize, usize) + Sync),
) -> Result<RateSearch> {
    if job.config.train.solver == Solver::Logistic {
        return Err(Error::input("a head that is fitted at once has no learning rate")
            .with_hint("Set train.solver to \"gradient\""));
    }
    let (mut ctx, mut network) = Context::prepare(job, control, on_event)?;
    let mut phase = ctx.phases.pop().ok_or_else(|| Error::internal("there is nothing to train"))?;
    Rng::for_key(ctx.config.train.seed, &[keys::ORDER]).shuffle(&mut ctx.train);
    let mut batch_size = ctx.resolved.batch_size;
    ctx.train.truncate(PICTURES * batch_size);
    ctx.val.clear();
    (phase.first_epoch, phase.epochs) = (0, STEPS);
    let cache = match phase.input {
        Input::Pictures => None,
        input => {
            network.store.set_trainable(|_, _| false);
            let wanted = Wanted {
                views: cached_views(&ctx.config.augment, std::slice::from_ref(&phase)),
                train_eval: false,
                features: input == Input::Features,
                maps: (input == Input::Maps).then_some(phase.first_stage),
            };
            Some(ctx.with_reporter(|reporter| {
                FrozenCache::compute(&network, &ctx.maker, ctx.pictures(), wanted, ctx.room(), reporter)
            })?)
        }
    };
    network.freeze_below(phase.first_stage);
    let settings = (&ctx.config.train, &ctx.resolved);
    let mut updates = Updates::new(settings, &network, &phase, &Default::default())?.rising(RANGE, STEPS);
    let mut losses: Vec<RateStep> = Vec::with_capacity(STEPS);
    let mut mean = Mean::default();
    for epoch in 0..STEPS {
        let one = Epoch {
            ctx: &ctx,
            network: &network,
            phase: &phase,
            cache: cache.as_ref(),
            batch_size,
            epoch,
            planned: STEPS,
            eta_after_s: None,
            lately_images_per_s: None,
        };
        let left = STEPS - losses.len();
        let ended = one.each_loss(&mut updates, left, &mut |rate, loss| {
            let step = RateStep { rate, loss: mean.with(loss) };
            let least = losses.iter().map(|s| s.loss).fold(f64::INFINITY, f64::min);
            losses.push(step);
            on_step(losses.len(), STEPS);
            losses.len() < UNSETTLED || step.loss <= LOST * least
        });
        match ended {
            Ok(true) if losses.len() < STEPS => {}
            Ok(_) => break,
            // The rate has become too high: that is what the test looks for.
            Err(e) if e.kind() == ErrorKind::Numeric => break,
            Err(e) if e.kind() == ErrorKind::OutOfMemory && batch_size > LEAST_BATCH => {
                free_unused(network.store.device())?;
                batch_size /= 2;
                ctx.warn(format!(
                    "The card's memory was full: the search goes on with {batch_size} pictures in a step"
                ));
            }
            Err(e) => return Err(e),
        }
    }
    Ok(RateSearch { suggestion: steepest(&losses), steps: losses })
}

/// Exponential moving mean, of which the first values are not pulled towards 0.
#[derive(Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn with(&mut self, value: f64) -> f64 {
        self.sum = SMOOTHING * self.sum + (1.0 - SMOOTHING) * value;
        self.weight = SMOOTHING * self.weight + (1.0 - SMOOTHING);
        self.sum / self.weight
    }
}

/// The rate at which the loss falls most steeply by the logarithm of the rate, before it is at its least.
fn steepest(steps: &[RateStep]) -> Option<f64> {
    let least = (0..steps.len()).min_by(|&a, &b| steps[a].loss.total_cmp(&steps[b].loss))?;
    let settled = steps.get(UNSETTLED.min(least)..=least)?;
    let slope = |w: &[RateStep]| (w[2].loss - w[0].loss) / (w[2].rate / w[0].rate).ln();
    let falls = settled.windows(3).map(|w| (slope(w), w[1].rate)).filter(|(slope, _)| *slope < 0.0);
    falls.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, rate)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(loss: impl Fn(f64) -> f64) -> Vec<RateStep> {
        let rate = |i: usize| 10f64.powf(-6.0 + 6.0 * i as f64 / 99.0);
        (0..100).map(|i| RateStep { rate: rate(i), loss: loss(rate(i).log10()) }).collect()
    }

    #[test]
    fn the_suggestion_is_where_the_loss_falls_most_steeply() {
        // A fall that is steepest at 1e-3, and a rise from 1e-1 on.
        let steps = curve(|x| 1.0 / (1.0 + (4.0 * (x + 3.0)).exp()) + (x + 1.0).max(0.0) * 5.0);
        let found = steepest(&steps).unwrap();
        assert!((found.log10() + 3.0).abs() < 0.07, "{found}");
        assert_eq!(steepest(&curve(|x| x)), None, "a loss that only rises suggests nothing");
        assert_eq!(steepest(&[]), None);
    }
}
