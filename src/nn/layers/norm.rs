//! Batch normalisation as a layer: chooses between the batch's and the running statistics, and makes new ones of the latter.

use super::{Forward, Layer};
use crate::error::Result;
use crate::nn::init::{Init, ParamBuilder};
use crate::nn::ops::{Activation, BatchStats, batch_norm_add, batch_norm_frozen_add, card, norm, tensors};
use crate::nn::params::{ParamId, ParamKind};
use candle_core::Tensor;

/// Constants of a batch normalisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormRates {
    /// Added to the variance.
    pub eps: f64,
    /// Share of the new value in a running statistic.
    pub momentum: f64,
}

impl NormRates {
    /// PyTorch's defaults.
    pub const TORCH: Self = Self { eps: 1e-5, momentum: 0.1 };
}

/// Parameters of a batch normalisation, each `[C]`.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    /// Scale.
    pub gamma: ParamId,
    /// Shift.
    pub beta: ParamId,
    /// Running mean.
    pub mean: ParamId,
    /// Running (unbiased) variance.
    pub var: ParamId,
    /// Added to the variance.
    pub eps: f64,
    /// Share of the new value in a running statistic.
    pub momentum: f64,
}

impl BatchNorm {
    /// Registers `name.weight`, `name.bias`, `name.running_mean` and `name.running_var`, with PyTorch's first values.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn new(b: &mut ParamBuilder<'_>, name: &str, channels: usize, rates: NormRates) -> Result<Self> {
        let mut b = b.child(name);
        let mut add = |name, kind, value| b.add(name, kind, &[channels], Init::Constant(value));
        Ok(Self {
            gamma: add("weight", ParamKind::Norm, 1.0)?,
            beta: add("bias", ParamKind::Norm, 0.0)?,
            mean: add("running_mean", ParamKind::RunningStat, 0.0)?,
            var: add("running_var", ParamKind::RunningStat, 1.0)?,
            eps: rates.eps,
            momentum: rates.momentum,
        })
    }

    /// Whether a pass uses the batch's statistics: asked for, and this normalisation itself learns.
    pub fn uses_batch(&self, f: &Forward<'_>) -> bool {
        f.train_batch_norm && self.learns(f)
    }

    /// Whether scale or shift is trainable.
    pub fn learns(&self, f: &Forward<'_>) -> bool {
        f.store.get(self.gamma).trainable || f.store.get(self.beta).trainable
    }

    /// `act(normalised + addend)`, in one operation.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward_add(
        &self,
        f: &Forward<'_>,
        x: &Tensor,
        addend: Option<&Tensor>,
        act: Activation,
    ) -> Result<Tensor> {
        let affine = (&f.store.tensor(self.gamma), &f.store.tensor(self.beta));
        if self.uses_batch(f) {
            let (y, stats) = batch_norm_add(x, affine, self.eps, addend, act)?;
            self.update(f, &stats)?;
            return Ok(y);
        }
        let running = (&f.store.tensor(self.mean), &f.store.tensor(self.var));
        batch_norm_frozen_add(x, affine, running, self.eps, addend, act)
    }

    /// `running = (1 - momentum) * running + momentum * new`, the variance unbiased, as PyTorch's; handed to the pass.
    fn update(&self, f: &Forward<'_>, stats: &BatchStats) -> Result<()> {
        if card::serves(&stats.mean) {
            let running = [self.mean, self.var];
            let values = running.map(|id| f.store.get(id).var.as_tensor());
            let mixed = norm::mix_running(values, stats, self.momentum)?;
            f.statistics.borrow_mut().extend(running.into_iter().zip(mixed));
            return Ok(());
        }
        let unbiased = stats.count as f64 / (stats.count as f64 - 1.0);
        for (id, new, scale) in [(self.mean, &stats.mean, 1.0), (self.var, &stats.var, unbiased)] {
            let old = f.store.get(id).var.as_detached_tensor();
            if tensors::serve(new) {
                let kept = old.affine(1.0 - self.momentum, 0.0)?;
                let mixed = (kept + new.affine(self.momentum * scale, 0.0)?)?;
                f.statistics.borrow_mut().push((id, mixed));
                continue;
            }
            let mix = |(&old, &new): (&f32, &f32)| {
                ((1.0 - self.momentum) * f64::from(old) + self.momentum * scale * f64::from(new)) as f32
            };
            let (old, new) = (old.to_vec1::<f32>()?, new.to_vec1::<f32>()?);
            let mixed: Vec<f32> = old.iter().zip(&new).map(mix).collect();
            let mixed = Tensor::from_vec(mixed, new.len(), f.store.device())?;
            f.statistics.borrow_mut().push((id, mixed));
        }
        Ok(())
    }
}

impl Layer for BatchNorm {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        self.forward_add(f, x, None, Activation::Identity)
    }
}

/// Batch normalisation and an activation, ahead of a convolution rather than behind one.
#[derive(Debug, Clone)]
pub struct NormAct {
    /// The normalisation.
    pub norm: BatchNorm,
    /// Activation at the end.
    pub act: Activation,
}

impl Layer for NormAct {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        self.norm.forward_add(f, x, None, self.act)
    }
}
