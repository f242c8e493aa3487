//! Gradients on their way through the tape.

use crate::nn::ops::cpu::{self, CHUNK, Clamp};
use crate::nn::ops::memory::filled;
use crate::nn::ops::{simd, tensors};
use candle_core::{DType, Device, Result, Shape, Tensor};
use rayon::prelude::*;

/// A gradient on its way.
#[derive(Debug)]
pub(crate) enum Grad {
    /// Nobody else has it: it may be written over.
    Owned(Vec<f32>),
    /// To be read only.
    Shared(Tensor),
}

impl Grad {
    /// Calls `body` with the values.
    pub(crate) fn with<R>(&self, body: impl FnOnce(&[f32]) -> R) -> Result<R> {
        match self {
            Self::Owned(values) => Ok(body(values)),
            Self::Shared(tensor) => cpu::with_values([&tensor.contiguous()?], |[values]| body(values)),
        }
    }

    /// The values after `body` has changed them, parcel by parcel of `size`; in place where nobody else has them.
    pub(crate) fn rewrite(self, size: usize, body: impl Fn(usize, &mut [f32]) + Sync) -> Result<Vec<f32>> {
        self.rewrite_with(size, (0..usize::MAX).into_par_iter(), body)
    }

    /// The same where `body` gets an item of `items` with each parcel; there are at least as many.
    pub(crate) fn rewrite_with<T: Send>(
        self,
        size: usize,
        items: impl IndexedParallelIterator<Item = T>,
        body: impl Fn(T, &mut [f32]) + Sync,
    ) -> Result<Vec<f32>> {
        match self {
            Self::Owned(mut values) => {
                values.par_chunks_mut(size).zip(items).for_each(|(to, item)| body(item, to));
                Ok(values)
            }
            Self::Shared(tensor) => cpu::with_values([&tensor.contiguous()?], |[from]| {
                let fill = |to: &mut [f32]| {
                    to.par_chunks_mut(size).zip(from.par_chunks(size)).zip(items).for_each(
                        |((to, from), item)| {
                            to.copy_from_slice(from);
                            body(item, to);
                        },
                    );
                };
                // SAFETY: every chunk is copied before anything else.
                unsafe { filled(from.len(), fill) }
            }),
        }
    }

    /// In this type.
    pub(crate) fn of_type(self, dtype: DType) -> Result<Self> {
        match self {
            Self::Owned(values) => Ok(Self::Owned(values)),
            Self::Shared(tensor) => Ok(Self::Shared(tensor.to_dtype(dtype)?)),
        }
    }

    /// As a tensor of this shape.
    pub(crate) fn into_tensor(self, shape: &Shape) -> Result<Tensor> {
        match self {
            Self::Owned(values) => Tensor::from_vec(values, shape, &Device::Cpu),
            Self::Shared(tensor) => tensor.reshape(shape),
        }
    }

    /// The sum of two, written over one of them where that is allowed.
    pub(crate) fn add(self, other: Self) -> Result<Self> {
        if let (Self::Shared(sum), Self::Shared(other)) = (&self, &other)
            && tensors::serve(sum)
        {
            return tensors::activation::sum(sum, &other.reshape(sum.shape())?, Clamp::None)
                .map(Self::Shared);
        }
        let (sum, other) = match (self, other) {
            (other, Self::Owned(values)) => (Self::Owned(values), other),
            (sum, other) => (sum, other),
        };
        let add = |values: &[f32]| {
            sum.rewrite(CHUNK, |i, sum| {
                let values = &values[i * CHUNK..i * CHUNK + sum.len()];
                simd::vectorised(
                    #[inline(always)]
                    || sum.iter_mut().zip(values).for_each(|(s, v)| *s += v),
                );
            })
        };
        Ok(Self::Owned(other.with(add)??))
    }
}
