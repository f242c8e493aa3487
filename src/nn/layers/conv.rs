//! Convolution with what usually follows it.

use super::{BatchNorm, Forward, Layer, NormRates};
use crate::error::Result;
use crate::nn::init::{Init, ParamBuilder};
use crate::nn::ops::{Activation, Conv2dSpec, PackedConv, add, conv2d};
use crate::nn::params::{ParamId, ParamKind};
use candle_core::{DType, Tensor};
use std::sync::Arc;

/// What a [`ConvNormAct`] is to be. Begins as a plain convolution without bias, normalisation or activation, stride 1, "same"
/// padding, weights drawn as torchvision's ResNet does.
#[derive(Debug, Clone, Copy)]
pub struct ConvDef<'a> {
    name: &'a str,
    channels: (usize, usize),
    kernel: usize,
    padding: Option<usize>,
    stride: usize,
    dilation: usize,
    groups: usize,
    bias: bool,
    norm: Option<&'a str>,
    norm_rates: NormRates,
    act: Activation,
    init: Init,
}

impl<'a> ConvDef<'a> {
    /// A square convolution called `name` from `cin` to `cout` channels.
    pub fn new(name: &'a str, cin: usize, cout: usize, kernel: usize) -> Self {
        Self {
            name,
            channels: (cin, cout),
            kernel,
            padding: None,
            stride: 1,
            dilation: 1,
            groups: 1,
            bias: false,
            norm: None,
            norm_rates: NormRates::TORCH,
            act: Activation::Identity,
            init: Init::KaimingNormalFanOut,
        }
    }

    /// Step between output positions.
    #[must_use]
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// Zeros on each side; without it `dilation * (kernel - 1) / 2`.
    #[must_use]
    pub fn padding(self, padding: usize) -> Self {
        Self { padding: Some(padding), ..self }
    }

    /// Distance between kernel taps.
    #[must_use]
    pub fn dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// Groups of channels; as many as channels is a depthwise convolution.
    #[must_use]
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// With a bias, first 0.
    #[must_use]
    pub fn bias(self) -> Self {
        Self { bias: true, ..self }
    }

    /// With a batch normalisation of this name behind the convolution.
    #[must_use]
    pub fn norm(self, name: &'a str) -> Self {
        Self { norm: Some(name), ..self }
    }

    /// With other constants in the batch normalisation.
    #[must_use]
    pub fn norm_rates(self, norm_rates: NormRates) -> Self {
        Self { norm_rates, ..self }
    }

    /// With this activation at the end.
    #[must_use]
    pub fn act(self, act: Activation) -> Self {
        Self { act, ..self }
    }

    /// With other first weights.
    #[must_use]
    pub fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }
}

/// Convolution, optional batch normalisation, activation: folded into one fused convolution where nothing of it learns
/// and the normalisation uses running statistics.
#[derive(Debug, Clone)]
pub struct ConvNormAct {
    /// `[KH, KW, Cin / groups, Cout]`.
    pub weight: ParamId,
    /// Convolution bias, `[Cout]`.
    pub bias: Option<ParamId>,
    /// Batch normalisation behind the convolution.
    pub norm: Option<BatchNorm>,
    /// Geometry.
    pub spec: Conv2dSpec,
    /// Activation at the end.
    pub act: Activation,
}

impl ConvNormAct {
    /// Registers the parameters of `def`: `name.weight`, `name.bias`, and those of the normalisation.
    ///
    /// # Errors
    /// If a name is taken.
    pub fn new(b: &mut ParamBuilder<'_>, def: ConvDef<'_>) -> Result<Self> {
        let (cin, cout) = def.channels;
        let shape = [def.kernel, def.kernel, cin / def.groups.max(1), cout];
        let mut conv = b.child(def.name);
        let weight = conv.add("weight", ParamKind::ConvWeight, &shape, def.init)?;
        let bias = match def.bias {
            true => Some(conv.add("bias", ParamKind::Bias, &[cout], Init::Constant(0.0))?),
            false => None,
        };
        let norm = def.norm.map(|name| BatchNorm::new(b, name, cout, def.norm_rates)).transpose()?;
        let spec = Conv2dSpec {
            stride: def.stride,
            padding: def.padding.unwrap_or(def.dilation * (def.kernel - 1) / 2),
            dilation: def.dilation,
            groups: def.groups,
        };
        Ok(Self { weight, bias, norm, spec, act: def.act })
    }

    fn parts(&self) -> impl Iterator<Item = ParamId> {
        let norm = self.norm.iter().flat_map(|n| [n.gamma, n.beta, n.mean, n.var]);
        [self.weight].into_iter().chain(self.bias).chain(norm)
    }

    /// The convolution with the normalisation folded in; the store keeps it until a part changes.
    fn folded(&self, f: &Forward<'_>) -> Result<Arc<PackedConv>> {
        let changes = self.parts().map(|id| f.store.version(id)).sum();
        f.store.derived(self.weight, changes, || {
            let value = |id| f.store.get(id).var.as_detached_tensor();
            let (mut weight, bias) = (value(self.weight), self.bias.map(value));
            let bias = match (&self.norm, bias) {
                (Some(norm), bias) => {
                    let scale = (value(norm.gamma) / (value(norm.var) + norm.eps)?.sqrt()?)?;
                    let mean = match bias {
                        Some(bias) => (value(norm.mean) - bias)?,
                        None => value(norm.mean),
                    };
                    weight = weight.broadcast_mul(&scale)?;
                    (value(norm.beta) - (mean * scale)?)?
                }
                (None, Some(bias)) => bias,
                (None, None) => Tensor::zeros(weight.dim(3)?, DType::F32, weight.device())?,
            };
            Ok(PackedConv::new(&weight, &bias, self.spec))
        })
    }

    /// `act(layer(x) + addend)`, as at the end of a residual block; one operation for a layer without activation of its own.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn forward_add(
        &self,
        f: &Forward<'_>,
        x: &Tensor,
        addend: &Tensor,
        act: Activation,
    ) -> Result<Tensor> {
        if self.act != Activation::Identity {
            return add(&self.forward(f, x)?, addend, act);
        }
        self.fused(f, x, Some(addend), act)
    }

    fn fused(&self, f: &Forward<'_>, x: &Tensor, addend: Option<&Tensor>, act: Activation) -> Result<Tensor> {
        if !self.parts().any(|id| f.store.get(id).trainable) {
            return self.folded(f)?.forward(x, addend, act);
        }
        let (weight, bias) = (f.store.tensor(self.weight), self.bias.map(|id| f.store.tensor(id)));
        match (&self.norm, addend) {
            (Some(norm), _) => {
                let y = conv2d(x, &weight, bias.as_ref(), self.spec, Activation::Identity)?;
                norm.forward_add(f, &y, addend, act)
            }
            (None, Some(addend)) => {
                add(&conv2d(x, &weight, bias.as_ref(), self.spec, Activation::Identity)?, addend, act)
            }
            (None, None) => conv2d(x, &weight, bias.as_ref(), self.spec, act),
        }
    }
}

impl Layer for ConvNormAct {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        self.fused(f, x, None, self.act)
    }
}
