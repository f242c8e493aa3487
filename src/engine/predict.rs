//! Classifying new pictures with a finished model.

use super::at_once::AtOnce;
use super::device::{READ_EVERY, device};
use super::forward;
use super::train::sha256_of_file;
use super::views::{EVAL_BATCH, Request, View, ViewMaker, beside};
use crate::backbones::weights::{load_into, read_state_dict};
use crate::backbones::{Network, find, imagenet};
use crate::config::{AugmentConfig, DataConfig, DeviceChoice, HeadOutput, Preprocess};
use crate::error::{Error, Result};
use crate::export::bundle::WEIGHTS;
use crate::export::{find_bundle, read_bundle};
use crate::nn::layers::Forward;
use crate::nn::ops::tensors;
use candle_core::Tensor;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Classes with their probabilities, highest first.
pub type Ranked = Vec<(String, f32)>;

/// What a network makes of one picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// What the head reads.
    pub(crate) features: Vec<f32>,
    /// One a class.
    pub(crate) probabilities: Vec<f32>,
}

/// What a network makes of a batch, where it was made.
struct Made {
    /// `[B, F]`: what the head reads.
    features: Tensor,
    /// `[B, K]`, or `[B, 1]` with a sigmoid output.
    logits: Tensor,
}

/// SHA-256 of the weights of a run's or bundle's model, in hexadecimal.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn model_sha256(run_or_bundle: &Path) -> Result<String> {
    sha256_of_file(&find_bundle(run_or_bundle)?.join(WEIGHTS))
}

/// Gets a picture's path, its ranking or the reason there is none, and with a ranking the features that the head read.
pub type EachRanked<'a> = dyn FnMut(&Path, Result<Ranked>, Option<&[f32]>) + 'a;

/// A finished model, ready to classify: from a run, a bundle, or a backbone with its published 1000-class head.
#[derive(Debug)]
pub struct Classifier {
    pub(super) network: Network,
    classes: Vec<String>,
    pub(super) output: HeadOutput,
    pub(super) maker: ViewMaker,
    at_once: AtOnce,
}

impl Classifier {
    /// Opens a run folder, a bundle, or a model that timm saved (folders with `model.safetensors` and `config.json`).
    ///
    /// # Errors
    /// If the folder is neither or its files do not fit together.
    pub fn open(run_or_bundle: &Path) -> Result<Self> {
        let dir = find_bundle(run_or_bundle)?;
        let (network, bundle) = read_bundle(&dir, &device(DeviceChoice::Auto)?)?;
        Ok(Self::new(network, bundle.classes, bundle.head.output, bundle.preprocess))
    }

    /// A backbone with its published head and ImageNet's class names.
    ///
    /// # Errors
    /// If the weights are not complete.
    pub fn imagenet(backbone: &str, weights: &Path) -> Result<Self> {
        let spec = find(backbone)?;
        if spec.sources.is_empty() {
            return Err(Error::input(format!("{} has no published weights", spec.title))
                .with_hint("Choose a pretrained backbone"));
        }
        let mut network = Network::imagenet(spec, 0, &device(DeviceChoice::Auto)?)?;
        let report = load_into(&mut network, &read_state_dict(weights)?)?;
        if let Some(name) = report.missing.first().or(report.dropped_head.first()) {
            return Err(Error::input(format!("the weights lack the published head (`{name}`)"))
                .with_path(weights)
                .with_hint("Choose a complete file, or train a head of your own"));
        }
        network.store.set_trainable(|_, _| false);
        Ok(Self::new(network, imagenet::class_names(), HeadOutput::Softmax, spec.preprocess))
    }

    fn new(network: Network, classes: Vec<String>, output: HeadOutput, preprocess: Preprocess) -> Self {
        let maker = ViewMaker {
            preprocess,
            augment: AugmentConfig { enabled: false, ..AugmentConfig::default() },
            max_megapixels: DataConfig::default().max_megapixels,
            seed: 0,
            kept: None,
        };
        Self { network, classes, output, maker, at_once: AtOnce::default() }
    }

    /// Class names, in the order of the logits.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How pictures are prepared.
    pub fn preprocess(&self) -> &Preprocess {
        &self.maker.preprocess
    }

    /// Classifies pictures in batches; `each` gets every path with its ranking or the reason there is none, in order.
    ///
    /// # Errors
    /// If the model itself fails or `progress` stops it; a picture that cannot be decoded is not an error here.
    pub fn classify(
        &self,
        paths: &[PathBuf],
        progress: crate::data::Progress<'_>,
        each: &mut dyn FnMut(&Path, Result<Ranked>),
    ) -> Result<()> {
        self.probabilities(paths, progress, &mut |path, p| each(path, p.map(|p| self.rank(&p))))
    }

    /// Like [`Self::classify`], with the features that the head reads of each picture that has a ranking.
    ///
    /// # Errors
    /// As [`Self::classify`].
    pub fn classify_with_features(
        &self,
        paths: &[PathBuf],
        progress: crate::data::Progress<'_>,
        each: &mut EachRanked<'_>,
    ) -> Result<()> {
        self.features(paths, progress, &mut |path, answer| match answer {
            Ok(answer) => each(path, Ok(self.rank(&answer.probabilities)), Some(&answer.features)),
            Err(why) => each(path, Err(why), None),
        })
    }

    fn rank(&self, probabilities: &[f32]) -> Ranked {
        let mut ranked: Ranked = self.classes.iter().cloned().zip(probabilities.iter().copied()).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked
    }

    /// Like [`Self::classify`], with one probability a class in the order of the classes.
    pub(crate) fn probabilities(
        &self,
        paths: &[PathBuf],
        progress: crate::data::Progress<'_>,
        each: &mut dyn FnMut(&Path, Result<Vec<f32>>),
    ) -> Result<()> {
        let read = |made: &Made| forward::probabilities(&made.logits, self.output);
        self.pass(paths, progress, &read, each)
    }

    /// Like [`Self::probabilities`], with the features that the head reads.
    pub(crate) fn features(
        &self,
        paths: &[PathBuf],
        progress: crate::data::Progress<'_>,
        each: &mut dyn FnMut(&Path, Result<Answer>),
    ) -> Result<()> {
        self.pass(paths, progress, &|made| self.read(made), each)
    }

    /// Runs pictures through the network and reads what it makes of them, one item for each row: at once from the processor, a few times
    /// a second from another device, so that it is never idle between batches.
    fn pass<T>(
        &self,
        paths: &[PathBuf],
        progress: crate::data::Progress<'_>,
        read: &dyn Fn(&Made) -> Result<Vec<T>>,
        each: &mut dyn FnMut(&Path, Result<T>),
    ) -> Result<()> {
        progress(0, paths.len())?;
        let batches: Vec<&[PathBuf]> = paths.chunks(EVAL_BATCH).collect();
        let Some(first) = batches.first() else { return Ok(()) };
        let mut ready = self.prepare(first)?;
        let (mut done, mut unread, mut last) = (0, Vec::new(), Instant::now());
        for (i, batch) in batches.iter().enumerate() {
            let (told, views) = ready;
            // The next pictures are decoded while these are classified.
            let (next, made) =
                beside(|| batches.get(i + 1).map(|b| self.prepare(b)).transpose(), || self.run(&views));
            let (next, made) = (next?, made?);
            let waits = made.iter().any(|made| tensors::serve(&made.logits));
            unread.push((*batch, told, made));
            if !waits || next.is_none() || last.elapsed() >= READ_EVERY {
                for (batch, told, made) in unread.drain(..) {
                    let answers = made.iter().map(read).collect::<Result<Vec<_>>>()?;
                    let mut answers = answers.into_iter().flatten();
                    for (path, told) in batch.iter().zip(told) {
                        let lost = || Error::internal("a picture has no answer");
                        each(path, told.and_then(|()| answers.next().ok_or_else(lost)));
                    }
                    done += batch.len();
                }
                last = Instant::now();
            }
            progress(done, paths.len())?;
            match next {
                Some(next) => ready = next,
                None => break,
            }
        }
        Ok(())
    }

    /// The views of pictures, and of each why it has none.
    fn prepare(&self, paths: &[PathBuf]) -> Result<(Vec<Result<()>>, Tensor)> {
        let request = |path: &PathBuf| Request { path: path.clone(), picture: 0, views: vec![View::Eval] };
        self.maker.ahead(&paths.iter().map(request).collect::<Vec<_>>(), self.network.store.device())
    }

    /// What the network makes of views, in order.
    fn run(&self, views: &Tensor) -> Result<Vec<Made>> {
        let device = self.network.store.device();
        // Fewer at once take longer and answer the same: nobody needs to know.
        let fewer = |most| tracing::info!("the card's memory was full: {most} pictures at once");
        self.at_once.rows(views.dim(0)?, device, fewer, |part| {
            Ok(vec![self.made_of(&self.maker.part(views, part, device)?)?])
        })
    }

    fn made_of(&self, x: &Tensor) -> Result<Made> {
        let f = Forward::eval(&self.network.store);
        let map = self.network.forward_stages(&f, x, 0, self.network.stage_count())?;
        let features = self.network.pool(&f, &map)?;
        Ok(Made { logits: self.network.forward_head(&f, &features)?, features })
    }

    fn read(&self, Made { features, logits }: &Made) -> Result<Vec<Answer>> {
        let probabilities = forward::probabilities(logits, self.output)?;
        let answer = |(features, probabilities)| Answer { features, probabilities };
        Ok(features.to_vec2()?.into_iter().zip(probabilities).map(answer).collect())
    }

    pub(super) fn answers_of(&self, x: &Tensor) -> Result<Vec<Answer>> {
        self.read(&self.made_of(x)?)
    }
}
