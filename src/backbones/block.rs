//! What backbones are made of: descriptions as plain data, and the layers built from them.
//!
//! A family only describes its network. The same description gives the names and shapes that a weight file must have, the
//! size of a feature map, and the layers themselves, so that these cannot disagree.

mod composed;
mod dense;
mod inverted;
mod kept;

use composed::{Fire, Hidden, Residual};
pub(super) use dense::{DenseLayerDesc, NormDesc};
pub(super) use inverted::{InvertedDesc, InvertedShape};

use crate::error::Result;
use crate::nn::init::{Init, ParamBuilder};
use crate::nn::layers::{AvgPool, ConvDef, ConvNormAct, Dropout, Layer, Linear, MaxPool, NormRates};
use crate::nn::ops::{Activation, PoolSpec};
use crate::nn::params::ParamKind;
use std::sync::Arc;

/// A parameter that a network has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParamDesc {
    pub(super) name: String,
    pub(super) kind: ParamKind,
    /// Shape in a weight file (PyTorch's).
    pub(super) disk_shape: Vec<usize>,
}

impl ParamDesc {
    pub(super) fn new(name: &str, kind: ParamKind, disk_shape: &[usize]) -> Self {
        Self { name: name.to_owned(), kind, disk_shape: disk_shape.to_vec() }
    }

    /// Number of values.
    pub(super) fn len(&self) -> usize {
        self.disk_shape.iter().product()
    }

    /// Whether training changes it by its gradient.
    pub(super) fn learns(&self) -> bool {
        self.kind != ParamKind::RunningStat
    }

    /// Scale and shift of a layer normalisation.
    pub(super) fn norm(name: &str, channels: usize) -> Vec<Self> {
        ["weight", "bias"]
            .map(|leaf| Self::new(&format!("{name}.{leaf}"), ParamKind::Norm, &[channels]))
            .into()
    }

    /// Weight and bias of a fully connected layer.
    pub(super) fn linear(name: &str, inputs: usize, outputs: usize) -> Vec<Self> {
        let weight = Self::new(&format!("{name}.weight"), ParamKind::LinearWeight, &[outputs, inputs]);
        vec![weight, Self::new(&format!("{name}.bias"), ParamKind::Bias, &[outputs])]
    }
}

/// A piece that one family alone has: its parameters, its effect on the size of a map, and its layer.
pub(super) trait Piece: std::fmt::Debug {
    /// Its parameters, in the order in which [`Self::build`] registers them.
    fn params(&self) -> Vec<ParamDesc>;

    /// Side in pixels of the output for a square input of `side` pixels.
    fn side_after(&self, side: usize) -> usize {
        side
    }

    /// Values kept of one picture for the gradient, where what comes in is `side` by `side` pixels.
    fn kept(&self, side: usize) -> usize;

    /// Registers the parameters with fresh values and gives the layer.
    fn build(&self, b: &mut ParamBuilder<'_>) -> Result<Box<dyn Layer>>;
}

/// A convolution with what follows it.
#[derive(Debug, Clone)]
pub(super) struct ConvDesc {
    name: String,
    norm: Option<String>,
    bias: bool,
    channels: (usize, usize),
    kernel: usize,
    stride: usize,
    padding: usize,
    groups: usize,
    act: Activation,
    init: Init,
    norm_rates: NormRates,
}

impl ConvDesc {
    /// A convolution of stride 1 that keeps the size, without bias, with a batch normalisation and `act`.
    pub(super) fn normed(
        name: impl Into<String>,
        norm: impl Into<String>,
        channels: (usize, usize),
        kernel: usize,
        act: Activation,
    ) -> Self {
        Self {
            name: name.into(),
            norm: Some(norm.into()),
            bias: false,
            channels,
            kernel,
            stride: 1,
            padding: kernel / 2,
            groups: 1,
            act,
            init: Init::KaimingNormalFanOut,
            norm_rates: NormRates::TORCH,
        }
    }

    /// A convolution of stride 1 that keeps the size, with a bias and relu.
    pub(super) fn biased(name: impl Into<String>, channels: (usize, usize), kernel: usize) -> Self {
        let normed = Self::normed(name, "", channels, kernel, Activation::Relu);
        Self { norm: None, bias: true, ..normed }
    }

    /// A convolution of stride 1 that keeps the size, with nothing behind it.
    pub(super) fn plain(name: impl Into<String>, channels: (usize, usize), kernel: usize) -> Self {
        Self { norm: None, ..Self::normed(name, "", channels, kernel, Activation::Identity) }
    }

    pub(super) fn with_norm(self, norm: String) -> Self {
        Self { norm: Some(norm), ..self }
    }

    pub(super) fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    pub(super) fn padding(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    pub(super) fn depthwise(self) -> Self {
        Self { groups: self.channels.0, ..self }
    }

    pub(super) fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }

    pub(super) fn norm_rates(self, norm_rates: NormRates) -> Self {
        Self { norm_rates, ..self }
    }

    fn params(&self, out: &mut Vec<ParamDesc>) {
        let (cin, cout) = self.channels;
        let mut add = |name: String, kind, disk_shape| out.push(ParamDesc { name, kind, disk_shape });
        let shape = vec![cout, cin / self.groups, self.kernel, self.kernel];
        add(format!("{}.weight", self.name), ParamKind::ConvWeight, shape);
        if self.bias {
            add(format!("{}.bias", self.name), ParamKind::Bias, vec![cout]);
        }
        if let Some(norm) = &self.norm {
            add(format!("{norm}.weight"), ParamKind::Norm, vec![cout]);
            add(format!("{norm}.bias"), ParamKind::Norm, vec![cout]);
            add(format!("{norm}.running_mean"), ParamKind::RunningStat, vec![cout]);
            add(format!("{norm}.running_var"), ParamKind::RunningStat, vec![cout]);
        }
    }

    fn side_after(&self, side: usize) -> usize {
        (side + 2 * self.padding).saturating_sub(self.kernel) / self.stride + 1
    }

    fn build(&self, b: &mut ParamBuilder<'_>) -> Result<ConvNormAct> {
        let def = ConvDef::new(&self.name, self.channels.0, self.channels.1, self.kernel)
            .stride(self.stride)
            .padding(self.padding)
            .groups(self.groups)
            .norm_rates(self.norm_rates)
            .act(self.act)
            .init(self.init);
        let def = if self.bias { def.bias() } else { def };
        let def = self.norm.iter().fold(def, |def, norm| def.norm(norm));
        ConvNormAct::new(b, def)
    }
}

/// A fully connected layer.
#[derive(Debug, Clone)]
pub(super) struct LinearDesc {
    pub(super) name: String,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) act: Activation,
}

impl LinearDesc {
    fn params(&self, out: &mut Vec<ParamDesc>) {
        out.extend(ParamDesc::linear(&self.name, self.inputs, self.outputs));
    }

    pub(super) fn build(&self, b: &mut ParamBuilder<'_>) -> Result<Linear> {
        Linear::new(b, &self.name, self.inputs, self.outputs, self.act)
    }
}

/// A piece of a stage.
#[derive(Debug, Clone)]
pub(super) enum BlockDesc {
    Conv(ConvDesc),
    MaxPool(PoolSpec),
    AvgPool(PoolSpec),
    /// Batch normalisation and relu ahead of what follows.
    Norm(NormDesc),
    /// DenseNet's: each layer adds channels to all those before it.
    Dense(Vec<DenseLayerDesc>),
    /// MobileNetV3's and EfficientNet's inverted residual.
    Inverted(Box<InvertedDesc>),
    /// `act(shortcut(x) + body(x))`; without a shortcut, x itself is added.
    Residual {
        body: Vec<ConvDesc>,
        shortcut: Option<Box<ConvDesc>>,
        act: Activation,
    },
    /// Squeezenet's: two convolutions of the squeezed map, side by side.
    Fire {
        squeeze: Box<ConvDesc>,
        narrow: Box<ConvDesc>,
        wide: Box<ConvDesc>,
    },
    /// VGG's and MobileNetV3's hidden layers on the map brought to `side` x `side`, read channel by channel; gives a map of one
    /// position.
    Hidden {
        side: usize,
        layers: Vec<LinearDesc>,
        dropout: f64,
    },
    Own(Arc<dyn Piece>),
}

impl BlockDesc {
    fn params(&self, out: &mut Vec<ParamDesc>) {
        match self {
            Self::Conv(conv) => conv.params(out),
            Self::MaxPool(_) | Self::AvgPool(_) => {}
            Self::Norm(norm) => norm.params(out),
            Self::Dense(layers) => layers.iter().for_each(|layer| layer.params(out)),
            Self::Inverted(block) => block.params(out),
            Self::Residual { body, shortcut, .. } => {
                body.iter().chain(shortcut.as_deref()).for_each(|conv| conv.params(out));
            }
            Self::Fire { squeeze, narrow, wide } => {
                [squeeze, narrow, wide].into_iter().for_each(|conv| conv.params(out));
            }
            Self::Hidden { layers, .. } => layers.iter().for_each(|layer| layer.params(out)),
            Self::Own(piece) => out.extend(piece.params()),
        }
    }
}

/// A stage of a backbone.
#[derive(Debug, Clone)]
pub(super) struct StageDesc {
    pub(super) blocks: Vec<BlockDesc>,
    /// Channels of its output.
    pub(super) channels: usize,
}

impl StageDesc {
    pub(super) fn params(&self) -> Vec<ParamDesc> {
        let mut out = Vec::new();
        self.blocks.iter().for_each(|block| block.params(&mut out));
        out
    }

    /// How many values it learns.
    pub(super) fn param_count(&self) -> usize {
        self.params().iter().filter(|p| p.learns()).map(ParamDesc::len).sum()
    }

    /// Side in pixels of the output for a square input of `side` pixels.
    pub(super) fn side_after(&self, side: usize) -> usize {
        self.blocks.iter().fold(side, |side, block| match block {
            BlockDesc::Conv(conv) => conv.side_after(side),
            BlockDesc::MaxPool(spec) | BlockDesc::AvgPool(spec) => pooled_side(*spec, side),
            BlockDesc::Norm(_) | BlockDesc::Dense(_) => side,
            BlockDesc::Inverted(block) => block.depthwise.side_after(side),
            BlockDesc::Residual { body, .. } => body.iter().fold(side, |side, conv| conv.side_after(side)),
            BlockDesc::Fire { squeeze, .. } => squeeze.side_after(side),
            BlockDesc::Hidden { .. } => 1,
            BlockDesc::Own(piece) => piece.side_after(side),
        })
    }

    /// Registers the stage's parameters with fresh values and gives its layers.
    pub(super) fn build(&self, b: &mut ParamBuilder<'_>) -> Result<Vec<Part>> {
        let part = |block: &BlockDesc| {
            let mut params = Vec::new();
            block.params(&mut params);
            let weights = params.iter().map(ParamDesc::len).sum();
            Ok(Part { layer: build_block(block, b)?, weights })
        };
        self.blocks.iter().map(part).collect()
    }
}

/// A layer of a stage.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) layer: Box<dyn Layer>,
    /// Values of its parameters.
    pub(super) weights: usize,
}

fn pooled_side(spec: PoolSpec, side: usize) -> usize {
    let span = (side + 2 * spec.padding).saturating_sub(spec.kernel);
    let steps = if spec.ceil { span.div_ceil(spec.stride) } else { span / spec.stride };
    // PyTorch drops a last window that would begin beyond the picture.
    if spec.ceil && steps * spec.stride >= side + spec.padding { steps } else { steps + 1 }
}

fn build_block(block: &BlockDesc, b: &mut ParamBuilder<'_>) -> Result<Box<dyn Layer>> {
    Ok(match block {
        BlockDesc::Conv(conv) => Box::new(conv.build(b)?),
        BlockDesc::MaxPool(spec) => Box::new(MaxPool(*spec)),
        BlockDesc::AvgPool(spec) => Box::new(AvgPool(*spec)),
        BlockDesc::Norm(norm) => Box::new(norm.build(b)?),
        BlockDesc::Dense(layers) => Box::new(dense::build(layers, b)?),
        BlockDesc::Inverted(block) => Box::new(block.build(b)?),
        BlockDesc::Residual { body, shortcut, act } => Box::new(Residual {
            body: body.iter().map(|conv| conv.build(b)).collect::<Result<_>>()?,
            shortcut: shortcut.as_ref().map(|conv| conv.build(b)).transpose()?,
            act: *act,
        }),
        BlockDesc::Fire { squeeze, narrow, wide } => {
            Box::new(Fire { squeeze: squeeze.build(b)?, narrow: narrow.build(b)?, wide: wide.build(b)? })
        }
        BlockDesc::Hidden { side, layers, dropout } => Box::new(Hidden {
            side: *side,
            layers: layers.iter().map(|layer| layer.build(b)).collect::<Result<_>>()?,
            dropout: Dropout { probability: *dropout },
        }),
        BlockDesc::Own(piece) => piece.build(b)?,
    })
}
