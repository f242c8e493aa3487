//! Two-dimensional convolution.

mod backward;
mod depthwise;
mod gather;

use super::Activation;
use super::cpu::{self, Clamp};
use super::gemm::{Epilogue, Mat, Packed};
use crate::error::{Error, ErrorKind, Result};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Shape, Tensor};
use gather::{Gather, Place};

/// Geometry of a convolution. Square kernels are not assumed; stride, padding and dilation are the same on both axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2dSpec {
    /// Step between output positions.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
    /// Distance between kernel taps.
    pub dilation: usize,
    /// 1, or the number of input channels (depthwise), or any divisor of both channel counts.
    pub groups: usize,
}

/// Convolution with fused bias and activation. Differentiable in `x`, `weight` and `bias`; no gradient is computed for an
/// argument that is not tracked.
///
/// # Shapes
/// `x: [N, H, W, Cin]`, `weight: [KH, KW, Cin / groups, Cout]`, `bias: [Cout]`, result `[N, OH, OW, Cout]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    spec: Conv2dSpec,
    act: Activation,
) -> Result<Tensor> {
    let geometry = Geometry::new(x.dims(), weight.dims(), bias.map(Tensor::dims), spec)?;
    cpu::check_operands("conv2d", [Some(x), Some(weight), bias])?;
    // What a clamp does not express runs as an operation of its own, which keeps the values that its gradient needs.
    let (clamp, rest) = Clamp::of(act);
    let op = Conv { geometry, clamp };
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    let y = match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, op)?,
        None => x.apply_op2(&weight, op)?,
    };
    if rest == Activation::Identity { Ok(y) } else { rest.apply(&y) }
}

/// All sizes of a convolution, checked.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    n: usize,
    /// Height, width, channels of the input.
    input: [usize; 3],
    /// Height, width, channels of the result.
    output: [usize; 3],
    /// Height and width of the kernel.
    kernel: [usize; 2],
    spec: Conv2dSpec,
}

impl Geometry {
    fn new(x: &[usize], weight: &[usize], bias: Option<&[usize]>, spec: Conv2dSpec) -> Result<Self> {
        let wrong = |why: &str| {
            let what = format!("convolution {why}: x {x:?}, weight {weight:?}, bias {bias:?}, {spec:?}");
            Err(Error::new(ErrorKind::Numeric, what))
        };
        let (&[n, h, w, cin], &[kh, kw, per_group, cout]) = (x, weight) else {
            return wrong("needs x [N, H, W, C] and weight [KH, KW, C / groups, Cout]");
        };
        if [n, h, w, cin, kh, kw, per_group, cout, spec.stride, spec.dilation, spec.groups].contains(&0) {
            return wrong("with a size of zero");
        }
        if !cout.is_multiple_of(spec.groups) || per_group.checked_mul(spec.groups) != Some(cin) {
            return wrong("with channels that do not fit the groups");
        }
        if bias.is_some_and(|b| b != [cout]) {
            return wrong("with a bias that is not [Cout]");
        }
        let positions = |size: usize, kernel: usize| {
            let reach = spec.dilation.checked_mul(kernel - 1)?.checked_add(1)?;
            let padded = spec.padding.checked_mul(2)?.checked_add(size)?;
            Some(padded.checked_sub(reach)? / spec.stride + 1)
        };
        let (Some(oh), Some(ow)) = (positions(h, kh), positions(w, kw)) else {
            return wrong("with a kernel larger than the padded picture");
        };
        Ok(Self { n, input: [h, w, cin], output: [oh, ow, cout], kernel: [kh, kw], spec })
    }

    fn depthwise(&self) -> bool {
        self.spec.groups == self.input[2] && self.input[2] == self.output[2] && self.spec.groups > 1
    }

    /// Input and output channels of a group.
    fn group(&self) -> [usize; 2] {
        [self.input[2] / self.spec.groups, self.output[2] / self.spec.groups]
    }

    fn output_shape(&self) -> Shape {
        let [h, w, c] = self.output;
        Shape::from((self.n, h, w, c))
    }

    /// Offset of tap `i` along an axis from the position times the stride.
    fn offset(&self, i: usize) -> isize {
        (i * self.spec.dilation) as isize - self.spec.padding as isize
    }

    /// How outputs see the input, for a range of its channels.
    fn gather<'a>(&self, x: &'a [f32], channels: (usize, usize)) -> Gather<'a> {
        let [kh, kw] = self.kernel;
        let taps = (0..kh * kw).map(|t| [self.offset(t / kw), self.offset(t % kw)]).collect();
        let positions = [self.output[0], self.output[1]];
        Gather { src: x, n: self.n, size: self.input, channels, positions, step: self.spec.stride, taps }
    }

    /// The weights of a group as a matrix `[KH * KW * Cin / groups, Cout / groups]`.
    fn group_weights<'a>(&self, weight: &'a [f32], group: usize) -> Mat<'a> {
        let ([kh, kw], [cin, cout]) = (self.kernel, self.group());
        Mat::rows(&weight[group * cout..], kh * kw * cin, cout, self.output[2])
    }

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>, clamp: Clamp) -> Vec<f32> {
        let mut out = vec![0.0f32; self.output_shape().elem_count()];
        if self.depthwise() {
            let gather = self.gather(x, (0, self.input[2]));
            let place = Place::dense(self.output, 0);
            depthwise::convolve(&gather, weight, bias.unwrap_or_default(), clamp.range(), place, &mut out);
            return out;
        }
        let [cin, cout] = self.group();
        for group in 0..self.spec.groups {
            let packed = Packed::new(self.group_weights(weight, group));
            let epilogue = Epilogue::new(bias.map(|b| &b[group * cout..(group + 1) * cout]), clamp.range());
            let place = Place::dense(self.output, group * cout);
            gather::convolve(&self.gather(x, (group * cin, cin)), &packed, &epilogue, place, &mut out);
        }
        out
    }
}

/// The operation on candle's tensors.
#[derive(Debug, Clone, Copy)]
struct Conv {
    geometry: Geometry,
    clamp: Clamp,
}

impl Conv {
    fn run(
        &self,
        x: (&CpuStorage, &Layout),
        weight: (&CpuStorage, &Layout),
        bias: Option<(&CpuStorage, &Layout)>,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let bias = bias.map(cpu::values).transpose()?;
        let out = self.geometry.forward(cpu::values(x)?, cpu::values(weight)?, bias, self.clamp);
        Ok((CpuStorage::F32(out), self.geometry.output_shape()))
    }
}

impl CustomOp2 for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.run((s1, l1), (s2, l2), None)
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = self.clamp.gradient(res, grad)?;
        Ok((self.input_gradient(x, weight, &grad)?, self.weight_gradient(x, weight, &grad)?))
    }
}

impl CustomOp3 for Conv {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.run((s1, l1), (s2, l2), Some((s3, l3)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = self.clamp.gradient(res, grad)?;
        let bias = if bias.track_op() { Some(cpu::column_sums(&grad)?) } else { None };
        Ok((self.input_gradient(x, weight, &grad)?, self.weight_gradient(x, weight, &grad)?, bias))
    }
}

#[cfg(test)]
mod tests;
