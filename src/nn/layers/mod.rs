//! Layers: stateless descriptions that read their parameters from a [`ParamStore`](super::params::ParamStore).

mod basic;
mod conv;
mod layer_norm;
mod mlp;
mod norm;
mod squeeze_excite;

pub use basic::{AvgPool, Dropout, Flatten, Linear, MaxPool, StochasticDepth};
pub use conv::{ConvDef, ConvNormAct};
pub use layer_norm::LayerNorm;
pub use mlp::Mlp;
pub use norm::{BatchNorm, NormAct, NormRates};
pub use squeeze_excite::SqueezeExcite;

use super::params::{ParamId, ParamStore};
use super::rng::Rng;
use crate::error::Result;
use candle_core::Tensor;
use std::cell::RefCell;

/// What a forward pass needs besides its input.
#[derive(Debug)]
pub struct Forward<'a> {
    /// The parameters.
    pub store: &'a ParamStore,
    /// Training: dropout and stochastic depth are active.
    pub train: bool,
    /// Batch normalisation uses batch statistics and makes new running ones. Normalisations whose scale and shift are
    /// frozen use their running statistics all the same.
    pub train_batch_norm: bool,
    /// Randomness of dropout and stochastic depth.
    pub rng: RefCell<Rng>,
    /// New running statistics; they count from [`keep_statistics`](Self::keep_statistics) on.
    pub statistics: RefCell<Vec<(ParamId, Tensor)>>,
}

impl<'a> Forward<'a> {
    /// A pass that only evaluates: no dropout, running statistics.
    pub fn eval(store: &'a ParamStore) -> Self {
        Self { train: false, ..Self::train(store, false, Rng::for_key(0, &[])) }
    }

    /// A pass of training, with dropout drawn from `rng`.
    pub fn train(store: &'a ParamStore, train_batch_norm: bool, rng: Rng) -> Self {
        Self { store, train: true, train_batch_norm, rng: RefCell::new(rng), statistics: RefCell::default() }
    }

    /// Puts the running statistics that the pass made into the store: once the step that it belongs to cannot fail any more, so that
    /// one which is made again does not count twice. Needs no memory.
    ///
    /// # Errors
    /// If one does not fit, or the device fails.
    pub fn keep_statistics(&self) -> Result<()> {
        self.statistics.take().iter().try_for_each(|(id, values)| self.store.set(*id, values))
    }
}

/// Something with a forward pass over `[N, H, W, C]` (or `[N, C]`).
pub trait Layer: std::fmt::Debug + Send + Sync {
    /// Computes the layer's output.
    ///
    /// # Errors
    /// If the input's shape does not fit.
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor>;

    /// How much each of the layer's T tokens attends to each other, mean over heads: `[N, T, T]`, rows that sum to 1. `None` where
    /// the layer has no attention.
    ///
    /// # Errors
    /// If the input's shape does not fit.
    fn attention(&self, _: &Forward<'_>, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
