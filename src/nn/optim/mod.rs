//! Optimizers: fused updates, parameter groups, state that can be saved.
//!
//! Each parameter is updated in one pass over its values, its gradient and its state, on all threads; on cards that have kernels by
//! these, on other devices than the processor by tensor operations. The arithmetic is PyTorch's, order of operations included.

mod moment;
mod on_card;
mod rules;
mod tensors;

pub use rules::Rule;

use super::ops::cpu::with_values;
use super::ops::tensors::serve;
use super::params::{ParamId, ParamKind, ParamStore};
use crate::error::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use moment::Moment;
use rules::{Update, Values};
use std::collections::BTreeMap;

/// Parameters that share a learning rate and a decay.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamGroup {
    /// Which parameters.
    pub ids: Vec<ParamId>,
    /// Multiplies the step's learning rate.
    pub lr_scale: f64,
    /// Pull towards zero.
    pub weight_decay: f64,
}

impl ParamGroup {
    /// `ids` in two groups of the same rate: weights, which decay, and biases and normalisations, which do not. Parameters
    /// that are frozen are left out, and so are empty groups.
    pub fn split(store: &ParamStore, ids: &[ParamId], lr_scale: f64, weight_decay: f64) -> Vec<Self> {
        let trainable = ids.iter().copied().filter(|&id| store.get(id).trainable);
        let is_weight =
            |id: &ParamId| matches!(store.get(*id).kind, ParamKind::ConvWeight | ParamKind::LinearWeight);
        let (weights, others): (Vec<_>, Vec<_>) = trainable.partition(is_weight);
        [(weights, weight_decay), (others, 0.0)]
            .into_iter()
            .filter(|(ids, _)| !ids.is_empty())
            .map(|(ids, weight_decay)| Self { ids, lr_scale, weight_decay })
            .collect()
    }
}

/// An update rule with its groups and its state.
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    groups: Vec<ParamGroup>,
    /// Steps taken.
    steps: u64,
    /// One a parameter, in the groups' order.
    slots: Vec<Slot>,
    clip_norm: Option<f64>,
    l2_sp: f64,
    /// The norm of the last step's gradient, where clipping is on.
    norm: Option<f64>,
    /// What a card knows of it by now.
    unread: Option<on_card::Unread>,
}

#[derive(Debug)]
struct Slot {
    id: ParamId,
    name: String,
    /// Steps in which the parameter had a gradient: Adam's bias correction counts these, as in PyTorch.
    steps: u64,
    /// Momentum, or first moment; empty until the first step.
    first: Moment,
    /// Second moment (Adam); empty until the first step.
    second: Moment,
    /// Values that L2-SP pulls towards.
    source: Option<Moment>,
}

impl Optimizer {
    /// An optimizer of the parameters in `groups`, without state yet.
    ///
    /// # Errors
    /// If a parameter is in two groups, or is a running statistic.
    pub fn new(store: &ParamStore, rule: Rule, groups: Vec<ParamGroup>) -> Result<Self> {
        let mut slots: Vec<Slot> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for &id in groups.iter().flat_map(|g| &g.ids) {
            let param = store.get(id);
            if !seen.insert(id) || param.kind == ParamKind::RunningStat {
                return Err(Error::internal(format!("{} cannot be optimised, or not twice", param.name)));
            }
            let name = param.name.clone();
            let (first, second) = (Moment::default(), Moment::default());
            slots.push(Slot { id, name, steps: 0, first, second, source: None });
        }
        Ok(Self { rule, groups, steps: 0, slots, clip_norm: None, l2_sp: 0.0, norm: None, unread: None })
    }

    /// Scales gradients down so that the norm of all of them together is at most `max_norm`; 0 is off. PyTorch's
    /// `clip_grad_norm_`; L2-SP's part of the gradient counts.
    #[must_use]
    pub fn with_clip_norm(mut self, max_norm: f64) -> Self {
        self.clip_norm = (max_norm > 0.0).then_some(max_norm);
        self
    }

    /// Adds the gradient of `strength * |theta - source|^2` (L2-SP, Li et al. 2018), for the parameters that `source` has
    /// (values in the inside layout); 0 is off.
    ///
    /// # Errors
    /// If a source has another shape than its parameter.
    pub fn with_l2_sp(
        mut self,
        store: &ParamStore,
        strength: f64,
        source: &BTreeMap<ParamId, Tensor>,
    ) -> Result<Self> {
        self.l2_sp = strength;
        for slot in self.slots.iter_mut().filter(|_| strength != 0.0) {
            let Some(values) = source.get(&slot.id) else { continue };
            if values.dims() != store.get(slot.id).var.dims() {
                return Err(Error::internal(format!("{}: the source has another shape", slot.name)));
            }
            slot.source = Some(Moment::Values(values.flatten_all()?.to_vec1()?));
        }
        Ok(self)
    }

    /// The groups, in order.
    pub fn groups(&self) -> &[ParamGroup] {
        &self.groups
    }

    /// Steps taken so far, those before a resume included.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step with learning rate `lr` (each group multiplies it by its own factor). Parameters without a gradient stay as
    /// they are.
    ///
    /// # Errors
    /// If a gradient does not fit its parameter, the norm of the whole gradient is not finite where it is clipped, or the memory of the
    /// device is full. In the last two cases nothing is changed, so that the step can be made again. On a card the norm is not waited
    /// for: [`Self::norm`] tells.
    pub fn step(&mut self, store: &ParamStore, grads: &GradStore, lr: f64) -> Result<()> {
        if self.is_on_card(store) {
            return self.step_on_card(store, grads, lr);
        }
        let norm = self.clip_norm.map(|_| finite(self.gradient_norm(store, grads)?)).transpose()?;
        let clip = match (norm, self.clip_norm) {
            // PyTorch's formula, epsilon included.
            (Some(norm), Some(most)) => (most / (norm + 1e-6)).min(1.0),
            _ => 1.0,
        };
        let mut slots = self.slots.iter_mut();
        let mut updated = Vec::new();
        for group in &self.groups {
            for slot in slots.by_ref().take(group.ids.len()) {
                let Some(grad) = grads.get(store.get(slot.id).var.as_tensor()) else { continue };
                let update = Update {
                    rule: self.rule,
                    lr: lr * group.lr_scale,
                    weight_decay: group.weight_decay,
                    l2_sp: self.l2_sp,
                    clip,
                    step: slot.steps + 1,
                };
                let made = slot.apply(store, grad, update)?;
                updated.push((slot, made));
            }
        }
        // What follows needs no memory.
        for (slot, made) in updated {
            slot.steps += 1;
            made.map_or(Ok(()), |made| slot.take(store, made))?;
        }
        self.steps += 1;
        self.norm = norm;
        Ok(())
    }

    /// The norm of the last step's whole gradient before clipping, where clipping is on; waits for a card that computes it.
    ///
    /// # Errors
    /// If it was not finite since it was read last; nothing was changed from there on.
    pub fn norm(&mut self) -> Result<Option<f64>> {
        self.read_norm()?;
        Ok(self.norm)
    }

    fn gradient_norm(&mut self, store: &ParamStore, grads: &GradStore) -> Result<f64> {
        let mut sum = 0f64;
        let mut elsewhere = Vec::new();
        for slot in &mut self.slots {
            let var = store.get(slot.id).var.as_tensor();
            let Some(grad) = grads.get(var) else { continue };
            let grad = grad.contiguous()?;
            if serve(var) {
                let source = slot.source.as_mut().map(|s| s.tensor(var)).transpose()?;
                elsewhere.push(tensors::square_sum(var, &grad, source, self.l2_sp)?);
                continue;
            }
            let source = slot.source.as_mut().map(Moment::values).transpose()?;
            sum += with_values([&grad, var], |[g, p]| match source {
                None => rules::square_sum(g),
                Some(source) => rules::square_sum_l2_sp(g, p, source, self.l2_sp),
            })?;
        }
        if !elsewhere.is_empty() {
            // The one number of a step that is waited for.
            sum += f64::from(Tensor::stack(&elsewhere, 0)?.sum_all()?.to_scalar::<f32>()?);
        }
        Ok(sum.sqrt())
    }

    /// The state as named tensors, for a checkpoint: `NAME/first`, `NAME/second` and `NAME/steps` a parameter, and
    /// `steps` for the whole.
    ///
    /// # Errors
    /// If a copy fails.
    pub fn state_tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let mut out = vec![("steps".to_owned(), count_tensor(self.steps)?)];
        for slot in &self.slots {
            out.push((format!("{}/steps", slot.name), count_tensor(slot.steps)?));
            for (what, values) in [("first", &slot.first), ("second", &slot.second)] {
                if let Some(values) = values.saved()? {
                    out.push((format!("{}/{what}", slot.name), values));
                }
            }
        }
        Ok(out)
    }

    /// Takes over a saved state, of an optimizer with the same rule and parameters.
    ///
    /// # Errors
    /// If a part is missing or does not fit; the optimizer is then unchanged.
    pub fn load_state(&mut self, store: &ParamStore, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let missing =
            |name: &str| Error::input(format!("the optimizer's saved state lacks or misfits {name}"));
        let steps = |name: &str| match state.get(name) {
            Some(t) => read_count(t).map_err(|_| missing(name)),
            None => Err(missing(name)),
        };
        let mut loaded = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            let taken = steps(&format!("{}/steps", slot.name))?;
            let count = store.get(slot.id).var.elem_count();
            let moment = |what: &str, kept: bool| {
                let name = format!("{}/{what}", slot.name);
                if !kept || taken == 0 {
                    return Ok(Vec::new());
                }
                let values = state.get(&name).and_then(|t| t.flatten_all().ok()?.to_vec1::<f32>().ok());
                values.filter(|v| v.len() == count).ok_or_else(|| missing(&name))
            };
            let (first, second) = self.rule.keeps();
            loaded.push((taken, moment("first", first)?, moment("second", second)?));
        }
        self.steps = steps("steps")?;
        for (slot, (steps, first, second)) in self.slots.iter_mut().zip(loaded) {
            (slot.steps, slot.first, slot.second) = (steps, Moment::Values(first), Moment::Values(second));
        }
        Ok(())
    }
}

/// The norm of the gradient, if it is finite.
fn finite(norm: f64) -> Result<f64> {
    if norm.is_finite() {
        return Ok(norm);
    }
    Err(Error::new(crate::ErrorKind::Numeric, format!("the norm of the gradient is {norm}"))
        .with_hint("Training diverged: try a lower train.learning_rate"))
}

/// New values of a parameter and of its moments, which are not in place yet.
type Made = (Tensor, Option<Tensor>, Option<Tensor>);

impl Slot {
    /// Checks that a gradient is one of this parameter.
    fn check(&self, var: &Tensor, grad: &Tensor) -> Result<()> {
        if grad.dims() == var.dims() && grad.dtype() == var.dtype() {
            return Ok(());
        }
        let shapes = format!("{:?} and its gradient {:?}", var.dims(), grad.dims());
        Err(Error::internal(format!("{} has shape {shapes}", self.name)))
    }

    /// Updates a parameter in place, or gives what is to take its place.
    fn apply(&mut self, store: &ParamStore, grad: &Tensor, update: Update) -> Result<Option<Made>> {
        let var = store.get(self.id).var.as_tensor();
        self.check(var, grad)?;
        let (first, second) = update.rule.keeps();
        if serve(var) {
            let state = tensors::State {
                first: first.then(|| self.first.tensor(var)).transpose()?,
                second: second.then(|| self.second.tensor(var)).transpose()?,
                source: self.source.as_mut().map(|s| s.tensor(var)).transpose()?,
            };
            return Ok(Some(update.of_tensors(&var.detach(), &grad.detach(), state)?));
        }
        let count = var.elem_count();
        let values = Values {
            first: if first { self.first.grown(count)? } else { &mut [] },
            second: if second { self.second.grown(count)? } else { &mut [] },
            source: self.source.as_mut().map_or(Ok(&[][..]), Moment::values)?,
        };
        update.run(var, &grad.contiguous()?, values)?;
        store.touch(self.id);
        Ok(None)
    }

    fn take(&mut self, store: &ParamStore, (param, first, second): Made) -> Result<()> {
        if let Some(first) = first {
            self.first = Moment::Tensor(first);
        }
        if let Some(second) = second {
            self.second = Moment::Tensor(second);
        }
        store.set(self.id, &param)
    }
}

/// Counts as two exact f32 digits to the base 2^20, because checkpoints hold f32 alone.
fn count_tensor(count: u64) -> Result<Tensor> {
    let digits = [(count >> COUNT_BITS) as f32, (count & ((1 << COUNT_BITS) - 1)) as f32];
    Ok(Tensor::from_slice(&digits, 2, &Device::Cpu)?)
}

fn read_count(tensor: &Tensor) -> Result<u64> {
    match tensor.to_vec1::<f32>()?[..] {
        [high, low] if high >= 0.0 && low >= 0.0 => Ok(((high as u64) << COUNT_BITS) + low as u64),
        _ => Err(Error::input("not a count")),
    }
}

const COUNT_BITS: u32 = 20;

#[cfg(test)]
mod tests;
