//! The update rules by kernels for cards, of many parameters with one launch.
//!
//! Nothing is waited for: the factor by which gradients are clipped stays on the card, and so does their norm until it is asked for. Where
//! one is not finite the kernels change nothing, in that step and in all that follow until then.

use super::rules::{Rule, Update};
use super::{Optimizer, finite};
use crate::error::Result;
use crate::nn::ops::card;
use crate::nn::ops::card::optimizer::{Parameter, Step, update};
use crate::nn::params::ParamStore;
use candle_core::Tensor;
use candle_core::backprop::GradStore;

/// Steps of which the norm was not read.
#[derive(Debug)]
pub(super) struct Unread {
    /// Of the last of them, on the card.
    norm_and_factor: Tensor,
    /// Steps before them: all, and those of each slot.
    steps: u64,
    of_slots: Vec<u64>,
}

impl Optimizer {
    /// Whether kernels serve the parameters.
    pub(super) fn is_on_card(&self, store: &ParamStore) -> bool {
        self.slots.first().is_some_and(|slot| card::serves(store.get(slot.id).var.as_tensor()))
    }

    /// As [`Optimizer::step`].
    pub(super) fn step_on_card(&mut self, store: &ParamStore, grads: &GradStore, lr: f64) -> Result<()> {
        let (slots, parameters) = self.with_gradients(store, grads, lr)?;
        let (pull, most) = ((2.0 * self.l2_sp) as f32, self.clip_norm.map(|most| most as f32));
        let before = self.unread.as_ref().map(|unread| &unread.norm_and_factor);
        match update(&parameters, self.rule.step(), pull, most, before)? {
            Some(norm_and_factor) => match &mut self.unread {
                Some(unread) => unread.norm_and_factor = norm_and_factor,
                None => {
                    let of_slots = self.slots.iter().map(|slot| slot.steps).collect();
                    self.unread = Some(Unread { norm_and_factor, steps: self.steps, of_slots });
                }
            },
            // Nothing has a gradient, or nothing is clipped.
            None => self.norm = self.clip_norm.map(|_| 0.0),
        }
        for index in slots {
            let slot = &mut self.slots[index];
            slot.steps += 1;
            store.touch(slot.id);
        }
        self.steps += 1;
        Ok(())
    }

    /// Waits for the norms that were not read. Where one was not finite the counts are again those of the last reading.
    pub(super) fn read_norm(&mut self) -> Result<()> {
        let Some(unread) = self.unread.take() else { return Ok(()) };
        let norm = finite(unread.norm_and_factor.to_vec1::<f64>()?[0]);
        if norm.is_err() {
            self.steps = unread.steps;
            self.slots.iter_mut().zip(unread.of_slots).for_each(|(slot, steps)| slot.steps = steps);
        }
        self.norm = Some(norm?);
        Ok(())
    }

    /// The parameters that have gradients, and which slots are theirs.
    fn with_gradients(
        &mut self,
        store: &ParamStore,
        grads: &GradStore,
        lr: f64,
    ) -> Result<(Vec<usize>, Vec<Parameter>)> {
        let (rule, l2_sp) = (self.rule, self.l2_sp);
        let (keeps_first, keeps_second) = rule.keeps();
        let mut found = (Vec::new(), Vec::new());
        let mut slots = self.slots.iter_mut().enumerate();
        for group in &self.groups {
            for (index, slot) in slots.by_ref().take(group.ids.len()) {
                let var = store.get(slot.id).var.as_tensor();
                let Some(grad) = grads.get(var) else { continue };
                slot.check(var, grad)?;
                let (lr, weight_decay, step) = (lr * group.lr_scale, group.weight_decay, slot.steps + 1);
                let [rate, decay, shrink, root] =
                    Update { rule, lr, weight_decay, l2_sp, clip: 1.0, step }.numbers();
                found.0.push(index);
                found.1.push(Parameter {
                    values: var.detach(),
                    grad: grad.detach().contiguous()?,
                    first: keeps_first.then(|| slot.first.tensor(var)).transpose()?,
                    second: keeps_second.then(|| slot.second.tensor(var)).transpose()?,
                    source: slot.source.as_mut().map(|s| s.tensor(var)).transpose()?,
                    rate,
                    decay,
                    shrink,
                    root,
                });
            }
        }
        Ok(found)
    }
}

impl Rule {
    /// The rule as the kernels take it.
    fn step(self) -> Step {
        match self {
            // The gradient counts once more in Nesterov's form.
            Self::Sgd { momentum, nesterov: true } => {
                Step::Descend { momentum: momentum as f32, ahead: 1.0, kept: momentum as f32 }
            }
            Self::Sgd { momentum, nesterov: false } => {
                Step::Descend { momentum: momentum as f32, ahead: 0.0, kept: 1.0 }
            }
            Self::Adam { beta1, beta2, eps, .. } => Step::Adam {
                new_first: (1.0 - beta1) as f32,
                old_second: beta2 as f32,
                new_second: (1.0 - beta2) as f32,
                eps: eps as f32,
            },
        }
    }
}

impl Update {
    /// Rate, decay, shrinkage and the root of Adam's second correction, for one parameter.
    fn numbers(self) -> [f32; 4] {
        let (rate, decay, shrink, root) = match self.rule {
            Rule::Sgd { .. } => (self.lr, self.weight_decay, 1.0, 1.0),
            Rule::Adam { beta1, beta2, decoupled, .. } => {
                let correction = |beta: f64| 1.0 - beta.powf(self.step as f64);
                let (shrink, decay) = match decoupled {
                    true => (1.0 - self.lr * self.weight_decay, 0.0),
                    false => (1.0, self.weight_decay),
                };
                (self.lr / correction(beta1), decay, shrink, correction(beta2).sqrt())
            }
        };
        [rate, decay, shrink, root].map(|v| v as f32)
    }
}

#[cfg(test)]
#[cfg(feature = "emulated-card")]
mod tests {
    use crate::nn::ops::card::{emulated, launched};
    use crate::nn::optim::{Optimizer, ParamGroup, Rule};
    use crate::nn::params::{ParamKind, ParamStore};
    use candle_core::{Device, Tensor};
    use std::collections::BTreeMap;

    fn wave(count: usize, pace: f64) -> Tensor {
        let values: Vec<f32> = (0..count).map(|i| ((i as f64 + 1.0) * pace).sin() as f32).collect();
        Tensor::from_vec(values, count, &Device::Cpu).unwrap()
    }

    /// All parameters after three steps; of some there are no gradients.
    fn trained(rule: Rule) -> Vec<f32> {
        let mut store = ParamStore::new();
        // More than one launch takes, smaller and larger than a block, and of lengths that do not divide into packs.
        let sizes = (0..130).map(|i| [1, 5, 64, 4096, 4097, 9003][i % 6]);
        let ids: Vec<_> = sizes
            .enumerate()
            .map(|(i, size)| {
                let start = wave(size, 0.3 + i as f64);
                store.add(format!("p{i}"), ParamKind::Norm, start).unwrap()
            })
            .collect();
        let source = ids.iter().step_by(3).map(|&id| (id, wave(store.get(id).var.elem_count(), 0.9)));
        let source: BTreeMap<_, _> = source.collect();
        let groups = [
            ParamGroup { ids: ids[..50].to_vec(), lr_scale: 1.0, weight_decay: 0.1 },
            ParamGroup { ids: ids[50..].to_vec(), lr_scale: 0.3, weight_decay: 0.0 },
        ];
        let optimizer = Optimizer::new(&store, rule, groups.to_vec()).unwrap().with_clip_norm(20.0);
        let mut optimizer = optimizer.with_l2_sp(&store, 0.05, &source).unwrap();
        let mut trace = Vec::new();
        for step in 0..3 {
            let loss = ids.iter().enumerate().filter(|(i, _)| i % 7 != step).map(|(i, &id)| {
                let values = store.tensor(id);
                let weights = wave(values.elem_count(), 1.3 + (i + step) as f64);
                (values * weights).unwrap().sum_all().unwrap()
            });
            let loss = loss.reduce(|a, b| (a + b).unwrap()).unwrap();
            optimizer.step(&store, &loss.backward().unwrap(), 0.05).unwrap();
            trace.push(optimizer.norm().unwrap().unwrap() as f32);
        }
        trace.extend(ids.iter().flat_map(|&id| store.tensor(id).to_vec1::<f32>().unwrap()));
        trace
    }

    #[test]
    fn a_norm_that_is_not_finite_is_told_when_it_is_read_and_nothing_changes_until_then() {
        let run = |factors: &[f64]| {
            let mut store = ParamStore::new();
            let id = store.add("w".into(), ParamKind::Norm, wave(9, 0.7)).unwrap();
            let groups = ParamGroup::split(&store, &[id], 1.0, 0.1);
            let mut optimizer = Optimizer::new(&store, Rule::ADAM_W, groups).unwrap().with_clip_norm(1.0);
            let mut read = Vec::new();
            for &factor in factors {
                if factor == 0.0 {
                    read.push(optimizer.norm().is_ok());
                    continue;
                }
                let loss = (store.tensor(id).sqr().unwrap().sum_all().unwrap() * factor).unwrap();
                optimizer.step(&store, &loss.backward().unwrap(), 0.1).unwrap();
            }
            (store.tensor(id).to_vec1::<f32>().unwrap(), read, optimizer.steps())
        };
        emulated(|| {
            let (one, _, _) = run(&[1.0]);
            let (two, good, steps) = run(&[1.0, 0.0, 2.0, 0.0]);
            assert_eq!((good, steps), (vec![true, true], 2));
            // Zero stands for a reading.
            let (then, bad, steps) = run(&[1.0, 0.0, f64::INFINITY, 2.0, 3.0]);
            assert_eq!((&then, bad, steps), (&one, vec![true], 4));
            let (then, bad, steps) = run(&[1.0, 0.0, f64::NAN, 2.0, 0.0, 2.0, 0.0]);
            assert_eq!((then, bad, steps), (two, vec![true, false, true], 2));
        });
    }

    #[test]
    fn many_parameters_of_any_length_are_updated_as_on_the_processor() {
        let descent = |momentum, nesterov| Rule::Sgd { momentum, nesterov };
        for rule in [descent(0.0, false), descent(0.9, true), Rule::ADAM, Rule::ADAM_W] {
            let want = trained(rule);
            let before = launched();
            let got = emulated(|| trained(rule));
            // Norms of three batches, their sum and three updates, three times.
            assert_eq!(launched() - before, 21);
            assert_eq!(got.len(), want.len());
            for (i, (a, b)) in got.iter().zip(&want).enumerate() {
                assert!((a - b).abs() < 2e-6 * (1.0 + b.abs()), "{rule:?} {i}: {a}, {b}");
            }
        }
    }
}
