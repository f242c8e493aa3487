//! How fast a network is on this machine.

use super::Control;
use crate::backbones::{BackboneSpec, Network};
use crate::error::{Error, Result};
use crate::nn::layers::Forward;
use crate::nn::rng::Rng;
use candle_core::{Device, Tensor};
use std::time::{Duration, Instant};

/// Pictures in a batch.
const BATCH: usize = 8;
/// Rounds are measured for so long, and so many at least.
const LEAST: (Duration, usize) = (Duration::from_millis(1500), 3);

/// Pictures a second through the frozen network, forward, on the threads of the current pool: the median of several rounds of
/// 8 pictures of the network's own size, after one that is not counted. The weights are random, which changes nothing.
///
/// # Errors
/// If it was cancelled, or memory runs out.
pub fn images_per_s(spec: &'static BackboneSpec, control: &Control) -> Result<f64> {
    let mut network = Network::imagenet(spec, 0, &Device::Cpu)?;
    network.freeze_below(usize::MAX);
    let side = spec.preprocess.crop_px;
    let mut rng = Rng::for_key(0, &[]);
    let values: Vec<f32> = (0..BATCH * side * side * 3).map(|_| rng.normal() as f32).collect();
    let pictures = Tensor::from_vec(values, (BATCH, side, side, 3), &Device::Cpu)?;
    let round = || network.forward(&Forward::eval(&network.store), &pictures).map(|_| ());
    control.checkpoint()?;
    round()?;
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < LEAST.0 || times.len() < LEAST.1 {
        control.checkpoint()?;
        let one = Instant::now();
        round()?;
        times.push(one.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied().filter(|t| *t > 0.0);
    median.map(|t| BATCH as f64 / t).ok_or_else(|| Error::internal("no round was measured"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::find;

    #[test]
    fn a_speed_is_measured_and_can_be_cancelled() {
        let control = Control::default();
        let spec = find("small_cnn").unwrap();
        let speed = images_per_s(spec, &control).unwrap();
        assert!(speed.is_finite() && speed > 1.0, "{speed}");
        control.cancel();
        assert!(images_per_s(spec, &control).unwrap_err().is_cancelled());
    }
}
