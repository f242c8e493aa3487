//! Pictures to network inputs: decoded once, seen in one or more views, all cores busy, ahead of the network.

use super::keys;
use super::picture_cache::{Kept, PictureCache};
use crate::config::{AugmentConfig, Preprocess};
use crate::data::augment::{Plan, on_card, sufficient_side, train_view};
use crate::data::decode::decode_file;
use crate::data::transform::{eval_picture, normalize, reduced};
use crate::error::{Error, Result};
use crate::nn::rng::Rng;
use candle_core::{Device, Tensor};
use image::RgbImage;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// Views in one batch of a forward pass without gradients. Larger ones gain no speed on a processor and cost memory.
pub(crate) const EVAL_BATCH: usize = 16;

/// How a picture is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Resized and cut from the middle.
    Eval,
    /// A random view that is kept for the whole job.
    Cached(usize),
    /// A random view of one epoch.
    Fresh(usize),
}

impl View {
    /// What is worth keeping for the next time: cached views are only made once.
    fn kept(self) -> Option<Kept> {
        match self {
            Self::Eval => Some(Kept::Square),
            Self::Cached(_) => None,
            Self::Fresh(_) => Some(Kept::Source),
        }
    }
}

/// A picture and the views wanted of it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its number, for the random generator's key.
    pub(crate) picture: usize,
    /// What is wanted.
    pub(crate) views: Vec<View>,
}

/// How views are made.
#[derive(Debug, Clone)]
pub(crate) struct ViewMaker {
    /// The evaluation view, and the size of all views.
    pub(crate) preprocess: Preprocess,
    /// The random views.
    pub(crate) augment: AugmentConfig,
    /// Guard against decompression bombs.
    pub(crate) max_megapixels: f64,
    /// Seed of the random views.
    pub(crate) seed: u64,
    /// Where pictures are kept that are asked for again.
    pub(crate) kept: Option<Arc<PictureCache>>,
}

impl ViewMaker {
    /// Values of one view: `side * side * 3`.
    pub(crate) fn len(&self) -> usize {
        self.preprocess.crop_px * self.preprocess.crop_px * 3
    }

    /// All views of one picture, one behind the other.
    pub(crate) fn make(&self, request: &Request) -> Result<Vec<f32>> {
        let wanted: Vec<View> = request.views.iter().map(|&v| self.drawn(v)).collect();
        let ready: Vec<_> = wanted.iter().map(|v| self.recall(request.picture, *v)).collect();
        let image = match ready.iter().all(Option::is_some) {
            true => None,
            false => Some(Arc::new(decode_file(&request.path, self.max_megapixels)?)),
        };
        let one = |(&view, ready): (&View, Option<Arc<RgbImage>>)| match (ready, &image) {
            (Some(prepared), _) => self.view(&prepared, request.picture, view),
            (None, Some(image)) => self.make_from(image, request.picture, view),
            (None, None) => Err(Error::internal("a picture was neither kept nor decoded")),
        };
        let views: Vec<Vec<f32>> = wanted.par_iter().zip(ready).map(one).collect::<Result<_>>()?;
        Ok(views.concat())
    }

    /// One view of a decoded picture.
    pub(crate) fn make_from(&self, image: &Arc<RgbImage>, picture: usize, view: View) -> Result<Vec<f32>> {
        let view = self.drawn(view);
        self.view(&*self.prepare(image, picture, view)?, picture, view)
    }

    /// What is shown for a view: without augmentation, all are the evaluation view.
    fn drawn(&self, view: View) -> View {
        if self.augment.enabled { view } else { View::Eval }
    }

    fn recall(&self, picture: usize, view: View) -> Option<Arc<RgbImage>> {
        self.kept.as_ref()?.get(picture, view.kept()?)
    }

    /// What the view is made from: kept, if it will be asked for again.
    fn prepare(&self, image: &Arc<RgbImage>, picture: usize, view: View) -> Result<Arc<RgbImage>> {
        let prepared = match view {
            View::Eval => Arc::new(eval_picture(image, &self.preprocess)?),
            View::Cached(_) => Arc::clone(image),
            View::Fresh(_) => {
                let side = sufficient_side(self.preprocess.crop_px, &self.augment);
                reduced(image, side)?.map_or_else(|| Arc::clone(image), Arc::new)
            }
        };
        if let (Some(cache), Some(kept)) = (&self.kept, view.kept()) {
            cache.put(picture, kept, &prepared);
        }
        Ok(prepared)
    }

    fn view(&self, prepared: &RgbImage, picture: usize, view: View) -> Result<Vec<f32>> {
        let Some(mut rng) = self.generator(picture, view) else {
            return Ok(normalize(prepared, &self.preprocess));
        };
        train_view(prepared, &self.preprocess, &self.augment, &mut rng)
    }

    /// What a random view of a picture is drawn from.
    fn generator(&self, picture: usize, view: View) -> Option<Rng> {
        let (purpose, draw) = match view {
            View::Eval => return None,
            View::Cached(v) => (keys::CACHED_VIEW, v),
            View::Fresh(epoch) => (keys::FRESH_VIEW, epoch),
        };
        Some(Rng::for_key(self.seed, &[purpose, picture as u64, draw as u64]))
    }

    /// All views of several pictures in order, on all cores.
    ///
    /// # Errors
    /// If a picture cannot be decoded.
    pub(crate) fn make_all(&self, requests: &[Request]) -> Result<Vec<f32>> {
        let parts: Vec<Vec<f32>> = requests
            .par_iter()
            .map(|request| self.make(request).map_err(|e| changed(request, &e)))
            .collect::<Result<_>>()?;
        Ok(parts.concat())
    }

    /// Whether random views for this device are made on it.
    pub(crate) fn on_card(&self, device: &Device) -> bool {
        on_card::serves(&self.augment, &self.preprocess, device)
    }

    /// A batch of one view of each of several pictures, in order, on `device`: by kernels for cards where they serve and a view is
    /// random. The card is given the pictures as they are, in 8 bits.
    ///
    /// # Errors
    /// If a picture cannot be decoded, or the device has no room.
    pub(crate) fn batch(&self, requests: &[Request], device: &Device) -> Result<Tensor> {
        if !self.on_card(device) {
            return self.tensor(self.make_all(requests)?, device);
        }
        let planned = requests.par_iter().map(|r| self.planned(r).map_err(|e| changed(r, &e)));
        match planned.collect::<Result<Option<Vec<_>>>>()? {
            Some(planned) => on_card::views(&planned, &self.preprocess, device),
            None => self.tensor(self.make_all(requests)?, device),
        }
    }

    /// What a picture's random view is made from and how; none where that is not what is wanted of it.
    fn planned(&self, request: &Request) -> Result<Option<(Arc<RgbImage>, Plan)>> {
        let &[view] = &request.views[..] else { return Ok(None) };
        let Some(mut rng) = self.generator(request.picture, view) else { return Ok(None) };
        let prepared = match self.recall(request.picture, view) {
            Some(prepared) => prepared,
            None => {
                let image = Arc::new(decode_file(&request.path, self.max_megapixels)?);
                self.prepare(&image, request.picture, view)?
            }
        };
        let plan = Plan::draw(prepared.dimensions(), &self.preprocess, &self.augment, &mut rng)?;
        Ok(Some((prepared, plan)))
    }

    /// Views as a batch.
    ///
    /// # Shapes
    /// `values`: B views one behind the other; the result is `[B, side, side, 3]`.
    pub(crate) fn tensor(&self, values: Vec<f32>, device: &Device) -> Result<Tensor> {
        let side = self.preprocess.crop_px;
        let batch = values.len() / self.len().max(1);
        Ok(Tensor::from_vec(values, (batch, side, side, 3), device)?)
    }
}

/// An error about a picture that could be decoded before.
fn changed(request: &Request, e: &Error) -> Error {
    let hint = "It could be decoded when the job began: check that it was not changed or removed";
    Error::new(e.kind(), e.what()).with_path(&request.path).with_hint(hint)
}

/// Runs `consume` on each item in order while the next item is being made by `produce` on the other cores. Ends early once
/// `consume` says [`ControlFlow::Break`].
///
/// # Errors
/// The first error of either.
pub(crate) fn pipelined<I: Sync, T: Send>(
    items: &[I],
    produce: impl Fn(&I) -> Result<T> + Sync,
    mut consume: impl FnMut(usize, T) -> Result<ControlFlow<()>> + Send,
) -> Result<()> {
    let Some(first) = items.first() else { return Ok(()) };
    let mut ready = produce(first)?;
    for (i, next) in items.iter().enumerate().skip(1) {
        let (made, consumed) = rayon::join(|| produce(next), || consume(i - 1, ready));
        if consumed?.is_break() {
            return Ok(());
        }
        ready = made?;
    }
    consume(items.len() - 1, ready).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drawn pictures, decoded from files and recalled: the same batch as the processor's.
    #[cfg(feature = "emulated-card")]
    #[test]
    fn a_batch_of_a_card_is_that_of_the_processor() {
        use crate::config::AugmentPolicy;
        use crate::engine::picture_cache::Budget;
        use crate::nn::ops::card::{emulated, launched};
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data_policies.png");
        let requests: Vec<Request> = (0..5)
            .map(|picture| Request { path: file.clone(), picture, views: vec![View::Fresh(2)] })
            .collect();
        for policy in [AugmentPolicy::None, AugmentPolicy::Rand] {
            let augment =
                AugmentConfig { policy, rotation_degrees: 20.0, hue: 0.1, ..AugmentConfig::default() };
            let maker = ViewMaker {
                preprocess: Preprocess { crop_px: 32, ..Preprocess::IMAGENET },
                augment: AugmentConfig { enabled: true, ..augment },
                max_megapixels: 10.0,
                seed: 7,
                kept: Some(Arc::new(PictureCache::new(Budget::mib(4)))),
            };
            let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let want = values(maker.batch(&requests, &Device::Cpu).unwrap());
            for _ in 0..2 {
                let before = launched();
                let got = emulated(|| maker.batch(&requests, &Device::Cpu).unwrap());
                assert_eq!(got.dims(), [5, 32, 32, 3]);
                assert_eq!(launched() - before, if policy == AugmentPolicy::None { 4 } else { 0 });
                assert!(values(got) == want, "{policy:?}");
            }
        }
    }

    #[test]
    fn a_pipeline_keeps_the_order_and_stops_at_an_error() {
        let mut seen = Vec::new();
        pipelined(
            &[1, 2, 3],
            |&i| Ok(i * 10),
            |at, v| {
                seen.push((at, v));
                Ok(ControlFlow::Continue(()))
            },
        )
        .unwrap();
        assert_eq!(seen, [(0, 10), (1, 20), (2, 30)]);
        let fail = |at: usize| {
            let mut done = 0;
            let r = pipelined(
                &[0, 1, 2],
                |&i| if i == at { Err(Error::internal("x")) } else { Ok(i) },
                |_, _| {
                    done += 1;
                    Ok(ControlFlow::Continue(()))
                },
            );
            (r.is_err(), done)
        };
        assert_eq!((fail(0), fail(2)), ((true, 0), (true, 2)));
        let mut done = 0;
        let count = |_, _| {
            done += 1;
            Ok(if done == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        pipelined(&[0, 1, 2], |&i| Ok(i), count).unwrap();
        assert_eq!(done, 2);
    }
}
