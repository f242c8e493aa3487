//! `bench`: how fast this machine is.

mod conv;
mod decode;

use super::output::{CliResult, Out};
use crate::backbones::{Network, find};
use crate::config::{DeviceChoice, Precision};
use crate::engine::{computes_in_bf16, device, device_name, peak_rss_mib};
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
const WARM_UP: u16 = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Time of a forward pass and of a whole training step, in milliseconds a picture.
    Speed(Speed),
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

#[derive(Debug, clap::Args)]
struct Speed {
    /// The network.
    #[arg(long, default_value = "resnet18")]
    arch: String,
    /// Pictures in a step.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: u16,
    /// Measured rounds; their median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: u16,
    /// Rounds before the measured ones.
    #[arg(long, default_value_t = WARM_UP)]
    warm_up: u16,
    /// What computes.
    #[arg(long, default_value = DeviceChoice::Cpu.name(), value_parser = DeviceChoice::ALL.map(DeviceChoice::name))]
    device: String,
    /// The network's stages compute in bf16, as they do in training on cards that have it.
    #[arg(long)]
    bf16: bool,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> CliResult {
    match &args.what {
        What::Speed(args) => speed(args, out),
        What::Conv { batch, runs } => conv::run((*batch).into(), (*runs).into(), out),
        What::Decode { data, runs } => decode::run(data, (*runs).into(), out),
    }
}

fn speed(args: &Speed, out: &mut Out<'_>) -> CliResult {
    let batch = usize::from(args.batch);
    let rounds = Rounds { warm_up: args.warm_up.into(), measured: args.runs.into() };
    let choice = DeviceChoice::ALL.into_iter().find(|choice| choice.name() == args.device);
    let device = device(choice.unwrap_or(DeviceChoice::Cpu))?;
    let precision = if args.bf16 { Precision::Bf16 } else { Precision::F32 };
    let bf16 = computes_in_bf16(precision, &device)?;
    let bench = Bench::new(&args.arch, batch, &device, bf16)?;
    let forward = bench.forward_ms(rounds)?;
    let train = bench.train_ms(rounds)?;
    let per_image = |ms: f64| (ms / batch as f64 * 1e6).round() / 1e6;
    out.json_line(&json!({
        "job": "speed",
        "arch": args.arch,
        "layout": "nhwc",
        "batch": batch,
        "device": device_name(&device),
        "bf16": bf16,
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
    fn new(arch: &str, batch: usize, device: &Device, bf16: bool) -> Result<Self> {
        let spec = find(arch)?;
        let mut network = Network::imagenet(spec, 0, device)?;
        network.compute_in_bf16(bf16);
        network.freeze_below(usize::MAX);
        let side = spec.preprocess.crop_px;
        let mut rng = Rng::for_key(0, &[]);
        let values: Vec<f32> = (0..batch * side * side * 3).map(|_| rng.normal() as f32).collect();
        let pictures = Tensor::from_vec(values, (batch, side, side, 3), device)?;
        let targets = (0..batch as u32).map(|i| i % 10).collect();
        Ok(Self { network, pictures, targets })
    }

    fn forward_ms(&self, rounds: Rounds) -> Result<f64> {
        median_ms(rounds, || {
            self.network.forward(&Forward::eval(&self.network.store), &self.pictures)?;
            self.done()
        })
    }

    fn train_ms(mut self, rounds: Rounds) -> Result<f64> {
        self.network.freeze_below(0);
        let store = &self.network.store;
        let groups = ParamGroup::split(store, &store.trainable_ids(), 1.0, 0.0);
        let mut optimizer = Optimizer::new(store, Rule::Sgd { momentum: 0.9, nesterov: false }, groups)?;
        median_ms(rounds, || {
            let tape = Tape::record();
            let pass = Forward::train(store, true, Rng::for_key(0, &[]));
            let loss =
                cross_entropy(&self.network.forward(&pass, &self.pictures)?, &self.targets, None, 0.0)?;
            optimizer.step(store, &tape.gradients(&loss)?, 1e-3)?;
            pass.keep_statistics()?;
            self.done()
        })
    }

    /// Waits for what a card has been told to do.
    fn done(&self) -> Result<()> {
        Ok(self.pictures.device().synchronize()?)
    }
}

/// How often something is done.
#[derive(Debug, Clone, Copy)]
struct Rounds {
    warm_up: usize,
    measured: usize,
}

impl From<u16> for Rounds {
    fn from(measured: u16) -> Self {
        Self { warm_up: WARM_UP.into(), measured: measured.into() }
    }
}

fn median_ms(rounds: Rounds, mut round: impl FnMut() -> Result<()>) -> Result<f64> {
    for _ in 0..rounds.warm_up {
        round()?;
    }
    let mut times = Vec::with_capacity(rounds.measured);
    for _ in 0..rounds.measured {
        let begin = Instant::now();
        round()?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times.get(rounds.measured / 2).copied().ok_or_else(|| Error::internal("no round was measured"))
}
