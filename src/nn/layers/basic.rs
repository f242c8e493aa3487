//! Layers without much of their own: linear, dropout, pooling, flattening.

use super::{Forward, Layer};
use crate::error::{Error, Result};
use crate::nn::init::{Init, ParamBuilder};
use crate::nn::ops::{
    Activation, PackedLinear, PoolSpec, avg_pool2d, dropout, dropout_rows, linear, linear_residual,
    max_pool2d,
};
use crate::nn::params::{ParamId, ParamKind};
use candle_core::Tensor;
use std::sync::Arc;

/// Fully connected layer with bias, `[.., In]` to `[.., Out]`, and an activation fused behind it.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[In, Out]`.
    pub weight: ParamId,
    /// `[Out]`.
    pub bias: ParamId,
    /// Activation at the end.
    pub act: Activation,
}

impl Linear {
    /// Registers `name.weight` and `name.bias` with PyTorch's default values.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn new(
        b: &mut ParamBuilder<'_>,
        name: &str,
        inputs: usize,
        outputs: usize,
        act: Activation,
    ) -> Result<Self> {
        let default = Init::TorchDefault { fan_in: inputs };
        Self::with_init(b, name, (inputs, outputs), act, (default, default))
    }

    /// The same for widths `(inputs, outputs)` with first values drawn by `init`: weight's and bias's.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn with_init(
        b: &mut ParamBuilder<'_>,
        name: &str,
        widths: (usize, usize),
        act: Activation,
        init: (Init, Init),
    ) -> Result<Self> {
        let mut b = b.child(name);
        Ok(Self {
            weight: b.add("weight", ParamKind::LinearWeight, &[widths.0, widths.1], init.0)?,
            bias: b.add("bias", ParamKind::Bias, &[widths.1], init.1)?,
            act,
        })
    }
}

impl Linear {
    /// `onto + scale * (act(x) · weight + bias)`, with one scale a channel or without; the layer's own activation is left out.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn add_to(
        &self,
        f: &Forward<'_>,
        onto: &Tensor,
        (act, x): (Activation, &Tensor),
        scale: Option<ParamId>,
    ) -> Result<Tensor> {
        if let Some(packed) = self.packed(f, scale)? {
            return packed.forward(act, x, Some(onto), Activation::Identity);
        }
        let (weight, bias) = (f.store.tensor(self.weight), f.store.tensor(self.bias));
        let scale = scale.map(|id| f.store.tensor(id));
        linear_residual(act, x, (&weight, &bias), onto, scale.as_ref())
    }

    /// The layer as it is applied where nothing of it learns; the store keeps it until a part changes. The same scale at every call.
    fn packed(&self, f: &Forward<'_>, scale: Option<ParamId>) -> Result<Option<Arc<PackedLinear>>> {
        let parts = || [self.weight, self.bias].into_iter().chain(scale);
        if parts().any(|id| f.store.get(id).trainable) {
            return Ok(None);
        }
        let changes = parts().map(|id| f.store.version(id)).sum();
        let value = |id| f.store.get(id).var.as_detached_tensor();
        let make =
            || Ok(PackedLinear::new(&value(self.weight), &value(self.bias), scale.map(value).as_ref()));
        f.store.derived(self.weight, changes, make).map(Some)
    }
}

impl Layer for Linear {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        if let Some(packed) = self.packed(f, None)? {
            return packed.forward(Activation::Identity, x, None, self.act);
        }
        linear(x, &f.store.tensor(self.weight), Some(&f.store.tensor(self.bias)), self.act)
    }
}

/// Sets a share of values to zero while training, and scales the others up to make good for it (Srivastava et al. 2014).
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    /// Probability of zero, in `[0, 1)`.
    pub probability: f64,
}

impl Layer for Dropout {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        if !f.train {
            return Ok(x.clone());
        }
        let rng = &mut *f.rng.try_borrow_mut().map_err(|e| Error::internal(format!("dropout ({e})")))?;
        dropout(x, self.probability, rng)
    }
}

/// Sets what a residual block adds to zero for a share of the pictures while training, and scales it up for the others to
/// make good for it (Huang et al. 2016, "Deep Networks with Stochastic Depth").
#[derive(Debug, Clone, Copy)]
pub struct StochasticDepth {
    /// Probability of zero, in `[0, 1)`.
    pub probability: f64,
}

impl Layer for StochasticDepth {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        if !f.train {
            return Ok(x.clone());
        }
        let lock = f.rng.try_borrow_mut();
        let rng = &mut *lock.map_err(|e| Error::internal(format!("stochastic depth ({e})")))?;
        dropout_rows(x, self.probability, rng)
    }
}

/// Maximum over windows.
#[derive(Debug, Clone, Copy)]
pub struct MaxPool(pub PoolSpec);

impl Layer for MaxPool {
    fn forward(&self, _: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        max_pool2d(x, self.0)
    }
}

/// Mean over windows.
#[derive(Debug, Clone, Copy)]
pub struct AvgPool(pub PoolSpec);

impl Layer for AvgPool {
    fn forward(&self, _: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        avg_pool2d(x, self.0)
    }
}

/// All positions as one vector, in PyTorch's order: `[N, H, W, C]` to `[N, C * H * W]`.
#[derive(Debug, Clone, Copy)]
pub struct Flatten;

impl Layer for Flatten {
    fn forward(&self, _: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        Ok(x.permute((0, 3, 1, 2))?.contiguous()?.flatten_from(1)?)
    }
}
