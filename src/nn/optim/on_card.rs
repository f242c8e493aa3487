//! The update rules by kernels for cards, of many parameters with one launch: `ops/card/kernels/optimizer.cu`.
//!
//! Nothing is waited for before the update is in the card's queue: the factor by which gradients are clipped stays on the card. Their norm
//! is read afterwards; the kernels change nothing where it is not finite.

use super::rules::{Rule, Update};
use super::{Optimizer, finite};
use crate::error::Result;
use crate::nn::ops::card::{self, Fresh, Grid, Launch, MAX_THREADS, Word, vector_width};
use crate::nn::params::ParamStore;
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};

const FILE: &str = "optimizer";
/// Parameters of a launch, values of a block and words of a parameter, as the kernels have them.
const PARAMETERS: usize = 48;
const BLOCK_VALUES: usize = 4096;
const WORDS: usize = 8;

/// A parameter that has a gradient.
struct Entry {
    slot: usize,
    values: Tensor,
    grad: Tensor,
    first: Option<Tensor>,
    second: Option<Tensor>,
    source: Option<Tensor>,
    /// Rate, decay, shrinkage and the root of Adam's second correction.
    numbers: [f32; 4],
}

impl Entry {
    fn blocks(&self) -> usize {
        self.values.elem_count().div_ceil(BLOCK_VALUES)
    }

    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let kept = [&self.first, &self.second, &self.source];
        [&self.values, &self.grad].into_iter().chain(kept.into_iter().flatten())
    }

    /// The words of the table; `first_block` of the launch is the parameter's first.
    fn words(&self, first_block: usize) -> Result<[Word<'_>; WORDS]> {
        fn update(kept: &Option<Tensor>) -> Word<'_> {
            kept.as_ref().map_or(Word::Absent, Word::Update)
        }
        let count = |n: usize| u32::try_from(n).map_err(candle_core::Error::from);
        let [rate, decay, shrink, root] = self.numbers.map(f32::to_bits);
        Ok([
            Word::Update(&self.values),
            Word::Read(&self.grad),
            update(&self.first),
            update(&self.second),
            self.source.as_ref().map_or(Word::Absent, Word::Read),
            Word::Pair([count(self.values.elem_count())?, count(first_block)?]),
            Word::Pair([rate, decay]),
            Word::Pair([shrink, root]),
        ])
    }
}

/// Parameters that are updated by one launch.
struct Batch<'a> {
    entries: &'a [Entry],
    blocks: usize,
    width: u32,
}

impl<'a> Batch<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        // All values are of one type; the number of a block's is a multiple of any width.
        let tensors: Vec<&Tensor> = entries.iter().flat_map(Entry::tensors).collect();
        Self {
            entries,
            blocks: entries.iter().map(Entry::blocks).sum(),
            width: vector_width(BLOCK_VALUES, &tensors),
        }
    }

    /// The beginning of a launch: the kernel and its table.
    fn launch(&self, kernel: &'static str) -> Result<Launch<'a>> {
        let (mut words, mut block) = (Vec::with_capacity(PARAMETERS * WORDS), 0);
        for entry in self.entries {
            words.extend(entry.words(block)?);
            block += entry.blocks();
        }
        Ok(Launch::of(FILE, kernel, DType::F32)?.table(words, PARAMETERS * WORDS))
    }

    fn grid(&self) -> Result<Grid> {
        let blocks = u32::try_from(self.blocks).map_err(candle_core::Error::from)?;
        Ok(Grid { blocks: [blocks, 1], threads: [MAX_THREADS, 1] })
    }
}

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
        let entries = self.entries(store, grads, lr)?;
        let batches: Vec<Batch<'_>> = entries.chunks(PARAMETERS).map(Batch::of).collect();
        let pull = (2.0 * self.l2_sp) as f32;
        let clip = match (self.clip_norm, entries.first()) {
            (Some(most), Some(first)) => Some(clip_factor(&batches, &first.values, pull, most as f32)?),
            _ => None,
        };
        for batch in &batches {
            let count = batch.entries.len() as u32;
            let launch = match self.rule {
                Rule::Sgd { momentum, nesterov } => {
                    // The gradient counts once more in Nesterov's form.
                    let (ahead, kept) = if nesterov { (1.0, momentum) } else { (0.0, 1.0) };
                    let launch = batch.launch("descend")?.read_if(clip.as_ref()).count(count);
                    launch.number(momentum as f32).number(ahead).number(kept as f32)
                }
                Rule::Adam { beta1, beta2, eps, .. } => {
                    let launch = batch.launch("adam")?.read_if(clip.as_ref()).count(count);
                    let launch = launch.number((1.0 - beta1) as f32).number(beta2 as f32);
                    launch.number((1.0 - beta2) as f32).number(eps as f32)
                }
            };
            // SAFETY: the table has as many parameters as are counted, with a block for each part of their values; a gradient, a
            // moment and a source have as many values as their parameter.
            unsafe { launch.number(pull).count(batch.width).run(batch.grid()?)? };
        }
        let norm = match &clip {
            Some(clip) => Some(finite(clip.to_vec1::<f64>()?[0])?),
            // Nothing has a gradient.
            None => self.clip_norm.map(|_| 0.0),
        };
        for entry in &entries {
            let slot = &mut self.slots[entry.slot];
            slot.steps += 1;
            store.touch(slot.id);
        }
        self.steps += 1;
        Ok(norm)
    }

    /// The parameters that have gradients, with what belongs to them.
    fn entries(&mut self, store: &ParamStore, grads: &GradStore, lr: f64) -> Result<Vec<Entry>> {
        let keeps = self.rule.keeps();
        let (rule, l2_sp) = (self.rule, self.l2_sp);
        let mut entries = Vec::new();
        let mut slots = self.slots.iter_mut().enumerate();
        for group in &self.groups {
            for (index, slot) in slots.by_ref().take(group.ids.len()) {
                let var = store.get(slot.id).var.as_tensor();
                let Some(grad) = grads.get(var) else { continue };
                slot.check(var, grad)?;
                let (lr, weight_decay, step) = (lr * group.lr_scale, group.weight_decay, slot.steps + 1);
                let update = Update { rule, lr, weight_decay, l2_sp, clip: 1.0, step };
                entries.push(Entry {
                    slot: index,
                    values: var.detach(),
                    grad: grad.detach().contiguous()?,
                    first: keeps.0.then(|| slot.first.tensor(var)).transpose()?,
                    second: keeps.1.then(|| slot.second.tensor(var)).transpose()?,
                    source: slot.source.as_mut().map(|s| s.tensor(var)).transpose()?,
                    numbers: update.numbers(),
                });
            }
        }
        Ok(entries)
    }
}

/// The norm of all gradients and the factor that brings it down to `most`, in f64.
fn clip_factor(batches: &[Batch<'_>], like: &Tensor, pull: f32, most: f32) -> Result<Tensor> {
    let blocks: usize = batches.iter().map(|batch| batch.blocks).sum();
    let mut parts = Fresh::new(like.device(), DType::F64, blocks)?;
    let mut first_part = 0;
    for batch in batches {
        let launch = batch.launch("square_sums")?.write(&mut parts).count(batch.entries.len() as u32);
        let launch = launch.count(u32::try_from(first_part).map_err(candle_core::Error::from)?);
        // SAFETY: as in `step_on_card`; each block writes one part, behind those of the batches before.
        unsafe { launch.number(pull).count(batch.width).run(batch.grid()?)? };
        first_part += batch.blocks;
    }
    let parts = parts.into_tensor();
    let mut norm_and_factor = Fresh::new(like.device(), DType::F64, 2)?;
    let launch = Launch::of(FILE, "clip_factor", DType::F32)?.read(&parts).write(&mut norm_and_factor);
    let launch = launch.count(u32::try_from(blocks).map_err(candle_core::Error::from)?).number(most);
    // SAFETY: one block reads as many parts as there are, and writes two values.
    unsafe { launch.run(Grid { blocks: [1, 1], threads: [MAX_THREADS, 1] })? };
    Ok(norm_and_factor.into_tensor())
}

impl Update {
    /// What the kernels need to know of a parameter.
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
