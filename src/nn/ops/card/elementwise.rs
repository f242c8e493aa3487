//! Activations and sums, value by value: the host's side of `kernels/elementwise.cu`.

use super::launch::{Fresh, Grid, Launch, vector_width};
use crate::nn::ops::Activation;
use crate::nn::ops::cpu::Clamp;
use candle_core::{Result, Tensor};

const FILE: &str = "elementwise";

/// The activation of each value.
pub(crate) fn activation(act: Activation, x: &Tensor) -> Result<Tensor> {
    run("activation", &[x], |launch| launch.count(act as u32))
}

/// The gradient at the argument `x` from that at the result.
pub(crate) fn gradient_of_activation(act: Activation, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
    run("gradient_of_activation", &[x, grad], |launch| launch.count(act as u32))
}

/// The gradient before a clamp, from its result.
pub(crate) fn gradient_of_clamp(clamp: Clamp, result: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let [low, high] = bounds(clamp);
    run("gradient_of_clamp", &[result, grad], |launch| launch.number(low).number(high))
}

/// The clamped sum of two tensors of as many values, in the shape of the first.
pub(crate) fn sum(a: &Tensor, b: &Tensor, clamp: Clamp) -> Result<Tensor> {
    run("sum", &[a, b], |launch| launch.count(Activation::from(clamp) as u32))
}

/// Smallest and largest result of a clamp as kernels take them: not a number where there is none.
pub(crate) fn bounds(clamp: Clamp) -> [f32; 2] {
    let (low, high) = clamp.range();
    [low, high].map(|bound| if bound.is_finite() { bound } else { f32::NAN })
}

/// Runs a kernel that reads tensors of one shape and writes one; `settings` gives it what comes between their size and their width.
fn run(
    kernel: &'static str,
    from: &[&Tensor],
    settings: impl for<'a> FnOnce(Launch<'a>) -> Launch<'a>,
) -> Result<Tensor> {
    let from = from.iter().map(|t| t.contiguous()).collect::<Result<Vec<_>>>()?;
    let Some(first) = from.first() else { candle_core::bail!("{kernel} of nothing") };
    let count = first.elem_count();
    if from.iter().any(|t| t.elem_count() != count || t.dtype() != first.dtype()) {
        candle_core::bail!("{kernel} of tensors of different shapes or types: {from:?}");
    }
    if count == 0 {
        return Ok(first.clone());
    }
    let width = vector_width(count, &from.iter().collect::<Vec<_>>());
    let packs = count / width as usize;
    let mut to = Fresh::like(first, first.shape().clone())?;
    let launch = from.iter().fold(Launch::of(FILE, kernel, first.dtype())?, Launch::read);
    let launch = settings(launch.write(&mut to).count(u32::try_from(packs)?)).count(width);
    // SAFETY: each thread reads and writes a pack of the values of every tensor, all of which have as many.
    unsafe { launch.run(Grid::of_threads(packs)?)? };
    Ok(to.into_tensor())
}
