//! Throughput of single convolution layers, forward and with both gradients.

use super::super::output::{CliResult, Out};
use super::{Rounds, median_ms};
use crate::engine::peak_rss_mib;
use crate::error::Result;
use crate::nn::ops::{Activation, Conv2dSpec, conv2d};
use crate::nn::rng::Rng;
use candle_core::{Device, Tensor, Var};
use serde_json::{Value, json};

/// Typical layers: input channels, kernel, side in pixels, output channels, stride, groups.
const LAYERS: [[usize; 6]; 8] = [
    [64, 3, 56, 64, 1, 1],
    [128, 3, 28, 128, 1, 1],
    [256, 3, 14, 256, 1, 1],
    [512, 3, 7, 512, 1, 1],
    [64, 1, 56, 256, 1, 1],
    [256, 1, 14, 1024, 1, 1],
    [3, 7, 224, 64, 2, 1],
    [96, 3, 56, 96, 1, 96],
];

/// Measures each layer and writes its line.
pub(super) fn run(batch: usize, rounds: Rounds, out: &mut Out<'_>) -> CliResult {
    LAYERS.iter().try_for_each(|layer| out.json_line(&measure(*layer, batch, rounds)?))
}

fn measure([cin, k, hw, cout, stride, groups]: [usize; 6], batch: usize, rounds: Rounds) -> Result<Value> {
    let mut rng = Rng::for_key(0, &[]);
    let mut drawn = |shape: [usize; 4]| {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.normal() as f32).collect();
        Var::from_vec(values, &shape, &Device::Cpu)
    };
    let x = drawn([batch, hw, hw, cin])?;
    let weight = drawn([k, k, cin / groups, cout])?;
    let spec = Conv2dSpec { stride, padding: k / 2, dilation: 1, groups };
    let run = |x: &Tensor, weight: &Tensor| conv2d(x, weight, None, spec, Activation::Identity);
    let (plain_x, plain_weight) = (x.as_detached_tensor(), weight.as_detached_tensor());
    let forward = median_ms(rounds, || run(&plain_x, &plain_weight).map(drop))?;
    let y = run(&plain_x, &plain_weight)?;
    let upstream = drawn([batch, y.dim(1)?, y.dim(2)?, cout])?.as_detached_tensor();
    let both = median_ms(rounds, || {
        let y = run(x.as_tensor(), weight.as_tensor())?;
        (y * &upstream)?.sum_all()?.backward()?;
        Ok(())
    })?;
    let flop = (2 * batch * cout * (cin / groups) * k * k * (hw / stride).pow(2)) as f64;
    let gflops = |work: f64, ms: f64| (work / ms / 1e5).round() / 10.0;
    let round = |ms: f64| (ms * 1e3).round() / 1e3;
    Ok(json!({
        "job": "conv",
        "cin": cin,
        "k": k,
        "hw": hw,
        "cout": cout,
        "stride": stride,
        "groups": groups,
        "layout": "nhwc",
        "forward_gflops": gflops(flop, forward),
        "forward_backward_gflops": gflops(3.0 * flop, both),
        "forward_ms": round(forward),
        "forward_backward_ms": round(both),
        "peak_rss_mib": peak_rss_mib(),
    }))
}
