//! Activations and their gradients.

use super::super::Activation;
use super::super::card;
use super::super::cpu::Clamp;
use super::super::graph::Saved;
use super::short::{in_f32, is_short, widened};
use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// The activation of each value; not-a-number stays not-a-number.
pub(crate) fn value(act: Activation, x: &Tensor) -> Result<Tensor> {
    if act != Activation::Identity && card::serves(x) {
        return card::elementwise::activation(act, x);
    }
    match act {
        Activation::Identity => Ok(x.clone()),
        _ if is_short(x) => in_f32(x, |x| value(act, x)),
        Activation::Relu => clamp(x, (0.0, f32::INFINITY)),
        Activation::Relu6 => clamp(x, (0.0, 6.0)),
        Activation::Hardswish => x * hard_sigmoid(x)?,
        Activation::Silu => x * sigmoid(x)?,
        Activation::Gelu => x * normal_cdf(x)?,
        Activation::Sigmoid => sigmoid(x),
        Activation::Hardsigmoid => hard_sigmoid(x),
    }
}

/// The gradient at the argument `x` from that at the result, as `Activation::gradient`.
pub(crate) fn gradient(act: Activation, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
    if act != Activation::Identity && card::serves(x) {
        return card::elementwise::gradient_of_activation(act, x, grad);
    }
    match act {
        Activation::Identity => Ok(grad.clone()),
        _ if is_short(grad) => in_f32(grad, |grad| gradient(act, &widened(x)?, grad)),
        Activation::Relu => unless(&x.le(0f32)?, grad),
        Activation::Relu6 => within(x, (0.0, 6.0), grad),
        Activation::Hardswish => {
            let inside = unless(&x.le(-3f32)?, &(grad * x.affine(1.0 / 3.0, 0.5)?)?)?;
            x.ge(3f32)?.where_cond(grad, &inside)
        }
        Activation::Silu => {
            let s = sigmoid(x)?;
            grad * (&s * (x * s.affine(-1.0, 1.0)?)?.affine(1.0, 1.0)?)?
        }
        Activation::Gelu => {
            let density =
                x.sqr()?.affine(-0.5, 0.0)?.exp()?.affine(FRAC_1_SQRT_2 * 0.5 * FRAC_2_SQRT_PI, 0.0)?;
            grad * (normal_cdf(x)? + (x * density)?)?
        }
        Activation::Sigmoid => {
            let s = sigmoid(x)?;
            grad * (&s * s.affine(-1.0, 1.0)?)?
        }
        Activation::Hardsigmoid => within(x, (-3.0, 3.0), &grad.affine(1.0 / 6.0, 0.0)?),
    }
}

/// Values brought between two bounds, which may be infinite.
pub(crate) fn clamp(x: &Tensor, (low, high): (f32, f32)) -> Result<Tensor> {
    // Comparisons that are false for not-a-number, which stays; candle's `relu` and `clamp` would make a number of it.
    let bounded = |x: Tensor, bound: f32, beyond: Tensor| {
        let bound = Tensor::full(bound, x.shape(), x.device())?.to_dtype(x.dtype())?;
        beyond.where_cond(&bound.contiguous()?, &x)
    };
    let mut y = x.clone();
    if low.is_finite() {
        let below = y.lt(low)?;
        y = bounded(y, low, below)?;
    }
    if high.is_finite() {
        let above = y.gt(high)?;
        y = bounded(y, high, above)?;
    }
    Ok(y)
}

/// The clamped sum of two tensors of one shape.
pub(crate) fn sum(a: &Tensor, b: &Tensor, limits: Clamp) -> Result<Tensor> {
    match card::serves(a) {
        true => card::elementwise::sum(a, b, limits),
        false => clamp(&(a + b)?, limits.range()),
    }
}

/// The gradient before a clamp: zero where the result lies on a bound.
pub(crate) fn clamp_gradient(clamp: Clamp, saved: &Saved, grad: &Tensor) -> Result<Tensor> {
    if clamp == Clamp::None {
        return Ok(grad.clone());
    }
    let (result, (low, high)) = (saved.result()?, clamp.range());
    if card::serves(grad) {
        return card::elementwise::gradient_of_clamp(clamp, result, grad);
    }
    let grad = unless(&result.le(low)?, grad)?;
    if high.is_finite() { unless(&result.ge(high)?, &grad) } else { Ok(grad) }
}

/// Zero where `flat`, also for a gradient that is infinite or not a number.
fn unless(flat: &Tensor, grad: &Tensor) -> Result<Tensor> {
    flat.where_cond(&grad.zeros_like()?, grad)
}

/// The gradient where `x` is inside of the bounds, zero elsewhere.
fn within(x: &Tensor, (low, high): (f32, f32), grad: &Tensor) -> Result<Tensor> {
    let zeros = grad.zeros_like()?;
    let above = x.gt(low)?.where_cond(grad, &zeros)?;
    x.lt(high)?.where_cond(&above, &zeros)
}

fn hard_sigmoid(x: &Tensor) -> Result<Tensor> {
    clamp(&x.affine(1.0, 3.0)?, (0.0, 6.0))?.affine(1.0 / 6.0, 0.0)
}

/// The standard normal's distribution function.
fn normal_cdf(x: &Tensor) -> Result<Tensor> {
    x.affine(FRAC_1_SQRT_2, 0.0)?.erf()?.affine(0.5, 0.5)
}
