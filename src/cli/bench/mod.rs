//! `bench`: how fast this machine is.

mod conv;
mod decode;

use super::output::{CliResult, Out};
use crate::backbones::{Network, find};
use crate::engine::peak_rss_mib;
use crate::error::{Error, Result};
use crate::nn::layers::Forward;
use crate::nn::loss::cross_entropy;
use crate::nn::optim::{Optimizer, ParamGroup, Rule};
use crate::nn::rng::Rng;
use crate::nn::tape::Tape;
use candle_core::{Device, Tensor};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Rounds before the measured ones: buffers are allocated and threads started.
const WARM_UP: usize = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Time of a forward pass and of a whole training step, in milliseconds a picture.
    Speed {
        /// The network.
        #[arg(long, default_value = "resnet18")]
        arch: String,
        /// Pictures in a step.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
        batch: u16,
        /// Measured rounds; their median counts.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
        runs: u16,
    },
    /// Throughput of typical convolution layers, forward and with both gradients.
    Conv {
        /// Pictures in a batch.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
        batch: u16,
        /// Measured rounds; their median counts.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
        runs: u16,
    },
    /// Pictures decoded, resized, cropped and normalised, on all cores.
    Decode {
        /// The folder of pictures.
        #[arg(long)]
        data: PathBuf,
        /// Measured rounds; their median counts.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
        runs: u16,
    },
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    match &args.what {
        What::Speed { arch, batch, runs } => speed(arch, (*batch).into(), (*runs).into(), out),
        What::Conv { batch, runs } => conv::run((*batch).into(), (*runs).into(), out),
        What::Decode { data, runs } => decode::run(data, (*runs).into(), out),
    }
}

fn speed(arch: &str, batch: usize, runs: usize, out: &mut Out<'_>) -> CliResult {
    let bench = Bench::new(arch, batch)?;
    let forward = median_ms(runs, || bench.forward())?;
    let train = bench.train_ms(runs)?;
    let per_image = |ms: f64| (ms / batch as f64 * 1e3).round() / 1e3;
    out.json_line(&json!({
        "job": "speed",
        "arch": arch,
        "layout": "nhwc",
        "batch": batch,
        "device": "cpu",
        "bf16": false,
        "forward_ms_per_image": per_image(forward),
        "train_ms_per_image": per_image(train),
        "peak_rss_mib": peak_rss_mib(),
    }))
}

struct Bench {
    network: Network,
    pictures: Tensor,
    targets: Vec<u32>,
}

impl Bench {
    fn new(arch: &str, batch: usize) -> Result<Self> {
        let spec = find(arch)?;
        let mut network = Network::imagenet(spec, 0, &Device::Cpu)?;
        network.freeze_below(usize::MAX);
        let side = spec.preprocess.crop_px;
        let mut rng = Rng::for_key(0, &[]);
        let values: Vec<f32> = (0..batch * side * side * 3).map(|_| rng.normal() as f32).collect();
        let pictures = Tensor::from_vec(values, (batch, side, side, 3), &Device::Cpu)?;
        let targets = (0..batch as u32).map(|i| i % 10).collect();
        Ok(Self { network, pictures, targets })
    }

    fn forward(&self) -> Result<()> {
        self.network.forward(&Forward::eval(&self.network.store), &self.pictures)?;
        Ok(())
    }

    fn train_ms(mut self, runs: usize) -> Result<f64> {
        self.network.freeze_below(0);
        let store = &self.network.store;
        let groups = ParamGroup::split(store, &store.trainable_ids(), 1.0, 0.0);
        let mut optimizer = Optimizer::new(store, Rule::Sgd { momentum: 0.9, nesterov: false }, groups)?;
        median_ms(runs, || {
            let tape = Tape::record();
            let pass = Forward::train(store, true, Rng::for_key(0, &[]));
            let loss =
                cross_entropy(&self.network.forward(&pass, &self.pictures)?, &self.targets, None, 0.0)?;
            optimizer.step(store, &tape.gradients(&loss)?, 1e-3)?;
            pass.keep_statistics()
        })
    }
}

fn median_ms(runs: usize, mut round: impl FnMut() -> Result<()>) -> Result<f64> {
    for _ in 0..WARM_UP {
        round()?;
    }
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let begin = Instant::now();
        round()?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times.get(runs / 2).copied().ok_or_else(|| Error::internal("no round was measured"))
}
