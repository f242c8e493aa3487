//! Operations on shapes that networks have, forward and with gradients. `cargo bench --bench ops`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that fails should panic")]

use candle_core::{Device, Tensor, Var};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use headstart::nn::ops::{self, Activation, Conv2dSpec, PoolSpec};
use headstart::nn::tape::Tape;
use std::hint::black_box;

const BATCH: usize = 8;

fn values(shape: &[usize], pace: f64) -> Var {
    let count: usize = shape.iter().product();
    let wave: Vec<f32> = (0..count).map(|i| ((i as f64 + 1.0) * pace).sin() as f32).collect();
    Var::from_vec(wave, shape, &Device::Cpu).unwrap()
}

/// Times `forward` of constants, and with the gradients of `vars`.
fn both(
    c: &mut Criterion,
    group: &str,
    shape: &str,
    vars: &[&Var],
    forward: impl Fn(&[&Tensor]) -> headstart::Result<Tensor>,
) {
    let mut group = c.benchmark_group(group);
    group.sample_size(10);
    let constants: Vec<Tensor> = vars.iter().map(|v| v.as_detached_tensor()).collect();
    let constants: Vec<&Tensor> = constants.iter().collect();
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function(BenchmarkId::new("forward", shape), |b| {
        b.iter(|| black_box(forward(&constants).unwrap()));
    });
    let tracked: Vec<&Tensor> = vars.iter().map(|v| v.as_tensor()).collect();
    group.bench_function(BenchmarkId::new("with gradients", shape), |b| {
        b.iter(|| {
            let tape = Tape::record();
            let loss = forward(&tracked).unwrap().sum_all().unwrap();
            black_box(tape.gradients(&loss).unwrap())
        });
    });
    group.finish();
}

fn convolutions(c: &mut Criterion) {
    // Side, channels in and out, kernel, stride, groups.
    for [side, cin, cout, kernel, stride, groups] in [
        [56, 64, 64, 3, 1, 1],
        [14, 256, 256, 3, 1, 1],
        [28, 128, 512, 1, 1, 1],
        [224, 3, 64, 7, 2, 1],
        [56, 144, 144, 3, 1, 144],
        [14, 240, 240, 5, 1, 240],
    ] {
        let x = values(&[BATCH, side, side, cin], 0.7);
        let weight = values(&[kernel, kernel, cin / groups, cout], 1.1);
        let spec = Conv2dSpec { stride, padding: kernel / 2, dilation: 1, groups };
        let shape = format!("{side}px {cin}-{cout} {kernel}x{kernel} stride {stride} groups {groups}");
        both(c, "conv2d", &shape, &[&x, &weight], |a| {
            ops::conv2d(a[0], a[1], None, spec, Activation::Identity)
        });
    }
}

fn normalisations(c: &mut Criterion) {
    let (x, gamma, beta) = (values(&[BATCH, 56, 56, 64], 0.7), values(&[64], 1.1), values(&[64], 0.3));
    both(c, "batch_norm", "56px 64", &[&x, &gamma, &beta], |a| {
        Ok(ops::batch_norm(a[0], a[1], a[2], 1e-5, Activation::Relu)?.0)
    });
    let (x, gamma, beta) = (values(&[BATCH, 1, 197, 384], 0.7), values(&[384], 1.1), values(&[384], 0.3));
    both(c, "layer_norm", "197 tokens 384", &[&x, &gamma, &beta], |a| {
        ops::layer_norm(a[0], a[1], a[2], 1e-6)
    });
}

fn others(c: &mut Criterion) {
    let x = values(&[BATCH, 112, 112, 64], 0.7);
    let spec = PoolSpec { kernel: 3, stride: 2, padding: 1, ceil: false };
    both(c, "max_pool2d", "112px 64", &[&x], |a| ops::max_pool2d(a[0], spec));
    for act in [Activation::Gelu, Activation::Silu, Activation::Hardswish] {
        let name = format!("{act:?} 197 tokens 1536");
        both(c, "activation", &name, &[&values(&[BATCH, 1, 197, 1536], 0.7)], |a| act.apply(a[0]));
    }
    let (x, weight) = (values(&[BATCH, 1, 197, 384], 0.7), values(&[384, 1152], 1.1));
    both(c, "linear", "197 tokens 384-1152", &[&x, &weight], |a| {
        ops::linear(a[0], a[1], None, Activation::Identity)
    });
}

criterion_group!(benches, convolutions, normalisations, others);
criterion_main!(benches);
