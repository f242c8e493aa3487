//! The update rules by kernels for cards, of many parameters with one launch.
//!
//! Nothing is waited for before the update is in the card's queue: the factor by which gradients are clipped stays on the card. Their norm
//! is read afterwards; the kernels change nothing where it is not finite.

use super::rules::{Rule, Update};
use super::{Optimizer, finite};
use crate::error::Result;
use crate::nn::ops::card;
use crate::nn::ops::card::optimizer::{Parameter, Step, update};
use crate::nn::params::ParamStore;
use candle_core::backprop::GradStore;

impl Optimizer {
    /// Whether kernels serve the parameters.
    pub(super) fn is_on_card(&self, store: &ParamStore) -> bool {
        self.slots.first().is_some_and(|slot| card::serves(store.get(slot.id).var.as_tensor()))
    }

    /// As [`Optimizer::step`].
    pub(super) fn step_on_card(
        &mut self,
        store: &ParamStore,
        grads: &GradStore,
        lr: f64,
    ) -> Result<Option<f64>> {
        let (slots, parameters) = self.with_gradients(store, grads, lr)?;
        let most = self.clip_norm.map(|most| most as f32);
        let norm = match update(&parameters, self.rule.step(), (2.0 * self.l2_sp) as f32, most)? {
            Some(norm_and_factor) => Some(finite(norm_and_factor.to_vec1::<f64>()?[0])?),
            // Nothing has a gradient, or nothing is clipped.
            None => self.clip_norm.map(|_| 0.0),
        };
        for index in slots {
            let slot = &mut self.slots[index];
            slot.steps += 1;
            store.touch(slot.id);
        }
        self.steps += 1;
        Ok(norm)
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
            let norm = optimizer.step(&store, &loss.backward().unwrap(), 0.05).unwrap();
            trace.push(norm.unwrap() as f32);
        }
        trace.extend(ids.iter().flat_map(|&id| store.tensor(id).to_vec1::<f32>().unwrap()));
        trace
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
