//! Convolution by tensor operations.
//!
//! 1x1 kernels are a matrix product. Depthwise convolution is a sum over the kernel's taps of a shifted map times a row of weights,
//! except on NVIDIA cards, which have kernels of ours for it (`on_card`).
//! Everything else is cuDNN's on an NVIDIA card ([`cudnn`]). Elsewhere it goes through candle's convolution of `[N, C, H, W]`; the
//! input's gradient is one of the result's gradient with turned weights, and the weights' gradient a product for each row of the
//! kernel: candle's own gradients of convolution are wrong on Metal and slow elsewhere.

use super::{Conv2dSpec, Geometry, cudnn};
use crate::nn::ops::tensors::short::{multiplied, product};
use crate::nn::ops::tensors::taps::{Frame, Taps, fit, spread};
use crate::nn::ops::tensors::{as_rows, column_sums};
use candle_core::{D, Result, Tensor};

impl Geometry {
    /// The convolution without bias.
    pub(super) fn forward_tensors(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let x = x.reshape(self.input_shape())?;
        if let Some(y) = cudnn::forward(self, &x, weight)? {
            return Ok(y);
        }
        if self.pointwise() {
            let pixels = as_rows(&self.picked(&x)?)?;
            return product(&pixels, &weight.reshape(self.matrix())?)?.reshape(&self.output_shape());
        }
        if self.depthwise() {
            return depthwise(&Taps::new(&x, self.frame(), 0.0)?, &self.taps(), &self.tap_rows(weight)?);
        }
        let weight = weight.permute((3, 2, 0, 1))?.contiguous()?;
        from_planes(&convolved(&planes(&x)?, &weight, self.spec)?)
    }

    /// The gradient of the input.
    pub(super) fn input_gradient_tensor(&self, weight: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let grad = grad.reshape(&self.output_shape())?;
        let [h, w, _] = self.input;
        if let Some(of_x) = cudnn::input_gradient(self, weight, &grad)? {
            return Ok(of_x);
        }
        if self.pointwise() {
            let pixels = product(&as_rows(&grad)?, &weight.reshape(self.matrix())?.t()?)?;
            let pixels = pixels.reshape((self.n, self.output[0], self.output[1], self.input[2]))?;
            let map = spread(&pixels, self.spec.stride)?;
            return sized(&map, [h, w], (0, 0));
        }
        // What a tap reads at a distance it gives back from the opposite one: the map begins so far ahead.
        let (map, [reach_h, reach_w]) = (spread(&grad, self.spec.stride)?, self.reach());
        let before = [reach_h, reach_w].map(|reach| reach as isize - self.spec.padding as isize);
        if self.depthwise() {
            let frame = Frame { positions: [h, w], step: 1, padding: before, reach: [reach_h, reach_w] };
            let turned: Vec<_> = self.taps().iter().map(|t| [reach_h - t[0], reach_w - t[1]]).collect();
            return depthwise(&Taps::new(&map, frame, 0.0)?, &turned, &self.tap_rows(weight)?);
        }
        let map = sized(&map, [h + reach_h, w + reach_w], (before[0], before[1]))?;
        let ([kh, kw], [cin, cout], groups) = (self.kernel, self.group(), self.spec.groups);
        let turned = weight.flip(&[0, 1])?.reshape((kh, kw, cin, groups, cout))?;
        let turned = turned.permute((3, 2, 4, 0, 1))?.contiguous()?.reshape((groups * cin, cout, kh, kw))?;
        let spec = Conv2dSpec { stride: 1, padding: 0, ..self.spec };
        from_planes(&convolved(&planes(&map)?, &turned, spec)?)
    }

    /// The gradient of the weights, `[KH, KW, Cin / groups, Cout]`.
    pub(super) fn weight_gradient_tensor(&self, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
        let (x, [kh, kw], [cin, cout]) = (x.reshape(self.input_shape())?, self.kernel, self.group());
        let shape = (kh, kw, cin, self.output[2]);
        if let Some(of_weight) = cudnn::weight_gradient(self, &x, grad)? {
            return Ok(of_weight);
        }
        if self.pointwise() {
            return product(&as_rows(&self.picked(&x)?)?.t()?, &as_rows(grad)?)?.reshape(shape);
        }
        let (taps, seen) = (self.taps(), Taps::new(&x, self.frame(), 0.0)?);
        if self.depthwise() {
            let grad = grad.reshape(&self.output_shape())?;
            let of_tap = |tap: &[usize; 2]| column_sums(&(seen.at(*tap)? * &grad)?, self.output[2]);
            let rows = taps.iter().map(of_tap).collect::<Result<Vec<_>>>()?;
            return Tensor::stack(&rows, 0)?.reshape(shape);
        }
        let grad = as_rows(grad)?;
        let mut rows = Vec::with_capacity(kh);
        for taps in taps.chunks(kw) {
            let views = taps.iter().map(|tap| seen.at(*tap)?.contiguous()).collect::<Result<Vec<_>>>()?;
            let mut groups = Vec::with_capacity(self.spec.groups);
            for group in 0..self.spec.groups {
                let part = |view: &Tensor| view.narrow(D::Minus1, group * cin, cin)?.contiguous();
                let parts = views.iter().map(part).collect::<Result<Vec<_>>>()?;
                let seen = as_rows(&Tensor::cat(&parts, D::Minus1)?)?;
                let grad = grad.narrow(1, group * cout, cout)?.contiguous()?;
                groups.push(product(&seen.t()?, &grad)?.reshape((1, kw, cin, cout))?);
            }
            rows.push(Tensor::cat(&groups, D::Minus1)?);
        }
        Tensor::cat(&rows, 0)
    }

    /// Whether it is a product of pixels with a matrix.
    pub(super) fn pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.spec.groups == 1 && self.spec.padding == 0
    }

    fn input_shape(&self) -> (usize, usize, usize, usize) {
        let [h, w, c] = self.input;
        (self.n, h, w, c)
    }

    /// Shape of a 1x1 kernel's weights as a matrix.
    fn matrix(&self) -> (usize, usize) {
        (self.input[2], self.output[2])
    }

    /// The pixels that a 1x1 kernel reads.
    fn picked(&self, x: &Tensor) -> Result<Tensor> {
        match self.spec.stride {
            1 => Ok(x.clone()),
            _ => Taps::new(x, self.frame(), 0.0)?.at([0, 0])?.contiguous(),
        }
    }

    /// How far the last tap lies from the first.
    fn reach(&self) -> [usize; 2] {
        self.kernel.map(|k| (k - 1) * self.spec.dilation)
    }

    fn frame(&self) -> Frame {
        let padding = [self.spec.padding as isize; 2];
        let positions = [self.output[0], self.output[1]];
        Frame { positions, step: self.spec.stride, padding, reach: self.reach() }
    }

    /// The taps' distances from the first, row by row.
    fn taps(&self) -> Vec<[usize; 2]> {
        let ([kh, kw], dilation) = (self.kernel, self.spec.dilation);
        (0..kh * kw).map(|t| [t / kw * dilation, t % kw * dilation]).collect()
    }

    /// A depthwise kernel's weights, a row of channels for each tap.
    fn tap_rows(&self, weight: &Tensor) -> Result<Tensor> {
        weight.reshape((self.kernel[0] * self.kernel[1], self.output[2]))
    }
}

/// Sum over `taps` of what they see times their row of `weights`.
fn depthwise(seen: &Taps, taps: &[[usize; 2]], weights: &Tensor) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (i, tap) in taps.iter().enumerate() {
        let part = seen.at(*tap)?.broadcast_mul(&weights.get(i)?)?;
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
    }
    sum.ok_or_else(|| candle_core::Error::Msg("a convolution without taps".to_owned()))
}

/// `[N, H, W, C]` with `before` added ahead of both middle axes, and what is needed behind them for this size.
fn sized(map: &Tensor, size: [usize; 2], before: (isize, isize)) -> Result<Tensor> {
    let (_, h, w, _) = map.dims4()?;
    let behind = |size: usize, has: usize, before: isize| size as isize - has as isize - before;
    let map = fit(map, 1, (before.0, behind(size[0], h, before.0)), 0.0)?;
    fit(&map, 2, (before.1, behind(size[1], w, before.1)), 0.0)?.contiguous()
}

/// candle's convolution of `x: [N, Cin, H, W]` with `weight: [Cout, Cin / groups, KH, KW]`. candle's own groups would be views, which not
/// every device reads right.
fn convolved(x: &Tensor, weight: &Tensor, spec: Conv2dSpec) -> Result<Tensor> {
    let Conv2dSpec { padding, stride, dilation, groups } = spec;
    let (cin, cout) = (x.dim(1)? / groups, weight.dim(0)? / groups);
    let of_group = |group: usize| {
        let x = x.narrow(1, group * cin, cin)?.contiguous()?;
        let weight = weight.narrow(0, group * cout, cout)?.contiguous()?;
        multiplied(&x, &weight, |x, weight| x.conv2d(weight, padding, stride, dilation, 1))
    };
    let maps = (0..groups).map(of_group).collect::<Result<Vec<_>>>()?;
    if let [map] = &maps[..] { Ok(map.clone()) } else { Tensor::cat(&maps, 1) }
}

/// `[N, H, W, C]` to `[N, C, H, W]`; contiguous, without which Metal's convolution reads wrong values.
fn planes(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 3, 1, 2))?.contiguous()
}

fn from_planes(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}
