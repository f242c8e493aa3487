//! The inverted residual with squeeze and excitation (Howard et al. 2019, "Searching for MobileNetV3"; Tan and Le 2019,
//! "EfficientNet"), which both families call `block`.

use super::{ConvDesc, ParamDesc};
use crate::error::Result;
use crate::nn::init::ParamBuilder;
use crate::nn::layers::{ConvNormAct, Forward, Layer, NormRates, SqueezeExcite, StochasticDepth};
use crate::nn::ops::{Activation, add};
use crate::nn::params::ParamKind;
use candle_core::Tensor;

/// Squeeze and excitation called `name`.
#[derive(Debug, Clone)]
pub(in crate::backbones) struct SqueezeDesc {
    pub(in crate::backbones) name: String,
    pub(in crate::backbones) channels: usize,
    pub(in crate::backbones) squeezed: usize,
    pub(in crate::backbones) act: Activation,
    pub(in crate::backbones) gate: Activation,
}

impl SqueezeDesc {
    fn params(&self, out: &mut Vec<ParamDesc>) {
        for (layer, inputs, outputs) in
            [("fc1", self.channels, self.squeezed), ("fc2", self.squeezed, self.channels)]
        {
            let name = |leaf: &str| format!("{}.{layer}.{leaf}", self.name);
            let disk_shape = vec![outputs, inputs, 1, 1];
            out.push(ParamDesc { name: name("weight"), kind: ParamKind::ConvWeight, disk_shape });
            out.push(ParamDesc { name: name("bias"), kind: ParamKind::Bias, disk_shape: vec![outputs] });
        }
    }
}

/// Expansion, depthwise convolution, squeeze and excitation, projection, and the block's input added where it fits.
#[derive(Debug, Clone)]
pub(in crate::backbones) struct InvertedDesc {
    pub(in crate::backbones) expand: Option<ConvDesc>,
    pub(in crate::backbones) depthwise: ConvDesc,
    pub(in crate::backbones) squeeze: Option<SqueezeDesc>,
    pub(in crate::backbones) project: ConvDesc,
    /// Whether the input is added, and with which probability the rest is then left out in training.
    pub(in crate::backbones) residual: Option<f64>,
}

/// What an inverted residual is made from.
#[derive(Debug, Clone, Copy)]
pub(in crate::backbones) struct InvertedShape {
    pub(in crate::backbones) channels: (usize, usize),
    /// Channels between the first and the last convolution; as many as come in means no expansion.
    pub(in crate::backbones) expanded: usize,
    pub(in crate::backbones) kernel: usize,
    pub(in crate::backbones) stride: usize,
    /// Width of the squeeze, its activation and its gate's.
    pub(in crate::backbones) squeeze: Option<(usize, Activation, Activation)>,
    pub(in crate::backbones) act: Activation,
    pub(in crate::backbones) norm_rates: NormRates,
    /// Probability with which the block is left out in training.
    pub(in crate::backbones) depth_drop: f64,
}

impl InvertedShape {
    pub(in crate::backbones) fn expands(&self) -> bool {
        self.expanded != self.channels.0
    }

    /// The block called `prefix`, with torchvision's names.
    pub(in crate::backbones) fn describe(&self, prefix: &str) -> InvertedDesc {
        let (cin, cout) = self.channels;
        let mut places = (0..).map(|place| format!("{prefix}.block.{place}"));
        let mut place = || places.next().unwrap_or_default();
        let conv = |place: String, channels, kernel, act| {
            let norm = format!("{place}.1");
            ConvDesc::normed(format!("{place}.0"), norm, channels, kernel, act).norm_rates(self.norm_rates)
        };
        let inner = (self.expanded, self.expanded);
        InvertedDesc {
            expand: self.expands().then(|| conv(place(), (cin, self.expanded), 1, self.act)),
            depthwise: conv(place(), inner, self.kernel, self.act).depthwise().stride(self.stride),
            squeeze: self.squeeze.map(|(squeezed, act, gate)| SqueezeDesc {
                name: place(),
                channels: self.expanded,
                squeezed,
                act,
                gate,
            }),
            project: conv(place(), (self.expanded, cout), 1, Activation::Identity),
            residual: (self.stride == 1 && cin == cout).then_some(self.depth_drop),
        }
    }

    /// torchvision's and timm's names of the block's layers, without the prefixes.
    pub(in crate::backbones) fn timm_parts(&self) -> Vec<(String, &'static str)> {
        let mut convs: Vec<(&str, &str)> = match self.expands() {
            true => vec![("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")],
            // timm's depthwise-separable block.
            false => vec![("conv_dw", "bn1"), ("conv_pw", "bn2")],
        };
        let last = convs.pop();
        let mut parts = Vec::new();
        let mut place = 0;
        for (conv, norm) in convs {
            parts.extend([(format!("block.{place}.0"), conv), (format!("block.{place}.1"), norm)]);
            place += 1;
        }
        if self.squeeze.is_some() {
            let reduce = (format!("block.{place}.fc1"), "se.conv_reduce");
            parts.extend([reduce, (format!("block.{place}.fc2"), "se.conv_expand")]);
            place += 1;
        }
        if let Some((conv, norm)) = last {
            parts.extend([(format!("block.{place}.0"), conv), (format!("block.{place}.1"), norm)]);
        }
        parts
    }
}

impl InvertedDesc {
    pub(super) fn params(&self, out: &mut Vec<ParamDesc>) {
        self.expand.iter().for_each(|conv| conv.params(out));
        self.depthwise.params(out);
        self.squeeze.iter().for_each(|squeeze| squeeze.params(out));
        self.project.params(out);
    }

    pub(super) fn build(&self, b: &mut ParamBuilder<'_>) -> Result<Inverted> {
        let squeeze = |s: &SqueezeDesc, b: &mut ParamBuilder<'_>| {
            SqueezeExcite::new(b, &s.name, (s.channels, s.squeezed), s.act, s.gate)
        };
        Ok(Inverted {
            expand: self.expand.as_ref().map(|conv| conv.build(b)).transpose()?,
            depthwise: self.depthwise.build(b)?,
            squeeze: self.squeeze.as_ref().map(|s| squeeze(s, b)).transpose()?,
            project: self.project.build(b)?,
            residual: self.residual.map(|probability| StochasticDepth { probability }),
        })
    }
}

#[derive(Debug)]
pub(super) struct Inverted {
    expand: Option<ConvNormAct>,
    depthwise: ConvNormAct,
    squeeze: Option<SqueezeExcite>,
    project: ConvNormAct,
    residual: Option<StochasticDepth>,
}

impl Layer for Inverted {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let mut y = match &self.expand {
            Some(conv) => self.depthwise.forward(f, &conv.forward(f, x)?)?,
            None => self.depthwise.forward(f, x)?,
        };
        if let Some(squeeze) = &self.squeeze {
            y = squeeze.forward(f, &y)?;
        }
        match &self.residual {
            Some(depth) if f.train => {
                add(x, &depth.forward(f, &self.project.forward(f, &y)?)?, Activation::Identity)
            }
            Some(_) => self.project.forward_add(f, &y, x, Activation::Identity),
            None => self.project.forward(f, &y),
        }
    }
}
