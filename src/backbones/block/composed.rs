//! Layers that several others are put together to.

use crate::error::Result;
use crate::nn::layers::{ConvNormAct, Dropout, Flatten, Forward, Layer, Linear};
use crate::nn::ops::tensors::short::in_f32;
use crate::nn::ops::{Activation, concat_channels, global_avg_pool};
use candle_core::{Device, Tensor};

#[derive(Debug)]
pub(super) struct Residual {
    pub(super) body: Vec<ConvNormAct>,
    pub(super) shortcut: Option<ConvNormAct>,
    pub(super) act: Activation,
}

impl Layer for Residual {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let shortcut = match &self.shortcut {
            Some(conv) => conv.forward(f, x)?,
            None => x.clone(),
        };
        let Some((last, inner)) = self.body.split_last() else {
            return self.act.apply(&(x + shortcut)?);
        };
        let mut y = x.clone();
        for conv in inner {
            y = conv.forward(f, &y)?;
        }
        last.forward_add(f, &y, &shortcut, self.act)
    }
}

#[derive(Debug)]
pub(super) struct Fire {
    pub(super) squeeze: ConvNormAct,
    pub(super) narrow: ConvNormAct,
    pub(super) wide: ConvNormAct,
}

impl Layer for Fire {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let x = self.squeeze.forward(f, x)?;
        concat_channels(&self.narrow.forward(f, &x)?, &self.wide.forward(f, &x)?)
    }
}

#[derive(Debug)]
pub(super) struct Hidden {
    pub(super) side: usize,
    pub(super) layers: Vec<Linear>,
    pub(super) dropout: Dropout,
}

impl Layer for Hidden {
    fn forward(&self, f: &Forward<'_>, x: &Tensor) -> Result<Tensor> {
        let mut y = Flatten.forward(f, &adaptive_avg_pool(x, self.side)?)?;
        for layer in &self.layers {
            y = self.dropout.forward(f, &layer.forward(f, &y)?)?;
        }
        Ok(y.unsqueeze(1)?.unsqueeze(1)?)
    }
}

/// PyTorch's `AdaptiveAvgPool2d(side)` on `[N, H, W, C]`: output i is the mean of rows `i * H / side` to
/// `ceil((i + 1) * H / side)`, and so along the width.
fn adaptive_avg_pool(x: &Tensor, side: usize) -> Result<Tensor> {
    let (n, h, w, c) = x.dims4()?;
    if (h, w) == (side, side) {
        return Ok(x.clone());
    }
    if side == 1 {
        return Ok(global_avg_pool(x)?.reshape((n, 1, 1, c))?);
    }
    let (rows, columns) = (pooling_matrix(h, side, x.device())?, pooling_matrix(w, side, x.device())?);
    Ok(in_f32(x, |x| {
        let x = rows.broadcast_matmul(&x.reshape((n, h, w * c))?)?;
        let x = columns.broadcast_matmul(&x.reshape((n * side, w, c))?)?;
        x.reshape((n, side, side, c))
    })?)
}

fn pooling_matrix(from: usize, to: usize, device: &Device) -> Result<Tensor> {
    let mut values = vec![0f32; to * from];
    for (i, row) in values.chunks_exact_mut(from).enumerate() {
        let window = i * from / to..((i + 1) * from).div_ceil(to);
        let share = 1.0 / window.len() as f32;
        row[window].fill(share);
    }
    Ok(Tensor::from_vec(values, (1, to, from), device)?)
}
