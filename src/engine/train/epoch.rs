//! The steps of one epoch.

use super::batches::{Batch, Batches};
use super::cache::FrozenCache;
use super::context::Context;
use super::plan::{Input, Phase};
use super::running::Running;
use super::updates::Updates;
use crate::backbones::Network;
use crate::config::HeadOutput;
use crate::engine::device::READ_EVERY;
use crate::engine::forward::argmax;
use crate::engine::mix::Mix;
use crate::engine::views::{Request, View, pipelined};
use crate::engine::{BatchChange, BatchReason, StepProgress, TrainEvent, keys};
use crate::error::{Error, ErrorKind, Result, count};
use crate::nn::layers::Forward;
use crate::nn::loss::{binary_cross_entropy, cross_entropy, soft_cross_entropy};
use crate::nn::ops::card::free_unused;
use crate::nn::ops::tensors;
use crate::nn::rng::Rng;
use crate::nn::tape::Tape;
use candle_core::Tensor;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Step events closer together than this are left out.
const EVENT_EVERY: Duration = Duration::from_millis(30);

/// What an epoch's steps came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    /// Sum of the loss over the pictures.
    pub(crate) loss: f64,
    /// Pictures classified correctly while training.
    pub(crate) correct: usize,
    /// Pictures seen.
    pub(crate) seen: usize,
    /// Of the last step.
    pub(crate) learning_rate: f64,
    /// Time of the steps.
    pub(crate) seconds: f64,
    /// Whether the user asked to stop in the middle.
    pub(crate) stopped: bool,
    /// What became of the size of its steps.
    pub(crate) batch_changes: Vec<BatchChange>,
}

/// One epoch of one phase.
pub(crate) struct Epoch<'a> {
    /// The job.
    pub(crate) ctx: &'a Context<'a>,
    /// What learns.
    pub(crate) network: &'a Network,
    /// The phase.
    pub(crate) phase: &'a Phase,
    /// What was computed once.
    pub(crate) cache: Option<&'a FrozenCache>,
    /// Pictures in one step, as long as they fit.
    pub(crate) batch_size: usize,
    /// From 0.
    pub(crate) epoch: usize,
    /// Epochs of all phases, as far as known.
    pub(crate) planned: usize,
    /// Seconds that everything after this epoch will take, where that is known.
    pub(crate) eta_after_s: Option<f64>,
    /// Pictures a second lately, where epochs are too short to tell it by their steps.
    pub(crate) lately_images_per_s: Option<f64>,
}

impl Epoch<'_> {
    /// Makes the steps. Every training picture is seen once, in an order of its own. A step for which the card's memory is full is
    /// made again in two halves, and so are those behind it.
    ///
    /// # Errors
    /// If the loss stops being finite, a picture cannot be decoded, not even the smallest step has room, or the job is cancelled.
    pub(crate) fn run(&self, updates: &mut Updates) -> Result<Sums> {
        let mut batches = self.batches();
        let mut sums = Sums::default();
        let mut running = Running::default();
        let (started, held) = (Instant::now(), self.ctx.control.held());
        let seconds = || (started.elapsed().saturating_sub(self.ctx.control.held() - held)).as_secs_f64();
        let mut told: Option<Instant> = None;
        let mut last = 0;
        loop {
            let left = batches.left();
            let take = |at: usize, x: Tensor| {
                self.ctx.control.checkpoint()?;
                if self.ctx.control.should_finish() {
                    sums.stopped = true;
                    return Ok(ControlFlow::Break(()));
                }
                let batch = &left[at];
                let loss = self.step(batch, &x, updates, (&mut sums, &mut running))?;
                batches.made(batch.pictures.len());
                last = batch.step;
                sums.seconds = seconds();
                let every = if tensors::serve(&loss) { READ_EVERY } else { EVENT_EVERY };
                if told.is_none_or(|t| t.elapsed() >= every) || batch.step + 1 == batch.steps {
                    told = Some(Instant::now());
                    let loss = self.value(&loss, batch.step, &sums)?;
                    updates.check()?;
                    self.tell(batch, loss, &sums);
                }
                Ok(ControlFlow::Continue(()))
            };
            match pipelined(&left, |batch| self.inputs(batch), take) {
                Err(e) if e.kind() == ErrorKind::OutOfMemory => {
                    sums.batch_changes.push(self.halve(&mut batches, e)?);
                }
                ended => break ended?,
            }
        }
        running.read(&mut sums)?;
        if !sums.loss.is_finite() {
            return Err(self.diverged(sums.loss, last, sums.learning_rate));
        }
        updates.check()?;
        sums.seconds = seconds();
        Ok(sums)
    }

    /// Makes what is left of the epoch in steps of half the size, and says so.
    fn halve(&self, batches: &mut Batches, full: Error) -> Result<BatchChange> {
        let (from, reason) = (batches.size(), BatchReason::OutOfMemory);
        let to = batches.halve().ok_or_else(|| too_large(&full, from))?;
        // What the failed step held is free only once the card is done with it.
        free_unused(self.network.store.device())?;
        let change = BatchChange { epoch: self.epoch + 1, from, to, reason };
        (self.ctx.on_event)(TrainEvent::BatchSize(change));
        Ok(change)
    }

    /// Makes the first `most` steps, and tells the rate and the loss of each to `tell` until it says stop; whether it never did.
    ///
    /// # Errors
    /// See [`Self::run`].
    pub(crate) fn each_loss(
        &self,
        updates: &mut Updates,
        most: usize,
        tell: &mut (dyn FnMut(f64, f64) -> bool + Send),
    ) -> Result<bool> {
        let mut sums = Sums::default();
        for batch in self.batches().left().iter().take(most) {
            self.ctx.control.checkpoint()?;
            let x = self.inputs(batch)?;
            let loss = self.step(batch, &x, updates, (&mut sums, &mut Running::default()))?;
            let loss = self.value(&loss, batch.step, &sums)?;
            updates.check()?;
            if !tell(sums.learning_rate, loss) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What a step learns from.
    pub(super) fn inputs(&self, batch: &Batch) -> Result<Tensor> {
        match self.phase.input {
            Input::Pictures => self.views(batch.step, &batch.pictures),
            Input::Features | Input::Maps => self.cached(&batch.pictures),
        }
    }

    /// The training pictures, shuffled and divided.
    fn batches(&self) -> Batches {
        let mut order: Vec<usize> = (0..self.ctx.train.len()).collect();
        Rng::for_key(self.ctx.config.train.seed, &[keys::ORDER, self.epoch as u64]).shuffle(&mut order);
        Batches::new(order, self.batch_size, self.batch_statistics())
    }

    /// Whether batch normalisation takes its statistics from the pictures of a step.
    fn batch_statistics(&self) -> bool {
        self.ctx.resolved.train_batch_norm && self.phase.input != Input::Features
    }

    fn views(&self, step: usize, batch: &[usize]) -> Result<Tensor> {
        let requests: Vec<Request> = batch
            .iter()
            .map(|&i| {
                let (picture, path) = &self.ctx.train[i];
                Request { path: path.clone(), picture: *picture, views: vec![View::Fresh(self.epoch)] }
            })
            .collect();
        let (maker, device) = (&self.ctx.maker, self.network.store.device());
        let Some(mix) = self.mix(step) else { return maker.batch(&requests, device) };
        if maker.on_card(device) {
            return Ok(mix.of_tensor(&maker.batch(&requests, device)?)?);
        }
        let mut values = maker.make_all(&requests)?;
        mix.apply(&mut values, maker.preprocess.crop_px);
        maker.tensor(values, device)
    }

    /// How the pictures of a step are mixed, where they are.
    fn mix(&self, step: usize) -> Option<Mix> {
        let key = [keys::MIX, self.epoch as u64, step as u64];
        let mut rng = Rng::for_key(self.ctx.config.train.seed, &key);
        let side = self.ctx.maker.preprocess.crop_px;
        Mix::draw(&self.ctx.config.augment, side, &mut rng).filter(|_| self.phase.input == Input::Pictures)
    }

    fn cached(&self, batch: &[usize]) -> Result<Tensor> {
        let table = self.cache.and_then(|c| match self.phase.input {
            Input::Maps => c.maps().map(|t| (c, t)),
            _ => c.features().map(|t| (c, t)),
        });
        let (cache, table) = table.ok_or_else(|| Error::internal("the frozen part was not computed"))?;
        let rows: Vec<usize> =
            batch.iter().map(|&i| cache.train_row(i, self.draw(i, cache.views()))).collect();
        table.gather(&rows, self.network.store.device())
    }

    /// Which view of a picture this epoch uses: each round through the views has an order of its own.
    fn draw(&self, picture: usize, views: usize) -> usize {
        let (round, at) = (self.epoch / views, self.epoch % views);
        let mut order: Vec<usize> = (0..views).collect();
        let key = [keys::DRAW, picture as u64, round as u64];
        Rng::for_key(self.ctx.config.train.seed, &key).shuffle(&mut order);
        order[at]
    }

    /// One step; gives its loss, which a graphics card may still be computing. One that fails for want of memory has changed nothing.
    pub(super) fn step(
        &self,
        Batch { step, steps, pictures }: &Batch,
        x: &Tensor,
        updates: &mut Updates,
        (sums, running): (&mut Sums, &mut Running),
    ) -> Result<Tensor> {
        let (step, steps) = (*step, *steps);
        let key = [keys::DROPOUT, self.epoch as u64, step as u64];
        let rng = Rng::for_key(self.ctx.config.train.seed, &key);
        let tape = Tape::record();
        let f = Forward::train(&self.network.store, self.batch_statistics(), rng);
        let logits = self.logits(&f, x)?;
        let labels: Vec<u32> = pictures.iter().map(|&i| self.ctx.class(self.ctx.train[i].0) as u32).collect();
        let mixed = self.mix(step).map(|mix| mix.targets(&labels, self.ctx.dataset.classes.len()));
        let loss = match &mixed {
            Some(shares) => self.mixed_loss(&logits, shares)?,
            None => self.loss(&logits, &labels)?,
        };
        let at = (self.epoch - self.phase.first_epoch) * steps + step;
        sums.learning_rate = updates.learning_rate(at, steps);
        if !tensors::serve(&loss) {
            // Before anything is spoilt. From another device the number is not waited for.
            self.value(&loss, step, sums)?;
        }
        let gradients = tape.gradients(&loss)?;
        // Of a mixed picture, the class of the larger share counts.
        let labels = mixed.map_or(labels, |shares| {
            shares.chunks_exact(self.ctx.dataset.classes.len()).map(|row| argmax(row) as u32).collect()
        });
        let added = running.with((&loss, &logits), &labels)?;
        #[cfg(test)]
        self.ctx.room_for_steps.check(pictures.len())?;
        updates.step(&self.network.store, &gradients, sums.learning_rate)?;
        f.keep_statistics()?;
        running.add(added, sums);
        Ok(loss.detach())
    }

    /// The loss of a step as a number.
    fn value(&self, loss: &Tensor, step: usize, sums: &Sums) -> Result<f64> {
        let value = f64::from(loss.to_scalar::<f32>()?);
        if value.is_finite() { Ok(value) } else { Err(self.diverged(value, step, sums.learning_rate)) }
    }

    fn logits(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let n = self.network;
        match self.phase.input {
            Input::Features => n.forward_head(f, x),
            Input::Maps | Input::Pictures => {
                let x = n.forward_stages(f, x, self.phase.first_stage, n.stage_count())?;
                n.forward_head(f, &n.pool(f, &x)?)
            }
        }
    }

    fn loss(&self, logits: &Tensor, labels: &[u32]) -> Result<Tensor> {
        let smoothing = self.ctx.config.train.label_smoothing;
        let weights = self.ctx.class_weights.as_deref();
        match self.ctx.output() {
            HeadOutput::Softmax => cross_entropy(logits, labels, weights, smoothing),
            HeadOutput::Sigmoid => self.binary_loss(logits, labels.iter().map(|&l| f64::from(l))),
        }
    }

    /// The loss of mixed pictures; `shares` holds a row of classes for each.
    fn mixed_loss(&self, logits: &Tensor, shares: &[f32]) -> Result<Tensor> {
        let smoothing = self.ctx.config.train.label_smoothing;
        let weights = self.ctx.class_weights.as_deref();
        match self.ctx.output() {
            HeadOutput::Softmax => soft_cross_entropy(logits, shares, weights, smoothing),
            HeadOutput::Sigmoid => {
                self.binary_loss(logits, shares.chunks_exact(2).map(|row| f64::from(row[1])))
            }
        }
    }

    fn binary_loss(&self, logits: &Tensor, shares: impl Iterator<Item = f64>) -> Result<Tensor> {
        let smoothing = self.ctx.config.train.label_smoothing;
        let soft = |share: f64| (share * (1.0 - smoothing) + smoothing / 2.0) as f32;
        let targets: Vec<f32> = shares.map(soft).collect();
        let weights = self.ctx.class_weights.as_deref();
        binary_cross_entropy(logits, &targets, weights.map(|w| w[1] / w[0]))
    }

    fn diverged(&self, value: f64, step: usize, learning_rate: f64) -> Error {
        let what = format!(
            "the loss became {value} in epoch {}, step {}, at learning rate {learning_rate:.3e}",
            self.epoch + 1,
            step + 1
        );
        let key = if !self.ctx.config.train.phases.is_empty() {
            "learning_rate in that phase of train.phases"
        } else if self.phase.input == Input::Features && self.planned > self.phase.end() {
            "train.head_learning_rate"
        } else {
            "train.learning_rate"
        };
        Error::new(ErrorKind::Numeric, what).with_hint(format!(
            "Try {:.1e} as {key}, or bound the gradient with train.clip_norm = 1",
            self.phase.learning_rate / 10.0
        ))
    }

    fn tell(&self, batch: &Batch, loss: f64, sums: &Sums) {
        self.ctx.tell_memory();
        let (done, steps) = (batch.step + 1, batch.steps);
        let left = sums.seconds / done as f64 * (steps - done) as f64;
        // Asked to end with this epoch, it has nothing behind it.
        let after = if self.ctx.control.ends_with_epoch() { Some(0.0) } else { self.eta_after_s };
        (self.ctx.on_event)(TrainEvent::Step(StepProgress {
            epoch: self.epoch + 1,
            epochs: self.planned,
            step: done,
            steps,
            loss,
            images_per_s: self
                .lately_images_per_s
                .unwrap_or_else(|| sums.seen as f64 / sums.seconds.max(1e-9)),
            eta_s: after.map(|after| left + after),
        }));
    }
}

/// Not even the smallest step has room.
fn too_large(full: &Error, size: usize) -> Error {
    let what = format!("{} in steps of {}", full.what(), count(size, "picture", "pictures"));
    Error::new(full.kind(), what).with_hint(
        "Let fewer stages learn (train.mode), choose a smaller network, close other programs that use the card, or set train.device to \
         \"cpu\"",
    )
}
