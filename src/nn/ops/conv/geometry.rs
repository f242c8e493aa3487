//! The sizes of a convolution, and which kernel serves them.

use super::direct::{self, Gather, Place};
use super::winograd::{self, Winograd};
use super::{Conv2dSpec, depthwise};
use crate::error::{Error, ErrorKind, Result};
use crate::nn::ops::Activation;
use crate::nn::ops::cpu::{CHUNK, Clamp};
use crate::nn::ops::gemm::{Epilogue, Mat, Packed};
use crate::nn::ops::memory::filled;
use rayon::prelude::*;

/// All sizes of a convolution, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Geometry {
    /// Pictures.
    pub(super) n: usize,
    /// Height, width, channels of the input.
    pub(super) input: [usize; 3],
    /// Height, width, channels of the result.
    pub(super) output: [usize; 3],
    /// Height and width of the kernel.
    pub(super) kernel: [usize; 2],
    pub(super) spec: Conv2dSpec,
}

impl Geometry {
    /// Of tensors of these shapes.
    pub(in super::super) fn new(
        x: &[usize],
        weight: &[usize],
        bias: Option<&[usize]>,
        spec: Conv2dSpec,
    ) -> Result<Self> {
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

    /// Whether each channel is convolved on its own.
    pub(super) fn depthwise(&self) -> bool {
        self.spec.groups == self.input[2] && self.input[2] == self.output[2] && self.spec.groups > 1
    }

    /// Input and output channels of a group.
    pub(super) fn group(&self) -> [usize; 2] {
        [self.input[2] / self.spec.groups, self.output[2] / self.spec.groups]
    }

    /// Shape of the result.
    pub(super) fn output_shape(&self) -> [usize; 4] {
        let [h, w, c] = self.output;
        [self.n, h, w, c]
    }

    /// Offset of tap `i` along an axis from the position times the stride.
    pub(super) fn offset(&self, i: usize) -> isize {
        (i * self.spec.dilation) as isize - self.spec.padding as isize
    }

    /// How outputs see the input, for a range of its channels.
    pub(super) fn gather<'a>(&self, x: &'a [f32], channels: (usize, usize)) -> Gather<'a> {
        let [kh, kw] = self.kernel;
        let taps = (0..kh * kw).map(|t| [self.offset(t / kw), self.offset(t % kw)]).collect();
        let positions = [self.output[0], self.output[1]];
        Gather { src: x, n: self.n, size: self.input, channels, positions, step: self.spec.stride, taps }
    }

    /// The weights of a group as a matrix `[KH * KW * Cin / groups, Cout / groups]`.
    pub(super) fn group_weights<'a>(&self, weight: &'a [f32], group: usize) -> Mat<'a> {
        let ([kh, kw], [cin, cout]) = (self.kernel, self.group());
        Mat::rows(&weight[group * cout..], kh * kw * cin, cout, self.output[2])
    }

    /// The faster algorithm for 3x3 kernels, where it pays.
    pub(super) fn winograd(&self) -> Option<Winograd> {
        Winograd::suits(self).then(|| Winograd::new(self))
    }

    /// Brings weights into the form that the forward pass reads.
    pub(super) fn form(&self, weight: &[f32]) -> Form {
        if self.depthwise() {
            return Form::Depthwise(weight.to_vec());
        }
        match self.winograd() {
            Some(winograd) => Form::Winograd(winograd.weights(weight)),
            None => {
                let group = |g| Packed::new(self.group_weights(weight, g));
                Form::Matrices((0..self.spec.groups).map(group).collect())
            }
        }
    }

    /// `act(convolution + bias + addend)`; nothing can be added to a depthwise convolution.
    pub(super) fn forward(
        &self,
        x: &[f32],
        form: &Form,
        bias: Option<&[f32]>,
        addend: Option<&[f32]>,
        act: Activation,
    ) -> Vec<f32> {
        let (clamp, act) = Clamp::of(act);
        let fill = |out: &mut [f32]| match form {
            Form::Depthwise(weight) => {
                let gather = self.gather(x, (0, self.input[2]));
                let place = Place::dense(self.output, 0);
                let bias = bias.unwrap_or_default();
                depthwise::convolve(&gather, weight, bias, (clamp.range(), act), place, out);
            }
            Form::Winograd(weights) => {
                let (bias, addend) = (bias.unwrap_or_default(), addend.unwrap_or_default());
                Winograd::new(self).convolve(x, weights, bias, addend, clamp.range(), out);
                if act != Activation::Identity {
                    out.par_chunks_mut(CHUNK).for_each(|values| act.rewrite(values));
                }
            }
            Form::Matrices(groups) => {
                let [cin, cout] = self.group();
                for (group, packed) in groups.iter().enumerate() {
                    let bias = bias.map(|b| &b[group * cout..(group + 1) * cout]);
                    let gather = self.gather(x, (group * cin, cin));
                    let place = Place::dense(self.output, group * cout);
                    let epilogue = Epilogue::new(bias, clamp.range()).then(act);
                    direct::convolve(&gather, packed, &epilogue, addend, place, out);
                }
            }
        };
        // SAFETY: all three write each result, the groups each its own channels.
        unsafe { filled(self.output_shape().iter().product(), fill) }
    }
}

/// Weights in the form that a kernel reads.
#[derive(Debug)]
pub(super) enum Form {
    Depthwise(Vec<f32>),
    /// One for each group.
    Matrices(Vec<Packed>),
    Winograd(winograd::Weights),
}
