//! MixUp (Zhang et al. 2018, arXiv:1710.09412) and CutMix (Yun et al. 2019, arXiv:1905.04899): the pictures of a step are mixed
//! in pairs, and their labels with them.
//!
//! As in torchvision, each picture is mixed with the one before it in the step (steps are shuffled anyway), and all of a step by
//! one draw.

use crate::config::AugmentConfig;
use crate::data::augment::Region;
use crate::nn::rng::Rng;
use candle_core::Tensor;

/// How the pictures of one step are mixed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mix {
    how: How,
    /// Share of each picture's own label; the rest is that of the one before it.
    own: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// Pixel by pixel.
    Blend,
    /// The same rectangle of the other picture.
    Paste(Region),
}

impl Mix {
    /// Draws one for views of `side` pixels; none where both are off.
    pub(crate) fn draw(config: &AugmentConfig, side: usize, rng: &mut Rng) -> Option<Self> {
        if !config.mixes() {
            return None;
        }
        let cut = match (config.mixup > 0.0, config.cutmix > 0.0) {
            (true, true) => rng.below(2) == 1,
            (_, cut) => cut,
        };
        if !cut {
            return Some(Self { how: How::Blend, own: rng.beta(config.mixup) });
        }
        let region = rectangle(side, rng.beta(config.cutmix), rng);
        // The rectangle may reach over the edge: what counts is the area that is left.
        let own = 1.0 - (region.width * region.height) as f64 / (side * side).max(1) as f64;
        Some(Self { how: How::Paste(region), own })
    }

    /// Share of each picture's own label, in `[0, 1]`; the rest is that of the one before it.
    pub(crate) fn own(&self) -> f64 {
        self.own
    }

    /// Mixes views of `side` pixels that lie one behind the other, each `[side, side, 3]`.
    pub(crate) fn apply(&self, views: &mut [f32], side: usize) {
        let len = side * side * 3;
        let count = views.len() / len.max(1);
        if count < 2 {
            return;
        }
        let last = views[(count - 1) * len..].to_vec();
        for at in (0..count).rev() {
            let (before, from) = views.split_at_mut(at * len);
            let other = if at == 0 { last.as_slice() } else { &before[(at - 1) * len..] };
            self.pair(&mut from[..len], other, side);
        }
    }

    /// What [`Self::apply`] makes of views `[N, side, side, 3]`, on their device.
    pub(crate) fn of_tensor(&self, views: &Tensor) -> candle_core::Result<Tensor> {
        let count = views.dim(0)?;
        if count < 2 {
            return Ok(views.clone());
        }
        let others = Tensor::cat(&[views.narrow(0, count - 1, 1)?, views.narrow(0, 0, count - 1)?], 0)?;
        match self.how {
            How::Blend => {
                let own = self.own as f32;
                views.affine(f64::from(own), 0.0)? + others.affine(f64::from(1.0 - own), 0.0)?
            }
            How::Paste(r) => {
                if r.height * r.width == 0 {
                    return Ok(views.clone());
                }
                let mixed = with_part(views, &others, 2, (r.left, r.width))?;
                with_part(views, &mixed, 1, (r.top, r.height))
            }
        }
    }

    fn pair(&self, view: &mut [f32], other: &[f32], side: usize) {
        match self.how {
            How::Blend => {
                let own = self.own as f32;
                view.iter_mut().zip(other).for_each(|(v, o)| *v = own * *v + (1.0 - own) * o);
            }
            How::Paste(r) => {
                for row in r.top..r.top + r.height {
                    let part = (row * side + r.left) * 3..(row * side + r.left + r.width) * 3;
                    view[part.clone()].copy_from_slice(&other[part]);
                }
            }
        }
    }

    /// Shares of `classes` classes for each picture, one row behind the other.
    pub(crate) fn targets(&self, labels: &[u32], classes: usize) -> Vec<f32> {
        let mut shares = vec![0.0; labels.len() * classes];
        for (at, row) in shares.chunks_exact_mut(classes.max(1)).enumerate() {
            let other = labels[(at + labels.len() - 1) % labels.len()];
            row[labels[at] as usize] += self.own as f32;
            row[other as usize] += (1.0 - self.own) as f32;
        }
        shares
    }
}

/// `t` with `count` positions of an axis from `first` on replaced by those of `other`.
fn with_part(
    t: &Tensor,
    other: &Tensor,
    axis: usize,
    (first, count): (usize, usize),
) -> candle_core::Result<Tensor> {
    let end = first + count;
    let parts = [
        t.narrow(axis, 0, first)?,
        other.narrow(axis, first, count)?,
        t.narrow(axis, end, t.dim(axis)? - end)?,
    ];
    let parts: Vec<&Tensor> = parts.iter().filter(|part| part.elem_count() > 0).collect();
    Tensor::cat(&parts, axis)
}

/// A rectangle of the picture's shape with `1 - own` of its area, its middle anywhere, cut at the edges.
fn rectangle(side: usize, own: f64, rng: &mut Rng) -> Region {
    let (x, y) = (rng.below(side), rng.below(side));
    let half = (0.5 * (1.0 - own).sqrt() * side as f64) as usize;
    let (left, top) = (x.saturating_sub(half), y.saturating_sub(half));
    let (right, bottom) = ((x + half).min(side), (y + half).min(side));
    Region { top, left, height: bottom - top, width: right - left }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 8;

    fn views(levels: &[f32]) -> Vec<f32> {
        levels.iter().flat_map(|&v| vec![v; SIDE * SIDE * 3]).collect()
    }

    fn config(mixup: f64, cutmix: f64) -> AugmentConfig {
        AugmentConfig { mixup, cutmix, ..AugmentConfig::default() }
    }

    #[test]
    fn pictures_and_labels_are_mixed_by_the_same_shares() {
        for (mixup, cutmix) in [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)] {
            for key in 0..40 {
                let mix = Mix::draw(&config(mixup, cutmix), SIDE, &mut Rng::for_key(3, &[key])).unwrap();
                let mut mixed = views(&[0.0, 1.0, 2.0]);
                mix.apply(&mut mixed, SIDE);
                let targets = mix.targets(&[0, 1, 2], 3);
                for (at, (view, row)) in mixed.chunks(SIDE * SIDE * 3).zip(targets.chunks(3)).enumerate() {
                    let mean = view.iter().sum::<f32>() / view.len() as f32;
                    let expected: f32 = row.iter().enumerate().map(|(c, share)| c as f32 * share).sum();
                    assert!((mean - expected).abs() < 1e-4, "{mix:?} at {at}: {mean} for {expected}");
                    assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn a_pasted_rectangle_is_whole_and_the_rest_untouched() {
        let mix = (0..).map(|key| Mix::draw(&config(0.0, 1.0), SIDE, &mut Rng::for_key(5, &[key])).unwrap());
        let mix = mix.into_iter().find(|m| m.own > 0.3 && m.own < 0.8).unwrap();
        let mut mixed = views(&[5.0, 7.0]);
        mix.apply(&mut mixed, SIDE);
        let own = mixed[..SIDE * SIDE * 3].iter().filter(|v| **v == 5.0).count() as f64;
        assert!((own / (SIDE * SIDE * 3) as f64 - mix.own).abs() < 1e-9);
        assert!(mixed.iter().all(|v| *v == 5.0 || *v == 7.0));
    }

    #[test]
    fn tensors_are_mixed_to_the_same_values() {
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for count in [1, 2, 5] {
            let values: Vec<f32> = (0..count * SIDE * SIDE * 3).map(|i| (i as f32 * 0.7).sin()).collect();
            let x = Tensor::from_slice(&values, (count, SIDE, SIDE, 3), &candle_core::Device::Cpu).unwrap();
            for key in 0..60 {
                let mix = Mix::draw(&config(0.4, 1.0), SIDE, &mut Rng::for_key(9, &[key])).unwrap();
                let mut want = values.clone();
                mix.apply(&mut want, SIDE);
                assert!(flat(&mix.of_tensor(&x).unwrap()) == want, "{mix:?} of {count}");
            }
        }
    }

    #[test]
    fn off_draws_nothing_and_a_single_picture_stays() {
        assert_eq!(Mix::draw(&config(0.0, 0.0), SIDE, &mut Rng::for_key(0, &[])), None);
        let off = AugmentConfig { enabled: false, ..config(1.0, 1.0) };
        assert_eq!(Mix::draw(&off, SIDE, &mut Rng::for_key(0, &[])), None);
        let mut only = views(&[3.0]);
        Mix { how: How::Blend, own: 0.25 }.apply(&mut only, SIDE);
        assert_eq!(only, views(&[3.0]));
    }
}
