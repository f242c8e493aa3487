//! Training pictures as a run would see them, to be looked at before there is one.

use super::keys;
use super::mix::Mix;
use super::train::plan::{Input, cached_views, plan};
use super::views::{View, ViewMaker};
use crate::backbones::{BackboneSpec, find};
use crate::config::TrainConfig;
use crate::data::decode::decode_file;
use crate::data::transform::denormalize;
use crate::data::{Dataset, Split};
use crate::error::Result;
use crate::nn::rng::Rng;
use image::RgbImage;
use std::path::PathBuf;
use std::sync::Arc;

/// Decoded pictures are kept up to so many bytes between requests.
const KEPT_BYTES: usize = 384 << 20;

/// What is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewRequest {
    /// The settings of the run.
    pub config: TrainConfig,
    /// Training pictures with their numbers in the data set.
    pub pictures: Vec<(usize, PathBuf)>,
    /// Which look at them, from 0: an epoch, or a kept view.
    pub draw: usize,
}

/// Training pictures in the order of a run's first epoch, `count` of them from the `page`-th lot on; begins again after the last.
pub fn training_pictures(dataset: &Dataset, seed: u64, page: usize, count: usize) -> Vec<(usize, PathBuf)> {
    let mut order = dataset.indices(Split::Train);
    Rng::for_key(seed, &[keys::ORDER, 0]).shuffle(&mut order);
    let count = count.min(order.len());
    let chosen = order.iter().cycle().skip(page * count % order.len().max(1)).take(count);
    chosen.map(|&i| (i, dataset.path(i))).collect()
}

/// How many views of each picture a run keeps and draws from; none where each epoch looks at the pictures anew.
///
/// # Errors
/// If the backbone is not registered.
pub fn kept_views(config: &TrainConfig) -> Result<Option<usize>> {
    find(&config.backbone.name).map(|spec| kept(config, spec))
}

/// Where pictures are mixed, what each counts as: the share of its own class, in `[0, 1]`; the rest is that of the picture before it,
/// or of the last one for the first. None where they are not mixed, or the backbone is not registered.
pub fn own_share(request: &PreviewRequest) -> Option<f64> {
    let spec = find(&request.config.backbone.name).ok()?;
    let fresh = kept(&request.config, spec).is_none();
    fresh
        .then(|| drawn(&request.config, spec.preprocess.crop_px, request.draw))
        .flatten()
        .map(|mix| mix.own())
}

/// How the pictures of an epoch's first step are mixed, for views of `side` pixels.
fn drawn(config: &TrainConfig, side: usize, epoch: usize) -> Option<Mix> {
    let mut rng = Rng::for_key(config.train.seed, &[keys::MIX, epoch as u64, 0]);
    Mix::draw(&config.augment, side, &mut rng)
}

fn kept(config: &TrainConfig, spec: &BackboneSpec) -> Option<usize> {
    let cut = config.backbone.cut_stage.as_deref();
    let last = spec.stages.iter().position(|s| Some(*s) == cut).map_or(spec.stages.len(), |at| at + 1);
    let phases = plan(&config.train.plan(config.backbone.weights.is_some()), &spec.stages[..last]);
    let fresh = phases.last().is_some_and(|p| p.input == Input::Pictures);
    (!fresh).then(|| cached_views(&config.augment, &phases))
}

/// Makes previews; keeps the pictures of the last one decoded, so that another look at them takes milliseconds.
#[derive(Debug, Default)]
pub struct Previewer {
    decoded: Vec<(PathBuf, Arc<RgbImage>)>,
}

impl Previewer {
    /// The pictures as the run would see them, by the code and the random numbers that it would use. Where pictures are mixed, each
    /// is mixed with the one before it, as in a step of the run. None where `go_on` said stop. A picture that cannot be decoded
    /// has its error in place.
    ///
    /// # Errors
    /// If the backbone is not registered.
    pub fn make(
        &mut self,
        request: &PreviewRequest,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Result<RgbImage>>>> {
        let config = &request.config;
        let spec = find(&config.backbone.name)?;
        let maker = ViewMaker {
            preprocess: spec.preprocess,
            augment: config.augment.clone(),
            max_megapixels: config.data.max_megapixels,
            seed: config.train.seed,
            kept: None,
        };
        let kept = kept(config, spec);
        let view = match kept {
            Some(views) => View::Cached(request.draw % views.max(1)),
            None => View::Fresh(request.draw),
        };
        self.decoded.retain(|(path, _)| request.pictures.iter().any(|(_, p)| p == path));
        let mut made = Vec::with_capacity(request.pictures.len());
        for (picture, path) in &request.pictures {
            if !go_on() {
                return Ok(None);
            }
            let decoded = self.decode(path, config.data.max_megapixels);
            made.push(decoded.and_then(|image| maker.make_from(&image, *picture, view)));
        }
        if kept.is_none() {
            mix(&mut made, config, &maker, request.draw);
        }
        let side = maker.preprocess.crop_px;
        Ok(Some(made.into_iter().map(|v| v.map(|v| denormalize(&v, side, &maker.preprocess))).collect()))
    }

    fn decode(&mut self, path: &PathBuf, max_megapixels: f64) -> Result<Arc<RgbImage>> {
        if let Some((_, image)) = self.decoded.iter().find(|(p, _)| p == path) {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(decode_file(path, max_megapixels)?);
        let bytes: usize = self.decoded.iter().map(|(_, i)| i.as_raw().len()).sum();
        if bytes + image.as_raw().len() <= KEPT_BYTES {
            self.decoded.push((path.clone(), Arc::clone(&image)));
        }
        Ok(image)
    }
}

fn mix(made: &mut [Result<Vec<f32>>], config: &TrainConfig, maker: &ViewMaker, epoch: usize) {
    let side = maker.preprocess.crop_px;
    let Some(mix) = drawn(config, side, epoch) else { return };
    let mut whole: Vec<&mut Vec<f32>> = made.iter_mut().filter_map(|v| v.as_mut().ok()).collect();
    let mut values: Vec<f32> = whole.iter().flat_map(|v| v.iter().copied()).collect();
    mix.apply(&mut values, side);
    for (view, mixed) in whole.iter_mut().zip(values.chunks_exact(maker.len().max(1))) {
        view.copy_from_slice(mixed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainMode;
    use crate::engine::views::Request;

    fn pictures(dir: &std::path::Path) -> Vec<(usize, PathBuf)> {
        let made = (0..3u32).map(|n| {
            let path = dir.join(format!("{n}.png"));
            let picture = RgbImage::from_fn(90, 70, |x, y| {
                image::Rgb([(x * 2 + n * 40) as u8, (y * 3) as u8, ((x * y) / 31) as u8])
            });
            picture.save(&path).unwrap();
            (n as usize + 4, path)
        });
        made.collect()
    }

    fn config(mode: TrainMode) -> TrainConfig {
        let mut c = TrainConfig::default();
        (c.train.mode, c.train.seed, c.augment.rotation_degrees) = (mode, 9, 15.0);
        c
    }

    /// What a run makes of the pictures, as whole levels.
    fn of_the_run(config: &TrainConfig, pictures: &[(usize, PathBuf)], view: View) -> Vec<RgbImage> {
        let preprocess = find(&config.backbone.name).unwrap().preprocess;
        let maker = ViewMaker {
            preprocess,
            augment: config.augment.clone(),
            max_megapixels: 10.0,
            seed: config.train.seed,
            kept: None,
        };
        let requests: Vec<Request> = pictures
            .iter()
            .map(|(picture, path)| Request { path: path.clone(), picture: *picture, views: vec![view] })
            .collect();
        let values = maker.make_all(&requests).unwrap();
        values.chunks(maker.len()).map(|v| denormalize(v, preprocess.crop_px, &preprocess)).collect()
    }

    #[test]
    fn it_shows_what_a_run_sees_in_that_epoch_or_kept_view() {
        let t = tempfile::tempdir().unwrap();
        let pictures = pictures(t.path());
        let mut previewer = Previewer::default();
        for (mode, draw, view) in [
            (TrainMode::Scratch, 0, View::Fresh(0)),
            (TrainMode::Scratch, 3, View::Fresh(3)),
            (TrainMode::Frozen, 1, View::Cached(1)),
            (TrainMode::Frozen, 6, View::Cached(2)),
        ] {
            let config = config(mode);
            let request = PreviewRequest { config: config.clone(), pictures: pictures.clone(), draw };
            let shown = previewer.make(&request, &|| true).unwrap().unwrap();
            let shown: Vec<RgbImage> = shown.into_iter().map(Result::unwrap).collect();
            assert_eq!(shown, of_the_run(&config, &pictures, view), "{mode:?} {draw}");
        }
        assert_eq!((kept_views(&config(TrainMode::Frozen)).unwrap(), previewer.decoded.len()), (Some(4), 3));
    }

    #[test]
    fn mixed_pictures_are_shown_mixed_where_the_run_mixes_them() {
        let t = tempfile::tempdir().unwrap();
        let pictures = pictures(t.path());
        let shown = |mode, mixup| {
            let mut config = config(mode);
            config.augment.mixup = mixup;
            let request = PreviewRequest { config, pictures: pictures.clone(), draw: 0 };
            let made = Previewer::default().make(&request, &|| true).unwrap().unwrap();
            made.into_iter().map(Result::unwrap).collect::<Vec<_>>()
        };
        let (plain, mixed) = (shown(TrainMode::Scratch, 0.0), shown(TrainMode::Scratch, 4.0));
        assert_ne!(plain, mixed);
        let share = |mode, mixup| {
            let mut config = config(mode);
            config.augment.mixup = mixup;
            own_share(&PreviewRequest { config, pictures: pictures.clone(), draw: 0 })
        };
        assert_eq!((share(TrainMode::Scratch, 0.0), share(TrainMode::Frozen, 4.0)), (None, None));
        let own = share(TrainMode::Scratch, 4.0).unwrap();
        for (at, whole) in mixed.iter().enumerate() {
            let other = &plain[(at + plain.len() - 1) % plain.len()];
            for ((own_level, other_level), level) in plain[at].iter().zip(other.iter()).zip(whole.iter()) {
                let want = own * f64::from(*own_level) + (1.0 - own) * f64::from(*other_level);
                assert!((want - f64::from(*level)).abs() <= 1.5, "{want} {level}");
            }
        }
        assert_eq!(shown(TrainMode::Frozen, 0.0), shown(TrainMode::Frozen, 4.0));
    }

    #[test]
    fn a_picture_that_is_gone_has_its_error_in_place_and_a_newer_request_ends_this_one() {
        let t = tempfile::tempdir().unwrap();
        let mut pictures = pictures(t.path());
        pictures[1].1 = t.path().join("gone.png");
        let request = PreviewRequest { config: config(TrainMode::Scratch), pictures, draw: 0 };
        let shown = Previewer::default().make(&request, &|| true).unwrap().unwrap();
        assert_eq!(shown.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert!(Previewer::default().make(&request, &|| false).unwrap().is_none());
    }

    #[test]
    fn levels_survive_normalising() {
        let p = crate::config::Preprocess { crop_px: 16, ..crate::config::Preprocess::IMAGENET };
        let all = RgbImage::from_fn(16, 16, |x, y| image::Rgb([(x + 16 * y) as u8; 3]));
        assert_eq!(denormalize(&crate::data::transform::normalize(&all, &p), 16, &p), all);
    }
}
