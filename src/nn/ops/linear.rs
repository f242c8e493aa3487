//! Fully connected layer.

use super::Activation;
use super::conv::{Conv2dSpec, conv2d};
use crate::error::{Error, ErrorKind, Result};
use candle_core::Tensor;

/// `act(x · weight + bias)`, differentiable in all three.
///
/// # Shapes
/// `x: [N, In]`, `weight: [In, Out]`, `bias: [Out]`, result `[N, Out]`.
///
/// # Errors
/// If shapes or types do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, act: Activation) -> Result<Tensor> {
    let (&[rows, inputs], &[weight_inputs, outputs]) = (x.dims(), weight.dims()) else {
        return Err(mismatch(x, weight, bias));
    };
    if inputs != weight_inputs || bias.is_some_and(|b| b.dims() != [outputs]) {
        return Err(mismatch(x, weight, bias));
    }
    // The same product as a convolution of one pixel.
    let spec = Conv2dSpec { stride: 1, padding: 0, dilation: 1, groups: 1 };
    let (x, weight) = (x.reshape((rows, 1, 1, inputs))?, weight.reshape((1, 1, inputs, outputs))?);
    Ok(conv2d(&x, &weight, bias, spec, act)?.reshape((rows, outputs))?)
}

fn mismatch(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Error {
    let bias = bias.map(Tensor::dims);
    let what = format!(
        "fully connected layer needs x [N, In], weight [In, Out] and bias [Out]: x {:?}, weight {:?}, bias {bias:?}",
        x.dims(),
        weight.dims()
    );
    Error::new(ErrorKind::Numeric, what)
}
