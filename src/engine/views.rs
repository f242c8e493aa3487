//! Pictures to network inputs: decoded once, seen in one or more views, all cores busy, ahead of the network.

use super::keys;
use super::picture_cache::{Kept, PictureCache};
use crate::config::{AugmentConfig, Preprocess};
use crate::data::augment::on_card::{self, Recipe};
use crate::data::augment::{Plan, sufficient_side, train_view};
use crate::data::decode::decode_file;
use crate::data::transform::{eval_picture, normalize, reduced};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::rng::Rng;
use candle_core::{Device, Tensor};
use image::RgbImage;
use rayon::prelude::*;
use std::ops::{ControlFlow, Range};
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
        let picture = request.picture;
        let views = self.each_view(
            request,
            |prepared, view| self.view(&prepared, picture, view),
            |image, view| self.make_from(image, picture, view),
        )?;
        Ok(views.concat())
    }

    /// What is made of each view's picture, which is kept, or decoded once.
    fn each_view<T: Send>(
        &self,
        request: &Request,
        of_kept: impl Fn(Arc<RgbImage>, View) -> Result<T> + Sync,
        of_decoded: impl Fn(&Arc<RgbImage>, View) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let wanted: Vec<View> = request.views.iter().map(|&v| self.drawn(v)).collect();
        let ready: Vec<_> = wanted.iter().map(|v| self.recall(request.picture, *v)).collect();
        let image = match ready.iter().all(Option::is_some) {
            true => None,
            false => Some(Arc::new(decode_file(&request.path, self.max_megapixels)?)),
        };
        let one = |(&view, ready): (&View, Option<Arc<RgbImage>>)| match (ready, &image) {
            (Some(prepared), _) => of_kept(prepared, view),
            (None, Some(image)) => of_decoded(image, view),
            (None, None) => Err(Error::internal("a picture was neither kept nor decoded")),
        };
        wanted.par_iter().zip(ready).map(one).collect()
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

    /// Whether views for this device are made on it, by kernels for cards.
    pub(crate) fn on_card(&self, device: &Device) -> bool {
        on_card::serves(&self.preprocess, device)
    }

    /// A batch of all views of several pictures, in order, on `device`: by kernels for cards where they serve. The card is given the
    /// pictures as they are, in 8 bits.
    ///
    /// # Errors
    /// If a picture cannot be decoded, or the device has no room.
    pub(crate) fn batch(&self, requests: &[Request], device: &Device) -> Result<Tensor> {
        if !self.on_card(device) {
            return self.tensor(self.make_all(requests)?, device);
        }
        let recipes = requests.par_iter().map(|r| self.recipes(r).map_err(|e| changed(r, &e)));
        on_card::views(&recipes.collect::<Result<Vec<_>>>()?.concat(), &self.preprocess, device)
    }

    /// The same for passes without gradients, while another batch is run: on the card where kernels serve and it has room, or else in
    /// the processor's memory; [`Self::part`] takes it from there. Beside it for each picture why it has no views.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn ahead(&self, requests: &[Request], device: &Device) -> Result<(Vec<Result<()>>, Tensor)> {
        if self.on_card(device) {
            let (recipes, told) = parted(requests.par_iter().map(|r| self.recipes(r)).collect());
            let made = match recipes.is_empty() {
                true => self.tensor(Vec::new(), device),
                false => on_card::views(&recipes, &self.preprocess, device),
            };
            match made {
                Err(e) if e.kind() == ErrorKind::OutOfMemory => {}
                made => return Ok((told, made?)),
            }
        }
        let (values, told) = parted(requests.par_iter().map(|r| self.make(r)).collect());
        Ok((told, self.tensor(values, &Device::Cpu)?))
    }

    /// [`Self::ahead`] of pictures that all have views.
    ///
    /// # Errors
    /// If a picture cannot be decoded, or the device fails.
    pub(crate) fn all_ahead(&self, requests: &[Request], device: &Device) -> Result<Tensor> {
        let (told, views) = self.ahead(requests, device)?;
        requests.iter().zip(told).try_for_each(|(r, one)| one.map_err(|e| changed(r, &e)))?;
        Ok(views)
    }

    /// Some of the views that were made [ahead](Self::ahead), on `device`.
    ///
    /// # Errors
    /// If the device has no room.
    pub(crate) fn part(&self, views: &Tensor, rows: Range<usize>, device: &Device) -> Result<Tensor> {
        let part = views.narrow(0, rows.start, rows.len())?;
        if views.device().same_device(device) {
            return Ok(part);
        }
        // Or all of them would go over.
        Ok(part.force_contiguous()?.to_device(device)?)
    }

    /// What a card makes a picture's views from and how.
    fn recipes(&self, request: &Request) -> Result<Vec<(Arc<RgbImage>, Recipe)>> {
        let picture = request.picture;
        let random = |prepared: Arc<RgbImage>, mut rng: Rng| {
            let plan = Plan::draw(prepared.dimensions(), &self.preprocess, &self.augment, &mut rng)?;
            Ok((prepared, Recipe::Random(plan)))
        };
        let of_prepared = |prepared, view| match self.generator(picture, view) {
            None => Ok((prepared, Recipe::Square)),
            Some(rng) => random(prepared, rng),
        };
        let has_room = || self.kept.as_ref().is_some_and(|kept| kept.has_room(self.preprocess.crop_px));
        self.each_view(request, of_prepared, |image, view| match view {
            View::Eval if !has_room() => {
                on_card::lightened(Arc::clone(image), Recipe::Eval, &self.preprocess)
            }
            View::Eval | View::Fresh(_) => of_prepared(self.prepare(image, picture, view)?, view),
            View::Cached(_) => {
                let (image, recipe) = of_prepared(Arc::clone(image), view)?;
                on_card::lightened(image, recipe, &self.preprocess)
            }
        })
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

/// All parts in order, and of each picture why it has none.
fn parted<T>(made: Vec<Result<Vec<T>>>) -> (Vec<T>, Vec<Result<()>>) {
    let mut all = Vec::with_capacity(made.iter().flatten().map(Vec::len).sum());
    let told = made.into_iter().map(|one| one.map(|parts| all.extend(parts))).collect();
    (all, told)
}

/// An error about a picture that could be decoded before.
fn changed(request: &Request, e: &Error) -> Error {
    let hint = "It could be decoded when the job began: check that it was not changed or removed";
    Error::new(e.kind(), e.what()).with_path(&request.path).with_hint(hint)
}

/// Runs `here` on the calling thread and `other` meanwhile, on another one where one has time. What a network does stays on one thread
/// in this way: cuDNN's handle, plans and workspace are a thread's own.
pub(crate) fn beside<A: Send, B>(
    other: impl FnOnce() -> Result<A> + Send,
    here: impl FnOnce() -> B,
) -> (Result<A>, B) {
    let mut made = Err(Error::internal("what was to be done meanwhile was not begun"));
    let done = rayon::in_place_scope(|scope| {
        scope.spawn(|_| made = other());
        here()
    });
    (made, done)
}

/// Runs `consume` on each item in order while the next item is being made by `produce` on the other cores. Ends early once
/// `consume` says [`ControlFlow::Break`].
///
/// # Errors
/// The first error of either.
pub(crate) fn pipelined<I: Sync, T: Send>(
    items: &[I],
    produce: impl Fn(&I) -> Result<T> + Sync,
    mut consume: impl FnMut(usize, T) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let Some(first) = items.first() else { return Ok(()) };
    let mut ready = produce(first)?;
    for (i, next) in items.iter().enumerate().skip(1) {
        let (made, consumed) = beside(|| produce(next), || consume(i - 1, ready));
        if consumed?.is_break() {
            return Ok(());
        }
        ready = made?;
    }
    consume(items.len() - 1, ready).map(|_| ())
}

#[cfg(test)]
mod tests;
