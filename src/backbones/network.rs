//! A backbone, cut into stages, with a head on top.

mod by_picture;
mod counts;

pub use counts::{KeptByStage, KeptValues, ParamCounts};

use super::block::{LinearDesc, Part, StageDesc};
use super::head::{self, Head, Pool};
use super::spec::{Arch, FeatureNorm, HIDDEN_STAGE};
use super::{BackboneSpec, imagenet, squeezenet};
use crate::config::{HeadConfig, Pooling};
use crate::error::{Error, Result};
use crate::nn::init::ParamBuilder;
use crate::nn::layers::{Forward, LayerNorm};
use crate::nn::ops::Activation;
use crate::nn::params::{ParamId, ParamStore};
use crate::nn::tape;
use by_picture::by_picture;
use candle_core::{DType, Device, Tensor};

/// A network that can be run stage by stage. Activations are `[N, H, W, C]`; those of vision transformers are `[N, 1, T, C]`, a
/// row of tokens of which the first is the class token.
///
/// "Boundary" b is the point before stage b: boundary 0 is the input, boundary `stage_count()` the backbone's output.
#[derive(Debug)]
pub struct Network {
    /// What it is.
    pub spec: &'static BackboneSpec,
    /// Its parameters, under torchvision's names; the head's too.
    pub store: ParamStore,
    stages: Vec<Vec<Part>>,
    stage_names: Vec<&'static str>,
    /// Stage of each parameter, in the store's order.
    stage_of_param: Vec<Option<usize>>,
    pool: Pool,
    feature_width: usize,
    head: Head,
    head_is_published: bool,
    bf16: bool,
}

/// What a network is built from.
struct Plan {
    stages: Vec<(&'static str, StageDesc)>,
    /// The last stage belongs to the head, not to the backbone.
    last_is_head: bool,
    pooling: Pooling,
    feature_norm: Option<FeatureNorm>,
    feature_width: usize,
    head: Vec<LinearDesc>,
    dropout: f64,
    head_is_published: bool,
}

impl Network {
    /// Builds a network for `num_classes` classes with fresh weights drawn from `seed`.
    ///
    /// Without a choice of pooling the published one is used. VGG reads its whole map through two hidden layers, MobileNetV3
    /// the map's mean through one, their last stage; with another pooling, or cut before them, they go without, and average
    /// unless told otherwise. A new head on squeezenet is linear on pooled features, where the published one convolves first and
    /// pools afterwards. A normalisation of the pooled features (ConvNeXt, vision transformers) belongs to the last stage and
    /// goes with it. Behind the first stage of a vision transformer its class token is the same for all pictures: cut there, it
    /// averages the patches.
    ///
    /// # Errors
    /// If `cut_stage` is not one of the backbone's stages, the head does not fit (sigmoid needs two classes) or a class token
    /// is asked of a network that has none.
    pub fn new(
        spec: &'static BackboneSpec,
        cut_stage: Option<&str>,
        head: &HeadConfig,
        num_classes: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        Self::build(spec, Self::plan(spec, cut_stage, head, num_classes)?, seed, device)
    }

    /// How many values [`Self::new`] would have to learn, without making it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn param_counts(
        spec: &'static BackboneSpec,
        cut_stage: Option<&str>,
        head: &HeadConfig,
        num_classes: usize,
    ) -> Result<ParamCounts> {
        let plan = Self::plan(spec, cut_stage, head, num_classes)?;
        let mut stages: Vec<usize> = plan.stages.iter().map(|(_, stage)| stage.param_count()).collect();
        if let (Some(last), Some(norm)) = (stages.last_mut(), plan.feature_norm) {
            // A scale and a shift.
            *last += 2 * norm.channels;
        }
        Ok(ParamCounts {
            stages,
            head: plan.head.iter().map(|layer| (layer.inputs + 1) * layer.outputs).sum(),
        })
    }

    /// How many values [`Self::new`] would keep of a picture of the size that the backbone reads, from the shapes alone.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn kept_values(
        spec: &'static BackboneSpec,
        cut_stage: Option<&str>,
        head: &HeadConfig,
        num_classes: usize,
    ) -> Result<KeptValues> {
        let plan = Self::plan(spec, cut_stage, head, num_classes)?;
        let (mut side, mut channels) = (spec.preprocess.crop_px, 3);
        let mut stages = Vec::with_capacity(plan.stages.len());
        for (_, stage) in &plan.stages {
            let kept = stage.kept(side, channels);
            (side, channels) = (stage.side_after(side), stage.channels);
            stages.push(KeptByStage { kept, output: side * side * channels });
        }
        Ok(KeptValues { stages, features: plan.feature_width })
    }

    /// What [`Self::new`] pools with.
    ///
    /// # Errors
    /// If the network cannot be cut or pooled so.
    pub fn pooling_of(
        spec: &'static BackboneSpec,
        cut_stage: Option<&str>,
        head: &HeadConfig,
    ) -> Result<Pooling> {
        // How many classes there are has no part in it.
        Self::plan(spec, cut_stage, head, 2).map(|plan| plan.pooling)
    }

    fn plan(
        spec: &'static BackboneSpec,
        cut_stage: Option<&str>,
        head: &HeadConfig,
        num_classes: usize,
    ) -> Result<Plan> {
        let mut stages: Vec<_> = spec.stages.iter().copied().zip(spec.stage_descs()).collect();
        stages.truncate(kept_stages(spec, cut_stage, head.pooling)?);
        let ends_in_hidden = stages.last().is_some_and(|(name, _)| *name == HIDDEN_STAGE);
        let pooling = match (head.pooling, spec.pooling) {
            (Some(chosen), _) => chosen,
            (None, Pooling::Flatten) if !ends_in_hidden => Pooling::Avg,
            (None, Pooling::Token) if stages.len() == 1 => Pooling::Avg,
            (None, published) => published,
        };
        if pooling == Pooling::Token && !spec.has_class_token() {
            return Err(Error::input(format!(
                "head.pooling = \"token\", but {} has no class token",
                spec.title
            ))
            .with_hint("Choose another pooling, or a vision transformer"));
        }
        let whole = stages.len() == spec.stages.len();
        let side = stages.iter().fold(spec.preprocess.crop_px, |side, (_, s)| s.side_after(side));
        let channels = stages.last().map_or(3, |(_, s)| s.channels);
        let feature_width = head::pooled_width(pooling, channels, side);
        let layers = head::describe(spec, head, feature_width, num_classes)?;
        Ok(Plan {
            stages,
            last_is_head: false,
            pooling,
            feature_norm: spec.feature_norm().filter(|_| whole),
            feature_width,
            head: layers,
            dropout: head.dropout,
            head_is_published: false,
        })
    }

    /// The network exactly as published, with its own 1000-class head (VGG's three-layer classifier, squeezenet's
    /// convolution): for using pretrained weights as they are. The head has no dropout, which matters only in training.
    ///
    /// # Errors
    /// If building fails.
    pub fn imagenet(spec: &'static BackboneSpec, seed: u64, device: &Device) -> Result<Self> {
        let mut stages: Vec<_> = spec.stages.iter().copied().zip(spec.stage_descs()).collect();
        let (mut feature_width, mut head) = (spec.feature_width, Vec::new());
        let last_is_head = spec.arch == Arch::SqueezeNet;
        if last_is_head {
            stages.push(("classifier", squeezenet::published_head(feature_width, imagenet::CLASSES)));
            feature_width = imagenet::CLASSES;
        } else {
            head.push(LinearDesc {
                name: spec.head_name().to_owned(),
                inputs: feature_width,
                outputs: imagenet::CLASSES,
                act: Activation::Identity,
            });
        }
        let plan = Plan {
            stages,
            last_is_head,
            pooling: spec.pooling,
            feature_norm: spec.feature_norm(),
            feature_width,
            head,
            dropout: 0.0,
            head_is_published: true,
        };
        Self::build(spec, plan, seed, device)
    }

    fn build(spec: &'static BackboneSpec, plan: Plan, seed: u64, device: &Device) -> Result<Self> {
        let mut store = ParamStore::new();
        let mut b = ParamBuilder::new(&mut store, seed, device);
        let mut stage_of_param = Vec::new();
        let mut stages = Vec::with_capacity(plan.stages.len());
        let last = plan.stages.len().saturating_sub(1);
        for (index, (_, desc)) in plan.stages.iter().enumerate() {
            stages.push(desc.build(&mut b)?);
            let stage = (!(plan.last_is_head && index == last)).then_some(index);
            stage_of_param.resize(b.registered(), stage);
        }
        let norm =
            plan.feature_norm.map(|n| LayerNorm::new(&mut b, n.name, n.channels, n.eps)).transpose()?;
        stage_of_param.resize(b.registered(), Some(last));
        let head = Head::build(&plan.head, plan.dropout, &mut b)?;
        stage_of_param.resize(b.registered(), None);
        Ok(Self {
            spec,
            store,
            stages,
            stage_names: plan.stages.iter().map(|(name, _)| *name).collect(),
            stage_of_param,
            pool: Pool { pooling: plan.pooling, class_token: spec.has_class_token(), norm },
            feature_width: plan.feature_width,
            head,
            head_is_published: plan.head_is_published,
            bf16: false,
        })
    }

    /// Whether activations of the stages, and their gradients, are bf16 from now on; at first they are f32. Parameters stay f32, and
    /// so do features and logits. For devices other than the processor.
    pub fn compute_in_bf16(&mut self, bf16: bool) {
        self.bf16 = bf16;
    }

    /// Whether activations of the stages are bf16.
    pub fn computes_in_bf16(&self) -> bool {
        self.bf16
    }

    /// Number of stages that are left after the cut.
    pub fn stage_count(&self) -> usize {
        self.stages.len()
    }

    /// Names of those stages.
    pub fn stage_names(&self) -> &[&'static str] {
        &self.stage_names
    }

    /// Width of the features that the head reads.
    pub fn feature_width(&self) -> usize {
        self.feature_width
    }

    /// How the backbone's output becomes features.
    pub fn pooling(&self) -> Pooling {
        self.pool.pooling
    }

    /// Whether the head is the published one for ImageNet's 1000 classes.
    pub fn head_is_published(&self) -> bool {
        self.head_is_published
    }

    /// Runs stages `from..to` (boundaries). The result is f32, or bf16 where the network computes in it; the input may be either.
    ///
    /// # Errors
    /// If the input's shape does not fit.
    pub fn forward_stages(&self, f: &Forward<'_>, x: &Tensor, from: usize, to: usize) -> Result<Tensor> {
        let stages = self.stages.get(from..to).ok_or_else(|| {
            Error::internal(format!("stages {from} to {to} of a network of {}", self.stages.len()))
        })?;
        let layers: Vec<&Part> = stages.iter().flatten().collect();
        let x = &if self.bf16 { x.to_dtype(DType::BF16)? } else { x.clone() };
        let together = f.train || f.train_batch_norm || x.track_op() || tape::recording();
        let (done, mut x) = if together { (0, x.clone()) } else { by_picture(f, &layers, x)? };
        for part in &layers[done..] {
            x = part.layer.forward(f, &x)?;
        }
        Ok(x)
    }

    /// Boundary of the last map of the picture: the backbone's output, or what hidden layers read that end it.
    pub fn last_map(&self) -> usize {
        self.stages.len() - usize::from(self.stage_names.last() == Some(&HIDDEN_STAGE))
    }

    /// Whether activations are tokens of which the first is a class token.
    pub fn has_class_token(&self) -> bool {
        self.pool.class_token
    }

    /// How much each token attends to each other in a stage that reads `x`, mean over heads: `[N, T, T]`, rows that sum to 1.
    /// `None` where the stage has no attention.
    ///
    /// # Errors
    /// If there is no such stage or the input's shape does not fit.
    pub fn attention(&self, f: &Forward<'_>, x: &Tensor, stage: usize) -> Result<Option<Tensor>> {
        let parts = self
            .stages
            .get(stage)
            .ok_or_else(|| Error::internal(format!("stage {stage} of a network of {}", self.stages.len())))?;
        match parts.as_slice() {
            [only] => only.layer.attention(f, x),
            _ => Ok(None),
        }
    }

    /// Pools the backbone's output `[N, H, W, C]` to features `[N, F]`, in f32. A class token is the features by itself, or left out.
    ///
    /// # Errors
    /// If the input's shape does not fit.
    pub fn pool(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        Ok(self.pool.features(f, x)?.to_dtype(DType::F32)?)
    }

    /// Features `[N, F]` to logits `[N, K]` (`[N, 1]` with a sigmoid output).
    ///
    /// # Errors
    /// If the input's shape does not fit.
    pub fn forward_head(&self, f: &Forward<'_>, features: &Tensor) -> Result<Tensor> {
        self.head.forward(f, features)
    }

    /// Everything: `[N, H, W, 3]` to logits.
    ///
    /// # Errors
    /// If the input's shape does not fit.
    pub fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let x = self.forward_stages(f, x, 0, self.stage_count())?;
        self.forward_head(f, &self.pool(f, &x)?)
    }

    /// The stage a parameter belongs to; `None` for the head's.
    pub fn stage_of(&self, id: ParamId) -> Option<usize> {
        self.stage_of_param.get(id.0).copied().flatten()
    }

    /// Freezes everything before boundary `first_trainable_stage`; the head always learns.
    pub fn freeze_below(&mut self, first_trainable_stage: usize) {
        let stages = &self.stage_of_param;
        self.store.set_trainable(|id, _| {
            stages.get(id.0).copied().flatten().is_none_or(|stage| stage >= first_trainable_stage)
        });
    }
}

/// How many stages a network keeps that is cut after `cut_stage` and pooled with `pooling`.
fn kept_stages(spec: &BackboneSpec, cut_stage: Option<&str>, pooling: Option<Pooling>) -> Result<usize> {
    if let Some(cut) = cut_stage {
        return spec.stages.iter().position(|name| *name == cut).map(|i| i + 1).ok_or_else(|| {
            Error::input(format!("{} has no stage called `{cut}`", spec.title))
                .with_hint(format!("Its stages are {}", spec.stages.join(", ")))
        });
    }
    // Hidden layers read what the published pooling makes of the map; with any other pooling they are left out.
    let without_hidden =
        spec.stages.last() == Some(&HIDDEN_STAGE) && pooling.is_some_and(|p| p != spec.pooling);
    Ok(spec.stages.len() - usize::from(without_hidden))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::find;
    use crate::config::HeadKind;

    #[test]
    fn what_would_learn_is_counted_as_it_is_built() {
        let hidden = HeadConfig { kind: HeadKind::Hidden, hidden: vec![16, 8], ..HeadConfig::default() };
        let by_max = HeadConfig { pooling: Some(Pooling::Max), ..HeadConfig::default() };
        for (name, cut, head) in [
            ("squeezenet1_1", None, &hidden),
            ("mobilenet_v3_small", None, &HeadConfig::default()),
            ("mobilenet_v3_small", None, &by_max),
            ("mobilenet_v2_050", Some("features.7"), &by_max),
            ("vit_tiny", None, &HeadConfig::default()),
            ("vit_tiny", Some("blocks.3"), &HeadConfig::default()),
        ] {
            let spec = find(name).unwrap();
            let counts = Network::param_counts(spec, cut, head, 5).unwrap();
            let mut network = Network::new(spec, cut, head, 5, 0, &Device::Cpu).unwrap();
            assert_eq!(counts.stages.len(), network.stage_count(), "{name}");
            let all = network.store.value_count(|_| true);
            for first in [0, 2, network.stage_count(), usize::MAX] {
                network.freeze_below(first);
                let learning = network.store.value_count(|p| p.trainable);
                assert_eq!(counts.split(first), (all - learning, learning), "{name} from {first}");
            }
        }
    }
}
