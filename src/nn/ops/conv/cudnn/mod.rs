//! Convolution by cuDNN, on NVIDIA cards.
//!
//! cuDNN reads channels-last maps as they are. Of filters it wants `[Cout, KH, KW, Cin / groups]`, where weights here are
//! `[KH, KW, Cin / groups, Cout]`: they are turned for each pass, which costs little beside the maps and lets nothing go stale.
//!
//! Algorithms are those that always give the same result, by a list of preference, not by a race that could end differently:
//! `IMPLICIT_PRECOMP_GEMM` (else `IMPLICIT_GEMM`) forward, `ALGO_1` for both gradients. These are also what cuDNN has for
//! channels-last maps; its `ALGO_0` and `ALGO_3` of the gradients add in an order of chance. Sums are f32 throughout. Products
//! of f32 are rounded to TF32 where the card has it, unless `NVIDIA_TF32_OVERRIDE=0` is set.
//!
//! Frozen convolutions have their bias, what is added to them and their ReLU in the same pass ([`Frozen`]).
//!
//! [`plan`] holds what can be said without a card, [`calls`] what needs one.

#[cfg(feature = "cuda")]
mod calls;
#[cfg(any(feature = "cuda", test))]
mod plan;

/// In a build without CUDA.
#[cfg(not(feature = "cuda"))]
mod calls {
    use super::{Geometry, Onto, Pass};
    use candle_core::{Result, Tensor};

    pub(super) fn run(_: Pass, _: &Geometry, _: [&Tensor; 2], _: Option<Onto<'_>>) -> Result<Option<Tensor>> {
        Ok(None)
    }
}

use super::Geometry;
use crate::nn::ops::Activation;
use crate::nn::ops::tensors::short::is_short;
use candle_core::{DType, Result, Tensor};
use std::sync::OnceLock;

/// What is computed of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pass {
    /// The result, of the input and the filter.
    Forward,
    /// The input's gradient, of the filter and the result's gradient.
    Input,
    /// The filter's gradient, of the input and the result's gradient.
    Filter,
    /// As `Forward`, with what [`Onto`] says, and a ReLU where it is wanted.
    Fused { relu: bool },
}

/// What is added to a convolution: a bias, and a map in the result's shape.
type Onto<'a> = (&'a Tensor, Option<&'a Tensor>);

/// The convolution without bias; `None` where cuDNN does not serve it.
pub(super) fn forward(geometry: &Geometry, x: &Tensor, weight: &Tensor) -> Result<Option<Tensor>> {
    if !serves(geometry, x) {
        return Ok(None);
    }
    calls::run(Pass::Forward, geometry, [x, &filter(geometry, weight)?], None)
}

/// A convolution with weights that do not change, which no graph follows.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    /// The weights as cuDNN reads them, brought into this form once; in f32 and in bf16.
    filters: [OnceLock<Tensor>; 2],
}

impl Frozen {
    /// `act(convolution + bias + addend)`; `None` where cuDNN does not serve it. The addend is in the result's shape.
    pub(super) fn forward(
        &self,
        geometry: &Geometry,
        [x, weight, bias]: [&Tensor; 3],
        addend: Option<&Tensor>,
        act: Activation,
    ) -> crate::error::Result<Option<Tensor>> {
        if geometry.depthwise() || !x.device().is_cuda() {
            return Ok(None);
        }
        let place = &self.filters[usize::from(is_short(weight))];
        let filter = match place.get() {
            Some(filter) => filter,
            None => {
                let turned = filter(geometry, weight)?;
                place.get_or_init(|| turned)
            }
        };
        let (x, bias, addend) =
            (x.contiguous()?, bias.contiguous()?, addend.map(Tensor::contiguous).transpose()?);
        let onto = (&bias, addend.as_ref());
        let relu = act == Activation::Relu;
        let y = calls::run(Pass::Fused { relu }, geometry, [&x, filter], Some(onto))?;
        y.map(|y| if relu { Ok(y) } else { act.apply(&y) }).transpose()
    }
}

/// The gradient of the input; `None` where cuDNN does not serve it.
pub(super) fn input_gradient(geometry: &Geometry, weight: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
    if !serves(geometry, grad) {
        return Ok(None);
    }
    calls::run(Pass::Input, geometry, [&filter(geometry, weight)?, grad], None)
}

/// The gradient of the weights; `None` where cuDNN does not serve it.
pub(super) fn weight_gradient(geometry: &Geometry, x: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
    if !serves(geometry, grad) {
        return Ok(None);
    }
    let of_filter = calls::run(Pass::Filter, geometry, [x, grad], None)?;
    of_filter.map(|grad| grad.permute((1, 2, 3, 0))?.contiguous()).transpose()
}

fn serves(geometry: &Geometry, maps: &Tensor) -> bool {
    maps.device().is_cuda() && !geometry.depthwise() && !is_product(geometry, maps.dtype())
}

/// Whether a convolution is cuBLAS's, as a product of matrices: short ones of single pixels, and in any type those of maps of one pixel, as
/// fully connected layers are.
fn is_product(geometry: &Geometry, dtype: DType) -> bool {
    let pixels = geometry.pointwise() && geometry.spec.stride == 1;
    pixels && (dtype != DType::F32 || geometry.input[..2] == [1, 1])
}

/// Weights as cuDNN reads them. Those of fully connected layers have two axes.
fn filter(geometry: &Geometry, weight: &Tensor) -> Result<Tensor> {
    let ([kh, kw], [cin, cout], groups) = (geometry.kernel, geometry.group(), geometry.spec.groups);
    weight.reshape((kh, kw, cin, groups * cout))?.permute((3, 0, 1, 2))?.contiguous()
}

#[cfg(test)]
mod tests;
