//! Pooling by tensor operations.

use super::{Kind, Windows};
use crate::nn::ops::tensors::taps::{Frame, Spill, Taps};
use candle_core::{Result, Tensor};

impl Windows {
    pub(super) fn forward_tensors(&self, x: &Tensor, kind: Kind) -> Result<Tensor> {
        if self.whole() {
            let pixels = self.pixels(x)?;
            return match kind {
                Kind::Mean => pixels.mean(1),
                Kind::Max => whole_maximum(&pixels),
            };
        }
        let padding = if kind == Kind::Max { f32::NEG_INFINITY } else { 0.0 };
        let seen = Taps::new(x, self.frame(), padding)?;
        let mut y: Option<Tensor> = None;
        for tap in self.taps() {
            let v = seen.at(tap)?.contiguous()?;
            y = Some(match (y, kind) {
                (None, _) => v,
                (Some(y), Kind::Mean) => (y + v)?,
                (Some(y), Kind::Max) => {
                    let y = v.gt(&y)?.where_cond(&v, &y)?;
                    not_a_number(&v)?.where_cond(&v, &y)?
                }
            });
        }
        let y = y.ok_or_else(|| candle_core::Error::Msg("pooling without a window".to_owned()))?;
        if kind == Kind::Mean { y.broadcast_mul(&self.shares(x)?) } else { Ok(y) }
    }

    /// As `mean_gradient`.
    pub(super) fn mean_gradient_tensor(&self, grad: &Tensor) -> Result<Tensor> {
        let [h, w] = self.input;
        if self.whole() {
            let share = grad.reshape((self.n, 1, 1, self.channels))?.affine(1.0 / (h * w) as f64, 0.0)?;
            return share.broadcast_as((self.n, h, w, self.channels))?.contiguous();
        }
        let [oh, ow] = self.output;
        let grad = grad.reshape((self.n, oh, ow, self.channels))?;
        let grad = grad.broadcast_mul(&self.shares(&grad)?)?;
        let mut spill = Spill::new(self.frame());
        for tap in self.taps() {
            spill.add(tap, &grad)?;
        }
        self.gathered(spill, &grad)
    }

    /// As `max_gradient`.
    pub(super) fn max_gradient_tensor(&self, x: &Tensor, maxima: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let [oh, ow] = self.output;
        if self.whole() {
            let (pixels, one) = (self.pixels(x)?, (self.n, 1, self.channels));
            let first = first_maximum(&pixels, &maxima.reshape(one)?)?;
            let grad = grad.reshape(one)?.broadcast_as(pixels.shape())?.contiguous()?;
            return first.where_cond(&grad, &pixels.zeros_like()?)?.reshape(x.shape());
        }
        let shape = (self.n, oh, ow, self.channels);
        let (maxima, mut left) = (maxima.reshape(shape)?, grad.reshape(shape)?);
        let lost = not_a_number(&maxima)?;
        let zeros = left.zeros_like()?;
        let seen = Taps::new(x, self.frame(), f32::NEG_INFINITY)?;
        let mut spill = Spill::new(self.frame());
        for tap in self.taps() {
            let v = seen.at(tap)?.contiguous()?;
            // A window without a number among its values gives its gradient to the first that is none.
            let hits = v.eq(&maxima)?.where_cond(&left, &zeros)?;
            let of_lost = not_a_number(&v)?.where_cond(&left, &zeros)?;
            let given = lost.where_cond(&of_lost, &hits)?;
            let kept = v.eq(&maxima)?.where_cond(&zeros, &left)?;
            let kept_of_lost = not_a_number(&v)?.where_cond(&zeros, &left)?;
            left = lost.where_cond(&kept_of_lost, &kept)?;
            spill.add(tap, &given)?;
        }
        self.gathered(spill, x)
    }

    /// One window over the whole map.
    pub(super) fn whole(&self) -> bool {
        self.kernel == self.input && self.output == [1, 1] && self.spec.padding == 0
    }

    /// `[N, H * W, C]`.
    pub(super) fn pixels(&self, x: &Tensor) -> Result<Tensor> {
        x.reshape((self.n, self.input[0] * self.input[1], self.channels))
    }

    fn frame(&self) -> Frame {
        Frame {
            positions: self.output,
            step: self.spec.stride,
            padding: [self.spec.padding as isize; 2],
            reach: self.kernel.map(|k| k - 1),
        }
    }

    fn taps(&self) -> impl Iterator<Item = [usize; 2]> {
        let [high, wide] = self.kernel;
        (0..high * wide).map(move |t| [t / wide, t % wide])
    }

    /// What each pixel counts in its window's mean, `[1, OH, OW, 1]` on the device of `like`.
    fn shares(&self, like: &Tensor) -> Result<Tensor> {
        let [oh, ow] = self.output;
        let share = |i: usize| 1.0 / (self.range(0, i / ow).1 * self.range(1, i % ow).1) as f32;
        Tensor::from_vec((0..oh * ow).map(share).collect(), (1, oh, ow, 1), like.device())
    }

    /// The map that windows gave to.
    fn gathered(&self, spill: Spill, like: &Tensor) -> Result<Tensor> {
        let [h, w] = self.input;
        match spill.finish(self.input)? {
            Some(map) => Ok(map),
            None => Tensor::zeros((self.n, h, w, self.channels), like.dtype(), like.device()),
        }
    }
}

/// 1 where a value is not a number.
fn not_a_number(t: &Tensor) -> Result<Tensor> {
    t.ne(t)
}

/// Maximum over the middle axis; not-a-number wins.
fn whole_maximum(pixels: &Tensor) -> Result<Tensor> {
    let lost = not_a_number(pixels)?.to_dtype(pixels.dtype())?.max(1)?;
    let nan = Tensor::full(f32::NAN, lost.shape(), lost.device())?.contiguous()?;
    lost.gt(0f32)?.where_cond(&nan, &pixels.max(1)?)
}

/// 1 at the first of the middle axis's maxima, or at the first that is not a number where one is.
fn first_maximum(pixels: &Tensor, maxima: &Tensor) -> Result<Tensor> {
    let (_, count, _) = pixels.dims3()?;
    let maxima = maxima.broadcast_as(pixels.shape())?.contiguous()?;
    let order = Tensor::arange(0f32, count as f32, pixels.device())?.reshape((1, count, 1))?;
    let order = order.broadcast_as(pixels.shape())?.contiguous()?;
    let behind = Tensor::full(count as f32, pixels.shape(), pixels.device())?.contiguous()?;
    let at = pixels.eq(&maxima)?.where_cond(&order, &behind)?;
    let at_lost = not_a_number(pixels)?.where_cond(&order, &behind)?;
    let at = not_a_number(&maxima)?.where_cond(&at_lost, &at)?;
    order.eq(&at.min_keepdim(1)?.broadcast_as(pixels.shape())?.contiguous()?)
}
