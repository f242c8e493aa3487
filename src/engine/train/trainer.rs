//! Phases and epochs: what has learned, what was best, and when to stop.

mod copies;
mod estimate;

use copies::{named, restore};

use super::cache::{FrozenCache, Wanted};
use super::checkpoint::{Checkpoint, Named, Progress, Throttle, changed_pictures, same_job};
use super::context::Context;
use super::epoch::{Epoch, Sums};
use super::files::{MetricsFile, parse_records};
use super::fingerprint::{contents, fingerprint};
use super::judge::{validation_probabilities, validation_result};
use super::pace::Pace;
use super::plan::{Input, Phase, cached_views, lowest_boundary, sharing, shorten};
use super::updates::Updates;
use crate::backbones::Network;
use crate::config::{CarryOver, Metric};
use crate::engine::{BatchChange, EpochRecord, Evaluation, TrainEvent};
use crate::error::{Error, Result, count};
use std::ops::Range;
use std::time::Instant;

/// How many of the hardest validation pictures are told after each epoch.
const HARDEST: usize = 16;

/// Trains phase by phase.
pub(crate) struct Trainer<'a> {
    ctx: &'a Context<'a>,
    network: Network,
    phases: Vec<Phase>,
    /// Views of each training picture in the frozen part.
    cached_views: usize,
    cache: Option<FrozenCache>,
    /// The phases that it serves.
    cached_for: Range<usize>,
    /// What lies below this stage has not learned in any phase so far.
    lowest: usize,
    metrics: MetricsFile,
    progress: Progress,
    records: Vec<EpochRecord>,
    best: Named,
    best_probabilities: Option<Vec<Vec<f32>>>,
    optimizer: Named,
    throttle: Throttle,
    /// Pretrained values that L2-SP pulls towards.
    source: Named,
    forward_s: Option<f64>,
    /// Of the present phase.
    pace: Pace,
    /// Seconds that an epoch of it took before the job was interrupted, where that is known.
    epoch_s_before: Option<f64>,
    elapsed_before_s: f64,
    stopped: bool,
}

/// What training came to.
pub(crate) struct Trained {
    /// Holds the best weights, everything frozen.
    pub(crate) network: Network,
    /// Of the best weights, on the validation pictures.
    pub(crate) evaluation: Evaluation,
    /// Every epoch.
    pub(crate) records: Vec<EpochRecord>,
    /// From 1.
    pub(crate) best_epoch: usize,
    /// Training pictures per second over the epochs.
    pub(crate) images_per_s: f64,
    /// Seconds that earlier, interrupted parts of the job took.
    pub(crate) elapsed_before_s: f64,
    /// When steps got another number of pictures.
    pub(crate) batch_changes: Vec<BatchChange>,
}

impl<'a> Trainer<'a> {
    /// A trainer at the start, or where the run's checkpoint left off.
    ///
    /// # Errors
    /// If the checkpoint is damaged or belongs to other settings, pictures or weights.
    pub(crate) fn new(ctx: &'a Context<'a>, mut network: Network, resume: bool) -> Result<Self> {
        let mut phases = ctx.phases.clone();
        // By the plan as it was at the start, also where it is shorter by now: a resumed run draws among the same views.
        let cached_views = cached_views(&ctx.config.augment, &phases);
        if ctx.config.augment.mixes() && phases.iter().any(|p| p.input != Input::Pictures) {
            ctx.note("Pictures are mixed once everything learns, not while only the head does");
        }
        let source = if ctx.config.train.l2_sp > 0.0 && !ctx.weights_sha256.is_empty() {
            network.freeze_below(0);
            named(&network, |id, p| p.trainable && network.stage_of(id).is_some())?
        } else {
            Named::new()
        };
        let mut fresh = Progress::new(
            ctx.config.to_toml()?,
            fingerprint(&ctx.dataset),
            contents(&ctx.contents),
            ctx.weights_sha256.clone(),
        );
        fresh.batch_changes.clone_from(&ctx.batch_changes);
        let saved = match resume {
            true => Checkpoint::load(&ctx.run_dir, network.store.device())?,
            false => None,
        };
        if resume && saved.is_none() {
            ctx.warn("The run has no checkpoint: training begins again with the first epoch");
        }
        let (progress, best, optimizer) = match saved {
            None => (fresh, Named::new(), Named::new()),
            Some(c) => {
                same_job(&fresh, &c.progress)?;
                match changed_pictures(&fresh, &c.progress) {
                    0 => {}
                    changed => ctx.warn(format!(
                        "The contents of {changed} of {} changed since the run was begun: training goes on with what is there now",
                        count(ctx.contents.len(), "picture", "pictures")
                    )),
                }
                restore(&network, &c.weights)?;
                (c.progress, c.best, c.optimizer)
            }
        };
        for (phase, by) in progress.shortened.iter().enumerate() {
            shorten(&mut phases, phase, *by);
        }
        if progress.epoch > 0 {
            ctx.note(format!("Going on after epoch {}", progress.epoch));
        }
        let records = parse_records(&progress.lines)?;
        Ok(Self {
            metrics: MetricsFile::create(&ctx.run_dir, progress.lines.clone())?,
            elapsed_before_s: progress.elapsed_s,
            ctx,
            network,
            phases,
            cached_views,
            cache: None,
            cached_for: 0..0,
            lowest: usize::MAX,
            progress,
            records,
            best,
            best_probabilities: None,
            optimizer,
            throttle: Throttle::default(),
            source,
            forward_s: None,
            pace: Pace::beginning(Instant::now()),
            epoch_s_before: None,
            stopped: false,
        })
    }

    /// Trains to the end and puts the best weights back.
    ///
    /// # Errors
    /// See [`train`](super::train).
    pub(crate) fn run(mut self) -> Result<Trained> {
        for index in 0..self.phases.len() {
            let phase = self.phases[index].clone();
            if self.progress.epoch < phase.end() && !self.stopped {
                self.run_phase(index, &phase)?;
            }
        }
        self.metrics.sync()?;
        restore(&self.network, &self.best)?;
        self.network.store.set_trainable(|_, _| false);
        let probabilities = match self.best_probabilities.take() {
            Some(p) => p,
            None => {
                let last = self.phases.last().ok_or_else(|| Error::internal("there is nothing to train"))?;
                // What was computed once is of the best weights only where nothing below the boundary ever learned.
                let intact = lowest_boundary(&self.phases) >= last.first_stage;
                let cache = self.cache.as_ref().filter(|_| intact);
                validation_probabilities(self.ctx, &self.network, last, cache)?
            }
        };
        let seconds = self.elapsed_before_s + self.ctx.started.elapsed().as_secs_f64();
        Ok(Trained {
            evaluation: validation_result(self.ctx, &probabilities),
            network: self.network,
            records: self.records,
            best_epoch: self.progress.best.map_or(0, |b| b.0),
            images_per_s: self.progress.trained as f64 / seconds.max(1e-9),
            elapsed_before_s: self.elapsed_before_s,
            batch_changes: self.progress.batch_changes,
        })
    }

    /// Computes what phase `index` and those behind it that it serves, too, need not compute again.
    fn compute_frozen_part(&mut self, index: usize) -> Result<()> {
        if self.cached_for.contains(&index) {
            return Ok(());
        }
        self.cached_for = sharing(&self.phases, index);
        // Its memory is wanted for what takes its place.
        self.cache = None;
        let served = self.phases.get(self.cached_for.clone()).unwrap_or_default();
        let left: Vec<&Phase> = served.iter().filter(|p| self.progress.epoch < p.end()).collect();
        let frozen = || left.iter().filter(|p| p.input != Input::Pictures);
        if frozen().next().is_none() {
            return Ok(());
        }
        let augmented = self.ctx.config.augment.enabled;
        let wanted = Wanted {
            views: self.cached_views,
            train_eval: false,
            features: left.iter().any(|p| p.input == Input::Features),
            maps: frozen().find(|p| p.input == Input::Maps).map(|p| p.first_stage),
        };
        self.ctx.note(FrozenCache::note(wanted, self.ctx.pictures(), augmented));
        self.network.store.set_trainable(|_, _| false);
        let started = Instant::now();
        let cache = self.ctx.with_reporter(|reporter| {
            let pictures = self.ctx.pictures();
            FrozenCache::compute(&self.network, &self.ctx.maker, pictures, wanted, self.ctx.room(), reporter)
        })?;
        let views = self.ctx.train.len() * wanted.views + self.ctx.val.len();
        self.forward_s = Some(started.elapsed().as_secs_f64() / views.max(1) as f64);
        if cache.is_spilled() {
            self.ctx.note("It is larger than the memory set aside for it and is kept in a temporary file");
        }
        self.cache = Some(cache);
        Ok(())
    }

    fn run_phase(&mut self, index: usize, phase: &Phase) -> Result<()> {
        let continued = self.progress.epoch > phase.first_epoch;
        if index > 0 && !continued && self.ctx.config.train.carry_over == CarryOver::Best {
            restore(&self.network, &self.best)?;
        }
        self.compute_frozen_part(index)?;
        if index > 0 {
            // What was said of the phase before no longer holds.
            let (n, all) = (index + 1, self.phases.len());
            self.ctx.note(format!("Phase {n} of {all} has begun. What learns: {}", phase.name));
        }
        self.pace = Pace::beginning(self.now());
        self.epoch_s_before = self.epoch_s_before(phase);
        self.lowest = lowest_boundary(self.phases.get(..=index).unwrap_or_default());
        self.network.freeze_below(phase.first_stage);
        for (name, tensor) in self.learned()? {
            self.best.entry(name).or_insert(tensor);
        }
        let settings = (&self.ctx.config.train, &self.ctx.resolved);
        let mut updates = Updates::new(settings, &self.network, phase, &self.source)?;
        if continued {
            updates.restore(&std::mem::take(&mut self.optimizer), &self.network.store)?;
        }
        while self.progress.epoch < phase.end() && !self.stopped {
            if self.out_of_patience(phase) {
                self.ctx.note(format!(
                    "No better epoch in {}: the phase `{}` ends early",
                    count(self.ctx.config.train.patience, "epoch", "epochs"),
                    phase.name
                ));
                self.end_early(index);
                break;
            }
            self.run_epoch(phase, &mut updates)?;
        }
        Ok(())
    }

    /// Ends a phase after the epochs that it has had.
    fn end_early(&mut self, index: usize) {
        let by = self.phases[index].end() - self.progress.epoch;
        shorten(&mut self.phases, index, by);
        self.progress.shortened.resize(index, 0);
        self.progress.shortened.push(by);
    }

    /// Epochs of all phases, those that patience took off left out.
    fn planned(&self) -> usize {
        self.phases.last().map_or(0, Phase::end)
    }

    fn out_of_patience(&self, phase: &Phase) -> bool {
        let best = self.progress.best.map_or(0, |b| b.0).max(phase.first_epoch);
        let patience = self.ctx.config.train.patience;
        patience > 0 && self.progress.epoch >= best + patience
    }

    fn run_epoch(&mut self, phase: &Phase, updates: &mut Updates) -> Result<()> {
        let epoch = self.progress.epoch;
        let eta_after_s = self.eta_after(phase, epoch + 1);
        let steps = Epoch {
            ctx: self.ctx,
            network: &self.network,
            phase,
            cache: self.cache.as_ref(),
            batch_size: self.batch_size(),
            epoch,
            planned: self.planned(),
            eta_after_s,
            lately_images_per_s: self.pace.images_per_s(),
        };
        let sums = steps.run(updates)?;
        self.stopped = sums.stopped;
        self.progress.batch_changes.extend(&sums.batch_changes);
        if sums.stopped && self.progress.best.is_some() {
            return Ok(());
        }
        if sums.seen == 0 {
            return Err(Error::cancelled());
        }
        self.network.store.set_trainable(|_, _| false);
        let cache = self.cache.as_ref();
        let judged = validation_probabilities(self.ctx, &self.network, phase, cache);
        self.network.freeze_below(phase.first_stage);
        let probabilities = judged?;
        let evaluation = validation_result(self.ctx, &probabilities);
        self.progress.epoch += 1;
        self.progress.trained += sums.seen as u64;
        self.stopped |= self.ctx.control.ends_with_epoch();
        let best = self.keep_if_best(&evaluation)?;
        if best {
            self.best_probabilities = Some(probabilities);
        }
        self.pace.ended(self.now(), sums.seen as u64);
        let record = self.record(phase, &sums, &evaluation, best);
        self.metrics.append(&record)?;
        self.records.push(record.clone());
        let last = self.progress.epoch == phase.end();
        if last || self.stopped || self.throttle.is_due() {
            self.save(updates)?;
        }
        (self.ctx.on_event)(TrainEvent::Epoch(record));
        (self.ctx.on_event)(TrainEvent::Hardest(evaluation.hardest(HARDEST)));
        Ok(())
    }

    fn keep_if_best(&mut self, e: &Evaluation) -> Result<bool> {
        let score = match self.ctx.config.train.keep_best_by {
            Metric::Accuracy => [e.confusion.accuracy(), -e.loss],
            Metric::MacroF1 => [e.confusion.macro_f1(), -e.loss],
            Metric::Loss => [-e.loss, e.confusion.accuracy()],
        };
        let before = self.progress.best.map(|(_, bits)| bits.map(f64::from_bits));
        let better = before.is_none_or(|[first, second]| {
            score[0] > first || (score[0].total_cmp(&first).is_eq() && score[1] > second)
        });
        if better {
            self.progress.best = Some((self.progress.epoch, score.map(f64::to_bits)));
            self.best.extend(self.learned()?);
        }
        Ok(better)
    }

    fn record(&self, phase: &Phase, s: &Sums, e: &Evaluation, best: bool) -> EpochRecord {
        let done = self.progress.epoch;
        let eta = if self.stopped { 0.0 } else { self.eta_after(phase, done).unwrap_or(0.0) };
        EpochRecord {
            epoch: done,
            epochs: self.planned(),
            phase: phase.name.clone(),
            train_loss: s.loss / s.seen as f64,
            train_accuracy: s.correct as f64 / s.seen as f64,
            val_loss: e.loss,
            val_accuracy: e.confusion.accuracy(),
            val_macro_f1: e.confusion.macro_f1(),
            learning_rate: s.learning_rate,
            images_per_s: self.pace.images_per_s().unwrap_or_else(|| s.seen as f64 / s.seconds.max(1e-9)),
            elapsed_s: self.elapsed_s(),
            eta_s: eta,
            best,
            batch_size: Some(self.batch_size()),
        }
    }

    /// Pictures in one step: as chosen, or as many as had room.
    fn batch_size(&self) -> usize {
        self.progress.batch_changes.last().map_or(self.ctx.resolved.batch_size, |change| change.to)
    }

    fn elapsed_s(&self) -> f64 {
        self.elapsed_before_s + self.ctx.started.elapsed().as_secs_f64()
    }
}
