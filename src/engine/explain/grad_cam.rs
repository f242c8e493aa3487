//! Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization").

use super::{HeatMap, HeatMethod};
use crate::backbones::Network;
use crate::config::HeadOutput;
use crate::error::{Error, Result};
use crate::nn::layers::Forward;
use crate::nn::tape::Tape;
use candle_core::{DType, Tensor, Var};

/// What speaks for a class: the channels of the last map, each weighted with the mean of its logit's gradient, summed, and cut at 0
/// (equations 1 and 2). The last map is the backbone's output, or what its hidden layers read.
///
/// # Shapes
/// `x: [1, H, W, 3]`; the map has the last map's positions.
///
/// # Errors
/// If the network's last map is a single position or a row of tokens, there is no such class, or the input does not fit.
pub fn grad_cam(network: &Network, x: &Tensor, class: usize, output: HeadOutput) -> Result<HeatMap> {
    let f = Forward::eval(&network.store);
    let at = network.last_map();
    let map = network.forward_stages(&f, x, 0, at)?.detach().to_dtype(DType::F32)?;
    let (batch, rows, columns, channels) = map.dims4()?;
    if batch != 1 || network.has_class_token() {
        return Err(Error::internal("Grad-CAM is of one picture and of a network of convolutions"));
    }
    if rows * columns == 1 {
        return Err(Error::input(
            "this network's last map is a single position, so there is no where to show",
        ));
    }
    let map = Var::from_tensor(&map)?;
    let tape = Tape::record();
    let y = network.forward_stages(&f, map.as_tensor(), at, network.stage_count())?;
    let logit = logit(&network.forward_head(&f, &network.pool(&f, &y)?)?, class, output)?;
    let gradients = tape.gradients(&logit)?;
    let gradient = gradients
        .get(map.as_tensor())
        .ok_or_else(|| Error::internal("the class does not depend on the network's last map"))?;
    let weights = channel_means(&gradient.flatten_all()?.to_vec1()?, channels);
    let activations: Vec<f32> = map.as_tensor().flatten_all()?.to_vec1()?;
    let values =
        activations.chunks_exact(channels).map(|of| weighted(of, &weights).max(0.0) as f32).collect();
    Ok(HeatMap { method: HeatMethod::GradCam, rows, columns, values })
}

/// The logit of a class. With one output for two classes, the first class's is the other's negative.
fn logit(logits: &Tensor, class: usize, output: HeadOutput) -> Result<Tensor> {
    let (column, sign) = match (output, class) {
        (HeadOutput::Softmax, class) => (class, 1.0),
        (HeadOutput::Sigmoid, 0) => (0, -1.0),
        (HeadOutput::Sigmoid, class) => (class - 1, 1.0),
    };
    if column >= logits.dim(1)? {
        return Err(Error::input(format!("the model has no class number {class}")));
    }
    Ok(logits.narrow(1, column, 1)?.affine(sign, 0.0)?.sum_all()?)
}

fn channel_means(values: &[f32], channels: usize) -> Vec<f64> {
    let mut means = vec![0f64; channels];
    for row in values.chunks_exact(channels) {
        means.iter_mut().zip(row).for_each(|(m, &v)| *m += f64::from(v));
    }
    let share = channels as f64 / values.len() as f64;
    means.iter_mut().for_each(|m| *m *= share);
    means
}

fn weighted(values: &[f32], weights: &[f64]) -> f64 {
    values.iter().zip(weights).map(|(&v, w)| f64::from(v) * w).sum()
}
