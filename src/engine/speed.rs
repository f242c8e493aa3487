//! How fast a network is on this machine.

use super::Control;
use super::device;
use crate::backbones::{BackboneSpec, Network};
use crate::config::{DeviceChoice, Precision};
use crate::error::{Error, Result};
use crate::nn::layers::Forward;
use crate::nn::rng::Rng;
use candle_core::Tensor;
use std::time::{Duration, Instant};

/// Pictures in a batch, on the processor and on a card, which few leave idle.
const BATCH: (usize, usize) = (8, 64);
/// Rounds are measured for so long, and so many at least.
const LEAST: (Duration, usize) = (Duration::from_millis(1500), 3);

/// A measured speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// What computed: never `Auto`.
    pub device: DeviceChoice,
    /// Pictures a second.
    pub images_per_s: f64,
}

/// Pictures a second through the frozen network, forward, on a device and in the precision that training would take there (on the
/// processor with the threads of the current pool): the median of several rounds of 8 pictures of the network's own size, 64 on a
/// card, after one that is not counted. The weights are random, which changes nothing.
///
/// # Errors
/// If the device or the precision is not to be had, it was cancelled, or memory runs out.
pub fn speed(
    spec: &'static BackboneSpec,
    choice: DeviceChoice,
    precision: Precision,
    control: &Control,
) -> Result<Speed> {
    let device = device::device(choice)?;
    let batch = if device.is_cpu() { BATCH.0 } else { BATCH.1 };
    let mut network = Network::imagenet(spec, 0, &device)?;
    network.compute_in_bf16(device::computes_in_bf16(precision, &device)?);
    network.freeze_below(usize::MAX);
    let side = spec.preprocess.crop_px;
    let mut rng = Rng::for_key(0, &[]);
    let values: Vec<f32> = (0..batch * side * side * 3).map(|_| rng.normal() as f32).collect();
    let pictures = Tensor::from_vec(values, (batch, side, side, 3), &device)?;
    let round = || -> Result<()> {
        network.forward(&Forward::eval(&network.store), &pictures)?;
        Ok(device.synchronize()?)
    };
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
    let median = median.ok_or_else(|| Error::internal("no round was measured"))?;
    Ok(Speed { device: device::choice_of(&device), images_per_s: batch as f64 / median })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::find;

    #[test]
    fn a_speed_is_measured_and_can_be_cancelled() {
        let control = Control::default();
        let spec = find("small_cnn").unwrap();
        let measured = speed(spec, DeviceChoice::Cpu, Precision::Auto, &control).unwrap();
        assert_eq!(measured.device, DeviceChoice::Cpu);
        assert!(measured.images_per_s.is_finite() && measured.images_per_s > 1.0, "{measured:?}");
        let e = speed(spec, DeviceChoice::Cpu, Precision::Bf16, &control).unwrap_err();
        assert!(e.to_string().contains("train.precision"), "{e}");
        control.cancel();
        assert!(speed(spec, DeviceChoice::Cpu, Precision::Auto, &control).unwrap_err().is_cancelled());
    }
}
