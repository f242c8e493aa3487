//! Convolution and pooling against PyTorch; `fixtures/ops_golden.py` made the expected values.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed test should stop where it fails"
)]

mod digest;
mod ways;

use candle_core::{DType, Tensor, Var};
use digest::{assert_digest, size, sizes, wave};
use headstart::nn::ops::{
    Activation, Conv2dSpec, PoolSpec, add, avg_pool2d, conv2d, global_avg_pool, global_max_pool, max_pool2d,
};
use serde_json::Value;
use ways::{device, every_way};

every_way!(
    convolution_agrees_with_pytorch,
    pooling_agrees_with_pytorch,
    gradients_at_kinks_and_of_what_is_not_finite_are_those_of_pytorch,
);

fn golden() -> Value {
    serde_json::from_str(include_str!("fixtures/ops_golden.json")).unwrap()
}

fn activation(name: &str) -> Activation {
    match name {
        "identity" => Activation::Identity,
        "relu" => Activation::Relu,
        "relu6" => Activation::Relu6,
        "hardswish" => Activation::Hardswish,
        "silu" => Activation::Silu,
        "gelu" => Activation::Gelu,
        "hardsigmoid" => Activation::Hardsigmoid,
        other => panic!("activation {other}"),
    }
}

fn convolution_agrees_with_pytorch() {
    for case in golden()["conv"].as_array().unwrap() {
        let x_shape = sizes(&case["x"]);
        let (groups, cout, kernel) = (size(case, "groups"), size(case, "cout"), sizes(&case["kernel"]));
        let spec = Conv2dSpec {
            stride: size(case, "stride"),
            padding: size(case, "padding"),
            dilation: size(case, "dilation"),
            groups,
        };
        let label = format!("x {x_shape:?} kernel {kernel:?} {spec:?} {}", case["act"]);
        let x = Var::from_tensor(&wave(&x_shape, 0.7)).unwrap();
        let weight =
            Var::from_tensor(&wave(&[kernel[0], kernel[1], x_shape[3] / groups, cout], 1.3)).unwrap();
        let bias = Var::from_tensor(&wave(&[cout], 0.4)).unwrap();
        let with_bias = case["bias"].as_bool().unwrap();
        let act = activation(case["act"].as_str().unwrap());
        let y = conv2d(&x, &weight, with_bias.then_some(bias.as_tensor()), spec, act).unwrap();
        assert_digest(&format!("{label}: result"), &y, &case["y"]);
        let loss = (&y * wave(y.dims(), 0.9)).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        for (name, var) in [("x", &x), ("weight", &weight), ("bias", &bias)] {
            match (grads.get(var), &case["grads"][name]) {
                (None, Value::Null) => {}
                (Some(grad), want) if want.is_object() => {
                    assert_digest(&format!("{label}: gradient of {name}"), grad, want)
                }
                (grad, want) => panic!("{label}: gradient of {name} is {grad:?}, PyTorch {want}"),
            }
        }
    }
}

fn pooling_agrees_with_pytorch() {
    for case in golden()["pool"].as_array().unwrap() {
        let x_shape = sizes(&case["x"]);
        let spec = PoolSpec {
            kernel: size(case, "kernel"),
            stride: size(case, "stride"),
            padding: size(case, "padding"),
            ceil: case["ceil"].as_bool().unwrap(),
        };
        let mut x = wave(&x_shape, 0.7);
        if case["ties"].as_bool().unwrap() {
            x = (x * 2.0).unwrap().round().unwrap();
        }
        let x = Var::from_tensor(&x).unwrap();
        let kind = case["kind"].as_str().unwrap();
        let y = match kind {
            "max" => max_pool2d(&x, spec),
            "avg" => avg_pool2d(&x, spec),
            "global_max" => global_max_pool(&x),
            "global_avg" => global_avg_pool(&x),
            other => panic!("pool {other}"),
        }
        .unwrap();
        let label = format!("{kind} x {x_shape:?} {spec:?} ties {}", case["ties"]);
        assert_digest(&format!("{label}: result"), &y, &case["y"]);
        let loss = (&y * wave(y.dims(), 0.9)).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        assert_digest(&format!("{label}: gradient"), grads.get(&x).unwrap(), &case["grad"]);
    }
}

fn gradients_at_kinks_and_of_what_is_not_finite_are_those_of_pytorch() {
    let numbers = |list: &Value| -> Vec<f32> {
        list.as_array().unwrap().iter().map(|v| v.as_str().unwrap().parse().unwrap()).collect()
    };
    let tiled = |values: &[f32]| Tensor::from_vec(values.repeat(8), 8 * values.len(), &device()).unwrap();
    for case in golden()["edges"].as_array().unwrap() {
        let act = activation(case["act"].as_str().unwrap());
        let x = numbers(&case["x"]);
        let nothing = Tensor::zeros(8 * x.len(), DType::F32, &device()).unwrap();
        for (grad, want) in numbers(&case["upstream"]).into_iter().zip(case["grads"].as_array().unwrap()) {
            let x = Var::from_tensor(&tiled(&x)).unwrap();
            let upstream = tiled(&vec![grad; case["x"].as_array().unwrap().len()]);
            for y in [act.apply(&x).unwrap(), add(&x, &nothing, act).unwrap()] {
                let loss = (y * &upstream).unwrap().sum_all().unwrap();
                let got = loss.backward().unwrap().get(&x).unwrap().to_vec1::<f32>().unwrap();
                for (i, (got, want)) in got.iter().zip(numbers(want).repeat(8)).enumerate() {
                    let alike = *got == want || (got.is_nan() && want.is_nan()) || (got - want).abs() < 1e-6;
                    assert!(alike, "{act:?} value {i}, gradient {grad}: {got}, PyTorch {want}");
                }
            }
        }
    }
}
