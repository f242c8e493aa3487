//! Elementwise activations.

mod exp;
mod in_place;

use super::cpu::{CHUNK, check_operands, with_values};
use super::graph::{self, Grad, Keeps, Operation, Saved};
use super::memory::filled;
use super::simd::{self, Baseline, Isa, Kernel};
use super::tensors::{self, Grads};
use crate::error::Result;
use candle_core::{Shape, Tensor};
use rayon::prelude::*;

pub(crate) use exp::exp;

/// An elementwise activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Activation {
    /// x.
    #[default]
    Identity,
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    /// x * relu6(x + 3) / 6.
    Hardswish,
    /// x * sigmoid(x).
    Silu,
    /// x * Phi(x), the exact (erf) form.
    Gelu,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// relu6(x + 3) / 6.
    Hardsigmoid,
}

/// An activation as a type. A loop that is compiled for several instruction sets sees what it is given by reference, where the
/// compiler knows types but no values: with an [`Activation`] it would choose anew for each element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixed<const ACT: u8>;

impl<const ACT: u8> Fixed<ACT> {
    const ACT: Activation = Activation::ALL[ACT as usize];

    /// As [`Activation::value`].
    #[inline(always)]
    pub(crate) fn value(self, x: f32) -> f32 {
        Self::ACT.value(x)
    }

    /// As [`Activation::gradient`].
    #[inline(always)]
    pub(crate) fn gradient(self, x: f32, grad: f32) -> f32 {
        Self::ACT.gradient(x, grad)
    }

    #[inline(always)]
    fn value_on(self, isa: impl Isa, x: f32) -> f32 {
        Self::ACT.value_on(isa, x)
    }

    #[inline(always)]
    fn gradient_on(self, isa: impl Isa, x: f32, grad: f32) -> f32 {
        Self::ACT.gradient_on(isa, x, grad)
    }
}

/// The activation of each value of `x`.
struct Values<'a, const ACT: u8> {
    act: Fixed<ACT>,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl<const ACT: u8> Kernel for Values<'_, ACT> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { act, x, out } = self;
        out.iter_mut().zip(x).for_each(|(y, &x)| *y = act.value_on(isa, x));
    }
}

/// The activation of each value, in its place.
struct InPlace<'a, const ACT: u8> {
    act: Fixed<ACT>,
    values: &'a mut [f32],
}

impl<const ACT: u8> Kernel for InPlace<'_, ACT> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { act, values } = self;
        values.iter_mut().for_each(|v| *v = act.value_on(isa, *v));
    }
}

/// The gradient before the activation at each value of `x`, from that behind it.
struct Slopes<'a, const ACT: u8> {
    act: Fixed<ACT>,
    x: &'a [f32],
    grad: &'a mut [f32],
}

impl<const ACT: u8> Kernel for Slopes<'_, ACT> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) {
        let Self { act, x, grad } = self;
        grad.iter_mut().zip(x).for_each(|(g, &x)| *g = act.gradient_on(isa, x, *g));
    }
}

/// Evaluates `$body` with `$a` known to the compiler as a [`Fixed`], so that the choice of activation stays outside the loop in
/// `$body`.
macro_rules! specialised {
    ($act:expr, $a:ident => $body:expr) => {
        $crate::nn::ops::activation::specialised!(@ $act, $a, $body, Identity, Relu, Relu6, Hardswish, Silu, Gelu,
            Sigmoid, Hardsigmoid)
    };
    (@ $act:expr, $a:ident, $body:expr, $($name:ident),*) => {
        match $act {
            $($crate::nn::ops::Activation::$name => {
                let $a = $crate::nn::ops::activation::Fixed::<{ $crate::nn::ops::Activation::$name as u8 }>;
                $body
            })*
        }
    };
}
pub(crate) use specialised;

impl Activation {
    /// All, in the order of their numbers.
    const ALL: [Self; 8] = [
        Self::Identity,
        Self::Relu,
        Self::Relu6,
        Self::Hardswish,
        Self::Silu,
        Self::Gelu,
        Self::Sigmoid,
        Self::Hardsigmoid,
    ];

    /// Applies the activation; differentiable, any shape.
    ///
    /// # Errors
    /// If `x` is not f32.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        if self == Self::Identity {
            return Ok(x.clone());
        }
        check_operands(NAME, [Some(x)])?;
        Ok(graph::apply(Op { act: self, shape: x.shape().clone() }, &[&x.contiguous()?])?)
    }

    /// The activation of each value of `x`, on this thread.
    pub(crate) fn values(self, x: &[f32], out: &mut [f32]) {
        assert!(x.len() == out.len(), "{} activations of {} values", out.len(), x.len());
        specialised!(self, act => simd::dispatch(Values { act, x, out }));
    }

    /// Applies the activation in place, on this thread.
    pub(crate) fn rewrite(self, values: &mut [f32]) {
        match self {
            Self::Identity => {}
            Self::Silu => simd::dispatch(in_place::Silu(values)),
            _ => specialised!(self, act => simd::dispatch(InPlace { act, values })),
        }
    }

    /// Multiplies each of `grad` by the derivative at `x`, on this thread; see [`Self::gradient`].
    pub(crate) fn scale_by_slope(self, x: &[f32], grad: &mut [f32]) {
        assert!(x.len() == grad.len(), "slopes at {} values for {} gradients", x.len(), grad.len());
        if self != Self::Identity {
            specialised!(self, act => simd::dispatch(Slopes { act, x, grad }));
        }
    }

    /// The activation of one value. Not-a-number stays not-a-number.
    #[inline(always)]
    pub(crate) fn value(self, x: f32) -> f32 {
        self.value_on(Baseline, x)
    }

    /// The same in the arithmetic of an instruction set.
    #[inline(always)]
    fn value_on(self, isa: impl Isa, x: f32) -> f32 {
        match self {
            Self::Identity => x,
            Self::Relu => clamp_low(x),
            Self::Relu6 => relu6(x),
            Self::Hardswish => x * relu6(x + 3.0) * (1.0 / 6.0),
            Self::Silu => x * sigmoid(isa, x),
            Self::Gelu => x * normal_cdf(isa, x, exp(isa, -0.5 * x * x)),
            Self::Sigmoid => sigmoid(isa, x),
            Self::Hardsigmoid => relu6(x + 3.0) * (1.0 / 6.0),
        }
    }

    /// The gradient at the argument `x` from that at the result, PyTorch's choice at the kinks: exactly zero where a piece is
    /// flat, also for one that is infinite or not a number.
    #[inline(always)]
    pub(crate) fn gradient(self, x: f32, grad: f32) -> f32 {
        self.gradient_on(Baseline, x, grad)
    }

    /// The same in the arithmetic of an instruction set.
    #[inline(always)]
    fn gradient_on(self, isa: impl Isa, x: f32, grad: f32) -> f32 {
        match self {
            Self::Identity => grad,
            // Not-a-number is no less than zero, and lets the gradient through.
            Self::Relu => where_not(x <= 0.0, grad),
            Self::Relu6 => where_not(!((x > 0.0) & (x < 6.0)), grad),
            Self::Hardswish => {
                let inside = where_not(x <= -3.0, grad * (x * (1.0 / 3.0) + 0.5));
                if x >= 3.0 { grad } else { inside }
            }
            Self::Silu => {
                let s = sigmoid(isa, x);
                grad * (s * (1.0 + x * (1.0 - s)))
            }
            Self::Gelu => {
                let density = std::f32::consts::FRAC_1_SQRT_2 * 0.5 * std::f32::consts::FRAC_2_SQRT_PI;
                let e = exp(isa, -0.5 * x * x);
                grad * isa.mul_add(x * density, e, normal_cdf(isa, x, e))
            }
            Self::Sigmoid => {
                let s = sigmoid(isa, x);
                grad * (s * (1.0 - s))
            }
            Self::Hardsigmoid => where_not(!((x > -3.0) & (x < 3.0)), grad * (1.0 / 6.0)),
        }
    }

    /// Whether the derivative at the output is that at the input, so that the input need not be kept or computed again.
    #[inline(always)]
    pub(crate) fn known_from_output(self) -> bool {
        matches!(self, Self::Identity | Self::Relu | Self::Relu6)
    }
}

#[inline(always)]
fn where_not(flat: bool, grad: f32) -> f32 {
    if flat { 0.0 } else { grad }
}

#[inline(always)]
fn clamp_low(x: f32) -> f32 {
    // Not `max`, which would turn not-a-number into zero and hide that training has diverged.
    if x < 0.0 { 0.0 } else { x }
}

#[inline(always)]
fn relu6(x: f32) -> f32 {
    let low = clamp_low(x);
    if low > 6.0 { 6.0 } else { low }
}

#[inline(always)]
fn sigmoid(isa: impl Isa, x: f32) -> f32 {
    1.0 / (1.0 + exp(isa, -x))
}

/// The standard normal's distribution function at `x`, given `e = exp(-x^2 / 2)`, to about 1e-7: formula 7.1.26 of Abramowitz
/// and Stegun, "Handbook of Mathematical Functions" (1964), for the tail on the side of `x`, so that nothing cancels there.
#[inline(always)]
fn normal_cdf(isa: impl Isa, x: f32, e: f32) -> f32 {
    const P: f32 = 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / isa.mul_add(P, x.abs(), 1.0);
    let p = 0.530_702_7;
    let p = isa.mul_add(p, t, -0.726_576);
    let p = isa.mul_add(p, t, 0.710_706_9);
    let p = isa.mul_add(p, t, -0.142_248_37);
    let p = isa.mul_add(p, t, 0.127_414_8);
    let tail = p * t * e;
    if x < 0.0 { tail } else { 1.0 - tail }
}

const NAME: &str = "activation";

struct Op {
    act: Activation,
    shape: Shape,
}

impl Operation for Op {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keeps(&self, _: &[bool]) -> Keeps {
        // The result is as good where that is enough: what follows keeps it too, as its argument.
        let result = self.act.known_from_output();
        Keeps { args: u8::from(!result), result }
    }

    fn forward(&self, args: &[&[f32]]) -> (Vec<f32>, Shape) {
        let x = args[0];
        let fill = |y: &mut [f32]| {
            y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| self.act.values(x, y));
        };
        // SAFETY: every value is written, and none read.
        (unsafe { filled(x.len(), fill) }, self.shape.clone())
    }

    fn backward(&self, saved: &Saved, grad: Grad, _: &[bool]) -> candle_core::Result<Vec<Option<Grad>>> {
        let seen = if self.act.known_from_output() { saved.result()? } else { saved.arg(0)? };
        let dx = with_values([seen], |[seen]| {
            grad.rewrite_with(CHUNK, seen.par_chunks(CHUNK), |seen, grad| self.act.scale_by_slope(seen, grad))
        })??;
        Ok(vec![Some(Grad::Owned(dx))])
    }

    fn forward_tensors(&self, args: &[&Tensor]) -> candle_core::Result<Tensor> {
        tensors::activation::value(self.act, args[0])
    }

    fn backward_tensors(&self, saved: &Saved, grad: &Tensor, _: &[bool]) -> Grads {
        let seen = if self.act.known_from_output() { saved.result()? } else { saved.arg(0)? };
        Ok(vec![Some(tensors::activation::gradient(self.act, seen, grad)?)])
    }
}

#[cfg(test)]
mod tests;
